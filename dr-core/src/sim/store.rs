//! A store whose machine can die in the middle of a write.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use super::random::Random;
use super::time::Sleep;
use super::{Shared, alive, tick};
use crate::address::Address;
use crate::error::Action;
use crate::journal::{self, Entry, Header, Replayed, What};
use crate::provider::BoxFuture;
use crate::state::{FORMAT, State};
use crate::store::{ReadStore, StoreError, WriteStore};

/// What is written and not acknowledged.
#[derive(Debug, Clone)]
enum Writing {
    Entries(Vec<u8>),
    /// The snapshot is in its place and the new journal is not.
    Snapshot(State),
}

/// What a crash leaves of a write that was not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    All,
    /// The first bytes.
    Prefix,
    /// All but one block, which reads as zeros: blocks reach a disk in any order.
    Hole,
}

/// The disk: what is on it survives a crash.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) snapshot: State,
    pub(super) journal: Vec<u8>,
    /// How much of the journal was acknowledged: a write that failed half way is written over.
    acknowledged: usize,
    writing: Option<Writing>,
    /// How many appends were asked for.
    pub(super) appends: u64,
    /// The appends that fail because the disk is full, counted from 1.
    pub(super) full: BTreeSet<u64>,
    /// Every append from this one on fails.
    pub(super) full_from: Option<u64>,
    /// Snapshots cannot be written either while the disk is full.
    pub(super) full_now: bool,
    /// The snapshot with every durable entry applied: what a replay has to give.
    pub(super) durable: State,
    /// The calls whose intent is durable and whose answer is not.
    intents: BTreeMap<(Address, u32), Action>,
    random: Random,
    pub(super) violations: Vec<String>,
}

impl Disk {
    pub(super) fn new(stack: &str, lineage: &str, seed: u64) -> Self {
        let state = State::new(stack, lineage);
        Disk {
            snapshot: state.clone(),
            journal: Vec::new(),
            acknowledged: 0,
            writing: None,
            appends: 0,
            full: BTreeSet::new(),
            full_from: None,
            full_now: false,
            durable: state,
            intents: BTreeMap::new(),
            random: Random::new(seed, "disk"),
            violations: Vec::new(),
        }
    }

    /// Begins anew for another stack.
    pub(super) fn rename(&mut self, stack: &str, lineage: &str) {
        self.snapshot = State::new(stack, lineage);
        self.durable = self.snapshot.clone();
        self.journal.clear();
        self.acknowledged = 0;
        self.intents.clear();
    }

    /// Whether the intent to make this call is durable.
    pub(super) fn has_intent(&self, address: &Address, generation: u32, action: &[Action]) -> bool {
        self.intents.get(&(address.clone(), generation)).is_some_and(|intent| action.contains(intent))
    }

    /// Puts entries on the disk for good, and checks that each follows from those before it.
    fn commit(&mut self, bytes: &[u8]) {
        self.journal.truncate(self.acknowledged);
        self.journal.extend_from_slice(bytes);
        self.acknowledged = self.journal.len();
        for line in bytes.split(|&byte| byte == b'\n').filter(|line| line.len() > 9) {
            // The checksum is the journal's own business; here only what the entry says matters.
            match serde_json::from_slice::<Entry>(&line[9..]) {
                Ok(entry) => self.note(&entry),
                Err(error) => self.violations.push(format!("an entry cannot be read: {error}")),
            }
        }
    }

    /// The write fails after some of its bytes.
    fn fail(&mut self, bytes: &[u8]) {
        let some = usize::try_from(self.random.below(bytes.len() as u64)).unwrap_or_default();
        self.journal.truncate(self.acknowledged);
        self.journal.extend_from_slice(&bytes[..some]);
    }

    fn note(&mut self, entry: &Entry) {
        if entry.seq < self.durable.serial {
            // Written again after a write that failed half way.
            return;
        }
        if entry.seq > self.durable.serial {
            self.violations.push(format!("entry {} follows {}", entry.seq, self.durable.serial));
        }
        if let Err(problem) = self.durable.apply(entry) {
            self.violations.push(format!("a durable entry is illegal: {problem}"));
        }
        if let Err(problem) = self.durable.check() {
            self.violations.push(format!("the state is inconsistent after entry {}: {problem}", entry.seq));
        }
        let key = (entry.address.clone(), entry.generation);
        match &entry.event {
            What::Began { action, .. } => {
                self.intents.insert(key, *action);
            }
            What::Accepted { .. } | What::Succeeded { .. } | What::Failed { .. } | What::Broken => {
                self.intents.remove(&key);
            }
            What::Moved { .. } => {}
        }
    }

    fn begin(&mut self, state: &State) {
        let (stack, lineage) = (state.stack.clone(), state.lineage.clone());
        self.journal = journal::encode_header(&Header { format: FORMAT, stack, lineage, base: state.serial });
        self.acknowledged = self.journal.len();
        self.durable = state.clone();
        self.intents.clear();
    }

    /// What is on the disk after the machine died.
    pub(super) fn crash(&mut self) {
        let left = match self.random.below(4) {
            0 => Left::Nothing,
            1 => Left::All,
            2 => Left::Prefix,
            _ => Left::Hole,
        };
        match self.writing.take() {
            None => {}
            // Both halves are renames: the first is done, the second is not.
            Some(Writing::Snapshot(state)) => self.snapshot = state,
            Some(Writing::Entries(mut bytes)) => {
                let len = bytes.len() as u64;
                let at = usize::try_from(self.random.below(len)).unwrap_or_default();
                match left {
                    Left::Nothing => bytes.clear(),
                    Left::All => {}
                    Left::Prefix => bytes.truncate(at),
                    Left::Hole => {
                        let end = bytes.len().min(at + 64);
                        bytes[at..end].fill(0);
                    }
                }
                self.journal.truncate(self.acknowledged);
                self.journal.extend_from_slice(&bytes);
            }
        }
        // Files are extended ahead of what is written.
        self.journal.extend(std::iter::repeat_n(0, usize::try_from(self.random.below(3)).unwrap_or_default() * 7));
    }

    pub(super) fn replay(&self) -> Result<Replayed, StoreError> {
        journal::replay(self.snapshot.clone(), &self.journal)
            .map_err(|source| StoreError::Journal { path: PathBuf::from("simulated"), source })
    }
}

/// The store as the driver sees it.
#[derive(Debug, Clone)]
pub(super) struct SimStore(pub(super) Shared);

fn no_space() -> StoreError {
    StoreError::Io {
        what: "append to",
        path: PathBuf::from("simulated"),
        source: io::Error::new(io::ErrorKind::StorageFull, "no space left on device"),
    }
}

impl ReadStore for SimStore {
    fn load(&self) -> BoxFuture<'_, Result<Replayed, StoreError>> {
        Box::pin(async {
            alive(&self.0).await;
            let mut inner = self.0.lock();
            let replayed = inner.disk.replay()?;
            // Whoever loads goes on from what is there.
            inner.disk.durable = replayed.state.clone();
            if let Err(problem) = replayed.state.check() {
                inner.disk.violations.push(format!("the loaded state is inconsistent: {problem}"));
            }
            Ok(replayed)
        })
    }
}

impl WriteStore for SimStore {
    fn append(&self, entries: Vec<u8>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            tick(&self.0).await;
            {
                let mut inner = self.0.lock();
                let disk = &mut inner.disk;
                disk.appends += 1;
                let n = disk.appends;
                disk.full_now = disk.full.contains(&n) || disk.full_from.is_some_and(|from| n >= from);
                disk.writing = Some(Writing::Entries(entries.clone()));
            }
            Sleep::for_ms(&self.0, 1).await;
            // A crash at this tick finds the write under way.
            tick(&self.0).await;
            {
                let mut inner = self.0.lock();
                let disk = &mut inner.disk;
                disk.writing = None;
                if disk.full_now {
                    disk.fail(&entries);
                    return Err(no_space());
                }
                disk.commit(&entries);
            }
            // A crash at this tick finds it durable and not acknowledged.
            tick(&self.0).await;
            Ok(())
        })
    }

    fn compact<'a>(&'a self, state: &'a State) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            tick(&self.0).await;
            {
                let mut inner = self.0.lock();
                if inner.disk.full_now {
                    return Err(no_space());
                }
                inner.disk.writing = Some(Writing::Snapshot(state.clone()));
                if let Err(problem) = state.check() {
                    inner.disk.violations.push(format!("an inconsistent state is written: {problem}"));
                }
            }
            tick(&self.0).await;
            {
                let mut inner = self.0.lock();
                let disk = &mut inner.disk;
                disk.writing = None;
                disk.snapshot = state.clone();
                disk.begin(state);
            }
            tick(&self.0).await;
            Ok(())
        })
    }
}
