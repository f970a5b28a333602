//! Plans in files.

use dr_core::sim::{Fault, Operation};
use dr_core::{Action, Class, ConstructExt, Graph, Plan, SavedPlanError, State};
use insta::assert_snapshot;
use serde_json::json;

use super::{deployed, network};
use crate::common::{Shop, Vpc, deploy, east, settled, world};

#[test]
fn a_plan_is_read_back_as_it_was_saved() {
    let (before, after) = (Shop::default().stack(), Shop { cidr: "10.9.0.0/16", ..Shop::default() }.stack());
    let mut world = deployed(&before);
    world.remove("us-east-1/listener");
    let plan = world.plan(&after).unwrap();
    let loaded = Plan::load(&plan.save(), &after, &world.state()).unwrap();
    assert_eq!(loaded, plan);
    let shown: serde_json::Value = serde_json::to_value(&plan).unwrap();
    assert!(shown.get("start").is_none(), "what a machine reads is the plan and not the state");
}

/// Goal: what was approved is what is done, also when what was read had corrected the state.
#[test]
fn a_saved_plan_is_applied_exactly() {
    let (before, after) = (Shop::default().stack(), Shop { cidr: "10.9.0.0/16", size: 3, ..Shop::default() }.stack());
    let expected = {
        let mut world = deployed(&before);
        deploy(&mut world, &after);
        world.resources()
    };
    for lost in [false, true] {
        let mut world = deployed(&before);
        world.remove("us-east-1/listener");
        world.alter("us-west-2/server", |args| args["size"] = json!(7));
        if lost {
            world.lose_state();
        }
        let saved = world.plan(&after).unwrap().save();
        let plan = Plan::load(&saved, &after, &world.state()).unwrap();
        let ended = world.apply(&after, plan);
        assert!(ended.is_complete(), "state lost: {lost}: {ended:?}");
        assert_eq!(world.resources(), expected, "state lost: {lost}");
        settled(&mut world, &after, "applied");
    }
}

#[test]
fn a_plan_for_a_new_stack_can_be_saved_and_applied() {
    let program = Shop::default().stack();
    let mut world = world(0);
    let saved = world.plan(&program).unwrap().save();
    // Nothing was written, so whoever looks next makes up another lineage.
    world.lose_state();
    let plan = Plan::load(&saved, &program, &world.state()).unwrap();
    assert!(world.apply(&program, plan).is_complete());
    settled(&mut world, &program, "applied");
}

#[test]
fn a_saved_plan_that_does_not_fit_is_refused_with_the_reason() {
    let program = network("10.0.1.0/24", true);
    let mut world = deployed(&network("10.0.1.0/24", false));
    let state = world.state();
    let saved = world.plan(&program).unwrap().save();
    let load =
        |bytes: &[u8], program: &Graph, state: &State| Plan::load(bytes, program, state).unwrap_err().to_string();
    let edited = |from: &str, to: &str| {
        let text = String::from_utf8(saved.clone()).unwrap();
        assert!(text.contains(from), "{text}");
        text.replacen(from, to, 1).into_bytes()
    };
    let other = State { stack: "other".to_owned(), ..state.clone() };
    let made_again = State { lineage: "another".to_owned(), ..state.clone() };
    let moved_on = State { serial: state.serial + 3, ..state.clone() };
    assert_snapshot!(load(&saved, &program, &other), @"it was made for stack `demo`: make it again with `plan --out`");
    assert_snapshot!(load(&saved, &program, &made_again), @"it was made for another state of the stack: make it again with `plan --out`");
    assert_snapshot!(load(&saved, &program, &moved_on), @"it was made for the state at serial 6, which is now at 9: make it again with `plan --out`");
    assert_snapshot!(load(&saved, &network("10.0.3.0/24", true), &state), @"it was made for another version of the program: make it again with `plan --out`");
    assert_snapshot!(load(&edited("\"format\": 1", "\"format\": 2"), &program, &state), @"its format is 2, this version reads up to 1");
    assert_snapshot!(load(&edited("\"action\": \"update\"", "\"action\": \"create\""), &program, &state), @"its steps do not fit together: make it again with `plan --out`");
    assert_snapshot!(load(b"{\"format\": 1}", &program, &state), @"it is no plan");
    assert_snapshot!(load(b"garbage", &program, &state), @"it is no plan");
    assert!(matches!(Plan::load(b"", &program, &state), Err(SavedPlanError::Form(_))));
}

/// Goal: a plan file that was tampered with is refused or runs; it never makes the engine panic.
/// Method: cut it anywhere, and change each number in it.
#[test]
fn a_damaged_plan_file_never_panics() {
    let (before, after) = (network("10.0.1.0/24", true), network("10.0.2.0/24", false));
    let mut world = deployed(&before);
    let saved = world.plan(&after).unwrap().save();
    let state = world.state();
    for end in 0..saved.len() - 1 {
        assert!(Plan::load(&saved[..end], &after, &state).is_err(), "cut at byte {end}");
    }
    for at in 0..saved.len() {
        if !saved[at].is_ascii_digit() {
            continue;
        }
        let mut damaged = saved.clone();
        damaged[at] = if saved[at] == b'9' { b'0' } else { saved[at] + 1 };
        if let Ok(plan) = Plan::load(&damaged, &after, &state) {
            let mut world = deployed(&before);
            let _ = world.apply(&after, plan);
        }
    }
}

/// The old copy goes and the current one is let go: two steps of one resource that need no order.
#[test]
fn a_plan_that_forgets_what_has_an_old_copy_can_be_saved() {
    let vpc = |cidr: &'static str| {
        east(move |east| {
            east.add("vpc", Vpc::new(cidr).retain());
        })
    };
    let mut world = deployed(&vpc("10.0.0.0/16"));
    world.script(|called| (called.operation == Operation::Delete).then(|| Fault::refused(Class::Denied)));
    assert!(!world.deploy(&vpc("10.9.0.0/16")).is_complete(), "the old copy stays");
    world.script(|_| None);
    let gone = east(|_| {});
    let plan = world.plan(&gone).unwrap();
    let actions: Vec<_> = plan.steps.iter().map(|step| step.action).collect();
    assert!(actions.contains(&Action::Delete) && actions.contains(&Action::Forget), "{plan}");
    let loaded = Plan::load(&plan.save(), &gone, &world.state()).expect("what was saved can be applied");
    assert!(world.apply(&gone, loaded).is_complete());
}

#[test]
fn a_plan_file_whose_steps_of_one_resource_are_not_in_line_is_refused() {
    let (before, after) = (network("10.0.1.0/24", true), network("10.0.2.0/24", true));
    let mut world = deployed(&before);
    let mut plan: serde_json::Value = serde_json::from_slice(&world.plan(&after).unwrap().save()).unwrap();
    for step in plan["steps"].as_array_mut().unwrap() {
        step.as_object_mut().unwrap().remove("after");
    }
    let loaded = Plan::load(plan.to_string().as_bytes(), &after, &world.state());
    assert!(matches!(loaded, Err(SavedPlanError::Unsound)), "{loaded:?}");
}
