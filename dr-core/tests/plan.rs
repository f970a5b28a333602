//! Plans: program, state and what was read go in; the text that a user reads, and what a machine reads, come out.

mod common;

use std::marker::PhantomData;
use std::ops::Range;

use common::random::{Program, random_world};
use common::{
    Balancer, East, Image, PlotId, Primary, Record, Server, Shop, Subnet, SubnetId, Vpc, West, Zone, deploy, east,
    nothing, settled, world,
};
use dr_core::sim::{Fault, Faults, Operation, Random, World};
use dr_core::{
    Action, Anywhere, Class, CloudError, ConstructExt, Global, Graph, Input, IntoInput as _, Observed, Output, Outputs,
    Plan, PlanError, PlanErrors, Region, Resource, SavedPlanError, Scope, Stack, State,
};
use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::json;

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
            east.add("house", House { plots: plots[on].iter().map(|plot| plot.id.into_input()).collect() });
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
fn a_moved_resource_keeps_what_it_is() {
    let renamed = east(|east| {
        east.moved("main", "primary");
        let vpc = east.add("primary", Vpc::new("10.0.0.0/16"));
        east.add("web", Subnet::new(vpc.id, "10.0.1.0/24"));
    });
    assert_snapshot!(change(&network("10.0.1.0/24", true), &renamed), @"
    → us-east-1/primary  test.net.vpc  moved from us-east-1/main
    1 to move, 1 unchanged
    ");
}

#[test]
fn a_moved_scope_keeps_everything_in_it() {
    let plan = change(&Shop::default().stack(), &Shop { net: "network", standby: true, ..Shop::default() }.stack());
    assert_eq!(plan.counts(), [("adopt", 10), ("keep", 9)].into());
    let moved = plan.steps.iter().find(|step| step.address.as_str() == "us-west-2/network.route").unwrap();
    assert_eq!(moved.reason.as_deref(), Some("moved from us-west-2/net.route"));
}

#[test]
fn a_moved_resource_that_changes_as_well_gets_its_new_name_first() {
    let renamed = east(|east| {
        east.moved("main", "primary");
        let vpc = east.add("primary", Vpc::new("10.0.0.0/16").dns(false));
        east.add("web", Subnet::new(vpc.id, "10.0.1.0/24"));
    });
    assert_snapshot!(change(&network("10.0.1.0/24", true), &renamed), @"
    → us-east-1/primary  test.net.vpc  moved from us-east-1/main
    ~ us-east-1/primary  test.net.vpc
        dns  true → false
    1 to update, 1 to move, 1 unchanged
    ");
}

#[test]
fn a_rename_that_is_not_declared_is_refused() {
    let renamed = east(|east| {
        let vpc = east.add("primary", Vpc::new("10.0.0.0/16"));
        east.add("web", Subnet::new(vpc.id, "10.0.1.0/24"));
    });
    assert_snapshot!(refused(&network("10.0.1.0/24", true), &renamed), @r#"us-east-1/main would be deleted and us-east-1/primary created, and they are equal but for the name: say `moved("us-east-1/main", "us-east-1/primary")` to keep the resource, or `not_moved(…)` to accept the replacement"#);
}

#[test]
fn a_rename_that_is_accepted_replaces() {
    let renamed = Stack::build("demo", |stack| {
        stack.not_moved("us-east-1/main", "us-east-1/primary");
        let east = stack.region(East);
        let vpc = east.add("primary", Vpc::new("10.0.0.0/16"));
        east.add("web", Subnet::new(vpc.id, "10.0.1.0/24"));
    });
    assert_snapshot!(change(&network("10.0.1.0/24", true), &renamed.unwrap()), @"
    + us-east-1/primary  test.net.vpc
    ± us-east-1/web      test.net.subnet  replaced: `vpc` cannot change in place
        vpc  vpc-00001 → (known after create)
    - us-east-1/main     test.net.vpc
    1 to create, 1 to replace, 1 to delete
    ");
}

/// Both cannot exist at once, so the accepted successor has to wait for the place.
#[test]
fn an_accepted_rename_of_something_with_one_place_deletes_first() {
    let with = |name: &str, accepted: bool| {
        Stack::build("demo", |stack| {
            if accepted {
                stack.not_moved("global/www", "global/web");
            }
            let global = stack.region(Global);
            let zone = global.add("zone", Zone::new("example.com"));
            global.add(name, Record::new(zone.id, "a", "1.2.3.4".to_owned()));
        })
        .unwrap()
    };
    let mut world = deployed(&with("www", false));
    let plan = world.plan(&with("web", true)).unwrap();
    let steps: Vec<_> = plan.steps.iter().map(|step| (step.action, step.address.to_string())).collect();
    assert_eq!(steps, [(Action::Delete, "global/www".to_owned()), (Action::Create, "global/web".to_owned())]);
    deploy(&mut world, &with("web", true));
    assert_eq!(world.resources().iter().filter(|line| line.contains("test.dns.record")).count(), 1);
    settled(&mut world, &with("web", true), "renamed");
}

/// Without tags the new name finds the very object that the old name has: it must not be taken for a second one.
#[test]
fn a_rename_of_something_without_tags_is_refused_as_well() {
    let with = |name: &str| {
        Stack::build("demo", |stack| {
            let global = stack.region(Global);
            let zone = global.add("zone", Zone::new("example.com"));
            global.add(name, Record::new(zone.id, "a", "1.2.3.4".to_owned()));
        })
        .unwrap()
    };
    let mut world = deployed(&with("www"));
    let refused = world.plan(&with("web")).unwrap_err().to_string();
    assert!(refused.contains("global/www would be deleted and global/web created"), "{refused}");
}

#[test]
fn a_move_that_cannot_be_made_says_why() {
    let nowhere = east(|east| {
        east.moved("main", "primary");
        east.add("other", Vpc::new("10.5.0.0/16"));
    });
    let still_there = east(|east| {
        east.moved("main", "primary");
        east.add("primary", Vpc::new("10.0.0.0/16"));
        let vpc = east.add("main", Vpc::new("10.0.0.0/16"));
        east.add("web", Subnet::new(vpc.id, "10.0.1.0/24"));
    });
    let before = network("10.0.1.0/24", true);
    assert_snapshot!(refused(&before, &nowhere), @"the move of `us-east-1/main` to `us-east-1/primary`: the program has nothing at the new address");
    assert_snapshot!(refused(&before, &still_there), @"the move of `us-east-1/main` to `us-east-1/primary`: the program still has the old address");
}

/// What the program says of a resource holds also when it says it together with a move.
#[test]
fn a_move_keeps_the_protection_and_the_order_that_the_program_gives_with_it() {
    let before = network("10.0.1.0/24", true);
    let after = east(|east| {
        east.moved("main", "primary");
        let other = east.add("other", Vpc::new("10.5.0.0/16"));
        let vpc = east.add("primary", Vpc::new("10.0.0.0/16").protect());
        east.add("web", Subnet::new(vpc.id, "10.0.1.0/24").after(&other));
    });
    let mut world = deployed(&before);
    deploy(&mut world, &after);
    let needs: Vec<_> = world.state().resources["us-east-1/web"].needs.iter().map(ToString::to_string).collect();
    assert_eq!(needs, ["us-east-1/primary", "us-east-1/other"]);
    let gone = world.plan(&nothing("demo")).unwrap_err();
    assert_eq!(gone.to_string(), "us-east-1/primary is protected and would be deleted");
    // The line stays where it is, and what is said later holds as well.
    let later = east(|east| {
        east.moved("main", "primary");
        east.add("other", Vpc::new("10.5.0.0/16").protect());
        let vpc = east.add("primary", Vpc::new("10.0.0.0/16"));
        east.add("web", Subnet::new(vpc.id, "10.0.1.0/24"));
    });
    deploy(&mut world, &later);
    let gone = world.plan(&nothing("demo")).unwrap_err();
    assert_eq!(gone.to_string(), "us-east-1/other is protected and would be deleted");
}

#[test]
fn a_move_without_a_region_is_an_error_of_the_program() {
    let built = Stack::build("demo", |stack| {
        stack.moved("main", "us-east-1/primary");
        stack.not_moved("us-east-1/a", "us east/b");
    });
    let errors = built.unwrap_err().to_string();
    assert!(errors.contains("`main` is no address") && errors.contains("us east"), "{errors}");
}

/// Nothing is deleted because something else is on its way out of the new place.
#[test]
fn a_move_to_where_something_is_still_leaving_is_refused() {
    let both = east(|east| {
        east.add("main", Vpc::new("10.0.0.0/16"));
        east.add("primary", Vpc::new("10.5.0.0/16"));
    });
    let mut state = deployed(&both).state();
    let record = state.resources.get_mut("us-east-1/primary").unwrap();
    record.deposed.extend(record.current.take());
    let moved = east(|east| {
        east.moved("main", "primary");
        east.add("primary", Vpc::new("10.0.0.0/16"));
    });
    let refused = Plan::between(&moved, &state, &Observed::unchanged()).unwrap_err();
    assert_snapshot!(refused, @"the move of `us-east-1/main` to `us-east-1/primary`: what was at the new address before is still leaving: deploy once without the move");
}

#[test]
fn a_move_takes_the_place_of_what_was_looked_up_there() {
    let before = east(|east| {
        east.add("primary", Image::named("linux".to_owned()));
        east.add("main", Vpc::new("10.0.0.0/16"));
    });
    let after = east(|east| {
        east.moved("main", "primary");
        east.add("primary", Vpc::new("10.0.0.0/16"));
    });
    let mut world = deployed(&before);
    assert_snapshot!(world.plan(&after).unwrap(), @"
    → us-east-1/primary  test.net.vpc  moved from us-east-1/main
    1 to move
    ");
    deploy(&mut world, &after);
    settled(&mut world, &after, "moved");
}

/// A region that cannot be read blocks what it has, and the others are deployed.
#[test]
fn what_is_looked_up_by_something_unread_is_blocked_and_does_not_refuse_the_plan() {
    let program = Stack::build("demo", |stack| {
        let west = stack.region(West);
        let first = west.add("first", Image::<West>::named("linux".to_owned()));
        let second = west.add("second", Image::<West>::named(first.image));
        west.add("server", Server::new(SubnetId::literal("subnet-1"), second.image));
        stack.region(East).add("main", Vpc::new("10.0.0.0/16"));
    })
    .unwrap();
    let mut observed = Observed::unchanged();
    let away = CloudError::new("read", "Unreachable", "no connection", Class::Transient);
    observed.failed.insert(("test.app.image".to_owned(), "us-west-2".to_owned()), away);
    let plan = Plan::between(&program, &State::new("demo", "00"), &observed).unwrap();
    let blocked: Vec<_> = plan.steps.iter().map(|step| (step.address.as_str(), step.blocked.is_some())).collect();
    assert_eq!(blocked, [("us-west-2/server", true), ("us-east-1/main", false)]);
}

#[test]
fn two_accepted_renames_of_equal_resources_are_two() {
    let with = |names: [&str; 2]| {
        Stack::build("demo", |stack| {
            for (old, new) in [("a1", "b1"), ("a2", "b2")] {
                stack.not_moved(format!("us-east-1/{old}"), format!("us-east-1/{new}"));
            }
            let east = stack.region(East);
            for name in names {
                east.add(name, Vpc::new("10.0.0.0/16"));
            }
        })
        .unwrap()
    };
    assert_eq!(change(&with(["a1", "a2"]), &with(["b1", "b2"])).counts(), [("create", 2), ("delete", 2)].into());
    let crossed = refused(&with(["a1", "a2"]), &with(["b1", "c"]));
    assert!(crossed.contains("us-east-1/c created"), "{crossed}");
}

#[test]
fn a_transform_cannot_give_another_address() {
    let built = Stack::build("demo", |stack| {
        stack.transform(|node| node.address = "us-east-1/other".parse().unwrap());
        let east = stack.region(East);
        let vpc = east.add("main", Vpc::new("10.0.0.0/16"));
        east.add("web", Subnet::new(vpc.id, "10.0.1.0/24"));
    });
    let errors = built.unwrap_err().to_string();
    assert!(errors.contains("us-east-1/main") && errors.contains("changes its address to us-east-1/other"), "{errors}");
}

/// The lines of earlier moves stay in a program, and not everybody deploys every version of it.
#[test]
fn a_resource_that_was_moved_twice_is_found_where_it_was_at_first() {
    let renamed = east(|east| {
        east.moved("main", "primary");
        east.moved("primary", "first");
        let vpc = east.add("first", Vpc::new("10.0.0.0/16"));
        east.add("web", Subnet::new(vpc.id, "10.0.1.0/24"));
    });
    assert_snapshot!(change(&network("10.0.1.0/24", true), &renamed), @"
    → us-east-1/first  test.net.vpc  moved from us-east-1/main
    1 to move, 1 unchanged
    ");
}

#[test]
fn a_move_to_an_address_that_is_taken_shows_that_the_other_goes() {
    let before = east(|east| {
        east.add("main", Vpc::new("10.0.0.0/16"));
        east.add("primary", Vpc::new("10.5.0.0/16"));
    });
    let after = east(|east| {
        east.moved("main", "primary");
        east.add("primary", Vpc::new("10.5.0.0/16"));
    });
    assert_snapshot!(change(&before, &after), @"
    - us-east-1/main  test.net.vpc  the program has it at us-east-1/primary now
    1 to delete, 1 unchanged
    ");
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
fn drift_is_shown_and_repaired() {
    let program = with_server(|server| server);
    let mut world = deployed(&program);
    world.alter("us-east-1/server", |args| args["size"] = json!(9));
    world.alter("us-east-1/main", |args| args["dns"] = json!(false));
    world.remove("us-east-1/web");
    assert_snapshot!(world.plan(&program).unwrap(), @"
    ! us-east-1/main was changed by somebody else
        dns  true → false
    ! us-east-1/server was changed by somebody else
        size  1 → 9
    ! us-east-1/web was deleted by somebody else
    ~ us-east-1/main    test.net.vpc
        dns  false → true
    + us-east-1/web     test.net.subnet
    ± us-east-1/server  test.app.server  replaced: `subnet` cannot change in place
        subnet  subnet-00002 → (known after create)
        size  9 → 1
    1 to create, 1 to update, 1 to replace
    ");
}

/// What gives other values for as long as it is changed gives the old ones again: nothing that takes them is changed.
#[test]
fn what_drift_gave_to_others_goes_with_its_repair() {
    let program = network("10.0.1.0/24", true);
    let mut world = deployed(&program);
    world.alter("us-east-1/main", |args| args["dns"] = json!(false));
    let mut observed = world.observe(&program);
    let main = observed.found.iter_mut().find(|(_, _, data)| data.address.as_str() == "us-east-1/main").unwrap();
    main.2.outputs["id"] = json!("vpc-drifted");
    assert_snapshot!(Plan::between(&program, &world.state(), &observed).unwrap(), @"
    ! us-east-1/main was changed by somebody else
        dns  true → false
    ~ us-east-1/main  test.net.vpc
        dns  false → true
    1 to update, 1 unchanged
    ");
}

#[test]
fn drift_of_what_cannot_change_in_place_is_repaired_by_a_replacement() {
    let program = network("10.0.1.0/24", true);
    let mut world = deployed(&program);
    world.alter("us-east-1/web", |args| args["cidr"] = json!("10.0.7.0/24"));
    assert_snapshot!(world.plan(&program).unwrap(), @"
    ! us-east-1/web was changed by somebody else
        cidr  10.0.1.0/24 → 10.0.7.0/24
    ± us-east-1/web  test.net.subnet  replaced: `cidr` cannot change in place
        cidr  10.0.7.0/24 → 10.0.1.0/24
    1 to replace, 1 unchanged
    ");
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
fn an_old_copy_that_a_crash_left_behind_is_shown_and_deleted() {
    let (before, after) = (network("10.0.1.0/24", true), network("10.0.2.0/24", true));
    let mut world = deployed(&before);
    world.script(|called| (called.operation == Operation::Delete).then(|| Fault::refused(Class::Denied)));
    assert!(!world.deploy(&after).is_complete());
    world.script(|_| None);
    let plan = world.plan(&after).unwrap();
    assert_snapshot!(plan, @"
    - us-east-1/web  test.net.subnet  left over from an earlier run
    1 to delete, 2 unchanged
    ");
    assert_eq!(plan.destructive().count(), 1);
}

#[test]
fn a_resource_that_is_not_working_yet_is_waited_for() {
    let program = with_server(|server| server);
    let mut world = world(0);
    world.script(|called| (called.operation == Operation::Ready).then(|| Fault::refused(Class::Denied)));
    assert!(!world.deploy(&program).is_complete());
    world.script(|_| None);
    assert_snapshot!(world.plan(&program).unwrap(), @"
    … us-east-1/main    test.net.vpc  an earlier run left it unfinished
    … us-east-1/web     test.net.subnet  an earlier run left it unfinished
    + us-east-1/server  test.app.server
    1 to create, 2 to wait for
    ");
}

#[test]
fn what_could_not_be_read_is_not_touched_and_says_so() {
    let program = Shop::default().stack();
    let mut world = deployed(&program);
    let away = Faults { away: ["us-west-2".to_owned()].into(), ..Faults::default() };
    world.set_faults(away);
    settled(&mut world, &program, "nothing is thought gone because it cannot be seen");
    let changed = Shop { size: 2, ..Shop::default() }.stack();
    assert_snapshot!(world.plan(&changed).unwrap(), @"
    ~ us-east-1/server    test.app.server
        size  1 → 2
    ~ us-east-1/balancer  test.lb.balancer
        size  1 → 2
    ~ us-west-2/server    test.app.server
        size  1 → 2
        cannot be done now: test.app.server:Read answered NoAnswer: the connection was closed before the answer came
    ~ us-west-2/balancer  test.lb.balancer
        size  1 → 2
        cannot be done now: test.lb.balancer:Read answered NoAnswer: the connection was closed before the answer came
    4 to update, 15 unchanged
    ");
}

fn built_on_image(name: &str) -> Stack {
    east(|east| {
        let image = east.add("image", Image::named(name.to_owned()));
        let vpc = east.add("main", Vpc::new("10.0.0.0/16"));
        let web = east.add("web", Subnet::new(vpc.id, "10.0.1.0/24"));
        east.add("server", Server::new(web.id, image.image));
    })
}

#[test]
fn a_lookup_is_pinned_and_moves_only_with_its_arguments() {
    let mut world = deployed(&built_on_image("linux"));
    world.publish("test.app.image", "us-east-1", json!({"name": "linux"}), json!({"image": "linux-2"}));
    settled(&mut world, &built_on_image("linux"), "a newer image");
    world.publish("test.app.image", "us-east-1", json!({"name": "hardened"}), json!({"image": "hardened-7"}));
    assert_snapshot!(world.plan(&built_on_image("hardened")).unwrap(), @"
    ± us-east-1/server  test.app.server  replaced: `image` cannot change in place
        image  linux-1 → hardened-7
    1 to replace, 2 unchanged
    ");
}

#[test]
fn a_second_lookup_of_the_type_does_not_unpin_the_first() {
    let both = east(|east| {
        let image = east.add("image", Image::named("linux".to_owned()));
        let vpc = east.add("main", Vpc::new("10.0.0.0/16"));
        let web = east.add("web", Subnet::new(vpc.id, "10.0.1.0/24"));
        east.add("server", Server::new(web.id, image.image));
        let other = east.add("other", Image::named("hardened".to_owned()));
        east.add("second", Server::new(web.id, other.image));
    });
    let mut world = deployed(&built_on_image("linux"));
    world.publish("test.app.image", "us-east-1", json!({"name": "linux"}), json!({"image": "linux-2"}));
    world.publish("test.app.image", "us-east-1", json!({"name": "hardened"}), json!({"image": "hardened-7"}));
    let plan = world.plan(&both).unwrap();
    assert_snapshot!(plan, @"
    + us-east-1/second  test.app.server
    1 to create, 3 unchanged
    ");
    deploy(&mut world, &both);
    settled(&mut world, &both, "both pinned");
    // A lookup that the program drops is dropped, and nothing is deleted at the provider.
    deploy(&mut world, &built_on_image("linux"));
    assert!(!world.state().resources.contains_key("us-east-1/other"));
    assert!(world.calls().iter().all(|call| call.type_name != "test.app.image" || call.operation == Operation::Read));
}

#[test]
fn a_lookup_of_what_does_not_exist_or_cannot_be_known_yet_is_refused() {
    let missing = world(0).plan(&built_on_image("nowhere")).unwrap_err();
    assert_snapshot!(missing.to_string().split(" (").next().unwrap(), @"us-east-1/image is looked up and does not exist");
    let too_early = east(|east| {
        let vpc = east.add("main", Vpc::new("10.0.0.0/16"));
        let web = east.add("web", Subnet::new(vpc.id, "10.0.1.0/24"));
        let balancer = east.add("balancer", Balancer::new("shop", web.id));
        east.add("image", Image::named(balancer.endpoint));
    });
    let too_early = world(0).plan(&too_early).unwrap_err();
    assert_snapshot!(too_early.to_string().split(" (").next().unwrap(), @"us-east-1/image is looked up by a value that is known only after the deploy");
}

#[test]
fn a_lookup_that_cannot_be_read_holds_up_what_is_built_on_it_and_destroys_nothing() {
    let mut world = deployed(&built_on_image("linux"));
    world.publish("test.app.image", "us-east-1", json!({"name": "hardened"}), json!({"image": "hardened-7"}));
    world.script(|called| (called.type_name == "test.app.image").then(|| Fault::refused(Class::Denied)));
    let plan = world.plan(&built_on_image("hardened")).unwrap();
    assert_snapshot!(plan, @"
    ~ us-east-1/server  test.app.server
        cannot be done now: sim:Call answered Denied: refused by the test
    1 to update, 2 unchanged
    ");
    assert_eq!(plan.destructive().count(), 0);
    let servers = world.ids("us-east-1/server");
    assert!(!world.deploy(&built_on_image("hardened")).is_complete());
    assert_eq!(world.ids("us-east-1/server"), servers);
    world.script(|_| None);
    deploy(&mut world, &built_on_image("hardened"));
}

#[test]
fn a_resource_that_becomes_a_lookup_is_refused_and_the_other_way_round_deletes_nothing() {
    let managed = east(|east| {
        east.add("image", Vpc::new("10.0.0.0/16"));
    });
    let looked_up = east(|east| {
        east.add("image", Image::named("linux".to_owned()));
    });
    let refused = deployed(&managed).plan(&looked_up).unwrap_err().to_string();
    assert_snapshot!(refused, @"us-east-1/image is a resource of this stack and is now looked up: give the lookup another name");
    assert_snapshot!(change(&looked_up, &managed), @"
    + us-east-1/image  test.net.vpc
    1 to create
    ");
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

fn shape(seed: u64, parts: usize) -> Program {
    Program::random(&mut Random::new(seed, "plans"), parts)
}

/// Every step comes after those it waits for, and every value that a step needs is there by then.
fn is_ordered(plan: &Plan) -> bool {
    plan.steps
        .iter()
        .enumerate()
        .all(|(at, step)| step.id as usize == at && step.after.iter().all(|(before, _)| (*before as usize) < at))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equal_stacks_give_byte_equal_plans_that_are_ordered(seed in any::<u64>(), parts in 0_usize..24) {
        let (one, other) = (shape(seed, parts).stack(), shape(seed, parts).stack());
        let state = State::new("random", "0");
        let plans = [&one, &other].map(|stack| Plan::between(stack, &state, &Observed::unchanged()).unwrap());
        prop_assert_eq!(plans[0].save(), plans[1].save());
        prop_assert_eq!(plans[0].to_string(), plans[1].to_string());
        prop_assert!(is_ordered(&plans[0]));
        prop_assert_eq!(plans[0].steps.len(), one.len());
    }

    #[test]
    fn a_plan_after_a_deploy_is_empty(seed in any::<u64>(), parts in 0_usize..16) {
        let stack = shape(seed, parts).stack();
        let mut world = random_world(seed);
        prop_assert!(world.deploy(&stack).is_complete());
        let plan = world.plan(&stack).unwrap();
        prop_assert!(plan.is_empty() && plan.drift.is_empty(), "{}", plan);
        let unread = Plan::between(&stack, &world.state(), &Observed::unchanged()).unwrap();
        prop_assert!(unread.is_empty(), "{}", unread);
    }

    #[test]
    fn a_teardown_runs_against_every_edge(seed in any::<u64>(), parts in 0_usize..20) {
        let stack = shape(seed, parts).stack();
        let mut world = random_world(seed);
        prop_assert!(world.deploy(&stack).is_complete());
        let plan = Plan::teardown(&stack, &world.state(), &Observed::unchanged()).unwrap();
        prop_assert_eq!(plan.steps.len(), stack.len());
        prop_assert!(is_ordered(&plan));
        let place = |address: &str| plan.steps.iter().position(|step| step.address.as_str() == address).unwrap();
        for node in stack.nodes() {
            for (needed, _) in stack.needs(node.address.as_str()) {
                prop_assert!(place(node.address.as_str()) < place(needed.address.as_str()), "{} before {}", node.address, needed.address);
            }
        }
    }

    #[test]
    fn a_change_of_the_program_gives_an_ordered_plan(seed in any::<u64>(), parts in 0_usize..20) {
        let before = shape(seed, parts);
        let after = before.changed(&mut Random::new(seed, "changes")).stack();
        let mut world = random_world(seed);
        prop_assert!(world.deploy(&before.stack()).is_complete());
        let plan = world.plan(&after).unwrap();
        prop_assert!(is_ordered(&plan));
        let again = Plan::load(&plan.save(), &after, &world.state()).unwrap();
        prop_assert_eq!(&again, &plan);
    }
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
