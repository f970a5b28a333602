//! The account as a program's owner meets it: several lives of one program, several programs, faults with wrong names.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use dr_aws::constructs::{SecureApi, ValidatedCertificate};
use dr_aws::regions::EuWest1;
use dr_aws::route53::ZoneLookup;
use dr_core::driver::Applied;
use dr_core::store::ReadStore as _;
use dr_core::{BuildErrors, Global, Output, Stack, cidr};
use dr_sim::{Aws, DataFault, Part, Service};

use crate::common::shop;

fn api(name: &str) -> Result<Stack<Output<String>>, BuildErrors> {
    Stack::build(name, |stack| stack.region(EuWest1).add("api", SecureApi::new(cidr!("10.0.0.0/16"))).endpoint)
}

/// Goal: AWS remembers the client tokens of what is gone, and a second life of a stack must not meet them.
#[tokio::test]
async fn a_stack_is_deployed_destroyed_and_deployed_again() {
    let (aws, shop) = (Aws::new(1), api("shop").unwrap());
    let (first, store) = aws.deploy(&shop).await.unwrap();
    assert!(first.is_complete());
    assert!(aws.destroy(&shop, &store).await.unwrap().is_complete());
    let (second, _store) = aws.deploy(&shop).await.unwrap();
    assert!(second.is_complete(), "{second:?}");
}

/// Goal: two programs that use the same names inside do not meet each other's tokens.
#[tokio::test]
async fn two_stacks_with_equal_addresses_live_in_one_account() {
    let aws = Aws::new(1);
    for name in ["shop", "books"] {
        let (applied, _store) = aws.deploy(&api(name).unwrap()).await.unwrap();
        assert!(applied.is_complete(), "{name}: {applied:?}");
    }
}

/// A program of somebody who has a domain.
fn own_domain() -> Result<Stack, BuildErrors> {
    Stack::build("own", |stack| {
        let global = stack.region(Global);
        let zone = global.add("zone", ZoneLookup::new("example.org"));
        let east = stack.region(EuWest1);
        ValidatedCertificate::new("api.example.org", zone.id).request("certificate", &global, &east);
    })
}

/// Goal: an owner's zone is there, certificates validate in it, and it stays when the stack goes.
#[tokio::test]
async fn a_zone_that_is_looked_up_is_there_and_is_nobodys() {
    let (aws, own) = (Aws::new(1), own_domain().unwrap());
    let (applied, store) = aws.deploy(&own).await.unwrap();
    assert!(applied.is_complete(), "{applied:?}");
    assert!(matches!(aws.deploy_to(&own, &store).await.unwrap(), Applied::Unchanged(_)));
    assert!(aws.destroy(&own, &store).await.unwrap().is_complete());

    let session = aws.session(&own);
    let state = store.load().await.unwrap().state;
    aws.clients().begin_refresh();
    let residue = aws.drive(session.residue(&state)).await;
    assert_eq!(session.unknown(&residue, &state).len(), 0);
    let zones = aws.drive(aws.clients().route53().list_hosted_zones().send()).await.unwrap();
    let names: Vec<&str> = zones.hosted_zones().iter().map(|zone| zone.name()).collect();
    assert_eq!(names, ["example.org."]);
}

/// What a panic says.
fn refusal(act: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(act)).expect_err("it is refused");
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_fault_that_names_nothing_is_refused() {
    let aws = Aws::new(1);
    let said = refusal(|| aws.fail_region("us-east1"));
    assert!(said.contains("no region `us-east1`") && said.contains("us-east-1"), "{said}");
    let said = refusal(|| aws.fail(DataFault::ZoneAway { zone: "us-east-1-a".into() }));
    assert!(said.contains("no zone `us-east-1-a`") && said.contains("us-east-1a, us-east-1b"), "{said}");
    let path = DataFault::PathLost { region: "us-east-1".into(), checkers: 1, places: vec!["eu-west1".into()] };
    assert!(refusal(|| aws.fail(path)).contains("no region `eu-west1`"));
    let down = DataFault::InstanceDown { instance: "i-1".into() };
    assert!(refusal(|| aws.fail(down.clone())).contains("no instance `i-1`: there is none"));
    let minute = Duration::from_secs(60);
    assert!(refusal(|| aws.fail_between(minute, 2 * minute, down.clone())).contains("no instance `i-1`"));
    let expired = DataFault::CertificateExpired { certificate: "arn:aws:acm:x".into() };
    assert!(refusal(|| aws.fail(expired)).contains("no certificate `arn:aws:acm:x`"));
    assert!(refusal(|| aws.heal_fault(&down)).contains("was never broken"));
    aws.fail(DataFault::ZoneAway { zone: "us-east-1f".into() });
}

async fn deployed() -> Aws {
    let aws = Aws::new(1);
    let (applied, _store) = aws.deploy(&shop()).await.unwrap();
    assert!(applied.is_complete(), "{applied:?}");
    aws.advance(Duration::from_secs(600)).await;
    aws
}

const USER: &str = "https://mysecureapi.example.com/orders";

#[tokio::test]
async fn faults_come_and_go_by_themselves_and_one_by_one() {
    let aws = deployed().await;
    let s = Duration::from_secs;
    let east = DataFault::RegionAway { region: "us-east-1".into() };
    let west = DataFault::ServiceAway { region: "us-west-2".into(), service: Service::ApiGateway };
    aws.fail_between(s(100), s(700), east.clone());
    let in_west = |answer: &dr_sim::Response| answer.region.as_deref() == Some("us-west-2") && answer.is_ok();
    let early = aws.until(USER, s(7), s(80), in_west).await.expect_err("nothing is broken yet");
    assert!(early.last.is_ok() && early.to_string().contains("the last answer: 200"), "{early}");
    let answer = aws.until(USER, s(7), s(400), in_west).await.unwrap();
    assert!(answer.through(Part::VpcLink).is_some());
    aws.fail(west.clone());
    aws.fail_between(s(0), s(10_000), DataFault::ZoneAway { zone: "us-west-2a".into() });
    aws.clear_caches();
    assert!(!aws.get(USER).await.is_ok());
    aws.heal_fault(&west);
    aws.until(USER, s(7), s(120), in_west).await.unwrap();
    // The primary comes back by itself.
    aws.until(USER, s(7), s(900), |answer| answer.region.as_deref() == Some("us-east-1")).await.unwrap();
}

/// Goal: a resolver that keeps answers for longer than it may is set with one call, and forgets with another.
#[tokio::test]
async fn a_stubborn_resolver_is_one_call() {
    let aws = deployed().await;
    aws.set_resolver_floor(Duration::from_secs(3600));
    aws.set_publish_delay(Duration::ZERO);
    let url = "https://origin.example.com/orders";
    let first = aws.get(url).await;
    aws.advance(Duration::from_secs(1800)).await;
    let kept = aws.get(url).await;
    aws.clear_caches();
    let asked = aws.get(url).await;
    assert!(first.is_ok(), "{first}");
    // A question of DNS takes its time.
    assert_eq!(first.took_ms, asked.took_ms);
    assert!(kept.took_ms < first.took_ms, "{kept} {first}");
}

/// Goal: dr's own second chain of alarms goes off: errors of the standby's API, told to who has confirmed.
#[tokio::test]
async fn the_errors_of_the_standby_are_told_to_who_has_confirmed() {
    let aws = deployed().await;
    assert_eq!(aws.messages(), []);
    assert!(aws.confirm_subscriptions("oncall@example.com") >= 2, "a subscription in each region");
    let asleep = DataFault::ServiceAway { region: "us-west-2".into(), service: Service::ApiGateway };
    aws.fail_between(Duration::ZERO, Duration::from_secs(300), asleep);
    aws.advance(Duration::from_secs(900)).await;
    let told: Vec<String> = aws.messages().into_iter().map(|message| message.subject).collect();
    let errors: Vec<&String> = told.iter().filter(|subject| subject.contains("-errors-")).collect();
    let [bad, good] = errors[..] else { panic!("{told:?}") };
    assert!(bad.starts_with("ALARM: ") && bad.ends_with(" in us-west-2") && good.starts_with("OK: "), "{told:?}");
}
