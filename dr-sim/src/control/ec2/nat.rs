//! NAT gateways: CreateNatGateway, DescribeNatGateways, DeleteNatGateway.
//!
//! Creating one nearly always answers 200: what is wrong shows later, as the state `failed` with a code. A deleted one holds
//! its interface and its address until the state is `deleted`, and stays listed about an hour.

use std::net::Ipv4Addr;

use aws_sdk_ec2::operation::create_nat_gateway::{CreateNatGatewayInput, CreateNatGatewayOutput};
use aws_sdk_ec2::operation::delete_nat_gateway::{DeleteNatGatewayInput, DeleteNatGatewayOutput};
use aws_sdk_ec2::operation::describe_nat_gateways::{DescribeNatGatewaysInput, DescribeNatGatewaysOutput};
use aws_sdk_ec2::types::{
    AvailabilityMode, ConnectivityType, NatGateway as SdkNatGateway, NatGatewayAddress, NatGatewayAddressStatus,
    NatGatewayState,
};

use super::eni::attach_eni;
use super::kit::{
    Paging, Query, checked_token, here, ids, instant, missing, one, only_modelled, required, tags_for, unless_dry_run,
};
use super::not_found;
use super::state::{AddressAssociation, NatGateway, Region};
use crate::control::{Answer, Call, Refusal};
use crate::latency::Slow;
use crate::world::World;

/// After this long a gateway that cannot work is `failed`; an estimate, no log shows one.
const FAILS_AFTER_MS: u64 = 10_000;

pub(super) fn create_nat_gateway(
    world: &mut World,
    call: &Call,
    input: &CreateNatGatewayInput,
) -> Answer<CreateNatGatewayOutput> {
    only_modelled(&[
        ("AvailabilityMode=regional", input.availability_mode == Some(AvailabilityMode::Regional)),
        ("VpcId", input.vpc_id.is_some()),
        ("AvailabilityZoneAddresses", input.availability_zone_addresses.is_some()),
        ("PrivateIpAddress", input.private_ip_address.is_some()),
        ("SecondaryAllocationIds", input.secondary_allocation_ids.is_some()),
        ("SecondaryPrivateIpAddresses", input.secondary_private_ip_addresses.is_some()),
        ("SecondaryPrivateIpAddressCount", input.secondary_private_ip_address_count.is_some()),
    ])?;
    let subnet_id = required(&input.subnet_id, "SubnetId")?;
    let token = checked_token(input.client_token.as_deref())?;
    let private = input.connectivity_type == Some(ConnectivityType::Private);
    if !private && input.allocation_id.is_none() {
        return Err(missing("AllocationId"));
    }
    if private && input.allocation_id.is_some() {
        let message = "AllocationId cannot be specified for a NAT gateway with private connectivity";
        return Err(Refusal::new("InvalidParameter", message));
    }
    let tags = tags_for(&input.tag_specifications, &["natgateway"], "natgateway")?;
    let parameters = format!("{input:?}");
    let (quota, stale_ms) = (world.ec2.quotas.nat_gateways_per_zone, world.stale_reads_ms);
    let answer = |gateway| {
        CreateNatGatewayOutput::builder().nat_gateway(gateway).set_client_token(input.client_token.clone()).build()
    };
    let region = here(world, call);
    let before = region.made_before("CreateNatGateway", token, &parameters)?;
    if let Some(nat) = before.and_then(|id| region.nat_gateways.get(&id)) {
        return Ok(answer(shown(region, nat, call.now_ms)));
    }
    let subnet = region.subnet(subnet_id)?;
    let (zone, vpc_id) = (subnet.zone.clone(), subnet.vpc_id.clone());
    let in_zone = region.nat_gateways.values().filter(|nat| {
        let counts = matches!(nat.state_at(call.now_ms), "pending" | "available" | "deleting");
        counts && region.subnets.get(&nat.subnet_id).is_some_and(|subnet| subnet.zone == zone)
    });
    if in_zone.count() >= quota {
        let message = format!("Performing this operation would exceed the limit of {quota} NAT gateways");
        return Err(Refusal::new("NatGatewayLimitExceeded", message));
    }
    unless_dry_run(input.dry_run)?;

    let id = world.ec2_id("nat");
    let takes_ms = world.latency(Slow::NatCreate);
    let mut nat = NatGateway {
        id: id.clone(),
        subnet_id: subnet_id.to_owned(),
        vpc_id,
        allocation_id: input.allocation_id.clone(),
        public_ip: None,
        private_ip: None,
        interface_id: None,
        association_id: None,
        created_ms: call.now_ms,
        settled_ms: call.now_ms + takes_ms,
        failure: None,
        deleted_ms: None,
    };
    if let Err(failure) = connect(world, call, &mut nat) {
        nat.settled_ms = call.now_ms + FAILS_AFTER_MS;
        nat.failure = Some(failure);
    }
    let region = here(world, call);
    region.born(&id, tags, call.now_ms, stale_ms);
    region.remember("CreateNatGateway", token, &parameters, &id);
    region.nat_gateways.insert(id.clone(), nat);
    Ok(answer(shown(region, &region.nat_gateways[&id], call.now_ms)))
}

/// Gives the gateway its interface and its address, or the code and the message with which it will fail.
fn connect(world: &mut World, call: &Call, nat: &mut NatGateway) -> Result<(), (String, String)> {
    let fail = |code: &str, message: String| Err((code.to_owned(), message));
    let region = here(world, call);
    let public_ip: Option<Ipv4Addr> = match &nat.allocation_id {
        None => None,
        Some(allocation) => {
            if region.internet_gateway_of(&nat.vpc_id).is_none() {
                let message = format!("Network {} has no Internet gateway attached", nat.vpc_id);
                return fail("Gateway.NotAttached", message);
            }
            match region.addresses.get(allocation) {
                None => {
                    let message =
                        format!("Elastic IP address {allocation} could not be associated with this NAT gateway");
                    return fail("InvalidAllocationID.NotFound", message);
                }
                Some(address) if address.association.is_some() => {
                    let message = format!("Elastic IP address {allocation} is already associated");
                    return fail("Resource.AlreadyAssociated", message);
                }
                Some(address) => Some(address.public_ip),
            }
        }
    };
    let description = format!("Interface for NAT Gateway {}", nat.id);
    let interface_id = attach_eni(world, &call.region, &nat.subnet_id, &[], &description, "natGateway")
        .map_err(|refusal| (refusal.code, refusal.message))?;
    let association_id = world.ec2_id("eipassoc");
    let region = here(world, call);
    let interface = region.interfaces.get_mut(&interface_id).expect("it was just attached");
    interface.public_ip = public_ip;
    nat.private_ip = Some(interface.private_ip);
    nat.public_ip = public_ip;
    if let Some(address) = nat.allocation_id.as_ref().and_then(|id| region.addresses.get_mut(id)) {
        let interface_id = interface_id.clone();
        address.association = Some(AddressAssociation { id: association_id.clone(), interface_id });
        nat.association_id = Some(association_id);
    }
    nat.interface_id = Some(interface_id);
    Ok(())
}

pub(super) fn describe_nat_gateways(
    world: &mut World,
    call: &Call,
    input: &DescribeNatGatewaysInput,
) -> Answer<DescribeNatGatewaysOutput> {
    unless_dry_run(input.dry_run)?;
    let region = here(world, call);
    let query = Query {
        kind: "nat",
        ids: ids(&input.nat_gateway_ids),
        filters: input.filter.as_deref().unwrap_or_default(),
        names: &["nat-gateway-id", "state", "subnet-id", "vpc-id"],
        now_ms: call.now_ms,
    };
    let found = query.run(region, &region.nat_gateways, |nat, name| match name {
        "nat-gateway-id" => one(&nat.id),
        "state" => one(nat.state_at(call.now_ms)),
        "subnet-id" => one(&nat.subnet_id),
        "vpc-id" => one(&nat.vpc_id),
        _ => Vec::new(),
    })?;
    let (page, next) = Paging::of(input.max_results, input.next_token.as_deref()).cut(found)?;
    let page = page.into_iter().map(|(_, nat)| shown(region, nat, call.now_ms)).collect();
    Ok(DescribeNatGatewaysOutput::builder().set_nat_gateways(Some(page)).set_next_token(next).build())
}

pub(super) fn delete_nat_gateway(
    world: &mut World,
    call: &Call,
    input: &DeleteNatGatewayInput,
) -> Answer<DeleteNatGatewayOutput> {
    let id = required(&input.nat_gateway_id, "NatGatewayId")?;
    let answer = DeleteNatGatewayOutput::builder().nat_gateway_id(id).build();
    let nat = here(world, call).nat_gateways.get(id).ok_or_else(|| not_found("nat", id))?;
    let (state, interface_id) = (nat.state_at(call.now_ms), nat.interface_id.clone());
    unless_dry_run(input.dry_run)?;
    match state {
        "deleted" => return Err(not_found("nat", id)),
        "deleting" => return Ok(answer),
        _ => {}
    }
    // A failed one has nothing to take down.
    let gone_ms = call.now_ms + if interface_id.is_some() { world.latency(Slow::NatDelete) } else { 0 };
    let region = here(world, call);
    region.nat_gateways.get_mut(id).expect("it was found above").deleted_ms = Some((call.now_ms, gone_ms));
    if let Some(interface) = interface_id.and_then(|id| region.interfaces.get_mut(&id)) {
        interface.release_ms = Some(gone_ms);
    }
    Ok(answer)
}

fn shown(region: &Region, nat: &NatGateway, now_ms: u64) -> SdkNatGateway {
    let state = nat.state_at(now_ms);
    let failed = state == "failed";
    let status = match state {
        "pending" => NatGatewayAddressStatus::Associating,
        "failed" => NatGatewayAddressStatus::Failed,
        "available" => NatGatewayAddressStatus::Succeeded,
        _ => NatGatewayAddressStatus::Disassociating,
    };
    let address = NatGatewayAddress::builder()
        .is_primary(true)
        .status(status)
        .set_allocation_id(nat.allocation_id.clone())
        .set_association_id(nat.association_id.clone())
        .set_network_interface_id(nat.interface_id.clone())
        .set_private_ip(nat.private_ip.map(|ip| ip.to_string()))
        .set_public_ip(nat.public_ip.map(|ip| ip.to_string()))
        .build();
    let kind = if nat.allocation_id.is_some() { ConnectivityType::Public } else { ConnectivityType::Private };
    let failure = nat.failure.as_ref().filter(|_| failed);
    SdkNatGateway::builder()
        .nat_gateway_id(&nat.id)
        .subnet_id(&nat.subnet_id)
        .vpc_id(&nat.vpc_id)
        .state(NatGatewayState::from(state))
        .connectivity_type(kind)
        .availability_mode(AvailabilityMode::Zonal)
        .create_time(instant(nat.created_ms))
        .set_delete_time(nat.deleted_ms.filter(|(_, gone)| *gone <= now_ms).map(|(_, gone)| instant(gone)))
        .set_failure_code(failure.map(|(code, _)| code.clone()))
        .set_failure_message(failure.map(|(_, message)| message.clone()))
        .nat_gateway_addresses(address)
        .set_tags(Some(region.tag_list(&nat.id)))
        .build()
}
