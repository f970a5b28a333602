//! `aws.apigatewayv2.integration`: what an API forwards to, here a load balancer in a VPC.
//!
//! API: CreateIntegration, GetIntegrations, UpdateIntegration, DeleteIntegration (API Gateway v2). Find: a mark in the
//! description, under the API. Change: the API replaces, the rest in place. Delete: after the routes that name it.

use aws_sdk_apigatewayv2::types::{self, ConnectionType, IntegrationType, TlsConfigInput};
use dr_core::{
    Anywhere, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Problems, Region, Resource,
    Scan, Wanted,
};

use super::lists;
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{ApiId, IntegrationId, ListenerArn, VpcLinkId};
use crate::marks;
use crate::read::Promised as _;

/// The longest description.
const DESCRIPTION_LEN_MAX: usize = 1024;

/// A private integration: the API forwards requests through a VPC link to a listener of an internal load balancer.
///
/// - Inputs: the API (replaces); the listener, the VPC link, the method (the client's by default), the time-out (50 to 30,000
///   milliseconds, 30,000 by default) and the server name with which it speaks TLS to an HTTPS listener (none by default:
///   HTTP), in place.
/// - Ready: at once; it works once its VPC link does.
/// - Calls: CreateIntegration, GetIntegrations, UpdateIntegration, DeleteIntegration.
/// - AWS: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-private.html>
#[derive(Debug, Clone, Resource)]
#[resource(
    type = "aws.apigatewayv2.integration",
    outputs = IntegrationOutputs,
    create_s = 1,
    delete_s = 1,
    check = Integration::check_inputs
)]
pub struct Integration<R: Region = Anywhere> {
    /// The API.
    #[input(replace)]
    api: Input<ApiId<R>>,
    /// The listener of the load balancer.
    #[input(accepted)]
    listener: Input<ListenerArn<R>>,
    /// The way into the VPC. It need not be available to be named.
    #[input(holds, accepted)]
    link: Input<VpcLinkId<R>>,
    /// The method of the forwarded request; `ANY` keeps the client's.
    method: String,
    /// How long the load balancer may take to answer, 50 to 30,000 milliseconds.
    timeout_ms: u16,
    /// The name on the load balancer's certificate; set exactly when the listener speaks HTTPS.
    tls_server_name: Option<String>,
}

/// What is known of an integration.
#[derive(Debug, Clone, PartialEq, Outputs)]
#[non_exhaustive]
pub struct IntegrationOutputs<R: Region = Anywhere> {
    /// Its id.
    pub id: IntegrationId<R>,
}

impl<R: Region> Integration<R> {
    /// Forwards to a listener of a load balancer through a VPC link. The time-out is 30 seconds, AWS's default.
    pub fn private(
        api: impl IntoInput<ApiId<R>>,
        listener: impl IntoInput<ListenerArn<R>>,
        link: impl IntoInput<VpcLinkId<R>>,
    ) -> Self {
        Integration {
            api: api.into_input(),
            listener: listener.into_input(),
            link: link.into_input(),
            method: "ANY".to_owned(),
            timeout_ms: 30_000,
            tls_server_name: None,
        }
    }

    /// How long the load balancer may take to answer, 50 to 30,000 milliseconds.
    #[must_use]
    pub fn timeout_ms(mut self, timeout_ms: u16) -> Self {
        self.timeout_ms = timeout_ms;
        self
    }

    /// The method of the forwarded request, `ANY` (the client's) by default.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = method.into();
        self
    }

    /// Speaks TLS to the listener and expects this name on its certificate.
    #[must_use]
    pub fn tls(mut self, server_name: impl Into<String>) -> Self {
        self.tls_server_name = Some(server_name.into());
        self
    }

    fn check_inputs(&self, problems: &mut Problems) {
        if !(50..=30_000).contains(&self.timeout_ms) {
            problems.report(
                "timeout_ms",
                format_args!("{}: an integration has 50 to 30,000 milliseconds", self.timeout_ms),
            );
        }
        if let Some(name) = self.tls_server_name.as_ref().filter(|name| !(1..=512).contains(&name.len())) {
            problems.report("tls_server_name", format_args!("has {} characters, 1 to 512 are allowed", name.len()));
        }
    }
}

impl IntegrationArgs {
    /// An empty one takes TLS away on an update, where an absent one would leave it.
    fn tls(&self) -> TlsConfigInput {
        TlsConfigInput::builder().set_server_name_to_verify(self.tls_server_name.clone()).build()
    }
}

fn mark(cx: &Cx<Aws>) -> String {
    marks::write(&cx.owner.stack, &cx.owner.address, cx.owner.generation, DESCRIPTION_LEN_MAX)
}

fn outputs(id: Option<&str>) -> Result<IntegrationOutputs, CloudError> {
    let id = id.promised("apigateway:GetIntegrations", "the id of the integration")?;
    Ok(IntegrationOutputs { id: IntegrationId::literal(id) })
}

fn observed(api: &str, seen: &types::Integration) -> IntegrationArgs {
    let name = seen.tls_config().and_then(|tls| tls.server_name_to_verify()).filter(|name| !name.is_empty());
    IntegrationArgs {
        api: ApiId::literal(api),
        listener: ListenerArn::literal(seen.integration_uri().unwrap_or_default()),
        link: VpcLinkId::literal(seen.connection_id().unwrap_or_default()),
        method: seen.integration_method().unwrap_or("ANY").to_owned(),
        timeout_ms: seen.timeout_in_millis().and_then(|ms| u16::try_from(ms).ok()).unwrap_or(30_000),
        tls_server_name: name.map(str::to_owned),
    }
}

impl Lifecycle for Integration {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let mut found = Vec::new();
        for api in lists::parents(wanted.iter().map(|want| want.args.api.as_str())) {
            for integration in lists::integrations(scan, api).await?.iter() {
                let id = integration.integration_id();
                let known = wanted.iter().find(|w| w.outputs.as_ref().is_some_and(|o| Some(o.id.as_str()) == id));
                let mark = integration.description().and_then(|text| marks::read(&scan.stack, text));
                // The id first: somebody may have edited the description.
                let owner = match known {
                    Some(known) => Some((known.address.clone(), known.generation)),
                    None => {
                        mark.and_then(|mark| Some((mark.address(wanted.iter().map(|w| &w.address))?, mark.generation)))
                    }
                };
                let Some((address, generation)) = owner else { continue };
                found.push(Found {
                    args: Some(observed(api, integration)),
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

    async fn create(cx: &Cx<Aws>, args: &IntegrationArgs) -> Result<IntegrationOutputs, CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client
            .create_integration()
            .api_id(args.api.as_str())
            .integration_type(IntegrationType::HttpProxy)
            .integration_uri(args.listener.as_str())
            .integration_method(&args.method)
            .connection_type(ConnectionType::VpcLink)
            .connection_id(args.link.as_str())
            .payload_format_version("1.0")
            .timeout_in_millis(args.timeout_ms.into())
            .set_tls_config(args.tls_server_name.as_ref().map(|_| args.tls()))
            .description(mark(cx));
        let integration = call.send().await.call("apigateway:CreateIntegration")?;
        outputs(integration.integration_id())
    }

    async fn update(
        cx: &Cx<Aws>,
        prior: &Prior<Self>,
        args: &IntegrationArgs,
    ) -> Result<IntegrationOutputs, CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let tls_changed = prior.args.tls_server_name != args.tls_server_name;
        let call = client
            .update_integration()
            .api_id(args.api.as_str())
            .integration_id(prior.outputs.id.as_str())
            .integration_uri(args.listener.as_str())
            .integration_method(&args.method)
            .connection_id(args.link.as_str())
            .timeout_in_millis(args.timeout_ms.into())
            .set_tls_config((tls_changed || args.tls_server_name.is_some()).then(|| args.tls()))
            .description(mark(cx));
        call.send().await.call("apigateway:UpdateIntegration")?;
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call =
            client.delete_integration().api_id(prior.args.api.as_str()).integration_id(prior.outputs.id.as_str());
        call.send().await.call("apigateway:DeleteIntegration").gone_ok().map(drop)
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client
            .update_integration()
            .api_id(current.args.api.as_str())
            .integration_id(current.outputs.id.as_str())
            .description(mark(cx));
        call.send().await.call("apigateway:UpdateIntegration").map(drop)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_apigatewayv2::Client;
    use aws_smithy_mocks::mock;
    use dr_core::Class;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    fn prior() -> Prior<Integration> {
        let args = IntegrationArgs {
            api: ApiId::literal("a1"),
            listener: ListenerArn::literal("arn:l"),
            link: VpcLinkId::literal("v1"),
            method: "ANY".into(),
            timeout_ms: 29_000,
            tls_server_name: None,
        };
        Prior { args, outputs: IntegrationOutputs { id: IntegrationId::literal("i1") } }
    }

    #[tokio::test]
    async fn an_integration_that_is_gone_is_deleted_and_one_that_a_route_names_waits() {
        let named = "Cannot delete Integration because it is referenced by the following Routes in the API: [ANY /]";
        for (code, text, expected) in [
            ("NotFoundException", "Invalid Integration identifier specified", Ok(())),
            ("ConflictException", named, Err(Class::Dependency)),
        ] {
            let refused = refused(mock!(Client::delete_integration), code, text);
            assert_eq!(outcome(Integration::delete(&cx(&[&refused]), &prior()).await), expected, "{code}");
        }
    }

    #[tokio::test]
    async fn a_new_link_or_listener_is_waited_for() {
        for (code, text, class) in [
            ("NotFoundException", "Unable to find VPC link", Class::Eventual),
            ("BadRequestException", "VpcLink v1 not found", Class::Eventual),
            ("BadRequestException", "Invalid HTTP method specified", Class::Permanent),
        ] {
            let create = refused(mock!(Client::create_integration), code, text);
            assert_eq!(outcome(Integration::create(&cx(&[&create]), &prior().args).await), Err(class), "{text}");
            let update = refused(mock!(Client::update_integration), code, text);
            let answer = Integration::update(&cx(&[&update]), &prior(), &prior().args).await;
            assert_eq!(outcome(answer), Err(class), "{text}");
        }
    }
}
