//! The life of one step: intent, call, answer, readiness.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Answer, Ask, Call, CallKind, Decision, Effect, Notice, Phase, RETAINED, Run, retry};
use crate::address::Address;
use crate::error::{Action, Certainty, CloudError, StepError};
use crate::journal::{Entry, New, What};
use crate::plan::{Step, StepId};
use crate::provider::{FoundData, Health, Owner, PriorData, Settled, WantedData};
use crate::resource::Need;
use crate::state::Instance;
use crate::value::{self, Value};

impl Run {
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
    pub(super) fn begin(&mut self, id: StepId) {
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

    pub(super) fn durable(&mut self, seq: u64) {
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
    pub(super) fn call(&mut self, id: StepId, ask: Ask) {
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

    pub(super) fn returned(&mut self, id: StepId, answer: Result<Answer, CloudError>) {
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

    pub(super) fn fail(&mut self, id: StepId, source: CloudError) {
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
