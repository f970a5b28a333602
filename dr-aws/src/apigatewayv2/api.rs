//! `aws.apigatewayv2.http_api`: an HTTP API of a region.
//!
//! API: CreateApi, GetApis, UpdateApi, DeleteApi, TagResource, UntagResource (API Gateway v2). Find: tags. Change: all in place.
//! Delete: after the mappings of custom domains; stages, routes and integrations below go with it.

use std::marker::PhantomData;

use aws_sdk_apigatewayv2::types::{Api, ProtocolType};
use dr_core::{
    Anywhere, CloudError, Cx, Found, Health, Lifecycle, Outputs, Prior, Problems, Region, Resource, Scan, Wanted,
};

use super::{lists, ownership, write_tags};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::clients::incomplete;
use crate::ids::ApiId;
use crate::read::found;
use crate::{names, tags};

/// An HTTP API: the regional, managed entry to a service, with routes, integrations and stages under it.
///
/// - Inputs: a description (up to 1,024 characters; none by default) and whether it answers under its own `execute-api` name
///   (yes by default; a Route 53 health check needs that name); all in place.
/// - Ready: at once.
/// - Calls: CreateApi, GetApis, UpdateApi, DeleteApi.
/// - AWS: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api.html>
#[derive(Debug, Clone, Resource)]
#[resource(type = "aws.apigatewayv2.http_api", outputs = HttpApiOutputs, create_s = 1, delete_s = 1, check = HttpApi::check_inputs)]
pub struct HttpApi<R: Region = Anywhere> {
    /// What it is for, at most 1,024 characters.
    description: Option<String>,
    /// Whether it answers under `https://{id}.execute-api.{region}.amazonaws.com`.
    execute_api_endpoint: bool,
    of: PhantomData<fn() -> R>,
}

/// What is known of an HTTP API.
#[derive(Debug, Clone, PartialEq, Outputs)]
#[non_exhaustive]
pub struct HttpApiOutputs<R: Region = Anywhere> {
    /// Its id.
    pub id: ApiId<R>,
    /// `https://{id}.execute-api.{region}.amazonaws.com`.
    pub endpoint: String,
    /// The host of the endpoint: what a Route 53 health check probes.
    pub host: String,
}

impl<R: Region> HttpApi<R> {
    /// An HTTP API without routes.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a resource is something to say, not a value to fall back to")]
    pub fn new() -> Self {
        HttpApi { description: None, execute_api_endpoint: true, of: PhantomData }
    }

    /// What it is for, at most 1,024 characters.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// It answers under custom domain names only; health checks that probe its `execute-api` name fail then.
    #[must_use]
    pub fn without_execute_api_endpoint(mut self) -> Self {
        self.execute_api_endpoint = false;
        self
    }

    fn check_inputs(&self, problems: &mut Problems) {
        if self.description.as_ref().is_some_and(|text| text.chars().count() > 1024) {
            problems.report("description", "has more than 1,024 characters");
        }
    }
}

fn path(id: &ApiId) -> String {
    format!("/apis/{id}")
}

fn outputs(id: Option<&str>, endpoint: Option<&str>) -> Result<HttpApiOutputs, CloudError> {
    match (id, endpoint) {
        (Some(id), Some(endpoint)) => {
            let host = endpoint.strip_prefix("https://").unwrap_or(endpoint).to_owned();
            Ok(HttpApiOutputs { id: ApiId::literal(id), endpoint: endpoint.to_owned(), host })
        }
        _ => Err(incomplete("apigateway:GetApis", "the id or the endpoint of the API")),
    }
}

fn observed(seen: &Api) -> HttpApiArgs {
    HttpApiArgs {
        description: seen.description().filter(|text| !text.is_empty()).map(str::to_owned),
        execute_api_endpoint: seen.disable_execute_api_endpoint() != Some(true),
    }
}

impl Lifecycle for HttpApi {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, _: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let mut all = Vec::new();
        for api in lists::apis(scan).await?.iter() {
            let Some(owned) = tags::owned(&scan.stack, api.tags().into_iter().flatten()) else { continue };
            let outputs = outputs(api.api_id(), api.api_endpoint())?;
            all.push(found(owned, observed(api), outputs, Health::Ready));
        }
        Ok(all)
    }

    async fn create(cx: &Cx<Aws>, args: &HttpApiArgs) -> Result<HttpApiOutputs, CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client
            .create_api()
            .name(names::physical(&cx.owner, 128))
            .protocol_type(ProtocolType::Http)
            .set_description(args.description.clone())
            .disable_execute_api_endpoint(!args.execute_api_endpoint)
            .set_tags(ownership(cx));
        let api = call.send().await.call("apigateway:CreateApi")?;
        outputs(api.api_id(), api.api_endpoint())
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, args: &HttpApiArgs) -> Result<HttpApiOutputs, CloudError> {
        let id = &prior.outputs.id;
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        // The answer has the tags; an absent description would stay, so it is emptied.
        let call = client
            .update_api()
            .api_id(id.as_str())
            .description(args.description.clone().unwrap_or_default())
            .disable_execute_api_endpoint(!args.execute_api_endpoint);
        let api = call.send().await.call("apigateway:UpdateApi")?;
        write_tags(cx, &path(id), api.tags()).await?;
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client.delete_api().api_id(prior.outputs.id.as_str());
        call.send().await.call("apigateway:DeleteApi").gone_ok().map(drop)
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        write_tags(cx, &path(&current.outputs.id), None).await
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_apigatewayv2::Client;
    use aws_smithy_mocks::mock;
    use dr_core::Class;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    fn prior() -> Prior<HttpApi> {
        let args = HttpApiArgs { description: None, execute_api_endpoint: true };
        Prior { args, outputs: outputs(Some("a1"), Some("https://a1.execute-api.us-east-1.amazonaws.com")).unwrap() }
    }

    #[tokio::test]
    async fn an_api_that_is_gone_is_deleted_and_a_mapped_one_waits() {
        let mapped = "Deleting API failed. Please remove all base path mappings related to the API in your domains.";
        for (code, text, expected) in [
            ("NotFoundException", "Invalid API identifier specified", Ok(())),
            ("BadRequestException", mapped, Err(Class::Dependency)),
            ("TooManyRequestsException", "Too Many Requests", Err(Class::Throttled)),
        ] {
            let refused = refused(mock!(Client::delete_api), code, text);
            assert_eq!(outcome(HttpApi::delete(&cx(&[&refused]), &prior()).await), expected, "{code}");
        }
    }

    /// API Gateway has no code of its own for it.
    #[tokio::test]
    async fn a_quota_is_told_from_one_call_too_many() {
        for code in ["BadRequestException", "TooManyRequestsException"] {
            let text = "Maximum number of APIs for this account has been reached.";
            let refused = refused(mock!(Client::create_api), code, text);
            let error = HttpApi::create(&cx(&[&refused]), &prior().args).await.unwrap_err();
            assert_eq!(error.class, Class::Permanent, "{code}");
            assert!(error.hint.unwrap().contains("Service Quotas"), "{code}");
        }
    }
}
