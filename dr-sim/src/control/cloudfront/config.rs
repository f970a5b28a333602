//! The configuration of a distribution as plain data, and how it is read from a request.
//!
//! Every field that a request may leave out has the default that CloudFront fills in (API Reference, DistributionConfig and
//! the types below it), so that what Get answers can be sent back as an update.

use aws_sdk_cloudfront::types as sdk;
use serde::{Deserialize, Serialize};

use super::{illegal_update, invalid_argument};
use crate::control::{Answer, Refusal};

/// What a distribution does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) caller_reference: String,
    /// Alternate domain names.
    pub(crate) aliases: Vec<String>,
    pub(crate) default_root_object: String,
    pub(crate) origins: Vec<Origin>,
    pub(crate) origin_groups: Vec<OriginGroup>,
    pub(crate) default_behavior: Behavior,
    /// In order of precedence, each with its path pattern.
    pub(crate) behaviors: Vec<(String, Behavior)>,
    pub(crate) error_responses: Vec<ErrorResponse>,
    pub(crate) comment: String,
    pub(crate) enabled: bool,
    pub(crate) logging: Logging,
    /// `PriceClass_All`, `PriceClass_200`, `PriceClass_100`.
    pub(crate) price_class: String,
    /// `http1.1`, `http2`, `http3`, `http2and3`.
    pub(crate) http_version: String,
    pub(crate) ipv6: bool,
    pub(crate) viewer_certificate: ViewerCertificate,
    /// `none`, `whitelist`, `blacklist`, with the country codes.
    pub(crate) geo_restriction: (String, Vec<String>),
    /// Empty for none.
    pub(crate) web_acl_id: String,
    pub(crate) continuous_deployment_policy_id: String,
    pub(crate) staging: bool,
}

/// Where a distribution fetches from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) id: String,
    pub(crate) domain_name: String,
    /// Put before every path; empty for none.
    pub(crate) path: String,
    /// Headers that CloudFront adds, name and value.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) kind: OriginKind,
    /// 1 to 3.
    pub(crate) connection_attempts: i32,
    /// Seconds, 1 to 10.
    pub(crate) connection_timeout_s: i32,
    /// Seconds; `None` is no limit.
    pub(crate) response_completion_timeout_s: Option<i32>,
    /// Region of the Origin Shield, if there is one.
    pub(crate) shield_region: Option<String>,
    pub(crate) access_control_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum OriginKind {
    /// A bucket, with the access identity or an empty string.
    S3 { access_identity: String },
    /// A web server.
    Custom(CustomOrigin),
}

/// How CloudFront talks to a web server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CustomOrigin {
    pub(crate) http_port: i32,
    pub(crate) https_port: i32,
    /// `http-only`, `https-only`, `match-viewer`.
    pub(crate) protocol_policy: String,
    /// `TLSv1.2` and so on.
    pub(crate) ssl_protocols: Vec<String>,
    /// Seconds, 1 to 120.
    pub(crate) read_timeout_s: i32,
    /// Seconds, 1 to 120.
    pub(crate) keepalive_timeout_s: i32,
    pub(crate) ip_address_type: Option<String>,
}

/// Two origins, the second of which answers when the first one fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OriginGroup {
    pub(crate) id: String,
    /// Status codes of the first origin that send a request to the second one.
    pub(crate) status_codes: Vec<i32>,
    /// Ids of origins, the primary first.
    pub(crate) members: Vec<String>,
    pub(crate) selection_criteria: Option<String>,
}

/// What happens to the requests of a path pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Behavior {
    /// Id of an origin or of an origin group.
    pub(crate) target_origin_id: String,
    /// `allow-all`, `https-only`, `redirect-to-https`.
    pub(crate) viewer_protocol_policy: String,
    pub(crate) allowed_methods: Vec<String>,
    pub(crate) cached_methods: Vec<String>,
    pub(crate) smooth_streaming: bool,
    pub(crate) compress: bool,
    /// A behaviour has a cache policy or forwarded values.
    pub(crate) cache_policy_id: Option<String>,
    pub(crate) origin_request_policy_id: Option<String>,
    pub(crate) response_headers_policy_id: Option<String>,
    pub(crate) forwarded_values: Option<ForwardedValues>,
    /// Seconds, with forwarded values only; so are the next two.
    pub(crate) min_ttl_s: Option<i64>,
    pub(crate) default_ttl_s: Option<i64>,
    pub(crate) max_ttl_s: Option<i64>,
    pub(crate) trusted_signers: Vec<String>,
    pub(crate) trusted_key_groups: Vec<String>,
    /// ARN, event type, whether the function sees the body.
    pub(crate) lambda_functions: Vec<(String, String, bool)>,
    /// ARN and event type.
    pub(crate) functions: Vec<(String, String)>,
    pub(crate) field_level_encryption_id: String,
    pub(crate) realtime_log_config_arn: Option<String>,
    pub(crate) grpc: bool,
}

/// The legacy form of what goes into the cache key and to the origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ForwardedValues {
    pub(crate) query_string: bool,
    /// Empty means all, when `query_string` is set.
    pub(crate) query_string_keys: Vec<String>,
    /// `none`, `all`, `whitelist`.
    pub(crate) cookies: String,
    pub(crate) cookie_names: Vec<String>,
    /// `*` is all headers.
    pub(crate) headers: Vec<String>,
}

/// What viewers get in place of an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErrorResponse {
    pub(crate) error_code: i32,
    /// Empty together with `response_code`: the error is passed on.
    pub(crate) page_path: String,
    pub(crate) response_code: String,
    /// Seconds for which an edge keeps the error; 10 unless set.
    pub(crate) caching_min_ttl_s: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Logging {
    pub(crate) enabled: bool,
    pub(crate) include_cookies: bool,
    pub(crate) bucket: String,
    pub(crate) prefix: String,
}

/// The certificate that viewers see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ViewerCertificate {
    /// An ARN in us-east-1; `None` is the certificate of `*.cloudfront.net`, unless there is one of IAM.
    pub(crate) acm_certificate_arn: Option<String>,
    pub(crate) iam_certificate_id: Option<String>,
    /// `sni-only`, `vip`, `static-ip`.
    pub(crate) ssl_support_method: Option<String>,
    /// `TLSv1.2_2021` and so on.
    pub(crate) minimum_protocol_version: String,
    /// Whether the request named CloudFront's own certificate.
    pub(crate) cloudfront_default: bool,
}

/// The items of a list, whose quantity must be their number.
fn items<T>(quantity: i32, items: &[T]) -> Answer<&[T]> {
    if usize::try_from(quantity) == Ok(items.len()) {
        Ok(items)
    } else {
        Err(Refusal::new("InconsistentQuantities", "The value of Quantity and the size of Items do not match."))
    }
}

/// The values of a list that may be absent.
macro_rules! listed {
    ($list:expr) => {
        match &$list {
            Some(list) => items(list.quantity, list.items.as_deref().unwrap_or_default())?,
            None => &[],
        }
    };
}

fn names<T>(values: &[T], name: impl Fn(&T) -> &str) -> Vec<String> {
    values.iter().map(|value| name(value).to_owned()).collect()
}

/// Reads a configuration, filling in what CloudFront fills in.
pub(super) fn read(asked: &sdk::DistributionConfig) -> Answer<Config> {
    let unsupported = [
        (asked.tenant_config.is_some(), "tenants"),
        (asked.viewer_mtls_config.is_some(), "client certificates of viewers"),
        (asked.connection_function_association.is_some(), "connection functions"),
        (asked.cache_tag_config.is_some(), "cache tags"),
        (asked.anycast_ip_list_id.as_ref().is_some_and(|id| !id.is_empty()), "anycast addresses"),
    ];
    if let Some((_, what)) = unsupported.iter().find(|(given, _)| *given) {
        return Err(Refusal::new("NotSimulated", format!("not simulated: {what} of a distribution")).status(501));
    }
    let origins = asked.origins.as_ref().ok_or_else(|| invalid_argument("The parameter Origins is required."))?;
    let default = asked.default_cache_behavior.as_ref();
    let default = default.ok_or_else(|| invalid_argument("The parameter DefaultCacheBehavior is required."))?;
    let geo = asked.restrictions.as_ref().and_then(|restrictions| restrictions.geo_restriction.as_ref());
    let geo_restriction = match geo {
        None => ("none".to_owned(), Vec::new()),
        Some(geo) => {
            let places = items(geo.quantity, geo.items.as_deref().unwrap_or_default())?;
            (geo.restriction_type.as_str().to_owned(), places.to_vec())
        }
    };
    Ok(Config {
        caller_reference: asked.caller_reference.clone(),
        aliases: listed!(asked.aliases).to_vec(),
        default_root_object: asked.default_root_object.clone().unwrap_or_default(),
        origins: items(origins.quantity, &origins.items)?.iter().map(origin).collect::<Answer<_>>()?,
        origin_groups: listed!(asked.origin_groups).iter().map(origin_group).collect::<Answer<_>>()?,
        default_behavior: default_behavior(default)?,
        behaviors: listed!(asked.cache_behaviors)
            .iter()
            .map(|behavior| Ok((behavior.path_pattern.clone(), path_behavior(behavior)?)))
            .collect::<Answer<_>>()?,
        error_responses: listed!(asked.custom_error_responses).iter().map(error_response).collect(),
        comment: asked.comment.clone(),
        enabled: asked.enabled,
        logging: asked.logging.as_ref().map_or_else(no_logging, |logging| Logging {
            enabled: logging.enabled,
            include_cookies: logging.include_cookies,
            bucket: logging.bucket.clone(),
            prefix: logging.prefix.clone(),
        }),
        price_class: asked.price_class.as_ref().map_or("PriceClass_All", sdk::PriceClass::as_str).to_owned(),
        http_version: asked.http_version.as_ref().map_or("http2", sdk::HttpVersion::as_str).to_owned(),
        ipv6: asked.is_ipv6_enabled.unwrap_or(false),
        viewer_certificate: viewer_certificate(asked.viewer_certificate.as_ref()),
        geo_restriction,
        web_acl_id: asked.web_acl_id.clone().unwrap_or_default(),
        continuous_deployment_policy_id: asked.continuous_deployment_policy_id.clone().unwrap_or_default(),
        staging: asked.staging.unwrap_or(false),
    })
}

fn no_logging() -> Logging {
    Logging { enabled: false, include_cookies: false, bucket: String::new(), prefix: String::new() }
}

fn origin(asked: &sdk::Origin) -> Answer<Origin> {
    if asked.vpc_origin_config.is_some() {
        return Err(Refusal::new("NotSimulated", "not simulated: VPC origins").status(501));
    }
    let kind = match (&asked.s3_origin_config, &asked.custom_origin_config) {
        (Some(s3), None) => OriginKind::S3 { access_identity: s3.origin_access_identity.clone() },
        (None, Some(custom)) => OriginKind::Custom(custom_origin(custom)?),
        _ => {
            let message =
                format!("The origin {} needs exactly one of S3OriginConfig and CustomOriginConfig.", asked.id);
            return Err(invalid_argument(message));
        }
    };
    Ok(Origin {
        id: asked.id.clone(),
        domain_name: asked.domain_name.clone(),
        path: asked.origin_path.clone().unwrap_or_default(),
        headers: listed!(asked.custom_headers)
            .iter()
            .map(|h| (h.header_name.clone(), h.header_value.clone()))
            .collect(),
        kind,
        connection_attempts: asked.connection_attempts.unwrap_or(3),
        connection_timeout_s: asked.connection_timeout.unwrap_or(10),
        response_completion_timeout_s: asked.response_completion_timeout,
        shield_region: asked
            .origin_shield
            .as_ref()
            .filter(|shield| shield.enabled)
            .map(|shield| shield.origin_shield_region.clone().unwrap_or_default()),
        access_control_id: asked.origin_access_control_id.clone().unwrap_or_default(),
    })
}

fn custom_origin(asked: &sdk::CustomOriginConfig) -> Answer<CustomOrigin> {
    if asked.origin_mtls_config.is_some() {
        return Err(Refusal::new("NotSimulated", "not simulated: client certificates for an origin").status(501));
    }
    let ssl_protocols = match &asked.origin_ssl_protocols {
        Some(list) => names(items(list.quantity, &list.items)?, sdk::SslProtocol::as_str),
        None => vec!["TLSv1".to_owned(), "SSLv3".to_owned()],
    };
    Ok(CustomOrigin {
        http_port: asked.http_port,
        https_port: asked.https_port,
        protocol_policy: asked.origin_protocol_policy.as_str().to_owned(),
        ssl_protocols,
        read_timeout_s: asked.origin_read_timeout.unwrap_or(30),
        keepalive_timeout_s: asked.origin_keepalive_timeout.unwrap_or(5),
        ip_address_type: asked.ip_address_type.as_ref().map(|kind| kind.as_str().to_owned()),
    })
}

fn origin_group(asked: &sdk::OriginGroup) -> Answer<OriginGroup> {
    let codes = asked.failover_criteria.as_ref().and_then(|criteria| criteria.status_codes.as_ref());
    let members = asked.members.as_ref();
    Ok(OriginGroup {
        id: asked.id.clone(),
        status_codes: codes.map(|codes| items(codes.quantity, &codes.items)).transpose()?.unwrap_or_default().to_vec(),
        members: names(members.map(|m| items(m.quantity, &m.items)).transpose()?.unwrap_or_default(), |m| {
            m.origin_id.as_str()
        }),
        selection_criteria: asked.selection_criteria.as_ref().map(|criteria| criteria.as_str().to_owned()),
    })
}

fn error_response(asked: &sdk::CustomErrorResponse) -> ErrorResponse {
    ErrorResponse {
        error_code: asked.error_code,
        page_path: asked.response_page_path.clone().unwrap_or_default(),
        response_code: asked.response_code.clone().unwrap_or_default(),
        caching_min_ttl_s: asked.error_caching_min_ttl.unwrap_or(10),
    }
}

fn viewer_certificate(asked: Option<&sdk::ViewerCertificate>) -> ViewerCertificate {
    let own = ViewerCertificate {
        acm_certificate_arn: None,
        iam_certificate_id: None,
        ssl_support_method: Some("vip".to_owned()),
        minimum_protocol_version: "TLSv1".to_owned(),
        cloudfront_default: true,
    };
    let Some(asked) = asked else { return own };
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (acm, iam) = (given(&asked.acm_certificate_arn), given(&asked.iam_certificate_id));
    if acm.is_none() && iam.is_none() {
        return own;
    }
    ViewerCertificate {
        acm_certificate_arn: acm,
        iam_certificate_id: iam,
        ssl_support_method: asked.ssl_support_method.as_ref().map(|method| method.as_str().to_owned()),
        minimum_protocol_version: asked.minimum_protocol_version.as_ref().map_or("TLSv1", |v| v.as_str()).to_owned(),
        cloudfront_default: asked.cloud_front_default_certificate.unwrap_or(false),
    }
}

/// The default behaviour and the further ones have the same fields in two types.
macro_rules! behavior_reader {
    ($name:ident, $sdk:ty) => {
        #[expect(deprecated, reason = "forwarded values and TTLs of a behaviour are legacy, and still accepted")]
        fn $name(asked: &$sdk) -> Answer<Behavior> {
            let read_only = || vec!["HEAD".to_owned(), "GET".to_owned()];
            let (allowed_methods, cached_methods) = match &asked.allowed_methods {
                None => (read_only(), read_only()),
                Some(allowed) => {
                    let cached = match &allowed.cached_methods {
                        Some(cached) => names(items(cached.quantity, &cached.items)?, sdk::Method::as_str),
                        None => read_only(),
                    };
                    (names(items(allowed.quantity, &allowed.items)?, sdk::Method::as_str), cached)
                }
            };
            let legacy = asked.forwarded_values.is_some();
            let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
            Ok(Behavior {
                target_origin_id: asked.target_origin_id.clone(),
                viewer_protocol_policy: asked.viewer_protocol_policy.as_str().to_owned(),
                allowed_methods,
                cached_methods,
                smooth_streaming: asked.smooth_streaming.unwrap_or(false),
                compress: asked.compress.unwrap_or(false),
                cache_policy_id: given(&asked.cache_policy_id),
                origin_request_policy_id: given(&asked.origin_request_policy_id),
                response_headers_policy_id: given(&asked.response_headers_policy_id),
                forwarded_values: asked.forwarded_values.as_ref().map(forwarded_values).transpose()?,
                min_ttl_s: asked.min_ttl.or(legacy.then_some(0)),
                default_ttl_s: asked.default_ttl.or(legacy.then_some(86_400)),
                max_ttl_s: asked.max_ttl.or(legacy.then_some(31_536_000)),
                trusted_signers: listed!(asked.trusted_signers).to_vec(),
                trusted_key_groups: listed!(asked.trusted_key_groups).to_vec(),
                lambda_functions: listed!(asked.lambda_function_associations)
                    .iter()
                    .map(|f| {
                        (
                            f.lambda_function_arn.clone(),
                            f.event_type.as_str().to_owned(),
                            f.include_body.unwrap_or(false),
                        )
                    })
                    .collect(),
                functions: listed!(asked.function_associations)
                    .iter()
                    .map(|f| (f.function_arn.clone(), f.event_type.as_str().to_owned()))
                    .collect(),
                field_level_encryption_id: asked.field_level_encryption_id.clone().unwrap_or_default(),
                realtime_log_config_arn: given(&asked.realtime_log_config_arn),
                grpc: asked.grpc_config.as_ref().is_some_and(|grpc| grpc.enabled),
            })
        }
    };
}

behavior_reader!(default_behavior, sdk::DefaultCacheBehavior);
behavior_reader!(path_behavior, sdk::CacheBehavior);

fn forwarded_values(asked: &sdk::ForwardedValues) -> Answer<ForwardedValues> {
    let cookies = asked.cookies.as_ref();
    let cookie_names = match cookies.map(|cookies| &cookies.whitelisted_names) {
        Some(names) => listed!(*names).to_vec(),
        None => Vec::new(),
    };
    Ok(ForwardedValues {
        query_string: asked.query_string,
        query_string_keys: listed!(asked.query_string_cache_keys).to_vec(),
        cookies: cookies.map_or("none", |cookies| cookies.forward.as_str()).to_owned(),
        cookie_names,
        headers: listed!(asked.headers).to_vec(),
    })
}

/// Whether an update holds every field that an update must hold, although a creation may leave it out.
///
/// Source: CloudFront Developer Guide, "Required API fields for creating and updating distributions".
pub(super) fn check_complete(asked: &sdk::DistributionConfig) -> Answer<()> {
    let mut needed = vec![
        (asked.aliases.is_some(), "Aliases"),
        (asked.default_root_object.is_some(), "DefaultRootObject"),
        (asked.cache_behaviors.is_some(), "CacheBehaviors"),
        (asked.custom_error_responses.is_some(), "CustomErrorResponses"),
        (asked.logging.is_some(), "Logging"),
        (asked.price_class.is_some(), "PriceClass"),
        (asked.viewer_certificate.is_some(), "ViewerCertificate"),
        (asked.restrictions.is_some(), "Restrictions"),
        (asked.web_acl_id.is_some(), "WebACLId"),
        (asked.http_version.is_some(), "HttpVersion"),
    ];
    for origin in asked.origins.iter().flat_map(|origins| &origins.items) {
        needed.push((origin.origin_path.is_some(), "OriginPath"));
        needed.push((origin.custom_headers.is_some(), "CustomHeaders"));
        if let Some(custom) = &origin.custom_origin_config {
            needed.push((custom.origin_ssl_protocols.is_some(), "OriginSslProtocols"));
            needed.push((custom.origin_read_timeout.is_some(), "OriginReadTimeout"));
            needed.push((custom.origin_keepalive_timeout.is_some(), "OriginKeepaliveTimeout"));
        }
    }
    macro_rules! of_behavior {
        ($behavior:expr) => {
            needed.push(($behavior.allowed_methods.is_some(), "AllowedMethods"));
            needed.push(($behavior.smooth_streaming.is_some(), "SmoothStreaming"));
            needed.push(($behavior.compress.is_some(), "Compress"));
            needed.push(($behavior.lambda_function_associations.is_some(), "LambdaFunctionAssociations"));
            needed.push(($behavior.field_level_encryption_id.is_some(), "FieldLevelEncryptionId"));
        };
    }
    if let Some(behavior) = &asked.default_cache_behavior {
        of_behavior!(behavior);
    }
    for behavior in asked.cache_behaviors.iter().flat_map(|list| list.items.as_deref().unwrap_or_default()) {
        of_behavior!(behavior);
    }
    match needed.iter().find(|(given, _)| !given) {
        Some((_, field)) => Err(illegal_update(format!("{field} is required for updates."))),
        None => Ok(()),
    }
}
