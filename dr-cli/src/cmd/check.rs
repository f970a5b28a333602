//! `check`: what the program's rules find. Errors that are not waived end every command already, while the program is built.

use dr_core::Severity;

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::render;
use crate::text::plural;

pub(crate) fn run(cx: &mut Context<'_, '_>) -> Result<Exit, Error> {
    let graph = cx.graph();
    let findings = graph.findings();
    for finding in findings {
        cx.out.event(&render::finding_event(finding));
        render::finding(cx.out, finding);
    }
    let count = |severity: Severity| findings.iter().filter(|f| f.severity == severity && f.waived.is_none()).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let waived = findings.iter().filter(|f| f.waived.is_some()).count();
    cx.tell("errors", errors);
    cx.tell("warnings", warnings);
    cx.tell("waived", waived);
    let mark = if errors + warnings == 0 { cx.out.paint.green("✓ ") } else { String::new() };
    let mut text = format!("{mark}{} checked: ", plural(graph.len(), "resource"));
    text.push_str(&match (errors, warnings) {
        (0, 0) => "nothing found".to_owned(),
        (0, w) => plural(w, "warning"),
        (e, w) => format!("{}, {}", plural(e, "error"), plural(w, "warning")),
    });
    if waived > 0 {
        text.push_str(&format!(", {waived} accepted"));
    }
    cx.out.line(text);
    Ok(if errors > 0 { Exit::Program } else { Exit::Done })
}
