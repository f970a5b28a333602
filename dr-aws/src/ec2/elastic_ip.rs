//! `aws.ec2.elastic_ip`: a public IPv4 address that stays the same.
//!
//! API: AllocateAddress, DescribeAddresses, ReleaseAddress (EC2 2016-11-15). Find: tags. Change: tags only.
//! Delete: after the NAT gateway that uses it is gone.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{Address as Described, DomainType, ResourceType};
use dr_core::{Anywhere, CloudError, Cx, Found, Health, Lifecycle, Outputs, Prior, Region, Resource, Scan, Wanted};

use super::nat_gateway::{allocations, gateways};
use super::{adopt, owned, owned_by, specification, sync_tags};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::AllocationId;
use crate::read::{Promised as _, found, found_by_key};

/// A public IPv4 address that stays the same, for a NAT gateway. It costs money while it exists.
///
/// An account has five in each region unless more are requested (Service Quotas, `L-0263D0A3`).
///
/// - Inputs: none.
/// - Ready: at once.
/// - Calls: AllocateAddress, DescribeAddresses, ReleaseAddress.
/// - AWS: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AllocateAddress.html>
#[derive(Debug, Clone, Default, Resource)]
#[resource(type = "aws.ec2.elastic_ip", outputs = ElasticIpOutputs, create_s = 1, delete_s = 1)]
pub struct ElasticIp<R: Region = Anywhere> {
    region: std::marker::PhantomData<fn() -> R>,
}

/// What is known of an elastic IP address once it exists.
#[derive(Debug, Clone, PartialEq, Outputs)]
pub struct ElasticIpOutputs<R: Region = Anywhere> {
    /// `eipalloc-…`
    pub allocation: AllocationId<R>,
    /// The address itself: what a partner's firewall has to let in.
    pub public_ip: String,
}

impl<R: Region> ElasticIp<R> {
    /// An address of Amazon's pool.
    #[must_use]
    pub fn new() -> Self {
        ElasticIp { region: std::marker::PhantomData }
    }
}

/// The wanted addresses when all of them are on record and held by NAT gateways, which are read anyway.
async fn held(scan: &Scan<Aws>, wanted: &[Wanted<ElasticIp>]) -> Result<Option<Vec<Found<ElasticIp>>>, CloudError> {
    let gateways = gateways(scan).await?;
    let held: BTreeSet<_> = gateways.iter().flat_map(allocations).collect();
    let found = wanted.iter().map(|want| {
        let outputs = want.outputs.clone().filter(|outputs| held.contains(outputs.allocation.as_str()))?;
        Some(found_by_key(want, want.args.clone(), outputs, Health::Ready))
    });
    Ok(found.collect())
}

impl Lifecycle for ElasticIp {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        if !scan.cloud.reads_all()
            && let Some(found) = held(scan, wanted).await?
        {
            return Ok(found);
        }
        let request = scan.cloud.ec2(&scan.region).describe_addresses().filters(owned_by(&scan.stack));
        let answer = request.send().await.call("ec2:DescribeAddresses")?;
        let describe = |address: &Described| {
            let owned = owned(&scan.stack, address.tags())?;
            let outputs = ElasticIpOutputs {
                allocation: AllocationId::literal(address.allocation_id()?),
                public_ip: address.public_ip()?.to_owned(),
            };
            Some(found(owned, ElasticIpArgs {}, outputs, Health::Ready))
        };
        Ok(answer.addresses().iter().filter_map(describe).collect())
    }

    async fn create(cx: &Cx<Aws>, _: &ElasticIpArgs) -> Result<ElasticIpOutputs, CloudError> {
        const CALL: &str = "ec2:AllocateAddress";
        let request = cx.cloud.ec2(&cx.owner.region).allocate_address().domain(DomainType::Vpc);
        let request = request.tag_specifications(specification(&cx.owner, ResourceType::ElasticIp));
        let answer = request.send().await.call(CALL)?;
        let allocation = AllocationId::literal(answer.allocation_id.promised(CALL, "the allocation")?);
        Ok(ElasticIpOutputs { allocation, public_ip: answer.public_ip.promised(CALL, "the address")? })
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, _: &ElasticIpArgs) -> Result<ElasticIpOutputs, CloudError> {
        sync_tags(cx, prior.outputs.allocation.as_str()).await?;
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let allocation = prior.outputs.allocation.as_str();
        let request = cx.cloud.ec2(&cx.owner.region).release_address().allocation_id(allocation);
        request.send().await.call("ec2:ReleaseAddress").gone_ok().map(drop)
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        adopt(cx, current.outputs.allocation.as_str()).await
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::Client;
    use aws_smithy_mocks::mock;
    use dr_core::Class;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    #[tokio::test]
    async fn no_address_is_left_is_not_tried_again() {
        let full = refused(mock!(Client::allocate_address), "AddressLimitExceeded", "");
        let error = ElasticIp::create(&cx(&[&full]), &ElasticIpArgs {}).await.unwrap_err();
        assert_eq!(error.class, Class::Permanent);
        assert!(error.hint.unwrap().contains("Service Quotas"));
    }

    #[tokio::test]
    async fn releasing_what_is_not_ours_any_more_is_done_and_one_in_use_waits_for_its_gateway() {
        let outputs =
            ElasticIpOutputs { allocation: AllocationId::literal("eipalloc-1"), public_ip: "192.0.2.1".into() };
        let prior = Prior { args: ElasticIpArgs {}, outputs };
        for (code, text, expected) in [
            ("InvalidAllocationID.NotFound", "", Ok(())),
            // It was released, and another account has it now.
            ("AuthFailure", "The address 'eipalloc-1' does not belong to you.", Ok(())),
            ("AuthFailure", "AWS was not able to validate the provided access credentials", Err(Class::Denied)),
            ("InvalidIPAddress.InUse", "Address eipalloc-1 is in use.", Err(Class::Dependency)),
        ] {
            let refused = refused(mock!(Client::release_address), code, text);
            assert_eq!(outcome(ElasticIp::delete(&cx(&[&refused]), &prior).await), expected, "{code} {text}");
        }
    }
}
