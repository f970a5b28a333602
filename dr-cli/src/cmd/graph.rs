//! `graph`: draws the program.

use std::fs;

use crate::args::{self, Format};
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::picture;

pub(crate) fn run(cx: &mut Context<'_, '_>, args: &args::Graph) -> Result<Exit, Error> {
    let named = args.out.as_ref().and_then(|path| path.extension()?.to_str()).map(str::to_lowercase);
    let format = match (args.format, named.as_deref()) {
        (Some(format), _) => format,
        (None, Some("svg")) => Format::Svg,
        (None, Some("html" | "htm")) => Format::Html,
        (None, Some("mmd" | "mermaid" | "md")) => Format::Mermaid,
        (None, Some("dot" | "gv") | None) => Format::Dot,
        (None, Some(other)) => {
            let hint = "name it .svg, .html, .mmd or .dot, or choose with `--format`";
            return Err(Error::usage(format!("`.{other}` is no form that a graph is written in"), hint));
        }
    };
    let graph = cx.graph();
    let text = match format {
        Format::Dot => graph.dot(),
        Format::Mermaid => picture::mermaid(graph),
        Format::Svg => picture::svg(graph),
        Format::Html => picture::html(graph),
    };
    cx.tell("resources", cx.managed());
    match &args.out {
        Some(path) => {
            fs::write(path, text).map_err(|source| Error::File { what: "write", path: path.clone(), source })?;
            cx.out.note(format!("written to {}", path.display()));
        }
        None if cx.out.json => cx.out.event(&serde_json::json!({"event": "graph", "text": text})),
        None => {
            cx.out.raw(&text);
            if format == Format::Dot && cx.out.terminal.out.is_some() {
                cx.out.note(
                    "this is for Graphviz; `graph --out site.svg` and `graph --out site.html` draw it themselves",
                );
            }
        }
    }
    Ok(Exit::Done)
}
