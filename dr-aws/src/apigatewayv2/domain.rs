//! `aws.apigatewayv2.domain`: a custom domain name of a region's APIs.
//!
//! API: CreateDomainName, GetDomainNames, GetDomainName, UpdateDomainName, DeleteDomainName (one call of each per 30 s),
//! TagResource, UntagResource (API Gateway v2). Find: tags. Change: the name replaces, the old one first; the certificate in
//! place. Delete: after its records and mappings, before its certificate.

use std::time::Duration;

use aws_sdk_apigatewayv2::types::{
    DomainName, DomainNameConfiguration, DomainNameStatus, EndpointType, SecurityPolicy,
};
use dr_core::{
    Anywhere, Class, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Problems, Region,
    Resource, Scan, Settled, Wanted,
};

use super::{lists, ownership, write_tags};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::clients::incomplete;
use crate::ids::{ApiDomainName, CertificateArn, HostedZoneId};
use crate::read::found;
use crate::tags;

/// A custom domain name with a regional endpoint: under it the APIs of a region answer.
///
/// The name is unique in a region, across all accounts. The same name in two regions is what a failover pair needs: whichever
/// region DNS answers with takes the requests for it.
///
/// - Inputs: the name (replaces, the old one first) and an issued certificate of the same region (in place; AWS takes up to
///   an hour to roll it out). TLS 1.2 is the only policy that HTTP APIs have.
/// - Ready: when it is `AVAILABLE`, in about 5 seconds.
/// - Calls: CreateDomainName, GetDomainNames, GetDomainName, UpdateDomainName, DeleteDomainName (each once in 30 seconds).
/// - AWS: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-custom-domain-names.html>
#[derive(Debug, Clone, Resource)]
#[resource(
    type = "aws.apigatewayv2.domain",
    outputs = ApiDomainOutputs,
    create_s = 5,
    delete_s = 1,
    settle_s = 3600,
    replacement = "delete-first",
    check = ApiDomain::check_inputs
)]
pub struct ApiDomain<R: Region = Anywhere> {
    /// The name, in lower case, which may begin with `*.`.
    #[input(replace)]
    name: String,
    /// An issued certificate of the region that covers the name.
    certificate: Input<CertificateArn<R>>,
}

/// What is known of a custom domain name.
#[derive(Debug, Clone, PartialEq, Outputs)]
#[non_exhaustive]
pub struct ApiDomainOutputs<R: Region = Anywhere> {
    /// The name.
    pub name: ApiDomainName<R>,
    /// What DNS points to: `d-….execute-api.{region}.amazonaws.com`.
    pub target_domain: String,
    /// The hosted zone of the target, for alias records.
    pub hosted_zone: HostedZoneId,
}

impl<R: Region> ApiDomain<R> {
    /// A regional custom domain name.
    pub fn new(name: impl Into<String>, certificate: impl IntoInput<CertificateArn<R>>) -> Self {
        ApiDomain { name: name.into(), certificate: certificate.into_input() }
    }

    fn check_inputs(&self, problems: &mut Problems) {
        let name = &self.name;
        let plain = name.strip_prefix("*.").unwrap_or(name);
        let problem = if name.is_empty() || name.len() > 512 {
            "has not 1 to 512 characters"
        } else if name.ends_with('.') {
            "ends with a dot, which custom domain names do not have"
        } else if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            "has upper case"
        } else if plain.contains('*') {
            "has a `*` that is not the whole first label"
        } else if !plain.contains('.') {
            "is no domain name"
        } else {
            return;
        };
        problems.report("name", format_args!("`{name}` {problem}"));
    }
}

fn path(name: &ApiDomainName) -> String {
    format!("/domainnames/{name}")
}

fn configuration(args: &ApiDomainArgs) -> DomainNameConfiguration {
    DomainNameConfiguration::builder()
        .endpoint_type(EndpointType::Regional)
        .security_policy(SecurityPolicy::Tls12)
        .certificate_arn(args.certificate.as_str())
        .build()
}

/// The outputs, from the only configuration that a domain of an HTTP API has.
fn outputs(name: Option<&str>, configurations: &[DomainNameConfiguration]) -> Result<ApiDomainOutputs, CloudError> {
    let configuration = configurations.first();
    let target = configuration.and_then(DomainNameConfiguration::api_gateway_domain_name);
    let zone = configuration.and_then(DomainNameConfiguration::hosted_zone_id);
    match (name, target, zone) {
        (Some(name), Some(target), Some(zone)) => Ok(ApiDomainOutputs {
            name: ApiDomainName::literal(name),
            target_domain: target.to_owned(),
            hosted_zone: HostedZoneId::literal(zone),
        }),
        _ => Err(incomplete("apigateway:GetDomainName", "the target name or the hosted zone of the domain")),
    }
}

/// Where a domain is on its way, and what AWS says about it.
fn settled(configurations: &[DomainNameConfiguration]) -> (Health, Option<&str>) {
    let configuration = configurations.first();
    let message = configuration.and_then(DomainNameConfiguration::domain_name_status_message);
    let health = match configuration.and_then(DomainNameConfiguration::domain_name_status) {
        Some(DomainNameStatus::Updating) => Health::Pending,
        Some(DomainNameStatus::PendingCertificateReimport | DomainNameStatus::PendingOwnershipVerification) => {
            Health::Failed
        }
        _ => Health::Ready,
    };
    (health, message)
}

fn observed(seen: &DomainName) -> ApiDomainArgs {
    let certificate = seen.domain_name_configurations().first().and_then(DomainNameConfiguration::certificate_arn);
    ApiDomainArgs {
        // Names are given in lower case here.
        name: seen.domain_name().unwrap_or_default().to_ascii_lowercase(),
        certificate: CertificateArn::literal(certificate.unwrap_or_default()),
    }
}

impl Lifecycle for ApiDomain {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, _: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let mut all = Vec::new();
        for domain in lists::domain_names(scan).await?.iter() {
            let Some(owned) = tags::owned(&scan.stack, domain.tags().into_iter().flatten()) else { continue };
            let outputs = outputs(domain.domain_name(), domain.domain_name_configurations())?;
            let health = settled(domain.domain_name_configurations()).0;
            all.push(found(owned, observed(domain), outputs, health));
        }
        Ok(all)
    }

    async fn create(cx: &Cx<Aws>, args: &ApiDomainArgs) -> Result<ApiDomainOutputs, CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client
            .create_domain_name()
            .domain_name(&args.name)
            .domain_name_configurations(configuration(args))
            .set_tags(ownership(cx));
        let domain = call.send().await.call("apigateway:CreateDomainName")?;
        outputs(domain.domain_name(), domain.domain_name_configurations())
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, args: &ApiDomainArgs) -> Result<ApiDomainOutputs, CloudError> {
        let name = &prior.outputs.name;
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        // Both answers have the tags; an update is rolled out for minutes and is made only when there is something to change.
        let tags = if prior.args.certificate == args.certificate {
            let call = client.get_domain_name().domain_name(name.as_str());
            call.send().await.call("apigateway:GetDomainName")?.tags
        } else {
            let call =
                client.update_domain_name().domain_name(name.as_str()).domain_name_configurations(configuration(args));
            call.send().await.call("apigateway:UpdateDomainName")?.tags
        };
        write_tags(cx, &path(name), tags.as_ref()).await?;
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client.delete_domain_name().domain_name(prior.outputs.name.as_str());
        call.send().await.call("apigateway:DeleteDomainName").gone_ok().map(drop)
    }

    async fn ready(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<Settled<ApiDomainOutputs>, CloudError> {
        let client = cx.cloud.apigatewayv2(&cx.owner.region);
        let call = client.get_domain_name().domain_name(current.outputs.name.as_str());
        let domain = call.send().await.call("apigateway:GetDomainName")?;
        let configurations = domain.domain_name_configurations();
        Ok(match settled(configurations) {
            (Health::Ready, _) => Settled::Yes(outputs(domain.domain_name(), configurations)?),
            (Health::Pending, _) => Settled::AskAgainIn(Duration::from_secs(2)),
            (_, message) => {
                let status = configurations.first().and_then(DomainNameConfiguration::domain_name_status);
                let status = status.map_or("UNKNOWN", |status| status.as_str());
                let text = message.unwrap_or("the domain name does not become available");
                let error = CloudError::new("apigateway:GetDomainName", status, text, Class::Permanent);
                Settled::Failed(error.hint("use a certificate that ACM issued in this region for the name"))
            }
        })
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        write_tags(cx, &path(&current.outputs.name), None).await
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_apigatewayv2::Client;
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    /// AWS takes up to an hour to roll a certificate out.
    #[test]
    fn it_is_waited_for_an_hour_and_asked_for_as_before() {
        let stack = dr_core::Stack::build("shop", |stack| {
            let east = stack.region(crate::regions::UsEast1);
            east.add("domain", ApiDomain::new("api.example.com", CertificateArn::literal("arn:c")));
        });
        let state = dr_core::State::new("shop", "lineage");
        let plan = dr_core::Plan::between(&stack.unwrap(), &state, &dr_core::Observed::unchanged()).unwrap();
        assert_eq!((plan.steps[0].settle_s, plan.steps[0].expected_s), (3600.0, 5.0));
    }

    #[test]
    fn what_api_gateway_spells_differently_is_no_drift() {
        let wanted = ApiDomainArgs { name: "api.example.com".into(), certificate: CertificateArn::literal("arn:c") };
        let configuration = DomainNameConfiguration::builder()
            .api_gateway_domain_name("d-1.execute-api.us-east-1.amazonaws.com")
            .hosted_zone_id("Z1")
            .certificate_arn("arn:c")
            .domain_name_status(DomainNameStatus::Available);
        let seen = DomainName::builder().domain_name("Api.Example.com");
        let seen = seen.domain_name_configurations(configuration.build()).build();
        assert_eq!(observed(&seen), wanted);
        let outputs = outputs(seen.domain_name(), seen.domain_name_configurations()).unwrap();
        assert_eq!(outputs.target_domain, "d-1.execute-api.us-east-1.amazonaws.com");
        assert_eq!(settled(seen.domain_name_configurations()).0, Health::Ready);
    }

    #[test]
    fn a_domain_that_waits_for_a_person_has_failed() {
        let configuration = DomainNameConfiguration::builder()
            .domain_name_status(DomainNameStatus::PendingOwnershipVerification)
            .domain_name_status_message("verify");
        assert_eq!(settled(&[configuration.build()]), (Health::Failed, Some("verify")));
    }

    #[tokio::test]
    async fn a_name_that_is_taken_is_looked_at_and_calls_that_come_too_fast_are_repeated() {
        let args = ApiDomainArgs { name: "api.example.com".into(), certificate: CertificateArn::literal("arn:c") };
        for (code, text, class) in [
            ("ConflictException", "The domain name you provided already exists.", Class::Exists),
            ("BadRequestException", "The domain name you provided already exists.", Class::Exists),
            ("BadRequestException", "Certificate arn:c does not exist.", Class::Eventual),
            ("BadRequestException", "Invalid domain name.", Class::Permanent),
            ("TooManyRequestsException", "Too Many Requests", Class::Throttled),
            ("AccessDeniedException", "no", Class::Denied),
        ] {
            let refused = refused(mock!(Client::create_domain_name), code, text);
            assert_eq!(outcome(ApiDomain::create(&cx(&[&refused]), &args).await), Err(class), "{code} {text}");
        }
        let outputs = ApiDomainOutputs {
            name: ApiDomainName::literal("api.example.com"),
            target_domain: String::new(),
            hosted_zone: HostedZoneId::literal("Z1"),
        };
        let gone =
            refused(mock!(Client::delete_domain_name), "NotFoundException", "Invalid domain name identifier specified");
        assert_eq!(outcome(ApiDomain::delete(&cx(&[&gone]), &Prior { args, outputs }).await), Ok(()));
    }
}
