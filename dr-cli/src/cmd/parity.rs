//! `parity`: whether the two regions are the same service: as the program has them, and as they are configured in the cloud.

use dr_aws::parity::{self, Class, Difference, Parity, Twin};
use dr_core::store::ReadStore as _;
use dr_core::{Severity, State, Value, value};
use serde_json::json;

use crate::cloud::Detail;
use crate::context::{Context, Opened};
use crate::error::Error;
use crate::exit::Exit;
use crate::out::Paint;
use crate::text::{fit, plural, shown, wrapped};

/// The columns of an output that is no terminal.
const WIDTH: usize = 80;

/// A difference, and where it was seen.
struct Seen {
    difference: Difference,
    /// Only in the cloud: the program has both sides equal, or other values.
    live: bool,
    accepted: Option<String>,
}

pub(crate) async fn run(cx: &mut Context<'_, '_>) -> Result<Exit, Error> {
    let Some(declared) = parity::of_program(cx.graph()) else {
        let hint = "parity compares two regions with each other; add the second one";
        return Err(Error::usage("the program has resources in one region only", hint));
    };
    // What was never deployed is compared without asking anybody.
    let recorded = cx.store().load().await?.state;
    let live = if recorded.is_empty() { None } else { Some(observe(cx).await?) };
    let in_program = |difference: &Difference| Seen {
        difference: difference.clone(),
        live: false,
        accepted: accepted(cx, difference),
    };
    let mut seen: Vec<Seen> = declared.differences.iter().map(in_program).collect();
    for difference in live.iter().flat_map(|live| &live.parity.differences) {
        let mut about = declared.differences.iter().filter(|known| known.is_about(difference));
        if !about.any(|known| live.as_ref().is_some_and(|live| live.is_as(known, difference))) {
            // A waiver is about what the program has; what somebody changed in the cloud nobody accepted.
            seen.push(Seen { difference: difference.clone(), live: true, accepted: None });
        }
    }
    for one in &seen {
        cx.out.event(&event(one));
    }
    text(cx, &declared, live.as_ref().map(|live| &live.parity), &seen);
    let count = |severity| seen.iter().filter(|it| it.difference.severity == severity && it.accepted.is_none()).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    cx.tell("pairs", declared.pairs);
    cx.tell("deployed_pairs", live.as_ref().map(|live| live.parity.pairs));
    cx.tell("differences", seen.len());
    cx.tell("errors", errors);
    cx.tell("warnings", warnings);
    cx.tell("accepted", seen.iter().filter(|it| it.accepted.is_some()).count());
    if let Some(live) = live {
        cx.tell_cloud(&live.opened);
        if let Some(error) = live.unread {
            return Err(error);
        }
    }
    Ok(if errors > 0 { Exit::Program } else { Exit::Done })
}

/// What is configured in the cloud.
struct Live {
    parity: Parity,
    state: State,
    opened: Opened,
    /// What could not be read.
    unread: Option<Error>,
}

impl Live {
    /// Whether a difference as deployed is the one that the program has, with the same values.
    fn is_as(&self, declared: &Difference, deployed: &Difference) -> bool {
        // In the program, ids stand as references.
        let value = |value: &Option<Value>| {
            let known = |reference: &value::Reference<'_>| reference.select(self.state.outputs(reference.address)?);
            value.as_ref().map(|value| value::resolve(value, &known).0)
        };
        declared.severity == deployed.severity
            && value(&declared.primary_value) == deployed.primary_value
            && value(&declared.standby_value) == deployed.standby_value
    }
}

async fn observe(cx: &mut Context<'_, '_>) -> Result<Live, Error> {
    let opened = cx.open().await?;
    let session = cx.session(&opened);
    let state = session.load(&cx.store()).await?;
    let observed = cx.observe(&opened, &session, &state, Detail::Full).await?;
    let (state, _) = observed.reconcile(cx.graph(), &state);
    let parity = parity::of_state(cx.graph(), &state).expect("the program has two regions");
    let groups = observed.failed.len();
    let unread = observed.failed.values().next().map(|source| Error::Unread { groups, source: source.clone() });
    Ok(Live { parity, state, opened, unread })
}

/// The reason for which the program accepts a difference that it has.
fn accepted(cx: &Context<'_, '_>, difference: &Difference) -> Option<String> {
    let node = cx.graph().get(difference.address()?.as_str())?;
    let accepts = |(id, _): &&(String, String)| id == difference.rule();
    node.waivers.iter().find(accepts).map(|(_, reason)| reason.clone())
}

fn event(seen: &Seen) -> Value {
    let mut event = json!({"event": "difference", "seen": if seen.live { "cloud" } else { "program" }});
    if let (Value::Object(event), Value::Object(fields)) = (&mut event, json!(seen.difference)) {
        event.extend(fields);
        event.insert("rule".to_owned(), seen.difference.rule().into());
    }
    if let Some(reason) = &seen.accepted {
        event["accepted"] = reason.as_str().into();
    }
    event
}

fn text(cx: &mut Context<'_, '_>, declared: &Parity, live: Option<&Parity>, seen: &[Seen]) {
    let mut classes: Vec<Class> = seen.iter().map(|it| it.difference.class).collect();
    classes.sort();
    classes.dedup();
    for class in classes {
        let heading = cx.out.paint.bold(heading(class));
        cx.out.line(heading);
        for one in seen.iter().filter(|it| it.difference.class == class) {
            lines(cx, declared, one);
        }
    }
    let pairs = match live {
        Some(live) => format!("{}, {} as deployed", plural(declared.pairs, "pair"), live.pairs),
        None => plural(declared.pairs, "pair"),
    };
    let told = |severity| seen.iter().filter(|it| it.difference.severity == severity && it.accepted.is_none()).count();
    let mut parts: Vec<String> = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Info, "note")]
        .into_iter()
        .filter_map(|(severity, word)| Some(plural(told(severity), word)).filter(|_| told(severity) > 0))
        .collect();
    let accepted = seen.iter().filter(|it| it.accepted.is_some()).count();
    if accepted > 0 {
        parts.push(format!("{accepted} accepted"));
    }
    let mark = if told(Severity::Error) == 0 { cx.out.paint.green("✓ ") } else { String::new() };
    let found = if parts.is_empty() { "no difference".to_owned() } else { parts.join(", ") };
    cx.out.para(&mark, &format!("parity: {pairs}, {found}"), Paint::plain);
}

fn heading(class: Class) -> &'static str {
    match class {
        Class::Missing => "in one region only",
        Class::MustMatch => "has to be the same",
        Class::Forbidden => "must not be there",
        Class::RoleDependent => "does not fit the roles",
        Class::Mapped => "does not stand for the same",
        Class::Scaled => "another size",
        _ => "different",
    }
}

fn lines(cx: &mut Context<'_, '_>, declared: &Parity, seen: &Seen) {
    let (difference, paint) = (&seen.difference, cx.out.paint);
    let width = cx.out.terminal.out.unwrap_or(WIDTH);
    let sign = match (&seen.accepted, difference.severity) {
        (Some(_), _) => paint.dim("·"),
        (None, Severity::Error) => paint.red("✗"),
        (None, Severity::Warning) => paint.yellow("!"),
        (None, Severity::Info) => paint.cyan("i"),
    };
    let address = difference.address().map_or("", |address| address.as_str());
    let attribute = difference.attribute.as_deref().unwrap_or_default();
    let live = if seen.live { "  (as deployed)" } else { "" };
    cx.out.line(format!("  {sign} {address}  {attribute}{live}").trim_end());
    if difference.attribute.is_some() {
        let label = declared.primary.label.chars().count().max(declared.standby.label.chars().count());
        let room = width.saturating_sub(6 + label + 2 + " (wider)".len()).max(16);
        let values = around(difference.primary_value.as_ref(), difference.standby_value.as_ref(), room);
        for (side, (twin, value)) in [Twin::Primary, Twin::Standby].into_iter().zip(values).enumerate() {
            let name = if side == 0 { &declared.primary.label } else { &declared.standby.label };
            let wider = if difference.wider == Some(twin) { paint.yellow(" (wider)") } else { String::new() };
            cx.out.line(format!("      {}  {value}{wider}", padded(name, label, paint)));
        }
    }
    for line in wrapped(&difference.why, width.saturating_sub(6).max(20)) {
        cx.out.line(format!("      {}", paint.dim(&line)));
    }
    if let Some(reason) = &seen.accepted {
        cx.out.line(format!("      accepted: {reason}"));
    }
}

fn padded(name: &str, width: usize, paint: Paint) -> String {
    let pad = " ".repeat(width.saturating_sub(name.chars().count()));
    format!("{}{pad}", paint.cyan(name))
}

/// Two values in a line each; of long ones what is around the first place at which they differ.
fn around(one: Option<&Value>, two: Option<&Value>, room: usize) -> [String; 2] {
    let line = |value: Option<&Value>| -> Vec<char> {
        let text = value.map_or_else(|| "(none)".to_owned(), shown);
        text.split_whitespace().collect::<Vec<_>>().join(" ").chars().collect()
    };
    let (one, two) = (line(one), line(two));
    let same = one.iter().zip(&two).take_while(|(a, b)| a == b).count();
    let long = one.len().max(two.len()) > room;
    // A little of what is the same says where it is.
    let from = if long { same.saturating_sub(12) } else { 0 };
    [one, two].map(|text| {
        let start = if from > 0 { "…" } else { "" };
        let rest: String = text.iter().skip(from).collect();
        let rest = format!("{start}{rest}");
        if long { head(&rest, room) } else { fit(&rest, room) }
    })
}

/// The first characters.
fn head(text: &str, room: usize) -> String {
    match text.chars().count() > room {
        true => text.chars().take(room.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    }
}
