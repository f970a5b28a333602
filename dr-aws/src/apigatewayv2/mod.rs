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
    let (wanted, surplus) = tags::changes(&cx.owner, &present);
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
    use aws_smithy_mocks::mock;
    use dr_core::{Class, Lifecycle as _, Prior};

    use super::*;
    use crate::ids::{ApiId, IntegrationId, StageName};
    use crate::testing::{cx, outcome, refused};

    /// One code, three meanings: the text decides.
    #[tokio::test]
    async fn a_conflict_is_what_its_text_says() {
        let route = ApiRouteArgs {
            api: ApiId::literal("a1"),
            key: RouteKey::parse("ANY /").unwrap(),
            integration: IntegrationId::literal("i1"),
            authorization: AuthorizationArgs::None,
        };
        let prior = Prior { args: route, outputs: ApiRouteOutputs { id: crate::ids::ApiRouteId::literal("r1") } };
        for (text, class) in [
            ("Unable to complete operation due to concurrent modification. Please try again later.", Class::Eventual),
            ("Route with key ANY / already exists for this API", Class::Exists),
        ] {
            let refused = refused(mock!(Client::create_route), "ConflictException", text);
            assert_eq!(outcome(ApiRoute::create(&cx(&[&refused]), &prior.args).await), Err(class), "{text}");
        }
        let text = "Unable to complete operation due to concurrent modification. Please try again later.";
        let refused = refused(mock!(Client::delete_route), "ConflictException", text);
        assert_eq!(outcome(ApiRoute::delete(&cx(&[&refused]), &prior).await), Err(Class::Eventual));
    }

    #[tokio::test]
    async fn a_mapped_stage_waits_for_its_mapping() {
        let text = "Deleting stage $default failed. Please remove all base path mappings related to the stage in your domains: api.example.com";
        let args = StageArgs { api: ApiId::literal("a1"), name: "$default".into(), auto_deploy: true };
        let prior = Prior { args, outputs: StageOutputs { name: StageName::literal("$default") } };
        let refused = refused(mock!(Client::delete_stage), "BadRequestException", text);
        assert_eq!(outcome(Stage::delete(&cx(&[&refused]), &prior).await), Err(Class::Dependency));
    }
}
