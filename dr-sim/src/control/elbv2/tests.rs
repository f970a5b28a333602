//! Each operation once as it should go, and each refusal.

use aws_sdk_elasticloadbalancingv2::operation::add_tags::{AddTagsInput, AddTagsOutput};
use aws_sdk_elasticloadbalancingv2::operation::create_listener::builders::CreateListenerInputBuilder;
use aws_sdk_elasticloadbalancingv2::operation::create_listener::{CreateListenerInput, CreateListenerOutput};
use aws_sdk_elasticloadbalancingv2::operation::create_load_balancer::builders::CreateLoadBalancerInputBuilder;
use aws_sdk_elasticloadbalancingv2::operation::create_load_balancer::{
    CreateLoadBalancerInput, CreateLoadBalancerOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::create_rule::builders::CreateRuleInputBuilder;
use aws_sdk_elasticloadbalancingv2::operation::create_rule::{CreateRuleInput, CreateRuleOutput};
use aws_sdk_elasticloadbalancingv2::operation::create_target_group::builders::CreateTargetGroupInputBuilder;
use aws_sdk_elasticloadbalancingv2::operation::create_target_group::{CreateTargetGroupInput, CreateTargetGroupOutput};
use aws_sdk_elasticloadbalancingv2::operation::delete_listener::{DeleteListenerInput, DeleteListenerOutput};
use aws_sdk_elasticloadbalancingv2::operation::delete_load_balancer::{
    DeleteLoadBalancerInput, DeleteLoadBalancerOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::delete_rule::{DeleteRuleInput, DeleteRuleOutput};
use aws_sdk_elasticloadbalancingv2::operation::delete_target_group::{DeleteTargetGroupInput, DeleteTargetGroupOutput};
use aws_sdk_elasticloadbalancingv2::operation::deregister_targets::{DeregisterTargetsInput, DeregisterTargetsOutput};
use aws_sdk_elasticloadbalancingv2::operation::describe_listeners::{DescribeListenersInput, DescribeListenersOutput};
use aws_sdk_elasticloadbalancingv2::operation::describe_load_balancer_attributes::{
    DescribeLoadBalancerAttributesInput, DescribeLoadBalancerAttributesOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::describe_load_balancers::{
    DescribeLoadBalancersInput, DescribeLoadBalancersOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::describe_rules::{DescribeRulesInput, DescribeRulesOutput};
use aws_sdk_elasticloadbalancingv2::operation::describe_tags::{DescribeTagsInput, DescribeTagsOutput};
use aws_sdk_elasticloadbalancingv2::operation::describe_target_group_attributes::{
    DescribeTargetGroupAttributesInput, DescribeTargetGroupAttributesOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::describe_target_groups::{
    DescribeTargetGroupsInput, DescribeTargetGroupsOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::modify_listener::{ModifyListenerInput, ModifyListenerOutput};
use aws_sdk_elasticloadbalancingv2::operation::modify_load_balancer_attributes::{
    ModifyLoadBalancerAttributesInput, ModifyLoadBalancerAttributesOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::modify_rule::{ModifyRuleInput, ModifyRuleOutput};
use aws_sdk_elasticloadbalancingv2::operation::modify_target_group::{ModifyTargetGroupInput, ModifyTargetGroupOutput};
use aws_sdk_elasticloadbalancingv2::operation::modify_target_group_attributes::{
    ModifyTargetGroupAttributesInput, ModifyTargetGroupAttributesOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::register_targets::{RegisterTargetsInput, RegisterTargetsOutput};
use aws_sdk_elasticloadbalancingv2::operation::remove_tags::{RemoveTagsInput, RemoveTagsOutput};
use aws_sdk_elasticloadbalancingv2::operation::set_rule_priorities::{SetRulePrioritiesInput, SetRulePrioritiesOutput};
use aws_sdk_elasticloadbalancingv2::operation::set_security_groups::{SetSecurityGroupsInput, SetSecurityGroupsOutput};
use aws_sdk_elasticloadbalancingv2::operation::set_subnets::{SetSubnetsInput, SetSubnetsOutput};
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, Certificate, FixedResponseActionConfig, ForwardActionConfig, LoadBalancerAttribute,
    LoadBalancerSchemeEnum, LoadBalancerTypeEnum, Matcher, ProtocolEnum, RedirectActionConfig, RuleCondition,
    RulePriorityPair, Tag, TargetDescription, TargetGroupAttribute, TargetGroupTuple, TargetTypeEnum,
};

use crate::control::acm;
use crate::data::testing::{Half, Kit, forward_to};

const HERE: &str = "us-east-1";

/// A network of two zones.
fn network() -> (Kit, Half) {
    let mut kit = Kit::new();
    let half = kit.network(HERE, 0);
    (kit, half)
}

fn balancer(half: &Half, name: &str) -> CreateLoadBalancerInputBuilder {
    CreateLoadBalancerInput::builder()
        .name(name)
        .scheme(LoadBalancerSchemeEnum::Internal)
        .set_subnets(Some(half.private.iter().map(|(subnet, _)| subnet.clone()).collect()))
        .security_groups(&half.alb_group)
}

fn make_balancer(kit: &mut Kit, half: &mut Half) {
    let output: CreateLoadBalancerOutput = kit.must(HERE, "elb.CreateLoadBalancer", balancer(half, "web").build());
    half.balancer = output.load_balancers()[0].load_balancer_arn().expect("an ARN").to_owned();
}

fn balancer_code(kit: &mut Kit, input: CreateLoadBalancerInputBuilder) -> String {
    kit.code::<_, CreateLoadBalancerOutput>(HERE, "elb.CreateLoadBalancer", input.build())
}

fn group(half: &Half, name: &str) -> CreateTargetGroupInputBuilder {
    CreateTargetGroupInput::builder().name(name).protocol(ProtocolEnum::Http).port(80).vpc_id(&half.vpc)
}

fn make_group(kit: &mut Kit, half: &Half, name: &str) -> String {
    let output: CreateTargetGroupOutput = kit.must(HERE, "elb.CreateTargetGroup", group(half, name).build());
    output.target_groups()[0].target_group_arn().expect("an ARN").to_owned()
}

fn group_code(kit: &mut Kit, input: CreateTargetGroupInputBuilder) -> String {
    kit.code::<_, CreateTargetGroupOutput>(HERE, "elb.CreateTargetGroup", input.build())
}

fn listener(half: &Half, port: i32) -> CreateListenerInputBuilder {
    CreateListenerInput::builder().load_balancer_arn(&half.balancer).protocol(ProtocolEnum::Http).port(port)
}

fn make_listener(kit: &mut Kit, half: &Half, port: i32, action: Action) -> String {
    let output: CreateListenerOutput =
        kit.must(HERE, "elb.CreateListener", listener(half, port).default_actions(action).build());
    output.listeners()[0].listener_arn().expect("an ARN").to_owned()
}

fn listener_code(kit: &mut Kit, input: CreateListenerInputBuilder) -> String {
    kit.code::<_, CreateListenerOutput>(HERE, "elb.CreateListener", input.build())
}

fn fixed(status: &str) -> Action {
    let config = FixedResponseActionConfig::builder().status_code(status).build();
    Action::builder().r#type(ActionTypeEnum::FixedResponse).fixed_response_config(config).build()
}

/// A balancer with a group and a listener on port 80.
fn served() -> (Kit, Half) {
    let (mut kit, mut half) = network();
    make_balancer(&mut kit, &mut half);
    half.group = make_group(&mut kit, &half, "web");
    half.listener = make_listener(&mut kit, &half, 80, forward_to(&half.group));
    (kit, half)
}

fn state(kit: &mut Kit, arn: &str) -> String {
    let input = DescribeLoadBalancersInput::builder().load_balancer_arns(arn).build();
    let output = kit.call::<_, DescribeLoadBalancersOutput>(HERE, "elb.DescribeLoadBalancers", input);
    let code = |output: DescribeLoadBalancersOutput| {
        let state = output.load_balancers()[0].state().and_then(|state| state.code());
        state.map(|code| code.as_str().to_owned()).unwrap_or_default()
    };
    output.map_or_else(|refusal| refusal.code, code)
}

fn enis(kit: &mut Kit) -> usize {
    kit.world.ec2.settle(kit.now_ms);
    let region = crate::control::ec2::region(&kit.world, HERE).expect("it has a network");
    region.interfaces.values().filter(|interface| interface.description.starts_with("ELB app/web/")).count()
}

#[test]
fn a_balancer_is_provisioned_for_minutes_and_its_interfaces_outlive_it() {
    let (mut kit, mut half) = network();
    let output: CreateLoadBalancerOutput = kit.must(HERE, "elb.CreateLoadBalancer", balancer(&half, "web").build());
    let made = &output.load_balancers()[0];
    half.balancer = made.load_balancer_arn().expect("an ARN").to_owned();
    assert!(half.balancer.starts_with("arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/web/"));
    let dns = made.dns_name().expect("a name");
    assert!(dns.starts_with("internal-web-") && dns.ends_with(".us-east-1.elb.amazonaws.com"), "{dns}");
    assert_eq!(made.vpc_id(), Some(half.vpc.as_str()));
    assert_eq!((made.availability_zones().len(), made.security_groups()), (2, &[half.alb_group.clone()][..]));
    assert_eq!(state(&mut kit, &half.balancer), "provisioning");
    kit.wait_s(148);
    assert_eq!((state(&mut kit, &half.balancer).as_str(), enis(&mut kit)), ("active", 2));
    let delete_it = || DeleteLoadBalancerInput::builder().load_balancer_arn(&half.balancer).build();
    let _: DeleteLoadBalancerOutput = kit.must(HERE, "elb.DeleteLoadBalancer", delete_it());
    assert_eq!((state(&mut kit, &half.balancer).as_str(), enis(&mut kit)), ("LoadBalancerNotFound", 2));
    kit.wait_s(90);
    assert_eq!(enis(&mut kit), 0);
    // Deleting what is not there succeeds.
    let _: DeleteLoadBalancerOutput = kit.must(HERE, "elb.DeleteLoadBalancer", delete_it());
}

#[test]
fn the_same_balancer_again_is_the_same_and_another_one_of_its_name_is_refused() {
    let (mut kit, mut half) = network();
    make_balancer(&mut kit, &mut half);
    let again: CreateLoadBalancerOutput = kit.must(HERE, "elb.CreateLoadBalancer", balancer(&half, "web").build());
    assert_eq!(again.load_balancers()[0].load_balancer_arn(), Some(half.balancer.as_str()));
    assert_eq!(balancer_code(&mut kit, balancer(&half, "web").set_security_groups(None)), "DuplicateLoadBalancerName");
    assert_eq!(kit.world.elbv2.balancers.len(), 1);
    // Names count per region.
    let other = kit.network("us-west-2", 1);
    let _: CreateLoadBalancerOutput = kit.must("us-west-2", "elb.CreateLoadBalancer", balancer(&other, "web").build());
}

#[test]
fn a_balancer_needs_a_name_two_zones_room_and_groups_of_its_vpc() {
    let (mut kit, half) = network();
    let other = kit.network("us-west-2", 1);
    let long = "x".repeat(33);
    for (name, code) in [
        ("", "ValidationError"),
        (long.as_str(), "ValidationError"),
        ("-web", "ValidationError"),
        ("we_b", "ValidationError"),
        ("internal-web", "ValidationError"),
    ] {
        assert_eq!(balancer_code(&mut kit, balancer(&half, name)), code, "{name}");
    }
    let with = |subnets: &[&str]| {
        balancer(&half, "web").set_subnets(Some(subnets.iter().map(|id| (*id).to_owned()).collect()))
    };
    let (first, second) = (half.private[0].0.as_str(), half.private[1].0.as_str());
    assert_eq!(balancer_code(&mut kit, with(&[])), "ValidationError");
    assert_eq!(balancer_code(&mut kit, with(&[first])), "ValidationError");
    assert_eq!(balancer_code(&mut kit, with(&[first, "subnet-0123456789abcdef0"])), "SubnetNotFound");
    assert_eq!(balancer_code(&mut kit, with(&[first, &other.private[0].0])), "SubnetNotFound", "of another region");
    assert_eq!(
        balancer_code(&mut kit, with(&[first, &half.app[0].0, second])),
        "InvalidConfigurationRequest",
        "twice a zone"
    );
    let second_vpc = kit.network(HERE, 2);
    assert_eq!(balancer_code(&mut kit, with(&[first, &second_vpc.private[1].0])), "InvalidConfigurationRequest");
    assert_eq!(
        balancer_code(&mut kit, balancer(&half, "web").security_groups("sg-0123456789abcdef0")),
        "InvalidSecurityGroup"
    );
    assert_eq!(
        balancer_code(&mut kit, balancer(&half, "web").security_groups(&second_vpc.alb_group)),
        "InvalidSecurityGroup"
    );
    assert_eq!(balancer_code(&mut kit, balancer(&half, "web").r#type(LoadBalancerTypeEnum::Network)), "NotSimulated");
    // A /28 has 11 free addresses; four interfaces leave 7.
    use aws_sdk_ec2::operation::create_subnet::{CreateSubnetInput, CreateSubnetOutput};
    let input = CreateSubnetInput::builder()
        .vpc_id(&half.vpc)
        .cidr_block("10.0.99.0/28")
        .availability_zone(&half.private[0].1)
        .build();
    let output: CreateSubnetOutput = kit.must(HERE, "EC2.CreateSubnet", input);
    let tiny = output.subnet.and_then(|subnet| subnet.subnet_id).expect("a subnet");
    for _ in 0..4 {
        kit.instance(&half, &tiny, None);
    }
    assert_eq!(balancer_code(&mut kit, with(&[&tiny, second])), "InvalidSubnet");
}

#[test]
fn attributes_have_defaults_and_refuse_what_aws_refuses() {
    let (mut kit, mut half) = network();
    make_balancer(&mut kit, &mut half);
    let input = DescribeLoadBalancerAttributesInput::builder().load_balancer_arn(&half.balancer).build();
    let output: DescribeLoadBalancerAttributesOutput = kit.must(HERE, "elb.DescribeLoadBalancerAttributes", input);
    let value = |attributes: &[LoadBalancerAttribute], key: &str| {
        attributes
            .iter()
            .find(|attribute| attribute.key() == Some(key))
            .and_then(|attribute| attribute.value().map(str::to_owned))
    };
    assert_eq!(value(output.attributes(), "idle_timeout.timeout_seconds").as_deref(), Some("60"));
    let modify = |key: &str, value: &str| {
        let attribute = LoadBalancerAttribute::builder().key(key).value(value).build();
        ModifyLoadBalancerAttributesInput::builder().load_balancer_arn(&half.balancer).attributes(attribute).build()
    };
    for (key, value) in
        [("nonsense", "1"), ("idle_timeout.timeout_seconds", "0"), ("deletion_protection.enabled", "yes")]
    {
        let code = kit.code::<_, ModifyLoadBalancerAttributesOutput>(
            HERE,
            "elb.ModifyLoadBalancerAttributes",
            modify(key, value),
        );
        assert_eq!(code, "ValidationError", "{key}");
    }
    let output: ModifyLoadBalancerAttributesOutput =
        kit.must(HERE, "elb.ModifyLoadBalancerAttributes", modify("deletion_protection.enabled", "true"));
    assert_eq!(value(output.attributes(), "deletion_protection.enabled").as_deref(), Some("true"));
    let delete = DeleteLoadBalancerInput::builder().load_balancer_arn(&half.balancer).build();
    assert_eq!(
        kit.code::<_, DeleteLoadBalancerOutput>(HERE, "elb.DeleteLoadBalancer", delete),
        "OperationNotPermitted"
    );
    let input = DescribeLoadBalancerAttributesInput::builder()
        .load_balancer_arn("arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/x/1")
        .build();
    let code = kit.code::<_, DescribeLoadBalancerAttributesOutput>(HERE, "elb.DescribeLoadBalancerAttributes", input);
    assert_eq!(code, "LoadBalancerNotFound");

    let group = make_group(&mut kit, &half, "web");
    let input = DescribeTargetGroupAttributesInput::builder().target_group_arn(&group).build();
    let output: DescribeTargetGroupAttributesOutput = kit.must(HERE, "elb.DescribeTargetGroupAttributes", input);
    let delay =
        output.attributes().iter().find(|attribute| attribute.key() == Some("deregistration_delay.timeout_seconds"));
    assert_eq!(delay.and_then(|attribute| attribute.value()), Some("300"));
    for (value, code) in [("3601", "ValidationError"), ("5", "accepted")] {
        let attribute =
            TargetGroupAttribute::builder().key("deregistration_delay.timeout_seconds").value(value).build();
        let input = ModifyTargetGroupAttributesInput::builder().target_group_arn(&group).attributes(attribute).build();
        assert_eq!(
            kit.code::<_, ModifyTargetGroupAttributesOutput>(HERE, "elb.ModifyTargetGroupAttributes", input),
            code
        );
    }
}

#[test]
fn subnets_and_groups_of_a_balancer_change_in_place() {
    let (mut kit, mut half) = network();
    make_balancer(&mut kit, &mut half);
    let subnets = vec![half.private[0].0.clone(), half.app[1].0.clone()];
    let input = SetSubnetsInput::builder().load_balancer_arn(&half.balancer).set_subnets(Some(subnets.clone())).build();
    let output: SetSubnetsOutput = kit.must(HERE, "elb.SetSubnets", input);
    let now: Vec<&str> = output.availability_zones().iter().filter_map(|zone| zone.subnet_id()).collect();
    assert_eq!(now, subnets.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(enis(&mut kit), 3, "the old node drains");
    kit.wait_s(90);
    assert_eq!(enis(&mut kit), 2);
    let input = SetSubnetsInput::builder().load_balancer_arn(&half.balancer).subnets(&half.private[0].0).build();
    assert_eq!(kit.code::<_, SetSubnetsOutput>(HERE, "elb.SetSubnets", input), "ValidationError");

    let input =
        SetSecurityGroupsInput::builder().load_balancer_arn(&half.balancer).security_groups(&half.app_group).build();
    let output: SetSecurityGroupsOutput = kit.must(HERE, "elb.SetSecurityGroups", input);
    assert_eq!(output.security_group_ids(), [half.app_group.clone()]);
    let region = crate::control::ec2::region(&kit.world, HERE).expect("it has a network");
    let on_enis = region.interfaces.values().filter(|interface| interface.description.starts_with("ELB "));
    assert!(on_enis.into_iter().all(|interface| interface.group_ids == [half.app_group.clone()]));
    let input = SetSecurityGroupsInput::builder().load_balancer_arn(&half.balancer).security_groups("sg-1").build();
    assert_eq!(kit.code::<_, SetSecurityGroupsOutput>(HERE, "elb.SetSecurityGroups", input), "InvalidSecurityGroup");
}

#[test]
fn a_group_is_checked_idempotent_and_held_by_its_listener() {
    let (mut kit, half) = served();
    assert_eq!(make_group(&mut kit, &half, "web"), half.group);
    assert_eq!(group_code(&mut kit, group(&half, "web").port(81)), "DuplicateTargetGroupName");
    let refused = [
        ("the VPC is not there", group(&half, "x").vpc_id("vpc-0123456789abcdef0")),
        ("no port", group(&half, "x").port(0)),
        ("interval", group(&half, "x").health_check_interval_seconds(4)),
        ("timeout", group(&half, "x").health_check_timeout_seconds(121).health_check_interval_seconds(300)),
        ("timeout over interval", group(&half, "x").health_check_timeout_seconds(30)),
        ("threshold", group(&half, "x").healthy_threshold_count(1)),
        ("threshold", group(&half, "x").unhealthy_threshold_count(11)),
        ("path", group(&half, "x").health_check_path("health")),
        ("matcher", group(&half, "x").matcher(Matcher::builder().http_code("200-500").build())),
        ("check protocol", group(&half, "x").health_check_protocol(ProtocolEnum::Tcp)),
        ("check port", group(&half, "x").health_check_port("http")),
    ];
    for (what, input) in refused {
        assert_eq!(group_code(&mut kit, input), "ValidationError", "{what}");
    }
    for input in [group(&half, "x").protocol(ProtocolEnum::Tcp), group(&half, "x").target_type(TargetTypeEnum::Lambda)]
    {
        assert_eq!(group_code(&mut kit, input), "NotSimulated");
    }
    let modify = ModifyTargetGroupInput::builder().target_group_arn(&half.group).health_check_path("/health").build();
    let output: ModifyTargetGroupOutput = kit.must(HERE, "elb.ModifyTargetGroup", modify);
    assert_eq!(output.target_groups()[0].health_check_path(), Some("/health"));
    assert_eq!(output.target_groups()[0].load_balancer_arns(), std::slice::from_ref(&half.balancer));
    let delete = || DeleteTargetGroupInput::builder().target_group_arn(&half.group).build();
    assert_eq!(kit.code::<_, DeleteTargetGroupOutput>(HERE, "elb.DeleteTargetGroup", delete()), "ResourceInUse");
    let delete_it = || DeleteListenerInput::builder().listener_arn(&half.listener).build();
    let _: DeleteListenerOutput = kit.must(HERE, "elb.DeleteListener", delete_it());
    assert_eq!(kit.code::<_, DeleteListenerOutput>(HERE, "elb.DeleteListener", delete_it()), "ListenerNotFound");
    for _ in 0..2 {
        assert_eq!(kit.code::<_, DeleteTargetGroupOutput>(HERE, "elb.DeleteTargetGroup", delete()), "accepted");
    }
}

#[test]
fn targets_must_run_in_the_vpc_and_are_unused_without_a_listener() {
    let (mut kit, mut half) = network();
    make_balancer(&mut kit, &mut half);
    half.group = make_group(&mut kit, &half, "web");
    let instance = kit.instance(&half, &half.app[0].0.clone(), Some("nginx is in the image"));
    let register = |group: &str, id: &str| {
        RegisterTargetsInput::builder()
            .target_group_arn(group)
            .targets(TargetDescription::builder().id(id).build())
            .build()
    };
    let code = |kit: &mut Kit, input| kit.code::<_, RegisterTargetsOutput>(HERE, "elb.RegisterTargets", input);
    assert_eq!(code(&mut kit, register(&half.group, &instance)), "InvalidTarget", "it is pending");
    kit.wait_s(30);
    assert_eq!(code(&mut kit, register(&half.group, "i-0123456789abcdef0")), "InvalidTarget");
    assert_eq!(
        code(&mut kit, register("arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/x/1", &instance)),
        "TargetGroupNotFound"
    );
    let elsewhere = kit.network(HERE, 3);
    let other_group = make_group(&mut kit, &elsewhere, "other");
    assert_eq!(code(&mut kit, register(&other_group, &instance)), "InvalidTarget", "another VPC");
    for _ in 0..2 {
        assert_eq!(code(&mut kit, register(&half.group, &instance)), "accepted");
    }
    let only = |kit: &mut Kit, half: &Half| {
        let all = kit.target_health(half);
        assert_eq!(all.len(), 1);
        (all[0].1.clone(), all[0].2.clone())
    };
    let is = |state: &str, reason: &str| (state.to_owned(), Some(reason.to_owned()));
    assert_eq!(only(&mut kit, &half), is("unused", "Target.NotInUse"));
    half.listener = make_listener(&mut kit, &half, 80, forward_to(&half.group));
    assert_eq!(only(&mut kit, &half), is("initial", "Elb.RegistrationInProgress"));
    // The instance has booted at 110 s; the balancer is active at 148 s and makes its first check 5 s later.
    kit.wait_s(122);
    assert_eq!(only(&mut kit, &half).0, "initial");
    kit.wait_s(1);
    assert_eq!(only(&mut kit, &half), ("healthy".to_owned(), None), "a new target needs one check");

    use aws_sdk_ec2::operation::terminate_instances::{TerminateInstancesInput, TerminateInstancesOutput};
    let input = DeregisterTargetsInput::builder()
        .target_group_arn(&half.group)
        .targets(TargetDescription::builder().id(&instance).build())
        .build();
    let _: DeregisterTargetsOutput = kit.must(HERE, "elb.DeregisterTargets", input);
    assert_eq!(only(&mut kit, &half), is("draining", "Target.DeregistrationInProgress"));
    assert_eq!(code(&mut kit, register(&half.group, &instance)), "accepted");
    assert_eq!(only(&mut kit, &half), is("initial", "Elb.RegistrationInProgress"), "it is taken back");
    let _: TerminateInstancesOutput =
        kit.must(HERE, "EC2.TerminateInstances", TerminateInstancesInput::builder().instance_ids(&instance).build());
    assert!(kit.target_health(&half).is_empty(), "termination deregisters");
}

#[test]
fn a_listener_is_checked_and_idempotent() {
    let (mut kit, half) = served();
    assert_eq!(make_listener(&mut kit, &half, 80, forward_to(&half.group)), half.listener);
    assert_eq!(listener_code(&mut kit, listener(&half, 80).default_actions(fixed("404"))), "DuplicateListener");
    let missing = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/none/0123456789abcdef";
    assert_eq!(
        listener_code(&mut kit, listener(&half, 81).default_actions(forward_to(missing))),
        "TargetGroupNotFound"
    );
    assert_eq!(listener_code(&mut kit, listener(&half, 81)), "ValidationError", "no action");
    assert_eq!(listener_code(&mut kit, listener(&half, 0).default_actions(fixed("404"))), "ValidationError");
    assert_eq!(listener_code(&mut kit, listener(&half, 81).default_actions(fixed("302"))), "ValidationError");
    let twice = listener(&half, 81).default_actions(fixed("404")).default_actions(fixed("404"));
    assert_eq!(listener_code(&mut kit, twice), "InvalidLoadBalancerAction");
    assert_eq!(
        listener_code(&mut kit, listener(&half, 81).protocol(ProtocolEnum::Tcp).default_actions(fixed("404"))),
        "UnsupportedProtocol"
    );
    let gone = listener(&half, 81)
        .load_balancer_arn("arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/none/1");
    assert_eq!(listener_code(&mut kit, gone.default_actions(fixed("404"))), "LoadBalancerNotFound");
    let redirect = |config: RedirectActionConfig| {
        Action::builder().r#type(ActionTypeEnum::Redirect).redirect_config(config).build()
    };
    let same = RedirectActionConfig::builder().status_code("HTTP_301".into()).build();
    assert_eq!(
        listener_code(&mut kit, listener(&half, 81).default_actions(redirect(same))),
        "InvalidLoadBalancerAction",
        "a loop"
    );
    let to_https = RedirectActionConfig::builder().status_code("HTTP_301".into()).protocol("HTTPS").port("443").build();
    assert_eq!(listener_code(&mut kit, listener(&half, 81).default_actions(redirect(to_https))), "accepted");
    // A group serves one balancer.
    let mut second = half.clone();
    let output: CreateLoadBalancerOutput = kit.must(HERE, "elb.CreateLoadBalancer", balancer(&half, "second").build());
    second.balancer = output.load_balancers()[0].load_balancer_arn().expect("an ARN").to_owned();
    assert_eq!(
        listener_code(&mut kit, listener(&second, 80).default_actions(forward_to(&half.group))),
        "TargetGroupAssociationLimit"
    );
    let weight = |weight: i32| {
        let tuple = TargetGroupTuple::builder().target_group_arn(&half.group).weight(weight).build();
        let config = ForwardActionConfig::builder().target_groups(tuple).build();
        Action::builder().r#type(ActionTypeEnum::Forward).forward_config(config).build()
    };
    assert_eq!(listener_code(&mut kit, listener(&half, 82).default_actions(weight(1000))), "ValidationError");
    assert_eq!(listener_code(&mut kit, listener(&half, 82).default_actions(weight(0))), "accepted");

    let list = |kit: &mut Kit, size: i32, marker: Option<String>| -> DescribeListenersOutput {
        let input = DescribeListenersInput::builder()
            .load_balancer_arn(&half.balancer)
            .page_size(size)
            .set_marker(marker)
            .build();
        kit.must(HERE, "elb.DescribeListeners", input)
    };
    let first = list(&mut kit, 2, None);
    let rest = list(&mut kit, 2, first.next_marker.clone());
    assert_eq!((first.listeners().len(), rest.listeners().len(), rest.next_marker()), (2, 1, None));
    let code = kit.code::<_, DescribeListenersOutput>(
        HERE,
        "elb.DescribeListeners",
        DescribeListenersInput::builder().build(),
    );
    assert_eq!(code, "ValidationError");
}

#[test]
fn an_https_listener_needs_an_issued_certificate_of_its_region_and_holds_it() {
    let (mut kit, half) = served();
    let zone = kit.hosted_zone("example.com");
    let certificate = kit.certificate(&zone, HERE, &["web.example.com"]);
    let west = kit.certificate(&zone, "us-west-2", &["web.example.com"]);
    let https = |arn: &str| {
        listener(&half, 443)
            .protocol(ProtocolEnum::Https)
            .certificates(Certificate::builder().certificate_arn(arn).build())
            .default_actions(forward_to(&half.group))
    };
    assert_eq!(listener_code(&mut kit, https(&certificate).set_certificates(None)), "ValidationError");
    assert_eq!(listener_code(&mut kit, https(&certificate)), "UnsupportedCertificate", "it is not issued yet");
    kit.wait_s(300);
    assert_eq!(listener_code(&mut kit, https(&west)), "CertificateNotFound");
    assert_eq!(listener_code(&mut kit, https(&certificate).ssl_policy("nonsense")), "SSLPolicyNotFound");
    assert_eq!(listener_code(&mut kit, https(&certificate).protocol(ProtocolEnum::Http)), "ValidationError");
    let output: CreateListenerOutput = kit.must(HERE, "elb.CreateListener", https(&certificate).build());
    let arn = output.listeners()[0].listener_arn().expect("an ARN").to_owned();
    assert_eq!(output.listeners()[0].ssl_policy(), Some("ELBSecurityPolicy-2016-08"));
    assert_eq!(acm::in_use_by(&kit.world, &certificate, kit.now_ms), std::slice::from_ref(&half.balancer));
    let taken = ModifyListenerInput::builder().listener_arn(&arn).port(80).build();
    assert_eq!(kit.code::<_, ModifyListenerOutput>(HERE, "elb.ModifyListener", taken), "DuplicateListener");
    let plain = ModifyListenerInput::builder().listener_arn(&arn).protocol(ProtocolEnum::Http).port(8080).build();
    let output: ModifyListenerOutput = kit.must(HERE, "elb.ModifyListener", plain);
    let changed = &output.listeners()[0];
    assert_eq!((changed.port(), changed.certificates().len(), changed.ssl_policy()), (Some(8080), 0, None));
    assert_eq!(changed.default_actions()[0].target_group_arn(), Some(half.group.as_str()), "what is not given stays");
    kit.wait_s(1200);
    assert!(acm::in_use_by(&kit.world, &certificate, kit.now_ms).is_empty());
}

#[test]
fn rules_have_priorities_conditions_and_a_default_that_belongs_to_the_listener() {
    let (mut kit, half) = served();
    let rule = |priority: i32| -> CreateRuleInputBuilder {
        CreateRuleInput::builder()
            .listener_arn(&half.listener)
            .priority(priority)
            .conditions(RuleCondition::builder().field("path-pattern").values("/a/*").build())
            .actions(fixed("404"))
    };
    let code = |kit: &mut Kit, input: CreateRuleInputBuilder| {
        kit.code::<_, CreateRuleOutput>(HERE, "elb.CreateRule", input.build())
    };
    let output: CreateRuleOutput = kit.must(HERE, "elb.CreateRule", rule(10).build());
    let arn = output.rules()[0].rule_arn().expect("an ARN").to_owned();
    assert_eq!(code(&mut kit, rule(10)), "PriorityInUse");
    assert_eq!(code(&mut kit, rule(0)), "ValidationError");
    assert_eq!(code(&mut kit, rule(20).set_conditions(None)), "ValidationError");
    let odd = RuleCondition::builder().field("weather").values("rain").build();
    assert_eq!(code(&mut kit, rule(20).set_conditions(Some(vec![odd]))), "ValidationError");
    let again = RuleCondition::builder().field("path-pattern").values("/b").build();
    assert_eq!(code(&mut kit, rule(20).conditions(again)), "ValidationError", "one condition of a field");
    assert_eq!(code(&mut kit, rule(20).listener_arn("arn:none")), "ListenerNotFound");

    let modify = ModifyRuleInput::builder().rule_arn(&arn).actions(fixed("503")).build();
    let output: ModifyRuleOutput = kit.must(HERE, "elb.ModifyRule", modify);
    let changed = &output.rules()[0];
    let status = changed.actions()[0].fixed_response_config().and_then(|config| config.status_code());
    assert_eq!((status, changed.conditions()[0].values()), (Some("503"), &["/a/*".to_owned()][..]));
    let all: DescribeRulesOutput =
        kit.must(HERE, "elb.DescribeRules", DescribeRulesInput::builder().listener_arn(&half.listener).build());
    let priorities: Vec<&str> = all.rules().iter().filter_map(|rule| rule.priority()).collect();
    assert_eq!(priorities, ["10", "default"]);
    let default = all.rules()[1].rule_arn().expect("an ARN").to_owned();
    let delete = |arn: &str| DeleteRuleInput::builder().rule_arn(arn).build();
    assert_eq!(kit.code::<_, DeleteRuleOutput>(HERE, "elb.DeleteRule", delete(&default)), "OperationNotPermitted");
    assert_eq!(kit.code::<_, DeleteRuleOutput>(HERE, "elb.DeleteRule", delete(&arn)), "accepted");
    assert_eq!(kit.code::<_, DeleteRuleOutput>(HERE, "elb.DeleteRule", delete(&arn)), "RuleNotFound");
}

#[test]
fn priorities_move_together_or_not_at_all() {
    let (mut kit, half) = served();
    let mut rule = |priority: i32| {
        let path = RuleCondition::builder().field("path-pattern").values("/a/*").build();
        let input = CreateRuleInput::builder().listener_arn(&half.listener).priority(priority).conditions(path);
        let output: CreateRuleOutput = kit.must(HERE, "elb.CreateRule", input.actions(fixed("404")).build());
        output.rules()[0].rule_arn().expect("an ARN").to_owned()
    };
    let (a, b) = (rule(10), rule(20));
    let mut set = |pairs: &[(&str, i32)]| {
        let pair =
            |(arn, priority): &(&str, i32)| RulePriorityPair::builder().rule_arn(*arn).priority(*priority).build();
        let pairs = Some(pairs.iter().map(pair).collect());
        let input = SetRulePrioritiesInput::builder().set_rule_priorities(pairs).build();
        kit.code::<_, SetRulePrioritiesOutput>(HERE, "elb.SetRulePriorities", input)
    };
    assert_eq!(set(&[(&a, 20)]), "PriorityInUse");
    assert_eq!(set(&[(&a, 30), (&b, 30)]), "PriorityInUse");
    assert_eq!(set(&[(&a, 30), ("arn:none", 40)]), "RuleNotFound");
    assert_eq!(set(&[(&a, 0)]), "ValidationError");
    assert_eq!(set(&[]), "ValidationError");
    assert_eq!(set(&[(&a, 10)]), "accepted");
    assert_eq!(set(&[(&a, 20), (&b, 10)]), "accepted");
    let input = DescribeRulesInput::builder().listener_arn(&half.listener).build();
    let all: DescribeRulesOutput = kit.must(HERE, "elb.DescribeRules", input);
    let order: Vec<&str> = all.rules().iter().filter_map(|rule| rule.rule_arn()).collect();
    assert_eq!(order[..2], [&b, &a]);
}

#[test]
fn tags_are_put_read_and_removed_by_arn() {
    let (mut kit, half) = served();
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let add = |tags: Vec<Tag>| {
        let arns = vec![half.balancer.clone(), half.group.clone(), half.listener.clone()];
        AddTagsInput::builder().set_resource_arns(Some(arns)).set_tags(Some(tags)).build()
    };
    let _: AddTagsOutput = kit.must(HERE, "elb.AddTags", add(vec![tag("a", "1"), tag("b", "2")]));
    let _: AddTagsOutput = kit.must(HERE, "elb.AddTags", add(vec![tag("a", "3")]));
    assert_eq!(
        kit.code::<_, AddTagsOutput>(HERE, "elb.AddTags", add(vec![tag("a", "1"), tag("a", "2")])),
        "DuplicateTagKeys"
    );
    let many = (0..51).map(|n| tag(&n.to_string(), "x")).collect();
    assert_eq!(kit.code::<_, AddTagsOutput>(HERE, "elb.AddTags", add(many)), "TooManyTags");
    let remove = RemoveTagsInput::builder().resource_arns(&half.group).tag_keys("b").build();
    let _: RemoveTagsOutput = kit.must(HERE, "elb.RemoveTags", remove);
    let input = DescribeTagsInput::builder().resource_arns(&half.group).resource_arns(&half.listener).build();
    let output: DescribeTagsOutput = kit.must(HERE, "elb.DescribeTags", input);
    let tags = |n: usize| -> Vec<(&str, &str)> {
        output.tag_descriptions()[n]
            .tags()
            .iter()
            .map(|tag| (tag.key().unwrap_or_default(), tag.value().unwrap_or_default()))
            .collect()
    };
    assert_eq!((tags(0), tags(1)), (vec![("a", "3")], vec![("a", "3"), ("b", "2")]));
    let input = DescribeTagsInput::builder().set_resource_arns(Some(vec![half.group.clone(); 21])).build();
    assert_eq!(kit.code::<_, DescribeTagsOutput>(HERE, "elb.DescribeTags", input), "ValidationError");
    let input =
        DescribeTagsInput::builder().resource_arns(half.group.replace("targetgroup/web", "targetgroup/none")).build();
    assert_eq!(kit.code::<_, DescribeTagsOutput>(HERE, "elb.DescribeTags", input), "TargetGroupNotFound");
}

#[test]
fn reads_by_name_and_arn_know_what_is_missing() {
    let (mut kit, half) = served();
    let by_name = |name: &str| DescribeTargetGroupsInput::builder().names(name).build();
    let output: DescribeTargetGroupsOutput = kit.must(HERE, "elb.DescribeTargetGroups", by_name("web"));
    assert_eq!(output.target_groups()[0].target_group_arn(), Some(half.group.as_str()));
    assert_eq!(
        kit.code::<_, DescribeTargetGroupsOutput>(HERE, "elb.DescribeTargetGroups", by_name("none")),
        "TargetGroupNotFound"
    );
    let by_balancer = DescribeTargetGroupsInput::builder().load_balancer_arn(&half.balancer).build();
    let output: DescribeTargetGroupsOutput = kit.must(HERE, "elb.DescribeTargetGroups", by_balancer);
    assert_eq!(output.target_groups().len(), 1);
    let by_name = |name: &str| DescribeLoadBalancersInput::builder().names(name).build();
    assert_eq!(
        kit.code::<_, DescribeLoadBalancersOutput>(HERE, "elb.DescribeLoadBalancers", by_name("none")),
        "LoadBalancerNotFound"
    );
    let elsewhere: DescribeLoadBalancersOutput =
        kit.must("us-west-2", "elb.DescribeLoadBalancers", DescribeLoadBalancersInput::builder().build());
    assert!(elsewhere.load_balancers().is_empty());
}
