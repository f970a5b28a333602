//! Topics and subscriptions, and every refusal.

use std::collections::HashMap;

use aws_sdk_sns::operation::create_topic::{CreateTopicInput, CreateTopicOutput};
use aws_sdk_sns::operation::delete_topic::DeleteTopicInput;
use aws_sdk_sns::operation::get_subscription_attributes::GetSubscriptionAttributesInput;
use aws_sdk_sns::operation::get_topic_attributes::GetTopicAttributesInput;
use aws_sdk_sns::operation::list_subscriptions_by_topic::ListSubscriptionsByTopicInput;
use aws_sdk_sns::operation::list_tags_for_resource::ListTagsForResourceInput;
use aws_sdk_sns::operation::list_topics::ListTopicsInput;
use aws_sdk_sns::operation::set_subscription_attributes::SetSubscriptionAttributesInput;
use aws_sdk_sns::operation::set_topic_attributes::SetTopicAttributesInput;
use aws_sdk_sns::operation::subscribe::SubscribeInput;
use aws_sdk_sns::operation::tag_resource::TagResourceInput;
use aws_sdk_sns::operation::unsubscribe::UnsubscribeInput;
use aws_sdk_sns::operation::untag_resource::UntagResourceInput;
use aws_sdk_sns::types::Tag;

use super::subscriptions::*;
use super::topics::*;
use super::*;

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:alerts";

fn at(s: u64) -> Call {
    Call { region: "us-east-1".to_owned(), now_ms: s * 1000 }
}

fn code<T>(answer: Answer<T>) -> String {
    answer.err().map_or_else(|| "accepted".to_owned(), |refusal| format!("{}: {}", refusal.code, refusal.message))
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build().expect("both set")
}

fn create(world: &mut World, name: &str, tags: Vec<Tag>) -> Answer<CreateTopicOutput> {
    create_topic(world, &at(0), &CreateTopicInput::builder().name(name).set_tags(Some(tags)).build().expect("built"))
}

fn with_topic() -> World {
    let mut world = World::new(1);
    create(&mut world, "alerts", vec![tag("a", "1")]).expect("fine");
    world
}

fn subscribe_to(world: &mut World, protocol: &str, endpoint: &str, tell: bool) -> Answer<String> {
    let input =
        SubscribeInput::builder().topic_arn(TOPIC).protocol(protocol).endpoint(endpoint).return_subscription_arn(tell);
    Ok(subscribe(world, &at(0), &input.build().expect("built"))?.subscription_arn.expect("an ARN or a text"))
}

fn attributes(world: &mut World) -> HashMap<String, String> {
    let input = GetTopicAttributesInput::builder().topic_arn(TOPIC).build().expect("built");
    get_topic_attributes(world, &at(0), &input).expect("there").attributes.expect("attributes")
}

#[test]
fn creating_a_topic_again_answers_it_unless_it_would_differ() {
    let mut world = with_topic();
    assert_eq!(create(&mut world, "alerts", vec![]).expect("the same").topic_arn(), Some(TOPIC));
    create(&mut world, "alerts", vec![tag("a", "1")]).expect("the same");
    assert_eq!(
        code(create(&mut world, "alerts", vec![tag("a", "2")])),
        "InvalidParameter: Invalid parameter: Tags Reason: Topic already exists with different tags"
    );
    let input = CreateTopicInput::builder().name("alerts").attributes("DisplayName", "x").build().expect("built");
    assert_eq!(
        code(create_topic(&mut world, &at(0), &input)),
        "InvalidParameter: Invalid parameter: Attributes Reason: Topic already exists with different attributes"
    );
}

#[test]
fn names_attributes_and_arns_are_checked() {
    let mut world = with_topic();
    for name in ["", "a b", "a.fifo", &"x".repeat(257)] {
        assert_eq!(code(create(&mut world, name, vec![])), "InvalidParameter: Invalid parameter: Topic Name", "{name}");
    }
    let unknown = CreateTopicInput::builder().name("x").attributes("Colour", "red").build().expect("built");
    assert!(code(create_topic(&mut world, &at(0), &unknown)).ends_with("Unknown attribute: Colour"));
    assert!(
        code(create(&mut world, "x", vec![tag("a", "1"), tag("a", "2")])).ends_with("Duplicated keys are not allowed.")
    );
    let set = |name: &str, value: &str| {
        SetTopicAttributesInput::builder()
            .topic_arn(TOPIC)
            .attribute_name(name)
            .attribute_value(value)
            .build()
            .expect("built")
    };
    assert_eq!(
        code(set_topic_attributes(&mut world, &at(0), &set("Policy", "{"))).split(':').next(),
        Some("InvalidParameter")
    );
    assert!(code(set_topic_attributes(&mut world, &at(0), &set("Colour", "red"))).ends_with("AttributeName"));
    set_topic_attributes(&mut world, &at(0), &set("DisplayName", "Alerts")).expect("fine");
    assert_eq!(attributes(&mut world)["DisplayName"], "Alerts");
    let of = |arn: &str| GetTopicAttributesInput::builder().topic_arn(arn).build().expect("built");
    assert!(
        code(get_topic_attributes(&mut world, &at(0), &of("alerts")))
            .ends_with("An ARN must have at least 6 elements, not 1")
    );
    assert_eq!(
        code(get_topic_attributes(&mut world, &at(0), &of(&format!("{TOPIC}x")))),
        "NotFound: Topic does not exist"
    );
    let west = Call { region: "us-west-2".to_owned(), now_ms: 0 };
    assert_eq!(
        code(get_topic_attributes(&mut world, &west, &of(TOPIC))),
        "InvalidParameter: Invalid parameter: TopicArn"
    );
}

#[test]
fn a_subscription_by_mail_is_pending_until_it_is_confirmed() {
    let mut world = with_topic();
    assert_eq!(subscribe_to(&mut world, "email", "ops@example.com", false).as_deref(), Ok("pending confirmation"));
    let arn = subscribe_to(&mut world, "email", "ops@example.com", true).expect("the same subscription");
    assert!(arn.starts_with(&format!("{TOPIC}:")), "{arn}");
    let list = |world: &mut World, s: u64| {
        let input = ListSubscriptionsByTopicInput::builder().topic_arn(TOPIC).build().expect("built");
        let output = list_subscriptions_by_topic(world, &at(s), &input).expect("there");
        output.subscriptions().iter().map(|s| s.subscription_arn().expect("set").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list(&mut world, 0), ["PendingConfirmation"]);
    assert_eq!(
        (
            attributes(&mut world)["SubscriptionsPending"].as_str(),
            attributes(&mut world)["SubscriptionsConfirmed"].as_str()
        ),
        ("1", "0")
    );
    let gone = |arn: &str| UnsubscribeInput::builder().subscription_arn(arn).build().expect("built");
    assert!(
        code(unsubscribe(&mut world, &at(0), &gone(&arn)))
            .contains("Cannot unsubscribe a subscription that is pending confirmation")
    );
    assert!(code(unsubscribe(&mut world, &at(0), &gone("PendingConfirmation"))).starts_with("InvalidParameter"));
    let of = GetSubscriptionAttributesInput::builder().subscription_arn(&arn).build().expect("built");
    let shown =
        |world: &mut World, s: u64| get_subscription_attributes(world, &at(s), &of).map(|o| o.attributes.expect("set"));
    assert_eq!(shown(&mut world, 0).expect("there")["PendingConfirmation"], "true");
    assert_eq!(list(&mut world, 48 * 3600), Vec::<String>::new(), "forgotten after two days");
    assert!(confirm(&mut world, &arn, 1000) && !confirm(&mut world, &arn, 2000));
    assert_eq!(list(&mut world, 48 * 3600), std::slice::from_ref(&arn));
    assert_eq!(shown(&mut world, 1).expect("there")["PendingConfirmation"], "false");
    unsubscribe(&mut world, &at(1), &gone(&arn)).expect("confirmed");
    unsubscribe(&mut world, &at(1), &gone(&arn)).expect("gone already");
    assert_eq!(code(shown(&mut world, 1)), "NotFound: Subscription does not exist");
    assert_eq!(attributes(&mut world)["SubscriptionsDeleted"], "1");
}

#[test]
fn endpoints_are_checked_by_protocol_and_aws_resources_need_no_confirmation() {
    let mut world = with_topic();
    let queue = subscribe_to(&mut world, "sqs", "arn:aws:sqs:us-east-1:123456789012:q", false).expect("fine");
    assert!(queue.starts_with(TOPIC), "{queue}");
    let mut refused = |protocol: &str, endpoint: &str| code(subscribe_to(&mut world, protocol, endpoint, true));
    assert!(refused("pigeon", "x").ends_with("does not support this protocol string: pigeon"));
    assert!(refused("email", "ops").ends_with("Email address"));
    assert!(refused("https", "http://example.com").ends_with("Endpoint must match the specified protocol"));
    assert!(refused("sqs", "https://sqs").ends_with("SQS endpoint ARN"));
    let other = SubscribeInput::builder()
        .topic_arn(format!("{TOPIC}x"))
        .protocol("sms")
        .endpoint("+4912345")
        .build()
        .expect("built");
    assert_eq!(code(subscribe(&mut world, &at(0), &other)), "NotFound: Topic does not exist");
    let set = |name: &str, value: &str| {
        let input = SetSubscriptionAttributesInput::builder().subscription_arn(&queue);
        input.attribute_name(name).attribute_value(value).build().expect("built")
    };
    set_subscription_attributes(&mut world, &at(0), &set("RawMessageDelivery", "true")).expect("fine");
    assert!(
        code(set_subscription_attributes(&mut world, &at(0), &set("RawMessageDelivery", "x")))
            .starts_with("InvalidParameter")
    );
    let again =
        SubscribeInput::builder().topic_arn(TOPIC).protocol("sqs").endpoint("arn:aws:sqs:us-east-1:123456789012:q");
    let again = again.attributes("RawMessageDelivery", "false").build().expect("built");
    assert!(
        code(subscribe(&mut world, &at(0), &again)).ends_with("Subscription already exists with different attributes")
    );
}

#[test]
fn a_topic_takes_its_subscriptions_with_it_and_its_absence_is_no_error() {
    let mut world = with_topic();
    subscribe_to(&mut world, "sms", "+4912345", true).expect("fine");
    let input = DeleteTopicInput::builder().topic_arn(TOPIC).build().expect("built");
    delete_topic(&mut world, &at(0), &input).expect("there");
    assert!(world.sns.subscriptions.is_empty());
    delete_topic(&mut world, &at(0), &input).expect("gone already");
}

#[test]
fn topics_are_listed_by_hundreds_and_by_region() {
    let mut world = World::new(1);
    for n in 0..101 {
        create(&mut world, &format!("t{n}"), vec![]).expect("fine");
    }
    let list = |world: &mut World, region: &str, token: Option<String>| {
        let call = Call { region: region.to_owned(), now_ms: 0 };
        let output =
            list_topics(world, &call, &ListTopicsInput::builder().set_next_token(token).build().expect("built"));
        let output = output.expect("a page");
        (output.topics().len(), output.next_token)
    };
    let (first, token) = list(&mut world, "us-east-1", None);
    assert_eq!((first, token.is_some()), (100, true));
    assert_eq!(list(&mut world, "us-east-1", token), (1, None));
    assert_eq!(list(&mut world, "eu-west-1", None), (0, None));
}

#[test]
fn tags_change_on_topics_that_exist() {
    let mut world = with_topic();
    let add = TagResourceInput::builder().resource_arn(TOPIC).tags(tag("b", "2")).build().expect("built");
    tag_resource(&mut world, &at(0), &add).expect("fine");
    let remove = UntagResourceInput::builder().resource_arn(TOPIC).tag_keys("a").build().expect("built");
    untag_resource(&mut world, &at(0), &remove).expect("fine");
    let list = ListTagsForResourceInput::builder().resource_arn(TOPIC).build().expect("built");
    assert_eq!(list_tags_for_resource(&mut world, &at(0), &list).expect("there").tags(), [tag("b", "2")]);
    let many = (0..50).map(|n| tag(&format!("t{n}"), "v")).collect();
    let many = TagResourceInput::builder().resource_arn(TOPIC).set_tags(Some(many)).build().expect("built");
    assert_eq!(code(tag_resource(&mut world, &at(0), &many)).split(':').next(), Some("TagLimitExceeded"));
    let none =
        TagResourceInput::builder().resource_arn(format!("{TOPIC}x")).tags(tag("b", "2")).build().expect("built");
    assert_eq!(code(tag_resource(&mut world, &at(0), &none)), "ResourceNotFound: Resource does not exist");
}
