//! Instances after their launch: DescribeInstances, DescribeInstanceAttribute, ModifyInstanceAttribute,
//! ModifyInstanceMetadataOptions, TerminateInstances, StopInstances, StartInstances.

use aws_sdk_ec2::operation::describe_instance_attribute::{
    DescribeInstanceAttributeInput, DescribeInstanceAttributeOutput,
};
use aws_sdk_ec2::operation::describe_instances::{DescribeInstancesInput, DescribeInstancesOutput};
use aws_sdk_ec2::operation::modify_instance_attribute::{ModifyInstanceAttributeInput, ModifyInstanceAttributeOutput};
use aws_sdk_ec2::operation::modify_instance_metadata_options::{
    ModifyInstanceMetadataOptionsInput, ModifyInstanceMetadataOptionsOutput,
};
use aws_sdk_ec2::operation::start_instances::{StartInstancesInput, StartInstancesOutput};
use aws_sdk_ec2::operation::stop_instances::{StopInstancesInput, StopInstancesOutput};
use aws_sdk_ec2::operation::terminate_instances::{TerminateInstancesInput, TerminateInstancesOutput};
use aws_sdk_ec2::types::{
    ArchitectureValues, AttachmentStatus, AttributeBooleanValue, AttributeValue, EbsInstanceBlockDevice,
    GroupIdentifier, HttpTokensState, IamInstanceProfile, Instance as SdkInstance, InstanceAttributeName,
    InstanceBlockDeviceMapping, InstanceMetadataEndpointState, InstanceMetadataOptionsResponse,
    InstanceMetadataOptionsState, InstanceMetadataTagsState, InstanceNetworkInterface,
    InstanceNetworkInterfaceAttachment, InstanceState as SdkState, InstanceStateChange, InstanceStateName,
    InstanceType, Monitoring, MonitoringState, NetworkInterfaceStatus, Placement, Reservation, StateReason, Tenancy,
};
use aws_smithy_types::base64;

use super::groups::groups_of_vpc;
use super::kit::{
    Paging, Query, combination, here, ids, instant, invalid, maybe, missing, not_both, not_simulated, one,
    only_modelled, required, unless_dry_run,
};
use super::launch::{check_type, checked_user_data, is_arm};
use super::not_found;
use super::state::{Instance, InstanceState, MetadataOptions, Region};
use crate::control::{Answer, Call, Refusal};
use crate::latency::Slow;
use crate::world::World;

/// How long new metadata options are `pending`; an estimate.
const OPTIONS_APPLY_MS: u64 = 5_000;

pub(super) fn describe_instances(
    world: &mut World,
    call: &Call,
    input: &DescribeInstancesInput,
) -> Answer<DescribeInstancesOutput> {
    const NAMES: &[&str] = &[
        "availability-zone",
        "client-token",
        "iam-instance-profile.arn",
        "iam-instance-profile.id",
        "image-id",
        "instance-id",
        "instance-state-code",
        "instance-state-name",
        "instance-type",
        "instance.group-id",
        "key-name",
        "network-interface.group-id",
        "network-interface.network-interface-id",
        "network-interface.subnet-id",
        "network-interface.vpc-id",
        "owner-id",
        "private-ip-address",
        "reservation-id",
        "subnet-id",
        "vpc-id",
    ];
    unless_dry_run(input.dry_run)?;
    let wanted = ids(&input.instance_ids);
    not_both(wanted, input.max_results, "instancesSet")?;
    let account = world.account.clone();
    let region = here(world, call);
    let query = Query {
        kind: "instance",
        ids: wanted,
        filters: input.filters.as_deref().unwrap_or_default(),
        names: NAMES,
        now_ms: call.now_ms,
    };
    let found = query.run(region, &region.instances, |instance, name| {
        let state = instance.state_at(call.now_ms);
        let here = |text: &str| maybe((state != InstanceState::Terminated).then_some(text));
        let interface = region.interfaces.get(&instance.interface_id);
        match name {
            "availability-zone" => maybe(region.subnets.get(&instance.subnet_id).map(|subnet| &subnet.zone)),
            "client-token" => maybe(instance.client_token.as_deref()),
            "iam-instance-profile.arn" => maybe(instance.profile.as_ref().map(|(arn, _)| arn)),
            "iam-instance-profile.id" => maybe(instance.profile.as_ref().map(|(_, id)| id)),
            "image-id" => one(&instance.image_id),
            "instance-id" => one(&instance.id),
            "instance-state-code" => one(state.code().to_string()),
            "instance-state-name" => one(state.name()),
            "instance-type" => one(&instance.instance_type),
            "instance.group-id" | "network-interface.group-id" => {
                interface.map(|interface| interface.group_ids.clone()).unwrap_or_default()
            }
            "key-name" => maybe(instance.key_name.as_deref()),
            "network-interface.network-interface-id" => maybe(interface.map(|interface| &interface.id)),
            "owner-id" => one(&account),
            "private-ip-address" => here(&instance.private_ip.to_string()),
            "reservation-id" => one(&instance.reservation_id),
            "subnet-id" | "network-interface.subnet-id" => here(&instance.subnet_id),
            "vpc-id" | "network-interface.vpc-id" => here(&instance.vpc_id),
            _ => Vec::new(),
        }
    })?;
    let (page, next) = Paging::of(input.max_results, input.next_token.as_deref()).cut(found)?;
    let mut reservations: Vec<(String, Vec<SdkInstance>)> = Vec::new();
    for (_, instance) in page {
        let shown = shown(region, instance, call.now_ms, &account);
        match reservations.iter_mut().find(|(id, _)| *id == instance.reservation_id) {
            Some((_, instances)) => instances.push(shown),
            None => reservations.push((instance.reservation_id.clone(), vec![shown])),
        }
    }
    let reservations = reservations.into_iter().map(|(id, instances)| {
        Reservation::builder().reservation_id(id).owner_id(&account).set_instances(Some(instances)).build()
    });
    Ok(DescribeInstancesOutput::builder().set_reservations(Some(reservations.collect())).set_next_token(next).build())
}

pub(super) fn describe_instance_attribute(
    world: &mut World,
    call: &Call,
    input: &DescribeInstanceAttributeInput,
) -> Answer<DescribeInstanceAttributeOutput> {
    unless_dry_run(input.dry_run)?;
    let id = required(&input.instance_id, "InstanceId")?;
    let attribute = input.attribute.as_ref().ok_or_else(|| missing("Attribute"))?;
    let region = here(world, call);
    let instance = region.instances.get(id).ok_or_else(|| not_found("instance", id))?;
    let answer = DescribeInstanceAttributeOutput::builder().instance_id(id);
    let text = |text: Option<&str>| AttributeValue::builder().set_value(text.map(str::to_owned)).build();
    let flag = |on: bool| AttributeBooleanValue::builder().value(on).build();
    let answer = match attribute {
        InstanceAttributeName::UserData => answer.user_data(text(instance.user_data.as_deref())),
        InstanceAttributeName::InstanceType => answer.instance_type(text(Some(&instance.instance_type))),
        InstanceAttributeName::DisableApiTermination => {
            answer.disable_api_termination(flag(instance.termination_protected))
        }
        InstanceAttributeName::SourceDestCheck => answer.source_dest_check(flag(instance.source_dest_check)),
        InstanceAttributeName::EbsOptimized => answer.ebs_optimized(flag(instance.ebs_optimized)),
        InstanceAttributeName::GroupSet => answer.set_groups(Some(groups(region, instance))),
        other => return Err(not_simulated(other.as_str())),
    };
    Ok(answer.build())
}

pub(super) fn modify_instance_attribute(
    world: &mut World,
    call: &Call,
    input: &ModifyInstanceAttributeInput,
) -> Answer<ModifyInstanceAttributeOutput> {
    only_modelled(&[
        ("Attribute and Value", input.attribute.is_some() || input.value.is_some()),
        ("EnclaveOptions", input.enclave_options.is_some()),
        ("DisableApiStop", input.disable_api_stop.is_some()),
        ("BlockDeviceMapping", input.block_device_mappings.is_some()),
        ("Kernel", input.kernel.is_some()),
        ("Ramdisk", input.ramdisk.is_some()),
        ("InstanceInitiatedShutdownBehavior", input.instance_initiated_shutdown_behavior.is_some()),
        ("SriovNetSupport", input.sriov_net_support.is_some()),
        ("EnaSupport", input.ena_support.is_some()),
    ])?;
    let id = required(&input.instance_id, "InstanceId")?;
    let flag = |value: &Option<AttributeBooleanValue>| value.as_ref().and_then(|value| value.value);
    let (protect, check, optimized) =
        (flag(&input.disable_api_termination), flag(&input.source_dest_check), flag(&input.ebs_optimized));
    let new_type = input.instance_type.as_ref().map(|value| value.value().unwrap_or_default());
    let user_data = input.user_data.as_ref().map(|data| data.value().map(|blob| base64::encode(blob.as_ref())));
    let groups = input.groups.as_deref().filter(|groups| !groups.is_empty());
    let asked = [
        protect.is_some(),
        check.is_some(),
        optimized.is_some(),
        new_type.is_some(),
        user_data.is_some(),
        groups.is_some(),
    ];
    match asked.iter().filter(|asked| **asked).count() {
        0 => return Err(missing("an attribute")),
        1 => {}
        _ => return Err(combination("Fields for multiple attribute types specified")),
    }
    let region = here(world, call);
    let instance = region.instances.get(id).ok_or_else(|| not_found("instance", id))?;
    let state = instance.state_at(call.now_ms);
    if matches!(state, InstanceState::Terminated | InstanceState::ShuttingDown) {
        return Err(not_found("instance", id));
    }
    let needs_stop = optimized.is_some() || new_type.is_some() || user_data.is_some();
    if needs_stop && state != InstanceState::Stopped {
        let message = format!("The instance '{id}' is not in the 'stopped' state.");
        return Err(Refusal::new("IncorrectInstanceState", message));
    }
    if let Some(name) = new_type {
        check_type(name)?;
        if is_arm(name) != is_arm(&instance.instance_type) {
            return Err(invalid("The instance type does not have the architecture of the AMI"));
        }
    }
    if let Some(Some(data)) = &user_data {
        checked_user_data(data)?;
    }
    let groups = groups.map(|groups| groups_of_vpc(region, groups, &instance.vpc_id)).transpose()?;
    unless_dry_run(input.dry_run)?;
    let interface_id = instance.interface_id.clone();
    if let (Some(groups), Some(interface)) = (groups, region.interfaces.get_mut(&interface_id)) {
        interface.group_ids = groups;
    }
    let instance = region.instances.get_mut(id).expect("it was found above");
    instance.termination_protected = protect.unwrap_or(instance.termination_protected);
    instance.source_dest_check = check.unwrap_or(instance.source_dest_check);
    instance.ebs_optimized = optimized.unwrap_or(instance.ebs_optimized);
    if let Some(name) = new_type {
        name.clone_into(&mut instance.instance_type);
    }
    if let Some(data) = user_data {
        instance.user_data = data;
    }
    Ok(ModifyInstanceAttributeOutput::builder().build())
}

pub(super) fn modify_instance_metadata_options(
    world: &mut World,
    call: &Call,
    input: &ModifyInstanceMetadataOptionsInput,
) -> Answer<ModifyInstanceMetadataOptionsOutput> {
    only_modelled(&[("HttpProtocolIpv6", input.http_protocol_ipv6.is_some())])?;
    let id = required(&input.instance_id, "InstanceId")?;
    let instance = here(world, call).instances.get_mut(id).ok_or_else(|| not_found("instance", id))?;
    let mut options = instance.metadata.clone();
    options.change(
        input.http_tokens.as_ref().map(HttpTokensState::as_str),
        input.http_put_response_hop_limit,
        input.http_endpoint.as_ref().map(InstanceMetadataEndpointState::as_str),
        input.instance_metadata_tags.as_ref().map(InstanceMetadataTagsState::as_str),
    )?;
    options.applied_ms = call.now_ms + OPTIONS_APPLY_MS;
    unless_dry_run(input.dry_run)?;
    instance.metadata = options;
    let options = shown_options(&instance.metadata, call.now_ms);
    Ok(ModifyInstanceMetadataOptionsOutput::builder().instance_id(id).instance_metadata_options(options).build())
}

/// Every instance must exist before any of them changes.
fn all_known(world: &mut World, call: &Call, ids: &[String]) -> Answer<Vec<String>> {
    if ids.is_empty() {
        return Err(missing("InstanceId"));
    }
    let region = here(world, call);
    match ids.iter().find(|id| !region.instances.contains_key(*id)) {
        Some(unknown) => Err(not_found("instance", unknown)),
        None => Ok(ids.to_vec()),
    }
}

fn incorrect_state(id: &str, action: &str) -> Refusal {
    let message = format!("The instance '{id}' is not in a state from which it can be {action}.");
    Refusal::new("IncorrectInstanceState", message)
}

pub(super) fn terminate_instances(
    world: &mut World,
    call: &Call,
    input: &TerminateInstancesInput,
) -> Answer<TerminateInstancesOutput> {
    let all = all_known(world, call, ids(&input.instance_ids))?;
    let region = here(world, call);
    if let Some(id) = all.iter().find(|id| region.instances[*id].termination_protected) {
        let message = format!(
            "The instance '{id}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try \
             again."
        );
        return Err(Refusal::new("OperationNotPermitted", message));
    }
    unless_dry_run(input.dry_run)?;
    let mut changes = Vec::new();
    for id in all {
        let takes_ms = world.latency(Slow::InstanceTerminate);
        let region = here(world, call);
        let instance = region.instances.get_mut(&id).expect("all are known");
        let before = instance.state_at(call.now_ms);
        if !matches!(before, InstanceState::ShuttingDown | InstanceState::Terminated) {
            let gone_ms = call.now_ms + takes_ms;
            instance.turn(call.now_ms, InstanceState::ShuttingDown, gone_ms, InstanceState::Terminated);
            if let Some(interface) = region.interfaces.get_mut(&instance.interface_id) {
                interface.release_ms = Some(gone_ms);
            }
        }
        changes.push(instance.change(before, call.now_ms));
    }
    Ok(TerminateInstancesOutput::builder().set_terminating_instances(Some(changes)).build())
}

pub(super) fn stop_instances(
    world: &mut World,
    call: &Call,
    input: &StopInstancesInput,
) -> Answer<StopInstancesOutput> {
    only_modelled(&[("Hibernate", input.hibernate == Some(true))])?;
    let all = all_known(world, call, ids(&input.instance_ids))?;
    let region = here(world, call);
    let stoppable = |state| matches!(state, InstanceState::Running | InstanceState::Stopping | InstanceState::Stopped);
    if let Some(id) = all.iter().find(|id| !stoppable(region.instances[*id].state_at(call.now_ms))) {
        return Err(incorrect_state(id, "stopped"));
    }
    unless_dry_run(input.dry_run)?;
    let mut changes = Vec::new();
    for id in all {
        let takes_ms = world.latency(Slow::InstanceStop);
        let region = here(world, call);
        let instance = region.instances.get_mut(&id).expect("all are known");
        let before = instance.state_at(call.now_ms);
        if before == InstanceState::Running {
            instance.turn(call.now_ms, InstanceState::Stopping, call.now_ms + takes_ms, InstanceState::Stopped);
            // A public address that Amazon owns goes back to it.
            instance.public_ip = None;
            if let Some(interface) = region.interfaces.get_mut(&instance.interface_id) {
                interface.public_ip = None;
            }
        }
        changes.push(instance.change(before, call.now_ms));
    }
    Ok(StopInstancesOutput::builder().set_stopping_instances(Some(changes)).build())
}

pub(super) fn start_instances(
    world: &mut World,
    call: &Call,
    input: &StartInstancesInput,
) -> Answer<StartInstancesOutput> {
    let all = all_known(world, call, ids(&input.instance_ids))?;
    let region = here(world, call);
    let startable = |state| matches!(state, InstanceState::Pending | InstanceState::Running | InstanceState::Stopped);
    if let Some(id) = all.iter().find(|id| !startable(region.instances[*id].state_at(call.now_ms))) {
        return Err(incorrect_state(id, "started"));
    }
    unless_dry_run(input.dry_run)?;
    let mut changes = Vec::new();
    for id in all {
        let takes_ms = world.latency(Slow::InstanceStart);
        let region = here(world, call);
        let instance = region.instances.get_mut(&id).expect("all are known");
        let before = instance.state_at(call.now_ms);
        if before == InstanceState::Stopped {
            instance.turn(call.now_ms, InstanceState::Pending, call.now_ms + takes_ms, InstanceState::Running);
        }
        changes.push(instance.change(before, call.now_ms));
    }
    Ok(StartInstancesOutput::builder().set_starting_instances(Some(changes)).build())
}

impl Instance {
    /// Enters one state now and the next one later; what was to come before is off.
    fn turn(&mut self, now_ms: u64, through: InstanceState, then_ms: u64, to: InstanceState) {
        self.states.retain(|(at, _)| *at <= now_ms);
        self.states.extend([(now_ms, through), (then_ms, to)]);
    }

    fn change(&self, before: InstanceState, now_ms: u64) -> InstanceStateChange {
        InstanceStateChange::builder()
            .instance_id(&self.id)
            .previous_state(shown_state(before))
            .current_state(shown_state(self.state_at(now_ms)))
            .build()
    }
}

fn shown_state(state: InstanceState) -> SdkState {
    SdkState::builder().name(InstanceStateName::from(state.name())).code(state.code()).build()
}

fn shown_options(options: &MetadataOptions, now_ms: u64) -> InstanceMetadataOptionsResponse {
    let state = if now_ms < options.applied_ms {
        InstanceMetadataOptionsState::Pending
    } else {
        InstanceMetadataOptionsState::Applied
    };
    InstanceMetadataOptionsResponse::builder()
        .state(state)
        .http_tokens(HttpTokensState::from(options.tokens.as_str()))
        .http_put_response_hop_limit(options.hop_limit)
        .http_endpoint(InstanceMetadataEndpointState::from(options.endpoint.as_str()))
        .instance_metadata_tags(InstanceMetadataTagsState::from(options.instance_tags.as_str()))
        .build()
}

fn groups(region: &Region, instance: &Instance) -> Vec<GroupIdentifier> {
    let ids = region.interfaces.get(&instance.interface_id).map(|interface| interface.group_ids.as_slice());
    super::eni::group_identifiers(region, ids.unwrap_or_default())
}

/// An instance as the API shows it; a terminated one has lost its network.
pub(super) fn shown(region: &Region, instance: &Instance, now_ms: u64, account: &str) -> SdkInstance {
    let state = instance.state_at(now_ms);
    let architecture =
        if is_arm(&instance.instance_type) { ArchitectureValues::Arm64 } else { ArchitectureValues::X8664 };
    let monitoring = if instance.detailed_monitoring { MonitoringState::Enabled } else { MonitoringState::Disabled };
    let profile = instance.profile.as_ref().map(|(arn, id)| IamInstanceProfile::builder().arn(arn).id(id).build());
    let reason = matches!(state, InstanceState::ShuttingDown | InstanceState::Terminated).then(|| {
        let code = "Client.UserInitiatedShutdown";
        StateReason::builder().code(code).message(format!("{code}: User initiated shutdown")).build()
    });
    let zone = region.subnets.get(&instance.subnet_id).map(|subnet| subnet.zone.clone());
    let shown = SdkInstance::builder()
        .instance_id(&instance.id)
        .image_id(&instance.image_id)
        .instance_type(InstanceType::from(instance.instance_type.as_str()))
        .state(shown_state(state))
        .set_state_reason(reason)
        .ami_launch_index(0)
        .architecture(architecture)
        .launch_time(instant(instance.launched_ms))
        .placement(Placement::builder().set_availability_zone(zone).tenancy(Tenancy::Default).build())
        .monitoring(Monitoring::builder().state(monitoring).build())
        .set_client_token(instance.client_token.clone())
        .set_iam_instance_profile(profile)
        .set_key_name(instance.key_name.clone())
        .ebs_optimized(instance.ebs_optimized)
        .source_dest_check(instance.source_dest_check)
        .metadata_options(shown_options(&instance.metadata, now_ms))
        .set_tags(Some(region.tag_list(&instance.id)));
    if state == InstanceState::Terminated {
        return shown.build();
    }
    let groups = groups(region, instance);
    let interface = region.interfaces.get(&instance.interface_id).map(|interface| {
        let attachment = InstanceNetworkInterfaceAttachment::builder()
            .attachment_id(&interface.attachment_id)
            .device_index(0)
            .delete_on_termination(true)
            .status(AttachmentStatus::Attached)
            .build();
        InstanceNetworkInterface::builder()
            .network_interface_id(&interface.id)
            .subnet_id(&interface.subnet_id)
            .vpc_id(&interface.vpc_id)
            .owner_id(account)
            .private_ip_address(interface.private_ip.to_string())
            .status(NetworkInterfaceStatus::InUse)
            .interface_type(&interface.kind)
            .set_groups(Some(groups.clone()))
            .attachment(attachment)
            .build()
    });
    let volume = EbsInstanceBlockDevice::builder().volume_id(&instance.volume_id).delete_on_termination(true).build();
    let root = "/dev/xvda";
    shown
        .subnet_id(&instance.subnet_id)
        .vpc_id(&instance.vpc_id)
        .private_ip_address(instance.private_ip.to_string())
        .private_dns_name(format!("ip-{}.ec2.internal", instance.private_ip.to_string().replace('.', "-")))
        .set_public_ip_address(instance.public_ip.map(|ip| ip.to_string()))
        .set_security_groups(Some(groups))
        .set_network_interfaces(interface.map(|interface| vec![interface]))
        .root_device_name(root)
        .block_device_mappings(InstanceBlockDeviceMapping::builder().device_name(root).ebs(volume).build())
        .build()
}
