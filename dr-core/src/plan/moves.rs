//! What has another address in the program than in the state: declared moves, and renames that nobody declared.

use std::collections::{BTreeMap, BTreeSet};

use super::build::{Known, Planner};
use super::{PlanError, StepId};
use crate::address::Address;
use crate::error::Action;
use crate::graph::Graph;
use crate::observed::{Drift, DriftKind};
use crate::resource::Replacement;
use crate::state::{Instance, PINNED, Record};
use crate::value;

impl Planner<'_> {
    /// Renames in the working state what the program says was moved; a step for each gives it its new ownership.
    pub(super) fn moves(&mut self) {
        let graph = self.graph;
        if graph.moves.is_empty() {
            return;
        }
        let rules = Rules::of(graph);
        let matching = self.state.resources.keys().filter_map(|from| {
            let (rule, to) = rules.next(from.as_str())?;
            Some((rule, from.clone(), rules.end(to)))
        });
        let mut matching: Vec<(usize, Address, String)> = matching.collect();
        // In the order in which the program has them.
        matching.sort_unstable();
        let mut renamed: BTreeMap<Address, Address> = BTreeMap::new();
        for (rule, from, to) in matching {
            let (old, new) = &graph.moves[rule];
            let fail = |why: &str| PlanError::Move { old: old.clone(), new: new.clone(), why: why.to_owned() };
            let to: Address = match to.parse() {
                Ok(to) => to,
                Err(_) => {
                    self.errors.push(fail("the new address is not valid"));
                    continue;
                }
            };
            if graph.get(to.as_str()).is_none() {
                self.errors.push(fail("the program has nothing at the new address"));
                continue;
            }
            if graph.get(from.as_str()).is_some() {
                self.errors.push(fail("the program still has the old address"));
                continue;
            }
            if self.state.resources.get(&from).is_none_or(|record| record.current.is_none()) {
                // What is left of it is deleted where it is.
                continue;
            }
            match self.state.resources.get(&to).map(|record| record.current.as_ref()) {
                None => {}
                Some(Some(current)) if current.generation == PINNED => {
                    // What was looked up there is not ours.
                    self.state.resources.remove(&to);
                    self.unpinned.push(to.clone());
                }
                Some(Some(_)) => {
                    // It has moved already, and this is an old copy that still had the old ownership when it was found; or
                    // there were two. Either way the program has one, and the plan shows that the other goes.
                    self.superseded.insert(from, to);
                    continue;
                }
                Some(None) => {
                    let why = "what was at the new address before is still leaving: deploy once without the move";
                    self.errors.push(fail(why));
                    continue;
                }
            }
            let Some(record) = self.state.resources.remove(&from) else { continue };
            if let Some(current) = &record.current {
                self.adopt(&to, &record, current, Some(from.clone()), format!("moved from {from}"));
            }
            self.state.resources.insert(to.clone(), record);
            renamed.insert(from, to);
        }
        if renamed.is_empty() {
            return;
        }
        // An old address is not in the program and a new one is, so none is both and one pass does them all.
        let rename = |need: &mut Address| {
            if let Some(to) = renamed.get(need) {
                *need = to.clone();
            }
        };
        self.state.resources.values_mut().for_each(|record| record.for_each_need(rename));
        let old_needs = std::mem::take(&mut self.old_needs).into_iter().map(|(address, mut needs)| {
            needs.iter_mut().for_each(rename);
            (renamed.get(&address).cloned().unwrap_or(address), needs)
        });
        self.old_needs = old_needs.collect();
    }

    /// What an earlier run moved without telling the provider gets its new ownership now.
    pub(super) fn misnamed(&mut self, drift: &[Drift]) {
        for Drift { address, kind } in drift {
            let DriftKind::Misnamed(old) = kind else { continue };
            let record = self.state.resources.get(address).filter(|_| self.graph.get(address.as_str()).is_some());
            let Some(record) = record.cloned() else { continue };
            let Some(current) = &record.current else { continue };
            self.adopt(address, &record, current, None, format!("it still carries the name {old}"));
        }
    }

    /// A step that tells the provider the address of what exists.
    fn adopt(&mut self, to: &Address, record: &Record, current: &Instance, from: Option<Address>, reason: String) {
        let mut step = self.step(Action::Adopt, to, &record.type_name, &record.region, current);
        (step.from, step.reason, step.expected_s) = (from, Some(reason), 1.0);
        let id = self.push_forward(step);
        self.adopts.insert(to.clone(), id);
    }

    /// Refuses a delete and a create that are equal but for the address, unless the program accepts it.
    pub(super) fn renames(&mut self) {
        let accepted: BTreeSet<(&str, &str)> =
            self.graph.not_moved.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect();
        self.places = self.places(&accepted);
        for &(_, old) in &self.places {
            self.delete_first.insert(self.steps[old as usize].address.clone());
        }
        let mut gone: BTreeMap<(&str, &str, String), Vec<&Address>> = BTreeMap::new();
        for step in self.steps.iter().filter(|step| step.action == Action::Delete && !step.replacement) {
            let record =
                self.state.resources.get(&step.address).filter(|_| self.graph.get(step.address.as_str()).is_none());
            if let Some(current) = record.and_then(|record| record.current.as_ref()) {
                let key = (step.type_name.as_str(), step.region.as_str(), value::canonical(&current.args));
                gone.entry(key).or_default().push(&step.address);
            }
        }
        // A move that cannot be made leaves both its ends as they are, and has said so.
        if gone.is_empty() || self.errors.iter().any(|error| matches!(error, PlanError::Move { .. })) {
            return;
        }
        let mut errors = Vec::new();
        for step in self.steps.iter().filter(|step| step.action == Action::Create && !step.replacement) {
            let (inputs, complete) =
                value::resolve(&step.inputs, &|reference| match self.known.get(reference.address)? {
                    Known::Outputs(outputs) => reference.select(outputs),
                    Known::AfterStep | Known::Blocked(_) => None,
                });
            if !complete {
                continue;
            }
            let key = (step.type_name.as_str(), step.region.as_str(), value::canonical(&inputs));
            let equal = gone.get(&key).map_or(&[][..], Vec::as_slice);
            let accepted = equal.iter().any(|old| accepted.contains(&(old.as_str(), step.address.as_str())));
            if let Some(old) = equal.first().filter(|_| !accepted) {
                errors.push(PlanError::Renamed { old: (*old).clone(), new: step.address.clone() });
            }
        }
        self.errors.extend(errors);
    }

    /// Accepted renames of a type of which both cannot exist at once: the new one takes the place of the old one.
    fn places(&self, accepted: &BTreeSet<(&str, &str)>) -> Vec<(StepId, StepId)> {
        let mut places = Vec::new();
        for (old, new) in accepted {
            let Some(&create) = self.forward.get(*new) else { continue };
            let step = &self.steps[create as usize];
            let schema = self.graph.schema(&step.type_name);
            if step.action == Action::Create
                && schema.is_some_and(|schema| schema.replacement == Replacement::DeleteFirst)
            {
                let alike = |&id: &StepId| self.steps[id as usize].type_name == step.type_name;
                let gone = self.deletes.get(*old).into_iter().flatten().copied().filter(alike);
                places.extend(gone.map(|delete| (create, delete)));
            }
        }
        places
    }
}

/// The moves of a program, found by what they are about.
struct Rules<'g> {
    graph: &'g Graph,
    /// The first one about an address or scope.
    first: BTreeMap<&'g str, usize>,
}

impl<'g> Rules<'g> {
    fn of(graph: &'g Graph) -> Self {
        let mut first = BTreeMap::new();
        for (at, (old, _)) in graph.moves.iter().enumerate() {
            first.entry(old.as_str()).or_insert(at);
        }
        Rules { graph, first }
    }

    /// The first one about this address or a scope around it, and the address after it.
    fn next(&self, address: &str) -> Option<(usize, String)> {
        let inner = address.bytes().enumerate().filter(|(_, byte)| matches!(byte, b'.' | b'[')).map(|(at, _)| at);
        let rule = *inner.chain([address.len()]).filter_map(|end| self.first.get(&address[..end])).min()?;
        let (old, new) = &self.graph.moves[rule];
        Some((rule, format!("{new}{}", &address[old.len()..])))
    }

    /// Where the program has what was moved to this address: it may have been moved again since.
    fn end(&self, mut to: String) -> String {
        let mut seen = BTreeSet::new();
        while self.graph.get(&to).is_none() && seen.insert(to.clone()) {
            match self.next(&to) {
                Some((_, next)) => to = next,
                None => break,
            }
        }
        to
    }
}
