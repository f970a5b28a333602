//! VPCs, subnets, gateways, addresses, routes, network ACLs, zones.

use aws_sdk_ec2::operation::allocate_address::AllocateAddressInput;
use aws_sdk_ec2::operation::associate_route_table::AssociateRouteTableInput;
use aws_sdk_ec2::operation::attach_internet_gateway::AttachInternetGatewayInput;
use aws_sdk_ec2::operation::create_internet_gateway::CreateInternetGatewayInput;
use aws_sdk_ec2::operation::create_nat_gateway::CreateNatGatewayInput;
use aws_sdk_ec2::operation::create_network_acl::CreateNetworkAclInput;
use aws_sdk_ec2::operation::create_network_acl_entry::CreateNetworkAclEntryInput;
use aws_sdk_ec2::operation::create_route::CreateRouteInput;
use aws_sdk_ec2::operation::create_route_table::CreateRouteTableInput;
use aws_sdk_ec2::operation::create_subnet::CreateSubnetInput;
use aws_sdk_ec2::operation::create_vpc::CreateVpcInput;
use aws_sdk_ec2::operation::delete_internet_gateway::DeleteInternetGatewayInput;
use aws_sdk_ec2::operation::delete_nat_gateway::DeleteNatGatewayInput;
use aws_sdk_ec2::operation::delete_network_acl::DeleteNetworkAclInput;
use aws_sdk_ec2::operation::delete_network_acl_entry::DeleteNetworkAclEntryInput;
use aws_sdk_ec2::operation::delete_route::DeleteRouteInput;
use aws_sdk_ec2::operation::delete_route_table::DeleteRouteTableInput;
use aws_sdk_ec2::operation::delete_subnet::DeleteSubnetInput;
use aws_sdk_ec2::operation::delete_vpc::DeleteVpcInput;
use aws_sdk_ec2::operation::describe_addresses::DescribeAddressesInput;
use aws_sdk_ec2::operation::describe_availability_zones::DescribeAvailabilityZonesInput;
use aws_sdk_ec2::operation::describe_internet_gateways::DescribeInternetGatewaysInput;
use aws_sdk_ec2::operation::describe_nat_gateways::DescribeNatGatewaysInput;
use aws_sdk_ec2::operation::describe_network_acls::DescribeNetworkAclsInput;
use aws_sdk_ec2::operation::describe_network_interfaces::DescribeNetworkInterfacesInput;
use aws_sdk_ec2::operation::describe_regions::DescribeRegionsInput;
use aws_sdk_ec2::operation::describe_route_tables::DescribeRouteTablesInput;
use aws_sdk_ec2::operation::describe_subnets::DescribeSubnetsInput;
use aws_sdk_ec2::operation::describe_vpc_attribute::DescribeVpcAttributeInput;
use aws_sdk_ec2::operation::describe_vpcs::DescribeVpcsInput;
use aws_sdk_ec2::operation::detach_internet_gateway::DetachInternetGatewayInput;
use aws_sdk_ec2::operation::disassociate_route_table::DisassociateRouteTableInput;
use aws_sdk_ec2::operation::modify_subnet_attribute::ModifySubnetAttributeInput;
use aws_sdk_ec2::operation::modify_vpc_attribute::ModifyVpcAttributeInput;
use aws_sdk_ec2::operation::release_address::ReleaseAddressInput;
use aws_sdk_ec2::operation::replace_network_acl_association::ReplaceNetworkAclAssociationInput;
use aws_sdk_ec2::operation::replace_route::ReplaceRouteInput;
use aws_sdk_ec2::operation::replace_route_table_association::ReplaceRouteTableAssociationInput;
use aws_sdk_ec2::types::{
    AttributeBooleanValue, ConnectivityType, NatGateway, PortRange, Route, RouteState, RuleAction, SubnetState,
    VpcAttributeName, VpcState,
};

use super::super::{acl, attach_eni, eni, gateway, nat, release_eni_at, routes, subnet, vpc, zones};
use super::{Lab, filter, refused};

fn on() -> AttributeBooleanValue {
    AttributeBooleanValue::builder().value(true).build()
}

#[test]
fn a_vpc_is_pending_and_then_available_with_its_implicit_children() {
    let mut lab = Lab::new();
    let made = lab.ok(vpc::create_vpc, CreateVpcInput::builder().cidr_block("100.68.0.18/18").build()).vpc.unwrap();
    assert_eq!((made.cidr_block(), made.state()), (Some("100.68.0.0/18"), Some(&VpcState::Pending)));
    lab.wait_s(2);
    let read = lab.ok(vpc::describe_vpcs, DescribeVpcsInput::builder().filters(filter("state", "available")).build());
    assert_eq!(read.vpcs().len(), 1);
    let region = lab.region();
    assert_eq!((region.route_tables.len(), region.groups.len(), region.acls.len()), (1, 1, 1));
    lab.ok(vpc::delete_vpc, DeleteVpcInput::builder().vpc_id(made.vpc_id().unwrap()).build());
    let region = lab.region();
    assert_eq!((region.route_tables.len(), region.groups.len(), region.acls.len()), (0, 0, 0));
}

#[test]
fn vpcs_that_ec2_refuses() {
    let mut lab = Lab::new();
    let cidr = |cidr: &str| CreateVpcInput::builder().cidr_block(cidr);
    refused!(lab, vpc::create_vpc:
        CreateVpcInput::builder() => "MissingParameter",
        cidr("10.0.0.0") => "InvalidParameterValue",
        cidr("10.0.0.0/8") => "InvalidVpc.Range",
        cidr("10.0.0.0/29") => "InvalidVpc.Range",
        cidr("169.254.0.0/16") => "InvalidVpc.Range",
        cidr("10.0.0.0/16").dry_run(true) => "DryRunOperation",
        cidr("10.0.0.0/16").amazon_provided_ipv6_cidr_block(true) => "NotSimulated",
    );
    for _ in 0..5 {
        lab.vpc();
    }
    refused!(lab, vpc::create_vpc: cidr("10.0.0.0/16") => "VpcLimitExceeded");
    refused!(lab, vpc::delete_vpc: DeleteVpcInput::builder().vpc_id("vpc-0") => "InvalidVpcID.NotFound");
}

#[test]
fn vpc_attributes_change_one_at_a_time() {
    let mut lab = Lab::new();
    let id = lab.vpc();
    let modify = || ModifyVpcAttributeInput::builder().vpc_id(&id);
    refused!(lab, vpc::modify_vpc_attribute:
        modify() => "MissingParameter",
        modify().enable_dns_support(on()).enable_dns_hostnames(on()) => "InvalidParameterCombination",
        modify().vpc_id("vpc-0").enable_dns_support(on()) => "InvalidVpcID.NotFound",
    );
    let read = |lab: &mut Lab, attribute| {
        let input = DescribeVpcAttributeInput::builder().vpc_id(&id).attribute(attribute).build();
        lab.ok(vpc::describe_vpc_attribute, input)
    };
    let hostnames = read(&mut lab, VpcAttributeName::EnableDnsHostnames);
    assert_eq!(hostnames.enable_dns_hostnames().unwrap().value(), Some(false));
    lab.ok(vpc::modify_vpc_attribute, modify().enable_dns_hostnames(on()).build());
    let hostnames = read(&mut lab, VpcAttributeName::EnableDnsHostnames);
    assert_eq!(hostnames.enable_dns_hostnames().unwrap().value(), Some(true));
    assert!(hostnames.enable_dns_support().is_none(), "only what was asked for");
    let support = read(&mut lab, VpcAttributeName::EnableDnsSupport);
    assert_eq!(support.enable_dns_support().unwrap().value(), Some(true));
}

#[test]
fn a_vpc_goes_last() {
    let mut lab = Lab::new();
    let id = lab.vpc();
    let delete = || DeleteVpcInput::builder().vpc_id(&id);
    let subnet_id = lab.subnet(&id, 1, "a");
    refused!(lab, vpc::delete_vpc: delete() => "DependencyViolation");
    lab.ok(subnet::delete_subnet, DeleteSubnetInput::builder().subnet_id(&subnet_id).build());
    let gateway_id = lab.internet_gateway(&id);
    refused!(lab, vpc::delete_vpc: delete() => "DependencyViolation");
    let detach = DetachInternetGatewayInput::builder().internet_gateway_id(&gateway_id).vpc_id(&id).build();
    lab.ok(gateway::detach_internet_gateway, detach);
    let table = lab.table(&id);
    refused!(lab, vpc::delete_vpc: delete() => "DependencyViolation");
    lab.ok(routes::delete_route_table, DeleteRouteTableInput::builder().route_table_id(&table).build());
    lab.group(&id, "web");
    refused!(lab, vpc::delete_vpc: delete() => "DependencyViolation");
}

#[test]
fn subnets_that_ec2_refuses() {
    let mut lab = Lab::new();
    let id = lab.vpc();
    lab.subnet(&id, 1, "a");
    let cidr = |cidr: &str| CreateSubnetInput::builder().vpc_id(&id).cidr_block(cidr);
    refused!(lab, subnet::create_subnet:
        cidr("10.0.2.0/24").vpc_id("vpc-0") => "InvalidVpcID.NotFound",
        cidr("10.0.1.128/25") => "InvalidSubnet.Conflict",
        cidr("10.1.0.0/24") => "InvalidSubnet.Range",
        cidr("10.0.2.0/29") => "InvalidSubnet.Range",
        cidr("10.0.2.0/24").availability_zone("us-east-1z") => "InvalidParameterValue",
        cidr("10.0.2.0/24").availability_zone("us-west-2a") => "InvalidParameterValue",
        cidr("10.0.2.0/24").availability_zone("us-east-1a").availability_zone_id("use1-az1")
            => "InvalidParameterCombination",
        cidr("10.0.2.0/24").ipv6_cidr_block("2001:db8::/64") => "NotSimulated",
    );
    refused!(lab, subnet::delete_subnet: DeleteSubnetInput::builder().subnet_id("subnet-0") => "InvalidSubnetID.NotFound");
}

#[test]
fn a_subnet_counts_its_free_addresses_and_knows_its_zone() {
    let mut lab = Lab::new();
    let id = lab.vpc();
    let subnet_id = lab.subnet(&id, 1, "b");
    let read = |lab: &mut Lab| {
        let input = DescribeSubnetsInput::builder().filters(filter("vpc-id", &id)).build();
        lab.ok(subnet::describe_subnets, input).subnets.unwrap().remove(0)
    };
    lab.wait_s(2);
    let before = read(&mut lab);
    assert_eq!((before.available_ip_address_count(), before.state()), (Some(251), Some(&SubnetState::Available)));
    assert_eq!(before.availability_zone(), Some("us-east-1b"));
    assert!(before.availability_zone_id().unwrap().starts_with("use1-az"));
    let eni = attach_eni(&mut lab.world, "us-east-1", &subnet_id, &[], "ELB app/web/1", "interface").unwrap();
    assert_eq!(read(&mut lab).available_ip_address_count(), Some(250));
    refused!(lab, subnet::delete_subnet: DeleteSubnetInput::builder().subnet_id(&subnet_id) => "DependencyViolation");
    let at_ms = lab.call.now_ms + 60_000;
    release_eni_at(&mut lab.world, "us-east-1", &eni, at_ms);
    lab.wait_s(59);
    refused!(lab, subnet::delete_subnet: DeleteSubnetInput::builder().subnet_id(&subnet_id) => "DependencyViolation");
    lab.wait_s(1);
    lab.ok(subnet::delete_subnet, DeleteSubnetInput::builder().subnet_id(&subnet_id).build());
}

#[test]
fn an_interface_tells_its_owner() {
    let mut lab = Lab::new();
    let id = lab.vpc();
    let subnet_id = lab.subnet(&id, 1, "a");
    attach_eni(&mut lab.world, "us-east-1", &subnet_id, &[], "ELB app/web/1", "interface").unwrap();
    let find = |lab: &mut Lab, name: &str, value: &str| {
        let input = DescribeNetworkInterfacesInput::builder().filters(filter(name, value)).build();
        lab.ok(eni::describe_network_interfaces, input).network_interfaces.unwrap()
    };
    let found = find(&mut lab, "attachment.instance-owner-id", "amazon-elb");
    assert_eq!((found.len(), found[0].requester_managed()), (1, Some(true)));
    assert_eq!(find(&mut lab, "description", "ELB app/*").len(), 1);
    assert_eq!(find(&mut lab, "interface-type", "natGateway").len(), 0);
    assert_eq!(find(&mut lab, "subnet-id", &subnet_id).len(), 1);
    refused!(lab, eni::describe_network_interfaces:
        DescribeNetworkInterfacesInput::builder().network_interface_ids("eni-0") => "InvalidNetworkInterfaceID.NotFound",
        DescribeNetworkInterfacesInput::builder().network_interface_ids("eni-0").max_results(5)
            => "InvalidParameterCombination",
    );
    let missing = attach_eni(&mut lab.world, "us-east-1", "subnet-0", &[], "", "interface").unwrap_err();
    assert_eq!(missing.code, "InvalidSubnetID.NotFound");
    let group = ["sg-0".to_owned()];
    let missing = attach_eni(&mut lab.world, "us-east-1", &subnet_id, &group, "", "interface").unwrap_err();
    assert_eq!(missing.code, "InvalidGroup.NotFound");
}

#[test]
fn subnet_attributes_change_one_at_a_time() {
    let mut lab = Lab::new();
    let id = lab.vpc();
    let subnet_id = lab.subnet(&id, 1, "a");
    let modify = || ModifySubnetAttributeInput::builder().subnet_id(&subnet_id);
    refused!(lab, subnet::modify_subnet_attribute:
        modify() => "MissingParameter",
        modify().enable_dns64(on()) => "NotSimulated",
        modify().subnet_id("subnet-0").map_public_ip_on_launch(on()) => "InvalidSubnetID.NotFound",
    );
    lab.ok(subnet::modify_subnet_attribute, modify().map_public_ip_on_launch(on()).build());
    assert!(lab.region().subnets[&subnet_id].map_public_ip);
}

#[test]
fn one_internet_gateway_per_vpc() {
    let mut lab = Lab::new();
    let (first, second) = (lab.vpc(), lab.vpc());
    let id = lab.internet_gateway(&first);
    let other = lab.ok(gateway::create_internet_gateway, CreateInternetGatewayInput::builder().build());
    let other = other.internet_gateway.unwrap().internet_gateway_id.unwrap();
    let attach = |id: &str, vpc: &str| AttachInternetGatewayInput::builder().internet_gateway_id(id).vpc_id(vpc);
    refused!(lab, gateway::attach_internet_gateway:
        attach(&id, &second) => "Resource.AlreadyAssociated",
        attach(&other, &first) => "InvalidParameterValue",
        attach("igw-0", &second) => "InvalidInternetGatewayID.NotFound",
        attach(&other, "vpc-0") => "InvalidVpcID.NotFound",
    );
    let detach = |id: &str, vpc: &str| DetachInternetGatewayInput::builder().internet_gateway_id(id).vpc_id(vpc);
    refused!(lab, gateway::detach_internet_gateway:
        detach(&id, &second) => "Gateway.NotAttached",
        detach("igw-0", &second) => "InvalidInternetGatewayID.NotFound",
    );
    refused!(lab, gateway::delete_internet_gateway:
        DeleteInternetGatewayInput::builder().internet_gateway_id(&id) => "DependencyViolation",
        DeleteInternetGatewayInput::builder().internet_gateway_id("igw-0") => "InvalidInternetGatewayID.NotFound",
    );
    let input = DescribeInternetGatewaysInput::builder().filters(filter("attachment.vpc-id", &first)).build();
    let found = lab.ok(gateway::describe_internet_gateways, input).internet_gateways.unwrap();
    assert_eq!(found[0].attachments()[0].state().unwrap().as_str(), "available");
    lab.ok(gateway::detach_internet_gateway, detach(&id, &first).build());
    lab.ok(gateway::delete_internet_gateway, DeleteInternetGatewayInput::builder().internet_gateway_id(&id).build());
    for _ in 0..4 {
        lab.ok(gateway::create_internet_gateway, CreateInternetGatewayInput::builder().build());
    }
    refused!(lab, gateway::create_internet_gateway:
        CreateInternetGatewayInput::builder() => "InternetGatewayLimitExceeded");
}

#[test]
fn five_addresses_per_region() {
    let mut lab = Lab::new();
    let ids: Vec<String> = (0..5).map(|_| lab.address()).collect();
    refused!(lab, gateway::allocate_address:
        AllocateAddressInput::builder() => "AddressLimitExceeded",
        AllocateAddressInput::builder().network_border_group("us-west-2") => "InvalidNetworkBorderGroup",
    );
    lab.ok(gateway::release_address, ReleaseAddressInput::builder().allocation_id(&ids[0]).build());
    refused!(lab, gateway::release_address:
        ReleaseAddressInput::builder().allocation_id(&ids[0]) => "InvalidAllocationID.NotFound",
        ReleaseAddressInput::builder().public_ip("198.18.0.1") => "MissingParameter",
    );
    refused!(lab, gateway::describe_addresses:
        DescribeAddressesInput::builder().allocation_ids(&ids[0]) => "InvalidAllocationID.NotFound",
        DescribeAddressesInput::builder().public_ips("198.18.9.9") => "InvalidAddress.NotFound",
    );
    let all = lab.ok(gateway::describe_addresses, DescribeAddressesInput::builder().build());
    assert_eq!(all.addresses().len(), 4);
}

fn read_nat(lab: &mut Lab, id: &str) -> NatGateway {
    let input = DescribeNatGatewaysInput::builder().nat_gateway_ids(id).build();
    lab.ok(nat::describe_nat_gateways, input).nat_gateways.unwrap().remove(0)
}

fn nat_state(lab: &mut Lab, id: &str) -> String {
    read_nat(lab, id).state().unwrap().as_str().to_owned()
}

#[test]
fn the_life_of_a_nat_gateway() {
    let mut lab = Lab::new();
    let vpc = lab.vpc();
    let subnet_id = lab.subnet(&vpc, 1, "a");
    let gateway_id = lab.internet_gateway(&vpc);
    let address = lab.address();
    let id = lab.nat(&subnet_id, &address);
    assert_eq!(nat_state(&mut lab, &id), "pending");
    lab.wait_s(106);
    assert_eq!(nat_state(&mut lab, &id), "available");
    let shown = read_nat(&mut lab, &id);
    assert_eq!(shown.nat_gateway_addresses()[0].allocation_id(), Some(address.as_str()));
    assert_eq!(shown.nat_gateway_addresses()[0].private_ip(), Some("10.0.1.4"));

    let release = || ReleaseAddressInput::builder().allocation_id(&address);
    let detach = || DetachInternetGatewayInput::builder().internet_gateway_id(&gateway_id).vpc_id(&vpc);
    refused!(lab, gateway::release_address: release() => "InvalidIPAddress.InUse");
    refused!(lab, gateway::detach_internet_gateway: detach() => "DependencyViolation");
    refused!(lab, subnet::delete_subnet: DeleteSubnetInput::builder().subnet_id(&subnet_id) => "DependencyViolation");

    let delete = || DeleteNatGatewayInput::builder().nat_gateway_id(&id);
    lab.ok(nat::delete_nat_gateway, delete().build());
    lab.ok(nat::delete_nat_gateway, delete().build());
    lab.wait_s(57);
    assert_eq!(nat_state(&mut lab, &id), "deleting");
    refused!(lab, gateway::release_address: release() => "InvalidIPAddress.InUse");
    lab.wait_s(1);
    assert_eq!(nat_state(&mut lab, &id), "deleted");
    refused!(lab, nat::delete_nat_gateway: delete() => "NatGatewayNotFound");
    lab.ok(gateway::release_address, release().build());
    lab.ok(gateway::detach_internet_gateway, detach().build());
    lab.ok(subnet::delete_subnet, DeleteSubnetInput::builder().subnet_id(&subnet_id).build());
    lab.wait_s(3599);
    assert_eq!(nat_state(&mut lab, &id), "deleted", "visible for about an hour");
    lab.wait_s(1);
    refused!(lab, nat::describe_nat_gateways:
        DescribeNatGatewaysInput::builder().nat_gateway_ids(&id) => "NatGatewayNotFound");
}

#[test]
fn a_nat_gateway_fails_later_than_it_is_created() {
    let mut lab = Lab::new();
    let vpc = lab.vpc();
    let subnet_id = lab.subnet(&vpc, 1, "a");
    let address = lab.address();
    let failure = |lab: &mut Lab, subnet: &str, address: &str| {
        let id = lab.nat(subnet, address);
        assert_eq!(nat_state(lab, &id), "pending");
        lab.wait_s(10);
        let shown = read_nat(lab, &id);
        assert_eq!(shown.state().unwrap().as_str(), "failed");
        shown.failure_code().unwrap().to_owned()
    };
    assert_eq!(failure(&mut lab, &subnet_id, &address), "Gateway.NotAttached");
    lab.internet_gateway(&vpc);
    assert_eq!(failure(&mut lab, &subnet_id, "eipalloc-0"), "InvalidAllocationID.NotFound");
    let good = lab.nat(&subnet_id, &address);
    assert_eq!(failure(&mut lab, &subnet_id, &address), "Resource.AlreadyAssociated");
    lab.wait_s(100);
    assert_eq!(nat_state(&mut lab, &good), "available");
    let small = CreateSubnetInput::builder().vpc_id(&vpc).cidr_block("10.0.2.0/28").build();
    let small = lab.ok(subnet::create_subnet, small).subnet.unwrap().subnet_id.unwrap();
    for _ in 0..11 {
        attach_eni(&mut lab.world, "us-east-1", &small, &[], "", "interface").unwrap();
    }
    let other = lab.address();
    assert_eq!(failure(&mut lab, &small, &other), "InsufficientFreeAddressesInSubnet");
    lab.wait_s(3600);
    let all = lab.ok(nat::describe_nat_gateways, DescribeNatGatewaysInput::builder().build());
    assert_eq!(all.nat_gateways().len(), 1, "failed ones remove themselves");
}

#[test]
fn nat_gateways_that_ec2_refuses_at_once() {
    let mut lab = Lab::new();
    let vpc = lab.vpc();
    let subnet_id = lab.subnet(&vpc, 1, "a");
    lab.internet_gateway(&vpc);
    let address = lab.address();
    let create = |token: &str| CreateNatGatewayInput::builder().subnet_id(&subnet_id).client_token(token);
    refused!(lab, nat::create_nat_gateway:
        create("1") => "MissingParameter",
        create("1").subnet_id("subnet-0").allocation_id(&address) => "InvalidSubnetID.NotFound",
        create("1").connectivity_type(ConnectivityType::Private).allocation_id(&address) => "InvalidParameter",
        create(&"x".repeat(65)).allocation_id(&address) => "InvalidParameterValue",
    );
    let first = lab.ok(nat::create_nat_gateway, create("2").allocation_id(&address).build());
    let again = lab.ok(nat::create_nat_gateway, create("2").allocation_id(&address).build());
    let id = |gateway: Option<NatGateway>| gateway.unwrap().nat_gateway_id.unwrap();
    assert_eq!(id(first.nat_gateway), id(again.nat_gateway));
    refused!(lab, nat::create_nat_gateway:
        create("2").connectivity_type(ConnectivityType::Private) => "IdempotentParameterMismatch");
    for n in 3..7 {
        let input = create(&n.to_string()).connectivity_type(ConnectivityType::Private).build();
        lab.ok(nat::create_nat_gateway, input);
    }
    refused!(lab, nat::create_nat_gateway:
        create("7").connectivity_type(ConnectivityType::Private) => "NatGatewayLimitExceeded");
}

fn read_routes(lab: &mut Lab, table: &str) -> Vec<Route> {
    let input = DescribeRouteTablesInput::builder().route_table_ids(table).build();
    lab.ok(routes::describe_route_tables, input).route_tables.unwrap().remove(0).routes.unwrap()
}

#[test]
fn routes_have_a_target_that_exists_and_turn_into_black_holes_without_it() {
    let mut lab = Lab::new();
    let (vpc, other) = (lab.vpc(), lab.vpc());
    let subnet_id = lab.subnet(&vpc, 1, "a");
    let gateway_id = lab.internet_gateway(&vpc);
    let elsewhere = lab.internet_gateway(&other);
    let address = lab.address();
    let nat_id = lab.nat(&subnet_id, &address);
    let table = lab.table(&vpc);
    let create = || CreateRouteInput::builder().route_table_id(&table).destination_cidr_block("0.0.0.0/0");
    refused!(lab, routes::create_route:
        create() => "MissingParameter",
        create().gateway_id(&gateway_id).nat_gateway_id(&nat_id) => "InvalidParameterCombination",
        create().gateway_id("igw-0") => "InvalidGatewayID.NotFound",
        create().gateway_id(&elsewhere) => "InvalidParameterValue",
        create().nat_gateway_id("nat-0") => "InvalidNatGatewayID.NotFound",
        create().network_interface_id("eni-0") => "InvalidNetworkInterfaceID.NotFound",
        create().route_table_id("rtb-0").gateway_id(&gateway_id) => "InvalidRouteTableID.NotFound",
        create().destination_cidr_block("10.0.0.0/16").gateway_id(&gateway_id) => "RouteAlreadyExists",
        create().destination_cidr_block("nonsense").gateway_id(&gateway_id) => "InvalidParameterValue",
        create().transit_gateway_id("tgw-0") => "NotSimulated",
    );
    lab.ok(routes::create_route, create().nat_gateway_id(&nat_id).build());
    refused!(lab, routes::create_route: create().gateway_id(&gateway_id) => "RouteAlreadyExists");
    assert_eq!(read_routes(&mut lab, &table)[1].state(), Some(&RouteState::Active), "a pending NAT gateway will do");
    lab.ok(nat::delete_nat_gateway, DeleteNatGatewayInput::builder().nat_gateway_id(&nat_id).build());
    assert_eq!(read_routes(&mut lab, &table)[1].state(), Some(&RouteState::Blackhole));
    let replace = || ReplaceRouteInput::builder().route_table_id(&table).gateway_id(&gateway_id);
    refused!(lab, routes::replace_route: replace().destination_cidr_block("9.0.0.0/8") => "InvalidParameterValue");
    lab.ok(routes::replace_route, replace().destination_cidr_block("0.0.0.0/0").build());
    let route = &read_routes(&mut lab, &table)[1];
    assert_eq!((route.gateway_id(), route.state()), (Some(gateway_id.as_str()), Some(&RouteState::Active)));
    let delete = |cidr: &str| DeleteRouteInput::builder().route_table_id(&table).destination_cidr_block(cidr);
    refused!(lab, routes::delete_route:
        delete("10.0.0.0/16") => "InvalidParameterValue",
        delete("9.0.0.0/8") => "InvalidRoute.NotFound",
    );
    lab.ok(routes::delete_route, delete("0.0.0.0/0").build());
    assert_eq!(read_routes(&mut lab, &table).len(), 1);
}

#[test]
fn a_subnet_has_one_route_table() {
    let mut lab = Lab::new();
    let (vpc, other) = (lab.vpc(), lab.vpc());
    let subnet_id = lab.subnet(&vpc, 1, "a");
    let (first, second, foreign) = (lab.table(&vpc), lab.table(&vpc), lab.table(&other));
    let associate = |table: &str| AssociateRouteTableInput::builder().route_table_id(table).subnet_id(&subnet_id);
    refused!(lab, routes::associate_route_table:
        associate("rtb-0") => "InvalidRouteTableID.NotFound",
        associate(&first).subnet_id("subnet-0") => "InvalidSubnetID.NotFound",
        associate(&foreign) => "InvalidParameterValue",
    );
    let id = lab.ok(routes::associate_route_table, associate(&first).build()).association_id.unwrap();
    refused!(lab, routes::associate_route_table:
        associate(&second) => "Resource.AlreadyAssociated",
        associate(&first) => "Resource.AlreadyAssociated",
    );
    refused!(lab, routes::delete_route_table:
        DeleteRouteTableInput::builder().route_table_id(&first) => "DependencyViolation");
    let replace =
        |id: &str, table: &str| ReplaceRouteTableAssociationInput::builder().association_id(id).route_table_id(table);
    refused!(lab, routes::replace_route_table_association:
        replace("rtbassoc-0", &second) => "InvalidAssociationID.NotFound",
        replace(&id, "rtb-0") => "InvalidRouteTableID.NotFound",
        replace(&id, &foreign) => "InvalidParameterValue",
    );
    let moved = lab.ok(routes::replace_route_table_association, replace(&id, &second).build());
    let new_id = moved.new_association_id.unwrap();
    assert_ne!(new_id, id);
    let find = DescribeRouteTablesInput::builder().filters(filter("association.subnet-id", &subnet_id)).build();
    let found = lab.ok(routes::describe_route_tables, find).route_tables.unwrap();
    assert_eq!((found.len(), found[0].route_table_id()), (1, Some(second.as_str())));
    lab.ok(routes::delete_route_table, DeleteRouteTableInput::builder().route_table_id(&first).build());
    let leave = |id: &str| DisassociateRouteTableInput::builder().association_id(id);
    refused!(lab, routes::disassociate_route_table: leave(&id) => "InvalidAssociationID.NotFound");
    lab.ok(routes::disassociate_route_table, leave(&new_id).build());
    let subnet = lab.region().subnets[&subnet_id].clone();
    assert!(lab.region().route_table_of(&subnet).unwrap().main.is_some(), "back to the main table");
}

#[test]
fn the_main_table_stays_and_can_be_another_one() {
    let mut lab = Lab::new();
    let vpc = lab.vpc();
    let main = lab.region().route_tables.values().next().unwrap().clone();
    let association = main.main.clone().unwrap();
    refused!(lab, routes::delete_route_table:
        DeleteRouteTableInput::builder().route_table_id(&main.id) => "DependencyViolation");
    refused!(lab, routes::disassociate_route_table:
        DisassociateRouteTableInput::builder().association_id(&association) => "InvalidParameterValue");
    let table = lab.table(&vpc);
    let replace = ReplaceRouteTableAssociationInput::builder().association_id(association).route_table_id(&table);
    lab.ok(routes::replace_route_table_association, replace.build());
    let find = DescribeRouteTablesInput::builder().filters(filter("association.main", "true")).build();
    let found = lab.ok(routes::describe_route_tables, find).route_tables.unwrap();
    assert_eq!((found.len(), found[0].route_table_id()), (1, Some(table.as_str())));
    lab.ok(routes::delete_route_table, DeleteRouteTableInput::builder().route_table_id(&main.id).build());
}

#[test]
fn a_route_table_token_is_for_one_table() {
    let mut lab = Lab::new();
    let (vpc, other) = (lab.vpc(), lab.vpc());
    let create = |vpc: &str| CreateRouteTableInput::builder().vpc_id(vpc).client_token("once");
    let id = |lab: &mut Lab| {
        let made = lab.ok(routes::create_route_table, create(&vpc).build());
        made.route_table.unwrap().route_table_id.unwrap()
    };
    assert_eq!(id(&mut lab), id(&mut lab));
    refused!(lab, routes::create_route_table: create(&other) => "IdempotentParameterMismatch");
}

#[test]
fn a_network_acl_replaces_the_default_one() {
    let mut lab = Lab::new();
    let vpc = lab.vpc();
    let subnet_id = lab.subnet(&vpc, 1, "a");
    let made = lab.ok(acl::create_network_acl, CreateNetworkAclInput::builder().vpc_id(&vpc).build());
    let id = made.network_acl.unwrap().network_acl_id.unwrap();
    refused!(lab, acl::create_network_acl: CreateNetworkAclInput::builder().vpc_id("vpc-0") => "InvalidVpcID.NotFound");
    let entry = |number: i32| {
        CreateNetworkAclEntryInput::builder()
            .network_acl_id(&id)
            .rule_number(number)
            .protocol("6")
            .rule_action(RuleAction::Allow)
            .egress(false)
            .cidr_block("0.0.0.0/0")
    };
    let ports = |from: i32, to: i32| PortRange::builder().from(from).to(to).build();
    refused!(lab, acl::create_network_acl_entry:
        entry(0).port_range(ports(80, 80)) => "InvalidParameterValue",
        entry(32_767).port_range(ports(80, 80)) => "InvalidParameterValue",
        entry(100) => "MissingParameter",
        entry(100).port_range(ports(80, 70)) => "InvalidParameterValue",
        entry(100).network_acl_id("acl-0").port_range(ports(80, 80)) => "InvalidNetworkAclID.NotFound",
        entry(100).protocol("1") => "MissingParameter",
    );
    lab.ok(acl::create_network_acl_entry, entry(100).port_range(ports(80, 80)).build());
    refused!(lab, acl::create_network_acl_entry: entry(100).port_range(ports(81, 81)) => "NetworkAclEntryAlreadyExists");
    let read = |lab: &mut Lab, name: &str, value: &str| {
        let input = DescribeNetworkAclsInput::builder().filters(filter(name, value)).build();
        lab.ok(acl::describe_network_acls, input).network_acls.unwrap()
    };
    assert_eq!(read(&mut lab, "network-acl-id", &id)[0].entries().len(), 3, "with the two that deny");
    let default = read(&mut lab, "association.subnet-id", &subnet_id).remove(0);
    assert_eq!(default.is_default(), Some(true));
    let old = default.associations()[0].network_acl_association_id().unwrap();
    let replace = |association: &str, acl: &str| {
        ReplaceNetworkAclAssociationInput::builder().association_id(association).network_acl_id(acl)
    };
    refused!(lab, acl::replace_network_acl_association:
        replace("aclassoc-0", &id) => "InvalidAssociationID.NotFound",
        replace(old, "acl-0") => "InvalidNetworkAclID.NotFound",
    );
    lab.ok(acl::replace_network_acl_association, replace(old, &id).build());
    assert_eq!(read(&mut lab, "association.subnet-id", &subnet_id)[0].network_acl_id(), Some(id.as_str()));
    refused!(lab, acl::delete_network_acl:
        DeleteNetworkAclInput::builder().network_acl_id(&id) => "DependencyViolation",
        DeleteNetworkAclInput::builder().network_acl_id(default.network_acl_id().unwrap()) => "InvalidParameterValue",
    );
    let gone =
        |number: i32| DeleteNetworkAclEntryInput::builder().network_acl_id(&id).rule_number(number).egress(false);
    lab.ok(acl::delete_network_acl_entry, gone(100).build());
    refused!(lab, acl::delete_network_acl_entry: gone(100) => "InvalidNetworkAclEntry.NotFound");
    lab.ok(subnet::delete_subnet, DeleteSubnetInput::builder().subnet_id(&subnet_id).build());
    lab.ok(acl::delete_network_acl, DeleteNetworkAclInput::builder().network_acl_id(&id).build());
}

#[test]
fn lists_come_in_pages_and_filters_must_exist() {
    let mut lab = Lab::new();
    let vpc = lab.vpc();
    let mut made: Vec<String> = (0..12).map(|n| lab.subnet(&vpc, n, "a")).collect();
    let (mut read, mut token) = (Vec::new(), None);
    loop {
        let input = DescribeSubnetsInput::builder().max_results(5).set_next_token(token).build();
        let page = lab.ok(subnet::describe_subnets, input);
        assert!(page.subnets().len() <= 5);
        read.extend(page.subnets().iter().map(|subnet| subnet.subnet_id().unwrap().to_owned()));
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    made.sort();
    assert_eq!(read, made);
    refused!(lab, subnet::describe_subnets:
        DescribeSubnetsInput::builder().max_results(4) => "InvalidParameterValue",
        DescribeSubnetsInput::builder().next_token("x") => "InvalidNextToken",
        DescribeSubnetsInput::builder().filters(filter("colour", "red")) => "InvalidParameterValue",
        DescribeSubnetsInput::builder().subnet_ids("subnet-0") => "InvalidSubnetID.NotFound",
    );
}

#[test]
fn zones_have_names_and_ids_and_disabled_regions_are_listed_on_request() {
    let mut lab = Lab::new();
    let input = DescribeAvailabilityZonesInput::builder().filters(filter("zone-type", "availability-zone")).build();
    let found = lab.ok(zones::describe_availability_zones, input).availability_zones.unwrap();
    assert_eq!(found.len(), 6);
    assert_eq!(found[0].zone_name(), Some("us-east-1a"));
    let mut ids: Vec<_> = found.iter().map(|zone| zone.zone_id().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["use1-az1", "use1-az2", "use1-az3", "use1-az4", "use1-az5", "use1-az6"]);
    refused!(lab, zones::describe_availability_zones:
        DescribeAvailabilityZonesInput::builder().zone_names("us-west-2a") => "InvalidParameterValue");
    let regions = |lab: &mut Lab, all: bool| {
        let input = DescribeRegionsInput::builder().all_regions(all).build();
        lab.ok(zones::describe_regions, input).regions.unwrap().len()
    };
    assert!(regions(&mut lab, false) >= 17);
    assert!(regions(&mut lab, true) > regions(&mut lab, false));
}
