//! `aws.ec2.nat_gateway`: lets private subnets reach the Internet, and nobody reach them.
//!
//! API: CreateNatGateway, DescribeNatGateways, DeleteNatGateway (EC2 2016-11-15). Find: tags; a deleted one stays listed for
//! about an hour. Change: subnet and address replace. Delete: after its routes; asynchronous.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ec2::types::{Filter, NatGateway as Described, ResourceType};
use dr_core::{
    Anywhere, Class, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Region, Resource,
    Scan, Settled, Wanted,
};

use super::{adopt, filter, owned, owned_by, specification, sync_tags};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{AllocationId, InternetGatewayId, NatGatewayId, SubnetId};
use crate::read::{Promised as _, found};

/// Lets private subnets reach the Internet through a public subnet, and nobody reach them.
///
/// One serves a zone: a subnet of another zone would lose its way out with this one. The public subnet needs its route to
/// an attached internet gateway first: without, the gateway is accepted and then fails. An address serves one gateway at a
/// time, so a replacement deletes first.
///
/// - Inputs: the public subnet, the address and the internet gateway (none named by default); each replaces, the old one first.
/// - Ready: when it is `available`, in about 106 seconds; gone when `deleted`, in about 58.
/// - Calls: CreateNatGateway, DescribeNatGateways, DeleteNatGateway.
/// - AWS: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNatGateway.html>
#[derive(Debug, Clone, Resource)]
#[resource(
    type = "aws.ec2.nat_gateway", outputs = NatGatewayOutputs, create_s = 106, delete_s = 58, replacement = "delete-first"
)]
pub struct NatGateway<R: Region = Anywhere> {
    /// The public subnet that it stands in.
    #[input(replace)]
    subnet: Input<SubnetId<R>>,
    /// Its public address.
    #[input(replace)]
    allocation: Input<AllocationId<R>>,
    /// The attached internet gateway that its traffic leaves through, which cannot be detached before the NAT gateway is gone.
    /// Default: none is named, and the order is the program's.
    #[input(replace, holds)]
    internet_gateway: Option<Input<InternetGatewayId<R>>>,
}

/// What is known of a NAT gateway once it exists.
#[derive(Debug, Clone, PartialEq, Outputs)]
pub struct NatGatewayOutputs<R: Region = Anywhere> {
    /// `nat-…`
    pub id: NatGatewayId<R>,
}

impl<R: Region> NatGateway<R> {
    /// A gateway in a public subnet with an elastic IP address.
    pub fn new(subnet: impl IntoInput<SubnetId<R>>, allocation: impl IntoInput<AllocationId<R>>) -> Self {
        NatGateway { subnet: subnet.into_input(), allocation: allocation.into_input(), internet_gateway: None }
    }

    /// Names the internet gateway that its traffic leaves through, as an attachment gives it: EC2 refuses to detach it while the
    /// NAT gateway has its address (`DependencyViolation`), and so the NAT gateway goes first. No call carries it.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DetachInternetGateway.html>
    #[must_use]
    pub fn through(mut self, attached: impl IntoInput<InternetGatewayId<R>>) -> Self {
        self.internet_gateway = Some(attached.into_input());
        self
    }
}

const CALL_DESCRIBE: &str = "ec2:DescribeNatGateways";
/// Between two questions whether it is there or gone; a tenth of what it takes at the least.
const ASK_AGAIN: Duration = Duration::from_secs(4);

/// One gateway by its id. The gateways of a region wait side by side, so one call answers for all of the stack.
async fn describe(cx: &Cx<Aws>, id: &NatGatewayId) -> Result<Option<Described>, CloudError> {
    let (cloud, region) = (&cx.cloud, &cx.owner.region);
    let of_stack = || list(cloud, region, owned_by(&cx.owner.stack));
    let is_it = |nat: &Described| nat.nat_gateway_id() == Some(id.as_str());
    let all = cloud.together(cx, CALL_DESCRIBE, "", of_stack).await?;
    if let Some(nat) = all.iter().find(|nat| is_it(nat)) {
        return Ok(Some(nat.clone()));
    }
    // Somebody may have taken its tags away. As a filter: an unknown id is an empty answer and no error.
    let by_id = list(cloud, region, filter("nat-gateway-id", id.as_str())).await?;
    Ok(by_id.into_iter().find(is_it))
}

/// The stack's gateways, deleted ones included: one call for them and the addresses that they hold.
pub(super) async fn gateways(scan: &Scan<Aws>) -> Result<Arc<Vec<Described>>, CloudError> {
    scan.cloud.shared(scan, CALL_DESCRIBE, "", || list(&scan.cloud, &scan.region, owned_by(&scan.stack))).await
}

async fn list(cloud: &Aws, region: &str, filter: Filter) -> Result<Vec<Described>, CloudError> {
    let items = cloud.ec2(region).describe_nat_gateways().filter(filter).into_paginator().items().send();
    items.collect::<Result<Vec<_>, _>>().await.call(CALL_DESCRIBE)
}

/// The addresses that live gateways hold.
pub(super) fn allocations(nat: &Described) -> impl Iterator<Item = &str> {
    let live = matches!(state(nat), "pending" | "available");
    nat.nat_gateway_addresses().iter().filter(move |_| live).filter_map(|address| address.allocation_id())
}

fn state(nat: &Described) -> &str {
    nat.state().map_or("available", |state| state.as_str())
}

impl Lifecycle for NatGateway {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let describe = |nat: &Described| {
            let owned = owned(&scan.stack, nat.tags())?;
            let health = match state(nat) {
                "deleted" => return None,
                "pending" => Health::Pending,
                "failed" => Health::Failed,
                "deleting" => Health::Leaving,
                _ => Health::Ready,
            };
            // A gateway that is on its way out has given its address back.
            let allocation = nat.nat_gateway_addresses().iter().find_map(|address| address.allocation_id());
            // EC2 does not tell which one it leaves through.
            let want = wanted.iter().find(|want| want.address == owned.address && want.generation == owned.generation);
            let want = want.or_else(|| wanted.iter().find(|want| want.address == owned.address));
            let args = NatGatewayArgs {
                subnet: SubnetId::literal(nat.subnet_id()?),
                allocation: AllocationId::literal(allocation.unwrap_or_default()),
                internet_gateway: want.and_then(|want| want.args.internet_gateway.clone()),
            };
            let outputs = NatGatewayOutputs { id: NatGatewayId::literal(nat.nat_gateway_id()?) };
            Some(found(owned, args, outputs, health))
        };
        Ok(gateways(scan).await?.iter().filter_map(describe).collect())
    }

    async fn create(cx: &Cx<Aws>, args: &NatGatewayArgs) -> Result<NatGatewayOutputs, CloudError> {
        const CALL: &str = "ec2:CreateNatGateway";
        let request = cx.cloud.ec2(&cx.owner.region).create_nat_gateway().client_token(&cx.owner.token);
        let request = request.subnet_id(args.subnet.as_str()).allocation_id(args.allocation.as_str());
        let request = request.tag_specifications(specification(&cx.owner, ResourceType::Natgateway));
        let answer = request.send().await.call(CALL)?;
        let id = answer.nat_gateway.and_then(|nat| nat.nat_gateway_id).promised(CALL, "the gateway")?;
        Ok(NatGatewayOutputs { id: NatGatewayId::literal(id) })
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, _: &NatGatewayArgs) -> Result<NatGatewayOutputs, CloudError> {
        sync_tags(cx, prior.outputs.id.as_str()).await?;
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let request = cx.cloud.ec2(&cx.owner.region).delete_nat_gateway().nat_gateway_id(prior.outputs.id.as_str());
        request.send().await.call("ec2:DeleteNatGateway").gone_ok().map(drop)
    }

    /// Whether it is available. It fails after the create call: without a free address, or an attached internet gateway.
    async fn ready(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<Settled<NatGatewayOutputs>, CloudError> {
        let Some(nat) = describe(cx, &current.outputs.id).await? else { return Ok(Settled::AskAgainIn(ASK_AGAIN)) };
        Ok(match state(&nat) {
            "available" => Settled::Yes(current.outputs.clone()),
            "pending" => Settled::AskAgainIn(ASK_AGAIN),
            state => {
                let code = nat.failure_code().unwrap_or(state);
                let message = nat.failure_message().unwrap_or("the NAT gateway does not become available");
                Settled::Failed(CloudError::new("ec2:CreateNatGateway", code, message, Class::Permanent))
            }
        })
    }

    async fn gone(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<Settled<()>, CloudError> {
        let nat = describe(cx, &prior.outputs.id).await?;
        let gone = nat.is_none_or(|nat| matches!(state(&nat), "deleted" | "failed"));
        Ok(if gone { Settled::Yes(()) } else { Settled::AskAgainIn(ASK_AGAIN) })
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        adopt(cx, current.outputs.id.as_str()).await
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::operation::describe_nat_gateways::DescribeNatGatewaysOutput;
    use aws_sdk_ec2::types::NatGatewayState;
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    fn args() -> NatGatewayArgs {
        let (subnet, allocation) = (SubnetId::literal("subnet-1"), AllocationId::literal("eip-1"));
        NatGatewayArgs { subnet, allocation, internet_gateway: None }
    }

    async fn ready(state: NatGatewayState) -> Settled<NatGatewayOutputs> {
        let nat = Described::builder().nat_gateway_id("nat-1").state(state).failure_code("Gateway.NotAttached").build();
        let rule = mock!(aws_sdk_ec2::Client::describe_nat_gateways)
            .then_output(move || DescribeNatGatewaysOutput::builder().nat_gateways(nat.clone()).build());
        let current = Prior { args: args(), outputs: NatGatewayOutputs { id: NatGatewayId::literal("nat-1") } };
        NatGateway::ready(&cx(&[&rule]), &current).await.unwrap()
    }

    #[tokio::test]
    async fn a_gateway_that_turns_out_to_have_failed_says_why() {
        assert!(matches!(ready(NatGatewayState::Available).await, Settled::Yes(_)));
        assert!(matches!(ready(NatGatewayState::Pending).await, Settled::AskAgainIn(_)));
        let Settled::Failed(error) = ready(NatGatewayState::Failed).await else { panic!("it has failed") };
        assert_eq!(error.code, "Gateway.NotAttached");
    }

    fn prior() -> Prior<NatGateway> {
        Prior { args: args(), outputs: NatGatewayOutputs { id: NatGatewayId::literal("nat-1") } }
    }

    #[tokio::test]
    async fn a_quota_is_final_and_what_was_just_made_is_a_matter_of_time() {
        for (code, class) in [
            ("NatGatewayLimitExceeded", Class::Permanent),
            ("InvalidSubnetID.NotFound", Class::Eventual),
            ("InvalidAllocationID.NotFound", Class::Eventual),
        ] {
            let refused = refused(mock!(aws_sdk_ec2::Client::create_nat_gateway), code, "");
            assert_eq!(outcome(NatGateway::create(&cx(&[&refused]), &prior().args).await), Err(class), "{code}");
        }
    }

    #[tokio::test]
    async fn a_gateway_that_is_gone_is_deleted() {
        let gone = refused(mock!(aws_sdk_ec2::Client::delete_nat_gateway), "NatGatewayNotFound", "");
        assert_eq!(outcome(NatGateway::delete(&cx(&[&gone]), &prior()).await), Ok(()));
    }
}
