//! A drill on the simulated account of the state directory: what it finds, what it leaves, what it proves.
#![cfg(feature = "sim")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;

use dr_aws::constructs::SecureApi;
use dr_aws::regions::EuWest1;
use dr_cli::Program;
use dr_core::driver::Cancel;
use dr_core::store::{FileStore, ReadStore as _, WriteStore as _};
use dr_core::{BuildErrors, Output, Stack, State, cidr};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::{TempDir, tempdir};

use crate::pair::{alias_pair, done, guarded_pair, pair, pair_with_lookup, run, slow_pair};

fn api() -> Result<Stack<Output<String>>, BuildErrors> {
    Stack::build("api", |stack| stack.region(EuWest1).add("api", SecureApi::new(cidr!("10.0.0.0/16"))).endpoint)
}

/// A copy of the state directory of the deployed pair.
fn deployed() -> TempDir {
    static DEPLOYED: OnceLock<TempDir> = OnceLock::new();
    let from = DEPLOYED.get_or_init(|| {
        let dir = tempdir().unwrap();
        let (code, _, err) = run(pair, dir.path(), &["deploy"]);
        assert_eq!(code, 0, "{err}");
        dir
    });
    copied(from.path())
}

/// A state directory with everything of another one.
fn copied(from: &Path) -> TempDir {
    let to = tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}

/// Drills with evidence: exit code, output, evidence.
fn drill(dir: &Path, args: &[&str]) -> (u8, String, Value) {
    let file = dir.join("evidence.json");
    let args = [&["drill", "--actor", "ci", "--evidence", file.to_str().unwrap()], args].concat();
    let (code, out, err) = run(pair, dir, &args);
    let evidence = fs::read(&file).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    (code, out, serde_json::from_slice(&evidence).unwrap())
}

/// Everything works, and users are served by the primary.
fn assert_whole(dir: &Path) {
    let (code, out, err) = run(pair, dir, &["verify"]);
    assert_eq!(code, 0, "{out}{err}");
    let user = out.lines().skip_while(|line| !line.ends_with("https://www.example.com/")).nth(1).unwrap();
    assert!(user.contains(" from us-east-1 "), "{out}");
    assert_eq!(run(pair, dir, &["plan", "--detailed-exitcode"]).0, 0);
}

fn number(value: &Value, path: &str) -> f64 {
    value.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path} is a number in {value:#}"))
}

#[test]
fn a_drill_measures_what_was_predicted_before() {
    let dir = deployed();
    let (code, out, evidence) = drill(dir.path(), &[]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("✓ passed"), "{out}");
    for (way, region) in [("away", "us-west-2"), ("back", "us-east-1")] {
        assert!(out.contains(&format!("{region} serves users")), "{out}");
        let of = |what: &str| number(&evidence, &format!("/prediction/{way}/{what}"));
        let (dns_s, users_s) = ["dns_s", "users_s"].map(|s| number(&evidence, &format!("/review/{way}/{s}"))).into();
        assert!(of("dns/best_s") <= dns_s && dns_s <= of("dns/worst_s") + 1.0, "{out}");
        assert!(of("users/best_s") <= users_s && users_s <= of("users/worst_s") + 8.0, "{out}");
    }
    assert_eq!(evidence["review"]["verdict"], "passed");
    assert_eq!(evidence["scenario"]["standby"], "us-west-2");
    assert_eq!(evidence["prediction"]["made_at"], evidence["started"]);
    let hold = &evidence["review"]["hold"];
    assert!(hold["asked"].as_u64().unwrap() > 5 && hold["asked"] == hold["served"], "{hold}");
    assert_whole(dir.path());
}

#[test]
fn every_kind_of_fault_is_survived() {
    for (fault, seen) in [("service", "status 500"), ("instance", "no answer in 2 s")] {
        let dir = deployed();
        let (code, out, evidence) = drill(dir.path(), &["--fault", fault, "--hold", "0"]);
        assert_eq!(code, 0, "{fault}: {out}");
        assert!(out.contains(&format!("the first probe fails: {seen}")), "{out}");
        assert_eq!(evidence["prediction"]["fault"], fault);
        assert_whole(dir.path());
    }
}

/// Goal: what a program has by default is predicted. An alias whose target is evaluated may leave before any probe has failed.
#[test]
fn aliases_are_predicted_as_well() {
    let dir = tempdir().unwrap();
    assert_eq!(run(alias_pair, dir.path(), &["deploy"]).0, 0);
    for fault in ["region", "service", "instance"] {
        let (code, out, err) = run(alias_pair, dir.path(), &["drill", "--fault", fault, "--hold", "20"]);
        assert_eq!(code, 0, "{fault}: {out}{err}");
    }
}

/// Goal: the digests can be computed by somebody else. Method: this is somebody else.
#[test]
fn the_evidence_is_a_chain_that_anybody_can_check() {
    fn sorted(value: &Value) -> String {
        match value {
            Value::Object(fields) => {
                let fields: std::collections::BTreeMap<_, _> = fields.iter().collect();
                let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name:?}:{}", sorted(value))).collect();
                format!("{{{}}}", fields.join(","))
            }
            Value::Array(items) => format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(",")),
            plain => plain.to_string(),
        }
    }
    let link = |before: &str, part: &Value| {
        let digest = Sha256::digest(format!("{before}\n{}", sorted(part)));
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let dir = deployed();
    let (_, out, evidence) = drill(dir.path(), &["--hold", "10"]);
    let mut header = evidence.clone();
    for later in ["prediction_sha256", "prediction", "observations", "review", "sha256"] {
        header.as_object_mut().unwrap().remove(later).expect(later);
    }
    assert_eq!((&header["actor"], &header["cloud"]), (&Value::from("ci"), &Value::from("sim")));
    let mut last = link(&link("", &header), &evidence["prediction"]);
    assert_eq!(evidence["prediction_sha256"], last);
    assert!(out.contains(&format!("sha256 {last}")), "it is said before anything is broken: {out}");
    let observations = evidence["observations"].as_array().unwrap();
    let mut before_s = 0.0;
    for observation in observations {
        let mut part = observation.clone();
        let digest = part.as_object_mut().unwrap().remove("sha256").unwrap();
        last = link(&last, &part);
        assert_eq!(digest, last, "{observation}");
        assert!(number(observation, "/at_s") >= before_s, "in the order of time");
        before_s = number(observation, "/at_s");
    }
    assert_eq!(evidence["sha256"], link(&last, &evidence["review"]));
    assert!(out.contains(evidence["sha256"].as_str().unwrap()), "{out}");
    let kinds: std::collections::BTreeSet<_> = observations.iter().map(|o| o["saw"].as_str().unwrap()).collect();
    assert!(["request", "dns", "probe", "health"].iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
}

#[test]
fn the_same_drill_gives_the_same_bytes() {
    let (one, other) = (deployed(), deployed());
    let [one, other] = [one.path(), other.path()].map(|dir| {
        assert_eq!(drill(dir, &[]).0, 0);
        fs::read_to_string(dir.join("evidence.json")).unwrap()
    });
    assert_eq!(one, other);
}

#[test]
fn machines_are_told_each_phase() {
    let dir = deployed();
    let (code, out, err) = run(pair, dir.path(), &["drill", "--json", "--hold", "10"]);
    assert_eq!(code, 0, "{err}");
    let events: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let phases: Vec<_> = events.iter().filter(|event| event["event"] == "phase").map(|event| &event["phase"]).collect();
    assert_eq!(phases, ["baseline", "hypothesis", "inject", "hold", "fail_back", "review"]);
    let at = |name: &str| events.iter().position(|event| event["event"] == name).unwrap();
    assert!(at("prediction") < at("moment"), "the prediction comes before anything is seen");
    assert_eq!((done(&out)["verdict"].as_str(), &done(&out)["command"]), (Some("passed"), &"drill".into()));
}

/// Method: what is deployed keeps DNS answers for half an hour, and the program says 30 seconds.
#[test]
fn a_failover_that_is_not_as_predicted_fails() {
    let dir = tempdir().unwrap();
    assert_eq!(run(slow_pair, dir.path(), &["deploy"]).0, 0);
    let (code, out, evidence) = drill(dir.path(), &["--hold", "10"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("✗ us-west-2 served nobody within 900 s"), "{out}");
    assert!(out.contains("! the program has 2 pending changes"), "{out}");
    assert_eq!(
        (&evidence["review"]["verdict"], &evidence["program"]["pending_changes"]),
        (&"failed".into(), &2.into())
    );
    let (code, out, err) = run(slow_pair, dir.path(), &["verify"]);
    assert_eq!(code, 0, "nothing stays broken: {out}{err}");
}

#[test]
fn nothing_is_broken_when_the_baseline_is_not_green() {
    let dir = deployed();
    let world = dir.path().join("sim-world.json");
    let aws = dr_sim::Aws::open(&world, 1).unwrap();
    aws.fail_region("us-west-2");
    aws.save(&world).unwrap();
    let (code, _, err) = run(pair, dir.path(), &["drill", "--evidence", dir.path().join("e").to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(err.starts_with("error: the baseline is not green, so nothing was broken\n"), "{err}");
    assert!(err.contains("cause: https://") && err.contains(".us-west-2.amazonaws.com does not answer: "), "{err}");
    assert!(!dir.path().join("e").exists(), "there is nothing to prove");
}

/// An output that presses the switch when it is told of this.
struct Pressing(Vec<u8>, &'static str, Cancel);

impl Write for Pressing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        if String::from_utf8_lossy(&self.0).contains(self.1) {
            self.2.cancel();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Goal: whenever a drill is cancelled, the primary serves afterwards and the next drill has a green baseline.
#[test]
fn a_drill_that_is_cancelled_can_be_run_again() {
    for (when, said) in [
        ("\"phase\":\"hypothesis\"", "cancelled before anything was changed\n"),
        ("\"phase\":\"inject\"", "cancelled: the fault is lifted, no verdict\n"),
        // By then the health check is red, and CloudFront has a connection to the standby.
        ("\"phase\":\"hold\"", "cancelled: the fault is lifted, no verdict\n"),
        ("\"phase\":\"fail_back\"", "cancelled: the fault is lifted, no verdict\n"),
    ] {
        let dir = deployed();
        let cancel = Cancel::new();
        let (mut out, mut err) = (Pressing(Vec::new(), when, cancel.clone()), Vec::new());
        let args = ["drill", "--json", "--state", dir.path().to_str().unwrap()];
        assert_eq!(Program::new(pair).cancel(cancel).run_with(args, &mut out, &mut err), 130, "{when}");
        assert_eq!(String::from_utf8(err).unwrap(), said, "{when}");
        assert_whole(dir.path());
        let (code, out, err) = run(pair, dir.path(), &["drill", "--hold", "10"]);
        assert_eq!(code, 0, "{when}: {out}{err}");
    }
}

/// Goal: without `--cloud aws` the state of an AWS account is not taken for one of the simulator.
#[test]
fn the_state_of_another_account_is_left_alone() {
    let dir = tempdir().unwrap();
    let store = FileStore::new(dir.path(), "shop").lock("deploy").unwrap();
    let mut state = State::new("shop", "0123456789abcdef0123456789abcdef");
    state.account = Some("999999999999".to_owned());
    let deployed = deployed();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let recorded = runtime.block_on(FileStore::new(deployed.path(), "shop").load()).unwrap().state;
    state.resources = recorded.resources;
    state.serial = recorded.serial;
    state.generation = recorded.generation;
    runtime.block_on(store.compact(&state)).unwrap();
    drop(store);
    let files = || {
        let names = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = names.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        files.sort();
        files
    };
    let before = files();
    for command in ["drill", "verify"] {
        let (code, out, err) = run(pair, dir.path(), &[command]);
        assert!(
            code == 2 && out.is_empty() && err.contains("belongs to account 999999999999"),
            "{command}: {out}{err}"
        );
        assert!(err.contains("`--cloud aws`"), "{err}");
        assert_eq!(files(), before, "{command}");
    }
}

/// Goal: what asks for credentials is requested where it is open.
#[test]
fn a_guarded_service_is_drilled_at_its_open_path() {
    let dir = tempdir().unwrap();
    assert_eq!(run(guarded_pair, dir.path(), &["deploy"]).0, 0);
    let (code, out, err) = run(guarded_pair, dir.path(), &["verify"]);
    assert!(code == 0 && out.contains("200  https://www.example.com/health\n"), "{out}{err}");
    let lines = out.lines().filter(|line| line.contains(".execute-api."));
    assert_eq!(lines.filter(|line| line.ends_with("/health")).count(), 2, "{out}");
    let (code, out, err) = run(guarded_pair, dir.path(), &["drill", "--hold", "10"]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, err) = run(guarded_pair, dir.path(), &[]);
    assert_eq!(code, 0, "the story too: {out}{err}");
    let (code, _, err) = run(guarded_pair, dir.path(), &["drill", "--path", "/"]);
    assert!(code == 1 && err.contains("https://www.example.com/ answers 403"), "{err}");
}

/// Goal: a drill is about what is deployed; that the next plan cannot be made yet keeps nobody from it.
#[test]
fn a_drill_needs_no_plan() {
    let dir = deployed();
    let file = dir.path().join("evidence.json");
    let args = ["drill", "--hold", "10", "--evidence", file.to_str().unwrap()];
    let (code, out, err) = run(pair_with_lookup, dir.path(), &args);
    assert!(code == 0 && out.contains("! `plan` refuses the program as it is"), "{out}{err}");
    let evidence: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert!(evidence["program"]["pending_changes"].is_null(), "{evidence:#}");
}

#[test]
fn the_evidence_counts_what_is_managed() {
    let dir = deployed();
    let (code, out, evidence) = drill(dir.path(), &["--hold", "0"]);
    assert_eq!(code, 0, "{out}");
    assert!(!out.contains("serves alone"), "nothing is held: {out}");
    let (_, out, _) = run(pair, dir.path(), &["status", "--json"]);
    assert_eq!(evidence["program"]["resources"], done(&out)["health"]["ready"]);
    for command in [&["graph", "--json"][..], &["state", "list", "--json"]] {
        let (_, out, _) = run(pair, dir.path(), command);
        assert_eq!(done(&out)["resources"], evidence["program"]["resources"], "{command:?}");
    }
}

#[test]
fn a_drill_says_what_it_needs() {
    let dir = tempdir().unwrap();
    let none = dir.path().join("none");
    let (code, _, err) = run(pair, &none, &["drill"]);
    assert!(code == 2 && err.contains("nothing is deployed") && err.contains("`deploy` first"), "{err}");
    assert!(!none.exists(), "looking makes no directory");
    let (code, _, err) = run(pair, dir.path(), &["drill", "--cloud", "aws"]);
    assert!(code == 2 && err.contains("no drill on an AWS account") && err.contains("dig origin.example.com"), "{err}");
    assert_eq!(run(api, dir.path(), &["deploy"]).0, 0);
    let (code, _, err) = run(api, dir.path(), &["drill"]);
    assert!(code == 2 && err.contains("no failover records in two regions"), "{err}");
    let dir = deployed();
    let (code, _, err) = run(pair, dir.path(), &["drill", "--evidence", "/nowhere/at/all.json"]);
    assert!(code == 1 && err.contains("cannot write /nowhere/at/all.json"), "before anything is broken: {err}");
}
