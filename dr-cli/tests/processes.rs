//! The command as a process: the lock between two of them, Ctrl-C, a pipe that is closed.
//!
//! The program is this test binary itself, started again with the environment variable `DR_TOY`.
#![cfg(unix)]

pub mod common;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::Shape;
use tempfile::tempdir;

/// What the other tests start.
#[test]
#[ignore = "started by the other tests"]
fn program() {
    let args = std::env::var("DR_TOY").expect("the arguments, one a line");
    let gate = std::env::var_os("DR_GATE").map(Into::into);
    if std::env::var_os("DR_HOLD").is_some() {
        std::io::stdin().read_to_string(&mut String::new()).expect("the input ends");
    }
    let shape = Shape { gate, ..Shape::new() };
    // The arguments of the process are those of the test harness.
    let code = shape.program().run_args(args.lines().map(str::to_owned));
    std::process::exit(code.into());
}

fn start(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let state = dir.to_str().unwrap();
    command.args(["--ignored", "--exact", "program", "--nocapture", "--test-threads", "1"]);
    command
        .env("DR_TOY", [args, &["--state", state]].concat().join("\n"))
        .env("DR_GATE", dir.join("gate"))
        .env("DR_WAIT_SCALE", "0.01");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A deploy that waits in the west, once its first thing in the east is there.
fn waiting(dir: &Path) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = start(dir, &["deploy"]).spawn().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("east-1/main.shelf[1] created") {
        line.clear();
        assert_ne!(err.read_line(&mut line).unwrap(), 0, "it ended");
    }
    (child, err)
}

fn signal(child: &Child, signal: &str) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

fn code(command: &mut Command) -> i32 {
    command.output().unwrap().status.code().unwrap()
}

#[test]
fn two_deploys_do_not_run_at_once() {
    let dir = tempdir().unwrap();
    let (mut first, mut err) = waiting(dir.path());
    let second = start(dir.path(), &["deploy"]).output().unwrap();
    assert_eq!(second.status.code(), Some(4));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains(&format!("process {}", first.id())), "it says who: {said}");
    std::fs::write(dir.path().join("gate"), "").unwrap();
    err.read_to_string(&mut String::new()).unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(0));
    assert_eq!(code(&mut start(dir.path(), &["plan", "--detailed-exitcode"])), 0);
}

#[test]
fn ctrl_c_ends_with_everything_recorded_and_the_lock_free() {
    for name in ["-INT", "-TERM"] {
        let dir = tempdir().unwrap();
        let (mut child, mut err) = waiting(dir.path());
        signal(&child, name);
        let mut said = String::new();
        err.read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{name}: {said}");
        assert!(said.contains("cancelled: ") && said.contains("`deploy` continues from here"), "{said}");
        // As soon as the process is gone the lock is free.
        assert_eq!(code(&mut start(dir.path(), &["state", "unlock"])), 0);
        std::fs::write(dir.path().join("gate"), "").unwrap();
        let ran = Shape::new().run(dir.path(), &["deploy", "--json"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let creates = ran.done()["actions"]["create"].as_u64().unwrap_or(0);
        assert!(creates <= 4, "what the first run created is not created again: {ran:?}");
    }
}

/// Goal: a process that is killed in the middle is continued, by the lock that the system freed.
#[test]
fn a_killed_deploy_is_continued() {
    let dir = tempdir().unwrap();
    let (mut child, _err) = waiting(dir.path());
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None);
    std::fs::write(dir.path().join("gate"), "").unwrap();
    assert_eq!(code(&mut start(dir.path(), &["deploy"])), 0);
    assert_eq!(code(&mut start(dir.path(), &["plan", "--detailed-exitcode"])), 0);
}

/// Method: the process waits for its input to end; by then its output is closed.
#[test]
fn a_pipe_that_nobody_reads_does_not_change_the_exit_code() {
    let dir = tempdir().unwrap();
    let mut command = start(dir.path(), &["plan", "--detailed-exitcode"]);
    let mut child = command.env("DR_HOLD", "yes").stdin(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let (mut said, mut byte) = (Vec::new(), [0]);
    // The test harness announces itself and the test, and cannot bear a closed output while it does.
    while !said.ends_with(b"test program ... ") {
        assert_eq!(out.read(&mut byte).unwrap(), 1, "it ended");
        said.extend(byte);
    }
    drop(out);
    drop(child.stdin.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(6), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}
