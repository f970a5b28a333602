//! `aws.iam.instance_profile`: how an instance gets a role.
//!
//! API: CreateInstanceProfile, AddRoleToInstanceProfile, RemoveRoleFromInstanceProfile, GetInstanceProfile,
//! ListInstanceProfiles, TagInstanceProfile, UntagInstanceProfile, DeleteInstanceProfile (IAM 2010-05-08). Find: path and tags.
//! Change: the role in place, with a gap. Delete: after the instances that use it; before its role.

use std::collections::BTreeMap;

use aws_sdk_iam::types::InstanceProfile as Described;
use dr_core::{
    Class, CloudError, Cx, Found, Global, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Resource, Scan, Settled,
    Wanted,
};
use futures_util::future::try_join_all;

use super::{ownership, sdk_tags, tag_changes, tag_map};
use crate::call::{Call as _, GoneOk as _, as_class};
use crate::ids::{InstanceProfileName, RoleName};
use crate::read::{Promised as _, Unread, unread, wanted_as};
use crate::tags::{self, Owned};
use crate::{Aws, names};

/// How an instance gets a role: it is started with a profile, and the profile holds one role.
///
/// EC2 knows a new profile some seconds after IAM does; until then it refuses to start an instance with it, which is tried
/// again.
///
/// - Inputs: the role (in place, with a gap).
/// - Ready: when its role is in it.
/// - Calls: CreateInstanceProfile, AddRoleToInstanceProfile, RemoveRoleFromInstanceProfile, ListInstanceProfiles,
///   GetInstanceProfile, DeleteInstanceProfile.
/// - AWS: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateInstanceProfile.html>
#[derive(Debug, Clone, Resource)]
#[resource(type = "aws.iam.instance_profile", outputs = InstanceProfileOutputs, region = Global, create_s = 6, delete_s = 2)]
pub struct InstanceProfile {
    /// The role. Another one takes over with a gap; running instances keep the old rights until they renew them.
    role: Input<RoleName>,
}

/// What is known of an instance profile once it exists.
#[derive(Debug, Clone, PartialEq, Outputs)]
pub struct InstanceProfileOutputs {
    /// Its name at AWS.
    pub name: InstanceProfileName,
    /// `arn:aws:iam::…:instance-profile/…`
    pub arn: String,
    /// The role that it holds by now.
    pub role: Option<RoleName>,
}

impl InstanceProfile {
    /// A profile that holds the role.
    pub fn new(role: impl IntoInput<RoleName>) -> Self {
        InstanceProfile { role: role.into_input() }
    }
}

const NAME_LEN_MAX: usize = 128;

impl Lifecycle for InstanceProfile {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let request = scan.cloud.iam().list_instance_profiles().path_prefix(names::path(&scan.stack));
        let profiles = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let profiles = profiles.call("iam:ListInstanceProfiles")?;
        let found = try_join_all(profiles.iter().map(|profile| read_one(scan, wanted, profile))).await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(cx: &Cx<Aws>, _: &InstanceProfileArgs) -> Result<InstanceProfileOutputs, CloudError> {
        const CALL: &str = "iam:CreateInstanceProfile";
        let request = cx.cloud.iam().create_instance_profile().path(names::path(&cx.owner.stack));
        let request = request.instance_profile_name(names::physical(&cx.owner, NAME_LEN_MAX));
        let answer = request.set_tags(Some(ownership(cx))).send().await.call(CALL)?;
        Ok(outputs(&answer.instance_profile.promised(CALL, "the profile")?))
    }

    async fn update(
        cx: &Cx<Aws>,
        prior: &Prior<Self>,
        args: &InstanceProfileArgs,
    ) -> Result<InstanceProfileOutputs, CloudError> {
        let (client, name) = (cx.cloud.iam(), prior.outputs.name.as_str());
        let profile = get(&cx.cloud, name).await?.promised("iam:GetInstanceProfile", "the profile")?;
        let (write, remove) = tag_changes(cx, profile.tags());
        if let Some(tags) = write {
            let request = client.tag_instance_profile().instance_profile_name(name).set_tags(Some(tags));
            request.send().await.call("iam:TagInstanceProfile")?;
        }
        if let Some(keys) = remove {
            let request = client.untag_instance_profile().instance_profile_name(name).set_tag_keys(Some(keys));
            request.send().await.call("iam:UntagInstanceProfile")?;
        }
        let outputs = outputs(&profile);
        if let Some(other) = outputs.role.as_ref().filter(|role| **role != args.role) {
            remove_role(cx, name, other).await?;
            return Ok(InstanceProfileOutputs { role: None, ..outputs });
        }
        Ok(outputs)
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let name = prior.outputs.name.as_str();
        // Whatever role is in it keeps it from being deleted, not only ours.
        let Some(profile) = get(&cx.cloud, name).await? else { return Ok(()) };
        for role in profile.roles() {
            remove_role(cx, name, &RoleName::literal(role.role_name())).await?;
        }
        let request = cx.cloud.iam().delete_instance_profile().instance_profile_name(name);
        request.send().await.call("iam:DeleteInstanceProfile").gone_ok().map(drop)
    }

    /// Puts the role in.
    async fn ready(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<Settled<InstanceProfileOutputs>, CloudError> {
        let (role, outputs) = (&current.args.role, current.outputs.clone());
        if outputs.role.as_ref() == Some(role) {
            return Ok(Settled::Yes(outputs));
        }
        let request = cx.cloud.iam().add_role_to_instance_profile().instance_profile_name(outputs.name.as_str());
        match request.role_name(role.as_str()).send().await.call("iam:AddRoleToInstanceProfile") {
            Ok(_) => {}
            // A profile holds one role: this one, if the answer of an earlier call was lost.
            Err(error) if error.code == "LimitExceeded" => {
                match get(&cx.cloud, outputs.name.as_str()).await? {
                    Some(profile) if holds(&profile, role) => {}
                    // It holds one, and does not show it yet.
                    None => return Err(as_class(error, Class::Eventual)),
                    Some(profile) if profile.roles().is_empty() => return Err(as_class(error, Class::Eventual)),
                    Some(_) => return Err(error.hint("somebody put another role into the profile: take it out")),
                }
            }
            Err(error) => return Err(error),
        }
        Ok(Settled::Yes(InstanceProfileOutputs { role: Some(role.clone()), ..outputs }))
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        let request = cx.cloud.iam().tag_instance_profile().instance_profile_name(current.outputs.name.as_str());
        let request = request.set_tags(Some(sdk_tags(tags::ownership(&cx.owner))));
        request.send().await.call("iam:TagInstanceProfile").map(drop)
    }
}

async fn remove_role(cx: &Cx<Aws>, profile: &str, role: &RoleName) -> Result<(), CloudError> {
    let request = cx.cloud.iam().remove_role_from_instance_profile().instance_profile_name(profile);
    request.role_name(role.as_str()).send().await.call("iam:RemoveRoleFromInstanceProfile").gone_ok().map(drop)
}

async fn get(cloud: &Aws, name: &str) -> Result<Option<Described>, CloudError> {
    let request = cloud.iam().get_instance_profile().instance_profile_name(name);
    let answer = request.send().await.call("iam:GetInstanceProfile").gone_ok()?;
    Ok(answer.and_then(|answer| answer.instance_profile))
}

fn holds(profile: &Described, role: &RoleName) -> bool {
    profile.roles().iter().any(|held| held.role_name() == role.as_str())
}

fn outputs(profile: &Described) -> InstanceProfileOutputs {
    InstanceProfileOutputs {
        name: InstanceProfileName::literal(profile.instance_profile_name()),
        arn: profile.arn().to_owned(),
        role: profile.roles().first().map(|role| RoleName::literal(role.role_name())),
    }
}

async fn read_one(
    scan: &Scan<Aws>,
    wanted: &[Wanted<InstanceProfile>],
    profile: &Described,
) -> Result<Option<Found<InstanceProfile>>, CloudError> {
    let outputs = outputs(profile);
    let recorded = wanted.iter().find(|want| want.outputs.as_ref().is_some_and(|known| known.name == outputs.name));
    let (owned, tagged) = match recorded {
        // A call for each profile.
        Some(want) if !scan.cloud.reads_all() => {
            let (address, generation) = (want.address.clone(), want.generation);
            (Owned { address, generation, tags: BTreeMap::new() }, false)
        }
        _ => {
            let tags = get(&scan.cloud, outputs.name.as_str()).await?.map(|profile| tag_map(profile.tags()));
            let Some(owned) = tags::owned(&scan.stack, tags.unwrap_or_default()) else { return Ok(None) };
            (owned, true)
        }
    };
    let role = match unread(wanted_as(wanted, &owned), &owned) {
        Unread::OnTheWay(args) => args.role.clone(),
        // An empty profile has no role's name, and is not what is wanted.
        _ => outputs.role.clone().unwrap_or_else(|| RoleName::literal("")),
    };
    let health = if outputs.role.is_some() { Health::Ready } else { Health::Pending };
    let Owned { address, generation, tags } = owned;
    let tags = tagged.then_some(tags);
    Ok(Some(Found { address, generation, args: Some(InstanceProfileArgs { role }), outputs, health, tags }))
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::Client;
    use aws_sdk_iam::operation::add_role_to_instance_profile::{
        AddRoleToInstanceProfileError, AddRoleToInstanceProfileOutput,
    };
    use aws_sdk_iam::operation::get_instance_profile::GetInstanceProfileOutput;
    use aws_sdk_iam::types::Role;
    use aws_smithy_mocks::{Rule, mock};
    use aws_smithy_types::DateTime;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    fn profile(role: &str) -> Described {
        let now = DateTime::from_secs(0);
        let role = Role::builder().role_name(role).role_id("A").arn("a").path("/").create_date(now).build().unwrap();
        Described::builder()
            .instance_profile_name("p")
            .instance_profile_id("P")
            .arn("p")
            .path("/")
            .create_date(now)
            .roles(role)
            .build()
            .unwrap()
    }

    async fn ready(held: Option<&str>, rules: &[&Rule]) -> Result<Settled<InstanceProfileOutputs>, CloudError> {
        let outputs = InstanceProfileOutputs {
            name: InstanceProfileName::literal("p"),
            arn: "p".into(),
            role: held.map(RoleName::literal),
        };
        let current = Prior { args: InstanceProfileArgs { role: RoleName::literal("r") }, outputs };
        InstanceProfile::ready(&cx(rules), &current).await
    }

    #[tokio::test]
    async fn a_role_that_is_in_already_is_no_error_and_another_one_is() {
        let added = mock!(aws_sdk_iam::Client::add_role_to_instance_profile)
            .then_output(|| AddRoleToInstanceProfileOutput::builder().build());
        assert!(matches!(ready(None, &[&added]).await, Ok(Settled::Yes(outputs)) if outputs.role.is_some()));
        assert!(matches!(ready(Some("r"), &[]).await, Ok(Settled::Yes(_))), "no call");

        let full = mock!(aws_sdk_iam::Client::add_role_to_instance_profile).then_error(|| {
            AddRoleToInstanceProfileError::generic(ErrorMetadata::builder().code("LimitExceeded").build())
        });
        let holds = |role: &'static str| {
            mock!(aws_sdk_iam::Client::get_instance_profile)
                .then_output(move || GetInstanceProfileOutput::builder().instance_profile(profile(role)).build())
        };
        assert!(matches!(ready(None, &[&full, &holds("r")]).await, Ok(Settled::Yes(_))));
        assert_eq!(ready(None, &[&full, &holds("s")]).await.unwrap_err().code, "LimitExceeded");
    }

    fn prior() -> Prior<InstanceProfile> {
        let (name, role) = (InstanceProfileName::literal("p"), None);
        let args = InstanceProfileArgs { role: RoleName::literal("r") };
        Prior { args, outputs: InstanceProfileOutputs { name, arn: "p".into(), role } }
    }

    fn shown(profile: Described) -> Rule {
        mock!(Client::get_instance_profile)
            .then_output(move || GetInstanceProfileOutput::builder().instance_profile(profile.clone()).build())
    }

    #[tokio::test]
    async fn a_role_that_iam_does_not_know_everywhere_yet_is_a_matter_of_time() {
        for (code, text) in [
            ("NoSuchEntity", "The role with name r cannot be found."),
            ("InvalidParameterValue", "Invalid IAM Instance Profile name"),
        ] {
            let refused = refused(mock!(Client::add_role_to_instance_profile), code, text);
            assert_eq!(outcome(ready(None, &[&refused]).await), Err(Class::Eventual), "{code}");
        }
        // It holds a role, says one call; it holds none yet, says the other.
        let full = refused(mock!(Client::add_role_to_instance_profile), "LimitExceeded", "");
        let mut empty = profile("r");
        empty.roles.clear();
        assert_eq!(outcome(ready(None, &[&full, &shown(empty)]).await), Err(Class::Eventual));
    }

    #[tokio::test]
    async fn a_profile_that_is_gone_is_deleted_at_whatever_step() {
        let gone = refused(mock!(Client::get_instance_profile), "NoSuchEntity", "");
        assert_eq!(outcome(InstanceProfile::delete(&cx(&[&gone]), &prior()).await), Ok(()));
        let removed = refused(mock!(Client::remove_role_from_instance_profile), "NoSuchEntity", "");
        for (code, expected) in [("NoSuchEntity", Ok(())), ("DeleteConflict", Err(Class::Dependency))] {
            let refused = refused(mock!(Client::delete_instance_profile), code, "");
            let cx = cx(&[&shown(profile("r")), &removed, &refused]);
            assert_eq!(outcome(InstanceProfile::delete(&cx, &prior()).await), expected, "{code}");
        }
        let taken = refused(mock!(Client::create_instance_profile), "EntityAlreadyExists", "");
        assert_eq!(outcome(InstanceProfile::create(&cx(&[&taken]), &prior().args).await), Err(Class::Exists));
    }
}
