//! Tests of record sets: canonical comparison, ownership, deletion by exact content.

use std::sync::Mutex;

use aws_sdk_route53::Client;
use aws_sdk_route53::error::ErrorMetadata;
use aws_sdk_route53::operation::change_resource_record_sets::{
    ChangeResourceRecordSetsError, ChangeResourceRecordSetsOutput,
};
use aws_sdk_route53::operation::list_resource_record_sets::ListResourceRecordSetsOutput;
use aws_sdk_route53::types::error::InvalidChangeBatch;
use aws_sdk_route53::types::{ChangeInfo, ChangeStatus};
use aws_smithy_mocks::{MockResponse, Rule, mock};

use super::super::tests::{cx, scan};
use super::*;

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

/// Refuses every change with this sentence, except one that is exactly `accepted`.
fn changes(refusal: &'static str, accepted: Option<ResourceRecordSet>) -> (Rule, Arc<Mutex<Vec<Change>>>) {
    let log: Arc<Mutex<Vec<Change>>> = Arc::default();
    let seen = Arc::clone(&log);
    let rule = mock!(Client::change_resource_record_sets).then_compute_response(move |input| {
        let change = input.change_batch().unwrap().changes()[0].clone();
        seen.lock().unwrap().push(change.clone());
        if change.resource_record_set() == accepted.as_ref() {
            let info = ChangeInfo::builder().id("/change/C1").status(ChangeStatus::Pending);
            let info = info.submitted_at(aws_smithy_types::DateTime::from_secs(0)).build().unwrap();
            return MockResponse::Output(ChangeResourceRecordSetsOutput::builder().change_info(info).build());
        }
        let meta = ErrorMetadata::builder().code("InvalidChangeBatch").build();
        let error = InvalidChangeBatch::builder().messages(refusal).meta(meta).build();
        MockResponse::Error(ChangeResourceRecordSetsError::InvalidChangeBatch(error))
    });
    (rule, log)
}

#[test]
fn what_route_53_spells_differently_is_no_drift() {
    assert!(has_key(&args(), &listed_record()));
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

#[tokio::test]
async fn a_record_that_the_state_does_not_know_is_ours_when_it_says_the_same() {
    let mut other = listed_record();
    other.ttl = Some(300);
    for (record, known, ours) in [(listed_record(), false, true), (other.clone(), false, false), (other, true, true)] {
        let outputs = known.then(|| outputs(&args(), String::new()));
        let found = RecordSet::read(&scan(&[&list(vec![record])]), &[wanted(outputs)]).await.unwrap();
        assert_eq!(found.len(), usize::from(ours));
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

#[tokio::test]
async fn a_change_that_is_still_spreading_is_asked_about_after_a_restart() {
    let outputs = outputs(&args(), "C1".into());
    let found = RecordSet::read(&scan(&[&list(vec![listed_record()])]), &[wanted(Some(outputs))]).await.unwrap();
    assert_eq!(found[0].health, Health::Pending);
}
