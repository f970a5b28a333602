//! A plan as people read it: by region and construct, with what is slow, what is destructive, and how long it takes.

use std::collections::BTreeMap;

use dr_core::plan::{Plan, Step, StepId};
use dr_core::{Action, Change, Drift, DriftKind, Finding, Severity};
use serde_json::{Value, json};

use crate::context::rounded;
use crate::out::{Out, Paint};
use crate::text::{fit, plural, seconds, short_type, side};

/// How many of the slowest steps are named.
const SLOW: usize = 3;

/// Prints a plan.
pub(crate) fn plan(out: &mut Out<'_>, plan: &Plan) {
    for drift in &plan.drift {
        drift_lines(out, drift);
    }
    for (region, scopes) in grouped(plan) {
        let heading = out.paint.bold(&region);
        out.line(heading);
        for (scope, steps) in scopes {
            let indent = if scope.is_empty() {
                "  "
            } else {
                let heading = format!("  {}", out.paint.cyan(&scope));
                out.line(heading);
                "    "
            };
            lines(out, indent, &collapsed(&steps));
        }
    }
    for found in &plan.findings {
        finding(out, found);
    }
    footer(out, plan);
}

/// A plan as events, one for each step.
pub(crate) fn events(out: &mut Out<'_>, plan: &Plan) {
    for drift in &plan.drift {
        out.event(&drift_event(drift));
    }
    for found in &plan.findings {
        out.event(&finding_event(found));
    }
    for step in &plan.steps {
        out.event(&step_event(step));
    }
}

/// What the last event says of a plan.
pub(crate) fn summary(plan: &Plan) -> Vec<(&'static str, Value)> {
    let (critical_s, path) = plan.critical_path();
    vec![
        ("actions", json!(plan.counts())),
        ("critical_path_s", rounded(critical_s).into()),
        ("critical_path", path.iter().map(|&id| plan.steps[id as usize].address.as_str()).collect()),
        ("destructive", plan.destructive().count().into()),
        ("drift", plan.drift.len().into()),
    ]
}

/// The steps of each scope.
type Scopes<'p> = Vec<(String, Vec<&'p Step>)>;

/// Steps by region, then by the scope they are in, in the order in which they come.
fn grouped(plan: &Plan) -> Vec<(String, Scopes<'_>)> {
    let mut regions: BTreeMap<&str, Scopes<'_>> = BTreeMap::new();
    for step in plan.steps.iter().filter(|step| !(step.replacement && step.action == Action::Delete)) {
        let scopes = regions.entry(step.address.region()).or_default();
        let scope = step.address.scope();
        match scopes.iter_mut().find(|(name, _)| name == scope) {
            Some((_, steps)) => steps.push(step),
            None => scopes.push((scope.to_owned(), vec![step])),
        }
    }
    // What has no construct of its own would read as part of the one before it.
    let mut regions: Vec<_> = regions.into_iter().map(|(region, scopes)| (region.to_owned(), scopes)).collect();
    regions.iter_mut().for_each(|(_, scopes)| scopes.sort_by_key(|(scope, _)| !scope.is_empty()));
    regions
}

/// One line of a plan: a step, or several that differ only in their key.
struct Line<'p> {
    step: &'p Step,
    keys: Vec<&'p str>,
}

/// Puts siblings (`public[0]`, `public[1]`) that have nothing of their own to say on one line.
fn collapsed<'p>(steps: &[&'p Step]) -> Vec<Line<'p>> {
    let mut lines: Vec<Line<'p>> = Vec::new();
    for &step in steps {
        let (base, key) = split_key(step.address.name());
        let plain = |step: &Step| {
            step.changes.is_empty() && step.reason.is_none() && step.blocked.is_none() && step.from.is_none()
        };
        let sibling = key.and_then(|_| {
            lines.iter_mut().find(|line| {
                !line.keys.is_empty()
                    && split_key(line.step.address.name()).0 == base
                    && (line.step.action, line.step.replacement) == (step.action, step.replacement)
                    && line.step.type_name == step.type_name
                    && plain(line.step)
                    && plain(step)
            })
        });
        match (sibling, key) {
            (Some(line), Some(key)) => line.keys.push(key),
            _ => lines.push(Line { step, keys: key.into_iter().collect() }),
        }
    }
    // Numbers in their order, whatever the order of the steps.
    lines.iter_mut().for_each(|line| line.keys.sort_by_key(|key| (key.parse::<u64>().ok(), *key)));
    lines
}

/// `public[0]` is `public` and `0`.
pub(crate) fn split_key(name: &str) -> (&str, Option<&str>) {
    match name.split_once('[') {
        Some((base, key)) => (base, key.strip_suffix(']')),
        None => (name, None),
    }
}

fn lines(out: &mut Out<'_>, indent: &str, lines: &[Line<'_>]) {
    let names: Vec<String> = lines
        .iter()
        .map(|line| match line.keys.as_slice() {
            [] | [_] => line.step.address.name().to_owned(),
            keys => format!("{}[{}]", split_key(line.step.address.name()).0, keys.join(",")),
        })
        .collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    let types = lines.iter().map(|line| short_type(&line.step.type_name).len()).max().unwrap_or_default();
    // On a narrow terminal the name is what counts; the type goes when both do not fit.
    let room = out.terminal.out.map(|columns| columns.saturating_sub(indent.len() + 2));
    let typed = room.is_none_or(|room| longest.min(24) + 2 + types <= room);
    let width = match room {
        Some(room) if typed => longest.min(room.saturating_sub(types + 2).max(8)),
        Some(room) => longest.min(room),
        None => longest,
    };
    for (line, name) in lines.iter().zip(names) {
        let step = line.step;
        let sign = sign(step, out.paint);
        let name = fit(&name, width);
        let text = if typed {
            let pad = " ".repeat(width - name.chars().count());
            format!("{indent}{sign} {name}{pad}  {}", out.paint.dim(short_type(&step.type_name)))
        } else {
            format!("{indent}{sign} {name}")
        };
        out.line(text.trim_end());
        let deeper = format!("{indent}    ");
        match (&step.reason, step.replacement) {
            (Some(reason), true) => out.line(format!("{deeper}replaced: {reason}")),
            (Some(reason), false) => out.line(format!("{deeper}{reason}")),
            (None, _) => {}
        }
        step.changes.iter().for_each(|change| change_line(out, &deeper, change));
        if let Some(blocked) = &step.blocked {
            let text = format!("{deeper}{}", out.paint.red(&format!("cannot be done now: {blocked}")));
            out.line(text);
        }
    }
}

fn change_line(out: &mut Out<'_>, indent: &str, change: &Change) {
    let (old, new) = (side(change.old.as_ref()), side(change.new.as_ref()));
    let arrow = out.paint.dim("→");
    out.line(format!("{indent}{}  {old} {arrow} {new}", change.field));
}

/// `+`, `~`, … in the colour of what it does.
fn sign(step: &Step, paint: Paint) -> String {
    match (step.action, step.replacement) {
        (Action::Create, true) => paint.red("±"),
        (Action::Create, false) => paint.green("+"),
        (Action::Update, _) => paint.yellow("~"),
        (Action::Delete, _) => paint.red("-"),
        (Action::Adopt, _) => paint.cyan("→"),
        (Action::Forget, _) => paint.yellow("×"),
        (Action::Settle, _) => paint.cyan("…"),
    }
}

fn footer(out: &mut Out<'_>, plan: &Plan) {
    if plan.is_empty() {
        out.line(format!("nothing to do, {} unchanged", plan.kept));
        return;
    }
    let counts = plan.counts();
    let words = [
        ("create", "to create"),
        ("update", "to update"),
        ("replace", "to replace"),
        ("delete", "to delete"),
        ("adopt", "to move"),
        ("forget", "to forget"),
        ("settle", "to wait for"),
        ("keep", "unchanged"),
    ];
    let parts = words.iter().filter_map(|(kind, word)| counts.get(kind).map(|n| format!("{n} {word}")));
    let parts: Vec<_> = parts.collect();
    let mut row = |label: &str, text: &str, style| {
        // What goes on from the row before has no label.
        let lead = if label.is_empty() { " ".repeat(6) } else { format!("{} ", out.paint.dim(&format!("{label}:"))) };
        out.para(&lead, text, style);
    };
    row("plan", &parts.join(", "), Paint::bold);
    let (critical_s, path) = plan.critical_path();
    let chain = plural(path.len(), "step");
    row("time", &format!("about {}, the longest chain has {chain}", seconds(critical_s)), Paint::plain);
    for (number, step) in slowest(plan, &path).into_iter().enumerate() {
        let text = format!("{} {}, {}", verb(step.action), step.address, seconds(step.expected_s));
        row(if number == 0 { "slow" } else { "" }, &text, Paint::plain);
    }
    let gone: Vec<&Step> = plan.destructive().collect();
    if !gone.is_empty() {
        let shown: Vec<_> = gone.iter().take(4).map(|step| step.address.as_str()).collect();
        let more =
            if gone.len() > shown.len() { format!(" and {} more", gone.len() - shown.len()) } else { String::new() };
        let kept = gone.iter().all(|step| step.action == Action::Forget);
        let verb = if kept { "will be forgotten, not deleted" } else { "will be destroyed" };
        let text = format!("{} {verb}: {}{more}", plural(gone.len(), "resource"), shown.join(", "));
        row("gone", &text, Paint::red);
    }
}

/// What a step does, in people's words.
fn verb(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Delete => "delete",
        Action::Adopt => "move",
        Action::Forget => "forget",
        Action::Settle => "wait for",
    }
}

/// The slowest steps of the longest chain, the slowest first; what takes a second or less is not slow.
fn slowest<'p>(plan: &'p Plan, path: &[StepId]) -> Vec<&'p Step> {
    let mut steps: Vec<&Step> =
        path.iter().map(|&id| &plan.steps[id as usize]).filter(|s| s.expected_s > 1.0).collect();
    steps.sort_by(|a, b| b.expected_s.total_cmp(&a.expected_s).then(a.id.cmp(&b.id)));
    steps.truncate(SLOW);
    steps
}

/// What somebody else did to a resource.
pub(crate) fn drift_lines(out: &mut Out<'_>, drift: &Drift) {
    let what = match &drift.kind {
        DriftKind::Gone => "was deleted by somebody else".to_owned(),
        DriftKind::Unknown => "is there, and the state did not know it".to_owned(),
        DriftKind::Broken => "exists and will never work".to_owned(),
        DriftKind::Changed(_) => "was changed by somebody else".to_owned(),
        DriftKind::Misnamed(old) => format!("still carries the name {old}"),
        _ => "differs from what is recorded".to_owned(),
    };
    let sign = out.paint.yellow("!");
    out.line(format!("{sign} {} {what}", drift.address));
    if let DriftKind::Changed(changes) = &drift.kind {
        changes.iter().for_each(|change| change_line(out, "    ", change));
    }
}

/// The same as an event.
pub(crate) fn drift_event(drift: &Drift) -> Value {
    json!({"event": "drift", "address": drift.address, "kind": drift.kind})
}

/// What a rule found.
pub(crate) fn finding(out: &mut Out<'_>, finding: &Finding) {
    for line in finding_text(finding, out.paint).lines() {
        // What explains a finding is further in than the finding.
        let (lead, text) = line.split_at(line.len() - line.trim_start().len());
        out.para(lead, text, Paint::plain);
    }
}

/// The same as text, without the last line's end.
pub(crate) fn finding_text(finding: &Finding, paint: Paint) -> String {
    let word = match (finding.severity, finding.waived.is_some()) {
        (_, true) => paint.dim("waived"),
        (Severity::Error, _) => paint.red("error"),
        (Severity::Warning, _) => paint.yellow("warning"),
        (Severity::Info, _) => paint.cyan("info"),
    };
    let mut text = format!("{word}[{}] {}: {}", finding.id, finding.address, finding.problem);
    if let Some(fix) = &finding.fix {
        text.push_str(&format!("\n    fix: {fix}"));
    }
    if let Some(reason) = &finding.waived {
        text.push_str(&format!("\n    accepted: {reason}"));
    }
    text
}

/// The same as an event.
pub(crate) fn finding_event(finding: &Finding) -> Value {
    let mut event = json!({"event": "finding"});
    event["finding"] = json!(finding);
    event
}

fn step_event(step: &Step) -> Value {
    let mut event = json!({
        "event": "planned",
        "step": step.id,
        "action": step.action,
        "address": step.address,
        "type": step.type_name,
        "region": step.region,
        "expected_s": step.expected_s,
    });
    if step.replacement {
        event["replacement"] = true.into();
    }
    if let Some(reason) = &step.reason {
        event["reason"] = reason.clone().into();
    }
    if let Some(from) = &step.from {
        event["from"] = json!(from);
    }
    if !step.changes.is_empty() {
        event["changes"] = json!(step.changes);
    }
    if let Some(blocked) = &step.blocked {
        event["blocked"] = json!(blocked);
    }
    event
}

#[cfg(test)]
mod tests {
    use dr_core::{Observed, Region, Resource, Stack, State, region};

    use super::*;
    use crate::out::{Color, Terminal};

    region!(
        /// A region with a long name.
        Far = "ap-southeast-1"
    );

    /// A part with a long type.
    #[derive(Debug, Clone, Resource)]
    #[resource(type = "toy.warehouse.very_long_shelf", outputs = ShelfOutputs)]
    struct Shelf<R: Region = dr_core::Anywhere> {
        of: std::marker::PhantomData<fn() -> R>,
    }

    #[derive(Debug, Clone, dr_core::Outputs)]
    struct ShelfOutputs {
        _id: String,
    }

    fn shown(columns: Option<usize>, color: Color) -> String {
        let stack = Stack::build("shop", |stack| {
            let hall = stack.region(Far).scope("a-hall-with-a-name");
            for at in 0..12 {
                hall.add(("shelf-for-everything", at), Shelf::<Far> { of: std::marker::PhantomData });
            }
            hall.add("one", Shelf::<Far> { of: std::marker::PhantomData });
        });
        let stack: Stack = stack.unwrap();
        let made = Plan::between(&stack, &State::new("shop", "0"), &Observed::unchanged()).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let terminal = Terminal { out: columns, err: columns, input: false };
        let mut to = Out::new(&mut out, &mut err, terminal);
        to.color(color);
        plan(&mut to, &made);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_steps_of_a_plan_fit_forty_columns() {
        let text = shown(Some(40), Color::Never);
        insta::assert_snapshot!(text, @r"
        ap-southeast-1
          a-hall-with-a-name
            + shelf-for-everyth…5,6,7,8,9,10,11]
            + one
        plan: 13 to create
        time: about 1 s, the longest chain has 1
              step
        ");
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
    }

    #[test]
    fn colours_are_for_terminals() {
        assert!(!shown(None, Color::Auto).contains('\u{1b}'));
        assert!(shown(None, Color::Always).contains("\u{1b}[32m+\u{1b}[0m"));
        assert!(!shown(Some(80), Color::Never).contains('\u{1b}'));
    }
}
