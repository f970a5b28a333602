//! What is known of the cloud since the last run. A cache: deleted, it is rebuilt by reading the cloud.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::address::Address;
use crate::error::Action;
use crate::journal::Entry;
use crate::resource::OnRemove;
use crate::value::{self, Value};

/// The version of the state's and the journal's format that this build writes; a newer one is refused.
pub const FORMAT: u32 = 1;

/// The generation of what was looked up and kept: resources begin at 1.
pub(crate) const PINNED: u32 = 0;

/// The resources of one stack as of the last recorded step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The stack's name.
    pub stack: String,
    /// A random text of 32 hexadecimal digits, made with the state: tokens derive from it, so that a stack that is destroyed
    /// and made again never meets a token that the provider remembers.
    pub lineage: String,
    /// Counts the journal entries applied since the beginning; a saved plan fits one serial only.
    pub serial: u64,
    /// The highest generation that any resource has had: a new one is always higher, so that no token is used twice.
    pub generation: u32,
    /// The account it belongs to, once known: a run with other credentials is refused.
    pub account: Option<String>,
    /// What exists, by address.
    pub resources: BTreeMap<Address, Record>,
}

/// What is known under one address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its type.
    pub type_name: String,
    /// Its region at the provider.
    pub region: String,
    /// What happens when it is no longer in the program.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_remove: OnRemove,
    /// The addresses it takes values from or comes after: the order of deletion.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Address>,
    /// The copy in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Instance>,
    /// Copies that were replaced, or are leaving, and still exist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deposed: Vec<Instance>,
}

/// One physical resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Tells the copies that the address has had apart; a newer one has a higher number.
    pub generation: u32,
    /// The token under which it was created.
    pub token: String,
    /// The arguments it was created or last updated with; secrets as digests.
    pub args: Value,
    /// Its outputs; `None` while it is not known whether the create call worked.
    #[serde(default, deserialize_with = "value::present", skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Value>,
    /// Its tags without the ownership tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// How far it is.
    pub status: Status,
    /// What the record said before the copy was replaced, where its successor differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<Box<Former>>,
}

/// What is particular to a replaced copy: its successor may be of another type, in another region, and need other things.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Former {
    /// Its type.
    pub type_name: String,
    /// Its region at the provider.
    pub region: String,
    /// The addresses it takes values from or comes after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Address>,
}

impl Record {
    /// All copies: the one in use, then those that were replaced.
    pub fn copies(&self) -> impl Iterator<Item = &Instance> {
        self.current.iter().chain(&self.deposed)
    }

    /// Type and region of one of its copies.
    #[must_use]
    pub fn home<'a>(&'a self, copy: &'a Instance) -> (&'a str, &'a str) {
        match &copy.former {
            Some(former) => (&former.type_name, &former.region),
            None => (&self.type_name, &self.region),
        }
    }

    /// What any of its copies needs.
    pub(crate) fn all_needs(&self) -> Vec<Address> {
        let formers = self.deposed.iter().filter_map(|copy| copy.former.as_ref());
        let mut needs: Vec<Address> = formers.flat_map(|former| &former.needs).chain(&self.needs).cloned().collect();
        needs.sort_unstable();
        needs.dedup();
        needs
    }

    /// The copy in use has a successor from now on, of this type, in this region and with these needs.
    pub(crate) fn depose(&mut self, type_name: &str, region: &str, needs: &[Address]) {
        self.deposed.extend(self.current.take());
        if (self.type_name.as_str(), self.region.as_str(), self.needs.as_slice()) != (type_name, region, needs) {
            for old in self.deposed.iter_mut().filter(|old| old.former.is_none()) {
                let (type_name, region) = (self.type_name.clone(), self.region.clone());
                old.former = Some(Box::new(Former { type_name, region, needs: self.needs.clone() }));
            }
        }
        type_name.clone_into(&mut self.type_name);
        region.clone_into(&mut self.region);
        self.needs = needs.to_vec();
    }

    /// Takes all copies out, each with whether it was in use.
    pub(crate) fn take_copies(&mut self) -> impl Iterator<Item = (Instance, bool)> + use<> {
        let deposed = std::mem::take(&mut self.deposed).into_iter().map(|copy| (copy, false));
        self.current.take().into_iter().map(|copy| (copy, true)).chain(deposed)
    }

    /// Adds a copy that is in use, or was replaced.
    pub(crate) fn put(&mut self, copy: Instance, current: bool) {
        if current {
            self.current = Some(copy);
        } else {
            self.deposed.push(copy);
        }
    }

    /// Everything that it or an old copy of it needs.
    pub(crate) fn for_each_need(&mut self, visit: impl FnMut(&mut Address)) {
        let formers = self.deposed.iter_mut().filter_map(|copy| copy.former.as_mut());
        formers.map(|former| &mut former.needs).chain([&mut self.needs]).flatten().for_each(visit);
    }

    /// The newest of the replaced copies is in use again.
    fn restore(&mut self) {
        let staying = self.deposed.iter().enumerate().filter(|(_, copy)| copy.status != Status::Deleting);
        let newest = staying.max_by_key(|(_, copy)| copy.generation).map(|(at, _)| at);
        self.current = newest.map(|at| self.deposed.remove(at));
        if let Some(former) = self.current.as_mut().and_then(|copy| copy.former.take()) {
            let present = Former {
                type_name: std::mem::replace(&mut self.type_name, former.type_name),
                region: std::mem::replace(&mut self.region, former.region),
                needs: std::mem::replace(&mut self.needs, former.needs),
            };
            for old in self.deposed.iter_mut().filter(|old| old.former.is_none()) {
                old.former = Some(Box::new(present.clone()));
            }
        }
    }
}

/// How far a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A create call was about to be made: it may exist.
    Creating,
    /// The create call was answered: it exists and does not work yet.
    Accepted,
    /// It works.
    Ready,
    /// An update call was about to be made: it may have the old arguments or the new ones.
    Updating,
    /// A delete call was about to be made: it may be gone.
    Deleting,
    /// It exists and never will work.
    Failed,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Why an entry does not follow from the state; a journal that has one is not the journal of this state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}` of {address} cannot follow: {why}")]
pub struct IllegalEntry {
    /// The kind of entry.
    pub entry: &'static str,
    /// The resource.
    pub address: Address,
    /// What is recorded instead.
    pub why: String,
}

/// A violated invariant of a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{address}: {problem}")]
pub struct Inconsistent {
    /// The resource.
    pub address: Address,
    /// What is wrong.
    pub problem: String,
}

impl State {
    /// The state of a stack that has nothing.
    #[must_use]
    pub fn new(stack: &str, lineage: &str) -> Self {
        let (stack, lineage) = (stack.to_owned(), lineage.to_owned());
        State { stack, lineage, serial: 0, generation: 0, account: None, resources: BTreeMap::new() }
    }

    /// The outputs of the copy in use, when it has any.
    #[must_use]
    pub fn outputs(&self, address: &str) -> Option<&Value> {
        self.resources.get(address)?.current.as_ref()?.outputs.as_ref()
    }

    /// The token of one generation of an address: 32 hexadecimal digits, the same in every run.
    #[must_use]
    pub fn token(&self, address: &Address, generation: u32) -> String {
        let mut hash = Sha256::new();
        for part in [self.lineage.as_bytes(), address.as_str().as_bytes(), &generation.to_be_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// How many physical resources it knows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.resources.values().map(|record| usize::from(record.current.is_some()) + record.deposed.len()).sum()
    }

    /// Whether it knows none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether no step was under way when it was recorded: nothing is in question that a read could answer.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.resources.values().flat_map(Record::copies).all(|copy| copy.status == Status::Ready)
    }

    /// The invariants: every record has at least one copy; generations of an address are distinct and the one in use is
    /// the newest but for copies that are leaving; a working copy has outputs; tokens are not empty.
    ///
    /// # Errors
    /// The first violation.
    pub fn check(&self) -> Result<(), Inconsistent> {
        for (address, record) in &self.resources {
            let fail = |problem: &str| Err(Inconsistent { address: address.clone(), problem: problem.to_owned() });
            if record.current.is_none() && record.deposed.is_empty() {
                return fail("a record without any copy");
            }
            let mut generations: Vec<u32> = record.copies().map(|instance| instance.generation).collect();
            generations.sort_unstable();
            if generations.windows(2).any(|pair| pair[0] == pair[1]) {
                return fail("two copies of one generation");
            }
            let newest = record.current.as_ref().map_or(u32::MAX, |current| current.generation);
            if record.deposed.iter().any(|old| old.generation > newest && old.status != Status::Deleting) {
                return fail("the copy in use is not the newest");
            }
            if record.current.as_ref().is_some_and(|current| current.former.is_some()) {
                return fail("the copy in use is described as a replaced one");
            }
            for instance in record.copies() {
                let works = matches!(instance.status, Status::Ready | Status::Accepted | Status::Updating);
                if works && instance.outputs.is_none() {
                    return fail("a working copy without outputs");
                }
                if instance.token.is_empty() {
                    return fail("a copy without a token");
                }
            }
        }
        Ok(())
    }

    /// Applies one journal entry.
    ///
    /// # Errors
    /// The entry cannot follow from this state. The state is unchanged then.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), IllegalEntry> {
        self.apply_with(entry, &mut Users::default())
    }

    /// Applies one of many entries; replay and the running engine both go through here. `users` is for this state only, and empty
    /// before the first of them.
    pub(crate) fn apply_with(&mut self, entry: &Entry, users: &mut Users) -> Result<(), IllegalEntry> {
        let (address, generation) = (&entry.address, entry.generation);
        let illegal =
            |why: &str| Err(IllegalEntry { entry: entry.event.name(), address: address.clone(), why: why.to_owned() });
        use crate::journal::What;
        match &entry.event {
            What::Began { action: Action::Create, create: Some(new), args, tags, .. } => {
                let record = self.resources.entry(address.clone()).or_insert_with(|| Record {
                    type_name: new.type_name.clone(),
                    region: new.region.clone(),
                    on_remove: new.on_remove,
                    needs: Vec::new(),
                    current: None,
                    deposed: Vec::new(),
                });
                let unanswered = |i: &Instance| i.generation == generation && i.status == Status::Creating;
                let again = record.current.as_ref().is_some_and(unanswered);
                if !again && record.current.iter().chain(&record.deposed).any(|i| i.generation >= generation) {
                    return illegal("the generation exists already");
                }
                if again {
                    record.current = None;
                }
                // A copy that is still there when its successor is begun is the old half of a replacement.
                record.depose(&new.type_name, &new.region, &new.needs);
                self.generation = self.generation.max(generation);
                record.on_remove = new.on_remove;
                record.current = Some(Instance {
                    generation,
                    token: new.token.clone(),
                    args: args.clone(),
                    outputs: None,
                    tags: tags.clone(),
                    status: Status::Creating,
                    former: None,
                });
            }
            What::Began { action: Action::Create, create: None, .. } => {
                return illegal("it says nothing of the resource");
            }
            What::Began { action: Action::Update, args, tags, needs, .. } => {
                let Some(record) = self.resources.get_mut(address) else { return illegal("there is no such resource") };
                let Some(instance) = record.current.as_mut().filter(|i| i.generation == generation) else {
                    return illegal("the copy is not in use");
                };
                instance.args = args.clone();
                instance.tags = tags.clone();
                instance.status = Status::Updating;
                // Until the call is answered it may still use what it used before.
                record
                    .needs
                    .extend(needs.iter().filter(|need| !record.needs.contains(need)).cloned().collect::<Vec<_>>());
            }
            What::Began { action: Action::Delete, .. } => {
                let Some(instance) = self.instance_mut(address, generation) else {
                    return illegal("there is no such copy");
                };
                // What may not exist at all stays a question until it is answered.
                if instance.outputs.is_some() {
                    instance.status = Status::Deleting;
                }
            }
            // Taking over and dropping change the record in one entry, when they succeed.
            What::Began { action: Action::Adopt | Action::Forget | Action::Settle, .. } => {}
            What::Accepted { outputs, needs } => {
                let Some(instance) = self.instance_mut(address, generation) else {
                    return illegal("there is no such copy");
                };
                if let Some(outputs) = outputs {
                    instance.outputs = Some(outputs.clone());
                    instance.status = Status::Accepted;
                }
                if let (Some(needs), Some(record)) = (needs, self.resources.get_mut(address)) {
                    record.needs.clone_from(needs);
                }
            }
            What::Succeeded { action: Action::Delete | Action::Forget, .. } => {
                let Some(record) = self.resources.get_mut(address) else { return illegal("there is no such resource") };
                if record.current.as_ref().is_some_and(|i| i.generation == generation) {
                    record.current = None;
                } else if let Some(at) = record.deposed.iter().position(|i| i.generation == generation) {
                    record.deposed.remove(at);
                } else {
                    return illegal("there is no such copy");
                }
                if record.current.is_none() && record.deposed.is_empty() {
                    self.resources.remove(address);
                }
            }
            What::Succeeded { outputs, .. } => {
                let Some(instance) = self.instance_mut(address, generation) else {
                    return illegal("there is no such copy");
                };
                if let Some(outputs) = outputs {
                    instance.outputs = Some(outputs.clone());
                }
                if instance.outputs.is_none() {
                    return illegal("it has no outputs");
                }
                instance.status = Status::Ready;
            }
            What::Failed { action, error } => {
                let Some(instance) = self.instance_mut(address, generation) else {
                    return illegal("there is no such copy");
                };
                // A create that was refused for certain left nothing behind; anything else is asked about in the next run.
                let never_was = instance.status == Status::Creating && instance.outputs.is_none();
                if *action == Action::Create && never_was && error.certainty == crate::error::Certainty::NotApplied {
                    self.drop_copy(address, generation);
                }
            }
            What::Broken => {
                let Some(instance) = self.instance_mut(address, generation) else {
                    return illegal("there is no such copy");
                };
                instance.status = Status::Failed;
            }
            What::Moved { from } => {
                if self.resources.contains_key(address) {
                    return illegal("the new address is taken");
                }
                if !self.resources.contains_key(from) {
                    return illegal("the old address has nothing");
                }
                users.moved(&mut self.resources, from, address);
            }
        }
        if let Some(record) = self.resources.get(address) {
            users.note(address, record);
        }
        self.serial += 1;
        Ok(())
    }

    fn instance_mut(&mut self, address: &Address, generation: u32) -> Option<&mut Instance> {
        let record = self.resources.get_mut(address)?;
        record.current.iter_mut().chain(&mut record.deposed).find(|instance| instance.generation == generation)
    }

    /// One copy.
    #[must_use]
    pub fn instance(&self, address: &str, generation: u32) -> Option<&Instance> {
        let record = self.resources.get(address)?;
        record.current.iter().chain(&record.deposed).find(|instance| instance.generation == generation)
    }

    fn drop_copy(&mut self, address: &Address, generation: u32) {
        if let Some(record) = self.resources.get_mut(address) {
            if record.current.as_ref().is_some_and(|i| i.generation == generation) {
                // The predecessor of a replacement that never came into being is in use again.
                record.restore();
            } else {
                record.deposed.retain(|i| i.generation != generation);
            }
            if record.current.is_none() && record.deposed.is_empty() {
                self.resources.remove(address);
            }
        }
    }
}

/// Who needs an address, so that a move renames it there and need not look at everything. Made at the first move and kept up by
/// what is applied after it; it may name more than there are, which renames nothing.
#[derive(Debug, Default)]
pub(crate) struct Users(Option<BTreeMap<Address, BTreeSet<Address>>>);

impl Users {
    fn note(&mut self, address: &Address, record: &Record) {
        let Some(users) = &mut self.0 else { return };
        for need in record.all_needs() {
            users.entry(need).or_default().insert(address.clone());
        }
    }

    fn moved(&mut self, resources: &mut BTreeMap<Address, Record>, from: &Address, to: &Address) {
        if self.0.is_none() {
            self.0 = Some(BTreeMap::new());
            resources.iter().for_each(|(address, record)| self.note(address, record));
        }
        if let Some(record) = resources.remove(from) {
            self.note(to, &record);
            resources.insert(to.clone(), record);
        }
        let Some(users) = &mut self.0 else { return };
        let of = users.remove(from).unwrap_or_default();
        for user in &of {
            if let Some(record) = resources.get_mut(user) {
                record.for_each_need(|need| {
                    if need == from {
                        *need = to.clone();
                    }
                });
            }
        }
        users.entry(to.clone()).or_default().extend(of);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::{Certainty, Class, CloudError};
    use crate::journal::{New, What};

    fn address(name: &str) -> Address {
        format!("global/{name}").parse().unwrap()
    }

    fn began(generation: u32, type_name: &str, needs: &[&str]) -> (u32, What) {
        let needs: Vec<Address> = needs.iter().map(|need| address(need)).collect();
        let (type_name, region, token) = (type_name.to_owned(), "here".to_owned(), "t".to_owned());
        let create = Some(New { type_name, region, token, on_remove: OnRemove::Destroy, needs });
        let (args, tags) = (json!({"generation": generation}), BTreeMap::new());
        (generation, What::Began { action: Action::Create, args, tags, needs: Vec::new(), create })
    }

    fn refused(certainty: Certainty) -> What {
        let error = CloudError::new("x:Y", "No", "no", Class::Permanent).certainty(certainty);
        What::Failed { action: Action::Create, error }
    }

    fn done(outputs: Value) -> What {
        What::Succeeded { action: Action::Create, outputs: Some(outputs) }
    }

    /// A state after these entries about `global/it`.
    fn after(entries: impl IntoIterator<Item = (u32, What)>) -> State {
        let mut state = State::new("demo", "0");
        for (generation, event) in entries {
            let entry = Entry { seq: state.serial, address: address("it"), generation, event };
            state.apply(&entry).unwrap();
            state.check().unwrap();
        }
        state
    }

    #[test]
    fn a_refused_replacement_gives_back_what_was_there_with_type_and_needs() {
        let before = after([began(1, "a.b.old", &["x"]), (1, done(json!({"id": "1"})))]);
        let mid = after([began(1, "a.b.old", &["x"]), (1, done(json!({"id": "1"}))), began(2, "a.b.new", &["y"])]);
        let record = &mid.resources["global/it"];
        assert_eq!(record.home(&record.deposed[0]), ("a.b.old", "here"));
        assert_eq!(record.all_needs(), [address("x"), address("y")]);
        let back = after([
            began(1, "a.b.old", &["x"]),
            (1, done(json!({"id": "1"}))),
            began(2, "a.b.new", &["y"]),
            (2, refused(Certainty::NotApplied)),
        ]);
        assert_eq!(back.resources, before.resources);
        assert_eq!(back.generation, 2, "the number is used up");
    }

    #[test]
    fn a_copy_that_is_leaving_does_not_come_back() {
        let leaving = (
            1,
            What::Began {
                action: Action::Delete,
                args: Value::Null,
                tags: BTreeMap::new(),
                needs: Vec::new(),
                create: None,
            },
        );
        let state = after([
            began(1, "a.b.c", &[]),
            (1, done(json!({"id": "1"}))),
            leaving,
            began(2, "a.b.c", &[]),
            (2, refused(Certainty::NotApplied)),
        ]);
        let record = &state.resources["global/it"];
        assert_eq!((record.current.as_ref(), record.deposed.len()), (None, 1));
    }

    #[test]
    fn a_create_without_an_answer_is_kept_until_it_is_known() {
        let state = after([began(1, "a.b.c", &[]), (1, refused(Certainty::Unknown))]);
        assert_eq!(state.resources["global/it"].current.as_ref().unwrap().status, Status::Creating);
        assert_eq!(state.outputs("global/it"), None);
        let asked = (
            1,
            What::Began {
                action: Action::Delete,
                args: Value::Null,
                tags: BTreeMap::new(),
                needs: Vec::new(),
                create: None,
            },
        );
        let state = after([began(1, "a.b.c", &[]), asked]);
        assert_eq!(state.resources["global/it"].current.as_ref().unwrap().status, Status::Creating);
    }

    #[test]
    fn a_resource_without_outputs_is_written_and_read_back() {
        let state = after([began(1, "a.b.c", &[]), (1, done(Value::Null))]);
        let read: State = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
        assert_eq!(read, state);
        assert_eq!(read.outputs("global/it"), Some(&Value::Null));
    }

    #[test]
    fn an_update_needs_the_old_and_the_new_until_it_is_answered() {
        let update = |needs: &[&str]| What::Began {
            action: Action::Update,
            args: json!({}),
            tags: BTreeMap::new(),
            needs: needs.iter().map(|need| address(need)).collect(),
            create: None,
        };
        let start = [began(1, "a.b.c", &["x"]), (1, done(json!({"id": "1"}))), (1, update(&["y"]))];
        assert_eq!(after(start.clone()).resources["global/it"].needs, [address("x"), address("y")]);
        let answered = What::Accepted { outputs: Some(json!({"id": "1"})), needs: Some(vec![address("y")]) };
        assert_eq!(after(start.into_iter().chain([(1, answered)])).resources["global/it"].needs, [address("y")]);
    }

    #[test]
    fn what_does_not_follow_is_refused_and_changes_nothing() {
        let made = [began(2, "a.b.c", &[]), (2, done(json!({"id": "1"})))];
        let moved = What::Moved { from: address("elsewhere") };
        let gone = What::Succeeded { action: Action::Delete, outputs: None };
        for (generation, event) in [
            began(1, "a.b.c", &[]),
            began(2, "a.b.c", &[]),
            (3, done(json!({}))),
            (3, What::Broken),
            (3, What::Accepted { outputs: None, needs: None }),
            (3, gone),
            (3, refused(Certainty::Unknown)),
            (2, moved),
        ] {
            let mut state = after(made.clone());
            let entry = Entry { seq: state.serial, address: address("it"), generation, event };
            assert!(state.apply(&entry).is_err(), "{entry:?}");
            assert_eq!(state, after(made.clone()), "{entry:?}");
        }
    }

    #[test]
    fn each_violated_invariant_is_named() {
        let broken = |damage: fn(&mut Record)| {
            let mut state =
                after([began(1, "a.b.c", &[]), (1, done(json!({}))), began(2, "a.b.c", &[]), (2, done(json!({})))]);
            damage(state.resources.get_mut("global/it").unwrap());
            state.check().unwrap_err().problem
        };
        assert_eq!(broken(|record| (record.current, record.deposed) = (None, Vec::new())), "a record without any copy");
        assert_eq!(broken(|record| record.deposed[0].generation = 2), "two copies of one generation");
        assert_eq!(broken(|record| record.deposed[0].generation = 3), "the copy in use is not the newest");
        assert_eq!(broken(|record| record.deposed[0].outputs = None), "a working copy without outputs");
        assert_eq!(broken(|record| record.deposed[0].token.clear()), "a copy without a token");
    }

    #[test]
    fn a_token_belongs_to_one_generation_of_one_address_of_one_stack() {
        let token =
            |lineage: &str, name: &str, generation| State::new("demo", lineage).token(&address(name), generation);
        assert_eq!(token("0", "a", 1), token("0", "a", 1));
        let others = [token("1", "a", 1), token("0", "b", 1), token("0", "a", 2)];
        assert!(others.iter().all(|other| *other != token("0", "a", 1)));
        assert!(token("0", "a", 1).len() == 32 && token("0", "a", 1).bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
