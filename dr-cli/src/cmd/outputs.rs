//! `outputs`: what the program promises, with the values that the state has.

use std::collections::BTreeMap;

use dr_core::store::ReadStore as _;
use dr_core::{State, Value, value};
use serde_json::json;

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::text::shown;

pub(crate) async fn run(cx: &mut Context<'_, '_>) -> Result<Exit, Error> {
    let state = cx.store().load().await?.state;
    if state.is_empty() {
        return Err(cx.nothing_deployed());
    }
    if cx.graph().outputs().is_null() {
        cx.out.note("the program promises no outputs");
    }
    let reference = |reference: &value::Reference<'_>| reference.select(state.outputs(reference.address)?);
    let (mut outputs, complete) = value::resolve(cx.graph().outputs(), &reference);
    if complete {
        print(cx, &state)?;
    } else {
        forget_unknown(&mut outputs);
        show(cx, &outputs);
        cx.out.note("what is not known yet is made by the next deploy");
    }
    cx.tell("complete", complete);
    Ok(Exit::Done)
}

/// Null in the place of everything that only a resource knows which does not exist.
fn forget_unknown(outputs: &mut Value) {
    match outputs {
        // Keys that begin so are references and texts with references.
        Value::Object(fields) if fields.keys().any(|key| key.starts_with('$')) => *outputs = Value::Null,
        Value::Object(fields) => fields.values_mut().for_each(forget_unknown),
        Value::Array(items) => items.iter_mut().for_each(forget_unknown),
        _ => {}
    }
}

/// Prints the outputs of a program whose resources all exist.
pub(crate) fn print(cx: &mut Context<'_, '_>, state: &State) -> Result<(), Error> {
    let outputs = cx.built.outputs(state)?;
    show(cx, &outputs);
    Ok(())
}

fn show(cx: &mut Context<'_, '_>, outputs: &Value) {
    if outputs.is_null() {
        cx.out.event(&json!({"event": "outputs", "outputs": {}}));
        return;
    }
    cx.out.event(&json!({"event": "outputs", "outputs": outputs}));
    let text = |value: &Value| if value.is_null() { "(not known yet)".to_owned() } else { shown(value) };
    match outputs {
        Value::Object(fields) => {
            // By name: whether a JSON object keeps its order is the choice of whoever builds the program.
            let fields: BTreeMap<&String, &Value> = fields.iter().collect();
            let width = fields.keys().map(|name| name.chars().count()).max().unwrap_or_default();
            for (name, value) in fields {
                let name = cx.out.paint.bold(&format!("{name:<width$}"));
                cx.out.line(format!("{name} = {}", text(value)));
            }
        }
        single => cx.out.line(text(single)),
    }
}
