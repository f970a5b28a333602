//! `aws.apigatewayv2.mapping`: which stage of which API answers under a custom domain name.
//!
//! API: CreateApiMapping, GetApiMappings, UpdateApiMapping, DeleteApiMapping (API Gateway v2). Find: the mapping key, under the
//! domain. Change: the domain replaces, the rest in place. Delete: before the stage, the API and the domain.

use std::sync::Arc;

use aws_sdk_apigatewayv2::types;
use dr_core::{
    Anywhere, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Problems, Region, Resource,
    Scan, Wanted,
};

use super::lists;
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{ApiDomainName, ApiId, StageName};
use crate::read::{Promised as _, found_by_key, on_record};

/// Maps a path under a custom domain name to a stage of an API.
///
/// - Inputs: the domain (replaces, the old one first); the API, the stage and the key, the path under the domain (the root by
///   default), in place. The longest key that matches whole segments of a request's path wins.
/// - Ready: at once.
/// - Calls: CreateApiMapping, GetApiMappings, UpdateApiMapping, DeleteApiMapping.
/// - AWS: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-mappings.html>
#[derive(Debug, Clone, Resource)]
#[resource(
    type = "aws.apigatewayv2.mapping",
    outputs = ApiMappingOutputs,
    create_s = 1,
    delete_s = 1,
    replacement = "delete-first",
    check = ApiMapping::check_inputs
)]
pub struct ApiMapping<R: Region = Anywhere> {
    /// The domain, which has to be available.
    #[input(replace)]
    domain: Input<ApiDomainName<R>>,
    /// The API.
    api: Input<ApiId<R>>,
    /// Its stage.
    stage: Input<StageName<R>>,
    /// The path under the domain, without slashes at its ends; empty for the root.
    key: String,
}

/// What is known of a mapping.
#[derive(Debug, Clone, PartialEq, Outputs)]
#[non_exhaustive]
pub struct ApiMappingOutputs {
    /// Its id, unique under the domain.
    pub id: String,
}

impl<R: Region> ApiMapping<R> {
    /// Maps the root of a domain to a stage.
    pub fn new(
        domain: impl IntoInput<ApiDomainName<R>>,
        api: impl IntoInput<ApiId<R>>,
        stage: impl IntoInput<StageName<R>>,
    ) -> Self {
        ApiMapping { domain: domain.into_input(), api: api.into_input(), stage: stage.into_input(), key: String::new() }
    }

    /// The path under the domain, such as `orders/v1`.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    fn check_inputs(&self, problems: &mut Problems) {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"$-_.+!*'()/".contains(&byte);
        let ends = self.key.starts_with('/') || self.key.ends_with('/');
        if self.key.len() > 300 || ends || !self.key.bytes().all(allowed) {
            let problem = "at most 300 letters, digits and `$-_.+!*'()/`, no slash at the ends";
            problems.report("key", format_args!("`{}`: a mapping key has {problem}", self.key));
        }
    }
}

fn outputs(id: Option<&str>) -> Result<ApiMappingOutputs, CloudError> {
    let id = id.promised("apigateway:GetApiMappings", "the id of the mapping")?;
    Ok(ApiMappingOutputs { id: id.to_owned() })
}

/// API Gateway writes the root as an empty key, as none, or (for REST APIs) as `(none)`.
fn key_of(seen: &types::ApiMapping) -> &str {
    seen.api_mapping_key().filter(|key| *key != "(none)").unwrap_or_default()
}

fn observed(wanted: &ApiMappingArgs, seen: &types::ApiMapping) -> ApiMappingArgs {
    ApiMappingArgs {
        domain: wanted.domain.clone(),
        api: ApiId::literal(seen.api_id().unwrap_or_default()),
        stage: StageName::literal(seen.stage().unwrap_or_default()),
        key: key_of(seen).to_owned(),
    }
}

impl Lifecycle for ApiMapping {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let mut found = Vec::new();
        for want in wanted {
            let recorded = on_record(&scan.cloud, want);
            // A domain that was made again has the name of the old one, and none of its mappings.
            let domains = if recorded.is_some() { lists::domain_names(scan).await? } else { Arc::default() };
            let name = Some(want.args.domain.as_str());
            if let Some(recorded) = recorded.filter(|_| domains.iter().any(|domain| domain.domain_name() == name)) {
                found.push(recorded);
                continue;
            }
            let mappings = lists::mappings(scan, want.args.domain.as_str()).await?;
            // By id where it is known, since the key changes in place; else by the key, which is unique under the domain.
            let known = want.outputs.as_ref().map(|outputs| outputs.id.as_str());
            let by_id = mappings.iter().find(|mapping| known.is_some() && mapping.api_mapping_id() == known);
            let mapping = by_id.or_else(|| mappings.iter().find(|mapping| key_of(mapping) == want.args.key));
            let Some(mapping) = mapping else { continue };
            let (args, outputs) = (observed(&want.args, mapping), outputs(mapping.api_mapping_id())?);
            found.push(found_by_key(want, args, outputs, Health::Ready));
        }
        Ok(found)
    }

    async fn create(cx: &Cx<Aws>, args: &ApiMappingArgs) -> Result<ApiMappingOutputs, CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client
            .create_api_mapping()
            .domain_name(args.domain.as_str())
            .api_id(args.api.as_str())
            .stage(args.stage.as_str())
            .set_api_mapping_key(Some(args.key.clone()).filter(|key| !key.is_empty()));
        let mapping = call.send().await.call("apigateway:CreateApiMapping")?;
        outputs(mapping.api_mapping_id())
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, args: &ApiMappingArgs) -> Result<ApiMappingOutputs, CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client
            .update_api_mapping()
            .domain_name(args.domain.as_str())
            .api_mapping_id(&prior.outputs.id)
            .api_id(args.api.as_str())
            .stage(args.stage.as_str())
            .set_api_mapping_key(Some(args.key.clone()).filter(|key| *key != prior.args.key));
        call.send().await.call("apigateway:UpdateApiMapping")?;
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call =
            client.delete_api_mapping().domain_name(prior.args.domain.as_str()).api_mapping_id(&prior.outputs.id);
        call.send().await.call("apigateway:DeleteApiMapping").gone_ok().map(drop)
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
    async fn a_key_that_is_taken_is_looked_at_and_a_new_stage_waited_for() {
        let args = ApiMappingArgs {
            domain: ApiDomainName::literal("api.example.com"),
            api: ApiId::literal("a1"),
            stage: StageName::literal("$default"),
            key: String::new(),
        };
        for (code, text, class) in [
            ("ConflictException", "ApiMapping key already exists for this domain name", Class::Exists),
            ("NotFoundException", "Invalid stage identifier specified", Class::Eventual),
            ("BadRequestException", "Invalid stage identifier specified", Class::Eventual),
        ] {
            let refused = refused(mock!(Client::create_api_mapping), code, text);
            assert_eq!(outcome(ApiMapping::create(&cx(&[&refused]), &args).await), Err(class), "{code}");
        }
        let gone = refused(mock!(Client::delete_api_mapping), "NotFoundException", "");
        let prior = Prior { args, outputs: ApiMappingOutputs { id: "m1".into() } };
        assert_eq!(outcome(ApiMapping::delete(&cx(&[&gone]), &prior).await), Ok(()));
    }
}
