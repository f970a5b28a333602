//! Internet gateways and Elastic IP addresses.
//!
//! CreateInternetGateway, AttachInternetGateway, DescribeInternetGateways, DetachInternetGateway, DeleteInternetGateway;
//! AllocateAddress, DescribeAddresses, ReleaseAddress.

use aws_sdk_ec2::operation::allocate_address::{AllocateAddressInput, AllocateAddressOutput};
use aws_sdk_ec2::operation::attach_internet_gateway::{AttachInternetGatewayInput, AttachInternetGatewayOutput};
use aws_sdk_ec2::operation::create_internet_gateway::{CreateInternetGatewayInput, CreateInternetGatewayOutput};
use aws_sdk_ec2::operation::delete_internet_gateway::{DeleteInternetGatewayInput, DeleteInternetGatewayOutput};
use aws_sdk_ec2::operation::describe_addresses::{DescribeAddressesInput, DescribeAddressesOutput};
use aws_sdk_ec2::operation::describe_internet_gateways::{
    DescribeInternetGatewaysInput, DescribeInternetGatewaysOutput,
};
use aws_sdk_ec2::operation::detach_internet_gateway::{DetachInternetGatewayInput, DetachInternetGatewayOutput};
use aws_sdk_ec2::operation::release_address::{ReleaseAddressInput, ReleaseAddressOutput};
use aws_sdk_ec2::types::{
    Address as SdkAddress, AttachmentStatus, DomainType, InternetGateway as SdkGateway, InternetGatewayAttachment,
};

use super::kit::{
    Paging, Query, dependency, here, ids, invalid, maybe, one, only_modelled, required, tags_for, unless_dry_run,
};
use super::not_found;
use super::state::{Address, InternetGateway, Region};
use crate::control::{Answer, Call, Refusal};
use crate::world::World;

pub(super) fn create_internet_gateway(
    world: &mut World,
    call: &Call,
    input: &CreateInternetGatewayInput,
) -> Answer<CreateInternetGatewayOutput> {
    let tags = tags_for(&input.tag_specifications, &["internet-gateway"], "internet-gateway")?;
    // One quota for both: "increasing the VPC quota raises this one by the same amount".
    let (quota, stale_ms) = (world.ec2.quotas.vpcs, world.stale_reads_ms);
    if here(world, call).internet_gateways.len() >= quota {
        let message = "The maximum number of internet gateways has been reached.";
        return Err(Refusal::new("InternetGatewayLimitExceeded", message));
    }
    unless_dry_run(input.dry_run)?;
    let id = world.ec2_id("igw");
    let account = world.account.clone();
    let region = here(world, call);
    region.born(&id, tags, call.now_ms, stale_ms);
    region.internet_gateways.insert(id.clone(), InternetGateway { id: id.clone(), vpc_id: None });
    let gateway = shown_gateway(region, &region.internet_gateways[&id], &account);
    Ok(CreateInternetGatewayOutput::builder().internet_gateway(gateway).build())
}

pub(super) fn attach_internet_gateway(
    world: &mut World,
    call: &Call,
    input: &AttachInternetGatewayInput,
) -> Answer<AttachInternetGatewayOutput> {
    let id = required(&input.internet_gateway_id, "InternetGatewayId")?;
    let vpc_id = required(&input.vpc_id, "VpcId")?;
    let region = here(world, call);
    let gateway = region.internet_gateways.get(id).ok_or_else(|| not_found("gateway", id))?;
    region.vpc(vpc_id)?;
    if let Some(attached) = &gateway.vpc_id {
        let message = format!("resource {id} is already attached to network {attached}");
        return Err(Refusal::new("Resource.AlreadyAssociated", message));
    }
    if region.internet_gateway_of(vpc_id).is_some() {
        return Err(invalid(format!("Network {vpc_id} already has an internet gateway attached")));
    }
    unless_dry_run(input.dry_run)?;
    let gateway = region.internet_gateways.get_mut(id).expect("it was found above");
    gateway.vpc_id = Some(vpc_id.to_owned());
    Ok(AttachInternetGatewayOutput::builder().build())
}

pub(super) fn describe_internet_gateways(
    world: &mut World,
    call: &Call,
    input: &DescribeInternetGatewaysInput,
) -> Answer<DescribeInternetGatewaysOutput> {
    const NAMES: &[&str] = &["attachment.state", "attachment.vpc-id", "internet-gateway-id", "owner-id"];
    unless_dry_run(input.dry_run)?;
    let account = world.account.clone();
    let region = here(world, call);
    let query = Query {
        kind: "gateway",
        ids: ids(&input.internet_gateway_ids),
        filters: input.filters.as_deref().unwrap_or_default(),
        names: NAMES,
        now_ms: call.now_ms,
    };
    let found = query.run(region, &region.internet_gateways, |gateway, name| match name {
        "attachment.state" => maybe(gateway.vpc_id.as_ref().map(|_| "available")),
        "attachment.vpc-id" => maybe(gateway.vpc_id.as_deref()),
        "internet-gateway-id" => one(&gateway.id),
        "owner-id" => one(&account),
        _ => Vec::new(),
    })?;
    let (page, next) = Paging::of(input.max_results, input.next_token.as_deref()).cut(found)?;
    let page = page.into_iter().map(|(_, gateway)| shown_gateway(region, gateway, &account)).collect();
    Ok(DescribeInternetGatewaysOutput::builder().set_internet_gateways(Some(page)).set_next_token(next).build())
}

pub(super) fn detach_internet_gateway(
    world: &mut World,
    call: &Call,
    input: &DetachInternetGatewayInput,
) -> Answer<DetachInternetGatewayOutput> {
    let id = required(&input.internet_gateway_id, "InternetGatewayId")?;
    let vpc_id = required(&input.vpc_id, "VpcId")?;
    let region = here(world, call);
    let gateway = region.internet_gateways.get(id).ok_or_else(|| not_found("gateway", id))?;
    if gateway.vpc_id.as_deref() != Some(vpc_id) {
        let message = format!("resource {id} is not attached to network {vpc_id}");
        return Err(Refusal::new("Gateway.NotAttached", message));
    }
    if region.interfaces.values().any(|interface| interface.vpc_id == vpc_id && interface.public_ip.is_some()) {
        return Err(dependency(format!(
            "Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before \
             detaching the gateway."
        )));
    }
    unless_dry_run(input.dry_run)?;
    let gateway = region.internet_gateways.get_mut(id).expect("it was found above");
    gateway.vpc_id = None;
    Ok(DetachInternetGatewayOutput::builder().build())
}

pub(super) fn delete_internet_gateway(
    world: &mut World,
    call: &Call,
    input: &DeleteInternetGatewayInput,
) -> Answer<DeleteInternetGatewayOutput> {
    let id = required(&input.internet_gateway_id, "InternetGatewayId")?;
    let region = here(world, call);
    let gateway = region.internet_gateways.get(id).ok_or_else(|| not_found("gateway", id))?;
    if gateway.vpc_id.is_some() {
        return Err(dependency(format!("The internetGateway '{id}' has dependencies and cannot be deleted.")));
    }
    unless_dry_run(input.dry_run)?;
    region.internet_gateways.remove(id);
    region.tags.remove(id);
    Ok(DeleteInternetGatewayOutput::builder().build())
}

fn shown_gateway(region: &Region, gateway: &InternetGateway, account: &str) -> SdkGateway {
    let attachments = gateway.vpc_id.iter().map(|vpc_id| {
        // The API says `available` here, not the `attached` of its own model.
        InternetGatewayAttachment::builder().vpc_id(vpc_id).state(AttachmentStatus::from("available")).build()
    });
    SdkGateway::builder()
        .internet_gateway_id(&gateway.id)
        .owner_id(account)
        .set_attachments(Some(attachments.collect()))
        .set_tags(Some(region.tag_list(&gateway.id)))
        .build()
}

pub(super) fn allocate_address(
    world: &mut World,
    call: &Call,
    input: &AllocateAddressInput,
) -> Answer<AllocateAddressOutput> {
    only_modelled(&[
        ("Address", input.address.is_some()),
        ("PublicIpv4Pool", input.public_ipv4_pool.as_deref().is_some_and(|pool| pool != "amazon")),
        ("CustomerOwnedIpv4Pool", input.customer_owned_ipv4_pool.is_some()),
        ("IpamPoolId", input.ipam_pool_id.is_some()),
        ("Domain=standard", input.domain == Some(DomainType::Standard)),
    ])?;
    if let Some(group) = input.network_border_group.as_ref().filter(|group| **group != call.region) {
        return Err(Refusal::new("InvalidNetworkBorderGroup", format!("Network border group {group} is not valid")));
    }
    let tags = tags_for(&input.tag_specifications, &["elastic-ip"], "elastic-ip")?;
    let (quota, stale_ms) = (world.ec2.quotas.addresses, world.stale_reads_ms);
    if here(world, call).addresses.len() >= quota {
        return Err(Refusal::new("AddressLimitExceeded", "The maximum number of addresses has been reached."));
    }
    unless_dry_run(input.dry_run)?;
    let id = world.ec2_id("eipalloc");
    let region = here(world, call);
    let public_ip = region.next_public_ip();
    region.born(&id, tags, call.now_ms, stale_ms);
    region.addresses.insert(id.clone(), Address { allocation_id: id.clone(), public_ip, association: None });
    Ok(AllocateAddressOutput::builder()
        .allocation_id(id)
        .public_ip(public_ip.to_string())
        .public_ipv4_pool("amazon")
        .network_border_group(&call.region)
        .domain(DomainType::Vpc)
        .build())
}

pub(super) fn describe_addresses(
    world: &mut World,
    call: &Call,
    input: &DescribeAddressesInput,
) -> Answer<DescribeAddressesOutput> {
    const NAMES: &[&str] = &[
        "allocation-id",
        "association-id",
        "domain",
        "instance-id",
        "network-border-group",
        "network-interface-id",
        "network-interface-owner-id",
        "private-ip-address",
        "public-ip",
    ];
    unless_dry_run(input.dry_run)?;
    let account = world.account.clone();
    let region = here(world, call);
    let query = Query {
        kind: "address",
        ids: ids(&input.allocation_ids),
        filters: input.filters.as_deref().unwrap_or_default(),
        names: NAMES,
        now_ms: call.now_ms,
    };
    let mut found = query.run(region, &region.addresses, |address, name| {
        let interface =
            address.association.as_ref().and_then(|association| region.interfaces.get(&association.interface_id));
        match name {
            "allocation-id" => one(&address.allocation_id),
            "association-id" => maybe(address.association.as_ref().map(|association| &association.id)),
            "domain" => one("vpc"),
            "instance-id" => maybe(interface.and_then(|interface| interface.instance_id.as_ref())),
            "network-border-group" => one(&call.region),
            "network-interface-id" => maybe(interface.map(|interface| &interface.id)),
            "network-interface-owner-id" => maybe(interface.map(|_| &account)),
            "private-ip-address" => maybe(interface.map(|interface| interface.private_ip.to_string())),
            "public-ip" => one(address.public_ip.to_string()),
            _ => Vec::new(),
        }
    })?;
    let wanted = ids(&input.public_ips);
    let has = |ip: &String| region.addresses.values().any(|address| address.public_ip.to_string() == *ip);
    if let Some(unknown) = wanted.iter().find(|ip| !has(ip)) {
        return Err(Refusal::new("InvalidAddress.NotFound", format!("Address '{unknown}' not found.")));
    }
    found.retain(|(_, address)| wanted.is_empty() || wanted.contains(&address.public_ip.to_string()));
    let shown = found.into_iter().map(|(id, address)| {
        let interface =
            address.association.as_ref().and_then(|association| region.interfaces.get(&association.interface_id));
        SdkAddress::builder()
            .allocation_id(id)
            .public_ip(address.public_ip.to_string())
            .public_ipv4_pool("amazon")
            .network_border_group(&call.region)
            .domain(DomainType::Vpc)
            .set_association_id(address.association.as_ref().map(|association| association.id.clone()))
            .set_network_interface_id(interface.map(|interface| interface.id.clone()))
            .set_network_interface_owner_id(interface.map(|_| account.clone()))
            .set_private_ip_address(interface.map(|interface| interface.private_ip.to_string()))
            .set_instance_id(interface.and_then(|interface| interface.instance_id.clone()))
            .set_tags(Some(region.tag_list(id)))
            .build()
    });
    Ok(DescribeAddressesOutput::builder().set_addresses(Some(shown.collect())).build())
}

pub(super) fn release_address(
    world: &mut World,
    call: &Call,
    input: &ReleaseAddressInput,
) -> Answer<ReleaseAddressOutput> {
    let id = required(&input.allocation_id, "AllocationId")?;
    let region = here(world, call);
    let address = region.addresses.get(id).ok_or_else(|| not_found("address", id))?;
    if address.association.is_some() {
        let message = format!("Address {} is in use.", address.public_ip);
        return Err(Refusal::new("InvalidIPAddress.InUse", message));
    }
    unless_dry_run(input.dry_run)?;
    region.addresses.remove(id);
    region.tags.remove(id);
    Ok(ReleaseAddressOutput::builder().build())
}
