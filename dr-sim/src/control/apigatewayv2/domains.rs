//! Regional custom domain names.

use aws_sdk_apigatewayv2::operation::create_domain_name::{
    CreateDomainNameError, CreateDomainNameInput, CreateDomainNameOutput,
};
use aws_sdk_apigatewayv2::operation::delete_domain_name::{
    DeleteDomainNameError, DeleteDomainNameInput, DeleteDomainNameOutput,
};
use aws_sdk_apigatewayv2::operation::get_domain_name::{GetDomainNameError, GetDomainNameInput, GetDomainNameOutput};
use aws_sdk_apigatewayv2::operation::get_domain_names::{
    GetDomainNamesError, GetDomainNamesInput, GetDomainNamesOutput,
};
use aws_sdk_apigatewayv2::operation::update_domain_name::{
    UpdateDomainNameError, UpdateDomainNameInput, UpdateDomainNameOutput,
};
use aws_sdk_apigatewayv2::types::{
    DomainName as SdkDomainName, DomainNameConfiguration, DomainNameStatus, EndpointType, IpAddressType,
    MutualTlsAuthentication, RoutingMode, SecurityPolicy,
};

use super::{Domain, SERVICE, bad, checked_tags, conflict, hash_map, id, limit, missing, page};
use crate::control::{Answer, Call, Table, acm};
use crate::latency::Slow;
use crate::world::World;

/// Custom domain names per account and region (AWS default quota).
const DOMAINS_MAX: usize = 120;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "CreateDomainName", CreateDomainNameError::generic, create);
    table.on(SERVICE, "GetDomainName", GetDomainNameError::generic, get);
    table.on(SERVICE, "GetDomainNames", GetDomainNamesError::generic, list);
    table.on(SERVICE, "UpdateDomainName", UpdateDomainNameError::generic, update);
    table.on(SERVICE, "DeleteDomainName", DeleteDomainNameError::generic, delete);
}

macro_rules! describe {
    ($builder:expr, $domain:expr, $now_ms:expr) => {{
        let domain: &Domain = $domain;
        let mutual = |uri: &String| MutualTlsAuthentication::builder().truststore_uri(uri).build();
        $builder
            .api_mapping_selection_expression("$request.basepath")
            .domain_name(&domain.name)
            .domain_name_arn(arn(domain))
            .set_domain_name_configurations(Some(vec![configuration(domain, $now_ms)]))
            .set_mutual_tls_authentication(domain.truststore.as_ref().map(mutual))
            .routing_mode(RoutingMode::from(domain.routing_mode.as_str()))
            .set_tags(Some(hash_map(&domain.tags)))
            .build()
    }};
}

/// The domain name in the region of the call.
pub(super) fn existing<'a>(world: &'a mut World, call: &Call, name: Option<&str>) -> Answer<&'a mut Domain> {
    let found = world.apigatewayv2.domains.get_mut(&key(call, name.unwrap_or_default()));
    found.ok_or_else(|| missing("Invalid domain name identifier specified"))
}

fn key(call: &Call, name: &str) -> String {
    format!("{}/{name}", call.region)
}

/// What ACM lists as the user of the certificate.
fn arn(domain: &Domain) -> String {
    format!("arn:aws:apigateway:{}::/domainnames/{}", domain.region, domain.name)
}

fn configuration(domain: &Domain, now_ms: u64) -> DomainNameConfiguration {
    let status = if now_ms >= domain.ready_ms { DomainNameStatus::Available } else { DomainNameStatus::Updating };
    DomainNameConfiguration::builder()
        .api_gateway_domain_name(&domain.target)
        .certificate_arn(&domain.certificate)
        .domain_name_status(status)
        .endpoint_type(EndpointType::Regional)
        .hosted_zone_id(hosted_zone(&domain.region))
        .ip_address_type(IpAddressType::from(domain.ip_address_type.as_str()))
        .security_policy(SecurityPolicy::from(domain.security_policy.as_str()))
        .build()
}

fn checked_name(name: Option<&str>) -> Answer<String> {
    let name = name.unwrap_or_default();
    let rest = name.strip_prefix("*.").unwrap_or(name);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > 512 || !rest.contains('.') || !rest.split('.').all(label) {
        return Err(bad(format!("Invalid domain name '{name}': lower case labels without a dot at the end")));
    }
    Ok(name.to_owned())
}

/// The one configuration that a regional name of an HTTP API has.
fn checked_configuration(
    world: &World,
    call: &Call,
    name: &str,
    given: &[DomainNameConfiguration],
) -> Answer<(String, String)> {
    let [configuration] = given else {
        return Err(bad("Exactly one domain name configuration must be specified"));
    };
    match configuration.endpoint_type() {
        Some(EndpointType::Regional) | None => {}
        Some(other) => return Err(bad(format!("Endpoint type {} is not supported for HTTP APIs", other.as_str()))),
    }
    match configuration.security_policy() {
        Some(SecurityPolicy::Tls12) | None => {}
        Some(other) => {
            return Err(bad(format!("Security policy {} is not supported for HTTP APIs: use TLS_1_2", other.as_str())));
        }
    }
    let certificate = configuration.certificate_arn().unwrap_or_default();
    if certificate.split(':').nth(3) != Some(call.region.as_str()) {
        return Err(bad(format!("Invalid certificate ARN: {certificate}. Certificate must be in '{}'", call.region)));
    }
    if !acm::is_issued(world, &call.region, certificate, call.now_ms) {
        return Err(bad(format!(
            "Invalid certificate ARN: {certificate}. The certificate does not exist or is not ISSUED"
        )));
    }
    if !acm::covers(world, certificate, name) {
        return Err(bad(format!("The domain name {name} is not covered by the certificate {certificate}")));
    }
    let ip_address_type = configuration.ip_address_type().map_or("ipv4", IpAddressType::as_str);
    Ok((certificate.to_owned(), ip_address_type.to_owned()))
}

fn create(world: &mut World, call: &Call, input: &CreateDomainNameInput) -> Answer<CreateDomainNameOutput> {
    let name = checked_name(input.domain_name())?;
    let tags = checked_tags(input.tags())?;
    if world.apigatewayv2.domains.contains_key(&key(call, &name)) {
        return Err(conflict("The domain name you provided already exists."));
    }
    let (certificate, ip_address_type) = checked_configuration(world, call, &name, input.domain_name_configurations())?;
    if world.apigatewayv2.domains.values().filter(|domain| domain.region == call.region).count() >= DOMAINS_MAX {
        return Err(limit("Maximum number of custom domain names for this account has been reached"));
    }
    let truststore = input.mutual_tls_authentication().and_then(|mutual| mutual.truststore_uri());
    let takes_ms = world.latency(Slow::ApiDomain);
    let domain = Domain {
        target: format!("d-{}.execute-api.{}.amazonaws.com", id(world, 10), call.region),
        name,
        region: call.region.clone(),
        certificate,
        security_policy: "TLS_1_2".to_owned(),
        ip_address_type,
        truststore: truststore.filter(|uri| !uri.is_empty()).map(str::to_owned),
        routing_mode: input.routing_mode().map_or("API_MAPPING_ONLY", RoutingMode::as_str).to_owned(),
        ready_ms: call.now_ms + takes_ms,
        serves_ms: call.now_ms + takes_ms,
        tags,
        mappings: Default::default(),
    };
    acm::use_certificate(world, &domain.certificate, &arn(&domain));
    let output = describe!(CreateDomainNameOutput::builder(), &domain, call.now_ms);
    world.apigatewayv2.domains.insert(key(call, &domain.name), domain);
    Ok(output)
}

fn get(world: &mut World, call: &Call, input: &GetDomainNameInput) -> Answer<GetDomainNameOutput> {
    Ok(describe!(GetDomainNameOutput::builder(), existing(world, call, input.domain_name())?, call.now_ms))
}

fn list(world: &mut World, call: &Call, input: &GetDomainNamesInput) -> Answer<GetDomainNamesOutput> {
    let here = world.apigatewayv2.domains.values().filter(|domain| domain.region == call.region);
    let items = here.map(|d| (d.name.clone(), describe!(SdkDomainName::builder(), d, call.now_ms))).collect();
    let (items, next) = page(items, input.max_results(), input.next_token())?;
    Ok(GetDomainNamesOutput::builder().set_items(Some(items)).set_next_token(next).build())
}

fn update(world: &mut World, call: &Call, input: &UpdateDomainNameInput) -> Answer<UpdateDomainNameOutput> {
    let old = existing(world, call, input.domain_name())?.clone();
    let mut new = old.clone();
    if !input.domain_name_configurations().is_empty() {
        (new.certificate, new.ip_address_type) =
            checked_configuration(world, call, &old.name, input.domain_name_configurations())?;
    }
    if let Some(mutual) = input.mutual_tls_authentication() {
        // An empty location takes mutual TLS away.
        new.truststore = mutual.truststore_uri().filter(|uri| !uri.is_empty()).map(str::to_owned);
    }
    if let Some(mode) = input.routing_mode() {
        new.routing_mode = mode.as_str().to_owned();
    }
    new.ready_ms = call.now_ms + world.latency(Slow::ApiDomain);
    if new.certificate != old.certificate {
        acm::use_certificate(world, &new.certificate, &arn(&new));
        acm::release_certificate(world, &old.certificate, &arn(&old), call.now_ms);
    }
    let domain = existing(world, call, input.domain_name())?;
    *domain = new;
    Ok(describe!(UpdateDomainNameOutput::builder(), domain, call.now_ms))
}

/// Deletes the name and its mappings: DeleteDomainName knows no error for a name that still has some.
fn delete(world: &mut World, call: &Call, input: &DeleteDomainNameInput) -> Answer<DeleteDomainNameOutput> {
    let domain = existing(world, call, input.domain_name())?.clone();
    world.apigatewayv2.domains.remove(&key(call, &domain.name));
    acm::release_certificate(world, &domain.certificate, &arn(&domain), call.now_ms);
    Ok(DeleteDomainNameOutput::builder().build())
}

/// The hosted zone of the regional endpoints, which alias records name (AWS General Reference, API Gateway endpoints).
pub(crate) fn hosted_zone(region: &str) -> &'static str {
    match region {
        "us-east-1" => "Z1UJRXOUMOOFQ8",
        "us-east-2" => "ZOJJZC49E0EPZ",
        "us-west-1" => "Z2MUQ32089INYE",
        "us-west-2" => "Z2OJLYMUO9EFXC",
        "eu-west-1" => "ZLY8HYME6SFDD",
        "eu-west-2" => "ZJ5UAJN8Y3Z2Q",
        "eu-west-3" => "Z3KY65QIEKYHQQ",
        "eu-central-1" => "Z1U9ULNL0V5AJ3",
        "eu-north-1" => "Z3UWIKFBOOGXPP",
        "ap-southeast-1" => "ZL327KTPIQFUL",
        "ap-southeast-2" => "Z2RPCDW04V8134",
        "ap-northeast-1" => "Z1YSHQZHG15GKL",
        "ap-northeast-2" => "Z20JF4UZKIW1U8",
        "ap-south-1" => "Z3VO1THU9YC4RG",
        "ca-central-1" => "Z19DQILCV0OWEC",
        "sa-east-1" => "ZCMLWB8V5SYIT",
        // The other regions have their own; nothing in the simulation depends on which.
        _ => "Z00000000000SIMAPI00",
    }
}
