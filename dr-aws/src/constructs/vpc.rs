//! [`Network`]: a VPC with public and private subnets in several zones.

use dr_core::{Cidr, Construct, Output, Region, Scope};

use super::connect::Order;
use crate::ec2::{
    ElasticIp, GatewayAttachment, InternetGateway, NatGateway, Route, RouteTable, RouteTableAssociation, Subnet, Vpc,
    Zones,
};
use crate::ids::{SubnetId, VpcId, ZoneName};

/// A VPC over several zones, a public and a private subnet in each, and a NAT gateway in each for the way out of the private
/// ones: what the CDK calls `Vpc`.
///
/// The ranges depend on the range of the VPC alone, so one zone more leaves every subnet where it is: private subnet *i* is the
/// *i*-th eighth, public subnet *i* the *i*-th of the sixteen parts of the last quarter. Of `10.0.0.0/16` the private ones
/// are `10.0.0.0/19`, `10.0.32.0/19`, …, the public ones `10.0.192.0/22`, `10.0.196.0/22`, ….
///
/// A NAT gateway costs money by the hour. With fewer of them than zones the way out of the other zones leads through another
/// zone, and ends with it.
#[derive(Debug, Clone)]
pub struct Network {
    cidr: Cidr,
    zones: u32,
    nat_gateways: Option<u32>,
}

/// Six parts for private subnets, two for all public ones: no region has more zones.
const ZONES_MAX: u32 = 6;

impl Network {
    /// Two zones with a NAT gateway in each. The range is a `/16` to a `/22`.
    #[must_use]
    pub fn new(cidr: Cidr) -> Self {
        Network { cidr, zones: 2, nat_gateways: None }
    }

    /// In so many zones, two to six; the first ones that the account has, by name.
    #[must_use]
    pub fn zones(mut self, zones: u32) -> Self {
        self.zones = zones;
        self
    }

    /// With so many NAT gateways, instead of one in each zone. None: private subnets have no way out.
    #[must_use]
    pub fn nat_gateways(mut self, count: u32) -> Self {
        self.nat_gateways = Some(count);
        self
    }

    fn problem(&self) -> Option<String> {
        let Network { cidr, zones, nat_gateways } = self;
        if !(2..=ZONES_MAX).contains(zones) {
            return Some(format!("{zones} zones: two to {ZONES_MAX} are possible, and one is no high availability"));
        }
        if !(16..=22).contains(&cidr.prefix()) {
            return Some(format!("{cidr} is no network for subnets in {ZONES_MAX} zones: a prefix is /16 to /22"));
        }
        let surplus = nat_gateways.filter(|count| count > zones);
        surplus.map(|count| format!("{count} NAT gateways in {zones} zones: one in each is the most that is of use"))
    }
}

/// What a [`Network`] offers; element *i* of each list is in zone *i*.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NetworkHandle<R: Region> {
    /// The VPC.
    pub vpc: Output<VpcId<R>>,
    /// Its addresses.
    pub cidr: Cidr,
    /// The zones.
    pub zones: Vec<Output<ZoneName<R>>>,
    /// The subnets with a route to the Internet.
    pub public: Vec<Output<SubnetId<R>>>,
    /// The subnets that nobody outside can reach.
    pub private: Vec<Output<SubnetId<R>>>,
    /// What has to work before something in a private subnet can reach the Internet: its route, and its NAT gateway.
    pub egress: Vec<Order>,
    /// The addresses that the outside sees, one for each NAT gateway.
    pub public_ips: Vec<Output<String>>,
}

impl<R: Region> Construct<R> for Network {
    type Handle = NetworkHandle<R>;

    fn build(self, scope: Scope<'_, R>) -> NetworkHandle<R> {
        if let Some(problem) = self.problem() {
            scope.error(problem);
        }
        // A refused network is built in a size that works, so that no second error follows from the first.
        let count = self.zones.clamp(1, ZONES_MAX);
        let nats = self.nat_gateways.unwrap_or(count).min(count);
        let eighths = self.cidr.split(8);
        let last = eighths[6..].iter().flat_map(|eighth| eighth.split(8));
        let ranges = eighths.iter().copied().zip(last).take(count as usize);

        let zones = scope.add("zones", Zones::new(count));
        let vpc = scope.add("vpc", Vpc::new(self.cidr));
        let gateway = scope.add("gateway", InternetGateway::new());
        let attachment = scope.add("attachment", GatewayAttachment::new(gateway.id, vpc.id));
        let table = scope.add("public_table", RouteTable::new(vpc.id));
        let route = scope.add("public_route", Route::to_gateway(table.id, attachment.gateway));

        let mut handle = NetworkHandle {
            vpc: vpc.id,
            cidr: self.cidr,
            zones: (0..count).map(|zone| zones.names.at(zone)).collect(),
            public: Vec::new(),
            private: Vec::new(),
            egress: Vec::new(),
            public_ips: Vec::new(),
        };
        let mut nat_gateways = Vec::new();
        for ((zone, name), (private, public)) in (0_u32..).zip(handle.zones.clone()).zip(ranges) {
            let subnet = scope.add(("public", zone), Subnet::new(vpc.id, public, name).public());
            let association = RouteTableAssociation::new(table.id, subnet.id);
            let association = scope.add(("public_association", zone), association);
            handle.public.push(subnet.id);
            if zone < nats {
                let ip = scope.add(("nat_ip", zone), ElasticIp::new());
                // A NAT gateway that cannot reach the Internet when it is made fails for good.
                let connected = scope.clone().after(&route).after(&association);
                let nat = NatGateway::new(subnet.id, ip.allocation).through(attachment.gateway);
                nat_gateways.push(connected.add(("nat", zone), nat));
                handle.public_ips.push(ip.public_ip);
            }
            let subnet = scope.add(("private", zone), Subnet::new(vpc.id, private, name));
            handle.private.push(subnet.id);
        }
        for (zone, &subnet) in (0_u32..).zip(&handle.private) {
            let table = scope.add(("private_table", zone), RouteTable::new(vpc.id));
            let association = RouteTableAssociation::new(table.id, subnet);
            let association = scope.add(("private_association", zone), association);
            let mut egress = Order::new().and(&association);
            if let Some(nat) = nat_gateways.get((zone % nats.max(1)) as usize) {
                let route = scope.add(("private_route", zone), Route::to_nat(table.id, nat.id));
                egress = egress.and(nat).and(&route);
            }
            handle.egress.push(egress);
        }
        handle
    }
}

#[cfg(test)]
mod tests {
    use dr_core::{Graph, Stack, cidr};

    use super::*;
    use crate::regions::UsEast1;

    fn network(network: Network) -> Result<Stack, dr_core::BuildErrors> {
        Stack::build("shop", |stack| {
            stack.region(UsEast1).add("net", network);
        })
    }

    fn count(graph: &Graph, type_name: &str) -> usize {
        graph.nodes().filter(|node| node.schema.type_name == type_name).count()
    }

    fn input(graph: &Graph, address: &str, input: &str) -> String {
        graph.get(address).unwrap_or_else(|| panic!("{address} exists")).inputs[input].to_string()
    }

    #[test]
    fn each_zone_has_a_public_and_a_private_subnet_and_its_own_way_out() {
        let stack = network(Network::new(cidr!("10.0.0.0/16")).zones(3)).unwrap();
        for (type_name, n) in [
            ("aws.ec2.vpc", 1),
            ("aws.ec2.subnet", 6),
            ("aws.ec2.nat_gateway", 3),
            ("aws.ec2.elastic_ip", 3),
            ("aws.ec2.route_table", 4),
            ("aws.ec2.route", 4),
            ("aws.ec2.route_table_association", 6),
        ] {
            assert_eq!(count(&stack, type_name), n, "{type_name}");
        }
        assert!(input(&stack, "us-east-1/net.private_route[2]", "target").contains("us-east-1/net.nat[2]#id"));
    }

    #[test]
    fn one_zone_more_leaves_every_subnet_where_it_is() {
        let (two, six) = (Network::new(cidr!("10.0.0.0/16")), Network::new(cidr!("10.0.0.0/16")).zones(6));
        let (two, six) = (network(two).unwrap(), network(six).unwrap());
        for (address, expect) in [
            ("us-east-1/net.private[0]", "10.0.0.0/19"),
            ("us-east-1/net.private[1]", "10.0.32.0/19"),
            ("us-east-1/net.public[0]", "10.0.192.0/22"),
            ("us-east-1/net.public[1]", "10.0.196.0/22"),
        ] {
            assert_eq!(input(&two, address, "cidr"), format!("\"{expect}\""));
            assert_eq!(input(&six, address, "cidr"), format!("\"{expect}\""));
        }
        let ranges: Vec<Cidr> = six
            .nodes()
            .filter(|node| node.schema.type_name == "aws.ec2.subnet")
            .map(|node| node.inputs["cidr"].as_str().unwrap().parse().unwrap())
            .collect();
        assert_eq!(ranges.len(), 12);
        for (i, range) in ranges.iter().enumerate() {
            assert!(cidr!("10.0.0.0/16").contains(*range));
            assert!(ranges[..i].iter().all(|other| !other.overlaps(*range)), "{range}");
        }
    }

    #[test]
    fn fewer_nat_gateways_are_shared_and_none_leave_no_way_out() {
        let stack = network(Network::new(cidr!("10.0.0.0/22")).zones(3).nat_gateways(1)).unwrap();
        assert!(input(&stack, "us-east-1/net.private_route[2]", "target").contains("net.nat[0]#id"));
        let stack = network(Network::new(cidr!("10.0.0.0/16")).nat_gateways(0)).unwrap();
        assert_eq!((count(&stack, "aws.ec2.nat_gateway"), count(&stack, "aws.ec2.route")), (0, 1));
    }

    #[test]
    fn a_network_that_cannot_be_says_why() {
        for (built, expect) in [
            (Network::new(cidr!("10.0.0.0/16")).zones(1), "1 zones"),
            (Network::new(cidr!("10.0.0.0/24")), "/16 to /22"),
            (Network::new(cidr!("10.0.0.0/16")).nat_gateways(3), "3 NAT gateways in 2 zones"),
        ] {
            let error = network(built).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        }
    }
}
