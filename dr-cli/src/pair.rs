//! The names of a program among whose answers Route 53 chooses, read from its graph: what `rto` predicts, and what a drill breaks
//! and watches.

use std::collections::BTreeMap;

use dr_aws::checks::view::{Host, View, policy};
use dr_aws::model::canonical;
use dr_aws::model::timing::{
    Detection, Failover, FailureMode, Incident, Method, OriginTimers, Path, ProbeKind, ProbeTime, Refusal, Signal,
    Standby, Term,
};
use dr_core::{Graph, Node, Value};

use crate::asking::{self, is_guarded};
use crate::text::seconds;

/// How long resolvers keep the answer of an alias, in seconds: 60 for load balancers, and assumed to be 60 for API Gateway, of
/// which AWS publishes none.
const ALIAS_TTL_S: f64 = 60.0;

/// A name with several answers, and all that its failover depends on.
pub(crate) struct Pair<'g> {
    /// The name that all of them answer.
    pub(crate) name: String,
    /// How Route 53 chooses: `failover`, `latency` or `weighted`.
    pub(crate) policy: &'static str,
    /// The record that is answered while it is healthy; of the other policies the first one.
    pub(crate) primary: &'g Node,
    /// The one after it.
    pub(crate) standby: Option<&'g Node>,
    /// The health check of the primary.
    pub(crate) check: Option<&'g Node>,
    /// The distribution whose origin has the name.
    pub(crate) edge: Option<&'g Node>,
    /// How the primary is probed, if it is.
    pub(crate) probe: Option<ProbeKind>,
    /// How the failure of the primary is noticed, in words.
    pub(crate) noticed: String,
    /// How long resolvers keep an answer, in seconds.
    pub(crate) ttl_s: f64,
    timers: Option<OriginTimers>,
    failover: Failover,
    /// What keeps the model from saying anything.
    unpredicted: Option<String>,
}

impl<'g> Pair<'g> {
    /// All of a program, by name. The types of one name (A and AAAA) are one.
    pub(crate) fn all(graph: &'g Graph) -> Vec<Pair<'g>> {
        let view = View { graph };
        let mut names: BTreeMap<(String, &str), Vec<&Node>> = BTreeMap::new();
        for answers in view.answers() {
            let Some(&first) = answers.records.first() else { continue };
            let name = answers.name.unwrap_or_else(|| first.address.to_string());
            for record in answers.records {
                names.entry((name.clone(), policy(record))).or_default().push(record);
            }
        }
        names.into_iter().filter_map(|((name, policy), records)| Pair::of(view, name, policy, &records)).collect()
    }

    fn of(view: View<'g>, name: String, policy: &str, records: &[&'g Node]) -> Option<Self> {
        let role = |role: &str| records.iter().copied().find(|record| record.inputs["routing"]["failover"] == *role);
        let (policy, primary, standby) = match policy {
            "failover" => ("failover", role("primary")?, role("secondary")),
            "latency" => ("latency", *records.first()?, records.get(1).copied()),
            "weighted" => ("weighted", *records.first()?, records.get(1).copied()),
            _ => return None,
        };
        let check = view.node(&primary.inputs["health_check"]);
        let Notice { signal, probe, words: noticed, unpredicted } = notice(view, primary, check);
        let standby_is = match standby {
            None => Standby::Missing,
            Some(record) if view.node(&record.inputs["health_check"]).is_none() && !evaluates_more(view, record) => {
                Standby::Unchecked
            }
            Some(_) => Standby::Healthy,
        };
        let ttl_s = number(&primary.inputs, "ttl_s").unwrap_or(ALIAS_TTL_S);
        let origin = |edge: &&Node| view.text(&edge.inputs["origin"]["domain"]).map(|name| canonical(&name));
        let edge = view.of("aws.cloudfront.distribution").find(|edge| origin(edge).as_deref() == Some(&name));
        let mut failover = Failover::new(signal, Path::default()).standby(standby_is);
        if let Some(Host::Name(host)) = check.map(|check| view.host(&check.inputs["host"])) {
            failover = failover.probing(&name, &host);
        }
        let timers = edge.map(timers);
        Some(Pair { name, policy, primary, standby, check, edge, probe, noticed, ttl_s, timers, failover, unpredicted })
    }

    /// Whether the standby's own health is looked at before it is answered.
    pub(crate) fn standby_is_checked(&self) -> bool {
        self.failover.standby == Standby::Healthy
    }

    /// Whether the time to live is that of an alias's target, which is assumed.
    pub(crate) fn ttl_is_assumed(&self) -> bool {
        number(&self.primary.inputs, "ttl_s").is_none()
    }

    /// The model of the pair for users who read (GET), and the incident. `None` stands for whatever may fail.
    pub(crate) fn model(&self, mode: Option<FailureMode>) -> (Failover, Result<Incident, Refusal>) {
        let mut failover = self.failover.clone();
        failover.path = match (&self.timers, mode) {
            (Some(timers), Some(mode)) => timers.path(self.ttl_s, Method::Get, mode),
            (Some(timers), None) => timers.path_at_worst(self.ttl_s, Method::Get),
            // Without a distribution users talk to the region themselves, and only DNS is in the way.
            (None, _) => Path { ttl_s: self.ttl_s, ..Path::default() },
        };
        let incident = match (&self.unpredicted, self.probe, mode) {
            (Some(what), ..) => Err(Refusal::NotModelled { what: what.clone() }),
            (None, Some(kind), Some(mode)) => Incident::seen(kind, mode),
            // An alarm does not probe.
            _ => Ok(ProbeTime::exactly(0.0).into()),
        };
        (failover, incident)
    }
}

impl Pair<'_> {
    /// How long CloudFront keeps an idle connection to a region, in seconds; none when users resolve the name themselves.
    pub(crate) fn keepalive_s(&self) -> Option<f64> {
        self.timers.map(|timers| timers.keepalive_timeout_s)
    }
}

impl<'g> Pair<'g> {
    /// The path to request of the name: as of an API ([`asking::path`]), of the APIs in its regions.
    pub(crate) fn path(&self, graph: &'g Graph) -> &'g str {
        let regions = self.regions(graph).unwrap_or_default();
        let mut apis = View { graph }.of("aws.apigatewayv2.http_api");
        let guarded = apis.any(|api| regions.iter().any(|region| *region == *api.region) && is_guarded(graph, api));
        self.check.filter(|_| guarded).and_then(asking::probed).unwrap_or(asking::ROOT)
    }

    /// The regions that the two records point to.
    pub(crate) fn regions(&self, graph: &'g Graph) -> Option<[String; 2]> {
        let view = View { graph };
        let target = |record: &'g Node| view.answered_by(record).map(|node| node.region.to_string());
        Some([target(self.primary)?, target(self.standby?)?])
    }

    /// Whether Route 53 looks at the health of what the primary's alias points to.
    #[cfg(feature = "sim")]
    pub(crate) fn target_is_evaluated(&self) -> bool {
        evaluates(self.primary)
    }
}

/// A part of the way in words that need no knowledge of the model: `until …`.
pub(crate) fn until(term: &Term) -> &str {
    match term {
        Term::Detection => "enough health checkers have noticed",
        Term::Publication => "the name servers have heard of it",
        Term::CachedAnswer => "the old DNS answer has left all caches",
        Term::KeepAlive => "CloudFront has closed its connections to the old region",
        Term::StuckRequest => "the last request to the old region has given up",
        Term::ErrorCache => "the last cached error has expired",
        Term::KeptRequest => "the last request over a connection from before the failure has given up",
        Term::Extra(what) => what,
    }
}

fn text<'v>(node: &'v Node, field: &str) -> Option<&'v str> {
    node.inputs.get(field).and_then(Value::as_str)
}

fn number(value: &Value, field: &str) -> Option<f64> {
    value.get(field).and_then(Value::as_f64)
}

/// The timers of a distribution towards its origin.
fn timers(edge: &Node) -> OriginTimers {
    let (origin, defaults) = (&edge.inputs["origin"], OriginTimers::default());
    let keeps_errors = edge.inputs["cache_policy"] != dr_aws::cloudfront::CACHING_DISABLED;
    let kept_s = number(&edge.inputs, "error_caching_s").unwrap_or(defaults.error_caching_min_ttl_s);
    OriginTimers {
        connection_attempts: number(origin, "connection_attempts").map_or(defaults.connection_attempts, |n| n as u32),
        connection_timeout_s: number(origin, "connection_timeout_s").unwrap_or(defaults.connection_timeout_s),
        read_timeout_s: number(origin, "read_timeout_s").unwrap_or(defaults.read_timeout_s),
        keepalive_timeout_s: number(origin, "keepalive_timeout_s").unwrap_or(defaults.keepalive_timeout_s),
        error_caching_min_ttl_s: if keeps_errors { kept_s } else { 0.0 },
        ..defaults
    }
}

/// How the failure of a record is noticed.
struct Notice {
    signal: Signal,
    probe: Option<ProbeKind>,
    words: String,
    /// What of it the model has no times of.
    unpredicted: Option<String>,
}

impl Notice {
    fn of(signal: Signal, probe: Option<ProbeKind>, words: String) -> Self {
        Notice { signal, probe, words, unpredicted: None }
    }

    /// The model has no times of it, and no number is better than a wrong one.
    fn unpredicted(signal: Signal, words: String, what: String) -> Self {
        Notice { unpredicted: Some(what), ..Notice::of(signal, None, words) }
    }
}

/// Whether Route 53 looks at the health of what a record's alias points to.
fn evaluates(record: &Node) -> bool {
    record.inputs["alias"]["evaluate_target_health"].as_bool() == Some(true)
}

/// Whether that health says more than that the AWS service works: of a load balancer it is that of its targets, of a record that of
/// its own check. Then the answer moves, and the model does not know when.
fn evaluates_more<'g>(view: View<'g>, record: &'g Node) -> bool {
    let api = |node: &Node| node.schema.type_name == "aws.apigatewayv2.domain";
    evaluates(record) && !view.answered_by(record).is_some_and(api)
}

fn notice<'g>(view: View<'g>, record: &'g Node, check: Option<&'g Node>) -> Notice {
    let Some(check) = check else {
        if !evaluates(record) {
            return Notice::of(Signal::None, None, "by nothing".to_owned());
        }
        if !evaluates_more(view, record) {
            return Notice::of(Signal::ServiceOnly, None, "by the health of the AWS service only".to_owned());
        }
        let target = view.answered_by(record).map(|node| node.address.to_string());
        let what = format!("the health of {}", target.as_deref().unwrap_or("what the alias names"));
        return Notice::unpredicted(Signal::None, format!("by {what}, which is not predicted"), what);
    };
    let at = &check.address;
    if check.inputs["inverted"].as_bool() == Some(true) {
        let words = format!("{at} is inverted: healthy while its probes fail, which is not predicted");
        return Notice::unpredicted(Signal::None, words, "inverted health checks".to_owned());
    }
    if check.inputs["disabled"].as_bool() == Some(true) {
        return Notice::of(Signal::Disabled, None, format!("{at} is disabled: always healthy"));
    }
    let kind = text(check, "kind").unwrap_or_default();
    if kind == "cloudwatch_metric" {
        let alarm = view.node(&check.inputs["alarm"]);
        let field = |name: &str, default: f64| alarm.and_then(|a| number(&a.inputs, name)).unwrap_or(default);
        let (period_s, periods) = (field("period_s", 60.0), field("periods", 1.0) as u32);
        let words = format!("{at}: an alarm over {periods} × {}", seconds(period_s));
        return Notice::of(Signal::Watched(Detection::cloud_watch(period_s, periods)), None, words);
    }
    // The defaults of Route 53, for a check that does not say.
    let interval_s = number(&check.inputs, "interval_s").unwrap_or(30.0);
    let threshold = number(&check.inputs, "threshold").map_or(3, |n| n as u32);
    let probe = ProbeKind::of_type(&kind.to_uppercase());
    let path = text(check, "path").unwrap_or_default();
    let words = format!(
        "{at}: {} {path}, {threshold} bad probes in a row, {} apart",
        kind.replace('_', " "),
        seconds(interval_s)
    );
    let watched = Signal::Watched(Detection::health_check(interval_s, threshold));
    match probe {
        Some(_) => Notice::of(watched, probe, words),
        // A calculated check has the times of its children added up.
        None => {
            let words = format!("{at}: a check of kind {kind}, which is not predicted");
            Notice::unpredicted(watched, words, format!("health checks of kind {kind}"))
        }
    }
}
