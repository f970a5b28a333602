//! The IAM actions that a program needs, as a policy: what its resource types call, and what those calls do on their own.
//!
//! The table is by type and names the API operations; a test on the simulator holds it against the calls that are really made.
//! Sources: the "Actions, resources, and condition keys" page of each service in the Service Authorization Reference,
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html>, and
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-permissions.html>.

use std::collections::{BTreeMap, BTreeSet};

use dr_core::Graph;
use serde_json::{Value, json};

/// The operations of a type, without the prefix of its service; one of another service is written with its own.
type Row = (&'static str, &'static str, &'static [&'static str]);

/// What each type calls for reading, creating, changing and deleting it, and what those calls do in the name of the caller: Elastic
/// Load Balancing looks at networks in EC2, an endpoint with private DNS is a zone of Route 53, service-linked roles are made with
/// the first load balancer and the first API, and an instance is given a role.
const CALLS: &[Row] = &[
    (
        "aws.acm.certificate",
        "acm",
        &[
            "AddTagsToCertificate",
            "DeleteCertificate",
            "DescribeCertificate",
            "ListCertificates",
            "ListTagsForCertificate",
            "RemoveTagsFromCertificate",
            "RequestCertificate",
        ],
    ),
    ("aws.acm.issued_certificate", "acm", &["DescribeCertificate", "ListCertificates", "ListTagsForCertificate"]),
    (
        "aws.apigatewayv2.domain",
        "apigateway",
        &[
            "CreateDomainName",
            "DeleteDomainName",
            "GetDomainName",
            "GetDomainNames",
            "TagResource",
            "UntagResource",
            "UpdateDomainName",
            "iam:CreateServiceLinkedRole",
        ],
    ),
    (
        "aws.apigatewayv2.http_api",
        "apigateway",
        &[
            "CreateApi",
            "DeleteApi",
            "GetApis",
            "TagResource",
            "UntagResource",
            "UpdateApi",
            "iam:CreateServiceLinkedRole",
        ],
    ),
    (
        "aws.apigatewayv2.integration",
        "apigateway",
        &["CreateIntegration", "DeleteIntegration", "GetApis", "GetIntegrations", "UpdateIntegration"],
    ),
    (
        "aws.apigatewayv2.jwt_authorizer",
        "apigateway",
        &["CreateAuthorizer", "DeleteAuthorizer", "GetApis", "GetAuthorizers", "UpdateAuthorizer"],
    ),
    (
        "aws.apigatewayv2.mapping",
        "apigateway",
        &["CreateApiMapping", "DeleteApiMapping", "GetApiMappings", "GetDomainNames", "UpdateApiMapping"],
    ),
    ("aws.apigatewayv2.route", "apigateway", &["CreateRoute", "DeleteRoute", "GetApis", "GetRoutes", "UpdateRoute"]),
    (
        "aws.apigatewayv2.stage",
        "apigateway",
        &["CreateStage", "DeleteStage", "GetApis", "GetStages", "TagResource", "UntagResource", "UpdateStage"],
    ),
    (
        "aws.apigatewayv2.vpc_link",
        "apigateway",
        &[
            "CreateVpcLink",
            "DeleteVpcLink",
            "GetVpcLink",
            "GetVpcLinks",
            "TagResource",
            "UntagResource",
            "iam:CreateServiceLinkedRole",
        ],
    ),
    (
        "aws.cloudfront.distribution",
        "cloudfront",
        &[
            "CreateDistributionWithTags",
            "DeleteDistribution",
            "GetDistribution",
            "GetDistributionConfig",
            "ListDistributions",
            "ListTagsForResource",
            "TagResource",
            "UntagResource",
            "UpdateDistribution",
        ],
    ),
    (
        "aws.cloudwatch.alarm",
        "cloudwatch",
        &["DeleteAlarms", "DescribeAlarms", "ListTagsForResource", "PutMetricAlarm", "TagResource", "UntagResource"],
    ),
    ("aws.ec2.ami", "ssm", &["GetParameter"]),
    (
        "aws.ec2.elastic_ip",
        "ec2",
        &[
            "AllocateAddress",
            "CreateTags",
            "DeleteTags",
            "DescribeAddresses",
            "DescribeNatGateways",
            "DescribeTags",
            "ReleaseAddress",
        ],
    ),
    (
        "aws.ec2.instance",
        "ec2",
        &[
            "AssociateIamInstanceProfile",
            "CreateTags",
            "DeleteTags",
            "DescribeIamInstanceProfileAssociations",
            "DescribeInstanceAttribute",
            "DescribeInstances",
            "DescribeTags",
            "DisassociateIamInstanceProfile",
            "ModifyInstanceAttribute",
            "ModifyInstanceMetadataOptions",
            "ReplaceIamInstanceProfileAssociation",
            "RunInstances",
            "StartInstances",
            "TerminateInstances",
            "iam:PassRole",
        ],
    ),
    (
        "aws.ec2.internet_gateway",
        "ec2",
        &[
            "CreateInternetGateway",
            "CreateTags",
            "DeleteInternetGateway",
            "DeleteTags",
            "DescribeInternetGateways",
            "DescribeTags",
        ],
    ),
    (
        "aws.ec2.internet_gateway_attachment",
        "ec2",
        &["AttachInternetGateway", "DescribeInternetGateways", "DescribeNetworkInterfaces", "DetachInternetGateway"],
    ),
    (
        "aws.ec2.nat_gateway",
        "ec2",
        &["CreateNatGateway", "CreateTags", "DeleteNatGateway", "DeleteTags", "DescribeNatGateways", "DescribeTags"],
    ),
    (
        "aws.ec2.network_acl",
        "ec2",
        &[
            "CreateNetworkAcl",
            "CreateNetworkAclEntry",
            "CreateTags",
            "DeleteNetworkAcl",
            "DeleteNetworkAclEntry",
            "DeleteTags",
            "DescribeNetworkAcls",
            "DescribeTags",
            "ReplaceNetworkAclAssociation",
            "ReplaceNetworkAclEntry",
        ],
    ),
    ("aws.ec2.route", "ec2", &["CreateRoute", "DeleteRoute", "DescribeRouteTables", "ReplaceRoute"]),
    (
        "aws.ec2.route_table",
        "ec2",
        &["CreateRouteTable", "CreateTags", "DeleteRouteTable", "DeleteTags", "DescribeRouteTables", "DescribeTags"],
    ),
    (
        "aws.ec2.route_table_association",
        "ec2",
        &["AssociateRouteTable", "DescribeRouteTables", "DisassociateRouteTable", "ReplaceRouteTableAssociation"],
    ),
    (
        "aws.ec2.security_group",
        "ec2",
        &[
            "AuthorizeSecurityGroupEgress",
            "CreateSecurityGroup",
            "CreateTags",
            "DeleteSecurityGroup",
            "DeleteTags",
            "DescribeNetworkInterfaces",
            "DescribeSecurityGroupRules",
            "DescribeSecurityGroups",
            "DescribeTags",
            "RevokeSecurityGroupEgress",
        ],
    ),
    (
        "aws.ec2.security_group_rule",
        "ec2",
        &[
            "AuthorizeSecurityGroupEgress",
            "AuthorizeSecurityGroupIngress",
            "CreateTags",
            "DeleteTags",
            "DescribeSecurityGroupRules",
            "DescribeSecurityGroups",
            "DescribeTags",
            "ModifySecurityGroupRules",
            "RevokeSecurityGroupEgress",
            "RevokeSecurityGroupIngress",
        ],
    ),
    (
        "aws.ec2.subnet",
        "ec2",
        &[
            "CreateSubnet",
            "CreateTags",
            "DeleteSubnet",
            "DeleteTags",
            "DescribeNetworkInterfaces",
            "DescribeSubnets",
            "DescribeTags",
            "ModifySubnetAttribute",
        ],
    ),
    (
        "aws.ec2.vpc",
        "ec2",
        &[
            "CreateTags",
            "CreateVpc",
            "DeleteTags",
            "DeleteVpc",
            "DescribeNetworkInterfaces",
            "DescribeTags",
            "DescribeVpcAttribute",
            "DescribeVpcs",
            "ModifyVpcAttribute",
        ],
    ),
    (
        "aws.ec2.vpc_endpoint",
        "ec2",
        &[
            "CreateTags",
            "CreateVpcEndpoint",
            "DeleteTags",
            "DeleteVpcEndpoints",
            "DescribeTags",
            "DescribeVpcEndpoints",
            "ModifyVpcEndpoint",
            "route53:AssociateVPCWithHostedZone",
        ],
    ),
    ("aws.ec2.zones", "ec2", &["DescribeAvailabilityZones"]),
    (
        "aws.elbv2.listener",
        "elasticloadbalancing",
        &[
            "AddTags",
            "CreateListener",
            "DeleteListener",
            "DescribeListeners",
            "DescribeLoadBalancers",
            "DescribeTags",
            "ModifyListener",
            "RemoveTags",
        ],
    ),
    (
        "aws.elbv2.listener_rule",
        "elasticloadbalancing",
        &[
            "AddTags",
            "CreateRule",
            "DeleteRule",
            "DescribeListeners",
            "DescribeLoadBalancers",
            "DescribeRules",
            "DescribeTags",
            "ModifyRule",
            "RemoveTags",
            "SetRulePriorities",
        ],
    ),
    (
        "aws.elbv2.load_balancer",
        "elasticloadbalancing",
        &[
            "AddTags",
            "CreateLoadBalancer",
            "DeleteLoadBalancer",
            "DescribeLoadBalancers",
            "DescribeTags",
            "RemoveTags",
            "SetSecurityGroups",
            "SetSubnets",
            "ec2:DescribeAccountAttributes",
            "ec2:DescribeAddresses",
            "ec2:DescribeInternetGateways",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
            "iam:CreateServiceLinkedRole",
        ],
    ),
    (
        "aws.elbv2.target_group",
        "elasticloadbalancing",
        &[
            "AddTags",
            "CreateTargetGroup",
            "DeleteTargetGroup",
            "DescribeTags",
            "DescribeTargetGroupAttributes",
            "DescribeTargetGroups",
            "ModifyTargetGroup",
            "ModifyTargetGroupAttributes",
            "RemoveTags",
            "ec2:DescribeInternetGateways",
            "ec2:DescribeVpcs",
        ],
    ),
    (
        "aws.elbv2.target_registration",
        "elasticloadbalancing",
        &[
            "DeregisterTargets",
            "DescribeTargetGroups",
            "DescribeTargetHealth",
            "RegisterTargets",
            "ec2:DescribeInstances",
            "ec2:DescribeInternetGateways",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
        ],
    ),
    (
        "aws.iam.instance_profile",
        "iam",
        &[
            "AddRoleToInstanceProfile",
            "CreateInstanceProfile",
            "DeleteInstanceProfile",
            "GetInstanceProfile",
            "ListInstanceProfiles",
            "PassRole",
            "RemoveRoleFromInstanceProfile",
            "TagInstanceProfile",
            "UntagInstanceProfile",
        ],
    ),
    (
        "aws.iam.role",
        "iam",
        &[
            "CreateRole",
            "DeleteRole",
            "GetRole",
            "ListRoles",
            "TagRole",
            "UntagRole",
            "UpdateAssumeRolePolicy",
            "UpdateRole",
        ],
    ),
    ("aws.iam.role_policy", "iam", &["DeleteRolePolicy", "GetRolePolicy", "PutRolePolicy"]),
    ("aws.iam.role_policy_attachment", "iam", &["AttachRolePolicy", "DetachRolePolicy", "ListAttachedRolePolicies"]),
    (
        "aws.route53.health_check",
        "route53",
        &[
            "ChangeTagsForResource",
            "CreateHealthCheck",
            "DeleteHealthCheck",
            "ListHealthChecks",
            "ListTagsForResources",
            "UpdateHealthCheck",
        ],
    ),
    (
        "aws.route53.hosted_zone",
        "route53",
        &[
            "ChangeTagsForResource",
            "CreateHostedZone",
            "DeleteHostedZone",
            "GetChange",
            "GetHostedZone",
            "ListHostedZones",
            "ListResourceRecordSets",
            "ListTagsForResources",
            "UpdateHostedZoneComment",
        ],
    ),
    (
        "aws.route53.record_set",
        "route53",
        &["ChangeResourceRecordSets", "GetChange", "ListHostedZones", "ListResourceRecordSets"],
    ),
    ("aws.route53.zone_lookup", "route53", &["ListHostedZonesByName"]),
    ("aws.sns.subscription", "sns", &["ListSubscriptionsByTopic", "Subscribe", "Unsubscribe"]),
    (
        "aws.sns.topic",
        "sns",
        &["CreateTopic", "DeleteTopic", "ListTagsForResource", "ListTopics", "TagResource", "UntagResource"],
    ),
];

/// The actions that allow an operation, which is named as [`Aws::calls`](crate::Aws::calls) names it: `ec2:CreateVpc`.
///
/// Mostly one of the same name; API Gateway's are HTTP methods, and some operations are a creation and a tagging in one.
#[must_use]
pub fn actions_of(operation: &str) -> Vec<String> {
    let (service, name) = operation.split_once(':').unwrap_or(("", operation));
    match (service, name) {
        // Whoever they are may ask who they are.
        ("sts", "GetCallerIdentity") => Vec::new(),
        ("cloudfront", "CreateDistributionWithTags") => {
            vec!["cloudfront:CreateDistribution".to_owned(), "cloudfront:TagResource".to_owned()]
        }
        ("apigateway", name) => api_gateway(name).into_iter().map(|action| format!("apigateway:{action}")).collect(),
        _ => vec![operation.to_owned()],
    }
}

/// The actions of API Gateway: HTTP methods, of which tags that are given with a creation are a PUT of their own, and two more for
/// the certificates of domain names.
fn api_gateway(operation: &str) -> Vec<&'static str> {
    match operation {
        "TagResource" => return vec!["POST", "PUT"],
        "UntagResource" => return vec!["DELETE"],
        _ => {}
    }
    let methods = [("Create", "POST"), ("Delete", "DELETE"), ("Get", "GET"), ("Update", "PATCH")];
    let method = methods.iter().find(|(verb, _)| operation.starts_with(verb)).map_or("*", |(_, method)| method);
    let more: &[&str] = match operation {
        "CreateApi" | "CreateStage" | "CreateVpcLink" => &["PUT"],
        "CreateDomainName" => &["PUT", "AddCertificateToDomain"],
        "UpdateDomainName" => &["AddCertificateToDomain", "RemoveCertificateFromDomain"],
        "DeleteDomainName" => &["RemoveCertificateFromDomain"],
        _ => &[],
    };
    [&[method], more].concat()
}

/// The actions that the resource types of a program need, over the whole life of their resources.
///
/// A type that is not of this crate adds nothing.
#[must_use]
pub fn actions(graph: &Graph) -> BTreeSet<String> {
    let types: BTreeSet<&str> = graph.nodes().map(|node| node.schema.type_name).collect();
    let rows = CALLS.iter().filter(|(type_name, ..)| types.contains(type_name));
    rows.flat_map(|(_, service, calls)| {
        calls.iter().flat_map(move |call| match call.contains(':') {
            true => actions_of(call),
            false => actions_of(&format!("{service}:{call}")),
        })
    })
    .collect()
}

/// The actions as an IAM policy, one statement for each service.
///
/// It names no resources: most of what it allows is about things that do not exist yet. Narrow it with a permissions boundary
/// or a condition on `aws:ResourceTag/dr:stack` where your account asks for that.
#[must_use]
pub fn policy(graph: &Graph) -> Value {
    let mut services: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for action in actions(graph) {
        let service = action.split(':').next().unwrap_or_default().to_owned();
        services.entry(service).or_default().push(action);
    }
    let statements = services.into_iter().map(|(service, actions)| {
        let sid: String = service.chars().filter(char::is_ascii_alphanumeric).collect();
        json!({ "Sid": format!("Dr{sid}"), "Effect": "Allow", "Action": actions, "Resource": "*" })
    });
    json!({ "Version": "2012-10-17", "Statement": statements.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Goal: nobody adds a type and forgets its rights.
    #[test]
    fn every_type_of_the_registry_has_its_row() {
        let registry = crate::registry(&Arc::new(crate::Aws::builder().build()));
        let known: BTreeSet<&str> = CALLS.iter().map(|(type_name, ..)| *type_name).collect();
        let types: BTreeSet<&str> = registry.iter().map(|provider| provider.schema().type_name).collect();
        let missing: Vec<_> = types.difference(&known).collect();
        assert!(missing.is_empty(), "no row for {missing:?}");
    }

    #[test]
    fn operations_without_an_action_of_their_name_are_translated() {
        assert_eq!(actions_of("apigateway:GetVpcLinks"), ["apigateway:GET"]);
        assert_eq!(actions_of("apigateway:UpdateStage"), ["apigateway:PATCH"]);
        assert_eq!(actions_of("apigateway:CreateVpcLink"), ["apigateway:POST", "apigateway:PUT"]);
        assert_eq!(
            actions_of("apigateway:UpdateDomainName"),
            ["PATCH", "AddCertificateToDomain", "RemoveCertificateFromDomain"]
                .map(|action| format!("apigateway:{action}")),
        );
        assert_eq!(actions_of("cloudfront:CreateDistributionWithTags").len(), 2);
        assert_eq!(actions_of("ec2:CreateVpc"), ["ec2:CreateVpc"]);
        assert!(actions_of("sts:GetCallerIdentity").is_empty());
    }
}
