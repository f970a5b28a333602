//! `aws.ec2.route`: one line of a route table.
//!
//! API: CreateRoute, ReplaceRoute, DescribeRouteTables, DeleteRoute (EC2 2016-11-15). Find: by table and destination.
//! Change: the target in place and without a gap, the rest replaces. Delete: before the target.

use aws_sdk_ec2::types::{Route as Described, RouteOrigin};
use dr_core::{
    Anywhere, Cidr, CloudError, Cx, Found, Health, Input, Inputs, IntoInput, Lifecycle, Prior, Region, Resource, Scan,
    Wanted,
};

use super::route_table::tables_with;
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{InternetGatewayId, NatGatewayId, RouteTableId};
use crate::read::found_by_key;

/// One line of a route table: packets to these addresses go there.
///
/// A NAT gateway need only be accepted, not available, so the route does not wait for it; whatever needs the way out has to
/// come after both.
///
/// - Inputs: the table and the destination (`0.0.0.0/0` by default), which replace, the old one first; the target, in place.
/// - Ready: at once.
/// - Calls: CreateRoute, ReplaceRoute, DescribeRouteTables, DeleteRoute.
/// - AWS: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateRoute.html>
#[derive(Debug, Clone, Resource)]
#[resource(type = "aws.ec2.route", create_s = 1, delete_s = 1, replacement = "delete-first")]
pub struct Route<R: Region = Anywhere> {
    /// The table.
    #[input(replace)]
    table: Input<RouteTableId<R>>,
    /// The destination; `0.0.0.0/0` is everything that no other line names.
    #[input(replace)]
    destination: Cidr,
    /// Where packets go.
    #[input(nested, accepted)]
    target: RouteTarget<R>,
}

/// Where packets of a route go.
#[derive(Debug, Clone, Inputs)]
#[non_exhaustive]
pub enum RouteTarget<R: Region = Anywhere> {
    /// To the Internet and back; give it the gateway of the attachment, so that it is attached by then.
    Gateway(Input<InternetGatewayId<R>>),
    /// To the Internet by a NAT gateway.
    Nat(Input<NatGatewayId<R>>),
    /// To something else that somebody set: a peering connection, a transit gateway, an interface.
    Other(String),
}

/// Everything.
const ALL: Cidr = dr_core::cidr!("0.0.0.0/0");

impl<R: Region> Route<R> {
    /// Everything else goes to an internet gateway: what makes a subnet public.
    pub fn to_gateway(table: impl IntoInput<RouteTableId<R>>, gateway: impl IntoInput<InternetGatewayId<R>>) -> Self {
        Route { table: table.into_input(), destination: ALL, target: RouteTarget::Gateway(gateway.into_input()) }
    }

    /// Everything else goes to a NAT gateway: what gives a private subnet its way out.
    pub fn to_nat(table: impl IntoInput<RouteTableId<R>>, nat: impl IntoInput<NatGatewayId<R>>) -> Self {
        Route { table: table.into_input(), destination: ALL, target: RouteTarget::Nat(nat.into_input()) }
    }

    /// These addresses only, instead of everything.
    #[must_use]
    pub fn destination(mut self, destination: Cidr) -> Self {
        self.destination = destination;
        self
    }
}

/// The target of a described route, by the id that it has.
fn target(route: &Described) -> RouteTargetArgs {
    if let Some(nat) = route.nat_gateway_id() {
        return RouteTargetArgs::Nat(NatGatewayId::literal(nat));
    }
    match route.gateway_id() {
        Some(gateway) if gateway.starts_with("igw-") => RouteTargetArgs::Gateway(InternetGatewayId::literal(gateway)),
        gateway => {
            let others = [
                gateway,
                route.transit_gateway_id(),
                route.vpc_peering_connection_id(),
                route.network_interface_id(),
                route.instance_id(),
                route.local_gateway_id(),
                route.carrier_gateway_id(),
                route.core_network_arn(),
            ];
            RouteTargetArgs::Other(others.into_iter().flatten().next().unwrap_or_default().to_owned())
        }
    }
}

/// The ids of the target, as the gateway and the NAT gateway of a call.
fn ids(target: &RouteTargetArgs) -> (Option<String>, Option<String>) {
    match target {
        RouteTargetArgs::Gateway(gateway) => (Some(gateway.to_string()), None),
        RouteTargetArgs::Nat(nat) => (None, Some(nat.to_string())),
        RouteTargetArgs::Other(other) => (Some(other.clone()), None),
    }
}

impl Lifecycle for Route {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let tables = tables_with(scan, wanted.iter().map(|want| want.args.table.as_str())).await?;
        let describe = |want: &Wanted<Self>| {
            let RouteArgs { table, destination, .. } = &want.args;
            let mut all = tables.iter().flat_map(|tables| tables.iter());
            let described = all.find(|described| described.route_table_id() == Some(table.as_str()))?;
            let route = described.routes().iter().find(|route| {
                let destination_of = route.destination_cidr_block().and_then(|cidr| cidr.parse::<Cidr>().ok());
                // The route inside the VPC comes with the table and is nobody's.
                destination_of == Some(*destination) && route.origin() != Some(&RouteOrigin::CreateRouteTable)
            })?;
            let args = RouteArgs { table: table.clone(), destination: *destination, target: target(route) };
            Some(found_by_key(want, args, (), Health::Ready))
        };
        Ok(wanted.iter().filter_map(describe).collect())
    }

    async fn create(cx: &Cx<Aws>, args: &RouteArgs) -> Result<(), CloudError> {
        let (gateway, nat) = ids(&args.target);
        let request = cx.cloud.ec2(&cx.owner.region).create_route().route_table_id(args.table.as_str());
        let request = request.destination_cidr_block(args.destination.to_string());
        request.set_gateway_id(gateway).set_nat_gateway_id(nat).send().await.call("ec2:CreateRoute").map(drop)
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, args: &RouteArgs) -> Result<(), CloudError> {
        if args.target == prior.args.target {
            return Ok(());
        }
        let (gateway, nat) = ids(&args.target);
        let request = cx.cloud.ec2(&cx.owner.region).replace_route().route_table_id(args.table.as_str());
        let request = request.destination_cidr_block(args.destination.to_string());
        request.set_gateway_id(gateway).set_nat_gateway_id(nat).send().await.call("ec2:ReplaceRoute").map(drop)
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let RouteArgs { table, destination, .. } = &prior.args;
        let request = cx.cloud.ec2(&cx.owner.region).delete_route().route_table_id(table.as_str());
        let request = request.destination_cidr_block(destination.to_string());
        request.send().await.call("ec2:DeleteRoute").gone_ok().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::Client;
    use aws_smithy_mocks::mock;
    use dr_core::Class;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    #[test]
    fn a_target_is_known_by_its_id_and_what_others_set_is_seen_as_theirs() {
        let route = Described::builder;
        let nat = route().nat_gateway_id("nat-1").build();
        assert_eq!(target(&nat), RouteTargetArgs::Nat(NatGatewayId::literal("nat-1")));
        let gateway = route().gateway_id("igw-1").build();
        assert_eq!(target(&gateway), RouteTargetArgs::Gateway(InternetGatewayId::literal("igw-1")));
        let peering = route().vpc_peering_connection_id("pcx-1").build();
        assert_eq!(target(&peering), RouteTargetArgs::Other("pcx-1".to_owned()));
        let endpoint = route().gateway_id("vpce-1").build();
        assert_eq!(target(&endpoint), RouteTargetArgs::Other("vpce-1".to_owned()));
    }

    fn prior() -> Prior<Route> {
        let (table, target) = (RouteTableId::literal("rtb-1"), RouteTargetArgs::Nat(NatGatewayId::literal("nat-1")));
        Prior { args: RouteArgs { table, destination: ALL, target }, outputs: () }
    }

    #[tokio::test]
    async fn a_destination_that_is_taken_is_looked_at_and_a_new_target_waited_for() {
        for (code, class) in [
            ("RouteAlreadyExists", Class::Exists),
            ("InvalidNatGatewayID.NotFound", Class::Eventual),
            ("InvalidGatewayID.NotFound", Class::Eventual),
            ("InvalidRouteTableID.NotFound", Class::Eventual),
            // What CreateRoute says about a table that is a moment old.
            ("InvalidParameterException", Class::Eventual),
            ("RouteLimitExceeded", Class::Permanent),
        ] {
            let refused = refused(mock!(Client::create_route), code, "");
            assert_eq!(outcome(Route::create(&cx(&[&refused]), &prior().args).await), Err(class), "{code}");
        }
    }

    #[tokio::test]
    async fn a_route_that_is_gone_is_deleted_with_or_without_its_table() {
        for code in ["InvalidRoute.NotFound", "InvalidRouteTableID.NotFound"] {
            let gone = refused(mock!(Client::delete_route), code, "");
            assert_eq!(outcome(Route::delete(&cx(&[&gone]), &prior()).await), Ok(()), "{code}");
        }
    }

    #[tokio::test]
    async fn a_new_gateway_is_waited_for_when_a_route_is_turned_to_it() {
        let args = RouteArgs { target: RouteTargetArgs::Nat(NatGatewayId::literal("nat-2")), ..prior().args };
        let unknown = refused(mock!(Client::replace_route), "InvalidNatGatewayID.NotFound", "");
        assert_eq!(outcome(Route::update(&cx(&[&unknown]), &prior(), &args).await), Err(Class::Eventual));
    }
}
