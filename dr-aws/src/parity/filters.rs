//! Firewalls: security groups as the set of what they let through, network ACLs by number.

use std::collections::BTreeMap;

use dr_core::{Cidr, Node, Severity, Value};

use super::Class;
use super::canonical::{Fact, Facts};
use super::compare::{Found, wider};
use super::pairing::Twins;

/// What one rule lets through.
struct Opening<'g> {
    node: &'g Node,
    direction: String,
    protocol: String,
    ports: (i64, i64),
    /// As it is compared.
    peer: Value,
    range: Option<Cidr>,
    shown: String,
}

impl Opening<'_> {
    /// Whether it lets all of another's traffic through.
    fn contains(&self, other: &Opening<'_>) -> bool {
        let peer = self.peer == other.peer
            || match (self.range, other.range) {
                // Everybody is anybody, whatever group he has.
                (Some(range), _) if range.prefix() == 0 => true,
                (Some(range), Some(inner)) => range.contains(inner),
                _ => false,
            };
        let protocol = self.protocol == "all" || self.protocol == other.protocol;
        let ports = self.ports.0 <= other.ports.0 && other.ports.1 <= self.ports.1;
        self.direction == other.direction && peer && protocol && (ports || self.protocol == "all")
    }
}

/// `tcp 80`, `tcp 1024-65535`, `all`.
fn ports(value: &Value) -> (String, (i64, i64)) {
    let Some((protocol, range)) = value.as_object().and_then(|object| object.iter().next()) else {
        return (value.as_str().unwrap_or_default().to_owned(), (0, i64::MAX));
    };
    let end = |name: &str| range[name].as_i64().unwrap_or(-1);
    // A protocol of another kind names itself.
    let protocol = range["protocol"].as_str().unwrap_or(protocol);
    (protocol.to_owned(), (end("from"), end("to")))
}

fn shown_ports(value: &Value) -> String {
    match ports(value) {
        (protocol, _) if protocol == "all" => "all ports".to_owned(),
        (protocol, (from, to)) if from == to => format!("{protocol} {from}"),
        (protocol, (from, to)) => format!("{protocol} {from}-{to}"),
    }
}

fn opening<'g>(node: &'g Node, fact: &Fact) -> Opening<'g> {
    let (raw, canonical) = (&fact.raw, &fact.canonical);
    let direction = raw["direction"].as_str().unwrap_or_default().to_owned();
    let (protocol, range) = ports(&raw["ports"]);
    let peer = match canonical["peer"].as_object().and_then(|peer| peer.values().next()) {
        Some(peer) => peer.clone(),
        None => canonical["peer"].clone(),
    };
    let way = if direction == "egress" { "to" } else { "from" };
    let shown = format!("{direction} {} {way} {}", shown_ports(&raw["ports"]), peer.as_str().unwrap_or_default());
    let cidr = peer.as_str().and_then(|text| text.parse().ok());
    Opening { node, direction, protocol, ports: range, peer, range: cidr, shown }
}

/// The security groups of each pair, as the sets of what they let through.
pub(super) fn groups(twins: &Twins<'_>, facts: &Facts<'_>, found: &mut Found) {
    // By side and group, the group as it is compared.
    let mut rules: BTreeMap<(usize, String), Vec<Opening<'_>>> = BTreeMap::new();
    let rule = |node: &&Node| node.schema.type_name == "aws.ec2.security_group_rule";
    for node in twins.graph.nodes().filter(rule) {
        let (Some(fact), Some(side)) = (facts.get(node), twins.place(node.address.as_str()).side) else { continue };
        let group = fact.canonical["group"].to_string();
        rules.entry((side, group)).or_default().push(opening(node, fact));
    }
    for &pair in twins.pairs.iter().filter(|pair| pair[0].schema.type_name == "aws.ec2.security_group") {
        let [Some(one), Some(two)] = pair.map(|node| facts.get(node)) else { continue };
        let group = Value::from(format!("→ {}#id", pair[0].address.path())).to_string();
        let mut sides = [0, 1].map(|side| rules.remove(&(side, group.clone())).unwrap_or_default());
        for (side, fact) in [one, two].into_iter().enumerate() {
            if fact.raw["default_egress"] == true {
                sides[side].push(everything_out(pair[side]));
            }
        }
        for side in [0, 1] {
            for rule in &sides[side] {
                if sides[1 - side].iter().any(|other| other.contains(rule)) || is_for_alone(twins, rule) {
                    continue;
                }
                tell(twins, pair, side, rule, &sides[1 - side], found);
            }
        }
    }
}

/// Whether a rule is for something that has no twin, a third server for example: that is said already.
fn is_for_alone(twins: &Twins<'_>, rule: &Opening<'_>) -> bool {
    let peer = rule.peer.as_str().and_then(|text| text.strip_prefix("→ ")?.split('#').next());
    let place = peer.map(|address| twins.place(address)).unwrap_or_default();
    place.side.is_some() && place.pair.is_none()
}

/// AWS's rule that lets everything out of a group.
fn everything_out(group: &Node) -> Opening<'_> {
    let all = Cidr::literal("0.0.0.0/0");
    Opening {
        node: group,
        direction: "egress".to_owned(),
        protocol: "all".to_owned(),
        ports: (0, i64::MAX),
        peer: Value::from(all.to_string()),
        range: Some(all),
        shown: format!("egress all ports to {all}"),
    }
}

/// A rule that the other side has nothing for. What stands beside it is the other side's rule of the same name.
fn tell(
    twins: &Twins<'_>,
    pair: [&Node; 2],
    side: usize,
    rule: &Opening<'_>,
    others: &[Opening<'_>],
    found: &mut Found,
) {
    let twin = twins.place(rule.node.address.as_str()).pair.map(|pair| twins.pairs[pair][1 - side]);
    let twin = twin.filter(|twin| others.iter().any(|other| other.node.address == twin.address));
    let other = twin.and_then(|twin| others.iter().find(|other| other.node.address == twin.address));
    let mut shown = [None, other.map(|other| Value::from(other.shown.as_str()))];
    shown[0] = Some(Value::from(rule.shown.as_str()));
    let (severity, why) = match side {
        0 => (Severity::Error, "the standby lets less through: what works in the primary times out there"),
        _ => (Severity::Warning, "the standby lets more through than anybody asked for in the primary"),
    };
    if side == 1 {
        shown.swap(0, 1);
    }
    let mut nodes = pair;
    nodes[side] = rule.node;
    if let Some(twin) = twin {
        nodes[1 - side] = twin;
    }
    let values = [shown[0].as_ref(), shown[1].as_ref()];
    let difference = found.between(nodes, (Class::MustMatch, severity), "rule", values, why);
    difference.wider = wider(side);
    difference.type_name = "aws.ec2.security_group_rule".to_owned();
}

/// One entry of an ACL as people read it.
fn shown_entry(entry: &Value) -> String {
    let verb = if entry["allow"] == true { "allow" } else { "deny" };
    let way = if entry["direction"] == "egress" { "to" } else { "from" };
    format!("{verb} {} {way} {}", shown_ports(&entry["ports"]), entry["cidr"].as_str().unwrap_or_default())
}

/// The entries of two network ACLs, by direction and number: the order decides.
pub(super) fn entries(pair: [&Node; 2], facts: [&Fact; 2], found: &mut Found) {
    let of = |value: &Value| -> BTreeMap<(String, u64), Value> {
        let entries = value["entries"].as_array().into_iter().flatten();
        let key =
            |entry: &Value| (entry["direction"].as_str().unwrap_or_default().to_owned(), entry["number"].as_u64());
        entries.map(|entry| ((key(entry).0, key(entry).1.unwrap_or_default()), entry.clone())).collect()
    };
    let [one, two] = facts.map(|fact| of(&fact.canonical));
    let [raw_one, raw_two] = facts.map(|fact| of(&fact.raw));
    let mut keys: Vec<&(String, u64)> = one.keys().chain(two.keys().filter(|key| !one.contains_key(*key))).collect();
    keys.sort();
    for key in keys {
        let (first, second) = (one.get(key), two.get(key));
        if first == second {
            continue;
        }
        let allows = |entry: Option<&Value>| entry.is_some_and(|entry| entry["allow"] == true);
        let why = match (allows(first), allows(second)) {
            (true, false) => "the standby stops what the primary lets through",
            (false, true) => "the standby lets through what the primary stops",
            _ => "the first entry that fits decides, and it is another one",
        };
        let shown = |entry: Option<&Value>| entry.map(|entry| Value::from(shown_entry(entry)));
        let values = [shown(raw_one.get(key)), shown(raw_two.get(key))];
        let (direction, number) = key;
        let attribute = format!("{direction} entry {number}");
        let values = [values[0].as_ref(), values[1].as_ref()];
        let difference = found.between(pair, (Class::MustMatch, Severity::Error), attribute, values, why);
        difference.wider = match (allows(first), allows(second)) {
            (true, false) => wider(0),
            (false, true) => wider(1),
            _ => None,
        };
    }
}
