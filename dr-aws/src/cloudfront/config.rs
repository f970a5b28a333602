//! From the arguments of a distribution to its configuration, and back.
//!
//! UpdateDistribution takes the whole configuration. What this crate has no input for (logs, functions, a web ACL, custom
//! headers) stays as it is: the current configuration is read and changed.

use aws_sdk_cloudfront::types::{
    Aliases, AllowedMethods, CachedMethods, CustomErrorResponse, CustomErrorResponses, CustomOriginConfig,
    DefaultCacheBehavior, DistributionConfig, DistributionSummary, HttpVersion, Method, MinimumProtocolVersion,
    Origin as Model, OriginGroup, OriginGroupFailoverCriteria, OriginGroupMember, OriginGroupMembers, OriginGroups,
    OriginProtocolPolicy, OriginSslProtocols, Origins, PriceClass as ModelPriceClass, SslProtocol, SslSupportMethod,
    StatusCodes, ViewerCertificate, ViewerProtocolPolicy,
};

use super::distribution::{DistributionArgs, FallbackArgs, OriginArgs, PriceClass, ViewerProtocol};
use crate::ids::CertificateArn;
use crate::read::as_wanted;

/// The ids of the origins and of their group inside a distribution.
const PRIMARY: &str = "primary";
const FALLBACK: &str = "fallback";
const GROUP: &str = "primary-or-fallback";
/// The answers whose caching is set: server errors, one of which may be the moment of a failover.
const SERVER_ERRORS: [i32; 4] = [500, 502, 503, 504];
/// Every builder below is given all that it needs.
const COMPLETE: &str = "all required members are set";

fn quantity<T>(items: &[T]) -> i32 {
    i32::try_from(items.len()).unwrap_or(i32::MAX)
}

/// A new configuration.
pub(super) fn new(args: &DistributionArgs, caller_reference: &str, comment: &str) -> DistributionConfig {
    let config =
        DistributionConfig::builder().caller_reference(caller_reference).comment(comment).enabled(args.enabled);
    change(config.build().expect(COMPLETE), args)
}

/// A configuration changed to the arguments; everything else in it stays.
pub(super) fn change(mut config: DistributionConfig, args: &DistributionArgs) -> DistributionConfig {
    config.enabled = args.enabled;
    let aliases = args.aliases.clone();
    config.aliases =
        Some(Aliases::builder().quantity(quantity(&aliases)).set_items(Some(aliases)).build().expect(COMPLETE));
    let known = config.origins.take().map(|origins| origins.items).unwrap_or_default();
    let known = |id: &str| known.iter().find(|origin| origin.id() == id).cloned();
    let mut origins = vec![origin(known(PRIMARY), PRIMARY, &args.origin)];
    origins.extend(args.fallback.as_ref().map(|fallback| origin(known(FALLBACK), FALLBACK, &fallback.origin)));
    config.origins =
        Some(Origins::builder().quantity(quantity(&origins)).set_items(Some(origins)).build().expect(COMPLETE));
    config.origin_groups = Some(groups(args.fallback.as_ref()));
    config.default_cache_behavior = Some(behavior(config.default_cache_behavior.take(), args));
    config.custom_error_responses = Some(error_responses(args));
    config.viewer_certificate = Some(certificate(args));
    config.price_class = Some(args.price_class.model());
    config.http_version = Some(HttpVersion::Http2and3);
    config.is_ipv6_enabled = Some(args.ipv6);
    config
}

fn origin(known: Option<Model>, id: &str, args: &OriginArgs) -> Model {
    let tls = [SslProtocol::TlSv12].to_vec();
    let tls = OriginSslProtocols::builder().quantity(quantity(&tls)).set_items(Some(tls)).build().expect(COMPLETE);
    let custom = CustomOriginConfig::builder()
        .http_port(80)
        .https_port(443)
        .origin_protocol_policy(OriginProtocolPolicy::HttpsOnly)
        .origin_ssl_protocols(tls)
        .origin_read_timeout(args.read_timeout_s.into())
        .origin_keepalive_timeout(args.keepalive_timeout_s.into());
    let custom = custom.build().expect(COMPLETE);
    let mut origin =
        known.unwrap_or_else(|| Model::builder().id(id).domain_name(&args.domain).build().expect(COMPLETE));
    origin.domain_name.clone_from(&args.domain);
    origin.connection_attempts = Some(args.connection_attempts.into());
    origin.connection_timeout = Some(args.connection_timeout_s.into());
    origin.s3_origin_config = None;
    origin.custom_origin_config = Some(custom);
    origin
}

fn groups(fallback: Option<&FallbackArgs>) -> OriginGroups {
    let groups: Vec<OriginGroup> = fallback
        .iter()
        .map(|fallback| {
            let codes: Vec<i32> = fallback.status_codes.iter().map(|code| i32::from(*code)).collect();
            let codes =
                StatusCodes::builder().quantity(quantity(&codes)).set_items(Some(codes)).build().expect(COMPLETE);
            let member = |id: &str| OriginGroupMember::builder().origin_id(id).build().expect(COMPLETE);
            let members = OriginGroupMembers::builder().quantity(2).items(member(PRIMARY)).items(member(FALLBACK));
            let criteria = OriginGroupFailoverCriteria::builder().status_codes(codes).build();
            let group =
                OriginGroup::builder().id(GROUP).failover_criteria(criteria).members(members.build().expect(COMPLETE));
            group.build().expect(COMPLETE)
        })
        .collect();
    let items = Some(groups.clone()).filter(|groups| !groups.is_empty());
    OriginGroups::builder().quantity(quantity(&groups)).set_items(items).build().expect(COMPLETE)
}

fn behavior(known: Option<DefaultCacheBehavior>, args: &DistributionArgs) -> DefaultCacheBehavior {
    let target = if args.fallback.is_some() { GROUP } else { PRIMARY };
    let policy = args.viewer_protocol.model();
    let cached = [Method::Get, Method::Head].to_vec();
    let cached = CachedMethods::builder().quantity(quantity(&cached)).set_items(Some(cached)).build().expect(COMPLETE);
    let all =
        vec![Method::Get, Method::Head, Method::Options, Method::Put, Method::Post, Method::Patch, Method::Delete];
    let methods = AllowedMethods::builder().quantity(quantity(&all)).set_items(Some(all)).cached_methods(cached);
    let mut behavior = known.unwrap_or_else(|| {
        let new = DefaultCacheBehavior::builder().target_origin_id(target).viewer_protocol_policy(policy.clone());
        new.compress(true).build().expect(COMPLETE)
    });
    target.clone_into(&mut behavior.target_origin_id);
    behavior.viewer_protocol_policy = policy;
    behavior.allowed_methods = Some(methods.build().expect(COMPLETE));
    behavior.cache_policy_id = Some(args.cache_policy.clone());
    behavior.origin_request_policy_id = args.origin_request_policy.clone();
    without_legacy_forwarding(&mut behavior);
    behavior
}

/// What a cache policy takes the place of; CloudFront refuses both together.
#[expect(deprecated, reason = "they are cleared, and set nowhere")]
fn without_legacy_forwarding(behavior: &mut DefaultCacheBehavior) {
    behavior.forwarded_values = None;
    behavior.min_ttl = None;
    behavior.default_ttl = None;
    behavior.max_ttl = None;
}

fn error_responses(args: &DistributionArgs) -> CustomErrorResponses {
    let response = |code| {
        let response =
            CustomErrorResponse::builder().error_code(code).error_caching_min_ttl(args.error_caching_s.into());
        response.build().expect(COMPLETE)
    };
    let items: Vec<_> = SERVER_ERRORS.map(response).to_vec();
    CustomErrorResponses::builder().quantity(quantity(&items)).set_items(Some(items)).build().expect(COMPLETE)
}

fn certificate(args: &DistributionArgs) -> ViewerCertificate {
    match &args.certificate {
        Some(arn) => ViewerCertificate::builder()
            .acm_certificate_arn(arn.as_str())
            .ssl_support_method(SslSupportMethod::SniOnly)
            .minimum_protocol_version(MinimumProtocolVersion::TlSv122021)
            .build(),
        None => ViewerCertificate::builder().cloud_front_default_certificate(true).build(),
    }
}

/// The arguments as a listed distribution has them.
pub(super) fn observed(wanted: Option<&DistributionArgs>, seen: &DistributionSummary) -> DistributionArgs {
    let origins = seen.origins().map(Origins::items).unwrap_or_default();
    let find = |id: &str| origins.iter().find(|origin| origin.id() == id);
    let aliases = seen.aliases().map(|aliases| aliases.items().to_vec()).unwrap_or_default();
    let behavior = seen.default_cache_behavior();
    let group = seen.origin_groups().and_then(|groups| groups.items().iter().find(|group| group.id() == GROUP));
    let fallback = group.zip(find(FALLBACK)).map(|(group, origin)| {
        let codes = group.failover_criteria().and_then(|criteria| criteria.status_codes());
        let codes = codes.map(StatusCodes::items).unwrap_or_default();
        let codes = codes.iter().filter_map(|code| u16::try_from(*code).ok()).collect();
        let wanted = wanted.and_then(|args| args.fallback.as_ref());
        FallbackArgs {
            origin: observed_origin(wanted.map(|args| &args.origin), origin),
            status_codes: as_wanted(codes, wanted.map(|args| &args.status_codes)),
        }
    });
    let primary = find(PRIMARY).or(origins.first());
    let errors = seen.custom_error_responses().map(|responses| responses.items()).unwrap_or_default();
    let ttl = |code: i32| {
        let response = errors.iter().find(|response| response.error_code() == code);
        // CloudFront's own default.
        response.map_or(10, |response| response.error_caching_min_ttl().unwrap_or(10))
    };
    // One number for all of them; when they differ, one that is not the wanted one.
    let wanted_ttl = wanted.map(|args| i64::from(args.error_caching_s));
    let ttls = SERVER_ERRORS.map(ttl);
    let error_caching = ttls.into_iter().find(|ttl| Some(*ttl) != wanted_ttl).unwrap_or(ttls[0]);
    let certificate = seen.viewer_certificate().and_then(ViewerCertificate::acm_certificate_arn);
    DistributionArgs {
        enabled: seen.enabled(),
        aliases: as_wanted(aliases, wanted.map(|args| &args.aliases)),
        origin: match primary {
            Some(origin) => observed_origin(wanted.map(|args| &args.origin), origin),
            None => OriginArgs::default_of(String::new()),
        },
        fallback,
        certificate: certificate.map(CertificateArn::literal),
        viewer_protocol: behavior
            .map_or(ViewerProtocol::RedirectToHttps, |behavior| ViewerProtocol::of(behavior.viewer_protocol_policy())),
        cache_policy: behavior.and_then(DefaultCacheBehavior::cache_policy_id).unwrap_or_default().to_owned(),
        origin_request_policy: behavior
            .and_then(DefaultCacheBehavior::origin_request_policy_id)
            .filter(|id| !id.is_empty())
            .map(str::to_owned),
        error_caching_s: u32::try_from(error_caching).unwrap_or(u32::MAX),
        price_class: PriceClass::of(seen.price_class()),
        ipv6: seen.is_ipv6_enabled(),
    }
}

fn observed_origin(wanted: Option<&OriginArgs>, seen: &Model) -> OriginArgs {
    let small = |value: Option<i32>, default: u8| value.and_then(|value| u8::try_from(value).ok()).unwrap_or(default);
    let custom = seen.custom_origin_config();
    let domain = match wanted {
        Some(wanted) if wanted.domain.eq_ignore_ascii_case(seen.domain_name()) => wanted.domain.clone(),
        _ => seen.domain_name().to_owned(),
    };
    // CloudFront's own defaults where it leaves something out.
    OriginArgs {
        domain,
        connection_attempts: small(seen.connection_attempts(), 3),
        connection_timeout_s: small(seen.connection_timeout(), 10),
        read_timeout_s: small(custom.and_then(CustomOriginConfig::origin_read_timeout), 30),
        keepalive_timeout_s: small(custom.and_then(CustomOriginConfig::origin_keepalive_timeout), 5),
    }
}

impl ViewerProtocol {
    fn model(self) -> ViewerProtocolPolicy {
        match self {
            ViewerProtocol::RedirectToHttps => ViewerProtocolPolicy::RedirectToHttps,
            ViewerProtocol::HttpsOnly => ViewerProtocolPolicy::HttpsOnly,
            ViewerProtocol::AllowAll => ViewerProtocolPolicy::AllowAll,
        }
    }

    fn of(model: &ViewerProtocolPolicy) -> Self {
        match model {
            ViewerProtocolPolicy::RedirectToHttps => ViewerProtocol::RedirectToHttps,
            ViewerProtocolPolicy::HttpsOnly => ViewerProtocol::HttpsOnly,
            _ => ViewerProtocol::AllowAll,
        }
    }
}

impl PriceClass {
    fn model(self) -> ModelPriceClass {
        match self {
            PriceClass::All => ModelPriceClass::PriceClassAll,
            PriceClass::Most => ModelPriceClass::PriceClass200,
            PriceClass::Cheapest => ModelPriceClass::PriceClass100,
        }
    }

    fn of(model: &ModelPriceClass) -> Self {
        match model {
            ModelPriceClass::PriceClass100 => PriceClass::Cheapest,
            ModelPriceClass::PriceClass200 => PriceClass::Most,
            _ => PriceClass::All,
        }
    }
}
