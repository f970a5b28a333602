//! `aws.ec2.route_table` and `aws.ec2.route_table_association`: where packets of a subnet go.
//!
//! API: CreateRouteTable, DescribeRouteTables, DeleteRouteTable, AssociateRouteTable, ReplaceRouteTableAssociation,
//! DisassociateRouteTable (EC2 2016-11-15). Find: the table by tags, the association by its subnet; one call answers for both
//! and for the routes, and one more for tables that are not the stack's. Change: `vpc` and `subnet` replace, the table of an association in place.
//! Delete: associations before their table.

use std::sync::Arc;

use aws_sdk_ec2::types::{Filter, ResourceType, RouteTable as Described};
use dr_core::{
    Anywhere, CloudError, Cx, Found, Health, Input, IntoInput, Lifecycle, Outputs, Prior, Region, Resource, Scan,
    Wanted,
};

use super::{adopt, foreign, of_others, owned, owned_by, specification, sync_tags};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{RouteTableAssociationId, RouteTableId, SubnetId, VpcId};
use crate::read::{Promised as _, found, found_by_key};

/// A set of routes, for the subnets that are associated with it. AWS puts the route inside the VPC in by itself.
///
/// - Inputs: the VPC (replaces).
/// - Ready: at once.
/// - Calls: CreateRouteTable, DescribeRouteTables, DeleteRouteTable.
/// - AWS: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateRouteTable.html>
#[derive(Debug, Clone, Resource)]
#[resource(type = "aws.ec2.route_table", outputs = RouteTableOutputs, create_s = 1, delete_s = 1)]
pub struct RouteTable<R: Region = Anywhere> {
    /// The network that it is a part of.
    #[input(replace)]
    vpc: Input<VpcId<R>>,
}

/// What is known of a route table once it exists.
#[derive(Debug, Clone, PartialEq, Outputs)]
pub struct RouteTableOutputs<R: Region = Anywhere> {
    /// `rtb-…`
    pub id: RouteTableId<R>,
}

impl<R: Region> RouteTable<R> {
    /// A table with the route inside the VPC only.
    pub fn new(vpc: impl IntoInput<VpcId<R>>) -> Self {
        RouteTable { vpc: vpc.into_input() }
    }
}

/// Makes a subnet use a route table; without, it uses the main one of its VPC.
///
/// A subnet has one association at most. Another table takes over in place, without a gap.
///
/// - Inputs: the table (in place) and the subnet (replaces, the old one first).
/// - Ready: at once.
/// - Calls: AssociateRouteTable, ReplaceRouteTableAssociation, DescribeRouteTables, DisassociateRouteTable.
/// - AWS: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateRouteTable.html>
#[derive(Debug, Clone, Resource)]
#[resource(
    type = "aws.ec2.route_table_association", outputs = RouteTableAssociationOutputs, create_s = 1, delete_s = 1,
    replacement = "delete-first"
)]
pub struct RouteTableAssociation<R: Region = Anywhere> {
    /// The table.
    table: Input<RouteTableId<R>>,
    /// Who uses it.
    #[input(replace)]
    subnet: Input<SubnetId<R>>,
}

/// What is known of an association once it exists.
#[derive(Debug, Clone, PartialEq, Outputs)]
pub struct RouteTableAssociationOutputs<R: Region = Anywhere> {
    /// `rtbassoc-…`; another one after another table took over.
    pub id: RouteTableAssociationId<R>,
}

impl<R: Region> RouteTableAssociation<R> {
    /// Makes the subnet use the table.
    pub fn new(table: impl IntoInput<RouteTableId<R>>, subnet: impl IntoInput<SubnetId<R>>) -> Self {
        RouteTableAssociation { table: table.into_input(), subnet: subnet.into_input() }
    }
}

const DESCRIBE: &str = "ec2:DescribeRouteTables";

async fn described(scan: &Scan<Aws>, filter: Filter) -> Result<Vec<Described>, CloudError> {
    let request = scan.cloud.ec2(&scan.region).describe_route_tables().filters(filter);
    request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.call(DESCRIBE)
}

/// The stack's route tables with their routes and associations: one call for three types.
pub(super) async fn tables(scan: &Scan<Aws>) -> Result<Arc<Vec<Described>>, CloudError> {
    scan.cloud.shared(scan, DESCRIBE, "", || described(scan, owned_by(&scan.stack))).await
}

/// The stack's route tables, and of the named ones those that are somebody else's: one call more, and only when there are any.
pub(super) async fn tables_with<'a>(
    scan: &Scan<Aws>,
    named: impl Iterator<Item = &'a str>,
) -> Result<[Arc<Vec<Described>>; 2], CloudError> {
    let own = tables(scan).await?;
    let ids = foreign(named, own.iter().map(Described::route_table_id));
    let others = of_others(scan, DESCRIBE, "route-table-id", &ids, |filter| described(scan, filter)).await?;
    Ok([own, others])
}

impl Lifecycle for RouteTable {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, _: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let describe = |table: &Described| {
            let owned = owned(&scan.stack, table.tags())?;
            let args = RouteTableArgs { vpc: VpcId::literal(table.vpc_id()?) };
            let outputs = RouteTableOutputs { id: RouteTableId::literal(table.route_table_id()?) };
            Some(found(owned, args, outputs, Health::Ready))
        };
        Ok(tables(scan).await?.iter().filter_map(describe).collect())
    }

    async fn create(cx: &Cx<Aws>, args: &RouteTableArgs) -> Result<RouteTableOutputs, CloudError> {
        const CALL: &str = "ec2:CreateRouteTable";
        let request = cx.cloud.ec2(&cx.owner.region).create_route_table().client_token(&cx.owner.token);
        let request = request.vpc_id(args.vpc.as_str());
        let request = request.tag_specifications(specification(&cx.owner, ResourceType::RouteTable));
        let answer = request.send().await.call(CALL)?;
        let id = answer.route_table.and_then(|table| table.route_table_id).promised(CALL, "the table")?;
        Ok(RouteTableOutputs { id: RouteTableId::literal(id) })
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, _: &RouteTableArgs) -> Result<RouteTableOutputs, CloudError> {
        sync_tags(cx, prior.outputs.id.as_str()).await?;
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let request = cx.cloud.ec2(&cx.owner.region).delete_route_table().route_table_id(prior.outputs.id.as_str());
        request.send().await.call("ec2:DeleteRouteTable").gone_ok().map(drop)
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        adopt(cx, current.outputs.id.as_str()).await
    }
}

impl Lifecycle for RouteTableAssociation {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let tables = tables_with(scan, wanted.iter().map(|want| want.args.table.as_str())).await?;
        let describe = |want: &Wanted<Self>| {
            let subnet = want.args.subnet.as_str();
            let of = |table: &Described| {
                table.associations().iter().find(|association| association.subnet_id() == Some(subnet)).cloned()
            };
            let association = tables.iter().flat_map(|tables| tables.iter()).find_map(of)?;
            let health =
                match association.association_state().and_then(|state| state.state()).map(|state| state.as_str()) {
                    Some("disassociated") => return None,
                    Some("associating") => Health::Pending,
                    Some("disassociating") => Health::Leaving,
                    Some("failed") => Health::Failed,
                    _ => Health::Ready,
                };
            let table = RouteTableId::literal(association.route_table_id()?);
            let args = RouteTableAssociationArgs { table, subnet: want.args.subnet.clone() };
            let id = RouteTableAssociationId::literal(association.route_table_association_id()?);
            Some(found_by_key(want, args, RouteTableAssociationOutputs { id }, health))
        };
        Ok(wanted.iter().filter_map(describe).collect())
    }

    async fn create(
        cx: &Cx<Aws>,
        args: &RouteTableAssociationArgs,
    ) -> Result<RouteTableAssociationOutputs, CloudError> {
        const CALL: &str = "ec2:AssociateRouteTable";
        let request = cx.cloud.ec2(&cx.owner.region).associate_route_table();
        let request = request.route_table_id(args.table.as_str()).subnet_id(args.subnet.as_str());
        let id = request.send().await.call(CALL)?.association_id.promised(CALL, "the association")?;
        Ok(RouteTableAssociationOutputs { id: RouteTableAssociationId::literal(id) })
    }

    async fn update(
        cx: &Cx<Aws>,
        prior: &Prior<Self>,
        args: &RouteTableAssociationArgs,
    ) -> Result<RouteTableAssociationOutputs, CloudError> {
        const CALL: &str = "ec2:ReplaceRouteTableAssociation";
        if args.table == prior.args.table {
            return Ok(prior.outputs.clone());
        }
        let request = cx.cloud.ec2(&cx.owner.region).replace_route_table_association();
        let request = request.association_id(prior.outputs.id.as_str()).route_table_id(args.table.as_str());
        let id = request.send().await.call(CALL)?.new_association_id.promised(CALL, "the new association")?;
        Ok(RouteTableAssociationOutputs { id: RouteTableAssociationId::literal(id) })
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let request =
            cx.cloud.ec2(&cx.owner.region).disassociate_route_table().association_id(prior.outputs.id.as_str());
        request.send().await.call("ec2:DisassociateRouteTable").gone_ok().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::Client;
    use aws_sdk_ec2::operation::describe_route_tables::{DescribeRouteTablesInput, DescribeRouteTablesOutput};
    use aws_sdk_ec2::types::{Route, RouteTableAssociation as RouteTableAssociationDescribed};
    use aws_smithy_mocks::{Rule, mock};
    use dr_core::Class;

    use super::super::{RouteArgs, RouteTargetArgs};
    use super::*;
    use crate::ids::NatGatewayId;
    use crate::testing::{cx, outcome, refused, scan_of};

    fn association() -> Prior<RouteTableAssociation> {
        let args =
            RouteTableAssociationArgs { table: RouteTableId::literal("rtb-1"), subnet: SubnetId::literal("subnet-1") };
        let outputs = RouteTableAssociationOutputs { id: RouteTableAssociationId::literal("rtbassoc-1") };
        Prior { args, outputs }
    }

    /// The stack owns no table; `rtb-1` is somebody else's, which only its id finds.
    fn account() -> [Rule; 2] {
        let by_id = |input: &DescribeRouteTablesInput| {
            input.filters().iter().any(|filter| filter.name() == Some("route-table-id") && filter.values() == ["rtb-1"])
        };
        let association = RouteTableAssociationDescribed::builder().subnet_id("subnet-1").route_table_id("rtb-1");
        let association = association.route_table_association_id("rtbassoc-1").build();
        let route = Route::builder().destination_cidr_block("0.0.0.0/0").nat_gateway_id("nat-1").build();
        let table = Described::builder().route_table_id("rtb-1").associations(association).routes(route).build();
        [
            mock!(Client::describe_route_tables)
                .match_requests(move |input| !by_id(input))
                .then_output(|| DescribeRouteTablesOutput::builder().build()),
            mock!(Client::describe_route_tables)
                .match_requests(by_id)
                .then_output(move || DescribeRouteTablesOutput::builder().route_tables(table.clone()).build()),
        ]
    }

    fn wanted<T: Resource>(args: T::Args) -> Wanted<T> {
        let Cx { owner, .. } = cx(&[]);
        let (address, generation, token) = (owner.address, owner.generation, owner.token);
        Wanted { address, generation, token, args, outputs: None }
    }

    #[tokio::test]
    async fn what_is_in_a_table_of_somebody_else_is_found_by_the_id_of_the_table() {
        let rules = account();
        let scan = scan_of(cx(&[&rules[0], &rules[1]]));
        let found = RouteTableAssociation::read(&scan, &[wanted(association().args)]).await.unwrap();
        assert_eq!((found[0].args.as_ref(), &found[0].outputs), (Some(&association().args), &association().outputs));
        let target = RouteTargetArgs::Nat(NatGatewayId::literal("nat-1"));
        let route =
            RouteArgs { table: RouteTableId::literal("rtb-1"), destination: dr_core::cidr!("0.0.0.0/0"), target };
        let found = super::super::Route::read(&scan, &[wanted(route.clone())]).await.unwrap();
        assert_eq!(found[0].args.as_ref(), Some(&route));
        assert_eq!(rules.map(|rule| rule.num_calls()), [1, 1]);
        // Nobody names a table that is not the stack's.
        let [own, others] = account();
        assert!(RouteTableAssociation::read(&scan_of(cx(&[&own, &others])), &[]).await.unwrap().is_empty());
        assert_eq!((own.num_calls(), others.num_calls()), (1, 0));
    }

    #[tokio::test]
    async fn a_subnet_with_a_table_already_is_looked_at_and_a_new_table_waited_for() {
        for (code, class) in [
            ("Resource.AlreadyAssociated", Class::Exists),
            ("InvalidRouteTableID.NotFound", Class::Eventual),
            ("InvalidRouteTableId.NotFound", Class::Eventual),
        ] {
            let refused = refused(mock!(Client::associate_route_table), code, "");
            let answer = RouteTableAssociation::create(&cx(&[&refused]), &association().args).await;
            assert_eq!(outcome(answer), Err(class), "{code}");
        }
    }

    #[tokio::test]
    async fn what_is_gone_is_deleted_and_a_table_that_a_subnet_uses_waits() {
        let gone = refused(mock!(Client::disassociate_route_table), "InvalidAssociationID.NotFound", "");
        assert_eq!(outcome(RouteTableAssociation::delete(&cx(&[&gone]), &association()).await), Ok(()));

        let args = RouteTableArgs { vpc: VpcId::literal("vpc-1") };
        let table = Prior { args, outputs: RouteTableOutputs { id: RouteTableId::literal("rtb-1") } };
        for (code, expected) in [
            ("InvalidRouteTableID.NotFound", Ok(())),
            ("InvalidRouteTableId.NotFound", Ok(())),
            ("DependencyViolation", Err(Class::Dependency)),
        ] {
            let refused = refused(mock!(Client::delete_route_table), code, "");
            assert_eq!(outcome(RouteTable::delete(&cx(&[&refused]), &table).await), expected, "{code}");
        }
    }
}
