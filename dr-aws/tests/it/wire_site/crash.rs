//! SIGKILL at every point of a deploy, an update and a teardown, and the next run finishes, without anybody's help.
//!
//! A run is a child process: this test executable, asked for [`child`] alone. The emulator kills it when its call number N comes
//! in, either before the call is done or after, so each point is met exactly.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use dr_aws::{Depth, Rates};
use dr_core::driver::Applied;
use dr_core::store::{FileStore, ReadStore as _};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::wire::Emulator;
use crate::wire_site::account::everything;
use crate::wire_site::drift::kinds;
use crate::wire_site::program::{FIRST, Program, Settings, failures, site, small};

/// The variable with the [`Job`] of a child.
const JOB: &str = "DR_WIRE_JOB";
/// Before the result of a child, since the test harness writes to standard output too.
const RESULT: &str = "DR_WIRE_RESULT ";

/// What a child does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) url: String,
    /// Where its state is.
    pub(crate) dir: PathBuf,
    /// The whole site, or the small program.
    pub(crate) whole: bool,
    /// The changed program.
    pub(crate) changed: bool,
    pub(crate) destroy: bool,
    /// Reads what a plan needs, and no more.
    pub(crate) lean: bool,
    pub(crate) scale: f64,
    /// AWS's rates in the emulator's time, or none.
    pub(crate) rates: bool,
}

/// What a child that was not killed says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) complete: bool,
    pub(crate) unchanged: bool,
    pub(crate) failures: Vec<String>,
    pub(crate) seconds: f64,
    pub(crate) peak_kb: u64,
    /// Of the memory resident at the end, what is not pages of the executable.
    pub(crate) anonymous_kb: u64,
    pub(crate) calls: BTreeMap<String, u64>,
}

/// Two programs that differ in place and by replacements.
fn settings(changed: bool) -> Settings {
    match changed {
        false => Settings { zones: 2, ..FIRST },
        true => Settings { zones: 3, interval_s: 30, threshold: 2, timeout_ms: 20_000, page: "two" },
    }
}

impl Job {
    pub(crate) fn program(&self) -> Program {
        // Whoever measures measures the site of the example.
        let settings = if self.rates { FIRST } else { settings(self.changed) };
        let stack = if self.whole { site(settings) } else { small(settings) };
        let rates = if self.rates { Rates::aws().scaled(1.0 / self.scale) } else { Rates::unlimited() };
        Program::at(&self.url, stack, self.scale, rates)
    }

    fn store(&self) -> FileStore {
        FileStore::new(&self.dir, if self.whole { "shop" } else { "small" })
    }

    /// What the child does, in this process.
    pub(crate) async fn run(&self) -> (Applied, Program) {
        let program = self.program();
        let store =
            self.store().lock("wire test").unwrap_or_else(|error| panic!("the lock of a dead run holds: {error}"));
        // As the command line does it.
        let settled = store.load().await.expect("the state can be read").state.is_settled();
        program.aws.set_depth(if self.lean && settled { Depth::Lean } else { Depth::Full });
        let applied = if self.destroy { program.try_destroy(&store).await } else { program.try_deploy(&store).await };
        (applied, program)
    }

    /// Starts the child; it waits for a line on its standard input.
    fn start(&self) -> Child {
        let child = Command::new(std::env::current_exe().expect("this executable has a path"))
            .args(["--exact", "wire_site::crash::child", "--ignored", "--nocapture"])
            .env(JOB, serde_json::to_string(self).expect("a job is plain data"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        child.expect("this executable starts again")
    }

    /// Runs the child to its end.
    pub(crate) fn complete(&self) -> Outcome {
        let mut child = self.start();
        go(&mut child);
        let mut output = String::new();
        child.stdout.take().expect("stdout is piped").read_to_string(&mut output).expect("it is text");
        let status = child.wait().expect("a child can be waited for");
        assert!(status.success(), "{status}: {output}");
        let result = output.lines().find_map(|line| line.split_once(RESULT).map(|(_, result)| result));
        serde_json::from_str(result.unwrap_or_else(|| panic!("no result in {output}"))).expect("a result")
    }

    /// Runs the child until its call number `at` (from 0) comes in. False: it made fewer calls.
    fn killed(&self, emulator: &Emulator, at: usize, after: bool) -> bool {
        let mut child = self.start();
        emulator.fault(json!({ "mode": "kill", "pid": child.id(), "skip": at, "after": after }));
        go(&mut child);
        BufReader::new(child.stdout.take().expect("stdout is piped")).lines().for_each(drop);
        let status = child.wait().expect("a child can be waited for");
        let hits = emulator.clear_faults();
        match status.signal() {
            Some(signal) => {
                assert_eq!((signal, hits), (9, vec![1]));
                true
            }
            None => {
                assert!(status.success(), "{status}");
                assert_eq!(hits, [0]);
                false
            }
        }
    }
}

fn go(child: &mut Child) {
    child.stdin.take().expect("stdin is piped").write_all(b"go\n").expect("it reads");
}

/// Not a test by itself: what [`Job::start`] runs.
#[tokio::test]
#[ignore = "needs Python: run with --run-ignored"]
async fn child() {
    let Ok(job) = std::env::var(JOB) else { return };
    let job: Job = serde_json::from_str(&job).expect("a job");
    std::io::stdin().lines().next().expect("a line").expect("a line");
    let began = Instant::now();
    let (applied, program) = job.run().await;
    let outcome = Outcome {
        complete: applied.is_complete(),
        unchanged: matches!(applied, Applied::Unchanged(_)),
        failures: failures(&applied),
        seconds: began.elapsed().as_secs_f64(),
        peak_kb: memory_kb("VmHWM:"),
        anonymous_kb: memory_kb("RssAnon:"),
        calls: program.aws.calls(),
    };
    println!("\n{RESULT}{}", serde_json::to_string(&outcome).expect("plain data"));
}

/// A line of this process's memory in kB, `VmHWM:` for the most that was resident; 0 where the system does not say.
fn memory_kb(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or_default()
}

fn job(emulator: &Emulator, dir: &Path, whole: bool, scale: f64) -> Job {
    let dir = dir.to_path_buf();
    Job { url: emulator.url(), dir, whole, changed: false, destroy: false, lean: true, scale, rates: false }
}

/// Kills `job` at its call number `at`, before it is done or `after`, lets the next run finish, and checks that nothing is missing, nothing is there twice
/// (`expected`, kinds of objects) and nothing is left to do. False: it made fewer calls.
async fn kill_and_finish(
    emulator: &Emulator,
    job: &Job,
    at: usize,
    after: bool,
    expected: &BTreeMap<String, usize>,
) -> bool {
    let killed = job.killed(emulator, at, after);
    let context = || format!("{job:?} killed at call {at}, {}", if after { "done" } else { "not done" });
    let (applied, program) = job.run().await;
    assert!(applied.is_complete(), "{}: {:#?}", context(), failures(&applied));
    assert_eq!(kinds(&everything(&program.aws).await), *expected, "{}", context());
    if !job.destroy {
        // Every property is as the program says: read in full, there is nothing to do.
        let (again, _) = Job { lean: false, ..job.clone() }.run().await;
        let drift = &again.plan().drift;
        assert!(
            matches!(again, Applied::Unchanged(_)) && drift.is_empty(),
            "{}: {}\n{drift:#?}",
            context(),
            again.plan()
        );
    }
    killed
}

/// One sweep: the points `first`, `first + step`, … of a deploy, an update and a teardown, each killed and finished.
async fn sweep(whole: bool, scale: f64, first: usize, step: usize) {
    let emulator = Emulator::start(scale, 0.0);
    let dir = tempfile::tempdir().expect("a directory");
    let mut job = job(&emulator, dir.path(), whole, scale);
    let began = Instant::now();
    // What there is undisturbed.
    let of = |destroy: bool, changed: bool, job: &Job| Job { destroy, changed, ..job.clone() };
    let aws = job.program().aws;
    let nothing = kinds(&everything(&aws).await);
    let stages = [of(false, false, &job), of(false, true, &job), of(true, true, &job)];
    let mut expected = Vec::new();
    for stage in &stages {
        let (applied, _) = stage.run().await;
        assert!(applied.is_complete(), "{:#?}", failures(&applied));
        expected.push(kinds(&everything(&aws).await));
    }
    assert_eq!(expected[2], nothing);
    let mut points = [0; 3];
    let mut open = [true; 3];
    let (mut at, mut after) = (first, false);
    while open.iter().any(|open| *open) {
        for (number, stage) in stages.iter().enumerate() {
            job = stage.clone();
            if open[number] {
                open[number] = kill_and_finish(&emulator, &job, at, after, &expected[number]).await;
                points[number] += usize::from(open[number]);
            } else {
                let (applied, _) = job.run().await;
                assert!(applied.is_complete(), "{:#?}", failures(&applied));
            }
        }
        (at, after) = (at + step, !after);
    }
    let seconds = began.elapsed().as_secs();
    println!(
        "killed at {} points of a deploy, {} of an update, {} of a teardown in {seconds} s",
        points[0], points[1], points[2]
    );
    assert!(points.iter().all(|points| *points > 0));
}

// Every second call, in two tests that run side by side.

#[tokio::test]
#[ignore = "needs Python: run with --run-ignored"]
async fn a_small_program_killed_at_every_fourth_call_is_finished_by_the_next_run() {
    sweep(false, 0.002, 0, 4).await;
}

#[tokio::test]
#[ignore = "needs Python: run with --run-ignored"]
async fn a_small_program_killed_at_the_calls_between_is_finished_by_the_next_run() {
    sweep(false, 0.002, 2, 4).await;
}

#[tokio::test]
#[ignore = "needs Python: run with --run-ignored"]
async fn the_whole_site_killed_here_and_there_is_finished_by_the_next_run() {
    sweep(true, 0.002, 10, 20).await;
}

/// A killed run that is followed by a teardown instead of the same deploy leaves nothing.
#[tokio::test]
#[ignore = "needs Python: run with --run-ignored"]
async fn a_killed_deploy_is_taken_away_by_a_teardown() {
    let emulator = Emulator::start(0.002, 0.0);
    let dir = tempfile::tempdir().expect("a directory");
    let deploy = job(&emulator, dir.path(), false, 0.002);
    let destroy = Job { destroy: true, ..deploy.clone() };
    let aws = deploy.program().aws;
    let before = everything(&aws).await;
    let mut points = 0;
    for at in (5..).step_by(12) {
        let killed = deploy.killed(&emulator, at, at % 2 == 1);
        let (applied, _) = destroy.run().await;
        assert!(applied.is_complete(), "call {at}: {:#?}", failures(&applied));
        assert_eq!(everything(&aws).await, before, "call {at}");
        if !killed {
            break;
        }
        points += 1;
    }
    println!("killed at {points} points");
    assert!(points > 3);
}
