//! Somebody changes the site by hand; the next deploy says what, and mends it.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::Filter;
use dr_core::DriftKind;
use dr_core::driver::Applied;
use dr_core::store::MemoryStore;

use crate::wire::Emulator;
use crate::wire_site::account::everything;
use crate::wire_site::program::{FIRST, Program, actions, site};

#[tokio::test]
#[ignore = "needs Python: run with --run-ignored"]
async fn what_somebody_damages_is_seen_and_mended() {
    let emulator = Emulator::start(0.01, 0.0);
    let program = Program::new(&emulator, site(FIRST));
    let store = MemoryStore::new("shop", "lineage");
    let before = everything(&program.aws).await;
    let _ = program.deploy(&store).await;
    let kinds = kinds(&everything(&program.aws).await);
    let expected = damage(&program).await;

    let mended = program.deploy(&store).await;
    let drift = &mended.plan().drift;
    for (address, changed) in &expected {
        let seen = drift.iter().find(|drift| drift.address.as_str() == address);
        let seen = seen.unwrap_or_else(|| panic!("{address} is not among {drift:#?}"));
        match changed {
            Some(property) => {
                let DriftKind::Changed(changes) = &seen.kind else { panic!("{seen:?}") };
                assert!(changes.iter().any(|change| change.field.contains(property)), "{changes:?}");
            }
            None => assert_eq!(seen.kind, DriftKind::Gone, "{address}"),
        }
    }
    println!("{} drifted, {:?}", drift.len(), actions(&mended));
    assert!(matches!(mended, Applied::Ran { .. }));
    // Nothing but what was damaged is touched: four things, and the registration of the instance.
    assert!(mended.plan().steps.len() <= expected.len() + 2, "{}", mended.plan());
    program.assert_settled(&store, "after the repair").await;
    assert_eq!(self::kinds(&everything(&program.aws).await), kinds);

    let _ = program.destroy(&store).await;
    assert_eq!(everything(&program.aws).await, before);
}

/// How many objects there are of each kind in each region.
pub(crate) fn kinds(all: &BTreeSet<String>) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for object in all {
        // A name of a record tells it; an id does not.
        let kind =
            if object.contains(" record ") { object } else { object.rsplit_once(' ').expect("`region kind id`").0 };
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    kinds
}

/// Damages the site by hand. Answers the addresses, with the property that changed or `None` for what is gone.
async fn damage(program: &Program) -> Vec<(String, Option<&'static str>)> {
    let (east, west) = (program.aws.ec2("us-east-1"), program.aws.ec2("us-west-2"));
    let ours = Filter::builder().name("tag:dr:stack").values("shop").build();

    // The rule that lets the VPC link reach the load balancer.
    let rules = east.describe_security_group_rules().filters(ours.clone()).send().await.expect("rules");
    let address = |tags: &[aws_sdk_ec2::types::Tag]| {
        let tag = tags.iter().find(|tag| tag.key() == Some("dr:address"));
        tag.and_then(|tag| tag.value()).and_then(dr_aws::tags::decode).map(|address| address.to_string())
    };
    let rule = rules.security_group_rules().iter().find(|rule| {
        address(rule.tags()).is_some_and(|address| address.contains("link_to_alb") && address.ends_with("ingress"))
    });
    let rule = rule.expect("the rule of the load balancer");
    let rule_address = address(rule.tags()).expect("it is tagged");
    let revoke = east.revoke_security_group_ingress().group_id(rule.group_id().expect("a group"));
    revoke.security_group_rule_ids(rule.security_group_rule_id().expect("an id")).send().await.expect("revoked");

    // The way out of a private subnet.
    let tables = west.describe_route_tables().filters(ours.clone()).send().await.expect("route tables");
    let private =
        tables.route_tables().iter().find(|table| table.routes().iter().any(|route| route.nat_gateway_id().is_some()));
    let private = private.expect("a private route table");
    let table = private.route_table_id().expect("an id");
    west.delete_route().route_table_id(table).destination_cidr_block("0.0.0.0/0").send().await.expect("deleted");
    let key = address(private.tags()).expect("it is tagged");
    let zone = key.rsplit_once('[').map(|(_, zone)| zone.to_owned()).expect("one for each zone");
    let routes = program.stack.nodes_of("aws.ec2.route").map(|node| node.address.to_string());
    let mut routes =
        routes.filter(|route| route.starts_with("us-west-2/") && route.contains("private") && route.ends_with(&zone));
    let route = routes.next().expect("its route");

    // The health check of the primary region.
    let route53 = program.aws.route53();
    let checks = route53.list_health_checks().send().await.expect("health checks");
    let apis = program.aws.apigatewayv2("us-east-1").get_apis().send().await.expect("APIs");
    let host = apis.items()[0].api_endpoint().expect("an endpoint").trim_start_matches("https://").to_owned();
    let check = checks.health_checks().iter().find(|check| {
        check.health_check_config().and_then(|config| config.fully_qualified_domain_name()) == Some(host.as_str())
    });
    let check = check.expect("the check of the primary region");
    route53.update_health_check().health_check_id(check.id()).failure_threshold(5).send().await.expect("changed");

    // A server of the standby region.
    let instances = west.describe_instances().filters(ours).send().await.expect("instances");
    let instance =
        instances.reservations().iter().flat_map(|reservation| reservation.instances()).next().expect("a server");
    let instance_address = address(instance.tags()).expect("it is tagged");
    west.terminate_instances().instance_ids(instance.instance_id().expect("an id")).send().await.expect("terminated");

    vec![
        (rule_address, None),
        (route, None),
        ("global/primary.health_check".to_owned(), Some("threshold")),
        (instance_address, None),
    ]
}
