//! VPCs: CreateVpc, DescribeVpcs, DescribeVpcAttribute, ModifyVpcAttribute, DeleteVpc.
//!
//! A VPC comes with a main route table, a network ACL and a security group, all called default, and they go with it.

use aws_sdk_ec2::operation::create_vpc::{CreateVpcInput, CreateVpcOutput};
use aws_sdk_ec2::operation::delete_vpc::{DeleteVpcInput, DeleteVpcOutput};
use aws_sdk_ec2::operation::describe_vpc_attribute::{DescribeVpcAttributeInput, DescribeVpcAttributeOutput};
use aws_sdk_ec2::operation::describe_vpcs::{DescribeVpcsInput, DescribeVpcsOutput};
use aws_sdk_ec2::operation::modify_vpc_attribute::{ModifyVpcAttributeInput, ModifyVpcAttributeOutput};
use aws_sdk_ec2::types::{
    AttributeBooleanValue, Tenancy, Vpc as SdkVpc, VpcAttributeName, VpcCidrBlockAssociation, VpcCidrBlockState,
    VpcCidrBlockStateCode, VpcState,
};

use super::cidr::Cidr;
use super::kit::{
    Paging, Query, combination, dependency, here, ids, invalid_value, missing, one, only_modelled, required, tags_for,
    unless_dry_run, yes_no,
};
use super::not_found;
use super::state::{
    AclEntry, Destination, GroupRule, NetworkAcl, Peer, Region, Route, RouteTable, SecurityGroup, Target, Traffic, Vpc,
};
use crate::control::{Answer, Call, Refusal};
use crate::latency::Slow;
use crate::world::World;

pub(super) fn create_vpc(world: &mut World, call: &Call, input: &CreateVpcInput) -> Answer<CreateVpcOutput> {
    only_modelled(&[
        ("Ipv6Pool", input.ipv6_pool.is_some()),
        ("Ipv6CidrBlock", input.ipv6_cidr_block.is_some()),
        ("Ipv4IpamPoolId", input.ipv4_ipam_pool_id.is_some()),
        ("Ipv6IpamPoolId", input.ipv6_ipam_pool_id.is_some()),
        ("VpcEncryptionControl", input.vpc_encryption_control.is_some()),
        ("AmazonProvidedIpv6CidrBlock", input.amazon_provided_ipv6_cidr_block == Some(true)),
    ])?;
    let text = required(&input.cidr_block, "CidrBlock")?;
    let cidr = Cidr::parse(text).ok_or_else(|| invalid_value("cidrBlock", text, "This is not a valid CIDR block."))?;
    let link_local = Cidr::parse("169.254.0.0/16").expect("a literal range");
    if !(16..=28).contains(&cidr.prefix()) || cidr.overlaps(link_local) {
        return Err(Refusal::new("InvalidVpc.Range", format!("The CIDR '{cidr}' is invalid.")));
    }
    let tags = tags_for(&input.tag_specifications, &["vpc"], "vpc")?;
    let (quota, stale_ms) = (world.ec2.quotas.vpcs, world.stale_reads_ms);
    if here(world, call).vpcs.len() >= quota {
        return Err(Refusal::new("VpcLimitExceeded", "The maximum number of VPCs has been reached."));
    }
    unless_dry_run(input.dry_run)?;

    let id = world.ec2_id("vpc");
    let ready_ms = call.now_ms + world.latency(Slow::Vpc);
    let tenancy = input.instance_tenancy.as_ref().map_or("default", Tenancy::as_str).to_owned();
    let vpc = Vpc {
        id: id.clone(),
        cidr,
        ready_ms,
        dns_support: true,
        dns_hostnames: false,
        address_usage_metrics: false,
        tenancy,
    };
    let (table, acl, group) = defaults(world, &vpc);
    let region = here(world, call);
    region.born(&id, tags, call.now_ms, stale_ms);
    region.route_tables.insert(table.id.clone(), table);
    region.acls.insert(acl.id.clone(), acl);
    region.groups.insert(group.id.clone(), group);
    region.vpcs.insert(id.clone(), vpc);
    let account = world.account.clone();
    let region = here(world, call);
    Ok(CreateVpcOutput::builder().vpc(shown(region, &region.vpcs[&id], &account, call.now_ms)).build())
}

fn defaults(world: &mut World, vpc: &Vpc) -> (RouteTable, NetworkAcl, SecurityGroup) {
    let table = RouteTable {
        id: world.ec2_id("rtb"),
        vpc_id: vpc.id.clone(),
        main: Some(world.ec2_id("rtbassoc")),
        associations: Vec::new(),
        routes: vec![Route { destination: Destination::Cidr(vpc.cidr), target: Target::Local }],
    };
    let allow = |egress| AclEntry {
        number: 100,
        egress,
        protocol: "-1".to_owned(),
        allow: true,
        cidr: Cidr::ANYWHERE,
        ports: None,
        icmp: None,
    };
    let acl = NetworkAcl {
        id: world.ec2_id("acl"),
        vpc_id: vpc.id.clone(),
        default: true,
        entries: vec![allow(false), allow(true)],
        associations: Vec::new(),
    };
    let id = world.ec2_id("sg");
    let all = |peer| Traffic { protocol: "-1".to_owned(), from_port: None, to_port: None, peer };
    let rules = [(false, Peer::Group(id.clone())), (true, Peer::V4(Cidr::ANYWHERE))].map(|(egress, peer)| GroupRule {
        id: world.ec2_id("sgr"),
        egress,
        traffic: all(peer),
        description: None,
    });
    let group = SecurityGroup {
        id,
        vpc_id: vpc.id.clone(),
        name: "default".to_owned(),
        description: "default VPC security group".to_owned(),
        rules: rules.into(),
    };
    (table, acl, group)
}

pub(super) fn describe_vpcs(world: &mut World, call: &Call, input: &DescribeVpcsInput) -> Answer<DescribeVpcsOutput> {
    const NAMES: &[&str] =
        &["cidr", "cidr-block-association.cidr-block", "dhcp-options-id", "is-default", "owner-id", "state", "vpc-id"];
    unless_dry_run(input.dry_run)?;
    let account = world.account.clone();
    let region = here(world, call);
    let query = Query {
        kind: "vpc",
        ids: ids(&input.vpc_ids),
        filters: input.filters.as_deref().unwrap_or_default(),
        names: NAMES,
        now_ms: call.now_ms,
    };
    let found = query.run(region, &region.vpcs, |vpc, name| match name {
        "cidr" | "cidr-block-association.cidr-block" => one(vpc.cidr.to_string()),
        "dhcp-options-id" => one("default"),
        "is-default" => yes_no(false),
        "owner-id" => one(&account),
        "state" => one(state(vpc, call.now_ms).as_str()),
        "vpc-id" => one(&vpc.id),
        _ => Vec::new(),
    })?;
    let (page, next) = Paging::of(input.max_results, input.next_token.as_deref()).cut(found)?;
    let page = page.into_iter().map(|(_, vpc)| shown(region, vpc, &account, call.now_ms)).collect();
    Ok(DescribeVpcsOutput::builder().set_vpcs(Some(page)).set_next_token(next).build())
}

pub(super) fn describe_vpc_attribute(
    world: &mut World,
    call: &Call,
    input: &DescribeVpcAttributeInput,
) -> Answer<DescribeVpcAttributeOutput> {
    unless_dry_run(input.dry_run)?;
    let id = required(&input.vpc_id, "VpcId")?;
    let vpc = here(world, call).vpc(id)?;
    let answer = DescribeVpcAttributeOutput::builder().vpc_id(id);
    let value = |on: bool| AttributeBooleanValue::builder().value(on).build();
    match &input.attribute {
        Some(VpcAttributeName::EnableDnsSupport) => Ok(answer.enable_dns_support(value(vpc.dns_support)).build()),
        Some(VpcAttributeName::EnableDnsHostnames) => Ok(answer.enable_dns_hostnames(value(vpc.dns_hostnames)).build()),
        Some(VpcAttributeName::EnableNetworkAddressUsageMetrics) => {
            Ok(answer.enable_network_address_usage_metrics(value(vpc.address_usage_metrics)).build())
        }
        Some(other) => Err(invalid_value("attribute", other.as_str(), "Unknown attribute.")),
        None => Err(missing("Attribute")),
    }
}

pub(super) fn modify_vpc_attribute(
    world: &mut World,
    call: &Call,
    input: &ModifyVpcAttributeInput,
) -> Answer<ModifyVpcAttributeOutput> {
    let id = required(&input.vpc_id, "VpcId")?;
    let asked = [&input.enable_dns_support, &input.enable_dns_hostnames, &input.enable_network_address_usage_metrics]
        .map(|value| value.as_ref().and_then(|value| value.value));
    if asked.iter().flatten().count() > 1 {
        return Err(combination("Only one attribute can be modified at a time"));
    }
    here(world, call).vpc(id)?;
    let vpc = here(world, call).vpcs.get_mut(id).ok_or_else(|| not_found("vpc", id))?;
    match asked {
        [Some(on), _, _] => vpc.dns_support = on,
        [_, Some(on), _] => vpc.dns_hostnames = on,
        [_, _, Some(on)] => vpc.address_usage_metrics = on,
        [None, None, None] => return Err(missing("EnableDnsSupport or EnableDnsHostnames")),
    }
    Ok(ModifyVpcAttributeOutput::builder().build())
}

pub(super) fn delete_vpc(world: &mut World, call: &Call, input: &DeleteVpcInput) -> Answer<DeleteVpcOutput> {
    let id = required(&input.vpc_id, "VpcId")?;
    let region = here(world, call);
    region.vpc(id)?;
    let in_use = region.subnets.values().any(|subnet| subnet.vpc_id == id)
        || region.groups.values().any(|group| group.vpc_id == id && group.name != "default")
        || region.route_tables.values().any(|table| table.vpc_id == id && !is_created_with(table))
        || region.acls.values().any(|acl| acl.vpc_id == id && !acl.default)
        || region.internet_gateway_of(id).is_some()
        || region.interfaces.values().any(|interface| interface.vpc_id == id)
        || region
            .endpoints
            .values()
            .any(|endpoint| endpoint.vpc_id == id && endpoint.state_at(call.now_ms) != "deleted");
    if in_use {
        return Err(dependency(format!("The vpc '{id}' has dependencies and cannot be deleted.")));
    }
    unless_dry_run(input.dry_run)?;
    let mut gone = vec![id.to_owned()];
    gone.extend(region.route_tables.values().filter(|table| table.vpc_id == id).map(|table| table.id.clone()));
    for group in region.groups.values().filter(|group| group.vpc_id == id) {
        gone.push(group.id.clone());
        gone.extend(group.rules.iter().map(|rule| rule.id.clone()));
    }
    gone.extend(region.acls.values().filter(|acl| acl.vpc_id == id).map(|acl| acl.id.clone()));
    for id in gone {
        region.vpcs.remove(&id);
        region.route_tables.remove(&id);
        region.groups.remove(&id);
        region.acls.remove(&id);
        region.tags.remove(&id);
    }
    Ok(DeleteVpcOutput::builder().build())
}

/// The main table goes with its VPC.
fn is_created_with(table: &RouteTable) -> bool {
    table.main.is_some()
}

fn state(vpc: &Vpc, now_ms: u64) -> VpcState {
    if now_ms < vpc.ready_ms { VpcState::Pending } else { VpcState::Available }
}

fn shown(region: &Region, vpc: &Vpc, account: &str, now_ms: u64) -> SdkVpc {
    let associated = VpcCidrBlockState::builder().state(VpcCidrBlockStateCode::Associated).build();
    let block = VpcCidrBlockAssociation::builder()
        .association_id(vpc.id.replace("vpc-", "vpc-cidr-assoc-"))
        .cidr_block(vpc.cidr.to_string())
        .cidr_block_state(associated)
        .build();
    SdkVpc::builder()
        .vpc_id(&vpc.id)
        .owner_id(account)
        .cidr_block(vpc.cidr.to_string())
        .cidr_block_association_set(block)
        .state(state(vpc, now_ms))
        .dhcp_options_id("default")
        .instance_tenancy(Tenancy::from(vpc.tenancy.as_str()))
        .is_default(false)
        .set_tags(Some(region.tag_list(&vpc.id)))
        .build()
}

impl Region {
    /// A VPC that must be there.
    pub(super) fn vpc(&self, id: &str) -> Answer<&Vpc> {
        self.vpcs.get(id).ok_or_else(|| not_found("vpc", id))
    }
}
