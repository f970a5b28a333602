//! What is looked up and not made.

use dr_core::sim::{Fault, Operation};
use dr_core::{Class, CloudError, Observed, Plan, Stack, State};
use insta::assert_snapshot;
use serde_json::json;

use super::{change, deployed};
use crate::common::{Balancer, East, Image, Server, Subnet, SubnetId, Vpc, West, deploy, east, settled, world};

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
