//! Stages and their deployments. There is no CreateDeployment here: a stage with auto deploy gets one after each
//! change.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_apigatewayv2::operation::create_stage::{CreateStageError, CreateStageInput, CreateStageOutput};
use aws_sdk_apigatewayv2::operation::delete_stage::{DeleteStageError, DeleteStageInput, DeleteStageOutput};
use aws_sdk_apigatewayv2::operation::get_stage::{GetStageError, GetStageInput, GetStageOutput};
use aws_sdk_apigatewayv2::operation::get_stages::{GetStagesError, GetStagesInput, GetStagesOutput};
use aws_sdk_apigatewayv2::operation::update_stage::{UpdateStageError, UpdateStageInput, UpdateStageOutput};
use aws_sdk_apigatewayv2::types::{AccessLogSettings, RouteSettings as SdkRouteSettings, Stage as SdkStage};

use super::{
    Deployment, RouteSettings, SERVICE, Stage, api, bad, checked_description, checked_tags, conflict, date, hash_map,
    id, limit, missing, page,
};
use crate::control::{Answer, Call, Table};
use crate::latency::Slow;
use crate::world::World;

/// Stages per API (AWS default quota).
const STAGES_MAX: usize = 10;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "CreateStage", CreateStageError::generic, create);
    table.on(SERVICE, "GetStage", GetStageError::generic, get);
    table.on(SERVICE, "GetStages", GetStagesError::generic, list);
    table.on(SERVICE, "UpdateStage", UpdateStageError::generic, update);
    table.on(SERVICE, "DeleteStage", DeleteStageError::generic, delete);
}

macro_rules! describe {
    ($builder:expr, $stage:expr) => {{
        let stage: &Stage = $stage;
        $builder
            .set_access_log_settings(stage.access_log.as_ref().map(|(destination, format)| {
                AccessLogSettings::builder().destination_arn(destination).format(format).build()
            }))
            .auto_deploy(stage.auto_deploy)
            .created_date(date(stage.created_ms))
            .set_default_route_settings(stage.default_settings.as_ref().map(settings_to_sdk))
            .set_deployment_id(stage.deployments.last().map(|deployment| deployment.id.clone()))
            .set_description(stage.description.clone())
            .set_last_deployment_status_message(stage.status_message.clone())
            .last_updated_date(date(stage.updated_ms))
            .set_route_settings(Some(
                stage.route_settings.iter().map(|(k, s)| (k.clone(), settings_to_sdk(s))).collect(),
            ))
            .stage_name(&stage.name)
            .set_stage_variables(Some(hash_map(&stage.variables)))
            .set_tags(Some(hash_map(&stage.tags)))
            .build()
    }};
}

/// The stage of an API in the region of the call.
fn existing<'a>(world: &'a mut World, call: &Call, api_id: Option<&str>, name: Option<&str>) -> Answer<&'a mut Stage> {
    let stage = api(world, call, api_id)?.stages.get_mut(name.unwrap_or_default());
    stage.ok_or_else(|| missing("Invalid stage identifier specified"))
}

/// Deploys the model of an API to its stages with auto deploy: requests meet it some seconds later.
pub(super) fn deploy(world: &mut World, call: &Call, api_id: &str) {
    let takes_ms = world.latency(Slow::AutoDeploy);
    let deployment = id(world, 6);
    let Some(api) = world.apigatewayv2.apis.get_mut(api_id) else { return };
    let dangling: Vec<&str> =
        api.model.routes.values().filter(|route| route.integration.is_none()).map(|route| route.key.as_str()).collect();
    let refused = if api.model.routes.is_empty() {
        Some("no routes exist in this API".to_owned())
    } else if !dangling.is_empty() {
        Some(format!("the following routes have no integration: {}", dangling.join(", ")))
    } else {
        None
    };
    for stage in api.stages.values_mut().filter(|stage| stage.auto_deploy) {
        stage.updated_ms = call.now_ms;
        if let Some(why) = &refused {
            stage.status_message = Some(format!("Deployment attempt failed: Unable to deploy API because {why}"));
            continue;
        }
        stage.status_message = Some(format!("Successfully deployed stage with deployment ID '{deployment}'"));
        // What requests meet now must survive until the new one is visible; anything older has served its time.
        let met_now = stage.deployments.iter().rposition(|old| old.visible_ms <= call.now_ms).unwrap_or(0);
        stage.deployments.drain(..met_now);
        let visible_ms = call.now_ms + takes_ms;
        stage.deployments.push(Deployment { id: deployment.clone(), visible_ms, model: api.model.clone() });
    }
}

fn checked_name(name: Option<&str>) -> Answer<String> {
    let name = name.unwrap_or_default();
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name == "$default" || ((1..=128).contains(&name.len()) && name.chars().all(legal)) {
        return Ok(name.to_owned());
    }
    Err(bad("Stage name must be $default or only contain a-zA-Z0-9, hyphens and underscores"))
}

/// Given variables are set, those with an empty value removed.
fn merge_variables(into: &mut BTreeMap<String, String>, given: Option<&HashMap<String, String>>) -> Answer<()> {
    for (key, value) in given.into_iter().flatten() {
        let legal = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#&=,".contains(c);
        if !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') || !value.chars().all(legal) {
            return Err(bad(format!("Invalid stage variable '{key}'")));
        }
        if value.is_empty() {
            into.remove(key);
        } else {
            into.insert(key.clone(), value.clone());
        }
    }
    if into.len() > 100 {
        return Err(bad("A stage can have at most 100 stage variables"));
    }
    Ok(())
}

fn create(world: &mut World, call: &Call, input: &CreateStageInput) -> Answer<CreateStageOutput> {
    let name = checked_name(input.stage_name())?;
    let auto_deploy = input.auto_deploy() == Some(true);
    refuse_deployment(input.deployment_id(), auto_deploy)?;
    let mut variables = BTreeMap::new();
    merge_variables(&mut variables, input.stage_variables())?;
    let stage = Stage {
        name: name.clone(),
        auto_deploy,
        description: checked_description(input.description())?,
        variables,
        default_settings: input.default_route_settings().map(settings_from_sdk),
        route_settings: settings_map(input.route_settings()),
        access_log: input.access_log_settings().map(log_from_sdk),
        created_ms: call.now_ms,
        updated_ms: call.now_ms,
        tags: checked_tags(input.tags())?,
        status_message: None,
        deployments: Vec::new(),
    };
    let api = api(world, call, input.api_id())?;
    if api.stages.contains_key(&name) {
        return Err(conflict("Stage already exists"));
    }
    if api.stages.len() >= STAGES_MAX {
        return Err(limit("Maximum number of stages for this API has been reached"));
    }
    let api_id = api.id.clone();
    api.stages.insert(name.clone(), stage);
    if auto_deploy {
        deploy(world, call, &api_id);
    }
    Ok(describe!(CreateStageOutput::builder(), existing(world, call, Some(&api_id), Some(&name))?))
}

fn get(world: &mut World, call: &Call, input: &GetStageInput) -> Answer<GetStageOutput> {
    Ok(describe!(GetStageOutput::builder(), existing(world, call, input.api_id(), input.stage_name())?))
}

fn list(world: &mut World, call: &Call, input: &GetStagesInput) -> Answer<GetStagesOutput> {
    let stages = api(world, call, input.api_id())?.stages.values();
    let items = stages.map(|stage| (stage.name.clone(), describe!(SdkStage::builder(), stage))).collect();
    let (items, next) = page(items, input.max_results(), input.next_token())?;
    Ok(GetStagesOutput::builder().set_items(Some(items)).set_next_token(next).build())
}

fn update(world: &mut World, call: &Call, input: &UpdateStageInput) -> Answer<UpdateStageOutput> {
    let description = checked_description(input.description())?;
    let stage = existing(world, call, input.api_id(), input.stage_name())?;
    let was_auto = stage.auto_deploy;
    let auto_deploy = input.auto_deploy().unwrap_or(was_auto);
    refuse_deployment(input.deployment_id(), auto_deploy)?;
    let mut variables = stage.variables.clone();
    merge_variables(&mut variables, input.stage_variables())?;
    stage.variables = variables;
    stage.auto_deploy = auto_deploy;
    stage.updated_ms = call.now_ms;
    if description.is_some() {
        stage.description = description;
    }
    if let Some(settings) = input.default_route_settings() {
        stage.default_settings = Some(settings_from_sdk(settings));
    }
    stage.route_settings.extend(settings_map(input.route_settings()));
    if let Some(log) = input.access_log_settings() {
        stage.access_log = Some(log_from_sdk(log));
    }
    if auto_deploy && !was_auto {
        let api_id = input.api_id().unwrap_or_default().to_owned();
        deploy(world, call, &api_id);
    }
    Ok(describe!(UpdateStageOutput::builder(), existing(world, call, input.api_id(), input.stage_name())?))
}

fn delete(world: &mut World, call: &Call, input: &DeleteStageInput) -> Answer<DeleteStageOutput> {
    let name = existing(world, call, input.api_id(), input.stage_name())?.name.clone();
    let mapped = world.apigatewayv2.mapped(input.api_id().unwrap_or_default(), Some(&name));
    if !mapped.is_empty() {
        return Err(bad(format!(
            "Deleting stage {name} failed. Please remove all base path mappings related to the stage in your domains: {}",
            mapped.join(", ")
        )));
    }
    api(world, call, input.api_id())?.stages.remove(&name);
    Ok(DeleteStageOutput::builder().build())
}

/// Deployments are made by auto deploy only, so a given id never exists.
fn refuse_deployment(deployment: Option<&str>, auto_deploy: bool) -> Answer<()> {
    match deployment {
        None => Ok(()),
        Some(_) if auto_deploy => Err(bad("Deployment ID cannot be set when auto deploy is enabled")),
        Some(_) => Err(missing("Invalid deployment identifier specified")),
    }
}

fn settings_from_sdk(settings: &SdkRouteSettings) -> RouteSettings {
    RouteSettings {
        detailed_metrics: settings.detailed_metrics_enabled(),
        burst_limit: settings.throttling_burst_limit(),
        rate_limit: settings.throttling_rate_limit(),
    }
}

fn settings_to_sdk(settings: &RouteSettings) -> SdkRouteSettings {
    SdkRouteSettings::builder()
        .set_detailed_metrics_enabled(settings.detailed_metrics)
        .set_throttling_burst_limit(settings.burst_limit)
        .set_throttling_rate_limit(settings.rate_limit)
        .build()
}

fn settings_map(given: Option<&HashMap<String, SdkRouteSettings>>) -> BTreeMap<String, RouteSettings> {
    given.into_iter().flatten().map(|(key, settings)| (key.clone(), settings_from_sdk(settings))).collect()
}

fn log_from_sdk(log: &AccessLogSettings) -> (String, String) {
    (log.destination_arn().unwrap_or_default().to_owned(), log.format().unwrap_or_default().to_owned())
}
