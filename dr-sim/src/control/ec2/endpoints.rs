//! VPC endpoints: CreateVpcEndpoint, DescribeVpcEndpoints, ModifyVpcEndpoint, DeleteVpcEndpoints.

use std::collections::BTreeMap;

use aws_sdk_ec2::operation::create_vpc_endpoint::{CreateVpcEndpointInput, CreateVpcEndpointOutput};
use aws_sdk_ec2::operation::delete_vpc_endpoints::{DeleteVpcEndpointsInput, DeleteVpcEndpointsOutput};
use aws_sdk_ec2::operation::describe_vpc_endpoints::{DescribeVpcEndpointsInput, DescribeVpcEndpointsOutput};
use aws_sdk_ec2::operation::modify_vpc_endpoint::{ModifyVpcEndpointInput, ModifyVpcEndpointOutput};
use aws_sdk_ec2::types::{
    DnsEntry, SecurityGroupIdentifier, State as SdkState, UnsuccessfulItem, UnsuccessfulItemError,
    VpcEndpoint as SdkEndpoint, VpcEndpointType,
};

use super::eni::{attach_eni, no_addresses};
use super::groups::groups_of_vpc;
use super::kit::{
    Paging, Query, checked_token, here, ids, instant, invalid, missing, not_simulated, one, only_modelled, required,
    tags_for, unless_dry_run,
};
use super::not_found;
use super::state::{Destination, Endpoint, Region, Route, Target};
use crate::control::{Answer, Call, Refusal};
use crate::latency::Slow;
use crate::world::World;

/// Services with an interface endpoint that a site of this kind uses, behind `com.amazonaws.REGION.`.
const INTERFACE: &[&str] = &[
    "ssm",
    "ssmmessages",
    "ec2messages",
    "ec2",
    "logs",
    "monitoring",
    "kms",
    "secretsmanager",
    "sts",
    "sns",
    "sqs",
    "execute-api",
    "elasticloadbalancing",
    "autoscaling",
    "ecr.api",
    "ecr.dkr",
    "s3",
];
const GATEWAY: &[&str] = &["s3", "dynamodb"];
const FULL_ACCESS: &str =
    r#"{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}],"Version":"2008-10-17"}"#;

pub(super) fn create_vpc_endpoint(
    world: &mut World,
    call: &Call,
    input: &CreateVpcEndpointInput,
) -> Answer<CreateVpcEndpointOutput> {
    only_modelled(&[
        ("IpAddressType", input.ip_address_type.is_some()),
        ("DnsOptions", input.dns_options.is_some()),
        ("SubnetConfiguration", input.subnet_configurations.is_some()),
        ("ServiceNetworkArn", input.service_network_arn.is_some()),
        ("ResourceConfigurationArn", input.resource_configuration_arn.is_some()),
        ("ServiceRegion", input.service_region.as_ref().is_some_and(|region| *region != call.region)),
    ])?;
    let interface = match &input.vpc_endpoint_type {
        None | Some(VpcEndpointType::Gateway) => false,
        Some(VpcEndpointType::Interface) => true,
        Some(other) => return Err(not_simulated(other.as_str())),
    };
    let vpc_id = required(&input.vpc_id, "VpcId")?;
    let service = required(&input.service_name, "ServiceName")?;
    let token = checked_token(input.client_token.as_deref())?;
    let known = if interface { INTERFACE } else { GATEWAY };
    let prefix = format!("com.amazonaws.{}.", call.region);
    if !service.strip_prefix(&prefix).is_some_and(|name| known.contains(&name)) {
        let message = format!("The Vpc Endpoint Service '{service}' does not exist");
        return Err(Refusal::new("InvalidServiceName", message));
    }
    let tags = tags_for(&input.tag_specifications, &["vpc-endpoint"], "vpc-endpoint")?;
    let parameters = format!("{input:?}");
    let (quota, stale_ms, account) = (world.ec2.quotas.endpoints_per_vpc, world.stale_reads_ms, world.account.clone());
    let answer = |endpoint| {
        CreateVpcEndpointOutput::builder().vpc_endpoint(endpoint).set_client_token(input.client_token.clone()).build()
    };
    let region = here(world, call);
    let before = region.made_before("CreateVpcEndpoint", token, &parameters)?;
    if let Some(endpoint) = before.and_then(|id| region.endpoints.get(&id)) {
        return Ok(answer(shown(region, endpoint, call, &account)));
    }
    region.vpc(vpc_id)?;
    let alive = |endpoint: &&Endpoint| endpoint.vpc_id == vpc_id && endpoint.deleted_ms.is_none();
    if region.endpoints.values().filter(alive).filter(|endpoint| endpoint.interface == interface).count() >= quota {
        return Err(Refusal::new("VpcEndpointLimitExceeded", "The maximum number of VPC endpoints has been reached."));
    }
    let mut endpoint = Endpoint {
        id: String::new(),
        vpc_id: vpc_id.to_owned(),
        service: service.to_owned(),
        interface,
        interfaces: BTreeMap::new(),
        group_ids: Vec::new(),
        route_table_ids: Vec::new(),
        private_dns: false,
        policy: input.policy_document.clone().unwrap_or_else(|| FULL_ACCESS.to_owned()),
        created_ms: call.now_ms,
        ready_ms: call.now_ms,
        deleted_ms: None,
    };
    let (subnet_ids, table_ids) = (ids(&input.subnet_ids), ids(&input.route_table_ids));
    if interface {
        if !table_ids.is_empty() {
            return Err(Refusal::new("InvalidParameter", "Interface endpoints do not take route tables"));
        }
        endpoint.group_ids = groups_of_vpc(region, ids(&input.security_group_ids), vpc_id)?;
        check_subnets(region, vpc_id, subnet_ids, &[])?;
        endpoint.private_dns = input.private_dns_enabled != Some(false);
        if endpoint.private_dns {
            check_private_dns(region, &endpoint)?;
        }
    } else {
        if !subnet_ids.is_empty() || input.security_group_ids.as_ref().is_some_and(|groups| !groups.is_empty()) {
            return Err(Refusal::new("InvalidParameter", "Gateway endpoints do not take subnets or security groups"));
        }
        check_tables(region, &endpoint, table_ids)?;
    }
    unless_dry_run(input.dry_run)?;

    let id = world.ec2_id("vpce");
    endpoint.id.clone_from(&id);
    if interface {
        endpoint.ready_ms = call.now_ms + world.latency(Slow::EndpointCreate);
        attach(world, call, &mut endpoint, subnet_ids)?;
    }
    let region = here(world, call);
    route_through(region, &mut endpoint, table_ids);
    region.born(&id, tags, call.now_ms, stale_ms);
    region.remember("CreateVpcEndpoint", token, &parameters, &id);
    region.endpoints.insert(id.clone(), endpoint);
    Ok(answer(shown(region, &region.endpoints[&id], call, &account)))
}

/// Subnets of the VPC, at most one in each zone, those counted in which the endpoint is already.
fn check_subnets(region: &Region, vpc_id: &str, subnet_ids: &[String], present: &[String]) -> Answer<()> {
    let mut zones = Vec::new();
    for id in present.iter().chain(subnet_ids) {
        let subnet = region.subnet(id)?;
        if subnet.vpc_id != vpc_id {
            let message = format!("The subnet {id} does not belong to the VPC {vpc_id}");
            return Err(Refusal::new("InvalidParameter", message));
        }
        if zones.contains(&&subnet.zone) {
            let message = format!("Found another VPC endpoint subnet in the availability zone of {id}");
            return Err(Refusal::new("DuplicateSubnetsInSameZone", message));
        }
        if !present.contains(id) && region.free_addresses(subnet) == 0 {
            return Err(no_addresses(id));
        }
        zones.push(&subnet.zone);
    }
    Ok(())
}

/// Private DNS needs both DNS attributes of the VPC, and only one endpoint of a service can have the name.
fn check_private_dns(region: &Region, endpoint: &Endpoint) -> Answer<()> {
    let vpc = region.vpc(&endpoint.vpc_id)?;
    if !(vpc.dns_support && vpc.dns_hostnames) {
        let message = format!(
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for {}",
            vpc.id
        );
        return Err(Refusal::new("InvalidParameter", message));
    }
    let conflict = region.endpoints.values().any(|other| {
        other.id != endpoint.id
            && other.vpc_id == endpoint.vpc_id
            && other.service == endpoint.service
            && other.private_dns
            && other.deleted_ms.is_none()
    });
    if conflict {
        let message = format!(
            "private-dns-enabled cannot be set because there is already a conflicting DNS domain for {} in the VPC {}",
            private_name(endpoint),
            endpoint.vpc_id
        );
        return Err(Refusal::new("InvalidParameter", message));
    }
    Ok(())
}

fn check_tables(region: &Region, endpoint: &Endpoint, table_ids: &[String]) -> Answer<()> {
    let list = prefix_list(&endpoint.service);
    for id in table_ids {
        let table = region.table(id)?;
        if table.vpc_id != endpoint.vpc_id {
            return Err(invalid(format!(
                "route table {id} and network {} belong to different networks",
                endpoint.vpc_id
            )));
        }
        if table.routes.iter().any(|route| route.destination == Destination::PrefixList(list.clone())) {
            let message = format!("route table {id} already has a route with destination-prefix-list-id {list}");
            return Err(Refusal::new("RouteAlreadyExists", message));
        }
    }
    Ok(())
}

fn attach(world: &mut World, call: &Call, endpoint: &mut Endpoint, subnet_ids: &[String]) -> Answer<()> {
    let description = format!("VPC Endpoint Interface {}", endpoint.id);
    for subnet_id in subnet_ids {
        let groups = endpoint.group_ids.clone();
        let eni = attach_eni(world, &call.region, subnet_id, &groups, &description, "vpc_endpoint")?;
        endpoint.interfaces.insert(subnet_id.clone(), eni);
    }
    Ok(())
}

/// A gateway endpoint is a route to the service's prefix list in each of its tables.
fn route_through(region: &mut Region, endpoint: &mut Endpoint, table_ids: &[String]) {
    let destination = Destination::PrefixList(prefix_list(&endpoint.service));
    for id in table_ids {
        if let Some(table) = region.route_tables.get_mut(id) {
            let route = Route { destination: destination.clone(), target: Target::Endpoint(endpoint.id.clone()) };
            table.routes.push(route);
            endpoint.route_table_ids.push(id.clone());
        }
    }
}

/// The same id in every account, as the service's prefix list has.
fn prefix_list(service: &str) -> String {
    let sum = service.bytes().fold(0x63a5_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    format!("pl-{sum:08x}")
}

/// `ssm.us-east-1.amazonaws.com`.
fn private_name(endpoint: &Endpoint) -> String {
    let mut parts: Vec<&str> = endpoint.service.splitn(4, '.').collect();
    let name = parts.pop().unwrap_or_default();
    let region = parts.pop().unwrap_or_default();
    format!("{name}.{region}.amazonaws.com")
}

pub(super) fn describe_vpc_endpoints(
    world: &mut World,
    call: &Call,
    input: &DescribeVpcEndpointsInput,
) -> Answer<DescribeVpcEndpointsOutput> {
    unless_dry_run(input.dry_run)?;
    let account = world.account.clone();
    let region = here(world, call);
    let query = Query {
        kind: "endpoint",
        ids: ids(&input.vpc_endpoint_ids),
        filters: input.filters.as_deref().unwrap_or_default(),
        names: &["service-name", "vpc-endpoint-id", "vpc-endpoint-state", "vpc-endpoint-type", "vpc-id"],
        now_ms: call.now_ms,
    };
    let found = query.run(region, &region.endpoints, |endpoint, name| match name {
        "service-name" => one(&endpoint.service),
        "vpc-endpoint-id" => one(&endpoint.id),
        "vpc-endpoint-state" => one(endpoint.state_at(call.now_ms)),
        "vpc-endpoint-type" => one(kind(endpoint).as_str()),
        "vpc-id" => one(&endpoint.vpc_id),
        _ => Vec::new(),
    })?;
    let (page, next) = Paging::of(input.max_results, input.next_token.as_deref()).cut(found)?;
    let page = page.into_iter().map(|(_, endpoint)| shown(region, endpoint, call, &account)).collect();
    Ok(DescribeVpcEndpointsOutput::builder().set_vpc_endpoints(Some(page)).set_next_token(next).build())
}

pub(super) fn modify_vpc_endpoint(
    world: &mut World,
    call: &Call,
    input: &ModifyVpcEndpointInput,
) -> Answer<ModifyVpcEndpointOutput> {
    only_modelled(&[
        ("IpAddressType", input.ip_address_type.is_some()),
        ("DnsOptions", input.dns_options.is_some()),
        ("SubnetConfiguration", input.subnet_configurations.is_some()),
    ])?;
    let id = required(&input.vpc_endpoint_id, "VpcEndpointId")?;
    let region = here(world, call);
    let mut endpoint = region.endpoints.get(id).ok_or_else(|| not_found("endpoint", id))?.clone();
    if !matches!(endpoint.state_at(call.now_ms), "available") {
        let message = format!("The VPC endpoint {id} is {}", endpoint.state_at(call.now_ms));
        return Err(Refusal::new("IncorrectState", message));
    }
    let removed_subnets = ids(&input.remove_subnet_ids);
    let stay: Vec<String> = endpoint.interfaces.keys().filter(|id| !removed_subnets.contains(id)).cloned().collect();
    let added_subnets: Vec<String> =
        ids(&input.add_subnet_ids).iter().filter(|id| !stay.contains(id)).cloned().collect();
    check_subnets(region, &endpoint.vpc_id, &added_subnets, &stay)?;
    check_tables(region, &endpoint, ids(&input.add_route_table_ids))?;
    let removed_groups = ids(&input.remove_security_group_ids);
    let mut groups = endpoint.group_ids.clone();
    groups.retain(|group| !removed_groups.contains(group));
    for group in ids(&input.add_security_group_ids) {
        if !groups.contains(group) {
            groups.push(group.clone());
        }
    }
    if endpoint.interface {
        if groups.is_empty() {
            return Err(Refusal::new("InvalidParameter", "An interface endpoint needs at least one security group"));
        }
        endpoint.group_ids = groups_of_vpc(region, &groups, &endpoint.vpc_id)?;
    }
    if let Some(on) = input.private_dns_enabled {
        endpoint.private_dns = on;
        if on {
            check_private_dns(region, &endpoint)?;
        }
    }
    if let Some(policy) = &input.policy_document {
        endpoint.policy.clone_from(policy);
    } else if input.reset_policy == Some(true) {
        FULL_ACCESS.clone_into(&mut endpoint.policy);
    }
    unless_dry_run(input.dry_run)?;

    let removed_tables = ids(&input.remove_route_table_ids);
    let through = Target::Endpoint(endpoint.id.clone());
    for (_, table) in region.route_tables.iter_mut().filter(|(id, _)| removed_tables.contains(id)) {
        table.routes.retain(|route| route.target != through);
    }
    endpoint.route_table_ids.retain(|table| !removed_tables.contains(table));
    route_through(region, &mut endpoint, ids(&input.add_route_table_ids));
    for eni in removed_subnets.iter().filter_map(|subnet| endpoint.interfaces.remove(subnet)) {
        if let Some(interface) = region.interfaces.get_mut(&eni) {
            interface.release_ms = Some(call.now_ms);
        }
    }
    for eni in endpoint.interfaces.values() {
        if let Some(interface) = region.interfaces.get_mut(eni) {
            interface.group_ids.clone_from(&endpoint.group_ids);
        }
    }
    attach(world, call, &mut endpoint, &added_subnets)?;
    here(world, call).endpoints.insert(id.to_owned(), endpoint);
    Ok(ModifyVpcEndpointOutput::builder().r#return(true).build())
}

/// Answers 200 whatever happens: the ids that could not be deleted are in the answer.
pub(super) fn delete_vpc_endpoints(
    world: &mut World,
    call: &Call,
    input: &DeleteVpcEndpointsInput,
) -> Answer<DeleteVpcEndpointsOutput> {
    let wanted = ids(&input.vpc_endpoint_ids);
    if wanted.is_empty() {
        return Err(missing("VpcEndpointId"));
    }
    unless_dry_run(input.dry_run)?;
    let mut failed = Vec::new();
    for id in wanted {
        let Some(endpoint) = here(world, call).endpoints.get(id).filter(|e| e.state_at(call.now_ms) != "deleted")
        else {
            let error = UnsuccessfulItemError::builder()
                .code("InvalidVpcEndpoint.NotFound")
                .message(format!("The Vpc Endpoint Id '{id}' does not exist"))
                .build();
            failed.push(UnsuccessfulItem::builder().resource_id(id).error(error).build());
            continue;
        };
        if endpoint.deleted_ms.is_some() {
            continue;
        }
        let takes_ms = if endpoint.interface { world.latency(Slow::EndpointDelete) } else { 0 };
        let gone_ms = call.now_ms + takes_ms;
        let region = here(world, call);
        let endpoint = region.endpoints.get_mut(id).expect("it was found above");
        endpoint.deleted_ms = Some((call.now_ms, gone_ms));
        for eni in endpoint.interfaces.values() {
            if let Some(interface) = region.interfaces.get_mut(eni) {
                interface.release_ms = Some(gone_ms);
            }
        }
        for table in region.route_tables.values_mut() {
            table.routes.retain(|route| route.target != Target::Endpoint(id.clone()));
        }
    }
    Ok(DeleteVpcEndpointsOutput::builder().set_unsuccessful(Some(failed)).build())
}

fn kind(endpoint: &Endpoint) -> VpcEndpointType {
    if endpoint.interface { VpcEndpointType::Interface } else { VpcEndpointType::Gateway }
}

fn shown(region: &Region, endpoint: &Endpoint, call: &Call, account: &str) -> SdkEndpoint {
    let groups = endpoint.group_ids.iter().map(|id| {
        let name = region.groups.get(id).map(|group| group.name.clone());
        SecurityGroupIdentifier::builder().group_id(id).set_group_name(name).build()
    });
    let service = endpoint.service.rsplit('.').next().unwrap_or_default();
    let own = format!("{}-{}.{service}.{}.vpce.amazonaws.com", endpoint.id, &endpoint.id[5..13], call.region);
    let mut dns = Vec::new();
    if endpoint.interface {
        dns.push(DnsEntry::builder().dns_name(own).build());
        if endpoint.private_dns {
            dns.push(DnsEntry::builder().dns_name(private_name(endpoint)).build());
        }
    }
    SdkEndpoint::builder()
        .vpc_endpoint_id(&endpoint.id)
        .vpc_endpoint_type(kind(endpoint))
        .vpc_id(&endpoint.vpc_id)
        .owner_id(account)
        .service_name(&endpoint.service)
        .state(SdkState::from(endpoint.state_at(call.now_ms)))
        .policy_document(&endpoint.policy)
        .set_route_table_ids(Some(endpoint.route_table_ids.clone()))
        .set_subnet_ids(Some(endpoint.interfaces.keys().cloned().collect()))
        .set_network_interface_ids(Some(endpoint.interfaces.values().cloned().collect()))
        .set_groups(Some(groups.collect()))
        .private_dns_enabled(endpoint.private_dns)
        .requester_managed(false)
        .set_dns_entries(Some(dns))
        .creation_timestamp(instant(endpoint.created_ms))
        .set_tags(Some(region.tag_list(&endpoint.id)))
        .build()
}
