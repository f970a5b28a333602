//! Hosted zones and GetChange.

use std::collections::BTreeMap;

use aws_sdk_route53::operation::create_hosted_zone::{
    CreateHostedZoneError, CreateHostedZoneInput, CreateHostedZoneOutput,
};
use aws_sdk_route53::operation::delete_hosted_zone::{
    DeleteHostedZoneError, DeleteHostedZoneInput, DeleteHostedZoneOutput,
};
use aws_sdk_route53::operation::get_change::{GetChangeError, GetChangeInput, GetChangeOutput};
use aws_sdk_route53::operation::get_hosted_zone::{GetHostedZoneError, GetHostedZoneInput, GetHostedZoneOutput};
use aws_sdk_route53::operation::list_hosted_zones::{
    ListHostedZonesError, ListHostedZonesInput, ListHostedZonesOutput,
};
use aws_sdk_route53::operation::list_hosted_zones_by_name::{
    ListHostedZonesByNameError, ListHostedZonesByNameInput, ListHostedZonesByNameOutput,
};
use aws_sdk_route53::operation::update_hosted_zone_comment::{
    UpdateHostedZoneCommentError, UpdateHostedZoneCommentInput, UpdateHostedZoneCommentOutput,
};
use aws_sdk_route53::types::{DelegationSet, HostedZone, HostedZoneConfig, HostedZoneType, Vpc, VpcRegion};

use super::{
    RecordSet, Routing, SERVICE, Version, Zone, ZoneVpc, bare_id, change_info, invalid_input, names, new_change,
    page_size, required, zone, zone_for,
};
use crate::control::{Answer, Call, Refusal, Table, acm};
use crate::world::World;

/// Hosted zones per account (Route 53 quota, may be raised).
const ZONES_MOST: usize = 500;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "CreateHostedZone", CreateHostedZoneError::generic, create_hosted_zone);
    table.on(SERVICE, "GetHostedZone", GetHostedZoneError::generic, get_hosted_zone);
    table.on(SERVICE, "ListHostedZones", ListHostedZonesError::generic, list_hosted_zones);
    table.on(SERVICE, "ListHostedZonesByName", ListHostedZonesByNameError::generic, list_hosted_zones_by_name);
    table.on(SERVICE, "UpdateHostedZoneComment", UpdateHostedZoneCommentError::generic, update_hosted_zone_comment);
    table.on(SERVICE, "DeleteHostedZone", DeleteHostedZoneError::generic, delete_hosted_zone);
    table.on(SERVICE, "GetChange", GetChangeError::generic, get_change);
}

fn zone_name(name: &str) -> Answer<String> {
    let name = names::canonical(name).map_err(|why| Refusal::new("InvalidDomainName", why))?;
    if !name.trim_end_matches('.').contains('.') {
        return Err(Refusal::new("InvalidDomainName", format!("{name} is reserved by AWS!")));
    }
    Ok(name)
}

/// The VPC of a private zone, which must be there.
fn zone_vpc(world: &World, vpc: &Vpc) -> Answer<ZoneVpc> {
    let region = vpc.vpc_region.as_ref().map(|region| region.as_str().to_owned());
    match (region, vpc.vpc_id.clone()) {
        (Some(region), Some(id))
            if world.ec2.regions.get(&region).is_some_and(|there| there.vpcs.contains_key(&id)) =>
        {
            Ok(ZoneVpc { region, id })
        }
        (_, id) => {
            let message =
                format!("The VPC: {} you provided is not authorized to make the association.", id.unwrap_or_default());
            Err(Refusal::new("InvalidVPCId", message))
        }
    }
}

fn create_hosted_zone(world: &mut World, call: &Call, input: &CreateHostedZoneInput) -> Answer<CreateHostedZoneOutput> {
    let name = zone_name(required(&input.name, "name")?)?;
    let reference = required(&input.caller_reference, "callerReference")?;
    if reference.chars().count() > 128 {
        return Err(invalid_input("The caller reference is longer than 128 characters."));
    }
    let config = input.hosted_zone_config.as_ref();
    let comment = config.and_then(|config| config.comment.clone());
    if comment.as_ref().is_some_and(|comment| comment.chars().count() > 256) {
        return Err(invalid_input("The comment is longer than 256 characters."));
    }
    if input.delegation_set_id.is_some() {
        let message = "A reusable delegation set with the specified ID does not exist.";
        return Err(Refusal::new("NoSuchDelegationSet", message));
    }
    let vpc = input.vpc.as_ref().map(|vpc| zone_vpc(world, vpc)).transpose()?;
    if vpc.is_none() && config.is_some_and(|config| config.private_zone) {
        return Err(invalid_input("A private hosted zone needs a VPC: specify VPCId and VPCRegion."));
    }
    if !world.route53.zone_references.insert(reference.to_owned()) {
        let message = "A hosted zone has already been created with the specified caller reference.";
        return Err(Refusal::new("HostedZoneAlreadyExists", message).status(409));
    }
    if world.route53.zones.len() >= ZONES_MOST {
        return Err(Refusal::new("TooManyHostedZones", "Limits exceeded: the account has 500 hosted zones."));
    }

    let (info, in_sync_at_ms) = new_change(world, call.now_ms, 0, None);
    let private = vpc.into_iter().collect();
    let new = new_zone(world, name, reference, private, comment, in_sync_at_ms);
    let output = CreateHostedZoneOutput::builder()
        .hosted_zone(shown(&new))
        .change_info(info)
        .set_delegation_set(delegation_set(&new))
        .set_vpc(input.vpc.clone())
        .location(format!("https://route53.amazonaws.com/2013-04-01/hostedzone/{}", new.id));
    world.route53.zones.insert(new.id.clone(), new);
    Ok(output.build().expect("the location is set"))
}

/// A public zone that the owner of the account made long ago, delegated by its registrar and by what encloses it here; nothing
/// when there is one of that name, or none of that name can be.
pub(crate) fn add_owned(world: &mut World, name: &str) {
    let Ok(name) = zone_name(name) else { return };
    if world.route53.zones.values().any(|zone| !zone.private && zone.name == name) {
        return;
    }
    let new = new_zone(world, name.clone(), &format!("owner of {name}"), Vec::new(), None, world.now_ms);
    let new = Zone { earlier: Vec::new(), ..new };
    let parent = zone_for(world, &new.name, |zone| &zone.records).map(|(parent, _)| parent.id.clone());
    if let Some(parent) = parent.and_then(|id| world.route53.zones.get_mut(&id)) {
        let delegation = new.records.iter().find(|record| record.record_type == "NS").cloned();
        parent.records.extend(delegation);
        parent.records.sort_by(RecordSet::list_order);
    }
    world.route53.zones.insert(new.id.clone(), new);
}

/// A zone with its own two record sets, not in the account yet.
fn new_zone(
    world: &mut World,
    name: String,
    reference: &str,
    vpcs: Vec<ZoneVpc>,
    comment: Option<String>,
    in_sync_at_ms: u64,
) -> Zone {
    let id = format!("Z{}", world.token(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", 20));
    let name_servers = name_servers(world);
    let apex = |record_type: &str, ttl_s: u32, values: Vec<String>| RecordSet {
        name: name.clone(),
        record_type: record_type.to_owned(),
        set_identifier: None,
        routing: Routing::Simple,
        ttl_s: Some(ttl_s),
        values,
        alias: None,
        health_check: None,
        in_dns_from_ms: in_sync_at_ms,
    };
    let soa = format!("{}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400", name_servers[0]);
    Zone {
        id,
        caller_reference: reference.to_owned(),
        comment,
        private: !vpcs.is_empty(),
        vpcs,
        records: vec![
            apex("NS", 172_800, name_servers.iter().map(|server| format!("{server}.")).collect()),
            apex("SOA", 900, vec![soa]),
        ],
        name,
        name_servers,
        earlier: vec![Version { until_ms: in_sync_at_ms, records: Vec::new() }],
        tags: BTreeMap::new(),
    }
}

/// Four servers, one under each of the four domains.
fn name_servers(world: &mut World) -> Vec<String> {
    let mut draw = |n: u64| world.rng.next() % n;
    let domains = ["com", "net", "org", "co.uk"];
    let from = [0, 512, 1024, 1536];
    domains
        .iter()
        .zip(from)
        .map(|(domain, from)| format!("ns-{}.awsdns-{:02}.{domain}", from + draw(512), draw(64)))
        .collect()
}

fn shown(zone: &Zone) -> HostedZone {
    let config = HostedZoneConfig::builder().set_comment(zone.comment.clone()).private_zone(zone.private).build();
    HostedZone::builder()
        .id(format!("/hostedzone/{}", zone.id))
        .name(&zone.name)
        .caller_reference(&zone.caller_reference)
        .config(config)
        .resource_record_set_count(i64::try_from(zone.records.len()).expect("a zone of a sane size"))
        .build()
        .expect("id, name and reference are set")
}

/// Private zones have none.
fn delegation_set(zone: &Zone) -> Option<DelegationSet> {
    (!zone.private).then(|| {
        DelegationSet::builder().set_name_servers(Some(zone.name_servers.clone())).build().expect("the servers are set")
    })
}

fn get_hosted_zone(world: &mut World, _: &Call, input: &GetHostedZoneInput) -> Answer<GetHostedZoneOutput> {
    let zone = zone(world, required(&input.id, "id")?)?;
    let vpcs: Vec<Vpc> = zone
        .vpcs
        .iter()
        .map(|vpc| Vpc::builder().vpc_region(VpcRegion::from(vpc.region.as_str())).vpc_id(&vpc.id).build())
        .collect();
    let output = GetHostedZoneOutput::builder().hosted_zone(shown(zone)).set_delegation_set(delegation_set(zone));
    Ok(output.set_vpcs((!vpcs.is_empty()).then_some(vpcs)).build())
}

/// A page begins with the zone that its marker names.
fn list_hosted_zones(world: &mut World, _: &Call, input: &ListHostedZonesInput) -> Answer<ListHostedZonesOutput> {
    let most = page_size(input.max_items, 100)?;
    if input.delegation_set_id.is_some() {
        let message = "A reusable delegation set with the specified ID does not exist.";
        return Err(Refusal::new("NoSuchDelegationSet", message));
    }
    let private_only = input.hosted_zone_type == Some(HostedZoneType::PrivateHostedZone);
    let marker = input.marker.as_deref().unwrap_or_default();
    let mut rest = world
        .route53
        .zones
        .values()
        .filter(|zone| zone.id.as_str() >= bare_id(marker) && (zone.private || !private_only));
    let page: Vec<HostedZone> = rest.by_ref().take(most).map(shown).collect();
    let next = rest.next().map(|zone| zone.id.clone());
    let output =
        ListHostedZonesOutput::builder().set_hosted_zones(Some(page)).marker(marker).is_truncated(next.is_some());
    Ok(output.set_next_marker(next).max_items(count(most)).build().expect("every required field is set"))
}

pub(super) fn count(n: usize) -> i32 {
    i32::try_from(n).expect("the size of a page")
}

fn list_hosted_zones_by_name(
    world: &mut World,
    _: &Call,
    input: &ListHostedZonesByNameInput,
) -> Answer<ListHostedZonesByNameOutput> {
    let most = page_size(input.max_items, 100)?;
    let from = input.dns_name.as_deref().filter(|name| !name.is_empty());
    let from = from.map(names::canonical).transpose().map_err(|why| Refusal::new("InvalidDomainName", why))?;
    let from_id = input.hosted_zone_id.as_deref().map(bare_id);
    if from.is_none() && from_id.is_some() {
        return Err(invalid_input("A hosted zone ID is allowed only together with a DNS name."));
    }
    let mut sorted: Vec<&Zone> = world.route53.zones.values().collect();
    let order = |a: &Zone, name: &str, id: &str| names::by_labels(&a.name, name).then_with(|| a.id.as_str().cmp(id));
    sorted.sort_by(|a, b| order(a, &b.name, &b.id));
    let begin =
        from.as_ref().map_or(0, |name| sorted.partition_point(|zone| order(zone, name, from_id.unwrap_or("")).is_lt()));
    let page: Vec<HostedZone> = sorted[begin..].iter().take(most).map(|zone| shown(zone)).collect();
    let next = sorted.get(begin + page.len());
    let output = ListHostedZonesByNameOutput::builder()
        .set_hosted_zones(Some(page))
        .set_dns_name(input.dns_name.clone())
        .set_hosted_zone_id(input.hosted_zone_id.clone())
        .is_truncated(next.is_some())
        .set_next_dns_name(next.map(|zone| zone.name.clone()))
        .set_next_hosted_zone_id(next.map(|zone| zone.id.clone()))
        .max_items(count(most));
    Ok(output.build().expect("every required field is set"))
}

fn update_hosted_zone_comment(
    world: &mut World,
    _: &Call,
    input: &UpdateHostedZoneCommentInput,
) -> Answer<UpdateHostedZoneCommentOutput> {
    let id = zone(world, required(&input.id, "id")?)?.id.clone();
    if input.comment.as_ref().is_some_and(|comment| comment.chars().count() > 256) {
        return Err(invalid_input("The comment is longer than 256 characters."));
    }
    let zone = world.route53.zones.get_mut(&id).expect("found just now");
    zone.comment = input.comment.clone().filter(|comment| !comment.is_empty());
    Ok(UpdateHostedZoneCommentOutput::builder().hosted_zone(shown(zone)).build())
}

fn delete_hosted_zone(world: &mut World, call: &Call, input: &DeleteHostedZoneInput) -> Answer<DeleteHostedZoneOutput> {
    let zone = zone(world, required(&input.id, "id")?)?;
    let of_the_zone =
        |record: &RecordSet| record.name == zone.name && matches!(record.record_type.as_str(), "NS" | "SOA");
    if !zone.records.iter().all(of_the_zone) {
        let message = "The specified hosted zone contains non-required resource record sets and so cannot be deleted.";
        return Err(Refusal::new("HostedZoneNotEmpty", message));
    }
    let id = zone.id.clone();
    world.route53.zones.remove(&id);
    let (info, _) = new_change(world, call.now_ms, 0, None);
    acm::records_changed(world, call.now_ms);
    Ok(DeleteHostedZoneOutput::builder().change_info(info).build())
}

fn get_change(world: &mut World, call: &Call, input: &GetChangeInput) -> Answer<GetChangeOutput> {
    let id = bare_id(required(&input.id, "id")?);
    let change = world.route53.changes.get(id).ok_or_else(|| {
        let message = format!("Could not find resource with ID: {id}");
        Refusal::new("NoSuchChange", message).status(404)
    })?;
    Ok(GetChangeOutput::builder().change_info(change_info(id, change, call.now_ms)).build())
}

#[cfg(test)]
pub(super) mod tests {
    use aws_sdk_route53::types::ChangeStatus;

    use super::super::tests::{at, change_cname, code, message};
    use super::*;

    pub(crate) fn create(world: &mut World, s: u64, name: &str, reference: &str) -> Answer<String> {
        let input = CreateHostedZoneInput::builder().name(name).caller_reference(reference).build().expect("built");
        let output = create_hosted_zone(world, &at(s), &input)?;
        Ok(bare_id(output.hosted_zone().expect("a zone").id()).to_owned())
    }

    fn delete(world: &mut World, id: &str) -> Answer<DeleteHostedZoneOutput> {
        delete_hosted_zone(world, &at(100), &DeleteHostedZoneInput::builder().id(id).build().expect("built"))
    }

    #[test]
    fn a_zone_has_four_servers_its_ns_and_soa_and_is_in_sync_later() {
        let mut world = World::new(1);
        let input = CreateHostedZoneInput::builder().name("Example.com").caller_reference("r").build().expect("built");
        let output = create_hosted_zone(&mut world, &at(0), &input).expect("fine");
        let zone = output.hosted_zone().expect("a zone");
        assert!(zone.id().starts_with("/hostedzone/Z"), "{}", zone.id());
        assert_eq!((zone.name(), zone.resource_record_set_count()), ("example.com.", Some(2)));
        assert_eq!(output.delegation_set().expect("public").name_servers().len(), 4);
        let info = output.change_info().expect("a change");
        assert!(info.id().starts_with("/change/C"), "{}", info.id());
        let mut status = |s: u64| {
            let input = GetChangeInput::builder().id(info.id()).build().expect("built");
            get_change(&mut world, &at(s), &input).expect("there").change_info().expect("a change").status().clone()
        };
        assert_eq!((status(29), status(30)), (ChangeStatus::Pending, ChangeStatus::Insync));
        let none = GetChangeInput::builder().id("C0").build().expect("built");
        assert_eq!(code(get_change(&mut world, &at(0), &none)), "NoSuchChange");
        let get = GetHostedZoneInput::builder().id(zone.id()).build().expect("built");
        assert_eq!(get_hosted_zone(&mut world, &at(0), &get).expect("there").hosted_zone(), Some(zone));
    }

    #[test]
    fn a_caller_reference_makes_one_zone_ever_and_a_name_makes_many() {
        let mut world = World::new(1);
        let first = create(&mut world, 0, "example.com", "r").expect("fine");
        let again = create(&mut world, 0, "example.org", "r").expect_err("the reference is taken");
        assert_eq!((again.code.as_str(), again.status), ("HostedZoneAlreadyExists", 409));
        assert!(!again.message.contains(&first), "the answer does not tell the id");
        create(&mut world, 0, "example.com", "s").expect("a second zone of that name");
        delete(&mut world, &first).expect("empty");
        assert_eq!(code(create(&mut world, 0, "example.com", "r")), "HostedZoneAlreadyExists");
    }

    #[test]
    fn names_and_parameters_are_checked() {
        let mut world = World::new(1);
        for name in ["com", "a..com", &format!("{}.com", "a".repeat(64))] {
            assert_eq!(code(create(&mut world, 0, name, "r")), "InvalidDomainName", "{name}");
        }
        assert_eq!(code(create(&mut world, 0, "example.com", &"r".repeat(129))), "InvalidInput");
        let of = |world: &mut World, input: aws_sdk_route53::operation::create_hosted_zone::builders::CreateHostedZoneInputBuilder| {
            code(create_hosted_zone(world, &at(0), &input.name("example.com").caller_reference("r").build().expect("built")))
        };
        let private = HostedZoneConfig::builder().private_zone(true).build();
        assert_eq!(of(&mut world, CreateHostedZoneInput::builder().hosted_zone_config(private)), "InvalidInput");
        let vpc = Vpc::builder().vpc_id("vpc-0").vpc_region(VpcRegion::UsEast1).build();
        assert_eq!(of(&mut world, CreateHostedZoneInput::builder().vpc(vpc)), "InvalidVPCId");
        assert_eq!(of(&mut world, CreateHostedZoneInput::builder().delegation_set_id("N1")), "NoSuchDelegationSet");
        assert_eq!(of(&mut world, CreateHostedZoneInput::builder()), "accepted");
    }

    #[test]
    fn a_zone_goes_only_when_nothing_but_its_own_ns_and_soa_is_left() {
        let mut world = World::new(1);
        let id = create(&mut world, 0, "example.com", "r").expect("fine");
        change_cname(&mut world, 0, &id, "CREATE", "a.example.com", "b.test").expect("fine");
        assert_eq!(code(delete(&mut world, &id)), "HostedZoneNotEmpty");
        change_cname(&mut world, 0, &id, "DELETE", "a.example.com", "b.test").expect("fine");
        delete(&mut world, &format!("/hostedzone/{id}")).expect("empty");
        assert_eq!(message(delete(&mut world, &id)), format!("No hosted zone found with ID: {id}"));
    }

    #[test]
    fn lists_are_paged_with_the_next_zone_as_marker() {
        let mut world = World::new(1);
        for (n, name) in ["b.com", "a.org", "a.com", "x.a.com", "a.com"].into_iter().enumerate() {
            create(&mut world, 0, name, &n.to_string()).expect("fine");
        }
        let mut seen = Vec::new();
        let mut marker = None;
        loop {
            let input = ListHostedZonesInput::builder().max_items(2).set_marker(marker).build().expect("built");
            let output = list_hosted_zones(&mut world, &at(0), &input).expect("a page");
            seen.extend(output.hosted_zones().iter().map(|zone| zone.id().to_owned()));
            marker = output.next_marker;
            if marker.is_none() {
                assert!(!output.is_truncated);
                break;
            }
        }
        seen.dedup();
        assert_eq!(seen.len(), 5);
        let by_name = |world: &mut World, from: Option<&str>, id: Option<String>| {
            let input = ListHostedZonesByNameInput::builder()
                .max_items(2)
                .set_dns_name(from.map(str::to_owned))
                .set_hosted_zone_id(id);
            list_hosted_zones_by_name(world, &at(0), &input.build().expect("built")).expect("a page")
        };
        let names = |output: &ListHostedZonesByNameOutput| {
            output.hosted_zones().iter().map(|z| z.name().to_owned()).collect::<Vec<_>>()
        };
        let first = by_name(&mut world, None, None);
        assert_eq!(names(&first), ["a.com.", "a.com."]);
        let second = by_name(&mut world, first.next_dns_name(), first.next_hosted_zone_id.clone());
        assert_eq!(names(&second), ["x.a.com.", "b.com."]);
        assert_eq!(names(&by_name(&mut world, Some("a.org"), None)), ["a.org."]);
    }

    #[test]
    fn the_comment_changes_in_place() {
        let mut world = World::new(1);
        let id = create(&mut world, 0, "example.com", "r").expect("fine");
        let input = UpdateHostedZoneCommentInput::builder().id(&id).comment("x").build().expect("built");
        let output = update_hosted_zone_comment(&mut world, &at(0), &input).expect("there");
        let comment = output.hosted_zone().and_then(|zone| zone.config()).and_then(|config| config.comment());
        assert_eq!(comment, Some("x"));
    }
}
