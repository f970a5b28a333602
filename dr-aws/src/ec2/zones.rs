//! `aws.ec2.zones`: the availability zones of a region that this account can use. A lookup, pinned in the state.
//!
//! API: DescribeAvailabilityZones (EC2 2016-11-15).

use aws_sdk_ec2::types::AvailabilityZone;
use dr_core::{
    Anywhere, Class, CloudError, Cx, Found, Health, Lifecycle, Outputs, Prior, Problems, Region, Resource, Scan, Wanted,
};

use super::filter;
use crate::Aws;
use crate::call::Call as _;
use crate::ids::ZoneName;
use crate::read::found_by_key;

/// Zones, by id, in which API Gateway makes no VPC links: those of its regions that the table of "Set up VPC links V2 in API Gateway"
/// leaves out, <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-vpc-links-v2.html>.
const WITHOUT_VPC_LINKS: [&str; 7] =
    ["ape1-az1", "apne1-az3", "apne2-az4", "cac1-az4", "euw3-az2", "use1-az3", "usw1-az2"];

/// The availability zones of a region that this account can use, in the order of their names; those that lack a part of the
/// service that a site needs come last.
///
/// Looked up once and kept in the state: a zone that AWS adds moves nothing. Local and wavelength zones, and zones that have to
/// be opted into, are left out. Names mean different places in different accounts, ids the same one.
///
/// - Inputs: how many, 1 to 6; another number is looked up anew.
/// - Ready: at once: they are looked up before anything is made.
/// - Calls: DescribeAvailabilityZones.
/// - AWS: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAvailabilityZones.html>
#[derive(Debug, Clone, Resource)]
#[resource(type = "aws.ec2.zones", outputs = ZonesOutputs, lookup, create_s = 0, delete_s = 0, check = check)]
pub struct Zones<R: Region = Anywhere> {
    /// How many are needed.
    count: u32,
    region: std::marker::PhantomData<fn() -> R>,
}

/// The zones that were found.
#[derive(Debug, Clone, PartialEq, Outputs)]
pub struct ZonesOutputs<R: Region = Anywhere> {
    /// `us-east-1a`, …
    pub names: Vec<ZoneName<R>>,
    /// `use1-az1`, …, in the same order.
    pub ids: Vec<String>,
}

impl<R: Region> Zones<R> {
    /// The first `count` zones.
    #[must_use]
    pub fn new(count: u32) -> Self {
        Zones { count, region: std::marker::PhantomData }
    }
}

fn check<R: Region>(zones: &Zones<R>, problems: &mut Problems) {
    if !(1..=6).contains(&zones.count) {
        problems.report("count", format_args!("{} zones: a region has one to six", zones.count));
    }
}

/// A lookup is only read: the engine plans no other step for it.
pub(super) fn only_read<T>(type_name: &str) -> Result<T, CloudError> {
    Err(CloudError::new(type_name, "OnlyRead", "it is looked up, not made", Class::Permanent))
}

impl Lifecycle for Zones {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let mut found = Vec::new();
        for want in wanted {
            let pinned = want.outputs.clone().filter(|outputs| outputs.names.len() == want.args.count as usize);
            let outputs = match pinned {
                Some(pinned) => pinned,
                None => look_up(scan, want.args.count).await?,
            };
            found.push(found_by_key(want, want.args.clone(), outputs, Health::Ready));
        }
        Ok(found)
    }

    async fn create(_: &Cx<Aws>, _: &ZonesArgs) -> Result<ZonesOutputs, CloudError> {
        only_read("aws.ec2.zones")
    }

    async fn update(_: &Cx<Aws>, _: &Prior<Self>, _: &ZonesArgs) -> Result<ZonesOutputs, CloudError> {
        only_read("aws.ec2.zones")
    }

    async fn delete(_: &Cx<Aws>, _: &Prior<Self>) -> Result<(), CloudError> {
        only_read("aws.ec2.zones")
    }
}

async fn look_up(scan: &Scan<Aws>, count: u32) -> Result<ZonesOutputs, CloudError> {
    const CALL: &str = "ec2:DescribeAvailabilityZones";
    let zones = scan
        .cloud
        .shared(scan, CALL, "", || async {
            let request = scan.cloud.ec2(&scan.region).describe_availability_zones();
            let request =
                request.filters(filter("zone-type", "availability-zone")).filters(filter("state", "available"));
            let request = request.filters(filter("opt-in-status", "opt-in-not-required"));
            let mut zones = request.send().await.call(CALL)?.availability_zones.unwrap_or_default();
            zones.sort_by_key(|zone| {
                let without_links = zone.zone_id().is_some_and(|id| WITHOUT_VPC_LINKS.contains(&id));
                (without_links, zone.zone_name().map(ToOwned::to_owned))
            });
            Ok(zones)
        })
        .await?;
    if zones.len() < count as usize {
        let message =
            format!("{} has {} availability zones for this account, {count} are asked for", scan.region, zones.len());
        return Err(CloudError::new(CALL, "TooFewZones", message, Class::Permanent).hint("ask for fewer zones there"));
    }
    let zones = &zones[..count as usize];
    let text = |part: fn(&AvailabilityZone) -> Option<&str>| {
        zones.iter().map(move |zone| part(zone).unwrap_or_default().to_owned())
    };
    Ok(ZonesOutputs {
        names: text(AvailabilityZone::zone_name).map(ZoneName::literal).collect(),
        ids: text(AvailabilityZone::zone_id).collect(),
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::operation::describe_availability_zones::DescribeAvailabilityZonesOutput;
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::testing::cx;

    #[tokio::test]
    async fn a_zone_without_vpc_links_comes_last() {
        let zone = |name: &str, id: &str| AvailabilityZone::builder().zone_name(name).zone_id(id).build();
        for (without, with) in [
            ("use1-az3", "use1-az1"),
            ("usw1-az2", "usw1-az3"),
            ("euw3-az2", "euw3-az1"),
            ("cac1-az4", "cac1-az2"),
            ("apne1-az3", "apne1-az4"),
            ("apne2-az4", "apne2-az1"),
            ("ape1-az1", "ape1-az2"),
        ] {
            let answer = DescribeAvailabilityZonesOutput::builder().availability_zones(zone("a", without));
            let answer = answer.availability_zones(zone("b", with)).build();
            let rule = mock!(aws_sdk_ec2::Client::describe_availability_zones).then_output(move || answer.clone());
            let scan = Scan { cloud: cx(&[&rule]).cloud, stack: "shop".into(), region: "us-east-1".into() };
            assert_eq!(look_up(&scan, 2).await.unwrap().ids, [with, without]);
        }
    }

    #[tokio::test]
    async fn zones_are_pinned_and_too_few_are_an_error() {
        let zone = |name: &str| AvailabilityZone::builder().zone_name(name).zone_id(format!("id-{name}")).build();
        let answer =
            DescribeAvailabilityZonesOutput::builder().availability_zones(zone("b")).availability_zones(zone("a"));
        let answer = answer.build();
        let rule = mock!(aws_sdk_ec2::Client::describe_availability_zones).then_output(move || answer.clone());
        let scan = Scan { cloud: cx(&[&rule]).cloud, stack: "shop".into(), region: "us-east-1".into() };
        let want = |count, outputs| Wanted::<Zones> {
            address: "us-east-1/zones".parse().unwrap(),
            generation: 0,
            token: String::new(),
            args: ZonesArgs { count },
            outputs,
        };
        let found = Zones::read(&scan, &[want(2, None)]).await.unwrap();
        assert_eq!(found[0].outputs.names, [ZoneName::literal("a"), ZoneName::literal("b")]);
        assert_eq!(found[0].outputs.ids, ["id-a", "id-b"]);
        let error = Zones::read(&scan, &[want(3, None)]).await.unwrap_err();
        assert_eq!(error.code, "TooFewZones");
        let pinned = ZonesOutputs { names: vec![ZoneName::literal("z")], ids: vec!["id-z".into()] };
        let found = Zones::read(&scan, &[want(1, Some(pinned.clone()))]).await.unwrap();
        assert_eq!(found[0].outputs, pinned);
    }
}
