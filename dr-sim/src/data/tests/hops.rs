//! Each hop between the endpoint and the instance, cut.

use aws_sdk_apigatewayv2 as apigw;
use aws_sdk_ec2 as ec2sdk;

use super::super::testing::{Half, Site};
use super::super::{DataFault, Part, Request, Response};
use super::stopped_at;

/// A request to the default endpoint of the primary.
fn direct(site: &mut Site, path: &str) -> Response {
    site.send(&Request::get(&format!("https://{}.execute-api.us-east-1.amazonaws.com{path}", site.primary.api)))
}

#[test]
fn the_group_of_the_load_balancer_must_admit_the_link() {
    let mut site = Site::new();
    let half = site.primary.clone();
    site.kit.evict("us-east-1", &half.alb_group, &half.link_group, 80);
    let response = direct(&mut site, "/");
    assert_eq!((response.status, stopped_at(&response)), (503, (Part::SecurityGroup, half.alb_group.as_str())));
    let reason = response.failed.expect("it failed").reason;
    assert_eq!(reason, format!("no ingress rule lets VPC link {} reach load balancer web on tcp/80", half.link));
    assert!(response.took_ms >= 30_000, "packets vanish");
}

#[test]
fn the_group_of_the_link_must_let_its_owner_out() {
    use ec2sdk::operation::revoke_security_group_egress::{
        RevokeSecurityGroupEgressInput, RevokeSecurityGroupEgressOutput,
    };
    let mut site = Site::new();
    let half = site.primary.clone();
    let everything = ec2sdk::types::IpPermission::builder()
        .ip_protocol("-1")
        .ip_ranges(ec2sdk::types::IpRange::builder().cidr_ip("0.0.0.0/0").build())
        .build();
    let input = RevokeSecurityGroupEgressInput::builder().group_id(&half.link_group).ip_permissions(everything).build();
    let _: RevokeSecurityGroupEgressOutput = site.kit.must("us-east-1", "EC2.RevokeSecurityGroupEgress", input);
    let response = direct(&mut site, "/");
    assert_eq!((response.status, stopped_at(&response)), (503, (Part::SecurityGroup, half.link_group.as_str())));
}

#[test]
fn the_group_of_the_instances_must_admit_the_load_balancer() {
    let mut site = Site::new();
    let half = site.primary.clone();
    site.kit.evict("us-east-1", &half.app_group, &half.alb_group, 80);
    let response = direct(&mut site, "/");
    assert_eq!((response.status, stopped_at(&response)), (504, (Part::SecurityGroup, half.app_group.as_str())));
    site.run_s(120);
    assert!(
        site.kit
            .target_health(&half)
            .iter()
            .all(|(_, state, why)| state == "unhealthy" && why.as_deref() == Some("Target.Timeout"))
    );
    assert_eq!(direct(&mut site, "/").status, 504, "all targets are unhealthy, so all of them get requests");
}

/// Puts a network ACL with these entries on the subnets of the instances: number, egress, allow, first and last port.
fn put_acl(site: &mut Site, half: &Half, entries: &[(i32, bool, bool, i32, i32)]) -> String {
    use ec2sdk::operation as op;
    use ec2sdk::types::{Filter, PortRange, RuleAction};
    let input = op::create_network_acl::CreateNetworkAclInput::builder().vpc_id(&half.vpc).build();
    let output: op::create_network_acl::CreateNetworkAclOutput =
        site.kit.must(&half.region, "EC2.CreateNetworkAcl", input);
    let acl = output.network_acl.and_then(|acl| acl.network_acl_id).expect("an ACL");
    for (number, egress, allow, from, to) in entries {
        let input = op::create_network_acl_entry::CreateNetworkAclEntryInput::builder()
            .network_acl_id(&acl)
            .rule_number(*number)
            .protocol("6")
            .rule_action(if *allow { RuleAction::Allow } else { RuleAction::Deny })
            .egress(*egress)
            .cidr_block("0.0.0.0/0")
            .port_range(PortRange::builder().from(*from).to(*to).build())
            .build();
        let _: op::create_network_acl_entry::CreateNetworkAclEntryOutput =
            site.kit.must(&half.region, "EC2.CreateNetworkAclEntry", input);
    }
    for (subnet, _) in &half.app {
        let filter = Filter::builder().name("association.subnet-id").values(subnet).build();
        let input = op::describe_network_acls::DescribeNetworkAclsInput::builder().filters(filter).build();
        let output: op::describe_network_acls::DescribeNetworkAclsOutput =
            site.kit.must(&half.region, "EC2.DescribeNetworkAcls", input);
        let all = output.network_acls().iter().flat_map(|acl| acl.associations());
        let association =
            all.into_iter().find(|association| association.subnet_id() == Some(subnet)).expect("every subnet has one");
        let input = op::replace_network_acl_association::ReplaceNetworkAclAssociationInput::builder()
            .set_association_id(association.network_acl_association_id.clone())
            .network_acl_id(&acl)
            .build();
        let _: op::replace_network_acl_association::ReplaceNetworkAclAssociationOutput =
            site.kit.must(&half.region, "EC2.ReplaceNetworkAclAssociation", input);
    }
    acl
}

#[test]
fn a_network_acl_without_ephemeral_ports_turns_the_standby_red() {
    let mut site = Site::new();
    let half = site.standby.clone();
    let acl = put_acl(&mut site, &half, &[(100, false, true, 80, 80), (100, true, true, 80, 80)]);
    site.run_s(120);
    assert!(!site.green(&half), "before any incident");
    let response = site.send(&Request::get(&format!("https://{}.execute-api.us-west-2.amazonaws.com/", half.api)));
    assert_eq!((response.status, stopped_at(&response)), (504, (Part::NetworkAcl, acl.as_str())));
    assert!(response.failed.as_ref().is_some_and(|failure| failure.reason.contains("answers")), "{response}");
}

#[test]
fn a_network_acl_that_denies_the_port_stops_what_crosses_subnets() {
    let mut site = Site::new();
    let half = site.primary.clone();
    let open = [(200, false, true, 0, 65535), (200, true, true, 0, 65535)];
    let acl = put_acl(&mut site, &half, &[&open[..], &[(100, false, false, 80, 80)]].concat());
    let response = direct(&mut site, "/");
    assert_eq!((response.status, stopped_at(&response)), (504, (Part::NetworkAcl, acl.as_str())));
    assert!(response.failed.as_ref().is_some_and(|failure| failure.reason.contains("inbound")), "{response}");
}

#[test]
fn a_network_acl_does_not_stand_inside_a_subnet() {
    let mut site = Site::new();
    let mut half = site.primary.clone();
    half.app = half.private.clone();
    put_acl(&mut site, &half, &[]);
    // Link and load balancer share two subnets: within one a connection passes, and is stopped on its way to the
    // instance only.
    let reached: std::collections::BTreeSet<bool> = (0..20)
        .map(|_| {
            site.kit.wait_s(1);
            let response = direct(&mut site, "/");
            assert_eq!(stopped_at(&response).0, Part::NetworkAcl);
            response.through(Part::TargetGroup).is_some()
        })
        .collect();
    assert_eq!(reached.len(), 2);
}

#[test]
fn an_instance_without_a_way_out_at_boot_never_gets_its_web_server() {
    let mut site = Site::new();
    let half = site.primary.clone();
    // A subnet in the main route table has no default route.
    use ec2sdk::operation::create_subnet::{CreateSubnetInput, CreateSubnetOutput};
    let input = CreateSubnetInput::builder()
        .vpc_id(&half.vpc)
        .cidr_block("10.0.77.0/24")
        .availability_zone(&half.private[0].1)
        .build();
    let output: CreateSubnetOutput = site.kit.must("us-east-1", "EC2.CreateSubnet", input);
    let subnet = output.subnet.and_then(|subnet| subnet.subnet_id).expect("a subnet");
    let lonely = site.kit.instance(&half, &subnet, Some("#!/bin/bash\ndnf install -y nginx\n"));
    let bare = site.kit.instance(&half, &half.private[0].0, None);
    site.run_s(300);
    let mut only = half.clone();
    for (instance, why) in [(lonely, "no default route"), (bare, "no web server is installed")] {
        only.instances = vec![instance.clone()];
        only.group = site.kit.target_group(&half, &format!("tg-{}", &instance[2..10]));
        site.kit.register(&only);
        let listener = site.kit.listener(&only, 8000 + i32::from(why.len() as u8));
        let input = apigw::operation::update_integration::UpdateIntegrationInput::builder()
            .api_id(&half.api)
            .integration_id(&half.integration)
            .integration_uri(&listener)
            .build();
        let _: apigw::operation::update_integration::UpdateIntegrationOutput =
            site.kit.must("us-east-1", "api.UpdateIntegration", input);
        // The load balancer's own group must admit the new port.
        site.kit.admit("us-east-1", &half.alb_group, &half.link_group, 8000 + i32::from(why.len() as u8));
        site.run_s(120);
        let response = direct(&mut site, "/");
        assert_eq!((response.status, stopped_at(&response)), (502, (Part::Instance, instance.as_str())), "{response}");
        assert!(response.failed.as_ref().is_some_and(|failure| failure.reason.contains(why)), "{response}");
        assert!(
            site.kit
                .target_health(&only)
                .iter()
                .all(|(_, state, why)| state == "unhealthy" && why.as_deref() == Some("Target.FailedHealthChecks"))
        );
    }
}

#[test]
fn a_script_that_tries_until_it_can_waits_for_the_way_out() {
    use ec2sdk::operation::delete_route::{DeleteRouteInput, DeleteRouteOutput};
    let mut site = Site::new();
    let half = site.primary.clone();
    // A NAT gateway takes longer than an instance: here the instances have booted before it is available.
    let input =
        DeleteRouteInput::builder().route_table_id(&half.private_tables[0]).destination_cidr_block("0.0.0.0/0").build();
    let _: DeleteRouteOutput = site.kit.must("us-east-1", "EC2.DeleteRoute", input);
    let scripts = ["dnf install -y nginx", "until dnf install -y nginx; do sleep 5; done"];
    let made = scripts.map(|script| site.kit.instance(&half, &half.app[0].0, Some(script)));
    site.run_s(60);
    site.kit.replace_nat(&half);
    site.run_s(60);
    let mut probe = half.clone();
    probe.instances = made.to_vec();
    probe.group = site.kit.target_group(&half, "race");
    site.kit.register(&probe);
    site.kit.listener(&probe, 8080);
    let state = |site: &mut Site, n: usize| site.kit.target_health(&probe)[n].1.clone();
    site.run_s(200);
    assert_eq!([state(&mut site, 0), state(&mut site, 1)], ["unhealthy", "healthy"]);
}

/// Goal: an instance in a zone that is there, behind a NAT gateway in one that is not, has no way out while it boots.
#[test]
fn a_lost_zone_takes_its_nat_gateway_away() {
    use ec2sdk::operation::delete_route::{DeleteRouteInput, DeleteRouteOutput};
    let mut site = Site::new();
    let half = site.primary.clone();
    // The second zone goes out through the NAT gateway of the first.
    let input =
        DeleteRouteInput::builder().route_table_id(&half.private_tables[1]).destination_cidr_block("0.0.0.0/0").build();
    let _: DeleteRouteOutput = site.kit.must("us-east-1", "EC2.DeleteRoute", input);
    site.kit.default_route("us-east-1", &half.private_tables[1], |route| route.nat_gateway_id(&half.nats[0]));
    let began_ms = site.kit.now_ms;
    let zone = half.private[0].1.clone();
    site.faults.break_between(began_ms, began_ms + 600_000, DataFault::ZoneAway { zone });
    let scripts = ["dnf install -y nginx", "until dnf install -y nginx; do sleep 5; done"];
    let made = scripts.map(|script| site.kit.instance(&half, &half.app[1].0, Some(script)));
    let mut probe = half.clone();
    probe.instances = made.to_vec();
    probe.group = site.kit.target_group(&half, "behind");
    site.run_s(60);
    site.kit.register(&probe);
    site.kit.listener(&probe, 8080);
    let states = |site: &mut Site| -> Vec<String> {
        site.kit.target_health(&probe).into_iter().map(|(_, state, _)| state).collect()
    };
    site.run_s(440);
    assert_eq!(states(&mut site), ["unhealthy", "unhealthy"]);
    site.run_s(300);
    assert_eq!(states(&mut site), ["unhealthy", "healthy"], "one script tries until it can");
    assert_eq!(direct(&mut site, "/").status, 200, "what was installed before did not need it");
}

#[test]
fn without_dns_no_repository_is_found() {
    use ec2sdk::operation::modify_vpc_attribute::{ModifyVpcAttributeInput, ModifyVpcAttributeOutput};
    let mut site = Site::new();
    let half = site.primary.clone();
    let off = ec2sdk::types::AttributeBooleanValue::builder().value(false).build();
    let input = ModifyVpcAttributeInput::builder().vpc_id(&half.vpc).enable_dns_support(off).build();
    let _: ModifyVpcAttributeOutput = site.kit.must("us-east-1", "EC2.ModifyVpcAttribute", input);
    let mut probe = half.clone();
    probe.instances = vec![site.kit.instance(&half, &half.app[0].0, Some("dnf install -y nginx"))];
    probe.group = site.kit.target_group(&half, "nameless");
    site.run_s(60);
    site.kit.register(&probe);
    site.kit.listener(&probe, 8080);
    site.run_s(400);
    assert_eq!(site.kit.target_health(&probe)[0].1, "unhealthy");
}

/// Goal: load balancer and server have to speak the same: plain HTTP, or TLS.
#[test]
fn a_group_that_speaks_tls_needs_servers_that_do() {
    use aws_sdk_elasticloadbalancingv2 as elb;
    let tls = "dnf install -y nginx\necho 'server { listen 80 ssl; }' > /etc/nginx/nginx.conf";
    for (script, protocol, state, status) in [
        ("dnf install -y nginx", elb::types::ProtocolEnum::Http, "healthy", 200),
        ("dnf install -y nginx", elb::types::ProtocolEnum::Https, "unhealthy", 502),
        (tls, elb::types::ProtocolEnum::Https, "healthy", 200),
        (tls, elb::types::ProtocolEnum::Http, "unhealthy", 400),
    ] {
        let mut site = Site::new();
        let half = site.primary.clone();
        let mut other = half.clone();
        other.instances = vec![site.kit.instance(&half, &half.app[0].0, Some(script))];
        other.group = site.kit.target_group_of(&half, "other", protocol.clone());
        site.run_s(200);
        site.kit.register(&other);
        let forward = crate::data::testing::forward_to(&other.group);
        let input = elb::operation::modify_listener::ModifyListenerInput::builder()
            .listener_arn(&half.listener)
            .default_actions(forward)
            .build();
        let _: elb::operation::modify_listener::ModifyListenerOutput =
            site.kit.must("us-east-1", "elb.ModifyListener", input);
        site.run_s(120);
        let response = direct(&mut site, "/");
        let standing = site.kit.target_health(&other)[0].1.clone();
        assert_eq!((standing.as_str(), response.status), (state, status), "{script} {protocol}: {response}");
        let id = other.instances[0].clone();
        site.kit.world.serve_instance(&id, |_| Response::new(200, "both"));
        site.run_s(120);
        assert_eq!(direct(&mut site, "/").body, "both");
    }
}

#[test]
fn what_is_installed_survives_the_loss_of_the_way_out() {
    use ec2sdk::operation::delete_route::{DeleteRouteInput, DeleteRouteOutput};
    let mut site = Site::new();
    for table in site.primary.private_tables.clone() {
        let input = DeleteRouteInput::builder().route_table_id(table).destination_cidr_block("0.0.0.0/0").build();
        let _: DeleteRouteOutput = site.kit.must("us-east-1", "EC2.DeleteRoute", input);
    }
    site.run_s(300);
    assert_eq!(direct(&mut site, "/").status, 200);
}

#[test]
fn a_stopped_instance_gets_nothing_and_the_other_everything() {
    use ec2sdk::operation::stop_instances::{StopInstancesInput, StopInstancesOutput};
    let mut site = Site::new();
    let half = site.primary.clone();
    let input = StopInstancesInput::builder().instance_ids(&half.instances[0]).build();
    let _: StopInstancesOutput = site.kit.must("us-east-1", "EC2.StopInstances", input);
    site.run_s(120);
    let states = site.kit.target_health(&half);
    let stopped = states.iter().find(|(id, _, _)| *id == half.instances[0]).expect("it is still registered");
    assert_eq!((stopped.1.as_str(), stopped.2.as_deref()), ("unused", Some("Target.InvalidState")));
    for _ in 0..5 {
        site.run_s(3);
        assert_eq!(direct(&mut site, "/").through(Part::Instance), Some(half.instances[1].as_str()));
    }
}

#[test]
fn the_default_endpoint_knows_its_stages_and_can_be_disabled() {
    let mut site = Site::new();
    let input = apigw::operation::create_stage::CreateStageInput::builder()
        .api_id(&site.primary.api)
        .stage_name("live")
        .auto_deploy(true)
        .build();
    let _: apigw::operation::create_stage::CreateStageOutput = site.kit.must("us-east-1", "api.CreateStage", input);
    assert_eq!(stopped_at(&direct(&mut site, "/live/")).0, Part::Api, "it takes seconds until the stage is deployed");
    site.run_s(10);
    let response = direct(&mut site, "/live/");
    assert_eq!(response.through(Part::Api), Some(format!("{}/live", site.primary.api).as_str()));
    assert_eq!(response.status, 404, "nginx is asked for /live/, the name of the stage stands before the path");
    let input = apigw::operation::update_integration::UpdateIntegrationInput::builder()
        .api_id(&site.primary.api)
        .integration_id(&site.primary.integration)
        .request_parameters("overwrite:path", "$request.path")
        .build();
    let _: apigw::operation::update_integration::UpdateIntegrationOutput =
        site.kit.must("us-east-1", "api.UpdateIntegration", input);
    site.run_s(10);
    assert_eq!(direct(&mut site, "/live/").status, 200);

    let input = apigw::operation::update_api::UpdateApiInput::builder()
        .api_id(&site.primary.api)
        .disable_execute_api_endpoint(true)
        .build();
    let _: apigw::operation::update_api::UpdateApiOutput = site.kit.must("us-east-1", "api.UpdateApi", input);
    let response = direct(&mut site, "/");
    assert_eq!((response.status, stopped_at(&response).0), (403, Part::Endpoint));
    assert_eq!(site.user().status, 200, "the custom domain name does not care");
}

#[test]
fn routes_with_authorizers_refuse_requests_without_credentials() {
    let mut site = Site::new();
    let half = site.primary.clone();
    let jwt = apigw::types::JwtConfiguration::builder().issuer("https://id.example.com").audience("shop").build();
    let input = apigw::operation::create_authorizer::CreateAuthorizerInput::builder()
        .api_id(&half.api)
        .name("users")
        .authorizer_type(apigw::types::AuthorizerType::Jwt)
        .identity_source("$request.header.Authorization")
        .jwt_configuration(jwt)
        .build();
    let output: apigw::operation::create_authorizer::CreateAuthorizerOutput =
        site.kit.must("us-east-1", "api.CreateAuthorizer", input);
    let authorizer = output.authorizer_id.expect("an id");
    site.kit.route(&half, "GET /jwt", |route| {
        route.authorization_type(apigw::types::AuthorizationType::Jwt).authorizer_id(&authorizer)
    });
    site.kit.route(&half, "GET /iam", |route| route.authorization_type(apigw::types::AuthorizationType::AwsIam));
    site.run_s(10);
    for (path, status, body) in
        [("/jwt", 401, r#"{"message":"Unauthorized"}"#), ("/iam", 403, r#"{"message":"Forbidden"}"#)]
    {
        let response = direct(&mut site, path);
        assert_eq!((response.status, response.body.as_str()), (status, body));
        assert_eq!(stopped_at(&response), (Part::Route, format!("GET {path}").as_str()));
    }
}

#[test]
fn only_the_root_route_leaves_every_other_path_not_found() {
    let mut site = Site::new();
    let half = site.primary.clone();
    let greedy =
        site.kit.world.apigatewayv2.apis[&half.api].model.routes.values().find(|route| route.key == "ANY /{proxy+}");
    let greedy = greedy.expect("it exists").id.clone();
    let input = apigw::operation::delete_route::DeleteRouteInput::builder().api_id(&half.api).route_id(greedy).build();
    let _: apigw::operation::delete_route::DeleteRouteOutput = site.kit.must("us-east-1", "api.DeleteRoute", input);
    site.run_s(10);
    assert_eq!(direct(&mut site, "/").status, 200);
    let response = direct(&mut site, "/health");
    assert_eq!((response.status, response.body.as_str()), (404, r#"{"message":"Not Found"}"#));
    assert_eq!(stopped_at(&response).0, Part::Api);
}

#[test]
fn a_handler_answers_in_place_of_nginx() {
    let mut site = Site::new();
    for instance in site.primary.instances.clone() {
        site.kit.world.serve_instance(&instance, |request| {
            Response::new(200, format!("{} {}?{}", request.method, request.path, request.query))
                .header("X-Version", "2")
        });
    }
    let response = direct(&mut site, "/orders?page=2");
    assert_eq!((response.status, response.body.as_str()), (200, "GET /orders?page=2"));
    assert_eq!(response.headers.get("x-version").map(String::as_str), Some("2"));
}

#[test]
fn tls_between_gateway_and_load_balancer_needs_both_sides() {
    use aws_sdk_elasticloadbalancingv2 as elb;
    let mut site = Site::new();
    let half = site.primary.clone();
    let set_tls = |site: &mut Site, name: &str| {
        let tls = apigw::types::TlsConfigInput::builder().server_name_to_verify(name).build();
        let input = apigw::operation::update_integration::UpdateIntegrationInput::builder()
            .api_id(&half.api)
            .integration_id(&half.integration)
            .tls_config(tls)
            .build();
        let _: apigw::operation::update_integration::UpdateIntegrationOutput =
            site.kit.must("us-east-1", "api.UpdateIntegration", input);
        site.run_s(10);
    };
    set_tls(&mut site, "origin.example.com");
    let response = direct(&mut site, "/");
    assert_eq!((response.status, stopped_at(&response).0), (503, Part::Listener), "TLS to a plain listener");

    let certificate = elb::types::Certificate::builder().certificate_arn(&half.certificate).build();
    let input = elb::operation::modify_listener::ModifyListenerInput::builder()
        .listener_arn(&half.listener)
        .protocol(elb::types::ProtocolEnum::Https)
        .certificates(certificate)
        .build();
    let _: elb::operation::modify_listener::ModifyListenerOutput =
        site.kit.must("us-east-1", "elb.ModifyListener", input);
    assert_eq!(direct(&mut site, "/").status, 200);
    set_tls(&mut site, "other.example.com");
    let response = direct(&mut site, "/");
    assert_eq!((response.status, stopped_at(&response).0), (503, Part::Listener));
    assert!(
        response.failed.as_ref().is_some_and(|failure| failure.reason.contains("not for other.example.com")),
        "{response}"
    );
    set_tls(&mut site, "");
    let response = direct(&mut site, "/");
    assert_eq!((response.status, stopped_at(&response).0), (400, Part::Listener), "plain HTTP to a TLS listener");
}

#[test]
fn rules_choose_by_condition_in_the_order_of_their_priorities() {
    use aws_sdk_elasticloadbalancingv2 as elb;
    use elb::operation::create_rule::{CreateRuleInput, CreateRuleOutput};
    let mut site = Site::new();
    let half = site.primary.clone();
    let fixed = |status: &str, body: &str| {
        let config = elb::types::FixedResponseActionConfig::builder().status_code(status).message_body(body).build();
        elb::types::Action::builder()
            .r#type(elb::types::ActionTypeEnum::FixedResponse)
            .fixed_response_config(config)
            .build()
    };
    for (priority, pattern, action) in [(20, "/a/*", fixed("404", "twenty")), (10, "/a/b*", fixed("200", "ten"))] {
        let condition = elb::types::RuleCondition::builder().field("path-pattern").values(pattern).build();
        let input = CreateRuleInput::builder()
            .listener_arn(&half.listener)
            .priority(priority)
            .conditions(condition)
            .actions(action)
            .build();
        let _: CreateRuleOutput = site.kit.must("us-east-1", "elb.CreateRule", input);
    }
    for (path, status, body) in [("/a/bc", 200, "ten"), ("/a/c", 404, "twenty"), ("/", 200, "hello from us-east-1")] {
        let response = direct(&mut site, path);
        assert_eq!((response.status, response.body.as_str()), (status, body), "{path}");
    }
}
