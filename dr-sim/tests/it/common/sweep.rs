//! A crash sweep: a process dies at each point of a run, and another one goes on with what it finds, the account and the store.
//!
//! The run is watched once, and at each point the account (with what was under way to it) and the store are kept as the death of
//! the process would leave them. Points in a row that leave the same are gone on from once; the same is proved and not assumed:
//! equal bytes in the store, and an account of the same [fingerprint](dr_sim::Cloud::fingerprint).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use dr_core::Stack;
use dr_core::driver::Applied;
use dr_core::engine::Outcome;
use dr_sim::{Aws, Cloud, CrashPoint, Fault, Passing, SimClock, Target};

use super::picture::{Picture, Vocabulary};
use super::{Disk, Goal, block_on, changed, complete, copy, not_working, restarted, run, settle, shop};

/// The region that is away in a sweep with one away.
const AWAY: &str = "us-west-2";
/// How many processes may follow a death under throttling: a fifth of all calls is enough for one to give up some read for good.
const PROCESSES_MAX: usize = 3;

/// An account and a store from which something begins.
pub struct Start {
    pub cloud: Cloud,
    pub disk: Disk,
}

impl Start {
    pub fn empty() -> Self {
        Start { cloud: Aws::new(1).cloud().clone(), disk: Disk::new() }
    }

    /// One that shares no id and no name with the others.
    pub fn twin() -> Self {
        Start { cloud: Aws::new(12).cloud().clone(), disk: Disk::of_lineage(&"2".repeat(32)) }
    }

    pub async fn deployed() -> Self {
        let start = Start::empty();
        start.run(Goal::Deploy, &shop()).await;
        start
    }

    pub fn copy(&self) -> Start {
        Start { cloud: copy(&self.cloud), disk: self.disk.copy() }
    }

    /// One process, without trouble, and the hours after it.
    pub async fn run(&self, goal: Goal, program: &Stack) {
        complete(run(&restarted(&self.cloud), goal, program, &self.disk).await).unwrap();
        settle(&self.cloud);
    }
}

/// What a run does to the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Deploy,
    Update,
    Destroy,
}

impl Change {
    fn goal(self) -> Goal {
        if self == Change::Destroy { Goal::Destroy } else { Goal::Deploy }
    }

    fn program(self) -> Stack {
        if self == Change::Update { changed() } else { shop() }
    }
}

/// What else is wrong, during the run that dies and for those who go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    Nothing,
    /// The store dies with the process.
    StateLost,
    /// A fifth of all calls is refused for their number.
    Throttled,
    /// Lists show a new EC2 object after two seconds.
    StaleReads,
    /// The control plane of one region cannot be reached.
    RegionAway,
}

impl Trouble {
    fn begin(self, cloud: &Cloud) {
        match self {
            Trouble::Nothing | Trouble::StateLost => {}
            Trouble::Throttled => cloud.faults().share(Target::any(), 0.2, Fault::Throttle),
            Trouble::StaleReads => cloud.set_stale_reads(Duration::from_secs(2)),
            Trouble::RegionAway => cloud.faults().region_away(AWAY, 0, u64::MAX),
        }
    }

    fn end(cloud: &Cloud) {
        cloud.faults().clear();
        cloud.set_stale_reads(Duration::ZERO);
    }
}

/// What a process left that died at a point.
struct Remains {
    point: CrashPoint,
    call: String,
    cloud: Cloud,
    disk: Disk,
}

/// A run whose points are died at.
pub struct Sweep {
    change: Change,
    program: Stack,
    /// From where it begins.
    before: Start,
    words: Vocabulary,
    /// What an uninterrupted run gives.
    expected: Picture,
}

/// The points of a run.
#[derive(Default)]
struct Points {
    all: usize,
    /// Of them, those that leave something else than the one before.
    distinct: usize,
    kept: Vec<Remains>,
}

/// Tells the points of a run from each other.
struct Watcher {
    disk: Disk,
    clock: SimClock,
    /// So far, and at the last point.
    so_far: Mark,
    last: Option<Mark>,
    /// What the last point left: the place on the disk and the account.
    left: Option<((u64, usize), u64)>,
}

/// What makes a difference between points.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Mark {
    written: (u64, usize),
    /// Calls that are no reads.
    sent: u64,
    arrived: u64,
    now_ms: u64,
}

impl Watcher {
    fn new(disk: Disk, cloud: &Cloud) -> Self {
        Watcher { disk, clock: cloud.clock().clone(), so_far: Mark::default(), last: None, left: None }
    }

    /// The marks of the last point and of this one. A call that would be sent next is not sent by a process that dies here; one
    /// that is on its way arrives whether its sender lives or not.
    fn step(&mut self, passing: &Passing<'_>) -> (Option<Mark>, Mark) {
        let is_read = ["Describe", "Get", "List"].iter().any(|verb| passing.operation.starts_with(verb));
        let so_far = &mut self.so_far;
        (so_far.written, so_far.now_ms) = (self.disk.position(), self.clock.now_ms());
        so_far.arrived += u64::from(!is_read && matches!(passing.point, CrashPoint::After(_)));
        let here = *so_far;
        so_far.sent += u64::from(!is_read && matches!(passing.point, CrashPoint::Before(_)));
        (self.last.replace(here), here)
    }

    /// Whether something was written or a changing call sent since the last point.
    fn acts(&mut self, passing: &Passing<'_>) -> bool {
        let (last, here) = self.step(passing);
        last.is_none_or(|last| (last.written, last.sent) != (here.written, here.sent))
    }

    /// Whether the store or the account are left otherwise than at the last point. Where no time has passed, and nothing but
    /// reads was sent or arrived, they are not.
    fn leaves_something_else(&mut self, passing: &Passing<'_>) -> bool {
        let (last, here) = self.step(passing);
        if last == Some(here) {
            return false;
        }
        let left = Some((here.written, passing.remains().fingerprint().expect("a world can be written")));
        std::mem::replace(&mut self.left, left) != left
    }
}

impl Sweep {
    /// Runs without interruption, twice, to see what there is to expect and which words are no ids.
    pub fn of(change: Change) -> Self {
        let through = |start: Start| {
            block_on(async {
                if change != Change::Deploy {
                    start.run(Goal::Deploy, &shop()).await;
                }
                let before = start.copy();
                start.run(change.goal(), &change.program()).await;
                (before, start)
            })
        };
        let (one, twin) = thread::scope(|scope| {
            let twin = scope.spawn(|| through(Start::twin()));
            (through(Start::empty()), twin.join().expect("the twin is deployed"))
        });
        let before = Vocabulary::of(&[&one.0.cloud, &twin.0.cloud]);
        let words = match change {
            // What is left of a site that is gone says nothing about it.
            Change::Destroy => before,
            Change::Deploy | Change::Update => before.and(Vocabulary::of(&[&one.1.cloud, &twin.1.cloud])),
        };
        let expected = Picture::of(&one.1.cloud, &words);
        if change == Change::Destroy {
            Picture::of(Aws::new(1).cloud(), &words).compare(&expected).expect("an uninterrupted run leaves nothing");
        }
        Sweep { change, program: change.program(), before: one.0, words, expected }
    }

    /// Goes on from the points; panics with what is not as if nothing had happened. `every` is 1 for all points that leave
    /// something different; else it is a sample, each this many-th of those between which something was written or a changing
    /// call was sent.
    pub fn under(&self, trouble: Trouble, every: usize) {
        let began = Instant::now();
        let what = format!("{:?}, {trouble:?}", self.change);
        let points = block_on(self.watch(trouble, every));
        // Before and after each call, and a call at least for each resource: else nobody has died here.
        assert!(points.all > 200 && points.kept.len() > 10, "{what}: {} points of {}", points.kept.len(), points.all);
        let failures = self.go_on_from_all(trouble, &points.kept);
        println!(
            "{what}: {} points, {} of them differ, {} gone on from, {} objects at the end, {:.1} s",
            points.all,
            points.distinct,
            points.kept.len(),
            self.expected.len(),
            began.elapsed().as_secs_f64()
        );
        let mut by_call: BTreeMap<&str, usize> = BTreeMap::new();
        failures.iter().for_each(|(at, _)| *by_call.entry(&at.call).or_default() += 1);
        let shown = failures.iter().take(8).map(|(at, why)| format!("{:?} {}: {why}", at.point, at.call));
        let shown = shown.collect::<Vec<_>>().join("\n");
        let (failed, of) = (failures.len(), points.kept.len());
        assert!(failures.is_empty(), "{what}: {failed} of {of} failed: {by_call:?}\n{shown}");
    }

    /// Runs to the end and keeps what the points would leave, one of those in a row that leave the same.
    async fn watch(&self, trouble: Trouble, every: usize) -> Points {
        let Start { cloud, disk } = &self.before.copy();
        trouble.begin(cloud);
        let points: Arc<Mutex<Points>> = Arc::default();
        {
            let (points, disk) = (points.clone(), disk.clone());
            let mut watcher = Watcher::new(disk.clone(), cloud);
            cloud.watch_points(move |passing| {
                let mut points = points.lock().unwrap();
                points.all += 1;
                let differs = if every == 1 { watcher.leaves_something_else(passing) } else { watcher.acts(passing) };
                points.distinct += usize::from(differs);
                if differs && points.distinct % every == 0 {
                    let call = format!("{}.{}", passing.service, passing.operation);
                    let (cloud, disk) = (passing.remains(), disk.copy());
                    points.kept.push(Remains { point: passing.point, call, cloud, disk });
                }
            });
        }
        let ran = run(&restarted(cloud), self.change.goal(), &self.program, disk).await;
        cloud.unwatch();
        Trouble::end(cloud);
        settle(cloud);
        if trouble == Trouble::RegionAway {
            let Ok(Applied::Ran { report, .. }) = ran else { panic!("the other region is deployed") };
            assert_eq!(report.outcome, Outcome::Failed, "{AWAY} is away");
        } else {
            let same = |()| Picture::of(cloud, &self.words).compare(&self.expected);
            complete(ran).and_then(|()| disk.check()).and_then(same).expect("the run that nobody killed");
        }
        std::mem::take(&mut *points.lock().unwrap())
    }

    /// Goes on from each, on all cores; what failed, in the order of the points.
    fn go_on_from_all<'r>(&self, trouble: Trouble, remains: &'r [Remains]) -> Vec<(&'r Remains, String)> {
        let (next, failures) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
        let work = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(at) = remains.get(number) else { return };
                if let Err(why) = block_on(self.go_on(trouble, at, number % 16 == 0)) {
                    failures.lock().unwrap().insert(number, (at, why));
                }
            }
        };
        let workers = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
        failures.into_inner().unwrap().into_values().collect()
    }

    /// Goes on from what was left and says what is not as if nothing had happened.
    async fn go_on(&self, trouble: Trouble, at: &Remains, again: bool) -> Result<(), String> {
        let (cloud, goal, program) = (&at.cloud, self.change.goal(), &self.program);
        let disk = match trouble {
            Trouble::StateLost => Disk::of_lineage(&"f".repeat(32)),
            _ => at.disk.clone(),
        };
        trouble.begin(cloud);
        if trouble == Trouble::RegionAway {
            let applied = run(&restarted(cloud), goal, program, &disk).await.map_err(|error| error.to_string())?;
            // What tells somebody about both regions needs both.
            let missing = not_working(&disk.state(), program, "us-east-1/");
            if let Some(address) = missing.iter().find(|address| !address.starts_with("us-east-1/notifier")) {
                return Err(format!("{address} does not work while {AWAY} is away: {:?}", complete(Ok(applied))));
            }
            Trouble::end(cloud);
        }
        let attempts = if trouble == Trouble::Throttled { PROCESSES_MAX } else { 1 };
        let mut done = Ok(());
        for _ in 0..attempts {
            done = complete(run(&restarted(cloud), goal, program, &disk).await);
            if done.is_ok() {
                break;
            }
        }
        done?;
        Trouble::end(cloud);
        disk.check()?;
        settle(cloud);
        Picture::of(cloud, &self.words).compare(&self.expected)?;
        if again {
            match run(&restarted(cloud), goal, program, &disk).await.map_err(|error| error.to_string())? {
                Applied::Unchanged(_) => {}
                other => return Err(format!("the next run finds something to do: {}", other.plan())),
            }
        }
        Ok(())
    }
}
