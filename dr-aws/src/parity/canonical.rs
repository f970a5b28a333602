//! Values without what differs between regions by nature: references by pair, the own region by its place, ranges by their role.

use std::collections::BTreeMap;

use dr_core::{Node, State, Status, Value};

use super::pairing::Twins;
use crate::checks::view::first;

/// What a resource is configured as.
pub(super) struct Fact {
    /// As it is.
    pub(super) raw: Value,
    /// As it is compared.
    pub(super) canonical: Value,
    /// The tags of its scopes.
    pub(super) tags: BTreeMap<String, String>,
    /// It exists and will never work.
    pub(super) broken: bool,
    /// Whether a subscription is confirmed, where that is known.
    pub(super) confirmed: Option<bool>,
}

/// What both regions are configured as, by address.
pub(super) struct Facts<'g> {
    facts: BTreeMap<&'g str, Fact>,
}

impl<'g> Facts<'g> {
    pub(super) fn get(&self, node: &Node) -> Option<&Fact> {
        self.facts.get(node.address.as_str())
    }

    /// As the program has it.
    pub(super) fn of_program(twins: &Twins<'g>) -> Self {
        let ranges = ranges(twins, |node| Some(&node.inputs));
        let fact = |node: &'g Node| {
            let words = Words { twins, own: twins.place(node.address.as_str()).side, ranges: &ranges, ids: None, node };
            let fact = Fact {
                raw: node.inputs.clone(),
                canonical: words.value(&node.inputs, None),
                tags: node.tags.as_ref().clone(),
                broken: false,
                confirmed: None,
            };
            (node.address.as_str(), fact)
        };
        Facts { facts: twins.graph.nodes().map(fact).collect() }
    }

    /// As it is deployed.
    pub(super) fn of_state(twins: &Twins<'g>, state: &State) -> Self {
        let current = |node: &Node| state.resources.get(&node.address).and_then(|record| record.current.as_ref());
        let ids = Ids::of(twins, state);
        let ranges = ranges(twins, |node| current(node).map(|instance| &instance.args));
        let mut facts = BTreeMap::new();
        for node in twins.graph.nodes() {
            let Some(instance) = current(node) else { continue };
            let own = twins.place(node.address.as_str()).side;
            let words = Words { twins, own, ranges: &ranges, ids: Some(&ids), node };
            let fact = Fact {
                raw: instance.args.clone(),
                canonical: words.value(&instance.args, Some(&node.inputs)),
                tags: instance.tags.clone(),
                broken: instance.status == Status::Failed,
                confirmed: instance.outputs.as_ref().and_then(|outputs| outputs["confirmed"].as_bool()),
            };
            facts.insert(node.address.as_str(), fact);
        }
        Facts { facts }
    }
}

/// The ranges of each side by what they are of.
type Ranges = [BTreeMap<String, String>; 2];

fn ranges<'v, 'g: 'v>(twins: &Twins<'g>, args: impl Fn(&'g Node) -> Option<&'v Value>) -> Ranges {
    let mut ranges = Ranges::default();
    for pair in &twins.pairs {
        for (side, node) in pair.iter().enumerate() {
            let ours = matches!(node.schema.type_name, "aws.ec2.vpc" | "aws.ec2.subnet");
            let Some(range) = args(node).and_then(|args| args["cidr"].as_str()).filter(|_| ours) else { continue };
            let what = format!("the range of {}", below(pair[0]));
            ranges[side].entry(range.to_owned()).or_insert(what);
        }
    }
    ranges
}

/// The address of a pair, below its region.
fn below(node: &Node) -> &str {
    node.address.path()
}

/// Physical ids, and other outputs, by whose they are.
struct Ids<'g> {
    by_text: BTreeMap<String, Vec<(&'g Node, String)>>,
}

impl<'g> Ids<'g> {
    fn of(twins: &Twins<'g>, state: &State) -> Self {
        let mut by_text: BTreeMap<String, Vec<(&Node, String)>> = BTreeMap::new();
        for node in twins.graph.nodes() {
            let record = state.resources.get(&node.address);
            let Some(outputs) = record.and_then(|record| record.current.as_ref()?.outputs.as_ref()) else { continue };
            for (field, value) in outputs.as_object().into_iter().flatten() {
                let mut add = |value: &Value, field: String| {
                    if let Some(text) = value.as_str() {
                        by_text.entry(text.to_owned()).or_default().push((node, field));
                    }
                };
                match value {
                    Value::Array(items) => {
                        items.iter().enumerate().for_each(|(at, it)| add(it, format!("{field}[{at}]")))
                    }
                    single => add(single, field.clone()),
                }
            }
        }
        Ids { by_text }
    }

    /// Whose output a text is. Of several with the same (a name that both regions share) the one that the program refers to.
    fn owner(
        &self,
        text: &str,
        of: &Node,
        declared: Option<&Value>,
        own: Option<usize>,
        twins: &Twins<'_>,
    ) -> Option<String> {
        let owners = self.by_text.get(text)?;
        let declared = declared.and_then(first);
        let meant = |(node, field): &&(&Node, String)| {
            declared.as_ref().is_some_and(|r| r.address == node.address.as_str() && field.starts_with(r.field))
        };
        let near = |(node, _): &&(&Node, String)| twins.place(node.address.as_str()).side == own;
        let others = || owners.iter().filter(|(node, _)| node.address != of.address);
        let (node, field) = others().find(meant).or_else(|| others().find(near)).or_else(|| others().next())?;
        Some(reference(twins, own, node.address.as_str(), field))
    }
}

/// How a reference is compared: by pair on the own side, by its place otherwise.
pub(super) fn reference(twins: &Twins<'_>, own: Option<usize>, address: &str, field: &str) -> String {
    let place = twins.place(address);
    match (place.pair, place.side) {
        (Some(pair), side) if side == own || own.is_none() => format!("→ {}#{field}", below(twins.pairs[pair][0])),
        (Some(pair), _) => format!("→ the other region's {}#{field}", below(twins.pairs[pair][0])),
        (None, _) => format!("→ {address}#{field}"),
    }
}

/// Puts values of one resource into the form in which they are compared.
struct Words<'a, 'g> {
    twins: &'a Twins<'g>,
    own: Option<usize>,
    ranges: &'a Ranges,
    ids: Option<&'a Ids<'g>>,
    node: &'g Node,
}

impl Words<'_, '_> {
    /// `declared` is the same place in the program, where the value was read from the cloud.
    fn value(&self, value: &Value, declared: Option<&Value>) -> Value {
        match value {
            Value::Object(object) if object.contains_key("$ref") => match first(value) {
                Some(it) => {
                    let index = it.index.map(|at| format!("[{at}]")).unwrap_or_default();
                    Value::String(reference(self.twins, self.own, it.address, &format!("{}{index}", it.field)))
                }
                None => value.clone(),
            },
            Value::Object(object) => {
                let part = |(key, value): (&String, &Value)| {
                    (key.clone(), self.value(value, declared.and_then(|d| d.get(key))))
                };
                Value::Object(object.iter().map(part).collect())
            }
            Value::Array(items) => {
                let part = |(at, value): (usize, &Value)| self.value(value, declared.and_then(|d| d.get(at)));
                Value::Array(items.iter().enumerate().map(part).collect())
            }
            Value::String(text) => Value::String(self.text(text, declared)),
            plain => plain.clone(),
        }
    }

    fn text(&self, text: &str, declared: Option<&Value>) -> String {
        // What the program writes out is no reference, although something may have it for an output: a shared name.
        let written = declared.is_some_and(Value::is_string);
        if let Some(ids) = self.ids.filter(|_| !written)
            && let Some(owner) = ids.owner(text, self.node, declared, self.own, self.twins)
        {
            return owner;
        }
        let Some(side) = self.own else { return text.to_owned() };
        let text = text.replace(&self.twins.regions[side], "‹region›");
        match self.ranges[side].get(&text) {
            Some(what) => what.clone(),
            None => with_named(&text, &self.ranges[side]),
        }
    }
}

/// A text, a boot script for example, with ranges named by what they are of.
fn with_named(text: &str, ranges: &BTreeMap<String, String>) -> String {
    let mut named = String::new();
    let mut rest = text;
    // Ranges begin with a digit and end with one: `10.0.0.0/16` is in no `110.0.0.0/16`, and `10.0.0.0/1` not in it.
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        let number = from.find(|c: char| !matches!(c, '0'..='9' | '.' | '/')).unwrap_or(from.len());
        let word = from[..number].trim_end_matches(['.', '/']);
        named.push_str(before);
        match ranges.get(word) {
            Some(what) => named.extend(["‹", what, "›"]),
            None => named.push_str(word),
        }
        rest = &from[word.len()..];
    }
    named + rest
}
