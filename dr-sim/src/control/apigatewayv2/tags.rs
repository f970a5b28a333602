//! Tags by ARN: `arn:aws:apigateway:REGION::/apis/ID`, `…/apis/ID/stages/NAME`, `/vpclinks/ID`, `/domainnames/NAME`.

use std::collections::BTreeMap;

use aws_sdk_apigatewayv2::operation::get_tags::{GetTagsError, GetTagsInput, GetTagsOutput};
use aws_sdk_apigatewayv2::operation::tag_resource::{TagResourceError, TagResourceInput, TagResourceOutput};
use aws_sdk_apigatewayv2::operation::untag_resource::{UntagResourceError, UntagResourceInput, UntagResourceOutput};

use super::{SERVICE, bad, checked_tags, hash_map, missing};
use crate::control::{Answer, Call, Table};
use crate::data::Moment;
use crate::world::World;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "TagResource", TagResourceError::generic, tag);
    table.on(SERVICE, "UntagResource", UntagResourceError::generic, untag);
    table.on(SERVICE, "GetTags", GetTagsError::generic, get);
}

fn of<'a>(world: &'a mut World, call: &Call, arn: Option<&str>) -> Answer<&'a mut BTreeMap<String, String>> {
    let arn = arn.unwrap_or_default();
    let path = arn
        .strip_prefix(&format!("arn:aws:apigateway:{}::/", call.region))
        .ok_or_else(|| bad(format!("Invalid resource ARN '{arn}'")))?;
    let state = &mut world.apigatewayv2;
    let here = |region: &str| region == call.region;
    let at = Moment::at(call.now_ms);
    let found = match path.split('/').collect::<Vec<_>>()[..] {
        ["apis", id] => state.apis.get_mut(id).filter(|api| here(&api.region)).map(|api| &mut api.tags),
        ["apis", id, "stages", name] => {
            let api = state.apis.get_mut(id).filter(|api| here(&api.region));
            api.and_then(|api| api.stages.get_mut(name)).map(|stage| &mut stage.tags)
        }
        ["vpclinks", id] => {
            let link = state.links.get_mut(id).filter(|link| here(&link.region) && link.status(&at).is_some());
            link.map(|link| &mut link.tags)
        }
        ["domainnames", name] => {
            state.domains.get_mut(&format!("{}/{name}", call.region)).map(|domain| &mut domain.tags)
        }
        _ => return Err(bad(format!("Invalid resource ARN '{arn}'"))),
    };
    found.ok_or_else(|| missing("Invalid resource identifier specified"))
}

fn tag(world: &mut World, call: &Call, input: &TagResourceInput) -> Answer<TagResourceOutput> {
    let new = checked_tags(input.tags())?;
    let tags = of(world, call, input.resource_arn())?;
    let mut merged = tags.clone();
    merged.extend(new);
    if merged.len() > 50 {
        return Err(bad("A resource can have at most 50 tags"));
    }
    *tags = merged;
    Ok(TagResourceOutput::builder().build())
}

fn untag(world: &mut World, call: &Call, input: &UntagResourceInput) -> Answer<UntagResourceOutput> {
    of(world, call, input.resource_arn())?.retain(|key, _| !input.tag_keys().contains(key));
    Ok(UntagResourceOutput::builder().build())
}

fn get(world: &mut World, call: &Call, input: &GetTagsInput) -> Answer<GetTagsOutput> {
    Ok(GetTagsOutput::builder().set_tags(Some(hash_map(of(world, call, input.resource_arn())?))).build())
}
