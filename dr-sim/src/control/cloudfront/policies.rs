//! Managed cache and origin request policies: GetCachePolicy, GetOriginRequestPolicy.
//!
//! Source: CloudFront Developer Guide, "Use managed cache policies", "Use managed origin request policies" and "Use managed
//! response headers policies". Policies of one's own are not simulated, so another id is one that does not exist.

use aws_sdk_cloudfront::operation::get_cache_policy::{GetCachePolicyError, GetCachePolicyInput, GetCachePolicyOutput};
use aws_sdk_cloudfront::operation::get_origin_request_policy::{
    GetOriginRequestPolicyError, GetOriginRequestPolicyInput, GetOriginRequestPolicyOutput,
};
use aws_sdk_cloudfront::types::{
    CachePolicy, CachePolicyConfig, CachePolicyCookieBehavior, CachePolicyCookiesConfig, CachePolicyHeaderBehavior,
    CachePolicyHeadersConfig, CachePolicyQueryStringBehavior, CachePolicyQueryStringsConfig, Headers,
    OriginRequestPolicy, OriginRequestPolicyConfig, OriginRequestPolicyCookieBehavior,
    OriginRequestPolicyCookiesConfig, OriginRequestPolicyHeaderBehavior, OriginRequestPolicyHeadersConfig,
    OriginRequestPolicyQueryStringBehavior, OriginRequestPolicyQueryStringsConfig,
    ParametersInCacheKeyAndForwardedToOrigin,
};
use aws_smithy_types::DateTime;

use super::SERVICE;
use crate::control::{Answer, Call, Refusal, Table};
use crate::world::World;

/// Why a builder cannot fail here.
const SET: &str = "every required field is set";

/// A managed cache policy. Headers are in the cache key and go to the origin; all cookies or none; all query strings or none.
pub(crate) struct ManagedCachePolicy {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    /// Seconds: shortest, default, longest.
    pub(crate) ttl_s: (i64, i64, i64),
    pub(crate) headers: &'static [&'static str],
    pub(crate) cookies: bool,
    pub(crate) query_strings: bool,
    pub(crate) compress: bool,
}

/// Which headers a managed origin request policy sends to the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SentHeaders {
    /// Every header of the viewer, `Host` too.
    AllViewer,
    /// Every header of the viewer but these.
    AllExcept(&'static [&'static str]),
    /// Every header of the viewer and these of CloudFront.
    AllViewerAnd(&'static [&'static str]),
    Only(&'static [&'static str]),
}

/// A managed origin request policy: what goes to the origin beyond the cache key.
pub(crate) struct ManagedOriginRequestPolicy {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) headers: SentHeaders,
    pub(crate) cookies: bool,
    pub(crate) query_strings: bool,
}

const YEAR_S: i64 = 31_536_000;
const ORIGIN_KEYS: &[&str] = &["Host", "Origin", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"];

pub(crate) const CACHE_POLICIES: &[ManagedCachePolicy] = &[
    ManagedCachePolicy {
        id: "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
        name: "Managed-CachingDisabled",
        ttl_s: (0, 0, 0),
        headers: &[],
        cookies: false,
        query_strings: false,
        compress: false,
    },
    ManagedCachePolicy {
        id: "658327ea-f89d-4fab-a63d-7e88639e58f6",
        name: "Managed-CachingOptimized",
        ttl_s: (1, 86_400, YEAR_S),
        headers: &[],
        cookies: false,
        query_strings: false,
        compress: true,
    },
    ManagedCachePolicy {
        id: "b2884449-e4de-46a7-ac36-70bc7f1ddd6d",
        name: "Managed-CachingOptimizedForUncompressedObjects",
        ttl_s: (1, 86_400, YEAR_S),
        headers: &[],
        cookies: false,
        query_strings: false,
        compress: false,
    },
    ManagedCachePolicy {
        id: "83da9c7e-98b4-4e11-a168-04f0df8e2c65",
        name: "UseOriginCacheControlHeaders",
        ttl_s: (0, 0, YEAR_S),
        headers: ORIGIN_KEYS,
        cookies: true,
        query_strings: false,
        compress: true,
    },
    ManagedCachePolicy {
        id: "4cc15a8a-d715-48a4-82b8-cc0b614638fe",
        name: "UseOriginCacheControlHeaders-QueryStrings",
        ttl_s: (0, 0, YEAR_S),
        headers: ORIGIN_KEYS,
        cookies: true,
        query_strings: true,
        compress: true,
    },
];

pub(crate) const ORIGIN_REQUEST_POLICIES: &[ManagedOriginRequestPolicy] = &[
    ManagedOriginRequestPolicy {
        id: "216adef6-5c7f-47e4-b989-5492eafa07d3",
        name: "Managed-AllViewer",
        headers: SentHeaders::AllViewer,
        cookies: true,
        query_strings: true,
    },
    ManagedOriginRequestPolicy {
        id: "b689b0a8-53d0-40ab-baf2-68738e2966ac",
        name: "Managed-AllViewerExceptHostHeader",
        headers: SentHeaders::AllExcept(&["host"]),
        cookies: true,
        query_strings: true,
    },
    ManagedOriginRequestPolicy {
        id: "33f36d7e-f396-46d9-90e0-52428a34d9dc",
        name: "Managed-AllViewerAndCloudFrontHeaders-2022-06",
        headers: SentHeaders::AllViewerAnd(&[
            "CloudFront-Forwarded-Proto",
            "CloudFront-Is-Android-Viewer",
            "CloudFront-Is-Desktop-Viewer",
            "CloudFront-Is-IOS-Viewer",
            "CloudFront-Is-Mobile-Viewer",
            "CloudFront-Is-SmartTV-Viewer",
            "CloudFront-Is-Tablet-Viewer",
            "CloudFront-Viewer-Address",
            "CloudFront-Viewer-ASN",
            "CloudFront-Viewer-City",
            "CloudFront-Viewer-Country",
            "CloudFront-Viewer-Country-Name",
            "CloudFront-Viewer-Country-Region",
            "CloudFront-Viewer-Country-Region-Name",
            "CloudFront-Viewer-Http-Version",
            "CloudFront-Viewer-Latitude",
            "CloudFront-Viewer-Longitude",
            "CloudFront-Viewer-Metro-Code",
            "CloudFront-Viewer-Postal-Code",
            "CloudFront-Viewer-Time-Zone",
            "CloudFront-Viewer-TLS",
        ]),
        cookies: true,
        query_strings: true,
    },
    ManagedOriginRequestPolicy {
        id: "59781a5b-3903-41f3-afcb-af62929ccde1",
        name: "Managed-CORS-CustomOrigin",
        headers: SentHeaders::Only(&["origin"]),
        cookies: false,
        query_strings: false,
    },
    ManagedOriginRequestPolicy {
        id: "acba4595-bd28-49b8-b9fe-13317c0390fa",
        name: "Managed-UserAgentRefererHeaders",
        headers: SentHeaders::Only(&["user-agent", "referer"]),
        cookies: false,
        query_strings: false,
    },
];

/// Managed response headers policies; none of them changes where a request goes.
const RESPONSE_HEADERS_POLICIES: &[&str] = &[
    "60669652-455b-4ae9-85a4-c4c02393f86c",
    "5cc3b908-e619-4b99-88e5-2cf7f45965bd",
    "67f7725c-6f97-4210-82d7-5512b31e9d03",
    "e61eb60c-9c35-4d20-a928-2b84e02af89c",
    "eaab4381-ed33-4a86-88ca-d9558dc6cd63",
];

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "GetCachePolicy", GetCachePolicyError::generic, get_cache_policy);
    table.on(SERVICE, "GetOriginRequestPolicy", GetOriginRequestPolicyError::generic, get_origin_request_policy);
}

/// The managed cache policy of that id.
pub(crate) fn cache_policy(id: &str) -> Option<&'static ManagedCachePolicy> {
    CACHE_POLICIES.iter().find(|policy| policy.id == id)
}

/// The managed origin request policy of that id.
pub(crate) fn origin_request_policy(id: &str) -> Option<&'static ManagedOriginRequestPolicy> {
    ORIGIN_REQUEST_POLICIES.iter().find(|policy| policy.id == id)
}

pub(super) fn check_cache_policy(id: &str) -> Answer<()> {
    cache_policy(id)
        .map(|_| ())
        .ok_or_else(|| Refusal::new("NoSuchCachePolicy", "The specified cache policy does not exist.").status(404))
}

pub(super) fn check_origin_request_policy(id: &str) -> Answer<()> {
    origin_request_policy(id).map(|_| ()).ok_or_else(|| {
        Refusal::new("NoSuchOriginRequestPolicy", "The specified origin request policy does not exist.").status(404)
    })
}

pub(super) fn check_response_headers_policy(id: &str) -> Answer<()> {
    if RESPONSE_HEADERS_POLICIES.contains(&id) {
        return Ok(());
    }
    Err(Refusal::new("NoSuchResponseHeadersPolicy", "The specified response headers policy does not exist.")
        .status(404))
}

fn headers(names: &[&str]) -> Headers {
    let items: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let quantity = i32::try_from(items.len()).expect("a short list");
    Headers::builder().quantity(quantity).set_items(Some(items)).build().expect(SET)
}

fn get_cache_policy(_: &mut World, _: &Call, input: &GetCachePolicyInput) -> Answer<GetCachePolicyOutput> {
    let id = input.id.as_deref().unwrap_or_default();
    check_cache_policy(id)?;
    let policy = cache_policy(id).expect("checked just now");
    let by =
        if policy.headers.is_empty() { CachePolicyHeaderBehavior::None } else { CachePolicyHeaderBehavior::Whitelist };
    let header_config = CachePolicyHeadersConfig::builder()
        .header_behavior(by)
        .set_headers((!policy.headers.is_empty()).then(|| headers(policy.headers)));
    let cookies = if policy.cookies { CachePolicyCookieBehavior::All } else { CachePolicyCookieBehavior::None };
    let cookies = CachePolicyCookiesConfig::builder().cookie_behavior(cookies);
    let queries =
        if policy.query_strings { CachePolicyQueryStringBehavior::All } else { CachePolicyQueryStringBehavior::None };
    let queries = CachePolicyQueryStringsConfig::builder().query_string_behavior(queries);
    let key = ParametersInCacheKeyAndForwardedToOrigin::builder()
        .enable_accept_encoding_gzip(policy.compress)
        .enable_accept_encoding_brotli(policy.compress)
        .headers_config(header_config.build().expect(SET))
        .cookies_config(cookies.build().expect(SET))
        .query_strings_config(queries.build().expect(SET));
    let (shortest, default, longest) = policy.ttl_s;
    let config = CachePolicyConfig::builder()
        .name(policy.name)
        .comment("")
        .min_ttl(shortest)
        .default_ttl(default)
        .max_ttl(longest)
        .parameters_in_cache_key_and_forwarded_to_origin(key.build().expect(SET));
    let shown =
        CachePolicy::builder().id(policy.id).last_modified_time(made()).cache_policy_config(config.build().expect(SET));
    Ok(GetCachePolicyOutput::builder().cache_policy(shown.build().expect(SET)).e_tag("E23ZP02F085DFQ").build())
}

fn get_origin_request_policy(
    _: &mut World,
    _: &Call,
    input: &GetOriginRequestPolicyInput,
) -> Answer<GetOriginRequestPolicyOutput> {
    let id = input.id.as_deref().unwrap_or_default();
    check_origin_request_policy(id)?;
    let policy = origin_request_policy(id).expect("checked just now");
    let (by, names) = match policy.headers {
        SentHeaders::AllViewer => (OriginRequestPolicyHeaderBehavior::AllViewer, None),
        SentHeaders::AllExcept(names) => (OriginRequestPolicyHeaderBehavior::AllExcept, Some(names)),
        SentHeaders::AllViewerAnd(names) => {
            (OriginRequestPolicyHeaderBehavior::AllViewerAndWhitelistCloudFront, Some(names))
        }
        SentHeaders::Only(names) => (OriginRequestPolicyHeaderBehavior::Whitelist, Some(names)),
    };
    let header_config = OriginRequestPolicyHeadersConfig::builder().header_behavior(by).set_headers(names.map(headers));
    let cookies =
        if policy.cookies { OriginRequestPolicyCookieBehavior::All } else { OriginRequestPolicyCookieBehavior::None };
    let cookies = OriginRequestPolicyCookiesConfig::builder().cookie_behavior(cookies);
    let queries = if policy.query_strings {
        OriginRequestPolicyQueryStringBehavior::All
    } else {
        OriginRequestPolicyQueryStringBehavior::None
    };
    let queries = OriginRequestPolicyQueryStringsConfig::builder().query_string_behavior(queries);
    let config = OriginRequestPolicyConfig::builder()
        .name(policy.name)
        .comment("")
        .headers_config(header_config.build().expect(SET))
        .cookies_config(cookies.build().expect(SET))
        .query_strings_config(queries.build().expect(SET));
    let shown = OriginRequestPolicy::builder()
        .id(policy.id)
        .last_modified_time(made())
        .origin_request_policy_config(config.build().expect(SET));
    Ok(GetOriginRequestPolicyOutput::builder()
        .origin_request_policy(shown.build().expect(SET))
        .e_tag("E23ZP02F085DFQ")
        .build())
}

/// Managed policies are older than any world: July 2020.
fn made() -> DateTime {
    DateTime::from_secs(1_593_561_600)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Call {
        Call { region: "us-east-1".to_owned(), now_ms: 0 }
    }

    #[test]
    fn managed_policies_are_there_and_others_are_not() {
        let mut world = World::new(1);
        let mut cache = |id: &str| {
            get_cache_policy(&mut world, &at(), &GetCachePolicyInput::builder().id(id).build().expect("built"))
        };
        for policy in CACHE_POLICIES {
            let output = cache(policy.id).expect("managed");
            let shown = output.cache_policy().and_then(|p| p.cache_policy_config()).expect("a config");
            assert_eq!((shown.name(), shown.min_ttl()), (policy.name, policy.ttl_s.0));
        }
        assert_eq!(cache("mine").expect_err("of one's own").code, "NoSuchCachePolicy");
        let mut request = |id: &str| {
            get_origin_request_policy(
                &mut world,
                &at(),
                &GetOriginRequestPolicyInput::builder().id(id).build().expect("built"),
            )
        };
        for policy in ORIGIN_REQUEST_POLICIES {
            let output = request(policy.id).expect("managed");
            let shown =
                output.origin_request_policy().and_then(|p| p.origin_request_policy_config()).expect("a config");
            assert_eq!(shown.name(), policy.name);
        }
        assert_eq!(request("mine").expect_err("of one's own").code, "NoSuchOriginRequestPolicy");
    }
}
