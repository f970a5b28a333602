//! Tests of health checks: canonical comparison, ownership, refusals.

use aws_sdk_route53::Client;
use aws_sdk_route53::operation::list_health_checks::ListHealthChecksOutput;
use aws_sdk_route53::operation::list_tags_for_resources::ListTagsForResourcesOutput;
use aws_sdk_route53::types::{ResourceTagSet, Tag};
use aws_smithy_mocks::{Rule, mock};

use super::super::tests::{cx, scan};
use super::*;
use crate::testing::{outcome, refused};

fn args(check: &HealthCheck) -> HealthCheckArgs {
    HealthCheckArgs {
        kind: check.kind,
        host: check.host.as_ref().and_then(|host| host.as_known().cloned()),
        port: check.port,
        path: check.path.clone(),
        search: check.search.clone(),
        interval_s: check.interval_s,
        threshold: check.threshold,
        measure_latency: check.measure_latency,
        sni: check.sni,
        regions: check.regions.clone(),
        children: Vec::new(),
        healthy_children: check.healthy_children,
        alarm: None,
        alarm_settings: None,
        insufficient_data: None,
        inverted: check.inverted,
        disabled: check.disabled,
    }
}

fn list(references: Vec<String>) -> Rule {
    let config = config(&args(&HealthCheck::https("a1.execute-api.us-east-1.amazonaws.com"))).unwrap();
    mock!(Client::list_health_checks).then_output(move || {
        let checks = references.iter().enumerate().map(|(at, reference)| {
            let check = SeenCheck::builder().id(format!("hc-{at}")).caller_reference(reference).health_check_version(1);
            check.health_check_config(config.clone()).build().unwrap()
        });
        let list = ListHealthChecksOutput::builder().set_health_checks(Some(checks.collect()));
        list.is_truncated(false).marker("").max_items(1000).build().unwrap()
    })
}

fn tags(of: &'static str, address: &'static str) -> Rule {
    mock!(Client::list_tags_for_resources).then_output(move || {
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        let set = ResourceTagSet::builder().resource_id(of).resource_type(KIND);
        let set = set.tags(tag("dr:stack", "shop")).tags(tag("dr:address", address)).tags(tag("dr:generation", "2"));
        ListTagsForResourcesOutput::builder().resource_tag_sets(set.build()).build().unwrap()
    })
}

#[test]
fn what_route_53_fills_in_is_no_drift() {
    for check in [
        HealthCheck::https("A1.execute-api.us-east-1.amazonaws.com").path("/health").interval_s(10),
        HealthCheck::http("example.com").containing("ok").threshold(1),
        HealthCheck::tcp("example.com", 22),
    ] {
        let args = args(&check);
        let mut seen = config(&args).unwrap();
        seen.regions = Some(REGIONS.iter().map(|region| HealthCheckRegion::from(*region)).collect());
        seen.fully_qualified_domain_name = args.host.as_ref().map(|host| host.to_lowercase());
        assert_eq!(observed(Some(&args), &seen, None), args);
    }
}

/// Of three checks one is somebody else's, one has tags, and one lost its creator before it got them.
#[tokio::test]
async fn a_check_is_found_by_tags_or_by_the_token_of_an_interrupted_creation() {
    let token = "0123456789abcdef0123456789abcdef";
    let (tagged, lost) = (reference("shop", &"1".repeat(32)), reference("shop", token));
    let scan = scan(&[&list(vec!["somebody-else".into(), tagged, lost]), &tags("hc-1", "global/dns.old")]);
    let wanted = Wanted {
        address: "global/dns.new".parse().unwrap(),
        generation: 1,
        token: token.into(),
        args: args(&HealthCheck::https("a1.execute-api.us-east-1.amazonaws.com")),
        outputs: None,
    };
    let found = HealthCheck::read(&scan, &[wanted]).await.unwrap();
    let seen: Vec<_> =
        found.iter().map(|f| (f.address.as_str(), f.generation, f.outputs.id.as_str(), f.health)).collect();
    assert_eq!(seen, [("global/dns.old", 2, "hc-1", Health::Ready), ("global/dns.new", 1, "hc-2", Health::Pending)],);
}

/// The token comes from the state; without one, the settings tell which of the stack's checks it is, once.
#[tokio::test]
async fn an_interrupted_creation_is_found_without_the_state() {
    let wanted = |address: &str, host: &str| Wanted {
        address: address.parse().unwrap(),
        generation: 1,
        token: "f".repeat(32),
        args: args(&HealthCheck::https(host)),
        outputs: None,
    };
    let lost = |digit: &str| reference("shop", &digit.repeat(32));
    let no_tags = mock!(Client::list_tags_for_resources)
        .then_output(|| ListTagsForResourcesOutput::builder().set_resource_tag_sets(Some(Vec::new())).build().unwrap());
    let scan = scan(&[&list(vec![lost("1"), lost("2")]), &no_tags]);
    let other = wanted("global/dns.other", "b2.execute-api.us-east-1.amazonaws.com");
    let same = wanted("global/dns.same", "a1.execute-api.us-east-1.amazonaws.com");
    let found = HealthCheck::read(&scan, &[other, same]).await.unwrap();
    let seen: Vec<_> = found.iter().map(|f| (f.address.as_str(), f.outputs.id.as_str(), f.health)).collect();
    assert_eq!(seen, [("global/dns.same", "hc-0", Health::Pending)]);
}

#[tokio::test]
async fn an_unfinished_check_gets_its_tags() {
    let tag = mock!(Client::change_tags_for_resource)
        .match_requests(|input| {
            let ours =
                input.add_tags().iter().any(|t| t.key() == Some("dr:address") && t.value() == Some("global/dns.thing"));
            ours && input.resource_id() == Some("hc-1") && input.add_tags().len() <= 10
        })
        .then_output(|| {
            aws_sdk_route53::operation::change_tags_for_resource::ChangeTagsForResourceOutput::builder().build()
        });
    let args = args(&HealthCheck::https("example.com"));
    let current = Prior { args, outputs: HealthCheckOutputs { id: HealthCheckId::literal("hc-1"), tagged: false } };
    let settled = HealthCheck::ready(&cx(&[&tag]), &current).await.unwrap();
    assert!(matches!(settled, Settled::Yes(outputs) if outputs.tagged));
    assert_eq!(tag.num_calls(), 1);
}

#[test]
fn an_alarm_is_named_by_its_arn() {
    let alarm = alarm("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:shop-5xx:late").unwrap();
    assert_eq!((alarm.region().as_str(), alarm.name()), ("eu-west-1", "shop-5xx:late"));
    assert!(super::alarm("arn:aws:sns:eu-west-1:123456789012:topic").is_err());
}

/// Route 53's copy of an alarm, with this threshold.
fn copy(threshold: f64) -> CloudWatchAlarmConfiguration {
    let dimension = aws_sdk_route53::types::Dimension::builder().name("ApiId").value("a1").build().unwrap();
    let copy = CloudWatchAlarmConfiguration::builder().namespace("AWS/ApiGateway").metric_name("5xx");
    let copy = copy.dimensions(dimension).statistic("Sum".into()).period(60).evaluation_periods(1);
    copy.comparison_operator("GreaterThanOrEqualToThreshold".into()).threshold(threshold).build().unwrap()
}

#[cfg(feature = "cloudwatch")]
#[test]
fn an_alarm_that_changes_changes_the_check_on_it() {
    use dr_core::Stack;

    use crate::cloudwatch::{Alarm, Comparison};
    use crate::regions::UsWest2;

    let program = |threshold| {
        let built = Stack::build("shop", |stack| {
            let alarm = Alarm::new("AWS/ApiGateway", "5xx").dimension("ApiId", "a1");
            let alarm = alarm.when(Comparison::AtLeast, threshold);
            let arn = stack.region(UsWest2).add("errors", alarm.clone()).arn;
            stack.region(dr_core::Global).add("check", HealthCheck::on_alarm(&alarm, arn, InsufficientData::LastKnown));
        });
        built.unwrap()
    };
    let inputs = |stack: &Stack| stack.get("global/check").unwrap().inputs.clone();
    let (old, new) = (program(1.0), program(5.0));
    assert_ne!(inputs(&old)["alarm_settings"], inputs(&new)["alarm_settings"]);
    assert_eq!(inputs(&old)["alarm"], inputs(&new)["alarm"], "the alarm keeps its ARN");
    // What is read is what the program says, until Route 53 has an old copy.
    let wanted = |stack: &Stack| serde_json::from_value::<AlarmSettingsArgs>(inputs(stack)["alarm_settings"].clone());
    assert_eq!(settings(&copy(1.0)), wanted(&old).unwrap());
    assert_ne!(settings(&copy(1.0)), wanted(&new).unwrap());
}

#[test]
fn an_old_copy_of_an_alarm_is_seen_and_one_that_is_not_shown_is_taken_for_right() {
    let wanted = HealthCheckArgs { alarm_settings: Some(settings(&copy(5.0))), ..prior().args };
    let config = config(&wanted).unwrap();
    let seen = |copy| observed(Some(&wanted), &config, copy).alarm_settings;
    let old = copy(1.0);
    assert_eq!(seen(Some(&old)), Some(settings(&old)));
    assert_eq!(seen(None), wanted.alarm_settings);
}

fn prior() -> Prior<HealthCheck> {
    let outputs = HealthCheckOutputs { id: HealthCheckId::literal("hc-1"), tagged: false };
    Prior { args: args(&HealthCheck::https("example.com")), outputs }
}

#[tokio::test]
async fn a_reference_that_was_used_is_looked_at_and_a_quota_is_final() {
    for (code, class) in [
        ("HealthCheckAlreadyExists", Class::Exists),
        ("TooManyHealthChecks", Class::Permanent),
        ("InvalidInput", Class::Permanent),
        ("Throttling", Class::Throttled),
    ] {
        let refused = refused(mock!(Client::create_health_check), code, "");
        assert_eq!(outcome(HealthCheck::create(&cx(&[&refused]), &prior().args).await), Err(class), "{code}");
    }
}

#[tokio::test]
async fn a_check_that_somebody_changes_too_is_read_again() {
    let wanted = HealthCheckArgs { threshold: Some(2), ..prior().args };
    for (code, class) in [("HealthCheckVersionMismatch", Class::Stale), ("NoSuchHealthCheck", Class::Eventual)] {
        let refused = refused(mock!(Client::update_health_check), code, "");
        assert_eq!(outcome(HealthCheck::update(&cx(&[&refused]), &prior(), &wanted).await), Err(class), "{code}");
    }
}

#[tokio::test]
async fn a_check_that_is_gone_is_deleted_and_a_new_one_is_waited_for() {
    for (code, expected) in [("NoSuchHealthCheck", Ok(())), ("HealthCheckInUse", Err(Class::Dependency))] {
        let refused = refused(mock!(Client::delete_health_check), code, "");
        assert_eq!(outcome(HealthCheck::delete(&cx(&[&refused]), &prior()).await), expected, "{code}");
    }
    let unknown = refused(mock!(Client::change_tags_for_resource), "NoSuchHealthCheck", "");
    assert_eq!(outcome(HealthCheck::ready(&cx(&[&unknown]), &prior()).await), Err(Class::Eventual));
}
