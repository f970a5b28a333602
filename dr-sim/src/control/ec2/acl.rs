//! Network ACLs: CreateNetworkAcl, CreateNetworkAclEntry, DeleteNetworkAclEntry, ReplaceNetworkAclAssociation,
//! DescribeNetworkAcls, DeleteNetworkAcl.
//!
//! Every subnet has exactly one, from the start the default one of its VPC. The last entry of a list, which denies
//! everything, is shown and cannot be changed.

use aws_sdk_ec2::operation::create_network_acl::{CreateNetworkAclInput, CreateNetworkAclOutput};
use aws_sdk_ec2::operation::create_network_acl_entry::{CreateNetworkAclEntryInput, CreateNetworkAclEntryOutput};
use aws_sdk_ec2::operation::delete_network_acl::{DeleteNetworkAclInput, DeleteNetworkAclOutput};
use aws_sdk_ec2::operation::delete_network_acl_entry::{DeleteNetworkAclEntryInput, DeleteNetworkAclEntryOutput};
use aws_sdk_ec2::operation::describe_network_acls::{DescribeNetworkAclsInput, DescribeNetworkAclsOutput};
use aws_sdk_ec2::operation::replace_network_acl_association::{
    ReplaceNetworkAclAssociationInput, ReplaceNetworkAclAssociationOutput,
};
use aws_sdk_ec2::types::{
    IcmpTypeCode, NetworkAcl as SdkAcl, NetworkAclAssociation, NetworkAclEntry, PortRange, RuleAction,
};

use super::cidr::Cidr;
use super::kit::{
    Paging, Query, checked_token, dependency, here, ids, invalid, invalid_value, missing, one, only_modelled, required,
    tags_for, unless_dry_run, yes_no,
};
use super::not_found;
use super::state::{AclEntry, NetworkAcl, Region, SubnetAssociation};
use crate::control::{Answer, Call, Refusal};
use crate::world::World;

/// The number under which the API shows the entry that denies what nothing else decided.
const LAST: i32 = 32_767;

pub(super) fn create_network_acl(
    world: &mut World,
    call: &Call,
    input: &CreateNetworkAclInput,
) -> Answer<CreateNetworkAclOutput> {
    let vpc_id = required(&input.vpc_id, "VpcId")?;
    let token = checked_token(input.client_token.as_deref())?;
    let tags = tags_for(&input.tag_specifications, &["network-acl"], "network-acl")?;
    let parameters = format!("{input:?}");
    let (stale_ms, account) = (world.stale_reads_ms, world.account.clone());
    let answer =
        |acl| CreateNetworkAclOutput::builder().network_acl(acl).set_client_token(input.client_token.clone()).build();
    let region = here(world, call);
    let before = region.made_before("CreateNetworkAcl", token, &parameters)?;
    if let Some(acl) = before.and_then(|id| region.acls.get(&id)) {
        return Ok(answer(shown(region, acl, &account)));
    }
    region.vpc(vpc_id)?;
    unless_dry_run(input.dry_run)?;
    let id = world.ec2_id("acl");
    let acl = NetworkAcl {
        id: id.clone(),
        vpc_id: vpc_id.to_owned(),
        default: false,
        entries: Vec::new(),
        associations: Vec::new(),
    };
    let region = here(world, call);
    region.born(&id, tags, call.now_ms, stale_ms);
    region.remember("CreateNetworkAcl", token, &parameters, &id);
    region.acls.insert(id.clone(), acl);
    Ok(answer(shown(region, &region.acls[&id], &account)))
}

pub(super) fn create_network_acl_entry(
    world: &mut World,
    call: &Call,
    input: &CreateNetworkAclEntryInput,
) -> Answer<CreateNetworkAclEntryOutput> {
    only_modelled(&[("Ipv6CidrBlock", input.ipv6_cidr_block.is_some())])?;
    let id = required(&input.network_acl_id, "NetworkAclId")?;
    let number = input.rule_number.ok_or_else(|| missing("RuleNumber"))?;
    if !(1..LAST).contains(&number) {
        return Err(invalid_value("ruleNumber", &number.to_string(), "Rule numbers are 1 to 32766."));
    }
    let egress = input.egress.ok_or_else(|| missing("Egress"))?;
    let text = required(&input.cidr_block, "CidrBlock")?;
    let cidr = Cidr::parse(text).ok_or_else(|| invalid_value("cidrBlock", text, "This is not a valid CIDR block."))?;
    let protocol = match required(&input.protocol, "Protocol")? {
        "all" | "-1" => "-1",
        "tcp" | "6" => "6",
        "udp" | "17" => "17",
        "icmp" | "1" => "1",
        number if number.parse::<u8>().is_ok() => number,
        unknown => return Err(invalid_value("protocol", unknown, "Unknown protocol.")),
    };
    let allow = match &input.rule_action {
        Some(RuleAction::Allow) => true,
        Some(RuleAction::Deny) => false,
        Some(other) => return Err(invalid_value("ruleAction", other.as_str(), "It is allow or deny.")),
        None => return Err(missing("RuleAction")),
    };
    let range = input.port_range.as_ref().and_then(|range| Some((range.from?, range.to?)));
    let ports = match (protocol, range) {
        ("6" | "17", Some((from, to))) if (0..=65_535).contains(&from) && (from..=65_535).contains(&to) => {
            Some((from, to))
        }
        ("6" | "17", Some((from, to))) => {
            return Err(invalid_value("portRange", &format!("{from}-{to}"), "Ports are 0 to 65535."));
        }
        ("6" | "17", None) => return Err(missing("PortRange")),
        _ => None,
    };
    let icmp = input.icmp_type_code.as_ref().and_then(|icmp| Some((icmp.r#type?, icmp.code?)));
    if protocol == "1" && icmp.is_none() {
        return Err(missing("Icmp"));
    }
    let quota = world.ec2.quotas.acl_entries;
    let acl = here(world, call).acls.get_mut(id).ok_or_else(|| not_found("acl", id))?;
    if acl.entries.iter().any(|entry| entry.number == number && entry.egress == egress) {
        let message = format!("The network acl entry identified by {number} already exists.");
        return Err(Refusal::new("NetworkAclEntryAlreadyExists", message));
    }
    if acl.entries.iter().filter(|entry| entry.egress == egress).count() >= quota {
        let message = "The maximum number of network acl entries has been reached.";
        return Err(Refusal::new("NetworkAclEntryLimitExceeded", message));
    }
    unless_dry_run(input.dry_run)?;
    let protocol = protocol.to_owned();
    acl.entries.push(AclEntry { number, egress, protocol, allow, cidr, ports, icmp });
    acl.entries.sort_by_key(|entry| (entry.egress, entry.number));
    Ok(CreateNetworkAclEntryOutput::builder().build())
}

pub(super) fn delete_network_acl_entry(
    world: &mut World,
    call: &Call,
    input: &DeleteNetworkAclEntryInput,
) -> Answer<DeleteNetworkAclEntryOutput> {
    let id = required(&input.network_acl_id, "NetworkAclId")?;
    let number = input.rule_number.ok_or_else(|| missing("RuleNumber"))?;
    let egress = input.egress.ok_or_else(|| missing("Egress"))?;
    let acl = here(world, call).acls.get_mut(id).ok_or_else(|| not_found("acl", id))?;
    let at =
        acl.entries.iter().position(|entry| entry.number == number && entry.egress == egress).ok_or_else(|| {
            let message = format!("The network acl entry identified by {number} does not exist");
            Refusal::new("InvalidNetworkAclEntry.NotFound", message)
        })?;
    unless_dry_run(input.dry_run)?;
    acl.entries.remove(at);
    Ok(DeleteNetworkAclEntryOutput::builder().build())
}

pub(super) fn replace_network_acl_association(
    world: &mut World,
    call: &Call,
    input: &ReplaceNetworkAclAssociationInput,
) -> Answer<ReplaceNetworkAclAssociationOutput> {
    let old_id = required(&input.association_id, "AssociationId")?;
    let acl_id = required(&input.network_acl_id, "NetworkAclId")?;
    let region = here(world, call);
    let new = region.acls.get(acl_id).ok_or_else(|| not_found("acl", acl_id))?;
    let old = region.acls.values().find(|acl| acl.associations.iter().any(|a| a.id == old_id));
    let old = old.ok_or_else(|| not_found("association", old_id))?;
    if old.vpc_id != new.vpc_id {
        return Err(invalid(format!("Network ACL {acl_id} and the subnet belong to different networks")));
    }
    unless_dry_run(input.dry_run)?;
    let old_acl = old.id.clone();
    let id = world.ec2_id("aclassoc");
    let acls = &mut here(world, call).acls;
    let old = acls.get_mut(&old_acl).expect("it was found above");
    let at = old.associations.iter().position(|a| a.id == old_id).expect("it was found above");
    let subnet_id = old.associations.remove(at).subnet_id;
    let new = acls.get_mut(acl_id).expect("it was found above");
    new.associations.push(SubnetAssociation { id: id.clone(), subnet_id });
    Ok(ReplaceNetworkAclAssociationOutput::builder().new_association_id(id).build())
}

pub(super) fn describe_network_acls(
    world: &mut World,
    call: &Call,
    input: &DescribeNetworkAclsInput,
) -> Answer<DescribeNetworkAclsOutput> {
    const NAMES: &[&str] = &[
        "association.association-id",
        "association.network-acl-id",
        "association.subnet-id",
        "default",
        "entry.cidr",
        "entry.egress",
        "entry.protocol",
        "entry.rule-action",
        "entry.rule-number",
        "network-acl-id",
        "owner-id",
        "vpc-id",
    ];
    unless_dry_run(input.dry_run)?;
    let account = world.account.clone();
    let region = here(world, call);
    let query = Query {
        kind: "acl",
        ids: ids(&input.network_acl_ids),
        filters: input.filters.as_deref().unwrap_or_default(),
        names: NAMES,
        now_ms: call.now_ms,
    };
    let found = query.run(region, &region.acls, |acl, name| {
        let entries = |value: fn(&AclEntry) -> String| acl.entries.iter().map(value).collect::<Vec<_>>();
        match name {
            "association.association-id" => acl.associations.iter().map(|a| a.id.clone()).collect(),
            "association.network-acl-id" => acl.associations.iter().map(|_| acl.id.clone()).collect(),
            "association.subnet-id" => acl.associations.iter().map(|a| a.subnet_id.clone()).collect(),
            "default" => yes_no(acl.default),
            "entry.cidr" => entries(|entry| entry.cidr.to_string()),
            "entry.egress" => entries(|entry| entry.egress.to_string()),
            "entry.protocol" => entries(|entry| entry.protocol.clone()),
            "entry.rule-action" => entries(|entry| action(entry.allow).as_str().to_owned()),
            "entry.rule-number" => entries(|entry| entry.number.to_string()),
            "network-acl-id" => one(&acl.id),
            "owner-id" => one(&account),
            "vpc-id" => one(&acl.vpc_id),
            _ => Vec::new(),
        }
    })?;
    let (page, next) = Paging::of(input.max_results, input.next_token.as_deref()).cut(found)?;
    let page = page.into_iter().map(|(_, acl)| shown(region, acl, &account)).collect();
    Ok(DescribeNetworkAclsOutput::builder().set_network_acls(Some(page)).set_next_token(next).build())
}

pub(super) fn delete_network_acl(
    world: &mut World,
    call: &Call,
    input: &DeleteNetworkAclInput,
) -> Answer<DeleteNetworkAclOutput> {
    let id = required(&input.network_acl_id, "NetworkAclId")?;
    let region = here(world, call);
    let acl = region.acls.get(id).ok_or_else(|| not_found("acl", id))?;
    if acl.default {
        return Err(invalid(format!("cannot delete default network ACL {id}")));
    }
    if !acl.associations.is_empty() {
        return Err(dependency(format!("The networkAcl '{id}' has dependencies and cannot be deleted.")));
    }
    unless_dry_run(input.dry_run)?;
    region.acls.remove(id);
    region.tags.remove(id);
    Ok(DeleteNetworkAclOutput::builder().build())
}

fn action(allow: bool) -> RuleAction {
    if allow { RuleAction::Allow } else { RuleAction::Deny }
}

fn shown_entry(entry: &AclEntry) -> NetworkAclEntry {
    let ports = entry.ports.map(|(from, to)| PortRange::builder().from(from).to(to).build());
    let icmp = entry.icmp.map(|(kind, code)| IcmpTypeCode::builder().r#type(kind).code(code).build());
    NetworkAclEntry::builder()
        .rule_number(entry.number)
        .egress(entry.egress)
        .protocol(&entry.protocol)
        .rule_action(action(entry.allow))
        .cidr_block(entry.cidr.to_string())
        .set_port_range(ports)
        .set_icmp_type_code(icmp)
        .build()
}

fn shown(region: &Region, acl: &NetworkAcl, account: &str) -> SdkAcl {
    let last = [true, false].map(|egress| AclEntry {
        number: LAST,
        egress,
        protocol: "-1".to_owned(),
        allow: false,
        cidr: Cidr::ANYWHERE,
        ports: None,
        icmp: None,
    });
    let associations = acl.associations.iter().map(|a| {
        NetworkAclAssociation::builder()
            .network_acl_association_id(&a.id)
            .network_acl_id(&acl.id)
            .subnet_id(&a.subnet_id)
            .build()
    });
    SdkAcl::builder()
        .network_acl_id(&acl.id)
        .vpc_id(&acl.vpc_id)
        .owner_id(account)
        .is_default(acl.default)
        .set_entries(Some(acl.entries.iter().chain(&last).map(shown_entry).collect()))
        .set_associations(Some(associations.collect()))
        .set_tags(Some(region.tag_list(&acl.id)))
        .build()
}
