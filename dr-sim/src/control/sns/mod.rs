//! SNS: topics and subscriptions.
//!
//! API: Simple Notification Service 2010-03-31. Creating the same topic or subscription again answers the existing one. A
//! subscription by e-mail or HTTP stays pending until its owner confirms it ([`World::confirm_subscriptions`]): lists show
//! the text `PendingConfirmation` in place of its ARN, and it cannot be unsubscribed.

mod subscriptions;
mod topics;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[cfg(test)]
pub(crate) use self::subscriptions::confirm;

use super::{Answer, Call, Refusal, Table};
use crate::world::World;

/// The service name in the SDK's metadata.
const SERVICE: &str = "SNS";

/// Topics and subscriptions of a page (API Reference).
const PAGE: usize = 100;
/// An unconfirmed subscription is removed after 48 hours (Developer Guide, "Deleting a subscription").
const PENDING_MOST_MS: u64 = 48 * 3_600_000;

/// Topics and subscriptions of all regions, by ARN.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) topics: BTreeMap<String, Topic>,
    pub(crate) subscriptions: BTreeMap<String, Subscription>,
}

/// A topic.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Topic {
    pub(crate) arn: String,
    pub(crate) region: String,
    pub(crate) name: String,
    /// What was set; the attributes that AWS computes are not in it.
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// How many of its subscriptions were deleted.
    deleted: u64,
}

/// A subscription.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) arn: String,
    pub(crate) topic_arn: String,
    /// `email`, `https`, `sqs` and so on.
    pub(crate) protocol: String,
    pub(crate) endpoint: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) created_ms: u64,
    /// `None` while it is pending.
    pub(crate) confirmed_ms: Option<u64>,
}

impl Subscription {
    /// A pending one is forgotten after 48 hours.
    fn is_there(&self, now_ms: u64) -> bool {
        self.confirmed_ms.is_some() || now_ms < self.created_ms + PENDING_MOST_MS
    }
}

pub(crate) fn register(table: &mut Table) {
    topics::register(table);
    subscriptions::register(table);
}

fn invalid(what: impl std::fmt::Display) -> Refusal {
    Refusal::new("InvalidParameter", format!("Invalid parameter: {what}"))
}

fn no_topic() -> Refusal {
    Refusal::new("NotFound", "Topic does not exist").status(404)
}

/// An ARN of this service in the region that is asked.
fn arn<'i>(call: &Call, value: &'i Option<String>, field: &str) -> Answer<&'i str> {
    let arn = value.as_deref().unwrap_or_default();
    let parts: Vec<&str> = arn.split(':').collect();
    if parts.len() < 6 {
        return Err(invalid(format!("{field} Reason: An ARN must have at least 6 elements, not {}", parts.len())));
    }
    if parts[0] != "arn" || parts[2] != "sns" || parts[3] != call.region {
        return Err(invalid(field));
    }
    Ok(arn)
}

fn topic_mut<'w>(world: &'w mut World, call: &Call, value: &Option<String>) -> Answer<&'w mut Topic> {
    let arn = arn(call, value, "TopicArn")?;
    world.sns.topics.get_mut(arn).ok_or_else(no_topic)
}

/// A page of keys: what follows `token`, and the token of the next page.
fn page<'a>(keys: impl Iterator<Item = &'a String>, token: Option<&str>) -> (Vec<&'a String>, Option<String>) {
    let mut rest = keys.skip_while(|key| token.is_some_and(|token| key.as_str() <= token));
    let page: Vec<&String> = rest.by_ref().take(PAGE).collect();
    let more = rest.next().and(page.last()).map(|last| (*last).clone());
    (page, more)
}

#[cfg(test)]
mod tests;
