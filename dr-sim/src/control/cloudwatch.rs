//! CloudWatch: metric alarms.
//!
//! API: CloudWatch 2010-08-01. PutMetricAlarm creates or overwrites everything but the tags, which it takes at the creation
//! only, and the state. An alarm is born in `INSUFFICIENT_DATA`. An action must be of the alarm's own region.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::operation::delete_alarms::{DeleteAlarmsError, DeleteAlarmsInput, DeleteAlarmsOutput};
use aws_sdk_cloudwatch::operation::describe_alarms::{DescribeAlarmsError, DescribeAlarmsInput, DescribeAlarmsOutput};
use aws_sdk_cloudwatch::operation::list_tags_for_resource::{
    ListTagsForResourceError, ListTagsForResourceInput, ListTagsForResourceOutput,
};
use aws_sdk_cloudwatch::operation::put_metric_alarm::{PutMetricAlarmError, PutMetricAlarmInput, PutMetricAlarmOutput};
use aws_sdk_cloudwatch::operation::tag_resource::{TagResourceError, TagResourceInput, TagResourceOutput};
use aws_sdk_cloudwatch::operation::untag_resource::{UntagResourceError, UntagResourceInput, UntagResourceOutput};
use aws_sdk_cloudwatch::types::{
    AlarmType, ComparisonOperator, Dimension, MetricAlarm, StandardUnit, StateValue, Statistic, Tag,
};
use aws_smithy_types::DateTime;
use serde::{Deserialize, Serialize};

use super::{Answer, Call, Refusal, Table, route53};
use crate::latency::Slow;
use crate::world::World;

/// The service name in the SDK's metadata.
const SERVICE: &str = "CloudWatch";

/// Alarms by region and name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) alarms: BTreeMap<String, BTreeMap<String, Alarm>>,
}

/// A metric alarm.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Alarm {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) description: Option<String>,
    pub(crate) actions_enabled: bool,
    /// ARNs, as the next two.
    pub(crate) ok_actions: Vec<String>,
    pub(crate) alarm_actions: Vec<String>,
    pub(crate) insufficient_data_actions: Vec<String>,
    pub(crate) metric_name: String,
    pub(crate) namespace: String,
    /// Exactly one of this and the next one.
    pub(crate) statistic: Option<String>,
    pub(crate) extended_statistic: Option<String>,
    pub(crate) dimensions: Vec<(String, String)>,
    /// Seconds.
    pub(crate) period_s: i32,
    pub(crate) unit: Option<String>,
    pub(crate) evaluation_periods: i32,
    pub(crate) datapoints_to_alarm: Option<i32>,
    pub(crate) threshold: f64,
    pub(crate) comparison_operator: String,
    pub(crate) treat_missing_data: Option<String>,
    pub(crate) evaluate_low_sample_count_percentile: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Of the last PutMetricAlarm.
    pub(crate) configured_ms: u64,
    /// From when on its metric has data.
    pub(crate) data_from_ms: u64,
    pub(crate) state: AlarmState,
}

/// The state of an alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AlarmState {
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub(crate) value: String,
    pub(crate) reason: String,
    pub(crate) since_ms: u64,
}

/// The reason that a new alarm gives for its state.
const UNCHECKED: &str = "Unchecked: Initial alarm creation";

pub(crate) fn register(table: &mut Table) {
    table.on(SERVICE, "PutMetricAlarm", PutMetricAlarmError::generic, put_metric_alarm);
    table.on(SERVICE, "DescribeAlarms", DescribeAlarmsError::generic, describe_alarms);
    table.on(SERVICE, "DeleteAlarms", DeleteAlarmsError::generic, delete_alarms);
    table.on(SERVICE, "TagResource", TagResourceError::generic, tag_resource);
    table.on(SERVICE, "UntagResource", UntagResourceError::generic, untag_resource);
    table.on(SERVICE, "ListTagsForResource", ListTagsForResourceError::generic, list_tags_for_resource);
}

/// The alarm of that name in that region.
pub(crate) fn alarm<'w>(world: &'w World, region: &str, name: &str) -> Option<&'w Alarm> {
    world.cloudwatch.alarms.get(region)?.get(name)
}

/// Sets the state of an alarm, as its evaluation does; the instant changes with the value only. Answers whether there is
/// such an alarm.
pub(crate) fn set_state(world: &mut World, region: &str, name: &str, value: &str, reason: &str, now_ms: u64) -> bool {
    let Some(alarm) = world.cloudwatch.alarms.get_mut(region).and_then(|alarms| alarms.get_mut(name)) else {
        return false;
    };
    let since_ms = if alarm.state.value == value { alarm.state.since_ms } else { now_ms };
    alarm.state = AlarmState { value: value.to_owned(), reason: reason.to_owned(), since_ms };
    true
}

/// The state at that moment. An alarm on the status of a health check leaves `INSUFFICIENT_DATA` by itself once its metric
/// has data; every other change of state comes from [`set_state`].
pub(crate) fn state_at(world: &World, alarm: &Alarm, now_ms: u64) -> AlarmState {
    if alarm.state.reason != UNCHECKED || now_ms < alarm.data_from_ms {
        return alarm.state.clone();
    }
    let Some(value) = health_check_status(world, alarm) else { return alarm.state.clone() };
    let breaching = match alarm.comparison_operator.as_str() {
        "LessThanThreshold" => value < alarm.threshold,
        "LessThanOrEqualToThreshold" => value <= alarm.threshold,
        "GreaterThanThreshold" => value > alarm.threshold,
        "GreaterThanOrEqualToThreshold" => value >= alarm.threshold,
        _ => return alarm.state.clone(),
    };
    let (state, was) = if breaching { ("ALARM", "") } else { ("OK", "not ") };
    let reason =
        format!("Threshold Crossed: 1 datapoint [{value:.1}] was {was}past the threshold ({:.1}).", alarm.threshold);
    AlarmState { value: state.to_owned(), reason, since_ms: alarm.data_from_ms }
}

/// The metric `HealthCheckStatus` of Route 53: 1 for healthy, 0 for unhealthy, nothing for a check that is disabled or gone.
fn health_check_status(world: &World, alarm: &Alarm) -> Option<f64> {
    if alarm.namespace != "AWS/Route53"
        || alarm.metric_name != "HealthCheckStatus"
        || !alarm.arn.contains(":us-east-1:")
    {
        return None;
    }
    let (_, id) = alarm.dimensions.iter().find(|(name, _)| name == "HealthCheckId")?;
    let check = world.route53.health_checks.get(id).filter(|check| !check.config.disabled)?;
    Some(if route53::is_healthy(world, &check.id) { 1.0 } else { 0.0 })
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new("ValidationError", message)
}

fn constraint(value: impl std::fmt::Display, field: &str, constraint: &str) -> Refusal {
    invalid(format!(
        "1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {constraint}"
    ))
}

/// The actions of a list, checked: at most five, ARNs, of the region that is asked.
fn actions(call: &Call, asked: Option<&[String]>, field: &str) -> Answer<Vec<String>> {
    let asked = asked.unwrap_or_default();
    if asked.len() > 5 {
        return Err(constraint(format!("{asked:?}"), field, "Member must have length less than or equal to 5"));
    }
    for arn in asked {
        let parts: Vec<&str> = arn.split(':').collect();
        if parts.len() < 6 || parts[0] != "arn" {
            return Err(invalid(format!("Invalid arn syntax: {arn}")));
        }
        if parts[1] != "aws" {
            return Err(invalid(format!("Invalid partition {} specified. Only aws is supported.", parts[1])));
        }
        if !parts[3].is_empty() && parts[3] != call.region {
            return Err(invalid(format!("Invalid region {} specified. Only {} is supported.", parts[3], call.region)));
        }
    }
    Ok(asked.to_vec())
}

fn checked_tags(tags: &[Tag]) -> Answer<BTreeMap<String, String>> {
    let mut checked = BTreeMap::new();
    for tag in tags {
        let (key, value) = (tag.key.clone().unwrap_or_default(), tag.value.clone().unwrap_or_default());
        if key.is_empty()
            || key.chars().count() > 128
            || value.chars().count() > 256
            || key.to_lowercase().starts_with("aws:")
        {
            return Err(Refusal::new("InvalidParameterValue", format!("The tag {key} is not valid.")));
        }
        checked.insert(key, value);
    }
    if checked.len() > 50 {
        return Err(Refusal::new("InvalidParameterValue", "An alarm can have up to 50 tags."));
    }
    Ok(checked)
}

fn put_metric_alarm(world: &mut World, call: &Call, input: &PutMetricAlarmInput) -> Answer<PutMetricAlarmOutput> {
    if input.metrics.is_some()
        || input.evaluation_criteria.is_some()
        || input.threshold_metric_id.is_some()
        || input.evaluation_window.is_some()
        || input.warm_up_configuration.is_some()
        || input.action_configuration.is_some()
    {
        let message = "not simulated: alarms on expressions, anomaly bands, queries or evaluation windows";
        return Err(Refusal::new("NotSimulated", message).status(501));
    }
    let name = input.alarm_name.as_deref().unwrap_or_default();
    if !(1..=255).contains(&name.chars().count()) || name.chars().any(|c| c.is_ascii_control()) {
        return Err(constraint(name, "alarmName", "Member must have length between 1 and 255"));
    }
    let required = |value: &Option<String>, field: &str| {
        value
            .clone()
            .filter(|value| !value.is_empty())
            .ok_or_else(|| invalid(format!("The parameter {field} is required.")))
    };
    let metric_name = required(&input.metric_name, "MetricName")?;
    let namespace = required(&input.namespace, "Namespace")?;
    let statistic = input.statistic.as_ref().map(|statistic| statistic.as_str().to_owned());
    if statistic.is_some() == input.extended_statistic.is_some() {
        return Err(invalid("Exactly one of Statistic and ExtendedStatistic is required."));
    }
    if let Some(other) = statistic.as_deref().filter(|name| !Statistic::values().contains(name)) {
        return Err(constraint(
            other,
            "statistic",
            "Member must satisfy enum value set: [Maximum, SampleCount, Average, Sum, Minimum]",
        ));
    }
    let period_s = input.period.ok_or_else(|| invalid("The parameter Period is required."))?;
    if !matches!(period_s, 10 | 20 | 30) && (period_s < 60 || period_s % 60 != 0) {
        return Err(constraint(period_s, "period", "Period must be 10, 20, 30 or a multiple of 60"));
    }
    let evaluation_periods = input.evaluation_periods.filter(|n| *n >= 1);
    let evaluation_periods =
        evaluation_periods.ok_or_else(|| invalid("EvaluationPeriods is required and at least 1."))?;
    let longest = if period_s < 3600 { 86_400 } else { 604_800 };
    if i64::from(period_s) * i64::from(evaluation_periods) > longest {
        return Err(invalid(format!(
            "Metrics cannot be checked across more than {longest} seconds (EvaluationPeriods * Period)."
        )));
    }
    if input.datapoints_to_alarm.is_some_and(|n| n < 1 || n > evaluation_periods) {
        return Err(invalid("DatapointsToAlarm must be between 1 and EvaluationPeriods."));
    }
    let operator = input.comparison_operator.as_ref().map(ComparisonOperator::as_str).unwrap_or_default();
    let plain =
        ["GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"];
    if !plain.contains(&operator) {
        return Err(constraint(operator, "comparisonOperator", "Member must satisfy enum value set"));
    }
    let threshold = input.threshold.ok_or_else(|| invalid("The parameter Threshold is required."))?;
    if let Some(other) = &input.treat_missing_data
        && !["breaching", "notBreaching", "ignore", "missing"].contains(&other.as_str())
    {
        return Err(invalid(format!("Unsupported TreatMissingData value: {other}")));
    }
    let dimensions = input.dimensions.as_deref().unwrap_or_default();
    if dimensions.len() > 30
        || dimensions
            .iter()
            .any(|d| d.name().unwrap_or_default().is_empty() || d.value().unwrap_or_default().is_empty())
    {
        return Err(invalid("There are up to 30 dimensions, each with a name and a value."));
    }
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let ok_actions = actions(call, input.ok_actions.as_deref(), "oKActions")?;
    let alarm_actions = actions(call, input.alarm_actions.as_deref(), "alarmActions")?;
    let insufficient_data_actions =
        actions(call, input.insufficient_data_actions.as_deref(), "insufficientDataActions")?;
    let tags = checked_tags(input.tags.as_deref().unwrap_or_default())?;

    let present = alarm(world, &call.region, name).cloned();
    let (tags, state, data_from_ms) = match present {
        // An update ignores the tags and goes on from the state.
        Some(present) => (present.tags, present.state, present.data_from_ms),
        None => {
            let state = AlarmState {
                value: "INSUFFICIENT_DATA".to_owned(),
                reason: UNCHECKED.to_owned(),
                since_ms: call.now_ms,
            };
            (tags, state, call.now_ms + world.latency(Slow::AlarmData))
        }
    };
    let new = Alarm {
        name: name.to_owned(),
        arn: format!("arn:aws:cloudwatch:{}:{}:alarm:{name}", call.region, world.account),
        description: input.alarm_description.clone(),
        actions_enabled: input.actions_enabled.unwrap_or(true),
        ok_actions,
        alarm_actions,
        insufficient_data_actions,
        metric_name,
        namespace,
        statistic,
        extended_statistic: input.extended_statistic.clone(),
        dimensions: dimensions.iter().map(|dimension| (text(&dimension.name), text(&dimension.value))).collect(),
        period_s,
        unit: input.unit.as_ref().map(|unit| unit.as_str().to_owned()),
        evaluation_periods,
        datapoints_to_alarm: input.datapoints_to_alarm,
        threshold,
        comparison_operator: operator.to_owned(),
        treat_missing_data: input.treat_missing_data.clone(),
        evaluate_low_sample_count_percentile: input.evaluate_low_sample_count_percentile.clone(),
        tags,
        configured_ms: call.now_ms,
        data_from_ms,
        state,
    };
    world.cloudwatch.alarms.entry(call.region.clone()).or_default().insert(name.to_owned(), new);
    Ok(PutMetricAlarmOutput::builder().build())
}

fn describe_alarms(world: &mut World, call: &Call, input: &DescribeAlarmsInput) -> Answer<DescribeAlarmsOutput> {
    let most = match input.max_records.unwrap_or(50) {
        n @ 1..=100 => usize::try_from(n).expect("checked to be positive"),
        n => return Err(constraint(n, "maxRecords", "Member must have value between 1 and 100")),
    };
    let names = input.alarm_names.as_deref().filter(|names| !names.is_empty());
    let prefix = input.alarm_name_prefix.as_deref();
    if names.is_some() && prefix.is_some() {
        let message = "AlarmNamePrefix and AlarmNames cannot be specified together.";
        return Err(Refusal::new("InvalidParameterCombination", message));
    }
    if names.is_some_and(|names| names.len() > 100) {
        return Err(constraint("...", "alarmNames", "Member must have length less than or equal to 100"));
    }
    if input.children_of_alarm_name.is_some() || input.parents_of_alarm_name.is_some() {
        return Err(Refusal::new("NotSimulated", "not simulated: composite alarms").status(501));
    }
    let empty = BTreeMap::new();
    let here = world.cloudwatch.alarms.get(&call.region).unwrap_or(&empty);
    let kinds = input.alarm_types.as_deref().unwrap_or_default();
    let metric_alarms_wanted = kinds.is_empty() || kinds.contains(&AlarmType::MetricAlarm);
    let acts = |alarm: &Alarm, prefix: &str| {
        let all = alarm.ok_actions.iter().chain(&alarm.alarm_actions).chain(&alarm.insufficient_data_actions);
        all.into_iter().any(|action| action.starts_with(prefix))
    };
    let mut rest = here
        .values()
        .filter(|_| metric_alarms_wanted)
        .filter(|alarm| names.is_none_or(|names| names.contains(&alarm.name)))
        .filter(|alarm| prefix.is_none_or(|prefix| alarm.name.starts_with(prefix)))
        .filter(|alarm| input.action_prefix.as_deref().is_none_or(|prefix| acts(alarm, prefix)))
        .map(|alarm| (alarm, state_at(world, alarm, call.now_ms)))
        .filter(|(_, state)| input.state_value.as_ref().is_none_or(|value| value.as_str() == state.value))
        .skip_while(|(alarm, _)| input.next_token.as_ref().is_some_and(|token| alarm.name <= *token));
    let page: Vec<(&Alarm, AlarmState)> = rest.by_ref().take(most).collect();
    let more = rest.next().and(page.last()).map(|(alarm, _)| alarm.name.clone());
    let shown = page.into_iter().map(|(alarm, state)| shown(alarm, &state)).collect();
    let output = DescribeAlarmsOutput::builder().set_metric_alarms(Some(shown)).set_composite_alarms(Some(Vec::new()));
    Ok(output.set_next_token(more).build())
}

fn shown(alarm: &Alarm, state: &AlarmState) -> MetricAlarm {
    let date = |ms: u64| DateTime::from_millis(i64::try_from(ms).expect("a time of this age fits 63 bits"));
    let dimensions =
        alarm.dimensions.iter().map(|(name, value)| Dimension::builder().name(name).value(value).build()).collect();
    MetricAlarm::builder()
        .alarm_name(&alarm.name)
        .alarm_arn(&alarm.arn)
        .set_alarm_description(alarm.description.clone())
        .alarm_configuration_updated_timestamp(date(alarm.configured_ms))
        .actions_enabled(alarm.actions_enabled)
        .set_ok_actions(Some(alarm.ok_actions.clone()))
        .set_alarm_actions(Some(alarm.alarm_actions.clone()))
        .set_insufficient_data_actions(Some(alarm.insufficient_data_actions.clone()))
        .state_value(StateValue::from(state.value.as_str()))
        .state_reason(&state.reason)
        .state_updated_timestamp(date(state.since_ms))
        .state_transitioned_timestamp(date(state.since_ms))
        .metric_name(&alarm.metric_name)
        .namespace(&alarm.namespace)
        .set_statistic(alarm.statistic.as_deref().map(Statistic::from))
        .set_extended_statistic(alarm.extended_statistic.clone())
        .set_dimensions(Some(dimensions))
        .period(alarm.period_s)
        .set_unit(alarm.unit.as_deref().map(StandardUnit::from))
        .evaluation_periods(alarm.evaluation_periods)
        .set_datapoints_to_alarm(alarm.datapoints_to_alarm)
        .threshold(alarm.threshold)
        .comparison_operator(ComparisonOperator::from(alarm.comparison_operator.as_str()))
        .set_treat_missing_data(alarm.treat_missing_data.clone())
        .set_evaluate_low_sample_count_percentile(alarm.evaluate_low_sample_count_percentile.clone())
        .build()
}

/// A wrong name does not keep the others from being deleted; it is told all the same.
fn delete_alarms(world: &mut World, call: &Call, input: &DeleteAlarmsInput) -> Answer<DeleteAlarmsOutput> {
    let names = input.alarm_names.as_deref().unwrap_or_default();
    if !(1..=100).contains(&names.len()) {
        return Err(constraint(names.len(), "alarmNames", "Member must have length between 1 and 100"));
    }
    let here = world.cloudwatch.alarms.entry(call.region.clone()).or_default();
    let mut missing = None;
    for name in names {
        if here.remove(name).is_none() {
            missing = Some(name);
        }
    }
    match missing {
        Some(name) => Err(Refusal::new("ResourceNotFound", format!("Unknown alarm: {name}")).status(404)),
        None => Ok(DeleteAlarmsOutput::builder().build()),
    }
}

fn tags_mut<'w>(world: &'w mut World, call: &Call, arn: &Option<String>) -> Answer<&'w mut BTreeMap<String, String>> {
    let arn = arn.as_deref().unwrap_or_default();
    let here = world.cloudwatch.alarms.get_mut(&call.region);
    let found = here.and_then(|here| here.values_mut().find(|alarm| alarm.arn == arn));
    found.map(|alarm| &mut alarm.tags).ok_or_else(|| {
        if arn.starts_with("arn:") {
            Refusal::new("ResourceNotFoundException", format!("Unknown resource: {arn}")).status(404)
        } else {
            Refusal::new("InvalidParameterValue", format!("Invalid ARN: {arn}"))
        }
    })
}

fn tag_resource(world: &mut World, call: &Call, input: &TagResourceInput) -> Answer<TagResourceOutput> {
    let new = input.tags.as_deref().unwrap_or_default();
    checked_tags(new)?;
    let tags = tags_mut(world, call, &input.resource_arn)?;
    let present = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    *tags = checked_tags(&present.chain(new.iter().cloned()).collect::<Vec<_>>())?;
    Ok(TagResourceOutput::builder().build())
}

fn untag_resource(world: &mut World, call: &Call, input: &UntagResourceInput) -> Answer<UntagResourceOutput> {
    let tags = tags_mut(world, call, &input.resource_arn)?;
    for key in input.tag_keys.as_deref().unwrap_or_default() {
        tags.remove(key);
    }
    Ok(UntagResourceOutput::builder().build())
}

fn list_tags_for_resource(
    world: &mut World,
    call: &Call,
    input: &ListTagsForResourceInput,
) -> Answer<ListTagsForResourceOutput> {
    let tags = tags_mut(world, call, &input.resource_arn)?;
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    Ok(ListTagsForResourceOutput::builder().set_tags(Some(tags)).build())
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::operation::put_metric_alarm::builders::PutMetricAlarmInputBuilder;

    use super::*;

    fn at(s: u64) -> Call {
        Call { region: "us-east-1".to_owned(), now_ms: s * 1000 }
    }

    fn code<T>(answer: Answer<T>) -> String {
        answer.err().map_or_else(|| "accepted".to_owned(), |refusal| refusal.code)
    }

    fn tag(key: &str, value: &str) -> Tag {
        Tag::builder().key(key).value(value).build()
    }

    fn asked(name: &str, check: &str) -> PutMetricAlarmInputBuilder {
        PutMetricAlarmInput::builder()
            .alarm_name(name)
            .namespace("AWS/Route53")
            .metric_name("HealthCheckStatus")
            .dimensions(Dimension::builder().name("HealthCheckId").value(check).build())
            .statistic(Statistic::Minimum)
            .period(60)
            .evaluation_periods(1)
            .threshold(1.0)
            .comparison_operator(ComparisonOperator::LessThanThreshold)
            .alarm_actions("arn:aws:sns:us-east-1:123456789012:alerts")
            .tags(tag("a", "1"))
    }

    fn put(world: &mut World, s: u64, input: PutMetricAlarmInputBuilder) -> Answer<PutMetricAlarmOutput> {
        put_metric_alarm(world, &at(s), &input.build().expect("built"))
    }

    fn describe(world: &mut World, s: u64, name: &str) -> Option<MetricAlarm> {
        let input = DescribeAlarmsInput::builder().alarm_names(name).build().expect("built");
        describe_alarms(world, &at(s), &input).expect("fine").metric_alarms?.pop()
    }

    fn tags(world: &mut World, arn: &str) -> Vec<Tag> {
        let input = ListTagsForResourceInput::builder().resource_arn(arn).build().expect("built");
        list_tags_for_resource(world, &at(0), &input).expect("there").tags.expect("tags")
    }

    #[test]
    fn an_alarm_is_overwritten_but_for_its_tags_and_its_state() {
        let mut world = World::new(1);
        put(&mut world, 0, asked("red", "none")).expect("fine");
        let alarm = describe(&mut world, 0, "red").expect("there");
        let arn = alarm.alarm_arn().expect("an ARN").to_owned();
        assert_eq!(arn, "arn:aws:cloudwatch:us-east-1:123456789012:alarm:red");
        assert_eq!((alarm.state_value(), alarm.actions_enabled()), (Some(&StateValue::InsufficientData), Some(true)));
        put(&mut world, 5, asked("red", "none").alarm_description("x").tags(tag("b", "2"))).expect("over the old one");
        let again = describe(&mut world, 10_000, "red").expect("there");
        assert_eq!(
            (again.alarm_description(), again.state_reason()),
            (Some("x"), Some(UNCHECKED)),
            "no data of a check that is not there"
        );
        assert_eq!(tags(&mut world, &arn), [tag("a", "1")]);
        let add = TagResourceInput::builder().resource_arn(&arn).tags(tag("b", "2")).build().expect("built");
        tag_resource(&mut world, &at(0), &add).expect("fine");
        let remove = UntagResourceInput::builder().resource_arn(&arn).tag_keys("a").build().expect("built");
        untag_resource(&mut world, &at(0), &remove).expect("fine");
        assert_eq!(tags(&mut world, &arn), [tag("b", "2")]);
        let none =
            TagResourceInput::builder().resource_arn(format!("{arn}x")).tags(tag("b", "2")).build().expect("built");
        assert_eq!(code(tag_resource(&mut world, &at(0), &none)), "ResourceNotFoundException");
    }

    #[test]
    fn an_action_of_another_region_is_refused() {
        let mut world = World::new(1);
        let other =
            asked("red", "none").set_alarm_actions(None).alarm_actions("arn:aws:sns:us-west-2:123456789012:alerts");
        let refusal = put(&mut world, 0, other).expect_err("of another region");
        assert_eq!(refusal.code, "ValidationError");
        assert_eq!(refusal.message, "Invalid region us-west-2 specified. Only us-east-1 is supported.");
        assert_eq!(code(put(&mut world, 0, asked("red", "none").ok_actions("alerts"))), "ValidationError");
        let many = vec!["arn:aws:sns:us-east-1:123456789012:alerts".to_owned(); 6];
        assert_eq!(code(put(&mut world, 0, asked("red", "none").set_ok_actions(Some(many)))), "ValidationError");
    }

    #[test]
    fn parameters_are_checked() {
        let mut world = World::new(1);
        let mut refused = |input: PutMetricAlarmInputBuilder| code(put(&mut world, 0, input));
        let a = || asked("red", "none");
        for input in [
            a().alarm_name(""),
            a().alarm_name("x".repeat(256)),
            a().set_metric_name(None),
            a().set_namespace(None),
            a().set_statistic(None),
            a().extended_statistic("p90"),
            a().statistic(Statistic::from("Median")),
            a().set_period(None),
            a().period(45),
            a().period(0),
            a().set_evaluation_periods(None),
            a().evaluation_periods(0),
            a().evaluation_periods(1441),
            a().datapoints_to_alarm(2),
            a().comparison_operator(ComparisonOperator::from("Near")),
            a().set_comparison_operator(None),
            a().set_threshold(None),
            a().treat_missing_data("forget"),
        ] {
            let shown = format!("{input:?}");
            assert_eq!(refused(input), "ValidationError", "{shown}");
        }
        assert_eq!(refused(a().threshold_metric_id("x")), "NotSimulated");
        assert_eq!(refused(a().evaluation_periods(1440)), "accepted");
    }

    #[test]
    fn an_alarm_on_a_health_check_follows_it_once_there_is_data() {
        let mut world = World::new(1);
        let check = route53::tests::check(&mut world);
        put(&mut world, 0, asked("red", &check)).expect("fine");
        let state = |world: &mut World, s: u64| describe(world, s, "red").and_then(|a| a.state_value).expect("a state");
        assert_eq!(state(&mut world, 119), StateValue::InsufficientData);
        assert_eq!(state(&mut world, 120), StateValue::Ok);
        world.route53.health_checks.get_mut(&check).expect("there").config.inverted = true;
        assert_eq!(state(&mut world, 120), StateValue::Alarm);
        assert!(set_state(&mut world, "us-east-1", "red", "OK", "told", 500_000));
        assert_eq!(state(&mut world, 600), StateValue::Ok);
        assert!(!set_state(&mut world, "us-west-2", "red", "OK", "told", 0));
    }

    #[test]
    fn alarms_are_listed_by_name_prefix_state_and_page_in_their_region() {
        let mut world = World::new(1);
        for name in ["a1", "a2", "a3", "b1"] {
            put(&mut world, 0, asked(name, "none")).expect("fine");
        }
        let list =
            |world: &mut World,
             input: aws_sdk_cloudwatch::operation::describe_alarms::builders::DescribeAlarmsInputBuilder| {
                let output = describe_alarms(world, &at(0), &input.build().expect("built")).expect("a page");
                let names =
                    output.metric_alarms().iter().map(|a| a.alarm_name().expect("set").to_owned()).collect::<Vec<_>>();
                (names, output.next_token)
            };
        let input = DescribeAlarmsInput::builder;
        let (names, token) = list(&mut world, input().alarm_name_prefix("a").max_records(2));
        assert_eq!((names, token.is_some()), (vec!["a1".to_owned(), "a2".to_owned()], true));
        let (names, token) = list(&mut world, input().alarm_name_prefix("a").max_records(2).set_next_token(token));
        assert_eq!((names, token), (vec!["a3".to_owned()], None));
        assert!(list(&mut world, input().state_value(StateValue::Ok)).0.is_empty());
        assert!(list(&mut world, input().alarm_types(AlarmType::CompositeAlarm)).0.is_empty());
        assert_eq!(list(&mut world, input().action_prefix("arn:aws:sns")).0.len(), 4);
        let west = Call { region: "us-west-2".to_owned(), now_ms: 0 };
        let none = describe_alarms(&mut world, &west, &input().build().expect("built")).expect("a page");
        assert!(none.metric_alarms().is_empty());
        let both = input().alarm_names("a1").alarm_name_prefix("a").build().expect("built");
        assert_eq!(code(describe_alarms(&mut world, &at(0), &both)), "InvalidParameterCombination");
    }

    #[test]
    fn a_wrong_name_does_not_stop_the_deletion_of_the_others() {
        let mut world = World::new(1);
        put(&mut world, 0, asked("red", "none")).expect("fine");
        let input = DeleteAlarmsInput::builder().alarm_names("none").alarm_names("red").build().expect("built");
        assert_eq!(code(delete_alarms(&mut world, &at(0), &input)), "ResourceNotFound");
        assert!(describe(&mut world, 0, "red").is_none());
        assert_eq!(
            code(delete_alarms(&mut world, &at(0), &DeleteAlarmsInput::builder().build().expect("built"))),
            "ValidationError"
        );
    }
}
