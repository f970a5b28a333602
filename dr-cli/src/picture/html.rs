//! The picture as a page: the drawing, and below it the list of resources. No script, nothing from elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use dr_core::{Graph, Node};

use super::svg::Use;
use super::{escaped, layout, scene, svg};
use crate::text::noun;

const STYLE: &str = "
:root{color-scheme:light dark}body{margin:0;background:#f6f7fb;color:#172033;
font:14px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}
main{max-width:1240px;margin:0 auto;padding:8px 0 48px}svg{display:block;width:100%;height:auto}
details{margin:12px 32px;background:#fff;border:1px solid #dfe3ec;border-radius:12px;padding:0 20px}
summary{cursor:pointer;padding:14px 0;font-weight:650}summary small{font-weight:400;color:#667089;margin-left:8px}
table{border-collapse:collapse;width:100%;margin:0 0 14px}td,th{text-align:left;padding:5px 12px 5px 0;border-top:1px solid #dfe3ec;
vertical-align:top;overflow-wrap:anywhere}th{font-weight:600;color:#667089}td:first-child{font-family:ui-monospace,Menlo,Consolas,monospace;
font-size:12.5px}.n{text-align:right}
@media (prefers-color-scheme:dark){body{background:#0e131f;color:#e8ecf5}details{background:#151c2c;border-color:#2a344a}
td,th{border-color:#2a344a}th,summary small{color:#97a3ba}}
@media (max-width:640px){details{margin:12px 8px}}
";

/// The picture as a page.
pub(crate) fn html(graph: &Graph) -> String {
    let picture = svg::draw(&layout::place(&scene::of(graph)), Use::Page);
    let name = escaped(graph.name());
    // Writing to a String cannot fail.
    let mut out = String::new();
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{name}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><style>{STYLE}</style></head>\n<body><main>\n\
         {picture}"
    );
    let mut regions: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
    graph.nodes().for_each(|node| regions.entry(node.address.region()).or_default().push(node));
    for (region, nodes) in regions {
        let _ = writeln!(
            out,
            "<details><summary>{}<small>{}</small></summary><table><tr><th>address</th><th>type</th><th>needs</th>\
             <th class=\"n\">creates in</th></tr>",
            escaped(region),
            noun(nodes.len(), "resource")
        );
        for node in nodes {
            let needs: Vec<String> =
                graph.needs(node.address.as_str()).map(|(n, _)| escaped(n.address.path())).collect();
            let _ = writeln!(
                out,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{} s</td></tr>",
                escaped(node.address.path()),
                escaped(node.schema.type_name),
                needs.join(", "),
                node.schema.create_s
            );
        }
        out.push_str("</table></details>\n");
    }
    out.push_str("</main></body></html>\n");
    out
}
