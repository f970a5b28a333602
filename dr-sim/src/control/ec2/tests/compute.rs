//! Instances and VPC endpoints.

use aws_sdk_ec2::operation::create_vpc_endpoint::CreateVpcEndpointInput;
use aws_sdk_ec2::operation::delete_security_group::DeleteSecurityGroupInput;
use aws_sdk_ec2::operation::delete_subnet::DeleteSubnetInput;
use aws_sdk_ec2::operation::delete_vpc_endpoints::DeleteVpcEndpointsInput;
use aws_sdk_ec2::operation::describe_instance_attribute::DescribeInstanceAttributeInput;
use aws_sdk_ec2::operation::describe_instances::DescribeInstancesInput;
use aws_sdk_ec2::operation::describe_vpc_endpoints::DescribeVpcEndpointsInput;
use aws_sdk_ec2::operation::modify_instance_attribute::ModifyInstanceAttributeInput;
use aws_sdk_ec2::operation::modify_instance_metadata_options::ModifyInstanceMetadataOptionsInput;
use aws_sdk_ec2::operation::modify_vpc_attribute::ModifyVpcAttributeInput;
use aws_sdk_ec2::operation::modify_vpc_endpoint::ModifyVpcEndpointInput;
use aws_sdk_ec2::operation::run_instances::{RunInstancesInput, builders::RunInstancesInputBuilder};
use aws_sdk_ec2::operation::start_instances::StartInstancesInput;
use aws_sdk_ec2::operation::stop_instances::StopInstancesInput;
use aws_sdk_ec2::operation::terminate_instances::TerminateInstancesInput;
use aws_sdk_ec2::types::{
    AttributeBooleanValue, AttributeValue, HttpTokensState, IamInstanceProfileSpecification, Instance,
    InstanceAttributeName, InstanceMetadataOptionsRequest, InstanceMetadataOptionsState,
    InstanceNetworkInterfaceSpecification, InstanceType, VpcEndpoint, VpcEndpointType,
};
use aws_sdk_ssm::operation::get_parameter::GetParameterInput;
use aws_smithy_types::base64;

use super::super::{endpoints, groups, instances, launch, subnet, vpc};
use super::{Lab, filter, refused};

/// A VPC with one subnet and one group, and the image of the region.
struct Place {
    lab: Lab,
    vpc: String,
    subnet: String,
    group: String,
    image: String,
}

impl Place {
    fn new() -> Self {
        let mut lab = Lab::new();
        let vpc = lab.vpc();
        let (subnet, group) = (lab.subnet(&vpc, 1, "a"), lab.group(&vpc, "web"));
        let image = image(&mut lab, "x86_64");
        Place { lab, vpc, subnet, group, image }
    }

    fn launch(&self) -> RunInstancesInputBuilder {
        RunInstancesInput::builder()
            .image_id(&self.image)
            .instance_type(InstanceType::T3Micro)
            .min_count(1)
            .max_count(1)
            .subnet_id(&self.subnet)
            .security_group_ids(&self.group)
    }

    fn instance(&mut self) -> String {
        let input = self.launch().build();
        let made = self.lab.ok(launch::run_instances, input);
        made.instances()[0].instance_id().unwrap().to_owned()
    }

    fn read(&mut self, id: &str) -> Instance {
        let input = DescribeInstancesInput::builder().instance_ids(id).build();
        let found = self.lab.ok(instances::describe_instances, input);
        found.reservations()[0].instances()[0].clone()
    }

    fn state(&mut self, id: &str) -> String {
        self.read(id).state().unwrap().name().unwrap().as_str().to_owned()
    }
}

fn image(lab: &mut Lab, architecture: &str) -> String {
    let name = format!("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{architecture}");
    let mut table = crate::control::Table::default();
    crate::control::ssm::register(&mut table);
    let input = GetParameterInput::builder().name(name).build().unwrap();
    let answer = (table.get("SSM", "GetParameter").unwrap().answer)(&mut lab.world, &lab.call, &input).unwrap();
    let answer: aws_sdk_ssm::operation::get_parameter::GetParameterOutput = answer.downcast().unwrap();
    answer.parameter().unwrap().value().unwrap().to_owned()
}

#[test]
fn the_life_of_an_instance() {
    let mut place = Place::new();
    let id = place.instance();
    assert_eq!(place.state(&id), "pending");
    place.lab.wait_s(20);
    assert_eq!(place.state(&id), "running");
    let shown = place.read(&id);
    assert_eq!(shown.private_ip_address(), Some("10.0.1.4"));
    assert_eq!(shown.security_groups()[0].group_id(), Some(place.group.as_str()));
    let now_ms = place.lab.call.now_ms;
    assert!(!place.lab.region().instances[&id].booted_at(now_ms + 89_000));
    assert!(place.lab.region().instances[&id].booted_at(now_ms + 90_000));

    refused!(place.lab, subnet::delete_subnet:
        DeleteSubnetInput::builder().subnet_id(&place.subnet) => "DependencyViolation");
    let terminate = || TerminateInstancesInput::builder().instance_ids(&id);
    let change = place.lab.ok(instances::terminate_instances, terminate().build());
    let change = &change.terminating_instances()[0];
    assert_eq!(change.previous_state().unwrap().name().unwrap().as_str(), "running");
    assert_eq!(change.current_state().unwrap().code(), Some(32));
    place.lab.wait_s(29);
    assert_eq!(place.state(&id), "shutting-down");
    refused!(place.lab, groups::delete_security_group:
        DeleteSecurityGroupInput::builder().group_id(&place.group) => "DependencyViolation");
    place.lab.wait_s(1);
    assert_eq!(place.state(&id), "terminated");
    assert_eq!(place.read(&id).subnet_id(), None);
    place.lab.ok(instances::terminate_instances, terminate().build());
    let group = DeleteSecurityGroupInput::builder().group_id(&place.group).build();
    place.lab.ok(groups::delete_security_group, group);
    place.lab.ok(subnet::delete_subnet, DeleteSubnetInput::builder().subnet_id(&place.subnet).build());
    place.lab.wait_s(3600);
    refused!(place.lab, instances::terminate_instances: terminate() => "InvalidInstanceID.NotFound");
}

#[test]
fn launches_that_ec2_refuses() {
    let mut place = Place::new();
    let other = place.lab.vpc();
    let foreign = place.lab.group(&other, "web");
    let arm = image(&mut place.lab, "arm64");
    let interface = InstanceNetworkInterfaceSpecification::builder().device_index(0).subnet_id(&place.subnet).build();
    let profile = |name: &str| IamInstanceProfileSpecification::builder().name(name).build();
    let hops = InstanceMetadataOptionsRequest::builder().http_put_response_hop_limit(65).build();
    refused!(place.lab, launch::run_instances:
        place.launch().image_id("ami-0") => "InvalidAMIID.NotFound",
        place.launch().image_id("linux") => "InvalidAMIID.Malformed",
        place.launch().instance_type(InstanceType::from("t3.colossal")) => "InvalidParameterValue",
        place.launch().image_id(arm) => "InvalidParameterValue",
        place.launch().subnet_id("subnet-0") => "InvalidSubnetID.NotFound",
        place.launch().security_group_ids("sg-0") => "InvalidGroup.NotFound",
        place.launch().security_group_ids(foreign) => "InvalidParameter",
        place.launch().set_subnet_id(None) => "VPCIdNotSpecified",
        place.launch().max_count(0) => "InvalidParameterValue",
        place.launch().network_interfaces(interface) => "InvalidParameterCombination",
        place.launch().user_data("#!/bin/sh") => "InvalidUserData.Malformed",
        place.launch().iam_instance_profile(profile("nobody")) => "InvalidParameterValue",
        place.launch().metadata_options(hops) => "InvalidParameterValue",
        place.launch().min_count(300).max_count(300) => "InsufficientFreeAddressesInSubnet",
        place.launch().private_ip_address("10.0.1.9") => "NotSimulated",
        place.launch().dry_run(true) => "DryRunOperation",
    );
    assert!(place.lab.region().instances.is_empty());
    let refusal = place.lab.run(launch::run_instances, place.launch().iam_instance_profile(profile("nobody")).build());
    assert!(refusal.unwrap_err().message.contains("Invalid IAM Instance Profile"), "the text that callers look for");
}

#[test]
fn a_launch_token_is_zonal_and_remembered_after_termination() {
    let mut place = Place::new();
    let elsewhere = place.lab.subnet(&place.vpc.clone(), 2, "b");
    let launch = |place: &Place| place.launch().client_token("web/1");
    let id = |place: &mut Place, input: RunInstancesInputBuilder| {
        let made = place.lab.ok(launch::run_instances, input.build());
        assert_eq!(made.instances().len(), 1);
        made.instances()[0].instance_id().unwrap().to_owned()
    };
    let input = launch(&place);
    let first = id(&mut place, input);
    let input = launch(&place);
    assert_eq!(id(&mut place, input), first);
    let find = DescribeInstancesInput::builder().filters(filter("client-token", "web/1")).build();
    assert_eq!(place.lab.ok(instances::describe_instances, find).reservations().len(), 1);
    refused!(place.lab, launch::run_instances:
        launch(&place).instance_type(InstanceType::T3Small) => "IdempotentParameterMismatch",
        launch(&place).user_data(base64::encode("other")) => "IdempotentParameterMismatch",
    );
    let input = launch(&place).subnet_id(elsewhere);
    assert_ne!(id(&mut place, input), first, "another zone, another instance");
    let terminate = TerminateInstancesInput::builder().instance_ids(&first).build();
    place.lab.ok(instances::terminate_instances, terminate);
    refused!(place.lab, launch::run_instances: launch(&place) => "IdempotentInstanceTerminated");
    place.lab.wait_s(24 * 3600);
    refused!(place.lab, launch::run_instances: launch(&place) => "IdempotentInstanceTerminated");
}

#[test]
fn an_instance_profile_is_accepted_when_it_has_propagated() {
    use aws_sdk_iam::operation::add_role_to_instance_profile::AddRoleToInstanceProfileInput;
    use aws_sdk_iam::operation::create_instance_profile::CreateInstanceProfileInput;
    use aws_sdk_iam::operation::create_role::CreateRoleInput;
    let mut place = Place::new();
    let mut table = crate::control::Table::default();
    crate::control::iam::register(&mut table);
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let role = CreateRoleInput::builder().role_name("web").assume_role_policy_document(trust).build().unwrap();
    let profile = CreateInstanceProfileInput::builder().instance_profile_name("web").build().unwrap();
    let add = AddRoleToInstanceProfileInput::builder().instance_profile_name("web").role_name("web").build().unwrap();
    let (world, call) = (&mut place.lab.world, &place.lab.call);
    (table.get("IAM", "CreateRole").unwrap().answer)(world, call, &role).unwrap();
    (table.get("IAM", "CreateInstanceProfile").unwrap().answer)(world, call, &profile).unwrap();
    let launch = |place: &Place| {
        place.launch().iam_instance_profile(IamInstanceProfileSpecification::builder().name("web").build()).build()
    };
    let input = launch(&place);
    let early = place.lab.run(launch::run_instances, input).unwrap_err();
    assert!(early.message.contains("Invalid IAM Instance Profile name"), "{}", early.message);
    place.lab.wait_s(30);
    let input = launch(&place);
    let empty = place.lab.run(launch::run_instances, input).unwrap_err();
    assert!(empty.message.contains(" has no associated IAM Roles"), "{}", empty.message);
    let (world, call) = (&mut place.lab.world, &place.lab.call);
    (table.get("IAM", "AddRoleToInstanceProfile").unwrap().answer)(world, call, &add).unwrap();
    place.lab.wait_s(30);
    let input = launch(&place);
    let made = place.lab.ok(launch::run_instances, input);
    let arn = made.instances()[0].iam_instance_profile().unwrap().arn().unwrap();
    assert!(arn.ends_with(":instance-profile/web"), "{arn}");
}

#[test]
fn an_instance_stops_changes_its_type_and_starts() {
    let mut place = Place::new();
    let id = place.instance();
    let stop = || StopInstancesInput::builder().instance_ids(&id);
    let start = || StartInstancesInput::builder().instance_ids(&id);
    refused!(place.lab, instances::stop_instances:
        stop() => "IncorrectInstanceState",
        stop().instance_ids("i-0") => "InvalidInstanceID.NotFound",
        StopInstancesInput::builder() => "MissingParameter",
    );
    place.lab.wait_s(20);
    let kind = |name: &str| AttributeValue::builder().value(name).build();
    let modify = || ModifyInstanceAttributeInput::builder().instance_id(&id);
    let protect = AttributeBooleanValue::builder().value(true).build();
    refused!(place.lab, instances::modify_instance_attribute:
        modify() => "MissingParameter",
        modify().instance_type(kind("t3.small")) => "IncorrectInstanceState",
        modify().instance_type(kind("t3.small")).groups(&place.group) => "InvalidParameterCombination",
        modify().groups("sg-0") => "InvalidGroup.NotFound",
        modify().instance_id("i-0").groups(&place.group) => "InvalidInstanceID.NotFound",
    );
    place.lab.ok(instances::stop_instances, stop().build());
    assert_eq!(place.state(&id), "stopping");
    refused!(place.lab, instances::start_instances: start() => "IncorrectInstanceState");
    place.lab.wait_s(30);
    assert_eq!(place.state(&id), "stopped");
    refused!(place.lab, instances::modify_instance_attribute:
        modify().instance_type(kind("t9.huge")) => "InvalidParameterValue",
        modify().instance_type(kind("t4g.micro")) => "InvalidParameterValue",
    );
    place.lab.ok(instances::modify_instance_attribute, modify().instance_type(kind("t3.small")).build());
    place.lab.ok(instances::start_instances, start().build());
    place.lab.wait_s(20);
    assert_eq!((place.state(&id).as_str(), place.read(&id).instance_type()), ("running", Some(&InstanceType::T3Small)));
    place.lab.ok(instances::modify_instance_attribute, modify().disable_api_termination(protect).build());
    refused!(place.lab, instances::terminate_instances:
        TerminateInstancesInput::builder().instance_ids(&id) => "OperationNotPermitted");
}

#[test]
fn user_data_and_metadata_options_are_kept() {
    let mut place = Place::new();
    let script = base64::encode("#!/bin/sh\ndnf install -y nginx\n");
    let imds = InstanceMetadataOptionsRequest::builder().http_tokens(HttpTokensState::Required).build();
    let input = place.launch().user_data(&script).metadata_options(imds).build();
    let made = place.lab.ok(launch::run_instances, input);
    let id = made.instances()[0].instance_id().unwrap();
    let options = made.instances()[0].metadata_options().unwrap();
    assert_eq!(
        (options.http_tokens(), options.http_put_response_hop_limit()),
        (Some(&HttpTokensState::Required), Some(1))
    );
    let ask = |attribute| DescribeInstanceAttributeInput::builder().instance_id(id).attribute(attribute);
    let read = place.lab.ok(instances::describe_instance_attribute, ask(InstanceAttributeName::UserData).build());
    assert_eq!(read.user_data().unwrap().value(), Some(script.as_str()));
    refused!(place.lab, instances::describe_instance_attribute:
        ask(InstanceAttributeName::Kernel) => "NotSimulated",
        ask(InstanceAttributeName::UserData).instance_id("i-0") => "InvalidInstanceID.NotFound",
    );
    let modify = || ModifyInstanceMetadataOptionsInput::builder().instance_id(id);
    refused!(place.lab, instances::modify_instance_metadata_options:
        modify().http_put_response_hop_limit(0) => "InvalidParameterValue",
        modify().instance_id("i-0").http_put_response_hop_limit(2) => "InvalidInstanceID.NotFound",
    );
    let changed =
        place.lab.ok(instances::modify_instance_metadata_options, modify().http_put_response_hop_limit(2).build());
    let options = changed.instance_metadata_options().unwrap();
    assert_eq!(options.state(), Some(&InstanceMetadataOptionsState::Pending));
    place.lab.wait_s(5);
    let instance = place.read(id);
    let options = instance.metadata_options().unwrap();
    assert_eq!(options.state(), Some(&InstanceMetadataOptionsState::Applied));
    assert_eq!(
        (options.http_tokens(), options.http_put_response_hop_limit()),
        (Some(&HttpTokensState::Required), Some(2))
    );
}

fn endpoint(
    place: &Place,
    service: &str,
) -> aws_sdk_ec2::operation::create_vpc_endpoint::builders::CreateVpcEndpointInputBuilder {
    CreateVpcEndpointInput::builder()
        .vpc_id(&place.vpc)
        .vpc_endpoint_type(VpcEndpointType::Interface)
        .service_name(format!("com.amazonaws.us-east-1.{service}"))
        .subnet_ids(&place.subnet)
        .security_group_ids(&place.group)
}

fn read_endpoint(place: &mut Place, id: &str) -> VpcEndpoint {
    let input = DescribeVpcEndpointsInput::builder().vpc_endpoint_ids(id).build();
    place.lab.ok(endpoints::describe_vpc_endpoints, input).vpc_endpoints.unwrap().remove(0)
}

fn switch_hostnames_on(place: &mut Place) {
    let on = AttributeBooleanValue::builder().value(true).build();
    let input = ModifyVpcAttributeInput::builder().vpc_id(&place.vpc).enable_dns_hostnames(on).build();
    place.lab.ok(vpc::modify_vpc_attribute, input);
}

#[test]
fn endpoints_that_ec2_refuses() {
    let mut place = Place::new();
    let twin = place.lab.subnet(&place.vpc.clone(), 2, "a");
    refused!(place.lab, endpoints::create_vpc_endpoint:
        endpoint(&place, "ssm") => "InvalidParameter",
        endpoint(&place, "ssm").private_dns_enabled(false).subnet_ids(&twin) => "DuplicateSubnetsInSameZone",
        endpoint(&place, "coffee") => "InvalidServiceName",
        endpoint(&place, "ssm").service_name("com.amazonaws.us-west-2.ssm") => "InvalidServiceName",
        endpoint(&place, "ssm").vpc_id("vpc-0") => "InvalidVpcID.NotFound",
        endpoint(&place, "ssm").private_dns_enabled(false).subnet_ids("subnet-0") => "InvalidSubnetID.NotFound",
        endpoint(&place, "ssm").private_dns_enabled(false).security_group_ids("sg-0") => "InvalidGroup.NotFound",
    );
    switch_hostnames_on(&mut place);
    let input = endpoint(&place, "ssm").client_token("once").build();
    let first = place.lab.ok(endpoints::create_vpc_endpoint, input).vpc_endpoint.unwrap();
    let input = endpoint(&place, "ssm").client_token("once").build();
    let again = place.lab.ok(endpoints::create_vpc_endpoint, input).vpc_endpoint.unwrap();
    assert_eq!(first.vpc_endpoint_id(), again.vpc_endpoint_id());
    refused!(place.lab, endpoints::create_vpc_endpoint:
        endpoint(&place, "ssm") => "InvalidParameter",
        endpoint(&place, "ec2").client_token("once") => "IdempotentParameterMismatch",
    );
}

#[test]
fn the_life_of_an_interface_endpoint() {
    let mut place = Place::new();
    switch_hostnames_on(&mut place);
    let input = endpoint(&place, "ssm").build();
    let made = place.lab.ok(endpoints::create_vpc_endpoint, input).vpc_endpoint.unwrap();
    let id = made.vpc_endpoint_id().unwrap();
    assert_eq!(made.state().unwrap().as_str(), "pending", "lower case on the wire");
    let modify = || ModifyVpcEndpointInput::builder().vpc_endpoint_id(id);
    refused!(place.lab, endpoints::modify_vpc_endpoint: modify().private_dns_enabled(false) => "IncorrectState");
    place.lab.wait_s(90);
    let shown = read_endpoint(&mut place, id);
    assert_eq!(shown.state().unwrap().as_str(), "available");
    assert!(shown.dns_entries().iter().any(|entry| entry.dns_name() == Some("ssm.us-east-1.amazonaws.com")));
    let second = place.lab.subnet(&place.vpc.clone(), 2, "b");
    refused!(place.lab, endpoints::modify_vpc_endpoint:
        modify().remove_security_group_ids(&place.group) => "InvalidParameter",
        modify().vpc_endpoint_id("vpce-0").private_dns_enabled(false) => "InvalidVpcEndpointId.NotFound",
    );
    let change = modify().add_subnet_ids(&second).remove_subnet_ids(&place.subnet).build();
    place.lab.ok(endpoints::modify_vpc_endpoint, change);
    assert_eq!(read_endpoint(&mut place, id).subnet_ids(), std::slice::from_ref(&second));
    place.lab.ok(subnet::delete_subnet, DeleteSubnetInput::builder().subnet_id(&place.subnet).build());
    let delete = DeleteVpcEndpointsInput::builder().vpc_endpoint_ids(id).vpc_endpoint_ids("vpce-0").build();
    let failed = place.lab.ok(endpoints::delete_vpc_endpoints, delete).unsuccessful.unwrap();
    assert_eq!(failed[0].error().unwrap().code(), Some("InvalidVpcEndpoint.NotFound"));
    assert_eq!(read_endpoint(&mut place, id).state().unwrap().as_str(), "deleting");
    refused!(place.lab, subnet::delete_subnet: DeleteSubnetInput::builder().subnet_id(&second) => "DependencyViolation");
    place.lab.wait_s(60);
    assert_eq!(read_endpoint(&mut place, id).state().unwrap().as_str(), "deleted");
    place.lab.ok(subnet::delete_subnet, DeleteSubnetInput::builder().subnet_id(&second).build());
}

#[test]
fn a_gateway_endpoint_is_a_route() {
    let mut place = Place::new();
    let table = place.lab.table(&place.vpc.clone());
    let create = |place: &Place| {
        CreateVpcEndpointInput::builder()
            .vpc_id(&place.vpc)
            .vpc_endpoint_type(VpcEndpointType::Gateway)
            .service_name("com.amazonaws.us-east-1.s3")
            .route_table_ids(&table)
    };
    refused!(place.lab, endpoints::create_vpc_endpoint:
        create(&place).subnet_ids(&place.subnet) => "InvalidParameter",
        create(&place).route_table_ids("rtb-0") => "InvalidRouteTableID.NotFound",
    );
    let input = create(&place).build();
    let made = place.lab.ok(endpoints::create_vpc_endpoint, input).vpc_endpoint.unwrap();
    let id = made.vpc_endpoint_id().unwrap();
    assert_eq!(made.state().unwrap().as_str(), "available");
    assert_eq!(place.lab.region().route_tables[&table].routes.len(), 2);
    refused!(place.lab, endpoints::create_vpc_endpoint: create(&place) => "RouteAlreadyExists");
    let delete = DeleteVpcEndpointsInput::builder().vpc_endpoint_ids(id).build();
    place.lab.ok(endpoints::delete_vpc_endpoints, delete);
    assert_eq!(place.lab.region().route_tables[&table].routes.len(), 1);
}
