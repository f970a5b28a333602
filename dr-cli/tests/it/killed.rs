//! A deploy on the simulated account that is killed with SIGKILL. The program is this test binary itself, started again.
#![cfg(all(unix, feature = "sim"))]

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::json;
use tempfile::tempdir;

use crate::common::started_again;
use crate::pair::{done, pair, run};

/// What the test starts.
#[test]
#[ignore = "started by the other test"]
fn program() {
    let state = std::env::var("DR_DIR").expect("the state directory");
    let code = dr_cli::Program::new(pair).run_args(["deploy", "--state", &state]);
    std::process::exit(code.into());
}

/// Goal: the simulated account knows what the journal says is done, so that nothing is gone and nothing is made twice.
/// Method: killed after so many steps; the lost state at the end shows what is really there.
#[test]
fn the_account_of_a_killed_deploy_is_continued() {
    for steps in [1, 40, 90] {
        let dir = tempdir().unwrap();
        let mut command = started_again("killed::program");
        command.env("DR_DIR", dir.path()).env_remove("DR_STATE");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert_eq!(lines.filter(|line| line.contains(" created ")).take(steps).count(), steps);
        child.kill().unwrap();
        child.wait().unwrap();

        let (code, out, err) = run(pair, dir.path(), &["status", "--json"]);
        assert_eq!(code, 0, "{steps}: {err}");
        let health = done(&out)["health"].clone();
        assert_eq!(health["gone"], json!(null), "{steps}: {health}");
        assert!(
            health["ready"].as_u64().unwrap() + health["pending"].as_u64().unwrap_or(0) >= steps as u64,
            "{health}"
        );
        let (code, out, err) = run(pair, dir.path(), &["deploy", "--json"]);
        assert_eq!(code, 0, "{steps}: {out}{err}");
        let (_, out, _) = run(pair, dir.path(), &["status", "--json"]);
        let all = done(&out)["health"]["ready"].clone();
        std::fs::remove_file(dir.path().join("state")).unwrap();
        std::fs::remove_file(dir.path().join("journal")).unwrap();
        let (code, out, err) = run(pair, dir.path(), &["plan", "--json"]);
        assert_eq!(
            (code, &done(&out)["actions"]),
            (0, &json!({"keep": all})),
            "{steps}: nothing is there twice: {err}"
        );
    }
}
