//! The parts of the site, one by one.

use aws_sdk_acm::operation::describe_certificate::{DescribeCertificateInput, DescribeCertificateOutput};
use aws_sdk_acm::operation::request_certificate::{RequestCertificateInput, RequestCertificateOutput};
use aws_sdk_acm::types::ValidationMethod;
use aws_sdk_apigatewayv2 as apigw;
use aws_sdk_cloudfront as cf;
use aws_sdk_cloudwatch as cw;
use aws_sdk_ec2 as ec2sdk;
use aws_sdk_elasticloadbalancingv2 as elb;
use aws_sdk_route53 as r53;
use aws_sdk_sns as sns;
use aws_smithy_types::error::operation::BuildError;

use super::{ALIAS, CACHING_DISABLED, Half, Kit, ORIGIN};

pub(crate) fn cname(name: &str, target: &str) -> r53::types::builders::ResourceRecordSetBuilder {
    let value = r53::types::ResourceRecord::builder().value(target).build().expect("complete");
    r53::types::ResourceRecordSet::builder()
        .name(name)
        .r#type(r53::types::RrType::Cname)
        .ttl(60)
        .resource_records(value)
}

pub(crate) fn failover(name: &str, target: &str, role: &str) -> r53::types::builders::ResourceRecordSetBuilder {
    cname(name, target).set_identifier(role.to_lowercase()).failover(r53::types::ResourceRecordSetFailover::from(role))
}

/// An alias A record of a failover pair to a domain name of API Gateway.
pub(crate) fn failover_alias(half: &Half, role: &str) -> r53::types::builders::ResourceRecordSetBuilder {
    let target = r53::types::AliasTarget::builder()
        .hosted_zone_id(crate::control::apigatewayv2::hosted_zone(&half.region))
        .dns_name(&half.origin_target)
        .evaluate_target_health(true)
        .build()
        .expect("complete");
    r53::types::ResourceRecordSet::builder()
        .name(ORIGIN)
        .r#type(r53::types::RrType::A)
        .set_identifier(role.to_lowercase())
        .failover(r53::types::ResourceRecordSetFailover::from(role))
        .alias_target(target)
}

impl Kit {
    pub(crate) fn hosted_zone(&mut self, name: &str) -> String {
        use r53::operation::create_hosted_zone::{CreateHostedZoneInput, CreateHostedZoneOutput};
        let input = CreateHostedZoneInput::builder().name(name).caller_reference(self.reference()).build();
        let output: CreateHostedZoneOutput = self.must("us-east-1", "r53.CreateHostedZone", input);
        let id = output.hosted_zone.expect("a zone").id;
        id.rsplit('/').next().unwrap_or_default().to_owned()
    }

    pub(crate) fn change(
        &mut self,
        zone: &str,
        action: &str,
        record: Result<r53::types::ResourceRecordSet, BuildError>,
    ) {
        self.change_all(zone, vec![(action, record.expect("a complete record"))]);
    }

    pub(crate) fn change_all(&mut self, zone: &str, changes: Vec<(&str, r53::types::ResourceRecordSet)>) {
        use r53::operation::change_resource_record_sets::{
            ChangeResourceRecordSetsInput, ChangeResourceRecordSetsOutput,
        };
        let changes = changes.into_iter().map(|(action, record)| {
            let change = r53::types::Change::builder()
                .action(r53::types::ChangeAction::from(action))
                .resource_record_set(record);
            change.build().expect("complete")
        });
        let batch = r53::types::ChangeBatch::builder().set_changes(Some(changes.collect())).build().expect("complete");
        let input = ChangeResourceRecordSetsInput::builder().hosted_zone_id(zone).change_batch(batch).build();
        let _: ChangeResourceRecordSetsOutput = self.must("us-east-1", "r53.ChangeResourceRecordSets", input);
    }

    /// A certificate whose validation records are in the zone; issued some minutes later.
    pub(crate) fn certificate(&mut self, zone: &str, region: &str, names: &[&str]) -> String {
        let rest = names[1..].iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let input = RequestCertificateInput::builder()
            .domain_name(names[0])
            .set_subject_alternative_names((!rest.is_empty()).then_some(rest))
            .validation_method(ValidationMethod::Dns)
            .build();
        let output: RequestCertificateOutput = self.must(region, "ACM.RequestCertificate", input);
        let arn = output.certificate_arn.expect("an ARN");
        self.wait_s(30);
        let input = DescribeCertificateInput::builder().certificate_arn(&arn).build();
        let output: DescribeCertificateOutput = self.must(region, "ACM.DescribeCertificate", input);
        let certificate = output.certificate.expect("a certificate");
        for option in certificate.domain_validation_options() {
            let record = option.resource_record().expect("a record");
            self.change(zone, "UPSERT", cname(&record.name, &record.value).build());
        }
        arn
    }

    /// VPC, two zones with a public and two private subnets each, gateways, routes and security groups.
    pub(crate) fn network(&mut self, region: &str, octet: u8) -> Half {
        use ec2sdk::operation as op;
        let mut half = Half { region: region.to_owned(), probe_name: format!("{region}.{ORIGIN}"), ..Half::default() };
        let input = op::create_vpc::CreateVpcInput::builder().cidr_block(format!("10.{octet}.0.0/16")).build();
        let vpc: op::create_vpc::CreateVpcOutput = self.must(region, "EC2.CreateVpc", input);
        half.vpc = vpc.vpc.and_then(|vpc| vpc.vpc_id).expect("a VPC");
        let input = op::create_internet_gateway::CreateInternetGatewayInput::builder().build();
        let gateway: op::create_internet_gateway::CreateInternetGatewayOutput =
            self.must(region, "EC2.CreateInternetGateway", input);
        let gateway = gateway.internet_gateway.and_then(|gateway| gateway.internet_gateway_id).expect("a gateway");
        let input = op::attach_internet_gateway::AttachInternetGatewayInput::builder()
            .internet_gateway_id(&gateway)
            .vpc_id(&half.vpc);
        let _: op::attach_internet_gateway::AttachInternetGatewayOutput =
            self.must(region, "EC2.AttachInternetGateway", input.build());
        let input = op::describe_availability_zones::DescribeAvailabilityZonesInput::builder().build();
        let zones: op::describe_availability_zones::DescribeAvailabilityZonesOutput =
            self.must(region, "EC2.DescribeAvailabilityZones", input);
        // VPC links are not in every zone.
        let zones = zones.availability_zones().iter().filter(|zone| zone.zone_id() != Some("use1-az3"));
        let zones: Vec<String> = zones.filter_map(|zone| zone.zone_name().map(str::to_owned)).take(2).collect();
        let public_table = self.route_table(region, &half.vpc);
        self.default_route(region, &public_table, |route| route.gateway_id(&gateway));
        for (n, zone) in zones.iter().enumerate() {
            let public = self.subnet(&half, &format!("10.{octet}.{n}.0/24"), zone);
            let private = self.subnet(&half, &format!("10.{octet}.{}.0/24", 10 + n), zone);
            self.associate(region, &public_table, &public);
            let input =
                op::allocate_address::AllocateAddressInput::builder().domain(ec2sdk::types::DomainType::Vpc).build();
            let address: op::allocate_address::AllocateAddressOutput = self.must(region, "EC2.AllocateAddress", input);
            let input = op::create_nat_gateway::CreateNatGatewayInput::builder()
                .subnet_id(&public)
                .set_allocation_id(address.allocation_id)
                .build();
            let nat: op::create_nat_gateway::CreateNatGatewayOutput = self.must(region, "EC2.CreateNatGateway", input);
            let nat = nat.nat_gateway.and_then(|nat| nat.nat_gateway_id).expect("a NAT gateway");
            let table = self.route_table(region, &half.vpc);
            let app = self.subnet(&half, &format!("10.{octet}.{}.0/24", 20 + n), zone);
            self.associate(region, &table, &private);
            self.associate(region, &table, &app);
            self.default_route(region, &table, |route| route.nat_gateway_id(&nat));
            half.public.push((public, zone.clone()));
            half.private.push((private, zone.clone()));
            half.app.push((app, zone.clone()));
            half.private_tables.push(table);
            half.nats.push(nat);
        }
        half.link_group = self.security_group(&half, "link");
        half.alb_group = self.security_group(&half, "alb");
        half.app_group = self.security_group(&half, "app");
        self.admit(region, &half.alb_group.clone(), &half.link_group.clone(), 80);
        self.admit(region, &half.app_group.clone(), &half.alb_group.clone(), 80);
        half
    }

    /// Another NAT gateway in the first zone, with the default route to it.
    pub(crate) fn replace_nat(&mut self, half: &Half) {
        use ec2sdk::operation as op;
        let input =
            op::allocate_address::AllocateAddressInput::builder().domain(ec2sdk::types::DomainType::Vpc).build();
        let address: op::allocate_address::AllocateAddressOutput =
            self.must(&half.region, "EC2.AllocateAddress", input);
        let input = op::create_nat_gateway::CreateNatGatewayInput::builder()
            .subnet_id(&half.public[0].0)
            .set_allocation_id(address.allocation_id)
            .build();
        let nat: op::create_nat_gateway::CreateNatGatewayOutput =
            self.must(&half.region, "EC2.CreateNatGateway", input);
        let nat = nat.nat_gateway.and_then(|nat| nat.nat_gateway_id).expect("a NAT gateway");
        self.default_route(&half.region, &half.private_tables[0], |route| route.nat_gateway_id(&nat));
    }

    fn subnet(&mut self, half: &Half, cidr: &str, zone: &str) -> String {
        use ec2sdk::operation::create_subnet::{CreateSubnetInput, CreateSubnetOutput};
        let input = CreateSubnetInput::builder().vpc_id(&half.vpc).cidr_block(cidr).availability_zone(zone).build();
        let output: CreateSubnetOutput = self.must(&half.region, "EC2.CreateSubnet", input);
        output.subnet.and_then(|subnet| subnet.subnet_id).expect("a subnet")
    }

    fn route_table(&mut self, region: &str, vpc: &str) -> String {
        use ec2sdk::operation::create_route_table::{CreateRouteTableInput, CreateRouteTableOutput};
        let input = CreateRouteTableInput::builder().vpc_id(vpc).build();
        let output: CreateRouteTableOutput = self.must(region, "EC2.CreateRouteTable", input);
        output.route_table.and_then(|table| table.route_table_id).expect("a table")
    }

    pub(crate) fn default_route(
        &mut self,
        region: &str,
        table: &str,
        target: impl FnOnce(
            ec2sdk::operation::create_route::builders::CreateRouteInputBuilder,
        ) -> ec2sdk::operation::create_route::builders::CreateRouteInputBuilder,
    ) {
        use ec2sdk::operation::create_route::{CreateRouteInput, CreateRouteOutput};
        let input =
            target(CreateRouteInput::builder().route_table_id(table).destination_cidr_block("0.0.0.0/0")).build();
        let _: CreateRouteOutput = self.must(region, "EC2.CreateRoute", input);
    }

    fn associate(&mut self, region: &str, table: &str, subnet: &str) {
        use ec2sdk::operation::associate_route_table::{AssociateRouteTableInput, AssociateRouteTableOutput};
        let input = AssociateRouteTableInput::builder().route_table_id(table).subnet_id(subnet).build();
        let _: AssociateRouteTableOutput = self.must(region, "EC2.AssociateRouteTable", input);
    }

    pub(crate) fn security_group(&mut self, half: &Half, name: &str) -> String {
        use ec2sdk::operation::create_security_group::{CreateSecurityGroupInput, CreateSecurityGroupOutput};
        let input = CreateSecurityGroupInput::builder().group_name(name).description(name).vpc_id(&half.vpc).build();
        let output: CreateSecurityGroupOutput = self.must(&half.region, "EC2.CreateSecurityGroup", input);
        output.group_id.expect("a group")
    }

    /// Lets one group into another on a port.
    pub(crate) fn admit(&mut self, region: &str, group: &str, peer: &str, port: i32) {
        use ec2sdk::operation::authorize_security_group_ingress::{
            AuthorizeSecurityGroupIngressInput, AuthorizeSecurityGroupIngressOutput,
        };
        let input = AuthorizeSecurityGroupIngressInput::builder()
            .group_id(group)
            .ip_permissions(from_group(peer, port))
            .build();
        let _: AuthorizeSecurityGroupIngressOutput = self.must(region, "EC2.AuthorizeSecurityGroupIngress", input);
    }

    pub(crate) fn evict(&mut self, region: &str, group: &str, peer: &str, port: i32) {
        use ec2sdk::operation::revoke_security_group_ingress::{
            RevokeSecurityGroupIngressInput, RevokeSecurityGroupIngressOutput,
        };
        let input =
            RevokeSecurityGroupIngressInput::builder().group_id(group).ip_permissions(from_group(peer, port)).build();
        let _: RevokeSecurityGroupIngressOutput = self.must(region, "EC2.RevokeSecurityGroupIngress", input);
    }

    /// Instances with nginx, the load balancer and the VPC link.
    pub(crate) fn servers(&mut self, half: &mut Half) {
        for (subnet, _) in half.app.clone() {
            let script = format!(
                "#!/bin/bash\ndnf install -y nginx\necho \"hello from {}\" > /usr/share/nginx/html/index.html\n",
                half.region
            );
            half.instances.push(self.instance(half, &subnet, Some(&script)));
        }
        let subnets: Vec<String> = half.private.iter().map(|(subnet, _)| subnet.clone()).collect();
        let input = elb::operation::create_load_balancer::CreateLoadBalancerInput::builder()
            .name("web")
            .scheme(elb::types::LoadBalancerSchemeEnum::Internal)
            .set_subnets(Some(subnets.clone()))
            .security_groups(&half.alb_group)
            .build();
        let output: elb::operation::create_load_balancer::CreateLoadBalancerOutput =
            self.must(&half.region, "elb.CreateLoadBalancer", input);
        half.balancer = output.load_balancers()[0].load_balancer_arn().expect("an ARN").to_owned();
        half.group = self.target_group(half, "web");
        half.listener = self.listener(half, 80);
        let input = apigw::operation::create_vpc_link::CreateVpcLinkInput::builder()
            .name("link")
            .set_subnet_ids(Some(subnets))
            .security_group_ids(&half.link_group)
            .build();
        let output: apigw::operation::create_vpc_link::CreateVpcLinkOutput =
            self.must(&half.region, "api.CreateVpcLink", input);
        half.link = output.vpc_link_id.expect("an id");
    }

    pub(crate) fn instance(&mut self, half: &Half, subnet: &str, user_data: Option<&str>) -> String {
        use aws_sdk_ssm::operation::get_parameter::{GetParameterInput, GetParameterOutput};
        use ec2sdk::operation::run_instances::{RunInstancesInput, RunInstancesOutput};
        let name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
        let image: GetParameterOutput =
            self.must(&half.region, "SSM.GetParameter", GetParameterInput::builder().name(name).build());
        let input = RunInstancesInput::builder()
            .set_image_id(image.parameter.and_then(|parameter| parameter.value))
            .instance_type(ec2sdk::types::InstanceType::T3Micro)
            .min_count(1)
            .max_count(1)
            .subnet_id(subnet)
            .security_group_ids(&half.app_group)
            .set_user_data(user_data.map(aws_smithy_types::base64::encode))
            .build();
        let output: RunInstancesOutput = self.must(&half.region, "EC2.RunInstances", input);
        output.instances()[0].instance_id().expect("an id").to_owned()
    }

    pub(crate) fn target_group(&mut self, half: &Half, name: &str) -> String {
        self.target_group_of(half, name, elb::types::ProtocolEnum::Http)
    }

    pub(crate) fn target_group_of(&mut self, half: &Half, name: &str, protocol: elb::types::ProtocolEnum) -> String {
        use elb::operation::create_target_group::{CreateTargetGroupInput, CreateTargetGroupOutput};
        let input = CreateTargetGroupInput::builder()
            .name(name)
            .health_check_protocol(protocol.clone())
            .protocol(protocol)
            .port(80)
            .vpc_id(&half.vpc)
            .health_check_interval_seconds(10)
            .healthy_threshold_count(2)
            .build();
        let output: CreateTargetGroupOutput = self.must(&half.region, "elb.CreateTargetGroup", input);
        output.target_groups()[0].target_group_arn().expect("an ARN").to_owned()
    }

    pub(crate) fn listener(&mut self, half: &Half, port: i32) -> String {
        use elb::operation::create_listener::{CreateListenerInput, CreateListenerOutput};
        let input = CreateListenerInput::builder()
            .load_balancer_arn(&half.balancer)
            .protocol(elb::types::ProtocolEnum::Http)
            .port(port)
            .default_actions(forward_to(&half.group))
            .build();
        let output: CreateListenerOutput = self.must(&half.region, "elb.CreateListener", input);
        output.listeners()[0].listener_arn().expect("an ARN").to_owned()
    }

    pub(crate) fn register(&mut self, half: &Half) {
        use elb::operation::register_targets::{RegisterTargetsInput, RegisterTargetsOutput};
        let targets = half.instances.iter().map(|id| elb::types::TargetDescription::builder().id(id).build()).collect();
        let input = RegisterTargetsInput::builder().target_group_arn(&half.group).set_targets(Some(targets)).build();
        let _: RegisterTargetsOutput = self.must(&half.region, "elb.RegisterTargets", input);
    }

    /// `(instance, state, reason)` of each target.
    pub(crate) fn target_health(&mut self, half: &Half) -> Vec<(String, String, Option<String>)> {
        use elb::operation::describe_target_health::{DescribeTargetHealthInput, DescribeTargetHealthOutput};
        let input = DescribeTargetHealthInput::builder().target_group_arn(&half.group).build();
        let output: DescribeTargetHealthOutput = self.must(&half.region, "elb.DescribeTargetHealth", input);
        let one = |target: &elb::types::TargetHealthDescription| {
            let health = target.target_health().expect("a health");
            let id = target.target().and_then(|target| target.id()).expect("an id").to_owned();
            let state = health.state().map_or("", |state| state.as_str()).to_owned();
            (id, state, health.reason().map(|reason| reason.as_str().to_owned()))
        };
        output.target_health_descriptions().iter().map(one).collect()
    }

    /// The API with its private integration, the two routes and the default stage.
    pub(crate) fn api(&mut self, half: &mut Half) {
        use apigw::operation as op;
        let region = half.region.clone();
        let input = op::create_api::CreateApiInput::builder()
            .name("site")
            .protocol_type(apigw::types::ProtocolType::Http)
            .build();
        let output: op::create_api::CreateApiOutput = self.must(&region, "api.CreateApi", input);
        half.api = output.api_id.expect("an id");
        let input = op::create_integration::CreateIntegrationInput::builder()
            .api_id(&half.api)
            .integration_type(apigw::types::IntegrationType::HttpProxy)
            .connection_type(apigw::types::ConnectionType::VpcLink)
            .connection_id(&half.link)
            .integration_uri(&half.listener)
            .integration_method("ANY")
            .payload_format_version("1.0")
            .build();
        let output: op::create_integration::CreateIntegrationOutput =
            self.must(&region, "api.CreateIntegration", input);
        half.integration = output.integration_id.expect("an id");
        for key in ["ANY /", "ANY /{proxy+}"] {
            self.route(half, key, |route| route);
        }
        let input = op::create_stage::CreateStageInput::builder()
            .api_id(&half.api)
            .stage_name("$default")
            .auto_deploy(true)
            .build();
        let _: op::create_stage::CreateStageOutput = self.must(&region, "api.CreateStage", input);
    }

    pub(crate) fn route(
        &mut self,
        half: &Half,
        key: &str,
        more: impl FnOnce(
            apigw::operation::create_route::builders::CreateRouteInputBuilder,
        ) -> apigw::operation::create_route::builders::CreateRouteInputBuilder,
    ) -> String {
        use apigw::operation::create_route::{CreateRouteInput, CreateRouteOutput};
        let input = CreateRouteInput::builder()
            .api_id(&half.api)
            .route_key(key)
            .target(format!("integrations/{}", half.integration));
        let output: CreateRouteOutput = self.must(&half.region, "api.CreateRoute", more(input).build());
        output.route_id.expect("an id")
    }

    pub(super) fn domains(&mut self, half: &mut Half) {
        half.origin_target = self.domain(half, ORIGIN);
        half.probe_target = self.domain(half, &half.probe_name.clone());
    }

    /// A domain name mapped to the API; answers its regional target.
    pub(crate) fn domain(&mut self, half: &Half, name: &str) -> String {
        use apigw::operation as op;
        let configuration = apigw::types::DomainNameConfiguration::builder()
            .certificate_arn(&half.certificate)
            .endpoint_type(apigw::types::EndpointType::Regional)
            .security_policy(apigw::types::SecurityPolicy::Tls12)
            .build();
        let input = op::create_domain_name::CreateDomainNameInput::builder()
            .domain_name(name)
            .domain_name_configurations(configuration)
            .build();
        let output: op::create_domain_name::CreateDomainNameOutput =
            self.must(&half.region, "api.CreateDomainName", input);
        let target = output.domain_name_configurations()[0].api_gateway_domain_name().expect("a target").to_owned();
        let input = op::create_api_mapping::CreateApiMappingInput::builder()
            .domain_name(name)
            .api_id(&half.api)
            .stage("$default")
            .build();
        let _: op::create_api_mapping::CreateApiMappingOutput = self.must(&half.region, "api.CreateApiMapping", input);
        target
    }

    /// A fast HTTPS check with a threshold of 3.
    pub(crate) fn health_check(&mut self, name: &str) -> String {
        use r53::operation::create_health_check::{CreateHealthCheckInput, CreateHealthCheckOutput};
        let config = r53::types::HealthCheckConfig::builder()
            .r#type(r53::types::HealthCheckType::Https)
            .fully_qualified_domain_name(name)
            .resource_path("/")
            .request_interval(10)
            .failure_threshold(3)
            .build()
            .expect("complete");
        let input =
            CreateHealthCheckInput::builder().caller_reference(self.reference()).health_check_config(config).build();
        let output: CreateHealthCheckOutput = self.must("us-east-1", "r53.CreateHealthCheck", input);
        output.health_check.expect("a check").id
    }

    /// `(id, domain name)` of a distribution for the alias, with an origin request policy.
    pub(crate) fn distribution(&mut self, certificate: &str, policy: &str) -> (String, String) {
        use cf::operation::create_distribution::{CreateDistributionInput, CreateDistributionOutput};
        let reference = self.reference();
        let input = CreateDistributionInput::builder()
            .distribution_config(distribution_config(&reference, certificate, policy))
            .build();
        let output: CreateDistributionOutput = self.must("us-east-1", "CloudFront.CreateDistribution", input);
        let distribution = output.distribution.expect("a distribution");
        (distribution.id, distribution.domain_name)
    }

    /// Sends the configuration of a distribution back with a change.
    pub(crate) fn update_distribution(&mut self, id: &str, change: impl FnOnce(&mut cf::types::DistributionConfig)) {
        use cf::operation::get_distribution_config::{GetDistributionConfigInput, GetDistributionConfigOutput};
        use cf::operation::update_distribution::{UpdateDistributionInput, UpdateDistributionOutput};
        let output: GetDistributionConfigOutput = self.must(
            "us-east-1",
            "CloudFront.GetDistributionConfig",
            GetDistributionConfigInput::builder().id(id).build(),
        );
        let mut config = output.distribution_config.expect("a configuration");
        change(&mut config);
        let input =
            UpdateDistributionInput::builder().id(id).set_if_match(output.e_tag).distribution_config(config).build();
        let _: UpdateDistributionOutput = self.must("us-east-1", "CloudFront.UpdateDistribution", input);
    }

    /// An alarm on a health check with a confirmed subscriber; answers the topic.
    pub(super) fn alarm(&mut self, check: &str) -> String {
        let input = sns::operation::create_topic::CreateTopicInput::builder().name("failover").build();
        let topic: sns::operation::create_topic::CreateTopicOutput = self.must("us-east-1", "SNS.CreateTopic", input);
        let topic = topic.topic_arn.expect("an ARN");
        let input = sns::operation::subscribe::SubscribeInput::builder()
            .topic_arn(&topic)
            .protocol("email")
            .endpoint("ops@example.com")
            .return_subscription_arn(true)
            .build();
        let subscription: sns::operation::subscribe::SubscribeOutput = self.must("us-east-1", "SNS.Subscribe", input);
        let subscription = subscription.subscription_arn.expect("an ARN");
        assert!(
            crate::control::sns::confirm(&mut self.world, &subscription, self.now_ms),
            "the subscription was pending"
        );
        let input = cw::operation::put_metric_alarm::PutMetricAlarmInput::builder()
            .alarm_name("primary-red")
            .namespace("AWS/Route53")
            .metric_name("HealthCheckStatus")
            .dimensions(cw::types::Dimension::builder().name("HealthCheckId").value(check).build())
            .statistic(cw::types::Statistic::Minimum)
            .period(60)
            .evaluation_periods(1)
            .threshold(1.0)
            .comparison_operator(cw::types::ComparisonOperator::LessThanThreshold)
            .alarm_actions(&topic)
            .ok_actions(&topic)
            .build();
        let _: cw::operation::put_metric_alarm::PutMetricAlarmOutput =
            self.must("us-east-1", "CloudWatch.PutMetricAlarm", input);
        topic
    }
}

pub(crate) fn forward_to(group: &str) -> elb::types::Action {
    elb::types::Action::builder().r#type(elb::types::ActionTypeEnum::Forward).target_group_arn(group).build()
}

fn from_group(peer: &str, port: i32) -> ec2sdk::types::IpPermission {
    let pair = ec2sdk::types::UserIdGroupPair::builder().group_id(peer).build();
    ec2sdk::types::IpPermission::builder()
        .ip_protocol("tcp")
        .from_port(port)
        .to_port(port)
        .user_id_group_pairs(pair)
        .build()
}

fn distribution_config(reference: &str, certificate: &str, policy: &str) -> cf::types::DistributionConfig {
    use cf::types::*;
    const SET: &str = "complete";
    let protocols = OriginSslProtocols::builder().quantity(1).items(SslProtocol::TlSv12).build().expect(SET);
    let custom = CustomOriginConfig::builder()
        .http_port(80)
        .https_port(443)
        .origin_protocol_policy(OriginProtocolPolicy::HttpsOnly)
        .origin_ssl_protocols(protocols)
        .build()
        .expect(SET);
    let origin = Origin::builder().id("site").domain_name(ORIGIN).custom_origin_config(custom).build().expect(SET);
    let all = [Method::Get, Method::Head, Method::Options, Method::Put, Method::Post, Method::Patch, Method::Delete];
    let cached = CachedMethods::builder().quantity(2).items(Method::Get).items(Method::Head).build().expect(SET);
    let methods =
        AllowedMethods::builder().quantity(7).set_items(Some(all.to_vec())).cached_methods(cached).build().expect(SET);
    let behavior = DefaultCacheBehavior::builder()
        .target_origin_id("site")
        .viewer_protocol_policy(ViewerProtocolPolicy::RedirectToHttps)
        .allowed_methods(methods)
        .cache_policy_id(CACHING_DISABLED)
        .origin_request_policy_id(policy)
        .build()
        .expect(SET);
    DistributionConfig::builder()
        .caller_reference(reference)
        .comment("the site")
        .enabled(true)
        .aliases(Aliases::builder().quantity(1).items(ALIAS).build().expect(SET))
        .origins(Origins::builder().quantity(1).items(origin).build().expect(SET))
        .default_cache_behavior(behavior)
        .viewer_certificate(
            ViewerCertificate::builder()
                .acm_certificate_arn(certificate)
                .ssl_support_method(SslSupportMethod::SniOnly)
                .minimum_protocol_version(MinimumProtocolVersion::TlSv122021)
                .build(),
        )
        .build()
        .expect(SET)
}
