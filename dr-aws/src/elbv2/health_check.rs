//! How a target group finds out whether a target works.

use dr_core::Problems;
use serde::{Deserialize, Serialize};

/// How a load balancer finds out whether a target works.
///
/// A new target serves after one good answer. One that fails stops serving after `unhealthy` bad answers, about
/// `interval_s * unhealthy` seconds, and serves again after `healthy` good ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HealthCheck {
    /// What is requested. Default: `/`.
    pub path: String,
    /// Seconds between two requests, 5 to 300. Default: 10 (AWS: 30).
    pub interval_s: u16,
    /// Seconds until a request has failed, 2 to 120. Default: 5.
    pub timeout_s: u16,
    /// Good answers that make a failed target healthy, 2 to 10. Default: 2 (AWS: 5).
    pub healthy: u8,
    /// Bad answers that make a target unhealthy, 2 to 10. Default: 2.
    pub unhealthy: u8,
    /// The status codes of a good answer, `200` or `200-299,401`. Default: `200`.
    pub matcher: String,
}

impl Default for HealthCheck {
    fn default() -> Self {
        HealthCheck {
            path: "/".to_owned(),
            interval_s: 10,
            timeout_s: 5,
            healthy: 2,
            unhealthy: 2,
            matcher: "200".to_owned(),
        }
    }
}

impl HealthCheck {
    /// Requests this path, everything else by default.
    pub fn path(path: impl Into<String>) -> Self {
        HealthCheck { path: path.into(), ..HealthCheck::default() }
    }

    /// Seconds between two requests and until one has failed.
    #[must_use]
    pub fn every_s(mut self, interval_s: u16, timeout_s: u16) -> Self {
        (self.interval_s, self.timeout_s) = (interval_s, timeout_s);
        self
    }

    /// Good answers that make a failed target healthy, and bad ones that make it unhealthy.
    #[must_use]
    pub fn thresholds(mut self, healthy: u8, unhealthy: u8) -> Self {
        (self.healthy, self.unhealthy) = (healthy, unhealthy);
        self
    }

    /// The status codes of a good answer.
    #[must_use]
    pub fn matcher(mut self, matcher: impl Into<String>) -> Self {
        self.matcher = matcher.into();
        self
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        let mut report = |problem: String| problems.report("health", problem);
        if !self.path.starts_with('/') || self.path.len() > 1024 {
            report(format!("the path `{}` does not begin with `/`, or is longer than 1024 characters", self.path));
        }
        if !(5..=300).contains(&self.interval_s) {
            report(format!("an interval of {} s is not 5 to 300 s", self.interval_s));
        }
        if !(2..=120).contains(&self.timeout_s) || self.timeout_s >= self.interval_s {
            report(format!("a time-out of {} s is not 2 to 120 s and below the interval", self.timeout_s));
        }
        if [self.healthy, self.unhealthy].iter().any(|threshold| !(2..=10).contains(threshold)) {
            report("a threshold is 2 to 10 answers".to_owned());
        }
        let status = |text: &str| text.parse::<u16>().is_ok_and(|status| (200..=499).contains(&status));
        let range = |text: &str| match text.split_once('-') {
            Some((from, to)) => status(from) && status(to),
            None => status(text),
        };
        if !self.matcher.split(',').all(range) {
            report(format!("`{}` is no list of status codes from 200 to 499", self.matcher));
        }
    }
}
