//! States that are lost, regions that are away, and what others do.

use dr_core::sim::{Called, Fault, Faults, Operation};
use dr_core::{ConstructExt, DriftKind};

use super::{changes, shop, work};
use crate::common::{Server, Subnet, Vpc, deploy, east, settled, sound, world};

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
