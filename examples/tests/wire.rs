//! The example as somebody with an account runs it, `--cloud aws`, where the account is the wire-level emulator: deployed by a
//! process that is killed, finished by the next one, looked at, and taken away to nothing.
//!
//! It needs Python (`wire/setup`), so a stock toolchain passes `cargo test` without it:
//!
//! ```text
//! cargo test -p dr-examples --test wire -- --ignored
//! ```

#[path = "../../dr-aws/tests/it/wire/mod.rs"]
mod wire;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use wire::{Emulator, is_read};

/// The example, built with the cargo that runs this test.
fn example() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--package", "dr-examples", "--example", "two_region", "--message-format", "json"]);
    // What cargo tells a test about its package would make build scripts run again.
    for (name, _) in std::env::vars_os() {
        let told = ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| name.to_string_lossy().starts_with(start));
        told.then(|| cargo.env_remove(&name));
    }
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    let messages = output.stdout.lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let built = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).last();
    built.expect("cargo says where it is")
}

struct Shell<'a> {
    program: &'a Path,
    state: &'a Path,
    endpoint: &'a str,
}

impl Shell<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        // No profile of whoever runs the test, and no question to an instance's metadata.
        command.env("HOME", self.state).env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        command.env("AWS_ENDPOINT_URL", self.endpoint).env("DR_WAIT_SCALE", "0.01").env_remove("DR_STATE");
        command.args(args).args(["--cloud", "aws", "--state"]).arg(self.state);
        command
    }

    /// What a command that ends well says as text.
    fn text(&self, args: &[&str]) -> String {
        let output = self.command(args).stdin(Stdio::null()).output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(0), "{args:?}\n{out}\n{err}");
        out
    }

    /// The last event of a command that ends well.
    fn json(&self, args: &[&str]) -> Value {
        let out = self.text(&[args, &["--json"]].concat());
        serde_json::from_str(out.lines().last().expect("there is one")).unwrap()
    }

    /// Kills a command as soon as this many resources are there.
    fn killed(&self, args: &[&str], created: usize) {
        let mut child =
            self.command(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert_eq!(lines.filter(|line| line.contains(" created ")).take(created).count(), created);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
#[ignore = "needs Python: wire/setup"]
fn the_example_lives_and_goes_on_an_account() {
    let (emulator, program) = (Emulator::start(0.01, 0.0), example());
    let dir = tempfile::tempdir().unwrap();
    let endpoint = emulator.url();
    let shell = Shell { program: &program, state: dir.path(), endpoint: &endpoint };

    let planned = shell.json(&["plan"])["actions"].clone();
    let count = planned["create"].as_u64().unwrap();
    assert_eq!(planned, json!({"create": count}), "the account is empty");
    shell.killed(&["deploy"], 30);
    shell.text(&["deploy"]);
    assert_eq!(shell.json(&["status"])["health"], json!({"ready": count}));
    assert!(shell.text(&["outputs"]).contains("https://mysecureapi.example.com"));
    shell.text(&["parity"]);
    shell.text(&["drift"]);

    // Nothing is there twice: what was made before the kill was found again.
    let lost = tempfile::tempdir().unwrap();
    let without_state = Shell { state: lost.path(), ..shell };
    assert_eq!(without_state.json(&["plan"])["actions"], json!({"keep": count}));

    emulator.clear_log();
    shell.text(&["deploy"]);
    let changes: Vec<_> = emulator.log().into_iter().filter(|call| !is_read(&call.op)).collect();
    assert!(changes.is_empty(), "nothing had to be changed: {changes:?}");

    shell.text(&["destroy", "--yes"]);
    assert_eq!(without_state.json(&["plan"])["actions"], json!({"create": count}), "nothing is left");
}
