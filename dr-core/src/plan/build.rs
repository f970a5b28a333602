//! From program, state and what was read to steps.

use std::collections::{BTreeMap, BTreeSet};

use super::{Plan, PlanError, PlanErrors, Step, StepId, digest, timing};
use crate::address::Address;
use crate::diff;
use crate::error::{Action, CloudError};
use crate::graph::{Graph, Node};
use crate::observed::{Drift, Observed};
use crate::resource::{Kind, OnRemove, Replacement};
use crate::state::{FORMAT, Instance, PINNED, State, Status};
use crate::value::{self, Value};

impl Plan {
    /// What makes the cloud what the program says: the program, the last known state, and what was just read.
    ///
    /// # Errors
    /// All reasons why there is none: protected resources, undeclared renames, failed lookups, impossible moves.
    pub fn between(graph: &Graph, state: &State, observed: &Observed) -> Result<Plan, PlanErrors> {
        let (corrected, drift) = observed.reconcile(graph, state);
        Plan::from_corrected(graph, state, corrected, drift, observed)
    }

    fn from_corrected(
        graph: &Graph,
        recorded: &State,
        corrected: State,
        drift: Vec<Drift>,
        observed: &Observed,
    ) -> Result<Plan, PlanErrors> {
        let (lineage, serial) = (corrected.lineage.clone(), corrected.serial);
        // The run itself makes the moves, so it starts from the state without them, which has everything else in common.
        let unmoved = (!graph.moves.is_empty()).then(|| corrected.clone());
        let mut planner = Planner::new(graph, recorded, corrected, observed);
        planner.moves();
        planner.misnamed(&drift);
        planner.forward();
        planner.backward();
        planner.renames();
        if !planner.errors.is_empty() {
            return Err(PlanErrors(planner.errors));
        }
        let order = planner.order().map_err(|cycle| PlanErrors(vec![cycle]))?;
        let Planner { state: moved, steps, kept, pinned, unpinned, .. } = planner;
        let start = match unmoved {
            Some(mut start) => {
                start.resources.retain(|address, _| !unpinned.contains(address));
                start
                    .resources
                    .extend(pinned.into_iter().filter_map(|a| Some((a.clone(), moved.resources.get(&a)?.clone()))));
                // What the program says of its resources holds from now on, at their old addresses until the run moves them.
                let old_of: BTreeMap<&Address, &Address> =
                    steps.iter().filter_map(|step| Some((&step.address, step.from.as_ref()?))).collect();
                let before =
                    |address: &Address| old_of.get(address).map_or_else(|| address.clone(), |old| (*old).clone());
                for (address, now) in &moved.resources {
                    if let Some(record) = start.resources.get_mut(&before(address)) {
                        record.on_remove = now.on_remove;
                        record.needs = now.needs.iter().map(before).collect();
                    }
                }
                start
            }
            None => moved,
        };
        let steps = timing::sorted(steps, &order);
        Ok(Plan {
            format: FORMAT,
            stack: graph.name().to_owned(),
            lineage,
            serial,
            program: digest(graph),
            start: Some(start),
            steps,
            kept,
            drift,
            findings: graph.findings().to_vec(),
        })
    }

    /// What takes everything away: the plan to an empty program of the same name.
    ///
    /// # Errors
    /// A resource is protected.
    pub fn teardown(graph: &Graph, state: &State, observed: &Observed) -> Result<Plan, PlanErrors> {
        // What is found without a state still has its order from the program.
        let (corrected, drift) = observed.reconcile(graph, state);
        let mut empty = Graph::empty(graph.name());
        empty.schemas = graph.schemas();
        Plan::from_corrected(&empty, state, corrected, drift, observed)
    }
}

/// What a reference to a node gives while planning.
pub(super) enum Known {
    /// It exists and stays.
    Outputs(Value),
    /// It is made by a step of this plan.
    AfterStep,
    /// It is looked up and could not be read.
    Blocked(CloudError),
}

pub(super) struct Planner<'a> {
    pub(super) graph: &'a Graph,
    /// The state before it was corrected by what was observed.
    pub(super) recorded: &'a State,
    pub(super) state: State,
    pub(super) observed: &'a Observed,
    pub(super) steps: Vec<Step>,
    pub(super) errors: Vec<PlanError>,
    pub(super) kept: u32,
    pub(super) known: BTreeMap<&'a str, Known>,
    /// The step that makes, changes or settles the resource at an address.
    pub(super) forward: BTreeMap<Address, StepId>,
    /// The steps that give moved resources their new ownership; nothing else happens at the new address before.
    pub(super) adopts: BTreeMap<Address, StepId>,
    /// The steps that delete copies of the resource at an address.
    pub(super) deletes: BTreeMap<Address, Vec<StepId>>,
    /// Addresses that are replaced with the old copy going first.
    pub(super) delete_first: BTreeSet<Address>,
    /// What need not be gone before what it came after: user and needed.
    pub(super) loose: BTreeSet<(Address, Address)>,
    /// What is still at an address whose resource is at another now.
    pub(super) superseded: BTreeMap<Address, Address>,
    /// Creates that need the place of a resource that goes, which is another resource by the program's word.
    pub(super) places: Vec<(StepId, StepId)>,
    /// Addresses that are replaced.
    pub(super) replaced: BTreeSet<Address>,
    /// The lookups that this plan keeps.
    pub(super) pinned: Vec<Address>,
    /// The lookups that the program no longer has.
    pub(super) unpinned: Vec<Address>,
    /// The generation of the next new resource.
    pub(super) next_generation: u32,
    /// What each address of the state needed before the plan changed anything.
    pub(super) old_needs: BTreeMap<Address, Vec<Address>>,
}

impl<'a> Planner<'a> {
    fn new(graph: &'a Graph, recorded: &'a State, state: State, observed: &'a Observed) -> Self {
        let old_needs = state.resources.iter().map(|(a, r)| (a.clone(), r.all_needs())).collect();
        Planner {
            pinned: Vec::new(),
            unpinned: Vec::new(),
            next_generation: state.generation + 1,
            graph,
            recorded,
            state,
            observed,
            steps: Vec::new(),
            errors: Vec::new(),
            kept: 0,
            known: BTreeMap::new(),
            forward: BTreeMap::new(),
            adopts: BTreeMap::new(),
            deletes: BTreeMap::new(),
            delete_first: BTreeSet::new(),
            loose: BTreeSet::new(),
            superseded: BTreeMap::new(),
            places: Vec::new(),
            replaced: BTreeSet::new(),
            old_needs,
        }
    }

    /// One pass over the program in topological order.
    fn forward(&mut self) {
        let graph = self.graph;
        for node in graph.nodes() {
            match node.schema.kind {
                Kind::Lookup => self.lookup(node),
                Kind::Managed => self.managed(node),
            }
        }
    }

    fn resolve(&self, node: &Node) -> (Value, bool) {
        value::resolve(&node.inputs, &|reference| match self.known.get(reference.address)? {
            Known::Outputs(outputs) => reference.select(outputs),
            Known::AfterStep | Known::Blocked(_) => None,
        })
    }

    fn lookup(&mut self, node: &'a Node) {
        let (inputs, complete) = self.resolve(node);
        let at = || (node.address.clone(), node.declared_at.clone());
        let record = self.state.resources.get(&node.address);
        if record.is_some_and(|record| record.copies().any(|copy| copy.generation != PINNED)) {
            self.errors.push(PlanError::NowLookedUp { address: node.address.clone() });
            return;
        }
        let pinned = self.state.resources.get(&node.address).and_then(|record| record.current.as_ref());
        let pinned = pinned.filter(|current| diff::inputs(node.schema, &current.args, &inputs).is_empty());
        if let Some(outputs) = pinned.and_then(|current| current.outputs.clone()) {
            self.known.insert(node.address.as_str(), Known::Outputs(outputs));
            return;
        }
        if let Some(error) = self.blocked_by(node) {
            self.known.insert(node.address.as_str(), Known::Blocked(error));
            return;
        }
        if !complete {
            let (address, at) = at();
            self.errors.push(PlanError::LookupTooEarly { address, at });
            return;
        }
        let found = self.observed.found.iter().find(|(_, _, data)| data.address == node.address);
        match (found, self.blocked(node.schema.type_name, &node.region)) {
            (Some((_, _, data)), _) => {
                self.known.insert(node.address.as_str(), Known::Outputs(data.outputs.clone()));
                self.pin(node, inputs, data.outputs.clone());
            }
            // Everything that builds on it is blocked with it.
            (None, Some(error)) => {
                self.known.insert(node.address.as_str(), Known::Blocked(error));
            }
            (None, None) => {
                let (address, at) = at();
                self.errors.push(PlanError::NotFound { address, at });
            }
        }
    }

    /// Keeps what was looked up, so that a value that moves (the newest image) does not replace what was built on it.
    fn pin(&mut self, node: &Node, args: Value, outputs: Value) {
        let token = self.state.token(&node.address, PINNED);
        let instance = Instance {
            generation: PINNED,
            token,
            args,
            outputs: Some(outputs),
            tags: BTreeMap::new(),
            status: Status::Ready,
            former: None,
        };
        self.pinned.push(node.address.clone());
        self.state.resources.insert(
            node.address.clone(),
            crate::state::Record {
                type_name: node.schema.type_name.to_owned(),
                region: node.region.to_string(),
                on_remove: OnRemove::Retain,
                needs: Vec::new(),
                current: Some(instance),
                deposed: Vec::new(),
            },
        );
    }

    fn blocked(&self, type_name: &str, region: &str) -> Option<CloudError> {
        self.observed.failed.get(&(type_name.to_owned(), region.to_owned())).cloned()
    }

    /// Whether a resource comes after another without taking anything from it.
    fn is_order_only(&self, node: &Node, need: &Address) -> bool {
        let mut only = true;
        value::references(&node.inputs, &mut |reference| only &= reference.address != need.as_str());
        only
    }

    /// What it takes from a lookup that could not be read.
    fn blocked_by(&self, node: &Node) -> Option<CloudError> {
        let mut blocked = None;
        value::references(&node.inputs, &mut |reference| {
            if let Some(Known::Blocked(error)) = self.known.get(reference.address) {
                blocked.get_or_insert_with(|| error.clone());
            }
        });
        blocked
    }

    fn managed(&mut self, node: &'a Node) {
        let (inputs, _) = self.resolve(node);
        let needs: Vec<Address> = self.graph.needs(node.address.as_str()).map(|(n, _)| n.address.clone()).collect();
        if self
            .state
            .resources
            .get(&node.address)
            .is_some_and(|r| r.current.as_ref().is_some_and(|i| i.generation == PINNED))
        {
            // It was looked up until now: that one is not ours.
            self.state.resources.remove(&node.address);
            self.unpinned.push(node.address.clone());
        }
        if let Some(record) = self.state.resources.get_mut(&node.address) {
            record.on_remove = node.on_remove;
        }
        let record = self.state.resources.get(&node.address);
        let leftovers = record.is_some_and(|record| !record.deposed.is_empty());
        if leftovers && node.schema.replacement == Replacement::DeleteFirst {
            // The place that the next one needs is still taken.
            self.delete_first.insert(node.address.clone());
        }
        let Some(current) = record.and_then(|record| record.current.clone()) else {
            self.create(node, needs, None, Vec::new());
            return;
        };
        let (type_name, region) = record.map(|r| (r.type_name.clone(), r.region.clone())).unwrap_or_default();
        let same_kind = type_name == node.schema.type_name && region == *node.region;
        let changes = if same_kind { diff::inputs(node.schema, &current.args, &inputs) } else { Vec::new() };
        let reason = if type_name != node.schema.type_name {
            Some(format!("it was a {type_name}"))
        } else if region != *node.region {
            Some(format!("it moves from {region} to {}", node.region))
        } else if let Some(error) = self.blocked_by(node) {
            // What it is built on could not be read, so nothing can be said but that it exists.
            let mut step = self.step(Action::Update, &node.address, node.schema.type_name, &node.region, &current);
            step.blocked = Some(error);
            step.declared_at = Some(node.declared_at.clone());
            self.known.insert(node.address.as_str(), Known::Outputs(current.outputs.clone().unwrap_or(Value::Null)));
            self.push_forward(step);
            return;
        } else if current.status == Status::Deleting {
            Some("its deletion was interrupted".to_owned())
        } else if current.status == Status::Failed {
            Some("it exists and will never work".to_owned())
        } else if current.status == Status::Creating && current.outputs.is_none() {
            // The create call has no known answer and nothing could be read: asked about by the step itself.
            self.create(node, needs, Some(&current), Vec::new());
            return;
        } else {
            let fixed: Vec<_> = changes.iter().filter(|c| c.replace).map(|c| format!("`{}`", c.field)).collect();
            match fixed.is_empty() {
                true => self.held(node, &changes).map(|held| format!("it holds {held}, whose place is needed first")),
                false => Some(format!("{} cannot change in place", fixed.join(" and "))),
            }
        };
        if let Some(reason) = reason {
            self.replace(node, needs, reason, changes);
            return;
        }
        let tags = diff::tags(&current.tags, &node.tags);
        let outputs = current.outputs.clone().unwrap_or(Value::Null);
        self.known.insert(node.address.as_str(), Known::Outputs(outputs));
        let changes: Vec<_> = changes.into_iter().chain(tags).collect();
        let action = match current.status {
            _ if !changes.is_empty() => Action::Update,
            Status::Updating => Action::Update,
            Status::Accepted | Status::Creating => Action::Settle,
            Status::Ready | Status::Failed | Status::Deleting => {
                if !self.forward.contains_key(&node.address) {
                    self.kept += 1;
                }
                // An order that the program has added or dropped since holds from now on.
                if let Some(record) = self.state.resources.get_mut(&node.address) {
                    record.needs = needs;
                }
                return;
            }
        };
        let mut step = self.step(action, &node.address, node.schema.type_name, &node.region, &current);
        step.inputs = node.inputs.clone();
        step.tags = node.tags.as_ref().clone();
        step.needs = needs;
        step.changes = changes;
        step.on_remove = node.on_remove;
        step.expected_s = if action == Action::Settle { node.schema.create_s } else { 1.0 };
        step.declared_at = Some(node.declared_at.clone());
        if action == Action::Update {
            // What somebody else has changed is changed back, and what it gives with it.
            let recorded = self.recorded.instance(node.address.as_str(), current.generation);
            let drifted = recorded.filter(|recorded| recorded.args != current.args);
            if let Some(outputs) = drifted.and_then(|recorded| recorded.outputs.clone()) {
                self.known.insert(node.address.as_str(), Known::Outputs(outputs));
            }
        }
        if action == Action::Settle {
            step.reason = Some("an earlier run left it unfinished".to_owned());
        } else if step.changes.is_empty() {
            step.reason = Some("an earlier update was interrupted".to_owned());
        }
        self.push_forward(step);
    }

    /// What it would have to let go of to change in place: an old copy that goes before the new one is there.
    fn held(&self, node: &Node, changes: &[diff::Change]) -> Option<Address> {
        let holds = |change: &&diff::Change| node.schema.field(&change.field).is_some_and(|field| field.holds);
        let mut held = None;
        for change in changes.iter().filter(holds) {
            value::references(&node.inputs[&change.field], &mut |reference| {
                held = held.take().or_else(|| self.delete_first.get(reference.address).cloned());
            });
        }
        held
    }

    fn create(
        &mut self,
        node: &'a Node,
        needs: Vec<Address>,
        again: Option<&Instance>,
        changes: Vec<diff::Change>,
    ) -> StepId {
        let generation = again.map_or(self.next_generation, |instance| instance.generation);
        self.next_generation += u32::from(again.is_none());
        let token = again.map_or_else(|| self.state.token(&node.address, generation), |i| i.token.clone());
        let step = Step {
            id: 0,
            action: Action::Create,
            address: node.address.clone(),
            type_name: node.schema.type_name.to_owned(),
            region: node.region.to_string(),
            generation,
            token,
            inputs: node.inputs.clone(),
            tags: node.tags.as_ref().clone(),
            needs,
            on_remove: node.on_remove,
            after: Vec::new(),
            changes,
            reason: None,
            replacement: false,
            from: None,
            expected_s: node.schema.create_s,
            settle_s: node.schema.settle_s,
            blocked: self.blocked_by(node).or_else(|| self.blocked(node.schema.type_name, &node.region)),
            declared_at: Some(node.declared_at.clone()),
        };
        self.known.insert(node.address.as_str(), Known::AfterStep);
        self.push_forward(step)
    }

    fn replace(&mut self, node: &'a Node, needs: Vec<Address>, reason: String, changes: Vec<diff::Change>) {
        if node.on_remove == OnRemove::Protect {
            let what = format!("replaced: {reason}");
            self.errors.push(PlanError::Protected { address: node.address.clone(), what });
        }
        // A value of the new one is needed, which comes after the old one is gone, which comes after this old one is gone.
        let forced = needs.iter().any(|need| self.delete_first.contains(need) && !self.is_order_only(node, need));
        let delete_first = forced || node.schema.replacement == Replacement::DeleteFirst;
        let id = self.create(node, needs, None, changes);
        self.steps[id as usize].replacement = true;
        self.steps[id as usize].reason = Some(reason.clone());
        self.replaced.insert(node.address.clone());
        if delete_first {
            self.delete_first.insert(node.address.clone());
        }
        if let Some(old) = self.state.resources.get(&node.address).and_then(|record| record.current.clone()) {
            let what = if delete_first { "its place is needed first" } else { "replaced" };
            self.delete(&node.address, &old, Some(what.to_owned()), true);
        }
    }

    /// What the state has and the program does not, and old copies of what it has.
    fn backward(&mut self) {
        let records: Vec<(Address, crate::state::Record)> =
            self.state.resources.iter().map(|(address, record)| (address.clone(), record.clone())).collect();
        for (address, record) in records {
            for old in &record.deposed {
                self.delete(&address, old, Some("left over from an earlier run".to_owned()), false);
            }
            if self.graph.get(address.as_str()).is_some() {
                continue;
            }
            let Some(current) = record.current else { continue };
            if current.generation == PINNED {
                self.state.resources.remove(&address);
                self.unpinned.push(address);
                continue;
            }
            match record.on_remove {
                OnRemove::Protect => {
                    self.errors.push(PlanError::Protected { address, what: "deleted".to_owned() });
                }
                OnRemove::Retain => {
                    let mut step = self.step(Action::Forget, &address, &record.type_name, &record.region, &current);
                    step.expected_s = 1.0;
                    // What it needs is deleted as if it were gone.
                    let id = self.push(step);
                    self.deletes.entry(address).or_default().push(id);
                }
                OnRemove::Destroy => {
                    let reason = self.superseded.get(&address).map(|to| format!("the program has it at {to} now"));
                    self.delete(&address, &current, reason, false);
                }
            }
        }
    }

    fn delete(&mut self, address: &Address, copy: &Instance, reason: Option<String>, replacement: bool) {
        let Some(record) = self.state.resources.get(address) else { return };
        let (type_name, region) = record.home(copy);
        let (type_name, region) = (type_name.to_owned(), region.to_owned());
        let mut step = self.step(Action::Delete, address, &type_name, &region, copy);
        step.reason = reason;
        step.replacement = replacement && self.replaced.contains(address);
        step.expected_s = self.graph.schema(&type_name).map_or(1.0, |schema| schema.delete_s);
        step.declared_at = self.graph.get(address.as_str()).map(|node| node.declared_at.clone());
        let id = self.push(step);
        self.deletes.entry(address.clone()).or_default().push(id);
    }

    pub(super) fn step(
        &self,
        action: Action,
        address: &Address,
        type_name: &str,
        region: &str,
        copy: &Instance,
    ) -> Step {
        Step {
            id: 0,
            action,
            address: address.clone(),
            type_name: type_name.to_owned(),
            region: region.to_owned(),
            generation: copy.generation,
            token: copy.token.clone(),
            inputs: Value::Null,
            tags: copy.tags.clone(),
            needs: Vec::new(),
            on_remove: OnRemove::Destroy,
            after: Vec::new(),
            changes: Vec::new(),
            reason: None,
            replacement: false,
            from: None,
            expected_s: 0.0,
            settle_s: self.graph.schema(type_name).map_or(0.0, |schema| schema.settle_s),
            blocked: self.blocked(type_name, region),
            declared_at: None,
        }
    }

    pub(super) fn push(&mut self, mut step: Step) -> StepId {
        step.id = self.steps.len() as StepId;
        let id = step.id;
        self.steps.push(step);
        id
    }

    pub(super) fn push_forward(&mut self, step: Step) -> StepId {
        let address = step.address.clone();
        let id = self.push(step);
        self.forward.insert(address, id);
        id
    }
}
