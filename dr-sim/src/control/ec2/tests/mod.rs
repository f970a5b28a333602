//! EC2 operation by operation: what is accepted, what is refused and with which code, what takes time.

mod compute;
mod groups;
mod network;

use std::fmt::Debug;

use aws_sdk_ec2::operation::allocate_address::AllocateAddressInput;
use aws_sdk_ec2::operation::attach_internet_gateway::AttachInternetGatewayInput;
use aws_sdk_ec2::operation::create_internet_gateway::CreateInternetGatewayInput;
use aws_sdk_ec2::operation::create_nat_gateway::CreateNatGatewayInput;
use aws_sdk_ec2::operation::create_route_table::CreateRouteTableInput;
use aws_sdk_ec2::operation::create_security_group::CreateSecurityGroupInput;
use aws_sdk_ec2::operation::create_subnet::CreateSubnetInput;
use aws_sdk_ec2::operation::create_vpc::CreateVpcInput;
use aws_sdk_ec2::types::Filter;

use super::state::Region;
use super::{gateway, groups as group_calls, nat, routes, subnet, vpc};
use crate::clock::EPOCH_MS;
use crate::control::{Answer, Call};
use crate::world::World;

/// A world, a region and the time.
struct Lab {
    world: World,
    call: Call,
}

impl Lab {
    fn new() -> Self {
        let call = Call { region: "us-east-1".to_owned(), now_ms: EPOCH_MS };
        Lab { world: World::new(1), call }
    }

    fn wait_s(&mut self, seconds: u64) {
        self.call.now_ms += seconds * 1000;
    }

    fn region(&self) -> &Region {
        &self.world.ec2.regions[&self.call.region]
    }

    fn run<I, O, E: Debug>(
        &mut self,
        handler: fn(&mut World, &Call, &I) -> Answer<O>,
        input: Result<I, E>,
    ) -> Answer<O> {
        self.world.settle(self.call.now_ms);
        handler(&mut self.world, &self.call, &input.unwrap())
    }

    /// Runs what must succeed.
    fn ok<I, O, E: Debug>(&mut self, handler: fn(&mut World, &Call, &I) -> Answer<O>, input: Result<I, E>) -> O {
        self.run(handler, input).unwrap()
    }

    /// The code of what must be refused.
    fn code<I, O: Debug, E: Debug>(
        &mut self,
        handler: fn(&mut World, &Call, &I) -> Answer<O>,
        input: Result<I, E>,
    ) -> String {
        self.run(handler, input).unwrap_err().code
    }

    /// 10.0.0.0/16.
    fn vpc(&mut self) -> String {
        let answer = self.ok(vpc::create_vpc, CreateVpcInput::builder().cidr_block("10.0.0.0/16").build());
        answer.vpc.unwrap().vpc_id.unwrap()
    }

    /// 10.0.N.0/24 in a zone.
    fn subnet(&mut self, vpc: &str, n: u8, zone: &str) -> String {
        let input = CreateSubnetInput::builder().vpc_id(vpc).cidr_block(format!("10.0.{n}.0/24"));
        let answer = self.ok(subnet::create_subnet, input.availability_zone(format!("us-east-1{zone}")).build());
        answer.subnet.unwrap().subnet_id.unwrap()
    }

    fn internet_gateway(&mut self, vpc: &str) -> String {
        let made = self.ok(gateway::create_internet_gateway, CreateInternetGatewayInput::builder().build());
        let id = made.internet_gateway.unwrap().internet_gateway_id.unwrap();
        let attach = AttachInternetGatewayInput::builder().internet_gateway_id(&id).vpc_id(vpc).build();
        self.ok(gateway::attach_internet_gateway, attach);
        id
    }

    fn address(&mut self) -> String {
        let made = self.ok(gateway::allocate_address, AllocateAddressInput::builder().build());
        made.allocation_id.unwrap()
    }

    fn nat(&mut self, subnet: &str, address: &str) -> String {
        let input = CreateNatGatewayInput::builder().subnet_id(subnet).allocation_id(address).build();
        self.ok(nat::create_nat_gateway, input).nat_gateway.unwrap().nat_gateway_id.unwrap()
    }

    fn table(&mut self, vpc: &str) -> String {
        let input = CreateRouteTableInput::builder().vpc_id(vpc).build();
        self.ok(routes::create_route_table, input).route_table.unwrap().route_table_id.unwrap()
    }

    fn group(&mut self, vpc: &str, name: &str) -> String {
        let input = CreateSecurityGroupInput::builder().group_name(name).description("for tests").vpc_id(vpc).build();
        self.ok(group_calls::create_security_group, input).group_id.unwrap()
    }
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

/// Each line of the table is one call and the code that refuses it.
macro_rules! refused {
    ($lab:expr, $handler:path: $( $input:expr => $code:literal ),+ $(,)?) => {
        $( assert_eq!($lab.code($handler, $input.build()), $code, "{}", stringify!($input)); )+
    };
}
use refused;
