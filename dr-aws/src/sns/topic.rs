//! `aws.sns.topic`: where alarms send what they have to say.
//!
//! API: CreateTopic, ListTopics, TagResource, UntagResource, ListTagsForResource, DeleteTopic (SNS 2010-03-31). Find: name and
//! tags. Change: nothing but tags. Delete: any time; its subscriptions go with it.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use aws_sdk_sns::types::Tag;
use dr_core::{Anywhere, CloudError, Cx, Found, Health, Lifecycle, Outputs, Prior, Region, Resource, Scan, Wanted};

use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::TopicArn;
use crate::read::Promised as _;
use crate::{names, tags};

/// The longest name.
const NAME_LEN_MAX: usize = 256;

/// A topic. An alarm notifies topics of its own region only, so the alarms on Route 53 health checks need one in `us-east-1`.
///
/// Its default policy lets CloudWatch alarms of the account publish to it.
///
/// - Inputs: none.
/// - Ready: at once.
/// - Calls: CreateTopic, ListTopics, ListTagsForResource, DeleteTopic.
/// - AWS: <https://docs.aws.amazon.com/sns/latest/dg/sns-create-topic.html>
#[derive(Debug, Clone, Resource)]
#[resource(type = "aws.sns.topic", outputs = TopicOutputs, create_s = 1, delete_s = 1)]
pub struct Topic<R: Region = Anywhere> {
    of: PhantomData<fn() -> R>,
}

/// What is known of a topic.
#[derive(Debug, Clone, PartialEq, Outputs)]
#[non_exhaustive]
pub struct TopicOutputs<R: Region = Anywhere> {
    /// Its ARN.
    pub arn: TopicArn<R>,
}

impl<R: Region> Topic<R> {
    /// A topic without subscriptions.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a resource is something to say, not a value to fall back to")]
    pub fn new() -> Self {
        Topic { of: PhantomData }
    }
}

fn outputs(arn: &str) -> TopicOutputs {
    TopicOutputs { arn: TopicArn::literal(arn) }
}

fn sdk_tags(tags: BTreeMap<String, String>) -> Vec<Tag> {
    let tag = |(key, value)| Tag::builder().key(key).value(value).build().expect("key and value are set");
    tags.into_iter().map(tag).collect()
}

/// All tags of a topic; none of one that is not there.
async fn read_tags(aws: &Aws, region: &str, arn: &str) -> Result<BTreeMap<String, String>, CloudError> {
    let answer = aws.sns(region).list_tags_for_resource().resource_arn(arn).send().await;
    let tags = answer.call("sns:ListTagsForResource").gone_ok()?.and_then(|answer| answer.tags).unwrap_or_default();
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

async fn write_tags(cx: &Cx<Aws>, arn: &str, present: &BTreeMap<String, String>) -> Result<(), CloudError> {
    let client = cx.cloud.sns(&cx.owner.region);
    let (wanted, surplus) = tags::changes(&cx.owner, present);
    if !wanted.is_empty() {
        let call = client.tag_resource().resource_arn(arn).set_tags(Some(sdk_tags(wanted)));
        call.send().await.call("sns:TagResource")?;
    }
    if !surplus.is_empty() {
        let call = client.untag_resource().resource_arn(arn).set_tag_keys(Some(surplus));
        call.send().await.call("sns:UntagResource")?;
    }
    Ok(())
}

impl Lifecycle for Topic {
    type Cloud = Aws;

    /// One call, and one for each topic with a name of this stack that the state does not know: the list has no tags.
    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let pages = scan.cloud.sns(&scan.region).list_topics().into_paginator().items().send();
        let topics = pages.collect::<Result<Vec<_>, _>>().await.call("sns:ListTopics")?;
        let mut found = Vec::new();
        for arn in topics.iter().filter_map(|topic| topic.topic_arn()) {
            let name = arn.rsplit(':').next().unwrap_or_default();
            let known = wanted.iter().find(|want| want.outputs.as_ref().is_some_and(|o| o.arn.as_str() == arn));
            if known.is_none() && !names::may_be_of(&scan.stack, name, NAME_LEN_MAX) {
                continue;
            }
            let owned = match known {
                Some(_) if !scan.cloud.reads_all() => None,
                _ => tags::owned(&scan.stack, read_tags(&scan.cloud, &scan.region, arn).await?),
            };
            let (address, generation) = match (known, &owned) {
                (Some(known), _) => (known.address.clone(), known.generation),
                (None, Some(owned)) => (owned.address.clone(), owned.generation),
                (None, None) => continue,
            };
            let (args, outputs, tags) = (Some(TopicArgs {}), outputs(arn), owned.map(|owned| owned.tags));
            found.push(Found { address, generation, args, outputs, health: Health::Ready, tags });
        }
        Ok(found)
    }

    async fn create(cx: &Cx<Aws>, _: &TopicArgs) -> Result<TopicOutputs, CloudError> {
        let client = cx.cloud.sns(&cx.owner.region);
        // The same name again is answered with the topic that is there.
        let call = client
            .create_topic()
            .name(names::physical(&cx.owner, NAME_LEN_MAX))
            .set_tags(Some(sdk_tags(tags::ownership(&cx.owner))));
        let topic = call.send().await.call("sns:CreateTopic")?;
        Ok(outputs(topic.topic_arn().promised("sns:CreateTopic", "the ARN")?))
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, _: &TopicArgs) -> Result<TopicOutputs, CloudError> {
        let arn = prior.outputs.arn.as_str();
        let present = read_tags(&cx.cloud, &cx.owner.region, arn).await?;
        write_tags(cx, arn, &present).await?;
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let client = cx.cloud.sns(&cx.owner.region);
        let call = client.delete_topic().topic_arn(prior.outputs.arn.as_str());
        call.send().await.call("sns:DeleteTopic").gone_ok().map(drop)
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        write_tags(cx, current.outputs.arn.as_str(), &BTreeMap::new()).await
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sns::Client;
    use aws_smithy_mocks::mock;
    use dr_core::Class;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    #[tokio::test]
    async fn a_name_with_other_tags_is_looked_at_a_quota_is_final_and_concurrency_is_tried_again() {
        for (code, text, class) in [
            (
                "InvalidParameter",
                "Invalid parameter: Tags Reason: Topic already exists with different tags",
                Class::Exists,
            ),
            ("InvalidParameter", "Invalid parameter: Topic Name", Class::Permanent),
            ("TopicLimitExceeded", "", Class::Permanent),
            ("ConcurrentAccess", "", Class::Stale),
            (
                "AuthorizationError",
                "User: u is not authorized to perform: sns:CreateTopic on resource: t",
                Class::Denied,
            ),
        ] {
            let refused = refused(mock!(Client::create_topic), code, text);
            assert_eq!(outcome(Topic::create(&cx(&[&refused]), &TopicArgs {}).await), Err(class), "{code} {text}");
        }
    }

    #[tokio::test]
    async fn a_topic_that_is_gone_is_deleted() {
        let gone = refused(mock!(Client::delete_topic), "NotFound", "Topic does not exist");
        let prior = Prior { args: TopicArgs {}, outputs: outputs("arn:aws:sns:us-east-1:1:t") };
        assert_eq!(outcome(Topic::delete(&cx(&[&gone]), &prior).await), Ok(()));
    }
}
