//! CloudWatch alarms in virtual time, and the SNS messages of their actions.
//!
//! The metric `HealthCheckStatus` has a value a minute, the lowest status of that minute counts. `Count`, `4xx` and `5xx` of an
//! HTTP API count its requests, of users and of health checkers, by the minute in which they arrive. Other metrics have the
//! values that were put. A value is there some seconds after its minute **(assumption)**. A region that is away evaluates
//! nothing until it is back.
//!
//! A health check on an alarm does not follow the alarm: it has a copy of its settings and looks at the metric itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::faults::DataFaults;
use super::health::HealthEvent;
use super::moment::Moment;
use crate::control::cloudwatch::{self, Alarm};
use crate::control::route53::{self, AlarmCopy};
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
    /// Requests to APIs, by region and stage (`us-east-1|abc/$default`) and by minute since the Unix epoch; as far back as an
    /// alarm looks.
    #[serde(default)]
    requests: BTreeMap<String, BTreeMap<u64, Requests>>,
    /// The next instant at which alarms are evaluated; none while nothing can change.
    next_ms: Option<u64>,
    /// Evaluation goes on at least until then.
    busy_until_ms: u64,
    messages: Vec<Message>,
}

/// The requests of a minute.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Requests {
    all: u64,
    /// Answered with 4xx.
    client_errors: u64,
    /// Answered with 5xx.
    server_errors: u64,
}

/// What is looked at, and when it is bad: of an alarm, or of the copy that a health check has of one.
struct Rule<'a> {
    region: &'a str,
    namespace: &'a str,
    metric_name: &'a str,
    dimensions: &'a [(String, String)],
    statistic: Option<&'a str>,
    period_s: i32,
    evaluation_periods: i32,
    datapoints_to_alarm: Option<i32>,
    threshold: f64,
    comparison_operator: &'a str,
    /// How missing data count.
    missing: &'a str,
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

    /// A request to a stage (`abc/$default`) of an API was answered with this status.
    pub(super) fn count_request(&mut self, region: &str, stage: &str, status: u16, at_ms: u64) {
        let minutes = self.requests.entry(format!("{region}|{stage}")).or_default();
        let requests = minutes.entry(at_ms / MINUTE_MS).or_default();
        requests.all += 1;
        requests.client_errors += u64::from((400..500).contains(&status));
        requests.server_errors += u64::from(status >= 500);
    }

    /// How far back alarms look at the requests of APIs, in milliseconds; 0 when none does.
    pub(super) fn requests_kept_ms(world: &World) -> u64 {
        let alarms = world.cloudwatch.alarms.values().flat_map(BTreeMap::values).map(|alarm| Rule::of("", alarm));
        let checks = world.route53.health_checks.values().filter_map(|check| check.alarm.as_ref());
        let rules = alarms.chain(checks.map(|copy| Rule::of_copy("", copy)));
        let longest_ms = rules.filter(|rule| rule.namespace == "AWS/ApiGateway").map(|rule| rule.window_ms()).max();
        // A period may have begun before the one that is looked at has ended.
        longest_ms.map_or(0, |ms| 2 * ms + LAG_MS + MINUTE_MS)
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

    /// Evaluates every alarm, and the copies that health checks have, at a tick; sends the messages of the alarms that change.
    pub(super) fn evaluate(&mut self, world: &mut World, faults: &DataFaults, now_ms: u64) -> Vec<HealthEvent> {
        let oldest = now_ms.saturating_sub(Alarms::requests_kept_ms(world)) / MINUTE_MS;
        self.requests.values_mut().for_each(|minutes| minutes.retain(|minute, _| *minute >= oldest));
        self.requests.retain(|_, minutes| !minutes.is_empty());
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
            let rule = Rule::of(&region, &alarm);
            longest_ms = longest_ms.max(rule.window_ms());
            if faults.region_away(&at, &region) {
                waiting = true;
                continue;
            }
            if now_ms < alarm.data_from_ms {
                waiting = true;
                continue;
            }
            let Some((value, reason)) = self.verdict(world, &rule, now_ms - LAG_MS) else { continue };
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
        let copies: Vec<(String, String, AlarmCopy)> = (world.route53.health_checks.values())
            .filter_map(|check| Some((check.id.clone(), check.config.alarm.as_ref()?.0.clone(), check.alarm.clone()?)))
            .collect();
        for (check, region, copy) in copies {
            let rule = Rule::of_copy(&region, &copy);
            longest_ms = longest_ms.max(rule.window_ms());
            // Route 53 does not get at the metrics of a region that is away: the check stays as it is (assumption).
            if faults.region_away(&at, &region) {
                waiting = true;
                continue;
            }
            let state = self.verdict(world, &rule, now_ms - LAG_MS).map(|(state, _)| state);
            route53::note_alarm(world, &check, state.unwrap_or("INSUFFICIENT_DATA"));
        }
        let done = !waiting && now_ms > self.busy_until_ms + longest_ms + 2 * MINUTE_MS;
        self.next_ms = (!done).then_some(now_ms + MINUTE_MS);
        events
    }

    /// The state that the data up to `end_ms` give, `None` when it stays as it is.
    fn verdict(&self, world: &World, rule: &Rule<'_>, end_ms: u64) -> Option<(&'static str, String)> {
        let period_ms = rule.period_ms();
        let end_ms = end_ms / period_ms.max(MINUTE_MS) * period_ms.max(MINUTE_MS);
        let missing = rule.missing;
        let mut breaching = 0;
        let mut known = Vec::new();
        for n in 0..rule.evaluation_periods as u64 {
            let to_ms = end_ms.saturating_sub(n * period_ms);
            let value = self.value(world, rule, to_ms.saturating_sub(period_ms), to_ms);
            match value {
                Some(value) => {
                    known.push(value);
                    breaching += i32::from(rule.is_breached_by(value));
                }
                None => breaching += i32::from(missing == "breaching"),
            }
        }
        let needed = rule.datapoints_to_alarm.unwrap_or(rule.evaluation_periods);
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
                format!("Threshold Crossed: datapoints [{shown}] were past the threshold ({:.1}).", rule.threshold),
            ));
        }
        Some((
            "OK",
            format!("Threshold Crossed: datapoints [{shown}] were not past the threshold ({:.1}).", rule.threshold),
        ))
    }

    /// The value of a metric over a period.
    fn value(&self, world: &World, rule: &Rule<'_>, from_ms: u64, to_ms: u64) -> Option<f64> {
        if rule.namespace == "AWS/Route53" && rule.metric_name == "HealthCheckStatus" {
            // Its metrics are in us-east-1 only.
            let id = rule.dimension("HealthCheckId").filter(|_| rule.region == "us-east-1")?;
            let check = world
                .route53
                .health_checks
                .get(id)
                .filter(|check| !check.config.disabled && check.created_ms < to_ms)?;
            let healthy = self.lowest(world, &check.id, from_ms, to_ms);
            return Some(if healthy { 1.0 } else { 0.0 });
        }
        // What was put goes first: who writes into a metric of AWS means to replace it.
        self.put_value(rule, from_ms, to_ms).or_else(|| self.api_value(rule, from_ms, to_ms))
    }

    fn put_value(&self, rule: &Rule<'_>, from_ms: u64, to_ms: u64) -> Option<f64> {
        let values = self.values.get(&metric(rule.region, rule.namespace, rule.metric_name, rule.dimensions))?;
        let inside: Vec<f64> =
            values.iter().filter(|(at, _)| (from_ms..to_ms).contains(at)).map(|(_, value)| *value).collect();
        if inside.is_empty() {
            return None;
        }
        let sum: f64 = inside.iter().sum();
        Some(match rule.statistic {
            Some("Minimum") => inside.iter().copied().fold(f64::INFINITY, f64::min),
            Some("Maximum") => inside.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Some("Sum") => sum,
            Some("SampleCount") => inside.len() as f64,
            _ => sum / inside.len() as f64,
        })
    }

    /// `Count`, `4xx` and `5xx` of an HTTP API: each request is a value, 1 when it counts and else 0 (API Gateway Developer
    /// Guide, "Monitor CloudWatch metrics for HTTP APIs"). There is none for a period without requests.
    fn api_value(&self, rule: &Rule<'_>, from_ms: u64, to_ms: u64) -> Option<f64> {
        if rule.namespace != "AWS/ApiGateway" {
            return None;
        }
        let (api, stage) = (rule.dimension("ApiId")?, rule.dimension("Stage"));
        let counted: fn(&Requests) -> u64 = match rule.metric_name {
            "Count" => |requests| requests.all,
            "4xx" => |requests| requests.client_errors,
            "5xx" => |requests| requests.server_errors,
            _ => return None,
        };
        let of_api = format!("{}|{api}/", rule.region);
        let stages = self
            .requests
            .iter()
            .filter(|(key, _)| key.strip_prefix(&of_api).is_some_and(|name| stage.is_none_or(|wanted| wanted == name)));
        let minutes = from_ms.div_ceil(MINUTE_MS)..to_ms.div_ceil(MINUTE_MS);
        let inside = stages.flat_map(|(_, all)| all.range(minutes.clone()).map(|(_, requests)| requests));
        let (all, hits) = inside.fold((0, 0), |(all, hits), requests| (all + requests.all, hits + counted(requests)));
        if all == 0 {
            return None;
        }
        Some(match rule.statistic {
            Some("Minimum") => f64::from(u8::from(hits == all)),
            Some("Maximum") => f64::from(u8::from(hits > 0)),
            Some("Sum") => hits as f64,
            Some("SampleCount") => all as f64,
            _ => hits as f64 / all as f64,
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

impl<'a> Rule<'a> {
    fn of(region: &'a str, alarm: &'a Alarm) -> Self {
        Rule {
            region,
            namespace: &alarm.namespace,
            metric_name: &alarm.metric_name,
            dimensions: &alarm.dimensions,
            statistic: alarm.statistic.as_deref(),
            period_s: alarm.period_s,
            evaluation_periods: alarm.evaluation_periods,
            datapoints_to_alarm: alarm.datapoints_to_alarm,
            threshold: alarm.threshold,
            comparison_operator: &alarm.comparison_operator,
            missing: alarm.treat_missing_data.as_deref().unwrap_or("missing"),
        }
    }

    /// Neither the number of bad datapoints nor what missing data mean is in the copy (API Reference,
    /// `CloudWatchAlarmConfiguration`): every period has to be bad, and without data the check decides by itself.
    fn of_copy(region: &'a str, copy: &'a AlarmCopy) -> Self {
        Rule {
            region,
            namespace: &copy.namespace,
            metric_name: &copy.metric_name,
            dimensions: &copy.dimensions,
            statistic: Some(&copy.statistic),
            period_s: copy.period_s,
            evaluation_periods: copy.evaluation_periods,
            datapoints_to_alarm: None,
            threshold: copy.threshold,
            comparison_operator: &copy.comparison_operator,
            missing: "missing",
        }
    }

    fn period_ms(&self) -> u64 {
        self.period_s as u64 * 1000
    }

    fn window_ms(&self) -> u64 {
        self.period_ms() * self.evaluation_periods as u64
    }

    fn dimension(&self, name: &str) -> Option<&'a str> {
        self.dimensions.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn is_breached_by(&self, value: f64) -> bool {
        match self.comparison_operator {
            "LessThanThreshold" => value < self.threshold,
            "LessThanOrEqualToThreshold" => value <= self.threshold,
            "GreaterThanThreshold" => value > self.threshold,
            _ => value >= self.threshold,
        }
    }
}
