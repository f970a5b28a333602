//! Resources and scopes that get another address.

use dr_core::{Action, ConstructExt, Global, Observed, Plan, Stack};
use insta::assert_snapshot;

use super::{change, deployed, network, refused};
use crate::common::{East, Image, Record, Shop, Subnet, Vpc, Zone, deploy, east, nothing, settled};

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
