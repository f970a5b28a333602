//! The site with its users, and how a failover is measured.

use std::time::Duration;

use dr_aws::model::timing::{
    Band, Detection, Failover, FailureMode, Incident, Method, OriginTimers, Prediction, ProbeKind, Refusal, Term,
};
use dr_core::{Stack, State};
use dr_sim::{Aws, HealthEvent, Response};

use crate::common::{Disk, Goal, complete, run, shop};

pub(crate) const USER: &str = "https://mysecureapi.example.com/orders";
pub(crate) const ORIGIN: &str = "origin.example.com";
pub(crate) const PRIMARY: &str = "us-east-1";
pub(crate) const STANDBY: &str = "us-west-2";
/// How often a user asks, in seconds: CloudFront keeps a connection to the old region for as long as it is used within five
/// seconds, and no failover is seen through it.
pub(crate) const EVERY_S: f64 = 7.0;

/// The site, deployed, warm, and with its subscriptions confirmed.
pub(crate) struct Scene {
    pub(crate) aws: Aws,
    site: Stack,
    pub(crate) state: State,
}

impl Scene {
    pub(crate) async fn new() -> Scene {
        let (aws, site, disk) = (Aws::new(1), shop(), Disk::new());
        complete(run(&aws, Goal::Deploy, &site, &disk).await).unwrap();
        aws.cloud().with_world(|world| assert_eq!(world.confirm_subscriptions("oncall@example.com"), 2));
        // Instances boot, alarms get data, and no answer of DNS is as fresh as the site.
        aws.advance(Duration::from_secs(300)).await;
        Scene { aws, site, state: disk.state() }
    }

    pub(crate) fn output(&self, address: &str, field: &str) -> String {
        let outputs = self.state.outputs(address).unwrap_or_else(|| panic!("{address} has outputs"));
        outputs[field].as_str().unwrap_or_else(|| panic!("{address} has `{field}`: {outputs}")).to_owned()
    }

    pub(crate) fn instances(&self, region: &str, role: &str) -> Vec<String> {
        (0..2).map(|at| self.output(&format!("{region}/{role}.server[{at}].instance"), "id")).collect()
    }

    pub(crate) async fn user(&self) -> Response {
        self.aws.get(USER).await
    }

    /// The region behind the failover name in DNS, for somebody who has nothing cached.
    pub(crate) fn in_dns(&self) -> Option<String> {
        self.aws.resolve(ORIGIN, PRIMARY).unwrap().1
    }

    /// The model of the program's pair for a kind of failure that all checkers see.
    pub(crate) fn model(&self, mode: FailureMode) -> Result<(Failover, Incident), Refusal> {
        let node = |address: &str| &self.site.get(address).unwrap_or_else(|| panic!("{address} exists")).inputs;
        let check = node("global/primary.health_check");
        let (interval_s, threshold) = (check["interval_s"].as_f64().unwrap(), check["threshold"].as_u64().unwrap());
        let (origin, defaults) = (&node("global/edge.distribution")["origin"], OriginTimers::default());
        let timers = OriginTimers {
            connection_attempts: origin["connection_attempts"].as_u64().unwrap() as u32,
            connection_timeout_s: origin["connection_timeout_s"].as_f64().unwrap(),
            ..defaults
        };
        // 60 s: what an alias to an API domain is cached for, in the model and in the simulator.
        let path = timers.path(60.0, Method::Get, mode);
        let failover = Failover::new(Detection::health_check(interval_s, threshold as u32), path);
        Ok((failover, Incident::seen(ProbeKind::Http, mode)?))
    }

    /// Lets time pass until DNS and then a user's request have moved to a region; seconds for both.
    pub(crate) async fn until_moved(&self, region: &str) -> (f64, f64) {
        let began = self.aws.now_s();
        let (mut flipped, mut next) = (None, began);
        while self.aws.now_s() - began < 600.0 {
            if self.in_dns().as_deref() == Some(region) {
                flipped.get_or_insert(self.aws.now_s() - began);
            }
            // Users and DNS are looked at in turn: a request may hang for half a minute, and DNS does not wait for it.
            if let Some(flipped) = flipped.filter(|_| self.aws.now_s() >= next) {
                let response = self.user().await;
                if response.is_ok() && response.region.as_deref() == Some(region) {
                    return (flipped, self.aws.now_s() - began);
                }
                next = self.aws.now_s() + EVERY_S;
            }
            self.aws.advance(Duration::from_secs(1)).await;
        }
        let events = self.aws.events();
        let last: Vec<_> = events.iter().rev().take(12).collect();
        panic!("nothing moved to {region} within ten minutes; DNS at {flipped:?}; {}; {last:#?}", self.user().await);
    }

    pub(crate) fn changes(&self, since: usize, healthy_is: bool) -> usize {
        let changed = |event: &&HealthEvent| matches!(event, HealthEvent::StatusChanged { healthy, .. } if *healthy == healthy_is);
        self.aws.events().iter().skip(since).filter(changed).count()
    }
}

/// Until DNS answers differently for those who have nothing cached.
pub(crate) fn noticed(prediction: &Prediction) -> Band {
    let stages = prediction.stages.iter().filter(|stage| matches!(stage.term, Term::Detection | Term::Publication));
    stages.fold(Band { best_s: 0.0, typical_s: 0.0, nominal_s: None, worst_s: 0.0 }, |sum, stage| Band {
        best_s: sum.best_s + stage.span.best_s,
        typical_s: sum.typical_s + stage.span.typical_s,
        nominal_s: None,
        worst_s: sum.worst_s + stage.span.worst_s,
    })
}

/// A measurement is taken every so many seconds.
pub(crate) fn assert_within(what: &str, measured_s: f64, band: Band, every_s: f64) {
    println!("{what}: {measured_s:.1} s, predicted {:.1} … {:.1} … {:.1} s", band.best_s, band.typical_s, band.worst_s);
    assert!((band.best_s..=band.worst_s + every_s).contains(&measured_s), "{what}: {measured_s} s, {band:?}");
}

/// The primary breaks and recovers; DNS and users move there and back within what the model says.
/// `mend` says how many seconds it may take until the region works.
pub(crate) async fn moves_and_returns(
    scene: &Scene,
    mode: FailureMode,
    break_it: impl AsyncFn(&Scene),
    mend: impl AsyncFn(&Scene) -> f64,
) {
    let before = scene.user().await;
    assert_eq!((before.status, before.region.as_deref()), (200, Some(PRIMARY)), "{before}");
    let seen = scene.aws.events().len();
    let (failover, incident) = scene.model(mode).unwrap();
    break_it(scene).await;
    let (dns, user) = scene.until_moved(STANDBY).await;
    let prediction = failover.predict(incident).unwrap();
    assert_within(&format!("{mode}: DNS moves"), dns, noticed(&prediction), 1.0);
    assert_within(&format!("{mode}: users are served by the standby"), user, prediction.user(), EVERY_S);
    assert_eq!(scene.changes(seen, false), 1, "the primary's check is red, and only that");

    let seen = scene.aws.events().len();
    let later_s = mend(scene).await;
    let (dns, user) = scene.until_moved(PRIMARY).await;
    let prediction = failover.recover(incident).unwrap();
    assert_within(&format!("{mode}: DNS comes back"), dns, noticed(&prediction), 1.0 + later_s);
    assert_within(&format!("{mode}: users are back"), user, prediction.user(), EVERY_S + later_s);
    assert_eq!(scene.changes(seen, true), 1);
}

pub(crate) async fn healed(scene: &Scene) -> f64 {
    scene.aws.heal();
    0.0
}
