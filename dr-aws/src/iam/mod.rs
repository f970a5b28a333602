//! AWS IAM: the roles that servers act in.
//!
//! A global service: one namespace and one set of roles for both regions, changed in us-east-1. What a recovery needs has to
//! exist before: roles are made with the first region and not during a failover.
//!
//! Everything of a stack stands under the path `/<stack>/`, which lists are filtered by. Lists leave tags out:
//! [`Depth::Lean`](crate::Depth::Lean) trusts the names on record, else they cost a call for each role and profile.

mod instance_profile;
mod policy;
mod role;
mod role_policy;
mod role_policy_attachment;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_iam::types::Tag;
use dr_core::{Cx, Registry};

pub use instance_profile::{InstanceProfile, InstanceProfileArgs, InstanceProfileOutputs, InstanceProfileRefs};
pub use role::{Role, RoleArgs, RoleOutputs, RoleRefs};
pub use role_policy::{RolePolicy, RolePolicyArgs};
pub use role_policy_attachment::{RolePolicyAttachment, RolePolicyAttachmentArgs};

use crate::{Aws, tags};

/// Adds the resource types of this service.
pub(crate) fn register(registry: Registry, aws: &Arc<Aws>) -> Registry {
    registry.with::<InstanceProfile>(aws).with::<Role>(aws).with::<RolePolicy>(aws).with::<RolePolicyAttachment>(aws)
}

/// The ownership tags for a create call.
fn ownership(cx: &Cx<Aws>) -> Vec<Tag> {
    sdk_tags(tags::ownership(&cx.owner))
}

fn sdk_tags(tags: BTreeMap<String, String>) -> Vec<Tag> {
    let tag = |(key, value)| Tag::builder().key(key).value(value).build().expect("key and value are given");
    tags.into_iter().map(tag).collect()
}

/// The tags of an answer as a map.
fn tag_map(tags: &[Tag]) -> BTreeMap<String, String> {
    tags.iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect()
}

/// What to write and what to take away so that the tags are those of the owner; `None` for nothing.
fn tag_changes(cx: &Cx<Aws>, present: &[Tag]) -> (Option<Vec<Tag>>, Option<Vec<String>>) {
    let present = tag_map(present);
    let (wanted, surplus) = tags::changes(&cx.owner, &present);
    ((!wanted.is_empty()).then(|| sdk_tags(wanted)), (!surplus.is_empty()).then_some(surplus))
}
