//! CloudFront: what it sends to the origin, and for how long it waits.

use std::collections::BTreeSet;

use dr_core::Node;

use super::Found;
use super::view::{Host, View, canonical, covers, text};
use crate::ids::{ALL_VIEWER_EXCEPT_HOST, CACHING_DISABLED};

const DISTRIBUTION: &str = "aws.cloudfront.distribution";

/// The managed cache policies that keep answers.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html>
const KEEPS_ANSWERS: &[(&str, &str)] = &[
    ("658327ea-f89d-4fab-a63d-7e88639e58f6", "CachingOptimized"),
    ("b2884449-e4de-46a7-ac36-70bc7f1ddd6d", "CachingOptimizedForUncompressedObjects"),
    ("08627262-05a9-4f76-9ded-b50ca2e3a84f", "Elemental-MediaPackage"),
    ("2e54312d-136d-493c-8eb9-b001f22f67d2", "Amplify"),
];
/// The managed origin request policies that send the viewer's `Host` on.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-origin-request-policies.html>
const FORWARDS_HOST: &[(&str, &str)] = &[
    ("216adef6-5c7f-47e4-b989-5492eafa07d3", "AllViewer"),
    ("33f36d7e-f396-46d9-90e0-52428a34d9dc", "AllViewerAndCloudFrontHeaders-2022-06"),
];

/// The name of a distribution's origin.
fn origin<'g>(view: View<'g>, distribution: &'g Node) -> Option<String> {
    view.text(&distribution.inputs["origin"]["domain"]).map(|name| canonical(&name))
}

/// The hosts that a distribution sends to a name: the viewer's when it is forwarded. `None` for a policy that is not known.
fn sent_hosts<'g>(view: View<'g>, distribution: &'g Node) -> Option<Vec<String>> {
    let policy = &distribution.inputs["origin_request_policy"];
    if policy.is_null() || policy == ALL_VIEWER_EXCEPT_HOST {
        return origin(view, distribution).map(|name| vec![name]);
    }
    let forwards = FORWARDS_HOST.iter().any(|(id, _)| policy == id);
    let aliases = distribution.inputs["aliases"].as_array().into_iter().flatten().filter_map(|alias| alias.as_str());
    forwards.then(|| aliases.map(canonical).collect())
}

/// The API domains behind a distribution.
fn behind<'g>(view: View<'g>, distribution: &'g Node) -> Vec<&'g Node> {
    origin(view, distribution).map(|name| view.domains_behind(&name)).unwrap_or_default()
}

/// API Gateway answers 403 to a host that is no domain of its own.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-custom-domain-names.html>
pub(super) fn host_forwarding_mismatch(view: View<'_>, found: &mut Found) {
    for distribution in view.of(DISTRIBUTION) {
        let Some(hosts) = sent_hosts(view, distribution) else { continue };
        for domain in behind(view, distribution) {
            let name = text(domain, "name");
            if let Some(host) = hosts.iter().find(|host| !covers(name, host)) {
                let problem = format!("it sends `Host: {host}` to {}, which is `{name}`: 403", domain.address);
                found.add(distribution, problem, "the policy AllViewerExceptHostHeader, or a domain of that name");
            }
        }
    }
}

/// CloudFront checks the certificate of its origin, and health checks do not: a name that is missing shows after a failover.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-https-cloudfront-to-custom-origin.html>
pub(super) fn origin_cert_san(view: View<'_>, found: &mut Found) {
    for distribution in view.of(DISTRIBUTION) {
        let Some(hosts) = sent_hosts(view, distribution) else { continue };
        for domain in behind(view, distribution) {
            let Some(names) = view.certificate_names(&domain.inputs["certificate"]) else { continue };
            if let Some(host) = hosts.iter().find(|host| names.iter().all(|name| !covers(name, host))) {
                let problem =
                    format!("its certificate is for {}, and CloudFront asks for {host}: 502", names.join(", "));
                found.add(domain, problem, "request the certificate for that name");
            }
        }
    }
}

/// An origin that is one region's own host goes past the failover.
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-types.html>
pub(super) fn origin_is_regional_name(view: View<'_>, found: &mut Found) {
    // Without a name that is answered by two regions there is nothing to go past.
    if view.pairs().is_empty() && view.choices().next().is_none() {
        return;
    }
    for distribution in view.of(DISTRIBUTION) {
        let regional = match view.host(&distribution.inputs["origin"]["domain"]) {
            Host::Api(api) => Some(api.address.to_string()),
            Host::Target(domain) => Some(domain.address.to_string()),
            Host::Name(name) => name.contains(".execute-api.").then_some(name),
            Host::Unknown => None,
        };
        if let Some(regional) = regional {
            let problem = format!("its origin is {regional}, one region's own host, and does not fail over");
            found.add(distribution, problem, "the name that both regions answer as origin");
        }
    }
}

/// CloudFront takes certificates of us-east-1, and they have to cover every name.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cnames-and-https-requirements.html>
pub(super) fn viewer_cert_region(view: View<'_>, found: &mut Found) {
    for distribution in view.of(DISTRIBUTION) {
        let certificate = &distribution.inputs["certificate"];
        if let Some(region) = super::view::arn_region(certificate).filter(|region| *region != "us-east-1") {
            let problem = format!("its certificate is of {region}, and CloudFront takes those of us-east-1");
            found.add(distribution, problem, "a certificate of us-east-1");
        }
        let Some(names) = view.certificate_names(certificate) else { continue };
        let aliases =
            distribution.inputs["aliases"].as_array().into_iter().flatten().filter_map(|alias| alias.as_str());
        for alias in aliases.filter(|alias| names.iter().all(|name| !covers(name, alias))) {
            let problem = format!("its certificate is for {}, and not for `{alias}`", names.join(", "));
            found.add(distribution, problem, format!("`.alternative(\"{alias}\")` on the certificate"));
        }
    }
}

/// A kept answer outlives a failover; and without an origin request policy the API sees neither query nor credentials.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html>
pub(super) fn cache_policy_api(view: View<'_>, found: &mut Found) {
    for distribution in view.of(DISTRIBUTION).filter(|distribution| !behind(view, distribution).is_empty()) {
        let policy = text(distribution, "cache_policy");
        if let Some((_, name)) = KEEPS_ANSWERS.iter().find(|(id, _)| *id == policy) {
            let problem = format!("the cache policy {name} keeps answers of an API");
            found.add(distribution, problem, "the policy CachingDisabled, or one of your own with a time to live of 0");
        }
        if distribution.inputs["origin_request_policy"].is_null() {
            let problem = "without an origin request policy the API sees no query, no cookies and no credentials";
            found.add(distribution, problem, "the policy AllViewerExceptHostHeader");
        }
    }
}

/// How long an error is kept is added to what users wait after a failover. Under CachingDisabled none is kept.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/HTTPStatusCodes.html>
pub(super) fn error_cache(view: View<'_>, found: &mut Found) {
    for distribution in view.of(DISTRIBUTION).filter(|it| it.inputs["cache_policy"] != CACHING_DISABLED) {
        if let Some(seconds) = distribution.inputs["error_caching_s"].as_u64().filter(|seconds| *seconds > 5) {
            let problem = format!("errors are kept for {seconds} s, so users see them that much longer");
            found.add(distribution, problem, "`.error_caching_s(0)`");
        }
    }
}

/// An edge that gives up before the API does hides who was slow.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/DownloadDistValuesOrigin.html>
pub(super) fn origin_timeouts(view: View<'_>, found: &mut Found) {
    for distribution in view.of(DISTRIBUTION) {
        let Some(read_s) = distribution.inputs["origin"]["read_timeout_s"].as_u64() else { continue };
        let apis = behind(view, distribution).into_iter().flat_map(|domain| view.apis(domain));
        let integrations = apis.flat_map(|api| view.integrations(api));
        let slowest = integrations.max_by_key(|integration| integration.inputs["timeout_ms"].as_u64());
        if let Some(slowest) = slowest
            && let Some(timeout_ms) = slowest.inputs["timeout_ms"].as_u64().filter(|ms| read_s * 1000 <= *ms)
        {
            let problem = format!("it waits {read_s} s, and {} may take {timeout_ms} ms", slowest.address);
            found.add(distribution, problem, "a longer `.read_timeout_s(…)`, or a shorter time-out of the integration");
        }
    }
}

/// Only GET, HEAD and OPTIONS go to the second origin of a group.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/high_availability_origin_failover.html>
pub(super) fn origin_group_nonidempotent(view: View<'_>, found: &mut Found) {
    for distribution in view.of(DISTRIBUTION).filter(|distribution| !distribution.inputs["fallback"].is_null()) {
        let name = origin(view, distribution);
        if name.as_ref().is_some_and(|name| view.is_chosen(name)) {
            continue; // DNS moves the writes
        }
        let mut apis: Vec<&Node> =
            behind(view, distribution).into_iter().flat_map(|domain| view.apis(domain)).collect();
        if let Host::Api(api) = view.host(&distribution.inputs["origin"]["domain"]) {
            apis.push(api);
        }
        let keys = apis.iter().flat_map(|api| view.users("aws.apigatewayv2.route", "api", api));
        let methods: BTreeSet<&str> =
            keys.map(|route| text(route, "key").split(' ').next().unwrap_or_default()).collect();
        let reads = |method: &&str| matches!(*method, "GET" | "HEAD" | "OPTIONS");
        if methods.is_empty() || !methods.iter().all(reads) {
            let problem = "its second origin gets reads only: POST, PUT, PATCH and DELETE never fail over";
            found.add(distribution, problem, "a failover name as origin");
        }
    }
}
