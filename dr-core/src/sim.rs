//! A simulated world for the engine: a cloud, a disk and a clock, all seeded, with faults (feature `sim`).
//!
//! It runs the real [`Session`] and the real [driver](crate::driver); only what they talk to is simulated. Types need no
//! lifecycle: a resource of any type is created, found and deleted by what its schema says, and [`Behaviour`] tells how the
//! provider treats it. So a program is tested before a single call is written for its types:
//!
//! ```
//! use dr_core::sim::World;
//! use dr_core::{Anywhere, Input, Outputs, Region, Resource, Stack, region};
//!
//! region!(Here = "here");
//!
//! #[derive(Resource)]
//! #[resource(type = "demo.store.bucket", outputs = BucketOutputs)]
//! struct Bucket<R: Region = Anywhere> {
//!     name: String,
//!     copy_of: Option<Input<String>>,
//!     region: std::marker::PhantomData<R>,
//! }
//!
//! #[derive(Clone, Outputs)]
//! struct BucketOutputs {
//!     id: String,
//! }
//!
//! let stack = Stack::build("demo", |stack| {
//!     let here = stack.region(Here);
//!     let first = here.add("first", Bucket { name: "a".into(), copy_of: None, region: Default::default() });
//!     let copy_of = Some(dr_core::IntoInput::into_input(first.id));
//!     here.add("second", Bucket { name: "b".into(), copy_of, region: Default::default() });
//! })?;
//! let whole = World::new(1).deploy(&stack).world();
//!
//! // The process dies at its twentieth effect; the next one finishes the work.
//! let mut world = World::new(1);
//! assert!(world.deploy_until(&stack, 20).is_crashed());
//! world.restart();
//! assert!(world.deploy(&stack).is_complete());
//! assert_eq!(world.resources(), whole);
//! assert_eq!(world.violations(), [] as [&str; 0]);
//! # Ok::<(), dr_core::BuildErrors>(())
//! ```
//!
//! What the world watches, from outside of the engine: no call without a durable intent, no two objects for one resource,
//! no object that nobody knows of after a run, a journal that can be replayed at any moment and gives a consistent state,
//! never more calls in flight than the limits allow, no update of what cannot change in place, nothing that does not work
//! after a run that calls itself complete.

mod cloud;
mod faults;
mod provider;
mod random;
mod store;
mod time;

use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use crate::driver::{Applied, Cancel, Session, SessionError};
use crate::engine::{Limits, Outcome, Report};
use crate::graph::Graph;
use crate::observed::Observed;
use crate::plan::Plan;
use crate::provider::{Provider, Registry};
use crate::resource::Schema;
use crate::state::State;
use crate::store::StoreError;
use crate::value::Value;

use cloud::Cloud;
use provider::{SimProvider, Travelling};
use store::{Disk, SimStore};
use time::{End, SimClock, execute};

pub use cloud::{Behaviour, MakeOutput};
pub use faults::{Called, Fault, Faults, Operation};
pub use random::Random;

/// Decides what happens to a call; `None` leaves it to the shares in [`Faults`].
type Script = Box<dyn FnMut(&Called) -> Option<Fault> + Send>;

/// What the parts of a world share.
#[derive(Clone)]
struct Shared(Arc<Mutex<Inner>>);

struct Inner {
    now: u64,
    timers: BTreeMap<(u64, u64), Waker>,
    timers_made: u64,
    /// Effects so far in this process.
    ticks: u64,
    crash_at: Option<u64>,
    crashed: bool,
    cancel_at: Vec<u64>,
    cancel: Cancel,
    cloud: Cloud,
    disk: Disk,
    faults: Faults,
    script: Option<Script>,
    fault_random: Random,
    time_random: Random,
    travelling: BTreeMap<u64, Travelling>,
    travelled: u64,
    limits: Limits,
    in_flight: BTreeMap<(String, String), usize>,
    most_in_flight: usize,
    counts: BTreeMap<(Operation, String), u32>,
    calls: Vec<Called>,
    violations: Vec<String>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic under the lock fails the test that caused it; nothing else uses the world afterwards.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

impl Inner {
    /// Lets the cloud do what has arrived by now, in the order of arrival.
    fn arrive(&mut self) {
        let mut due: Vec<(u64, u64)> = self
            .travelling
            .iter()
            .filter(|(_, call)| call.result.is_none() && call.arrives <= self.now)
            .map(|(number, call)| (call.arrives, *number))
            .collect();
        due.sort_unstable();
        for (arrives, number) in due {
            let Some(call) = self.travelling.get_mut(&number) else { continue };
            let result = self.cloud.apply(call.schema, &call.request, &self.faults, arrives);
            call.result = Some(result);
            if call.abandoned {
                self.travelling.remove(&number);
            }
        }
    }
}

/// One effect: the point at which a process may die, or be told to stop.
async fn tick(shared: &Shared) {
    alive(shared).await;
    let cancel = {
        let mut inner = shared.lock();
        inner.ticks += 1;
        let ticks = inner.ticks;
        inner.crashed = inner.crash_at == Some(ticks);
        inner.cancel_at.contains(&ticks).then(|| inner.cancel.clone())
    };
    if let Some(cancel) = cancel {
        cancel.cancel();
    }
    alive(shared).await;
}

/// A dead process does nothing any more.
async fn alive(shared: &Shared) {
    let crashed = shared.lock().crashed;
    if crashed {
        pending::<()>().await;
    }
}

/// A cloud, a disk, a clock, and the processes that run one after another on them.
pub struct World {
    shared: Shared,
    schemas: BTreeMap<&'static str, &'static Schema>,
    seed: u64,
    lost: u32,
    named: bool,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("seed", &self.seed).field("now_ms", &self.shared.lock().now).finish()
    }
}

/// How a simulated process ended.
#[must_use = "it may have failed or crashed"]
#[expect(clippy::large_enum_variant, reason = "one for each run of a test")]
pub enum Ended {
    /// It came to its end.
    Finished(Applied, Vec<String>),
    /// There was no run.
    NotRun(SessionError),
    /// It died at the crash point.
    Crashed,
    /// It waits for something that will never happen: a bug.
    Stalled(String),
}

/// What went wrong, without the plan and the state.
impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Finished(Applied::Ran { report, .. }, _) => report.fmt(f),
            Ended::Finished(Applied::Unchanged(_), _) => f.write_str("Unchanged"),
            Ended::Finished(Applied::Refused(_), _) => f.write_str("Refused"),
            Ended::NotRun(error) => f.debug_tuple("NotRun").field(error).finish(),
            Ended::Crashed => f.write_str("Crashed"),
            Ended::Stalled(why) => f.debug_tuple("Stalled").field(why).finish(),
        }
    }
}

impl Ended {
    /// Whether the cloud is now as the program says.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self, Ended::Finished(applied, _) if applied.is_complete())
    }

    /// Whether it died at the crash point.
    #[must_use]
    pub fn is_crashed(&self) -> bool {
        matches!(self, Ended::Crashed)
    }

    /// Whether the user's stop ended it.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.report().is_some_and(|report| report.outcome == Outcome::Cancelled)
    }

    /// What the run did, when there was one.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        match self {
            Ended::Finished(Applied::Ran { report, .. }, _) => Some(report),
            _ => None,
        }
    }

    /// The plan, when there was one.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        match self {
            Ended::Finished(applied, _) => Some(applied.plan()),
            _ => None,
        }
    }

    /// [`World::resources`] at its end; empty when it did not come to its end.
    #[must_use]
    pub fn world(self) -> Vec<String> {
        match self {
            Ended::Finished(_, resources) => resources,
            _ => Vec::new(),
        }
    }
}

impl World {
    /// An empty world. Everything in it that could be otherwise follows from the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let inner = Inner {
            now: 0,
            timers: BTreeMap::new(),
            timers_made: 0,
            ticks: 0,
            crash_at: None,
            crashed: false,
            cancel_at: Vec::new(),
            cancel: Cancel::new(),
            cloud: Cloud::new(seed),
            disk: Disk::new("", &lineage(seed, 0), seed),
            faults: Faults::default(),
            script: None,
            fault_random: Random::new(seed, "faults"),
            time_random: Random::new(seed, "times"),
            travelling: BTreeMap::new(),
            travelled: 0,
            limits: Limits { seed, ..Limits::default() },
            in_flight: BTreeMap::new(),
            most_in_flight: 0,
            counts: BTreeMap::new(),
            calls: Vec::new(),
            violations: Vec::new(),
        };
        let shared = Shared(Arc::new(Mutex::new(inner)));
        World { shared, schemas: BTreeMap::new(), seed, lost: 0, named: false }
    }

    /// How the resources of a type behave.
    #[must_use]
    pub fn with(mut self, schema: &'static Schema, behaviour: Behaviour) -> Self {
        self.schemas.insert(schema.type_name, schema);
        self.shared.lock().cloud.behaviours.insert(schema.type_name, behaviour);
        self
    }

    /// What goes wrong from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.shared.lock().faults = faults;
    }

    /// Decides about single calls; what it leaves open goes by the shares of [`Faults`].
    pub fn script(&mut self, script: impl FnMut(&Called) -> Option<Fault> + Send + 'static) {
        self.shared.lock().script = Some(Box::new(script));
    }

    /// The bounds of the runs from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.shared.lock().limits = limits;
    }

    /// The next run is told to stop at these effects, counted from 1.
    pub fn cancel_at(&mut self, effects: &[u64]) {
        self.shared.lock().cancel_at = effects.to_vec();
    }

    /// These appends to the journal fail because the disk is full, counted from 1 since the world began.
    pub fn disk_full_at(&mut self, appends: &[u64]) {
        let disk = &mut self.shared.lock().disk;
        disk.full = appends.iter().copied().collect();
        disk.full_now = false;
    }

    /// Every append from this one on fails, or none any more.
    pub fn disk_full_from(&mut self, append: Option<u64>) {
        let disk = &mut self.shared.lock().disk;
        disk.full_from = append;
        disk.full_now = false;
    }

    /// The providers of these types, and of all that the world has seen: for a session of one's own.
    #[must_use]
    pub fn registry(&mut self, schemas: &[&'static Schema]) -> Registry {
        self.schemas.extend(schemas.iter().map(|schema| (schema.type_name, *schema)));
        self.schemas.values().fold(Registry::new(), |registry, &schema| {
            let provider: Arc<dyn Provider> = Arc::new(SimProvider { shared: self.shared.clone(), schema });
            registry.with_provider(provider)
        })
    }

    /// Something exists that a program may look up: its arguments and what is known of it.
    pub fn publish(&mut self, type_name: &str, region: &str, args: Value, outputs: Value) {
        self.shared.lock().cloud.publish(type_name, region, args, outputs);
    }

    /// Makes the cloud what the program says.
    pub fn deploy(&mut self, program: &Graph) -> Ended {
        self.run(program, None, Work::Deploy)
    }

    /// The same, in a process that dies at its `effect`-th effect, counted from 1.
    pub fn deploy_until(&mut self, program: &Graph, effect: u64) -> Ended {
        self.run(program, Some(effect), Work::Deploy)
    }

    /// Takes everything away that the stack owns.
    pub fn destroy(&mut self, program: &Graph) -> Ended {
        self.run(program, None, Work::Destroy)
    }

    /// The same, in a process that dies at its `effect`-th effect, counted from 1.
    pub fn destroy_until(&mut self, program: &Graph, effect: u64) -> Ended {
        self.run(program, Some(effect), Work::Destroy)
    }

    /// Runs a plan that was made before, as it is.
    pub fn apply(&mut self, program: &Graph, plan: Plan) -> Ended {
        self.run(program, None, Work::Apply(Box::new(plan)))
    }

    /// The plan of a deploy, after reading the cloud. Nothing is changed.
    ///
    /// # Errors
    /// There is none, or nothing comes of it.
    pub fn plan(&mut self, program: &Graph) -> Result<Plan, SessionError> {
        let session = self.session(program);
        let store = SimStore(self.shared.clone());
        match execute(&self.shared, session.plan(&store, true)) {
            End::Done(result) => result.map(|(plan, _)| plan),
            End::Crashed => panic!("a plan has no crash point"),
            End::Stalled(why) => panic!("planning stalled: {why}"),
        }
    }

    /// What a full read finds, whether the state knows it or not.
    pub fn observe(&mut self, program: &Graph) -> Observed {
        let session = self.session(program);
        match execute(&self.shared, session.residue(&self.state())) {
            End::Done(observed) => observed,
            End::Crashed | End::Stalled(_) => panic!("reading stalled"),
        }
    }

    /// A new process on the same cloud and the same disk.
    pub fn restart(&mut self) {
        let mut inner = self.shared.lock();
        (inner.ticks, inner.crashed, inner.crash_at) = (0, false, None);
        inner.timers.clear();
        inner.cancel = Cancel::new();
        // Typing the command again takes a while.
        inner.now += 1_000;
        inner.arrive();
    }

    /// Time passes.
    pub fn wait(&mut self, ms: u64) {
        let mut inner = self.shared.lock();
        inner.now += ms;
        inner.arrive();
    }

    /// Somebody deletes the state and the journal.
    pub fn lose_state(&mut self) {
        self.lost += 1;
        let stack = self.state().stack;
        let mut inner = self.shared.lock();
        inner.disk = Disk::new(&stack, &lineage(self.seed, self.lost), self.seed);
    }

    /// The next program is another stack, with a disk of its own, in the same cloud.
    pub fn forget_stack(&mut self) {
        self.lost += 1;
        self.named = false;
    }

    /// Objects made from now on are left out of lists for this long.
    pub fn hide_new(&mut self, time: Duration) {
        self.shared.lock().cloud.hidden_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    }

    /// Somebody deletes the resource at this address behind the back of the stack. Whether there was one.
    pub fn remove(&mut self, address: &str) -> bool {
        let mut inner = self.shared.lock();
        let now = inner.now;
        let found =
            inner.cloud.objects.iter_mut().filter(|o| !o.is_gone(now) && o.config().address.as_str() == address);
        found.map(|object| object.remove(now)).count() > 0
    }

    /// Somebody changes the arguments of the resource at this address behind the back of the stack. Whether there was one.
    pub fn alter(&mut self, address: &str, change: impl Fn(&mut Value)) -> bool {
        let mut inner = self.shared.lock();
        let now = inner.now;
        let found =
            inner.cloud.objects.iter_mut().filter(|o| !o.is_gone(now) && o.config().address.as_str() == address);
        found.map(|object| change(&mut object.config_mut().args)).count() > 0
    }

    /// The resource at this address stops working for good. Whether there was one.
    pub fn break_down(&mut self, address: &str) -> bool {
        let mut inner = self.shared.lock();
        let now = inner.now;
        let found =
            inner.cloud.objects.iter_mut().filter(|o| !o.is_gone(now) && o.config().address.as_str() == address);
        found.map(cloud::Object::set_broken).count() > 0
    }

    /// What is in the cloud, one line for each object, without ids, generations and times: equal for equal worlds.
    #[must_use]
    pub fn resources(&self) -> Vec<String> {
        let inner = self.shared.lock();
        inner.cloud.normalised(inner.now)
    }

    /// The ids of the objects of an address that exist.
    #[must_use]
    pub fn ids(&self, address: &str) -> Vec<String> {
        let inner = self.shared.lock();
        let here = inner.cloud.live(inner.now).filter(|object| object.config().address.as_str() == address);
        here.map(|object| object.id.clone()).collect()
    }

    /// Every call so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Called> {
        self.shared.lock().calls.clone()
    }

    /// How many calls of this kind there were so far.
    #[must_use]
    pub fn count(&self, operation: Operation) -> usize {
        self.shared.lock().calls.iter().filter(|call| call.operation == operation).count()
    }

    /// The most calls that were in flight at once, reads not counted.
    #[must_use]
    pub fn most_in_flight(&self) -> usize {
        self.shared.lock().most_in_flight
    }

    /// Deletes that were asked for while something still used the object: none, when a plan has the right order.
    #[must_use]
    pub fn deletes_in_use(&self) -> u64 {
        self.shared.lock().cloud.in_use
    }

    /// Effects of the last process.
    #[must_use]
    pub fn effects(&self) -> u64 {
        self.shared.lock().ticks
    }

    /// Appends to the journal since the world began.
    #[must_use]
    pub fn appends(&self) -> u64 {
        self.shared.lock().disk.appends
    }

    /// Milliseconds since the world began.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.shared.lock().now
    }

    /// The state on the disk, with the journal replayed.
    ///
    /// # Panics
    /// It cannot be replayed; [`World::load`] returns that as an error.
    #[must_use]
    pub fn state(&self) -> State {
        self.load().expect("the journal can be replayed")
    }

    /// The state on the disk, with the journal replayed.
    ///
    /// # Errors
    /// The journal is damaged.
    pub fn load(&self) -> Result<State, StoreError> {
        Ok(self.shared.lock().disk.replay()?.state)
    }

    /// The snapshot and the bytes of the journal after it.
    #[must_use]
    pub fn disk(&self) -> (State, Vec<u8>) {
        let inner = self.shared.lock();
        (inner.disk.snapshot.clone(), inner.disk.journal.clone())
    }

    /// What must never happen and did, in this world so far.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        let inner = self.shared.lock();
        [&inner.violations, &inner.disk.violations, &inner.cloud.misuse].into_iter().flatten().cloned().collect()
    }

    /// Objects that exist although nothing leads to them: neither the state nor, where the type has tags, their tags; and
    /// copies that share address and generation.
    #[must_use]
    pub fn orphans(&self) -> Vec<String> {
        let state = self.state();
        let inner = self.shared.lock();
        let mut seen = BTreeMap::new();
        let mut orphans = Vec::new();
        for object in inner.cloud.live(inner.now).filter(|object| !object.is_leaving()) {
            let config = object.config();
            if config.stack != state.stack {
                continue;
            }
            if !inner.cloud.is_known(object, &state) {
                orphans.push(format!("{} of {} #{}", object.id, config.address, config.generation));
            }
            if let Some(other) = seen.insert((config.address.clone(), config.generation), &object.id) {
                orphans.push(format!("{} and {other} are both {} #{}", object.id, config.address, config.generation));
            }
        }
        orphans
    }

    fn session<'g>(&mut self, program: &'g Graph) -> Session<'g> {
        let schemas: Vec<&'static Schema> = program.nodes().map(|node| node.schema).collect();
        let registry = self.registry(&schemas);
        if !self.named {
            self.named = true;
            self.shared.lock().disk.rename(program.name(), &lineage(self.seed, self.lost));
        }
        let limits = self.shared.lock().limits.clone();
        let clock = Arc::new(SimClock(self.shared.clone()));
        Session { graph: program, registry, clock, limits, account: None }
    }

    fn run(&mut self, program: &Graph, crash_at: Option<u64>, work: Work) -> Ended {
        let session = self.session(program);
        let store = SimStore(self.shared.clone());
        let cancel = {
            let mut inner = self.shared.lock();
            (inner.ticks, inner.crashed, inner.crash_at) = (0, false, crash_at);
            inner.cancel = Cancel::new();
            inner.cancel.clone()
        };
        let shared = self.shared.clone();
        let mut watch = |run: &crate::engine::Run, _, _: &crate::engine::Notice| {
            if let Err(problem) = run.state().check() {
                shared.lock().violations.push(format!("the running state is inconsistent: {problem}"));
            }
        };
        let end = match work {
            Work::Deploy => execute(&self.shared, session.deploy(&store, |_| true, &cancel, &mut watch)),
            Work::Destroy => execute(&self.shared, session.destroy(&store, |_| true, &cancel, &mut watch)),
            Work::Apply(plan) => execute(&self.shared, session.apply(*plan, &store, |_| true, &cancel, &mut watch)),
        };
        self.shared.lock().cancel_at.clear();
        match end {
            End::Done(Ok(applied)) => {
                self.abandon(false);
                self.compare(&applied);
                if applied.is_complete() {
                    let mut inner = self.shared.lock();
                    let unready = inner.cloud.unready(program.name(), inner.now);
                    if !unready.is_empty() {
                        inner.violations.push(format!("complete, but {unready:?} do not work"));
                    }
                }
                let resources = self.resources();
                Ended::Finished(applied, resources)
            }
            End::Done(Err(error)) => Ended::NotRun(error),
            End::Crashed => {
                self.shared.lock().disk.crash();
                self.abandon(true);
                Ended::Crashed
            }
            End::Stalled(why) => {
                self.shared.lock().violations.push(format!("stalled: {why}"));
                Ended::Stalled(why)
            }
        }
    }

    /// What the run believes and what its journal says are the same.
    fn compare(&self, applied: &Applied) {
        let Applied::Ran { state, report, .. } = applied else { return };
        if report.store_failure.is_some() {
            return;
        }
        let mut inner = self.shared.lock();
        let replayed = inner.disk.replay().map(|replayed| replayed.state);
        if replayed.as_ref().ok() != Some(state) {
            inner.violations.push("the journal does not replay to the state of the run".to_owned());
        }
    }

    /// The process is gone; what it had sent may still arrive.
    fn abandon(&mut self, crashed: bool) {
        let mut inner = self.shared.lock();
        let late = u64::try_from(inner.faults.late.as_millis()).unwrap_or(u64::MAX);
        let mut travelling = std::mem::take(&mut inner.travelling);
        travelling.retain(|_, call| {
            let waits = call.result.is_none();
            if waits && crashed {
                call.arrives += inner.fault_random.below(late.saturating_add(1));
            }
            call.abandoned = true;
            // A call that had not left the machine is lost with it.
            waits && inner.fault_random.chance(0.5)
        });
        inner.travelling = travelling;
        inner.timers.clear();
    }
}

/// What a process is started for.
enum Work {
    Deploy,
    Destroy,
    Apply(Box<Plan>),
}

fn lineage(seed: u64, lost: u32) -> String {
    format!("{seed:016x}{lost:016x}")
}
