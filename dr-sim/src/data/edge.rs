//! A CloudFront location: from the name a viewer asks for to an origin and back.
//!
//! Sources: CloudFront Developer Guide, "Request and response behavior for custom origins" (what is forwarded,
//! certificate and name checks, timeouts, retries), "Optimize high availability with CloudFront origin failover", "How
//! CloudFront processes HTTP 4xx and 5xx status codes from your origin", "Control how long CloudFront caches errors". One
//! location serves everybody near a place; it has a resolver,
//! connections that it keeps open, and a cache of errors and objects.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::alb;
use super::api;
use super::dns::{self, Address, Resolver};
use super::http::{Got, Hop, Part, Reply, Request, Trace};
use super::moment::Moment;
use super::places;
use super::{DNS_MS, Internet, Origin};
use crate::control::cloudfront::{
    Behavior, Config, CustomOrigin, Distribution, Origin as OriginConfig, OriginKind, SentHeaders, cache_policy,
    origin_request_policy,
};
use crate::world::World;

/// A round trip between a viewer and the location near it **(assumption)**, in milliseconds.
pub(super) const NEAR_MS: u64 = 10;
/// What the location takes for itself **(assumption)**, in milliseconds.
const OWN_MS: u64 = 2;
/// Errors that a location keeps, for 10 s unless the distribution says otherwise.
const CACHED_ERRORS: &[u16] = &[404, 414, 500, 501, 502, 503, 504];
/// Errors that it keeps when the origin says for how long.
const CACHED_WHEN_TOLD: &[u16] = &[400, 403, 405, 412, 415];
const ERROR_TTL_S: i64 = 10;

/// The memory of the CloudFront locations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// By place.
    locations: BTreeMap<String, Location>,
}

/// The memory of one location.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Location {
    resolver: Resolver,
    /// Answers by cache key, with the instant until which they are kept.
    answers: BTreeMap<String, (Reply, u64)>,
    /// Open connections by distribution and origin, with the instant of the last answer.
    connections: BTreeMap<String, (Address, u64)>,
}

impl Edge {
    /// Forgets everything.
    pub fn flush(&mut self) {
        self.locations.clear();
    }
}

/// The distribution with one of CloudFront's own names.
pub(super) fn distribution_named(world: &World, name: &str) -> Option<String> {
    world.cloudfront.distributions.values().find(|distribution| distribution.domain_name == name).map(|d| d.id.clone())
}

/// The name that CloudFront gave a distribution.
pub(super) fn domain_of(world: &World, id: &str) -> String {
    world
        .cloudfront
        .distributions
        .get(id)
        .map_or_else(|| id.to_owned(), |distribution| distribution.domain_name.clone())
}

/// The distribution that answers for a host: by its own name, by an alias, else by a wildcard alias. The address by
/// which a request came does not matter.
fn for_host<'a>(world: &'a World, at: &Moment, host: &str) -> Option<(&'a Distribution, &'a Config)> {
    let all = || {
        world
            .cloudfront
            .distributions
            .values()
            .filter_map(|distribution| Some((distribution, served(distribution, at)?)))
    };
    let wildcard = host.split_once('.').map(|(_, rest)| format!("*.{rest}"));
    let by_alias =
        |wanted: &str| all().find(|(_, config)| config.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(wanted)));
    all()
        .find(|(distribution, _)| distribution.domain_name == host)
        .or_else(|| by_alias(host))
        .or_else(|| by_alias(&wildcard?))
}

/// The configuration that the locations serve.
fn served<'a>(distribution: &'a Distribution, at: &Moment) -> Option<&'a Config> {
    for version in &distribution.earlier {
        at.reached(version.until_ms);
    }
    distribution.served(at.now_ms())
}

/// A viewer that verifies certificates connects to CloudFront and sends a request.
pub(super) fn viewer(net: &Internet<'_>, at: &Moment, trace: &mut Trace, edge: &mut Edge, request: &Request) -> Got {
    if request.scheme == "https"
        && let Err(why) = viewer_certificate(net, at, &request.host)
    {
        trace.fail(Hop::new(Part::CloudFront, &request.host, None), why);
        return Got::Refused;
    }
    send(net, at, trace, edge, request)
}

fn viewer_certificate(net: &Internet<'_>, at: &Moment, host: &str) -> Result<(), String> {
    if host.ends_with(".cloudfront.net") {
        return Ok(());
    }
    let certificate =
        for_host(net.world, at, host).and_then(|(_, config)| config.viewer_certificate.acm_certificate_arn.as_ref());
    match certificate {
        Some(arn) => net.certificate_fits(at, arn, &[host]),
        None => Err(format!("no distribution has a certificate for {host}: the one of *.cloudfront.net is shown")),
    }
}

/// Sends a request to the location near its client.
pub(super) fn send(net: &Internet<'_>, at: &Moment, trace: &mut Trace, edge: &mut Edge, request: &Request) -> Got {
    at.is_personal();
    let location = edge.locations.entry(request.from.clone()).or_default();
    let Some((distribution, config)) = for_host(net.world, at, &request.host) else {
        trace.fail(Hop::new(Part::CloudFront, &request.host, None), "no distribution has this name among its aliases");
        return Reply::html(403, "Forbidden").after(OWN_MS);
    };
    let hop = || Hop::new(Part::CloudFront, &distribution.id, None);
    trace.reach(hop());
    let refuse = |trace: &mut Trace, why: &str| {
        trace.fail(hop(), why);
        Reply::html(403, "Forbidden").after(OWN_MS)
    };
    if !config.enabled {
        return refuse(trace, "the distribution is disabled");
    }
    if let Some((country, _)) = places::country(&request.from) {
        let listed = config.geo_restriction.1.iter().any(|place| place == country);
        let blocked = match config.geo_restriction.0.as_str() {
            "whitelist" => !listed,
            "blacklist" => listed,
            _ => false,
        };
        if blocked {
            return refuse(trace, "the distribution is not served in the country of the viewer");
        }
    }
    let matching = |(pattern, _): &&(String, Behavior)| {
        alb::glob(pattern.strip_prefix('/').unwrap_or(pattern), request.path.strip_prefix('/').unwrap_or(&request.path))
    };
    let behavior = config.behaviors.iter().find(matching).map_or(&config.default_behavior, |(_, behavior)| behavior);
    match (request.scheme.as_str(), behavior.viewer_protocol_policy.as_str()) {
        ("http", "https-only") => return refuse(trace, "viewers must use HTTPS"),
        ("http", "redirect-to-https") => {
            let mut reply =
                Reply::html(if matches!(request.method.as_str(), "GET" | "HEAD") { 301 } else { 307 }, "Moved");
            reply.headers.insert("location".to_owned(), request.url().replacen("http://", "https://", 1));
            return reply.after(OWN_MS);
        }
        _ => {}
    }
    if !behavior.allowed_methods.contains(&request.method) {
        return refuse(trace, &format!("the behaviour does not allow {}", request.method));
    }
    if request.method == "GET" && !request.body.is_empty() {
        return refuse(trace, "a GET request with a body");
    }
    let mut request = request.clone();
    if request.path == "/" && !config.default_root_object.is_empty() {
        request.path = format!("/{}", config.default_root_object);
    }
    let key = cache_key(distribution, behavior, &request);
    if let Some(key) = &key
        && let Some((reply, _)) = location.answers.get(key).filter(|(_, until_ms)| !at.reached(*until_ms))
    {
        let mut reply = reply.clone();
        let note = if reply.status >= 400 { "Error from cloudfront" } else { "Hit from cloudfront" };
        reply.headers.insert("x-cache".to_owned(), note.to_owned());
        if reply.status >= 400 {
            trace.fail(hop(), format!("the location still answers the error {} from its cache", reply.status));
        }
        return reply.after(OWN_MS);
    }
    let (mut reply, ms) = from_target(net, at, trace, location, (distribution, config, behavior), &request);
    let rule = config.error_responses.iter().find(|rule| u16::try_from(rule.error_code) == Ok(reply.status));
    let kept_ms = kept_ms(behavior, rule.map_or(ERROR_TTL_S, |rule| rule.caching_min_ttl_s), &request, &reply);
    if let Some(rule) = rule.filter(|rule| !rule.page_path.is_empty()) {
        // The page comes from the same origin, and the viewer gets it under the configured status.
        let page =
            Request { method: "GET".to_owned(), path: rule.page_path.clone(), body: String::new(), ..request.clone() };
        let (page, _) = from_target(net, at, &mut Trace::default(), location, (distribution, config, behavior), &page);
        if page.status < 400 {
            reply = Reply { status: rule.response_code.parse().unwrap_or(reply.status), ..page };
        }
    }
    let note = if reply.status >= 400 { "Error from cloudfront" } else { "Miss from cloudfront" };
    reply.headers.insert("x-cache".to_owned(), note.to_owned());
    reply.headers.insert("via".to_owned(), format!("1.1 {} (CloudFront)", distribution.domain_name));
    if let Some(key) = key.filter(|_| kept_ms > 0) {
        // It is kept from when it arrives.
        location.answers.insert(key, (reply.clone(), at.now_ms() + ms + kept_ms));
    }
    reply.after(ms + OWN_MS)
}

/// Under what an answer is kept; only reads are.
fn cache_key(distribution: &Distribution, behavior: &Behavior, request: &Request) -> Option<String> {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return None;
    }
    let policy = behavior.cache_policy_id.as_deref().and_then(cache_policy);
    let legacy = behavior.forwarded_values.as_ref();
    let query = policy.is_some_and(|policy| policy.query_strings) || legacy.is_some_and(|values| values.query_string);
    let query = if query { request.query.as_str() } else { "" };
    let names: Vec<String> = match (policy, legacy) {
        (Some(policy), _) => policy.headers.iter().map(|name| name.to_lowercase()).collect(),
        (None, Some(values)) => values.headers.iter().map(|name| name.to_lowercase()).collect(),
        (None, None) => Vec::new(),
    };
    let headers: Vec<&str> = names.iter().filter_map(|name| request.headers.get(name)).map(String::as_str).collect();
    Some(format!("{} {} {}?{query} {}", distribution.id, request.method, request.path, headers.join("|")))
}

/// How long an answer is kept, in milliseconds.
fn kept_ms(behavior: &Behavior, error_ttl_s: i64, request: &Request, reply: &Reply) -> u64 {
    let ms = |seconds: i64| u64::try_from(seconds).unwrap_or(0) * 1000;
    let cacheable = matches!(request.method.as_str(), "GET" | "HEAD");
    if !cacheable {
        return 0;
    }
    let policy = behavior.cache_policy_id.as_deref().and_then(cache_policy);
    // Under CachingDisabled nothing is kept: neither errors nor the pages for them.
    if policy.is_some_and(|policy| policy.ttl_s.2 == 0) {
        return 0;
    }
    let (shortest, usual, longest) = policy.map_or_else(
        || (behavior.min_ttl_s.unwrap_or(0), behavior.default_ttl_s.unwrap_or(0), behavior.max_ttl_s.unwrap_or(0)),
        |policy| policy.ttl_s,
    );
    let said = reply.headers.get("cache-control").map(String::as_str).unwrap_or_default();
    let seconds = |name: &str| said.split(',').find_map(|part| part.trim().strip_prefix(name)?.parse::<i64>().ok());
    let wanted = seconds("s-maxage=").or_else(|| seconds("max-age="));
    if reply.status >= 400 {
        let kept =
            CACHED_ERRORS.contains(&reply.status) || wanted.is_some() && CACHED_WHEN_TOLD.contains(&reply.status);
        // The longer one of what the distribution and the origin say; of the origin at most the longest TTL.
        return if kept { ms(error_ttl_s.max(wanted.unwrap_or(0).min(longest))) } else { 0 };
    }
    if ["no-store", "no-cache", "private"].iter().any(|word| said.contains(word)) {
        return ms(shortest);
    }
    ms(wanted.unwrap_or(usual).clamp(shortest, longest.max(shortest)))
}

/// Fetches from the origin of a behaviour, or from the two of its group.
fn from_target(
    net: &Internet<'_>,
    at: &Moment,
    trace: &mut Trace,
    location: &mut Location,
    (distribution, config, behavior): (&Distribution, &Config, &Behavior),
    request: &Request,
) -> (Reply, u64) {
    let origin = |id: &str| config.origins.iter().find(|origin| origin.id == id);
    let fetch = |trace: &mut Trace, location: &mut Location, origin: &OriginConfig| {
        let forwarded = forwarded(behavior, origin, request);
        fetch(net, at, trace, location, (distribution, origin), &forwarded, &request.scheme)
    };
    if let Some(only) = origin(&behavior.target_origin_id) {
        let Fetched { reply, ms, .. } = fetch(trace, location, only);
        return (reply, ms);
    }
    let group = config.origin_groups.iter().find(|group| group.id == behavior.target_origin_id);
    let Some([first, second]) =
        group.and_then(|group| group.members.get(..2)).map(|ids| [origin(&ids[0]), origin(&ids[1])])
    else {
        trace.fail(
            Hop::new(Part::CloudFront, &distribution.id, None),
            "the behaviour names an origin that does not exist",
        );
        return (Reply::html(502, "Bad Gateway"), 0);
    };
    let (Some(first), Some(second), Some(group)) = (first, second, group) else {
        return (Reply::html(502, "Bad Gateway"), 0);
    };
    let mut attempt = Trace::default();
    let got = fetch(&mut attempt, location, first);
    let fails_over =
        got.unreachable || group.status_codes.iter().any(|code| u16::try_from(*code) == Ok(got.reply.status));
    trace.path.append(&mut attempt.path);
    // Writes stay with the first origin.
    if !fails_over || !request.is_read() {
        (trace.failed, trace.region) = (attempt.failed, attempt.region);
        return (got.reply, got.ms);
    }
    let Fetched { reply, ms, .. } = fetch(trace, location, second);
    (reply, got.ms + ms)
}

/// The request as the origin sees it: `Host`, headers, cookies and query depend on the policies.
fn forwarded(behavior: &Behavior, origin: &OriginConfig, request: &Request) -> Request {
    let cache = behavior.cache_policy_id.as_deref().and_then(cache_policy);
    let policy = behavior.origin_request_policy_id.as_deref().and_then(origin_request_policy);
    let legacy = behavior.forwarded_values.as_ref();
    let listed = |names: &[&str], name: &str| names.iter().any(|one| one.eq_ignore_ascii_case(name));
    let sends = |name: &str| {
        let by_policy = policy.is_some_and(|policy| match policy.headers {
            SentHeaders::AllViewer | SentHeaders::AllViewerAnd(_) => true,
            SentHeaders::AllExcept(names) => !listed(names, name),
            SentHeaders::Only(names) => listed(names, name),
        });
        let by_legacy =
            legacy.is_some_and(|values| values.headers.iter().any(|one| one == "*" || one.eq_ignore_ascii_case(name)));
        by_policy || by_legacy || cache.is_some_and(|cache| listed(cache.headers, name))
    };
    let all_cookies = policy.is_some_and(|policy| policy.cookies)
        || cache.is_some_and(|cache| cache.cookies)
        || legacy.is_some_and(|values| values.cookies != "none");
    let query = policy.is_some_and(|policy| policy.query_strings)
        || cache.is_some_and(|cache| cache.query_strings)
        || legacy.is_some_and(|values| values.query_string);
    let mut forwarded = request.clone();
    forwarded.headers.retain(|name, _| match name.as_str() {
        "cookie" => all_cookies,
        // What belongs to the body goes with it.
        "content-type" | "content-length" => true,
        name => sends(name),
    });
    forwarded.headers.insert("user-agent".to_owned(), "Amazon CloudFront".to_owned());
    for (name, value) in &origin.headers {
        forwarded.headers.insert(name.to_lowercase(), value.clone());
    }
    if !query {
        forwarded.query.clear();
    }
    if !sends("host") {
        forwarded.host = origin.domain_name.to_lowercase();
    }
    forwarded.path = format!("{}{}", origin.path, request.path);
    forwarded
}

/// An answer of an origin, or of the location in its place.
struct Fetched {
    reply: Reply,
    ms: u64,
    /// No connection, or no answer in time.
    unreachable: bool,
}

fn fetch(
    net: &Internet<'_>,
    at: &Moment,
    trace: &mut Trace,
    location: &mut Location,
    (distribution, origin): (&Distribution, &OriginConfig),
    request: &Request,
    viewer_scheme: &str,
) -> Fetched {
    let hop = || Hop::new(Part::CloudFront, format!("{} origin {}", distribution.id, origin.id), None);
    let gateway = |status: u16, ms: u64, unreachable: bool| {
        let title = if status == 504 { "Gateway Timeout" } else { "Bad Gateway" };
        Fetched { reply: Reply::html(status, title), ms, unreachable }
    };
    let OriginKind::Custom(custom) = &origin.kind else {
        trace.fail(hop(), "buckets as origins are not simulated");
        return gateway(502, 0, false);
    };
    let scheme = match custom.protocol_policy.as_str() {
        "https-only" => "https",
        "http-only" => "http",
        _ => viewer_scheme,
    };
    let request = Request { scheme: scheme.to_owned(), ..request.clone() };
    let (connect_ms, read_ms) = (origin.connection_timeout_s as u64 * 1000, custom.read_timeout_s as u64 * 1000);
    let connection = format!("{} {}", distribution.id, origin.id);
    let keepalive_ms = custom.keepalive_timeout_s as u64 * 1000;
    let mut spent_ms = 0;
    for attempt in 1..=origin.connection_attempts {
        let last = attempt == origin.connection_attempts;
        // A connection that was used a moment ago leads where it led then, whatever DNS says now.
        let open = location.connections.remove(&connection);
        let open = open.filter(|(_, used_ms)| !at.reached(used_ms + keepalive_ms)).map(|(address, _)| address);
        let reused = open.is_some();
        let address = match open {
            Some(address) => address,
            None => match dns::resolve(net, at, &mut location.resolver, &origin.domain_name, &request.from) {
                Ok(resolved) => {
                    resolved.names.iter().for_each(|name| trace.reach(Hop::new(Part::Dns, name, None)));
                    spent_ms += if resolved.from_cache { 0 } else { DNS_MS };
                    resolved.address
                }
                Err(why) => {
                    trace.fail(Hop::new(Part::Dns, &origin.domain_name, None), why);
                    return gateway(502, spent_ms, true);
                }
            },
        };
        let (got, away_ms) = to_address(net, at, trace, (&address, custom), origin, &request, reused);
        let round_trips_ms = if reused { away_ms } else { 3 * away_ms };
        match got {
            Got::Reply { reply, ms } if ms <= read_ms => {
                let ms = spent_ms + round_trips_ms + ms;
                location.connections.insert(connection, (address, at.now_ms() + ms));
                return Fetched { reply, ms, unreachable: false };
            }
            Got::Refused => return gateway(502, spent_ms + 2 * away_ms, true),
            Got::NoConnection if !reused => spent_ms += connect_ms,
            // A connection, and no answer: only reads are tried again.
            _ => {
                spent_ms += read_ms;
                if !request.is_read() {
                    trace.fail(hop(), format!("no answer within {} s", custom.read_timeout_s));
                    return gateway(504, spent_ms, true);
                }
            }
        }
        if last {
            break;
        }
    }
    trace.fail(hop(), "the origin does not answer");
    gateway(504, spent_ms, true)
}

/// Connects to an address and sends a request. The certificate must be for the origin's name or for the `Host` that is
/// sent.
fn to_address(
    net: &Internet<'_>,
    at: &Moment,
    trace: &mut Trace,
    (address, custom): (&Address, &CustomOrigin),
    origin: &OriginConfig,
    request: &Request,
    reused: bool,
) -> (Got, u64) {
    let place = Origin::Place(&request.from);
    match address {
        Address::ApiGateway { region, endpoint } => {
            let away_ms = places::round_trip_ms(&request.from, region);
            let hop = Hop::new(Part::Endpoint, endpoint, Some(region));
            trace.reach(hop.clone());
            if let Err(got) = net.connect(at, trace, region, hop.clone(), &place) {
                return (got, away_ms);
            }
            if request.scheme != "https" || custom.https_port != 443 {
                trace.fail(hop, "API Gateway serves HTTPS on port 443 only, and the origin is asked otherwise");
                return (Got::Refused, away_ms);
            }
            if !reused {
                if !custom.ssl_protocols.iter().any(|protocol| protocol == "TLSv1.2") {
                    trace.fail(hop, "the origin is allowed no TLSv1.2, and API Gateway speaks nothing older");
                    return (Got::Refused, away_ms);
                }
                let names = [origin.domain_name.as_str(), request.host.as_str()];
                if let Err(why) = api::certificate_fits(net, at, region, endpoint, &request.host, &names) {
                    trace.fail(hop, why);
                    return (Got::Refused, away_ms);
                }
            }
            (api::send(net, at, trace, region, request), away_ms)
        }
        Address::LoadBalancer(arn) => {
            let port = if request.scheme == "https" { custom.https_port } else { custom.http_port };
            net.public_balancer(at, trace, arn, request, (&place, true), u16::try_from(port).unwrap_or(443))
        }
        Address::CloudFront(id) => {
            trace
                .fail(Hop::new(Part::CloudFront, id, None), "a distribution as origin of another one is not simulated");
            (Got::Refused, 0)
        }
        Address::Elsewhere(address) => {
            trace.fail(Hop::new(Part::Endpoint, address, None), "nothing in this account has the address");
            (Got::NoConnection, 0)
        }
    }
}
