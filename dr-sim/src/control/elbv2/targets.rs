//! Targets: register, deregister, and their health as the data plane sees it.

use aws_sdk_elasticloadbalancingv2::operation::deregister_targets::{
    DeregisterTargetsError, DeregisterTargetsInput, DeregisterTargetsOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::describe_target_health::{
    DescribeTargetHealthError, DescribeTargetHealthInput, DescribeTargetHealthOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::register_targets::{
    RegisterTargetsError, RegisterTargetsInput, RegisterTargetsOutput,
};
use aws_sdk_elasticloadbalancingv2::types::{
    TargetDescription, TargetHealth, TargetHealthDescription, TargetHealthReasonEnum, TargetHealthStateEnum,
};

use super::{SERVICE, Target, TargetGroup, groups, invalid};
use crate::control::ec2::InstanceState;
use crate::control::{Answer, Call, Refusal, Table, ec2};
use crate::data::{Moment, Standing, remember, target_standing};
use crate::world::World;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "RegisterTargets", RegisterTargetsError::generic, register_targets);
    table.on(SERVICE, "DeregisterTargets", DeregisterTargetsError::generic, deregister_targets);
    table.on(SERVICE, "DescribeTargetHealth", DescribeTargetHealthError::generic, describe_health);
}

/// `(id, port)` of the targets of a request; the port of the group when none is given.
fn named(group: &TargetGroup, targets: &[TargetDescription]) -> Answer<Vec<(String, u16)>> {
    if targets.is_empty() {
        return Err(invalid("At least one target must be specified"));
    }
    targets
        .iter()
        .map(|target| {
            let id = target.id().filter(|id| !id.is_empty()).ok_or_else(|| invalid("A target ID must be specified"))?;
            let port = match target.port() {
                None => group.port,
                Some(_) => super::checked_port("Target", target.port())?,
            };
            Ok((id.to_owned(), port))
        })
        .collect()
}

fn register_targets(world: &mut World, call: &Call, input: &RegisterTargetsInput) -> Answer<RegisterTargetsOutput> {
    let group = groups::existing(world, call, input.target_group_arn())?.clone();
    let targets = named(&group, input.targets())?;
    for (id, _) in &targets {
        if group.target_type == "ip" {
            let vpc = ec2::region(world, &call.region).and_then(|region| region.vpcs.get(&group.vpc_id));
            let inside = id.parse().is_ok_and(|address| vpc.is_some_and(|vpc| vpc.cidr.has(address)));
            if !inside {
                let message = format!("The IP address '{id}' is not within the VPC '{}'", group.vpc_id);
                return Err(Refusal::new("InvalidTarget", message));
            }
            continue;
        }
        let instance = ec2::instance(world, &call.region, id)
            .ok_or_else(|| Refusal::new("InvalidTarget", format!("Instance ID '{id}' is not valid")))?;
        if instance.vpc_id != group.vpc_id {
            let message = format!("The following targets are not in the target group VPC '{}': '{id}'", group.vpc_id);
            return Err(Refusal::new("InvalidTarget", message));
        }
        if instance.state_at(call.now_ms) != InstanceState::Running {
            let message = format!("The following targets are not in a running state and cannot be registered: '{id}'");
            return Err(Refusal::new("InvalidTarget", message));
        }
    }
    let group = groups::existing(world, call, input.target_group_arn())?;
    for (id, port) in targets {
        match group.targets.iter_mut().find(|target| target.id == id && target.port == port) {
            // Registering a draining target again takes it back; one that serves already stays as it is.
            Some(target) => {
                if target.drains_until_ms.take().is_some() {
                    target.registered_ms = call.now_ms;
                }
            }
            None => group.targets.push(Target { id, port, registered_ms: call.now_ms, drains_until_ms: None }),
        }
    }
    Ok(RegisterTargetsOutput::builder().build())
}

fn deregister_targets(
    world: &mut World,
    call: &Call,
    input: &DeregisterTargetsInput,
) -> Answer<DeregisterTargetsOutput> {
    let group = groups::existing(world, call, input.target_group_arn())?.clone();
    let delay_s: u64 =
        group.attributes.get("deregistration_delay.timeout_seconds").and_then(|s| s.parse().ok()).unwrap_or(300);
    // Nothing drains from a group that no listener uses.
    let delay_ms = if world.elbv2.balancer_of_group(&group.arn).is_some() { delay_s * 1000 } else { 0 };
    let targets = named(&group, input.targets())?;
    let group = groups::existing(world, call, input.target_group_arn())?;
    for target in group.targets.iter_mut().filter(|t| targets.iter().any(|(id, port)| *id == t.id && *port == t.port)) {
        // A second deregistration does not prolong the first.
        target.drains_until_ms.get_or_insert(call.now_ms + delay_ms);
    }
    group.targets.retain(|target| target.drains_until_ms.is_none_or(|until| call.now_ms < until));
    Ok(DeregisterTargetsOutput::builder().build())
}

fn describe_health(
    world: &mut World,
    call: &Call,
    input: &DescribeTargetHealthInput,
) -> Answer<DescribeTargetHealthOutput> {
    let group = groups::existing(world, call, input.target_group_arn())?.clone();
    remember(world, call.now_ms);
    let at = Moment::at(call.now_ms);
    let registered: Vec<&Target> = group.registered(call.now_ms).collect();
    let describe = |target: &Target| {
        let standing = target_standing(world, &world.elbv2.backends.faults, &group, target, &at)?;
        Some(description(&group, target, &standing))
    };
    let descriptions = if input.targets().is_empty() {
        registered.into_iter().filter_map(describe).collect()
    } else {
        let asked = named(&group, input.targets())?;
        let one = |(id, port): (String, u16)| {
            let found = registered.iter().find(|target| target.id == id && target.port == port);
            found.and_then(|target| describe(target)).unwrap_or_else(|| not_registered(&id, port))
        };
        asked.into_iter().map(one).collect()
    };
    Ok(DescribeTargetHealthOutput::builder().set_target_health_descriptions(Some(descriptions)).build())
}

fn description(group: &TargetGroup, target: &Target, standing: &Standing) -> TargetHealthDescription {
    use TargetHealthReasonEnum as Reason;
    use TargetHealthStateEnum as State;
    let (state, reason) = match standing {
        Standing::Healthy => (State::Healthy, None),
        Standing::Registering => {
            (State::Initial, Some((Reason::RegistrationInProgress, "Target registration is in progress".to_owned())))
        }
        Standing::Checking => {
            (State::Initial, Some((Reason::InitialHealthChecking, "Initial health checks in progress".to_owned())))
        }
        Standing::NotInUse(why) => (State::Unused, Some((Reason::NotInUse, why.clone()))),
        Standing::NotRunning(state) => {
            (State::Unused, Some((Reason::InvalidState, format!("Target is in the {state} state"))))
        }
        Standing::Draining => (
            State::Draining,
            Some((Reason::DeregistrationInProgress, "Target deregistration is in progress".to_owned())),
        ),
        Standing::TimedOut => (State::Unhealthy, Some((Reason::Timeout, "Request timed out".to_owned()))),
        Standing::WrongStatus(status) => (
            State::Unhealthy,
            Some((Reason::ResponseCodeMismatch, format!("Health checks failed with these codes: [{status}]"))),
        ),
        Standing::Refused => (State::Unhealthy, Some((Reason::FailedHealthChecks, "Health checks failed".to_owned()))),
    };
    let (reason, text) = reason.unzip();
    TargetHealthDescription::builder()
        .target(TargetDescription::builder().id(&target.id).port(i32::from(target.port)).build())
        .health_check_port(group.check_port(target).to_string())
        .target_health(TargetHealth::builder().state(state).set_reason(reason).set_description(text).build())
        .build()
}

fn not_registered(id: &str, port: u16) -> TargetHealthDescription {
    let health = TargetHealth::builder()
        .state(TargetHealthStateEnum::Unused)
        .reason(TargetHealthReasonEnum::NotRegistered)
        .description("Target is not registered to the target group");
    TargetHealthDescription::builder()
        .target(TargetDescription::builder().id(id).port(i32::from(port)).build())
        .target_health(health.build())
        .build()
}
