//! Tags of distributions.

use std::collections::BTreeMap;

use aws_sdk_cloudfront::operation::list_tags_for_resource::{
    ListTagsForResourceError, ListTagsForResourceInput, ListTagsForResourceOutput,
};
use aws_sdk_cloudfront::operation::tag_resource::{TagResourceError, TagResourceInput, TagResourceOutput};
use aws_sdk_cloudfront::operation::untag_resource::{UntagResourceError, UntagResourceInput, UntagResourceOutput};
use aws_sdk_cloudfront::types::{Tag, Tags};

use super::{SERVICE, invalid_argument};
use crate::control::{Answer, Call, Refusal, Table};
use crate::world::World;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "TagResource", TagResourceError::generic, tag_resource);
    table.on(SERVICE, "UntagResource", UntagResourceError::generic, untag_resource);
    table.on(SERVICE, "ListTagsForResource", ListTagsForResourceError::generic, list_tags_for_resource);
}

/// The tags of a request, checked: at most 50, keys of 1 to 128 characters and not AWS's own.
pub(super) fn checked(tags: Option<&Tags>) -> Answer<BTreeMap<String, String>> {
    let mut checked = BTreeMap::new();
    for tag in tags.and_then(|tags| tags.items.as_deref()).unwrap_or_default() {
        let value = tag.value.clone().unwrap_or_default();
        let reserved = tag.key.to_lowercase().starts_with("aws:");
        if tag.key.is_empty() || tag.key.chars().count() > 128 || value.chars().count() > 256 || reserved {
            return Err(invalid_tagging());
        }
        if checked.insert(tag.key.clone(), value).is_some() {
            return Err(invalid_tagging());
        }
    }
    if checked.len() > 50 {
        return Err(invalid_tagging());
    }
    Ok(checked)
}

fn invalid_tagging() -> Refusal {
    Refusal::new("InvalidTagging", "The tagging specified is not valid.")
}

fn tags_mut<'w>(world: &'w mut World, arn: &Option<String>) -> Answer<&'w mut BTreeMap<String, String>> {
    let arn = arn.as_deref().unwrap_or_default();
    if !arn.starts_with("arn:aws:cloudfront::") {
        return Err(invalid_argument(format!("The parameter Resource is not a valid ARN: {arn}.")));
    }
    let found = world.cloudfront.distributions.values_mut().find(|distribution| distribution.arn == arn);
    found.map(|distribution| &mut distribution.tags).ok_or_else(|| {
        Refusal::new("NoSuchResource", format!("A resource that was specified is not valid: {arn}.")).status(404)
    })
}

pub(super) fn tag_resource(world: &mut World, _: &Call, input: &TagResourceInput) -> Answer<TagResourceOutput> {
    let new = checked(input.tags.as_ref())?;
    let tags = tags_mut(world, &input.resource)?;
    let all: BTreeMap<String, String> = tags.clone().into_iter().chain(new).collect();
    if all.len() > 50 {
        return Err(invalid_tagging());
    }
    *tags = all;
    Ok(TagResourceOutput::builder().build())
}

pub(super) fn untag_resource(world: &mut World, _: &Call, input: &UntagResourceInput) -> Answer<UntagResourceOutput> {
    let tags = tags_mut(world, &input.resource)?;
    for key in input.tag_keys.as_ref().and_then(|keys| keys.items.as_deref()).unwrap_or_default() {
        tags.remove(key);
    }
    Ok(UntagResourceOutput::builder().build())
}

pub(super) fn list_tags_for_resource(
    world: &mut World,
    _: &Call,
    input: &ListTagsForResourceInput,
) -> Answer<ListTagsForResourceOutput> {
    let tags = tags_mut(world, &input.resource)?;
    let items =
        tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build().expect("the key is set")).collect();
    Ok(ListTagsForResourceOutput::builder().tags(Tags::builder().set_items(Some(items)).build()).build())
}
