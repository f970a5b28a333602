//! AWS Certificate Manager: certificates that are validated by DNS, in every region.
//!
//! API: AWS Certificate Manager 2015-12-08. A certificate is `ISSUED` only when each of its validation records really is in
//! a public hosted zone of this world, the change that put it there is in sync, and ACM has found it
//! ([`Slow::Certificate`]). Renewal looks at the same records, as ACM does.

mod listing;
pub(crate) mod requests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Answer, Refusal, Table, route53};
use crate::latency::Slow;
use crate::world::World;

/// The service name in the SDK's metadata.
const SERVICE: &str = "ACM";

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// A request whose records never appear fails after 72 hours (ACM User Guide, "Timed out").
const VALIDATION_MOST_MS: u64 = 72 * HOUR_MS;
/// Public certificates are valid for 13 months, that is 395 days (ACM User Guide, "Certificate characteristics").
const VALIDITY_MS: u64 = 395 * DAY_MS;
/// ACM begins to renew 60 days before the end (ACM User Guide, "Managed certificate renewal").
const RENEWAL_MS: u64 = 60 * DAY_MS;
/// From the record data to `ISSUED` when the records were in DNS before the request (a published run shows 2 s).
const KNOWN_NAME_MS: u64 = 2000;

/// The certificates of all regions, by ARN.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) certificates: BTreeMap<String, Certificate>,
    /// Requests that carried a token, for one hour: by region, token and what was asked for.
    tokens: BTreeMap<String, Token>,
}

/// What a request with an idempotency token has made.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Token {
    arn: String,
    expires_ms: u64,
}

/// A certificate, requested or issued.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Certificate {
    pub(crate) arn: String,
    pub(crate) region: String,
    /// The common name: the one that was asked for first.
    pub(crate) domain_name: String,
    /// All names with the common one, in order; lower case, a leading `*.` stands for one label.
    pub(crate) names: Vec<String>,
    /// `RSA_2048`, `EC_prime256v1` or `EC_secp384r1`.
    pub(crate) key_algorithm: String,
    /// `DNS` or `EMAIL`; nobody here answers the mail, so a certificate with `EMAIL` stays pending.
    pub(crate) validation_method: String,
    /// What was asked for: whether the certificate can be exported (`ENABLED`, `DISABLED`).
    pub(crate) export: Option<String>,
    pub(crate) requested_ms: u64,
    /// From when on DescribeCertificate tells the validation records.
    pub(crate) records_at_ms: u64,
    /// One record per name without its `*.`, so a wildcard shares the record of its base name.
    pub(crate) records: Vec<ValidationRecord>,
    /// How long ACM takes once the records are in DNS.
    issue_ms: u64,
    /// When it is, was or will be `ISSUED`; `None` while a record is missing. Set again whenever records change.
    pub(crate) issued_at_ms: Option<u64>,
    serial: String,
    /// ARNs of what uses it: listeners, API Gateway domain names, distributions.
    users: BTreeSet<String>,
    /// Users that are gone, and until when ACM still counts them.
    leaving: BTreeMap<String, u64>,
    pub(crate) tags: BTreeMap<String, String>,
}

/// The CNAME record that proves control of a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ValidationRecord {
    /// The name it proves, without `*.`.
    pub(crate) domain: String,
    /// With a trailing dot.
    pub(crate) name: String,
    /// With a trailing dot.
    pub(crate) value: String,
}

/// Status of a certificate at a moment, as the API spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    PendingValidation,
    Issued,
    ValidationTimedOut,
    Expired,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Status::PendingValidation => "PENDING_VALIDATION",
            Status::Issued => "ISSUED",
            Status::ValidationTimedOut => "VALIDATION_TIMED_OUT",
            Status::Expired => "EXPIRED",
        }
    }
}

impl Certificate {
    fn issued(&self, now_ms: u64) -> Option<u64> {
        self.issued_at_ms.filter(|at| *at <= now_ms)
    }

    /// Who counts as a user at that moment.
    fn users(&self, now_ms: u64) -> Vec<String> {
        let leaving = self.leaving.iter().filter(|(_, until)| **until > now_ms).map(|(user, _)| user);
        let all: BTreeSet<&String> = self.users.iter().chain(leaving).collect();
        all.into_iter().cloned().collect()
    }

    /// Whether one of its names covers `host`: equal, or `*.` in place of the first label. No trailing dot, any case.
    pub(crate) fn covers(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_lowercase();
        let beyond_first_label = host.split_once('.').map(|(_, rest)| rest);
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            // A wildcard name that is itself asked for (an alias `*.example.com`) is covered by the same wildcard only.
            Some(base) => *name == host || (beyond_first_label == Some(base) && !host.starts_with("*.")),
            None => *name == host,
        })
    }
}

pub(crate) fn register(table: &mut Table) {
    requests::register(table);
    listing::register(table);
}

/// The status at that moment. Renewal is judged by what is in DNS and in use at the same moment.
pub(crate) fn status(world: &World, certificate: &Certificate, now_ms: u64) -> Status {
    match certificate.issued(now_ms) {
        Some(_) if valid_until(world, certificate, now_ms) <= now_ms => Status::Expired,
        Some(_) => Status::Issued,
        None if now_ms >= certificate.requested_ms + VALIDATION_MOST_MS => Status::ValidationTimedOut,
        None => Status::PendingValidation,
    }
}

/// The end of validity. ACM renews a certificate that something uses as long as its records are in DNS.
fn valid_until(world: &World, certificate: &Certificate, now_ms: u64) -> u64 {
    let mut until = certificate.issued_at_ms.unwrap_or(certificate.requested_ms) + VALIDITY_MS;
    let renewable = !certificate.users(now_ms).is_empty() && proved_from(world, certificate).is_some();
    while renewable && now_ms + RENEWAL_MS >= until {
        until += VALIDITY_MS - RENEWAL_MS;
    }
    until
}

/// From when on every validation record is in DNS; `None` when one is not there.
fn proved_from(world: &World, certificate: &Certificate) -> Option<u64> {
    if certificate.validation_method != "DNS" {
        return None;
    }
    certificate.records.iter().map(|record| route53::cname_in_dns_from(world, &record.name, &record.value)).max()?
}

/// Whether the certificate exists in `region` and is `ISSUED` at that moment; what a listener or a domain name needs.
pub(crate) fn is_issued(world: &World, region: &str, arn: &str, now_ms: u64) -> bool {
    let certificate = world.acm.certificates.get(arn).filter(|certificate| certificate.region == region);
    certificate.is_some_and(|certificate| status(world, certificate, now_ms) == Status::Issued)
}

/// Whether one of the certificate's names covers `host`: equal, or `*.` in place of its first label.
pub(crate) fn covers(world: &World, arn: &str, host: &str) -> bool {
    world.acm.certificates.get(arn).is_some_and(|certificate| certificate.covers(host))
}

/// Records that `user_arn` (a listener, an API Gateway domain name, a distribution) uses the certificate. Call it once the
/// user exists; naming it twice is harmless.
pub(crate) fn use_certificate(world: &mut World, arn: &str, user_arn: &str) {
    if let Some(certificate) = world.acm.certificates.get_mut(arn) {
        certificate.leaving.remove(user_arn);
        certificate.users.insert(user_arn.to_owned());
    }
}

/// Records that `user_arn` no longer uses the certificate. ACM learns of it late ([`Slow::CertificateRelease`]), hence the
/// time; until then DeleteCertificate is refused.
pub(crate) fn release_certificate(world: &mut World, arn: &str, user_arn: &str, now_ms: u64) {
    let until_ms = now_ms + world.latency(Slow::CertificateRelease);
    if let Some(certificate) = world.acm.certificates.get_mut(arn)
        && certificate.users.remove(user_arn)
    {
        certificate.leaving.insert(user_arn.to_owned(), until_ms);
    }
}

/// The ARNs of what uses the certificate at that moment, as DescribeCertificate shows it in `InUseBy`.
pub(crate) fn in_use_by(world: &World, arn: &str, now_ms: u64) -> Vec<String> {
    world.acm.certificates.get(arn).map(|certificate| certificate.users(now_ms)).unwrap_or_default()
}

/// Route 53 tells that records of a zone have changed: pending certificates may be issued now, or may no longer be.
pub(crate) fn records_changed(world: &mut World, now_ms: u64) {
    let pending: Vec<(String, Option<u64>)> = world
        .acm
        .certificates
        .values()
        .filter(|certificate| certificate.issued(now_ms).is_none())
        .map(|certificate| (certificate.arn.clone(), issue_instant(world, certificate)))
        .collect();
    for (arn, issued_at_ms) in pending {
        if let Some(certificate) = world.acm.certificates.get_mut(&arn) {
            certificate.issued_at_ms = issued_at_ms;
        }
    }
}

/// When a certificate is issued if DNS stays as it is.
fn issue_instant(world: &World, certificate: &Certificate) -> Option<u64> {
    let proved = proved_from(world, certificate)?;
    let at = if proved <= certificate.requested_ms {
        certificate.records_at_ms + KNOWN_NAME_MS
    } else {
        proved.max(certificate.records_at_ms) + certificate.issue_ms
    };
    (at < certificate.requested_ms + VALIDATION_MOST_MS).then_some(at)
}

/// The record that proves control of `domain` (without `*.`): the same in every region and for every certificate of an
/// account, so that certificates of one name share it.
fn validation_record(account: &str, domain: &str) -> ValidationRecord {
    let letters: String = hash(&format!("zone|{account}|{domain}")).to_be_bytes()[..10]
        .iter()
        .map(|b| char::from(b'a' + b % 26))
        .collect();
    ValidationRecord {
        domain: domain.to_owned(),
        name: format!("_{:032x}.{domain}.", hash(&format!("name|{account}|{domain}"))),
        value: format!("_{:032x}.{letters}.acm-validations.aws.", hash(&format!("value|{account}|{domain}"))),
    }
}

/// FNV-1a, 128 bits: enough to give every name its own record.
fn hash(text: &str) -> u128 {
    text.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}

/// The certificate of a call, which must be of the region that is asked.
fn certificate<'w>(world: &'w World, region: &str, arn: &str) -> Answer<&'w Certificate> {
    world.acm.certificates.get(arn).filter(|certificate| certificate.region == region).ok_or_else(|| not_found(arn))
}

fn not_found(arn: &str) -> Refusal {
    Refusal::new("ResourceNotFoundException", format!("Could not find certificate {arn}."))
}

/// The ARN parameter of a call.
fn arn(value: &Option<String>) -> Answer<&str> {
    let arn = value.as_deref().ok_or_else(|| {
        Refusal::new(
            "ValidationException",
            "1 validation error detected: Value null at 'certificateArn' failed to satisfy constraint: Member \
             must not be null",
        )
    })?;
    if arn.starts_with("arn:") && arn.split(':').count() == 6 && arn.contains(":acm:") {
        Ok(arn)
    } else {
        Err(Refusal::new("InvalidArnException", format!("{arn} is not a valid certificate ARN.")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_covers_one_label_and_not_its_base() {
        let mut world = World::new(1);
        let arn = requests::tests::request(&mut world, 0, "example.com", &["*.api.example.com"]).expect("fine");
        let covered = |host: &str| covers(&world, &arn, host);
        assert!(
            covered("example.com")
                && covered("EXAMPLE.com.")
                && covered("a.api.example.com")
                && covered("*.api.example.com")
        );
        assert!(!covered("www.example.com") && !covered("api.example.com") && !covered("a.b.api.example.com"));
        assert!(!covers(&world, "arn:aws:acm:us-east-1:1:certificate/none", "example.com"));
    }

    #[test]
    fn the_validation_record_is_the_same_for_a_name_and_its_wildcard_and_differs_between_names() {
        let one = validation_record("123456789012", "example.com");
        assert_eq!(one, validation_record("123456789012", "example.com"));
        let shape = |text: &str, rest: &str| {
            text.strip_prefix('_')
                .and_then(|t| t.strip_suffix(rest))
                .is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        assert!(shape(&one.name, ".example.com."), "{}", one.name);
        let zone = one.value.split('.').nth(1).expect("a label").to_owned();
        assert!(shape(&one.value, &format!(".{zone}.acm-validations.aws.")) && zone.len() == 10, "{}", one.value);
        let other = validation_record("123456789012", "www.example.com");
        assert!(one.value != other.value && one.name.split('.').next() != other.name.split('.').next());
    }
}
