//! Inside a VPC: security groups, network ACLs and routes between two interfaces, and the way out to the internet.

use std::net::Ipv4Addr;

use super::http::{Failure, Hop, Part};
use crate::control::ec2::{
    self, AclEntry, Cidr, Destination, Instance, NetworkAcl, Peer, Region, SecurityGroup, Subnet, Target,
};
use crate::world::World;

/// The ports from which connections are opened, on which their answers come back.
const EPHEMERAL: (u16, u16) = (1024, 65535);

/// One end of a connection.
#[derive(Debug, Clone)]
pub(super) struct End {
    /// What it is, for messages: `VPC link abc`.
    pub(super) what: String,
    pub(super) subnet_id: String,
    pub(super) groups: Vec<String>,
    pub(super) address: Ipv4Addr,
}

impl End {
    /// The end that an interface is, while the interface is there.
    pub(super) fn of_interface(world: &World, region: &str, eni: &str, what: &str) -> Option<End> {
        let interface = ec2::region(world, region)?.interfaces.get(eni)?;
        Some(End {
            what: what.to_owned(),
            subnet_id: interface.subnet_id.clone(),
            groups: interface.group_ids.clone(),
            address: interface.private_ip,
        })
    }
}

/// Whether a TCP connection from one interface to a port of another can be opened and answered; what stops it
/// otherwise.
pub(super) fn passes(world: &World, region: &str, from: &End, to: &End, port: u16) -> Result<(), Failure> {
    let fail = |part, name: &str, reason: String| Err(Failure { hop: Hop::new(part, name, Some(region)), reason });
    let Some(network) = ec2::region(world, region) else {
        return fail(Part::RouteTable, "none", "the region has no network".to_owned());
    };
    let subnet_of = |end: &End| network.subnets.get(&end.subnet_id);
    let (Some(from_subnet), Some(to_subnet)) = (subnet_of(from), subnet_of(to)) else {
        return fail(Part::RouteTable, "none", format!("a subnet of {} or {} is gone", from.what, to.what));
    };
    if from_subnet.vpc_id != to_subnet.vpc_id {
        let reason = format!("{} is in {} and {} in {}", from.what, from_subnet.vpc_id, to.what, to_subnet.vpc_id);
        return fail(Part::RouteTable, &from_subnet.vpc_id, format!("no route between the VPCs: {reason}"));
    }
    if !groups_allow(network, from, to, port, true) {
        let reason = format!("no egress rule lets {} reach {} on tcp/{port}", from.what, to.what);
        return fail(Part::SecurityGroup, &from.groups.join("+"), reason);
    }
    if let Some(table) = network.route_table_of(from_subnet)
        && let Some((destination, target)) = best_route(network, from_subnet, to.address)
        && *target != Target::Local
    {
        let reason = format!("the route {destination} sends what is meant for {} elsewhere", to.what);
        return fail(Part::RouteTable, &table.id, reason);
    }
    // Network ACLs stand between subnets only and know no connections: the answers need a rule of their own.
    if from_subnet.id != to_subnet.id {
        let steps = [
            (from_subnet, true, to.address, (port, port), "outbound"),
            (to_subnet, false, from.address, (port, port), "inbound"),
            (to_subnet, true, from.address, EPHEMERAL, "the outbound answers"),
            (from_subnet, false, to.address, EPHEMERAL, "the inbound answers"),
        ];
        for (subnet, egress, peer, ports, direction) in steps {
            if let Some(acl) = network.acl_of(subnet)
                && let Err(denied) = acl_allows(acl, egress, peer, ports)
            {
                let reason = format!(
                    "in {} it denies {direction} between {} and {} on tcp/{denied}",
                    subnet.id, from.what, to.what
                );
                return fail(Part::NetworkAcl, &acl.id, reason);
            }
        }
    }
    if !groups_allow(network, to, from, port, false) {
        let reason = format!("no ingress rule lets {} reach {} on tcp/{port}", from.what, to.what);
        return fail(Part::SecurityGroup, &to.groups.join("+"), reason);
    }
    Ok(())
}

/// Whether somebody on the internet can open a connection to a port of an interface.
pub(super) fn from_internet(world: &World, region: &str, to: &End, port: u16) -> Result<(), Failure> {
    let fail = |part, name: &str, reason: String| Err(Failure { hop: Hop::new(part, name, Some(region)), reason });
    let anywhere = Ipv4Addr::new(8, 8, 8, 8);
    let network = ec2::region(world, region);
    let Some((network, subnet)) = network.and_then(|network| Some((network, network.subnets.get(&to.subnet_id)?)))
    else {
        return fail(Part::RouteTable, "none", format!("the subnet of {} is gone", to.what));
    };
    if !matches!(best_route(network, subnet, anywhere), Some((_, Target::InternetGateway(_)))) {
        return fail(
            Part::RouteTable,
            &subnet.id,
            format!("the subnet of {} has no route to an internet gateway", to.what),
        );
    }
    let groups: Vec<&SecurityGroup> = to.groups.iter().filter_map(|id| network.groups.get(id)).collect();
    if !internet_allowed(&groups, port, false) {
        let reason = format!("no ingress rule lets the internet reach {} on tcp/{port}", to.what);
        return fail(Part::SecurityGroup, &to.groups.join("+"), reason);
    }
    if let Some(acl) = network.acl_of(subnet) {
        let both =
            acl_allows(acl, false, anywhere, (port, port)).and_then(|()| acl_allows(acl, true, anywhere, EPHEMERAL));
        if let Err(denied) = both {
            return fail(
                Part::NetworkAcl,
                &acl.id,
                format!("it denies tcp/{denied} between the internet and {}", to.what),
            );
        }
    }
    Ok(())
}

/// Whether a rule of one of the groups of `own` in this direction admits the peer: rules only allow, and their order
/// and number do not matter.
fn groups_allow(network: &Region, own: &End, peer: &End, port: u16, egress: bool) -> bool {
    let groups = own.groups.iter().filter_map(|id| network.groups.get(id));
    groups.flat_map(|group| &group.rules).filter(|rule| rule.egress == egress).any(|rule| {
        let traffic = &rule.traffic;
        is_tcp(&traffic.protocol, traffic.from_port, traffic.to_port, port)
            && match &traffic.peer {
                Peer::V4(cidr) => cidr.has(peer.address),
                Peer::Group(id) => peer.groups.contains(id),
                Peer::V6(_) | Peer::PrefixList(_) => false,
            }
    })
}

/// Whether the groups let anybody on the internet in, or their owner out to it.
pub(super) fn internet_allowed(groups: &[&SecurityGroup], port: u16, egress: bool) -> bool {
    groups.iter().flat_map(|group| &group.rules).filter(|rule| rule.egress == egress).any(|rule| {
        let traffic = &rule.traffic;
        is_tcp(&traffic.protocol, traffic.from_port, traffic.to_port, port) && traffic.peer == Peer::V4(Cidr::ANYWHERE)
    })
}

fn is_tcp(protocol: &str, from_port: Option<i32>, to_port: Option<i32>, port: u16) -> bool {
    let port = i32::from(port);
    match protocol {
        "-1" => true,
        "tcp" | "6" => from_port.is_none_or(|from| from <= port) && to_port.is_none_or(|to| port <= to),
        _ => false,
    }
}

/// Whether an ACL lets TCP with a peer pass on all of the ports; the first port that it does not otherwise.
fn acl_allows(acl: &NetworkAcl, egress: bool, peer: Ipv4Addr, (first, last): (u16, u16)) -> Result<(), u16> {
    let mut entries: Vec<&AclEntry> = acl
        .entries
        .iter()
        .filter(|entry| {
            entry.egress == egress && matches!(entry.protocol.as_str(), "-1" | "6" | "tcp") && entry.cidr.has(peer)
        })
        .collect();
    entries.sort_by_key(|entry| entry.number);
    let range = |entry: &AclEntry| if entry.protocol == "-1" { (0, 65535) } else { entry.ports.unwrap_or((0, 65535)) };
    // The verdict can change only where a range begins or has ended.
    let edges = entries.iter().flat_map(|entry| {
        let (from, to) = range(entry);
        [from, to + 1]
    });
    let mut probes: Vec<i32> = edges.filter(|port| (i32::from(first)..=i32::from(last)).contains(port)).collect();
    probes.push(i32::from(first));
    probes.sort_unstable();
    for port in probes {
        let decides = entries.iter().find(|entry| {
            let (from, to) = range(entry);
            (from..=to).contains(&port)
        });
        // Without a matching entry, the last one denies.
        if !decides.is_some_and(|entry| entry.allow) {
            return Err(u16::try_from(port).unwrap_or(last));
        }
    }
    Ok(())
}

/// The most specific route of a subnet for an address.
fn best_route<'a>(network: &'a Region, subnet: &Subnet, address: Ipv4Addr) -> Option<(Cidr, &'a Target)> {
    let routes = network.route_table_of(subnet)?.routes.iter().filter_map(|route| match &route.destination {
        Destination::Cidr(cidr) if cidr.has(address) => Some((*cidr, &route.target)),
        _ => None,
    });
    routes.max_by_key(|(cidr, _)| cidr.prefix())
}

/// How an instance gets at packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WayOut {
    /// From when on, in milliseconds since the Unix epoch.
    pub(super) from_ms: u64,
    /// The zone of the NAT gateway on the way, if there is one.
    pub(super) zone: Option<String>,
}

/// From when on an instance can fetch packages from the internet over HTTPS; why never, otherwise.
///
/// The configuration is today's, what comes and goes by itself (the NAT gateway) is as it was then.
pub(super) fn egress_from(world: &World, region: &str, instance: &Instance) -> Result<WayOut, String> {
    let direct = || Ok(WayOut { from_ms: 0, zone: None });
    let network = ec2::region(world, region).ok_or("the region has no network")?;
    let subnet = network.subnets.get(&instance.subnet_id).ok_or("its subnet is gone")?;
    let interface = network.interfaces.get(&instance.interface_id).ok_or("its network interface is gone")?;
    if network.vpcs.get(&instance.vpc_id).is_some_and(|vpc| !vpc.dns_support) {
        return Err(format!("the DNS support of {} is off, so it finds no repository", instance.vpc_id));
    }
    let groups: Vec<&SecurityGroup> = interface.group_ids.iter().filter_map(|id| network.groups.get(id)).collect();
    if !internet_allowed(&groups, 443, true) {
        return Err(format!("no egress rule of {} allows tcp/443 to the internet", interface.group_ids.join(", ")));
    }
    if let Some(acl) = network.acl_of(subnet) {
        let anywhere = Ipv4Addr::new(8, 8, 8, 8);
        let both =
            acl_allows(acl, true, anywhere, (443, 443)).and_then(|()| acl_allows(acl, false, anywhere, EPHEMERAL));
        both.map_err(|port| format!("the network ACL {} denies tcp/{port} with the internet", acl.id))?;
    }
    // The repositories of Amazon Linux are in S3: a gateway endpoint for it is as good as a way out.
    let table = network.route_table_of(subnet).ok_or("its subnet has no route table")?;
    let to_s3 = |id: &String| network.endpoints.get(id).is_some_and(|endpoint| endpoint.service.ends_with(".s3"));
    let through_s3 = table.routes.iter().any(|route| {
        matches!((&route.destination, &route.target), (Destination::PrefixList(_), Target::Endpoint(id)) if to_s3(id))
    });
    if through_s3 {
        return direct();
    }
    match best_route(network, subnet, Ipv4Addr::new(8, 8, 8, 8)) {
        None => Err(format!("the route table {} of its subnet has no default route", table.id)),
        Some((_, Target::InternetGateway(id))) => {
            let vpc = Some(&instance.vpc_id);
            let attached = network.internet_gateways.get(id).is_some_and(|gateway| gateway.vpc_id.as_ref() == vpc);
            match instance.public_ip {
                Some(_) if attached => direct(),
                Some(_) => Err(format!("the internet gateway {id} is not attached")),
                None => Err(format!("its default route leads to {id}, and it has no public address")),
            }
        }
        Some((_, Target::NatGateway(id))) => {
            // A route can only name a gateway that was there; one that is forgotten by now was there for long.
            let Some(nat) = network.nat_gateways.get(id) else { return direct() };
            if nat.failure.is_some() {
                return Err(format!("the NAT gateway {id} has failed"));
            }
            let Some(public) = network.subnets.get(&nat.subnet_id) else {
                return Ok(WayOut { from_ms: nat.settled_ms, zone: None });
            };
            match best_route(network, public, Ipv4Addr::new(8, 8, 8, 8)) {
                Some((_, Target::InternetGateway(_))) => {
                    Ok(WayOut { from_ms: nat.settled_ms, zone: Some(public.zone.clone()) })
                }
                _ => {
                    let subnet = &public.id;
                    Err(format!("the subnet {subnet} of the NAT gateway {id} has no route to an internet gateway"))
                }
            }
        }
        Some((_, other)) => Err(format!("its default route leads to {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number, egress, allow, range and ports.
    type Entry<'a> = (i32, bool, bool, &'a str, (i32, i32));

    fn acl(entries: &[Entry<'_>]) -> NetworkAcl {
        let entry = |(number, egress, allow, cidr, ports): &Entry<'_>| AclEntry {
            number: *number,
            egress: *egress,
            protocol: "6".into(),
            allow: *allow,
            cidr: Cidr::parse(cidr).expect("a range"),
            ports: Some(*ports),
            icmp: None,
        };
        NetworkAcl {
            id: "acl-1".into(),
            vpc_id: "vpc-1".into(),
            default: false,
            entries: entries.iter().map(entry).collect(),
            associations: Vec::new(),
        }
    }

    #[test]
    fn the_lowest_matching_entry_decides_and_the_last_denies() {
        let peer = Ipv4Addr::new(10, 0, 1, 5);
        let open = acl(&[(200, false, true, "0.0.0.0/0", (0, 65535)), (100, false, false, "10.0.1.0/24", (80, 80))]);
        assert_eq!(acl_allows(&open, false, peer, (80, 80)), Err(80));
        assert_eq!(acl_allows(&open, false, peer, (81, 81)), Ok(()));
        assert_eq!(acl_allows(&open, false, Ipv4Addr::new(10, 0, 2, 5), (80, 80)), Ok(()));
        assert_eq!(acl_allows(&open, true, peer, (81, 81)), Err(81));
    }

    #[test]
    fn answers_need_every_ephemeral_port() {
        let peer = Ipv4Addr::new(10, 0, 1, 5);
        let half = acl(&[(100, true, true, "0.0.0.0/0", (1024, 40000))]);
        assert_eq!(acl_allows(&half, true, peer, EPHEMERAL), Err(40001));
        let hole = acl(&[(90, true, false, "0.0.0.0/0", (5000, 5000)), (100, true, true, "0.0.0.0/0", (1024, 65535))]);
        assert_eq!(acl_allows(&hole, true, peer, EPHEMERAL), Err(5000));
        let whole = acl(&[(100, true, true, "0.0.0.0/0", (1024, 65535))]);
        assert_eq!(acl_allows(&whole, true, peer, EPHEMERAL), Ok(()));
    }
}
