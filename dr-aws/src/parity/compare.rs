//! The comparison itself: pair by pair, attribute by attribute, and what has no twin.

use std::collections::{BTreeMap, BTreeSet};

use dr_core::{Cidr, Node, Severity, Value};

use super::canonical::{Fact, Facts, reference};
use super::pairing::{Alone, Twins};
use super::table::{self, Treat};
use super::{Class, Difference, Parity, Side, Twin, filters};
use crate::checks::view::View;

/// The differences found so far.
pub(super) struct Found {
    pub(super) differences: Vec<Difference>,
}

impl Found {
    /// A difference of two twins in one attribute.
    pub(super) fn between(
        &mut self,
        [one, two]: [&Node; 2],
        (class, severity): (Class, Severity),
        attribute: impl Into<String>,
        [primary_value, standby_value]: [Option<&Value>; 2],
        why: impl Into<String>,
    ) -> &mut Difference {
        let at = self.differences.len();
        self.differences.push(Difference {
            class,
            severity,
            primary: Some(one.address.clone()),
            standby: Some(two.address.clone()),
            type_name: one.schema.type_name.to_owned(),
            attribute: Some(attribute.into()),
            primary_value: primary_value.filter(|value| !value.is_null()).cloned(),
            standby_value: standby_value.filter(|value| !value.is_null()).cloned(),
            wider: None,
            why: why.into(),
        });
        &mut self.differences[at]
    }
}

pub(super) fn compare(twins: &Twins<'_>, facts: &Facts<'_>) -> Parity {
    let mut found = Found { differences: Vec::new() };
    let mut pairs = 0;
    for &pair in &twins.pairs {
        match pair.map(|node| facts.get(node)) {
            [Some(one), Some(two)] => {
                pairs += 1;
                attributes(twins, pair, [one, two], &mut found);
            }
            // What is deployed in one region only.
            [Some(_), None] => missing(twins, facts, &Alone { node: pair[0], side: 0, in_pair: true }, &mut found),
            [None, Some(_)] => missing(twins, facts, &Alone { node: pair[1], side: 1, in_pair: true }, &mut found),
            [None, None] => {}
        }
    }
    filters::groups(twins, facts, &mut found);
    let counted = replicas(twins, facts, &mut found);
    for alone in twins.alone.iter().filter(|alone| facts.get(alone.node).is_some()) {
        if !counted.contains(alone.node.address.as_str()) {
            missing(twins, facts, alone, &mut found);
        }
    }
    let mut differences = found.differences;
    differences.sort_by(|a, b| {
        let key =
            |it: &Difference| (std::cmp::Reverse(it.severity), it.class, it.address().cloned(), it.attribute.clone());
        key(a).cmp(&key(b))
    });
    let side = |at: usize| Side { label: twins.labels[at].clone(), region: twins.regions[at].clone() };
    Parity { primary: side(0), standby: side(1), pairs, differences }
}

/// The attributes of a pair.
fn attributes(twins: &Twins<'_>, pair: [&Node; 2], facts: [&Fact; 2], found: &mut Found) {
    let whole = |fact: &Fact| (fact.canonical.clone(), fact.raw.clone());
    let ((one, one_raw), (two, two_raw)) = (whole(facts[0]), whole(facts[1]));
    walk(twins, pair, "", [Some(&one), Some(&two)], [Some(&one_raw), Some(&two_raw)], found);
    if pair[0].schema.type_name == "aws.ec2.network_acl" {
        filters::entries(pair, facts, found);
    }
    let [one, two] = facts;
    for key in one.tags.keys().chain(two.tags.keys().filter(|key| !one.tags.contains_key(*key))) {
        // The name of the own region is its place in a tag as well.
        let value =
            |fact: &Fact, at: usize| fact.tags.get(key).map(|text| text.replace(&twins.regions[at], "‹region›"));
        if value(one, 0) != value(two, 1) && !table::cosmetic_tag(key) {
            let raw = |fact: &Fact| fact.tags.get(key).map(|text| Value::from(text.as_str()));
            let why = "what goes by tags finds one and not the other";
            let class = (Class::MustMatch, Severity::Warning);
            found.between(pair, class, format!("tags.{key}"), [raw(one).as_ref(), raw(two).as_ref()], why);
        }
    }
    if one.broken != two.broken {
        let word = |fact: &Fact| Value::from(if fact.broken { "failed" } else { "works" });
        let why = "one of the twins exists and will never work";
        let class = (Class::MustMatch, Severity::Error);
        found.between(pair, class, "health", [Some(&word(one)), Some(&word(two))], why);
    }
    if let (Some(first), Some(second)) = (one.confirmed, two.confirmed)
        && first != second
    {
        let why = "an unconfirmed subscription tells nobody";
        let values = [Value::from(first), Value::from(second)];
        let class = (Class::MustMatch, Severity::Error);
        found.between(pair, class, "confirmed", [Some(&values[0]), Some(&values[1])], why);
    }
}

fn walk(
    twins: &Twins<'_>,
    pair: [&Node; 2],
    path: &str,
    values: [Option<&Value>; 2],
    raw: [Option<&Value>; 2],
    found: &mut Found,
) {
    let treat = table::treatment(pair[0].schema.type_name, path);
    let descends = path.is_empty() || matches!(treat, Treat::Must(..));
    if let ([Some(Value::Object(one)), Some(Value::Object(two))], true) = (values, descends) {
        let keys: BTreeSet<&String> = one.keys().chain(two.keys()).collect();
        for key in keys {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let raw = raw.map(|value| value.and_then(|value| value.get(key)));
            walk(twins, pair, &path, [one.get(key), two.get(key)], raw, found);
        }
        return;
    }
    leaf(twins, pair, (path, treat), values, raw, found);
}

fn leaf(
    twins: &Twins<'_>,
    pair: [&Node; 2],
    (path, treat): (&str, Treat),
    [one, two]: [Option<&Value>; 2],
    raw: [Option<&Value>; 2],
    found: &mut Found,
) {
    let null = Value::Null;
    let (one, two) = (one.unwrap_or(&null), two.unwrap_or(&null));
    let [raw_one, raw_two] = raw.map(|value| value.unwrap_or(&null));
    match treat {
        Treat::Ignore | Treat::Elsewhere => {}
        Treat::Must(severity, why) if one != two => {
            found.between(pair, (Class::MustMatch, severity), path, raw, why);
        }
        Treat::Set(severity, why) => {
            let set = |value: &Value| {
                let mut items: Vec<String> = value.as_array().into_iter().flatten().map(Value::to_string).collect();
                items.sort();
                items
            };
            if set(one) != set(two) {
                found.between(pair, (Class::MustMatch, severity), path, raw, why);
            }
        }
        Treat::Prefix(why) => {
            let prefix = |value: &Value| value.as_str().and_then(|text| text.parse::<Cidr>().ok()).map(Cidr::prefix);
            if prefix(raw_one) != prefix(raw_two) {
                found.between(pair, (Class::Mapped, Severity::Warning), path, raw, why);
            }
        }
        Treat::Count(why) => {
            let count = |value: &Value| value.as_u64().or_else(|| value.as_array().map(|items| items.len() as u64));
            if count(one) != count(two) {
                found.between(pair, (Class::Mapped, Severity::Warning), path, raw, why);
            }
        }
        Treat::Size(why) if one != two => {
            let size =
                |value: &Value| value.as_str().and_then(table::size).map(|(family, size)| (family.to_owned(), size));
            // More in the standby is no loss; another family cannot be compared.
            let severity = match (size(one), size(two)) {
                (Some((family, primary)), Some((other, standby))) if family == other && standby > primary => {
                    Severity::Info
                }
                _ => Severity::Warning,
            };
            found.between(pair, (Class::Scaled, severity), path, raw, why);
        }
        Treat::Certificate(why) if one != two => {
            let fits = match (certificate_names(twins, pair[0], one), certificate_names(twins, pair[1], two)) {
                (Some(one), Some(two)) => one == two,
                // Two that are written out cannot be compared.
                (None, None) => raw_one.is_string() && raw_two.is_string(),
                _ => false,
            };
            if !fits {
                found.between(pair, (Class::Mapped, Severity::Error), path, raw, why);
            }
        }
        Treat::Image(why) if one != two => {
            // Ids of the same image differ between regions; only where one follows AWS's newest and the other does not, that shows.
            let follows = |value: &Value| value.as_str().is_some_and(|text| text.starts_with('→'));
            if follows(one) || follows(two) {
                found.between(pair, (Class::Mapped, Severity::Warning), path, raw, why);
            }
        }
        Treat::Host(why) => {
            let own = |value: &Value| value.as_str().is_some_and(|text| text.starts_with("→ "));
            // Two that probe each other's region differ as well, and each fails over when the other region is down.
            let swapped = |value: &Value| value.to_string().contains("→ the other region's");
            let fits = if own(one) || own(two) { one == two } else { raw_one != raw_two || raw_one.is_null() };
            if !fits || swapped(one) || swapped(two) {
                found.between(pair, (Class::RoleDependent, Severity::Error), path, raw, why);
            }
        }
        Treat::Routing(why) => {
            let role = |value: &Value| value["failover"].as_str().map(str::to_owned);
            let fits = match (role(one), role(two)) {
                (Some(one), Some(two)) => one != two,
                (None, None) => one == two || !one["weighted"].is_null() && !two["weighted"].is_null(),
                _ => false,
            };
            if !fits {
                found.between(pair, (Class::RoleDependent, Severity::Error), path, raw, why);
            }
        }
        Treat::Script(why) => {
            let mut leaks = false;
            for (side, value) in [raw_one, raw_two].into_iter().enumerate() {
                let other = &twins.regions[1 - side];
                if value.to_string().contains(other.as_str()) && *other != twins.regions[side] {
                    leaks = true;
                    let why = format!("it names {other}, so it needs the other region");
                    found.between(pair, (Class::Forbidden, Severity::Error), path, raw, why);
                }
            }
            if one != two && !leaks {
                found.between(pair, (Class::MustMatch, Severity::Error), path, raw, why);
            }
        }
        Treat::Must(..) | Treat::Size(_) | Treat::Certificate(_) | Treat::Image(_) => {}
    }
}

/// The names on the certificate that a node uses, where it is one of the program's. It goes by the value as it is compared: in the
/// cloud another one may be in the place of the one that the program has there.
fn certificate_names(twins: &Twins<'_>, user: &Node, value: &Value) -> Option<BTreeSet<String>> {
    let (view, own) = (View { graph: twins.graph }, twins.place(user.address.as_str()).side);
    let (text, field) = (value.as_str()?, value.as_str()?.rsplit_once('#')?.1);
    let mut certificates = view.of("aws.acm.issued_certificate").chain(view.of("aws.acm.certificate"));
    let node = certificates.find(|node| reference(twins, own, node.address.as_str(), field) == text)?;
    let request = match node.schema.type_name {
        "aws.acm.issued_certificate" => view.node(&node.inputs["certificate"])?,
        _ => node,
    };
    let further = request.inputs["alternatives"].as_array().into_iter().flatten();
    let names = further.chain([&request.inputs["domain"]]).filter_map(Value::as_str).map(str::to_owned);
    Some(names.chain(request.inputs["key"].as_str().map(str::to_owned)).collect())
}

/// What one region has more of than the other: servers, zones. One difference for each kind; returns what is said by that.
fn replicas<'g>(twins: &Twins<'g>, facts: &Facts<'_>, found: &mut Found) -> BTreeSet<&'g str> {
    // The keys of each base (`server` of `primary.server[2].instance`) on both sides.
    let mut keys: BTreeMap<&str, [BTreeSet<&str>; 2]> = BTreeMap::new();
    let mut first: BTreeMap<&str, &Node> = BTreeMap::new();
    let there = |node: &Node| facts.get(node).is_some();
    for pair in &twins.pairs {
        for (side, node) in pair.iter().enumerate().filter(|(_, node)| there(node)) {
            // Both are under the primary's base, whatever the construct is called in the standby.
            if let (Some((base, _)), Some((_, key))) = (keyed(pair[0]), keyed(node)) {
                keys.entry(base).or_default()[side].insert(key);
                first.entry(base).or_insert(pair[0]);
            }
        }
    }
    let mut said = BTreeSet::new();
    let mut more: BTreeMap<(String, usize), (&'g Node, BTreeSet<&str>)> = BTreeMap::new();
    for alone in twins.alone.iter().filter(|alone| there(alone.node)) {
        let node = alone.node;
        if !table::REPLICAS.contains(&node.schema.type_name) {
            continue;
        }
        let Some((base, key)) = keyed(node) else { continue };
        // A base of the standby is found by what is below the construct.
        let same = |known: &&&str| **known == base || below(known) == below(base) && alone.side == 1;
        let Some(known) =
            keys.keys().find(same).copied().filter(|known| keys[known].iter().all(|keys| !keys.is_empty()))
        else {
            continue;
        };
        more.entry((known.to_owned(), alone.side)).or_insert_with(|| (node, BTreeSet::new())).1.insert(key);
        said.insert(node.address.as_str());
    }
    for ((base, side), (node, extra)) in more {
        let both = &keys[base.as_str()];
        let mut counts = [both[0].len(), both[1].len()];
        counts[side] = both[side].union(&extra).count();
        let twin = first[base.as_str()];
        let severity = if side == 0 { Severity::Warning } else { Severity::Info };
        let values = counts.map(Value::from);
        let mut pair = [Some(twin.address.clone()), None];
        pair[side] = Some(node.address.clone());
        let name = below(&base);
        found.differences.push(Difference {
            class: Class::Scaled,
            severity,
            primary: pair[0].clone(),
            standby: pair[1].clone(),
            type_name: node.schema.type_name.to_owned(),
            attribute: Some(format!("number of `{name}`")),
            primary_value: Some(values[0].clone()),
            standby_value: Some(values[1].clone()),
            wider: None,
            why: match side {
                0 => "the standby takes all of the traffic with less".to_owned(),
                _ => "the standby has more than the primary".to_owned(),
            },
        });
    }
    said
}

/// `primary.server[2].instance` is `primary.server` with the key `2`.
fn keyed(node: &Node) -> Option<(&str, &str)> {
    let (base, rest) = node.address.path().split_once('[')?;
    Some((base, rest.split_once(']')?.0))
}

/// What is below the construct at the top.
fn below(base: &str) -> &str {
    base.split_once('.').map_or(base, |(_, below)| below)
}

/// What has no twin.
fn missing(twins: &Twins<'_>, facts: &Facts<'_>, alone: &Alone<'_>, found: &mut Found) {
    let node = alone.node;
    // Its group is compared as a whole.
    if node.schema.type_name == "aws.ec2.security_group_rule" || excused(twins, alone) {
        return;
    }
    let kind = node.schema.type_name.rsplit('.').next().unwrap_or_default().replace('_', " ");
    let (severity, why) = match (alone.side, alone.in_pair) {
        _ if table::DIVERTS.contains(&node.schema.type_name) && alone.in_pair => {
            (Severity::Error, format!("a {kind} in one region only decides otherwise there"))
        }
        (_, true) if twins.both_serve => (Severity::Error, "one of two regions that serve does not have it".to_owned()),
        (0, true) => (Severity::Error, "after a failover it is not there".to_owned()),
        (_, true) => (Severity::Warning, "the primary does not have it: after coming back it is not there".to_owned()),
        (_, false) => (Severity::Warning, "it stands in one region only".to_owned()),
    };
    // In a state that knows one twin, the other is in the program and not deployed.
    let twin = twins.place(node.address.as_str()).pair.map(|pair| twins.pairs[pair][1 - alone.side]);
    let why = match twin.filter(|twin| facts.get(twin).is_none()) {
        Some(twin) => format!("{} is not deployed", twin.address),
        None => why,
    };
    let mut difference = Difference {
        class: Class::Missing,
        severity,
        primary: None,
        standby: None,
        type_name: node.schema.type_name.to_owned(),
        attribute: None,
        primary_value: None,
        standby_value: None,
        wider: None,
        why,
    };
    let side = if alone.side == 0 { &mut difference.primary } else { &mut difference.standby };
    *side = Some(node.address.clone());
    found.differences.push(difference);
}

/// What stands in one region by its role: what only CloudFront or Route 53 uses or publishes, which is at home in us-east-1, and
/// the standby's own alarms, which are to work without the primary.
fn excused(twins: &Twins<'_>, alone: &Alone<'_>) -> bool {
    let graph = twins.graph;
    let view = View { graph };
    let node = alone.node;
    let is_alarm = |node: &&Node| node.schema.type_name == "aws.cloudwatch.alarm";
    let users = |node: &Node| graph.dependents(node.address.as_str()).map(|(user, _)| user).collect::<Vec<_>>();
    // An alarm before it expires says nothing about what a certificate is for.
    let edge_certificate = |issued: &Node| {
        let mut users = users(issued).into_iter().filter(|user| !is_alarm(user)).peekable();
        users.peek().is_some() && users.all(|user| user.schema.type_name == "aws.cloudfront.distribution")
    };
    let edge_request = |request: &Node| {
        let users = users(request).into_iter().filter(|user| user.schema.type_name == "aws.acm.issued_certificate");
        let mut issued = users.peekable();
        issued.peek().is_some() && issued.all(edge_certificate)
    };
    let edge = |node: &Node| match node.schema.type_name {
        "aws.acm.issued_certificate" => edge_certificate(node),
        "aws.acm.certificate" => edge_request(node),
        _ => false,
    };
    let global_alarm = |alarm: &Node| {
        let dimensions = alarm.inputs["dimensions"].as_array().into_iter().flatten();
        let mut of = dimensions.filter_map(|dimension| view.node(&dimension["value"]));
        matches!(alarm.inputs["namespace"].as_str(), Some("AWS/CloudFront" | "AWS/Route53"))
            || of.any(|node| node.address.region() == "global" || edge(node))
    };
    // Where both serve there is no standby, and only the parts of a construct without a twin are by its role there.
    let second_chain = if twins.both_serve { !alone.in_pair } else { alone.side == 1 };
    let topic = |topic: &Node| {
        let mut alarms = users(topic).into_iter().filter(is_alarm).peekable();
        alarms.peek().is_some() && alarms.all(global_alarm)
    };
    match node.schema.type_name {
        "aws.cloudwatch.alarm" => second_chain || global_alarm(node),
        "aws.sns.topic" => second_chain || topic(node),
        "aws.sns.subscription" => second_chain || view.node(&node.inputs["topic"]).is_some_and(topic),
        _ => edge(node),
    }
}

/// The wider of two.
pub(super) fn wider(side: usize) -> Option<Twin> {
    Some(if side == 0 { Twin::Primary } else { Twin::Standby })
}
