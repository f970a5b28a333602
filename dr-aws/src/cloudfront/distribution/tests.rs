//! Tests of distributions: deletion in two halves with the ETag of each, and configurations that survive.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_cloudfront::Client;
use aws_sdk_cloudfront::error::ErrorMetadata;
use aws_sdk_cloudfront::operation::delete_distribution::{DeleteDistributionError, DeleteDistributionOutput};
use aws_sdk_cloudfront::operation::get_distribution::{GetDistributionError, GetDistributionOutput};
use aws_sdk_cloudfront::operation::list_distributions::ListDistributionsOutput;
use aws_sdk_cloudfront::operation::list_tags_for_resource::ListTagsForResourceOutput;
use aws_sdk_cloudfront::operation::update_distribution::UpdateDistributionOutput;
use aws_sdk_cloudfront::types::error::NoSuchDistribution;
use aws_sdk_cloudfront::types::{DistributionList, HttpVersion, LoggingConfig, PriceClass as ModelPriceClass};
use aws_smithy_mocks::{Rule, mock};
use aws_smithy_types::DateTime;

use super::*;
use crate::testing::{cx_at, outcome, refused};

fn args() -> DistributionArgs {
    DistributionArgs {
        enabled: true,
        aliases: vec!["api.example.com".into()],
        origin: OriginArgs {
            domain: "origin.example.com".into(),
            connection_attempts: 2,
            connection_timeout_s: 5,
            read_timeout_s: 30,
            keepalive_timeout_s: 5,
        },
        fallback: None,
        certificate: Some(CertificateArn::literal("arn:aws:acm:us-east-1:1:certificate/c")),
        viewer_protocol: ViewerProtocol::RedirectToHttps,
        cache_policy: CACHING_DISABLED.into(),
        origin_request_policy: Some(ALL_VIEWER_EXCEPT_HOST.into()),
        error_caching_s: 0,
        price_class: PriceClass::All,
        ipv6: true,
    }
}

fn cx(rules: &[&Rule]) -> Cx<Aws> {
    cx_at("global/edge", rules)
}

fn prior() -> Prior<Distribution> {
    Prior { args: args(), outputs: outputs("E1", "arn:aws:cloudfront::1:distribution/E1", "d1.cloudfront.net") }
}

fn config(enabled: bool) -> DistributionConfig {
    let mut config = config::new(&args(), "ref", "dr:shop/global/edge#1");
    config.enabled = enabled;
    config
}

/// A distribution in a state, as GetDistribution answers it.
fn state(enabled: bool, status: &'static str, etag: &'static str) -> GetDistributionOutput {
    let seen = Model::builder().id("E1").arn("arn").status(status).domain_name("d1.cloudfront.net");
    let seen = seen.last_modified_time(DateTime::from_secs(0)).in_progress_invalidation_batches(0);
    let seen = seen.distribution_config(config(enabled)).build().unwrap();
    GetDistributionOutput::builder().distribution(seen).e_tag(etag).build()
}

fn get(enabled: bool, status: &'static str, etag: &'static str) -> Rule {
    mock!(Client::get_distribution).then_output(move || state(enabled, status, etag))
}

#[tokio::test]
async fn deleting_disables_first_with_the_etag_of_the_configuration() {
    let read = mock!(Client::get_distribution_config).then_output(|| {
        GetDistributionConfigOutput::builder().distribution_config(config(true)).e_tag("E-one").build()
    });
    let update = mock!(Client::update_distribution)
        .match_requests(|input| {
            let config = input.distribution_config().unwrap();
            // The whole configuration goes back, with one change.
            input.if_match() == Some("E-one") && *config == self::config(false)
        })
        .then_output(|| UpdateDistributionOutput::builder().build());
    Distribution::delete(&cx(&[&read, &update]), &prior()).await.unwrap();
    assert_eq!(update.num_calls(), 1);
}

#[tokio::test]
async fn a_distribution_is_gone_after_it_spread_disabled_and_was_deleted_with_the_new_etag() {
    let spreading = Distribution::gone(&cx(&[&get(false, "InProgress", "E-two")]), &prior()).await.unwrap();
    assert_eq!(spreading, Settled::AskAgainIn(ASK_AGAIN));

    let delete = mock!(Client::delete_distribution)
        .match_requests(|input| input.if_match() == Some("E-three"))
        .then_output(|| DeleteDistributionOutput::builder().build());
    let deleted = Distribution::gone(&cx(&[&get(false, "Deployed", "E-three"), &delete]), &prior()).await.unwrap();
    assert_eq!((deleted, delete.num_calls()), (Settled::Yes(()), 1));

    let missing = mock!(Client::get_distribution).then_error(|| {
        let meta = ErrorMetadata::builder().code("NoSuchDistribution").build();
        GetDistributionError::NoSuchDistribution(NoSuchDistribution::builder().meta(meta).build())
    });
    assert_eq!(Distribution::gone(&cx(&[&missing]), &prior()).await.unwrap(), Settled::Yes(()));
}

#[tokio::test]
async fn a_deletion_that_comes_too_early_is_asked_about_again() {
    for code in ["DistributionNotDisabled", "PreconditionFailed"] {
        let delete = mock!(Client::delete_distribution)
            .then_error(move || DeleteDistributionError::generic(ErrorMetadata::builder().code(code).build()));
        let settled = Distribution::gone(&cx(&[&get(false, "Deployed", "E-three"), &delete]), &prior()).await.unwrap();
        assert_eq!(settled, Settled::AskAgainIn(ASK_AGAIN), "{code}");
    }
}

#[tokio::test]
async fn one_that_something_uses_is_not_given_up() {
    let used = refused(mock!(Client::delete_distribution), "ResourceInUse", "");
    let answer = Distribution::gone(&cx(&[&get(false, "Deployed", "E-three"), &used]), &prior()).await;
    assert_eq!(outcome(answer), Err(Class::Dependency));
    let gone = refused(mock!(Client::delete_distribution), "NoSuchDistribution", "");
    let answer = Distribution::gone(&cx(&[&get(false, "Deployed", "E-three"), &gone]), &prior()).await;
    assert_eq!(answer, Ok(Settled::Yes(())));
    let gone = refused(mock!(Client::get_distribution_config), "NoSuchDistribution", "");
    assert_eq!(outcome(Distribution::delete(&cx(&[&gone]), &prior()).await), Ok(()));
}

#[tokio::test]
async fn a_name_that_is_taken_is_looked_at_a_quota_is_final_and_a_new_certificate_waited_for() {
    let uncovered = "The certificate that is attached to your distribution doesn't cover the alternate domain name (CNAME) that you're trying to add.";
    let unauthorized = "To add an alternate domain name (CNAME) to a CloudFront distribution, you must attach a trusted certificate that validates your authorization to use the domain name.";
    let unknown = "The specified SSL certificate doesn't exist, isn't in us-east-1 region, isn't valid, or doesn't include a valid certificate chain.";
    for (code, text, class, hint) in [
        ("CNAMEAlreadyExists", "", Class::Exists, Some("list-conflicting-aliases")),
        ("DistributionAlreadyExists", "", Class::Exists, None),
        ("TooManyDistributions", "", Class::Permanent, Some("Service Quotas")),
        ("TooManyDistributionCNAMEs", "", Class::Permanent, Some("Service Quotas")),
        ("InvalidViewerCertificate", unknown, Class::Eventual, None),
        ("InvalidViewerCertificate", uncovered, Class::Permanent, Some("cover every name")),
        ("InvalidViewerCertificate", unauthorized, Class::Permanent, Some("cover every name")),
    ] {
        let refused = refused(mock!(Client::create_distribution_with_tags), code, text);
        let error = Distribution::create(&cx(&[&refused]), &args()).await.unwrap_err();
        assert_eq!(error.class, class, "{code} {text}");
        let as_expected = error.hint.as_ref().is_some_and(|text| text.contains(hint.unwrap_or("nothing")));
        assert_eq!(as_expected, hint.is_some(), "{code}: {:?}", error.hint);
    }
}

#[tokio::test]
async fn a_configuration_that_somebody_changed_meanwhile_is_read_again() {
    let read = mock!(Client::get_distribution_config).then_output(|| {
        GetDistributionConfigOutput::builder().distribution_config(config(true)).e_tag("E-one").build()
    });
    let wanted = DistributionArgs { error_caching_s: 5, ..args() };
    for code in ["PreconditionFailed", "InvalidIfMatchVersion"] {
        let stale = refused(mock!(Client::update_distribution), code, "");
        let answer = Distribution::update(&cx(&[&read, &stale]), &prior(), &wanted).await;
        assert_eq!(outcome(answer), Err(Class::Stale), "{code}");
    }
    assert_eq!(read.num_calls(), 2, "each try reads the ETag anew");
}

/// Somebody, or an older update, has switched it on again while it was leaving.
#[tokio::test]
async fn one_that_is_enabled_again_is_disabled_again() {
    let read = mock!(Client::get_distribution_config).then_output(|| {
        GetDistributionConfigOutput::builder().distribution_config(config(true)).e_tag("E-four").build()
    });
    let update = mock!(Client::update_distribution).then_output(|| UpdateDistributionOutput::builder().build());
    let settled = Distribution::gone(&cx(&[&get(true, "Deployed", "E-four"), &read, &update]), &prior()).await.unwrap();
    assert_eq!((settled, update.num_calls()), (Settled::AskAgainIn(ASK_AGAIN), 1));
}

/// The configuration as ListDistributions shows it.
fn summary(config: &DistributionConfig, id: &str) -> DistributionSummary {
    DistributionSummary::builder()
        .id(id)
        .arn(format!("arn:aws:cloudfront::1:distribution/{id}"))
        .status("Deployed")
        .last_modified_time(DateTime::from_secs(0))
        .domain_name("d1.cloudfront.net")
        .set_aliases(config.aliases.clone())
        .set_origins(config.origins.clone())
        .set_origin_groups(config.origin_groups.clone())
        .set_default_cache_behavior(config.default_cache_behavior.clone())
        .set_custom_error_responses(config.custom_error_responses.clone())
        .comment(config.comment())
        .price_class(ModelPriceClass::PriceClassAll)
        .enabled(config.enabled)
        .set_viewer_certificate(config.viewer_certificate.clone())
        .web_acl_id("")
        .http_version(HttpVersion::Http2and3)
        .is_ipv6_enabled(true)
        .staging(false)
        .build()
        .unwrap()
}

#[test]
fn what_was_written_is_what_is_read() {
    let mut args = args();
    assert_eq!(config::observed(Some(&args), &summary(&config(true), "E1")), args);
    let fallback = OriginArgs { domain: "standby.example.com".into(), ..args.origin.clone() };
    args.fallback = Some(FallbackArgs { origin: fallback, status_codes: vec![504, 502] });
    args.aliases.push("www.example.com".into());
    let mut seen = config::new(&args, "ref", "dr:shop/global/edge#1");
    seen.aliases.as_mut().unwrap().items.as_mut().unwrap().reverse();
    assert_eq!(config::observed(Some(&args), &summary(&seen, "E1")), args);
    let mut slower = seen.clone();
    slower.custom_error_responses.as_mut().unwrap().items.as_mut().unwrap()[2].error_caching_min_ttl = Some(10);
    assert_eq!(config::observed(Some(&args), &summary(&slower, "E1")).error_caching_s, 10);
}

#[test]
fn an_update_keeps_what_has_no_input() {
    let mut current = config(true);
    let logging = LoggingConfig::builder().enabled(true).include_cookies(false).bucket("logs").prefix("edge/").build();
    current.logging = Some(logging.clone());
    current.web_acl_id = Some("acl".into());
    current.origins.as_mut().unwrap().items[0].origin_path = Some("/v1".into());
    let wanted = DistributionArgs { error_caching_s: 5, ..args() };
    let changed = config::change(current.clone(), &wanted);
    assert_eq!((changed.logging.as_ref(), changed.web_acl_id.as_deref()), (Some(&logging), Some("acl")));
    assert_eq!(changed.origins.as_ref().unwrap().items[0].origin_path.as_deref(), Some("/v1"));
    assert_eq!(changed.caller_reference, current.caller_reference);
    assert!(changed.custom_error_responses.unwrap().items().iter().all(|one| one.error_caching_min_ttl() == Some(5)));
}

/// Of two distributions with the stack's mark only the one whose tags agree is ours; others are not even asked.
#[tokio::test]
async fn the_comment_narrows_and_the_tags_decide() {
    let list = mock!(Client::list_distributions).then_output(|| {
        let mut other = config(true);
        other.comment = "somebody else's".into();
        other.aliases = None;
        let mut copy = config(true);
        copy.aliases = None;
        let items = vec![summary(&config(true), "E1"), summary(&other, "E2"), summary(&copy, "E3")];
        let list = DistributionList::builder().marker("").max_items(100).is_truncated(false).quantity(3);
        ListDistributionsOutput::builder().distribution_list(list.set_items(Some(items)).build().unwrap()).build()
    });
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let tags = mock!(Client::list_tags_for_resource).then_compute_output(|input| {
        ASKED.fetch_add(1, Ordering::Relaxed);
        let ours = input.resource().is_some_and(|arn| arn.ends_with("E1"));
        let tags = ours.then(|| {
            let tags = [("dr:stack", "shop"), ("dr:address", "global/edge"), ("dr:generation", "1"), ("team", "web")];
            sdk_tags(tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into())
        });
        ListTagsForResourceOutput::builder().set_tags(tags).build()
    });
    let scan = Scan { cloud: Aws::mocked(&[&list, &tags]), stack: "shop".into(), region: "global".into() };
    let found = Distribution::read(&scan, &[]).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].address.as_str(), found[0].outputs.id.as_str()), ("global/edge", "E1"));
    assert_eq!(found[0].tags, Some([("team".to_owned(), "web".to_owned())].into()));
    assert_eq!(ASKED.load(Ordering::Relaxed), 2);
}
