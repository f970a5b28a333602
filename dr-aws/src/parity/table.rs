//! How each attribute is compared, by type; what is not here has to match.

use dr_core::Severity;

/// How an attribute is compared.
#[derive(Debug, Clone, Copy)]
pub(super) enum Treat {
    /// Not at all: identity or cosmetic.
    Ignore,
    /// It has to be the same.
    Must(Severity, &'static str),
    /// A list whose order says nothing.
    Set(Severity, &'static str),
    /// A range: its prefix length.
    Prefix(&'static str),
    /// A list or a number: how many.
    Count(&'static str),
    /// The size of a server.
    Size(&'static str),
    /// A certificate: the names that are on it.
    Certificate(&'static str),
    /// An image: where it comes from.
    Image(&'static str),
    /// The host of a health check: each region its own.
    Host(&'static str),
    /// The routing of an answer: one of each role.
    Routing(&'static str),
    /// A script or policy: the other region's name must not be in it, and the rest has to match.
    Script(&'static str),
    /// Compared as a whole, elsewhere.
    Elsewhere,
}

use Severity::{Error, Warning};
use Treat::{Certificate, Count, Elsewhere, Host, Ignore, Image, Must, Prefix, Routing, Script, Set, Size};

/// What holds for everything that is not in the table.
pub(super) const DEFAULT: Treat = Must(Error, "the standby does not do what the primary does");

const ZONES: &str = "fewer zones in one region: losing one there is worse";
const TIMING: &str = "the standby takes another time to notice and to recover";
const FIREWALLS: &str = "other firewalls are around it";

/// Type, attribute (or the beginning of its path), treatment. The first that fits decides.
const TABLE: &[(&str, &str, Treat)] = &[
    (
        "aws.acm.certificate",
        "alternatives",
        Set(Error, "the standby's certificate is for other names: 502 after a failover"),
    ),
    ("aws.acm.certificate", "", Must(Error, "the standby's certificate is for other names: 502 after a failover")),
    ("aws.acm.issued_certificate", "records", Ignore),
    ("aws.apigatewayv2.domain", "certificate", Certificate("its certificate is for other names: 502 after a failover")),
    ("aws.apigatewayv2.http_api", "description", Ignore),
    ("aws.apigatewayv2.vpc_link", "subnets", Count(ZONES)),
    ("aws.apigatewayv2.vpc_link", "security_groups", Set(Error, FIREWALLS)),
    ("aws.cloudwatch.alarm", "description", Ignore),
    ("aws.cloudwatch.alarm", "", Must(Error, "one region tells somebody and the other does not")),
    ("aws.ec2.ami", "parameter", Must(Warning, "the servers begin with another image")),
    ("aws.ec2.instance", "image", Image("the servers begin with another image")),
    ("aws.ec2.instance", "instance_type", Size("the standby's servers are not those of the primary")),
    ("aws.ec2.instance", "subnet", Ignore),
    ("aws.ec2.instance", "groups", Set(Error, FIREWALLS)),
    ("aws.ec2.instance", "user_data", Script("the servers of the two regions do not run the same")),
    ("aws.ec2.network_acl", "entries", Elsewhere),
    ("aws.ec2.network_acl", "subnets", Count("the filter holds for other subnets")),
    ("aws.ec2.security_group", "description", Ignore),
    ("aws.ec2.security_group", "default_egress", Elsewhere),
    ("aws.ec2.security_group_rule", "", Elsewhere),
    ("aws.ec2.subnet", "cidr", Prefix("one region has fewer addresses to grow into")),
    ("aws.ec2.subnet", "zone", Ignore),
    ("aws.ec2.vpc", "cidr", Prefix("one region has fewer addresses to grow into")),
    ("aws.ec2.vpc_endpoint", "subnets", Count(ZONES)),
    ("aws.ec2.vpc_endpoint", "groups", Set(Error, FIREWALLS)),
    ("aws.ec2.zones", "count", Count(ZONES)),
    ("aws.elbv2.listener", "protocol.https.certificate", Certificate("the listener's certificate is for other names")),
    ("aws.elbv2.load_balancer", "subnets", Count(ZONES)),
    ("aws.elbv2.load_balancer", "groups", Set(Error, FIREWALLS)),
    ("aws.elbv2.target_group", "health", Must(Warning, TIMING)),
    (
        "aws.elbv2.target_group",
        "deregistration_delay_s",
        Must(Warning, "requests under way get another time when a target leaves"),
    ),
    ("aws.iam.role", "description", Ignore),
    ("aws.iam.role", "trust", Script("the servers of the two regions do not have the same rights")),
    ("aws.iam.role_policy", "document", Script("the servers of the two regions do not have the same rights")),
    ("aws.iam.role_policy", "name", Ignore),
    ("aws.route53.health_check", "host", Host("each region's check has to probe its own region")),
    ("aws.route53.health_check", "interval_s", Must(Warning, TIMING)),
    ("aws.route53.health_check", "threshold", Must(Warning, TIMING)),
    ("aws.route53.health_check", "measure_latency", Ignore),
    ("aws.route53.health_check", "regions", Set(Warning, TIMING)),
    ("aws.route53.record_set", "set_id", Ignore),
    ("aws.route53.record_set", "routing", Routing("of two answers exactly one is the primary")),
    ("aws.sns.subscription", "", Must(Error, "one region tells somebody and the other does not")),
];

/// How an attribute of a type is compared.
pub(super) fn treatment(type_name: &str, attribute: &str) -> Treat {
    let fits = |path: &str| {
        path.is_empty() || attribute.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let row = TABLE.iter().find(|(of, path, _)| *of == type_name && fits(path));
    row.map_or(DEFAULT, |(_, _, treat)| *treat)
}

/// The types of which there may be more in one region than in the other: as many as it has zones, or servers.
pub(super) const REPLICAS: &[&str] = &[
    "aws.ec2.ami",
    "aws.ec2.elastic_ip",
    "aws.ec2.instance",
    "aws.ec2.nat_gateway",
    "aws.ec2.route",
    "aws.ec2.route_table",
    "aws.ec2.route_table_association",
    "aws.ec2.security_group",
    "aws.ec2.security_group_rule",
    "aws.ec2.subnet",
    "aws.elbv2.target_registration",
];

/// What cannot be made while it is needed: load balancers and APIs need the control plane of DNS.
pub(super) const BEFOREHAND: &[&str] = &[
    "aws.apigatewayv2.domain",
    "aws.apigatewayv2.http_api",
    "aws.apigatewayv2.mapping",
    "aws.apigatewayv2.vpc_link",
    "aws.elbv2.load_balancer",
];

/// What stops or diverts requests in the standby alone.
pub(super) const DIVERTS: &[&str] = &["aws.ec2.network_acl", "aws.elbv2.listener_rule"];

/// Tags that differ by nature: names, places, whose money it is.
pub(super) fn cosmetic_tag(key: &str) -> bool {
    let key = key.to_lowercase();
    matches!(key.as_str(), "name" | "region" | "role" | "site") || key.contains("cost")
}

/// The place of a size in its family, `t4g.small` after `t4g.micro`; `None` for a name of another form.
pub(super) fn size(instance_type: &str) -> Option<(&str, u32)> {
    const NAMES: [&str; 7] = ["nano", "micro", "small", "medium", "large", "xlarge", "2xlarge"];
    let (family, size) = instance_type.split_once('.')?;
    let named = NAMES.iter().position(|name| *name == size).map(|at| at as u32);
    // 4xlarge and above: by their number.
    let counted = size.strip_suffix("xlarge").and_then(|number| number.parse::<u32>().ok()).map(|number| number + 4);
    Some((family, named.or(counted)?))
}
