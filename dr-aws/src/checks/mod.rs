//! The check catalogue: what is known to go wrong in a two-region site, found in the program before anything is deployed.
//!
//! ```
//! use dr_aws::checks;
//! use dr_aws::constructs::SecureApi;
//! use dr_aws::regions::EuWest1;
//! use dr_core::{Stack, cidr};
//!
//! let stack = Stack::build("shop", |stack| {
//!     stack.region(EuWest1).add("api", SecureApi::new(cidr!("10.0.0.0/16")));
//! })?;
//! assert_eq!(checks::catalogue(&stack), []);
//! # Ok::<(), dr_core::BuildErrors>(())
//! ```
//!
//! The command of a program (`dr-cli`) asks the whole catalogue by itself. A program that is built without it gives it as a rule:
//! `stack.rule(dr_aws::checks::catalogue)`. A finding is accepted by `.waive("hc-self-name", "the reason")` on the resource that it
//! names, or on the scope around it.
//!
//! A rule says nothing about what it cannot see: ids that are written out, policies of one's own, hosts that are known only after
//! a deploy.
//!
//! # Rules
//!
//! | file | rules |
//! |---|---|
//! | `dns` | `r53-failover-pair-complete`, `r53-primary-no-signal`, `r53-secondary-no-signal`, `r53-ttl-high`, `r53-alias-eth-false`, `r53-eth-only-on-apigw`, `r53-cloudfront-failover-pair`, `r53-mixed-policy`, `r53-aaaa-asymmetry`, `acm-validation-cname-shared`, `cp-us-east-1-on-recovery-path` |
//! | `probes` | `hc-same-for-both`, `hc-self-name`, `hc-targets-d-name`, `hc-execute-api-disabled`, `hc-stage-in-path`, `hc-path-routable`, `hc-path-unauthenticated`, `hc-bypasses-backend`, `hc-bypasses-domain`, `hc-sni-off`, `hc-type-tcp-or-http`, `hc-disabled-or-inverted`, `hc-calc-nested`, `hc-cw-unsupported-alarm`, `hc-cw-alarm-in-primary`, `hc-cw-insufficient-explicit`, `vpclink-idle-risk`, `probe-equivalence`, `both-checks-share-fate` |
//! | `edge` | `cf-host-forwarding-mismatch`, `cf-origin-cert-san`, `cf-origin-is-regional-name`, `cf-viewer-cert-region`, `cf-cache-policy-api`, `cf-error-cache`, `cf-origin-timeouts`, `cf-origin-group-nonidempotent` |
//! | `api` | `apigw-domain-name-twin`, `apigw-mapping-missing`, `apigw-integration-target`, `apigw-stage-prefix`, `apigw-tlsconfig`, `acm-cert-per-region` |
//! | `network` | `alb-in-public-subnet`, `vpclink-two-az`, `sg-path-link-alb`, `sg-path-alb-target`, `sg-default-used`, `nacl-ephemeral`, `alb-subnet-size` |
//! | `balancing` | `alb-rule-priority-twice`, `alb-rule-shadowed`, `alb-hc-vs-probe` |
//! | `watch` | `alarm-per-hc`, `alarm-second-region`, `alarm-sns-region`, `cert-expiry-alarm` |
//! | `twins` | `apigw-route-parity`, `parity-must-match`, `standby-created-on-demand`, `standby-capacity`, `region-literal-leak`, `sts-global-endpoint` |
//!
//! # What is not asked, and why
//!
//! | rule | why not |
//! |---|---|
//! | `alb-public-behind-apigw` | a load balancer of this crate is internal; there is no input that makes it another |
//! | `sg-managed-ip-allowlist` | needs AWS's published ranges, which change weekly; no copy of them is kept here |
//! | `apigw-domain-unique-in-region`, `hc-strmatch-window`, `hc-quota`, `r53-accelerated-recovery-off`, `alb-no-targets`, `drill-stale`, `dns-cutover-gate` | need what is live: other accounts, answers, quotas, the ledger of drills |
//! | `hc-regions-min`, and the limits of `hc-calc-nested` | the resource itself refuses them |
//! | `hc-immutable-change`, `vpclink-immutable-change` | about a change and not about a program: those inputs replace, and the new one is made, and used, before the old one goes |
//! | `rto-bound-exceeds-target`, `failback-flap` | no target and no stability window is declared in a program; `rto --target` takes one |
//! | `cf-origin-protocol`, `cf-methods` | a distribution of this crate speaks HTTPS with TLS 1.2 to its origin and allows all seven methods |
//! | `apigw-not-deployed` | stages of this crate deploy each change by themselves; a loss of that is drift |
//! | `apigw-mtls-with-probes` | domains of this crate have no trust store |
//! | `vpclink-az-supported` | zone ids are known after a look-up only, which takes zones without VPC links last |
//! | `state-backend-in-primary` | the state is a directory of the user's own |
//! | `dns-import-rdata-dot`, `dns-import-directive`, `dns-batch-size` | no zone files are imported, and the batches are the resource's |

mod api;
mod balancing;
mod dns;
mod edge;
mod network;
mod probes;
#[cfg(all(
    test,
    feature = "acm",
    feature = "apigatewayv2",
    feature = "cloudfront",
    feature = "cloudwatch",
    feature = "ec2",
    feature = "elbv2",
    feature = "iam",
    feature = "route53",
    feature = "sns"
))]
mod tests;
mod twins;
#[doc(hidden)]
pub mod view;
mod watch;

use std::collections::BTreeSet;

use dr_core::Severity::{Error, Info, Warning};
use dr_core::{Finding, Graph, Node, Severity};
use view::View;

/// What a rule found: the resource, what is wrong, what to do.
#[derive(Default)]
struct Found(Vec<(dr_core::Address, String, String)>);

impl Found {
    fn add(&mut self, node: &Node, problem: impl Into<String>, fix: impl Into<String>) {
        self.0.push((node.address.clone(), problem.into(), fix.into()));
    }
}

type Rule = (&'static str, Severity, fn(View<'_>, &mut Found));

/// The rules with their severities, in the order of the catalogue.
const RULES: &[Rule] = &[
    ("alb-in-public-subnet", Warning, network::alb_in_public_subnet),
    ("apigw-domain-name-twin", Error, api::domain_name_twin),
    ("r53-failover-pair-complete", Error, dns::failover_pair_complete),
    ("r53-primary-no-signal", Error, dns::primary_no_signal),
    ("r53-secondary-no-signal", Warning, dns::secondary_no_signal),
    ("hc-same-for-both", Error, probes::same_for_both),
    ("hc-self-name", Error, probes::self_name),
    ("hc-targets-d-name", Warning, probes::targets_d_name),
    ("hc-execute-api-disabled", Error, probes::execute_api_disabled),
    ("hc-stage-in-path", Error, probes::stage_in_path),
    ("hc-path-routable", Error, probes::path_routable),
    ("hc-path-unauthenticated", Error, probes::path_unauthenticated),
    ("hc-bypasses-backend", Warning, probes::bypasses_backend),
    ("hc-sni-off", Error, probes::sni_off),
    ("hc-type-tcp-or-http", Warning, probes::type_tcp_or_http),
    ("hc-disabled-or-inverted", Warning, probes::disabled_or_inverted),
    ("hc-calc-nested", Error, probes::calc_nested),
    ("hc-cw-unsupported-alarm", Error, probes::unsupported_alarm),
    ("hc-cw-alarm-in-primary", Warning, probes::alarm_in_primary),
    ("hc-cw-insufficient-explicit", Warning, probes::insufficient_explicit),
    ("r53-ttl-high", Warning, dns::ttl_high),
    ("r53-alias-eth-false", Error, dns::alias_eth_false),
    ("r53-eth-only-on-apigw", Warning, dns::eth_only_on_apigw),
    ("r53-cloudfront-failover-pair", Error, dns::cloudfront_failover_pair),
    ("r53-mixed-policy", Error, dns::mixed_policy),
    ("r53-aaaa-asymmetry", Warning, dns::aaaa_asymmetry),
    ("cf-host-forwarding-mismatch", Error, edge::host_forwarding_mismatch),
    ("cf-origin-cert-san", Error, edge::origin_cert_san),
    ("cf-origin-is-regional-name", Error, edge::origin_is_regional_name),
    ("cf-viewer-cert-region", Error, edge::viewer_cert_region),
    ("cf-cache-policy-api", Warning, edge::cache_policy_api),
    ("cf-error-cache", Info, edge::error_cache),
    ("cf-origin-timeouts", Warning, edge::origin_timeouts),
    ("cf-origin-group-nonidempotent", Warning, edge::origin_group_nonidempotent),
    ("apigw-mapping-missing", Error, api::mapping_missing),
    ("apigw-route-parity", Error, twins::route_parity),
    ("apigw-integration-target", Error, api::integration_target),
    ("apigw-stage-prefix", Warning, api::stage_prefix),
    ("apigw-tlsconfig", Error, api::tlsconfig),
    ("vpclink-two-az", Error, network::two_az),
    ("vpclink-idle-risk", Error, probes::idle_risk),
    ("sg-path-link-alb", Error, network::path_link_alb),
    ("sg-path-alb-target", Error, network::path_alb_target),
    ("sg-default-used", Warning, network::default_used),
    ("nacl-ephemeral", Error, network::nacl_ephemeral),
    ("alb-rule-priority-twice", Error, balancing::rule_priority_twice),
    ("alb-rule-shadowed", Warning, balancing::rule_shadowed),
    ("alb-subnet-size", Warning, network::subnet_size),
    ("alb-hc-vs-probe", Warning, balancing::hc_vs_probe),
    ("alarm-per-hc", Error, watch::alarm_per_hc),
    ("alarm-second-region", Warning, watch::second_region),
    ("alarm-sns-region", Error, watch::sns_region),
    ("cert-expiry-alarm", Error, watch::cert_expiry),
    ("acm-validation-cname-shared", Error, dns::validation_cname_shared),
    ("acm-cert-per-region", Error, api::cert_per_region),
    ("cp-us-east-1-on-recovery-path", Error, dns::control_plane_on_recovery_path),
    ("standby-created-on-demand", Error, twins::created_on_demand),
    ("standby-capacity", Warning, twins::capacity),
    ("parity-must-match", Error, twins::must_match),
    ("region-literal-leak", Error, twins::region_literal_leak),
    ("sts-global-endpoint", Warning, twins::sts_global_endpoint),
    ("hc-bypasses-domain", Warning, probes::bypasses_domain),
    ("probe-equivalence", Warning, probes::probe_equivalence),
    ("both-checks-share-fate", Error, probes::share_fate),
];

/// What the rules find in a program, the worst first; what the program accepts has its reason.
///
/// Pure: the same program, the same findings.
#[must_use]
pub fn catalogue(graph: &Graph) -> Vec<Finding> {
    let view = View { graph };
    let mut findings = Vec::new();
    for (id, severity, rule) in RULES {
        let mut found = Found::default();
        rule(view, &mut found);
        // A name with A and AAAA records has two pairs, of which a rule about what they lead to says the same.
        let mut said = BTreeSet::new();
        for (address, problem, fix) in found.0 {
            if !said.insert((address.clone(), problem.clone())) {
                continue;
            }
            let mut finding = Finding::new(*severity, id, &address, problem).fix(fix);
            let waivers = graph.get(address.as_str()).map_or(&[][..], |node| &node.waivers);
            finding.waived = waivers.iter().find(|(waived, _)| waived == id).map(|(_, reason)| reason.clone());
            findings.push(finding);
        }
    }
    // Within one severity in the order of the catalogue: a rule's findings stay together.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// The ids of all rules with their severities, for documentation and tools.
pub fn rules() -> impl Iterator<Item = (&'static str, Severity)> {
    RULES.iter().map(|(id, severity, _)| (*id, *severity))
}
