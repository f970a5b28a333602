//! The timers of a CloudFront origin: how long the last request waits on the old path.

use serde::{Deserialize, Serialize};

use super::{FailureMode, Path};

/// Method of a request, as far as CloudFront treats it differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Retried, and its errors are cached.
    Get,
    /// As GET.
    Head,
    /// As GET, if OPTIONS is among the cached methods; this model assumes that.
    Options,
    /// Neither retried after a read timeout nor cached.
    Post,
    /// As POST.
    Put,
    /// As POST.
    Patch,
    /// As POST.
    Delete,
}

impl Method {
    /// Whether CloudFront asks again after a read timeout, and caches errors.
    pub fn is_retried(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options)
    }
}

/// The settings of a CloudFront custom origin that bound a failover, with the defaults of CloudFront.
///
/// Source: <https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_CustomOriginConfig.html>,
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DownloadDistValuesOrigin.html>.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OriginTimers {
    /// `ConnectionAttempts`, 1 to 3; also the attempts after a read timeout of GET and HEAD.
    pub connection_attempts: u32,
    /// `ConnectionTimeout`, 1 to 10 seconds.
    pub connection_timeout_s: f64,
    /// `OriginReadTimeout`, 1 to 120 seconds.
    pub read_timeout_s: f64,
    /// `OriginKeepaliveTimeout`, 1 to 120 seconds.
    pub keepalive_timeout_s: f64,
    /// `ResponseCompletionTimeout` in seconds, at least the read timeout. `None`: a response may trickle in for ever.
    pub response_completion_timeout_s: Option<f64>,
    /// `ErrorCachingMinTTL` in seconds.
    pub error_caching_min_ttl_s: f64,
}

impl Default for OriginTimers {
    fn default() -> Self {
        Self {
            connection_attempts: 3,
            connection_timeout_s: 10.0,
            read_timeout_s: 30.0,
            keepalive_timeout_s: 5.0,
            response_completion_timeout_s: None,
            error_caching_min_ttl_s: 10.0,
        }
    }
}

impl OriginTimers {
    /// Checks the ranges that CloudFront accepts.
    ///
    /// # Errors
    /// [`OriginTimersError`] with the first setting that is out of its range.
    pub fn check(&self) -> Result<(), OriginTimersError> {
        let attempts = f64::from(self.connection_attempts);
        let completion = self.response_completion_timeout_s.unwrap_or(f64::INFINITY);
        let settings = [
            ("ConnectionAttempts", attempts, 1.0..=3.0),
            ("ConnectionTimeout", self.connection_timeout_s, 1.0..=10.0),
            ("OriginReadTimeout", self.read_timeout_s, 1.0..=120.0),
            ("OriginKeepaliveTimeout", self.keepalive_timeout_s, 1.0..=120.0),
            ("ResponseCompletionTimeout", completion, self.read_timeout_s..=f64::INFINITY),
            ("ErrorCachingMinTTL", self.error_caching_min_ttl_s, 0.0..=f64::INFINITY),
        ];
        match settings.into_iter().find(|(_, value, range)| !range.contains(value)) {
            Some((setting, value, range)) => {
                Err(OriginTimersError { setting, value, least: *range.start(), most: *range.end() })
            }
            None => Ok(()),
        }
    }

    /// Longest wait of a request whose packets vanish: every attempt to connect.
    pub fn black_hole_s(&self) -> f64 {
        f64::from(self.connection_attempts) * self.connection_timeout_s
    }

    /// Longest wait of a request that is never answered: every attempt of a GET, one of a POST, because a read timeout of POST,
    /// PUT, PATCH and DELETE is not retried.
    pub fn hang_s(&self, method: Method) -> f64 {
        let attempts = if method.is_retried() { f64::from(self.connection_attempts) } else { 1.0 };
        attempts * self.read_timeout_s
    }

    /// Longest wait of a request when the kind of failure is not known: the longer of a black hole and a hang.
    pub fn worst_s(&self, method: Method) -> f64 {
        self.black_hole_s().max(self.hang_s(method))
    }

    /// Longest wait of a request for this kind of failure.
    pub fn stuck_request_s(&self, method: Method, mode: FailureMode) -> f64 {
        match mode {
            FailureMode::Refused | FailureMode::ErrorStatus | FailureMode::WrongBody | FailureMode::BadCertificate => {
                0.0
            }
            FailureMode::ConnectBlackHole => self.black_hole_s(),
            FailureMode::NoStatusLine | FailureMode::BodyStalls => self.hang_s(method),
            // Every attempt may spend both timeouts.
            FailureMode::SlowConnectThenHang => {
                let attempts = if method.is_retried() { f64::from(self.connection_attempts) } else { 1.0 };
                self.hang_s(method) + attempts * self.connection_timeout_s
            }
        }
    }

    /// Longest wait of a request that is sent over a connection which was kept from before the failure, for this kind of failure,
    /// where that is longer than [`stuck_request_s`](Self::stuck_request_s): in a black hole it waits for an answer first, and
    /// then for every further attempt to connect. 0 otherwise.
    pub fn kept_request_s(&self, method: Method, mode: FailureMode) -> f64 {
        if mode != FailureMode::ConnectBlackHole || self.keepalive_timeout_s == 0.0 {
            return 0.0;
        }
        let further = if method.is_retried() { f64::from(self.connection_attempts) - 1.0 } else { 0.0 };
        self.read_timeout_s + further * self.connection_timeout_s
    }

    /// Longest wait for a response that trickles in, in seconds: infinite without a `ResponseCompletionTimeout`. No read timeout
    /// ends such a response.
    pub fn trickle_s(&self) -> f64 {
        self.response_completion_timeout_s.unwrap_or(f64::INFINITY)
    }

    /// The path of a user through CloudFront to a failover record with this TTL, for one kind of failure.
    ///
    /// Under the cache policy `CachingDisabled` no error is kept: give 0 for it then.
    /// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/HTTPStatusCodes.html>
    pub fn path(&self, ttl_s: f64, method: Method, mode: FailureMode) -> Path {
        let (stuck_request_s, kept_request_s) = (self.stuck_request_s(method, mode), self.kept_request_s(method, mode));
        Path { stuck_request_s, kept_request_s, ..self.path_at_worst(ttl_s, method) }
    }

    /// The same for an unknown kind of failure.
    pub fn path_at_worst(&self, ttl_s: f64, method: Method) -> Path {
        Path {
            ttl_s,
            resolver_floor_s: 0.0,
            keepalive_s: self.keepalive_timeout_s,
            stuck_request_s: self.worst_s(method),
            // A black hole on a kept connection lasts no longer than the longer of a black hole and a hang.
            kept_request_s: 0.0,
            error_cache_s: if method.is_retried() { self.error_caching_min_ttl_s } else { 0.0 },
        }
    }
}

/// A setting that CloudFront does not accept.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{setting} is {value}, and CloudFront accepts {least} to {most}")]
pub struct OriginTimersError {
    /// Its name in the API.
    pub setting: &'static str,
    /// Its value.
    pub value: f64,
    /// The smallest that is accepted.
    pub least: f64,
    /// The largest that is accepted.
    pub most: f64,
}
