//! `outputs`: what the program promises, with the values that the state has.

use std::collections::BTreeMap;

use dr_core::store::ReadStore as _;
use dr_core::{State, Value};
use serde_json::json;

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::text::shown;

pub(crate) async fn run(cx: &mut Context<'_, '_>) -> Result<Exit, Error> {
    let state = cx.store().load().await?.state;
    print(cx, &state, true)?;
    Ok(Exit::Done)
}

/// Prints the outputs; `asked` says that they are all that was asked for.
pub(crate) fn print(cx: &mut Context<'_, '_>, state: &State, asked: bool) -> Result<(), Error> {
    let outputs = cx.built.outputs(state)?;
    if outputs.is_null() {
        if asked {
            cx.out.note("the program promises no outputs");
        }
        cx.out.event(&json!({"event": "outputs", "outputs": {}}));
        return Ok(());
    }
    cx.out.event(&json!({"event": "outputs", "outputs": outputs}));
    match &outputs {
        Value::Object(fields) => {
            // By name: whether a JSON object keeps its order is the choice of whoever builds the program.
            let fields: BTreeMap<&String, &Value> = fields.iter().collect();
            let width = fields.keys().map(|name| name.chars().count()).max().unwrap_or_default();
            for (name, value) in fields {
                let name = cx.out.paint.bold(&format!("{name:<width$}"));
                cx.out.line(format!("{name} = {}", shown(value)));
            }
        }
        single => cx.out.line(shown(single)),
    }
    Ok(())
}
