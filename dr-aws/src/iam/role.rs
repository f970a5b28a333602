//! `aws.iam.role`: rights that somebody may act with.
//!
//! API: CreateRole, GetRole, ListRoles, UpdateRole, UpdateAssumeRolePolicy, TagRole, UntagRole, DeleteRole (IAM 2010-05-08).
//! Find: path and tags. Change: everything in place. Delete: after its policies and its instance profile.

use std::collections::BTreeMap;

use aws_sdk_iam::types::Role as Described;
use dr_core::{
    CloudError, Cx, Found, Global, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Problems, Resource, Scan,
    Wanted,
};
use futures_util::future::try_join_all;

use super::{ownership, policy, sdk_tags, tag_changes, tag_map};
use crate::call::{Call as _, GoneOk as _};
use crate::ids::RoleName;
use crate::read::{Promised as _, wanted_as};
use crate::tags::{self, Owned};
use crate::{Aws, names};

/// Rights that a service, an account or a user may act with. What the rights are is said by
/// [`RolePolicyAttachment`](super::RolePolicyAttachment) and [`RolePolicy`](super::RolePolicy).
///
/// The name at AWS is made of stack and address, and the path is `/<stack>/`.
///
/// - Inputs: the trust policy (up to 2048 characters), a description (up to 1000 characters; none by default) and the longest
///   session (3600 to 43200 seconds, 3600 by default); all in place.
/// - Ready: at once.
/// - Calls: CreateRole, UpdateRole, UpdateAssumeRolePolicy, ListRoles, GetRole, DeleteRole.
/// - AWS: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>
#[derive(Debug, Clone, Resource)]
#[resource(type = "aws.iam.role", outputs = RoleOutputs, region = Global, create_s = 2, delete_s = 2, check = check)]
pub struct Role {
    /// Who may take it: a policy document as JSON, up to 2048 characters.
    trust: Input<String>,
    /// What it is for, up to 1000 characters. Default: none.
    description: Option<String>,
    /// Seconds that a session may last, 3600 to 43200. Default: 3600.
    max_session_s: u32,
}

/// What is known of a role once it exists.
#[derive(Debug, Clone, PartialEq, Outputs)]
pub struct RoleOutputs {
    /// Its name at AWS.
    pub name: RoleName,
    /// `arn:aws:iam::…:role/…`
    pub arn: String,
}

impl Role {
    /// A role that whoever the trust policy names may take.
    pub fn new(trust: impl IntoInput<String>) -> Self {
        Role { trust: trust.into_input(), description: None, max_session_s: 3600 }
    }

    /// A role for an AWS service, `ec2.amazonaws.com`.
    #[must_use]
    pub fn for_service(service: &str) -> Self {
        let statement = serde_json::json!({
            "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole",
        });
        Role::new(serde_json::json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string())
    }

    /// What it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Seconds that a session may last.
    #[must_use]
    pub fn max_session_s(mut self, seconds: u32) -> Self {
        self.max_session_s = seconds;
        self
    }
}

fn check(role: &Role, problems: &mut Problems) {
    policy::check("trust", role.trust.as_known(), problems);
    if !(3600..=43_200).contains(&role.max_session_s) {
        problems.report("max_session_s", format_args!("{} s are none: 3600 to 43200", role.max_session_s));
    }
    if role.description.as_ref().is_some_and(|text| text.len() > 1000) {
        problems.report("description", "at most 1000 characters");
    }
}

const NAME_LEN_MAX: usize = 64;

impl Lifecycle for Role {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let items = scan.cloud.iam().list_roles().path_prefix(names::path(&scan.stack)).into_paginator().items().send();
        let roles = items.collect::<Result<Vec<_>, _>>().await.call("iam:ListRoles")?;
        let found = try_join_all(roles.iter().map(|role| read_one(scan, wanted, role))).await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(cx: &Cx<Aws>, args: &RoleArgs) -> Result<RoleOutputs, CloudError> {
        const CALL: &str = "iam:CreateRole";
        let request = cx.cloud.iam().create_role().path(names::path(&cx.owner.stack));
        let request = request
            .role_name(names::physical(&cx.owner, NAME_LEN_MAX))
            .assume_role_policy_document(&args.trust)
            .set_description(args.description.clone())
            .max_session_duration(seconds(args))
            .set_tags(Some(ownership(cx)));
        let role = request.send().await.call(CALL)?.role.promised(CALL, "the role")?;
        Ok(outputs(&role))
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, args: &RoleArgs) -> Result<RoleOutputs, CloudError> {
        let (client, name) = (cx.cloud.iam(), prior.outputs.name.as_str());
        let (write, remove) = tag_changes(cx, &tags_of(&cx.cloud, name).await?.unwrap_or_default());
        if let Some(tags) = write {
            client.tag_role().role_name(name).set_tags(Some(tags)).send().await.call("iam:TagRole")?;
        }
        if let Some(keys) = remove {
            client.untag_role().role_name(name).set_tag_keys(Some(keys)).send().await.call("iam:UntagRole")?;
        }
        if args.trust != prior.args.trust {
            let request = client.update_assume_role_policy().role_name(name).policy_document(&args.trust);
            request.send().await.call("iam:UpdateAssumeRolePolicy")?;
        }
        if (&args.description, args.max_session_s) != (&prior.args.description, prior.args.max_session_s) {
            // An absent description stays as it is, an empty one is none.
            let request =
                client.update_role().role_name(name).description(args.description.clone().unwrap_or_default());
            request.max_session_duration(seconds(args)).send().await.call("iam:UpdateRole")?;
        }
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let request = cx.cloud.iam().delete_role().role_name(prior.outputs.name.as_str());
        request.send().await.call("iam:DeleteRole").gone_ok().map(drop)
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        let request = cx.cloud.iam().tag_role().role_name(current.outputs.name.as_str());
        let request = request.set_tags(Some(sdk_tags(tags::ownership(&cx.owner))));
        request.send().await.call("iam:TagRole").map(drop)
    }
}

fn seconds(args: &RoleArgs) -> i32 {
    i32::try_from(args.max_session_s).unwrap_or(i32::MAX)
}

fn outputs(role: &Described) -> RoleOutputs {
    RoleOutputs { name: RoleName::literal(role.role_name()), arn: role.arn().to_owned() }
}

/// The tags of a role, which lists leave out; `None` when it is gone.
async fn tags_of(cloud: &Aws, name: &str) -> Result<Option<Vec<aws_sdk_iam::types::Tag>>, CloudError> {
    let answer = cloud.iam().get_role().role_name(name).send().await.call("iam:GetRole").gone_ok()?;
    Ok(answer.and_then(|answer| answer.role).map(|role| role.tags.unwrap_or_default()))
}

async fn read_one(
    scan: &Scan<Aws>,
    wanted: &[Wanted<Role>],
    role: &Described,
) -> Result<Option<Found<Role>>, CloudError> {
    let outputs = outputs(role);
    let recorded = wanted.iter().find(|want| want.outputs.as_ref().is_some_and(|known| known.name == outputs.name));
    let (owned, tagged) = match recorded {
        // A call for each role.
        Some(want) if !scan.cloud.reads_all() => {
            let (address, generation) = (want.address.clone(), want.generation);
            (Owned { address, generation, tags: BTreeMap::new() }, false)
        }
        _ => {
            let tags = tags_of(&scan.cloud, outputs.name.as_str()).await?.unwrap_or_default();
            let Some(owned) = tags::owned(&scan.stack, tag_map(&tags)) else { return Ok(None) };
            (owned, true)
        }
    };
    let want = wanted_as(wanted, &owned).map(|want| &want.args);
    let trust = policy::decode(role.assume_role_policy_document().unwrap_or_default());
    let args = RoleArgs {
        trust: policy::as_wanted(trust, want.map(|args| &args.trust)),
        description: role.description().filter(|text| !text.is_empty()).map(str::to_owned),
        max_session_s: role.max_session_duration().and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(3600),
    };
    let Owned { address, generation, tags } = owned;
    let tags = tagged.then_some(tags);
    Ok(Some(Found { address, generation, args: Some(args), outputs, health: Health::Ready, tags }))
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::Client;
    use aws_smithy_mocks::mock;
    use dr_core::Class;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    fn prior() -> Prior<Role> {
        let args = RoleArgs { trust: "{}".into(), description: None, max_session_s: 3600 };
        Prior { args, outputs: RoleOutputs { name: RoleName::literal("r"), arn: "arn:r".into() } }
    }

    #[tokio::test]
    async fn a_name_that_is_taken_is_looked_at_a_quota_is_final_and_a_new_principal_waited_for() {
        for (code, text, class) in [
            ("EntityAlreadyExists", "", Class::Exists),
            ("LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1000", Class::Permanent),
            ("MalformedPolicyDocument", "Invalid principal in policy: \"AWS\":\"arn:u\"", Class::Eventual),
            ("MalformedPolicyDocument", "Syntax errors in policy.", Class::Permanent),
            ("ConcurrentModification", "", Class::Stale),
        ] {
            let refused = refused(mock!(Client::create_role), code, text);
            assert_eq!(outcome(Role::create(&cx(&[&refused]), &prior().args).await), Err(class), "{code} {text}");
        }
    }

    #[tokio::test]
    async fn a_role_that_is_gone_is_deleted_and_one_with_policies_waits() {
        for (code, expected) in [
            ("NoSuchEntity", Ok(())),
            ("DeleteConflict", Err(Class::Dependency)),
            ("EntityTemporarilyUnmodifiable", Err(Class::Eventual)),
        ] {
            let refused = refused(mock!(Client::delete_role), code, "");
            assert_eq!(outcome(Role::delete(&cx(&[&refused]), &prior()).await), expected, "{code}");
        }
    }
}
