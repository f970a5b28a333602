//! Name resolution: routing policies, health, and how long answers are remembered.

use aws_sdk_route53 as r53;
use r53::types::builders::ResourceRecordSetBuilder;

use super::super::testing::{ORIGIN, Site, cname};
use super::super::{Internet, Resolver};
use super::region_away;

/// The region to which a name leads for somebody at a place, with a fresh resolver.
fn region_of(site: &Site, name: &str, place: &str) -> Result<String, String> {
    resolve(site, &mut Resolver::new(), name, place)
}

fn resolve(site: &Site, resolver: &mut Resolver, name: &str, place: &str) -> Result<String, String> {
    let (end, region) = Internet::new(&site.kit.world, &site.faults).resolve(resolver, name, place, site.kit.now_ms)?;
    Ok(region.unwrap_or(end))
}

fn create(site: &mut Site, records: Vec<ResourceRecordSetBuilder>) {
    let zone = site.zone.clone();
    let changes = records.into_iter().map(|record| ("CREATE", record.build().expect("complete"))).collect();
    site.kit.change_all(&zone, changes);
    site.run_s(60);
}

#[test]
fn the_pair_answers_as_the_checks_say() {
    let mut site = Site::new();
    assert_eq!(region_of(&site, ORIGIN, "us-east-1").as_deref(), Ok("us-east-1"));
    site.faults.break_from(site.kit.now_ms, region_away("us-east-1"));
    site.run_s(60);
    assert_eq!(region_of(&site, ORIGIN, "us-east-1").as_deref(), Ok("us-west-2"));
}

#[test]
fn an_answer_is_kept_for_its_ttl_and_by_some_for_longer() {
    let mut site = Site::new();
    let (mut honest, mut stubborn) = (Resolver::new(), Resolver::with_floor_s(300));
    site.faults.break_from(site.kit.now_ms, region_away("us-east-1"));
    // Both ask just before DNS changes its mind.
    site.run_s(30);
    for resolver in [&mut honest, &mut stubborn] {
        assert_eq!(resolve(&site, resolver, ORIGIN, "us-east-1").as_deref(), Ok("us-east-1"));
    }
    site.run_s(59);
    assert_eq!(region_of(&site, ORIGIN, "us-east-1").as_deref(), Ok("us-west-2"));
    assert_eq!(resolve(&site, &mut honest, ORIGIN, "us-east-1").as_deref(), Ok("us-east-1"));
    site.run_s(1);
    assert_eq!(resolve(&site, &mut honest, ORIGIN, "us-east-1").as_deref(), Ok("us-west-2"));
    site.run_s(239);
    assert_eq!(resolve(&site, &mut stubborn, ORIGIN, "us-east-1").as_deref(), Ok("us-east-1"));
    site.run_s(1);
    assert_eq!(resolve(&site, &mut stubborn, ORIGIN, "us-east-1").as_deref(), Ok("us-west-2"));
}

#[test]
fn latency_records_answer_the_nearest_healthy_region() {
    let mut site = Site::new();
    let records = [&site.primary, &site.standby].map(|half| {
        cname("near.example.com", &half.probe_target)
            .set_identifier(&half.region)
            .region(r53::types::ResourceRecordSetRegion::from(half.region.as_str()))
            .health_check_id(&half.check)
    });
    create(&mut site, records.to_vec());
    for (place, region) in [("us-east-2", "us-east-1"), ("eu-west-1", "us-east-1"), ("ap-northeast-1", "us-west-2")] {
        assert_eq!(region_of(&site, "near.example.com", place).as_deref(), Ok(region), "{place}");
    }
    site.faults.break_from(site.kit.now_ms, region_away("us-west-2"));
    site.run_s(60);
    assert_eq!(region_of(&site, "near.example.com", "ap-northeast-1").as_deref(), Ok("us-east-1"));
}

#[test]
fn weighted_records_share_and_a_weight_of_zero_waits() {
    let mut site = Site::new();
    let weighted = |name: &str, weights: [i64; 2]| {
        [(&site.primary, weights[0]), (&site.standby, weights[1])].map(|(half, weight)| {
            cname(name, &half.probe_target).set_identifier(&half.region).weight(weight).health_check_id(&half.check)
        })
    };
    let records = [weighted("split.example.com", [3, 1]), weighted("zero.example.com", [1, 0])].concat();
    create(&mut site, records);
    let shares = |site: &Site, name: &str| {
        let mut resolver = Resolver::new();
        let hits = (0..400).filter(|_| {
            resolver.flush();
            resolve(site, &mut resolver, name, "us-east-1").as_deref() == Ok("us-east-1")
        });
        hits.count()
    };
    let three_quarters = shares(&site, "split.example.com");
    assert!((260..340).contains(&three_quarters), "{three_quarters} of 400");
    assert_eq!(shares(&site, "zero.example.com"), 400);
    site.faults.break_from(site.kit.now_ms, region_away("us-east-1"));
    site.run_s(60);
    assert_eq!(shares(&site, "split.example.com"), 0);
    assert_eq!(shares(&site, "zero.example.com"), 0);
}

#[test]
fn an_alias_to_a_tree_is_as_healthy_as_its_leaves_when_it_looks() {
    let mut site = Site::new();
    let zone = site.zone.clone();
    let alias = |target: &str, looks: bool| {
        r53::types::AliasTarget::builder()
            .hosted_zone_id(&zone)
            .dns_name(target)
            .evaluate_target_health(looks)
            .build()
            .expect("complete")
    };
    // `tree` fails over between two branches; the first one has a single leaf.
    let leaf = cname("leaf.example.com", &site.primary.probe_target)
        .set_identifier("only")
        .weight(1)
        .health_check_id(&site.primary.check);
    let other = cname("other.example.com", &site.standby.probe_target);
    let branch = |name: &str, target: &str, role: &str, looks: bool| {
        r53::types::ResourceRecordSet::builder()
            .name(name)
            .r#type(r53::types::RrType::Cname)
            .set_identifier(role)
            .failover(r53::types::ResourceRecordSetFailover::from(role))
            .alias_target(alias(target, looks))
    };
    let records = vec![
        leaf,
        other,
        branch("tree.example.com", "leaf.example.com", "PRIMARY", true),
        branch("tree.example.com", "other.example.com", "SECONDARY", true),
    ];
    create(&mut site, records);
    assert_eq!(region_of(&site, "tree.example.com", "us-east-1").as_deref(), Ok("us-east-1"));
    site.faults.break_from(site.kit.now_ms, region_away("us-east-1"));
    site.run_s(60);
    assert_eq!(region_of(&site, "tree.example.com", "us-east-1").as_deref(), Ok("us-west-2"));
}

#[test]
fn names_that_do_not_exist_say_so() {
    let mut site = Site::new();
    let wildcard = cname("*.wild.example.com", &site.primary.probe_target);
    let below = cname("deep.real.wild.example.com", &site.standby.probe_target);
    create(&mut site, vec![wildcard, below]);
    assert_eq!(region_of(&site, "a.wild.example.com", "us-east-1").as_deref(), Ok("us-east-1"));
    assert_eq!(region_of(&site, "a.b.wild.example.com", "us-east-1").as_deref(), Ok("us-east-1"));
    assert!(
        region_of(&site, "other.real.wild.example.com", "us-east-1").is_err(),
        "`real.wild` exists, so the wildcard ends above it"
    );
    let missing = region_of(&site, "missing.example.com", "us-east-1").unwrap_err();
    assert_eq!(missing, "missing.example.com does not exist in the hosted zone example.com");
    assert_eq!(region_of(&site, "example.org", "us-east-1").unwrap_err(), "no public hosted zone holds example.org");
    let gone = region_of(&site, "d-nothing.execute-api.us-east-1.amazonaws.com", "us-east-1").unwrap_err();
    assert_eq!(gone, "d-nothing.execute-api.us-east-1.amazonaws.com does not exist");
}

#[test]
fn a_change_is_in_dns_when_it_is_in_sync() {
    let mut site = Site::new();
    let zone = site.zone.clone();
    let record = cname("late.example.com", &site.primary.probe_target).build();
    site.kit.change(&zone, "CREATE", record);
    assert!(region_of(&site, "late.example.com", "us-east-1").is_err());
    site.run_s(60);
    assert!(region_of(&site, "late.example.com", "us-east-1").is_ok());
}
