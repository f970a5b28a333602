//! Amazon SNS: topics, and who is told.

mod subscription;
mod topic;

use std::sync::Arc;

use dr_core::Registry;

use crate::Aws;

pub use subscription::{Protocol, Subscription, SubscriptionArgs, SubscriptionOutputs, SubscriptionRefs};
pub use topic::{Topic, TopicArgs, TopicOutputs, TopicRefs};

/// Adds the resource types of this service.
pub(crate) fn register(registry: Registry, aws: &Arc<Aws>) -> Registry {
    registry.with::<Topic>(aws).with::<Subscription>(aws)
}
