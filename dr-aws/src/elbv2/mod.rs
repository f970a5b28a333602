//! Elastic Load Balancing: internal application load balancers, their listeners and targets.
//!
//! The service lists by account and not by tag: a read takes the names that can be the stack's and asks for their tags, twenty
//! at a time. [`Depth::Lean`](crate::Depth::Lean) trusts the ARNs on record and asks for the tags of the others only.

mod health_check;
mod listener;
mod listener_rule;
mod load_balancer;
mod registration;
mod target_group;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_elasticloadbalancingv2::types::{LoadBalancer as Described, Tag};
use dr_core::{CloudError, Cx, Found, Health, Registry, Resource, Scan, Wanted};

pub use health_check::HealthCheck;
pub use listener::{Listener, ListenerArgs, ListenerOutputs, ListenerProtocol, ListenerProtocolArgs, ListenerRefs};
pub use listener_rule::{ListenerRule, ListenerRuleArgs, ListenerRuleOutputs, ListenerRuleRefs};
pub use load_balancer::{LoadBalancer, LoadBalancerArgs, LoadBalancerOutputs, LoadBalancerRefs};
pub use registration::{TargetRegistration, TargetRegistrationArgs};
pub use target_group::{TargetGroup, TargetGroupArgs, TargetGroupOutputs, TargetGroupRefs, TargetProtocol};

use crate::call::{Call as _, GoneOk as _};
use crate::tags::Owned;
use crate::{Aws, names, tags};

/// Adds the resource types of this service.
pub(crate) fn register(registry: Registry, aws: &Arc<Aws>) -> Registry {
    registry
        .with::<Listener>(aws)
        .with::<ListenerRule>(aws)
        .with::<LoadBalancer>(aws)
        .with::<TargetGroup>(aws)
        .with::<TargetRegistration>(aws)
}

/// Load balancers and target groups have names of at most 32 characters.
const NAME_LEN_MAX: usize = 32;
/// How many ARNs DescribeTags takes.
const ARNS_MAX: usize = 20;

/// The load balancers of the region whose names can be the stack's.
async fn load_balancers(scan: &Scan<Aws>) -> Result<Arc<Vec<Described>>, CloudError> {
    const CALL: &str = "elasticloadbalancing:DescribeLoadBalancers";
    scan.cloud
        .shared(scan, CALL, "", || async {
            let items = scan.cloud.elbv2(&scan.region).describe_load_balancers().into_paginator().items().send();
            let mut all = items.collect::<Result<Vec<_>, _>>().await.call(CALL)?;
            let ours = |name: &str| names::may_be_of(&scan.stack, name, NAME_LEN_MAX);
            all.retain(|balancer| balancer.load_balancer_name().is_some_and(ours));
            Ok(all)
        })
        .await
}

/// The tags of the objects, by ARN.
async fn tags_of(
    cloud: &Aws,
    region: &str,
    arns: &[String],
) -> Result<BTreeMap<String, BTreeMap<String, String>>, CloudError> {
    let mut tags = BTreeMap::new();
    for arns in arns.chunks(ARNS_MAX) {
        let request = cloud.elbv2(region).describe_tags().set_resource_arns(Some(arns.to_vec()));
        // One that is gone by now takes the answer for the others with it: the next refresh knows.
        let answer = request.send().await.call("elasticloadbalancing:DescribeTags").gone_ok()?;
        for description in answer.and_then(|answer| answer.tag_descriptions).unwrap_or_default() {
            let of: BTreeMap<_, _> =
                description.tags().iter().filter_map(|tag| Some((tag.key()?, tag.value()?))).collect();
            let of = of.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            tags.extend(description.resource_arn.map(|arn| (arn, of)));
        }
    }
    Ok(tags)
}

/// Whose an object is.
struct Whose {
    owned: Owned,
    /// Whether its tags were read, or its ARN is on record.
    tagged: bool,
}

/// Who owns which of the objects, by ARN.
async fn owners<T: Resource>(
    scan: &Scan<Aws>,
    wanted: &[Wanted<T>],
    arn_of: impl Fn(&T::Outputs) -> &str,
    arns: Vec<String>,
) -> Result<BTreeMap<String, Whose>, CloudError> {
    let mut owners = BTreeMap::new();
    let mut unknown = Vec::new();
    for arn in arns {
        let recorded = wanted.iter().find(|want| want.outputs.as_ref().is_some_and(|outputs| arn_of(outputs) == arn));
        match recorded {
            Some(want) if !scan.cloud.reads_all() => {
                let (address, generation) = (want.address.clone(), want.generation);
                let owned = Owned { address, generation, tags: BTreeMap::new() };
                owners.insert(arn, Whose { owned, tagged: false });
            }
            _ => unknown.push(arn),
        }
    }
    for (arn, tags) in tags_of(&scan.cloud, &scan.region, &unknown).await? {
        owners.extend(tags::owned(&scan.stack, tags).map(|owned| (arn, Whose { owned, tagged: true })));
    }
    Ok(owners)
}

fn found<T: Resource>(whose: &Whose, args: T::Args, outputs: T::Outputs, health: Health) -> Found<T> {
    let Whose { owned: Owned { address, generation, tags }, tagged } = whose;
    let tags = tagged.then(|| tags.clone());
    Found { address: address.clone(), generation: *generation, args: Some(args), outputs, health, tags }
}

/// The ownership tags for a create call.
fn ownership(cx: &Cx<Aws>) -> Vec<Tag> {
    sdk_tags(tags::ownership(&cx.owner))
}

fn sdk_tags(tags: BTreeMap<String, String>) -> Vec<Tag> {
    let tag = |(key, value)| Tag::builder().key(key).value(value).build();
    tags.into_iter().map(tag).collect()
}

/// Brings the tags of an object to those of its owner.
async fn sync_tags(cx: &Cx<Aws>, arn: &str) -> Result<(), CloudError> {
    let present = tags_of(&cx.cloud, &cx.owner.region, &[arn.to_owned()]).await?.remove(arn).unwrap_or_default();
    let (wanted, surplus) = tags::changes(&cx.owner, &present);
    write_tags(cx, arn, wanted).await?;
    if !surplus.is_empty() {
        let request = cx.cloud.elbv2(&cx.owner.region).remove_tags().resource_arns(arn).set_tag_keys(Some(surplus));
        request.send().await.call("elasticloadbalancing:RemoveTags")?;
    }
    Ok(())
}

/// Gives an object the ownership tags of `cx.owner`.
async fn adopt(cx: &Cx<Aws>, arn: &str) -> Result<(), CloudError> {
    write_tags(cx, arn, tags::ownership(&cx.owner)).await
}

async fn write_tags(cx: &Cx<Aws>, arn: &str, tags: BTreeMap<String, String>) -> Result<(), CloudError> {
    if tags.is_empty() {
        return Ok(());
    }
    let request = cx.cloud.elbv2(&cx.owner.region).add_tags().resource_arns(arn).set_tags(Some(sdk_tags(tags)));
    request.send().await.call("elasticloadbalancing:AddTags").map(drop)
}
