//! RequestCertificate, DescribeCertificate, DeleteCertificate.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_acm::operation::delete_certificate::{
    DeleteCertificateError, DeleteCertificateInput, DeleteCertificateOutput,
};
use aws_sdk_acm::operation::describe_certificate::{
    DescribeCertificateError, DescribeCertificateInput, DescribeCertificateOutput,
};
use aws_sdk_acm::operation::request_certificate::{
    RequestCertificateError, RequestCertificateInput, RequestCertificateOutput,
};
use aws_sdk_acm::types::{
    CertificateDetail, CertificateOptions, CertificateStatus, CertificateType, DomainStatus, DomainValidation,
    ExtendedKeyUsage, ExtendedKeyUsageName, KeyAlgorithm, KeyUsage, KeyUsageName, RecordType, RenewalEligibility,
    ResourceRecord, ValidationMethod,
};
use aws_smithy_types::DateTime;

use super::listing::checked_tags;
use super::{
    Certificate, HOUR_MS, SERVICE, Status, Token, arn, certificate, in_use_by, issue_instant, status, valid_until,
    validation_record,
};
use crate::control::{Answer, Call, Refusal, Table};
use crate::latency::Slow;
use crate::world::World;

/// Names of one certificate (ACM quota, may be raised).
const NAMES_MOST: usize = 10;
/// Certificates per account and region (ACM quota, may be raised).
const CERTIFICATES_MOST: usize = 2500;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "RequestCertificate", RequestCertificateError::generic, request_certificate);
    table.on(SERVICE, "DescribeCertificate", DescribeCertificateError::generic, describe_certificate);
    table.on(SERVICE, "DeleteCertificate", DeleteCertificateError::generic, delete_certificate);
}

pub(super) fn date(ms: u64) -> DateTime {
    DateTime::from_millis(i64::try_from(ms).expect("a time of this age fits 63 bits"))
}

/// A host name with an optional leading `*.`: at least two labels of letters, digits and inner hyphens, 253 characters.
fn checked_domain(name: &str, field: &str) -> Answer<String> {
    let labels: Vec<&str> = name.strip_prefix("*.").unwrap_or(name).split('.').collect();
    let fine = |label: &&str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() <= 253 && labels.len() >= 2 && labels.iter().all(fine) {
        return Ok(name.to_lowercase());
    }
    Err(Refusal::new(
        "ValidationException",
        format!(
            "1 validation error detected: Value '{name}' at '{field}' failed to satisfy constraint: Member must \
             satisfy regular expression pattern: \
             (\\*\\.)?(((?!-)[A-Za-z0-9-]{{0,62}}[A-Za-z0-9])\\.)+((?!-)[A-Za-z0-9-]{{1,62}}[A-Za-z0-9])"
        ),
    ))
}

fn request_certificate(
    world: &mut World,
    call: &Call,
    input: &RequestCertificateInput,
) -> Answer<RequestCertificateOutput> {
    let refuse = |code: &str, message: &str| Err(Refusal::new(code, message));
    let Some(domain_name) = input.domain_name.as_deref() else {
        return refuse(
            "ValidationException",
            "1 validation error detected: Value null at 'domainName' failed to satisfy constraint: Member must not be null",
        );
    };
    let domain_name = checked_domain(domain_name, "domainName")?;
    if domain_name.len() > 64 {
        return refuse("InvalidParameterException", "The first domain name can be no longer than 64 characters.");
    }
    let mut names = BTreeSet::from([domain_name.clone()]);
    for name in input.subject_alternative_names.as_deref().unwrap_or_default() {
        names.insert(checked_domain(name, "subjectAlternativeNames")?);
    }
    if names.len() > NAMES_MOST {
        return refuse("LimitExceededException", "The certificate has more names than the quota of 10.");
    }
    let validation_method = match &input.validation_method {
        Some(ValidationMethod::Dns) => "DNS",
        // EMAIL is what ACM takes when nothing is said.
        None | Some(ValidationMethod::Email) => "EMAIL",
        Some(_) => {
            return refuse("InvalidParameterException", "HTTP validation is for certificates that CloudFront manages.");
        }
    };
    let key_algorithm = match &input.key_algorithm {
        None => KeyAlgorithm::Rsa2048,
        Some(asked @ (KeyAlgorithm::Rsa2048 | KeyAlgorithm::EcPrime256v1 | KeyAlgorithm::EcSecp384r1)) => asked.clone(),
        Some(other) => {
            return refuse("InvalidParameterException", &format!("{other} keys are for imported certificates only."));
        }
    };
    if input.certificate_authority_arn.is_some() {
        return refuse(
            "ResourceNotFoundException",
            "The certificate authority does not exist: private authorities are not simulated.",
        );
    }
    let tags = checked_tags(input.tags.as_deref())?;
    let token = input.idempotency_token.as_deref();
    if token.is_some_and(|t| !(1..=32).contains(&t.len()) || !t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
    {
        return refuse(
            "ValidationException",
            "1 validation error detected: Value at 'idempotencyToken' failed to satisfy constraint: Member must \
             satisfy regular expression pattern: \\w+",
        );
    }

    // The same token with the same request answers the first certificate for an hour; another request makes another one.
    let key = token
        .map(|token| format!("{}|{token}|{names:?}|{domain_name}|{validation_method}|{key_algorithm}", call.region));
    world.acm.tokens.retain(|_, made| made.expires_ms > call.now_ms);
    if let Some(made) = key.as_ref().and_then(|key| world.acm.tokens.get(key))
        && world.acm.certificates.contains_key(&made.arn)
    {
        return Ok(RequestCertificateOutput::builder().certificate_arn(&made.arn).build());
    }
    if world.acm.certificates.values().filter(|c| c.region == call.region).count() >= CERTIFICATES_MOST {
        return refuse("LimitExceededException", "You have reached the maximum number of certificates.");
    }

    let id = uuid(world);
    let arn = format!("arn:aws:acm:{}:{}:certificate/{id}", call.region, world.account);
    let bases: BTreeSet<&str> = names.iter().map(|name| name.strip_prefix("*.").unwrap_or(name)).collect();
    let records = bases.into_iter().map(|base| validation_record(&world.account, base)).collect();
    let mut new = Certificate {
        arn: arn.clone(),
        region: call.region.clone(),
        domain_name,
        names: names.into_iter().collect(),
        key_algorithm: key_algorithm.as_str().to_owned(),
        validation_method: validation_method.to_owned(),
        export: input
            .options
            .as_ref()
            .and_then(|options| options.export.as_ref())
            .map(|export| export.as_str().to_owned()),
        requested_ms: call.now_ms,
        records_at_ms: call.now_ms + world.latency(Slow::CertificateRecord),
        records,
        issue_ms: world.latency(Slow::Certificate),
        issued_at_ms: None,
        serial: serial(world),
        users: BTreeSet::new(),
        leaving: BTreeMap::new(),
        tags,
    };
    new.issued_at_ms = issue_instant(world, &new);
    world.acm.certificates.insert(arn.clone(), new);
    if let Some(key) = key {
        world.acm.tokens.insert(key, Token { arn: arn.clone(), expires_ms: call.now_ms + HOUR_MS });
    }
    Ok(RequestCertificateOutput::builder().certificate_arn(arn).build())
}

fn uuid(world: &mut World) -> String {
    let mut hex = |n| world.token(b"0123456789abcdef", n);
    format!("{}-{}-4{}-a{}-{}", hex(8), hex(4), hex(3), hex(3), hex(12))
}

/// Sixteen bytes in hexadecimal, separated by colons.
fn serial(world: &mut World) -> String {
    let bytes: Vec<String> = (0..16).map(|_| world.token(b"0123456789abcdef", 2)).collect();
    bytes.join(":")
}

fn describe_certificate(
    world: &mut World,
    call: &Call,
    input: &DescribeCertificateInput,
) -> Answer<DescribeCertificateOutput> {
    let certificate = certificate(world, &call.region, arn(&input.certificate_arn)?)?;
    Ok(DescribeCertificateOutput::builder().certificate(detail(world, certificate, call.now_ms)).build())
}

/// The algorithm as answers spell it: with a hyphen where requests have an underscore, so that the SDK's enum does not know it.
pub(super) fn shown_algorithm(certificate: &Certificate) -> KeyAlgorithm {
    KeyAlgorithm::from(certificate.key_algorithm.replacen('_', "-", 1).as_str())
}

pub(super) fn key_usages(issued: bool) -> Vec<KeyUsageName> {
    if issued { vec![KeyUsageName::DigitalSignature, KeyUsageName::KeyEncipherment] } else { Vec::new() }
}

pub(super) fn extended_key_usages(issued: bool) -> Vec<ExtendedKeyUsageName> {
    if issued {
        vec![ExtendedKeyUsageName::TlsWebServerAuthentication, ExtendedKeyUsageName::TlsWebClientAuthentication]
    } else {
        Vec::new()
    }
}

pub(super) fn eligibility(certificate: &Certificate, now_ms: u64) -> RenewalEligibility {
    if certificate.issued(now_ms).is_some() && !certificate.users(now_ms).is_empty() {
        RenewalEligibility::Eligible
    } else {
        RenewalEligibility::Ineligible
    }
}

/// When validity begins: the midnight before the issue.
pub(super) fn not_before(issued_ms: u64) -> DateTime {
    date(issued_ms - issued_ms % super::DAY_MS)
}

#[expect(deprecated, reason = "transparency logging cannot be turned off any more, and is still answered")]
fn options(certificate: &Certificate) -> CertificateOptions {
    CertificateOptions::builder()
        .certificate_transparency_logging_preference(
            aws_sdk_acm::types::CertificateTransparencyLoggingPreference::Enabled,
        )
        .set_export(certificate.export.as_deref().map(Into::into))
        .build()
}

fn detail(world: &World, certificate: &Certificate, now_ms: u64) -> CertificateDetail {
    let status = status(world, certificate, now_ms);
    let issued = certificate.issued(now_ms);
    let domain_status = match status {
        Status::Issued | Status::Expired => DomainStatus::Success,
        Status::ValidationTimedOut => DomainStatus::Failed,
        Status::PendingValidation => DomainStatus::PendingValidation,
    };
    let validations = certificate.names.iter().map(|name| {
        let base = name.strip_prefix("*.").unwrap_or(name);
        let known = certificate.validation_method == "DNS" && now_ms >= certificate.records_at_ms;
        let record = certificate.records.iter().find(|record| known && record.domain == base).map(|record| {
            let record = ResourceRecord::builder().name(&record.name).r#type(RecordType::Cname).value(&record.value);
            record.build().expect("name, type and value are set")
        });
        DomainValidation::builder()
            .domain_name(name)
            .validation_domain(name)
            .validation_status(domain_status.clone())
            .validation_method(ValidationMethod::from(certificate.validation_method.as_str()))
            .set_resource_record(record)
            .build()
            .expect("the domain name is set")
    });
    let oid = |name: &ExtendedKeyUsageName| match name {
        ExtendedKeyUsageName::TlsWebServerAuthentication => "1.3.6.1.5.5.7.3.1",
        _ => "1.3.6.1.5.5.7.3.2",
    };
    let extended = extended_key_usages(issued.is_some());
    let extended = extended.into_iter().map(|name| ExtendedKeyUsage::builder().oid(oid(&name)).name(name).build());
    CertificateDetail::builder()
        .certificate_arn(&certificate.arn)
        .domain_name(&certificate.domain_name)
        .set_subject_alternative_names(Some(certificate.names.clone()))
        .set_domain_validation_options(Some(validations.collect()))
        .set_serial(issued.map(|_| certificate.serial.clone()))
        .subject(format!("CN={}", certificate.domain_name))
        .issuer("Amazon")
        .created_at(date(certificate.requested_ms))
        .set_issued_at(issued.map(date))
        .status(CertificateStatus::from(status.as_str()))
        .set_not_before(issued.map(not_before))
        .set_not_after(issued.map(|_| date(valid_until(world, certificate, now_ms))))
        .key_algorithm(shown_algorithm(certificate))
        .signature_algorithm(if certificate.key_algorithm.starts_with("EC") {
            "SHA256WITHECDSA"
        } else {
            "SHA256WITHRSA"
        })
        .set_in_use_by(Some(in_use_by(world, &certificate.arn, now_ms)))
        .r#type(CertificateType::AmazonIssued)
        .set_key_usages(Some(
            key_usages(issued.is_some()).into_iter().map(|name| KeyUsage::builder().name(name).build()).collect(),
        ))
        .set_extended_key_usages(Some(extended.collect()))
        .renewal_eligibility(eligibility(certificate, now_ms))
        .options(options(certificate))
        .build()
}

fn delete_certificate(
    world: &mut World,
    call: &Call,
    input: &DeleteCertificateInput,
) -> Answer<DeleteCertificateOutput> {
    let certificate = certificate(world, &call.region, arn(&input.certificate_arn)?)?;
    if !in_use_by(world, &certificate.arn, call.now_ms).is_empty() {
        let message = format!("Certificate {} in account {} is in use.", certificate.arn, world.account);
        return Err(Refusal::new("ResourceInUseException", message));
    }
    let arn = certificate.arn.clone();
    world.acm.certificates.remove(&arn);
    Ok(DeleteCertificateOutput::builder().build())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::control::acm::{is_issued, release_certificate, use_certificate};
    use crate::control::route53::tests::{change_cname, zone};

    pub(crate) fn at(s: u64) -> Call {
        Call { region: "us-east-1".to_owned(), now_ms: s * 1000 }
    }

    fn asked(
        name: &str,
        others: &[&str],
    ) -> aws_sdk_acm::operation::request_certificate::builders::RequestCertificateInputBuilder {
        RequestCertificateInput::builder()
            .domain_name(name)
            .validation_method(ValidationMethod::Dns)
            .set_subject_alternative_names(Some(others.iter().map(|name| (*name).to_owned()).collect()))
    }

    /// Requests a certificate with DNS validation in us-east-1, `s` seconds after the start.
    pub(crate) fn request(world: &mut World, s: u64, name: &str, others: &[&str]) -> Answer<String> {
        let output = request_certificate(world, &at(s), &asked(name, others).build().expect("built"))?;
        Ok(output.certificate_arn.expect("an ARN"))
    }

    /// A certificate for the names, with its record in DNS, that is `ISSUED` from second 200 at the latest.
    pub(crate) fn issued(world: &mut World, zone_id: &str, name: &str, others: &[&str]) -> String {
        let arn = request(world, 0, name, others).expect("fine");
        for record in world.acm.certificates[&arn].records.clone() {
            change_cname(world, 0, zone_id, "UPSERT", &record.name, &record.value).expect("the zone is there");
        }
        assert!(is_issued(world, "us-east-1", &arn, 200_000));
        arn
    }

    fn describe(world: &mut World, s: u64, arn: &str) -> CertificateDetail {
        let input = DescribeCertificateInput::builder().certificate_arn(arn).build().expect("built");
        describe_certificate(world, &at(s), &input).expect("there").certificate.expect("a certificate")
    }

    fn delete(world: &mut World, s: u64, arn: &str) -> Answer<DeleteCertificateOutput> {
        delete_certificate(
            world,
            &at(s),
            &DeleteCertificateInput::builder().certificate_arn(arn).build().expect("built"),
        )
    }

    fn code<T>(answer: Answer<T>) -> String {
        answer.err().map_or_else(|| "accepted".to_owned(), |refusal| refusal.code)
    }

    #[test]
    fn a_certificate_is_issued_once_its_record_is_in_sync_and_acm_has_found_it() {
        let mut world = World::new(1);
        let zone = zone(&mut world, 0, "example.com");
        let arn = request(&mut world, 0, "api.example.com", &["*.api.example.com"]).expect("fine");
        assert!(describe(&mut world, 4, &arn).domain_validation_options()[0].resource_record().is_none());
        let shown = describe(&mut world, 5, &arn);
        let records: BTreeSet<&str> = shown
            .domain_validation_options()
            .iter()
            .map(|o| o.resource_record().expect("told by now").name())
            .collect();
        assert_eq!((records.len(), shown.domain_validation_options().len()), (1, 2), "a wildcard shares its record");
        assert_eq!(shown.status(), Some(&CertificateStatus::PendingValidation));
        let record = world.acm.certificates[&arn].records[0].clone();
        change_cname(&mut world, 10, &zone, "CREATE", &record.name, &record.value).expect("fine");
        // In sync at 40, found 100 s later.
        assert_eq!(describe(&mut world, 139, &arn).status(), Some(&CertificateStatus::PendingValidation));
        let shown = describe(&mut world, 140, &arn);
        assert_eq!(shown.status(), Some(&CertificateStatus::Issued));
        assert_eq!(shown.issued_at(), Some(&DateTime::from_secs(140)));
        assert_eq!(shown.key_algorithm().map(|a| a.as_str()), Some("RSA-2048"));
        // Taking the record away later does not undo it.
        change_cname(&mut world, 150, &zone, "DELETE", &record.name, &record.value).expect("fine");
        assert_eq!(describe(&mut world, 200, &arn).status(), Some(&CertificateStatus::Issued));
    }

    #[test]
    fn a_record_that_is_wrong_or_taken_away_too_early_issues_nothing() {
        let mut world = World::new(1);
        let zone = zone(&mut world, 0, "example.com");
        let arn = request(&mut world, 0, "example.com", &[]).expect("fine");
        let record = world.acm.certificates[&arn].records[0].clone();
        change_cname(&mut world, 10, &zone, "UPSERT", &record.name, "_wrong.acm-validations.aws.").expect("fine");
        assert_eq!(describe(&mut world, 1000, &arn).status(), Some(&CertificateStatus::PendingValidation));
        change_cname(&mut world, 1000, &zone, "UPSERT", &record.name, &record.value).expect("fine");
        change_cname(&mut world, 1050, &zone, "DELETE", &record.name, &record.value).expect("fine");
        assert_eq!(describe(&mut world, 72 * 3600 - 1, &arn).status(), Some(&CertificateStatus::PendingValidation));
        assert_eq!(describe(&mut world, 72 * 3600, &arn).status(), Some(&CertificateStatus::ValidationTimedOut));
    }

    #[test]
    fn a_second_certificate_for_a_proved_name_is_quick() {
        let mut world = World::new(1);
        let zone = zone(&mut world, 0, "example.com");
        issued(&mut world, &zone, "example.com", &[]);
        let arn = request(&mut world, 300, "*.example.com", &[]).expect("fine");
        assert_eq!(describe(&mut world, 306, &arn).status(), Some(&CertificateStatus::PendingValidation));
        assert_eq!(describe(&mut world, 307, &arn).status(), Some(&CertificateStatus::Issued));
    }

    #[test]
    fn a_token_answers_the_first_certificate_for_an_hour_unless_it_was_deleted() {
        let mut world = World::new(1);
        let ask = |world: &mut World, s: u64, name: &str| {
            let input = asked(name, &[]).idempotency_token("shop_api").build().expect("built");
            request_certificate(world, &at(s), &input).expect("fine").certificate_arn.expect("an ARN")
        };
        let first = ask(&mut world, 0, "example.com");
        assert_eq!(ask(&mut world, 3599, "example.com"), first);
        assert_ne!(ask(&mut world, 10, "www.example.com"), first, "another request is another certificate");
        let second = ask(&mut world, 3600, "example.com");
        assert_ne!(second, first);
        delete(&mut world, 3700, &second).expect("unused");
        assert_ne!(ask(&mut world, 3700, "example.com"), second);
        let bad = asked("example.com", &[]).idempotency_token("shop-api").build().expect("built");
        assert_eq!(code(request_certificate(&mut world, &at(0), &bad)), "ValidationException");
    }

    #[test]
    fn a_certificate_in_use_cannot_be_deleted_until_acm_has_heard_that_it_is_free() {
        let mut world = World::new(1);
        let arn = request(&mut world, 0, "example.com", &[]).expect("fine");
        let user = "arn:aws:cloudfront::123456789012:distribution/E1";
        use_certificate(&mut world, &arn, user);
        assert_eq!(describe(&mut world, 1, &arn).in_use_by(), [user]);
        assert_eq!(code(delete(&mut world, 1, &arn)), "ResourceInUseException");
        release_certificate(&mut world, &arn, user, 10_000);
        assert_eq!(code(delete(&mut world, 39, &arn)), "ResourceInUseException");
        delete(&mut world, 40, &arn).expect("free");
        assert_eq!(code(delete(&mut world, 41, &arn)), "ResourceNotFoundException");
    }

    #[test]
    fn an_unused_certificate_expires_and_a_used_one_is_renewed_while_its_record_stands() {
        let mut world = World::new(1);
        let zone = zone(&mut world, 0, "example.com");
        let arn = issued(&mut world, &zone, "example.com", &[]);
        let late = 400 * 24 * 3600;
        assert_eq!(describe(&mut world, late, &arn).status(), Some(&CertificateStatus::Expired));
        use_certificate(&mut world, &arn, "arn:aws:cloudfront::123456789012:distribution/E1");
        assert_eq!(describe(&mut world, late, &arn).status(), Some(&CertificateStatus::Issued));
        let record = world.acm.certificates[&arn].records[0].clone();
        change_cname(&mut world, 300, &zone, "DELETE", &record.name, &record.value).expect("fine");
        assert_eq!(describe(&mut world, late, &arn).status(), Some(&CertificateStatus::Expired));
    }

    #[test]
    fn requests_are_checked() {
        let mut world = World::new(1);
        let mut refused =
            |input: aws_sdk_acm::operation::request_certificate::builders::RequestCertificateInputBuilder| {
                code(request_certificate(&mut world, &at(0), &input.build().expect("built")))
            };
        for name in ["com", "a..com", "-a.com", "*.*.a.com", "a.com.", "a_b.com", "www.*.com"] {
            assert_eq!(refused(asked(name, &[])), "ValidationException", "{name}");
        }
        assert_eq!(
            refused(asked(&format!("{}.{}.com", "a".repeat(40), "b".repeat(30)), &[])),
            "InvalidParameterException"
        );
        assert_eq!(refused(asked("a.com", &["b"])), "ValidationException");
        let many: Vec<String> = (0..10).map(|n| format!("n{n}.a.com")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(refused(asked("a.com", &many)), "LimitExceededException");
        assert_eq!(refused(asked("a.com", &[]).key_algorithm(KeyAlgorithm::Rsa4096)), "InvalidParameterException");
        assert_eq!(
            refused(asked("a.com", &[]).certificate_authority_arn("arn:aws:acm-pca:x")),
            "ResourceNotFoundException"
        );
        assert_eq!(refused(asked("A.com", &[])), "accepted");
    }

    #[test]
    fn a_certificate_is_found_in_its_own_region_only() {
        let mut world = World::new(1);
        let arn = request(&mut world, 0, "example.com", &[]).expect("fine");
        assert!(arn.starts_with("arn:aws:acm:us-east-1:123456789012:certificate/"), "{arn}");
        let west = Call { region: "us-west-2".to_owned(), now_ms: 0 };
        let input = DescribeCertificateInput::builder().certificate_arn(&arn).build().expect("built");
        assert_eq!(code(describe_certificate(&mut world, &west, &input)), "ResourceNotFoundException");
        let input = DescribeCertificateInput::builder().certificate_arn("example.com").build().expect("built");
        assert_eq!(code(describe_certificate(&mut world, &at(0), &input)), "InvalidArnException");
    }
}
