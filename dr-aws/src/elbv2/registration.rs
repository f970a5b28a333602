//! `aws.elbv2.target_registration`: a server in a target group.
//!
//! API: RegisterTargets, DescribeTargetHealth, DeregisterTargets (Elastic Load Balancing 2015-12-01).
//! Find: by group, target and port. Change: everything replaces. Delete: drains for the group's deregistration delay.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::{TargetDescription, TargetHealthDescription};
use dr_core::{
    Anywhere, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Prior, Region, Resource, Scan, Settled,
    Wanted,
};

use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{InstanceId, TargetGroupArn};
use crate::read::found_by_key;

/// A server in a target group. It works once its first health check passed.
///
/// While nothing forwards to the group AWS does not check, which counts as working: nobody can reach it anyway. A target that
/// fails later stays registered and is not drift.
///
/// - Inputs: the group, the target and the port (the group's by default); each replaces.
/// - Ready: when its first health check passed, in about 90 seconds with the boot of the server; gone when it is drained,
///   after the group's deregistration delay.
/// - Calls: RegisterTargets, DescribeTargetHealth, DeregisterTargets.
/// - AWS: <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RegisterTargets.html>
#[derive(Debug, Clone, Resource)]
#[resource(type = "aws.elbv2.target_registration", create_s = 90, delete_s = 6)]
pub struct TargetRegistration<R: Region = Anywhere> {
    /// The group.
    #[input(replace)]
    group: Input<TargetGroupArn<R>>,
    /// The instance, which has to run.
    #[input(replace)]
    target: Input<InstanceId<R>>,
    /// The port on which it listens. Default: that of the group.
    #[input(replace)]
    port: Option<u16>,
}

impl<R: Region> TargetRegistration<R> {
    /// The instance in the group, on the group's port.
    pub fn new(group: impl IntoInput<TargetGroupArn<R>>, target: impl IntoInput<InstanceId<R>>) -> Self {
        TargetRegistration { group: group.into_input(), target: target.into_input(), port: None }
    }

    /// On another port than the group's.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }
}

const CALL_DESCRIBE: &str = "elasticloadbalancing:DescribeTargetHealth";
const ASK_AGAIN: Duration = Duration::from_secs(3);

fn target(args: &TargetRegistrationArgs) -> TargetDescription {
    let target = TargetDescription::builder().id(args.target.as_str()).set_port(args.port.map(Into::into));
    target.build()
}

/// Where a target is in its life, by state and reason.
#[derive(Debug, PartialEq)]
enum State {
    Absent,
    Starting,
    Working,
    Failing,
    Draining,
}

fn state(description: &TargetHealthDescription) -> State {
    let Some(health) = description.target_health() else { return State::Starting };
    let reason = health.reason().map_or("", |reason| reason.as_str());
    match health.state().map_or("", |state| state.as_str()) {
        "healthy" => State::Working,
        // Both are answers about targets that are asked for and not there.
        "unused" if matches!(reason, "Target.NotRegistered" | "Target.DeregistrationInProgress") => State::Absent,
        "unused" => State::Working,
        "draining" | "unhealthy.draining" => State::Draining,
        "unhealthy" | "unavailable" => State::Failing,
        _ => State::Starting,
    }
}

fn is_of(description: &TargetHealthDescription, args: &TargetRegistrationArgs) -> bool {
    description.target().is_some_and(|target| {
        let port = args.port.is_none_or(|port| target.port() == Some(port.into()));
        target.id() == Some(args.target.as_str()) && port
    })
}

impl Lifecycle for TargetRegistration {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let mut found = Vec::new();
        for want in wanted {
            let targets = targets(scan, want.args.group.as_str()).await?;
            let Some(description) = targets.iter().find(|target| is_of(target, &want.args)) else { continue };
            let health = match state(description) {
                State::Absent => continue,
                State::Starting => Health::Pending,
                // How it does is for the load balancer to see to, and for a verification to show.
                State::Working | State::Failing => Health::Ready,
                State::Draining => Health::Leaving,
            };
            found.push(found_by_key(want, want.args.clone(), (), health));
        }
        Ok(found)
    }

    async fn create(cx: &Cx<Aws>, args: &TargetRegistrationArgs) -> Result<(), CloudError> {
        let request = cx.cloud.elbv2(&cx.owner.region).register_targets().target_group_arn(args.group.as_str());
        request.targets(target(args)).send().await.call("elasticloadbalancing:RegisterTargets").map(drop)
    }

    async fn update(_: &Cx<Aws>, _: &Prior<Self>, _: &TargetRegistrationArgs) -> Result<(), CloudError> {
        Ok(())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let request = cx.cloud.elbv2(&cx.owner.region).deregister_targets().target_group_arn(prior.args.group.as_str());
        let request = request.targets(target(&prior.args));
        request.send().await.call("elasticloadbalancing:DeregisterTargets").gone_ok().map(drop)
    }

    async fn ready(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<Settled<()>, CloudError> {
        let working = one(cx, &current.args).await?.is_some_and(|target| state(&target) == State::Working);
        Ok(if working { Settled::Yes(()) } else { Settled::AskAgainIn(ASK_AGAIN) })
    }

    async fn gone(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<Settled<()>, CloudError> {
        let gone = one(cx, &prior.args).await?.is_none_or(|target| state(&target) == State::Absent);
        Ok(if gone { Settled::Yes(()) } else { Settled::AskAgainIn(ASK_AGAIN) })
    }
}

/// All targets of a group, one call for each group.
async fn targets(scan: &Scan<Aws>, group: &str) -> Result<Arc<Vec<TargetHealthDescription>>, CloudError> {
    scan.cloud.shared(scan, CALL_DESCRIBE, group, || list(&scan.cloud, &scan.region, group)).await
}

async fn list(cloud: &Aws, region: &str, group: &str) -> Result<Vec<TargetHealthDescription>, CloudError> {
    let request = cloud.elbv2(region).describe_target_health().target_group_arn(group);
    let answer = request.send().await.call(CALL_DESCRIBE).gone_ok()?;
    Ok(answer.and_then(|answer| answer.target_health_descriptions).unwrap_or_default())
}

/// One target. Those of a group wait side by side, so one call answers for all of them; one that is gone is not in the answer.
async fn one(cx: &Cx<Aws>, args: &TargetRegistrationArgs) -> Result<Option<TargetHealthDescription>, CloudError> {
    let group = args.group.as_str();
    let targets = cx.cloud.together(cx, CALL_DESCRIBE, group, || list(&cx.cloud, &cx.owner.region, group)).await?;
    Ok(targets.iter().find(|target| is_of(target, args)).cloned())
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticloadbalancingv2::Client;
    use aws_sdk_elasticloadbalancingv2::types::{TargetHealth, TargetHealthReasonEnum, TargetHealthStateEnum};
    use aws_smithy_mocks::mock;
    use dr_core::Class;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    #[test]
    fn a_target_that_nobody_forwards_to_counts_as_working_and_one_that_left_as_absent() {
        let of = |state_text: &str, reason: &str| {
            let health = TargetHealth::builder()
                .state(TargetHealthStateEnum::from(state_text))
                .reason(TargetHealthReasonEnum::from(reason))
                .build();
            state(&TargetHealthDescription::builder().target_health(health).build())
        };
        assert_eq!(of("healthy", ""), State::Working);
        assert_eq!(of("unused", "Target.NotInUse"), State::Working);
        assert_eq!(of("unused", "Target.NotRegistered"), State::Absent);
        assert_eq!(of("unused", "Target.DeregistrationInProgress"), State::Absent);
        assert_eq!(of("initial", "Elb.InitialHealthChecking"), State::Starting);
        assert_eq!(of("unhealthy", "Target.Timeout"), State::Failing);
        assert_eq!(of("draining", "Target.DeregistrationInProgress"), State::Draining);
    }

    fn prior() -> Prior<TargetRegistration> {
        let (group, target) = (TargetGroupArn::literal("arn:g"), InstanceId::literal("i-1"));
        Prior { args: TargetRegistrationArgs { group, target, port: None }, outputs: () }
    }

    #[tokio::test]
    async fn an_instance_that_does_not_run_yet_is_waited_for_and_a_quota_is_final() {
        for (code, class) in [
            ("InvalidTarget", Class::Eventual),
            ("TargetGroupNotFound", Class::Eventual),
            ("TooManyTargets", Class::Permanent),
            ("TooManyRegistrationsForTargetId", Class::Permanent),
        ] {
            let refused = refused(mock!(Client::register_targets), code, "");
            let answer = TargetRegistration::create(&cx(&[&refused]), &prior().args).await;
            assert_eq!(outcome(answer), Err(class), "{code}");
        }
    }

    #[tokio::test]
    async fn what_is_not_registered_is_deregistered() {
        for code in ["InvalidTarget", "TargetGroupNotFound"] {
            let gone = refused(mock!(Client::deregister_targets), code, "");
            assert_eq!(outcome(TargetRegistration::delete(&cx(&[&gone]), &prior()).await), Ok(()), "{code}");
        }
        let gone = refused(mock!(Client::describe_target_health), "TargetGroupNotFound", "");
        assert_eq!(TargetRegistration::gone(&cx(&[&gone]), &prior()).await, Ok(Settled::Yes(())));
        let unknown = refused(mock!(Client::describe_target_health), "HealthUnavailable", "");
        assert_eq!(outcome(TargetRegistration::gone(&cx(&[&unknown]), &prior()).await), Err(Class::Transient));
    }
}
