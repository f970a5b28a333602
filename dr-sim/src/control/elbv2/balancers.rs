//! Load balancers: create, describe, subnets, security groups, delete.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancingv2::operation::create_load_balancer::{
    CreateLoadBalancerError, CreateLoadBalancerInput, CreateLoadBalancerOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::delete_load_balancer::{
    DeleteLoadBalancerError, DeleteLoadBalancerInput, DeleteLoadBalancerOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::describe_load_balancers::{
    DescribeLoadBalancersError, DescribeLoadBalancersInput, DescribeLoadBalancersOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::set_security_groups::{
    SetSecurityGroupsError, SetSecurityGroupsInput, SetSecurityGroupsOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::set_subnets::{SetSubnetsError, SetSubnetsInput, SetSubnetsOutput};
use aws_sdk_elasticloadbalancingv2::types::{
    AvailabilityZone, IpAddressType, LoadBalancer, LoadBalancerSchemeEnum, LoadBalancerState, LoadBalancerStateEnum,
    LoadBalancerTypeEnum, SubnetMapping,
};

use super::{
    Balancer, SERVICE, Zone, arn, attributes, checked_name, date, invalid, not_simulated, page, resource_of, suffix,
    tags,
};
use crate::control::{Answer, Call, Refusal, Table, ec2};
use crate::latency::Slow;
use crate::world::World;

/// Load balancers per region (AWS default quota).
const BALANCERS_MAX: usize = 50;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "CreateLoadBalancer", CreateLoadBalancerError::generic, create);
    table.on(SERVICE, "DescribeLoadBalancers", DescribeLoadBalancersError::generic, describe);
    table.on(SERVICE, "SetSubnets", SetSubnetsError::generic, set_subnets);
    table.on(SERVICE, "SetSecurityGroups", SetSecurityGroupsError::generic, set_security_groups);
    table.on(SERVICE, "DeleteLoadBalancer", DeleteLoadBalancerError::generic, delete);
}

/// The load balancer with this ARN in the region of the call.
pub(super) fn existing<'a>(world: &'a mut World, call: &Call, arn: Option<&str>) -> Answer<&'a mut Balancer> {
    let arn = arn.unwrap_or_default();
    let found = world.elbv2.balancers.get_mut(arn).filter(|balancer| balancer.region == call.region);
    found.ok_or_else(|| not_found(arn))
}

fn not_found(arn: &str) -> Refusal {
    Refusal::new("LoadBalancerNotFound", format!("Load balancer '{arn}' not found"))
}

fn create(world: &mut World, call: &Call, input: &CreateLoadBalancerInput) -> Answer<CreateLoadBalancerOutput> {
    let name = checked_name("Load balancer", input.name())?.to_owned();
    if name.starts_with("internal-") {
        return Err(invalid(format!("Load balancer name '{name}' cannot begin with 'internal-'")));
    }
    match input.r#type() {
        None | Some(LoadBalancerTypeEnum::Application) => {}
        Some(other) => return Err(not_simulated(format!("load balancers of type {}", other.as_str()))),
    }
    let scheme = input.scheme().unwrap_or(&LoadBalancerSchemeEnum::InternetFacing).as_str().to_owned();
    let ip_address_type = input.ip_address_type().unwrap_or(&IpAddressType::Ipv4).as_str().to_owned();
    if scheme == "internal" && ip_address_type != "ipv4" && ip_address_type != "dualstack" {
        return Err(invalid("Internal load balancers support the IP address types ipv4 and dualstack"));
    }
    let subnets = subnet_ids(input.subnets(), input.subnet_mappings())?;
    let (vpc_id, zones) = checked_zones(world, call, &subnets)?;
    let security_groups = checked_groups(world, call, &vpc_id, input.security_groups())?;
    let tags = tags::checked(input.tags())?;

    if let Some(same) = world.elbv2.balancers.values().find(|b| b.region == call.region && b.name == name) {
        let equal = same.scheme == scheme
            && same.ip_address_type == ip_address_type
            && subnets_of(same) == zones.iter().map(|(_, subnet)| subnet.as_str()).collect::<BTreeSet<_>>()
            && set(&same.security_groups) == set(&security_groups);
        if !equal {
            let message = format!("A load balancer with the same name '{name}' exists, but with different settings");
            return Err(Refusal::new("DuplicateLoadBalancerName", message));
        }
        return Ok(CreateLoadBalancerOutput::builder().load_balancers(to_sdk(same, call.now_ms)).build());
    }
    if world.elbv2.balancers.values().filter(|balancer| balancer.region == call.region).count() >= BALANCERS_MAX {
        return Err(Refusal::new("TooManyLoadBalancers", "You have reached the maximum number of load balancers"));
    }
    // Only now: repeating a create must not fail because the first one used up addresses.
    for subnet in &subnets {
        has_room(world, call, &scheme, subnet)?;
    }

    let id = suffix(world);
    let number = world.token(b"0123456789", 10);
    let prefix = if scheme == "internal" { "internal-" } else { "" };
    let zones = attach(world, call, (&scheme, &format!("app/{name}/{id}")), zones, &security_groups)?;
    let balancer = Balancer {
        arn: arn(world, &call.region, &format!("loadbalancer/app/{name}/{id}")),
        dns_name: format!("{prefix}{name}-{number}.{}.elb.amazonaws.com", call.region).to_lowercase(),
        name,
        region: call.region.clone(),
        scheme,
        ip_address_type,
        vpc_id,
        zones,
        security_groups,
        created_ms: call.now_ms,
        ready_ms: call.now_ms + world.latency(Slow::Alb),
        attributes: attributes::of_new_balancer(),
        tags,
    };
    let output = CreateLoadBalancerOutput::builder().load_balancers(to_sdk(&balancer, call.now_ms)).build();
    world.elbv2.balancers.insert(balancer.arn.clone(), balancer);
    Ok(output)
}

fn describe(world: &mut World, call: &Call, input: &DescribeLoadBalancersInput) -> Answer<DescribeLoadBalancersOutput> {
    let (arns, names) = (input.load_balancer_arns(), input.names());
    if !arns.is_empty() && !names.is_empty() {
        return Err(invalid("Load balancer names and load balancer ARNs cannot be specified at the same time"));
    }
    if arns.len() > 20 {
        return Err(invalid("At most 20 load balancer ARNs can be specified"));
    }
    let here = || world.elbv2.balancers.values().filter(|balancer| balancer.region == call.region);
    if let Some(missing) = arns.iter().find(|arn| !here().any(|balancer| balancer.arn == **arn)) {
        return Err(Refusal::new("LoadBalancerNotFound", format!("One or more load balancers not found: '{missing}'")));
    }
    let missing: Vec<&str> = names.iter().map(String::as_str).filter(|name| !here().any(|b| b.name == *name)).collect();
    if !missing.is_empty() {
        return Err(Refusal::new(
            "LoadBalancerNotFound",
            format!("Load balancers '[{}]' not found", missing.join(", ")),
        ));
    }
    let wanted =
        |b: &Balancer| (arns.is_empty() || arns.contains(&b.arn)) && (names.is_empty() || names.contains(&b.name));
    let items = here().filter(|b| wanted(b)).map(|b| (b.arn.clone(), to_sdk(b, call.now_ms))).collect();
    let (items, next) = page(items, input.marker(), input.page_size())?;
    Ok(DescribeLoadBalancersOutput::builder().set_load_balancers(Some(items)).set_next_marker(next).build())
}

fn set_subnets(world: &mut World, call: &Call, input: &SetSubnetsInput) -> Answer<SetSubnetsOutput> {
    let old = existing(world, call, input.load_balancer_arn())?.clone();
    let subnets = subnet_ids(input.subnets(), input.subnet_mappings())?;
    let (kept, added): (Vec<String>, Vec<String>) =
        subnets.into_iter().partition(|id| old.zones.iter().any(|zone| zone.subnet_id == *id));
    // All of them together must be legal; the ones that stay need no more free addresses.
    let all: Vec<String> = kept.iter().chain(&added).cloned().collect();
    let (vpc_id, zones) = checked_zones(world, call, &all)?;
    if vpc_id != old.vpc_id {
        return Err(Refusal::new("InvalidConfigurationRequest", "The subnets must be in the VPC of the load balancer"));
    }
    for subnet in &added {
        has_room(world, call, &old.scheme, subnet)?;
    }
    let new = zones.into_iter().filter(|(_, subnet)| added.contains(subnet)).collect();
    let id = resource_of(&old.arn).trim_start_matches("loadbalancer/");
    let mut zones = attach(world, call, (&old.scheme, id), new, &old.security_groups)?;
    let (stay, leave): (Vec<Zone>, Vec<Zone>) = old.zones.into_iter().partition(|zone| kept.contains(&zone.subnet_id));
    release(world, call, &leave);
    zones.extend(stay);
    zones.sort_by(|a, b| a.name.cmp(&b.name));

    let balancer = existing(world, call, input.load_balancer_arn())?;
    balancer.zones = zones;
    if let Some(ip_address_type) = input.ip_address_type() {
        balancer.ip_address_type = ip_address_type.as_str().to_owned();
    }
    Ok(SetSubnetsOutput::builder()
        .set_availability_zones(Some(zones_to_sdk(balancer)))
        .ip_address_type(IpAddressType::from(balancer.ip_address_type.as_str()))
        .build())
}

fn set_security_groups(
    world: &mut World,
    call: &Call,
    input: &SetSecurityGroupsInput,
) -> Answer<SetSecurityGroupsOutput> {
    let (vpc_id, enis) = {
        let balancer = existing(world, call, input.load_balancer_arn())?;
        (balancer.vpc_id.clone(), balancer.zones.iter().map(|zone| zone.eni.clone()).collect::<Vec<_>>())
    };
    if input.security_groups().is_empty() {
        return Err(invalid("At least one security group must be specified"));
    }
    let groups = checked_groups(world, call, &vpc_id, input.security_groups())?;
    for eni in &enis {
        ec2::set_eni_groups(world, &call.region, eni, &groups);
    }
    existing(world, call, input.load_balancer_arn())?.security_groups.clone_from(&groups);
    Ok(SetSecurityGroupsOutput::builder().set_security_group_ids(Some(groups)).build())
}

fn delete(world: &mut World, call: &Call, input: &DeleteLoadBalancerInput) -> Answer<DeleteLoadBalancerOutput> {
    let gone = || Ok(DeleteLoadBalancerOutput::builder().build());
    let arn = input.load_balancer_arn().unwrap_or_default();
    if !resource_of(arn).starts_with("loadbalancer/") {
        return Err(invalid(format!("'{arn}' is not a valid load balancer ARN")));
    }
    // "If the load balancer does not exist or has already been deleted, the call succeeds." (DeleteLoadBalancer)
    let Ok(balancer) = existing(world, call, Some(arn)) else { return gone() };
    if balancer.attributes.get("deletion_protection.enabled").is_some_and(|on| on == "true") {
        let message = format!("Load balancer '{arn}' cannot be deleted because deletion protection is enabled");
        return Err(Refusal::new("OperationNotPermitted", message));
    }
    let zones = balancer.zones.clone();
    world.elbv2.balancers.remove(arn);
    release(world, call, &zones);
    let listeners: Vec<String> =
        world.elbv2.listeners.values().filter(|l| l.balancer == arn).map(|l| l.arn.clone()).collect();
    for listener in listeners {
        super::listeners::remove(world, call, &listener);
    }
    gone()
}

/// Subnets are given as ids or as mappings, not both.
fn subnet_ids(ids: &[String], mappings: &[SubnetMapping]) -> Answer<Vec<String>> {
    match (ids, mappings) {
        ([], []) => Err(invalid("At least two subnets in two different Availability Zones must be specified")),
        (ids, []) => Ok(ids.to_vec()),
        ([], mappings) => Ok(mappings.iter().map(|m| m.subnet_id().unwrap_or_default().to_owned()).collect()),
        _ => Err(invalid("Subnets and subnet mappings cannot be specified at the same time")),
    }
}

/// The VPC and the `(zone name, subnet)` pairs of legal subnets, in the order of the zones.
fn checked_zones(world: &World, call: &Call, subnets: &[String]) -> Answer<(String, Vec<(String, String)>)> {
    let mut zones: BTreeMap<String, String> = BTreeMap::new();
    let mut vpc: Option<String> = None;
    for id in subnets {
        let subnet = ec2::subnet(world, &call.region, id)
            .ok_or_else(|| Refusal::new("SubnetNotFound", format!("The subnet ID '{id}' does not exist")))?;
        if vpc.get_or_insert_with(|| subnet.vpc_id.clone()) != &subnet.vpc_id {
            let message = "The following subnets are not in the same VPC: a load balancer is in one VPC".to_owned();
            return Err(Refusal::new("InvalidConfigurationRequest", message));
        }
        if zones.insert(subnet.zone.clone(), id.clone()).is_some_and(|other| other != *id) {
            let message = "A load balancer cannot be attached to multiple subnets in the same Availability Zone";
            return Err(Refusal::new("InvalidConfigurationRequest", message));
        }
    }
    match vpc {
        Some(vpc) if zones.len() >= 2 => Ok((vpc, zones.into_iter().collect())),
        _ => Err(invalid("At least two subnets in two different Availability Zones must be specified")),
    }
}

/// Room for the nodes, and a way to the internet when it faces it.
fn has_room(world: &World, call: &Call, scheme: &str, id: &str) -> Answer<()> {
    let free = ec2::free_addresses(world, &call.region, id);
    if free < 8 {
        let message =
            format!("Not enough IP space available in {id}. ELB requires at least 8 free IP addresses in each subnet");
        return Err(Refusal::new("InvalidSubnet", message));
    }
    if scheme == "internet-facing" {
        let vpc = ec2::subnet(world, &call.region, id).map(|subnet| subnet.vpc_id.as_str()).unwrap_or_default();
        if !ec2::has_internet_gateway(world, &call.region, vpc) {
            return Err(Refusal::new("InvalidSubnet", format!("VPC {vpc} has no internet gateway")));
        }
    }
    Ok(())
}

/// The given groups, or the default group of the VPC.
fn checked_groups(world: &World, call: &Call, vpc_id: &str, groups: &[String]) -> Answer<Vec<String>> {
    if groups.is_empty() {
        return Ok(ec2::default_security_group(world, &call.region, vpc_id).into_iter().collect());
    }
    for id in groups {
        let message = match ec2::security_group(world, &call.region, id) {
            None => format!("The security group '{id}' does not exist"),
            Some(group) if group.vpc_id != vpc_id => {
                format!("One or more security groups are invalid: '{id}' is in another VPC")
            }
            Some(_) => continue,
        };
        return Err(Refusal::new("InvalidSecurityGroup", message));
    }
    Ok(groups.to_vec())
}

/// Puts a node's interface into each subnet.
fn attach(
    world: &mut World,
    call: &Call,
    (scheme, id): (&str, &str),
    zones: Vec<(String, String)>,
    groups: &[String],
) -> Answer<Vec<Zone>> {
    let description = format!("ELB {id}");
    zones
        .into_iter()
        .map(|(name, subnet_id)| {
            let eni = ec2::attach_eni(world, &call.region, &subnet_id, groups, &description, "interface")
                .map_err(|refusal| Refusal::new("InvalidSubnet", refusal.message))?;
            if scheme == "internet-facing" {
                ec2::map_public_ip(world, &call.region, &eni);
            }
            Ok(Zone { name, subnet_id, eni })
        })
        .collect()
}

fn release(world: &mut World, call: &Call, zones: &[Zone]) {
    let at_ms = call.now_ms + world.latency(Slow::AlbEnis);
    for zone in zones {
        ec2::release_eni_at(world, &call.region, &zone.eni, at_ms);
    }
}

fn subnets_of(balancer: &Balancer) -> BTreeSet<&str> {
    balancer.zones.iter().map(|zone| zone.subnet_id.as_str()).collect()
}

fn set(ids: &[String]) -> BTreeSet<&str> {
    ids.iter().map(String::as_str).collect()
}

fn zones_to_sdk(balancer: &Balancer) -> Vec<AvailabilityZone> {
    let zone = |zone: &Zone| AvailabilityZone::builder().zone_name(&zone.name).subnet_id(&zone.subnet_id).build();
    balancer.zones.iter().map(zone).collect()
}

fn to_sdk(balancer: &Balancer, now_ms: u64) -> LoadBalancer {
    let state =
        if balancer.is_active(now_ms) { LoadBalancerStateEnum::Active } else { LoadBalancerStateEnum::Provisioning };
    LoadBalancer::builder()
        .load_balancer_arn(&balancer.arn)
        .dns_name(&balancer.dns_name)
        .canonical_hosted_zone_id(canonical_zone(&balancer.region))
        .created_time(date(balancer.created_ms))
        .load_balancer_name(&balancer.name)
        .scheme(LoadBalancerSchemeEnum::from(balancer.scheme.as_str()))
        .vpc_id(&balancer.vpc_id)
        .state(LoadBalancerState::builder().code(state).build())
        .r#type(LoadBalancerTypeEnum::Application)
        .set_availability_zones(Some(zones_to_sdk(balancer)))
        .set_security_groups(Some(balancer.security_groups.clone()))
        .ip_address_type(IpAddressType::from(balancer.ip_address_type.as_str()))
        .build()
}

/// The hosted zone of the DNS names of application load balancers (AWS General Reference, Elastic Load Balancing
/// endpoints).
pub(crate) fn canonical_zone(region: &str) -> &'static str {
    match region {
        "us-east-1" => "Z35SXDOTRQ7X7K",
        "us-east-2" => "Z3AADJGX6KTTL2",
        "us-west-1" => "Z368ELLRRE2KJ0",
        "us-west-2" => "Z1H1FL5HABSF5",
        "eu-west-1" => "Z32O12XQLNTSW2",
        "eu-west-2" => "ZHURV8PSTC4K8",
        "eu-west-3" => "Z3Q77PNBQS71R4",
        "eu-central-1" => "Z215JYRZR1TBD5",
        "eu-north-1" => "Z23TAZ6LKFMNIO",
        "ap-southeast-1" => "Z1LMS91P8CMLE5",
        "ap-southeast-2" => "Z1GM3OXH4ZPM65",
        "ap-northeast-1" => "Z14GRHDCWA56QT",
        "ap-northeast-2" => "ZWKZPGTI48KDX",
        "ap-south-1" => "ZP97RAFLXTNZK",
        "ca-central-1" => "ZQSVJUPU6J1EY",
        "sa-east-1" => "Z2P70J7HTTTPLU",
        // The other regions have their own; nothing in the simulation depends on which.
        _ => "Z00000000000SIMELB00",
    }
}
