//! The order of steps, the critical path and how long a plan takes.

use super::{Plan, Step, StepId};
use crate::resource::Need;

/// How long the answer to a call takes, in seconds, when only that is waited for.
const ACCEPTED_S: f64 = 1.0;

/// The place of each step in an order in which it comes after those it needs; ties keep the order they had. When there is
/// none, one cycle: each step waits for the next, and the last is the first again.
pub(super) fn order(steps: &[Step]) -> Result<Vec<StepId>, Vec<StepId>> {
    let n = steps.len();
    let mut waiting: Vec<u32> = steps.iter().map(|step| step.after.len() as u32).collect();
    let mut dependents: Vec<Vec<StepId>> = vec![Vec::new(); n];
    for step in steps {
        step.after.iter().for_each(|&(before, _)| dependents[before as usize].push(step.id));
    }
    let mut free: std::collections::BinaryHeap<std::cmp::Reverse<StepId>> =
        (0..n as StepId).filter(|&id| waiting[id as usize] == 0).map(std::cmp::Reverse).collect();
    let mut place = vec![u32::MAX; n];
    let mut placed = 0;
    while let Some(std::cmp::Reverse(id)) = free.pop() {
        place[id as usize] = placed;
        placed += 1;
        for &dependent in &dependents[id as usize] {
            waiting[dependent as usize] -= 1;
            if waiting[dependent as usize] == 0 {
                free.push(std::cmp::Reverse(dependent));
            }
        }
    }
    if (placed as usize) < n { Err(cycle(steps, &place)) } else { Ok(place) }
}

/// The steps in this order, renumbered.
pub(super) fn sorted(mut steps: Vec<Step>, place: &[StepId]) -> Vec<Step> {
    for step in &mut steps {
        step.id = place[step.id as usize];
        step.after.iter_mut().for_each(|(before, _)| *before = place[*before as usize]);
        step.after.sort_unstable();
    }
    steps.sort_unstable_by_key(|step| step.id);
    steps
}

/// One cycle among the steps that have no place: from any of them, keep going to one that it waits for.
fn cycle(steps: &[Step], place: &[StepId]) -> Vec<StepId> {
    let stuck = |id: StepId| place[id as usize] == u32::MAX;
    let Some(start) = steps.iter().find(|step| stuck(step.id)) else { return Vec::new() };
    let (mut path, mut at) = (vec![start.id], start.id);
    loop {
        let Some(&(next, _)) = steps[at as usize].after.iter().find(|(before, _)| stuck(*before)) else {
            return Vec::new();
        };
        if let Some(from) = path.iter().position(|&seen| seen == next) {
            path.push(next);
            return path.split_off(from);
        }
        path.push(next);
        at = next;
    }
}

impl Plan {
    /// Seconds from the start of a step to the end of everything that waits for it: what is urgent.
    #[must_use]
    pub fn urgency_s(&self) -> Vec<f64> {
        let mut urgency: Vec<f64> = self.steps.iter().map(|step| step.expected_s).collect();
        for step in self.steps.iter().rev() {
            let own = urgency[step.id as usize];
            for &(before, need) in &step.after {
                let before_s = self.steps[before as usize].expected_s;
                let wait = if need == Need::Accepted { before_s.min(ACCEPTED_S) } else { before_s };
                let through = wait + own;
                let known = &mut urgency[before as usize];
                *known = known.max(through);
            }
        }
        urgency
    }

    /// The longest chain of steps and its seconds: no deploy is faster, whatever runs beside it.
    #[must_use]
    pub fn critical_path(&self) -> (f64, Vec<StepId>) {
        // When each step can start, and which step decides it.
        let mut start: Vec<(f64, Option<StepId>)> = vec![(0.0, None); self.steps.len()];
        let mut last: Option<(f64, StepId)> = None;
        for step in &self.steps {
            for &(before, need) in &step.after {
                let expected = self.steps[before as usize].expected_s;
                let wait = if need == Need::Accepted { expected.min(ACCEPTED_S) } else { expected };
                let at = start[before as usize].0 + wait;
                if at > start[step.id as usize].0 {
                    start[step.id as usize] = (at, Some(before));
                }
            }
            let end = start[step.id as usize].0 + step.expected_s;
            if last.is_none_or(|(latest, _)| end > latest) {
                last = Some((end, step.id));
            }
        }
        let Some((total, id)) = last else { return (0.0, Vec::new()) };
        let (mut path, mut at) = (vec![id], id);
        while let Some(before) = start[at as usize].1 {
            path.push(before);
            at = before;
        }
        path.reverse();
        (total, path)
    }
}
