//! One certificate for a domain in each region that needs one, and the DNS records that all of them share.

use dr_core::{Global, Handle, Input, IntoInput, Output, Region, Scope};

use crate::acm::{Certificate, IssuedCertificate, KeyAlgorithm};
use crate::ids::{CertificateArn, HostedZoneId};
use crate::route53::RecordSet;

/// How long resolvers may keep a validation record, in seconds. It never changes.
const VALIDATION_TTL_S: u32 = 300;

/// Why such a certificate may do without an alarm before it expires.
/// <https://docs.aws.amazon.com/acm/latest/userguide/managed-renewal.html>
const RENEWED: &str = "ACM renews it while the record that validates it is there, and the stack keeps that record as long as the certificate; an alarm on its `DaysToExpiry` would tell of a renewal that fails all the same";

/// A certificate for a domain, validated by records in a zone of Route 53, in as many regions as need it.
///
/// Certificates are regional: the API domains of both regions need one each, and CloudFront one in `us-east-1`. ACM asks for the
/// same CNAME for all of them, because it depends on the account and the domain only. So the record is made once, in the global
/// scope, and goes only when the last of them goes; renewal needs it as long as they live. A record that says the same already
/// is taken over. When certificates outside of this stack use it too, it has to stay: give `global.clone().retain()`.
///
/// It takes scopes of several regions at once, which is why it is asked for by methods rather than added to one scope:
///
/// ```
/// use dr_aws::constructs::ValidatedCertificate;
/// use dr_aws::ids::HostedZoneId;
/// use dr_aws::regions::{UsEast1, UsWest2};
/// use dr_core::{Global, Stack};
///
/// let stack = Stack::build("shop", |stack| {
///     let (east, west, global) = (stack.region(UsEast1), stack.region(UsWest2), stack.region(Global));
///     let zone = HostedZoneId::literal("Z0123456789");
///     let certificate =
///         ValidatedCertificate::new("api.example.com", zone).request("certificate", &global, &east);
///     let east_arn = certificate.arn; // Output<CertificateArn<UsEast1>>
///     let west_arn = certificate.also_in(&west); // Output<CertificateArn<UsWest2>>
/// #   let _ = (east_arn, west_arn);
/// })?;
/// assert_eq!(stack.nodes().count(), 5); // two requests, two issued certificates, one record
/// # Ok::<(), dr_core::BuildErrors>(())
/// ```
#[derive(Debug, Clone)]
pub struct ValidatedCertificate {
    zone: Input<HostedZoneId>,
    domain: String,
    alternatives: Vec<String>,
    key: KeyAlgorithm,
}

/// A certificate that was requested in a first region, and can be in others.
#[derive(Debug, Clone)]
pub struct Requested<R: Region> {
    /// The issued certificate of the first region.
    pub arn: Output<CertificateArn<R>>,
    name: String,
    request: ValidatedCertificate,
    /// The validation records.
    records: Vec<Handle<RecordSet>>,
}

impl ValidatedCertificate {
    /// A certificate for a domain; `zone` is the public zone in which its name lies.
    pub fn new(domain: impl Into<String>, zone: impl IntoInput<HostedZoneId>) -> Self {
        let (alternatives, key) = Default::default();
        ValidatedCertificate { zone: zone.into_input(), domain: domain.into(), alternatives, key }
    }

    /// Adds a further name, which lies in the same zone.
    #[must_use]
    pub fn alternative(mut self, name: impl Into<String>) -> Self {
        self.alternatives.push(name.into());
        self
    }

    /// The key algorithm; RSA with 2,048 bits by default.
    #[must_use]
    pub fn key(mut self, key: KeyAlgorithm) -> Self {
        self.key = key;
        self
    }

    /// Requests it in a first region, and puts the validation records into the zone: resources under `name` in both scopes.
    #[track_caller]
    pub fn request<R: Region>(self, name: &str, global: &Scope<'_, Global>, first: &Scope<'_, R>) -> Requested<R> {
        let scope = first.scope(name);
        let certificate = scope.add("request", self.certificate());
        let validation = global.scope(name);
        let mut records = Vec::new();
        for (at, domain) in self.validated() {
            let (record_name, value) = (certificate.validation_names.at(at), certificate.validation_values.at(at));
            let record = RecordSet::cname(self.zone.clone(), record_name, value).ttl_s(VALIDATION_TTL_S);
            records.push(validation.add(("validation", domain), record));
        }
        let arn = issue(&scope, &certificate, &records);
        Requested { arn, name: name.to_owned(), request: self, records }
    }

    fn certificate<R: Region>(&self) -> Certificate<R> {
        let certificate = Certificate::new(&self.domain).key(self.key);
        self.alternatives.iter().fold(certificate, |certificate, name| certificate.alternative(name))
    }

    /// The names that need a record, with their place in the certificate. A wildcard shares that of the name without it.
    fn validated(&self) -> Vec<(u32, &str)> {
        let mut validated: Vec<(u32, &str)> = Vec::new();
        for (at, name) in (0..).zip(std::iter::once(&self.domain).chain(&self.alternatives)) {
            let plain = name.strip_prefix("*.").unwrap_or(name);
            if validated.iter().all(|(_, known)| *known != plain) {
                validated.push((at, plain));
            }
        }
        validated
    }
}

impl<R: Region> Requested<R> {
    /// The same certificate in another region, validated by the same records: its resources have the same name there.
    #[track_caller]
    pub fn also_in<Q: Region>(&self, other: &Scope<'_, Q>) -> Output<CertificateArn<Q>> {
        let scope = other.scope(self.name.as_str());
        let certificate = scope.add("request", self.request.certificate());
        issue(&scope, &certificate, &self.records)
    }
}

/// The certificate once it is issued, which comes after its records. Only the order says so: a value taken from the records
/// would make certificates and records need each other's reads when the state is lost.
#[track_caller]
fn issue<R: Region>(
    scope: &Scope<'_, R>,
    certificate: &Handle<Certificate<R>>,
    records: &[Handle<RecordSet>],
) -> Output<CertificateArn<R>> {
    let scope = records.iter().fold(scope.clone(), |scope, record| scope.after(record));
    scope.waive("cert-expiry-alarm", RENEWED).add("issued", IssuedCertificate::new(certificate.arn)).arn
}

#[cfg(test)]
mod tests {
    use dr_core::Stack;

    use super::*;
    use crate::regions::{Primary, UsEast1};

    #[test]
    fn regions_share_one_record_and_a_wildcard_that_of_its_base() {
        let stack = Stack::build("shop", |stack| {
            let (primary, edge, global) =
                (stack.region_as(Primary, "eu-west-1"), stack.region(UsEast1), stack.region(Global));
            let wanted = ValidatedCertificate::new("example.com", HostedZoneId::literal("Z1"));
            let wanted = wanted.alternative("*.example.com").alternative("*.api.example.com");
            wanted.request("tls", &global, &primary).also_in(&edge);
        })
        .unwrap();
        let addresses: Vec<_> = stack.nodes().map(|node| node.address.to_string()).collect();
        assert_eq!(
            addresses,
            [
                "primary/tls.request",
                "global/tls.validation[example.com]",
                "global/tls.validation[api.example.com]",
                "primary/tls.issued",
                "us-east-1/tls.request",
                "us-east-1/tls.issued",
            ]
        );
        let inputs = &stack.get("global/tls.validation[api.example.com]").unwrap().inputs;
        assert_eq!(inputs["name"]["$ref"], "primary/tls.request#validation_names[2]");
        for issued in ["primary/tls.issued", "us-east-1/tls.issued"] {
            let needs: Vec<_> = stack.needs(issued).map(|(node, _)| node.address.as_str()).collect();
            assert!(needs.contains(&"global/tls.validation[example.com]"), "{needs:?}");
        }
    }
}
