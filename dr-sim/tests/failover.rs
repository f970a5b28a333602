//! Failovers of the deployed two-region site, measured and compared with what the model predicts from the program's settings.
#![expect(clippy::print_stdout, reason = "what is measured is printed, and never asserted")]

mod common;

use std::time::Duration;

use common::{Disk, Goal, complete, run, shop};
use dr_aws::model::timing::{
    Band, Detection, Failover, FailureMode, Incident, Method, OriginTimers, Prediction, ProbeKind, Refusal, Term,
};
use dr_core::{Stack, State};
use dr_sim::{Aws, DataFault, HealthEvent, Part, Response};

const USER: &str = "https://mysecureapi.example.com/orders";
const ORIGIN: &str = "origin.example.com";
const PRIMARY: &str = "us-east-1";
const STANDBY: &str = "us-west-2";
/// How often a user asks, in seconds: CloudFront keeps a connection to the old region for as long as it is used within five
/// seconds, and no failover is seen through it.
const EVERY_S: f64 = 7.0;

/// The site, deployed, warm, and with its subscriptions confirmed.
struct Scene {
    aws: Aws,
    site: Stack,
    state: State,
}

impl Scene {
    async fn new() -> Scene {
        let (aws, site, disk) = (Aws::new(1), shop(), Disk::new());
        complete(run(&aws, Goal::Deploy, &site, &disk).await).unwrap();
        aws.cloud().with_world(|world| assert_eq!(world.confirm_subscriptions("oncall@example.com"), 2));
        // Instances boot, alarms get data, and no answer of DNS is as fresh as the site.
        aws.advance(Duration::from_secs(300)).await;
        Scene { aws, site, state: disk.state() }
    }

    fn output(&self, address: &str, field: &str) -> String {
        let outputs = self.state.outputs(address).unwrap_or_else(|| panic!("{address} has outputs"));
        outputs[field].as_str().unwrap_or_else(|| panic!("{address} has `{field}`: {outputs}")).to_owned()
    }

    fn instances(&self, region: &str, role: &str) -> Vec<String> {
        (0..2).map(|at| self.output(&format!("{region}/{role}.server[{at}].instance"), "id")).collect()
    }

    async fn user(&self) -> Response {
        self.aws.get(USER).await
    }

    /// The region behind the failover name in DNS, for somebody who has nothing cached.
    fn in_dns(&self) -> Option<String> {
        self.aws.resolve(ORIGIN, PRIMARY).unwrap().1
    }

    /// The model of the program's pair for a kind of failure that all checkers see.
    fn model(&self, mode: FailureMode) -> Result<(Failover, Incident), Refusal> {
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
    async fn until_moved(&self, region: &str) -> (f64, f64) {
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

    fn changes(&self, since: usize, healthy_is: bool) -> usize {
        let changed = |event: &&HealthEvent| matches!(event, HealthEvent::StatusChanged { healthy, .. } if *healthy == healthy_is);
        self.aws.events().iter().skip(since).filter(changed).count()
    }
}

/// Until DNS answers differently for those who have nothing cached.
fn noticed(prediction: &Prediction) -> Band {
    let stages = prediction.stages.iter().filter(|stage| matches!(stage.term, Term::Detection | Term::Publication));
    stages.fold(Band { best_s: 0.0, typical_s: 0.0, nominal_s: None, worst_s: 0.0 }, |sum, stage| Band {
        best_s: sum.best_s + stage.span.best_s,
        typical_s: sum.typical_s + stage.span.typical_s,
        nominal_s: None,
        worst_s: sum.worst_s + stage.span.worst_s,
    })
}

/// A measurement is taken every so many seconds.
fn assert_within(what: &str, measured_s: f64, band: Band, every_s: f64) {
    println!("{what}: {measured_s:.1} s, predicted {:.1} … {:.1} … {:.1} s", band.best_s, band.typical_s, band.worst_s);
    assert!((band.best_s..=band.worst_s + every_s).contains(&measured_s), "{what}: {measured_s} s, {band:?}");
}

/// The primary breaks and recovers; DNS and users move there and back within what the model says.
/// `mend` says how many seconds it may take until the region works.
async fn moves_and_returns(
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

async fn healed(scene: &Scene) -> f64 {
    scene.aws.heal();
    0.0
}

#[tokio::test]
async fn the_site_answers_in_each_region_and_through_cloudfront() {
    let scene = Scene::new().await;
    for (region, role) in [(PRIMARY, "primary"), (STANDBY, "standby")] {
        let endpoint = scene.output(&format!("{region}/{role}.api"), "endpoint");
        let response = scene.aws.get(&endpoint).await;
        assert_eq!((response.status, response.region.as_deref()), (200, Some(region)), "{response}");
        assert_eq!(response.body.trim(), format!("shop in {region}"));
        for part in [Part::VpcLink, Part::LoadBalancer, Part::Instance] {
            assert!(response.through(part).is_some(), "{response}");
        }
    }
    let response = scene.user().await;
    assert_eq!((response.status, response.body.trim()), (200, "shop in us-east-1"), "{response}");
    assert!(response.through(Part::CloudFront).is_some(), "{response}");
    // Nobody reaches the servers past the API.
    let alb = scene.output("us-east-1/primary.alb.balancer", "dns_name");
    assert!(!scene.aws.get(&format!("http://{alb}/")).await.is_ok(), "the load balancer is internal");
}

#[tokio::test]
async fn a_lost_region_moves_users_to_the_standby_and_back() {
    let scene = Scene::new().await;
    let break_it = async |scene: &Scene| scene.aws.fail_region(PRIMARY);
    moves_and_returns(&scene, FailureMode::ConnectBlackHole, break_it, healed).await;
}

#[tokio::test]
async fn hung_servers_move_users_to_the_standby_and_back() {
    let scene = Scene::new().await;
    let break_it = async |scene: &Scene| {
        for instance in scene.instances(PRIMARY, "primary") {
            scene.aws.fail(DataFault::InstanceHung { instance });
        }
    };
    moves_and_returns(&scene, FailureMode::NoStatusLine, break_it, healed).await;
}

/// Also: an alarm goes off and its message reaches the subscriber, and another when all is well.
#[tokio::test]
async fn a_bad_build_moves_users_to_the_standby_and_back_and_tells_people() {
    let scene = Scene::new().await;
    let sent = scene.aws.messages().len();
    let break_it = async |scene: &Scene| {
        for instance in scene.instances(PRIMARY, "primary") {
            scene.aws.fail(DataFault::InstanceAnswers { instance, status: 500 });
        }
    };
    let mend = async |scene: &Scene| {
        scene.aws.advance(Duration::from_secs(300)).await;
        let messages = scene.aws.messages();
        let alarm = messages[sent..].iter().find(|message| message.subject.starts_with("ALARM: "));
        let alarm = alarm.unwrap_or_else(|| panic!("an alarm was sent: {messages:?}"));
        assert_eq!((alarm.protocol.as_str(), alarm.endpoint.as_str()), ("email", "oncall@example.com"));
        assert!(alarm.subject.contains("alarm-primary"), "{}", alarm.subject);
        healed(scene).await
    };
    moves_and_returns(&scene, FailureMode::ErrorStatus, break_it, mend).await;
    scene.aws.advance(Duration::from_secs(300)).await;
    let states: Vec<(String, String)> = scene
        .aws
        .events()
        .into_iter()
        .filter_map(|event| match event {
            HealthEvent::AlarmChanged { name, state, .. } if name.contains("alarm-primary") => Some((name, state)),
            _ => None,
        })
        .collect();
    let last = states.iter().rev().map(|(_, state)| state.as_str()).take(2).collect::<Vec<_>>();
    assert_eq!(last, ["OK", "ALARM"], "{states:?}");
}

#[tokio::test]
async fn a_load_balancer_without_targets_moves_users_to_the_standby_and_back() {
    let scene = Scene::new().await;
    let group = scene.output("us-east-1/primary.alb.targets", "arn");
    let targets: Vec<_> = scene
        .instances(PRIMARY, "primary")
        .iter()
        .map(|id| aws_sdk_elasticloadbalancingv2::types::TargetDescription::builder().id(id).build())
        .collect();
    let elb = scene.aws.clients().elbv2(PRIMARY);
    let break_it = async |scene: &Scene| {
        let call = elb.deregister_targets().target_group_arn(&group).set_targets(Some(targets.clone()));
        scene.aws.drive(call.send()).await.unwrap();
    };
    let mend = async |scene: &Scene| {
        let call = elb.register_targets().target_group_arn(&group).set_targets(Some(targets.clone()));
        scene.aws.drive(call.send()).await.unwrap();
        // Two good health checks of the load balancer, ten seconds apart: until then the region may be as broken as before.
        20.0
    };
    moves_and_returns(&scene, FailureMode::ErrorStatus, break_it, mend).await;
}

/// Too few checkers see it: DNS does not move, and the model refuses to predict for the same reason.
#[tokio::test]
async fn a_gray_failure_moves_nobody_and_the_model_says_so() {
    let scene = Scene::new().await;
    let fault = DataFault::PathLost { region: PRIMARY.into(), checkers: 12, places: vec!["eu-west-1".into()] };
    scene.aws.fail(fault);
    scene.aws.advance(Duration::from_secs(900)).await;
    assert_eq!(scene.in_dns().as_deref(), Some(PRIMARY));
    assert_eq!(scene.user().await.status, 200, "those who are not affected");
    let affected = scene.aws.request(&dr_sim::Request::get(USER).from("eu-west-1")).await;
    assert!(!affected.is_ok(), "those who are: {affected}");
    let (failover, incident) = scene.model(FailureMode::ConnectBlackHole).unwrap();
    let incident = Incident { affected_checkers: Some(12), ..incident };
    assert!(failover.predict(incident).is_err());
    // One checker more than 82 % of them, and it is a failover.
    scene.aws.fail(DataFault::PathLost { region: PRIMARY.into(), checkers: 14, places: Vec::new() });
    scene.until_moved(STANDBY).await;
}

#[tokio::test]
async fn with_both_regions_bad_dns_answers_the_primary() {
    let scene = Scene::new().await;
    for instance in [scene.instances(PRIMARY, "primary"), scene.instances(STANDBY, "standby")].concat() {
        scene.aws.fail(DataFault::InstanceAnswers { instance, status: 500 });
    }
    scene.aws.advance(Duration::from_secs(300)).await;
    assert_eq!(scene.in_dns().as_deref(), Some(PRIMARY));
    let response = scene.user().await;
    assert_eq!((response.status, response.region.as_deref()), (500, Some(PRIMARY)), "{response}");
    let (failover, incident) = scene.model(FailureMode::ErrorStatus).unwrap();
    let failover = failover.standby(dr_aws::model::timing::Standby::Unhealthy);
    assert!(failover.predict(incident).is_err());
}

/// VPC links fall asleep after 60 days without traffic; the probes of the health check are traffic.
#[tokio::test]
async fn probes_keep_the_standby_awake_for_months() {
    let scene = Scene::new().await;
    let link = scene.output("us-west-2/standby.link", "id");
    scene.aws.advance(Duration::from_secs(61 * 86_400)).await;
    let api = scene.aws.clients().apigatewayv2(STANDBY);
    let read = scene.aws.drive(api.get_vpc_link().vpc_link_id(link).send()).await.unwrap();
    assert_eq!(read.vpc_link_status().map(|status| status.as_str()), Some("AVAILABLE"));
    scene.aws.fail_region(PRIMARY);
    let (failover, incident) = scene.model(FailureMode::ConnectBlackHole).unwrap();
    let (_, user) = scene.until_moved(STANDBY).await;
    assert_within("after 61 quiet days", user, failover.predict(incident).unwrap().user(), EVERY_S);
}
