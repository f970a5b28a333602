//! A distribution's configuration as the API answers it: every list with its quantity, every default filled in.

use aws_sdk_cloudfront::types as sdk;
use aws_sdk_cloudfront::types::{CertificateSource, GeoRestrictionType, HttpVersion, Method, PriceClass};

use super::config::{
    Behavior, Config, CustomOrigin, ErrorResponse, ForwardedValues, Origin, OriginGroup, OriginKind, ViewerCertificate,
};

/// Why a builder cannot fail here.
const SET: &str = "every required field is set";

fn quantity<T>(items: &[T]) -> i32 {
    i32::try_from(items.len()).expect("a list of a sane length")
}

/// An empty list has no items element.
fn some<T: Clone>(items: &[T]) -> Option<Vec<T>> {
    (!items.is_empty()).then(|| items.to_vec())
}

pub(super) fn aliases(config: &Config) -> sdk::Aliases {
    sdk::Aliases::builder().quantity(quantity(&config.aliases)).set_items(some(&config.aliases)).build().expect(SET)
}

pub(super) fn origins(config: &Config) -> sdk::Origins {
    let items: Vec<sdk::Origin> = config.origins.iter().map(origin).collect();
    sdk::Origins::builder().quantity(quantity(&items)).set_items(Some(items)).build().expect(SET)
}

pub(super) fn origin_groups(config: &Config) -> sdk::OriginGroups {
    let items: Vec<sdk::OriginGroup> = config.origin_groups.iter().map(origin_group).collect();
    sdk::OriginGroups::builder().quantity(quantity(&items)).set_items(some(&items)).build().expect(SET)
}

pub(super) fn cache_behaviors(config: &Config) -> sdk::CacheBehaviors {
    let items: Vec<sdk::CacheBehavior> =
        config.behaviors.iter().map(|(path, behavior)| path_behavior(path, behavior)).collect();
    sdk::CacheBehaviors::builder().quantity(quantity(&items)).set_items(some(&items)).build().expect(SET)
}

pub(super) fn error_responses(config: &Config) -> sdk::CustomErrorResponses {
    let items: Vec<sdk::CustomErrorResponse> = config.error_responses.iter().map(error_response).collect();
    sdk::CustomErrorResponses::builder().quantity(quantity(&items)).set_items(some(&items)).build().expect(SET)
}

pub(super) fn restrictions(config: &Config) -> sdk::Restrictions {
    let (kind, places) = &config.geo_restriction;
    let geo = sdk::GeoRestriction::builder().restriction_type(GeoRestrictionType::from(kind.as_str()));
    sdk::Restrictions::builder()
        .geo_restriction(geo.quantity(quantity(places)).set_items(some(places)).build().expect(SET))
        .build()
}

pub(super) fn distribution_config(config: &Config) -> sdk::DistributionConfig {
    let logging = sdk::LoggingConfig::builder()
        .enabled(config.logging.enabled)
        .include_cookies(config.logging.include_cookies)
        .bucket(&config.logging.bucket)
        .prefix(&config.logging.prefix)
        .build();
    sdk::DistributionConfig::builder()
        .caller_reference(&config.caller_reference)
        .aliases(aliases(config))
        .default_root_object(&config.default_root_object)
        .origins(origins(config))
        .origin_groups(origin_groups(config))
        .default_cache_behavior(default_behavior(&config.default_behavior))
        .cache_behaviors(cache_behaviors(config))
        .custom_error_responses(error_responses(config))
        .comment(&config.comment)
        .logging(logging)
        .price_class(PriceClass::from(config.price_class.as_str()))
        .enabled(config.enabled)
        .viewer_certificate(viewer_certificate(&config.viewer_certificate))
        .restrictions(restrictions(config))
        .web_acl_id(&config.web_acl_id)
        .http_version(HttpVersion::from(config.http_version.as_str()))
        .is_ipv6_enabled(config.ipv6)
        .continuous_deployment_policy_id(&config.continuous_deployment_policy_id)
        .staging(config.staging)
        .build()
        .expect(SET)
}

fn origin(origin: &Origin) -> sdk::Origin {
    let headers: Vec<sdk::OriginCustomHeader> = origin
        .headers
        .iter()
        .map(|(name, value)| {
            sdk::OriginCustomHeader::builder().header_name(name).header_value(value).build().expect(SET)
        })
        .collect();
    let headers =
        sdk::CustomHeaders::builder().quantity(quantity(&headers)).set_items(some(&headers)).build().expect(SET);
    let shield = sdk::OriginShield::builder().enabled(origin.shield_region.is_some());
    let shown = sdk::Origin::builder()
        .id(&origin.id)
        .domain_name(&origin.domain_name)
        .origin_path(&origin.path)
        .custom_headers(headers)
        .connection_attempts(origin.connection_attempts)
        .connection_timeout(origin.connection_timeout_s)
        .set_response_completion_timeout(origin.response_completion_timeout_s)
        .origin_shield(shield.set_origin_shield_region(origin.shield_region.clone()).build().expect(SET))
        .origin_access_control_id(&origin.access_control_id);
    let shown = match &origin.kind {
        OriginKind::S3 { access_identity } => {
            shown.s3_origin_config(sdk::S3OriginConfig::builder().origin_access_identity(access_identity).build())
        }
        OriginKind::Custom(custom) => shown.custom_origin_config(custom_origin(custom)),
    };
    shown.build().expect(SET)
}

fn custom_origin(custom: &CustomOrigin) -> sdk::CustomOriginConfig {
    let protocols: Vec<sdk::SslProtocol> =
        custom.ssl_protocols.iter().map(|name| sdk::SslProtocol::from(name.as_str())).collect();
    let protocols =
        sdk::OriginSslProtocols::builder().quantity(quantity(&protocols)).set_items(Some(protocols)).build();
    sdk::CustomOriginConfig::builder()
        .http_port(custom.http_port)
        .https_port(custom.https_port)
        .origin_protocol_policy(sdk::OriginProtocolPolicy::from(custom.protocol_policy.as_str()))
        .origin_ssl_protocols(protocols.expect(SET))
        .origin_read_timeout(custom.read_timeout_s)
        .origin_keepalive_timeout(custom.keepalive_timeout_s)
        .set_ip_address_type(custom.ip_address_type.as_deref().map(sdk::IpAddressType::from))
        .build()
        .expect(SET)
}

fn origin_group(group: &OriginGroup) -> sdk::OriginGroup {
    let codes =
        sdk::StatusCodes::builder().quantity(quantity(&group.status_codes)).set_items(Some(group.status_codes.clone()));
    let members: Vec<sdk::OriginGroupMember> =
        group.members.iter().map(|id| sdk::OriginGroupMember::builder().origin_id(id).build().expect(SET)).collect();
    let members = sdk::OriginGroupMembers::builder().quantity(quantity(&members)).set_items(Some(members));
    sdk::OriginGroup::builder()
        .id(&group.id)
        .failover_criteria(sdk::OriginGroupFailoverCriteria::builder().status_codes(codes.build().expect(SET)).build())
        .members(members.build().expect(SET))
        .set_selection_criteria(group.selection_criteria.as_deref().map(sdk::OriginGroupSelectionCriteria::from))
        .build()
        .expect(SET)
}

fn error_response(error: &ErrorResponse) -> sdk::CustomErrorResponse {
    sdk::CustomErrorResponse::builder()
        .error_code(error.error_code)
        .response_page_path(&error.page_path)
        .response_code(&error.response_code)
        .error_caching_min_ttl(error.caching_min_ttl_s)
        .build()
        .expect(SET)
}

#[expect(deprecated, reason = "CloudFront still answers where the certificate is from")]
pub(super) fn viewer_certificate(certificate: &ViewerCertificate) -> sdk::ViewerCertificate {
    let source = match (&certificate.acm_certificate_arn, &certificate.iam_certificate_id) {
        (Some(_), _) => CertificateSource::Acm,
        (None, Some(_)) => CertificateSource::Iam,
        (None, None) => CertificateSource::Cloudfront,
    };
    sdk::ViewerCertificate::builder()
        .cloud_front_default_certificate(source == CertificateSource::Cloudfront)
        .set_acm_certificate_arn(certificate.acm_certificate_arn.clone())
        .set_iam_certificate_id(certificate.iam_certificate_id.clone())
        .set_ssl_support_method(certificate.ssl_support_method.as_deref().map(sdk::SslSupportMethod::from))
        .minimum_protocol_version(sdk::MinimumProtocolVersion::from(certificate.minimum_protocol_version.as_str()))
        .set_certificate(certificate.acm_certificate_arn.clone().or_else(|| certificate.iam_certificate_id.clone()))
        .certificate_source(source)
        .build()
}

fn methods(names: &[String]) -> Vec<Method> {
    names.iter().map(|name| Method::from(name.as_str())).collect()
}

fn forwarded_values(values: &ForwardedValues) -> sdk::ForwardedValues {
    let cookies = sdk::CookiePreference::builder().forward(sdk::ItemSelection::from(values.cookies.as_str()));
    let names =
        sdk::CookieNames::builder().quantity(quantity(&values.cookie_names)).set_items(some(&values.cookie_names));
    let names = (values.cookies == "whitelist").then(|| names.build().expect(SET));
    let headers = sdk::Headers::builder().quantity(quantity(&values.headers)).set_items(some(&values.headers));
    let keys = &values.query_string_keys;
    let keys = sdk::QueryStringCacheKeys::builder().quantity(quantity(keys)).set_items(some(keys));
    sdk::ForwardedValues::builder()
        .query_string(values.query_string)
        .cookies(cookies.set_whitelisted_names(names).build().expect(SET))
        .headers(headers.build().expect(SET))
        .query_string_cache_keys(keys.build().expect(SET))
        .build()
        .expect(SET)
}

/// Sets the fields that the default behaviour and the further ones share.
macro_rules! fill {
    ($builder:expr, $behavior:expr) => {{
        let behavior: &Behavior = $behavior;
        let cached = methods(&behavior.cached_methods);
        let cached =
            sdk::CachedMethods::builder().quantity(quantity(&cached)).set_items(Some(cached)).build().expect(SET);
        let allowed = methods(&behavior.allowed_methods);
        let allowed =
            sdk::AllowedMethods::builder().quantity(quantity(&allowed)).set_items(Some(allowed)).cached_methods(cached);
        let signers = sdk::TrustedSigners::builder().enabled(!behavior.trusted_signers.is_empty());
        let signers = signers.quantity(quantity(&behavior.trusted_signers)).set_items(some(&behavior.trusted_signers));
        let groups = sdk::TrustedKeyGroups::builder().enabled(!behavior.trusted_key_groups.is_empty());
        let groups =
            groups.quantity(quantity(&behavior.trusted_key_groups)).set_items(some(&behavior.trusted_key_groups));
        let lambda: Vec<_> = behavior
            .lambda_functions
            .iter()
            .map(|(arn, event, body)| {
                let function = sdk::LambdaFunctionAssociation::builder().lambda_function_arn(arn).include_body(*body);
                function.event_type(sdk::EventType::from(event.as_str())).build().expect(SET)
            })
            .collect();
        let lambda = sdk::LambdaFunctionAssociations::builder().quantity(quantity(&lambda)).set_items(some(&lambda));
        let functions: Vec<_> = behavior
            .functions
            .iter()
            .map(|(arn, event)| {
                let function = sdk::FunctionAssociation::builder().function_arn(arn);
                function.event_type(sdk::EventType::from(event.as_str())).build().expect(SET)
            })
            .collect();
        let functions = sdk::FunctionAssociations::builder().quantity(quantity(&functions)).set_items(some(&functions));
        $builder
            .target_origin_id(&behavior.target_origin_id)
            .trusted_signers(signers.build().expect(SET))
            .trusted_key_groups(groups.build().expect(SET))
            .viewer_protocol_policy(sdk::ViewerProtocolPolicy::from(behavior.viewer_protocol_policy.as_str()))
            .allowed_methods(allowed.build().expect(SET))
            .smooth_streaming(behavior.smooth_streaming)
            .compress(behavior.compress)
            .lambda_function_associations(lambda.build().expect(SET))
            .function_associations(functions.build().expect(SET))
            .field_level_encryption_id(&behavior.field_level_encryption_id)
            .set_realtime_log_config_arn(behavior.realtime_log_config_arn.clone())
            .set_cache_policy_id(behavior.cache_policy_id.clone())
            .set_origin_request_policy_id(behavior.origin_request_policy_id.clone())
            .set_response_headers_policy_id(behavior.response_headers_policy_id.clone())
            .grpc_config(sdk::GrpcConfig::builder().enabled(behavior.grpc).build().expect(SET))
            .set_forwarded_values(behavior.forwarded_values.as_ref().map(forwarded_values))
            .set_min_ttl(behavior.min_ttl_s)
            .set_default_ttl(behavior.default_ttl_s)
            .set_max_ttl(behavior.max_ttl_s)
            .build()
            .expect(SET)
    }};
}

#[expect(deprecated, reason = "forwarded values and TTLs of a behaviour are legacy, and still answered")]
pub(super) fn default_behavior(behavior: &Behavior) -> sdk::DefaultCacheBehavior {
    fill!(sdk::DefaultCacheBehavior::builder(), behavior)
}

#[expect(deprecated, reason = "forwarded values and TTLs of a behaviour are legacy, and still answered")]
fn path_behavior(path: &str, behavior: &Behavior) -> sdk::CacheBehavior {
    fill!(sdk::CacheBehavior::builder().path_pattern(path), behavior)
}
