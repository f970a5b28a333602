//! What has another address in the program than in the state: declared moves, and renames that nobody declared.

use std::collections::{BTreeMap, BTreeSet};

use super::build::{Known, Planner};
use super::{PlanError, StepId};
use crate::address::Address;
use crate::error::Action;
use crate::observed::{Drift, DriftKind};
use crate::resource::Replacement;
use crate::state::{Instance, Record};
use crate::value;

impl Planner<'_> {
    /// Renames in the working state what the program says was moved; a step for each gives it its new ownership.
    pub(super) fn moves(&mut self) {
        for (old, new) in &self.graph.moves {
            let matching: Vec<(Address, String)> = self
                .state
                .resources
                .keys()
                .filter_map(|address| {
                    moved_address(address.as_str(), old, new).map(|to| (address.clone(), self.moved_on(to)))
                })
                .collect();
            for (from, to) in matching {
                let fail = |why: &str| PlanError::Move { old: old.clone(), new: new.clone(), why: why.to_owned() };
                let to: Address = match to.parse() {
                    Ok(to) => to,
                    Err(_) => {
                        self.errors.push(fail("the new address is not valid"));
                        continue;
                    }
                };
                if self.graph.get(to.as_str()).is_none() {
                    self.errors.push(fail("the program has nothing at the new address"));
                    continue;
                }
                if self.graph.get(from.as_str()).is_some() {
                    self.errors.push(fail("the program still has the old address"));
                    continue;
                }
                if self.state.resources.contains_key(&to) {
                    // It has moved already, and this is an old copy that still had the old ownership when it was found; or
                    // there were two. Either way the program has one, and the plan shows that the other goes.
                    self.superseded.insert(from, to);
                    continue;
                }
                if self.state.resources.get(&from).is_none_or(|record| record.current.is_none()) {
                    // What is left of it is deleted where it is.
                    continue;
                }
                let Some(record) = self.state.resources.remove(&from) else { continue };
                if let Some(current) = &record.current {
                    self.adopt(&to, &record, current, Some(from.clone()), format!("moved from {from}"));
                }
                self.state.resources.insert(to.clone(), record);
                let rename = |needs: &mut Vec<Address>| {
                    needs.iter_mut().filter(|need| **need == from).for_each(|need| *need = to.clone());
                };
                self.state.resources.values_mut().for_each(|record| record.rename_needs(&from, &to));
                if let Some(needs) = self.old_needs.remove(&from) {
                    self.old_needs.insert(to.clone(), needs);
                }
                self.old_needs.values_mut().for_each(rename);
            }
        }
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

    /// Where the program has what was moved to this address: it may have been moved again since.
    fn moved_on(&self, mut to: String) -> String {
        for _ in 0..self.graph.moves.len() {
            if self.graph.get(&to).is_some() {
                break;
            }
            match self.graph.moves.iter().find_map(|(old, new)| moved_address(&to, old, new)) {
                Some(next) => to = next,
                None => break,
            }
        }
        to
    }

    /// Refuses a delete and a create that are equal but for the address, unless the program accepts it.
    pub(super) fn renames(&mut self) {
        let accepted: BTreeSet<(&str, &str)> =
            self.graph.not_moved.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect();
        self.places = self.places(&accepted);
        for &(_, old) in &self.places {
            self.delete_first.insert(self.steps[old as usize].address.clone());
        }
        let mut gone: BTreeMap<(&str, &str, String), &Address> = BTreeMap::new();
        for step in self.steps.iter().filter(|step| step.action == Action::Delete && !step.replacement) {
            let record =
                self.state.resources.get(&step.address).filter(|_| self.graph.get(step.address.as_str()).is_none());
            if let Some(current) = record.and_then(|record| record.current.as_ref()) {
                gone.insert((&step.type_name, &step.region, value::canonical(&current.args)), &step.address);
            }
        }
        if gone.is_empty() {
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
            if let Some(old) = gone.get(&(step.type_name.as_str(), step.region.as_str(), value::canonical(&inputs)))
                && !accepted.contains(&(old.as_str(), step.address.as_str()))
            {
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

/// The address after a move of `old` to `new`, when it is that resource or lies inside that scope.
fn moved_address(address: &str, old: &str, new: &str) -> Option<String> {
    let rest = address.strip_prefix(old)?;
    (rest.is_empty() || rest.starts_with('.') || rest.starts_with('[')).then(|| format!("{new}{rest}"))
}
