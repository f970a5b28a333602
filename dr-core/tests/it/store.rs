//! What is on the disk: commits that a dying machine wrote in part, samples of every format, journals at every prefix.

use std::path::{Path, PathBuf};

use dr_core::journal::{Entry, Header, JournalError, continue_commit, encode, encode_header, replay};
use dr_core::sim::World;
use dr_core::store::{FileStore, LockedStore, ReadStore as _, StoreError, WriteStore as _, parse_snapshot};
use dr_core::{FORMAT, State};

use crate::common::{Shop, deploy, world};

/// The bytes of a commit, and the state after it.
type Commit = (Vec<u8>, State);

/// The commits of a deploy that died: what each wrote, and the state after it.
fn commits() -> (State, Vec<u8>, Vec<Commit>) {
    let mut world = world(0);
    assert!(world.deploy_until(&Shop::default().stack(), 200).is_crashed());
    let (start, journal) = world.disk();
    let first = journal.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut state = start.clone();
    let mut commits: Vec<(Vec<u8>, State)> = Vec::new();
    for line in journal[first..].split_inclusive(|byte| *byte == b'\n').filter(|line| line.len() > 9) {
        let Ok(entry) = serde_json::from_slice::<Entry>(&line[9..]) else { break };
        state.apply(&entry).unwrap();
        if line[8] == b' ' {
            commits.push((Vec::new(), state.clone()));
        }
        let commit = commits.last_mut().expect("the first line begins a commit");
        commit.0.extend_from_slice(line);
        commit.1 = state.clone();
    }
    assert!(
        commits.iter().any(|(bytes, _)| bytes.iter().filter(|byte| **byte == b'\n').count() > 2),
        "commits of several entries"
    );
    (start, journal[..first].to_vec(), commits)
}

#[test]
fn a_journal_replays_to_the_state_at_every_commit() {
    let (start, mut journal, commits) = commits();
    for (commit, state) in commits {
        journal.extend(commit);
        let replayed = replay(start.clone(), &journal).unwrap();
        assert_eq!((&replayed.state, replayed.whole), (&state, journal.len()));
        replayed.state.check().unwrap();
    }
}

/// Goal: a commit that the machine did not finish is no damage, whichever of its blocks reached the disk.
/// Method: zero any stretch of the last commit; then the same with a commit behind it, which makes it damage.
#[test]
fn a_hole_in_the_last_commit_is_cut_off_and_one_before_it_is_an_error() {
    let (start, header, commits) = commits();
    let (last, before) = commits.split_last().unwrap();
    let whole: Vec<u8> = header.iter().chain(before.iter().flat_map(|(bytes, _)| bytes)).copied().collect();
    for at in 0..last.0.len() {
        let mut torn = last.0.clone();
        let end = torn.len().min(at + 16);
        torn[at..end].fill(0);
        let journal: Vec<u8> = whole.iter().chain(&torn).copied().collect();
        let replayed = replay(start.clone(), &journal).unwrap_or_else(|error| panic!("hole at {at}: {error}"));
        assert!(replayed.whole >= whole.len(), "hole at {at}: what was acknowledged is cut off");
        replayed.state.check().unwrap();
    }
    let mut damaged: Vec<u8> = whole.iter().chain(&last.0).copied().collect();
    let middle = header.len() + before[0].0.len() / 2;
    damaged[middle] ^= 1;
    assert!(matches!(replay(start, &damaged), Err(JournalError::Damaged { offset, .. }) if offset <= middle));
}

fn open(dir: &Path) -> (FileStore, LockedStore) {
    let store = FileStore::new(dir, "shop");
    let locked = store.lock("test").unwrap();
    (store, locked)
}

#[tokio::test]
async fn the_file_store_keeps_every_commit_and_nothing_else() {
    let (start, _, commits) = commits();
    let dir = tempfile::tempdir().unwrap();
    let (store, locked) = open(dir.path());
    locked.compact(&start).await.unwrap();
    for (commit, state) in commits {
        locked.append(commit).await.unwrap();
        assert_eq!(store.load().await.unwrap().state, state);
    }
    // Half a line behind the last commit, in a file that reaches further: what a power failure leaves.
    let expected = store.load().await.unwrap();
    let path = dir.path().join("journal");
    let mut bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() > expected.whole, "the file is extended ahead");
    bytes[expected.whole..expected.whole + 20].copy_from_slice(b"0badc0de {\"seq\":999,");
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(store.load().await.unwrap(), expected);
}

#[tokio::test]
async fn an_append_before_the_first_snapshot_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let (_, locked) = open(dir.path());
    let error = locked.append(b"x".to_vec()).await.unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
    assert!(!dir.path().join("journal").exists());
}

#[tokio::test]
async fn a_journal_without_its_snapshot_is_the_beginning_of_a_stack() {
    let (start, header, commits) = commits();
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::new(dir.path(), "shop");
    let fresh = State { serial: 0, resources: Default::default(), ..start };
    let (commit, _) = &commits[0];
    std::fs::write(dir.path().join("journal"), [header.as_slice(), commit].concat()).unwrap();
    let loaded = store.load().await.unwrap().state;
    assert_eq!((loaded.lineage, loaded.stack), (fresh.lineage, fresh.stack));
    assert!(!loaded.resources.is_empty());
}

/// What is there is found by its ownership; generations may be lost, so their tokens must not come again.
#[tokio::test]
async fn a_snapshot_that_was_taken_away_is_a_state_that_is_lost() {
    let (start, _, _) = commits();
    let dir = tempfile::tempdir().unwrap();
    let (store, locked) = open(dir.path());
    locked.compact(&State { serial: 7, ..start.clone() }).await.unwrap();
    drop(locked);
    std::fs::remove_file(dir.path().join("state")).unwrap();
    let lost = store.load().await.unwrap().state;
    assert!(lost.is_empty() && lost.serial == 0);
    assert_ne!(lost.lineage, start.lineage);
}

/// Goal: two commits that a full disk made one are torn as one.
#[test]
fn a_commit_that_is_written_again_with_more_is_one_commit() {
    let (start, header, commits) = commits();
    let (first, _) = &commits[0];
    let (second, state) = &commits[1];
    let mut joined = second.clone();
    continue_commit(&mut joined);
    let mut bytes = [header.as_slice(), first, &joined].concat();
    assert_eq!(&replay(start.clone(), &bytes).unwrap().state, state);
    bytes[header.len() + 12] ^= 1;
    assert_eq!(replay(start.clone(), &bytes).unwrap().state, start, "nothing of it was acknowledged");
}

#[tokio::test]
async fn a_damaged_journal_says_which_file_where_and_what_to_do() {
    let (start, header, commits) = commits();
    let dir = tempfile::tempdir().unwrap();
    let (store, locked) = open(dir.path());
    locked.compact(&start).await.unwrap();
    let mut journal: Vec<u8> = header.iter().chain(commits.iter().flat_map(|(bytes, _)| bytes)).copied().collect();
    journal[header.len() + 30] ^= 4;
    std::fs::write(dir.path().join("journal"), &journal).unwrap();
    let error = store.load().await.unwrap_err();
    let text = format!("{error}: {}", std::error::Error::source(&error).unwrap());
    assert!(text.contains("journal cannot be replayed") && text.contains(&format!("byte {}", header.len())), "{text}");
    assert!(error.hint().unwrap().contains("nothing is made twice"));
    assert_eq!(std::fs::read(dir.path().join("journal")).unwrap(), journal, "the file is as it was");
}

#[test]
fn a_snapshot_with_any_flipped_bit_is_the_same_state_or_an_error() {
    let mut world = world(0);
    let program = crate::common::east(|east| {
        east.add("main", crate::common::Vpc::new("10.0.0.0/16"));
    });
    deploy(&mut world, &program);
    let state = world.state();
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::new(dir.path(), "demo");
    let locked = store.lock("test").unwrap();
    at_once(locked.compact(&state)).unwrap();
    let bytes = std::fs::read(dir.path().join("state")).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            if let Ok(read) = parse_snapshot(Path::new("state"), &damaged) {
                assert_eq!(read, state, "bit {bit} of byte {at}");
            }
        }
    }
}

/// The future of a store that does its work at once.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut cx) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("the file store does not wait"),
    }
}

#[test]
fn entries_written_again_after_a_failure_are_passed_over() {
    let (start, header, commits) = commits();
    let twice: Vec<u8> =
        [&header, &commits[0].0, &commits[0].0, &commits[1].0].into_iter().flatten().copied().collect();
    assert_eq!(replay(start, &twice).unwrap().state, commits[1].1);
}

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/state")
}

/// The state and journal that every release has to read, from a deploy that died with everything in it: replaced copies of
/// another type, secrets, lookups, tags, a resource without outputs.
fn sample() -> World {
    let mut world = world(0);
    deploy(&mut world, &Shop { retain_vpc: true, ..Shop::default() }.stack());
    let changed = Shop { cidr: "10.9.0.0/16", balancer: "store", standby: false, ..Shop::default() };
    assert!(world.deploy_until(&changed.stack(), 150).is_crashed());
    world
}

/// Goal: what a release wrote is read by every later one. The files are checked in and never written again; a new format adds
/// a directory. `DR_WRITE_SAMPLES=1` writes those of the present format.
#[tokio::test]
async fn the_samples_of_every_format_are_read() {
    let dir = samples().join(format!("format-{FORMAT}"));
    if std::env::var_os("DR_WRITE_SAMPLES").is_some() {
        let (start, journal) = sample().disk();
        let store = FileStore::new(&dir, "shop");
        store.lock("samples").unwrap().compact(&start).await.unwrap();
        let header = encode_header(&Header {
            format: FORMAT,
            stack: "shop".into(),
            lineage: start.lineage.clone(),
            base: start.serial,
        });
        std::fs::remove_file(dir.join("lock")).unwrap();
        assert!(journal.starts_with(&header));
        std::fs::write(dir.join("journal"), journal).unwrap();
    }
    for format in 1..=FORMAT {
        let store = FileStore::new(samples().join(format!("format-{format}")), "shop");
        let state = store.load().await.unwrap().state;
        state.check().unwrap();
        assert!(state.resources.values().any(|record| !record.deposed.is_empty()), "format {format}");
        assert!(state.resources.len() >= 15, "format {format}: {}", state.resources.len());
        // Whatever it was, it is written in the present format and is the same.
        let copy = tempfile::tempdir().unwrap();
        let (again, locked) = open(copy.path());
        locked.compact(&state).await.unwrap();
        assert_eq!(again.load().await.unwrap().state, state);
    }
}

#[test]
fn one_line_of_a_journal_reads_as_it_always_did() {
    let (start, _, commits) = commits();
    let line = String::from_utf8(commits[0].0.clone()).unwrap().lines().next().unwrap().to_owned();
    let entry: Entry = serde_json::from_str(&line[9..]).unwrap();
    let mut again = Vec::new();
    encode(&entry, &mut again);
    assert_eq!(String::from_utf8(again).unwrap().trim_end(), line);
    insta::assert_snapshot!(line, @r#"892cd72d {"seq":0,"address":"us-east-1/net.vpc","generation":2,"event":"began","action":"create","args":{"cidr":"10.0.0.0/16","dns":true},"create":{"type_name":"test.net.vpc","region":"us-east-1","token":"550d0668d3d1f270238ebc3fa81bddcd","on_remove":"destroy"}}"#);
    assert_eq!(entry.seq, start.serial);
}
