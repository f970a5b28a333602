//! Each rule against a program that it has nothing to say about, and against one that breaks it.

mod rows;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

use dr_core::{Builder, Finding, Global, Handle, Node, Output, Region, Scope, Severity, Stack, cidr};
use rows::{Change, ROWS, SOUND};

use super::{catalogue, rules};
use crate::apigatewayv2::Integration;
use crate::cloudwatch::{Alarm, MissingData};
use crate::constructs::{
    Edge, FailoverPair, LatencyGroup, Notifier, SecureApi, ServerRole, Site, SiteHandle, ValidatedCertificate,
};
use crate::ec2::{AclEntry, Direction, NetworkAcl, Port};
use crate::elbv2::ListenerRule;
use crate::iam::RolePolicy;
use crate::ids::{CertificateArn, HostedZoneId};
use crate::regions::{UsEast1, UsWest2};
use crate::route53::{Alias, FailoverRole, HealthCheck, HostedZone, InsufficientData, RecordSet, RecordType};
use crate::sns::Topic;

/// The name that both regions answer.
const NAME: &str = "origin.example.com";

/// Alarms of a region with their topic: on slow answers, which is handed back, and on a certificate that expires.
fn alarms<R: Region>(scope: &Scope<'_, R>, certificate: Output<CertificateArn<R>>) -> (Alarm<R>, Handle<Alarm<R>>) {
    let topic = scope.add("ops", Topic::new());
    let expiry = Alarm::new("AWS/CertificateManager", "DaysToExpiry").dimension("CertificateArn", certificate.text());
    scope.add("expiry", expiry.missing_data(MissingData::Breaching).notify(topic.arn));
    let slow = Alarm::new("AWS/ApiGateway", "Latency").notify(topic.arn);
    (slow.clone(), scope.add("slow", slow))
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
        let name = NAME;
        let certificate = ValidatedCertificate::new(name, zone.id).request("certificate", &global, &east);
        let second = certificate.also_in(&west);
        let primary = SecureApi::new(cidr!("10.0.0.0/16")).zones(3);
        let primary = east.add("primary", Site::new(primary, name, certificate.arn));
        let standby = SecureApi::new(cidr!("10.1.0.0/16")).zones(3);
        let standby = west.add("standby", Site::new(standby, name, second));
        filters(&east, &primary);
        filters(&west, &standby);
        alarms(&east, certificate.arn);
        let (alarm, slow) = alarms(&west, second);

        let signal = global.add("signal", HealthCheck::on_alarm(&alarm, slow.arn, InsufficientData::Unhealthy));
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
    assert_eq!(accepted, BTreeSet::from(["cert-expiry-alarm", "hc-bypasses-domain"]));
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

/// A site with this API in each region, and what a program adds to them, under the name that Route 53 answers.
fn two_sites(
    api: impl Fn(SecureApi<UsEast1>) -> SecureApi<UsEast1>,
    more: impl Fn(&Builder, Output<HostedZoneId>, &SiteHandle<UsEast1>, &SiteHandle<UsWest2>),
) -> Stack {
    Stack::build("shop", |stack| {
        let (east, west, global) = (stack.region(UsEast1), stack.region(UsWest2), stack.region(Global));
        let zone = global.add("zone", HostedZone::new("example.com"));
        let certificate = ValidatedCertificate::new(NAME, zone.id).request("certificate", &global, &east);
        let one = api(SecureApi::new(cidr!("10.0.0.0/16")));
        let one = east.add("primary", Site::new(one, NAME, certificate.arn));
        let two = SecureApi::new(cidr!("10.1.0.0/16"));
        let two = west.add("standby", Site::new(two, NAME, certificate.also_in(&west)));
        more(stack, zone.id, &one, &two);
    })
    .unwrap()
}

/// The resource is not there.
fn gone(node: &mut Node, address: &'static str) {
    rows::change(node, &[Change::Gone(address)], &Cell::new(0));
}

/// What a rule names, and whether that is accepted.
fn told<'f>(findings: &'f [Finding], id: &str) -> Vec<(&'f str, bool)> {
    of(findings, id).iter().map(|it| (it.address.as_str(), it.waived.is_some())).collect()
}

/// A construct accepts that its probe does not see the shared name; what no probe reaches behind the API is something else.
#[test]
fn an_integration_that_no_probe_sees_is_told() {
    let pair = |stack: &Builder, zone, one: &_, two: &_| {
        stack.region(Global).add("origin", FailoverPair::new(NAME, zone, one, two));
    };
    let with_second = two_sites(|api| api.second_alb("/reports", |server| server.page("the reports")), pair);
    let with_own = two_sites(
        |api| api,
        |stack, zone, one, two| {
            let (service, region) = (&one.service, stack.region(UsEast1));
            region.add("orders", Integration::private(service.api.id, service.alb.listener, service.link.id));
            pair(stack, zone, one, two);
        },
    );
    for (stack, unseen) in [(with_second, "us-east-1/primary.second.integration"), (with_own, "us-east-1/orders")] {
        let findings = catalogue(&stack);
        assert_eq!(told(&findings, "probe-equivalence"), [("global/primary.health_check", false)]);
        let found = of(&findings, "probe-equivalence");
        assert_eq!(found[0].problem, format!("users need what it does not see: {unseen}"));
        let both = ["global/primary.health_check", "global/standby.health_check"];
        assert_eq!(told(&findings, "hc-bypasses-domain"), both.map(|check| (check, true)));
    }
}

/// Where both regions serve, each has to do what the other one does.
#[test]
fn twins_are_compared_where_both_regions_serve() {
    let group = |stack: &Builder, zone, one: &_, two: &_| {
        let global = stack.region(Global);
        global.add("name", LatencyGroup::new(NAME, zone, one, two));
        global.add("notifier", Notifier::new(one, two).email("oncall@example.com"));
    };
    let errors = |change: fn(&mut Node)| {
        let stack = two_sites(
            |api| api,
            move |stack, zone, one, two| {
                group(stack, zone, one, two);
                stack.transform(change);
            },
        );
        let findings = catalogue(&stack);
        let errors = findings.iter().filter(|it| it.severity == Severity::Error && it.waived.is_none());
        errors.map(|it| (it.id.clone(), it.address.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(errors(|_| {}), []);
    let told = |change: fn(&mut Node), id: &str, address: &str| {
        let errors = errors(change);
        assert!(errors.contains(&(id.to_owned(), address.to_owned())), "{id} {address}: {errors:?}");
    };
    told(|node| gone(node, "us-west-2/standby.proxy"), "apigw-route-parity", "us-east-1/primary.proxy");
    told(|node| gone(node, "us-east-1/primary.proxy"), "apigw-route-parity", "us-west-2/standby.proxy");
    told(|node| gone(node, "us-east-1/primary.link"), "standby-created-on-demand", "us-west-2/standby.link");
    let name = errors(|node| {
        if node.address.as_str() == "us-west-2/standby.domain" {
            node.inputs["name"] = "other.example.com".into();
        }
    });
    assert_eq!(name, [("apigw-domain-name-twin".to_owned(), "us-west-2/standby.domain".to_owned())]);
}

#[test]
fn an_origin_in_one_region_goes_past_a_name_that_both_answer() {
    let stack = two_sites(
        |api| api,
        |stack, zone, one, two| {
            let global = stack.region(Global);
            let name = global.add("name", LatencyGroup::new(NAME, zone, one, two));
            global.add("edge", Edge::new("www.example.com", zone, &name));
            stack.transform(move |node| {
                if node.address.as_str() == "global/edge.distribution" {
                    node.inputs["origin"]["domain"] = serde_json::json!({"$ref": "us-east-1/primary.api#host"});
                }
            });
        },
    );
    assert_eq!(told(&catalogue(&stack), "cf-origin-is-regional-name"), [("global/edge.distribution", false)]);
}

/// A name with A and AAAA records is two pairs that lead to the same.
#[test]
fn what_two_pairs_of_a_name_lead_to_is_told_once() {
    let stack = two_sites(
        |api| api.servers(3),
        |stack, zone, one, two| {
            let global = stack.region(Global);
            global.add("origin", FailoverPair::new(NAME, zone, one, two));
            let checks = [one.health_check.id, two.health_check.id];
            let targets = [one.domain.target_domain, two.domain.target_domain];
            for (at, role) in [FailoverRole::Primary, FailoverRole::Secondary].into_iter().enumerate() {
                let alias = Alias::new(targets[at], one.domain.hosted_zone).evaluate_target_health();
                let record = RecordSet::alias(zone, NAME, RecordType::Aaaa, alias).health_check(checks[at]);
                global.add(("aaaa", at), record.failover(role, format!("aaaa-{at}")));
            }
        },
    );
    assert_eq!(told(&catalogue(&stack), "standby-capacity"), [("us-west-2/standby.domain", false)]);
}

/// What happens to a server in the standby region is no sign that users of the primary are in trouble.
#[test]
fn an_alarm_of_a_server_does_not_tell_of_a_lost_region() {
    let with = |alarm: fn(&SiteHandle<UsWest2>) -> Alarm<UsWest2>| {
        let stack = two_sites(
            |api| api,
            |stack, zone, one, two| {
                stack.region(Global).add("origin", FailoverPair::new(NAME, zone, one, two));
                let west = stack.region(UsWest2);
                let topic = west.add("ops", Topic::new());
                west.add("alarm", alarm(two).notify(topic.arn));
            },
        );
        told(&catalogue(&stack), "alarm-second-region").len()
    };
    assert_eq!(with(|_| Alarm::new("AWS/EC2", "CPUUtilization").dimension("InstanceId", "i-1")), 1);
    assert_eq!(with(|_| Alarm::new("AWS/ApiGateway", "5xx").dimension("QueueName", "q")), 1);
    assert_eq!(with(|_| Alarm::new("Shop/Canary", "Failed")), 0);
    assert_eq!(with(|_| Alarm::new("AWS/ApiGateway", "5xx").dimension("ApiId", "a1b2c3")), 0);
    assert_eq!(with(|site| Alarm::on_api_errors(site.service.api.id, 5)), 0);
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
