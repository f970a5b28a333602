//! The network: zones, routes, and whether packets get through.

use std::collections::BTreeSet;

use dr_core::{Cidr, Node, Value};

use super::Found;
use super::view::{View, text};

const INTEGRATION: &str = "aws.apigatewayv2.integration";

/// An internal load balancer has no business in a subnet with a route to the Internet.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html>
pub(super) fn alb_in_public_subnet(view: View<'_>, found: &mut Found) {
    for balancer in view.of("aws.elbv2.load_balancer") {
        for subnet in view.list(&balancer.inputs["subnets"]).into_iter().flatten() {
            let tables = view.users("aws.ec2.route_table_association", "subnet", subnet);
            let tables = tables.into_iter().filter_map(|association| view.node(&association.inputs["table"]));
            let mut routes = tables.flat_map(|table| view.users("aws.ec2.route", "table", table));
            if let Some(route) = routes
                .find(|route| text(route, "destination") == "0.0.0.0/0" && !route.inputs["target"]["gateway"].is_null())
            {
                let problem = format!("it stands in {}, which {} opens to the Internet", subnet.address, route.address);
                found.add(balancer, problem, "private subnets");
                break;
            }
        }
    }
}

/// The zone of a subnet as far as it is told apart; one outside of the program is taken for a zone of its own.
fn zone(view: View<'_>, subnet: &Value) -> String {
    match super::view::first(subnet).and_then(|reference| view.graph.get(reference.address)) {
        Some(node) => node.inputs["zone"].to_string(),
        None => subnet.to_string(),
    }
}

fn zones(view: View<'_>, subnets: &Value) -> usize {
    subnets.as_array().into_iter().flatten().map(|subnet| zone(view, subnet)).collect::<BTreeSet<_>>().len()
}

/// One zone behind a load balancer in two is one zone.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html>
pub(super) fn two_az(view: View<'_>, found: &mut Found) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut first = |node: &'_ Node| -> bool {
        seen.insert(view.graph.get(node.address.as_str()).map_or("", |n| n.address.as_str()))
    };
    for integration in view.of(INTEGRATION) {
        if let Some(link) = view.node(&integration.inputs["link"]).filter(|link| first(link))
            && zones(view, &link.inputs["subnets"]) < 2
        {
            found.add(link, "it stands in one zone only", "a subnet in each of two zones");
        }
        let Some(listener) = view.node(&integration.inputs["listener"]) else { continue };
        if let Some(balancer) = view.balancer(listener).filter(|balancer| first(balancer))
            && zones(view, &balancer.inputs["subnets"]) < 2
        {
            found.add(balancer, "it stands in one zone only", "a subnet in each of two zones");
        }
        for group in view.groups(listener).into_iter().filter(|group| first(group)) {
            let targets = view.registrations(group).into_iter().map(|at| &at.inputs["target"]);
            let zones: BTreeSet<String> = targets
                .map(|target| {
                    view.node(target).map_or_else(|| target.to_string(), |it| zone(view, &it.inputs["subnet"]))
                })
                .collect();
            if zones.len() == 1 {
                let problem = "all of its targets are in one zone: losing that zone is losing the region";
                found.add(group, problem, "a target in a second zone");
            }
        }
    }
}

/// What security groups let through one way.
struct Opening<'g> {
    rule: Option<&'g Node>,
    ports: Ports,
    peer: Peer<'g>,
}

enum Peer<'g> {
    Group(Option<&'g Node>),
    Range(Cidr),
    Other,
}

/// Ports of one protocol, both ends included.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ports {
    All,
    Tcp(u16, u16),
    Other,
}

impl Ports {
    fn of(value: &Value) -> Self {
        let port = |end: &str| value["tcp"][end].as_u64().and_then(|port| u16::try_from(port).ok());
        match (value.as_str(), port("from"), port("to")) {
            (Some("all"), ..) => Ports::All,
            (_, Some(from), Some(to)) => Ports::Tcp(from, to),
            _ => Ports::Other,
        }
    }

    fn contain(self, port: u16) -> bool {
        match self {
            Ports::All => true,
            Ports::Tcp(from, to) => (from..=to).contains(&port),
            Ports::Other => false,
        }
    }
}

/// What the groups of a list let through in a direction; `None` when a group is not of this program.
fn openings<'g>(view: View<'g>, groups: &'g Value, direction: &str) -> Option<Vec<Opening<'g>>> {
    let mut openings = Vec::new();
    for group in view.list(groups) {
        let group = group?;
        if direction == "egress" && group.inputs["default_egress"] == true {
            let peer = Peer::Range(Cidr::literal("0.0.0.0/0"));
            openings.push(Opening { rule: None, ports: Ports::All, peer });
        }
        let rules = view.users("aws.ec2.security_group_rule", "group", group).into_iter();
        for rule in rules.filter(|rule| text(rule, "direction") == direction) {
            let peer = &rule.inputs["peer"];
            let peer = match (peer["cidr"].as_str().and_then(|cidr| cidr.parse().ok()), peer.get("group")) {
                (Some(range), _) => Peer::Range(range),
                (None, Some(group)) => Peer::Group(view.node(group)),
                (None, None) => Peer::Other,
            };
            openings.push(Opening { rule: Some(rule), ports: Ports::of(&rule.inputs["ports"]), peer });
        }
    }
    Some(openings)
}

/// Whether something lets a port through to what has some of these groups and stands in these subnets, a list or a single one.
fn admits<'g>(view: View<'g>, openings: &[Opening<'g>], port: u16, groups: &'g Value, subnets: &'g Value) -> bool {
    let groups: Vec<&Node> = view.list(groups).into_iter().flatten().collect();
    let mut ranges: Vec<Cidr> = Vec::new();
    for opening in openings.iter().filter(|opening| opening.ports.contain(port)) {
        match &opening.peer {
            // A group of another program, or a prefix list, may be the right one.
            Peer::Group(None) | Peer::Other => return true,
            Peer::Group(Some(group)) if groups.iter().any(|own| own.address == group.address) => return true,
            Peer::Group(Some(_)) => {}
            Peer::Range(range) => ranges.push(*range),
        }
    }
    // One rule for each subnet does as well as one for all; the range of a subnet that is written out may be the right one.
    let own = |subnet| view.node(subnet).and_then(|subnet| text(subnet, "cidr").parse().ok());
    let inside = |subnet| own(subnet).is_none_or(|own: Cidr| ranges.iter().any(|range| range.contains(own)));
    let subnets = subnets.as_array().map_or(std::slice::from_ref(subnets), Vec::as_slice);
    !ranges.is_empty() && subnets.iter().all(inside)
}

/// The way from the link to the load balancer, by the firewalls on both sides; and nobody else needs to be let in.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html>
pub(super) fn path_link_alb(view: View<'_>, found: &mut Found) {
    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    for integration in view.of(INTEGRATION) {
        let (Some(link), Some(listener)) =
            (view.node(&integration.inputs["link"]), view.node(&integration.inputs["listener"]))
        else {
            continue;
        };
        let Some(balancer) = view.balancer(listener) else { continue };
        let Some(port) = listener.inputs["port"].as_u64().and_then(|port| u16::try_from(port).ok()) else { continue };
        if !seen.insert((link.address.to_string(), listener.address.to_string())) {
            continue;
        }
        let (link_groups, alb_groups) = (&link.inputs["security_groups"], &balancer.inputs["groups"]);
        // A link without groups has the default one of the VPC, about which nothing is known here.
        let empty = link_groups.as_array().is_none_or(Vec::is_empty);
        if let Some(out) = openings(view, link_groups, "egress").filter(|_| !empty)
            && !admits(view, &out, port, alb_groups, &balancer.inputs["subnets"])
        {
            let problem = format!("its groups do not let tcp {port} out to {}", balancer.address);
            found.add(link, problem, "`alb.allow_from(&link_group, Port::tcp(…))` opens both sides");
        }
        let Some(inwards) = openings(view, alb_groups, "ingress") else { continue };
        if !empty && !admits(view, &inwards, port, link_groups, &link.inputs["subnets"]) {
            let problem = format!("its groups do not let tcp {port} in from {}", link.address);
            found.add(balancer, problem, "`alb.allow_from(&link_group, Port::tcp(…))` opens both sides");
        }
        let everybody = |opening: &&Opening<'_>| matches!(opening.peer, Peer::Range(range) if range.prefix() == 0);
        if let Some(rule) = inwards.iter().find(everybody).and_then(|opening| opening.rule) {
            let problem = format!("it lets everybody in to {}, which is internal", balancer.address);
            found.add(rule, problem, "let in the group of the VPC link only");
        }
    }
}

/// The way from the load balancer to each target, for requests and for health checks, which use the same port.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html>
pub(super) fn path_alb_target(view: View<'_>, found: &mut Found) {
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for listener in view.of("aws.elbv2.listener") {
        let Some(balancer) = view.balancer(listener) else { continue };
        let alb_groups = &balancer.inputs["groups"];
        for group in view.groups(listener) {
            for registration in view.registrations(group) {
                let Some(instance) = view.node(&registration.inputs["target"]) else { continue };
                let own = registration.inputs["port"].as_u64().or_else(|| group.inputs["port"].as_u64());
                let Some(port) = own.and_then(|port| u16::try_from(port).ok()) else { continue };
                let instance_groups = &instance.inputs["groups"];
                let (place, from) = (&instance.inputs["subnet"], &balancer.inputs["subnets"]);
                let out = openings(view, alb_groups, "egress");
                let inwards = openings(view, instance_groups, "ingress");
                let out = out.is_none_or(|out| admits(view, &out, port, instance_groups, place));
                let grouped = instance_groups.as_array().is_some_and(|groups| !groups.is_empty());
                let inwards = inwards.is_none_or(|it| !grouped || admits(view, &it, port, alb_groups, from));
                if (!out || !inwards) && told.insert(registration.address.as_str()) {
                    let (side, way) = if out { (instance, "in from") } else { (balancer, "out from") };
                    let problem = match out {
                        true => format!("{} does not let tcp {port} {way} {}", side.address, balancer.address),
                        false => format!("{} does not let tcp {port} out to {}", side.address, instance.address),
                    };
                    found.add(registration, problem, "`alb.allow_to(&server, Port::tcp(…))` opens both sides");
                }
            }
        }
    }
}

/// The default group of a VPC lets in what has it, which is an accident and differs between regions.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/default-security-group.html>
pub(super) fn default_used(view: View<'_>, found: &mut Found) {
    for link in view.of("aws.apigatewayv2.vpc_link") {
        if link.inputs["security_groups"].as_array().is_none_or(Vec::is_empty) {
            found.add(
                link,
                "without a group of its own it gets the default one of the VPC",
                "give it a security group",
            );
        }
    }
}

/// The ports on which answers come back: Linux takes some of them, NAT gateways and load balancers all.
const EPHEMERAL: (u16, u16) = (1024, 65535);

/// What an ACL says about some ports from or to a range: the entries that decide it, in their order.
fn passes(acl: &Node, direction: &str, ports: (u16, u16), range: Cidr) -> bool {
    let mut entries: Vec<&Value> =
        acl.inputs["entries"].as_array().into_iter().flatten().filter(|e| e["direction"] == direction).collect();
    entries.sort_by_key(|entry| entry["number"].as_u64());
    // The ports about which nothing is decided yet.
    let mut open = vec![ports];
    for entry in entries {
        let Some(cidr) = entry["cidr"].as_str().and_then(|cidr| cidr.parse::<Cidr>().ok()) else { continue };
        let (from, to) = match Ports::of(&entry["ports"]) {
            Ports::All => (0, u16::MAX),
            Ports::Tcp(from, to) => (from, to),
            Ports::Other => continue,
        };
        let meets = |&(low, high): &(u16, u16)| low <= to && from <= high;
        if entry["allow"] == false && cidr.overlaps(range) && open.iter().any(meets) {
            return false;
        }
        if entry["allow"] == true && cidr.contains(range) {
            open = open
                .into_iter()
                .flat_map(|(low, high)| {
                    let below = (from > low).then(|| (low, high.min(from.saturating_sub(1))));
                    let above = (to < high).then(|| (low.max(to.saturating_add(1)), high));
                    if meets(&(low, high)) { [below, above] } else { [Some((low, high)), None] }
                })
                .flatten()
                .collect();
        }
        if open.is_empty() {
            return true;
        }
    }
    // What no entry names is denied.
    open.is_empty()
}

/// One way that packets have to take between subnets.
struct Flow<'g> {
    from: &'g Node,
    to: &'g Node,
    port: u16,
}

fn flows(view: View<'_>) -> Vec<Flow<'_>> {
    let mut flows = Vec::new();
    let mut add = |from: &[&'_ Node], to: &[&'_ Node], port: Option<u64>| {
        let Some(port) = port.and_then(|port| u16::try_from(port).ok()) else { return };
        for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to))) {
            // An ACL stands between subnets, and not inside of one.
            if let (Some(from), Some(to)) = (view.graph.get(from.address.as_str()), view.graph.get(to.address.as_str()))
                && from.address != to.address
            {
                flows.push(Flow { from, to, port });
            }
        }
    };
    let subnets = |list| -> Vec<&Node> { view.list(list).into_iter().flatten().collect() };
    for integration in view.of(INTEGRATION) {
        let (link, listener) = (view.node(&integration.inputs["link"]), view.node(&integration.inputs["listener"]));
        if let (Some(link), Some(listener)) = (link, listener)
            && let Some(balancer) = view.balancer(listener)
        {
            let (from, to) = (subnets(&link.inputs["subnets"]), subnets(&balancer.inputs["subnets"]));
            add(&from, &to, listener.inputs["port"].as_u64());
        }
    }
    for listener in view.of("aws.elbv2.listener") {
        let Some(balancer) = view.balancer(listener) else { continue };
        let from = subnets(&balancer.inputs["subnets"]);
        for (group, registration) in
            view.groups(listener).into_iter().flat_map(|g| view.registrations(g).into_iter().map(move |r| (g, r)))
        {
            let place = view.node(&registration.inputs["target"]).and_then(|it| view.node(&it.inputs["subnet"]));
            let port = registration.inputs["port"].as_u64().or_else(|| group.inputs["port"].as_u64());
            add(&from, &place.into_iter().collect::<Vec<_>>(), port);
        }
    }
    flows
}

/// Network ACLs do not remember: the way back has to be open as well, on the ports that clients use.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html>
pub(super) fn nacl_ephemeral(view: View<'_>, found: &mut Found) {
    if view.of("aws.ec2.network_acl").next().is_none() {
        return;
    }
    let mut told: BTreeSet<(String, String)> = BTreeSet::new();
    for flow in flows(view) {
        let range = |subnet: &Node| text(subnet, "cidr").parse::<Cidr>().ok();
        let (Some(from), Some(to)) = (range(flow.from), range(flow.to)) else { continue };
        let there = (flow.port, flow.port);
        let needed = [
            (flow.from, "egress", there, to, "the way there"),
            (flow.to, "ingress", there, from, "the way there"),
            (flow.to, "egress", EPHEMERAL, from, "the way back"),
            (flow.from, "ingress", EPHEMERAL, to, "the way back"),
        ];
        for (subnet, direction, ports, range, which) in needed {
            for acl in view.users("aws.ec2.network_acl", "subnets", subnet) {
                if passes(acl, direction, ports, range) {
                    continue;
                }
                let shown = if ports.0 == ports.1 { ports.0.to_string() } else { format!("{}-{}", ports.0, ports.1) };
                let what = format!("it stops {which}: {direction} of tcp {shown} for {range}");
                if told.insert((acl.address.to_string(), format!("{direction} {shown}"))) {
                    found.add(acl, what, format!("an entry that allows {direction} of tcp {shown}"));
                }
            }
        }
    }
}

/// A load balancer needs addresses to grow: eight free ones in a /27 or larger.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html>
pub(super) fn subnet_size(view: View<'_>, found: &mut Found) {
    for balancer in view.of("aws.elbv2.load_balancer") {
        for subnet in view.list(&balancer.inputs["subnets"]).into_iter().flatten() {
            if let Some(range) = text(subnet, "cidr").parse::<Cidr>().ok().filter(|range| range.prefix() > 27) {
                let problem = format!("it stands in {}, whose {range} is too small for it to grow", subnet.address);
                found.add(balancer, problem, "subnets of /27 or larger");
            }
        }
    }
}
