//! API Gateway: from a host name to an API, a stage, a route, and through a VPC link to a load balancer.

use super::Internet;
use super::alb;
use super::auth;
use super::faults::Service;
use super::http::{Got, Hop, Part, Reply, Request, Trace};
use super::moment::Moment;
use super::route;
use super::vpc::End;
use crate::control::apigatewayv2::{Api, Cors, Domain, Integration, VpcLink};

/// How long API Gateway takes for itself **(assumption)**, in milliseconds.
const OWN_MS: u64 = 8;

/// The certificate that the endpoint shows for a name: of the custom domain name, else of the endpoint itself, whose
/// names are those of execute-api and, at the address of a custom domain name, of that one.
pub(super) fn certificate_fits(
    net: &Internet<'_>,
    at: &Moment,
    region: &str,
    endpoint: &str,
    sni: &str,
    names: &[&str],
) -> Result<(), String> {
    let domains = &net.world.apigatewayv2.domains;
    let own = || domains.values().find(|domain| domain.region == region && domain.target == endpoint);
    if is_execute_api(region, sni) {
        let fits = |name: &&str| is_execute_api(region, name);
        return if names.iter().any(fits) {
            Ok(())
        } else {
            Err(format!("the certificate is for *.execute-api.{region}.amazonaws.com"))
        };
    }
    match net.world.apigatewayv2.domain_for(region, sni).or_else(own) {
        Some(domain) => net.certificate_fits(at, &domain.certificate, names),
        None => Err(format!("the certificate is for *.execute-api.{region}.amazonaws.com and not for {sni}")),
    }
}

fn is_execute_api(region: &str, host: &str) -> bool {
    host.strip_suffix(&format!(".execute-api.{region}.amazonaws.com"))
        .is_some_and(|id| !id.is_empty() && !id.contains('.'))
}

/// Sends a request to the endpoint of API Gateway in a region, after the handshake.
pub(super) fn send(net: &Internet<'_>, at: &Moment, trace: &mut Trace, region: &str, request: &Request) -> Got {
    trace.region = Some(region.to_owned());
    let begun = trace.path.len();
    let got = if net.faults.service_away(at, region, Service::ApiGateway) {
        let hop = Hop::new(Part::Endpoint, format!("execute-api.{region}"), Some(region));
        trace.fail(hop, "API Gateway of the region answers nothing but errors");
        // The error is one of the API that was asked for.
        if let Ok((api, stage, _)) = target(net, at, &mut Trace::default(), region, request) {
            trace.reach(api_hop(api, &stage));
        }
        Reply::json(500, "Internal Server Error").after(0)
    } else {
        answer(net, at, trace, region, request)
    };
    let hop = trace.path[begun..].iter_mut().find(|hop| hop.part == Part::Api);
    if let (Some(hop), Got::Reply { reply, .. }) = (hop, &got) {
        hop.status = Some(reply.status);
    }
    got.later(OWN_MS)
}

fn api_hop(api: &Api, stage: &str) -> Hop {
    Hop::new(Part::Api, format!("{}/{stage}", api.id), Some(&api.region))
}

fn answer(net: &Internet<'_>, at: &Moment, trace: &mut Trace, region: &str, request: &Request) -> Got {
    let (api, stage, path) = match target(net, at, trace, region, request) {
        Ok(target) => target,
        Err(got) => return got,
    };
    let hop = || api_hop(api, &stage);
    trace.reach(hop());
    let Some(model) = api.stages.get(&stage).and_then(|stage| stage.deployed(at)) else {
        let why = if api.stages.contains_key(&stage) {
            "nothing is deployed to the stage"
        } else {
            "the stage does not exist"
        };
        trace.fail(hop(), why);
        return Reply::json(404, "Not Found").after(0);
    };
    if let Some(reply) = preflight(api.cors.as_ref(), request) {
        return reply.after(0);
    }
    let Some(route) = route::choose(model.routes.values(), &request.method, &path) else {
        trace.fail(hop(), format!("no route fits {} {path}", request.method));
        return Reply::json(404, "Not Found").after(0);
    };
    let route_hop = || Hop::new(Part::Route, &route.key, Some(region));
    trace.reach(route_hop());
    if let Err((status, message, why)) = auth::admit(model, route, request, at.now_ms()) {
        trace.fail(route_hop(), why);
        return Reply::json(status, message).after(0);
    }
    let Some(integration) = route.integration.as_ref().and_then(|id| model.integrations.get(id)) else {
        trace.fail(route_hop(), "it has no integration");
        return Reply::json(500, "Internal Server Error").after(0);
    };
    trace.reach(Hop::new(Part::Integration, &integration.id, Some(region)));
    let forwarded = rewrite(integration, request, &stage, &path);
    let mut got = match integration.connection_type.as_str() {
        "VPC_LINK" => through_link(net, at, trace, region, integration, &forwarded),
        _ => to_internet(net, at, trace, region, integration, &forwarded),
    };
    if let (Got::Reply { reply, .. }, Some(cors), Some(origin)) = (&mut got, &api.cors, request.headers.get("origin"))
        && let Some(allowed) = allowed_origin(cors, origin)
    {
        reply.headers.insert("access-control-allow-origin".to_owned(), allowed);
    }
    got
}

/// The API, the stage and the path that is left, for a host and a path.
fn target<'a>(
    net: &Internet<'a>,
    at: &Moment,
    trace: &mut Trace,
    region: &str,
    request: &Request,
) -> Result<(&'a Api, String, String), Got> {
    let forbidden = || Reply::json(403, "Forbidden").after(0);
    let state = &net.world.apigatewayv2;
    let endpoint = Hop::new(Part::Endpoint, &request.host, Some(region));
    if is_execute_api(region, &request.host) {
        let id = request.host.split('.').next().unwrap_or_default();
        let Some(api) = state.apis.get(id).filter(|api| api.region == region) else {
            trace.fail(endpoint, "no API has this name");
            return Err(forbidden());
        };
        if api.endpoint_disabled {
            trace.fail(endpoint, "the default endpoint of the API is disabled");
            return Err(forbidden());
        }
        // The first segment may name a stage; everything else belongs to `$default`.
        let first = request.path.trim_start_matches('/').split('/').next().unwrap_or_default();
        if first != "$default" && api.stages.contains_key(first) {
            let rest = &request.path[1 + first.len()..];
            return Ok((api, first.to_owned(), if rest.is_empty() { "/".to_owned() } else { rest.to_owned() }));
        }
        return Ok((api, "$default".to_owned(), request.path.clone()));
    }
    let Some(domain) = state.domain_for(region, &request.host) else {
        trace.fail(endpoint, format!("no custom domain name of the region is {}", request.host));
        return Err(forbidden());
    };
    trace.reach(domain_hop(domain));
    if !at.reached(domain.serves_ms) {
        trace.fail(domain_hop(domain), "it is not AVAILABLE yet");
        return Err(forbidden());
    }
    if domain.truststore.is_some() {
        trace.fail(domain_hop(domain), "it wants a client certificate (mutual TLS)");
        return Err(Got::Refused);
    }
    if domain.routing_mode == "ROUTING_RULE_ONLY" {
        trace.fail(domain_hop(domain), "its routing mode is ROUTING_RULE_ONLY and no routing rule fits");
        return Err(forbidden());
    }
    let Some((mapping, path)) = route::mapping(domain.mappings.values(), &request.path) else {
        trace.fail(domain_hop(domain), format!("no API mapping fits {}", request.path));
        return Err(forbidden());
    };
    let Some(api) = state.apis.get(&mapping.api) else {
        trace.fail(domain_hop(domain), format!("its mapping names the API {}, which does not exist", mapping.api));
        return Err(forbidden());
    };
    Ok((api, mapping.stage.clone(), path))
}

fn domain_hop(domain: &Domain) -> Hop {
    Hop::new(Part::DomainName, &domain.name, Some(&domain.region))
}

/// With CORS configured, API Gateway answers preflight requests itself.
fn preflight(cors: Option<&Cors>, request: &Request) -> Option<Reply> {
    let cors = cors?;
    let origin = request.headers.get("origin")?;
    if request.method != "OPTIONS" || !request.headers.contains_key("access-control-request-method") {
        return None;
    }
    let mut reply = Reply { status: 204, ..Reply::default() };
    if let Some(allowed) = allowed_origin(cors, origin) {
        reply.headers.insert("access-control-allow-origin".to_owned(), allowed);
        reply.headers.insert("access-control-allow-methods".to_owned(), cors.allow_methods.join(","));
        reply.headers.insert("access-control-allow-headers".to_owned(), cors.allow_headers.join(","));
        if cors.allow_credentials {
            reply.headers.insert("access-control-allow-credentials".to_owned(), "true".to_owned());
        }
    }
    Some(reply)
}

fn allowed_origin(cors: &Cors, origin: &str) -> Option<String> {
    if cors.allow_origins.iter().any(|allowed| allowed == "*") {
        return Some("*".to_owned());
    }
    cors.allow_origins.iter().any(|allowed| alb::glob(allowed, origin)).then(|| origin.to_owned())
}

/// The request as it reaches the backend: a named stage stands before the path unless `overwrite:path` says otherwise.
fn rewrite(integration: &Integration, request: &Request, stage: &str, path: &str) -> Request {
    let mut forwarded = request.clone();
    forwarded.path = if stage == "$default" { path.to_owned() } else { format!("/{stage}{path}") };
    if integration.method != "ANY" {
        forwarded.method.clone_from(&integration.method);
    }
    let value = |text: &str| match text {
        "$request.path" => path.to_owned(),
        "$request.method" => request.method.clone(),
        text => match text.strip_prefix("$request.header.") {
            Some(name) => request.headers.get(&name.to_lowercase()).cloned().unwrap_or_default(),
            None => text.to_owned(),
        },
    };
    for (parameter, text) in &integration.request_parameters {
        match parameter.split_once(':') {
            Some(("overwrite", "path")) => forwarded.path = value(text),
            Some(("overwrite" | "append", target)) => {
                if let Some(name) = target.strip_prefix("header.") {
                    if name.eq_ignore_ascii_case("host") {
                        forwarded.host = value(text);
                    } else {
                        forwarded.headers.insert(name.to_lowercase(), value(text));
                    }
                }
            }
            Some(("remove", target)) => {
                if let Some(name) = target.strip_prefix("header.") {
                    forwarded.headers.remove(&name.to_lowercase());
                }
            }
            _ => {}
        }
    }
    forwarded
}

/// A private integration: link, listener, and back within the timeout of the integration.
fn through_link(
    net: &Internet<'_>,
    at: &Moment,
    trace: &mut Trace,
    region: &str,
    integration: &Integration,
    request: &Request,
) -> Got {
    let unavailable = || Reply::json(503, "Service Unavailable");
    let id = integration.link.as_deref().unwrap_or_default();
    let hop = || Hop::new(Part::VpcLink, id, Some(region));
    trace.reach(hop());
    let link = net.world.apigatewayv2.links.get(id);
    let (Some(link), Some(status)) = (link, link.and_then(|link| link.status(at))) else {
        trace.fail(hop(), "it does not exist any more");
        return unavailable().after(0);
    };
    if let Some(why) = out_of_service(status) {
        trace.fail(hop(), why);
        return unavailable().after(0);
    }
    let ends = link_ends(net, at, link);
    if ends.is_empty() {
        trace.fail(hop(), "none of its subnets is there");
        return unavailable().after(integration.timeout_ms);
    }
    let Some(listener) = net.world.elbv2.listeners.get(&integration.uri) else {
        trace.fail(
            Hop::new(Part::Listener, &integration.uri, Some(region)),
            "the integration names a listener that does not exist",
        );
        return unavailable().after(0);
    };
    let tls = integration.server_name.as_deref().map_or(alb::Tls::Plain, alb::Tls::Verified);
    let got = alb::send(net, at, trace, &alb::From::Inside(&ends), (listener, tls), request);
    within_timeout(trace, integration, region, got)
}

fn out_of_service(status: &str) -> Option<&'static str> {
    match status {
        "AVAILABLE" => None,
        "PENDING" => Some("PENDING: its network interfaces are being made, which takes a few minutes"),
        "INACTIVE" => Some(
            "INACTIVE: no traffic for 60 days, its network interfaces are deleted; this request wakes it up in some minutes",
        ),
        _ => Some("DELETING: it was told to go"),
    }
}

/// The interfaces of a link in zones that are there.
fn link_ends(net: &Internet<'_>, at: &Moment, link: &VpcLink) -> Vec<End> {
    let what = format!("VPC link {}", link.id);
    let alive = link.subnet_ids.iter().zip(&link.enis).filter(|(subnet, _)| {
        let subnet = crate::control::ec2::subnet(net.world, &link.region, subnet);
        subnet.is_some_and(|subnet| !net.faults.zone_away(at, &subnet.zone))
    });
    alive.filter_map(|(_, eni)| End::of_interface(net.world, &link.region, eni, &what)).collect()
}

fn within_timeout(trace: &mut Trace, integration: &Integration, region: &str, got: Got) -> Got {
    let hop = Hop::new(Part::Integration, &integration.id, Some(region));
    match got {
        Got::Reply { ms, .. } if ms > integration.timeout_ms => {
            trace.fail(hop, format!("no answer within its timeout of {} ms", integration.timeout_ms));
            Reply::json(503, "Service Unavailable").after(integration.timeout_ms)
        }
        reply @ Got::Reply { .. } => reply,
        Got::Refused => Reply::json(503, "Service Unavailable").after(0),
        Got::NoConnection | Got::Silence => {
            trace.fail(hop, "the backend does not answer");
            Reply::json(503, "Service Unavailable").after(integration.timeout_ms)
        }
    }
}

/// A public integration: only load balancers of this world are known on the internet behind it.
fn to_internet(
    net: &Internet<'_>,
    at: &Moment,
    trace: &mut Trace,
    region: &str,
    integration: &Integration,
    request: &Request,
) -> Got {
    let url = Request::get(&integration.uri);
    let hop = || Hop::new(Part::Endpoint, &url.host, None);
    let balancer = net.world.elbv2.by_dns_name(&url.host).filter(|balancer| balancer.scheme == "internet-facing");
    let Some(balancer) = balancer else {
        trace.fail(
            hop(),
            "it is not a public load balancer of this account: nothing else is simulated behind a public integration",
        );
        return Reply::json(503, "Service Unavailable").after(0);
    };
    let port = if url.scheme == "https" { 443 } else { 80 };
    let listener = net.world.elbv2.listeners.values().find(|l| l.balancer == balancer.arn && l.port == port);
    let Some(listener) = listener else {
        trace.fail(hop(), format!("the load balancer has no listener on port {port}"));
        return Reply::json(503, "Service Unavailable").after(0);
    };
    let tls = if url.scheme == "https" { alb::Tls::Verified(&url.host) } else { alb::Tls::Plain };
    let got = alb::send(net, at, trace, &alb::From::Internet, (listener, tls), request);
    trace.region = Some(region.to_owned());
    within_timeout(trace, integration, region, got)
}
