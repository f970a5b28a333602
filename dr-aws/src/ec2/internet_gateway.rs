//! `aws.ec2.internet_gateway` and `aws.ec2.internet_gateway_attachment`: the door of a VPC to the Internet.
//!
//! API: CreateInternetGateway, DescribeInternetGateways, DeleteInternetGateway, AttachInternetGateway, DetachInternetGateway
//! (EC2 2016-11-15). Find: the gateway by tags, the attachment by its gateway. Change: none in place but tags.
//! Delete: detach after the NAT gateways are gone and public addresses unmapped, then delete.

use std::sync::Arc;

use aws_sdk_ec2::types::{Filter, InternetGateway as Described, ResourceType};
use dr_core::{
    Anywhere, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Region, Resource, Scan,
    Wanted,
};

use super::{adopt, foreign, holders, of_others, owned, owned_by, specification, sync_tags};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{InternetGatewayId, VpcId};
use crate::read::{Promised as _, found, found_by_key};

/// The door of a VPC to the Internet; it works once a [`GatewayAttachment`] puts it there.
///
/// - Inputs: none.
/// - Ready: at once; it can be deleted once it is detached.
/// - Calls: CreateInternetGateway, DescribeInternetGateways, DeleteInternetGateway.
/// - AWS: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateInternetGateway.html>
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
/// - Inputs: the gateway and the VPC; both replace, the old one first.
/// - Ready: at once.
/// - Calls: AttachInternetGateway, DescribeInternetGateways, DetachInternetGateway.
/// - AWS: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachInternetGateway.html>
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

const DESCRIBE: &str = "ec2:DescribeInternetGateways";

async fn described(scan: &Scan<Aws>, filter: Filter) -> Result<Vec<Described>, CloudError> {
    let request = scan.cloud.ec2(&scan.region).describe_internet_gateways().filters(filter);
    request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.call(DESCRIBE)
}

/// The stack's gateways: one call for both types.
async fn gateways(scan: &Scan<Aws>) -> Result<Arc<Vec<Described>>, CloudError> {
    scan.cloud.shared(scan, DESCRIBE, "", || described(scan, owned_by(&scan.stack))).await
}

/// The stack's gateways, and of the named ones those that are somebody else's: one call more, and only when there are any.
async fn gateways_with<'a>(
    scan: &Scan<Aws>,
    named: impl Iterator<Item = &'a str>,
) -> Result<[Arc<Vec<Described>>; 2], CloudError> {
    let own = gateways(scan).await?;
    let ids = foreign(named, own.iter().map(Described::internet_gateway_id));
    let describe = |filter| described(scan, filter);
    let others = of_others(scan, DESCRIBE, "internet-gateway-id", &ids, describe).await?;
    Ok([own, others])
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
        let gateways = gateways_with(scan, wanted.iter().map(|want| want.args.gateway.as_str())).await?;
        let describe = |want: &Wanted<Self>| {
            let gateway = &want.args.gateway;
            let mut all = gateways.iter().flat_map(|gateways| gateways.iter());
            let described = all.find(|described| described.internet_gateway_id() == Some(gateway.as_str()))?;
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
        const LEFT: &str =
            "public addresses are still mapped to something in the VPC: NAT gateways, load balancers, instances";
        match request.send().await.call("ec2:DetachInternetGateway").gone_ok() {
            Err(error) => Err(holders::named(cx, error, "vpc-id", vpc.as_str(), LEFT).await),
            answer => answer.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::Client;
    use aws_sdk_ec2::operation::describe_internet_gateways::{
        DescribeInternetGatewaysInput, DescribeInternetGatewaysOutput,
    };
    use aws_sdk_ec2::operation::describe_network_interfaces::DescribeNetworkInterfacesOutput;
    use aws_sdk_ec2::types::{Filter, InternetGatewayAttachment};
    use aws_smithy_mocks::mock;
    use dr_core::Class;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    fn attachment() -> Prior<GatewayAttachment> {
        let (gateway, vpc) = (InternetGatewayId::literal("igw-1"), VpcId::literal("vpc-1"));
        let outputs = GatewayAttachmentOutputs { gateway: gateway.clone(), vpc: vpc.clone() };
        Prior { args: GatewayAttachmentArgs { gateway, vpc }, outputs }
    }

    #[tokio::test]
    async fn an_attachment_of_a_gateway_of_somebody_else_is_found_by_its_id() {
        let by_id = |input: &DescribeInternetGatewaysInput| {
            let is_id = |filter: &Filter| filter.name() == Some("internet-gateway-id") && filter.values() == ["igw-1"];
            input.filters().iter().any(is_id)
        };
        let attached = InternetGatewayAttachment::builder().vpc_id("vpc-1").state("available".into()).build();
        let gateway = Described::builder().internet_gateway_id("igw-1").attachments(attached).build();
        let own = mock!(Client::describe_internet_gateways)
            .match_requests(move |input| !by_id(input))
            .then_output(|| DescribeInternetGatewaysOutput::builder().build());
        let others = mock!(Client::describe_internet_gateways)
            .match_requests(by_id)
            .then_output(move || DescribeInternetGatewaysOutput::builder().internet_gateways(gateway.clone()).build());
        let (Cx { cloud, owner }, Prior { args, outputs }) = (cx(&[&own, &others]), attachment());
        let scan = Scan { cloud, stack: owner.stack, region: owner.region };
        let (address, generation, token) = (owner.address, owner.generation, owner.token);
        let want = Wanted { address, generation, token, args, outputs: None };
        let found = GatewayAttachment::read(&scan, &[want]).await.unwrap();
        assert_eq!(found[0].outputs, outputs);
        assert!(GatewayAttachment::read(&scan, &[]).await.unwrap().is_empty());
        assert_eq!((own.num_calls(), others.num_calls()), (1, 1));
    }

    #[tokio::test]
    async fn attaching_asks_who_is_there_already_and_waits_for_a_new_gateway_to_be_known() {
        for (code, class) in [
            ("Resource.AlreadyAssociated", Class::Exists),
            ("InvalidInternetGatewayID.NotFound", Class::Eventual),
            ("InvalidVpcID.NotFound", Class::Eventual),
        ] {
            let refused = refused(mock!(Client::attach_internet_gateway), code, "");
            let answer = GatewayAttachment::create(&cx(&[&refused]), &attachment().args).await;
            assert_eq!(outcome(answer), Err(class), "{code}");
        }
    }

    #[tokio::test]
    async fn detaching_what_is_not_attached_is_done_and_mapped_addresses_are_waited_for() {
        let nobody = mock!(Client::describe_network_interfaces)
            .then_output(|| DescribeNetworkInterfacesOutput::builder().build());
        for (code, expected) in [
            ("Gateway.NotAttached", Ok(())),
            ("InvalidInternetGatewayID.NotFound", Ok(())),
            ("DependencyViolation", Err(Class::Dependency)),
        ] {
            let text =
                "Network vpc-1 has some mapped public address(es). Please unmap those before detaching the gateway.";
            let refused = refused(mock!(Client::detach_internet_gateway), code, text);
            let answer = GatewayAttachment::delete(&cx(&[&refused, &nobody]), &attachment()).await;
            assert_eq!(outcome(answer), expected, "{code}");
        }
    }

    #[tokio::test]
    async fn a_gateway_that_is_gone_is_deleted_and_an_attached_one_waits() {
        for (code, expected) in
            [("InvalidInternetGatewayID.NotFound", Ok(())), ("DependencyViolation", Err(Class::Dependency))]
        {
            let outputs = InternetGatewayOutputs { id: InternetGatewayId::literal("igw-1") };
            let refused = refused(mock!(Client::delete_internet_gateway), code, "");
            let answer =
                InternetGateway::delete(&cx(&[&refused]), &Prior { args: InternetGatewayArgs {}, outputs }).await;
            assert_eq!(outcome(answer), expected, "{code}");
        }
        let full = refused(mock!(Client::create_internet_gateway), "InternetGatewayLimitExceeded", "");
        let answer = InternetGateway::create(&cx(&[&full]), &InternetGatewayArgs {}).await;
        assert_eq!(outcome(answer), Err(Class::Permanent));
    }
}
