//! Names with one answer for each region, among which Route 53 chooses.

use dr_core::{Construct, Global, Handle, Input, IntoInput, Output, Region, Scope, same_region};

use crate::cloudwatch::Alarm;
use crate::constructs::SiteHandle;
use crate::ids::{HealthCheckId, HostedZoneId, TopicArn};
use crate::regions::UsEast1;
use crate::route53::{Alias, FailoverRole, HealthCheck, RecordSet, RecordType};
use crate::sns::{Subscription, Topic};

/// One region's answer: where its API gateway is reached, and what says whether it works.
#[derive(Debug, Clone, Copy)]
struct Answer {
    target: Output<String>,
    zone: Output<HostedZoneId>,
    check: Output<HealthCheckId>,
}

impl Answer {
    fn of<R: Region>(site: &SiteHandle<R>) -> Self {
        Answer { target: site.domain.target_domain, zone: site.domain.hosted_zone, check: site.health_check.id }
    }
}

/// The failover record of a two-region site: DNS answers with the primary region while its health check is green, and with the
/// standby otherwise.
///
/// The two regions differ by type; two roles bound to one region are refused when the stack is built.
///
/// By default a pair of alias records, which are free and allowed at the apex of a zone; [`cname`](FailoverPair::cname) makes
/// the CNAME pair of the reference article, whose time to live can be chosen.
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-types.html>
#[derive(Debug, Clone)]
pub struct FailoverPair {
    name: String,
    zone: Input<HostedZoneId>,
    answers: [Answer; 2],
    /// The mappings that have to be there before the name answers, as order-only edges.
    regions: [&'static str; 2],
    ttl_s: Option<u32>,
    checked: Checked,
    latency: bool,
    after: Vec<Ready>,
}

/// Proof that a mapping exists, for an edge.
#[derive(Debug, Clone, Copy)]
struct Ready(dr_core::value::Origin);

impl dr_core::Precedes for Ready {
    fn node(&self) -> dr_core::value::Origin {
        self.0
    }
}

/// How to tell, when the stack is built, whether two roles are bound to one region.
#[derive(Debug, Clone, Copy)]
struct Checked(fn(&Scope<'_, Global>) -> [Option<String>; 2]);

/// What [`FailoverPair`] and [`LatencyGroup`] made.
#[derive(Debug, Clone)]
pub struct PairHandle {
    /// The name.
    pub name: String,
    /// The records of the two regions.
    pub records: [Handle<RecordSet>; 2],
}

impl FailoverPair {
    /// The name `name` in the zone, answered by the primary while it is healthy.
    ///
    /// ```compile_fail
    /// # use dr_aws::constructs::{FailoverPair, SiteHandle};
    /// # use dr_aws::ids::HostedZoneId;
    /// # use dr_aws::regions::UsEast1;
    /// fn pair(a: &SiteHandle<UsEast1>, b: &SiteHandle<UsEast1>) -> FailoverPair {
    ///     FailoverPair::new("api.example.com", HostedZoneId::literal("Z1"), a, b) // one and the same region
    /// }
    /// # fn main() { let _: fn(_, _) -> _ = pair; }
    /// ```
    pub fn new<P: Region, S: Region>(
        name: impl Into<String>,
        zone: impl IntoInput<HostedZoneId>,
        primary: &SiteHandle<P>,
        standby: &SiteHandle<S>,
    ) -> Self {
        const { assert!(!same_region::<P, S>(), "a failover pair needs two different regions") };
        use dr_core::Precedes as _;
        FailoverPair {
            name: name.into(),
            zone: zone.into_input(),
            answers: [Answer::of(primary), Answer::of(standby)],
            regions: [P::NAME, S::NAME],
            ttl_s: None,
            checked: Checked(|scope| [scope.region_of::<P>(), scope.region_of::<S>()]),
            latency: false,
            after: vec![Ready(primary.mapping.node()), Ready(standby.mapping.node())],
        }
    }

    /// A pair of CNAME records with this time to live in seconds, instead of alias records: 60 or less is advised, since it adds
    /// to every failover. Not at the apex of a zone.
    #[must_use]
    pub fn cname(mut self, ttl_s: u32) -> Self {
        self.ttl_s = Some(ttl_s);
        self
    }
}

impl Construct<Global> for FailoverPair {
    type Handle = PairHandle;

    fn build(self, scope: Scope<'_, Global>) -> PairHandle {
        let [primary, standby] = (self.checked.0)(&scope);
        if primary.is_some() && primary == standby {
            let region = primary.clone().unwrap_or_default();
            scope.error(format!(
                "a failover pair needs two different regions: `{}` and `{}` are both bound to {region}",
                self.regions[0], self.regions[1]
            ));
        }
        let scope = self.after.iter().fold(scope, |scope, ready| scope.after(ready));
        let regions = [primary, standby].map(Option::unwrap_or_default);
        let records = [("primary", FailoverRole::Primary), ("standby", FailoverRole::Secondary)];
        let mut made =
            records.into_iter().zip(self.answers).zip(&regions).map(|(((role, failover), answer), region)| {
                let record = match self.ttl_s {
                    Some(ttl_s) => RecordSet::cname(self.zone.clone(), self.name.as_str(), answer.target).ttl_s(ttl_s),
                    None => {
                        // AWS wants it set on failover aliases; it says only whether API Gateway works at all in the region.
                        let alias = Alias::new(answer.target, answer.zone).evaluate_target_health();
                        RecordSet::alias(self.zone.clone(), self.name.as_str(), RecordType::A, alias)
                    }
                };
                let record = record.health_check(answer.check);
                let set_id = format!("{}-{role}", self.name);
                let record = match self.latency {
                    true => record.latency(region.as_str(), set_id),
                    false => record.failover(failover, set_id),
                };
                scope.add(role, record)
            });
        let (Some(first), Some(second)) = (made.next(), made.next()) else { unreachable!("there are two roles") };
        drop(made);
        PairHandle { records: [first, second], name: self.name }
    }
}

/// Both regions at once: DNS answers with the region that is nearest to who asks, among those whose health check is green.
///
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/routing-policy-latency.html>
#[derive(Debug, Clone)]
pub struct LatencyGroup(FailoverPair);

impl LatencyGroup {
    /// The name `name` in the zone, answered by the nearer of two regions.
    pub fn new<P: Region, S: Region>(
        name: impl Into<String>,
        zone: impl IntoInput<HostedZoneId>,
        one: &SiteHandle<P>,
        other: &SiteHandle<S>,
    ) -> Self {
        LatencyGroup(FailoverPair { latency: true, ..FailoverPair::new(name, zone, one, other) })
    }
}

impl Construct<Global> for LatencyGroup {
    type Handle = PairHandle;

    fn build(self, scope: Scope<'_, Global>) -> PairHandle {
        self.0.build(scope)
    }
}

/// An alarm on a region's health check with a topic in `us-east-1`, where Route 53 keeps its metrics, and a second chain in the
/// standby region: an alarm on the errors of its API, which works when `us-east-1` does not.
///
/// A health check tells nobody by itself, and the console's own notification lives in `us-east-1` only.
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/monitoring-health-checks.html>
#[derive(Debug, Clone)]
pub struct Notifier<S: Region> {
    emails: Vec<String>,
    checks: Vec<(String, Handle<HealthCheck>)>,
    standby: SiteHandle<S>,
}

impl<S: Region> Notifier<S> {
    /// Watches both regions of a pair.
    pub fn new<P: Region>(primary: &SiteHandle<P>, standby: &SiteHandle<S>) -> Self {
        let checks = vec![("primary".to_owned(), primary.health_check), ("standby".to_owned(), standby.health_check)];
        Notifier { emails: Vec::new(), checks, standby: standby.clone() }
    }

    /// Tells this address; AWS asks its owner for confirmation once for each of the two topics.
    #[must_use]
    pub fn email(mut self, address: impl Into<String>) -> Self {
        self.emails.push(address.into());
        self
    }
}

/// What [`Notifier`] made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NotifierHandle<S: Region> {
    /// The topic of the health checks' alarms.
    pub topic: Output<TopicArn<UsEast1>>,
    /// The topic of the standby region's own alarm.
    pub standby_topic: Output<TopicArn<S>>,
}

impl<S: Region> Construct<Global> for Notifier<S> {
    type Handle = NotifierHandle<S>;

    fn build(self, scope: Scope<'_, Global>) -> NotifierHandle<S> {
        let (east, standby) = (scope.in_region::<UsEast1>(), scope.in_region::<S>());
        let topic = east.add("topic", Topic::new());
        for (role, check) in &self.checks {
            east.add(("alarm", role), Alarm::on_health_check(check.id, topic.arn));
        }
        let own = standby.add("own_topic", Topic::new());
        standby.add("errors", Alarm::on_api_errors(self.standby.service.api.id, 5).notify(own.arn));
        for (at, email) in self.emails.iter().enumerate() {
            east.add(("email", at), Subscription::email(topic.arn, email.as_str()));
            standby.add(("own_email", at), Subscription::email(own.arn, email.as_str()));
        }
        NotifierHandle { topic: topic.arn, standby_topic: own.arn }
    }
}
