//! Each rule against a program that it has nothing to say about, and against one that breaks it.

mod rows;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

use dr_core::{Finding, Global, Handle, Output, Region, Scope, Severity, Stack, cidr};
use rows::{Change, ROWS, SOUND};

use super::{catalogue, rules};
use crate::cloudwatch::{Alarm, MissingData};
use crate::constructs::{Edge, FailoverPair, Notifier, SecureApi, ServerRole, Site, SiteHandle, ValidatedCertificate};
use crate::ec2::{AclEntry, Direction, NetworkAcl, Port};
use crate::elbv2::ListenerRule;
use crate::iam::RolePolicy;
use crate::ids::CertificateArn;
use crate::regions::{UsEast1, UsWest2};
use crate::route53::{HealthCheck, HostedZone, InsufficientData};
use crate::sns::Topic;

/// Alarms of a region with their topic: on slow answers, which is handed back, and on a certificate that expires.
fn alarms<R: Region>(scope: &Scope<'_, R>, certificate: Output<CertificateArn<R>>) -> Handle<Alarm<R>> {
    let topic = scope.add("ops", Topic::new());
    let expiry = Alarm::new("AWS/CertificateManager", "DaysToExpiry").dimension("CertificateArn", certificate.text());
    scope.add("expiry", expiry.missing_data(MissingData::Breaching).notify(topic.arn));
    scope.add("slow", Alarm::new("AWS/ApiGateway", "Latency").notify(topic.arn))
}

/// Listener rules, and a network ACL around the private subnets.
fn filters<R: Region>(scope: &Scope<'_, R>, site: &SiteHandle<R>) {
    let alb = &site.service.alb;
    scope.add("orders", ListenerRule::new(alb.listener, 10, alb.target_group).path("/orders/*"));
    scope.add("api", ListenerRule::new(alb.listener, 20, alb.target_group).path("/api/*"));
    let (inside, anywhere) = (cidr!("10.0.0.0/8"), cidr!("0.0.0.0/0"));
    let acl = NetworkAcl::new(site.service.network.vpc)
        .entry(AclEntry::allow(100, Direction::Ingress, Port::all(), anywhere))
        .entry(AclEntry::allow(100, Direction::Egress, Port::tcp(80), inside))
        .entry(AclEntry::allow(110, Direction::Egress, Port::tcp(443), anywhere))
        .entry(AclEntry::allow(120, Direction::Egress, Port::tcp_range(1024, 65535), anywhere));
    scope.add("acl", site.service.network.private.iter().fold(acl, |acl, subnet| acl.subnet(*subnet)));
}

/// The two-region site with everything in it that a rule looks at, and with these changes.
fn site(changes: &'static [Change]) -> Stack {
    let hits = Rc::new(Cell::new(0));
    let count = Rc::clone(&hits);
    let stack = Stack::build("shop", move |stack| {
        let (east, west, global) = (stack.region(UsEast1), stack.region(UsWest2), stack.region(Global));
        // One role for the servers of both regions, with rights in both.
        let role = global.add("servers", ServerRole::new());
        let document = r#"{"Resource": ["arn:aws:sqs:us-east-1:1:q", "arn:aws:sqs:us-west-2:1:q"]}"#;
        global.add("rights", RolePolicy::new(role.role, "queues", document));

        let zone = global.add("zone", HostedZone::new("example.com"));
        let name = "origin.example.com";
        let certificate = ValidatedCertificate::new(name, zone.id).request("certificate", &global, &east);
        let second = certificate.also_in(&west);
        let primary = SecureApi::new(cidr!("10.0.0.0/16")).zones(3);
        let primary = east.add("primary", Site::new(primary, name, certificate.arn));
        let standby = SecureApi::new(cidr!("10.1.0.0/16")).zones(3);
        let standby = west.add("standby", Site::new(standby, name, second));
        filters(&east, &primary);
        filters(&west, &standby);
        alarms(&east, certificate.arn);
        let slow = alarms(&west, second);

        let signal = global.add("signal", HealthCheck::on_alarm(slow.arn, InsufficientData::Unhealthy));
        let checks = [primary.health_check.id, standby.health_check.id];
        let any = global.add("any", HealthCheck::calculated(checks, 1));
        let told = east.add("told", Topic::new());
        east.add(("told_of", "signal"), Alarm::on_health_check(signal.id, told.arn));
        east.add(("told_of", "any"), Alarm::on_health_check(any.id, told.arn));

        let origin = global.add("origin", FailoverPair::new(name, zone.id, &primary, &standby));
        global.add("edge", Edge::new("mysecureapi.example.com", zone.id, &origin));
        global.add("notifier", Notifier::new(&primary, &standby));
        stack.transform(move |node| {
            if node.schema.type_name == "aws.ec2.instance" {
                node.inputs["profile"] = serde_json::json!({"$ref": "global/servers.profile#name"});
            }
            rows::change(node, changes, &count);
        });
    });
    assert_eq!(hits.get(), changes.len(), "every change finds its resource");
    stack.expect("the catalogue is asked afterwards")
}

fn of<'f>(findings: &'f [Finding], id: &str) -> Vec<&'f Finding> {
    findings.iter().filter(|finding| finding.id == id).collect()
}

#[test]
fn a_whole_site_breaks_no_rule_and_what_its_constructs_accept_has_a_reason() {
    let findings = catalogue(&site(&[]));
    let open: Vec<_> = findings.iter().filter(|finding| finding.waived.is_none()).map(ToString::to_string).collect();
    assert_eq!(open, [] as [String; 0]);
    let accepted: BTreeSet<_> = findings.iter().map(|finding| finding.id.as_str()).collect();
    assert_eq!(accepted, BTreeSet::from(["cert-expiry-alarm", "probe-equivalence"]));
}

/// Goal: every rule finds what it is for, at the resource that is wrong, and nothing of it in the program without the change.
#[test]
fn each_rule_finds_what_breaks_it() {
    let sound = catalogue(&site(&[]));
    for (id, changes, at) in ROWS {
        let names = |findings: &[Finding]| {
            of(findings, id).iter().any(|finding| finding.address.as_str() == *at && finding.fix.is_some())
        };
        let broken = catalogue(&site(changes));
        assert!(names(&broken), "{id}: {at} is not named in {broken:#?}");
        // A construct of this crate accepts one of them for its own sake; that it is found without a change is its row.
        assert!(changes.is_empty() || !names(&sound), "{id}: {at} is named without the change");
    }
}

#[test]
fn what_is_sound_in_another_form_breaks_no_rule() {
    for (id, changes) in SOUND {
        let findings = catalogue(&site(changes));
        assert!(of(&findings, id).is_empty(), "{id}: {:#?}", of(&findings, id));
    }
}

/// A construct accepts that its probe does not see the shared name; servers that no probe reaches are something else.
#[test]
fn a_second_load_balancer_that_no_probe_sees_is_told() {
    let stack: Stack = Stack::build("shop", |stack| {
        let (east, west, global) = (stack.region(UsEast1), stack.region(UsWest2), stack.region(Global));
        let zone = global.add("zone", HostedZone::new("example.com"));
        let name = "origin.example.com";
        let certificate = ValidatedCertificate::new(name, zone.id).request("certificate", &global, &east);
        let api = SecureApi::new(cidr!("10.0.0.0/16")).second_alb("/reports", |server| server.page("the reports"));
        let primary = east.add("primary", Site::new(api, name, certificate.arn));
        let api = SecureApi::new(cidr!("10.1.0.0/16"));
        let standby = west.add("standby", Site::new(api, name, certificate.also_in(&west)));
        global.add("origin", FailoverPair::new(name, zone.id, &primary, &standby));
    })
    .unwrap();
    let findings = catalogue(&stack);
    let found = of(&findings, "probe-equivalence");
    let told: Vec<_> = found.iter().map(|it| (it.address.as_str(), it.waived.is_some())).collect();
    assert_eq!(told, [("global/primary.health_check", false), ("global/standby.health_check", true)]);
    assert!(found[0].to_string().contains("us-east-1/primary.second.integration"), "{}", found[0]);
}

#[test]
fn every_rule_has_a_row() {
    let rows: BTreeSet<&str> = ROWS.iter().map(|(id, ..)| *id).collect();
    let rules: BTreeSet<&str> = rules().map(|(id, _)| id).collect();
    assert_eq!(rows, rules);
}

#[test]
fn a_waiver_accepts_a_finding_and_errors_come_first() {
    let stack: Stack = Stack::build("shop", |stack| {
        let global = stack.region(Global);
        let accepted = global.scope("a").waive("alarm-per-hc", "somebody looks at it");
        accepted.add("check", HealthCheck::tcp("a.example.com", 443));
        global.add("b", HealthCheck::https("b.execute-api.us-east-1.amazonaws.com").without_sni());
        global.add("c", HealthCheck::http("c.execute-api.us-east-1.amazonaws.com"));
    })
    .unwrap();
    let findings = catalogue(&stack);
    let waived: Vec<_> =
        findings.iter().filter_map(|finding| Some((&finding.address, finding.waived.as_deref()?))).collect();
    assert_eq!(waived, [(&"global/a.check".parse().unwrap(), "somebody looks at it")]);
    let severities: Vec<Severity> = findings.iter().map(|finding| finding.severity).collect();
    assert!(severities.is_sorted_by(|a, b| a >= b) && severities.contains(&Severity::Warning), "{findings:?}");
}
