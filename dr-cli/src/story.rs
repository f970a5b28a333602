//! The story.

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;

/// Deploys the program on a fresh simulator, lets the primary region fail and come back, and takes everything away.
pub(crate) async fn tell(cx: &mut Context<'_, '_>) -> Result<Exit, Error> {
    let name = cx.graph().name().to_owned();
    Err(Error::usage(format!("the story of `{name}` is not written yet"), "give a command: `--help` lists them"))
}
