//! Servers and what they need: Systems Manager's parameters, IAM, instances.

use aws_sdk_ec2::types::{IamInstanceProfileSpecification, InstanceType};
use aws_sdk_iam::types::Tag;
use serde_json::json;

use crate::differential::network::{EAST, Network};
use crate::differential::script::Script;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const IMAGE: &str = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";

/// What the other parts build on.
pub(crate) struct Servers {
    pub(crate) instance: String,
}

pub(crate) async fn run(script: &mut Script, network: &Network) -> Servers {
    let (ssm, sts) = (script.clients().ssm(EAST), script.clients().sts(EAST));
    let identity = sts.get_caller_identity().send();
    script
        .must("sts GetCallerIdentity", identity, |symbols, answer| {
            symbols.learn("account", answer.account().unwrap());
            json!({ "digits": answer.account().unwrap().len() })
        })
        .await;
    let image = script
        .must(
            "ssm GetParameter: the image of Amazon Linux",
            ssm.get_parameter().name(IMAGE).send(),
            |symbols, answer| {
                let parameter = answer.parameter().unwrap();
                symbols.learn("image", parameter.value().unwrap());
                json!({ "name": parameter.name(), "type": parameter.r#type().map(|kind| kind.as_str()) })
            },
        )
        .await;
    let image = image.parameter.unwrap().value.unwrap();
    script.ask("ssm GetParameter: unknown name", ssm.get_parameter().name("/aws/service/nothing").send()).await;
    profile(script).await;
    Servers { instance: instances(script, network, &image).await }
}

async fn profile(script: &mut Script) {
    let iam = script.clients().iam();
    let role = |name: &str| iam.create_role().role_name(name).path("/shop/").assume_role_policy_document(TRUST);
    let tag = Tag::builder().key("team").value("shop").build().unwrap();
    script
        .must("iam CreateRole", role("server").tags(tag).send(), |_, answer| {
            let role = answer.role().unwrap();
            json!({ "arn": role.arn(), "path": role.path(), "session": role.max_session_duration(),
                "encoded": role.assume_role_policy_document().is_some_and(|document| document.starts_with("%7B")) })
        })
        .await;
    script.must("iam CreateRole: a second one", role("other").send(), |_, _| json!(true)).await;
    script.ask("iam CreateRole: the same name", role("server").send()).await;
    script.ask("iam CreateRole: the same name in capitals", role("SERVER").send()).await;
    script.ask("iam CreateRole: no policy", role("wrong1").assume_role_policy_document("{").send()).await;
    script.ask("iam CreateRole: an empty policy", role("wrong2").assume_role_policy_document("{}").send()).await;
    let unknown = TRUST.replace("Allow", "Permit");
    script.ask("iam CreateRole: an unknown effect", role("wrong3").assume_role_policy_document(unknown).send()).await;
    script.ask("iam CreateRole: a path without a slash", role("wrong4").path("shop").send()).await;
    script
        .look("iam GetRole", iam.get_role().role_name("server").send(), |answer| {
            let tags = answer.role().unwrap().tags().iter();
            json!({ "tags": tags.map(|tag| (tag.key(), tag.value())).collect::<Vec<_>>() })
        })
        .await;
    script.ask("iam GetRole: unknown role", iam.get_role().role_name("nobody").send()).await;
    let managed = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";
    let attach = |role: &str, policy: &str| iam.attach_role_policy().role_name(role).policy_arn(policy).send();
    script.must("iam AttachRolePolicy", attach("server", managed), |_, _| json!(true)).await;
    script.ask("iam AttachRolePolicy: again", attach("server", managed)).await;
    script.ask("iam AttachRolePolicy: unknown policy", attach("server", "arn:aws:iam::aws:policy/Nothing")).await;
    script.ask("iam AttachRolePolicy: unknown role", attach("nobody", managed)).await;
    let detach = iam.detach_role_policy().role_name("other").policy_arn(managed).send();
    script.ask("iam DetachRolePolicy: not attached", detach).await;
    let inline = iam.put_role_policy().role_name("server").policy_name("extra");
    script.ask("iam PutRolePolicy: no policy", inline.policy_document("[]").send()).await;
    let gone = iam.delete_role_policy().role_name("server").policy_name("nothing").send();
    script.ask("iam DeleteRolePolicy: unknown policy", gone).await;

    let create = |name: &str| iam.create_instance_profile().instance_profile_name(name).send();
    script
        .must("iam CreateInstanceProfile", create("server"), |_, answer| {
            json!({ "arn": answer.instance_profile().unwrap().arn(), "path": answer.instance_profile().unwrap().path() })
        })
        .await;
    script.ask("iam CreateInstanceProfile: the same name", create("server")).await;
    let add = |role: &str| iam.add_role_to_instance_profile().instance_profile_name("server").role_name(role).send();
    script.ask("iam AddRoleToInstanceProfile: unknown role", add("nobody")).await;
    script.must("iam AddRoleToInstanceProfile", add("server"), |_, _| json!(true)).await;
    script.ask("iam AddRoleToInstanceProfile: a second role", add("other")).await;
    let read = iam.get_instance_profile().instance_profile_name("server").send();
    script
        .look("iam GetInstanceProfile", read, |answer| {
            let roles = answer.instance_profile().unwrap().roles().iter();
            json!(roles.map(|role| role.role_name()).collect::<Vec<_>>())
        })
        .await;
    script.ask("iam DeleteRole: with a policy", iam.delete_role().role_name("server").send()).await;
    let delete = iam.delete_instance_profile().instance_profile_name("server").send();
    script.ask("iam DeleteInstanceProfile: with a role", delete).await;
    script.ask("iam DeleteRole", iam.delete_role().role_name("other").send()).await;
    script.ask("iam DeleteRole: again", iam.delete_role().role_name("other").send()).await;
}

async fn instances(script: &mut Script, network: &Network, image: &str) -> String {
    let ec2 = &network.ec2;
    let profile = |name: &str| IamInstanceProfileSpecification::builder().name(name).build();
    let bare = || ec2.run_instances().min_count(1).max_count(1).image_id(image).instance_type(InstanceType::T3Micro);
    let run = || bare().subnet_id(&network.subnets[0]).security_group_ids(&network.alb);
    script.ask("ec2 RunInstances: unknown image", run().image_id("ami-0123456789abcdef0").send()).await;
    script.ask("ec2 RunInstances: not an image", run().image_id("image").send()).await;
    script.ask("ec2 RunInstances: unknown type", run().instance_type(InstanceType::from("t3.giant")).send()).await;
    let nowhere = bare().subnet_id("subnet-0123456789abcdef0").send();
    script.ask("ec2 RunInstances: unknown subnet", nowhere).await;
    script.ask("ec2 RunInstances: unknown group", run().security_group_ids("sg-0123456789abcdef0").send()).await;
    let foreign = bare().subnet_id(&network.subnets[0]).security_group_ids(&network.foreign_group).send();
    script.ask("ec2 RunInstances: a group of another VPC", foreign).await;
    script.ask("ec2 RunInstances: unknown profile", run().iam_instance_profile(profile("nothing")).send()).await;
    script.ask("ec2 RunInstances: user data that is not base64", run().user_data("#!/bin/sh").send()).await;
    script.ask("ec2 RunInstances: a dry run", run().dry_run(true).send()).await;

    let run = || run().client_token("token-instance");
    // A new profile is visible to EC2 after a while.
    let instance = script
        .must("ec2 RunInstances", run().send(), |symbols, answer| {
            let instance = &answer.instances()[0];
            symbols.learn("instance", instance.instance_id().unwrap());
            json!({ "state": instance.state().and_then(|state| state.name()).map(|name| name.as_str()),
                "type": instance.instance_type().map(|kind| kind.as_str()), "subnet": instance.subnet_id(),
                "vpc": instance.vpc_id(), "token": instance.client_token(),
                "groups": instance.security_groups().iter().map(|group| group.group_id()).collect::<Vec<_>>(),
                "zone": instance.placement().and_then(|placement| placement.availability_zone()) })
        })
        .await;
    let instance = instance.instances()[0].instance_id().unwrap().to_owned();
    script
        .look("ec2 RunInstances: the same token", run().send(), |answer| json!(answer.instances()[0].instance_id()))
        .await;
    let other = run().instance_type(InstanceType::T3Small).send();
    script.ask("ec2 RunInstances: the same token for something else", other).await;
    let unknown = "i-0123456789abcdef0";
    script.ask("ec2 DescribeInstances: unknown id", ec2.describe_instances().instance_ids(unknown).send()).await;
    script.ask("ec2 TerminateInstances: unknown id", ec2.terminate_instances().instance_ids(unknown).send()).await;
    let find = async || ec2.describe_instances().instance_ids(&instance).send().await;
    script
        .until("an instance", find, |answer| {
            let state = answer.reservations()[0].instances()[0].state().and_then(|state| state.name());
            state.is_some_and(|state| state.as_str() == "running")
        })
        .await;

    let delete = |subnet: &str| ec2.delete_subnet().subnet_id(subnet).send();
    script.ask("ec2 DeleteSubnet: with an instance and a NAT gateway", delete(&network.subnets[0])).await;
    let delete = ec2.delete_security_group().group_id(&network.alb).send();
    script.ask("ec2 DeleteSecurityGroup: of an instance", delete).await;
    script.ask("ec2 DeleteVpc: with everything", ec2.delete_vpc().vpc_id(&network.vpc).send()).await;
    instance
}
