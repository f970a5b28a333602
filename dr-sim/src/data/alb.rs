//! Application load balancers: nodes, listeners, rules, and the choice of a target.

use super::Internet;
use super::backends::{self, Condition};
use super::faults::Service;
use super::http::{Got, Hop, Part, Reply, Request, Trace};
use super::moment::Moment;
use super::targets::{self, Standing};
use super::vpc::{self, End};
use crate::control::elbv2::{
    Action, Balancer, Condition as RuleCondition, Listener, Redirect, Target, TargetGroup, WeightedGroup,
};

/// How long a load balancer takes for itself **(assumption)**, in milliseconds.
const OWN_MS: u64 = 2;
/// A load balancer gives a target this long to accept a connection (AWS page "Troubleshoot your Application Load
/// Balancers").
const CONNECT_MS: u64 = 10_000;

/// Who connects to a load balancer.
pub(super) enum From<'a> {
    /// Interfaces in its VPC.
    Inside(&'a [End]),
    Internet,
}

/// What a client sends first.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tls<'a> {
    /// The request, in the clear.
    Plain,
    /// A handshake for a name, with a look at the certificate.
    Verified(&'a str),
    /// A handshake without a look at the certificate.
    Unverified,
}

/// Sends a request to a listener.
pub(super) fn send(
    net: &Internet<'_>,
    at: &Moment,
    trace: &mut Trace,
    from: &From<'_>,
    (listener, tls): (&Listener, Tls<'_>),
    request: &Request,
) -> Got {
    let Some(balancer) = net.world.elbv2.balancers.get(&listener.balancer) else { return Got::Refused };
    let region = balancer.region.as_str();
    let hop = || Hop::new(Part::LoadBalancer, &balancer.name, Some(region));
    trace.region = Some(region.to_owned());
    trace.reach(hop());
    if net.faults.service_away(at, region, Service::LoadBalancing) {
        trace.fail(hop(), format!("Elastic Load Balancing of {region} is away"));
        return Got::NoConnection;
    }
    if !at.reached(balancer.ready_ms) {
        trace.fail(hop(), "it is still provisioning");
        return Got::NoConnection;
    }
    let alive = balancer.zones.iter().filter(|zone| !net.faults.zone_away(at, &zone.name));
    let what = format!("load balancer {}", balancer.name);
    let nodes: Vec<End> = alive.filter_map(|zone| End::of_interface(net.world, region, &zone.eni, &what)).collect();
    if nodes.is_empty() {
        trace.fail(hop(), "none of its zones is there");
        return Got::NoConnection;
    }
    // A client takes any of the nodes, a VPC link any of its interfaces.
    let mut ways = Vec::new();
    for node in &nodes {
        match from {
            From::Internet => ways.push((node, vpc::from_internet(net.world, region, node, listener.port))),
            From::Inside(ends) => {
                ways.extend(ends.iter().map(|end| (node, vpc::passes(net.world, region, end, node, listener.port))));
            }
        }
    }
    let (node, way) = net.pick(at, ways, |a, b| a.1.is_ok() == b.1.is_ok());
    if let Err(failure) = way {
        trace.fail(failure.hop, failure.reason);
        return Got::NoConnection;
    }
    trace.reach(Hop::new(Part::Listener, format!("{}:{}", listener.protocol, listener.port), Some(region)));
    if let Err((got, reason)) = handshake(net, at, listener, tls) {
        trace.fail(Hop::new(Part::Listener, &listener.arn, Some(region)), reason);
        return got;
    }
    let actions = rule(net, trace, listener, region, request);
    answer(net, at, trace, (balancer, listener), (node, actions), request).later(OWN_MS)
}

/// Plain HTTP and TLS do not understand each other, and a certificate must cover the name it is asked for.
fn handshake(net: &Internet<'_>, at: &Moment, listener: &Listener, tls: Tls<'_>) -> Result<(), (Got, String)> {
    match (&listener.certificate, tls) {
        (None, Tls::Plain) | (Some(_), Tls::Unverified) => Ok(()),
        (None, _) => Err((Got::Refused, "the listener speaks plain HTTP and is sent a TLS handshake".to_owned())),
        (Some(_), Tls::Plain) => {
            let reply = Reply::html(400, "The plain HTTP request was sent to HTTPS port");
            Err((reply.after(0), "the listener expects TLS and is sent plain HTTP".to_owned()))
        }
        (Some(certificate), Tls::Verified(name)) => {
            net.certificate_fits(at, certificate, &[name]).map_err(|why| (Got::Refused, why))
        }
    }
}

/// The actions of the first rule that matches.
fn rule<'a>(
    net: &Internet<'a>,
    trace: &mut Trace,
    listener: &'a Listener,
    region: &str,
    request: &Request,
) -> &'a [Action] {
    let rules = net.world.elbv2.rules_of(&listener.arn);
    let found = rules.into_iter().find(|rule| rule.conditions.iter().all(|condition| matches(condition, request)));
    let (name, actions) = found.map_or((format!("default of {}", listener.port), &listener.actions), |rule| {
        (format!("{} of {}", rule.priority, listener.port), &rule.actions)
    });
    trace.reach(Hop::new(Part::Rule, name, Some(region)));
    actions
}

fn matches(condition: &RuleCondition, request: &Request) -> bool {
    let fold = |text: &str| text.to_lowercase();
    match condition {
        RuleCondition::Host(values) => values.iter().any(|value| glob(&fold(value), &request.host)),
        RuleCondition::Path(values) => values.iter().any(|value| glob(value, &request.path)),
        RuleCondition::Method(values) => values.contains(&request.method),
        RuleCondition::Header { name, values } => {
            let given = request.headers.get(&fold(name));
            given.is_some_and(|given| values.iter().any(|value| glob(&fold(value), &fold(given))))
        }
        RuleCondition::Query(pairs) => {
            let given: Vec<(&str, &str)> =
                request.query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
            pairs.iter().any(|(key, value)| {
                let fits = |(k, v): &(&str, &str)| key.as_ref().is_none_or(|key| glob(key, k)) && glob(value, v);
                given.iter().any(fits)
            })
        }
        // Behind a VPC link the source is one of its interfaces; which one is not modelled, so only "everybody"
        // matches.
        RuleCondition::SourceIp(values) => values.iter().any(|value| value == "0.0.0.0/0"),
    }
}

/// Matches a text with a pattern in which `*` stands for any characters and `?` for one.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => (0..=text.len()).filter(|i| text.is_char_boundary(*i)).any(|i| glob(&pattern[1..], &text[i..])),
        Some(c) => {
            let mut rest = text.chars();
            rest.next().is_some_and(|t| c == '?' || c == t) && glob(&pattern[c.len_utf8()..], rest.as_str())
        }
    }
}

fn answer(
    net: &Internet<'_>,
    at: &Moment,
    trace: &mut Trace,
    (balancer, listener): (&Balancer, &Listener),
    (node, actions): (&End, &[Action]),
    request: &Request,
) -> Got {
    match actions.last() {
        Some(Action::Forward { groups, .. }) => forward(net, at, trace, (balancer, node), groups, request),
        Some(Action::Fixed { status, content_type, body }) => {
            let mut reply = Reply { status: *status, body: body.clone().unwrap_or_default(), ..Reply::default() };
            reply
                .headers
                .insert("content-type".to_owned(), content_type.clone().unwrap_or_else(|| "text/plain".to_owned()));
            reply.after(0)
        }
        Some(Action::Redirect(to)) => {
            let mut reply = Reply::html(to.status, "Moved");
            reply.headers.insert("location".to_owned(), location(to, listener, request));
            reply.after(0)
        }
        None => Reply::html(503, "Service Temporarily Unavailable").after(0),
    }
}

fn location(to: &Redirect, listener: &Listener, request: &Request) -> String {
    let port = listener.port.to_string();
    let fill = |text: &str| {
        text.replace("#{protocol}", &listener.protocol.to_lowercase())
            .replace("#{host}", &request.host)
            .replace("#{port}", &port)
            .replace("#{path}", request.path.trim_start_matches('/'))
            .replace("#{query}", &request.query)
    };
    let query = fill(&to.query);
    let query = if query.is_empty() { query } else { format!("?{query}") };
    format!("{}://{}:{}{}{query}", fill(&to.protocol).to_lowercase(), fill(&to.host), fill(&to.port), fill(&to.path))
}

/// Weighted choice of a group, then one of its healthy targets; of all of them when none is healthy.
fn forward(
    net: &Internet<'_>,
    at: &Moment,
    trace: &mut Trace,
    (balancer, node): (&Balancer, &End),
    groups: &[WeightedGroup],
    request: &Request,
) -> Got {
    let region = balancer.region.as_str();
    let unavailable = || Reply::html(503, "Service Temporarily Unavailable").after(0);
    let shares: Vec<&WeightedGroup> = groups
        .iter()
        .flat_map(|group| std::iter::repeat_n(group, usize::try_from(group.weight).unwrap_or(0)))
        .collect();
    if shares.is_empty() {
        trace.fail(
            Hop::new(Part::LoadBalancer, &balancer.name, Some(region)),
            "every target group of the rule has weight 0",
        );
        return unavailable();
    }
    let share = net.pick(at, shares, |a, b| a.arn == b.arn);
    let Some(group) = net.world.elbv2.groups.get(&share.arn) else { return unavailable() };
    let hop = || Hop::new(Part::TargetGroup, &group.name, Some(region));
    trace.reach(hop());
    let standing = |target| Some((target, targets::target_standing(net.world, net.faults, group, target, at)?));
    let known: Vec<(&Target, Standing)> = group
        .registered(at.now_ms())
        .filter_map(standing)
        .filter(|(_, standing)| standing.may_get_requests())
        .collect();
    if known.is_empty() {
        trace.fail(hop(), "it has no target that could take a request");
        return unavailable();
    }
    let healthy = |(_, standing): &&(&Target, Standing)| *standing == Standing::Healthy;
    let any_healthy = known.iter().any(|entry| healthy(&entry));
    // Routing failover: without a healthy target, all of them get requests.
    let candidates: Vec<&Target> =
        known.iter().filter(|entry| !any_healthy || healthy(entry)).map(|(target, _)| *target).collect();
    let (target, reach) = {
        let reached: Vec<(&Target, Reach)> =
            candidates.into_iter().map(|target| (target, reach(net, at, group, node, target))).collect();
        net.pick(at, reached, |a, b| a.1.same_end(&b.1))
    };
    let (instance, end) = match reach {
        Reach::Gone => {
            trace.fail(hop(), format!("nothing has the address {}", target.id));
            return Reply::html(504, "Gateway Time-out").after(CONNECT_MS);
        }
        Reach::Blocked(failure) => {
            trace.reach(Hop::new(Part::Instance, &target.id, Some(region)));
            trace.fail(failure.hop, failure.reason);
            return Reply::html(504, "Gateway Time-out").after(CONNECT_MS);
        }
        Reach::Open(instance, _) => (instance, target),
    };
    let idle_s = balancer.attributes.get("idle_timeout.timeout_seconds").and_then(|s| s.parse().ok()).unwrap_or(60_u64);
    let mut request = Request { scheme: group.protocol.to_lowercase(), ..request.clone() };
    request.headers.entry("x-forwarded-proto".to_owned()).or_insert_with(|| "https".to_owned());
    match backends::send(net.world, net.faults, at, trace, (region, &instance, end.port), &request) {
        Got::Reply { ms, .. } if ms > idle_s * 1000 => {
            trace.fail(hop(), format!("the target took longer than the idle timeout of {idle_s} s"));
            Reply::html(504, "Gateway Time-out").after(idle_s * 1000)
        }
        reply @ Got::Reply { .. } => reply,
        Got::Refused => Reply::html(502, "Bad Gateway").after(0),
        Got::NoConnection => Reply::html(504, "Gateway Time-out").after(CONNECT_MS),
        Got::Silence => Reply::html(504, "Gateway Time-out").after(idle_s * 1000),
    }
}

/// What a node meets on the way to a target.
enum Reach {
    Gone,
    Blocked(super::http::Failure),
    Open(String, Condition),
}

impl Reach {
    /// Whether a request ends the same way, so that it does not matter which of the two targets gets it.
    fn same_end(&self, other: &Reach) -> bool {
        match (self, other) {
            (Reach::Open(_, a), Reach::Open(_, b)) => std::mem::discriminant(a) == std::mem::discriminant(b),
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }
}

fn reach(net: &Internet<'_>, at: &Moment, group: &TargetGroup, node: &End, target: &Target) -> Reach {
    let Some((end, instance)) = targets::end_of(net.world, group, target) else { return Reach::Gone };
    match vpc::passes(net.world, &group.region, node, &end, target.port) {
        Err(failure) => Reach::Blocked(failure),
        Ok(()) => {
            let condition = backends::condition(net.world, net.faults, at, &group.region, &instance, target.port);
            Reach::Open(instance, condition)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_listener_rules() {
        for (pattern, text, expected) in [
            ("/img/*", "/img/a/b", true),
            ("/img/*", "/img", false),
            ("*.example.com", "a.example.com", true),
            ("/a?c", "/abc", true),
            ("/a?c", "/ac", false),
            ("/*/c", "/a/b/c", true),
            ("", "", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
