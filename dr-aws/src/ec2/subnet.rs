//! `aws.ec2.subnet`: a range of addresses in one availability zone of a VPC.
//!
//! API: CreateSubnet, ModifySubnetAttribute, DescribeSubnets, DeleteSubnet (EC2 2016-11-15). Find: tags.
//! Change: `vpc`, `cidr` and `zone` replace, the rest in place. Delete: after every network interface in it.

use aws_sdk_ec2::types::{AttributeBooleanValue, ResourceType, Subnet as Described};
use dr_core::{
    Anywhere, Cidr, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Problems, Region,
    Resource, Scan, Settled, Wanted,
};

use super::{adopt, holders, owned, owned_by, specification, sync_tags};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{SubnetId, VpcId, ZoneName};
use crate::read::{Promised as _, Unread, found, unread, wanted_as};

/// A range of addresses in one availability zone of a VPC.
///
/// The first four addresses and the last one are AWS's. A load balancer wants a `/27` at least, with eight addresses free.
/// A new subnet cannot exist beside the old one on the same range, so a replacement deletes first.
///
/// - Inputs: the VPC, the range (a `/16` to a `/28`) and the zone, each of which replaces, the old one first; whether what
///   starts in it gets a public address (no by default; in place).
/// - Ready: when public addresses are set, which CreateSubnet cannot.
/// - Calls: CreateSubnet, ModifySubnetAttribute, DescribeSubnets, DeleteSubnet.
/// - AWS: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSubnet.html>
#[derive(Debug, Clone, Resource)]
#[resource(
    type = "aws.ec2.subnet", outputs = SubnetOutputs, create_s = 2, delete_s = 1, replacement = "delete-first", check = check
)]
pub struct Subnet<R: Region = Anywhere> {
    /// The network that it is a part of.
    #[input(replace)]
    vpc: Input<VpcId<R>>,
    /// Its addresses, a `/16` to a `/28` inside the VPC's.
    #[input(replace)]
    cidr: Cidr,
    /// Where it is.
    #[input(replace)]
    zone: Input<ZoneName<R>>,
    /// Whether what starts in it gets a public address. Default: no.
    public: bool,
}

/// What is known of a subnet once it exists.
#[derive(Debug, Clone, PartialEq, Outputs)]
pub struct SubnetOutputs<R: Region = Anywhere> {
    /// `subnet-…`
    pub id: SubnetId<R>,
    /// The zone by the id that means the same place in every account, `use1-az1`.
    pub zone_id: String,
}

impl<R: Region> Subnet<R> {
    /// A subnet without public addresses.
    pub fn new(vpc: impl IntoInput<VpcId<R>>, cidr: Cidr, zone: impl IntoInput<ZoneName<R>>) -> Self {
        Subnet { vpc: vpc.into_input(), cidr, zone: zone.into_input(), public: false }
    }

    /// What starts in it gets a public address.
    #[must_use]
    pub fn public(mut self) -> Self {
        self.public = true;
        self
    }
}

fn check<R: Region>(subnet: &Subnet<R>, problems: &mut Problems) {
    if !(16..=28).contains(&subnet.cidr.prefix()) {
        problems.report("cidr", format_args!("{} is no subnet: a prefix is /16 to /28", subnet.cidr));
    }
}

impl Lifecycle for Subnet {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let client = scan.cloud.ec2(&scan.region);
        let subnets = client.describe_subnets().filters(owned_by(&scan.stack)).into_paginator().items().send();
        let subnets = subnets.collect::<Result<Vec<_>, _>>().await.call("ec2:DescribeSubnets")?;
        Ok(subnets.iter().filter_map(|subnet| describe(scan, wanted, subnet)).collect())
    }

    async fn create(cx: &Cx<Aws>, args: &SubnetArgs) -> Result<SubnetOutputs, CloudError> {
        const CALL: &str = "ec2:CreateSubnet";
        let request = cx.cloud.ec2(&cx.owner.region).create_subnet().vpc_id(args.vpc.as_str());
        let request = request.cidr_block(args.cidr.to_string()).availability_zone(args.zone.as_str());
        let answer =
            request.tag_specifications(specification(&cx.owner, ResourceType::Subnet)).send().await.call(CALL)?;
        answer.subnet.as_ref().and_then(outputs).promised(CALL, "the subnet")
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, args: &SubnetArgs) -> Result<SubnetOutputs, CloudError> {
        sync_tags(cx, prior.outputs.id.as_str()).await?;
        if !args.public && prior.args.public {
            set_public(cx, prior.outputs.id.as_str(), false).await?;
        }
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        const LEFT: &str =
            "something that AWS does not name is left in the subnet: deploy or destroy again in a minute";
        let id = prior.outputs.id.as_str();
        let request = cx.cloud.ec2(&cx.owner.region).delete_subnet().subnet_id(id);
        match request.send().await.call("ec2:DeleteSubnet").gone_ok() {
            Err(error) => Err(holders::named(cx, error, "subnet-id", id, LEFT).await),
            answer => answer.map(drop),
        }
    }

    /// Sets what CreateSubnet cannot: a new subnet gives no public addresses.
    async fn ready(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<Settled<SubnetOutputs>, CloudError> {
        if current.args.public {
            set_public(cx, current.outputs.id.as_str(), true).await?;
        }
        Ok(Settled::Yes(current.outputs.clone()))
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        adopt(cx, current.outputs.id.as_str()).await
    }
}

async fn set_public(cx: &Cx<Aws>, id: &str, public: bool) -> Result<(), CloudError> {
    let value = AttributeBooleanValue::builder().value(public).build();
    let request = cx.cloud.ec2(&cx.owner.region).modify_subnet_attribute().subnet_id(id).map_public_ip_on_launch(value);
    request.send().await.call("ec2:ModifySubnetAttribute").map(drop)
}

fn outputs(subnet: &Described) -> Option<SubnetOutputs> {
    let zone_id = subnet.availability_zone_id().unwrap_or_default().to_owned();
    Some(SubnetOutputs { id: SubnetId::literal(subnet.subnet_id()?), zone_id })
}

fn describe(scan: &Scan<Aws>, wanted: &[Wanted<Subnet>], subnet: &Described) -> Option<Found<Subnet>> {
    let owned = owned(&scan.stack, subnet.tags())?;
    let public = match unread(wanted_as(wanted, &owned), &owned) {
        Unread::OnTheWay(args) => args.public,
        _ => subnet.map_public_ip_on_launch().unwrap_or_default(),
    };
    let args = SubnetArgs {
        vpc: VpcId::literal(subnet.vpc_id()?),
        cidr: subnet.cidr_block()?.parse().ok()?,
        zone: ZoneName::literal(subnet.availability_zone()?),
        public,
    };
    let health = match subnet.state().map(|state| state.as_str()) {
        Some("pending") => Health::Pending,
        Some("failed" | "failed-insufficient-capacity") => Health::Failed,
        _ => Health::Ready,
    };
    Some(found(owned, args, outputs(subnet)?, health))
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::Client;
    use aws_sdk_ec2::operation::describe_network_interfaces::DescribeNetworkInterfacesOutput;
    use aws_sdk_ec2::types::NetworkInterface;
    use aws_smithy_mocks::mock;
    use dr_core::Class;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    fn prior() -> Prior<Subnet> {
        let (vpc, zone) = (VpcId::literal("vpc-1"), ZoneName::literal("us-east-1a"));
        let args = SubnetArgs { vpc, cidr: dr_core::cidr!("10.0.0.0/20"), zone, public: true };
        Prior { args, outputs: SubnetOutputs { id: SubnetId::literal("subnet-1"), zone_id: "use1-az1".into() } }
    }

    #[tokio::test]
    async fn a_range_that_is_taken_may_be_taken_by_us_and_one_outside_of_the_vpc_never_fits() {
        for (code, class, hint) in [
            ("InvalidSubnet.Conflict", Class::Exists, "choose a free one"),
            ("InvalidSubnet.Range", Class::Permanent, "inside of the VPC's"),
            ("SubnetLimitExceeded", Class::Permanent, "Service Quotas"),
        ] {
            let refused = refused(mock!(Client::create_subnet), code, "");
            let error = Subnet::create(&cx(&[&refused]), &prior().args).await.unwrap_err();
            assert_eq!(error.class, class, "{code}");
            assert!(error.hint.as_ref().is_some_and(|text| text.contains(hint)), "{code}: {:?}", error.hint);
        }
    }

    #[tokio::test]
    async fn what_was_just_made_is_not_known_everywhere_yet() {
        let vpc = refused(mock!(Client::create_subnet), "InvalidVpcID.NotFound", "");
        assert_eq!(outcome(Subnet::create(&cx(&[&vpc]), &prior().args).await), Err(Class::Eventual));
        // AWS spells it both ways.
        for code in ["InvalidSubnetID.NotFound", "InvalidSubnetId.NotFound"] {
            let subnet = refused(mock!(Client::modify_subnet_attribute), code, "");
            assert_eq!(outcome(Subnet::ready(&cx(&[&subnet]), &prior()).await), Err(Class::Eventual), "{code}");
        }
    }

    #[tokio::test]
    async fn a_subnet_that_is_gone_is_deleted_and_one_in_use_says_by_what() {
        let gone = refused(mock!(Client::delete_subnet), "InvalidSubnetID.NotFound", "");
        assert_eq!(outcome(Subnet::delete(&cx(&[&gone]), &prior()).await), Ok(()));
        let used =
            refused(mock!(Client::delete_subnet), "DependencyViolation", "The subnet 'subnet-1' has dependencies");
        let holder = mock!(Client::describe_network_interfaces).then_output(|| {
            let link =
                NetworkInterface::builder().network_interface_id("eni-1").description("ENI managed by APIGateway");
            DescribeNetworkInterfacesOutput::builder().network_interfaces(link.build()).build()
        });
        let error = Subnet::delete(&cx(&[&used, &holder]), &prior()).await.unwrap_err();
        assert_eq!(error.class, Class::Dependency);
        assert_eq!(error.hint.as_deref(), Some("in use by eni-1 (ENI managed by APIGateway)"));
    }
}
