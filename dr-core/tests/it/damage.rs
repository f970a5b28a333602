//! Journals and snapshots that are cut, flipped, foreign or from the future: nothing is ever silently wrong.

use std::path::Path;

use dr_core::journal::{Entry, Header, JournalError, New, What, encode, encode_header, replay};
use dr_core::store::{FileStore, ReadStore as _, StoreError, WriteStore as _, parse_snapshot};
use dr_core::{Action, Address, FORMAT, State, Status};
use serde_json::json;

fn address(name: &str) -> Address {
    format!("us-east-1/{name}").parse().unwrap()
}

fn began(state: &State, name: &str, generation: u32) -> What {
    let create = New {
        type_name: "test.thing".to_owned(),
        region: "us-east-1".to_owned(),
        token: state.token(&address(name), generation),
        on_remove: Default::default(),
        needs: Vec::new(),
    };
    let args = json!({"size": 3, "name": name});
    What::Began { action: Action::Create, args, tags: Default::default(), needs: Vec::new(), create: Some(create) }
}

/// A journal of two creates and a delete, and the state after each of its entries.
fn journal() -> (Vec<u8>, Vec<State>) {
    let mut state = State::new("shop", "00ff");
    let mut bytes = encode_header(&Header { format: FORMAT, stack: "shop".into(), lineage: "00ff".into(), base: 0 });
    let mut states = vec![state.clone()];
    let done = |action| What::Succeeded { action, outputs: Some(json!({"id": "thing-1"})) };
    let delete = || What::Began {
        action: Action::Delete,
        args: json!(null),
        tags: Default::default(),
        needs: Vec::new(),
        create: None,
    };
    let events = [
        ("vpc", 1, began(&state, "vpc", 1)),
        ("vpc", 1, What::Accepted { outputs: Some(json!({"id": "thing-1"})), needs: Default::default() }),
        ("net", 2, began(&state, "net", 2)),
        ("vpc", 1, done(Action::Create)),
        ("net", 2, done(Action::Create)),
        ("net", 2, delete()),
        ("net", 2, What::Succeeded { action: Action::Delete, outputs: None }),
    ];
    for (name, generation, event) in events {
        let entry = Entry { seq: state.serial, address: address(name), generation, event };
        state.apply(&entry).unwrap();
        // Each entry is a commit of its own, as when they come one after the other.
        let mut commit = Vec::new();
        encode(&entry, &mut commit);
        bytes.extend(commit);
        states.push(state.clone());
    }
    (bytes, states)
}

fn start() -> State {
    State::new("shop", "00ff")
}

#[test]
fn a_whole_journal_gives_the_last_state() {
    let (bytes, states) = journal();
    let replayed = replay(start(), &bytes).unwrap();
    assert_eq!((Some(&replayed.state), replayed.whole), (states.last(), bytes.len()));
    assert_eq!(replayed.state.resources.len(), 1);
}

#[test]
fn a_journal_cut_at_any_byte_gives_the_state_before_the_cut_entry() {
    let (bytes, states) = journal();
    let ends: Vec<usize> = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1).collect();
    for cut in 0..=bytes.len() {
        let replayed = replay(start(), &bytes[..cut]).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        let whole = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
        assert_eq!(replayed.state, states[whole], "cut at {cut}");
        assert!(replayed.whole <= cut);
    }
}

#[test]
fn what_is_unknown_after_a_cut_is_named() {
    let (bytes, _) = journal();
    let second_line = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(1).unwrap().0 + 1;
    let replayed = replay(start(), &bytes[..second_line]).unwrap();
    assert_eq!(replayed.unknown, [address("vpc")]);
    assert_eq!(replayed.state.resources[&address("vpc")].current.as_ref().unwrap().status, Status::Creating);
}

#[test]
fn a_flipped_bit_anywhere_is_an_error_or_a_cut_tail_and_never_another_state() {
    let (bytes, states) = journal();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            match replay(start(), &damaged) {
                Ok(replayed) => {
                    assert!(states.contains(&replayed.state), "bit {bit} of byte {at}: a state that never was");
                }
                Err(JournalError::Damaged { offset, .. }) => assert!(offset <= at, "bit {bit} of byte {at}: {offset}"),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
}

/// A whole line was acknowledged, or will be: what it says cannot be passed over because it is not understood.
#[test]
fn a_whole_last_line_that_means_nothing_is_damage() {
    let (mut bytes, _) = journal();
    let json = br#"{"seq":99,"address":"us-east-1/vpc","generation":1,"event":"from the future"}"#;
    bytes.extend(format!("{:08x} ", crc32fast::hash(json)).bytes().chain(*json).chain([b'\n']));
    assert!(matches!(replay(start(), &bytes), Err(JournalError::Damaged { .. })));
}

#[test]
fn damage_in_the_middle_names_its_place() {
    let (mut bytes, _) = journal();
    let second = bytes.iter().position(|b| *b == b'\n').unwrap() + 1;
    bytes[second + 20] ^= 1;
    let error = replay(start(), &bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the line at byte {second} is damaged (its checksum does not match), and later ones are whole")
    );
}

#[test]
fn journals_from_the_future_of_others_and_with_gaps_are_refused() {
    let header = |format, stack: &str, base| {
        encode_header(&Header { format, stack: stack.to_owned(), lineage: "00ff".to_owned(), base })
    };
    assert_eq!(replay(start(), &header(FORMAT + 1, "shop", 0)), Err(JournalError::Newer { found: FORMAT + 1 }));
    assert!(matches!(replay(start(), &header(FORMAT, "other", 0)), Err(JournalError::Foreign { .. })));
    assert_eq!(replay(start(), &header(FORMAT, "shop", 7)), Err(JournalError::Gap { base: 7, serial: 0 }));
}

/// A directory with a snapshot and a journal.
async fn stored() -> (tempfile::TempDir, FileStore, State) {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::new(dir.path(), "shop");
    let (bytes, states) = journal();
    let locked = store.lock("test").unwrap();
    locked.compact(&states[0]).await.unwrap();
    let header = bytes.iter().position(|b| *b == b'\n').unwrap() + 1;
    locked.append(bytes[header..].to_vec()).await.unwrap();
    (dir, store, states.last().unwrap().clone())
}

#[tokio::test]
async fn what_was_appended_is_read_back_without_the_lock() {
    let (_dir, store, last) = stored().await;
    assert_eq!(store.load().await.unwrap().state, last);
}

#[tokio::test]
async fn a_crash_between_the_new_snapshot_and_the_new_journal_changes_nothing() {
    let (dir, store, last) = stored().await;
    let old_journal = std::fs::read(dir.path().join("journal")).unwrap();
    store.lock("test").unwrap().compact(&last).await.unwrap();
    std::fs::write(dir.path().join("journal"), old_journal).unwrap();
    assert_eq!(store.load().await.unwrap().state, last);
}

#[tokio::test]
async fn a_snapshot_cut_or_flipped_anywhere_is_an_error_that_says_what_to_do() {
    let (dir, store, last) = stored().await;
    store.lock("test").unwrap().compact(&last).await.unwrap();
    let path = dir.path().join("state");
    let bytes = std::fs::read(&path).unwrap();
    let parse = |bytes: &[u8]| parse_snapshot(Path::new("state"), bytes);
    assert_eq!(parse(&bytes).unwrap(), last);
    for cut in 0..bytes.len() {
        let error = parse(&bytes[..cut]).unwrap_err();
        assert!(error.hint().is_some(), "cut at {cut}: {error}");
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 4;
        // A flipped digit of the format may name a newer one; everything else fails the checksum.
        match parse(&damaged) {
            Err(StoreError::Damaged { .. } | StoreError::Newer { .. }) => {}
            other => panic!("byte {at}: {other:?}"),
        }
    }
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = store.load().await.unwrap_err();
    assert!(error.to_string().contains("state is damaged: its checksum does not match"), "{error}");
    assert!(error.hint().unwrap().contains("found by its ownership"));
}

#[tokio::test]
async fn a_directory_of_another_stack_is_refused() {
    let (dir, _, _) = stored().await;
    let error = FileStore::new(dir.path(), "other").load().await.unwrap_err();
    assert!(error.to_string().contains("holds the state of stack `shop`, not of `other`"), "{error}");
}

#[tokio::test]
async fn planning_needs_no_directory_and_makes_none() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("not/there");
    let replayed = FileStore::new(&missing, "shop").load().await.unwrap();
    assert!(replayed.state.is_empty());
    assert!(!missing.exists());
}

#[test]
fn a_place_where_nothing_can_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let error = FileStore::new(file.join("state"), "shop").lock("test").unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
    assert!(error.to_string().contains("a-file"), "{error}");
}

#[test]
fn a_second_writer_is_told_who_holds_the_lock_and_gets_it_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::new(dir.path(), "shop");
    let first = store.lock("deploy").unwrap();
    let StoreError::Locked { holder, .. } = store.lock("destroy").unwrap_err() else { panic!("it is locked") };
    assert_eq!((holder.pid, holder.command.as_str()), (std::process::id(), "deploy"));
    assert_eq!(store.holder().unwrap().map(|holder| holder.command), Some("deploy".to_owned()));
    drop(first);
    assert_eq!(store.holder().unwrap(), None);
    store.lock("destroy").unwrap();
}

/// The other process of the next test: takes the lock, says so, and waits to be killed.
#[test]
#[ignore = "the child of another test"]
fn child_that_holds_the_lock() {
    let Some(dir) = std::env::var_os("DR_TEST_LOCK") else { return };
    let _lock = FileStore::new(dir, "shop").lock("a process that dies").unwrap();
    std::fs::write(std::env::var_os("DR_TEST_READY").unwrap(), "").unwrap();
    // Its parent closes the pipe only by dying itself, so it does not outlive the test.
    let _ = std::io::Read::read(&mut std::io::stdin(), &mut [0]);
}

/// Goal: no manual unlock after a crash. Method: a child takes the lock and is killed without a chance to clean up.
#[test]
fn the_lock_of_a_killed_process_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ready) = (FileStore::new(dir.path().join("state"), "shop"), dir.path().join("ready"));
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "damage::child_that_holds_the_lock", "--ignored"])
        .env("DR_TEST_LOCK", store.dir())
        .env("DR_TEST_READY", &ready)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !ready.exists() {
        assert!(child.try_wait().unwrap().is_none(), "the child ended early");
        std::thread::yield_now();
    }
    let StoreError::Locked { holder, .. } = store.lock("deploy").unwrap_err() else { panic!("it is locked") };
    assert_eq!(holder.command, "a process that dies");
    child.kill().unwrap();
    child.wait().unwrap();
    store.lock("deploy").unwrap();
}
