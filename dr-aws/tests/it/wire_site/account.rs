//! Everything that an account has, listed through the SDK: what a site leaves behind is the difference of two lists.

use std::collections::BTreeSet;

use dr_aws::Aws;

/// The regions of the tests.
pub(crate) const REGIONS: [&str; 2] = ["us-east-1", "us-west-2"];

/// Every object in both regions and the global services, as `region kind id`. A terminated instance and a deleted NAT gateway,
/// which are listed for a while, are gone.
pub(crate) async fn everything(aws: &Aws) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for region in REGIONS {
        let mut add = |kind: &str, ids: Vec<Option<&str>>| {
            all.extend(ids.into_iter().map(|id| format!("{region} {kind} {}", id.expect("each has an id"))));
        };
        network(aws, region, &mut add).await;
        front(aws, region, &mut add).await;
    }
    global(aws, &mut |kind, ids| {
        all.extend(ids.into_iter().map(|id| format!("global {kind} {}", id.expect("each has an id"))));
    })
    .await;
    all
}

/// EC2 and Elastic Load Balancing.
async fn network(aws: &Aws, region: &str, add: &mut impl FnMut(&str, Vec<Option<&str>>)) {
    let ec2 = aws.ec2(region);
    macro_rules! list {
        ($client:ident $operation:ident $items:ident $id:ident) => {{
            let answer =
                $client.$operation().send().await.unwrap_or_else(|e| panic!("{}: {e:?}", stringify!($operation)));
            assert!(answer.next_token().is_none(), "{} has more pages", stringify!($operation));
            add(stringify!($items), answer.$items().iter().map(|item| item.$id()).collect());
        }};
    }
    list!(ec2 describe_vpcs vpcs vpc_id);
    list!(ec2 describe_subnets subnets subnet_id);
    list!(ec2 describe_internet_gateways internet_gateways internet_gateway_id);
    list!(ec2 describe_route_tables route_tables route_table_id);
    list!(ec2 describe_security_groups security_groups group_id);
    list!(ec2 describe_security_group_rules security_group_rules security_group_rule_id);
    list!(ec2 describe_network_acls network_acls network_acl_id);
    list!(ec2 describe_network_interfaces network_interfaces network_interface_id);
    list!(ec2 describe_volumes volumes volume_id);
    list!(ec2 describe_vpc_endpoints vpc_endpoints vpc_endpoint_id);
    let addresses = ec2.describe_addresses().send().await.expect("addresses");
    add("address", addresses.addresses().iter().map(|address| address.allocation_id()).collect());
    let gateways = ec2.describe_nat_gateways().send().await.expect("NAT gateways");
    let gateways =
        gateways.nat_gateways().iter().filter(|nat| nat.state().is_some_and(|state| state.as_str() != "deleted"));
    add("nat", gateways.map(|nat| nat.nat_gateway_id()).collect());
    let instances = ec2.describe_instances().send().await.expect("instances");
    let instances = instances.reservations().iter().flat_map(|reservation| reservation.instances());
    let state = |instance: &aws_sdk_ec2::types::Instance| instance.state()?.name().map(|name| name.as_str().to_owned());
    let instances = instances.filter(|instance| state(instance).as_deref() != Some("terminated"));
    add("instance", instances.map(|instance| instance.instance_id()).collect());

    let elb = aws.elbv2(region);
    let answer = elb.describe_load_balancers().send().await.expect("load balancers");
    add("load balancer", answer.load_balancers().iter().map(|alb| alb.load_balancer_arn()).collect());
    let answer = elb.describe_target_groups().send().await.expect("target groups");
    add("target group", answer.target_groups().iter().map(|group| group.target_group_arn()).collect());
}

/// What is in front of a region.
async fn front(aws: &Aws, region: &str, add: &mut impl FnMut(&str, Vec<Option<&str>>)) {
    let gateway = aws.apigatewayv2(region);
    let answer = gateway.get_apis().send().await.expect("APIs");
    add("api", answer.items().iter().map(|api| api.api_id()).collect());
    for api in answer.items().iter().filter_map(|api| api.api_id()) {
        let answer = gateway.get_integrations().api_id(api).send().await.expect("integrations");
        add("integration", answer.items().iter().map(|integration| integration.integration_id()).collect());
        let answer = gateway.get_routes().api_id(api).send().await.expect("routes");
        add("route", answer.items().iter().map(|route| route.route_id()).collect());
    }
    let answer = gateway.get_vpc_links().send().await.expect("VPC links");
    add("vpc link", answer.items().iter().map(|link| link.vpc_link_id()).collect());
    let answer = gateway.get_domain_names().send().await.expect("domain names");
    add("domain", answer.items().iter().map(|domain| domain.domain_name()).collect());
    let answer = aws.acm(region).list_certificates().send().await.expect("certificates");
    add(
        "certificate",
        answer.certificate_summary_list().iter().map(|certificate| certificate.certificate_arn()).collect(),
    );
    let answer = aws.cloudwatch(region).describe_alarms().send().await.expect("alarms");
    add("alarm", answer.metric_alarms().iter().map(|alarm| alarm.alarm_name()).collect());
    let answer = aws.sns(region).list_topics().send().await.expect("topics");
    add("topic", answer.topics().iter().map(|topic| topic.topic_arn()).collect());
    let answer = aws.sns(region).list_subscriptions().send().await.expect("subscriptions");
    // Its ARN may be the word "PendingConfirmation".
    let name = |of: &aws_sdk_sns::types::Subscription| Some(format!("{}&{}", of.topic_arn()?, of.endpoint()?));
    let names: Vec<_> = answer.subscriptions().iter().map(name).collect();
    add("subscription", names.iter().map(Option::as_deref).collect());
}

async fn global(aws: &Aws, add: &mut impl FnMut(&str, Vec<Option<&str>>)) {
    let iam = aws.iam();
    let answer = iam.list_roles().send().await.expect("roles");
    add("role", answer.roles().iter().map(|role| Some(role.role_name())).collect());
    let answer = iam.list_instance_profiles().send().await.expect("instance profiles");
    add("profile", answer.instance_profiles().iter().map(|profile| Some(profile.instance_profile_name())).collect());
    let route53 = aws.route53();
    let answer = route53.list_hosted_zones().send().await.expect("hosted zones");
    add("zone", answer.hosted_zones().iter().map(|zone| Some(zone.id())).collect());
    for zone in answer.hosted_zones() {
        let answer = route53.list_resource_record_sets().hosted_zone_id(zone.id()).send().await.expect("records");
        let names: Vec<_> = answer
            .resource_record_sets()
            .iter()
            .map(|set| format!("{} {} {}", set.name(), set.r#type(), set.set_identifier().unwrap_or("-")))
            .collect();
        add("record", names.iter().map(|name| Some(name.as_str())).collect());
    }
    let answer = route53.list_health_checks().send().await.expect("health checks");
    add("health check", answer.health_checks().iter().map(|check| Some(check.id())).collect());
    let answer = aws.cloudfront().list_distributions().send().await.expect("distributions");
    let distributions = answer.distribution_list().map(|list| list.items()).unwrap_or_default();
    add("distribution", distributions.iter().map(|distribution| Some(distribution.id())).collect());
}
