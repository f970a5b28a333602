//! VPC links: `PENDING` → `AVAILABLE` → `INACTIVE` after 60 days without traffic; `DELETING` → gone.

use std::collections::BTreeSet;

use aws_sdk_apigatewayv2::operation::create_vpc_link::{CreateVpcLinkError, CreateVpcLinkInput, CreateVpcLinkOutput};
use aws_sdk_apigatewayv2::operation::delete_vpc_link::{DeleteVpcLinkError, DeleteVpcLinkInput, DeleteVpcLinkOutput};
use aws_sdk_apigatewayv2::operation::get_vpc_link::{GetVpcLinkError, GetVpcLinkInput, GetVpcLinkOutput};
use aws_sdk_apigatewayv2::operation::get_vpc_links::{GetVpcLinksError, GetVpcLinksInput, GetVpcLinksOutput};
use aws_sdk_apigatewayv2::operation::update_vpc_link::{UpdateVpcLinkError, UpdateVpcLinkInput, UpdateVpcLinkOutput};
use aws_sdk_apigatewayv2::types::{VpcLink as SdkVpcLink, VpcLinkStatus, VpcLinkVersion};

use super::{IDLE_MAX_MS, SERVICE, VpcLink, bad, checked_name, checked_tags, date, hash_map, id, limit, missing, page};
use crate::control::{Answer, Call, Table, ec2};
use crate::data::Moment;
use crate::latency::Slow;
use crate::world::World;

/// VPC links per account and region (AWS default quota).
const LINKS_MAX: usize = 10;
/// Subnets per VPC link.
const SUBNETS_MAX: usize = 10;
/// Zones without VPC links: the table of <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-vpc-links-v2.html>
/// leaves them out.
const UNSUPPORTED_ZONES: &[&str] =
    &["ape1-az1", "apne1-az3", "apne2-az4", "cac1-az4", "euw3-az2", "use1-az3", "usw1-az2"];
/// What DescribeNetworkInterfaces shows.
const DESCRIPTION: &str = "ENI managed by APIGateway";
const KIND: &str = "api_gateway_managed";

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "CreateVpcLink", CreateVpcLinkError::generic, create);
    table.on(SERVICE, "GetVpcLink", GetVpcLinkError::generic, get);
    table.on(SERVICE, "GetVpcLinks", GetVpcLinksError::generic, list);
    table.on(SERVICE, "UpdateVpcLink", UpdateVpcLinkError::generic, update);
    table.on(SERVICE, "DeleteVpcLink", DeleteVpcLinkError::generic, delete);
}

macro_rules! describe {
    ($builder:expr, $link:expr, $now_ms:expr) => {{
        let link: &VpcLink = $link;
        let status = link.status(&Moment::at($now_ms)).unwrap_or("DELETING");
        $builder
            .created_date(date(link.created_ms))
            .name(&link.name)
            .set_security_group_ids(Some(link.security_group_ids.clone()))
            .set_subnet_ids(Some(link.subnet_ids.clone()))
            .set_tags(Some(hash_map(&link.tags)))
            .vpc_link_id(&link.id)
            .vpc_link_status(VpcLinkStatus::from(status))
            .vpc_link_status_message(match status {
                "PENDING" => "VPC link is provisioning ENIs",
                "AVAILABLE" => "VPC link is ready to route traffic",
                "INACTIVE" => "VPC link has had no traffic for 60 days and its ENIs are deleted",
                _ => "VPC link is deleting",
            })
            .vpc_link_version(VpcLinkVersion::V2)
            .build()
    }};
}

/// The link with this id in the region of the call, unless it is gone.
fn existing<'a>(world: &'a mut World, call: &Call, id: Option<&str>) -> Answer<&'a mut VpcLink> {
    let id = id.unwrap_or_default();
    let at = Moment::at(call.now_ms);
    let found = world.apigatewayv2.links.get_mut(id);
    let found = found.filter(|link| link.region == call.region && link.status(&at).is_some());
    found.ok_or_else(|| missing(format!("VpcLink Id {id} not found")))
}

/// Whether an integration may name the link.
pub(super) fn usable(world: &World, call: &Call, id: &str) -> bool {
    world.apigatewayv2.links.get(id).is_some_and(|link| link.region == call.region && link.gone_ms.is_none())
}

fn create(world: &mut World, call: &Call, input: &CreateVpcLinkInput) -> Answer<CreateVpcLinkOutput> {
    let name = checked_name("VPC link", input.name())?;
    let tags = checked_tags(input.tags())?;
    let (subnet_ids, groups) = (input.subnet_ids(), input.security_group_ids());
    if subnet_ids.is_empty() || subnet_ids.len() > SUBNETS_MAX {
        return Err(bad(format!("A VPC link needs 1 to {SUBNETS_MAX} subnets")));
    }
    if subnet_ids.iter().collect::<BTreeSet<_>>().len() < subnet_ids.len() {
        return Err(bad("The subnets of a VPC link must be distinct"));
    }
    let mut vpc_id = String::new();
    for id in subnet_ids {
        let subnet =
            ec2::subnet(world, &call.region, id).ok_or_else(|| bad(format!("The subnet ID '{id}' does not exist")))?;
        if !vpc_id.is_empty() && vpc_id != subnet.vpc_id {
            return Err(bad("The subnets of a VPC link must be in one VPC"));
        }
        if UNSUPPORTED_ZONES.contains(&subnet.zone_id.as_str()) {
            return Err(bad(format!(
                "Subnet '{id}' is in Availability Zone '{}' where service is not available",
                subnet.zone_id
            )));
        }
        vpc_id.clone_from(&subnet.vpc_id);
    }
    for id in groups {
        match ec2::security_group(world, &call.region, id) {
            None => return Err(bad(format!("The security group '{id}' does not exist"))),
            Some(group) if group.vpc_id != vpc_id => {
                return Err(bad(format!("The security group '{id}' is in another VPC")));
            }
            Some(_) => {}
        }
    }
    let at = Moment::at(call.now_ms);
    let here = |link: &&VpcLink| link.region == call.region && link.status(&at).is_some();
    if world.apigatewayv2.links.values().filter(here).count() >= LINKS_MAX {
        return Err(limit("Maximum number of VPC links for this account has been reached"));
    }

    let takes_ms = world.latency(Slow::VpcLinkCreate);
    let ready_ms = call.now_ms + takes_ms;
    let mut link = VpcLink {
        id: id(world, 6),
        name,
        region: call.region.clone(),
        vpc_id,
        subnet_ids: subnet_ids.to_vec(),
        security_group_ids: groups.to_vec(),
        enis: Vec::new(),
        created_ms: call.now_ms,
        ready_ms,
        used_ms: ready_ms,
        gone_ms: None,
        tags,
    };
    link.enis = attach(world, &link)?;
    let output = describe!(CreateVpcLinkOutput::builder(), &link, call.now_ms);
    world.apigatewayv2.links.insert(link.id.clone(), link);
    Ok(output)
}

/// Puts an interface into each subnet; they go by themselves when the link falls asleep.
fn attach(world: &mut World, link: &VpcLink) -> Answer<Vec<String>> {
    let groups = if link.security_group_ids.is_empty() {
        ec2::default_security_group(world, &link.region, &link.vpc_id).into_iter().collect()
    } else {
        link.security_group_ids.clone()
    };
    let mut enis = Vec::new();
    for subnet in &link.subnet_ids {
        let eni = ec2::attach_eni(world, &link.region, subnet, &groups, DESCRIPTION, KIND)
            .map_err(|refusal| bad(refusal.message))?;
        ec2::release_eni_at(world, &link.region, &eni, link.used_ms + IDLE_MAX_MS);
        enis.push(eni);
    }
    Ok(enis)
}

/// Tells a link that a request came its way: it stays awake for another 60 days, or wakes up, which takes minutes.
pub(crate) fn note_traffic(world: &mut World, link_id: &str, now_ms: u64) {
    let at = Moment::at(now_ms);
    let Some(link) = world.apigatewayv2.links.get_mut(link_id) else { return };
    match link.status(&at) {
        Some("AVAILABLE") => {
            link.used_ms = link.used_ms.max(now_ms);
            let (region, enis, asleep_ms) = (link.region.clone(), link.enis.clone(), link.used_ms + IDLE_MAX_MS);
            for eni in &enis {
                ec2::release_eni_at(world, &region, eni, asleep_ms);
            }
        }
        Some("INACTIVE") => {
            let ready_ms = now_ms + world.latency(Slow::VpcLinkCreate);
            let Some(link) = world.apigatewayv2.links.get_mut(link_id) else { return };
            (link.ready_ms, link.used_ms) = (ready_ms, ready_ms);
            let link = link.clone();
            // Without its subnets or groups a link cannot wake up; it stays without interfaces.
            let enis = attach(world, &link).unwrap_or_default();
            if let Some(link) = world.apigatewayv2.links.get_mut(link_id) {
                link.enis = enis;
            }
        }
        _ => {}
    }
}

fn get(world: &mut World, call: &Call, input: &GetVpcLinkInput) -> Answer<GetVpcLinkOutput> {
    Ok(describe!(GetVpcLinkOutput::builder(), existing(world, call, input.vpc_link_id())?, call.now_ms))
}

fn list(world: &mut World, call: &Call, input: &GetVpcLinksInput) -> Answer<GetVpcLinksOutput> {
    let at = Moment::at(call.now_ms);
    world.apigatewayv2.links.retain(|_, link| link.status(&at).is_some());
    let here = world.apigatewayv2.links.values().filter(|link| link.region == call.region);
    let items = here.map(|link| (link.id.clone(), describe!(SdkVpcLink::builder(), link, call.now_ms))).collect();
    let (items, next) = page(items, input.max_results(), input.next_token())?;
    Ok(GetVpcLinksOutput::builder().set_items(Some(items)).set_next_token(next).build())
}

fn update(world: &mut World, call: &Call, input: &UpdateVpcLinkInput) -> Answer<UpdateVpcLinkOutput> {
    let name = input.name().map(|name| checked_name("VPC link", Some(name))).transpose()?;
    let link = existing(world, call, input.vpc_link_id())?;
    if let Some(name) = name {
        link.name = name;
    }
    Ok(describe!(UpdateVpcLinkOutput::builder(), link, call.now_ms))
}

fn delete(world: &mut World, call: &Call, input: &DeleteVpcLinkInput) -> Answer<DeleteVpcLinkOutput> {
    let link = existing(world, call, input.vpc_link_id())?.clone();
    if link.gone_ms.is_some() {
        return Ok(DeleteVpcLinkOutput::builder().build());
    }
    let users: Vec<&str> = world
        .apigatewayv2
        .apis
        .values()
        .filter(|api| api.model.integrations.values().any(|i| i.link.as_deref() == Some(&link.id)))
        .map(|api| api.id.as_str())
        .collect();
    if !users.is_empty() {
        return Err(bad(format!("VPC link '{}' is used by integrations of the APIs {}", link.id, users.join(", "))));
    }
    let gone_ms = call.now_ms + world.latency(Slow::VpcLinkDelete);
    for eni in &link.enis {
        ec2::release_eni_at(world, &call.region, eni, gone_ms);
    }
    existing(world, call, input.vpc_link_id())?.gone_ms = Some(gone_ms);
    Ok(DeleteVpcLinkOutput::builder().build())
}
