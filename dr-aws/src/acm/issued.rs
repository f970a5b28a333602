//! `aws.acm.issued_certificate`: a requested certificate once ACM has issued it. No object of its own.
//!
//! API: DescribeCertificate (ACM 2015-12-08). Find: the certificate. Change: another certificate replaces, the new one first.

use std::time::Duration;

use aws_sdk_acm::types::{CertificateDetail, CertificateStatus};
use dr_core::{
    Anywhere, Class, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Region, Resource,
    Scan, Settled, Wanted,
};

use super::{dead, described, is_dead, listed};
use crate::Aws;
use crate::ids::{CertificateArn, RequestedCertificateArn};

/// A certificate that ACM has issued: it waits until the validation record was seen, a minute or two after it is in DNS.
///
/// It stands for the certificate that [`Certificate`](super::Certificate) requested and makes no object at AWS: creating and
/// deleting it are no calls. What uses a certificate takes its ARN from here. A certificate that exists already is given as
/// [`CertificateArn::literal`].
///
/// - Inputs: the requested certificate (another one replaces, the new one first), and the names of its validation records, so
///   that it comes after them. When a record is not the one that ACM asks for, it fails instead of waiting for 72 hours.
/// - Ready: when it is `ISSUED`, in about 100 seconds.
/// - Calls: DescribeCertificate, ListCertificates.
/// - AWS: <https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html>
#[derive(Debug, Clone, Resource)]
#[resource(type = "aws.acm.issued_certificate", outputs = IssuedCertificateOutputs, create_s = 100, delete_s = 0)]
pub struct IssuedCertificate<R: Region = Anywhere> {
    /// The request.
    #[input(replace)]
    certificate: Input<RequestedCertificateArn<R>>,
    /// The names of the records that validate it. ACM looks for them on its own, so they need only be on their way.
    #[input(accepted)]
    records: Vec<Input<String>>,
}

/// What is known of an issued certificate.
#[derive(Debug, Clone, PartialEq, Outputs)]
#[non_exhaustive]
pub struct IssuedCertificateOutputs<R: Region = Anywhere> {
    /// Its ARN, the same as that of the request.
    pub arn: CertificateArn<R>,
}

impl<R: Region> IssuedCertificate<R> {
    /// The issued form of a requested certificate.
    pub fn new(certificate: impl IntoInput<RequestedCertificateArn<R>>) -> Self {
        IssuedCertificate { certificate: certificate.into_input(), records: Vec::new() }
    }

    /// It comes after this validation record, given by its name.
    #[must_use]
    pub fn validated_by(mut self, record_name: impl IntoInput<String>) -> Self {
        self.records.push(record_name.into_input());
        self
    }
}

fn outputs(args: &IssuedCertificateArgs) -> IssuedCertificateOutputs {
    IssuedCertificateOutputs { arn: CertificateArn::literal(args.certificate.as_str()) }
}

/// A record that ACM asks for and that is not among those given: another certificate's record would never validate this one.
fn missing_record<'d>(args: &IssuedCertificateArgs, detail: &'d CertificateDetail) -> Option<&'d str> {
    let plain = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
    let given: Vec<String> = args.records.iter().map(|name| plain(name)).collect();
    let asked = detail.domain_validation_options().iter().filter_map(|option| option.resource_record());
    asked.map(|record| record.name()).find(|name| !given.is_empty() && !given.contains(&plain(name)))
}

impl Lifecycle for IssuedCertificate {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let listed = listed(scan).await?;
        let found = wanted.iter().filter_map(|want| {
            let arn = want.args.certificate.as_str();
            let summary = listed.iter().find(|summary| summary.certificate_arn() == Some(arn))?;
            let health = match summary.status() {
                Some(CertificateStatus::Issued) => Health::Ready,
                status if is_dead(status) => Health::Failed,
                _ => Health::Pending,
            };
            Some(Found {
                address: want.address.clone(),
                generation: want.generation,
                args: Some(want.args.clone()),
                outputs: outputs(&want.args),
                health,
                tags: None,
            })
        });
        Ok(found.collect())
    }

    async fn create(_: &Cx<Aws>, args: &IssuedCertificateArgs) -> Result<IssuedCertificateOutputs, CloudError> {
        Ok(outputs(args))
    }

    async fn update(
        _: &Cx<Aws>,
        _: &Prior<Self>,
        args: &IssuedCertificateArgs,
    ) -> Result<IssuedCertificateOutputs, CloudError> {
        Ok(outputs(args))
    }

    async fn delete(_: &Cx<Aws>, _: &Prior<Self>) -> Result<(), CloudError> {
        Ok(())
    }

    async fn ready(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<Settled<IssuedCertificateOutputs>, CloudError> {
        let arn = current.args.certificate.as_str();
        let later = Settled::AskAgainIn(Duration::from_secs(3));
        let Some(detail) = described(&cx.cloud, &cx.owner.region, arn).await? else { return Ok(later) };
        Ok(match detail.status() {
            Some(CertificateStatus::Issued) => Settled::Yes(current.outputs.clone()),
            status if is_dead(status) => Settled::Failed(dead(&detail)),
            _ => match missing_record(&current.args, &detail) {
                None => later,
                Some(name) => {
                    let text = format!("ACM asks for the record {name}, which is not among those that come before it");
                    let error =
                        CloudError::new("acm:DescribeCertificate", "OtherValidationRecord", text, Class::Permanent);
                    Settled::Failed(
                        error.hint("add a CNAME with the certificate's own `validation_name` and `validation_value`"),
                    )
                }
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_acm::Client;
    use aws_sdk_acm::operation::describe_certificate::DescribeCertificateOutput;
    use aws_sdk_acm::types::{DomainValidation, FailureReason, RecordType, ResourceRecord};
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::testing::cx;

    /// What `ready` says of a certificate in this state, with the record `_x.example.com` before it.
    async fn settled(status: CertificateStatus, asks_for: &'static str) -> Settled<IssuedCertificateOutputs> {
        let describe = mock!(Client::describe_certificate).then_output(move || {
            let record =
                ResourceRecord::builder().name(asks_for).r#type(RecordType::Cname).value("_y.aws.").build().unwrap();
            let option =
                DomainValidation::builder().domain_name("example.com").resource_record(record).build().unwrap();
            let detail = CertificateDetail::builder().status(status.clone()).domain_validation_options(option);
            let failed = status == CertificateStatus::Failed;
            let detail = if failed { detail.failure_reason(FailureReason::CaaError) } else { detail };
            DescribeCertificateOutput::builder().certificate(detail.build()).build()
        });
        let certificate = RequestedCertificateArn::literal("arn:c");
        let args = IssuedCertificateArgs { certificate, records: vec!["_X.example.com".into()] };
        let current = Prior { outputs: outputs(&args), args };
        IssuedCertificate::ready(&cx(&[&describe]), &current).await.unwrap()
    }

    #[tokio::test]
    async fn it_waits_for_its_own_record_and_for_no_other() {
        assert!(matches!(
            settled(CertificateStatus::PendingValidation, "_x.example.com.").await,
            Settled::AskAgainIn(_)
        ));
        assert!(matches!(settled(CertificateStatus::Issued, "_x.example.com.").await, Settled::Yes(_)));
        let Settled::Failed(error) = settled(CertificateStatus::PendingValidation, "_other.example.com.").await else {
            panic!("nothing will ever validate it");
        };
        assert!(error.message.contains("_other.example.com."), "{error}");
        let Settled::Failed(error) = settled(CertificateStatus::Failed, "_x.example.com.").await else {
            panic!("it failed");
        };
        assert!(error.message.contains("CAA_ERROR"), "{error}");
    }
}
