//! An embedded AWS with virtual time, faults and a data plane: try a failover, and unit-test one, without an account.
//!
//! The real SDK clients run on it unchanged. An interceptor hands the typed input of an operation to the [`World`], which
//! answers as AWS would; everything that waits, waits in virtual time.
//!
//! [`Aws`] is the account: it deploys a program, sends requests, breaks things and lets time pass. [`Cloud`] below it holds the
//! log of calls and the faults of the control planes ([`Faults`]); those of the data plane are [`DataFault`]s. The same faults
//! and latencies in front of something that speaks AWS's wire formats, an emulator or AWS itself: [`FaultConnector`].
//!
//! # A test of a failover
//!
//! The program, a lost region, and the time until users are served again, compared with what the model predicts from the
//! program's settings:
//!
//! ```
//! use std::time::Duration;
//!
//! use dr_aws::constructs::{Edge, FailoverPair, SecureApi, Site, ValidatedCertificate};
//! use dr_aws::model::timing::{Detection, Failover, FailureMode, Incident, Method, OriginTimers, ProbeKind};
//! use dr_aws::regions::{UsEast1, UsWest2};
//! use dr_aws::route53::HostedZone;
//! use dr_core::{BuildErrors, Global, Stack, cidr, stack};
//! use dr_sim::{Aws, Part};
//!
//! fn shop() -> Result<Stack, BuildErrors> {
//!     stack!("shop", |east: UsEast1, west: UsWest2, global: Global| {
//!         let zone = global(HostedZone::new("example.com"));
//!         let name = "origin.example.com";
//!         let certificate = ValidatedCertificate::new(name, zone.id).request("certificate", &global, &east);
//!         let primary = east(Site::new(SecureApi::new(cidr!("10.0.0.0/16")), name, certificate.arn).probes(10, 3));
//!         let standby = west(Site::new(SecureApi::new(cidr!("10.1.0.0/16")), name, certificate.also_in(&west)));
//!         let origin = global(FailoverPair::new(name, zone.id, &primary, &standby));
//!         let _edge = global(Edge::new("shop.example.com", zone.id, &origin));
//!     })
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (aws, shop) = (Aws::new(1), shop()?);
//! let (applied, _store) = aws.deploy(&shop).await?;
//! assert!(applied.is_complete());
//! aws.advance(Duration::from_secs(300)).await; // the instances boot
//! let response = aws.get("https://shop.example.com/orders").await;
//! assert_eq!((response.status, response.region.as_deref()), (200, Some("us-east-1")));
//!
//! // A region that drops packets, seen by HTTPS probes every 10 s, three of which must fail; answers are cached for 60 s.
//! let mode = FailureMode::ConnectBlackHole;
//! let path = OriginTimers::default().path(60.0, Method::Get, mode);
//! let failover = Failover::new(Detection::health_check(10.0, 3), path);
//! let predicted = failover.predict(Incident::seen(ProbeKind::Http, mode)?)?.user();
//!
//! aws.fail_region("us-east-1");
//! let began_s = aws.now_s();
//! // Every 7 s: who asks more often than every 5 s keeps CloudFront's connection to the old region open while that answers.
//! let (every, limit) = (Duration::from_secs(7), Duration::from_secs(600));
//! let response = aws.until("https://shop.example.com/orders", every, limit, |answer| answer.is_ok()).await?;
//! let measured_s = aws.now_s() - began_s;
//! assert_eq!(response.region.as_deref(), Some("us-west-2"));
//! assert!((predicted.best_s..=predicted.worst_s + 7.0).contains(&measured_s), "{measured_s} s, {predicted:?}");
//!
//! // A request that fails says where.
//! aws.fail_region("us-west-2");
//! let response = aws.get("https://shop.example.com/orders").await;
//! assert_eq!(response.failed.expect("both regions are lost").hop.part, Part::Endpoint);
//! # Ok(())
//! # }
//! ```
//!
//! What is modelled, what is not, and where each rule comes from: the
//! [README](https://github.com/dr-iac/dr/blob/main/dr-sim/README.md).

mod aws;
mod clock;
mod cloud;
mod connector;
mod control;
mod data;
mod faults;
mod fingerprint;
mod latency;
mod rates;
mod seam;
mod wire_form;
mod world;

pub use aws::{Aws, GaveUp, OpenError};
pub use clock::{EPOCH_MS, Hold, SimClock};
pub use cloud::{CallRecord, Cloud, Crashed, LoadError, Outcome, Passing};
pub use connector::FaultConnector;
pub use data::{
    Caches, DataFault, DataFaults, Edge, Failure, Handlers, Health, HealthEvent, Hop, Internet, Message, Part, Request,
    Resolver, Response, Service, Window,
};
pub use faults::{CrashPoint, Fault, Faults, Target};
pub use world::World;
