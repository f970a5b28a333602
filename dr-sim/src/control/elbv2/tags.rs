//! Tags of load balancers, target groups, listeners and rules.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::operation::add_tags::{AddTagsError, AddTagsInput, AddTagsOutput};
use aws_sdk_elasticloadbalancingv2::operation::describe_tags::{
    DescribeTagsError, DescribeTagsInput, DescribeTagsOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::remove_tags::{RemoveTagsError, RemoveTagsInput, RemoveTagsOutput};
use aws_sdk_elasticloadbalancingv2::types::{Tag, TagDescription};

use super::{SERVICE, State, invalid, resource_of};
use crate::control::{Answer, Call, Refusal, Table};
use crate::world::World;

/// Tags per resource.
const TAGS_MAX: usize = 50;
/// ARNs per call.
const ARNS_MAX: usize = 20;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "AddTags", AddTagsError::generic, add);
    table.on(SERVICE, "RemoveTags", RemoveTagsError::generic, remove);
    table.on(SERVICE, "DescribeTags", DescribeTagsError::generic, describe);
}

/// The tags of a create call.
pub(super) fn checked(tags: &[Tag]) -> Answer<BTreeMap<String, String>> {
    let mut checked = BTreeMap::new();
    for tag in tags {
        let (key, value) = (tag.key().unwrap_or_default(), tag.value().unwrap_or_default());
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(invalid(format!("Tag key '{key}' must have 1 to 128 characters, its value at most 256")));
        }
        if key.to_lowercase().starts_with("aws:") {
            return Err(invalid(format!("Tag key '{key}' cannot begin with 'aws:'")));
        }
        if checked.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(Refusal::new("DuplicateTagKeys", format!("Tag key '{key}' is given more than once")));
        }
    }
    if checked.len() > TAGS_MAX {
        return Err(Refusal::new("TooManyTags", format!("A resource can have at most {TAGS_MAX} tags")));
    }
    Ok(checked)
}

fn of<'a>(state: &'a mut State, call: &Call, arn: &str) -> Answer<&'a mut BTreeMap<String, String>> {
    let here = arn.split(':').nth(3) == Some(call.region.as_str());
    let kind = resource_of(arn).split('/').next().unwrap_or_default();
    let (code, found) = match kind {
        "loadbalancer" => ("LoadBalancerNotFound", state.balancers.get_mut(arn).map(|b| &mut b.tags)),
        "targetgroup" => ("TargetGroupNotFound", state.groups.get_mut(arn).map(|g| &mut g.tags)),
        "listener" => ("ListenerNotFound", state.listeners.get_mut(arn).map(|l| &mut l.tags)),
        "listener-rule" => ("RuleNotFound", state.rules.get_mut(arn).map(|r| &mut r.tags)),
        _ => return Err(invalid(format!("'{arn}' is not a valid ARN of a taggable resource"))),
    };
    found.filter(|_| here).ok_or_else(|| Refusal::new(code, format!("'{arn}' not found")))
}

fn arns(arns: &[String]) -> Answer<&[String]> {
    match arns {
        [] => Err(invalid("At least one resource ARN must be specified")),
        arns if arns.len() > ARNS_MAX => Err(invalid(format!("At most {ARNS_MAX} resource ARNs can be specified"))),
        arns => Ok(arns),
    }
}

fn add(world: &mut World, call: &Call, input: &AddTagsInput) -> Answer<AddTagsOutput> {
    let new = checked(input.tags())?;
    // All or nothing: look before anything changes.
    for arn in arns(input.resource_arns())? {
        let tags = of(&mut world.elbv2, call, arn)?;
        if tags.keys().chain(new.keys()).collect::<std::collections::BTreeSet<_>>().len() > TAGS_MAX {
            return Err(Refusal::new("TooManyTags", format!("A resource can have at most {TAGS_MAX} tags")));
        }
    }
    for arn in input.resource_arns() {
        of(&mut world.elbv2, call, arn)?.extend(new.clone());
    }
    Ok(AddTagsOutput::builder().build())
}

fn remove(world: &mut World, call: &Call, input: &RemoveTagsInput) -> Answer<RemoveTagsOutput> {
    for arn in arns(input.resource_arns())? {
        of(&mut world.elbv2, call, arn)?;
    }
    for arn in input.resource_arns() {
        of(&mut world.elbv2, call, arn)?.retain(|key, _| !input.tag_keys().contains(key));
    }
    Ok(RemoveTagsOutput::builder().build())
}

fn describe(world: &mut World, call: &Call, input: &DescribeTagsInput) -> Answer<DescribeTagsOutput> {
    let one = |arn: &String| {
        let tags = of(&mut world.elbv2, call, arn)?;
        let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
        Ok(TagDescription::builder().resource_arn(arn).set_tags(Some(tags)).build())
    };
    let descriptions = arns(input.resource_arns())?.iter().map(one).collect::<Answer<Vec<_>>>()?;
    Ok(DescribeTagsOutput::builder().set_tag_descriptions(Some(descriptions)).build())
}
