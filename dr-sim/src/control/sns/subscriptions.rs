//! Subscriptions: pending ones, which wait for their owner, and confirmed ones.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_sns::operation::get_subscription_attributes::{
    GetSubscriptionAttributesError, GetSubscriptionAttributesInput, GetSubscriptionAttributesOutput,
};
use aws_sdk_sns::operation::list_subscriptions_by_topic::{
    ListSubscriptionsByTopicError, ListSubscriptionsByTopicInput, ListSubscriptionsByTopicOutput,
};
use aws_sdk_sns::operation::set_subscription_attributes::{
    SetSubscriptionAttributesError, SetSubscriptionAttributesInput, SetSubscriptionAttributesOutput,
};
use aws_sdk_sns::operation::subscribe::{SubscribeError, SubscribeInput, SubscribeOutput};
use aws_sdk_sns::operation::unsubscribe::{UnsubscribeError, UnsubscribeInput, UnsubscribeOutput};
use aws_sdk_sns::types::Subscription as SdkSubscription;

use super::{SERVICE, Subscription, arn, invalid, page, topic_mut};
use crate::control::{Answer, Call, Refusal, Table};
use crate::world::World;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "Subscribe", SubscribeError::generic, subscribe);
    table.on(SERVICE, "Unsubscribe", UnsubscribeError::generic, unsubscribe);
    table.on(SERVICE, "ListSubscriptionsByTopic", ListSubscriptionsByTopicError::generic, list_subscriptions_by_topic);
    table.on(
        SERVICE,
        "GetSubscriptionAttributes",
        GetSubscriptionAttributesError::generic,
        get_subscription_attributes,
    );
    table.on(
        SERVICE,
        "SetSubscriptionAttributes",
        SetSubscriptionAttributesError::generic,
        set_subscription_attributes,
    );
}

/// Confirms a pending subscription, as its owner does by the link in the mail. Answers whether it was pending.
pub(crate) fn confirm(world: &mut World, subscription_arn: &str, now_ms: u64) -> bool {
    match world.sns.subscriptions.get_mut(subscription_arn) {
        Some(subscription) if subscription.confirmed_ms.is_none() && subscription.is_there(now_ms) => {
            subscription.confirmed_ms = Some(now_ms);
            true
        }
        _ => false,
    }
}

impl World {
    /// The owner of an endpoint (an e-mail address, a URL) confirms every SNS subscription that waits for it, at the instant
    /// of the last call. No API can do that, so a drill has to play the human. Answers how many were pending.
    pub fn confirm_subscriptions(&mut self, endpoint: &str) -> usize {
        let of_endpoint = self.sns.subscriptions.values().filter(|subscription| subscription.endpoint == endpoint);
        let arns: Vec<String> = of_endpoint.map(|subscription| subscription.arn.clone()).collect();
        let now_ms = self.now_ms;
        arns.iter().filter(|arn| confirm(self, arn, now_ms)).count()
    }
}

/// Attributes of a subscription that a request may set.
const SUBSCRIPTION_ATTRIBUTES: &[&str] = &[
    "DeliveryPolicy",
    "FilterPolicy",
    "FilterPolicyScope",
    "RawMessageDelivery",
    "RedrivePolicy",
    "ReplayPolicy",
    "SubscriptionRoleArn",
];

fn check_subscription_attribute(name: &str, value: &str) -> Answer<()> {
    if !SUBSCRIPTION_ATTRIBUTES.contains(&name) {
        return Err(invalid("AttributeName"));
    }
    let fine = match name {
        "RawMessageDelivery" => matches!(value, "true" | "false"),
        "FilterPolicyScope" => matches!(value, "MessageAttributes" | "MessageBody"),
        "SubscriptionRoleArn" => true,
        _ => value.is_empty() || matches!(serde_json::from_str(value), Ok(serde_json::Value::Object(_))),
    };
    if fine { Ok(()) } else { Err(invalid(format!("{name}: Invalid value [{value}]."))) }
}

fn no_subscription() -> Refusal {
    Refusal::new("NotFound", "Subscription does not exist").status(404)
}

/// Whether an endpoint has the form of its protocol, and whether its owner must confirm it.
fn check_endpoint(protocol: &str, endpoint: &str) -> Answer<bool> {
    let is_arn = |service: &str| {
        endpoint.split(':').count() >= 6 && endpoint.starts_with("arn:") && endpoint.split(':').nth(2) == Some(service)
    };
    match protocol {
        "email" | "email-json" => match endpoint.split_once('@') {
            Some((user, host)) if !user.is_empty() && host.contains('.') && !host.contains('@') => Ok(true),
            _ => Err(invalid("Email address")),
        },
        "http" | "https" if endpoint.starts_with(&format!("{protocol}://")) => Ok(true),
        "http" | "https" => Err(invalid("Endpoint must match the specified protocol")),
        "sqs" if is_arn("sqs") => Ok(false),
        "sqs" => Err(invalid("SQS endpoint ARN")),
        "lambda" if is_arn("lambda") => Ok(false),
        "lambda" => Err(invalid("Lambda endpoint ARN")),
        "firehose" if is_arn("firehose") => Ok(false),
        "firehose" => Err(invalid("Firehose endpoint ARN")),
        "application" if is_arn("sns") => Ok(false),
        "application" => Err(invalid("Application endpoint arn invalid")),
        "sms" if endpoint.len() >= 5 && endpoint.bytes().all(|b| b.is_ascii_digit() || b"+- .".contains(&b)) => {
            Ok(false)
        }
        "sms" => Err(invalid(format!("Invalid SMS endpoint: {endpoint}"))),
        _ => Err(invalid(format!("Amazon SNS does not support this protocol string: {protocol}"))),
    }
}

pub(super) fn subscribe(world: &mut World, call: &Call, input: &SubscribeInput) -> Answer<SubscribeOutput> {
    let topic_arn = topic_mut(world, call, &input.topic_arn)?.arn.clone();
    let protocol = input.protocol.as_deref().unwrap_or_default();
    let endpoint = input.endpoint.as_deref().unwrap_or_default();
    let must_confirm = check_endpoint(protocol, endpoint)?;
    let attributes: BTreeMap<String, String> = input.attributes.clone().unwrap_or_default().into_iter().collect();
    for (name, value) in &attributes {
        check_subscription_attribute(name, value)?;
    }
    world.sns.subscriptions.retain(|_, subscription| subscription.is_there(call.now_ms));
    let same = |s: &&Subscription| s.topic_arn == topic_arn && s.protocol == protocol && s.endpoint == endpoint;
    let subscription = match world.sns.subscriptions.values().find(same) {
        Some(present) if attributes.iter().any(|(name, value)| present.attributes.get(name) != Some(value)) => {
            return Err(invalid("Attributes Reason: Subscription already exists with different attributes"));
        }
        Some(present) => present.clone(),
        None => {
            let new = Subscription {
                arn: format!("{topic_arn}:{}", uuid(world)),
                topic_arn,
                protocol: protocol.to_owned(),
                endpoint: endpoint.to_owned(),
                attributes,
                created_ms: call.now_ms,
                confirmed_ms: (!must_confirm).then_some(call.now_ms),
            };
            world.sns.subscriptions.insert(new.arn.clone(), new.clone());
            new
        }
    };
    let tell = subscription.confirmed_ms.is_some() || input.return_subscription_arn == Some(true);
    let arn = if tell { subscription.arn } else { "pending confirmation".to_owned() };
    Ok(SubscribeOutput::builder().subscription_arn(arn).build())
}

fn uuid(world: &mut World) -> String {
    let mut hex = |n| world.token(b"0123456789abcdef", n);
    format!("{}-{}-4{}-a{}-{}", hex(8), hex(4), hex(3), hex(3), hex(12))
}

/// Unsubscribing what is not there succeeds.
pub(super) fn unsubscribe(world: &mut World, call: &Call, input: &UnsubscribeInput) -> Answer<UnsubscribeOutput> {
    let arn = arn(call, &input.subscription_arn, "SubscriptionArn")?;
    let Some(subscription) = world.sns.subscriptions.get(arn).filter(|s| s.is_there(call.now_ms)) else {
        return Ok(UnsubscribeOutput::builder().build());
    };
    if subscription.confirmed_ms.is_none() {
        return Err(invalid("SubscriptionArn Reason: Cannot unsubscribe a subscription that is pending confirmation"));
    }
    let topic_arn = subscription.topic_arn.clone();
    world.sns.subscriptions.remove(arn);
    if let Some(topic) = world.sns.topics.get_mut(&topic_arn) {
        topic.deleted += 1;
    }
    Ok(UnsubscribeOutput::builder().build())
}

pub(super) fn list_subscriptions_by_topic(
    world: &mut World,
    call: &Call,
    input: &ListSubscriptionsByTopicInput,
) -> Answer<ListSubscriptionsByTopicOutput> {
    let topic_arn = topic_mut(world, call, &input.topic_arn)?.arn.clone();
    let of_topic = |s: &Subscription| s.topic_arn == topic_arn && s.is_there(call.now_ms);
    let all = world.sns.subscriptions.iter().filter(|(_, s)| of_topic(s)).map(|(arn, _)| arn);
    let (arns, more) = page(all, input.next_token.as_deref());
    let shown = arns.into_iter().map(|arn| {
        let subscription = &world.sns.subscriptions[arn];
        SdkSubscription::builder()
            .subscription_arn(if subscription.confirmed_ms.is_some() { arn } else { "PendingConfirmation" })
            .owner(&world.account)
            .protocol(&subscription.protocol)
            .endpoint(&subscription.endpoint)
            .topic_arn(&subscription.topic_arn)
            .build()
    });
    Ok(ListSubscriptionsByTopicOutput::builder().set_subscriptions(Some(shown.collect())).set_next_token(more).build())
}

fn subscription_mut<'w>(world: &'w mut World, call: &Call, value: &Option<String>) -> Answer<&'w mut Subscription> {
    let arn = arn(call, value, "SubscriptionArn")?;
    world.sns.subscriptions.get_mut(arn).filter(|s| s.is_there(call.now_ms)).ok_or_else(no_subscription)
}

pub(super) fn get_subscription_attributes(
    world: &mut World,
    call: &Call,
    input: &GetSubscriptionAttributesInput,
) -> Answer<GetSubscriptionAttributesOutput> {
    let subscription = subscription_mut(world, call, &input.subscription_arn)?.clone();
    let pending = subscription.confirmed_ms.is_none();
    let computed = [
        ("SubscriptionArn", subscription.arn.clone()),
        ("TopicArn", subscription.topic_arn.clone()),
        ("Owner", world.account.clone()),
        ("Protocol", subscription.protocol.clone()),
        ("Endpoint", subscription.endpoint.clone()),
        ("RawMessageDelivery", "false".to_owned()),
        ("PendingConfirmation", pending.to_string()),
        // Confirmed by the account itself, not by a link in a mail.
        ("ConfirmationWasAuthenticated", (!pending && !subscription.protocol.starts_with("email")).to_string()),
        ("SubscriptionPrincipal", format!("arn:aws:iam::{}:root", world.account)),
    ];
    let mut attributes: HashMap<String, String> =
        computed.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    attributes.extend(subscription.attributes);
    Ok(GetSubscriptionAttributesOutput::builder().set_attributes(Some(attributes)).build())
}

pub(super) fn set_subscription_attributes(
    world: &mut World,
    call: &Call,
    input: &SetSubscriptionAttributesInput,
) -> Answer<SetSubscriptionAttributesOutput> {
    let subscription = subscription_mut(world, call, &input.subscription_arn)?;
    let name = input.attribute_name.as_deref().unwrap_or_default();
    let value = input.attribute_value.as_deref().unwrap_or_default();
    check_subscription_attribute(name, value)?;
    if value.is_empty() || value == "{}" {
        subscription.attributes.remove(name);
    } else {
        subscription.attributes.insert(name.to_owned(), value.to_owned());
    }
    Ok(SetSubscriptionAttributesOutput::builder().build())
}
