//! One probe of a Route 53 health checker.
//!
//! Source: Route 53 Developer Guide, "How Amazon Route 53 determines whether a health check is healthy": a TCP
//! connection within 4 s (10 s for the type TCP), a status 2xx or 3xx within 2 s after that, the search string within
//! the first 5,120 bytes of the body. Certificates are not verified, redirects not followed, answers of DNS not kept.

use super::api;
use super::dns::{self, Address, Resolver};
use super::edge;
use super::http::{Got, Hop, Part, Request, Trace};
use super::moment::Moment;
use super::{Internet, Origin};
use crate::control::route53::CheckConfig;

const CONNECT_MS: u64 = 4_000;
const CONNECT_TCP_MS: u64 = 10_000;
const STATUS_MS: u64 = 2_000;
/// The search string must end within this many bytes.
const SEARCH_BYTES: usize = 5_120;

/// How a probe ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) good: bool,
    /// From the request to the verdict, in whole seconds: round trips are small against the interval and left out.
    pub(super) takes_ms: u64,
    /// As GetHealthCheckStatus shows it.
    pub(super) status: String,
    /// The VPC link that the probe came through, which keeps it awake.
    pub(super) link: Option<String>,
    /// Region and stage of the API that it reached, with the status that it got there.
    pub(super) api: Option<(String, String, u16)>,
    /// Until when another probe ends the same way.
    pub(super) holds_until_ms: u64,
    /// Whether that is said of this checker only, and not of all of them.
    pub(super) personal: bool,
}

/// A checker's number and region.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checker<'a> {
    pub(super) number: usize,
    pub(super) region: &'a str,
}

/// Makes a probe.
pub(super) fn probe(net: &Internet<'_>, config: &CheckConfig, checker: Checker<'_>, now_ms: u64) -> Outcome {
    let at = Moment::at(now_ms);
    let mut trace = Trace::default();
    let tcp = config.kind == "TCP";
    let got = connect_and_ask(net, &at, &mut trace, config, checker);
    let why = |trace: &Trace| trace.failed.as_ref().map_or_else(String::new, |failure| format!(" ({failure})"));
    let (good, takes_ms, status) = match got {
        Err(status) => (false, 0, status),
        Ok(None) => (true, 0, "Success: TCP connection opened".to_owned()),
        Ok(Some(Got::Refused)) => (false, 0, format!("Failure: The connection was refused{}", why(&trace))),
        Ok(Some(Got::NoConnection)) => {
            let takes_ms = if tcp { CONNECT_TCP_MS } else { CONNECT_MS };
            (false, takes_ms, format!("Failure: The connection timed out{}", why(&trace)))
        }
        Ok(Some(Got::Silence)) => {
            (false, STATUS_MS, format!("Failure: The endpoint did not answer within 2 seconds{}", why(&trace)))
        }
        Ok(Some(Got::Reply { ms, .. })) if ms > STATUS_MS => {
            (false, STATUS_MS, format!("Failure: The endpoint did not answer within 2 seconds{}", why(&trace)))
        }
        Ok(Some(Got::Reply { reply, ms })) => {
            let found = !config.kind.ends_with("_STR_MATCH") || holds(&reply.body, config.search_string.as_deref());
            let good = (200..400).contains(&reply.status) && found;
            let status = match (good, found) {
                (true, _) => format!("Success: HTTP Status Code {}", reply.status),
                (false, false) => {
                    format!("Failure: HTTP Status Code {}, the search string was not found", reply.status)
                }
                (false, true) => format!("Failure: HTTP Status Code {}{}", reply.status, why(&trace)),
            };
            (good, ms / 1000 * 1000, status)
        }
    };
    let link = trace.path.iter().find(|hop| hop.part == Part::VpcLink).map(|hop| hop.name.clone());
    let answered = |hop: &Hop| Some((hop.region.clone()?, hop.name.clone(), hop.status?));
    let api = trace.path.iter().find_map(answered);
    Outcome { good, takes_ms, status, link, api, holds_until_ms: at.holds_until(), personal: at.personal() }
}

fn holds(body: &str, wanted: Option<&str>) -> bool {
    let mut end = body.len().min(SEARCH_BYTES);
    while !body.is_char_boundary(end) {
        end -= 1;
    }
    wanted.is_some_and(|wanted| body[..end].contains(wanted))
}

/// `None` is an open connection, with which a check of type TCP is content.
fn connect_and_ask(
    net: &Internet<'_>,
    at: &Moment,
    trace: &mut Trace,
    config: &CheckConfig,
    checker: Checker<'_>,
) -> Result<Option<Got>, String> {
    let tcp = config.kind == "TCP";
    let https = config.kind.starts_with("HTTPS");
    let port = config.port.unwrap_or(if https { 443 } else { 80 });
    let name = config.fully_qualified_domain_name.as_deref().filter(|name| !name.is_empty());
    let address = match (&config.ip_address, name) {
        (Some(address), _) => Address::Elsewhere(address.clone()),
        (None, Some(name)) => {
            let resolved = dns::resolve(net, at, &mut Resolver::new(), name, checker.region);
            resolved.map_err(|why| format!("Failure: DNS resolution failed: {why}"))?.address
        }
        (None, None) => return Err("Failure: the check has neither a name nor an address".to_owned()),
    };
    let host = name.or(config.ip_address.as_deref()).unwrap_or_default();
    let path = config.resource_path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/");
    let scheme = if https { "https" } else { "http" };
    let request = Request::get(&format!("{scheme}://{host}{path}"))
        .from(checker.region)
        .header("user-agent", "Amazon-Route53-Health-Check-Service");
    let origin = Origin::Checker(checker.number);
    let no_sni = https && config.enable_sni == Some(false);
    match address {
        Address::ApiGateway { region, endpoint } => {
            let hop = Hop::new(Part::Endpoint, &endpoint, Some(&region));
            if let Err(got) = net.connect(at, trace, &region, hop.clone(), &origin) {
                return Ok(Some(got));
            }
            if port != 443 {
                trace.fail(hop, "API Gateway serves HTTPS on port 443 only");
                return Ok(Some(Got::Refused));
            }
            if tcp {
                return Ok(None);
            }
            if !https || no_sni {
                trace.fail(
                    hop,
                    if no_sni {
                        "SSL alert handshake_failure: the check sends no SNI"
                    } else {
                        "plain HTTP on a TLS port"
                    },
                );
                return Ok(Some(Got::Refused));
            }
            Ok(Some(api::send(net, at, trace, &region, &request)))
        }
        Address::CloudFront(_) => {
            if tcp {
                return Ok(None);
            }
            if no_sni {
                return Ok(Some(Got::Refused));
            }
            Ok(Some(edge::send(net, at, trace, &mut edge::Edge::default(), &request)))
        }
        Address::LoadBalancer(arn) => {
            let (got, _) = net.public_balancer(at, trace, &arn, &request, (&origin, false), port);
            match got {
                // Behind the connection there is a listener, whatever it answers.
                Got::Reply { .. } | Got::Refused if tcp => Ok(None),
                got => Ok(Some(got)),
            }
        }
        Address::Elsewhere(address) => {
            trace.fail(Hop::new(Part::Endpoint, address, None), "nothing in this account has the address");
            Ok(Some(Got::NoConnection))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_string_must_lie_in_the_first_5120_bytes() {
        let body = |before: usize| format!("{}needle", "x".repeat(before));
        assert!(holds(&body(5_114), Some("needle")));
        assert!(!holds(&body(5_115), Some("needle")));
        assert!(!holds("Needle", Some("needle")));
        assert!(!holds("needle", None));
    }
}
