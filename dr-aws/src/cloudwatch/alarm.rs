//! `aws.cloudwatch.alarm`: tells topics when a metric crosses a threshold.
//!
//! API: PutMetricAlarm, DescribeAlarms, TagResource, UntagResource, ListTagsForResource, DeleteAlarms (CloudWatch 2010-08-01).
//! Find: name and tags. Change: all in place, each put writes the whole alarm. Delete: before its topics and its health check.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Duration;

use aws_sdk_cloudwatch::types::{self, AlarmType, ComparisonOperator, MetricAlarm, Tag};
use dr_core::{
    Anywhere, CloudError, Cx, Found, Health, Input, Inputs, IntoInput, Lifecycle, Output, Outputs, Prior, Problems,
    Region, Resource, Scan, Settled, Wanted,
};
use serde::{Deserialize, Serialize};

use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{AlarmArn, ApiId, HealthCheckId, TopicArn};
use crate::read::{as_wanted, wanted_as};
use crate::regions::UsEast1;
use crate::{names, tags};

/// The longest name.
const NAME_LEN_MAX: usize = 255;

/// An alarm on one metric.
///
/// A Route 53 health check tells nobody that it is unhealthy; an alarm on it does. Its metrics are in `us-east-1` only, which is
/// why [`Alarm::on_health_check`] makes an `Alarm<UsEast1>`. That chain does not work while `us-east-1` fails: keep a second one
/// in the standby's region, on errors that users would see.
///
/// - Inputs: the metric with its dimensions, the statistic, the period in seconds (10, 20, 30 or a multiple of 60), the
///   periods that count, the threshold, what to think of periods without data, and the topics to tell (at most 5). All change
///   in place.
/// - Ready: when its ARN is known, which PutMetricAlarm does not answer.
/// - Calls: PutMetricAlarm, DescribeAlarms, DeleteAlarms.
/// - AWS: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html>
#[derive(Debug, Clone, Resource)]
#[resource(type = "aws.cloudwatch.alarm", outputs = AlarmOutputs, create_s = 1, delete_s = 1, check = Alarm::check_inputs)]
pub struct Alarm<R: Region = Anywhere> {
    /// What it means, for whoever is told; at most 1,024 characters.
    description: Option<String>,
    /// The namespace of the metric, `AWS/Route53`.
    namespace: String,
    /// The metric.
    metric: String,
    /// What the metric is of.
    #[input(nested, accepted)]
    dimensions: Vec<Dimension>,
    /// How the data of a period become one number.
    statistic: Statistic,
    /// The length of a period, in seconds: 10, 20, 30 or a multiple of 60.
    period_s: u32,
    /// How many periods are looked at.
    periods: u32,
    /// How many of them have to be bad; all when absent.
    bad_periods: Option<u32>,
    /// How the number is compared.
    comparison: Comparison,
    /// With what.
    threshold: f64,
    /// What to think of periods without data.
    missing_data: MissingData,
    /// The topics to tell when it goes off, at most 5.
    #[input(accepted)]
    topics: Vec<Input<TopicArn<R>>>,
    /// The topics to tell when all is well again, at most 5.
    #[input(accepted)]
    recovery_topics: Vec<Input<TopicArn<R>>>,
    of: PhantomData<fn() -> R>,
}

/// A property of a metric: its name, such as `LoadBalancer`, and its value.
#[derive(Debug, Clone, Inputs)]
pub struct Dimension {
    name: String,
    value: Input<String>,
}

/// How the data of a period become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the statistics of CloudWatch")]
pub enum Statistic {
    Average,
    Maximum,
    Minimum,
    SampleCount,
    Sum,
}

/// When an alarm goes off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Below the threshold.
    Below,
    /// At or below it.
    AtMost,
    /// Above it.
    Above,
    /// At or above it.
    AtLeast,
}

/// What an alarm thinks of periods without data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingData {
    /// They are bad.
    Breaching,
    /// They are good.
    NotBreaching,
    /// They are left out.
    Ignore,
    /// The alarm says that it does not know.
    Missing,
}

/// What is known of an alarm.
#[derive(Debug, Clone, PartialEq, Outputs)]
#[non_exhaustive]
pub struct AlarmOutputs<R: Region = Anywhere> {
    /// Its ARN; known once it is ready.
    pub arn: AlarmArn<R>,
    /// Its name.
    pub name: String,
}

impl Alarm<UsEast1> {
    /// Goes off when a Route 53 health check is unhealthy for a minute. While a new check has no data yet it says nothing.
    pub fn on_health_check(check: Output<HealthCheckId>, topic: impl IntoInput<TopicArn<UsEast1>>) -> Self {
        Alarm::new("AWS/Route53", "HealthCheckStatus")
            .dimension("HealthCheckId", check.text())
            .statistic(Statistic::Minimum)
            .when(Comparison::Below, 1.0)
            .notify(topic)
    }
}

impl<R: Region> Alarm<R> {
    /// Goes off when the sum of a metric over a minute is 1 or more, unless other settings are given.
    #[must_use]
    pub fn new(namespace: impl Into<String>, metric: impl Into<String>) -> Self {
        Alarm {
            description: None,
            namespace: namespace.into(),
            metric: metric.into(),
            dimensions: Vec::new(),
            statistic: Statistic::Sum,
            period_s: 60,
            periods: 1,
            bad_periods: None,
            comparison: Comparison::AtLeast,
            threshold: 1.0,
            missing_data: MissingData::Missing,
            topics: Vec::new(),
            recovery_topics: Vec::new(),
            of: PhantomData,
        }
    }

    /// Goes off when an HTTP API answered this many requests of a minute with a server error.
    #[must_use]
    pub fn on_api_errors(api: Output<ApiId<R>>, errors_per_minute: u32) -> Self {
        Alarm::new("AWS/ApiGateway", "5xx")
            .dimension("ApiId", api.text())
            .when(Comparison::AtLeast, errors_per_minute.into())
            .missing_data(MissingData::NotBreaching)
    }

    /// What the metric is of: the name of a property, such as `LoadBalancer`, and its value.
    #[must_use]
    pub fn dimension(mut self, name: impl Into<String>, value: impl IntoInput<String>) -> Self {
        self.dimensions.push(Dimension { name: name.into(), value: value.into_input() });
        self
    }

    /// What it means, for whoever is told; at most 1,024 characters.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// How the data of a period become one number.
    #[must_use]
    pub fn statistic(mut self, statistic: Statistic) -> Self {
        self.statistic = statistic;
        self
    }

    /// The length of a period, in seconds: 10, 20, 30 or a multiple of 60.
    #[must_use]
    pub fn period_s(mut self, seconds: u32) -> Self {
        self.period_s = seconds;
        self
    }

    /// Goes off when `bad` of the last `of` periods are bad.
    #[must_use]
    pub fn periods(mut self, bad: u32, of: u32) -> Self {
        self.periods = of;
        self.bad_periods = (bad != of).then_some(bad);
        self
    }

    /// When a period is bad.
    #[must_use]
    pub fn when(mut self, comparison: Comparison, threshold: f64) -> Self {
        self.comparison = comparison;
        self.threshold = threshold;
        self
    }

    /// What to think of periods without data.
    #[must_use]
    pub fn missing_data(mut self, missing_data: MissingData) -> Self {
        self.missing_data = missing_data;
        self
    }

    /// Tells a topic of the same region when it goes off and when all is well again.
    #[must_use]
    pub fn notify(mut self, topic: impl IntoInput<TopicArn<R>>) -> Self {
        let topic = topic.into_input();
        self.topics.push(topic.clone());
        self.recovery_topics.push(topic);
        self
    }

    /// What a health check on it copies.
    #[cfg(feature = "route53")]
    pub(crate) fn settings(&self) -> crate::route53::AlarmSettings {
        crate::route53::AlarmSettings {
            namespace: self.namespace.clone(),
            metric: self.metric.clone(),
            dimensions: self.dimensions.iter().map(|one| (one.name.clone(), one.value.clone())).collect(),
            statistic: self.statistic.model().as_str().to_owned(),
            period_s: self.period_s,
            periods: self.periods,
            comparison: self.comparison.model().as_str().to_owned(),
            threshold: self.threshold,
        }
    }

    fn check_inputs(&self, problems: &mut Problems) {
        if !(matches!(self.period_s, 10 | 20 | 30) || self.period_s > 0 && self.period_s.is_multiple_of(60)) {
            problems.report(
                "period_s",
                format_args!("{}: a period is 10, 20, 30 or a multiple of 60 seconds", self.period_s),
            );
        }
        if self.periods == 0 {
            problems.report("periods", "at least one period is looked at");
        }
        if self.bad_periods.is_some_and(|bad| bad == 0 || bad > self.periods) {
            problems.report("bad_periods", format_args!("1 to {} of the periods can be bad", self.periods));
        }
        if self.topics.len() > 5 {
            problems.report("topics", "an alarm tells at most 5 topics");
        }
        if !self.threshold.is_finite() {
            problems.report("threshold", "a threshold is a finite number");
        }
    }
}

/// The two forms of the settings that CloudWatch has names for.
macro_rules! names {
    ($own:ident: $model:ty { $($variant:ident = $theirs:expr),* $(,)? }) => {
        impl $own {
            fn model(self) -> $model {
                match self { $($own::$variant => $theirs),* }
            }

            fn of(model: &$model) -> Option<Self> {
                [$($own::$variant),*].into_iter().find(|own| own.model() == *model)
            }
        }
    };
}

names!(Statistic: types::Statistic {
    Average = types::Statistic::Average,
    Maximum = types::Statistic::Maximum,
    Minimum = types::Statistic::Minimum,
    SampleCount = types::Statistic::SampleCount,
    Sum = types::Statistic::Sum,
});

names!(Comparison: ComparisonOperator {
    Below = ComparisonOperator::LessThanThreshold,
    AtMost = ComparisonOperator::LessThanOrEqualToThreshold,
    Above = ComparisonOperator::GreaterThanThreshold,
    AtLeast = ComparisonOperator::GreaterThanOrEqualToThreshold,
});

impl MissingData {
    fn as_str(self) -> &'static str {
        match self {
            MissingData::Breaching => "breaching",
            MissingData::NotBreaching => "notBreaching",
            MissingData::Ignore => "ignore",
            MissingData::Missing => "missing",
        }
    }

    /// `missing` is what CloudWatch leaves out.
    fn of(text: Option<&str>) -> Self {
        let all = [MissingData::Breaching, MissingData::NotBreaching, MissingData::Ignore];
        all.into_iter().find(|one| Some(one.as_str()) == text).unwrap_or(MissingData::Missing)
    }
}

fn number(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn arns(topics: &[TopicArn]) -> Option<Vec<String>> {
    Some(topics.iter().map(|arn| arn.as_str().to_owned()).collect())
}

fn sdk_tags(tags: BTreeMap<String, String>) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// The arguments as CloudWatch has them.
fn observed(wanted: Option<&AlarmArgs>, seen: &MetricAlarm) -> AlarmArgs {
    let positive = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
    let periods = positive(seen.evaluation_periods()).unwrap_or(1);
    let topics = |actions: &[String]| actions.iter().map(TopicArn::literal).collect::<Vec<_>>();
    let mut dimensions: Vec<DimensionArgs> = seen
        .dimensions()
        .iter()
        .map(|one| DimensionArgs {
            name: one.name().unwrap_or_default().to_owned(),
            value: one.value().unwrap_or_default().to_owned(),
        })
        .collect();
    if let Some(wanted) = wanted {
        let place = |one: &DimensionArgs| wanted.dimensions.iter().position(|want| want.name == one.name);
        dimensions.sort_by_key(|one| place(one).unwrap_or(usize::MAX));
    }
    AlarmArgs {
        description: seen.alarm_description().filter(|text| !text.is_empty()).map(str::to_owned),
        namespace: seen.namespace().unwrap_or_default().to_owned(),
        metric: seen.metric_name().unwrap_or_default().to_owned(),
        dimensions,
        statistic: seen.statistic().and_then(Statistic::of).unwrap_or(Statistic::Average),
        period_s: positive(seen.period()).unwrap_or_default(),
        periods,
        // All of them is what leaving it out means.
        bad_periods: positive(seen.datapoints_to_alarm()).filter(|bad| *bad != periods),
        comparison: seen.comparison_operator().and_then(Comparison::of).unwrap_or(Comparison::Above),
        threshold: seen.threshold().unwrap_or_default(),
        missing_data: MissingData::of(seen.treat_missing_data()),
        topics: as_wanted(topics(seen.alarm_actions()), wanted.map(|args| &args.topics)),
        recovery_topics: as_wanted(topics(seen.ok_actions()), wanted.map(|args| &args.recovery_topics)),
    }
}

/// Writes the whole alarm. Tags count only when there was none of the name.
async fn put(cx: &Cx<Aws>, name: &str, args: &AlarmArgs, tags: Option<Vec<Tag>>) -> Result<(), CloudError> {
    let dimension = |one: &DimensionArgs| types::Dimension::builder().name(&one.name).value(&one.value).build();
    let client = cx.cloud.cloudwatch(&cx.owner.region);
    let call = client
        .put_metric_alarm()
        .alarm_name(name)
        .set_alarm_description(args.description.clone())
        .namespace(&args.namespace)
        .metric_name(&args.metric)
        .set_dimensions(Some(args.dimensions.iter().map(dimension).collect()))
        .statistic(args.statistic.model())
        .period(number(args.period_s))
        .evaluation_periods(number(args.periods))
        .set_datapoints_to_alarm(args.bad_periods.map(number))
        .comparison_operator(args.comparison.model())
        .threshold(args.threshold)
        .treat_missing_data(args.missing_data.as_str())
        .set_alarm_actions(arns(&args.topics))
        .set_ok_actions(arns(&args.recovery_topics))
        .set_tags(tags);
    call.send().await.call("cloudwatch:PutMetricAlarm").map(drop)
}

/// All tags of an alarm; none of one that is not there.
async fn read_tags(aws: &Aws, region: &str, arn: &str) -> Result<BTreeMap<String, String>, CloudError> {
    let answer = aws.cloudwatch(region).list_tags_for_resource().resource_arn(arn).send().await;
    let tags =
        answer.call("cloudwatch:ListTagsForResource").gone_ok()?.and_then(|answer| answer.tags).unwrap_or_default();
    Ok(tags.into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect())
}

async fn write_tags(cx: &Cx<Aws>, arn: &str, present: &BTreeMap<String, String>) -> Result<(), CloudError> {
    let client = cx.cloud.cloudwatch(&cx.owner.region);
    let (wanted, surplus) = tags::changes(&cx.owner, present);
    if !wanted.is_empty() {
        let call = client.tag_resource().resource_arn(arn).set_tags(Some(sdk_tags(wanted)));
        call.send().await.call("cloudwatch:TagResource")?;
    }
    if !surplus.is_empty() {
        let call = client.untag_resource().resource_arn(arn).set_tag_keys(Some(surplus));
        call.send().await.call("cloudwatch:UntagResource")?;
    }
    Ok(())
}

fn outputs(name: &str, arn: &str) -> AlarmOutputs {
    AlarmOutputs { arn: AlarmArn::literal(arn), name: name.to_owned() }
}

impl Lifecycle for Alarm {
    type Cloud = Aws;

    /// One call for the alarms whose names are of this stack, and one for the tags of each that the state does not know.
    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let client = scan.cloud.cloudwatch(&scan.region);
        let call = client
            .describe_alarms()
            .alarm_name_prefix(names::prefix(&scan.stack, NAME_LEN_MAX))
            .alarm_types(AlarmType::MetricAlarm);
        let pages = call.into_paginator().page_size(100).send();
        let pages = pages.collect::<Result<Vec<_>, _>>().await.call("cloudwatch:DescribeAlarms")?;
        let mut found = Vec::new();
        for alarm in pages.iter().flat_map(|page| page.metric_alarms()) {
            let (Some(name), Some(arn)) = (alarm.alarm_name(), alarm.alarm_arn()) else { continue };
            let known = wanted.iter().find(|want| want.outputs.as_ref().is_some_and(|o| o.name == name));
            let owned = match known {
                Some(_) if !scan.cloud.reads_all() => None,
                _ => tags::owned(&scan.stack, read_tags(&scan.cloud, &scan.region, arn).await?),
            };
            let (address, generation) = match (known, &owned) {
                (Some(known), _) => (known.address.clone(), known.generation),
                (None, Some(owned)) => (owned.address.clone(), owned.generation),
                (None, None) => continue,
            };
            let want = known.or_else(|| owned.as_ref().and_then(|owned| wanted_as(wanted, owned)));
            found.push(Found {
                address,
                generation,
                args: Some(observed(want.map(|want| &want.args), alarm)),
                outputs: outputs(name, arn),
                health: Health::Ready,
                tags: owned.map(|owned| owned.tags),
            });
        }
        Ok(found)
    }

    async fn create(cx: &Cx<Aws>, args: &AlarmArgs) -> Result<AlarmOutputs, CloudError> {
        let name = names::physical(&cx.owner, NAME_LEN_MAX);
        put(cx, &name, args, Some(sdk_tags(tags::ownership(&cx.owner)))).await?;
        // The answer is empty; `ready` reads the ARN.
        Ok(outputs(&name, ""))
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, args: &AlarmArgs) -> Result<AlarmOutputs, CloudError> {
        if prior.args != *args {
            put(cx, &prior.outputs.name, args, None).await?;
        }
        let arn = prior.outputs.arn.as_str();
        if !arn.is_empty() {
            let present = read_tags(&cx.cloud, &cx.owner.region, arn).await?;
            write_tags(cx, arn, &present).await?;
        }
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let client = cx.cloud.cloudwatch(&cx.owner.region);
        let call = client.delete_alarms().alarm_names(&prior.outputs.name);
        call.send().await.call("cloudwatch:DeleteAlarms").gone_ok().map(drop)
    }

    async fn ready(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<Settled<AlarmOutputs>, CloudError> {
        let AlarmOutputs { arn, name } = &current.outputs;
        if !arn.as_str().is_empty() {
            return Ok(Settled::Yes(current.outputs.clone()));
        }
        let client = cx.cloud.cloudwatch(&cx.owner.region);
        let call = client.describe_alarms().alarm_names(name).alarm_types(AlarmType::MetricAlarm);
        let answer = call.send().await.call("cloudwatch:DescribeAlarms")?;
        let arn = answer.metric_alarms().first().and_then(MetricAlarm::alarm_arn);
        Ok(match arn {
            Some(arn) => Settled::Yes(outputs(name, arn)),
            None => Settled::AskAgainIn(Duration::from_secs(1)),
        })
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        write_tags(cx, current.outputs.arn.as_str(), &BTreeMap::new()).await
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::Client;
    use aws_sdk_cloudwatch::operation::describe_alarms::DescribeAlarmsOutput;
    use aws_smithy_mocks::mock;
    use dr_core::Class;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    fn args() -> AlarmArgs {
        let topic = TopicArn::literal("arn:aws:sns:us-east-1:123456789012:alarms");
        AlarmArgs {
            description: None,
            namespace: "AWS/ApplicationELB".into(),
            metric: "HTTPCode_Target_5XX_Count".into(),
            dimensions: vec![
                DimensionArgs { name: "TargetGroup".into(), value: "targetgroup/web/1".into() },
                DimensionArgs { name: "LoadBalancer".into(), value: "app/web/1".into() },
            ],
            statistic: Statistic::Sum,
            period_s: 60,
            periods: 3,
            bad_periods: None,
            comparison: Comparison::AtLeast,
            threshold: 5.0,
            missing_data: MissingData::Missing,
            topics: vec![topic.clone()],
            recovery_topics: vec![topic],
        }
    }

    #[test]
    fn what_cloudwatch_fills_in_or_reorders_is_no_drift() {
        let args = args();
        let dimension = |name: &str, value: &str| types::Dimension::builder().name(name).value(value).build();
        let seen = MetricAlarm::builder()
            .alarm_description("")
            .namespace(&args.namespace)
            .metric_name(&args.metric)
            .dimensions(dimension("LoadBalancer", "app/web/1"))
            .dimensions(dimension("TargetGroup", "targetgroup/web/1"))
            .statistic(types::Statistic::Sum)
            .period(60)
            .evaluation_periods(3)
            .datapoints_to_alarm(3)
            .comparison_operator(ComparisonOperator::GreaterThanOrEqualToThreshold)
            .threshold(5.0)
            .set_alarm_actions(arns(&args.topics))
            .set_ok_actions(arns(&args.recovery_topics))
            .build();
        assert_eq!(observed(Some(&args), &seen), args);
        let seen = MetricAlarm::builder().evaluation_periods(3).datapoints_to_alarm(2).build();
        assert_eq!(observed(Some(&args), &seen).bad_periods, Some(2));
    }

    #[tokio::test]
    async fn an_alarm_that_is_gone_is_deleted_and_a_quota_is_final() {
        let prior = Prior { args: args(), outputs: outputs("shop-alarm", "") };
        for code in ["ResourceNotFound", "ResourceNotFoundException"] {
            let gone = refused(mock!(Client::delete_alarms), code, "");
            assert_eq!(outcome(Alarm::delete(&cx(&[&gone]), &prior).await), Ok(()), "{code}");
        }
        for (code, class) in [
            ("LimitExceeded", Class::Permanent),
            ("ValidationError", Class::Permanent),
            ("Throttling", Class::Throttled),
            ("AccessDenied", Class::Denied),
        ] {
            let refused = refused(mock!(Client::put_metric_alarm), code, "no");
            let error = Alarm::create(&cx(&[&refused]), &args()).await.unwrap_err();
            assert_eq!((error.class, error.message.as_str()), (class, "no"), "{code}");
        }
    }

    #[tokio::test]
    async fn an_alarm_that_is_not_listed_yet_is_asked_for_again() {
        let none = mock!(Client::describe_alarms).then_output(|| DescribeAlarmsOutput::builder().build());
        let current = Prior { args: args(), outputs: outputs("shop-alarm", "") };
        assert!(matches!(Alarm::ready(&cx(&[&none]), &current).await, Ok(Settled::AskAgainIn(_))));
    }
}
