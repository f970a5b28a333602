//! Known values, refusals, and the properties that hold for every configuration.

use proptest::prelude::*;

use super::super::health::{Checker, Health, aggregate};
use super::*;

const BLACK_HOLE: ProbeTime = ProbeTime::exactly(4.0);
const AT_ONCE: ProbeTime = ProbeTime::exactly(0.0);

fn path(ttl_s: f64) -> Path {
    Path { ttl_s, ..Path::default() }
}

fn close(got: f64, expected: f64, what: &str) {
    assert!((got - expected).abs() <= 0.01, "{what}: {got}, expected {expected}");
}

#[derive(Clone, Copy)]
struct Vector {
    interval_s: f64,
    threshold: u32,
    checkers: u32,
    p: f64,
    path: Path,
}

/// A health check with 16 checkers, probes that fail at once, and nothing behind the DNS answer.
fn v(interval_s: f64, threshold: u32, ttl_s: f64) -> Vector {
    Vector { interval_s, threshold, checkers: CHECKERS, p: 0.0, path: path(ttl_s) }
}

impl Vector {
    fn p(self, p: f64) -> Self {
        Self { p, ..self }
    }

    /// Keep-alive, stuck request, error cache.
    fn after(self, keepalive_s: f64, stuck_request_s: f64, error_cache_s: f64) -> Self {
        Self { path: Path { keepalive_s, stuck_request_s, error_cache_s, ..self.path }, ..self }
    }

    fn failover(self) -> Failover {
        let Self { interval_s, threshold, checkers, .. } = self;
        Failover::new(Detection::HealthCheck { interval_s, threshold, checkers }, self.path)
    }
}

#[test]
fn health_check_failovers_take_as_long_as_computed_by_hand() {
    let v12 = Vector { path: Path { resolver_floor_s: 300.0, ..path(60.0) }, ..v(10.0, 3, 60.0) };
    let vectors = [
        ("V01", v(10.0, 1, 60.0), [0.0, 43.24, 70.0, 85.0]),
        ("V02", v(10.0, 3, 60.0), [20.0, 63.24, 90.0, 105.0]),
        ("V03", v(30.0, 3, 60.0), [60.0, 119.71, 150.0, 165.0]),
        ("V04", v(30.0, 3, 300.0), [60.0, 239.71, 390.0, 405.0]),
        ("V05", v(10.0, 3, 60.0).p(4.0), [32.0, 75.24, 90.0, 117.0]),
        ("V06", v(30.0, 3, 60.0).p(6.0), [78.0, 137.71, 150.0, 183.0]),
        ("V07", v(10.0, 10, 60.0).p(8.0), [170.0, 213.24, 160.0, 255.0]), // the best is longer than the rule of thumb
        ("V08", v(10.0, 3, 60.0).p(4.0).after(5.0, 30.0, 10.0), [32.0, 80.24, 90.0, 162.0]),
        ("V09", Vector { checkers: 3, ..v(10.0, 3, 60.0) }, [20.0, 62.50, 90.0, 105.0]),
        ("V10", v(10.0, 6, 60.0), [50.0, 93.24, 120.0, 135.0]),
        ("V11", v(30.0, 3, 60.0).p(10.0), [90.0, 149.71, 150.0, 195.0]),
        ("V12", v12, [20.0, 183.24, 90.0, 345.0]),
        ("V13", v(10.0, 2, 30.0).p(4.0).after(5.0, 6.0, 0.0), [18.0, 46.24, 50.0, 84.0]),
        ("V14", v(30.0, 10, 86_400.0), [270.0, 43_499.71, 86_700.0, 86_715.0]),
        ("V15", v(10.0, 3, 60.0).p(6.0).after(120.0, 90.0, 10.0), [38.0, 86.24, 90.0, 343.0]),
        ("V16", v(10.0, 1, 0.0), [0.0, 13.24, 10.0, 25.0]),
        ("V17", v(10.0, 3, 60.0).p(2.0), [26.0, 69.24, 90.0, 111.0]),
        ("V18", v(30.0, 3, 60.0).p(2.0), [66.0, 125.71, 150.0, 171.0]),
        ("V19", v(10.0, 2, 60.0).p(2.0).after(5.0, 30.0, 10.0), [14.0, 62.24, 80.0, 144.0]),
    ];
    for (id, vector, [best, typical, nominal, worst]) in vectors {
        let prediction = vector.failover().predict(ProbeTime::exactly(vector.p)).unwrap();
        let band = prediction.user();
        close(band.best_s, best, &format!("{id} best"));
        close(band.typical_s, typical, &format!("{id} typical"));
        close(band.nominal_s.unwrap(), nominal, &format!("{id} nominal"));
        close(band.worst_s, worst, &format!("{id} worst"));
        assert_eq!(prediction.overall(), band, "{id}: there are no extra stages");
        let Path { keepalive_s, stuck_request_s, error_cache_s, .. } = vector.path;
        let after = keepalive_s + stuck_request_s + error_cache_s;
        close(prediction.dns().worst_s, worst - after, &format!("{id} worst of DNS alone"));
    }
}

#[test]
fn cloud_watch_failovers_take_as_long_as_computed_by_hand() {
    for (id, periods, [best, typical, worst]) in [("V20", 1, [0.0, 80.0, 195.0]), ("V21", 3, [120.0, 200.0, 315.0])] {
        let band = Failover::new(Detection::cloud_watch(60.0, periods), path(60.0)).predict(AT_ONCE).unwrap().user();
        close(band.best_s, best, id);
        close(band.typical_s, typical, id);
        close(band.worst_s, worst, id);
        assert_eq!(band.nominal_s, None, "{id}");
    }
}

#[test]
fn the_largest_ttl_for_a_target_is_what_the_other_stages_leave() {
    let ttl = |vector: Vector, target| vector.failover().largest_ttl(ProbeTime::exactly(vector.p), target);
    assert_eq!(ttl(v(10.0, 1, 60.0), 60.0), Ok(35.0), "W01");
    assert_eq!(ttl(v(10.0, 3, 60.0).p(4.0), 120.0), Ok(63.0), "W02");
    let w03 = Infeasible::AtAnyTtl { target_s: 60.0, rest_s: 105.0, short_by_s: 45.0 };
    assert_eq!(ttl(v(30.0, 3, 60.0), 60.0), Err(w03), "W03");

    assert_eq!(ttl(v(10.0, 1, 60.0), 25.0), Ok(0.0), "exactly");
    let floor = Vector { path: Path { resolver_floor_s: 40.0, ..path(0.0) }, ..v(10.0, 1, 0.0) };
    let expected = Infeasible::ResolverFloor { target_s: 60.0, rest_s: 25.0, floor_s: 40.0 };
    assert_eq!(ttl(floor, 60.0), Err(expected));
    assert_eq!(ttl(floor, 65.0), Ok(40.0));
    assert!(matches!(ttl(v(10.0, 1, 0.0), f64::NAN), Err(Infeasible::AtAnyTtl { .. })));
    let never = Failover::new(Signal::None, path(0.0)).largest_ttl(AT_ONCE, 60.0);
    assert_eq!(never, Err(Refusal::from(Never::PrimaryWithoutSignal).into()));
}

/// For an interval of 10 s, a threshold of 3 and 16 checkers: 28.24 s to fail, 21.76 s to recover.
#[test]
fn recovery_is_noticed_sooner_than_failure() {
    let failover =
        v(10.0, 3, 60.0).after(5.0, 30.0, 10.0).failover().with_extra("decision", Span::new(60.0, 120.0, 600.0));
    let (down, up) = (failover.predict(AT_ONCE).unwrap(), failover.recover(AT_ONCE).unwrap());
    close(down.stages[0].span.typical_s, 28.24, "failure");
    close(up.stages[0].span.typical_s, 21.76, "recovery");
    let terms: Vec<_> = up.stages.iter().map(|stage| &stage.term).collect();
    assert_eq!(terms, [&Term::Detection, &Term::Publication, &Term::CachedAnswer, &Term::KeepAlive]);
    close(up.overall().worst_s, 30.0 + 15.0 + 60.0 + 5.0, "nobody is stuck, nobody decides");
    // A probe that hangs while the region comes back delays the first good one.
    close(failover.recover(BLACK_HOLE).unwrap().stages[0].span.worst_s, 34.0, "recovery from a black hole");
}

#[test]
fn an_alarm_recovers_after_one_good_period() {
    let failover = Failover::new(Detection::cloud_watch(60.0, 3), path(0.0));
    assert_eq!(failover.recover(AT_ONCE).unwrap().stages[0].span, Span::new(0.0, 45.0, 120.0));
}

#[test]
fn extra_stages_are_rows_of_their_own() {
    let prediction = v(10.0, 3, 60.0)
        .failover()
        .with_extra("decision of the operator", Span::new(60.0, 300.0, 900.0))
        .predict(BLACK_HOLE)
        .unwrap();
    close(prediction.user().worst_s, 117.0, "DNS is not made longer");
    close(prediction.overall().worst_s, 1_017.0, "the whole is");
    assert_eq!(prediction.dominant().term.label(), "decision of the operator");
    insta::assert_snapshot!(prediction, @r"
    seconds                      best  typical    worst
    detection                    32.0     40.2     42.0
    publication                   0.0      5.0     15.0
    cached answer                 0.0     30.0     60.0
    keep-alive                    0.0      0.0      0.0
    stuck request                 0.0      0.0      0.0
    cached error                  0.0      0.0      0.0
    decision of the operator     60.0    300.0    900.0
    all                          92.0    375.2   1017.0   (rule of thumb 90.0)
    ");
}

/// Every row of table 2.2, and the rows that it leaves out because the probe succeeds.
#[test]
fn a_probe_fails_after_the_timeout_of_the_step_that_hangs_or_does_not_see_the_failure() {
    use FailureMode::*;
    let exactly = |s| Some(ProbeTime::exactly(s));
    let table = [
        (Refused, exactly(0.0), exactly(0.0), exactly(0.0)),
        (ErrorStatus, None, exactly(0.0), exactly(0.0)),
        (WrongBody, None, None, exactly(0.0)),
        (BadCertificate, None, None, None),
        (NoStatusLine, None, exactly(2.0), exactly(2.0)),
        (BodyStalls, None, None, Some(ProbeTime::between(2.0, 4.0))),
        (ConnectBlackHole, exactly(10.0), exactly(4.0), exactly(4.0)),
        (SlowConnectThenHang, None, exactly(6.0), Some(ProbeTime::between(6.0, 8.0))),
    ];
    assert_eq!(table.map(|row| row.0), FailureMode::ALL);
    for (mode, tcp, http, string_match) in table {
        for (name, expected) in [("TCP", tcp), ("HTTPS", http), ("HTTP_STR_MATCH", string_match)] {
            let kind = ProbeKind::of_type(name).unwrap();
            assert_eq!(mode.seen_by(kind), expected, "{mode} {name}");
            let refused = Refusal::Never(Never::FailureUnseen { kind, mode });
            assert_eq!(Incident::seen(kind, mode), expected.map(Incident::from).ok_or(refused), "{mode} {name}");
        }
    }
    assert_eq!(ProbeKind::of_type("CALCULATED"), None);
}

#[test]
fn cloud_front_bounds_the_last_request_by_its_timers() {
    let default = OriginTimers::default();
    default.check().unwrap();
    assert_eq!(default.black_hole_s(), 30.0);
    for method in [Method::Get, Method::Head, Method::Options] {
        assert_eq!((default.hang_s(method), default.worst_s(method)), (90.0, 90.0), "{method:?}");
    }
    for method in [Method::Post, Method::Put, Method::Patch, Method::Delete] {
        assert_eq!(
            (default.hang_s(method), default.worst_s(method)),
            (30.0, 30.0),
            "{method:?}: read timeouts are not retried"
        );
        assert_eq!(default.path_at_worst(60.0, method).error_cache_s, 0.0, "{method:?}");
    }
    let tuned = OriginTimers { connection_timeout_s: 2.0, read_timeout_s: 5.0, ..default };
    assert_eq!(tuned.stuck_request_s(Method::Get, FailureMode::ConnectBlackHole), 6.0);
    assert_eq!(tuned.stuck_request_s(Method::Get, FailureMode::SlowConnectThenHang), 21.0);
    assert_eq!(tuned.stuck_request_s(Method::Post, FailureMode::SlowConnectThenHang), 7.0);
    assert_eq!(tuned.stuck_request_s(Method::Post, FailureMode::NoStatusLine), 5.0);
    assert_eq!(tuned.stuck_request_s(Method::Get, FailureMode::ErrorStatus), 0.0);
    assert_eq!(OriginTimers { response_completion_timeout_s: Some(40.0), ..default }.trickle_s(), 40.0);
    assert_eq!(default.trickle_s(), f64::INFINITY);

    // V08 from the configuration instead of the numbers.
    let mode = FailureMode::ConnectBlackHole;
    let failover = Failover::new(Detection::health_check(10.0, 3), default.path(60.0, Method::Get, mode));
    close(failover.predict(Incident::seen(ProbeKind::Http, mode).unwrap()).unwrap().user().worst_s, 162.0, "V08");
}

/// A request over a connection that was kept waits for an answer before it connects again.
#[test]
fn a_long_read_timeout_may_outlast_all_stages() {
    let mode = FailureMode::ConnectBlackHole;
    let timers = OriginTimers {
        connection_attempts: 2,
        connection_timeout_s: 3.0,
        read_timeout_s: 120.0,
        error_caching_min_ttl_s: 0.0,
        ..OriginTimers::default()
    };
    assert_eq!(timers.kept_request_s(Method::Get, mode), 123.0);
    assert_eq!(timers.kept_request_s(Method::Post, mode), 120.0, "read timeouts are not retried");
    assert_eq!(timers.kept_request_s(Method::Get, FailureMode::NoStatusLine), 0.0);
    let failover = |ttl_s, timers: OriginTimers| {
        Failover::new(Detection::health_check(10.0, 3), timers.path(ttl_s, Method::Get, mode))
    };
    let incident = Incident::seen(ProbeKind::Http, mode).unwrap();
    let prediction = failover(10.0, timers).predict(incident).unwrap();
    // The stages take 42 + 15 + 10 + 5 + 6 seconds at most. A request in the last second of the keep-alive takes 123 more.
    close(prediction.user().worst_s, 128.0, "user");
    close(prediction.user().best_s, 32.0, "best");
    close(prediction.dns().worst_s, 67.0, "DNS");
    assert_eq!(prediction.dominant().term, Term::KeptRequest);
    insta::assert_snapshot!(prediction, @r"
    seconds                      best  typical    worst
    detection                    32.0     40.2     42.0
    publication                   0.0      5.0     15.0
    cached answer                 0.0      5.0     10.0
    keep-alive                    0.0      0.0      5.0
    stuck request                 0.0      0.0      6.0
    cached error                  0.0      0.0      0.0
    or kept connection            0.0      0.0    128.0
    all                          32.0     50.2    128.0   (rule of thumb 40.0)
    ");
    // Where the stages take longer anyway, it is one of the requests that they speak of.
    let prediction = failover(60.0, OriginTimers { read_timeout_s: 30.0, ..timers }).predict(incident).unwrap();
    close(prediction.user().worst_s, 42.0 + 15.0 + 60.0 + 5.0 + 6.0, "the sum of the stages");
    assert_eq!(prediction.dominant().term, Term::CachedAnswer);
    assert!(!prediction.to_string().contains("kept connection"));
    // No TTL makes it shorter.
    let expected = Infeasible::AtAnyTtl { target_s: 120.0, rest_s: 128.0, short_by_s: 8.0 };
    assert_eq!(failover(10.0, timers).largest_ttl(incident, 120.0), Err(expected));
    assert_eq!(failover(10.0, timers).largest_ttl(incident, 130.0), Ok(62.0));
    let back = failover(10.0, timers).recover(incident).unwrap();
    close(back.user().worst_s, 34.0 + 15.0 + 10.0 + 5.0, "nobody is stuck on the way back");
}

#[test]
fn timers_outside_cloud_fronts_ranges_are_refused_by_name() {
    let default = OriginTimers::default();
    let refused = |timers: OriginTimers| timers.check().unwrap_err().setting;
    assert_eq!(refused(OriginTimers { connection_attempts: 4, ..default }), "ConnectionAttempts");
    assert_eq!(refused(OriginTimers { connection_timeout_s: 11.0, ..default }), "ConnectionTimeout");
    assert_eq!(refused(OriginTimers { read_timeout_s: 0.0, ..default }), "OriginReadTimeout");
    assert_eq!(refused(OriginTimers { keepalive_timeout_s: f64::NAN, ..default }), "OriginKeepaliveTimeout");
    let short = OriginTimers { response_completion_timeout_s: Some(29.0), ..default };
    assert_eq!(refused(short), "ResponseCompletionTimeout");
    assert_eq!(refused(OriginTimers { error_caching_min_ttl_s: -1.0, ..default }), "ErrorCachingMinTTL");
}

#[test]
fn what_never_fails_over_is_said_with_its_reason() {
    let watched = || v(10.0, 3, 60.0).failover();
    let never = |failover: Failover, expected: Never| {
        assert_eq!(failover.predict(BLACK_HOLE), Err(Refusal::Never(expected.clone())));
        assert_eq!(failover.recover(BLACK_HOLE), Err(Refusal::Never(expected)));
    };
    never(Failover::new(Signal::None, path(60.0)), Never::PrimaryWithoutSignal);
    never(Failover::new(Signal::Disabled, path(60.0)), Never::CheckDisabled);
    never(Failover::new(Signal::ServiceOnly, path(60.0)), Never::ServiceHealthOnly);
    never(watched().standby(Standby::Missing), Never::StandbyMissing);
    never(watched().standby(Standby::Unhealthy), Never::StandbyUnhealthy);
    watched().standby(Standby::Unchecked).predict(BLACK_HOLE).expect("an unchecked standby is answered, alive or not");
}

#[test]
fn a_health_check_of_its_own_record_is_refused_however_it_is_written() {
    let failover = v(10.0, 3, 60.0).failover();
    for probed in ["origin.example.com", "Origin.Example.COM."] {
        let refused = failover.clone().probing("origin.example.com", probed).predict(BLACK_HOLE);
        assert_eq!(refused, Err(Refusal::ProbesItself { name: "origin.example.com".into() }), "{probed}");
    }
    failover.probing("origin.example.com", "use1.origin.example.com").predict(BLACK_HOLE).expect("a name of its own");
}

#[test]
fn a_failure_that_spares_enough_checkers_is_never_noticed() {
    let failover = v(10.0, 3, 60.0).failover();
    let grey = failover.predict(Incident::from(BLACK_HOLE).affecting(12));
    assert_eq!(grey, Err(Refusal::Never(Never::BelowThreshold { affected: 12, needed: 14, checkers: 16 })));
    // With 14 of 16 affected all 14 must have noticed, and one of them recovers first.
    let barely = Incident::from(AT_ONCE).affecting(14);
    close(failover.predict(barely).unwrap().stages[0].span.typical_s, 20.0 + 10.0 * 14.0 / 15.0, "failure");
    close(failover.recover(barely).unwrap().stages[0].span.typical_s, 20.0 + 10.0 / 15.0, "recovery");
}

#[test]
fn numbers_without_meaning_are_refused_by_name() {
    let good = v(10.0, 3, 60.0);
    let refused = |failover: Failover, incident: ProbeTime, field: &str| {
        assert_eq!(failover.predict(incident), Err(Refusal::Nonsense { what: field.into() }));
    };
    refused(v(-1.0, 3, 60.0).failover(), AT_ONCE, "interval_s");
    refused(v(10.0, 0, 60.0).failover(), AT_ONCE, "threshold");
    refused(Vector { checkers: 0, ..good }.failover(), AT_ONCE, "checkers");
    refused(v(10.0, 3, f64::NAN).failover(), AT_ONCE, "ttl_s");
    refused(good.failover(), ProbeTime::between(4.0, 2.0), "probe");
    refused(good.after(-1.0, 0.0, 0.0).failover(), AT_ONCE, "keepalive_s");
    refused(Failover::new(Detection::cloud_watch(60.0, 0), path(0.0)), AT_ONCE, "periods");
    refused(good.failover().with_extra("backwards", Span::new(2.0, 1.0, 0.0)), AT_ONCE, "backwards");
    let all_must_be_good = Assumptions { healthy_percent: 100, ..Assumptions::default() };
    refused(good.failover().assuming(all_must_be_good), AT_ONCE, "healthy_percent");
}

#[test]
fn an_endless_keep_alive_makes_the_worst_case_endless_and_nothing_else() {
    let band = v(10.0, 3, 60.0).after(f64::INFINITY, 0.0, 0.0).failover().predict(AT_ONCE).unwrap().user();
    assert_eq!(band.worst_s, f64::INFINITY);
    close(band.typical_s, 63.24, "typical");
}

/// The inputs of a prediction as a list, so that a property can change one of them.
fn build(x: [f64; 8], threshold: u32, checkers: u32) -> Band {
    let [interval_s, ttl_s, p, resolver_floor_s, keepalive_s, stuck_request_s, kept_request_s, error_cache_s] = x;
    let path = Path { ttl_s, resolver_floor_s, keepalive_s, stuck_request_s, kept_request_s, error_cache_s };
    let failover = Failover::new(Detection::HealthCheck { interval_s, threshold, checkers }, path);
    failover.predict(ProbeTime::exactly(p)).unwrap().user()
}

proptest! {
    #[test]
    fn the_worst_case_never_falls_when_an_input_rises(
        x in proptest::array::uniform8(0.0_f64..500.0), threshold in 1_u32..10, checkers in 1_u32..65,
        which in 0_usize..9, more in 0.0_f64..500.0
    ) {
        let (mut y, mut f) = (x, threshold);
        match y.get_mut(which) {
            Some(input) => *input += more,
            None => f += 1,
        }
        // Sums of the same numbers in the same order: no tolerance is needed.
        prop_assert!(build(y, f, checkers).worst_s >= build(x, threshold, checkers).worst_s);
    }

    #[test]
    fn best_typical_and_worst_are_in_order(
        x in proptest::array::uniform8(0.0_f64..500.0), threshold in 1_u32..11, checkers in 1_u32..65
    ) {
        let band = build(x, threshold, checkers);
        prop_assert!(band.best_s <= band.typical_s && band.typical_s <= band.worst_s, "{band:?}");
    }

    #[test]
    fn other_regions_of_a_check_move_the_typical_case_only(
        x in proptest::array::uniform8(0.0_f64..500.0), threshold in 1_u32..11, a in 1_u32..65, b in 1_u32..65
    ) {
        let (a, b) = (build(x, threshold, a), build(x, threshold, b));
        prop_assert_eq!((a.best_s, a.nominal_s, a.worst_s), (b.best_s, b.nominal_s, b.worst_s));
    }

    #[test]
    fn recovering_is_never_typically_slower_than_failing(
        interval_s in 1.0_f64..60.0, threshold in 1_u32..11, checkers in 2_u32..65, p in 0.0_f64..10.0,
        period_s in 60.0_f64..600.0, spared in 0_u32..8
    ) {
        let incident = Incident::from(ProbeTime::exactly(p)).affecting(checkers.saturating_sub(spared));
        for detection in [Detection::HealthCheck { interval_s, threshold, checkers }, Detection::cloud_watch(period_s, threshold)] {
            let failover = Failover::new(detection, path(60.0));
            match (failover.predict(incident), failover.recover(incident)) {
                (Ok(down), Ok(up)) => prop_assert!(up.user().typical_s <= down.user().typical_s + 1e-9),
                (down, up) => prop_assert_eq!(down.err(), up.err()),
            }
        }
    }

    #[test]
    fn the_largest_ttl_meets_its_target_exactly(
        interval_s in 1.0_f64..60.0, threshold in 1_u32..11, p in 0.0_f64..10.0, target in 0.0_f64..1_000.0
    ) {
        let vector = v(interval_s, threshold, 0.0).after(5.0, 6.0, 7.0);
        match vector.failover().largest_ttl(ProbeTime::exactly(p), target) {
            Ok(ttl_s) => {
                let path = Path { ttl_s, ..vector.path };
                let band = Vector { path, ..vector }.failover().predict(ProbeTime::exactly(p)).unwrap().user();
                prop_assert!((band.worst_s - target).abs() < 1e-6);
            }
            Err(Infeasible::AtAnyTtl { rest_s, .. }) => prop_assert!(rest_s > target),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    /// The formulas against the thing itself: checkers with random phases that probe an endpoint which fails at time 0.
    #[test]
    fn simulated_checkers_notice_within_the_predicted_band(
        phases in proptest::collection::vec(0.0_f64..1.0, 1..33), threshold in 1_u32..11, p in 0.0_f64..10.0
    ) {
        let (interval_s, checkers) = (10.0, u32::try_from(phases.len()).unwrap());
        // When each checker gives its verdict: probe, wait for the answer, wait for the interval, probe again.
        let mut verdicts: Vec<f64> = phases.iter().map(|phase| {
            let (mut checker, mut now) = (Checker::new(threshold), phase * interval_s);
            loop {
                now += p;
                if checker.probe(false) == Health::Unhealthy {
                    return now;
                }
                now += interval_s;
            }
        }).collect();
        verdicts.sort_by(f64::total_cmp);
        let bad_at = |t: f64| u32::try_from(verdicts.iter().filter(|verdict| **verdict <= t).count()).unwrap();
        let noticed = verdicts.iter().copied().find(|t| {
            aggregate(checkers - bad_at(*t), checkers, HEALTHY_PERCENT) == Health::Unhealthy
        }).expect("all checkers fail in the end");

        let detection = Detection::HealthCheck { interval_s, threshold, checkers };
        let span = Failover::new(detection, path(0.0)).predict(ProbeTime::exactly(p)).unwrap().stages[0].span;
        prop_assert!(span.best_s <= noticed + 1e-9 && noticed <= span.worst_s + 1e-9, "{noticed} {span:?}");
    }
}
