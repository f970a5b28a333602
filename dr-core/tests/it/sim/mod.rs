//! Simulations of the whole engine: crashes, cancels, full disks and faults of the cloud, each from a printed seed.

mod answers;
mod lives;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dr_core::sim::{Called, Ended, Fault, Faults, Operation, Random, World};
use dr_core::{Class, ConstructExt, Stack};

use crate::common::{Server, Shop, Subnet, Vpc, deploy, east, settled, sound, world};

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
        let primary = stack.region_as(crate::common::Primary, region);
        let vpc = primary.add("vpc", Vpc::new("10.0.0.0/16"));
        let subnet = primary.add("subnet", Subnet::new(vpc.id, "10.0.0.0/24"));
        if of_another_type {
            primary.add("front", Server::new(subnet.id, "linux-1".to_owned()));
        } else {
            primary.add("front", crate::common::Balancer::new("shop", subnet.id));
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

fn changes(world: &World) -> u64 {
    world.calls().iter().filter(|call| call.operation.changes()).count() as u64
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
