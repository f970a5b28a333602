//! The two regions beside each other: parity, and what must not point from one to the other.

use std::collections::BTreeSet;

use dr_core::{Node, Severity};

use super::Found;
use super::view::{View, text};
use crate::parity::{self, Difference};

/// The errors between the twins of a program whose name is answered by two regions, as far as they are of a rule.
fn errors(view: View<'_>, rule: &'static str) -> impl Iterator<Item = Difference> {
    let compared = view.choices().next().and_then(|_| parity::of_program(view.graph));
    let differences = compared.map(|parity| parity.differences).unwrap_or_default();
    differences.into_iter().filter(move |it| it.severity == Severity::Error && it.rule() == rule)
}

fn tell(view: View<'_>, difference: &Difference, found: &mut Found) {
    let Some(node) = difference.address().and_then(|address| view.graph.get(address.as_str())) else { return };
    let problem = match (&difference.attribute, &difference.primary) {
        (Some(attribute), Some(primary)) => {
            format!("its {attribute} differs from that of {primary}: {}", difference.why)
        }
        _ => format!("it has no twin in the other region: {}", difference.why),
    };
    found.add(node, problem, "`parity` shows both sides; make them the same, or accept it with the reason");
}

/// Routes, authorization, time-outs: what an API does not do in the standby is lost by a failover.
/// <https://docs.aws.amazon.com/wellarchitected/latest/reliability-pillar/rel_planning_for_recovery_config_drift.html>
pub(super) fn route_parity(view: View<'_>, found: &mut Found) {
    errors(view, "apigw-route-parity").for_each(|difference| tell(view, &difference, found));
}

/// What has to be the same in both regions and is not.
/// <https://docs.aws.amazon.com/wellarchitected/latest/reliability-pillar/rel_planning_for_recovery_config_drift.html>
pub(super) fn must_match(view: View<'_>, found: &mut Found) {
    errors(view, "parity-must-match").for_each(|difference| tell(view, &difference, found));
}

/// What a standby needs has to be there before it is needed.
/// <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/global-services.html>
pub(super) fn created_on_demand(view: View<'_>, found: &mut Found) {
    for difference in errors(view, "standby-created-on-demand") {
        if let Some(node) = difference.address().and_then(|address| view.graph.get(address.as_str())) {
            let problem = "the other region has none: it would have to be made during the outage, by control planes that \
                           may be down";
            found.add(node, problem, "add it to the other region as well");
        }
    }
}

/// A standby takes all of the traffic, in a moment in which everybody asks for servers.
/// <https://aws.amazon.com/message/101925/>
pub(super) fn capacity(view: View<'_>, found: &mut Found) {
    for [primary, standby] in view.choices().filter(|choice| !choice.both_serve).map(|choice| choice.sites) {
        let targets = |site: &Node| {
            let here = |node: &&Node| node.address.region() == site.address.region();
            view.of("aws.elbv2.target_registration").filter(here).count()
        };
        let (many, few) = (targets(primary), targets(standby));
        if few < many {
            let problem = format!("its region has {few} of the {many} servers of {}", primary.region);
            found.add(standby, problem, "as many servers, or the reason why fewer will do");
        }
    }
}

/// Texts that run or are obeyed in a region and name another one of the program: a dependency that nobody sees.
/// <https://docs.aws.amazon.com/wellarchitected/latest/reliability-pillar/rel_planning_for_recovery_config_drift.html>
pub(super) fn region_literal_leak(view: View<'_>, found: &mut Found) {
    let regional = view.graph.nodes().filter(|node| node.address.region() != "global");
    let regions: BTreeSet<&str> = regional.map(|node| &*node.region).collect();
    const TEXTS: &[(&str, &str)] = &[
        ("aws.ec2.instance", "user_data"),
        ("aws.apigatewayv2.jwt_authorizer", "issuer"),
        ("aws.sns.subscription", "endpoint"),
    ];
    for (type_name, field) in TEXTS {
        for node in view.of(type_name) {
            let value = node.inputs[*field].to_string();
            let other = regions.iter().find(|region| ***region != *node.region && value.contains(**region));
            // A reference carries the address of what it refers to, which begins with its region.
            let written = super::view::first(&node.inputs[*field]).is_none();
            if let Some(other) = other.filter(|_| written) {
                let problem = format!("its {field} names {other}, and it is in {}", node.region);
                found.add(node, problem, "the own region's endpoint, from `scope.region()`");
            }
        }
    }
    for policy in view.of("aws.iam.role_policy") {
        let document = text(policy, "document");
        let named: BTreeSet<&str> = regions.iter().copied().filter(|region| document.contains(region)).collect();
        let Some(role) = view.node(&policy.inputs["role"]) else { continue };
        let missing: Vec<&str> = users(view, role).into_iter().filter(|region| !named.contains(region)).collect();
        if !named.is_empty() && !missing.is_empty() {
            let named: Vec<_> = named.into_iter().collect();
            let problem = format!("it is for {} only, and servers in {} have it", named.join(", "), missing.join(", "));
            found.add(policy, problem, "all regions, or a policy for each");
        }
    }
}

/// The regions of the servers that have a role.
fn users<'g>(view: View<'g>, role: &'g Node) -> BTreeSet<&'g str> {
    let profiles = view.users("aws.iam.instance_profile", "role", role);
    let servers = profiles.into_iter().flat_map(|profile| view.users("aws.ec2.instance", "profile", profile));
    servers.map(|server| &*server.region).collect()
}

/// The global endpoint of STS is in us-east-1.
/// <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/global-services.html>
pub(super) fn sts_global_endpoint(view: View<'_>, found: &mut Found) {
    for server in view.of("aws.ec2.instance") {
        let script = server.inputs["user_data"].to_string();
        if script.contains("//sts.amazonaws.com") || script.contains("AWS_STS_REGIONAL_ENDPOINTS=legacy") {
            let problem = "its boot script asks STS in us-east-1 for credentials";
            found.add(server, problem, format!("`sts.{}.amazonaws.com`", server.region));
        }
    }
}
