//! The names of a program among whose answers Route 53 chooses, read from its graph: what `rto` predicts, and what a drill breaks
//! and watches.

use std::collections::BTreeMap;

use dr_aws::model::timing::{
    Detection, Failover, FailureMode, Incident, Method, OriginTimers, Path, ProbeKind, ProbeTime, Refusal, Signal,
    Standby, Term,
};
use dr_core::{Graph, Node, Value};

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
    #[cfg(feature = "sim")]
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
        let mut names: BTreeMap<(String, &str), Vec<&Node>> = BTreeMap::new();
        for node in graph.nodes_of("aws.route53.record_set") {
            let Some(routing) = node.inputs.get("routing").and_then(Value::as_object) else { continue };
            let policy = routing.keys().next().map_or("", String::as_str);
            let name = name_of(graph, node.inputs.get("name")).unwrap_or_else(|| node.address.to_string());
            names.entry((name, policy)).or_default().push(node);
        }
        names.into_iter().filter_map(|((name, policy), records)| Pair::of(graph, name, policy, &records)).collect()
    }

    fn of(graph: &'g Graph, name: String, policy: &str, records: &[&'g Node]) -> Option<Self> {
        let role = |role: &str| records.iter().copied().find(|record| record.inputs["routing"]["failover"] == *role);
        let (policy, primary, standby) = match policy {
            "failover" => ("failover", role("primary")?, role("secondary")),
            "latency" => ("latency", *records.first()?, records.get(1).copied()),
            "weighted" => ("weighted", *records.first()?, records.get(1).copied()),
            _ => return None,
        };
        let check = referred(graph, primary.inputs.get("health_check"));
        let Notice { signal, probe, words: noticed, unpredicted } = notice(graph, primary, check);
        let standby_is = match standby {
            None => Standby::Missing,
            Some(record) if referred(graph, record.inputs.get("health_check")).is_none() => Standby::Unchecked,
            Some(_) => Standby::Healthy,
        };
        let ttl_s = number(&primary.inputs, "ttl_s").unwrap_or(ALIAS_TTL_S);
        let mut edges = graph.nodes_of("aws.cloudfront.distribution");
        let edge = edges.find(|node| origin_of(graph, node).as_deref() == Some(&name));
        let mut failover = Failover::new(signal, Path::default()).standby(standby_is);
        if let Some(host) = check.and_then(|check| text(check, "host")) {
            failover = failover.probing(&name, host);
        }
        let timers = edge.map(timers);
        Some(Pair {
            name,
            policy,
            primary,
            standby,
            #[cfg(feature = "sim")]
            check,
            edge,
            probe,
            noticed,
            ttl_s,
            timers,
            failover,
            unpredicted,
        })
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

/// What only the simulator is asked for.
#[cfg(feature = "sim")]
impl Pair<'_> {
    /// The regions that the two records point to.
    pub(crate) fn regions(&self, graph: &Graph) -> Option<[String; 2]> {
        let target = |record: &Node| {
            let alias = &record.inputs["alias"];
            let value = if alias.is_null() { &record.inputs["values"] } else { alias };
            referred(graph, Some(value)).map(|node| node.region.to_string())
        };
        Some([target(self.primary)?, target(self.standby?)?])
    }

    /// Whether Route 53 looks at the health of what the primary's alias points to.
    pub(crate) fn target_is_evaluated(&self) -> bool {
        self.primary.inputs["alias"]["evaluate_target_health"].as_bool() == Some(true)
    }

    /// How long CloudFront keeps an idle connection to a region, in seconds; none when users resolve the name themselves.
    pub(crate) fn keepalive_s(&self) -> Option<f64> {
        self.timers.map(|timers| timers.keepalive_timeout_s)
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
        Term::Extra(what) => what,
    }
}

fn text<'v>(node: &'v Node, field: &str) -> Option<&'v str> {
    node.inputs.get(field).and_then(Value::as_str)
}

fn number(value: &Value, field: &str) -> Option<f64> {
    value.get(field).and_then(Value::as_f64)
}

/// The node that an input refers to.
fn referred<'g>(graph: &'g Graph, value: Option<&Value>) -> Option<&'g Node> {
    let mut found = None;
    dr_core::value::references(value?, &mut |reference| found = found.or_else(|| graph.get(reference.address)));
    found
}

/// The name of a distribution's origin.
fn origin_of(graph: &Graph, edge: &Node) -> Option<String> {
    name_of(graph, edge.inputs.get("origin")?.get("domain"))
}

/// A name in DNS: a text, or that of the resource it refers to. Neither letter case nor a last dot makes it another one.
fn name_of(graph: &Graph, value: Option<&Value>) -> Option<String> {
    let name = value?.as_str().or_else(|| {
        let node = referred(graph, value)?;
        text(node, "name").or_else(|| text(node, "domain"))
    })?;
    Some(dr_aws::model::canonical(name))
}

/// The timers of a distribution towards its origin.
fn timers(edge: &Node) -> OriginTimers {
    let (origin, defaults) = (&edge.inputs["origin"], OriginTimers::default());
    OriginTimers {
        connection_attempts: number(origin, "connection_attempts").map_or(defaults.connection_attempts, |n| n as u32),
        connection_timeout_s: number(origin, "connection_timeout_s").unwrap_or(defaults.connection_timeout_s),
        read_timeout_s: number(origin, "read_timeout_s").unwrap_or(defaults.read_timeout_s),
        keepalive_timeout_s: number(origin, "keepalive_timeout_s").unwrap_or(defaults.keepalive_timeout_s),
        error_caching_min_ttl_s: number(&edge.inputs, "error_caching_s").unwrap_or(defaults.error_caching_min_ttl_s),
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
}

fn notice(graph: &Graph, record: &Node, check: Option<&Node>) -> Notice {
    let Some(check) = check else {
        let evaluated = record.inputs["alias"]["evaluate_target_health"].as_bool() == Some(true);
        return match evaluated {
            true => Notice::of(Signal::ServiceOnly, None, "by the health of the AWS service only".to_owned()),
            false => Notice::of(Signal::None, None, "by nothing".to_owned()),
        };
    };
    let at = &check.address;
    if check.inputs["disabled"].as_bool() == Some(true) {
        return Notice::of(Signal::Disabled, None, format!("{at} is disabled: always healthy"));
    }
    let kind = text(check, "kind").unwrap_or_default();
    if kind == "cloudwatch_metric" {
        let alarm = referred(graph, check.inputs.get("alarm"));
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
        // A calculated check has the times of its children added up; that is not modelled, and no number is better than a wrong one.
        None => {
            let words = format!("{at}: a check of kind {kind}, which is not predicted");
            Notice { unpredicted: Some(format!("health checks of kind {kind}")), ..Notice::of(watched, None, words) }
        }
    }
}
