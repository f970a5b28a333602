//! The engine: a state machine that takes events and gives effects. It neither waits nor talks.
//!
//! What it guarantees: a [`Effect::Call`] that changes the cloud follows only the event that its `Began` entry is durable;
//! a failed step stops only what depends on it; waits overlap, since a step waits for exactly what its edges name.

mod event;
mod report;
mod retry;
mod schedule;
mod step;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::error::{Class, CloudError, StepError};
use crate::plan::{Plan, StepId};
use crate::provider::PriorData;
use crate::resource::Need;
use crate::state::{State, Users};
use crate::value::{Secrets, Value};

pub use event::{Answer, Call, CallKind, Effect, Event, Limits, Notice, Time};
pub use report::{Outcome, Report};
use retry::Decision;
use schedule::{Lane, Urgency};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Find,
    Act,
    Settle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Something it needs is not far enough.
    Waiting,
    /// It could start and waits for a place.
    Queued,
    /// Its intent is being made durable.
    Beginning,
    /// A call is in flight.
    Calling(Ask),
    /// A call is made when the time comes.
    Sleeping(Ask),
    /// The time came; it waits for a place.
    Woken(Ask),
    Done,
    Failed,
    Skipped,
}

#[derive(Debug, Clone)]
struct Track {
    phase: Phase,
    /// How many edges are not satisfied yet.
    waiting: u32,
    /// Failed calls in a row.
    failures: u32,
    /// Those of them after which it is not known, or not plain, what is there: what the number of tries is limited by.
    unanswered: u32,
    /// Questions after an unclear answer that found nothing.
    finds: u32,
    /// The answer that made it ask.
    unclear: Option<CloudError>,
    /// A create call was made, now or in an earlier run, and nothing tells that it had no effect.
    maybe_made: bool,
    /// The create call of the earlier run had other arguments.
    remade: bool,
    /// When the first call was made.
    began: Time,
    /// When the call was answered.
    accepted: Option<Time>,
    /// Since when calls fail, by the class of the answer.
    failing: Vec<(Class, Time)>,
    /// The resolved arguments, secrets as digests.
    args: Value,
    /// What the resource had before an update.
    prior: Option<PriorData>,
}

/// A run of a plan.
#[derive(Debug)]
pub struct Run {
    plan: Plan,
    state: State,
    users: Users,
    secrets: Secrets,
    limits: Limits,
    tracks: Vec<Track>,
    dependents: Vec<Vec<(StepId, Need)>>,
    /// What could start or go on, for each service of a region: a full one does not hold up the others.
    lanes: Vec<Lane>,
    /// The lane of each step.
    lane_of: Vec<u32>,
    timers: BTreeSet<(Time, StepId)>,
    urgency: Vec<Urgency>,
    beginning: BTreeMap<u64, StepId>,
    effects: VecDeque<Effect>,
    notices: VecDeque<Notice>,
    in_flight: usize,
    /// Steps that are neither done, failed nor skipped.
    open: usize,
    now: Time,
    announced: Option<Time>,
    persisted: u64,
    cancelled: Option<Time>,
    abandoned: bool,
    store_failure: Option<String>,
    failures: Vec<StepError>,
    random: u64,
    finished: bool,
}

/// Before the name of the stack in the ownership of what was retained: no stack has such a name.
const RETAINED: &str = "retained:";

impl Run {
    /// A run of a plan that starts at `now`. `secrets` are those of the running program (see [`Graph`](crate::Graph)).
    ///
    /// The state is that of the plan's start, which has to be durable already.
    #[must_use]
    pub fn new(plan: Plan, graph: &crate::graph::Graph, mut limits: Limits, now: Time) -> Run {
        // With no place at all nothing would ever happen.
        (limits.calls, limits.calls_per_service) = (limits.calls.max(1), limits.calls_per_service.max(1));
        let state = plan.start.clone().unwrap_or_else(|| State::new(&plan.stack, &plan.lineage));
        let mut dependents = vec![Vec::new(); plan.steps.len()];
        let mut tracks = Vec::with_capacity(plan.steps.len());
        for step in &plan.steps {
            step.after.iter().for_each(|&(before, need)| dependents[before as usize].push((step.id, need)));
            tracks.push(Track {
                phase: Phase::Waiting,
                waiting: step.after.len() as u32,
                failures: 0,
                unanswered: 0,
                finds: 0,
                unclear: None,
                maybe_made: false,
                remade: false,
                began: now,
                accepted: None,
                failing: Vec::new(),
                args: Value::Null,
                prior: None,
            });
        }
        let mut lane_numbers: BTreeMap<(&str, &str), u32> = BTreeMap::new();
        let mut lane_of = Vec::with_capacity(plan.steps.len());
        for step in &plan.steps {
            let service = step.type_name.rsplit_once('.').map_or(step.type_name.as_str(), |(service, _)| service);
            let next = lane_numbers.len() as u32;
            lane_of.push(*lane_numbers.entry((service, &step.region)).or_insert(next));
        }
        let lanes = lane_numbers.iter().map(|_| Lane::default()).collect();
        let urgency = plan.urgency_s().into_iter().map(|seconds| (seconds * 1000.0) as Urgency).collect();
        let mut run = Run {
            open: plan.steps.len(),
            persisted: state.serial,
            random: limits.seed ^ 0x5DEE_CE66_D1CE_4E5B,
            plan,
            state,
            users: Users::default(),
            secrets: graph.secrets.clone(),
            limits,
            tracks,
            dependents,
            lanes,
            lane_of,
            timers: BTreeSet::new(),
            urgency,
            beginning: BTreeMap::new(),
            effects: VecDeque::new(),
            notices: VecDeque::new(),
            in_flight: 0,
            now,
            announced: None,
            cancelled: None,
            abandoned: false,
            store_failure: None,
            failures: Vec::new(),
            finished: false,
        };
        for id in 0..run.tracks.len() as StepId {
            if run.tracks[id as usize].waiting == 0 {
                run.enqueue(id);
            }
        }
        run
    }

    /// The state as of the entries given out so far.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The plan that is run.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What to tell a watcher next.
    pub fn notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// What to do next; `None` means: nothing before the next event.
    pub fn poll(&mut self) -> Option<Effect> {
        loop {
            if let Some(effect) = self.effects.pop_front() {
                return Some(effect);
            }
            if self.finished {
                return None;
            }
            if self.start_next() {
                continue;
            }
            if self.is_over() {
                self.finished = true;
                return Some(Effect::Done(Box::new(self.report())));
            }
            if self.is_stuck() {
                self.give_up();
                continue;
            }
            let next = self.next_time();
            if next.is_some() && next != self.announced {
                self.announced = next;
                return next.map(Effect::WaitUntil);
            }
            return None;
        }
    }

    /// Takes an event.
    pub fn handle(&mut self, now: Time, event: Event) {
        self.now = self.now.max(now);
        match event {
            // A clock that is a little early is asked to come back.
            Event::Clock => self.announced = None,
            Event::Persisted(seq) => self.durable(seq),
            Event::StoreFailed(why) => {
                self.store_failure.get_or_insert(why);
                self.stop_new();
                // Without their intent they are not called; nothing will come back for them.
                for id in std::mem::take(&mut self.beginning).into_values() {
                    self.free_place(id);
                }
            }
            Event::Returned(id, answer) => self.returned(id, answer),
            Event::Cancel => match self.cancelled {
                Some(_) => self.abandoned = true,
                None => {
                    self.cancelled = Some(self.now);
                    self.stop_new();
                }
            },
        }
        self.wake();
    }

    fn is_stopping(&self) -> bool {
        self.cancelled.is_some() || self.store_failure.is_some()
    }

    /// Nothing that has not been called yet will be; what sleeps stays as it is recorded.
    fn stop_new(&mut self) {
        self.timers.clear();
        for lane in &mut self.lanes {
            lane.woken.clear();
            lane.queue.clear();
        }
        for track in &mut self.tracks {
            if let Phase::Sleeping(ask) | Phase::Woken(ask) = track.phase {
                track.phase = Phase::Sleeping(ask);
            }
        }
    }

    fn is_over(&self) -> bool {
        let durable = self.persisted >= self.state.serial || self.store_failure.is_some();
        if self.is_stopping() {
            let grace_over = self.cancelled.is_some_and(|at| self.now >= at.after(self.limits.grace));
            return self.abandoned || grace_over || (self.in_flight == 0 && durable);
        }
        self.open == 0 && durable
    }

    /// Nothing is under way and nothing will come, but steps are open: the steps of the plan wait for each other.
    fn is_stuck(&self) -> bool {
        !self.is_stopping() && self.open > 0 && self.in_flight == 0 && self.timers.is_empty()
    }

    /// An error is better than a run that never ends.
    fn give_up(&mut self) {
        for id in 0..self.tracks.len() as StepId {
            if self.tracks[id as usize].phase == Phase::Waiting {
                self.fail(id, retry::internal("Stuck", "it waits for a step that waits for it".to_owned()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::graph::Graph;
    use crate::plan::Step;

    fn step(id: StepId, after: StepId) -> Step {
        serde_json::from_value(serde_json::json!({
            "id": id, "action": "delete", "address": format!("global/it{id}"), "type_name": "test.thing", "region": "r",
            "generation": 1, "token": "", "inputs": null, "tags": {}, "needs": [], "on_remove": "destroy",
            "after": [[after, "ready"]], "changes": [], "reason": null, "replacement": false, "from": null,
            "expected_s": 1.0, "blocked": null, "declared_at": null,
        }))
        .unwrap()
    }

    #[test]
    fn a_type_may_take_longer_than_others_before_it_is_given_up() {
        let graph = Graph::empty("demo");
        let state = State::new("demo", "lineage");
        let given_up_after = |settle_s: f64, minutes: u64| {
            let mut plan = Plan::between(&graph, &state, &crate::observed::Observed::unchanged()).unwrap();
            plan.steps = vec![Step { settle_s, after: Vec::new(), ..step(0, 0) }];
            let mut run = Run::new(plan, &graph, Limits::default(), Time(0));
            run.tracks[0].accepted = Some(Time(0));
            run.now = Time(0).after(Duration::from_secs(minutes * 60));
            run.overdue(0).is_some()
        };
        assert!(given_up_after(0.0, 16) && !given_up_after(0.0, 14));
        assert!(given_up_after(3600.0, 61) && !given_up_after(3600.0, 59));
        assert!(!given_up_after(60.0, 14), "it is never less than for others");
    }

    #[test]
    fn a_run_whose_steps_wait_for_each_other_ends() {
        let graph = Graph::empty("demo");
        let state = State::new("demo", "lineage");
        let mut plan = Plan::between(&graph, &state, &crate::observed::Observed::unchanged()).unwrap();
        plan.steps = vec![step(0, 1), step(1, 0)];
        let mut run = Run::new(plan, &graph, Limits::default(), Time(0));
        let Some(Effect::Done(report)) = run.poll() else { panic!("it is not over") };
        assert_eq!(report.failed.len() + report.skipped.len(), 2, "{report:?}");
    }
}
