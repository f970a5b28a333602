//! What follows from an answer that is none: again, ask first, give up. The one place where retries are decided.

use std::time::Duration;

use super::{Ask, Run};
use crate::error::{Action, Certainty, Class, CloudError};
use crate::plan::StepId;

pub(super) enum Decision {
    /// A delete of something that is not there.
    Success,
    /// This call after this time.
    Again(Duration, Ask),
    /// Given up.
    Fail(Box<CloudError>),
}

/// The longest time between two tries.
const BACKOFF_MAX: Duration = Duration::from_secs(20);
/// The time between two questions whether a create whose answer was lost was made: a list may lag behind.
const ASK_AGAIN: Duration = Duration::from_secs(3);
/// How often it is asked before the create is made again.
const ASKS: u32 = 2;
/// How long a reference to something just created may be unknown to the service that is told of it.
const UNSEEN: Duration = Duration::from_secs(90);

/// An error of the engine's own, in the form of a cloud's.
pub(super) fn internal(code: &str, message: String) -> CloudError {
    CloudError::new("dr", code, message, Class::Permanent)
}

impl Run {
    /// Full jitter: a random time up to the doubled bound (AWS architecture blog, "Exponential Backoff And Jitter").
    fn backoff(&mut self, base: Duration, failures: u32) -> Duration {
        let bound =
            base.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX)).min(BACKOFF_MAX);
        bound.mul_f64(self.next_random())
    }

    /// The seeded stream of the jitter (splitmix64), from 0 to 1.
    fn next_random(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn decide(&mut self, id: StepId, ask: Ask, error: &CloudError) -> Decision {
        let action = self.plan.steps[id as usize].action;
        let now = self.now;
        let track = &mut self.tracks[id as usize];
        track.failures += 1;
        let failures = track.failures;
        // Each class has its own patience, counted from its first answer since the last good one.
        let since = match track.failing.iter().find(|(class, _)| *class == error.class) {
            Some(&(_, since)) => since,
            None => {
                track.failing.push((error.class, now));
                now
            }
        };
        let failing = now.since(since).mul_f64(1.0 / self.limits.scale.max(1e-6));
        let open = error.certainty == Certainty::Unknown;
        track.unanswered += u32::from(open || matches!(error.class, Class::Transient | Class::Stale | Class::Exists));
        let tried_enough = track.unanswered >= self.limits.attempts;
        let give_up = || Decision::Fail(Box::new(error.clone()));
        if action == Action::Delete && error.class == Class::Gone {
            return Decision::Success;
        }
        // Whether a create was made is found out before anything else is tried.
        let acting = ask == Ask::Act;
        if acting && action == Action::Create && (open || error.class == Class::Exists) {
            let track = &mut self.tracks[id as usize];
            track.maybe_made |= open;
            if tried_enough {
                return give_up();
            }
            track.unclear = Some(error.clone());
            let delay = self.backoff(Duration::from_millis(500), failures);
            return Decision::Again(delay, Ask::Find);
        }
        let (base, within) = match error.class {
            Class::Throttled => (Duration::from_secs(1), self.limits.throttled),
            Class::Transient | Class::Stale => {
                if tried_enough {
                    return give_up();
                }
                (Duration::from_millis(500), Duration::MAX)
            }
            Class::Eventual => (Duration::from_millis(500), self.limits.eventual),
            Class::Dependency => (Duration::from_secs(1), self.limits.dependency),
            // What a create or an update refers to was made just before and is not seen everywhere yet.
            Class::Gone if acting => (Duration::from_millis(500), UNSEEN.min(self.limits.eventual)),
            Class::Gone => (Duration::from_millis(500), self.limits.eventual),
            Class::Exists | Class::Denied | Class::Permanent => return give_up(),
        };
        if failing > within {
            return give_up();
        }
        let delay = self.backoff(base, failures);
        Decision::Again(delay, ask)
    }

    /// A create that may have been made was not found.
    pub(super) fn decide_not_found(&mut self, id: StepId) -> Decision {
        let track = &mut self.tracks[id as usize];
        track.finds += 1;
        // A list may lag behind, also behind something of ours that has the name already.
        if !track.finds.is_multiple_of(ASKS) {
            return Decision::Again(ASK_AGAIN, Ask::Find);
        }
        match track.unclear.take() {
            // It exists, and it is not ours.
            Some(error) if error.class == Class::Exists => {
                let hint = "something that this stack does not own has its name or place: choose another, or remove it";
                let hint = error.hint.clone().unwrap_or_else(|| hint.to_owned());
                Decision::Fail(Box::new(error.hint(hint)))
            }
            _ => Decision::Again(Duration::ZERO, Ask::Act),
        }
    }

    /// Why it is given up to wait for a resource, if it has taken too long.
    pub(super) fn overdue(&self, id: StepId) -> Option<CloudError> {
        let (step, track) = (&self.plan.steps[id as usize], &self.tracks[id as usize]);
        let waited = self.now.since(track.accepted?).mul_f64(1.0 / self.limits.scale.max(1e-6));
        let bound = self.limits.settle.max(Duration::from_secs_f64(step.settle_s.max(step.expected_s * 10.0)));
        (waited > bound).then(|| {
            let what = if step.action == Action::Delete { "gone" } else { "working" };
            let message = format!("not {what} after {} s, typical are {} s", waited.as_secs(), step.expected_s);
            internal("Overdue", message).hint("what is done is recorded: `deploy` goes on waiting from here")
        })
    }
}
