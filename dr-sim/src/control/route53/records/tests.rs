//! Batches that are accepted, every way in which one is refused, and what holds after any of them.

use aws_sdk_route53::types::builders::ResourceRecordSetBuilder;
use aws_sdk_route53::types::{Change, ChangeBatch, ChangeInfo};

use crate::control::route53::health::tests::check;
use crate::control::route53::tests::{at, code, message, zone};
use proptest::prelude::*;

use super::*;

pub(crate) fn change(
    world: &mut World,
    s: u64,
    zone: &str,
    changes: &[(ChangeAction, ResourceRecordSetBuilder)],
) -> Answer<ChangeInfo> {
    let changes = changes.iter().map(|(action, set)| {
        let set = set.clone().build().expect("name and type are set");
        Change::builder().action(action.clone()).resource_record_set(set).build().expect("the action is set")
    });
    let batch = ChangeBatch::builder().set_changes(Some(changes.collect())).build().expect("the changes are set");
    let input =
        ChangeResourceRecordSetsInput::builder().hosted_zone_id(zone).change_batch(batch).build().expect("built");
    change_resource_record_sets(world, &at(s), &input).map(|output| output.change_info.expect("a change"))
}

fn value(value: &str) -> ResourceRecord {
    ResourceRecord::builder().value(value).build().expect("the value is set")
}

/// A record with a TTL of 60 s.
pub(crate) fn record(name: &str, kind: &str, values: &[&str]) -> ResourceRecordSetBuilder {
    let values = values.iter().map(|text| value(text)).collect();
    ResourceRecordSet::builder().name(name).r#type(RrType::from(kind)).ttl(60).set_resource_records(Some(values))
}

pub(crate) fn alias(name: &str, kind: &str, zone: &str, target: &str, health: bool) -> ResourceRecordSetBuilder {
    let target = AliasTarget::builder().hosted_zone_id(zone).dns_name(target).evaluate_target_health(health);
    ResourceRecordSet::builder()
        .name(name)
        .r#type(RrType::from(kind))
        .alias_target(target.build().expect("every field is set"))
}

pub(crate) fn failover(set: ResourceRecordSetBuilder, primary: bool) -> ResourceRecordSetBuilder {
    if primary {
        set.set_identifier("primary").failover(ResourceRecordSetFailover::Primary)
    } else {
        set.set_identifier("secondary").failover(ResourceRecordSetFailover::Secondary)
    }
}

fn list(world: &mut World, zone: &str) -> Vec<(String, String)> {
    let input = ListResourceRecordSetsInput::builder().hosted_zone_id(zone).build().expect("built");
    let output = list_resource_record_sets(world, &at(0), &input).expect("there");
    output.resource_record_sets().iter().map(|set| (set.name().to_owned(), set.r#type().as_str().to_owned())).collect()
}

use ChangeAction::{Create, Delete, Upsert};

fn world_with_zone() -> (World, String) {
    let mut world = World::new(1);
    let id = zone(&mut world, 0, "example.com");
    (world, id)
}

/// The code and the message of a single change.
fn one(world: &mut World, id: &str, action: ChangeAction, set: ResourceRecordSetBuilder) -> (String, String) {
    let answer = change(world, 0, id, &[(action, set)]);
    answer.err().map_or_else(|| ("accepted".to_owned(), String::new()), |refusal| (refusal.code, refusal.message))
}

#[test]
fn records_are_listed_at_once_in_label_order_with_canonical_names() {
    let (mut world, id) = world_with_zone();
    let info = change(
        &mut world,
        0,
        &id,
        &[
            (Create, record("b.example.com", "A", &["192.0.2.1"])),
            (Create, record("*.Example.com", "TXT", &["\"x\""])),
            (Create, record("example.com", "A", &["192.0.2.1", "192.0.2.2"])),
        ],
    )
    .expect("fine");
    assert_eq!(info.status().as_str(), "PENDING");
    let listed = list(&mut world, &id);
    let listed: Vec<(&str, &str)> = listed.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let expected = [
        ("example.com.", "A"),
        ("example.com.", "NS"),
        ("example.com.", "SOA"),
        ("\\052.example.com.", "TXT"),
        ("b.example.com.", "A"),
    ];
    assert_eq!(listed, expected);
}

#[test]
fn pages_go_on_with_name_type_and_identifier() {
    let (mut world, id) = world_with_zone();
    let weighted = |n: i64| record("w.example.com", "A", &["192.0.2.1"]).weight(n).set_identifier(n.to_string());
    change(&mut world, 0, &id, &[(Create, weighted(1)), (Create, weighted(2)), (Create, weighted(3))]).expect("fine");
    let mut seen = Vec::new();
    let (mut name, mut kind, mut identifier) = (None, None, None);
    loop {
        let input = ListResourceRecordSetsInput::builder().hosted_zone_id(&id).max_items(2);
        let input =
            input.set_start_record_name(name).set_start_record_type(kind).set_start_record_identifier(identifier);
        let output = list_resource_record_sets(&mut world, &at(0), &input.build().expect("built")).expect("a page");
        seen.extend(output.resource_record_sets().iter().map(|set| set.set_identifier().map(str::to_owned)));
        (name, kind, identifier) = (output.next_record_name, output.next_record_type, output.next_record_identifier);
        if name.is_none() {
            break;
        }
    }
    let seen: Vec<Option<&str>> = seen.iter().map(Option::as_deref).collect();
    assert_eq!(seen, [None, None, Some("1"), Some("2"), Some("3")]);
    let bad =
        ListResourceRecordSetsInput::builder().hosted_zone_id(&id).start_record_type(RrType::A).build().expect("built");
    assert_eq!(code(list_resource_record_sets(&mut world, &at(0), &bad)), "InvalidInput");
}

#[test]
fn create_needs_absence_delete_needs_the_exact_content_and_upsert_needs_nothing() {
    let (mut world, id) = world_with_zone();
    let a = || record("a.example.com", "A", &["192.0.2.1", "192.0.2.2"]);
    assert_eq!(
        one(&mut world, &id, Delete, a()),
        (
            "InvalidChangeBatch".into(),
            "[Tried to delete resource record set [name='a.example.com.', type='A'] but it was not found]".into()
        )
    );
    assert_eq!(one(&mut world, &id, Upsert, a()).0, "accepted");
    assert_eq!(one(&mut world, &id, Upsert, a()).0, "accepted");
    assert_eq!(
        one(&mut world, &id, Create, a()).1,
        "[Tried to create resource record set [name='a.example.com.', type='A'] but it already exists]"
    );
    let other_ttl = || a().ttl(61);
    assert!(one(&mut world, &id, Delete, other_ttl()).1.contains("do not match the current values"));
    assert!(one(&mut world, &id, Delete, record("a.example.com", "A", &["192.0.2.1"])).1.contains("do not match"));
    let reordered = record("A.example.com.", "A", &["192.0.2.2", "192.0.2.1"]);
    assert_eq!(one(&mut world, &id, Delete, reordered).0, "accepted");
}

#[test]
fn a_batch_is_applied_as_a_whole_or_not_at_all_and_tells_every_problem() {
    let (mut world, id) = world_with_zone();
    let answer = change(
        &mut world,
        0,
        &id,
        &[
            (Create, record("a.example.com", "A", &["192.0.2.1"])),
            (Delete, record("b.example.com", "A", &["192.0.2.1"])),
            (Create, record("a.example.org", "A", &["192.0.2.1"])),
        ],
    );
    assert_eq!(
        message(answer),
        "[Tried to delete resource record set [name='b.example.com.', type='A'] but it was not found, \
         RRSet with DNS name a.example.org. is not permitted in zone example.com.]"
    );
    assert_eq!(list(&mut world, &id).len(), 2);
    // A rename in one batch has no gap.
    change(&mut world, 0, &id, &[(Create, record("a.example.com", "CNAME", &["x.test"]))]).expect("fine");
    let rename = [
        (Delete, record("a.example.com", "CNAME", &["x.test"])),
        (Create, record("a.example.com", "A", &["192.0.2.1"])),
    ];
    change(&mut world, 0, &id, &rename).expect("fine");
    assert_eq!(message(change(&mut world, 0, &id, &[])).split(' ').next(), Some("1"));
}

#[test]
fn a_cname_stands_alone_and_never_at_the_apex() {
    let (mut world, id) = world_with_zone();
    let apex = one(&mut world, &id, Create, record("example.com", "CNAME", &["x.test"]));
    assert_eq!(
        apex.1,
        "[RRSet of type CNAME with DNS name example.com. is not permitted at apex in zone example.com.]"
    );
    one(&mut world, &id, Create, record("a.example.com", "A", &["192.0.2.1"]));
    assert_eq!(
        one(&mut world, &id, Upsert, record("a.example.com", "CNAME", &["x.test"])).1,
        "[RRSet of type CNAME with DNS name a.example.com. is not permitted as it conflicts with other records \
         with the same DNS name in zone example.com.]"
    );
    one(&mut world, &id, Create, record("c.example.com", "CNAME", &["x.test"]));
    assert!(
        one(&mut world, &id, Create, record("c.example.com", "TXT", &["\"x\""]))
            .1
            .contains("a conflicting RRSet of type CNAME")
    );
    assert_eq!(
        one(&mut world, &id, Create, record("d.example.com", "CNAME", &["x.test", "y.test"])).0,
        "InvalidChangeBatch"
    );
}

#[test]
fn a_failover_pair_is_one_primary_with_a_health_check_and_one_secondary() {
    let (mut world, id) = world_with_zone();
    let check = check(&mut world, "ref");
    let pair = |primary: bool| failover(record("o.example.com", "CNAME", &["x.test"]), primary);
    assert_eq!(
        one(&mut world, &id, Create, pair(true)).1,
        "[A non-alias primary ResourceRecordSet must have an associated health check.]"
    );
    assert_eq!(one(&mut world, &id, Create, pair(true).health_check_id(&check)).0, "accepted");
    assert_eq!(one(&mut world, &id, Create, pair(false)).0, "accepted");
    let second = pair(true).set_identifier("other").health_check_id(&check);
    assert_eq!(
        one(&mut world, &id, Create, second).1,
        "[RRSet with DNS name o.example.com., type CNAME, SetIdentifier other, and Failover PRIMARY cannot be created \
         because a PRIMARY RRSet with the same name and type already exists.]"
    );
    let weighted = record("o.example.com", "CNAME", &["x.test"]).weight(1).set_identifier("w");
    assert!(one(&mut world, &id, Create, weighted).1.contains("a non-weighted set exists"));
    let simple = one(&mut world, &id, Create, record("o.example.com", "CNAME", &["x.test"]));
    assert!(simple.1.contains("cannot be created as other RRSets exist with the same name and type."));
    let unknown = pair(false).set_identifier("s").health_check_id("none");
    assert_eq!(one(&mut world, &id, Upsert, unknown).0, "NoSuchHealthCheck");
}

#[test]
fn deleting_one_identifier_leaves_the_same_identifier_of_another_name() {
    let (mut world, id) = world_with_zone();
    for name in ["a.example.com", "b.example.com"] {
        one(&mut world, &id, Create, failover(record(name, "A", &["192.0.2.1"]), false));
    }
    assert_eq!(
        one(&mut world, &id, Delete, failover(record("a.example.com", "A", &["192.0.2.1"]), false)).0,
        "accepted"
    );
    assert_eq!(list(&mut world, &id).last().map(|(name, _)| name.as_str()), Some("b.example.com."));
}

#[test]
fn routing_policies_do_not_mix_and_their_keys_are_unique() {
    let (mut world, id) = world_with_zone();
    let base = |id: &str| record("r.example.com", "A", &["192.0.2.1"]).set_identifier(id);
    let latency = |id: &str, region: ResourceRecordSetRegion| base(id).region(region);
    assert_eq!(one(&mut world, &id, Create, latency("a", ResourceRecordSetRegion::UsEast1)).0, "accepted");
    assert!(
        one(&mut world, &id, Create, latency("b", ResourceRecordSetRegion::UsEast1))
            .1
            .contains("and region already exists")
    );
    assert_eq!(one(&mut world, &id, Create, latency("b", ResourceRecordSetRegion::UsWest2)).0, "accepted");
    assert!(
        one(&mut world, &id, Create, base("c").multi_value_answer(true)).1.contains("a non multivalue answer rrset")
    );
    let place = GeoLocation::builder().country_code("*").build();
    assert!(one(&mut world, &id, Create, base("c").geo_location(place)).1.contains("a non-GEO RRSet"));
    assert_eq!(
        one(&mut world, &id, Create, latency("d", ResourceRecordSetRegion::from("us-nowhere-1"))).0,
        "InvalidInput"
    );
}

#[test]
fn elements_that_do_not_fit_together_are_invalid_input() {
    let (mut world, id) = world_with_zone();
    let mut code = |set: ResourceRecordSetBuilder| one(&mut world, &id, Create, set);
    let a = || record("a.example.com", "A", &["192.0.2.1"]);
    assert_eq!(
        code(a().failover(ResourceRecordSetFailover::Secondary)),
        (
            "InvalidInput".into(),
            "Invalid request: Missing field 'SetIdentifier' in Change with [Action=CREATE, Name=a.example.com, \
             Type=A, SetIdentifier=null]"
                .into()
        )
    );
    assert!(code(a().set_identifier("x")).1.contains("but found none"));
    assert!(
        code(a().set_identifier("x").weight(1).failover(ResourceRecordSetFailover::Secondary))
            .1
            .contains("more than one")
    );
    assert_eq!(code(a().set_ttl(None)).0, "InvalidInput");
    assert_eq!(code(a().set_resource_records(None)).0, "InvalidInput");
    assert_eq!(code(a().ttl(-1)).0, "InvalidInput");
    assert_eq!(code(a().ttl(2_147_483_648)).0, "InvalidInput");
    assert_eq!(code(a().set_identifier("x").weight(256)).0, "InvalidInput");
    let cloudfront = || alias("a.example.com", "A", "Z2FDTNDATAQYW2", "d1.cloudfront.net", false);
    assert!(code(cloudfront().ttl(60)).1.contains("but found more than one"));
    assert_eq!(code(cloudfront().resource_records(value("192.0.2.1"))).0, "InvalidInput");
    assert_eq!(code(cloudfront().set_identifier("x").multi_value_answer(true)).0, "InvalidInput");
    assert_eq!(code(record("a.example.com", "WKS", &["x"])).0, "InvalidInput");
    assert_eq!(code(cloudfront()).0, "accepted");
}

#[test]
fn values_are_checked_by_type() {
    let (mut world, id) = world_with_zone();
    let mut code = |kind: &str, values: &[&str]| one(&mut world, &id, Create, record("a.example.com", kind, values)).1;
    assert!(code("A", &["192.0.2"]).contains("ARRDATAIllegalIPv4Address"));
    assert!(code("AAAA", &["192.0.2.1"]).contains("AAAARRDATAIllegalIPv6Address"));
    assert!(code("CNAME", &["a..b"]).contains("InvalidDomainName"));
    assert!(code("TXT", &["no quotes"]).contains("enclosed in quotation marks"));
    assert!(code("MX", &["mail.example.com"]).contains("2 fields"));
    assert!(code("SRV", &["1 2 x"]).contains("4 fields"));
    assert!(code("A", &["192.0.2.1", "192.0.2.1"]).contains("Duplicate Resource Record"));
    for (kind, text) in
        [("AAAA", "2001:db8::1"), ("MX", "10 mail.test."), ("CAA", "0 issue \"amazon.com\""), ("TXT", "\"a\" \"b\"")]
    {
        assert_eq!(code(kind, &[text]), "", "{kind}");
    }
}

#[test]
fn aliases_point_at_what_is_there() {
    let (mut world, id) = world_with_zone();
    let mut code = |set: ResourceRecordSetBuilder| one(&mut world, &id.clone(), Create, set).1;
    assert!(code(alias("a.example.com", "A", &id, "b.example.com", true)).contains("but that target was not found"));
    assert!(
        code(alias("a.example.com", "A", &id, "b.example.org", true)).contains("does not lie within the target zone")
    );
    assert!(
        code(alias("a.example.com", "A", "Z2FDTNDATAQYW2", "b.example.org", false)).contains("does not lie within")
    );
    assert!(
        code(alias("a.example.com", "A", "Z1UJRXOUMOOFQ8", "d1.cloudfront.net", false)).contains("does not lie within")
    );
    let api = "d-1.execute-api.us-west-2.amazonaws.com";
    assert!(
        code(alias("a.example.com", "A", "Z1UJRXOUMOOFQ8", api, false)).contains("does not lie within"),
        "of another region"
    );
    assert!(code(alias("a.example.com", "A", "Z0", "www.example.net", false)).contains("does not lie within"));
    let balancer = "b-1.us-east-1.elb.amazonaws.com";
    assert_eq!(code(alias("elb.example.com", "A", "Z35SXDOTRQ7X7K", balancer, true)), "");
    assert!(
        code(alias("a.example.com", "A", "Z2FDTNDATAQYW2", "d1.cloudfront.net", true)).contains("EvaluateTargetHealth")
    );
    assert!(code(alias("a.example.com", "TXT", "Z2FDTNDATAQYW2", "d1.cloudfront.net", false)).contains("CloudFront"));
    assert_eq!(
        code(alias("api.example.com", "A", "Z1UJRXOUMOOFQ8", "d-1.execute-api.us-east-1.amazonaws.com", true)),
        ""
    );
    let both = [
        (Create, alias("a.example.com", "A", &id, "b.example.com", true)),
        (Create, record("b.example.com", "A", &["192.0.2.1"])),
    ];
    change(&mut world, 0, &id, &both).expect("the target comes in the same batch");
}

#[test]
fn the_zone_keeps_its_ns_and_soa() {
    let (mut world, id) = world_with_zone();
    for kind in ["NS", "SOA"] {
        let own = world.route53.zones[&id].records.iter().find(|r| r.record_type == kind).cloned().expect("there");
        let values: Vec<&str> = own.values.iter().map(String::as_str).collect();
        let set = record("example.com", kind, &values).ttl(i64::from(own.ttl_s.expect("a TTL")));
        assert!(one(&mut world, &id, Delete, set).1.contains("A HostedZone must contain"), "{kind}");
    }
    assert!(
        one(&mut world, &id, Create, record("a.example.com", "SOA", &["a. b. 1 2 3 4 5"])).1.contains("below the apex")
    );
}

#[test]
fn a_batch_has_limits_and_an_upsert_counts_twice() {
    let (mut world, id) = world_with_zone();
    let many = |action: ChangeAction, n: usize| -> Vec<_> {
        (0..n).map(|n| (action.clone(), record(&format!("n{n}.example.com"), "A", &["192.0.2.1"]))).collect()
    };
    assert_eq!(message(change(&mut world, 0, &id, &many(Create, 1001))), "[Number of records limit of 1000 exceeded.]");
    assert_eq!(message(change(&mut world, 0, &id, &many(Upsert, 501))), "[Number of records limit of 1000 exceeded.]");
    change(&mut world, 0, &id, &many(Upsert, 500)).expect("exactly the limit");
    let long = format!("\"{}\"", "x".repeat(3998));
    let texts = |n: usize| -> Vec<_> {
        (0..n).map(|n| (Create, record(&format!("t{n}.example.com"), "TXT", &[&long]))).collect()
    };
    assert_eq!(message(change(&mut world, 0, &id, &texts(9))), "[Number of characters limit of 32000 exceeded.]");
    change(&mut world, 0, &id, &texts(8)).expect("exactly the limit");
}

#[test]
fn a_zone_that_is_not_there_is_no_such_hosted_zone() {
    let mut world = World::new(1);
    assert_eq!(
        code(change(&mut world, 0, "Z1", &[(Create, record("a.example.com", "A", &["192.0.2.1"]))])),
        "NoSuchHostedZone"
    );
}

/// A small world of changes: three names, four types, every policy.
fn any_change() -> impl Strategy<Value = (ChangeAction, ResourceRecordSetBuilder)> {
    let action = prop_oneof![Just(Create), Just(Upsert), Just(Delete)];
    let name = prop_oneof![Just("example.com"), Just("a.example.com"), Just("b.example.com")];
    let kind = prop_oneof![
        Just(("A", "192.0.2.1")),
        Just(("AAAA", "2001:db8::1")),
        Just(("CNAME", "x.test")),
        Just(("TXT", "\"x\""))
    ];
    (action, name, kind, 0..7_u8).prop_map(|(action, name, (kind, value), policy)| {
        let set = record(name, kind, &[value]);
        let set = match policy {
            0 => set,
            1 => failover(set, false),
            2 => failover(set, false).set_identifier("other"),
            3 => set.set_identifier("w1").weight(1),
            4 => set.set_identifier("w2").weight(2),
            5 => set.set_identifier("l1").region(ResourceRecordSetRegion::UsEast1),
            _ => set.set_identifier("l2").region(ResourceRecordSetRegion::UsEast1),
        };
        (action, set)
    })
}

proptest! {
    /// Goal: no batch, accepted or refused, leaves a zone that DNS does not allow. Method: random batches over few names, so
    /// that they collide all the time.
    #[test]
    fn the_rules_of_a_zone_hold_after_any_batches(batches in prop::collection::vec(prop::collection::vec(any_change(), 1..4), 1..12)) {
        let (mut world, id) = world_with_zone();
        for batch in batches {
            let before = world.route53.zones[&id].records.clone();
            let accepted = change(&mut world, 0, &id, &batch).is_ok();
            let records = &world.route53.zones[&id].records;
            prop_assert!(accepted || *records == before, "a refused batch changed something");
            for record in records {
                let beside = || records.iter().filter(|other| other.name == record.name && !other.same_key(record));
                prop_assert_eq!(records.iter().filter(|other| other.same_key(record)).count(), 1);
                let is_cname = record.record_type == "CNAME";
                prop_assert!(!(is_cname && record.name == "example.com."), "a CNAME at the apex");
                prop_assert!(!is_cname || beside().all(|other| other.record_type == "CNAME"), "a CNAME is not alone");
                for other in beside().filter(|other| other.same_group(record)) {
                    let same = std::mem::discriminant(&other.routing) == std::mem::discriminant(&record.routing);
                    prop_assert!(same && record.routing != Routing::Simple, "policies are mixed");
                    let unique = matches!(record.routing, Routing::Failover(_) | Routing::Latency(_));
                    prop_assert!(!unique || other.routing != record.routing, "two records for one role");
                }
            }
            let mut sorted = records.clone();
            sorted.sort_by(RecordSet::list_order);
            prop_assert_eq!(&sorted, records);
        }
    }
}
