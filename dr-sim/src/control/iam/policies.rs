//! Policies of roles: managed ones are attached, inline ones are put. Both calls repeat without harm.

use aws_sdk_iam::operation::attach_role_policy::{
    AttachRolePolicyError, AttachRolePolicyInput, AttachRolePolicyOutput,
};
use aws_sdk_iam::operation::delete_role_policy::{
    DeleteRolePolicyError, DeleteRolePolicyInput, DeleteRolePolicyOutput,
};
use aws_sdk_iam::operation::detach_role_policy::{
    DetachRolePolicyError, DetachRolePolicyInput, DetachRolePolicyOutput,
};
use aws_sdk_iam::operation::get_role_policy::{GetRolePolicyError, GetRolePolicyInput, GetRolePolicyOutput};
use aws_sdk_iam::operation::list_attached_role_policies::{
    ListAttachedRolePoliciesError, ListAttachedRolePoliciesInput, ListAttachedRolePoliciesOutput,
};
use aws_sdk_iam::operation::list_role_policies::{
    ListRolePoliciesError, ListRolePoliciesInput, ListRolePoliciesOutput,
};
use aws_sdk_iam::operation::put_role_policy::{PutRolePolicyError, PutRolePolicyInput, PutRolePolicyOutput};
use aws_sdk_iam::types::AttachedPolicy;

use super::documents::{check_inline, encoded, size};
use super::{SERVICE, checked_name, limit, no_such_entity, page, required, role, role_mut};
use crate::control::{Answer, Call, Refusal, Table};
use crate::world::World;

/// Managed policies per role (IAM quota, may be raised to 20).
const MANAGED_MOST: usize = 10;
/// Characters of all inline policies of a role together, without white space.
const INLINE_MOST: usize = 10_240;

/// AWS managed policies that can be attached here, as the path and name after `arn:aws:iam::aws:policy`. AWS has more than a
/// thousand; these are the ones that instances of a web service use. Another name is refused as one that does not exist.
const MANAGED: &[&str] = &[
    "/AdministratorAccess",
    "/AmazonDynamoDBFullAccess",
    "/AmazonDynamoDBReadOnlyAccess",
    "/AmazonEC2ContainerRegistryPowerUser",
    "/AmazonEC2ContainerRegistryPullOnly",
    "/AmazonEC2ContainerRegistryReadOnly",
    "/AmazonEC2FullAccess",
    "/AmazonEC2ReadOnlyAccess",
    "/AmazonElasticFileSystemClientReadWriteAccess",
    "/AmazonElasticFileSystemReadOnlyAccess",
    "/AmazonInspector2ManagedCispolicy",
    "/AmazonKinesisFullAccess",
    "/AmazonKinesisReadOnlyAccess",
    "/AmazonRDSDataFullAccess",
    "/AmazonRDSReadOnlyAccess",
    "/AmazonRoute53ReadOnlyAccess",
    "/AmazonS3FullAccess",
    "/AmazonS3ReadOnlyAccess",
    "/AmazonSNSFullAccess",
    "/AmazonSNSReadOnlyAccess",
    "/AmazonSQSFullAccess",
    "/AmazonSQSReadOnlyAccess",
    "/AmazonSSMFullAccess",
    "/AmazonSSMManagedEC2InstanceDefaultPolicy",
    "/AmazonSSMManagedInstanceCore",
    "/AmazonSSMPatchAssociation",
    "/AmazonSSMReadOnlyAccess",
    "/AmazonVPCReadOnlyAccess",
    "/AWSXRayDaemonWriteAccess",
    "/AWSXrayWriteOnlyAccess",
    "/CloudWatchAgentAdminPolicy",
    "/CloudWatchAgentServerPolicy",
    "/CloudWatchFullAccess",
    "/CloudWatchLogsFullAccess",
    "/CloudWatchLogsReadOnlyAccess",
    "/CloudWatchReadOnlyAccess",
    "/PowerUserAccess",
    "/ReadOnlyAccess",
    "/SecretsManagerReadWrite",
    "/SecurityAudit",
    "/job-function/ViewOnlyAccess",
    "/service-role/AmazonEC2RoleforAWSCodeDeploy",
    "/service-role/AmazonEC2RoleforSSM",
];

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "AttachRolePolicy", AttachRolePolicyError::generic, attach_role_policy);
    table.on(SERVICE, "DetachRolePolicy", DetachRolePolicyError::generic, detach_role_policy);
    table.on(SERVICE, "ListAttachedRolePolicies", ListAttachedRolePoliciesError::generic, list_attached_role_policies);
    table.on(SERVICE, "PutRolePolicy", PutRolePolicyError::generic, put_role_policy);
    table.on(SERVICE, "GetRolePolicy", GetRolePolicyError::generic, get_role_policy);
    table.on(SERVICE, "ListRolePolicies", ListRolePoliciesError::generic, list_role_policies);
    table.on(SERVICE, "DeleteRolePolicy", DeleteRolePolicyError::generic, delete_role_policy);
}

/// Checks that a policy of that ARN exists. Policies of the account's own cannot be made here, so none of those does.
pub(super) fn check_attachable(arn: &str) -> Answer<()> {
    if !arn.starts_with("arn:") || arn.split(':').count() < 6 {
        return Err(Refusal::new("ValidationError", format!("ARN {arn} is not valid.")));
    }
    match arn.strip_prefix("arn:aws:iam::aws:policy") {
        Some(name) if MANAGED.contains(&name) => Ok(()),
        _ => Err(no_such_entity(format!("Policy {arn} does not exist or is not attachable."))),
    }
}

fn attach_role_policy(world: &mut World, _: &Call, input: &AttachRolePolicyInput) -> Answer<AttachRolePolicyOutput> {
    let arn = required(&input.policy_arn, "policyArn")?;
    let role = role_mut(world, checked_name(&input.role_name, "roleName", 64)?)?;
    check_attachable(arn)?;
    if !role.managed_policies.contains(arn) && role.managed_policies.len() >= MANAGED_MOST {
        return Err(limit(format!("Cannot exceed quota for PoliciesPerRole: {MANAGED_MOST}")));
    }
    role.managed_policies.insert(arn.to_owned());
    Ok(AttachRolePolicyOutput::builder().build())
}

fn detach_role_policy(world: &mut World, _: &Call, input: &DetachRolePolicyInput) -> Answer<DetachRolePolicyOutput> {
    let arn = required(&input.policy_arn, "policyArn")?;
    let role = role_mut(world, checked_name(&input.role_name, "roleName", 64)?)?;
    if !role.managed_policies.remove(arn) {
        return Err(no_such_entity(format!("Policy {arn} was not found.")));
    }
    Ok(DetachRolePolicyOutput::builder().build())
}

fn list_attached_role_policies(
    world: &mut World,
    _: &Call,
    input: &ListAttachedRolePoliciesInput,
) -> Answer<ListAttachedRolePoliciesOutput> {
    let role = role(world, checked_name(&input.role_name, "roleName", 64)?)?;
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    // `arn:aws:iam::aws:policy/path/Name`: the path is what lies between `policy` and the name.
    let matching = role
        .managed_policies
        .iter()
        .filter(|arn| arn.split_once(":policy").is_some_and(|(_, p)| p.starts_with(prefix)));
    let shown = matching.map(|arn| {
        let name = arn.rsplit('/').next().unwrap_or(arn);
        (arn.as_str(), AttachedPolicy::builder().policy_name(name).policy_arn(arn).build())
    });
    let (policies, marker) = page(shown, input.marker.as_deref(), input.max_items)?;
    let output = ListAttachedRolePoliciesOutput::builder().set_attached_policies(Some(policies));
    Ok(output.is_truncated(marker.is_some()).set_marker(marker).build())
}

fn put_role_policy(world: &mut World, _: &Call, input: &PutRolePolicyInput) -> Answer<PutRolePolicyOutput> {
    let name = checked_name(&input.policy_name, "policyName", 128)?;
    let document = required(&input.policy_document, "policyDocument")?;
    let role = role_mut(world, checked_name(&input.role_name, "roleName", 64)?)?;
    check_inline(document)?;
    let others: usize =
        role.inline_policies.iter().filter(|(other, _)| *other != name).map(|(_, text)| size(text)).sum();
    if others + size(document) > INLINE_MOST {
        return Err(limit(format!("Maximum policy size of {INLINE_MOST} bytes exceeded for role {}", role.name)));
    }
    role.inline_policies.insert(name.to_owned(), document.to_owned());
    Ok(PutRolePolicyOutput::builder().build())
}

fn no_inline(name: &str) -> Refusal {
    no_such_entity(format!("The role policy with name {name} cannot be found."))
}

fn get_role_policy(world: &mut World, _: &Call, input: &GetRolePolicyInput) -> Answer<GetRolePolicyOutput> {
    let name = checked_name(&input.policy_name, "policyName", 128)?;
    let role = role(world, checked_name(&input.role_name, "roleName", 64)?)?;
    let document = role.inline_policies.get(name).ok_or_else(|| no_inline(name))?;
    let output =
        GetRolePolicyOutput::builder().role_name(&role.name).policy_name(name).policy_document(encoded(document));
    Ok(output.build().expect("every field is set"))
}

fn list_role_policies(world: &mut World, _: &Call, input: &ListRolePoliciesInput) -> Answer<ListRolePoliciesOutput> {
    let role = role(world, checked_name(&input.role_name, "roleName", 64)?)?;
    let names = role.inline_policies.keys().map(|name| (name.as_str(), name.clone()));
    let (names, marker) = page(names, input.marker.as_deref(), input.max_items)?;
    let output = ListRolePoliciesOutput::builder().set_policy_names(Some(names));
    Ok(output.is_truncated(marker.is_some()).set_marker(marker).build().expect("the names are set"))
}

fn delete_role_policy(world: &mut World, _: &Call, input: &DeleteRolePolicyInput) -> Answer<DeleteRolePolicyOutput> {
    let name = checked_name(&input.policy_name, "policyName", 128)?;
    let role = role_mut(world, checked_name(&input.role_name, "roleName", 64)?)?;
    role.inline_policies.remove(name).ok_or_else(|| no_inline(name))?;
    Ok(DeleteRolePolicyOutput::builder().build())
}

#[cfg(test)]
mod tests {
    use super::super::roles::tests::{delete, with_role};
    use super::super::tests::{at, code, message};
    use super::*;

    const SSM: &str = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";
    const S3: &str =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}"#;

    fn attach(world: &mut World, arn: &str) -> Answer<AttachRolePolicyOutput> {
        let input = AttachRolePolicyInput::builder().role_name("web").policy_arn(arn).build().expect("built");
        attach_role_policy(world, &at(0), &input)
    }

    fn detach(world: &mut World, arn: &str) -> Answer<DetachRolePolicyOutput> {
        let input = DetachRolePolicyInput::builder().role_name("web").policy_arn(arn).build().expect("built");
        detach_role_policy(world, &at(0), &input)
    }

    fn put(world: &mut World, name: &str, document: &str) -> Answer<PutRolePolicyOutput> {
        let input = PutRolePolicyInput::builder()
            .role_name("web")
            .policy_name(name)
            .policy_document(document)
            .build()
            .expect("built");
        put_role_policy(world, &at(0), &input)
    }

    #[test]
    fn a_managed_policy_is_attached_once_however_often_and_blocks_the_delete() {
        let mut world = with_role();
        attach(&mut world, SSM).expect("fine");
        attach(&mut world, SSM).expect("again");
        let list = ListAttachedRolePoliciesInput::builder().role_name("web").build().expect("built");
        let output = list_attached_role_policies(&mut world, &at(0), &list).expect("there");
        let shown: Vec<_> = output.attached_policies().iter().map(|p| (p.policy_name(), p.policy_arn())).collect();
        assert_eq!(shown, [(Some("AmazonSSMManagedInstanceCore"), Some(SSM))]);
        assert_eq!(message(delete(&mut world, "web")), "Cannot delete entity, must detach all policies first.");
        detach(&mut world, SSM).expect("attached");
        assert_eq!(message(detach(&mut world, SSM)), format!("Policy {SSM} was not found."));
        delete(&mut world, "web").expect("free");
        assert_eq!(code(attach(&mut world, SSM)), "NoSuchEntity");
    }

    #[test]
    fn a_policy_that_does_not_exist_cannot_be_attached_nor_an_eleventh_one() {
        let mut world = with_role();
        let missing =
            attach(&mut world, "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCor").expect_err("no such policy");
        assert_eq!((missing.code.as_str(), missing.status), ("NoSuchEntity", 404));
        assert_eq!(code(attach(&mut world, "AmazonSSMManagedInstanceCore")), "ValidationError");
        for name in &MANAGED[..10] {
            attach(&mut world, &format!("arn:aws:iam::aws:policy{name}")).expect("up to ten");
        }
        assert_eq!(message(attach(&mut world, SSM)), "Cannot exceed quota for PoliciesPerRole: 10");
    }

    #[test]
    fn an_inline_policy_is_overwritten_read_encoded_and_deleted() {
        let mut world = with_role();
        put(&mut world, "read", S3).expect("fine");
        put(&mut world, "read", &S3.replace("Get", "List")).expect("over the old one");
        let get = GetRolePolicyInput::builder().role_name("web").policy_name("read").build().expect("built");
        let document = get_role_policy(&mut world, &at(0), &get).expect("there").policy_document;
        assert!(document.contains("s3%3AListObject"), "{document}");
        let list = ListRolePoliciesInput::builder().role_name("web").build().expect("built");
        assert_eq!(list_role_policies(&mut world, &at(0), &list).expect("there").policy_names, ["read"]);
        assert_eq!(message(delete(&mut world, "web")), "Cannot delete entity, must delete policies first.");
        let remove = DeleteRolePolicyInput::builder().role_name("web").policy_name("read").build().expect("built");
        delete_role_policy(&mut world, &at(0), &remove).expect("there");
        assert_eq!(code(delete_role_policy(&mut world, &at(0), &remove)), "NoSuchEntity");
        assert_eq!(code(get_role_policy(&mut world, &at(0), &get)), "NoSuchEntity");
    }

    #[test]
    fn inline_policies_share_their_size_limit() {
        let mut world = with_role();
        let big = S3.replace('*', &format!("arn:aws:s3:::{}", "b".repeat(6000)));
        put(&mut world, "a", &big).expect("6 of 10 kB");
        assert_eq!(code(put(&mut world, "b", &big)), "LimitExceeded");
        put(&mut world, "a", &big).expect("the same one again");
        assert_eq!(code(put(&mut world, "b", "{}")), "MalformedPolicyDocument");
    }
}
