//! What was just read from the cloud, and how it corrects the state.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::diff::{self, Change};
use crate::error::CloudError;
use crate::graph::Graph;
use crate::provider::{FoundData, Health};
use crate::resource::{Kind, OnRemove};
use crate::state::{Former, Instance, PINNED, Record, State, Status};
use crate::value::{self, Value};

/// What bulk reads gave.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// What was found, with its type and region.
    pub found: Vec<(String, String, FoundData)>,
    /// The types and regions that were read: what is missing there does not exist.
    pub read: std::collections::BTreeSet<(String, String)>,
    /// The types and regions that could not be read, with the answer.
    pub failed: BTreeMap<(String, String), CloudError>,
}

/// A difference between the state and the cloud that no step of ours made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Drift {
    /// The resource.
    pub address: Address,
    /// What happened to it.
    pub kind: DriftKind,
}

/// What happened to a drifted resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DriftKind {
    /// Somebody deleted it.
    Gone,
    /// Somebody changed it: what the state has as old, what is there as new.
    Changed(Vec<Change>),
    /// It carries the stack's ownership and the state did not know it.
    Unknown,
    /// It exists and will never work.
    Broken,
    /// Its ownership still names the address that it was moved from: a run was stopped in between.
    Misnamed(Address),
}

impl Observed {
    /// Nothing was read: the state is taken as it is.
    #[must_use]
    pub fn unchanged() -> Self {
        Observed::default()
    }

    /// The state as the cloud has it: gone things dropped, unknown ones taken in, arguments as configured.
    ///
    /// What could not be read stays as the state has it.
    #[must_use]
    pub fn reconcile(&self, graph: &Graph, state: &State) -> (State, Vec<Drift>) {
        let (mut next, mut drift) = (state.clone(), Vec::new());
        let mut found = self.owned(graph, state);
        for (address, record) in &mut next.resources {
            let schema = graph.get(address.as_str()).map(|node| node.schema);
            let schema = schema.filter(|schema| schema.type_name == record.type_name);
            let copies: Vec<(Instance, bool)> = record.take_copies().collect();
            for (mut instance, current) in copies {
                let (type_name, region) = record.home(&instance);
                if instance.generation == PINNED || !self.read.contains(&(type_name.to_owned(), region.to_owned())) {
                    record.put(instance, current);
                    continue;
                }
                let key = (address.clone(), instance.generation);
                let Some(Seen { data, .. }) = found.get_mut(&key).and_then(|seen| take(seen, &instance)) else {
                    match instance.status {
                        // A list may lag behind a create whose answer was lost: its step asks again, under the same token.
                        Status::Creating => record.put(instance, current),
                        Status::Ready | Status::Accepted | Status::Updating => {
                            drift.push(Drift { address: address.clone(), kind: DriftKind::Gone });
                        }
                        // A delete that was under way settles the question without being anybody's drift.
                        Status::Deleting | Status::Failed => {}
                    }
                    continue;
                };
                if let (Some(args), Some(schema), true) = (&data.args, schema, current) {
                    let changes = diff::inputs(schema, &instance.args, args);
                    let tags = data.tags.as_ref().map(|tags| diff::tags(&instance.tags, tags)).unwrap_or_default();
                    let settled = matches!(instance.status, Status::Ready | Status::Accepted);
                    let changes: Vec<_> = changes.into_iter().chain(tags).collect();
                    if !changes.is_empty() && settled {
                        drift.push(Drift { address: address.clone(), kind: DriftKind::Changed(changes) });
                    }
                }
                take_in(&mut instance, data);
                if data.address != *address && current {
                    let kind = DriftKind::Misnamed(data.address.clone());
                    drift.push(Drift { address: address.clone(), kind });
                }
                if instance.status == Status::Failed && current {
                    drift.push(Drift { address: address.clone(), kind: DriftKind::Broken });
                }
                let leaving = instance.status == Status::Deleting;
                record.put(instance, current && !leaving);
            }
        }
        let generations = found.iter().filter(|(_, seen)| !seen.is_empty()).map(|((_, generation), _)| *generation);
        next.generation = next.generation.max(generations.max().unwrap_or_default());
        // What is left was found under our ownership without being in the state: a lost state, or a lost answer.
        for ((address, generation), seen) in found {
            for Seen { type_name, region, data } in seen {
                drift.push(Drift { address: address.clone(), kind: DriftKind::Unknown });
                adopt(graph, &mut next, &address, generation, (type_name, region), data);
            }
        }
        next.resources.retain(|_, record| record.copies().next().is_some());
        (next, drift)
    }

    /// What the stack owns, by address and generation: more than one when a create was made twice.
    fn owned(&self, graph: &Graph, state: &State) -> BTreeMap<(Address, u32), Vec<Seen<'_>>> {
        let mut found: BTreeMap<(Address, u32), Vec<Seen<'_>>> = BTreeMap::new();
        let mut unknown = Vec::new();
        for (type_name, region, data) in &self.found {
            // What was looked up is nobody's resource.
            let node = graph.get(data.address.as_str()).filter(|node| node.schema.type_name == type_name);
            let looked_up = node.is_some_and(|node| node.schema.kind == Kind::Lookup);
            if looked_up || data.generation == PINNED {
                continue;
            }
            let seen = Seen { type_name, region, data };
            if state.instance(data.address.as_str(), data.generation).is_none() {
                unknown.push(seen);
                continue;
            }
            let copies = found.entry((data.address.clone(), data.generation)).or_default();
            // Pages of a list may overlap.
            if !copies.iter().any(|other| other.is_same(&seen)) {
                copies.push(seen);
            }
        }
        // Without tags an object is found for everything that has its natural key. When a resource has another name in the
        // program now, that is the old name as well as the new one; and it is one object.
        let key =
            |seen: &Seen<'_>| (seen.type_name.to_owned(), seen.region.to_owned(), value::canonical(&seen.data.outputs));
        let mut known: BTreeMap<_, Vec<&FoundData>> = BTreeMap::new();
        if !unknown.is_empty() {
            found.values().flatten().for_each(|seen| known.entry(key(seen)).or_default().push(seen.data));
        }
        // What was moved carries its old name until it is told the new one.
        let mut missing: BTreeMap<_, (&Address, u32)> = BTreeMap::new();
        if !unknown.is_empty() {
            for (address, record) in &state.resources {
                for copy in record.copies().filter(|copy| !found.contains_key(&(address.clone(), copy.generation))) {
                    let (type_name, region) = record.home(copy);
                    let outputs = copy.outputs.as_ref().map(value::canonical).unwrap_or_default();
                    missing.insert((type_name.to_owned(), region.to_owned(), outputs), (address, copy.generation));
                }
            }
        }
        for seen in unknown {
            let tagged = seen.data.tags.is_some() && !seen.data.outputs.is_null();
            if let Some(&(address, generation)) = missing.get(&key(&seen)).filter(|_| tagged) {
                found.entry((address.clone(), generation)).or_default().push(seen);
                continue;
            }
            let known =
                known.get(&key(&seen)).is_some_and(|others| others.iter().any(|other| other.args == seen.data.args));
            let copies = found.entry((seen.data.address.clone(), seen.data.generation)).or_default();
            if !known && !copies.iter().any(|other| other.is_same(&seen)) {
                copies.push(seen);
            }
        }
        found
    }
}

/// One object that a read found.
struct Seen<'o> {
    type_name: &'o str,
    region: &'o str,
    data: &'o FoundData,
}

impl Seen<'_> {
    fn is_same(&self, other: &Seen<'_>) -> bool {
        (self.type_name, self.region, &self.data.outputs) == (other.type_name, other.region, &other.data.outputs)
    }
}

/// The object that a copy is: the one with its outputs, else one that is not leaving.
fn take<'o>(seen: &mut Vec<Seen<'o>>, copy: &Instance) -> Option<Seen<'o>> {
    let same = seen.iter().position(|seen| copy.outputs.as_ref() == Some(&seen.data.outputs));
    let staying = || seen.iter().position(|seen| seen.data.health != Health::Leaving);
    let at = same.or_else(staying).or(if seen.is_empty() { None } else { Some(0) })?;
    Some(seen.remove(at))
}

/// Takes an object into the state that the state did not know.
fn adopt(graph: &Graph, state: &mut State, address: &Address, generation: u32, home: (&str, &str), data: &FoundData) {
    let (type_name, region) = home;
    let node = graph.get(address.as_str()).filter(|node| (node.schema.type_name, &*node.region) == home);
    let needs: Vec<Address> =
        node.map(|_| graph.needs(address.as_str()).map(|(need, _)| need.address.clone()).collect()).unwrap_or_default();
    let token = state.token(address, generation);
    let twice = state.instance(address.as_str(), generation).is_some();
    let record = state.resources.entry(address.clone()).or_insert_with(|| Record {
        type_name: type_name.to_owned(),
        region: region.to_owned(),
        on_remove: node.map_or(OnRemove::Destroy, |node| node.on_remove),
        needs: needs.clone(),
        current: None,
        deposed: Vec::new(),
    });
    let mut instance = Instance {
        generation,
        token,
        args: data.args.clone().unwrap_or(Value::Null),
        outputs: None,
        // Where the provider has no tags there is nothing to bring back.
        tags: node.map(|node| node.tags.as_ref().clone()).unwrap_or_default(),
        status: Status::Ready,
        former: None,
    };
    take_in(&mut instance, data);
    let newest = record.current.as_ref().is_none_or(|current| current.generation < generation);
    if newest && instance.status != Status::Deleting && !twice {
        record.depose(type_name, region, &needs);
        record.current = Some(instance);
        return;
    }
    if twice {
        // A create call was made twice and both had an effect: the second object goes, under a number of its own.
        state.generation += 1;
        instance.generation = state.generation;
        instance.token = state.token(address, instance.generation);
        instance.status = Status::Deleting;
    }
    let Some(record) = state.resources.get_mut(address) else { return };
    if (record.type_name.as_str(), record.region.as_str()) != home {
        let (type_name, region) = (type_name.to_owned(), region.to_owned());
        instance.former = Some(Box::new(Former { type_name, region, needs }));
    }
    record.deposed.push(instance);
}

/// Corrects a copy by what was read.
fn take_in(instance: &mut Instance, data: &FoundData) {
    if let Some(args) = &data.args {
        instance.args = args.clone();
    }
    if let Some(tags) = &data.tags {
        instance.tags = tags.clone();
    }
    instance.outputs = Some(data.outputs.clone());
    // An interrupted update whose result cannot be read is made again.
    let unsure = instance.status == Status::Updating && data.args.is_none();
    // Of one whose run ended before it had settled, what `ready` sets after the create may be missing.
    let unsettled = matches!(instance.status, Status::Creating | Status::Accepted);
    instance.status = match data.health {
        Health::Ready if unsure => Status::Updating,
        Health::Ready if unsettled => Status::Accepted,
        Health::Pending => Status::Accepted,
        Health::Ready => Status::Ready,
        Health::Failed => Status::Failed,
        Health::Leaving => Status::Deleting,
    };
}
