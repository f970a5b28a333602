//! CloudFront: distributions and the managed policies.
//!
//! API: CloudFront 2020-05-31, signed for us-east-1. A distribution is `InProgress` after its creation and after every update
//! until it is at every edge ([`Slow::CloudFrontDeploy`], [`Slow::CloudFrontDisable`]); viewers get the configuration before
//! until then, see [`Distribution::served`]. An update needs the ETag and the whole configuration, a delete a disabled and
//! deployed one, and some seconds more ([`Slow::CloudFrontDelete`]).

mod check;
mod config;
mod policies;
mod show;
mod tags;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudfront::operation::create_distribution::{
    CreateDistributionError, CreateDistributionInput, CreateDistributionOutput,
};
use aws_sdk_cloudfront::operation::create_distribution_with_tags::{
    CreateDistributionWithTagsError, CreateDistributionWithTagsInput, CreateDistributionWithTagsOutput,
};
use aws_sdk_cloudfront::operation::delete_distribution::{
    DeleteDistributionError, DeleteDistributionInput, DeleteDistributionOutput,
};
use aws_sdk_cloudfront::operation::get_distribution::{
    GetDistributionError, GetDistributionInput, GetDistributionOutput,
};
use aws_sdk_cloudfront::operation::get_distribution_config::{
    GetDistributionConfigError, GetDistributionConfigInput, GetDistributionConfigOutput,
};
use aws_sdk_cloudfront::operation::list_distributions::{
    ListDistributionsError, ListDistributionsInput, ListDistributionsOutput,
};
use aws_sdk_cloudfront::operation::update_distribution::{
    UpdateDistributionError, UpdateDistributionInput, UpdateDistributionOutput,
};
use aws_sdk_cloudfront::types as sdk;
use aws_smithy_types::DateTime;
use serde::{Deserialize, Serialize};

pub(crate) use self::config::{Behavior, Config, CustomOrigin, Origin, OriginKind};
pub(crate) use self::policies::{SentHeaders, cache_policy, origin_request_policy};

use super::{Answer, Call, Refusal, Table, acm};
use crate::latency::Slow;
use crate::world::World;

/// The service name in the SDK's metadata.
const SERVICE: &str = "CloudFront";

/// Distributions per account (CloudFront quota, may be raised).
const DISTRIBUTIONS_MOST: usize = 200;

/// The account's distributions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// By id, `E…`.
    pub(crate) distributions: BTreeMap<String, Distribution>,
    /// Caller references that were ever used; "a value that you already sent" is refused, also after a deletion.
    references: BTreeSet<String>,
}

/// A distribution.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Distribution {
    /// `E…`
    pub(crate) id: String,
    pub(crate) arn: String,
    /// `d….cloudfront.net`
    pub(crate) domain_name: String,
    /// What the API answers: the last configuration that was accepted.
    pub(crate) config: Config,
    /// What viewers still get: earlier configurations, each until its instant, in order of time.
    pub(crate) earlier: Vec<Version>,
    /// `InProgress` before, `Deployed` from then on.
    pub(crate) deployed_at_ms: u64,
    /// After a disable, deletes are refused before this instant, although it is `Deployed`.
    #[serde(default)]
    deletable_at_ms: u64,
    pub(crate) etag: String,
    pub(crate) modified_ms: u64,
    pub(crate) tags: BTreeMap<String, String>,
}

/// A configuration before a change.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Version {
    /// Viewers get it up to this instant.
    pub(crate) until_ms: u64,
    /// `None` before the first deployment: no edge knows the distribution.
    pub(crate) config: Option<Config>,
}

impl Distribution {
    /// What viewers get at that moment. [`Version::until_ms`] tells when that changes.
    pub(crate) fn served(&self, now_ms: u64) -> Option<&Config> {
        match self.earlier.iter().find(|version| version.until_ms > now_ms) {
            Some(version) => version.config.as_ref(),
            None => Some(&self.config),
        }
    }

    fn status(&self, now_ms: u64) -> &'static str {
        if now_ms < self.deployed_at_ms { "InProgress" } else { "Deployed" }
    }
}

pub(crate) fn register(table: &mut Table) {
    table.on(SERVICE, "CreateDistribution", CreateDistributionError::generic, create_distribution);
    table.on(
        SERVICE,
        "CreateDistributionWithTags",
        CreateDistributionWithTagsError::generic,
        create_distribution_with_tags,
    );
    table.on(SERVICE, "GetDistribution", GetDistributionError::generic, get_distribution);
    table.on(SERVICE, "GetDistributionConfig", GetDistributionConfigError::generic, get_distribution_config);
    table.on(SERVICE, "ListDistributions", ListDistributionsError::generic, list_distributions);
    table.on(SERVICE, "UpdateDistribution", UpdateDistributionError::generic, update_distribution);
    table.on(SERVICE, "DeleteDistribution", DeleteDistributionError::generic, delete_distribution);
    policies::register(table);
    tags::register(table);
}

fn invalid_argument(message: impl Into<String>) -> Refusal {
    Refusal::new("InvalidArgument", message)
}

fn illegal_update(message: impl Into<String>) -> Refusal {
    Refusal::new("IllegalUpdate", message)
}

fn find<'w>(world: &'w World, id: &Option<String>) -> Answer<&'w Distribution> {
    let found = id.as_deref().and_then(|id| world.cloudfront.distributions.get(id));
    found.ok_or_else(|| Refusal::new("NoSuchDistribution", "The specified distribution does not exist.").status(404))
}

/// An alternate domain name belongs to one distribution only, whatever its case.
fn check_aliases_free(world: &World, config: &Config, own_id: &str) -> Answer<()> {
    let others = world.cloudfront.distributions.values().filter(|distribution| distribution.id != own_id);
    let taken: BTreeSet<String> =
        others.flat_map(|distribution| &distribution.config.aliases).map(|a| a.to_lowercase()).collect();
    if config.aliases.iter().any(|alias| taken.contains(&alias.to_lowercase())) {
        let message = "One or more of the CNAMEs you provided are already associated with a different resource.";
        return Err(Refusal::new("CNAMEAlreadyExists", message).status(409));
    }
    Ok(())
}

fn create(
    world: &mut World,
    call: &Call,
    asked: Option<&sdk::DistributionConfig>,
    tags: BTreeMap<String, String>,
) -> Answer<(Distribution, String)> {
    let asked = asked.ok_or_else(|| Refusal::new("MissingBody", "This operation requires a body."))?;
    let config = config::read(asked)?;
    if world.cloudfront.references.contains(&config.caller_reference) {
        let message =
            "The caller reference that you are using to create a distribution is associated with another distribution.";
        return Err(Refusal::new("DistributionAlreadyExists", message).status(409));
    }
    check::check(world, &config, call.now_ms)?;
    check_aliases_free(world, &config, "")?;
    if world.cloudfront.distributions.len() >= DISTRIBUTIONS_MOST {
        let message = "Processing your request would cause you to exceed the maximum number of distributions allowed.";
        return Err(Refusal::new("TooManyDistributions", message));
    }
    let id = format!("E{}", world.token(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", 13));
    let deployed_at_ms = call.now_ms + world.latency(Slow::CloudFrontDeploy);
    let new = Distribution {
        arn: format!("arn:aws:cloudfront::{}:distribution/{id}", world.account),
        domain_name: format!("d{}.cloudfront.net", world.token(b"0123456789abcdefghijklmnopqrstuvwxyz", 13)),
        id: id.clone(),
        earlier: vec![Version { until_ms: deployed_at_ms, config: None }],
        deployed_at_ms,
        deletable_at_ms: 0,
        etag: etag(world),
        modified_ms: call.now_ms,
        tags,
        config,
    };
    if let Some(arn) = &new.config.viewer_certificate.acm_certificate_arn {
        acm::use_certificate(world, arn, &new.arn);
    }
    world.cloudfront.references.insert(new.config.caller_reference.clone());
    world.cloudfront.distributions.insert(id.clone(), new.clone());
    Ok((new, format!("https://cloudfront.amazonaws.com/2020-05-31/distribution/{id}")))
}

fn etag(world: &mut World) -> String {
    format!("E{}", world.token(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", 13))
}

fn create_distribution(
    world: &mut World,
    call: &Call,
    input: &CreateDistributionInput,
) -> Answer<CreateDistributionOutput> {
    let (new, location) = create(world, call, input.distribution_config.as_ref(), BTreeMap::new())?;
    let output = CreateDistributionOutput::builder().distribution(shown(&new, call.now_ms));
    Ok(output.location(location).e_tag(new.etag).build())
}

fn create_distribution_with_tags(
    world: &mut World,
    call: &Call,
    input: &CreateDistributionWithTagsInput,
) -> Answer<CreateDistributionWithTagsOutput> {
    let asked = input.distribution_config_with_tags.as_ref();
    let tags = tags::checked(asked.and_then(|asked| asked.tags.as_ref()))?;
    let (new, location) = create(world, call, asked.and_then(|asked| asked.distribution_config.as_ref()), tags)?;
    let output = CreateDistributionWithTagsOutput::builder().distribution(shown(&new, call.now_ms));
    Ok(output.location(location).e_tag(new.etag).build())
}

fn date(ms: u64) -> DateTime {
    DateTime::from_millis(i64::try_from(ms).expect("a time of this age fits 63 bits"))
}

fn shown(distribution: &Distribution, now_ms: u64) -> sdk::Distribution {
    let signers = sdk::ActiveTrustedSigners::builder().enabled(false).quantity(0).build();
    let groups = sdk::ActiveTrustedKeyGroups::builder().enabled(false).quantity(0).build();
    sdk::Distribution::builder()
        .id(&distribution.id)
        .arn(&distribution.arn)
        .status(distribution.status(now_ms))
        .last_modified_time(date(distribution.modified_ms))
        .in_progress_invalidation_batches(0)
        .domain_name(&distribution.domain_name)
        .active_trusted_signers(signers.expect("every required field is set"))
        .active_trusted_key_groups(groups.expect("every required field is set"))
        .distribution_config(show::distribution_config(&distribution.config))
        .build()
        .expect("every required field is set")
}

fn get_distribution(world: &mut World, call: &Call, input: &GetDistributionInput) -> Answer<GetDistributionOutput> {
    let distribution = find(world, &input.id)?;
    let output = GetDistributionOutput::builder().distribution(shown(distribution, call.now_ms));
    Ok(output.e_tag(&distribution.etag).build())
}

fn get_distribution_config(
    world: &mut World,
    _: &Call,
    input: &GetDistributionConfigInput,
) -> Answer<GetDistributionConfigOutput> {
    let distribution = find(world, &input.id)?;
    let output =
        GetDistributionConfigOutput::builder().distribution_config(show::distribution_config(&distribution.config));
    Ok(output.e_tag(&distribution.etag).build())
}

/// A page follows the distribution that its marker names; 100 unless told.
fn list_distributions(
    world: &mut World,
    call: &Call,
    input: &ListDistributionsInput,
) -> Answer<ListDistributionsOutput> {
    let most = match input.max_items.unwrap_or(100) {
        n @ 1..=100 => n,
        _ => return Err(invalid_argument("The parameter MaxItems must be between 1 and 100.")),
    };
    let marker = input.marker.as_deref().unwrap_or_default();
    let mut rest = world.cloudfront.distributions.values().filter(|distribution| distribution.id.as_str() > marker);
    let page: Vec<sdk::DistributionSummary> = rest
        .by_ref()
        .take(usize::try_from(most).expect("checked to be positive"))
        .map(|d| summary(d, call.now_ms))
        .collect();
    let next = rest.next().and(page.last()).map(|last| last.id.clone());
    let list = sdk::DistributionList::builder()
        .marker(marker)
        .max_items(most)
        .is_truncated(next.is_some())
        .set_next_marker(next)
        .quantity(i32::try_from(page.len()).expect("the size of a page"))
        .set_items((!page.is_empty()).then_some(page))
        .build()
        .expect("every required field is set");
    Ok(ListDistributionsOutput::builder().distribution_list(list).build())
}

fn summary(distribution: &Distribution, now_ms: u64) -> sdk::DistributionSummary {
    let config = &distribution.config;
    sdk::DistributionSummary::builder()
        .id(&distribution.id)
        .arn(&distribution.arn)
        .e_tag(&distribution.etag)
        .status(distribution.status(now_ms))
        .last_modified_time(date(distribution.modified_ms))
        .domain_name(&distribution.domain_name)
        .aliases(show::aliases(config))
        .origins(show::origins(config))
        .origin_groups(show::origin_groups(config))
        .default_cache_behavior(show::default_behavior(&config.default_behavior))
        .cache_behaviors(show::cache_behaviors(config))
        .custom_error_responses(show::error_responses(config))
        .comment(&config.comment)
        .price_class(sdk::PriceClass::from(config.price_class.as_str()))
        .enabled(config.enabled)
        .viewer_certificate(show::viewer_certificate(&config.viewer_certificate))
        .restrictions(show::restrictions(config))
        .web_acl_id(&config.web_acl_id)
        .http_version(sdk::HttpVersion::from(config.http_version.as_str()))
        .is_ipv6_enabled(config.ipv6)
        .staging(config.staging)
        .build()
        .expect("every required field is set")
}

/// The `If-Match` header of a change must be the present ETag.
fn check_etag(distribution: &Distribution, if_match: Option<&str>) -> Answer<()> {
    match if_match {
        None | Some("") => {
            let message = "The If-Match version is missing or not valid for the resource.";
            Err(Refusal::new("InvalidIfMatchVersion", message))
        }
        Some(etag) if etag != distribution.etag => {
            let message =
                "The request failed because it didn't meet the preconditions in one or more request-header fields.";
            Err(Refusal::new("PreconditionFailed", message).status(412))
        }
        Some(_) => Ok(()),
    }
}

fn update_distribution(
    world: &mut World,
    call: &Call,
    input: &UpdateDistributionInput,
) -> Answer<UpdateDistributionOutput> {
    let present = find(world, &input.id)?;
    check_etag(present, input.if_match.as_deref())?;
    let asked = input.distribution_config.as_ref();
    let asked = asked.ok_or_else(|| Refusal::new("MissingBody", "This operation requires a body."))?;
    if asked.caller_reference != present.config.caller_reference {
        return Err(illegal_update("The update contains modifications that are not allowed: CallerReference."));
    }
    config::check_complete(asked)?;
    let config = config::read(asked)?;
    check::check(world, &config, call.now_ms)?;
    check_aliases_free(world, &config, &present.id)?;

    let (id, arn) = (present.id.clone(), present.arn.clone());
    let disables = present.config.enabled && !config.enabled;
    let before = present.config.viewer_certificate.acm_certificate_arn.clone();
    let after = config.viewer_certificate.acm_certificate_arn.clone();
    if let Some(certificate) = &after {
        acm::use_certificate(world, certificate, &arn);
    }
    if let Some(certificate) = before.filter(|before| after.as_ref() != Some(before)) {
        acm::release_certificate(world, &certificate, &arn, call.now_ms);
    }
    let etag = etag(world);
    let slow = if disables { Slow::CloudFrontDisable } else { Slow::CloudFrontDeploy };
    let deployed_at_ms = call.now_ms + world.latency(slow);
    let deleting_ms = if disables { world.latency(Slow::CloudFrontDelete) } else { 0 };
    let distribution = world.cloudfront.distributions.get_mut(&id).expect("found at the beginning");
    distribution.deployed_at_ms = deployed_at_ms.max(distribution.deployed_at_ms);
    if disables {
        distribution.deletable_at_ms = distribution.deployed_at_ms + deleting_ms;
    }
    distribution.earlier.retain(|version| version.until_ms > call.now_ms);
    let before = std::mem::replace(&mut distribution.config, config);
    distribution.earlier.push(Version { until_ms: distribution.deployed_at_ms, config: Some(before) });
    distribution.etag = etag;
    distribution.modified_ms = call.now_ms;
    let output = UpdateDistributionOutput::builder().distribution(shown(distribution, call.now_ms));
    Ok(output.e_tag(&distribution.etag).build())
}

fn delete_distribution(
    world: &mut World,
    call: &Call,
    input: &DeleteDistributionInput,
) -> Answer<DeleteDistributionOutput> {
    let distribution = find(world, &input.id)?;
    check_etag(distribution, input.if_match.as_deref())?;
    let is_deployed = distribution.status(call.now_ms) == "Deployed";
    if distribution.config.enabled || !is_deployed || call.now_ms < distribution.deletable_at_ms {
        let message = "The distribution you are trying to delete has not been disabled.";
        return Err(Refusal::new("DistributionNotDisabled", message).status(409));
    }
    let (id, arn) = (distribution.id.clone(), distribution.arn.clone());
    if let Some(certificate) = distribution.config.viewer_certificate.acm_certificate_arn.clone() {
        acm::release_certificate(world, &certificate, &arn, call.now_ms);
    }
    world.cloudfront.distributions.remove(&id);
    Ok(DeleteDistributionOutput::builder().build())
}

#[cfg(test)]
mod tests;
