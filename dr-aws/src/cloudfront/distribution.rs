//! `aws.cloudfront.distribution`: a content delivery network in front of one origin, or of two.
//!
//! API: CreateDistributionWithTags, ListDistributions, GetDistribution, GetDistributionConfig, UpdateDistribution (with the
//! current ETag), TagResource, UntagResource, ListTagsForResource, DeleteDistribution (CloudFront 2020-05-31). Find: a mark in the
//! comment, then tags. Change: all in place. Delete: after its alias records; disabled first, which takes minutes.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudfront::operation::get_distribution_config::GetDistributionConfigOutput;
use aws_sdk_cloudfront::types::{
    Distribution as Model, DistributionConfig, DistributionConfigWithTags, DistributionSummary, Tag, TagKeys, Tags,
};
use dr_core::{
    Class, CloudError, Cx, Found, Global, Health, Input, Inputs, IntoInput, Lifecycle, Outputs, Prior, Problems,
    Resource, Scan, Settled, Wanted,
};
use serde::{Deserialize, Serialize};

use super::{ALL_VIEWER_EXCEPT_HOST, CACHING_DISABLED, HOSTED_ZONE, config};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{CertificateArn, DistributionId, HostedZoneId};
use crate::read::{Promised as _, wanted_as};
use crate::regions::UsEast1;
use crate::{marks, tags};

/// The longest comment.
const COMMENT_LEN_MAX: usize = 128;
/// How often a distribution is looked at while it spreads; it takes minutes.
const ASK_AGAIN: Duration = Duration::from_secs(4);

/// A CloudFront distribution in front of an API: HTTPS everywhere, all methods, nothing cached, everything forwarded.
///
/// The origin is called by its own name, so a failover pair of DNS records behind that name moves the traffic of all users
/// within its time to live. Give the name as a text rather than as an output of its records: CloudFront does not need them to
/// exist, and neither has to wait for the other.
///
/// - Inputs: the origin; the names under which users reach it, with a certificate of `us-east-1` that covers them (none by
///   default); a second origin for reads (none by default); the policies, the price class (everywhere by default), IPv6 (on
///   by default) and how long errors are kept (0 seconds by default). All change in place. A name can be on one distribution
///   only.
/// - Ready: when it is `Deployed`, in about 215 seconds; gone when it has spread disabled and is deleted, in about 440.
/// - Calls: CreateDistributionWithTags, ListDistributions, GetDistribution, GetDistributionConfig, UpdateDistribution,
///   DeleteDistribution.
/// - AWS: <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/distribution-working-with.html>
#[derive(Debug, Clone, Resource)]
#[resource(
    type = "aws.cloudfront.distribution",
    outputs = DistributionOutputs,
    region = Global,
    create_s = 215,
    delete_s = 440,
    settle_s = 5400,
    replacement = "delete-first",
    check = Distribution::check_inputs
)]
pub struct Distribution {
    /// Whether it answers; always so here, an input so that its loss is seen.
    enabled: bool,
    /// The names under which users reach it.
    aliases: Vec<String>,
    /// Where requests go.
    #[input(nested, accepted)]
    origin: Origin,
    /// Where reads go that the origin does not answer.
    #[input(nested, accepted)]
    fallback: Option<Fallback>,
    /// The certificate for the names, of `us-east-1`.
    certificate: Option<Input<CertificateArn<UsEast1>>>,
    /// What happens to plain HTTP.
    viewer_protocol: ViewerProtocol,
    /// The cache policy, by id.
    cache_policy: String,
    /// The origin request policy, by id.
    origin_request_policy: Option<String>,
    /// How long an answer 500, 502, 503 or 504 is kept, in seconds.
    error_caching_s: u32,
    /// From where it answers.
    price_class: PriceClass,
    /// Whether it answers over IPv6.
    ipv6: bool,
}

/// An origin that is reached over HTTPS with TLS 1.2, by a name in public DNS.
#[derive(Debug, Clone, Inputs)]
pub struct Origin {
    /// The name, also the `Host` header and the TLS server name.
    domain: Input<String>,
    /// How often a connection is tried, 1 to 3.
    connection_attempts: u8,
    /// How long one try may take, 1 to 10 seconds.
    connection_timeout_s: u8,
    /// How long the origin may take to answer, 1 to 120 seconds.
    read_timeout_s: u8,
    /// How long an idle connection is kept, 1 to 120 seconds.
    keepalive_timeout_s: u8,
}

/// A second origin. Only GET, HEAD and OPTIONS are repeated there: writes are left to the failover of DNS.
#[derive(Debug, Clone, Inputs)]
pub struct Fallback {
    /// The origin.
    #[input(nested)]
    origin: Origin,
    /// The answers after which it is asked, of 400, 403, 404, 416, 500, 502, 503 and 504.
    status_codes: Vec<u16>,
}

/// What happens to requests over plain HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewerProtocol {
    /// They are redirected.
    RedirectToHttps,
    /// They are refused.
    HttpsOnly,
    /// They are answered.
    AllowAll,
}

/// From where a distribution answers, and what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceClass {
    /// From everywhere.
    All,
    /// From everywhere but South America, Australia and New Zealand (price class 200).
    Most,
    /// From North America, Europe and Israel (price class 100).
    Cheapest,
}

/// What is known of a distribution.
#[derive(Debug, Clone, PartialEq, Outputs)]
#[non_exhaustive]
pub struct DistributionOutputs {
    /// Its id, `E…`.
    pub id: DistributionId,
    /// Its ARN.
    pub arn: String,
    /// The name that alias records point to, `d….cloudfront.net`.
    pub domain_name: String,
    /// The hosted zone of that name, for alias records.
    pub hosted_zone: HostedZoneId,
}

impl Distribution {
    /// In front of an origin, by its name or with settings: `Distribution::new("origin.example.com")`.
    pub fn new(origin: impl Into<Origin>) -> Self {
        Distribution {
            enabled: true,
            aliases: Vec::new(),
            origin: origin.into(),
            fallback: None,
            certificate: None,
            viewer_protocol: ViewerProtocol::RedirectToHttps,
            cache_policy: CACHING_DISABLED.to_owned(),
            origin_request_policy: Some(ALL_VIEWER_EXCEPT_HOST.to_owned()),
            error_caching_s: 0,
            price_class: PriceClass::All,
            ipv6: true,
        }
    }

    /// The names under which users reach it, and a certificate of `us-east-1` that covers all of them.
    #[must_use]
    pub fn aliases<N: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = N>,
        certificate: impl IntoInput<CertificateArn<UsEast1>>,
    ) -> Self {
        self.aliases = names.into_iter().map(Into::into).collect();
        self.certificate = Some(certificate.into_input());
        self
    }

    /// A second origin for reads (GET, HEAD, OPTIONS) after a failed connection or an answer 500, 502, 503 or 504.
    #[must_use]
    pub fn fallback(mut self, origin: impl Into<Origin>) -> Self {
        self.fallback = Some(Fallback { origin: origin.into(), status_codes: vec![500, 502, 503, 504] });
        self
    }

    /// The answers after which the second origin is asked.
    #[must_use]
    pub fn fallback_on(mut self, status_codes: impl IntoIterator<Item = u16>) -> Self {
        if let Some(fallback) = &mut self.fallback {
            fallback.status_codes = status_codes.into_iter().collect();
        }
        self
    }

    /// What happens to plain HTTP; it is redirected by default.
    #[must_use]
    pub fn viewer_protocol(mut self, protocol: ViewerProtocol) -> Self {
        self.viewer_protocol = protocol;
        self
    }

    /// The cache policy, by id; [`CACHING_DISABLED`] by default.
    #[must_use]
    pub fn cache_policy(mut self, id: impl Into<String>) -> Self {
        self.cache_policy = id.into();
        self
    }

    /// The origin request policy, by id; [`ALL_VIEWER_EXCEPT_HOST`] by default. One that forwards the viewer's `Host` needs an
    /// origin that answers to that name.
    #[must_use]
    pub fn origin_request_policy(mut self, id: Option<&str>) -> Self {
        self.origin_request_policy = id.map(str::to_owned);
        self
    }

    /// How long an answer 500, 502, 503 or 504 is kept, in seconds: 0 here, 10 at CloudFront. Every second is one more that
    /// users see after a failover.
    #[must_use]
    pub fn error_caching_s(mut self, seconds: u32) -> Self {
        self.error_caching_s = seconds;
        self
    }

    /// From where it answers; from everywhere by default.
    #[must_use]
    pub fn price_class(mut self, class: PriceClass) -> Self {
        self.price_class = class;
        self
    }

    /// It answers over IPv4 only, and needs no AAAA record.
    #[must_use]
    pub fn without_ipv6(mut self) -> Self {
        self.ipv6 = false;
        self
    }

    /// Whether it answers over IPv6, so that its names need an AAAA record.
    #[must_use]
    pub fn has_ipv6(&self) -> bool {
        self.ipv6
    }

    fn check_inputs(&self, problems: &mut Problems) {
        self.origin.check("origin", problems);
        if let Some(fallback) = &self.fallback {
            fallback.origin.check("fallback", problems);
            let known = [400, 403, 404, 416, 500, 502, 503, 504];
            let unknown = fallback.status_codes.iter().any(|code| !known.contains(code));
            if fallback.status_codes.is_empty() || unknown {
                problems.report("fallback", "asked after some of 400, 403, 404, 416, 500, 502, 503 and 504");
            }
        }
        if self.aliases.len() > 100 {
            problems.report("aliases", "a distribution has at most 100 names");
        }
        for name in &self.aliases {
            let plain = name.strip_prefix("*.").unwrap_or(name);
            if plain.contains('*')
                || !plain.contains('.')
                || name.ends_with('.')
                || name.bytes().any(|b| b.is_ascii_uppercase())
            {
                problems
                    .report("aliases", format_args!("`{name}` is no domain name in lower case without a trailing dot"));
            }
        }
    }
}

impl Origin {
    /// An origin by its name: two connection attempts of 5 seconds, 30 seconds for an answer, 5 seconds of keep-alive.
    ///
    /// CloudFront's own defaults (three attempts of 10 seconds) make users wait half a minute for a region that is gone.
    pub fn new(domain: impl IntoInput<String>) -> Self {
        Origin {
            domain: domain.into_input(),
            connection_attempts: 2,
            connection_timeout_s: 5,
            read_timeout_s: 30,
            keepalive_timeout_s: 5,
        }
    }

    /// How often a connection is tried (1 to 3), and how long one try may take (1 to 10 seconds).
    #[must_use]
    pub fn connection(mut self, attempts: u8, timeout_s: u8) -> Self {
        self.connection_attempts = attempts;
        self.connection_timeout_s = timeout_s;
        self
    }

    /// How long the origin may take to answer, 1 to 120 seconds; longer than the integration's time-out, so that the API can
    /// say what is wrong.
    #[must_use]
    pub fn read_timeout_s(mut self, seconds: u8) -> Self {
        self.read_timeout_s = seconds;
        self
    }

    /// How long an idle connection is kept, 1 to 120 seconds. A kept connection goes on to the old region after a failover.
    #[must_use]
    pub fn keepalive_timeout_s(mut self, seconds: u8) -> Self {
        self.keepalive_timeout_s = seconds;
        self
    }

    fn check(&self, input: &str, problems: &mut Problems) {
        if let Some(domain) =
            self.domain.as_known().filter(|domain| domain.contains(['/', ':']) || !domain.contains('.'))
        {
            problems
                .report(input, format_args!("`{domain}`: an origin is a domain name, without scheme, port and path"));
        }
        if !(1..=3).contains(&self.connection_attempts) {
            problems.report(input, "a connection is tried 1 to 3 times");
        }
        if !(1..=10).contains(&self.connection_timeout_s) {
            problems.report(input, "a connection may take 1 to 10 seconds");
        }
        for (what, seconds) in [("an answer", self.read_timeout_s), ("an idle connection", self.keepalive_timeout_s)] {
            if !(1..=120).contains(&seconds) {
                problems.report(input, format_args!("{what} has 1 to 120 seconds"));
            }
        }
    }
}

impl<D: IntoInput<String>> From<D> for Origin {
    fn from(domain: D) -> Self {
        Origin::new(domain)
    }
}

impl OriginArgs {
    /// An origin with CloudFront's own settings.
    pub(super) fn default_of(domain: String) -> Self {
        let (connection_attempts, connection_timeout_s, read_timeout_s, keepalive_timeout_s) = (3, 10, 30, 5);
        OriginArgs { domain, connection_attempts, connection_timeout_s, read_timeout_s, keepalive_timeout_s }
    }
}

fn outputs(id: &str, arn: &str, domain_name: &str) -> DistributionOutputs {
    DistributionOutputs {
        id: DistributionId::literal(id),
        arn: arn.to_owned(),
        domain_name: domain_name.to_owned(),
        hosted_zone: HostedZoneId::literal(HOSTED_ZONE),
    }
}

fn sdk_tags(tags: BTreeMap<String, String>) -> Tags {
    let tag = |(key, value)| Tag::builder().key(key).value(value).build().expect("the key is set");
    Tags::builder().set_items(Some(tags.into_iter().map(tag).collect())).build()
}

/// All tags of a distribution; none of one that is not there.
async fn read_tags(aws: &Aws, arn: &str) -> Result<BTreeMap<String, String>, CloudError> {
    let answer = aws.cloudfront().list_tags_for_resource().resource(arn).send().await;
    let tags = answer.call("cloudfront:ListTagsForResource").gone_ok()?.and_then(|answer| answer.tags);
    let tags = tags.and_then(|tags| tags.items).unwrap_or_default();
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value.unwrap_or_default())).collect())
}

async fn write_tags(cx: &Cx<Aws>, arn: &str, present: &BTreeMap<String, String>) -> Result<(), CloudError> {
    let client = cx.cloud.cloudfront();
    let (wanted, surplus) = tags::changes(&cx.owner, present);
    if !wanted.is_empty() {
        let call = client.tag_resource().resource(arn).tags(sdk_tags(wanted));
        call.send().await.call("cloudfront:TagResource")?;
    }
    if !surplus.is_empty() {
        let keys = TagKeys::builder().set_items(Some(surplus)).build();
        client.untag_resource().resource(arn).tag_keys(keys).send().await.call("cloudfront:UntagResource")?;
    }
    Ok(())
}

/// The configuration and the ETag that an update of it needs; `None` when the distribution is not there.
async fn current(cx: &Cx<Aws>, id: &DistributionId) -> Result<Option<(DistributionConfig, String)>, CloudError> {
    const CALL: &str = "cloudfront:GetDistributionConfig";
    let answer = cx.cloud.cloudfront().get_distribution_config().id(id.as_str()).send().await.call(CALL).gone_ok()?;
    let Some(GetDistributionConfigOutput { distribution_config, e_tag, .. }) = answer else { return Ok(None) };
    let config = distribution_config.promised(CALL, "the configuration")?;
    Ok(Some((config, e_tag.promised(CALL, "the ETag")?)))
}

async fn update(cx: &Cx<Aws>, id: &DistributionId, config: DistributionConfig, etag: String) -> Result<(), CloudError> {
    let call = cx.cloud.cloudfront().update_distribution().id(id.as_str()).if_match(etag).distribution_config(config);
    call.send().await.call("cloudfront:UpdateDistribution").map(drop).map_err(explained)
}

/// The first half of a deletion: nobody is answered any more.
async fn disable(cx: &Cx<Aws>, id: &DistributionId) -> Result<(), CloudError> {
    let Some((mut config, etag)) = current(cx, id).await? else { return Ok(()) };
    if !config.enabled {
        return Ok(());
    }
    config.enabled = false;
    update(cx, id, config, etag).await
}

fn explained(error: CloudError) -> CloudError {
    match error.code.as_str() {
        "CNAMEAlreadyExists" => error.hint(
            "a name is on one distribution only, of any account: `aws cloudfront list-conflicting-aliases` tells which has it",
        ),
        _ => error,
    }
}

fn is_deployed(status: &str) -> bool {
    status == "Deployed"
}

impl Lifecycle for Distribution {
    type Cloud = Aws;

    /// One call for all distributions, and one for the tags of each that may be ours and that the state does not know.
    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let pages = scan.cloud.cloudfront().list_distributions().into_paginator().send();
        let pages = pages.collect::<Result<Vec<_>, _>>().await.call("cloudfront:ListDistributions")?;
        let all = pages.iter().filter_map(|page| page.distribution_list()).flat_map(|list| list.items());
        let mut found = Vec::new();
        for seen in all {
            let known = wanted.iter().find(|want| want.outputs.as_ref().is_some_and(|o| o.id.as_str() == seen.id()));
            let candidate = || marks::read(&scan.stack, seen.comment()).is_some() || shares_alias(wanted, seen);
            let owned = match known {
                Some(_) if !scan.cloud.reads_all() => None,
                None if !candidate() => continue,
                _ => tags::owned(&scan.stack, read_tags(&scan.cloud, seen.arn()).await?),
            };
            let (address, generation) = match (known, &owned) {
                (Some(known), _) => (known.address.clone(), known.generation),
                (None, Some(owned)) => (owned.address.clone(), owned.generation),
                (None, None) => continue,
            };
            let want = known.or_else(|| owned.as_ref().and_then(|owned| wanted_as(wanted, owned)));
            found.push(Found {
                address,
                generation,
                args: Some(config::observed(want.map(|want| &want.args), seen)),
                outputs: outputs(seen.id(), seen.arn(), seen.domain_name()),
                health: if is_deployed(seen.status()) { Health::Ready } else { Health::Pending },
                tags: owned.map(|owned| owned.tags),
            });
        }
        Ok(found)
    }

    async fn create(cx: &Cx<Aws>, args: &DistributionArgs) -> Result<DistributionOutputs, CloudError> {
        const CALL: &str = "cloudfront:CreateDistributionWithTags";
        let mark = marks::write(&cx.owner.stack, &cx.owner.address, cx.owner.generation, COMMENT_LEN_MAX);
        let config = config::new(args, &cx.owner.token, &mark);
        let tags = sdk_tags(tags::ownership(&cx.owner));
        let with_tags = DistributionConfigWithTags::builder().distribution_config(config).tags(tags).build();
        let call = cx.cloud.cloudfront().create_distribution_with_tags().distribution_config_with_tags(with_tags);
        let answer = call.send().await.call(CALL).map_err(explained)?;
        let Model { id, arn, domain_name, .. } = answer.distribution.promised(CALL, "the distribution")?;
        Ok(outputs(&id, &arn, &domain_name))
    }

    async fn update(
        cx: &Cx<Aws>,
        prior: &Prior<Self>,
        args: &DistributionArgs,
    ) -> Result<DistributionOutputs, CloudError> {
        let DistributionOutputs { id, arn, .. } = &prior.outputs;
        if prior.args != *args {
            let found = current(cx, id).await?;
            let (config, etag) = found.promised("cloudfront:GetDistributionConfig", "a distribution that is there")?;
            update(cx, id, config::change(config, args), etag).await?;
        }
        let present = read_tags(&cx.cloud, arn).await?;
        write_tags(cx, arn, &present).await?;
        Ok(prior.outputs.clone())
    }

    /// Only disables it: CloudFront deletes what is disabled everywhere, which [`gone`](Self::gone) waits for.
    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        disable(cx, &prior.outputs.id).await
    }

    async fn ready(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<Settled<DistributionOutputs>, CloudError> {
        const CALL: &str = "cloudfront:GetDistribution";
        let call = cx.cloud.cloudfront().get_distribution().id(current.outputs.id.as_str());
        let answer = call.send().await.call(CALL)?.distribution.promised(CALL, "the distribution")?;
        Ok(if is_deployed(&answer.status) {
            Settled::Yes(current.outputs.clone())
        } else {
            Settled::AskAgainIn(ASK_AGAIN)
        })
    }

    async fn gone(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<Settled<()>, CloudError> {
        const CALL: &str = "cloudfront:GetDistribution";
        let id = prior.outputs.id.as_str();
        let answer = cx.cloud.cloudfront().get_distribution().id(id).send().await.call(CALL).gone_ok()?;
        let Some(answer) = answer else { return Ok(Settled::Yes(())) };
        let seen = answer.distribution.promised(CALL, "the distribution")?;
        if seen.distribution_config().is_some_and(DistributionConfig::enabled) {
            disable(cx, &prior.outputs.id).await?;
            return Ok(Settled::AskAgainIn(ASK_AGAIN));
        }
        if !is_deployed(&seen.status) {
            return Ok(Settled::AskAgainIn(ASK_AGAIN));
        }
        // Disabling it has changed the ETag.
        let call = cx.cloud.cloudfront().delete_distribution().id(id).set_if_match(answer.e_tag);
        match call.send().await.call("cloudfront:DeleteDistribution").gone_ok() {
            Ok(_) => Ok(Settled::Yes(())),
            // For a minute or two after `Deployed` it may still be refused.
            Err(error) if error.code == "DistributionNotDisabled" || error.class == Class::Stale => {
                Ok(Settled::AskAgainIn(ASK_AGAIN))
            }
            Err(error) => Err(error),
        }
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        write_tags(cx, &current.outputs.arn, &BTreeMap::new()).await
    }
}

/// Whether a distribution has a name that one of ours wants: the way to find one whose comment somebody edited.
fn shares_alias(wanted: &[Wanted<Distribution>], seen: &DistributionSummary) -> bool {
    let aliases = seen.aliases().map(|aliases| aliases.items()).unwrap_or_default();
    wanted.iter().flat_map(|want| &want.args.aliases).any(|name| aliases.contains(name))
}

#[cfg(test)]
mod tests;
