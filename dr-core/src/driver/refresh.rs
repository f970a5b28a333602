//! Reading everything that the stack owns, in bulk.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::{Clock, no_provider};
use crate::address::Address;
use crate::diff;
use crate::error::CloudError;
use crate::graph::{Graph, Node};
use crate::observed::Observed;
use crate::provider::{BoxFuture, FoundData, Health, Registry, WantedData};
use crate::resource::Kind;
use crate::state::{Instance, PINNED, State, Status};
use crate::value::{self, Value};

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deepness {
    /// The types that the program or the state has, each in its regions.
    Known,
    /// Every registered type in every region of the program and the state: to rebuild a lost state, or to prove that nothing
    /// is left.
    Everything,
}

/// How often a read is tried.
const ATTEMPTS: u32 = 6;
/// How long a list may lag behind: what is missing in it although it is known to exist is looked for once more after this.
const LAG: Duration = Duration::from_secs(3);

/// One bulk read: a type in a region.
type Group = (String, String);

/// Reads everything that the stack owns: one bulk read for each type and region, those together that need nothing of each other.
///
/// What cannot be read is part of the answer and not an error: the other region goes on.
pub async fn refresh(
    graph: &Graph,
    state: &State,
    registry: &Registry,
    clock: &dyn Clock,
    deepness: Deepness,
) -> Observed {
    let mut reader = Reader::new(graph, state, registry, deepness);
    let mut reads: FuturesUnordered<BoxFuture<'_, (Group, Answer)>> = FuturesUnordered::new();
    loop {
        for (group, wanted) in reader.runnable(reads.is_empty()) {
            let stack = graph.name();
            let expected = reader.expected(&wanted);
            reads.push(Box::pin(async move {
                let result = read_surely(registry, clock, stack, &group, wanted, expected).await;
                (group, result)
            }));
        }
        match reads.next().await {
            Some((group, result)) => reader.done(group, result),
            None => return reader.observed,
        }
    }
}

/// One bulk read, repeated when it misses something that exists: otherwise a lagging list would have it made again.
async fn read_surely(
    registry: &Registry,
    clock: &dyn Clock,
    stack: &str,
    group: &Group,
    wanted: Vec<WantedData>,
    expected: Vec<(Address, u32)>,
) -> Result<Vec<FoundData>, CloudError> {
    let mut found = read(registry, clock, stack, group, wanted.clone()).await?;
    let mut seen: BTreeSet<(Address, u32)> = found.iter().map(|data| (data.address.clone(), data.generation)).collect();
    if expected.iter().all(|copy| seen.contains(copy)) {
        return Ok(found);
    }
    clock.sleep_until(clock.now().after(LAG)).await;
    for data in read(registry, clock, stack, group, wanted).await? {
        if seen.insert((data.address.clone(), data.generation)) {
            found.push(data);
        }
    }
    Ok(found)
}

/// What a bulk read gave.
type Answer = Result<Vec<FoundData>, CloudError>;

/// One bulk read with its retries.
async fn read(
    registry: &Registry,
    clock: &dyn Clock,
    stack: &str,
    (type_name, region): &Group,
    wanted: Vec<WantedData>,
) -> Result<Vec<FoundData>, CloudError> {
    let Some(provider) = registry.get(type_name) else { return Err(no_provider(type_name)) };
    let mut attempt = 0;
    loop {
        match provider.read(stack, region, wanted.clone()).await {
            Err(error) if error.is_retryable() && attempt + 1 < ATTEMPTS => {
                // Reads of different groups start apart already, so a plain doubling spreads enough.
                let wait = Duration::from_millis(250) * 2_u32.pow(attempt);
                clock.sleep_until(clock.now().after(wait)).await;
                attempt += 1;
            }
            result => return result,
        }
    }
}

struct Reader<'a> {
    graph: &'a Graph,
    state: &'a State,
    observed: Observed,
    /// What is still to be read, with the nodes of the program that are in it.
    pending: BTreeMap<Group, Vec<&'a Node>>,
    reading: BTreeSet<Group>,
    /// The nodes of groups that were read before the nodes could be resolved: types that refer to each other.
    unresolved: BTreeMap<Group, Vec<&'a Node>>,
    /// All nodes of the groups that were read.
    members: BTreeMap<Group, Vec<&'a Node>>,
    /// The outputs that are known: from the state, and from what was found since.
    outputs: BTreeMap<&'a str, Value>,
    /// With the generation.
    found: BTreeMap<Address, (u32, Value)>,
}

impl<'a> Reader<'a> {
    fn new(graph: &'a Graph, state: &'a State, registry: &'a Registry, deepness: Deepness) -> Self {
        let mut pending: BTreeMap<Group, Vec<&'a Node>> = BTreeMap::new();
        let mut outputs = BTreeMap::new();
        for (address, record) in &state.resources {
            if let Some(known) = record.current.as_ref().and_then(|current| current.outputs.as_ref()) {
                outputs.insert(address.as_str(), known.clone());
            }
            for copy in record.copies().filter(|copy| copy.generation != PINNED) {
                let (type_name, region) = record.home(copy);
                pending.entry((type_name.to_owned(), region.to_owned())).or_default();
            }
        }
        for node in graph.nodes() {
            if node.schema.kind == Kind::Lookup && is_pinned(node, state, &outputs) {
                continue;
            }
            pending.entry((node.schema.type_name.to_owned(), node.region.to_string())).or_default().push(node);
        }
        if deepness == Deepness::Everything {
            let mut regions: BTreeSet<String> = graph.nodes().map(|node| node.region.to_string()).collect();
            regions.extend(state.resources.values().map(|record| record.region.clone()));
            regions.insert("global".to_owned());
            for provider in registry.iter().filter(|provider| provider.schema().kind == Kind::Managed) {
                // A type of a global service is read where the program has it, or globally.
                for region in &regions {
                    if provider.schema().global == (region == "global") {
                        pending.entry((provider.schema().type_name.to_owned(), region.clone())).or_default();
                    }
                }
            }
        }
        Reader {
            graph,
            state,
            observed: Observed::default(),
            pending,
            reading: BTreeSet::new(),
            unresolved: BTreeMap::new(),
            members: BTreeMap::new(),
            outputs,
            found: BTreeMap::new(),
        }
    }

    /// The reads that can start: all that their resources refer to is known, or has been looked for.
    fn runnable(&mut self, idle: bool) -> Vec<(Group, Vec<WantedData>)> {
        if idle && self.pending.is_empty() {
            self.read_again();
        }
        let is_open = |group: &Group| self.pending.contains_key(group) || self.reading.contains(group);
        let waits = |group: &Group, node: &Node| {
            let mut waits = false;
            if self.state.resources.contains_key(&node.address) {
                return false;
            }
            value::references(&node.inputs, &mut |reference| {
                let known = self.outputs.contains_key(reference.address) || self.found.contains_key(reference.address);
                if let Some(needed) = self.graph.get(reference.address).filter(|_| !known) {
                    let needed = (needed.schema.type_name.to_owned(), needed.region.to_string());
                    waits |= needed != *group && is_open(&needed);
                }
            });
            waits
        };
        let mut ready: Vec<Group> = self
            .pending
            .iter()
            .filter(|(group, nodes)| !nodes.iter().any(|node| waits(group, node)))
            .map(|(group, _)| group.clone())
            .collect();
        if ready.is_empty() && idle {
            // Types that refer to each other: what can be resolved is read.
            ready = self.pending.keys().cloned().collect();
        }
        let mut reads = Vec::with_capacity(ready.len());
        for group in ready {
            if let Some(nodes) = self.pending.remove(&group) {
                let (wanted, unresolved) = self.wanted(&group, &nodes);
                self.reading.insert(group.clone());
                if !unresolved.is_empty() {
                    self.unresolved.insert(group.clone(), unresolved);
                }
                self.members.insert(group.clone(), nodes);
                reads.push((group, wanted));
            }
        }
        reads
    }

    /// Groups that were read too early for some of their nodes, which can be resolved by now.
    fn read_again(&mut self) {
        let resolved = |node: &&Node| self.resolve(node).1;
        let again: Vec<Group> = self
            .unresolved
            .iter()
            .filter(|(_, nodes)| nodes.iter().any(resolved))
            .map(|(group, _)| group.clone())
            .collect();
        for group in again {
            self.unresolved.remove(&group);
            if let Some(nodes) = self.members.remove(&group) {
                self.pending.insert(group, nodes);
            }
        }
    }

    fn resolve(&self, node: &Node) -> (Value, bool) {
        value::resolve(&node.inputs, &|reference| {
            let outputs = self
                .outputs
                .get(reference.address)
                .or_else(|| self.found.get(reference.address).map(|(_, outputs)| outputs))?;
            reference.select(outputs)
        })
    }

    /// What a group is asked for, and the nodes of the program that cannot be asked for yet.
    fn wanted(&self, group: &Group, nodes: &[&'a Node]) -> (Vec<WantedData>, Vec<&'a Node>) {
        let (mut wanted, mut unresolved) = (Vec::new(), Vec::new());
        for (address, record) in &self.state.resources {
            let here = |copy: &&Instance| record.home(copy) == (group.0.as_str(), group.1.as_str());
            for copy in record.copies().filter(|copy| copy.generation != PINNED).filter(here) {
                wanted.push(WantedData {
                    stack: self.state.stack.clone(),
                    address: address.clone(),
                    generation: copy.generation,
                    token: copy.token.clone(),
                    args: copy.args.clone(),
                    outputs: copy.outputs.clone(),
                });
            }
        }
        for node in nodes {
            let record = self.state.resources.get(&node.address);
            if record.is_some_and(|r| r.current.is_some() && r.type_name == group.0 && r.region == group.1)
                && node.schema.kind == Kind::Managed
            {
                continue;
            }
            let (args, complete) = self.resolve(node);
            // What refers to something that does not exist does not exist either.
            if !complete {
                unresolved.push(*node);
                continue;
            }
            let generation = self.state.generation + 1;
            wanted.push(WantedData {
                stack: self.state.stack.clone(),
                address: node.address.clone(),
                generation,
                token: self.state.token(&node.address, generation),
                args,
                outputs: None,
            });
        }
        (wanted, unresolved)
    }

    /// Of what a group is asked for, the copies that the state knows to exist.
    fn expected(&self, wanted: &[WantedData]) -> Vec<(Address, u32)> {
        let exists = |want: &&WantedData| {
            let copy = self.state.instance(want.address.as_str(), want.generation);
            copy.is_some_and(|copy| matches!(copy.status, Status::Ready | Status::Accepted | Status::Updating))
        };
        wanted.iter().filter(exists).map(|want| (want.address.clone(), want.generation)).collect()
    }

    fn done(&mut self, group: Group, result: Result<Vec<FoundData>, CloudError>) {
        self.reading.remove(&group);
        match result {
            Ok(found) => {
                // A group that is read again answers for all of it.
                self.observed.found.retain(|(type_name, region, _)| (type_name, region) != (&group.0, &group.1));
                for data in found.iter().filter(|data| data.health != Health::Leaving) {
                    // The newest copy is the one that others refer to.
                    if self.found.get(&data.address).is_none_or(|(generation, _)| *generation <= data.generation) {
                        self.found.insert(data.address.clone(), (data.generation, data.outputs.clone()));
                    }
                }
                self.observed.found.extend(found.into_iter().map(|data| (group.0.clone(), group.1.clone(), data)));
                self.observed.read.insert(group);
            }
            Err(error) => {
                self.observed.failed.insert(group, error);
            }
        }
    }
}

fn is_pinned(node: &Node, state: &State, outputs: &BTreeMap<&str, Value>) -> bool {
    let current = state.resources.get(&node.address).and_then(|record| record.current.as_ref());
    let (args, _) = value::resolve(&node.inputs, &|reference| reference.select(outputs.get(reference.address)?));
    current
        .is_some_and(|current| current.outputs.is_some() && diff::inputs(node.schema, &current.args, &args).is_empty())
}
