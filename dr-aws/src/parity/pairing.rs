//! Which resources are twins.

use std::collections::{BTreeMap, BTreeSet};

use dr_core::{Address, Graph, Node};

use crate::checks::view::{View, policy};

/// Constructs are twins when they share this much of their parts.
const ALIKE: f64 = 0.5;

/// Where a resource stands in the comparison.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// 0 for the primary, 1 for the standby; `None` for what both share.
    pub(super) side: Option<usize>,
    /// The number of its pair.
    pub(super) pair: Option<usize>,
}

/// A resource without a twin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alone<'g> {
    pub(super) node: &'g Node,
    pub(super) side: usize,
    /// Whether the construct around it has a twin of its kind.
    pub(super) in_pair: bool,
}

/// The two regions with their pairs.
pub(super) struct Twins<'g> {
    pub(super) graph: &'g Graph,
    /// What addresses begin with.
    pub(super) labels: [String; 2],
    /// The regions at AWS.
    pub(super) regions: [String; 2],
    /// Both serve at once, so neither is the standby.
    pub(super) both_serve: bool,
    pub(super) pairs: Vec<[&'g Node; 2]>,
    pub(super) alone: Vec<Alone<'g>>,
    places: BTreeMap<&'g str, Place>,
}

/// The parts of a construct, by their address below it.
type Parts<'g> = BTreeMap<&'g str, &'g Node>;

impl<'g> Twins<'g> {
    pub(super) fn of(graph: &'g Graph) -> Option<Self> {
        let view = View { graph };
        let (labels, both_serve) = sides(view)?;
        let region =
            |label: &str| graph.nodes().find(|node| node.address.region() == label).map(|n| n.region.to_string());
        let regions = [region(&labels[0])?, region(&labels[1])?];
        let (pairs, alone, places) = Default::default();
        let mut twins = Twins { graph, labels, regions, both_serve, pairs, alone, places };
        twins.constructs();
        twins.answers(view);
        Some(twins)
    }

    pub(super) fn place(&self, address: &str) -> Place {
        self.places.get(address).copied().unwrap_or_default()
    }

    fn pair(&mut self, one: &'g Node, two: &'g Node) {
        let pair = Some(self.pairs.len());
        self.pairs.push([one, two]);
        self.places.insert(one.address.as_str(), Place { side: Some(0), pair });
        self.places.insert(two.address.as_str(), Place { side: Some(1), pair });
    }

    fn alone(&mut self, node: &'g Node, side: usize, in_pair: bool) {
        self.places.insert(node.address.as_str(), Place { side: Some(side), pair: None });
        self.alone.push(Alone { node, side, in_pair });
    }

    fn constructs(&mut self) {
        let [ones, twos] = [0, 1].map(|side| scopes(self.graph, &self.labels[side]));
        let mut open: BTreeSet<&str> = twos.keys().copied().collect();
        let mut matched: Vec<(Option<&str>, Option<&str>)> = Vec::new();
        for name in ones.keys() {
            if open.remove(name) {
                matched.push((Some(name), Some(name)));
            }
        }
        for (name, parts) in ones.iter().filter(|(name, _)| !twos.contains_key(*name)) {
            let alike = open.iter().map(|other| (similarity(parts, &twos[other]), *other));
            let alike = alike.filter(|(much, other)| *much >= ALIKE && !other.is_empty() && !name.is_empty());
            let best = alike.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1))).map(|(_, other)| other);
            if let Some(other) = best {
                open.remove(other);
            }
            matched.push((Some(name), best));
        }
        matched.extend(open.iter().map(|name| (None, Some(*name))));
        let none = Parts::new();
        for (one, two) in matched {
            let parts = |scopes: &BTreeMap<&'g str, Parts<'g>>, name: Option<&str>| {
                name.and_then(|name| scopes.get(name)).cloned().unwrap_or_else(|| none.clone())
            };
            let (mut a, mut b) = (parts(&ones, one), parts(&twos, two));
            let alike = similarity(&a, &b) >= ALIKE;
            if let (Some(one), Some(two)) = (one, two)
                && one != two
            {
                // What is global in a construct has its own name in each region.
                let global = scopes(self.graph, "global");
                let mark = |parts: &Parts<'g>| parts.iter().map(|(label, node)| (*label, *node)).collect::<Vec<_>>();
                a.extend(global.get(one).map(&mark).unwrap_or_default());
                b.extend(global.get(two).map(&mark).unwrap_or_default());
            }
            self.parts(a, b, alike);
        }
    }

    fn parts(&mut self, one: Parts<'g>, mut two: Parts<'g>, alike: bool) {
        let mut left = Vec::new();
        for (label, node) in one {
            match two.get(label).filter(|other| other.schema.type_name == node.schema.type_name) {
                Some(twin) => {
                    self.pair(node, twin);
                    two.remove(label);
                }
                None => left.push(node),
            }
        }
        // What stands at the top of its region may be called after it: the only one of its type is the twin.
        for node in left {
            let of_type = |other: &&Node| other.schema.type_name == node.schema.type_name;
            let top = !node.address.path().contains('.');
            let mut others =
                two.iter().filter(|(_, other)| top && of_type(other) && !other.address.path().contains('.'));
            let only = match (others.next(), others.next()) {
                (Some((label, other)), None) => Some((*label, *other)),
                _ => None,
            };
            match only {
                Some((label, other)) => {
                    self.pair(node, other);
                    two.remove(label);
                }
                None => self.alone(node, 0, alike),
            }
        }
        two.into_values().for_each(|node| self.alone(node, 1, alike));
    }

    /// The two answers of a name are twins, and so are the health checks that decide about them.
    fn answers(&mut self, view: View<'g>) {
        for answers in view.answers() {
            let [one, two] = answers.records.as_slice() else { continue };
            let side =
                |record: &'g Node| view.answered_by(record).and_then(|node| self.place(node.address.as_str()).side);
            let (one, two) = match (side(one), side(two)) {
                (Some(0), Some(1)) => (*one, *two),
                (Some(1), Some(0)) => (*two, *one),
                _ => continue,
            };
            if policy(one) == "simple" || self.places.contains_key(one.address.as_str()) {
                continue;
            }
            self.pair(one, two);
            let check = |record: &'g Node| view.node(&record.inputs["health_check"]);
            if let (Some(one), Some(two)) = (check(one), check(two))
                && one.address != two.address
                && [one, two].iter().all(|check| !self.places.contains_key(check.address.as_str()))
            {
                self.pair(one, two);
            }
        }
    }
}

/// The labels of primary and standby, and whether both serve at once.
fn sides(view: View<'_>) -> Option<([String; 2], bool)> {
    if let Some(choice) = view.choices().next() {
        return Some((choice.sites.map(|site| site.address.region().to_owned()), choice.both_serve));
    }
    let mut labels: Vec<(&str, usize)> = Vec::new();
    for node in view.graph.nodes().filter(|node| node.address.region() != "global") {
        match labels.iter_mut().find(|(label, _)| *label == node.address.region()) {
            Some((_, count)) => *count += 1,
            None => labels.push((node.address.region(), 1)),
        }
    }
    let mut largest = labels.clone();
    largest.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    largest.truncate(2);
    // In the order in which the program used them, unless they are called by their roles.
    let mut chosen: Vec<&str> =
        labels.iter().map(|(label, _)| *label).filter(|l| largest.iter().any(|(k, _)| k == l)).collect();
    chosen.sort_by_key(|label| *label == "standby");
    match chosen.as_slice() {
        [one, two] => Some(([(*one).to_owned(), (*two).to_owned()], false)),
        _ => None,
    }
}

/// The constructs at the top of a region with their parts; what is in none is under the empty name.
fn scopes<'g>(graph: &'g Graph, label: &str) -> BTreeMap<&'g str, Parts<'g>> {
    let mut scopes: BTreeMap<&str, Parts<'_>> = BTreeMap::new();
    for node in graph.nodes().filter(|node| node.address.region() == label) {
        let (scope, part) = Address::split_path(node.address.path());
        scopes.entry(scope).or_default().insert(part, node);
    }
    scopes
}

/// The shared part of all parts.
fn similarity(one: &Parts<'_>, two: &Parts<'_>) -> f64 {
    let same = |(label, node): &(&&str, &&Node)| {
        two.get(**label).is_some_and(|other| other.schema.type_name == node.schema.type_name)
    };
    let shared = one.iter().filter(same).count();
    shared as f64 / (one.len() + two.len() - shared).max(1) as f64
}
