//! `aws.ec2.instance`: a virtual server in a private subnet.
//!
//! API: RunInstances, DescribeInstances, DescribeInstanceAttribute, ModifyInstanceAttribute,
//! AssociateIamInstanceProfile, ReplaceIamInstanceProfileAssociation, DisassociateIamInstanceProfile,
//! ModifyInstanceMetadataOptions, StartInstances, TerminateInstances (EC2 2016-11-15). Find: tags; a terminated one stays
//! listed for about an hour. Change: groups, profile and metadata options in place, the rest replaces.
//! Delete: asynchronous; its network interface and disk go with it.

use std::time::Duration;

use aws_sdk_ec2::types::{
    Filter, HttpTokensState, IamInstanceProfileSpecification, Instance as Described, InstanceAttributeName,
    InstanceMetadataEndpointState, InstanceMetadataOptionsRequest, InstanceNetworkInterfaceSpecification, InstanceType,
    ResourceType,
};
use aws_smithy_types::base64;
use dr_core::{
    Anywhere, Class, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Problems, Region,
    Resource, Scan, Settled, Wanted,
};
use futures_util::future::try_join_all;

use super::{adopt, filter, owned, owned_by, specification, sync_tags};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{ImageId, InstanceId, InstanceProfileName, SecurityGroupId, SubnetId};
use crate::read::{Promised as _, Unread, as_wanted, found, unread, wanted_as};

/// A virtual server without a public address.
///
/// The metadata service wants a token with each request (IMDSv2). User data runs once, at the first boot, so changed user data is
/// another server; so is another type, which a stopped instance could change but a running one cannot.
///
/// An instance that was stopped by hand is started again.
///
/// - Inputs: the image, the type, the subnet and the user data (up to 16 KiB; none by default), each of which replaces; the
///   groups (1 to 5), the profile (none by default) and whether the metadata
///   service wants a token (yes by default), in place.
/// - Ready: when it is `running`, in about 20 seconds, which says nothing about what runs in it; gone when `terminated`, in
///   about 30.
/// - Calls: RunInstances, StartInstances, ModifyInstanceAttribute, ModifyInstanceMetadataOptions,
///   AssociateIamInstanceProfile, ReplaceIamInstanceProfileAssociation, DisassociateIamInstanceProfile, DescribeInstances,
///   DescribeInstanceAttribute, DescribeIamInstanceProfileAssociations, TerminateInstances.
/// - AWS: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html>
#[derive(Debug, Clone, Resource)]
#[resource(type = "aws.ec2.instance", outputs = InstanceOutputs, create_s = 20, delete_s = 30, check = check)]
pub struct Instance<R: Region = Anywhere> {
    /// What its disk begins with.
    #[input(replace)]
    image: Input<ImageId<R>>,
    /// Processors and memory, `t4g.small`; of the architecture of the image.
    #[input(replace)]
    instance_type: String,
    /// Where it stands.
    #[input(replace)]
    subnet: Input<SubnetId<R>>,
    /// The firewalls around it; AWS puts it into the default group of the VPC when there is none.
    groups: Vec<Input<SecurityGroupId<R>>>,
    /// The rights that its programs have. Default: none.
    profile: Option<Input<InstanceProfileName>>,
    /// A script for its first boot (cloud-init), up to 16 KiB. Default: none.
    #[input(replace)]
    user_data: Option<Input<String>>,
    /// Whether the metadata service wants a token. Default: yes.
    imds_v2: bool,
}

/// What is known of an instance once it exists.
#[derive(Debug, Clone, PartialEq, Outputs)]
pub struct InstanceOutputs<R: Region = Anywhere> {
    /// `i-…`
    pub id: InstanceId<R>,
    /// Its IPv4 address in the VPC.
    pub private_ip: String,
}

impl<R: Region> Instance<R> {
    /// An instance of this image, type and place, without rights and user data; it needs a group.
    pub fn new(
        image: impl IntoInput<ImageId<R>>,
        instance_type: impl Into<String>,
        subnet: impl IntoInput<SubnetId<R>>,
    ) -> Self {
        Instance {
            image: image.into_input(),
            instance_type: instance_type.into(),
            subnet: subnet.into_input(),
            groups: Vec::new(),
            profile: None,
            user_data: None,
            imds_v2: true,
        }
    }

    /// With one firewall more around it, five at most.
    #[must_use]
    pub fn group(mut self, group: impl IntoInput<SecurityGroupId<R>>) -> Self {
        self.groups.push(group.into_input());
        self
    }

    /// The rights that its programs have.
    #[must_use]
    pub fn profile(mut self, profile: impl IntoInput<InstanceProfileName>) -> Self {
        self.profile = Some(profile.into_input());
        self
    }

    /// A script for its first boot, as plain text.
    #[must_use]
    pub fn user_data(mut self, script: impl IntoInput<String>) -> Self {
        self.user_data = Some(script.into_input());
        self
    }

    /// The metadata service answers requests without a token too.
    #[must_use]
    pub fn allow_imds_v1(mut self) -> Self {
        self.imds_v2 = false;
        self
    }
}

/// Raw, before it is encoded.
const USER_DATA_LEN_MAX: usize = 16 * 1024;

fn check<R: Region>(instance: &Instance<R>, problems: &mut Problems) {
    // AWS takes the VPC's default group where there is none, and refuses to take the last one away.
    if instance.groups.is_empty() {
        problems.report("groups", "an instance needs a security group: add `.group(…)`");
    }
    let known = instance.user_data.as_ref().and_then(Input::as_known);
    if let Some(len) = known.map(String::len).filter(|len| *len > USER_DATA_LEN_MAX) {
        problems.report("user_data", format_args!("{len} bytes are too many: at most {USER_DATA_LEN_MAX}"));
    }
    if !instance.instance_type.contains('.') {
        problems.report(
            "instance_type",
            format_args!("`{}` is no instance type such as `t4g.small`", instance.instance_type),
        );
    }
}

const CALL_DESCRIBE: &str = "ec2:DescribeInstances";
const ASK_AGAIN: Duration = Duration::from_secs(3);

/// One instance by its id. The instances of a region wait side by side, so one call answers for all of the stack.
async fn describe(cx: &Cx<Aws>, id: &InstanceId) -> Result<Option<Described>, CloudError> {
    let (cloud, region) = (&cx.cloud, &cx.owner.region);
    let of_stack = || list(cloud, region, owned_by(&cx.owner.stack));
    let is_it = |instance: &Described| instance.instance_id() == Some(id.as_str());
    let all = cloud.together(cx, CALL_DESCRIBE, "", of_stack).await?;
    if let Some(instance) = all.iter().find(|instance| is_it(instance)) {
        return Ok(Some(instance.clone()));
    }
    // Somebody may have taken its tags away. As a filter: an unknown id is an empty answer and no error.
    let by_id = list(cloud, region, filter("instance-id", id.as_str())).await?;
    Ok(by_id.into_iter().find(is_it))
}

async fn list(cloud: &Aws, region: &str, filter: Filter) -> Result<Vec<Described>, CloudError> {
    let pages = cloud.ec2(region).describe_instances().filters(filter).into_paginator().send();
    let pages = pages.collect::<Result<Vec<_>, _>>().await.call(CALL_DESCRIBE)?;
    let reservations = pages.into_iter().flat_map(|page| page.reservations.unwrap_or_default());
    Ok(reservations.flat_map(|reservation| reservation.instances.unwrap_or_default()).collect())
}

fn state(instance: &Described) -> &str {
    instance.state().and_then(|state| state.name()).map_or("running", |name| name.as_str())
}

fn outputs(instance: &Described) -> Option<InstanceOutputs> {
    let private_ip = instance.private_ip_address().unwrap_or_default().to_owned();
    Some(InstanceOutputs { id: InstanceId::literal(instance.instance_id()?), private_ip })
}

impl Lifecycle for Instance {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let instances = list(&scan.cloud, &scan.region, owned_by(&scan.stack)).await?;
        try_join_all(instances.iter().filter_map(|instance| read_one(scan, wanted, instance))).await
    }

    async fn create(cx: &Cx<Aws>, args: &InstanceArgs) -> Result<InstanceOutputs, CloudError> {
        const CALL: &str = "ec2:RunInstances";
        let groups = args.groups.iter().map(ToString::to_string).collect::<Vec<_>>();
        let interface = InstanceNetworkInterfaceSpecification::builder()
            .device_index(0)
            .subnet_id(args.subnet.as_str())
            .set_groups(Some(groups))
            .associate_public_ip_address(false)
            .delete_on_termination(true);
        let metadata = InstanceMetadataOptionsRequest::builder()
            .http_tokens(tokens(args.imds_v2))
            .http_endpoint(InstanceMetadataEndpointState::Enabled);
        let profile =
            |name: &InstanceProfileName| IamInstanceProfileSpecification::builder().name(name.as_str()).build();
        let request = cx.cloud.ec2(&cx.owner.region).run_instances().client_token(&cx.owner.token);
        let request = request
            .min_count(1)
            .max_count(1)
            .image_id(args.image.as_str())
            .instance_type(InstanceType::from(args.instance_type.as_str()))
            .network_interfaces(interface.build())
            .metadata_options(metadata.build())
            .set_iam_instance_profile(args.profile.as_ref().map(profile))
            .set_user_data(args.user_data.as_ref().map(base64::encode))
            .tag_specifications(specification(&cx.owner, ResourceType::Instance))
            .tag_specifications(specification(&cx.owner, ResourceType::Volume))
            .tag_specifications(specification(&cx.owner, ResourceType::NetworkInterface));
        let answer = request.send().await.call(CALL)?;
        answer.instances().first().and_then(outputs).promised(CALL, "the instance")
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, args: &InstanceArgs) -> Result<InstanceOutputs, CloudError> {
        let (client, id) = (cx.cloud.ec2(&cx.owner.region), prior.outputs.id.as_str());
        sync_tags(cx, id).await?;
        if args.groups != prior.args.groups {
            let groups = args.groups.iter().map(ToString::to_string).collect();
            let request = client.modify_instance_attribute().instance_id(id).set_groups(Some(groups));
            request.send().await.call("ec2:ModifyInstanceAttribute")?;
        }
        if args.profile != prior.args.profile {
            set_profile(cx, id, args.profile.as_ref()).await?;
        }
        if args.imds_v2 != prior.args.imds_v2 {
            let request = client.modify_instance_metadata_options().instance_id(id).http_tokens(tokens(args.imds_v2));
            request.send().await.call("ec2:ModifyInstanceMetadataOptions")?;
        }
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let request = cx.cloud.ec2(&cx.owner.region).terminate_instances().instance_ids(prior.outputs.id.as_str());
        request.send().await.call("ec2:TerminateInstances").gone_ok().map(drop)
    }

    /// Whether it runs; starts one that was stopped. A launch can still fail after the call: for want of a disk, or a quota.
    async fn ready(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<Settled<InstanceOutputs>, CloudError> {
        let Some(instance) = describe(cx, &current.outputs.id).await? else {
            return Ok(Settled::AskAgainIn(ASK_AGAIN));
        };
        Ok(match state(&instance) {
            "running" => Settled::Yes(outputs(&instance).promised(CALL_DESCRIBE, "the id")?),
            "terminated" | "shutting-down" => {
                let reason = instance.state_reason();
                let code = reason.and_then(|reason| reason.code()).unwrap_or("Terminated");
                let message = reason.and_then(|reason| reason.message()).unwrap_or("the instance ended before it ran");
                Settled::Failed(CloudError::new("ec2:RunInstances", code, message, Class::Permanent))
            }
            "stopped" => {
                let request = cx.cloud.ec2(&cx.owner.region).start_instances();
                request.instance_ids(current.outputs.id.as_str()).send().await.call("ec2:StartInstances")?;
                Settled::AskAgainIn(ASK_AGAIN)
            }
            _ => Settled::AskAgainIn(ASK_AGAIN),
        })
    }

    async fn gone(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<Settled<()>, CloudError> {
        let instance = describe(cx, &prior.outputs.id).await?;
        let gone = instance.is_none_or(|instance| state(&instance) == "terminated");
        Ok(if gone { Settled::Yes(()) } else { Settled::AskAgainIn(ASK_AGAIN) })
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        adopt(cx, current.outputs.id.as_str()).await
    }
}

fn tokens(required: bool) -> HttpTokensState {
    if required { HttpTokensState::Required } else { HttpTokensState::Optional }
}

/// The rights of a running instance: an association with an id of its own.
async fn set_profile(cx: &Cx<Aws>, id: &str, profile: Option<&InstanceProfileName>) -> Result<(), CloudError> {
    let client = cx.cloud.ec2(&cx.owner.region);
    let request = client.describe_iam_instance_profile_associations().filters(filter("instance-id", id));
    let answer = request.send().await.call("ec2:DescribeIamInstanceProfileAssociations")?;
    let live = answer.iam_instance_profile_associations().iter().find(|association| {
        association.state().is_none_or(|state| matches!(state.as_str(), "associating" | "associated"))
    });
    let association = live.and_then(|association| association.association_id());
    let named = |name: &InstanceProfileName| IamInstanceProfileSpecification::builder().name(name.as_str()).build();
    match (association, profile) {
        (None, None) => Ok(()),
        (None, Some(profile)) => {
            let request = client.associate_iam_instance_profile().instance_id(id).iam_instance_profile(named(profile));
            request.send().await.call("ec2:AssociateIamInstanceProfile").map(drop)
        }
        (Some(association), Some(profile)) => {
            let request = client.replace_iam_instance_profile_association().association_id(association);
            let request = request.iam_instance_profile(named(profile));
            request.send().await.call("ec2:ReplaceIamInstanceProfileAssociation").map(drop)
        }
        (Some(association), None) => {
            let request = client.disassociate_iam_instance_profile().association_id(association);
            request.send().await.call("ec2:DisassociateIamInstanceProfile").map(drop)
        }
    }
}

/// The instance as it is configured; `None` for one that is gone or of another stack.
fn read_one<'s>(
    scan: &'s Scan<Aws>,
    wanted: &'s [Wanted<Instance>],
    instance: &'s Described,
) -> Option<impl Future<Output = Result<Found<Instance>, CloudError>> + 's> {
    let owned = owned(&scan.stack, instance.tags())?;
    let health = match state(instance) {
        "terminated" => return None,
        "shutting-down" => Health::Leaving,
        // One that was stopped by hand is started when the plan asks whether it works.
        "pending" | "stopping" | "stopped" => Health::Pending,
        _ => Health::Ready,
    };
    let outputs = outputs(instance)?;
    let (image, subnet) = (ImageId::literal(instance.image_id()?), instance.subnet_id().unwrap_or_default());
    // The groups are those of its first interface; some emulators show them only there.
    let groups = match instance.security_groups() {
        [] => instance.network_interfaces().first().map(|interface| interface.groups()).unwrap_or_default(),
        groups => groups,
    };
    let groups: Vec<_> = groups.iter().filter_map(|group| group.group_id()).map(SecurityGroupId::literal).collect();
    Some(async move {
        let want = wanted_as(wanted, &owned);
        let user_data = match unread(want, &owned) {
            Unread::OnTheWay(args) => args.user_data.clone(),
            // It cannot change while the instance runs; reading it costs a call for each.
            Unread::OnRecord(args) if !scan.cloud.reads_all() => args.user_data.clone(),
            _ => user_data(scan, outputs.id.as_str()).await?,
        };
        let profile = instance.iam_instance_profile().and_then(|profile| profile.arn());
        let profile = profile.and_then(|arn| arn.rsplit('/').next()).map(InstanceProfileName::literal);
        let imds = instance.metadata_options().and_then(|options| options.http_tokens());
        let args = InstanceArgs {
            image,
            instance_type: instance.instance_type().map_or_else(String::new, |kind| kind.as_str().to_owned()),
            subnet: SubnetId::literal(subnet),
            groups: as_wanted(groups, want.map(|want| &want.args.groups)),
            profile,
            user_data,
            imds_v2: imds
                .map_or_else(|| want.is_none_or(|want| want.args.imds_v2), |tokens| tokens.as_str() == "required"),
        };
        Ok(found(owned, args, outputs, health))
    })
}

async fn user_data(scan: &Scan<Aws>, id: &str) -> Result<Option<String>, CloudError> {
    let request = scan.cloud.ec2(&scan.region).describe_instance_attribute().instance_id(id);
    let request = request.attribute(InstanceAttributeName::UserData);
    let answer = request.send().await.call("ec2:DescribeInstanceAttribute").gone_ok()?;
    let text = answer.and_then(|answer| answer.user_data).and_then(|data| data.value).filter(|text| !text.is_empty());
    // What is no base64 is somebody else's doing and shows as it is.
    Ok(text.map(|text| match base64::decode(&text) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => text,
    }))
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::Client;
    use aws_sdk_ec2::error::ErrorMetadata;
    use aws_sdk_ec2::operation::describe_iam_instance_profile_associations::DescribeIamInstanceProfileAssociationsOutput;
    use aws_sdk_ec2::operation::describe_instances::DescribeInstancesOutput;
    use aws_sdk_ec2::operation::run_instances::RunInstancesError;
    use aws_sdk_ec2::types::{GroupIdentifier, InstanceState, InstanceStateName, Reservation, StateReason};
    use aws_smithy_mocks::{Rule, mock};

    use super::super::tests::owned_tags;
    use super::*;
    use crate::testing::{cx, outcome, refused};

    fn args() -> InstanceArgs {
        InstanceArgs {
            image: ImageId::literal("ami-1"),
            instance_type: "t4g.small".into(),
            subnet: SubnetId::literal("subnet-1"),
            groups: vec![SecurityGroupId::literal("sg-2"), SecurityGroupId::literal("sg-1")],
            profile: None,
            user_data: None,
            imds_v2: true,
        }
    }

    fn described(name: InstanceStateName) -> Rule {
        let group = |id: &str| GroupIdentifier::builder().group_id(id).build();
        let instance = Described::builder()
            .instance_id("i-1")
            .image_id("ami-1")
            .instance_type(InstanceType::T4gSmall)
            .subnet_id("subnet-1")
            .security_groups(group("sg-1"))
            .security_groups(group("sg-2"))
            .private_ip_address("10.0.0.4")
            .state(InstanceState::builder().name(name).build())
            .state_reason(StateReason::builder().code("Client.VolumeLimitExceeded").message("no disk").build())
            .set_tags(Some(owned_tags()))
            .build();
        let reservation = Reservation::builder().instances(instance).build();
        mock!(aws_sdk_ec2::Client::describe_instances)
            .then_output(move || DescribeInstancesOutput::builder().reservations(reservation.clone()).build())
    }

    #[tokio::test]
    async fn a_launch_that_ends_before_it_runs_says_why() {
        let outputs = InstanceOutputs { id: InstanceId::literal("i-1"), private_ip: String::new() };
        let current = Prior { args: args(), outputs };
        let ready = async |name| Instance::ready(&cx(&[&described(name)]), &current).await.unwrap();
        let Settled::Yes(outputs) = ready(InstanceStateName::Running).await else { panic!("it runs") };
        assert_eq!(outputs.private_ip, "10.0.0.4");
        let Settled::Failed(error) = ready(InstanceStateName::Terminated).await else { panic!("it has ended") };
        assert_eq!(error.code, "Client.VolumeLimitExceeded");
    }

    #[tokio::test]
    async fn an_unchanged_instance_shows_no_drift_and_a_terminated_one_is_not_there() {
        let read = async |name| {
            let scan = Scan { cloud: cx(&[&described(name)]).cloud, stack: "shop".into(), region: "us-east-1".into() };
            scan.cloud.set_depth(crate::Depth::Lean);
            let want = Wanted::<Instance> {
                address: "us-east-1/net.thing".parse().unwrap(),
                generation: 1,
                token: String::new(),
                args: args(),
                outputs: None,
            };
            Instance::read(&scan, &[want]).await.unwrap()
        };
        assert_eq!(read(InstanceStateName::Running).await[0].args.as_ref(), Some(&args()));
        assert!(read(InstanceStateName::Terminated).await.is_empty());
    }

    #[tokio::test]
    async fn a_profile_that_ec2_does_not_know_yet_is_a_matter_of_time() {
        let message = "Value (p) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name";
        let error = ErrorMetadata::builder().code("InvalidParameterValue").message(message).build();
        let rule =
            mock!(aws_sdk_ec2::Client::run_instances).then_error(move || RunInstancesError::generic(error.clone()));
        let error = Instance::create(&cx(&[&rule]), &args()).await.unwrap_err();
        assert_eq!(error.class, Class::Eventual);
    }

    #[tokio::test]
    async fn a_launch_that_cannot_succeed_now_is_not_tried_again_and_one_that_came_too_early_is() {
        for (code, class, hint) in [
            ("InsufficientInstanceCapacity", Class::Permanent, Some("another type or zone")),
            ("VcpuLimitExceeded", Class::Permanent, Some("vCPU quota")),
            ("InstanceLimitExceeded", Class::Permanent, Some("vCPU quota")),
            ("Unsupported", Class::Permanent, None),
            ("InvalidAMIID.NotFound", Class::Permanent, None),
            ("IdempotentParameterMismatch", Class::Permanent, None),
            ("InvalidGroup.NotFound", Class::Eventual, None),
            ("InvalidSubnetID.NotFound", Class::Eventual, None),
            ("RequestLimitExceeded", Class::Throttled, None),
        ] {
            let refused = refused(mock!(Client::run_instances), code, "");
            let error = Instance::create(&cx(&[&refused]), &args()).await.unwrap_err();
            assert_eq!(error.class, class, "{code}");
            let as_expected = error.hint.as_ref().is_some_and(|text| text.contains(hint.unwrap_or("nothing")));
            assert_eq!(as_expected, hint.is_some(), "{code}: {:?}", error.hint);
        }
    }

    /// AWS answers it as a server error, after which one would have to ask whether the instance was made.
    #[tokio::test]
    async fn a_lack_of_capacity_started_nothing() {
        let rule = mock!(Client::run_instances).then_http_response(|| {
            crate::testing::response("aws_sdk_ec2", 500, "InsufficientInstanceCapacity", "We do not have capacity")
        });
        let error = Instance::create(&cx(&[&rule]), &args()).await.unwrap_err();
        assert_eq!((error.class, error.certainty), (Class::Permanent, dr_core::Certainty::NotApplied));
    }

    #[tokio::test]
    async fn an_instance_that_is_gone_is_deleted_and_a_protected_one_says_so() {
        let outputs = InstanceOutputs { id: InstanceId::literal("i-1"), private_ip: String::new() };
        let prior = Prior { args: args(), outputs };
        for (code, expected) in [
            ("InvalidInstanceID.NotFound", Ok(())),
            ("IncorrectInstanceState", Err(Class::Eventual)),
            ("OperationNotPermitted", Err(Class::Permanent)),
        ] {
            let refused = refused(mock!(Client::terminate_instances), code, "");
            let answer = Instance::delete(&cx(&[&refused]), &prior).await;
            let protected = answer.as_ref().is_err_and(|error| error.hint.is_some());
            assert_eq!(protected, code == "OperationNotPermitted");
            assert_eq!(outcome(answer), expected, "{code}");
        }
    }

    #[tokio::test]
    async fn a_profile_is_given_to_a_running_instance_as_soon_as_ec2_knows_it() {
        let none = mock!(Client::describe_iam_instance_profile_associations)
            .then_output(|| DescribeIamInstanceProfileAssociationsOutput::builder().build());
        for (code, text) in [
            (
                "InvalidParameterValue",
                "Value (p) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name",
            ),
            ("InvalidParameterValue", "IAM Instance Profile p has no associated IAM Roles"),
            // An association that was listed as ended is still there: it is listed again.
            ("IncorrectState", "There is an existing association for instance i-1"),
        ] {
            let refused = refused(mock!(Client::associate_iam_instance_profile), code, text);
            let profile = InstanceProfileName::literal("p");
            let answer = set_profile(&cx(&[&none, &refused]), "i-1", Some(&profile)).await;
            assert_eq!(outcome(answer), Err(Class::Eventual), "{text}");
        }
    }
}
