//! What is known to differ, and which page of AWS decides.

use std::fmt;

/// Whose answer is AWS's. Where it is the emulator's, the simulator is to be corrected, so there is no such entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The page says what the simulator does.
    Simulator,
    /// The page allows both answers, or leaves open which it is.
    Open,
}

/// One difference.
#[derive(Debug)]
pub(crate) struct Difference {
    /// Name of the step.
    pub(crate) step: &'static str,
    /// What the simulator answers, as the test prints it.
    pub(crate) simulator: &'static str,
    /// What the emulator answers.
    pub(crate) emulator: &'static str,
    pub(crate) aws: Verdict,
    /// The page that decides, and what it says where that is not obvious.
    pub(crate) page: &'static str,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Simulator => "as the simulator",
            Verdict::Open => "leaves it open",
        })
    }
}

const fn simulator(
    step: &'static str,
    simulator: &'static str,
    emulator: &'static str,
    page: &'static str,
) -> Difference {
    Difference { step, simulator, emulator, aws: Verdict::Simulator, page }
}

const fn open(step: &'static str, simulator: &'static str, emulator: &'static str, page: &'static str) -> Difference {
    Difference { step, simulator, emulator, aws: Verdict::Open, page }
}

/// In the order of the script.
pub(crate) const TABLE: &[Difference] = &[
    simulator(
        "ec2 CreateVpc",
        r#"done {"cidr":"10.0.0.0/16","state":"pending","default":false,"tenancy":"default","tags":[["Name","main"]]}"#,
        r#"done {"cidr":"10.0.0.0/16","state":"available","default":false,"tenancy":"default","tags":[["Name","main"]]}"#,
        "EC2 API Reference, CreateVpc: the VPC of the example is pending",
    ),
    simulator(
        "ec2 CreateVpc: not a block",
        "InvalidParameterValue",
        "InvalidVpc.Range",
        "EC2 API Reference, Error codes: InvalidVpc.Range is for a block of a wrong size",
    ),
    simulator("ec2 CreateVpc: a dry run", "DryRunOperation", "done", "EC2 API Reference, CreateVpc, DryRun"),
    simulator(
        "ec2 CreateVpc: host bits set",
        r#"done {"cidr":"10.8.0.0/16"}"#,
        r#"done {"cidr":"10.8.3.0/16"}"#,
        "EC2 API Reference, CreateVpc, CidrBlock: the block is brought to its canonical form",
    ),
    simulator(
        "ec2 DescribeVpcs: unknown filter",
        "InvalidParameterValue",
        "no code, status 500",
        "EC2 API Reference, DescribeVpcs, Filter, and Error codes, InvalidParameterValue",
    ),
    simulator(
        "ec2 ModifyVpcAttribute: two at once",
        "InvalidParameterCombination",
        "done",
        "EC2 API Reference, ModifyVpcAttribute: not in the same request",
    ),
    simulator(
        "ec2 CreateSubnet: a block of /29",
        "InvalidSubnet.Range",
        "done",
        "EC2 API Reference, CreateSubnet: /28 is the smallest",
    ),
    simulator(
        "ec2 CreateTags: a reserved key",
        "InvalidParameterValue",
        "done",
        "EC2 API Reference, CreateTags and Tag: a key does not begin with aws:",
    ),
    simulator(
        "ec2 CreateNatGateway",
        r#"done {"state":"pending","subnet":"<subnet 1>","vpc":"<vpc 1>","type":"public","addresses":["<address 1>"]}"#,
        r#"done {"state":"pending","subnet":"<subnet 1>","vpc":"<vpc 1>","type":null,"addresses":["<address 1>"]}"#,
        "EC2 API Reference, NatGateway, ConnectivityType",
    ),
    simulator(
        "ec2 CreateRoute: unknown internet gateway",
        "InvalidGatewayID.NotFound",
        "InvalidInternetGatewayID.NotFound",
        "EC2 API Reference, Error codes: InvalidGatewayID.NotFound",
    ),
    simulator(
        "ec2 DeleteRouteTable: the main table",
        "DependencyViolation",
        "done",
        "VPC User Guide, Delete a route table: not the main one",
    ),
    simulator(
        "ec2 CreateSecurityGroup: called default",
        "InvalidGroup.Reserved",
        "InvalidGroup.Duplicate",
        "EC2 API Reference, Error codes: InvalidGroup.Reserved",
    ),
    simulator(
        "ec2 CreateSecurityGroup: called sg-",
        "InvalidParameterValue",
        "done",
        "EC2 API Reference, CreateSecurityGroup, GroupName",
    ),
    simulator(
        "ec2 CreateSecurityGroup: unknown VPC",
        "InvalidVpcID.NotFound",
        "done",
        "EC2 API Reference, Error codes: InvalidVpcID.NotFound",
    ),
    simulator(
        "ec2 CreateSecurityGroup: a description with an umlaut",
        "InvalidParameterValue",
        "done",
        "EC2 API Reference, CreateSecurityGroup, GroupDescription: the characters of VPCs",
    ),
    simulator(
        "ec2 AuthorizeSecurityGroupIngress: from a higher to a lower port",
        "InvalidParameterValue",
        "done",
        "EC2 API Reference, IpPermission, FromPort and ToPort",
    ),
    simulator(
        "ec2 AuthorizeSecurityGroupIngress: port 70000",
        "InvalidParameterValue",
        "done",
        "EC2 API Reference, IpPermission, ToPort",
    ),
    simulator(
        "ec2 DeleteSecurityGroup: the default group",
        "CannotDelete",
        "DependencyViolation",
        "EC2 API Reference, Error codes: CannotDelete",
    ),
    simulator(
        "ec2 CreateNetworkAcl",
        r#"done {"default":false,"entries":2}"#,
        r#"done {"default":false,"entries":0}"#,
        "EC2 API Reference, CreateNetworkAcl: two entries in the example, which deny everything",
    ),
    simulator(
        "ec2 CreateNetworkAclEntry: number 40000",
        "InvalidParameterValue",
        "done",
        "EC2 API Reference, CreateNetworkAclEntry, RuleNumber: 1 to 32766",
    ),
    simulator(
        "ec2 DeleteNetworkAclEntry: no such number",
        "InvalidNetworkAclEntry.NotFound",
        "no code, status 500",
        "EC2 API Reference, Error codes: InvalidNetworkAclEntry.NotFound",
    ),
    open(
        "ec2 DeleteNetworkAcl: the default one",
        "InvalidParameterValue",
        "DependencyViolation",
        "EC2 API Reference, DeleteNetworkAcl: neither with subnets nor the default one, without a code",
    ),
    simulator(
        "ec2 CreateVpcEndpoint: unknown service",
        "InvalidServiceName",
        "done",
        "EC2 API Reference, Error codes: InvalidServiceName",
    ),
    simulator(
        "ec2 DeleteVpcEndpoints: unknown id",
        r#"done ["InvalidVpcEndpoint.NotFound"]"#,
        "done []",
        "EC2 API Reference, DeleteVpcEndpoints: the endpoints that were not deleted are in the answer",
    ),
    simulator(
        "iam CreateRole",
        r#"done {"arn":"arn:aws:iam::<account 1>:role/shop/server","path":"/shop/","session":null,"encoded":true}"#,
        r#"done {"arn":"arn:aws:iam::<account 1>:role/shop/server","path":"/shop/","session":3600,"encoded":true}"#,
        "IAM API Reference, CreateRole: the answer of the example has no MaxSessionDuration",
    ),
    simulator(
        "iam CreateRole: the same name in capitals",
        "EntityAlreadyExists",
        "done",
        "IAM API Reference, CreateRole, RoleName: not distinguished by case",
    ),
    simulator(
        "iam CreateRole: no policy",
        "MalformedPolicyDocument",
        "done",
        "IAM API Reference, CreateRole, MalformedPolicyDocument",
    ),
    simulator(
        "iam CreateRole: an empty policy",
        "MalformedPolicyDocument",
        "done",
        "IAM API Reference, CreateRole, MalformedPolicyDocument",
    ),
    simulator(
        "iam CreateRole: an unknown effect",
        "MalformedPolicyDocument",
        "done",
        "IAM User Guide, IAM JSON policy elements: Effect",
    ),
    simulator(
        "iam CreateRole: a path without a slash",
        "ValidationError",
        "done",
        "IAM API Reference, CreateRole, Path: begins and ends with a slash",
    ),
    simulator(
        "ec2 RunInstances: unknown type",
        "InvalidParameterValue",
        "InvalidInstanceType.NotFound",
        "EC2 API Reference, Error codes: InvalidParameterValue; \"Invalid value … for InstanceType\" on the wire",
    ),
    simulator(
        "route53 CreateHostedZone",
        r#"done {"id":"/hostedzone/<zone id 1>","name":"example.com.","records":2,"private":false,"servers":4,"change":"PENDING"}"#,
        r#"done {"id":"/hostedzone/<zone id 1>","name":"Example.com.","records":2,"private":false,"servers":4,"change":"PENDING"}"#,
        "Route 53 Developer Guide, DNS domain name format: stored in lower case",
    ),
    simulator(
        "route53 CreateHostedZone: not a name",
        "InvalidDomainName",
        "done",
        "Route 53 API Reference, CreateHostedZone, InvalidDomainName",
    ),
    simulator(
        "route53 CreateHealthCheck",
        r#"done {"version":1,"port":443,"sni":true,"inverted":false,"disabled":false,"latency":false,"interval":10,"threshold":3}"#,
        r#"done {"version":1,"port":80,"sni":false,"inverted":false,"disabled":false,"latency":false,"interval":10,"threshold":3}"#,
        "Route 53 API Reference, HealthCheckConfig, Port and EnableSNI: 443 for HTTPS",
    ),
    simulator(
        "route53 CreateHealthCheck: a second one",
        r#"done {"version":1,"port":443,"sni":true,"inverted":false,"disabled":false,"latency":false,"interval":10,"threshold":3}"#,
        r#"done {"version":1,"port":80,"sni":false,"inverted":false,"disabled":false,"latency":false,"interval":10,"threshold":3}"#,
        "Route 53 API Reference, HealthCheckConfig, Port and EnableSNI: 443 for HTTPS",
    ),
    simulator(
        "route53 CreateHealthCheck: every 20 s",
        "InvalidInput",
        "done",
        "Route 53 API Reference, HealthCheckConfig, RequestInterval: 10 or 30",
    ),
    simulator(
        "route53 CreateHealthCheck: a threshold of 11",
        "InvalidInput",
        "done",
        "Route 53 API Reference, HealthCheckConfig, FailureThreshold: 1 to 10",
    ),
    simulator(
        "route53 CreateHealthCheck: a private address",
        "InvalidInput",
        "done",
        "Route 53 API Reference, HealthCheckConfig, IPAddress: no private ranges",
    ),
    simulator(
        "route53 CreateHealthCheck: neither name nor address",
        "InvalidInput",
        "done",
        "Route 53 API Reference, HealthCheckConfig, FullyQualifiedDomainName",
    ),
    simulator(
        "route53 CreateHealthCheck: calculated from an unknown one",
        "InvalidInput",
        "done",
        "Route 53 API Reference, CreateHealthCheck: InvalidInput is the only error left",
    ),
    simulator(
        "route53 CreateHealthCheck: a port of 70000",
        "InvalidInput",
        "done",
        "Route 53 API Reference, HealthCheckConfig, Port: 1 to 65535",
    ),
    simulator(
        "route53 ChangeResourceRecordSets: not an address",
        "InvalidChangeBatch",
        "done",
        "Route 53 Developer Guide, Supported DNS record types: A",
    ),
    simulator(
        "route53 ChangeResourceRecordSets: the same value twice",
        "InvalidChangeBatch",
        "done",
        "Route 53 API Reference, ChangeResourceRecordSets, InvalidChangeBatch",
    ),
    simulator(
        "route53 ChangeResourceRecordSets: two values of a CNAME",
        "InvalidChangeBatch",
        "done",
        "Route 53 Developer Guide, Supported DNS record types: CNAME",
    ),
    simulator(
        "route53 ChangeResourceRecordSets: a TTL below 0",
        "InvalidInput",
        "done",
        "Route 53 API Reference, ResourceRecordSet, TTL",
    ),
    simulator(
        "route53 ChangeResourceRecordSets: text without quotes",
        "InvalidChangeBatch",
        "done",
        "Route 53 Developer Guide, Supported DNS record types: TXT",
    ),
    simulator(
        "route53 ChangeResourceRecordSets: a name with an empty label",
        "InvalidChangeBatch",
        "done",
        "Route 53 Developer Guide, DNS domain name format",
    ),
    simulator(
        "route53 ChangeResourceRecordSets: an alias of nothing",
        "InvalidChangeBatch",
        "done",
        "Route 53 API Reference, AliasTarget, DNSName: a record set that exists",
    ),
    simulator(
        "route53 ChangeResourceRecordSets: an evaluated alias of a distribution",
        "InvalidChangeBatch",
        "done",
        "Route 53 API Reference, AliasTarget, EvaluateTargetHealth: not for CloudFront",
    ),
    simulator(
        "route53 ChangeResourceRecordSets: a simple record with an identifier",
        "InvalidInput",
        "done",
        "Route 53 API Reference, ResourceRecordSet, SetIdentifier: for other policies than simple",
    ),
    simulator(
        "route53 ChangeResourceRecordSets: failover and weight at once",
        "InvalidInput",
        "done",
        "Route 53 API Reference, ResourceRecordSet: one policy",
    ),
    simulator(
        "route53 ChangeResourceRecordSets: a weight of 256",
        "InvalidInput",
        "done",
        "Route 53 API Reference, ResourceRecordSet, Weight: 0 to 255",
    ),
    simulator(
        "route53 ChangeResourceRecordSets: no change",
        "InvalidInput",
        "done",
        "Route 53 API Reference, ChangeBatch, Changes: at least one",
    ),
    simulator(
        "route53 failover: unknown health check",
        "NoSuchHealthCheck",
        "InvalidChangeBatch",
        "Route 53 API Reference, ChangeResourceRecordSets, NoSuchHealthCheck",
    ),
    simulator(
        "route53 failover: a primary without a health check",
        "InvalidChangeBatch",
        "done",
        "kubernetes-sigs/external-dns#2362: \"A non-alias primary ResourceRecordSet must have …\"",
    ),
    simulator(
        "route53 failover: a weighted record beside it",
        "InvalidChangeBatch",
        "done",
        "Route 53 API Reference, ResourceRecordSet: one policy for a name and a type",
    ),
    simulator(
        "elbv2 CreateLoadBalancer: a name with a dot",
        "ValidationError",
        "done",
        "ELB API Reference, CreateLoadBalancer, Name: letters, digits and hyphens",
    ),
    simulator(
        "elbv2 CreateLoadBalancer: called internal-",
        "ValidationError",
        "done",
        "ELB API Reference, CreateLoadBalancer, Name: does not begin with internal-",
    ),
    simulator(
        "elbv2 CreateListener: port 70000",
        "ValidationError",
        "done",
        "ELB API Reference, CreateListener, Port: 1 to 65535",
    ),
    simulator(
        "elbv2 CreateListener: no action",
        "ValidationError",
        "done",
        "ELB API Reference, CreateListener, DefaultActions: required",
    ),
    simulator(
        "elbv2 CreateRule: priority 0",
        "ValidationError",
        "done",
        "ELB API Reference, CreateRule, Priority: 1 to 50000",
    ),
    simulator(
        "elbv2 CreateRule: priority 50001",
        "ValidationError",
        "done",
        "ELB API Reference, CreateRule, Priority: 1 to 50000",
    ),
    simulator(
        "elbv2 DeregisterTargets: never registered",
        "done",
        "InvalidTarget",
        "ELB API Reference, DeregisterTargets: returns successfully when the target does not exist",
    ),
    simulator(
        "acm DescribeCertificate: pending",
        r#"done {"status":"PENDING_VALIDATION","type":"AMAZON_ISSUED","names":["origin.example.com"],"algorithm":"RSA-2048","in_use":0}"#,
        r#"done {"status":"PENDING_VALIDATION","type":"AMAZON_ISSUED","names":["origin.example.com"],"algorithm":"RSA_2048","in_use":0}"#,
        "ACM API Reference, DescribeCertificate: RSA-2048 in the answer of the example",
    ),
    simulator(
        "acm DescribeCertificate: not an ARN",
        "InvalidArnException",
        "ResourceNotFoundException",
        "ACM API Reference, DescribeCertificate, InvalidArnException",
    ),
    simulator(
        "acm RequestCertificate: not a name",
        "ValidationException",
        "done",
        "ACM API Reference, RequestCertificate, DomainName: the pattern",
    ),
    simulator(
        "acm RequestCertificate: a token with a blank",
        "ValidationException",
        "done",
        "ACM API Reference, RequestCertificate, IdempotencyToken: the pattern",
    ),
    simulator(
        "apigatewayv2 CreateApi: a name of 129",
        "BadRequestException",
        "done",
        "API Gateway V2 API Reference, Apis, name: 128 characters",
    ),
    simulator(
        "apigatewayv2 CreateIntegration: payload 2.0",
        "BadRequestException",
        "done",
        "API Gateway V2 API Reference, Integrations, payloadFormatVersion: 1.0 only",
    ),
    simulator(
        "apigatewayv2 CreateIntegration: a timeout of 31 s",
        "BadRequestException",
        "done",
        "API Gateway V2 API Reference, Integrations, timeoutInMillis: 50 to 30000",
    ),
    simulator(
        "apigatewayv2 CreateIntegration: a link to an address",
        "BadRequestException",
        "done",
        "API Gateway V2 API Reference, Integrations, integrationUri: the ARN of a listener or of a Cloud Map service",
    ),
    simulator(
        "apigatewayv2 CreateIntegration: unknown method",
        "BadRequestException",
        "done",
        "API Gateway V2 API Reference, Integrations, integrationMethod",
    ),
    simulator(
        "apigatewayv2 CreateRoute: greedy in the middle",
        "BadRequestException",
        "done",
        "API Gateway Developer Guide, Create routes for HTTP APIs: at the end of the path",
    ),
    simulator(
        "apigatewayv2 CreateRoute: JWT without an authorizer",
        "BadRequestException",
        "done",
        "API Gateway V2 API Reference, Routes, authorizationType and authorizerId",
    ),
    simulator(
        "apigatewayv2 CreateAuthorizer: no issuer",
        "BadRequestException",
        "done",
        "API Gateway V2 API Reference, Authorizers, jwtConfiguration: required for JWT",
    ),
    simulator(
        "apigatewayv2 DeleteAuthorizer: of a route",
        "ConflictException",
        "done",
        "API Gateway V2 API Reference, Authorizers, 409: a conflict with what refers to it",
    ),
    simulator(
        "apigatewayv2 CreateStage: a name with a dot",
        "BadRequestException",
        "done",
        "API Gateway V2 API Reference, Stages, stageName: letters, digits, hyphens, underscores",
    ),
    simulator(
        "apigatewayv2 DeleteRoute: unknown",
        "NotFoundException",
        "done",
        "API Gateway V2 API Reference, Routes, 404",
    ),
    simulator(
        "apigatewayv2 CreateDomainName: a certificate for another name",
        "BadRequestException",
        "done",
        "API Gateway Developer Guide, Custom domain names for HTTP APIs: a certificate for the name",
    ),
    open(
        "apigatewayv2 CreateDomainName",
        r#"done {"regional":true,"zone":"Z1UJRXOUMOOFQ8","status":"UPDATING","type":"REGIONAL","policy":"TLS_1_2","certificate":"<certificate 1>"}"#,
        r#"done {"regional":true,"zone":"Z1UJRXOUMOOFQ8","status":"AVAILABLE","type":"REGIONAL","policy":"TLS_1_2","certificate":"<certificate 1>"}"#,
        "API Gateway V2 API Reference, DomainNameConfiguration, domainNameStatus: both are states of a new one",
    ),
    simulator(
        "apigatewayv2 CreateDomainName: the same in another region",
        r#"done {"regional":true,"zone":"Z2OJLYMUO9EFXC","status":"UPDATING","type":"REGIONAL","policy":"TLS_1_2","certificate":"<certificate 2>"}"#,
        r#"done {"regional":true,"zone":"Z2FDTNDATAQYW2","status":"AVAILABLE","type":"REGIONAL","policy":"TLS_1_2","certificate":"<certificate 2>"}"#,
        "AWS General Reference, API Gateway endpoints: the hosted zone of us-west-2 is Z2OJLYMUO9EFXC",
    ),
    simulator(
        "apigatewayv2 CreateApiMapping: a key with a blank",
        "BadRequestException",
        "done",
        "API Gateway Developer Guide, Use API mappings: the characters of a key",
    ),
    simulator(
        "apigatewayv2 DeleteStage: mapped",
        "BadRequestException",
        "done",
        "API Gateway V2 API Reference, Stages, 400: \"Please remove all base path mappings related to the stage\"",
    ),
    simulator(
        "route53 ChangeResourceRecordSets: an alias of an API in CloudFront's zone",
        "InvalidChangeBatch",
        "done",
        "Route 53 API Reference, AliasTarget, HostedZoneId",
    ),
    simulator(
        "cloudfront CreateDistribution: a certificate for another name",
        "InvalidViewerCertificate",
        "done",
        "CloudFront API Reference, ViewerCertificate: it covers the alternate names",
    ),
    simulator(
        "cloudfront CreateDistribution: unknown cache policy",
        "NoSuchCachePolicy",
        "done",
        "CloudFront API Reference, CreateDistributionWithTags, NoSuchCachePolicy",
    ),
    simulator(
        "cloudfront CreateDistribution: a wrong quantity",
        "InconsistentQuantities",
        "done",
        "CloudFront API Reference, CreateDistributionWithTags, InconsistentQuantities",
    ),
    open(
        "cloudfront GetDistributionConfig",
        r#"done {"aliases":["www.example.com"],"attempts":3,"connect":10,"read":30,"keep":5,"price":"PriceClass_All","http":"http2","ipv6":false,"minimum":"TLSv1.2_2021"}"#,
        r#"done {"aliases":["www.example.com"],"attempts":3,"connect":10,"read":30,"keep":5,"price":"PriceClass_All","http":"http2","ipv6":true,"minimum":"TLSv1.2_2021"}"#,
        "CloudFront API Reference, DistributionConfig, IsIPV6Enabled: no default is named",
    ),
    simulator(
        "cloudfront UpdateDistribution: the certificate is left out",
        "IllegalUpdate",
        "InvalidViewerCertificate",
        "CloudFront API Reference, UpdateDistribution: every field that was returned is required",
    ),
    simulator(
        "sns Subscribe: http to an https address",
        "InvalidParameter",
        "done",
        "SNS API Reference, Subscribe, Endpoint: begins with https:// for https",
    ),
    simulator(
        "cloudwatch PutMetricAlarm: a period of 45 s",
        "ValidationError",
        "done",
        "CloudWatch API Reference, PutMetricAlarm, Period: 10, 20, 30 or a multiple of 60",
    ),
    simulator(
        "cloudwatch PutMetricAlarm: no statistic",
        "ValidationError",
        "done",
        "CloudWatch API Reference, PutMetricAlarm, Statistic or ExtendedStatistic with a MetricName",
    ),
    simulator(
        "cloudwatch PutMetricAlarm: no metric",
        "ValidationError",
        "done",
        "CloudWatch API Reference, PutMetricAlarm, MetricName or Metrics",
    ),
    simulator(
        "cloudwatch PutMetricAlarm: two of one period",
        "ValidationError",
        "done",
        "CloudWatch User Guide, Evaluating an alarm: M out of N",
    ),
    simulator(
        "cloudwatch PutMetricAlarm: unknown treatment of gaps",
        "ValidationError",
        "done",
        "CloudWatch API Reference, PutMetricAlarm, TreatMissingData",
    ),
    simulator(
        "cloudwatch PutMetricAlarm: an action that is no ARN",
        "ValidationError",
        "done",
        "CloudWatch API Reference, PutMetricAlarm, AlarmActions",
    ),
    simulator(
        "cloudwatch DescribeAlarms",
        r#"done {"arn":"arn:aws:cloudwatch:us-east-1:<account 1>:alarm:red","state":"INSUFFICIENT_DATA","threshold":2.0,"enabled":true,"missing":null}"#,
        r#"done {"arn":"arn:aws:cloudwatch:us-east-1:<account 1>:alarm:red","state":"OK","threshold":2.0,"enabled":true,"missing":null}"#,
        "CloudWatch API Reference, PutMetricAlarm: a new alarm is in INSUFFICIENT_DATA",
    ),
    simulator(
        "cloudwatch ListTagsForResource",
        r#"done ["first"]"#,
        r#"done ["first","second"]"#,
        "CloudWatch API Reference, PutMetricAlarm, Tags: ignored when the alarm exists",
    ),
    simulator(
        "cloudwatch DeleteAlarms",
        "ResourceNotFound",
        "done",
        "CloudWatch API Reference, DeleteAlarms: those with correct names are deleted although another is wrong",
    ),
    open(
        "acm DeleteCertificate: of a deleted distribution",
        "ResourceInUseException",
        "done",
        "ACM API Reference, DeleteCertificate: not while in use; when a use has ended is not said, it takes minutes",
    ),
    simulator(
        "elbv2 DeleteTargetGroup: again",
        "done",
        "TargetGroupNotFound",
        "ELB API Reference, DeleteTargetGroup: ResourceInUse is the only error",
    ),
    simulator(
        "apigatewayv2 DeleteVpcLink: of an integration",
        "BadRequestException",
        "ConflictException",
        "hashicorp/terraform-provider-aws#12195: \"BadRequestException: Cannot delete vpc link\"",
    ),
    simulator(
        "ec2 DetachInternetGateway",
        "DependencyViolation",
        "done",
        "EC2 API Reference, DetachInternetGateway: the VPC must not contain running instances with public addresses",
    ),
];
