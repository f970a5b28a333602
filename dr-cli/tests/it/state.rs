//! The state directory: what is recorded, what is mended, who is in the way.

use dr_core::store::FileStore;
use serde_json::json;
use tempfile::{TempDir, tempdir};

use crate::common::{Shape, meddle};

fn deployed() -> TempDir {
    let dir = tempdir().unwrap();
    let ran = Shape::new().run(dir.path(), &["deploy", "--concurrency", "1"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    dir
}

#[test]
fn the_records_are_listed_and_shown() {
    let dir = tempdir().unwrap();
    insta::assert_snapshot!(Shape::new().run(dir.path(), &["state", "list"]).text(), @r"
    nothing is deployed: no resources in DIR
    --- exit 0
    ");
    let dir = deployed();
    insta::assert_snapshot!(Shape::new().run(dir.path(), &["state", "list"]).text(), @r"
    east-1/main.base      toy.store.thing  ready
    east-1/main.shelf[0]  toy.store.thing  ready
    east-1/main.shelf[1]  toy.store.thing  ready
    global/sign           toy.store.sign   ready
    west-1/copy.base      toy.store.thing  ready
    west-1/copy.shelf[0]  toy.store.thing  ready
    west-1/copy.shelf[1]  toy.store.thing  ready
    --- exit 0
    ");
    let ran = Shape::new().run(dir.path(), &["state", "show", "east-1/main.shelf[0]", "--json"]);
    let record = &ran.events()[0]["record"];
    assert_eq!(
        (record["type_name"].as_str(), record["current"]["args"]["size"].as_u64()),
        (Some("toy.store.thing"), Some(1))
    );
    insta::assert_snapshot!(Shape::new().run(dir.path(), &["state", "show", "east-1/nothing"]).text(), @r"
    --- err
    error: `east-1/nothing` is not in the state
       hint: `state list` prints the addresses
    --- exit 2
    ");
}

#[test]
fn what_is_forgotten_is_found_again() {
    let dir = deployed();
    insta::assert_snapshot!(Shape::new().run(dir.path(), &["state", "rm", "east-1/main.shelf[0]"]).text(), @r"
    east-1/main.shelf[0] is forgotten
    --- err
    it still carries the ownership of the stack, and the program has it: the next deploy takes it in again
    --- exit 0
    ");
    assert_eq!(Shape::new().run(dir.path(), &["state", "show", "east-1/main.shelf[0]"]).code, 2);
    let ran = Shape::new().run(dir.path(), &["deploy"]);
    assert!(
        ran.code == 0 && ran.out.contains("east-1/main.shelf[0] is there, and the state did not know it"),
        "{ran:?}"
    );
    assert_eq!(Shape::new().run(dir.path(), &["state", "show", "east-1/main.shelf[0]"]).code, 0);
}

#[test]
fn a_renamed_resource_has_its_new_ownership_too() {
    let dir = deployed();
    let mv = |old: &str, new: &str| Shape::new().run(dir.path(), &["state", "mv", old, new]);
    insta::assert_snapshot!(mv("east-1/main.shelf[1]", "east-1/main.shelf[2]").text(), @r"
    east-1/main.shelf[1] is now east-1/main.shelf[2]
    --- err
    the program has nothing at the new address: give it that name there before the next deploy
    --- exit 0
    ");
    meddle(dir.path(), |items| {
        assert!(items.values().any(|item| item["address"] == "east-1/main.shelf[2]"));
        assert!(!items.values().any(|item| item["address"] == "east-1/main.shelf[1]"));
    });
    assert_eq!(mv("east-1/main.shelf[0]", "east-1/main.shelf[2]").code, 2, "the address is taken");
    assert_eq!(mv("east-1/main.shelf[0]", "west-1/main.shelf[0]").code, 2, "a resource stays in its region");
    assert_eq!(mv("east-1/main.shelf[0]", "no address").code, 2);
    assert_eq!(mv("east-1/nothing", "east-1/something").code, 2);
    let back = Shape::new().run(dir.path(), &["state", "mv", "east-1/main.shelf[2]", "east-1/main.shelf[3]", "--json"]);
    let told = |field: &str| back.done()[field].clone();
    assert_eq!(
        [told("subcommand"), told("from"), told("to")],
        [json!("mv"), json!("east-1/main.shelf[2]"), json!("east-1/main.shelf[3]")]
    );
    assert_eq!(mv("east-1/main.shelf[3]", "east-1/main.shelf[2]").code, 0);
    let ran = Shape { shelves: 3, ..Shape::new() }.run(dir.path(), &["plan", "--json"]);
    assert_eq!(ran.done()["actions"], json!({"create": 2, "keep": 7}), "{ran:?}");
}

#[test]
fn somebody_else_at_work_is_named() {
    let dir = deployed();
    let held = FileStore::new(dir.path(), "shop").lock("deploy").unwrap();
    let ran = Shape::new().run(dir.path(), &["deploy"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.err.contains("is locked by ") && ran.err.contains("`deploy`, for N s"), "{ran:?}");
    assert_eq!(Shape::new().run(dir.path(), &["state", "unlock"]).code, 4);
    assert_eq!(Shape::new().run(dir.path(), &["status"]).code, 0, "reading needs no lock");
    drop(held);
    assert_eq!(Shape::new().run(dir.path(), &["state", "unlock"]).text(), "DIR is not locked\n--- exit 0");
}

#[test]
fn the_state_of_another_stack_is_refused() {
    let dir = deployed();
    let ran = Shape { name: Some("other"), ..Shape::new() }.run(dir.path(), &["plan"]);
    insta::assert_snapshot!(ran.text(), @r"
    --- err
    error: DIR holds the state of stack `shop`, not of `other`: give another directory
       hint: each stack has its own directory: `--state DIR`
    --- exit 2
    ");
}

#[test]
fn a_damaged_snapshot_is_refused_and_repaired() {
    let dir = deployed();
    assert_eq!(
        Shape::new().run(dir.path(), &["state", "repair"]).text(),
        "nothing to repair: DIR can be read\n--- exit 0"
    );
    let path = dir.path().join("state");
    let good = std::fs::read_to_string(&path).unwrap();
    // As an edit by hand: the content is good, the checksum is not.
    std::fs::write(&path, good.replace("\"size\": 1", "\"size\": 3")).unwrap();
    insta::assert_snapshot!(Shape::new().run(dir.path(), &["deploy"]).text(), @r"
    --- err
    error: DIR/state is damaged: its checksum does not match
       hint: move DIR/state away and deploy again: what exists is found by its ownership and nothing is made twice; or `state repair` keeps what can be read
    --- exit 5
    ");
    insta::assert_snapshot!(Shape::new().run(dir.path(), &["state", "repair"]).text(), @r"
    7 resources kept; the snapshot was readable in spite of its checksum, as after an edit by hand
    --- err
    the damaged state is kept as DIR/state.damaged-1
    the next deploy reads the cloud and takes in what is missing here
    --- exit 0
    ");
    assert_eq!(Shape::new().run(dir.path(), &["deploy"]).code, 0);
    // Nothing of it can be read.
    std::fs::write(&path, "dr state 1 00000000\n{").unwrap();
    assert_eq!(Shape::new().run(dir.path(), &["status"]).code, 5);
    insta::assert_snapshot!(Shape::new().run(dir.path(), &["state", "repair"]).text(), @r"
    0 resources kept; the snapshot could not be read, the journal could be followed for 0 of 92 bytes
    --- err
    the damaged state is kept as DIR/state.damaged-2
    the damaged journal is kept as DIR/journal.damaged-1
    the next deploy reads the cloud and takes in what is missing here
    --- exit 0
    ");
    let ran = Shape::new().run(dir.path(), &["deploy", "--json"]);
    assert_eq!((ran.code, ran.done()["actions"].clone()), (0, json!({})), "nothing is made twice: {ran:?}");
}

#[test]
fn a_damaged_journal_is_followed_as_far_as_it_goes() {
    let dir = tempdir().unwrap();
    let broken = Shape { broken: Some("west-1/copy.shelf[1]"), ..Shape::new() };
    assert_eq!(broken.run(dir.path(), &["deploy", "--concurrency", "1"]).code, 1);
    // What a crash leaves: the snapshot of the beginning, and a journal on top of it.
    let (header, entries) = journal(dir.path());
    let path = dir.path().join("journal");
    let mut lines = entries;
    lines.insert(3, "00000000 {}".to_owned());
    std::fs::write(&path, format!("{header}\n{}\n", lines.join("\n"))).unwrap();
    let ran = Shape::new().run(dir.path(), &["plan"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.err.contains("cannot be replayed") && ran.err.contains("state repair"), "{ran:?}");
    let ran = Shape::new().run(dir.path(), &["state", "repair"]);
    assert!(ran.code == 0 && ran.out.contains("the journal could be followed for "), "{ran:?}");
    assert!(dir.path().join("journal.damaged-1").exists());
    let ran = Shape::new().run(dir.path(), &["deploy", "--json"]);
    assert_eq!(
        (ran.code, ran.done()["actions"].clone()),
        (0, json!({"create": 1})),
        "only what failed is made: {ran:?}"
    );
}

/// A journal of three entries that follow from the recorded state: its header, and its lines.
fn journal(dir: &std::path::Path) -> (String, Vec<String>) {
    use dr_core::Action;
    use dr_core::journal::{Entry, Header, What, encode, encode_header};
    use dr_core::store::ReadStore as _;
    let store = FileStore::new(dir, "shop");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let state = runtime.block_on(store.load()).unwrap().state;
    let header = Header { format: 1, stack: state.stack.clone(), lineage: state.lineage.clone(), base: state.serial };
    let record = state.resources.iter().next().unwrap();
    let current = record.1.current.as_ref().unwrap();
    let lines = (0..3).map(|at| {
        let event = What::Succeeded { action: Action::Settle, outputs: current.outputs.clone() };
        let (address, generation) = (record.0.clone(), current.generation);
        let mut line = Vec::new();
        encode(&Entry { seq: state.serial + at, address, generation, event }, &mut line);
        String::from_utf8(line).unwrap().trim_end().to_owned()
    });
    let header = String::from_utf8(encode_header(&header)).unwrap().trim_end().to_owned();
    // One more good line after the damage, or it would be a torn end.
    let mut lines: Vec<String> = lines.collect();
    lines.push(lines[2].clone());
    (header, lines)
}

#[test]
fn a_newer_format_is_left_alone() {
    let dir = deployed();
    let path = dir.path().join("state");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, good.replace("dr state 1 ", "dr state 99 ")).unwrap();
    for args in [&["plan"][..], &["state", "repair"]] {
        let ran = Shape::new().run(dir.path(), args);
        assert!(ran.code == 5 && ran.err.contains("use the version that wrote it"), "{ran:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let ran = Shape::new().run(&dir.path().join("file").join("state"), &["deploy"]);
    insta::assert_snapshot!(ran.text(), @r"
    --- err
    error: cannot create DIR
      cause: Not a directory (os error 20)
    --- exit 1
    ");
}
