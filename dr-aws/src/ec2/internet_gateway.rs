//! `aws.ec2.internet_gateway` and `aws.ec2.internet_gateway_attachment`: the door of a VPC to the Internet.
//!
//! API: CreateInternetGateway, DescribeInternetGateways, DeleteInternetGateway, AttachInternetGateway, DetachInternetGateway
//! (EC2 2016-11-15). Find: the gateway by tags, the attachment by its gateway. Change: none in place but tags.
//! Delete: detach after the NAT gateways are gone and public addresses unmapped, then delete.

use std::sync::Arc;

use aws_sdk_ec2::types::{InternetGateway as Described, ResourceType};
use dr_core::{
    Anywhere, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Region, Resource, Scan,
    Wanted,
};

use super::{adopt, owned, owned_by, specification, sync_tags};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{InternetGatewayId, VpcId};
use crate::read::{Promised as _, found, found_by_key};

/// The door of a VPC to the Internet; it works once a [`GatewayAttachment`] puts it there.
///
/// API: [CreateInternetGateway](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateInternetGateway.html).
#[derive(Debug, Clone, Default, Resource)]
#[resource(type = "aws.ec2.internet_gateway", outputs = InternetGatewayOutputs, create_s = 1, delete_s = 1)]
pub struct InternetGateway<R: Region = Anywhere> {
    region: std::marker::PhantomData<fn() -> R>,
}

/// What is known of an internet gateway once it exists.
#[derive(Debug, Clone, PartialEq, Outputs)]
pub struct InternetGatewayOutputs<R: Region = Anywhere> {
    /// `igw-…`
    pub id: InternetGatewayId<R>,
}

impl<R: Region> InternetGateway<R> {
    /// An internet gateway that is attached to nothing yet.
    #[must_use]
    pub fn new() -> Self {
        InternetGateway { region: std::marker::PhantomData }
    }
}

/// Puts an internet gateway into a VPC; a VPC has one at most.
///
/// Routes take the gateway from here ([`GatewayAttachmentOutputs::gateway`]), so that they come after it.
///
/// API: [AttachInternetGateway](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachInternetGateway.html).
#[derive(Debug, Clone, Resource)]
#[resource(
    type = "aws.ec2.internet_gateway_attachment", outputs = GatewayAttachmentOutputs, create_s = 1, delete_s = 1,
    replacement = "delete-first"
)]
pub struct GatewayAttachment<R: Region = Anywhere> {
    /// The gateway.
    #[input(replace)]
    gateway: Input<InternetGatewayId<R>>,
    /// Where it goes.
    #[input(replace)]
    vpc: Input<VpcId<R>>,
}

/// What is known of an attachment once it exists.
#[derive(Debug, Clone, PartialEq, Outputs)]
pub struct GatewayAttachmentOutputs<R: Region = Anywhere> {
    /// The gateway, attached by now.
    pub gateway: InternetGatewayId<R>,
    /// The VPC, connected by now.
    pub vpc: VpcId<R>,
}

impl<R: Region> GatewayAttachment<R> {
    /// Puts the gateway into the VPC.
    pub fn new(gateway: impl IntoInput<InternetGatewayId<R>>, vpc: impl IntoInput<VpcId<R>>) -> Self {
        GatewayAttachment { gateway: gateway.into_input(), vpc: vpc.into_input() }
    }
}

/// The stack's gateways: one call for both types.
async fn gateways(scan: &Scan<Aws>) -> Result<Arc<Vec<Described>>, CloudError> {
    const CALL: &str = "ec2:DescribeInternetGateways";
    scan.cloud
        .shared(scan, CALL, "", || async {
            let client = scan.cloud.ec2(&scan.region);
            let items =
                client.describe_internet_gateways().filters(owned_by(&scan.stack)).into_paginator().items().send();
            items.collect::<Result<Vec<_>, _>>().await.call(CALL)
        })
        .await
}

impl Lifecycle for InternetGateway {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, _: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let describe = |gateway: &Described| {
            let owned = owned(&scan.stack, gateway.tags())?;
            let outputs = InternetGatewayOutputs { id: InternetGatewayId::literal(gateway.internet_gateway_id()?) };
            Some(found(owned, InternetGatewayArgs {}, outputs, Health::Ready))
        };
        Ok(gateways(scan).await?.iter().filter_map(describe).collect())
    }

    async fn create(cx: &Cx<Aws>, _: &InternetGatewayArgs) -> Result<InternetGatewayOutputs, CloudError> {
        const CALL: &str = "ec2:CreateInternetGateway";
        let request = cx.cloud.ec2(&cx.owner.region).create_internet_gateway();
        let request = request.tag_specifications(specification(&cx.owner, ResourceType::InternetGateway));
        let answer = request.send().await.call(CALL)?;
        let id =
            answer.internet_gateway.and_then(|gateway| gateway.internet_gateway_id).promised(CALL, "the gateway")?;
        Ok(InternetGatewayOutputs { id: InternetGatewayId::literal(id) })
    }

    async fn update(
        cx: &Cx<Aws>,
        prior: &Prior<Self>,
        _: &InternetGatewayArgs,
    ) -> Result<InternetGatewayOutputs, CloudError> {
        sync_tags(cx, prior.outputs.id.as_str()).await?;
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let id = prior.outputs.id.as_str();
        let request = cx.cloud.ec2(&cx.owner.region).delete_internet_gateway().internet_gateway_id(id);
        request.send().await.call("ec2:DeleteInternetGateway").gone_ok().map(drop)
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        adopt(cx, current.outputs.id.as_str()).await
    }
}

impl Lifecycle for GatewayAttachment {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let gateways = gateways(scan).await?;
        let describe = |want: &Wanted<Self>| {
            let gateway = &want.args.gateway;
            let described = gateways.iter().find(|g| g.internet_gateway_id() == Some(gateway.as_str()))?;
            // AWS says `available` for an attachment that works.
            let attachment = described.attachments().iter().find(|attachment| {
                attachment.state().is_none_or(|state| !matches!(state.as_str(), "detaching" | "detached"))
            })?;
            let vpc = VpcId::literal(attachment.vpc_id()?);
            let args = GatewayAttachmentArgs { gateway: gateway.clone(), vpc: vpc.clone() };
            let outputs = GatewayAttachmentOutputs { gateway: gateway.clone(), vpc };
            Some(found_by_key(want, args, outputs, Health::Ready))
        };
        Ok(wanted.iter().filter_map(describe).collect())
    }

    async fn create(cx: &Cx<Aws>, args: &GatewayAttachmentArgs) -> Result<GatewayAttachmentOutputs, CloudError> {
        let request = cx.cloud.ec2(&cx.owner.region).attach_internet_gateway();
        let request = request.internet_gateway_id(args.gateway.as_str()).vpc_id(args.vpc.as_str());
        request.send().await.call("ec2:AttachInternetGateway")?;
        Ok(GatewayAttachmentOutputs { gateway: args.gateway.clone(), vpc: args.vpc.clone() })
    }

    async fn update(
        _: &Cx<Aws>,
        prior: &Prior<Self>,
        _: &GatewayAttachmentArgs,
    ) -> Result<GatewayAttachmentOutputs, CloudError> {
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let GatewayAttachmentOutputs { gateway, vpc } = &prior.outputs;
        let request = cx.cloud.ec2(&cx.owner.region).detach_internet_gateway();
        let request = request.internet_gateway_id(gateway.as_str()).vpc_id(vpc.as_str());
        request.send().await.call("ec2:DetachInternetGateway").gone_ok().map(drop)
    }
}
