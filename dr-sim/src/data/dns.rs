//! Public DNS: the answers of Route 53 with their routing policies and health, and the cache of a resolver.
//!
//! Source: Route 53 Developer Guide, "How Amazon Route 53 chooses records when health checking is configured". Health
//! checks are never made at query time: an answer uses what the checkers have said last.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Internet;
use super::faults::Service;
use super::moment::Moment;
use super::places;
use super::targets::{self, Standing};
use crate::control::elbv2::Balancer;
use crate::control::route53::{self, Alias, FailoverRole, RecordSet, Routing, Zone};

/// Seconds for which an alias to an AWS resource is cached: Elastic Load Balancing documents 60, for the others it is
/// an assumption.
const ALIAS_TTL_S: u32 = 60;
/// A chain of names that is longer is a loop.
const CHAIN_MAX: usize = 8;

/// What a name leads to in the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Address {
    /// The endpoint of API Gateway in a region, under one of its names.
    ApiGateway { region: String, endpoint: String },
    /// A distribution, by id.
    CloudFront(String),
    /// A load balancer, by ARN.
    LoadBalancer(String),
    /// An IP address that nobody in this world has.
    Elsewhere(String),
}

/// One step of a resolution: an address, or the name to ask for next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum To {
    Address(Address),
    Name(String),
}

/// A resolver with its cache, of a client or of a CloudFront location.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolver {
    /// By name, with the instant until which the answer is kept.
    cached: BTreeMap<String, (To, u64)>,
    /// Answers are kept at least this long, whatever their TTL says; seconds.
    floor_s: u32,
    /// Questions that were not answered from the cache, for the draws of weighted records.
    asked: u64,
}

impl Resolver {
    /// A resolver that honours TTLs.
    #[must_use]
    pub fn new() -> Self {
        Resolver::default()
    }

    /// A resolver that keeps every answer for at least `floor_s` seconds, as some do.
    #[must_use]
    pub fn with_floor_s(floor_s: u32) -> Self {
        Resolver { floor_s, ..Resolver::default() }
    }

    /// From now on every new answer is kept for at least so many seconds.
    pub fn set_floor_s(&mut self, floor_s: u32) {
        self.floor_s = floor_s;
    }

    /// Forgets everything.
    pub fn flush(&mut self) {
        self.cached.clear();
    }
}

/// How a resolution ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) address: Address,
    /// The names on the way, the asked one first.
    pub(super) names: Vec<String>,
    /// Nobody had to be asked.
    pub(super) from_cache: bool,
}

/// Resolves a name to an IPv4 address for somebody at a place, through a resolver.
pub(super) fn resolve(
    net: &Internet<'_>,
    at: &Moment,
    resolver: &mut Resolver,
    name: &str,
    place: &str,
) -> Result<Resolved, String> {
    let mut names = vec![name.trim_end_matches('.').to_lowercase()];
    let mut from_cache = true;
    while names.len() <= CHAIN_MAX {
        let name = names[names.len() - 1].clone();
        let cached = resolver.cached.get(&name).filter(|(_, until_ms)| !at.reached(*until_ms));
        let to = match cached {
            Some((to, _)) => to.clone(),
            None => {
                from_cache = false;
                resolver.asked += 1;
                let (to, ttl_s) = ask(net, at, &name, place, resolver.asked)?;
                let keep_ms = u64::from(ttl_s.max(resolver.floor_s)) * 1000;
                resolver.cached.insert(name, (to.clone(), at.now_ms() + keep_ms));
                to
            }
        };
        match to {
            To::Address(address) => return Ok(Resolved { address, names, from_cache }),
            To::Name(next) => names.push(next),
        }
    }
    Err(format!("the names form a loop: {}", names.join(" → ")))
}

/// Asks the authoritative name server of a name. The answer comes with its TTL.
fn ask(net: &Internet<'_>, at: &Moment, name: &str, place: &str, draw: u64) -> Result<(To, u32), String> {
    if let Some(found) = resource(net, name) {
        return found.map(|address| (To::Address(address), ALIAS_TTL_S));
    }
    let canonical = route53::canonical(name)?;
    let (zone, _) = route53::zone_for(net.world, &canonical, |zone| served(zone, at))
        .ok_or_else(|| format!("no public hosted zone holds {name}"))?;
    let records = served(zone, at);
    let at_name = |wanted: &str| records.iter().filter(|record| record.name == wanted).collect::<Vec<_>>();
    let exists = |wanted: &str| records.iter().any(|record| route53::within(&record.name, wanted));
    let mut found = at_name(&canonical);
    let mut child = canonical.as_str();
    // The closest wildcard stands in, for one label or more, unless a name in between exists.
    while found.is_empty()
        && !exists(child)
        && let Some((_, parent)) = child.split_once('.')
        && route53::within(parent, &zone.name)
    {
        found = at_name(&format!("\\052.{parent}"));
        child = parent;
    }
    if found.is_empty() {
        return Err(format!("{name} does not exist in the hosted zone {}", route53::plain(&zone.name)));
    }
    for record_type in ["A", "CNAME"] {
        let group: Vec<&RecordSet> = found.iter().copied().filter(|record| record.record_type == record_type).collect();
        if !group.is_empty() {
            return group_answer(net, at, zone, records, &group, (place, draw), 0);
        }
    }
    Err(format!("{name} has no A or CNAME record"))
}

/// The records that DNS answers now.
fn served<'a>(zone: &'a Zone, at: &Moment) -> &'a [RecordSet] {
    for version in &zone.earlier {
        at.reached(version.until_ms);
    }
    zone.served(at.now_ms())
}

/// Chooses a record of a group and follows it as far as the name server itself does, through aliases.
fn group_answer(
    net: &Internet<'_>,
    at: &Moment,
    zone: &Zone,
    records: &[RecordSet],
    group: &[&RecordSet],
    (place, draw): (&str, u64),
    depth: usize,
) -> Result<(To, u32), String> {
    let name = || route53::plain(&group[0].name);
    if depth > CHAIN_MAX {
        return Err(format!("the aliases of {} form a loop", name()));
    }
    let chosen = choose(net, at, zone, records, group, place, draw)
        .ok_or_else(|| format!("no record of {} is for {place}", name()))?;
    match &chosen.alias {
        None if chosen.record_type == "CNAME" => {
            let target =
                chosen.values.first().map(|value| value.trim_end_matches('.').to_lowercase()).unwrap_or_default();
            Ok((To::Name(target), chosen.ttl_s.unwrap_or_default()))
        }
        None => {
            let index =
                if chosen.values.len() > 1 { (net.hash(at, draw) % chosen.values.len() as u64) as usize } else { 0 };
            let value = chosen.values.get(index).cloned().unwrap_or_default();
            Ok((To::Address(Address::Elsewhere(value)), chosen.ttl_s.unwrap_or_default()))
        }
        Some(alias) if alias.zone_id == zone.id => {
            let next = alias_group(records, alias, &chosen.record_type);
            if next.is_empty() {
                return Err(format!(
                    "the alias {} points to {}, which does not exist",
                    name(),
                    route53::plain(&alias.dns_name)
                ));
            }
            group_answer(net, at, zone, records, &next, (place, draw), depth + 1)
        }
        Some(alias) => {
            let target = route53::plain(&alias.dns_name);
            let target = target.strip_prefix("dualstack.").unwrap_or(&target);
            match resource(net, target) {
                Some(found) => found.map(|address| (To::Address(address), ALIAS_TTL_S)),
                None => Err(format!("the alias {} points to {target}, which is no resource of AWS", name())),
            }
        }
    }
}

fn alias_group<'a>(records: &'a [RecordSet], alias: &Alias, record_type: &str) -> Vec<&'a RecordSet> {
    records.iter().filter(|record| record.name == alias.dns_name && record.record_type == record_type).collect()
}

/// The record that the routing policy picks among the healthy ones, or among all of them when none is.
fn choose<'a>(
    net: &Internet<'_>,
    at: &Moment,
    zone: &Zone,
    records: &[RecordSet],
    group: &[&'a RecordSet],
    place: &str,
    draw: u64,
) -> Option<&'a RecordSet> {
    let healthy: Vec<&RecordSet> =
        group.iter().copied().filter(|record| is_healthy(net, at, zone, records, record, 0)).collect();
    let candidates = if healthy.is_empty() { group.to_vec() } else { healthy };
    let first = *candidates.first()?;
    match &first.routing {
        Routing::Simple => Some(first),
        Routing::Failover(_) => {
            let primary = candidates.iter().find(|record| record.routing == Routing::Failover(FailoverRole::Primary));
            Some(primary.copied().unwrap_or(first))
        }
        Routing::Weighted(_) => {
            let weight =
                |record: &RecordSet| if let Routing::Weighted(weight) = record.routing { u64::from(weight) } else { 0 };
            let some_weigh = candidates.iter().any(|record| weight(record) > 0);
            let shares: Vec<(&RecordSet, u64)> =
                candidates.iter().map(|record| (*record, if some_weigh { weight(record) } else { 1 })).collect();
            let total: u64 = shares.iter().map(|(_, share)| share).sum();
            if shares.iter().filter(|(_, share)| *share > 0).count() > 1 {
                at.expires_now();
            }
            let mut left = net.hash(at, draw) % total;
            shares
                .into_iter()
                .find(|(_, share)| {
                    let hit = left < *share;
                    left = left.saturating_sub(*share);
                    hit
                })
                .map(|(record, _)| record)
        }
        Routing::Latency(_) => {
            at.is_personal();
            let distance = |record: &&RecordSet| match &record.routing {
                Routing::Latency(region) => places::round_trip_ms(place, region),
                _ => u64::MAX,
            };
            candidates.iter().copied().min_by_key(distance)
        }
        Routing::MultiValue => {
            if candidates.len() > 1 {
                at.expires_now();
            }
            Some(candidates[(net.hash(at, draw) % candidates.len() as u64) as usize])
        }
        Routing::Geolocation { .. } => {
            at.is_personal();
            let here = places::country(place);
            // The smallest area first: a country, a continent, everywhere else.
            let rank = |record: &&RecordSet| -> Option<u8> {
                let Routing::Geolocation { continent, country, subdivision } = &record.routing else { return None };
                match (country.as_deref(), continent.as_deref(), here) {
                    (Some("*"), _, _) => Some(2),
                    (Some(country), _, Some((at, _))) if country == at && subdivision.is_none() => Some(0),
                    (None, Some(continent), Some((_, at))) if continent == at => Some(1),
                    _ => None,
                }
            };
            candidates.iter().copied().filter(|record| rank(record).is_some()).min_by_key(|record| rank(record))
        }
    }
}

/// Whether a record may be answered: its health check, and with EvaluateTargetHealth the health of its target, both.
fn is_healthy(
    net: &Internet<'_>,
    at: &Moment,
    zone: &Zone,
    records: &[RecordSet],
    record: &RecordSet,
    depth: usize,
) -> bool {
    let by_check = record.health_check.as_ref().is_none_or(|id| route53::is_healthy(net.world, id));
    let Some(alias) = record.alias.as_ref().filter(|alias| by_check && alias.evaluate_target_health) else {
        return by_check;
    };
    if alias.zone_id == zone.id {
        let group = alias_group(records, alias, &record.record_type);
        return depth < CHAIN_MAX && group.iter().any(|child| is_healthy(net, at, zone, records, child, depth + 1));
    }
    let target = route53::plain(&alias.dns_name);
    match resource(net, target.strip_prefix("dualstack.").unwrap_or(&target)) {
        Some(Ok(Address::LoadBalancer(arn))) => {
            net.world.elbv2.balancers.get(&arn).is_some_and(|balancer| balancer_is_healthy(net, at, balancer))
        }
        // API Gateway counts as unhealthy only when the service of the whole region is.
        Some(Ok(Address::ApiGateway { region, .. })) => !net.faults.service_away(at, &region, Service::ApiGateway),
        _ => true,
    }
}

/// Every target group that is used has a healthy target; an empty one is unhealthy.
fn balancer_is_healthy(net: &Internet<'_>, at: &Moment, balancer: &Balancer) -> bool {
    let state = &net.world.elbv2;
    let used = |arn: &str| state.balancer_of_group(arn).is_some_and(|user| user.arn == balancer.arn);
    state.groups.values().filter(|group| used(&group.arn)).all(|group| {
        let standing = |target| targets::target_standing(net.world, net.faults, group, target, at);
        group.registered(at.now_ms()).any(|target| standing(target) == Some(Standing::Healthy))
    })
}

/// The resource behind a name that AWS gave it; `None` for a name that is not of AWS.
fn resource(net: &Internet<'_>, name: &str) -> Option<Result<Address, String>> {
    let gone = || Err(format!("{name} does not exist"));
    if let Some((id, region)) = name.strip_suffix(".amazonaws.com").and_then(|rest| rest.split_once(".execute-api.")) {
        let apis = &net.world.apigatewayv2;
        let exists = apis.apis.get(id).is_some_and(|api| api.region == region)
            || apis.domains.values().any(|d| d.target == name);
        let address = Address::ApiGateway { region: region.to_owned(), endpoint: name.to_owned() };
        return Some(if exists { Ok(address) } else { gone() });
    }
    if name.ends_with(".elb.amazonaws.com") {
        let found = net.world.elbv2.by_dns_name(name).map(|balancer| Address::LoadBalancer(balancer.arn.clone()));
        return Some(found.map_or_else(gone, Ok));
    }
    if name.ends_with(".cloudfront.net") {
        return Some(
            super::edge::distribution_named(net.world, name).map_or_else(gone, |id| Ok(Address::CloudFront(id))),
        );
    }
    None
}
