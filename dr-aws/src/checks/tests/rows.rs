//! What breaks each rule: changes of the program in `super`, and the resource that the rule then names.

use dr_core::{Node, Value};

/// A change of one resource of the program.
#[derive(Clone, Copy)]
pub(super) enum Change {
    /// Another value at this place of the inputs.
    Set(&'static str, &'static str, &'static str),
    /// The resource is not there.
    Gone(&'static str),
}
use Change::{Gone, Set};

/// Rule, changes, the resource that is named.
pub(super) type Row = (&'static str, &'static [Change], &'static str);

const CHECK: &str = "global/primary.health_check";
const EAST: &str = r#"{"$ref": "us-east-1/primary.domain#target_domain"}"#;
const EDGE: &str = "global/edge.distribution";
const SECOND: &str = "global/standby.health_check";

/// The load balancer lets the link in by the ranges of its subnets, one rule for each, the last two of which were for servers.
const LINK_IN: [Change; 5] = [
    Set("us-east-1/primary.link_to_alb.ingress", "/peer", r#"{"cidr": "10.0.0.0/19"}"#),
    Set("us-east-1/primary.alb.to_target[0].ingress", "/group", r#"{"$ref": "us-east-1/primary.alb.group#id"}"#),
    Set("us-east-1/primary.alb.to_target[0].ingress", "/peer", r#"{"cidr": "10.0.32.0/19"}"#),
    Set("us-east-1/primary.alb.to_target[1].ingress", "/group", r#"{"$ref": "us-east-1/primary.alb.group#id"}"#),
    Set("us-east-1/primary.alb.to_target[1].ingress", "/peer", r#"{"cidr": "10.0.64.0/19"}"#),
];
const FOREIGN_LINK: Change = Set("us-east-1/primary.link", "/subnets", r#"["subnet-1", "subnet-2"]"#);
const FOREIGN_ALB: Change = Set("us-east-1/primary.alb.balancer", "/subnets", r#"["subnet-1", "subnet-2"]"#);

/// Rule, changes of the program after which it still has nothing to say.
pub(super) const SOUND: &[(&str, &[Change])] = &[
    ("sg-path-link-alb", &LINK_IN),
    ("sg-path-link-alb", &[FOREIGN_LINK, LINK_IN[0]]),
    (
        "sg-path-link-alb",
        &[FOREIGN_ALB, Set("us-east-1/primary.link_to_alb.egress", "/peer", r#"{"cidr": "0.0.0.0/0"}"#)],
    ),
    (
        "sg-path-alb-target",
        &[
            FOREIGN_ALB,
            Set("us-east-1/primary.alb.to_target[0].ingress", "/peer", r#"{"cidr": "0.0.0.0/0"}"#),
            Set("us-east-1/primary.alb.to_target[1].ingress", "/peer", r#"{"cidr": "10.0.0.0/16"}"#),
        ],
    ),
];

pub(super) const ROWS: &[Row] = &[
    (
        "alb-in-public-subnet",
        &[Set("us-east-1/primary.net.private_route[0]", "/target", r#"{"gateway": "igw-1"}"#)],
        "us-east-1/primary.alb.balancer",
    ),
    (
        "apigw-domain-name-twin",
        &[Set("us-west-2/standby.domain", "/name", r#""other.example.com""#)],
        "us-west-2/standby.domain",
    ),
    (
        "apigw-domain-name-twin",
        &[
            Set("global/origin.primary", "/name", r#""x.example.com""#),
            Set("global/origin.standby", "/name", r#""x.example.com""#),
        ],
        "us-east-1/primary.domain",
    ),
    ("r53-failover-pair-complete", &[Gone("global/origin.standby")], "global/origin.primary"),
    (
        "r53-failover-pair-complete",
        &[Set("global/origin.standby", "/set_id", r#""origin.example.com-primary""#)],
        "global/origin.primary",
    ),
    (
        "r53-primary-no-signal",
        &[
            Set("global/origin.primary", "/health_check", "null"),
            Set("global/origin.primary", "/alias/evaluate_target_health", "false"),
        ],
        "global/origin.primary",
    ),
    ("r53-secondary-no-signal", &[Set("global/origin.standby", "/health_check", "null")], "global/origin.standby"),
    (
        "hc-same-for-both",
        &[Set("global/origin.standby", "/health_check", r#"{"$ref": "global/primary.health_check#id"}"#)],
        "global/origin.standby",
    ),
    ("hc-self-name", &[Set(CHECK, "/host", r#""origin.example.com""#)], CHECK),
    ("hc-self-name", &[Set(CHECK, "/host", r#"{"$ref": "us-east-1/primary.domain#name"}"#)], CHECK),
    ("hc-targets-d-name", &[Set(CHECK, "/host", EAST)], CHECK),
    ("hc-execute-api-disabled", &[Set("us-east-1/primary.api", "/execute_api_endpoint", "false")], CHECK),
    ("hc-stage-in-path", &[Set("us-east-1/primary.stage", "/name", r#""live""#)], CHECK),
    ("hc-path-routable", &[Gone("us-east-1/primary.proxy"), Gone("us-east-1/primary.health")], CHECK),
    ("hc-path-unauthenticated", &[Set("us-east-1/primary.health", "/authorization", r#""iam""#)], CHECK),
    ("hc-bypasses-backend", &[Set(CHECK, "/host", r#""status.example.net""#)], CHECK),
    ("hc-sni-off", &[Set(CHECK, "/sni", "false")], CHECK),
    ("hc-type-tcp-or-http", &[Set(CHECK, "/kind", r#""tcp""#)], CHECK),
    ("hc-disabled-or-inverted", &[Set(CHECK, "/disabled", "true")], CHECK),
    ("hc-disabled-or-inverted", &[Set(CHECK, "/inverted", "true")], CHECK),
    ("hc-calc-nested", &[Set(CHECK, "/kind", r#""calculated""#)], "global/any"),
    ("hc-cw-unsupported-alarm", &[Set("us-west-2/slow", "/period_s", "10")], "global/signal"),
    (
        "hc-cw-unsupported-alarm",
        &[Set("us-west-2/slow", "/periods", "3"), Set("us-west-2/slow", "/bad_periods", "2")],
        "global/signal",
    ),
    (
        "hc-cw-alarm-in-primary",
        &[
            Set("global/origin.primary", "/health_check", r#"{"$ref": "global/signal#id"}"#),
            Set("global/signal", "/alarm", r#"{"$ref": "us-east-1/slow#arn"}"#),
        ],
        "global/signal",
    ),
    ("hc-cw-insufficient-explicit", &[Set("global/signal", "/insufficient_data", "null")], "global/signal"),
    ("hc-cw-insufficient-explicit", &[Set("global/signal", "/insufficient_data", r#""last_known""#)], "global/signal"),
    ("r53-ttl-high", &[Set("global/origin.primary", "/ttl_s", "300")], "global/origin.primary"),
    (
        "r53-alias-eth-false",
        &[Set("global/origin.standby", "/alias/evaluate_target_health", "false")],
        "global/origin.standby",
    ),
    ("r53-eth-only-on-apigw", &[Set("global/origin.primary", "/health_check", "null")], "global/origin.primary"),
    (
        "r53-cloudfront-failover-pair",
        &[
            Set("global/origin.primary", "/alias/zone", r#""Z2FDTNDATAQYW2""#),
            Set("global/origin.standby", "/alias/zone", r#""Z2FDTNDATAQYW2""#),
        ],
        "global/origin.primary",
    ),
    ("r53-mixed-policy", &[Set("global/origin.standby", "/routing", r#"{"weighted": 1}"#)], "global/origin.standby"),
    ("r53-aaaa-asymmetry", &[Set("global/edge.aaaa", "/name", r#""origin.example.com""#)], "global/edge.aaaa"),
    (
        "cf-host-forwarding-mismatch",
        &[Set(EDGE, "/origin_request_policy", r#""216adef6-5c7f-47e4-b989-5492eafa07d3""#)],
        EDGE,
    ),
    (
        "cf-origin-cert-san",
        &[Set("us-west-2/certificate.request", "/domain", r#""other.example.com""#)],
        "us-west-2/standby.domain",
    ),
    ("cf-origin-is-regional-name", &[Set(EDGE, "/origin/domain", r#"{"$ref": "us-east-1/primary.api#host"}"#)], EDGE),
    (
        "cf-origin-is-regional-name",
        &[Set(EDGE, "/origin/domain", r#""d-abc.execute-api.us-east-1.amazonaws.com""#)],
        EDGE,
    ),
    ("cf-viewer-cert-region", &[Set(EDGE, "/certificate", r#""arn:aws:acm:eu-west-1:1:certificate/x""#)], EDGE),
    ("cf-viewer-cert-region", &[Set(EDGE, "/aliases", r#"["mysecureapi.example.com", "www.example.com"]"#)], EDGE),
    ("cf-cache-policy-api", &[Set(EDGE, "/cache_policy", r#""658327ea-f89d-4fab-a63d-7e88639e58f6""#)], EDGE),
    ("cf-cache-policy-api", &[Set(EDGE, "/origin_request_policy", "null")], EDGE),
    ("cf-error-cache", &[Set(EDGE, "/error_caching_s", "10"), Set(EDGE, "/cache_policy", r#""another""#)], EDGE),
    ("cf-origin-timeouts", &[Set(EDGE, "/origin/read_timeout_s", "20")], EDGE),
    (
        "cf-origin-group-nonidempotent",
        &[
            Set(EDGE, "/origin/domain", r#"{"$ref": "us-east-1/primary.api#host"}"#),
            Set(EDGE, "/fallback", r#"{"origin": {"domain": "b.example.com"}, "status_codes": [500]}"#),
        ],
        EDGE,
    ),
    ("apigw-mapping-missing", &[Gone("us-west-2/standby.mapping")], "us-west-2/standby.domain"),
    ("apigw-mapping-missing", &[Set("us-west-2/standby.mapping", "/key", r#""v1""#)], "us-west-2/standby.domain"),
    ("apigw-route-parity", &[Gone("us-west-2/standby.proxy")], "us-east-1/primary.proxy"),
    (
        "apigw-route-parity",
        &[Set("us-west-2/standby.integration", "/timeout_ms", "1000")],
        "us-west-2/standby.integration",
    ),
    (
        "apigw-integration-target",
        &[Set(
            "us-east-1/primary.integration",
            "/listener",
            r#""arn:aws:elasticloadbalancing:eu-west-1:1:listener/app/a/b/c""#,
        )],
        "us-east-1/primary.integration",
    ),
    ("apigw-stage-prefix", &[Set("us-east-1/primary.stage", "/name", r#""live""#)], "us-east-1/primary.stage"),
    (
        "apigw-tlsconfig",
        &[Set("us-east-1/primary.integration", "/tls_server_name", r#""a.example.com""#)],
        "us-east-1/primary.integration",
    ),
    (
        "apigw-tlsconfig",
        &[Set(
            "us-east-1/primary.alb.listener",
            "/protocol",
            r#"{"https": {"certificate": "arn:aws:acm:us-east-1:1:c", "policy": "p"}}"#,
        )],
        "us-east-1/primary.integration",
    ),
    ("vpclink-two-az", &[Set("us-west-2/standby.link", "/subnets", r#"["subnet-1"]"#)], "us-west-2/standby.link"),
    (
        "vpclink-two-az",
        &[Set("us-west-2/standby.server[1].instance", "/subnet", r#"{"$ref": "us-west-2/standby.net.private[0]#id"}"#)],
        "us-west-2/standby.alb.targets",
    ),
    ("vpclink-idle-risk", &[Set(SECOND, "/host", r#""status.example.net""#)], "us-west-2/standby.link"),
    ("vpclink-idle-risk", &[Set(SECOND, "/disabled", "true")], "us-west-2/standby.link"),
    ("sg-path-link-alb", &[Gone("us-east-1/primary.link_to_alb.egress")], "us-east-1/primary.link"),
    ("sg-path-link-alb", &[Gone("us-east-1/primary.link_to_alb.ingress")], "us-east-1/primary.alb.balancer"),
    ("sg-path-link-alb", &[Set("us-east-1/primary.alb.listener", "/port", "8080")], "us-east-1/primary.link"),
    (
        "sg-path-link-alb",
        &[Set("us-east-1/primary.link_to_alb.ingress", "/peer", r#"{"cidr": "0.0.0.0/0"}"#)],
        "us-east-1/primary.link_to_alb.ingress",
    ),
    // The third subnet of the link is let in by no rule.
    ("sg-path-link-alb", &[LINK_IN[0], LINK_IN[1], LINK_IN[2]], "us-east-1/primary.alb.balancer"),
    // Any range may be that of a subnet that is written out, on the right port only.
    (
        "sg-path-link-alb",
        &[FOREIGN_LINK, LINK_IN[0], Set("us-east-1/primary.link_to_alb.ingress", "/ports/tcp/from", "81")],
        "us-east-1/primary.alb.balancer",
    ),
    ("sg-path-alb-target", &[Gone("us-east-1/primary.alb.to_target[0].egress")], "us-east-1/primary.alb.target[0]"),
    ("sg-path-alb-target", &[Gone("us-east-1/primary.alb.to_target[1].ingress")], "us-east-1/primary.alb.target[1]"),
    ("sg-default-used", &[Set("us-east-1/primary.link", "/security_groups", "[]")], "us-east-1/primary.link"),
    ("nacl-ephemeral", &[Set("us-west-2/acl", "/entries/3/ports/tcp/from", "32768")], "us-west-2/acl"),
    ("nacl-ephemeral", &[Set("us-west-2/acl", "/entries/1/allow", "false")], "us-west-2/acl"),
    ("alb-rule-priority-twice", &[Set("us-east-1/api", "/priority", "10")], "us-east-1/api"),
    ("alb-rule-shadowed", &[Set("us-east-1/api", "/paths", r#"["/orders/new/*"]"#)], "us-east-1/api"),
    (
        "alb-subnet-size",
        &[Set("us-east-1/primary.net.private[0]", "/cidr", r#""10.0.0.0/28""#)],
        "us-east-1/primary.alb.balancer",
    ),
    (
        "alb-hc-vs-probe",
        &[Set("us-east-1/primary.alb.targets", "/health/matcher", r#""200-499""#)],
        "us-east-1/primary.alb.targets",
    ),
    ("alarm-per-hc", &[Set("us-east-1/notifier.alarm[primary]", "/topics", "[]")], CHECK),
    ("alarm-per-hc", &[Gone("us-east-1/notifier.alarm[standby]")], SECOND),
    ("alarm-second-region", &[Gone("us-west-2/notifier.errors")], "global/origin.standby"),
    ("alarm-sns-region", &[Set("us-west-2/slow", "/topics", r#"["arn:aws:sns:us-east-1:1:ops"]"#)], "us-west-2/slow"),
    ("cert-expiry-alarm", &[Gone("us-west-2/expiry")], "us-west-2/certificate.issued"),
    (
        "cert-expiry-alarm",
        &[
            Gone("us-west-2/expiry"),
            Set("us-east-1/expiry", "/dimensions/0/value", r#"{"$ref": "us-west-2/certificate.issued#arn"}"#),
        ],
        "us-west-2/certificate.issued",
    ),
    (
        "acm-validation-cname-shared",
        &[Set(
            "global/edge.certificate.validation[mysecureapi.example.com]",
            "/name",
            r#"{"$ref": "us-west-2/certificate.request#validation_names[0]"}"#,
        )],
        "global/edge.certificate.validation[mysecureapi.example.com]",
    ),
    (
        "acm-cert-per-region",
        &[Set("us-west-2/standby.domain", "/certificate", r#""arn:aws:acm:us-east-1:1:certificate/x""#)],
        "us-west-2/standby.domain",
    ),
    (
        "cp-us-east-1-on-recovery-path",
        &[
            Gone("global/origin.standby"),
            Set("global/origin.primary", "/routing", r#""simple""#),
            Set("global/origin.primary", "/health_check", "null"),
        ],
        "global/origin.primary",
    ),
    ("standby-created-on-demand", &[Gone("us-west-2/standby.link")], "us-east-1/primary.link"),
    ("standby-capacity", &[Gone("us-west-2/standby.alb.target[1]")], "us-west-2/standby.domain"),
    ("parity-must-match", &[Set("us-west-2/standby.alb.listener", "/port", "81")], "us-west-2/standby.alb.listener"),
    (
        "region-literal-leak",
        &[Set("us-west-2/standby.server[0].instance", "/user_data", r#""aws s3 cp s3://x . --region us-east-1""#)],
        "us-west-2/standby.server[0].instance",
    ),
    (
        "region-literal-leak",
        &[Set("global/rights", "/document", r#""{\"Resource\": \"arn:aws:sqs:us-east-1:1:q\"}""#)],
        "global/rights",
    ),
    (
        "sts-global-endpoint",
        &[Set("us-east-1/primary.server[0].instance", "/user_data", r#""curl https://sts.amazonaws.com""#)],
        "us-east-1/primary.server[0].instance",
    ),
    ("hc-bypasses-domain", &[], CHECK),
    ("probe-equivalence", &[Set("us-east-1/primary.health", "/integration", r#""a1b2c3d""#)], CHECK),
    ("both-checks-share-fate", &[Set(SECOND, "/host", r#"{"$ref": "us-east-1/primary.api#host"}"#)], SECOND),
];

/// Changes a node; `hits` counts the changes that found theirs.
pub(super) fn change(node: &mut Node, changes: &[Change], hits: &std::cell::Cell<usize>) {
    for change in changes {
        match change {
            Set(address, at, value) if node.address.as_str() == *address => {
                let value: Value = serde_json::from_str(value).expect("JSON");
                *node.inputs.pointer_mut(at).unwrap_or_else(|| panic!("{address} has {at}")) = value;
                hits.set(hits.get() + 1);
            }
            Gone(address) if node.address.as_str() == *address => {
                let schema = dr_core::Schema { type_name: "test.gone", ..*node.schema };
                node.schema = Box::leak(Box::new(schema));
                node.inputs = Value::Null;
                hits.set(hits.get() + 1);
            }
            _ => {}
        }
    }
}
