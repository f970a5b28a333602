//! Security group rules: AuthorizeSecurityGroupIngress/Egress, RevokeSecurityGroupIngress/Egress,
//! DescribeSecurityGroupRules, ModifySecurityGroupRules.
//!
//! A rule is what its traffic is: the same traffic twice in one group and direction is refused. A call is done as a whole or
//! not at all.

use std::mem;

use aws_sdk_ec2::operation::authorize_security_group_egress::{
    AuthorizeSecurityGroupEgressInput, AuthorizeSecurityGroupEgressOutput,
};
use aws_sdk_ec2::operation::authorize_security_group_ingress::{
    AuthorizeSecurityGroupIngressInput, AuthorizeSecurityGroupIngressOutput,
};
use aws_sdk_ec2::operation::describe_security_group_rules::{
    DescribeSecurityGroupRulesInput, DescribeSecurityGroupRulesOutput,
};
use aws_sdk_ec2::operation::modify_security_group_rules::{
    ModifySecurityGroupRulesInput, ModifySecurityGroupRulesOutput,
};
use aws_sdk_ec2::operation::revoke_security_group_egress::{
    RevokeSecurityGroupEgressInput, RevokeSecurityGroupEgressOutput,
};
use aws_sdk_ec2::operation::revoke_security_group_ingress::{
    RevokeSecurityGroupIngressInput, RevokeSecurityGroupIngressOutput,
};
use aws_sdk_ec2::types::{
    IpPermission, IpRange, Ipv6Range, PrefixListId, ReferencedSecurityGroup, SecurityGroupRule, TagSpecification,
    UserIdGroupPair,
};

use super::cidr::Cidr;
use super::kit::{
    Paging, Query, Tags, here, ids, invalid, missing, one, only_modelled, required, tags_for, unless_dry_run,
};
use super::not_found;
use super::state::{GroupRule, Peer, Region, SecurityGroup, Traffic};
use crate::control::{Answer, Call, Refusal};
use crate::world::World;

/// Rules of a group per direction and address family.
const RULES_PER_GROUP: usize = 60;

type Wanted = (Traffic, Option<String>);

pub(super) fn authorize_ingress(
    world: &mut World,
    call: &Call,
    input: &AuthorizeSecurityGroupIngressInput,
) -> Answer<AuthorizeSecurityGroupIngressOutput> {
    only_modelled(&[
        ("GroupName", input.group_name.is_some()),
        ("SourceSecurityGroupName", input.source_security_group_name.is_some()),
    ])?;
    let flat = flat(&input.ip_protocol, input.from_port, input.to_port, &input.cidr_ip);
    let permissions = [flat.as_slice(), input.ip_permissions.as_deref().unwrap_or_default()].concat();
    let tags = &input.tag_specifications;
    let rules = authorize(world, call, &input.group_id, false, &permissions, tags, input.dry_run)?;
    Ok(AuthorizeSecurityGroupIngressOutput::builder().r#return(true).set_security_group_rules(Some(rules)).build())
}

pub(super) fn authorize_egress(
    world: &mut World,
    call: &Call,
    input: &AuthorizeSecurityGroupEgressInput,
) -> Answer<AuthorizeSecurityGroupEgressOutput> {
    let flat = flat(&input.ip_protocol, input.from_port, input.to_port, &input.cidr_ip);
    only_modelled(&[("SourceSecurityGroupName", input.source_security_group_name.is_some())])?;
    let permissions = [flat.as_slice(), input.ip_permissions.as_deref().unwrap_or_default()].concat();
    let tags = &input.tag_specifications;
    let rules = authorize(world, call, &input.group_id, true, &permissions, tags, input.dry_run)?;
    Ok(AuthorizeSecurityGroupEgressOutput::builder().r#return(true).set_security_group_rules(Some(rules)).build())
}

/// The older form of a single rule, outside `IpPermissions`.
fn flat(protocol: &Option<String>, from: Option<i32>, to: Option<i32>, cidr: &Option<String>) -> Vec<IpPermission> {
    let Some(cidr) = cidr else { return Vec::new() };
    let range = IpRange::builder().cidr_ip(cidr).build();
    let permission = IpPermission::builder().set_ip_protocol(protocol.clone()).set_from_port(from).set_to_port(to);
    vec![permission.ip_ranges(range).build()]
}

fn authorize(
    world: &mut World,
    call: &Call,
    group_id: &Option<String>,
    egress: bool,
    permissions: &[IpPermission],
    tags: &Option<Vec<TagSpecification>>,
    dry_run: Option<bool>,
) -> Answer<Vec<SecurityGroupRule>> {
    let group_id = required(group_id, "GroupId")?;
    let tags = tags_for(tags, &["security-group-rule"], "security-group-rule")?;
    let region = here(world, call);
    let group = region.group(group_id)?;
    let wanted = wanted(region, group, permissions)?;
    let mut traffic: Vec<Traffic> =
        group.rules.iter().filter(|rule| rule.egress == egress).map(|rule| rule.traffic.clone()).collect();
    for (new, _) in &wanted {
        if traffic.contains(new) {
            let message = format!("the specified rule \"{}\" already exists", words(new));
            return Err(Refusal::new("InvalidPermission.Duplicate", message));
        }
        traffic.push(new.clone());
    }
    let of = |v6: bool| traffic.iter().filter(|t| v6 == matches!(t.peer, Peer::V6(_))).count();
    if of(false) > RULES_PER_GROUP || of(true) > RULES_PER_GROUP {
        let message = "The maximum number of rules per security group has been reached.";
        return Err(Refusal::new("RulesPerSecurityGroupLimitExceeded", message));
    }
    unless_dry_run(dry_run)?;
    let (stale_ms, account) = (world.stale_reads_ms, world.account.clone());
    let mut made = Vec::new();
    for (traffic, description) in wanted {
        let rule = GroupRule { id: world.ec2_id("sgr"), egress, traffic, description };
        let region = here(world, call);
        region.born(&rule.id, Tags::clone(&tags), call.now_ms, stale_ms);
        made.push(shown(region, group_id, &rule, call, &account));
        region.groups.get_mut(group_id).expect("it was found above").rules.push(rule);
    }
    Ok(made)
}

/// The rules that permissions stand for, each with one peer.
fn wanted(region: &Region, group: &SecurityGroup, permissions: &[IpPermission]) -> Answer<Vec<Wanted>> {
    let mut all = Vec::new();
    for permission in permissions {
        let (protocol, from_port, to_port) =
            protocol_and_ports(permission.ip_protocol(), permission.from_port, permission.to_port)?;
        let mut add = |peer, description: Option<&str>| {
            check_description(description)?;
            let traffic = Traffic { protocol: protocol.clone(), from_port, to_port, peer };
            all.push((traffic, description.map(str::to_owned)));
            Ok(())
        };
        let before = permission.ip_ranges().len()
            + permission.ipv6_ranges().len()
            + permission.user_id_group_pairs().len()
            + permission.prefix_list_ids().len();
        if before == 0 {
            return Err(missing("IpRanges, Ipv6Ranges, UserIdGroupPairs or PrefixListIds"));
        }
        for range in permission.ip_ranges() {
            add(Peer::V4(parse_v4(range.cidr_ip().unwrap_or_default())?), range.description())?;
        }
        for range in permission.ipv6_ranges() {
            add(Peer::V6(parse_v6(range.cidr_ipv6().unwrap_or_default())?), range.description())?;
        }
        for pair in permission.user_id_group_pairs() {
            let id = pair.group_id().ok_or_else(|| missing("GroupId of a UserIdGroupPair"))?;
            add(Peer::Group(peer_group(region, group, id)?), pair.description())?;
        }
        for list in permission.prefix_list_ids() {
            let id = list.prefix_list_id().ok_or_else(|| missing("PrefixListId"))?;
            add(Peer::PrefixList(id.to_owned()), list.description())?;
        }
    }
    if all.is_empty() {
        return Err(missing("IpPermissions"));
    }
    Ok(all)
}

fn peer_group(region: &Region, group: &SecurityGroup, id: &str) -> Answer<String> {
    let peer = region.group(id)?;
    if peer.vpc_id != group.vpc_id {
        let message = format!("You have specified two resources that belong to different networks: {id}");
        return Err(Refusal::new("InvalidGroup.NotFound", message));
    }
    Ok(id.to_owned())
}

fn parse_v4(text: &str) -> Answer<Cidr> {
    Cidr::parse(text).ok_or_else(|| invalid(format!("CIDR block {text} is malformed")))
}

fn parse_v6(text: &str) -> Answer<String> {
    let (address, prefix) = text.split_once('/').unwrap_or((text, ""));
    let address: Result<std::net::Ipv6Addr, _> = address.parse();
    match (address, prefix.parse::<u8>()) {
        (Ok(address), Ok(prefix)) if prefix <= 128 => {
            let bits = u128::from(address) & u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            Ok(format!("{}/{prefix}", std::net::Ipv6Addr::from(bits)))
        }
        _ => Err(invalid(format!("CIDR block {text} is malformed"))),
    }
}

fn check_description(description: Option<&str>) -> Answer<()> {
    match description {
        Some(text) if text.chars().count() > 255 => {
            Err(invalid("Invalid rule description. Valid descriptions are strings less than 256 characters"))
        }
        _ => Ok(()),
    }
}

type Ports = (String, Option<i32>, Option<i32>);

/// Names for the numbers that have one, and the ports that go with them.
fn protocol_and_ports(protocol: Option<&str>, from: Option<i32>, to: Option<i32>) -> Answer<Ports> {
    let protocol = match protocol.unwrap_or_default() {
        "" => return Err(missing("IpProtocol")),
        "-1" | "all" => return Ok(("-1".to_owned(), None, None)),
        "6" => "tcp".to_owned(),
        "17" => "udp".to_owned(),
        "1" => "icmp".to_owned(),
        "58" => "icmpv6".to_owned(),
        name => name.to_lowercase(),
    };
    match protocol.as_str() {
        "tcp" | "udp" => match (from, to) {
            (Some(from), Some(to)) if (0..=65_535).contains(&from) && (from..=65_535).contains(&to) => {
                Ok((protocol, Some(from), Some(to)))
            }
            (Some(from), Some(to)) => Err(invalid(format!("Invalid value '{from}-{to}' for portRange."))),
            _ => Err(invalid("Invalid value 'null' for portRange. Must specify both from and to ports with TCP/UDP.")),
        },
        "icmp" | "icmpv6" => Ok((protocol, from.or(Some(-1)), to.or(Some(-1)))),
        number if number.parse::<u8>().is_ok() => Ok((protocol, None, None)),
        unknown => Err(invalid(format!("Invalid value '{unknown}' for IP protocol. Unknown protocol."))),
    }
}

pub(super) fn revoke_ingress(
    world: &mut World,
    call: &Call,
    input: &RevokeSecurityGroupIngressInput,
) -> Answer<RevokeSecurityGroupIngressOutput> {
    only_modelled(&[
        ("GroupName", input.group_name.is_some()),
        ("SourceSecurityGroupName", input.source_security_group_name.is_some()),
    ])?;
    let flat = flat(&input.ip_protocol, input.from_port, input.to_port, &input.cidr_ip);
    let permissions = [flat.as_slice(), input.ip_permissions.as_deref().unwrap_or_default()].concat();
    let rules = ids(&input.security_group_rule_ids);
    revoke(world, call, &input.group_id, false, &permissions, rules, input.dry_run)?;
    Ok(RevokeSecurityGroupIngressOutput::builder().r#return(true).build())
}

pub(super) fn revoke_egress(
    world: &mut World,
    call: &Call,
    input: &RevokeSecurityGroupEgressInput,
) -> Answer<RevokeSecurityGroupEgressOutput> {
    only_modelled(&[("SourceSecurityGroupName", input.source_security_group_name.is_some())])?;
    let flat = flat(&input.ip_protocol, input.from_port, input.to_port, &input.cidr_ip);
    let permissions = [flat.as_slice(), input.ip_permissions.as_deref().unwrap_or_default()].concat();
    let rules = ids(&input.security_group_rule_ids);
    revoke(world, call, &input.group_id, true, &permissions, rules, input.dry_run)?;
    Ok(RevokeSecurityGroupEgressOutput::builder().r#return(true).build())
}

fn revoke(
    world: &mut World,
    call: &Call,
    group_id: &Option<String>,
    egress: bool,
    permissions: &[IpPermission],
    rule_ids: &[String],
    dry_run: Option<bool>,
) -> Answer<()> {
    let group_id = required(group_id, "GroupId")?;
    let region = here(world, call);
    let group = region.group(group_id)?;
    let of_direction = || group.rules.iter().filter(|rule| rule.egress == egress);
    let mut gone = Vec::new();
    for id in rule_ids {
        let rule = of_direction().find(|rule| rule.id == *id).ok_or_else(|| not_found("rule", id))?;
        gone.push(rule.id.clone());
    }
    if !permissions.is_empty() {
        for (traffic, _) in wanted(region, group, permissions)? {
            let rule = of_direction().find(|rule| rule.traffic == traffic).ok_or_else(|| {
                let message = "The specified rule does not exist in this security group.";
                Refusal::new("InvalidPermission.NotFound", message)
            })?;
            gone.push(rule.id.clone());
        }
    }
    if gone.is_empty() {
        return Err(missing("IpPermissions or SecurityGroupRuleIds"));
    }
    unless_dry_run(dry_run)?;
    let group = region.groups.get_mut(group_id).expect("it was found above");
    group.rules.retain(|rule| !gone.contains(&rule.id));
    for id in gone {
        region.tags.remove(&id);
    }
    Ok(())
}

pub(super) fn describe_security_group_rules(
    world: &mut World,
    call: &Call,
    input: &DescribeSecurityGroupRulesInput,
) -> Answer<DescribeSecurityGroupRulesOutput> {
    unless_dry_run(input.dry_run)?;
    let account = world.account.clone();
    let region = here(world, call);
    let all = region.groups.values().flat_map(|group| group.rules.iter().map(move |rule| (&group.id, rule)));
    let all = all.map(|(group, rule)| (rule.id.clone(), (group.clone(), rule.clone()))).collect();
    let query = Query {
        kind: "rule",
        ids: ids(&input.security_group_rule_ids),
        filters: input.filters.as_deref().unwrap_or_default(),
        names: &["group-id", "security-group-rule-id"],
        now_ms: call.now_ms,
    };
    let found = query.run(region, &all, |(group, rule), name| match name {
        "group-id" => one(group),
        "security-group-rule-id" => one(&rule.id),
        _ => Vec::new(),
    })?;
    let (page, next) = Paging::of(input.max_results, input.next_token.as_deref()).cut(found)?;
    let page = page.into_iter().map(|(_, (group, rule))| shown(region, group, rule, call, &account)).collect();
    Ok(DescribeSecurityGroupRulesOutput::builder().set_security_group_rules(Some(page)).set_next_token(next).build())
}

pub(super) fn modify_security_group_rules(
    world: &mut World,
    call: &Call,
    input: &ModifySecurityGroupRulesInput,
) -> Answer<ModifySecurityGroupRulesOutput> {
    let group_id = required(&input.group_id, "GroupId")?;
    let region = here(world, call);
    let group = region.group(group_id)?;
    let updates = input.security_group_rules.as_deref().unwrap_or_default();
    if updates.is_empty() {
        return Err(missing("SecurityGroupRule"));
    }
    let mut rules = group.rules.clone();
    for update in updates {
        let id = update.security_group_rule_id().ok_or_else(|| missing("SecurityGroupRuleId"))?;
        let request = update.security_group_rule().ok_or_else(|| missing("SecurityGroupRule"))?;
        let (protocol, from_port, to_port) =
            protocol_and_ports(request.ip_protocol(), request.from_port, request.to_port)?;
        let peers = (request.cidr_ipv4(), request.cidr_ipv6(), request.referenced_group_id(), request.prefix_list_id());
        let peer = match peers {
            (Some(cidr), None, None, None) => Peer::V4(parse_v4(cidr)?),
            (None, Some(cidr), None, None) => Peer::V6(parse_v6(cidr)?),
            (None, None, Some(id), None) => Peer::Group(peer_group(region, group, id)?),
            (None, None, None, Some(id)) => Peer::PrefixList(id.to_owned()),
            _ => return Err(invalid("Exactly one source or destination of a rule must be specified")),
        };
        check_description(request.description())?;
        let rule = rules.iter_mut().find(|rule| rule.id == id).ok_or_else(|| not_found("rule", id))?;
        if mem::discriminant(&rule.traffic.peer) != mem::discriminant(&peer) {
            let (old, new) = (kind(&rule.traffic.peer), kind(&peer));
            return Err(invalid(format!("You may not specify a {new} for an existing {old} rule.")));
        }
        rule.traffic = Traffic { protocol, from_port, to_port, peer };
        rule.description = request.description().map(str::to_owned);
    }
    for (i, rule) in rules.iter().enumerate() {
        if rules[..i].iter().any(|other| other.egress == rule.egress && other.traffic == rule.traffic) {
            let message = format!("the specified rule \"{}\" already exists", words(&rule.traffic));
            return Err(Refusal::new("InvalidPermission.Duplicate", message));
        }
    }
    unless_dry_run(input.dry_run)?;
    region.groups.get_mut(group_id).expect("it was found above").rules = rules;
    Ok(ModifySecurityGroupRulesOutput::builder().r#return(true).build())
}

/// A kind of peer as EC2 names it when a rule would get another.
fn kind(peer: &Peer) -> &'static str {
    match peer {
        Peer::V4(_) => "IPv4 CIDR",
        Peer::V6(_) => "IPv6 CIDR",
        Peer::Group(_) => "referenced group id",
        Peer::PrefixList(_) => "prefix list",
    }
}

/// `peer: 10.0.0.0/16, TCP, from port: 80, to port: 80, ALLOW`, as the error text of EC2 has it.
fn words(traffic: &Traffic) -> String {
    let peer = match &traffic.peer {
        Peer::V4(cidr) => cidr.to_string(),
        Peer::V6(text) | Peer::Group(text) | Peer::PrefixList(text) => text.clone(),
    };
    match (traffic.protocol.as_str(), traffic.from_port, traffic.to_port) {
        ("-1", ..) => format!("peer: {peer}, ALL, ALLOW"),
        (protocol, Some(from), Some(to)) => {
            format!("peer: {peer}, {}, from port: {from}, to port: {to}, ALLOW", protocol.to_uppercase())
        }
        (protocol, ..) => format!("peer: {peer}, {}, ALLOW", protocol.to_uppercase()),
    }
}

fn shown(region: &Region, group_id: &str, rule: &GroupRule, call: &Call, account: &str) -> SecurityGroupRule {
    let traffic = &rule.traffic;
    let shown = SecurityGroupRule::builder()
        .security_group_rule_id(&rule.id)
        .security_group_rule_arn(format!("arn:aws:ec2:{}:{account}:security-group-rule/{}", call.region, rule.id))
        .group_id(group_id)
        .group_owner_id(account)
        .is_egress(rule.egress)
        .ip_protocol(&traffic.protocol)
        // A rule without ports shows -1 here, while a permission leaves them out.
        .from_port(traffic.from_port.unwrap_or(-1))
        .to_port(traffic.to_port.unwrap_or(-1))
        .set_description(rule.description.clone())
        .set_tags(Some(region.tag_list(&rule.id)));
    match &traffic.peer {
        Peer::V4(cidr) => shown.cidr_ipv4(cidr.to_string()),
        Peer::V6(cidr) => shown.cidr_ipv6(cidr),
        Peer::PrefixList(id) => shown.prefix_list_id(id),
        Peer::Group(id) => {
            shown.referenced_group_info(ReferencedSecurityGroup::builder().group_id(id).user_id(account).build())
        }
    }
    .build()
}

/// The rules of a direction as permissions: one per protocol and ports, with all its peers.
pub(super) fn permissions(group: &SecurityGroup, egress: bool, account: &str) -> Vec<IpPermission> {
    let mut all: Vec<IpPermission> = Vec::new();
    for rule in group.rules.iter().filter(|rule| rule.egress == egress) {
        let traffic = &rule.traffic;
        let same = |p: &IpPermission| {
            p.ip_protocol() == Some(&traffic.protocol)
                && p.from_port == traffic.from_port
                && p.to_port == traffic.to_port
        };
        let at = all.iter().position(same).unwrap_or_else(|| {
            let new = IpPermission::builder().ip_protocol(&traffic.protocol);
            let new = new.set_from_port(traffic.from_port).set_to_port(traffic.to_port);
            let new = new.set_ip_ranges(Some(Vec::new())).set_ipv6_ranges(Some(Vec::new()));
            all.push(new.set_prefix_list_ids(Some(Vec::new())).set_user_id_group_pairs(Some(Vec::new())).build());
            all.len() - 1
        });
        let (permission, description) = (&mut all[at], rule.description.clone());
        match &traffic.peer {
            Peer::V4(cidr) => {
                let range = IpRange::builder().cidr_ip(cidr.to_string()).set_description(description).build();
                permission.ip_ranges.get_or_insert_default().push(range);
            }
            Peer::V6(cidr) => {
                let range = Ipv6Range::builder().cidr_ipv6(cidr).set_description(description).build();
                permission.ipv6_ranges.get_or_insert_default().push(range);
            }
            Peer::PrefixList(id) => {
                let list = PrefixListId::builder().prefix_list_id(id).set_description(description).build();
                permission.prefix_list_ids.get_or_insert_default().push(list);
            }
            Peer::Group(id) => {
                let pair = UserIdGroupPair::builder().group_id(id).user_id(account).set_description(description);
                permission.user_id_group_pairs.get_or_insert_default().push(pair.build());
            }
        }
    }
    all
}
