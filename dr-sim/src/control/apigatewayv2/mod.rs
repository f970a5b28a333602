//! API Gateway v2: HTTP APIs with stages, integrations, routes and authorizers; VPC links; regional domain names and
//! mappings.
//!
//! API: Amazon API Gateway V2 (apigatewayv2). There are no client tokens: a repeated CreateApi, CreateVpcLink or
//! CreateIntegration makes a second one. Everything that names something else is refused when that is not there, and a
//! delete is refused while something names it. Every `Update…` is a PATCH: what is absent stays.

mod apis;
mod authorizers;
mod domains;
mod integrations;
mod links;
mod mappings;
mod routes;
mod stages;
mod tags;

use std::collections::{BTreeMap, HashMap};

use aws_smithy_types::DateTime;
use serde::{Deserialize, Serialize};

pub(crate) use self::domains::hosted_zone;
pub(crate) use self::links::note_traffic;

use super::{Answer, Call, Refusal, Table};
use crate::data::Moment;
use crate::world::World;

/// The service name in the SDK's metadata.
const SERVICE: &str = "ApiGatewayV2";

/// A VPC link without traffic for this long becomes INACTIVE and loses its interfaces (60 days; AWS page "Working with
/// VPC links for HTTP APIs").
pub(crate) const IDLE_MAX_MS: u64 = 60 * 24 * 3600 * 1000;

/// The service in every region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// By id.
    pub(crate) apis: BTreeMap<String, Api>,
    /// By id; a deleted link stays until its interfaces are gone.
    pub(crate) links: BTreeMap<String, VpcLink>,
    /// By `region/name`.
    pub(crate) domains: BTreeMap<String, Domain>,
}

/// An HTTP API.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Api {
    pub(crate) id: String,
    pub(crate) region: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) cors: Option<Cors>,
    /// The default endpoint answers 403.
    pub(crate) endpoint_disabled: bool,
    pub(crate) ip_address_type: String,
    pub(crate) created_ms: u64,
    pub(crate) tags: BTreeMap<String, String>,
    /// By name.
    pub(crate) stages: BTreeMap<String, Stage>,
    pub(crate) model: Model,
}

/// What a deployment copies: requests meet the copy and not the original.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Model {
    pub(crate) routes: BTreeMap<String, Route>,
    pub(crate) integrations: BTreeMap<String, Integration>,
    pub(crate) authorizers: BTreeMap<String, Authorizer>,
}

/// Cross-origin settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cors {
    pub(crate) allow_credentials: bool,
    pub(crate) allow_headers: Vec<String>,
    pub(crate) allow_methods: Vec<String>,
    pub(crate) allow_origins: Vec<String>,
    pub(crate) expose_headers: Vec<String>,
    pub(crate) max_age_s: Option<i32>,
}

/// A stage and what is deployed to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Stage {
    pub(crate) name: String,
    pub(crate) auto_deploy: bool,
    pub(crate) description: Option<String>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) default_settings: Option<RouteSettings>,
    pub(crate) route_settings: BTreeMap<String, RouteSettings>,
    pub(crate) access_log: Option<(String, String)>,
    pub(crate) created_ms: u64,
    pub(crate) updated_ms: u64,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) status_message: Option<String>,
    /// The deployment that requests meet, and newer ones that they do not meet yet.
    pub(crate) deployments: Vec<Deployment>,
}

/// Throttling and metrics of a stage or a route.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RouteSettings {
    pub(crate) detailed_metrics: Option<bool>,
    pub(crate) burst_limit: Option<i32>,
    pub(crate) rate_limit: Option<f64>,
}

/// A copy of the model of an API.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Deployment {
    pub(crate) id: String,
    /// Requests meet it from then on.
    pub(crate) visible_ms: u64,
    pub(crate) model: Model,
}

/// A route: its key is `$default` or a method and a path.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Route {
    pub(crate) id: String,
    pub(crate) key: String,
    /// Id of the integration.
    pub(crate) integration: Option<String>,
    /// `NONE`, `AWS_IAM` or `JWT`.
    pub(crate) authorization: String,
    pub(crate) authorizer: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) operation_name: Option<String>,
}

/// Where a route sends its requests.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Integration {
    pub(crate) id: String,
    /// `HTTP_PROXY`.
    pub(crate) kind: String,
    /// `VPC_LINK` or `INTERNET`.
    pub(crate) connection_type: String,
    /// Id of the VPC link.
    pub(crate) link: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) method: String,
    /// ARN of a listener, or a URL.
    pub(crate) uri: String,
    pub(crate) payload_format: String,
    pub(crate) request_parameters: BTreeMap<String, String>,
    pub(crate) response_parameters: BTreeMap<String, BTreeMap<String, String>>,
    pub(crate) timeout_ms: u64,
    /// Makes the connection TLS: the name in the handshake, which the certificate of the listener must cover.
    pub(crate) server_name: Option<String>,
}

/// A JWT authorizer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Authorizer {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) identity_source: Vec<String>,
    pub(crate) issuer: String,
    pub(crate) audience: Vec<String>,
}

/// A VPC link: interfaces in subnets through which private integrations reach a load balancer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct VpcLink {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) vpc_id: String,
    pub(crate) subnet_ids: Vec<String>,
    pub(crate) security_group_ids: Vec<String>,
    /// One per subnet, in the order of the subnets.
    pub(crate) enis: Vec<String>,
    pub(crate) created_ms: u64,
    /// `PENDING` before.
    pub(crate) ready_ms: u64,
    /// The last traffic, or when the link became ready.
    pub(crate) used_ms: u64,
    /// When a deleted link is gone.
    pub(crate) gone_ms: Option<u64>,
    pub(crate) tags: BTreeMap<String, String>,
}

/// A regional custom domain name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Domain {
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) certificate: String,
    pub(crate) security_policy: String,
    pub(crate) ip_address_type: String,
    /// S3 location of the trust store of mutual TLS.
    pub(crate) truststore: Option<String>,
    pub(crate) routing_mode: String,
    /// `d-….execute-api.REGION.amazonaws.com`, what DNS records point to.
    pub(crate) target: String,
    /// `UPDATING` before, `AVAILABLE` from then on.
    pub(crate) ready_ms: u64,
    /// When it was `AVAILABLE` for the first time: an update does not interrupt it.
    pub(crate) serves_ms: u64,
    pub(crate) tags: BTreeMap<String, String>,
    /// By id.
    pub(crate) mappings: BTreeMap<String, Mapping>,
}

/// Which API and stage answer below a path of a domain name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Mapping {
    pub(crate) id: String,
    /// Path segments without a slash at either end; empty for the root.
    pub(crate) key: String,
    pub(crate) api: String,
    pub(crate) stage: String,
}

pub(crate) fn register(table: &mut Table) {
    apis::register(table);
    authorizers::register(table);
    domains::register(table);
    integrations::register(table);
    links::register(table);
    mappings::register(table);
    routes::register(table);
    stages::register(table);
    tags::register(table);
}

impl State {
    /// The domain name in a region: the exact one, else the wildcard that covers it.
    pub(crate) fn domain_for(&self, region: &str, host: &str) -> Option<&Domain> {
        let exact = self.domains.get(&format!("{region}/{host}"));
        let wildcard = || self.domains.get(&format!("{region}/*.{}", host.split_once('.')?.1));
        exact.or_else(wildcard)
    }

    /// The `domain: key` pairs that lead to an API, or to one stage of it.
    fn mapped(&self, api: &str, stage: Option<&str>) -> Vec<String> {
        let of = |domain: &Domain| {
            let leads = |m: &&Mapping| m.api == api && stage.is_none_or(|stage| m.stage == stage);
            domain.mappings.values().filter(leads).map(|m| format!("{}/{}", domain.name, m.key)).collect::<Vec<_>>()
        };
        self.domains.values().flat_map(of).collect()
    }
}

impl Stage {
    /// The model that requests meet.
    pub(crate) fn deployed(&self, at: &Moment) -> Option<&Model> {
        // The newest visible one; asking all of them tells until when that holds.
        let mut found = None;
        for deployment in &self.deployments {
            if at.reached(deployment.visible_ms) {
                found = Some(&deployment.model);
            }
        }
        found
    }
}

impl State {
    /// Forgets the VPC links that are gone.
    pub(crate) fn settle(&mut self, now_ms: u64) {
        self.links.retain(|_, link| link.gone_ms.is_none_or(|gone| gone > now_ms));
    }
}

impl VpcLink {
    /// `PENDING`, `AVAILABLE`, `INACTIVE` or `DELETING`; `None` once it is gone.
    pub(crate) fn status(&self, at: &Moment) -> Option<&'static str> {
        if let Some(gone) = self.gone_ms {
            return (!at.reached(gone)).then_some("DELETING");
        }
        Some(if !at.reached(self.ready_ms) {
            "PENDING"
        } else if !at.reached(self.used_ms + IDLE_MAX_MS) {
            "AVAILABLE"
        } else {
            "INACTIVE"
        })
    }
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new("BadRequestException", message)
}

fn missing(message: impl Into<String>) -> Refusal {
    Refusal::new("NotFoundException", message).status(404)
}

fn conflict(message: impl Into<String>) -> Refusal {
    Refusal::new("ConflictException", message).status(409)
}

fn limit(message: impl Into<String>) -> Refusal {
    Refusal::new("TooManyRequestsException", message).status(429)
}

/// What AWS does and this simulation has no behaviour for: better refused than ignored.
fn not_simulated(what: impl std::fmt::Display) -> Refusal {
    Refusal::new("NotSimulated", format!("not simulated: {what}")).status(501)
}

fn date(ms: u64) -> DateTime {
    DateTime::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// An id of `n` characters.
fn id(world: &mut World, n: usize) -> String {
    world.token(b"abcdefghijklmnopqrstuvwxyz0123456789", n)
}

/// The API with this id in the region of the call.
fn api<'a>(world: &'a mut World, call: &Call, id: Option<&str>) -> Answer<&'a mut Api> {
    let (id, account) = (id.unwrap_or_default(), world.account.clone());
    let found = world.apigatewayv2.apis.get_mut(id).filter(|api| api.region == call.region);
    found.ok_or_else(|| missing(format!("Invalid API identifier specified {account}:{id}")))
}

fn hash_map(map: &BTreeMap<String, String>) -> HashMap<String, String> {
    map.clone().into_iter().collect()
}

/// Tags of a create call.
fn checked_tags(tags: Option<&HashMap<String, String>>) -> Answer<BTreeMap<String, String>> {
    let tags: BTreeMap<String, String> = tags.into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    if tags.len() > 50 {
        return Err(bad("A resource can have at most 50 tags"));
    }
    for (key, value) in &tags {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 || key.starts_with("aws:") {
            return Err(bad(format!("Invalid tag key or value: '{key}'")));
        }
    }
    Ok(tags)
}

/// The names of APIs, VPC links and authorizers.
fn checked_name(what: &str, name: Option<&str>) -> Answer<String> {
    match name {
        Some(name) if (1..=128).contains(&name.chars().count()) => Ok(name.to_owned()),
        _ => Err(bad(format!("{what} name must have 1 to 128 characters"))),
    }
}

fn checked_description(description: Option<&str>) -> Answer<Option<String>> {
    match description {
        Some(text) if text.chars().count() > 1024 => Err(bad("A description can have at most 1024 characters")),
        text => Ok(text.map(str::to_owned)),
    }
}

/// One page of a list: `MaxResults` is a string on the wire, the token is the key of the last item.
fn page<T>(items: Vec<(String, T)>, size: Option<&str>, token: Option<&str>) -> Answer<(Vec<T>, Option<String>)> {
    let size: usize = match size {
        None => 25,
        Some(text) => {
            let size = text.parse().ok().filter(|size| (1..=500).contains(size));
            size.ok_or_else(|| bad(format!("Invalid maxResults '{text}'")))?
        }
    };
    let mut rest = items.into_iter();
    if let Some(token) = token {
        // Past the item that the token names; by order when that has been deleted meanwhile.
        let items: Vec<_> = rest.collect();
        let start = items.iter().position(|(key, _)| key == token).map_or_else(
            || items.iter().position(|(key, _)| key.as_str() > token).unwrap_or(items.len()),
            |found| found + 1,
        );
        rest = items.into_iter().skip(start).collect::<Vec<_>>().into_iter();
    }
    let taken: Vec<(String, T)> = rest.by_ref().take(size).collect();
    let next = taken.last().map(|(key, _)| key.clone()).filter(|_| rest.len() > 0);
    Ok((taken.into_iter().map(|(_, item)| item).collect(), next))
}

#[cfg(test)]
mod tests;
