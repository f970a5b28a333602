//! The commands on the simulated account that is kept in the state directory, and the predictions for a two-region site.
#![cfg(feature = "sim")]

mod pair;

use dr_aws::constructs::SecureApi;
use dr_aws::regions::EuWest1;
use dr_aws::route53::{FailoverRole, HealthCheck, HostedZone, RecordSet};
use dr_core::{BuildErrors, Global, Output, Stack, cidr};
use pair::{done, pair, run};
use serde_json::{Value, json};
use tempfile::tempdir;

fn api() -> Result<Stack<Output<String>>, BuildErrors> {
    Stack::build("api", |stack| stack.region(EuWest1).add("api", SecureApi::new(cidr!("10.0.0.0/16"))).endpoint)
}

/// Goal: separate commands see one and the same account.
#[test]
fn the_account_outlives_the_command() {
    let dir = tempdir().unwrap();
    let (code, _, err) = run(api, dir.path(), &["plan", "--no-refresh"]);
    assert!(code == 2 && err.contains("none of them was ever read"), "{err}");
    let (code, out, err) = run(api, dir.path(), &["deploy", "--json"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(run(api, dir.path(), &["plan", "--no-refresh", "--detailed-exitcode"]).0, 0);
    let deployed = done(&out);
    let n = deployed["actions"]["create"].as_u64().unwrap();
    assert!(n > 40 && deployed["simulated_s"].as_f64().unwrap() > 100.0, "{deployed}");
    assert!(deployed["api_calls"]["ec2"]["CreateVpc"] == 1, "{deployed}");

    let (code, out, _) = run(api, dir.path(), &["status", "--json"]);
    assert_eq!((code, done(&out)["health"].clone()), (0, json!({"ready": n})));
    let (code, out, err) = run(api, dir.path(), &["verify"]);
    assert!(code == 0 && out.contains("200  https://") && out.contains("hops to instance i-"), "{out}{err}");
    let (code, out, _) = run(api, dir.path(), &["verify", "--path", "/none", "--url", "https://nowhere.example.com/"]);
    assert_eq!(code, 1, "{out}");
    let (code, ..) = run(api, dir.path(), &["plan", "--detailed-exitcode"]);
    assert_eq!(code, 0);

    let (code, out, err) = run(api, dir.path(), &["destroy", "--yes", "--json"]);
    assert_eq!(
        (code, done(&out)["actions"].clone(), done(&out)["residue"].clone()),
        (0, json!({"delete": n}), json!(0)),
        "{err}"
    );
}

#[test]
fn a_damaged_world_is_refused() {
    let dir = tempdir().unwrap();
    std::fs::write(dir.path().join("sim-world.json"), "{").unwrap();
    let (code, _, err) = run(api, dir.path(), &["plan"]);
    assert!(code == 5 && err.contains("the simulated world in ") && err.contains("move "), "{err}");
}

#[test]
fn the_story_is_told_on_the_simulator_only() {
    let dir = tempdir().unwrap();
    let (code, _, err) = run(api, dir.path(), &["--cloud", "aws"]);
    assert!(code == 2 && err.contains("the story is told on the simulator"), "{err}");
}

#[test]
fn a_failover_is_predicted_from_the_program_alone() {
    let dir = tempdir().unwrap();
    let (code, out, _) = run(pair, dir.path(), &["rto"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(out, @r"
    origin.example.com (failover)
      primary  global/origin.primary
      standby  global/origin.standby
      noticed  global/primary.health_check: https /health, 3 bad probes in a row, 10 s apart
      answers  kept for 30 s
      seen by  users of global/edge.distribution (GET)
      seconds until users are served       best typical   worst
      connection refused                     20      48      80
      error status                           20      48      80
      wrong body                         never: HTTP probes do not see it
      bad certificate                    never: HTTP probes do not see it
      no status line                         26      54     146
      stalled body                       never: HTTP probes do not see it
      connect timeout                        32      60      98
      slow connect, then no status line      38      66     164
      and back                               20      43      86
      longest part, up to 66 of 164 s: until the last request to the old region has given up
    ");
    let (code, out, err) = run(pair, dir.path(), &["rto", "--target", "90"]);
    assert_eq!(code, 3);
    insta::assert_snapshot!(out.lines().last().unwrap(), @"  target: 90 s cannot be met at any TTL: the other stages take up to 134 s, 44 s too many");
    insta::assert_snapshot!(err, @r"
    error: origin.example.com misses the target of 1 min 30 s
      cause: it may take 2 min 44 s (slow connect, then no status line)
       hint: shorten the longest stage: the time to live, the interval, the threshold, or the timers of the origin
    ");
    assert_eq!(run(pair, dir.path(), &["rto", "--target", "300"]).0, 0);
    let (code, _, err) = run(api, dir.path(), &["rto"]);
    assert!(code == 2 && err.contains("no records among which Route 53 chooses"), "{err}");
}

/// A check that counts others is no lack of a check, and names are those of DNS.
#[test]
fn what_is_not_modelled_is_not_called_wrong() {
    fn counted() -> Result<Stack, BuildErrors> {
        Stack::build("counted", |stack| {
            let global = stack.region(Global);
            let zone = global.add("zone", HostedZone::new("example.com"));
            for (role, set, name) in [
                (FailoverRole::Primary, "one", "api.example.com"),
                (FailoverRole::Secondary, "two", "API.example.com."),
            ] {
                let probe = global.add(format!("probe_{set}"), HealthCheck::https(format!("{set}.example.com")));
                let check = global.add(format!("check_{set}"), HealthCheck::calculated([probe.id], 1));
                let record = RecordSet::cname(zone.id, name, format!("{set}.example.com"));
                global.add(format!("record_{set}"), record.failover(role, set).health_check(check.id));
            }
        })
    }
    let dir = tempdir().unwrap();
    let (code, out, err) = run(counted, dir.path(), &["rto", "--target", "60"]);
    assert_eq!(code, 3, "{out}{err}");
    assert!(out.contains("standby  global/record_two"), "one name: {out}");
    assert!(out.contains("not predicted: health checks of kind calculated") && !out.contains("never"), "{out}");
    assert!(err.contains("how long it takes is not predicted"), "{err}");
}

#[test]
fn the_policy_is_json() {
    let dir = tempdir().unwrap();
    let (code, out, _) = run(pair, dir.path(), &["permissions"]);
    let policy: Value = serde_json::from_str(&out).unwrap();
    assert!(code == 0 && policy["Statement"].is_array(), "{out}");
}
