//! Subnets: CreateSubnet, DescribeSubnets, ModifySubnetAttribute, DeleteSubnet.

use aws_sdk_ec2::operation::create_subnet::{CreateSubnetInput, CreateSubnetOutput};
use aws_sdk_ec2::operation::delete_subnet::{DeleteSubnetInput, DeleteSubnetOutput};
use aws_sdk_ec2::operation::describe_subnets::{DescribeSubnetsInput, DescribeSubnetsOutput};
use aws_sdk_ec2::operation::modify_subnet_attribute::{ModifySubnetAttributeInput, ModifySubnetAttributeOutput};
use aws_sdk_ec2::types::{Subnet as SdkSubnet, SubnetState};

use super::cidr::Cidr;
use super::kit::{
    Paging, Query, combination, dependency, here, ids, invalid_value, missing, one, only_modelled, required, tags_for,
    unless_dry_run, yes_no,
};
use super::not_found;
use super::state::{Region, Subnet, SubnetAssociation};
use super::zones::zones;
use crate::control::{Answer, Call, Refusal};
use crate::latency::Slow;
use crate::world::World;

pub(super) fn create_subnet(world: &mut World, call: &Call, input: &CreateSubnetInput) -> Answer<CreateSubnetOutput> {
    only_modelled(&[
        ("Ipv6CidrBlock", input.ipv6_cidr_block.is_some()),
        ("OutpostArn", input.outpost_arn.is_some()),
        ("Ipv6Native", input.ipv6_native == Some(true)),
        ("Ipv4IpamPoolId", input.ipv4_ipam_pool_id.is_some()),
        ("Ipv6IpamPoolId", input.ipv6_ipam_pool_id.is_some()),
    ])?;
    let vpc_id = required(&input.vpc_id, "VpcId")?;
    let text = required(&input.cidr_block, "CidrBlock")?;
    let cidr = Cidr::parse(text).ok_or_else(|| invalid_value("cidrBlock", text, "This is not a valid CIDR block."))?;
    let tags = tags_for(&input.tag_specifications, &["subnet"], "subnet")?;
    let (zone, zone_id) = zone(world, call, input)?;
    let (quota, stale_ms) = (world.ec2.quotas.subnets_per_vpc, world.stale_reads_ms);
    let region = here(world, call);
    let vpc = region.vpc(vpc_id)?;
    if !(16..=28).contains(&cidr.prefix()) || !vpc.cidr.covers(cidr) {
        return Err(Refusal::new("InvalidSubnet.Range", format!("The CIDR '{cidr}' is invalid.")));
    }
    let mut others = region.subnets.values().filter(|subnet| subnet.vpc_id == vpc_id);
    if others.clone().count() >= quota {
        return Err(Refusal::new("SubnetLimitExceeded", "The maximum number of subnets has been reached."));
    }
    if others.any(|subnet| subnet.cidr.overlaps(cidr)) {
        let message = format!("The CIDR '{cidr}' conflicts with another subnet");
        return Err(Refusal::new("InvalidSubnet.Conflict", message));
    }
    unless_dry_run(input.dry_run)?;

    let id = world.ec2_id("subnet");
    let association = SubnetAssociation { id: world.ec2_id("aclassoc"), subnet_id: id.clone() };
    let ready_ms = call.now_ms + world.latency(Slow::Subnet);
    let vpc_id = vpc_id.to_owned();
    let subnet = Subnet { id: id.clone(), vpc_id, zone, zone_id, cidr, ready_ms, map_public_ip: false };
    let account = world.account.clone();
    let region = here(world, call);
    region.born(&id, tags, call.now_ms, stale_ms);
    let default_acl = region.acls.values_mut().find(|acl| acl.vpc_id == subnet.vpc_id && acl.default);
    default_acl.expect("every VPC has its default network ACL").associations.push(association);
    region.subnets.insert(id.clone(), subnet);
    Ok(CreateSubnetOutput::builder().subnet(shown(region, &region.subnets[&id], call, &account)).build())
}

/// The zone by name or by id, or the first one.
fn zone(world: &World, call: &Call, input: &CreateSubnetInput) -> Answer<(String, String)> {
    let all = zones(world, &call.region);
    let choose = |parameter: &str, wanted: &str, found: Option<&(String, String)>| {
        found.cloned().ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
            let why = format!(
                "Subnets can currently only be created in the following availability zones: {}.",
                names.join(", ")
            );
            invalid_value(parameter, wanted, &why)
        })
    };
    match (&input.availability_zone, &input.availability_zone_id) {
        (Some(_), Some(_)) => Err(combination("AvailabilityZone and AvailabilityZoneId cannot be used together")),
        (Some(name), None) => choose("availabilityZone", name, all.iter().find(|zone| zone.0 == *name)),
        (None, Some(id)) => choose("availabilityZoneId", id, all.iter().find(|zone| zone.1 == *id)),
        (None, None) => choose("availabilityZone", "", all.first()),
    }
}

pub(super) fn describe_subnets(
    world: &mut World,
    call: &Call,
    input: &DescribeSubnetsInput,
) -> Answer<DescribeSubnetsOutput> {
    const NAMES: &[&str] = &[
        "availability-zone",
        "availabilityZone",
        "availability-zone-id",
        "available-ip-address-count",
        "cidr",
        "cidr-block",
        "cidrBlock",
        "default-for-az",
        "map-public-ip-on-launch",
        "owner-id",
        "state",
        "subnet-arn",
        "subnet-id",
        "vpc-id",
    ];
    unless_dry_run(input.dry_run)?;
    let account = world.account.clone();
    let region = here(world, call);
    let query = Query {
        kind: "subnet",
        ids: ids(&input.subnet_ids),
        filters: input.filters.as_deref().unwrap_or_default(),
        names: NAMES,
        now_ms: call.now_ms,
    };
    let found = query.run(region, &region.subnets, |subnet, name| match name {
        "availability-zone" | "availabilityZone" => one(&subnet.zone),
        "availability-zone-id" => one(&subnet.zone_id),
        "available-ip-address-count" => one(region.free_addresses(subnet).to_string()),
        "cidr" | "cidr-block" | "cidrBlock" => one(subnet.cidr.to_string()),
        "default-for-az" => yes_no(false),
        "map-public-ip-on-launch" => yes_no(subnet.map_public_ip),
        "owner-id" => one(&account),
        "state" => one(state(subnet, call.now_ms).as_str()),
        "subnet-arn" => one(arn(subnet, call, &account)),
        "subnet-id" => one(&subnet.id),
        "vpc-id" => one(&subnet.vpc_id),
        _ => Vec::new(),
    })?;
    let (page, next) = Paging::of(input.max_results, input.next_token.as_deref()).cut(found)?;
    let page = page.into_iter().map(|(_, subnet)| shown(region, subnet, call, &account)).collect();
    Ok(DescribeSubnetsOutput::builder().set_subnets(Some(page)).set_next_token(next).build())
}

pub(super) fn modify_subnet_attribute(
    world: &mut World,
    call: &Call,
    input: &ModifySubnetAttributeInput,
) -> Answer<ModifySubnetAttributeOutput> {
    only_modelled(&[
        ("AssignIpv6AddressOnCreation", input.assign_ipv6_address_on_creation.is_some()),
        ("MapCustomerOwnedIpOnLaunch", input.map_customer_owned_ip_on_launch.is_some()),
        ("EnableDns64", input.enable_dns64.is_some()),
        ("PrivateDnsHostnameTypeOnLaunch", input.private_dns_hostname_type_on_launch.is_some()),
        ("EnableResourceNameDnsARecordOnLaunch", input.enable_resource_name_dns_a_record_on_launch.is_some()),
        ("EnableResourceNameDnsAAAARecordOnLaunch", input.enable_resource_name_dns_aaaa_record_on_launch.is_some()),
        ("EnableLniAtDeviceIndex", input.enable_lni_at_device_index.is_some()),
        ("DisableLniAtDeviceIndex", input.disable_lni_at_device_index.is_some()),
    ])?;
    let id = required(&input.subnet_id, "SubnetId")?;
    let on = input.map_public_ip_on_launch.as_ref().and_then(|value| value.value);
    let on = on.ok_or_else(|| missing("MapPublicIpOnLaunch"))?;
    let subnet = here(world, call).subnets.get_mut(id).ok_or_else(|| not_found("subnet", id))?;
    subnet.map_public_ip = on;
    Ok(ModifySubnetAttributeOutput::builder().build())
}

pub(super) fn delete_subnet(world: &mut World, call: &Call, input: &DeleteSubnetInput) -> Answer<DeleteSubnetOutput> {
    let id = required(&input.subnet_id, "SubnetId")?;
    let region = here(world, call);
    region.subnet(id)?;
    if region.interfaces.values().any(|interface| interface.subnet_id == id) {
        return Err(dependency(format!("The subnet '{id}' has dependencies and cannot be deleted.")));
    }
    unless_dry_run(input.dry_run)?;
    region.subnets.remove(id);
    region.tags.remove(id);
    for table in region.route_tables.values_mut() {
        table.associations.retain(|association| association.subnet_id != id);
    }
    for acl in region.acls.values_mut() {
        acl.associations.retain(|association| association.subnet_id != id);
    }
    Ok(DeleteSubnetOutput::builder().build())
}

fn state(subnet: &Subnet, now_ms: u64) -> SubnetState {
    if now_ms < subnet.ready_ms { SubnetState::Pending } else { SubnetState::Available }
}

fn arn(subnet: &Subnet, call: &Call, account: &str) -> String {
    format!("arn:aws:ec2:{}:{account}:subnet/{}", call.region, subnet.id)
}

fn shown(region: &Region, subnet: &Subnet, call: &Call, account: &str) -> SdkSubnet {
    let free = i32::try_from(region.free_addresses(subnet)).unwrap_or(i32::MAX);
    SdkSubnet::builder()
        .subnet_id(&subnet.id)
        .subnet_arn(arn(subnet, call, account))
        .vpc_id(&subnet.vpc_id)
        .owner_id(account)
        .availability_zone(&subnet.zone)
        .availability_zone_id(&subnet.zone_id)
        .cidr_block(subnet.cidr.to_string())
        .available_ip_address_count(free)
        .state(state(subnet, call.now_ms))
        .default_for_az(false)
        .map_public_ip_on_launch(subnet.map_public_ip)
        .assign_ipv6_address_on_creation(false)
        .enable_dns64(false)
        .ipv6_native(false)
        .set_tags(Some(region.tag_list(&subnet.id)))
        .build()
}

impl Region {
    /// A subnet that must be there.
    pub(super) fn subnet(&self, id: &str) -> Answer<&Subnet> {
        self.subnets.get(id).ok_or_else(|| not_found("subnet", id))
    }
}
