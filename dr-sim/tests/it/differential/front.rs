//! What is in front of the servers of a region: load balancer, certificates, API Gateway.

use aws_sdk_acm::types::ValidationMethod;
use aws_sdk_apigatewayv2::operation::create_integration::builders::CreateIntegrationFluentBuilder;
use aws_sdk_apigatewayv2::types::{
    AuthorizationType, AuthorizerType, ConnectionType, DomainNameConfiguration, EndpointType, IntegrationType,
    JwtConfiguration, ProtocolType, SecurityPolicy,
};
use aws_sdk_elasticloadbalancingv2::Client as Elb;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, Certificate, LoadBalancerAttribute, LoadBalancerSchemeEnum, ProtocolEnum, RuleCondition,
    TargetDescription,
};
use serde_json::json;

use crate::differential::global::{Zone, cname};
use crate::differential::network::{EAST, Network, WEST};
use crate::differential::script::Script;
use crate::differential::servers::Servers;

pub(crate) const ORIGIN: &str = "origin.example.com";
pub(crate) const ALIAS: &str = "www.example.com";

/// What the other parts build on.
pub(crate) struct Front {
    balancer: String,
    group: String,
    link: String,
    api: String,
    integration: String,
    /// For the origin name, in each region.
    pub(crate) east: String,
    pub(crate) west: String,
    /// For the name that viewers use.
    pub(crate) viewer: String,
    /// The regional name of the domain in the first region, and its zone.
    pub(crate) target: (String, String),
}

pub(crate) async fn run(script: &mut Script, network: &Network, servers: &Servers, zone: &Zone) -> Front {
    let (balancer, group, listener) = balancer(script, network, servers).await;
    let (east, west, viewer) = certificates(script, zone).await;
    let (api, link, integration) = api(script, network, &listener).await;
    let target = domains(script, &api, &east, &west).await;
    Front { balancer, group, link, api, integration, east, west, viewer, target }
}

async fn balancer(script: &mut Script, network: &Network, servers: &Servers) -> (String, String, String) {
    let elb = script.clients().elbv2(EAST);
    let (group, other) = target_groups(script, &elb, &network.vpc).await;
    let [first, second, third] = &network.subnets;
    let create = |name: &str, subnets: &[&String]| {
        let subnets = subnets.iter().map(|subnet| (*subnet).clone()).collect();
        let create = elb.create_load_balancer().name(name).scheme(LoadBalancerSchemeEnum::Internal);
        create.set_subnets(Some(subnets)).security_groups(&network.alb)
    };
    script.ask("elbv2 CreateLoadBalancer: one subnet", create("web", &[first]).send()).await;
    script.ask("elbv2 CreateLoadBalancer: two subnets of one zone", create("web", &[first, third]).send()).await;
    let unknown = "subnet-0123456789abcdef0".to_owned();
    script.ask("elbv2 CreateLoadBalancer: unknown subnet", create("web", &[first, &unknown]).send()).await;
    let call = create("web", &[first, second]).security_groups("sg-0123456789abcdef0").send();
    script.ask("elbv2 CreateLoadBalancer: unknown group", call).await;
    script.ask("elbv2 CreateLoadBalancer: a name of 33", create(&"w".repeat(33), &[first, second]).send()).await;
    script.ask("elbv2 CreateLoadBalancer: a name with a dot", create("web.site", &[first, second]).send()).await;
    script.ask("elbv2 CreateLoadBalancer: called internal-", create("internal-web", &[first, second]).send()).await;
    let balancer = script
        .must("elbv2 CreateLoadBalancer", create("web", &[first, second]).send(), |symbols, answer| {
            let balancer = &answer.load_balancers()[0];
            symbols.learn("balancer", balancer.load_balancer_arn().unwrap());
            json!({ "state": balancer.state().and_then(|state| state.code()).map(|code| code.as_str()),
                "scheme": balancer.scheme().map(|scheme| scheme.as_str()), "zones": balancer.availability_zones().len(),
                "type": balancer.r#type().map(|kind| kind.as_str()), "vpc": balancer.vpc_id(),
                "groups": balancer.security_groups(),
                "internal": balancer.dns_name().is_some_and(|name| name.starts_with("internal-web-")) })
        })
        .await;
    let balancer = balancer.load_balancers()[0].load_balancer_arn().unwrap().to_owned();
    script
        .look("elbv2 CreateLoadBalancer: the same again", create("web", &[first, second]).send(), |answer| {
            json!(answer.load_balancers()[0].load_balancer_arn())
        })
        .await;
    let public = create("web", &[first, second]).scheme(LoadBalancerSchemeEnum::InternetFacing).send();
    script.ask("elbv2 CreateLoadBalancer: the same name for something else", public).await;
    script
        .ask("elbv2 DescribeLoadBalancers: unknown name", elb.describe_load_balancers().names("nothing").send())
        .await;

    let listener = listeners(script, &elb, &balancer, &group, &other).await;
    let find = async || elb.describe_load_balancers().load_balancer_arns(&balancer).send().await;
    script
        .until("a load balancer", find, |answer| {
            let state = answer.load_balancers()[0].state().and_then(|state| state.code());
            state.is_some_and(|code| code.as_str() == "active")
        })
        .await;
    let register = |id: &str| {
        let target = TargetDescription::builder().id(id).build();
        elb.register_targets().target_group_arn(&group).targets(target).send()
    };
    script.ask("elbv2 RegisterTargets: unknown instance", register("i-0123456789abcdef0")).await;
    script.must("elbv2 RegisterTargets", register(&servers.instance), |_, _| json!(true)).await;
    script.ask("elbv2 RegisterTargets: again", register(&servers.instance)).await;
    let health = |group: &str| elb.describe_target_health().target_group_arn(group).send();
    script
        .look("elbv2 DescribeTargetHealth: just registered", health(&group), |answer| {
            let targets = answer.target_health_descriptions().iter();
            json!(
                targets
                    .map(|it| (
                        it.target().and_then(|target| target.id()),
                        it.target().and_then(|t| t.port()),
                        it.target_health().and_then(|health| health.state()).map(|s| s.as_str())
                    ))
                    .collect::<Vec<_>>()
            )
        })
        .await;
    let stranger = TargetDescription::builder().id("i-0123456789abcdef0").build();
    let call = elb.deregister_targets().target_group_arn(&other).targets(stranger).send();
    script.ask("elbv2 DeregisterTargets: never registered", call).await;
    (balancer, group, listener)
}

async fn target_groups(script: &mut Script, elb: &Elb, vpc: &str) -> (String, String) {
    let create = |name: &str| elb.create_target_group().name(name).protocol(ProtocolEnum::Http).port(80).vpc_id(vpc);
    let mut made = Vec::new();
    for (step, name) in [("elbv2 CreateTargetGroup", "web"), ("elbv2 CreateTargetGroup: a second one", "other")] {
        let answer = script
            .must(step, create(name).send(), |symbols, answer| {
                let group = &answer.target_groups()[0];
                symbols.learn("targets", group.target_group_arn().unwrap());
                json!({ "type": group.target_type().map(|kind| kind.as_str()), "path": group.health_check_path(),
                    "every": group.health_check_interval_seconds(), "within": group.health_check_timeout_seconds(),
                    "healthy": group.healthy_threshold_count(), "unhealthy": group.unhealthy_threshold_count(),
                    "matcher": group.matcher().and_then(|matcher| matcher.http_code()),
                    "version": group.protocol_version(), "port": group.health_check_port() })
            })
            .await;
        made.push(answer.target_groups()[0].target_group_arn().unwrap().to_owned());
    }
    script
        .look("elbv2 CreateTargetGroup: the same again", create("web").send(), |answer| {
            json!(answer.target_groups()[0].target_group_arn())
        })
        .await;
    script.ask("elbv2 CreateTargetGroup: the same name for something else", create("web").port(81).send()).await;
    script.ask("elbv2 CreateTargetGroup: a name of 33", create(&"w".repeat(33)).send()).await;
    script.ask("elbv2 CreateTargetGroup: a name that ends in -", create("web-").send()).await;
    script.ask("elbv2 CreateTargetGroup: unknown VPC", create("new").vpc_id("vpc-0123456789abcdef0").send()).await;
    script.ask("elbv2 CreateTargetGroup: port 0", create("new").port(0).send()).await;
    let every = create("new").health_check_interval_seconds(3);
    script.ask("elbv2 CreateTargetGroup: health checks every 3 s", every.send()).await;
    let unknown = elb.describe_target_groups().names("nothing").send();
    script.ask("elbv2 DescribeTargetGroups: unknown name", unknown).await;
    (made[0].clone(), made[1].clone())
}

async fn listeners(script: &mut Script, elb: &Elb, balancer: &str, group: &str, other: &str) -> String {
    let forward = |group: &str| Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(group).build();
    let create = |port: i32, group: &str| {
        let create = elb.create_listener().load_balancer_arn(balancer).protocol(ProtocolEnum::Http).port(port);
        create.default_actions(forward(group))
    };
    let listener = script
        .must("elbv2 CreateListener", create(80, group).send(), |symbols, answer| {
            let listener = &answer.listeners()[0];
            symbols.learn("listener", listener.listener_arn().unwrap());
            json!({ "port": listener.port(), "protocol": listener.protocol().map(|protocol| protocol.as_str()),
                "actions": listener.default_actions().len() })
        })
        .await;
    let listener = listener.listeners()[0].listener_arn().unwrap().to_owned();
    script
        .look("elbv2 CreateListener: the same again", create(80, group).send(), |answer| {
            json!(answer.listeners()[0].listener_arn())
        })
        .await;
    script.ask("elbv2 CreateListener: the same port for something else", create(80, other).send()).await;
    let https = create(443, group).protocol(ProtocolEnum::Https);
    script.ask("elbv2 CreateListener: HTTPS without a certificate", https.clone().send()).await;
    let nothing = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000";
    let unknown = https.certificates(Certificate::builder().certificate_arn(nothing).build()).send();
    script.ask("elbv2 CreateListener: unknown certificate", unknown).await;
    let unknown = group.replace("/web/", "/nothing/");
    script.ask("elbv2 CreateListener: unknown target group", create(81, &unknown).send()).await;
    let unknown = create(81, group).load_balancer_arn(balancer.replace("/web/", "/nothing/")).send();
    script.ask("elbv2 CreateListener: unknown load balancer", unknown).await;
    script.ask("elbv2 CreateListener: port 70000", create(70_000, group).send()).await;
    let bare = elb.create_listener().load_balancer_arn(balancer).protocol(ProtocolEnum::Http).port(82);
    let bare = bare.set_default_actions(Some(Vec::new())).send();
    script.ask("elbv2 CreateListener: no action", bare).await;

    let path = |path: &str| RuleCondition::builder().field("path-pattern").values(path).build();
    let rule = |priority: i32, group: &str| {
        elb.create_rule().listener_arn(&listener).priority(priority).conditions(path("/a/*")).actions(forward(group))
    };
    script
        .must(
            "elbv2 CreateRule",
            rule(10, other).send(),
            |_, answer| json!({ "priority": answer.rules()[0].priority(), "default": answer.rules()[0].is_default() }),
        )
        .await;
    script.ask("elbv2 CreateRule: the same priority", rule(10, group).send()).await;
    script.ask("elbv2 CreateRule: priority 0", rule(0, group).send()).await;
    script.ask("elbv2 CreateRule: priority 50001", rule(50_001, group).send()).await;
    script.ask("elbv2 CreateRule: unknown target group", rule(11, &unknown_group(group)).send()).await;
    let rules = elb.describe_rules().listener_arn(&listener).send();
    script
        .look("elbv2 DescribeRules", rules, |answer| {
            let rules = answer.rules().iter().filter(|rule| matches!(rule.priority(), Some("10" | "default")));
            json!(rules.map(|rule| (rule.priority(), rule.is_default())).collect::<Vec<_>>())
        })
        .await;
    listener
}

fn unknown_group(group: &str) -> String {
    group.replace("/web/", "/nothing/")
}

/// Certificates that are validated in the zone, for the origin in both regions and for the viewers.
async fn certificates(script: &mut Script, zone: &Zone) -> (String, String, String) {
    let mut made = Vec::new();
    for (step, region, name) in [
        ("acm RequestCertificate", EAST, ORIGIN),
        ("acm RequestCertificate: in another region", WEST, ORIGIN),
        ("acm RequestCertificate: for viewers", EAST, ALIAS),
    ] {
        let acm = script.clients().acm(region);
        let request = acm.request_certificate().domain_name(name).validation_method(ValidationMethod::Dns);
        let request = request.idempotency_token(format!("token{}", made.len()));
        let answer = script
            .must(step, request.clone().send(), |symbols, answer| {
                symbols.learn("certificate", answer.certificate_arn().unwrap());
                json!(true)
            })
            .await;
        let arn = answer.certificate_arn.unwrap();
        if made.is_empty() {
            script
                .look("acm RequestCertificate: the same token", request.send(), |answer| {
                    json!(answer.certificate_arn())
                })
                .await;
        }
        let describe = async || acm.describe_certificate().certificate_arn(&arn).send().await;
        let described = script
            .until("a validation record", describe, |answer| {
                answer
                    .certificate()
                    .unwrap()
                    .domain_validation_options()
                    .iter()
                    .all(|it| it.resource_record().is_some())
            })
            .await;
        if made.is_empty() {
            script
                .look("acm DescribeCertificate: pending", describe(), |answer| {
                    let certificate = answer.certificate().unwrap();
                    json!({ "status": certificate.status().map(|status| status.as_str()),
                        "type": certificate.r#type().map(|kind| kind.as_str()), "names": certificate.subject_alternative_names(),
                        "algorithm": certificate.key_algorithm().map(|algorithm| algorithm.as_str()),
                        "in_use": certificate.in_use_by().len() })
                })
                .await;
            let domain = script.clients().apigatewayv2(EAST).create_domain_name().domain_name(ORIGIN);
            let pending = domain.domain_name_configurations(configuration(&arn)).send();
            script.ask("apigatewayv2 CreateDomainName: a pending certificate", pending).await;
        }
        for option in described.certificate().unwrap().domain_validation_options() {
            let record = option.resource_record().unwrap();
            zone.upsert(script, cname(&record.name, &record.value).build().unwrap()).await;
        }
        script
            .until("a certificate", describe, |answer| {
                answer.certificate().unwrap().status().is_some_and(|status| status.as_str() == "ISSUED")
            })
            .await;
        made.push(arn);
    }
    let acm = script.clients().acm(EAST);
    let nothing = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000";
    script.ask("acm DescribeCertificate: unknown", acm.describe_certificate().certificate_arn(nothing).send()).await;
    script.ask("acm DescribeCertificate: not an ARN", acm.describe_certificate().certificate_arn("one").send()).await;
    let elsewhere = acm.describe_certificate().certificate_arn(&made[1]).send();
    script.ask("acm DescribeCertificate: of another region", elsewhere).await;
    script.ask("acm DeleteCertificate: unknown", acm.delete_certificate().certificate_arn(nothing).send()).await;
    let wrong = acm.request_certificate().domain_name("not_a_name").validation_method(ValidationMethod::Dns);
    script.ask("acm RequestCertificate: not a name", wrong.send()).await;
    let wrong = acm.request_certificate().domain_name(ALIAS).idempotency_token("with a blank").send();
    script.ask("acm RequestCertificate: a token with a blank", wrong).await;
    let [east, west, viewer] = made.try_into().unwrap();
    (east, west, viewer)
}

fn configuration(certificate: &str) -> DomainNameConfiguration {
    let configuration = DomainNameConfiguration::builder().certificate_arn(certificate);
    configuration.endpoint_type(EndpointType::Regional).security_policy(SecurityPolicy::Tls12).build()
}

async fn api(script: &mut Script, network: &Network, listener: &str) -> (String, String, String) {
    let gateway = script.clients().apigatewayv2(EAST);
    let api = script
        .must(
            "apigatewayv2 CreateApi",
            gateway.create_api().name("site").protocol_type(ProtocolType::Http).send(),
            |symbols, answer| {
                symbols.learn("api", answer.api_id().unwrap());
                json!({ "endpoint": answer.api_endpoint(), "routes": answer.route_selection_expression(),
                    "keys": answer.api_key_selection_expression(), "disabled": answer.disable_execute_api_endpoint(),
                    "protocol": answer.protocol_type().map(|protocol| protocol.as_str()) })
            },
        )
        .await;
    let api = api.api_id.unwrap();
    script.ask("apigatewayv2 GetApi: unknown", gateway.get_api().api_id("0123456789").send()).await;
    let long = gateway.create_api().name("n".repeat(129)).protocol_type(ProtocolType::Http).send();
    script.ask("apigatewayv2 CreateApi: a name of 129", long).await;

    let link =
        |subnet: &str, group: &str| gateway.create_vpc_link().name("link").subnet_ids(subnet).security_group_ids(group);
    let (subnet, group) = (&network.subnets[0], &network.link);
    let unknown = link("subnet-0123456789abcdef0", group).send();
    script.ask("apigatewayv2 CreateVpcLink: unknown subnet", unknown).await;
    let unknown = link(subnet, "sg-0123456789abcdef0").send();
    script.ask("apigatewayv2 CreateVpcLink: unknown group", unknown).await;
    let made = script
        .must("apigatewayv2 CreateVpcLink", link(subnet, group).send(), |symbols, answer| {
            symbols.learn("link", answer.vpc_link_id().unwrap());
            json!({ "status": answer.vpc_link_status().map(|status| status.as_str()), "subnets": answer.subnet_ids(),
                "groups": answer.security_group_ids(), "version": answer.vpc_link_version().map(|it| it.as_str()) })
        })
        .await;
    let link = made.vpc_link_id.unwrap();
    let integration = integrations(script, &gateway, &api, &link, listener).await;
    let find = async || gateway.get_vpc_link().vpc_link_id(&link).send().await;
    script
        .until("a VPC link", find, |answer| {
            answer.vpc_link_status().is_some_and(|status| status.as_str() == "AVAILABLE")
        })
        .await;
    // Its subnets and groups cannot be changed: the operation takes a name and nothing else.
    let renamed = gateway.update_vpc_link().vpc_link_id(&link).name("other").send();
    script
        .look("apigatewayv2 UpdateVpcLink", renamed, |answer| {
            json!({ "name": answer.name(), "subnets": answer.subnet_ids(), "groups": answer.security_group_ids() })
        })
        .await;
    script.ask("apigatewayv2 GetVpcLink: unknown", gateway.get_vpc_link().vpc_link_id("abcdef").send()).await;
    script.ask("apigatewayv2 DeleteVpcLink: unknown", gateway.delete_vpc_link().vpc_link_id("abcdef").send()).await;
    routes(script, &gateway, &api, &integration).await;
    (api, link, integration)
}

async fn integrations(
    script: &mut Script,
    gateway: &aws_sdk_apigatewayv2::Client,
    api: &str,
    link: &str,
    listener: &str,
) -> String {
    let create = || -> CreateIntegrationFluentBuilder {
        let create = gateway.create_integration().api_id(api).integration_type(IntegrationType::HttpProxy);
        let create = create.connection_type(ConnectionType::VpcLink).connection_id(link).integration_uri(listener);
        create.integration_method("ANY").payload_format_version("1.0")
    };
    script.ask("apigatewayv2 CreateIntegration: unknown link", create().connection_id("abcdef").send()).await;
    script.ask("apigatewayv2 CreateIntegration: payload 2.0", create().payload_format_version("2.0").send()).await;
    script.ask("apigatewayv2 CreateIntegration: a timeout of 31 s", create().timeout_in_millis(31_000).send()).await;
    let address = create().integration_uri("https://www.example.com").send();
    script.ask("apigatewayv2 CreateIntegration: a link to an address", address).await;
    script.ask("apigatewayv2 CreateIntegration: unknown API", create().api_id("0123456789").send()).await;
    script.ask("apigatewayv2 CreateIntegration: unknown method", create().integration_method("FETCH").send()).await;
    let made = script
        .must("apigatewayv2 CreateIntegration", create().send(), |symbols, answer| {
            symbols.learn("integration", answer.integration_id().unwrap());
            json!({ "uri": answer.integration_uri(), "link": answer.connection_id(), "timeout": answer.timeout_in_millis(),
                "method": answer.integration_method(), "version": answer.payload_format_version() })
        })
        .await;
    made.integration_id.unwrap()
}

async fn routes(script: &mut Script, gateway: &aws_sdk_apigatewayv2::Client, api: &str, integration: &str) {
    let target = format!("integrations/{integration}");
    let route = |key: &str| gateway.create_route().api_id(api).route_key(key).target(&target);
    script
        .must("apigatewayv2 CreateRoute", route("ANY /{proxy+}").send(), |_, answer| {
            json!({ "key": answer.route_key(), "target": answer.target(), "managed": answer.api_gateway_managed(),
                "authorization": answer.authorization_type().map(|kind| kind.as_str()),
                "key_required": answer.api_key_required() })
        })
        .await;
    script.ask("apigatewayv2 CreateRoute: the same key", route("ANY /{proxy+}").send()).await;
    script.ask("apigatewayv2 CreateRoute: the default", route("$default").send()).await;
    script.ask("apigatewayv2 CreateRoute: unknown method", route("FETCH /").send()).await;
    script.ask("apigatewayv2 CreateRoute: no slash", route("GET orders").send()).await;
    script.ask("apigatewayv2 CreateRoute: greedy in the middle", route("GET /{proxy+}/orders").send()).await;
    script
        .ask("apigatewayv2 CreateRoute: unknown integration", route("GET /a").target("integrations/abcdefg").send())
        .await;
    script.ask("apigatewayv2 CreateRoute: unknown API", route("GET /a").api_id("0123456789").send()).await;
    let jwt = route("GET /a").authorization_type(AuthorizationType::Jwt).send();
    script.ask("apigatewayv2 CreateRoute: JWT without an authorizer", jwt).await;
    let authorizer = gateway.create_authorizer().api_id(api).name("users").authorizer_type(AuthorizerType::Jwt);
    let authorizer = authorizer.identity_source("$request.header.Authorization");
    script.ask("apigatewayv2 CreateAuthorizer: no issuer", authorizer.clone().send()).await;
    let issuer = JwtConfiguration::builder().issuer("https://issuer.example.com").audience("shop").build();
    let made = script
        .must("apigatewayv2 CreateAuthorizer", authorizer.jwt_configuration(issuer).send(), |symbols, answer| {
            symbols.learn("authorizer", answer.authorizer_id().unwrap());
            json!({ "type": answer.authorizer_type().map(|kind| kind.as_str()), "sources": answer.identity_source() })
        })
        .await;
    let authorizer = made.authorizer_id.unwrap();
    let guarded = route("GET /guarded").authorization_type(AuthorizationType::Jwt).authorizer_id(&authorizer).send();
    script.ask("apigatewayv2 CreateRoute: with an authorizer", guarded).await;
    let delete = gateway.delete_authorizer().api_id(api).authorizer_id(&authorizer).send();
    script.ask("apigatewayv2 DeleteAuthorizer: of a route", delete).await;
    let delete = gateway.delete_integration().api_id(api).integration_id(integration).send();
    script.ask("apigatewayv2 DeleteIntegration: of a route", delete).await;

    let stage = |name: &str| gateway.create_stage().api_id(api).stage_name(name).auto_deploy(true);
    script
        .must("apigatewayv2 CreateStage", stage("$default").send(), |_, answer| {
            json!({ "name": answer.stage_name(), "auto": answer.auto_deploy(), "managed": answer.api_gateway_managed() })
        })
        .await;
    script.ask("apigatewayv2 CreateStage: the same name", stage("$default").send()).await;
    script.ask("apigatewayv2 CreateStage: a name with a dot", stage("v1.0").send()).await;
    let unknown = gateway.get_stage().api_id(api).stage_name("nothing").send();
    script.ask("apigatewayv2 GetStage: unknown", unknown).await;
    let unknown = gateway.delete_route().api_id(api).route_id("abcdefg").send();
    script.ask("apigatewayv2 DeleteRoute: unknown", unknown).await;
}

/// The same name in both regions, mapped to the API in the first.
async fn domains(script: &mut Script, api: &str, east: &str, west: &str) -> (String, String) {
    let gateway = script.clients().apigatewayv2(EAST);
    let create = |name: &str, certificate: &str| {
        gateway.create_domain_name().domain_name(name).domain_name_configurations(configuration(certificate)).send()
    };
    script.ask("apigatewayv2 CreateDomainName: a certificate of another region", create(ORIGIN, west)).await;
    let nothing = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000";
    script.ask("apigatewayv2 CreateDomainName: unknown certificate", create(ORIGIN, nothing)).await;
    script.ask("apigatewayv2 CreateDomainName: a certificate for another name", create("api.example.com", east)).await;
    let mut target = None;
    for (step, region, certificate) in [
        ("apigatewayv2 CreateDomainName", EAST, east),
        ("apigatewayv2 CreateDomainName: the same in another region", WEST, west),
    ] {
        let create = script.clients().apigatewayv2(region).create_domain_name().domain_name(ORIGIN);
        let answer = script
            .must(step, create.domain_name_configurations(configuration(certificate)).send(), |_, answer| {
                let domain = &answer.domain_name_configurations()[0];
                let (target, suffix) = (domain.api_gateway_domain_name().unwrap(), format!(".execute-api.{region}.amazonaws.com"));
                json!({ "regional": target.starts_with("d-") && target.ends_with(&suffix), "zone": domain.hosted_zone_id(),
                    "status": domain.domain_name_status().map(|status| status.as_str()),
                    "type": domain.endpoint_type().map(|kind| kind.as_str()),
                    "policy": domain.security_policy().map(|policy| policy.as_str()),
                    "certificate": domain.certificate_arn() })
            })
            .await;
        let domain = answer.domain_name_configurations()[0].clone();
        target.get_or_insert((domain.api_gateway_domain_name.unwrap(), domain.hosted_zone_id.unwrap()));
    }
    script.ask("apigatewayv2 CreateDomainName: the same name", create(ORIGIN, east)).await;
    script
        .ask("apigatewayv2 GetDomainName: unknown", gateway.get_domain_name().domain_name("nothing.example.com").send())
        .await;

    let map = |stage: &str| gateway.create_api_mapping().domain_name(ORIGIN).api_id(api).stage(stage);
    script.ask("apigatewayv2 CreateApiMapping: unknown stage", map("nothing").send()).await;
    script.ask("apigatewayv2 CreateApiMapping: unknown API", map("$default").api_id("0123456789").send()).await;
    script
        .ask("apigatewayv2 CreateApiMapping: unknown name", map("$default").domain_name("no.example.com").send())
        .await;
    script
        .must(
            "apigatewayv2 CreateApiMapping",
            map("$default").send(),
            |_, answer| json!({ "api": answer.api_id(), "stage": answer.stage() }),
        )
        .await;
    script.ask("apigatewayv2 CreateApiMapping: the same key", map("$default").send()).await;
    script
        .ask("apigatewayv2 CreateApiMapping: a key with a blank", map("$default").api_mapping_key("a b").send())
        .await;
    script.ask("apigatewayv2 DeleteApi: mapped", gateway.delete_api().api_id(api).send()).await;
    let delete = gateway.delete_stage().api_id(api).stage_name("$default").send();
    script.ask("apigatewayv2 DeleteStage: mapped", delete).await;
    target.unwrap()
}

/// What is in use, and what is not any more.
pub(crate) async fn in_use(script: &mut Script, network: &Network, front: &Front) {
    let (ec2, elb, acm) = (&network.ec2, script.clients().elbv2(EAST), script.clients().acm(EAST));
    let gateway = script.clients().apigatewayv2(EAST);
    let certificate = acm.delete_certificate().certificate_arn(&front.east).send();
    script.ask("acm DeleteCertificate: of a domain name", certificate).await;
    let certificate = acm.delete_certificate().certificate_arn(&front.viewer).send();
    script.ask("acm DeleteCertificate: of a deleted distribution", certificate).await;
    let group = elb.delete_target_group().target_group_arn(&front.group).send();
    script.ask("elbv2 DeleteTargetGroup: of a listener", group).await;
    let delete = |subnet: &str| ec2.delete_subnet().subnet_id(subnet).send();
    script.ask("ec2 DeleteSubnet: of a load balancer", delete(&network.subnets[1])).await;
    let group = |group: &str| ec2.delete_security_group().group_id(group).send();
    script.ask("ec2 DeleteSecurityGroup: of a VPC link", group(&network.link)).await;
    let protect = |on: &str| {
        let protected = LoadBalancerAttribute::builder().key("deletion_protection.enabled").value(on).build();
        elb.modify_load_balancer_attributes().load_balancer_arn(&front.balancer).attributes(protected).send()
    };
    script.ask("elbv2 ModifyLoadBalancerAttributes", protect("true")).await;
    let delete = || elb.delete_load_balancer().load_balancer_arn(&front.balancer).send();
    script.ask("elbv2 DeleteLoadBalancer: protected", delete()).await;
    script.ask("elbv2 ModifyLoadBalancerAttributes: off", protect("false")).await;
    script.ask("elbv2 DeleteLoadBalancer", delete()).await;
    script.ask("elbv2 DeleteLoadBalancer: again", delete()).await;
    let group = elb.delete_target_group().target_group_arn(&front.group).send();
    script.ask("elbv2 DeleteTargetGroup: of a deleted listener", group).await;
    let group = || elb.delete_target_group().target_group_arn(&front.group).send();
    script.ask("elbv2 DeleteTargetGroup: again", group()).await;

    let link = || gateway.delete_vpc_link().vpc_link_id(&front.link).send();
    script.ask("apigatewayv2 DeleteVpcLink: of an integration", link()).await;
    script
        .ask("apigatewayv2 DeleteDomainName: with a mapping", gateway.delete_domain_name().domain_name(ORIGIN).send())
        .await;
    script.ask("apigatewayv2 DeleteDomainName: again", gateway.delete_domain_name().domain_name(ORIGIN).send()).await;
    script.ask("apigatewayv2 DeleteApi", gateway.delete_api().api_id(&front.api).send()).await;
    script.ask("apigatewayv2 DeleteApi: again", gateway.delete_api().api_id(&front.api).send()).await;
    let gone = gateway.get_integration().api_id(&front.api).integration_id(&front.integration).send();
    script.ask("apigatewayv2 GetIntegration: of a deleted API", gone).await;

    let nat = ec2.delete_nat_gateway().nat_gateway_id(&network.nat).send();
    script.ask("ec2 DeleteNatGateway", nat).await;
    let find = async || ec2.describe_nat_gateways().nat_gateway_ids(&network.nat).send().await;
    script
        .until("a deleted NAT gateway", find, |answer| {
            answer.nat_gateways()[0].state().is_some_and(|state| state.as_str() == "deleted")
        })
        .await;
    let tables = ec2
        .describe_route_tables()
        .filters(crate::differential::network::filter("route.nat-gateway-id", &network.nat))
        .send();
    script
        .look("ec2 DescribeRouteTables: the route to a deleted NAT gateway", tables, |answer| {
            let routes = answer.route_tables().iter().flat_map(|table| table.routes());
            let routes = routes.filter(|route| route.nat_gateway_id().is_some());
            json!(routes.map(|route| route.state().map(|state| state.as_str())).collect::<Vec<_>>())
        })
        .await;
    let release = ec2.release_address().allocation_id(&network.address).send();
    script.ask("ec2 ReleaseAddress", release).await;
    let detach = ec2.detach_internet_gateway().internet_gateway_id(&network.gateway).vpc_id(&network.vpc).send();
    script.ask("ec2 DetachInternetGateway", detach).await;
}
