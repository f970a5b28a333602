//! The failover pair of a program, read from its graph: what is predicted, and what the story watches.

use dr_aws::model::timing::{Detection, Failover, FailureMode, Incident, Method, OriginTimers, ProbeKind, Refusal};
use dr_core::{Graph, Node};

use crate::cmd::rto::{referred, timers};

/// How long resolvers keep the answer of an alias to API Gateway, in seconds: AWS publishes none, 60 is that of its other
/// aliases (`dr_aws::model` calls it an assumption as well).
const ALIAS_TTL_S: f64 = 60.0;

/// Two failover records of one name, with their health checks and the distribution in front of them.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    /// The name that both answer.
    pub(crate) name: String,
    /// The region of the primary at the provider.
    pub(crate) primary: String,
    /// The region of the standby.
    pub(crate) standby: String,
    /// What viewers request, when there is a distribution with a name of its own.
    pub(crate) url: Option<String>,
    probe: ProbeKind,
    interval_s: f64,
    threshold: u32,
    ttl_s: f64,
    timers: Option<OriginTimers>,
}

impl Pair {
    /// The first failover pair of a program.
    pub(crate) fn find(graph: &Graph) -> Option<Pair> {
        let role = |role: &str| {
            graph.nodes_of("aws.route53.record_set").find(|node| node.inputs["routing"]["failover"] == *role)
        };
        let (primary, standby) = (role("primary")?, role("secondary")?);
        let check = referred(graph, primary.inputs.get("health_check"))?;
        let name = primary.inputs["name"].as_str()?.to_owned();
        let edge = graph.nodes_of("aws.cloudfront.distribution").find(|node| node.inputs["origin"]["domain"] == *name);
        let alias = edge.and_then(|edge| edge.inputs["aliases"][0].as_str());
        let number = |node: &Node, field: &str| node.inputs[field].as_f64();
        Some(Pair {
            primary: target(graph, primary)?,
            standby: target(graph, standby)?,
            url: alias.map(|alias| format!("https://{alias}/")),
            probe: match check.inputs["kind"].as_str()? {
                "tcp" => ProbeKind::Tcp,
                kind if kind.ends_with("str_match") => ProbeKind::StringMatch,
                _ => ProbeKind::Http,
            },
            interval_s: number(check, "interval_s").unwrap_or(30.0),
            threshold: number(check, "threshold").unwrap_or(3.0) as u32,
            ttl_s: number(primary, "ttl_s").unwrap_or(ALIAS_TTL_S),
            timers: edge.map(timers),
            name,
        })
    }

    /// The model of this pair, and the incident of a region that cannot be reached.
    pub(crate) fn region_lost(&self) -> Result<(Failover, Incident), Refusal> {
        let mode = FailureMode::ConnectBlackHole;
        // Without a distribution users talk to the region themselves, and only DNS is in the way.
        let path = match &self.timers {
            Some(timers) => timers.path(self.ttl_s, Method::Get, mode),
            None => dr_aws::model::timing::Path { ttl_s: self.ttl_s, ..Default::default() },
        };
        let detection = Detection::health_check(self.interval_s, self.threshold);
        Ok((Failover::new(detection, path), Incident::seen(self.probe, mode)?))
    }
}

/// The region that a record points to.
fn target(graph: &Graph, record: &Node) -> Option<String> {
    let value = if record.inputs["alias"].is_null() { &record.inputs["values"] } else { &record.inputs["alias"] };
    referred(graph, Some(value)).map(|node| node.region.to_string())
}
