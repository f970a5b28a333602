//! `plan`: what a deploy would do. Reads, and writes nothing but the file it is asked to save.

use std::fs;

use dr_core::{Observed, Plan, PlanError};

use crate::args;
use crate::cloud::Detail;
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::render;
use crate::text::plural;

pub(crate) async fn run(cx: &mut Context<'_, '_>, args: &args::Plan) -> Result<Exit, Error> {
    let opened = cx.open().await?;
    let session = cx.session(&opened);
    let state = session.load(&cx.store()).await?;
    let observed = match args.no_refresh {
        true => Observed::unchanged(),
        false if args.full => cx.observe(&opened, &session, &state, Detail::Full).await?,
        false => cx.observe(&opened, &session, &state, Detail::Lean).await?,
    };
    let plan = Plan::between(cx.graph(), &state, &observed).map_err(|errors| {
        // Nothing was looked for, so that something is not there was not found out.
        let never_read = errors.0.iter().filter(|error| matches!(error, PlanError::NotFound { .. })).count();
        match args.no_refresh && never_read > 0 {
            true => {
                let what = plural(never_read, "value");
                Error::usage(format!("{what} to look up, and none of them was ever read"), "leave out `--no-refresh`")
            }
            false => errors.into(),
        }
    })?;
    render::events(cx.out, &plan);
    if !cx.out.json {
        render::plan(cx.out, &plan);
    }
    if let Some(path) = &args.out {
        fs::write(path, plan.save()).map_err(|source| Error::File { what: "write", path: path.clone(), source })?;
        cx.out.note(format!("saved as {0}; `deploy {0}` does exactly this", path.display()));
    }
    for (key, value) in render::summary(&plan) {
        cx.tell(key, value);
    }
    cx.tell_cloud(&opened);
    let pending = args.detailed_exitcode && !plan.is_empty();
    Ok(if pending { Exit::Pending } else { Exit::Done })
}
