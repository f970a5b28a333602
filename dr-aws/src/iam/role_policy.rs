//! `aws.iam.role_policy`: an inline policy of a role.
//!
//! API: PutRolePolicy, GetRolePolicy, DeleteRolePolicy (IAM 2010-05-08). Find: by role and name.
//! Change: the document in place, the rest replaces. Delete: before the role.

use dr_core::{
    CloudError, Cx, Found, Global, Health, Input, IntoInput, Lifecycle, Prior, Problems, Resource, Scan, Wanted,
};
use futures_util::future::try_join_all;

use super::policy;
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::RoleName;
use crate::read::found_by_key;

/// Gives a role rights of its own, which nobody else has.
///
/// - Inputs: the role and the name of the policy (1 to 128 characters), which replace; the document, in place.
/// - Ready: at once.
/// - Calls: PutRolePolicy, GetRolePolicy, DeleteRolePolicy.
/// - AWS: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html>
#[derive(Debug, Clone, Resource)]
#[resource(type = "aws.iam.role_policy", region = Global, create_s = 1, delete_s = 1, check = check)]
pub struct RolePolicy {
    /// Who gets the rights.
    #[input(replace)]
    role: Input<RoleName>,
    /// The name of the policy in the role, up to 128 characters.
    #[input(replace)]
    name: String,
    /// The rights: a policy document as JSON.
    document: Input<String>,
}

impl RolePolicy {
    /// Gives the role the rights of the document.
    pub fn new(role: impl IntoInput<RoleName>, name: impl Into<String>, document: impl IntoInput<String>) -> Self {
        RolePolicy { role: role.into_input(), name: name.into(), document: document.into_input() }
    }
}

fn check(role_policy: &RolePolicy, problems: &mut Problems) {
    policy::check("document", role_policy.document.as_known(), problems);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    let name = &role_policy.name;
    if name.is_empty() || name.len() > 128 || !name.chars().all(allowed) {
        problems.report("name", format_args!("`{name}` is no name: 1 to 128 letters, digits and `_+=,.@-`"));
    }
}

impl Lifecycle for RolePolicy {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let read = async |want: &Wanted<Self>| {
            let RolePolicyArgs { role, name, document } = &want.args;
            let request = scan.cloud.iam().get_role_policy().role_name(role.as_str()).policy_name(name);
            let Some(answer) = request.send().await.call("iam:GetRolePolicy").gone_ok()? else { return Ok(None) };
            let observed = policy::decode(answer.policy_document());
            let args = RolePolicyArgs { document: policy::as_wanted(observed, Some(document)), ..want.args.clone() };
            Ok::<_, CloudError>(Some(found_by_key(want, args, (), Health::Ready)))
        };
        Ok(try_join_all(wanted.iter().map(read)).await?.into_iter().flatten().collect())
    }

    async fn create(cx: &Cx<Aws>, args: &RolePolicyArgs) -> Result<(), CloudError> {
        put(cx, args).await
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, args: &RolePolicyArgs) -> Result<(), CloudError> {
        if *args == prior.args { Ok(()) } else { put(cx, args).await }
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let RolePolicyArgs { role, name, .. } = &prior.args;
        let request = cx.cloud.iam().delete_role_policy().role_name(role.as_str()).policy_name(name);
        request.send().await.call("iam:DeleteRolePolicy").gone_ok().map(drop)
    }
}

/// Creates and overwrites alike.
async fn put(cx: &Cx<Aws>, args: &RolePolicyArgs) -> Result<(), CloudError> {
    let request = cx.cloud.iam().put_role_policy().role_name(args.role.as_str()).policy_name(&args.name);
    request.policy_document(&args.document).send().await.call("iam:PutRolePolicy").map(drop)
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::Client;
    use aws_smithy_mocks::mock;
    use dr_core::Class;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    #[tokio::test]
    async fn a_new_role_is_waited_for_and_one_that_is_gone_has_no_policy() {
        let args = RolePolicyArgs { role: RoleName::literal("r"), name: "p".into(), document: "{}".into() };
        for (code, class) in [
            ("NoSuchEntity", Class::Eventual),
            ("MalformedPolicyDocument", Class::Permanent),
            ("LimitExceeded", Class::Permanent),
        ] {
            let refused = refused(mock!(Client::put_role_policy), code, "");
            assert_eq!(outcome(RolePolicy::create(&cx(&[&refused]), &args).await), Err(class), "{code}");
        }
        let gone = refused(mock!(Client::delete_role_policy), "NoSuchEntity", "");
        assert_eq!(outcome(RolePolicy::delete(&cx(&[&gone]), &Prior { args, outputs: () }).await), Ok(()));
    }
}
