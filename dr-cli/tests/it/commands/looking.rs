//! The commands that look and change nothing.

use dr_core::Severity;
use serde_json::json;
use tempfile::tempdir;

use super::deployed;
use crate::common::{Shape, meddle};

#[test]
fn status_puts_the_copies_of_a_construct_side_by_side() {
    let dir = tempdir().unwrap();
    insta::assert_snapshot!(Shape::new().run(dir.path(), &["status"]).text(), @r"
    shop on toy, account 42
    nothing is deployed: no resources in DIR
    --- exit 0
    ");
    let absent = Shape::new().run(dir.path(), &["status", "--json"]);
    assert_eq!(absent.done()["health"], json!({"absent": 7}), "machines are told of each");
    let dir = deployed();
    meddle(dir.path(), |items| {
        let of = |items: &std::collections::BTreeMap<String, serde_json::Value>, address: &str| {
            items.iter().find(|(_, item)| item["address"] == address).map(|(id, _)| id.clone()).unwrap()
        };
        items.remove(&of(items, "west-1/copy.shelf[1]"));
        let (changed, broken) = (of(items, "east-1/main.shelf[0]"), of(items, "west-1/copy.base"));
        items.get_mut(&changed).unwrap()["args"]["size"] = json!(9);
        items.get_mut(&broken).unwrap()["health"] = json!("failed");
    });
    let more = Shape { shelves: 3, ..Shape::new() };
    insta::assert_snapshot!(more.run(dir.path(), &["status"]).text(), @r"
    shop on toy, account 42

              east-1     west-1
              main       copy
    base      ✓ ready    ✗ failed
    shelf[0]  ! drifted  ✓ ready
    shelf[1]  ✓ ready    ✗ gone
    shelf[2]  · absent   · absent

          global
    sign  ✓ ready

    9 resources: 4 ready, 1 drifted, 1 failed, 1 gone, 2 absent
    --- exit 0
    ");
    insta::assert_snapshot!(more.run(dir.path(), &["status", "--no-refresh"]).out.lines().last().unwrap(), @"9 resources: 7 ready, 2 absent");
    let events = more.run(dir.path(), &["status", "--json"]).events();
    assert_eq!(events.len(), 10);
    let drifted = json!({
        "event": "resource",
        "address": "east-1/main.shelf[0]",
        "type": "toy.store.thing",
        "region": "east-1",
        "health": "drifted",
        "copies": 1,
    });
    assert_eq!(events[1], drifted);
}

#[test]
fn drift_is_shown_and_told_by_the_exit_code() {
    let dir = deployed();
    assert_eq!(Shape::new().run(dir.path(), &["drift", "--detailed-exitcode"]).code, 0);
    meddle(dir.path(), |items| {
        let id = items.iter().find(|(_, item)| item["address"] == "east-1/main.shelf[0]").unwrap().0.clone();
        items.get_mut(&id).unwrap()["args"]["size"] = json!(9);
        items.retain(|_, item| item["address"] != "west-1/copy.shelf[1]");
    });
    insta::assert_snapshot!(Shape::new().run(dir.path(), &["drift"]).text(), @r"
    ! east-1/main.shelf[0] was changed by somebody else
        size  1 → 9
    ! west-1/copy.shelf[1] was deleted by somebody else
    2 resources differ from what the last deploy left; `plan --full` shows what a deploy makes of it, `deploy --full` brings it back
    --- exit 0
    ");
    let ran = Shape::new().run(dir.path(), &["drift", "--detailed-exitcode", "--json"]);
    assert_eq!((ran.code, ran.done()["drift"].clone()), (6, json!(2)));
    assert_eq!(ran.events()[0]["kind"], json!({"changed": [{"field": "size", "old": 1, "new": 9}]}));
}

#[test]
fn what_cannot_be_read_is_said() {
    let dir = deployed();
    let blind = Shape { broken: Some("read"), ..Shape::new() };
    insta::assert_snapshot!(blind.run(dir.path(), &["drift"]).text(), @r"
    --- err
    error: 1 type of resources could not be read, so this is not the whole answer
      cause: store:List answered AccessDenied: you may not look
    --- exit 1
    ");
    assert_eq!(blind.run(dir.path(), &["status"]).code, 1);
    let destroyed = blind.run(dir.path(), &["destroy", "--yes"]);
    assert_eq!(destroyed.code, 1, "{destroyed:?}");
}

#[test]
fn outputs_are_values_with_names() {
    let dir = tempdir().unwrap();
    let ran = Shape::new().run(dir.path(), &["outputs"]);
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (2, "error: nothing is deployed: no resources in DIR\n   hint: `deploy` first\n")
    );
    let dir = deployed();
    let ran = Shape::new().run(dir.path(), &["outputs"]);
    assert!(ran.out.starts_with("things = thing-") && ran.out.contains("\nurl    = https://sign-"), "{ran:?}");
    let ran = Shape::new().run(dir.path(), &["outputs", "--json"]);
    assert_eq!(ran.events()[0]["event"], "outputs");
    assert!(ran.events()[0]["outputs"]["url"].as_str().unwrap().starts_with("https://sign-"));
    let done = json!({"event": "done", "command": "outputs", "stack": "shop", "exit": 0, "complete": true});
    assert_eq!(ran.done(), done);
    // Half of the site is there.
    assert_eq!(Shape::new().run(dir.path(), &["state", "rm", "global/sign"]).code, 0);
    let ran = Shape::new().run(dir.path(), &["outputs"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.starts_with("things = thing-") && ran.out.contains("\nurl    = (not known yet)"), "{ran:?}");
    let ran = Shape::new().run(dir.path(), &["outputs", "--json"]);
    assert!(ran.events()[0]["outputs"]["url"].is_null() && ran.done()["complete"] == false, "{ran:?}");
}

#[test]
fn verify_requests_what_the_program_promises() {
    let dir = tempdir().unwrap();
    assert_eq!(Shape::new().run(dir.path(), &["verify"]).code, 2);
    let dir = deployed();
    let ran = Shape::new().run(dir.path(), &["verify", "--path", "/health"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.contains(".example.com/health\n     output url from east-1 in 7 ms, 2 hops to server\n"),
        "{ran:?}"
    );
    insta::assert_snapshot!(Shape::new().run(dir.path(), &["verify", "--url", "nowhere.example.com"]).text(), @r"
    ---  https://nowhere.example.com
         given in 7 ms, 1 hop to name
    --- err
    error: https://nowhere.example.com does not serve
      cause: server: nobody there
      state: the request got as far as name
    --- exit 1
    ");
    // What is given is put together, and what is no URL is found before anything is asked.
    let ran = Shape::new().run(dir.path(), &["verify", "--url", "https://nowhere.example.com", "--path", "/health"]);
    assert!(ran.out.contains("https://nowhere.example.com/health\n"), "{ran:?}");
    let ran = Shape::new().run(dir.path(), &["verify", "--url", "nowhere", "--url", "ftp://a"]);
    assert!(ran.code == 2 && ran.out.is_empty() && ran.err.contains("`ftp://a` is no http or https URL"), "{ran:?}");
    let ran = Shape::new().run(dir.path(), &["verify", "--url", "https://nowhere/", "--json"]);
    assert_eq!((ran.code, ran.done()["bad"].clone()), (1, json!(1)));
}

#[test]
fn check_prints_what_the_rules_find() {
    let dir = tempdir().unwrap();
    assert_eq!(Shape::new().run(dir.path(), &["check"]).text(), "✓ 7 resources checked: nothing found\n--- exit 0");
    let warned = Shape { finding: Some(Severity::Warning), ..Shape::new() };
    insta::assert_snapshot!(warned.run(dir.path(), &["check"]).text(), @r"
    warning[toy-too-small] east-1/main.base: the base is small
        fix: make it larger
    7 resources checked: 1 warning
    --- exit 0
    ");
    let refused = Shape { finding: Some(Severity::Error), ..Shape::new() };
    insta::assert_snapshot!(refused.run(dir.path(), &["check"]).text(), @r"
    --- err
    error: the program of stack `shop` has 1 error
      error[toy-too-small] east-1/main.base: the base is small (make it larger)
    --- exit 3
    ");
}

#[test]
fn graphs_are_written_in_the_form_that_the_name_says() {
    let dir = tempdir().unwrap();
    let write = |name: &str| {
        let path = dir.path().join(name);
        assert_eq!(Shape::new().run(dir.path(), &["graph", "--out", path.to_str().unwrap()]).code, 0);
        std::fs::read_to_string(path).unwrap()
    };
    assert!(write("a.dot").starts_with("digraph \"shop\""));
    assert!(write("a.svg").starts_with("<svg "));
    assert!(write("a.html").starts_with("<!doctype html>"));
    insta::assert_snapshot!(write("a.mmd"), @r#"
    flowchart LR
      subgraph r0["east-1"]
        n0["main.base<br/><small>toy.store.thing</small>"]
        n1["main.shelf[0]<br/><small>toy.store.thing</small>"]
        n2["main.shelf[1]<br/><small>toy.store.thing</small>"]
      end
      subgraph r1["global"]
        n6["sign<br/><small>toy.store.sign</small>"]
      end
      subgraph r2["west-1"]
        n3["copy.base<br/><small>toy.store.thing</small>"]
        n4["copy.shelf[0]<br/><small>toy.store.thing</small>"]
        n5["copy.shelf[1]<br/><small>toy.store.thing</small>"]
      end
      n1 --> n0
      n2 --> n0
      n4 --> n3
      n5 --> n3
      n6 --> n3
      n6 --> n0
    "#);
    let ran = Shape::new().run(dir.path(), &["graph", "--format", "dot", "--json"]);
    assert!(ran.events()[0]["text"].as_str().unwrap().starts_with("digraph"));
    let ran = Shape::new().run(dir.path(), &["graph", "--out", "/nowhere/a.svg"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let file = dir.path().join("site.png");
    let ran = Shape::new().run(dir.path(), &["graph", "--out", file.to_str().unwrap()]);
    assert!(ran.code == 2 && ran.err.contains("`.png` is no form") && !file.exists(), "{}", ran.err);
}

/// Goal: results are seen before the error that follows them, and machines see each event when it happens.
#[test]
fn what_was_found_comes_before_what_failed() {
    use std::io::{BufWriter, Write};
    use std::sync::{Arc, Mutex};

    /// Both outputs in the order in which they arrive.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let dir = deployed();
    let state = dir.path().to_str().unwrap();
    let page = |args: &[&str]| {
        let page = Page::default();
        // As the output of a process: kept back until it is flushed.
        let (mut out, mut err) = (BufWriter::new(page.clone()), page.clone());
        Shape::new().program().run_with([args, &["--state", state]].concat(), &mut out, &mut err);
        let bytes = page.0.lock().expect("no panic").clone();
        String::from_utf8(bytes).unwrap()
    };
    let text = page(&["verify", "--url", "nowhere.example.com"]);
    assert!(text.find("---  https://nowhere").unwrap() < text.find("error: ").unwrap(), "{text}");
}
