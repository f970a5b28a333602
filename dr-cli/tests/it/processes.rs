//! The command as a process: the lock between two of them, Ctrl-C, a pipe that is closed, an environment that is not as it should
//! be. (No command listens, so no port can be in use; a terminal has tests of its own.)
//!
//! The program is this test binary itself, started again with the environment variable `DR_TOY`.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::tempdir;

use crate::common::{Shape, started_again};

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
    let mut command = started_again("processes::program");
    let state = dir.to_str().unwrap();
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

/// The ids of what the toy cloud has kept.
fn items(dir: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(crate::common::world_path(dir)).expect("the cloud was saved");
    let world: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    world["items"].as_object().expect("items").keys().cloned().collect()
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

/// Exit code and error output of a command that must not panic, and says nothing on its output but events.
fn refused(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(!err.contains("panicked"), "{err}");
    (output.status.code().unwrap(), err)
}

/// A command on AWS in an environment with nothing of AWS but these variables.
fn on_aws(dir: &Path, args: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = start(dir, &[args, &["--cloud", "aws"]].concat());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    // No profile of whoever runs the test, and no question to an instance's metadata.
    command.env("HOME", dir).env("AWS_EC2_METADATA_DISABLED", "true").envs(variables.iter().copied());
    command
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")];

#[test]
fn an_unknown_command_is_answered_with_the_one_that_was_meant() {
    let dir = tempdir().unwrap();
    let (code, err) = refused(&mut start(dir.path(), &["deplyo"]));
    assert_eq!(code, 2);
    assert!(err.contains("unrecognized subcommand 'deplyo'") && err.contains("'deploy'"), "{err}");
}

#[test]
fn a_state_directory_that_is_missing_is_an_empty_state() {
    let dir = tempdir().unwrap();
    let none = dir.path().join("none");
    for (args, expected) in [
        (&["status"][..], 0),
        (&["plan"], 0),
        (&["drift"], 0),
        (&["state", "list"], 0),
        (&["state", "unlock"], 0),
        (&["state", "show", "east-1/main.base"], 2),
        (&["verify"], 2),
        (&["outputs"], 2),
    ] {
        let (code, err) = refused(&mut start(&none, args));
        assert_eq!(code, expected, "{args:?}: {err}");
        assert_eq!(err.starts_with("error: "), expected != 0, "{args:?}: {err}");
        assert!(!none.exists(), "{args:?} only looks");
    }
}

#[test]
fn a_state_directory_that_is_a_file_is_refused() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    for args in ["plan", "deploy", "status", "destroy"] {
        let (code, err) = refused(&mut start(&file, &[args]));
        assert!(code == 2 && err.contains("/file is no directory\n"), "{args}: {err}");
    }
}

#[test]
fn the_state_of_another_stack_is_left_alone() {
    let dir = tempdir().unwrap();
    let other = Shape { name: Some("other"), ..Shape::new() };
    assert_eq!(other.run(dir.path(), &["deploy"]).code, 0);
    for args in ["plan", "deploy", "destroy", "status", "outputs", "verify", "drift"] {
        let yes = if matches!(args, "deploy" | "destroy") { &["--yes"][..] } else { &[] };
        let (code, err) = refused(&mut start(dir.path(), &[&[args], yes].concat()));
        assert!(code == 2 && err.contains("holds the state of stack `other`, not of `shop`"), "{args}: {err}");
    }
    assert_eq!(other.run(dir.path(), &["plan", "--detailed-exitcode"]).code, 0);
}

#[cfg(feature = "aws")]
#[test]
fn without_credentials_the_sources_are_named() {
    let dir = tempdir().unwrap();
    let (code, err) = refused(&mut on_aws(dir.path(), &["plan"], &[]));
    assert_eq!(code, 1, "{err}");
    assert!(
        err.starts_with(
            "error: cannot use the cloud `aws`\n  cause: sts:GetCallerIdentity answered NoCredentials: nobody has any\n"
        ),
        "{err}"
    );
    assert!(err.contains("\n         Environment: environment variable not set\n"), "{err}");
    assert!(err.contains("   hint: set AWS_PROFILE or ") && !err.contains("AWS_PROFILE is"), "{err}");
    let (code, err) = refused(&mut on_aws(dir.path(), &["deploy"], &[("AWS_PROFILE", "nobody")]));
    assert!(code == 1 && err.contains("AWS_PROFILE is `nobody`"), "{err}");
}

/// Goal: a request needs no credentials, so an account that cannot be asked about keeps nobody from looking.
#[cfg(feature = "aws")]
#[test]
fn verify_needs_no_credentials() {
    use std::io::Write as _;
    let dir = tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let n = stream.read(&mut request).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        String::from_utf8_lossy(&request[..n]).into_owned()
    });
    let args = ["verify", "--url", &url, "--path", "/ready"];
    let (code, err) = refused(&mut on_aws(dir.path(), &args, &[]));
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("whose account it is could not be found out (NoCredentials)"), "{err}");
    assert!(server.join().unwrap().starts_with("GET /ready HTTP/1.1\r\n"));
}

#[cfg(feature = "aws")]
#[test]
fn an_endpoint_that_does_not_answer_is_named() {
    let dir = tempdir().unwrap();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let (code, err) = refused(on_aws(dir.path(), &["plan"], &KEYS).env("AWS_ENDPOINT_URL", &url));
    assert_eq!(code, 1, "{err}");
    assert!(
        err.contains("cause: sts:GetCallerIdentity answered Unreachable: ") && err.contains("Connection refused"),
        "{err}"
    );
    assert!(err.contains(&format!("AWS_ENDPOINT_URL is {url}")), "{err}");
    let (code, err) = refused(on_aws(dir.path(), &["plan"], &KEYS).env("AWS_ENDPOINT_URL_STS", "nonsense"));
    assert!(code == 2 && err.starts_with("error: AWS_ENDPOINT_URL_STS is `nonsense`, and that is no URL\n"), "{err}");
}

/// Goal: what is no UTF-8 in the environment is used where it can be, and refused without a panic where it cannot.
#[test]
fn variables_that_are_no_utf8_do_not_panic() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;
    let dir = tempdir().unwrap();
    std::fs::write(dir.path().join("gate"), "").unwrap();
    let odd = |text: &str| OsString::from_vec([text.as_bytes(), b"\xff"].concat());
    for name in ["USER", "LOGNAME", "HOME", "TERM", "COLUMNS", "NO_COLOR", "AWS_PROFILE", "DR_ACTOR", "DR_ODD"] {
        let (code, err) = refused(start(dir.path(), &["deploy"]).env(name, odd("x")));
        assert_eq!(code, 0, "{name}: {err}");
    }
    let (code, err) = refused(start(dir.path(), &["plan"]).env("DR_WAIT_SCALE", odd("1")));
    assert!(code == 2 && err.contains("invalid UTF-8"), "{err}");
    // The state directory of the variable, which the option does not overrule here.
    let state = dir.path().join(odd("state"));
    let mut command = start(dir.path(), &[]);
    let (code, err) = refused(command.env("DR_TOY", "deploy").env("DR_STATE", &state));
    assert_eq!(code, 0, "{err}");
    assert!(state.join("state").exists() || state.join("journal").exists(), "it is there");
    // A variable that is empty is none: the directory is the usual one, below where the command was started.
    let here = tempdir().unwrap();
    let (code, err) = refused(start(dir.path(), &[]).env("DR_TOY", "deploy").env("DR_STATE", "").current_dir(&here));
    assert!(code == 0 && here.path().join(".dr/shop/state").exists(), "{err}");
}

/// Goal: a process that is killed in the middle is continued, by the lock that the system freed.
#[test]
fn a_killed_deploy_is_continued() {
    let dir = tempdir().unwrap();
    let (mut child, _err) = waiting(dir.path());
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None);
    std::fs::write(dir.path().join("gate"), "").unwrap();
    let health = Shape::new().run(dir.path(), &["status", "--json"]).done()["health"].clone();
    assert!(health["gone"].is_null(), "{health}");
    // How much was kept before the kill is a matter of time; at least what the line that was waited for was built on.
    let before = items(dir.path());
    assert!(before.len() >= 2, "{before:?}");
    let ran = Shape::new().run(dir.path(), &["deploy", "--json"]);
    let after = items(dir.path());
    assert!(ran.code == 0 && after.is_superset(&before), "{ran:?}");
    let missing = (after.len() - before.len()) as u64;
    assert_eq!(ran.done()["actions"]["create"].as_u64(), Some(missing), "nothing is made twice: {ran:?}");
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
    while !said.ends_with(b"test processes::program ... ") {
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
