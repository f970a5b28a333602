//! The lists of API Gateway, each read once in a refresh for all that asks. The SDK has no paginators for them.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_apigatewayv2::types::{Api, ApiMapping, Authorizer, DomainName, Integration, Route, Stage, VpcLink};
use dr_core::{CloudError, Scan};

use crate::Aws;
use crate::call::{Call as _, GoneOk as _};

/// As many as a page can hold; the service takes it as a text.
const PAGE: &str = "500";

/// Pages through a list: the items of all pages, none when the parent is not there.
macro_rules! pages {
    ($operation:literal, $call:expr) => {{
        let (mut all, mut token) = (Vec::new(), None);
        loop {
            let page = $call.max_results(PAGE).set_next_token(token).send().await;
            let Some(page) = page.call($operation).gone_ok()? else { break };
            all.extend(page.items.unwrap_or_default());
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                break;
            }
        }
        Ok(all)
    }};
}

/// A list of the region.
macro_rules! of_region {
    ($($(#[$meta:meta])* $name:ident: $call:ident, $operation:literal, $item:ty;)*) => {$(
        $(#[$meta])*
        pub(super) async fn $name(scan: &Scan<Aws>) -> Result<Arc<Vec<$item>>, CloudError> {
            let client = scan.cloud.apigatewayv2(&scan.region);
            scan.cloud.shared(scan, $operation, "", || async { pages!($operation, client.$call()) }).await
        }
    )*};
}

/// A list under an API.
macro_rules! of_api {
    ($($(#[$meta:meta])* $name:ident: $call:ident, $operation:literal, $item:ty;)*) => {$(
        $(#[$meta])*
        pub(super) async fn $name(scan: &Scan<Aws>, api: &str) -> Result<Arc<Vec<$item>>, CloudError> {
            let client = scan.cloud.apigatewayv2(&scan.region);
            scan.cloud.shared(scan, $operation, api, || async { pages!($operation, client.$call().api_id(api)) }).await
        }
    )*};
}

of_region! {
    apis: get_apis, "apigateway:GetApis", Api;
    vpc_links: get_vpc_links, "apigateway:GetVpcLinks", VpcLink;
    domain_names: get_domain_names, "apigateway:GetDomainNames", DomainName;
}

of_api! {
    authorizers: get_authorizers, "apigateway:GetAuthorizers", Authorizer;
    integrations: get_integrations, "apigateway:GetIntegrations", Integration;
    routes: get_routes, "apigateway:GetRoutes", Route;
    stages: get_stages, "apigateway:GetStages", Stage;
}

/// The mappings of a custom domain name.
pub(super) async fn mappings(scan: &Scan<Aws>, domain: &str) -> Result<Arc<Vec<ApiMapping>>, CloudError> {
    const OPERATION: &str = "apigateway:GetApiMappings";
    let client = scan.cloud.apigatewayv2(&scan.region);
    let read = || async { pages!("apigateway:GetApiMappings", client.get_api_mappings().domain_name(domain)) };
    scan.cloud.shared(scan, OPERATION, domain, read).await
}

/// The parents that the wanted resources name, each once.
pub(super) fn parents<'w>(ids: impl Iterator<Item = &'w str>) -> BTreeSet<&'w str> {
    ids.collect()
}
