//! How a run ended.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Phase, Run};
use crate::address::Address;
use crate::error::StepError;

/// How a run ended; look at it, or a failed deploy passes for a good one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[must_use = "a run may have failed or been cancelled"]
pub enum Outcome {
    /// Every step is done.
    Deployed,
    /// Some steps failed; what is done is recorded, and the next deploy continues from there.
    Failed,
    /// The user stopped it; what is done is recorded, and the next deploy continues from there.
    Cancelled,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// Steps done, by action.
    pub done: BTreeMap<String, u32>,
    /// The steps that failed, each with the answer.
    pub failed: Vec<StepError>,
    /// The resources whose steps were not tried, because what they need failed or the run was stopped.
    pub skipped: Vec<Address>,
    /// The resources whose last call has no answer: the next run asks about them.
    pub unknown: Vec<Address>,
    /// Why the journal could not be written, if that is what ended the run.
    pub store_failure: Option<String>,
}

impl Run {
    pub(super) fn report(&self) -> Report {
        let mut done = BTreeMap::new();
        let mut skipped = Vec::new();
        for (step, track) in self.plan.steps.iter().zip(&self.tracks) {
            match track.phase {
                Phase::Done => *done.entry(step.action.to_string()).or_default() += 1,
                Phase::Failed => {}
                _ => skipped.push(step.address.clone()),
            }
        }
        let outcome = if self.cancelled.is_some() && self.open > 0 {
            Outcome::Cancelled
        } else if self.open > 0 || !self.failures.is_empty() || self.store_failure.is_some() {
            Outcome::Failed
        } else {
            Outcome::Deployed
        };
        Report {
            outcome,
            done,
            failed: self.failures.clone(),
            skipped,
            unknown: crate::journal::unknown(&self.state),
            store_failure: self.store_failure.clone(),
        }
    }
}
