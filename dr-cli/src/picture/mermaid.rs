//! The program in Mermaid's language, for Markdown pages: one subgraph for each region.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use dr_core::{Graph, Need};

/// The program as a flowchart.
pub(crate) fn mermaid(graph: &Graph) -> String {
    let ids: BTreeMap<&str, usize> = graph.nodes().enumerate().map(|(id, node)| (node.address.as_str(), id)).collect();
    let mut regions: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (id, node) in graph.nodes().enumerate() {
        regions.entry(node.address.region()).or_default().push(id);
    }
    let nodes: Vec<_> = graph.nodes().collect();
    // Writing to a String cannot fail.
    let mut out = String::from("flowchart LR\n");
    for (number, (region, members)) in regions.iter().enumerate() {
        let _ = writeln!(out, "  subgraph r{number}[\"{}\"]", quoted(region));
        for &id in members {
            let node = nodes[id];
            let (path, kind) = (quoted(node.address.path()), quoted(node.schema.type_name));
            let _ = writeln!(out, "    n{id}[\"{path}<br/><small>{kind}</small>\"]");
        }
        out.push_str("  end\n");
    }
    for (id, node) in nodes.iter().enumerate() {
        for (needed, need) in graph.needs(node.address.as_str()) {
            let arrow = if need == Need::Accepted { "-.->" } else { "-->" };
            let _ = writeln!(out, "  n{id} {arrow} n{}", ids[needed.address.as_str()]);
        }
    }
    out
}

/// Mermaid has no escape for quotes but entities of its own.
fn quoted(text: &str) -> String {
    text.replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}
