//! Route tables, routes and associations.
//!
//! CreateRouteTable, DescribeRouteTables, DeleteRouteTable; CreateRoute, ReplaceRoute, DeleteRoute; AssociateRouteTable,
//! ReplaceRouteTableAssociation, DisassociateRouteTable.

use aws_sdk_ec2::operation::associate_route_table::{AssociateRouteTableInput, AssociateRouteTableOutput};
use aws_sdk_ec2::operation::create_route::{CreateRouteInput, CreateRouteOutput};
use aws_sdk_ec2::operation::create_route_table::{CreateRouteTableInput, CreateRouteTableOutput};
use aws_sdk_ec2::operation::delete_route::{DeleteRouteInput, DeleteRouteOutput};
use aws_sdk_ec2::operation::delete_route_table::{DeleteRouteTableInput, DeleteRouteTableOutput};
use aws_sdk_ec2::operation::describe_route_tables::{DescribeRouteTablesInput, DescribeRouteTablesOutput};
use aws_sdk_ec2::operation::disassociate_route_table::{DisassociateRouteTableInput, DisassociateRouteTableOutput};
use aws_sdk_ec2::operation::replace_route::{ReplaceRouteInput, ReplaceRouteOutput};
use aws_sdk_ec2::operation::replace_route_table_association::{
    ReplaceRouteTableAssociationInput, ReplaceRouteTableAssociationOutput,
};
use aws_sdk_ec2::types::{
    Route as SdkRoute, RouteOrigin, RouteState, RouteTable as SdkRouteTable, RouteTableAssociation,
    RouteTableAssociationState, RouteTableAssociationStateCode,
};

use super::cidr::Cidr;
use super::kit::{
    Paging, Query, checked_token, combination, dependency, here, ids, invalid, maybe, missing, not_simulated, one,
    only_modelled, required, tags_for, unless_dry_run, yes_no,
};
use super::not_found;
use super::state::{Destination, Region, Route, RouteTable, SubnetAssociation, Target};
use crate::control::{Answer, Call, Refusal};
use crate::world::World;

/// Routes of a table, IPv4 and IPv6 separately; can be raised to 1000.
const ROUTES_PER_TABLE: usize = 50;

pub(super) fn create_route_table(
    world: &mut World,
    call: &Call,
    input: &CreateRouteTableInput,
) -> Answer<CreateRouteTableOutput> {
    let vpc_id = required(&input.vpc_id, "VpcId")?;
    let token = checked_token(input.client_token.as_deref())?;
    let tags = tags_for(&input.tag_specifications, &["route-table"], "route-table")?;
    let parameters = format!("{input:?}");
    let (quota, stale_ms, account) =
        (world.ec2.quotas.route_tables_per_vpc, world.stale_reads_ms, world.account.clone());
    let answer = |table| {
        CreateRouteTableOutput::builder().route_table(table).set_client_token(input.client_token.clone()).build()
    };
    let region = here(world, call);
    let before = region.made_before("CreateRouteTable", token, &parameters)?;
    if let Some(table) = before.and_then(|id| region.route_tables.get(&id)) {
        return Ok(answer(shown(region, table, call, &account)));
    }
    let cidr = region.vpc(vpc_id)?.cidr;
    if region.route_tables.values().filter(|table| table.vpc_id == vpc_id).count() >= quota {
        let message = "The maximum number of route tables has been reached.";
        return Err(Refusal::new("RouteTableLimitExceeded", message));
    }
    unless_dry_run(input.dry_run)?;
    let id = world.ec2_id("rtb");
    let table = RouteTable {
        id: id.clone(),
        vpc_id: vpc_id.to_owned(),
        main: None,
        associations: Vec::new(),
        routes: vec![Route { destination: Destination::Cidr(cidr), target: Target::Local }],
    };
    let region = here(world, call);
    region.born(&id, tags, call.now_ms, stale_ms);
    region.remember("CreateRouteTable", token, &parameters, &id);
    region.route_tables.insert(id.clone(), table);
    Ok(answer(shown(region, &region.route_tables[&id], call, &account)))
}

pub(super) fn describe_route_tables(
    world: &mut World,
    call: &Call,
    input: &DescribeRouteTablesInput,
) -> Answer<DescribeRouteTablesOutput> {
    const NAMES: &[&str] = &[
        "association.main",
        "association.route-table-association-id",
        "association.route-table-id",
        "association.subnet-id",
        "owner-id",
        "route-table-id",
        "route.destination-cidr-block",
        "route.destination-prefix-list-id",
        "route.gateway-id",
        "route.nat-gateway-id",
        "route.origin",
        "route.state",
        "vpc-id",
    ];
    unless_dry_run(input.dry_run)?;
    let account = world.account.clone();
    let region = here(world, call);
    let query = Query {
        kind: "table",
        ids: ids(&input.route_table_ids),
        filters: input.filters.as_deref().unwrap_or_default(),
        names: NAMES,
        now_ms: call.now_ms,
    };
    let found = query.run(region, &region.route_tables, |table, name| {
        let shown = || table.routes.iter().map(|route| shown_route(region, table, route, call.now_ms));
        match name {
            "association.main" if table.main.is_some() => yes_no(true),
            "association.main" => table.associations.iter().take(1).flat_map(|_| yes_no(false)).collect(),
            "association.route-table-association-id" => {
                table.main.iter().chain(table.associations.iter().map(|association| &association.id)).cloned().collect()
            }
            "association.route-table-id" => {
                maybe((table.main.is_some() || !table.associations.is_empty()).then_some(&table.id))
            }
            "association.subnet-id" => {
                table.associations.iter().map(|association| association.subnet_id.clone()).collect()
            }
            "owner-id" => one(&account),
            "route-table-id" => one(&table.id),
            "route.destination-cidr-block" => shown().filter_map(|route| route.destination_cidr_block).collect(),
            "route.destination-prefix-list-id" => {
                shown().filter_map(|route| route.destination_prefix_list_id).collect()
            }
            "route.gateway-id" => shown().filter_map(|route| route.gateway_id).collect(),
            "route.nat-gateway-id" => shown().filter_map(|route| route.nat_gateway_id).collect(),
            "route.origin" => shown().filter_map(|route| route.origin).map(|o| o.as_str().to_owned()).collect(),
            "route.state" => shown().filter_map(|route| route.state).map(|s| s.as_str().to_owned()).collect(),
            "vpc-id" => one(&table.vpc_id),
            _ => Vec::new(),
        }
    })?;
    let paging = Paging { sizes: 5..=100, ..Paging::of(input.max_results, input.next_token.as_deref()) };
    let (page, next) = paging.cut(found)?;
    let page = page.into_iter().map(|(_, table)| shown(region, table, call, &account)).collect();
    Ok(DescribeRouteTablesOutput::builder().set_route_tables(Some(page)).set_next_token(next).build())
}

pub(super) fn delete_route_table(
    world: &mut World,
    call: &Call,
    input: &DeleteRouteTableInput,
) -> Answer<DeleteRouteTableOutput> {
    let id = required(&input.route_table_id, "RouteTableId")?;
    let region = here(world, call);
    let table = region.table(id)?;
    if table.main.is_some() || !table.associations.is_empty() {
        return Err(dependency(format!("The routeTable '{id}' has dependencies and cannot be deleted.")));
    }
    unless_dry_run(input.dry_run)?;
    region.route_tables.remove(id);
    region.tags.remove(id);
    for endpoint in region.endpoints.values_mut() {
        endpoint.route_table_ids.retain(|table| table != id);
    }
    Ok(DeleteRouteTableOutput::builder().build())
}

/// The possible targets of a route, as a request names them.
#[derive(Default)]
struct Targets<'a> {
    gateway: Option<&'a str>,
    nat: Option<&'a str>,
    interface: Option<&'a str>,
    local: bool,
}

impl Targets<'_> {
    /// The one target, which must exist in the network of the table.
    fn resolve(&self, region: &Region, table: &RouteTable) -> Answer<Target> {
        let vpc_id = &table.vpc_id;
        let elsewhere = |what: &str, id: &str| {
            invalid(format!("route table {} and {what} {id} belong to different networks", table.id))
        };
        match (self.gateway, self.nat, self.interface, self.local) {
            (Some(id), None, None, false) => match region.internet_gateways.get(id) {
                None => Err(Refusal::new("InvalidGatewayID.NotFound", format!("The gateway ID '{id}' does not exist"))),
                Some(gateway) if gateway.vpc_id.as_ref() != Some(vpc_id) => Err(elsewhere("network gateway", id)),
                Some(_) => Ok(Target::InternetGateway(id.to_owned())),
            },
            (None, Some(id), None, false) => match region.nat_gateways.get(id) {
                Some(nat) if nat.vpc_id != *vpc_id => Err(elsewhere("NAT gateway", id)),
                Some(nat) if nat.deleted_ms.is_none() => Ok(Target::NatGateway(id.to_owned())),
                _ => {
                    let message = format!("The natGateway ID '{id}' does not exist");
                    Err(Refusal::new("InvalidNatGatewayID.NotFound", message))
                }
            },
            (None, None, Some(id), false) => match region.interfaces.get(id) {
                None => Err(not_found("interface", id)),
                Some(interface) if interface.vpc_id != *vpc_id => Err(elsewhere("interface", id)),
                Some(_) => Ok(Target::Interface(id.to_owned())),
            },
            (None, None, None, true) => Ok(Target::Local),
            (None, None, None, false) => Err(missing("GatewayId, NatGatewayId or another target")),
            _ => Err(combination("Exactly one target of the route must be specified")),
        }
    }
}

fn destination(cidr: &Option<String>, v6: &Option<String>, prefix_list: &Option<String>) -> Answer<Destination> {
    only_modelled(&[("DestinationIpv6CidrBlock", v6.is_some())])?;
    match (cidr, prefix_list) {
        (Some(text), None) => Cidr::parse(text).map(Destination::Cidr).ok_or_else(|| {
            invalid(format!(
                "Value ({text}) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block."
            ))
        }),
        (None, Some(list)) => Ok(Destination::PrefixList(list.clone())),
        (Some(_), Some(_)) => Err(combination("Exactly one destination of the route must be specified")),
        (None, None) => Err(missing("DestinationCidrBlock")),
    }
}

pub(super) fn create_route(world: &mut World, call: &Call, input: &CreateRouteInput) -> Answer<CreateRouteOutput> {
    only_modelled(&[
        ("VpcEndpointId", input.vpc_endpoint_id.is_some()),
        ("TransitGatewayId", input.transit_gateway_id.is_some()),
        ("LocalGatewayId", input.local_gateway_id.is_some()),
        ("CarrierGatewayId", input.carrier_gateway_id.is_some()),
        ("CoreNetworkArn", input.core_network_arn.is_some()),
        ("OdbNetworkArn", input.odb_network_arn.is_some()),
        ("EgressOnlyInternetGatewayId", input.egress_only_internet_gateway_id.is_some()),
        ("InstanceId", input.instance_id.is_some()),
        ("VpcPeeringConnectionId", input.vpc_peering_connection_id.is_some()),
        ("DestinationPrefixListId", input.destination_prefix_list_id.is_some()),
    ])?;
    let table_id = required(&input.route_table_id, "RouteTableId")?;
    let region = here(world, call);
    let table = region.table(table_id)?;
    let destination = destination(&input.destination_cidr_block, &input.destination_ipv6_cidr_block, &None)?;
    let targets = Targets {
        gateway: input.gateway_id.as_deref(),
        nat: input.nat_gateway_id.as_deref(),
        interface: input.network_interface_id.as_deref(),
        local: false,
    };
    let target = targets.resolve(region, table)?;
    if table.routes.iter().any(|route| route.destination == destination) {
        let message = format!("The route identified by {} already exists.", text(&destination));
        return Err(Refusal::new("RouteAlreadyExists", message));
    }
    if table.routes.len() >= ROUTES_PER_TABLE {
        return Err(Refusal::new("RouteLimitExceeded", "The maximum number of routes has been reached."));
    }
    unless_dry_run(input.dry_run)?;
    let table = region.route_tables.get_mut(table_id).expect("it was found above");
    table.routes.push(Route { destination, target });
    Ok(CreateRouteOutput::builder().r#return(true).build())
}

pub(super) fn replace_route(world: &mut World, call: &Call, input: &ReplaceRouteInput) -> Answer<ReplaceRouteOutput> {
    only_modelled(&[
        ("VpcEndpointId", input.vpc_endpoint_id.is_some()),
        ("TransitGatewayId", input.transit_gateway_id.is_some()),
        ("LocalGatewayId", input.local_gateway_id.is_some()),
        ("CarrierGatewayId", input.carrier_gateway_id.is_some()),
        ("CoreNetworkArn", input.core_network_arn.is_some()),
        ("OdbNetworkArn", input.odb_network_arn.is_some()),
        ("EgressOnlyInternetGatewayId", input.egress_only_internet_gateway_id.is_some()),
        ("InstanceId", input.instance_id.is_some()),
        ("VpcPeeringConnectionId", input.vpc_peering_connection_id.is_some()),
        ("DestinationPrefixListId", input.destination_prefix_list_id.is_some()),
    ])?;
    let table_id = required(&input.route_table_id, "RouteTableId")?;
    let region = here(world, call);
    let table = region.table(table_id)?;
    let destination = destination(&input.destination_cidr_block, &input.destination_ipv6_cidr_block, &None)?;
    let targets = Targets {
        gateway: input.gateway_id.as_deref(),
        nat: input.nat_gateway_id.as_deref(),
        interface: input.network_interface_id.as_deref(),
        local: input.local_target == Some(true),
    };
    let target = targets.resolve(region, table)?;
    let at = table.routes.iter().position(|route| route.destination == destination).ok_or_else(|| {
        let destination = text(&destination);
        invalid(format!("There is no route defined for '{destination}' in the route table. Use CreateRoute instead."))
    })?;
    if table.routes[at].target == Target::Local && target != Target::Local {
        return Err(not_simulated("another target of the local route"));
    }
    unless_dry_run(input.dry_run)?;
    region.route_tables.get_mut(table_id).expect("it was found above").routes[at].target = target;
    Ok(ReplaceRouteOutput::builder().build())
}

pub(super) fn delete_route(world: &mut World, call: &Call, input: &DeleteRouteInput) -> Answer<DeleteRouteOutput> {
    let table_id = required(&input.route_table_id, "RouteTableId")?;
    let region = here(world, call);
    let table = region.table(table_id)?;
    let destination = destination(
        &input.destination_cidr_block,
        &input.destination_ipv6_cidr_block,
        &input.destination_prefix_list_id,
    )?;
    let at = table.routes.iter().position(|route| route.destination == destination).ok_or_else(|| {
        let destination = text(&destination);
        let message = format!("no route with destination-cidr-block {destination} in route table {table_id}");
        Refusal::new("InvalidRoute.NotFound", message)
    })?;
    match &table.routes[at].target {
        Target::Local => {
            let destination = text(&destination);
            return Err(invalid(format!("cannot remove local route {destination} in route table {table_id}")));
        }
        Target::Endpoint(id) => {
            return Err(invalid(format!("cannot remove VPC endpoint route {id} in route table {table_id}")));
        }
        _ => {}
    }
    unless_dry_run(input.dry_run)?;
    region.route_tables.get_mut(table_id).expect("it was found above").routes.remove(at);
    Ok(DeleteRouteOutput::builder().build())
}

pub(super) fn associate_route_table(
    world: &mut World,
    call: &Call,
    input: &AssociateRouteTableInput,
) -> Answer<AssociateRouteTableOutput> {
    only_modelled(&[("GatewayId", input.gateway_id.is_some()), ("PublicIpv4Pool", input.public_ipv4_pool.is_some())])?;
    let table_id = required(&input.route_table_id, "RouteTableId")?;
    let subnet_id = required(&input.subnet_id, "SubnetId")?;
    let region = here(world, call);
    let (table, subnet) = (region.table(table_id)?, region.subnet(subnet_id)?);
    if table.vpc_id != subnet.vpc_id {
        return Err(invalid(format!("Route table {table_id} and subnet {subnet_id} belong to different networks")));
    }
    let has_one = region.route_tables.values().any(|t| t.associations.iter().any(|a| a.subnet_id == subnet_id));
    if has_one {
        let message =
            format!("the specified association for route table {table_id} conflicts with an existing association");
        return Err(Refusal::new("Resource.AlreadyAssociated", message));
    }
    unless_dry_run(input.dry_run)?;
    let id = world.ec2_id("rtbassoc");
    let table = here(world, call).route_tables.get_mut(table_id).expect("it was found above");
    table.associations.push(SubnetAssociation { id: id.clone(), subnet_id: subnet_id.to_owned() });
    Ok(AssociateRouteTableOutput::builder().association_id(id).association_state(associated()).build())
}

pub(super) fn replace_route_table_association(
    world: &mut World,
    call: &Call,
    input: &ReplaceRouteTableAssociationInput,
) -> Answer<ReplaceRouteTableAssociationOutput> {
    let old_id = required(&input.association_id, "AssociationId")?;
    let table_id = required(&input.route_table_id, "RouteTableId")?;
    let region = here(world, call);
    let new_table = region.table(table_id)?;
    let old_table = region
        .route_tables
        .values()
        .find(|table| table.main.as_deref() == Some(old_id) || table.associations.iter().any(|a| a.id == old_id))
        .ok_or_else(|| not_found("association", old_id))?;
    if old_table.vpc_id != new_table.vpc_id {
        return Err(invalid(format!("Route table {table_id} and the association belong to different networks")));
    }
    unless_dry_run(input.dry_run)?;
    let old_table_id = old_table.id.clone();
    let id = world.ec2_id("rtbassoc");
    let tables = &mut here(world, call).route_tables;
    let old = tables.get_mut(&old_table_id).expect("it was found above");
    let moved = old.associations.iter().position(|a| a.id == old_id).map(|at| old.associations.remove(at));
    if moved.is_none() {
        old.main = None;
    }
    let new = tables.get_mut(table_id).expect("it was found above");
    match moved {
        Some(association) => new.associations.push(SubnetAssociation { id: id.clone(), ..association }),
        None => new.main = Some(id.clone()),
    }
    Ok(ReplaceRouteTableAssociationOutput::builder().new_association_id(id).association_state(associated()).build())
}

pub(super) fn disassociate_route_table(
    world: &mut World,
    call: &Call,
    input: &DisassociateRouteTableInput,
) -> Answer<DisassociateRouteTableOutput> {
    let id = required(&input.association_id, "AssociationId")?;
    let tables = &mut here(world, call).route_tables;
    if tables.values().any(|table| table.main.as_deref() == Some(id)) {
        return Err(invalid(format!("cannot disassociate the main route table association {id}")));
    }
    let table = tables.values_mut().find(|table| table.associations.iter().any(|a| a.id == id));
    let table = table.ok_or_else(|| not_found("association", id))?;
    unless_dry_run(input.dry_run)?;
    table.associations.retain(|association| association.id != id);
    Ok(DisassociateRouteTableOutput::builder().build())
}

fn associated() -> RouteTableAssociationState {
    RouteTableAssociationState::builder().state(RouteTableAssociationStateCode::Associated).build()
}

fn text(destination: &Destination) -> String {
    match destination {
        Destination::Cidr(cidr) => cidr.to_string(),
        Destination::PrefixList(list) => list.clone(),
    }
}

fn shown_route(region: &Region, table: &RouteTable, route: &Route, now_ms: u64) -> SdkRoute {
    let state = if region.is_active(table, route, now_ms) { RouteState::Active } else { RouteState::Blackhole };
    let mut shown = SdkRoute::builder().state(state).origin(RouteOrigin::CreateRoute);
    shown = match &route.destination {
        Destination::Cidr(cidr) => shown.destination_cidr_block(cidr.to_string()),
        Destination::PrefixList(list) => shown.destination_prefix_list_id(list),
    };
    shown = match &route.target {
        Target::Local => shown.gateway_id("local").origin(RouteOrigin::CreateRouteTable),
        Target::InternetGateway(id) | Target::Endpoint(id) => shown.gateway_id(id),
        Target::NatGateway(id) => shown.nat_gateway_id(id),
        Target::Interface(id) => shown.network_interface_id(id),
    };
    shown.build()
}

fn shown(region: &Region, table: &RouteTable, call: &Call, account: &str) -> SdkRouteTable {
    let association = |id: &str| {
        RouteTableAssociation::builder()
            .route_table_association_id(id)
            .route_table_id(&table.id)
            .association_state(associated())
    };
    let main = table.main.iter().map(|id| association(id).main(true).build());
    let subnets = table.associations.iter().map(|a| association(&a.id).main(false).subnet_id(&a.subnet_id).build());
    let routes = table.routes.iter().map(|route| shown_route(region, table, route, call.now_ms));
    SdkRouteTable::builder()
        .route_table_id(&table.id)
        .vpc_id(&table.vpc_id)
        .owner_id(account)
        .set_associations(Some(main.chain(subnets).collect()))
        .set_routes(Some(routes.collect()))
        .set_propagating_vgws(Some(Vec::new()))
        .set_tags(Some(region.tag_list(&table.id)))
        .build()
}

impl Region {
    /// A route table that must be there.
    pub(super) fn table(&self, id: &str) -> Answer<&RouteTable> {
        self.route_tables.get(id).ok_or_else(|| not_found("table", id))
    }
}
