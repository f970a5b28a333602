//! What is requested of a program to see whether it serves: the addresses of its APIs, and under which path.

use dr_core::value::references;
use dr_core::{Graph, Node, Value};

/// The path of whatever answers.
pub(crate) const ROOT: &str = "/";

/// An API's own address; none when the program has switched that off.
pub(crate) fn endpoint<'o>(api: &Node, outputs: &'o Value) -> Option<&'o str> {
    let off = api.inputs["execute_api_endpoint"].as_bool() == Some(false);
    outputs.get("endpoint")?.as_str().filter(|_| !off)
}

/// The path to request of an API: `/`, or, where its routes ask for credentials, the path that its health check probes, which is
/// open to everybody. A request from here has no credentials.
pub(crate) fn path<'g>(graph: &'g Graph, api: &Node) -> &'g str {
    if !is_guarded(graph, api) {
        return ROOT;
    }
    let mut checks = graph.nodes_of("aws.route53.health_check").filter(|check| refers(&check.inputs["host"], api));
    checks.find_map(probed).unwrap_or(ROOT)
}

/// The path that a health check probes.
pub(crate) fn probed(check: &Node) -> Option<&str> {
    check.inputs["path"].as_str()
}

/// Whether a route of an API asks for credentials.
pub(crate) fn is_guarded(graph: &Graph, api: &Node) -> bool {
    let asks = |route: &Node| {
        !matches!(&route.inputs["authorization"], Value::Null) && route.inputs["authorization"] != "none"
    };
    graph.nodes_of("aws.apigatewayv2.route").any(|route| asks(route) && refers(&route.inputs["api"], api))
}

fn refers(value: &Value, to: &Node) -> bool {
    let mut found = false;
    references(value, &mut |reference| found |= reference.address == to.address.as_str());
    found
}
