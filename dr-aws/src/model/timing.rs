//! How long a failover takes: from the failure of the primary region until users are served by the standby, and back.
//!
//! The time is a sum of stages, each with a best, a typical and a worst case ([`Term`]):
//!
//! 1. **Detection**: health checkers probe at their own phases, each fails after `FailureThreshold` bad probes in a row, and
//!    nearly all of them must (see [`health`](super::health)); or a CloudWatch alarm waits for its periods.
//! 2. **Publication** of the new status to the name servers of Route 53.
//! 3. **Cached answers**: whoever resolves the name keeps the old answer for its TTL. CloudFront honours the TTL.
//! 4. **Keep-alive**: CloudFront reuses an open connection to the old region.
//! 5. **Stuck requests**: the last request on the old path waits for CloudFront's timeouts.
//! 6. **Cached errors**: CloudFront repeats an error to GET and HEAD requests for a while.
//!
//! [`Prediction::dns`] is the sum of the first three, [`Prediction::user`] of all six. A request over a connection from before the
//! failure may hang for longer than all of them together; then its end is the worst case ([`Prediction::kept_request`]). What an
//! operator decides, what has to be started or promoted comes on top, in rows of its own ([`Failover::with_extra`]).
//!
//! The rule of thumb *interval × threshold + TTL* is printed as `nominal`. It is not a bound in either direction.
//!
//! Sources: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html>,
//! <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DownloadDistValuesOrigin.html>. What AWS does not publish
//! is an assumption ([`Assumptions`]).
//!
//! # Example
//!
//! ```
//! use dr_aws::model::timing::{Detection, FailureMode, Failover, Incident, Method, OriginTimers, ProbeKind, Term};
//!
//! // A region vanishes: HTTPS probes time out after 4 s, CloudFront tries to connect 3 times for 10 s.
//! let mode = FailureMode::ConnectBlackHole;
//! let incident = Incident::seen(ProbeKind::Http, mode)?;
//! let path = OriginTimers::default().path(60.0, Method::Get, mode);
//!
//! let failover = Failover::new(Detection::health_check(10.0, 3), path);
//! let prediction = failover.predict(incident)?;
//! let user = prediction.user();
//! assert_eq!((user.best_s, user.nominal_s, user.worst_s), (32.0, Some(90.0), 162.0));
//! assert_eq!(prediction.dominant().term, Term::CachedAnswer);
//!
//! // Which TTL keeps the worst case within two minutes?
//! assert_eq!(failover.largest_ttl(incident, 120.0)?, 18.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod origin;
mod probe;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use origin::{Method, OriginTimers, OriginTimersError};
pub use probe::{FailureMode, Incident, ProbeKind, ProbeTime};

use super::canonical;
use super::health::{HEALTHY_PERCENT, bad_to_fail, good_to_recover};

/// A duration that is not known exactly, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// The shortest possible.
    pub best_s: f64,
    /// The expected one.
    pub typical_s: f64,
    /// The longest possible.
    pub worst_s: f64,
}

impl Span {
    /// From the shortest to the longest, in seconds.
    pub const fn new(best_s: f64, typical_s: f64, worst_s: f64) -> Self {
        Self { best_s, typical_s, worst_s }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            best_s: self.best_s + other.best_s,
            typical_s: self.typical_s + other.typical_s,
            worst_s: self.worst_s + other.worst_s,
        }
    }
}

/// A predicted time, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// The shortest possible.
    pub best_s: f64,
    /// The expected one.
    pub typical_s: f64,
    /// The rule of thumb, interval × threshold + TTL; `None` for a CloudWatch alarm. **No bound**: with slow probes even the
    /// best case can be longer.
    pub nominal_s: Option<f64>,
    /// The longest possible.
    pub worst_s: f64,
}

/// Numbers that AWS does not publish, and the two that it calls subject to change. Measure, then replace.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Assumptions {
    /// From the status of a health check to the answers of the name servers: [`PUBLISH_S`].
    pub publish_s: Span,
    /// From an event to its data point in CloudWatch: [`INGESTION_S`].
    pub ingestion_s: Span,
    /// Checkers that probe an endpoint: [`CHECKERS`].
    pub checkers: u32,
    /// Percentage of checkers that must be exceeded: [`HEALTHY_PERCENT`].
    pub healthy_percent: u32,
}

/// Assumed delay from a health check's status to the answers of Route 53's name servers. AWS publishes none; statuses are pushed
/// continuously.
pub const PUBLISH_S: Span = Span::new(0.0, 5.0, 15.0);

/// Assumed delay from an event to its data point in CloudWatch. AWS publishes none.
pub const INGESTION_S: Span = Span::new(0.0, 15.0, 60.0);

/// Assumed number of checkers of one endpoint. Not contractual: the documentation says that an endpoint sees about one request
/// every two seconds at an interval of 30 s, which makes 15. Source:
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-creating-values.html>.
pub const CHECKERS: u32 = 16;

impl Default for Assumptions {
    fn default() -> Self {
        let (publish_s, ingestion_s) = (PUBLISH_S, INGESTION_S);
        Self { publish_s, ingestion_s, checkers: CHECKERS, healthy_percent: HEALTHY_PERCENT }
    }
}

/// How the failure of the primary is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detection {
    /// A Route 53 health check of an endpoint.
    HealthCheck {
        /// `RequestInterval`, 10 or 30 seconds, from an answer to the next request of the same checker.
        interval_s: f64,
        /// `FailureThreshold`, probes in a row, 1 to 10.
        threshold: u32,
        /// Checkers that probe the endpoint, from the health check's `Regions`. It moves the typical case only.
        checkers: u32,
    },
    /// A health check that follows the metric of a CloudWatch alarm. High-resolution alarms are not usable by Route 53.
    CloudWatch {
        /// Period in seconds, at least 60.
        period_s: f64,
        /// `EvaluationPeriods`, all of which must be bad.
        periods: u32,
    },
}

impl Detection {
    /// A health check with the assumed number of checkers, [`CHECKERS`].
    pub fn health_check(interval_s: f64, threshold: u32) -> Self {
        Self::HealthCheck { interval_s, threshold, checkers: CHECKERS }
    }

    /// A CloudWatch alarm.
    pub fn cloud_watch(period_s: f64, periods: u32) -> Self {
        Self::CloudWatch { period_s, periods }
    }
}

/// What the primary record's health comes from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Neither a health check nor an evaluated target: healthy for ever.
    None,
    /// A disabled health check: healthy for ever.
    Disabled,
    /// `EvaluateTargetHealth` of a kind of target whose health says nothing about the application, such as an API Gateway
    /// domain (see [`Evaluation::ServiceOnly`](super::dns::Evaluation::ServiceOnly)).
    ServiceOnly,
    /// A health check that is neither disabled nor inverted.
    Watched(Detection),
}

impl From<Detection> for Signal {
    fn from(detection: Detection) -> Self {
        Self::Watched(detection)
    }
}

/// The secondary record at the time of the incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standby {
    /// Its health check is green.
    #[default]
    Healthy,
    /// It has no signal: it is answered, whether it works or not.
    Unchecked,
    /// Its health check is red: Route 53 answers the primary as the last resort.
    Unhealthy,
    /// There is no secondary record.
    Missing,
}

/// What lies between the changed DNS answer and the user, in seconds. All 0 by default; [`OriginTimers::path`] fills it from a
/// CloudFront origin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Path {
    /// TTL of the failover record. Of an alias it is the target's: 60 for load balancers, and assumed to be 60 for API Gateway.
    pub ttl_s: f64,
    /// Shortest time for which the resolver keeps an answer. CloudFront honours the TTL, so 0.
    pub resolver_floor_s: f64,
    /// Longest reuse of an idle connection to the old region. Under continuous traffic a connection is never idle, and a failure
    /// that leaves it open is not bounded by this: use infinity then (JSON writes that as `null`).
    pub keepalive_s: f64,
    /// Longest wait of the last request that took the old path.
    pub stuck_request_s: f64,
    /// Longest wait of a request over a connection that was kept from before the failure, where it is longer than
    /// `stuck_request_s`. Such a request begins while connections are kept, so it runs beside the other stages and adds to none.
    pub kept_request_s: f64,
    /// How long an error is repeated from the cache.
    pub error_cache_s: f64,
}

/// A failover pair with everything that its timing depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failover {
    /// Where the primary's health comes from.
    pub primary: Signal,
    /// What there is to fail over to.
    pub standby: Standby,
    /// From the answer to the user.
    pub path: Path,
    /// What AWS does not publish.
    pub assumptions: Assumptions,
    /// Name of the failover record and name that the primary's health check resolves, if both are known.
    names: Option<(String, String)>,
    extra: Vec<Stage>,
}

impl Failover {
    /// A pair whose primary is watched by `primary` and whose secondary is healthy.
    pub fn new(primary: impl Into<Signal>, path: Path) -> Self {
        let (standby, assumptions) = (Standby::default(), Assumptions::default());
        Self { primary: primary.into(), standby, path, assumptions, names: None, extra: Vec::new() }
    }

    /// The same with another standby.
    pub fn standby(mut self, standby: Standby) -> Self {
        self.standby = standby;
        self
    }

    /// The same with other assumptions.
    pub fn assuming(mut self, assumptions: Assumptions) -> Self {
        self.assumptions = assumptions;
        self
    }

    /// Gives the name of the failover record and the name that the primary's health check resolves, so that a check of its own
    /// record is refused.
    pub fn probing(mut self, failover_name: &str, probed_name: &str) -> Self {
        self.names = Some((failover_name.into(), probed_name.into()));
        self
    }

    /// Adds a stage that DNS knows nothing about, such as an operator's decision, the reactivation of an idle VPC link, starting
    /// instances, promoting a database.
    pub fn with_extra(mut self, what: impl Into<String>, span: Span) -> Self {
        self.extra.push(Stage { term: Term::Extra(what.into()), span });
        self
    }

    /// Time from the beginning of the incident until users are served by the standby.
    ///
    /// # Errors
    /// [`Refusal`] if that never happens, if AWS calls the outcome unpredictable, or if a number makes no sense.
    pub fn predict(&self, incident: impl Into<Incident>) -> Result<Prediction, Refusal> {
        let incident = incident.into();
        let (detection, affected) = self.guard(&incident)?;
        let (first, mid, last) = (incident.probe.best_s, incident.probe.typical_s(), incident.probe.worst_s);
        let span = match detection {
            Detection::HealthCheck { interval_s, threshold, checkers } => {
                let threshold = f64::from(threshold);
                let waits = (threshold - 1.0) * interval_s;
                // The phases of the checkers are uniform in the interval: the expected time of the k-th of m.
                let k = f64::from(bad_to_fail(checkers, self.assumptions.healthy_percent));
                let phase = interval_s * k / (f64::from(affected) + 1.0);
                Span {
                    best_s: waits + threshold * first,
                    typical_s: waits + threshold * mid + phase,
                    worst_s: waits + threshold * last + interval_s,
                }
            }
            Detection::CloudWatch { period_s, periods } => {
                let waits = period_s * (f64::from(periods) - 1.0);
                let lag = self.assumptions.ingestion_s;
                // The best data point is there when its period ends and the incident began just before that.
                Span {
                    best_s: waits + lag.best_s,
                    typical_s: waits + period_s / 2.0 + lag.typical_s,
                    worst_s: waits + period_s + lag.worst_s,
                }
            }
        };
        let path = &self.path;
        let after = [
            (Term::KeepAlive, Span::new(0.0, 0.0, path.keepalive_s)),
            (Term::StuckRequest, Span::new(0.0, 0.0, path.stuck_request_s)),
            (Term::ErrorCache, Span::new(0.0, path.error_cache_s / 2.0, path.error_cache_s)),
        ];
        // Its error is cached as well.
        let kept_s = path.keepalive_s + path.kept_request_s + path.error_cache_s;
        let kept = Stage { term: Term::KeptRequest, span: Span::new(0.0, 0.0, kept_s) };
        let kept_request = (path.kept_request_s > 0.0).then_some(kept);
        Ok(Prediction { kept_request, ..self.prediction(detection, span, &after, self.extra.clone()) })
    }

    /// Time from the end of the incident until users are served by the primary again.
    ///
    /// Nobody waits for this: the standby still answers, so there are no stuck requests and no cached errors, and what
    /// [`with_extra`](Self::with_extra) added does not recur. It is faster than failing over, because few checkers suffice. For a
    /// CloudWatch alarm one good period suffices.
    ///
    /// # Errors
    /// As [`predict`](Self::predict): where nothing fails over, nothing comes back.
    pub fn recover(&self, incident: impl Into<Incident>) -> Result<Prediction, Refusal> {
        let incident = incident.into();
        let (detection, affected) = self.guard(&incident)?;
        let (mid, last) = (incident.probe.typical_s(), incident.probe.worst_s);
        let span = match detection {
            Detection::HealthCheck { interval_s, threshold, checkers } => {
                let waits = (f64::from(threshold) - 1.0) * interval_s;
                // The checkers that were not affected are good already. A failing probe lengthens the cycle by its own duration,
                // and one that is under way must end before a good one can begin.
                let needed = good_to_recover(checkers, self.assumptions.healthy_percent) - (checkers - affected);
                let phase = (interval_s + mid) * f64::from(needed) / (f64::from(affected) + 1.0);
                Span { best_s: waits, typical_s: waits + phase, worst_s: waits + interval_s + last }
            }
            Detection::CloudWatch { period_s, .. } => {
                let lag = self.assumptions.ingestion_s;
                Span { best_s: lag.best_s, typical_s: period_s / 2.0 + lag.typical_s, worst_s: period_s + lag.worst_s }
            }
        };
        let after = [(Term::KeepAlive, Span::new(0.0, 0.0, self.path.keepalive_s))];
        Ok(self.prediction(detection, span, &after, Vec::new()))
    }

    /// The largest TTL, in seconds, with which the worst case of every stage together stays within `target_s`. Real TTLs are
    /// whole seconds: round down.
    ///
    /// # Errors
    /// [`Infeasible`] if no TTL does.
    pub fn largest_ttl(&self, incident: impl Into<Incident>, target_s: f64) -> Result<f64, Infeasible> {
        let path = Path { ttl_s: 0.0, resolver_floor_s: 0.0, ..self.path };
        let rest = Self { path, ..self.clone() }.predict(incident)?;
        if let Some(Stage { span, .. }) = rest.kept_request.as_ref().filter(|kept| kept.span.worst_s > target_s) {
            let rest_s = span.worst_s;
            return Err(Infeasible::AtAnyTtl { target_s, rest_s, short_by_s: rest_s - target_s });
        }
        let rest_s = rest.sum(rest.stages.iter().chain(&rest.extra)).worst_s;
        let (ttl_s, floor_s) = (target_s - rest_s, self.path.resolver_floor_s);
        if floor_s > ttl_s.max(0.0) {
            return Err(Infeasible::ResolverFloor { target_s, rest_s, floor_s });
        }
        // Written so that a target that is not a number is infeasible.
        if ttl_s >= 0.0 { Ok(ttl_s) } else { Err(Infeasible::AtAnyTtl { target_s, rest_s, short_by_s: -ttl_s }) }
    }

    fn prediction(&self, detection: Detection, span: Span, after: &[(Term, Span)], extra: Vec<Stage>) -> Prediction {
        let ttl_s = self.path.ttl_s.max(self.path.resolver_floor_s);
        let dns = [
            (Term::Detection, span),
            (Term::Publication, self.assumptions.publish_s),
            (Term::CachedAnswer, Span::new(0.0, ttl_s / 2.0, ttl_s)),
        ];
        let stages = dns.iter().chain(after).map(|(term, span)| Stage { term: term.clone(), span: *span }).collect();
        let nominal_s = match detection {
            Detection::HealthCheck { interval_s, threshold, .. } => {
                Some(f64::from(threshold) * interval_s + self.path.ttl_s)
            }
            Detection::CloudWatch { .. } => None,
        };
        Prediction { stages, extra, kept_request: None, nominal_s }
    }

    /// The detection and the number of checkers that notice the incident, unless there is a reason to refuse.
    fn guard(&self, incident: &Incident) -> Result<(Detection, u32), Refusal> {
        if let Some((failover, probed)) = &self.names
            && canonical(failover) == canonical(probed)
        {
            return Err(Refusal::ProbesItself { name: failover.clone() });
        }
        let detection = match self.primary {
            Signal::None => return Err(Never::PrimaryWithoutSignal.into()),
            Signal::Disabled => return Err(Never::CheckDisabled.into()),
            Signal::ServiceOnly => return Err(Never::ServiceHealthOnly.into()),
            Signal::Watched(detection) => detection,
        };
        match self.standby {
            Standby::Missing => return Err(Never::StandbyMissing.into()),
            Standby::Unhealthy => return Err(Never::StandbyUnhealthy.into()),
            Standby::Healthy | Standby::Unchecked => {}
        }
        self.check_numbers(&detection, incident)?;
        let affected = match detection {
            Detection::HealthCheck { checkers, .. } => {
                let affected = incident.affected_checkers.unwrap_or(checkers).min(checkers);
                let needed = bad_to_fail(checkers, self.assumptions.healthy_percent);
                if affected < needed {
                    return Err(Never::BelowThreshold { affected, needed, checkers }.into());
                }
                affected
            }
            Detection::CloudWatch { .. } => 0,
        };
        Ok((detection, affected))
    }

    fn check_numbers(&self, detection: &Detection, incident: &Incident) -> Result<(), Refusal> {
        let (path, assumptions) = (&self.path, &self.assumptions);
        let (length_s, counts) = match *detection {
            Detection::HealthCheck { interval_s, threshold, checkers } => {
                (("interval_s", interval_s), [("threshold", threshold), ("checkers", checkers)])
            }
            Detection::CloudWatch { period_s, periods } => (("period_s", period_s), [("periods", periods); 2]),
        };
        let probe = Span::new(incident.probe.best_s, incident.probe.typical_s(), incident.probe.worst_s);
        let durations = [
            length_s,
            ("ttl_s", path.ttl_s),
            ("resolver_floor_s", path.resolver_floor_s),
            ("keepalive_s", path.keepalive_s),
            ("stuck_request_s", path.stuck_request_s),
            ("kept_request_s", path.kept_request_s),
            ("error_cache_s", path.error_cache_s),
        ];
        let fixed = [("probe", probe), ("publish_s", assumptions.publish_s), ("ingestion_s", assumptions.ingestion_s)];
        let extra = self.extra.iter().map(|stage| (stage.term.label(), stage.span));
        let bad = |value: f64| value.is_nan() || value < 0.0;
        let bad_duration = durations.into_iter().find(|(_, value)| bad(*value)).map(|(what, _)| what);
        let bad_count = counts.into_iter().find(|(_, count)| *count == 0).map(|(what, _)| what);
        // Comparisons with NaN are false, so a span with one is not ordered.
        let ordered = |s: &Span| 0.0 <= s.best_s && s.best_s <= s.typical_s && s.typical_s <= s.worst_s;
        let bad_span = fixed.into_iter().chain(extra).find(|(_, span)| !ordered(span)).map(|(what, _)| what);
        let bad_percent = (assumptions.healthy_percent >= 100).then_some("healthy_percent");
        match bad_duration.or(bad_count).or(bad_span).or(bad_percent) {
            Some(what) => Err(Refusal::Nonsense { what: what.into() }),
            None => Ok(()),
        }
    }
}

/// A part of the way from the failure to the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// Until enough checkers, or the alarm, have noticed.
    Detection,
    /// Until the name servers answer accordingly.
    Publication,
    /// Until the old answer has left the cache of whoever resolves the name.
    CachedAnswer,
    /// Until the last connection to the old region is closed.
    KeepAlive,
    /// Until the last request on the old path has ended.
    StuckRequest,
    /// Until the last cached error has expired.
    ErrorCache,
    /// Until the last request over a connection from before the failure has ended, and its error has left the cache. It runs
    /// beside the other stages.
    KeptRequest,
    /// Something outside DNS, in the words of who added it.
    Extra(String),
}

impl Term {
    /// A few words for a table.
    pub fn label(&self) -> &str {
        match self {
            Self::Detection => "detection",
            Self::Publication => "publication",
            Self::CachedAnswer => "cached answer",
            Self::KeepAlive => "keep-alive",
            Self::StuckRequest => "stuck request",
            Self::ErrorCache => "cached error",
            Self::KeptRequest => "or kept connection",
            Self::Extra(what) => what,
        }
    }

    /// Where the numbers of this stage come from.
    pub fn source(&self) -> &'static str {
        match self {
            Self::Detection => {
                "https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html"
            }
            Self::Publication => "assumption: AWS publishes no number",
            Self::CachedAnswer => {
                "https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resource-record-sets-values-basic.html"
            }
            Self::KeepAlive | Self::StuckRequest | Self::KeptRequest => {
                "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DownloadDistValuesOrigin.html"
            }
            Self::ErrorCache => {
                "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/HTTPStatusCodes.html"
            }
            Self::Extra(_) => "given by the user",
        }
    }
}

/// One row of a prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Which part of the way.
    pub term: Term,
    /// How long it takes.
    pub span: Span,
}

/// A predicted failover, stage by stage. `Display` prints the stages and the sum as a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The stages that the configuration determines, in the order of time.
    pub stages: Vec<Stage>,
    /// What was added by [`Failover::with_extra`].
    pub extra: Vec<Stage>,
    /// What runs beside the stages: the worst case is no shorter than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_request: Option<Stage>,
    nominal_s: Option<f64>,
}

impl Prediction {
    /// Until every resolver that honours TTLs answers with the other region: detection, publication, cached answer.
    pub fn dns(&self) -> Band {
        let is_dns = |s: &&Stage| matches!(s.term, Term::Detection | Term::Publication | Term::CachedAnswer);
        self.sum(self.stages.iter().filter(is_dns))
    }

    /// Until the last user is served by the other region, without the extra stages.
    pub fn user(&self) -> Band {
        self.with_kept(self.sum(&self.stages))
    }

    /// [`user`](Self::user) and the extra stages, one after the other.
    pub fn overall(&self) -> Band {
        self.with_kept(self.sum(self.stages.iter().chain(&self.extra)))
    }

    /// The stage with the longest worst case, or what is longer than all of them together: what to shorten first.
    pub fn dominant(&self) -> &Stage {
        if let Some(kept) = self.deciding() {
            return kept;
        }
        let rows = self.stages.iter().chain(&self.extra);
        rows.max_by(|a, b| a.span.worst_s.total_cmp(&b.span.worst_s)).expect("a prediction starts with its detection")
    }

    /// What runs beside the stages, where it takes longer than they do.
    fn deciding(&self) -> Option<&Stage> {
        let stages_s = self.sum(self.stages.iter().chain(&self.extra)).worst_s;
        self.kept_request.as_ref().filter(|kept| kept.span.worst_s > stages_s)
    }

    fn with_kept(&self, band: Band) -> Band {
        let kept_s = self.kept_request.as_ref().map_or(0.0, |kept| kept.span.worst_s);
        Band { worst_s: band.worst_s.max(kept_s), ..band }
    }

    fn sum<'a>(&self, stages: impl IntoIterator<Item = &'a Stage>) -> Band {
        let Span { best_s, typical_s, worst_s } =
            stages.into_iter().fold(Span::default(), |sum, stage| sum.plus(stage.span));
        Band { best_s, typical_s, nominal_s: self.nominal_s, worst_s }
    }
}

impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<24}{:>9}{:>9}{:>9}", "seconds", "best", "typical", "worst")?;
        for Stage { term, span } in self.stages.iter().chain(&self.extra).chain(self.deciding()) {
            let Span { best_s, typical_s, worst_s } = span;
            writeln!(f, "{:<24}{best_s:>9.1}{typical_s:>9.1}{worst_s:>9.1}", term.label())?;
        }
        let Band { best_s, typical_s, nominal_s, worst_s } = self.overall();
        write!(f, "{:<24}{best_s:>9.1}{typical_s:>9.1}{worst_s:>9.1}", "all")?;
        nominal_s.map_or(Ok(()), |nominal_s| write!(f, "   (rule of thumb {nominal_s:.1})"))
    }
}

/// Why there is no number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// The answer does not move, however long one waits.
    #[error("never: {0}")]
    Never(Never),
    /// The health check resolves the failover record that it decides about. AWS documents the result as unpredictable. Source:
    /// `FullyQualifiedDomainName` in <https://docs.aws.amazon.com/Route53/latest/APIReference/API_HealthCheckConfig.html>.
    #[error("unpredictable: the health check probes {name}, the record that it decides about")]
    ProbesItself {
        /// The name of the failover record.
        name: String,
    },
    /// A way to notice a failure of which the model has no times.
    #[error("not predicted: {what}")]
    NotModelled {
        /// The way.
        what: String,
    },
    /// A duration that is negative or not a number, a count of zero, or a best case above the worst.
    #[error("`{what}` is out of range")]
    Nonsense {
        /// The field.
        what: String,
    },
}

impl From<Never> for Refusal {
    fn from(never: Never) -> Self {
        Self::Never(never)
    }
}

/// Why the answer never moves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Never {
    /// A record without a health check and without an evaluated target is always healthy.
    #[error("the primary record has no health check, so it is always healthy")]
    PrimaryWithoutSignal,
    /// Disabled means healthy.
    #[error("the health check of the primary is disabled, which means healthy")]
    CheckDisabled,
    /// The target's health is that of the AWS service.
    #[error("the primary evaluates the health of the AWS service only, not of the application")]
    ServiceHealthOnly,
    /// The probe succeeds in spite of the failure.
    #[error("a {kind} probe does not see this failure ({mode})")]
    FailureUnseen {
        /// What the probe does.
        kind: ProbeKind,
        /// What fails.
        mode: FailureMode,
    },
    /// A grey failure: too few checkers are affected.
    #[error("{affected} of {checkers} checkers are affected, and {needed} must be")]
    BelowThreshold {
        /// Checkers that see the failure.
        affected: u32,
        /// Checkers that must see it.
        needed: u32,
        /// All checkers.
        checkers: u32,
    },
    /// A lone primary is answered whatever happens.
    #[error("there is no secondary record")]
    StandbyMissing,
    /// With both records unhealthy Route 53 answers the primary.
    #[error("the secondary is unhealthy too, and then the primary is answered")]
    StandbyUnhealthy,
}

/// Why no TTL meets a target.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Infeasible {
    /// Everything but the cached answer takes longer already: change the interval, the threshold or the timers.
    #[error("{target_s} s cannot be met at any TTL: the other stages take up to {rest_s} s, {short_by_s} s too many")]
    AtAnyTtl {
        /// What was asked for.
        target_s: f64,
        /// Worst case of all other stages.
        rest_s: f64,
        /// By how much that is too long.
        short_by_s: f64,
    },
    /// Some TTL would do, but resolvers keep answers for longer.
    #[error(
        "{target_s} s cannot be met at any TTL: resolvers keep answers for {floor_s} s, the other stages take {rest_s} s"
    )]
    ResolverFloor {
        /// What was asked for.
        target_s: f64,
        /// Worst case of all other stages.
        rest_s: f64,
        /// Shortest time for which the resolver keeps an answer.
        floor_s: f64,
    },
    /// There is no failover to time.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

#[cfg(test)]
mod tests;
