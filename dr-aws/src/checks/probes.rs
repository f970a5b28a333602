//! Health checks: what they probe, and whether that says what it should.

use std::collections::BTreeSet;

use dr_core::Node;

use super::Found;
use super::view::{Host, Route, Stage, View, Way, canonical, text};

const CHECK: &str = "aws.route53.health_check";

/// The checks that probe an endpoint.
fn endpoints(view: View<'_>) -> impl Iterator<Item = &Node> {
    view.of(CHECK).filter(|check| !check.inputs["host"].is_null())
}

/// The check of a record.
fn check_of<'g>(view: View<'g>, record: &'g Node) -> Option<&'g Node> {
    view.node(&record.inputs["health_check"])
}

/// A check, and the checks that it counts.
fn with_children<'g>(view: View<'g>, check: &'g Node) -> Vec<&'g Node> {
    let children = view.list(&check.inputs["children"]).into_iter().flatten();
    std::iter::once(check).chain(children).collect()
}

/// The records that a check decides about, by itself or counted by another.
fn guarded<'g>(view: View<'g>, check: &'g Node) -> Vec<&'g Node> {
    let parents = view.users(CHECK, "children", check);
    let all = parents.into_iter().chain([check]);
    all.flat_map(|check| view.users("aws.route53.record_set", "health_check", check)).collect()
}

/// Where the probes of a check lead.
fn way<'g>(view: View<'g>, check: &'g Node) -> Option<Way<'g>> {
    let path = check.inputs["path"].as_str().unwrap_or("/");
    view.way(&view.host(&check.inputs["host"]), path)
}

/// One check for both answers: both are unhealthy at once, and then Route 53 answers with the primary.
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-how-route-53-chooses-records.html>
pub(super) fn same_for_both(view: View<'_>, found: &mut Found) {
    for pair in view.pairs() {
        let (primary, secondary) = (&pair.primary.inputs["health_check"], &pair.secondary.inputs["health_check"]);
        if !primary.is_null() && primary == secondary {
            let problem = "it has the health check of the primary: when that is red, Route 53 answers with the primary";
            found.add(pair.secondary, problem, "probe each region by a name of its own");
        }
    }
}

/// A check that probes the name that it decides about gives results that AWS calls unpredictable.
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_HealthCheckConfig.html>
pub(super) fn self_name(view: View<'_>, found: &mut Found) {
    for check in endpoints(view) {
        let Some(host) = view.text(&check.inputs["host"]).map(|host| canonical(&host)) else { continue };
        let leads_to = leads_to(view, &host);
        let own =
            guarded(view, check).into_iter().filter_map(|record| view.name(record)).find(|n| leads_to.contains(n));
        if let Some(name) = own {
            let problem =
                format!("it probes `{host}`, which is answered by the records of `{name}` that it decides about");
            found.add(
                check,
                problem,
                "probe the region's own host: the API's `host`, or a domain of that region alone",
            );
        }
    }
}

/// A name, and all names that its records point to.
fn leads_to(view: View<'_>, name: &str) -> BTreeSet<String> {
    let (mut names, mut open) = (BTreeSet::new(), vec![name.to_owned()]);
    while let Some(name) = open.pop() {
        for record in view.of("aws.route53.record_set").filter(|record| view.name(record).as_ref() == Some(&name)) {
            let alias = &record.inputs["alias"]["name"];
            let values = record.inputs["values"].as_array().into_iter().flatten();
            open.extend(
                values
                    .chain([alias])
                    .filter_map(|v| view.text(v))
                    .map(|n| canonical(&n))
                    .filter(|n| !names.contains(n)),
            );
        }
        names.insert(name);
    }
    names
}

/// The target that DNS points to for an API domain answers to no name of its own.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-custom-domain-names.html>
pub(super) fn targets_d_name(view: View<'_>, found: &mut Found) {
    for check in endpoints(view) {
        let regional = match view.host(&check.inputs["host"]) {
            Host::Target(_) => true,
            Host::Name(name) => name.starts_with("d-") && name.contains(".execute-api."),
            _ => false,
        };
        if regional {
            let problem = "it probes the target of an API domain, which knows no such host: red for ever";
            found.add(check, problem, "probe the API's `host`, or a domain of that region alone");
        }
    }
}

/// A disabled default endpoint answers 403.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-disable-default-endpoint.html>
pub(super) fn execute_api_disabled(view: View<'_>, found: &mut Found) {
    for check in endpoints(view) {
        if let Host::Api(api) = view.host(&check.inputs["host"])
            && api.inputs["execute_api_endpoint"] == false
        {
            let problem =
                format!("it probes the default endpoint of {}, which is switched off and answers 403", api.address);
            found.add(check, problem, "leave the endpoint on, or probe a domain of that region alone");
        }
    }
}

/// A stage that is not `$default` is a part of the path.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-stages.html>
pub(super) fn stage_in_path(view: View<'_>, found: &mut Found) {
    for check in endpoints(view) {
        let Some(way) = way(view, check).filter(|way| matches!(way.stage, Stage::Missed)) else { continue };
        let stages = view.users("aws.apigatewayv2.stage", "api", way.api);
        let name = stages.first().map_or("", |stage| text(stage, "name"));
        let problem = format!("its path `{}` is in no stage of {}", text(check, "path"), way.api.address);
        found.add(check, problem, format!("begin it with `/{name}`"));
    }
}

/// A path without a route is answered 404, which is unhealthy: the article's `ANY /` has none for `/health`.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html>
pub(super) fn path_routable(view: View<'_>, found: &mut Found) {
    for check in endpoints(view) {
        // Where it misses the stage already, another rule says so.
        let way = way(view, check).filter(|way| !matches!(way.stage, Stage::Missed));
        if let Some(way) = way.filter(|way| matches!(way.route, Route::Missed)) {
            let problem = format!("no route of {} takes GET {}: it answers 404", way.api.address, way.path);
            found.add(check, problem, format!("add the route `GET {}`, or `ANY /{{proxy+}}`", way.path));
        }
    }
}

/// Route 53's checkers send no credentials.
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_HealthCheckConfig.html>
pub(super) fn path_unauthenticated(view: View<'_>, found: &mut Found) {
    for check in endpoints(view) {
        if let Some(Route::One(route)) = way(view, check).map(|way| way.route)
            && route.inputs["authorization"] != "none"
        {
            let problem = format!("{} wants credentials, and probes have none: red for ever", route.address);
            found.add(check, problem, "give the probed path a route of its own without authorization");
        }
    }
}

/// The targets that a probe reaches: behind the route's integration, its listener and the rule for the path.
fn reached<'g>(view: View<'g>, way: &Way<'g>) -> Vec<&'g Node> {
    let Route::One(route) = way.route else { return Vec::new() };
    let Some(integration) = view.node(&route.inputs["integration"]) else { return Vec::new() };
    let listener = view.node(&integration.inputs["listener"]);
    let mut nodes = vec![route, integration];
    nodes.extend(view.node(&integration.inputs["link"]));
    if let Some(listener) = listener {
        let fits = |rule: &&Node| {
            let paths = rule.inputs["paths"].as_array().map_or(&[][..], Vec::as_slice);
            let fits = |path: &str| super::balancing::takes(path, &way.path);
            rule.inputs["hosts"] == serde_json::json!([]) && paths.iter().filter_map(|path| path.as_str()).any(fits)
        };
        let forward = view.rules(listener).into_iter().find(fits).unwrap_or(listener);
        nodes.push(listener);
        nodes.extend(view.balancer(listener));
        if let Some(group) = view.node(&forward.inputs["forward"]) {
            nodes.push(group);
            let instances = view.registrations(group).into_iter().filter_map(|at| view.node(&at.inputs["target"]));
            nodes.extend(instances);
        }
    }
    nodes
}

/// A probe that does not reach a server stays green when all of them are gone, and lets the VPC link go idle.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-vpc-links.html>
pub(super) fn bypasses_backend(view: View<'_>, found: &mut Found) {
    for record in view.answers().into_iter().flat_map(|answers| answers.records) {
        let Some(domain) = view.answered_by(record).filter(|node| node.schema.type_name == "aws.apigatewayv2.domain")
        else {
            continue;
        };
        let (Some(check), apis) = (check_of(view, record), view.apis(domain)) else { continue };
        let probing: Vec<&Node> =
            with_children(view, check).into_iter().filter(|check| !check.inputs["host"].is_null()).collect();
        // What an alarm decides about is not a probe, and an API outside of the program cannot be followed.
        if probing.is_empty() || apis.is_empty() {
            continue;
        }
        let reaches = |check: &&Node| {
            let way = way(view, check).filter(|way| apis.iter().any(|api| api.address == way.api.address));
            // What is wrong with the path of a probe of the right API, other rules say.
            way.is_some_and(|way| {
                !matches!(way.route, Route::One(_))
                    || reached(view, &way).iter().any(|node| {
                        matches!(node.schema.type_name, "aws.ec2.instance" | "aws.elbv2.target_group")
                            && (node.schema.type_name != "aws.elbv2.target_group"
                                || !view.registrations(node).is_empty())
                    })
            })
        };
        if !probing.iter().any(reaches) {
            let problem = format!("it probes nothing behind {}, whose answer it decides about", domain.address);
            found.add(check, problem, "probe a path of that API that goes through the VPC link to a server");
        }
    }
}

/// Endpoints that many customers share need the name in the TLS handshake.
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_HealthCheckConfig.html>
pub(super) fn sni_off(view: View<'_>, found: &mut Found) {
    for check in endpoints(view).filter(|check| text(check, "kind").starts_with("https")) {
        if check.inputs["sni"] == false {
            let problem = "its TLS handshake names no host, which a shared endpoint refuses";
            found.add(check, problem, "leave out `.without_sni()`");
        }
    }
}

/// API Gateway has no port 80, and a connection says nothing about what is behind it.
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_HealthCheckConfig.html>
pub(super) fn type_tcp_or_http(view: View<'_>, found: &mut Found) {
    for check in endpoints(view).filter(|check| !text(check, "kind").starts_with("https")) {
        let host = view.host(&check.inputs["host"]);
        let api = match &host {
            Host::Api(_) | Host::Target(_) => true,
            Host::Name(name) => !view.domains(name).is_empty() || name.contains(".execute-api."),
            Host::Unknown => false,
        };
        if api {
            let kind = text(check, "kind").replace('_', " ");
            let problem = format!("it probes API Gateway by {kind}, which only answers HTTPS");
            found.add(check, problem, "`HealthCheck::https(…)`");
        }
    }
}

/// A disabled check counts as healthy: it does not take its answer out. `inverted` does, and belongs to a lever.
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html>
pub(super) fn disabled_or_inverted(view: View<'_>, found: &mut Found) {
    for check in view.of(CHECK).filter(|check| !guarded(view, check).is_empty()) {
        if check.inputs["disabled"] == true {
            let problem = "it is disabled and so counts as healthy for ever: nothing fails over";
            found.add(check, problem, "leave out `.disabled()`; an answer is forced out by `.inverted()`");
        } else if check.inputs["inverted"] == true {
            let problem = "it is inverted: its answer is taken while what it watches is unhealthy";
            found.add(check, problem, "leave out `.inverted()`, or say by a waiver that it is a lever");
        }
    }
}

/// A counted check cannot count others.
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-creating-values.html>
pub(super) fn calc_nested(view: View<'_>, found: &mut Found) {
    for check in view.of(CHECK) {
        for child in view.list(&check.inputs["children"]).into_iter().flatten() {
            if text(child, "kind") == "calculated" {
                let problem = format!("it counts {}, which counts others itself", child.address);
                found.add(check, problem, "count the checks at its end directly");
            }
        }
    }
}

/// The alarm of a check, and the check.
fn alarms(view: View<'_>) -> impl Iterator<Item = (&Node, &Node)> {
    view.of(CHECK).filter_map(move |check| Some((check, view.node(&check.inputs["alarm"])?)))
}

/// Route 53 follows the metric behind an alarm: standard resolution only, and not some of several periods.
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html>
pub(super) fn unsupported_alarm(view: View<'_>, found: &mut Found) {
    for (check, alarm) in alarms(view) {
        let number = |field: &str| alarm.inputs[field].as_u64();
        if let Some(period) = number("period_s").filter(|period| *period < 60) {
            let problem = format!("{} has periods of {period} s, which Route 53 does not follow", alarm.address);
            found.add(check, problem, "periods of 60 seconds or more");
        }
        if let Some(bad) = number("bad_periods").filter(|bad| Some(*bad) != number("periods")) {
            let problem = format!("{} wants {bad} of several periods, which Route 53 does not follow", alarm.address);
            found.add(check, problem, "an alarm on all of its periods");
        }
    }
}

/// What decides about a failover has to survive the region that fails.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/dns-failover.html>
pub(super) fn alarm_in_primary(view: View<'_>, found: &mut Found) {
    for pair in view.pairs() {
        let (Some(check), Some(site)) = (check_of(view, pair.primary), view.answered_by(pair.primary)) else {
            continue;
        };
        for check in with_children(view, check) {
            if let Some(alarm) = view.node(&check.inputs["alarm"]).filter(|alarm| alarm.region == site.region) {
                let problem =
                    format!("{} is in {}, the region whose failure it is to notice", alarm.address, alarm.region);
                found.add(check, problem, "put the alarm into the standby's region");
            }
        }
    }
}

/// Telemetry that stops should not pass for health by default.
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-creating-values.html>
pub(super) fn insufficient_explicit(view: View<'_>, found: &mut Found) {
    for check in view.of(CHECK).filter(|check| text(check, "kind") == "cloudwatch_metric") {
        if check.inputs["insufficient_data"].is_null() {
            let problem = "what it thinks of missing data is left to Route 53";
            found.add(check, problem, "say `InsufficientData::Unhealthy` or `Healthy`");
        } else if check.inputs["insufficient_data"] == "last_known" {
            let problem = "while data is missing it goes on with what it knew last, healthy at first";
            found.add(check, problem, "`InsufficientData::Unhealthy`, or a waiver when the metric never pauses");
        }
    }
}

/// A VPC link without traffic for 60 days loses its interfaces and fails the first minutes of a failover: probes keep it awake.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-vpc-links.html>
pub(super) fn idle_risk(view: View<'_>, found: &mut Found) {
    let mut crossed: BTreeSet<&str> = BTreeSet::new();
    for check in endpoints(view).filter(|check| check.inputs["disabled"] != true) {
        if let Some(way) = way(view, check) {
            crossed.extend(reached(view, &way).iter().map(|node| node.address.as_str()));
        }
    }
    for pair in view.pairs() {
        let Some(domain) = view.answered_by(pair.secondary) else { continue };
        let integrations = view.apis(domain).into_iter().flat_map(|api| view.integrations(api));
        let mut links: Vec<&Node> = integrations.filter_map(|it| view.node(&it.inputs["link"])).collect();
        links.dedup_by_key(|link| &link.address);
        for link in links.into_iter().filter(|link| !crossed.contains(link.address.as_str())) {
            let problem = "nothing crosses it before a failover, and after 60 idle days its interfaces are gone";
            found.add(link, problem, "probe a path of the standby's API that goes through it");
        }
    }
}

/// The checks that probe an API which an answer's domain is mapped to: the domain, the check, the ways of its probes. One that
/// probes another API or none is told so by other rules.
fn probed_answers<'g>(view: View<'g>) -> Vec<(&'g Node, &'g Node, Vec<Way<'g>>)> {
    let records = view.answers().into_iter().flat_map(|answers| answers.records);
    let probed = records.filter_map(|record| {
        let domain = view.answered_by(record).filter(|node| node.schema.type_name == "aws.apigatewayv2.domain")?;
        let check = check_of(view, record)?;
        let apis = view.apis(domain);
        let ways = with_children(view, check).into_iter().filter_map(|check| way(view, check));
        let ways: Vec<_> = ways.filter(|way| apis.iter().any(|api| api.address == way.api.address)).collect();
        (!ways.is_empty()).then_some((domain, check, ways))
    });
    probed.collect()
}

/// A probe of the API's own host stays green when the domain, its certificate or its mapping is what users cannot pass.
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html>
pub(super) fn bypasses_domain(view: View<'_>, found: &mut Found) {
    for (domain, check, ways) in probed_answers(view) {
        if ways.iter().any(|way| way.domain.is_some_and(|own| own.address == domain.address)) {
            continue;
        }
        let mappings = view.users("aws.apigatewayv2.mapping", "domain", domain);
        let unseen = std::iter::once(format!("{} with its certificate", domain.address));
        let unseen: Vec<_> = unseen.chain(mappings.iter().map(|mapping| mapping.address.to_string())).collect();
        let problem = format!("users need what it does not see: {}", unseen.join(", "));
        found.add(check, problem, "probe a domain of that region alone that is mapped to the same API, or accept it");
    }
}

/// What users need behind an API and the probe does not see.
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html>
pub(super) fn probe_equivalence(view: View<'_>, found: &mut Found) {
    for (domain, check, ways) in probed_answers(view) {
        let seen: BTreeSet<&str> =
            ways.iter().flat_map(|way| reached(view, way)).map(|node| node.address.as_str()).collect();
        let integrations = view.apis(domain).into_iter().flat_map(|api| view.integrations(api));
        let unseen: Vec<&str> = integrations.map(|it| it.address.as_str()).filter(|it| !seen.contains(it)).collect();
        if !unseen.is_empty() {
            let problem = format!("users need what it does not see: {}", unseen.join(", "));
            found.add(check, problem, "a calculated check of a probe through each of them, or accept it");
        }
    }
}

/// Two checks with a common component turn red together, and then Route 53 answers with the primary.
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-how-route-53-chooses-records.html>
pub(super) fn share_fate(view: View<'_>, found: &mut Found) {
    for pair in view.pairs() {
        let (Some(one), Some(two)) = (check_of(view, pair.primary), check_of(view, pair.secondary)) else { continue };
        if one.address == two.address {
            continue; // another rule
        }
        let parts = |check| -> BTreeSet<String> {
            let checks = with_children(view, check);
            let mut parts: BTreeSet<String> = BTreeSet::new();
            for check in checks {
                match (way(view, check), view.host(&check.inputs["host"])) {
                    (Some(way), _) => {
                        parts.insert(way.api.address.to_string());
                        parts.extend(reached(view, &way).iter().map(|node| node.address.to_string()));
                    }
                    (None, Host::Name(name)) => drop(parts.insert(name)),
                    _ => {}
                }
                parts.extend(view.node(&check.inputs["alarm"]).map(|alarm| alarm.address.to_string()));
            }
            parts
        };
        let (one_parts, two_parts) = (parts(one), parts(two));
        if let Some(common) = one_parts.intersection(&two_parts).next() {
            let problem = format!("it goes by {common}, and so does {}: both turn red together", one.address);
            found.add(two, problem, "probe each region by what is in it alone");
        }
    }
}
