//! Security groups and their rules, and tags.

use aws_sdk_ec2::operation::authorize_security_group_egress::AuthorizeSecurityGroupEgressInput;
use aws_sdk_ec2::operation::authorize_security_group_ingress::AuthorizeSecurityGroupIngressInput;
use aws_sdk_ec2::operation::create_security_group::CreateSecurityGroupInput;
use aws_sdk_ec2::operation::create_tags::CreateTagsInput;
use aws_sdk_ec2::operation::create_vpc::CreateVpcInput;
use aws_sdk_ec2::operation::delete_security_group::DeleteSecurityGroupInput;
use aws_sdk_ec2::operation::delete_tags::DeleteTagsInput;
use aws_sdk_ec2::operation::describe_security_group_rules::DescribeSecurityGroupRulesInput;
use aws_sdk_ec2::operation::describe_security_groups::DescribeSecurityGroupsInput;
use aws_sdk_ec2::operation::describe_tags::DescribeTagsInput;
use aws_sdk_ec2::operation::modify_security_group_rules::ModifySecurityGroupRulesInput;
use aws_sdk_ec2::operation::revoke_security_group_egress::RevokeSecurityGroupEgressInput;
use aws_sdk_ec2::operation::revoke_security_group_ingress::RevokeSecurityGroupIngressInput;
use aws_sdk_ec2::types::{
    IpPermission, IpRange, Ipv6Range, ResourceType, SecurityGroupRuleRequest, SecurityGroupRuleUpdate, Tag,
    TagSpecification, UserIdGroupPair,
};

use super::super::{attach_eni, groups, rules, tags, vpc};
use super::{Lab, filter, refused};

/// TCP from a range of addresses.
fn tcp(port: i32, cidr: &str) -> IpPermission {
    let range = IpRange::builder().cidr_ip(cidr).build();
    IpPermission::builder().ip_protocol("tcp").from_port(port).to_port(port).ip_ranges(range).build()
}

/// Everything from another group.
fn all_from(group: &str) -> IpPermission {
    let pair = UserIdGroupPair::builder().group_id(group).build();
    IpPermission::builder().ip_protocol("-1").user_id_group_pairs(pair).build()
}

fn ingress(
    group: &str,
    permission: IpPermission,
) -> aws_sdk_ec2::operation::authorize_security_group_ingress::builders::AuthorizeSecurityGroupIngressInputBuilder {
    AuthorizeSecurityGroupIngressInput::builder().group_id(group).ip_permissions(permission)
}

#[test]
fn groups_that_ec2_refuses() {
    let mut lab = Lab::new();
    let id = lab.vpc();
    lab.group(&id, "web");
    let create = |name: &str| CreateSecurityGroupInput::builder().group_name(name).description("text").vpc_id(&id);
    refused!(lab, groups::create_security_group:
        create("WEB") => "InvalidGroup.Duplicate",
        create("default") => "InvalidGroup.Reserved",
        create("sg-web") => "InvalidParameterValue",
        create("wéb") => "InvalidParameterValue",
        create("api").description("it's") => "InvalidParameterValue",
        create("api").vpc_id("vpc-0") => "InvalidVpcID.NotFound",
        CreateSecurityGroupInput::builder().group_name("api").description("text") => "VPCIdNotSpecified",
        CreateSecurityGroupInput::builder().group_name("api").vpc_id(&id) => "MissingParameter",
    );
    let other = lab.vpc();
    lab.group(&other, "web");
}

#[test]
fn a_new_group_lets_everything_out_and_nothing_in() {
    let mut lab = Lab::new();
    let vpc_id = lab.vpc();
    let id = lab.group(&vpc_id, "web");
    let input = DescribeSecurityGroupsInput::builder().filters(filter("group-name", "web")).build();
    let found = lab.ok(groups::describe_security_groups, input).security_groups.unwrap().remove(0);
    assert_eq!((found.group_id(), found.ip_permissions().len()), (Some(id.as_str()), 0));
    assert_eq!(found.ip_permissions_egress()[0].ip_protocol(), Some("-1"));
    assert_eq!(found.ip_permissions_egress()[0].ip_ranges()[0].cidr_ip(), Some("0.0.0.0/0"));
    let all = RevokeSecurityGroupEgressInput::builder().group_id(&id).ip_protocol("-1").cidr_ip("0.0.0.0/0");
    lab.ok(rules::revoke_egress, all.build());
    assert!(lab.region().groups[&id].rules.is_empty());
}

#[test]
fn rules_that_ec2_refuses() {
    let mut lab = Lab::new();
    let (vpc_id, other) = (lab.vpc(), lab.vpc());
    let (id, foreign) = (lab.group(&vpc_id, "web"), lab.group(&other, "web"));
    lab.ok(rules::authorize_ingress, ingress(&id, tcp(80, "10.0.0.0/16")).build());
    let bare = IpPermission::builder().ip_protocol("tcp").from_port(80).to_port(80).build();
    let no_ports =
        IpPermission::builder().ip_protocol("tcp").ip_ranges(IpRange::builder().cidr_ip("10.0.0.0/8").build());
    let mut reversed = tcp(80, "10.0.0.0/8");
    reversed.from_port = Some(90);
    refused!(lab, rules::authorize_ingress:
        ingress("sg-0", tcp(80, "10.0.0.0/16")) => "InvalidGroup.NotFound",
        ingress(&id, tcp(80, "10.0.0.0/16")) => "InvalidPermission.Duplicate",
        ingress(&id, tcp(80, "10.0.3.4/16")) => "InvalidPermission.Duplicate",
        ingress(&id, tcp(81, "10.0.0.0/33")) => "InvalidParameterValue",
        ingress(&id, tcp(99_999, "10.0.0.0/16")) => "InvalidParameterValue",
        ingress(&id, bare) => "MissingParameter",
        ingress(&id, no_ports.build()) => "InvalidParameterValue",
        ingress(&id, reversed) => "InvalidParameterValue",
        ingress(&id, all_from("sg-0")) => "InvalidGroup.NotFound",
        ingress(&id, all_from(&foreign)) => "InvalidGroup.NotFound",
        ingress(&id, tcp(443, "10.0.0.0/16")).ip_permissions(tcp(443, "10.0.0.0/16")) => "InvalidPermission.Duplicate",
        AuthorizeSecurityGroupIngressInput::builder().group_id(&id) => "MissingParameter",
    );
    assert_eq!(lab.region().groups[&id].rules.len(), 2, "nothing of a refused call is done");
    for port in 1000..1059 {
        lab.ok(rules::authorize_ingress, ingress(&id, tcp(port, "10.0.0.0/16")).build());
    }
    refused!(lab, rules::authorize_ingress:
        ingress(&id, tcp(2000, "10.0.0.0/16")) => "RulesPerSecurityGroupLimitExceeded");
    let v6 = Ipv6Range::builder().cidr_ipv6("2001:db8::1/64").build();
    let v6 = IpPermission::builder().ip_protocol("6").from_port(80).to_port(80).ipv6_ranges(v6).build();
    let made = lab.ok(rules::authorize_ingress, ingress(&id, v6).build());
    let rule = &made.security_group_rules()[0];
    assert_eq!((rule.cidr_ipv6(), rule.ip_protocol()), (Some("2001:db8::/64"), Some("tcp")));
}

#[test]
fn rules_are_read_changed_and_revoked_by_id() {
    let mut lab = Lab::new();
    let vpc_id = lab.vpc();
    let (id, peer) = (lab.group(&vpc_id, "web"), lab.group(&vpc_id, "alb"));
    let tagged = TagSpecification::builder()
        .resource_type(ResourceType::SecurityGroupRule)
        .tags(Tag::builder().key("dr:address").value("web/http").build())
        .build();
    let input = ingress(&id, tcp(80, "10.0.0.0/16")).ip_permissions(all_from(&peer)).tag_specifications(tagged);
    let made = lab.ok(rules::authorize_ingress, input.build()).security_group_rules.unwrap();
    assert_eq!(made.len(), 2);
    assert_eq!(made[1].referenced_group_info().unwrap().group_id(), Some(peer.as_str()));
    assert_eq!((made[1].from_port(), made[1].to_port()), (Some(-1), Some(-1)));
    let find = DescribeSecurityGroupRulesInput::builder().filters(filter("tag:dr:address", "web/http")).build();
    let found = lab.ok(rules::describe_security_group_rules, find);
    assert_eq!(found.security_group_rules().len(), 2);
    let find = DescribeSecurityGroupRulesInput::builder().filters(filter("group-id", &id)).build();
    assert_eq!(lab.ok(rules::describe_security_group_rules, find).security_group_rules().len(), 3);
    let (first, second) = (made[0].security_group_rule_id().unwrap(), made[1].security_group_rule_id().unwrap());
    let more =
        lab.ok(rules::authorize_ingress, ingress(&id, tcp(81, "10.0.0.0/16")).build()).security_group_rules.unwrap();
    let third = more[0].security_group_rule_id().unwrap();

    let update = |id: &str, request: SecurityGroupRuleRequest| {
        SecurityGroupRuleUpdate::builder().security_group_rule_id(id).security_group_rule(request).build()
    };
    let request = || SecurityGroupRuleRequest::builder().ip_protocol("tcp").from_port(8080).to_port(8080);
    let modify = |update| ModifySecurityGroupRulesInput::builder().group_id(&id).security_group_rules(update);
    let duplicate = request().from_port(80).to_port(80).cidr_ipv4("10.0.0.0/16").build();
    refused!(lab, rules::modify_security_group_rules:
        modify(update("sgr-0", request().cidr_ipv4("10.0.0.0/8").build())) => "InvalidSecurityGroupRuleId.NotFound",
        modify(update(first, request().build())) => "InvalidParameterValue",
        // A range becomes no group, and a group no range.
        modify(update(first, request().referenced_group_id(&peer).build())) => "InvalidParameterValue",
        modify(update(second, request().cidr_ipv4("10.0.0.0/8").build())) => "InvalidParameterValue",
        modify(update(third, duplicate)) => "InvalidPermission.Duplicate",
    );
    let revoke_third = RevokeSecurityGroupIngressInput::builder().group_id(&id).security_group_rule_ids(third);
    lab.ok(rules::revoke_ingress, revoke_third.build());
    let change = request().cidr_ipv4("10.0.1.0/24").description("new").build();
    lab.ok(rules::modify_security_group_rules, modify(update(first, change)).build());
    let find = DescribeSecurityGroupRulesInput::builder().security_group_rule_ids(first).build();
    let read = lab.ok(rules::describe_security_group_rules, find).security_group_rules.unwrap().remove(0);
    assert_eq!(
        (read.from_port(), read.cidr_ipv4(), read.description()),
        (Some(8080), Some("10.0.1.0/24"), Some("new"))
    );

    let revoke = || RevokeSecurityGroupIngressInput::builder().group_id(&id);
    refused!(lab, rules::revoke_ingress:
        revoke() => "MissingParameter",
        revoke().security_group_rule_ids(first).security_group_rule_ids("sgr-0") => "InvalidSecurityGroupRuleId.NotFound",
        revoke().ip_permissions(tcp(8080, "10.0.1.0/24")).ip_permissions(tcp(1, "10.0.1.0/24"))
            => "InvalidPermission.NotFound",
    );
    assert_eq!(lab.region().groups[&id].rules.len(), 3, "one wrong rule revokes none");
    lab.ok(rules::revoke_ingress, revoke().security_group_rule_ids(first).build());
    lab.ok(rules::revoke_ingress, revoke().ip_permissions(all_from(&peer)).build());
    refused!(lab, rules::revoke_ingress: revoke().ip_permissions(all_from(&peer)) => "InvalidPermission.NotFound");
}

#[test]
fn permissions_gather_the_peers_of_one_port() {
    let mut lab = Lab::new();
    let vpc_id = lab.vpc();
    let id = lab.group(&vpc_id, "web");
    lab.ok(rules::authorize_ingress, ingress(&id, tcp(80, "10.0.0.0/16")).build());
    lab.ok(rules::authorize_ingress, ingress(&id, tcp(80, "10.1.0.0/16")).build());
    lab.ok(rules::authorize_ingress, ingress(&id, tcp(443, "10.1.0.0/16")).build());
    let read = DescribeSecurityGroupsInput::builder().group_ids(&id).build();
    let group = lab.ok(groups::describe_security_groups, read).security_groups.unwrap().remove(0);
    let shape: Vec<_> = group.ip_permissions().iter().map(|p| (p.from_port(), p.ip_ranges().len())).collect();
    assert_eq!(shape, [(Some(80), 2), (Some(443), 1)]);
    let find = DescribeSecurityGroupsInput::builder().filters(filter("ip-permission.cidr", "10.1.*")).build();
    assert_eq!(lab.ok(groups::describe_security_groups, find).security_groups().len(), 1);
}

#[test]
fn a_group_goes_after_those_who_use_it() {
    let mut lab = Lab::new();
    let vpc_id = lab.vpc();
    let subnet = lab.subnet(&vpc_id, 1, "a");
    let (web, alb) = (lab.group(&vpc_id, "web"), lab.group(&vpc_id, "alb"));
    lab.ok(rules::authorize_ingress, ingress(&web, all_from(&alb)).build());
    lab.ok(rules::authorize_ingress, ingress(&web, all_from(&web)).build());
    let out = AuthorizeSecurityGroupEgressInput::builder().group_id(&alb).ip_permissions(all_from(&web));
    lab.ok(rules::authorize_egress, out.build());
    let delete = |id: &str| DeleteSecurityGroupInput::builder().group_id(id);
    let default = lab.region().groups.values().find(|group| group.name == "default").unwrap().id.clone();
    refused!(lab, groups::delete_security_group:
        delete(&web) => "DependencyViolation",
        delete(&alb) => "DependencyViolation",
        delete("sg-0") => "InvalidGroup.NotFound",
        delete(&default) => "CannotDelete",
    );
    let revoke = RevokeSecurityGroupIngressInput::builder().group_id(&web).ip_permissions(all_from(&alb));
    lab.ok(rules::revoke_ingress, revoke.build());
    let eni =
        attach_eni(&mut lab.world, "us-east-1", &subnet, std::slice::from_ref(&alb), "ELB app/web/1", "interface")
            .unwrap();
    refused!(lab, groups::delete_security_group: delete(&alb) => "DependencyViolation");
    super::super::release_eni_at(&mut lab.world, "us-east-1", &eni, lab.call.now_ms);
    lab.ok(groups::delete_security_group, delete(&alb).build());
    lab.ok(groups::delete_security_group, delete(&web).build());
}

#[test]
fn tags_are_set_found_and_removed() {
    let mut lab = Lab::new();
    let vpc_id = lab.vpc();
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let create = |id: &str| CreateTagsInput::builder().resources(id);
    refused!(lab, tags::create_tags:
        create(&vpc_id) => "MissingParameter",
        create("vpc-0").tags(tag("a", "1")) => "InvalidVpcID.NotFound",
        create("nat-0").tags(tag("a", "1")) => "NatGatewayNotFound",
        create("thing-0").tags(tag("a", "1")) => "InvalidID",
        create(&vpc_id).tags(tag("aws:a", "1")) => "InvalidParameterValue",
        create(&vpc_id).tags(tag("", "1")) => "InvalidParameterValue",
        create(&vpc_id).tags(tag("a", &"x".repeat(257))) => "InvalidParameterValue",
        create(&vpc_id).set_tags(Some((0..51).map(|n| tag(&n.to_string(), "")).collect())) => "TagLimitExceeded",
    );
    lab.ok(tags::create_tags, create(&vpc_id).tags(tag("Name", "main")).tags(tag("env", "prod")).build());
    lab.ok(tags::create_tags, create(&vpc_id).tags(tag("env", "test")).build());
    let find = |lab: &mut Lab, name: &str, value: &str| {
        let input = DescribeTagsInput::builder().filters(filter(name, value)).build();
        let rows = lab.ok(tags::describe_tags, input).tags.unwrap();
        rows.iter().map(|row| format!("{}={}", row.key().unwrap(), row.value().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(find(&mut lab, "resource-id", &vpc_id), ["Name=main", "env=test"]);
    assert_eq!(find(&mut lab, "tag:env", "t*"), ["env=test"]);
    assert_eq!(find(&mut lab, "resource-type", "vpc").len(), 2);
    assert_eq!(find(&mut lab, "key", "Name"), ["Name=main"]);
    let delete = || DeleteTagsInput::builder().resources(&vpc_id);
    lab.ok(tags::delete_tags, delete().tags(tag("env", "prod")).build());
    assert_eq!(find(&mut lab, "resource-id", &vpc_id).len(), 2, "another value stays");
    lab.ok(tags::delete_tags, delete().tags(Tag::builder().key("env").build()).build());
    assert_eq!(find(&mut lab, "resource-id", &vpc_id), ["Name=main"]);
    lab.ok(tags::delete_tags, delete().build());
    assert!(find(&mut lab, "resource-id", &vpc_id).is_empty());
    let wrong = TagSpecification::builder().resource_type(ResourceType::Subnet).tags(tag("a", "1")).build();
    refused!(lab, vpc::create_vpc:
        CreateVpcInput::builder().cidr_block("10.0.0.0/16").tag_specifications(wrong) => "InvalidParameterValue");
}
