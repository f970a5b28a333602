//! Names with one answer for each region, among which Route 53 chooses.

use dr_core::{Construct, Global, Handle, Input, IntoInput, Output, Region, Scope, same_region};

use crate::cloudwatch::Alarm;
use crate::constructs::{Order, SiteHandle};
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

/// How Route 53 chooses between the two answers.
#[derive(Debug, Clone, Copy)]
enum Policy {
    Failover,
    Latency,
    /// The weights of the two.
    Weighted([u8; 2]),
}

impl Policy {
    /// What the program calls a name with this policy.
    fn construct(self) -> &'static str {
        match self {
            Policy::Failover => "a failover pair",
            Policy::Latency => "a latency group",
            Policy::Weighted(_) => "a weighted group",
        }
    }
}

/// A name with one answer for each of two regions: what [`FailoverPair`], [`LatencyGroup`] and [`WeightedGroup`] are.
#[derive(Debug, Clone)]
struct TwoAnswers {
    name: String,
    zone: Input<HostedZoneId>,
    policy: Policy,
    answers: [Answer; 2],
    /// What the program calls the two regions.
    roles: [&'static str; 2],
    /// The regions at AWS that the two are bound to when the stack is built.
    bound: fn(&Scope<'_, Global>) -> [Option<String>; 2],
    ttl_s: Option<u32>,
    /// The mappings that have to be there before the name answers.
    after: Order,
}

impl TwoAnswers {
    fn new<P: Region, S: Region>(
        name: impl Into<String>,
        zone: impl IntoInput<HostedZoneId>,
        policy: Policy,
        primary: &SiteHandle<P>,
        standby: &SiteHandle<S>,
    ) -> Self {
        TwoAnswers {
            name: name.into(),
            zone: zone.into_input(),
            policy,
            answers: [Answer::of(primary), Answer::of(standby)],
            roles: [P::NAME, S::NAME],
            bound: |scope| [scope.region_of::<P>(), scope.region_of::<S>()],
            ttl_s: None,
            after: Order::new().and(&primary.mapping).and(&standby.mapping),
        }
    }

    fn cname(self, ttl_s: u32) -> Self {
        TwoAnswers { ttl_s: Some(ttl_s), ..self }
    }

    fn build(self, scope: &Scope<'_, Global>) -> PairHandle {
        let [primary, standby] = (self.bound)(scope);
        if let (Some(region), true) = (&primary, primary == standby) {
            let (construct, [one, other]) = (self.policy.construct(), self.roles);
            scope.error(format_args!(
                "{construct} needs two different regions: `{one}` and `{other}` are both bound to {region}"
            ));
        }
        let scope = self.after.before(scope);
        let regions = [primary, standby].map(Option::unwrap_or_default);
        let add = |at: usize| {
            let (role, failover) = [("primary", FailoverRole::Primary), ("standby", FailoverRole::Secondary)][at];
            let answer = self.answers[at];
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
            let record = match self.policy {
                Policy::Failover => record.failover(failover, set_id),
                Policy::Latency => record.latency(regions[at].as_str(), set_id),
                Policy::Weighted(weights) => record.weighted(weights[at], set_id),
            };
            scope.add(role, record)
        };
        PairHandle { records: [add(0), add(1)], name: self.name }
    }
}

/// What [`FailoverPair`], [`LatencyGroup`] and [`WeightedGroup`] made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PairHandle {
    /// The name.
    pub name: String,
    /// The records of the two regions.
    pub records: [Handle<RecordSet>; 2],
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
pub struct FailoverPair(TwoAnswers);

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
        FailoverPair(TwoAnswers::new(name, zone, Policy::Failover, primary, standby))
    }

    /// A pair of CNAME records with this time to live in seconds, instead of alias records: 60 or less is advised, since it adds
    /// to every failover. Not at the apex of a zone.
    #[must_use]
    pub fn cname(self, ttl_s: u32) -> Self {
        FailoverPair(self.0.cname(ttl_s))
    }
}

impl Construct<Global> for FailoverPair {
    type Handle = PairHandle;

    fn build(self, scope: Scope<'_, Global>) -> PairHandle {
        self.0.build(&scope)
    }
}

/// Both regions at once: DNS answers with the region that is nearest to who asks, among those whose health check is green.
///
/// Alias records by default, as those of a [`FailoverPair`].
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/routing-policy-latency.html>
#[derive(Debug, Clone)]
pub struct LatencyGroup(TwoAnswers);

impl LatencyGroup {
    /// The name `name` in the zone, answered by the nearer of two regions.
    pub fn new<P: Region, S: Region>(
        name: impl Into<String>,
        zone: impl IntoInput<HostedZoneId>,
        one: &SiteHandle<P>,
        other: &SiteHandle<S>,
    ) -> Self {
        const { assert!(!same_region::<P, S>(), "a latency group needs two different regions") };
        LatencyGroup(TwoAnswers::new(name, zone, Policy::Latency, one, other))
    }

    /// CNAME records with this time to live in seconds, instead of alias records, as [`FailoverPair::cname`].
    #[must_use]
    pub fn cname(self, ttl_s: u32) -> Self {
        LatencyGroup(self.0.cname(ttl_s))
    }
}

impl Construct<Global> for LatencyGroup {
    type Handle = PairHandle;

    fn build(self, scope: Scope<'_, Global>) -> PairHandle {
        self.0.build(&scope)
    }
}

/// Both regions at once, each with a share of the answers: DNS chooses by weight among the regions whose health check is green.
///
/// A share is that of questions, not of requests: a resolver keeps its answer for the time to live, and asks for many users.
///
/// Alias records by default, as those of a [`FailoverPair`].
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/routing-policy-weighted.html>
///
/// ```
/// use dr_aws::constructs::{PairHandle, SiteHandle, WeightedGroup};
/// use dr_aws::ids::HostedZoneId;
/// use dr_aws::regions::{EuCentral1, EuWest1};
/// use dr_core::{Global, Scope};
///
/// /// One answer of ten leads to the new region.
/// fn tried(global: &Scope<Global>, old: &SiteHandle<EuWest1>, new: &SiteHandle<EuCentral1>) -> PairHandle {
///     let zone = HostedZoneId::literal("Z0123456789");
///     global.add("origin", WeightedGroup::new("origin.example.com", zone, (old, 90), (new, 10)))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct WeightedGroup(TwoAnswers);

impl WeightedGroup {
    /// The name `name` in the zone, answered by each of two regions as often as its weight says, 0 to 255 of the sum of both.
    ///
    /// A region of weight 0 answers only while the other is unhealthy; two of weight 0 share the answers evenly.
    /// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-types.html>
    pub fn new<P: Region, S: Region>(
        name: impl Into<String>,
        zone: impl IntoInput<HostedZoneId>,
        one: (&SiteHandle<P>, u8),
        other: (&SiteHandle<S>, u8),
    ) -> Self {
        const { assert!(!same_region::<P, S>(), "a weighted group needs two different regions") };
        let ((one, weight), (other, of_other)) = (one, other);
        WeightedGroup(TwoAnswers::new(name, zone, Policy::Weighted([weight, of_other]), one, other))
    }

    /// CNAME records with this time to live in seconds, instead of alias records, as [`FailoverPair::cname`].
    #[must_use]
    pub fn cname(self, ttl_s: u32) -> Self {
        WeightedGroup(self.0.cname(ttl_s))
    }
}

impl Construct<Global> for WeightedGroup {
    type Handle = PairHandle;

    fn build(self, scope: Scope<'_, Global>) -> PairHandle {
        self.0.build(&scope)
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

#[cfg(test)]
mod tests {
    use dr_core::{BuildErrors, Stack, cidr};
    use serde_json::{Value, json};

    use super::*;
    use crate::constructs::{SecureApi, Site};
    use crate::ids::CertificateArn;
    use crate::regions::{Primary, Standby};

    const NAME: &str = "origin.example.com";

    /// Two sites under what `group` makes of them, in a stack with the roles bound to these regions.
    fn stack<G: Construct<Global>>(
        regions: [&str; 2],
        group: impl Fn(HostedZoneId, &SiteHandle<Primary>, &SiteHandle<Standby>) -> G,
    ) -> Result<Stack, BuildErrors> {
        Stack::build("shop", |stack| {
            let (one, other) = (stack.region_as(Primary, regions[0]), stack.region_as(Standby, regions[1]));
            let api = SecureApi::new(cidr!("10.0.0.0/16"));
            let one = one.add("one", Site::new(api, NAME, CertificateArn::literal("arn:one")));
            let api = SecureApi::new(cidr!("10.1.0.0/16"));
            let other = other.add("other", Site::new(api, NAME, CertificateArn::literal("arn:other")));
            stack.region(Global).add("origin", group(HostedZoneId::literal("Z1"), &one, &other));
        })
    }

    const TWO: [&str; 2] = ["us-east-1", "us-west-2"];

    /// The inputs of the two records.
    fn records(stack: &Stack) -> [Value; 2] {
        assert_eq!(stack.nodes_of("aws.route53.record_set").count(), 2);
        ["primary", "standby"].map(|role| {
            let record = stack.get(&format!("global/origin.{role}")).expect(role);
            let mapping = if role == "primary" { "primary/one.mapping" } else { "standby/other.mapping" };
            assert!(stack.needs(record.address.as_str()).any(|(node, _)| node.address.as_str() == mapping), "{role}");
            Value::Object(record.inputs.as_object().expect("inputs have names").clone())
        })
    }

    #[track_caller]
    fn check(alias: &Stack, cname: &Stack, routing: [Value; 2]) {
        let sites = [("primary/one", "global/one", "primary"), ("standby/other", "global/other", "standby")];
        let expected = |ttl_s: Option<u32>| {
            [0, 1].map(|at: usize| {
                let (site, global, role) = sites[at];
                let target = json!({"$ref": format!("{site}.domain#target_domain")});
                let zone = json!({"$ref": format!("{site}.domain#hosted_zone")});
                let alias = json!({"name": target, "zone": zone, "evaluate_target_health": true});
                json!({
                    "zone": "Z1",
                    "name": NAME,
                    "record_type": if ttl_s.is_some() { "CNAME" } else { "A" },
                    "set_id": format!("{NAME}-{role}"),
                    "routing": routing[at],
                    "ttl_s": ttl_s,
                    "values": if ttl_s.is_some() { json!([target]) } else { json!([]) },
                    "alias": if ttl_s.is_some() { Value::Null } else { alias },
                    "health_check": {"$ref": format!("{global}.health_check#id")},
                })
            })
        };
        assert_eq!(records(alias), expected(None));
        assert_eq!(records(cname), expected(Some(20)));
    }

    #[test]
    fn a_failover_pair_has_a_primary_and_a_secondary() {
        let alias = stack(TWO, |zone, one, other| FailoverPair::new(NAME, zone, one, other)).unwrap();
        let cname = stack(TWO, |zone, one, other| FailoverPair::new(NAME, zone, one, other).cname(20)).unwrap();
        check(&alias, &cname, [json!({"failover": "primary"}), json!({"failover": "secondary"})]);
    }

    #[test]
    fn a_latency_group_names_the_regions_at_aws() {
        let alias = stack(TWO, |zone, one, other| LatencyGroup::new(NAME, zone, one, other)).unwrap();
        let cname = stack(TWO, |zone, one, other| LatencyGroup::new(NAME, zone, one, other).cname(20)).unwrap();
        check(&alias, &cname, [json!({"latency": "us-east-1"}), json!({"latency": "us-west-2"})]);
    }

    #[test]
    fn a_weighted_group_gives_each_region_its_weight() {
        let group = |zone, one: &_, other: &_| WeightedGroup::new(NAME, zone, (one, 90), (other, 10));
        let alias = stack(TWO, group).unwrap();
        let cname = stack(TWO, |zone, one, other| group(zone, one, other).cname(20)).unwrap();
        check(&alias, &cname, [json!({"weighted": 90}), json!({"weighted": 10})]);
    }

    #[test]
    fn two_roles_of_one_region_are_refused() {
        let same = ["eu-west-1", "eu-west-1"];
        let weighted =
            stack(same, |zone, one, other| WeightedGroup::new(NAME, zone, (one, 1), (other, 1))).unwrap_err();
        let latency = stack(same, |zone, one, other| LatencyGroup::new(NAME, zone, one, other)).unwrap_err();
        let failover = stack(same, |zone, one, other| FailoverPair::new(NAME, zone, one, other)).unwrap_err();
        for (error, construct) in
            [(weighted, "weighted group"), (latency, "latency group"), (failover, "failover pair")]
        {
            let why = format!(
                "global/origin: a {construct} needs two different regions: `primary` and `standby` are both bound to eu-west-1"
            );
            assert!(error.to_string().contains(&why), "{error}");
        }
    }
}
