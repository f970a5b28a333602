//! Disks and clouds that answer badly, one answer at a time.

use std::time::Duration;

use dr_core::engine::Limits;
use dr_core::sim::{Called, Fault, Operation};
use dr_core::{Certainty, Class, CloudError, Stack};

use super::{changes, shop, work};
use crate::common::{Subnet, Vpc, deploy, east, settled, sound, world};

/// Goal: a full disk stops the run without a call that nobody could remember, and loses nothing.
/// Method: fail append 1, 2, 3, … alone, and from there on.
#[test]
fn a_full_disk_at_any_append_stops_the_run_and_loses_nothing() {
    for name in ["create", "replace both ways in one chain", "destroy"] {
        let work = work(name);
        let before = work.world(3).appends();
        let (expected, whole) = work.whole(3);
        for append in before + 1..=whole.appends() {
            for forever in [false, true] {
                let place = format!("{name}, disk full at append {append}, forever: {forever}");
                let mut world = work.world(3);
                if forever {
                    world.disk_full_from(Some(append));
                } else {
                    world.disk_full_at(&[append]);
                }
                let ended = work.run(&mut world, None);
                let report = ended.report().unwrap_or_else(|| panic!("{place}: {ended:?}"));
                let why = report.store_failure.as_deref().unwrap_or_else(|| panic!("{place}: {report:?}"));
                assert!(why.contains("no space left"), "{place}: {why}");
                assert!(!ended.is_complete() || !forever, "{place}: {ended:?}");
                sound(&world, &place);
                world.disk_full_from(None);
                world.disk_full_at(&[]);
                work.converges(&mut world, &expected, &place);
            }
        }
    }
}

/// Goal: no answer that a cloud can give to any single call leaves anything behind, or is retried for ever.
/// Method: one fault at each changing call in turn, of each kind.
#[test]
fn any_single_fault_of_any_call_converges() {
    let mut faults: Vec<(String, Fault)> = vec![
        ("answer lost".to_owned(), Fault::AnswerLost),
        ("unanswered".to_owned(), Fault::Unanswered),
        ("slow".to_owned(), Fault::Slow(Duration::from_secs(40))),
    ];
    for class in [
        Class::Throttled,
        Class::Transient,
        Class::Eventual,
        Class::Dependency,
        Class::Stale,
        Class::Gone,
        Class::Denied,
        Class::Permanent,
    ] {
        faults.push((format!("{class:?}"), Fault::refused(class)));
    }
    for name in ["create", "replace both ways in one chain", "destroy"] {
        let work = work(name);
        let (expected, whole) = work.whole(4);
        let before = changes(&work.world(4));
        for nth in (before + 1..=changes(&whole)).step_by(3) {
            for (kind, fault) in &faults {
                let place = format!("{name}, call {nth}: {kind}");
                let mut world = work.world(4);
                let (fault, mut n) = (fault.clone(), before);
                world.script(move |called: &Called| {
                    n += u64::from(called.operation.changes());
                    // That something is not there is believed when it is to be deleted: a cloud that says so of what exists lies.
                    let lie = called.operation == Operation::Delete && fault == Fault::refused(Class::Gone);
                    (called.operation.changes() && n == nth && !lie).then(|| fault.clone())
                });
                let ended = work.run(&mut world, None);
                // Only what is final may end the run, and a delete that is answered "not there" is believed.
                let is_final = matches!(kind.as_str(), "Denied" | "Permanent" | "Gone");
                assert!(ended.is_complete() || is_final, "{place}: {ended:?}");
                if !ended.is_complete() {
                    let failed = &ended.report().expect("it ran").failed;
                    assert_eq!(failed.len(), 1, "{place}: only the step itself fails: {failed:?}");
                }
                work.converges(&mut world, &expected, &place);
            }
        }
    }
}

#[test]
fn a_call_that_always_fails_is_given_up_and_stops_only_what_depends_on_it() {
    let program = shop().stack();
    for (kind, fault) in [
        ("lost answers of creates that were not made", Fault::Unanswered),
        ("throttled", Fault::refused(Class::Throttled)),
        ("eventual", Fault::refused(Class::Eventual)),
        ("gone", Fault::refused(Class::Gone)),
        ("stale", Fault::refused(Class::Stale)),
        ("exists", Fault::refused(Class::Exists)),
        ("permanent", Fault::refused(Class::Permanent)),
    ] {
        let mut world = world(5);
        world.script(move |called: &Called| {
            let west = called.operation == Operation::Create && called.region == "us-west-2";
            (west && called.type_name == "test.net.subnet").then(|| fault.clone())
        });
        let ended = world.deploy(&program);
        let report = ended.report().unwrap_or_else(|| panic!("{kind}: {ended:?}"));
        let failed: Vec<_> = report.failed.iter().map(|step| step.address.to_string()).collect();
        assert_eq!(failed, ["us-west-2/net.public"], "{kind}");
        let east = world.resources().iter().filter(|line| line.starts_with("us-east-1/")).count();
        assert_eq!(east, 7, "{kind}: the other region is complete");
        assert!(report.skipped.iter().any(|a| a.as_str() == "us-west-2/balancer"), "{kind}: {:?}", report.skipped);
        sound(&world, kind);
        world.script(|_| None);
        deploy(&mut world, &program);
        settled(&mut world, &program, kind);
        sound(&world, kind);
    }
}

/// Goal: patience with one kind of answer does not use up that with another.
#[test]
fn one_unanswered_call_after_many_throttled_ones_is_made_again() {
    for last in [Fault::Unanswered, Fault::AnswerLost, Fault::refused(Class::Eventual), Fault::refused(Class::Stale)] {
        let mut world = world(0);
        let shown = last.clone();
        world.script(move |called: &Called| match (called.operation, called.type_name, called.nth) {
            (Operation::Create, "test.net.vpc", 1..12) => Some(Fault::refused(Class::Throttled)),
            (Operation::Create, "test.net.vpc", 12) => Some(last.clone()),
            _ => None,
        });
        let ended = world.deploy(&shop().stack());
        assert!(ended.is_complete(), "{shown:?}: {ended:?}");
        sound(&world, "throttled");
    }
}

/// Goal: a create whose answer was lost is not forgotten because a later try was refused.
#[test]
fn a_lost_answer_followed_by_a_refusal_is_still_asked_about() {
    let program = east(|east| {
        east.add("vpc", Vpc::new("10.0.0.0/16"));
    });
    let mut world = world(0);
    world.hide_new(Duration::from_secs(60));
    world.script(|called: &Called| match (called.operation, called.nth) {
        (Operation::Create, 1) => Some(Fault::AnswerLost),
        (Operation::Create, _) => Some(Fault::refused(Class::Denied)),
        _ => None,
    });
    let ended = world.deploy(&program);
    assert_eq!(ended.report().expect("it ran").unknown.len(), 1, "{ended:?}");
    assert_eq!(world.ids("us-east-1/vpc").len(), 1);
    world.script(|_| None);
    world.wait(60_000);
    // The program no longer has it, so only the state leads to it.
    deploy(&mut world, &crate::common::nothing("demo"));
    assert_eq!(world.resources(), [] as [&str; 0]);
}

#[test]
fn something_foreign_in_the_way_fails_with_a_hint_and_is_left_alone() {
    let mut world = world(0);
    let other = Stack::build("other", |stack| {
        let east = stack.region(crate::common::East);
        let vpc = east.add("vpc", Vpc::new("10.0.0.0/16"));
        let subnet = east.add("subnet", Subnet::new(vpc.id, "10.0.0.0/24"));
        east.add("balancer", crate::common::Balancer::new("shop", subnet.id));
    });
    deploy(&mut world, &other.expect("a valid program"));
    world.forget_stack();
    let ended = world.deploy(&shop().stack());
    let report = ended.report().expect("it ran");
    let failed: Vec<_> = report.failed.iter().map(|step| (step.address.as_str(), step.source.class)).collect();
    assert_eq!(failed, [("us-east-1/balancer", Class::Exists)]);
    assert!(report.failed[0].source.hint.as_deref().is_some_and(|hint| hint.contains("does not own")), "{report:?}");
    assert_eq!(world.resources().iter().filter(|line| line.contains("of other")).count(), 3);
}

#[test]
fn never_more_calls_are_in_flight_than_allowed() {
    let program = shop().stack();
    for calls in [1_usize, 2, 7] {
        let mut world = world(0);
        let mut limits = Limits::default();
        (limits.calls, limits.calls_per_service) = (calls, calls.div_ceil(2));
        world.set_limits(limits);
        deploy(&mut world, &program);
        let ended = world.destroy(&program);
        assert!(ended.is_complete(), "{ended:?}");
        assert_eq!(world.most_in_flight(), calls, "the places are used");
        sound(&world, "limited");
    }
}

/// Goal: a create that was made twice, because its answer was lost and a list lagged too long, is found and undone.
#[test]
fn a_resource_that_was_made_twice_is_made_one_again() {
    let program = east(|east| {
        let vpc = east.add("vpc", Vpc::new("10.0.0.0/16"));
        east.add("subnet", Subnet::new(vpc.id, "10.0.0.0/24"));
    });
    let mut world = world(0);
    let mut lost = 1;
    world.script(move |called: &Called| {
        let vpc = called.operation == Operation::Create && called.type_name == "test.net.vpc";
        (vpc && std::mem::take(&mut lost) == 1).then_some(Fault::AnswerLost)
    });
    world.hide_new(Duration::from_secs(60));
    deploy(&mut world, &program);
    assert_eq!(world.ids("us-east-1/vpc").len(), 2, "the fault did what it should");
    world.wait(60_000);
    deploy(&mut world, &program);
    assert_eq!(world.ids("us-east-1/vpc").len(), 1);
    assert_eq!(world.count(Operation::Create), 3, "the one in use stays");
    sound(&world, "one again");
    settled(&mut world, &program, "one again");
}

#[test]
fn an_error_tells_whether_the_change_may_have_happened() {
    let unknown = CloudError::new("x:Y", "Timeout", "no answer", Class::Transient);
    assert_eq!(unknown.certainty, Certainty::Unknown);
    assert_eq!(CloudError::new("x:Y", "Denied", "no", Class::Denied).certainty, Certainty::NotApplied);
}
