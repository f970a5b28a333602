//! ChangeResourceRecordSets and ListResourceRecordSets.
//!
//! A batch is checked change by change against the zone as the changes before it leave it, and applied as a whole or not
//! at all. The texts of `InvalidChangeBatch` are the ones that Route 53 prints, as far as they are publicly known.

use aws_sdk_route53::operation::change_resource_record_sets::{
    ChangeResourceRecordSetsError, ChangeResourceRecordSetsInput, ChangeResourceRecordSetsOutput,
};
use aws_sdk_route53::operation::list_resource_record_sets::{
    ListResourceRecordSetsError, ListResourceRecordSetsInput, ListResourceRecordSetsOutput,
};
use aws_sdk_route53::types::{
    AliasTarget, ChangeAction, GeoLocation, ResourceRecord, ResourceRecordSet, ResourceRecordSetFailover,
    ResourceRecordSetRegion, RrType,
};

use super::check::{Action, Asked, asked, wrong_target};
use super::zones::count;
use super::{
    FailoverRole, RecordSet, Routing, SERVICE, Zone, invalid_input, names, new_change, page_size, required, zone,
};
use crate::control::{Answer, Call, Refusal, Table, acm};
use crate::world::World;

/// ResourceRecord elements of a batch; those of an UPSERT count twice (Route 53 quota).
const BATCH_RECORDS_MOST: usize = 1000;
/// Characters of all values of a batch; those of an UPSERT count twice (Route 53 quota).
const BATCH_CHARACTERS_MOST: usize = 32_000;
/// Record sets of a zone (Route 53 quota, may be raised).
const ZONE_RECORDS_MOST: usize = 10_000;
/// Record sets of one name and type with a routing policy (Route 53 quota).
const GROUP_MOST: usize = 100;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "ChangeResourceRecordSets", ChangeResourceRecordSetsError::generic, change_resource_record_sets);
    table.on(SERVICE, "ListResourceRecordSets", ListResourceRecordSetsError::generic, list_resource_record_sets);
}

fn invalid_batch(problems: &[String]) -> Refusal {
    Refusal::new("InvalidChangeBatch", format!("[{}]", problems.join(", ")))
}

fn change_resource_record_sets(
    world: &mut World,
    call: &Call,
    input: &ChangeResourceRecordSetsInput,
) -> Answer<ChangeResourceRecordSetsOutput> {
    let id = zone(world, required(&input.hosted_zone_id, "hostedZoneId")?)?.id.clone();
    let batch = input.change_batch.as_ref().filter(|batch| !batch.changes.is_empty()).ok_or_else(|| {
        invalid_input(
            "1 validation error detected: Value '[]' at 'changeBatch.changes' failed to satisfy \
             constraint: Member must have length greater than or equal to 1",
        )
    })?;
    check_size(batch.changes())?;
    // The content first: nothing of the world changes before the batch is known to be good.
    let changes: Vec<Asked> = batch
        .changes
        .iter()
        .map(|change| asked(&change.action, change.resource_record_set.as_ref(), 0))
        .collect::<Answer<_>>()?;
    for change in changes.iter().filter(|change| change.action != Action::Delete) {
        if let Some(check) = &change.record.health_check
            && !world.route53.health_checks.contains_key(check)
        {
            let message = format!("No health check exists with the specified ID: {check}");
            return Err(Refusal::new("NoSuchHealthCheck", message).status(404));
        }
    }
    let (mut records, written) =
        apply(&world.route53.zones[&id], changes).map_err(|problems| invalid_batch(&problems))?;

    let not_before = world.route53.zones[&id].earlier.last().map_or(0, |version| version.until_ms);
    let (info, in_sync_at_ms) = new_change(world, call.now_ms, not_before, batch.comment.clone());
    for record in &mut records {
        if written.iter().any(|new| new.same_key(record)) {
            record.in_dns_from_ms = in_sync_at_ms;
        }
    }
    let zone = world.route53.zones.get_mut(&id).expect("found at the beginning");
    zone.change_to(records, call.now_ms, in_sync_at_ms);
    acm::records_changed(world, call.now_ms);
    Ok(ChangeResourceRecordSetsOutput::builder().change_info(info).build())
}

fn check_size(changes: &[aws_sdk_route53::types::Change]) -> Answer<()> {
    let (mut records, mut characters) = (0, 0);
    for change in changes {
        let times = if change.action == ChangeAction::Upsert { 2 } else { 1 };
        let values = change.resource_record_set.as_ref().map(|set| set.resource_records()).unwrap_or_default();
        // An alias counts as one record.
        records += times * values.len().max(1);
        characters += times * values.iter().map(|record| record.value.chars().count()).sum::<usize>();
    }
    if records > BATCH_RECORDS_MOST {
        return Err(invalid_batch(&[format!("Number of records limit of {BATCH_RECORDS_MOST} exceeded.")]));
    }
    if characters > BATCH_CHARACTERS_MOST {
        return Err(invalid_batch(&[format!("Number of characters limit of {BATCH_CHARACTERS_MOST} exceeded.")]));
    }
    Ok(())
}

/// The records of the zone after the changes, and those among them whose content is new; or every reason against it.
fn apply(zone: &Zone, changes: Vec<Asked>) -> Result<(Vec<RecordSet>, Vec<RecordSet>), Vec<String>> {
    let mut records = zone.records.clone();
    let mut written: Vec<RecordSet> = Vec::new();
    let mut problems = Vec::new();
    for Asked { action, record, problem } in changes {
        let present = records.iter().position(|other| other.same_key(&record));
        let problem = problem.or_else(|| match action {
            Action::Delete => wrong_delete(zone, present.map(|n| &records[n]), &record),
            Action::Create if present.is_some() => {
                Some(format!("Tried to create resource record set {} but it already exists", key(&record)))
            }
            Action::Create | Action::Upsert => conflict(zone, &records, &record),
        });
        if let Some(problem) = problem {
            problems.push(problem);
            continue;
        }
        match (action, present) {
            (Action::Delete, Some(n)) => {
                written.retain(|new| !new.same_key(&record));
                records.remove(n);
            }
            (_, Some(n)) => {
                if !records[n].same_content(&record) {
                    written.push(record.clone());
                    records[n] = record;
                }
            }
            (_, None) => {
                written.push(record.clone());
                records.push(record);
            }
        }
    }
    // Where aliases point is looked at last: the target may come in the same batch.
    for record in &written {
        if let Some(alias) = &record.alias {
            problems.extend(wrong_target(zone, &records, record, alias));
        }
    }
    if records.len() > ZONE_RECORDS_MOST {
        problems.push(format!(
            "Number of resource record sets limit of {ZONE_RECORDS_MOST} in hosted zone {} exceeded.",
            zone.id
        ));
    }
    if problems.is_empty() { Ok((records, written)) } else { Err(problems) }
}

/// `[name='a.example.com.', type='A', set-identifier='x']`
fn key(record: &RecordSet) -> String {
    let identifier = record.set_identifier.as_ref().map(|id| format!(", set-identifier='{id}'")).unwrap_or_default();
    format!("[name='{}', type='{}'{identifier}]", record.name, record.record_type)
}

fn wrong_delete(zone: &Zone, present: Option<&RecordSet>, record: &RecordSet) -> Option<String> {
    let Some(present) = present else {
        return Some(format!("Tried to delete resource record set {} but it was not found", key(record)));
    };
    if !present.same_content(record) {
        let key = key(record);
        return Some(format!(
            "Tried to delete resource record set {key} but the values provided do not match the current values"
        ));
    }
    match record.record_type.as_str() {
        "SOA" => Some("A HostedZone must contain exactly one SOA record.".to_owned()),
        "NS" if record.name == zone.name => {
            Some("A HostedZone must contain at least one NS record for the zone itself.".to_owned())
        }
        _ => None,
    }
}

/// What keeps a record from being written beside the others.
fn conflict(zone: &Zone, records: &[RecordSet], record: &RecordSet) -> Option<String> {
    let (name, kind) = (&record.name, &record.record_type);
    if !names::within(name, &zone.name) {
        return Some(format!("RRSet with DNS name {name} is not permitted in zone {}", zone.name));
    }
    if kind == "CNAME" && *name == zone.name {
        return Some(format!(
            "RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {}",
            zone.name
        ));
    }
    if kind == "SOA" && *name != zone.name {
        return Some(format!(
            "RRSet of type SOA with DNS name {name} is not permitted below the apex in zone {}",
            zone.name
        ));
    }
    let others: Vec<&RecordSet> =
        records.iter().filter(|other| other.name == *name && !other.same_key(record)).collect();
    if kind == "CNAME" && others.iter().any(|other| other.record_type != "CNAME") {
        return Some(format!(
            "RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other records with \
             the same DNS name in zone {}",
            zone.name
        ));
    }
    if kind != "CNAME" && others.iter().any(|other| other.record_type == "CNAME") {
        return Some(format!(
            "RRSet of type {kind} with DNS name {name} is not permitted because a conflicting RRSet of type \
             CNAME with the same DNS name already exists in zone {}",
            zone.name
        ));
    }
    let group: Vec<&RecordSet> = others.into_iter().filter(|other| other.same_group(record)).collect();
    let identifier = record.set_identifier.as_deref().unwrap_or_default();
    let subject = format!("RRSet with DNS name {name}, type {kind}, SetIdentifier {identifier}");
    let foreign = |same: fn(&Routing) -> bool| group.iter().any(|other| !same(&other.routing));
    let taken = |routing: &Routing| group.iter().any(|other| other.routing == *routing);
    if group.len() >= GROUP_MOST && record.routing != Routing::Simple {
        return Some(format!("{subject} cannot be created as {GROUP_MOST} RRSets exist with the same name and type."));
    }
    match &record.routing {
        Routing::Simple if !group.is_empty() => Some(format!(
            "RRSet with DNS name {name}, type {kind} cannot be created as other RRSets exist with the same name and type."
        )),
        Routing::Weighted(_) if foreign(|r| matches!(r, Routing::Weighted(_))) => {
            Some(format!("{subject} cannot be created as a non-weighted set exists with the same name and type."))
        }
        Routing::MultiValue if foreign(|r| *r == Routing::MultiValue) => Some(format!(
            "{subject} cannot be created because a non multivalue answer rrset exists with the same name and type."
        )),
        Routing::Latency(region) if foreign(|r| matches!(r, Routing::Latency(_))) => Some(format!(
            "{subject}, and Region Name={region} cannot be created because a non-latency RRSet with the same \
             name and type already exists."
        )),
        Routing::Latency(region) if taken(&record.routing) => Some(format!(
            "{subject}, and Region Name={region} cannot be created because a latency RRSet with the same name, \
             type, and region already exists."
        )),
        Routing::Geolocation { .. } if foreign(|r| matches!(r, Routing::Geolocation { .. })) => Some(format!(
            "{subject} cannot be created because a non-GEO RRSet with the same name and type already exists."
        )),
        Routing::Geolocation { .. } if taken(&record.routing) => Some(format!(
            "{subject} cannot be created because a GEO RRSet with the same name, type, and location already exists."
        )),
        Routing::Failover(role) if foreign(|r| matches!(r, Routing::Failover(_))) => Some(format!(
            "{subject}, and Failover {} cannot be created because a non-failover RRSet with the same name and \
             type already exists.",
            role.as_str()
        )),
        Routing::Failover(role) if taken(&record.routing) => Some(format!(
            "{subject}, and Failover {0} cannot be created because a {0} RRSet with the same name and type already exists.",
            role.as_str()
        )),
        _ => None,
    }
}

/// A page begins with the record that the request names, or the first one after it.
fn list_resource_record_sets(
    world: &mut World,
    _: &Call,
    input: &ListResourceRecordSetsInput,
) -> Answer<ListResourceRecordSetsOutput> {
    let zone = zone(world, required(&input.hosted_zone_id, "hostedZoneId")?)?;
    let most = page_size(input.max_items, 300)?;
    let begin = match input.start_record_name.as_deref().filter(|name| !name.is_empty()) {
        None if input.start_record_type.is_some() => {
            return Err(invalid_input("A start record type is allowed only together with a start record name."));
        }
        None => 0,
        Some(name) => {
            let name = names::canonical(name).map_err(invalid_input)?;
            let kind = input.start_record_type.as_ref().map_or("", RrType::as_str);
            let identifier = input.start_record_identifier.as_deref();
            zone.records.partition_point(|record| {
                let order = names::by_labels(&record.name, &name).then_with(|| record.record_type.as_str().cmp(kind));
                order.then_with(|| record.set_identifier.as_deref().cmp(&identifier)).is_lt()
            })
        }
    };
    let page = &zone.records[begin..zone.records.len().min(begin + most)];
    let next = zone.records.get(begin + page.len());
    let output = ListResourceRecordSetsOutput::builder()
        .set_resource_record_sets(Some(page.iter().map(shown).collect()))
        .is_truncated(next.is_some())
        .set_next_record_name(next.map(|record| record.name.clone()))
        .set_next_record_type(next.map(|record| RrType::from(record.record_type.as_str())))
        .set_next_record_identifier(next.and_then(|record| record.set_identifier.clone()))
        .max_items(count(most));
    Ok(output.build().expect("every required field is set"))
}

/// A record set as the API lists it.
fn shown(record: &RecordSet) -> ResourceRecordSet {
    let values: Vec<ResourceRecord> = record
        .values
        .iter()
        .map(|value| ResourceRecord::builder().value(value).build().expect("the value is set"))
        .collect();
    let alias = record.alias.as_ref().map(|alias| {
        let target = AliasTarget::builder().hosted_zone_id(&alias.zone_id).dns_name(&alias.dns_name);
        target.evaluate_target_health(alias.evaluate_target_health).build().expect("every field is set")
    });
    let set = ResourceRecordSet::builder()
        .name(&record.name)
        .r#type(RrType::from(record.record_type.as_str()))
        .set_set_identifier(record.set_identifier.clone())
        .set_ttl(record.ttl_s.map(i64::from))
        .set_resource_records((!values.is_empty()).then_some(values))
        .set_alias_target(alias)
        .set_health_check_id(record.health_check.clone());
    let set = match &record.routing {
        Routing::Simple => set,
        Routing::Failover(FailoverRole::Primary) => set.failover(ResourceRecordSetFailover::Primary),
        Routing::Failover(FailoverRole::Secondary) => set.failover(ResourceRecordSetFailover::Secondary),
        Routing::Weighted(weight) => set.weight(i64::from(*weight)),
        Routing::Latency(region) => set.region(ResourceRecordSetRegion::from(region.as_str())),
        Routing::MultiValue => set.multi_value_answer(true),
        Routing::Geolocation { continent, country, subdivision } => {
            let place = GeoLocation::builder().set_continent_code(continent.clone()).set_country_code(country.clone());
            set.geo_location(place.set_subdivision_code(subdivision.clone()).build())
        }
    };
    set.build().expect("name and type are set")
}

#[cfg(test)]
pub(super) mod tests;
