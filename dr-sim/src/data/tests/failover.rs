//! What users and DNS see when something breaks: fixtures of a two-region site with fast checks, a threshold of 3 and
//! a TTL of 60 s. A verdict is in DNS 5 s after it.

use super::super::testing::{ORIGIN, Site, failover, failover_alias};
use super::super::{DataFault, Health, HealthEvent, Part, Request};
use super::{region_away, stopped_at};
use aws_sdk_elasticloadbalancingv2 as elb;
use aws_sdk_route53 as r53;

/// Seconds from the beginning of a failure until the last of the checkers that are needed has seen it often enough,
/// when a failing probe takes `p` seconds; plus the delay until DNS knows.
fn band_s(p: u64) -> std::ops::RangeInclusive<u64> {
    let (interval, threshold, publish) = (10, 3, 5);
    (threshold - 1) * interval + threshold * p + publish..=threshold * interval + threshold * p + publish
}

/// Breaks something in the primary and looks when its check turns red, in whole seconds.
fn red_after_s(site: &mut Site) -> u64 {
    let from_ms = site.kit.now_ms;
    let check = site.primary.check.clone();
    let after_ms = site.until_red_ms(&check, from_ms, 120).expect("it turns red");
    after_ms / 1000
}

fn deregister_all(site: &mut Site) {
    use elb::operation::deregister_targets::{DeregisterTargetsInput, DeregisterTargetsOutput};
    let half = site.primary.clone();
    let targets = half.instances.iter().map(|id| elb::types::TargetDescription::builder().id(id).build()).collect();
    let input = DeregisterTargetsInput::builder().target_group_arn(&half.group).set_targets(Some(targets)).build();
    let _: DeregisterTargetsOutput = site.kit.must(&half.region, "elb.DeregisterTargets", input);
}

/// Replaces a record of the failover pair.
fn replace(site: &mut Site, role: &str, record: r53::types::builders::ResourceRecordSetBuilder) {
    let zone = site.zone.clone();
    let record = record.build().expect("complete");
    assert_eq!(record.failover().map(|failover| failover.as_str()), Some(role));
    site.kit.change_all(&zone, vec![("UPSERT", record)]);
}

#[test]
fn without_targets_the_answers_are_fast_errors_and_the_standby_takes_over() {
    let mut site = Site::new();
    deregister_all(&mut site);
    let response = site.user();
    assert_eq!((response.status, stopped_at(&response)), (503, (Part::TargetGroup, "web")));
    let after_s = red_after_s(&mut site);
    assert!(band_s(0).contains(&after_s), "{after_s}");
    site.run_s(70);
    let response = site.user();
    assert_eq!((response.status, response.region.as_deref()), (200, Some("us-west-2")), "{response}");
    // Failback: a few good checkers are enough.
    let half = site.primary.clone();
    site.kit.register(&half);
    site.run_s(120);
    assert!(site.green(&half));
    assert_eq!(site.user().region.as_deref(), Some("us-east-1"));
}

#[test]
fn a_hanging_instance_costs_the_checkers_two_seconds_a_probe() {
    let mut site = Site::new();
    for instance in site.primary.instances.clone() {
        site.faults.break_from(site.kit.now_ms, DataFault::InstanceHung { instance });
    }
    let response =
        site.send(&Request::get(&format!("https://{}.execute-api.us-east-1.amazonaws.com/", site.primary.api)));
    assert_eq!((response.status, stopped_at(&response).0), (503, Part::Instance));
    assert!(response.took_ms >= 30_000, "the integration waits 30 s: {response}");
    let after_s = red_after_s(&mut site);
    assert!(band_s(2).contains(&after_s), "{after_s}");
    let states = site.kit.target_health(&site.primary.clone());
    assert!(
        states.iter().all(|(_, state, why)| state == "unhealthy" && why.as_deref() == Some("Target.Timeout")),
        "{states:?}"
    );
}

#[test]
fn a_lost_region_is_seen_by_connections_that_time_out_and_writes_survive_it() {
    let mut site = Site::new();
    site.faults.break_from(site.kit.now_ms, region_away("us-east-1"));
    let response = site.user();
    assert_eq!(
        (response.status, stopped_at(&response).0, response.took_ms >= 30_000),
        (504, Part::Endpoint, true),
        "{response}"
    );
    let after_s = red_after_s(&mut site);
    assert!(band_s(4).contains(&after_s), "{after_s}");
    site.run_s(60);
    assert_eq!(site.user().region.as_deref(), Some("us-west-2"));
    let write = Request::new("POST", "https://mysecureapi.example.com/orders").body("one");
    assert_eq!(site.send(&write).region.as_deref(), Some("us-west-2"));
    // It comes back.
    let now_ms = site.kit.now_ms;
    site.faults.heal_all(now_ms);
    site.run_s(120);
    assert_eq!(site.user().body, "hello from us-east-1");
}

#[test]
fn a_gray_failure_below_the_threshold_moves_nobody() {
    let mut site = Site::new();
    let fault = DataFault::PathLost { region: "us-east-1".into(), checkers: 12, places: vec!["eu-west-1".into()] };
    site.faults.break_from(site.kit.now_ms, fault);
    site.run_s(600);
    assert!(site.green(&site.primary.clone()), "4 of 16 checkers are 25 %, more than 18 %");
    assert_eq!(site.user().status, 200);
    let affected = site.send(&Request::get("https://mysecureapi.example.com/").from("eu-west-1"));
    assert_eq!((affected.status, stopped_at(&affected).0), (504, Part::Endpoint));

    let two_more = DataFault::PathLost { region: "us-east-1".into(), checkers: 14, places: Vec::new() };
    site.faults.break_from(site.kit.now_ms, two_more);
    site.run_s(120);
    assert!(!site.green(&site.primary.clone()), "2 of 16 are 12.5 %");
}

#[test]
fn when_both_regions_are_red_dns_answers_the_primary() {
    let mut site = Site::new();
    for instance in [site.primary.instances.clone(), site.standby.instances.clone()].concat() {
        site.faults.break_from(site.kit.now_ms, DataFault::InstanceAnswers { instance, status: 500 });
    }
    site.run_s(200);
    assert!(!site.green(&site.primary.clone()) && !site.green(&site.standby.clone()));
    let response = site.user();
    assert_eq!((response.status, response.region.as_deref()), (500, Some("us-east-1")));
    assert_eq!(stopped_at(&response).0, Part::Instance);
}

/// Takes the check off the secondary, so that no probe keeps the standby link awake, and waits for it to fall asleep.
fn asleep(site: &mut Site, check: Option<&str>) {
    use r53::operation::delete_health_check::{DeleteHealthCheckInput, DeleteHealthCheckOutput};
    let record = failover(ORIGIN, &site.standby.origin_target.clone(), "SECONDARY")
        .set_health_check_id(check.map(str::to_owned));
    replace(site, "SECONDARY", record);
    let input = DeleteHealthCheckInput::builder().health_check_id(&site.standby.check).build();
    let _: DeleteHealthCheckOutput = site.kit.must("us-east-1", "r53.DeleteHealthCheck", input);
    site.run_s(61 * 86_400);
    let statuses = [site.primary.link.clone(), site.standby.link.clone()].map(|link| link_status(site, &link));
    assert_eq!(statuses, ["AVAILABLE", "INACTIVE"], "probes keep the link of the primary awake");
}

fn link_status(site: &mut Site, link: &str) -> String {
    use aws_sdk_apigatewayv2::operation::get_vpc_link::{GetVpcLinkInput, GetVpcLinkOutput};
    let half = if *link == site.primary.link { site.primary.clone() } else { site.standby.clone() };
    let input = GetVpcLinkInput::builder().vpc_link_id(link).build();
    let output: GetVpcLinkOutput = site.kit.must(&half.region, "api.GetVpcLink", input);
    output.vpc_link_status.map(|status| status.as_str().to_owned()).unwrap_or_default()
}

#[test]
fn a_failover_to_a_link_that_fell_asleep_fails_for_minutes() {
    let mut site = Site::new();
    asleep(&mut site, None);
    site.faults.break_from(site.kit.now_ms, region_away("us-east-1"));
    site.run_s(200);
    let response = site.user();
    assert_eq!((response.status, response.region.as_deref()), (503, Some("us-west-2")));
    let link = site.standby.link.clone();
    assert_eq!(stopped_at(&response), (Part::VpcLink, link.as_str()));
    let reason = response.failed.as_ref().map(|failure| failure.to_string()).unwrap_or_default();
    assert!(reason.starts_with(&format!("VPC link {link} of us-west-2: INACTIVE: no traffic for 60 days")), "{reason}");
    assert_eq!(link_status(&mut site, &link), "PENDING", "the request has woken it up");
    site.run_s(60);
    assert_eq!(site.user().status, 503);
    site.run_s(180);
    assert_eq!(site.user().body, "hello from us-west-2");
}

#[test]
fn with_a_red_secondary_the_primary_stays() {
    let mut site = Site::new();
    let dead = site.kit.health_check("nowhere.example.com");
    asleep(&mut site, Some(&dead));
    site.faults.break_from(site.kit.now_ms, region_away("us-east-1"));
    site.run_s(200);
    let response = site.user();
    assert_eq!((response.status, response.region.as_deref()), (504, Some("us-east-1")));
}

#[test]
fn an_expired_certificate_is_green_for_the_checkers_and_fatal_for_users() {
    let mut site = Site::new();
    let certificate = site.primary.certificate.clone();
    site.faults.break_from(site.kit.now_ms, DataFault::CertificateExpired { certificate });
    site.run_s(300);
    assert!(site.green(&site.primary.clone()));
    let response = site.user();
    assert_eq!((response.status, stopped_at(&response).0), (502, Part::Endpoint));
    assert!(response.failed.expect("it failed").reason.contains("has expired"));
}

/// Replaces the CNAME pair by alias records, with a check on the ones that are named.
fn to_aliases(site: &mut Site, checked: &[&str]) {
    let zone = site.zone.clone();
    let (mut changes, mut new_records) = (Vec::new(), Vec::new());
    for (half, role) in [(site.primary.clone(), "PRIMARY"), (site.standby.clone(), "SECONDARY")] {
        let old = failover(ORIGIN, &half.origin_target, role).health_check_id(&half.check).build().expect("complete");
        let check = checked.contains(&role).then_some(half.check.clone());
        let new = failover_alias(&half, role).set_health_check_id(check).build().expect("complete");
        changes.push(("DELETE", old));
        new_records.push(("CREATE", new));
    }
    changes.extend(new_records);
    site.kit.change_all(&zone, changes);
    site.run_s(120);
}

#[test]
fn a_primary_without_a_check_never_fails_over() {
    let mut site = Site::new();
    to_aliases(&mut site, &["SECONDARY"]);
    assert_eq!(site.user().region.as_deref(), Some("us-east-1"));
    site.faults.break_from(site.kit.now_ms, region_away("us-east-1"));
    site.run_s(1800);
    let response = site.user();
    assert_eq!((response.status, response.region.as_deref()), (504, Some("us-east-1")));
}

#[test]
fn alias_records_with_checks_fail_over_as_the_others_do() {
    let mut site = Site::new();
    to_aliases(&mut site, &["PRIMARY", "SECONDARY"]);
    site.faults.break_from(site.kit.now_ms, region_away("us-east-1"));
    site.run_s(120);
    assert_eq!(site.user().region.as_deref(), Some("us-west-2"));
}

#[test]
fn a_check_of_the_failover_name_itself_is_undefined() {
    let mut site = Site::new();
    assert_eq!(Health::undefined(&site.kit.world), []);
    let own = site.kit.health_check(ORIGIN);
    let record = failover(ORIGIN, &site.primary.origin_target.clone(), "PRIMARY").health_check_id(&own);
    replace(&mut site, "PRIMARY", record);
    let undefined = Health::undefined(&site.kit.world);
    assert_eq!(undefined.len(), 1);
    assert_eq!(undefined[0].0, own);
    assert!(undefined[0].1.contains(ORIGIN), "{undefined:?}");
}

#[test]
fn disabling_a_check_makes_it_healthy_and_inverting_it_moves_the_traffic() {
    use r53::operation::update_health_check::{UpdateHealthCheckInput, UpdateHealthCheckOutput};
    let mut site = Site::new();
    let check = site.primary.check.clone();
    let input = UpdateHealthCheckInput::builder().health_check_id(&check).disabled(true).build();
    let _: UpdateHealthCheckOutput = site.kit.must("us-east-1", "r53.UpdateHealthCheck", input);
    site.run_s(300);
    assert_eq!(site.user().region.as_deref(), Some("us-east-1"));
    let input = UpdateHealthCheckInput::builder().health_check_id(&check).inverted(true).build();
    let _: UpdateHealthCheckOutput = site.kit.must("us-east-1", "r53.UpdateHealthCheck", input);
    let at_ms = site.kit.now_ms;
    site.run_s(120);
    assert_eq!(site.user().region.as_deref(), Some("us-west-2"));
    let noted = site.health.events().iter().any(|event| {
        matches!(event, HealthEvent::StatusChanged { at_ms: at, check: id, healthy: false, .. } if *at == at_ms && *id == check)
    });
    assert!(noted, "{:?}", site.health.events());
}

#[test]
fn a_primary_that_comes_back_for_half_a_minute_flaps() {
    let mut site = Site::new();
    for n in 0..6 {
        let from_ms = site.kit.now_ms + n * 60_000;
        site.faults.break_between(
            from_ms,
            from_ms + 35_000,
            DataFault::ServiceAway { region: "us-east-1".into(), service: super::super::Service::ApiGateway },
        );
    }
    let before = site.health.events().len();
    site.run_s(420);
    let changes = site.health.events()[before..]
        .iter()
        .filter(|event| matches!(event, HealthEvent::StatusChanged { .. }))
        .count();
    assert!(changes >= 8, "{changes} changes in six minutes");
}

#[test]
fn a_standby_certificate_without_the_origin_name_fails_on_failover_only() {
    let mut site = Site::new();
    let certificate = site.standby.certificate.clone();
    site.kit.world.acm.certificates.get_mut(&certificate).expect("it exists").names.retain(|name| name != ORIGIN);
    site.run_s(300);
    assert!(site.green(&site.standby.clone()));
    assert_eq!(site.user().status, 200);
    site.faults.break_from(site.kit.now_ms, region_away("us-east-1"));
    site.run_s(200);
    let response = site.user();
    assert_eq!(
        (response.status, response.region.as_deref(), stopped_at(&response).0),
        (502, Some("us-west-2"), Part::Endpoint)
    );
}

#[test]
fn a_lost_zone_is_the_load_balancers_business() {
    let mut site = Site::new();
    let zone = site.primary.private[0].1.clone();
    let before = site.health.events().len();
    site.faults.break_from(site.kit.now_ms, DataFault::ZoneAway { zone });
    site.run_s(60);
    let states: Vec<String> =
        site.kit.target_health(&site.primary.clone()).into_iter().map(|(_, state, _)| state).collect();
    assert_eq!(states.iter().filter(|state| *state == "healthy").count(), 1, "{states:?}");
    for _ in 0..20 {
        site.run_s(7);
        let response = site.user();
        assert_eq!((response.status, response.region.as_deref()), (200, Some("us-east-1")), "{response}");
    }
    let changed = site.health.events()[before..].iter().any(|event| matches!(event, HealthEvent::StatusChanged { .. }));
    assert!(!changed, "no regional failover");
}

#[test]
fn the_alarm_tells_its_subscribers_and_is_late_when_its_region_is_away() {
    let mut site = Site::new();
    let texts = |site: &Site| {
        site.health.messages().iter().map(|m| (m.endpoint.clone(), m.subject.clone())).collect::<Vec<_>>()
    };
    let ops = |text: &str| ("ops@example.com".to_owned(), text.to_owned());
    let ok = ops("OK: \"primary-red\" in us-east-1");
    let alarm = ops("ALARM: \"primary-red\" in us-east-1");
    assert_eq!(texts(&site), std::slice::from_ref(&ok), "it has left INSUFFICIENT_DATA");
    deregister_all(&mut site);
    site.run_s(200);
    assert_eq!(texts(&site), [ok.clone(), alarm.clone()]);
    let half = site.primary.clone();
    site.kit.register(&half);
    site.run_s(300);
    assert_eq!(texts(&site), [ok.clone(), alarm.clone(), ok.clone()]);

    // The region of the alarm is the region that fails.
    site.faults.break_from(site.kit.now_ms, region_away("us-east-1"));
    site.run_s(900);
    assert_eq!(texts(&site).len(), 3, "nobody is told");
    assert!(!site.green(&half));
    let now_ms = site.kit.now_ms;
    site.faults.heal_all(now_ms);
    site.run_s(60);
    assert_eq!(texts(&site).last(), Some(&alarm), "it comes late");
}

#[test]
fn many_small_steps_end_where_one_large_step_ends() {
    let run = |step_s: u64| {
        let mut site = Site::new();
        let from_ms = site.kit.now_ms;
        site.faults.break_between(from_ms + 1_000_000, from_ms + 1_400_000, region_away("us-east-1"));
        site.faults.break_between(from_ms + 1_200_000, from_ms + 1_700_000, region_away("us-west-2"));
        let end_ms = from_ms + 3_000_000;
        while site.kit.now_ms < end_ms {
            site.run_s(step_s);
        }
        let observations = |check: &str| site.kit.world.route53.health_checks[check].observations.clone();
        (site.health.events().to_vec(), observations(&site.primary.check), observations(&site.standby.check))
    };
    let whole = run(3000);
    assert!(whole.0.iter().filter(|event| matches!(event, HealthEvent::StatusChanged { .. })).count() >= 4);
    assert_eq!(run(10), whole);
    assert_eq!(run(600), whole);
}

#[test]
fn a_target_is_drained_before_it_is_gone() {
    let mut site = Site::new();
    deregister_all(&mut site);
    let half = site.primary.clone();
    let states =
        |site: &mut Site| site.kit.target_health(&half).into_iter().map(|(_, state, _)| state).collect::<Vec<_>>();
    assert_eq!(states(&mut site), ["draining", "draining"]);
    site.run_s(300);
    assert_eq!(states(&mut site), Vec::<String>::new());
    assert!(site.kit.world.elbv2.groups[&half.group].registered(site.kit.now_ms).next().is_none());
}

#[test]
fn a_calculated_check_follows_its_children() {
    use r53::operation::create_health_check::{CreateHealthCheckInput, CreateHealthCheckOutput};
    let mut site = Site::new();
    let children = [site.primary.check.clone(), site.standby.check.clone()];
    let calculated = |site: &mut Site, threshold: i32| {
        let config = r53::types::HealthCheckConfig::builder()
            .r#type(r53::types::HealthCheckType::Calculated)
            .set_child_health_checks(Some(children.to_vec()))
            .health_threshold(threshold)
            .build()
            .expect("complete");
        let reference = format!("calculated-{threshold}");
        let input = CreateHealthCheckInput::builder().caller_reference(reference).health_check_config(config).build();
        let output: CreateHealthCheckOutput = site.kit.must("us-east-1", "r53.CreateHealthCheck", input);
        output.health_check.expect("a check").id
    };
    let (any, both) = (calculated(&mut site, 1), calculated(&mut site, 2));
    site.run_s(1);
    let from_ms = site.kit.now_ms;
    site.faults.break_from(from_ms, region_away("us-east-1"));
    let with_its_child = site.until_red_ms(&both, from_ms, 120);
    assert!(with_its_child.is_some() && with_its_child == site.until_red_ms(&children[0], from_ms, 120));
    assert!(Health::is_healthy(&site.kit.world, &any) && !Health::is_healthy(&site.kit.world, &both));
}
