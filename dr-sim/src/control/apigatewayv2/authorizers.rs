//! JWT authorizers. IAM authorization is no object: a route says it by itself.

use aws_sdk_apigatewayv2::operation::create_authorizer::{
    CreateAuthorizerError, CreateAuthorizerInput, CreateAuthorizerOutput,
};
use aws_sdk_apigatewayv2::operation::delete_authorizer::{
    DeleteAuthorizerError, DeleteAuthorizerInput, DeleteAuthorizerOutput,
};
use aws_sdk_apigatewayv2::operation::get_authorizer::{GetAuthorizerError, GetAuthorizerInput, GetAuthorizerOutput};
use aws_sdk_apigatewayv2::operation::get_authorizers::{
    GetAuthorizersError, GetAuthorizersInput, GetAuthorizersOutput,
};
use aws_sdk_apigatewayv2::operation::update_authorizer::{
    UpdateAuthorizerError, UpdateAuthorizerInput, UpdateAuthorizerOutput,
};
use aws_sdk_apigatewayv2::types::{Authorizer as SdkAuthorizer, AuthorizerType, JwtConfiguration};

use super::{Authorizer, SERVICE, api, bad, checked_name, conflict, id, limit, missing, not_simulated, page, stages};
use crate::control::{Answer, Call, Table};
use crate::world::World;

/// Authorizers per API (AWS default quota).
const AUTHORIZERS_MAX: usize = 10;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "CreateAuthorizer", CreateAuthorizerError::generic, create);
    table.on(SERVICE, "GetAuthorizer", GetAuthorizerError::generic, get);
    table.on(SERVICE, "GetAuthorizers", GetAuthorizersError::generic, list);
    table.on(SERVICE, "UpdateAuthorizer", UpdateAuthorizerError::generic, update);
    table.on(SERVICE, "DeleteAuthorizer", DeleteAuthorizerError::generic, delete);
}

macro_rules! describe {
    ($builder:expr, $authorizer:expr) => {{
        let authorizer: &Authorizer = $authorizer;
        let jwt =
            JwtConfiguration::builder().issuer(&authorizer.issuer).set_audience(Some(authorizer.audience.clone()));
        $builder
            .authorizer_id(&authorizer.id)
            .authorizer_type(AuthorizerType::Jwt)
            .set_identity_source(Some(authorizer.identity_source.clone()))
            .jwt_configuration(jwt.build())
            .name(&authorizer.name)
            .build()
    }};
}

fn existing<'a>(
    world: &'a mut World,
    call: &Call,
    api_id: Option<&str>,
    id: Option<&str>,
) -> Answer<&'a mut Authorizer> {
    let found = api(world, call, api_id)?.model.authorizers.get_mut(id.unwrap_or_default());
    found.ok_or_else(|| missing("Invalid Authorizer identifier specified"))
}

fn checked(authorizer: &Authorizer) -> Answer<()> {
    let [source] = &authorizer.identity_source[..] else {
        return Err(bad("Identity source must be specified, exactly one for JWT authorizers"));
    };
    if !source.starts_with("$request.header.") && !source.starts_with("$request.querystring.") {
        return Err(bad(format!("Invalid identity source '{source}'")));
    }
    // API Gateway reads the discovery document at once; what is not https cannot be read. Other issuers are taken to
    // answer.
    if !authorizer.issuer.starts_with("https://") || authorizer.issuer.len() > 2048 {
        return Err(bad(format!(
            "Caught exception when connecting to {}/.well-known/openid-configuration for issuer {}. \
             Please try again later. Error: the issuer must be an https URL",
            authorizer.issuer, authorizer.issuer
        )));
    }
    if authorizer.audience.is_empty() || authorizer.audience.len() > 50 {
        return Err(bad("A JWT authorizer needs 1 to 50 audiences"));
    }
    Ok(())
}

fn refuse_other_types(kind: Option<&AuthorizerType>) -> Answer<()> {
    match kind {
        Some(AuthorizerType::Jwt) | None => Ok(()),
        Some(other) => Err(not_simulated(format!("authorizers of type {}", other.as_str()))),
    }
}

fn create(world: &mut World, call: &Call, input: &CreateAuthorizerInput) -> Answer<CreateAuthorizerOutput> {
    if input.authorizer_type().is_none() {
        return Err(bad("Authorizer type must be specified"));
    }
    refuse_other_types(input.authorizer_type())?;
    let jwt =
        input.jwt_configuration().ok_or_else(|| bad("JWT configuration must be specified for JWT authorizers"))?;
    let authorizer = Authorizer {
        id: id(world, 6),
        name: checked_name("Authorizer", input.name())?,
        identity_source: input.identity_source().to_vec(),
        issuer: jwt.issuer().unwrap_or_default().to_owned(),
        audience: jwt.audience().to_vec(),
    };
    let api = api(world, call, input.api_id())?;
    checked(&authorizer)?;
    if api.model.authorizers.len() >= AUTHORIZERS_MAX {
        return Err(limit("Maximum number of authorizers for this API has been reached"));
    }
    let output = describe!(CreateAuthorizerOutput::builder(), &authorizer);
    api.model.authorizers.insert(authorizer.id.clone(), authorizer);
    stages::deploy(world, call, input.api_id().unwrap_or_default());
    Ok(output)
}

fn get(world: &mut World, call: &Call, input: &GetAuthorizerInput) -> Answer<GetAuthorizerOutput> {
    Ok(describe!(GetAuthorizerOutput::builder(), existing(world, call, input.api_id(), input.authorizer_id())?))
}

fn list(world: &mut World, call: &Call, input: &GetAuthorizersInput) -> Answer<GetAuthorizersOutput> {
    let authorizers = api(world, call, input.api_id())?.model.authorizers.values();
    let items = authorizers.map(|a| (a.id.clone(), describe!(SdkAuthorizer::builder(), a))).collect();
    let (items, next) = page(items, input.max_results(), input.next_token())?;
    Ok(GetAuthorizersOutput::builder().set_items(Some(items)).set_next_token(next).build())
}

fn update(world: &mut World, call: &Call, input: &UpdateAuthorizerInput) -> Answer<UpdateAuthorizerOutput> {
    refuse_other_types(input.authorizer_type())?;
    let mut new = existing(world, call, input.api_id(), input.authorizer_id())?.clone();
    if let Some(name) = input.name() {
        new.name = checked_name("Authorizer", Some(name))?;
    }
    if let Some(source) = &input.identity_source {
        new.identity_source.clone_from(source);
    }
    if let Some(jwt) = input.jwt_configuration() {
        if let Some(issuer) = jwt.issuer() {
            new.issuer = issuer.to_owned();
        }
        if let Some(audience) = &jwt.audience {
            new.audience.clone_from(audience);
        }
    }
    checked(&new)?;
    let output = describe!(UpdateAuthorizerOutput::builder(), &new);
    *existing(world, call, input.api_id(), input.authorizer_id())? = new;
    stages::deploy(world, call, input.api_id().unwrap_or_default());
    Ok(output)
}

fn delete(world: &mut World, call: &Call, input: &DeleteAuthorizerInput) -> Answer<DeleteAuthorizerOutput> {
    let id = existing(world, call, input.api_id(), input.authorizer_id())?.id.clone();
    let api = api(world, call, input.api_id())?;
    if let Some(user) = api.model.routes.values().find(|route| route.authorizer.as_ref() == Some(&id)) {
        return Err(conflict(format!("Cannot delete authorizer '{id}', is referenced in route: {}", user.key)));
    }
    api.model.authorizers.remove(&id);
    stages::deploy(world, call, input.api_id().unwrap_or_default());
    Ok(DeleteAuthorizerOutput::builder().build())
}
