//! APIs: create, read, update, delete.

use aws_sdk_apigatewayv2::operation::create_api::{CreateApiError, CreateApiInput, CreateApiOutput};
use aws_sdk_apigatewayv2::operation::delete_api::{DeleteApiError, DeleteApiInput, DeleteApiOutput};
use aws_sdk_apigatewayv2::operation::get_api::{GetApiError, GetApiInput, GetApiOutput};
use aws_sdk_apigatewayv2::operation::get_apis::{GetApisError, GetApisInput, GetApisOutput};
use aws_sdk_apigatewayv2::operation::update_api::{UpdateApiError, UpdateApiInput, UpdateApiOutput};
use aws_sdk_apigatewayv2::types::{Api as SdkApi, Cors as SdkCors, IpAddressType, ProtocolType};

use super::{
    Api, Cors, SERVICE, api, bad, checked_description, checked_name, checked_tags, date, hash_map, id, limit,
    not_simulated, page,
};
use crate::control::{Answer, Call, Table};
use crate::world::World;

/// Regional APIs per account and region (AWS default quota).
const APIS_MAX: usize = 600;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "CreateApi", CreateApiError::generic, create);
    table.on(SERVICE, "GetApi", GetApiError::generic, get);
    table.on(SERVICE, "GetApis", GetApisError::generic, list);
    table.on(SERVICE, "UpdateApi", UpdateApiError::generic, update);
    table.on(SERVICE, "DeleteApi", DeleteApiError::generic, delete);
}

/// Fills any of the builders that describe an API: they have the same fields and no common type.
macro_rules! describe {
    ($builder:expr, $api:expr) => {{
        let api: &Api = $api;
        $builder
            .api_id(&api.id)
            .api_endpoint(format!("https://{}.execute-api.{}.amazonaws.com", api.id, api.region))
            .api_key_selection_expression("$request.header.x-api-key")
            .set_cors_configuration(api.cors.as_ref().map(cors_to_sdk))
            .created_date(date(api.created_ms))
            .set_description(api.description.clone())
            .disable_execute_api_endpoint(api.endpoint_disabled)
            .ip_address_type(IpAddressType::from(api.ip_address_type.as_str()))
            .name(&api.name)
            .protocol_type(ProtocolType::Http)
            .route_selection_expression("$request.method $request.path")
            .set_tags(Some(hash_map(&api.tags)))
            .set_version(api.version.clone())
            .build()
    }};
}

fn create(world: &mut World, call: &Call, input: &CreateApiInput) -> Answer<CreateApiOutput> {
    match input.protocol_type() {
        Some(ProtocolType::Http) => {}
        Some(other) => return Err(not_simulated(format!("APIs with protocol {}", other.as_str()))),
        None => return Err(bad("Protocol type must be specified")),
    }
    if input.target().is_some() || input.route_key().is_some() {
        return Err(not_simulated("quick create (create the stage, the integration and the route)"));
    }
    if world.apigatewayv2.apis.values().filter(|api| api.region == call.region).count() >= APIS_MAX {
        return Err(limit("Maximum number of APIs for this account has been reached"));
    }
    let api = Api {
        name: checked_name("API", input.name())?,
        description: checked_description(input.description())?,
        version: input.version().map(str::to_owned),
        cors: input.cors_configuration().map(cors_from_sdk),
        endpoint_disabled: input.disable_execute_api_endpoint() == Some(true),
        ip_address_type: input.ip_address_type().map_or("ipv4", IpAddressType::as_str).to_owned(),
        tags: checked_tags(input.tags())?,
        id: id(world, 10),
        region: call.region.clone(),
        created_ms: call.now_ms,
        stages: Default::default(),
        model: Default::default(),
    };
    let output = describe!(CreateApiOutput::builder(), &api);
    world.apigatewayv2.apis.insert(api.id.clone(), api);
    Ok(output)
}

fn get(world: &mut World, call: &Call, input: &GetApiInput) -> Answer<GetApiOutput> {
    Ok(describe!(GetApiOutput::builder(), api(world, call, input.api_id())?))
}

fn list(world: &mut World, call: &Call, input: &GetApisInput) -> Answer<GetApisOutput> {
    let here = world.apigatewayv2.apis.values().filter(|api| api.region == call.region);
    let items = here.map(|api| (api.id.clone(), describe!(SdkApi::builder(), api))).collect();
    let (items, next) = page(items, input.max_results(), input.next_token())?;
    Ok(GetApisOutput::builder().set_items(Some(items)).set_next_token(next).build())
}

fn update(world: &mut World, call: &Call, input: &UpdateApiInput) -> Answer<UpdateApiOutput> {
    if input.target().is_some() || input.route_key().is_some() {
        return Err(not_simulated("quick create (update the integration and the route)"));
    }
    let name = input.name().map(|name| checked_name("API", Some(name))).transpose()?;
    let description = checked_description(input.description())?;
    let api = api(world, call, input.api_id())?;
    if let Some(name) = name {
        api.name = name;
    }
    if description.is_some() {
        api.description = description;
    }
    if let Some(version) = input.version() {
        api.version = Some(version.to_owned());
    }
    if let Some(cors) = input.cors_configuration() {
        api.cors = Some(cors_from_sdk(cors));
    }
    if let Some(disabled) = input.disable_execute_api_endpoint() {
        api.endpoint_disabled = disabled;
    }
    if let Some(ip_address_type) = input.ip_address_type() {
        api.ip_address_type = ip_address_type.as_str().to_owned();
    }
    Ok(describe!(UpdateApiOutput::builder(), api))
}

fn delete(world: &mut World, call: &Call, input: &DeleteApiInput) -> Answer<DeleteApiOutput> {
    let id = api(world, call, input.api_id())?.id.clone();
    let mapped = world.apigatewayv2.mapped(&id, None);
    if !mapped.is_empty() {
        return Err(bad(format!(
            "Deleting API {id} failed. Please remove all base path mappings related to the API in your domains: {}",
            mapped.join(", ")
        )));
    }
    world.apigatewayv2.apis.remove(&id);
    Ok(DeleteApiOutput::builder().build())
}

fn cors_from_sdk(cors: &SdkCors) -> Cors {
    Cors {
        allow_credentials: cors.allow_credentials() == Some(true),
        allow_headers: cors.allow_headers().to_vec(),
        allow_methods: cors.allow_methods().to_vec(),
        allow_origins: cors.allow_origins().to_vec(),
        expose_headers: cors.expose_headers().to_vec(),
        max_age_s: cors.max_age(),
    }
}

fn cors_to_sdk(cors: &Cors) -> SdkCors {
    SdkCors::builder()
        .allow_credentials(cors.allow_credentials)
        .set_allow_headers(Some(cors.allow_headers.clone()))
        .set_allow_methods(Some(cors.allow_methods.clone()))
        .set_allow_origins(Some(cors.allow_origins.clone()))
        .set_expose_headers(Some(cors.expose_headers.clone()))
        .set_max_age(cors.max_age_s)
        .build()
}
