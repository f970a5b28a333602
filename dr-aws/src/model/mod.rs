//! Models of what a deployed failover pair does, computed from its configuration alone.
//!
//! Nothing here talks to AWS, reads a clock or draws a random number: the same configuration gives the same prediction.
//!
//! | module | question |
//! |---|---|
//! | [`health`] | what do probes make of an endpoint: healthy or not? |
//! | [`dns`] | which record does Route 53 answer with? |
//! | [`timing`] | how long until users are served by the standby, and back? |
//!
//! AWS publishes most of the rules and few of the numbers. A number that AWS does not publish is an assumption with a name
//! ([`timing::Assumptions`]), so that a drill can replace it by a measurement. Where the documentation calls an outcome
//! unpredictable, or where the configuration can never fail over, the models say so with a typed refusal instead of a number.
//!
//! # Example
//!
//! Health decides the answer, and timing says when:
//!
//! ```
//! use dr_aws::model::dns::{Group, Record, Signals, Zone};
//! use dr_aws::model::health::{Check, Health};
//! use dr_aws::model::timing::{Detection, Failover, Path, ProbeTime};
//!
//! let pair = Group::new([
//!     Record::primary("east", ["d-1.execute-api.us-east-1.amazonaws.com"]).checked_by("hc-east"),
//!     Record::secondary("west", ["d-2.execute-api.us-west-2.amazonaws.com"]).checked_by("hc-west"),
//! ])?;
//! let zone = Zone::new().with("origin.example.com", pair);
//!
//! // Two of sixteen checkers still reach us-east-1: 12.5 %, at most 18 %, so unhealthy.
//! let east = Check::endpoint(2, 16).status();
//! let signals = Signals::new().check("hc-east", east).check("hc-west", Health::Healthy);
//! assert_eq!(zone.answer("origin.example.com", &signals)?.only().unwrap().set_ids, ["west"]);
//!
//! let failover = Failover::new(Detection::health_check(10.0, 3), Path { ttl_s: 60.0, ..Path::default() });
//! let outage = failover.predict(ProbeTime::exactly(4.0))?;
//! assert_eq!(outage.user().worst_s, 117.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod dns;
pub mod health;
pub mod timing;

/// DNS names are compared without their trailing dot and without regard to case (RFC 4343).
#[must_use]
pub fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}
