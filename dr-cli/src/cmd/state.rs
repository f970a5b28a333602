//! `state`: looks at what is recorded, and mends it. The state is a cache: what is taken out of it comes back with the next
//! read as long as it carries the stack's ownership.

use std::fs;
use std::path::{Path, PathBuf};

use dr_core::journal::{Entry, JournalError, What, replay};
use dr_core::store::{ReadStore as _, StoreError, WriteStore as _, parse_snapshot, random_lineage};
use dr_core::{Address, CloudError, Kind, Owner, PriorData, Record, State};
use serde_json::json;

use super::apply;
use crate::args;
use crate::cloud::drive;
use crate::context::{Context, Opened};
use crate::error::Error;
use crate::exit::Exit;
use crate::out::Paint;
use crate::text::{plural, short_type};

pub(crate) async fn run(cx: &mut Context<'_, '_>, command: &args::State) -> Result<Exit, Error> {
    cx.tell("subcommand", command.name());
    match command {
        args::State::List => list(cx).await,
        args::State::Show { address } => show(cx, address).await,
        args::State::Rm { address } => remove(cx, address).await,
        args::State::Mv { old, new } => rename(cx, old, new).await,
        args::State::Unlock => unlock(cx),
        args::State::Repair => repair(cx).await,
    }
}

async fn list(cx: &mut Context<'_, '_>) -> Result<Exit, Error> {
    let state = cx.store().load().await?.state;
    let width = state.resources.keys().map(|address| address.as_str().chars().count()).max().unwrap_or_default();
    let kinds = state.resources.values().map(|record| short_type(&record.type_name).chars().count());
    let kinds = kinds.max().unwrap_or_default();
    // With room for both beside a word or two.
    let beside = cx.out.terminal.out.is_none_or(|columns| width + kinds + 12 <= columns);
    for (address, record) in &state.resources {
        let status = record.current.as_ref().map(|current| current.status);
        cx.out.event(&json!({
            "event": "record",
            "address": address,
            "type": record.type_name,
            "region": record.region,
            "status": status,
            "deposed": record.deposed.len(),
        }));
        let mut notes = Vec::new();
        match status {
            Some(status) => notes.push(words(&json!(status))),
            None => notes.push("leaving".to_owned()),
        }
        if !record.deposed.is_empty() {
            notes.push(format!("and {} replaced", record.deposed.len()));
        }
        let kind = short_type(&record.type_name);
        let pad = " ".repeat(kinds - kind.chars().count());
        let kind = cx.out.paint.dim(kind);
        let notes = notes.join(" ");
        match beside {
            true => cx.out.line(format!("{address:<width$}  {kind}{pad}  {notes}")),
            false => {
                cx.out.line(address.as_str());
                cx.out.line(format!("  {kind}  {notes}"));
            }
        }
    }
    if state.resources.is_empty() {
        let words = cx.nothing_words();
        cx.out.para("", &words, Paint::plain);
    }
    let managed = managed(cx, &state);
    cx.tell("resources", managed);
    cx.tell("looked_up", state.resources.len() - managed);
    cx.tell("serial", state.serial);
    Ok(Exit::Done)
}

/// How many resources a state records, without what is only looked up: that is pinned there, and is nobody's resource.
fn managed(cx: &Context<'_, '_>, state: &State) -> usize {
    let kind = |address: &Address| cx.graph().get(address.as_str()).map(|node| node.schema.kind);
    state.resources.keys().filter(|address| kind(address) != Some(Kind::Lookup)).count()
}

/// A serialised word without its quotes.
fn words(value: &dr_core::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

async fn show(cx: &mut Context<'_, '_>, address: &str) -> Result<Exit, Error> {
    let state = cx.store().load().await?.state;
    let record = find(&state, address)?;
    let value = json!(record);
    cx.out.event(&json!({"event": "record", "address": address, "record": value}));
    if !cx.out.json {
        let text = serde_json::to_string_pretty(&value).unwrap_or_else(|_| value.to_string());
        cx.out.raw(&text);
    }
    Ok(Exit::Done)
}

fn find<'s>(state: &'s State, address: &str) -> Result<&'s Record, Error> {
    let missing = || Error::Unknown { address: address.to_owned(), place: "the state" };
    state.resources.get(address).ok_or_else(missing)
}

async fn remove(cx: &mut Context<'_, '_>, address: &str) -> Result<Exit, Error> {
    cx.tell("address", address);
    // Looked at before the lock is taken, which makes the directory.
    find(&cx.store().load().await?.state, address)?;
    let store = cx.lock()?;
    let mut state = store.load().await?.state;
    find(&state, address)?;
    state.resources.remove(address);
    for record in state.resources.values_mut() {
        record.needs.retain(|need| need.as_str() != address);
    }
    // Saved plans were made from what it was before.
    state.serial += 1;
    store.compact(&state).await?;
    cx.out.line(format!("{address} is forgotten"));
    if cx.graph().get(address).is_some() {
        cx.out.note(
            "it still carries the ownership of the stack, and the program has it: the next deploy takes it in again",
        );
    } else {
        cx.out
            .note("it stays where it is, and carries the ownership of the stack: `destroy` of an empty state finds it");
    }
    Ok(Exit::Done)
}

async fn rename(cx: &mut Context<'_, '_>, old: &str, new: &str) -> Result<Exit, Error> {
    cx.tell("from", old);
    cx.tell("to", new);
    let to: Address = new.parse().map_err(|problem| {
        Error::usage(
            format!("`{new}` cannot be an address: {problem}"),
            "the form is `region/scope.name` or `region/scope.name[key]`",
        )
    })?;
    find(&cx.store().load().await?.state, old)?;
    let (store, opened) = cx.lock_and_open().await?;
    let session = cx.session(&opened);
    let mut state = session.load(&store).await?;
    let record = find(&state, old)?.clone();
    if state.resources.contains_key(new) {
        return Err(Error::usage(
            format!("there is a resource at {new} already"),
            "choose another address, or `state rm` it first",
        ));
    }
    if old.split_once('/').map(|(region, _)| region) != new.split_once('/').map(|(region, _)| region) {
        return Err(Error::usage("a resource stays in its region", "the part before the slash has to be the same"));
    }
    // First the tags, then the state: a crash in between leaves a resource under its new address, which the next read takes in.
    let tagged = retag(&opened, &state, &record, &to).await;
    let moved = tagged.map_err(|source| Error::Cloud { doing: format!("give {old} its new ownership"), source });
    apply::keep(cx, &opened, moved)?;
    let entry = Entry {
        seq: state.serial,
        address: to,
        generation: record.current.as_ref().map_or(0, |current| current.generation),
        event: What::Moved {
            from: old.parse().map_err(|_| Error::Unknown { address: old.to_owned(), place: "the state" })?,
        },
    };
    state.apply(&entry).map_err(|problem| Error::usage(problem.to_string(), "look at both with `state show`"))?;
    store.compact(&state).await?;
    cx.out.line(format!("{old} is now {new}"));
    if cx.graph().get(new).is_none() {
        cx.out.note("the program has nothing at the new address: give it that name there before the next deploy");
    }
    Ok(Exit::Done)
}

/// Gives every copy of a resource the ownership of its new address.
async fn retag(opened: &Opened, state: &State, record: &Record, to: &Address) -> Result<(), CloudError> {
    let Some(provider) = opened.registry.get(&record.type_name) else { return Ok(()) };
    for copy in record.current.iter().chain(&record.deposed) {
        let Some(outputs) = &copy.outputs else { continue };
        let owner = Owner {
            stack: state.stack.clone(),
            region: record.region.clone(),
            address: to.clone(),
            generation: copy.generation,
            token: copy.token.clone(),
            tags: copy.tags.clone(),
        };
        let current = PriorData { args: copy.args.clone(), outputs: outputs.clone() };
        drive(opened.cloud.as_ref(), provider.adopt(owner, current)).await?;
    }
    Ok(())
}

fn unlock(cx: &mut Context<'_, '_>) -> Result<Exit, Error> {
    let store = cx.store();
    match store.holder()? {
        None => {
            cx.out.line(format!("{} is not locked", store.dir().display()));
            cx.tell("locked", false);
            Ok(Exit::Done)
        }
        Some(holder) => {
            cx.tell("locked", true);
            cx.tell("holder", json!(holder));
            // The operating system gives the lock away when its process ends, and not before: nothing can be forced.
            Err(Error::Store(StoreError::Locked { path: store.dir().to_owned(), holder }))
        }
    }
}

async fn repair(cx: &mut Context<'_, '_>) -> Result<Exit, Error> {
    let dir = cx.state_dir();
    if !dir.exists() {
        cx.out.line(format!("nothing to repair: there is no {}", dir.display()));
        return Ok(Exit::Done);
    }
    let store = cx.lock()?;
    match store.load().await {
        Ok(_) => {
            cx.out.line(format!("nothing to repair: {} can be read", dir.display()));
            return Ok(Exit::Done);
        }
        Err(error @ (StoreError::Newer { .. } | StoreError::OtherStack { .. } | StoreError::Io { .. })) => {
            return Err(error.into());
        }
        Err(_) => {}
    }
    let salvaged = salvage(&dir, cx.graph().name())?;
    for name in salvaged.damaged {
        let kept = keep_aside(&dir, name)?;
        cx.out.note(format!("the damaged {name} is kept as {}", kept.display()));
    }
    store.compact(&salvaged.state).await?;
    let kept = managed(cx, &salvaged.state);
    cx.out.line(format!("{} kept; {}", plural(kept, "resource"), salvaged.what));
    cx.out.note("the next deploy reads the cloud and takes in what is missing here");
    cx.tell("kept", kept);
    cx.tell("addresses", salvaged.state.resources.keys().map(Address::as_str).collect::<Vec<_>>());
    cx.tell("what", salvaged.what);
    Ok(Exit::Done)
}

struct Salvaged {
    state: State,
    damaged: Vec<&'static str>,
    what: String,
}

/// What can be read of the files.
fn salvage(dir: &Path, stack: &str) -> Result<Salvaged, Error> {
    let (snapshot, journal) = (dir.join("state"), dir.join("journal"));
    let read = |path: &Path| match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::File { what: "read", path: path.to_owned(), source }),
    };
    let log = read(&journal)?.unwrap_or_default();
    let header = dr_core::journal::header(&log).filter(|header| header.stack == stack);
    // Tokens come from lineage and generation: where generations may be lost, those after them get another lineage.
    let beginning = header.as_ref().filter(|header| header.base == 0);
    let empty = || State::new(stack, &beginning.map_or_else(random_lineage, |header| header.lineage.clone()));
    let (mut damaged, mut what) = (Vec::new(), Vec::new());
    let state = match read(&snapshot)? {
        None => empty(),
        Some(bytes) => match parse_snapshot(&snapshot, &bytes).ok().filter(|state| state.check().is_ok()) {
            Some(state) => state,
            None => {
                damaged.push("state");
                match by_hand(&bytes, stack) {
                    Some(state) => {
                        what.push(
                            "the snapshot was readable in spite of its checksum, as after an edit by hand".to_owned(),
                        );
                        state
                    }
                    None => {
                        what.push("the snapshot could not be read".to_owned());
                        empty()
                    }
                }
            }
        },
    };
    let (mut state, cut) = longest_replay(state, &log);
    if let Some(cut) = cut {
        state.lineage = random_lineage();
        damaged.push("journal");
        what.push(format!("the journal could be followed for {cut} of {} bytes", log.len()));
    }
    Ok(Salvaged { state, damaged, what: what.join(", ") })
}

/// A snapshot whose checksum does not match but whose content is a good state of the stack.
fn by_hand(bytes: &[u8], stack: &str) -> Option<State> {
    let start = bytes.iter().position(|&byte| byte == b'\n')? + 1;
    let state: State = serde_json::from_slice(&bytes[start..]).ok()?;
    (state.stack == stack && state.check().is_ok()).then_some(state)
}

/// Replays as much of a journal as follows from the state; tells where it had to stop.
fn longest_replay(state: State, log: &[u8]) -> (State, Option<usize>) {
    let mut end = log.len();
    loop {
        match replay(state.clone(), &log[..end]) {
            Ok(replayed) if replayed.state.check().is_ok() => {
                return (replayed.state, (end < log.len()).then_some(end));
            }
            Err(JournalError::Damaged { offset, .. } | JournalError::Illegal { offset, .. }) if offset < end => {
                end = offset
            }
            // The journal of another state, one that begins later, or one that leads to nothing good: it says nothing here.
            _ => return (state, Some(0)),
        }
    }
}

/// Renames a file to one that does not exist yet.
fn keep_aside(dir: &Path, name: &str) -> Result<PathBuf, Error> {
    let from = dir.join(name);
    let free = (1..).map(|n| dir.join(format!("{name}.damaged-{n}"))).find(|path| !path.exists());
    let to = free.unwrap_or_else(|| dir.join(format!("{name}.damaged")));
    fs::rename(&from, &to).map_err(|source| Error::File { what: "rename", path: from, source })?;
    Ok(to)
}
