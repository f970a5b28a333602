//! `aws.elbv2.target_group`: the servers that a load balancer sends requests to, and how it checks them.
//!
//! API: CreateTargetGroup, ModifyTargetGroup, ModifyTargetGroupAttributes, DescribeTargetGroups,
//! DescribeTargetGroupAttributes, DeleteTargetGroup (Elastic Load Balancing 2015-12-01). Find: name and tags.
//! Change: health check and deregistration delay in place, the rest replaces, under a new name.
//! Delete: after the listeners and rules that forward to it.

use aws_sdk_elasticloadbalancingv2::types::{
    Matcher, ProtocolEnum, TargetGroup as Described, TargetGroupAttribute, TargetTypeEnum,
};
use dr_core::{
    Anywhere, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Problems, Region, Resource,
    Scan, Settled, Wanted,
};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::{HealthCheck, NAME_LEN_MAX, Whose, adopt, found, owners, ownership, sync_tags};
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{TargetGroupArn, VpcId};
use crate::read::{Promised as _, Unread, unread, wanted_as};
use crate::{Aws, names};

/// The servers that a load balancer sends requests to; they are [registered](super::TargetRegistration) by themselves.
///
/// A group serves one load balancer at most.
///
/// - Inputs: the VPC, the port and the protocol (HTTP by default), which replace, the new one first; the [health
///   check](HealthCheck) and the deregistration delay (0 to 3600 seconds, 5 by default), in place.
/// - Ready: when the deregistration delay is set, which CreateTargetGroup cannot.
/// - Calls: CreateTargetGroup, ModifyTargetGroup, ModifyTargetGroupAttributes, DescribeTargetGroups,
///   DescribeTargetGroupAttributes, DeleteTargetGroup.
/// - AWS: <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html>
#[derive(Debug, Clone, Resource)]
#[resource(type = "aws.elbv2.target_group", outputs = TargetGroupOutputs, create_s = 1, delete_s = 1, check = check)]
pub struct TargetGroup<R: Region = Anywhere> {
    /// The network of its targets.
    #[input(replace)]
    vpc: Input<VpcId<R>>,
    /// The port on which the targets listen.
    #[input(replace)]
    port: u16,
    /// What the targets speak. Default: HTTP.
    #[input(replace)]
    protocol: TargetProtocol,
    /// How it is found out whether a target works.
    health: HealthCheck,
    /// Seconds that requests under way get when a target leaves, 0 to 3600. Default: 5 (AWS: 300), so that a teardown does not
    /// wait for five minutes; give it the time of the longest request.
    deregistration_delay_s: u16,
}

/// What targets speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetProtocol {
    /// HTTP/1.1.
    Http,
    /// HTTP/1.1 over TLS; the certificate of a target is not verified.
    Https,
}

/// What is known of a target group once it exists.
#[derive(Debug, Clone, PartialEq, Outputs)]
pub struct TargetGroupOutputs<R: Region = Anywhere> {
    /// `arn:aws:elasticloadbalancing:…:targetgroup/…`
    pub arn: TargetGroupArn<R>,
    /// Its name at AWS, made of stack and address.
    pub name: String,
}

impl<R: Region> TargetGroup<R> {
    /// A group of instances that listen on this port for HTTP.
    pub fn new(vpc: impl IntoInput<VpcId<R>>, port: u16) -> Self {
        TargetGroup {
            vpc: vpc.into_input(),
            port,
            protocol: TargetProtocol::Http,
            health: HealthCheck::default(),
            deregistration_delay_s: 5,
        }
    }

    /// The targets speak HTTPS.
    #[must_use]
    pub fn https(mut self) -> Self {
        self.protocol = TargetProtocol::Https;
        self
    }

    /// How it is found out whether a target works.
    #[must_use]
    pub fn health(mut self, health: HealthCheck) -> Self {
        self.health = health;
        self
    }

    /// Seconds that requests under way get when a target leaves.
    #[must_use]
    pub fn deregistration_delay_s(mut self, seconds: u16) -> Self {
        self.deregistration_delay_s = seconds;
        self
    }
}

fn check<R: Region>(group: &TargetGroup<R>, problems: &mut Problems) {
    group.health.check(problems);
    if group.port == 0 {
        problems.report("port", "a port is 1 to 65535");
    }
    if group.deregistration_delay_s > 3600 {
        problems.report("deregistration_delay_s", "at most 3600 seconds");
    }
}

const DELAY: &str = "deregistration_delay.timeout_seconds";

impl Lifecycle for TargetGroup {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let items = scan.cloud.elbv2(&scan.region).describe_target_groups().into_paginator().items().send();
        let groups = items.collect::<Result<Vec<_>, _>>().await.call("elasticloadbalancing:DescribeTargetGroups")?;
        let ours = |group: &&Described| {
            group.target_group_name().is_some_and(|name| names::may_be_of(&scan.stack, name, NAME_LEN_MAX))
        };
        let groups: Vec<_> = groups.iter().filter(ours).collect();
        let arns = groups.iter().filter_map(|group| group.target_group_arn().map(str::to_owned)).collect();
        let owners = owners(scan, wanted, |outputs: &TargetGroupOutputs| outputs.arn.as_str(), arns).await?;
        let read = groups.iter().filter_map(|group| {
            let whose = owners.get(group.target_group_arn()?)?;
            Some(read_one(scan, wanted, group, whose, outputs(group)?))
        });
        try_join_all(read).await
    }

    async fn create(cx: &Cx<Aws>, args: &TargetGroupArgs) -> Result<TargetGroupOutputs, CloudError> {
        const CALL: &str = "elasticloadbalancing:CreateTargetGroup";
        let health = &args.health;
        let request = cx.cloud.elbv2(&cx.owner.region).create_target_group();
        let request = request
            .name(names::physical(&cx.owner, NAME_LEN_MAX))
            .target_type(TargetTypeEnum::Instance)
            .vpc_id(args.vpc.as_str())
            .port(args.port.into())
            .protocol(protocol(args.protocol))
            .health_check_protocol(protocol(args.protocol))
            .health_check_path(&health.path)
            .health_check_interval_seconds(health.interval_s.into())
            .health_check_timeout_seconds(health.timeout_s.into())
            .healthy_threshold_count(health.healthy.into())
            .unhealthy_threshold_count(health.unhealthy.into())
            .matcher(Matcher::builder().http_code(&health.matcher).build())
            .set_tags(Some(ownership(cx)));
        let answer = request.send().await.call(CALL)?;
        answer.target_groups().first().and_then(outputs).promised(CALL, "the target group")
    }

    async fn update(
        cx: &Cx<Aws>,
        prior: &Prior<Self>,
        args: &TargetGroupArgs,
    ) -> Result<TargetGroupOutputs, CloudError> {
        let arn = prior.outputs.arn.as_str();
        sync_tags(cx, arn).await?;
        let health = &args.health;
        if *health != prior.args.health {
            let request = cx.cloud.elbv2(&cx.owner.region).modify_target_group().target_group_arn(arn);
            let request = request
                .health_check_path(&health.path)
                .health_check_interval_seconds(health.interval_s.into())
                .health_check_timeout_seconds(health.timeout_s.into())
                .healthy_threshold_count(health.healthy.into())
                .unhealthy_threshold_count(health.unhealthy.into())
                .matcher(Matcher::builder().http_code(&health.matcher).build());
            request.send().await.call("elasticloadbalancing:ModifyTargetGroup")?;
        }
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let request = cx.cloud.elbv2(&cx.owner.region).delete_target_group();
        let request = request.target_group_arn(prior.outputs.arn.as_str());
        request.send().await.call("elasticloadbalancing:DeleteTargetGroup").gone_ok().map(drop)
    }

    /// Sets what CreateTargetGroup cannot.
    async fn ready(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<Settled<TargetGroupOutputs>, CloudError> {
        let delay =
            TargetGroupAttribute::builder().key(DELAY).value(current.args.deregistration_delay_s.to_string()).build();
        let request = cx.cloud.elbv2(&cx.owner.region).modify_target_group_attributes();
        let request = request.target_group_arn(current.outputs.arn.as_str()).attributes(delay);
        request.send().await.call("elasticloadbalancing:ModifyTargetGroupAttributes")?;
        Ok(Settled::Yes(current.outputs.clone()))
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        adopt(cx, current.outputs.arn.as_str()).await
    }
}

fn protocol(protocol: TargetProtocol) -> ProtocolEnum {
    match protocol {
        TargetProtocol::Http => ProtocolEnum::Http,
        TargetProtocol::Https => ProtocolEnum::Https,
    }
}

fn outputs(group: &Described) -> Option<TargetGroupOutputs> {
    let name = group.target_group_name().unwrap_or_default().to_owned();
    Some(TargetGroupOutputs { arn: TargetGroupArn::literal(group.target_group_arn()?), name })
}

async fn read_one(
    scan: &Scan<Aws>,
    wanted: &[Wanted<TargetGroup>],
    group: &Described,
    whose: &Whose,
    outputs: TargetGroupOutputs,
) -> Result<Found<TargetGroup>, CloudError> {
    let deregistration_delay_s = match unread(wanted_as(wanted, &whose.owned), &whose.owned) {
        Unread::OnTheWay(args) => args.deregistration_delay_s,
        // A call for each group.
        Unread::OnRecord(args) if !scan.cloud.reads_all() => args.deregistration_delay_s,
        _ => delay(scan, outputs.arn.as_str()).await?,
    };
    let small = |number: Option<i32>| number.and_then(|number| u16::try_from(number).ok()).unwrap_or_default();
    let threshold = |number| u8::try_from(small(number)).unwrap_or(u8::MAX);
    let args = TargetGroupArgs {
        vpc: VpcId::literal(group.vpc_id().unwrap_or_default()),
        port: small(group.port()),
        protocol: match group.protocol() {
            Some(ProtocolEnum::Https) => TargetProtocol::Https,
            _ => TargetProtocol::Http,
        },
        health: HealthCheck {
            path: group.health_check_path().unwrap_or_default().to_owned(),
            interval_s: small(group.health_check_interval_seconds()),
            timeout_s: small(group.health_check_timeout_seconds()),
            healthy: threshold(group.healthy_threshold_count()),
            unhealthy: threshold(group.unhealthy_threshold_count()),
            matcher: group.matcher().and_then(|matcher| matcher.http_code()).unwrap_or_default().to_owned(),
        },
        deregistration_delay_s,
    };
    Ok(found(whose, args, outputs, Health::Ready))
}

async fn delay(scan: &Scan<Aws>, arn: &str) -> Result<u16, CloudError> {
    const CALL: &str = "elasticloadbalancing:DescribeTargetGroupAttributes";
    let request = scan.cloud.elbv2(&scan.region).describe_target_group_attributes().target_group_arn(arn);
    let answer = request.send().await.call(CALL)?;
    let value = answer.attributes().iter().find(|attribute| attribute.key() == Some(DELAY)).and_then(|a| a.value());
    value.and_then(|value| value.parse().ok()).promised(CALL, "the deregistration delay")
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticloadbalancingv2::Client;
    use aws_smithy_mocks::mock;
    use dr_core::Class;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    fn prior() -> Prior<TargetGroup> {
        let args = TargetGroupArgs {
            vpc: VpcId::literal("vpc-1"),
            port: 80,
            protocol: TargetProtocol::Http,
            health: HealthCheck::default(),
            deregistration_delay_s: 5,
        };
        Prior { args, outputs: TargetGroupOutputs { arn: TargetGroupArn::literal("arn:g"), name: String::new() } }
    }

    #[tokio::test]
    async fn a_name_that_is_taken_is_looked_at_a_quota_is_final_and_a_new_network_is_waited_for() {
        for (code, text, class) in [
            ("DuplicateTargetGroupName", "", Class::Exists),
            ("TooManyTargetGroups", "", Class::Permanent),
            ("ValidationError", "The VPC ID 'vpc-1' is not found", Class::Eventual),
            ("ValidationError", "Health check interval must be greater than the timeout.", Class::Permanent),
        ] {
            let refused = refused(mock!(Client::create_target_group), code, text);
            assert_eq!(
                outcome(TargetGroup::create(&cx(&[&refused]), &prior().args).await),
                Err(class),
                "{code} {text}"
            );
        }
    }

    #[tokio::test]
    async fn a_group_that_is_gone_is_deleted_and_one_that_a_listener_uses_waits() {
        for (code, expected) in [("TargetGroupNotFound", Ok(())), ("ResourceInUse", Err(Class::Dependency))] {
            let refused = refused(mock!(Client::delete_target_group), code, "");
            assert_eq!(outcome(TargetGroup::delete(&cx(&[&refused]), &prior()).await), expected, "{code}");
        }
    }

    #[tokio::test]
    async fn a_new_group_that_is_not_known_everywhere_yet_is_a_matter_of_time() {
        let unknown = refused(mock!(Client::modify_target_group_attributes), "TargetGroupNotFound", "");
        assert_eq!(outcome(TargetGroup::ready(&cx(&[&unknown]), &prior()).await), Err(Class::Eventual));
    }
}
