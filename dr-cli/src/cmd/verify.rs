//! `verify`: requests the endpoints as somebody on the internet would, and says which hop fails.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dr_core::store::ReadStore as _;
use dr_core::{Graph, Node, State, Value};
use serde_json::json;

use crate::args;
use crate::asking;
use crate::cloud::{Answer, drive};
use crate::context::{Context, Opened, check_account};
use crate::error::{Block, Error};
use crate::exit::Exit;
use crate::out::Paint;
#[cfg(feature = "aws")]
use crate::pair::Pair;
use crate::text::{moment, plural};
use crate::url::{Url, with_path, with_scheme};

/// An address to request, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Endpoint {
    label: String,
    url: String,
}

pub(crate) async fn run(cx: &mut Context<'_, '_>, args: &args::Verify) -> Result<Exit, Error> {
    let state = cx.store().load().await?.state;
    let endpoints = match args.url.as_slice() {
        [] if state.is_empty() => return Err(cx.nothing_deployed()),
        [] => endpoints(cx, &state, args.path.as_deref()),
        urls => given(urls, args.path.as_deref())?,
    };
    if endpoints.is_empty() {
        let hint = "let the program return its addresses as outputs; or give `--url URL`";
        return Err(Error::usage("there is no endpoint to request", hint));
    }
    let mut opened = cx.open_unidentified().await?;
    identify(cx, &mut opened).await?;
    check_account(&state, opened.account.as_deref())?;
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
        block.tell(cx.out);
    }
    if bad.is_empty() {
        let mark = cx.out.paint.green("✓");
        cx.out.line(format!("{mark} {} served", plural(good, "endpoint")));
    }
    Ok(if bad.is_empty() { Exit::Done } else { Exit::Failed })
}

/// How long it may take to find out whose credentials they are: requests need none.
const IDENTIFY: Duration = Duration::from_secs(5);

/// Finds out which account it is, if that can be found out: the requests do not depend on it.
async fn identify(cx: &mut Context<'_, '_>, opened: &mut Opened) -> Result<(), Error> {
    let asked = tokio::time::timeout(IDENTIFY, drive(opened.cloud.as_ref(), opened.cloud.identify()));
    let why = match cx.or_cancelled(asked).await? {
        Ok(Ok(account)) => {
            opened.account = account;
            return Ok(());
        }
        Ok(Err(error)) => error.code,
        Err(_) => "no answer".to_owned(),
    };
    cx.out.event(&json!({"event": "unidentified", "why": why}));
    cx.out.note(format!("whose account it is could not be found out ({why}): that it is the state's is not certain"));
    Ok(())
}

/// The addresses of the command line.
fn given(urls: &[String], path: Option<&str>) -> Result<Vec<Endpoint>, Error> {
    let endpoint = |given: &String| {
        let url = with_scheme(given);
        let url = path.map_or(url.clone(), |path| with_path(&url, path));
        if Url::parse(&url).is_none() {
            let message = format!("`{given}` is no http or https URL");
            return Err(Error::usage(message, "give `--url https://NAME` or `--url NAME`"));
        }
        Ok(Endpoint { label: "given".to_owned(), url })
    };
    urls.iter().map(endpoint).collect()
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
fn endpoints(cx: &Context<'_, '_>, state: &State, path: Option<&str>) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    // Under which path a host is asked.
    let mut paths = BTreeMap::new();
    let (global, regional): (Vec<_>, Vec<_>) = cx.graph().nodes().partition(|node| node.address.region() == "global");
    for node in regional.into_iter().chain(global) {
        let Some(outputs) = state.outputs(node.address.as_str()) else { continue };
        for url in of_resource(node, outputs) {
            if let Some(url) = Url::parse(&url) {
                paths.insert(url.host, path_of(cx.graph(), node));
            }
            endpoints.push(Endpoint { label: node.address.to_string(), url });
        }
    }
    if let Ok(outputs) = cx.built.outputs(state) {
        named_urls(&outputs, "output", &mut endpoints);
    }
    let mut seen = BTreeSet::new();
    for endpoint in &mut endpoints {
        let known = || Url::parse(&endpoint.url).and_then(|url| paths.get(&url.host).cloned());
        let path = path.map(str::to_owned).or_else(known);
        endpoint.url = with_path(&endpoint.url, path.as_deref().unwrap_or(asking::ROOT));
    }
    endpoints.retain(|endpoint| seen.insert(endpoint.url.clone()));
    endpoints
}

/// The addresses under which a resource of a known type answers.
fn of_resource(node: &Node, outputs: &Value) -> Vec<String> {
    match node.schema.type_name {
        "aws.apigatewayv2.http_api" => asking::endpoint(node, outputs).into_iter().map(with_scheme).collect(),
        "aws.cloudfront.distribution" => {
            let aliases = node.inputs.get("aliases").and_then(Value::as_array);
            let aliases = aliases.into_iter().flatten().filter_map(Value::as_str);
            outputs.get("domain_name").and_then(Value::as_str).into_iter().chain(aliases).map(with_scheme).collect()
        }
        _ => Vec::new(),
    }
}

/// The path to request of a resource that answers.
fn path_of(graph: &Graph, node: &Node) -> String {
    match node.schema.type_name {
        "aws.apigatewayv2.http_api" => asking::path(graph, node).to_owned(),
        #[cfg(feature = "aws")]
        "aws.cloudfront.distribution" => {
            let pairs = Pair::all(graph);
            let pair = pairs.iter().find(|pair| pair.edge.is_some_and(|edge| edge.address == node.address));
            pair.map_or(asking::ROOT, |pair| pair.path(graph)).to_owned()
        }
        _ => asking::ROOT.to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_found_wherever_they_stand_in_the_outputs() {
        let mut endpoints = Vec::new();
        let outputs = json!({"site": {"url": "https://a/"}, "all": ["http://b"], "id": "vpc-1"});
        named_urls(&outputs, "output", &mut endpoints);
        let found: Vec<_> = endpoints.iter().map(|e| (e.label.as_str(), e.url.as_str())).collect();
        assert_eq!(found, [("output all[0]", "http://b"), ("output site url", "https://a/")]);
    }
}
