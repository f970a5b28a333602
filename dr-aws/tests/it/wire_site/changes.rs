//! The site changes while it serves: in place where AWS can, and where it cannot, so that the way to the instances is never cut.

use std::collections::BTreeSet;

use dr_core::driver::Applied;
use dr_core::store::MemoryStore;

use crate::wire::{Call, Emulator};
use crate::wire_site::account::{REGIONS, everything};
use crate::wire_site::program::{FIRST, Program, Settings, actions, site};

#[tokio::test]
#[ignore = "needs Python: run with --run-ignored"]
async fn the_site_is_changed_and_partly_replaced_while_its_path_stays_alive() {
    let emulator = Emulator::start(0.01, 0.0);
    let first = Settings { zones: 2, ..FIRST };
    let program = Program::new(&emulator, site(first));
    let before = everything(&program.aws).await;
    let store = MemoryStore::new("shop", "lineage");
    let _ = program.deploy(&store).await;

    // In place.
    let second = Settings { threshold: 2, timeout_ms: 20_000, ..first };
    let program = Program::new(&emulator, site(second));
    let changed = program.deploy(&store).await;
    assert_eq!(actions(&changed), [("update".to_owned(), 4)].into(), "{}", changed.plan());
    program.assert_settled(&store, "changed in place").await;

    // Another zone is another VPC link, another interval another health check, another page another instance.
    let third = Settings { zones: 3, interval_s: 30, page: "two", ..second };
    let program = Program::new(&emulator, site(third));
    emulator.clear_log();
    let mut seen = 0;
    let deploying = program.try_deploy(&store);
    tokio::pin!(deploying);
    let replaced = loop {
        tokio::select! {
            applied = &mut deploying => break applied,
            () = path_is_alive(&program, &mut seen) => {}
        }
    };
    assert!(replaced.is_complete(), "{:#?}", crate::wire_site::program::failures(&replaced));
    println!("{:?}; the path was looked at {seen} times", actions(&replaced));
    assert!(seen >= 3, "looked at {seen} times");
    let of_type =
        |name: &str| replaced.plan().steps.iter().filter(|step| step.type_name == name && step.replacement).count();
    for (name, steps) in [("aws.apigatewayv2.vpc_link", 4), ("aws.route53.health_check", 4), ("aws.ec2.instance", 8)] {
        assert_eq!(of_type(name), steps, "{name}: {}", replaced.plan());
    }
    order(&emulator.log());
    program.assert_settled(&store, "partly replaced").await;

    // And back: what was added is taken away, and nothing else is.
    let back = Program::new(&emulator, site(first));
    let applied = back.deploy(&store).await;
    assert!(matches!(applied, Applied::Ran { .. }));
    back.assert_settled(&store, "changed back").await;
    let _ = back.destroy(&store).await;
    assert_eq!(everything(&back.aws).await, before);
}

/// What a request would meet on its way, as the control planes have it now: the records name checks that exist, the integrations
/// a link that exists, and each load balancer has a target.
async fn path_is_alive(program: &Program, seen: &mut usize) {
    let aws = &program.aws;
    // The records first: a check that they name may go only after they have let go of it, so a later list has to have it unless
    // the records have changed in between. The pointers are read twice for that, as those of the integrations.
    let named = checks_named(program).await;
    let checks = aws.route53().list_health_checks().send().await.expect("health checks");
    let checks: BTreeSet<_> = checks.health_checks().iter().map(|check| check.id().to_owned()).collect();
    if named == checks_named(program).await {
        assert_eq!(
            named.difference(&checks).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "records name checks that are gone"
        );
        assert_eq!(named.len(), 2, "both sides of the pair have a signal");
    }
    for region in REGIONS {
        let named = links_named(program, region).await;
        let links = aws.apigatewayv2(region).get_vpc_links().send().await.expect("links");
        let links: BTreeSet<_> = links
            .items()
            .iter()
            .filter(|link| link.vpc_link_status().is_some_and(|status| status.as_str() == "AVAILABLE"))
            .filter_map(|link| link.vpc_link_id().map(str::to_owned))
            .collect();
        if named == links_named(program, region).await {
            assert_eq!(
                named.difference(&links).collect::<Vec<_>>(),
                Vec::<&String>::new(),
                "{region}: links that do not work"
            );
            assert_eq!(named.len(), 1, "{region}");
        }
        let elb = aws.elbv2(region);
        for group in elb.describe_target_groups().send().await.expect("target groups").target_groups() {
            let arn = group.target_group_arn().expect("an ARN");
            let health = elb.describe_target_health().target_group_arn(arn).send().await.expect("targets");
            let states =
                health.target_health_descriptions().iter().filter_map(|target| target.target_health()?.state());
            let serving = states.filter(|state| state.as_str() == "healthy").count();
            assert!(serving > 0, "{region}: nobody serves");
        }
    }
    *seen += 1;
}

async fn checks_named(program: &Program) -> BTreeSet<String> {
    let route53 = program.aws.route53();
    let zones = route53.list_hosted_zones().send().await.expect("zones");
    let zone = zones.hosted_zones()[0].id();
    let records = route53.list_resource_record_sets().hosted_zone_id(zone).send().await.expect("records");
    records.resource_record_sets().iter().filter_map(|set| set.health_check_id().map(str::to_owned)).collect()
}

async fn links_named(program: &Program, region: &str) -> BTreeSet<String> {
    let gateway = program.aws.apigatewayv2(region);
    let apis = gateway.get_apis().send().await.expect("APIs");
    let api = apis.items()[0].api_id().expect("an id");
    let integrations = gateway.get_integrations().api_id(api).send().await.expect("integrations");
    integrations.items().iter().filter_map(|integration| integration.connection_id().map(str::to_owned)).collect()
}

/// The order of the calls, from the emulator's log: the new one is there before the pointer moves, and the old one goes after.
fn order(log: &[Call]) {
    let times = |op: &str, region: Option<&str>| -> Vec<(f64, f64)> {
        let calls = log.iter().filter(|call| call.op == op && call.status < 300);
        calls.filter(|call| region.is_none_or(|region| call.region == region)).map(|call| (call.t0, call.t1)).collect()
    };
    let first = |calls: &[(f64, f64)]| calls.iter().map(|(t0, _)| *t0).fold(f64::INFINITY, f64::min);
    let last = |calls: &[(f64, f64)]| calls.iter().map(|(_, t1)| *t1).fold(0.0, f64::max);
    for region in REGIONS {
        let moved = times("UpdateIntegration", Some(region));
        assert_eq!(moved.len(), 1, "{region}");
        assert!(last(&times("CreateVpcLink", Some(region))) <= first(&moved), "{region}: the new link comes first");
        assert!(last(&moved) <= first(&times("DeleteVpcLink", Some(region))), "{region}: the old link goes last");
        assert!(!times("DeleteVpcLink", Some(region)).is_empty(), "{region}");
    }
    let moved = times("ChangeResourceRecordSets", None);
    assert!(!moved.is_empty());
    assert!(last(&moved) <= first(&times("DeleteHealthCheck", None)), "records let go of the old checks first");
    assert!(!times("DeleteHealthCheck", None).is_empty());
}
