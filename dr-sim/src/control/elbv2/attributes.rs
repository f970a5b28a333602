//! Attributes of load balancers and target groups: known keys, defaults, values that AWS accepts.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::operation::describe_load_balancer_attributes::{
    DescribeLoadBalancerAttributesError, DescribeLoadBalancerAttributesInput, DescribeLoadBalancerAttributesOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::describe_target_group_attributes::{
    DescribeTargetGroupAttributesError, DescribeTargetGroupAttributesInput, DescribeTargetGroupAttributesOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::modify_load_balancer_attributes::{
    ModifyLoadBalancerAttributesError, ModifyLoadBalancerAttributesInput, ModifyLoadBalancerAttributesOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::modify_target_group_attributes::{
    ModifyTargetGroupAttributesError, ModifyTargetGroupAttributesInput, ModifyTargetGroupAttributesOutput,
};
use aws_sdk_elasticloadbalancingv2::types::{LoadBalancerAttribute, TargetGroupAttribute};

use super::{SERVICE, balancers, groups, invalid};
use crate::control::{Answer, Call, Table};
use crate::world::World;

/// What a value of an attribute may be.
enum Kind {
    Bool,
    /// An integer in a range.
    Int(i64, i64),
    OneOf(&'static [&'static str]),
    Text,
}

type Attribute = (&'static str, &'static str, Kind);

/// AWS page: "Application Load Balancers", load balancer attributes.
const BALANCER: &[Attribute] = &[
    ("access_logs.s3.bucket", "", Kind::Text),
    ("access_logs.s3.enabled", "false", Kind::Bool),
    ("access_logs.s3.prefix", "", Kind::Text),
    ("client_keep_alive.seconds", "3600", Kind::Int(60, 604_800)),
    ("connection_logs.s3.bucket", "", Kind::Text),
    ("connection_logs.s3.enabled", "false", Kind::Bool),
    ("connection_logs.s3.prefix", "", Kind::Text),
    ("deletion_protection.enabled", "false", Kind::Bool),
    ("idle_timeout.timeout_seconds", "60", Kind::Int(1, 4000)),
    ("load_balancing.cross_zone.enabled", "true", Kind::OneOf(&["true"])),
    ("routing.http.desync_mitigation_mode", "defensive", Kind::OneOf(&["monitor", "defensive", "strictest"])),
    ("routing.http.drop_invalid_header_fields.enabled", "false", Kind::Bool),
    ("routing.http.preserve_host_header.enabled", "false", Kind::Bool),
    ("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false", Kind::Bool),
    ("routing.http.xff_client_port.enabled", "false", Kind::Bool),
    ("routing.http.xff_header_processing.mode", "append", Kind::OneOf(&["append", "preserve", "remove"])),
    ("routing.http2.enabled", "true", Kind::Bool),
    ("waf.fail_open.enabled", "false", Kind::Bool),
    ("zonal_shift.config.enabled", "false", Kind::Bool),
];

/// AWS page: "Target groups for your Application Load Balancers", target group attributes.
const GROUP: &[Attribute] = &[
    ("deregistration_delay.timeout_seconds", "300", Kind::Int(0, 3600)),
    ("load_balancing.algorithm.anomaly_mitigation", "off", Kind::OneOf(&["on", "off"])),
    (
        "load_balancing.algorithm.type",
        "round_robin",
        Kind::OneOf(&["round_robin", "least_outstanding_requests", "weighted_random"]),
    ),
    (
        "load_balancing.cross_zone.enabled",
        "use_load_balancer_configuration",
        Kind::OneOf(&["true", "false", "use_load_balancer_configuration"]),
    ),
    ("slow_start.duration_seconds", "0", Kind::Int(0, 900)),
    ("stickiness.app_cookie.cookie_name", "", Kind::Text),
    ("stickiness.app_cookie.duration_seconds", "86400", Kind::Int(1, 604_800)),
    ("stickiness.enabled", "false", Kind::Bool),
    ("stickiness.lb_cookie.duration_seconds", "86400", Kind::Int(1, 604_800)),
    ("stickiness.type", "lb_cookie", Kind::OneOf(&["lb_cookie", "app_cookie"])),
    ("target_group_health.dns_failover.minimum_healthy_targets.count", "1", Kind::Text),
    ("target_group_health.dns_failover.minimum_healthy_targets.percentage", "off", Kind::Text),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1", Kind::Int(1, 1000)),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off", Kind::Text),
];

pub(super) fn register(table: &mut Table) {
    table.on(
        SERVICE,
        "DescribeLoadBalancerAttributes",
        DescribeLoadBalancerAttributesError::generic,
        describe_balancer,
    );
    table.on(SERVICE, "ModifyLoadBalancerAttributes", ModifyLoadBalancerAttributesError::generic, modify_balancer);
    table.on(SERVICE, "DescribeTargetGroupAttributes", DescribeTargetGroupAttributesError::generic, describe_group);
    table.on(SERVICE, "ModifyTargetGroupAttributes", ModifyTargetGroupAttributesError::generic, modify_group);
}

pub(super) fn of_new_balancer() -> BTreeMap<String, String> {
    defaults(BALANCER)
}

pub(super) fn of_new_group() -> BTreeMap<String, String> {
    defaults(GROUP)
}

fn defaults(known: &[Attribute]) -> BTreeMap<String, String> {
    known.iter().map(|(key, value, _)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Applies `(key, value)` pairs, or none of them.
fn set(
    what: &str,
    known: &[Attribute],
    current: &mut BTreeMap<String, String>,
    changes: &[(Option<&str>, Option<&str>)],
) -> Answer<()> {
    let mut next = current.clone();
    for (key, value) in changes {
        let (key, value) = (key.unwrap_or_default(), value.unwrap_or_default());
        let Some((_, _, kind)) = known.iter().find(|(name, _, _)| *name == key) else {
            return Err(invalid(format!("{what} attribute key '{key}' is not recognized")));
        };
        let accepted = match kind {
            Kind::Bool => matches!(value, "true" | "false"),
            Kind::Int(from, to) => value.parse().is_ok_and(|n: i64| (*from..=*to).contains(&n)),
            Kind::OneOf(values) => values.contains(&value),
            Kind::Text => true,
        };
        if !accepted {
            return Err(invalid(format!("{what} attribute value '{value}' of '{key}' is not valid")));
        }
        next.insert(key.to_owned(), value.to_owned());
    }
    *current = next;
    Ok(())
}

fn of_balancer(attributes: &BTreeMap<String, String>) -> Vec<LoadBalancerAttribute> {
    attributes.iter().map(|(key, value)| LoadBalancerAttribute::builder().key(key).value(value).build()).collect()
}

fn of_group(attributes: &BTreeMap<String, String>) -> Vec<TargetGroupAttribute> {
    attributes.iter().map(|(key, value)| TargetGroupAttribute::builder().key(key).value(value).build()).collect()
}

fn describe_balancer(
    world: &mut World,
    call: &Call,
    input: &DescribeLoadBalancerAttributesInput,
) -> Answer<DescribeLoadBalancerAttributesOutput> {
    let balancer = balancers::existing(world, call, input.load_balancer_arn())?;
    let attributes = of_balancer(&balancer.attributes);
    Ok(DescribeLoadBalancerAttributesOutput::builder().set_attributes(Some(attributes)).build())
}

fn modify_balancer(
    world: &mut World,
    call: &Call,
    input: &ModifyLoadBalancerAttributesInput,
) -> Answer<ModifyLoadBalancerAttributesOutput> {
    let balancer = balancers::existing(world, call, input.load_balancer_arn())?;
    let changes: Vec<_> = input.attributes().iter().map(|change| (change.key(), change.value())).collect();
    set("Load balancer", BALANCER, &mut balancer.attributes, &changes)?;
    let attributes = of_balancer(&balancer.attributes);
    Ok(ModifyLoadBalancerAttributesOutput::builder().set_attributes(Some(attributes)).build())
}

fn describe_group(
    world: &mut World,
    call: &Call,
    input: &DescribeTargetGroupAttributesInput,
) -> Answer<DescribeTargetGroupAttributesOutput> {
    let group = groups::existing(world, call, input.target_group_arn())?;
    let attributes = of_group(&group.attributes);
    Ok(DescribeTargetGroupAttributesOutput::builder().set_attributes(Some(attributes)).build())
}

fn modify_group(
    world: &mut World,
    call: &Call,
    input: &ModifyTargetGroupAttributesInput,
) -> Answer<ModifyTargetGroupAttributesOutput> {
    let group = groups::existing(world, call, input.target_group_arn())?;
    let changes: Vec<_> = input.attributes().iter().map(|change| (change.key(), change.value())).collect();
    set("Target group", GROUP, &mut group.attributes, &changes)?;
    let attributes = of_group(&group.attributes);
    Ok(ModifyTargetGroupAttributesOutput::builder().set_attributes(Some(attributes)).build())
}
