//! The engine: a state machine that takes events and gives effects. It neither waits nor talks.
//!
//! What it guarantees: a [`Effect::Call`] that changes the cloud follows only the event that its `Began` entry is durable;
//! a failed step stops only what depends on it; waits overlap, since a step waits for exactly what its edges name.

mod event;
mod report;
mod retry;
mod schedule;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::address::Address;
use crate::error::{Action, Certainty, Class, CloudError, StepError};
use crate::journal::{Entry, New, What};
use crate::plan::{Plan, Step, StepId};
use crate::provider::{FoundData, Health, Owner, PriorData, Settled, WantedData};
use crate::resource::Need;
use crate::state::{Instance, State, Users};
use crate::value::{self, Secrets, Value};

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

    fn record(&mut self, id: StepId, what: What) {
        let step = &self.plan.steps[id as usize];
        let (address, generation) = (step.address.clone(), step.generation);
        self.record_for(address, generation, what);
    }

    fn record_for(&mut self, address: Address, generation: u32, event: What) {
        let entry = Entry { seq: self.state.serial, address, generation, event };
        // An entry that the state refuses would make the journal unreadable: a bug of the engine, found by simulation.
        self.state.apply_with(&entry, &mut self.users).expect("the engine records only what follows from the state");
        self.effects.push_back(Effect::Persist(entry));
    }

    /// Makes the intent of a step durable; its call follows.
    fn begin(&mut self, id: StepId) {
        let step = self.plan.steps[id as usize].clone();
        self.tracks[id as usize].began = self.now;
        if let Some(error) = step.blocked {
            self.fail(id, error);
            return;
        }
        let args = match self.resolve(&step.inputs) {
            Ok(args) => args,
            Err(error) => {
                self.fail(id, error);
                return;
            }
        };
        self.notices.push_back(Notice::Began(id));
        let existing = self.state.instance(step.address.as_str(), step.generation).cloned();
        match step.action {
            Action::Settle => {
                self.tracks[id as usize].accepted = Some(self.now);
                self.tracks[id as usize].args = existing.map(|i| i.args).unwrap_or_default();
                // An earlier run had the answer to its call.
                self.satisfy(id, Need::Accepted);
                self.take_place(id);
                self.call(id, Ask::Settle);
                return;
            }
            Action::Adopt => {
                if let Some(from) = step.from {
                    self.record(id, What::Moved { from });
                }
                self.began(id, Action::Adopt, Value::Null, BTreeMap::new(), Vec::new(), None);
            }
            Action::Create => {
                let create = New {
                    type_name: step.type_name,
                    region: step.region,
                    token: step.token,
                    on_remove: step.on_remove,
                    needs: step.needs,
                };
                self.tracks[id as usize].args = args.clone();
                // A create that was begun before is asked about first.
                if let Some(existing) = existing {
                    let track = &mut self.tracks[id as usize];
                    track.unclear = Some(never_answered());
                    track.maybe_made = true;
                    track.remade = existing.args != args;
                }
                self.began(id, Action::Create, args, step.tags, Vec::new(), Some(create));
            }
            Action::Update => {
                self.tracks[id as usize].prior = existing
                    .and_then(|instance| instance.outputs.map(|outputs| PriorData { args: instance.args, outputs }));
                self.tracks[id as usize].args = args.clone();
                self.began(id, Action::Update, args, step.tags, step.needs, None);
            }
            Action::Delete | Action::Forget => {
                let track = &mut self.tracks[id as usize];
                match existing {
                    Some(Instance { args, outputs: Some(outputs), .. }) => {
                        track.prior = Some(PriorData { args, outputs })
                    }
                    // A create that never had an answer: whether there is anything to delete is asked first.
                    Some(Instance { args, .. }) => {
                        track.args = args;
                        track.unclear = Some(never_answered());
                    }
                    None => {}
                }
                self.began(id, step.action, Value::Null, BTreeMap::new(), Vec::new(), None);
            }
        }
        self.take_place(id);
    }

    fn began(
        &mut self,
        id: StepId,
        action: Action,
        args: Value,
        tags: BTreeMap<String, String>,
        needs: Vec<Address>,
        create: Option<New>,
    ) {
        self.tracks[id as usize].phase = Phase::Beginning;
        self.beginning.insert(self.state.serial, id);
        self.record(id, What::Began { action, args, tags, needs, create });
    }

    fn durable(&mut self, seq: u64) {
        self.persisted = self.persisted.max(seq + 1);
        while let Some(entry) = self.beginning.first_entry() {
            if *entry.key() > seq {
                break;
            }
            let id = entry.remove();
            if self.is_stopping() {
                // The intent is recorded and the call not made: the next run asks and finds nothing.
                self.free_place(id);
                continue;
            }
            let ask = if self.tracks[id as usize].unclear.is_some() { Ask::Find } else { Ask::Act };
            self.call(id, ask);
        }
    }

    /// The inputs with every reference replaced by what exists now; secrets stay digests.
    fn resolve(&self, inputs: &Value) -> Result<Value, CloudError> {
        let missing = std::cell::RefCell::new(None);
        let (args, complete) = value::resolve(inputs, &|reference| {
            let found = self.state.outputs(reference.address).and_then(|outputs| reference.select(outputs));
            if found.is_none() {
                missing.borrow_mut().get_or_insert(match reference.index {
                    Some(index) => format!("{}.{}[{index}]", reference.address, reference.field),
                    None => format!("{}.{}", reference.address, reference.field),
                });
            }
            found
        });
        if complete {
            return Ok(args);
        }
        let what = missing.into_inner().unwrap_or_default();
        Err(retry::internal("MissingOutput", format!("`{what}` has no value although its resource exists")))
    }

    fn owner(&self, step: &Step) -> Owner {
        Owner {
            stack: self.plan.stack.clone(),
            region: step.region.clone(),
            address: step.address.clone(),
            generation: step.generation,
            token: step.token.clone(),
            tags: step.tags.clone(),
        }
    }

    /// Makes a call; the place is taken already.
    fn call(&mut self, id: StepId, ask: Ask) {
        let step = &self.plan.steps[id as usize];
        let track = &self.tracks[id as usize];
        let mut args = track.args.clone();
        // Nothing else needs secrets, and those of an earlier program may not be known any more.
        if ask == Ask::Act
            && matches!(step.action, Action::Create | Action::Update)
            && let Err(problem) = value::reveal(&mut args, &|digest| self.secrets.0.get(digest).cloned())
        {
            self.free_place(id);
            self.fail(id, retry::internal("SecretUnknown", problem));
            return;
        }
        let owner = self.owner(step);
        let current = || {
            let instance = self.state.instance(step.address.as_str(), step.generation)?;
            Some(PriorData { args: instance.args.clone(), outputs: instance.outputs.clone()? })
        };
        let wanted = |args| WantedData {
            stack: self.plan.stack.clone(),
            address: step.address.clone(),
            generation: step.generation,
            token: step.token.clone(),
            args,
            outputs: current().map(|prior| prior.outputs),
        };
        let kind = match (step.action, ask) {
            (_, Ask::Find) => Some(CallKind::Find(wanted(args))),
            (Action::Create, Ask::Act) => Some(CallKind::Create { owner, args }),
            (Action::Update, Ask::Act) => track.prior.clone().map(|prior| CallKind::Update { owner, prior, args }),
            (Action::Adopt, Ask::Act) => current().map(|current| CallKind::Adopt { owner, current }),
            (Action::Delete, Ask::Act) => track.prior.clone().map(|prior| CallKind::Delete { owner, prior }),
            // What is not the stack's any more must not be found as its own, or a later deploy would take it in and delete it.
            (Action::Forget, Ask::Act) => {
                let owner = Owner { stack: format!("{RETAINED}{}", owner.stack), ..owner };
                track.prior.clone().map(|current| CallKind::Adopt { owner, current })
            }
            (Action::Delete, Ask::Settle) => track.prior.clone().map(|prior| CallKind::Gone { owner, prior }),
            (_, Ask::Settle) => current().map(|current| CallKind::Ready { owner, current }),
            (Action::Settle, Ask::Act) => None,
        };
        let (type_name, region) = (step.type_name.clone(), step.region.clone());
        match kind {
            Some(kind) => {
                self.tracks[id as usize].phase = Phase::Calling(ask);
                self.effects.push_back(Effect::Call(id, Call { type_name, region, kind }));
            }
            None => {
                // Only a copy whose creation never had an answer has no outputs, and it was not found either.
                let action = step.action;
                self.free_place(id);
                if matches!(action, Action::Delete | Action::Forget) {
                    self.succeed(id);
                } else {
                    self.fail(id, retry::internal("MissingOutput", "the resource has no recorded outputs".to_owned()));
                }
            }
        }
    }

    fn returned(&mut self, id: StepId, answer: Result<Answer, CloudError>) {
        let Phase::Calling(ask) = self.tracks[id as usize].phase else { return };
        self.free_place(id);
        let action = self.plan.steps[id as usize].action;
        match answer {
            Err(error) => match self.decide(id, ask, &error) {
                Decision::Success => self.succeed(id),
                Decision::Again(delay, ask) => {
                    let at = self.now.after(delay.mul_f64(self.limits.scale.max(0.0)));
                    self.notices.push_back(Notice::Retrying(id, at, error));
                    self.sleep(id, delay, ask);
                }
                Decision::Fail(error) => self.fail(id, *error),
            },
            Ok(answer) => {
                // That nothing was found does not answer the call that is asked about.
                if !matches!(answer, Answer::Found(None)) {
                    let track = &mut self.tracks[id as usize];
                    (track.failures, track.unanswered) = (0, 0);
                    track.failing.clear();
                }
                match answer {
                    Answer::Outputs(outputs) => self.accepted(id, Some(outputs)),
                    Answer::Done if action == Action::Delete => self.accepted(id, None),
                    Answer::Done => self.succeed(id),
                    Answer::Ready(Settled::Yes(outputs)) => {
                        self.record(id, What::Succeeded { action, outputs: Some(outputs) });
                        self.done(id);
                    }
                    Answer::Gone(Settled::Yes(())) => self.succeed(id),
                    Answer::Ready(Settled::AskAgainIn(delay)) | Answer::Gone(Settled::AskAgainIn(delay)) => {
                        match self.overdue(id) {
                            Some(error) => self.fail(id, error),
                            None => {
                                let delay = delay.max(self.not_before_half(id));
                                self.sleep(id, delay, Ask::Settle);
                            }
                        }
                    }
                    Answer::Ready(Settled::Failed(error)) => {
                        self.record(id, What::Broken);
                        self.fail(id, error);
                    }
                    Answer::Gone(Settled::Failed(error)) => self.fail(id, error),
                    Answer::Found(Some(found)) => self.found(id, *found),
                    Answer::Found(None) => self.not_found(id),
                }
            }
        }
    }

    /// How long it takes until half of the typical time is over: nothing that takes minutes is ready before, and each question
    /// counts against the account's call rate.
    fn not_before_half(&self, id: StepId) -> Duration {
        let waited = self.tracks[id as usize].accepted.map_or(Duration::ZERO, |at| self.now.since(at));
        let waited = waited.div_f64(self.limits.scale.max(1e-6));
        Duration::from_secs_f64(self.plan.steps[id as usize].expected_s / 2.0).saturating_sub(waited)
    }

    /// A create whose answer was lost had been made: it goes on from there.
    fn found(&mut self, id: StepId, found: FoundData) {
        let track = &mut self.tracks[id as usize];
        (track.unclear, track.maybe_made) = (None, false);
        if matches!(self.plan.steps[id as usize].action, Action::Delete | Action::Forget) {
            let args = found.args.unwrap_or_else(|| std::mem::take(&mut track.args));
            track.prior = Some(PriorData { args, outputs: found.outputs });
            self.go_on(id, Ask::Act);
            return;
        }
        match found.health {
            Health::Failed => {
                self.record(id, What::Accepted { outputs: Some(found.outputs), needs: None });
                self.record(id, What::Broken);
                let error = retry::internal("Failed", "it exists and will never work".to_owned())
                    .hint("deploy again: it will be replaced");
                self.fail(id, error);
            }
            Health::Leaving => {
                let mut error =
                    retry::internal("Leaving", "somebody is deleting it".to_owned()).hint("deploy again later");
                error.certainty = Certainty::Unknown;
                self.fail(id, error);
            }
            Health::Pending | Health::Ready => {
                let track = &self.tracks[id as usize];
                let differs = found.args.as_ref().is_some_and(|args| *args != track.args);
                self.record(id, What::Accepted { outputs: Some(found.outputs.clone()), needs: None });
                if differs {
                    // What is there is recorded as it is, so that the next plan sees the difference.
                    let args = found.args.unwrap_or_default();
                    let (tags, needs) = {
                        let step = &self.plan.steps[id as usize];
                        (found.tags.unwrap_or_else(|| step.tags.clone()), step.needs.clone())
                    };
                    self.record(id, What::Began { action: Action::Update, args, tags, needs, create: None });
                    self.record(id, What::Accepted { outputs: Some(found.outputs), needs: None });
                    // A provider may write arguments in another form; but when the program has changed since, it is not done.
                    if self.tracks[id as usize].remade {
                        let error =
                            retry::internal("Changed", "an earlier run made it with other arguments".to_owned());
                        self.fail(id, error.hint("deploy again: it is known now, and will be changed"));
                        return;
                    }
                }
                self.accept(id);
            }
        }
    }

    fn not_found(&mut self, id: StepId) {
        match self.decide_not_found(id) {
            Decision::Again(delay, ask) => self.sleep(id, delay, ask),
            Decision::Fail(error) => self.fail(id, *error),
            Decision::Success => self.succeed(id),
        }
    }

    fn accepted(&mut self, id: StepId, outputs: Option<Value>) {
        let step = &self.plan.steps[id as usize];
        let needs = (step.action == Action::Update).then(|| step.needs.clone());
        self.record(id, What::Accepted { outputs, needs });
        self.accept(id);
    }

    /// The call was answered: those that need no more start, and the question whether it is done is asked.
    fn accept(&mut self, id: StepId) {
        let track = &mut self.tracks[id as usize];
        (track.accepted, track.maybe_made) = (Some(self.now), false);
        self.notices.push_back(Notice::Accepted(id));
        self.satisfy(id, Need::Accepted);
        self.go_on(id, Ask::Settle);
    }

    /// The next call of a step, as soon as there is a place, unless the run is stopping.
    fn go_on(&mut self, id: StepId, ask: Ask) {
        if self.is_stopping() {
            self.tracks[id as usize].phase = Phase::Sleeping(ask);
        } else {
            self.due(id, ask);
        }
    }

    fn succeed(&mut self, id: StepId) {
        let action = self.plan.steps[id as usize].action;
        self.record(id, What::Succeeded { action, outputs: None });
        self.done(id);
    }

    fn done(&mut self, id: StepId) {
        if self.tracks[id as usize].accepted.is_none() {
            self.satisfy(id, Need::Accepted);
        }
        self.tracks[id as usize].phase = Phase::Done;
        self.open -= 1;
        self.notices.push_back(Notice::Done(id));
        self.satisfy(id, Need::Ready);
    }

    fn satisfy(&mut self, id: StepId, reached: Need) {
        for at in 0..self.dependents[id as usize].len() {
            let (dependent, need) = self.dependents[id as usize][at];
            let track = &mut self.tracks[dependent as usize];
            if need == reached && track.phase == Phase::Waiting {
                track.waiting -= 1;
                if track.waiting == 0 && !self.is_stopping() {
                    self.enqueue(dependent);
                }
            }
        }
    }

    fn fail(&mut self, id: StepId, source: CloudError) {
        let step = &self.plan.steps[id as usize];
        let error = StepError {
            action: step.action,
            address: step.address.clone(),
            declared_at: step.declared_at.clone(),
            attempts: self.tracks[id as usize].failures.max(1),
            source,
        };
        // A step that was not begun leaves no entry: nothing is known of the resource that was not known before.
        let track = &self.tracks[id as usize];
        let begun = !matches!(track.phase, Phase::Waiting | Phase::Queued);
        if begun && self.state.instance(step.address.as_str(), step.generation).is_some() {
            let (action, mut cloud) = (step.action, error.source.clone());
            // The last call was refused, but one before it may have been done.
            if track.maybe_made {
                cloud.certainty = Certainty::Unknown;
            }
            self.record(id, What::Failed { action, error: cloud });
        }
        self.tracks[id as usize].phase = Phase::Failed;
        self.open -= 1;
        self.notices.push_back(Notice::Failed(id, error.clone()));
        self.failures.push(error);
        // Only what depends on it stops.
        let mut stack = vec![id];
        while let Some(failed) = stack.pop() {
            for at in 0..self.dependents[failed as usize].len() {
                let (dependent, _) = self.dependents[failed as usize][at];
                let track = &mut self.tracks[dependent as usize];
                if track.phase == Phase::Waiting {
                    track.phase = Phase::Skipped;
                    self.open -= 1;
                    self.notices.push_back(Notice::Skipped(dependent));
                    stack.push(dependent);
                }
            }
        }
    }
}

fn never_answered() -> CloudError {
    let mut error = retry::internal("NoAnswer", "an earlier run made this call and never got its answer".to_owned());
    error.certainty = Certainty::Unknown;
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;

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
