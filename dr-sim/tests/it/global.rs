//! IAM, ACM, Route 53, SNS, CloudWatch and CloudFront through the real SDK clients: one story per service, with the codes that
//! callers classify by, and the whole state through a save and a load.

use std::time::Duration;

use aws_sdk_acm::types::{CertificateStatus, ValidationMethod};
use aws_sdk_cloudfront::types::{
    Aliases, AllowedMethods, CachedMethods, CustomOriginConfig, DefaultCacheBehavior, DistributionConfig,
    DistributionConfigWithTags, Method, Origin, OriginProtocolPolicy, OriginSslProtocols, Origins, SslProtocol,
    SslSupportMethod, Tag as CloudFrontTag, Tags, ViewerCertificate, ViewerProtocolPolicy,
};
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, StateValue, Statistic};
use aws_sdk_route53::error::ProvideErrorMetadata;
use aws_sdk_route53::types::{
    AliasTarget, Change, ChangeAction, ChangeBatch, HealthCheckConfig, HealthCheckType, ResourceRecord,
    ResourceRecordSet, ResourceRecordSetFailover, RrType,
};
use dr_sim::Cloud;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const SSM: &str = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";

/// A client of a service on the cloud, in a region.
macro_rules! client {
    ($sdk:ident, $cloud:expr, $region:expr) => {{
        let config = $sdk::config::Builder::from(&$cloud.sdk_config($region)).interceptor($cloud.interceptor()).build();
        $sdk::Client::from_conf(config)
    }};
}

/// Runs a story in virtual time.
fn play<F: Future>(cloud: &Cloud, story: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(cloud.run(story)).expect("no crash point is set")
}

async fn wait(cloud: &Cloud, seconds: u64) {
    cloud.clock().sleep(Duration::from_secs(seconds)).await;
}

fn code<T, E: ProvideErrorMetadata + std::fmt::Debug>(result: Result<T, E>) -> String {
    result.err().and_then(|error| error.code().map(str::to_owned)).unwrap_or_else(|| "accepted".to_owned())
}

#[test]
fn iam_from_the_role_to_the_profile_and_back() {
    let cloud = Cloud::new(1);
    let iam = client!(aws_sdk_iam, cloud, "us-west-2");
    play(&cloud, async {
        let role = iam
            .create_role()
            .role_name("web")
            .path("/shop/")
            .assume_role_policy_document(TRUST)
            .send()
            .await
            .expect("free");
        assert_eq!(role.role().expect("a role").arn(), "arn:aws:iam::123456789012:role/shop/web");
        let again = iam.create_role().role_name("WEB").assume_role_policy_document(TRUST).send().await;
        assert_eq!(code(again), "EntityAlreadyExists");
        iam.attach_role_policy().role_name("web").policy_arn(SSM).send().await.expect("a managed policy");
        iam.create_instance_profile().instance_profile_name("web").send().await.expect("free");
        iam.add_role_to_instance_profile()
            .instance_profile_name("web")
            .role_name("web")
            .send()
            .await
            .expect("the first");
        assert_eq!(code(iam.delete_role().role_name("web").send().await), "DeleteConflict");
        let roles =
            iam.list_roles().path_prefix("/shop/").into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        assert_eq!(roles.expect("one page").len(), 1);
        iam.remove_role_from_instance_profile()
            .instance_profile_name("web")
            .role_name("web")
            .send()
            .await
            .expect("in it");
        iam.detach_role_policy().role_name("web").policy_arn(SSM).send().await.expect("attached");
        iam.delete_instance_profile().instance_profile_name("web").send().await.expect("empty");
        iam.delete_role().role_name("web").send().await.expect("free");
        assert_eq!(code(iam.get_role().role_name("web").send().await), "NoSuchEntity");
    });
}

#[test]
fn route53_from_the_zone_to_a_failover_pair_and_back() {
    let cloud = Cloud::new(1);
    let dns = client!(aws_sdk_route53, cloud, "us-west-2");
    play(&cloud, async {
        let zone = dns.create_hosted_zone().name("example.com").caller_reference("zone-1").send().await.expect("free");
        let id = zone.hosted_zone().expect("a zone").id().to_owned();
        let again = dns.create_hosted_zone().name("example.com").caller_reference("zone-1").send().await;
        assert_eq!(code(again), "HostedZoneAlreadyExists");
        let config =
            HealthCheckConfig::builder().r#type(HealthCheckType::Https).fully_qualified_domain_name("use1.example.com");
        let config = config.resource_path("/health").build().expect("the type is set");
        let check = dns
            .create_health_check()
            .caller_reference("check-1")
            .health_check_config(config)
            .send()
            .await
            .expect("free");
        let check = check.health_check().expect("a check").id().to_owned();
        let side = |target: &str, role: ResourceRecordSetFailover| {
            ResourceRecordSet::builder()
                .name("origin.example.com")
                .r#type(RrType::Cname)
                .ttl(60)
                .resource_records(ResourceRecord::builder().value(target).build().expect("the value is set"))
                .set_identifier(role.as_str())
                .failover(role)
                .health_check_id(&check)
                .build()
                .expect("name and type are set")
        };
        let pair = [
            side("east.test", ResourceRecordSetFailover::Primary),
            side("west.test", ResourceRecordSetFailover::Secondary),
        ];
        let batch = |action: ChangeAction| {
            let change = |set: &ResourceRecordSet| {
                Change::builder().action(action.clone()).resource_record_set(set.clone()).build()
            };
            let changes = pair.iter().map(|set| change(set).expect("the action is set")).collect();
            ChangeBatch::builder().set_changes(Some(changes)).build().expect("the changes are set")
        };
        let change = |action: ChangeAction| {
            dns.change_resource_record_sets().hosted_zone_id(&id).change_batch(batch(action)).send()
        };
        let info = change(ChangeAction::Create).await.expect("fine").change_info.expect("a change");
        assert_eq!(code(change(ChangeAction::Create).await), "InvalidChangeBatch");
        let status = || async {
            dns.get_change().id(&info.id).send().await.expect("known").change_info.expect("a change").status
        };
        assert_eq!(status().await.as_str(), "PENDING");
        wait(&cloud, 30).await;
        assert_eq!(status().await.as_str(), "INSYNC");
        let asked = || async {
            let answer =
                dns.test_dns_answer().hosted_zone_id(&id).record_name("origin.example.com").record_type(RrType::A);
            answer.send().await.expect("a public zone").record_data.concat()
        };
        assert_eq!(asked().await, "east.test");
        let listed = dns.list_resource_record_sets().hosted_zone_id(&id).send().await.expect("there");
        assert_eq!(listed.resource_record_sets().len(), 4);
        assert_eq!(code(dns.delete_hosted_zone().id(&id).send().await), "HostedZoneNotEmpty");
        change(ChangeAction::Delete).await.expect("the exact content");
        dns.delete_health_check().health_check_id(&check).send().await.expect("there");
        dns.delete_hosted_zone().id(&id).send().await.expect("empty");
    });
}

/// Makes a zone and a certificate of us-east-1 for it, proved by DNS; answers the zone's id and the certificate's ARN.
async fn zone_and_certificate(cloud: &Cloud) -> (String, String) {
    let dns = client!(aws_sdk_route53, cloud, "us-east-1");
    let acm = client!(aws_sdk_acm, cloud, "us-east-1");
    let zone = dns.create_hosted_zone().name("example.com").caller_reference("zone").send().await.expect("free");
    let zone = zone.hosted_zone().expect("a zone").id().to_owned();
    let asked = acm.request_certificate().domain_name("*.example.com").validation_method(ValidationMethod::Dns);
    let arn = asked.idempotency_token("shop").send().await.expect("fine").certificate_arn.expect("an ARN");
    let detail = || async {
        let output = acm.describe_certificate().certificate_arn(&arn).send().await.expect("there");
        output.certificate.expect("a certificate")
    };
    assert!(detail().await.domain_validation_options()[0].resource_record().is_none(), "told some seconds later");
    wait(cloud, 5).await;
    let record = detail().await.domain_validation_options()[0].resource_record().expect("told by now").clone();
    let set = ResourceRecordSet::builder()
        .name(record.name())
        .r#type(RrType::Cname)
        .ttl(300)
        .resource_records(ResourceRecord::builder().value(record.value()).build().expect("the value is set"))
        .build()
        .expect("name and type are set");
    let change =
        Change::builder().action(ChangeAction::Upsert).resource_record_set(set).build().expect("the action is set");
    let batch = ChangeBatch::builder().changes(change).build().expect("the changes are set");
    dns.change_resource_record_sets().hosted_zone_id(&zone).change_batch(batch).send().await.expect("fine");
    wait(cloud, 60).await;
    assert_eq!(detail().await.status(), Some(&CertificateStatus::PendingValidation));
    wait(cloud, 100).await;
    assert_eq!(detail().await.status(), Some(&CertificateStatus::Issued));
    (zone, arn)
}

#[test]
fn a_distribution_needs_its_certificate_and_goes_in_three_steps() {
    let cloud = Cloud::new(1);
    let cdn = client!(aws_sdk_cloudfront, cloud, "us-west-2");
    let acm = client!(aws_sdk_acm, cloud, "us-east-1");
    let dns = client!(aws_sdk_route53, cloud, "us-east-1");
    play(&cloud, async {
        let (zone, certificate) = zone_and_certificate(&cloud).await;
        let all =
            [Method::Get, Method::Head, Method::Options, Method::Put, Method::Post, Method::Patch, Method::Delete];
        let cached = CachedMethods::builder().quantity(2).items(Method::Get).items(Method::Head).build().expect("set");
        let methods = AllowedMethods::builder()
            .quantity(7)
            .set_items(Some(all.to_vec()))
            .cached_methods(cached)
            .build()
            .expect("set");
        let behavior = DefaultCacheBehavior::builder()
            .target_origin_id("api")
            .viewer_protocol_policy(ViewerProtocolPolicy::RedirectToHttps)
            .allowed_methods(methods)
            .cache_policy_id("4135ea2d-6df8-44a3-9df3-4b5a84be39ad")
            .origin_request_policy_id("b689b0a8-53d0-40ab-baf2-68738e2966ac")
            .build()
            .expect("set");
        let protocols = OriginSslProtocols::builder().quantity(1).items(SslProtocol::TlSv12).build().expect("set");
        let custom = CustomOriginConfig::builder()
            .http_port(80)
            .https_port(443)
            .origin_protocol_policy(OriginProtocolPolicy::HttpsOnly)
            .origin_ssl_protocols(protocols)
            .build()
            .expect("set");
        let origin = Origin::builder()
            .id("api")
            .domain_name("origin.example.com")
            .custom_origin_config(custom)
            .build()
            .expect("set");
        let config = DistributionConfig::builder()
            .caller_reference("shop-1")
            .comment("shop")
            .enabled(true)
            .aliases(Aliases::builder().quantity(1).items("www.example.com").build().expect("set"))
            .origins(Origins::builder().quantity(1).items(origin).build().expect("set"))
            .default_cache_behavior(behavior)
            .viewer_certificate(
                ViewerCertificate::builder()
                    .acm_certificate_arn(&certificate)
                    .ssl_support_method(SslSupportMethod::SniOnly)
                    .build(),
            )
            .build()
            .expect("set");
        let tag = CloudFrontTag::builder().key("dr:stack").value("shop").build().expect("set");
        let tagged = DistributionConfigWithTags::builder()
            .distribution_config(config.clone())
            .tags(Tags::builder().items(tag).build());
        let made = cdn
            .create_distribution_with_tags()
            .distribution_config_with_tags(tagged.build())
            .send()
            .await
            .expect("fine");
        let made = made.distribution.expect("a distribution");
        assert_eq!(made.status, "InProgress");
        assert_eq!(
            code(cdn.create_distribution().distribution_config(config).send().await),
            "DistributionAlreadyExists"
        );
        assert_eq!(code(acm.delete_certificate().certificate_arn(&certificate).send().await), "ResourceInUseException");

        let target = AliasTarget::builder()
            .hosted_zone_id("Z2FDTNDATAQYW2")
            .dns_name(&made.domain_name)
            .evaluate_target_health(false);
        let alias = ResourceRecordSet::builder()
            .name("www.example.com")
            .r#type(RrType::A)
            .alias_target(target.build().expect("set"));
        let change =
            Change::builder().action(ChangeAction::Create).resource_record_set(alias.build().expect("set")).build();
        let batch = ChangeBatch::builder().changes(change.expect("set")).build().expect("set");
        dns.change_resource_record_sets()
            .hosted_zone_id(&zone)
            .change_batch(batch)
            .send()
            .await
            .expect("a CloudFront alias");

        let get = || async { cdn.get_distribution().id(&made.id).send().await.expect("there") };
        wait(&cloud, 215).await;
        assert_eq!(get().await.distribution.expect("a distribution").status, "Deployed");
        let read = cdn.get_distribution_config().id(&made.id).send().await.expect("there");
        let etag = read.e_tag.expect("a tag");
        assert_eq!(
            code(cdn.delete_distribution().id(&made.id).if_match(&etag).send().await),
            "DistributionNotDisabled"
        );
        let mut config = read.distribution_config.expect("a config");
        config.enabled = false;
        let update =
            || cdn.update_distribution().id(&made.id).distribution_config(config.clone()).if_match(&etag).send();
        let updated = update().await.expect("the whole configuration with its tag").e_tag.expect("a tag");
        assert_eq!(code(update().await), "PreconditionFailed");
        assert_eq!(
            code(cdn.delete_distribution().id(&made.id).if_match(&updated).send().await),
            "DistributionNotDisabled"
        );
        wait(&cloud, 420).await;
        assert_eq!(get().await.distribution.expect("a distribution").status, "Deployed");
        wait(&cloud, 10).await;
        cdn.delete_distribution().id(&made.id).if_match(&updated).send().await.expect("disabled and deployed");
        assert_eq!(code(cdn.get_distribution().id(&made.id).send().await), "NoSuchDistribution");
        wait(&cloud, 30).await;
        acm.delete_certificate().certificate_arn(&certificate).send().await.expect("ACM has heard of it");
    });
}

#[test]
fn an_alarm_tells_a_topic_of_its_own_region_whose_mail_waits_for_a_human() {
    let cloud = Cloud::new(1);
    let sns = client!(aws_sdk_sns, cloud, "us-east-1");
    let metrics = client!(aws_sdk_cloudwatch, cloud, "us-east-1");
    play(&cloud, async {
        let topic = sns.create_topic().name("alerts").send().await.expect("free").topic_arn.expect("an ARN");
        assert_eq!(sns.create_topic().name("alerts").send().await.expect("the same").topic_arn(), Some(topic.as_str()));
        let subscribed =
            sns.subscribe().topic_arn(&topic).protocol("email").endpoint("ops@example.com").send().await.expect("fine");
        assert_eq!(subscribed.subscription_arn(), Some("pending confirmation"));
        let listed = || async {
            let page = sns.list_subscriptions_by_topic().topic_arn(&topic).send().await.expect("there");
            page.subscriptions()[0].subscription_arn().expect("set").to_owned()
        };
        assert_eq!(listed().await, "PendingConfirmation");
        assert_eq!(cloud.with_world(|world| world.confirm_subscriptions("ops@example.com")), 1);
        assert!(listed().await.starts_with(&topic));

        let put = |action: &str| {
            metrics
                .put_metric_alarm()
                .alarm_name("primary")
                .namespace("AWS/Route53")
                .metric_name("HealthCheckStatus")
                .dimensions(Dimension::builder().name("HealthCheckId").value("none").build())
                .statistic(Statistic::Minimum)
                .period(60)
                .evaluation_periods(1)
                .threshold(1.0)
                .comparison_operator(ComparisonOperator::LessThanThreshold)
                .alarm_actions(action)
                .send()
        };
        assert_eq!(code(put(&topic.replace("us-east-1", "us-west-2")).await), "ValidationError");
        put(&topic).await.expect("of the same region");
        let alarms = metrics.describe_alarms().alarm_name_prefix("pri").send().await.expect("a page");
        assert_eq!(alarms.metric_alarms()[0].state_value(), Some(&StateValue::InsufficientData));
        metrics.delete_alarms().alarm_names("primary").send().await.expect("there");
        assert_eq!(code(metrics.delete_alarms().alarm_names("primary").send().await), "ResourceNotFound");
        sns.delete_topic().topic_arn(&topic).send().await.expect("there");
        assert_eq!(code(sns.get_topic_attributes().topic_arn(&topic).send().await), "NotFound");
    });
}

#[test]
fn everything_is_the_same_after_a_save_and_a_load() {
    let cloud = Cloud::new(1);
    let saved = play(&cloud, async {
        let (_, certificate) = zone_and_certificate(&cloud).await;
        let iam = client!(aws_sdk_iam, cloud, "us-east-1");
        iam.create_role().role_name("web").assume_role_policy_document(TRUST).send().await.expect("free");
        let sns = client!(aws_sdk_sns, cloud, "us-east-1");
        sns.create_topic().name("alerts").send().await.expect("free");
        certificate
    });
    let json = cloud.save().expect("a world is JSON");
    let loaded = Cloud::load(&json).expect("just written");
    assert_eq!(loaded.save().expect("a world is JSON"), json);
    let acm = client!(aws_sdk_acm, loaded, "us-east-1");
    let found =
        play(&loaded, async { acm.describe_certificate().certificate_arn(&saved).send().await.expect("there") });
    assert_eq!(found.certificate().and_then(|c| c.status()), Some(&CertificateStatus::Issued));
}
