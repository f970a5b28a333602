//! Tags of hosted zones and health checks: only after the creation, at most ten per call.

use std::collections::BTreeMap;

use aws_sdk_route53::operation::change_tags_for_resource::{
    ChangeTagsForResourceError, ChangeTagsForResourceInput, ChangeTagsForResourceOutput,
};
use aws_sdk_route53::operation::list_tags_for_resource::{
    ListTagsForResourceError, ListTagsForResourceInput, ListTagsForResourceOutput,
};
use aws_sdk_route53::operation::list_tags_for_resources::{
    ListTagsForResourcesError, ListTagsForResourcesInput, ListTagsForResourcesOutput,
};
use aws_sdk_route53::types::{ResourceTagSet, Tag, TagResourceType};

use super::{SERVICE, bare_id, invalid_input, no_zone, required};
use crate::control::{Answer, Call, Refusal, Table};
use crate::world::World;

/// Tags to add, tags to remove, resources to list, tags of a resource: each at most ten (API Reference).
const MOST: usize = 10;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "ChangeTagsForResource", ChangeTagsForResourceError::generic, change_tags);
    table.on(SERVICE, "ListTagsForResource", ListTagsForResourceError::generic, list_tags);
    table.on(SERVICE, "ListTagsForResources", ListTagsForResourcesError::generic, list_tags_of_several);
}

/// The tags of a zone or a check.
fn tags_of<'w>(
    world: &'w mut World,
    kind: Option<&TagResourceType>,
    id: &str,
) -> Answer<&'w mut BTreeMap<String, String>> {
    let id = bare_id(id);
    match kind {
        Some(TagResourceType::Hostedzone) => {
            world.route53.zones.get_mut(id).map(|zone| &mut zone.tags).ok_or_else(|| no_zone(id))
        }
        Some(TagResourceType::Healthcheck) => {
            let check = world.route53.health_checks.get_mut(id);
            check.map(|check| &mut check.tags).ok_or_else(|| {
                Refusal::new("NoSuchHealthCheck", format!("No health check exists with the specified ID: {id}"))
                    .status(404)
            })
        }
        _ => Err(invalid_input("The resource type is hostedzone or healthcheck.")),
    }
}

fn change_tags(world: &mut World, _: &Call, input: &ChangeTagsForResourceInput) -> Answer<ChangeTagsForResourceOutput> {
    let (add, remove) =
        (input.add_tags.as_deref().unwrap_or_default(), input.remove_tag_keys.as_deref().unwrap_or_default());
    if add.is_empty() && remove.is_empty() {
        return Err(invalid_input("AddTags or RemoveTagKeys is required."));
    }
    if add.len() > MOST || remove.len() > MOST {
        return Err(invalid_input(format!("A call can add up to {MOST} tags and remove up to {MOST}.")));
    }
    let tags = tags_of(world, input.resource_type.as_ref(), required(&input.resource_id, "resourceId")?)?;
    let mut all = tags.clone();
    for key in remove {
        all.remove(key);
    }
    for tag in add {
        let key = tag.key.clone().unwrap_or_default();
        let value = tag.value.clone().unwrap_or_default();
        if key.is_empty()
            || key.chars().count() > 128
            || value.chars().count() > 256
            || key.to_lowercase().starts_with("aws:")
        {
            return Err(invalid_input(format!("Invalid tag: {key}")));
        }
        all.insert(key, value);
    }
    if all.len() > MOST {
        return Err(invalid_input(format!("A resource can have up to {MOST} tags.")));
    }
    *tags = all;
    Ok(ChangeTagsForResourceOutput::builder().build())
}

fn tag_set(kind: Option<&TagResourceType>, id: &str, tags: &BTreeMap<String, String>) -> ResourceTagSet {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    ResourceTagSet::builder().set_resource_type(kind.cloned()).resource_id(bare_id(id)).set_tags(Some(tags)).build()
}

fn list_tags(world: &mut World, _: &Call, input: &ListTagsForResourceInput) -> Answer<ListTagsForResourceOutput> {
    let (kind, id) = (input.resource_type.as_ref(), required(&input.resource_id, "resourceId")?);
    let set = tag_set(kind, id, tags_of(world, kind, id)?);
    Ok(ListTagsForResourceOutput::builder().resource_tag_set(set).build())
}

fn list_tags_of_several(
    world: &mut World,
    _: &Call,
    input: &ListTagsForResourcesInput,
) -> Answer<ListTagsForResourcesOutput> {
    let ids = input.resource_ids.as_deref().unwrap_or_default();
    if !(1..=MOST).contains(&ids.len()) {
        return Err(invalid_input(format!("A call lists the tags of 1 to {MOST} resources.")));
    }
    let kind = input.resource_type.as_ref();
    let sets = ids.iter().map(|id| Ok(tag_set(kind, id, tags_of(world, kind, id)?))).collect::<Answer<Vec<_>>>()?;
    Ok(ListTagsForResourcesOutput::builder().set_resource_tag_sets(Some(sets)).build().expect("the sets are set"))
}

#[cfg(test)]
mod tests {
    use super::super::health::tests::check;
    use super::super::tests::{at, code, zone};
    use super::*;

    #[test]
    fn tags_of_zones_and_checks_are_changed_and_listed() {
        let mut world = World::new(1);
        let (zone, check) = (zone(&mut world, 0, "example.com"), check(&mut world, "r"));
        let change = |world: &mut World, kind: TagResourceType, id: &str, add: usize, remove: Option<&str>| {
            let add = (0..add).map(|n| Tag::builder().key(format!("k{n}")).value("v").build()).collect();
            let input =
                ChangeTagsForResourceInput::builder().resource_type(kind).resource_id(id).set_add_tags(Some(add));
            let input = input.set_remove_tag_keys(remove.map(|key| vec![key.to_owned()])).build().expect("built");
            code(change_tags(world, &at(0), &input))
        };
        use TagResourceType::{Healthcheck, Hostedzone};
        assert_eq!(change(&mut world, Hostedzone, &format!("/hostedzone/{zone}"), 10, None), "accepted");
        assert_eq!(change(&mut world, Hostedzone, &zone, 0, Some("k3")), "accepted");
        assert_eq!(change(&mut world, Healthcheck, &check, 1, None), "accepted");
        assert_eq!(change(&mut world, Healthcheck, &check, 11, None), "InvalidInput");
        assert_eq!(change(&mut world, Healthcheck, &check, 0, None), "InvalidInput");
        assert_eq!(change(&mut world, Healthcheck, &zone, 1, None), "NoSuchHealthCheck");
        assert_eq!(change(&mut world, Hostedzone, &check, 1, None), "NoSuchHostedZone");
        assert_eq!(change(&mut world, TagResourceType::from("domain"), &zone, 1, None), "InvalidInput");
        let one =
            ListTagsForResourceInput::builder().resource_type(Hostedzone).resource_id(&zone).build().expect("built");
        let set = list_tags(&mut world, &at(0), &one).expect("there").resource_tag_set.expect("a set");
        assert_eq!((set.resource_id(), set.tags().len()), (Some(zone.as_str()), 9));
        let several = |ids: Vec<String>| {
            ListTagsForResourcesInput::builder()
                .resource_type(Healthcheck)
                .set_resource_ids(Some(ids))
                .build()
                .expect("built")
        };
        let sets = list_tags_of_several(&mut world, &at(0), &several(vec![check.clone()])).expect("there");
        assert_eq!(sets.resource_tag_sets()[0].tags().len(), 1);
        assert_eq!(code(list_tags_of_several(&mut world, &at(0), &several(vec![check; 11]))), "InvalidInput");
    }
}
