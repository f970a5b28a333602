//! API mappings: which API and stage answer below a path of a domain name.

use aws_sdk_apigatewayv2::operation::create_api_mapping::{
    CreateApiMappingError, CreateApiMappingInput, CreateApiMappingOutput,
};
use aws_sdk_apigatewayv2::operation::delete_api_mapping::{
    DeleteApiMappingError, DeleteApiMappingInput, DeleteApiMappingOutput,
};
use aws_sdk_apigatewayv2::operation::get_api_mapping::{GetApiMappingError, GetApiMappingInput, GetApiMappingOutput};
use aws_sdk_apigatewayv2::operation::get_api_mappings::{
    GetApiMappingsError, GetApiMappingsInput, GetApiMappingsOutput,
};
use aws_sdk_apigatewayv2::operation::update_api_mapping::{
    UpdateApiMappingError, UpdateApiMappingInput, UpdateApiMappingOutput,
};
use aws_sdk_apigatewayv2::types::ApiMapping;

use super::{Mapping, SERVICE, api, bad, conflict, domains, id, limit, missing, page};
use crate::control::{Answer, Call, Table};
use crate::world::World;

/// Multi-level mappings per domain name (AWS quota).
const MAPPINGS_MAX: usize = 200;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "CreateApiMapping", CreateApiMappingError::generic, create);
    table.on(SERVICE, "GetApiMapping", GetApiMappingError::generic, get);
    table.on(SERVICE, "GetApiMappings", GetApiMappingsError::generic, list);
    table.on(SERVICE, "UpdateApiMapping", UpdateApiMappingError::generic, update);
    table.on(SERVICE, "DeleteApiMapping", DeleteApiMappingError::generic, delete);
}

macro_rules! describe {
    ($builder:expr, $mapping:expr) => {{
        let mapping: &Mapping = $mapping;
        $builder
            .api_id(&mapping.api)
            .api_mapping_id(&mapping.id)
            .api_mapping_key(&mapping.key)
            .stage(&mapping.stage)
            .build()
    }};
}

fn existing<'a>(world: &'a mut World, call: &Call, domain: Option<&str>, id: Option<&str>) -> Answer<&'a mut Mapping> {
    let found = domains::existing(world, call, domain)?.mappings.get_mut(id.unwrap_or_default());
    found.ok_or_else(|| missing("Invalid API mapping identifier specified"))
}

fn checked_key(key: Option<&str>) -> Answer<String> {
    let key = key.unwrap_or_default();
    let legal = |c: char| c.is_ascii_alphanumeric() || "$-_.+!*'()/".contains(c);
    let slashes = key.starts_with('/') || key.ends_with('/') || key.contains("//");
    if key.len() > 300 || !key.chars().all(legal) || slashes {
        return Err(bad(format!("API mapping key '{key}' is not valid")));
    }
    Ok(key.to_owned())
}

/// The API and its stage must be there, in the region of the domain name.
fn checked_stage(
    world: &mut World,
    call: &Call,
    api_id: Option<&str>,
    stage: Option<&str>,
) -> Answer<(String, String)> {
    let api = api(world, call, api_id)?;
    let stage = stage.filter(|stage| api.stages.contains_key(*stage));
    let stage = stage.ok_or_else(|| bad("Invalid stage identifier specified"))?;
    Ok((api.id.clone(), stage.to_owned()))
}

fn create(world: &mut World, call: &Call, input: &CreateApiMappingInput) -> Answer<CreateApiMappingOutput> {
    domains::existing(world, call, input.domain_name())?;
    let key = checked_key(input.api_mapping_key())?;
    let (api, stage) = checked_stage(world, call, input.api_id(), input.stage())?;
    let id = id(world, 6);
    let domain = domains::existing(world, call, input.domain_name())?;
    if domain.mappings.values().any(|mapping| mapping.key == key) {
        return Err(conflict("ApiMapping key already exists for this domain name"));
    }
    if domain.mappings.len() >= MAPPINGS_MAX {
        return Err(limit("Maximum number of API mappings for this domain name has been reached"));
    }
    let mapping = Mapping { id: id.clone(), key, api, stage };
    let output = describe!(CreateApiMappingOutput::builder(), &mapping);
    domain.mappings.insert(id, mapping);
    Ok(output)
}

fn get(world: &mut World, call: &Call, input: &GetApiMappingInput) -> Answer<GetApiMappingOutput> {
    Ok(describe!(GetApiMappingOutput::builder(), existing(world, call, input.domain_name(), input.api_mapping_id())?))
}

fn list(world: &mut World, call: &Call, input: &GetApiMappingsInput) -> Answer<GetApiMappingsOutput> {
    let mappings = domains::existing(world, call, input.domain_name())?.mappings.values();
    let items = mappings.map(|mapping| (mapping.id.clone(), describe!(ApiMapping::builder(), mapping))).collect();
    let (items, next) = page(items, input.max_results(), input.next_token())?;
    Ok(GetApiMappingsOutput::builder().set_items(Some(items)).set_next_token(next).build())
}

fn update(world: &mut World, call: &Call, input: &UpdateApiMappingInput) -> Answer<UpdateApiMappingOutput> {
    let mut new = existing(world, call, input.domain_name(), input.api_mapping_id())?.clone();
    if input.api_mapping_key().is_some() {
        new.key = checked_key(input.api_mapping_key())?;
    }
    let (api, stage) = (new.api.clone(), new.stage.clone());
    (new.api, new.stage) =
        checked_stage(world, call, Some(input.api_id().unwrap_or(&api)), Some(input.stage().unwrap_or(&stage)))?;
    let domain = domains::existing(world, call, input.domain_name())?;
    if domain.mappings.values().any(|other| other.id != new.id && other.key == new.key) {
        return Err(conflict("ApiMapping key already exists for this domain name"));
    }
    let output = describe!(UpdateApiMappingOutput::builder(), &new);
    domain.mappings.insert(new.id.clone(), new);
    Ok(output)
}

fn delete(world: &mut World, call: &Call, input: &DeleteApiMappingInput) -> Answer<DeleteApiMappingOutput> {
    let id = existing(world, call, input.domain_name(), input.api_mapping_id())?.id.clone();
    domains::existing(world, call, input.domain_name())?.mappings.remove(&id);
    Ok(DeleteApiMappingOutput::builder().build())
}
