//! AWS Certificate Manager: public certificates, validated by DNS.
//!
//! A certificate is two resources, because two things happen to it: [`Certificate`] is the request, which says what record
//! proves that the domain is yours; [`IssuedCertificate`] is the same certificate once that record was seen. Listeners, API
//! domains and distributions take the second one's ARN, so nothing can be wired to a certificate that may never be issued.

mod certificate;
mod issued;

use std::sync::Arc;

use aws_sdk_acm::types::KeyAlgorithm as ModelKeyAlgorithm;
use aws_sdk_acm::types::{CertificateDetail, CertificateStatus, CertificateSummary, CertificateType, Filters};
use dr_core::{Class, CloudError, Registry, Scan};

use crate::Aws;
use crate::call::{Call as _, GoneOk as _};

pub use certificate::{Certificate, CertificateArgs, CertificateOutputs, CertificateRefs, KeyAlgorithm};
pub use issued::{IssuedCertificate, IssuedCertificateArgs, IssuedCertificateOutputs, IssuedCertificateRefs};

/// Adds the resource types of this service.
pub(crate) fn register(registry: Registry, aws: &Arc<Aws>) -> Registry {
    registry.with::<Certificate>(aws).with::<IssuedCertificate>(aws)
}

/// The certificates of the region that ACM issues or issued, ours and others'.
async fn listed(scan: &Scan<Aws>) -> Result<Arc<Vec<CertificateSummary>>, CloudError> {
    let read = || async {
        // Without the key types ACM leaves out everything but RSA up to 2048 bits.
        let keys = [ModelKeyAlgorithm::Rsa2048, ModelKeyAlgorithm::EcPrime256v1];
        let includes = Filters::builder().set_key_types(Some(keys.to_vec())).build();
        let client = scan.cloud.acm(&scan.region);
        let pages = client.list_certificates().includes(includes).into_paginator().page_size(1000).items().send();
        let mut all = pages.collect::<Result<Vec<_>, _>>().await.call("acm:ListCertificates")?;
        all.retain(|one| one.r#type().is_none_or(|kind| *kind == CertificateType::AmazonIssued));
        Ok(all)
    };
    scan.cloud.shared(scan, "acm:ListCertificates", "", read).await
}

/// A certificate in detail; `None` when it is not there, which is so in the first seconds after the request too.
async fn described(aws: &Aws, region: &str, arn: &str) -> Result<Option<CertificateDetail>, CloudError> {
    let answer = aws.acm(region).describe_certificate().certificate_arn(arn).send().await;
    Ok(answer.call("acm:DescribeCertificate").gone_ok()?.and_then(|answer| answer.certificate))
}

/// Whether a certificate in this state will never be issued, or no longer serves.
fn is_dead(status: Option<&CertificateStatus>) -> bool {
    use CertificateStatus::{Expired, Failed, Inactive, Revoked, ValidationTimedOut};
    matches!(status, Some(Expired | Failed | Inactive | Revoked | ValidationTimedOut))
}

/// Why a dead certificate is dead.
fn dead(detail: &CertificateDetail) -> CloudError {
    let status = detail.status().map_or("UNKNOWN", |status| status.as_str());
    let text = match detail.failure_reason() {
        Some(reason) => format!("the certificate is {status}: {}", reason.as_str()),
        None => format!("the certificate is {status}"),
    };
    let hint = match status {
        "VALIDATION_TIMED_OUT" => {
            "the validation record was not seen within 72 hours: is the zone delegated to its Route 53 name servers?"
        }
        "FAILED" => "ACM does not issue for this domain: see the reason, and the CAA records of the domain",
        _ => "request a new certificate: the next deploy replaces this one",
    };
    CloudError::new("acm:DescribeCertificate", status, text, Class::Permanent).hint(hint)
}
