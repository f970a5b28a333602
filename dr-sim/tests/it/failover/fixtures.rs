//! Incidents of a two-region site in one table: what the model says of each before it happens, and what happens.
//!
//! Where the model gives a time, DNS and users move within it. Where it refuses, nothing moves, for longer than any failover
//! takes. What breaks past the eyes of the checkers is an incident of no checker for the model.

use std::time::Duration;

use aws_sdk_cloudfront::types::{OriginProtocolPolicy, ViewerProtocolPolicy};
use aws_sdk_ec2::types::{PortRange, RuleAction};
use aws_sdk_elasticloadbalancingv2::types::TargetDescription;
use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, HealthCheckConfig, HealthCheckType, ResourceRecordSet, ResourceRecordSetFailover,
};
use dr_aws::model::timing::{Failover, FailureMode, Never, Prediction, ProbeKind, Refusal, Signal, Span, Standby};
use dr_sim::{DataFault, Health, Request, Service};

use crate::failover::scene::{EVERY_S, ORIGIN, PRIMARY, STANDBY, Scene, assert_within, noticed};

/// The managed origin request policy AllViewer.
const ALL_VIEWER: &str = "216adef6-5c7f-47e4-b989-5492eafa07d3";

/// What happens to DNS, and what users get when it has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// DNS and users move to the standby.
    Moves,
    /// DNS moves, and users get this status from the standby.
    MovesTo(u16),
    /// DNS stays, and users get this status from the primary.
    Stays(u16),
    /// DNS comes and goes.
    Flaps,
    /// Nobody knows.
    Undefined,
}

use Outcome::{Flaps, Moves, MovesTo, Stays, Undefined};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    NoTargets,
    HungServers,
    LostRegion,
    GrayFailure,
    BothBad,
    StandbyLinkAsleep,
    StandbyLinkAsleepAndRed,
    ExpiredCertificate,
    PrimaryUnchecked,
    CheckOfTheRecordItself,
    CheckDisabled,
    ViewerHostForwarded,
    Flapping,
    StandbyCertificateBad,
    ViewersUseHttp,
    StandbyCannotAnswer,
    LostZone,
}

/// F09 to F11 are in `outages`.
const TABLE: [(&str, Case, Outcome); 17] = [
    ("F01 all targets are deregistered in the primary", Case::NoTargets, Moves),
    ("F02 the servers of the primary hang", Case::HungServers, Moves),
    ("F03 the primary region cannot be reached", Case::LostRegion, Moves),
    ("F04 twelve of sixteen checkers lose the path", Case::GrayFailure, Stays(200)),
    ("F05 a bad build in both regions", Case::BothBad, Stays(500)),
    ("F06 the VPC link of the standby sleeps, its record has no check", Case::StandbyLinkAsleep, Moves),
    ("F07 the VPC link of the standby sleeps, its check is red", Case::StandbyLinkAsleepAndRed, Stays(504)),
    ("F08 the certificate of the primary has expired", Case::ExpiredCertificate, Stays(502)),
    ("F12 the record of the primary has no check", Case::PrimaryUnchecked, Stays(504)),
    ("F13 the check probes the failover name", Case::CheckOfTheRecordItself, Undefined),
    ("F14 the check of the primary is disabled", Case::CheckDisabled, Stays(504)),
    ("F15 CloudFront forwards the viewer's Host", Case::ViewerHostForwarded, Stays(403)),
    ("F16 the primary comes back for 25 s of each minute", Case::Flapping, Flaps),
    ("F17 the certificate of the standby is no good", Case::StandbyCertificateBad, MovesTo(502)),
    ("F18 match-viewer and allow-all, and viewers use HTTP", Case::ViewersUseHttp, Stays(502)),
    ("F19 an ACL of the standby keeps answers in", Case::StandbyCannotAnswer, Stays(504)),
    ("F20 one of the primary's zones is lost", Case::LostZone, Stays(200)),
];

#[tokio::test]
async fn what_happens_is_what_the_model_says() {
    for (name, case, outcome) in TABLE {
        let scene = Scene::new().await;
        case.arrange(&scene).await;
        let (predicted, seen) = (case.predict(&scene), scene.aws.events().len());
        case.strike(&scene).await;
        match (outcome, predicted) {
            (Moves, Ok(prediction)) => {
                let (dns, user) = scene.until_moved(STANDBY).await;
                assert_within(&format!("{name}: DNS"), dns, noticed(&prediction), 1.0);
                assert_within(&format!("{name}: users"), user, prediction.overall(), EVERY_S);
            }
            (MovesTo(status), Ok(prediction)) => {
                let dns = until_in_dns(&scene, STANDBY).await;
                assert_within(&format!("{name}: DNS"), dns, noticed(&prediction), 1.0);
                scene.aws.advance(Duration::from_secs(120)).await;
                assert_user(name, &scene, case, status, STANDBY).await;
            }
            (Stays(status), Err(refusal)) => {
                println!("{name}: {refusal}");
                assert_eq!(Some(refusal), case.refusal(), "{name}");
                for _ in 0..15 {
                    scene.aws.advance(Duration::from_secs(60)).await;
                    assert_eq!(scene.in_dns().as_deref(), Some(PRIMARY), "{name}");
                }
                assert_user(name, &scene, case, status, PRIMARY).await;
            }
            (Flaps, Ok(_)) => {
                let (red, green) = (scene.changes(seen, false), scene.changes(seen, true));
                println!("{name}: red {red} times in six minutes, green {green} times");
                assert!(red >= 4 && green >= 4, "{name}: red {red} times, green {green} times");
            }
            (Undefined, Err(refusal)) => {
                assert_eq!(Some(refusal), case.refusal(), "{name}");
                let undefined = scene.aws.cloud().with_world(|world| Health::undefined(world));
                assert!(undefined.len() == 1 && undefined[0].1.contains(ORIGIN), "{name}: {undefined:?}");
            }
            (outcome, predicted) => panic!("{name}: {outcome:?} is expected, and the model says {predicted:?}"),
        }
    }
}

impl Case {
    /// Before anything happens.
    async fn arrange(self, scene: &Scene) {
        let check = |role: &str| scene.output(&format!("global/{role}.health_check"), "id");
        match self {
            Case::StandbyLinkAsleep => fall_asleep(scene, None).await,
            Case::StandbyLinkAsleepAndRed => {
                let red = health_check(scene, "nowhere.example.com").await;
                fall_asleep(scene, Some(red)).await;
            }
            Case::PrimaryUnchecked => set_check(scene, ResourceRecordSetFailover::Primary, None).await,
            Case::CheckOfTheRecordItself => {
                let own = health_check(scene, ORIGIN).await;
                set_check(scene, ResourceRecordSetFailover::Primary, Some(own)).await;
            }
            Case::CheckDisabled => {
                let update = scene.aws.clients().route53().update_health_check().health_check_id(check("primary"));
                scene.aws.drive(update.disabled(true).send()).await.unwrap();
            }
            Case::StandbyCertificateBad => {
                let certificate = scene.output("us-west-2/certificate.request", "arn");
                scene.aws.fail(DataFault::CertificateExpired { certificate });
            }
            Case::StandbyCannotAnswer => keep_answers_in(scene).await,
            _ => {}
        }
        scene.aws.advance(Duration::from_secs(120)).await;
        let red = if self == Case::StandbyCannotAnswer { Some(check("standby")) } else { None };
        for role in ["primary", "standby"].map(check) {
            let healthy = scene.aws.cloud().with_world(|world| Health::is_healthy(world, &role));
            assert_eq!(healthy, Some(&role) != red.as_ref(), "{self:?}: before anything happens");
        }
    }

    async fn strike(self, scene: &Scene) {
        let each = |role: &str, region: &str, fault: fn(String) -> DataFault| {
            scene.instances(region, role).into_iter().for_each(|instance| scene.aws.fail(fault(instance)));
        };
        match self {
            Case::NoTargets => {
                let targets = scene.instances(PRIMARY, "primary");
                let targets = targets.iter().map(|id| TargetDescription::builder().id(id).build()).collect();
                let elb = scene.aws.clients().elbv2(PRIMARY);
                let call =
                    elb.deregister_targets().target_group_arn(scene.output("us-east-1/primary.alb.targets", "arn"));
                scene.aws.drive(call.set_targets(Some(targets)).send()).await.unwrap();
            }
            Case::HungServers => each("primary", PRIMARY, |instance| DataFault::InstanceHung { instance }),
            Case::GrayFailure => {
                let places = vec!["eu-west-1".into()];
                scene.aws.fail(DataFault::PathLost { region: PRIMARY.into(), checkers: 12, places });
            }
            Case::BothBad => {
                each("primary", PRIMARY, |instance| DataFault::InstanceAnswers { instance, status: 500 });
                each("standby", STANDBY, |instance| DataFault::InstanceAnswers { instance, status: 500 });
            }
            Case::ExpiredCertificate => {
                let certificate = scene.output("us-east-1/certificate.request", "arn");
                scene.aws.fail(DataFault::CertificateExpired { certificate });
            }
            Case::ViewerHostForwarded => {
                edit_distribution(scene, |config| {
                    let behavior = config.default_cache_behavior.as_mut().expect("every distribution has one");
                    behavior.origin_request_policy_id = Some(ALL_VIEWER.into());
                })
                .await;
            }
            Case::ViewersUseHttp => {
                edit_distribution(scene, |config| {
                    let behavior = config.default_cache_behavior.as_mut().expect("every distribution has one");
                    behavior.viewer_protocol_policy = ViewerProtocolPolicy::AllowAll;
                    for origin in config.origins.iter_mut().flat_map(|origins| origins.items.iter_mut()) {
                        let custom = origin.custom_origin_config.as_mut().expect("an API is a custom origin");
                        custom.origin_protocol_policy = OriginProtocolPolicy::MatchViewer;
                    }
                })
                .await;
            }
            Case::Flapping => {
                for _ in 0..6 {
                    scene.aws.fail(DataFault::ServiceAway { region: PRIMARY.into(), service: Service::ApiGateway });
                    scene.aws.advance(Duration::from_secs(35)).await;
                    scene.aws.heal();
                    scene.aws.advance(Duration::from_secs(25)).await;
                }
            }
            Case::LostZone => {
                let ec2 = scene.aws.clients().ec2(PRIMARY);
                let find = ec2.describe_instances().instance_ids(&scene.instances(PRIMARY, "primary")[0]).send();
                let found = scene.aws.drive(find).await.unwrap();
                let place = found.reservations()[0].instances()[0].placement().expect("an instance is somewhere");
                let zone = place.availability_zone().expect("in a zone").to_owned();
                scene.aws.fail(DataFault::ZoneAway { zone });
            }
            _ => scene.aws.fail_region(PRIMARY),
        }
    }

    fn predict(self, scene: &Scene) -> Result<Prediction, Refusal> {
        let mode = match self {
            Case::NoTargets | Case::BothBad | Case::Flapping => FailureMode::ErrorStatus,
            Case::HungServers => FailureMode::NoStatusLine,
            Case::ExpiredCertificate => FailureMode::BadCertificate,
            _ => FailureMode::ConnectBlackHole,
        };
        let (failover, incident) = scene.model(mode)?;
        match self {
            // Estimates of what "a few minutes" are for a VPC link to be there again; the request wakes it up.
            Case::StandbyLinkAsleep => failover
                .standby(Standby::Unchecked)
                .with_extra("the VPC link wakes up", Span::new(60.0, 150.0, 300.0))
                .predict(incident),
            Case::BothBad | Case::StandbyLinkAsleepAndRed | Case::StandbyCannotAnswer => {
                failover.standby(Standby::Unhealthy).predict(incident)
            }
            Case::GrayFailure => failover.predict(incident.affecting(12)),
            Case::ViewerHostForwarded | Case::ViewersUseHttp | Case::LostZone => {
                failover.predict(incident.affecting(0))
            }
            Case::PrimaryUnchecked => Failover::new(Signal::ServiceOnly, failover.path).predict(incident),
            Case::CheckDisabled => Failover::new(Signal::Disabled, failover.path).predict(incident),
            Case::CheckOfTheRecordItself => failover.probing(ORIGIN, ORIGIN).predict(incident),
            _ => failover.predict(incident),
        }
    }

    /// Why the model gives no time.
    fn refusal(self) -> Option<Refusal> {
        let below = |affected| Never::BelowThreshold { affected, needed: 14, checkers: 16 };
        let never = match self {
            Case::GrayFailure => below(12),
            Case::ViewerHostForwarded | Case::ViewersUseHttp | Case::LostZone => below(0),
            Case::BothBad | Case::StandbyLinkAsleepAndRed | Case::StandbyCannotAnswer => Never::StandbyUnhealthy,
            Case::ExpiredCertificate => {
                Never::FailureUnseen { kind: ProbeKind::Http, mode: FailureMode::BadCertificate }
            }
            // It is an alias to an API, whose own health says nothing about the application.
            Case::PrimaryUnchecked => Never::ServiceHealthOnly,
            Case::CheckDisabled => Never::CheckDisabled,
            Case::CheckOfTheRecordItself => return Some(Refusal::ProbesItself { name: ORIGIN.into() }),
            _ => return None,
        };
        Some(never.into())
    }
}

async fn assert_user(name: &str, scene: &Scene, case: Case, status: u16, region: &str) {
    let scheme = if case == Case::ViewersUseHttp { "http" } else { "https" };
    let response = scene.aws.request(&Request::get(&format!("{scheme}://mysecureapi.example.com/orders"))).await;
    assert_eq!((response.status, response.region.as_deref()), (status, Some(region)), "{name}: {response}");
}

async fn until_in_dns(scene: &Scene, region: &str) -> f64 {
    let began = scene.aws.now_s();
    while scene.in_dns().as_deref() != Some(region) {
        assert!(scene.aws.now_s() - began < 600.0, "DNS does not move to {region}");
        scene.aws.advance(Duration::from_secs(1)).await;
    }
    scene.aws.now_s() - began
}

/// A health check like those of the program, of a name.
async fn health_check(scene: &Scene, name: &str) -> String {
    let config = HealthCheckConfig::builder().r#type(HealthCheckType::Https).fully_qualified_domain_name(name);
    let config = config.resource_path("/health").request_interval(10).failure_threshold(3).build().unwrap();
    let create = scene.aws.clients().route53().create_health_check().caller_reference(name).health_check_config(config);
    scene.aws.drive(create.send()).await.unwrap().health_check.unwrap().id
}

/// The records of the failover name.
pub(crate) async fn pair(scene: &Scene) -> Vec<ResourceRecordSet> {
    let list = scene.aws.clients().route53().list_resource_record_sets();
    let list =
        list.hosted_zone_id(scene.output("global/zone", "id")).start_record_name(ORIGIN).start_record_type("A".into());
    let sets = scene.aws.drive(list.send()).await.unwrap().resource_record_sets;
    sets.into_iter().filter(|set| set.name() == format!("{ORIGIN}.") && set.failover().is_some()).collect()
}

/// A change of records that are there.
pub(crate) fn upsert(records: Vec<ResourceRecordSet>) -> ChangeBatch {
    let changes = records.into_iter().map(|record| {
        Change::builder().action(ChangeAction::Upsert).resource_record_set(record).build().expect("complete")
    });
    ChangeBatch::builder().set_changes(Some(changes.collect())).build().expect("complete")
}

/// Gives the records of a role another health check, or none.
async fn set_check(scene: &Scene, role: ResourceRecordSetFailover, check: Option<String>) {
    let mut records: Vec<_> = pair(scene).await.into_iter().filter(|set| set.failover() == Some(&role)).collect();
    assert!(!records.is_empty(), "there is a {role}");
    records.iter_mut().for_each(|record| record.health_check_id.clone_from(&check));
    let change = scene.aws.clients().route53().change_resource_record_sets();
    let change = change.hosted_zone_id(scene.output("global/zone", "id")).change_batch(upsert(records));
    scene.aws.drive(change.send()).await.unwrap();
}

/// Nothing probes the standby any more, and after 60 days without traffic its VPC link is inactive.
async fn fall_asleep(scene: &Scene, check: Option<String>) {
    set_check(scene, ResourceRecordSetFailover::Secondary, check).await;
    let delete = scene.aws.clients().route53().delete_health_check();
    let delete = delete.health_check_id(scene.output("global/standby.health_check", "id"));
    scene.aws.drive(delete.send()).await.unwrap();
    scene.aws.advance(Duration::from_secs(61 * 86_400)).await;
    let link = scene.output("us-west-2/standby.link", "id");
    let read = scene.aws.clients().apigatewayv2(STANDBY).get_vpc_link().vpc_link_id(link).send();
    let status = scene.aws.drive(read).await.unwrap().vpc_link_status;
    assert_eq!(status.map(|status| status.as_str().to_owned()).as_deref(), Some("INACTIVE"));
}

/// An ACL for the subnets of the standby's load balancer and VPC link that lets requests in and no answers out: ports above
/// 1023 are missing.
async fn keep_answers_in(scene: &Scene) {
    let ec2 = scene.aws.clients().ec2(STANDBY);
    let create = ec2.create_network_acl().vpc_id(scene.output("us-west-2/standby.net.vpc", "id")).send();
    let acl = scene.aws.drive(create).await.unwrap().network_acl.unwrap().network_acl_id.unwrap();
    for (egress, to) in [(false, 65_535), (true, 1023)] {
        let entry = ec2.create_network_acl_entry().network_acl_id(&acl).rule_number(100).egress(egress).protocol("6");
        let entry = entry.port_range(PortRange::builder().from(0).to(to).build()).cidr_block("0.0.0.0/0");
        scene.aws.drive(entry.rule_action(RuleAction::Allow).send()).await.unwrap();
    }
    let private: Vec<String> = scene.state.resources.keys().map(ToString::to_string).collect();
    let private = private.iter().filter(|address| address.starts_with("us-west-2/standby.net.private["));
    let private: Vec<String> = private.map(|address| scene.output(address, "id")).collect();
    let acls = scene.aws.drive(ec2.describe_network_acls().send()).await.unwrap();
    let associations = acls.network_acls().iter().flat_map(|acl| acl.associations());
    let associations = associations.filter(|it| it.subnet_id().is_some_and(|id| private.iter().any(|one| one == id)));
    let associations: Vec<_> = associations.filter_map(|it| it.network_acl_association_id()).collect();
    assert_eq!(associations.len(), private.len());
    for association in associations {
        let replace = ec2.replace_network_acl_association().association_id(association).network_acl_id(&acl);
        scene.aws.drive(replace.send()).await.unwrap();
    }
}

async fn edit_distribution(scene: &Scene, edit: impl FnOnce(&mut aws_sdk_cloudfront::types::DistributionConfig)) {
    let (client, id) = (scene.aws.clients().cloudfront(), scene.output("global/edge.distribution", "id"));
    let read = scene.aws.drive(client.get_distribution_config().id(&id).send()).await.unwrap();
    let mut config = read.distribution_config.unwrap();
    edit(&mut config);
    let update = client.update_distribution().id(&id).set_if_match(read.e_tag).distribution_config(config);
    scene.aws.drive(update.send()).await.unwrap();
    // Until every edge location has it.
    scene.aws.advance(Duration::from_secs(600)).await;
}
