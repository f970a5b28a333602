//! `verify`: requests the endpoints as somebody on the internet would, and says which hop fails.

use std::collections::{BTreeMap, BTreeSet};

use dr_core::store::ReadStore as _;
use dr_core::{State, Value};
use serde_json::json;

use crate::args;
use crate::cloud::{Answer, drive};
use crate::context::Context;
use crate::error::{Block, Error};
use crate::exit::Exit;
use crate::out::Paint;
use crate::text::{moment, plural};

/// An address to request, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Endpoint {
    label: String,
    url: String,
}

pub(crate) async fn run(cx: &mut Context<'_, '_>, args: &args::Verify) -> Result<Exit, Error> {
    let state = cx.store().load().await?.state;
    let endpoints = match args.url.as_slice() {
        [] => endpoints(cx, &state, &args.path),
        urls => urls.iter().map(|url| Endpoint { label: "given".to_owned(), url: with_scheme(url) }).collect(),
    };
    if endpoints.is_empty() {
        let hint = "deploy first; or let the program return its addresses as outputs; or give `--url URL`";
        return Err(Error::usage("there is no endpoint to request", hint));
    }
    let opened = cx.open().await?;
    let (mut good, mut bad) = (0, Vec::new());
    for endpoint in &endpoints {
        let requested = cx.or_cancelled(drive(opened.cloud.as_ref(), opened.cloud.request(&endpoint.url))).await?;
        let answer = requested.map_err(|source| Error::Cloud { doing: format!("request {}", endpoint.url), source })?;
        show(cx, endpoint, &answer);
        if answer.is_good() { good += 1 } else { bad.push((endpoint, answer)) }
    }
    cx.tell("good", good);
    cx.tell("bad", bad.len());
    cx.tell_cloud(&opened);
    for (endpoint, answer) in &bad {
        let block = Block {
            title: format!("{} does not serve", endpoint.url),
            causes: vec![why(answer)],
            state: answer.hops.last().map(|hop| format!("the request got as far as {hop}")),
            ..Block::default()
        };
        let text = block.text(cx.out.paint_err);
        cx.out.err(text);
    }
    if bad.is_empty() {
        let mark = cx.out.paint.green("✓");
        cx.out.line(format!("{mark} {} served", plural(good, "endpoint")));
    }
    Ok(if bad.is_empty() { Exit::Done } else { Exit::Failed })
}

fn why(answer: &Answer) -> String {
    match (&answer.failed, answer.status) {
        (Some(failed), _) => failed.clone(),
        (None, Some(status)) => format!("it answers {status}"),
        (None, None) => "no answer".to_owned(),
    }
}

fn show(cx: &mut Context<'_, '_>, endpoint: &Endpoint, answer: &Answer) {
    cx.out.event(&json!({
        "event": "answer",
        "endpoint": endpoint.label,
        "url": endpoint.url,
        "status": answer.status,
        "region": answer.region,
        "hops": answer.hops,
        "failed": answer.failed,
        "took_ms": u64::try_from(answer.took.as_millis()).unwrap_or(u64::MAX),
    }));
    let status = answer.status.map_or_else(|| "---".to_owned(), |status| status.to_string());
    let status = if answer.is_good() { cx.out.paint.green(&status) } else { cx.out.paint.red(&status) };
    // Whole, however narrow the terminal is: somebody will want to copy it.
    cx.out.line(format!("{status}  {}", endpoint.url));
    let region = answer.region.as_ref().map(|region| format!(" from {region}")).unwrap_or_default();
    let way = match answer.hops.as_slice() {
        [] => String::new(),
        hops => format!(", {} to {}", plural(hops.len(), "hop"), hops[hops.len() - 1]),
    };
    let line = format!("{}{region} in {}{way}", endpoint.label, moment(answer.took.as_secs_f64()));
    cx.out.para("     ", &line, Paint::dim);
}

/// What can be requested: the regions' own addresses first, then those of resources of no region, then what the program promises.
fn endpoints(cx: &Context<'_, '_>, state: &State, path: &str) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    let (global, regional): (Vec<_>, Vec<_>) = cx.graph().nodes().partition(|node| node.address.region() == "global");
    for node in regional.into_iter().chain(global) {
        let Some(outputs) = state.outputs(node.address.as_str()) else { continue };
        for url in of_resource(node.schema.type_name, &node.inputs, outputs) {
            endpoints.push(Endpoint { label: node.address.to_string(), url });
        }
    }
    if let Ok(outputs) = cx.built.outputs(state) {
        named_urls(&outputs, "output", &mut endpoints);
    }
    let mut seen = BTreeSet::new();
    for endpoint in &mut endpoints {
        endpoint.url = with_path(&endpoint.url, path);
    }
    endpoints.retain(|endpoint| seen.insert(endpoint.url.clone()));
    endpoints
}

/// The addresses under which a resource of a known type answers.
fn of_resource(type_name: &str, inputs: &Value, outputs: &Value) -> Vec<String> {
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    match type_name {
        "aws.apigatewayv2.http_api" => text(outputs, "endpoint").into_iter().map(|url| with_scheme(&url)).collect(),
        "aws.cloudfront.distribution" => {
            let aliases = inputs.get("aliases").and_then(Value::as_array);
            let aliases = aliases.into_iter().flatten().filter_map(Value::as_str).map(with_scheme);
            text(outputs, "domain_name").into_iter().map(|name| with_scheme(&name)).chain(aliases).collect()
        }
        _ => Vec::new(),
    }
}

/// The URLs among the outputs of a program.
fn named_urls(value: &Value, name: &str, endpoints: &mut Vec<Endpoint>) {
    match value {
        Value::String(text) if text.starts_with("https://") || text.starts_with("http://") => {
            endpoints.push(Endpoint { label: name.to_owned(), url: text.clone() });
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| named_urls(item, &format!("{name}[{at}]"), endpoints));
        }
        Value::Object(fields) => {
            // By name, as `outputs` prints them.
            let fields: BTreeMap<&String, &Value> = fields.iter().collect();
            fields.into_iter().for_each(|(field, item)| named_urls(item, &format!("{name} {field}"), endpoints));
        }
        _ => {}
    }
}

fn with_scheme(url: &str) -> String {
    if url.contains("://") { url.to_owned() } else { format!("https://{url}") }
}

/// Puts a path where the URL has none of its own.
fn with_path(url: &str, path: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    match rest.split_once('/') {
        Some((_, own)) if !own.is_empty() => url.to_owned(),
        Some((host, _)) => format!("{scheme}://{host}/{}", path.trim_start_matches('/')),
        None => format!("{scheme}://{rest}/{}", path.trim_start_matches('/')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_put_where_there_is_none() {
        assert_eq!(with_path("https://a.example.com", "/health"), "https://a.example.com/health");
        assert_eq!(with_path("https://a.example.com/", "health"), "https://a.example.com/health");
        assert_eq!(with_path("https://a.example.com/v1", "/health"), "https://a.example.com/v1");
    }

    #[test]
    fn urls_are_found_wherever_they_stand_in_the_outputs() {
        let mut endpoints = Vec::new();
        let outputs = json!({"site": {"url": "https://a/"}, "all": ["http://b"], "id": "vpc-1"});
        named_urls(&outputs, "output", &mut endpoints);
        let found: Vec<_> = endpoints.iter().map(|e| (e.label.as_str(), e.url.as_str())).collect();
        assert_eq!(found, [("output all[0]", "http://b"), ("output site url", "https://a/")]);
    }
}
