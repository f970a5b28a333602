//! What goes into the engine and what comes out of it.

use std::fmt;
use std::time::Duration;

use crate::error::{CloudError, StepError};
use crate::journal::Entry;
use crate::plan::StepId;
use crate::provider::{FoundData, Owner, PriorData, Settled, WantedData};
use crate::value::Value;

use super::Report;

/// Milliseconds on a clock that only goes forward; the engine is told the time and never reads it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub u64);

impl Time {
    /// This time and a duration later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier`; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// The bounds of a run.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Calls in flight at once. Default 64.
    pub calls: usize,
    /// Calls in flight at once for one service of one region. Default 24.
    pub calls_per_service: usize,
    /// How often a call is made that fails without an answer. Default 6.
    pub attempts: u32,
    /// How long something just created may stay invisible. Default 5 minutes.
    pub eventual: Duration,
    /// How long a deletion waits for what still uses the resource. Default 20 minutes.
    pub dependency: Duration,
    /// How long throttling is borne. Default 15 minutes.
    pub throttled: Duration,
    /// How long a resource may take until it works or is gone, at least; ten times the typical time, or what its type says
    /// ([`Schema::settle_s`](crate::Schema::settle_s)), if that is more. Default 15 minutes.
    pub settle: Duration,
    /// How long after a cancel answers in flight are waited for. Default 8 seconds, inside a CI's grace period of ten.
    pub grace: Duration,
    /// Multiplies every wait between calls: below 1 in front of an emulator whose states take less time. Default 1.
    pub scale: f64,
    /// The seed of the jitter.
    pub seed: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            calls: 64,
            calls_per_service: 24,
            attempts: 6,
            eventual: Duration::from_secs(5 * 60),
            dependency: Duration::from_secs(20 * 60),
            throttled: Duration::from_secs(15 * 60),
            settle: Duration::from_secs(15 * 60),
            grace: Duration::from_secs(8),
            scale: 1.0,
            seed: 0,
        }
    }
}

/// What happened outside.
#[derive(Debug, Clone)]
pub enum Event {
    /// Every entry up to and including this sequence number is durable.
    Persisted(u64),
    /// An entry could not be made durable: no new call is begun.
    StoreFailed(String),
    /// A call was answered.
    Returned(StepId, Result<Answer, CloudError>),
    /// Time has passed.
    Clock,
    /// The user wants to stop: once, answers in flight are waited for; twice, they are not.
    Cancel,
}

/// What is to be done outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Make an entry durable, in the order given; several may be made durable together.
    Persist(Entry),
    /// Make a call.
    Call(StepId, Call),
    /// Come back at this time unless something happens before.
    WaitUntil(Time),
    /// The run is over.
    Done(Box<Report>),
}

/// A call to a provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The type whose provider is called.
    pub type_name: String,
    /// Its region at the provider.
    pub region: String,
    /// What is called.
    pub kind: CallKind,
}

/// Which function of a provider is called. Its arguments have the program's secrets in them and are not printed.
#[derive(Clone, PartialEq)]
#[expect(missing_docs, reason = "the arguments are those of `Provider`")]
pub enum CallKind {
    /// Is it there? Asked when the answer to a create is not known.
    Find(WantedData),
    Create {
        owner: Owner,
        args: Value,
    },
    Update {
        owner: Owner,
        prior: PriorData,
        args: Value,
    },
    Delete {
        owner: Owner,
        prior: PriorData,
    },
    Ready {
        owner: Owner,
        current: PriorData,
    },
    Gone {
        owner: Owner,
        prior: PriorData,
    },
    Adopt {
        owner: Owner,
        current: PriorData,
    },
}

impl fmt::Debug for CallKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CallKind::Find(_) => "Find",
            CallKind::Create { .. } => "Create",
            CallKind::Update { .. } => "Update",
            CallKind::Delete { .. } => "Delete",
            CallKind::Ready { .. } => "Ready",
            CallKind::Gone { .. } => "Gone",
            CallKind::Adopt { .. } => "Adopt",
        })
    }
}

/// What a call gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The outputs after a create or an update.
    Outputs(Value),
    /// A delete or an adoption was answered.
    Done,
    /// The answer to "does it work?".
    Ready(Settled<Value>),
    /// The answer to "is it gone?".
    Gone(Settled<()>),
    /// The answer to "is it there?".
    Found(Option<Box<FoundData>>),
}

/// What a watcher of a run is told.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// A step has started.
    Began(StepId),
    /// Its call was answered; what it made does not work yet, or has not left yet.
    Accepted(StepId),
    /// A call is made again at this time, after this answer.
    Retrying(StepId, Time, CloudError),
    /// A step is done.
    Done(StepId),
    /// A step was given up.
    Failed(StepId, StepError),
    /// A step is not done, because what it needs failed.
    Skipped(StepId),
}
