//! Elastic Load Balancing v2: application load balancers, target groups with their targets, listeners and rules.
//!
//! API: Elastic Load Balancing 2015-12-01. Creating the same thing twice with the same settings answers the existing
//! one, other settings are refused; a target group serves one load balancer; a deleted load balancer leaves its
//! network interfaces behind for a while.

mod actions;
mod attributes;
mod balancers;
mod groups;
mod listeners;
mod rules;
mod tags;
mod targets;

use std::collections::BTreeMap;

use aws_smithy_types::DateTime;
use serde::{Deserialize, Serialize};

pub(crate) use self::actions::{Action, Redirect, WeightedGroup};
pub(crate) use self::rules::Condition;

use super::{Answer, Refusal, Table};
use crate::data::Backends;
use crate::world::World;

/// The service name in the SDK's metadata.
const SERVICE: &str = "Elastic Load Balancing v2";

/// The service in every region. The keys are ARNs, which name the region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) balancers: BTreeMap<String, Balancer>,
    pub(crate) groups: BTreeMap<String, TargetGroup>,
    pub(crate) listeners: BTreeMap<String, Listener>,
    /// Without the default rules, which are the actions of their listener.
    pub(crate) rules: BTreeMap<String, Rule>,
    /// What the targets do with requests, which the API does not know.
    #[serde(default)]
    pub(crate) backends: Backends,
}

/// An application load balancer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Balancer {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) region: String,
    /// `internal` or `internet-facing`.
    pub(crate) scheme: String,
    pub(crate) ip_address_type: String,
    pub(crate) vpc_id: String,
    pub(crate) zones: Vec<Zone>,
    pub(crate) security_groups: Vec<String>,
    pub(crate) dns_name: String,
    pub(crate) created_ms: u64,
    /// `provisioning` before, `active` from then on.
    pub(crate) ready_ms: u64,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
}

/// An enabled availability zone of a load balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Zone {
    pub(crate) name: String,
    pub(crate) subnet_id: String,
    /// The network interface of the node in this zone.
    pub(crate) eni: String,
}

/// A target group, its health check and its targets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TargetGroup {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) protocol: String,
    pub(crate) protocol_version: String,
    pub(crate) port: u16,
    pub(crate) vpc_id: String,
    /// `instance` or `ip`.
    pub(crate) target_type: String,
    pub(crate) check: HealthCheck,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) targets: Vec<Target>,
    pub(crate) tags: BTreeMap<String, String>,
}

/// How a load balancer checks the targets of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HealthCheck {
    pub(crate) enabled: bool,
    pub(crate) protocol: String,
    /// A port number or `traffic-port`.
    pub(crate) port: String,
    pub(crate) path: String,
    pub(crate) interval_s: i32,
    pub(crate) timeout_s: i32,
    pub(crate) healthy_threshold: i32,
    pub(crate) unhealthy_threshold: i32,
    /// HTTP codes that count as success: `200`, `200,202`, `200-299`.
    pub(crate) matcher: String,
}

/// A registration.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Target {
    /// An instance id or an IP address.
    pub(crate) id: String,
    pub(crate) port: u16,
    pub(crate) registered_ms: u64,
    /// Set by DeregisterTargets: draining until then, gone from then on.
    pub(crate) drains_until_ms: Option<u64>,
}

/// A listener; its default actions are its default rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Listener {
    pub(crate) arn: String,
    pub(crate) balancer: String,
    pub(crate) port: u16,
    /// `HTTP` or `HTTPS`.
    pub(crate) protocol: String,
    /// ARN of the default certificate of an HTTPS listener.
    pub(crate) certificate: Option<String>,
    pub(crate) ssl_policy: Option<String>,
    pub(crate) actions: Vec<Action>,
    pub(crate) default_rule: String,
    pub(crate) tags: BTreeMap<String, String>,
}

/// A rule besides the default one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Rule {
    pub(crate) arn: String,
    pub(crate) listener: String,
    /// 1–50,000; lower is tried first.
    pub(crate) priority: i32,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) actions: Vec<Action>,
    pub(crate) tags: BTreeMap<String, String>,
}

pub(crate) fn register(table: &mut Table) {
    attributes::register(table);
    balancers::register(table);
    groups::register(table);
    listeners::register(table);
    rules::register(table);
    tags::register(table);
    targets::register(table);
}

impl State {
    /// The load balancer that uses a target group through a listener or a rule.
    pub(crate) fn balancer_of_group(&self, group: &str) -> Option<&Balancer> {
        let by_default = self.listeners.values().find(|listener| forwards_to(&listener.actions, group));
        let by_rule = || self.rules.values().find(|rule| forwards_to(&rule.actions, group));
        let listener = by_default.or_else(|| self.listeners.get(&by_rule()?.listener))?;
        self.balancers.get(&listener.balancer)
    }

    /// The rules of a listener besides the default one, in the order in which they are tried.
    pub(crate) fn rules_of(&self, listener: &str) -> Vec<&Rule> {
        let mut rules: Vec<&Rule> = self.rules.values().filter(|rule| rule.listener == listener).collect();
        rules.sort_by_key(|rule| rule.priority);
        rules
    }

    /// Forgets the targets that have drained away, and the instances that EC2 has forgotten: nobody has to deregister what is
    /// terminated.
    pub(crate) fn settle(&mut self, now_ms: u64, is_instance: impl Fn(&str, &str) -> bool) {
        for TargetGroup { region, target_type, targets, .. } in self.groups.values_mut() {
            let exists = |id: &str| target_type != "instance" || is_instance(region, id);
            let stays = |until: Option<u64>| until.is_none_or(|until| now_ms < until);
            targets.retain(|target| stays(target.drains_until_ms) && exists(&target.id));
        }
    }

    /// The load balancer behind a DNS name of Elastic Load Balancing.
    pub(crate) fn by_dns_name(&self, name: &str) -> Option<&Balancer> {
        self.balancers.values().find(|balancer| balancer.dns_name == name)
    }
}

impl Balancer {
    pub(crate) fn is_active(&self, now_ms: u64) -> bool {
        now_ms >= self.ready_ms
    }
}

impl TargetGroup {
    /// The registrations that have not drained away.
    pub(crate) fn registered(&self, now_ms: u64) -> impl Iterator<Item = &Target> {
        self.targets.iter().filter(move |target| target.drains_until_ms.is_none_or(|until| now_ms < until))
    }

    /// The port that is checked for a target.
    pub(crate) fn check_port(&self, target: &Target) -> u16 {
        self.check.port.parse().unwrap_or(target.port)
    }
}

impl HealthCheck {
    /// Whether a status counts as success.
    pub(crate) fn accepts(&self, status: u16) -> bool {
        self.matcher.split(',').any(|part| match part.split_once('-') {
            Some((from, to)) => {
                from.trim().parse().is_ok_and(|from: u16| from <= status)
                    && to.trim().parse().is_ok_and(|to: u16| status <= to)
            }
            None => part.trim().parse() == Ok(status),
        })
    }
}

/// Whether one of the actions sends requests to the group.
fn forwards_to(actions: &[Action], group: &str) -> bool {
    actions.iter().any(|action| action.groups().any(|arn| arn == group))
}

/// `arn:aws:elasticloadbalancing:REGION:ACCOUNT:RESOURCE`.
fn arn(world: &World, region: &str, resource: &str) -> String {
    format!("arn:aws:elasticloadbalancing:{region}:{}:{resource}", world.account)
}

/// The part of an ARN after the fifth colon.
fn resource_of(arn: &str) -> &str {
    arn.splitn(6, ':').nth(5).unwrap_or_default()
}

fn suffix(world: &mut World) -> String {
    world.token(b"0123456789abcdef", 16)
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new("ValidationError", message)
}

/// What AWS does and this simulation has no behaviour for: better refused than ignored.
fn not_simulated(what: impl std::fmt::Display) -> Refusal {
    Refusal::new("NotSimulated", format!("not simulated: {what}")).status(501)
}

fn date(ms: u64) -> DateTime {
    DateTime::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// Names of load balancers and target groups: at most 32 letters, digits and hyphens, no hyphen at either end.
fn checked_name<'a>(what: &str, name: Option<&'a str>) -> Answer<&'a str> {
    let name = name.unwrap_or_default();
    if name.is_empty() {
        return Err(invalid(format!("{what} name cannot be empty")));
    }
    if name.len() > 32 {
        return Err(invalid(format!("{what} name '{name}' cannot be longer than '32' characters")));
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(invalid(format!(
            "{what} name '{name}' can only contain characters that are alphanumeric characters and hyphens(-)"
        )));
    }
    if name.starts_with('-') || name.ends_with('-') {
        return Err(invalid(format!("{what} name '{name}' cannot begin or end with '-'")));
    }
    Ok(name)
}

fn checked_port(what: &str, port: Option<i32>) -> Answer<u16> {
    match port.map(u16::try_from) {
        Some(Ok(port)) if port > 0 => Ok(port),
        Some(_) => Err(invalid(format!("{what} port must be between 1 and 65535"))),
        None => Err(invalid(format!("{what} port must be specified"))),
    }
}

/// One page of a list that is ordered by ARN: the marker is the last ARN of the page before.
fn page<T>(items: Vec<(String, T)>, marker: Option<&str>, size: Option<i32>) -> Answer<(Vec<T>, Option<String>)> {
    let size = match size.unwrap_or(400) {
        size @ 1..=400 => size as usize,
        size => return Err(invalid(format!("'{size}' is not a valid page size: it must be between 1 and 400"))),
    };
    let mut rest = items.into_iter().filter(|(arn, _)| marker.is_none_or(|marker| arn.as_str() > marker)).peekable();
    let mut taken = Vec::new();
    let mut last = None;
    while taken.len() < size {
        let Some((arn, item)) = rest.next() else { break };
        last = Some(arn);
        taken.push(item);
    }
    Ok((taken, last.filter(|_| rest.peek().is_some())))
}

#[cfg(test)]
mod tests;
