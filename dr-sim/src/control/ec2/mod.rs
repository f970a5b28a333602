//! EC2: networks and instances, as far as a site of one region needs them.

mod acl;
mod cidr;
mod endpoints;
mod eni;
mod gateway;
mod groups;
mod instances;
mod kit;
mod launch;
mod nat;
mod routes;
mod rules;
mod state;
mod subnet;
mod tags;
#[cfg(test)]
mod tests;
mod vpc;
mod zones;

pub(crate) use self::cidr::Cidr;
pub(crate) use self::eni::{
    attach_eni, default_security_group, free_addresses, has_internet_gateway, instance, map_public_ip, region,
    release_eni_at, security_group, set_eni_groups, subnet,
};
pub(crate) use self::state::*;
pub(crate) use self::zones::{is_enabled, region_names, zone_names};

use aws_sdk_ec2::operation::allocate_address::AllocateAddressError;
use aws_sdk_ec2::operation::associate_route_table::AssociateRouteTableError;
use aws_sdk_ec2::operation::attach_internet_gateway::AttachInternetGatewayError;
use aws_sdk_ec2::operation::authorize_security_group_egress::AuthorizeSecurityGroupEgressError;
use aws_sdk_ec2::operation::authorize_security_group_ingress::AuthorizeSecurityGroupIngressError;
use aws_sdk_ec2::operation::create_internet_gateway::CreateInternetGatewayError;
use aws_sdk_ec2::operation::create_nat_gateway::CreateNatGatewayError;
use aws_sdk_ec2::operation::create_network_acl::CreateNetworkAclError;
use aws_sdk_ec2::operation::create_network_acl_entry::CreateNetworkAclEntryError;
use aws_sdk_ec2::operation::create_route::CreateRouteError;
use aws_sdk_ec2::operation::create_route_table::CreateRouteTableError;
use aws_sdk_ec2::operation::create_security_group::CreateSecurityGroupError;
use aws_sdk_ec2::operation::create_subnet::CreateSubnetError;
use aws_sdk_ec2::operation::create_tags::CreateTagsError;
use aws_sdk_ec2::operation::create_vpc::CreateVpcError;
use aws_sdk_ec2::operation::create_vpc_endpoint::CreateVpcEndpointError;
use aws_sdk_ec2::operation::delete_internet_gateway::DeleteInternetGatewayError;
use aws_sdk_ec2::operation::delete_nat_gateway::DeleteNatGatewayError;
use aws_sdk_ec2::operation::delete_network_acl::DeleteNetworkAclError;
use aws_sdk_ec2::operation::delete_network_acl_entry::DeleteNetworkAclEntryError;
use aws_sdk_ec2::operation::delete_route::DeleteRouteError;
use aws_sdk_ec2::operation::delete_route_table::DeleteRouteTableError;
use aws_sdk_ec2::operation::delete_security_group::DeleteSecurityGroupError;
use aws_sdk_ec2::operation::delete_subnet::DeleteSubnetError;
use aws_sdk_ec2::operation::delete_tags::DeleteTagsError;
use aws_sdk_ec2::operation::delete_vpc::DeleteVpcError;
use aws_sdk_ec2::operation::delete_vpc_endpoints::DeleteVpcEndpointsError;
use aws_sdk_ec2::operation::describe_addresses::DescribeAddressesError;
use aws_sdk_ec2::operation::describe_availability_zones::DescribeAvailabilityZonesError;
use aws_sdk_ec2::operation::describe_instance_attribute::DescribeInstanceAttributeError;
use aws_sdk_ec2::operation::describe_instances::DescribeInstancesError;
use aws_sdk_ec2::operation::describe_internet_gateways::DescribeInternetGatewaysError;
use aws_sdk_ec2::operation::describe_nat_gateways::DescribeNatGatewaysError;
use aws_sdk_ec2::operation::describe_network_acls::DescribeNetworkAclsError;
use aws_sdk_ec2::operation::describe_network_interfaces::DescribeNetworkInterfacesError;
use aws_sdk_ec2::operation::describe_regions::DescribeRegionsError;
use aws_sdk_ec2::operation::describe_route_tables::DescribeRouteTablesError;
use aws_sdk_ec2::operation::describe_security_group_rules::DescribeSecurityGroupRulesError;
use aws_sdk_ec2::operation::describe_security_groups::DescribeSecurityGroupsError;
use aws_sdk_ec2::operation::describe_subnets::DescribeSubnetsError;
use aws_sdk_ec2::operation::describe_tags::DescribeTagsError;
use aws_sdk_ec2::operation::describe_vpc_attribute::DescribeVpcAttributeError;
use aws_sdk_ec2::operation::describe_vpc_endpoints::DescribeVpcEndpointsError;
use aws_sdk_ec2::operation::describe_vpcs::DescribeVpcsError;
use aws_sdk_ec2::operation::detach_internet_gateway::DetachInternetGatewayError;
use aws_sdk_ec2::operation::disassociate_route_table::DisassociateRouteTableError;
use aws_sdk_ec2::operation::modify_instance_attribute::ModifyInstanceAttributeError;
use aws_sdk_ec2::operation::modify_instance_metadata_options::ModifyInstanceMetadataOptionsError;
use aws_sdk_ec2::operation::modify_security_group_rules::ModifySecurityGroupRulesError;
use aws_sdk_ec2::operation::modify_subnet_attribute::ModifySubnetAttributeError;
use aws_sdk_ec2::operation::modify_vpc_attribute::ModifyVpcAttributeError;
use aws_sdk_ec2::operation::modify_vpc_endpoint::ModifyVpcEndpointError;
use aws_sdk_ec2::operation::release_address::ReleaseAddressError;
use aws_sdk_ec2::operation::replace_network_acl_association::ReplaceNetworkAclAssociationError;
use aws_sdk_ec2::operation::replace_route::ReplaceRouteError;
use aws_sdk_ec2::operation::replace_route_table_association::ReplaceRouteTableAssociationError;
use aws_sdk_ec2::operation::revoke_security_group_egress::RevokeSecurityGroupEgressError;
use aws_sdk_ec2::operation::revoke_security_group_ingress::RevokeSecurityGroupIngressError;
use aws_sdk_ec2::operation::run_instances::RunInstancesError;
use aws_sdk_ec2::operation::start_instances::StartInstancesError;
use aws_sdk_ec2::operation::stop_instances::StopInstancesError;
use aws_sdk_ec2::operation::terminate_instances::TerminateInstancesError;

use super::{Refusal, Table};

/// The code of "there is no such thing", by kind: EC2's spelling follows no rule.
pub(crate) fn not_found(kind: &str, id: &str) -> Refusal {
    let (code, message) = match kind {
        "vpc" => ("InvalidVpcID.NotFound", format!("The vpc ID '{id}' does not exist")),
        "subnet" => ("InvalidSubnetID.NotFound", format!("The subnet ID '{id}' does not exist")),
        "gateway" => ("InvalidInternetGatewayID.NotFound", format!("The internetGateway ID '{id}' does not exist")),
        "address" => ("InvalidAllocationID.NotFound", format!("The allocation ID '{id}' does not exist")),
        "nat" => ("NatGatewayNotFound", format!("NatGateway {id} was not found")),
        "table" => ("InvalidRouteTableID.NotFound", format!("The routeTable ID '{id}' does not exist")),
        "association" => ("InvalidAssociationID.NotFound", format!("The association ID '{id}' does not exist")),
        "group" => ("InvalidGroup.NotFound", format!("The security group '{id}' does not exist")),
        "rule" => ("InvalidSecurityGroupRuleId.NotFound", format!("The security group rule ID '{id}' does not exist")),
        "acl" => ("InvalidNetworkAclID.NotFound", format!("The networkAcl ID '{id}' does not exist")),
        "instance" => ("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist")),
        "endpoint" => ("InvalidVpcEndpointId.NotFound", format!("The Vpc Endpoint Id '{id}' does not exist")),
        "interface" => ("InvalidNetworkInterfaceID.NotFound", format!("The networkInterface ID '{id}' does not exist")),
        _ => ("InvalidID", format!("The ID '{id}' is not valid")),
    };
    Refusal::new(code, message)
}

/// The operations by the names of the API.
pub(crate) fn register(table: &mut Table) {
    table.on("EC2", "CreateVpc", CreateVpcError::generic, vpc::create_vpc);
    table.on("EC2", "DescribeVpcs", DescribeVpcsError::generic, vpc::describe_vpcs);
    table.on("EC2", "DescribeVpcAttribute", DescribeVpcAttributeError::generic, vpc::describe_vpc_attribute);
    table.on("EC2", "ModifyVpcAttribute", ModifyVpcAttributeError::generic, vpc::modify_vpc_attribute);
    table.on("EC2", "DeleteVpc", DeleteVpcError::generic, vpc::delete_vpc);

    table.on("EC2", "CreateSubnet", CreateSubnetError::generic, subnet::create_subnet);
    table.on("EC2", "DescribeSubnets", DescribeSubnetsError::generic, subnet::describe_subnets);
    table.on("EC2", "ModifySubnetAttribute", ModifySubnetAttributeError::generic, subnet::modify_subnet_attribute);
    table.on("EC2", "DeleteSubnet", DeleteSubnetError::generic, subnet::delete_subnet);

    table.on("EC2", "CreateInternetGateway", CreateInternetGatewayError::generic, gateway::create_internet_gateway);
    table.on("EC2", "AttachInternetGateway", AttachInternetGatewayError::generic, gateway::attach_internet_gateway);
    table.on(
        "EC2",
        "DescribeInternetGateways",
        DescribeInternetGatewaysError::generic,
        gateway::describe_internet_gateways,
    );
    table.on("EC2", "DetachInternetGateway", DetachInternetGatewayError::generic, gateway::detach_internet_gateway);
    table.on("EC2", "DeleteInternetGateway", DeleteInternetGatewayError::generic, gateway::delete_internet_gateway);
    table.on("EC2", "AllocateAddress", AllocateAddressError::generic, gateway::allocate_address);
    table.on("EC2", "DescribeAddresses", DescribeAddressesError::generic, gateway::describe_addresses);
    table.on("EC2", "ReleaseAddress", ReleaseAddressError::generic, gateway::release_address);

    table.on("EC2", "CreateNatGateway", CreateNatGatewayError::generic, nat::create_nat_gateway);
    table.on("EC2", "DescribeNatGateways", DescribeNatGatewaysError::generic, nat::describe_nat_gateways);
    table.on("EC2", "DeleteNatGateway", DeleteNatGatewayError::generic, nat::delete_nat_gateway);

    table.on("EC2", "CreateRouteTable", CreateRouteTableError::generic, routes::create_route_table);
    table.on("EC2", "DescribeRouteTables", DescribeRouteTablesError::generic, routes::describe_route_tables);
    table.on("EC2", "DeleteRouteTable", DeleteRouteTableError::generic, routes::delete_route_table);
    table.on("EC2", "CreateRoute", CreateRouteError::generic, routes::create_route);
    table.on("EC2", "ReplaceRoute", ReplaceRouteError::generic, routes::replace_route);
    table.on("EC2", "DeleteRoute", DeleteRouteError::generic, routes::delete_route);
    table.on("EC2", "AssociateRouteTable", AssociateRouteTableError::generic, routes::associate_route_table);
    table.on(
        "EC2",
        "ReplaceRouteTableAssociation",
        ReplaceRouteTableAssociationError::generic,
        routes::replace_route_table_association,
    );
    table.on("EC2", "DisassociateRouteTable", DisassociateRouteTableError::generic, routes::disassociate_route_table);

    table.on("EC2", "CreateSecurityGroup", CreateSecurityGroupError::generic, groups::create_security_group);
    table.on("EC2", "DescribeSecurityGroups", DescribeSecurityGroupsError::generic, groups::describe_security_groups);
    table.on("EC2", "DeleteSecurityGroup", DeleteSecurityGroupError::generic, groups::delete_security_group);
    table.on(
        "EC2",
        "AuthorizeSecurityGroupIngress",
        AuthorizeSecurityGroupIngressError::generic,
        rules::authorize_ingress,
    );
    table.on(
        "EC2",
        "AuthorizeSecurityGroupEgress",
        AuthorizeSecurityGroupEgressError::generic,
        rules::authorize_egress,
    );
    table.on(
        "EC2",
        "DescribeSecurityGroupRules",
        DescribeSecurityGroupRulesError::generic,
        rules::describe_security_group_rules,
    );
    table.on("EC2", "RevokeSecurityGroupIngress", RevokeSecurityGroupIngressError::generic, rules::revoke_ingress);
    table.on("EC2", "RevokeSecurityGroupEgress", RevokeSecurityGroupEgressError::generic, rules::revoke_egress);
    table.on(
        "EC2",
        "ModifySecurityGroupRules",
        ModifySecurityGroupRulesError::generic,
        rules::modify_security_group_rules,
    );

    table.on("EC2", "CreateNetworkAcl", CreateNetworkAclError::generic, acl::create_network_acl);
    table.on("EC2", "CreateNetworkAclEntry", CreateNetworkAclEntryError::generic, acl::create_network_acl_entry);
    table.on("EC2", "DeleteNetworkAclEntry", DeleteNetworkAclEntryError::generic, acl::delete_network_acl_entry);
    table.on(
        "EC2",
        "ReplaceNetworkAclAssociation",
        ReplaceNetworkAclAssociationError::generic,
        acl::replace_network_acl_association,
    );
    table.on("EC2", "DescribeNetworkAcls", DescribeNetworkAclsError::generic, acl::describe_network_acls);
    table.on("EC2", "DeleteNetworkAcl", DeleteNetworkAclError::generic, acl::delete_network_acl);

    table.on("EC2", "RunInstances", RunInstancesError::generic, launch::run_instances);
    table.on("EC2", "DescribeInstances", DescribeInstancesError::generic, instances::describe_instances);
    table.on(
        "EC2",
        "DescribeInstanceAttribute",
        DescribeInstanceAttributeError::generic,
        instances::describe_instance_attribute,
    );
    table.on(
        "EC2",
        "ModifyInstanceAttribute",
        ModifyInstanceAttributeError::generic,
        instances::modify_instance_attribute,
    );
    table.on(
        "EC2",
        "ModifyInstanceMetadataOptions",
        ModifyInstanceMetadataOptionsError::generic,
        instances::modify_instance_metadata_options,
    );
    table.on("EC2", "TerminateInstances", TerminateInstancesError::generic, instances::terminate_instances);
    table.on("EC2", "StopInstances", StopInstancesError::generic, instances::stop_instances);
    table.on("EC2", "StartInstances", StartInstancesError::generic, instances::start_instances);

    table.on("EC2", "CreateVpcEndpoint", CreateVpcEndpointError::generic, endpoints::create_vpc_endpoint);
    table.on("EC2", "DescribeVpcEndpoints", DescribeVpcEndpointsError::generic, endpoints::describe_vpc_endpoints);
    table.on("EC2", "ModifyVpcEndpoint", ModifyVpcEndpointError::generic, endpoints::modify_vpc_endpoint);
    table.on("EC2", "DeleteVpcEndpoints", DeleteVpcEndpointsError::generic, endpoints::delete_vpc_endpoints);

    table.on(
        "EC2",
        "DescribeNetworkInterfaces",
        DescribeNetworkInterfacesError::generic,
        eni::describe_network_interfaces,
    );
    table.on(
        "EC2",
        "DescribeAvailabilityZones",
        DescribeAvailabilityZonesError::generic,
        zones::describe_availability_zones,
    );
    table.on("EC2", "DescribeRegions", DescribeRegionsError::generic, zones::describe_regions);
    table.on("EC2", "CreateTags", CreateTagsError::generic, tags::create_tags);
    table.on("EC2", "DeleteTags", DeleteTagsError::generic, tags::delete_tags);
    table.on("EC2", "DescribeTags", DescribeTagsError::generic, tags::describe_tags);
}
