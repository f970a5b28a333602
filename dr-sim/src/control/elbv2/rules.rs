//! Rules of a listener: conditions, priorities, and the default rule, which belongs to the listener itself.

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancingv2::operation::create_rule::{CreateRuleError, CreateRuleInput, CreateRuleOutput};
use aws_sdk_elasticloadbalancingv2::operation::delete_rule::{DeleteRuleError, DeleteRuleInput, DeleteRuleOutput};
use aws_sdk_elasticloadbalancingv2::operation::describe_rules::{
    DescribeRulesError, DescribeRulesInput, DescribeRulesOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::modify_rule::{ModifyRuleError, ModifyRuleInput, ModifyRuleOutput};
use aws_sdk_elasticloadbalancingv2::operation::set_rule_priorities::{
    SetRulePrioritiesError, SetRulePrioritiesInput, SetRulePrioritiesOutput,
};
use aws_sdk_elasticloadbalancingv2::types::{
    HostHeaderConditionConfig, HttpHeaderConditionConfig, HttpRequestMethodConditionConfig, PathPatternConditionConfig,
    QueryStringConditionConfig, QueryStringKeyValuePair, Rule as SdkRule, RuleCondition, SourceIpConditionConfig,
};
use serde::{Deserialize, Serialize};

use super::{
    Action, Balancer, Listener, Rule, SERVICE, actions, arn, invalid, listeners, page, resource_of, suffix, tags,
};
use crate::control::{Answer, Call, Refusal, Table};
use crate::world::World;

/// Rules per load balancer besides the default ones (AWS default quota).
const RULES_MAX: usize = 100;
/// Values of all conditions of a rule together (AWS quota).
const VALUES_MAX: usize = 5;

/// A condition: one of its values must match. `*` stands for any characters, `?` for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Condition {
    Host(Vec<String>),
    Path(Vec<String>),
    Header {
        name: String,
        values: Vec<String>,
    },
    /// `(key, value)`; without a key the value alone must occur.
    Query(Vec<(Option<String>, String)>),
    Method(Vec<String>),
    SourceIp(Vec<String>),
}

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "CreateRule", CreateRuleError::generic, create);
    table.on(SERVICE, "DescribeRules", DescribeRulesError::generic, describe);
    table.on(SERVICE, "ModifyRule", ModifyRuleError::generic, modify);
    table.on(SERVICE, "DeleteRule", DeleteRuleError::generic, delete);
    table.on(SERVICE, "SetRulePriorities", SetRulePrioritiesError::generic, set_priorities);
}

fn not_found(arn: &str) -> Refusal {
    Refusal::new("RuleNotFound", format!("One or more rules not found: '{arn}'"))
}

fn balancer_of<'a>(world: &'a World, listener: &str) -> Option<&'a Balancer> {
    world.elbv2.balancers.get(&world.elbv2.listeners.get(listener)?.balancer)
}

/// The rule with this ARN in the region of the call; a default rule cannot be changed through the rule operations.
pub(super) fn existing<'a>(world: &'a mut World, call: &Call, arn: Option<&str>) -> Answer<&'a mut Rule> {
    let arn = arn.unwrap_or_default();
    if world.elbv2.listeners.values().any(|listener| listener.default_rule == arn) {
        return Err(Refusal::new(
            "OperationNotPermitted",
            format!("Default rule '{arn}' cannot be modified or deleted"),
        ));
    }
    let listener = world.elbv2.rules.get(arn).map(|rule| rule.listener.clone()).ok_or_else(|| not_found(arn))?;
    if balancer_of(world, &listener).is_none_or(|balancer| balancer.region != call.region) {
        return Err(not_found(arn));
    }
    world.elbv2.rules.get_mut(arn).ok_or_else(|| not_found(arn))
}

fn create(world: &mut World, call: &Call, input: &CreateRuleInput) -> Answer<CreateRuleOutput> {
    let listener = listeners::existing(world, call, input.listener_arn())?.clone();
    let priority = input.priority().ok_or_else(|| invalid("A priority must be specified"))?;
    if !(1..=50_000).contains(&priority) {
        return Err(invalid("The rule priority must be between 1 and 50000"));
    }
    let conditions = checked(input.conditions())?;
    let balancer = world.elbv2.balancers.get(&listener.balancer).expect("a listener goes with its load balancer");
    let actions = actions::checked(&world.elbv2, balancer, input.actions.as_deref())?;
    let tags = tags::checked(input.tags())?;
    let on_balancer =
        |rule: &&Rule| world.elbv2.listeners.get(&rule.listener).is_some_and(|l| l.balancer == listener.balancer);
    if world.elbv2.rules.values().any(|rule| rule.listener == listener.arn && rule.priority == priority) {
        return Err(Refusal::new("PriorityInUse", format!("Priority '{priority}' is currently in use")));
    }
    if world.elbv2.rules.values().filter(on_balancer).count() >= RULES_MAX {
        return Err(Refusal::new("TooManyRules", "You have reached the maximum number of rules of this load balancer"));
    }
    let id = suffix(world);
    let path = resource_of(&listener.arn).trim_start_matches("listener/");
    let rule = Rule {
        arn: arn(world, &call.region, &format!("listener-rule/{path}/{id}")),
        listener: listener.arn.clone(),
        priority,
        conditions,
        actions,
        tags,
    };
    let output = CreateRuleOutput::builder().rules(to_sdk(&rule)).build();
    world.elbv2.rules.insert(rule.arn.clone(), rule);
    Ok(output)
}

fn describe(world: &mut World, call: &Call, input: &DescribeRulesInput) -> Answer<DescribeRulesOutput> {
    let arns = input.rule_arns();
    let items: Vec<(String, SdkRule)> = match (input.listener_arn(), arns) {
        (None, []) => return Err(invalid("You must specify either listener rule ARNs or a listener ARN")),
        (Some(_), [_, ..]) => return Err(invalid("Rule ARNs and a listener ARN cannot be specified at the same time")),
        (Some(listener), []) => {
            let listener = listeners::existing(world, call, Some(listener))?.clone();
            let rules = world.elbv2.rules_of(&listener.arn).into_iter().map(to_sdk).chain([default_to_sdk(&listener)]);
            // In the order in which they are tried; the position serves as the key of the page.
            rules.enumerate().map(|(i, rule)| (format!("{i:05}"), rule)).collect()
        }
        (None, arns) => {
            let one = |arn: &String| {
                let default = world.elbv2.listeners.values().find(|l| l.default_rule == *arn).map(default_to_sdk);
                let found = default.or_else(|| world.elbv2.rules.get(arn).map(to_sdk));
                found.map(|rule| (arn.clone(), rule)).ok_or_else(|| not_found(arn))
            };
            arns.iter().map(one).collect::<Answer<_>>()?
        }
    };
    let (items, next) = page(items, input.marker(), input.page_size())?;
    Ok(DescribeRulesOutput::builder().set_rules(Some(items)).set_next_marker(next).build())
}

fn modify(world: &mut World, call: &Call, input: &ModifyRuleInput) -> Answer<ModifyRuleOutput> {
    let old = existing(world, call, input.rule_arn())?.clone();
    let conditions = match &input.conditions {
        None => old.conditions.clone(),
        Some(conditions) => checked(conditions)?,
    };
    let actions = match &input.actions {
        None => old.actions.clone(),
        Some(actions) => {
            let balancer = balancer_of(world, &old.listener).expect("a rule goes with its listener");
            actions::checked(&world.elbv2, balancer, Some(actions))?
        }
    };
    let rule = existing(world, call, input.rule_arn())?;
    *rule = Rule { conditions, actions, ..old };
    Ok(ModifyRuleOutput::builder().rules(to_sdk(rule)).build())
}

fn delete(world: &mut World, call: &Call, input: &DeleteRuleInput) -> Answer<DeleteRuleOutput> {
    let arn = existing(world, call, input.rule_arn())?.arn.clone();
    world.elbv2.rules.remove(&arn);
    Ok(DeleteRuleOutput::builder().build())
}

/// All of them or none: rules can trade places.
fn set_priorities(world: &mut World, call: &Call, input: &SetRulePrioritiesInput) -> Answer<SetRulePrioritiesOutput> {
    let mut wanted = Vec::new();
    for pair in input.rule_priorities() {
        let rule = existing(world, call, pair.rule_arn())?;
        let priority = pair.priority().ok_or_else(|| invalid("A priority must be specified"))?;
        if !(1..=50_000).contains(&priority) {
            return Err(invalid("The rule priority must be between 1 and 50000"));
        }
        if wanted.iter().any(|(other, _): &(Rule, i32)| other.arn == rule.arn) {
            return Err(invalid(format!("Rule '{}' is specified more than once", rule.arn)));
        }
        wanted.push((rule.clone(), priority));
    }
    let Some((first, _)) = wanted.first() else { return Err(invalid("Rule priorities must be specified")) };
    if wanted.iter().any(|(rule, _)| rule.listener != first.listener) {
        return Err(invalid("The rules must belong to the same listener"));
    }
    let moved = |rule: &Rule| wanted.iter().find(|(other, _)| other.arn == rule.arn).map(|(_, priority)| *priority);
    let mut taken = BTreeSet::new();
    for rule in world.elbv2.rules.values().filter(|rule| rule.listener == first.listener) {
        let priority = moved(rule).unwrap_or(rule.priority);
        if !taken.insert(priority) {
            return Err(Refusal::new("PriorityInUse", format!("Priority '{priority}' is currently in use")));
        }
    }
    let mut shown = Vec::new();
    for (rule, priority) in wanted {
        let rule = existing(world, call, Some(&rule.arn))?;
        rule.priority = priority;
        shown.push(to_sdk(rule));
    }
    Ok(SetRulePrioritiesOutput::builder().set_rules(Some(shown)).build())
}

fn checked(conditions: &[RuleCondition]) -> Answer<Vec<Condition>> {
    if conditions.is_empty() {
        return Err(invalid("A rule needs at least one condition"));
    }
    let conditions: Vec<Condition> = conditions.iter().map(one).collect::<Answer<_>>()?;
    let field = |condition: &Condition| std::mem::discriminant(condition);
    let once = |c: &Condition| !matches!(c, Condition::Header { .. } | Condition::Query(_));
    for (i, condition) in conditions.iter().enumerate() {
        if once(condition) && conditions[..i].iter().any(|before| field(before) == field(condition)) {
            return Err(invalid("A rule can have one condition of each field"));
        }
    }
    if conditions.iter().map(Condition::len).sum::<usize>() > VALUES_MAX {
        return Err(invalid(format!("The conditions of a rule can have at most {VALUES_MAX} values")));
    }
    Ok(conditions)
}

fn one(condition: &RuleCondition) -> Answer<Condition> {
    let field = condition.field().unwrap_or_default();
    let plain = condition.values().to_vec();
    // Host and path may be given in the old way, as `Values`.
    let or_plain = |config: Option<Vec<String>>| config.filter(|values| !values.is_empty()).unwrap_or(plain);
    let parsed = match field {
        "host-header" => Condition::Host(or_plain(condition.host_header_config().map(|c| c.values().to_vec()))),
        "path-pattern" => Condition::Path(or_plain(condition.path_pattern_config().map(|c| c.values().to_vec()))),
        "http-header" => {
            let config = condition
                .http_header_config()
                .ok_or_else(|| invalid("An http-header condition needs a HttpHeaderConfig"))?;
            let name = config.http_header_name().unwrap_or_default().to_owned();
            if name.is_empty() || name.eq_ignore_ascii_case("host") {
                return Err(invalid("An http-header condition needs the name of a header other than Host"));
            }
            Condition::Header { name, values: config.values().to_vec() }
        }
        "query-string" => {
            let config = condition
                .query_string_config()
                .ok_or_else(|| invalid("A query-string condition needs a QueryStringConfig"))?;
            let pair = |pair: &QueryStringKeyValuePair| {
                let value = pair.value().ok_or_else(|| invalid("A query string needs a value"))?;
                Ok((pair.key().map(str::to_owned), value.to_owned()))
            };
            Condition::Query(config.values().iter().map(pair).collect::<Answer<_>>()?)
        }
        "http-request-method" => {
            Condition::Method(condition.http_request_method_config().map(|c| c.values().to_vec()).unwrap_or_default())
        }
        "source-ip" => {
            Condition::SourceIp(condition.source_ip_config().map(|c| c.values().to_vec()).unwrap_or_default())
        }
        other => {
            return Err(invalid(format!(
                "Condition field '{other}' must be one of '[path-pattern, host-header, http-header, query-string, \
                 http-request-method, source-ip]'"
            )));
        }
    };
    if parsed.len() == 0 {
        return Err(invalid(format!("A condition of field '{field}' needs at least one value")));
    }
    if let Condition::Path(values) | Condition::Host(values) = &parsed
        && values.iter().any(|value| value.is_empty() || value.len() > 128)
    {
        return Err(invalid(format!("A value of field '{field}' must have 1 to 128 characters")));
    }
    Ok(parsed)
}

impl Condition {
    fn len(&self) -> usize {
        match self {
            Condition::Host(v) | Condition::Path(v) | Condition::Method(v) | Condition::SourceIp(v) => v.len(),
            Condition::Header { values, .. } => values.len(),
            Condition::Query(pairs) => pairs.len(),
        }
    }

    fn to_sdk(&self) -> RuleCondition {
        let values = |v: &[String]| Some(v.to_vec());
        match self {
            Condition::Host(v) => RuleCondition::builder()
                .field("host-header")
                .set_values(values(v))
                .host_header_config(HostHeaderConditionConfig::builder().set_values(values(v)).build())
                .build(),
            Condition::Path(v) => RuleCondition::builder()
                .field("path-pattern")
                .set_values(values(v))
                .path_pattern_config(PathPatternConditionConfig::builder().set_values(values(v)).build())
                .build(),
            Condition::Header { name, values: v } => RuleCondition::builder()
                .field("http-header")
                .http_header_config(
                    HttpHeaderConditionConfig::builder().http_header_name(name).set_values(values(v)).build(),
                )
                .build(),
            Condition::Query(pairs) => {
                let pair = |(key, value): &(Option<String>, String)| {
                    QueryStringKeyValuePair::builder().set_key(key.clone()).value(value).build()
                };
                let config = QueryStringConditionConfig::builder().set_values(Some(pairs.iter().map(pair).collect()));
                RuleCondition::builder().field("query-string").query_string_config(config.build()).build()
            }
            Condition::Method(v) => RuleCondition::builder()
                .field("http-request-method")
                .http_request_method_config(HttpRequestMethodConditionConfig::builder().set_values(values(v)).build())
                .build(),
            Condition::SourceIp(v) => RuleCondition::builder()
                .field("source-ip")
                .source_ip_config(SourceIpConditionConfig::builder().set_values(values(v)).build())
                .build(),
        }
    }
}

fn to_sdk(rule: &Rule) -> SdkRule {
    SdkRule::builder()
        .rule_arn(&rule.arn)
        .priority(rule.priority.to_string())
        .set_conditions(Some(rule.conditions.iter().map(Condition::to_sdk).collect()))
        .set_actions(Some(rule.actions.iter().map(Action::to_sdk).collect()))
        .is_default(false)
        .build()
}

fn default_to_sdk(listener: &Listener) -> SdkRule {
    SdkRule::builder()
        .rule_arn(&listener.default_rule)
        .priority("default")
        .set_conditions(Some(Vec::new()))
        .set_actions(Some(listener.actions.iter().map(Action::to_sdk).collect()))
        .is_default(true)
        .build()
}
