//! Route 53: hosted zones, records, changes, health checks.
//!
//! API: Route 53 2013-04-01, signed for us-east-1. A change is in the API at once and in DNS when it is in sync
//! ([`Slow::Route53Insync`]): a zone keeps the earlier versions of its records until then, see [`Zone::served`]. Ids carry
//! their prefix in answers (`/hostedzone/Z…`) and none in this state.

mod answer;
mod check;
mod config;
mod health;
mod names;
mod records;
mod tags;
mod zones;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_route53::types::{ChangeInfo, ChangeStatus};
use aws_smithy_types::DateTime;
use serde::{Deserialize, Serialize};

pub(crate) use self::health::{is_healthy, note_alarm};
pub(crate) use self::names::{canonical, plain, within};
pub(crate) use self::zones::add_owned;

use super::{Answer, Refusal, Table};
use crate::latency::Slow;
use crate::world::World;

/// The service name in the SDK's metadata.
const SERVICE: &str = "Route 53";

/// The hosted zone in which every CloudFront distribution has its name (Route 53 API Reference, `AliasTarget`).
pub(crate) const CLOUDFRONT_ZONE: &str = "Z2FDTNDATAQYW2";

/// Everything the account has in Route 53.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// By id, `Z…`.
    pub(crate) zones: BTreeMap<String, Zone>,
    /// Caller references of hosted zones; one is never free again, not even when its zone is gone.
    zone_references: BTreeSet<String>,
    /// By id, `C…`.
    changes: BTreeMap<String, Change>,
    /// By id, a UUID.
    pub(crate) health_checks: BTreeMap<String, HealthCheck>,
    /// Caller references of deleted health checks, with the instant until which they are taken.
    check_references: BTreeMap<String, u64>,
}

/// A hosted zone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Zone {
    /// `Z…`, without prefix.
    pub(crate) id: String,
    /// Canonical: lower case with a trailing dot.
    pub(crate) name: String,
    pub(crate) caller_reference: String,
    pub(crate) comment: Option<String>,
    /// A private zone is not in public DNS.
    pub(crate) private: bool,
    /// The VPCs of a private zone.
    pub(crate) vpcs: Vec<ZoneVpc>,
    /// Four host names without trailing dot.
    pub(crate) name_servers: Vec<String>,
    /// What the API lists, in its order.
    pub(crate) records: Vec<RecordSet>,
    /// What DNS still answers: earlier versions of the records, each until its instant, in order of time.
    pub(crate) earlier: Vec<Version>,
    pub(crate) tags: BTreeMap<String, String>,
}

/// A VPC that sees a private zone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ZoneVpc {
    pub(crate) region: String,
    pub(crate) id: String,
}

/// The records of a zone before a change.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Version {
    /// DNS answers it up to this instant, when the change after it is in sync.
    pub(crate) until_ms: u64,
    pub(crate) records: Vec<RecordSet>,
}

/// A resource record set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordSet {
    /// Canonical: lower case with a trailing dot, `\052` for `*`.
    pub(crate) name: String,
    /// `A`, `AAAA`, `CNAME` and so on.
    pub(crate) record_type: String,
    pub(crate) set_identifier: Option<String>,
    pub(crate) routing: Routing,
    /// Seconds; `None` for an alias.
    pub(crate) ttl_s: Option<u32>,
    /// Empty for an alias.
    pub(crate) values: Vec<String>,
    pub(crate) alias: Option<Alias>,
    /// Id of a health check.
    pub(crate) health_check: Option<String>,
    /// From when on DNS answers with this content.
    pub(crate) in_dns_from_ms: u64,
}

/// The routing policy of a record set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Routing {
    Simple,
    Failover(FailoverRole),
    /// 0 to 255.
    Weighted(u8),
    /// The region whose latency counts.
    Latency(String),
    MultiValue,
    /// Country `*` is everywhere else.
    Geolocation {
        continent: Option<String>,
        country: Option<String>,
        subdivision: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FailoverRole {
    Primary,
    Secondary,
}

impl FailoverRole {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            FailoverRole::Primary => "PRIMARY",
            FailoverRole::Secondary => "SECONDARY",
        }
    }
}

/// What an alias record points at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alias {
    /// The zone of the target: its own for a record of this zone, else one of AWS.
    pub(crate) zone_id: String,
    /// Canonical.
    pub(crate) dns_name: String,
    pub(crate) evaluate_target_health: bool,
}

/// A change of a zone: `PENDING` before `in_sync_at_ms`, `INSYNC` from then on.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Change {
    submitted_ms: u64,
    in_sync_at_ms: u64,
    comment: Option<String>,
}

/// A health check.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HealthCheck {
    /// A UUID.
    pub(crate) id: String,
    pub(crate) caller_reference: String,
    /// From 1, plus 1 with every update.
    pub(crate) version: i64,
    pub(crate) config: CheckConfig,
    /// What the creating call asked for: the same again with the same reference answers this check.
    requested: CheckConfig,
    pub(crate) created_ms: u64,
    /// The alarm as it was when the check was made or updated; editing the alarm alone does not reach the check.
    pub(crate) alarm: Option<AlarmCopy>,
    pub(crate) tags: BTreeMap<String, String>,
    /// The verdicts of the health checkers, written by whoever probes; empty until the first ones arrive, and a check
    /// without them counts as healthy.
    #[serde(default)]
    pub(crate) observations: Vec<Observation>,
    /// Whether the copy of the alarm was OK at its last evaluation; none without data, and for checks of another kind.
    #[serde(default)]
    pub(crate) alarm_says: Option<bool>,
    /// The same, as of the last evaluation that had data.
    #[serde(default)]
    pub(crate) last_known: Option<bool>,
}

/// What a health check checks and how. Defaults are filled in, as GetHealthCheck shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CheckConfig {
    /// `HTTP`, `HTTPS`, `HTTP_STR_MATCH`, `HTTPS_STR_MATCH`, `TCP`, `CALCULATED`, `CLOUDWATCH_METRIC`.
    pub(crate) kind: String,
    pub(crate) ip_address: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) resource_path: Option<String>,
    pub(crate) fully_qualified_domain_name: Option<String>,
    pub(crate) search_string: Option<String>,
    /// Seconds between two probes of one checker, 10 or 30; `None` for kinds that do not probe.
    pub(crate) request_interval_s: Option<u32>,
    /// Probes in a row that change a checker's verdict, in both directions; 1 to 10.
    pub(crate) failure_threshold: Option<u32>,
    pub(crate) measure_latency: Option<bool>,
    pub(crate) inverted: bool,
    pub(crate) disabled: bool,
    pub(crate) enable_sni: Option<bool>,
    /// Empty means all eight.
    pub(crate) regions: Vec<String>,
    /// Healthy children that make a `CALCULATED` check healthy.
    pub(crate) health_threshold: Option<u32>,
    /// Ids of health checks.
    pub(crate) children: Vec<String>,
    /// Region and name of an alarm.
    pub(crate) alarm: Option<(String, String)>,
    /// `Healthy`, `Unhealthy` or `LastKnownStatus`.
    pub(crate) insufficient_data_health_status: Option<String>,
}

/// The parts of an alarm that a health check copies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AlarmCopy {
    pub(crate) evaluation_periods: i32,
    pub(crate) threshold: f64,
    pub(crate) comparison_operator: String,
    pub(crate) period_s: i32,
    pub(crate) metric_name: String,
    pub(crate) namespace: String,
    pub(crate) statistic: String,
    pub(crate) dimensions: Vec<(String, String)>,
}

/// What one health checker says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Observation {
    /// The region of the checker.
    pub(crate) region: String,
    /// Its address.
    pub(crate) ip_address: String,
    /// Its verdict, after as many equal probes in a row as the threshold says.
    pub(crate) healthy: bool,
    /// The result of its last probe: `Success: HTTP Status Code 200, OK`, or a text that begins with `Failure:`.
    pub(crate) status: String,
    pub(crate) checked_ms: u64,
}

impl Zone {
    /// What DNS answers at that moment. [`Version::until_ms`] tells when that changes.
    pub(crate) fn served(&self, now_ms: u64) -> &[RecordSet] {
        self.earlier.iter().find(|version| version.until_ms > now_ms).map_or(&self.records, |version| &version.records)
    }

    /// Replaces the records by those of a change that is in sync at that instant.
    fn change_to(&mut self, records: Vec<RecordSet>, now_ms: u64, in_sync_at_ms: u64) {
        self.earlier.retain(|version| version.until_ms > now_ms);
        let before = std::mem::replace(&mut self.records, records);
        self.earlier.push(Version { until_ms: in_sync_at_ms, records: before });
        self.records.sort_by(RecordSet::list_order);
    }
}

impl RecordSet {
    /// Whether name, type and set identifier, which make the key of a record set, are the same.
    fn same_key(&self, other: &RecordSet) -> bool {
        self.same_group(other) && self.set_identifier == other.set_identifier
    }

    fn same_group(&self, other: &RecordSet) -> bool {
        self.name == other.name && self.record_type == other.record_type
    }

    /// Whether everything that a request can say is the same; the order of values does not count.
    fn same_content(&self, other: &RecordSet) -> bool {
        let plain = |record: &RecordSet| {
            let mut record = RecordSet { in_dns_from_ms: 0, ..record.clone() };
            record.values.sort();
            record
        };
        plain(self) == plain(other)
    }

    fn list_order(&self, other: &RecordSet) -> Ordering {
        names::by_labels(&self.name, &other.name)
            .then_with(|| self.record_type.cmp(&other.record_type))
            .then_with(|| self.set_identifier.cmp(&other.set_identifier))
    }
}

pub(crate) fn register(table: &mut Table) {
    zones::register(table);
    records::register(table);
    health::register(table);
    tags::register(table);
    answer::register(table);
}

/// The public zone whose name servers are asked for a canonical name, and from when on the way to it is in DNS.
///
/// `records` are what a zone answers. A zone inside another one of the account is asked only when that one delegates to it, by
/// an NS set with its name servers; one whose parent is not in the account is taken for delegated.
pub(crate) fn zone_for<'w>(
    world: &'w World,
    name: &str,
    records: impl Fn(&'w Zone) -> &'w [RecordSet],
) -> Option<(&'w Zone, u64)> {
    let mut around: Vec<&Zone> =
        world.route53.zones.values().filter(|zone| !zone.private && names::within(name, &zone.name)).collect();
    around.sort_by_key(|zone| zone.name.len());
    let outermost = around.first()?.name.len();
    let mut zone = *around.iter().rfind(|zone| zone.name.len() == outermost)?;
    let mut from_ms = 0;
    let delegates = |record: &RecordSet, child: &Zone| {
        let leads_there = |value: &String| child.name_servers.iter().any(|own| own == value.trim_end_matches('.'));
        record.record_type == "NS" && record.name == child.name && record.values.iter().any(leads_there)
    };
    // The delegation nearest to the apex cuts off everything below it.
    while let Some((child, delegation)) = around
        .iter()
        .filter(|child| child.name.len() > zone.name.len())
        .find_map(|child| Some((*child, records(zone).iter().find(|record| delegates(record, child))?)))
    {
        from_ms = from_ms.max(delegation.in_dns_from_ms);
        zone = child;
    }
    Some((zone, from_ms))
}

/// From when on public DNS answers a CNAME query for `name` with `value`, when the record is there now.
pub(crate) fn cname_in_dns_from(world: &World, name: &str, value: &str) -> Option<u64> {
    let name = names::canonical(name).ok()?;
    let value = names::canonical(value).ok()?;
    let (zone, from_ms) = zone_for(world, &name, |zone| &zone.records)?;
    let found = zone.records.iter().filter(|record| {
        record.name == name
            && record.record_type == "CNAME"
            && record.values.iter().any(|target| names::canonical(target).is_ok_and(|target| target == value))
    });
    found.map(|record| record.in_dns_from_ms.max(from_ms)).min()
}

/// Records a change, which is in sync after the usual time and not before `not_before_ms` (the change before it).
fn new_change(world: &mut World, now_ms: u64, not_before_ms: u64, comment: Option<String>) -> (ChangeInfo, u64) {
    let in_sync_at_ms = (now_ms + world.latency(Slow::Route53Insync)).max(not_before_ms);
    let id = format!("C{}", world.token(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", 20));
    let change = Change { submitted_ms: now_ms, in_sync_at_ms, comment };
    let info = change_info(&id, &change, now_ms);
    world.route53.changes.insert(id, change);
    (info, in_sync_at_ms)
}

fn change_info(id: &str, change: &Change, now_ms: u64) -> ChangeInfo {
    ChangeInfo::builder()
        .id(format!("/change/{id}"))
        .status(if now_ms < change.in_sync_at_ms { ChangeStatus::Pending } else { ChangeStatus::Insync })
        .submitted_at(date(change.submitted_ms))
        .set_comment(change.comment.clone())
        .build()
        .expect("id, status and time are set")
}

fn date(ms: u64) -> DateTime {
    DateTime::from_millis(i64::try_from(ms).expect("a time of this age fits 63 bits"))
}

/// An id without the prefix that answers carry and that callers send back.
fn bare_id(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

fn invalid_input(message: impl Into<String>) -> Refusal {
    Refusal::new("InvalidInput", message)
}

/// A parameter that the API requires.
fn required<'i>(value: &'i Option<String>, field: &str) -> Answer<&'i str> {
    value.as_deref().filter(|value| !value.is_empty()).ok_or_else(|| {
        invalid_input(format!(
            "1 validation error detected: Value null at '{field}' failed to satisfy constraint: Member must not be null"
        ))
    })
}

/// A size of a page: at least 1, and more than the API gives is as much as it gives.
fn page_size(asked: Option<i32>, most: i32) -> Answer<usize> {
    match asked.unwrap_or(most) {
        n if n < 1 => Err(invalid_input("The maximum number of items must be at least 1.")),
        n => Ok(usize::try_from(n.min(most)).expect("checked to be positive")),
    }
}

fn zone<'w>(world: &'w World, id: &str) -> Answer<&'w Zone> {
    let id = bare_id(id);
    world.route53.zones.get(id).ok_or_else(|| no_zone(id))
}

fn no_zone(id: &str) -> Refusal {
    Refusal::new("NoSuchHostedZone", format!("No hosted zone found with ID: {id}")).status(404)
}

#[cfg(test)]
pub(crate) mod tests {
    use aws_sdk_route53::types::{ChangeAction, ResourceRecord, ResourceRecordSet, RrType};

    use super::*;
    use crate::control::Call;

    pub(crate) fn at(s: u64) -> Call {
        Call { region: "us-east-1".to_owned(), now_ms: s * 1000 }
    }

    pub(crate) fn code<T>(answer: Answer<T>) -> String {
        answer.err().map_or_else(|| "accepted".to_owned(), |refusal| refusal.code)
    }

    pub(crate) fn message<T>(answer: Answer<T>) -> String {
        answer.err().map_or_else(|| "accepted".to_owned(), |refusal| refusal.message)
    }

    /// Makes a public zone and answers its bare id.
    pub(crate) fn zone(world: &mut World, s: u64, name: &str) -> String {
        zones::tests::create(world, s, name, &format!("ref-{name}")).expect("a fine name")
    }

    /// Makes a health check and answers its id.
    pub(crate) fn check(world: &mut World) -> String {
        health::tests::check(world, "ref")
    }

    /// `CREATE`, `UPSERT` or `DELETE` of one CNAME with a TTL of 300 s.
    pub(crate) fn change_cname(
        world: &mut World,
        s: u64,
        zone: &str,
        action: &str,
        name: &str,
        value: &str,
    ) -> Answer<ChangeInfo> {
        let record = ResourceRecord::builder().value(value).build().expect("the value is set");
        let set = ResourceRecordSet::builder().name(name).r#type(RrType::Cname).ttl(300).resource_records(record);
        records::tests::change(world, s, zone, &[(ChangeAction::from(action), set)])
    }

    #[test]
    fn dns_answers_the_version_before_a_change_until_it_is_in_sync() {
        let mut world = World::new(1);
        let id = zone(&mut world, 0, "example.com");
        let served = |world: &World, s: u64| -> Vec<String> {
            world.route53.zones[&id]
                .served(s * 1000)
                .iter()
                .flat_map(|r| r.values.clone())
                .filter(|v| v.ends_with(".test."))
                .collect()
        };
        assert_eq!(world.route53.zones[&id].served(29_999), []);
        assert_eq!(world.route53.zones[&id].served(30_000).len(), 2);
        change_cname(&mut world, 100, &id, "CREATE", "a.example.com", "one.test.").expect("fine");
        change_cname(&mut world, 110, &id, "UPSERT", "a.example.com", "two.test.").expect("fine");
        assert_eq!(served(&world, 129), Vec::<String>::new());
        assert_eq!(served(&world, 130), ["one.test."]);
        assert_eq!(served(&world, 140), ["two.test."]);
        assert_eq!(cname_in_dns_from(&world, "A.example.com", "two.test"), Some(140_000));
        assert_eq!(cname_in_dns_from(&world, "a.example.com", "one.test"), None);
        // Writing the same again changes nothing.
        change_cname(&mut world, 200, &id, "UPSERT", "a.example.com", "two.test.").expect("fine");
        assert_eq!(cname_in_dns_from(&world, "a.example.com", "two.test."), Some(140_000));
    }

    #[test]
    fn a_zone_inside_another_one_is_asked_when_that_one_delegates_to_it() {
        let mut world = World::new(1);
        let (parent, child) = (zone(&mut world, 0, "example.com"), zone(&mut world, 0, "shop.example.com"));
        change_cname(&mut world, 0, &child, "CREATE", "a.shop.example.com", "one.test.").expect("fine");
        let asked =
            |world: &World| zone_for(world, "a.shop.example.com.", |zone| &zone.records).expect("one").0.id.clone();
        assert_eq!(asked(&world), parent);
        assert_eq!(cname_in_dns_from(&world, "a.shop.example.com", "one.test"), None, "nobody gets there");
        let delegate = |world: &mut World, s: u64, servers: &[String]| {
            let servers = servers.iter().map(|server| ResourceRecord::builder().value(server).build().expect("set"));
            let set = ResourceRecordSet::builder().name("shop.example.com").r#type(RrType::Ns).ttl(300);
            let set = set.set_resource_records(Some(servers.collect()));
            records::tests::change(world, s, &parent, &[(ChangeAction::Upsert, set)]).expect("fine");
        };
        delegate(&mut world, 100, &["ns.of.somebody.test".to_owned()]);
        assert_eq!(asked(&world), parent, "the servers are not those of the zone");
        let servers = world.route53.zones[&child].name_servers.clone();
        delegate(&mut world, 200, &servers);
        assert_eq!(asked(&world), child);
        assert_eq!(cname_in_dns_from(&world, "a.shop.example.com", "one.test"), Some(230_000));
        world.route53.zones.remove(&parent);
        assert_eq!(asked(&world), child, "a parent elsewhere is taken for granted");
    }
}
