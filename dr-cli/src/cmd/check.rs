//! `check`: what the catalogue and the program's own rules find. Errors of the program's own rules that are not waived end every
//! command already, while the program is built; those of the catalogue refuse `plan` and `deploy`.

use dr_core::{Finding, Kind, Severity};

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::out::Paint;
use crate::render;
use crate::text::plural;

pub(crate) fn run(cx: &mut Context<'_, '_>) -> Result<Exit, Error> {
    let graph = cx.graph();
    let findings = cx.built.findings();
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
    let managed = graph.nodes().filter(|node| node.schema.kind == Kind::Managed).count();
    let mark = if errors + warnings == 0 { cx.out.paint.green("✓ ") } else { String::new() };
    let mut text = format!("{} checked: ", plural(managed, "resource"));
    text.push_str(&match (errors, warnings) {
        (0, 0) => "nothing found".to_owned(),
        (0, w) => plural(w, "warning"),
        (e, w) => format!("{}, {}", plural(e, "error"), plural(w, "warning")),
    });
    if waived > 0 {
        text.push_str(&format!(", {waived} accepted"));
    }
    cx.out.para(&mark, &text, Paint::plain);
    Ok(if errors > 0 { Exit::Program } else { Exit::Done })
}

/// Says what the catalogue finds before something is made; what the program's own rules find is a part of the plan.
pub(crate) fn warn(cx: &mut Context<'_, '_>) {
    let own = cx.graph().findings();
    let further = |finding: &&Finding| !own.iter().any(|it| (&it.id, &it.address) == (&finding.id, &finding.address));
    let (accepted, open): (Vec<_>, Vec<_>) =
        cx.built.findings().iter().filter(further).partition(|finding| finding.waived.is_some());
    for finding in &accepted {
        cx.out.event(&render::finding_event(finding));
    }
    for finding in open {
        cx.out.event(&render::finding_event(finding));
        cx.out.note(render::finding_text(finding, cx.out.paint_err));
    }
}
