//! The two-region site, and what is different about it.

mod cases;

use dr_core::{Global, Node, Region, Scope, Severity, Stack, cidr};

use super::{Class, of_program};
use crate::cloudfront::{Distribution, Origin};
use crate::cloudwatch::Alarm;
use crate::constructs::{
    Edge, FailoverPair, LatencyGroup, Notifier, SecureApi, Site, SiteHandle, ValidatedCertificate,
};
use crate::ec2::{AclEntry, Direction, NetworkAcl, Port};
use crate::regions::{Primary, Standby, UsEast1, UsWest2};
use crate::route53::HostedZone;
use crate::sns::{Subscription, Topic};

/// A network ACL around the private subnets that lets in what is asked and out what is answered.
fn filter<R: Region>(scope: &Scope<'_, R>, site: &SiteHandle<R>) {
    let anywhere = cidr!("0.0.0.0/0");
    let acl = NetworkAcl::new(site.service.network.vpc)
        .entry(AclEntry::allow(100, Direction::Ingress, Port::all(), anywhere))
        .entry(AclEntry::allow(100, Direction::Egress, Port::tcp(80), anywhere))
        .entry(AclEntry::allow(120, Direction::Egress, Port::tcp_range(1024, 65535), anywhere));
    scope.add("acl", site.service.network.private.iter().fold(acl, |acl, subnet| acl.subnet(*subnet)));
}

/// The two-region site, changed.
fn program(change: impl Fn(&mut Node) + 'static) -> Stack {
    Stack::build("shop", move |stack| {
        let (east, west, global) = (stack.region(UsEast1), stack.region(UsWest2), stack.region(Global));
        let zone = global.add("zone", HostedZone::new("example.com"));
        let name = "origin.example.com";
        let certificate = ValidatedCertificate::new(name, zone.id).request("certificate", &global, &east);
        let second = certificate.also_in(&west);
        let primary = SecureApi::new(cidr!("10.0.0.0/16")).zones(3);
        let primary = east.add("primary", Site::new(primary, name, certificate.arn));
        let standby = SecureApi::new(cidr!("10.1.0.0/16")).zones(3);
        let standby = west.add("standby", Site::new(standby, name, second));
        filter(&east, &primary);
        filter(&west, &standby);
        let origin = global.add("origin", FailoverPair::new(name, zone.id, &primary, &standby));
        global.add("edge", Edge::new("mysecureapi.example.com", zone.id, &origin));
        global.add("notifier", Notifier::new(&primary, &standby).email("oncall@example.com"));
        stack.transform(change);
    })
    .expect("the program is sound")
}

#[test]
fn fewer_zones_and_servers_are_counted_and_not_listed() {
    let stack: Stack = Stack::build("shop", |stack| {
        let (east, west) = (stack.region(UsEast1), stack.region(UsWest2));
        east.add("one", SecureApi::new(cidr!("10.0.0.0/16")).zones(3).servers(3));
        west.add("two", SecureApi::new(cidr!("10.1.0.0/16")).zones(2).servers(2));
    })
    .unwrap_or_else(|errors| panic!("{errors}"));
    let found = of_program(&stack).unwrap().differences;
    assert!(found.iter().all(|it| it.severity == Severity::Warning), "{found:#?}");
    let servers = found.iter().find(|it| it.attribute.as_deref() == Some("number of `server`")).unwrap();
    assert_eq!(servers.class, Class::Scaled);
    assert_eq!((servers.primary_value.clone(), servers.standby_value.clone()), (Some(3.into()), Some(2.into())));
    assert!(found.iter().any(|it| it.class == Class::Mapped && it.attribute.as_deref() == Some("count")), "{found:#?}");
}

#[test]
fn roles_name_the_sides_and_one_region_has_no_twin() {
    let stack: Stack = Stack::build("shop", |stack| {
        let (standby, primary) = (stack.region_as(Standby, "eu-west-1"), stack.region_as(Primary, "eu-north-1"));
        standby.add("b", SecureApi::new(cidr!("10.1.0.0/16")));
        primary.add("a", SecureApi::new(cidr!("10.0.0.0/16")));
    })
    .unwrap();
    let parity = of_program(&stack).unwrap();
    assert_eq!((parity.primary.region.as_str(), parity.standby.region.as_str()), ("eu-north-1", "eu-west-1"));
    assert_eq!(parity.differences, []);
    let alone: Stack = Stack::build("shop", |stack| {
        stack.region(UsEast1).add("a", SecureApi::new(cidr!("10.0.0.0/16")));
    })
    .unwrap();
    assert!(of_program(&alone).is_none());
}

/// What CloudFront publishes and uses is in us-east-1, whichever region is the primary.
#[test]
fn what_watches_the_edge_stands_in_one_region_only() {
    let stack: Stack = Stack::build("shop", |stack| {
        let (east, west, global) = (stack.region(UsEast1), stack.region(UsWest2), stack.region(Global));
        let zone = global.add("zone", HostedZone::new("example.com"));
        let name = "origin.example.com";
        let certificate = ValidatedCertificate::new(name, zone.id).request("certificate", &global, &east);
        let second = certificate.also_in(&west);
        let primary = east.add("primary", Site::new(SecureApi::new(cidr!("10.0.0.0/16")), name, certificate.arn));
        let standby = west.add("standby", Site::new(SecureApi::new(cidr!("10.1.0.0/16")), name, second));
        global.add("origin", FailoverPair::new(name, zone.id, &primary, &standby));
        // In a construct that has a twin, what has none is an error.
        let (here, there) = (east.scope("watch"), west.scope("watch"));
        for errors in 1..12 {
            here.add(("api", errors), Alarm::on_api_errors(primary.service.api.id, errors));
            there.add(("api", errors), Alarm::on_api_errors(standby.service.api.id, errors));
        }
        let viewers = ValidatedCertificate::new("www.example.com", zone.id).request("viewers", &global, &here);
        let origin = Origin::new(name);
        let distribution = Distribution::new(origin).aliases(["www.example.com"], viewers.arn);
        let distribution = global.add("distribution", distribution);
        let topic = here.add("topic", Topic::new());
        here.add("email", Subscription::email(topic.arn, "oncall@example.com"));
        let id = distribution.id.text();
        here.add(
            "errors",
            Alarm::new("AWS/CloudFront", "5xxErrorRate").dimension("DistributionId", id).notify(topic.arn),
        );
        here.add("canary", Alarm::new("Shop/Edge", "Failed").dimension("DistributionId", id).notify(topic.arn));
        let expiry = |arn| Alarm::new("AWS/CertificateManager", "DaysToExpiry").dimension("CertificateArn", arn);
        here.add("expiry", expiry(viewers.arn.text()).notify(topic.arn));
        // This one is about the site, and the standby has none.
        here.add("site", expiry(certificate.arn.text()));
    })
    .unwrap();
    let found = of_program(&stack).unwrap().differences;
    let told: Vec<_> = found.iter().map(|it| (it.severity, it.address().unwrap().as_str())).collect();
    assert_eq!(told, [(Severity::Error, "us-east-1/watch.site")], "{found:#?}");
}

#[test]
fn where_both_regions_serve_neither_is_the_standby() {
    let stack: Stack = Stack::build("shop", |stack| {
        let (east, west, global) = (stack.region(UsEast1), stack.region(UsWest2), stack.region(Global));
        let zone = global.add("zone", HostedZone::new("example.com"));
        let name = "api.example.com";
        let certificate = ValidatedCertificate::new(name, zone.id).request("certificate", &global, &east);
        let one = east.add("one", Site::new(SecureApi::new(cidr!("10.0.0.0/16")), name, certificate.arn));
        let two = SecureApi::new(cidr!("10.1.0.0/16"));
        let two = west.add("two", Site::new(two, name, certificate.also_in(&west)));
        global.add("name", LatencyGroup::new(name, zone.id, &one, &two));
        global.add("notifier", Notifier::new(&one, &two).email("oncall@example.com"));
    })
    .unwrap();
    let parity = of_program(&stack).unwrap();
    assert_eq!(parity.differences, [], "each region answers for itself");
}
