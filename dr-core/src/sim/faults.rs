//! What can go wrong in the simulated cloud.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::address::Address;
use crate::error::{Certainty, Class, CloudError};

/// Shares and places of what goes wrong, all off by default. Every choice comes from the world's seed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults {
    /// The share of changing calls that are done and whose answer is lost.
    pub lost: f64,
    /// The share of all calls that are not done and not answered either.
    pub unanswered: f64,
    /// The share of all calls that are refused because there are too many.
    pub throttled: f64,
    /// Lists show the cloud as it was up to this long ago.
    pub stale: Duration,
    /// Something just created may be unknown to other calls for up to this long.
    pub unseen: Duration,
    /// A call that was on its way when the process died may still be done, up to this long after.
    pub late: Duration,
    /// Regions that do not answer.
    pub away: BTreeSet<String>,
    /// Addresses whose resources exist and never work.
    pub broken: BTreeSet<String>,
}

/// What happens to one call.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// It is refused with this error and nothing changes.
    Refused(CloudError),
    /// It is done, and the answer is lost.
    AnswerLost,
    /// It is not done and not answered.
    Unanswered,
    /// It is not done and never comes back, not even with an error.
    Hangs,
    /// It is done and never comes back.
    DoneAndHangs,
    /// It takes this much longer to arrive.
    Slow(Duration),
}

impl Fault {
    /// A refusal of this class.
    #[must_use]
    pub fn refused(class: Class) -> Self {
        Fault::Refused(CloudError::new("sim:Call", format!("{class:?}"), "refused by the test", class))
    }
}

/// Which function of a provider is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the functions of `Provider`")]
pub enum Operation {
    Read,
    Create,
    Update,
    Delete,
    Ready,
    Gone,
    Adopt,
}

impl Operation {
    /// Whether it changes the cloud.
    #[must_use]
    pub fn changes(self) -> bool {
        matches!(self, Operation::Create | Operation::Update | Operation::Delete | Operation::Adopt)
    }
}

/// One call to the simulated cloud.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Called {
    /// When, in milliseconds of simulated time.
    pub at: u64,
    /// What was called.
    pub operation: Operation,
    /// The type.
    pub type_name: &'static str,
    /// The region at the provider.
    pub region: String,
    /// The resource; `None` for a read, which is about many.
    pub address: Option<Address>,
    /// Which copy of it; 0 for a read.
    pub generation: u32,
    /// Counts the calls of this operation for this address (or this type and region), from 1.
    pub nth: u32,
}

/// No answer: the change may have been made.
pub(super) fn no_answer(operation: Operation, type_name: &str) -> CloudError {
    let message = "the connection was closed before the answer came";
    CloudError::new(format!("{type_name}:{operation:?}"), "NoAnswer", message, Class::Transient)
        .certainty(Certainty::Unknown)
}

pub(super) fn refusal(operation: Operation, type_name: &str, code: &str, message: String, class: Class) -> CloudError {
    CloudError::new(format!("{type_name}:{operation:?}"), code, message, class).certainty(Certainty::NotApplied)
}
