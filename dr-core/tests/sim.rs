//! Simulations of the whole engine: crashes, cancels, full disks and faults of the cloud, each from a printed seed.

mod common;

use std::time::Duration;

use common::random::{Program, random_world};
use common::{Shop, deploy, nothing, settled, sound, world};
use dr_core::sim::{Fault, Faults, Operation, Random, World};
use dr_core::{Class, Graph};

/// Goal: work that is interrupted anywhere and then done again ends where uninterrupted work ends.
/// Method: crash at effect 1, 2, 3, … until a process comes to its end; then a new process, and compare.
#[track_caller]
fn sweep(what: &str, seed: u64, prepare: &dyn Fn(&mut World), program: &Graph, destroy: bool) -> u64 {
    let work = |world: &mut World, crash: Option<u64>| match (destroy, crash) {
        (false, None) => world.deploy(program),
        (false, Some(effect)) => world.deploy_until(program, effect),
        (true, None) => world.destroy(program),
        (true, Some(effect)) => world.destroy_until(program, effect),
    };
    let mut whole = common::world(seed);
    prepare(&mut whole);
    let ended = work(&mut whole, None);
    assert!(ended.is_complete(), "{what} without a crash: {ended:?}");
    sound(&whole, what);
    let expected = whole.resources();
    for effect in 1.. {
        let place = format!("{what}, seed {seed}, crash at effect {effect}");
        let mut world = common::world(seed);
        prepare(&mut world);
        if !work(&mut world, Some(effect)).is_crashed() {
            return effect - 1;
        }
        world.restart();
        let ended = work(&mut world, None);
        assert!(ended.is_complete(), "{place}: {ended:?}");
        assert_eq!(world.resources(), expected, "{place}");
        sound(&world, &place);
        if !destroy {
            settled(&mut world, program, &place);
        }
    }
    unreachable!("some crash point is behind the end")
}

#[test]
fn a_deploy_that_crashes_anywhere_converges() {
    let program = Shop::default().stack();
    for seed in 0..3 {
        let points = sweep("deploy", seed, &|_| {}, &program, false);
        assert!(points > 100, "only {points} crash points");
    }
}
