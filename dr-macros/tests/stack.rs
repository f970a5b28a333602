//! `stack!` is the builder, line for line.

pub mod net;

use dr_core::{BuildErrors, Global, Graph, IntoInput, Stack, cidr, stack};
use net::{Alb, FailoverPair, Primary, ShopOutputs, ShopOutputsArgs, Site, Subnet, UsEast1, UsWest2, Vpc};

/// The whole program as text: nodes with inputs in order, and edges.
fn text(graph: &Graph) -> String {
    let nodes = graph.nodes().map(|node| format!("{} {} {}\n", node.address, node.region, node.inputs));
    nodes.chain([graph.dot()]).collect()
}

fn addresses(graph: &Graph) -> Vec<String> {
    graph.nodes().map(|node| node.address.to_string()).collect()
}

#[test]
fn the_macro_writes_what_one_would_write_by_hand() {
    let written = stack!("shop", |east: UsEast1, west: UsWest2, global: Global| {
        let primary = east(Site { cidr: cidr!("10.0.0.0/16"), zones: 3 });
        let standby = west(Site { cidr: cidr!("10.1.0.0/16"), zones: 2 });
        let origin = global(FailoverPair::new(primary.alb, standby.alb));
        ShopOutputs { url: primary.url.into_input(), vpc: primary.vpc }
    })
    .unwrap();
    let by_hand = Stack::build("shop", |stack| {
        let (east, west, global) = (stack.region(UsEast1), stack.region(UsWest2), stack.region(Global));
        let primary = east.add("primary", Site { cidr: cidr!("10.0.0.0/16"), zones: 3 });
        let standby = west.add("standby", Site { cidr: cidr!("10.1.0.0/16"), zones: 2 });
        global.add("origin", FailoverPair::new(primary.alb, standby.alb));
        ShopOutputs { url: primary.url.into_input(), vpc: primary.vpc }
    })
    .unwrap();
    assert_eq!(text(&written), text(&by_hand));
    assert_eq!(written.name(), "shop");
    assert_eq!(
        addresses(&written),
        [
            "us-east-1/primary.vpc",
            "us-east-1/primary.private[0]",
            "us-east-1/primary.private[1]",
            "us-east-1/primary.private[2]",
            "us-east-1/primary.alb",
            "us-west-2/standby.vpc",
            "us-west-2/standby.private[0]",
            "us-west-2/standby.private[1]",
            "us-west-2/standby.alb",
            "global/origin",
        ]
    );
    let known = serde_json::json!({"dns_name": "alb.example.com", "id": "vpc-1"});
    let ShopOutputsArgs { url, vpc } = written.outputs(|_| Some(&known)).unwrap();
    assert_eq!((url.as_str(), vpc.as_str()), ("https://alb.example.com/", "vpc-1"));
}

#[test]
fn a_node_knows_the_place_of_its_scope_in_the_program() {
    let line = line!() + 2;
    let stack = stack!("shop", |east: UsEast1| {
        let vpc = east(Vpc::new(cidr!("10.0.0.0/16")));
    })
    .unwrap();
    assert_eq!(stack.get("us-east-1/vpc").unwrap().declared_at, format!("{}:{line}:19", file!()));
}

#[test]
fn roles_are_bound_to_any_text() {
    fn program(name: &str, region: &str) -> Result<Stack, BuildErrors> {
        stack!(name, |primary: Primary = region, west: net::UsWest2| {
            let vpc = primary(Vpc::new(cidr!("10.0.0.0/16")));
            let _vpc = west(Vpc::new(cidr!("10.1.0.0/16")));
        })
    }
    let stack = program("shop", "eu-west-1").unwrap();
    assert_eq!(stack.get("primary/vpc").unwrap().region.as_ref(), "eu-west-1");
    assert_eq!(stack.get("us-west-2/vpc").unwrap().region.as_ref(), "us-west-2");
    assert_eq!(program(&"shop".repeat(2), "eu-west-3").unwrap().name(), "shopshop");

    let computed = stack!(&format!("shop-{}", 1), |primary: Primary = if stack.is_empty() { "a" } else { "b" },| {
        let vpc = primary(Vpc::new(cidr!("10.0.0.0/16")));
    },);
    assert_eq!(computed.unwrap().get("primary/vpc").unwrap().region.as_ref(), "b");
}

#[test]
fn a_program_may_be_generic_over_its_regions() {
    fn program<P: dr_core::FixedRegion>() -> Result<Stack, BuildErrors> {
        stack!("shop", |here: P| {
            let vpc = here(Vpc::new(cidr!("10.0.0.0/16")));
        })
    }
    assert_eq!(addresses(&program::<UsWest2>().unwrap()), ["us-west-2/vpc"]);
}

#[test]
fn the_program_is_written_like_any_closure() {
    let cidr = Box::new(cidr!("10.0.0.0/16"));
    let stack = stack!("shop", move |east: UsEast1| -> ShopOutputs {
        let vpc = east(Vpc::new(*cidr));
        if vpc.id.origin() == vpc.id.origin() {
            return ShopOutputs { url: "https://example.com/".into_input(), vpc: vpc.id };
        }
        ShopOutputs { url: "".into_input(), vpc: vpc.id }
    });
    assert_eq!(addresses(&stack.unwrap()), ["us-east-1/vpc"]);
    let one = stack!("shop", |east: UsEast1| east.add("vpc", Vpc::new(cidr!("10.0.0.0/16"))).id);
    assert_eq!(addresses(&one.unwrap()), ["us-east-1/vpc"]);
}

/// What another macro holds are tokens only; these are enough to see a `let`.
#[test]
fn names_are_given_inside_another_macro() {
    macro_rules! same {
        ($($tokens:tt)*) => { $($tokens)* };
    }
    let stack = stack!("shop", |east: UsEast1| {
        same! {
            let vpc: dr_core::Handle<Vpc<UsEast1>> = east(Vpc::new(cidr!("10.0.0.0/16")));
            let mut subnet = east(Subnet::new(vpc.id, cidr!("10.0.0.0/24")));
            if vpc.id.origin() == vpc.id.origin() {
                subnet = east.add("second", Subnet::new(vpc.id, cidr!("10.0.1.0/24")));
            }
        }
        let alb = east(Alb::internal([subnet.id]));
    })
    .unwrap();
    let expected = ["us-east-1/vpc", "us-east-1/subnet", "us-east-1/second", "us-east-1/alb"];
    assert_eq!(addresses(&stack), expected);
}

#[test]
fn names_are_given_wherever_a_let_may_stand() {
    let zones = ["a", "b"];
    let stack = stack!("shop", |east: UsEast1, west: UsWest2| {
        let vpc: dr_core::Handle<Vpc<UsEast1>> = east(Vpc::new(cidr!("10.0.0.0/16")));
        let _unused = east(Subnet::new(vpc.id, cidr!("10.0.0.0/24")));
        let r#type = east(Subnet::new(vpc.id, cidr!("10.0.1.0/24")));
        let alb = if zones.len() > 1 {
            let left = east(Subnet::new(vpc.id, cidr!("10.0.2.0/24")));
            let many = east(Alb::internal([left.id, r#type.id]));
            many
        } else {
            let one = east(Alb::internal([r#type.id]));
            one
        };
        for (zone, cidr) in zones.into_iter().zip(cidr!("10.0.128.0/17").split(2)) {
            let subnet = east.add(("zone", zone), Subnet::new(vpc.id, cidr));
            east.add(("alb", zone), Alb::internal([subnet.id]));
        }
        let albs: Vec<_> = zones.iter().map(|zone| east.add(("extra", zone), Alb::internal([r#type.id])).arn).collect();
        assert_eq!((albs.len(), alb.arn.origin() == albs[0].origin()), (2, false));
        {
            // The scope `west` is hidden here, and this is a call of an ordinary closure.
            let west = |cidr| Vpc::<UsEast1>::new(cidr);
            let hidden = east(west(cidr!("10.9.0.0/16")));
            let plain = west(cidr!("10.9.0.0/16"));
            let _: (_, Vpc<UsEast1>) = (hidden, plain);
        }
        let call = |east: fn(u8) -> u8| east(1);
        fn east_of(east: fn(u8) -> u8) -> u8 {
            east(2)
        }
        match (|n: u8| n) as fn(u8) -> u8 {
            east if east(3) == 3 => assert_eq!((call(east), east_of(east), east(4)), (1, 2, 4)),
            _ => unreachable!(),
        }
        if let Some(east) = Some(|n: u8| n) {
            assert_eq!(east(5), 5);
        }
        let vpc = west(Vpc::new(cidr!("10.2.0.0/16")));
    })
    .unwrap();
    assert_eq!(
        addresses(&stack),
        [
            "us-east-1/vpc",
            "us-east-1/unused",
            "us-east-1/type",
            "us-east-1/left",
            "us-east-1/many",
            "us-east-1/zone[a]",
            "us-east-1/alb[a]",
            "us-east-1/zone[b]",
            "us-east-1/alb[b]",
            "us-east-1/extra[a]",
            "us-east-1/extra[b]",
            "us-east-1/hidden",
            "us-west-2/vpc",
        ]
    );
}

#[test]
fn a_name_given_twice_is_reported_with_both_lines() {
    let error = stack!("shop", |east: UsEast1, west: UsWest2| {
        let vpc = east(Vpc::new(cidr!("10.0.0.0/16")));
        let vpc = east(Vpc::new(cidr!("10.1.0.0/16")));
        let other = west(Vpc::new(cidr!("10.1.0.0/16")));
        west.add("other", Vpc::new(cidr!("10.1.0.0/16")));
    })
    .unwrap_err();
    let line = line!() - 6;
    let place = |down: u32, column: u32| format!("{}:{}:{column}", file!(), line + down);
    let expected = [
        "the program of stack `shop` has 2 errors".to_owned(),
        format!("  {}: the name `us-east-1/vpc` is taken: it was given at {}", place(1, 19), place(0, 19)),
        format!("  {}: the name `us-west-2/other` is taken: it was given at {}", place(3, 14), place(2, 21)),
    ];
    assert_eq!(error.to_string(), expected.join("\n"));
}
