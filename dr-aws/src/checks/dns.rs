//! Records: who answers, and what decides about it.

use std::collections::{BTreeMap, BTreeSet};

use dr_core::Node;

use super::Found;
use super::view::{Answers, View, policy, role, text};

/// The longest time to live that adds little to a failover, in seconds.
const TTL_S_MAX: u64 = 60;
/// The hosted zone of all CloudFront distributions.
const CLOUDFRONT_ZONE: &str = "Z2FDTNDATAQYW2";

fn failover(view: View<'_>) -> impl Iterator<Item = Answers<'_>> {
    view.answers().into_iter().filter(|answers| answers.records.iter().any(|record| role(record).is_some()))
}

fn of_role<'g>(answers: &Answers<'g>, wanted: &str) -> Vec<&'g Node> {
    answers.records.iter().copied().filter(|record| role(record) == Some(wanted)).collect()
}

fn evaluates(record: &Node) -> bool {
    record.inputs["alias"]["evaluate_target_health"].as_bool().unwrap_or_default()
}

fn checked(record: &Node) -> bool {
    !record.inputs["health_check"].is_null()
}

fn to_cloudfront(view: View<'_>, record: &Node) -> bool {
    let alias = &record.inputs["alias"];
    alias["zone"] == CLOUDFRONT_ZONE
        || super::view::first(&alias["name"])
            .and_then(|reference| view.graph.get(reference.address))
            .is_some_and(|node| node.schema.type_name == "aws.cloudfront.distribution")
}

/// Half a pair never fails over. Exactly one primary and one secondary, told apart by their set identifiers.
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html>
pub(super) fn failover_pair_complete(view: View<'_>, found: &mut Found) {
    for answers in failover(view) {
        let (primaries, secondaries) = (of_role(&answers, "primary"), of_role(&answers, "secondary"));
        let at = primaries.first().or(secondaries.first()).copied();
        let Some(at) = at else { continue };
        let (p, s) = (primaries.len(), secondaries.len());
        if (p, s) != (1, 1) {
            let problem = format!("the pair has {p} primary and {s} secondary answers");
            found.add(at, problem, "give it one of each");
        } else if text(primaries[0], "set_id") == text(secondaries[0], "set_id") {
            let problem = format!("both answers have the set identifier `{}`", text(at, "set_id"));
            found.add(at, problem, "give each one of its own");
        }
    }
}

/// A primary that nothing watches is always healthy, so nothing ever fails over.
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-how-route-53-chooses-records.html>
pub(super) fn primary_no_signal(view: View<'_>, found: &mut Found) {
    for record in failover(view).flat_map(|answers| of_role(&answers, "primary")) {
        if !checked(record) && !evaluates(record) {
            let problem = "the primary answer has no health check, so Route 53 always takes it for healthy";
            found.add(record, problem, "add `.health_check(…)`");
        }
    }
}

/// A standby that nothing watches gets the traffic although it is dead.
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-how-route-53-chooses-records.html>
pub(super) fn secondary_no_signal(view: View<'_>, found: &mut Found) {
    for record in failover(view).flat_map(|answers| of_role(&answers, "secondary")) {
        if !checked(record) {
            let problem = "the standby's answer has no health check, so traffic goes to it even when it is dead";
            found.add(record, problem, "add `.health_check(…)`");
        }
    }
}

/// How long resolvers keep an answer adds to every failover.
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html>
pub(super) fn ttl_high(view: View<'_>, found: &mut Found) {
    for record in failover(view).flat_map(|answers| answers.records) {
        if let Some(ttl) = record.inputs["ttl_s"].as_u64().filter(|ttl| *ttl > TTL_S_MAX) {
            let problem = format!("resolvers keep the answer for {ttl} s, which adds to every failover");
            found.add(record, problem, format!("`.ttl_s({TTL_S_MAX})` or less"));
        }
    }
}

/// Failover aliases have to evaluate their target's health; CloudFront is the exception, which does not allow it.
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_AliasTarget.html>
pub(super) fn alias_eth_false(view: View<'_>, found: &mut Found) {
    for record in failover(view).flat_map(|answers| answers.records) {
        if !record.inputs["alias"].is_null() && !evaluates(record) && !to_cloudfront(view, record) {
            let problem = "a failover alias does not evaluate the health of its target, which Route 53 asks for";
            found.add(record, problem, "`Alias::new(…).evaluate_target_health()`");
        }
    }
}

/// The health of an API Gateway target only says whether the service works in the region.
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_AliasTarget.html>
pub(super) fn eth_only_on_apigw(view: View<'_>, found: &mut Found) {
    for record in failover(view).flat_map(|answers| answers.records) {
        let api = view.answered_by(record).is_some_and(|node| node.schema.type_name == "aws.apigatewayv2.domain");
        if api && evaluates(record) && !checked(record) {
            let problem = "its only signal is whether API Gateway itself works in the region";
            found.add(record, problem, "add `.health_check(…)` of a path that goes through to a server");
        }
    }
}

/// One alternate domain name lives on one distribution only, so two of them cannot stand in for each other.
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_AliasTarget.html>
pub(super) fn cloudfront_failover_pair(view: View<'_>, found: &mut Found) {
    for pair in view.pairs() {
        if [pair.primary, pair.secondary].iter().all(|record| to_cloudfront(view, record)) {
            let problem = "both answers are CloudFront distributions, which cannot have the same name";
            found.add(pair.primary, problem, "put the pair behind one distribution, as its origin");
        }
    }
}

/// The answers of one name and type have one routing policy.
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html>
pub(super) fn mixed_policy(view: View<'_>, found: &mut Found) {
    for answers in view.answers() {
        let policies: BTreeSet<&str> = answers.records.iter().map(|record| policy(record)).collect();
        let last = answers.records.last().copied();
        if let Some(last) = last.filter(|_| policies.len() > 1) {
            let policies: Vec<_> = policies.into_iter().collect();
            let problem = format!("its {} answers have several policies: {}", answers.kind, policies.join(", "));
            found.add(last, problem, "give all of them one policy");
        }
    }
}

/// Clients with IPv6 stay on a dead region when only the IPv4 answers fail over.
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resource-record-sets-choosing-alias-non-alias.html>
pub(super) fn aaaa_asymmetry(view: View<'_>, found: &mut Found) {
    let mut names: BTreeMap<String, [Vec<&Node>; 2]> = BTreeMap::new();
    for answers in view.answers() {
        let Some(name) = &answers.name else { continue };
        let entry = names.entry(name.clone()).or_default();
        match answers.kind {
            "A" => entry[0].extend(&answers.records),
            "AAAA" => entry[1].extend(&answers.records),
            _ => {}
        }
    }
    let wiring = |records: &[&Node]| -> BTreeSet<String> {
        records.iter().map(|r| format!("{} {}", r.inputs["routing"], r.inputs["health_check"])).collect()
    };
    for [four, six] in names.values() {
        let chosen = |records: &[&Node]| records.iter().any(|record| policy(record) != "simple");
        if !four.is_empty() && !six.is_empty() && (chosen(four) || chosen(six)) && wiring(four) != wiring(six) {
            let problem = "the AAAA answers are not chosen as the A answers are: IPv6 clients stay on a dead region";
            found.add(six[0], problem, "give both types the same policy and the same health checks");
        }
    }
}

/// ACM asks for one CNAME per account and domain, whatever the region: two resources for it take it from each other.
/// <https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html>
pub(super) fn validation_cname_shared(view: View<'_>, found: &mut Found) {
    let mut owners: BTreeMap<(String, String), &Node> = BTreeMap::new();
    for record in view.of("aws.route53.record_set") {
        let Some(reference) = super::view::first(&record.inputs["name"]) else { continue };
        let at = match (reference.field, reference.index) {
            ("validation_name", _) => 0,
            ("validation_names", index) => index.unwrap_or_default() as usize,
            _ => continue,
        };
        let Some(names) = view.certificate_names(&record.inputs["name"]) else { continue };
        let Some(name) = names.get(at).map(|name| name.trim_start_matches("*.").to_owned()) else { continue };
        if let Some(first) = owners.insert((record.inputs["zone"].to_string(), name.clone()), record) {
            let problem = format!("the record that validates `{name}` is {} already", first.address);
            found.add(record, problem, "`ValidatedCertificate` makes it once for the certificates of all regions");
        }
    }
}

/// An edit of a record needs Route 53's control plane, which is in us-east-1 and may be what has failed. A name that is served in
/// two regions and answered by one of them, without a health check that moves it, is such an edit.
/// <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/global-services.html>
pub(super) fn control_plane_on_recovery_path(view: View<'_>, found: &mut Found) {
    for answers in view.answers() {
        let served = |node: &Node| {
            let name = text(node, "name");
            view.of("aws.apigatewayv2.domain").any(|other| text(other, "name") == name && other.region != node.region)
        };
        let by_hand = answers.records.iter().all(|record| {
            let domain = view.answered_by(record).filter(|node| node.schema.type_name == "aws.apigatewayv2.domain");
            role(record).is_none() && !checked(record) && domain.is_some_and(served)
        });
        if let Some(first) = answers.records.first().filter(|_| by_hand) {
            let problem = "the name is served in two regions, and only an edit of this record moves it to the other one, \
                           by a control plane in us-east-1";
            found.add(first, problem, "make it a failover pair with health checks");
        }
    }
}
