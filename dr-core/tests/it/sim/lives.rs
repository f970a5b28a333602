//! Random programs in random weather.

use std::time::Duration;

use dr_core::Graph;
use dr_core::sim::{Ended, Faults, Random, World};

use crate::common::random::{Program, random_world};
use crate::common::{deploy, settled, sound};

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
/// `LIVES=170..171 cargo nextest run -p dr-core --test it lives_whose_seeds_are_given`.
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
