//! What was just read from the cloud, and how it corrects the state.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::diff::{self, Change};
use crate::error::CloudError;
use crate::graph::Graph;
use crate::provider::{FoundData, Health};
use crate::resource::{Kind, OnRemove};
use crate::state::{Instance, Record, State, Status};
use crate::value::Value;

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
        let mut found: BTreeMap<(Address, u32), (&str, &str, &FoundData)> = BTreeMap::new();
        for (type_name, region, data) in &self.found {
            // What was looked up is nobody's resource.
            if graph.get(data.address.as_str()).is_some_and(|node| node.schema.kind == Kind::Lookup) {
                continue;
            }
            found.insert((data.address.clone(), data.generation), (type_name, region, data));
        }
        for (address, record) in &mut next.resources {
            if !self.read.contains(&(record.type_name.clone(), record.region.clone())) {
                continue;
            }
            let schema = graph.get(address.as_str()).map(|node| node.schema);
            let copies = record.current.take().into_iter().map(|i| (i, true));
            let copies: Vec<_> = copies.chain(record.deposed.drain(..).map(|i| (i, false))).collect();
            for (mut instance, current) in copies {
                let seen = found.remove(&(address.clone(), instance.generation));
                let Some((_, _, data)) = seen else {
                    // A list may lag behind a create whose answer was lost: its step asks again, under the same token.
                    if instance.status == Status::Creating && current {
                        record.current = Some(instance);
                        continue;
                    }
                    // A create or delete that was under way settles the question without being anybody's drift.
                    if matches!(instance.status, Status::Ready | Status::Accepted | Status::Updating) {
                        drift.push(Drift { address: address.clone(), kind: DriftKind::Gone });
                    }
                    continue;
                };
                if let (Some(args), Some(schema)) = (&data.args, schema) {
                    let changes = diff::inputs(schema, &instance.args, args);
                    let tags = data.tags.as_ref().map(|tags| diff::tags(&instance.tags, tags)).unwrap_or_default();
                    let settled = matches!(instance.status, Status::Ready | Status::Accepted);
                    let changes: Vec<_> = changes.into_iter().chain(tags).collect();
                    if !changes.is_empty() && settled && current {
                        drift.push(Drift { address: address.clone(), kind: DriftKind::Changed(changes) });
                    }
                }
                take_in(&mut instance, data);
                if instance.status == Status::Failed && current {
                    drift.push(Drift { address: address.clone(), kind: DriftKind::Broken });
                }
                match current && instance.status != Status::Deleting {
                    true => record.current = Some(instance),
                    false => record.deposed.push(instance),
                }
            }
        }
        // What is left was found under our ownership without being in the state: a lost state, or a lost answer.
        for ((_, generation), (type_name, region, data)) in found {
            let known = graph.get(data.address.as_str()).filter(|node| node.schema.type_name == type_name && &*node.region == region);
            drift.push(Drift { address: data.address.clone(), kind: DriftKind::Unknown });
            let record = next.resources.entry(data.address.clone()).or_insert_with(|| Record {
                type_name: type_name.to_owned(),
                region: region.to_owned(),
                on_remove: known.map_or(OnRemove::Destroy, |node| node.on_remove),
                needs: known
                    .map(|node| graph.needs(node.address.as_str()).map(|(n, _)| n.address.clone()).collect())
                    .unwrap_or_default(),
                current: None,
                deposed: Vec::new(),
            });
            let mut instance = Instance {
                generation,
                token: state.token(&data.address, generation),
                args: data.args.clone().unwrap_or(Value::Null),
                outputs: None,
                tags: BTreeMap::new(),
                status: Status::Ready,
            };
            take_in(&mut instance, data);
            let newer = record.current.as_ref().is_none_or(|current| current.generation < generation);
            if newer && instance.status != Status::Deleting {
                record.deposed.extend(record.current.replace(instance));
            } else {
                record.deposed.push(instance);
            }
        }
        let seen = self.found.iter().map(|(_, _, data)| data.generation).max().unwrap_or_default();
        next.generation = next.generation.max(seen);
        next.resources.retain(|_, record| record.current.is_some() || !record.deposed.is_empty());
        (next, drift)
    }
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
    instance.status = match data.health {
        Health::Ready if unsure => Status::Updating,
        Health::Pending => Status::Accepted,
        Health::Ready => Status::Ready,
        Health::Failed => Status::Failed,
        Health::Leaving => Status::Deleting,
    };
}
