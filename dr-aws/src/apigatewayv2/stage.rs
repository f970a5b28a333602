//! `aws.apigatewayv2.stage`: what an API serves under a name; every change of the API is deployed to it at once.
//!
//! API: CreateStage, GetStages, UpdateStage, DeleteStage, TagResource, UntagResource (API Gateway v2). Find: tags, under the
//! API. Change: API and name replace, the old one first. Delete: after its API mappings.

use aws_sdk_apigatewayv2::types;
use dr_core::{
    Anywhere, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Problems, Region, Resource,
    Scan, Wanted,
};

use super::{lists, ownership, write_tags};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{ApiId, StageName};
use crate::read::{found, on_record};
use crate::tags;

/// A stage of an HTTP API with automatic deployment: what the API serves under a name, or at its root.
///
/// An automatic deployment takes the API as it is, so add the stage after the routes: `.after(&route)`.
///
/// - Inputs: the API and the name (`$default`, or 1 to 128 characters); both replace, the old one first, because the name is
///   unique in the API.
/// - Ready: at once; deployments follow by themselves within seconds.
/// - Calls: CreateStage, GetStages, UpdateStage, DeleteStage.
/// - AWS: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-stages.html>
#[derive(Debug, Clone, Resource)]
#[resource(
    type = "aws.apigatewayv2.stage",
    outputs = StageOutputs,
    create_s = 1,
    delete_s = 1,
    replacement = "delete-first",
    check = Stage::check_inputs
)]
pub struct Stage<R: Region = Anywhere> {
    /// The API.
    #[input(replace)]
    api: Input<ApiId<R>>,
    /// `$default`, or 1 to 128 letters, digits, `-` and `_`.
    #[input(replace)]
    name: String,
    /// Whether each change of the API is deployed at once; always so here, an input so that its loss is seen.
    auto_deploy: bool,
}

/// What is known of a stage.
#[derive(Debug, Clone, PartialEq, Outputs)]
#[non_exhaustive]
pub struct StageOutputs<R: Region = Anywhere> {
    /// Its name.
    pub name: StageName<R>,
}

impl<R: Region> Stage<R> {
    /// The stage `$default`, which the API serves at its root: private integrations get paths as they came.
    pub fn default(api: impl IntoInput<ApiId<R>>) -> Self {
        Self::named(api, "$default")
    }

    /// A stage under `/{name}`; private integrations get paths with that prefix.
    pub fn named(api: impl IntoInput<ApiId<R>>, name: impl Into<String>) -> Self {
        Stage { api: api.into_input(), name: name.into(), auto_deploy: true }
    }

    fn check_inputs(&self, problems: &mut Problems) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if self.name != "$default" && !((1..=128).contains(&self.name.len()) && self.name.bytes().all(plain)) {
            let problem = format!("`{}`: a stage is `$default` or 1 to 128 letters, digits, `-` and `_`", self.name);
            problems.report("name", problem);
        }
    }
}

fn path(api: &ApiId, name: &str) -> String {
    format!("/apis/{api}/stages/{name}")
}

fn observed(api: &str, seen: &types::Stage) -> StageArgs {
    let (api, name) = (ApiId::literal(api), seen.stage_name().unwrap_or_default().to_owned());
    StageArgs { api, name, auto_deploy: seen.auto_deploy() == Some(true) }
}

impl Lifecycle for Stage {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let recorded: Option<Vec<_>> = wanted.iter().map(|want| on_record(&scan.cloud, want)).collect();
        if let Some(recorded) = recorded {
            return Ok(recorded);
        }
        let mut all = Vec::new();
        for api in lists::parents(wanted.iter().map(|want| want.args.api.as_str())) {
            for stage in lists::stages(scan, api).await?.iter() {
                let Some(owned) = tags::owned(&scan.stack, stage.tags().into_iter().flatten()) else { continue };
                let args = observed(api, stage);
                let outputs = StageOutputs { name: StageName::literal(&args.name) };
                all.push(found(owned, args, outputs, Health::Ready));
            }
        }
        Ok(all)
    }

    async fn create(cx: &Cx<Aws>, args: &StageArgs) -> Result<StageOutputs, CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client
            .create_stage()
            .api_id(args.api.as_str())
            .stage_name(&args.name)
            .auto_deploy(args.auto_deploy)
            .set_tags(ownership(cx));
        call.send().await.call("apigateway:CreateStage")?;
        Ok(StageOutputs { name: StageName::literal(&args.name) })
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, args: &StageArgs) -> Result<StageOutputs, CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client
            .update_stage()
            .api_id(args.api.as_str())
            .stage_name(prior.outputs.name.as_str())
            .auto_deploy(args.auto_deploy);
        // The answer has the tags.
        let stage = call.send().await.call("apigateway:UpdateStage")?;
        write_tags(cx, &path(&args.api, prior.outputs.name.as_str()), stage.tags()).await?;
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client.delete_stage().api_id(prior.args.api.as_str()).stage_name(prior.outputs.name.as_str());
        call.send().await.call("apigateway:DeleteStage").gone_ok().map(drop)
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        write_tags(cx, &path(&current.args.api, current.outputs.name.as_str()), None).await
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
    async fn a_stage_that_is_there_is_looked_at_and_a_new_api_waited_for() {
        let args = StageArgs { api: ApiId::literal("a1"), name: "$default".into(), auto_deploy: true };
        for (code, text, class) in [
            ("ConflictException", "Stage already exists", Class::Exists),
            ("NotFoundException", "Invalid API identifier specified", Class::Eventual),
        ] {
            let refused = refused(mock!(Client::create_stage), code, text);
            assert_eq!(outcome(Stage::create(&cx(&[&refused]), &args).await), Err(class), "{code}");
        }
        let gone = refused(mock!(Client::delete_stage), "NotFoundException", "Invalid stage identifier specified");
        let prior = Prior { args, outputs: StageOutputs { name: StageName::literal("$default") } };
        assert_eq!(outcome(Stage::delete(&cx(&[&gone]), &prior).await), Ok(()));
    }
}
