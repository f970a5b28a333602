//! Simulations of the whole engine: crashes, cancels, full disks and faults of the cloud, each from a printed seed.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::random::{Program, random_world};
use common::{Server, Shop, Subnet, Vpc, deploy, east, settled, sound, world};
use dr_core::engine::Limits;
use dr_core::sim::{Called, Ended, Fault, Faults, Operation, Random, World};
use dr_core::{Certainty, Class, CloudError, ConstructExt, DriftKind, Graph, Stack};

/// A piece of work on a world: what is there before, and what is done.
struct Work {
    name: &'static str,
    before: Option<Stack>,
    program: Stack,
    destroy: bool,
}

impl Work {
    fn deploy(name: &'static str, before: Option<Shop>, after: &Shop) -> Self {
        Work { name, before: before.map(|shop| shop.stack()), program: after.stack(), destroy: false }
    }

    fn destroy(name: &'static str, before: &Shop) -> Self {
        Work { name, before: Some(before.stack()), program: before.stack(), destroy: true }
    }

    fn world(&self, seed: u64) -> World {
        let mut world = world(seed);
        if let Some(before) = &self.before {
            deploy(&mut world, before);
        }
        world
    }

    fn run(&self, world: &mut World, crash: Option<u64>) -> Ended {
        match (self.destroy, crash) {
            (false, None) => world.deploy(&self.program),
            (false, Some(effect)) => world.deploy_until(&self.program, effect),
            (true, None) => world.destroy(&self.program),
            (true, Some(effect)) => world.destroy_until(&self.program, effect),
        }
    }

    /// What uninterrupted work comes to.
    fn whole(&self, seed: u64) -> (Vec<String>, World) {
        let mut world = self.world(seed);
        let ended = self.run(&mut world, None);
        assert!(ended.is_complete(), "{} undisturbed: {ended:?}", self.name);
        sound(&world, self.name);
        assert_eq!(world.deletes_in_use(), 0, "{}: what is in use is not deleted", self.name);
        (world.resources(), world)
    }

    /// The next process does what is left, and everything is as it would be had nothing happened.
    fn converges(&self, world: &mut World, expected: &[String], place: &str) {
        world.restart();
        let ended = self.run(world, None);
        assert!(ended.is_complete(), "{place}: {ended:?}");
        assert_eq!(world.resources(), expected, "{place}");
        sound(world, place);
        if !self.destroy {
            settled(world, &self.program, place);
        }
    }

    /// Goal: work that is interrupted anywhere and then done again ends where uninterrupted work ends.
    /// Method: crash at effect 1, 2, 3, … until a process comes to its end; then a new process, and compare.
    fn sweep(&self, seed: u64) {
        let (expected, whole) = self.whole(seed);
        let points = whole.effects();
        assert!(points > 30, "{}: only {points} crash points", self.name);
        for effect in 1..=points {
            let place = format!("{}, seed {seed}, crash at effect {effect}", self.name);
            let mut world = self.world(seed);
            let ended = self.run(&mut world, Some(effect));
            assert!(ended.is_crashed(), "{place}: {ended:?}");
            self.converges(&mut world, &expected, &place);
        }
    }
}

fn shop() -> Shop {
    Shop::default()
}

/// A role that is bound to another region, and an address that gets another type.
fn moves_house(region: &str, of_another_type: bool) -> Stack {
    Stack::build("shop", |stack| {
        let primary = stack.region_as(common::Primary, region);
        let vpc = primary.add("vpc", Vpc::new("10.0.0.0/16"));
        let subnet = primary.add("subnet", Subnet::new(vpc.id, "10.0.0.0/24"));
        if of_another_type {
            primary.add("front", Server::new(subnet.id, "linux-1".to_owned()));
        } else {
            primary.add("front", common::Balancer::new("shop", subnet.id));
        }
    })
    .expect("a valid program")
}

/// Every kind of work that the sweeps interrupt.
fn works() -> Vec<Work> {
    let resized = Shop { size: 2, ttl: 30, ..shop() };
    let renumbered = Shop { cidr: "10.9.0.0/16", ..shop() };
    let renamed = Shop { balancer: "store", port: 81, ..shop() };
    let in_place = Shop { internal: false, ..shop() };
    let both = Shop { cidr: "10.9.0.0/16", balancer: "store", ttl: 30, ..shop() };
    let alone = Shop { standby: false, ..shop() };
    let moved = Shop { net: "network", ..shop() };
    let moved_and_replaced = Shop { net: "network", cidr: "10.9.0.0/16", ..shop() };
    let retained = Shop { retain_vpc: true, ..shop() };
    vec![
        Work::deploy("create", None, &shop()),
        Work::deploy("update", Some(shop()), &resized),
        Work::deploy("replace, the new one first", Some(shop()), &renumbered),
        Work::deploy("replace, the old one first", Some(shop()), &renamed),
        Work::deploy("replace in the place of the old one", Some(shop()), &in_place),
        Work::deploy("replace both ways in one chain", Some(shop()), &both),
        Work::deploy("shrink", Some(shop()), &alone),
        Work::deploy("grow", Some(alone), &shop()),
        Work::deploy("move a scope", Some(shop()), &moved),
        Work::deploy("move a scope and replace", Some(shop()), &moved_and_replaced),
        Work::deploy("shrink and retain", Some(retained.clone()), &Shop { standby: false, ..retained.clone() }),
        Work {
            name: "another region for a role",
            before: Some(moves_house("us-east-1", false)),
            program: moves_house("eu-west-1", false),
            destroy: false,
        },
        Work {
            name: "another type and another region",
            before: Some(moves_house("us-east-1", false)),
            program: moves_house("eu-west-1", true),
            destroy: false,
        },
        Work::destroy("destroy", &shop()),
        Work::destroy("destroy and retain", &retained),
    ]
}

fn work(name: &str) -> Work {
    works().into_iter().find(|work| work.name == name).expect("a known kind of work")
}

#[test]
fn a_deploy_that_crashes_anywhere_converges() {
    (0..3).for_each(|seed| work("create").sweep(seed));
}

#[test]
fn an_update_that_crashes_anywhere_converges() {
    (0..3).for_each(|seed| work("update").sweep(seed));
}

#[test]
fn a_replacement_that_crashes_anywhere_converges() {
    (0..2).for_each(|seed| work("replace, the new one first").sweep(seed));
}

#[test]
fn a_replacement_whose_old_copy_goes_first_converges_after_any_crash() {
    (0..3).for_each(|seed| work("replace, the old one first").sweep(seed));
}

/// Goal: what has the same name as its predecessor waits until that is gone, also when an earlier process had it deleted.
#[test]
fn a_replacement_in_the_same_place_converges_after_any_crash() {
    (0..3).for_each(|seed| work("replace in the place of the old one").sweep(seed));
}

#[test]
fn a_chain_of_both_replacements_converges_after_any_crash() {
    (0..2).for_each(|seed| work("replace both ways in one chain").sweep(seed));
}

#[test]
fn a_shrinking_deploy_that_crashes_anywhere_converges() {
    (0..2).for_each(|seed| work("shrink").sweep(seed));
    work("grow").sweep(0);
}

#[test]
fn a_move_that_crashes_anywhere_keeps_the_resources() {
    let work = work("move a scope");
    (0..3).for_each(|seed| work.sweep(seed));
    let mut world = work.world(0);
    let created = world.count(Operation::Create);
    assert!(work.run(&mut world, None).is_complete());
    assert_eq!(world.count(Operation::Create), created, "moving creates nothing");
    assert_eq!(world.count(Operation::Delete), 0, "moving deletes nothing");
}

/// Goal: what was moved and still carries its old name is known by the state, with its order and its protection.
#[test]
fn a_move_that_was_stopped_before_the_provider_knew_is_told_later() {
    let program = |name: &str, moved: bool| {
        east(|east| {
            if moved {
                east.moved("vpc", name);
            }
            let vpc = east.add(name, Vpc::new("10.0.0.0/16").protect());
            east.add("subnet", Subnet::new(vpc.id, "10.0.0.0/24"));
        })
    };
    let mut world = world(0);
    deploy(&mut world, &program("vpc", false));
    world.script(|called| (called.operation == Operation::Adopt).then(|| Fault::refused(Class::Denied)));
    assert!(!world.deploy(&program("network", true)).is_complete());
    world.script(|_| None);
    // Also when the line of the move is gone from the program by then.
    for moved in [true, false] {
        let plan = world.plan(&program("network", moved)).expect("there is a plan");
        insta::allow_duplicates! {
            insta::assert_snapshot!(plan, @"
            ! us-east-1/network still carries the name us-east-1/vpc
            → us-east-1/network  test.net.vpc  it still carries the name us-east-1/vpc
            1 to move, 1 unchanged
            ");
        }
    }
    assert!(world.plan(&east(|_| {})).is_err(), "it is still protected");
    deploy(&mut world, &program("network", false));
    settled(&mut world, &program("network", false), "told");
    assert_eq!((world.count(Operation::Create), world.count(Operation::Delete)), (2, 0));
}

#[test]
fn a_move_with_a_replacement_converges_after_any_crash() {
    work("move a scope and replace").sweep(0);
}

/// Goal: an old copy that is of another type or in another region than its successor is not lost sight of.
#[test]
fn a_move_to_another_region_or_type_leaves_nothing_behind() {
    (0..2).for_each(|seed| work("another region for a role").sweep(seed));
    (0..2).for_each(|seed| work("another type and another region").sweep(seed));
}

#[test]
fn a_destroy_that_crashes_anywhere_converges() {
    (0..3).for_each(|seed| work("destroy").sweep(seed));
}

#[test]
fn what_is_retained_survives_a_crash_anywhere() {
    work("shrink and retain").sweep(0);
    let work = work("destroy and retain");
    work.sweep(1);
    let (left, _) = work.whole(0);
    assert_eq!(left.iter().filter(|line| line.contains("test.net.vpc")).count(), 2, "{left:#?}");
    assert!(left.iter().all(|line| line.contains("of retained:shop")), "{left:#?}");
}

/// Goal: a deploy that the program has overtaken converges too: what runs after a crash need not be what ran before.
#[test]
fn another_program_after_the_crash_converges_to_that_program() {
    let (before, after) = (shop().stack(), Shop { cidr: "10.9.0.0/16", size: 2, standby: false, ..shop() }.stack());
    let expected = {
        let mut world = world(0);
        deploy(&mut world, &after);
        world.resources()
    };
    for effect in (1..).step_by(2) {
        let place = format!("crash at effect {effect}");
        let mut world = world(0);
        if !world.deploy_until(&before, effect).is_crashed() {
            break;
        }
        world.restart();
        let mut ended = world.deploy(&after);
        if !ended.is_complete() {
            // What an unanswered create made may turn out to be what the older program wanted: it says so, and goes on.
            let report = ended.report().unwrap_or_else(|| panic!("{place}: {ended:?}"));
            assert!(report.failed.iter().all(|step| step.source.code == "Changed"), "{place}: {report:#?}");
            ended = world.deploy(&after);
        }
        assert!(ended.is_complete(), "{place}: {ended:?}");
        assert_eq!(world.resources(), expected, "{place}");
        sound(&world, &place);
        settled(&mut world, &after, &place);
    }
}

/// Goal: what a create left open is looked for and deleted by a program that no longer knows its secret.
#[test]
fn what_had_a_secret_and_is_dropped_after_a_crash_is_deleted() {
    let with = |server: bool| {
        east(|east| {
            let vpc = east.add("main", Vpc::new("10.0.0.0/16"));
            let web = east.add("web", Subnet::new(vpc.id, "10.0.1.0/24"));
            if server {
                east.add("server", Server::new(web.id, "linux-1".to_owned()));
            }
        })
    };
    for effect in 1.. {
        let place = format!("crash at effect {effect}");
        let mut world = world(0);
        if !world.deploy_until(&with(true), effect).is_crashed() {
            break;
        }
        world.restart();
        let ended = world.deploy(&with(false));
        assert!(ended.is_complete(), "{place}: {ended:?}");
        sound(&world, &place);
        settled(&mut world, &with(false), &place);
    }
}

#[test]
fn a_destroy_after_a_crashed_deploy_leaves_nothing() {
    let program = shop().stack();
    for effect in 1.. {
        let place = format!("crash at effect {effect}");
        let mut world = world(1);
        world.set_faults(Faults { stale: Duration::from_secs(3), late: Duration::from_secs(2), ..Faults::default() });
        if !world.deploy_until(&program, effect).is_crashed() {
            break;
        }
        world.restart();
        let ended = world.destroy(&program);
        assert!(ended.is_complete(), "{place}: {ended:?}");
        assert_eq!(world.resources(), [] as [&str; 0], "{place}");
        sound(&world, &place);
    }
}

#[test]
fn a_crash_during_the_recovery_from_a_crash_converges() {
    let work = work("replace both ways in one chain");
    let (expected, whole) = work.whole(0);
    let mut random = Random::new(0, "crashes");
    for round in 0..60 {
        let mut world = work.world(0);
        let mut place = format!("round {round}, crashes at");
        for _ in 0..4 {
            let effect = 1 + random.below(whole.effects());
            place = format!("{place} {effect}");
            if !work.run(&mut world, Some(effect)).is_crashed() {
                break;
            }
            world.restart();
        }
        work.converges(&mut world, &expected, &place);
    }
}

#[test]
fn a_cancelled_run_can_be_continued_wherever_it_was_cancelled() {
    for name in ["create", "replace both ways in one chain", "destroy"] {
        let work = work(name);
        let (expected, whole) = work.whole(2);
        for effect in 1..=whole.effects() {
            for twice in [false, true] {
                let place = format!("{name}, cancelled at effect {effect}, twice: {twice}");
                let mut world = work.world(2);
                world.cancel_at(&[effect, effect + 1][..1 + usize::from(twice)]);
                let ended = work.run(&mut world, None);
                assert!(ended.is_cancelled() || ended.is_complete(), "{place}: {ended:?}");
                sound(&world, &place);
                work.converges(&mut world, &expected, &place);
            }
        }
    }
}

#[test]
fn after_a_cancel_no_new_call_changes_anything() {
    let program = shop().stack();
    let mut world = world(0);
    world.cancel_at(&[70]);
    let (cancelled, late) = (Arc::new(AtomicU64::new(u64::MAX)), Arc::new(AtomicU64::new(0)));
    let (seen, counted) = (Arc::clone(&cancelled), Arc::clone(&late));
    world.script(move |called: &Called| {
        if called.operation.changes() && called.at > seen.load(Ordering::SeqCst) {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        None
    });
    let ended = world.deploy(&program);
    assert!(ended.is_cancelled(), "{ended:?}");
    let calls = world.calls();
    let last_call = calls.iter().filter(|call| call.operation.changes()).map(|call| call.at).max().unwrap_or_default();
    assert!(world.now_ms() - last_call <= 8_000, "the answers in flight were not waited for longer than the grace");
    assert_eq!(late.load(Ordering::SeqCst), 0);
    sound(&world, "cancelled");
}

#[test]
fn a_hanging_call_is_given_up_after_the_grace_and_asked_about_later() {
    for (name, fault) in [("not done", Fault::Hangs), ("done", Fault::DoneAndHangs)] {
        let work = work("create");
        let (expected, _) = work.whole(0);
        let mut world = work.world(0);
        let mut once = Some(fault);
        world.script(move |called: &Called| {
            let slow = called.operation == Operation::Create && called.type_name == "test.lb.balancer";
            slow.then(|| once.take()).flatten()
        });
        world.cancel_at(&[170]);
        let ended = work.run(&mut world, None);
        assert!(ended.is_cancelled(), "{name}: {ended:?}");
        let unknown = &ended.report().expect("it ran").unknown;
        assert_eq!(
            unknown.iter().map(ToString::to_string).filter(|a| a.contains("balancer")).count(),
            1,
            "{unknown:?}"
        );
        work.converges(&mut world, &expected, name);
    }
}

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

fn changes(world: &World) -> u64 {
    world.calls().iter().filter(|call| call.operation.changes()).count() as u64
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
    deploy(&mut world, &common::nothing("demo"));
    assert_eq!(world.resources(), [] as [&str; 0]);
}

#[test]
fn something_foreign_in_the_way_fails_with_a_hint_and_is_left_alone() {
    let mut world = world(0);
    let other = Stack::build("other", |stack| {
        let east = stack.region(common::East);
        let vpc = east.add("vpc", Vpc::new("10.0.0.0/16"));
        let subnet = east.add("subnet", Subnet::new(vpc.id, "10.0.0.0/24"));
        east.add("balancer", common::Balancer::new("shop", subnet.id));
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
fn a_lost_state_is_rebuilt_without_a_single_change() {
    let program = shop().stack();
    for seed in 0..5 {
        let mut world = world(seed);
        deploy(&mut world, &program);
        let (resources, changed) = (world.resources(), changes(&world));
        world.lose_state();
        let ended = world.deploy(&program);
        assert!(ended.is_complete(), "seed {seed}: {ended:?}");
        assert_eq!(changes(&world), changed, "seed {seed}: calls that change something: {:#?}", ended.plan());
        assert_eq!(world.resources(), resources, "seed {seed}");
        sound(&world, "after the state was lost");
        settled(&mut world, &program, "after the state was lost");
    }
}

#[test]
fn a_lost_state_does_not_hinder_a_destroy() {
    let program = shop().stack();
    let mut world = world(0);
    deploy(&mut world, &program);
    world.lose_state();
    let ended = world.destroy(&program);
    assert!(ended.is_complete(), "{ended:?}");
    assert_eq!(world.resources(), [] as [&str; 0]);
}

#[test]
fn a_state_that_is_lost_in_the_middle_of_a_deploy_is_rebuilt() {
    let work = work("create");
    let (expected, whole) = work.whole(0);
    for effect in (1..=whole.effects()).step_by(3) {
        let place = format!("crash and loss at effect {effect}");
        let mut world = work.world(0);
        assert!(work.run(&mut world, Some(effect)).is_crashed(), "{place}");
        world.lose_state();
        work.converges(&mut world, &expected, &place);
    }
}

#[test]
fn one_region_away_does_not_hold_up_the_other() {
    let program = shop().stack();
    let mut world = world(0);
    world.set_faults(Faults { away: ["us-west-2".to_owned()].into(), ..Faults::default() });
    let ended = world.deploy(&program);
    assert!(!ended.is_complete());
    assert_eq!(world.resources().iter().filter(|line| line.starts_with("us-east-1/")).count(), 7);
    let west = world.calls().iter().filter(|c| c.region == "us-west-2" && c.operation.changes()).count();
    assert_eq!(west, 0, "what could not be read is not changed");
    sound(&world, "one region away");
    world.set_faults(Faults::default());
    deploy(&mut world, &program);
    settled(&mut world, &program, "the region is back");
    sound(&world, "the region is back");
}

#[test]
fn a_region_that_goes_away_in_the_middle_of_a_deploy_keeps_what_it_has() {
    let program = shop().stack();
    let whole = work("create").whole(0).0;
    for nth in [5, 10, 20, 30] {
        let mut world = world(0);
        let mut n = 0;
        world.script(move |called: &Called| {
            n += u32::from(called.region == "us-west-2" && called.operation != Operation::Read);
            (called.region == "us-west-2" && n > nth).then_some(Fault::Unanswered)
        });
        let ended = world.deploy(&program);
        assert!(!ended.is_complete(), "call {nth}");
        assert_eq!(world.resources().iter().filter(|line| line.starts_with("us-east-1/")).count(), 7);
        sound(&world, "the region went away");
        // Still away: nothing is thrown away because it cannot be seen.
        let known = world.state().len();
        assert!(!world.deploy(&program).is_complete());
        assert_eq!(world.state().len(), known, "call {nth}");
        world.script(|_| None);
        deploy(&mut world, &program);
        assert_eq!(world.resources(), whole, "call {nth}");
        settled(&mut world, &program, "the region is back");
    }
}

#[test]
fn what_somebody_deleted_is_made_again_and_what_somebody_changed_is_brought_back() {
    let program = shop().stack();
    let mut world = world(0);
    deploy(&mut world, &program);
    let whole = world.resources();
    assert!(world.remove("us-east-1/listener"));
    assert!(world.alter("global/first", |args| args["ttl"] = 5.into()));
    let plan = world.plan(&program).expect("there is a plan");
    let drift: Vec<_> = plan.drift.iter().map(|d| (d.address.as_str(), matches!(d.kind, DriftKind::Gone))).collect();
    assert_eq!(drift, [("global/first", false), ("us-east-1/listener", true)]);
    deploy(&mut world, &program);
    assert_eq!(world.resources(), whole);
    settled(&mut world, &program, "repaired");
    sound(&world, "repaired");
}

#[test]
fn a_resource_that_never_works_is_replaced_by_the_next_deploy() {
    let program = shop().stack();
    let whole = work("create").whole(0).0;
    let mut world = world(0);
    let broken = ["us-east-1/server".to_owned(), "us-west-2/net.gateway".to_owned()];
    world.set_faults(Faults { broken: broken.into(), ..Faults::default() });
    let ended = world.deploy(&program);
    let report = ended.report().expect("it ran");
    assert_eq!(report.failed.len(), 2, "{report:?}");
    world.set_faults(Faults::default());
    deploy(&mut world, &program);
    assert_eq!(world.resources(), whole);
    sound(&world, "replaced");
    assert!(world.break_down("us-east-1/server"));
    deploy(&mut world, &program);
    assert_eq!(world.resources(), whole);
    settled(&mut world, &program, "replaced again");
}

/// Goal: what the stack lets go of stays, whatever the stack does later.
#[test]
fn a_retained_resource_is_never_taken_back() {
    let program = |server: bool| {
        east(|east| {
            let vpc = east.add("vpc", Vpc::new("10.0.0.0/16"));
            let subnet = east.add("subnet", Subnet::new(vpc.id, "10.0.0.0/24"));
            east.add("other", Server::new(subnet.id, "linux-1".to_owned()));
            if server {
                east.add("server", Server::new(subnet.id, "linux-1".to_owned()).retain());
            }
        })
    };
    let mut world = world(0);
    deploy(&mut world, &program(true));
    let kept = world.ids("us-east-1/server");
    deploy(&mut world, &program(false));
    settled(&mut world, &program(false), "retained");
    deploy(&mut world, &program(false));
    world.lose_state();
    deploy(&mut world, &program(false));
    assert_eq!(world.ids("us-east-1/server"), kept);
    // The same address again is another resource.
    deploy(&mut world, &program(true));
    assert_eq!(world.ids("us-east-1/server").len(), 2);
    sound(&world, "retained and made again");
}

#[test]
fn a_retention_that_is_added_later_holds() {
    let program = |server: Option<bool>| {
        east(|east| {
            let vpc = east.add("vpc", Vpc::new("10.0.0.0/16"));
            let subnet = east.add("subnet", Subnet::new(vpc.id, "10.0.0.0/24"));
            match server {
                Some(true) => {
                    east.add("server", Server::new(subnet.id, "linux-1".to_owned()).retain());
                }
                Some(false) => {
                    east.add("server", Server::new(subnet.id, "linux-1".to_owned()));
                }
                None => {}
            }
        })
    };
    let mut world = world(0);
    deploy(&mut world, &program(Some(false)));
    let kept = world.ids("us-east-1/server");
    settled(&mut world, &program(Some(true)), "nothing but the program's word changes");
    deploy(&mut world, &program(Some(true)));
    deploy(&mut world, &program(None));
    assert_eq!(world.ids("us-east-1/server"), kept);
    // And one that is taken back is gone with the program.
    deploy(&mut world, &program(Some(true)));
    deploy(&mut world, &program(Some(false)));
    deploy(&mut world, &program(None));
    assert_eq!(world.ids("us-east-1/server"), kept, "only the retained one is left");
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

/// Random faults of every kind, within what the engine promises to bear.
fn weather(seed: u64) -> Faults {
    let mut random = Random::new(seed, "weather");
    let mut share = |most: u64| random.below(most + 1) as f64 / 100.0;
    let (lost, unanswered, throttled) = (share(12), share(12), share(25));
    let secs = |random: &mut Random, most: u64| Duration::from_millis(random.below(most * 1000 + 1));
    Faults {
        lost,
        unanswered,
        throttled,
        stale: secs(&mut random, 2),
        unseen: secs(&mut random, 20),
        late: secs(&mut random, 1),
        ..Faults::default()
    }
}

/// Goal: random programs under random faults, crashes and cancels converge to the last program, and destroy leaves nothing.
/// Method: a chain of versions; each is deployed by processes that may die, until one comes to its end.
fn random_life(seed: u64) {
    let mut random = Random::new(seed, "life");
    let parts = 4 + usize::try_from(random.below(12)).unwrap_or_default();
    let mut program = Program::random(&mut random, parts);
    let mut world = random_world(seed);
    for version in 0..4 {
        let stack = program.stack();
        let place = format!("seed {seed}, version {version}");
        live(&mut world, &mut random, seed + version, &stack, &place, false, version == 0);
        let mut alone = random_world(seed);
        deploy(&mut alone, &stack);
        assert_eq!(world.resources(), alone.resources(), "{place}");
        settled(&mut world, &stack, &place);
        program = program.changed(&mut random);
    }
    let stack = program.stack();
    live(&mut world, &mut random, seed, &stack, &format!("seed {seed}, destroy"), true, false);
    assert_eq!(world.resources(), [] as [&str; 0], "seed {seed}");
}

/// Runs processes under faults, each of which may be killed or stopped, and at last one in good weather.
fn live(world: &mut World, random: &mut Random, seed: u64, stack: &Graph, place: &str, destroy: bool, first: bool) {
    world.set_faults(weather(seed));
    for _ in 0..random.below(4) {
        let effect = 1 + random.below(400);
        let ended = match (random.chance(0.7), destroy) {
            (true, false) => world.deploy_until(stack, effect),
            (true, true) => world.destroy_until(stack, effect),
            (false, _) => {
                world.cancel_at(&[effect]);
                if destroy { world.destroy(stack) } else { world.deploy(stack) }
            }
        };
        if let Ended::NotRun(error) = &ended {
            panic!("{place}: {error}");
        }
        let violations = world.violations();
        assert!(violations.is_empty(), "{place}: {violations:#?}");
        // Of what is in no program and has no tags, only the state knows.
        if first && random.chance(0.2) {
            world.lose_state();
        }
        world.restart();
    }
    world.set_faults(Faults::default());
    world.wait(30_000);
    let mut ended = if destroy { world.destroy(stack) } else { world.deploy(stack) };
    if !ended.is_complete() {
        let report = ended.report().unwrap_or_else(|| panic!("{place}: {ended:?}"));
        assert!(report.failed.iter().all(|step| step.source.code == "Changed"), "{place}: {report:#?}");
        ended = world.deploy(stack);
    }
    assert!(ended.is_complete(), "{place}: {ended:?}");
    sound(world, place);
}

/// Goal: in good weather the order of the plan alone suffices: nothing is ever asked to go while something uses it.
#[test]
fn random_changes_in_good_weather_never_delete_what_is_in_use() {
    for seed in 0..150 {
        let mut random = Random::new(seed, "good weather");
        let parts = 4 + usize::try_from(random.below(14)).unwrap_or_default();
        let mut program = Program::random(&mut random, parts);
        let mut world = random_world(seed);
        for version in 0..4 {
            let place = format!("seed {seed}, version {version}");
            let stack = program.stack();
            deploy(&mut world, &stack);
            sound(&world, &place);
            settled(&mut world, &stack, &place);
            assert_eq!(world.deletes_in_use(), 0, "{place}");
            program = program.changed(&mut random);
        }
        let ended = world.destroy(&program.stack());
        assert!(ended.is_complete(), "seed {seed}: {ended:?}");
        assert_eq!((world.deletes_in_use(), world.resources().len()), (0, 0), "seed {seed}");
    }
}

/// More lives, or the one whose seed a failing test has printed:
/// `LIVES=170..171 cargo nextest run -p dr-core --test sim lives_whose_seeds_are_given`.
#[test]
fn lives_whose_seeds_are_given() {
    let given = std::env::var("LIVES").ok();
    let ends = given.as_deref().and_then(|seeds| seeds.split_once("..")).map(|(from, to)| (from.parse(), to.parse()));
    let seeds = if let Some((Ok(from), Ok(to))) = ends { from..to } else { 0..1 };
    seeds.for_each(random_life);
}

#[test]
fn random_programs_in_random_weather_converge_1() {
    (0..75).for_each(random_life);
}

#[test]
fn random_programs_in_random_weather_converge_2() {
    (75..150).for_each(random_life);
}

#[test]
fn random_programs_in_random_weather_converge_3() {
    (150..225).for_each(random_life);
}

#[test]
fn random_programs_in_random_weather_converge_4() {
    (225..300).for_each(random_life);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut random = Random::new(seed, "life");
        let stack = Program::random(&mut random, 12).stack();
        let mut world = random_world(seed);
        world.set_faults(weather(seed));
        let _ = world.deploy_until(&stack, 150);
        (world.calls(), world.disk())
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7).0, run(8).0);
}

#[test]
fn an_error_tells_whether_the_change_may_have_happened() {
    let unknown = CloudError::new("x:Y", "Timeout", "no answer", Class::Transient);
    assert_eq!(unknown.certainty, Certainty::Unknown);
    assert_eq!(CloudError::new("x:Y", "Denied", "no", Class::Denied).certainty, Certainty::NotApplied);
}
