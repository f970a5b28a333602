//! Topics and their tags. Creating what is there answers it, deleting what is not there succeeds.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_sns::operation::create_topic::{CreateTopicError, CreateTopicInput, CreateTopicOutput};
use aws_sdk_sns::operation::delete_topic::{DeleteTopicError, DeleteTopicInput, DeleteTopicOutput};
use aws_sdk_sns::operation::get_topic_attributes::{
    GetTopicAttributesError, GetTopicAttributesInput, GetTopicAttributesOutput,
};
use aws_sdk_sns::operation::list_tags_for_resource::{
    ListTagsForResourceError, ListTagsForResourceInput, ListTagsForResourceOutput,
};
use aws_sdk_sns::operation::list_topics::{ListTopicsError, ListTopicsInput, ListTopicsOutput};
use aws_sdk_sns::operation::set_topic_attributes::{
    SetTopicAttributesError, SetTopicAttributesInput, SetTopicAttributesOutput,
};
use aws_sdk_sns::operation::tag_resource::{TagResourceError, TagResourceInput, TagResourceOutput};
use aws_sdk_sns::operation::untag_resource::{UntagResourceError, UntagResourceInput, UntagResourceOutput};
use aws_sdk_sns::types::{Tag, Topic as SdkTopic};

use super::{SERVICE, Topic, arn, invalid, page, topic_mut};
use crate::control::{Answer, Call, Refusal, Table};
use crate::world::World;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "CreateTopic", CreateTopicError::generic, create_topic);
    table.on(SERVICE, "GetTopicAttributes", GetTopicAttributesError::generic, get_topic_attributes);
    table.on(SERVICE, "SetTopicAttributes", SetTopicAttributesError::generic, set_topic_attributes);
    table.on(SERVICE, "ListTopics", ListTopicsError::generic, list_topics);
    table.on(SERVICE, "DeleteTopic", DeleteTopicError::generic, delete_topic);
    table.on(SERVICE, "TagResource", TagResourceError::generic, tag_resource);
    table.on(SERVICE, "UntagResource", UntagResourceError::generic, untag_resource);
    table.on(SERVICE, "ListTagsForResource", ListTagsForResourceError::generic, list_tags_for_resource);
}

/// Attributes of a topic that a request may set.
const TOPIC_ATTRIBUTES: &[&str] = &[
    "ArchivePolicy",
    "ContentBasedDeduplication",
    "DeliveryPolicy",
    "DisplayName",
    "FifoThroughputScope",
    "KmsMasterKeyId",
    "Policy",
    "SignatureVersion",
    "TracingConfig",
];

/// Logging of deliveries: `HTTPSuccessFeedbackRoleArn` and its kin.
fn is_feedback(name: &str) -> bool {
    let protocols = ["HTTP", "Firehose", "Lambda", "Application", "SQS"];
    let rest = protocols.iter().find_map(|protocol| name.strip_prefix(protocol));
    matches!(rest, Some("SuccessFeedbackRoleArn" | "SuccessFeedbackSampleRate" | "FailureFeedbackRoleArn"))
}

fn check_topic_attribute(name: &str, value: &str) -> Answer<()> {
    if !TOPIC_ATTRIBUTES.contains(&name) && !is_feedback(name) {
        return Err(invalid("AttributeName"));
    }
    if matches!(name, "Policy" | "DeliveryPolicy" | "ArchivePolicy")
        && !value.is_empty()
        && !matches!(serde_json::from_str(value), Ok(serde_json::Value::Object(_)))
    {
        return Err(invalid(format!("{name} Reason: failed to parse JSON.")));
    }
    if name == "DisplayName" && value.chars().count() > 100 {
        return Err(invalid("DisplayName Reason: must be at most 100 characters"));
    }
    Ok(())
}

fn checked_tags(tags: Option<&[Tag]>) -> Answer<BTreeMap<String, String>> {
    let mut checked = BTreeMap::new();
    for tag in tags.unwrap_or_default() {
        if tag.key.is_empty() || tag.key.chars().count() > 128 || tag.value.chars().count() > 256 {
            return Err(invalid("Tags Reason: a key has 1 to 128 characters, a value up to 256"));
        }
        if tag.key.to_lowercase().starts_with("aws:") {
            return Err(invalid("Tags Reason: keys that begin with aws: are reserved"));
        }
        if checked.insert(tag.key.clone(), tag.value.clone()).is_some() {
            return Err(invalid("Duplicated keys are not allowed."));
        }
    }
    if checked.len() > 50 {
        return Err(too_many_tags());
    }
    Ok(checked)
}

fn too_many_tags() -> Refusal {
    Refusal::new("TagLimitExceeded", "Could not complete request: tag quota of per resource exceeded")
}

fn no_resource() -> Refusal {
    Refusal::new("ResourceNotFound", "Resource does not exist").status(404)
}

pub(super) fn create_topic(world: &mut World, call: &Call, input: &CreateTopicInput) -> Answer<CreateTopicOutput> {
    let name = input.name.as_deref().unwrap_or_default();
    let mut attributes: BTreeMap<String, String> = input.attributes.clone().unwrap_or_default().into_iter().collect();
    let fifo = attributes.get("FifoTopic").is_some_and(|value| value == "true");
    let stem = if fifo { name.strip_suffix(".fifo") } else { Some(name) };
    let letters =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if name.len() > 256 || !stem.is_some_and(letters) {
        let reason = if fifo {
            "Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII \
             letters, numbers, underscores, and hyphens, and must be between 1 and 256 characters long."
        } else {
            "Topic Name"
        };
        return Err(invalid(reason));
    }
    for (name, value) in attributes.iter().filter(|(name, _)| *name != "FifoTopic") {
        let unknown = || invalid(format!("Attributes Reason: Unknown attribute: {name}"));
        check_topic_attribute(name, value)
            .map_err(|refusal| if refusal.message.ends_with("AttributeName") { unknown() } else { refusal })?;
    }
    if !fifo {
        attributes.remove("FifoTopic");
    }
    let tags = checked_tags(input.tags.as_deref())?;
    let arn = format!("arn:aws:sns:{}:{}:{name}", call.region, world.account);
    if let Some(present) = world.sns.topics.get(&arn) {
        let differs = |present: &BTreeMap<String, String>, asked: &BTreeMap<String, String>| {
            asked.iter().any(|(key, value)| present.get(key) != Some(value))
        };
        if differs(&present.attributes, &attributes) {
            return Err(invalid("Attributes Reason: Topic already exists with different attributes"));
        }
        if differs(&present.tags, &tags) {
            return Err(invalid("Tags Reason: Topic already exists with different tags"));
        }
    } else {
        let new = Topic {
            arn: arn.clone(),
            region: call.region.clone(),
            name: name.to_owned(),
            attributes,
            tags,
            deleted: 0,
        };
        world.sns.topics.insert(arn.clone(), new);
    }
    Ok(CreateTopicOutput::builder().topic_arn(arn).build())
}

/// What AWS tells of a topic's delivery when nothing is set.
const DELIVERY_POLICY: &str = r#"{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}}}"#;

/// Who may use a topic when nothing is set: the account.
fn default_policy(arn: &str, account: &str) -> String {
    let actions = [
        "Publish",
        "RemovePermission",
        "SetTopicAttributes",
        "DeleteTopic",
        "ListSubscriptionsByTopic",
        "GetTopicAttributes",
        "AddPermission",
        "Subscribe",
    ];
    serde_json::json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": { "AWS": "*" },
            "Action": actions.map(|action| format!("SNS:{action}")),
            "Resource": arn,
            "Condition": { "StringEquals": { "AWS:SourceOwner": account } },
        }],
    })
    .to_string()
}

pub(super) fn get_topic_attributes(
    world: &mut World,
    call: &Call,
    input: &GetTopicAttributesInput,
) -> Answer<GetTopicAttributesOutput> {
    let topic = topic_mut(world, call, &input.topic_arn)?.clone();
    let (mut confirmed, mut pending) = (0, 0);
    for subscription in world.sns.subscriptions.values().filter(|s| s.topic_arn == topic.arn && s.is_there(call.now_ms))
    {
        *(if subscription.confirmed_ms.is_some() { &mut confirmed } else { &mut pending }) += 1;
    }
    let computed = [
        ("TopicArn", topic.arn.clone()),
        ("Owner", world.account.clone()),
        ("DisplayName", String::new()),
        ("Policy", default_policy(&topic.arn, &world.account)),
        (
            "EffectiveDeliveryPolicy",
            topic.attributes.get("DeliveryPolicy").cloned().unwrap_or_else(|| DELIVERY_POLICY.to_owned()),
        ),
        ("SubscriptionsConfirmed", confirmed.to_string()),
        ("SubscriptionsPending", pending.to_string()),
        ("SubscriptionsDeleted", topic.deleted.to_string()),
    ];
    let mut attributes: HashMap<String, String> =
        computed.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    attributes.extend(topic.attributes);
    Ok(GetTopicAttributesOutput::builder().set_attributes(Some(attributes)).build())
}

pub(super) fn set_topic_attributes(
    world: &mut World,
    call: &Call,
    input: &SetTopicAttributesInput,
) -> Answer<SetTopicAttributesOutput> {
    let topic = topic_mut(world, call, &input.topic_arn)?;
    let name = input.attribute_name.as_deref().unwrap_or_default();
    let value = input.attribute_value.as_deref().unwrap_or_default();
    check_topic_attribute(name, value)?;
    if value.is_empty() {
        topic.attributes.remove(name);
    } else {
        topic.attributes.insert(name.to_owned(), value.to_owned());
    }
    Ok(SetTopicAttributesOutput::builder().build())
}

pub(super) fn list_topics(world: &mut World, call: &Call, input: &ListTopicsInput) -> Answer<ListTopicsOutput> {
    let here = world.sns.topics.iter().filter(|(_, topic)| topic.region == call.region).map(|(arn, _)| arn);
    let (arns, more) = page(here, input.next_token.as_deref());
    let topics = arns.into_iter().map(|arn| SdkTopic::builder().topic_arn(arn).build()).collect();
    Ok(ListTopicsOutput::builder().set_topics(Some(topics)).set_next_token(more).build())
}

/// Deleting what is not there succeeds; subscriptions go with their topic.
pub(super) fn delete_topic(world: &mut World, call: &Call, input: &DeleteTopicInput) -> Answer<DeleteTopicOutput> {
    let arn = arn(call, &input.topic_arn, "TopicArn")?;
    world.sns.topics.remove(arn);
    world.sns.subscriptions.retain(|_, subscription| subscription.topic_arn != arn);
    Ok(DeleteTopicOutput::builder().build())
}

fn tags_mut<'w>(world: &'w mut World, call: &Call, value: &Option<String>) -> Answer<&'w mut BTreeMap<String, String>> {
    let arn = arn(call, value, "ResourceArn")?;
    world.sns.topics.get_mut(arn).map(|topic| &mut topic.tags).ok_or_else(no_resource)
}

pub(super) fn tag_resource(world: &mut World, call: &Call, input: &TagResourceInput) -> Answer<TagResourceOutput> {
    let new = checked_tags(input.tags.as_deref())?;
    let tags = tags_mut(world, call, &input.resource_arn)?;
    let all: BTreeMap<String, String> = tags.clone().into_iter().chain(new).collect();
    if all.len() > 50 {
        return Err(too_many_tags());
    }
    *tags = all;
    Ok(TagResourceOutput::builder().build())
}

pub(super) fn untag_resource(
    world: &mut World,
    call: &Call,
    input: &UntagResourceInput,
) -> Answer<UntagResourceOutput> {
    let tags = tags_mut(world, call, &input.resource_arn)?;
    for key in input.tag_keys.as_deref().unwrap_or_default() {
        tags.remove(key);
    }
    Ok(UntagResourceOutput::builder().build())
}

pub(super) fn list_tags_for_resource(
    world: &mut World,
    call: &Call,
    input: &ListTagsForResourceInput,
) -> Answer<ListTagsForResourceOutput> {
    let tags = tags_mut(world, call, &input.resource_arn)?;
    let tags =
        tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build().expect("key and value are set"));
    Ok(ListTagsForResourceOutput::builder().set_tags(Some(tags.collect())).build())
}
