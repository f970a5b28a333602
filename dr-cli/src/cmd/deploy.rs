//! `deploy`: makes the cloud what the program says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use dr_core::driver::{Applied, Session};
use dr_core::engine::Outcome;
use dr_core::store::LockedStore;
use dr_core::{Address, Observed, Plan, State};
use serde_json::json;

use super::{apply, outputs};
use crate::args::{self, OnFailure};
use crate::cloud::{Detail, drive};
use crate::context::{Context, Opened};
use crate::error::Error;
use crate::exit::Exit;
use crate::text::plural;

pub(crate) async fn run(cx: &mut Context<'_, '_>, args: &args::Deploy) -> Result<Exit, Error> {
    let (store, opened) = cx.lock_and_open().await?;
    let result = deploy(cx, &opened, &store, args).await;
    apply::keep(cx, &opened, result)
}

async fn deploy(
    cx: &mut Context<'_, '_>,
    opened: &Opened,
    store: &LockedStore,
    args: &args::Deploy,
) -> Result<Exit, Error> {
    let session = cx.session(opened);
    let state = session.load(store).await?;
    let plan = match args.plan.as_deref() {
        Some(path) => load(cx, path, &state)?,
        None => {
            let detail = if args.full { Detail::Full } else { Detail::Lean };
            let observed = cx.observe(opened, &session, &state, detail).await?;
            Plan::between(cx.graph(), &state, &observed)?
        }
    };
    apply::approve(cx, &plan).await?;
    if !plan.is_empty() {
        rights(cx, opened).await?;
    }
    let applied = apply::apply(cx, opened, &session, store, plan).await?;
    let exit = apply::conclude(cx, opened, &applied, "deploy");
    if let Applied::Ran { plan, report, state } = &applied
        && report.outcome == Outcome::Failed
        && cx.options.on_failure == OnFailure::Teardown
    {
        undo(cx, opened, &session, store, plan, state).await?;
    }
    if exit == Exit::Done {
        let state = session.load(store).await?;
        outputs::print(cx, &state)?;
    }
    Ok(exit)
}

/// Warns of rights that the credentials seem to lack: half a deploy later is a bad time to hear of it.
async fn rights(cx: &mut Context<'_, '_>, opened: &Opened) -> Result<(), Error> {
    let asked = drive(&*opened.cloud, opened.cloud.missing_rights(cx.graph()));
    match cx.or_cancelled(asked).await? {
        Ok(Some(missing)) if !missing.is_empty() => {
            cx.out.event(&json!({"event": "missing_rights", "actions": missing}));
            let warning = cx.out.paint_err.yellow("warning");
            cx.out.note(format!(
                "{warning}: the policies of these credentials do not allow {} on all resources:\n  {}\n  \
                 hint: `permissions` prints the policy that the program needs",
                plural(missing.len(), "action"),
                missing.join(", "),
            ));
        }
        Ok(_) => {}
        Err(error) => cx.out.note(format!("whether the credentials have all rights could not be asked: {error}")),
    }
    Ok(())
}

fn load(cx: &Context<'_, '_>, path: &Path, state: &State) -> Result<Plan, Error> {
    let bytes = fs::read(path).map_err(|source| Error::File { what: "read", path: path.to_owned(), source })?;
    Plan::load(&bytes, cx.graph(), state).map_err(|source| Error::SavedPlan { path: path.to_owned(), source })
}

/// Takes away what a failed run created, as `--on-failure teardown` asks.
async fn undo(
    cx: &mut Context<'_, '_>,
    opened: &Opened,
    session: &Session<'_>,
    store: &LockedStore,
    failed: &Plan,
    state: &State,
) -> Result<(), Error> {
    let before = failed.start.as_ref().map(|start| start.resources.keys().cloned().collect()).unwrap_or_default();
    let created = removable(&before, state);
    if created.is_empty() {
        return Ok(());
    }
    cx.out.note("taking away what this run has created:");
    let observed = cx.observe(opened, session, state, Detail::Lean).await?;
    let plan = teardown_of(cx, &created, state, observed)?;
    if plan.is_empty() {
        return Ok(());
    }
    let applied = apply::apply(cx, opened, session, store, plan).await?;
    if let Applied::Ran { report, .. } = &applied {
        cx.tell("torn_down", json!(report.done.get("delete").copied().unwrap_or_default()));
        if report.outcome != Outcome::Deployed {
            apply::conclude(cx, opened, &applied, "destroy");
        }
    }
    Ok(())
}

/// What a run added to a state, but for what something older has come to need.
fn removable(before: &BTreeSet<Address>, after: &State) -> BTreeSet<Address> {
    let mut created: BTreeSet<Address> = after.resources.keys().filter(|a| !before.contains(*a)).cloned().collect();
    let mut users: Vec<Address> = before.iter().filter(|a| after.resources.contains_key(*a)).cloned().collect();
    while let Some(user) = users.pop() {
        let needs = after.resources.get(&user).map(|record| record.needs.as_slice()).unwrap_or_default();
        users.extend(needs.iter().filter(|need| created.remove(*need)).cloned());
    }
    created
}

/// A teardown of some resources; everything else stays in the state as it is.
fn teardown_of(
    cx: &Context<'_, '_>,
    created: &BTreeSet<Address>,
    state: &State,
    mut observed: Observed,
) -> Result<Plan, Error> {
    let mut part = state.clone();
    part.resources.retain(|address, _| created.contains(address));
    observed.found.retain(|(_, _, data)| created.contains(&data.address));
    let mut plan = Plan::teardown(cx.graph(), &part, &observed)?;
    let mut start = state.clone();
    start.resources.retain(|address, _| !created.contains(address));
    if let Some(part) = plan.start.take() {
        start.generation = start.generation.max(part.generation);
        start.resources.extend(part.resources);
    }
    plan.start = Some(start);
    Ok(plan)
}
