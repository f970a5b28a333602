//! `aws.apigatewayv2.route`: which requests of an API go to which integration, and who may send them.
//!
//! API: CreateRoute, GetRoutes, UpdateRoute, DeleteRoute (API Gateway v2). Find: the route key, under the API. Change: the API
//! replaces, the rest in place, the route key too. Delete: before the integration and the authorizer.

use aws_sdk_apigatewayv2::types::{self, AuthorizationType};
use dr_core::{
    Anywhere, CloudError, Cx, Found, Health, Input, Inputs, IntoInput, Lifecycle, Outputs, Prior, Problems, Region,
    Resource, Scan, Wanted,
};

use super::{RouteKey, lists};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{ApiId, ApiRouteId, AuthorizerId, IntegrationId};
use crate::read::{Promised as _, as_wanted, found_by_key};

/// A route of an HTTP API: requests of this method and path go to an integration.
///
/// `ANY /` is the root path and nothing else; `ANY /{proxy+}` is every other path. A full match wins over a greedy variable,
/// and that over `$default`.
///
/// - Inputs: the API (replaces, the old one first); the route key, the integration and who may send requests (anybody by
///   default), in place.
/// - Ready: at once.
/// - Calls: CreateRoute, GetRoutes, UpdateRoute, DeleteRoute.
/// - AWS: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html>
#[derive(Debug, Clone, Resource)]
#[resource(
    type = "aws.apigatewayv2.route",
    outputs = ApiRouteOutputs,
    create_s = 1,
    delete_s = 1,
    replacement = "delete-first",
    check = ApiRoute::check_inputs
)]
pub struct ApiRoute<R: Region = Anywhere> {
    /// The API.
    #[input(replace)]
    api: Input<ApiId<R>>,
    /// Method and path.
    key: RouteKey,
    /// Where the requests go.
    #[input(holds)]
    integration: Input<IntegrationId<R>>,
    /// Who may send them.
    #[input(nested)]
    authorization: Authorization<R>,
}

/// Who may send requests to a route. Probes of Route 53 carry no credentials: give their path an open route.
#[derive(Debug, Clone, Inputs)]
pub enum Authorization<R: Region = Anywhere> {
    /// Anybody.
    None,
    /// Callers that sign with IAM credentials and have `execute-api:Invoke`.
    Iam,
    /// Callers with a token that the authorizer accepts.
    Jwt {
        /// The authorizer.
        authorizer: Input<AuthorizerId<R>>,
        /// Scopes of which the token has to have at least one; none: any token. At most 10.
        scopes: Vec<String>,
    },
}

/// What is known of a route.
#[derive(Debug, Clone, PartialEq, Outputs)]
#[non_exhaustive]
pub struct ApiRouteOutputs<R: Region = Anywhere> {
    /// Its id.
    pub id: ApiRouteId<R>,
}

impl<R: Region> ApiRoute<R> {
    /// Sends requests to an integration: `ApiRoute::new(api.id, route_key!("ANY /{proxy+}"), backend.id)`.
    pub fn new(api: impl IntoInput<ApiId<R>>, key: RouteKey, integration: impl IntoInput<IntegrationId<R>>) -> Self {
        ApiRoute {
            api: api.into_input(),
            key,
            integration: integration.into_input(),
            authorization: Authorization::None,
        }
    }

    /// Who may send requests.
    #[must_use]
    pub fn authorization(mut self, authorization: Authorization<R>) -> Self {
        self.authorization = authorization;
        self
    }

    fn check_inputs(&self, problems: &mut Problems) {
        if let Authorization::Jwt { scopes, .. } = &self.authorization
            && scopes.len() > 10
        {
            problems.report("authorization", format_args!("has {} scopes, at most 10 are allowed", scopes.len()));
        }
    }
}

impl ApiRouteArgs {
    fn target(&self) -> String {
        format!("integrations/{}", self.integration)
    }

    /// Type, authorizer and scopes; empty ones take away what a route had.
    fn authorization(&self) -> (AuthorizationType, String, Vec<String>) {
        match &self.authorization {
            AuthorizationArgs::None => (AuthorizationType::None, String::new(), Vec::new()),
            AuthorizationArgs::Iam => (AuthorizationType::AwsIam, String::new(), Vec::new()),
            AuthorizationArgs::Jwt { authorizer, scopes } => {
                (AuthorizationType::Jwt, authorizer.as_str().to_owned(), scopes.clone())
            }
        }
    }
}

fn outputs(id: Option<&str>) -> Result<ApiRouteOutputs, CloudError> {
    let id = id.promised("apigateway:GetRoutes", "the id of the route")?;
    Ok(ApiRouteOutputs { id: ApiRouteId::literal(id) })
}

fn observed(wanted: &ApiRouteArgs, api: &str, seen: &types::Route) -> ApiRouteArgs {
    let mut args = wanted.clone();
    args.api = ApiId::literal(api);
    // One that does not parse is a WebSocket route, which an HTTP API cannot have.
    args.key = seen.route_key().and_then(|key| RouteKey::parse(key).ok()).unwrap_or_else(|| wanted.key.clone());
    let target = seen.target().unwrap_or_default();
    args.integration = IntegrationId::literal(target.strip_prefix("integrations/").unwrap_or(target));
    args.authorization = match seen.authorization_type() {
        Some(AuthorizationType::AwsIam) => AuthorizationArgs::Iam,
        Some(AuthorizationType::Jwt) => {
            let wanted = match &wanted.authorization {
                AuthorizationArgs::Jwt { scopes, .. } => Some(scopes),
                _ => None,
            };
            AuthorizationArgs::Jwt {
                authorizer: AuthorizerId::literal(seen.authorizer_id().unwrap_or_default()),
                scopes: as_wanted(seen.authorization_scopes().to_vec(), wanted),
            }
        }
        _ => AuthorizationArgs::None,
    };
    args
}

impl Lifecycle for ApiRoute {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let mut found = Vec::new();
        for want in wanted {
            let api = want.args.api.as_str();
            let routes = lists::routes(scan, api).await?;
            // By id where it is known, since the key changes in place; else by the key, which is unique in the API.
            let known = want.outputs.as_ref().map(|outputs| outputs.id.as_str());
            let by_id = routes.iter().find(|route| known.is_some() && route.route_id() == known);
            let route = by_id.or_else(|| routes.iter().find(|route| route.route_key() == Some(want.args.key.as_str())));
            let Some(route) = route else { continue };
            let (args, outputs) = (observed(&want.args, api, route), outputs(route.route_id())?);
            found.push(found_by_key(want, args, outputs, Health::Ready));
        }
        Ok(found)
    }

    async fn create(cx: &Cx<Aws>, args: &ApiRouteArgs) -> Result<ApiRouteOutputs, CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let (kind, authorizer, scopes) = args.authorization();
        let call = client
            .create_route()
            .api_id(args.api.as_str())
            .route_key(args.key.as_str())
            .target(args.target())
            .authorization_type(kind)
            .set_authorizer_id(Some(authorizer).filter(|id| !id.is_empty()))
            .set_authorization_scopes(Some(scopes).filter(|scopes| !scopes.is_empty()));
        let route = call.send().await.call("apigateway:CreateRoute")?;
        outputs(route.route_id())
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, args: &ApiRouteArgs) -> Result<ApiRouteOutputs, CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let (kind, authorizer, scopes) = args.authorization();
        let authorization_changed = prior.args.authorization != args.authorization;
        let call = client
            .update_route()
            .api_id(args.api.as_str())
            .route_id(prior.outputs.id.as_str())
            .route_key(args.key.as_str())
            .target(args.target())
            .authorization_type(kind)
            .set_authorizer_id(Some(authorizer).filter(|id| authorization_changed || !id.is_empty()))
            .set_authorization_scopes(Some(scopes).filter(|scopes| authorization_changed || !scopes.is_empty()));
        call.send().await.call("apigateway:UpdateRoute")?;
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client.delete_route().api_id(prior.args.api.as_str()).route_id(prior.outputs.id.as_str());
        call.send().await.call("apigateway:DeleteRoute").gone_ok().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_apigatewayv2::Client;
    use aws_smithy_mocks::mock;
    use dr_core::Class;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    #[tokio::test]
    async fn a_new_integration_is_waited_for_and_a_route_that_is_gone_is_deleted() {
        let args = ApiRouteArgs {
            api: ApiId::literal("a1"),
            key: RouteKey::parse("ANY /{proxy+}").unwrap(),
            integration: IntegrationId::literal("i1"),
            authorization: AuthorizationArgs::None,
        };
        for (code, text) in
            [("NotFoundException", "Unable to find Integration"), ("BadRequestException", "Integration i1 not found")]
        {
            let refused = refused(mock!(Client::create_route), code, text);
            assert_eq!(outcome(ApiRoute::create(&cx(&[&refused]), &args).await), Err(Class::Eventual), "{code}");
        }
        let gone = refused(mock!(Client::delete_route), "NotFoundException", "");
        let prior = Prior { args, outputs: ApiRouteOutputs { id: ApiRouteId::literal("r1") } };
        assert_eq!(outcome(ApiRoute::delete(&cx(&[&gone]), &prior).await), Ok(()));
    }
}
