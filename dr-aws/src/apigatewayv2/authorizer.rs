//! `aws.apigatewayv2.jwt_authorizer`: which JSON web tokens an API accepts.
//!
//! API: CreateAuthorizer, GetAuthorizers, UpdateAuthorizer, DeleteAuthorizer (API Gateway v2). Find: a mark in the name, under
//! the API. Change: the API replaces, the rest in place. Delete: after the routes that use it.

use aws_sdk_apigatewayv2::types::{self, AuthorizerType, JwtConfiguration};
use dr_core::{
    Anywhere, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Problems, Region, Resource,
    Scan, Wanted,
};

use super::lists;
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{ApiId, AuthorizerId};
use crate::marks;
use crate::read::{Promised as _, as_wanted};

/// The longest name.
const NAME_LEN_MAX: usize = 128;

/// A JWT authorizer: requests need a token of this issuer, for one of these audiences.
///
/// API Gateway asks the issuer for its discovery document while the authorizer is made: it has to be reachable, within 1.5
/// seconds, and sign with RSA.
///
/// - Inputs: the API (replaces); the issuer, the audiences (1 to 50) and where the token is (the `Authorization` header by
///   default), in place.
/// - Ready: at once.
/// - Calls: CreateAuthorizer, GetAuthorizers, UpdateAuthorizer, DeleteAuthorizer.
/// - AWS: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html>
#[derive(Debug, Clone, Resource)]
#[resource(
    type = "aws.apigatewayv2.jwt_authorizer",
    outputs = JwtAuthorizerOutputs,
    create_s = 1,
    delete_s = 1,
    check = JwtAuthorizer::check_inputs
)]
pub struct JwtAuthorizer<R: Region = Anywhere> {
    /// The API.
    #[input(replace)]
    api: Input<ApiId<R>>,
    /// The issuer, an `https://` URL.
    issuer: Input<String>,
    /// The audiences, of which a token has to have one; 1 to 50.
    audiences: Vec<Input<String>>,
    /// Where the token is.
    identity_source: String,
}

/// What is known of an authorizer.
#[derive(Debug, Clone, PartialEq, Outputs)]
#[non_exhaustive]
pub struct JwtAuthorizerOutputs<R: Region = Anywhere> {
    /// Its id.
    pub id: AuthorizerId<R>,
}

impl<R: Region> JwtAuthorizer<R> {
    /// Accepts tokens of an issuer for one of the audiences, from the `Authorization` header.
    pub fn new<A: IntoInput<String>>(
        api: impl IntoInput<ApiId<R>>,
        issuer: impl IntoInput<String>,
        audiences: impl IntoIterator<Item = A>,
    ) -> Self {
        JwtAuthorizer {
            api: api.into_input(),
            issuer: issuer.into_input(),
            audiences: audiences.into_iter().map(IntoInput::into_input).collect(),
            identity_source: "$request.header.Authorization".to_owned(),
        }
    }

    /// Where the token is, such as `$request.querystring.token`.
    #[must_use]
    pub fn identity_source(mut self, expression: impl Into<String>) -> Self {
        self.identity_source = expression.into();
        self
    }

    fn check_inputs(&self, problems: &mut Problems) {
        if let Some(issuer) = self.issuer.as_known().filter(|url| !url.starts_with("https://") || url.len() > 2048) {
            problems
                .report("issuer", format_args!("`{issuer}`: an issuer is an https:// URL of at most 2,048 characters"));
        }
        if !(1..=50).contains(&self.audiences.len()) {
            problems.report("audiences", format_args!("{} audiences: 1 to 50 are allowed", self.audiences.len()));
        }
    }
}

impl JwtAuthorizerArgs {
    fn jwt(&self) -> JwtConfiguration {
        let audiences = Some(self.audiences.clone());
        JwtConfiguration::builder().issuer(&self.issuer).set_audience(audiences).build()
    }
}

fn mark(cx: &Cx<Aws>) -> String {
    marks::write(&cx.owner.stack, &cx.owner.address, cx.owner.generation, NAME_LEN_MAX)
}

fn outputs(id: Option<&str>) -> Result<JwtAuthorizerOutputs, CloudError> {
    let id = id.promised("apigateway:GetAuthorizers", "the id of the authorizer")?;
    Ok(JwtAuthorizerOutputs { id: AuthorizerId::literal(id) })
}

fn observed(wanted: Option<&JwtAuthorizerArgs>, api: &str, seen: &types::Authorizer) -> JwtAuthorizerArgs {
    let jwt = seen.jwt_configuration();
    let audiences = jwt.map(|jwt| jwt.audience().to_vec()).unwrap_or_default();
    JwtAuthorizerArgs {
        api: ApiId::literal(api),
        issuer: jwt.and_then(JwtConfiguration::issuer).unwrap_or_default().to_owned(),
        audiences: as_wanted(audiences, wanted.map(|args| &args.audiences)),
        identity_source: seen.identity_source().join(","),
    }
}

impl Lifecycle for JwtAuthorizer {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let mut found = Vec::new();
        for api in lists::parents(wanted.iter().map(|want| want.args.api.as_str())) {
            for authorizer in lists::authorizers(scan, api).await?.iter() {
                let id = authorizer.authorizer_id();
                let known = wanted.iter().find(|w| w.outputs.as_ref().is_some_and(|o| Some(o.id.as_str()) == id));
                let mark = authorizer.name().and_then(|name| marks::read(&scan.stack, name));
                let owner = match known {
                    Some(known) => Some((known.address.clone(), known.generation)),
                    None => {
                        mark.and_then(|mark| Some((mark.address(wanted.iter().map(|w| &w.address))?, mark.generation)))
                    }
                };
                let Some((address, generation)) = owner else { continue };
                let want = known.or_else(|| wanted.iter().find(|want| want.address == address));
                found.push(Found {
                    args: Some(observed(want.map(|want| &want.args), api, authorizer)),
                    outputs: outputs(id)?,
                    address,
                    generation,
                    health: Health::Ready,
                    tags: None,
                });
            }
        }
        Ok(found)
    }

    async fn create(cx: &Cx<Aws>, args: &JwtAuthorizerArgs) -> Result<JwtAuthorizerOutputs, CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client
            .create_authorizer()
            .api_id(args.api.as_str())
            .name(mark(cx))
            .authorizer_type(AuthorizerType::Jwt)
            .identity_source(&args.identity_source)
            .jwt_configuration(args.jwt());
        let authorizer = call.send().await.call("apigateway:CreateAuthorizer")?;
        outputs(authorizer.authorizer_id())
    }

    async fn update(
        cx: &Cx<Aws>,
        prior: &Prior<Self>,
        args: &JwtAuthorizerArgs,
    ) -> Result<JwtAuthorizerOutputs, CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client
            .update_authorizer()
            .api_id(args.api.as_str())
            .authorizer_id(prior.outputs.id.as_str())
            .name(mark(cx))
            .identity_source(&args.identity_source)
            .jwt_configuration(args.jwt());
        call.send().await.call("apigateway:UpdateAuthorizer")?;
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client.delete_authorizer().api_id(prior.args.api.as_str()).authorizer_id(prior.outputs.id.as_str());
        call.send().await.call("apigateway:DeleteAuthorizer").gone_ok().map(drop)
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client
            .update_authorizer()
            .api_id(current.args.api.as_str())
            .authorizer_id(current.outputs.id.as_str())
            .name(mark(cx));
        call.send().await.call("apigateway:UpdateAuthorizer").map(drop)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_apigatewayv2::Client;
    use aws_smithy_mocks::mock;
    use dr_core::Class;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    fn prior() -> Prior<JwtAuthorizer> {
        let args = JwtAuthorizerArgs {
            api: ApiId::literal("a1"),
            issuer: "https://issuer.example.com".into(),
            audiences: vec!["web".into()],
            identity_source: "$request.header.Authorization".into(),
        };
        Prior { args, outputs: JwtAuthorizerOutputs { id: AuthorizerId::literal("z1") } }
    }

    /// The text ends with what the issuer answered, which may well be "not found".
    #[tokio::test]
    async fn an_issuer_that_cannot_be_reached_is_said_and_not_waited_for() {
        let text = "Caught exception when connecting to https://issuer.example.com/.well-known/openid-configuration for issuer https://issuer.example.com. Please try again later. Error: 404 Not Found";
        let refused = refused(mock!(Client::create_authorizer), "BadRequestException", text);
        let error = JwtAuthorizer::create(&cx(&[&refused]), &prior().args).await.unwrap_err();
        assert_eq!(error.class, Class::Permanent);
        assert!(error.hint.unwrap().contains("reached from the Internet"));
    }

    #[tokio::test]
    async fn an_authorizer_that_is_gone_is_deleted_and_one_that_a_route_uses_waits() {
        for (code, text, expected) in [
            ("NotFoundException", "", Ok(())),
            ("ConflictException", "Cannot delete authorizer z1, is referenced in route: r1", Err(Class::Dependency)),
        ] {
            let refused = refused(mock!(Client::delete_authorizer), code, text);
            assert_eq!(outcome(JwtAuthorizer::delete(&cx(&[&refused]), &prior()).await), expected, "{code}");
        }
    }
}
