//! The site of the tests under every kind of failure.

mod alarms;
mod dns;
mod edge;
mod failover;
mod hops;

use super::testing::Site;
use super::{DataFault, Part, Response};

/// Kind and name of the hop that a request did not get past.
fn stopped_at(response: &Response) -> (Part, &str) {
    let failure = response.failed.as_ref().unwrap_or_else(|| panic!("nothing stopped it: {response}"));
    (failure.hop.part, failure.hop.name.as_str())
}

fn region_away(region: &str) -> DataFault {
    DataFault::RegionAway { region: region.into() }
}

#[test]
fn a_healthy_site_answers_from_the_primary_through_every_hop() {
    let mut site = Site::new();
    let response = site.user();
    assert_eq!((response.status, response.body.as_str()), (200, "hello from us-east-1"), "{response}");
    assert_eq!((response.region.as_deref(), &response.failed), (Some("us-east-1"), &None));
    let parts: Vec<Part> = response.path.iter().map(|hop| hop.part).collect();
    let expected = [
        Part::Dns,
        Part::CloudFront,
        Part::Dns,
        Part::Dns,
        Part::Endpoint,
        Part::DomainName,
        Part::Api,
        Part::Route,
        Part::Integration,
        Part::VpcLink,
        Part::LoadBalancer,
        Part::Listener,
        Part::Rule,
        Part::TargetGroup,
        Part::Instance,
    ];
    assert_eq!(parts, expected);
    assert_eq!(response.through(Part::VpcLink), Some(site.primary.link.as_str()));
    assert!(response.took_ms < 1000, "{response}");
    for half in [site.primary.clone(), site.standby.clone()] {
        let direct = site
            .send(&super::Request::get(&format!("https://{}.execute-api.{}.amazonaws.com/", half.api, half.region)));
        assert_eq!(direct.body, format!("hello from {}", half.region));
        assert!(site.green(&half));
        assert!(site.kit.target_health(&half).iter().all(|(_, state, _)| state == "healthy"));
    }
}

#[test]
fn everything_that_is_state_can_be_saved_and_loaded() {
    let mut site = Site::new();
    site.user();
    site.faults.break_from(site.kit.now_ms, region_away("us-east-1"));
    let world = serde_json::to_string(&site.kit.world).expect("a world is data");
    let health = serde_json::to_string(&site.health).expect("checkers are data");
    let caches = serde_json::to_string(&site.caches).expect("caches are data");
    let faults = serde_json::to_string(&site.faults).expect("faults are data");
    site.run_s(300);
    let expected = (site.user(), site.health.events().to_vec());

    let mut other = Site { kit: site.kit, ..site };
    other.kit.now_ms -= 300_000;
    other.kit.world = serde_json::from_str(&world).expect("what was written");
    other.health = serde_json::from_str(&health).expect("what was written");
    other.caches = serde_json::from_str(&caches).expect("what was written");
    other.faults = serde_json::from_str(&faults).expect("what was written");
    other.run_s(300);
    assert_eq!((other.user(), other.health.events().to_vec()), expected);
}
