//! Each operation once as it should go, and each refusal.

use aws_sdk_apigatewayv2::operation as op;
use aws_sdk_apigatewayv2::types::{
    AuthorizationType, AuthorizerType, ConnectionType, DomainNameConfiguration, EndpointType, IntegrationType,
    JwtConfiguration, MutualTlsAuthenticationInput, ProtocolType, SecurityPolicy, TlsConfigInput,
};
use op::create_api::{CreateApiInput, CreateApiOutput};
use op::create_api_mapping::{CreateApiMappingInput, CreateApiMappingOutput};
use op::create_authorizer::builders::CreateAuthorizerInputBuilder;
use op::create_authorizer::{CreateAuthorizerInput, CreateAuthorizerOutput};
use op::create_domain_name::builders::CreateDomainNameInputBuilder;
use op::create_domain_name::{CreateDomainNameInput, CreateDomainNameOutput};
use op::create_integration::builders::CreateIntegrationInputBuilder;
use op::create_integration::{CreateIntegrationInput, CreateIntegrationOutput};
use op::create_route::builders::CreateRouteInputBuilder;
use op::create_route::{CreateRouteInput, CreateRouteOutput};
use op::create_stage::builders::CreateStageInputBuilder;
use op::create_stage::{CreateStageInput, CreateStageOutput};
use op::create_vpc_link::builders::CreateVpcLinkInputBuilder;
use op::create_vpc_link::{CreateVpcLinkInput, CreateVpcLinkOutput};
use op::delete_api::{DeleteApiInput, DeleteApiOutput};
use op::delete_api_mapping::{DeleteApiMappingInput, DeleteApiMappingOutput};
use op::delete_authorizer::{DeleteAuthorizerInput, DeleteAuthorizerOutput};
use op::delete_domain_name::{DeleteDomainNameInput, DeleteDomainNameOutput};
use op::delete_integration::{DeleteIntegrationInput, DeleteIntegrationOutput};
use op::delete_route::{DeleteRouteInput, DeleteRouteOutput};
use op::delete_stage::{DeleteStageInput, DeleteStageOutput};
use op::delete_vpc_link::{DeleteVpcLinkInput, DeleteVpcLinkOutput};
use op::get_api::{GetApiInput, GetApiOutput};
use op::get_api_mapping::{GetApiMappingInput, GetApiMappingOutput};
use op::get_api_mappings::{GetApiMappingsInput, GetApiMappingsOutput};
use op::get_apis::{GetApisInput, GetApisOutput};
use op::get_authorizer::{GetAuthorizerInput, GetAuthorizerOutput};
use op::get_authorizers::{GetAuthorizersInput, GetAuthorizersOutput};
use op::get_domain_name::{GetDomainNameInput, GetDomainNameOutput};
use op::get_domain_names::{GetDomainNamesInput, GetDomainNamesOutput};
use op::get_integration::{GetIntegrationInput, GetIntegrationOutput};
use op::get_integrations::{GetIntegrationsInput, GetIntegrationsOutput};
use op::get_route::{GetRouteInput, GetRouteOutput};
use op::get_routes::{GetRoutesInput, GetRoutesOutput};
use op::get_stage::{GetStageInput, GetStageOutput};
use op::get_stages::{GetStagesInput, GetStagesOutput};
use op::get_tags::{GetTagsInput, GetTagsOutput};
use op::get_vpc_link::{GetVpcLinkInput, GetVpcLinkOutput};
use op::get_vpc_links::{GetVpcLinksInput, GetVpcLinksOutput};
use op::tag_resource::{TagResourceInput, TagResourceOutput};
use op::untag_resource::{UntagResourceInput, UntagResourceOutput};
use op::update_api::{UpdateApiInput, UpdateApiOutput};
use op::update_api_mapping::{UpdateApiMappingInput, UpdateApiMappingOutput};
use op::update_authorizer::{UpdateAuthorizerInput, UpdateAuthorizerOutput};
use op::update_domain_name::{UpdateDomainNameInput, UpdateDomainNameOutput};
use op::update_integration::{UpdateIntegrationInput, UpdateIntegrationOutput};
use op::update_route::{UpdateRouteInput, UpdateRouteOutput};
use op::update_stage::{UpdateStageInput, UpdateStageOutput};
use op::update_vpc_link::{UpdateVpcLinkInput, UpdateVpcLinkOutput};

use crate::control::acm;
use crate::data::testing::{Half, Kit};

const HERE: &str = "us-east-1";
const LISTENER: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/web/0123456789abcdef/0123456789abcdef";

fn new_api(kit: &mut Kit) -> String {
    let input = CreateApiInput::builder().name("shop").protocol_type(ProtocolType::Http).build();
    let output: CreateApiOutput = kit.must(HERE, "api.CreateApi", input);
    output.api_id.expect("an id")
}

/// An API with an integration to a URL.
fn with_integration() -> (Kit, String, String) {
    let mut kit = Kit::new();
    let api = new_api(&mut kit);
    let output: CreateIntegrationOutput = kit.must(HERE, "api.CreateIntegration", public(&api).build());
    let integration = output.integration_id.expect("an id");
    (kit, api, integration)
}

fn public(api: &str) -> CreateIntegrationInputBuilder {
    CreateIntegrationInput::builder()
        .api_id(api)
        .integration_type(IntegrationType::HttpProxy)
        .integration_uri("https://backend.example.com/")
        .integration_method("ANY")
}

fn private(api: &str, link: &str) -> CreateIntegrationInputBuilder {
    public(api).connection_type(ConnectionType::VpcLink).connection_id(link).integration_uri(LISTENER)
}

fn link(half: &Half) -> CreateVpcLinkInputBuilder {
    CreateVpcLinkInput::builder()
        .name("link")
        .set_subnet_ids(Some(half.private.iter().map(|(subnet, _)| subnet.clone()).collect()))
        .security_group_ids(&half.link_group)
}

fn new_link(kit: &mut Kit, half: &Half) -> String {
    let output: CreateVpcLinkOutput = kit.must(HERE, "api.CreateVpcLink", link(half).build());
    output.vpc_link_id.expect("an id")
}

fn link_status(kit: &mut Kit, id: &str) -> String {
    let input = GetVpcLinkInput::builder().vpc_link_id(id).build();
    let status = |output: GetVpcLinkOutput| output.vpc_link_status.map(|s| s.as_str().to_owned()).unwrap_or_default();
    kit.call::<_, GetVpcLinkOutput>(HERE, "api.GetVpcLink", input).map_or_else(|refusal| refusal.code, status)
}

fn link_enis(kit: &mut Kit) -> usize {
    kit.world.ec2.settle(kit.now_ms);
    let region = crate::control::ec2::region(&kit.world, HERE).expect("it has a network");
    region.interfaces.values().filter(|interface| interface.kind == "api_gateway_managed").count()
}

fn route(api: &str, key: &str) -> CreateRouteInputBuilder {
    CreateRouteInput::builder().api_id(api).route_key(key)
}

fn route_code(kit: &mut Kit, input: CreateRouteInputBuilder) -> String {
    kit.code::<_, CreateRouteOutput>(HERE, "api.CreateRoute", input.build())
}

fn stage(api: &str, name: &str) -> CreateStageInputBuilder {
    CreateStageInput::builder().api_id(api).stage_name(name).auto_deploy(true)
}

fn stage_code(kit: &mut Kit, input: CreateStageInputBuilder) -> String {
    kit.code::<_, CreateStageOutput>(HERE, "api.CreateStage", input.build())
}

#[test]
fn an_api_is_made_changed_and_deleted_and_a_second_one_of_its_name_is_another() {
    let mut kit = Kit::new();
    let id = new_api(&mut kit);
    assert_ne!(new_api(&mut kit), id);
    let update =
        UpdateApiInput::builder().api_id(&id).description("the shop").disable_execute_api_endpoint(true).build();
    let _: UpdateApiOutput = kit.must(HERE, "api.UpdateApi", update);
    let update = UpdateApiInput::builder().api_id(&id).name("store").build();
    let output: UpdateApiOutput = kit.must(HERE, "api.UpdateApi", update);
    assert_eq!(
        (output.name(), output.description(), output.disable_execute_api_endpoint()),
        (Some("store"), Some("the shop"), Some(true))
    );
    assert_eq!(output.api_endpoint(), Some(format!("https://{id}.execute-api.us-east-1.amazonaws.com").as_str()));
    let get = || GetApiInput::builder().api_id(&id).build();
    assert_eq!(kit.code::<_, GetApiOutput>("us-west-2", "api.GetApi", get()), "NotFoundException");
    let _: DeleteApiOutput = kit.must(HERE, "api.DeleteApi", DeleteApiInput::builder().api_id(&id).build());
    assert_eq!(kit.code::<_, GetApiOutput>(HERE, "api.GetApi", get()), "NotFoundException");
    let code = |kit: &mut Kit, input| kit.code::<_, CreateApiOutput>(HERE, "api.CreateApi", input);
    assert_eq!(code(&mut kit, CreateApiInput::builder().name("x").build()), "BadRequestException");
    assert_eq!(
        code(&mut kit, CreateApiInput::builder().protocol_type(ProtocolType::Http).build()),
        "BadRequestException"
    );
    let quick =
        CreateApiInput::builder().name("x").protocol_type(ProtocolType::Http).target("https://a.example.com").build();
    assert_eq!(code(&mut kit, quick), "NotSimulated");
}

#[test]
fn lists_come_in_pages() {
    let mut kit = Kit::new();
    for _ in 0..5 {
        new_api(&mut kit);
    }
    let page = |kit: &mut Kit, token: Option<String>| -> GetApisOutput {
        kit.must(HERE, "api.GetApis", GetApisInput::builder().max_results("2").set_next_token(token).build())
    };
    let (mut ids, mut token) = (Vec::new(), None);
    loop {
        let output = page(&mut kit, token);
        ids.extend(output.items().iter().filter_map(|api| api.api_id().map(str::to_owned)));
        token = output.next_token;
        if token.is_none() {
            break;
        }
    }
    let expected: Vec<String> = kit.world.apigatewayv2.apis.keys().cloned().collect();
    assert_eq!(ids, expected);
    let input = GetApisInput::builder().max_results("many").build();
    assert_eq!(kit.code::<_, GetApisOutput>(HERE, "api.GetApis", input), "BadRequestException");
}

#[test]
fn a_stage_deploys_after_each_change_once_every_route_has_a_target() {
    let (mut kit, api, integration) = with_integration();
    let message = |kit: &mut Kit| -> String {
        let output: GetStageOutput =
            kit.must(HERE, "api.GetStage", GetStageInput::builder().api_id(&api).stage_name("$default").build());
        output.last_deployment_status_message.unwrap_or_default()
    };
    assert_eq!(stage_code(&mut kit, stage(&api, "$default")), "accepted");
    assert!(message(&mut kit).ends_with("no routes exist in this API"));
    assert_eq!(route_code(&mut kit, route(&api, "GET /a")), "accepted");
    assert!(message(&mut kit).ends_with("the following routes have no integration: GET /a"));
    let id = kit.world.apigatewayv2.apis[&api].model.routes.keys().next().expect("a route").clone();
    let update =
        UpdateRouteInput::builder().api_id(&api).route_id(&id).target(format!("integrations/{integration}")).build();
    let _: UpdateRouteOutput = kit.must(HERE, "api.UpdateRoute", update);
    assert!(message(&mut kit).starts_with("Successfully deployed stage with deployment ID"));

    assert_eq!(stage_code(&mut kit, stage(&api, "$default")), "ConflictException");
    assert_eq!(stage_code(&mut kit, stage(&api, "a b")), "BadRequestException");
    assert_eq!(stage_code(&mut kit, stage("nothing", "x")), "NotFoundException");
    assert_eq!(stage_code(&mut kit, stage(&api, "x").deployment_id("abc")), "BadRequestException");
    assert_eq!(stage_code(&mut kit, stage(&api, "x").stage_variables("k", "v w")), "BadRequestException");
    assert_eq!(stage_code(&mut kit, stage(&api, "x").stage_variables("k", "v")), "accepted");
    let update =
        UpdateStageInput::builder().api_id(&api).stage_name("x").stage_variables("k", "").stage_variables("l", "w");
    let output: UpdateStageOutput = kit.must(HERE, "api.UpdateStage", update.description("second").build());
    let variables = output.stage_variables().expect("variables");
    assert_eq!((variables.len(), variables.get("l").map(String::as_str)), (1, Some("w")));
    assert_eq!((output.auto_deploy(), output.description()), (Some(true), Some("second")));
    let all: GetStagesOutput = kit.must(HERE, "api.GetStages", GetStagesInput::builder().api_id(&api).build());
    assert_eq!(all.items().len(), 2);
    let delete = || DeleteStageInput::builder().api_id(&api).stage_name("x").build();
    assert_eq!(kit.code::<_, DeleteStageOutput>(HERE, "api.DeleteStage", delete()), "accepted");
    assert_eq!(kit.code::<_, DeleteStageOutput>(HERE, "api.DeleteStage", delete()), "NotFoundException");
}

#[test]
fn a_link_waits_sleeps_wakes_up_and_leaves_its_interfaces_last() {
    let mut kit = Kit::new();
    let half = kit.network(HERE, 0);
    let id = new_link(&mut kit, &half);
    assert_eq!((link_status(&mut kit, &id).as_str(), link_enis(&mut kit)), ("PENDING", 2));
    kit.wait_s(150);
    assert_eq!(link_status(&mut kit, &id), "AVAILABLE");
    kit.wait_s(59 * 86_400);
    super::note_traffic(&mut kit.world, &id, kit.now_ms);
    kit.wait_s(59 * 86_400);
    assert_eq!((link_status(&mut kit, &id).as_str(), link_enis(&mut kit)), ("AVAILABLE", 2));
    kit.wait_s(86_400);
    assert_eq!((link_status(&mut kit, &id).as_str(), link_enis(&mut kit)), ("INACTIVE", 0));
    super::note_traffic(&mut kit.world, &id, kit.now_ms);
    assert_eq!((link_status(&mut kit, &id).as_str(), link_enis(&mut kit)), ("PENDING", 2));
    kit.wait_s(150);
    assert_eq!(link_status(&mut kit, &id), "AVAILABLE");
    let output: UpdateVpcLinkOutput =
        kit.must(HERE, "api.UpdateVpcLink", UpdateVpcLinkInput::builder().vpc_link_id(&id).name("other").build());
    assert_eq!(output.name(), Some("other"));

    let api = new_api(&mut kit);
    let output: CreateIntegrationOutput = kit.must(HERE, "api.CreateIntegration", private(&api, &id).build());
    let delete = || DeleteVpcLinkInput::builder().vpc_link_id(&id).build();
    assert_eq!(kit.code::<_, DeleteVpcLinkOutput>(HERE, "api.DeleteVpcLink", delete()), "BadRequestException");
    let input = DeleteIntegrationInput::builder().api_id(&api).set_integration_id(output.integration_id).build();
    let _: DeleteIntegrationOutput = kit.must(HERE, "api.DeleteIntegration", input);
    let _: DeleteVpcLinkOutput = kit.must(HERE, "api.DeleteVpcLink", delete());
    assert_eq!((link_status(&mut kit, &id).as_str(), link_enis(&mut kit)), ("DELETING", 2));
    kit.wait_s(120);
    assert_eq!((link_status(&mut kit, &id).as_str(), link_enis(&mut kit)), ("NotFoundException", 0));
    assert_eq!(kit.code::<_, DeleteVpcLinkOutput>(HERE, "api.DeleteVpcLink", delete()), "NotFoundException");
    let all: GetVpcLinksOutput = kit.must(HERE, "api.GetVpcLinks", GetVpcLinksInput::builder().build());
    assert!(all.items().is_empty());
}

#[test]
fn a_link_needs_subnets_and_groups_of_one_vpc_in_zones_that_have_links() {
    let mut kit = Kit::new();
    let half = kit.network(HERE, 0);
    let other = kit.network(HERE, 1);
    let code = |kit: &mut Kit, input: CreateVpcLinkInputBuilder| {
        kit.code::<_, CreateVpcLinkOutput>(HERE, "api.CreateVpcLink", input.build())
    };
    assert_eq!(code(&mut kit, link(&half).set_subnet_ids(None)), "BadRequestException");
    assert_eq!(code(&mut kit, link(&half).subnet_ids("subnet-0123456789abcdef0")), "BadRequestException");
    assert_eq!(code(&mut kit, link(&half).subnet_ids(&half.private[0].0)), "BadRequestException", "twice");
    assert_eq!(code(&mut kit, link(&half).subnet_ids(&other.private[0].0)), "BadRequestException");
    assert_eq!(code(&mut kit, link(&half).security_group_ids("sg-1")), "BadRequestException");
    assert_eq!(code(&mut kit, link(&half).security_group_ids(&other.link_group)), "BadRequestException");
    assert_eq!(code(&mut kit, link(&half).set_name(None)), "BadRequestException");
    // us-east-1 has a zone without VPC links.
    use aws_sdk_ec2::operation::create_subnet::{CreateSubnetInput, CreateSubnetOutput};
    use aws_sdk_ec2::operation::describe_availability_zones::{
        DescribeAvailabilityZonesInput, DescribeAvailabilityZonesOutput,
    };
    let zones: DescribeAvailabilityZonesOutput =
        kit.must(HERE, "EC2.DescribeAvailabilityZones", DescribeAvailabilityZonesInput::builder().build());
    let third =
        zones.availability_zones().iter().find(|zone| zone.zone_id() == Some("use1-az3")).expect("us-east-1 has it");
    let input = CreateSubnetInput::builder()
        .vpc_id(&half.vpc)
        .cidr_block("10.0.99.0/24")
        .set_availability_zone(third.zone_name.clone())
        .build();
    let output: CreateSubnetOutput = kit.must(HERE, "EC2.CreateSubnet", input);
    let subnet = output.subnet.and_then(|subnet| subnet.subnet_id).expect("a subnet");
    let refusal = kit
        .call::<_, CreateVpcLinkOutput>(HERE, "api.CreateVpcLink", link(&half).subnet_ids(subnet).build())
        .unwrap_err();
    assert!(refusal.message.contains("use1-az3"), "{refusal:?}");
    for _ in 0..10 {
        new_link(&mut kit, &half);
    }
    let refusal = kit.call::<_, CreateVpcLinkOutput>(HERE, "api.CreateVpcLink", link(&half).build()).unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.status), ("TooManyRequestsException", 429));
}

#[test]
fn an_integration_names_a_link_that_is_there_and_a_listener() {
    let mut kit = Kit::new();
    let half = kit.network(HERE, 0);
    let id = new_link(&mut kit, &half);
    let api = new_api(&mut kit);
    let code = |kit: &mut Kit, input: CreateIntegrationInputBuilder| {
        kit.code::<_, CreateIntegrationOutput>(HERE, "api.CreateIntegration", input.build())
    };
    let bad = [
        ("no type", private(&api, &id).set_integration_type(None)),
        ("no link", private(&api, &id).set_connection_id(None)),
        ("a link that is not there", private(&api, "abc123")),
        ("not a listener", private(&api, &id).integration_uri("https://web.example.com")),
        (
            "a listener of another region",
            private(&api, &id).integration_uri(LISTENER.replace("us-east-1", "us-west-2")),
        ),
        ("payload", private(&api, &id).payload_format_version("2.0")),
        ("method", private(&api, &id).set_integration_method(None)),
        ("timeout", private(&api, &id).timeout_in_millis(30_001)),
        ("timeout", private(&api, &id).timeout_in_millis(49)),
        (
            "TLS to the internet",
            public(&api).tls_config(TlsConfigInput::builder().server_name_to_verify("a.example.com").build()),
        ),
        ("a link to the internet", public(&api).connection_id(&id)),
        ("no URL", public(&api).integration_uri("backend")),
    ];
    for (what, input) in bad {
        assert_eq!(code(&mut kit, input), "BadRequestException", "{what}");
    }
    assert_eq!(code(&mut kit, public(&api).integration_type(IntegrationType::AwsProxy)), "NotSimulated");
    assert_eq!(code(&mut kit, public("nothing")), "NotFoundException");

    let tls = TlsConfigInput::builder().server_name_to_verify("web.example.com").build();
    let input = private(&api, &id)
        .tls_config(tls)
        .request_parameters("overwrite:path", "$request.path")
        .description("web")
        .build();
    let output: CreateIntegrationOutput = kit.must(HERE, "api.CreateIntegration", input);
    assert_eq!((output.timeout_in_millis(), output.payload_format_version()), (Some(30_000), Some("1.0")));
    let integration = output.integration_id.expect("an id");
    let update = || UpdateIntegrationInput::builder().api_id(&api).integration_id(&integration);
    let output: UpdateIntegrationOutput =
        kit.must(HERE, "api.UpdateIntegration", update().timeout_in_millis(5000).build());
    assert_eq!(
        output.tls_config().and_then(|tls| tls.server_name_to_verify()),
        Some("web.example.com"),
        "what is absent stays"
    );
    assert_eq!(
        (output.timeout_in_millis(), output.connection_id(), output.description()),
        (Some(5000), Some(id.as_str()), Some("web"))
    );
    let clear = update()
        .request_parameters("overwrite:path", "")
        .tls_config(TlsConfigInput::builder().server_name_to_verify("").build());
    let output: UpdateIntegrationOutput = kit.must(HERE, "api.UpdateIntegration", clear.build());
    assert!(output.request_parameters().is_none() && output.tls_config().is_none(), "an empty value removes");
    let moved = update().connection_id("abc123").build();
    assert_eq!(kit.code::<_, UpdateIntegrationOutput>(HERE, "api.UpdateIntegration", moved), "BadRequestException");

    let target = route(&api, "GET /").target(format!("integrations/{integration}"));
    let output: CreateRouteOutput = kit.must(HERE, "api.CreateRoute", target.build());
    let delete = || DeleteIntegrationInput::builder().api_id(&api).integration_id(&integration).build();
    let refusal = kit.call::<_, DeleteIntegrationOutput>(HERE, "api.DeleteIntegration", delete()).unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.status), ("ConflictException", 409));
    let input = DeleteRouteInput::builder().api_id(&api).set_route_id(output.route_id).build();
    let _: DeleteRouteOutput = kit.must(HERE, "api.DeleteRoute", input);
    assert_eq!(kit.code::<_, DeleteIntegrationOutput>(HERE, "api.DeleteIntegration", delete()), "accepted");
    assert_eq!(kit.code::<_, DeleteIntegrationOutput>(HERE, "api.DeleteIntegration", delete()), "NotFoundException");
    let get = GetIntegrationInput::builder().api_id(&api).integration_id(&integration).build();
    assert_eq!(kit.code::<_, GetIntegrationOutput>(HERE, "api.GetIntegration", get), "NotFoundException");
    let all: GetIntegrationsOutput =
        kit.must(HERE, "api.GetIntegrations", GetIntegrationsInput::builder().api_id(&api).build());
    assert!(all.items().is_empty());
}

#[test]
fn a_route_has_a_legal_key_a_target_that_is_there_and_one_authorization() {
    let (mut kit, api, integration) = with_integration();
    for key in
        ["", "GET", "FETCH /", "GET a", "GET /{a+}/b", "GET /x{a}", "GET /{}", "GET /a//b", "GET /{a}/{a}", "GET  /a"]
    {
        assert_eq!(route_code(&mut kit, route(&api, key)), "BadRequestException", "{key}");
    }
    for key in ["$default", "ANY /", "GET /a/{id}", "ANY /{proxy+}", "GET /a/{proxy+}"] {
        assert_eq!(
            route_code(&mut kit, route(&api, key).target(format!("integrations/{integration}"))),
            "accepted",
            "{key}"
        );
    }
    let twice = kit.call::<_, CreateRouteOutput>(HERE, "api.CreateRoute", route(&api, "ANY /").build()).unwrap_err();
    assert_eq!(
        (twice.code.as_str(), twice.message.as_str()),
        ("ConflictException", "Route with key ANY / already exists for this API")
    );
    assert_eq!(route_code(&mut kit, route(&api, "GET /b").target("integrations/none")), "BadRequestException");
    assert_eq!(route_code(&mut kit, route(&api, "GET /b").target(&integration)), "BadRequestException");
    assert_eq!(
        route_code(&mut kit, route(&api, "GET /b").authorization_type(AuthorizationType::Jwt)),
        "BadRequestException"
    );
    let unknown = route(&api, "GET /b").authorization_type(AuthorizationType::Jwt).authorizer_id("none");
    assert_eq!(route_code(&mut kit, unknown), "BadRequestException");
    assert_eq!(route_code(&mut kit, route(&api, "GET /b").authorizer_id("abc")), "BadRequestException");
    assert_eq!(route_code(&mut kit, route(&api, "GET /b").authorization_scopes("read")), "BadRequestException");
    assert_eq!(
        route_code(&mut kit, route(&api, "GET /b").authorization_type(AuthorizationType::Custom)),
        "NotSimulated"
    );
    assert_eq!(route_code(&mut kit, route("nothing", "GET /b")), "NotFoundException");

    let all: GetRoutesOutput = kit.must(HERE, "api.GetRoutes", GetRoutesInput::builder().api_id(&api).build());
    let id = all
        .items()
        .iter()
        .find(|route| route.route_key() == Some("ANY /"))
        .and_then(|route| route.route_id())
        .expect("it is there");
    let update = |key: &str| UpdateRouteInput::builder().api_id(&api).route_id(id).route_key(key).build();
    assert_eq!(kit.code::<_, UpdateRouteOutput>(HERE, "api.UpdateRoute", update("$default")), "ConflictException");
    let output: UpdateRouteOutput = kit.must(HERE, "api.UpdateRoute", update("GET /"));
    assert_eq!(output.target(), Some(format!("integrations/{integration}").as_str()), "what is absent stays");
    let get = || GetRouteInput::builder().api_id(&api).route_id(id).build();
    let output: GetRouteOutput = kit.must(HERE, "api.GetRoute", get());
    assert_eq!(output.route_key(), Some("GET /"));
    let _: DeleteRouteOutput =
        kit.must(HERE, "api.DeleteRoute", DeleteRouteInput::builder().api_id(&api).route_id(id).build());
    assert_eq!(kit.code::<_, GetRouteOutput>(HERE, "api.GetRoute", get()), "NotFoundException");
}

#[test]
fn an_authorizer_reads_its_issuer_and_is_held_by_its_routes() {
    let (mut kit, api, _) = with_integration();
    let jwt = |issuer: &str, audience: &[&str]| {
        let audience = audience.iter().map(|one| (*one).to_owned()).collect();
        JwtConfiguration::builder().issuer(issuer).set_audience(Some(audience)).build()
    };
    let authorizer = |jwt: JwtConfiguration| -> CreateAuthorizerInputBuilder {
        CreateAuthorizerInput::builder()
            .api_id(&api)
            .name("users")
            .authorizer_type(AuthorizerType::Jwt)
            .identity_source("$request.header.Authorization")
            .jwt_configuration(jwt)
    };
    let code = |kit: &mut Kit, input: CreateAuthorizerInputBuilder| {
        kit.code::<_, CreateAuthorizerOutput>(HERE, "api.CreateAuthorizer", input.build())
    };
    let good = || authorizer(jwt("https://id.example.com", &["shop"]));
    assert_eq!(code(&mut kit, authorizer(jwt("http://id.example.com", &["shop"]))), "BadRequestException");
    assert_eq!(code(&mut kit, authorizer(jwt("https://id.example.com", &[]))), "BadRequestException");
    assert_eq!(code(&mut kit, good().set_identity_source(None)), "BadRequestException");
    assert_eq!(code(&mut kit, good().set_jwt_configuration(None)), "BadRequestException");
    assert_eq!(code(&mut kit, good().authorizer_type(AuthorizerType::Request)), "NotSimulated");
    let output: CreateAuthorizerOutput = kit.must(HERE, "api.CreateAuthorizer", good().build());
    let id = output.authorizer_id.expect("an id");
    let update = UpdateAuthorizerInput::builder().api_id(&api).authorizer_id(&id).name("people").build();
    let output: UpdateAuthorizerOutput = kit.must(HERE, "api.UpdateAuthorizer", update);
    let issuer = output.jwt_configuration().and_then(|jwt| jwt.issuer());
    assert_eq!((output.name(), issuer), (Some("people"), Some("https://id.example.com")));
    let input = route(&api, "GET /")
        .authorization_type(AuthorizationType::Jwt)
        .authorizer_id(&id)
        .authorization_scopes("read")
        .build();
    let output: CreateRouteOutput = kit.must(HERE, "api.CreateRoute", input);
    let delete = || DeleteAuthorizerInput::builder().api_id(&api).authorizer_id(&id).build();
    let refusal = kit.call::<_, DeleteAuthorizerOutput>(HERE, "api.DeleteAuthorizer", delete()).unwrap_err();
    assert_eq!(refusal.message, format!("Cannot delete authorizer '{id}', is referenced in route: GET /"));
    let free = UpdateRouteInput::builder()
        .api_id(&api)
        .set_route_id(output.route_id)
        .authorization_type(AuthorizationType::None)
        .build();
    let output: UpdateRouteOutput = kit.must(HERE, "api.UpdateRoute", free);
    assert_eq!((output.authorizer_id(), output.authorization_scopes().len()), (None, 0));
    assert_eq!(kit.code::<_, DeleteAuthorizerOutput>(HERE, "api.DeleteAuthorizer", delete()), "accepted");
    let get = GetAuthorizerInput::builder().api_id(&api).authorizer_id(&id).build();
    assert_eq!(kit.code::<_, GetAuthorizerOutput>(HERE, "api.GetAuthorizer", get), "NotFoundException");
    let all: GetAuthorizersOutput =
        kit.must(HERE, "api.GetAuthorizers", GetAuthorizersInput::builder().api_id(&api).build());
    assert!(all.items().is_empty());
}

/// A regional name with a certificate.
fn domain(name: &str, certificate: &str) -> CreateDomainNameInputBuilder {
    CreateDomainNameInput::builder().domain_name(name).domain_name_configurations(configuration(certificate))
}

fn configuration(certificate: &str) -> DomainNameConfiguration {
    DomainNameConfiguration::builder()
        .certificate_arn(certificate)
        .endpoint_type(EndpointType::Regional)
        .security_policy(SecurityPolicy::Tls12)
        .build()
}

fn domain_code(kit: &mut Kit, input: CreateDomainNameInputBuilder) -> String {
    kit.code::<_, CreateDomainNameOutput>(HERE, "api.CreateDomainName", input.build())
}

#[test]
fn a_domain_name_needs_an_issued_certificate_of_its_region_that_covers_it() {
    let mut kit = Kit::new();
    let zone = kit.hosted_zone("example.com");
    let certificate = kit.certificate(&zone, HERE, &["api.example.com", "*.wild.example.com"]);
    let west = kit.certificate(&zone, "us-west-2", &["api.example.com"]);
    assert_eq!(domain_code(&mut kit, domain("api.example.com", &certificate)), "BadRequestException", "not issued yet");
    kit.wait_s(300);
    assert_eq!(domain_code(&mut kit, domain("api.example.com", &west)), "BadRequestException", "of another region");
    assert_eq!(domain_code(&mut kit, domain("www.example.com", &certificate)), "BadRequestException", "not covered");
    for name in ["API.example.com", "api.example.com.", "api", ""] {
        assert_eq!(domain_code(&mut kit, domain(name, &certificate)), "BadRequestException", "{name}");
    }
    let edge =
        DomainNameConfiguration::builder().certificate_arn(&certificate).endpoint_type(EndpointType::Edge).build();
    let old =
        DomainNameConfiguration::builder().certificate_arn(&certificate).security_policy(SecurityPolicy::Tls10).build();
    for configuration in [edge, old] {
        let input =
            CreateDomainNameInput::builder().domain_name("api.example.com").domain_name_configurations(configuration);
        assert_eq!(domain_code(&mut kit, input), "BadRequestException");
    }
    assert_eq!(
        domain_code(&mut kit, CreateDomainNameInput::builder().domain_name("api.example.com")),
        "BadRequestException"
    );

    let output: CreateDomainNameOutput =
        kit.must(HERE, "api.CreateDomainName", domain("api.example.com", &certificate).build());
    let made = &output.domain_name_configurations()[0];
    let target = made.api_gateway_domain_name().expect("a target");
    assert!(target.starts_with("d-") && target.ends_with(".execute-api.us-east-1.amazonaws.com"), "{target}");
    assert_eq!(made.hosted_zone_id(), Some("Z1UJRXOUMOOFQ8"));
    assert_eq!(made.domain_name_status().map(|status| status.as_str()), Some("UPDATING"));
    kit.wait_s(5);
    let output: GetDomainNameOutput =
        kit.must(HERE, "api.GetDomainName", GetDomainNameInput::builder().domain_name("api.example.com").build());
    assert_eq!(
        output.domain_name_configurations()[0].domain_name_status().map(|status| status.as_str()),
        Some("AVAILABLE")
    );
    assert_eq!(domain_code(&mut kit, domain("api.example.com", &certificate)), "ConflictException");
    assert_eq!(domain_code(&mut kit, domain("*.wild.example.com", &certificate)), "accepted");
    // The twin of a failover pair.
    let _: CreateDomainNameOutput =
        kit.must("us-west-2", "api.CreateDomainName", domain("api.example.com", &west).build());
    let user = "arn:aws:apigateway:us-east-1::/domainnames/api.example.com";
    assert!(acm::in_use_by(&kit.world, &certificate, kit.now_ms).contains(&user.to_owned()));

    let new = kit.certificate(&zone, HERE, &["api.example.com"]);
    kit.wait_s(300);
    let mutual = MutualTlsAuthenticationInput::builder().truststore_uri("s3://trust/store.pem").build();
    let update = || UpdateDomainNameInput::builder().domain_name("api.example.com");
    let output: UpdateDomainNameOutput = kit.must(
        HERE,
        "api.UpdateDomainName",
        update().domain_name_configurations(configuration(&new)).mutual_tls_authentication(mutual).build(),
    );
    assert_eq!(output.domain_name_configurations()[0].certificate_arn(), Some(new.as_str()));
    assert!(output.mutual_tls_authentication().is_some());
    let none = MutualTlsAuthenticationInput::builder().truststore_uri("").build();
    let output: UpdateDomainNameOutput =
        kit.must(HERE, "api.UpdateDomainName", update().mutual_tls_authentication(none).build());
    assert!(output.mutual_tls_authentication().is_none());
    let all: GetDomainNamesOutput = kit.must(HERE, "api.GetDomainNames", GetDomainNamesInput::builder().build());
    assert_eq!(all.items().len(), 2);
    let delete = || DeleteDomainNameInput::builder().domain_name("api.example.com").build();
    let _: DeleteDomainNameOutput = kit.must(HERE, "api.DeleteDomainName", delete());
    assert_eq!(kit.code::<_, DeleteDomainNameOutput>(HERE, "api.DeleteDomainName", delete()), "NotFoundException");
    kit.wait_s(1200);
    assert!(acm::in_use_by(&kit.world, &new, kit.now_ms).is_empty());
}

#[test]
fn a_mapping_holds_its_stage_and_its_api() {
    let (mut kit, api, _) = with_integration();
    let zone = kit.hosted_zone("example.com");
    let certificate = kit.certificate(&zone, HERE, &["api.example.com"]);
    kit.wait_s(300);
    let _: CreateDomainNameOutput =
        kit.must(HERE, "api.CreateDomainName", domain("api.example.com", &certificate).build());
    let mapping = |key: &str, stage: &str| {
        let input = CreateApiMappingInput::builder().domain_name("api.example.com").api_id(&api).stage(stage);
        if key.is_empty() { input } else { input.api_mapping_key(key) }
    };
    let code = |kit: &mut Kit, input: op::create_api_mapping::builders::CreateApiMappingInputBuilder| {
        kit.code::<_, CreateApiMappingOutput>(HERE, "api.CreateApiMapping", input.build())
    };
    assert_eq!(code(&mut kit, mapping("", "live")), "BadRequestException", "no stage");
    for name in ["live", "next"] {
        assert_eq!(stage_code(&mut kit, stage(&api, name)), "accepted");
    }
    let output: CreateApiMappingOutput = kit.must(HERE, "api.CreateApiMapping", mapping("", "live").build());
    let id = output.api_mapping_id.expect("an id");
    assert_eq!(code(&mut kit, mapping("", "next")), "ConflictException");
    assert_eq!(code(&mut kit, mapping("/orders", "live")), "BadRequestException");
    assert_eq!(code(&mut kit, mapping("orders/v1", "live")), "accepted");
    assert_eq!(code(&mut kit, mapping("x", "live").api_id("nothing")), "NotFoundException");
    assert_eq!(code(&mut kit, mapping("x", "live").domain_name("none.example.com")), "NotFoundException");

    let delete_stage = |name: &str| DeleteStageInput::builder().api_id(&api).stage_name(name).build();
    let refusal = kit.call::<_, DeleteStageOutput>(HERE, "api.DeleteStage", delete_stage("live")).unwrap_err();
    assert_eq!(refusal.code, "BadRequestException");
    assert!(refusal.message.contains("Please remove all base path mappings"), "{refusal:?}");
    let delete_api = || DeleteApiInput::builder().api_id(&api).build();
    assert_eq!(kit.code::<_, DeleteApiOutput>(HERE, "api.DeleteApi", delete_api()), "BadRequestException");

    let update = UpdateApiMappingInput::builder()
        .domain_name("api.example.com")
        .api_mapping_id(&id)
        .api_id(&api)
        .stage("next")
        .build();
    let output: UpdateApiMappingOutput = kit.must(HERE, "api.UpdateApiMapping", update);
    assert_eq!((output.stage(), output.api_mapping_key()), (Some("next"), Some("")));
    let get = GetApiMappingInput::builder().domain_name("api.example.com").api_mapping_id(&id).build();
    let output: GetApiMappingOutput = kit.must(HERE, "api.GetApiMapping", get);
    assert_eq!(output.stage(), Some("next"));
    let all: GetApiMappingsOutput =
        kit.must(HERE, "api.GetApiMappings", GetApiMappingsInput::builder().domain_name("api.example.com").build());
    assert_eq!(all.items().len(), 2);
    for mapping in all.items() {
        let input = DeleteApiMappingInput::builder()
            .domain_name("api.example.com")
            .set_api_mapping_id(mapping.api_mapping_id.clone());
        let _: DeleteApiMappingOutput = kit.must(HERE, "api.DeleteApiMapping", input.build());
    }
    assert_eq!(kit.code::<_, DeleteStageOutput>(HERE, "api.DeleteStage", delete_stage("live")), "accepted");
    assert_eq!(kit.code::<_, DeleteApiOutput>(HERE, "api.DeleteApi", delete_api()), "accepted");
}

#[test]
fn tags_are_put_read_and_removed_by_arn() {
    let (mut kit, api, _) = with_integration();
    assert_eq!(stage_code(&mut kit, stage(&api, "live").tags("made", "here")), "accepted");
    let half = kit.network(HERE, 0);
    let link = new_link(&mut kit, &half);
    let arns = [
        format!("arn:aws:apigateway:us-east-1::/apis/{api}"),
        format!("arn:aws:apigateway:us-east-1::/apis/{api}/stages/live"),
        format!("arn:aws:apigateway:us-east-1::/vpclinks/{link}"),
    ];
    for arn in &arns {
        let _: TagResourceOutput = kit.must(
            HERE,
            "api.TagResource",
            TagResourceInput::builder().resource_arn(arn).tags("a", "1").tags("b", "2").build(),
        );
        let _: UntagResourceOutput =
            kit.must(HERE, "api.UntagResource", UntagResourceInput::builder().resource_arn(arn).tag_keys("b").build());
        let output: GetTagsOutput = kit.must(HERE, "api.GetTags", GetTagsInput::builder().resource_arn(arn).build());
        assert_eq!(output.tags().and_then(|tags| tags.get("a")).map(String::as_str), Some("1"));
        assert!(output.tags().is_some_and(|tags| !tags.contains_key("b")));
    }
    let output: GetApiOutput = kit.must(HERE, "api.GetApi", GetApiInput::builder().api_id(&api).build());
    assert!(output.tags().is_some_and(|tags| tags.contains_key("a")), "reads carry the tags");
    let code = |kit: &mut Kit, arn: &str| {
        kit.code::<_, GetTagsOutput>(HERE, "api.GetTags", GetTagsInput::builder().resource_arn(arn).build())
    };
    assert_eq!(code(&mut kit, "arn:aws:apigateway:us-east-1::/apis/none"), "NotFoundException");
    assert_eq!(code(&mut kit, "arn:aws:apigateway:us-west-2::/apis/none"), "BadRequestException");
}
