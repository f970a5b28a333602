//! Alarms: whether somebody is told, and by what.

use dr_core::{Node, Value};

use super::Found;
use super::view::{View, arn_region, first, text};

const ALARM: &str = "aws.cloudwatch.alarm";

/// The alarms on a metric of a namespace that tell somebody.
fn telling<'g>(view: View<'g>, namespace: &'static str, metric: &'static str) -> impl Iterator<Item = &'g Node> {
    view.of(ALARM)
        .filter(move |alarm| text(alarm, "namespace") == namespace && text(alarm, "metric") == metric)
        .filter(|alarm| tells(alarm))
}

fn tells(alarm: &Node) -> bool {
    alarm.inputs["topics"].as_array().is_some_and(|topics| !topics.is_empty())
}

/// Whether an alarm's metric is of this resource.
fn is_of(alarm: &Node, node: &Node) -> bool {
    let dimensions = alarm.inputs["dimensions"].as_array().into_iter().flatten();
    dimensions.filter_map(|dimension| first(&dimension["value"])).any(|it| it.address == node.address.as_str())
}

/// A health check moves traffic and tells nobody.
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/monitoring-health-checks.html>
pub(super) fn alarm_per_hc(view: View<'_>, found: &mut Found) {
    for check in view.of("aws.route53.health_check") {
        // Its metrics are in us-east-1 only.
        let mut alarms =
            telling(view, "AWS/Route53", "HealthCheckStatus").filter(|alarm| &*alarm.region == "us-east-1");
        if !alarms.any(|alarm| is_of(alarm, check)) {
            let problem = "no alarm in us-east-1 tells anybody when it turns red";
            found.add(check, problem, "`Notifier`, or `Alarm::on_health_check(…)` with a topic");
        }
    }
}

/// The alarms of Route 53 live in us-east-1, and may be down with the primary. What tells of a loss from the standby region is
/// what users meet there, or a metric of one's own, that of a canary for example: the processor of a server there tells nothing.
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/monitoring-health-checks.html>
pub(super) fn second_region(view: View<'_>, found: &mut Found) {
    for pair in view.pairs() {
        let Some(site) = view.answered_by(pair.secondary) else { continue };
        let apis = view.apis(site);
        let sees_users = |alarm: &Node| match text(alarm, "namespace") {
            "AWS/ApiGateway" => names_one_of(alarm, &apis),
            namespace => !namespace.starts_with("AWS/"),
        };
        let own = |alarm: &Node| alarm.region == site.region && tells(alarm) && sees_users(alarm);
        if !view.of(ALARM).any(own) {
            let problem = format!("no alarm of its own in {} tells anybody when users see errors", site.region);
            found.add(pair.secondary, problem, "`Notifier`, or `Alarm::on_api_errors(…)` with a topic of that region");
        }
    }
}

/// Whether an alarm's metric is of one of these APIs, or of one that is written out.
fn names_one_of(alarm: &Node, apis: &[&Node]) -> bool {
    let mut dimensions = alarm.inputs["dimensions"].as_array().into_iter().flatten();
    let written = |dimension: &Value| dimension["name"] == "ApiId" && dimension["value"].is_string();
    apis.iter().any(|api| is_of(alarm, api)) || dimensions.any(written)
}

/// An alarm tells topics of its own region.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html>
pub(super) fn sns_region(view: View<'_>, found: &mut Found) {
    for alarm in view.of(ALARM) {
        let topics = ["topics", "recovery_topics"].iter().flat_map(|field| alarm.inputs[*field].as_array());
        let region = |topic: &Value| -> Option<String> {
            let written = arn_region(topic).map(str::to_owned);
            let node = first(topic).and_then(|reference| view.graph.get(reference.address));
            written.or_else(|| node.map(|node| node.region.to_string()))
        };
        if let Some(other) = topics.flatten().filter_map(region).find(|region| **region != *alarm.region) {
            let problem = format!("it tells a topic in {other}, and is in {}", alarm.region);
            found.add(alarm, problem, "a topic of the same region");
        }
    }
}

/// Health checks do not look at certificates, and CloudFront does: an expired one is an outage without a failover.
/// <https://docs.aws.amazon.com/acm/latest/userguide/cloudwatch-metrics.html>
pub(super) fn cert_expiry(view: View<'_>, found: &mut Found) {
    let domains = view.of("aws.apigatewayv2.domain").filter(|domain| !behind_names(view, domain).is_empty());
    let served = domains.chain(view.of("aws.cloudfront.distribution"));
    let mut told: Vec<&str> = Vec::new();
    for node in served {
        let certificate = &node.inputs["certificate"];
        let at = view.node(certificate).unwrap_or(node);
        let request = view.certificate_request(certificate);
        // What CloudFront uses is in us-east-1.
        let home = arn_region(certificate).unwrap_or(if &*at.region == "global" { "us-east-1" } else { &*at.region });
        // The metric is published in the certificate's region only.
        let mut alarms = telling(view, "AWS/CertificateManager", "DaysToExpiry").filter(|alarm| &*alarm.region == home);
        let watched = alarms.any(|alarm| {
            let of = |node: &Node| is_of(alarm, node);
            let written = alarm.inputs["dimensions"].as_array().into_iter().flatten();
            of(at) || request.is_some_and(of) || written.into_iter().any(|dimension| dimension["value"] == *certificate)
        });
        if !certificate.is_null() && !watched && !told.contains(&at.address.as_str()) {
            told.push(at.address.as_str());
            let problem = "no alarm tells anybody before this certificate expires";
            let fix = "an alarm on `DaysToExpiry` of `AWS/CertificateManager` in its region, missing data breaching";
            found.add(at, problem, fix);
        }
    }
}

/// The records that answer with a domain.
fn behind_names<'g>(view: View<'g>, domain: &'g Node) -> Vec<&'g Node> {
    let records = ["alias", "values"].iter().flat_map(|field| view.users("aws.route53.record_set", field, domain));
    records.collect()
}
