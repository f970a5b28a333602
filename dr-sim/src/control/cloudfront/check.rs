//! What CloudFront refuses in a configuration.
//!
//! Sources: API Reference, DistributionConfig and its parts, errors of CreateDistribution and UpdateDistribution; Developer
//! Guide, "Requirements for using SSL/TLS certificates with CloudFront", "Quotas".

use std::collections::BTreeSet;

use aws_sdk_cloudfront::types::{
    GeoRestrictionType, HttpVersion, MinimumProtocolVersion, OriginProtocolPolicy, PriceClass, SslProtocol,
    SslSupportMethod, ViewerProtocolPolicy,
};

use super::config::{Behavior, Config, CustomOrigin, Origin, OriginKind};
use super::invalid_argument;
use super::policies::{check_cache_policy, check_origin_request_policy, check_response_headers_policy};
use crate::control::{Answer, Refusal, acm};
use crate::world::World;

/// Quotas per distribution.
const ORIGINS_MOST: usize = 25;
const ORIGIN_GROUPS_MOST: usize = 10;
const BEHAVIORS_MOST: usize = 25;
const ALIASES_MOST: usize = 100;
const HEADERS_MOST: usize = 10;

/// Status codes that may send a request on to the second origin of a group.
const FAILOVER_CODES: &[i32] = &[400, 403, 404, 416, 429, 500, 502, 503, 504];
/// Status codes that may have a response of their own.
const ERROR_CODES: &[i32] = &[400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504];

/// Checks everything that does not need the other distributions.
pub(super) fn check(world: &World, config: &Config, now_ms: u64) -> Answer<()> {
    if config.caller_reference.is_empty() {
        return Err(invalid_argument("The parameter CallerReference is required."));
    }
    if config.comment.chars().count() > 128 {
        return Err(invalid_argument("The parameter Comment is too long: it can have up to 128 characters."));
    }
    one_of(&config.price_class, PriceClass::values(), "PriceClass")?;
    one_of(&config.http_version, HttpVersion::values(), "HttpVersion")?;
    one_of(&config.geo_restriction.0, GeoRestrictionType::values(), "RestrictionType")?;
    if (config.geo_restriction.0 == "none") != config.geo_restriction.1.is_empty() {
        return Err(Refusal::new(
            "InvalidGeoRestrictionParameter",
            "The specified geo restriction parameter is not valid.",
        ));
    }
    if config.default_root_object.starts_with('/') || config.default_root_object.len() > 255 {
        let message = "The default root object file name is too big or contains an invalid character.";
        return Err(Refusal::new("InvalidDefaultRootObject", message));
    }
    if config.logging.enabled && config.logging.bucket.is_empty() {
        return Err(invalid_argument("The parameter Logging Bucket is required when logging is enabled."));
    }
    check_origins(config)?;
    check_behavior(config, &config.default_behavior)?;
    let mut paths = BTreeSet::new();
    for (path, behavior) in &config.behaviors {
        if path.is_empty() || path.len() > 255 || !paths.insert(path) {
            return Err(invalid_argument(format!(
                "The parameter PathPattern contains {path}, which is not valid or is there twice."
            )));
        }
        check_behavior(config, behavior)?;
    }
    if config.behaviors.len() > BEHAVIORS_MOST {
        return Err(Refusal::new(
            "TooManyCacheBehaviors",
            "You cannot create more cache behaviors for the distribution.",
        ));
    }
    check_error_responses(config)?;
    check_certificate(world, config, now_ms)
}

fn one_of(value: &str, known: &[&str], field: &str) -> Answer<()> {
    if known.contains(&value) {
        Ok(())
    } else {
        Err(invalid_argument(format!("The parameter {field} contains {value}, which is not valid.")))
    }
}

fn within(value: i32, range: std::ops::RangeInclusive<i32>, refusal: impl FnOnce() -> Refusal) -> Answer<()> {
    if range.contains(&value) { Ok(()) } else { Err(refusal()) }
}

fn is_host_name(name: &str) -> bool {
    let fine = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.contains('.') && name.split('.').all(fine)
}

fn check_origins(config: &Config) -> Answer<()> {
    if config.origins.is_empty() {
        return Err(invalid_argument("The parameter Origins is required: a distribution has at least one origin."));
    }
    if config.origins.len() > ORIGINS_MOST {
        return Err(Refusal::new("TooManyOrigins", "You cannot create more origins for the distribution."));
    }
    if config.origin_groups.len() > ORIGIN_GROUPS_MOST {
        let message = "Processing your request would cause you to exceed the maximum number of origin groups allowed.";
        return Err(Refusal::new("TooManyOriginGroupsPerDistribution", message));
    }
    let mut ids = BTreeSet::new();
    for id in config.origins.iter().map(|origin| &origin.id).chain(config.origin_groups.iter().map(|group| &group.id)) {
        if id.is_empty() || id.len() > 128 || !ids.insert(id) {
            return Err(invalid_argument(format!(
                "The parameter Origin Id contains {id}, which is not valid or is there twice."
            )));
        }
    }
    config.origins.iter().try_for_each(check_origin)?;
    for group in &config.origin_groups {
        if group.members.len() != 2 || group.members[0] == group.members[1] {
            return Err(invalid_argument("The parameter Members of an origin group needs two different origins."));
        }
        if !group.members.iter().all(|member| config.origins.iter().any(|origin| origin.id == *member)) {
            return Err(no_such_origin());
        }
        if group.status_codes.is_empty() || !group.status_codes.iter().all(|code| FAILOVER_CODES.contains(code)) {
            return Err(invalid_argument(
                "The parameter StatusCodes contains a code that cannot cause a failover, or none.",
            ));
        }
    }
    Ok(())
}

fn no_such_origin() -> Refusal {
    Refusal::new("NoSuchOrigin", "One or more of your origins or origin groups do not exist.").status(404)
}

fn check_origin(origin: &Origin) -> Answer<()> {
    if !is_host_name(&origin.domain_name) {
        let message = format!("The parameter origin name must be a domain name: {}.", origin.domain_name);
        return Err(invalid_argument(message));
    }
    if !origin.path.is_empty()
        && (!origin.path.starts_with('/') || origin.path.ends_with('/') || origin.path.len() > 255)
    {
        return Err(invalid_argument("The parameter OriginPath must begin with / and must not end with it."));
    }
    if origin.headers.len() > HEADERS_MOST {
        return Err(Refusal::new(
            "TooManyOriginCustomHeaders",
            "Your request contains too many origin custom headers.",
        ));
    }
    let range = |field: &'static str, most: i32| {
        move || invalid_argument(format!("The parameter {field} must be between 1 and {most}."))
    };
    within(origin.connection_attempts, 1..=3, range("ConnectionAttempts", 3))?;
    within(origin.connection_timeout_s, 1..=10, range("ConnectionTimeout", 10))?;
    match &origin.kind {
        OriginKind::Custom(custom) => check_custom_origin(origin, custom),
        OriginKind::S3 { .. } if !origin.domain_name.contains(".s3") => {
            let message = "The parameter Origin DomainName does not refer to a valid S3 bucket.";
            Err(invalid_argument(message))
        }
        OriginKind::S3 { .. } => Ok(()),
    }
}

fn check_custom_origin(origin: &Origin, custom: &CustomOrigin) -> Answer<()> {
    one_of(&custom.protocol_policy, OriginProtocolPolicy::values(), "OriginProtocolPolicy")?;
    for (port, field) in [(custom.http_port, "HTTPPort"), (custom.https_port, "HTTPSPort")] {
        if !matches!(port, 80 | 443 | 1024..=65_535) {
            return Err(invalid_argument(format!("The parameter {field} must be 80, 443 or between 1024 and 65535.")));
        }
    }
    if custom.ssl_protocols.is_empty() {
        return Err(invalid_argument("The parameter OriginSslProtocols needs at least one protocol."));
    }
    for protocol in &custom.ssl_protocols {
        one_of(protocol, SslProtocol::values(), "OriginSslProtocols")?;
    }
    within(custom.read_timeout_s, 1..=120, || {
        Refusal::new("InvalidOriginReadTimeout", "The read timeout specified for the origin is not valid.")
    })?;
    within(custom.keepalive_timeout_s, 1..=120, || {
        Refusal::new("InvalidOriginKeepaliveTimeout", "The keep alive timeout specified for the origin is not valid.")
    })?;
    if origin.response_completion_timeout_s.is_some_and(|seconds| seconds < custom.read_timeout_s) {
        return Err(invalid_argument("The parameter ResponseCompletionTimeout must be at least OriginReadTimeout."));
    }
    Ok(())
}

fn check_behavior(config: &Config, behavior: &Behavior) -> Answer<()> {
    let group = config.origin_groups.iter().any(|group| group.id == behavior.target_origin_id);
    if !group && !config.origins.iter().any(|origin| origin.id == behavior.target_origin_id) {
        return Err(no_such_origin());
    }
    one_of(&behavior.viewer_protocol_policy, ViewerProtocolPolicy::values(), "ViewerProtocolPolicy")?;
    let allowed: BTreeSet<&str> = behavior.allowed_methods.iter().map(String::as_str).collect();
    let read = BTreeSet::from(["GET", "HEAD"]);
    let with_options = BTreeSet::from(["GET", "HEAD", "OPTIONS"]);
    let all = BTreeSet::from(["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]);
    if ![&read, &with_options, &all].contains(&&allowed) || allowed.len() != behavior.allowed_methods.len() {
        return Err(invalid_argument(
            "The parameter AllowedMethods must be GET and HEAD, these with OPTIONS, or all seven methods.",
        ));
    }
    let cached: BTreeSet<&str> = behavior.cached_methods.iter().map(String::as_str).collect();
    if ![&read, &with_options].contains(&&cached) || !cached.is_subset(&allowed) {
        return Err(invalid_argument(
            "The parameter CachedMethods must be GET and HEAD, or these with OPTIONS if it is allowed.",
        ));
    }
    if group && allowed == all {
        return Err(invalid_argument(
            "The parameter AllowedMethods cannot include POST, PUT, PATCH, or DELETE for a cached behavior \
             associated with an origin group.",
        ));
    }
    match (&behavior.cache_policy_id, &behavior.forwarded_values) {
        (Some(_), Some(_)) => {
            let message =
                "The parameter ForwardedValues cannot be used when a cache policy is associated to the cache behavior.";
            return Err(invalid_argument(message));
        }
        (None, None) => return Err(invalid_argument("The parameter ForwardedValues is required.")),
        (Some(id), None) => {
            check_cache_policy(id)?;
            let ttls = [
                (behavior.min_ttl_s, "MinTTL"),
                (behavior.default_ttl_s, "DefaultTTL"),
                (behavior.max_ttl_s, "MaxTTL"),
            ];
            if let Some((_, field)) = ttls.iter().find(|(ttl, _)| ttl.is_some()) {
                let message = format!(
                    "The parameter {field} cannot be used when a cache policy is associated to the cache behavior."
                );
                return Err(invalid_argument(message));
            }
        }
        (None, Some(values)) => {
            if (values.cookies == "whitelist") == values.cookie_names.is_empty() {
                let message = "Your request contains forward cookies option which doesn't match with the \
                     expectation for the whitelisted list of cookie names.";
                return Err(Refusal::new("InvalidForwardCookies", message));
            }
            let ttl = |seconds: Option<i64>| seconds.unwrap_or(0);
            let (shortest, default, longest) =
                (ttl(behavior.min_ttl_s), ttl(behavior.default_ttl_s), ttl(behavior.max_ttl_s));
            if shortest < 0 || shortest > default || default > longest {
                return Err(Refusal::new("InvalidTTLOrder", "The TTL order specified is not valid."));
            }
        }
    }
    if let Some(id) = &behavior.origin_request_policy_id {
        if behavior.cache_policy_id.is_none() {
            return Err(invalid_argument("The parameter OriginRequestPolicyId cannot be used without a cache policy."));
        }
        check_origin_request_policy(id)?;
    }
    behavior.response_headers_policy_id.as_deref().map_or(Ok(()), check_response_headers_policy)
}

fn check_error_responses(config: &Config) -> Answer<()> {
    let mut seen = BTreeSet::new();
    for error in &config.error_responses {
        if !ERROR_CODES.contains(&error.error_code) || !seen.insert(error.error_code) {
            return Err(Refusal::new("InvalidErrorCode", "An invalid error code was specified."));
        }
        if error.page_path.is_empty() != error.response_code.is_empty() {
            return Err(invalid_argument(
                "The parameters ResponseCode and ResponsePagePath are given together or not at all.",
            ));
        }
        if !error.page_path.is_empty() && !error.page_path.starts_with('/') {
            return Err(invalid_argument("The parameter ResponsePagePath must begin with /."));
        }
        let answered = error.response_code.parse::<i32>();
        if !error.response_code.is_empty() && !answered.is_ok_and(|code| code == 200 || ERROR_CODES.contains(&code)) {
            return Err(Refusal::new("InvalidResponseCode", "A response code is not valid."));
        }
        if error.caching_min_ttl_s < 0 {
            return Err(invalid_argument("The parameter ErrorCachingMinTTL must not be negative."));
        }
    }
    Ok(())
}

fn check_certificate(world: &World, config: &Config, now_ms: u64) -> Answer<()> {
    let refuse = |message: &str| Err(Refusal::new("InvalidViewerCertificate", message));
    let viewer = &config.viewer_certificate;
    if config.aliases.len() > ALIASES_MOST {
        let message = "Your request contains more CNAMEs than are allowed per distribution.";
        return Err(Refusal::new("TooManyDistributionCNAMEs", message));
    }
    let mut seen = BTreeSet::new();
    for alias in &config.aliases {
        if !is_host_name(alias.strip_prefix("*.").unwrap_or(alias)) || !seen.insert(alias.to_lowercase()) {
            return Err(invalid_argument(format!(
                "The parameter CNAME contains one or more parameters that are not valid: {alias}."
            )));
        }
    }
    let missing = "The specified SSL certificate doesn't exist, isn't in us-east-1 region, isn't valid, or \
         doesn't include a valid certificate chain.";
    let Some(arn) = &viewer.acm_certificate_arn else {
        if viewer.iam_certificate_id.is_some() {
            // No server certificate can be uploaded to IAM here.
            return refuse(missing);
        }
        if !config.aliases.is_empty() {
            return refuse(
                "To add an alternate domain name (CNAME) to a CloudFront distribution, you must attach a trusted \
                 certificate that validates your authorization to use the domain name.",
            );
        }
        return Ok(());
    };
    if viewer.cloudfront_default || viewer.iam_certificate_id.is_some() {
        return refuse(
            "Exactly one of CloudFrontDefaultCertificate, ACMCertificateArn and IAMCertificateId can be specified.",
        );
    }
    let Some(method) = &viewer.ssl_support_method else {
        return refuse("SSLSupportMethod is required when a custom certificate is specified.");
    };
    one_of(method, SslSupportMethod::values(), "SSLSupportMethod")?;
    if !MinimumProtocolVersion::values().contains(&viewer.minimum_protocol_version.as_str()) {
        return Err(Refusal::new(
            "InvalidMinimumProtocolVersion",
            "The minimum protocol version specified is not valid.",
        ));
    }
    if method == "sni-only" && viewer.minimum_protocol_version == "SSLv3" {
        let message = "You cannot specify SSLv3 as the minimum protocol version if you only want to support only \
             clients that support Server Name Indication (SNI).";
        return Err(Refusal::new("InvalidProtocolSettings", message));
    }
    if !acm::is_issued(world, "us-east-1", arn, now_ms) {
        return refuse(missing);
    }
    if world.acm.certificates.get(arn).is_some_and(|certificate| certificate.key_algorithm == "EC_secp384r1") {
        return refuse(
            "The specified SSL certificate has a key that CloudFront does not support: use RSA 2048 or ECDSA P-256.",
        );
    }
    if !config.aliases.iter().all(|alias| acm::covers(world, arn, alias)) {
        return refuse(
            "The certificate that is attached to your distribution doesn't cover the alternate domain name \
             (CNAME) that you're trying to add. For more details, see: \
             https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/CNAMEs.html#alternate-domain-names-requirements",
        );
    }
    Ok(())
}
