//! `drill`: a failover on purpose, predicted, measured and taken back, with evidence of all three.
//!
//! Its phases are those of a game day: everything works (baseline); what will happen is written down (hypothesis); the primary is
//! broken (inject); the standby takes over (observe) and serves for a while (hold); the primary comes back (fail back); what was
//! measured is compared with what was predicted (review). However it ends, nothing stays broken.

use std::time::Duration;

use dr_aws::model::timing::Refusal;
use dr_core::store::ReadStore as _;
use dr_core::{Observed, Plan, State};
use dr_sim::Aws;
use serde_json::{Value, json};

use crate::args::{self, Fault};
use crate::cloud::Cloud as _;
use crate::cloud::sim::Sim;
use crate::context::{Context, check_account, rounded};
use crate::error::{Block, Error};
use crate::evidence::{self, date};
use crate::exit::Exit;
use crate::out::Paint;
use crate::pair::Pair;
use crate::passage::{Passage, range};
use crate::telling::{self, Chapters};
use crate::text::plural;
use crate::watch::{Forecast, PATIENCE_S, Scene, Watch};

/// How long it is watched, in seconds, whether the primary that has come back stays.
const LINGER_S: f64 = 120.0;

pub(crate) async fn run(cx: &mut Context<'_, '_>, args: &args::Drill) -> Result<Exit, Error> {
    only_on_the_simulator(cx)?;
    // Looked at before the lock is taken, which makes the directory.
    let state = cx.store().load().await?.state;
    if state.is_empty() {
        return Err(cx.nothing_deployed());
    }
    let account = |sim: &Sim| sim.aws().cloud().with_world(|world| world.account().to_owned());
    check_account(&state, Some(&account(&Sim::open(&cx.state_dir())?)))?;
    let store = cx.lock()?;
    let state = store.load().await?.state;
    let sim = Sim::open(&cx.state_dir())?;
    check_account(&state, Some(&account(&sim)))?;
    let began_s = sim.aws().now_s();
    let result = Box::pin(drill(cx, args, sim.aws(), &state)).await;
    sim.aws().heal();
    cx.tell("cloud", "sim");
    cx.tell("simulated_s", rounded(sim.aws().now_s() - began_s));
    let saved = sim.save();
    let exit = result?;
    saved.map_err(|source| Error::Cloud { doing: "save the world of the cloud `sim`".to_owned(), source })?;
    Ok(exit)
}

fn only_on_the_simulator(cx: &Context<'_, '_>) -> Result<(), Error> {
    let names = cx.program.cloud_names();
    let name = cx.options.cloud.as_deref().or(names.first().map(String::as_str)).unwrap_or("sim");
    let own = cx.program.clouds.iter().any(|(own, _)| own == name);
    match name {
        "sim" if !own => Ok(()),
        "aws" if !own => {
            let host = Pair::all(cx.graph()).first().map_or("NAME".to_owned(), |pair| pair.name.clone());
            Err(Error::usage(
                "no drill on an AWS account: dr cannot break the traffic of one region there and be sure to give it back",
                format!(
                    "drill on the simulator, without `--cloud aws`; or measure by hand: see what `rto` expects, invert the \
                     primary's health check in the Route 53 console, ask `dig {host}` and `curl` your service every second \
                     until the standby answers, and let `deploy` take the inversion back"
                ),
            ))
        }
        other => {
            Err(Error::usage(format!("no drill on the cloud `{other}`"), "give `--cloud sim`, and deploy there first"))
        }
    }
}

async fn drill(cx: &mut Context<'_, '_>, args: &args::Drill, aws: &Aws, state: &State) -> Result<Exit, Error> {
    let Some(scene) = Scene::find(cx.graph(), state, args.path.as_deref()) else {
        let hint = "add a `FailoverPair`: a drill loses the region of its primary record";
        return Err(Error::usage("the program has no failover records in two regions", hint));
    };
    let Scene { primary, standby, .. } = &scene;
    let faults = args.fault.breaks(&scene);
    if faults.is_empty() {
        let message = format!("there is nothing to break: no instances in {primary}");
        return Err(Error::usage(message, "give another `--fault`"));
    }
    let title = format!("A drill of `{}`: {primary} fails, and {standby} takes over", cx.graph().name());
    cx.out.para("", &title, Paint::bold);

    let mut chapters = Chapters::default();
    phase(cx, "baseline", aws);
    chapters.begin(cx, "Baseline: everything answers as it should");
    let causes = baseline(cx, args, aws, &scene, state).await;
    if !causes.is_empty() {
        let title = "the baseline is not green, so nothing was broken".to_owned();
        let hint = Some("`status` and `verify` say more; `deploy` mends what differs from the program".to_owned());
        Block { title, causes, hint, ..Block::default() }.tell(cx.out);
        return Ok(Exit::Failed);
    }

    phase(cx, "hypothesis", aws);
    chapters.begin(cx, "Hypothesis: what will happen, before anything is broken");
    let [away, back] = match Forecast::both(&scene.pair, args.fault) {
        Ok(forecasts) => forecasts,
        Err(refusal) => {
            let (title, hint) = match &refusal {
                Refusal::NotModelled { .. } => (
                    "how long this takes cannot be predicted, so nothing was broken".to_owned(),
                    Some("a drill needs something to compare with: probe an endpoint instead".to_owned()),
                ),
                _ => (
                    format!("this fault would not move anybody to {standby}, so nothing was broken"),
                    Some("see `rto`, and mend the program".to_owned()),
                ),
            };
            let block = Block { title, causes: vec![refusal.to_string()], hint, ..Block::default() };
            block.tell(cx.out);
            return Ok(Exit::Program);
        }
    };
    foresee(cx, &scene, [&away, &back]);
    // What was never looked up keeps the plan from being made, and a drill does not need it.
    let pending = Plan::between(cx.graph(), state, &Observed::unchanged()).ok().map(|plan| plan.steps.len());
    let document = announcement(cx, args, &scene, (state, pending), &date(aws.now_s()), [&away, &back]);
    let (prediction, digest) = (&document["prediction"], &document["prediction_sha256"]);
    cx.out.para("   ", &format!("sha256 {}", digest.as_str().unwrap_or_default()), Paint::dim);
    cx.out.event(&json!({"event": "prediction", "prediction": prediction, "sha256": digest}));
    keep(args, &document)?;

    if cx.cancel().count() > 0 {
        return Err(Error::Interrupted);
    }
    phase(cx, "inject", aws);
    chapters.begin(cx, &format!("{primary} {}", args.fault.words()));
    let mut watch = Watch::begin(aws, &scene, cx.cancel());
    faults.into_iter().for_each(|fault| aws.fail(fault));
    let measured = measure(cx, args, aws, &scene, &mut chapters, &mut watch, [&away, &back]).await;
    let Measured { there, here, asked, served } = match measured {
        Ok(measured) => measured,
        Err(error) => {
            give_back(cx, aws, &scene, &back).await;
            return Err(if matches!(error, Error::Interrupted) { Error::Lifted } else { error });
        }
    };

    phase(cx, "review", aws);
    chapters.begin(cx, "Review");
    let mut deviations: Vec<String> = there.deviations.iter().chain(&here.deviations).cloned().collect();
    if served < asked {
        deviations.push(format!("{standby} did not serve {} while it was alone", plural(asked - served, "request")));
    }
    let verdict = if deviations.is_empty() { "passed" } else { "failed" };
    let review = json!({
        "verdict": verdict,
        "ended": date(aws.now_s()),
        "away": there,
        "hold": {"s": args.hold, "asked": asked, "served": served},
        "back": here,
        "deviations": deviations,
        "notes": notes(cx, [&there, &here], pending),
    });
    let document = evidence::complete(document, &watch.seen, &review);
    keep(args, &document)?;
    cx.out.event(&json!({"event": "review", "review": review, "sha256": document["sha256"]}));
    cx.tell("verdict", verdict);
    conclude(cx, args, &review, &document);
    Ok(if deviations.is_empty() { Exit::Done } else { Exit::Failed })
}

/// What both ways came to.
struct Measured {
    there: Passage,
    here: Passage,
    /// Requests made while the standby served alone, and those of them that it served.
    asked: usize,
    served: usize,
}

/// Watches the primary fail and come back.
///
/// # Errors
/// [`Error::Interrupted`]: what was broken may still be.
async fn measure(
    cx: &mut Context<'_, '_>,
    args: &args::Drill,
    aws: &Aws,
    scene: &Scene<'_>,
    chapters: &mut Chapters,
    watch: &mut Watch<'_>,
    [away, back]: [&Forecast; 2],
) -> Result<Measured, Error> {
    let Scene { primary, standby, .. } = scene;
    let leg = watch.until(standby, args.fault.pause_s(scene)).await?;
    let held_s = watch.now_s();
    if leg.arrived {
        phase(cx, "hold", aws);
        watch.during(f64::from(args.hold)).await?;
    }
    let there = Passage::of(watch, &leg, scene, args.fault, Some(away));
    let (asked, served) = watch.served_by(standby, held_s, watch.now_s());
    there.show(cx);
    there.verdict(cx, Some(away));
    if leg.arrived && args.hold > 0 {
        chapters.begin(cx, &format!("{standby} serves alone for {} s", args.hold));
        let style = if served == asked { Paint::plain } else { Paint::red };
        cx.out.para("   ", &format!("{served} of {} served", plural(asked, "request")), style);
    }

    aws.heal();
    phase(cx, "fail_back", aws);
    chapters.begin(cx, &format!("{primary} comes back"));
    // Whoever was never away cannot come back as predicted.
    let back = leg.arrived.then_some(back);
    let leg = watch.until(primary, scene.pause_s()).await?;
    watch.during(LINGER_S).await?;
    let here = Passage::of(watch, &leg, scene, args.fault, back);
    here.show(cx);
    here.verdict(cx, back);
    Ok(Measured { there, here, asked, served })
}

/// Lifts the fault of a drill that ended early, and lets time pass until users are back at the primary: an account that is
/// saved before that stands still with a red health check, and the next drill has no green baseline.
async fn give_back(cx: &mut Context<'_, '_>, aws: &Aws, scene: &Scene<'_>, back: &Forecast) {
    aws.heal();
    // Nobody asks meanwhile, so that CloudFront closes its connection to the standby as well.
    let pause = Duration::from_secs_f64(scene.pause_s());
    aws.advance(Duration::from_secs_f64(back.users.worst_s) + pause).await;
    // What is deployed may be slower than what the program says.
    let limit = Duration::from_secs_f64(PATIENCE_S);
    let there = |response: &dr_sim::Response| response.is_ok() && response.region.as_ref() == Some(&scene.primary);
    if aws.until(&scene.url, pause, limit, there).await.is_err() {
        cx.out.note(format!("{} is whole again, and users do not reach it yet: see `verify`", scene.primary));
    }
}

/// Requests everything; what is not as it should be.
async fn baseline(
    cx: &mut Context<'_, '_>,
    args: &args::Drill,
    aws: &Aws,
    scene: &Scene<'_>,
    state: &State,
) -> Vec<String> {
    let addresses = telling::addresses(cx.graph(), state, Some(scene), args.path.as_deref());
    let mut bad = telling::request(cx, aws, &addresses).await;
    let Scene { pair, primary, .. } = scene;
    match scene.in_dns(aws) {
        Some(region) if region == *primary => {
            cx.out.para("   ", &format!("DNS answers {} with {primary}", pair.name), Paint::plain);
        }
        Some(region) => bad.push(format!("DNS answers {} with {region} and not with {primary}", pair.name)),
        None => bad.push(format!("DNS answers {} with neither region", pair.name)),
    }
    bad
}

/// The evidence as it is before anything is broken.
fn announcement(
    cx: &Context<'_, '_>,
    args: &args::Drill,
    scene: &Scene<'_>,
    (state, pending): (&State, Option<usize>),
    now: &str,
    [away, back]: [&Forecast; 2],
) -> Value {
    let Scene { pair, primary, standby, url, .. } = scene;
    let prediction = json!({
        "made_at": now,
        "fault": args.fault.name(),
        "seen_as": args.fault.mode().to_string(),
        "away": away.json(),
        "back": back.json(),
        "patience_s": PATIENCE_S,
    });
    let header = json!({
        "tool": {"name": "dr", "version": env!("CARGO_PKG_VERSION")},
        "program": {
            "stack": cx.graph().name(),
            "fingerprint": dr_core::plan::digest(cx.graph()),
            "resources": cx.managed(),
            "pending_changes": pending,
        },
        "cloud": "sim",
        "account": state.account,
        "clock": "simulated",
        "started": now,
        "actor": actor(args),
        "scenario": {
            "what": format!("{primary} {}", args.fault.words()),
            "name": pair.name,
            "url": url,
            "primary": primary,
            "standby": standby,
            "lever": args.fault.breaks(scene),
            "hold_s": args.hold,
        },
    });
    evidence::announced(&header, &prediction)
}

/// Prints the predictions of both ways.
fn foresee(cx: &mut Context<'_, '_>, scene: &Scene<'_>, [away, back]: [&Forecast; 2]) {
    let Scene { primary, standby, .. } = scene;
    let rows = [
        (format!("DNS answers with {standby}"), away.dns),
        (format!("{standby} serves users"), away.users),
        (format!("and back: DNS answers with {primary}"), back.dns),
        (format!("and back: {primary} serves users"), back.users),
    ];
    let wide = cx.out.terminal.out.is_none_or(|columns| columns >= 72);
    if wide {
        let head = cx.out.paint.dim(&format!("   {:<44}{:>7}{:>9}{:>7}", "seconds until", "best", "typical", "worst"));
        cx.out.line(head);
    }
    for (what, band) in rows {
        match wide {
            true => {
                let (best_s, typical_s, worst_s) = (band.best_s, band.typical_s, band.worst_s);
                cx.out.line(format!("   {what:<44}{best_s:>7.0}{typical_s:>9.0}{worst_s:>7.0}"));
            }
            false => cx.out.para("   ", &format!("{what}: {}", range(&band)), Paint::plain),
        }
    }
}

/// What is worth knowing, and no failure.
fn notes(cx: &Context<'_, '_>, [there, here]: [&Passage; 2], pending: Option<usize>) -> Vec<String> {
    let mut notes = Vec::new();
    match pending {
        Some(0) => {}
        Some(pending) => {
            let changes = plural(pending, "pending change");
            notes.push(format!("the program has {changes}: what was drilled is what is deployed, not what it says"));
        }
        None => notes.push("`plan` refuses the program as it is: what was drilled is what is deployed".to_owned()),
    }
    let subscribed = cx.graph().nodes_of("aws.sns.subscription").next().is_some();
    match (there.messages, here.messages) {
        (0, 0) if subscribed => notes
            .push("no alarm told anybody: on the simulator only the story confirms subscriptions by e-mail".to_owned()),
        (0, _) if subscribed => notes.push("no alarm told anybody before the fault was lifted".to_owned()),
        _ => {}
    }
    notes
}

fn conclude(cx: &mut Context<'_, '_>, args: &args::Drill, review: &Value, document: &Value) {
    let texts = |field: &str| -> Vec<String> {
        let items = review[field].as_array().into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    for deviation in texts("deviations") {
        cx.out.para("   ✗ ", &deviation, Paint::red);
    }
    for note in texts("notes") {
        cx.out.para("   ! ", &note, Paint::yellow);
    }
    match texts("deviations").is_empty() {
        true => cx.out.para("   ✓ ", "passed: everything as predicted, and nothing is left broken", Paint::green),
        false => cx.out.para("   ✗ ", "failed: not as predicted; nothing is left broken", Paint::red),
    }
    if let Some(path) = &args.evidence {
        let digest = document["sha256"].as_str().unwrap_or_default();
        cx.out.para("   ", &format!("evidence in {}, sha256 {digest}", path.display()), Paint::plain);
    }
}

/// Tells machines where the drill is.
fn phase(cx: &mut Context<'_, '_>, name: &str, aws: &Aws) {
    cx.out.event(&json!({"event": "phase", "phase": name, "at": date(aws.now_s())}));
}

/// Writes the evidence as far as there is any.
fn keep(args: &args::Drill, document: &Value) -> Result<(), Error> {
    match &args.evidence {
        Some(path) => {
            evidence::write(path, document).map_err(|source| Error::File { what: "write", path: path.clone(), source })
        }
        None => Ok(()),
    }
}

/// Who runs it.
fn actor(args: &args::Drill) -> String {
    let user = || ["USER", "LOGNAME"].iter().find_map(std::env::var_os);
    let actor = args.actor.clone().or_else(user);
    actor.map_or_else(|| "somebody".to_owned(), |actor| actor.to_string_lossy().into_owned())
}

impl Fault {
    /// As it is given on the command line.
    fn name(self) -> &'static str {
        match self {
            Fault::Region => "region",
            Fault::Service => "service",
            Fault::Instance => "instance",
        }
    }
}
