//! RunInstances: what EC2 checks before it answers, and what exists from then on.

use aws_sdk_ec2::operation::run_instances::{RunInstancesInput, RunInstancesOutput};
use aws_sdk_ec2::types::{
    HttpTokensState, InstanceMetadataEndpointState, InstanceMetadataOptionsRequest, InstanceMetadataTagsState,
    InstanceType, Tenancy,
};
use aws_smithy_types::base64;

use super::eni::{attach_eni, free_addresses, no_addresses};
use super::groups::{groups_of_vpc, no_default_vpc};
use super::instances::shown;
use super::kit::{
    Tags, checked_token, combination, here, invalid, invalid_value, missing, only_modelled, required, tags_for,
    unless_dry_run,
};
use super::state::{Instance, InstanceState, MetadataOptions};
use crate::control::{Answer, Call, Refusal, iam, ssm};
use crate::latency::Slow;
use crate::world::World;

/// User data, decoded.
const USER_DATA_MAX_BYTES: usize = 16_384;

/// Where an instance goes: subnet, groups and whether it gets a public address.
struct Network {
    subnet_id: String,
    group_ids: Vec<String>,
    public_ip: Option<bool>,
}

pub(super) fn run_instances(world: &mut World, call: &Call, input: &RunInstancesInput) -> Answer<RunInstancesOutput> {
    check_modelled(input)?;
    let count = match (input.min_count, input.max_count) {
        (Some(min), Some(max)) if min >= 1 && max >= min => max,
        (Some(min), Some(max)) => {
            return Err(invalid(format!("Value ({min}) for parameter minCount or ({max}) for maxCount is invalid.")));
        }
        _ => return Err(missing("MinCount and MaxCount")),
    };
    let token = checked_token(input.client_token.as_deref())?;
    let tags = |kind| tags_for(&input.tag_specifications, &["instance", "volume", "network-interface"], kind);
    let (tags, volume_tags, interface_tags) = (tags("instance")?, tags("volume")?, tags("network-interface")?);
    let network = network(input)?;
    let account = world.account.clone();

    let region = here(world, call);
    let subnet = region.subnet(&network.subnet_id)?.clone();
    // The token counts per zone: in another zone it starts another instance.
    let scope = format!("RunInstances/{}", subnet.zone);
    // The SDK hides user data from debug output.
    let parameters = format!("{input:?}{:?}", input.user_data);
    if let Some(reservation_id) = region.made_before(&scope, token, &parameters)? {
        return first_answer(world, call, &reservation_id);
    }
    let group_ids = groups_of_vpc(region, &network.group_ids, &subnet.vpc_id)?;
    let (image_id, instance_type) = image_and_type(call, input)?;
    let profile = profile(world, call, input)?;
    let user_data = input.user_data.as_deref().map(checked_user_data).transpose()?;
    let metadata = metadata_options(input.metadata_options.as_ref(), call.now_ms)?;
    if i64::from(free_addresses(world, &call.region, &subnet.id)) < i64::from(count) {
        return Err(no_addresses(&subnet.id));
    }
    unless_dry_run(input.dry_run)?;

    let reservation_id = world.ec2_id("r");
    for _ in 0..count {
        let id = world.ec2_id("i");
        let volume_id = world.ec2_id("vol");
        let starts_ms = world.latency(Slow::InstanceStart);
        let boot_takes_ms = world.latency(Slow::InstanceBoot);
        let kind = "interface";
        let interface_id = attach_eni(world, &call.region, &subnet.id, &group_ids, "", kind)?;
        let stale_ms = world.stale_reads_ms;
        let region = here(world, call);
        let public = network.public_ip.unwrap_or(subnet.map_public_ip);
        let public_ip = public.then(|| region.next_public_ip());
        let interface = region.interfaces.get_mut(&interface_id).expect("it was just attached");
        interface.instance_id = Some(id.clone());
        interface.public_ip = public_ip;
        let instance = Instance {
            id: id.clone(),
            reservation_id: reservation_id.clone(),
            image_id: image_id.clone(),
            instance_type: instance_type.clone(),
            subnet_id: subnet.id.clone(),
            vpc_id: subnet.vpc_id.clone(),
            private_ip: interface.private_ip,
            public_ip,
            interface_id: interface_id.clone(),
            volume_id: volume_id.clone(),
            user_data: user_data.clone(),
            profile: profile.clone(),
            key_name: input.key_name.clone(),
            client_token: token.map(str::to_owned),
            launched_ms: call.now_ms,
            boot_takes_ms,
            termination_protected: input.disable_api_termination == Some(true),
            source_dest_check: true,
            ebs_optimized: input.ebs_optimized == Some(true),
            detailed_monitoring: input.monitoring.as_ref().and_then(|monitoring| monitoring.enabled) == Some(true),
            metadata: metadata.clone(),
            states: vec![(call.now_ms, InstanceState::Pending), (call.now_ms + starts_ms, InstanceState::Running)],
        };
        region.born(&id, Tags::clone(&tags), call.now_ms, stale_ms);
        region.born(&volume_id, Tags::clone(&volume_tags), call.now_ms, 0);
        region.born(&interface_id, Tags::clone(&interface_tags), call.now_ms, 0);
        region.instances.insert(id, instance);
    }
    let region = here(world, call);
    region.remember(&scope, token, &parameters, &reservation_id);
    Ok(reservation(world, call, &reservation_id, &account))
}

fn reservation(world: &mut World, call: &Call, reservation_id: &str, account: &str) -> RunInstancesOutput {
    let region = here(world, call);
    let instances = region.instances.values().filter(|instance| instance.reservation_id == reservation_id);
    let instances = instances.map(|instance| shown(region, instance, call.now_ms, account));
    RunInstancesOutput::builder()
        .reservation_id(reservation_id)
        .owner_id(account)
        .set_groups(Some(Vec::new()))
        .set_instances(Some(instances.collect()))
        .build()
}

/// The answer to a token that was used before: the same instances, as long as they live.
fn first_answer(world: &mut World, call: &Call, reservation_id: &str) -> Answer<RunInstancesOutput> {
    let account = world.account.clone();
    let region = here(world, call);
    let of = region.instances.values().filter(|instance| instance.reservation_id == reservation_id);
    let alive = |instance: &Instance| {
        !matches!(instance.state_at(call.now_ms), InstanceState::ShuttingDown | InstanceState::Terminated)
    };
    if !of.clone().any(alive) {
        let message = "The client token refers to an instance that is terminated";
        return Err(Refusal::new("IdempotentInstanceTerminated", message));
    }
    Ok(reservation(world, call, reservation_id, &account))
}

fn check_modelled(input: &RunInstancesInput) -> Answer<()> {
    let placed = input.placement.as_ref().is_some_and(|placement| {
        placement.affinity.is_some()
            || placement.group_name.is_some()
            || placement.group_id.is_some()
            || placement.host_id.is_some()
            || placement.availability_zone.is_some()
            || placement.tenancy.as_ref().is_some_and(|tenancy| *tenancy != Tenancy::Default)
    });
    let fields = &input.network_interfaces;
    let interface = |has: fn(&aws_sdk_ec2::types::InstanceNetworkInterfaceSpecification) -> bool| {
        fields.as_deref().unwrap_or_default().iter().any(has)
    };
    only_modelled(&[
        ("LaunchTemplate", input.launch_template.is_some()),
        ("InstanceMarketOptions", input.instance_market_options.is_some()),
        ("SecurityGroup", input.security_groups.as_ref().is_some_and(|names| !names.is_empty())),
        ("Ipv6AddressCount", input.ipv6_address_count.is_some()),
        ("Ipv6Address", input.ipv6_addresses.is_some()),
        ("KernelId", input.kernel_id.is_some()),
        ("RamdiskId", input.ramdisk_id.is_some()),
        ("PrivateIpAddress", input.private_ip_address.is_some()),
        ("CapacityReservationSpecification", input.capacity_reservation_specification.is_some()),
        ("HibernationOptions", input.hibernation_options.is_some()),
        ("EnclaveOptions", input.enclave_options.is_some()),
        ("SecondaryInterface", input.secondary_interfaces.is_some()),
        ("Placement", placed),
        ("NetworkInterfaceId", interface(|spec| spec.network_interface_id.is_some())),
        ("NetworkInterface.PrivateIpAddress", interface(|spec| spec.private_ip_address.is_some())),
        ("NetworkInterface.Ipv6AddressCount", interface(|spec| spec.ipv6_address_count.is_some())),
        ("more than one NetworkInterface", fields.as_ref().is_some_and(|all| all.len() > 1)),
    ])
}

fn network(input: &RunInstancesInput) -> Answer<Network> {
    let groups = input.security_group_ids.clone().unwrap_or_default();
    let Some(interface) = input.network_interfaces.as_deref().and_then(<[_]>::first) else {
        let subnet_id = input.subnet_id.clone().ok_or_else(no_default_vpc)?;
        return Ok(Network { subnet_id, group_ids: groups, public_ip: None });
    };
    if input.subnet_id.is_some() || !groups.is_empty() {
        return Err(combination(
            "Network interfaces and an instance-level subnet ID or security groups may not be specified on the same \
             request",
        ));
    }
    Ok(Network {
        subnet_id: required(&interface.subnet_id, "NetworkInterface.SubnetId")?.to_owned(),
        group_ids: interface.groups.clone().unwrap_or_default(),
        public_ip: interface.associate_public_ip_address,
    })
}

/// An image of this region and a type that runs it.
fn image_and_type(call: &Call, input: &RunInstancesInput) -> Answer<(String, String)> {
    let image_id = required(&input.image_id, "ImageId")?;
    if !image_id.starts_with("ami-") {
        let message = format!("Invalid id: \"{image_id}\" (expecting \"ami-...\")");
        return Err(Refusal::new("InvalidAMIID.Malformed", message));
    }
    let image = ssm::image(&call.region, image_id)
        .ok_or_else(|| Refusal::new("InvalidAMIID.NotFound", format!("The image id '[{image_id}]' does not exist")))?;
    let instance_type = input.instance_type.as_ref().ok_or_else(|| missing("InstanceType"))?.as_str();
    check_type(instance_type)?;
    let needs = if is_arm(instance_type) { "arm64" } else { "x86_64" };
    if image.architecture != needs {
        return Err(invalid(format!(
            "The architecture '{needs}' of the specified instance type does not match the architecture '{}' of the \
             specified AMI. Specify an instance type and an AMI that have matching architectures, and try again.",
            image.architecture
        )));
    }
    Ok((image_id.to_owned(), instance_type.to_owned()))
}

/// A type that the EC2 model of this SDK lists.
pub(super) fn check_type(instance_type: &str) -> Answer<()> {
    if InstanceType::values().contains(&instance_type) {
        return Ok(());
    }
    Err(invalid(format!("Invalid value '{instance_type}' for InstanceType.")))
}

/// Graviton families have a `g` after their generation (`t4g`, `c7gn`); the first one was `a1`.
pub(super) fn is_arm(instance_type: &str) -> bool {
    let family = instance_type.split('.').next().unwrap_or_default();
    let after_generation =
        family.trim_start_matches(|c: char| c.is_ascii_alphabetic()).trim_start_matches(|c: char| c.is_ascii_digit());
    family == "a1" || after_generation.starts_with('g')
}

/// ARN and id of the instance profile, when EC2 knows it by now.
fn profile(world: &World, call: &Call, input: &RunInstancesInput) -> Answer<Option<(String, String)>> {
    let Some(specification) = &input.iam_instance_profile else { return Ok(None) };
    let (parameter, wanted) = match (&specification.arn, &specification.name) {
        (Some(arn), None) => ("iamInstanceProfile.arn", arn),
        (None, Some(name)) => ("iamInstanceProfile.name", name),
        (Some(_), Some(_)) => {
            return Err(combination(
                "The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'",
            ));
        }
        (None, None) => return Ok(None),
    };
    iam::instance_profile_usable(world, wanted, call.now_ms).map_err(|why| {
        if why.starts_with("has no") {
            return invalid(format!("IAM Instance Profile \"{wanted}\" {why}"));
        }
        invalid_value(parameter, wanted, why)
    })?;
    let profile = iam::instance_profile(world, wanted).expect("it is usable");
    Ok(Some((profile.arn.clone(), profile.id.clone())))
}

/// Base64 of at most 16 KiB, kept as it was sent.
pub(super) fn checked_user_data(text: &str) -> Answer<String> {
    let malformed = || Refusal::new("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.");
    let decoded = base64::decode(text.trim_end()).map_err(|_| malformed())?;
    if decoded.len() > USER_DATA_MAX_BYTES {
        return Err(invalid(format!("User data is limited to {USER_DATA_MAX_BYTES} bytes")));
    }
    Ok(text.to_owned())
}

fn metadata_options(request: Option<&InstanceMetadataOptionsRequest>, now_ms: u64) -> Answer<MetadataOptions> {
    let mut options = MetadataOptions {
        tokens: HttpTokensState::Optional.as_str().to_owned(),
        hop_limit: 1,
        endpoint: InstanceMetadataEndpointState::Enabled.as_str().to_owned(),
        instance_tags: InstanceMetadataTagsState::Disabled.as_str().to_owned(),
        applied_ms: now_ms,
    };
    if let Some(request) = request {
        only_modelled(&[("HttpProtocolIpv6", request.http_protocol_ipv6.is_some())])?;
        options.change(
            request.http_tokens.as_ref().map(HttpTokensState::as_str),
            request.http_put_response_hop_limit,
            request.http_endpoint.as_ref().map(InstanceMetadataEndpointState::as_str),
            request.instance_metadata_tags.as_ref().map(InstanceMetadataTagsState::as_str),
        )?;
    }
    Ok(options)
}

impl MetadataOptions {
    /// Sets what is given.
    pub(super) fn change(
        &mut self,
        tokens: Option<&str>,
        hop_limit: Option<i32>,
        endpoint: Option<&str>,
        instance_tags: Option<&str>,
    ) -> Answer<()> {
        if let Some(limit) = hop_limit.filter(|limit| !(1..=64).contains(limit)) {
            return Err(invalid_value("HttpPutResponseHopLimit", &limit.to_string(), "It must be between 1 and 64."));
        }
        let set = |field: &mut String, value: Option<&str>| {
            if let Some(value) = value {
                value.clone_into(field);
            }
        };
        set(&mut self.tokens, tokens);
        set(&mut self.endpoint, endpoint);
        set(&mut self.instance_tags, instance_tags);
        self.hop_limit = hop_limit.unwrap_or(self.hop_limit);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graviton_is_told_from_its_name() {
        for (name, arm) in [
            ("t4g.micro", true),
            ("c7gn.large", true),
            ("a1.large", true),
            ("g4dn.xlarge", false),
            ("t3.micro", false),
            ("m7i-flex.large", false),
            ("g5g.xlarge", true),
            ("im4gn.large", true),
        ] {
            assert_eq!(is_arm(name), arm, "{name}");
        }
    }

    #[test]
    fn user_data_is_base64_and_short() {
        assert_eq!(checked_user_data("#!/bin/sh").unwrap_err().code, "InvalidUserData.Malformed");
        assert_eq!(checked_user_data(&base64::encode("#!/bin/sh")).unwrap(), base64::encode("#!/bin/sh"));
        assert!(checked_user_data(&base64::encode(vec![b'x'; 16_384])).is_ok());
        assert_eq!(checked_user_data(&base64::encode(vec![b'x'; 16_385])).unwrap_err().code, "InvalidParameterValue");
    }
}
