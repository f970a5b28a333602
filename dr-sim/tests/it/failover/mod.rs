//! Failovers of the deployed two-region site, measured and compared with what the model predicts from the program's settings.
//!
//! Here each kind of failure with its way back; `fixtures` holds a table of incidents, and `outages` those of control planes.
#![expect(clippy::print_stdout, reason = "what is measured is printed, and never asserted")]

mod fixtures;
mod outages;
mod scene;

use std::time::Duration;

use dr_aws::model::timing::{FailureMode, Incident, Standby};
use dr_sim::{DataFault, HealthEvent, Part};
use scene::{EVERY_S, PRIMARY, STANDBY, Scene, USER, assert_within, healed, moves_and_returns};

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

/// The connection was used a moment ago, so the request waits for an answer first and then for another connection.
#[tokio::test]
async fn a_request_over_a_kept_connection_hangs_for_as_long_as_the_model_says() {
    let scene = Scene::new().await;
    let (failover, _) = scene.model(FailureMode::ConnectBlackHole).unwrap();
    assert!(scene.user().await.is_ok());
    scene.aws.fail_region(PRIMARY);
    let began = scene.aws.now_s();
    let response = scene.user().await;
    let (hung, kept) = (scene.aws.now_s() - began, failover.path.kept_request_s);
    assert_eq!(response.status, 504);
    assert!(kept > failover.path.stuck_request_s && (kept..kept + 1.0).contains(&hung), "{hung} s, {kept} s");
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
    let failover = failover.standby(Standby::Unhealthy);
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
