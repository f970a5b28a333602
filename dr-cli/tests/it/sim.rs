//! The commands on the simulated account that is kept in the state directory, and the predictions for a two-region site.
#![cfg(feature = "sim")]

use dr_aws::apigatewayv2::HttpApi;
use dr_aws::constructs::{SecureApi, ValidatedCertificate};
use dr_aws::regions::EuWest1;
use dr_aws::route53::{Alias, FailoverRole, HealthCheck, HostedZone, RecordSet, RecordType, ZoneLookup};
use dr_core::{BuildErrors, Global, Output, Stack, cidr, text};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::pair::{done, pair, run};

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

/// A site in a domain that its owner has already.
fn own_domain() -> Result<Stack<Output<String>>, BuildErrors> {
    Stack::build("own", |stack| {
        let (global, region) = (stack.region(Global), stack.region(EuWest1));
        let zone = global.add("zone", ZoneLookup::new("example.org"));
        ValidatedCertificate::new("api.example.org", zone.id).request("certificate", &global, &region);
        region.add("api", SecureApi::new(cidr!("10.0.0.0/16"))).endpoint
    })
}

/// Goal: who looks up a zone, as the guide tells who has a domain, has it on the simulator; a teardown proves that nothing else
/// is left, and does not take it.
#[test]
fn a_domain_that_is_looked_up_is_there() {
    let dir = tempdir().unwrap();
    let (code, out, err) = run(own_domain, dir.path(), &[]);
    assert!(code == 0 && out.contains("left in the regions and the global services: 0"), "{out}{err}");
    for _ in 0..2 {
        let (code, _, err) = run(own_domain, dir.path(), &["plan"]);
        assert_eq!(code, 0, "it is there for a plan as well: {err}");
        let (code, _, err) = run(own_domain, dir.path(), &["deploy"]);
        assert_eq!(code, 0, "{err}");
        let (code, _, err) = run(own_domain, dir.path(), &["plan", "--detailed-exitcode"]);
        assert_eq!(code, 0, "{err}");
        let (code, out, err) = run(own_domain, dir.path(), &["destroy", "--yes", "--json"]);
        assert_eq!((code, done(&out)["residue"].clone()), (0, json!(0)), "{err}");
    }
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
      error status *                         20      48      80
      wrong body                         never: HTTP probes do not see it
      bad certificate                    never: HTTP probes do not see it
      no status line                         26      54     146
      stalled body                       never: HTTP probes do not see it
      connect timeout                        32      60      98
      slow connect, then no status line      38      66     164
      and back *                             20      43      86
      * for edge locations that pause for 5 s; a connection in constant use stays for as long as it is answered
      longest part, up to 66 of 164 s: until the last request to the old region has given up
    ");
    let (code, out, err) = run(pair, dir.path(), &["rto", "--target", "90"]);
    assert_eq!(code, 3);
    let target = out.lines().skip_while(|line| !line.starts_with("  target: ")).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(target, @r"
      target: 90 s cannot be met at any TTL: the other stages take up to 134 s, 44 s too many
              this is about 5 of 8 ways to fail, with a * about connections that pause; 3 are never seen
    ");
    insta::assert_snapshot!(err, @r"
    error: origin.example.com misses the target of 1 min 30 s
      cause: it may take 2 min 44 s (slow connect, then no status line)
       hint: shorten the longest stage: the time to live, the interval, the threshold, or the timers of the origin
    ");
    let (code, out, _) = run(pair, dir.path(), &["rto", "--target", "300", "--json"]);
    assert_eq!((code, &done(&out)["never"]), (0, &json!(3)));
    let events: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let idle = |what: &str, name: &str| {
        let event = events.iter().find(|event| event["event"] == what && (name.is_empty() || event["failure"] == name));
        event.unwrap()["if_idle_s"].clone()
    };
    assert_eq!([idle("prediction", "error status"), idle("recovery", "")], [json!(5.0), json!(5.0)]);
    assert_eq!(idle("prediction", "connection refused"), Value::Null);
    for odd in ["nan", "inf", "-1", "0"] {
        assert_eq!(run(pair, dir.path(), &["rto", &format!("--target={odd}")]).0, 2, "{odd}");
    }
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

/// Goal: a configuration that the model has no times of gets no numbers, and no "never" either.
#[test]
fn what_a_record_depends_on_is_read_as_it_is() {
    fn odd() -> Result<Stack, BuildErrors> {
        Stack::build("odd", |stack| {
            let global = stack.region(Global);
            let zone = global.add("zone", HostedZone::new("example.com"));
            // Names that are made of the zone's are names of their own.
            for of in ["own", "inverted", "evaluated"] {
                let name = || text!("{}.{}", of, zone.name);
                for (role, set) in [(FailoverRole::Primary, "one"), (FailoverRole::Secondary, "two")] {
                    let key = format!("{of}_{set}");
                    if of == "evaluated" {
                        let target = Alias::new(format!("{set}.example.com"), zone.id).evaluate_target_health();
                        global.add(key, RecordSet::alias(zone.id, name(), RecordType::A, target).failover(role, set));
                        continue;
                    }
                    let check = HealthCheck::https(name());
                    let check = if of == "inverted" { check.inverted() } else { check };
                    let check = global.add(format!("check_{key}"), check);
                    let record = RecordSet::cname(zone.id, name(), format!("{set}.example.com"));
                    global.add(key, record.failover(role, set).health_check(check.id));
                }
            }
        })
    }
    let dir = tempdir().unwrap();
    let (code, out, err) = run(odd, dir.path(), &["rto"]);
    assert_eq!(code, 0, "{out}{err}");
    for (name, words) in [
        ("own.example.com", "unpredictable: the health check probes own.example.com"),
        ("inverted.example.com", "not predicted: inverted health checks"),
        ("evaluated.example.com", "not predicted: the health of what the alias names"),
    ] {
        let block = out.split("\n\n").find(|block| block.starts_with(&format!("{name} (failover)\n")));
        assert!(block.is_some_and(|block| block.contains(words) && !block.contains("even when it is dead")), "{out}");
    }
}

#[test]
fn an_endpoint_that_is_switched_off_is_not_requested() {
    fn closed() -> Result<Stack, BuildErrors> {
        Stack::build("closed", |stack| {
            stack.region(EuWest1).add("api", HttpApi::new().without_execute_api_endpoint());
        })
    }
    let dir = tempdir().unwrap();
    assert_eq!(run(closed, dir.path(), &["deploy"]).0, 0);
    let (code, _, err) = run(closed, dir.path(), &["verify"]);
    assert!(code == 2 && err.contains("there is no endpoint to request"), "{err}");
}

#[test]
fn the_policy_is_json() {
    let dir = tempdir().unwrap();
    let (code, out, _) = run(pair, dir.path(), &["permissions"]);
    let policy: Value = serde_json::from_str(&out).unwrap();
    assert!(code == 0 && policy["Statement"].is_array(), "{out}");
}
