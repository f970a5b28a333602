//! `aws.route53.record_set`: what a zone answers for a name and type.
//!
//! API: ChangeResourceRecordSets (CREATE, UPSERT, DELETE), ListResourceRecordSets, GetChange (Route 53 2013-04-01). Find: zone,
//! name, type and set identifier; there are no tags. Change: zone and name replace, the old one first and in a request of its own;
//! type, set identifier and policy by DELETE and CREATE in one request; the rest in place. Delete: before what it points to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_route53::types::{
    AliasTarget, Change, ChangeAction, ResourceRecord, ResourceRecordSet, ResourceRecordSetFailover,
    ResourceRecordSetRegion, RrType,
};
use dr_core::{
    Class, CloudError, Cx, Found, Global, Health, Input, Inputs, IntoInput, Lifecycle, Outputs, Prior, Problems,
    Resource, Scan, Settled, Wanted,
};
use serde::{Deserialize, Serialize};

use super::name::{canonical, same, same_values};
use super::{bare, reference_prefix, zones};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{HealthCheckId, HostedZoneId};
use crate::read::found_by_key;

/// A record set: the answer of a zone for one name and type, or one of several answers among which a routing policy chooses.
///
/// A new one is created and never overwrites: when the zone has a record of the same name, type and set identifier already, it
/// is taken over if it says the same or the zone was made for this stack, and refused otherwise. All changes of a zone that are
/// due together are made together, so a health check, a target or a value changes without a gap. So do the type, the set
/// identifier and the routing policy: the old record goes and the new one comes in one request, together with those of the other
/// records of the name, without which Route 53 would refuse it. A simple record becomes one of a pair in the same way, if the
/// program says that it is the same one: `stack.moved("global/api", "global/origin.primary")`. Without that, the old record is dropped, and goes
/// long before a new one can come; a resolver that asks in between keeps "no such name" as long as the zone's SOA says (15
/// minutes in a zone of Route 53).
///
/// - Inputs: zone and name, which replace, the old one first; type and set identifier (1 to 128 characters; none for a simple
///   record); values with a time to live in seconds, or an alias; the routing policy (simple by default) and a health check
///   (none by default), all in place.
/// - Ready: when the change is `INSYNC`, in about 35 seconds.
/// - Calls: ChangeResourceRecordSets, ListResourceRecordSets, GetChange.
/// - AWS: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/rrsets-working-with.html>
#[derive(Debug, Clone, Resource)]
#[resource(
    type = "aws.route53.record_set",
    outputs = RecordSetOutputs,
    region = Global,
    create_s = 35,
    delete_s = 1,
    replacement = "delete-first",
    check = RecordSet::check_inputs
)]
pub struct RecordSet {
    /// The zone.
    #[input(replace)]
    zone: Input<HostedZoneId>,
    /// The full name, `origin.example.com`.
    #[input(replace)]
    name: Input<String>,
    /// The type.
    record_type: RecordType,
    /// Tells the answers of one name and type apart, 1 to 128 characters; absent for a simple record.
    set_id: Option<String>,
    /// How one of several answers is chosen.
    routing: Routing,
    /// How long resolvers may keep the answer, in seconds; absent for an alias, which has its target's.
    ttl_s: Option<u32>,
    /// The values; none for an alias.
    values: Vec<Input<String>>,
    /// Another name of AWS whose addresses are the answer. The target need only exist, it need not work yet.
    #[input(nested, accepted)]
    alias: Option<Alias>,
    /// The answer is left out while this is unhealthy.
    #[input(accepted)]
    health_check: Option<Input<HealthCheckId>>,
}

/// The target of an alias record.
#[derive(Debug, Clone, Inputs)]
pub struct Alias {
    /// The name of the target: `d-….execute-api.…`, `d….cloudfront.net`, or another record of the same zone.
    name: Input<String>,
    /// The hosted zone of the target, which AWS gives with its name.
    zone: Input<HostedZoneId>,
    /// Whether the answer is left out while the target is unhealthy. CloudFront does not allow it, and for API Gateway it says
    /// only whether the service works in the region.
    evaluate_target_health: bool,
}

/// The type of a record set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the types of DNS")]
pub enum RecordType {
    A,
    Aaaa,
    Caa,
    Cname,
    Ds,
    Mx,
    Naptr,
    Ns,
    Ptr,
    Spf,
    Srv,
    Txt,
}

/// How Route 53 chooses among the answers of one name and type; all of them have the same policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Routing {
    /// There is one answer.
    Simple,
    /// The primary answer while it is healthy, else the secondary.
    Failover(FailoverRole),
    /// The answer for the AWS region with the lowest latency, `us-east-1`.
    Latency(String),
    /// By weight, 0 to 255; 0 only when all are.
    Weighted(u8),
    /// A policy that is not made here (geography, several values at once): only ever read.
    Other,
}

/// The place of an answer in a failover pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailoverRole {
    /// Answers while it is healthy, and when both are not.
    Primary,
    /// Answers while the primary is unhealthy.
    Secondary,
}

/// What is known of a record set.
#[derive(Debug, Clone, PartialEq, Outputs)]
#[non_exhaustive]
pub struct RecordSetOutputs {
    /// The full name, as it was given.
    pub name: String,
    /// The type that it has: while a change is in question it may still be the one before.
    pub record_type: RecordType,
    /// The set identifier that it has, as the type.
    pub set_id: Option<String>,
    /// The batch in which it was changed last, until that has spread to all name servers.
    pub pending_change: Option<String>,
}

impl RecordSet {
    /// A simple record: values, and how long resolvers may keep them, in seconds.
    pub fn new<V: IntoInput<String>>(
        zone: impl IntoInput<HostedZoneId>,
        name: impl IntoInput<String>,
        record_type: RecordType,
        ttl_s: u32,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values = values.into_iter().map(IntoInput::into_input).collect();
        Self::of(zone.into_input(), name.into_input(), record_type, Some(ttl_s), values, None)
    }

    /// A CNAME that resolvers may keep for 60 seconds. It stands alone at its name, and not at the top of a zone.
    pub fn cname(
        zone: impl IntoInput<HostedZoneId>,
        name: impl IntoInput<String>,
        target: impl IntoInput<String>,
    ) -> Self {
        let values = vec![target.into_input()];
        Self::of(zone.into_input(), name.into_input(), RecordType::Cname, Some(60), values, None)
    }

    /// An alias: the addresses of another name of AWS, free of charge and without a time to live of its own.
    pub fn alias(
        zone: impl IntoInput<HostedZoneId>,
        name: impl IntoInput<String>,
        record_type: RecordType,
        target: Alias,
    ) -> Self {
        Self::of(zone.into_input(), name.into_input(), record_type, None, Vec::new(), Some(target))
    }

    fn of(
        zone: Input<HostedZoneId>,
        name: Input<String>,
        record_type: RecordType,
        ttl_s: Option<u32>,
        values: Vec<Input<String>>,
        alias: Option<Alias>,
    ) -> Self {
        let (set_id, routing, health_check) = (None, Routing::Simple, None);
        RecordSet { zone, name, record_type, set_id, routing, ttl_s, values, alias, health_check }
    }

    /// How long resolvers may keep the answer, in seconds; at most 60 where a health check decides. Nothing for an alias.
    #[must_use]
    pub fn ttl_s(mut self, seconds: u32) -> Self {
        self.ttl_s = Some(seconds);
        self
    }

    /// One answer of a failover pair, told apart by `set_id`.
    #[must_use]
    pub fn failover(self, role: FailoverRole, set_id: impl Into<String>) -> Self {
        self.routing(Routing::Failover(role), set_id)
    }

    /// One of several answers: the one for an AWS region.
    #[must_use]
    pub fn latency(self, region: impl Into<String>, set_id: impl Into<String>) -> Self {
        self.routing(Routing::Latency(region.into()), set_id)
    }

    /// One of several answers, as often as its weight says.
    #[must_use]
    pub fn weighted(self, weight: u8, set_id: impl Into<String>) -> Self {
        self.routing(Routing::Weighted(weight), set_id)
    }

    fn routing(mut self, routing: Routing, set_id: impl Into<String>) -> Self {
        self.routing = routing;
        self.set_id = Some(set_id.into());
        self
    }

    /// The answer is left out while this is unhealthy.
    #[must_use]
    pub fn health_check(mut self, check: impl IntoInput<HealthCheckId>) -> Self {
        self.health_check = Some(check.into_input());
        self
    }

    fn check_inputs(&self, problems: &mut Problems) {
        if let Some(name) = self.name.as_known() {
            let labels = name.strip_suffix('.').unwrap_or(name);
            if labels.is_empty()
                || labels.len() > 253
                || labels.split('.').any(|label| !(1..=63).contains(&label.len()))
            {
                problems
                    .report("name", format_args!("`{name}` is no DNS name: labels of 1 to 63 characters, 253 in all"));
            }
        }
        if self.set_id.as_ref().is_some_and(|id| !(1..=128).contains(&id.chars().count())) {
            problems.report("set_id", "a set identifier has 1 to 128 characters");
        }
        if self.alias.is_some() {
            if self.ttl_s.is_some() {
                problems.report("ttl_s", "an alias has the time to live of its target, and none of its own");
            }
            if self.record_type == RecordType::Cname {
                problems.report("record_type", "an alias answers with addresses: make it an A or AAAA record");
            }
        } else {
            match self.values.len() {
                0 => problems.report("values", "a record has at least one value"),
                1 => {}
                _ if self.record_type == RecordType::Cname => {
                    problems.report("values", "a CNAME has exactly one value")
                }
                401.. => problems.report("values", "a record set has at most 400 values"),
                _ => {}
            }
            if self.ttl_s.is_some_and(|ttl| ttl > i32::MAX.cast_unsigned()) {
                problems.report("ttl_s", "a time to live is at most 2,147,483,647 seconds");
            }
        }
    }
}

impl Alias {
    /// The target, by the name and the hosted zone that AWS gives with it.
    pub fn new(name: impl IntoInput<String>, zone: impl IntoInput<HostedZoneId>) -> Self {
        Alias { name: name.into_input(), zone: zone.into_input(), evaluate_target_health: false }
    }

    /// Leaves the answer out while the target is unhealthy.
    #[must_use]
    pub fn evaluate_target_health(mut self) -> Self {
        self.evaluate_target_health = true;
        self
    }
}

impl RecordType {
    /// The type, if it is one that is made here.
    fn of(seen: &RrType) -> Option<Self> {
        use RecordType::*;
        [A, Aaaa, Caa, Cname, Ds, Mx, Naptr, Ns, Ptr, Spf, Srv, Txt].into_iter().find(|known| known.model() == *seen)
    }

    fn model(self) -> RrType {
        match self {
            RecordType::A => RrType::A,
            RecordType::Aaaa => RrType::Aaaa,
            RecordType::Caa => RrType::Caa,
            RecordType::Cname => RrType::Cname,
            RecordType::Ds => RrType::Ds,
            RecordType::Mx => RrType::Mx,
            RecordType::Naptr => RrType::Naptr,
            RecordType::Ns => RrType::Ns,
            RecordType::Ptr => RrType::Ptr,
            RecordType::Spf => RrType::Spf,
            RecordType::Srv => RrType::Srv,
            RecordType::Txt => RrType::Txt,
        }
    }
}

/// The record set as Route 53 takes it.
fn model(args: &RecordSetArgs) -> ResourceRecordSet {
    let set = ResourceRecordSet::builder()
        .name(&args.name)
        .r#type(args.record_type.model())
        .set_set_identifier(args.set_id.clone())
        .set_health_check_id(args.health_check.as_ref().map(|id| id.as_str().to_owned()));
    let set = match &args.routing {
        Routing::Simple | Routing::Other => set,
        Routing::Failover(FailoverRole::Primary) => set.failover(ResourceRecordSetFailover::Primary),
        Routing::Failover(FailoverRole::Secondary) => set.failover(ResourceRecordSetFailover::Secondary),
        Routing::Latency(region) => set.region(ResourceRecordSetRegion::from(region.as_str())),
        Routing::Weighted(weight) => set.weight((*weight).into()),
    };
    let set = match &args.alias {
        Some(alias) => {
            let target = AliasTarget::builder()
                .dns_name(&alias.name)
                .hosted_zone_id(alias.zone.as_str())
                .evaluate_target_health(alias.evaluate_target_health);
            set.alias_target(target.build().expect("name, zone and evaluation are set"))
        }
        None => {
            let value = |value: &String| ResourceRecord::builder().value(value).build().expect("the value is set");
            set.set_ttl(args.ttl_s.map(Into::into)).set_resource_records(Some(args.values.iter().map(value).collect()))
        }
    };
    set.build().expect("name and type are set")
}

/// The arguments as the zone has them, in the wanted spelling where they mean the same.
fn observed(wanted: &RecordSetArgs, seen: &ResourceRecordSet) -> RecordSetArgs {
    let mut args = wanted.clone();
    args.set_id = seen.set_identifier().map(str::to_owned);
    args.record_type = RecordType::of(seen.r#type()).unwrap_or(wanted.record_type);
    args.routing = match (seen.failover(), seen.region(), seen.weight()) {
        (Some(ResourceRecordSetFailover::Primary), ..) => Routing::Failover(FailoverRole::Primary),
        (Some(_), ..) => Routing::Failover(FailoverRole::Secondary),
        (_, Some(region), _) => Routing::Latency(region.as_str().to_owned()),
        (_, _, Some(weight)) => u8::try_from(weight).map_or(Routing::Other, Routing::Weighted),
        _ if seen.set_identifier().is_none() => Routing::Simple,
        _ => Routing::Other,
    };
    args.health_check = seen.health_check_id().map(HealthCheckId::literal);
    args.ttl_s = seen.ttl().and_then(|ttl| u32::try_from(ttl).ok());
    let values: Vec<String> = seen.resource_records().iter().map(|record| record.value().to_owned()).collect();
    if !same_values(wanted.record_type, &wanted.values, &values) {
        args.values = values;
    }
    args.alias = seen.alias_target().map(|target| {
        let zone = HostedZoneId::literal(super::bare(target.hosted_zone_id()));
        let name = match &wanted.alias {
            Some(alias) if same_target(&alias.name, target.dns_name()) => alias.name.clone(),
            _ => target.dns_name().to_owned(),
        };
        AliasArgs { name, zone, evaluate_target_health: target.evaluate_target_health() }
    });
    args
}

/// The console puts `dualstack.` before the name of a load balancer, which changes nothing.
fn same_target(a: &str, b: &str) -> bool {
    let plain = |name: &str| {
        let name = canonical(name);
        name.strip_prefix("dualstack.").map(str::to_owned).unwrap_or(name)
    };
    plain(a) == plain(b)
}

/// The natural key of a record set in its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key<'a> {
    name: &'a str,
    record_type: RecordType,
    set_id: Option<&'a str>,
}

impl<'a> Key<'a> {
    fn wanted(args: &'a RecordSetArgs) -> Self {
        Key { name: &args.name, record_type: args.record_type, set_id: args.set_id.as_deref() }
    }

    /// What the record has had until an update was answered.
    fn known(args: &'a RecordSetArgs, outputs: &'a RecordSetOutputs) -> Self {
        Key { name: &args.name, record_type: outputs.record_type, set_id: outputs.set_id.as_deref() }
    }

    /// The record set with this key, if it is listed.
    fn find(self, sets: &[ResourceRecordSet]) -> Option<&ResourceRecordSet> {
        sets.iter().find(|seen| {
            *seen.r#type() == self.record_type.model()
                && seen.set_identifier() == self.set_id
                && same(seen.name(), self.name)
        })
    }
}

/// All record sets of a zone; none of a zone that is not there. Three cursors, so the SDK has no paginator.
pub(super) async fn list(aws: &Aws, zone: &str) -> Result<Vec<ResourceRecordSet>, CloudError> {
    let client = aws.route53();
    let (mut all, mut next) = (Vec::new(), (None, None, None));
    loop {
        let (name, record_type, identifier) = next;
        let call = client
            .list_resource_record_sets()
            .hosted_zone_id(zone)
            .set_start_record_name(name)
            .set_start_record_type(record_type)
            .set_start_record_identifier(identifier);
        let Some(page) = call.send().await.call("route53:ListResourceRecordSets").gone_ok()? else { break };
        all.extend(page.resource_record_sets);
        if !page.is_truncated {
            break;
        }
        next = (page.next_record_name, page.next_record_type, page.next_record_identifier);
    }
    Ok(all)
}

async fn listed(scan: &Scan<Aws>, zone: &str) -> Result<Arc<Vec<ResourceRecordSet>>, CloudError> {
    scan.cloud.shared(scan, "route53:ListResourceRecordSets", zone, || list(&scan.cloud, zone)).await
}

/// Whether a zone was made for this stack.
async fn is_own(scan: &Scan<Aws>, zone: &str) -> Result<bool, CloudError> {
    let prefix = reference_prefix(&scan.stack);
    let zones = zones(scan).await?;
    Ok(zones.iter().any(|seen| bare(seen.id()) == zone && seen.caller_reference().starts_with(&prefix)))
}

/// Makes changes that belong together, with the others of the zone; the answer is the id of the batch.
async fn submit(
    cx: &Cx<Aws>,
    zone: &HostedZoneId,
    changes: impl IntoIterator<Item = (ChangeAction, ResourceRecordSet)>,
) -> Result<String, CloudError> {
    let change = |(action, set)| {
        Change::builder().action(action).resource_record_set(set).build().expect("action and record set are set")
    };
    let changes = changes.into_iter().map(change).collect();
    cx.cloud.route53_changes.submit(&cx.cloud.route53(), zone, changes).await
}

/// Gives a record another type, set identifier or place among those of its name: another policy, or another role or region in it.
/// Route 53 checks each against the others that are there, so the old ones go and the new ones come in one request, and the name
/// is always answered.
async fn exchange(cx: &Cx<Aws>, prior: &Prior<RecordSet>, args: &RecordSetArgs) -> Result<String, CloudError> {
    let zone = &args.zone;
    let sets = list(&cx.cloud, zone.as_str()).await?;
    let made = Key::wanted(args).find(&sets);
    // An earlier call made it, and its answer was lost.
    if made.is_some_and(|seen| observed(args, seen) == *args) {
        return Ok(String::new());
    }
    let old = made.or_else(|| Key::known(&prior.args, &prior.outputs).find(&sets));
    let gone = old.map(|seen| (ChangeAction::Delete, seen.clone()));
    submit(cx, zone, gone.into_iter().chain([(ChangeAction::Create, model(args))])).await
}

/// Whether Route 53 has to forget the old record before it takes the new one.
fn is_elsewhere(before: &Prior<RecordSet>, now: &RecordSetArgs) -> bool {
    let (was, is) = (&before.args.routing, &now.routing);
    let moved = was != is && !matches!((was, is), (Routing::Weighted(_), Routing::Weighted(_)));
    moved || Key::known(&before.args, &before.outputs) != Key::wanted(now)
}

fn outputs(args: &RecordSetArgs, change: String) -> RecordSetOutputs {
    let pending_change = Some(change).filter(|id| !id.is_empty());
    RecordSetOutputs {
        name: args.name.clone(),
        record_type: args.record_type,
        set_id: args.set_id.clone(),
        pending_change,
    }
}

impl Lifecycle for RecordSet {
    type Cloud = Aws;

    /// One call for each zone. Nothing on a record tells whose it is: one that the state does not know is ours when it says what
    /// we want to say, or when it stands in a zone of the stack's own.
    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let mut found = Vec::new();
        let zones: BTreeSet<&str> = wanted.iter().map(|want| want.args.zone.as_str()).collect();
        for zone in zones {
            let sets = listed(scan, zone).await?;
            for want in wanted.iter().filter(|want| want.args.zone.as_str() == zone) {
                // When it is not known whether an update was made, it has the new key or the old one.
                let old = want.outputs.as_ref().map(|known| Key::known(&want.args, known));
                let set = Key::wanted(&want.args).find(&sets).or_else(|| old.and_then(|key| key.find(&sets)));
                let Some(set) = set else { continue };
                let args = observed(&want.args, set);
                if want.outputs.is_none() && args != want.args && !is_own(scan, zone).await? {
                    continue;
                }
                let pending = want.outputs.as_ref().and_then(|known| known.pending_change.clone());
                let outputs = outputs(&args, pending.unwrap_or_default());
                let health = if outputs.pending_change.is_some() { Health::Pending } else { Health::Ready };
                found.push(found_by_key(want, args, outputs, health));
            }
        }
        Ok(found)
    }

    async fn create(cx: &Cx<Aws>, args: &RecordSetArgs) -> Result<RecordSetOutputs, CloudError> {
        // Not UPSERT, which would overwrite what somebody else made. When it exists and says the same, the next read finds it.
        let change = submit(cx, &args.zone, [(ChangeAction::Create, model(args))]).await.map_err(|error| match error.class {
            Class::Exists => error.hint(
                "the zone has this record with other content: delete it, or change it to what the program says, and deploy again",
            ),
            _ => error,
        })?;
        Ok(outputs(args, change))
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, args: &RecordSetArgs) -> Result<RecordSetOutputs, CloudError> {
        let change = if is_elsewhere(prior, args) {
            exchange(cx, prior, args).await?
        } else {
            submit(cx, &args.zone, [(ChangeAction::Upsert, model(args))]).await?
        };
        Ok(outputs(args, change))
    }

    /// Route 53 deletes a record only by its exact content: the recorded one first, and what the zone has when that is refused, or
    /// when it is not known which key the record has.
    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let zone = &prior.args.zone;
        let (wanted, known) = (Key::wanted(&prior.args), Key::known(&prior.args, &prior.outputs));
        let mut refused = None;
        if wanted == known {
            match submit(cx, zone, [(ChangeAction::Delete, model(&prior.args))]).await.gone_ok() {
                Ok(_) => return Ok(()),
                Err(error) if ["InvalidChangeBatch", "InvalidInput"].contains(&error.code.as_str()) => {
                    refused = Some(error);
                }
                // The zone is gone, and the record with it.
                Err(error) if error.code == "NoSuchHostedZone" => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        let sets = list(&cx.cloud, zone.as_str()).await?;
        match (wanted.find(&sets).or_else(|| known.find(&sets)), refused) {
            (None, _) => Ok(()),
            // It has the recorded content and is refused nevertheless.
            (Some(set), Some(refused)) if *set == model(&prior.args) => Err(refused),
            (Some(set), _) => submit(cx, zone, [(ChangeAction::Delete, set.clone())]).await.gone_ok().map(drop),
        }
    }

    async fn ready(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<Settled<RecordSetOutputs>, CloudError> {
        let mut outputs = current.outputs.clone();
        if let Some(change) = &outputs.pending_change {
            if !cx.cloud.route53_changes.is_everywhere(&cx.cloud.route53(), change).await? {
                return Ok(Settled::AskAgainIn(Duration::from_secs(2)));
            }
            outputs.pending_change = None;
        }
        Ok(Settled::Yes(outputs))
    }
}

#[cfg(test)]
mod tests;
