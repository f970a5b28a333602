//! The configuration of a health check: read from a request, with defaults, checked, and written back.
//!
//! Sources: API Reference, HealthCheckConfig, CreateHealthCheck, UpdateHealthCheck; Developer Guide, "Values that you
//! specify when you create or update health checks".

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use aws_sdk_route53::types::{
    AlarmIdentifier, CloudWatchRegion, HealthCheckConfig, HealthCheckRegion, HealthCheckType,
    InsufficientDataHealthStatus,
};

use super::{AlarmCopy, CheckConfig, invalid_input};
use crate::control::{Answer, Refusal, cloudwatch};
use crate::world::World;

/// Children of a calculated check (Route 53 quota).
const CHILDREN_MOST: usize = 255;

impl CheckConfig {
    fn is_endpoint(&self) -> bool {
        self.is_http() || self.kind == "TCP"
    }

    fn is_http(&self) -> bool {
        self.kind.starts_with("HTTP")
    }

    fn is_https(&self) -> bool {
        self.kind.starts_with("HTTPS")
    }
}

/// A number of a request that fits the type, or the refusal.
pub(super) fn number<T: TryFrom<i32>>(value: Option<i32>, field: &str) -> Answer<Option<T>> {
    value.map(|n| T::try_from(n).map_err(|_| invalid_input(format!("Invalid value {n} for {field}.")))).transpose()
}

/// Reads the configuration of a new check and fills in the defaults.
pub(super) fn from_request(asked: &HealthCheckConfig) -> Answer<CheckConfig> {
    if matches!(asked.r#type, HealthCheckType::RecoveryControl) {
        let message = "not simulated: routing controls of Application Recovery Controller";
        return Err(Refusal::new("NotSimulated", message).status(501));
    }
    if !HealthCheckType::values().contains(&asked.r#type.as_str()) {
        return Err(invalid_input(format!("Invalid health check type {}.", asked.r#type)));
    }
    let mut config = CheckConfig {
        kind: asked.r#type.as_str().to_owned(),
        ip_address: asked.ip_address.clone(),
        port: number(asked.port, "Port")?,
        resource_path: asked.resource_path.clone(),
        fully_qualified_domain_name: asked.fully_qualified_domain_name.clone(),
        search_string: asked.search_string.clone(),
        request_interval_s: number(asked.request_interval, "RequestInterval")?,
        failure_threshold: number(asked.failure_threshold, "FailureThreshold")?,
        measure_latency: asked.measure_latency,
        inverted: asked.inverted.unwrap_or(false),
        disabled: asked.disabled.unwrap_or(false),
        enable_sni: asked.enable_sni,
        regions: regions(asked.regions.as_deref()),
        health_threshold: number(asked.health_threshold, "HealthThreshold")?,
        children: asked.child_health_checks.clone().unwrap_or_default(),
        alarm: asked.alarm_identifier.as_ref().map(alarm),
        insufficient_data_health_status: asked.insufficient_data_health_status.as_ref().map(|s| s.as_str().to_owned()),
    };
    if config.is_endpoint() {
        let usual_port = match config.kind.as_str() {
            "TCP" => None,
            _ if config.is_https() => Some(443),
            _ => Some(80),
        };
        config.port = config.port.or(usual_port);
        config.request_interval_s.get_or_insert(30);
        config.failure_threshold.get_or_insert(3);
        config.measure_latency.get_or_insert(false);
        let https = config.is_https();
        config.enable_sni.get_or_insert(https);
    }
    if config.kind == "CLOUDWATCH_METRIC" {
        config.insufficient_data_health_status.get_or_insert_with(|| "LastKnownStatus".to_owned());
    }
    Ok(config)
}

pub(super) fn regions(asked: Option<&[HealthCheckRegion]>) -> Vec<String> {
    asked.unwrap_or_default().iter().map(|region| region.as_str().to_owned()).collect()
}

pub(super) fn alarm(asked: &AlarmIdentifier) -> (String, String) {
    (asked.region.as_str().to_owned(), asked.name.clone())
}

/// Checks a configuration, of a new check or after an update.
pub(super) fn check(world: &World, config: &CheckConfig) -> Answer<()> {
    let refuse = |message: String| Err(invalid_input(message));
    let kind = config.kind.as_str();
    let only = |given: bool, field: &str, allowed: bool| {
        if given && !allowed {
            refuse(format!("{field} cannot be specified for a health check of type {kind}."))
        } else {
            Ok(())
        }
    };
    let endpoint = config.is_endpoint();
    only(config.ip_address.is_some(), "IPAddress", endpoint)?;
    only(config.port.is_some(), "Port", endpoint)?;
    only(config.fully_qualified_domain_name.is_some(), "FullyQualifiedDomainName", endpoint)?;
    only(config.resource_path.is_some(), "ResourcePath", config.is_http())?;
    only(config.search_string.is_some(), "SearchString", kind.ends_with("_STR_MATCH"))?;
    only(config.request_interval_s.is_some(), "RequestInterval", endpoint)?;
    only(config.failure_threshold.is_some(), "FailureThreshold", endpoint)?;
    only(config.measure_latency == Some(true), "MeasureLatency", endpoint)?;
    only(config.enable_sni == Some(true), "EnableSNI", config.is_https())?;
    only(!config.regions.is_empty(), "Regions", endpoint)?;
    only(!config.children.is_empty(), "ChildHealthChecks", kind == "CALCULATED")?;
    only(config.health_threshold.is_some(), "HealthThreshold", kind == "CALCULATED")?;
    only(config.alarm.is_some(), "AlarmIdentifier", kind == "CLOUDWATCH_METRIC")?;

    match kind {
        "CALCULATED" => check_calculated(world, config),
        "CLOUDWATCH_METRIC" => match &config.alarm {
            None => refuse("AlarmIdentifier is required for a health check of type CLOUDWATCH_METRIC.".to_owned()),
            Some((region, name)) if cloudwatch::alarm(world, region, name).is_none() => {
                refuse(format!("The CloudWatch alarm {name} does not exist in region {region}."))
            }
            Some(_) => Ok(()),
        },
        _ => check_endpoint(config),
    }
}

fn check_calculated(world: &World, config: &CheckConfig) -> Answer<()> {
    if config.health_threshold.is_none_or(|threshold| threshold > 256) {
        return Err(invalid_input(
            "HealthThreshold is required for a health check of type CALCULATED, between 0 and 256.",
        ));
    }
    if config.children.len() > CHILDREN_MOST {
        return Err(invalid_input(format!("A calculated health check can have up to {CHILDREN_MOST} children.")));
    }
    for child in &config.children {
        match world.route53.health_checks.get(child) {
            None => return Err(invalid_input(format!("The child health check {child} does not exist."))),
            Some(found) if found.config.kind == "CALCULATED" => {
                return Err(invalid_input(format!(
                    "The child health check {child} is a calculated health check itself."
                )));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn check_endpoint(config: &CheckConfig) -> Answer<()> {
    let refuse = |message: &str| Err(invalid_input(message));
    if config.ip_address.is_none() && config.fully_qualified_domain_name.is_none() {
        return refuse("Either IPAddress or FullyQualifiedDomainName is required.");
    }
    if let Some(address) = &config.ip_address {
        match address.parse::<IpAddr>() {
            Err(_) => return refuse("IPAddress is not a valid IP address."),
            Ok(address) if !can_be_probed(address) => {
                return refuse("IPAddress is in a local, private, non-routable or multicast range.");
            }
            Ok(_) => {}
        }
    }
    if config.fully_qualified_domain_name.as_ref().is_some_and(|name| name.is_empty() || name.len() > 255) {
        return refuse("FullyQualifiedDomainName has 1 to 255 characters.");
    }
    if config.port.is_none_or(|port| port == 0) {
        return refuse("Port must be between 1 and 65535.");
    }
    if config.resource_path.as_ref().is_some_and(|path| path.len() > 255 || !path.starts_with('/')) {
        return refuse("ResourcePath begins with / and has up to 255 characters.");
    }
    if config.kind.ends_with("_STR_MATCH")
        && !config.search_string.as_ref().is_some_and(|text| (1..=255).contains(&text.chars().count()))
    {
        return refuse("SearchString is required for this type, with 1 to 255 characters.");
    }
    if !matches!(config.request_interval_s, Some(10 | 30)) {
        return refuse("RequestInterval must be 10 or 30.");
    }
    if !matches!(config.failure_threshold, Some(1..=10)) {
        return refuse("FailureThreshold must be between 1 and 10.");
    }
    if !config.regions.is_empty() {
        let different: BTreeSet<&String> = config.regions.iter().collect();
        if different.len() < 3 || different.len() != config.regions.len() {
            return refuse("At least three different regions are required.");
        }
        if config.regions.iter().any(|region| !HealthCheckRegion::values().contains(&region.as_str())) {
            return refuse("Regions must be regions of health checkers.");
        }
    }
    Ok(())
}

/// Whether health checkers probe the address at all.
fn can_be_probed(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let shared = address.octets()[0] == 100 && (64..128).contains(&address.octets()[1]);
            let reserved = address >= Ipv4Addr::new(224, 0, 0, 0) || address.octets()[0] == 0;
            !(address.is_private() || address.is_loopback() || address.is_link_local() || shared || reserved)
        }
        IpAddr::V6(address) => {
            let local = address.is_unique_local() || address.is_unicast_link_local();
            !(address.is_loopback() || address.is_unspecified() || address.is_multicast() || local)
        }
    }
}

/// The alarm of a check as it is now.
pub(super) fn copy_alarm(world: &World, config: &CheckConfig) -> Option<AlarmCopy> {
    let (region, name) = config.alarm.as_ref()?;
    let alarm = cloudwatch::alarm(world, region, name)?;
    Some(AlarmCopy {
        evaluation_periods: alarm.evaluation_periods,
        threshold: alarm.threshold,
        comparison_operator: alarm.comparison_operator.clone(),
        period_s: alarm.period_s,
        metric_name: alarm.metric_name.clone(),
        namespace: alarm.namespace.clone(),
        statistic: alarm.statistic.clone().unwrap_or_default(),
        dimensions: alarm.dimensions.clone(),
    })
}

/// The configuration as the API shows it.
pub(super) fn shown(config: &CheckConfig) -> HealthCheckConfig {
    let signed = |n: u32| i32::try_from(n).expect("checked to be small");
    let regions: Vec<HealthCheckRegion> =
        config.regions.iter().map(|region| HealthCheckRegion::from(region.as_str())).collect();
    HealthCheckConfig::builder()
        .set_ip_address(config.ip_address.clone())
        .set_port(config.port.map(i32::from))
        .r#type(HealthCheckType::from(config.kind.as_str()))
        .set_resource_path(config.resource_path.clone())
        .set_fully_qualified_domain_name(config.fully_qualified_domain_name.clone())
        .set_search_string(config.search_string.clone())
        .set_request_interval(config.request_interval_s.map(signed))
        .set_failure_threshold(config.failure_threshold.map(signed))
        .set_measure_latency(config.measure_latency)
        .inverted(config.inverted)
        .disabled(config.disabled)
        .set_health_threshold(config.health_threshold.map(signed))
        .set_child_health_checks((!config.children.is_empty()).then(|| config.children.clone()))
        .set_enable_sni(config.enable_sni)
        .set_regions((!regions.is_empty()).then_some(regions))
        .set_alarm_identifier(config.alarm.as_ref().map(|(region, name)| {
            let alarm = AlarmIdentifier::builder().region(CloudWatchRegion::from(region.as_str())).name(name);
            alarm.build().expect("region and name are set")
        }))
        .set_insufficient_data_health_status(
            config.insufficient_data_health_status.as_deref().map(InsufficientDataHealthStatus::from),
        )
        .build()
        .expect("the type is set")
}
