//! Names and what is in front of everything: Route 53, CloudFront, CloudWatch, SNS.

use std::time::Duration;

use aws_sdk_cloudfront::types as cf;
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, Statistic, Tag};
use aws_sdk_route53::Client as Route53;
use aws_sdk_route53::operation::change_resource_record_sets::builders::ChangeResourceRecordSetsFluentBuilder;
use aws_sdk_route53::types::builders::{HealthCheckConfigBuilder, ResourceRecordSetBuilder};
use aws_sdk_route53::types::{
    AliasTarget, Change, ChangeAction, ChangeBatch, HealthCheckConfig, HealthCheckType, ResourceRecord,
    ResourceRecordSet, ResourceRecordSetFailover, RrType,
};
use serde_json::json;

use crate::differential::front::{ALIAS, Front, ORIGIN};
use crate::differential::network::EAST;
use crate::differential::script::Script;

/// CloudFront's own zone, for aliases.
const CLOUDFRONT_ZONE: &str = "Z2FDTNDATAQYW2";

/// The zone of the names.
pub(crate) struct Zone {
    client: Route53,
    id: String,
}

impl Zone {
    pub(crate) async fn upsert(&self, script: &mut Script, record: ResourceRecordSet) {
        let change = self.change(ChangeAction::Upsert, record);
        let answer = script.done("an upsert", change.send()).await;
        let id = answer.change_info.expect("an answer has it").id;
        let find = async || self.client.get_change().id(&id).send().await;
        script
            .until("a change of records", find, |answer| {
                answer.change_info().is_some_and(|info| info.status().as_str() == "INSYNC")
            })
            .await;
    }

    fn change(&self, action: ChangeAction, record: ResourceRecordSet) -> ChangeResourceRecordSetsFluentBuilder {
        self.changes([(action, record)])
    }

    fn changes<const N: usize>(
        &self,
        changes: [(ChangeAction, ResourceRecordSet); N],
    ) -> ChangeResourceRecordSetsFluentBuilder {
        let changes = changes.map(|(action, record)| Change::builder().action(action).resource_record_set(record));
        let changes = changes.map(|change| change.build().unwrap()).to_vec();
        let batch = ChangeBatch::builder().set_changes(Some(changes)).build().unwrap();
        self.client.change_resource_record_sets().hosted_zone_id(&self.id).change_batch(batch)
    }
}

fn record(name: &str, kind: RrType, values: &[&str]) -> ResourceRecordSetBuilder {
    let values = values.iter().map(|value| ResourceRecord::builder().value(*value).build().unwrap()).collect();
    ResourceRecordSet::builder().name(name).r#type(kind).ttl(60).set_resource_records(Some(values))
}

pub(crate) fn cname(name: &str, value: &str) -> ResourceRecordSetBuilder {
    record(name, RrType::Cname, &[value])
}

fn failover(name: &str, value: &str, role: ResourceRecordSetFailover, check: &str) -> ResourceRecordSetBuilder {
    cname(name, value).set_identifier(role.as_str().to_lowercase()).failover(role).health_check_id(check)
}

fn alias(name: &str, zone: &str, target: &str, evaluate: bool) -> ResourceRecordSetBuilder {
    let target = AliasTarget::builder().hosted_zone_id(zone).dns_name(target).evaluate_target_health(evaluate);
    ResourceRecordSet::builder().name(name).r#type(RrType::A).alias_target(target.build().unwrap())
}

/// A zone, health checks, records.
pub(crate) async fn names(script: &mut Script) -> Zone {
    let client = script.clients().route53();
    let create = |name: &str, reference: &str| client.create_hosted_zone().name(name).caller_reference(reference);
    let zone = script
        .must("route53 CreateHostedZone", create("Example.com", "zone").send(), |symbols, answer| {
            let zone = answer.hosted_zone().unwrap();
            let id = zone.id().rsplit('/').next().unwrap();
            symbols.learn("zone id", id);
            json!({ "id": zone.id(), "name": zone.name(), "records": zone.resource_record_set_count(),
                "private": zone.config().map(|config| config.private_zone()),
                "servers": answer.delegation_set().map(|set| set.name_servers().len()),
                "change": answer.change_info().map(|info| info.status().as_str()) })
        })
        .await;
    let id = zone.hosted_zone.unwrap().id.rsplit('/').next().unwrap().to_owned();
    script.ask("route53 CreateHostedZone: the same reference", create("other.com", "zone").send()).await;
    script.ask("route53 CreateHostedZone: not a name", create("exa..mple.com", "wrong").send()).await;
    script.ask("route53 GetHostedZone: unknown", client.get_hosted_zone().id("Z0123456789ABCDEFGHIJ").send()).await;
    script.ask("route53 GetChange: unknown", client.get_change().id("C0123456789ABCDEFGHIJ").send()).await;
    let zone = Zone { client, id };
    let checks = checks(script, &zone.client).await;
    records(script, &zone, &checks).await;
    pair(script, &zone, &checks).await;
    script.ask("route53 DeleteHostedZone: with records", zone.client.delete_hosted_zone().id(&zone.id).send()).await;
    zone
}

async fn checks(script: &mut Script, client: &Route53) -> [String; 2] {
    let https = || {
        let config = HealthCheckConfig::builder().r#type(HealthCheckType::Https);
        config.fully_qualified_domain_name(ORIGIN).resource_path("/health").request_interval(10).failure_threshold(3)
    };
    let create = |reference: &str, config: HealthCheckConfigBuilder| {
        client.create_health_check().caller_reference(reference).health_check_config(config.build().unwrap()).send()
    };
    let mut made = Vec::new();
    for (step, reference) in [("route53 CreateHealthCheck", "one"), ("route53 CreateHealthCheck: a second one", "two")]
    {
        let answer = script
            .must(step, create(reference, https()), |symbols, answer| {
                let check = answer.health_check().unwrap();
                symbols.learn("check", check.id());
                let config = check.health_check_config().unwrap();
                json!({ "version": check.health_check_version(), "port": config.port(), "sni": config.enable_sni(),
                    "inverted": config.inverted(), "disabled": config.disabled(), "latency": config.measure_latency(),
                    "interval": config.request_interval(), "threshold": config.failure_threshold() })
            })
            .await;
        made.push(answer.health_check.unwrap().id);
    }
    script
        .look("route53 CreateHealthCheck: the same reference", create("one", https()), |answer| {
            json!(answer.health_check().unwrap().id())
        })
        .await;
    let other = create("one", https().failure_threshold(2));
    script.ask("route53 CreateHealthCheck: the same reference for something else", other).await;
    script.ask("route53 CreateHealthCheck: every 20 s", create("bad1", https().request_interval(20))).await;
    script.ask("route53 CreateHealthCheck: a threshold of 11", create("bad2", https().failure_threshold(11))).await;
    let private = https().set_fully_qualified_domain_name(None).ip_address("10.0.0.1");
    script.ask("route53 CreateHealthCheck: a private address", create("bad3", private)).await;
    let nobody = https().set_fully_qualified_domain_name(None);
    script.ask("route53 CreateHealthCheck: neither name nor address", create("bad4", nobody)).await;
    let children = HealthCheckConfig::builder().r#type(HealthCheckType::Calculated).health_threshold(1);
    let unknown = children.child_health_checks("00000000-0000-0000-0000-000000000000");
    script.ask("route53 CreateHealthCheck: calculated from an unknown one", create("bad5", unknown)).await;
    script.ask("route53 CreateHealthCheck: a port of 70000", create("bad6", https().port(70_000))).await;
    let unknown = client.get_health_check().health_check_id("00000000-0000-0000-0000-000000000000").send();
    script.ask("route53 GetHealthCheck: unknown", unknown).await;
    let unknown = client.delete_health_check().health_check_id("00000000-0000-0000-0000-000000000000").send();
    script.ask("route53 DeleteHealthCheck: unknown", unknown).await;
    let update = client.update_health_check().health_check_id(&made[0]);
    let stale = update.clone().health_check_version(7).failure_threshold(4).send();
    script.ask("route53 UpdateHealthCheck: of another version", stale).await;
    script
        .look("route53 UpdateHealthCheck", update.health_check_version(1).failure_threshold(4).send(), |answer| {
            let check = answer.health_check().unwrap();
            let config = check.health_check_config().unwrap();
            json!({ "version": check.health_check_version(), "threshold": config.failure_threshold(),
                "path": config.resource_path() })
        })
        .await;
    made.try_into().unwrap()
}

async fn records(script: &mut Script, zone: &Zone, checks: &[String; 2]) {
    use ChangeAction::{Create, Delete, Upsert};
    macro_rules! refuse {
        ($name:literal, $action:ident $record:expr) => {
            script.ask($name, zone.change($action, $record.build().unwrap()).send()).await
        };
    }
    // What is refused has a name of its own: what one side accepts may not be in the way of what comes later.
    let made = zone.change(Create, record("a.example.com", RrType::A, &["192.0.2.1"]).build().unwrap()).send();
    script
        .must("route53 ChangeResourceRecordSets", made, |symbols, answer| {
            let info = answer.change_info().unwrap();
            symbols.learn("change", info.id().rsplit('/').next().unwrap());
            json!({ "id": info.id(), "status": info.status().as_str() })
        })
        .await;
    refuse!("route53 ChangeResourceRecordSets: create again", Create record("a.example.com", RrType::A, &["192.0.2.2"]));
    refuse!("route53 ChangeResourceRecordSets: the same in capitals", Create record("A.Example.com.", RrType::A, &["192.0.2.2"]));
    refuse!("route53 ChangeResourceRecordSets: upsert", Upsert record("a.example.com", RrType::A, &["192.0.2.3"]));
    refuse!("route53 ChangeResourceRecordSets: delete another value", Delete record("a.example.com", RrType::A, &["192.0.2.1"]));
    refuse!("route53 ChangeResourceRecordSets: delete what is not there", Delete record("b.example.com", RrType::A, &["192.0.2.1"]));
    refuse!("route53 ChangeResourceRecordSets: CNAME at the apex", Create cname("example.com", "a.example.com"));
    refuse!("route53 ChangeResourceRecordSets: CNAME beside A", Create cname("a.example.com", "b.example.com"));
    refuse!("route53 ChangeResourceRecordSets: outside of the zone", Create record("a.example.org", RrType::A, &["192.0.2.1"]));
    refuse!("route53 ChangeResourceRecordSets: not an address", Create record("c1.example.com", RrType::A, &["192.0.2"]));
    refuse!("route53 ChangeResourceRecordSets: the same value twice", Create record("c2.example.com", RrType::A, &["192.0.2.1", "192.0.2.1"]));
    refuse!("route53 ChangeResourceRecordSets: two values of a CNAME", Create record("c3.example.com", RrType::Cname, &["a.example.com", "b.example.com"]));
    refuse!("route53 ChangeResourceRecordSets: no TTL", Create record("c4.example.com", RrType::A, &["192.0.2.1"]).set_ttl(None));
    refuse!("route53 ChangeResourceRecordSets: a TTL below 0", Create record("c5.example.com", RrType::A, &["192.0.2.1"]).ttl(-1));
    refuse!("route53 ChangeResourceRecordSets: text without quotes", Create record("c6.example.com", RrType::Txt, &["text"]));
    refuse!("route53 ChangeResourceRecordSets: a name with an empty label", Create record("c..example.com", RrType::A, &["192.0.2.1"]));
    refuse!("route53 ChangeResourceRecordSets: an alias with a TTL", Create alias("d.example.com", &zone.id, "a.example.com", false).ttl(60));
    refuse!("route53 ChangeResourceRecordSets: an alias of nothing", Create alias("d1.example.com", &zone.id, "nothing.example.com", false));
    refuse!("route53 ChangeResourceRecordSets: an alias of a record", Create alias("d.example.com", &zone.id, "a.example.com", true));
    refuse!("route53 ChangeResourceRecordSets: an evaluated alias of a distribution", Create alias("e.example.com", CLOUDFRONT_ZONE, "d111111abcdef8.cloudfront.net", true));
    refuse!("route53 ChangeResourceRecordSets: a wildcard", Create record("*.w.example.com", RrType::A, &["192.0.2.1"]));
    refuse!("route53 ChangeResourceRecordSets: a simple record with an identifier", Create record("c7.example.com", RrType::A, &["192.0.2.1"]).set_identifier("one"));
    refuse!("route53 ChangeResourceRecordSets: failover and weight at once", Create failover("f1.example.com", "a.example.com", ResourceRecordSetFailover::Primary, &checks[0]).weight(1));
    refuse!("route53 ChangeResourceRecordSets: a weight of 256", Create cname("f2.example.com", "a.example.com").set_identifier("one").weight(256));
    refuse!("route53 ChangeResourceRecordSets: take away the name servers", Delete record("example.com", RrType::Ns, &["ns-1.awsdns-01.com"]));

    let good = || record("g.example.com", RrType::A, &["192.0.2.1"]).build().unwrap();
    let bad = cname("example.com", "a.example.com").build().unwrap();
    let batch = zone.changes([(Create, good()), (Create, bad)]).send();
    script.ask("route53 ChangeResourceRecordSets: a batch with one bad change", batch).await;
    let moved = zone.changes([
        (Delete, record("a.example.com", RrType::A, &["192.0.2.3"]).build().unwrap()),
        (Create, record("a.example.com", RrType::A, &["192.0.2.4"]).build().unwrap()),
    ]);
    script.ask("route53 ChangeResourceRecordSets: delete and create in one batch", moved.send()).await;
    let elsewhere = zone.change(Create, good()).hosted_zone_id("Z0123456789ABCDEFGHIJ").send();
    script.ask("route53 ChangeResourceRecordSets: unknown zone", elsewhere).await;
    let nothing = ChangeBatch::builder().set_changes(Some(Vec::new())).build().unwrap();
    let nothing = zone.client.change_resource_record_sets().hosted_zone_id(&zone.id).change_batch(nothing).send();
    script.ask("route53 ChangeResourceRecordSets: no change", nothing).await;
}

/// The failover pair.
async fn pair(script: &mut Script, zone: &Zone, checks: &[String; 2]) {
    use ChangeAction::{Create, Delete, Upsert};
    use ResourceRecordSetFailover::{Primary, Secondary};
    const NAME: &str = "pair.example.com";
    macro_rules! change {
        ($name:literal, $action:ident $record:expr) => {
            script.ask($name, zone.change($action, $record.build().unwrap()).send()).await
        };
    }
    let primary = || failover(NAME, "one.example.net", Primary, &checks[0]);
    let secondary = || failover(NAME, "two.example.net", Secondary, &checks[1]);
    change!("route53 failover: without an identifier", Create primary().set_set_identifier(None));
    change!("route53 failover: unknown health check", Create primary().health_check_id("00000000-0000-0000-0000-000000000000"));
    change!("route53 failover: a primary without a health check", Create primary().name("bare.example.com").set_health_check_id(None));
    change!("route53 failover: the primary", Create primary());
    change!("route53 failover: a second primary", Create primary().set_identifier("again"));
    change!("route53 failover: the secondary under the identifier of the primary", Create secondary().set_identifier("primary"));
    change!("route53 failover: a simple record beside it", Create cname(NAME, "three.example.net"));
    change!("route53 failover: an A record beside it", Create record(NAME, RrType::A, &["192.0.2.1"]));
    change!("route53 failover: another TTL for the secondary", Create secondary().ttl(30));
    change!("route53 failover: the secondary", Upsert secondary());
    change!("route53 failover: the primary becomes a secondary", Upsert primary().failover(Secondary));
    change!("route53 failover: delete the secondary with another check", Delete secondary().health_check_id(&checks[0]));
    let listed = zone.client.list_resource_record_sets().hosted_zone_id(&zone.id).send();
    script
        .look("route53 ListResourceRecordSets", listed, |answer| {
            let sets = answer.resource_record_sets().iter().filter(|set| {
                let label = set.name().split('.').next();
                label.is_some_and(|label| ["a", "d", "pair", "\\052"].contains(&label))
            });
            json!(
                sets.map(|set| (set.name(), set.r#type().as_str(), set.set_identifier(), set.ttl()))
                    .collect::<Vec<_>>()
            )
        })
        .await;
    zone.upsert(script, secondary().build().unwrap()).await;
    // Disabled is healthy: nothing answers the checkers of the simulator, and the emulator has none.
    let second = zone.client.update_health_check().health_check_id(&checks[1]).disabled(true);
    script.done("the secondary is healthy", second.send()).await;
    let asked = || zone.client.test_dns_answer().hosted_zone_id(&zone.id).record_type(RrType::Cname);
    script
        .look(
            "route53 TestDNSAnswer",
            asked().record_name(NAME).send(),
            |answer| json!({ "data": answer.record_data(), "code": answer.response_code() }),
        )
        .await;
    script
        .look(
            "route53 TestDNSAnswer: unknown name",
            asked().record_name("nothing.example.com").send(),
            |answer| json!({ "data": answer.record_data(), "code": answer.response_code() }),
        )
        .await;
    let invert = zone.client.update_health_check().health_check_id(&checks[0]);
    script.ask("route53 UpdateHealthCheck: disabled", invert.clone().disabled(true).send()).await;
    script
        .look("route53 TestDNSAnswer: a disabled primary", asked().record_name(NAME).send(), |answer| {
            json!(answer.record_data())
        })
        .await;
    script.ask("route53 UpdateHealthCheck: inverted", invert.clone().inverted(true).send()).await;
    script
        .look("route53 TestDNSAnswer: an inverted primary", asked().record_name(NAME).send(), |answer| {
            json!(answer.record_data())
        })
        .await;
    script.ask("route53 UpdateHealthCheck: as before", invert.inverted(false).disabled(false).send()).await;
    change!("route53 failover: a weighted record beside it", Create cname(NAME, "three.example.net").set_identifier("weighted").weight(1));
}

/// The distribution, until it is gone.
pub(crate) async fn edge(script: &mut Script, front: &Front, zone: &Zone) {
    let (target, target_zone) = &front.target;
    let wrong = alias("wrong.example.com", CLOUDFRONT_ZONE, target, false).build().unwrap();
    let wrong = zone.change(ChangeAction::Create, wrong).send();
    script.ask("route53 ChangeResourceRecordSets: an alias of an API in CloudFront's zone", wrong).await;
    let right = zone.change(ChangeAction::Create, alias(ORIGIN, target_zone, target, true).build().unwrap()).send();
    script.ask("route53 ChangeResourceRecordSets: an alias of an API", right).await;

    let client = script.clients().cloudfront();
    let config = || distribution("one", Some(ALIAS), Some(&front.viewer));
    let tagged = |config: cf::builders::DistributionConfigBuilder| {
        let tag = cf::Tag::builder().key("team").value("shop").build().unwrap();
        let config = cf::DistributionConfigWithTags::builder()
            .distribution_config(config.build().unwrap())
            .tags(cf::Tags::builder().items(tag).build());
        client.create_distribution_with_tags().distribution_config_with_tags(config.build()).send()
    };
    // Each with a name of its own: what one side accepts may not be in the way of what comes later.
    let bare = tagged(distribution("bad1", Some("one.example.com"), None));
    script.ask("cloudfront CreateDistribution: a name without a certificate", bare).await;
    let elsewhere = tagged(distribution("bad2", Some("two.example.com"), Some(&front.west)));
    script.ask("cloudfront CreateDistribution: a certificate of another region", elsewhere).await;
    let nothing = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000";
    let unknown = tagged(distribution("bad3", Some("three.example.com"), Some(nothing)));
    script.ask("cloudfront CreateDistribution: unknown certificate", unknown).await;
    let other = tagged(distribution("bad4", Some("four.example.com"), Some(&front.east)));
    script.ask("cloudfront CreateDistribution: a certificate for another name", other).await;
    let unnamed = |reference: &str| distribution(reference, None, None);
    let lost = unnamed("bad5").default_cache_behavior(behavior("nowhere", CACHING_DISABLED));
    script.ask("cloudfront CreateDistribution: unknown target origin", tagged(lost)).await;
    let unknown = behavior("site", "00000000-0000-0000-0000-000000000000");
    let unknown = tagged(unnamed("bad6").default_cache_behavior(unknown));
    script.ask("cloudfront CreateDistribution: unknown cache policy", unknown).await;
    let miscounted = cf::Origins::builder().quantity(2).items(origin()).build().unwrap();
    script.ask("cloudfront CreateDistribution: a wrong quantity", tagged(unnamed("bad7").origins(miscounted))).await;
    let made = script
        .must("cloudfront CreateDistribution", tagged(config()), |symbols, answer| {
            let distribution = answer.distribution().unwrap();
            symbols.learn("distribution", distribution.id());
            symbols.learn("domain", distribution.domain_name());
            json!({ "status": distribution.status(), "etag": answer.e_tag().is_some(), "arn": distribution.arn(),
                "enabled": distribution.distribution_config().map(|config| config.enabled()) })
        })
        .await;
    let (id, etag) = (made.distribution().unwrap().id().to_owned(), made.e_tag.clone().unwrap());
    let other = tagged(config().comment("another"));
    script.ask("cloudfront CreateDistribution: the same reference for something else", other).await;
    script
        .ask(
            "cloudfront CreateDistribution: the same name",
            tagged(distribution("two", Some(ALIAS), Some(&front.viewer))),
        )
        .await;
    let evaluated = alias(ALIAS, CLOUDFRONT_ZONE, made.distribution().unwrap().domain_name(), false).build().unwrap();
    let record = zone.change(ChangeAction::Create, evaluated).send();
    script.ask("route53 ChangeResourceRecordSets: an alias of a distribution", record).await;
    script.ask("cloudfront GetDistribution: unknown", client.get_distribution().id("E0123456789ABC").send()).await;

    let read = script
        .must("cloudfront GetDistributionConfig", client.get_distribution_config().id(&id).send(), |_, answer| {
            let config = answer.distribution_config().unwrap();
            let origin = &config.origins().unwrap().items()[0];
            let custom = origin.custom_origin_config().unwrap();
            json!({ "aliases": config.aliases().map(|aliases| aliases.items()), "attempts": origin.connection_attempts(),
                "connect": origin.connection_timeout(), "read": custom.origin_read_timeout(),
                "keep": custom.origin_keepalive_timeout(), "price": config.price_class().map(|class| class.as_str()),
                "http": config.http_version().map(|version| version.as_str()), "ipv6": config.is_ipv6_enabled(),
                "minimum": config.viewer_certificate().and_then(|c| c.minimum_protocol_version()).map(|v| v.as_str()) })
        })
        .await;
    let current = read.distribution_config.unwrap();
    let changed = |change: &dyn Fn(&mut cf::DistributionConfig)| {
        let mut config = current.clone();
        change(&mut config);
        client.update_distribution().id(&id).distribution_config(config)
    };
    script.ask("cloudfront UpdateDistribution: without an ETag", changed(&|_| ()).send()).await;
    script.ask("cloudfront UpdateDistribution: a wrong ETag", changed(&|_| ()).if_match("E0123456789ABC").send()).await;
    let referenced = changed(&|config| config.caller_reference = "other".into()).if_match(&etag).send();
    script.ask("cloudfront UpdateDistribution: another reference", referenced).await;
    let missing = changed(&|config| config.viewer_certificate = None).if_match(&etag).send();
    script.ask("cloudfront UpdateDistribution: the certificate is left out", missing).await;
    let default = || cf::ViewerCertificate::builder().cloud_front_default_certificate(true).build();
    let unnamed = changed(&|config| config.viewer_certificate = Some(default())).if_match(&etag).send();
    script.ask("cloudfront UpdateDistribution: the certificate goes, the name stays", unnamed).await;
    let delete = |etag: Option<&str>| client.delete_distribution().id(&id).set_if_match(etag.map(str::to_owned)).send();
    script.ask("cloudfront DeleteDistribution: enabled", delete(Some(&etag))).await;
    let disabled = changed(&|config| config.enabled = false).if_match(&etag).send();
    let disabled = script
        .must("cloudfront UpdateDistribution", disabled, |_, answer| {
            json!({ "status": answer.distribution().map(|distribution| distribution.status()),
                "new": answer.e_tag() != Some(&*etag) })
        })
        .await;
    let current = disabled.e_tag.unwrap();
    script.ask("cloudfront DeleteDistribution: not yet deployed", delete(Some(&current))).await;
    let find = async || client.get_distribution().id(&id).send().await;
    script
        .until("a distribution", find, |answer| {
            answer.distribution().is_some_and(|distribution| distribution.status() == "Deployed")
        })
        .await;
    script.ask("cloudfront DeleteDistribution: without an ETag", delete(None)).await;
    script.ask("cloudfront DeleteDistribution: an old ETag", delete(Some(&etag))).await;
    // For some seconds after `Deployed` it is refused all the same.
    script.pass(Duration::from_secs(30)).await;
    script.must("cloudfront DeleteDistribution", delete(Some(&current)), |_, _| json!(true)).await;
    script.ask("cloudfront DeleteDistribution: again", delete(Some(&current))).await;
}

const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";

fn behavior(origin: &str, policy: &str) -> cf::DefaultCacheBehavior {
    let behavior = cf::DefaultCacheBehavior::builder().target_origin_id(origin).cache_policy_id(policy);
    behavior.viewer_protocol_policy(cf::ViewerProtocolPolicy::RedirectToHttps).build().unwrap()
}

fn origin() -> cf::Origin {
    let protocols = cf::OriginSslProtocols::builder().quantity(1).items(cf::SslProtocol::TlSv12).build().unwrap();
    let custom = cf::CustomOriginConfig::builder().http_port(80).https_port(443).origin_ssl_protocols(protocols);
    let custom = custom.origin_protocol_policy(cf::OriginProtocolPolicy::HttpsOnly).build().unwrap();
    cf::Origin::builder().id("site").domain_name(ORIGIN).custom_origin_config(custom).build().unwrap()
}

/// A distribution in front of the origin.
fn distribution(
    reference: &str,
    alias: Option<&str>,
    certificate: Option<&str>,
) -> cf::builders::DistributionConfigBuilder {
    let config = cf::DistributionConfig::builder().caller_reference(reference).comment("of a test").enabled(true);
    let config = config.origins(cf::Origins::builder().quantity(1).items(origin()).build().unwrap());
    let config = config.default_cache_behavior(behavior("site", CACHING_DISABLED));
    let aliases = alias.map(|alias| cf::Aliases::builder().quantity(1).items(alias).build().unwrap());
    let certificate = certificate.map(|arn| {
        let certificate = cf::ViewerCertificate::builder().acm_certificate_arn(arn);
        let certificate = certificate.ssl_support_method(cf::SslSupportMethod::SniOnly);
        certificate.minimum_protocol_version(cf::MinimumProtocolVersion::TlSv122021).build()
    });
    config.set_aliases(aliases).set_viewer_certificate(certificate)
}

/// Topics and alarms.
pub(crate) async fn alarms(script: &mut Script) {
    let sns = script.clients().sns(EAST);
    let topic = script
        .must("sns CreateTopic", sns.create_topic().name("failover").send(), |_, answer| json!(answer.topic_arn()))
        .await;
    let topic = topic.topic_arn.unwrap();
    script
        .look("sns CreateTopic: again", sns.create_topic().name("failover").send(), |answer| json!(answer.topic_arn()))
        .await;
    script.ask("sns CreateTopic: a name with a blank", sns.create_topic().name("fail over").send()).await;
    let fifo = sns.create_topic().name("failover").attributes("FifoTopic", "true").send();
    script.ask("sns CreateTopic: FIFO without .fifo", fifo).await;
    let missing = topic.replace("failover", "nothing");
    script.ask("sns GetTopicAttributes: unknown", sns.get_topic_attributes().topic_arn(&missing).send()).await;
    let subscribe = |topic: &str, protocol: &str, endpoint: &str| {
        sns.subscribe().topic_arn(topic).protocol(protocol).endpoint(endpoint)
    };
    script
        .look("sns Subscribe", subscribe(&topic, "email", "ops@example.com").send(), |answer| {
            json!(answer.subscription_arn())
        })
        .await;
    script
        .look("sns Subscribe: again", subscribe(&topic, "email", "ops@example.com").send(), |answer| {
            json!(answer.subscription_arn())
        })
        .await;
    script.ask("sns Subscribe: unknown protocol", subscribe(&topic, "pigeon", "ops@example.com").send()).await;
    script.ask("sns Subscribe: not an address", subscribe(&topic, "email", "nobody").send()).await;
    script
        .ask("sns Subscribe: http to an https address", subscribe(&topic, "https", "http://example.com").send())
        .await;
    script.ask("sns Subscribe: unknown topic", subscribe(&missing, "email", "ops@example.com").send()).await;
    script
        .look("sns ListSubscriptionsByTopic", sns.list_subscriptions_by_topic().topic_arn(&topic).send(), |answer| {
            let all = answer.subscriptions().iter().filter(|it| it.protocol() == Some("email"));
            json!(all.map(|it| (it.subscription_arn(), it.protocol(), it.endpoint())).collect::<Vec<_>>())
        })
        .await;
    script
        .ask(
            "sns ListSubscriptionsByTopic: unknown topic",
            sns.list_subscriptions_by_topic().topic_arn(&missing).send(),
        )
        .await;
    script.ask("sns DeleteTopic: unknown", sns.delete_topic().topic_arn(&missing).send()).await;

    let cloudwatch = script.clients().cloudwatch(EAST);
    let put = |name: &str, key: &str| {
        let check = Dimension::builder().name("HealthCheckId").value("00000000-0000-0000-0000-000000000000").build();
        let put =
            cloudwatch.put_metric_alarm().alarm_name(name).namespace("AWS/Route53").metric_name("HealthCheckStatus");
        let put = put.dimensions(check).statistic(Statistic::Minimum).period(60).evaluation_periods(1).threshold(1.0);
        let put = put.comparison_operator(ComparisonOperator::LessThanThreshold).alarm_actions(&topic);
        put.tags(Tag::builder().key(key).value("shop").build())
    };
    script.must("cloudwatch PutMetricAlarm", put("red", "first").send(), |_, _| json!(true)).await;
    script.ask("cloudwatch PutMetricAlarm: again with other tags", put("red", "second").threshold(2.0).send()).await;
    script.ask("cloudwatch PutMetricAlarm: a period of 45 s", put("bad", "first").period(45).send()).await;
    script
        .ask(
            "cloudwatch PutMetricAlarm: more than a day",
            put("bad", "first").period(3600).evaluation_periods(25).send(),
        )
        .await;
    script.ask("cloudwatch PutMetricAlarm: no statistic", put("bad", "first").set_statistic(None).send()).await;
    script.ask("cloudwatch PutMetricAlarm: no metric", put("bad", "first").set_metric_name(None).send()).await;
    script.ask("cloudwatch PutMetricAlarm: two of one period", put("bad", "first").datapoints_to_alarm(2).send()).await;
    script
        .ask(
            "cloudwatch PutMetricAlarm: unknown treatment of gaps",
            put("bad", "first").treat_missing_data("hope").send(),
        )
        .await;
    script
        .ask("cloudwatch PutMetricAlarm: an action that is no ARN", put("bad", "first").alarm_actions("ops").send())
        .await;
    let alarms = script
        .must("cloudwatch DescribeAlarms", cloudwatch.describe_alarms().alarm_names("red").send(), |_, answer| {
            let alarm = &answer.metric_alarms()[0];
            json!({ "arn": alarm.alarm_arn(), "state": alarm.state_value().map(|state| state.as_str()),
                "threshold": alarm.threshold(), "enabled": alarm.actions_enabled(), "missing": alarm.treat_missing_data() })
        })
        .await;
    let arn = alarms.metric_alarms()[0].alarm_arn().unwrap();
    script
        .look(
            "cloudwatch ListTagsForResource",
            cloudwatch.list_tags_for_resource().resource_arn(arn).send(),
            |answer| json!(answer.tags().iter().map(|tag| tag.key()).collect::<Vec<_>>()),
        )
        .await;
    script
        .look(
            "cloudwatch DescribeAlarms: unknown name",
            cloudwatch.describe_alarms().alarm_names("no").send(),
            |answer| json!(answer.metric_alarms().len()),
        )
        .await;
    script
        .ask(
            "cloudwatch DeleteAlarms: one is not there",
            cloudwatch.delete_alarms().alarm_names("red").alarm_names("no").send(),
        )
        .await;
    script.ask("cloudwatch DeleteAlarms", cloudwatch.delete_alarms().alarm_names("red").send()).await;
    script.ask("sns DeleteTopic", sns.delete_topic().topic_arn(&topic).send()).await;
}
