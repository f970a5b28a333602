//! Regions and availability zones, as the EC2 documentation lists them, and the two calls that read them.

use aws_sdk_ec2::operation::describe_availability_zones::{
    DescribeAvailabilityZonesInput, DescribeAvailabilityZonesOutput,
};
use aws_sdk_ec2::operation::describe_regions::{DescribeRegionsInput, DescribeRegionsOutput};
use aws_sdk_ec2::types::{AvailabilityZone, AvailabilityZoneOptInStatus, AvailabilityZoneState, Region as SdkRegion};

use super::kit::{check_filter_names, ids, invalid, one, passes, unless_dry_run};
use crate::control::{Answer, Call};
use crate::world::World;

/// A region: its name, the prefix of its zone ids, the numbers of its zones, and whether it has to be switched on first.
struct Known(&'static str, &'static str, &'static [u8], bool);

/// "Regions and Zones" of the EC2 user guide. Of us-west-1's three zones an account sees two.
const REGIONS: &[Known] = &[
    Known("af-south-1", "afs1", &[1, 2, 3], true),
    Known("ap-east-1", "ape1", &[1, 2, 3], true),
    Known("ap-northeast-1", "apne1", &[1, 2, 4], false),
    Known("ap-northeast-2", "apne2", &[1, 2, 3, 4], false),
    Known("ap-northeast-3", "apne3", &[1, 2, 3], false),
    Known("ap-south-1", "aps1", &[1, 2, 3], false),
    Known("ap-south-2", "aps2", &[1, 2, 3], true),
    Known("ap-southeast-1", "apse1", &[1, 2, 3], false),
    Known("ap-southeast-2", "apse2", &[1, 2, 3], false),
    Known("ap-southeast-3", "apse3", &[1, 2, 3], true),
    Known("ca-central-1", "cac1", &[1, 2, 4], false),
    Known("ca-west-1", "caw1", &[1, 2, 3], true),
    Known("eu-central-1", "euc1", &[1, 2, 3], false),
    Known("eu-central-2", "euc2", &[1, 2, 3], true),
    Known("eu-north-1", "eun1", &[1, 2, 3], false),
    Known("eu-south-1", "eus1", &[1, 2, 3], true),
    Known("eu-south-2", "eus2", &[1, 2, 3], true),
    Known("eu-west-1", "euw1", &[1, 2, 3], false),
    Known("eu-west-2", "euw2", &[1, 2, 3], false),
    Known("eu-west-3", "euw3", &[1, 2, 3], false),
    Known("il-central-1", "ilc1", &[1, 2, 3], true),
    Known("me-central-1", "mec1", &[1, 2, 3], true),
    Known("me-south-1", "mes1", &[1, 2, 3], true),
    Known("sa-east-1", "sae1", &[1, 2, 3], false),
    Known("us-east-1", "use1", &[1, 2, 3, 4, 5, 6], false),
    Known("us-east-2", "use2", &[1, 2, 3], false),
    Known("us-west-1", "usw1", &[1, 3], false),
    Known("us-west-2", "usw2", &[1, 2, 3, 4], false),
];

/// Whether calls to a region are accepted: known, and not one that an account has to opt into.
pub(crate) fn is_enabled(region: &str) -> bool {
    REGIONS.iter().any(|known| known.0 == region && !known.3)
}

/// Every region that the documentation lists, switched on or not.
pub(crate) fn region_names() -> impl Iterator<Item = &'static str> {
    REGIONS.iter().map(|known| known.0)
}

/// The names of the zones of a region; none of a region that does not exist.
pub(crate) fn zone_names(world: &World, region: &str) -> Vec<String> {
    zones(world, region).into_iter().map(|(name, _)| name).collect()
}

/// Name and id of each zone of a region, in order of the names.
///
/// Which letter stands for which zone differs per account; here it is turned by the seed, so that programs which mix up names
/// and ids are found out.
pub(super) fn zones(world: &World, region: &str) -> Vec<(String, String)> {
    let Some(Known(_, prefix, numbers, _)) = REGIONS.iter().find(|known| known.0 == region) else { return Vec::new() };
    let turn = usize::try_from(world.seed % 7).expect("a number below 7");
    (0..numbers.len())
        .map(|i| {
            let letter = char::from(b'a' + u8::try_from(i).expect("no region has 26 zones"));
            (format!("{region}{letter}"), format!("{prefix}-az{}", numbers[(i + turn) % numbers.len()]))
        })
        .collect()
}

pub(super) fn describe_availability_zones(
    world: &mut World,
    call: &Call,
    input: &DescribeAvailabilityZonesInput,
) -> Answer<DescribeAvailabilityZonesOutput> {
    const NAMES: &[&str] =
        &["group-name", "opt-in-status", "region-name", "state", "zone-id", "zone-name", "zone-type", "message"];
    unless_dry_run(input.dry_run)?;
    let filters = input.filters.as_deref().unwrap_or_default();
    check_filter_names(filters, NAMES)?;
    let all = zones(world, &call.region);
    let (names, zone_ids) = (ids(&input.zone_names), ids(&input.zone_ids));
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|(zone, _)| zone == *name)) {
        return Err(invalid(format!("Invalid availability zone: [{unknown}]")));
    }
    if let Some(unknown) = zone_ids.iter().find(|id| !all.iter().any(|(_, zone)| zone == *id)) {
        return Err(invalid(format!("Invalid availability zone-id: [{unknown}]")));
    }
    let found = all.into_iter().filter(|(name, id)| {
        let value = |filter: &str| match filter {
            "group-name" => one(format!("{}-zg-1", call.region)),
            "opt-in-status" => one("opt-in-not-required"),
            "region-name" => one(&call.region),
            "state" => one("available"),
            "zone-id" => one(id),
            "zone-name" => one(name),
            "zone-type" => one("availability-zone"),
            _ => Vec::new(),
        };
        (names.is_empty() || names.contains(name))
            && (zone_ids.is_empty() || zone_ids.contains(id))
            && filters.iter().all(|filter| passes(filter, None, value))
    });
    let found = found.map(|(name, id)| {
        AvailabilityZone::builder()
            .state(AvailabilityZoneState::Available)
            .opt_in_status(AvailabilityZoneOptInStatus::OptInNotRequired)
            .region_name(&call.region)
            .zone_name(name)
            .zone_id(id)
            .group_name(format!("{}-zg-1", call.region))
            .network_border_group(&call.region)
            .zone_type("availability-zone")
            .build()
    });
    Ok(DescribeAvailabilityZonesOutput::builder().set_availability_zones(Some(found.collect())).build())
}

pub(super) fn describe_regions(
    _world: &mut World,
    _call: &Call,
    input: &DescribeRegionsInput,
) -> Answer<DescribeRegionsOutput> {
    unless_dry_run(input.dry_run)?;
    let filters = input.filters.as_deref().unwrap_or_default();
    check_filter_names(filters, &["endpoint", "opt-in-status", "region-name"])?;
    let names = ids(&input.region_names);
    if let Some(unknown) = names.iter().find(|name| !REGIONS.iter().any(|known| known.0 == name.as_str())) {
        return Err(invalid(format!("Invalid region: [{unknown}]")));
    }
    let found = REGIONS.iter().filter_map(|Known(name, _, _, opt_in)| {
        let status = if *opt_in { "not-opted-in" } else { "opt-in-not-required" };
        let endpoint = format!("ec2.{name}.amazonaws.com");
        let value = |filter: &str| match filter {
            "endpoint" => one(&endpoint),
            "opt-in-status" => one(status),
            "region-name" => one(*name),
            _ => Vec::new(),
        };
        let asked = if names.is_empty() {
            !opt_in || input.all_regions == Some(true)
        } else {
            names.iter().any(|wanted| wanted == name)
        };
        let shown = asked && filters.iter().all(|filter| passes(filter, None, value));
        shown.then(|| SdkRegion::builder().region_name(*name).endpoint(&endpoint).opt_in_status(status).build())
    });
    Ok(DescribeRegionsOutput::builder().set_regions(Some(found.collect())).build())
}
