//! The instant of a walk through the configuration, and how long what the walk saw stays true.

use std::cell::Cell;

/// An instant of virtual time that remembers the next instant at which something that was asked of it will differ.
///
/// Everything that depends on time is asked through [`reached`](Moment::reached), so the answer of a whole walk is
/// known to hold until [`holds_until`](Moment::holds_until): a day of health checking walks once and not 8,640 times.
#[derive(Debug)]
pub(crate) struct Moment {
    now_ms: u64,
    holds_until: Cell<u64>,
    personal: Cell<bool>,
}

impl Moment {
    pub(crate) fn at(now_ms: u64) -> Self {
        Moment { now_ms, holds_until: Cell::new(u64::MAX), personal: Cell::new(false) }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Whether `instant_ms` has come.
    pub(crate) fn reached(&self, instant_ms: u64) -> bool {
        let reached = self.now_ms >= instant_ms;
        if !reached {
            self.expires_at(instant_ms);
        }
        reached
    }

    /// Whether it is now between the two instants, the first included; without a second one, for good.
    pub(crate) fn within(&self, from_ms: u64, until_ms: Option<u64>) -> bool {
        // Both are asked: a window that is over needs no expiry, one that has not begun expires at its beginning.
        self.reached(from_ms) && until_ms.is_none_or(|until| !self.reached(until))
    }

    /// What was answered holds at most until this instant.
    pub(crate) fn expires_at(&self, instant_ms: u64) {
        self.holds_until.set(self.holds_until.get().min(instant_ms));
    }

    /// What was answered is good for this very instant only.
    pub(crate) fn expires_now(&self) {
        self.expires_at(self.now_ms + 1);
    }

    /// The first instant at which an answer may differ, `u64::MAX` for never.
    pub(crate) fn holds_until(&self) -> u64 {
        self.holds_until.get()
    }

    /// What was answered is for who asked, from where he is: others may see something else.
    pub(crate) fn is_personal(&self) {
        self.personal.set(true);
    }

    /// Whether somebody else may see something else.
    pub(crate) fn personal(&self) -> bool {
        self.personal.get()
    }
}
