//! Outages in which the primary region loses its control planes too, and with `us-east-1` those of IAM, Route 53 and CloudFront:
//! <https://aws.amazon.com/message/12721/> and <https://aws.amazon.com/message/101925/>. What was there before goes on; what has
//! to be called first does not.

use std::time::Duration;

use aws_sdk_cloudwatch::types::{ComparisonOperator, Statistic};
use aws_sdk_ec2::error::ProvideErrorMetadata as _;
use aws_sdk_route53::error::SdkError;
use aws_sdk_route53::operation::change_resource_record_sets::ChangeResourceRecordSetsError;
use aws_sdk_route53::types::{ResourceRecordSet, ResourceRecordSetFailover};
use dr_aws::model::timing::{Failover, FailureMode, Never, Refusal, Signal};
use dr_sim::{DataFault, Fault, Request, Target};

use crate::failover::fixtures::{pair, upsert};
use crate::failover::scene::{EVERY_S, PRIMARY, STANDBY, Scene, assert_within, noticed};

const MINUTE: Duration = Duration::from_secs(60);
/// The Route 53 APIs on the 7th of December 2021.
const SEVEN_HOURS: Duration = Duration::from_secs(7 * 3600);

/// The region answers nobody, and takes no calls for seven hours.
fn lose_everything(scene: &Scene) {
    scene.aws.fail_region(PRIMARY);
    let now_ms = scene.aws.cloud().clock().now_ms();
    scene.aws.cloud().faults().region_away(PRIMARY, now_ms, now_ms + SEVEN_HOURS.as_millis() as u64);
}

/// A record edit that would send everybody to the standby.
async fn by_hand(scene: &Scene, edited: &[ResourceRecordSet]) -> Result<(), SdkError<ChangeResourceRecordSetsError>> {
    let change = scene.aws.clients().route53().change_resource_record_sets();
    let change = change.hosted_zone_id(scene.output("global/zone", "id")).change_batch(upsert(edited.to_vec()));
    scene.aws.drive(change.send()).await.map(drop)
}

fn assert_away<E: std::fmt::Debug>(refused: &SdkError<E>) {
    let timed_out = matches!(refused, SdkError::DispatchFailure(failure) if failure.is_timeout());
    assert!(timed_out, "the control plane is away: {refused:?}");
}

/// The records of the primary with the targets of the standby.
async fn edited(scene: &Scene) -> Vec<ResourceRecordSet> {
    let (primary, secondary): (Vec<_>, Vec<_>) =
        pair(scene).await.into_iter().partition(|set| set.failover() == Some(&ResourceRecordSetFailover::Primary));
    let target = |kind: &_| secondary.iter().find(|set| set.r#type() == kind).expect("a pair").alias_target.clone();
    let moved = primary.into_iter().map(|mut set| {
        set.alias_target = target(set.r#type());
        set
    });
    moved.collect()
}

/// F09. A health check needs no control plane: users move as in any other loss of the region. Records cannot be edited for as
/// long as it lasts. The alarm in `us-east-1` comes when it is over; a second chain in the standby region, a canary that asks
/// the primary, tells people at once.
#[tokio::test]
async fn without_the_control_planes_of_us_east_1_dns_moves_and_nothing_can_be_edited() {
    let scene = Scene::new().await;
    let edited = edited(&scene).await;
    let topic = scene.output("us-west-2/notifier.own_topic", "arn");
    let alarm = scene.aws.clients().cloudwatch(STANDBY).put_metric_alarm().alarm_name("canary").namespace("Canary");
    let alarm =
        alarm.metric_name("Failed").statistic(Statistic::Maximum).period(60).evaluation_periods(2).threshold(1.0);
    let alarm = alarm.comparison_operator(ComparisonOperator::GreaterThanOrEqualToThreshold).alarm_actions(&topic);
    scene.aws.drive(alarm.send()).await.unwrap();
    canary(&scene, 5).await;
    let (failover, incident) = scene.model(FailureMode::ConnectBlackHole).unwrap();
    let prediction = failover.predict(incident).unwrap();
    let told = scene.aws.messages().len();

    lose_everything(&scene);
    let began_s = scene.aws.now_s();
    let (dns, user) = scene.until_moved(STANDBY).await;
    assert_within("F09 without control planes: DNS", dns, noticed(&prediction), 1.0);
    assert_within("F09 without control planes: users", user, prediction.user(), EVERY_S);

    canary(&scene, 5).await;
    let messages = scene.aws.messages().split_off(told);
    let from = |region: &str, subject: &str| {
        let messages = messages.iter().filter(|message| message.topic.contains(region));
        messages.filter(|message| message.subject.starts_with(subject)).count()
    };
    assert_eq!(from(STANDBY, "ALARM: \"canary\""), 1, "{messages:?}");
    assert_eq!(from(PRIMARY, ""), 0, "{messages:?}");

    // Every hour somebody tries to do by hand what has happened by itself.
    while scene.aws.now_s() - began_s < SEVEN_HOURS.as_secs_f64() - 3600.0 {
        assert_away(&by_hand(&scene, &edited).await.expect_err("the control plane is away"));
        scene.aws.advance(60 * MINUTE).await;
    }
    assert_eq!(scene.user().await.region.as_deref(), Some(STANDBY));
    let left_s = SEVEN_HOURS.as_secs_f64() - (scene.aws.now_s() - began_s);
    scene.aws.advance(Duration::from_secs_f64(left_s.max(0.0))).await;
    scene.aws.heal();
    let healed_ms = scene.aws.cloud().clock().now_ms();
    scene.aws.advance(3 * MINUTE).await;
    let messages = scene.aws.messages().split_off(told);
    let late =
        messages.iter().find(|message| message.topic.contains(PRIMARY) && message.subject.contains("alarm-primary"));
    let late = late.unwrap_or_else(|| panic!("the first chain says it in the end: {messages:?}"));
    assert!(late.subject.starts_with("ALARM: ") && late.at_ms >= healed_ms, "{late:?}");
    by_hand(&scene, &edited).await.expect("it is over");
}

/// A program in the standby region asks the primary's API each minute and writes down whether it answered.
async fn canary(scene: &Scene, minutes: u32) {
    let url = scene.output("us-east-1/primary.api", "endpoint");
    for _ in 0..minutes {
        let response = scene.aws.request(&Request::get(&url).from(STANDBY)).await;
        scene.aws.put_metric(STANDBY, "Canary", "Failed", &[], f64::from(u8::from(!response.is_ok())));
        scene.aws.advance(MINUTE.saturating_sub(Duration::from_millis(response.took_ms))).await;
    }
}

/// F10. The same day, with a runbook that edits the record: users wait for the control plane, which the model says beforehand
/// by giving no time. The check of the primary is disabled, because somebody wanted to decide by hand.
#[tokio::test]
async fn a_runbook_that_edits_records_waits_for_the_control_plane() {
    let scene = Scene::new().await;
    let edited = edited(&scene).await;
    let (route53, check) = (scene.aws.clients().route53(), scene.output("global/primary.health_check", "id"));
    let disable = route53.update_health_check().health_check_id(&check).disabled(true).send();
    scene.aws.drive(disable).await.unwrap();
    let (failover, incident) = scene.model(FailureMode::ConnectBlackHole).unwrap();
    let by_itself = Failover::new(Signal::Disabled, failover.path);
    assert_eq!(by_itself.predict(incident), Err(Refusal::Never(Never::CheckDisabled)));

    lose_everything(&scene);
    let began_s = scene.aws.now_s();
    let mut tries = 0;
    while let Err(refused) = by_hand(&scene, &edited).await {
        assert_away(&refused);
        // The other lever is in the same region.
        let invert = route53.update_health_check().health_check_id(&check).inverted(true).send();
        assert_away(&scene.aws.drive(invert).await.expect_err("the control plane is away"));
        let user = scene.user().await;
        assert_eq!((user.status, user.region.as_deref()), (504, Some(PRIMARY)), "{user}");
        tries += 1;
        scene.aws.advance(30 * MINUTE).await;
    }
    let waited_s = scene.aws.now_s() - began_s;
    println!("F10 a record edited by hand: {tries} tries, {waited_s:.0} s");
    assert!(tries > 10 && waited_s >= SEVEN_HOURS.as_secs_f64(), "{tries} tries in {waited_s} s");
    scene.until_moved(STANDBY).await;
}

/// F11. No instance can be launched in the primary, whose servers are gone: the standby is warm and needs none, nor any other
/// call, neither by the failover nor by who waits for it.
#[tokio::test]
async fn a_warm_standby_needs_no_launch_and_no_call() {
    let scene = Scene::new().await;
    // The load balancer waits for servers that are gone for longer than the checkers wait for it.
    let (failover, incident) = scene.model(FailureMode::NoStatusLine).unwrap();
    let (prediction, seen) = (failover.predict(incident).unwrap(), scene.aws.events().len());
    let now_ms = scene.aws.cloud().clock().now_ms();
    // On the 20th of October 2025 it took 8 h 11 min.
    let refusal = Fault::refuse("InsufficientInstanceCapacity", 500);
    let launches = Target::operation("EC2", "RunInstances").in_region(PRIMARY);
    scene.aws.cloud().faults().between(launches, now_ms, now_ms + 29_460_000, refusal);
    for instance in scene.instances(PRIMARY, "primary") {
        scene.aws.fail(DataFault::InstanceDown { instance });
    }
    scene.aws.cloud().clear_calls();
    let (dns, user) = scene.until_moved(STANDBY).await;
    assert_eq!(scene.aws.cloud().calls(), [], "nobody has called anything");
    assert_within("F11 no launches in the primary: DNS", dns, noticed(&prediction), 1.0);
    assert_within("F11 no launches in the primary: users", user, prediction.user(), EVERY_S);

    // To mend the primary by new servers is no recovery plan.
    let ec2 = scene.aws.clients().ec2(PRIMARY);
    let launch = ec2.run_instances().min_count(1).max_count(1).image_id("ami-0123456789abcdef0").send();
    let refused = scene.aws.drive(launch).await.expect_err("there is no capacity");
    assert_eq!(refused.code(), Some("InsufficientInstanceCapacity"));
    assert_eq!(scene.changes(seen, false), 1, "the primary's check, once");
}
