//! What walks through the data plane: requests, responses, and the hops between them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// An HTTP request of somebody on the internet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// `https` or `http`.
    pub scheme: String,
    /// The host of the URL, lower case; also the `Host` header and the name in the TLS handshake.
    pub host: String,
    /// Begins with a slash.
    pub path: String,
    /// Without the question mark; empty for none.
    pub query: String,
    /// By lower-case name, without `host`.
    pub headers: BTreeMap<String, String>,
    /// The body, empty for none.
    pub body: String,
    /// Where the client is, as the AWS region nearest to it: decides latency routing and which faults of a path it
    /// meets.
    pub from: String,
}

impl Request {
    /// A request for a URL, `https://host/path?query`; `https` when it names no scheme. The client is near `us-east-1`.
    #[must_use]
    pub fn new(method: &str, url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, rest) = rest.split_at(end);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        Request {
            method: method.to_uppercase(),
            scheme: scheme.to_lowercase(),
            host: host.to_lowercase(),
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            query: query.to_owned(),
            headers: BTreeMap::new(),
            body: String::new(),
            from: "us-east-1".to_owned(),
        }
    }

    /// A GET request for a URL.
    #[must_use]
    pub fn get(url: &str) -> Self {
        Request::new("GET", url)
    }

    /// The same request with one more header; names are lower-cased, a second value replaces the first.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_lowercase(), value.to_owned());
        self
    }

    /// The same request with a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = body.into();
        self
    }

    /// The same request from a client near another AWS region.
    #[must_use]
    pub fn from(mut self, region: &str) -> Self {
        self.from = region.to_owned();
        self
    }

    /// The URL.
    #[must_use]
    pub fn url(&self) -> String {
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query) };
        format!("{}://{}{}{query}", self.scheme, self.host, self.path)
    }

    /// GET, HEAD and OPTIONS: what CloudFront sends to a second origin and what it retries.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }
}

/// What came back, by which way, and what went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The HTTP status; 0 when no HTTP answer arrived at all (see [`Response::failed`]).
    pub status: u16,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
    /// The hops that the request reached, in order.
    pub path: Vec<Hop>,
    /// The hop that the request did not get past and why, also when somebody before it made an HTTP answer of it.
    pub failed: Option<Failure>,
    /// The region that the request reached, if any.
    pub region: Option<String>,
    /// Milliseconds from the first DNS query to the answer, or until the client had lost.
    pub took_ms: u64,
}

impl Response {
    /// An answer of a [handler](super::Handlers).
    #[must_use]
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Response { status, body: body.into(), ..Response::default() }
    }

    /// The same response with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_lowercase(), value.to_owned());
        self
    }

    /// Whether the status is 2xx or 3xx.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        (200..400).contains(&self.status)
    }

    /// The name of the first hop of this kind.
    #[must_use]
    pub fn through(&self, part: Part) -> Option<&str> {
        self.path.iter().find(|hop| hop.part == part).map(|hop| hop.name.as_str())
    }
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            0 => write!(f, "no answer")?,
            status => write!(f, "{status}")?,
        }
        if let Some(region) = &self.region {
            write!(f, " from {region}")?;
        }
        write!(f, " after {} ms", self.took_ms)?;
        match &self.failed {
            Some(failure) => write!(f, ": {failure}"),
            None => Ok(()),
        }
    }
}

/// A station on the way of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// What it is.
    pub part: Part,
    /// Its id or name.
    pub name: String,
    /// Where it is; global services have no region.
    pub region: Option<String>,
    /// The status that an API answered, whatever somebody before it made of that; none at other hops.
    #[serde(default)]
    pub status: Option<u16>,
}

impl Hop {
    pub(super) fn new(part: Part, name: impl Into<String>, region: Option<&str>) -> Self {
        Hop { part, name: name.into(), region: region.map(str::to_owned), status: None }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.part, self.name)?;
        match &self.region {
            Some(region) => write!(f, " of {region}"),
            None => Ok(()),
        }
    }
}

/// The kinds of hops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Part {
    /// A name that was resolved.
    Dns,
    /// A CloudFront distribution.
    CloudFront,
    /// A public endpoint: the connection to it and its certificate.
    Endpoint,
    /// A custom domain name of API Gateway.
    DomainName,
    /// An HTTP API, with its stage.
    Api,
    /// A route of an API.
    Route,
    /// An integration of an API.
    Integration,
    /// A VPC link.
    VpcLink,
    /// A security group.
    SecurityGroup,
    /// A network ACL.
    NetworkAcl,
    /// A route table.
    RouteTable,
    /// A load balancer.
    LoadBalancer,
    /// A listener of a load balancer.
    Listener,
    /// A rule of a listener.
    Rule,
    /// A target group.
    TargetGroup,
    /// An EC2 instance.
    Instance,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Dns => "DNS name",
            Part::CloudFront => "distribution",
            Part::Endpoint => "endpoint",
            Part::DomainName => "API domain name",
            Part::Api => "API",
            Part::Route => "route",
            Part::Integration => "integration",
            Part::VpcLink => "VPC link",
            Part::SecurityGroup => "security group",
            Part::NetworkAcl => "network ACL",
            Part::RouteTable => "route table",
            Part::LoadBalancer => "load balancer",
            Part::Listener => "listener",
            Part::Rule => "rule",
            Part::TargetGroup => "target group",
            Part::Instance => "instance",
        })
    }
}

/// The hop that a request did not get past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which one.
    pub hop: Hop,
    /// Why, in words.
    pub reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.hop, self.reason)
    }
}

/// What somebody who sends a request to the next hop gets, and how long it takes without anybody giving up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Got {
    /// An HTTP answer after `ms`.
    Reply { reply: Reply, ms: u64 },
    /// The connection is refused, reset or ends in a TLS alert: at once.
    Refused,
    /// Packets vanish: no connection, until the sender gives up.
    NoConnection,
    /// A connection and then nothing, until the sender gives up.
    Silence,
}

/// An HTTP answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

impl Reply {
    /// An answer that a service makes by itself.
    pub(super) fn json(status: u16, message: &str) -> Self {
        let headers = BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]);
        Reply { status, headers, body: format!(r#"{{"message":"{message}"}}"#) }
    }

    pub(super) fn html(status: u16, title: &str) -> Self {
        let headers = BTreeMap::from([("content-type".to_owned(), "text/html".to_owned())]);
        Reply { status, headers, body: format!("<html><head><title>{status} {title}</title></head></html>") }
    }

    pub(super) fn after(self, ms: u64) -> Got {
        Got::Reply { reply: self, ms }
    }
}

impl Got {
    /// The same with `ms` more before the answer.
    pub(super) fn later(self, more_ms: u64) -> Got {
        match self {
            Got::Reply { reply, ms } => Got::Reply { reply, ms: ms + more_ms },
            other => other,
        }
    }
}

/// The notes of a walk: where it has been and what stopped it.
#[derive(Debug, Default)]
pub(super) struct Trace {
    pub(super) path: Vec<Hop>,
    pub(super) failed: Option<Failure>,
    pub(super) region: Option<String>,
}

impl Trace {
    pub(super) fn reach(&mut self, hop: Hop) {
        self.path.push(hop);
    }

    /// The hop farthest from the client is noted first and is the cause; who passes an error on does not replace it.
    pub(super) fn fail(&mut self, hop: Hop, reason: impl Into<String>) {
        if self.failed.is_none() {
            self.failed = Some(Failure { hop, reason: reason.into() });
        }
    }

    /// Ends with the response of the client, or without one.
    pub(super) fn finish(self, reply: Option<Reply>, took_ms: u64) -> Response {
        let Reply { status, headers, body } = reply.unwrap_or_default();
        Response { status, headers, body, path: self.path, failed: self.failed, region: self.region, took_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_put_together() {
        let request = Request::get("https://API.example.com/a/b?c=d");
        assert_eq!(
            (request.host.as_str(), request.path.as_str(), request.query.as_str()),
            ("api.example.com", "/a/b", "c=d")
        );
        assert_eq!(request.url(), "https://api.example.com/a/b?c=d");
        assert_eq!(Request::get("example.com").url(), "https://example.com/");
        assert_eq!(Request::get("http://example.com?x").url(), "http://example.com/?x");
    }

    #[test]
    fn the_first_failure_is_the_cause() {
        let mut trace = Trace::default();
        trace.fail(Hop::new(Part::Instance, "i-1", Some("us-east-1")), "it is stopped");
        trace.fail(Hop::new(Part::VpcLink, "abc", Some("us-east-1")), "no answer");
        let response = trace.finish(Some(Reply::json(503, "Service Unavailable")), 12);
        assert_eq!(response.to_string(), "503 after 12 ms: instance i-1 of us-east-1: it is stopped");
    }
}
