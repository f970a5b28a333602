//! `aws.sns.subscription`: who is told what a topic has to say.
//!
//! API: Subscribe, ListSubscriptionsByTopic, Unsubscribe (SNS 2010-03-31). Find: topic, protocol and endpoint. Change: all of them
//! replace. Delete: before the topic, or with it.

use std::sync::Arc;

use aws_sdk_sns::types;
use dr_core::{
    Anywhere, Class, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Problems, Region,
    Resource, Scan, Wanted,
};
use serde::{Deserialize, Serialize};

use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::TopicArn;
use crate::read::{found_by_key, on_record};

/// What SNS lists in the place of the ARN until somebody has confirmed the subscription.
const PENDING: &str = "PendingConfirmation";

/// A subscription of a topic.
///
/// SNS asks a person (e-mail) or an endpoint (HTTP, HTTPS) to confirm it, within two days. Nothing waits for that: an
/// unconfirmed subscription counts as done, and the output `confirmed` tells. It cannot be taken back before it is confirmed
/// either; it goes with its topic, or by itself.
///
/// - Inputs: topic, protocol and endpoint; each replaces.
/// - Ready: at once, confirmed or not.
/// - Calls: Subscribe, ListSubscriptionsByTopic, Unsubscribe.
/// - AWS: <https://docs.aws.amazon.com/sns/latest/dg/sns-create-subscribe-endpoint-to-topic.html>
#[derive(Debug, Clone, Resource)]
#[resource(
    type = "aws.sns.subscription",
    outputs = SubscriptionOutputs,
    create_s = 1,
    delete_s = 1,
    check = Subscription::check_inputs
)]
pub struct Subscription<R: Region = Anywhere> {
    /// The topic.
    #[input(replace)]
    topic: Input<TopicArn<R>>,
    /// How it is told.
    #[input(replace)]
    protocol: Protocol,
    /// Where: an address, a URL, an ARN.
    #[input(replace)]
    endpoint: Input<String>,
}

/// How a subscriber is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// E-mail for people.
    Email,
    /// E-mail for programs.
    EmailJson,
    /// A request to an `https://` URL.
    Https,
    /// A request to an `http://` URL.
    Http,
    /// A message to an SQS queue, by ARN.
    Sqs,
    /// A call of a Lambda function, by ARN.
    Lambda,
    /// A text message to a number, `+14155550100`.
    Sms,
}

/// What is known of a subscription.
#[derive(Debug, Clone, PartialEq, Outputs)]
#[non_exhaustive]
pub struct SubscriptionOutputs {
    /// Its ARN, once SNS tells it.
    pub arn: Option<String>,
    /// Whether it is confirmed, as of the last read.
    pub confirmed: bool,
}

impl<R: Region> Subscription<R> {
    /// Tells an endpoint by a protocol.
    pub fn new(topic: impl IntoInput<TopicArn<R>>, protocol: Protocol, endpoint: impl IntoInput<String>) -> Self {
        Subscription { topic: topic.into_input(), protocol, endpoint: endpoint.into_input() }
    }

    /// Tells a person by e-mail, who has to confirm it first.
    pub fn email(topic: impl IntoInput<TopicArn<R>>, address: impl IntoInput<String>) -> Self {
        Self::new(topic, Protocol::Email, address)
    }

    fn check_inputs(&self, problems: &mut Problems) {
        let Some(endpoint) = self.endpoint.as_known() else { return };
        let expected = match self.protocol {
            Protocol::Email | Protocol::EmailJson if !endpoint.contains('@') => "an e-mail address",
            Protocol::Https if !endpoint.starts_with("https://") => "an https:// URL",
            Protocol::Http if !endpoint.starts_with("http://") => "an http:// URL",
            Protocol::Sqs | Protocol::Lambda if !endpoint.starts_with("arn:") => "an ARN",
            Protocol::Sms if !endpoint.starts_with('+') => "a number such as +14155550100",
            _ => return,
        };
        problems.report("endpoint", format_args!("`{endpoint}` is not {expected}"));
    }
}

impl Protocol {
    fn as_str(self) -> &'static str {
        match self {
            Protocol::Email => "email",
            Protocol::EmailJson => "email-json",
            Protocol::Https => "https",
            Protocol::Http => "http",
            Protocol::Sqs => "sqs",
            Protocol::Lambda => "lambda",
            Protocol::Sms => "sms",
        }
    }
}

async fn list(aws: &Aws, region: &str, topic: &str) -> Result<Vec<types::Subscription>, CloudError> {
    let pages = aws.sns(region).list_subscriptions_by_topic().topic_arn(topic).into_paginator().items().send();
    let all = pages.collect::<Result<Vec<_>, _>>().await.call("sns:ListSubscriptionsByTopic").gone_ok()?;
    Ok(all.unwrap_or_default())
}

/// Whether a listed subscription is the one with this natural key.
fn has_key(args: &SubscriptionArgs, seen: &types::Subscription) -> bool {
    let endpoint = seen.endpoint().unwrap_or_default();
    let same_endpoint = match args.protocol {
        Protocol::Email | Protocol::EmailJson => endpoint.eq_ignore_ascii_case(&args.endpoint),
        _ => endpoint == args.endpoint,
    };
    // Unsubscribed ones are listed for a while.
    same_endpoint && seen.protocol() == Some(args.protocol.as_str()) && seen.subscription_arn() != Some("Deleted")
}

/// The ARN of a listed subscription, when it shows one.
fn arn(seen: &types::Subscription) -> Option<&str> {
    seen.subscription_arn().filter(|arn| arn.starts_with("arn:"))
}

impl Lifecycle for Subscription {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let mut found = Vec::new();
        for want in wanted {
            if let Some(recorded) = on_record(&scan.cloud, want) {
                found.push(recorded);
                continue;
            }
            let topic = want.args.topic.as_str();
            let read = || list(&scan.cloud, &scan.region, topic);
            let all: Arc<Vec<types::Subscription>> =
                scan.cloud.shared(scan, "sns:ListSubscriptionsByTopic", topic, read).await?;
            let Some(seen) = all.iter().find(|seen| has_key(&want.args, seen)) else { continue };
            // A pending one is listed without the ARN that Subscribe told.
            let told = want.outputs.as_ref().and_then(|outputs| outputs.arn.clone());
            let outputs =
                SubscriptionOutputs { arn: arn(seen).map(str::to_owned).or(told), confirmed: arn(seen).is_some() };
            found.push(found_by_key(want, want.args.clone(), outputs, Health::Ready));
        }
        Ok(found)
    }

    async fn create(cx: &Cx<Aws>, args: &SubscriptionArgs) -> Result<SubscriptionOutputs, CloudError> {
        let client = cx.cloud.sns(&cx.owner.region);
        let call = client
            .subscribe()
            .topic_arn(args.topic.as_str())
            .protocol(args.protocol.as_str())
            .endpoint(&args.endpoint)
            .return_subscription_arn(true);
        let answer = call.send().await.call("sns:Subscribe")?;
        let arn = answer.subscription_arn.filter(|arn| arn.starts_with("arn:"));
        // Those need nobody's word when the queue or function is of the same account.
        let confirmed = arn.is_some() && matches!(args.protocol, Protocol::Sqs | Protocol::Lambda | Protocol::Sms);
        Ok(SubscriptionOutputs { arn, confirmed })
    }

    async fn update(_: &Cx<Aws>, prior: &Prior<Self>, _: &SubscriptionArgs) -> Result<SubscriptionOutputs, CloudError> {
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let region = &cx.owner.region;
        let arn = match &prior.outputs.arn {
            Some(arn) => arn.clone(),
            // Confirmed since the last read, or there is nothing that could be named.
            None => {
                let all = list(&cx.cloud, region, prior.args.topic.as_str()).await?;
                match all.iter().find(|seen| has_key(&prior.args, seen)).and_then(arn) {
                    Some(arn) => arn.to_owned(),
                    None => return Ok(()),
                }
            }
        };
        let answer = cx.cloud.sns(region).unsubscribe().subscription_arn(arn).send().await.call("sns:Unsubscribe");
        match answer.gone_ok() {
            Err(error) if is_pending(&error) => Ok(()),
            answer => answer.map(drop),
        }
    }
}

/// Nobody confirmed it, so there is nothing to take back: it ends by itself or with its topic.
fn is_pending(error: &CloudError) -> bool {
    let text = error.message.to_ascii_lowercase();
    error.class == Class::Permanent
        && (text.contains("pending confirmation") || text.contains(&PENDING.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use aws_sdk_sns::Client;
    use aws_sdk_sns::error::ErrorMetadata;
    use aws_sdk_sns::operation::list_subscriptions_by_topic::ListSubscriptionsByTopicOutput;
    use aws_sdk_sns::operation::unsubscribe::UnsubscribeError;
    use aws_sdk_sns::types::error::InvalidParameterException;
    use aws_smithy_mocks::{Rule, mock};

    use super::*;
    use crate::testing::{cx, outcome, refused};

    const ARN: &str = "arn:aws:sns:us-east-1:123456789012:shop-alarms-01234567:7e7d1f0a";

    fn prior(arn: Option<&str>) -> Prior<Subscription> {
        let topic = TopicArn::literal("arn:aws:sns:us-east-1:123456789012:shop-alarms-01234567");
        let args = SubscriptionArgs { topic, protocol: Protocol::Email, endpoint: "ops@example.com".into() };
        Prior { args, outputs: SubscriptionOutputs { arn: arn.map(str::to_owned), confirmed: false } }
    }

    fn list(arn: &'static str) -> Rule {
        mock!(Client::list_subscriptions_by_topic).then_output(move || {
            let one =
                types::Subscription::builder().subscription_arn(arn).protocol("email").endpoint("ops@example.com");
            ListSubscriptionsByTopicOutput::builder().subscriptions(one.build()).build()
        })
    }

    #[tokio::test]
    async fn a_pending_subscription_is_done_for_deploy_and_teardown() {
        let refuse = mock!(Client::unsubscribe).then_error(|| {
            let text = "Invalid parameter: This subscription is not confirmed: cannot unsubscribe a subscription that is pending confirmation";
            let meta = ErrorMetadata::builder().code("InvalidParameter").message(text).build();
            UnsubscribeError::InvalidParameterException(InvalidParameterException::builder().message(text).meta(meta).build())
        });
        Subscription::delete(&cx(&[&refuse]), &prior(Some(ARN))).await.unwrap();
        assert_eq!(refuse.num_calls(), 1);
        // Without an ARN nothing is called that could be refused.
        Subscription::delete(&cx(&[&list(PENDING)]), &prior(None)).await.unwrap();
    }

    #[tokio::test]
    async fn an_unsubscription_that_is_refused_otherwise_is_an_error() {
        let refuse = mock!(Client::unsubscribe).then_error(|| {
            let meta = ErrorMetadata::builder().code("AuthorizationError").message("no").build();
            UnsubscribeError::generic(meta)
        });
        assert!(Subscription::delete(&cx(&[&refuse]), &prior(Some(ARN))).await.is_err());
    }

    #[tokio::test]
    async fn the_list_hides_the_arn_of_a_pending_subscription_and_the_state_keeps_it() {
        for (listed, confirmed) in [(PENDING, false), (ARN, true)] {
            let scan = Scan { cloud: Aws::mocked(&[&list(listed)]), stack: "shop".into(), region: "us-east-1".into() };
            let Prior { args, outputs } = prior(Some(ARN));
            let address = "us-east-1/alarms.mail".parse().unwrap();
            let want = Wanted { address, generation: 1, token: "0".repeat(32), args, outputs: Some(outputs) };
            let found = Subscription::read(&scan, &[want]).await.unwrap();
            assert_eq!(found[0].outputs, SubscriptionOutputs { arn: Some(ARN.into()), confirmed });
            assert_eq!(found[0].health, Health::Ready);
        }
    }

    #[tokio::test]
    async fn a_new_topic_is_waited_for_and_a_subscription_that_is_gone_is_deleted() {
        for (code, class) in [("NotFound", Class::Eventual), ("SubscriptionLimitExceeded", Class::Permanent)] {
            let refused = refused(mock!(Client::subscribe), code, "");
            assert_eq!(outcome(Subscription::create(&cx(&[&refused]), &prior(None).args).await), Err(class), "{code}");
        }
        let gone = refused(mock!(Client::unsubscribe), "NotFound", "Subscription does not exist");
        assert_eq!(outcome(Subscription::delete(&cx(&[&gone]), &prior(Some(ARN))).await), Ok(()));
    }
}
