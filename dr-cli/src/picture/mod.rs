//! Pictures of a program: the request path through its regions, and around it what carries it.
//!
//! [`scene`] says what is in the picture, [`layout`] where it stands, [`svg`] how it looks.

mod html;
mod layout;
mod mermaid;
mod scene;
mod svg;

pub(crate) use html::html;
pub(crate) use mermaid::mermaid;

use dr_core::Graph;

/// The picture as a file of its own.
pub(crate) fn svg(graph: &Graph) -> String {
    svg::draw(&layout::place(&scene::of(graph)), svg::Use::File)
}

/// Text inside markup.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Not allowed in XML, whatever the program calls its things.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use dr_core::{Anywhere, Global, Outputs, Region, Resource, Stack, region};

    use super::*;

    region!(
        /// A role.
        role Here = "here"
    );
    region!(
        /// Another place.
        There = "there-1"
    );

    /// A part of nothing in particular.
    #[derive(Debug, Clone, Resource)]
    #[resource(type = "toy.parts.part", outputs = PartOutputs, create_s = 5)]
    struct Part<R: Region = Anywhere> {
        on: Vec<dr_core::Input<String>>,
        of: std::marker::PhantomData<fn() -> R>,
    }

    #[derive(Debug, Clone, Outputs)]
    struct PartOutputs {
        id: String,
    }

    impl<R: Region> Part<R> {
        fn on(outputs: impl IntoIterator<Item = dr_core::Output<String>>) -> Self {
            Part { on: outputs.into_iter().map(dr_core::IntoInput::into_input).collect(), of: std::marker::PhantomData }
        }
    }

    fn parts(n: usize) -> Stack {
        Stack::build("parts", |stack| {
            let (here, there, global) = (stack.region_as(Here, "eu-west-9"), stack.region(There), stack.region(Global));
            let first = here.add("first", Part::on([]));
            let ids: Vec<_> = (0..n).map(|at| here.add(("many", at), Part::on([first.id])).id).collect();
            let other = there.add("other", Part::on([]));
            let _top = here.scope("group").add("top", Part::on(ids));
            global.add("all", Everywhere::on(other.id));
        })
        .unwrap()
    }

    /// A part of no region.
    #[derive(Debug, Clone, Resource)]
    #[resource(type = "toy.parts.global", outputs = PartOutputs, region = Global)]
    struct Everywhere {
        on: dr_core::Input<String>,
    }

    impl Everywhere {
        fn on(id: dr_core::Output<String>) -> Self {
            Everywhere { on: dr_core::IntoInput::into_input(id) }
        }
    }

    /// Cards with their places, and the ways between them.
    fn told(graph: &Graph) -> String {
        let scene = scene::of(graph);
        let mut out = format!("{} ({})\n", scene.title, scene.subtitle);
        let place = |place: scene::Place| match place {
            scene::Place::Around => "around".to_owned(),
            scene::Place::Panel(at) => scene.panels[at].region.clone(),
        };
        for flow in &scene.flows {
            let end = |at: usize| format!("{} in {}", scene.cards[at].title, place(scene.cards[at].place));
            let label = match &flow.label {
                Some((words, more)) => format!(" [{words}; {}]", more.as_deref().unwrap_or("-")),
                None => String::new(),
            };
            out.push_str(&format!("{:?}: {} → {}{label}\n", flow.style, end(flow.from), end(flow.to)));
        }
        for panel in &scene.panels {
            let clusters: Vec<_> = panel.clusters.iter().map(|c| format!("{}({})", c.title, c.chips.len())).collect();
            out.push_str(&format!("{} {:?} {:?}: {}\n", panel.region, panel.duty, panel.network, clusters.join(" ")));
        }
        out
    }

    /// Every element is closed, nothing lies outside of the picture, and nothing comes from elsewhere.
    fn check(svg: &str) {
        let mut open: Vec<&str> = Vec::new();
        for tag in svg.split('<').skip(1) {
            let (tag, _) = tag.split_once('>').expect("a tag ends");
            let name = tag.trim_end_matches('/').split([' ', '\n']).next().unwrap_or_default();
            match (name.strip_prefix('/'), tag.ends_with('/')) {
                (Some(name), _) => assert_eq!(open.pop(), Some(name)),
                (None, false) => open.push(name),
                (None, true) => {}
            }
        }
        assert_eq!(open, [""; 0]);
        assert!(!svg.contains("<script") && !svg.contains("href") && !svg.contains("@import") && !svg.contains("NaN"));
        let size = |name: &str| {
            let start = svg.find(&format!(" {name}=\"")).unwrap() + name.len() + 3;
            svg[start..].split('"').next().unwrap().parse::<f64>().unwrap()
        };
        let (width, height) = (size("width"), size("height"));
        let rects = svg.split("<rect ").skip(1).filter_map(|rect| rect.split("/>").next());
        for rect in rects.filter(|rect| rect.contains(" x=")) {
            let of = |name: &str| {
                let start = rect.find(&format!(" {name}=\"")).unwrap() + name.len() + 3;
                rect[start..].split('"').next().unwrap().parse::<f64>().unwrap()
            };
            assert!(of("x") >= 0.0 && of("x") + of("width") <= width && of("y") + of("height") <= height, "{rect}");
        }
    }

    #[test]
    fn any_program_has_a_picture() {
        for n in [0, 1, 3, 60] {
            let stack = parts(n);
            check(&svg(&stack));
        }
        insta::assert_snapshot!(told(&parts(3)), @r"
        parts (7 resources: 6 in 2 regions, 1 global)
        Main: many in eu-west-9 → first in eu-west-9
        Main: top in eu-west-9 → many in eu-west-9
        Plain: all in around → other in there-1
        eu-west-9 None None: 
        there-1 None None:
        ");
        let nothing = Stack::build("nothing", |_| {}).unwrap();
        check(&svg(&nothing));
        assert_eq!(mermaid(&nothing), "flowchart LR\n");
    }

    #[test]
    fn names_cannot_break_the_markup() {
        let stack = Stack::build("parts", |stack| {
            stack.region(There).add(("part", "<b>&amp"), Part::on([]));
        });
        let stack = stack.unwrap();
        for text in [html(&stack), svg(&stack)] {
            assert!(text.contains("&lt;b&gt;&amp;amp") && !text.contains("<b>"), "{text}");
        }
        assert!(mermaid(&stack).contains("part[#lt;b#gt;&amp]"));
    }

    #[cfg(feature = "aws")]
    mod aws {
        use dr_aws::constructs::{Edge, FailoverPair, LatencyGroup, SecureApi, Site, ValidatedCertificate};
        use dr_aws::regions::{EuWest1, UsEast1, UsWest2};
        use dr_aws::route53::HostedZone;
        use dr_core::cidr;

        use super::*;

        #[test]
        fn the_way_of_a_request_is_found_in_a_two_region_site() {
            let stack = Stack::build("shop", |stack| {
                let (east, west, global) = (stack.region(UsEast1), stack.region(UsWest2), stack.region(Global));
                let zone = global.add("zone", HostedZone::new("example.com"));
                let name = "origin.example.com";
                let certificate = ValidatedCertificate::new(name, zone.id).request("certificate", &global, &east);
                let api = || SecureApi::new(cidr!("10.0.0.0/16"));
                // In the other order than DNS uses them.
                let standby = Site::new(api_of(), name, certificate.also_in(&west));
                let standby = west.add("standby", standby);
                let primary = east.add("primary", Site::new(api(), name, certificate.arn));
                let origin = global.add("origin", FailoverPair::new(name, zone.id, &primary, &standby));
                global.add("edge", Edge::new("www.example.com", zone.id, &origin));
            })
            .unwrap();
            check(&svg(&stack));
            insta::assert_snapshot!(told(&stack), @r#"
            shop (120 resources: 104 in 2 regions, 16 global)
            Main: Users in around → www.example.com in around
            Main: www.example.com in around → CloudFront in around
            Main: CloudFront in around → origin.example.com in around
            Standby: origin.example.com in around → origin.example.com in us-west-2 [standby; HTTPS /health, 3 × 10 s]
            Main: origin.example.com in around → origin.example.com in us-east-1 [primary; HTTPS /health, 3 × 10 s]
            Standby: origin.example.com in us-west-2 → HTTP API in us-west-2
            Main: origin.example.com in us-east-1 → HTTP API in us-east-1
            Standby: HTTP API in us-west-2 → VPC link in us-west-2
            Main: HTTP API in us-east-1 → VPC link in us-east-1
            Standby: VPC link in us-west-2 → Load balancer in us-west-2
            Main: VPC link in us-east-1 → Load balancer in us-east-1
            Standby: Load balancer in us-west-2 → 2 instances in us-west-2
            Main: Load balancer in us-east-1 → 2 instances in us-east-1
            us-east-1 Some(Primary) Some("VPC 10.0.0.0/16"): certificate(2) net(9) server(2) alb(5) primary(5) link_to_alb(1) edge · certificate(2)
            us-west-2 Some(Standby) Some("VPC 10.1.0.0/16"): certificate(2) net(9) server(2) alb(5) standby(5) link_to_alb(1)
            "#);
        }

        fn api_of<R: Region>() -> SecureApi<R> {
            SecureApi::new(cidr!("10.1.0.0/16"))
        }

        #[test]
        fn one_region_and_three_have_pictures_too() {
            let one = Stack::build("api", |stack| {
                stack.region(EuWest1).add("api", SecureApi::new(cidr!("10.0.0.0/16")));
            });
            let one = one.unwrap();
            check(&svg(&one));
            insta::assert_snapshot!(told(&one), @r#"
            api (50 resources: 47 in 1 region, 3 global)
            Main: Users in around → HTTP API in eu-west-1
            Main: HTTP API in eu-west-1 → VPC link in eu-west-1
            Main: VPC link in eu-west-1 → Load balancer in eu-west-1
            Main: Load balancer in eu-west-1 → 2 instances in eu-west-1
            eu-west-1 None Some("VPC 10.0.0.0/16"): net(9) server(2) alb(5) api(4) link_to_alb(1)
            "#);
            let three = Stack::build("shop", |stack| {
                let (east, west, global) = (stack.region(UsEast1), stack.region(UsWest2), stack.region(Global));
                let zone = global.add("zone", HostedZone::new("example.com"));
                let certificate =
                    ValidatedCertificate::new("a.example.com", zone.id).request("certificate", &global, &east);
                let one = east.add("one", Site::new(api_of(), "a.example.com", certificate.arn));
                let two = west.add("two", Site::new(api_of(), "a.example.com", certificate.also_in(&west)));
                stack.region(EuWest1).add("alone", api_of());
                global.add("origin", LatencyGroup::new("a.example.com", zone.id, &one, &two));
            });
            let three = three.unwrap();
            check(&svg(&three));
            insta::assert_snapshot!(told(&three), @r#"
            shop (164 resources: 149 in 3 regions, 15 global)
            Main: Users in around → a.example.com in around
            Main: a.example.com in around → a.example.com in us-east-1 [nearest to us-east-1; HTTPS /health, 3 × 10 s]
            Main: a.example.com in around → a.example.com in us-west-2 [nearest to us-west-2; HTTPS /health, 3 × 10 s]
            Main: a.example.com in us-east-1 → HTTP API in us-east-1
            Main: a.example.com in us-west-2 → HTTP API in us-west-2
            Main: HTTP API in us-east-1 → VPC link in us-east-1
            Main: HTTP API in us-west-2 → VPC link in us-west-2
            Main: HTTP API in eu-west-1 → VPC link in eu-west-1
            Main: VPC link in us-east-1 → Load balancer in us-east-1
            Main: VPC link in us-west-2 → Load balancer in us-west-2
            Main: VPC link in eu-west-1 → Load balancer in eu-west-1
            Main: Load balancer in us-east-1 → 2 instances in us-east-1
            Main: Load balancer in us-west-2 → 2 instances in us-west-2
            Main: Load balancer in eu-west-1 → 2 instances in eu-west-1
            us-east-1 Some(Shared) Some("VPC 10.1.0.0/16"): certificate(2) net(9) server(2) alb(5) one(5) link_to_alb(1)
            us-west-2 Some(Shared) Some("VPC 10.1.0.0/16"): certificate(2) net(9) server(2) alb(5) two(5) link_to_alb(1)
            eu-west-1 None Some("VPC 10.1.0.0/16"): net(9) server(2) alb(5) alone(4) link_to_alb(1)
            "#);
        }
    }
}
