//! Roles: CreateRole, GetRole, ListRoles, UpdateRole, UpdateAssumeRolePolicy, DeleteRole and their tags.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::operation::create_role::{CreateRoleError, CreateRoleInput, CreateRoleOutput};
use aws_sdk_iam::operation::delete_role::{DeleteRoleError, DeleteRoleInput, DeleteRoleOutput};
use aws_sdk_iam::operation::get_role::{GetRoleError, GetRoleInput, GetRoleOutput};
use aws_sdk_iam::operation::list_role_tags::{ListRoleTagsError, ListRoleTagsInput, ListRoleTagsOutput};
use aws_sdk_iam::operation::list_roles::{ListRolesError, ListRolesInput, ListRolesOutput};
use aws_sdk_iam::operation::tag_role::{TagRoleError, TagRoleInput, TagRoleOutput};
use aws_sdk_iam::operation::untag_role::{UntagRoleError, UntagRoleInput, UntagRoleOutput};
use aws_sdk_iam::operation::update_assume_role_policy::{
    UpdateAssumeRolePolicyError, UpdateAssumeRolePolicyInput, UpdateAssumeRolePolicyOutput,
};
use aws_sdk_iam::operation::update_role::{UpdateRoleError, UpdateRoleInput, UpdateRoleOutput};
use aws_sdk_iam::types::builders::RoleBuilder;
use aws_sdk_iam::types::{
    AttachedPermissionsBoundary, PermissionsBoundaryAttachmentType, Role as SdkRole, RoleLastUsed,
};

use super::documents::{check_trust, encoded};
use super::policies::check_attachable;
use super::{
    Role, SERVICE, checked_name, checked_path, checked_tags, conflict, date, invalid, limit, page, required, role,
    role_mut, same_key, sdk_tags, tagged, unique_id,
};
use crate::control::{Answer, Call, Refusal, Table};
use crate::world::World;

/// Roles per account (IAM quota, may be raised).
const ROLES_MOST: usize = 1000;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "CreateRole", CreateRoleError::generic, create_role);
    table.on(SERVICE, "GetRole", GetRoleError::generic, get_role);
    table.on(SERVICE, "ListRoles", ListRolesError::generic, list_roles);
    table.on(SERVICE, "UpdateAssumeRolePolicy", UpdateAssumeRolePolicyError::generic, update_assume_role_policy);
    table.on(SERVICE, "UpdateRole", UpdateRoleError::generic, update_role);
    table.on(SERVICE, "DeleteRole", DeleteRoleError::generic, delete_role);
    table.on(SERVICE, "TagRole", TagRoleError::generic, tag_role);
    table.on(SERVICE, "UntagRole", UntagRoleError::generic, untag_role);
    table.on(SERVICE, "ListRoleTags", ListRoleTagsError::generic, list_role_tags);
}

fn name(input: &Option<String>) -> Answer<&str> {
    checked_name(input, "roleName", 64)
}

fn check_description(description: Option<&str>) -> Answer<()> {
    match description {
        Some(text) if text.chars().count() > 1000 => {
            Err(invalid(text, "description", "Member must have length less than or equal to 1000"))
        }
        _ => Ok(()),
    }
}

fn check_session(seconds: Option<i32>) -> Answer<()> {
    match seconds {
        Some(s @ ..3600) => {
            Err(invalid(&s.to_string(), "maxSessionDuration", "Member must have value greater than or equal to 3600"))
        }
        Some(s @ 43201..) => {
            Err(invalid(&s.to_string(), "maxSessionDuration", "Member must have value less than or equal to 43200"))
        }
        _ => Ok(()),
    }
}

fn create_role(world: &mut World, call: &Call, input: &CreateRoleInput) -> Answer<CreateRoleOutput> {
    let name = name(&input.role_name)?;
    let path = checked_path(input.path.as_deref())?;
    let trust_policy = required(&input.assume_role_policy_document, "assumeRolePolicyDocument")?;
    check_description(input.description.as_deref())?;
    check_session(input.max_session_duration)?;
    let tags = checked_tags(input.tags.as_deref())?;
    check_trust(world, trust_policy)?;
    if let Some(boundary) = &input.permissions_boundary {
        check_attachable(boundary)?;
    }
    if world.iam.roles.contains_key(&name.to_lowercase()) {
        let message = format!("Role with name {name} already exists.");
        return Err(Refusal::new("EntityAlreadyExists", message).status(409));
    }
    if world.iam.roles.len() >= ROLES_MOST {
        return Err(limit(format!("Cannot exceed quota for RolesPerAccount: {ROLES_MOST}")));
    }
    let role = Role {
        name: name.to_owned(),
        path: path.to_owned(),
        id: unique_id(world, "AROA"),
        arn: format!("arn:aws:iam::{}:role{path}{name}", world.account),
        created_ms: call.now_ms,
        trust_policy: trust_policy.to_owned(),
        description: input.description.clone(),
        max_session_s: input.max_session_duration.unwrap_or(3600),
        permissions_boundary: input.permissions_boundary.clone(),
        tags,
        managed_policies: BTreeSet::new(),
        inline_policies: BTreeMap::new(),
    };
    // The answer to the creation is shorter than what GetRole shows.
    let answer = identity(&role)
        .set_description(role.description.clone())
        .set_permissions_boundary(boundary(&role))
        .set_tags(some_tags(&role))
        .build()
        .expect("every required field of a role is set");
    world.iam.roles.insert(name.to_lowercase(), role);
    Ok(CreateRoleOutput::builder().role(answer).build())
}

/// The part that every answer about a role has, also inside an instance profile.
fn identity(role: &Role) -> RoleBuilder {
    SdkRole::builder()
        .path(&role.path)
        .role_name(&role.name)
        .role_id(&role.id)
        .arn(&role.arn)
        .create_date(date(role.created_ms))
        .assume_role_policy_document(encoded(&role.trust_policy))
}

/// A role as an instance profile shows it.
pub(super) fn in_profile(role: &Role) -> SdkRole {
    identity(role).build().expect("every required field of a role is set")
}

fn boundary(role: &Role) -> Option<AttachedPermissionsBoundary> {
    role.permissions_boundary.as_ref().map(|arn| {
        AttachedPermissionsBoundary::builder()
            .permissions_boundary_type(PermissionsBoundaryAttachmentType::Policy)
            .permissions_boundary_arn(arn)
            .build()
    })
}

fn some_tags(role: &Role) -> Option<Vec<aws_sdk_iam::types::Tag>> {
    (!role.tags.is_empty()).then(|| sdk_tags(&role.tags))
}

fn get_role(world: &mut World, _: &Call, input: &GetRoleInput) -> Answer<GetRoleOutput> {
    let role = role(world, name(&input.role_name)?)?;
    let answer = identity(role)
        .set_description(role.description.clone())
        .max_session_duration(role.max_session_s)
        .set_permissions_boundary(boundary(role))
        .set_tags(some_tags(role))
        .role_last_used(RoleLastUsed::builder().build())
        .build()
        .expect("every required field of a role is set");
    Ok(GetRoleOutput::builder().role(answer).build())
}

fn list_roles(world: &mut World, _: &Call, input: &ListRolesInput) -> Answer<ListRolesOutput> {
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    let matching = world.iam.roles.iter().filter(|(_, role)| role.path.starts_with(prefix));
    // Lists show no tags, no boundary and no last use.
    let shown = matching.map(|(key, role)| {
        let listed = identity(role).set_description(role.description.clone()).max_session_duration(role.max_session_s);
        (key.as_str(), listed.build().expect("every required field of a role is set"))
    });
    let (roles, marker) = page(shown, input.marker.as_deref(), input.max_items)?;
    let output = ListRolesOutput::builder().set_roles(Some(roles)).is_truncated(marker.is_some()).set_marker(marker);
    Ok(output.build().expect("the roles are set"))
}

fn update_assume_role_policy(
    world: &mut World,
    _: &Call,
    input: &UpdateAssumeRolePolicyInput,
) -> Answer<UpdateAssumeRolePolicyOutput> {
    let name = name(&input.role_name)?;
    let document = required(&input.policy_document, "policyDocument")?;
    role(world, name)?;
    check_trust(world, document)?;
    role_mut(world, name)?.trust_policy = document.to_owned();
    Ok(UpdateAssumeRolePolicyOutput::builder().build())
}

fn update_role(world: &mut World, _: &Call, input: &UpdateRoleInput) -> Answer<UpdateRoleOutput> {
    check_description(input.description.as_deref())?;
    check_session(input.max_session_duration)?;
    let role = role_mut(world, name(&input.role_name)?)?;
    if let Some(description) = &input.description {
        role.description = Some(description.clone());
    }
    if let Some(seconds) = input.max_session_duration {
        role.max_session_s = seconds;
    }
    Ok(UpdateRoleOutput::builder().build())
}

fn delete_role(world: &mut World, _: &Call, input: &DeleteRoleInput) -> Answer<DeleteRoleOutput> {
    let key = name(&input.role_name)?.to_lowercase();
    let role = role(world, name(&input.role_name)?)?;
    if world.iam.instance_profiles.values().any(|profile| profile.role.as_ref().is_some_and(|held| held.role == key)) {
        return Err(conflict("Cannot delete entity, must remove roles from instance profile first."));
    }
    if !role.managed_policies.is_empty() {
        return Err(conflict("Cannot delete entity, must detach all policies first."));
    }
    if !role.inline_policies.is_empty() {
        return Err(conflict("Cannot delete entity, must delete policies first."));
    }
    world.iam.roles.remove(&key);
    Ok(DeleteRoleOutput::builder().build())
}

fn tag_role(world: &mut World, _: &Call, input: &TagRoleInput) -> Answer<TagRoleOutput> {
    let new = checked_tags(input.tags.as_deref())?;
    let role = role_mut(world, name(&input.role_name)?)?;
    role.tags = tagged(&role.tags, new)?;
    Ok(TagRoleOutput::builder().build())
}

fn untag_role(world: &mut World, _: &Call, input: &UntagRoleInput) -> Answer<UntagRoleOutput> {
    let role = role_mut(world, name(&input.role_name)?)?;
    let gone = input.tag_keys.as_deref().unwrap_or_default();
    role.tags.retain(|tag| !gone.iter().any(|key| same_key(key, &tag.key)));
    Ok(UntagRoleOutput::builder().build())
}

fn list_role_tags(world: &mut World, _: &Call, input: &ListRoleTagsInput) -> Answer<ListRoleTagsOutput> {
    let role = role(world, name(&input.role_name)?)?;
    let mut sorted = sdk_tags(&role.tags);
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    let (tags, marker) =
        page(sorted.iter().map(|tag| (tag.key(), tag.clone())), input.marker.as_deref(), input.max_items)?;
    let output = ListRoleTagsOutput::builder().set_tags(Some(tags)).is_truncated(marker.is_some()).set_marker(marker);
    Ok(output.build().expect("the tags are set"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{at, code, message};
    use super::*;

    pub(crate) const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

    /// A world with the role `web`.
    pub(crate) fn with_role() -> World {
        let mut world = World::new(1);
        create(&mut world, "web").expect("the first role");
        world
    }

    pub(crate) fn create(world: &mut World, name: &str) -> Answer<CreateRoleOutput> {
        let tag = aws_sdk_iam::types::Tag::builder().key("dr:stack").value("shop").build().expect("both set");
        let input =
            CreateRoleInput::builder().role_name(name).path("/shop/").assume_role_policy_document(TRUST).tags(tag);
        create_role(world, &at(0), &input.build().expect("built"))
    }

    fn get(world: &mut World, name: &str) -> Answer<SdkRole> {
        let input = GetRoleInput::builder().role_name(name).build().expect("built");
        get_role(world, &at(0), &input).map(|output| output.role.expect("a role"))
    }

    pub(crate) fn delete(world: &mut World, name: &str) -> Answer<DeleteRoleOutput> {
        delete_role(world, &at(0), &DeleteRoleInput::builder().role_name(name).build().expect("built"))
    }

    #[test]
    fn a_role_is_created_read_and_deleted() {
        let mut world = with_role();
        let role = get(&mut world, "WEB").expect("names have no case");
        assert_eq!((role.arn(), role.path()), ("arn:aws:iam::123456789012:role/shop/web", "/shop/"));
        assert!(role.role_id().starts_with("AROA") && role.role_id().len() == 21);
        assert!(role.assume_role_policy_document().is_some_and(|text| text.starts_with("%7B%22Version%22")));
        assert_eq!((role.max_session_duration(), role.tags().len()), (Some(3600), 1));
        delete(&mut world, "web").expect("nothing is in the way");
        assert_eq!(message(get(&mut world, "web")), "The role with name web cannot be found.");
        assert_eq!(code(delete(&mut world, "web")), "NoSuchEntity");
    }

    #[test]
    fn a_name_is_taken_whatever_its_case_and_free_again_after_the_delete() {
        let mut world = with_role();
        let id = get(&mut world, "web").expect("there").role_id;
        let again = create(&mut world, "Web").expect_err("taken");
        assert_eq!((again.code.as_str(), again.status), ("EntityAlreadyExists", 409));
        delete(&mut world, "web").expect("unused");
        create(&mut world, "Web").expect("free again");
        assert_ne!(get(&mut world, "web").expect("there").role_id, id);
    }

    #[test]
    fn names_paths_sessions_and_descriptions_are_checked() {
        let mut world = World::new(1);
        let mut refused = |change: fn(aws_sdk_iam::operation::create_role::builders::CreateRoleInputBuilder) -> _| {
            let input = CreateRoleInput::builder().role_name("web").assume_role_policy_document(TRUST);
            let input: aws_sdk_iam::operation::create_role::builders::CreateRoleInputBuilder = change(input);
            code(create_role(&mut world, &at(0), &input.build().expect("built")))
        };
        assert_eq!(refused(|i| i.role_name("a b")), "ValidationError");
        assert_eq!(refused(|i| i.role_name("x".repeat(65))), "ValidationError");
        assert_eq!(refused(|i| i.set_role_name(None)), "ValidationError");
        assert_eq!(refused(|i| i.path("shop")), "ValidationError");
        assert_eq!(refused(|i| i.max_session_duration(60)), "ValidationError");
        assert_eq!(refused(|i| i.max_session_duration(50_000)), "ValidationError");
        assert_eq!(refused(|i| i.description("x".repeat(1001))), "ValidationError");
        assert_eq!(refused(|i| i.assume_role_policy_document("{")), "MalformedPolicyDocument");
        assert_eq!(refused(|i| i.permissions_boundary("arn:aws:iam::aws:policy/Nothing")), "NoSuchEntity");
        assert_eq!(refused(|i| i), "accepted");
    }

    #[test]
    fn lists_filter_by_path_are_paged_and_show_no_tags() {
        let mut world = World::new(1);
        for name in ["a", "b", "c"] {
            create(&mut world, name).expect("free");
        }
        let mut list = |prefix: &str, marker: Option<String>| {
            let input =
                ListRolesInput::builder().path_prefix(prefix).max_items(2).set_marker(marker).build().expect("built");
            list_roles(&mut world, &at(0), &input).expect("a page")
        };
        let first = list("/shop/", None);
        let names: Vec<&str> = first.roles().iter().map(|r| r.role_name()).collect();
        assert_eq!((names, first.is_truncated()), (vec!["a", "b"], true));
        assert!(first.roles().iter().all(|role| role.tags().is_empty()));
        let second = list("/shop/", first.marker);
        assert_eq!((second.roles().len(), second.is_truncated, second.marker), (1, false, None));
        assert!(list("/other/", None).roles().is_empty());
    }

    #[test]
    fn the_trust_policy_description_session_and_tags_change_in_place() {
        let mut world = with_role();
        let other = TRUST.replace("ec2", "ssm");
        let trust =
            UpdateAssumeRolePolicyInput::builder().role_name("web").policy_document(&other).build().expect("built");
        update_assume_role_policy(&mut world, &at(1), &trust).expect("fine");
        let bad = UpdateAssumeRolePolicyInput::builder().role_name("web").policy_document("{}").build().expect("built");
        assert_eq!(code(update_assume_role_policy(&mut world, &at(1), &bad)), "MalformedPolicyDocument");
        let update = UpdateRoleInput::builder()
            .role_name("web")
            .description("x")
            .max_session_duration(7200)
            .build()
            .expect("built");
        update_role(&mut world, &at(1), &update).expect("fine");
        let tag = aws_sdk_iam::types::Tag::builder().key("DR:Stack").value("b").build().expect("both set");
        tag_role(&mut world, &at(1), &TagRoleInput::builder().role_name("web").tags(tag).build().expect("built"))
            .expect("fine");
        let role = get(&mut world, "web").expect("there");
        assert_eq!((role.description(), role.max_session_duration()), (Some("x"), Some(7200)));
        assert_eq!(role.assume_role_policy_document, Some(encoded(&other)));
        assert_eq!((role.tags()[0].key(), role.tags()[0].value()), ("DR:Stack", "b"));
        let untag = UntagRoleInput::builder().role_name("web").tag_keys("dr:stack").build().expect("built");
        untag_role(&mut world, &at(1), &untag).expect("fine");
        let list = ListRoleTagsInput::builder().role_name("web").build().expect("built");
        assert!(list_role_tags(&mut world, &at(1), &list).expect("there").tags.is_empty());
    }
}
