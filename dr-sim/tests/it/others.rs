//! What others own and what others do: rules and routes in their parents, rules that they add, priorities that are taken.

use std::time::Duration;

use dr_aws::Depth;
use dr_aws::cloudwatch::{Alarm, Comparison};
use dr_aws::constructs::SecureApi;
use dr_aws::ec2::{
    GatewayAttachment, InternetGateway, Port, Route, RouteTable, RouteTableAssociation, SecurityGroup,
    SecurityGroupRule, Subnet, Vpc, Zones,
};
use dr_aws::elbv2::ListenerRule;
use dr_aws::ids::{InternetGatewayId, RouteTableId, SecurityGroupId, SubnetId, VpcId};
use dr_aws::regions::EuWest1;
use dr_aws::route53::{HealthCheck, InsufficientData};
use dr_core::driver::Applied;
use dr_core::{DriftKind, Global, Stack, cidr};
use dr_sim::Aws;

use crate::common::{Disk, Goal, complete, run};

const REGION: &str = "eu-west-1";

/// What somebody else has in the account: a network with a subnet, a group, a table and a gateway that is attached to nothing.
fn base() -> Stack {
    let built = Stack::build("base", |stack| {
        let region = stack.region(EuWest1);
        let vpc = region.add("vpc", Vpc::new(cidr!("10.0.0.0/16"))).id;
        let zones = region.add("zones", Zones::new(1));
        region.add("subnet", Subnet::new(vpc, cidr!("10.0.0.0/24"), zones.names.at(0)));
        region.add("database", SecurityGroup::new(vpc));
        region.add("table", RouteTable::new(vpc));
        region.add("gateway", InternetGateway::new());
    });
    built.unwrap()
}

/// A program that puts its rule, route, association and attachment into them, by their ids.
fn tenant(id: impl Fn(&str) -> String) -> Stack {
    let built = Stack::build("shop", |stack| {
        let region = stack.region(EuWest1);
        let group = SecurityGroupId::literal(id("database"));
        region.add("rule", SecurityGroupRule::ingress(group, Port::tcp(5432), cidr!("10.0.0.0/16")));
        let (gateway, vpc) = (InternetGatewayId::literal(id("gateway")), VpcId::literal(id("vpc")));
        let attached = region.add("attachment", GatewayAttachment::new(gateway, vpc));
        let table = || RouteTableId::literal(id("table"));
        region.add("route", Route::to_gateway(table(), attached.gateway));
        region.add("association", RouteTableAssociation::new(table(), SubnetId::literal(id("subnet"))));
    });
    built.unwrap()
}

/// Goal: what is in a parent of somebody else stays known, and goes with its stack.
#[tokio::test]
async fn rules_and_routes_in_parents_of_others_stay_and_go() {
    let (aws, base) = (Aws::new(1), base());
    let (applied, others) = aws.deploy(&base).await.unwrap();
    let Applied::Ran { state, .. } = applied else { panic!("it was deployed") };
    let id = |name: &str| {
        let outputs = state.outputs(&format!("{REGION}/{name}")).unwrap();
        outputs["id"].as_str().unwrap().to_owned()
    };
    let (tenant, disk) = (tenant(id), Disk::new());
    complete(run(&aws, Goal::Deploy, &tenant, &disk).await).unwrap();
    for depth in [Depth::Lean, Depth::Full] {
        let again = crate::common::run_reading(depth, &aws, Goal::Deploy, &tenant, &disk).await.unwrap();
        assert!(matches!(again, Applied::Unchanged(_)), "{depth:?}: {}", again.plan());
    }
    // The state is lost: it is all found again.
    let lost = Disk::new();
    let again = crate::common::run_reading(Depth::Full, &aws, Goal::Deploy, &tenant, &lost).await.unwrap();
    assert!(!again.plan().steps.iter().any(|step| step.action.to_string() == "create"), "{}", again.plan());
    complete(run(&aws, Goal::Destroy, &tenant, &lost).await).unwrap();
    assert!(aws.destroy(&base, &others).await.unwrap().is_complete(), "nothing of the tenant is in the way");
}

/// A group with a rule in it.
fn firewall() -> Stack {
    let built = Stack::build("shop", |stack| {
        let region = stack.region(EuWest1);
        let vpc = region.add("vpc", Vpc::new(cidr!("10.0.0.0/16"))).id;
        let group = region.add("web", SecurityGroup::new(vpc)).id;
        region.add("http", SecurityGroupRule::ingress(group, Port::tcp(80), cidr!("10.0.0.0/16")));
    });
    built.unwrap()
}

/// Goal: a door that somebody opens by hand is seen, and closed by the next deploy.
#[tokio::test]
async fn a_rule_that_somebody_adds_is_drift_and_is_taken_away() {
    let (aws, program, disk) = (Aws::new(1), firewall(), Disk::new());
    complete(run(&aws, Goal::Deploy, &program, &disk).await).unwrap();
    aws.advance(Duration::from_secs(600)).await;
    let group = disk.state().outputs("eu-west-1/web").unwrap()["id"].as_str().unwrap().to_owned();
    let ec2 = aws.clients().ec2(REGION);
    let open = ec2.authorize_security_group_ingress().group_id(&group).ip_protocol("tcp");
    let open = open.from_port(22).to_port(22).cidr_ip("0.0.0.0/0").send();
    let rule = aws.drive(open).await.unwrap().security_group_rules.unwrap().remove(0).security_group_rule_id.unwrap();
    let address = format!("eu-west-1/web.by_hand[{rule}]");

    for depth in [Depth::Full, Depth::Lean] {
        aws.clients().begin_refresh();
        aws.clients().set_depth(depth);
        let session = aws.session(&program);
        let (plan, _) = aws.drive(session.plan(&disk, true)).await.unwrap();
        let drift: Vec<_> = plan.drift.iter().map(|drift| (drift.address.as_str(), &drift.kind)).collect();
        assert_eq!(drift, [(address.as_str(), &DriftKind::Unknown)], "{depth:?}");
        let steps: Vec<_> = plan.steps.iter().map(|step| (step.action.to_string(), step.address.as_str())).collect();
        assert_eq!(steps, [("delete".to_owned(), address.as_str())], "{depth:?}");
    }
    complete(run(&aws, Goal::Deploy, &program, &disk).await).unwrap();
    let left = aws.drive(aws.clients().ec2(REGION).describe_security_group_rules().send()).await.unwrap();
    let left: Vec<_> = left.security_group_rules().iter().filter(|rule| rule.group_id() == Some(&group)).collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].from_port(), Some(80));
    let again = run(&aws, Goal::Deploy, &program, &disk).await.unwrap();
    assert!(matches!(again, Applied::Unchanged(_)), "{}", again.plan());
    complete(run(&aws, Goal::Destroy, &program, &disk).await).unwrap();
}

/// A network, and a group with a rule whose peer is a range or another group.
fn peer(is_group: bool) -> Stack {
    let built = Stack::build("shop", |stack| {
        let region = stack.region(EuWest1);
        let vpc = region.add("vpc", Vpc::new(cidr!("10.0.0.0/16"))).id;
        let (web, other) =
            (region.add("web", SecurityGroup::new(vpc)).id, region.add("other", SecurityGroup::new(vpc)).id);
        let rule = match is_group {
            true => SecurityGroupRule::ingress(web, Port::tcp(80), other),
            false => SecurityGroupRule::ingress(web, Port::tcp(80), cidr!("10.0.0.0/16")),
        };
        region.add("http", rule);
    });
    built.unwrap()
}

/// Goal: EC2 makes no range of a group, so it is another rule.
#[tokio::test]
async fn a_rule_gets_a_group_for_a_range_and_back() {
    let (aws, disk) = (Aws::new(1), Disk::new());
    for is_group in [false, true, false] {
        complete(run(&aws, Goal::Deploy, &peer(is_group), &disk).await).unwrap();
        disk.check().unwrap();
    }
}

/// A service with rules of its listener, by name and priority.
fn routed(rules: &[(&'static str, u16)]) -> Stack {
    let built = Stack::build("shop", |stack| {
        let region = stack.region(EuWest1);
        let alb = region.add("api", SecureApi::new(cidr!("10.0.0.0/16"))).alb;
        for (name, priority) in rules {
            let rule = ListenerRule::new(alb.listener, *priority, alb.target_group).path(format!("/{name}/*"));
            region.add(*name, rule);
        }
    });
    built.unwrap()
}

/// Goal: priorities move in one deploy, whatever they were before.
#[tokio::test]
async fn rules_trade_priorities_and_a_new_one_takes_that_of_one_that_goes() {
    let (aws, disk) = (Aws::new(1), Disk::new());
    for rules in [
        [("a", 10), ("b", 20), ("c", 30)],
        // Two trade places, then all three in a ring.
        [("a", 20), ("b", 10), ("c", 30)],
        [("a", 10), ("b", 30), ("c", 20)],
        // A new one at the place of one that goes, and one at the place of one that moves.
        [("a", 10), ("d", 30), ("c", 20)],
        [("a", 40), ("e", 10), ("c", 20)],
    ] {
        complete(run(&aws, Goal::Deploy, &routed(&rules), &disk).await)
            .unwrap_or_else(|why| panic!("{rules:?}: {why}"));
        let again = crate::common::run_reading(Depth::Full, &aws, Goal::Deploy, &routed(&rules), &disk).await.unwrap();
        assert!(matches!(again, Applied::Unchanged(_)), "{rules:?}: {}", again.plan());
    }
}

/// A health check on an alarm that goes off at so many errors.
fn watched(errors: f64) -> Stack {
    let built = Stack::build("shop", |stack| {
        let alarm = Alarm::new("AWS/ApiGateway", "5xx").dimension("ApiId", "a1").when(Comparison::AtLeast, errors);
        let arn = stack.region(EuWest1).add("errors", alarm.clone()).arn;
        stack.region(Global).add("check", HealthCheck::on_alarm(&alarm, arn, InsufficientData::LastKnown));
    });
    built.unwrap()
}

/// Goal: Route 53 works with a copy of the alarm, which follows the alarm in the same deploy.
#[tokio::test]
async fn a_check_on_an_alarm_follows_a_change_of_the_alarm() {
    let (aws, disk) = (Aws::new(1), Disk::new());
    for errors in [1.0, 5.0] {
        complete(run(&aws, Goal::Deploy, &watched(errors), &disk).await).unwrap();
        let checks = aws.drive(aws.clients().route53().list_health_checks().send()).await.unwrap();
        let copy = checks.health_checks()[0].cloud_watch_alarm_configuration().unwrap();
        assert_eq!(copy.threshold(), errors);
        let again = crate::common::run_reading(Depth::Full, &aws, Goal::Deploy, &watched(errors), &disk).await.unwrap();
        assert!(matches!(again, Applied::Unchanged(_)), "{}", again.plan());
    }
}
