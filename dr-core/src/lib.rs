//! Typed infrastructure as code: region-typed resources, a plan, and a crash-proof engine.

mod address;
mod check;
mod cidr;
mod construct;
mod diff;
pub mod engine;
#[cfg(feature = "driver")]
pub mod driver;
mod error;
mod graph;
mod id;
pub mod journal;
mod observed;
pub mod plan;
mod provider;
mod region;
mod resource;
#[cfg(feature = "sim")]
pub mod sim;
mod stack;
mod state;
pub mod store;
pub mod value;

pub use address::{ADDRESS_LEN_MAX, Address, LogicalName, NAME_LEN_MAX, NameError};
pub use check::{Finding, Severity};
pub use cidr::{Cidr, CidrError};
pub use construct::{Builder, Construct, ConstructExt, Scope, With};
pub use dr_macros::{Inputs, Outputs, Resource, stack};
pub use error::{Action, Certainty, Class, CloudError, StepError};
pub use graph::{Graph, Node};
pub use diff::Change;
pub use observed::{Drift, DriftKind, Observed};
pub use plan::{Plan, PlanError, PlanErrors, SavedPlanError, Step, StepId};
pub use provider::{
    BoxFuture, Cx, Found, FoundData, Health, Lifecycle, Owner, Prior, PriorData, Provider, Registry, Scan, Settled, Wanted,
    WantedData,
};
pub use region::{Anywhere, FixedRegion, Global, Hosts, Region, same_region};
pub use resource::{
    Field, Handle, Inputs, Kind, Need, OnRemove, Outputs, Precedes, Problems, Replacement, Resource, Schema,
};
pub use stack::{BuildError, BuildErrors, OutputsError, Stack};
pub use state::{FORMAT, IllegalEntry, Inconsistent, Instance, Record, State, Status};
pub use value::{Encode, EncodeError, Encoder, Input, IntoInput, IntoText, Output, Secret, Text, Value};

/// The serde that the macros' expansions use.
pub use serde;
