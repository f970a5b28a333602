//! Instance profiles: at most one role each, found by EC2 some seconds later than by IAM.

use aws_sdk_iam::operation::add_role_to_instance_profile::{
    AddRoleToInstanceProfileError, AddRoleToInstanceProfileInput, AddRoleToInstanceProfileOutput,
};
use aws_sdk_iam::operation::create_instance_profile::{
    CreateInstanceProfileError, CreateInstanceProfileInput, CreateInstanceProfileOutput,
};
use aws_sdk_iam::operation::delete_instance_profile::{
    DeleteInstanceProfileError, DeleteInstanceProfileInput, DeleteInstanceProfileOutput,
};
use aws_sdk_iam::operation::get_instance_profile::{
    GetInstanceProfileError, GetInstanceProfileInput, GetInstanceProfileOutput,
};
use aws_sdk_iam::operation::list_instance_profile_tags::{
    ListInstanceProfileTagsError, ListInstanceProfileTagsInput, ListInstanceProfileTagsOutput,
};
use aws_sdk_iam::operation::list_instance_profiles::{
    ListInstanceProfilesError, ListInstanceProfilesInput, ListInstanceProfilesOutput,
};
use aws_sdk_iam::operation::list_instance_profiles_for_role::{
    ListInstanceProfilesForRoleError, ListInstanceProfilesForRoleInput, ListInstanceProfilesForRoleOutput,
};
use aws_sdk_iam::operation::remove_role_from_instance_profile::{
    RemoveRoleFromInstanceProfileError, RemoveRoleFromInstanceProfileInput, RemoveRoleFromInstanceProfileOutput,
};
use aws_sdk_iam::operation::tag_instance_profile::{
    TagInstanceProfileError, TagInstanceProfileInput, TagInstanceProfileOutput,
};
use aws_sdk_iam::operation::untag_instance_profile::{
    UntagInstanceProfileError, UntagInstanceProfileInput, UntagInstanceProfileOutput,
};
use aws_sdk_iam::types::InstanceProfile as SdkProfile;

use super::roles::in_profile;
use super::{
    InstanceProfile, ProfileRole, SERVICE, checked_name, checked_path, checked_tags, conflict, date, limit,
    no_such_entity, page, role, same_key, sdk_tags, tagged, unique_id, usable_at,
};
use crate::control::{Answer, Call, Refusal, Table};
use crate::world::World;

/// Instance profiles per account (IAM quota, may be raised).
const PROFILES_MOST: usize = 1000;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "CreateInstanceProfile", CreateInstanceProfileError::generic, create_instance_profile);
    table.on(SERVICE, "GetInstanceProfile", GetInstanceProfileError::generic, get_instance_profile);
    table.on(SERVICE, "ListInstanceProfiles", ListInstanceProfilesError::generic, list_instance_profiles);
    table.on(SERVICE, "ListInstanceProfilesForRole", ListInstanceProfilesForRoleError::generic, list_for_role);
    table.on(SERVICE, "AddRoleToInstanceProfile", AddRoleToInstanceProfileError::generic, add_role);
    table.on(SERVICE, "RemoveRoleFromInstanceProfile", RemoveRoleFromInstanceProfileError::generic, remove_role);
    table.on(SERVICE, "DeleteInstanceProfile", DeleteInstanceProfileError::generic, delete_instance_profile);
    table.on(SERVICE, "TagInstanceProfile", TagInstanceProfileError::generic, tag_instance_profile);
    table.on(SERVICE, "UntagInstanceProfile", UntagInstanceProfileError::generic, untag_instance_profile);
    table.on(SERVICE, "ListInstanceProfileTags", ListInstanceProfileTagsError::generic, list_instance_profile_tags);
}

fn name(input: &Option<String>) -> Answer<&str> {
    checked_name(input, "instanceProfileName", 128)
}

fn no_profile(name: &str) -> Refusal {
    no_such_entity(format!("Instance Profile {name} cannot be found."))
}

fn profile<'w>(world: &'w World, name: &str) -> Answer<&'w InstanceProfile> {
    world.iam.instance_profiles.get(&name.to_lowercase()).ok_or_else(|| no_profile(name))
}

fn profile_mut<'w>(world: &'w mut World, name: &str) -> Answer<&'w mut InstanceProfile> {
    world.iam.instance_profiles.get_mut(&name.to_lowercase()).ok_or_else(|| no_profile(name))
}

/// A profile as IAM shows it; only the create and the get show tags.
fn shown(world: &World, profile: &InstanceProfile, tags: Option<Vec<aws_sdk_iam::types::Tag>>) -> SdkProfile {
    let role = profile.role.as_ref().and_then(|held| world.iam.roles.get(&held.role));
    SdkProfile::builder()
        .path(&profile.path)
        .instance_profile_name(&profile.name)
        .instance_profile_id(&profile.id)
        .arn(&profile.arn)
        .create_date(date(profile.created_ms))
        .set_roles(Some(role.map(in_profile).into_iter().collect()))
        .set_tags(tags)
        .build()
        .expect("every required field of a profile is set")
}

fn create_instance_profile(
    world: &mut World,
    call: &Call,
    input: &CreateInstanceProfileInput,
) -> Answer<CreateInstanceProfileOutput> {
    let name = name(&input.instance_profile_name)?;
    let path = checked_path(input.path.as_deref())?;
    let tags = checked_tags(input.tags.as_deref())?;
    if world.iam.instance_profiles.contains_key(&name.to_lowercase()) {
        let message = format!("Instance Profile {name} already exists.");
        return Err(Refusal::new("EntityAlreadyExists", message).status(409));
    }
    if world.iam.instance_profiles.len() >= PROFILES_MOST {
        return Err(limit(format!("Cannot exceed quota for InstanceProfilesPerAccount: {PROFILES_MOST}")));
    }
    let profile = InstanceProfile {
        name: name.to_owned(),
        path: path.to_owned(),
        id: unique_id(world, "AIPA"),
        arn: format!("arn:aws:iam::{}:instance-profile{path}{name}", world.account),
        created_ms: call.now_ms,
        usable_at_ms: usable_at(world, call.now_ms),
        role: None,
        tags,
    };
    let answer = shown(world, &profile, (!profile.tags.is_empty()).then(|| sdk_tags(&profile.tags)));
    world.iam.instance_profiles.insert(name.to_lowercase(), profile);
    Ok(CreateInstanceProfileOutput::builder().instance_profile(answer).build())
}

fn get_instance_profile(
    world: &mut World,
    _: &Call,
    input: &GetInstanceProfileInput,
) -> Answer<GetInstanceProfileOutput> {
    let profile = profile(world, name(&input.instance_profile_name)?)?;
    let answer = shown(world, profile, Some(sdk_tags(&profile.tags)));
    Ok(GetInstanceProfileOutput::builder().instance_profile(answer).build())
}

fn list_instance_profiles(
    world: &mut World,
    _: &Call,
    input: &ListInstanceProfilesInput,
) -> Answer<ListInstanceProfilesOutput> {
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    let matching = world.iam.instance_profiles.iter().filter(|(_, profile)| profile.path.starts_with(prefix));
    let all = matching.map(|(key, profile)| (key.as_str(), shown(world, profile, None)));
    let (profiles, marker) = page(all, input.marker.as_deref(), input.max_items)?;
    let output = ListInstanceProfilesOutput::builder().set_instance_profiles(Some(profiles));
    Ok(output.is_truncated(marker.is_some()).set_marker(marker).build().expect("the profiles are set"))
}

fn list_for_role(
    world: &mut World,
    _: &Call,
    input: &ListInstanceProfilesForRoleInput,
) -> Answer<ListInstanceProfilesForRoleOutput> {
    let role_name = checked_name(&input.role_name, "roleName", 64)?;
    role(world, role_name)?;
    let key = role_name.to_lowercase();
    let holds = |profile: &InstanceProfile| profile.role.as_ref().is_some_and(|held| held.role == key);
    let matching = world.iam.instance_profiles.iter().filter(|(_, profile)| holds(profile));
    let all = matching.map(|(key, profile)| (key.as_str(), shown(world, profile, None)));
    let (profiles, marker) = page(all, input.marker.as_deref(), input.max_items)?;
    let output = ListInstanceProfilesForRoleOutput::builder().set_instance_profiles(Some(profiles));
    Ok(output.is_truncated(marker.is_some()).set_marker(marker).build().expect("the profiles are set"))
}

fn add_role(
    world: &mut World,
    call: &Call,
    input: &AddRoleToInstanceProfileInput,
) -> Answer<AddRoleToInstanceProfileOutput> {
    let name = name(&input.instance_profile_name)?;
    let role_name = checked_name(&input.role_name, "roleName", 64)?;
    profile(world, name)?;
    role(world, role_name)?;
    let usable_at_ms = usable_at(world, call.now_ms);
    let profile = profile_mut(world, name)?;
    if profile.role.is_some() {
        return Err(limit("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1".to_owned()));
    }
    profile.role = Some(ProfileRole { role: role_name.to_lowercase(), usable_at_ms });
    Ok(AddRoleToInstanceProfileOutput::builder().build())
}

fn remove_role(
    world: &mut World,
    _: &Call,
    input: &RemoveRoleFromInstanceProfileInput,
) -> Answer<RemoveRoleFromInstanceProfileOutput> {
    let name = name(&input.instance_profile_name)?;
    let role_name = checked_name(&input.role_name, "roleName", 64)?;
    profile(world, name)?;
    role(world, role_name)?;
    let profile = profile_mut(world, name)?;
    if profile.role.as_ref().is_none_or(|held| held.role != role_name.to_lowercase()) {
        return Err(no_such_entity(format!("Role {role_name} in Instance Profile {name} cannot be found.")));
    }
    profile.role = None;
    Ok(RemoveRoleFromInstanceProfileOutput::builder().build())
}

fn delete_instance_profile(
    world: &mut World,
    _: &Call,
    input: &DeleteInstanceProfileInput,
) -> Answer<DeleteInstanceProfileOutput> {
    let name = name(&input.instance_profile_name)?;
    if profile(world, name)?.role.is_some() {
        return Err(conflict("Cannot delete entity, must remove roles from instance profile first."));
    }
    world.iam.instance_profiles.remove(&name.to_lowercase());
    Ok(DeleteInstanceProfileOutput::builder().build())
}

fn tag_instance_profile(
    world: &mut World,
    _: &Call,
    input: &TagInstanceProfileInput,
) -> Answer<TagInstanceProfileOutput> {
    let new = checked_tags(input.tags.as_deref())?;
    let profile = profile_mut(world, name(&input.instance_profile_name)?)?;
    profile.tags = tagged(&profile.tags, new)?;
    Ok(TagInstanceProfileOutput::builder().build())
}

fn untag_instance_profile(
    world: &mut World,
    _: &Call,
    input: &UntagInstanceProfileInput,
) -> Answer<UntagInstanceProfileOutput> {
    let profile = profile_mut(world, name(&input.instance_profile_name)?)?;
    let gone = input.tag_keys.as_deref().unwrap_or_default();
    profile.tags.retain(|tag| !gone.iter().any(|key| same_key(key, &tag.key)));
    Ok(UntagInstanceProfileOutput::builder().build())
}

fn list_instance_profile_tags(
    world: &mut World,
    _: &Call,
    input: &ListInstanceProfileTagsInput,
) -> Answer<ListInstanceProfileTagsOutput> {
    let profile = profile(world, name(&input.instance_profile_name)?)?;
    let mut sorted = sdk_tags(&profile.tags);
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    let (tags, marker) =
        page(sorted.iter().map(|tag| (tag.key(), tag.clone())), input.marker.as_deref(), input.max_items)?;
    let output = ListInstanceProfileTagsOutput::builder().set_tags(Some(tags));
    Ok(output.is_truncated(marker.is_some()).set_marker(marker).build().expect("the tags are set"))
}

#[cfg(test)]
mod tests {
    use super::super::instance_profile_usable;
    use super::super::roles::tests::{create as create_role, delete as delete_role, with_role};
    use super::super::tests::{at, code, message};
    use super::*;

    fn create(world: &mut World, s: u64) -> Answer<CreateInstanceProfileOutput> {
        let input =
            CreateInstanceProfileInput::builder().instance_profile_name("web").path("/shop/").build().expect("built");
        create_instance_profile(world, &at(s), &input)
    }

    fn add(world: &mut World, s: u64, role: &str) -> Answer<AddRoleToInstanceProfileOutput> {
        let input = AddRoleToInstanceProfileInput::builder()
            .instance_profile_name("web")
            .role_name(role)
            .build()
            .expect("built");
        add_role(world, &at(s), &input)
    }

    fn remove(world: &mut World, role: &str) -> Answer<RemoveRoleFromInstanceProfileOutput> {
        let input = RemoveRoleFromInstanceProfileInput::builder()
            .instance_profile_name("web")
            .role_name(role)
            .build()
            .expect("built");
        remove_role(world, &at(0), &input)
    }

    fn delete(world: &mut World) -> Answer<DeleteInstanceProfileOutput> {
        let input = DeleteInstanceProfileInput::builder().instance_profile_name("web").build().expect("built");
        delete_instance_profile(world, &at(0), &input)
    }

    fn get(world: &mut World) -> Answer<SdkProfile> {
        let input = GetInstanceProfileInput::builder().instance_profile_name("web").build().expect("built");
        get_instance_profile(world, &at(0), &input).map(|output| output.instance_profile.expect("a profile"))
    }

    #[test]
    fn ec2_accepts_a_profile_and_its_role_only_after_they_have_spread() {
        let mut world = with_role();
        let usable = |world: &World, s: u64| instance_profile_usable(world, "web", s * 1000);
        assert_eq!(usable(&world, 0), Err("Invalid IAM Instance Profile name"));
        create(&mut world, 0).expect("free");
        assert_eq!(usable(&world, 9), Err("Invalid IAM Instance Profile name"));
        assert_eq!(usable(&world, 10), Err("has no associated IAM Roles"));
        add(&mut world, 5, "web").expect("the first role");
        assert_eq!(usable(&world, 14), Err("has no associated IAM Roles"));
        assert_eq!(usable(&world, 15), Ok(()));
        let arn = get(&mut world).expect("there").arn;
        assert_eq!(arn, "arn:aws:iam::123456789012:instance-profile/shop/web");
        assert_eq!(instance_profile_usable(&world, &arn, 15_000), Ok(()));
        assert_eq!(
            instance_profile_usable(&world, "arn:aws:iam::1:instance-profile/x", 0),
            Err("Invalid IAM Instance Profile ARN")
        );
    }

    #[test]
    fn a_profile_holds_one_role_and_both_must_be_freed_before_they_go() {
        let mut world = with_role();
        create_role(&mut world, "other").expect("free");
        create(&mut world, 0).expect("free");
        assert_eq!(code(create(&mut world, 0)), "EntityAlreadyExists");
        add(&mut world, 0, "Web").expect("names have no case");
        assert_eq!(
            message(add(&mut world, 0, "other")),
            "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"
        );
        assert_eq!(get(&mut world).expect("there").roles()[0].role_name(), "web");
        let held = "Cannot delete entity, must remove roles from instance profile first.";
        assert_eq!(message(delete(&mut world)), held);
        assert_eq!(message(delete_role(&mut world, "web")), held);
        assert_eq!(message(remove(&mut world, "other")), "Role other in Instance Profile web cannot be found.");
        remove(&mut world, "web").expect("in it");
        delete(&mut world).expect("free");
        delete_role(&mut world, "web").expect("free");
        assert_eq!(message(get(&mut world)), "Instance Profile web cannot be found.");
        assert_eq!(code(delete(&mut world)), "NoSuchEntity");
        assert_eq!(code(add(&mut world, 0, "other")), "NoSuchEntity");
    }

    #[test]
    fn profiles_are_listed_by_path_and_by_role_and_tagged() {
        let mut world = with_role();
        create(&mut world, 0).expect("free");
        add(&mut world, 0, "web").expect("the first role");
        let by_path = |world: &mut World, prefix: &str| {
            let input = ListInstanceProfilesInput::builder().path_prefix(prefix).build().expect("built");
            list_instance_profiles(world, &at(0), &input).expect("a page").instance_profiles.len()
        };
        assert_eq!((by_path(&mut world, "/shop/"), by_path(&mut world, "/x/")), (1, 0));
        let by_role = ListInstanceProfilesForRoleInput::builder().role_name("web").build().expect("built");
        assert_eq!(list_for_role(&mut world, &at(0), &by_role).expect("a page").instance_profiles.len(), 1);
        let tag = aws_sdk_iam::types::Tag::builder().key("k").value("v").build().expect("both set");
        let input = TagInstanceProfileInput::builder().instance_profile_name("web").tags(tag).build().expect("built");
        tag_instance_profile(&mut world, &at(0), &input).expect("fine");
        let tags = ListInstanceProfileTagsInput::builder().instance_profile_name("web").build().expect("built");
        assert_eq!(list_instance_profile_tags(&mut world, &at(0), &tags).expect("there").tags[0].value(), "v");
        assert_eq!(get(&mut world).expect("there").tags().len(), 1);
        let untag =
            UntagInstanceProfileInput::builder().instance_profile_name("web").tag_keys("k").build().expect("built");
        untag_instance_profile(&mut world, &at(0), &untag).expect("fine");
        assert!(get(&mut world).expect("there").tags().is_empty());
    }
}
