//! CloudWatch alarms in virtual time, and the SNS messages of their actions.
//!
//! The metric `HealthCheckStatus` has a value a minute, the lowest status of that minute counts; other metrics have
//! the values that were put. A value is there some seconds after its minute **(assumption)**. A region that is away
//! evaluates nothing until it is back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::faults::DataFaults;
use super::health::HealthEvent;
use super::moment::Moment;
use crate::control::cloudwatch::{self, Alarm};
use crate::control::route53;
use crate::world::World;

const MINUTE_MS: u64 = 60_000;
/// From the end of a minute until its value can be read **(assumption)**.
const LAG_MS: u64 = 15_000;

/// What CloudWatch knows besides the alarms themselves.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Alarms {
    /// Changes of the status of health checks, by id, in order of time.
    history: BTreeMap<String, Vec<(u64, bool)>>,
    /// Values of other metrics, by region, namespace, name and dimensions in one text.
    values: BTreeMap<String, Vec<(u64, f64)>>,
    /// The next instant at which alarms are evaluated; none while nothing can change.
    next_ms: Option<u64>,
    /// Evaluation goes on at least until then.
    busy_until_ms: u64,
    messages: Vec<Message>,
}

/// A message that a subscriber has got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Virtual milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// ARN of the topic.
    pub topic: String,
    /// `email`, `https`, …
    pub protocol: String,
    /// The address.
    pub endpoint: String,
    /// The first line: `ALARM: "name" in us-east-1`.
    pub subject: String,
    /// Why.
    pub body: String,
}

impl Alarms {
    pub(super) fn messages(&self) -> &[Message] {
        &self.messages
    }

    pub(super) fn next_ms(&self) -> Option<u64> {
        self.next_ms
    }

    /// Alarms, checks or topics may have changed: evaluate for a while, from the next minute on.
    pub(super) fn look_again(&mut self, now_ms: u64) {
        self.stay_busy(now_ms);
    }

    pub(super) fn status_changed(&mut self, check: &str, healthy: bool, now_ms: u64) {
        self.history.entry(check.to_owned()).or_default().push((now_ms, healthy));
        self.stay_busy(now_ms);
    }

    pub(super) fn put(
        &mut self,
        region: &str,
        namespace: &str,
        name: &str,
        dimensions: &[(&str, &str)],
        value: f64,
        at_ms: u64,
    ) {
        let dimensions: Vec<(String, String)> =
            dimensions.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let values = self.values.entry(metric(region, namespace, name, &dimensions)).or_default();
        let place = values.partition_point(|(at, _)| *at <= at_ms);
        values.insert(place, (at_ms, value));
        self.stay_busy(at_ms);
    }

    /// Evaluates until every window that contains `event_ms` is over.
    fn stay_busy(&mut self, event_ms: u64) {
        self.busy_until_ms = self.busy_until_ms.max(event_ms);
        let tick_ms = event_ms.saturating_sub(LAG_MS) / MINUTE_MS * MINUTE_MS + MINUTE_MS + LAG_MS;
        self.next_ms = Some(self.next_ms.map_or(tick_ms, |next| next.min(tick_ms)));
    }

    /// Evaluates every alarm at a tick and sends the messages of those that change.
    pub(super) fn evaluate(&mut self, world: &mut World, faults: &DataFaults, now_ms: u64) -> Vec<HealthEvent> {
        let mut events = Vec::new();
        let mut longest_ms = 0;
        let mut waiting = false;
        let at = Moment::at(now_ms);
        let all: Vec<(String, Alarm)> = world
            .cloudwatch
            .alarms
            .iter()
            .flat_map(|(region, alarms)| alarms.values().map(|alarm| (region.clone(), alarm.clone())))
            .collect();
        for (region, alarm) in all {
            let window_ms = alarm.period_s as u64 * 1000 * alarm.evaluation_periods as u64;
            longest_ms = longest_ms.max(window_ms);
            if faults.region_away(&at, &region) {
                waiting = true;
                continue;
            }
            if now_ms < alarm.data_from_ms {
                waiting = true;
                continue;
            }
            let Some((value, reason)) = self.verdict(world, &region, &alarm, now_ms - LAG_MS) else { continue };
            cloudwatch::set_state(world, &region, &alarm.name, value, &reason, now_ms);
            if alarm.state.value == value {
                continue;
            }
            events.push(HealthEvent::AlarmChanged {
                at_ms: now_ms,
                region: region.clone(),
                name: alarm.name.clone(),
                state: value.to_owned(),
            });
            events.extend(self.act(world, &region, &alarm, value, &reason, now_ms));
        }
        let done = !waiting && now_ms > self.busy_until_ms + longest_ms + 2 * MINUTE_MS;
        self.next_ms = (!done).then_some(now_ms + MINUTE_MS);
        events
    }

    /// The state that the data up to `end_ms` give, `None` when it stays as it is.
    fn verdict(&self, world: &World, region: &str, alarm: &Alarm, end_ms: u64) -> Option<(&'static str, String)> {
        let period_ms = alarm.period_s as u64 * 1000;
        let end_ms = end_ms / period_ms.max(MINUTE_MS) * period_ms.max(MINUTE_MS);
        let missing = alarm.treat_missing_data.as_deref().unwrap_or("missing");
        let mut breaching = 0;
        let mut known = Vec::new();
        for n in 0..alarm.evaluation_periods as u64 {
            let to_ms = end_ms.saturating_sub(n * period_ms);
            let value = self.value(world, region, alarm, to_ms.saturating_sub(period_ms), to_ms);
            match value {
                Some(value) => {
                    known.push(value);
                    breaching += i32::from(breaches(alarm, value));
                }
                None => breaching += i32::from(missing == "breaching"),
            }
        }
        let needed = alarm.datapoints_to_alarm.unwrap_or(alarm.evaluation_periods);
        let shown = known.iter().map(|value| format!("{value:.1}")).collect::<Vec<_>>().join(", ");
        if known.is_empty() {
            return match missing {
                "breaching" => {
                    Some(("ALARM", "no datapoints were received and missing data count as breaching".to_owned()))
                }
                "notBreaching" => {
                    Some(("OK", "no datapoints were received and missing data do not count as breaching".to_owned()))
                }
                "ignore" => None,
                _ => Some(("INSUFFICIENT_DATA", "Insufficient Data: no datapoints were received.".to_owned())),
            };
        }
        if breaching >= needed {
            return Some((
                "ALARM",
                format!("Threshold Crossed: datapoints [{shown}] were past the threshold ({:.1}).", alarm.threshold),
            ));
        }
        Some((
            "OK",
            format!("Threshold Crossed: datapoints [{shown}] were not past the threshold ({:.1}).", alarm.threshold),
        ))
    }

    /// The value of an alarm's metric over a period.
    fn value(&self, world: &World, region: &str, alarm: &Alarm, from_ms: u64, to_ms: u64) -> Option<f64> {
        if alarm.namespace == "AWS/Route53" && alarm.metric_name == "HealthCheckStatus" {
            // Its metrics are in us-east-1 only.
            let (_, id) =
                alarm.dimensions.iter().find(|(name, _)| name == "HealthCheckId").filter(|_| region == "us-east-1")?;
            let check = world
                .route53
                .health_checks
                .get(id)
                .filter(|check| !check.config.disabled && check.created_ms < to_ms)?;
            let healthy = self.lowest(world, &check.id, from_ms, to_ms);
            return Some(if healthy { 1.0 } else { 0.0 });
        }
        let values = self.values.get(&metric(region, &alarm.namespace, &alarm.metric_name, &alarm.dimensions))?;
        let inside: Vec<f64> =
            values.iter().filter(|(at, _)| (from_ms..to_ms).contains(at)).map(|(_, value)| *value).collect();
        if inside.is_empty() {
            return None;
        }
        let sum: f64 = inside.iter().sum();
        Some(match alarm.statistic.as_deref() {
            Some("Minimum") => inside.iter().copied().fold(f64::INFINITY, f64::min),
            Some("Maximum") => inside.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Some("Sum") => sum,
            Some("SampleCount") => inside.len() as f64,
            _ => sum / inside.len() as f64,
        })
    }

    /// Whether a check was healthy for all of a period.
    fn lowest(&self, world: &World, check: &str, from_ms: u64, to_ms: u64) -> bool {
        let Some(history) = self.history.get(check) else { return route53::is_healthy(world, check) };
        // Before the first change it was the opposite.
        let at_begin =
            history.iter().rev().find(|(at, _)| *at <= from_ms).map_or_else(|| !history[0].1, |(_, healthy)| *healthy);
        at_begin && !history.iter().any(|(at, healthy)| (from_ms..to_ms).contains(at) && !healthy)
    }

    /// Sends the messages of the actions for a state.
    fn act(
        &mut self,
        world: &World,
        region: &str,
        alarm: &Alarm,
        state: &str,
        reason: &str,
        now_ms: u64,
    ) -> Vec<HealthEvent> {
        let actions = match state {
            "ALARM" => &alarm.alarm_actions,
            "OK" => &alarm.ok_actions,
            _ => &alarm.insufficient_data_actions,
        };
        let mut events = Vec::new();
        for topic in actions.iter().filter(|arn| alarm.actions_enabled && world.sns.topics.contains_key(*arn)) {
            let subscribers = world.sns.subscriptions.values();
            for subscriber in
                subscribers.filter(|s| s.topic_arn == *topic && s.confirmed_ms.is_some_and(|at| at <= now_ms))
            {
                let message = Message {
                    at_ms: now_ms,
                    topic: topic.clone(),
                    protocol: subscriber.protocol.clone(),
                    endpoint: subscriber.endpoint.clone(),
                    subject: format!("{state}: \"{}\" in {region}", alarm.name),
                    body: reason.to_owned(),
                };
                events.push(HealthEvent::Notified {
                    at_ms: now_ms,
                    topic: topic.clone(),
                    protocol: message.protocol.clone(),
                    endpoint: message.endpoint.clone(),
                    subject: message.subject.clone(),
                });
                self.messages.push(message);
            }
        }
        events
    }
}

fn metric(region: &str, namespace: &str, name: &str, dimensions: &[(String, String)]) -> String {
    let mut dimensions: Vec<String> = dimensions.iter().map(|(key, value)| format!("{key}={value}")).collect();
    dimensions.sort();
    format!("{region}|{namespace}|{name}|{}", dimensions.join(","))
}

fn breaches(alarm: &Alarm, value: f64) -> bool {
    match alarm.comparison_operator.as_str() {
        "LessThanThreshold" => value < alarm.threshold,
        "LessThanOrEqualToThreshold" => value <= alarm.threshold,
        "GreaterThanThreshold" => value > alarm.threshold,
        _ => value >= alarm.threshold,
    }
}
