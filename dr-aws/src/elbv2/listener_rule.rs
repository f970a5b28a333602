//! `aws.elbv2.listener_rule`: requests of a listener that go elsewhere.
//!
//! API: CreateRule, ModifyRule, SetRulePriorities, DescribeRules, DeleteRule (Elastic Load Balancing 2015-12-01).
//! Find: by listener and tags. Change: the listener replaces, the rest in place. Delete: before its target group.

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancingv2::types::{
    HostHeaderConditionConfig, PathPatternConditionConfig, Rule as Described, RuleCondition, RulePriorityPair,
};
use dr_core::{
    Anywhere, Class, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Problems, Region,
    Resource, Scan, Wanted,
};
use futures_util::future::try_join_all;

use super::listener::{forward_to, forwards_to};
use super::{adopt, found, owners, ownership, sync_tags, tags_of};
use crate::call::{Call as _, GoneOk as _, as_class};
use crate::ids::{ListenerArn, RuleArn, TargetGroupArn};
use crate::read::{Promised as _, as_wanted, wanted_as};
use crate::{Aws, tags};

/// Requests of a listener that go to another target group, by host name or path.
///
/// Rules can trade their priorities in one deploy, and a new one can take that of one that goes.
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
        let rules = parents.iter().map(|parent| of_listener(&scan.cloud, &scan.region, parent));
        let rules = try_join_all(rules).await?;
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
        let answer = match request.send().await.call(CALL) {
            Err(error) if error.code == IN_USE => return Err(in_the_way(cx, args, error).await?),
            answer => answer?,
        };
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
            match set_priorities(cx, &[(arn, args.priority)]).await {
                Err(error) if error.code == IN_USE => trade_places(cx, arn, args, error).await?,
                answer => answer?,
            }
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

/// Another rule has the priority.
const IN_USE: &str = "PriorityInUse";

async fn set_priorities(cx: &Cx<Aws>, rules: &[(&str, u16)]) -> Result<(), CloudError> {
    let pair =
        |(arn, priority): &(&str, u16)| RulePriorityPair::builder().rule_arn(*arn).priority((*priority).into()).build();
    let request = cx.cloud.elbv2(&cx.owner.region).set_rule_priorities();
    let request = request.set_rule_priorities(Some(rules.iter().map(pair).collect()));
    request.send().await.call("elasticloadbalancing:SetRulePriorities").map(drop)
}

/// The rule of the listener that has the priority, and whose it is if it is the stack's.
async fn holder(
    cx: &Cx<Aws>,
    rules: &[(String, Described)],
    priority: u16,
) -> Result<Option<(String, Option<tags::Owned>)>, CloudError> {
    let has = |rule: &Described| rule.priority().and_then(|text| text.parse().ok()) == Some(priority);
    let rule = rules.iter().map(|(_, rule)| rule).find(|rule| has(rule));
    let Some(arn) = rule.and_then(|rule| rule.rule_arn()).map(str::to_owned) else { return Ok(None) };
    let tags = tags_of(&cx.cloud, &cx.owner.region, std::slice::from_ref(&arn)).await?.remove(&arn);
    let owned = tags.and_then(|tags| tags::owned(&cx.owner.stack, tags));
    Ok(Some((arn, owned)))
}

/// What it means for a new rule that another has its priority.
async fn in_the_way(cx: &Cx<Aws>, args: &ListenerRuleArgs, error: CloudError) -> Result<CloudError, CloudError> {
    let rules = of_listener(&cx.cloud, &cx.owner.region, args.listener.as_str()).await?;
    Ok(match holder(cx, &rules, args.priority).await? {
        // It is this one, of a lost answer; or somebody else's.
        Some((_, Some(owned))) if (&owned.address, owned.generation) == (&cx.owner.address, cx.owner.generation) => {
            error
        }
        Some((_, None)) => error,
        // One of the stack moves or goes in the same deploy, or has gone by now.
        Some((_, Some(owned))) => as_class(
            error.hint(format!("{} has this priority and has to leave it first", owned.address)),
            Class::Dependency,
        ),
        None => as_class(error, Class::Dependency),
    })
}

/// Gives the rule its priority and the one that has it, of the same stack, the one that it had: they move in one call, so rules
/// that trade places do not wait for each other. A third that waits for the priority goes on from there.
async fn trade_places(cx: &Cx<Aws>, arn: &str, args: &ListenerRuleArgs, error: CloudError) -> Result<(), CloudError> {
    let rules = of_listener(&cx.cloud, &cx.owner.region, args.listener.as_str()).await?;
    // Where it is now: another may have moved it since it was read.
    let mine =
        rules.iter().find(|(_, rule)| rule.rule_arn() == Some(arn)).and_then(|(_, rule)| rule.priority()?.parse().ok());
    match (holder(cx, &rules, args.priority).await?, mine) {
        (Some((holder, _)), _) if holder == arn => Ok(()),
        (Some((_, None)), _) => Err(as_class(error, Class::Permanent)),
        (Some((holder, Some(_))), Some(mine)) => set_priorities(cx, &[(arn, args.priority), (&holder, mine)]).await,
        // It has left by now.
        _ => Err(error),
    }
}

/// The rules of a listener without the one that is its default action.
async fn of_listener(cloud: &Aws, region: &str, arn: &str) -> Result<Vec<(String, Described)>, CloudError> {
    let items = cloud.elbv2(region).describe_rules().listener_arn(arn).into_paginator().items().send();
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
    use aws_sdk_elasticloadbalancingv2::operation::describe_rules::DescribeRulesOutput;
    use aws_sdk_elasticloadbalancingv2::operation::describe_tags::DescribeTagsOutput;
    use aws_sdk_elasticloadbalancingv2::operation::set_rule_priorities::{
        SetRulePrioritiesInput, SetRulePrioritiesOutput,
    };
    use aws_sdk_elasticloadbalancingv2::types::TagDescription;
    use aws_smithy_mocks::{Rule, mock};
    use dr_core::Owner;

    use super::*;
    use crate::testing::{cx, cx_at, outcome, refused};

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
    async fn a_new_group_is_waited_for() {
        for (code, class) in [
            ("TargetGroupNotFound", Class::Eventual),
            ("ListenerNotFound", Class::Eventual),
            ("TooManyRules", Class::Permanent),
        ] {
            let refused = refused(mock!(Client::create_rule), code, "");
            assert_eq!(outcome(ListenerRule::create(&cx(&[&refused]), &prior().args).await), Err(class), "{code}");
        }
    }

    /// The listener: `arn:r` has 10, and `arn:holder`, whose owner is given, has 20.
    fn listener(holder: Option<Owner>) -> [Rule; 2] {
        let rule = |arn: &str, priority: &str| Described::builder().rule_arn(arn).priority(priority).build();
        let rules = [rule("arn:r", "10"), rule("arn:holder", "20")];
        let listed = mock!(Client::describe_rules)
            .then_output(move || DescribeRulesOutput::builder().set_rules(Some(rules.to_vec())).build());
        let tags = mock!(Client::describe_tags).then_compute_output(move |input| {
            let of = |arn: &String| {
                let owner = if arn == "arn:r" { Some(cx(&[]).owner) } else { holder.clone() };
                let tags = owner.map(|owner| super::super::sdk_tags(tags::ownership(&owner)));
                TagDescription::builder().resource_arn(arn).set_tags(tags).build()
            };
            DescribeTagsOutput::builder()
                .set_tag_descriptions(Some(input.resource_arns().iter().map(of).collect()))
                .build()
        });
        [listed, tags]
    }

    fn neighbour() -> Owner {
        cx_at("us-east-1/net.other", &[]).owner
    }

    fn at(priority: u16) -> ListenerRuleArgs {
        ListenerRuleArgs { priority, ..prior().args }
    }

    #[tokio::test]
    async fn a_new_rule_waits_for_one_of_the_stack_to_leave_its_priority() {
        for (holder, class) in [
            // Somebody else's, or this one of a lost answer: the engine looks.
            (None, Class::Exists),
            (Some(cx(&[]).owner), Class::Exists),
            (Some(neighbour()), Class::Dependency),
            // The one that it replaces.
            (Some(Owner { generation: 7, ..cx(&[]).owner }), Class::Dependency),
        ] {
            let taken = refused(mock!(Client::create_rule), "PriorityInUse", "");
            let [listed, tags] = listener(holder.clone());
            let answer = ListenerRule::create(&cx(&[&taken, &listed, &tags]), &at(20)).await;
            assert_eq!(outcome(answer), Err(class), "{holder:?}");
        }
        // It has left meanwhile.
        let taken = refused(mock!(Client::create_rule), "PriorityInUse", "");
        let [listed, tags] = listener(None);
        let answer = ListenerRule::create(&cx(&[&taken, &listed, &tags]), &at(30)).await;
        assert_eq!(outcome(answer), Err(Class::Dependency));
    }

    /// One call for both: each of two that trade places would wait for the other.
    #[tokio::test]
    async fn rules_of_the_stack_trade_places_in_one_call() {
        let taken = refused(
            mock!(Client::set_rule_priorities).match_requests(|input| input.rule_priorities().len() == 1),
            "PriorityInUse",
            "",
        );
        let both = |input: &SetRulePrioritiesInput| {
            let pairs = input.rule_priorities().iter().map(|pair| (pair.rule_arn().unwrap(), pair.priority().unwrap()));
            pairs.collect::<Vec<_>>() == [("arn:r", 20), ("arn:holder", 10)]
        };
        let traded = mock!(Client::set_rule_priorities)
            .match_requests(both)
            .then_output(|| SetRulePrioritiesOutput::builder().build());
        let [listed, tags] = listener(Some(neighbour()));
        // What it had is read: another rule of a ring may have moved it since the plan.
        let prior = Prior { args: at(15), ..prior() };
        let answer = ListenerRule::update(&cx(&[&taken, &traded, &listed, &tags]), &prior, &at(20)).await;
        assert_eq!((outcome(answer), traded.num_calls()), (Ok(()), 1));
    }

    #[tokio::test]
    async fn a_rule_that_moves_does_not_move_what_is_not_the_stacks() {
        let taken = refused(mock!(Client::set_rule_priorities), "PriorityInUse", "");
        let [listed, tags] = listener(None);
        let error = ListenerRule::update(&cx(&[&taken, &listed, &tags]), &prior(), &at(20)).await.unwrap_err();
        assert_eq!(error.class, Class::Permanent);
        assert!(error.hint.unwrap().contains("a free number"));
        // It has left meanwhile: again.
        let [listed, tags] = listener(None);
        let answer = ListenerRule::update(&cx(&[&taken, &listed, &tags]), &prior(), &at(30)).await;
        assert_eq!(outcome(answer), Err(Class::Dependency));
    }

    #[tokio::test]
    async fn a_rule_that_is_gone_is_deleted() {
        let gone = refused(mock!(Client::delete_rule), "RuleNotFound", "");
        assert_eq!(outcome(ListenerRule::delete(&cx(&[&gone]), &prior()).await), Ok(()));
    }
}
