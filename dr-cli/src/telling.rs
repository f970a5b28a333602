//! What the story and the drill tell in the same way: chapters, and who answered a request.

use dr_core::{Graph, State};
use dr_sim::{Aws, Response};
use serde_json::json;

use crate::asking;
use crate::context::Context;
use crate::out::Paint;
use crate::text::moment;
use crate::url::with_path;
use crate::watch::Scene;

/// The chapters so far.
#[derive(Debug, Default)]
pub(crate) struct Chapters(u32);

impl Chapters {
    pub(crate) fn begin(&mut self, cx: &mut Context<'_, '_>, title: &str) {
        self.0 += 1;
        cx.out.line("");
        cx.out.para(&format!("{}. ", self.0), title, Paint::bold);
    }
}

/// What is requested while all is well, each with the region that has to answer: the regions' own addresses, and what users see.
/// `path` overrules [`asking::path`].
pub(crate) fn addresses(
    graph: &Graph,
    state: &State,
    scene: Option<&Scene<'_>>,
    path: Option<&str>,
) -> Vec<(String, String)> {
    let apis = graph.nodes_of("aws.apigatewayv2.http_api").filter_map(|node| {
        let url = asking::endpoint(node, state.outputs(node.address.as_str())?)?;
        let url = match path.unwrap_or_else(|| asking::path(graph, node)) {
            asking::ROOT => url.to_owned(),
            path => with_path(url, path),
        };
        Some((url, node.region.to_string()))
    });
    apis.chain(scene.map(|scene| (scene.url.clone(), scene.primary.clone()))).collect()
}

/// Requests addresses and shows the answers; what was not as it should be.
pub(crate) async fn request(cx: &mut Context<'_, '_>, aws: &Aws, addresses: &[(String, String)]) -> Vec<String> {
    let mut bad = Vec::new();
    for (url, region) in addresses {
        let response = aws.get(url).await;
        show(cx, url, &response);
        match &response.region {
            _ if !response.is_ok() => {
                let why = response.failed.as_ref().map_or_else(String::new, |failure| format!(": {failure}"));
                let answers = if response.status == 0 {
                    "does not answer".to_owned()
                } else {
                    format!("answers {}", response.status)
                };
                bad.push(format!("{url} {answers}{why}"));
            }
            Some(by) if by != region => bad.push(format!("{url} is answered by {by} and not by {region}")),
            _ => {}
        }
    }
    bad
}

fn show(cx: &mut Context<'_, '_>, url: &str, response: &Response) {
    let Response { status, region, took_ms, .. } = response;
    cx.out.event(&json!({"event": "answer", "url": url, "status": status, "region": region, "took_ms": took_ms}));
    let code = if *status == 0 { "---".to_owned() } else { status.to_string() };
    let code = if response.is_ok() { cx.out.paint.green(&code) } else { cx.out.paint.red(&code) };
    cx.out.para(&format!("   {code}  "), url, Paint::plain);
    let body = response.body.lines().next().unwrap_or_default();
    let words = match &response.failed {
        Some(failure) => failure.to_string(),
        None => format!("\"{body}\" after {}", moment(*took_ms as f64 / 1000.0)),
    };
    cx.out.para("        ", &words, Paint::dim);
}
