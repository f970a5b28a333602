//! What was read and is not as the state says.

use dr_core::sim::{Fault, Faults, Operation};
use dr_core::{Class, Plan};
use insta::assert_snapshot;
use serde_json::json;

use super::{deployed, network, with_server};
use crate::common::{Shop, settled, world};

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
