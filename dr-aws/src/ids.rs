//! The physical ids of AWS resources, each a type of its own and, where a region owns it, of that region.

dr_core::id!(
    /// `vpc-…`
    VpcId,
    /// `subnet-…`
    SubnetId,
    /// `igw-…`
    InternetGatewayId,
    /// `eipalloc-…`
    AllocationId,
    /// `nat-…`
    NatGatewayId,
    /// `rtb-…`
    RouteTableId,
    /// `rtbassoc-…`
    RouteTableAssociationId,
    /// `sg-…`
    SecurityGroupId,
    /// `sgr-…`
    SecurityGroupRuleId,
    /// `acl-…`
    NetworkAclId,
    /// `i-…`
    InstanceId,
    /// `ami-…`
    ImageId,
    /// `vpce-…`
    VpcEndpointId,
    /// The name of an availability zone, `us-east-1a`.
    ZoneName,
    /// The ARN of a load balancer.
    LoadBalancerArn,
    /// The ARN of a target group.
    TargetGroupArn,
    /// The ARN of a listener.
    ListenerArn,
    /// The ARN of a listener rule.
    RuleArn,
    /// The id of an HTTP API.
    ApiId,
    /// The id of a VPC link.
    VpcLinkId,
    /// The id of an integration of an API.
    IntegrationId,
    /// The id of a route of an API.
    ApiRouteId,
    /// The id of an authorizer of an API.
    AuthorizerId,
    /// The name of a stage of an API.
    StageName,
    /// A custom domain name of API Gateway that exists in the region.
    ApiDomainName,
    /// The ARN of a certificate that was requested and may not be issued yet.
    RequestedCertificateArn,
    /// The ARN of an issued certificate.
    CertificateArn,
    /// The ARN of an SNS topic.
    TopicArn,
    /// The ARN of a CloudWatch alarm.
    AlarmArn,
);

dr_core::id!(plain
    /// The id of a Route 53 hosted zone, without the `/hostedzone/` prefix.
    HostedZoneId,
    /// The id of a Route 53 health check.
    HealthCheckId,
    /// The id of a CloudFront distribution.
    DistributionId,
    /// The name of an IAM role.
    RoleName,
    /// The name of an IAM instance profile.
    InstanceProfileName,
);

/// The managed policies of CloudFront that its module names and checks know, which are there without it.
pub(crate) const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
pub(crate) const ALL_VIEWER_EXCEPT_HOST: &str = "b689b0a8-53d0-40ab-baf2-68738e2966ac";
