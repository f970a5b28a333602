//! Integrations: HTTP proxies through a VPC link to a listener, or to a URL.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_apigatewayv2::operation::create_integration::{
    CreateIntegrationError, CreateIntegrationInput, CreateIntegrationOutput,
};
use aws_sdk_apigatewayv2::operation::delete_integration::{
    DeleteIntegrationError, DeleteIntegrationInput, DeleteIntegrationOutput,
};
use aws_sdk_apigatewayv2::operation::get_integration::{
    GetIntegrationError, GetIntegrationInput, GetIntegrationOutput,
};
use aws_sdk_apigatewayv2::operation::get_integrations::{
    GetIntegrationsError, GetIntegrationsInput, GetIntegrationsOutput,
};
use aws_sdk_apigatewayv2::operation::update_integration::{
    UpdateIntegrationError, UpdateIntegrationInput, UpdateIntegrationOutput,
};
use aws_sdk_apigatewayv2::types::{
    ConnectionType, Integration as SdkIntegration, IntegrationType, TlsConfig, TlsConfigInput,
};

use super::{
    Integration, SERVICE, api, bad, checked_description, conflict, hash_map, id, limit, links, missing, not_simulated,
    page, stages,
};
use crate::control::{Answer, Call, Table};
use crate::world::World;

/// Integrations per API (AWS default quota).
const INTEGRATIONS_MAX: usize = 300;
/// The longest time that an HTTP API waits for a backend, and the default.
const TIMEOUT_MAX_MS: i32 = 30_000;
const METHODS: &[&str] = &["ANY", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "CreateIntegration", CreateIntegrationError::generic, create);
    table.on(SERVICE, "GetIntegration", GetIntegrationError::generic, get);
    table.on(SERVICE, "GetIntegrations", GetIntegrationsError::generic, list);
    table.on(SERVICE, "UpdateIntegration", UpdateIntegrationError::generic, update);
    table.on(SERVICE, "DeleteIntegration", DeleteIntegrationError::generic, delete);
}

macro_rules! describe {
    ($builder:expr, $integration:expr) => {{
        let integration: &Integration = $integration;
        let responses = integration.response_parameters.iter().map(|(status, map)| (status.clone(), hash_map(map)));
        let tls = |name: &String| TlsConfig::builder().server_name_to_verify(name).build();
        $builder
            .set_connection_id(integration.link.clone())
            .connection_type(ConnectionType::from(integration.connection_type.as_str()))
            .set_description(integration.description.clone())
            .integration_id(&integration.id)
            .integration_method(&integration.method)
            .integration_type(IntegrationType::from(integration.kind.as_str()))
            .integration_uri(&integration.uri)
            .payload_format_version(&integration.payload_format)
            .set_request_parameters(
                (!integration.request_parameters.is_empty()).then(|| hash_map(&integration.request_parameters)),
            )
            .set_response_parameters((!integration.response_parameters.is_empty()).then(|| responses.collect()))
            .timeout_in_millis(i32::try_from(integration.timeout_ms).unwrap_or(TIMEOUT_MAX_MS))
            .set_tls_config(integration.server_name.as_ref().map(tls))
            .build()
    }};
}

fn existing<'a>(
    world: &'a mut World,
    call: &Call,
    api_id: Option<&str>,
    id: Option<&str>,
) -> Answer<&'a mut Integration> {
    let found = api(world, call, api_id)?.model.integrations.get_mut(id.unwrap_or_default());
    found.ok_or_else(|| missing("Invalid Integration identifier specified"))
}

fn create(world: &mut World, call: &Call, input: &CreateIntegrationInput) -> Answer<CreateIntegrationOutput> {
    let api_id = api(world, call, input.api_id())?.id.clone();
    let kind = input.integration_type().ok_or_else(|| bad("Integration type must be specified"))?.as_str();
    let mut request_parameters = BTreeMap::new();
    merge(&mut request_parameters, input.request_parameters());
    let mut response_parameters = BTreeMap::new();
    merge_responses(&mut response_parameters, input.response_parameters());
    let integration = Integration {
        id: id(world, 7),
        kind: kind.to_owned(),
        connection_type: input.connection_type().map_or("INTERNET", ConnectionType::as_str).to_owned(),
        link: input.connection_id().map(str::to_owned),
        description: checked_description(input.description())?,
        method: input.integration_method().unwrap_or_default().to_owned(),
        uri: input.integration_uri().unwrap_or_default().to_owned(),
        payload_format: input.payload_format_version().unwrap_or("1.0").to_owned(),
        request_parameters,
        response_parameters,
        timeout_ms: checked_timeout(input.timeout_in_millis())?.unwrap_or(TIMEOUT_MAX_MS as u64),
        server_name: server_name(input.tls_config()),
    };
    checked(world, call, &integration)?;
    let api = api(world, call, Some(&api_id))?;
    if api.model.integrations.len() >= INTEGRATIONS_MAX {
        return Err(limit("Maximum number of integrations for this API has been reached"));
    }
    let output = describe!(CreateIntegrationOutput::builder(), &integration);
    api.model.integrations.insert(integration.id.clone(), integration);
    stages::deploy(world, call, &api_id);
    Ok(output)
}

/// What must hold of the whole, however it was put together.
fn checked(world: &World, call: &Call, integration: &Integration) -> Answer<()> {
    if integration.kind != "HTTP_PROXY" {
        return Err(not_simulated(format!("integrations of type {}", integration.kind)));
    }
    if integration.payload_format != "1.0" {
        return Err(bad("Payload format version must be 1.0 for HTTP_PROXY integrations"));
    }
    if !METHODS.contains(&integration.method.as_str()) {
        return Err(bad("HttpMethod must be specified for HTTP_PROXY integrations"));
    }
    let tls = integration.server_name.as_deref();
    match integration.connection_type.as_str() {
        "VPC_LINK" => {
            let link = integration
                .link
                .as_deref()
                .ok_or_else(|| bad("ConnectionId must be set for VPC_LINK connection type"))?;
            if !links::usable(world, call, link) {
                return Err(bad(format!("VPC link '{link}' does not exist")));
            }
            let listener = format!("arn:aws:elasticloadbalancing:{}:{}:listener/", call.region, world.account);
            if !integration.uri.starts_with(&listener) {
                return Err(bad(
                    "For VpcLink V2, integration uri should be a valid ELB listener ARN or a valid Cloud Map service ARN",
                ));
            }
            if tls.is_some_and(|name| name.len() > 512) {
                return Err(bad("ServerNameToVerify can have at most 512 characters"));
            }
        }
        "INTERNET" => {
            if integration.link.is_some() {
                return Err(bad("ConnectionId may be set for VPC_LINK connection type only"));
            }
            if tls.is_some() {
                return Err(bad("TlsConfig may be set for private integrations only"));
            }
            if !integration.uri.starts_with("http://") && !integration.uri.starts_with("https://") {
                return Err(bad("Invalid HTTP endpoint specified for URI"));
            }
        }
        other => return Err(bad(format!("Invalid connection type '{other}'"))),
    }
    Ok(())
}

fn checked_timeout(timeout: Option<i32>) -> Answer<Option<u64>> {
    match timeout {
        None => Ok(None),
        Some(ms @ 50..=TIMEOUT_MAX_MS) => Ok(Some(ms as u64)),
        Some(_) => Err(bad("Timeout should be between 50 ms and 30000 ms")),
    }
}

/// An empty name takes TLS away.
fn server_name(tls: Option<&TlsConfigInput>) -> Option<String> {
    tls.and_then(TlsConfigInput::server_name_to_verify).filter(|name| !name.is_empty()).map(str::to_owned)
}

/// Given keys are set, those with an empty value removed.
fn merge(into: &mut BTreeMap<String, String>, given: Option<&HashMap<String, String>>) {
    for (key, value) in given.into_iter().flatten() {
        if value.is_empty() {
            into.remove(key);
        } else {
            into.insert(key.clone(), value.clone());
        }
    }
}

fn merge_responses(
    into: &mut BTreeMap<String, BTreeMap<String, String>>,
    given: Option<&HashMap<String, HashMap<String, String>>>,
) {
    for (status, map) in given.into_iter().flatten() {
        let entry = into.entry(status.clone()).or_default();
        merge(entry, Some(map));
        if map.is_empty() || entry.is_empty() {
            into.remove(status);
        }
    }
}

fn get(world: &mut World, call: &Call, input: &GetIntegrationInput) -> Answer<GetIntegrationOutput> {
    Ok(describe!(GetIntegrationOutput::builder(), existing(world, call, input.api_id(), input.integration_id())?))
}

fn list(world: &mut World, call: &Call, input: &GetIntegrationsInput) -> Answer<GetIntegrationsOutput> {
    let integrations = api(world, call, input.api_id())?.model.integrations.values();
    let items = integrations.map(|i| (i.id.clone(), describe!(SdkIntegration::builder(), i))).collect();
    let (items, next) = page(items, input.max_results(), input.next_token())?;
    Ok(GetIntegrationsOutput::builder().set_items(Some(items)).set_next_token(next).build())
}

fn update(world: &mut World, call: &Call, input: &UpdateIntegrationInput) -> Answer<UpdateIntegrationOutput> {
    let mut new = existing(world, call, input.api_id(), input.integration_id())?.clone();
    if let Some(kind) = input.integration_type() {
        new.kind = kind.as_str().to_owned();
    }
    if let Some(connection_type) = input.connection_type() {
        new.connection_type = connection_type.as_str().to_owned();
        if new.connection_type == "INTERNET" {
            new.link = None;
        }
    }
    if let Some(link) = input.connection_id() {
        new.link = Some(link.to_owned()).filter(|link| !link.is_empty());
    }
    if let Some(description) = checked_description(input.description())? {
        new.description = Some(description);
    }
    if let Some(method) = input.integration_method() {
        new.method = method.to_owned();
    }
    if let Some(uri) = input.integration_uri() {
        new.uri = uri.to_owned();
    }
    if let Some(format) = input.payload_format_version() {
        new.payload_format = format.to_owned();
    }
    merge(&mut new.request_parameters, input.request_parameters());
    merge_responses(&mut new.response_parameters, input.response_parameters());
    if let Some(timeout_ms) = checked_timeout(input.timeout_in_millis())? {
        new.timeout_ms = timeout_ms;
    }
    if input.tls_config().is_some() {
        new.server_name = server_name(input.tls_config());
    }
    checked(world, call, &new)?;
    let output = describe!(UpdateIntegrationOutput::builder(), &new);
    *existing(world, call, input.api_id(), input.integration_id())? = new;
    stages::deploy(world, call, input.api_id().unwrap_or_default());
    Ok(output)
}

fn delete(world: &mut World, call: &Call, input: &DeleteIntegrationInput) -> Answer<DeleteIntegrationOutput> {
    let id = existing(world, call, input.api_id(), input.integration_id())?.id.clone();
    let api = api(world, call, input.api_id())?;
    let users: Vec<&str> = api
        .model
        .routes
        .values()
        .filter(|route| route.integration.as_ref() == Some(&id))
        .map(|route| route.key.as_str())
        .collect();
    if !users.is_empty() {
        return Err(conflict(format!(
            "Cannot delete Integration because it is referenced by the following Routes: {}",
            users.join(", ")
        )));
    }
    api.model.integrations.remove(&id);
    stages::deploy(world, call, input.api_id().unwrap_or_default());
    Ok(DeleteIntegrationOutput::builder().build())
}
