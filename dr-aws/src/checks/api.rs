//! API Gateway: domains, mappings and integrations.

use std::collections::BTreeSet;

use dr_core::Node;

use super::Found;
use super::view::{View, arn_region, covers, role, text};

const DOMAIN: &str = "aws.apigatewayv2.domain";

/// All regions that answer a name need a domain of that name, or the standby does not know the host that it is called by.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/dns-failover.html>
pub(super) fn domain_name_twin<'g>(view: View<'g>, found: &mut Found) {
    // Behind CloudFront with the viewer's host forwarded, the domains have the viewer's name; that is another rule's.
    let origins: Vec<String> = view
        .of("aws.cloudfront.distribution")
        .filter(|distribution| {
            let policy = &distribution.inputs["origin_request_policy"];
            !policy.is_null() && policy != "b689b0a8-53d0-40ab-baf2-68738e2966ac"
        })
        .filter_map(|distribution| view.text(&distribution.inputs["origin"]["domain"]))
        .collect();
    for mut answers in view.chosen().filter(|answers| answers.records.len() > 1) {
        answers.records.sort_by_key(|record| role(record) == Some("secondary"));
        let domain = |record: &&'g Node| view.answered_by(record).filter(|node| node.schema.type_name == DOMAIN);
        let domains: Vec<&Node> = answers.records.iter().filter_map(domain).collect();
        let others = domains.iter().skip(1).filter(|other| text(other, "name") != text(domains[0], "name"));
        let others: Vec<&Node> = others.copied().collect();
        for other in &others {
            let (own, one) = (text(other, "name"), domains[0]);
            let problem = format!("it is `{own}`, and {} is `{}`", one.address, text(one, "name"));
            found.add(other, problem, "give both regions the same domain name");
        }
        let Some(name) = answers.name.filter(|name| others.is_empty() && !origins.contains(name)) else { continue };
        for domain in domains.into_iter().filter(|node| !covers(text(node, "name"), &name)) {
            let problem = format!("it is `{}` and is called by the name `{name}`", text(domain, "name"));
            found.add(domain, problem, format!("an API domain `{name}` in both regions"));
        }
    }
}

/// A domain without a mapping answers 403, and one with other keys than its twin 404.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-mappings.html>
pub(super) fn mapping_missing(view: View<'_>, found: &mut Found) {
    let keys = |domain| -> BTreeSet<&str> {
        view.users("aws.apigatewayv2.mapping", "domain", domain).into_iter().map(|m| text(m, "key")).collect()
    };
    let domains: Vec<&Node> = view.of(DOMAIN).collect();
    for (at, domain) in domains.iter().enumerate() {
        let own = keys(domain);
        if own.is_empty() {
            found.add(domain, "no API is mapped to it: 403", "add an `ApiMapping`");
            continue;
        }
        let twin = domains[..at].iter().find(|other| text(other, "name") == text(domain, "name"));
        let missing = twin.map(|twin| (twin, keys(twin))).filter(|(_, keys)| !keys.is_empty() && *keys != own);
        if let Some((twin, other)) = missing {
            let shown =
                |keys: &BTreeSet<&str>| keys.iter().map(|key| format!("`/{key}`")).collect::<Vec<_>>().join(", ");
            let problem = format!("it is mapped at {}, and {} at {}", shown(&own), twin.address, shown(&other));
            found.add(domain, problem, "the same mappings in both regions");
        }
    }
}

/// A VPC link leads to a listener of a load balancer in its own region.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-private.html>
pub(super) fn integration_target(view: View<'_>, found: &mut Found) {
    for integration in view.of("aws.apigatewayv2.integration") {
        let listener = &integration.inputs["listener"];
        let Some(arn) = listener.as_str() else { continue };
        if !arn.contains(":listener/") {
            found.add(integration, format!("`{arn}` is no listener of a load balancer"), "the ARN of a listener");
        } else if let Some(region) = arn_region(listener).filter(|region| *region != &*integration.region) {
            let problem = format!("its listener is in {region}, and it is in {}", integration.region);
            found.add(integration, problem, "a listener of the same region");
        }
    }
}

/// A private integration puts a named stage in front of the path that the load balancer sees.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-private.html>
pub(super) fn stage_prefix(view: View<'_>, found: &mut Found) {
    for stage in view.of("aws.apigatewayv2.stage").filter(|stage| text(stage, "name") != "$default") {
        let Some(api) = view.node(&stage.inputs["api"]) else { continue };
        for integration in view.integrations(api) {
            let Some(listener) = view.node(&integration.inputs["listener"]) else { continue };
            let prefix = format!("/{}/", text(stage, "name"));
            let rules = view.rules(listener);
            let knows = |rule: &&Node| {
                let paths = rule.inputs["paths"].as_array().into_iter().flatten().filter_map(|path| path.as_str());
                paths.into_iter().any(|path| path.starts_with(&prefix) || path.starts_with('*'))
            };
            if !rules.iter().any(knows) {
                let problem = format!(
                    "paths arrive at {} with `{}` in front, and no rule expects it",
                    listener.address,
                    prefix.trim_end_matches('/')
                );
                found.add(stage, problem, "the stage `$default`, or a rule of the listener for that path");
            }
        }
    }
}

/// TLS on one side only is a handshake that fails.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-private.html>
pub(super) fn tlsconfig(view: View<'_>, found: &mut Found) {
    for integration in view.of("aws.apigatewayv2.integration") {
        let Some(listener) = view.node(&integration.inputs["listener"]) else { continue };
        let https = &listener.inputs["protocol"]["https"];
        match (integration.inputs["tls_server_name"].as_str(), https.is_null()) {
            (Some(_), true) => {
                let problem = format!("it speaks TLS, and {} does not", listener.address);
                found.add(integration, problem, "leave out `.tls(…)`, or give the listener a certificate");
            }
            (None, false) => {
                let problem = format!("{} speaks TLS, and it does not", listener.address);
                found.add(integration, problem, "`.tls(\"the name on the certificate\")`");
            }
            (Some(name), false) => {
                let Some(names) = view.certificate_names(&https["certificate"]) else { continue };
                if names.iter().all(|known| !covers(known, name)) {
                    let problem =
                        format!("it expects `{name}`, and the listener's certificate is for {}", names.join(", "));
                    found.add(integration, problem, "a name that is on the certificate");
                }
            }
            (None, true) => {}
        }
    }
}

/// Certificates are regional.
/// <https://docs.aws.amazon.com/acm/latest/userguide/acm-regions.html>
pub(super) fn cert_per_region(view: View<'_>, found: &mut Found) {
    let domains = view.of(DOMAIN).map(|domain| (domain, &domain.inputs["certificate"]));
    let listeners = view.of("aws.elbv2.listener");
    let listeners = listeners.map(|listener| (listener, &listener.inputs["protocol"]["https"]["certificate"]));
    for (node, certificate) in domains.chain(listeners) {
        let written = arn_region(certificate).map(str::to_owned);
        let region = written.or_else(|| view.node(certificate).map(|node| node.region.to_string()));
        if let Some(region) = region.filter(|region| *region != *node.region) {
            let problem = format!("its certificate is of {region}, and it is in {}", node.region);
            found.add(node, problem, "a certificate of its own region: `certificate.also_in(&scope)`");
        }
    }
}
