//! What a failure looks like to a health checker, and how long it takes to notice.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Never, Refusal};

/// A TCP probe waits this long for the connection, in seconds. Source of this and the next three:
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html>.
const TCP_CONNECT_S: f64 = 10.0;
/// An HTTP or HTTPS probe waits this long for the connection.
const HTTP_CONNECT_S: f64 = 4.0;
/// It waits this long for the status line after connecting.
const STATUS_S: f64 = 2.0;
/// With string matching it waits this long for the body after the status line.
const BODY_S: f64 = 2.0;

/// What a probe does, from the `Type` of the health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeKind {
    /// Opens a connection.
    Tcp,
    /// Waits for a status of 2xx or 3xx. HTTPS is the same: certificates are not validated.
    Http,
    /// The same, and looks for a string in the first 5,120 bytes of the body.
    StringMatch,
}

impl ProbeKind {
    /// The kind that belongs to a `HealthCheckType` of the API, such as `HTTPS_STR_MATCH`; `None` for those without probes.
    pub fn of_type(health_check_type: &str) -> Option<Self> {
        match health_check_type {
            "TCP" => Some(Self::Tcp),
            "HTTP" | "HTTPS" => Some(Self::Http),
            "HTTP_STR_MATCH" | "HTTPS_STR_MATCH" => Some(Self::StringMatch),
            _ => None,
        }
    }
}

impl fmt::Display for ProbeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Http => "HTTP",
            Self::StringMatch => "string-match",
        })
    }
}

/// How an endpoint fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureMode {
    /// Connections are refused at once.
    Refused,
    /// A status of 4xx or 5xx comes at once: no targets behind the load balancer, VPC link inactive, route missing.
    ErrorStatus,
    /// The status is good and the body is not: the searched string is missing.
    WrongBody,
    /// The certificate is expired or for another name. CloudFront refuses it; Route 53 does not look at it.
    BadCertificate,
    /// Connects, and no status line comes: a hung backend. The timeouts of the load balancer and of API Gateway are far longer
    /// than the checker's.
    NoStatusLine,
    /// The status comes, and the body does not.
    BodyStalls,
    /// Packets vanish: loss of the region.
    ConnectBlackHole,
    /// The connection opens just before the checker gives up, and then nothing comes.
    SlowConnectThenHang,
}

impl FailureMode {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Refused,
        Self::ErrorStatus,
        Self::WrongBody,
        Self::BadCertificate,
        Self::NoStatusLine,
        Self::BodyStalls,
        Self::ConnectBlackHole,
        Self::SlowConnectThenHang,
    ];

    /// How long a probe takes to fail; `None` if it succeeds in spite of the failure.
    pub fn seen_by(self, kind: ProbeKind) -> Option<ProbeTime> {
        use ProbeKind::{Http, StringMatch, Tcp};
        match (self, kind) {
            (Self::Refused, _) | (Self::ErrorStatus, Http | StringMatch) | (Self::WrongBody, StringMatch) => {
                Some(ProbeTime::exactly(0.0))
            }
            (Self::NoStatusLine, Http | StringMatch) => Some(ProbeTime::exactly(STATUS_S)),
            // The status may come at once or at the last moment.
            (Self::BodyStalls, StringMatch) => Some(ProbeTime::between(BODY_S, STATUS_S + BODY_S)),
            (Self::ConnectBlackHole, Tcp) => Some(ProbeTime::exactly(TCP_CONNECT_S)),
            (Self::ConnectBlackHole, Http | StringMatch) => Some(ProbeTime::exactly(HTTP_CONNECT_S)),
            (Self::SlowConnectThenHang, Http) => Some(ProbeTime::exactly(HTTP_CONNECT_S + STATUS_S)),
            (Self::SlowConnectThenHang, StringMatch) => {
                Some(ProbeTime::between(HTTP_CONNECT_S + STATUS_S, HTTP_CONNECT_S + STATUS_S + BODY_S))
            }
            (Self::BadCertificate, _)
            | (Self::WrongBody | Self::BodyStalls, Tcp | Http)
            | (Self::ErrorStatus | Self::NoStatusLine | Self::SlowConnectThenHang, Tcp) => None,
        }
    }
}

impl fmt::Display for FailureMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::ErrorStatus => "error status",
            Self::WrongBody => "wrong body",
            Self::BadCertificate => "bad certificate",
            Self::NoStatusLine => "no status line",
            Self::BodyStalls => "stalled body",
            Self::ConnectBlackHole => "connect timeout",
            Self::SlowConnectThenHang => "slow connect, then no status line",
        })
    }
}

/// Duration of one failing probe, in seconds. The next probe of the same checker waits for it to end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ProbeTime {
    /// The shortest.
    pub best_s: f64,
    /// The longest.
    pub worst_s: f64,
}

impl ProbeTime {
    /// A known duration.
    pub const fn exactly(s: f64) -> Self {
        Self { best_s: s, worst_s: s }
    }

    /// Somewhere between two durations.
    pub const fn between(best_s: f64, worst_s: f64) -> Self {
        Self { best_s, worst_s }
    }

    /// The middle.
    pub fn typical_s(self) -> f64 {
        self.best_s.midpoint(self.worst_s)
    }
}

/// An incident as the health checkers of the primary see it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// How long a probe takes to fail. A CloudWatch alarm does not probe.
    pub probe: ProbeTime,
    /// How many checkers are affected; all if `None`.
    pub affected_checkers: Option<u32>,
}

impl Incident {
    /// A failure of this mode, probed in this way, for all checkers.
    ///
    /// # Errors
    /// [`Never::FailureUnseen`] if the probe succeeds in spite of the failure.
    pub fn seen(kind: ProbeKind, mode: FailureMode) -> Result<Self, Refusal> {
        mode.seen_by(kind).map(Self::from).ok_or(Refusal::Never(Never::FailureUnseen { kind, mode }))
    }

    /// The same, seen by some of the checkers only.
    pub fn affecting(self, checkers: u32) -> Self {
        Self { affected_checkers: Some(checkers), ..self }
    }
}

impl From<ProbeTime> for Incident {
    fn from(probe: ProbeTime) -> Self {
        Self { probe, affected_checkers: None }
    }
}
