//! `aws.acm.certificate`: a request for a public certificate, validated by DNS.
//!
//! API: RequestCertificate, ListCertificates, DescribeCertificate, AddTagsToCertificate, RemoveTagsFromCertificate,
//! DeleteCertificate (ACM 2015-12-08). Find: tags, set with the request. Change: everything replaces, the new one first.
//! Delete: after the listener, API domain or distribution that uses it (`ResourceInUseException`, for up to 20 minutes).

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Duration;

use aws_sdk_acm::types::KeyAlgorithm as ModelKeyAlgorithm;
use aws_sdk_acm::types::{CertificateDetail, CertificateSummary, Tag, ValidationMethod};
use dr_core::{
    Anywhere, Class, CloudError, Cx, Found, Health, Lifecycle, Outputs, Prior, Problems, Region, Resource, Scan,
    Settled, Wanted,
};
use serde::{Deserialize, Serialize};

use super::{dead, described, is_dead, listed};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::RequestedCertificateArn;
use crate::read::{Promised as _, as_wanted, wanted_as};
use crate::tags;

/// A request for a public certificate of ACM, validated by DNS.
///
/// It is ready as soon as ACM says which CNAME proves that the domain is yours: the outputs `validation_name` and
/// `validation_value`. Put that record into the zone and add an [`IssuedCertificate`](super::IssuedCertificate), whose ARN
/// other resources take; [`ValidatedCertificate`](crate::constructs::ValidatedCertificate) does both.
///
/// Certificates of one account for one domain share the record, in whatever region they are: it is the same name and value.
///
/// - Inputs: the domain, further names (none by default; ten in all) and the key algorithm (RSA 2048 by default). Each change
///   replaces the certificate, the new one first; renewal is ACM's as long as the record exists.
/// - Ready: when ACM says which record it wants, in about 5 seconds.
/// - Calls: RequestCertificate, DescribeCertificate, ListCertificates, ListTagsForCertificate, DeleteCertificate.
/// - AWS: <https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html>
#[derive(Debug, Clone, Resource)]
#[resource(
    type = "aws.acm.certificate",
    outputs = CertificateOutputs,
    create_s = 5,
    delete_s = 2,
    check = Certificate::check_inputs
)]
pub struct Certificate<R: Region = Anywhere> {
    /// The first name, which may begin with `*.`; at most 64 characters.
    #[input(replace)]
    domain: String,
    /// Further names.
    #[input(replace)]
    alternatives: Vec<String>,
    /// The key that the certificate is for.
    #[input(replace)]
    key: KeyAlgorithm,
    of: PhantomData<fn() -> R>,
}

/// The key of a certificate; CloudFront and API Gateway take both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyAlgorithm {
    /// RSA, 2048 bits: every client has it.
    #[default]
    Rsa2048,
    /// ECDSA on P-256: smaller and faster.
    EcPrime256v1,
}

/// What is known of a requested certificate.
#[derive(Debug, Clone, PartialEq, Outputs)]
#[non_exhaustive]
pub struct CertificateOutputs<R: Region = Anywhere> {
    /// Its ARN.
    pub arn: RequestedCertificateArn<R>,
    /// The name of the CNAME that validates the domain.
    pub validation_name: String,
    /// What that CNAME points to.
    pub validation_value: String,
    /// The names of the CNAMEs of all names: the domain, then the further ones in their order. Equal ones are one record.
    pub validation_names: Vec<String>,
    /// What those CNAMEs point to, in the same order.
    pub validation_values: Vec<String>,
}

impl<R: Region> Certificate<R> {
    /// A certificate for a domain.
    #[must_use]
    pub fn new(domain: impl Into<String>) -> Self {
        let (alternatives, key) = Default::default();
        Certificate { domain: domain.into(), alternatives, key, of: PhantomData }
    }

    /// Adds a further name; ten in all by the default quota.
    #[must_use]
    pub fn alternative(mut self, name: impl Into<String>) -> Self {
        self.alternatives.push(name.into());
        self
    }

    /// The key algorithm.
    #[must_use]
    pub fn key(mut self, key: KeyAlgorithm) -> Self {
        self.key = key;
        self
    }

    fn check_inputs(&self, problems: &mut Problems) {
        if self.domain.len() > 64 {
            problems.report(
                "domain",
                "the first name of a certificate has at most 64 characters: add a longer one as a further name",
            );
        }
        for (input, name) in
            std::iter::once(("domain", &self.domain)).chain(self.alternatives.iter().map(|name| ("alternatives", name)))
        {
            if let Some(problem) = problem_of_name(name) {
                problems.report(input, format_args!("`{name}` {problem}"));
            }
        }
    }
}

fn problem_of_name(name: &str) -> Option<&'static str> {
    let plain = name.strip_prefix("*.").unwrap_or(name);
    if name.len() > 253 {
        Some("is longer than 253 characters")
    } else if plain.contains('*') {
        Some("has a `*` that is not the whole first label")
    } else if name.ends_with('.') {
        Some("ends with a dot, which certificates do not have")
    } else if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Some("has upper case: ACM answers in lower case")
    } else if !plain.contains('.') {
        Some("is no domain name")
    } else {
        None
    }
}

impl KeyAlgorithm {
    fn model(self) -> ModelKeyAlgorithm {
        match self {
            KeyAlgorithm::Rsa2048 => ModelKeyAlgorithm::Rsa2048,
            KeyAlgorithm::EcPrime256v1 => ModelKeyAlgorithm::EcPrime256v1,
        }
    }

    /// ACM takes `RSA_2048` and answers `RSA-2048`.
    fn is(self, answered: &ModelKeyAlgorithm) -> bool {
        answered.as_str().replace('-', "_").eq_ignore_ascii_case(self.model().as_str())
    }
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build().expect("the key is set")
}

fn sdk_tags(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| tag(key, value)).collect()
}

/// All tags of a certificate.
async fn read_tags(aws: &Aws, region: &str, arn: &str) -> Result<BTreeMap<String, String>, CloudError> {
    let answer = aws.acm(region).list_tags_for_certificate().certificate_arn(arn).send().await;
    // One that was deleted since it was listed has none.
    let tags = answer.call("acm:ListTagsForCertificate").gone_ok()?.and_then(|answer| answer.tags).unwrap_or_default();
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value.unwrap_or_default())).collect())
}

async fn write_tags(cx: &Cx<Aws>, arn: &str, present: &BTreeMap<String, String>) -> Result<(), CloudError> {
    let client = cx.cloud.acm(&cx.owner.region);
    let (wanted, surplus) = tags::changes(&cx.owner, present);
    if !wanted.is_empty() {
        let call = client.add_tags_to_certificate().certificate_arn(arn).set_tags(Some(sdk_tags(&wanted)));
        call.send().await.call("acm:AddTagsToCertificate")?;
    }
    if !surplus.is_empty() {
        // Without a value the key is removed whatever its value is.
        let surplus = surplus.iter().map(|key| Tag::builder().key(key).build().expect("the key is set")).collect();
        let call = client.remove_tags_from_certificate().certificate_arn(arn).set_tags(Some(surplus));
        call.send().await.call("acm:RemoveTagsFromCertificate")?;
    }
    Ok(())
}

fn outputs(arn: &str) -> CertificateOutputs {
    let (validation_name, validation_value, validation_names, validation_values) = Default::default();
    let arn = RequestedCertificateArn::literal(arn);
    CertificateOutputs { arn, validation_name, validation_value, validation_names, validation_values }
}

/// The outputs with the validation records, once ACM has them for every name.
fn with_records(args: &CertificateArgs, detail: &CertificateDetail, arn: &str) -> Option<CertificateOutputs> {
    let mut outputs = outputs(arn);
    for name in std::iter::once(&args.domain).chain(&args.alternatives) {
        let mut options = detail.domain_validation_options().iter();
        let option = options.find(|option| option.domain_name().eq_ignore_ascii_case(name))?;
        let record = option.resource_record()?;
        outputs.validation_names.push(record.name().to_owned());
        outputs.validation_values.push(record.value().to_owned());
    }
    outputs.validation_name = outputs.validation_names.first()?.clone();
    outputs.validation_value = outputs.validation_values.first()?.clone();
    Some(outputs)
}

/// The arguments as ACM has them.
fn observed(wanted: Option<&CertificateArgs>, seen: &CertificateSummary) -> CertificateArgs {
    let domain = seen.domain_name().unwrap_or_default().to_owned();
    let names = seen.subject_alternative_name_summaries();
    let others = names.iter().filter(|name| **name != domain).cloned().collect();
    let alternatives = match wanted {
        // The list shows up to a hundred names of a certificate, and an emulator may show none.
        Some(wanted) if names.is_empty() || seen.has_additional_subject_alternative_names() == Some(true) => {
            wanted.alternatives.clone()
        }
        _ => as_wanted(others, wanted.map(|args| &args.alternatives)),
    };
    let known = [KeyAlgorithm::Rsa2048, KeyAlgorithm::EcPrime256v1];
    let key = seen.key_algorithm().and_then(|answered| known.into_iter().find(|key| key.is(answered)));
    CertificateArgs { domain, alternatives, key: key.or(wanted.map(|args| args.key)).unwrap_or_default() }
}

impl Lifecycle for Certificate {
    type Cloud = Aws;

    /// One call, and one or two for each certificate that the state does not know: the list has no tags.
    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let mut found = Vec::new();
        for summary in listed(scan).await?.iter() {
            let Some(arn) = summary.certificate_arn() else { continue };
            let known =
                wanted.iter().find(|want| want.outputs.as_ref().is_some_and(|outputs| outputs.arn.as_str() == arn));
            let owned = match known {
                Some(_) if !scan.cloud.reads_all() => None,
                _ => tags::owned(&scan.stack, read_tags(&scan.cloud, &scan.region, arn).await?),
            };
            let (address, generation) = match (known, &owned) {
                (Some(known), _) => (known.address.clone(), known.generation),
                (None, Some(owned)) => (owned.address.clone(), owned.generation),
                (None, None) => continue,
            };
            let want = known.or_else(|| owned.as_ref().and_then(|owned| wanted_as(wanted, owned)));
            let complete = known.and_then(|known| known.outputs.clone()).filter(|o| !o.validation_names.is_empty());
            let outputs = match (complete, want) {
                (Some(outputs), _) => Some(outputs),
                (None, Some(want)) => match described(&scan.cloud, &scan.region, arn).await? {
                    Some(detail) => with_records(&want.args, &detail, arn),
                    None => None,
                },
                (None, None) => None,
            };
            let health = match (is_dead(summary.status()), &outputs) {
                (true, _) => Health::Failed,
                (false, Some(_)) => Health::Ready,
                (false, None) => Health::Pending,
            };
            found.push(Found {
                address,
                generation,
                args: Some(observed(want.map(|want| &want.args), summary)),
                outputs: outputs.unwrap_or_else(|| self::outputs(arn)),
                health,
                tags: owned.map(|owned| owned.tags),
            });
        }
        Ok(found)
    }

    async fn create(cx: &Cx<Aws>, args: &CertificateArgs) -> Result<CertificateOutputs, CloudError> {
        let alternatives = Some(args.alternatives.clone()).filter(|names| !names.is_empty());
        let client = cx.cloud.acm(&cx.owner.region);
        let call = client
            .request_certificate()
            .domain_name(&args.domain)
            .set_subject_alternative_names(alternatives)
            .validation_method(ValidationMethod::Dns)
            .key_algorithm(args.key.model())
            // ACM remembers it for an hour.
            .idempotency_token(&cx.owner.token)
            .set_tags(Some(sdk_tags(&tags::ownership(&cx.owner))));
        let answer = call.send().await.call("acm:RequestCertificate")?;
        let arn = answer.certificate_arn().promised("acm:RequestCertificate", "the ARN")?;
        Ok(outputs(arn))
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, _: &CertificateArgs) -> Result<CertificateOutputs, CloudError> {
        let arn = prior.outputs.arn.as_str();
        let present = read_tags(&cx.cloud, &cx.owner.region, arn).await?;
        write_tags(cx, arn, &present).await?;
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let client = cx.cloud.acm(&cx.owner.region);
        let arn = prior.outputs.arn.as_str();
        let call = client.delete_certificate().certificate_arn(arn);
        match call.send().await.call("acm:DeleteCertificate").gone_ok() {
            Err(error) if error.class == Class::Dependency => {
                // ACM knows who uses it; who cannot be asked is not named, since it is the deletion that failed.
                let detail = described(&cx.cloud, &cx.owner.region, arn).await.ok().flatten();
                let users = detail.map(|detail| detail.in_use_by().join(", ")).filter(|users| !users.is_empty());
                Err(match users {
                    Some(users) => error.hint(format!("in use by {users}; ACM hears of their end some minutes later")),
                    None => error,
                })
            }
            answer => answer.map(drop),
        }
    }

    async fn ready(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<Settled<CertificateOutputs>, CloudError> {
        let arn = current.outputs.arn.as_str();
        let soon = Settled::AskAgainIn(Duration::from_secs(2));
        Ok(match described(&cx.cloud, &cx.owner.region, arn).await? {
            Some(detail) if is_dead(detail.status()) => Settled::Failed(dead(&detail)),
            Some(detail) => with_records(&current.args, &detail, arn).map_or(soon, Settled::Yes),
            None => soon,
        })
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        write_tags(cx, current.outputs.arn.as_str(), &BTreeMap::new()).await
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_acm::Client;
    use aws_sdk_acm::operation::describe_certificate::DescribeCertificateOutput;
    use aws_sdk_acm::operation::request_certificate::{RequestCertificateError, RequestCertificateOutput};
    use aws_sdk_acm::types::CertificateStatus;
    use aws_sdk_acm::types::error::LimitExceededException;
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    fn args() -> CertificateArgs {
        let alternatives = vec!["b.example.com".to_owned(), "a.example.com".to_owned()];
        CertificateArgs { domain: "example.com".into(), alternatives, key: KeyAlgorithm::Rsa2048 }
    }

    #[tokio::test]
    async fn the_request_carries_the_token_and_the_owner() {
        let request = mock!(Client::request_certificate)
            .match_requests(|input| {
                let tagged = input
                    .tags()
                    .iter()
                    .any(|tag| tag.key() == "dr:address" && tag.value() == Some("us-east-1/net.thing"));
                tagged && input.idempotency_token() == Some("0123456789abcdef0123456789abcdef")
            })
            .then_output(|| RequestCertificateOutput::builder().certificate_arn("arn:c").build());
        let outputs = Certificate::create(&cx(&[&request]), &args()).await.unwrap();
        assert_eq!((outputs.arn.as_str(), request.num_calls()), ("arn:c", 1));
    }

    /// The SDK counts this code among the throttling ones; it is the quota of a year.
    #[tokio::test]
    async fn a_used_up_quota_is_permanent() {
        let refused = || {
            let message = "Error: you have reached your limit of 20 certificates in the last year.";
            let meta =
                aws_sdk_acm::error::ErrorMetadata::builder().code("LimitExceededException").message(message).build();
            RequestCertificateError::LimitExceededException(LimitExceededException::builder().meta(meta).build())
        };
        let request = mock!(Client::request_certificate).then_error(refused);
        let error = Certificate::create(&cx(&[&request]), &args()).await.unwrap_err();
        assert_eq!((error.class, request.num_calls()), (Class::Permanent, 1), "{error}");
        assert!(error.hint.unwrap().contains("AWS Support"));
    }

    #[test]
    fn what_acm_spells_differently_is_no_drift() {
        let summary = CertificateSummary::builder()
            .domain_name("example.com")
            .set_subject_alternative_name_summaries(Some(
                ["example.com", "a.example.com", "b.example.com"].map(str::to_owned).to_vec(),
            ))
            .key_algorithm("RSA-2048".into())
            .status(CertificateStatus::Issued)
            .build();
        assert_eq!(observed(Some(&args()), &summary), args());
        let other =
            CertificateSummary::builder().domain_name("example.com").key_algorithm("EC_prime256v1".into()).build();
        assert_eq!(observed(Some(&args()), &other).key, KeyAlgorithm::EcPrime256v1);
    }

    #[test]
    fn names_that_acm_would_refuse_are_reported_before_it_is_asked() {
        assert_eq!(problem_of_name("*.example.com"), None);
        for name in ["Example.com", "example.com.", "a.*.example.com", "localhost"] {
            assert!(problem_of_name(name).is_some(), "{name}");
        }
    }

    fn prior() -> Prior<Certificate> {
        Prior { args: args(), outputs: outputs("arn:c") }
    }

    #[tokio::test]
    async fn a_certificate_that_is_gone_is_deleted_and_one_in_use_says_by_what() {
        for (code, expected) in [
            ("ResourceNotFoundException", Ok(())),
            // Something else is being done with it.
            ("ConflictException", Err(Class::Eventual)),
            ("AccessDeniedException", Err(Class::Denied)),
        ] {
            let text = "You are trying to update a resource or configuration that is already being created or updated.";
            let refused = refused(mock!(Client::delete_certificate), code, text);
            assert_eq!(outcome(Certificate::delete(&cx(&[&refused]), &prior()).await), expected, "{code}");
        }
        let used = refused(mock!(Client::delete_certificate), "ResourceInUseException", "Certificate is in use.");
        let users = mock!(Client::describe_certificate).then_output(|| {
            let detail = CertificateDetail::builder().in_use_by("arn:aws:cloudfront::1:distribution/E1");
            DescribeCertificateOutput::builder().certificate(detail.build()).build()
        });
        let error = Certificate::delete(&cx(&[&used, &users]), &prior()).await.unwrap_err();
        assert_eq!(error.class, Class::Dependency);
        assert!(error.hint.as_ref().is_some_and(|hint| hint.contains("distribution/E1")), "{:?}", error.hint);
        let denied = refused(mock!(Client::describe_certificate), "AccessDeniedException", "");
        let error = Certificate::delete(&cx(&[&used, &denied]), &prior()).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (Class::Dependency, "ResourceInUseException"));
    }

    #[tokio::test]
    async fn a_new_certificate_that_acm_does_not_know_yet_is_asked_for_again() {
        let unknown = refused(mock!(Client::describe_certificate), "ResourceNotFoundException", "");
        let settled = Certificate::ready(&cx(&[&unknown]), &prior()).await.unwrap();
        assert!(matches!(settled, Settled::AskAgainIn(_)));
        let untagged = refused(mock!(Client::list_tags_for_certificate), "ResourceNotFoundException", "");
        let tag = refused(mock!(Client::add_tags_to_certificate), "ResourceNotFoundException", "");
        let answer = Certificate::update(&cx(&[&untagged, &tag]), &prior(), &args()).await;
        assert_eq!(outcome(answer), Err(Class::Eventual));
    }
}
