//! CloudFront: what it forwards, what it verifies, what it remembers.

use aws_sdk_cloudfront::types::{OriginProtocolPolicy, ViewerProtocolPolicy};

use super::super::testing::{ALIAS, ALL_BUT_HOST, ALL_VIEWER, ORIGIN, Site};
use super::super::{Part, Request, Response, Service};
use super::{DataFault, region_away, stopped_at};

const ALL_VIEWER_AND_CLOUDFRONT: &str = "33f36d7e-f396-46d9-90e0-52428a34d9dc";

/// The site with an origin request policy, whose instances answer what they are asked.
fn echo(policy: Option<&str>) -> Site {
    let mut site = Site::new();
    let id = site.distribution.clone();
    site.kit.update_distribution(&id, |config| {
        if let Some(behavior) = &mut config.default_cache_behavior {
            behavior.origin_request_policy_id = policy.map(str::to_owned);
        }
    });
    for instance in [site.primary.instances.clone(), site.standby.instances.clone()].concat() {
        site.kit.world.serve_instance(&instance, |request: &Request| {
            let header = |name: &str| request.headers.get(name).cloned().unwrap_or_else(|| "-".to_owned());
            Response::new(
                200,
                format!("{}?{} {} {}", request.host, request.query, header("authorization"), header("cookie")),
            )
        });
    }
    site.run_s(600);
    site
}

fn asked(site: &mut Site) -> Response {
    let request =
        Request::get(&format!("https://{ALIAS}/?page=2")).header("Authorization", "secret").header("Cookie", "a=b");
    site.send(&request)
}

#[test]
fn the_host_that_is_forwarded_decides_whether_the_api_is_found() {
    for (policy, status, body) in [
        (None, 200, format!("{ORIGIN}? - -")),
        (Some(ALL_BUT_HOST), 200, format!("{ORIGIN}?page=2 secret a=b")),
        (Some(ALL_VIEWER), 403, r#"{"message":"Forbidden"}"#.to_owned()),
        (Some(ALL_VIEWER_AND_CLOUDFRONT), 403, r#"{"message":"Forbidden"}"#.to_owned()),
    ] {
        let mut site = echo(policy);
        let response = asked(&mut site);
        assert_eq!((response.status, response.body.as_str()), (status, body.as_str()), "{policy:?}: {response}");
        if status == 403 {
            assert_eq!(stopped_at(&response), (Part::Endpoint, ALIAS));
            // In the standby too, and no checker notices.
            assert!(site.green(&site.primary.clone()) && site.green(&site.standby.clone()));
            site.faults.break_from(site.kit.now_ms, region_away("us-east-1"));
            site.run_s(200);
            let response = asked(&mut site);
            assert_eq!((response.status, response.region.as_deref()), (403, Some("us-west-2")));
        }
    }
}

#[test]
#[expect(deprecated, reason = "forwarded values are legacy, and still in use")]
fn the_legacy_settings_forward_the_host_when_they_list_it() {
    use aws_sdk_cloudfront::types::{CookiePreference, ForwardedValues, Headers, ItemSelection};
    const SET: &str = "complete";
    for (header, status) in [("Authorization", 200), ("Host", 403)] {
        let mut site = Site::new();
        let id = site.distribution.clone();
        let headers = Headers::builder().quantity(1).items(header).build().expect(SET);
        let cookies = CookiePreference::builder().forward(ItemSelection::None).build().expect(SET);
        let values =
            ForwardedValues::builder().query_string(true).cookies(cookies).headers(headers).build().expect(SET);
        site.kit.update_distribution(&id, |config| {
            if let Some(behavior) = &mut config.default_cache_behavior {
                (behavior.cache_policy_id, behavior.origin_request_policy_id) = (None, None);
                behavior.forwarded_values = Some(values);
                (behavior.min_ttl, behavior.default_ttl, behavior.max_ttl) = (Some(0), Some(0), Some(0));
            }
        });
        site.run_s(600);
        let response = site.user();
        assert_eq!(response.status, status, "{header}: {response}");
    }
}

#[test]
fn plain_http_to_the_origin_never_works() {
    let mut site = Site::new();
    let id = site.distribution.clone();
    site.kit.update_distribution(&id, |config| {
        if let Some(behavior) = &mut config.default_cache_behavior {
            behavior.viewer_protocol_policy = ViewerProtocolPolicy::AllowAll;
        }
        for origin in config.origins.iter_mut().flat_map(|origins| &mut origins.items) {
            if let Some(custom) = &mut origin.custom_origin_config {
                custom.origin_protocol_policy = OriginProtocolPolicy::MatchViewer;
            }
        }
    });
    site.run_s(600);
    assert_eq!(site.user().status, 200);
    let response = site.send(&Request::get(&format!("http://{ALIAS}/")));
    assert_eq!((response.status, stopped_at(&response).0), (502, Part::Endpoint));
    assert!(response.failed.as_ref().is_some_and(|failure| failure.reason.contains("HTTPS")), "{response}");
}

#[test]
fn viewers_are_sent_to_https_and_strangers_away() {
    let mut site = Site::new();
    let response = site.send(&Request::get(&format!("http://{ALIAS}/a?b")));
    assert_eq!(response.status, 301);
    assert_eq!(response.headers.get("location").map(String::as_str), Some("https://mysecureapi.example.com/a?b"));
    let response = site.send(&Request::get(&format!("https://{ALIAS}/")).body("x"));
    assert_eq!((response.status, stopped_at(&response).0), (403, Part::CloudFront));
    let response = site.send(&Request::get("https://other.example.com/"));
    assert_eq!((response.status, stopped_at(&response)), (0, (Part::Dns, "other.example.com")));
}

/// The site with a cache: `CachingOptimized` keeps answers for a day, unless the origin says otherwise.
fn caching() -> Site {
    let mut site = Site::new();
    let id = site.distribution.clone();
    site.kit.update_distribution(&id, |config| {
        if let Some(behavior) = &mut config.default_cache_behavior {
            behavior.cache_policy_id = Some("658327ea-f89d-4fab-a63d-7e88639e58f6".to_owned());
        }
    });
    site.run_s(600);
    site
}

#[test]
fn an_error_is_remembered_for_ten_seconds() {
    let mut site = caching();
    let now_ms = site.kit.now_ms;
    let fault = DataFault::ServiceAway { region: "us-east-1".into(), service: Service::ApiGateway };
    site.faults.break_between(now_ms, now_ms + 1_000, fault);
    assert_eq!(site.user().status, 500);
    site.run_s(5);
    let response = site.user();
    assert_eq!((response.status, stopped_at(&response).0), (500, Part::CloudFront), "from the cache");
    assert_eq!(site.send(&Request::new("POST", &format!("https://{ALIAS}/"))).status, 200, "writes are not cached");
    site.run_s(6);
    assert_eq!(site.user().status, 200);
}

#[test]
fn without_caching_no_error_is_remembered() {
    let mut site = Site::new();
    let now_ms = site.kit.now_ms;
    let fault = DataFault::ServiceAway { region: "us-east-1".into(), service: Service::ApiGateway };
    site.faults.break_between(now_ms, now_ms + 1_000, fault);
    assert_eq!(site.user().status, 500);
    site.run_s(1);
    assert_eq!(site.user().status, 200);
}

/// Goal: which errors are kept, and for how long, when the origin says something about it and when not.
#[test]
fn an_origin_says_how_long_its_errors_are_kept() {
    for (status, told, kept) in [
        (404, None, [true, false]),
        (404, Some("max-age=60"), [true, true]),
        (404, Some("max-age=1"), [true, false]),
        (403, None, [false, false]),
        (403, Some("s-maxage=60"), [true, true]),
        (416, Some("max-age=60"), [false, false]),
    ] {
        let mut site = caching();
        for instance in site.primary.instances.clone() {
            site.kit.world.serve_instance(&instance, move |request| match (request.path.as_str(), told) {
                ("/error", Some(told)) => Response::new(status, "no").header("cache-control", told),
                ("/error", None) => Response::new(status, "no"),
                _ => Response::new(200, "yes"),
            });
        }
        let mut from_cache = |after_s: u64| {
            site.run_s(after_s);
            let response = site.send(&Request::get(&format!("https://{ALIAS}/error")));
            assert_eq!(response.status, status);
            response.through(Part::Instance).is_none()
        };
        assert!(!from_cache(0));
        assert_eq!([from_cache(8), from_cache(8)], kept, "{status} {told:?}");
    }
}

#[test]
fn a_busy_connection_stays_with_the_old_region() {
    let mut site = Site::new();
    let write = Request::new("POST", &format!("https://{ALIAS}/"));
    assert_eq!(site.send(&write).status, 200);
    let fault = DataFault::ServiceAway { region: "us-east-1".into(), service: Service::ApiGateway };
    site.faults.break_from(site.kit.now_ms, fault);
    // A write every three seconds: the connection is never idle for five.
    for _ in 0..60 {
        site.run_s(3);
        let response = site.send(&write);
        assert_eq!((response.status, response.region.as_deref()), (500, Some("us-east-1")));
    }
    assert!(!site.green(&site.primary.clone()), "DNS has moved long ago");
    site.run_s(6);
    assert_eq!(site.send(&write).region.as_deref(), Some("us-west-2"));
}

#[test]
fn an_origin_group_fails_over_per_request() {
    use aws_sdk_cloudfront::types::{
        Method, OriginGroup, OriginGroupFailoverCriteria, OriginGroupMember, OriginGroupMembers, OriginGroups,
        StatusCodes,
    };
    const SET: &str = "complete";
    let mut site = Site::new();
    let id = site.distribution.clone();
    let names = [site.primary.probe_name.clone(), site.standby.probe_name.clone()];
    site.kit.update_distribution(&id, |config| {
        let origins = config.origins.as_mut().expect("it has origins");
        let template = origins.items[0].clone();
        let origin = |name: &String| {
            let mut origin = template.clone();
            (origin.id, origin.domain_name) = (name.clone(), name.clone());
            origin
        };
        origins.items = names.iter().map(origin).collect();
        origins.quantity = 2;
        let member = |name: &String| OriginGroupMember::builder().origin_id(name).build().expect(SET);
        let members =
            OriginGroupMembers::builder().quantity(2).set_items(Some(names.iter().map(member).collect())).build();
        let codes = StatusCodes::builder().quantity(2).items(500).items(503).build().expect(SET);
        let criteria = OriginGroupFailoverCriteria::builder().status_codes(codes).build();
        let group = OriginGroup::builder()
            .id("pair")
            .failover_criteria(criteria)
            .members(members.expect(SET))
            .build()
            .expect(SET);
        config.origin_groups = Some(OriginGroups::builder().quantity(1).items(group).build().expect(SET));
        if let Some(behavior) = &mut config.default_cache_behavior {
            behavior.target_origin_id = "pair".to_owned();
            // With an origin group, CloudFront takes reads only.
            let methods = behavior.allowed_methods.as_mut().expect("it has methods");
            methods.items = vec![Method::Get, Method::Head];
            methods.quantity = 2;
        }
    });
    site.run_s(600);
    assert_eq!(site.user().region.as_deref(), Some("us-east-1"));
    for instance in site.primary.instances.clone() {
        site.faults.break_from(site.kit.now_ms, DataFault::InstanceAnswers { instance, status: 500 });
    }
    let read = site.user();
    assert_eq!((read.status, read.region.as_deref(), &read.failed), (200, Some("us-west-2"), &None), "{read}");
    let write = site.send(&Request::new("POST", &format!("https://{ALIAS}/")));
    assert_eq!((write.status, stopped_at(&write).0), (403, Part::CloudFront));
}

#[test]
fn an_update_is_served_when_it_is_deployed() {
    let mut site = Site::new();
    let id = site.distribution.clone();
    site.kit.update_distribution(&id, |config| config.enabled = false);
    assert_eq!(site.user().status, 200);
    site.run_s(600);
    assert_eq!(site.user().status, 403);
}
