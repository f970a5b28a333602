//! Tags of every EC2 resource: CreateTags, DeleteTags, DescribeTags.

use aws_sdk_ec2::operation::create_tags::{CreateTagsInput, CreateTagsOutput};
use aws_sdk_ec2::operation::delete_tags::{DeleteTagsInput, DeleteTagsOutput};
use aws_sdk_ec2::operation::describe_tags::{DescribeTagsInput, DescribeTagsOutput};
use aws_sdk_ec2::types::{ResourceType, TagDescription};

use super::kit::{Paging, check_filter_names, checked_tags, here, ids, invalid, is_like, missing, unless_dry_run};
use super::not_found;
use super::state::Region;
use crate::control::{Answer, Call, Refusal};
use crate::world::World;

/// Resources of one call.
const RESOURCES_MAX: usize = 1000;

/// Prefix of the id, resource type of the API, and the kind whose "not found" is answered.
const KINDS: &[(&str, &str, &str)] = &[
    ("vpc-", "vpc", "vpc"),
    ("subnet-", "subnet", "subnet"),
    ("igw-", "internet-gateway", "gateway"),
    ("eipalloc-", "elastic-ip", "address"),
    ("nat-", "natgateway", "nat"),
    ("rtb-", "route-table", "table"),
    ("sg-", "security-group", "group"),
    ("sgr-", "security-group-rule", "rule"),
    ("acl-", "network-acl", "acl"),
    ("i-", "instance", "instance"),
    ("vol-", "volume", "volume"),
    ("vpce-", "vpc-endpoint", "endpoint"),
    ("eni-", "network-interface", "interface"),
];

fn kind_of(id: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    KINDS.iter().find(|(prefix, ..)| id.starts_with(prefix))
}

impl Region {
    /// Whether there is something of this id.
    fn knows(&self, id: &str) -> bool {
        match kind_of(id).map(|(_, kind, _)| *kind) {
            Some("vpc") => self.vpcs.contains_key(id),
            Some("subnet") => self.subnets.contains_key(id),
            Some("internet-gateway") => self.internet_gateways.contains_key(id),
            Some("elastic-ip") => self.addresses.contains_key(id),
            Some("natgateway") => self.nat_gateways.contains_key(id),
            Some("route-table") => self.route_tables.contains_key(id),
            Some("security-group") => self.groups.contains_key(id),
            Some("security-group-rule") => {
                self.groups.values().any(|group| group.rules.iter().any(|rule| rule.id == id))
            }
            Some("network-acl") => self.acls.contains_key(id),
            Some("instance") => self.instances.contains_key(id),
            Some("volume") => self.instances.values().any(|instance| instance.volume_id == id),
            Some("vpc-endpoint") => self.endpoints.contains_key(id),
            Some("network-interface") => self.interfaces.contains_key(id),
            _ => false,
        }
    }
}

fn known<'a>(region: &Region, resources: &'a Option<Vec<String>>) -> Answer<&'a [String]> {
    let resources = ids(resources);
    if resources.is_empty() {
        return Err(missing("resourceIdSet"));
    }
    if resources.len() > RESOURCES_MAX {
        return Err(invalid(format!("The maximum number of resources of a call is {RESOURCES_MAX}")));
    }
    match resources.iter().find(|id| !region.knows(id)) {
        None => Ok(resources),
        Some(unknown) => match kind_of(unknown) {
            Some((.., kind)) => Err(not_found(kind, unknown)),
            None => Err(Refusal::new("InvalidID", format!("The ID '{unknown}' is not valid"))),
        },
    }
}

pub(super) fn create_tags(world: &mut World, call: &Call, input: &CreateTagsInput) -> Answer<CreateTagsOutput> {
    let region = here(world, call);
    let resources = known(region, &input.resources)?;
    let given = input.tags.as_deref().unwrap_or_default();
    if given.is_empty() {
        return Err(missing("Tag"));
    }
    let mut changed = Vec::new();
    for id in resources {
        let mut tags = region.tags.get(id).cloned().unwrap_or_default();
        checked_tags(given, &mut tags)?;
        changed.push((id.clone(), tags));
    }
    unless_dry_run(input.dry_run)?;
    region.tags.extend(changed);
    Ok(CreateTagsOutput::builder().build())
}

/// A tag with a value goes only if it has that value; without tags, all go.
pub(super) fn delete_tags(world: &mut World, call: &Call, input: &DeleteTagsInput) -> Answer<DeleteTagsOutput> {
    let region = here(world, call);
    let resources = known(region, &input.resources)?;
    unless_dry_run(input.dry_run)?;
    for id in resources {
        match input.tags.as_deref().filter(|tags| !tags.is_empty()) {
            None => {
                region.tags.remove(id);
            }
            Some(given) => {
                let Some(tags) = region.tags.get_mut(id) else { continue };
                tags.retain(|key, value| {
                    !given.iter().any(|tag| tag.key() == Some(key) && tag.value().is_none_or(|wanted| wanted == value))
                });
            }
        }
    }
    Ok(DeleteTagsOutput::builder().build())
}

pub(super) fn describe_tags(world: &mut World, call: &Call, input: &DescribeTagsInput) -> Answer<DescribeTagsOutput> {
    unless_dry_run(input.dry_run)?;
    let filters = input.filters.as_deref().unwrap_or_default();
    check_filter_names(filters, &["key", "resource-id", "resource-type", "value"])?;
    let region = here(world, call);
    let all = region.tags.iter().filter(|(id, _)| region.is_visible(id, call.now_ms));
    let rows = all.flat_map(|(id, tags)| tags.iter().map(move |(key, value)| (format!("{id}/{key}"), id, key, value)));
    let found: Vec<(String, TagDescription)> = rows
        .filter_map(|(place, id, key, value)| {
            let (_, kind, _) = kind_of(id)?;
            let wanted = filters.iter().all(|filter| {
                let name = filter.name().unwrap_or_default();
                let has = match name {
                    "key" | "tag-key" => key,
                    "resource-id" => id,
                    "resource-type" => *kind,
                    "value" => value,
                    // `tag:KEY`: the row of that key, with one of the values.
                    tag => return tag == format!("tag:{key}") && filter.values().iter().any(|v| is_like(value, v)),
                };
                filter.values().iter().any(|pattern| is_like(has, pattern))
            });
            let row = || {
                let kind = ResourceType::from(*kind);
                TagDescription::builder().resource_id(id).resource_type(kind).key(key).value(value).build()
            };
            wanted.then(|| (place, row()))
        })
        .collect();
    let found = found.iter().map(|(place, row)| (place.as_str(), row.clone())).collect();
    let (page, next) = Paging::of(input.max_results, input.next_token.as_deref()).cut(found)?;
    let page = page.into_iter().map(|(_, row)| row).collect();
    Ok(DescribeTagsOutput::builder().set_tags(Some(page)).set_next_token(next).build())
}
