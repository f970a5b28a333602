//! `aws.iam.role_policy_attachment`: a managed policy of a role.
//!
//! API: AttachRolePolicy, ListAttachedRolePolicies, DetachRolePolicy (IAM 2010-05-08). Find: by role and policy.
//! Change: everything replaces. Delete: before the role.

use std::collections::{BTreeMap, BTreeSet};

use dr_core::{CloudError, Cx, Found, Global, Health, Input, IntoInput, Lifecycle, Prior, Resource, Scan, Wanted};
use futures_util::future::try_join_all;

use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::RoleName;
use crate::read::{found_by_key, on_record};
use crate::regions::partition;

/// Gives a role the rights of a managed policy.
///
/// - Inputs: the role and the policy, one of AWS's by its name or any by its ARN; both replace.
/// - Ready: at once.
/// - Calls: AttachRolePolicy, ListAttachedRolePolicies, DetachRolePolicy.
/// - AWS: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachRolePolicy.html>
#[derive(Debug, Clone, Resource)]
#[resource(type = "aws.iam.role_policy_attachment", region = Global, create_s = 1, delete_s = 1)]
pub struct RolePolicyAttachment {
    /// Who gets the rights.
    #[input(replace)]
    role: Input<RoleName>,
    /// The policy: the name of one of AWS's, `AmazonSSMManagedInstanceCore`, or an ARN.
    #[input(replace)]
    policy: String,
}

impl RolePolicyAttachment {
    /// Gives the role the rights of one of AWS's policies (by name), or of any (by ARN).
    pub fn new(role: impl IntoInput<RoleName>, policy: impl Into<String>) -> Self {
        RolePolicyAttachment { role: role.into_input(), policy: policy.into() }
    }
}

fn arn(region: &str, policy: &str) -> String {
    if policy.starts_with("arn:") {
        policy.to_owned()
    } else {
        format!("arn:{}:iam::aws:policy/{policy}", partition(region))
    }
}

impl Lifecycle for RolePolicyAttachment {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let recorded: Option<Vec<_>> = wanted.iter().map(|want| on_record(&scan.cloud, want)).collect();
        if let Some(recorded) = recorded {
            return Ok(recorded);
        }
        let roles: BTreeSet<_> = wanted.iter().map(|want| want.args.role.as_str()).collect();
        let attached = try_join_all(roles.into_iter().map(|role| attached(&scan.cloud, role))).await?;
        let attached: BTreeMap<_, _> = attached.into_iter().collect();
        let is_attached = |want: &&Wanted<Self>| {
            let arn = arn(&scan.region, &want.args.policy);
            attached.get(want.args.role.as_str()).is_some_and(|policies| policies.contains(&arn))
        };
        let found = |want| found_by_key::<Self>(want, want.args.clone(), (), Health::Ready);
        Ok(wanted.iter().filter(is_attached).map(found).collect())
    }

    async fn create(cx: &Cx<Aws>, args: &RolePolicyAttachmentArgs) -> Result<(), CloudError> {
        let request = cx.cloud.iam().attach_role_policy().role_name(args.role.as_str());
        let request = request.policy_arn(arn(&cx.owner.region, &args.policy));
        request.send().await.call("iam:AttachRolePolicy").map(drop)
    }

    async fn update(_: &Cx<Aws>, _: &Prior<Self>, _: &RolePolicyAttachmentArgs) -> Result<(), CloudError> {
        Ok(())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let request = cx.cloud.iam().detach_role_policy().role_name(prior.args.role.as_str());
        let request = request.policy_arn(arn(&cx.owner.region, &prior.args.policy));
        request.send().await.call("iam:DetachRolePolicy").gone_ok().map(drop)
    }
}

/// The ARNs of the managed policies of a role; none for one that is not there.
async fn attached<'r>(cloud: &Aws, role: &'r str) -> Result<(&'r str, BTreeSet<String>), CloudError> {
    let items = cloud.iam().list_attached_role_policies().role_name(role).into_paginator().items().send();
    let policies = items.collect::<Result<Vec<_>, _>>().await.call("iam:ListAttachedRolePolicies").gone_ok()?;
    let arns = policies.unwrap_or_default().into_iter().filter_map(|policy| policy.policy_arn).collect();
    Ok((role, arns))
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::Client;
    use aws_smithy_mocks::mock;
    use dr_core::Class;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    #[test]
    fn a_policy_of_aws_is_named_and_any_other_has_an_arn() {
        let core = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";
        assert_eq!(arn("global", "AmazonSSMManagedInstanceCore"), core);
        assert_eq!(arn("global", "arn:aws:iam::1:policy/p"), "arn:aws:iam::1:policy/p");
    }

    /// One code: the role is a moment old, or there is no such policy.
    #[tokio::test]
    async fn a_new_role_is_waited_for_and_a_policy_that_there_is_not_is_an_error() {
        let args = RolePolicyAttachmentArgs { role: RoleName::literal("r"), policy: "AmazonSSMManagedInstance".into() };
        let missing = "Policy arn:aws:iam::aws:policy/AmazonSSMManagedInstance does not exist or is not attachable.";
        for (code, text, class) in [
            ("NoSuchEntity", "The role with name r cannot be found.", Class::Eventual),
            ("NoSuchEntity", missing, Class::Permanent),
            ("PolicyNotAttachable", "", Class::Permanent),
            ("LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10", Class::Permanent),
        ] {
            let refused = refused(mock!(Client::attach_role_policy), code, text);
            assert_eq!(
                outcome(RolePolicyAttachment::create(&cx(&[&refused]), &args).await),
                Err(class),
                "{code} {text}"
            );
        }
        let gone = refused(mock!(Client::detach_role_policy), "NoSuchEntity", "");
        assert_eq!(outcome(RolePolicyAttachment::delete(&cx(&[&gone]), &Prior { args, outputs: () }).await), Ok(()));
    }
}
