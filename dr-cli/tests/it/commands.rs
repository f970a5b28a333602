//! What each command prints, and how it ends.

mod line;
mod looking;

use dr_core::driver::Cancel;
use serde_json::json;
use tempfile::{TempDir, tempdir};

use crate::common::Shape;

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
