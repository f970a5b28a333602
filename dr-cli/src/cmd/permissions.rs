//! `permissions`: the IAM actions that the program needs, as a policy. Asks nobody.

use crate::context::Context;
use crate::exit::Exit;

pub(crate) fn run(cx: &mut Context<'_, '_>) -> Exit {
    let policy = dr_aws::permissions::policy(cx.graph());
    if cx.out.json {
        cx.tell("policy", policy);
    } else {
        // A JSON value prints without an error.
        cx.out.raw(&format!("{policy:#}"));
    }
    Exit::Done
}
