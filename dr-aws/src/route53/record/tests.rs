//! Tests of record sets: canonical comparison, ownership, deletion by exact content.

use std::sync::Mutex;

use aws_sdk_route53::Client;
use aws_sdk_route53::error::ErrorMetadata;
use aws_sdk_route53::operation::change_resource_record_sets::{
    ChangeResourceRecordSetsError, ChangeResourceRecordSetsOutput,
};
use aws_sdk_route53::operation::list_hosted_zones::ListHostedZonesOutput;
use aws_sdk_route53::operation::list_resource_record_sets::ListResourceRecordSetsOutput;
use aws_sdk_route53::types::error::InvalidChangeBatch;
use aws_sdk_route53::types::{ChangeInfo, ChangeStatus};
use aws_smithy_mocks::{MockResponse, Rule, mock};

use super::super::tests::{cx, scan};
use super::super::{SeenZone, reference};
use super::*;
use crate::testing::{outcome, refused};

fn args() -> RecordSetArgs {
    RecordSetArgs {
        zone: HostedZoneId::literal("Z1"),
        name: "*.Origin.example.com".into(),
        record_type: RecordType::Cname,
        set_id: Some("east".into()),
        routing: Routing::Failover(FailoverRole::Primary),
        ttl_s: Some(60),
        values: vec!["d-1.execute-api.us-east-1.amazonaws.com".into()],
        alias: None,
        health_check: Some(HealthCheckId::literal("hc-1")),
    }
}

/// The same record as Route 53 lists it.
fn listed_record() -> ResourceRecordSet {
    let value = ResourceRecord::builder().value("D-1.execute-api.us-east-1.amazonaws.com.").build().unwrap();
    ResourceRecordSet::builder()
        .name("\\052.origin.example.com.")
        .r#type(RrType::Cname)
        .set_identifier("east")
        .failover(ResourceRecordSetFailover::Primary)
        .ttl(60)
        .resource_records(value)
        .health_check_id("hc-1")
        .build()
        .unwrap()
}

fn list(records: Vec<ResourceRecordSet>) -> Rule {
    mock!(Client::list_resource_record_sets).then_output(move || {
        let list = ListResourceRecordSetsOutput::builder().set_resource_record_sets(Some(records.clone()));
        list.is_truncated(false).max_items(300).build().unwrap()
    })
}

fn wanted(outputs: Option<RecordSetOutputs>) -> Wanted<RecordSet> {
    let address = "global/dns.thing".parse().unwrap();
    Wanted { address, generation: 1, token: "0".repeat(32), args: args(), outputs }
}

/// The answer to a batch that was taken.
fn made() -> ChangeResourceRecordSetsOutput {
    let info = ChangeInfo::builder().id("/change/C1").status(ChangeStatus::Pending);
    let info = info.submitted_at(aws_smithy_types::DateTime::from_secs(0)).build().unwrap();
    ChangeResourceRecordSetsOutput::builder().change_info(info).build()
}

/// Refuses every change with this sentence, except one that is exactly `accepted`.
fn changes(refusal: &'static str, accepted: Option<ResourceRecordSet>) -> (Rule, Arc<Mutex<Vec<Change>>>) {
    let log: Arc<Mutex<Vec<Change>>> = Arc::default();
    let seen = Arc::clone(&log);
    let rule = mock!(Client::change_resource_record_sets).then_compute_response(move |input| {
        let change = input.change_batch().unwrap().changes()[0].clone();
        seen.lock().unwrap().push(change.clone());
        if change.resource_record_set() == accepted.as_ref() {
            return MockResponse::Output(made());
        }
        let meta = ErrorMetadata::builder().code("InvalidChangeBatch").build();
        let error = InvalidChangeBatch::builder().messages(refusal).meta(meta).build();
        MockResponse::Error(ChangeResourceRecordSetsError::InvalidChangeBatch(error))
    });
    (rule, log)
}

#[test]
fn what_route_53_spells_differently_is_no_drift() {
    assert!(Key::wanted(&args()).find(&[listed_record()]).is_some());
    assert_eq!(observed(&args(), &listed_record()), args());

    let alias = RecordSetArgs {
        record_type: RecordType::A,
        ttl_s: None,
        values: Vec::new(),
        alias: Some(AliasArgs {
            name: "D1.cloudfront.net".into(),
            zone: HostedZoneId::literal("Z2FDTNDATAQYW2"),
            evaluate_target_health: false,
        }),
        ..args()
    };
    let mut seen = model(&alias);
    let target = AliasTarget::builder().dns_name("d1.cloudfront.net.").hosted_zone_id("Z2FDTNDATAQYW2");
    seen.alias_target = Some(target.evaluate_target_health(false).build().unwrap());
    assert_eq!(observed(&alias, &seen), alias);
    seen.alias_target.as_mut().unwrap().evaluate_target_health = true;
    assert_ne!(observed(&alias, &seen), alias);
}

/// The zone, made by somebody under this reference.
fn zone(reference: &str) -> Rule {
    let zone =
        SeenZone::builder().id("/hostedzone/Z1").name("example.com.").caller_reference(reference).build().unwrap();
    mock!(Client::list_hosted_zones).then_output(move || {
        let list = ListHostedZonesOutput::builder().hosted_zones(zone.clone()).is_truncated(false);
        list.marker("").max_items(100).build().unwrap()
    })
}

#[tokio::test]
async fn a_record_that_the_state_does_not_know_is_ours_when_it_says_the_same_or_the_zone_is_ours() {
    let mut other = listed_record();
    other.ttl = Some(300);
    let (own, foreign) = (reference("shop", "1"), "console");
    for (record, known, made_by, ours) in [
        (listed_record(), false, foreign, true),
        (other.clone(), false, foreign, false),
        (other.clone(), false, own.as_str(), true),
        (other, true, foreign, true),
    ] {
        let outputs = known.then(|| outputs(&args(), String::new()));
        let rules = [&list(vec![record.clone()]), &zone(made_by)];
        let found = RecordSet::read(&scan(&rules), &[wanted(outputs)]).await.unwrap();
        assert_eq!(found.len(), usize::from(ours), "{record:?} {made_by}");
        assert!(
            found
                .iter()
                .all(|found| found.args.as_ref().unwrap().ttl_s == record.ttl().map(|ttl| u32::try_from(ttl).unwrap()))
        );
    }
}

#[tokio::test]
async fn an_existing_record_is_never_overwritten() {
    let exists =
        "Tried to create resource record set [name='*.origin.example.com.', type='CNAME'] but it already exists";
    let (rule, log) = changes(exists, None);
    let error = RecordSet::create(&cx(&[&rule]), &args()).await.unwrap_err();
    assert_eq!(error.class, Class::Exists);
    assert!(error.hint.unwrap().contains("other content"));
    assert!(log.lock().unwrap().iter().all(|change| *change.action() == ChangeAction::Create));
}

#[tokio::test]
async fn a_deletion_sends_what_the_zone_has() {
    let differs = "Tried to delete resource record set [name='*.origin.example.com.', type='CNAME'] but the values provided do not match the current values";
    let mut current = listed_record();
    current.ttl = Some(5);
    let (rule, log) = changes(differs, Some(current.clone()));
    let prior = Prior { args: args(), outputs: outputs(&args(), String::new()) };
    RecordSet::delete(&cx(&[&rule, &list(vec![current.clone()])]), &prior).await.unwrap();
    let sent: Vec<_> = log.lock().unwrap().iter().map(|change| change.resource_record_set().cloned()).collect();
    assert_eq!(sent, [Some(model(&args())), Some(current)]);

    // What is not there is deleted.
    let (rule, log) = changes("Tried to delete resource record set [...] but it was not found", None);
    RecordSet::delete(&cx(&[&rule]), &prior).await.unwrap();
    assert_eq!(log.lock().unwrap().len(), 1);
}

/// Goal: Route 53 takes no other policy for a record while its old one stands, and the name must not be without an answer.
#[tokio::test]
async fn another_policy_replaces_the_record_in_one_request() {
    let batches: Arc<Mutex<Vec<Vec<Change>>>> = Arc::default();
    let seen = Arc::clone(&batches);
    let rule = mock!(Client::change_resource_record_sets).then_compute_response(move |input| {
        seen.lock().unwrap().push(input.change_batch().unwrap().changes().to_vec());
        MockResponse::Output(made())
    });
    let prior = Prior { args: args(), outputs: outputs(&args(), String::new()) };
    let weighted = RecordSetArgs { routing: Routing::Weighted(1), ..args() };
    let changed = RecordSet::update(&cx(&[&rule, &list(vec![listed_record()])]), &prior, &weighted).await.unwrap();
    assert_eq!(changed.pending_change.as_deref(), Some("C1"));
    let sent = |batch: &[Change]| -> Vec<_> {
        batch.iter().map(|one| (one.action().clone(), one.resource_record_set().unwrap().clone())).collect()
    };
    let expected = [(ChangeAction::Delete, listed_record()), (ChangeAction::Create, model(&weighted))];
    assert_eq!(sent(&batches.lock().unwrap().pop().unwrap()), expected);

    // An earlier call did it, and its answer was lost.
    let mut done = listed_record();
    (done.failover, done.weight) = (None, Some(1));
    let found = RecordSet::update(&cx(&[&rule, &list(vec![done])]), &prior, &weighted).await.unwrap();
    assert_eq!((found.pending_change, batches.lock().unwrap().len()), (None, 0));

    // Another weight is a change in place.
    let prior = Prior { args: weighted.clone(), outputs: outputs(&weighted, String::new()) };
    let heavier = RecordSetArgs { routing: Routing::Weighted(2), ..args() };
    RecordSet::update(&cx(&[&rule]), &prior, &heavier).await.unwrap();
    assert_eq!(sent(&batches.lock().unwrap().pop().unwrap()), [(ChangeAction::Upsert, model(&heavier))]);
}

#[tokio::test]
async fn a_change_that_is_still_spreading_is_asked_about_after_a_restart() {
    let outputs = outputs(&args(), "C1".into());
    let found = RecordSet::read(&scan(&[&list(vec![listed_record()])]), &[wanted(Some(outputs))]).await.unwrap();
    assert_eq!(found[0].health, Health::Pending);
}

#[tokio::test]
async fn a_zone_or_health_check_that_was_just_made_is_waited_for() {
    for (code, class) in [
        ("NoSuchHostedZone", Class::Eventual),
        ("NoSuchHealthCheck", Class::Eventual),
        ("PriorRequestNotComplete", Class::Throttled),
        ("Throttling", Class::Throttled),
        ("InvalidInput", Class::Permanent),
    ] {
        let refused = refused(mock!(Client::change_resource_record_sets), code, "");
        assert_eq!(outcome(RecordSet::create(&cx(&[&refused]), &args()).await), Err(class), "{code}");
    }
}

#[tokio::test]
async fn a_record_goes_with_its_zone() {
    let gone = refused(mock!(Client::change_resource_record_sets), "NoSuchHostedZone", "");
    let prior = Prior { args: args(), outputs: outputs(&args(), String::new()) };
    assert_eq!(outcome(RecordSet::delete(&cx(&[&gone]), &prior).await), Ok(()));
}

/// An alias names its target, which may be a moment old: that is not what a deletion says with the same words.
#[tokio::test]
async fn an_alias_waits_for_its_target() {
    let (rule, _) = changes(
        "Tried to create an alias that targets d1.cloudfront.net., type A in zone Z2FDTNDATAQYW2, but that target was not found",
        None,
    );
    let error = RecordSet::create(&cx(&[&rule]), &args()).await.unwrap_err();
    assert_eq!(error.class, Class::Eventual, "{error}");
}
