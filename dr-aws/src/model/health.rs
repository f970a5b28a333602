//! Route 53 health checks: from single probes to the status that DNS answers use.
//!
//! Many checkers around the world probe one endpoint independently ([`Checker`]). Each calls it good or bad after
//! `FailureThreshold` probes in a row; Route 53 calls it healthy while more than [`HEALTHY_PERCENT`] of the checkers do
//! ([`aggregate`]). `Inverted` and `Disabled` change what is made of that ([`Check`]).
//!
//! The 18 % rule makes failing slow and recovering fast: of 16 checkers, 14 must call the endpoint bad before it fails
//! ([`bad_to_fail`]), and 3 must call it good before it recovers ([`good_to_recover`]). A failure that spares 3 of 16 checkers is
//! never noticed. Route 53 has no hold-down that would damp a flapping endpoint.
//!
//! Source: "How Amazon Route 53 determines whether a health check is healthy",
//! <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html>.
//!
//! # Example
//!
//! ```
//! use dr_aws::model::health::{Check, Checker, HEALTHY_PERCENT, Health, bad_to_fail, good_to_recover};
//!
//! let mut checker = Checker::new(3);
//! assert_eq!([false, false, false].map(|good| checker.probe(good)), [Health::Healthy, Health::Healthy, Health::Unhealthy]);
//!
//! assert_eq!(bad_to_fail(16, HEALTHY_PERCENT), 14);
//! assert_eq!(good_to_recover(16, HEALTHY_PERCENT), 3);
//!
//! // An operator who disables the primary's check to force a failover achieves the opposite.
//! let down = Check::endpoint(0, 16);
//! assert_eq!(down.clone().status(), Health::Unhealthy);
//! assert_eq!(down.disabled(true).status(), Health::Healthy);
//! ```

use std::collections::BTreeMap;
use std::ops::Not;

use serde::{Deserialize, Serialize};

/// An endpoint is healthy while more than this percentage of the checkers call it good.
///
/// 18 is documented, with the remark that it may change; hence a parameter of every function that uses it. Source:
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html>.
pub const HEALTHY_PERCENT: u32 = 18;

/// What a health check, a record or a target is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// May be answered to a query.
    Healthy,
    /// Is answered only as a last resort.
    Unhealthy,
}

impl Health {
    /// Whether this is [`Health::Healthy`].
    pub fn is_healthy(self) -> bool {
        self == Self::Healthy
    }
}

impl From<bool> for Health {
    /// `true` is healthy.
    fn from(healthy: bool) -> Self {
        if healthy { Self::Healthy } else { Self::Unhealthy }
    }
}

impl Not for Health {
    type Output = Self;

    fn not(self) -> Self {
        Self::from(!self.is_healthy())
    }
}

/// One checker's opinion of one endpoint.
///
/// It changes after `FailureThreshold` probes in a row against it, in both directions, and starts as healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checker {
    threshold: u32,
    opinion: Health,
    /// Probes in a row that contradict `opinion`; below `threshold`.
    against: u32,
}

impl Checker {
    /// A checker that changes its opinion after `threshold` probes in a row (`FailureThreshold`: 1 to 10, 3 by default; 0 is
    /// taken for 1).
    pub fn new(threshold: u32) -> Self {
        Self { threshold: threshold.max(1), opinion: Health::Healthy, against: 0 }
    }

    /// Takes the result of one probe and returns the opinion after it.
    pub fn probe(&mut self, good: bool) -> Health {
        if good == self.opinion.is_healthy() {
            self.against = 0;
        } else {
            self.against += 1;
            if self.against == self.threshold {
                self.opinion = !self.opinion;
                self.against = 0;
            }
        }
        self.opinion
    }

    /// The present opinion.
    pub fn opinion(&self) -> Health {
        self.opinion
    }
}

/// The status of an endpoint of which `good` of `reporting` checkers approve: healthy while `good` is more than
/// `healthy_percent` of them, and while none has reported.
///
/// The comparison is strict and exact: 9 of 50 are 18 % and unhealthy.
pub fn aggregate(good: u32, reporting: u32, healthy_percent: u32) -> Health {
    // Route 53 considers a new health check healthy until there is enough data.
    Health::from(reporting == 0 || 100 * u64::from(good) > u64::from(healthy_percent) * u64::from(reporting))
}

/// How many of `checkers` must call an endpoint bad before it is unhealthy: *k(n)*, the least *u* with
/// 100 (*n* − *u*) ≤ `healthy_percent` × *n*.
pub fn bad_to_fail(checkers: u32, healthy_percent: u32) -> u32 {
    let tolerated = u64::from(healthy_percent) * u64::from(checkers) / 100;
    checkers.saturating_sub(u32::try_from(tolerated).unwrap_or(u32::MAX))
}

/// How many of `checkers` must call an endpoint good before it is healthy again: *kh(n)*, the least *h* with
/// 100 *h* > `healthy_percent` × *n*. Always *k(n)* + *kh(n)* = *n* + 1 for percentages up to 100.
pub fn good_to_recover(checkers: u32, healthy_percent: u32) -> u32 {
    let tolerated = u64::from(healthy_percent) * u64::from(checkers) / 100;
    u32::try_from(tolerated + 1).unwrap_or(u32::MAX)
}

/// State of a CloudWatch metric as Route 53 sees it.
///
/// Route 53 reads the metric's data stream and not the alarm: `SetAlarmState` has no effect on a health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarm {
    /// Below the threshold: healthy.
    Ok,
    /// The alarm's condition holds: unhealthy.
    Alarm,
    /// The metric has too little data to tell: see [`InsufficientData`].
    InsufficientData,
}

/// `InsufficientDataHealthStatus`: what too little data counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InsufficientData {
    /// Counts as healthy.
    Healthy,
    /// Counts as unhealthy.
    Unhealthy,
    /// Counts as the status before, and as healthy if there was none.
    LastKnownStatus,
}

/// What a health check watches, with what it sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watch {
    /// HTTP, HTTPS or TCP, with or without string matching.
    Endpoint {
        /// Checkers that call the endpoint good.
        good: u32,
        /// Checkers that have an opinion; 0 for a new health check.
        reporting: u32,
    },
    /// `CALCULATED`: healthy while at least `health_threshold` of the children are.
    Calculated {
        /// `HealthThreshold`: 0 is always healthy, more than the number of children never.
        health_threshold: u32,
        /// Ids of the children. A disabled child counts as healthy.
        children: Vec<String>,
    },
    /// `CLOUDWATCH_METRIC`.
    CloudWatch {
        /// What the metric says.
        alarm: Alarm,
        /// What too little data counts as.
        insufficient: InsufficientData,
        /// Status at the last time there was enough data.
        last_known: Option<Health>,
    },
    /// `RECOVERY_CONTROL`: a routing control of Application Recovery Controller, on or off.
    RoutingControl {
        /// On is healthy.
        on: bool,
    },
}

/// A health check as its configuration and its observations.
///
/// `Disabled` means that Route 53 stops checking and considers it healthy, not that it is out of rotation; `Inverted` exchanges
/// healthy and unhealthy, for a disabled check too. Both are changed by calls to the control plane in us-east-1.
///
/// Source: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_HealthCheckConfig.html>.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What it watches.
    pub watch: Watch,
    /// `Inverted`.
    pub inverted: bool,
    /// `Disabled`.
    pub disabled: bool,
    /// Percentage of checkers that must be exceeded, [`HEALTHY_PERCENT`].
    pub healthy_percent: u32,
}

impl Check {
    /// A check of this kind, neither inverted nor disabled.
    pub fn new(watch: Watch) -> Self {
        Self { watch, inverted: false, disabled: false, healthy_percent: HEALTHY_PERCENT }
    }

    /// A check of an endpoint that `good` of `reporting` checkers call good.
    pub fn endpoint(good: u32, reporting: u32) -> Self {
        Self::new(Watch::Endpoint { good, reporting })
    }

    /// A check of other checks.
    pub fn calculated(health_threshold: u32, children: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::new(Watch::Calculated { health_threshold, children: children.into_iter().map(Into::into).collect() })
    }

    /// Sets `Inverted`.
    pub fn inverted(mut self, inverted: bool) -> Self {
        self.inverted = inverted;
        self
    }

    /// Sets `Disabled`.
    pub fn disabled(mut self, disabled: bool) -> Self {
        self.disabled = disabled;
        self
    }

    /// The status that records see. The children of a calculated check count as unknown here and therefore healthy; use
    /// [`Checks::status`] for those.
    pub fn status(&self) -> Health {
        self.effective(|_| Health::Healthy)
    }

    fn effective(&self, child: impl Fn(&str) -> Health) -> Health {
        let raw = if self.disabled { Health::Healthy } else { self.raw(child) };
        if self.inverted { !raw } else { raw }
    }

    fn raw(&self, child: impl Fn(&str) -> Health) -> Health {
        match &self.watch {
            Watch::Endpoint { good, reporting } => aggregate(*good, *reporting, self.healthy_percent),
            Watch::Calculated { health_threshold, children } => {
                let healthy = children.iter().filter(|id| child(id).is_healthy()).count();
                Health::from(u32::try_from(healthy).unwrap_or(u32::MAX) >= *health_threshold)
            }
            Watch::CloudWatch { alarm: Alarm::Ok, .. } => Health::Healthy,
            Watch::CloudWatch { alarm: Alarm::Alarm, .. } => Health::Unhealthy,
            Watch::CloudWatch { alarm: Alarm::InsufficientData, insufficient, last_known } => match insufficient {
                InsufficientData::Healthy => Health::Healthy,
                InsufficientData::Unhealthy => Health::Unhealthy,
                InsufficientData::LastKnownStatus => last_known.unwrap_or(Health::Healthy),
            },
            Watch::RoutingControl { on } => Health::from(*on),
        }
    }
}

/// The health checks of an account by id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checks(pub BTreeMap<String, Check>);

impl Checks {
    /// The status of one check as records see it.
    ///
    /// # Errors
    /// [`StatusError`] if the check or one of its children is not there, or if a calculated check watches another one.
    pub fn status(&self, id: &str) -> Result<Health, StatusError> {
        let check = self.0.get(id).ok_or_else(|| StatusError::Unknown { id: id.into() })?;
        let mut children = BTreeMap::new();
        if let Watch::Calculated { children: ids, .. } = &check.watch {
            for child_id in ids {
                let child = self.0.get(child_id).ok_or_else(|| StatusError::Unknown { id: child_id.clone() })?;
                if matches!(child.watch, Watch::Calculated { .. }) {
                    return Err(StatusError::Nested { parent: id.into(), child: child_id.clone() });
                }
                children.insert(child_id.as_str(), child.status());
            }
        }
        Ok(check.effective(|child| children[child]))
    }
}

/// Why a health check has no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatusError {
    /// No check has this id.
    #[error("health check {id} is not there")]
    Unknown {
        /// The id.
        id: String,
    },
    /// Route 53 does not allow this.
    #[error("calculated health check {parent} watches {child}, which is calculated itself")]
    Nested {
        /// The watching check.
        parent: String,
        /// The watched check.
        child: String,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    use Health::{Healthy, Unhealthy};

    #[test]
    fn more_than_18_percent_of_the_checkers_keep_an_endpoint_healthy() {
        for (good, reporting, expected) in [
            (4, 16, Healthy),
            (3, 16, Healthy),
            (2, 16, Unhealthy),
            (9, 50, Unhealthy), // exactly 18 %
            (10, 50, Healthy),
            (1, 3, Healthy),
            (0, 3, Unhealthy),
            (0, 0, Healthy), // no data yet
            (u32::MAX, u32::MAX, Healthy),
        ] {
            assert_eq!(aggregate(good, reporting, HEALTHY_PERCENT), expected, "{good} of {reporting}");
        }
    }

    #[test]
    fn failing_takes_nearly_all_checkers_and_recovering_few() {
        for (checkers, bad, good) in
            [(3, 3, 1), (8, 7, 2), (12, 10, 3), (16, 14, 3), (24, 20, 5), (32, 27, 6), (50, 41, 10)]
        {
            assert_eq!(bad_to_fail(checkers, HEALTHY_PERCENT), bad, "{checkers} checkers");
            assert_eq!(good_to_recover(checkers, HEALTHY_PERCENT), good, "{checkers} checkers");
        }
    }

    #[test]
    fn a_checker_changes_its_opinion_after_the_threshold_in_both_directions_and_a_contrary_probe_resets_it() {
        let mut checker = Checker::new(3);
        let opinions = |checker: &mut Checker, probes: &str| -> String {
            probes.chars().map(|c| if checker.probe(c == '+').is_healthy() { '+' } else { '-' }).collect()
        };
        assert_eq!(opinions(&mut checker, "--+--+---"), "++++++++-");
        assert_eq!(opinions(&mut checker, "-++-++-+++"), "---------+");
        assert_eq!(checker.opinion(), Healthy);
        assert_eq!(opinions(&mut Checker::new(1), "-+-"), "-+-");
        assert_eq!(Checker::new(0), Checker::new(1));
    }

    /// Every kind, with and without `Inverted` and `Disabled`.
    #[test]
    fn disabled_is_healthy_and_inverted_is_the_opposite_for_every_kind() {
        let metric = |alarm, insufficient, last_known| Watch::CloudWatch { alarm, insufficient, last_known };
        let kinds = [
            (Watch::Endpoint { good: 16, reporting: 16 }, Healthy),
            (Watch::Endpoint { good: 2, reporting: 16 }, Unhealthy),
            (Watch::Endpoint { good: 0, reporting: 0 }, Healthy),
            (metric(Alarm::Ok, InsufficientData::Unhealthy, None), Healthy),
            (metric(Alarm::Alarm, InsufficientData::Healthy, None), Unhealthy),
            (metric(Alarm::InsufficientData, InsufficientData::Healthy, Some(Unhealthy)), Healthy),
            (metric(Alarm::InsufficientData, InsufficientData::Unhealthy, Some(Healthy)), Unhealthy),
            (metric(Alarm::InsufficientData, InsufficientData::LastKnownStatus, Some(Unhealthy)), Unhealthy),
            (metric(Alarm::InsufficientData, InsufficientData::LastKnownStatus, None), Healthy),
            (Watch::RoutingControl { on: true }, Healthy),
            (Watch::RoutingControl { on: false }, Unhealthy),
        ];
        for (watch, raw) in kinds {
            let check = Check::new(watch);
            assert_eq!(check.status(), raw, "{check:?}");
            assert_eq!(check.clone().inverted(true).status(), !raw, "inverted {check:?}");
            assert_eq!(check.clone().disabled(true).status(), Healthy, "disabled {check:?}");
            assert_eq!(check.clone().inverted(true).disabled(true).status(), Unhealthy, "both {check:?}");
        }
    }

    #[test]
    fn a_calculated_check_counts_the_effective_status_of_its_children() {
        let status = |health_threshold| {
            let checks = Checks(BTreeMap::from([
                ("good".into(), Check::endpoint(16, 16)),
                ("bad".into(), Check::endpoint(0, 16)),
                ("bad, disabled".into(), Check::endpoint(0, 16).disabled(true)),
                ("good, inverted".into(), Check::endpoint(16, 16).inverted(true)),
                ("all".into(), Check::calculated(health_threshold, ["good", "bad", "bad, disabled", "good, inverted"])),
            ]));
            checks.status("all").unwrap()
        };
        assert_eq!([0, 1, 2, 3, 4, 5].map(status), [Healthy, Healthy, Healthy, Unhealthy, Unhealthy, Unhealthy]);
    }

    #[test]
    fn a_calculated_check_cannot_watch_a_calculated_or_a_missing_one() {
        let checks = Checks(BTreeMap::from([
            ("inner".into(), Check::calculated(0, [""; 0])),
            ("outer".into(), Check::calculated(1, ["inner"])),
            ("dangling".into(), Check::calculated(1, ["nobody"])),
        ]));
        assert_eq!(checks.status("outer"), Err(StatusError::Nested { parent: "outer".into(), child: "inner".into() }));
        for id in ["dangling", "nobody"] {
            assert_eq!(checks.status(id), Err(StatusError::Unknown { id: "nobody".into() }));
        }
    }

    proptest! {
        #[test]
        fn bad_to_fail_and_good_to_recover_add_up_and_agree_with_the_aggregation(n in 1_u32..100_000, percent in 0_u32..100) {
            let (k, kh) = (bad_to_fail(n, percent), good_to_recover(n, percent));
            prop_assert_eq!(k + kh, n + 1);
            prop_assert_eq!(aggregate(n - k, n, percent), Unhealthy);
            prop_assert_eq!(aggregate(n - k + 1, n, percent), Healthy);
            prop_assert_eq!(aggregate(kh, n, percent), Healthy);
        }

        #[test]
        fn a_checker_never_changes_within_fewer_probes_than_its_threshold(
            threshold in 1_u32..11, probes in proptest::collection::vec(any::<bool>(), 0..200)
        ) {
            let mut checker = Checker::new(threshold);
            for (i, good) in probes.iter().enumerate() {
                let before = checker.opinion();
                if checker.probe(*good) != before {
                    let run = &probes[(i + 1).saturating_sub(threshold as usize)..=i];
                    prop_assert!(run.len() == threshold as usize && run.iter().all(|p| p == good));
                }
            }
        }
    }
}
