//! What each command prints, and how it ends.

use dr_core::Severity;
use dr_core::driver::Cancel;
use serde_json::json;
use tempfile::{TempDir, tempdir};

use crate::common::{Closing, Shape, meddle};

fn deployed() -> TempDir {
    let dir = tempdir().unwrap();
    let ran = Shape::new().run(dir.path(), &["deploy"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    dir
}

#[test]
fn a_plan_is_grouped_by_region_and_construct() {
    let dir = tempdir().unwrap();
    insta::assert_snapshot!(Shape::new().run(dir.path(), &["plan"]).text(), @r"
    east-1
      main
        + base        toy.store.thing
        + shelf[0,1]  toy.store.thing
    global
      + sign  toy.store.sign
    west-1
      copy
        + base        toy.store.thing
        + shelf[0,1]  toy.store.thing
    plan: 7 to create
    time: about 40 s, the longest chain has 2 steps
    slow: create east-1/main.base, 20 s
          create east-1/main.shelf[0], 20 s
    --- exit 0
    ");
    assert!(!dir.path().join("lock").exists(), "a plan writes nothing");
}

#[test]
fn a_deploy_shows_its_plan_its_steps_and_its_outputs() {
    let dir = tempdir().unwrap();
    insta::assert_snapshot!(Shape::new().run(dir.path(), &["deploy", "--concurrency", "1"]).text(), @r"
    east-1
      main
        + base        toy.store.thing
        + shelf[0,1]  toy.store.thing
    global
      + sign  toy.store.sign
    west-1
      copy
        + base        toy.store.thing
        + shelf[0,1]  toy.store.thing
    plan: 7 to create
    time: about 40 s, the longest chain has 2 steps
    slow: create east-1/main.base, 20 s
          create east-1/main.shelf[0], 20 s
    ✓ 7 created in N s
      10 calls: store 10
    things = thing-1 thing-2
    url    = https://sign-7.example.com/
    --- err
    + east-1/main.base created (N s)
    + west-1/copy.base created (N s)
    + east-1/main.shelf[0] created (N s)
    + east-1/main.shelf[1] created (N s)
    + west-1/copy.shelf[0] created (N s)
    + west-1/copy.shelf[1] created (N s)
    + global/sign created (N s)
    --- exit 0
    ");
    insta::assert_snapshot!(Shape::new().run(dir.path(), &["deploy"]).text(), @r"
    nothing to do, 7 unchanged
    things = thing-1 thing-2
    url    = https://sign-7.example.com/
    --- exit 0
    ");
}

#[test]
fn missing_rights_are_warned_of_before_something_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let poor = Shape { lacks: &["toy:Paint", "toy:Sell"], ..Shape::new() };
    let ran = poor.run(dir.path(), &["deploy"]);
    insta::assert_snapshot!(ran.err.lines().take(3).collect::<Vec<_>>().join("\n"), @r"
    warning: the policies of these credentials do not allow 2 actions on all resources:
      toy:Paint, toy:Sell
      hint: `permissions` prints the policy that the program needs
    ");
    assert_eq!(ran.code, 0, "it is a warning");
    let again = poor.run(dir.path(), &["deploy"]);
    assert!(!again.err.contains("toy:Paint"), "nothing is changed: {}", again.err);
    let dir = tempfile::tempdir().unwrap();
    let events = poor.run(dir.path(), &["deploy", "--json"]).events();
    let event = events.iter().find(|event| event["event"] == "missing_rights").expect("machines are told");
    assert_eq!(event["actions"], serde_json::json!(["toy:Paint", "toy:Sell"]));
}

#[test]
fn what_is_destructive_needs_a_yes() {
    let dir = deployed();
    let changed = Shape { color: Some("green"), size: 2, shelves: 1, ..Shape::new() };
    insta::assert_snapshot!(changed.run(dir.path(), &["plan"]).text(), @r"
    east-1
      main
        ± base      toy.store.thing
            replaced: `color` cannot change in place
            color  red → green
        ~ shelf[0]  toy.store.thing
            size  1 → 2
            on  thing-1 → (known after create)
        - shelf[1]  toy.store.thing
    global
      ~ sign  toy.store.sign
          text  https://thing-1.example.com/ or https://thing-2.example.com/ → (known after create)
    west-1
      copy
        ~ shelf[0]  toy.store.thing
            size  1 → 2
        - shelf[1]  toy.store.thing
    plan: 3 to update, 1 to replace, 2 to delete, 1 unchanged
    time: about 22 s, the longest chain has 3 steps
    slow: create east-1/main.base, 20 s
    gone: 3 resources will be destroyed: east-1/main.shelf[1], east-1/main.base, west-1/copy.shelf[1]
    --- exit 0
    ");
    let refused = changed.run(dir.path(), &["deploy"]);
    assert_eq!(refused.code, 2);
    insta::assert_snapshot!(refused.err, @r"
    error: the plan takes 3 resources away, and there is no terminal to ask at
       hint: this is the plan: give `--yes`
    ");
    assert_eq!(changed.run(dir.path(), &["deploy", "--yes"]).code, 0);
    assert_eq!(changed.run(dir.path(), &["plan", "--detailed-exitcode"]).code, 0);
}

#[test]
fn a_destroy_proves_that_nothing_is_left() {
    let dir = deployed();
    let refused = Shape::new().run(dir.path(), &["destroy"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    insta::assert_snapshot!(Shape::new().run(dir.path(), &["destroy", "--yes", "--concurrency", "1"]).text(), @r"
    east-1
      main
        - shelf[0,1]  toy.store.thing
        - base        toy.store.thing
    global
      - sign  toy.store.sign
    west-1
      copy
        - shelf[0,1]  toy.store.thing
        - base        toy.store.thing
    plan: 7 to delete
    time: about 2 s, the longest chain has 2 steps
    gone: 7 resources will be destroyed: east-1/main.shelf[0], east-1/main.shelf[1], global/sign, east-1/main.base and 3 more
    ✓ 7 deleted in N s
      10 calls: store 10
    ✓ nothing is left of `shop`: every type looked for in every region (3 reads)
    --- err
    - east-1/main.shelf[0] deleted (N s)
    - east-1/main.shelf[1] deleted (N s)
    - global/sign deleted (N s)
    - west-1/copy.shelf[0] deleted (N s)
    - west-1/copy.shelf[1] deleted (N s)
    - east-1/main.base deleted (N s)
    - west-1/copy.base deleted (N s)
    --- exit 0
    ");
    insta::assert_snapshot!(Shape::new().run(dir.path(), &["destroy", "--yes"]).text(), @r"
    nothing is deployed: no resources in DIR
    ✓ nothing is left of `shop`: every type looked for in every region (3 reads)
    --- exit 0
    ");
}

#[test]
fn a_lost_state_is_found_again_by_a_destroy() {
    let dir = deployed();
    for file in ["state", "journal"] {
        std::fs::remove_file(dir.path().join(file)).unwrap();
    }
    let ran = Shape::new().run(dir.path(), &["destroy", "--yes", "--json"]);
    assert_eq!(
        (ran.code, ran.done()["actions"].clone(), ran.done()["residue"].clone()),
        (0, json!({"delete": 7}), json!(0))
    );
}

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
fn a_program_with_errors_is_not_deployed() {
    let dir = tempdir().unwrap();
    let ran = Shape { invalid: true, ..Shape::new() }.run(dir.path(), &["deploy"]);
    insta::assert_snapshot!(ran.text(), @r"
    --- err
    error: the program of stack `shop` has 1 error
      dr-cli/tests/it/common/mod.rs:N a name in `east-1/main`: `not valid` has the character ' ': names are made of letters, digits, `-` and `_`
    --- exit 3
    ");
    let ran = Shape { invalid: true, ..Shape::new() }.run(dir.path(), &["deploy", "--json"]);
    assert_eq!(ran.done(), json!({"event": "done", "command": "deploy", "exit": 3}));
}

#[test]
fn what_is_protected_is_not_destroyed() {
    let dir = tempdir().unwrap();
    let kept = Shape { protect: true, ..Shape::new() };
    assert_eq!(kept.run(dir.path(), &["deploy"]).code, 0);
    insta::assert_snapshot!(kept.run(dir.path(), &["destroy", "--yes"]).text(), @r"
    --- err
    error: east-1/main.base is protected and would be deleted
       hint: take `.protect()` out of the program and deploy that first
    --- exit 3
    ");
}

#[test]
fn a_failed_step_says_what_failed_and_what_to_do() {
    let dir = tempdir().unwrap();
    let broken = Shape { broken: Some("east-1/main.shelf[1]"), ..Shape::new() };
    let ran = broken.run(dir.path(), &["deploy", "--concurrency", "1"]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.err, @r"
    + east-1/main.base created (N s)
    + west-1/copy.base created (N s)
    + east-1/main.shelf[0] created (N s)
    ✗ create east-1/main.shelf[1] failed: store:Create answered OutOfStock: there is none left
    + west-1/copy.shelf[0] created (N s)
    + west-1/copy.shelf[1] created (N s)
    + global/sign created (N s)
    error: create east-1/main.shelf[1] failed
      cause: store:Create answered OutOfStock: there is none left
         at: dr-cli/tests/it/common/mod.rs:N      request: r-7
      state: 6 of 7 steps are done and recorded; `deploy` continues from here
       hint: order some
    ");
    let ran = broken.run(dir.path(), &["deploy", "--json"]);
    assert_eq!((ran.done()["outcome"].clone(), ran.done()["failed"].clone()), (json!("failed"), json!(1)));
    assert!(ran.events().iter().any(|event| event["event"] == "error" && event["request_id"] == "r-7"));
    let healed = Shape::new().run(dir.path(), &["deploy", "--json"]);
    assert_eq!((healed.code, healed.done()["actions"].clone()), (0, json!({"create": 1})));
}

#[test]
fn a_failed_deploy_can_take_back_what_it_created() {
    let dir = tempdir().unwrap();
    assert_eq!(Shape { shelves: 1, ..Shape::new() }.run(dir.path(), &["deploy"]).code, 0);
    let broken = Shape { shelves: 4, broken: Some("east-1/main.shelf[3]"), ..Shape::new() };
    let ran = broken.run(dir.path(), &["deploy", "--on-failure", "teardown", "--json"]);
    assert_eq!((ran.code, ran.done()["torn_down"].clone()), (1, json!(5)), "{ran:?}");
    let plan = Shape { shelves: 1, ..Shape::new() }.run(dir.path(), &["plan"]);
    assert_eq!(plan.text(), "nothing to do, 5 unchanged\n--- exit 0");
}

#[test]
fn a_saved_plan_does_exactly_that_or_nothing() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("tonight.plan");
    let file = file.to_str().unwrap();
    assert_eq!(Shape::new().run(dir.path(), &["plan", "--out", file]).code, 0);
    let changed = Shape { size: 2, ..Shape::new() }.run(dir.path(), &["deploy", file]);
    insta::assert_snapshot!(changed.text(), @r"
    --- err
    error: the saved plan DIR/tonight.plan cannot be used
      cause: it was made for another version of the program: make it again with `plan --out`
    --- exit 2
    ");
    assert_eq!(Shape::new().run(dir.path(), &["deploy", file]).code, 0);
    let again = Shape::new().run(dir.path(), &["deploy", file]);
    assert_eq!(again.code, 2, "{again:?}");
    assert!(again.err.contains("which is now at"), "{again:?}");
    std::fs::write(file, "{").unwrap();
    assert_eq!(Shape::new().run(dir.path(), &["deploy", file]).code, 2);
    let missing = Shape::new().run(dir.path(), &["deploy", "nowhere.plan"]);
    assert_eq!(missing.code, 1);
    insta::assert_snapshot!(missing.err, @r"
    error: cannot read nowhere.plan
      cause: No such file or directory (os error 2)
    ");
}

#[test]
fn the_last_event_counts_everything() {
    let dir = tempdir().unwrap();
    let ran = Shape::new().run(dir.path(), &["deploy", "--json"]);
    let done = ran.done();
    assert_eq!(done["api_calls"], json!({"store": {"Create": 7, "List": 3}}));
    // The order of the keys is that of the JSON library, which other crates have a say in.
    let mut rest: std::collections::BTreeMap<_, _> = done.as_object().unwrap().clone().into_iter().collect();
    rest.remove("api_calls");
    insta::assert_snapshot!(serde_json::to_string_pretty(&rest).unwrap(), @r#"
    {
      "actions": {
        "create": 7
      },
      "api_calls_total": 10,
      "cloud": "toy",
      "command": "deploy",
      "critical_path": [
        "east-1/main.base",
        "east-1/main.shelf[0]"
      ],
      "critical_path_s": 40.0,
      "destructive": 0,
      "drift": 0,
      "event": "done",
      "exit": 0,
      "failed": 0,
      "outcome": "deployed",
      "planned": {
        "create": 7
      },
      "skipped": 0,
      "stack": "shop",
      "unknown": []
    }
    "#);
    let phases = |phase: &str| ran.events().iter().filter(|e| e["event"] == "step" && e["phase"] == phase).count();
    assert_eq!([phases("began"), phases("done")], [7, 7]);
    assert_eq!(ran.events().iter().filter(|event| event["event"] == "planned").count(), 7);
    let done = Shape::new().run(dir.path(), &["destroy", "--yes", "--json"]).done();
    assert_eq!((done["residue"].clone(), done["actions"].clone()), (json!(0), json!({"delete": 7})));
    assert_eq!(done["outcome"], "destroyed");
}

#[test]
fn a_cancelled_deploy_continues_later() {
    let dir = tempdir().unwrap();
    let cancel = Cancel::new();
    let stopped = Shape { cancel: Some(cancel.clone()), gate: Some(dir.path().join("gate")), ..Shape::new() };
    let ran = stopped.run(dir.path(), &["deploy", "--concurrency", "1"]);
    assert_eq!(ran.code, 130, "{ran:?}");
    assert!(ran.err.contains("`deploy` continues from here"), "{ran:?}");
    assert!(cancel.count() > 0);
    let ran = Shape::new().run(dir.path(), &["deploy", "--json"]);
    assert_eq!((ran.code, ran.done()["outcome"].clone()), (0, json!("deployed")));
    assert_eq!(Shape::new().run(dir.path(), &["plan", "--detailed-exitcode"]).code, 0);
}

#[test]
fn a_switch_that_is_pressed_already_ends_a_command_before_anything() {
    let dir = tempdir().unwrap();
    let cancel = Cancel::new();
    cancel.cancel();
    let ran = Shape { cancel: Some(cancel), ..Shape::new() }.run(dir.path(), &["deploy"]);
    assert_eq!((ran.code, ran.err.as_str()), (130, "cancelled before anything was changed\n"), "{ran:?}");
    assert_eq!(Shape::new().run(dir.path(), &["state", "list"]).out, "nothing is deployed: no resources in DIR\n");
}

#[test]
fn the_command_line_is_checked() {
    let dir = tempdir().unwrap();
    for args in [
        &["deplyo"][..],
        &["plan", "--wat"],
        &["plan", "--concurrency", "0"],
        &["state"],
        &["status", "--cloud", "moon"],
    ] {
        let ran = Shape::new().run(dir.path(), args);
        assert_eq!(ran.code, 2, "{args:?}: {ran:?}");
    }
    insta::assert_snapshot!(Shape::new().run(dir.path(), &["status", "--cloud", "moon"]).err.lines().next().unwrap(), @"error: there is no cloud `moon`");
    let ran = Shape::new().run(dir.path(), &["deplyo", "--json"]);
    assert_eq!(ran.events().len(), 2);
    assert_eq!(ran.events()[1], json!({"event": "done", "command": null, "exit": 2}));
    let ran = Shape::new().run(dir.path(), &["plan", "--wat", "--json"]);
    assert_eq!(ran.events()[1], json!({"event": "done", "command": "plan", "exit": 2}));
    let ran = Shape::new().run(dir.path(), &["state", "--json"]);
    assert_eq!(
        (ran.code, ran.events()[1].clone()),
        (2, json!({"event": "done", "command": "state", "exit": 2})),
        "{ran:?}"
    );
}

#[test]
fn a_cloud_that_does_not_let_us_in_says_why() {
    let dir = tempdir().unwrap();
    let ran = Shape { locked_out: true, ..Shape::new() }.run(dir.path(), &["plan"]);
    insta::assert_snapshot!(ran.text(), @r"
    --- err
    error: cannot open the cloud `toy`
      cause: toy:Open answered NoCredentials: nobody said who we are
    request: r-1
       hint: set TOY_KEY
    --- exit 1
    ");
}

/// Goal: `program plan | head -1` ends with the code of the plan.
#[test]
fn a_closed_pipe_ends_the_output_and_not_the_command() {
    let dir = tempdir().unwrap();
    let (mut out, mut err) = (Closing::default(), Vec::new());
    let state = dir.path().to_str().unwrap();
    let code = Shape::new().program().run_with(["plan", "--detailed-exitcode", "--state", state], &mut out, &mut err);
    assert_eq!((code, String::from_utf8(err).unwrap().as_str()), (6, ""));
    assert!(out.0 >= 2, "it went on writing until the pipe was closed");
    let code = Shape::new().program().run_with(["deploy", "--state", state], &mut Closing::default(), &mut Vec::new());
    assert_eq!(code, 0);
    assert_eq!(Shape::new().run(dir.path(), &["plan", "--detailed-exitcode"]).code, 0, "everything was deployed");
}

#[cfg(unix)]
#[test]
fn arguments_that_are_no_utf8_do_not_panic() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;
    let odd = || OsString::from_vec(vec![b'a', 0xff]);
    let mut err = Vec::new();
    let code = Shape::new().program().run_with([odd()], &mut Vec::new(), &mut err);
    assert_eq!(code, 2);
    let dir = tempdir().unwrap();
    let args = ["plan".into(), "--state".into(), dir.path().join(odd()).into_os_string()];
    assert_eq!(Shape::new().program().run_with(args, &mut Vec::new(), &mut Vec::new()), 0);
}

#[test]
fn every_command_has_an_example_in_its_help() {
    let dir = tempdir().unwrap();
    let help = Shape::new().run(dir.path(), &["--help"]);
    assert_eq!(help.code, 0);
    assert!(help.out.starts_with("A shop in two regions\n"), "{}", help.out);
    let commands: Vec<&str> = help
        .out
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty())
        .collect();
    assert!(commands.len() >= 11, "{commands:?}");
    let nested = ["list", "show", "rm", "mv", "unlock", "repair"].map(|name| vec!["state", name]);
    for mut args in commands.into_iter().map(|name| vec![name]).chain(nested) {
        args.push("--help");
        let ran = Shape::new().run(dir.path(), &args);
        assert!(ran.code == 0 && ran.out.contains("Example") && ran.out.contains("\n  program "), "{args:?}: {ran:?}");
    }
}

#[test]
fn completions_know_the_commands() {
    let dir = tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = Shape::new().run(dir.path(), &["completions", shell]);
        assert!(ran.code == 0 && ran.out.contains("destroy") && ran.out.contains("program"), "{shell}");
    }
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

#[test]
fn the_state_of_another_account_is_refused_before_anything() {
    let dir = deployed();
    let other = Shape { account: Some("43"), ..Shape::new() };
    for args in [&["verify"][..], &["plan"], &["deploy"], &["status"]] {
        let ran = other.run(dir.path(), args);
        assert!(ran.code == 2 && ran.out.is_empty() && ran.err.contains("belongs to account 42"), "{args:?}: {ran:?}");
        assert!(ran.err.contains("`--cloud aws`") && ran.err.contains("`--state DIR`"), "{ran:?}");
    }
}

#[test]
fn what_nobody_knows_leaves_no_directory_behind() {
    let dir = tempdir().unwrap();
    let none = dir.path().join("typo");
    for (args, code) in [
        (&["state", "rm", "east-1/main.base"][..], 2),
        (&["state", "mv", "east-1/main.base", "east-1/main.other"], 2),
        (&["state", "repair"], 0),
        (&["destroy", "--yes"], 0),
        (&["drift"], 0),
    ] {
        let ran = Shape::new().run(&none, args);
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
        assert!(!none.exists(), "{args:?}");
    }
    let ran = Shape { locked_out: true, ..Shape::new() }.run(&none, &["deploy"]);
    assert!(ran.code == 1 && !none.exists(), "{ran:?}");
}

#[test]
fn a_full_deploy_reads_everything() {
    let dir = deployed();
    let detail = |args: &[&str]| {
        let ran = Shape { tells_detail: true, ..Shape::new() }.run(dir.path(), args);
        assert_eq!(ran.code, 0, "{ran:?}");
        let events = ran.done()["api_calls"]["store"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        events.iter().any(|operation| operation == "ReadFull")
    };
    assert!(!detail(&["plan", "--json"]) && detail(&["plan", "--full", "--json"]));
    assert!(!detail(&["deploy", "--json"]) && detail(&["deploy", "--full", "--json"]));
}

#[test]
fn the_keys_of_a_line_are_in_order() {
    let dir = tempdir().unwrap();
    let shape = Shape { shelves: 12, ..Shape::new() };
    assert_eq!(shape.run(dir.path(), &["deploy"]).code, 0);
    let ran = shape.run(dir.path(), &["destroy"]);
    assert!(ran.out.contains("- shelf[0,1,2,3,4,5,6,7,8,9,10,11]"), "{ran:?}");
}

#[test]
fn options_stand_where_they_mean_something() {
    let dir = tempdir().unwrap();
    let help = |command: &str| Shape::new().run(dir.path(), &[command, "--help"]).out;
    assert!(help("deploy").contains("--yes") && help("destroy").contains("--concurrency"));
    assert!(help("deploy").contains("--on-failure") && !help("destroy").contains("--on-failure"));
    for option in ["--yes", "--concurrency", "--on-failure"] {
        assert!(!help("status").contains(option) && !help("graph").contains(option), "{option}");
    }
    // A script may set them for all its commands, before or after the command.
    for args in [&["status", "--yes"][..], &["--concurrency", "3", "plan"], &["plan", "--on-failure", "teardown"]] {
        assert_eq!(Shape::new().run(dir.path(), args).code, 0, "{args:?}");
    }
    assert_eq!(Shape::new().run(dir.path(), &["deploy"]).code, 0);
    assert_eq!(Shape::new().run(dir.path(), &["--yes", "destroy"]).code, 0);
}
