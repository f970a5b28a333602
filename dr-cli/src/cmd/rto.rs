//! `rto`: how long a failover takes, predicted from the configuration of the program alone. Asks nobody.

use std::collections::BTreeMap;

use dr_aws::model::timing::{
    Band, Detection, Failover, FailureMode, Incident, Method, OriginTimers, Path, Prediction, ProbeKind, Refusal,
    Signal, Standby,
};
use dr_core::{Graph, Node, Value};
use serde_json::json;

use crate::args;
use crate::context::{Context, rounded};
use crate::error::{Block, Error};
use crate::exit::Exit;
use crate::text::{fit, seconds};

/// The time to live of an alias's target, in seconds: 60 for load balancers, and assumed to be 60 for API Gateway.
const ALIAS_TTL_S: f64 = 60.0;

pub(crate) fn run(cx: &mut Context<'_, '_>, args: &args::Rto) -> Result<Exit, Error> {
    let pairs = pairs(cx.graph());
    if pairs.is_empty() {
        let hint = "add a failover pair of Route 53 records; what fails over in another way is not predicted";
        return Err(Error::usage("the program has no records among which Route 53 chooses", hint));
    }
    let mut late = Vec::new();
    for (number, pair) in pairs.iter().enumerate() {
        if number > 0 {
            cx.out.line("");
        }
        let rows = pair.predict();
        show(cx, pair, &rows, args.target);
        if let Some(target_s) = args.target {
            let worst = rows.iter().filter_map(|row| Some((row, row.prediction.as_ref().ok()?.user().worst_s)));
            match worst.max_by(|a, b| a.1.total_cmp(&b.1)) {
                Some((_, worst_s)) if worst_s <= target_s => {}
                Some((row, worst_s)) => late.push((pair, format!("it may take {} ({})", seconds(worst_s), row.mode))),
                None => late.push((pair, "it never fails over".to_owned())),
            }
        }
    }
    cx.tell("pairs", pairs.len());
    cx.tell("late", late.len());
    for (pair, why) in &late {
        let block = Block {
            title: format!("{} misses the target of {}", pair.name, seconds(args.target.unwrap_or_default())),
            causes: vec![why.clone()],
            hint: Some(
                "shorten the longest stage: the time to live, the interval, the threshold, or the timers of the origin"
                    .to_owned(),
            ),
            ..Block::default()
        };
        cx.out.event(&block.event());
        let text = block.text(cx.out.paint_err);
        cx.out.err(text);
    }
    Ok(if late.is_empty() { Exit::Done } else { Exit::Program })
}

/// A name with several answers, and all that its failover depends on.
struct Pair<'g> {
    name: String,
    policy: &'static str,
    /// In words.
    facts: Vec<(&'static str, String)>,
    failover: Failover,
    timers: Option<OriginTimers>,
    ttl_s: f64,
    probe: Option<ProbeKind>,
    first: &'g Node,
}

/// One way to fail, and what becomes of it.
struct Row {
    mode: String,
    prediction: Result<Prediction, Refusal>,
    failover: Failover,
    incident: Option<Incident>,
}

fn text<'v>(node: &'v Node, field: &str) -> Option<&'v str> {
    node.inputs.get(field).and_then(Value::as_str)
}

fn number(value: &Value, field: &str) -> Option<f64> {
    value.get(field).and_then(Value::as_f64)
}

/// The node that an input refers to.
pub(crate) fn referred<'g>(graph: &'g Graph, value: Option<&Value>) -> Option<&'g Node> {
    let mut found = None;
    dr_core::value::references(value?, &mut |reference| found = found.or_else(|| graph.get(reference.address)));
    found
}

/// The names of the program among whose answers Route 53 chooses. The types of one name (A and AAAA) are one.
fn pairs(graph: &Graph) -> Vec<Pair<'_>> {
    let mut names: BTreeMap<(String, &str), Vec<&Node>> = BTreeMap::new();
    for node in graph.nodes_of("aws.route53.record_set") {
        let Some(routing) = node.inputs.get("routing").and_then(Value::as_object) else { continue };
        let policy = routing.keys().next().map_or("", String::as_str);
        let name = text(node, "name").map_or_else(|| node.address.to_string(), str::to_owned);
        names.entry((name, policy)).or_default().push(node);
    }
    names.into_iter().filter_map(|((name, policy), records)| pair(graph, name, policy, &records)).collect()
}

fn pair<'g>(graph: &'g Graph, name: String, policy: &str, records: &[&'g Node]) -> Option<Pair<'g>> {
    let role = |record: &Node| record.inputs["routing"]["failover"].as_str().map(str::to_owned);
    let (policy, primary, standby) = match policy {
        "failover" => {
            let primary = records.iter().find(|record| role(record).as_deref() == Some("primary"))?;
            let standby = records.iter().find(|record| role(record).as_deref() == Some("secondary"));
            ("failover", *primary, standby.copied())
        }
        "latency" => ("latency", *records.first()?, records.get(1).copied()),
        "weighted" => ("weighted", *records.first()?, records.get(1).copied()),
        _ => return None,
    };
    let check = referred(graph, primary.inputs.get("health_check"));
    let (signal, probe, watched) = signal(graph, primary, check);
    let standby_is = match standby {
        None => Standby::Missing,
        Some(record) if referred(graph, record.inputs.get("health_check")).is_none() => Standby::Unchecked,
        Some(_) => Standby::Healthy,
    };
    let (ttl_s, ttl_words) = match number(&primary.inputs, "ttl_s") {
        Some(ttl_s) => (ttl_s, format!("kept for {}", seconds(ttl_s))),
        None => (ALIAS_TTL_S, format!("kept for {} (an alias has its target's, assumed)", seconds(ALIAS_TTL_S))),
    };
    let edge =
        graph.nodes_of("aws.cloudfront.distribution").find(|node| origin_of(graph, node).as_deref() == Some(&name));
    let timers = edge.map(timers);
    let place = |node: &Node| node.address.to_string();
    let facts = vec![
        ("primary", place(primary)),
        (
            "standby",
            standby.map_or_else(
                || "none".to_owned(),
                |node| match standby_is {
                    Standby::Unchecked => format!("{}, without a health check: used even when it is dead", place(node)),
                    _ => place(node),
                },
            ),
        ),
        ("noticed", watched),
        ("answers", ttl_words),
        (
            "seen by",
            edge.map_or_else(
                || "clients that resolve the name themselves".to_owned(),
                |edge| format!("users of {} (GET)", place(edge)),
            ),
        ),
    ];
    let mut failover = Failover::new(signal, Path { ttl_s, ..Path::default() }).standby(standby_is);
    if let Some(host) = check.and_then(|check| text(check, "host")) {
        failover = failover.probing(&name, host);
    }
    Some(Pair { name, policy, facts, failover, timers, ttl_s, probe, first: primary })
}

/// The name of a distribution's origin: a text, or the name of the record that it refers to.
fn origin_of(graph: &Graph, edge: &Node) -> Option<String> {
    let domain = edge.inputs.get("origin")?.get("domain")?;
    domain.as_str().map(str::to_owned).or_else(|| {
        let record = referred(graph, Some(domain))?;
        text(record, "name").map(str::to_owned)
    })
}

/// The timers of a distribution towards its origin.
pub(crate) fn timers(edge: &Node) -> OriginTimers {
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

/// Where the health of a record comes from, how it is probed, and both in words.
fn signal(graph: &Graph, record: &Node, check: Option<&Node>) -> (Signal, Option<ProbeKind>, String) {
    let Some(check) = check else {
        let evaluated = record.inputs["alias"]["evaluate_target_health"].as_bool() == Some(true);
        return match evaluated {
            true => (Signal::ServiceOnly, None, "by the health of the AWS service only".to_owned()),
            false => (Signal::None, None, "by nothing".to_owned()),
        };
    };
    let at = &check.address;
    if check.inputs["disabled"].as_bool() == Some(true) {
        return (Signal::Disabled, None, format!("{at} is disabled: always healthy"));
    }
    let kind = text(check, "kind").unwrap_or_default();
    if kind == "cloudwatch_metric" {
        let alarm = referred(graph, check.inputs.get("alarm"));
        let field = |name: &str, default: f64| alarm.and_then(|a| number(&a.inputs, name)).unwrap_or(default);
        let (period_s, periods) = (field("period_s", 60.0), field("periods", 1.0) as u32);
        let words = format!("{at}: an alarm over {periods} × {}", seconds(period_s));
        return (Signal::Watched(Detection::cloud_watch(period_s, periods)), None, words);
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
    match probe {
        Some(_) => (Signal::Watched(Detection::health_check(interval_s, threshold)), probe, words),
        // A calculated check has the sum of its children's times; that is not modelled, and no number is better than a wrong one.
        None => (Signal::None, None, format!("{at}: a check of kind {kind}, which is not predicted")),
    }
}

impl Pair<'_> {
    fn along(&self, path: Path) -> Failover {
        let mut failover = self.failover.clone();
        failover.path = path;
        failover
    }

    /// Every way to fail that the model knows, and the way back.
    fn predict(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        match self.probe {
            Some(kind) => {
                for mode in FailureMode::ALL {
                    let path = match &self.timers {
                        Some(timers) => timers.path(self.ttl_s, Method::Get, mode),
                        None => self.failover.path,
                    };
                    let failover = self.along(path);
                    let incident = Incident::seen(kind, mode);
                    let prediction = incident.clone().and_then(|incident| failover.predict(incident));
                    rows.push(Row { mode: mode.to_string(), prediction, failover, incident: incident.ok() });
                }
            }
            None => {
                let path =
                    self.timers.map_or(self.failover.path, |timers| timers.path_at_worst(self.ttl_s, Method::Get));
                let failover = self.along(path);
                let incident = Incident::from(dr_aws::model::timing::ProbeTime::exactly(0.0));
                let prediction = failover.predict(incident);
                rows.push(Row { mode: "any failure".to_owned(), prediction, failover, incident: Some(incident) });
            }
        }
        rows
    }
}

fn show(cx: &mut Context<'_, '_>, pair: &Pair<'_>, rows: &[Row], target_s: Option<f64>) {
    let paint = cx.out.paint;
    cx.out.line(format!("{} ({})", paint.bold(&pair.name), pair.policy));
    for (label, words) in &pair.facts {
        cx.out.line(format!("  {} {words}", paint.dim(&format!("{label:<8}"))));
    }
    let label = rows.iter().map(|row| row.mode.chars().count()).max().unwrap_or_default();
    let label = cx.out.terminal.out.map_or(label, |columns| label.min(columns.saturating_sub(2 + 3 * 8).max(8)));
    let head = format!(
        "  {:<label$}{:>8}{:>8}{:>8}",
        fit("seconds until users are served", label),
        "best",
        "typical",
        "worst"
    );
    cx.out.line(paint.dim(&head));
    let line = |what: &str, band: &Band| {
        format!("  {:<label$}{:>8.0}{:>8.0}{:>8.0}", fit(what, label), band.best_s, band.typical_s, band.worst_s)
    };
    for row in rows {
        match &row.prediction {
            Ok(prediction) => cx.out.line(line(&row.mode, &prediction.user())),
            Err(refusal) => {
                cx.out.line(format!("  {:<label$}  {}", fit(&row.mode, label), paint.yellow(&refusal.to_string())))
            }
        }
        cx.out.event(&event(pair, row));
    }
    let predicted = rows.iter().filter_map(|row| Some((row, row.prediction.as_ref().ok()?)));
    let Some((worst, prediction)) = predicted.max_by(|a, b| a.1.user().worst_s.total_cmp(&b.1.user().worst_s)) else {
        return;
    };
    if let Some(Ok(back)) = worst.incident.map(|incident| worst.failover.recover(incident)) {
        cx.out.line(line("and back", &back.user()));
        cx.out.event(&json!({"event": "recovery", "name": pair.name, "prediction": back, "user": band(&back.user())}));
    }
    let dominant = prediction.dominant();
    cx.out.line(format!(
        "  longest stage: {}, up to {} of {}",
        dominant.term.label(),
        seconds(dominant.span.worst_s),
        seconds(prediction.user().worst_s)
    ));
    if let (Some(target_s), Some(incident)) = (target_s, worst.incident) {
        let words = match worst.failover.largest_ttl(incident, target_s) {
            Ok(ttl_s) => format!(
                "with a time to live of {} or less it stays within {}",
                seconds(ttl_s.floor()),
                seconds(target_s)
            ),
            Err(infeasible) => infeasible.to_string(),
        };
        cx.out.line(format!("  target: {words}"));
    }
}

fn band(band: &Band) -> Value {
    json!({"best_s": rounded(band.best_s), "typical_s": rounded(band.typical_s), "worst_s": rounded(band.worst_s)})
}

fn event(pair: &Pair<'_>, row: &Row) -> Value {
    let mut event = json!({
        "event": "prediction",
        "name": pair.name,
        "policy": pair.policy,
        "primary": pair.first.address,
        "failure": row.mode,
    });
    match &row.prediction {
        Ok(prediction) => {
            event["dns"] = band(&prediction.dns());
            event["user"] = band(&prediction.user());
            event["stages"] = json!(prediction.stages);
        }
        Err(refusal) => event["refused"] = refusal.to_string().into(),
    }
    event
}
