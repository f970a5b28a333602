//! What the cloud answered when it did not do what was asked.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::address::Address;

/// What the cloud answered, or that it did not answer.
///
/// Lifecycle functions return it; the engine decides by `class` and `certainty` alone whether to ask, wait, retry or stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{operation} answered {code}: {message}")]
#[non_exhaustive]
pub struct CloudError {
    /// Service and operation, `ec2:CreateSubnet`: the IAM action as well.
    pub operation: String,
    /// The code on the wire, `InvalidSubnet.Conflict`.
    pub code: String,
    /// The cloud's sentence.
    pub message: String,
    /// The id under which the provider's support finds the call.
    pub request_id: Option<String>,
    /// What kind of answer it is, which decides what the engine does.
    pub class: Class,
    /// Whether the change may have happened nevertheless.
    pub certainty: Certainty,
    /// What the user can do, when the provider knows.
    pub hint: Option<String>,
}

/// What kind of refusal it is; the classes of appendix C.2 of the AWS contracts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Class {
    /// Too many calls: again later, the governor slows down.
    Throttled,
    /// Server error, time-out, reset: again.
    Transient,
    /// Something just created is not visible everywhere yet: again, for minutes.
    Eventual,
    /// Something else still uses it: again while that is leaving.
    Dependency,
    /// A version or ETag is old: read, then again.
    Stale,
    /// It is there already: read, and take it when it is ours.
    Exists,
    /// It is not there: success for a delete.
    Gone,
    /// Nobody may do this with these credentials.
    Denied,
    /// Asking again will not help.
    Permanent,
}

/// Whether a change that was not confirmed may have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// The cloud refused: nothing changed.
    NotApplied,
    /// No answer, or a server error: the change may have happened, so it is looked up before it is tried again.
    Unknown,
}

impl CloudError {
    /// A refusal: nothing changed.
    pub fn new(
        operation: impl Into<String>,
        code: impl Into<String>,
        message: impl Into<String>,
        class: Class,
    ) -> Self {
        CloudError {
            operation: operation.into(),
            code: code.into(),
            message: message.into(),
            request_id: None,
            class,
            // A server error or a time-out says nothing about whether the change was made.
            certainty: if class == Class::Transient { Certainty::Unknown } else { Certainty::NotApplied },
            hint: None,
        }
    }

    /// Adds what the user can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the request id.
    #[must_use]
    pub fn request_id(mut self, id: Option<impl Into<String>>) -> Self {
        self.request_id = id.map(Into::into);
        self
    }

    /// Sets whether the change may have happened.
    #[must_use]
    pub fn certainty(mut self, certainty: Certainty) -> Self {
        self.certainty = certainty;
        self
    }

    /// Whether trying again can help at all.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        !matches!(self.class, Class::Denied | Class::Permanent | Class::Gone)
    }
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Makes a new resource.
    Create,
    /// Changes it in place.
    Update,
    /// Deletes it.
    Delete,
    /// Takes an existing resource into the stack, or gives it its new address.
    Adopt,
    /// Drops it from the state; it stays at the provider.
    Forget,
    /// Waits until a resource of an earlier run works.
    Settle,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Action::Create => "create",
            Action::Update => "update",
            Action::Delete => "delete",
            Action::Adopt => "adopt",
            Action::Forget => "forget",
            Action::Settle => "settle",
        })
    }
}

/// A step of a plan failed; the steps recorded before it stay valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{action} {address} failed")]
#[non_exhaustive]
pub struct StepError {
    /// What it was to do.
    pub action: Action,
    /// The resource.
    pub address: Address,
    /// The line of the program, `src/main.rs:14:9`, when the program still has the resource.
    pub declared_at: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// The last answer.
    pub source: CloudError,
}
