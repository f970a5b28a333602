//! Network interfaces: the ones that other services put into subnets, and DescribeNetworkInterfaces.
//!
//! A load balancer, a VPC link, a NAT gateway, an endpoint and an instance each own interfaces; a subnet and a security group
//! cannot be deleted while one is left, which is how most stuck teardowns on AWS come about.

use std::net::Ipv4Addr;

use aws_sdk_ec2::operation::describe_network_interfaces::{
    DescribeNetworkInterfacesInput, DescribeNetworkInterfacesOutput,
};
use aws_sdk_ec2::types::{
    AttachmentStatus, GroupIdentifier, NetworkInterface as SdkInterface, NetworkInterfaceAssociation,
    NetworkInterfaceAttachment, NetworkInterfaceStatus, NetworkInterfaceType,
};

use super::kit::{Paging, Query, here, ids, maybe, not_both, one, unless_dry_run, yes_no};
use super::state::{Instance, Interface, Region, SecurityGroup, Subnet};
use crate::control::{Answer, Call, Refusal};
use crate::world::World;

/// EC2 of a region, when anything was ever made there.
pub(crate) fn region<'a>(world: &'a World, region: &str) -> Option<&'a Region> {
    world.ec2.regions.get(region)
}

/// A subnet with its VPC, zone and range; free addresses: [`Region::free_addresses`].
pub(crate) fn subnet<'a>(world: &'a World, region: &str, id: &str) -> Option<&'a Subnet> {
    world.ec2.regions.get(region)?.subnets.get(id)
}

pub(crate) fn security_group<'a>(world: &'a World, region: &str, id: &str) -> Option<&'a SecurityGroup> {
    world.ec2.regions.get(region)?.groups.get(id)
}

/// An instance, also one that is terminated and still listed; see [`Instance::state_at`].
pub(crate) fn instance<'a>(world: &'a World, region: &str, id: &str) -> Option<&'a Instance> {
    world.ec2.regions.get(region)?.instances.get(id)
}

/// IPv4 addresses of a subnet that are not in use; 0 when there is no such subnet.
pub(crate) fn free_addresses(world: &World, region: &str, subnet_id: &str) -> u32 {
    let Some(state) = world.ec2.regions.get(region) else { return 0 };
    state.subnets.get(subnet_id).map_or(0, |subnet| state.free_addresses(subnet))
}

/// Whether an internet gateway is attached to a VPC.
pub(crate) fn has_internet_gateway(world: &World, region: &str, vpc_id: &str) -> bool {
    world.ec2.regions.get(region).is_some_and(|state| state.internet_gateway_of(vpc_id).is_some())
}

/// The id of the group named `default` that every VPC has.
pub(crate) fn default_security_group(world: &World, region: &str, vpc_id: &str) -> Option<String> {
    let groups = &world.ec2.regions.get(region)?.groups;
    groups.values().find(|group| group.vpc_id == vpc_id && group.name == "default").map(|group| group.id.clone())
}

/// Puts an interface into a subnet for a service: `kind` is the interface type (`interface` for a load balancer,
/// `api_gateway_managed` for a VPC link) and `description` what DescribeNetworkInterfaces shows (`ELB app/NAME/ID`).
///
/// Refuses with `InvalidSubnetID.NotFound`, `InvalidGroup.NotFound`, and `InsufficientFreeAddressesInSubnet`.
pub(crate) fn attach_eni(
    world: &mut World,
    region: &str,
    subnet_id: &str,
    group_ids: &[String],
    description: &str,
    kind: &str,
) -> Answer<String> {
    let id = world.ec2_id("eni");
    let attachment_id = world.ec2_id("eni-attach");
    let state = world.ec2.regions.entry(region.to_owned()).or_default();
    let subnet = state.subnets.get(subnet_id).ok_or_else(|| super::not_found("subnet", subnet_id))?;
    if let Some(missing) = group_ids.iter().find(|id| !state.groups.contains_key(*id)) {
        return Err(super::not_found("group", missing));
    }
    let private_ip = state.free_address(subnet).ok_or_else(|| no_addresses(subnet_id))?;
    let interface = Interface {
        id: id.clone(),
        subnet_id: subnet_id.to_owned(),
        vpc_id: subnet.vpc_id.clone(),
        private_ip,
        public_ip: None,
        group_ids: group_ids.to_vec(),
        description: description.to_owned(),
        kind: kind.to_owned(),
        attachment_id,
        instance_id: None,
        release_ms: None,
    };
    state.interfaces.insert(id.clone(), interface);
    Ok(id)
}

pub(super) fn no_addresses(subnet_id: &str) -> Refusal {
    let message =
        format!("The specified subnet does not have enough free addresses to satisfy the request: {subnet_id}");
    Refusal::new("InsufficientFreeAddressesInSubnet", message)
}

/// Gives an interface a public address that Amazon owns, as an internet-facing load balancer has: the VPC's internet
/// gateway cannot be detached while one is mapped.
pub(crate) fn map_public_ip(world: &mut World, region: &str, eni_id: &str) -> Option<Ipv4Addr> {
    let state = world.ec2.regions.get_mut(region)?;
    let public_ip = state.next_public_ip();
    state.interfaces.get_mut(eni_id)?.public_ip = Some(public_ip);
    Some(public_ip)
}

/// Replaces the security groups of an interface.
pub(crate) fn set_eni_groups(world: &mut World, region: &str, eni_id: &str, group_ids: &[String]) {
    if let Some(interface) = world.ec2.regions.get_mut(region).and_then(|state| state.interfaces.get_mut(eni_id)) {
        interface.group_ids = group_ids.to_vec();
    }
}

/// Lets an interface go at an instant; until then its subnet and its groups are in use.
pub(crate) fn release_eni_at(world: &mut World, region: &str, eni_id: &str, at_ms: u64) {
    if let Some(interface) = world.ec2.regions.get_mut(region).and_then(|state| state.interfaces.get_mut(eni_id)) {
        interface.release_ms = Some(at_ms);
    }
}

impl Region {
    /// The next address out of 198.18.0.0/15, which RFC 2544 keeps for benchmarks, so that none is anybody's.
    pub(super) fn next_public_ip(&mut self) -> Ipv4Addr {
        self.public_addresses += 1;
        Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + self.public_addresses % (1 << 17))
    }
}

/// Who holds an interface: the account for an instance's own, a service otherwise.
fn owner<'a>(interface: &Interface, account: &'a str) -> &'a str {
    match interface.kind.as_str() {
        "interface" if interface.instance_id.is_some() => account,
        "interface" if interface.description.starts_with("ELB ") => "amazon-elb",
        _ => "amazon-aws",
    }
}

pub(super) fn describe_network_interfaces(
    world: &mut World,
    call: &Call,
    input: &DescribeNetworkInterfacesInput,
) -> Answer<DescribeNetworkInterfacesOutput> {
    const NAMES: &[&str] = &[
        "attachment.attachment-id",
        "attachment.instance-id",
        "attachment.instance-owner-id",
        "attachment.status",
        "availability-zone",
        "description",
        "group-id",
        "interface-type",
        "network-interface-id",
        "owner-id",
        "private-ip-address",
        "requester-managed",
        "status",
        "subnet-id",
        "vpc-id",
    ];
    unless_dry_run(input.dry_run)?;
    let wanted = ids(&input.network_interface_ids);
    not_both(wanted, input.max_results, "networkInterfaceIdSet")?;
    let account = world.account.clone();
    let region = here(world, call);
    let query = Query {
        kind: "interface",
        ids: wanted,
        filters: input.filters.as_deref().unwrap_or_default(),
        names: NAMES,
        now_ms: call.now_ms,
    };
    let found = query.run(region, &region.interfaces, |interface, name| match name {
        "attachment.attachment-id" => one(&interface.attachment_id),
        "attachment.instance-id" => maybe(interface.instance_id.as_deref()),
        "attachment.instance-owner-id" => one(owner(interface, &account)),
        "attachment.status" => one("attached"),
        "availability-zone" => maybe(region.subnets.get(&interface.subnet_id).map(|subnet| &subnet.zone)),
        "description" => one(&interface.description),
        "group-id" => interface.group_ids.clone(),
        "interface-type" => one(&interface.kind),
        "network-interface-id" => one(&interface.id),
        "owner-id" => one(&account),
        "private-ip-address" => one(interface.private_ip.to_string()),
        "requester-managed" => yes_no(interface.instance_id.is_none()),
        "status" => one("in-use"),
        "subnet-id" => one(&interface.subnet_id),
        "vpc-id" => one(&interface.vpc_id),
        _ => Vec::new(),
    })?;
    let (page, next) = Paging::of(input.max_results, input.next_token.as_deref()).cut(found)?;
    let page = page.into_iter().map(|(_, interface)| shown(region, interface, &account)).collect();
    Ok(DescribeNetworkInterfacesOutput::builder().set_network_interfaces(Some(page)).set_next_token(next).build())
}

/// Groups with their names.
pub(super) fn group_identifiers(region: &Region, group_ids: &[String]) -> Vec<GroupIdentifier> {
    let identifier = |id: &String| {
        let name = region.groups.get(id).map(|group| group.name.clone());
        GroupIdentifier::builder().group_id(id).set_group_name(name).build()
    };
    group_ids.iter().map(identifier).collect()
}

fn shown(region: &Region, interface: &Interface, account: &str) -> SdkInterface {
    let subnet = region.subnets.get(&interface.subnet_id);
    let attachment = NetworkInterfaceAttachment::builder()
        .attachment_id(&interface.attachment_id)
        .device_index(if interface.instance_id.is_some() { 0 } else { 1 })
        .delete_on_termination(interface.instance_id.is_some())
        .set_instance_id(interface.instance_id.clone())
        .instance_owner_id(owner(interface, account))
        .status(AttachmentStatus::Attached)
        .build();
    let association = interface.public_ip.map(|ip| {
        let of = region.addresses.values().find(|address| address.public_ip == ip);
        NetworkInterfaceAssociation::builder()
            .public_ip(ip.to_string())
            .ip_owner_id(if of.is_some() { account } else { "amazon" })
            .set_allocation_id(of.map(|address| address.allocation_id.clone()))
            .set_association_id(of.and_then(|address| address.association.as_ref()).map(|a| a.id.clone()))
            .build()
    });
    SdkInterface::builder()
        .network_interface_id(&interface.id)
        .subnet_id(&interface.subnet_id)
        .vpc_id(&interface.vpc_id)
        .set_availability_zone(subnet.map(|subnet| subnet.zone.clone()))
        .owner_id(account)
        .description(&interface.description)
        .interface_type(NetworkInterfaceType::from(interface.kind.as_str()))
        .requester_managed(interface.instance_id.is_none())
        .private_ip_address(interface.private_ip.to_string())
        .source_dest_check(interface.kind != "natGateway")
        .status(NetworkInterfaceStatus::InUse)
        .attachment(attachment)
        .set_association(association)
        .set_groups(Some(group_identifiers(region, &interface.group_ids)))
        .set_tag_set(Some(region.tag_list(&interface.id)))
        .build()
}
