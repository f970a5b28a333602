//! Plans: program, state and what was read go in; the text that a user reads, and what a machine reads, come out.

mod always;
mod drift;
mod lookups;
mod moves;
mod saved;

use std::marker::PhantomData;
use std::ops::Range;

use dr_core::sim::World;
use dr_core::{
    Action, Anywhere, ConstructExt, Graph, Input, IntoInput as _, Observed, Output, Outputs, Plan, PlanError,
    PlanErrors, Region, Resource, Scope, Stack,
};
use insta::assert_snapshot;

use crate::common::{Balancer, East, PlotId, Primary, Server, Shop, Subnet, Vpc, deploy, east, nothing, world};

/// A world in which the program is deployed.
fn deployed(program: &Graph) -> World {
    let mut world = world(0);
    deploy(&mut world, program);
    world
}

/// The plan from one program to another, nothing having changed in between.
fn change(before: &Graph, after: &Graph) -> Plan {
    deployed(before).plan(after).expect("there is a plan")
}

/// The errors of the plan from one program to another.
fn refused(before: &Graph, after: &Graph) -> String {
    let state = deployed(before).state();
    Plan::between(after, &state, &Observed::unchanged()).expect_err("there is no plan").to_string()
}

fn network(cidr: &str, dns: bool) -> Stack {
    east(|east| {
        let vpc = east.add("main", Vpc::new("10.0.0.0/16").dns(dns));
        east.add("web", Subnet::new(vpc.id, cidr));
    })
}

fn with_server(program: impl Fn(Server<East>) -> Server<East>) -> Stack {
    east(|east| {
        let vpc = east.add("main", Vpc::new("10.0.0.0/16"));
        let web = east.add("web", Subnet::new(vpc.id, "10.0.1.0/24"));
        east.add("server", program(Server::new(web.id, "linux-1".to_owned())));
    })
}

#[test]
fn a_first_plan_creates_everything() {
    let plan = world(0).plan(&network("10.0.1.0/24", true)).unwrap();
    assert_snapshot!(plan, @"
    + us-east-1/main  test.net.vpc
    + us-east-1/web   test.net.subnet
    2 to create
    ");
    assert_eq!(plan.destructive().count(), 0);
    assert_eq!(plan.counts(), [("create", 2)].into());
}

#[test]
fn a_second_plan_is_empty() {
    let plan = change(&network("10.0.1.0/24", true), &network("10.0.1.0/24", true));
    assert_snapshot!(plan, @"nothing to do, 2 unchanged");
    assert!(plan.is_empty());
}

#[test]
fn an_argument_that_can_change_in_place_is_updated() {
    assert_snapshot!(change(&network("10.0.1.0/24", true), &network("10.0.1.0/24", false)), @"
    ~ us-east-1/main  test.net.vpc
        dns  true → false
    1 to update, 1 unchanged
    ");
}

#[test]
fn changing_the_cidr_replaces_the_subnet_and_leaves_the_vpc() {
    let plan = change(&network("10.0.1.0/24", true), &network("10.0.2.0/24", true));
    assert_snapshot!(plan, @"
    ± us-east-1/web  test.net.subnet  replaced: `cidr` cannot change in place
        cidr  10.0.1.0/24 → 10.0.2.0/24
    1 to replace, 1 unchanged
    ");
    assert_eq!(plan.counts(), [("keep", 1), ("replace", 1)].into());
    let destructive: Vec<_> = plan.destructive().map(|step| (step.action, step.address.to_string())).collect();
    assert_eq!(destructive, [(Action::Delete, "us-east-1/web".to_owned())]);
}

#[test]
fn what_is_built_on_something_replaced_is_replaced_and_says_what_is_known_later() {
    let with = |cidr: &str| {
        east(|east| {
            let vpc = east.add("main", Vpc::new(cidr));
            let web = east.add("web", Subnet::new(vpc.id, "10.0.1.0/24"));
            let subnets: Output<_> = web.id;
            east.add("balancer", Balancer::new("shop", subnets));
        })
    };
    assert_snapshot!(change(&with("10.0.0.0/16"), &with("10.9.0.0/16")), @"
    ± us-east-1/main      test.net.vpc  replaced: `cidr` cannot change in place
        cidr  10.0.0.0/16 → 10.9.0.0/16
    ± us-east-1/web       test.net.subnet  replaced: `vpc` cannot change in place
        vpc  vpc-00001 → (known after create)
    ~ us-east-1/balancer  test.lb.balancer
        subnets  [subnet-00002] → (known after create)
    1 to update, 2 to replace
    ");
}

#[test]
fn a_replacement_whose_old_copy_goes_first_is_ordered_so() {
    let with = |name: &str| {
        east(|east| {
            let vpc = east.add("main", Vpc::new("10.0.0.0/16"));
            let web = east.add("web", Subnet::new(vpc.id, "10.0.1.0/24"));
            east.add("balancer", Balancer::new(name, web.id));
        })
    };
    let plan = change(&with("shop"), &with("store"));
    let steps: Vec<_> = plan.steps.iter().map(|step| (step.action, step.after.len())).collect();
    assert_eq!(steps, [(Action::Delete, 0), (Action::Create, 1)]);
    assert_snapshot!(plan, @"
    ± us-east-1/balancer  test.lb.balancer  replaced: `name` cannot change in place
        name  shop → store
    1 to replace, 2 unchanged
    ");
}

/// Cannot exist beside another one in its place.
#[derive(Resource)]
#[resource(type = "test.land.plot", outputs = PlotOutputs, replacement = "delete-first")]
struct Plot<R: Region = Anywhere> {
    #[input(replace)]
    size: u32,
    of: PhantomData<R>,
}

#[derive(Clone, Outputs)]
struct PlotOutputs<R: Region = Anywhere> {
    id: PlotId<R>,
}

/// Can be moved to other plots, and keeps those that it stands on from going.
#[derive(Resource)]
#[resource(type = "test.land.house")]
struct House<R: Region = Anywhere> {
    #[input(holds)]
    plots: Vec<Input<PlotId<R>>>,
}

/// Goal: what would have to let go of a place that is needed first goes with it, and what merely moves elsewhere does not.
#[test]
fn what_holds_a_place_that_is_needed_first_is_replaced_with_it() {
    let land = |sizes: &[u32], on: Range<usize>| {
        east(|east| {
            let plots = sizes.iter().map(|&size| Plot { size, of: PhantomData });
            let plots: Vec<_> = plots.enumerate().map(|(at, plot)| east.add(("plot", at), plot)).collect();
            let on: Vec<_> = plots[on].iter().map(|plot| plot.id).collect();
            east.add("house", houses(&on));
        })
    };
    let (before, after) = (land(&[1, 2, 3], 0..2), land(&[1, 4, 3], 0..2));
    let plan = change(&before, &after);
    let steps: Vec<_> = plan.steps.iter().map(|step| (step.action, step.address.as_str())).collect();
    let (plot, house) = ("us-east-1/plot[1]", "us-east-1/house");
    use Action::{Create, Delete};
    assert_eq!(steps, [(Delete, house), (Delete, plot), (Create, plot), (Create, house)]);
    assert_snapshot!(plan, @"
    ± us-east-1/plot[1]  test.land.plot  replaced: `size` cannot change in place
        size  2 → 4
    ± us-east-1/house    test.land.house  replaced: it holds us-east-1/plot[1], whose place is needed first
        plots  [plot-00003, plot-00001] → (known after create)
    2 to replace, 2 unchanged
    ");
    let mut world = deployed(&before);
    deploy(&mut world, &after);
    assert!(world.plan(&after).unwrap().is_empty());

    let moved = change(&before, &land(&[1, 2, 3], 1..3));
    assert_eq!(moved.counts(), [("keep", 3), ("update", 1)].into());
}

/// Is moved to another plot in place.
#[derive(Resource)]
#[resource(type = "test.land.sign")]
struct Sign<R: Region = Anywhere> {
    plot: Input<PlotId<R>>,
}

fn houses(plots: &[Output<PlotId<East>>]) -> House<East> {
    House { plots: plots.iter().map(|&plot| plot.into_input()).collect() }
}

/// Goal: what goes does not wait for something that only came after it, when that waits for what goes.
#[test]
fn what_came_after_a_dropped_resource_is_changed_later_if_need_be() {
    let land = |size: u32, built: bool| {
        east(|east| {
            let plot = east.add("plot", Plot { size, of: PhantomData });
            let house = built.then(|| east.add("house", houses(&[plot.id])));
            let road = house.map_or_else(|| east.clone(), |house| east.clone().after(&house));
            road.add("sign", Sign { plot: plot.id.into_input() });
        })
    };
    let plan = change(&land(1, true), &land(2, false));
    let steps: Vec<_> = plan.steps.iter().map(|step| (step.action, step.address.name())).collect();
    use Action::{Create, Delete, Update};
    assert_eq!(steps, [(Delete, "house"), (Delete, "plot"), (Create, "plot"), (Update, "sign")]);
}

/// Goal: only what waits for its successor is gone later than the program's order says; what is dropped goes in that order.
#[test]
fn what_lives_until_its_successor_works_gives_way_before_what_is_dropped() {
    let land = |size: u32, built: bool| {
        east(|east| {
            let plot = east.add("plot", Plot { size, of: PhantomData });
            let order = east.clone().after(&plot);
            let house = built.then(|| order.add("house", houses(&[])));
            let order = house.map_or_else(|| order.clone(), |house| order.clone().after(&house));
            order.add("main", Vpc::new(&format!("10.{size}.0.0/16")));
        })
    };
    let plan = change(&land(1, true), &land(2, false));
    let steps: Vec<_> = plan.steps.iter().map(|step| (step.action, step.address.name())).collect();
    use Action::{Create, Delete};
    let expected = [(Delete, "house"), (Delete, "plot"), (Create, "plot"), (Create, "main"), (Delete, "main")];
    assert_eq!(steps, expected);
}

#[test]
fn what_the_program_no_longer_has_is_deleted_in_reverse() {
    let plan = change(&network("10.0.1.0/24", true), &nothing("demo"));
    assert_snapshot!(plan, @"
    - us-east-1/web   test.net.subnet
    - us-east-1/main  test.net.vpc
    2 to delete
    ");
    let order: Vec<_> = plan.steps.iter().map(|step| step.address.name().to_owned()).collect();
    assert_eq!(order, ["web", "main"]);
}

#[test]
fn a_protected_resource_is_neither_deleted_nor_replaced() {
    let with = |cidr: &str| {
        east(|east| {
            east.add("main", Vpc::new(cidr).protect());
        })
    };
    assert_snapshot!(refused(&with("10.0.0.0/16"), &nothing("demo")), @"us-east-1/main is protected and would be deleted");
    assert_snapshot!(refused(&with("10.0.0.0/16"), &with("10.9.0.0/16")), @"us-east-1/main is protected and would be replaced: `cidr` cannot change in place");
    let state = deployed(&with("10.0.0.0/16")).state();
    let torn = Plan::teardown(&with("10.0.0.0/16"), &state, &Observed::unchanged()).unwrap_err();
    assert!(matches!(torn.0.as_slice(), [PlanError::Protected { .. }]), "{torn}");
}

#[test]
fn a_protection_that_the_program_takes_back_is_gone_with_the_next_deploy() {
    let main = |protect: bool| {
        east(|east| {
            let vpc = Vpc::new("10.0.0.0/16");
            if protect {
                east.add("main", vpc.protect())
            } else {
                east.add("main", vpc)
            };
        })
    };
    let mut world = deployed(&main(true));
    assert!(world.plan(&nothing("demo")).is_err());
    deploy(&mut world, &main(false));
    assert_snapshot!(world.plan(&nothing("demo")).unwrap(), @"
    - us-east-1/main  test.net.vpc
    1 to delete
    ");
}

#[test]
fn a_retained_resource_is_forgotten() {
    let before = east(|east| {
        east.add("main", Vpc::new("10.0.0.0/16").retain());
    });
    let plan = change(&before, &nothing("demo"));
    assert_snapshot!(plan, @"
    × us-east-1/main  test.net.vpc
    1 to forget
    ");
    assert_eq!(plan.destructive().count(), 1, "it needs the same approval as a delete");
}

#[test]
fn a_secret_is_masked_wherever_it_shows() {
    let plan = change(&with_server(|server| server), &with_server(|server| server.password("correct horse")));
    assert_snapshot!(plan, @"
    ~ us-east-1/server  test.app.server
        password  (secret server password) → (secret server password)
    1 to update, 2 unchanged
    ");
    let saved = String::from_utf8(plan.save()).unwrap();
    let program = with_server(|server| server.password("correct horse"));
    for text in [plan.to_string(), saved, format!("{plan:?}"), format!("{program:?}")] {
        assert!(!text.contains("hunter2") && !text.contains("correct horse"), "{text}");
    }
}

#[test]
fn another_type_at_the_same_address_replaces() {
    let with = |server: bool| {
        east(|east| {
            let vpc = east.add("main", Vpc::new("10.0.0.0/16"));
            let web = east.add("web", Subnet::new(vpc.id, "10.0.1.0/24"));
            if server {
                east.add("front", Server::new(web.id, "linux-1".to_owned()));
            } else {
                east.add("front", Balancer::new("shop", web.id));
            }
        })
    };
    assert_snapshot!(change(&with(false), &with(true)), @"
    ± us-east-1/front  test.app.server  replaced: it was a test.lb.balancer
    1 to replace, 2 unchanged
    ");
}

fn in_role(region: &str) -> Stack {
    Stack::build("demo", |stack| {
        let primary = stack.region_as(Primary, region);
        let vpc = primary.add("main", Vpc::new("10.0.0.0/16"));
        primary.add("web", Subnet::new(vpc.id, "10.0.1.0/24"));
    })
    .unwrap()
}

#[test]
fn a_role_in_another_region_replaces_what_it_has() {
    let plan = change(&in_role("us-east-1"), &in_role("eu-west-1"));
    assert_snapshot!(plan, @"
    ± primary/main  test.net.vpc  replaced: it moves from us-east-1 to eu-west-1
    ± primary/web   test.net.subnet  replaced: it moves from us-east-1 to eu-west-1
    2 to replace
    ");
    let regions: Vec<_> = plan.steps.iter().map(|step| (step.action, step.region.as_str())).collect();
    assert_eq!(
        regions,
        [
            (Action::Create, "eu-west-1"),
            (Action::Create, "eu-west-1"),
            (Action::Delete, "us-east-1"),
            (Action::Delete, "us-east-1"),
        ]
    );
}

#[test]
fn an_order_that_the_program_adds_later_holds_when_it_is_taken_down() {
    let with = |ordered: bool| {
        east(|east| {
            let first = east.add("b", Vpc::new("10.0.0.0/16"));
            let second = Vpc::new("10.1.0.0/16");
            if ordered {
                east.add("a", second.after(&first))
            } else {
                east.add("a", second)
            };
        })
    };
    let mut world = deployed(&with(false));
    deploy(&mut world, &with(true));
    let plan = world.plan(&nothing("demo")).unwrap();
    let order: Vec<_> = plan.steps.iter().map(|step| step.address.name().to_owned()).collect();
    assert_eq!(order, ["a", "b"]);
    assert_eq!(plan.steps[1].after.len(), 1);
}

#[test]
fn the_critical_path_is_the_longest_chain_and_says_how_long_it_takes() {
    let plan = world(0).plan(&Shop::default().stack()).unwrap();
    let (seconds, path) = plan.critical_path();
    let path: Vec<_> = path.iter().map(|&id| plan.steps[id as usize].address.as_str()).collect();
    // The balancer takes 120 s once its subnet is accepted, the record 15 s once it works; the gateway's 90 s run beside them.
    assert_eq!(path, ["us-east-1/net.vpc", "us-east-1/net.public", "us-east-1/balancer", "global/first"]);
    assert!((seconds - 137.0).abs() < 1e-9, "{seconds}");
    let urgency = plan.urgency_s();
    assert!((urgency.iter().copied().fold(0.0, f64::max) - seconds).abs() < 1e-9);
}

#[test]
fn all_errors_of_a_plan_are_reported_together() {
    let before = east(|east: &Scope<'_, East>| {
        east.add("one", Vpc::new("10.0.0.0/16").protect());
        east.add("two", Vpc::new("10.1.0.0/16").protect());
    });
    let state = deployed(&before).state();
    let PlanErrors(errors) = Plan::between(&nothing("demo"), &state, &Observed::unchanged()).unwrap_err();
    assert_eq!(errors.len(), 2);
    assert_snapshot!(PlanErrors(errors), @"
    the plan has 2 errors
      us-east-1/one is protected and would be deleted
      us-east-1/two is protected and would be deleted
    ");
}
