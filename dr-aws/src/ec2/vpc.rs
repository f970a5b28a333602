//! `aws.ec2.vpc`: a private network in one region.
//!
//! API: CreateVpc, ModifyVpcAttribute, DescribeVpcs, DescribeVpcAttribute, DeleteVpc (EC2 2016-11-15). Find: tags.
//! Change: `cidr` replaces, the rest in place. Delete: last in its region.

use aws_sdk_ec2::types::{AttributeBooleanValue, ResourceType, Vpc as Described, VpcAttributeName};
use dr_core::{
    Anywhere, Cidr, CloudError, Cx, Found, Health, Lifecycle, Outputs, Prior, Problems, Region, Resource, Scan,
    Settled, Wanted,
};
use futures_util::future::try_join_all;

use super::{adopt, holders, owned, owned_by, specification, sync_tags};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::VpcId;
use crate::read::{Promised as _, Unread, found, unread, wanted_as};

/// A private network in one region.
///
/// Two VPCs that are to reach each other, as the two of a pair may have to one day, need ranges that do not overlap; AWS
/// itself does not mind. Private DNS names of interface endpoints need both DNS attributes.
///
/// - Inputs: the range (a `/16` to a `/28`; replaces); whether there is DNS inside (on by default) and whether instances have
///   DNS names (on by default), both in place.
/// - Ready: when the DNS attributes are set, which CreateVpc cannot.
/// - Calls: CreateVpc, ModifyVpcAttribute, DescribeVpcs, DescribeVpcAttribute, DeleteVpc.
/// - AWS: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpc.html>
#[derive(Debug, Clone, Resource)]
#[resource(type = "aws.ec2.vpc", outputs = VpcOutputs, create_s = 3, delete_s = 1, check = check)]
pub struct Vpc<R: Region = Anywhere> {
    /// The addresses of the network, a `/16` to a `/28`. Another value needs another VPC.
    #[input(replace)]
    cidr: Cidr,
    /// Whether AWS answers DNS questions inside of it. Default: yes.
    dns_support: bool,
    /// Whether instances have DNS names. Default: yes.
    dns_hostnames: bool,
    region: std::marker::PhantomData<fn() -> R>,
}

/// What is known of a VPC once it exists.
#[derive(Debug, Clone, PartialEq, Outputs)]
pub struct VpcOutputs<R: Region = Anywhere> {
    /// `vpc-…`
    pub id: VpcId<R>,
}

impl<R: Region> Vpc<R> {
    /// A network with these addresses, DNS on.
    #[must_use]
    pub fn new(cidr: Cidr) -> Self {
        Vpc { cidr, dns_support: true, dns_hostnames: true, region: std::marker::PhantomData }
    }

    /// Without DNS names for instances.
    #[must_use]
    pub fn without_dns_hostnames(mut self) -> Self {
        self.dns_hostnames = false;
        self
    }

    /// Without DNS at all.
    #[must_use]
    pub fn without_dns(mut self) -> Self {
        self.dns_support = false;
        self.without_dns_hostnames()
    }
}

fn check<R: Region>(vpc: &Vpc<R>, problems: &mut Problems) {
    if !(16..=28).contains(&vpc.cidr.prefix()) {
        problems.report("cidr", format_args!("{} is no VPC: a prefix is /16 to /28", vpc.cidr));
    }
    if dr_core::cidr!("169.254.0.0/16").contains(vpc.cidr) {
        problems.report("cidr", "link-local addresses cannot be used");
    }
}

impl Lifecycle for Vpc {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let client = scan.cloud.ec2(&scan.region);
        let vpcs = client.describe_vpcs().filters(owned_by(&scan.stack)).into_paginator().items().send();
        let vpcs = vpcs.collect::<Result<Vec<_>, _>>().await.call("ec2:DescribeVpcs")?;
        try_join_all(vpcs.iter().filter_map(|vpc| describe(scan, wanted, vpc))).await
    }

    async fn create(cx: &Cx<Aws>, args: &VpcArgs) -> Result<VpcOutputs, CloudError> {
        const CALL: &str = "ec2:CreateVpc";
        let request = cx.cloud.ec2(&cx.owner.region).create_vpc().cidr_block(args.cidr.to_string());
        let answer = request.tag_specifications(specification(&cx.owner, ResourceType::Vpc)).send().await.call(CALL)?;
        let id = answer.vpc.and_then(|vpc| vpc.vpc_id).promised(CALL, "the VPC")?;
        Ok(VpcOutputs { id: VpcId::literal(id) })
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, args: &VpcArgs) -> Result<VpcOutputs, CloudError> {
        sync_tags(cx, prior.outputs.id.as_str()).await?;
        let set = |name: VpcAttributeName, value| set_attribute(cx, prior.outputs.id.as_str(), name, value);
        // Names need DNS, so it is switched on before them and off after them.
        if args.dns_support && !prior.args.dns_support {
            set(VpcAttributeName::EnableDnsSupport, true).await?;
        }
        if args.dns_hostnames != prior.args.dns_hostnames {
            set(VpcAttributeName::EnableDnsHostnames, args.dns_hostnames).await?;
        }
        if !args.dns_support && prior.args.dns_support {
            set(VpcAttributeName::EnableDnsSupport, false).await?;
        }
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        const LEFT: &str =
            "subnets, groups, tables, gateways or endpoints that are not of this stack are left in the VPC";
        let id = prior.outputs.id.as_str();
        let request = cx.cloud.ec2(&cx.owner.region).delete_vpc().vpc_id(id);
        match request.send().await.call("ec2:DeleteVpc").gone_ok() {
            Err(error) => Err(holders::named(cx, error, "vpc-id", id, LEFT).await),
            answer => answer.map(drop),
        }
    }

    /// Sets what CreateVpc cannot: DNS names are off in a new VPC, DNS is on.
    async fn ready(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<Settled<VpcOutputs>, CloudError> {
        let (id, args) = (current.outputs.id.as_str(), &current.args);
        if args.dns_hostnames {
            set_attribute(cx, id, VpcAttributeName::EnableDnsHostnames, true).await?;
        }
        if !args.dns_support {
            set_attribute(cx, id, VpcAttributeName::EnableDnsSupport, false).await?;
        }
        Ok(Settled::Yes(current.outputs.clone()))
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        adopt(cx, current.outputs.id.as_str()).await
    }
}

async fn set_attribute(cx: &Cx<Aws>, id: &str, name: VpcAttributeName, value: bool) -> Result<(), CloudError> {
    let value = AttributeBooleanValue::builder().value(value).build();
    let request = cx.cloud.ec2(&cx.owner.region).modify_vpc_attribute().vpc_id(id);
    // One attribute a call: AWS refuses two.
    let request = match name {
        VpcAttributeName::EnableDnsHostnames => request.enable_dns_hostnames(value),
        _ => request.enable_dns_support(value),
    };
    request.send().await.call("ec2:ModifyVpcAttribute").map(drop)
}

/// The VPC as it is configured; `None` for one of another stack.
fn describe<'s>(
    scan: &'s Scan<Aws>,
    wanted: &'s [Wanted<Vpc>],
    vpc: &'s Described,
) -> Option<impl Future<Output = Result<Found<Vpc>, CloudError>> + 's> {
    let owned = owned(&scan.stack, vpc.tags())?;
    let (id, cidr) = (vpc.vpc_id()?, vpc.cidr_block()?.parse().ok()?);
    let ready = vpc.state().is_none_or(|state| state.as_str() == "available");
    Some(async move {
        let (dns_support, dns_hostnames) = match unread(wanted_as(wanted, &owned), &owned) {
            Unread::OnTheWay(args) => (args.dns_support, args.dns_hostnames),
            // Two calls for each VPC.
            Unread::OnRecord(args) if !scan.cloud.reads_all() => (args.dns_support, args.dns_hostnames),
            _ => (
                attribute(scan, id, VpcAttributeName::EnableDnsSupport).await?,
                attribute(scan, id, VpcAttributeName::EnableDnsHostnames).await?,
            ),
        };
        let args = VpcArgs { cidr, dns_support, dns_hostnames };
        let health = if ready { Health::Ready } else { Health::Pending };
        Ok(found(owned, args, VpcOutputs { id: VpcId::literal(id) }, health))
    })
}

async fn attribute(scan: &Scan<Aws>, id: &str, name: VpcAttributeName) -> Result<bool, CloudError> {
    const CALL: &str = "ec2:DescribeVpcAttribute";
    let hostnames = name == VpcAttributeName::EnableDnsHostnames;
    let request = scan.cloud.ec2(&scan.region).describe_vpc_attribute().vpc_id(id).attribute(name);
    let answer = request.send().await.call(CALL)?;
    let value = if hostnames { answer.enable_dns_hostnames } else { answer.enable_dns_support };
    value.and_then(|value| value.value).promised(CALL, "the attribute")
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::Client;
    use aws_sdk_ec2::operation::describe_network_interfaces::DescribeNetworkInterfacesOutput;
    use aws_smithy_mocks::mock;
    use dr_core::Class;

    use super::*;
    use crate::testing::{cx, outcome, refused, scan_of};

    fn prior() -> Prior<Vpc> {
        let args = VpcArgs { cidr: dr_core::cidr!("10.0.0.0/16"), dns_support: true, dns_hostnames: true };
        Prior { args, outputs: VpcOutputs { id: VpcId::literal("vpc-1") } }
    }

    #[tokio::test]
    async fn a_vpc_that_is_gone_is_deleted_and_one_in_use_waits_for_what_is_in_it() {
        let gone = refused(mock!(Client::delete_vpc), "InvalidVpcID.NotFound", "");
        assert_eq!(outcome(Vpc::delete(&cx(&[&gone]), &prior()).await), Ok(()));
        let used = refused(mock!(Client::delete_vpc), "DependencyViolation", "The vpc 'vpc-1' has dependencies");
        let nobody = mock!(Client::describe_network_interfaces)
            .then_output(|| DescribeNetworkInterfacesOutput::builder().build());
        let error = Vpc::delete(&cx(&[&used, &nobody]), &prior()).await.unwrap_err();
        assert_eq!(error.class, Class::Dependency);
        assert!(error.hint.as_ref().is_some_and(|hint| hint.contains("left in the VPC")), "{:?}", error.hint);
    }

    /// A refresh comes before the first change, in each region that the program names.
    #[tokio::test]
    async fn a_region_or_a_right_that_is_missing_is_said_by_the_first_read() {
        for (code, hint) in [
            ("UnauthorizedOperation", "allow `ec2:DescribeVpcs`"),
            ("AuthFailure", "whether the region is enabled in the account"),
            ("OptInRequired", "the region is not enabled"),
        ] {
            let refused = refused(mock!(Client::describe_vpcs), code, "no");
            let error = Vpc::read(&scan_of(cx(&[&refused])), &[]).await.unwrap_err();
            assert_eq!(error.class, Class::Denied, "{code}");
            assert!(error.hint.as_ref().is_some_and(|text| text.contains(hint)), "{code}: {:?}", error.hint);
        }
    }

    #[tokio::test]
    async fn a_used_up_quota_is_not_tried_again() {
        let full =
            refused(mock!(Client::create_vpc), "VpcLimitExceeded", "The maximum number of VPCs has been reached.");
        let error = Vpc::create(&cx(&[&full]), &prior().args).await.unwrap_err();
        assert_eq!((error.class, error.request_id.as_deref()), (Class::Permanent, Some("r-1")));
        assert!(error.hint.unwrap().contains("Service Quotas"));
    }

    #[tokio::test]
    async fn a_new_vpc_that_is_not_known_everywhere_yet_is_a_matter_of_time() {
        let unknown = refused(mock!(Client::modify_vpc_attribute), "InvalidVpcID.NotFound", "");
        assert_eq!(outcome(Vpc::ready(&cx(&[&unknown]), &prior()).await), Err(Class::Eventual));
    }
}
