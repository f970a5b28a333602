//! Amazon Route 53: zones, records and health checks. Global; five requests a second for the whole account.
//!
//! So few requests are made: a refresh lists a zone's records once and the account's health checks once, changes of a zone that
//! are due together go out as one batch, and all records of a batch ask once for its propagation.

mod changes;
mod health_check;
mod name;
mod record;
mod zone;
mod zone_lookup;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_route53::types::{HostedZone as SeenZone, Tag, TagResourceType};
use dr_core::{CloudError, Cx, Registry, Scan};

use crate::call::{Call as _, GoneOk as _};
use crate::{Aws, marks, tags};

pub(crate) use changes::ChangeBatcher;
pub use health_check::{
    AlarmSettings, AlarmSettingsArgs, HealthCheck, HealthCheckArgs, HealthCheckKind, HealthCheckOutputs,
    HealthCheckRefs, InsufficientData,
};
pub use record::{
    Alias, AliasArgs, FailoverRole, RecordSet, RecordSetArgs, RecordSetOutputs, RecordSetRefs, RecordType, Routing,
};
pub use zone::{HostedZone, HostedZoneArgs, HostedZoneOutputs, HostedZoneRefs};
pub use zone_lookup::{ZoneLookup, ZoneLookupArgs, ZoneLookupOutputs, ZoneLookupRefs};

/// Adds the resource types of this service.
pub(crate) fn register(registry: Registry, aws: &Arc<Aws>) -> Registry {
    registry.with::<HostedZone>(aws).with::<ZoneLookup>(aws).with::<HealthCheck>(aws).with::<RecordSet>(aws)
}

/// An id without the prefix with which Route 53 answers it: `/hostedzone/Z1` is `Z1`, `/change/C1` is `C1`.
fn bare(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

/// The caller reference of a new zone or health check. Its beginning tells the stack, so that a read need not ask for the tags
/// of everybody's; its end is the token, which finds the object when the answer was lost before it had tags.
fn reference(stack: &str, token: &str) -> String {
    format!("{}{token}", reference_prefix(stack))
}

/// By a digest of the stack's name: a reference has at most 64 characters, a stack's name alone may have as many.
fn reference_prefix(stack: &str) -> String {
    format!("dr-{}-", marks::digest(stack))
}

/// All hosted zones of the account.
async fn zones(scan: &Scan<Aws>) -> Result<Arc<Vec<SeenZone>>, CloudError> {
    let read = || async {
        let pages = scan.cloud.route53().list_hosted_zones().into_paginator().page_size(100).items().send();
        pages.collect::<Result<Vec<_>, _>>().await.call("route53:ListHostedZones")
    };
    scan.cloud.shared(scan, "route53:ListHostedZones", "", read).await
}

/// The tags of zones or health checks by id; ten of them in one call.
async fn read_tags(
    aws: &Aws,
    kind: &TagResourceType,
    ids: &[&str],
) -> Result<BTreeMap<String, BTreeMap<String, String>>, CloudError> {
    let mut all = BTreeMap::new();
    for ids in ids.chunks(10) {
        let ids = Some(ids.iter().map(|id| (*id).to_owned()).collect());
        let call = aws.route53().list_tags_for_resources().resource_type(kind.clone()).set_resource_ids(ids);
        // One that was deleted since it was listed takes the others' answer with it; the next read is complete.
        let Some(answer) = call.send().await.call("route53:ListTagsForResources").gone_ok()? else { continue };
        for set in answer.resource_tag_sets {
            let tags = set
                .tags
                .unwrap_or_default()
                .into_iter()
                .filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())));
            all.insert(bare(&set.resource_id.unwrap_or_default()).to_owned(), tags.collect());
        }
    }
    Ok(all)
}

/// Gives a zone or health check the tags of its owner; ten changes in one call. `present` are the tags it is known to have.
async fn write_tags(
    cx: &Cx<Aws>,
    kind: TagResourceType,
    id: &str,
    present: &BTreeMap<String, String>,
) -> Result<(), CloudError> {
    let (wanted, surplus) = tags::changes(&cx.owner, present);
    let add: Vec<Tag> = wanted.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    let rounds = add.len().div_ceil(10).max(surplus.len().div_ceil(10));
    for round in 0..rounds {
        let (add, remove) = (add.chunks(10).nth(round), surplus.chunks(10).nth(round));
        let call = cx
            .cloud
            .route53()
            .change_tags_for_resource()
            .resource_type(kind.clone())
            .resource_id(id)
            .set_add_tags(add.map(<[_]>::to_vec))
            .set_remove_tag_keys(remove.map(<[_]>::to_vec));
        call.send().await.call("route53:ChangeTagsForResource")?;
    }
    Ok(())
}

/// Brings the tags of a zone or health check to those of its owner, whatever it has.
async fn sync_tags(cx: &Cx<Aws>, kind: TagResourceType, id: &str) -> Result<(), CloudError> {
    let mut all = read_tags(&cx.cloud, &kind, &[id]).await?;
    let present = all.remove(id).unwrap_or_default();
    write_tags(cx, kind, id, &present).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    /// The context of a call about one resource, with mocked answers.
    pub(super) fn cx(rules: &[&aws_smithy_mocks::Rule]) -> Cx<Aws> {
        testing::cx_at("global/dns.thing", rules)
    }

    /// The context of a read, with mocked answers.
    pub(super) fn scan(rules: &[&aws_smithy_mocks::Rule]) -> Scan<Aws> {
        testing::scan_of(cx(rules))
    }

    #[test]
    fn a_caller_reference_tells_stack_and_token_and_fits() {
        let reference = reference(&"s".repeat(64), "0123456789abcdef0123456789abcdef");
        assert!(reference.len() <= 64, "{reference}");
        assert!(reference.starts_with(&reference_prefix(&"s".repeat(64))));
        assert!(!reference.starts_with(&reference_prefix("shop")));
    }
}
