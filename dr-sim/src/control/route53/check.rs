//! What Route 53 refuses in one change before it looks at the zone, and what it refuses in the values of a record.
//!
//! Sources: API Reference, ChangeResourceRecordSets and ResourceRecordSet; Developer Guide, "Supported DNS record types".
//! A wrong combination of elements is `InvalidInput` and names the change; a wrong value is a line of `InvalidChangeBatch`.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use aws_sdk_route53::types::{
    ChangeAction, ResourceRecordSet, ResourceRecordSetFailover, ResourceRecordSetRegion, RrType,
};

use super::{Alias, CLOUDFRONT_ZONE, FailoverRole, RecordSet, Routing, Zone, bare_id, invalid_input, names};
use crate::control::{Answer, Refusal, apigatewayv2};

/// Values of one record set (Route 53 quota).
const VALUES_MOST: usize = 400;

/// A change whose elements fit together. What is wrong with its content is `problem`.
pub(super) struct Asked {
    pub(super) action: Action,
    pub(super) record: RecordSet,
    pub(super) problem: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Create,
    Upsert,
    Delete,
}

/// Reads one change. `in_dns_from_ms` is when what it writes is in DNS.
pub(super) fn asked(action: &ChangeAction, set: Option<&ResourceRecordSet>, in_dns_from_ms: u64) -> Answer<Asked> {
    let set = set.ok_or_else(|| invalid_input("Invalid request: Missing field 'ResourceRecordSet' in Change"))?;
    let place = || {
        let identifier = set.set_identifier().unwrap_or("null");
        format!("in Change with [Action={action}, Name={}, Type={}, SetIdentifier={identifier}]", set.name, set.r#type)
    };
    let invalid = |what: &str| invalid_input(format!("Invalid request: {what} {}", place()));
    let action = match action {
        ChangeAction::Create => Action::Create,
        ChangeAction::Upsert => Action::Upsert,
        ChangeAction::Delete => Action::Delete,
        other => return Err(invalid_input(format!("Invalid request: the action {other} is unknown"))),
    };
    if !RrType::values().contains(&set.r#type.as_str()) {
        return Err(invalid_input(format!("Invalid request: the type {} is unknown", set.r#type)));
    }
    if set.cidr_routing_config.is_some()
        || set.geo_proximity_location.is_some()
        || set.traffic_policy_instance_id.is_some()
    {
        let message = "not simulated: CIDR routing, geoproximity routing and traffic policies";
        return Err(Refusal::new("NotSimulated", message).status(501));
    }

    let routing = routing(set, &invalid)?;
    let has_values = !set.resource_records().is_empty();
    let kinds = [set.alias_target.is_some(), set.ttl.is_some() || has_values];
    let expected =
        "Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId]";
    match kinds {
        [true, true] => return Err(invalid(&format!("{expected}, but found more than one"))),
        [false, _] if set.ttl.is_none() || !has_values => return Err(invalid(&format!("{expected}, but found none"))),
        _ => {}
    }
    if set.alias_target.is_some() && routing == Routing::MultiValue {
        return Err(invalid("Multivalue answer alias records cannot be created"));
    }
    let ttl_s = match set.ttl {
        Some(ttl) => Some(u32::try_from(ttl).ok().filter(|ttl| *ttl <= 2_147_483_647).ok_or_else(|| {
            invalid(&format!(
                "Value '{ttl}' at 'ttl' failed to satisfy constraint: Member must have value between 0 and 2147483647"
            ))
        })?),
        None => None,
    };

    let mut problem = None;
    let mut canonical = |name: &str| {
        names::canonical(name).unwrap_or_else(|why| {
            problem.get_or_insert(format!("FATAL problem: InvalidDomainName ({why}) encountered with '{name}'"));
            name.to_owned()
        })
    };
    let record = RecordSet {
        name: canonical(&set.name),
        record_type: set.r#type.as_str().to_owned(),
        set_identifier: set.set_identifier.clone(),
        routing,
        ttl_s,
        values: set.resource_records().iter().map(|record| record.value.clone()).collect(),
        alias: set.alias_target.as_ref().map(|target| Alias {
            zone_id: bare_id(&target.hosted_zone_id).to_owned(),
            dns_name: canonical(&target.dns_name),
            evaluate_target_health: target.evaluate_target_health,
        }),
        health_check: set.health_check_id.clone(),
        in_dns_from_ms,
    };
    let problem = problem.or_else(|| wrong_values(&record)).or_else(|| wrong_content(&record));
    Ok(Asked { action, record, problem })
}

fn routing(set: &ResourceRecordSet, invalid: &impl Fn(&str) -> Refusal) -> Answer<Routing> {
    let mut found = Vec::new();
    if let Some(weight) = set.weight {
        let weight = u8::try_from(weight).map_err(|_| {
            invalid(&format!(
                "Value '{weight}' at 'weight' failed to satisfy constraint: Member must have value between 0 and 255"
            ))
        })?;
        found.push(Routing::Weighted(weight));
    }
    if let Some(region) = &set.region {
        if !ResourceRecordSetRegion::values().contains(&region.as_str()) {
            return Err(invalid(&format!(
                "Value '{region}' at 'region' failed to satisfy constraint: Member must satisfy enum value set"
            )));
        }
        found.push(Routing::Latency(region.as_str().to_owned()));
    }
    match &set.failover {
        None => {}
        Some(ResourceRecordSetFailover::Primary) => found.push(Routing::Failover(FailoverRole::Primary)),
        Some(ResourceRecordSetFailover::Secondary) => found.push(Routing::Failover(FailoverRole::Secondary)),
        Some(other) => return Err(invalid(&format!("Value '{other}' at 'failover' failed to satisfy constraint"))),
    }
    if let Some(place) = &set.geo_location {
        let (continent, country) = (place.continent_code.clone(), place.country_code.clone());
        if continent.is_some() == country.is_some() {
            return Err(invalid("Expected exactly one of [ContinentCode, or CountryCode] in GeoLocation"));
        }
        found.push(Routing::Geolocation { continent, country, subdivision: place.subdivision_code.clone() });
    }
    if set.multi_value_answer == Some(true) {
        found.push(Routing::MultiValue);
    }
    let policies =
        "[Weight, Region, Failover, GeoLocation, MultiValueAnswer, GeoProximityLocation, or CidrRoutingConfig]";
    match (found.len(), set.set_identifier()) {
        (0, None) => Ok(Routing::Simple),
        (0, Some(_)) => Err(invalid(&format!("Expected exactly one of {policies}, but found none"))),
        (1, None) => Err(invalid("Missing field 'SetIdentifier'")),
        (1, Some(id)) if !(1..=128).contains(&id.chars().count()) => {
            Err(invalid("The set identifier must have 1 to 128 characters"))
        }
        (1, Some(_)) => Ok(found.remove(0)),
        _ => Err(invalid(&format!("Expected exactly one of {policies}, but found more than one"))),
    }
}

/// What is wrong with the values, in the words of Route 53.
fn wrong_values(record: &RecordSet) -> Option<String> {
    let fatal = |kind: &str, text: &str, value: &str| {
        Some(format!("Invalid Resource Record: 'FATAL problem: {kind} ({text}) encountered with '{value}''"))
    };
    let mut seen = BTreeSet::new();
    for value in &record.values {
        if !seen.insert(value) {
            return Some(format!("Duplicate Resource Record: '{value}'"));
        }
        let parts: Vec<&str> = value.split_whitespace().collect();
        let wrong = match record.record_type.as_str() {
            "A" if value.parse::<Ipv4Addr>().is_err() => {
                fatal("ARRDATAIllegalIPv4Address", "Value is not a valid IPv4 address", value)
            }
            "AAAA" if value.parse::<Ipv6Addr>().is_err() => {
                fatal("AAAARRDATAIllegalIPv6Address", "Value is not a valid IPv6 address", value)
            }
            "CNAME" | "NS" | "PTR" if names::canonical(value).is_err() => {
                fatal("InvalidDomainName", "Value is not a valid domain name", value)
            }
            "TXT" | "SPF" if value.len() < 2 || !value.starts_with('"') || !value.ends_with('"') => {
                fatal("InvalidCharacterString", "Value should be enclosed in quotation marks", value)
            }
            "MX" if parts.len() != 2 || parts[0].parse::<u16>().is_err() => {
                fatal("MXRRDATANotTwoFields", "MX record doesn't have 2 fields", value)
            }
            "SRV" if parts.len() != 4 || parts[..3].iter().any(|part| part.parse::<u16>().is_err()) => {
                fatal("SRVRRDATANotFourFields", "SRV record doesn't have 4 fields", value)
            }
            "CAA" if parts.len() < 3 || parts[0].parse::<u8>().is_err() => {
                fatal("CAARRDATAInvalidSyntax", "CAA record doesn't have the fields flags, tag and value", value)
            }
            "SOA" if parts.len() != 7 => fatal("SOARRDATANotSevenFields", "SOA record doesn't have 7 fields", value),
            _ => None,
        };
        if wrong.is_some() {
            return wrong;
        }
    }
    if record.values.len() > VALUES_MOST {
        return Some(format!("Number of values limit of {VALUES_MOST} exceeded."));
    }
    if matches!(record.record_type.as_str(), "CNAME" | "SOA") && record.values.len() > 1 {
        let (name, kind) = (&record.name, &record.record_type);
        return Some(format!("RRSet of type {kind} with DNS name {name} must have exactly one resource record."));
    }
    None
}

/// What is wrong with the record set as a whole.
fn wrong_content(record: &RecordSet) -> Option<String> {
    match &record.alias {
        Some(alias) if alias.zone_id == CLOUDFRONT_ZONE && alias.evaluate_target_health => {
            Some("EvaluateTargetHealth must be false for an alias target that is a CloudFront distribution.".to_owned())
        }
        Some(alias)
            if alias.zone_id == CLOUDFRONT_ZONE && !matches!(record.record_type.as_str(), "A" | "AAAA" | "HTTPS") =>
        {
            Some(format!("RRSet of type {} cannot be an alias of a CloudFront distribution.", record.record_type))
        }
        None if record.routing == Routing::Failover(FailoverRole::Primary) && record.health_check.is_none() => {
            Some("A non-alias primary ResourceRecordSet must have an associated health check.".to_owned())
        }
        _ => None,
    }
}

/// What is wrong with where an alias points: its target must lie in the zone that the alias names, and a target in the zone
/// of the record must be there. `records` are the records of that zone after the batch, so a target may come with it.
pub(super) fn wrong_target(zone: &Zone, records: &[RecordSet], record: &RecordSet, alias: &Alias) -> Vec<String> {
    let (target, kind) = (&alias.dns_name, &record.record_type);
    let subject = format!("Tried to create an alias that targets {target}, type {kind} in zone {}", alias.zone_id);
    let mut problems = Vec::new();
    let own = alias.zone_id == zone.id;
    if !(if own { names::within(target, &zone.name) } else { lies_in(target, &alias.zone_id) }) {
        problems.push(format!("{subject}, but the alias target name does not lie within the target zone"));
    }
    if own && !records.iter().any(|other| other.name == *target && other.record_type == *kind) {
        problems.push(format!("{subject}, but that target was not found"));
    }
    problems
}

/// Whether a name of an AWS resource is in that zone of AWS. Zones of services that are not simulated are taken as given.
fn lies_in(target: &str, zone_id: &str) -> bool {
    let labels: Vec<&str> = target.trim_end_matches('.').rsplit('.').collect();
    match labels.as_slice() {
        ["net", "cloudfront", ..] => zone_id == CLOUDFRONT_ZONE,
        ["com", "amazonaws", region, "execute-api", ..] => zone_id == apigatewayv2::hosted_zone(region),
        ["com", "amazonaws", ..] | ["com", "elasticbeanstalk" | "awsglobalaccelerator", ..] | ["aws", ..] => {
            zone_id != CLOUDFRONT_ZONE
        }
        _ => false,
    }
}
