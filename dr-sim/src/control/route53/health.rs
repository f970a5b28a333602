//! Health checks: the calls, and what a check says given the verdicts of its checkers.
//!
//! A check that records still name can be deleted (`HealthCheckInUse` is documented as not in use); its caller reference
//! stays taken "for a number of days".

use std::collections::BTreeMap;

use aws_sdk_route53::operation::create_health_check::{
    CreateHealthCheckError, CreateHealthCheckInput, CreateHealthCheckOutput,
};
use aws_sdk_route53::operation::delete_health_check::{
    DeleteHealthCheckError, DeleteHealthCheckInput, DeleteHealthCheckOutput,
};
use aws_sdk_route53::operation::get_health_check::{GetHealthCheckError, GetHealthCheckInput, GetHealthCheckOutput};
use aws_sdk_route53::operation::get_health_check_status::{
    GetHealthCheckStatusError, GetHealthCheckStatusInput, GetHealthCheckStatusOutput,
};
use aws_sdk_route53::operation::list_health_checks::{
    ListHealthChecksError, ListHealthChecksInput, ListHealthChecksOutput,
};
use aws_sdk_route53::operation::update_health_check::{
    UpdateHealthCheckError, UpdateHealthCheckInput, UpdateHealthCheckOutput,
};
use aws_sdk_route53::types::{
    CloudWatchAlarmConfiguration, ComparisonOperator, Dimension, HealthCheck as SdkCheck, HealthCheckObservation,
    HealthCheckRegion, ResettableElementName, Statistic, StatusReport,
};

use super::config::{alarm, check, copy_alarm, from_request, number, regions, shown as shown_config};
use super::zones::count;
use super::{HealthCheck, SERVICE, bare_id, date, invalid_input, page_size, required};
use crate::control::{Answer, Call, Refusal, Table};
use crate::world::World;

/// Active health checks per account (Route 53 quota, may be raised).
const CHECKS_MOST: usize = 200;
/// How long the caller reference of a deleted check stays taken. AWS says "a number of days"; the number is an assumption.
const REFERENCE_KEPT_MS: u64 = 7 * 24 * 3_600_000;
/// A check is healthy when more than this share of its checkers says so (Developer Guide, "How Route 53 determines whether
/// an endpoint is healthy"; AWS reserves the right to change it).
const HEALTHY_ABOVE_PERCENT: usize = 18;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "CreateHealthCheck", CreateHealthCheckError::generic, create_health_check);
    table.on(SERVICE, "GetHealthCheck", GetHealthCheckError::generic, get_health_check);
    table.on(SERVICE, "ListHealthChecks", ListHealthChecksError::generic, list_health_checks);
    table.on(SERVICE, "UpdateHealthCheck", UpdateHealthCheckError::generic, update_health_check);
    table.on(SERVICE, "DeleteHealthCheck", DeleteHealthCheckError::generic, delete_health_check);
    table.on(SERVICE, "GetHealthCheckStatus", GetHealthCheckStatusError::generic, get_health_check_status);
}

/// What the check says now: the verdict of its checkers, children or alarm, turned around when it is inverted. A disabled
/// check is healthy, a check without data too, and so is one that does not exist: a record that names it is never taken out.
pub(crate) fn is_healthy(world: &World, id: &str) -> bool {
    let Some(check) = world.route53.health_checks.get(id) else { return true };
    let raw = check.config.disabled || raw_verdict(world, check);
    raw != check.config.inverted
}

fn raw_verdict(world: &World, check: &HealthCheck) -> bool {
    match check.config.kind.as_str() {
        "CALCULATED" => {
            let healthy = check.config.children.iter().filter(|child| is_healthy(world, child)).count();
            check.config.health_threshold.is_none_or(|threshold| u32::try_from(healthy).is_ok_and(|n| n >= threshold))
        }
        "CLOUDWATCH_METRIC" => match (check.alarm_says, check.config.insufficient_data_health_status.as_deref()) {
            (Some(healthy), _) => healthy,
            (None, Some("Healthy")) => true,
            (None, Some("Unhealthy")) => false,
            // A new check that has no last known status is healthy.
            (None, _) => check.last_known.unwrap_or(true),
        },
        _ => {
            let good = check.observations.iter().filter(|observation| observation.healthy).count();
            check.observations.is_empty() || 100 * good > HEALTHY_ABOVE_PERCENT * check.observations.len()
        }
    }
}

/// The state that the copy of an alarm gives: what a check on the alarm says from now on.
pub(crate) fn note_alarm(world: &mut World, id: &str, state: &str) {
    let Some(check) = world.route53.health_checks.get_mut(id) else { return };
    check.alarm_says = match state {
        "OK" => Some(true),
        "ALARM" => Some(false),
        _ => None,
    };
    check.last_known = check.alarm_says.or(check.last_known);
}

fn no_check(id: &str) -> Refusal {
    Refusal::new("NoSuchHealthCheck", format!("No health check exists with the specified ID: {id}")).status(404)
}

fn find<'w>(world: &'w World, id: &Option<String>) -> Answer<&'w HealthCheck> {
    let id = bare_id(required(id, "healthCheckId")?);
    world.route53.health_checks.get(id).ok_or_else(|| no_check(id))
}

fn shown(check: &HealthCheck) -> SdkCheck {
    let alarm = check.alarm.as_ref().map(|alarm| {
        let dimensions = alarm
            .dimensions
            .iter()
            .map(|(name, value)| Dimension::builder().name(name).value(value).build().expect("name and value are set"));
        CloudWatchAlarmConfiguration::builder()
            .evaluation_periods(alarm.evaluation_periods)
            .threshold(alarm.threshold)
            .comparison_operator(ComparisonOperator::from(alarm.comparison_operator.as_str()))
            .period(alarm.period_s)
            .metric_name(&alarm.metric_name)
            .namespace(&alarm.namespace)
            .statistic(Statistic::from(alarm.statistic.as_str()))
            .set_dimensions(Some(dimensions.collect()))
            .build()
            .expect("every required field is set")
    });
    SdkCheck::builder()
        .id(&check.id)
        .caller_reference(&check.caller_reference)
        .health_check_config(shown_config(&check.config))
        .health_check_version(check.version)
        .set_cloud_watch_alarm_configuration(alarm)
        .build()
        .expect("every required field is set")
}

fn create_health_check(
    world: &mut World,
    call: &Call,
    input: &CreateHealthCheckInput,
) -> Answer<CreateHealthCheckOutput> {
    let reference = required(&input.caller_reference, "callerReference")?;
    if reference.chars().count() > 64 {
        return Err(invalid_input("The caller reference is longer than 64 characters."));
    }
    let asked = input.health_check_config.as_ref().ok_or_else(|| invalid_input("HealthCheckConfig is required."))?;
    let config = from_request(asked)?;
    let taken = || {
        let message = "A different health check has already been created with the specified caller reference.";
        Err(Refusal::new("HealthCheckAlreadyExists", message).status(409))
    };
    let answer = |check: &HealthCheck| {
        let location = format!("https://route53.amazonaws.com/2013-04-01/healthcheck/{}", check.id);
        Ok(CreateHealthCheckOutput::builder()
            .health_check(shown(check))
            .location(location)
            .build()
            .expect("the location is set"))
    };
    if let Some(present) = world.route53.health_checks.values().find(|check| check.caller_reference == reference) {
        return if present.requested == config { answer(present) } else { taken() };
    }
    world.route53.check_references.retain(|_, until_ms| *until_ms > call.now_ms);
    if world.route53.check_references.contains_key(reference) {
        return taken();
    }
    check(world, &config)?;
    if world.route53.health_checks.len() >= CHECKS_MOST {
        return Err(Refusal::new(
            "TooManyHealthChecks",
            "This health check can't be created because the current account has reached the limit on the number \
             of active health checks.",
        ));
    }
    let new = HealthCheck {
        id: uuid(world),
        caller_reference: reference.to_owned(),
        version: 1,
        alarm: copy_alarm(world, &config),
        requested: config.clone(),
        config,
        created_ms: call.now_ms,
        tags: BTreeMap::new(),
        observations: Vec::new(),
        alarm_says: None,
        last_known: None,
    };
    let output = answer(&new);
    world.route53.health_checks.insert(new.id.clone(), new);
    output
}

fn uuid(world: &mut World) -> String {
    let mut hex = |n| world.token(b"0123456789abcdef", n);
    format!("{}-{}-4{}-a{}-{}", hex(8), hex(4), hex(3), hex(3), hex(12))
}

fn get_health_check(world: &mut World, _: &Call, input: &GetHealthCheckInput) -> Answer<GetHealthCheckOutput> {
    Ok(GetHealthCheckOutput::builder().health_check(shown(find(world, &input.health_check_id)?)).build())
}

/// A page begins with the check that its marker names; 100 checks unless more are asked for, 1,000 at most.
fn list_health_checks(world: &mut World, _: &Call, input: &ListHealthChecksInput) -> Answer<ListHealthChecksOutput> {
    let most = page_size(input.max_items.or(Some(100)), 1000)?;
    let marker = input.marker.as_deref().unwrap_or_default();
    let mut rest = world.route53.health_checks.values().filter(|check| check.id.as_str() >= marker);
    let page: Vec<SdkCheck> = rest.by_ref().take(most).map(shown).collect();
    let next = rest.next().map(|check| check.id.clone());
    let output =
        ListHealthChecksOutput::builder().set_health_checks(Some(page)).marker(marker).is_truncated(next.is_some());
    Ok(output.set_next_marker(next).max_items(count(most)).build().expect("every required field is set"))
}

/// What an update leaves out stays as it is; type, interval and latency measurement are not in it at all.
fn update_health_check(world: &mut World, _: &Call, input: &UpdateHealthCheckInput) -> Answer<UpdateHealthCheckOutput> {
    let present = find(world, &input.health_check_id)?;
    if input.health_check_version.is_some_and(|version| version != present.version) {
        let message = format!("The health check has version {}, not the one in the request.", present.version);
        return Err(Refusal::new("HealthCheckVersionMismatch", message).status(409));
    }
    let id = present.id.clone();
    let mut config = present.config.clone();
    for reset in input.reset_elements.as_deref().unwrap_or_default() {
        match reset {
            ResettableElementName::ChildHealthChecks => config.children.clear(),
            ResettableElementName::FullyQualifiedDomainName => config.fully_qualified_domain_name = None,
            ResettableElementName::Regions => config.regions.clear(),
            ResettableElementName::ResourcePath => config.resource_path = None,
            other => return Err(invalid_input(format!("{other} cannot be reset."))),
        }
    }
    if let Some(address) = &input.ip_address {
        if config.ip_address.is_none() {
            return Err(invalid_input("A health check by domain name cannot be changed into one by IP address."));
        }
        config.ip_address = Some(address.clone());
    }
    fn set<T: Clone>(field: &mut Option<T>, asked: Option<T>) {
        if asked.is_some() {
            *field = asked;
        }
    }
    set(&mut config.port, number(input.port, "Port")?);
    set(&mut config.resource_path, input.resource_path.clone());
    set(&mut config.fully_qualified_domain_name, input.fully_qualified_domain_name.clone());
    set(&mut config.search_string, input.search_string.clone());
    set(&mut config.failure_threshold, number(input.failure_threshold, "FailureThreshold")?);
    set(&mut config.health_threshold, number(input.health_threshold, "HealthThreshold")?);
    set(&mut config.enable_sni, input.enable_sni);
    set(&mut config.alarm, input.alarm_identifier.as_ref().map(alarm));
    set(
        &mut config.insufficient_data_health_status,
        input.insufficient_data_health_status.as_ref().map(|s| s.as_str().to_owned()),
    );
    config.inverted = input.inverted.unwrap_or(config.inverted);
    config.disabled = input.disabled.unwrap_or(config.disabled);
    if let Some(children) = input.child_health_checks.as_ref().filter(|children| !children.is_empty()) {
        config.children = children.clone();
    }
    if input.regions.as_ref().is_some_and(|regions| !regions.is_empty()) {
        config.regions = regions(input.regions.as_deref());
    }
    check(world, &config)?;
    let alarm = copy_alarm(world, &config);
    let check = world.route53.health_checks.get_mut(&id).expect("found at the beginning");
    check.config = config;
    check.alarm = alarm;
    check.version += 1;
    Ok(UpdateHealthCheckOutput::builder().health_check(shown(check)).build())
}

fn delete_health_check(
    world: &mut World,
    call: &Call,
    input: &DeleteHealthCheckInput,
) -> Answer<DeleteHealthCheckOutput> {
    let check = find(world, &input.health_check_id)?;
    let (id, reference) = (check.id.clone(), check.caller_reference.clone());
    world.route53.health_checks.remove(&id);
    world.route53.check_references.insert(reference, call.now_ms + REFERENCE_KEPT_MS);
    Ok(DeleteHealthCheckOutput::builder().build())
}

fn get_health_check_status(
    world: &mut World,
    _: &Call,
    input: &GetHealthCheckStatusInput,
) -> Answer<GetHealthCheckStatusOutput> {
    let check = find(world, &input.health_check_id)?;
    if check.config.kind == "CALCULATED" {
        return Err(invalid_input("The status of a calculated health check cannot be asked for."));
    }
    let observations = check.observations.iter().map(|seen| {
        HealthCheckObservation::builder()
            .region(HealthCheckRegion::from(seen.region.as_str()))
            .ip_address(&seen.ip_address)
            .status_report(StatusReport::builder().status(&seen.status).checked_time(date(seen.checked_ms)).build())
            .build()
    });
    let output = GetHealthCheckStatusOutput::builder().set_health_check_observations(Some(observations.collect()));
    Ok(output.build().expect("the observations are set"))
}

#[cfg(test)]
pub(super) mod tests {
    use aws_sdk_route53::types::builders::HealthCheckConfigBuilder;
    use aws_sdk_route53::types::{HealthCheckConfig, HealthCheckType};

    use super::super::Observation;
    use super::super::tests::{at, code};
    use super::*;

    fn https() -> HealthCheckConfigBuilder {
        let config = HealthCheckConfig::builder().r#type(HealthCheckType::Https).resource_path("/health");
        config.fully_qualified_domain_name("use1.example.com").request_interval(10)
    }

    fn create(world: &mut World, reference: &str, config: HealthCheckConfigBuilder) -> Answer<SdkCheck> {
        let config = config.build().expect("the type is set");
        let input = CreateHealthCheckInput::builder()
            .caller_reference(reference)
            .health_check_config(config)
            .build()
            .expect("built");
        create_health_check(world, &at(0), &input).map(|output| output.health_check.expect("a check"))
    }

    /// Makes an HTTPS check and answers its id.
    pub(crate) fn check(world: &mut World, reference: &str) -> String {
        create(world, reference, https()).expect("fine").id
    }

    fn delete(world: &mut World, s: u64, id: &str) -> Answer<DeleteHealthCheckOutput> {
        delete_health_check(
            world,
            &at(s),
            &DeleteHealthCheckInput::builder().health_check_id(id).build().expect("built"),
        )
    }

    fn update(
        world: &mut World,
        change: impl FnOnce(
            aws_sdk_route53::operation::update_health_check::builders::UpdateHealthCheckInputBuilder,
        )
            -> aws_sdk_route53::operation::update_health_check::builders::UpdateHealthCheckInputBuilder,
    ) -> Answer<SdkCheck> {
        let id = world.route53.health_checks.keys().next_back().cloned().unwrap_or_default();
        let input = change(UpdateHealthCheckInput::builder().health_check_id(id)).build().expect("built");
        update_health_check(world, &at(0), &input).map(|output| output.health_check.expect("a check"))
    }

    #[test]
    fn a_check_gets_its_defaults_and_its_reference_answers_it_again() {
        let mut world = World::new(1);
        let first = create(&mut world, "r", https()).expect("fine");
        let config = first.health_check_config().expect("a config");
        assert_eq!((config.port(), config.failure_threshold(), config.enable_sni()), (Some(443), Some(3), Some(true)));
        assert_eq!((config.request_interval(), first.health_check_version()), (Some(10), 1));
        assert_eq!(create(&mut world, "r", https()).expect("the same again").id, first.id);
        let other = create(&mut world, "r", https().port(8443)).expect_err("other settings");
        assert_eq!((other.code.as_str(), other.status), ("HealthCheckAlreadyExists", 409));
    }

    #[test]
    fn the_reference_of_a_deleted_check_is_taken_for_days() {
        let mut world = World::new(1);
        let id = check(&mut world, "r");
        delete(&mut world, 0, &id).expect("even when a record names it");
        assert_eq!(code(create(&mut world, "r", https())), "HealthCheckAlreadyExists");
        assert_eq!(code(delete(&mut world, 0, &id)), "NoSuchHealthCheck");
        let config = https().build().expect("the type is set");
        let input =
            CreateHealthCheckInput::builder().caller_reference("r").health_check_config(config).build().expect("built");
        create_health_check(&mut world, &at(8 * 86_400), &input).expect("free after a week");
    }

    #[test]
    fn an_update_bumps_the_version_and_a_wrong_version_is_refused() {
        let mut world = World::new(1);
        check(&mut world, "r");
        let second =
            update(&mut world, |u| u.health_check_version(1).failure_threshold(5).inverted(true)).expect("fine");
        let config = second.health_check_config().expect("a config");
        assert_eq!(
            (second.health_check_version(), config.failure_threshold(), config.inverted()),
            (2, Some(5), Some(true))
        );
        let stale = update(&mut world, |u| u.health_check_version(1).port(80)).expect_err("version 2 by now");
        assert_eq!((stale.code.as_str(), stale.status), ("HealthCheckVersionMismatch", 409));
        let reset = update(&mut world, |u| u.reset_elements(ResettableElementName::ResourcePath)).expect("fine");
        assert_eq!(reset.health_check_config().and_then(|config| config.resource_path()), None);
        assert_eq!(code(update(&mut world, |u| u.ip_address("192.0.2.1"))), "InvalidInput");
        assert_eq!(code(update(&mut world, |u| u.search_string("x"))), "InvalidInput");
        assert_eq!(code(update(&mut world, |u| u.failure_threshold(11))), "InvalidInput");
    }

    #[test]
    fn configurations_are_checked() {
        let mut world = World::new(1);
        let mut refused = |config: HealthCheckConfigBuilder| code(create(&mut world, "x", config));
        let of =
            |kind: HealthCheckType| HealthCheckConfig::builder().r#type(kind).fully_qualified_domain_name("a.test");
        for config in [
            of(HealthCheckType::Https).set_fully_qualified_domain_name(None),
            of(HealthCheckType::Tcp),
            of(HealthCheckType::Https).request_interval(20),
            of(HealthCheckType::Https).failure_threshold(0),
            of(HealthCheckType::Https).port(0),
            of(HealthCheckType::Https).port(65_536),
            of(HealthCheckType::Https).resource_path("health"),
            of(HealthCheckType::Https).search_string("x"),
            of(HealthCheckType::HttpsStrMatch),
            of(HealthCheckType::Http).enable_sni(true),
            of(HealthCheckType::Https).ip_address("10.0.0.1"),
            of(HealthCheckType::Https).ip_address("here"),
            of(HealthCheckType::Https).regions(HealthCheckRegion::UsEast1).regions(HealthCheckRegion::UsWest2),
            of(HealthCheckType::Https).child_health_checks("x"),
            of(HealthCheckType::Calculated),
            HealthCheckConfig::builder()
                .r#type(HealthCheckType::Calculated)
                .health_threshold(1)
                .child_health_checks("none"),
            HealthCheckConfig::builder().r#type(HealthCheckType::CloudwatchMetric),
            of(HealthCheckType::from("PING")),
        ] {
            let shown = format!("{config:?}");
            assert_eq!(refused(config), "InvalidInput", "{shown}");
        }
        assert_eq!(refused(of(HealthCheckType::RecoveryControl)), "NotSimulated");
        assert_eq!(refused(of(HealthCheckType::Tcp).port(443)), "accepted");
    }

    #[test]
    fn more_than_18_percent_of_the_checkers_make_a_check_healthy() {
        let mut world = World::new(1);
        let id = check(&mut world, "r");
        assert!(is_healthy(&world, &id), "without data");
        let mut verdict = |good: usize, all: usize| {
            let seen = |n: usize| Observation {
                region: "us-east-1".to_owned(),
                ip_address: "15.177.0.1".to_owned(),
                healthy: n < good,
                status: "Success: HTTP Status Code 200, OK".to_owned(),
                checked_ms: 0,
            };
            world.route53.health_checks.get_mut(&id).expect("there").observations = (0..all).map(seen).collect();
            is_healthy(&world, &id)
        };
        assert_eq!([verdict(2, 16), verdict(3, 16), verdict(9, 50), verdict(10, 50)], [false, true, false, true]);
        verdict(0, 16);
        let input = GetHealthCheckStatusInput::builder().health_check_id(&id).build().expect("built");
        let status = get_health_check_status(&mut world, &at(0), &input).expect("there");
        assert_eq!(status.health_check_observations().len(), 16);
    }

    #[test]
    fn inverted_disabled_and_calculated_checks_follow_the_rules() {
        let mut world = World::new(1);
        let (a, b) = (check(&mut world, "a"), check(&mut world, "b"));
        let calculated = HealthCheckConfig::builder().r#type(HealthCheckType::Calculated).health_threshold(2);
        let both =
            create(&mut world, "c", calculated.child_health_checks(&a).child_health_checks(&b)).expect("fine").id;
        assert!(is_healthy(&world, &both));
        world.route53.health_checks.get_mut(&a).expect("there").config.inverted = true;
        assert!(!is_healthy(&world, &a) && !is_healthy(&world, &both));
        world.route53.health_checks.get_mut(&a).expect("there").config.disabled = true;
        assert!(!is_healthy(&world, &a), "disabled and inverted is the way to take a record out");
        world.route53.health_checks.get_mut(&a).expect("there").config.inverted = false;
        assert!(is_healthy(&world, &a) && is_healthy(&world, &both));
        let status = GetHealthCheckStatusInput::builder().health_check_id(&both).build().expect("built");
        assert_eq!(code(get_health_check_status(&mut world, &at(0), &status)), "InvalidInput");
        let nested = HealthCheckConfig::builder()
            .r#type(HealthCheckType::Calculated)
            .health_threshold(1)
            .child_health_checks(&both);
        assert_eq!(code(create(&mut world, "d", nested)), "InvalidInput");
    }

    #[test]
    fn lists_are_paged() {
        let mut world = World::new(1);
        for n in 0..3 {
            check(&mut world, &n.to_string());
        }
        let page = |world: &mut World, marker: Option<String>| {
            let input = ListHealthChecksInput::builder().max_items(2).set_marker(marker).build().expect("built");
            list_health_checks(world, &at(0), &input).expect("a page")
        };
        let first = page(&mut world, None);
        assert_eq!((first.health_checks().len(), first.is_truncated()), (2, true));
        let second = page(&mut world, first.next_marker);
        assert_eq!((second.health_checks().len(), second.is_truncated()), (1, false));
    }
}
