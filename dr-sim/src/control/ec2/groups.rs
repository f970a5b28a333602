//! Security groups: CreateSecurityGroup, DescribeSecurityGroups, DeleteSecurityGroup. Their rules are in `rules.rs`.

use aws_sdk_ec2::operation::create_security_group::{CreateSecurityGroupInput, CreateSecurityGroupOutput};
use aws_sdk_ec2::operation::delete_security_group::{DeleteSecurityGroupInput, DeleteSecurityGroupOutput};
use aws_sdk_ec2::operation::describe_security_groups::{DescribeSecurityGroupsInput, DescribeSecurityGroupsOutput};
use aws_sdk_ec2::types::SecurityGroup as SdkGroup;

use super::cidr::Cidr;
use super::kit::{
    Paging, Query, dependency, here, ids, invalid, invalid_value, maybe, one, only_modelled, required, tags_for,
    unless_dry_run,
};
use super::not_found;
use super::rules;
use super::state::{GroupRule, Peer, Region, SecurityGroup, Traffic};
use crate::control::{Answer, Call, Refusal};
use crate::world::World;

pub(super) fn create_security_group(
    world: &mut World,
    call: &Call,
    input: &CreateSecurityGroupInput,
) -> Answer<CreateSecurityGroupOutput> {
    let name = required(&input.group_name, "GroupName")?;
    let description = required(&input.description, "GroupDescription")?;
    let tags = tags_for(&input.tag_specifications, &["security-group"], "security-group")?;
    if name.starts_with("sg-") {
        let why = "Group names may not be in the format sg-*.";
        return Err(invalid_value("groupName", name, why));
    }
    if name.eq_ignore_ascii_case("default") {
        return Err(Refusal::new("InvalidGroup.Reserved", "The security group 'default' is reserved"));
    }
    check_text("groupName", name)?;
    check_text("groupDescription", description)?;
    let vpc_id = input.vpc_id.as_deref().ok_or_else(no_default_vpc)?;
    let (quota, stale_ms) = (world.ec2.quotas.security_groups, world.stale_reads_ms);
    let region = here(world, call);
    region.vpc(vpc_id)?;
    let taken = |group: &SecurityGroup| group.vpc_id == vpc_id && group.name.eq_ignore_ascii_case(name);
    if region.groups.values().any(taken) {
        let message = format!("The security group '{name}' already exists for VPC '{vpc_id}'");
        return Err(Refusal::new("InvalidGroup.Duplicate", message));
    }
    if region.groups.len() >= quota {
        let message = "The maximum number of security groups has been reached.";
        return Err(Refusal::new("SecurityGroupLimitExceeded", message));
    }
    unless_dry_run(input.dry_run)?;

    let id = world.ec2_id("sg");
    // Every new group of a VPC lets everything out.
    let out = Traffic { protocol: "-1".to_owned(), from_port: None, to_port: None, peer: Peer::V4(Cidr::ANYWHERE) };
    let rule = GroupRule { id: world.ec2_id("sgr"), egress: true, traffic: out, description: None };
    let group = SecurityGroup {
        id: id.clone(),
        vpc_id: vpc_id.to_owned(),
        name: name.to_owned(),
        description: description.to_owned(),
        rules: vec![rule],
    };
    let arn = arn(&id, call, &world.account);
    let region = here(world, call);
    region.born(&id, tags, call.now_ms, stale_ms);
    region.groups.insert(id.clone(), group);
    let tags = region.tag_list(&id);
    Ok(CreateSecurityGroupOutput::builder().group_id(id).security_group_arn(arn).set_tags(Some(tags)).build())
}

/// "Up to 255 characters; a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&;{}!$*".
fn check_text(name: &str, text: &str) -> Answer<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    if text.len() > 255 || !text.chars().all(allowed) {
        let why = "Valid values are strings of up to 255 characters from the following set: \
                   a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*";
        return Err(invalid_value(name, text, why));
    }
    Ok(())
}

/// A simulated account has no default VPC, as an account that removed it.
pub(super) fn no_default_vpc() -> Refusal {
    Refusal::new("VPCIdNotSpecified", "No default VPC for this user.")
}

pub(super) fn describe_security_groups(
    world: &mut World,
    call: &Call,
    input: &DescribeSecurityGroupsInput,
) -> Answer<DescribeSecurityGroupsOutput> {
    const NAMES: &[&str] = &[
        "description",
        "group-id",
        "group-name",
        "owner-id",
        "vpc-id",
        "ip-permission.cidr",
        "ip-permission.from-port",
        "ip-permission.group-id",
        "ip-permission.protocol",
        "ip-permission.to-port",
        "egress.ip-permission.cidr",
        "egress.ip-permission.from-port",
        "egress.ip-permission.group-id",
        "egress.ip-permission.protocol",
        "egress.ip-permission.to-port",
    ];
    only_modelled(&[("GroupName", input.group_names.as_ref().is_some_and(|names| !names.is_empty()))])?;
    unless_dry_run(input.dry_run)?;
    let account = world.account.clone();
    let region = here(world, call);
    let query = Query {
        kind: "group",
        ids: ids(&input.group_ids),
        filters: input.filters.as_deref().unwrap_or_default(),
        names: NAMES,
        now_ms: call.now_ms,
    };
    let found = query.run(region, &region.groups, |group, name| match name {
        "description" => one(&group.description),
        "group-id" => one(&group.id),
        "group-name" => one(&group.name),
        "owner-id" => one(&account),
        "vpc-id" => one(&group.vpc_id),
        rule => {
            let egress = rule.starts_with("egress.");
            let property = rule.trim_start_matches("egress.").trim_start_matches("ip-permission.");
            let rules = group.rules.iter().filter(|rule| rule.egress == egress);
            rules.flat_map(|rule| rule_property(&rule.traffic, property)).collect()
        }
    })?;
    let (page, next) = Paging::of(input.max_results, input.next_token.as_deref()).cut(found)?;
    let page = page.into_iter().map(|(_, group)| shown(region, group, call, &account)).collect();
    Ok(DescribeSecurityGroupsOutput::builder().set_security_groups(Some(page)).set_next_token(next).build())
}

fn rule_property(traffic: &Traffic, property: &str) -> Vec<String> {
    match (property, &traffic.peer) {
        ("cidr", Peer::V4(cidr)) => one(cidr.to_string()),
        ("group-id", Peer::Group(id)) => one(id),
        ("from-port", _) => maybe(traffic.from_port.map(|port| port.to_string())),
        ("to-port", _) => maybe(traffic.to_port.map(|port| port.to_string())),
        ("protocol", _) => one(&traffic.protocol),
        _ => Vec::new(),
    }
}

pub(super) fn delete_security_group(
    world: &mut World,
    call: &Call,
    input: &DeleteSecurityGroupInput,
) -> Answer<DeleteSecurityGroupOutput> {
    only_modelled(&[("GroupName", input.group_name.is_some())])?;
    let id = required(&input.group_id, "GroupId")?;
    let region = here(world, call);
    let group = region.group(id)?;
    if group.name == "default" {
        let message = format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user");
        return Err(Refusal::new("CannotDelete", message));
    }
    let used = region.interfaces.values().any(|interface| interface.group_ids.iter().any(|group| group == id));
    let referenced = region
        .groups
        .values()
        .filter(|group| group.id != id)
        .any(|group| group.rules.iter().any(|rule| matches!(&rule.traffic.peer, Peer::Group(peer) if peer == id)));
    if used || referenced {
        return Err(dependency(format!("resource {id} has a dependent object")));
    }
    unless_dry_run(input.dry_run)?;
    let group = region.groups.remove(id).expect("it was found above");
    region.tags.remove(id);
    for rule in group.rules {
        region.tags.remove(&rule.id);
    }
    Ok(DeleteSecurityGroupOutput::builder().r#return(true).group_id(id).build())
}

fn arn(id: &str, call: &Call, account: &str) -> String {
    format!("arn:aws:ec2:{}:{account}:security-group/{id}", call.region)
}

fn shown(region: &Region, group: &SecurityGroup, call: &Call, account: &str) -> SdkGroup {
    SdkGroup::builder()
        .group_id(&group.id)
        .group_name(&group.name)
        .description(&group.description)
        .vpc_id(&group.vpc_id)
        .owner_id(account)
        .security_group_arn(arn(&group.id, call, account))
        .set_ip_permissions(Some(rules::permissions(group, false, account)))
        .set_ip_permissions_egress(Some(rules::permissions(group, true, account)))
        .set_tags(Some(region.tag_list(&group.id)))
        .build()
}

/// Groups for an interface: they exist and belong to the VPC; none given means the default group.
pub(super) fn groups_of_vpc(region: &Region, given: &[String], vpc_id: &str) -> Answer<Vec<String>> {
    for id in given {
        let group = region.group(id)?;
        if group.vpc_id != vpc_id {
            let message = format!("Security group {id} and the subnet belong to different networks.");
            return Err(Refusal::new("InvalidParameter", message));
        }
    }
    if given.len() > 5 {
        let message = "You have exceeded the maximum number of security groups allowed per network interface.";
        return Err(Refusal::new("SecurityGroupsPerInterfaceLimitExceeded", message));
    }
    if !given.is_empty() {
        return Ok(given.to_vec());
    }
    let default = region.groups.values().find(|group| group.vpc_id == vpc_id && group.name == "default");
    default.map(|group| vec![group.id.clone()]).ok_or_else(|| invalid("The VPC has no default security group"))
}

impl Region {
    /// A security group that must be there.
    pub(super) fn group(&self, id: &str) -> Answer<&SecurityGroup> {
        self.groups.get(id).ok_or_else(|| not_found("group", id))
    }
}
