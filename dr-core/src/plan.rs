//! The plan: every step that makes the cloud what the program says, as plain data. Pure and deterministic.

mod build;
mod moves;
mod order;
mod render;
mod timing;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::address::Address;
use crate::diff::Change;
use crate::error::{Action, CloudError};
use crate::graph::Graph;
use crate::journal::{Entry, New, What};
use crate::observed::Drift;
use crate::resource::{Need, OnRemove};
use crate::state::{FORMAT, IllegalEntry, State, Users};
use crate::value::{self, Value};

/// The number of a step in its plan.
pub type StepId = u32;

/// What to do, in data: the executor only orders, waits and retries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// [`FORMAT`].
    pub format: u32,
    /// The stack's name.
    pub stack: String,
    /// The lineage of the state it was made from.
    pub lineage: String,
    /// The serial of the state it was made from; the plan fits this one only.
    pub serial: u64,
    /// A digest of the program it was made from.
    pub program: String,
    /// The state that it starts from, corrected by what was read.
    #[serde(skip)]
    pub start: Option<State>,
    /// The steps, in an order in which they could be done one after another.
    pub steps: Vec<Step>,
    /// How many resources stay as they are.
    pub kept: u32,
    /// What was found changed in the cloud.
    pub drift: Vec<Drift>,
    /// The accepted findings and warnings of the program's rules.
    pub findings: Vec<crate::check::Finding>,
}

/// One step: one resource, one action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Step {
    /// Its number, its index in [`Plan::steps`].
    pub id: StepId,
    /// What it does.
    pub action: Action,
    /// The resource.
    pub address: Address,
    /// Its type.
    pub type_name: String,
    /// Its region at the provider.
    pub region: String,
    /// Which copy of the resource.
    pub generation: u32,
    /// The token of that copy.
    pub token: String,
    /// The inputs, with references to what other steps give; null for a delete.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub inputs: Value,
    /// The tags of the program.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// What the resource needs, for the order of a later deletion.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Address>,
    /// What happens when it is no longer in the program.
    #[serde(default)]
    pub on_remove: OnRemove,
    /// The steps that come first, and how far they must be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<(StepId, Need)>,
    /// The changed arguments of an update or of a replacement.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Why, when it is not plain: the first half of a replacement, a leftover, a broken resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it is one half of a replacement: the create of the new copy or the delete of the old one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replacement: bool,
    /// The address that a moved resource had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Address>,
    /// Typical seconds until it is done.
    pub expected_s: f64,
    /// Seconds after which it is not waited for any longer, where its type says so; else 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub settle_s: f64,
    /// Why it cannot be done now: what it is based on could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<CloudError>,
    /// The line of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared_at: Option<String>,
}

fn is_zero(seconds: &f64) -> bool {
    *seconds == 0.0
}

/// Why there is no plan. Nothing was changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A protected resource would be deleted or replaced.
    #[error("{address} is protected and would be {what}")]
    Protected {
        /// The resource.
        address: Address,
        /// `deleted`, or `replaced: ` and the reason.
        what: String,
    },
    /// A delete and a create that differ only in the address.
    #[error(
        "{old} would be deleted and {new} created, and they are equal but for the name: say `moved(\"{old}\", \"{new}\")` \
         to keep the resource, or `not_moved(…)` to accept the replacement"
    )]
    Renamed {
        /// The address in the state.
        old: Address,
        /// The address in the program.
        new: Address,
    },
    /// A move that cannot be made.
    #[error("the move of `{old}` to `{new}`: {why}")]
    Move {
        /// The old address or scope.
        old: String,
        /// The new one.
        new: String,
        /// What is wrong.
        why: String,
    },
    /// Something to look up is not there.
    #[error("{address} is looked up and does not exist ({at})")]
    NotFound {
        /// The lookup.
        address: Address,
        /// The line of the program.
        at: String,
    },
    /// Something to look up depends on a resource that does not exist yet.
    #[error("{address} is looked up by a value that is known only after the deploy ({at})")]
    LookupTooEarly {
        /// The lookup.
        address: Address,
        /// The line of the program.
        at: String,
    },
    /// A resource of the stack is looked up instead.
    #[error("{address} is a resource of this stack and is now looked up: give the lookup another name")]
    NowLookedUp {
        /// The resource.
        address: Address,
    },
    /// Each of the steps waits for the next, and the last for the first.
    #[error(
        "the steps wait for each other: {}",
        .0.iter().map(|(action, address)| format!("{action} {address}")).collect::<Vec<_>>().join(", ")
    )]
    Cycle(Vec<(Action, Address)>),
}

/// All reasons why there is no plan, at once.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanErrors(pub Vec<PlanError>);

impl std::fmt::Display for PlanErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_slice() {
            [one] => one.fmt(f),
            many => {
                write!(f, "the plan has {} errors", many.len())?;
                many.iter().try_for_each(|error| write!(f, "\n  {error}"))
            }
        }
    }
}

impl std::error::Error for PlanErrors {}

/// Why a saved plan cannot be applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SavedPlanError {
    /// The file is no plan.
    #[error("it is no plan")]
    Form(#[source] serde_json::Error),
    /// A newer version of dr wrote it.
    #[error("its format is {found}, this version reads up to {FORMAT}")]
    Newer {
        /// The format.
        found: u32,
    },
    /// It was edited, or damaged.
    #[error("its steps do not fit together: make it again with `plan --out`")]
    Unsound,
    /// It was made for something else.
    #[error("it was made for {what}: make it again with `plan --out`")]
    Other {
        /// What it was made for.
        what: String,
    },
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The steps that take something away: deletes, both halves of replacements' old side, and forgets.
    pub fn destructive(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| matches!(step.action, Action::Delete | Action::Forget))
    }

    /// How many steps there are of each kind; the two halves of a replacement count once, as `replace`.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, u32> {
        let mut counts = BTreeMap::new();
        for step in &self.steps {
            let kind = match (step.action, step.replacement) {
                (Action::Create, true) => "replace",
                (Action::Delete, true) => continue,
                (Action::Create, false) => "create",
                (Action::Update, _) => "update",
                (Action::Delete, false) => "delete",
                (Action::Adopt, _) => "adopt",
                (Action::Forget, _) => "forget",
                (Action::Settle, _) => "settle",
            };
            *counts.entry(kind).or_default() += 1;
        }
        if self.kept > 0 {
            counts.insert("keep", self.kept);
        }
        counts
    }

    /// The plan as bytes for a file, with the state that it starts from.
    ///
    /// # Panics
    /// Never: plans serialise.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Saved<'p> {
            #[serde(flatten)]
            plan: &'p Plan,
            start: &'p Option<State>,
        }
        serde_json::to_vec_pretty(&Saved { plan: self, start: &self.start }).expect("a plan has text keys only")
    }

    /// Reads a saved plan and checks that program and state are those that it was made from.
    ///
    /// # Errors
    /// [`SavedPlanError`]: no plan, a newer format, another stack, or the program or the state has moved on.
    pub fn load(bytes: &[u8], graph: &Graph, state: &State) -> Result<Plan, SavedPlanError> {
        /// Only the format, so that a newer one is told from damage.
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        #[derive(Deserialize)]
        struct Start {
            start: State,
        }
        let Format { format } = serde_json::from_slice(bytes).map_err(SavedPlanError::Form)?;
        if format > FORMAT {
            return Err(SavedPlanError::Newer { found: format });
        }
        let mut plan: Plan = serde_json::from_slice(bytes).map_err(SavedPlanError::Form)?;
        let Start { start } = serde_json::from_slice(bytes).map_err(SavedPlanError::Form)?;
        let other = |what: String| Err(SavedPlanError::Other { what });
        if plan.stack != state.stack {
            return other(format!("stack `{}`", plan.stack));
        }
        if !plan.is_of_lineage(state) {
            return other("another state of the stack".to_owned());
        }
        if plan.serial != state.serial {
            return other(format!("the state at serial {}, which is now at {}", plan.serial, state.serial));
        }
        if plan.program != digest(graph) {
            return other("another version of the program".to_owned());
        }
        if !plan.fits(&start) {
            return Err(SavedPlanError::Unsound);
        }
        plan.start = Some(start);
        Ok(plan)
    }

    /// Whether the plan is of this state's line. A stack without a state gets a new lineage each time it is looked at; the plan
    /// brings the one that it will have.
    pub(crate) fn is_of_lineage(&self, state: &State) -> bool {
        let fresh = state.serial == 0 && state.is_empty();
        fresh || self.lineage == state.lineage
    }

    /// Whether the steps, done one after another, lead from the state to another one: what a run relies on.
    fn fits(&self, start: &State) -> bool {
        let (mut state, mut users) = (start.clone(), Users::default());
        let same = (&start.stack, &start.lineage, start.serial) == (&self.stack, &self.lineage, self.serial);
        // A year; more is no duration that a type has.
        let sane = |step: &Step| [step.expected_s, step.settle_s].iter().all(|s| (0.0..=31_536_000.0).contains(s));
        let follows = |(at, step): (usize, &Step)| {
            let ordered = step.id as usize == at && step.after.iter().all(|(before, _)| (*before as usize) < at);
            ordered && sane(step) && step.rehearse(&mut state, &mut users).is_ok()
        };
        let mut at_one_address: BTreeMap<&Address, Vec<&Step>> = BTreeMap::new();
        self.steps.iter().for_each(|step| at_one_address.entry(&step.address).or_default().push(step));
        // Steps without an edge between them run side by side; those of one resource may not, unless all of them let a copy go.
        let in_line = |steps: &Vec<&Step>| {
            let pairs =
                steps.iter().enumerate().flat_map(|(at, later)| steps[..at].iter().map(move |first| (*first, *later)));
            let deletes = |step: &Step| matches!(step.action, Action::Delete | Action::Forget);
            pairs.into_iter().all(|(first, later)| {
                (deletes(first) && deletes(later)) || later.after.iter().any(|(before, _)| *before == first.id)
            })
        };
        same && start.check().is_ok()
            && self.steps.iter().enumerate().all(follows)
            && at_one_address.values().all(in_line)
    }
}

impl Step {
    /// Records what a run records when the step goes well.
    fn rehearse(&self, state: &mut State, users: &mut Users) -> Result<(), IllegalEntry> {
        let outputs = match self.action {
            Action::Delete | Action::Forget => None,
            _ => Some(Value::Null),
        };
        let mut events = Vec::new();
        if let Some(from) = &self.from {
            events.push(What::Moved { from: from.clone() });
        }
        let create = (self.action == Action::Create).then(|| New {
            type_name: self.type_name.clone(),
            region: self.region.clone(),
            token: self.token.clone(),
            on_remove: self.on_remove,
            needs: self.needs.clone(),
        });
        let (action, args, tags, needs) = (self.action, Value::Null, BTreeMap::new(), self.needs.clone());
        events.push(What::Began { action, args, tags, needs, create });
        events.push(What::Succeeded { action, outputs });
        for event in events {
            let (address, generation) = (self.address.clone(), self.generation);
            state.apply_with(&Entry { seq: state.serial, address, generation, event }, users)?;
        }
        Ok(())
    }
}

/// A digest of everything in a program that a plan is made from.
#[must_use]
pub fn digest(graph: &Graph) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(graph.name().as_bytes());
    for node in graph.nodes() {
        part(node.address.as_str().as_bytes());
        part(node.schema.type_name.as_bytes());
        part(node.region.as_bytes());
        part(value::canonical(&node.inputs).as_bytes());
        part(format!("{:?}{:?}", node.tags, node.on_remove).as_bytes());
        for (need, how) in graph.needs(node.address.as_str()) {
            part(need.address.as_str().as_bytes());
            part(&[how as u8]);
        }
    }
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}
