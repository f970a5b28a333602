//! What EC2 knows in one region: plain data, states as instants.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::cidr::Cidr;

/// Deleted NAT gateways, terminated instances and deleted endpoints stay visible about an hour.
pub(crate) const VISIBLE_AFTER_DELETE_MS: u64 = 3_600_000;

/// EC2 in every region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) regions: BTreeMap<String, Region>,
    pub(crate) quotas: Quotas,
}

/// The quotas that bite a site, per region unless named otherwise: the defaults of the VPC user guide.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Quotas {
    /// Also of internet gateways.
    pub(crate) vpcs: usize,
    pub(crate) addresses: usize,
    pub(crate) subnets_per_vpc: usize,
    pub(crate) nat_gateways_per_zone: usize,
    pub(crate) route_tables_per_vpc: usize,
    pub(crate) security_groups: usize,
    pub(crate) endpoints_per_vpc: usize,
    /// Per direction.
    pub(crate) acl_entries: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Quotas {
            vpcs: 5,
            addresses: 5,
            subnets_per_vpc: 200,
            nat_gateways_per_zone: 5,
            route_tables_per_vpc: 200,
            security_groups: 2500,
            endpoints_per_vpc: 50,
            acl_entries: 20,
        }
    }
}

impl Quotas {
    /// As much of everything as anybody asks for.
    pub(crate) fn unlimited() -> Self {
        Quotas {
            vpcs: usize::MAX,
            addresses: usize::MAX,
            subnets_per_vpc: usize::MAX,
            nat_gateways_per_zone: usize::MAX,
            route_tables_per_vpc: usize::MAX,
            security_groups: usize::MAX,
            endpoints_per_vpc: usize::MAX,
            acl_entries: usize::MAX,
        }
    }
}

/// EC2 in one region. Maps are by id.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Region {
    pub(crate) vpcs: BTreeMap<String, Vpc>,
    pub(crate) subnets: BTreeMap<String, Subnet>,
    pub(crate) internet_gateways: BTreeMap<String, InternetGateway>,
    pub(crate) addresses: BTreeMap<String, Address>,
    pub(crate) nat_gateways: BTreeMap<String, NatGateway>,
    pub(crate) route_tables: BTreeMap<String, RouteTable>,
    pub(crate) groups: BTreeMap<String, SecurityGroup>,
    pub(crate) acls: BTreeMap<String, NetworkAcl>,
    pub(crate) instances: BTreeMap<String, Instance>,
    pub(crate) endpoints: BTreeMap<String, Endpoint>,
    pub(crate) interfaces: BTreeMap<String, Interface>,
    /// Tags of everything, by resource id.
    pub(crate) tags: BTreeMap<String, BTreeMap<String, String>>,
    /// What a client token made, by `operation/token`.
    pub(super) tokens: BTreeMap<String, Token>,
    /// Instants from which reads see a new object, while the fault of stale reads is on.
    pub(super) visible_at_ms: BTreeMap<String, u64>,
    /// Public addresses handed out so far.
    pub(super) public_addresses: u32,
}

/// What was made under a client token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Token {
    pub(super) id: String,
    /// The other parameters, to notice a token that is used for something else.
    pub(super) parameters: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Vpc {
    pub(crate) id: String,
    pub(crate) cidr: Cidr,
    /// `available` from here on, `pending` before.
    pub(crate) ready_ms: u64,
    pub(crate) dns_support: bool,
    pub(crate) dns_hostnames: bool,
    pub(crate) address_usage_metrics: bool,
    pub(crate) tenancy: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Subnet {
    pub(crate) id: String,
    pub(crate) vpc_id: String,
    pub(crate) zone: String,
    /// The zone's name that is the same in every account (`use1-az1`).
    pub(crate) zone_id: String,
    pub(crate) cidr: Cidr,
    pub(crate) ready_ms: u64,
    pub(crate) map_public_ip: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct InternetGateway {
    pub(crate) id: String,
    /// The VPC it is attached to.
    pub(crate) vpc_id: Option<String>,
}

/// An Elastic IP address.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) allocation_id: String,
    pub(crate) public_ip: Ipv4Addr,
    pub(crate) association: Option<AddressAssociation>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AddressAssociation {
    pub(crate) id: String,
    pub(crate) interface_id: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NatGateway {
    pub(crate) id: String,
    pub(crate) subnet_id: String,
    pub(crate) vpc_id: String,
    /// None for a private one.
    pub(crate) allocation_id: Option<String>,
    pub(crate) public_ip: Option<Ipv4Addr>,
    pub(crate) private_ip: Option<Ipv4Addr>,
    pub(crate) interface_id: Option<String>,
    pub(crate) association_id: Option<String>,
    pub(crate) created_ms: u64,
    /// `available`, or `failed`, from here on.
    pub(crate) settled_ms: u64,
    /// Code and message.
    pub(crate) failure: Option<(String, String)>,
    /// When it was told to go and when it is gone.
    pub(crate) deleted_ms: Option<(u64, u64)>,
}

impl NatGateway {
    /// `pending`, `available`, `failed`, `deleting` or `deleted`.
    pub(crate) fn state_at(&self, now_ms: u64) -> &'static str {
        match self.deleted_ms {
            Some((_, gone)) if now_ms >= gone => "deleted",
            Some(_) => "deleting",
            None if now_ms < self.settled_ms => "pending",
            None if self.failure.is_some() => "failed",
            None => "available",
        }
    }

    /// When the entry vanishes from the reads: an hour after the deletion, or after the failure.
    pub(crate) fn forgotten_ms(&self) -> Option<u64> {
        let end = match (self.deleted_ms, &self.failure) {
            (Some((_, gone)), _) => gone,
            (None, Some(_)) => self.settled_ms,
            (None, None) => return None,
        };
        Some(end + VISIBLE_AFTER_DELETE_MS)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RouteTable {
    pub(crate) id: String,
    pub(crate) vpc_id: String,
    /// The association that makes it the VPC's main table.
    pub(crate) main: Option<String>,
    pub(crate) associations: Vec<SubnetAssociation>,
    pub(crate) routes: Vec<Route>,
}

/// A subnet's explicit route table, or its network ACL.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SubnetAssociation {
    pub(crate) id: String,
    pub(crate) subnet_id: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Route {
    pub(crate) destination: Destination,
    pub(crate) target: Target,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Destination {
    Cidr(Cidr),
    /// Of a gateway endpoint.
    PrefixList(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Target {
    Local,
    InternetGateway(String),
    NatGateway(String),
    Endpoint(String),
    Interface(String),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SecurityGroup {
    pub(crate) id: String,
    pub(crate) vpc_id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) rules: Vec<GroupRule>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GroupRule {
    pub(crate) id: String,
    pub(crate) egress: bool,
    pub(crate) traffic: Traffic,
    pub(crate) description: Option<String>,
}

/// What a rule lets through; two rules of one group and direction differ in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Traffic {
    /// `tcp`, `udp`, `icmp`, `icmpv6`, a number, or `-1` for all.
    pub(crate) protocol: String,
    /// Ports, or ICMP type and code; absent for all protocols.
    pub(crate) from_port: Option<i32>,
    pub(crate) to_port: Option<i32>,
    pub(crate) peer: Peer,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Peer {
    V4(Cidr),
    V6(String),
    Group(String),
    PrefixList(String),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NetworkAcl {
    pub(crate) id: String,
    pub(crate) vpc_id: String,
    pub(crate) default: bool,
    /// Without the last one, which denies everything and cannot be changed.
    pub(crate) entries: Vec<AclEntry>,
    pub(crate) associations: Vec<SubnetAssociation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AclEntry {
    /// 1 to 32766; the lowest number that matches decides.
    pub(crate) number: i32,
    pub(crate) egress: bool,
    /// A protocol number, `-1` for all.
    pub(crate) protocol: String,
    pub(crate) allow: bool,
    pub(crate) cidr: Cidr,
    pub(crate) ports: Option<(i32, i32)>,
    pub(crate) icmp: Option<(i32, i32)>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) reservation_id: String,
    pub(crate) image_id: String,
    pub(crate) instance_type: String,
    pub(crate) subnet_id: String,
    pub(crate) vpc_id: String,
    pub(crate) interface_id: String,
    pub(crate) volume_id: String,
    pub(crate) private_ip: Ipv4Addr,
    pub(crate) public_ip: Option<Ipv4Addr>,
    /// Base64, as it was sent.
    pub(crate) user_data: Option<String>,
    /// ARN and id of the instance profile.
    pub(crate) profile: Option<(String, String)>,
    pub(crate) key_name: Option<String>,
    pub(crate) client_token: Option<String>,
    pub(crate) launched_ms: u64,
    /// From `running` until cloud-init is done, in milliseconds.
    pub(crate) boot_takes_ms: u64,
    pub(crate) termination_protected: bool,
    pub(crate) source_dest_check: bool,
    pub(crate) ebs_optimized: bool,
    pub(crate) detailed_monitoring: bool,
    pub(crate) metadata: MetadataOptions,
    /// When which state begins, in order.
    pub(crate) states: Vec<(u64, InstanceState)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MetadataOptions {
    /// `optional` or `required`.
    pub(crate) tokens: String,
    pub(crate) hop_limit: i32,
    /// `enabled` or `disabled`.
    pub(crate) endpoint: String,
    pub(crate) instance_tags: String,
    /// `applied` from here on, `pending` before.
    pub(crate) applied_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum InstanceState {
    Pending,
    Running,
    ShuttingDown,
    Terminated,
    Stopping,
    Stopped,
}

impl InstanceState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            InstanceState::Pending => "pending",
            InstanceState::Running => "running",
            InstanceState::ShuttingDown => "shutting-down",
            InstanceState::Terminated => "terminated",
            InstanceState::Stopping => "stopping",
            InstanceState::Stopped => "stopped",
        }
    }

    /// The low byte of the state code of the API.
    pub(crate) fn code(self) -> i32 {
        match self {
            InstanceState::Pending => 0,
            InstanceState::Running => 16,
            InstanceState::ShuttingDown => 32,
            InstanceState::Terminated => 48,
            InstanceState::Stopping => 64,
            InstanceState::Stopped => 80,
        }
    }
}

impl Instance {
    pub(crate) fn state_at(&self, now_ms: u64) -> InstanceState {
        let begun = self.states.iter().rev().find(|(at, _)| *at <= now_ms);
        begun.map_or(InstanceState::Pending, |(_, state)| *state)
    }

    /// Since when it is in the state that it has at `now_ms`.
    pub(crate) fn since_ms(&self, now_ms: u64) -> u64 {
        let begun = self.states.iter().rev().find(|(at, _)| *at <= now_ms);
        begun.map_or(self.launched_ms, |(at, _)| *at)
    }

    /// Whether what the user data installs is up: running, and for as long as the boot takes.
    pub(crate) fn booted_at(&self, now_ms: u64) -> bool {
        self.state_at(now_ms) == InstanceState::Running && now_ms >= self.since_ms(now_ms) + self.boot_takes_ms
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) id: String,
    pub(crate) vpc_id: String,
    /// `com.amazonaws.us-east-1.ssm`.
    pub(crate) service: String,
    /// Otherwise a gateway endpoint.
    pub(crate) interface: bool,
    /// Interface ids by subnet id; empty for a gateway endpoint.
    pub(crate) interfaces: BTreeMap<String, String>,
    pub(crate) group_ids: Vec<String>,
    pub(crate) route_table_ids: Vec<String>,
    pub(crate) private_dns: bool,
    pub(crate) policy: String,
    pub(crate) created_ms: u64,
    pub(crate) ready_ms: u64,
    pub(crate) deleted_ms: Option<(u64, u64)>,
}

impl Endpoint {
    /// `pending`, `available`, `deleting` or `deleted`: lower case on the wire, whatever the model says.
    pub(crate) fn state_at(&self, now_ms: u64) -> &'static str {
        match self.deleted_ms {
            Some((_, gone)) if now_ms >= gone => "deleted",
            Some(_) => "deleting",
            None if now_ms < self.ready_ms => "pending",
            None => "available",
        }
    }
}

/// A network interface (ENI), whoever made it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Interface {
    pub(crate) id: String,
    pub(crate) subnet_id: String,
    pub(crate) vpc_id: String,
    pub(crate) private_ip: Ipv4Addr,
    pub(crate) public_ip: Option<Ipv4Addr>,
    pub(crate) group_ids: Vec<String>,
    pub(crate) description: String,
    /// `interface`, `natGateway`, `vpc_endpoint` or `api_gateway_managed`.
    pub(crate) kind: String,
    pub(crate) attachment_id: String,
    pub(crate) instance_id: Option<String>,
    /// Gone from here on.
    pub(crate) release_ms: Option<u64>,
}

impl State {
    /// Forgets what is gone at `now_ms` and no read shows any more.
    pub(crate) fn settle(&mut self, now_ms: u64) {
        self.regions.values_mut().for_each(|region| region.settle(now_ms));
    }
}

impl Region {
    fn settle(&mut self, now_ms: u64) {
        let gone: Vec<String> = self
            .interfaces
            .values()
            .filter(|interface| interface.release_ms.is_some_and(|at| at <= now_ms))
            .map(|interface| interface.id.clone())
            .collect();
        for id in gone {
            self.interfaces.remove(&id);
            self.tags.remove(&id);
            for address in self.addresses.values_mut() {
                if address.association.as_ref().is_some_and(|association| association.interface_id == id) {
                    address.association = None;
                }
            }
        }
        let forgotten = |at: Option<u64>| at.is_some_and(|at| at <= now_ms);
        let tags = &mut self.tags;
        self.nat_gateways.retain(|id, nat| {
            let keep = !forgotten(nat.forgotten_ms());
            if !keep {
                tags.remove(id);
            }
            keep
        });
        self.endpoints.retain(|id, endpoint| {
            let keep = !forgotten(endpoint.deleted_ms.map(|(_, gone)| gone + VISIBLE_AFTER_DELETE_MS));
            if !keep {
                tags.remove(id);
            }
            keep
        });
        self.instances.retain(|id, instance| {
            let terminated = instance.state_at(now_ms) == InstanceState::Terminated;
            let keep = !(terminated && instance.since_ms(now_ms) + VISIBLE_AFTER_DELETE_MS <= now_ms);
            if !keep {
                tags.remove(id);
                tags.remove(&instance.volume_id);
            }
            keep
        });
        self.visible_at_ms.retain(|_, at| *at > now_ms);
    }

    /// IPv4 addresses of a subnet that are not in use: EC2 keeps five of each range for itself.
    pub(crate) fn free_addresses(&self, subnet: &Subnet) -> u32 {
        let used = 5 + self.interfaces.values().filter(|interface| interface.subnet_id == subnet.id).count() as u64;
        // A subnet is a /16 at most.
        u32::try_from(subnet.cidr.size().saturating_sub(used)).unwrap_or(u32::MAX)
    }

    /// The lowest address of the subnet that nothing uses; the first four and the last are EC2's.
    pub(super) fn free_address(&self, subnet: &Subnet) -> Option<Ipv4Addr> {
        let last = u32::try_from(subnet.cidr.size()).ok()?.checked_sub(1)?;
        let used: std::collections::BTreeSet<Ipv4Addr> = self
            .interfaces
            .values()
            .filter(|interface| interface.subnet_id == subnet.id)
            .map(|interface| interface.private_ip)
            .collect();
        (4..last).map(|n| subnet.cidr.address(n)).find(|address| !used.contains(address))
    }

    /// The table that routes a subnet: its own, or else the main one of its VPC.
    pub(crate) fn route_table_of(&self, subnet: &Subnet) -> Option<&RouteTable> {
        let own = self.route_tables.values().find(|table| table.associations.iter().any(|a| a.subnet_id == subnet.id));
        own.or_else(|| self.route_tables.values().find(|table| table.vpc_id == subnet.vpc_id && table.main.is_some()))
    }

    /// The network ACL of a subnet; every subnet has one.
    pub(crate) fn acl_of(&self, subnet: &Subnet) -> Option<&NetworkAcl> {
        self.acls.values().find(|acl| acl.associations.iter().any(|a| a.subnet_id == subnet.id))
    }

    /// The internet gateway attached to a VPC.
    pub(crate) fn internet_gateway_of(&self, vpc_id: &str) -> Option<&InternetGateway> {
        self.internet_gateways.values().find(|gateway| gateway.vpc_id.as_deref() == Some(vpc_id))
    }

    /// Whether a route leads somewhere at `now_ms`; otherwise its state is `blackhole`.
    pub(crate) fn is_active(&self, table: &RouteTable, route: &Route, now_ms: u64) -> bool {
        match &route.target {
            Target::Local => true,
            Target::InternetGateway(id) => {
                self.internet_gateways.get(id).is_some_and(|gateway| gateway.vpc_id.as_ref() == Some(&table.vpc_id))
            }
            Target::NatGateway(id) => {
                self.nat_gateways.get(id).is_some_and(|nat| matches!(nat.state_at(now_ms), "pending" | "available"))
            }
            Target::Endpoint(id) => self.endpoints.get(id).is_some_and(|endpoint| endpoint.deleted_ms.is_none()),
            Target::Interface(id) => self.interfaces.contains_key(id),
        }
    }
}
