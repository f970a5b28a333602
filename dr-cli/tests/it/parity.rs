//! Two regions beside each other, and what the catalogue finds in them.
#![cfg(feature = "sim")]

use dr_aws::constructs::{Edge, FailoverPair, Notifier, SecureApi, Site, SiteHandle, ValidatedCertificate};
use dr_aws::ec2::{AclEntry, Direction, NetworkAcl, Port};
use dr_aws::regions::{EuWest1, UsEast1, UsWest2};
use dr_aws::route53::HostedZone;
use dr_core::{BuildErrors, Builder, Global, Node, Region, Scope, Stack, cidr};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::common::{Shape, meddle};
use crate::pair::run;

/// A network ACL around the private subnets; without the last entry answers do not come back out.
fn filter<R: Region>(scope: &Scope<'_, R>, site: &SiteHandle<R>, answers: bool) {
    let anywhere = cidr!("0.0.0.0/0");
    let acl = NetworkAcl::new(site.service.network.vpc)
        .entry(AclEntry::allow(100, Direction::Ingress, Port::all(), anywhere))
        .entry(AclEntry::allow(100, Direction::Egress, Port::tcp(80), anywhere))
        .entry(AclEntry::allow(105, Direction::Egress, Port::tcp(443), anywhere));
    let back = AclEntry::allow(110, Direction::Egress, Port::tcp_range(1024, 65535), anywhere);
    let acl = if answers { acl.entry(back) } else { acl };
    scope.add("acl", site.service.network.private.iter().fold(acl, |acl, subnet| acl.subnet(*subnet)));
}

/// The two-region site: with or without notifications, and changed.
fn site(stack: &Builder, told: bool, answers: bool) {
    let (east, west, global) = (stack.region(UsEast1), stack.region(UsWest2), stack.region(Global));
    let zone = global.add("zone", HostedZone::new("example.com"));
    let name = "origin.example.com";
    let certificate = ValidatedCertificate::new(name, zone.id).request("certificate", &global, &east);
    let primary = east.add("primary", Site::new(SecureApi::new(cidr!("10.0.0.0/16")), name, certificate.arn));
    let standby = SecureApi::new(cidr!("10.1.0.0/16"));
    let standby = west.add("standby", Site::new(standby, name, certificate.also_in(&west)));
    filter(&east, &primary, true);
    filter(&west, &standby, answers);
    let origin = global.add("origin", FailoverPair::new(name, zone.id, &primary, &standby));
    global.add("edge", Edge::new("www.example.com", zone.id, &origin));
    if told {
        global.add("notifier", Notifier::new(&primary, &standby).email("oncall@example.com"));
    }
}

fn sound() -> Result<Stack, BuildErrors> {
    Stack::build("shop", |stack| site(stack, true, true))
}

fn events(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).expect("every line is JSON")).collect()
}

#[test]
fn equal_regions_do_not_differ_in_the_program_nor_as_deployed() {
    let dir = tempdir().unwrap();
    let (code, out, err) = run(sound, dir.path(), &["parity"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("✓ parity: ") && out.ends_with(" pairs, no difference\n"), "{out}");
    let (code, _, err) = run(sound, dir.path(), &["deploy"]);
    assert_eq!(code, 0, "{err}");
    let (code, out, err) = run(sound, dir.path(), &["parity", "--json"]);
    assert_eq!(code, 0, "{out}{err}");
    let events = events(&out);
    let done = &events[0];
    assert_eq!((events.len(), &done["event"], &done["command"]), (1, &json!("done"), &json!("parity")));
    assert_eq!((&done["differences"], &done["pairs"]), (&json!(0), &done["deployed_pairs"]));
}

/// F19: the network ACL of the standby does not let answers back out.
#[test]
fn the_entry_that_the_standbys_acl_lacks_is_named() {
    let dir = tempdir().unwrap();
    let deaf = || Stack::<()>::build("shop", |stack| site(stack, true, false));
    let (code, out, err) = run(deaf, dir.path(), &["parity"]);
    assert_eq!(code, 3, "{err}");
    let pairs = out.lines().last().unwrap().split(' ').nth(1).unwrap();
    insta::assert_snapshot!(out.replace(pairs, "N"), @r"
    has to be the same
      ✗ us-west-2/acl  egress entry 110
          us-east-1  allow tcp 1024-65535 to 0.0.0.0/0 (wider)
          us-west-2  (none)
          the standby stops what the primary lets through
    parity: N pairs, 1 error
    ");
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    // The catalogue finds it without its twin as well, and nothing is deployed with it.
    let (code, out, _) = run(deaf, dir.path(), &["check"]);
    assert_eq!(code, 3);
    assert!(out.contains("error[nacl-ephemeral] us-west-2/acl: it stops the way back"), "{out}");
    assert!(out.contains("error[parity-must-match] us-west-2/acl"), "{out}");
    for command in ["plan", "deploy"] {
        let (code, _, err) = run(deaf, dir.path(), &[command]);
        assert!(code == 3 && err.contains("error[nacl-ephemeral] us-west-2/acl"), "{command}: {err}");
    }
}

/// What is made by hand in one region is seen beside its twin, and what is only in the program not.
#[test]
fn a_change_in_one_region_is_a_difference_as_deployed() {
    let dir = tempdir().unwrap();
    let shape = Shape::new();
    assert_eq!(shape.run(dir.path(), &["parity"]).text(), "✓ parity: 3 pairs, no difference\n--- exit 0");
    assert_eq!(shape.run(dir.path(), &["deploy"]).code, 0);
    assert_eq!(
        shape.run(dir.path(), &["parity"]).text(),
        "✓ parity: 3 pairs, 3 as deployed, no difference\n--- exit 0"
    );
    meddle(dir.path(), |items| {
        let shelf = items.values_mut().find(|item| item["address"] == "west-1/copy.shelf[1]").expect("it is deployed");
        shelf["args"]["size"] = 9.into();
    });
    insta::assert_snapshot!(shape.run(dir.path(), &["parity"]).text(), @r"
    has to be the same
      ✗ west-1/copy.shelf[1]  size  (as deployed)
          east-1  1
          west-1  9
          the standby does not do what the primary does
    parity: 3 pairs, 3 as deployed, 1 error
    --- exit 3
    ");
    let ran = shape.run(dir.path(), &["parity", "--json"]);
    let events = ran.events();
    assert_eq!((ran.code, events.len()), (3, 2));
    assert_eq!(
        events[0],
        json!({
            "event": "difference", "seen": "cloud", "class": "must_match", "severity": "error", "type": "toy.store.thing",
            "primary": "east-1/main.shelf[1]", "standby": "west-1/copy.shelf[1]", "attribute": "size",
            "primary_value": 1, "standby_value": 9, "wider": null, "why": "the standby does not do what the primary does",
            "rule": "parity-must-match",
        })
    );
    assert_eq!((&events[1]["errors"], &events[1]["deployed_pairs"]), (&json!(1), &json!(3)));
}

#[test]
fn what_is_gone_from_one_region_is_missing() {
    let dir = tempdir().unwrap();
    let shape = Shape::new();
    assert_eq!(shape.run(dir.path(), &["deploy"]).code, 0);
    meddle(dir.path(), |items| items.retain(|_, item| item["address"] != "west-1/copy.shelf[1]"));
    let ran = shape.run(dir.path(), &["parity"]);
    assert!(ran.code == 3 && ran.out.contains("west-1/copy.shelf[1] is not deployed"), "{ran:?}");
}

/// A difference that the program has and accepts is one in the cloud too; another one in its place is nobody's choice.
#[test]
fn what_is_accepted_in_the_program_is_not_accepted_with_other_values_in_the_cloud() {
    let dir = tempdir().unwrap();
    let with = |group: &'static str| {
        move || {
            Stack::<()>::build("shop", move |stack| {
                site(stack, true, true);
                stack.transform(move |node: &mut Node| {
                    if node.address.as_str() == "us-west-2/standby.server[0].instance" {
                        let further = json!({"$ref": format!("us-west-2/standby.{group}#id")});
                        node.inputs["groups"].as_array_mut().expect("a list").push(further);
                        node.waivers.push(("parity-must-match".to_owned(), "it is looked at".to_owned()));
                    }
                });
            })
        }
    };
    assert_eq!(run(with("link_group"), dir.path(), &["deploy"]).0, 0);
    let told = |group: &'static str| {
        let (code, out, err) = run(with(group), dir.path(), &["parity", "--json"]);
        let of = |event: &Value| (event["seen"].clone(), event["attribute"].clone(), event["accepted"].clone());
        let mut events = events(&out);
        let done = events.pop().expect("there is a last event");
        assert_eq!(done["accepted"], json!(1), "{out}{err}");
        (code, events.iter().map(of).collect::<Vec<_>>())
    };
    let accepted = (json!("program"), json!("groups"), json!("it is looked at"));
    assert_eq!(told("link_group"), (0, vec![accepted.clone()]));
    let other = (json!("cloud"), json!("groups"), Value::Null);
    assert_eq!(told("alb.group"), (3, vec![accepted, other]));
}

/// A waiver is for what its rule says, on whatever it lies; and what differs in the cloud only is nobody's choice.
#[test]
fn a_waiver_accepts_what_its_rule_speaks_of_and_nothing_else() {
    let dir = tempdir().unwrap();
    // The site, whose standby region accepts what a rule says, with a change of one resource there.
    let with = |rule: &'static str, at: &'static str, change: fn(&mut Value)| {
        move || {
            Stack::<()>::build("shop", move |stack| {
                site(stack, true, true);
                stack.transform(move |node: &mut Node| {
                    if node.address.region() == "us-west-2" {
                        node.waivers.push((rule.to_owned(), "it will do".to_owned()));
                    }
                    if node.address.as_str() == at {
                        change(&mut node.inputs);
                    }
                });
            })
        }
    };
    let told = |rule, at, change| {
        let (code, out, err) = run(with(rule, at, change), dir.path(), &["parity", "--json"]);
        let of = |event: &Value| ["seen", "attribute", "rule", "accepted"].map(|field| event[field].clone());
        let mut events = events(&out);
        assert_eq!(events.pop().expect("there is a last event")["event"], "done", "{out}{err}");
        (code, events.iter().map(of).collect::<Vec<_>>())
    };
    let in_program = |attribute: &str, rule: &str, accepted: bool| {
        [json!("program"), json!(attribute), json!(rule), if accepted { json!("it will do") } else { Value::Null }]
    };
    let (listener, server) = ("us-west-2/standby.alb.listener", "us-west-2/standby.server[0].instance");
    let smaller = told("standby-capacity", server, |inputs| inputs["instance_type"] = json!("t4g.micro"));
    assert_eq!(smaller, (0, vec![in_program("instance_type", "standby-capacity", true)]));
    let deaf = told("standby-capacity", listener, |inputs| inputs["port"] = json!(8080));
    assert_eq!(deaf, (3, vec![in_program("port", "parity-must-match", false)]));

    fn script(inputs: &mut Value) {
        let same = inputs["user_data"].as_str().expect("the script is a text");
        inputs["user_data"] = format!("{same}\n# another one").into();
    }
    let accepted = in_program("user_data", "parity-must-match", true);
    assert_eq!(told("parity-must-match", server, script), (0, vec![accepted.clone()]));
    fn both(inputs: &mut Value) {
        script(inputs);
        let further = json!({"$ref": "us-west-2/standby.link_group#id"});
        inputs["groups"].as_array_mut().expect("a list").push(further);
    }
    let (code, _, err) = run(with("parity-must-match", server, both), dir.path(), &["deploy"]);
    assert_eq!(code, 0, "{err}");
    let live = [json!("cloud"), json!("groups"), json!("parity-must-match"), Value::Null];
    assert_eq!(told("parity-must-match", server, script), (3, vec![accepted, live]));
}

#[test]
fn one_region_has_nothing_to_be_compared_with() {
    let dir = tempdir().unwrap();
    let alone = || {
        Stack::<()>::build("api", |stack| {
            stack.region(EuWest1).add("api", SecureApi::new(cidr!("10.0.0.0/16")));
        })
    };
    let (code, _, err) = run(alone, dir.path(), &["parity"]);
    assert!(code == 2 && err.contains("in one region only"), "{err}");
}

#[test]
fn an_error_of_the_catalogue_refuses_a_deploy_and_nothing_else() {
    let dir = tempdir().unwrap();
    assert_eq!(run(sound, dir.path(), &["deploy"]).0, 0);
    let silent = || Stack::<()>::build("shop", |stack| site(stack, false, true));
    for command in ["plan", "deploy"] {
        let (code, _, err) = run(silent, dir.path(), &[command]);
        assert!(code == 3 && err.contains("error[alarm-per-hc] global/primary.health_check"), "{command}: {err}");
    }
    let (code, out, _) = run(silent, dir.path(), &["check", "--json"]);
    let done = events(&out).pop().unwrap();
    assert_eq!((code, &done["errors"], &done["warnings"]), (3, &json!(2), &json!(1)), "{out}");
    for command in ["status", "drift", "rto", "permissions"] {
        assert_eq!(run(silent, dir.path(), &[command]).0, 0, "{command}");
    }
    assert_eq!(run(silent, dir.path(), &["destroy", "--yes"]).0, 0);
}

#[test]
fn a_waiver_accepts_and_a_program_that_gives_the_catalogue_itself_hears_it_once() {
    let dir = tempdir().unwrap();
    let program = |own: bool| {
        move || {
            Stack::<()>::build("shop", move |stack| {
                site(stack, false, true);
                if own {
                    stack.rule(dr_aws::checks::catalogue);
                }
                stack.transform(|node: &mut Node| {
                    if node.schema.type_name == "aws.route53.health_check" {
                        node.waivers.push(("alarm-per-hc".to_owned(), "somebody looks at it".to_owned()));
                    }
                });
            })
        }
    };
    let (code, out, err) = run(program(false), dir.path(), &["check"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("accepted: somebody looks at it"), "{out}");
    assert_eq!(run(program(true), dir.path(), &["check"]).1, out);
    // The warning about the second region is said before a plan is made, and what is accepted is not said again.
    let (code, _, err) = run(program(false), dir.path(), &["plan"]);
    assert!(code == 0 && err.contains("warning[alarm-second-region]") && !err.contains("alarm-per-hc"), "{err}");
}
