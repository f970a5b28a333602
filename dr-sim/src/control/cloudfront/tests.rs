//! Distributions from their creation to their end, and every refusal on the way.

use aws_sdk_cloudfront::operation::list_tags_for_resource::ListTagsForResourceInput;
use aws_sdk_cloudfront::operation::tag_resource::TagResourceInput;
use aws_sdk_cloudfront::operation::untag_resource::UntagResourceInput;
use aws_sdk_cloudfront::types::builders::{
    CustomOriginConfigBuilder, DefaultCacheBehaviorBuilder, DistributionConfigBuilder, OriginBuilder,
};
use aws_sdk_cloudfront::types::{
    Aliases, AllowedMethods, CacheBehavior, CacheBehaviors, CachedMethods, CustomErrorResponse, CustomErrorResponses,
    CustomOriginConfig, DefaultCacheBehavior, DistributionConfig, DistributionConfigWithTags, Method,
    Origin as SdkOrigin, OriginGroup as SdkGroup, OriginGroupFailoverCriteria, OriginGroupMember, OriginGroupMembers,
    OriginGroups, OriginProtocolPolicy, OriginSslProtocols, Origins, SslProtocol, SslSupportMethod, StatusCodes, Tag,
    TagKeys, Tags, ViewerCertificate as SdkCertificate, ViewerProtocolPolicy,
};

use super::*;
use crate::control::acm::requests::tests::issued;
use crate::control::route53::tests::zone;

const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
const SET: &str = "every required field is set";

fn at(s: u64) -> Call {
    Call { region: "us-east-1".to_owned(), now_ms: s * 1000 }
}

fn code<T>(answer: Answer<T>) -> String {
    answer.err().map_or_else(|| "accepted".to_owned(), |refusal| refusal.code)
}

fn message<T>(answer: Answer<T>) -> String {
    answer.err().map_or_else(|| "accepted".to_owned(), |refusal| refusal.message)
}

fn custom() -> CustomOriginConfigBuilder {
    let protocols = OriginSslProtocols::builder().quantity(1).items(SslProtocol::TlSv12).build().expect(SET);
    CustomOriginConfig::builder()
        .http_port(80)
        .https_port(443)
        .origin_protocol_policy(OriginProtocolPolicy::HttpsOnly)
        .origin_ssl_protocols(protocols)
        .origin_read_timeout(20)
        .origin_keepalive_timeout(6)
}

fn origin(id: &str) -> OriginBuilder {
    SdkOrigin::builder().id(id).domain_name("origin.example.com").custom_origin_config(custom().build().expect(SET))
}

fn origins(items: Vec<SdkOrigin>) -> Origins {
    Origins::builder().quantity(i32::try_from(items.len()).expect("few")).set_items(Some(items)).build().expect(SET)
}

fn every_method() -> AllowedMethods {
    let all = [Method::Get, Method::Head, Method::Options, Method::Put, Method::Post, Method::Patch, Method::Delete];
    let cached = CachedMethods::builder().quantity(2).items(Method::Get).items(Method::Head).build().expect(SET);
    AllowedMethods::builder().quantity(7).set_items(Some(all.to_vec())).cached_methods(cached).build().expect(SET)
}

fn behavior(target: &str) -> DefaultCacheBehaviorBuilder {
    DefaultCacheBehavior::builder()
        .target_origin_id(target)
        .viewer_protocol_policy(ViewerProtocolPolicy::RedirectToHttps)
        .allowed_methods(every_method())
        .cache_policy_id(CACHING_DISABLED)
        .origin_request_policy_id("b689b0a8-53d0-40ab-baf2-68738e2966ac")
}

/// What a creation needs, and no more.
fn minimal(reference: &str) -> DistributionConfigBuilder {
    DistributionConfig::builder()
        .caller_reference(reference)
        .comment("shop")
        .enabled(true)
        .origins(origins(vec![origin("o").build().expect(SET)]))
        .default_cache_behavior(behavior("o").build().expect(SET))
}

fn aliased(reference: &str, alias: &str, certificate: &str) -> DistributionConfigBuilder {
    let certificate =
        SdkCertificate::builder().acm_certificate_arn(certificate).ssl_support_method(SslSupportMethod::SniOnly);
    minimal(reference)
        .aliases(Aliases::builder().quantity(1).items(alias).build().expect(SET))
        .viewer_certificate(certificate.build())
}

fn make(world: &mut World, s: u64, config: DistributionConfigBuilder) -> Answer<sdk::Distribution> {
    let tag = Tag::builder().key("a").value("1").build().expect(SET);
    let config = DistributionConfigWithTags::builder()
        .distribution_config(config.build().expect(SET))
        .tags(Tags::builder().items(tag).build())
        .build();
    let input =
        CreateDistributionWithTagsInput::builder().distribution_config_with_tags(config).build().expect("built");
    create_distribution_with_tags(world, &at(s), &input).map(|output| output.distribution.expect("a distribution"))
}

fn get(world: &mut World, s: u64, id: &str) -> Answer<GetDistributionOutput> {
    get_distribution(world, &at(s), &GetDistributionInput::builder().id(id).build().expect("built"))
}

fn status(world: &mut World, s: u64, id: &str) -> String {
    get(world, s, id).expect("there").distribution.expect("a distribution").status
}

/// Reads the configuration, changes it and sends it back with its ETag.
fn update(
    world: &mut World,
    s: u64,
    id: &str,
    change: impl FnOnce(&mut DistributionConfig),
) -> Answer<UpdateDistributionOutput> {
    let read = GetDistributionConfigInput::builder().id(id).build().expect("built");
    let read = get_distribution_config(world, &at(s), &read)?;
    let mut config = read.distribution_config.expect("a config");
    change(&mut config);
    let input = UpdateDistributionInput::builder().id(id).distribution_config(config).set_if_match(read.e_tag);
    update_distribution(world, &at(s), &input.build().expect("built"))
}

fn delete(world: &mut World, s: u64, id: &str, etag: Option<String>) -> Answer<DeleteDistributionOutput> {
    let input = DeleteDistributionInput::builder().id(id).set_if_match(etag).build().expect("built");
    delete_distribution(world, &at(s), &input)
}

/// A world with a zone and an issued certificate for `example.com` and `*.example.com`; good from second 200 on.
fn with_certificate() -> (World, String) {
    let mut world = World::new(1);
    let zone = zone(&mut world, 0, "example.com");
    let arn = issued(&mut world, &zone, "example.com", &["*.example.com"]);
    (world, arn)
}

#[test]
fn a_distribution_lives_from_in_progress_to_disabled_to_gone() {
    let mut world = World::new(1);
    let made = make(&mut world, 0, minimal("r")).expect("fine");
    let id = made.id.clone();
    assert!(id.starts_with('E') && id.len() == 14 && made.domain_name.ends_with(".cloudfront.net"), "{made:?}");
    assert_eq!(made.arn, format!("arn:aws:cloudfront::123456789012:distribution/{id}"));
    assert_eq!([status(&mut world, 214, &id), status(&mut world, 215, &id)], ["InProgress", "Deployed"]);
    let etag = |world: &mut World| get(world, 300, &id).expect("there").e_tag;
    let first = etag(&mut world);
    assert_eq!(code(delete(&mut world, 300, &id, first.clone())), "DistributionNotDisabled");
    update(&mut world, 300, &id, |config| config.enabled = false).expect("fine");
    assert_eq!([status(&mut world, 719, &id), status(&mut world, 720, &id)], ["InProgress", "Deployed"]);
    let second = etag(&mut world);
    assert_ne!(first, second);
    assert_eq!(code(delete(&mut world, 719, &id, second.clone())), "DistributionNotDisabled", "not at every edge yet");
    assert_eq!(code(delete(&mut world, 729, &id, second.clone())), "DistributionNotDisabled", "so soon after it");
    assert_eq!(code(delete(&mut world, 730, &id, first)), "PreconditionFailed");
    assert_eq!(code(delete(&mut world, 730, &id, None)), "InvalidIfMatchVersion");
    delete(&mut world, 730, &id, second).expect("disabled and deployed");
    assert_eq!(code(get(&mut world, 730, &id)), "NoSuchDistribution");
}

#[test]
fn what_get_answers_is_complete_and_can_be_sent_back_unchanged() {
    let mut world = World::new(1);
    let id = make(&mut world, 0, minimal("r")).expect("fine").id;
    let before = world.cloudfront.distributions[&id].config.clone();
    update(&mut world, 300, &id, |_| {}).expect("complete");
    assert_eq!(world.cloudfront.distributions[&id].config, before);
    let shown =
        get(&mut world, 300, &id).expect("there").distribution.and_then(|d| d.distribution_config).expect("a config");
    let custom = shown.origins().and_then(|o| o.items()[0].custom_origin_config()).expect("a custom origin");
    assert_eq!((custom.origin_read_timeout(), custom.origin_keepalive_timeout()), (Some(20), Some(6)));
    assert_eq!(
        shown.origins().map(|o| (o.items()[0].connection_attempts(), o.items()[0].connection_timeout())),
        Some((Some(3), Some(10)))
    );
    assert_eq!(
        (shown.aliases().map(|a| a.quantity()), shown.price_class().map(|p| p.as_str())),
        (Some(0), Some("PriceClass_All"))
    );
    assert_eq!(shown.viewer_certificate().and_then(|c| c.cloud_front_default_certificate()), Some(true));
    assert_eq!(shown.default_cache_behavior().map(|b| b.cache_policy_id()), Some(Some(CACHING_DISABLED)));
}

#[test]
fn an_update_must_hold_every_field_and_the_caller_reference() {
    let mut world = World::new(1);
    let id = make(&mut world, 0, minimal("r")).expect("fine").id;
    let mut refused = |change: fn(&mut DistributionConfig)| {
        let refusal = update(&mut world, 300, &id, change).expect_err("incomplete");
        assert_eq!(refusal.code, "IllegalUpdate");
        refusal.message
    };
    assert_eq!(refused(|c| c.price_class = None), "PriceClass is required for updates.");
    assert_eq!(refused(|c| c.aliases = None), "Aliases is required for updates.");
    let without = |c: &mut DistributionConfig| {
        let origin = &mut c.origins.as_mut().expect("origins").items[0];
        origin.custom_origin_config.as_mut().expect("custom").origin_read_timeout = None;
    };
    assert_eq!(refused(without), "OriginReadTimeout is required for updates.");
    assert!(refused(|c| c.caller_reference = "other".to_owned()).contains("CallerReference"));
}

#[test]
fn a_caller_reference_makes_one_distribution_ever() {
    let mut world = World::new(1);
    let id = make(&mut world, 0, minimal("r").enabled(false)).expect("fine").id;
    let again = make(&mut world, 0, minimal("r")).expect_err("the reference is taken");
    assert_eq!((again.code.as_str(), again.status), ("DistributionAlreadyExists", 409));
    assert!(!again.message.contains(&id), "the answer does not tell the id");
    let etag = get(&mut world, 300, &id).expect("there").e_tag;
    delete(&mut world, 300, &id, etag).expect("disabled and deployed");
    assert_eq!(code(make(&mut world, 300, minimal("r"))), "DistributionAlreadyExists");
}

#[test]
fn an_alias_needs_an_issued_certificate_of_us_east_1_that_covers_it() {
    let (mut world, arn) = with_certificate();
    let named = |alias: &str| minimal("r").aliases(Aliases::builder().quantity(1).items(alias).build().expect(SET));
    assert!(message(make(&mut world, 300, named("www.example.com"))).contains("you must attach a trusted certificate"));
    assert_eq!(
        code(make(&mut world, 1, aliased("r", "www.example.com", &arn))),
        "InvalidViewerCertificate",
        "not issued yet"
    );
    let west = arn.replace("us-east-1", "us-west-2");
    assert!(
        message(make(&mut world, 300, aliased("r", "www.example.com", &west))).contains("isn't in us-east-1 region")
    );
    assert!(
        message(make(&mut world, 300, aliased("r", "www.example.org", &arn)))
            .contains("doesn't cover the alternate domain name")
    );
    assert!(
        message(make(&mut world, 300, aliased("r", "a.b.example.com", &arn)))
            .contains("doesn't cover the alternate domain name")
    );
    let no_method = SdkCertificate::builder().acm_certificate_arn(&arn).build();
    assert_eq!(
        code(make(&mut world, 300, aliased("r", "www.example.com", &arn).viewer_certificate(no_method))),
        "InvalidViewerCertificate"
    );
    make(&mut world, 300, aliased("r", "www.example.com", &arn)).expect("issued and covered");
}

#[test]
fn an_alias_is_on_one_distribution_only_and_free_again_after_it_is_dropped() {
    let (mut world, arn) = with_certificate();
    let id = make(&mut world, 300, aliased("a", "www.example.com", &arn)).expect("fine").id;
    let taken = make(&mut world, 300, aliased("b", "WWW.example.com", &arn)).expect_err("taken");
    assert_eq!((taken.code.as_str(), taken.status), ("CNAMEAlreadyExists", 409));
    let other = make(&mut world, 300, minimal("c")).expect("fine").id;
    let with_alias = aliased("c", "www.example.com", &arn).build().expect(SET);
    let add = |config: &mut DistributionConfig| {
        config.aliases = with_alias.aliases.clone();
        config.viewer_certificate = with_alias.viewer_certificate.clone();
    };
    assert_eq!(code(update(&mut world, 300, &other, add)), "CNAMEAlreadyExists");
    update(&mut world, 300, &id, |config| config.aliases = Some(Aliases::builder().quantity(0).build().expect(SET)))
        .expect("fine");
    make(&mut world, 300, aliased("d", "www.example.com", &arn)).expect("free again");
}

#[test]
fn a_distribution_holds_its_certificate() {
    let (mut world, arn) = with_certificate();
    let made = make(&mut world, 300, aliased("a", "www.example.com", &arn).enabled(false)).expect("fine");
    assert_eq!(acm::in_use_by(&world, &arn, 300_000), std::slice::from_ref(&made.arn));
    let etag = get(&mut world, 600, &made.id).expect("there").e_tag;
    delete(&mut world, 600, &made.id, etag).expect("disabled and deployed");
    assert_eq!(acm::in_use_by(&world, &arn, 629_999), [made.arn]);
    assert_eq!(acm::in_use_by(&world, &arn, 630_000), Vec::<String>::new());
}

#[test]
fn viewers_get_the_configuration_before_until_the_new_one_is_everywhere() {
    let mut world = World::new(1);
    let id = make(&mut world, 0, minimal("r")).expect("fine").id;
    let comment =
        |world: &World, s: u64| world.cloudfront.distributions[&id].served(s * 1000).map(|c| c.comment.clone());
    assert_eq!(comment(&world, 214), None);
    update(&mut world, 300, &id, |config| config.comment = "two".to_owned()).expect("fine");
    update(&mut world, 400, &id, |config| config.comment = "three".to_owned()).expect("fine");
    assert_eq!(comment(&world, 514).as_deref(), Some("shop"));
    assert_eq!(comment(&world, 515).as_deref(), Some("two"));
    assert_eq!(comment(&world, 615).as_deref(), Some("three"));
}

#[test]
fn configurations_are_checked() {
    let mut world = World::new(1);
    let mut refused = |config: DistributionConfigBuilder| code(make(&mut world, 0, config));
    let m = || minimal("r");
    let with_origin = |origin: OriginBuilder| m().origins(origins(vec![origin.build().expect(SET)]));
    let with_custom =
        |custom: CustomOriginConfigBuilder| with_origin(origin("o").custom_origin_config(custom.build().expect(SET)));
    let with_behavior =
        |behavior: DefaultCacheBehaviorBuilder| m().default_cache_behavior(behavior.build().expect(SET));
    assert_eq!(refused(m().comment("x".repeat(129))), "InvalidArgument");
    assert_eq!(refused(m().set_origins(None)), "InvalidArgument");
    assert_eq!(refused(m().origins(origins(vec![]))), "InvalidArgument");
    assert_eq!(refused(m().set_default_cache_behavior(None)), "InvalidArgument");
    assert_eq!(refused(m().aliases(Aliases::builder().quantity(1).build().expect(SET))), "InconsistentQuantities");
    assert_eq!(refused(m().default_root_object("/index.html")), "InvalidDefaultRootObject");
    assert_eq!(refused(m().price_class(sdk::PriceClass::from("PriceClass_1"))), "InvalidArgument");
    assert_eq!(refused(with_origin(origin("p"))), "NoSuchOrigin");
    assert_eq!(refused(with_origin(origin("o").domain_name("https://origin.example.com"))), "InvalidArgument");
    assert_eq!(refused(with_origin(origin("o").origin_path("v1"))), "InvalidArgument");
    assert_eq!(refused(with_origin(origin("o").connection_attempts(4))), "InvalidArgument");
    assert_eq!(refused(with_origin(origin("o").connection_timeout(0))), "InvalidArgument");
    assert_eq!(refused(with_origin(origin("o").set_custom_origin_config(None))), "InvalidArgument");
    assert_eq!(refused(with_origin(origin("o").response_completion_timeout(10))), "InvalidArgument");
    assert_eq!(refused(with_custom(custom().origin_read_timeout(121))), "InvalidOriginReadTimeout");
    assert_eq!(refused(with_custom(custom().origin_keepalive_timeout(0))), "InvalidOriginKeepaliveTimeout");
    assert_eq!(refused(with_custom(custom().https_port(444))), "InvalidArgument");
    assert_eq!(refused(m().origins(origins(vec![origin("o").build().expect(SET); 2]))), "InvalidArgument");
    let many = (0..26).map(|n| origin(&n.to_string()).build().expect(SET)).collect();
    assert_eq!(refused(m().origins(origins(many))), "TooManyOrigins");
    assert_eq!(refused(with_behavior(behavior("o").set_cache_policy_id(None))), "InvalidArgument");
    assert_eq!(refused(with_behavior(behavior("o").cache_policy_id("mine"))), "NoSuchCachePolicy");
    assert_eq!(refused(with_behavior(behavior("o").origin_request_policy_id("mine"))), "NoSuchOriginRequestPolicy");
    assert_eq!(refused(with_behavior(behavior("o").response_headers_policy_id("mine"))), "NoSuchResponseHeadersPolicy");
    let error = CustomErrorResponse::builder().error_code(418).build().expect(SET);
    let errors = CustomErrorResponses::builder().quantity(1).items(error).build().expect(SET);
    assert_eq!(refused(m().custom_error_responses(errors)), "InvalidErrorCode");
    assert_eq!(refused(m()), "accepted");
}

#[test]
#[expect(deprecated, reason = "the legacy form is still accepted")]
fn a_behaviour_has_a_cache_policy_or_forwarded_values_and_not_both() {
    let mut world = World::new(1);
    let cookies = sdk::CookiePreference::builder().forward(sdk::ItemSelection::All).build().expect(SET);
    let values = sdk::ForwardedValues::builder().query_string(true).cookies(cookies).build().expect(SET);
    let mut refused = |behavior: DefaultCacheBehaviorBuilder| {
        message(make(&mut world, 0, minimal("r").default_cache_behavior(behavior.build().expect(SET))))
    };
    assert!(
        refused(behavior("o").forwarded_values(values.clone()))
            .starts_with("The parameter ForwardedValues cannot be used")
    );
    assert!(refused(behavior("o").min_ttl(0)).starts_with("The parameter MinTTL cannot be used"));
    let legacy = || behavior("o").set_cache_policy_id(None).set_origin_request_policy_id(None);
    assert_eq!(refused(legacy()), "The parameter ForwardedValues is required.");
    assert_eq!(
        refused(legacy().forwarded_values(values.clone()).min_ttl(5).default_ttl(1)),
        "The TTL order specified is not valid."
    );
    assert_eq!(refused(legacy().forwarded_values(values)), "accepted");
    let id = world.cloudfront.distributions.keys().next().cloned().expect("one");
    update(&mut world, 300, &id, |_| {}).expect("complete");
}

#[test]
fn an_origin_group_has_two_members_and_takes_no_writes() {
    let mut world = World::new(1);
    let two = || origins(vec![origin("a").build().expect(SET), origin("b").build().expect(SET)]);
    let group = |members: [&str; 2], status: i32| {
        let members = members.map(|id| OriginGroupMember::builder().origin_id(id).build().expect(SET)).to_vec();
        let members = OriginGroupMembers::builder().quantity(2).set_items(Some(members)).build().expect(SET);
        let codes = StatusCodes::builder().quantity(1).items(status).build().expect(SET);
        let criteria = OriginGroupFailoverCriteria::builder().status_codes(codes).build();
        let group = SdkGroup::builder().id("g").members(members).failover_criteria(criteria).build().expect(SET);
        OriginGroups::builder().quantity(1).items(group).build().expect(SET)
    };
    let read_only = || {
        let methods = AllowedMethods::builder().quantity(2).items(Method::Get).items(Method::Head).build().expect(SET);
        behavior("g").allowed_methods(methods).build().expect(SET)
    };
    let mut refused = |group: OriginGroups, behavior: DefaultCacheBehavior| {
        message(make(&mut world, 0, minimal("r").origins(two()).origin_groups(group).default_cache_behavior(behavior)))
    };
    assert!(
        refused(group(["a", "b"], 503), behavior("g").build().expect(SET))
            .contains("cannot include POST, PUT, PATCH, or DELETE")
    );
    assert!(refused(group(["a", "a"], 503), read_only()).contains("two different origins"));
    assert!(refused(group(["a", "c"], 503), read_only()).contains("do not exist"));
    assert!(refused(group(["a", "b"], 401), read_only()).contains("StatusCodes"));
    assert_eq!(refused(group(["a", "b"], 503), read_only()), "accepted");
}

#[test]
fn further_behaviours_have_paths_of_their_own() {
    let mut world = World::new(1);
    let path = |pattern: &str| {
        let behavior =
            CacheBehavior::builder().path_pattern(pattern).target_origin_id("o").cache_policy_id(CACHING_DISABLED);
        behavior.viewer_protocol_policy(ViewerProtocolPolicy::HttpsOnly).build().expect(SET)
    };
    let list = |paths: [&str; 2]| {
        let items = paths.map(path).to_vec();
        CacheBehaviors::builder().quantity(2).set_items(Some(items)).build().expect(SET)
    };
    assert_eq!(code(make(&mut world, 0, minimal("r").cache_behaviors(list(["/a/*", "/a/*"])))), "InvalidArgument");
    let id = make(&mut world, 0, minimal("r").cache_behaviors(list(["/a/*", "/b/*"]))).expect("fine").id;
    let behaviors = &world.cloudfront.distributions[&id].config.behaviors;
    let paths: Vec<&str> = behaviors.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!((paths, behaviors[0].1.allowed_methods.len()), (vec!["/a/*", "/b/*"], 2));
    update(&mut world, 300, &id, |_| {}).expect("complete");
}

#[test]
fn lists_are_paged_and_show_what_can_be_matched() {
    let mut world = World::new(1);
    for n in 0..3 {
        make(&mut world, 0, minimal(&n.to_string())).expect("fine");
    }
    let page = |world: &mut World, marker: Option<String>| {
        let input = ListDistributionsInput::builder().max_items(2).set_marker(marker).build().expect("built");
        list_distributions(world, &at(0), &input).expect("a page").distribution_list.expect("a list")
    };
    let first = page(&mut world, None);
    assert_eq!((first.quantity, first.is_truncated, first.items()[0].comment()), (2, true, "shop"));
    let second = page(&mut world, first.next_marker);
    assert_eq!((second.quantity, second.is_truncated), (1, false));
}

#[test]
fn tags_come_with_the_creation_and_change_later() {
    let mut world = World::new(1);
    let arn = make(&mut world, 0, minimal("r")).expect("fine").arn;
    let tags_of = |keys: &[&str]| {
        let items = keys.iter().map(|key| Tag::builder().key(*key).value("v").build().expect(SET)).collect();
        Tags::builder().set_items(Some(items)).build()
    };
    let tag = |world: &mut World, arn: &str, keys: &[&str]| {
        let input = TagResourceInput::builder().resource(arn).tags(tags_of(keys)).build().expect("built");
        code(tags::tag_resource(world, &at(0), &input))
    };
    assert_eq!(tag(&mut world, &arn, &["b"]), "accepted");
    assert_eq!(tag(&mut world, &arn, &["aws:b"]), "InvalidTagging");
    assert_eq!(tag(&mut world, &format!("{arn}X"), &["b"]), "NoSuchResource");
    let keys = TagKeys::builder().items("a").build();
    let input = UntagResourceInput::builder().resource(&arn).tag_keys(keys).build().expect("built");
    tags::untag_resource(&mut world, &at(0), &input).expect("fine");
    let input = ListTagsForResourceInput::builder().resource(&arn).build().expect("built");
    let left = tags::list_tags_for_resource(&mut world, &at(0), &input).expect("there").tags.expect("tags");
    let left: Vec<&str> = left.items().iter().map(|tag| tag.key()).collect();
    assert_eq!(left, ["b"]);
}
