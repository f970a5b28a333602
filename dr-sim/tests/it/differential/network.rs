//! Networks: EC2 without servers.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{
    AttributeBooleanValue, DomainType, Filter, IpPermission, IpRange, ResourceType, RuleAction, Tag, TagSpecification,
    UserIdGroupPair, VpcAttributeName,
};
use serde_json::json;

use crate::differential::script::Script;

pub(crate) const EAST: &str = "us-east-1";
pub(crate) const WEST: &str = "us-west-2";

/// What the other parts build on.
pub(crate) struct Network {
    pub(crate) ec2: Client,
    pub(crate) vpc: String,
    /// Of the first zone, of the second, and of the first again.
    pub(crate) subnets: [String; 3],
    pub(crate) gateway: String,
    pub(crate) address: String,
    pub(crate) nat: String,
    /// `alb` admits `link`.
    pub(crate) link: String,
    pub(crate) alb: String,
    /// In the default VPC, or in one of its own.
    pub(crate) foreign_group: String,
}

pub(crate) async fn run(script: &mut Script) -> Network {
    let ec2 = script.clients().ec2(EAST);
    let zones = ec2.describe_availability_zones().filters(filter("zone-type", "availability-zone"));
    let zones = script
        .must("ec2 DescribeAvailabilityZones", zones.filters(filter("state", "available")).send(), |symbols, answer| {
            for zone in answer.availability_zones().iter().take(3) {
                symbols.learn("zone", zone.zone_name().unwrap());
            }
            json!({ "at_least_three": answer.availability_zones().len() >= 3 })
        })
        .await;
    let zones: Vec<String> = zones.availability_zones().iter().map(|zone| zone.zone_name().unwrap().into()).collect();

    let vpc = vpcs(script, &ec2).await;
    let subnets = subnets(script, &ec2, &vpc, &zones).await;
    let (gateway, address, nat) = gateways(script, &ec2, &vpc, &subnets).await;
    routes(script, &ec2, &vpc, &subnets, &nat).await;
    let (link, alb, foreign_group) = groups(script, &ec2, &vpc).await;
    others(script, &ec2, &vpc, &subnets).await;
    Network { ec2, vpc, subnets, gateway, address, nat, link, alb, foreign_group }
}

pub(crate) fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

fn tagged(kind: ResourceType, name: &str) -> TagSpecification {
    TagSpecification::builder().resource_type(kind).tags(Tag::builder().key("Name").value(name).build()).build()
}

async fn vpcs(script: &mut Script, ec2: &Client) -> String {
    let create = ec2.create_vpc().cidr_block("10.0.0.0/16").tag_specifications(tagged(ResourceType::Vpc, "main"));
    let vpc = script
        .must("ec2 CreateVpc", create.send(), |symbols, answer| {
            let vpc = answer.vpc().unwrap();
            symbols.learn("vpc", vpc.vpc_id().unwrap());
            json!({ "cidr": vpc.cidr_block(), "state": vpc.state().map(|state| state.as_str()),
                "default": vpc.is_default(), "tenancy": vpc.instance_tenancy().map(|tenancy| tenancy.as_str()),
                "tags": vpc.tags().iter().map(|tag| (tag.key(), tag.value())).collect::<Vec<_>>() })
        })
        .await;
    let vpc = vpc.vpc.unwrap().vpc_id.unwrap();
    script.ask("ec2 CreateVpc: a block of /29", ec2.create_vpc().cidr_block("10.0.0.0/29").send()).await;
    script.ask("ec2 CreateVpc: a block of /15", ec2.create_vpc().cidr_block("10.0.0.0/15").send()).await;
    script.ask("ec2 CreateVpc: not a block", ec2.create_vpc().cidr_block("10.0.0.0").send()).await;
    script.ask("ec2 CreateVpc: a dry run", ec2.create_vpc().cidr_block("10.7.0.0/16").dry_run(true).send()).await;
    let uneven = script
        .must(
            "ec2 CreateVpc: host bits set",
            ec2.create_vpc().cidr_block("10.8.3.0/16").send(),
            |_, answer| json!({ "cidr": answer.vpc().unwrap().cidr_block() }),
        )
        .await;
    let uneven = uneven.vpc.unwrap().vpc_id.unwrap();
    script.ask("ec2 DeleteVpc: with its default group only", ec2.delete_vpc().vpc_id(&uneven).send()).await;
    script.ask("ec2 DeleteVpc: again", ec2.delete_vpc().vpc_id(&uneven).send()).await;
    script.ask("ec2 DescribeVpcs: unknown id", ec2.describe_vpcs().vpc_ids(&uneven).send()).await;
    let nothing = ec2.describe_vpcs().filters(filter("vpc-id", &uneven)).send();
    script.look("ec2 DescribeVpcs: unknown id as a filter", nothing, |answer| json!(answer.vpcs().len())).await;
    script.ask("ec2 DescribeVpcs: unknown filter", ec2.describe_vpcs().filters(filter("colour", "red")).send()).await;

    for (name, attribute) in [
        ("ec2 DescribeVpcAttribute: DNS support of a new VPC", VpcAttributeName::EnableDnsSupport),
        ("ec2 DescribeVpcAttribute: DNS hostnames of a new VPC", VpcAttributeName::EnableDnsHostnames),
    ] {
        let call = ec2.describe_vpc_attribute().vpc_id(&vpc).attribute(attribute).send();
        script
            .look(name, call, |answer| {
                let value = |of: Option<&AttributeBooleanValue>| of.and_then(|value| value.value());
                json!([value(answer.enable_dns_support()), value(answer.enable_dns_hostnames())])
            })
            .await;
    }
    let on = AttributeBooleanValue::builder().value(true).build();
    let hostnames = ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(on.clone());
    script.ask("ec2 ModifyVpcAttribute", hostnames.clone().send()).await;
    script.ask("ec2 ModifyVpcAttribute: two at once", hostnames.enable_dns_support(on).send()).await;
    vpc
}

async fn subnets(script: &mut Script, ec2: &Client, vpc: &str, zones: &[String]) -> [String; 3] {
    let subnet = |cidr: &str, zone: &str| ec2.create_subnet().vpc_id(vpc).cidr_block(cidr).availability_zone(zone);
    let mut made = Vec::new();
    for (name, cidr, zone) in [
        ("ec2 CreateSubnet", "10.0.0.0/24", &zones[0]),
        ("ec2 CreateSubnet: of another zone", "10.0.1.0/24", &zones[1]),
        ("ec2 CreateSubnet: of the first zone again", "10.0.2.0/24", &zones[0]),
    ] {
        let answer = script
            .must(name, subnet(cidr, zone).send(), |symbols, answer| {
                let subnet = answer.subnet().unwrap();
                symbols.learn("subnet", subnet.subnet_id().unwrap());
                json!({ "cidr": subnet.cidr_block(), "zone": subnet.availability_zone(),
                    "free": subnet.available_ip_address_count(), "public": subnet.map_public_ip_on_launch() })
            })
            .await;
        made.push(answer.subnet.unwrap().subnet_id.unwrap());
    }
    script.ask("ec2 CreateSubnet: the same block", subnet("10.0.0.0/24", &zones[0]).send()).await;
    script.ask("ec2 CreateSubnet: an overlapping block", subnet("10.0.0.128/25", &zones[1]).send()).await;
    script.ask("ec2 CreateSubnet: outside of the VPC", subnet("10.1.0.0/24", &zones[0]).send()).await;
    script.ask("ec2 CreateSubnet: a block of /29", subnet("10.0.9.0/29", &zones[0]).send()).await;
    script.ask("ec2 CreateSubnet: unknown zone", subnet("10.0.10.0/24", "us-east-1x").send()).await;
    let nowhere = subnet("10.0.9.0/24", &zones[0]).vpc_id("vpc-0123456789abcdef0");
    script.ask("ec2 CreateSubnet: unknown VPC", nowhere.send()).await;
    let on = AttributeBooleanValue::builder().value(true).build();
    let public = ec2.modify_subnet_attribute().map_public_ip_on_launch(on);
    script.ask("ec2 ModifySubnetAttribute", public.clone().subnet_id(&made[0]).send()).await;
    let unknown = public.subnet_id("subnet-0123456789abcdef0").send();
    script.ask("ec2 ModifySubnetAttribute: unknown subnet", unknown).await;
    let tagged = ec2.create_tags().tags(Tag::builder().key("team").value("shop").build());
    script.ask("ec2 CreateTags", tagged.clone().resources(&made[0]).send()).await;
    script.ask("ec2 CreateTags: unknown subnet", tagged.resources("subnet-0123456789abcdef0").send()).await;
    let reserved = ec2.create_tags().resources(&made[0]).tags(Tag::builder().key("aws:team").value("shop").build());
    script.ask("ec2 CreateTags: a reserved key", reserved.send()).await;
    let found = ec2.describe_subnets().filters(filter("tag:team", "shop")).send();
    script.look("ec2 DescribeSubnets: by tag", found, |answer| json!(answer.subnets().len())).await;
    made.try_into().unwrap()
}

async fn gateways(script: &mut Script, ec2: &Client, vpc: &str, subnets: &[String]) -> (String, String, String) {
    let mut gateways = Vec::new();
    for name in ["ec2 CreateInternetGateway", "ec2 CreateInternetGateway: a second one"] {
        let answer = script
            .must(name, ec2.create_internet_gateway().send(), |symbols, answer| {
                let gateway = answer.internet_gateway().unwrap();
                symbols.learn("gateway", gateway.internet_gateway_id().unwrap());
                json!({ "attachments": gateway.attachments().len() })
            })
            .await;
        gateways.push(answer.internet_gateway.unwrap().internet_gateway_id.unwrap());
    }
    let (first, second) = (&gateways[0], &gateways[1]);
    let attach = |gateway: &str| ec2.attach_internet_gateway().internet_gateway_id(gateway).vpc_id(vpc).send();
    let detach = |gateway: &str| ec2.detach_internet_gateway().internet_gateway_id(gateway).vpc_id(vpc).send();
    script.ask("ec2 DetachInternetGateway: not attached", detach(first)).await;
    script.ask("ec2 AttachInternetGateway: unknown gateway", attach("igw-0123456789abcdef0")).await;
    script.must("ec2 AttachInternetGateway", attach(first), |_, _| json!(true)).await;
    script.ask("ec2 AttachInternetGateway: again", attach(first)).await;
    script.ask("ec2 AttachInternetGateway: a second one", attach(second)).await;
    let attached = ec2.describe_internet_gateways().internet_gateway_ids(first).send();
    script
        .look("ec2 DescribeInternetGateways", attached, |answer| {
            let attachments = answer.internet_gateways()[0].attachments().iter();
            json!(attachments.map(|it| (it.vpc_id(), it.state().map(|state| state.as_str()))).collect::<Vec<_>>())
        })
        .await;
    let delete = ec2.delete_internet_gateway();
    script.ask("ec2 DeleteInternetGateway: attached", delete.clone().internet_gateway_id(first).send()).await;
    script.ask("ec2 DeleteInternetGateway", delete.clone().internet_gateway_id(second).send()).await;
    script.ask("ec2 DeleteInternetGateway: again", delete.internet_gateway_id(second).send()).await;

    let address = script
        .must("ec2 AllocateAddress", ec2.allocate_address().domain(DomainType::Vpc).send(), |symbols, answer| {
            symbols.learn("address", answer.allocation_id().unwrap());
            json!({ "domain": answer.domain().map(|domain| domain.as_str()) })
        })
        .await;
    let address = address.allocation_id.unwrap();
    let release = |address: &str| ec2.release_address().allocation_id(address).send();
    script.ask("ec2 ReleaseAddress: unknown address", release("eipalloc-0123456789abcdef0")).await;
    let create = ec2.create_nat_gateway().subnet_id(&subnets[0]);
    script.ask("ec2 CreateNatGateway: without an address", create.clone().send()).await;
    let create = create.allocation_id(&address).client_token("token-nat");
    let nat = script
        .must("ec2 CreateNatGateway", create.clone().send(), |symbols, answer| {
            let nat = answer.nat_gateway().unwrap();
            symbols.learn("nat", nat.nat_gateway_id().unwrap());
            json!({ "state": nat.state().map(|state| state.as_str()), "subnet": nat.subnet_id(), "vpc": nat.vpc_id(),
                "type": nat.connectivity_type().map(|kind| kind.as_str()),
                "addresses": nat.nat_gateway_addresses().iter().map(|it| it.allocation_id()).collect::<Vec<_>>() })
        })
        .await;
    let nat = nat.nat_gateway.unwrap().nat_gateway_id.unwrap();
    script
        .look(
            "ec2 CreateNatGateway: the same token",
            create.clone().send(),
            |answer| json!({ "nat": answer.nat_gateway().unwrap().nat_gateway_id() }),
        )
        .await;
    let other = create.clone().subnet_id(&subnets[1]).send();
    script.ask("ec2 CreateNatGateway: the same token for something else", other).await;
    let describe = || ec2.describe_nat_gateways().nat_gateway_ids(&nat).send();
    let state = |answer: &aws_sdk_ec2::operation::describe_nat_gateways::DescribeNatGatewaysOutput| {
        answer.nat_gateways()[0].state().map(|state| state.as_str().to_owned())
    };
    script
        .until("a NAT gateway", async || describe().await, |answer| state(answer).as_deref() == Some("available"))
        .await;
    script
        .look("ec2 DescribeNatGateways: when it is available", describe(), |answer| {
            let addresses = answer.nat_gateways()[0].nat_gateway_addresses();
            json!({ "state": state(answer), "public": addresses.iter().all(|it| it.public_ip().is_some()),
                "interface": addresses.iter().all(|it| it.network_interface_id().is_some()) })
        })
        .await;
    let unknown = ec2.describe_nat_gateways().nat_gateway_ids("nat-0123456789abcdef0").send();
    script.ask("ec2 DescribeNatGateways: unknown id", unknown).await;
    let unknown = ec2.delete_nat_gateway().nat_gateway_id("nat-0123456789abcdef0").send();
    script.ask("ec2 DeleteNatGateway: unknown id", unknown).await;
    script.ask("ec2 ReleaseAddress: of a NAT gateway", release(&address)).await;
    script.ask("ec2 DetachInternetGateway: a NAT gateway uses it", detach(first)).await;
    (first.clone(), address, nat)
}

async fn routes(script: &mut Script, ec2: &Client, vpc: &str, subnets: &[String], nat: &str) {
    let mut tables = Vec::new();
    for name in ["ec2 CreateRouteTable", "ec2 CreateRouteTable: a second one"] {
        let answer = script
            .must(name, ec2.create_route_table().vpc_id(vpc).send(), |symbols, answer| {
                let table = answer.route_table().unwrap();
                symbols.learn("table", table.route_table_id().unwrap());
                let routes = table.routes().iter();
                json!({ "routes": routes.map(|route| (route.destination_cidr_block(), route.gateway_id(),
                    route.origin().map(|origin| origin.as_str()))).collect::<Vec<_>>() })
            })
            .await;
        tables.push(answer.route_table.unwrap().route_table_id.unwrap());
    }
    let (first, second) = (&tables[0], &tables[1]);
    let route = ec2.create_route().route_table_id(first).destination_cidr_block("0.0.0.0/0");
    script
        .must("ec2 CreateRoute: to a NAT gateway", route.clone().nat_gateway_id(nat).send(), |_, _| json!(true))
        .await;
    script.ask("ec2 CreateRoute: the same again", route.clone().nat_gateway_id(nat).send()).await;
    let elsewhere = ec2.create_route().route_table_id(first).destination_cidr_block("192.168.0.0/16");
    let unknown = elsewhere.clone().nat_gateway_id("nat-0123456789abcdef0").send();
    script.ask("ec2 CreateRoute: unknown NAT gateway", unknown).await;
    let unknown = elsewhere.clone().gateway_id("igw-0123456789abcdef0").send();
    script.ask("ec2 CreateRoute: unknown internet gateway", unknown).await;
    let unknown = elsewhere.nat_gateway_id(nat).route_table_id("rtb-0123456789abcdef0").send();
    script.ask("ec2 CreateRoute: unknown table", unknown).await;
    let missing = ec2.replace_route().route_table_id(first).destination_cidr_block("192.168.0.0/16");
    script.ask("ec2 ReplaceRoute: no such route", missing.nat_gateway_id(nat).send()).await;
    let missing = ec2.delete_route().route_table_id(first).destination_cidr_block("192.168.0.0/16");
    script.ask("ec2 DeleteRoute: no such route", missing.send()).await;

    let associate = |table: &str| ec2.associate_route_table().route_table_id(table).subnet_id(&subnets[1]).send();
    script.must("ec2 AssociateRouteTable", associate(first), |_, _| json!(true)).await;
    script.ask("ec2 AssociateRouteTable: a second table", associate(second)).await;
    let unknown = ec2.associate_route_table().route_table_id("rtb-0123456789abcdef0").subnet_id(&subnets[2]).send();
    script.ask("ec2 AssociateRouteTable: unknown table", unknown).await;
    let delete = |table: &str| ec2.delete_route_table().route_table_id(table).send();
    script.ask("ec2 DeleteRouteTable: with a subnet", delete(first)).await;
    script.ask("ec2 DeleteRouteTable", delete(second)).await;
    script.ask("ec2 DeleteRouteTable: again", delete(second)).await;
    let main = ec2.describe_route_tables().filters(filter("vpc-id", vpc)).filters(filter("association.main", "true"));
    let main = script
        .must("ec2 DescribeRouteTables: the main table", main.send(), |_, answer| json!(answer.route_tables().len()))
        .await;
    script.ask("ec2 DeleteRouteTable: the main table", delete(main.route_tables()[0].route_table_id().unwrap())).await;
    let unknown = ec2.disassociate_route_table().association_id("rtbassoc-0123456789abcdef0").send();
    script.ask("ec2 DisassociateRouteTable: unknown association", unknown).await;
}

async fn groups(script: &mut Script, ec2: &Client, vpc: &str) -> (String, String, String) {
    let group =
        |name: &str, vpc: &str| ec2.create_security_group().group_name(name).description("of a test").vpc_id(vpc);
    let mut made = Vec::new();
    for (step, name) in [("ec2 CreateSecurityGroup", "link"), ("ec2 CreateSecurityGroup: a second one", "alb")] {
        let answer = script
            .must(step, group(name, vpc).send(), |symbols, answer| {
                symbols.learn("group", answer.group_id().unwrap());
                json!(true)
            })
            .await;
        made.push(answer.group_id.unwrap());
    }
    let (link, alb) = (made[0].clone(), made[1].clone());
    let rules = ec2.describe_security_group_rules().filters(filter("group-id", &link)).send();
    script
        .look("ec2 DescribeSecurityGroupRules: of a new group", rules, |answer| {
            let rules = answer.security_group_rules().iter();
            json!(rules.map(|rule| (rule.is_egress(), rule.ip_protocol(), rule.cidr_ipv4())).collect::<Vec<_>>())
        })
        .await;
    script.ask("ec2 CreateSecurityGroup: the same name", group("link", vpc).send()).await;
    script.ask("ec2 CreateSecurityGroup: called default", group("default", vpc).send()).await;
    script.ask("ec2 CreateSecurityGroup: called sg-", group("sg-web", vpc).send()).await;
    script.ask("ec2 CreateSecurityGroup: unknown VPC", group("web", "vpc-0123456789abcdef0").send()).await;
    script
        .ask("ec2 CreateSecurityGroup: a description with an umlaut", group("web", vpc).description("für").send())
        .await;

    let admit = |peer: &str, from: i32, to: i32| {
        let peer = UserIdGroupPair::builder().group_id(peer).build();
        IpPermission::builder().ip_protocol("tcp").from_port(from).to_port(to).user_id_group_pairs(peer).build()
    };
    let ingress = ec2.authorize_security_group_ingress().group_id(&alb);
    script
        .must(
            "ec2 AuthorizeSecurityGroupIngress: from a group",
            ingress.clone().ip_permissions(admit(&link, 80, 80)).send(),
            |_, answer| {
                let rules = answer.security_group_rules().iter();
                json!(
                    rules
                        .map(|rule| (
                            rule.ip_protocol(),
                            rule.from_port(),
                            rule.to_port(),
                            rule.referenced_group_info().and_then(|info| info.group_id())
                        ))
                        .collect::<Vec<_>>()
                )
            },
        )
        .await;
    let again = ingress.clone().ip_permissions(admit(&link, 80, 80)).send();
    script.ask("ec2 AuthorizeSecurityGroupIngress: again", again).await;
    let backwards = ingress.clone().ip_permissions(admit(&link, 90, 80)).send();
    script.ask("ec2 AuthorizeSecurityGroupIngress: from a higher to a lower port", backwards).await;
    let too_high = ingress.clone().ip_permissions(admit(&link, 80, 70_000)).send();
    script.ask("ec2 AuthorizeSecurityGroupIngress: port 70000", too_high).await;
    let unknown = ingress.clone().ip_permissions(admit("sg-0123456789abcdef0", 80, 80)).send();
    script.ask("ec2 AuthorizeSecurityGroupIngress: unknown peer", unknown).await;
    let range = |cidr: &str| {
        let range = IpRange::builder().cidr_ip(cidr).build();
        IpPermission::builder().ip_protocol("tcp").from_port(443).to_port(443).ip_ranges(range).build()
    };
    let wrong = ingress.clone().ip_permissions(range("10.0.0.0/40")).send();
    script.ask("ec2 AuthorizeSecurityGroupIngress: not a block", wrong).await;
    let unknown = ingress.group_id("sg-0123456789abcdef0").ip_permissions(range("10.0.0.0/8")).send();
    script.ask("ec2 AuthorizeSecurityGroupIngress: unknown group", unknown).await;
    let egress = ec2.authorize_security_group_egress().group_id(&alb);
    let everything = IpRange::builder().cidr_ip("0.0.0.0/0").build();
    let everything = IpPermission::builder().ip_protocol("-1").ip_ranges(everything).build();
    script
        .ask("ec2 AuthorizeSecurityGroupEgress: the default rule again", egress.ip_permissions(everything).send())
        .await;
    let revoke = ec2.revoke_security_group_ingress().group_id(&alb).ip_permissions(range("10.0.0.0/8")).send();
    script.ask("ec2 RevokeSecurityGroupIngress: no such rule", revoke).await;

    let delete = |group: &str| ec2.delete_security_group().group_id(group).send();
    script.ask("ec2 DeleteSecurityGroup: another group's rule names it", delete(&link)).await;
    script.ask("ec2 DeleteSecurityGroup: unknown group", delete("sg-0123456789abcdef0")).await;
    let default =
        ec2.describe_security_groups().filters(filter("vpc-id", vpc)).filters(filter("group-name", "default"));
    let default = script
        .must("ec2 DescribeSecurityGroups: the default group", default.send(), |_, answer| {
            json!(answer.security_groups().len())
        })
        .await;
    script
        .ask("ec2 DeleteSecurityGroup: the default group", delete(default.security_groups()[0].group_id().unwrap()))
        .await;

    let other = script
        .must("ec2 CreateVpc: a second one", ec2.create_vpc().cidr_block("10.0.0.0/16").send(), |_, _| json!(true))
        .await;
    let other = other.vpc.unwrap().vpc_id.unwrap();
    let foreign =
        script.must("ec2 CreateSecurityGroup: in another VPC", group("link", &other).send(), |_, _| json!(true)).await;
    script.ask("ec2 DeleteVpc: with a group", ec2.delete_vpc().vpc_id(&other).send()).await;
    (link, alb, foreign.group_id.unwrap())
}

/// Network ACLs and endpoints.
async fn others(script: &mut Script, ec2: &Client, vpc: &str, subnets: &[String]) {
    let acl = script
        .must("ec2 CreateNetworkAcl", ec2.create_network_acl().vpc_id(vpc).send(), |symbols, answer| {
            let acl = answer.network_acl().unwrap();
            symbols.learn("acl", acl.network_acl_id().unwrap());
            json!({ "default": acl.is_default(), "entries": acl.entries().len() })
        })
        .await;
    let acl = acl.network_acl.unwrap().network_acl_id.unwrap();
    let entry = ec2.create_network_acl_entry().network_acl_id(&acl).rule_number(100).protocol("-1").egress(true);
    let entry = entry.rule_action(RuleAction::Allow).cidr_block("0.0.0.0/0");
    script.must("ec2 CreateNetworkAclEntry", entry.clone().send(), |_, _| json!(true)).await;
    script.ask("ec2 CreateNetworkAclEntry: the same number", entry.clone().send()).await;
    script.ask("ec2 CreateNetworkAclEntry: number 40000", entry.rule_number(40_000).send()).await;
    let missing = ec2.delete_network_acl_entry().network_acl_id(&acl).rule_number(7).egress(true).send();
    script.ask("ec2 DeleteNetworkAclEntry: no such number", missing).await;
    let default = ec2.describe_network_acls().filters(filter("vpc-id", vpc)).filters(filter("default", "true")).send();
    let default = script
        .must("ec2 DescribeNetworkAcls: the default one", default, |_, answer| {
            json!({ "acls": answer.network_acls().len(), "entries": answer.network_acls()[0].entries().len() })
        })
        .await;
    let default = default.network_acls()[0].network_acl_id().unwrap();
    script.ask("ec2 DeleteNetworkAcl: the default one", ec2.delete_network_acl().network_acl_id(default).send()).await;
    script.ask("ec2 DeleteNetworkAcl", ec2.delete_network_acl().network_acl_id(&acl).send()).await;
    script.ask("ec2 DeleteNetworkAcl: again", ec2.delete_network_acl().network_acl_id(&acl).send()).await;

    let endpoint =
        ec2.create_vpc_endpoint().vpc_id(vpc).vpc_endpoint_type(aws_sdk_ec2::types::VpcEndpointType::Interface);
    let endpoint = endpoint.subnet_ids(&subnets[0]);
    let unknown = endpoint.clone().service_name("com.amazonaws.us-east-1.nothing").send();
    script.ask("ec2 CreateVpcEndpoint: unknown service", unknown).await;
    let unknown = endpoint.vpc_id("vpc-0123456789abcdef0").service_name("com.amazonaws.us-east-1.ssm").send();
    script.ask("ec2 CreateVpcEndpoint: unknown VPC", unknown).await;
    let gone = ec2.delete_vpc_endpoints().vpc_endpoint_ids("vpce-0123456789abcdef0").send();
    script
        .look("ec2 DeleteVpcEndpoints: unknown id", gone, |answer| {
            json!(answer.unsuccessful().iter().map(|it| it.error().and_then(|e| e.code())).collect::<Vec<_>>())
        })
        .await;
}
