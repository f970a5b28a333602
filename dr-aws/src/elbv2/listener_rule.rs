//! `aws.elbv2.listener_rule`: requests of a listener that go elsewhere.
//!
//! API: CreateRule, ModifyRule, SetRulePriorities, DescribeRules, DeleteRule (Elastic Load Balancing 2015-12-01).
//! Find: by listener and tags. Change: the listener replaces, the rest in place. Delete: before its target group.

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancingv2::types::{
    HostHeaderConditionConfig, PathPatternConditionConfig, Rule as Described, RuleCondition, RulePriorityPair,
};
use dr_core::{
    Anywhere, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Problems, Region, Resource,
    Scan, Wanted,
};
use futures_util::future::try_join_all;

use super::listener::{forward_to, forwards_to};
use super::{adopt, found, owners, ownership, sync_tags};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{ListenerArn, RuleArn, TargetGroupArn};
use crate::read::{Promised as _, as_wanted, wanted_as};

/// Requests of a listener that go to another target group, by host name or path.
///
/// - Inputs: the listener (replaces); the priority (1 to 50000), host names and paths (five in all, one at least), and the
///   group that requests go to, in place.
/// - Ready: at once.
/// - Calls: CreateRule, ModifyRule, SetRulePriorities, DescribeRules, DeleteRule.
/// - AWS: <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html>
#[derive(Debug, Clone, Resource)]
#[resource(type = "aws.elbv2.listener_rule", outputs = ListenerRuleOutputs, create_s = 1, delete_s = 1, check = check)]
pub struct ListenerRule<R: Region = Anywhere> {
    /// Whose requests.
    #[input(replace)]
    listener: Input<ListenerArn<R>>,
    /// The place in the order, 1 to 50000; unique on the listener. The lowest that fits decides.
    priority: u16,
    /// Host names that fit, with `*` and `?`. Empty: all.
    hosts: Vec<String>,
    /// Paths that fit, with `*` and `?`. Empty: all.
    paths: Vec<String>,
    /// Where they go.
    forward: Input<TargetGroupArn<R>>,
}

/// What is known of a rule once it exists.
#[derive(Debug, Clone, PartialEq, Outputs)]
pub struct ListenerRuleOutputs<R: Region = Anywhere> {
    /// `arn:aws:elasticloadbalancing:…:listener-rule/app/…`
    pub arn: RuleArn<R>,
}

impl<R: Region> ListenerRule<R> {
    /// A rule without conditions; it needs a host or a path.
    pub fn new(
        listener: impl IntoInput<ListenerArn<R>>,
        priority: u16,
        forward: impl IntoInput<TargetGroupArn<R>>,
    ) -> Self {
        let (listener, forward) = (listener.into_input(), forward.into_input());
        ListenerRule { listener, priority, hosts: Vec::new(), paths: Vec::new(), forward }
    }

    /// Requests to this host name, or to another one that is given too.
    #[must_use]
    pub fn host(mut self, pattern: impl Into<String>) -> Self {
        self.hosts.push(pattern.into());
        self
    }

    /// Requests of this path, or of another one that is given too.
    #[must_use]
    pub fn path(mut self, pattern: impl Into<String>) -> Self {
        self.paths.push(pattern.into());
        self
    }
}

fn check<R: Region>(rule: &ListenerRule<R>, problems: &mut Problems) {
    if !(1..=50_000).contains(&rule.priority) {
        problems.report("priority", format_args!("{} is none: 1 to 50000", rule.priority));
    }
    match rule.hosts.len() + rule.paths.len() {
        0 => problems.report("paths", "a rule has a host or a path: add `.path(…)`"),
        1..=5 => {}
        n => problems.report("paths", format_args!("{n} values are too many: at most 5 in a rule")),
    }
}

impl Lifecycle for ListenerRule {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let parents: BTreeSet<String> = wanted.iter().map(|want| want.args.listener.to_string()).collect();
        let rules = try_join_all(parents.iter().map(|parent| of_listener(scan, parent))).await?;
        let arns = rules.iter().flatten().filter_map(|(_, rule)| rule.rule_arn().map(str::to_owned)).collect();
        let owners = owners(scan, wanted, |outputs: &ListenerRuleOutputs| outputs.arn.as_str(), arns).await?;
        let describe = |(listener, rule): &(String, Described)| {
            let arn = rule.rule_arn()?;
            let whose = owners.get(arn)?;
            let want = wanted_as(wanted, &whose.owned).map(|want| &want.args);
            let args = ListenerRuleArgs {
                listener: ListenerArn::literal(listener),
                priority: rule.priority()?.parse().ok()?,
                hosts: as_wanted(hosts(rule), want.map(|args| &args.hosts)),
                paths: as_wanted(paths(rule), want.map(|args| &args.paths)),
                forward: forwards_to(rule.actions()),
            };
            Some(found(whose, args, ListenerRuleOutputs { arn: RuleArn::literal(arn) }, Health::Ready))
        };
        Ok(rules.iter().flatten().filter_map(describe).collect())
    }

    async fn create(cx: &Cx<Aws>, args: &ListenerRuleArgs) -> Result<ListenerRuleOutputs, CloudError> {
        const CALL: &str = "elasticloadbalancing:CreateRule";
        let request = cx.cloud.elbv2(&cx.owner.region).create_rule();
        let request = request
            .listener_arn(args.listener.as_str())
            .priority(args.priority.into())
            .set_conditions(Some(conditions(args)))
            .actions(forward_to(args.forward.as_str()))
            .set_tags(Some(ownership(cx)));
        let answer = request.send().await.call(CALL)?;
        let arn = answer.rules().first().and_then(|rule| rule.rule_arn()).promised(CALL, "the rule")?;
        Ok(ListenerRuleOutputs { arn: RuleArn::literal(arn) })
    }

    async fn update(
        cx: &Cx<Aws>,
        prior: &Prior<Self>,
        args: &ListenerRuleArgs,
    ) -> Result<ListenerRuleOutputs, CloudError> {
        let (client, arn) = (cx.cloud.elbv2(&cx.owner.region), prior.outputs.arn.as_str());
        sync_tags(cx, arn).await?;
        let old = &prior.args;
        if (&args.hosts, &args.paths, &args.forward) != (&old.hosts, &old.paths, &old.forward) {
            let request = client.modify_rule().rule_arn(arn).set_conditions(Some(conditions(args)));
            request.actions(forward_to(args.forward.as_str())).send().await.call("elasticloadbalancing:ModifyRule")?;
        }
        if args.priority != old.priority {
            let pair = RulePriorityPair::builder().rule_arn(arn).priority(args.priority.into()).build();
            let request = client.set_rule_priorities().rule_priorities(pair);
            request.send().await.call("elasticloadbalancing:SetRulePriorities")?;
        }
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let request = cx.cloud.elbv2(&cx.owner.region).delete_rule().rule_arn(prior.outputs.arn.as_str());
        request.send().await.call("elasticloadbalancing:DeleteRule").gone_ok().map(drop)
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        adopt(cx, current.outputs.arn.as_str()).await
    }
}

/// The rules of a listener without the one that is its default action.
async fn of_listener(scan: &Scan<Aws>, arn: &str) -> Result<Vec<(String, Described)>, CloudError> {
    let items = scan.cloud.elbv2(&scan.region).describe_rules().listener_arn(arn).into_paginator().items().send();
    let rules = items.collect::<Result<Vec<_>, _>>().await.call("elasticloadbalancing:DescribeRules").gone_ok()?;
    let rules = rules.unwrap_or_default().into_iter().filter(|rule| rule.is_default() != Some(true));
    Ok(rules.map(|rule| (arn.to_owned(), rule)).collect())
}

const HOST: &str = "host-header";
const PATH: &str = "path-pattern";

fn conditions(args: &ListenerRuleArgs) -> Vec<RuleCondition> {
    let mut conditions = Vec::new();
    if !args.hosts.is_empty() {
        let config = HostHeaderConditionConfig::builder().set_values(Some(args.hosts.clone())).build();
        conditions.push(RuleCondition::builder().field(HOST).host_header_config(config).build());
    }
    if !args.paths.is_empty() {
        let config = PathPatternConditionConfig::builder().set_values(Some(args.paths.clone())).build();
        conditions.push(RuleCondition::builder().field(PATH).path_pattern_config(config).build());
    }
    conditions
}

/// AWS answers the values of a condition in its config, in the old field, or in both.
fn values(rule: &Described, field: &str, config: fn(&RuleCondition) -> Option<&[String]>) -> Vec<String> {
    let of = |condition: &RuleCondition| match config(condition) {
        Some(values) if !values.is_empty() => values.to_vec(),
        _ => condition.values().to_vec(),
    };
    rule.conditions().iter().filter(|condition| condition.field() == Some(field)).flat_map(of).collect()
}

fn hosts(rule: &Described) -> Vec<String> {
    values(rule, HOST, |condition| condition.host_header_config().map(|config| config.values()))
}

fn paths(rule: &Described) -> Vec<String> {
    values(rule, PATH, |condition| condition.path_pattern_config().map(|config| config.values()))
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticloadbalancingv2::Client;
    use aws_sdk_elasticloadbalancingv2::operation::describe_tags::DescribeTagsOutput;
    use aws_sdk_elasticloadbalancingv2::types::TagDescription;
    use aws_smithy_mocks::mock;
    use dr_core::Class;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    fn prior() -> Prior<ListenerRule> {
        let args = ListenerRuleArgs {
            listener: ListenerArn::literal("arn:l"),
            priority: 10,
            hosts: Vec::new(),
            paths: vec!["/api/*".into()],
            forward: TargetGroupArn::literal("arn:g"),
        };
        Prior { args, outputs: ListenerRuleOutputs { arn: RuleArn::literal("arn:r") } }
    }

    #[tokio::test]
    async fn a_priority_that_is_taken_is_looked_at_and_a_new_group_waited_for() {
        for (code, class) in [
            ("PriorityInUse", Class::Exists),
            ("TargetGroupNotFound", Class::Eventual),
            ("ListenerNotFound", Class::Eventual),
            ("TooManyRules", Class::Permanent),
        ] {
            let refused = refused(mock!(Client::create_rule), code, "");
            assert_eq!(outcome(ListenerRule::create(&cx(&[&refused]), &prior().args).await), Err(class), "{code}");
        }
    }

    /// Two rules that move up in one deploy: the second has to leave its place first.
    #[tokio::test]
    async fn a_rule_that_moves_waits_for_the_one_that_is_there() {
        let owned = mock!(Client::describe_tags).then_output(|| {
            let description = TagDescription::builder().resource_arn("arn:r").set_tags(Some(ownership(&cx(&[]))));
            DescribeTagsOutput::builder().tag_descriptions(description.build()).build()
        });
        let taken = refused(mock!(Client::set_rule_priorities), "PriorityInUse", "");
        let args = ListenerRuleArgs { priority: 20, ..prior().args };
        let error = ListenerRule::update(&cx(&[&owned, &taken]), &prior(), &args).await.unwrap_err();
        assert_eq!(error.class, Class::Dependency);
        assert!(error.hint.unwrap().contains("a free number"));
    }

    #[tokio::test]
    async fn a_rule_that_is_gone_is_deleted() {
        let gone = refused(mock!(Client::delete_rule), "RuleNotFound", "");
        assert_eq!(outcome(ListenerRule::delete(&cx(&[&gone]), &prior()).await), Ok(()));
    }
}
