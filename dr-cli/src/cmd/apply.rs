//! What `deploy` and `destroy` share: asking, running, saying how it ended.

use std::io::BufRead as _;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dr_core::driver::{Applied, Session};
use dr_core::engine::{Notice, Outcome, Report, Run, Time};
use dr_core::journal::{Entry, Replayed, What, decode};
use dr_core::store::{LockedStore, ReadStore, StoreError, WriteStore};
use dr_core::{BoxFuture, Plan, State};
use serde_json::json;

use crate::cloud::{Cloud, drive};
use crate::context::{Context, Opened, rounded};
use crate::error::{Block, Error};
use crate::exit::Exit;
use crate::progress::Progress;
use crate::render;
use crate::text::{plural, seconds};

/// Shows a plan, and lets the user approve it if it takes something away.
pub(crate) async fn approve(cx: &mut Context<'_, '_>, plan: &Plan) -> Result<(), Error> {
    render::events(cx.out, plan);
    if !cx.out.json {
        render::plan(cx.out, plan);
    }
    let destructive = plan.destructive().count();
    if destructive == 0 || cx.options.yes {
        return Ok(());
    }
    if !cx.out.terminal.input || cx.out.json {
        return Err(Error::NotApproved { destructive });
    }
    cx.out.flush();
    let question = format!("Really take {} away? [y/N] ", plural(destructive, "resource"));
    let question = cx.out.paint_err.bold(&question);
    cx.out.ask(&question);
    let (send, answer) = tokio::sync::oneshot::channel();
    // A thread of its own: reading the terminal cannot be interrupted, and Ctrl-C has to work all the same.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line).is_ok();
        let yes = read && matches!(line.trim().to_lowercase().as_str(), "y" | "yes");
        // Nobody waits for the answer any more when the question was cancelled.
        let _ = send.send(yes);
    });
    match cx.or_cancelled(answer).await {
        Ok(Ok(true)) => Ok(()),
        Ok(_) => Err(Error::Declined),
        Err(error) => {
            cx.out.err("");
            Err(error)
        }
    }
}

/// Runs a plan and shows it.
pub(crate) async fn apply(
    cx: &mut Context<'_, '_>,
    opened: &Opened,
    session: &Session<'_>,
    store: &LockedStore,
    plan: Plan,
) -> Result<Applied, Error> {
    let cancel = cx.cancel();
    if cancel.count() > 0 {
        return Err(Error::Interrupted);
    }
    let kept = Kept { store, cloud: opened.cloud.as_ref(), dir: cx.state_dir() };
    let progress = Mutex::new(Progress::new(cx.out, &plan, opened.clock.now()));
    let mut watch = |_: &Run, now: Time, notice: &Notice| lock(&progress).notice(now, notice);
    let work = session.apply(plan, &kept, |_| true, cancel, &mut watch);
    let ticking = async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            lock(&progress).tick(opened.clock.now(), cancel.count());
        }
    };
    let both = async {
        tokio::select! {
            biased;
            applied = work => applied,
            () = ticking => unreachable!("it ticks for ever"),
        }
    };
    let applied = drive(opened.cloud.as_ref(), both).await;
    progress.into_inner().unwrap_or_else(PoisonError::into_inner).finish();
    Ok(applied?)
}

/// A store that lets the cloud keep its world before an answer of the cloud is recorded. After a kill a simulated account may
/// hold what the journal does not know, which the next run finds; what the journal knows and the account does not would be lost.
struct Kept<'s> {
    store: &'s LockedStore,
    cloud: &'s dyn Cloud,
    dir: PathBuf,
}

impl ReadStore for Kept<'_> {
    fn load(&self) -> BoxFuture<'_, Result<Replayed, StoreError>> {
        self.store.load()
    }
}

impl WriteStore for Kept<'_> {
    fn append(&self, entries: Vec<u8>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            if records_answers(&entries) {
                self.cloud.save().map_err(|error| StoreError::Io {
                    what: "keep the world of the cloud beside",
                    path: self.dir.clone(),
                    source: std::io::Error::other(error),
                })?;
            }
            self.store.append(entries).await
        })
    }

    fn compact<'a>(&'a self, state: &'a State) -> BoxFuture<'a, Result<(), StoreError>> {
        self.store.compact(state)
    }
}

/// Whether entries of a journal say more than what is about to be done.
fn records_answers(entries: &[u8]) -> bool {
    let answer = |entry: &Entry| !matches!(entry.event, What::Began { .. });
    decode(entries).map_or(true, |entries| entries.iter().any(answer))
}

/// A panic while it was held has ended the command.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says how a run ended, and what it means for the exit code. `again` is the command that continues.
pub(crate) fn conclude(cx: &mut Context<'_, '_>, opened: &Opened, applied: &Applied, again: &str) -> Exit {
    for (key, value) in render::summary(applied.plan()) {
        cx.tell(key, value);
    }
    let Applied::Ran { plan, report, .. } = applied else {
        cx.tell("actions", json!({}));
        cx.tell("outcome", "unchanged");
        return Exit::Done;
    };
    cx.tell("planned", json!(plan.counts()));
    cx.tell("actions", json!(report.done));
    let destroyed = report.outcome == Outcome::Deployed && again == "destroy";
    cx.tell("outcome", if destroyed { json!("destroyed") } else { json!(report.outcome) });
    cx.tell("failed", report.failed.len());
    cx.tell("skipped", report.skipped.len());
    cx.tell("unknown", json!(report.unknown));
    match report.outcome {
        Outcome::Deployed => {
            summary(cx, opened, report);
            Exit::Done
        }
        Outcome::Failed => {
            failures(cx, plan, report, again);
            Exit::Failed
        }
        Outcome::Cancelled => {
            let mut text = format!("cancelled: {}", standing(plan, report));
            if !report.unknown.is_empty() {
                text.push_str(&format!(", {} without an answer yet", plural(report.unknown.len(), "call")));
            }
            let text = cx.out.paint_err.yellow(&text);
            cx.out.err(format!("{text}; `{again}` continues from here"));
            Exit::Cancelled
        }
    }
}

/// `3 of 9 steps are done and recorded`.
fn standing(plan: &Plan, report: &Report) -> String {
    let done: u32 = report.done.values().sum();
    format!("{done} of {} are done and recorded", plural(plan.steps.len(), "step"))
}

fn failures(cx: &mut Context<'_, '_>, plan: &Plan, report: &Report, again: &str) {
    let mut blocks: Vec<Block> = report.failed.iter().map(Block::of_step).collect();
    if let Some(why) = &report.store_failure {
        blocks.push(Block {
            title: "the journal cannot be written, so nothing new was begun".to_owned(),
            causes: vec![why.clone()],
            hint: Some("make room, or see to the permissions of the state directory".to_owned()),
            ..Block::default()
        });
    }
    let mut state = standing(plan, report);
    if !report.skipped.is_empty() {
        state.push_str(&format!(", {} not tried", plural(report.skipped.len(), "step")));
    }
    if let Some(last) = blocks.pop() {
        blocks.push(last.state(format!("{state}; `{again}` continues from here")));
    }
    blocks.iter().for_each(|block| block.tell(cx.out));
}

/// What was done, how long it took, how many calls it took.
fn summary(cx: &mut Context<'_, '_>, opened: &Opened, report: &Report) {
    let words = [
        ("create", "created"),
        ("update", "updated"),
        ("delete", "deleted"),
        ("adopt", "taken over"),
        ("forget", "forgotten"),
        ("settle", "waited for"),
    ];
    let parts = words.iter().filter_map(|(action, word)| report.done.get(*action).map(|n| format!("{n} {word}")));
    let mut text = parts.collect::<Vec<_>>().join(", ");
    let wall_s = cx.started.elapsed().as_secs_f64();
    text = match opened.cloud.is_simulated() {
        true => format!("{text} in {} ({} simulated)", seconds(wall_s), seconds(opened.elapsed_s())),
        false => format!("{text} in {}", seconds(wall_s)),
    };
    let mark = cx.out.paint.green("✓");
    cx.out.line(format!("{mark} {text}"));
    calls(cx, opened);
}

/// `212 calls: ec2 120, route53 12`.
fn calls(cx: &mut Context<'_, '_>, opened: &Opened) {
    let mut services: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    for (operation, n) in opened.cloud.calls() {
        let service = operation.split_once(':').map_or("other", |(service, _)| service);
        *services.entry(service.to_owned()).or_default() += n;
    }
    let total: u64 = services.values().sum();
    if total > 0 {
        let mut services: Vec<_> = services.into_iter().collect();
        services.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let shown: Vec<_> = services.iter().map(|(service, n)| format!("{service} {n}")).collect();
        let text = cx.out.paint.dim(&format!("  {}: {}", plural(total as usize, "call"), shown.join(", ")));
        cx.out.line(text);
    }
}

/// Keeps the cloud's world, whatever came before; an error of the command itself goes first.
pub(crate) fn keep<T>(cx: &mut Context<'_, '_>, opened: &Opened, result: Result<T, Error>) -> Result<T, Error> {
    cx.tell_cloud(opened);
    let elapsed = rounded(opened.elapsed_s());
    cx.tell("elapsed_s", elapsed);
    let saved = opened.cloud.save();
    let value = result?;
    saved.map_err(|source| Error::Cloud { doing: format!("save the world of the cloud `{}`", opened.name), source })?;
    Ok(value)
}
