//! `destroy`: takes everything away, and proves that nothing is left by reading every type in every region.

use dr_core::driver::{Applied, Deepness, refresh};
use dr_core::store::{LockedStore, ReadStore};
use dr_core::{Action, Health, Kind, Plan};
use serde_json::json;

use super::apply;
use crate::cloud::{Detail, drive};
use crate::context::{Context, Opened};
use crate::error::{Block, Error};
use crate::exit::Exit;
use crate::out::Paint;
use crate::text::plural;

pub(crate) async fn run(cx: &mut Context<'_, '_>) -> Result<Exit, Error> {
    // What is nowhere leaves no directory behind.
    if !cx.state_dir().exists() && nothing(cx).await? {
        return Ok(Exit::Done);
    }
    let (store, opened) = cx.lock_and_open().await?;
    let result = destroy(cx, &opened, &store).await;
    apply::keep(cx, &opened, result)
}

/// Says that nothing is there, if that is so, state or no state.
async fn nothing(cx: &mut Context<'_, '_>) -> Result<bool, Error> {
    let (opened, store) = (cx.open().await?, cx.store());
    let session = cx.session(&opened);
    let state = session.load(&store).await?;
    let observed = cx.observe(&opened, &session, &state, Detail::Lean).await?;
    let plan = Plan::teardown(cx.graph(), &state, &observed)?;
    if !plan.is_empty() || !observed.failed.is_empty() {
        return Ok(false);
    }
    let words = cx.nothing_words();
    cx.out.para("", &words, Paint::plain);
    let unchanged = Applied::Unchanged(plan);
    apply::conclude(cx, &opened, &unchanged, "destroy");
    prove(cx, &opened, &store, &unchanged).await?;
    cx.tell_cloud(&opened);
    Ok(true)
}

async fn destroy(cx: &mut Context<'_, '_>, opened: &Opened, store: &LockedStore) -> Result<Exit, Error> {
    let session = cx.session(opened);
    let state = session.load(store).await?;
    let observed = cx.observe(opened, &session, &state, Detail::Lean).await?;
    let plan = Plan::teardown(cx.graph(), &state, &observed)?;
    if plan.is_empty() && state.is_empty() {
        let words = cx.nothing_words();
        cx.out.para("", &words, Paint::plain);
    } else {
        apply::approve(cx, &plan).await?;
    }
    let applied = apply::apply(cx, opened, &session, store, plan).await?;
    let exit = apply::conclude(cx, opened, &applied, "destroy");
    if exit != Exit::Done {
        return Ok(exit);
    }
    prove(cx, opened, store, &applied).await
}

/// Reads everything that could carry the stack's ownership.
async fn prove(
    cx: &mut Context<'_, '_>,
    opened: &Opened,
    store: &dyn ReadStore,
    applied: &Applied,
) -> Result<Exit, Error> {
    let session = cx.session(opened);
    let state = session.load(store).await?;
    opened.cloud.refresh_begins(Detail::Lean);
    let reading = refresh(cx.graph(), &state, &session.registry, session.clock.as_ref(), Deepness::Everything);
    let observed = cx.or_cancelled(drive(opened.cloud.as_ref(), reading)).await?;
    let managed = |type_name: &str| session.registry.get(type_name).is_none_or(|p| p.schema().kind == Kind::Managed);
    let retained = |address: &dr_core::Address| {
        applied.plan().steps.iter().any(|step| step.action == Action::Forget && step.address == *address)
    };
    let owned: Vec<_> =
        observed.found.iter().filter(|(type_name, ..)| managed(type_name)).map(|(_, _, data)| data).collect();
    // What was asked to stay is no residue, and neither is what AWS still shows while it leaves.
    let (kept, left): (Vec<_>, Vec<_>) = owned.into_iter().partition(|data| retained(&data.address));
    let (leaving, left): (Vec<_>, Vec<_>) = left.into_iter().partition(|data| data.health == Health::Leaving);
    cx.tell("leaving", leaving.len());
    cx.tell("residue", left.len());
    cx.tell("residue_addresses", left.iter().map(|data| data.address.as_str()).collect::<Vec<_>>());
    cx.tell("retained", json!(kept.len()));
    cx.tell("checked", observed.read.len());
    if let Some(source) = observed.failed.values().next() {
        return Err(Error::Unread { groups: observed.failed.len(), source: source.clone() });
    }
    if !kept.is_empty() {
        cx.out.line(format!("{} kept, as the program asks", plural(kept.len(), "resource")));
    }
    if !leaving.is_empty() {
        cx.out.line(format!("{} deleted and still shown while it leaves", plural(leaving.len(), "resource")));
    }
    if left.is_empty() {
        let mark = cx.out.paint.green("✓");
        let (reads, name) = (plural(observed.read.len(), "read"), cx.graph().name());
        cx.out.line(format!("{mark} nothing is left of `{name}`: every type looked for in every region ({reads})"));
        return Ok(Exit::Done);
    }
    let block = Block {
        title: format!("{} left", plural(left.len(), "resource")),
        causes: left.iter().map(|data| format!("{} carries the ownership of the stack", data.address)).collect(),
        hint: Some("run `destroy` again: it takes in what it has found".to_owned()),
        ..Block::default()
    };
    block.tell(cx.out);
    Ok(Exit::Failed)
}
