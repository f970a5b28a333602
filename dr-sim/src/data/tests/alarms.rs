//! Alarms, the health checks on them, and the metrics of APIs.

use aws_sdk_cloudwatch as cw;
use aws_sdk_route53 as r53;
use cw::operation::put_metric_alarm::builders::PutMetricAlarmInputBuilder;
use cw::operation::put_metric_alarm::{PutMetricAlarmInput, PutMetricAlarmOutput};
use r53::operation::create_health_check::{CreateHealthCheckInput, CreateHealthCheckOutput};
use r53::operation::update_health_check::{UpdateHealthCheckInput, UpdateHealthCheckOutput};

use super::super::testing::{ORIGIN, Site, failover};
use super::super::{DataFault, HealthEvent, Request, Service};
use crate::control::route53;

/// An alarm of the standby region that goes off after one bad minute.
fn alarm(name: &str, namespace: &str, metric: &str, threshold: f64) -> PutMetricAlarmInputBuilder {
    PutMetricAlarmInput::builder()
        .alarm_name(name)
        .namespace(namespace)
        .metric_name(metric)
        .statistic(cw::types::Statistic::Maximum)
        .period(60)
        .evaluation_periods(1)
        .threshold(threshold)
        .comparison_operator(cw::types::ComparisonOperator::GreaterThanOrEqualToThreshold)
}

fn put_alarm(site: &mut Site, alarm: PutMetricAlarmInputBuilder) {
    let _: PutMetricAlarmOutput = site.kit.must("us-west-2", "CloudWatch.PutMetricAlarm", alarm.build());
}

fn lever() -> r53::types::AlarmIdentifier {
    r53::types::AlarmIdentifier::builder().region("us-west-2".into()).name("lever").build().expect("complete")
}

/// A health check on the alarm `lever`, with AWS's default for a metric without data.
fn check(site: &mut Site) -> String {
    let config = r53::types::HealthCheckConfig::builder()
        .r#type(r53::types::HealthCheckType::CloudwatchMetric)
        .alarm_identifier(lever())
        .build()
        .expect("complete");
    let input = CreateHealthCheckInput::builder().caller_reference("lever").health_check_config(config).build();
    let output: CreateHealthCheckOutput = site.kit.must("us-east-1", "r53.CreateHealthCheck", input);
    output.health_check.expect("a check").id
}

fn put(site: &mut Site, value: f64) {
    site.health.put_metric("us-west-2", "Site", "TakeOver", &[], value, site.kit.now_ms);
}

fn is_healthy(site: &Site, check: &str) -> bool {
    route53::is_healthy(&site.kit.world, check)
}

/// The operator's lever: a custom metric in the standby region, an alarm on it, and a health check on the alarm. It is put once
/// and stays, since a check without data keeps its last status.
#[test]
fn a_metric_in_the_standby_region_moves_the_traffic_without_any_control_plane() {
    let mut site = Site::new();
    put_alarm(&mut site, alarm("lever", "Site", "TakeOver", 1.0).treat_missing_data("ignore"));
    let check = check(&mut site);
    let record = failover(ORIGIN, &site.primary.origin_target.clone(), "PRIMARY").health_check_id(&check);
    site.kit.change(&site.zone, "UPSERT", record.build());
    site.run_s(300);
    assert_eq!(site.user().region.as_deref(), Some("us-east-1"));
    for (value, region) in [(1.0, "us-west-2"), (0.0, "us-east-1")] {
        put(&mut site, value);
        site.run_s(200);
        assert_eq!(site.user().region.as_deref(), Some(region));
    }
}

/// Goal: `LastKnownStatus` is the last status, good or bad, and not `Healthy`.
#[test]
fn a_check_keeps_its_last_status_when_the_canary_dies() {
    let mut site = Site::new();
    put_alarm(&mut site, alarm("lever", "Site", "TakeOver", 1.0));
    let check = check(&mut site);
    site.run_s(300);
    assert!(is_healthy(&site, &check), "a new check without data");
    for value in [1.0, 0.0, 1.0] {
        for _ in 0..3 {
            put(&mut site, value);
            site.run_s(60);
        }
        site.run_s(3600);
        assert_eq!(site.kit.world.cloudwatch.alarms["us-west-2"]["lever"].state.value, "INSUFFICIENT_DATA");
        assert_eq!(is_healthy(&site, &check), value < 1.0, "after {value} and an hour without data");
    }
}

/// Goal: an edited alarm reaches the check with UpdateHealthCheck, not before.
#[test]
fn a_check_goes_by_its_copy_of_the_alarm() {
    let mut site = Site::new();
    put_alarm(&mut site, alarm("lever", "Site", "TakeOver", 1.0));
    let check = check(&mut site);
    let minutes = |site: &mut Site| {
        for _ in 0..4 {
            put(site, 1.0);
            site.run_s(60);
        }
    };
    minutes(&mut site);
    assert!(!is_healthy(&site, &check));
    put_alarm(&mut site, alarm("lever", "Site", "TakeOver", 2.0));
    minutes(&mut site);
    assert_eq!(site.kit.world.cloudwatch.alarms["us-west-2"]["lever"].state.value, "OK");
    assert!(!is_healthy(&site, &check), "it has the old threshold");
    let input = UpdateHealthCheckInput::builder().health_check_id(&check).alarm_identifier(lever()).build();
    let _: UpdateHealthCheckOutput = site.kit.must("us-east-1", "r53.UpdateHealthCheck", input);
    minutes(&mut site);
    assert!(is_healthy(&site, &check), "it has the new one");
}

/// When and to what the alarms with this name changed, in seconds since an instant.
fn changes(site: &Site, wanted: &str, from_ms: u64) -> Vec<(u64, String)> {
    let changes = site.health.events().iter().filter_map(|event| match event {
        HealthEvent::AlarmChanged { at_ms, name, state, .. } if name == wanted && *at_ms >= from_ms => {
            Some(((at_ms - from_ms) / 1000, state.clone()))
        }
        _ => None,
    });
    changes.collect()
}

fn errors_alarm(site: &mut Site, stage: Option<&str>) {
    let api = cw::types::Dimension::builder().name("ApiId").value(&site.standby.api).build();
    let alarm = alarm("errors", "AWS/ApiGateway", "5xx", 5.0).statistic(cw::types::Statistic::Sum);
    let stage = stage.map(|stage| cw::types::Dimension::builder().name("Stage").value(stage).build());
    let dimensions = [Some(api), stage].into_iter().flatten().collect();
    put_alarm(site, alarm.treat_missing_data("notBreaching").set_dimensions(Some(dimensions)));
}

/// Goal: health checkers are enough to make an alarm on the errors of an API go off, also in a long step in which nobody looks,
/// and long after the last change.
#[test]
fn an_alarm_on_the_errors_of_an_api_follows_the_probes() {
    for step_s in [10, 7200] {
        let mut site = Site::new();
        errors_alarm(&mut site, None);
        site.run_s(3600);
        let began_ms = site.kit.now_ms;
        let away = DataFault::ServiceAway { region: "us-west-2".into(), service: Service::ApiGateway };
        site.faults.break_between(began_ms + 3_600_000, began_ms + 5_400_000, away);
        for _ in 0..7200 / step_s {
            site.run_s(step_s);
        }
        let changes = changes(&site, "errors", began_ms);
        let [(bad_s, bad), (good_s, good)] = &changes[..] else { panic!("{changes:?}") };
        assert_eq!((bad.as_str(), good.as_str()), ("ALARM", "OK"));
        assert!((3_615..3_800).contains(bad_s) && (5_415..5_600).contains(good_s), "{changes:?}");
    }
}

/// Goal: requests of users count, by stage, with the status that the API gave and not the one that CloudFront makes of it.
#[test]
fn an_alarm_on_the_errors_of_an_api_follows_users() {
    for (stage, goes_off) in [("$default", true), ("other", false)] {
        let mut site = Site::new();
        errors_alarm(&mut site, Some(stage));
        site.run_s(600);
        let began_ms = site.kit.now_ms;
        for instance in site.standby.instances.clone() {
            site.faults.break_between(
                began_ms,
                began_ms + 10_000,
                DataFault::InstanceAnswers { instance, status: 500 },
            );
        }
        let url = format!("https://{}.execute-api.us-west-2.amazonaws.com/", site.standby.api);
        for _ in 0..60 {
            assert_eq!(site.send(&Request::get(&url)).status, 500);
        }
        site.run_s(300);
        assert_eq!(
            changes(&site, "errors", began_ms).first().map(|(_, state)| state == "ALARM"),
            goes_off.then_some(true)
        );
    }
}
