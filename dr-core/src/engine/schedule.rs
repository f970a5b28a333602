//! Which step is next: places for calls, queues by urgency, and timers.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use super::{Ask, Phase, Run, Time};
use crate::plan::StepId;

/// Milliseconds of work behind a step, ordered.
pub(super) type Urgency = u64;

/// The steps of one service in one region that wait for a place.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Steps to begin, the more urgent first.
    pub(super) queue: BinaryHeap<(Urgency, Reverse<StepId>)>,
    /// Calls that are due: they go before steps to begin, since they end something.
    pub(super) woken: VecDeque<(StepId, Ask)>,
    pub(super) in_flight: usize,
}

impl Run {
    pub(super) fn next_time(&self) -> Option<Time> {
        match self.cancelled {
            Some(at) => Some(at.after(self.limits.grace)),
            None => self.timers.first().map(|(time, _)| *time),
        }
    }

    pub(super) fn wake(&mut self) {
        while let Some(&(time, id)) = self.timers.first() {
            if time > self.now {
                break;
            }
            self.timers.pop_first();
            if let Phase::Sleeping(ask) = self.tracks[id as usize].phase {
                self.due(id, ask);
            }
        }
    }

    fn lane(&mut self, id: StepId) -> &mut Lane {
        &mut self.lanes[self.lane_of[id as usize] as usize]
    }

    pub(super) fn enqueue(&mut self, id: StepId) {
        self.tracks[id as usize].phase = Phase::Queued;
        let urgency = self.urgency[id as usize];
        self.lane(id).queue.push((urgency, Reverse(id)));
    }

    pub(super) fn due(&mut self, id: StepId, ask: Ask) {
        self.tracks[id as usize].phase = Phase::Woken(ask);
        self.lane(id).woken.push_back((id, ask));
    }

    pub(super) fn sleep(&mut self, id: StepId, delay: Duration, ask: Ask) {
        if self.is_stopping() {
            self.tracks[id as usize].phase = Phase::Sleeping(ask);
            return;
        }
        let delay = delay.mul_f64(self.limits.scale.max(0.0));
        self.tracks[id as usize].phase = Phase::Sleeping(ask);
        self.timers.insert((self.now.after(delay.max(Duration::from_millis(1))), id));
    }

    pub(super) fn take_place(&mut self, id: StepId) {
        self.in_flight += 1;
        self.lane(id).in_flight += 1;
    }

    pub(super) fn free_place(&mut self, id: StepId) {
        self.in_flight -= 1;
        self.lane(id).in_flight -= 1;
    }

    /// Starts one step or one due call, if there is one and a place for it.
    pub(super) fn start_next(&mut self) -> bool {
        if self.is_stopping() || self.in_flight >= self.limits.calls {
            return false;
        }
        let per_service = self.limits.calls_per_service;
        let has_place = |lane: &Lane| lane.in_flight < per_service;
        let due = self.lanes.iter_mut().filter(|lane| has_place(lane)).find_map(|lane| lane.woken.pop_front());
        if let Some((id, ask)) = due {
            self.take_place(id);
            self.call(id, ask);
            return true;
        }
        let heads = self.lanes.iter().enumerate().filter(|(_, lane)| has_place(lane));
        let most_urgent = heads.filter_map(|(at, lane)| Some((*lane.queue.peek()?, at))).max();
        let Some((_, at)) = most_urgent else { return false };
        let Some((_, Reverse(id))) = self.lanes[at].queue.pop() else { return false };
        self.begin(id);
        true
    }
}
