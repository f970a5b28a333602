//! TestDNSAnswer: what the name servers of a zone answer, given the records in DNS and what the health checks say.
//!
//! Source: Developer Guide, "How Route 53 chooses records when health checking is configured". Health checks do not run when
//! a question is asked: the last verdict counts. When every record of a group is unhealthy, all of them count as healthy.

use std::net::Ipv4Addr;

use aws_sdk_route53::operation::test_dns_answer::{TestDNSAnswerError, TestDnsAnswerInput, TestDnsAnswerOutput};

use super::{Alias, FailoverRole, RecordSet, Routing, SERVICE, Zone, health, invalid_input, names, required, zone};
use crate::control::{Answer, Call, Table};
use crate::world::World;

/// Aliases that point at aliases: more than this is a loop.
const ALIAS_STEPS_MOST: usize = 8;
/// Records of a multivalue answer.
const MULTI_VALUE_MOST: usize = 8;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "TestDNSAnswer", TestDNSAnswerError::generic, test_dns_answer);
}

/// What a name server answers.
#[derive(Debug, PartialEq, Eq)]
enum Reply<'z> {
    /// There is no such name.
    NameError,
    /// The name exists, but not with this type.
    NoData,
    /// A record with values, several for a multivalue answer.
    Records(Vec<&'z RecordSet>),
    /// An alias of a resource outside of the zone.
    Resource(&'z Alias),
}

/// Answers a question from the records of `zone` that are in DNS at `now_ms`. `near` is the AWS region nearest to whoever
/// asks; `draw` decides between weighted records.
fn reply<'z>(world: &World, zone: &'z Zone, name: &str, kind: &str, near: &str, draw: u64, now_ms: u64) -> Reply<'z> {
    let records = zone.served(now_ms);
    let mut owner = match owner(records, name, &zone.name) {
        Some(owner) => owner,
        None => return Reply::NameError,
    };
    let mut kind = kind;
    for _ in 0..ALIAS_STEPS_MOST {
        let of_kind =
            |kind: &str| records.iter().filter(|r| r.name == owner && r.record_type == kind).collect::<Vec<_>>();
        let mut group = of_kind(kind);
        if group.is_empty() {
            group = of_kind("CNAME");
        }
        let chosen = choose(world, records, zone, &group, near, draw);
        let Some(first) = chosen.first() else { return Reply::NoData };
        match &first.alias {
            Some(alias) if alias.zone_id == zone.id => {
                owner = alias.dns_name.clone();
                kind = &first.record_type;
            }
            Some(alias) => return Reply::Resource(alias),
            None => return Reply::Records(chosen),
        }
    }
    Reply::NoData
}

/// The name whose records answer: the name itself, else the closest wildcard; `None` when neither exists.
fn owner(records: &[RecordSet], name: &str, zone: &str) -> Option<String> {
    let exists = |name: &str| records.iter().any(|record| names::within(&record.name, name));
    if exists(name) {
        return Some(name.to_owned());
    }
    let mut rest = name;
    while let Some((_, parent)) = rest.split_once('.')
        && names::within(parent, zone)
    {
        let wildcard = format!("\\052.{parent}");
        if records.iter().any(|record| record.name == wildcard) {
            return Some(wildcard);
        }
        // A wildcard above a name that exists does not reach below it.
        if exists(parent) {
            return None;
        }
        rest = parent;
    }
    None
}

fn healthy(world: &World, records: &[RecordSet], zone: &Zone, record: &RecordSet, steps: usize) -> bool {
    let by_check = record.health_check.as_ref().is_none_or(|check| health::is_healthy(world, check));
    let by_target = match &record.alias {
        Some(alias) if alias.evaluate_target_health && alias.zone_id == zone.id && steps > 0 => records
            .iter()
            .filter(|other| other.name == alias.dns_name && other.record_type == record.record_type)
            .any(|other| healthy(world, records, zone, other, steps - 1)),
        // API Gateway fails with its region only, and a load balancer's health is not known here.
        _ => true,
    };
    by_check && by_target
}

/// The records that the routing policy picks.
fn choose<'z>(
    world: &World,
    records: &[RecordSet],
    zone: &Zone,
    group: &[&'z RecordSet],
    near: &str,
    draw: u64,
) -> Vec<&'z RecordSet> {
    let mut candidates: Vec<&RecordSet> =
        group.iter().copied().filter(|record| healthy(world, records, zone, record, ALIAS_STEPS_MOST)).collect();
    if candidates.is_empty() {
        candidates = group.to_vec();
    }
    let Some(first) = candidates.first().copied() else { return Vec::new() };
    let role = |role: FailoverRole| candidates.iter().copied().find(|record| record.routing == Routing::Failover(role));
    let one = match &first.routing {
        Routing::Simple => Some(first),
        Routing::Failover(_) => role(FailoverRole::Primary).or_else(|| role(FailoverRole::Secondary)),
        Routing::Weighted(_) => Some(weighted(&candidates, draw)),
        Routing::Latency(_) => candidates.iter().copied().min_by_key(|record| match &record.routing {
            // Without a map of latencies: the same region, then the same continent, then by name.
            Routing::Latency(region) => (region != near, continent(region) != continent(near), region.clone()),
            _ => (true, true, String::new()),
        }),
        // Where the question comes from is not known here, so only the record for everywhere answers.
        Routing::Geolocation { .. } => candidates.iter().copied().find(
            |record| matches!(&record.routing, Routing::Geolocation { country: Some(country), .. } if country == "*"),
        ),
        Routing::MultiValue => {
            candidates.truncate(MULTI_VALUE_MOST);
            return candidates;
        }
    };
    one.into_iter().collect()
}

fn continent(region: &str) -> &str {
    region.split('-').next().unwrap_or(region)
}

/// By weight; when all weights are 0, with equal odds.
fn weighted<'z>(candidates: &[&'z RecordSet], draw: u64) -> &'z RecordSet {
    let weight = |record: &RecordSet| match record.routing {
        Routing::Weighted(weight) => u64::from(weight),
        _ => 0,
    };
    let total: u64 = candidates.iter().map(|record| weight(record)).sum();
    if total == 0 {
        return candidates[usize::try_from(draw % candidates.len() as u64).expect("less than the length")];
    }
    let mut left = draw % total;
    for record in candidates {
        if left < weight(record) {
            return record;
        }
        left -= weight(record);
    }
    unreachable!("the draw is less than the sum of the weights")
}

fn test_dns_answer(world: &mut World, call: &Call, input: &TestDnsAnswerInput) -> Answer<TestDnsAnswerOutput> {
    let draw = world.rng.next();
    let zone = zone(world, required(&input.hosted_zone_id, "hostedZoneId")?)?;
    let name = names::canonical(required(&input.record_name, "recordName")?).map_err(invalid_input)?;
    let kind = input.record_type.as_ref().ok_or_else(|| invalid_input("The record type is required."))?;
    if zone.private {
        return Err(invalid_input("TestDNSAnswer is for public hosted zones."));
    }
    if !names::within(&name, &zone.name) {
        return Err(invalid_input(format!("{name} is not in hosted zone {}.", zone.name)));
    }
    let (code, data) = match reply(world, zone, &name, kind.as_str(), "us-east-1", draw, call.now_ms) {
        Reply::NameError => ("NXDOMAIN", Vec::new()),
        Reply::NoData => ("NOERROR", Vec::new()),
        Reply::Records(records) => ("NOERROR", records.iter().flat_map(|record| record.values.clone()).collect()),
        Reply::Resource(alias) => ("NOERROR", vec![address(&alias.dns_name).to_string()]),
    };
    let output = TestDnsAnswerOutput::builder()
        .nameserver(&zone.name_servers[0])
        .record_name(&name)
        .record_type(kind.clone())
        .set_record_data(Some(data))
        .response_code(code)
        .protocol("UDP");
    Ok(output.build().expect("every required field is set"))
}

/// The address under which a resource of AWS answers in this world: one per name, out of the upper half of the range for
/// benchmarks (198.18.0.0/15, RFC 2544), which is nobody's; EC2 addresses are in the lower half.
fn address(dns_name: &str) -> Ipv4Addr {
    let hash = dns_name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    Ipv4Addr::from(0xc613_0000 | (hash & 0xffff))
}

#[cfg(test)]
mod tests {
    use aws_sdk_route53::types::ChangeAction::Create;
    use aws_sdk_route53::types::{ResourceRecordSetRegion, RrType};

    use super::super::health::tests::check;
    use super::super::records::tests::{alias, change, failover, record};
    use super::super::tests::{at, code, zone as make_zone};
    use super::*;

    /// Response code and data, long after every change.
    fn ask(world: &mut World, zone: &str, name: &str, kind: &str) -> (String, Vec<String>) {
        ask_at(world, 1000, zone, name, kind)
    }

    fn ask_at(world: &mut World, s: u64, zone: &str, name: &str, kind: &str) -> (String, Vec<String>) {
        let input =
            TestDnsAnswerInput::builder().hosted_zone_id(zone).record_name(name).record_type(RrType::from(kind));
        let output = test_dns_answer(world, &at(s), &input.build().expect("built")).expect("a public zone");
        (output.response_code, output.record_data)
    }

    fn fail(world: &mut World, check: &str, failed: bool) {
        world.route53.health_checks.get_mut(check).expect("there").config.inverted = failed;
    }

    #[test]
    fn a_failover_pair_follows_its_checks_and_falls_back_to_the_primary() {
        let mut world = World::new(1);
        let id = make_zone(&mut world, 0, "example.com");
        let (a, b) = (check(&mut world, "a"), check(&mut world, "b"));
        let side = |to: &str, primary: bool, check: &str| {
            failover(record("o.example.com", "CNAME", &[to]), primary).health_check_id(check)
        };
        change(&mut world, 0, &id, &[(Create, side("east.test.", true, &a)), (Create, side("west.test.", false, &b))])
            .expect("fine");
        let mut asked = |first: bool, second: bool| {
            fail(&mut world, &a, first);
            fail(&mut world, &b, second);
            ask(&mut world, &id, "o.example.com", "A").1.concat()
        };
        assert_eq!(asked(false, false), "east.test.");
        assert_eq!(asked(true, false), "west.test.");
        assert_eq!(asked(true, true), "east.test.");
        assert_eq!(asked(false, true), "east.test.");
    }

    #[test]
    fn dns_answers_only_what_is_in_sync() {
        let mut world = World::new(1);
        let id = make_zone(&mut world, 0, "example.com");
        change(&mut world, 100, &id, &[(Create, record("a.example.com", "A", &["192.0.2.1"]))]).expect("fine");
        assert_eq!(ask_at(&mut world, 129, &id, "a.example.com", "A"), ("NXDOMAIN".into(), vec![]));
        assert_eq!(ask_at(&mut world, 130, &id, "a.example.com", "A"), ("NOERROR".into(), vec!["192.0.2.1".into()]));
        assert_eq!(ask(&mut world, &id, "a.example.com", "AAAA"), ("NOERROR".into(), vec![]));
        assert_eq!(ask(&mut world, &id, "b.example.com", "A").0, "NXDOMAIN");
    }

    #[test]
    fn a_wildcard_answers_for_names_that_do_not_exist() {
        let mut world = World::new(1);
        let id = make_zone(&mut world, 0, "example.com");
        let records = [
            (Create, record("*.example.com", "A", &["192.0.2.1"])),
            (Create, record("x.sub.example.com", "A", &["192.0.2.2"])),
        ];
        change(&mut world, 0, &id, &records).expect("fine");
        assert_eq!(ask(&mut world, &id, "any.thing.example.com", "A").1, ["192.0.2.1"]);
        assert_eq!(ask(&mut world, &id, "y.sub.example.com", "A").0, "NXDOMAIN");
        assert_eq!(ask(&mut world, &id, "sub.example.com", "A"), ("NOERROR".into(), vec![]));
    }

    #[test]
    fn aliases_weights_latency_and_several_values() {
        let mut world = World::new(1);
        let id = make_zone(&mut world, 0, "example.com");
        let base = |name: &str, to: &str| record(name, "A", &[to]).set_identifier(to);
        let records = [
            (Create, base("w.example.com", "192.0.2.1").weight(0)),
            (Create, base("w.example.com", "192.0.2.2").weight(5)),
            (Create, base("l.example.com", "192.0.2.3").region(ResourceRecordSetRegion::EuWest1)),
            (Create, base("l.example.com", "192.0.2.4").region(ResourceRecordSetRegion::UsWest2)),
            (Create, base("m.example.com", "192.0.2.5").multi_value_answer(true)),
            (Create, base("m.example.com", "192.0.2.6").multi_value_answer(true)),
            (Create, alias("a.example.com", "A", &id, "w.example.com", true)),
            (Create, alias("example.com", "A", "Z2FDTNDATAQYW2", "d1.cloudfront.net", false)),
        ];
        change(&mut world, 0, &id, &records).expect("fine");
        for _ in 0..20 {
            assert_eq!(ask(&mut world, &id, "a.example.com", "A").1, ["192.0.2.2"]);
        }
        assert_eq!(ask(&mut world, &id, "l.example.com", "A").1, ["192.0.2.4"]);
        assert_eq!(ask(&mut world, &id, "m.example.com", "A").1.len(), 2);
        assert!(ask(&mut world, &id, "example.com", "A").1[0].starts_with("198.19."));
    }

    #[test]
    fn questions_are_checked() {
        let mut world = World::new(1);
        let id = make_zone(&mut world, 0, "example.com");
        let mut asked = |zone: &str, name: &str| {
            let input = TestDnsAnswerInput::builder().hosted_zone_id(zone).record_name(name).record_type(RrType::A);
            code(test_dns_answer(&mut world, &at(0), &input.build().expect("built")))
        };
        assert_eq!(asked("Z1", "a.example.com"), "NoSuchHostedZone");
        assert_eq!(asked(&id, "a.example.org"), "InvalidInput");
    }
}
