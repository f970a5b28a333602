//! Target groups: create, describe, modify, delete.

use aws_sdk_elasticloadbalancingv2::operation::create_target_group::{
    CreateTargetGroupError, CreateTargetGroupInput, CreateTargetGroupOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::delete_target_group::{
    DeleteTargetGroupError, DeleteTargetGroupInput, DeleteTargetGroupOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::describe_target_groups::{
    DescribeTargetGroupsError, DescribeTargetGroupsInput, DescribeTargetGroupsOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::modify_target_group::{
    ModifyTargetGroupError, ModifyTargetGroupInput, ModifyTargetGroupOutput,
};
use aws_sdk_elasticloadbalancingv2::types::{
    Matcher, ProtocolEnum, TargetGroup as SdkTargetGroup, TargetGroupIpAddressTypeEnum, TargetTypeEnum,
};

use super::{
    HealthCheck, SERVICE, State, TargetGroup, arn, attributes, checked_name, checked_port, invalid, not_simulated,
    page, resource_of, suffix, tags,
};
use crate::control::{Answer, Call, Refusal, Table, ec2};
use crate::world::World;

/// Target groups per region (AWS default quota).
const GROUPS_MAX: usize = 3000;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "CreateTargetGroup", CreateTargetGroupError::generic, create);
    table.on(SERVICE, "DescribeTargetGroups", DescribeTargetGroupsError::generic, describe);
    table.on(SERVICE, "ModifyTargetGroup", ModifyTargetGroupError::generic, modify);
    table.on(SERVICE, "DeleteTargetGroup", DeleteTargetGroupError::generic, delete);
}

/// The target group with this ARN in the region of the call.
pub(super) fn existing<'a>(world: &'a mut World, call: &Call, arn: Option<&str>) -> Answer<&'a mut TargetGroup> {
    let arn = arn.unwrap_or_default();
    let found = world.elbv2.groups.get_mut(arn).filter(|group| group.region == call.region);
    found.ok_or_else(|| Refusal::new("TargetGroupNotFound", format!("Target group '{arn}' not found")))
}

fn create(world: &mut World, call: &Call, input: &CreateTargetGroupInput) -> Answer<CreateTargetGroupOutput> {
    let name = checked_name("Target group", input.name())?.to_owned();
    let target_type = match input.target_type() {
        None => "instance",
        Some(kind @ (TargetTypeEnum::Instance | TargetTypeEnum::Ip)) => kind.as_str(),
        Some(other) => return Err(not_simulated(format!("target groups of type {}", other.as_str()))),
    };
    let protocol = match input.protocol() {
        Some(protocol @ (ProtocolEnum::Http | ProtocolEnum::Https)) => protocol.as_str(),
        Some(other) => return Err(not_simulated(format!("target groups with protocol {}", other.as_str()))),
        None => return Err(invalid("A protocol must be specified")),
    };
    let port = checked_port("Target group", input.port())?;
    let vpc_id = input.vpc_id().ok_or_else(|| invalid("A VPC ID must be specified"))?.to_owned();
    if ec2::region(world, &call.region).is_none_or(|region| !region.vpcs.contains_key(&vpc_id)) {
        return Err(invalid(format!("The VPC ID '{vpc_id}' is not found")));
    }
    let check = HealthCheck {
        enabled: input.health_check_enabled().unwrap_or(true),
        protocol: input.health_check_protocol().map_or(protocol, ProtocolEnum::as_str).to_owned(),
        port: input.health_check_port().unwrap_or("traffic-port").to_owned(),
        path: input.health_check_path().unwrap_or("/").to_owned(),
        interval_s: input.health_check_interval_seconds().unwrap_or(30),
        timeout_s: input.health_check_timeout_seconds().unwrap_or(5),
        healthy_threshold: input.healthy_threshold_count().unwrap_or(5),
        unhealthy_threshold: input.unhealthy_threshold_count().unwrap_or(2),
        matcher: input.matcher().and_then(Matcher::http_code).unwrap_or("200").to_owned(),
    };
    checked(&check)?;
    if !check.enabled {
        return Err(invalid("Health check enabled must be true for target groups with target type 'instance' or 'ip'"));
    }
    let protocol_version = input.protocol_version().unwrap_or("HTTP1").to_owned();
    let tags = tags::checked(input.tags())?;

    if let Some(same) = world.elbv2.groups.values().find(|group| group.region == call.region && group.name == name) {
        let equal = same.protocol == protocol
            && same.protocol_version == protocol_version
            && same.port == port
            && same.vpc_id == vpc_id
            && same.target_type == target_type
            && same.check == check;
        if !equal {
            let message = format!("A target group with the same name '{name}' exists, but with different settings");
            return Err(Refusal::new("DuplicateTargetGroupName", message));
        }
        return Ok(CreateTargetGroupOutput::builder().target_groups(to_sdk(&world.elbv2, same)).build());
    }
    if world.elbv2.groups.values().filter(|group| group.region == call.region).count() >= GROUPS_MAX {
        return Err(Refusal::new("TooManyTargetGroups", "You have reached the maximum number of target groups"));
    }

    let id = suffix(world);
    let group = TargetGroup {
        arn: arn(world, &call.region, &format!("targetgroup/{name}/{id}")),
        name,
        region: call.region.clone(),
        protocol: protocol.to_owned(),
        protocol_version,
        port,
        vpc_id,
        target_type: target_type.to_owned(),
        check,
        attributes: attributes::of_new_group(),
        targets: Vec::new(),
        tags,
    };
    let output = CreateTargetGroupOutput::builder().target_groups(to_sdk(&world.elbv2, &group)).build();
    world.elbv2.groups.insert(group.arn.clone(), group);
    Ok(output)
}

/// The ranges of CreateTargetGroup and ModifyTargetGroup.
fn checked(check: &HealthCheck) -> Answer<()> {
    let between = |what: &str, value: i32, from: i32, to: i32| {
        if (from..=to).contains(&value) {
            Ok(())
        } else {
            Err(invalid(format!("{what} must be between {from} and {to}")))
        }
    };
    between("Health check interval", check.interval_s, 5, 300)?;
    between("Health check timeout", check.timeout_s, 2, 120)?;
    between("Healthy threshold count", check.healthy_threshold, 2, 10)?;
    between("Unhealthy threshold count", check.unhealthy_threshold, 2, 10)?;
    if check.timeout_s >= check.interval_s {
        return Err(invalid("Health check interval must be greater than the timeout"));
    }
    if !matches!(check.protocol.as_str(), "HTTP" | "HTTPS") {
        return Err(invalid(format!("Health check protocol '{}' must be one of 'HTTP' or 'HTTPS'", check.protocol)));
    }
    if !check.path.starts_with('/') || check.path.len() > 1024 {
        return Err(invalid(format!(
            "Health check path '{}' must start with '/' and have at most 1024 characters",
            check.path
        )));
    }
    if check.port != "traffic-port" && check.port.parse::<u16>().map_or(true, |port| port == 0) {
        return Err(invalid(format!("Health check port '{}' must be 'traffic-port' or a port number", check.port)));
    }
    let code = |text: &str| text.trim().parse().is_ok_and(|code: u16| (200..=499).contains(&code));
    let legal = check.matcher.split(',').all(|part| match part.split_once('-') {
        Some((from, to)) => code(from) && code(to),
        None => code(part),
    });
    if !legal {
        return Err(invalid(format!(
            "Health check matcher HTTP code '{}' must be within '200-499' inclusive",
            check.matcher
        )));
    }
    Ok(())
}

fn describe(world: &mut World, call: &Call, input: &DescribeTargetGroupsInput) -> Answer<DescribeTargetGroupsOutput> {
    let (arns, names) = (input.target_group_arns(), input.names());
    let ways = [!arns.is_empty(), !names.is_empty(), input.load_balancer_arn().is_some()];
    if ways.into_iter().filter(|given| *given).count() > 1 {
        return Err(invalid("Target group ARNs, names and a load balancer ARN cannot be specified at the same time"));
    }
    let state = &world.elbv2;
    let here = || state.groups.values().filter(|group| group.region == call.region);
    if let Some(balancer) = input.load_balancer_arn().filter(|arn| !state.balancers.contains_key(*arn)) {
        return Err(Refusal::new("LoadBalancerNotFound", format!("Load balancer '{balancer}' not found")));
    }
    if arns.iter().any(|arn| !here().any(|group| group.arn == *arn))
        || names.iter().any(|name| !here().any(|g| g.name == *name))
    {
        return Err(Refusal::new("TargetGroupNotFound", "One or more target groups not found"));
    }
    let wanted = |group: &TargetGroup| {
        (arns.is_empty() || arns.contains(&group.arn))
            && (names.is_empty() || names.contains(&group.name))
            && input
                .load_balancer_arn()
                .is_none_or(|arn| state.balancer_of_group(&group.arn).is_some_and(|b| b.arn == arn))
    };
    let items = here().filter(|group| wanted(group)).map(|group| (group.arn.clone(), to_sdk(state, group))).collect();
    let (items, next) = page(items, input.marker(), input.page_size())?;
    Ok(DescribeTargetGroupsOutput::builder().set_target_groups(Some(items)).set_next_marker(next).build())
}

fn modify(world: &mut World, call: &Call, input: &ModifyTargetGroupInput) -> Answer<ModifyTargetGroupOutput> {
    let group = existing(world, call, input.target_group_arn())?;
    let old = &group.check;
    let check = HealthCheck {
        enabled: input.health_check_enabled().unwrap_or(old.enabled),
        protocol: input.health_check_protocol().map_or(old.protocol.as_str(), ProtocolEnum::as_str).to_owned(),
        port: input.health_check_port().unwrap_or(&old.port).to_owned(),
        path: input.health_check_path().unwrap_or(&old.path).to_owned(),
        interval_s: input.health_check_interval_seconds().unwrap_or(old.interval_s),
        timeout_s: input.health_check_timeout_seconds().unwrap_or(old.timeout_s),
        healthy_threshold: input.healthy_threshold_count().unwrap_or(old.healthy_threshold),
        unhealthy_threshold: input.unhealthy_threshold_count().unwrap_or(old.unhealthy_threshold),
        matcher: input.matcher().and_then(Matcher::http_code).unwrap_or(&old.matcher).to_owned(),
    };
    checked(&check)?;
    if !check.enabled {
        return Err(invalid("Health check enabled must be true for target groups with target type 'instance' or 'ip'"));
    }
    group.check = check;
    let group = group.clone();
    Ok(ModifyTargetGroupOutput::builder().target_groups(to_sdk(&world.elbv2, &group)).build())
}

fn delete(world: &mut World, call: &Call, input: &DeleteTargetGroupInput) -> Answer<DeleteTargetGroupOutput> {
    let arn = input.target_group_arn().unwrap_or_default();
    if !resource_of(arn).starts_with("targetgroup/") {
        return Err(invalid(format!("'{arn}' is not a valid target group ARN")));
    }
    if world.elbv2.balancer_of_group(arn).is_some() {
        let message = format!("Target group '{arn}' is currently in use by a listener or a rule");
        return Err(Refusal::new("ResourceInUse", message));
    }
    // DeleteTargetGroup knows no other error: a group that is not there is deleted.
    if existing(world, call, Some(arn)).is_ok() {
        world.elbv2.groups.remove(arn);
    }
    Ok(DeleteTargetGroupOutput::builder().build())
}

fn to_sdk(state: &State, group: &TargetGroup) -> SdkTargetGroup {
    let check = &group.check;
    let port = i32::from(group.port);
    SdkTargetGroup::builder()
        .target_group_arn(&group.arn)
        .target_group_name(&group.name)
        .protocol(ProtocolEnum::from(group.protocol.as_str()))
        .protocol_version(&group.protocol_version)
        .port(port)
        .vpc_id(&group.vpc_id)
        .target_type(TargetTypeEnum::from(group.target_type.as_str()))
        .ip_address_type(TargetGroupIpAddressTypeEnum::Ipv4)
        .health_check_enabled(check.enabled)
        .health_check_protocol(ProtocolEnum::from(check.protocol.as_str()))
        .health_check_port(&check.port)
        .health_check_path(&check.path)
        .health_check_interval_seconds(check.interval_s)
        .health_check_timeout_seconds(check.timeout_s)
        .healthy_threshold_count(check.healthy_threshold)
        .unhealthy_threshold_count(check.unhealthy_threshold)
        .matcher(Matcher::builder().http_code(&check.matcher).build())
        .set_load_balancer_arns(Some(state.balancer_of_group(&group.arn).into_iter().map(|b| b.arn.clone()).collect()))
        .build()
}
