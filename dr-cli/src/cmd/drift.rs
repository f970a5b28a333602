//! `drift`: what somebody else has changed since the last deploy. Reads everything and writes nothing.

use std::collections::BTreeSet;

use dr_core::Kind;

use crate::args;
use crate::cloud::Detail;
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::out::Paint;
use crate::render;
use crate::text::plural;

pub(crate) async fn run(cx: &mut Context<'_, '_>, args: &args::Drift) -> Result<Exit, Error> {
    let opened = cx.open().await?;
    let session = cx.session(&opened);
    let state = session.load(&cx.store()).await?;
    let observed = cx.observe(&opened, &session, &state, Detail::Full).await?;
    let (_, drift) = observed.reconcile(cx.graph(), &state);
    for drift in &drift {
        cx.out.event(&render::drift_event(drift));
        render::drift_lines(cx.out, drift);
    }
    // One resource may be changed and carry an old name as well.
    let drifted: BTreeSet<_> = drift.iter().map(|drift| &drift.address).collect();
    cx.tell("drift", drifted.len());
    cx.tell_cloud(&opened);
    if let Some(source) = observed.failed.values().next() {
        return Err(Error::Unread { groups: observed.failed.len(), source: source.clone() });
    }
    match drifted.len() {
        0 => {
            // What is only looked up is not compared.
            let looked_up =
                |address: &str| cx.graph().get(address).is_some_and(|node| node.schema.kind == Kind::Lookup);
            let compared = state.resources.keys().filter(|address| !looked_up(address.as_str())).count();
            let words = match compared {
                0 => cx.nothing_words(),
                n => format!("no drift: {} as the last deploy left them", plural(n, "resource")),
            };
            cx.out.para("", &words, Paint::plain);
        }
        n => {
            let differ = if n == 1 { "differs" } else { "differ" };
            let words = format!(
                "{} {differ} from what the last deploy left; `plan --full` shows what a deploy makes of it, `deploy --full` \
                 brings it back",
                plural(n, "resource")
            );
            cx.out.para("", &words, Paint::plain);
        }
    }
    Ok(if args.detailed_exitcode && !drift.is_empty() { Exit::Pending } else { Exit::Done })
}
