//! An embedded AWS with virtual time, faults and a data plane: try a failover, and unit-test one, without an account.
//!
//! The real SDK clients run on it unchanged. An interceptor hands the typed input of an operation to the [`World`], which
//! answers as AWS would; everything that waits, waits in virtual time.

mod aws;
mod clock;
mod cloud;
mod control;
mod data;
mod faults;
mod fingerprint;
mod latency;
mod rates;
mod seam;
mod world;

pub use aws::{Aws, OpenError};
pub use clock::{EPOCH_MS, Hold, SimClock};
pub use cloud::{CallRecord, Cloud, Crashed, LoadError, Outcome, Passing};
pub use data::{
    Caches, DataFault, DataFaults, Edge, Failure, Handlers, Health, HealthEvent, Hop, Internet, Message, Part, Request,
    Resolver, Response, Service, Window,
};
pub use faults::{CrashPoint, Fault, Faults, Target};
pub use world::World;
