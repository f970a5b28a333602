//! Routes: a key, an integration, an authorizer.

use aws_sdk_apigatewayv2::operation::create_route::{CreateRouteError, CreateRouteInput, CreateRouteOutput};
use aws_sdk_apigatewayv2::operation::delete_route::{DeleteRouteError, DeleteRouteInput, DeleteRouteOutput};
use aws_sdk_apigatewayv2::operation::get_route::{GetRouteError, GetRouteInput, GetRouteOutput};
use aws_sdk_apigatewayv2::operation::get_routes::{GetRoutesError, GetRoutesInput, GetRoutesOutput};
use aws_sdk_apigatewayv2::operation::update_route::{UpdateRouteError, UpdateRouteInput, UpdateRouteOutput};
use aws_sdk_apigatewayv2::types::{AuthorizationType, Route as SdkRoute};

use super::{Api, Route, SERVICE, api, bad, conflict, id, limit, missing, not_simulated, page, stages};
use crate::control::{Answer, Call, Table};
use crate::world::World;

/// Routes per API (AWS default quota).
const ROUTES_MAX: usize = 300;
const METHODS: &[&str] = &["ANY", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "CreateRoute", CreateRouteError::generic, create);
    table.on(SERVICE, "GetRoute", GetRouteError::generic, get);
    table.on(SERVICE, "GetRoutes", GetRoutesError::generic, list);
    table.on(SERVICE, "UpdateRoute", UpdateRouteError::generic, update);
    table.on(SERVICE, "DeleteRoute", DeleteRouteError::generic, delete);
}

macro_rules! describe {
    ($builder:expr, $route:expr) => {{
        let route: &Route = $route;
        $builder
            .api_key_required(false)
            .set_authorization_scopes((!route.scopes.is_empty()).then(|| route.scopes.clone()))
            .authorization_type(AuthorizationType::from(route.authorization.as_str()))
            .set_authorizer_id(route.authorizer.clone())
            .set_operation_name(route.operation_name.clone())
            .route_id(&route.id)
            .route_key(&route.key)
            .set_target(route.integration.as_ref().map(|id| format!("integrations/{id}")))
            .build()
    }};
}

fn existing<'a>(world: &'a mut World, call: &Call, api_id: Option<&str>, id: Option<&str>) -> Answer<&'a mut Route> {
    let found = api(world, call, api_id)?.model.routes.get_mut(id.unwrap_or_default());
    found.ok_or_else(|| missing("Invalid Route identifier specified"))
}

/// `$default`, or a method and a path whose variables are whole segments, a greedy one only at the end.
fn checked_key(key: Option<&str>) -> Answer<String> {
    let key = key.unwrap_or_default();
    let illegal =
        |why: &str| bad(format!("The provided route key '{key}' is not formatted properly for HTTP APIs: {why}"));
    if key == "$default" {
        return Ok(key.to_owned());
    }
    let (method, path) = key.split_once(' ').ok_or_else(|| illegal("use $default, or a method and a path"))?;
    if !METHODS.contains(&method) {
        return Err(illegal("the method is not known"));
    }
    if !path.starts_with('/') || path.contains(' ') {
        return Err(illegal("the path must begin with a slash"));
    }
    let segments: Vec<&str> = path[1..].split('/').collect();
    let mut names = Vec::new();
    for (i, segment) in segments.iter().enumerate() {
        let inner = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let Some(inner) = inner else {
            if segment.contains(['{', '}']) {
                return Err(illegal("a path variable must be a whole segment"));
            }
            // The root has one empty segment; `//` and a slash at the end are their own paths to nobody.
            if segment.is_empty() && segments.len() > 1 {
                return Err(illegal("empty path segments are not allowed"));
            }
            continue;
        };
        let name = inner.strip_suffix('+').unwrap_or(inner);
        if inner.ends_with('+') && i + 1 < segments.len() {
            return Err(illegal("a greedy path variable must be the last segment"));
        }
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
            return Err(illegal("a path variable needs a name"));
        }
        if names.contains(&name) {
            return Err(illegal("path variables must have distinct names"));
        }
        names.push(name);
    }
    Ok(key.to_owned())
}

/// The integration that a target `integrations/ID` names.
fn checked_target(api: &Api, target: Option<&str>) -> Answer<Option<String>> {
    let Some(target) = target.filter(|target| !target.is_empty()) else { return Ok(None) };
    let id = target
        .strip_prefix("integrations/")
        .ok_or_else(|| bad(format!("Invalid target '{target}': use integrations/ID")))?;
    if !api.model.integrations.contains_key(id) {
        return Err(bad(format!("Integration '{id}' does not exist")));
    }
    Ok(Some(id.to_owned()))
}

/// Authorization type, authorizer and scopes, which belong together.
fn checked_auth(api: &Api, route: &Route) -> Answer<()> {
    match (route.authorization.as_str(), &route.authorizer) {
        ("NONE" | "AWS_IAM", None) => {}
        ("NONE" | "AWS_IAM", Some(_)) => return Err(bad("An authorizer needs the authorization type JWT")),
        ("JWT", None) => return Err(bad("Authorizer ID must be specified for the authorization type JWT")),
        ("JWT", Some(id)) if api.model.authorizers.contains_key(id) => {}
        ("JWT", Some(id)) => return Err(bad(format!("Authorizer '{id}' does not exist"))),
        (other, _) => return Err(not_simulated(format!("routes with authorization type {other}"))),
    }
    if !route.scopes.is_empty() && route.authorization != "JWT" {
        return Err(bad("Authorization scopes may be set for the authorization type JWT only"));
    }
    if route.scopes.len() > 10 {
        return Err(bad("A route can have at most 10 authorization scopes"));
    }
    Ok(())
}

fn create(world: &mut World, call: &Call, input: &CreateRouteInput) -> Answer<CreateRouteOutput> {
    let key = checked_key(input.route_key())?;
    let id = id(world, 7);
    let api = api(world, call, input.api_id())?;
    if input.api_key_required() == Some(true) {
        return Err(bad("API keys are not supported by HTTP APIs"));
    }
    let route = Route {
        id: id.clone(),
        key,
        integration: checked_target(api, input.target())?,
        authorization: input.authorization_type().map_or("NONE", AuthorizationType::as_str).to_owned(),
        authorizer: input.authorizer_id().filter(|id| !id.is_empty()).map(str::to_owned),
        scopes: input.authorization_scopes().to_vec(),
        operation_name: input.operation_name().map(str::to_owned),
    };
    checked_auth(api, &route)?;
    if api.model.routes.values().any(|other| other.key == route.key) {
        return Err(conflict(format!("Route with key {} already exists for this API", route.key)));
    }
    if api.model.routes.len() >= ROUTES_MAX {
        return Err(limit("Maximum number of routes for this API has been reached"));
    }
    let output = describe!(CreateRouteOutput::builder(), &route);
    api.model.routes.insert(id, route);
    stages::deploy(world, call, input.api_id().unwrap_or_default());
    Ok(output)
}

fn get(world: &mut World, call: &Call, input: &GetRouteInput) -> Answer<GetRouteOutput> {
    Ok(describe!(GetRouteOutput::builder(), existing(world, call, input.api_id(), input.route_id())?))
}

fn list(world: &mut World, call: &Call, input: &GetRoutesInput) -> Answer<GetRoutesOutput> {
    let routes = api(world, call, input.api_id())?.model.routes.values();
    let items = routes.map(|route| (route.id.clone(), describe!(SdkRoute::builder(), route))).collect();
    let (items, next) = page(items, input.max_results(), input.next_token())?;
    Ok(GetRoutesOutput::builder().set_items(Some(items)).set_next_token(next).build())
}

fn update(world: &mut World, call: &Call, input: &UpdateRouteInput) -> Answer<UpdateRouteOutput> {
    let mut new = existing(world, call, input.api_id(), input.route_id())?.clone();
    let api = api(world, call, input.api_id())?;
    if let Some(key) = input.route_key() {
        new.key = checked_key(Some(key))?;
        if api.model.routes.values().any(|other| other.id != new.id && other.key == new.key) {
            return Err(conflict(format!("Route with key {key} already exists for this API")));
        }
    }
    if let Some(target) = input.target() {
        new.integration = checked_target(api, Some(target))?;
    }
    if let Some(authorization) = input.authorization_type() {
        new.authorization = authorization.as_str().to_owned();
        if new.authorization != "JWT" {
            (new.authorizer, new.scopes) = (None, Vec::new());
        }
    }
    if let Some(authorizer) = input.authorizer_id() {
        new.authorizer = Some(authorizer.to_owned()).filter(|id| !id.is_empty());
    }
    if let Some(scopes) = &input.authorization_scopes {
        new.scopes.clone_from(scopes);
    }
    if let Some(name) = input.operation_name() {
        new.operation_name = Some(name.to_owned());
    }
    checked_auth(api, &new)?;
    let output = describe!(UpdateRouteOutput::builder(), &new);
    api.model.routes.insert(new.id.clone(), new);
    stages::deploy(world, call, input.api_id().unwrap_or_default());
    Ok(output)
}

fn delete(world: &mut World, call: &Call, input: &DeleteRouteInput) -> Answer<DeleteRouteOutput> {
    let id = existing(world, call, input.api_id(), input.route_id())?.id.clone();
    api(world, call, input.api_id())?.model.routes.remove(&id);
    stages::deploy(world, call, input.api_id().unwrap_or_default());
    Ok(DeleteRouteOutput::builder().build())
}
