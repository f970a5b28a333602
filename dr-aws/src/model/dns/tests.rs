//! The decision tables of Route 53, row by row.

use proptest::prelude::*;

use super::*;

use Health::{Healthy, Unhealthy};

const NAME: &str = "origin.example.com";

/// Health of a record in a table: `None` is a record without a signal.
type Signal = Option<Health>;

/// A zone with one name, and signals in which check `hc-<set id>` has the health given for it.
fn zone(records: impl IntoIterator<Item = (Record, Signal)>) -> (Zone, Signals) {
    let mut signals = Signals::new();
    let mut group = Vec::new();
    for (record, signal) in records {
        let id = format!("hc-{}", record.set_id);
        group.push(match signal {
            Some(health) => {
                signals = signals.check(&id, health);
                record.checked_by(id)
            }
            None => record,
        });
    }
    (Zone::new().with(NAME, Group::new(group).unwrap()), signals)
}

/// The answer in one line: `east`, `a 0.75 b 0.25`, `tree/leaf`, with `!` after a last resort.
fn line(answer: Result<Answer, AnswerError>) -> String {
    let answer = answer.unwrap();
    let share = |share: &Share| {
        let mark = if share.last_resort { "!" } else { "" };
        let part = if share.share == 1.0 { String::new() } else { format!(" {}", share.share) };
        format!("{}{mark}{part}", share.set_ids.join("/"))
    };
    answer.shares.iter().map(share).collect::<Vec<_>>().join(" ")
}

fn answer(records: impl IntoIterator<Item = (Record, Signal)>) -> String {
    let (zone, signals) = zone(records);
    line(zone.answer(NAME, &signals))
}

fn weighted(set_id: &str, weight: u8) -> Record {
    Record::new(set_id, Routing::Weighted(weight), ["192.0.2.1"])
}

/// Every combination of a healthy, an unhealthy and a signalless primary and secondary, and the missing halves.
#[test]
fn a_failover_pair_answers_by_the_decision_table() {
    let (h, u, n) = (Some(Healthy), Some(Unhealthy), None);
    let p = |signal: Signal| (Record::primary("p", ["192.0.2.1"]), signal);
    let s = |signal: Signal| (Record::secondary("s", ["192.0.2.2"]), signal);
    let table = [
        (h, h, "p"),
        (h, u, "p"),
        (h, n, "p"),
        (u, h, "s"),
        (u, u, "p!"), // last resort: all count as healthy, and the policy picks the primary
        (u, n, "s"),  // always healthy, even if it is down
        (n, h, "p"),  // always healthy: failover can never happen
        (n, u, "p"),
        (n, n, "p"),
    ];
    for (primary, secondary, expected) in table {
        assert_eq!(answer([p(primary), s(secondary)]), expected, "primary {primary:?}, secondary {secondary:?}");
        assert_eq!(answer([s(secondary), p(primary)]), expected, "the order of definition does not matter");
    }
    for (signal, alone) in [(h, ""), (u, "!"), (n, "")] {
        assert_eq!(answer([p(signal)]), format!("p{alone}"), "a primary without a secondary, {signal:?}");
        assert_eq!(answer([s(signal)]), format!("s{alone}"), "a secondary without a primary, {signal:?}");
    }
}

#[test]
fn weights_share_the_queries_among_the_healthy() {
    let (h, u) = (Some(Healthy), Some(Unhealthy));
    assert_eq!(answer([(weighted("a", 30), h), (weighted("b", 10), h)]), "a 0.75 b 0.25");
    assert_eq!(answer([(weighted("a", 30), u), (weighted("b", 10), h)]), "b");
    assert_eq!(answer([(weighted("a", 30), u), (weighted("b", 10), u)]), "a! 0.75 b! 0.25");
    // Weight 0 is answered when everything else is unhealthy, and equally often when all are 0.
    assert_eq!(answer([(weighted("a", 1), h), (weighted("b", 0), h)]), "a");
    assert_eq!(answer([(weighted("a", 1), u), (weighted("b", 0), h)]), "b");
    assert_eq!(answer([(weighted("a", 1), u), (weighted("b", 0), u)]), "a!");
    assert_eq!(answer([(weighted("a", 0), h), (weighted("b", 0), None)]), "a 0.5 b 0.5");
}

#[test]
fn latency_answers_the_nearest_healthy_region() {
    let record = |region: &str| Record::new(region, Routing::Latency(region.into()), ["192.0.2.1"]);
    let viewer = Viewer { nearest: vec!["eu-west-1".into(), "us-east-1".into()], ..Viewer::default() };
    let ask = |east, west| {
        let (zone, signals) = zone([(record("us-east-1"), Some(east)), (record("eu-west-1"), Some(west))]);
        line(zone.answer_to(&viewer, NAME, &signals))
    };
    assert_eq!(ask(Healthy, Healthy), "eu-west-1");
    assert_eq!(ask(Healthy, Unhealthy), "us-east-1");
    assert_eq!(ask(Unhealthy, Unhealthy), "eu-west-1!");

    let (zone, signals) = zone([(record("sa-east-1"), None)]);
    let unknown = AnswerError::UnknownLatency { name: NAME.into() };
    assert_eq!(zone.answer_to(&viewer, NAME, &signals), Err(unknown));
}

#[test]
fn geolocation_answers_the_narrowest_healthy_area_or_nothing() {
    let record = |set_id: &str, location| Record::new(set_id, Routing::Geolocation(location), ["192.0.2.1"]);
    let california = || record("california", Location::Subdivision("US".into(), "CA".into()));
    let us = || record("us", Location::Country("US".into()));
    let america = || record("america", Location::Continent("NA".into()));
    let some = |s: &str| Some(s.to_owned());
    let viewer = Viewer {
        place: Place { continent: some("NA"), country: some("US"), subdivision: some("CA") },
        ..Viewer::default()
    };
    let ask = |records: Vec<(Record, Signal)>| {
        let (zone, signals) = zone(records);
        line(zone.answer_to(&viewer, NAME, &signals))
    };
    let (h, u) = (Some(Healthy), Some(Unhealthy));
    let rest = || (record("rest", Location::Default), None);
    assert_eq!(ask(vec![rest(), (america(), h), (us(), h), (california(), h)]), "california");
    assert_eq!(ask(vec![rest(), (america(), h), (us(), h), (california(), u)]), "us");
    assert_eq!(ask(vec![rest(), (america(), h), (us(), u), (california(), u)]), "america");
    assert_eq!(ask(vec![rest(), (america(), u), (us(), u), (california(), u)]), "rest");
    assert_eq!(ask(vec![(us(), u), (california(), u)]), "california!");
    assert_eq!(ask(vec![(record("germany", Location::Country("DE".into())), h)]), "", "no data");
}

#[test]
fn multivalue_answers_up_to_eight_healthy_records() {
    let record = |i: usize, signal| (Record::new(i.to_string(), Routing::Multivalue, ["192.0.2.1"]), signal);
    let (h, u) = (Some(Healthy), Some(Unhealthy));
    assert_eq!(answer([record(1, h), record(2, u), record(3, None)]), "1 3");
    assert_eq!(answer([record(1, u), record(2, u)]), "1! 2!");
    let (zone, signals) = zone((0..16).map(|i| record(i, h)));
    let many = zone.answer(NAME, &signals).unwrap();
    assert!(many.shares.len() == 16 && many.shares.iter().all(|share| share.share == 0.5), "a random half of them");
}

/// Table 1.6: whether a kind of target can be evaluated, and whether that tells anything about the application.
#[test]
fn evaluating_a_target_tells_what_the_service_makes_of_it() {
    for (service, expected) in [
        (Service::CloudFront, Evaluation::Refused),
        (Service::ApiGateway, Evaluation::ServiceOnly),
        (Service::LoadBalancer, Evaluation::Targets),
        (Service::S3Website, Evaluation::ServiceOnly),
        (Service::VpcEndpoint, Evaluation::ServiceOnly),
    ] {
        assert_eq!(service.evaluation(), expected, "{service:?}");
        let record = Record::primary("p", Target::resource(service, "x.amazonaws.com", true));
        assert_eq!(Group::new([record]).is_err(), expected == Evaluation::Refused, "{service:?}");
    }
}

#[test]
fn a_load_balancer_needs_a_healthy_target_in_every_group_that_has_targets() {
    let health = |groups: &[(u32, u32)]| {
        let groups: Vec<_> = groups.iter().map(|&(registered, healthy)| TargetGroup { registered, healthy }).collect();
        load_balancer(&groups)
    };
    assert_eq!(health(&[(2, 1)]), Healthy);
    assert_eq!(health(&[(2, 1), (3, 0)]), Unhealthy);
    assert_eq!(health(&[(2, 1), (0, 0)]), Healthy);
    assert_eq!(health(&[(0, 0)]), Unhealthy);
    assert_eq!(health(&[]), Unhealthy);
}

/// Every combination of a health check and an evaluated target: both must be healthy, and without evaluation only the check
/// counts.
#[test]
fn an_alias_with_a_check_and_an_evaluated_target_needs_both() {
    for evaluate in [true, false] {
        for check in [None, Some(Healthy), Some(Unhealthy)] {
            for target in [Healthy, Unhealthy] {
                let alias = Target::resource(Service::LoadBalancer, "alb.amazonaws.com.", evaluate);
                let secondary = (Record::secondary("s", ["192.0.2.2"]), Some(Healthy));
                let (zone, signals) = zone([(Record::primary("p", alias), check), secondary]);
                let healthy = check != Some(Unhealthy) && !(evaluate && target == Unhealthy);
                let got = line(zone.answer(NAME, &signals.resource("ALB.amazonaws.com", target)));
                assert_eq!(
                    got,
                    if healthy { "p" } else { "s" },
                    "evaluate {evaluate}, check {check:?}, target {target:?}"
                );
            }
        }
    }
}

/// A latency tree: in each region a weighted pair. With evaluation the whole region is left when its pair is down; without it,
/// traffic is pinned into the dead region.
#[test]
fn an_alias_tree_backs_out_of_a_dead_branch_only_when_it_is_evaluated() {
    let ask = |evaluate: bool, dead: &[&str]| {
        let pair = |region: &str| {
            Group::new(["a", "b"].map(|leaf| weighted(leaf, 1).checked_by(format!("{region}-{leaf}")))).unwrap()
        };
        let branch = |region: &str| {
            let target = Target::records(format!("{region}.example.com"), evaluate);
            Record::new(region, Routing::Latency(region.into()), target)
        };
        let zone = Zone::new()
            .with("east.example.com", pair("east"))
            .with("west.example.com", pair("west"))
            .with(NAME, Group::new([branch("east"), branch("west")]).unwrap());
        let signals = ["east-a", "east-b", "west-a", "west-b"]
            .iter()
            .fold(Signals::new(), |signals, id| signals.check(*id, Health::from(!dead.contains(id))));
        let viewer = Viewer { nearest: vec!["east".into(), "west".into()], ..Viewer::default() };
        line(zone.answer_to(&viewer, "Origin.Example.Com.", &signals))
    };
    for evaluate in [true, false] {
        assert_eq!(ask(evaluate, &[]), "east/a 0.5 east/b 0.5");
        assert_eq!(ask(evaluate, &["east-a"]), "east/b");
    }
    assert_eq!(ask(true, &["east-a", "east-b"]), "west/a 0.5 west/b 0.5");
    assert_eq!(ask(false, &["east-a", "east-b"]), "east/a! 0.5 east/b! 0.5");
    assert_eq!(ask(true, &["east-a", "east-b", "west-a", "west-b"]), "east/a! 0.5 east/b! 0.5");
}

#[test]
fn what_is_unknown_is_an_error_and_not_a_guess() {
    let ask = |target: Target| {
        let zone = Zone::new().with(NAME, Group::new([Record::simple(target)]).unwrap());
        zone.answer(NAME, &Signals::new()).unwrap_err()
    };
    let alb = || "alb.amazonaws.com".to_owned();
    assert_eq!(ask(Target::resource(Service::LoadBalancer, alb(), true)), AnswerError::UnknownResource { name: alb() });
    for evaluate in [true, false] {
        assert_eq!(ask(Target::records("nobody", evaluate)), AnswerError::NoSuchName { name: "nobody".into() });
        assert_eq!(ask(Target::records(NAME, evaluate)), AnswerError::AliasLoop { name: NAME.into() });
    }
    let checked = Record::simple(["192.0.2.1"]).checked_by("hc");
    let zone = Zone::new().with(NAME, Group::new([checked]).unwrap());
    assert_eq!(zone.answer(NAME, &Signals::new()), Err(AnswerError::UnknownCheck { id: "hc".into() }));
    assert_eq!(
        zone.answer("no.example.com", &Signals::new()),
        Err(AnswerError::NoSuchName { name: "no.example.com".into() })
    );
}

#[test]
fn records_that_route_53_refuses_together_make_no_group() {
    let values = || ["192.0.2.1"];
    let (p, s) = (|id: &str| Record::primary(id, values()), |id: &str| Record::secondary(id, values()));
    let distribution = || Target::resource(Service::CloudFront, "d1.cloudfront.net", false);
    let latency = |id: &str| Record::new(id, Routing::Latency("us-east-1".into()), values());
    let check = |records: Vec<Record>, expected: GroupError| assert_eq!(Group::new(records), Err(expected));
    check(vec![], GroupError::Empty);
    check(vec![p("a"), s("a")], GroupError::SameSetId { set_id: "a".into() });
    check(vec![p("a"), p("b")], GroupError::SameRouting { set_id: "b".into() });
    check(vec![p("a"), s("b"), s("c")], GroupError::SameRouting { set_id: "c".into() });
    check(vec![latency("a"), latency("b")], GroupError::SameRouting { set_id: "b".into() });
    check(vec![p("a"), weighted("b", 1)], GroupError::MixedRouting { set_id: "b".into() });
    check(vec![p("a"), Record::simple(values())], GroupError::MixedRouting { set_id: String::new() });
    let multivalue = Record::new("a", Routing::Multivalue, Target::records("x", false));
    check(vec![multivalue], GroupError::MultivalueAlias { set_id: "a".into() });
    check(
        vec![Record::primary("a", distribution()), Record::secondary("b", distribution())],
        GroupError::DistributionPair,
    );
    let json = serde_json::to_string(&[p("a"), p("b")]).unwrap();
    serde_json::from_str::<Group>(&json).expect_err("deserialising checks too");
}

fn signal() -> impl Strategy<Value = Signal> {
    prop_oneof![Just(None), Just(Some(Healthy)), Just(Some(Unhealthy))]
}

proptest! {
    /// Whatever is healthy, a non-empty group without locations is always answered, and with whole queries.
    #[test]
    fn shares_sum_up_to_one_and_never_contain_an_unhealthy_record_beside_a_healthy_one(
        weights in proptest::collection::vec((any::<u8>(), signal()), 1..12)
    ) {
        let records = weights.iter().enumerate().map(|(i, (weight, signal))| (weighted(&i.to_string(), *weight), *signal));
        let (zone, signals) = zone(records);
        let answer = zone.answer(NAME, &signals).unwrap();
        let sum: f64 = answer.shares.iter().map(|share| share.share).sum();
        prop_assert!((sum - 1.0).abs() < 1e-9);
        let healthy = |share: &Share| weights[share.set_ids[0].parse::<usize>().unwrap()].1 != Some(Unhealthy);
        let any_healthy = weights.iter().any(|(_, signal)| *signal != Some(Unhealthy));
        prop_assert_eq!(answer.is_last_resort(), !any_healthy);
        prop_assert!(answer.shares.iter().all(|share| healthy(share) == any_healthy));
    }

    /// A primary without a signal is answered whatever happens.
    #[test]
    fn a_primary_without_a_signal_never_fails_over(secondary in signal()) {
        let primary = Record::primary("p", ["192.0.2.1"]);
        prop_assert!(!primary.has_signal());
        prop_assert_eq!(answer([(primary, None), (Record::secondary("s", ["192.0.2.2"]), secondary)]), "p");
    }
}
