//! `rto`: how long a failover takes, predicted from the configuration of the program alone. Asks nobody.

use dr_aws::model::timing::{Band, Failover, FailureMode, Incident, Never, Prediction, Refusal};
use dr_core::{Node, Value};
use serde_json::json;

use crate::args;
use crate::context::{Context, rounded};
use crate::error::{Block, Error};
use crate::exit::Exit;
use crate::out::{Out, Paint};
use crate::pair::{Pair, until};
use crate::text::seconds;

pub(crate) fn run(cx: &mut Context<'_, '_>, args: &args::Rto) -> Result<Exit, Error> {
    let pairs = Pair::all(cx.graph());
    if pairs.is_empty() {
        let hint = "add a failover pair of Route 53 records; what fails over in another way is not predicted";
        return Err(Error::usage("the program has no records among which Route 53 chooses", hint));
    }
    let (mut late, mut never_seen) = (Vec::new(), 0);
    for (number, pair) in pairs.iter().enumerate() {
        if number > 0 {
            cx.out.line("");
        }
        let rows = predict(pair);
        show(cx, pair, &rows, args.target);
        never_seen += rows.iter().filter(|row| row.is_never()).count();
        if let Some(target_s) = args.target {
            let worst = rows.iter().filter_map(|row| Some((row, row.prediction.as_ref().ok()?.user().worst_s)));
            match worst.max_by(|a, b| a.1.total_cmp(&b.1)) {
                Some((_, worst_s)) if worst_s <= target_s => {}
                Some((row, worst_s)) => late.push((pair, format!("it may take {} ({})", seconds(worst_s), row.mode))),
                None => {
                    let modelled = rows.iter().all(|row| !matches!(row.prediction, Err(Refusal::NotModelled { .. })));
                    let why = if modelled { "it never fails over" } else { "how long it takes is not predicted" };
                    late.push((pair, why.to_owned()));
                }
            }
        }
    }
    cx.tell("pairs", pairs.len());
    cx.tell("late", late.len());
    cx.tell("never", never_seen);
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
        block.tell(cx.out);
    }
    Ok(if late.is_empty() { Exit::Done } else { Exit::Program })
}

/// One way to fail, and what becomes of it.
struct Row {
    mode: String,
    prediction: Result<Prediction, Refusal>,
    failover: Failover,
    incident: Option<Incident>,
    /// The prediction holds where connections pause for so many seconds.
    if_idle_s: Option<f64>,
}

impl Row {
    fn is_never(&self) -> bool {
        matches!(self.prediction, Err(Refusal::Never(_)))
    }

    /// With a sign when the prediction has a condition.
    fn label(&self) -> String {
        let sign = if self.prediction.is_ok() && self.if_idle_s.is_some() { " *" } else { "" };
        format!("{}{sign}", self.mode)
    }
}

/// Whether the old region may go on answering while it fails so: then nothing closes a connection that is in constant use, and
/// CloudFront does not ask DNS again.
fn goes_on_answering(mode: Option<FailureMode>) -> bool {
    matches!(mode, None | Some(FailureMode::ErrorStatus | FailureMode::WrongBody))
}

/// Every way to fail that the model knows.
fn predict(pair: &Pair<'_>) -> Vec<Row> {
    let modes = match pair.probe {
        Some(_) => FailureMode::ALL.map(Some).to_vec(),
        None => vec![None],
    };
    let row = |mode: Option<FailureMode>| {
        let (failover, incident) = pair.model(mode);
        let prediction = incident.clone().and_then(|incident| failover.predict(incident));
        let if_idle_s = pair.keepalive_s().filter(|_| goes_on_answering(mode));
        let mode = mode.map_or_else(|| "any failure".to_owned(), |mode| mode.to_string());
        Row { mode, prediction, failover, incident: incident.ok(), if_idle_s }
    };
    modes.into_iter().map(row).collect()
}

/// What the failover depends on, in words.
fn facts(pair: &Pair<'_>) -> Vec<(&'static str, String)> {
    let place = |node: &Node| node.address.to_string();
    let standby = match pair.standby {
        None => "none".to_owned(),
        Some(node) if pair.standby_is_checked() => place(node),
        Some(node) => format!("{}, without a health check: used even when it is dead", place(node)),
    };
    let assumed = if pair.ttl_is_assumed() { " (an alias has its target's, assumed)" } else { "" };
    let users = match pair.edge {
        Some(edge) => format!("users of {} (GET)", place(edge)),
        None => "clients that resolve the name themselves".to_owned(),
    };
    vec![
        ("primary", place(pair.primary)),
        ("standby", standby),
        ("noticed", pair.noticed.clone()),
        ("answers", format!("kept for {}{assumed}", seconds(pair.ttl_s))),
        ("seen by", users),
    ]
}

fn show(cx: &mut Context<'_, '_>, pair: &Pair<'_>, rows: &[Row], target_s: Option<f64>) {
    let paint = cx.out.paint;
    cx.out.line(format!("{} ({})", paint.bold(&pair.name), pair.policy));
    for (label, words) in facts(pair) {
        let lead = format!("  {} ", paint.dim(&format!("{label:<8}")));
        cx.out.para(&lead, &words, Paint::plain);
    }
    let title = "seconds until users are served";
    let label = rows.iter().map(|row| row.label().chars().count()).fold(title.len(), usize::max);
    // Where the columns have no room, each row is a sentence.
    let wide = cx.out.terminal.out.is_none_or(|columns| 2 + label + 3 * 8 <= columns);
    match wide {
        true => {
            cx.out.line(paint.dim(&format!("  {title:<label$}{:>8}{:>8}{:>8}", "best", "typical", "worst")));
        }
        false => cx.out.para("  ", &format!("{title}: best, typical, worst"), Paint::dim),
    }
    let line = |out: &mut Out<'_>, what: &str, Band { best_s, typical_s, worst_s, .. }: &Band| match wide {
        true => out.line(format!("  {what:<label$}{best_s:>8.0}{typical_s:>8.0}{worst_s:>8.0}")),
        false => out.para("  ", &format!("{what}: {best_s:.0}, {typical_s:.0}, {worst_s:.0}"), Paint::plain),
    };
    for row in rows {
        match &row.prediction {
            Ok(prediction) => line(cx.out, &row.label(), &prediction.user()),
            Err(refusal) if wide => cx.out.para(&format!("  {:<label$}  ", row.mode), &never(refusal), Paint::yellow),
            Err(refusal) => cx.out.para(&format!("  {}: ", row.mode), &never(refusal), Paint::yellow),
        }
        cx.out.event(&event(pair, row));
    }
    let predicted = rows.iter().filter_map(|row| Some((row, row.prediction.as_ref().ok()?)));
    let Some((worst, prediction)) = predicted.max_by(|a, b| a.1.user().worst_s.total_cmp(&b.1.user().worst_s)) else {
        return;
    };
    if let Some(Ok(back)) = worst.incident.map(|incident| worst.failover.recover(incident)) {
        // The standby goes on answering while users are to leave it.
        let if_idle_s = pair.keepalive_s();
        line(cx.out, if if_idle_s.is_some() { "and back *" } else { "and back" }, &back.user());
        let mut event = json!({"event": "recovery", "name": pair.name, "prediction": back, "user": band(&back.user())});
        if let Some(s) = if_idle_s {
            event["if_idle_s"] = rounded(s).into();
        }
        cx.out.event(&event);
    }
    if let Some(s) = pair.keepalive_s() {
        let words = format!(
            "for edge locations that pause for {}; a connection in constant use stays for as long as it is answered",
            seconds(s)
        );
        cx.out.para("  * ", &words, Paint::plain);
    }
    let dominant = prediction.dominant();
    let (longest_s, all_s) = (dominant.span.worst_s, prediction.user().worst_s);
    let words = format!("longest part, up to {longest_s:.0} of {all_s:.0} s: until {}", until(&dominant.term));
    cx.out.para("  ", &words, Paint::plain);
    if let (Some(target_s), Some(incident)) = (target_s, worst.incident) {
        let words = match worst.failover.largest_ttl(incident, target_s) {
            Ok(ttl_s) => format!(
                "with a time to live of {} or less it stays within {}",
                seconds(ttl_s.floor()),
                seconds(target_s)
            ),
            Err(infeasible) => infeasible.to_string(),
        };
        cx.out.para("  target: ", &words, Paint::plain);
        let (all, never) = (rows.len(), rows.iter().filter(|row| row.is_never()).count());
        let mut words = format!("this is about {} of {all} ways to fail", all - never);
        if rows.iter().any(|row| row.prediction.is_ok() && row.if_idle_s.is_some()) {
            words.push_str(", with a * about connections that pause");
        }
        if never > 0 {
            words.push_str(&format!("; {never} {} never seen", if never == 1 { "is" } else { "are" }));
        }
        cx.out.para("          ", &words, if never > 0 { Paint::yellow } else { Paint::plain });
    }
}

fn never(refusal: &Refusal) -> String {
    match refusal {
        // The way to fail stands in front of it.
        Refusal::Never(Never::FailureUnseen { kind, .. }) => format!("never: {kind} probes do not see it"),
        refusal => refusal.to_string(),
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
        "primary": pair.primary.address,
        "failure": row.mode,
    });
    match &row.prediction {
        Ok(prediction) => {
            event["dns"] = band(&prediction.dns());
            event["user"] = band(&prediction.user());
            event["stages"] = json!(prediction.stages);
            if let Some(s) = row.if_idle_s {
                event["if_idle_s"] = rounded(s).into();
            }
        }
        Err(refusal) => event["refused"] = refusal.to_string().into(),
    }
    event
}
