//! Amazon API Gateway, HTTP APIs: the managed front of a region, down to the private load balancer.
//!
//! ```text
//! ApiDomain ◄── ApiMapping ──► Stage ──► HttpApi ◄── ApiRoute ──► Integration ──► VpcLink ──► (subnets, listener)
//!                                                        └──────► JwtAuthorizer
//! ```
//! APIs, VPC links, stages and domains carry tags and are found by them. The rest is found under its API or domain: by route
//! key, by mapping key, and by a mark in the description of an integration and the name of an authorizer.

mod api;
mod authorizer;
mod domain;
mod integration;
mod lists;
mod mapping;
mod route;
mod route_key;
mod stage;
mod vpc_link;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use aws_sdk_apigatewayv2::Client;
use dr_core::{CloudError, Cx, Registry};

use crate::call::Call as _;
use crate::{Aws, regions, tags};

pub use api::{HttpApi, HttpApiArgs, HttpApiOutputs, HttpApiRefs};
pub use authorizer::{JwtAuthorizer, JwtAuthorizerArgs, JwtAuthorizerOutputs, JwtAuthorizerRefs};
pub use domain::{ApiDomain, ApiDomainArgs, ApiDomainOutputs, ApiDomainRefs};
pub use integration::{Integration, IntegrationArgs, IntegrationOutputs, IntegrationRefs};
pub use mapping::{ApiMapping, ApiMappingArgs, ApiMappingOutputs, ApiMappingRefs};
pub use route::{ApiRoute, ApiRouteArgs, ApiRouteOutputs, ApiRouteRefs, Authorization, AuthorizationArgs};
pub use route_key::{RouteKey, RouteKeyError};
pub use stage::{Stage, StageArgs, StageOutputs, StageRefs};
pub use vpc_link::{VpcLink, VpcLinkArgs, VpcLinkOutputs, VpcLinkRefs};

/// Adds the resource types of this service.
pub(crate) fn register(registry: Registry, aws: &Arc<Aws>) -> Registry {
    registry
        .with::<HttpApi>(aws)
        .with::<VpcLink>(aws)
        .with::<Integration>(aws)
        .with::<JwtAuthorizer>(aws)
        .with::<ApiRoute>(aws)
        .with::<Stage>(aws)
        .with::<ApiDomain>(aws)
        .with::<ApiMapping>(aws)
}

/// Tags as the SDK has them.
type SdkTags = HashMap<String, String>;

/// The tags of a new resource.
fn ownership(cx: &Cx<Aws>) -> Option<SdkTags> {
    Some(tags::ownership(&cx.owner).into_iter().collect())
}

/// Gives a resource the tags of its owner; `path` is the end of its ARN, `present` are the tags that it is known to have.
async fn write_tags(cx: &Cx<Aws>, path: &str, present: Option<&SdkTags>) -> Result<(), CloudError> {
    let region = &cx.owner.region;
    // These ARNs have no account.
    let arn = format!("arn:{}:apigateway:{region}::{path}", regions::partition(region));
    let client: Client = cx.cloud.apigatewayv2(region);
    let present: BTreeMap<_, _> = present.cloned().unwrap_or_default().into_iter().collect();
    let (mut wanted, surplus) = tags::changes(&cx.owner, &present);
    wanted.retain(|key, value| present.get(key) != Some(value));
    if !wanted.is_empty() {
        let call = client.tag_resource().resource_arn(&arn).set_tags(Some(wanted.into_iter().collect()));
        call.send().await.call("apigateway:TagResource")?;
    }
    if !surplus.is_empty() {
        let call = client.untag_resource().resource_arn(&arn).set_tag_keys(Some(surplus));
        call.send().await.call("apigateway:UntagResource")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use aws_sdk_apigatewayv2::error::ErrorMetadata;
    use aws_sdk_apigatewayv2::operation::create_route::CreateRouteError;
    use aws_sdk_apigatewayv2::operation::delete_integration::DeleteIntegrationError;
    use aws_sdk_apigatewayv2::operation::delete_stage::DeleteStageError;
    use aws_sdk_apigatewayv2::types::error::ConflictException;
    use aws_smithy_mocks::mock;
    use dr_core::{Class, Lifecycle as _, Owner, Prior};

    use super::*;
    use crate::ids::{ApiId, IntegrationId, ListenerArn, StageName, VpcLinkId};

    fn cx(aws: Arc<Aws>) -> Cx<Aws> {
        let owner = Owner {
            stack: "shop".into(),
            region: "us-east-1".into(),
            address: "us-east-1/api.proxy".parse().unwrap(),
            generation: 1,
            token: "0123456789abcdef0123456789abcdef".into(),
            tags: BTreeMap::new(),
        };
        Cx { cloud: aws, owner }
    }

    fn meta(code: &str, message: &str) -> ErrorMetadata {
        ErrorMetadata::builder().code(code).message(message).build()
    }

    fn conflict(message: &str) -> ConflictException {
        ConflictException::builder().message(message).meta(meta("ConflictException", message)).build()
    }

    /// One code, three meanings: the text decides.
    #[tokio::test]
    async fn a_conflict_is_what_its_text_says() {
        let route = ApiRouteArgs {
            api: ApiId::literal("a1"),
            key: RouteKey::parse("ANY /").unwrap(),
            integration: IntegrationId::literal("i1"),
            authorization: AuthorizationArgs::None,
        };
        for (text, class) in [
            ("Unable to complete operation due to concurrent modification. Please try again later.", Class::Eventual),
            ("Route with key ANY / already exists for this API", Class::Exists),
        ] {
            let create =
                mock!(Client::create_route).then_error(move || CreateRouteError::ConflictException(conflict(text)));
            let error = ApiRoute::create(&cx(Aws::mocked(&[&create])), &route).await.unwrap_err();
            assert_eq!(error.class, class, "{error}");
        }

        let text = "Cannot delete Integration because it is referenced by the following Routes in the API: [ANY /]";
        let delete = mock!(Client::delete_integration)
            .then_error(move || DeleteIntegrationError::generic(meta("ConflictException", text)));
        let args = IntegrationArgs {
            api: ApiId::literal("a1"),
            listener: ListenerArn::literal("arn:l"),
            link: VpcLinkId::literal("v1"),
            method: "ANY".into(),
            timeout_ms: 29_000,
            tls_server_name: None,
        };
        let prior = Prior { args, outputs: IntegrationOutputs { id: IntegrationId::literal("i1") } };
        let error = Integration::delete(&cx(Aws::mocked(&[&delete])), &prior).await.unwrap_err();
        assert_eq!(error.class, Class::Dependency, "{error}");
    }

    #[tokio::test]
    async fn a_mapped_stage_waits_for_its_mapping() {
        let text = "Deleting stage $default failed. Please remove all base path mappings related to the stage in your domains: api.example.com";
        let delete = mock!(Client::delete_stage)
            .then_error(move || DeleteStageError::generic(meta("BadRequestException", text)));
        let args = StageArgs { api: ApiId::literal("a1"), name: "$default".into(), auto_deploy: true };
        let prior = Prior { args, outputs: StageOutputs { name: StageName::literal("$default") } };
        let error = Stage::delete(&cx(Aws::mocked(&[&delete])), &prior).await.unwrap_err();
        assert_eq!(error.class, Class::Dependency, "{error}");
    }
}
