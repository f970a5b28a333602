//! Ports, directions and peers: what a rule lets through.

use dr_core::{Anywhere, Cidr, Input, Inputs, IntoInput, Problems, Region};
use serde::{Deserialize, Serialize};

use crate::ids::SecurityGroupId;

/// Protocol and ports of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Port {
    /// All protocols and ports.
    All,
    /// TCP ports.
    #[non_exhaustive]
    Tcp {
        /// The lowest.
        from: u16,
        /// The highest.
        to: u16,
    },
    /// UDP ports.
    #[non_exhaustive]
    Udp {
        /// The lowest.
        from: u16,
        /// The highest.
        to: u16,
    },
    /// A protocol that this crate never writes, found in a rule that somebody else changed.
    #[non_exhaustive]
    Other {
        /// The name or number of the protocol.
        protocol: String,
        /// The lowest port, or the ICMP type.
        from: i32,
        /// The highest port, or the ICMP code.
        to: i32,
    },
}

impl Port {
    /// One TCP port.
    #[must_use]
    pub const fn tcp(port: u16) -> Self {
        Port::Tcp { from: port, to: port }
    }

    /// TCP ports, both ends included.
    #[must_use]
    pub const fn tcp_range(from: u16, to: u16) -> Self {
        Port::Tcp { from, to }
    }

    /// One UDP port.
    #[must_use]
    pub const fn udp(port: u16) -> Self {
        Port::Udp { from: port, to: port }
    }

    /// UDP ports, both ends included.
    #[must_use]
    pub const fn udp_range(from: u16, to: u16) -> Self {
        Port::Udp { from, to }
    }

    /// All protocols and ports.
    #[must_use]
    pub const fn all() -> Self {
        Port::All
    }

    /// Protocol, lowest and highest port in the form of the API; all ports are no ports there.
    pub(super) fn wire(&self) -> (String, Option<i32>, Option<i32>) {
        match self {
            Port::All => ("-1".to_owned(), None, None),
            Port::Tcp { from, to } => ("tcp".to_owned(), Some((*from).into()), Some((*to).into())),
            Port::Udp { from, to } => ("udp".to_owned(), Some((*from).into()), Some((*to).into())),
            Port::Other { protocol, from, to } => (protocol.clone(), Some(*from), Some(*to)),
        }
    }

    /// The port behind the form of the API, in which protocols are names or numbers.
    pub(super) fn from_wire(protocol: &str, from: Option<i32>, to: Option<i32>) -> Self {
        let port = |port: Option<i32>| port.and_then(|port| u16::try_from(port).ok());
        match (protocol, port(from), port(to)) {
            ("-1", ..) => Port::All,
            ("tcp" | "6", Some(from), Some(to)) => Port::Tcp { from, to },
            ("udp" | "17", Some(from), Some(to)) => Port::Udp { from, to },
            _ => {
                let protocol = protocol.to_owned();
                Port::Other { protocol, from: from.unwrap_or(-1), to: to.unwrap_or(-1) }
            }
        }
    }

    /// The number of the protocol, which is what network ACLs use.
    pub(super) fn number(&self) -> String {
        match self {
            Port::All => "-1".to_owned(),
            Port::Tcp { .. } => "6".to_owned(),
            Port::Udp { .. } => "17".to_owned(),
            Port::Other { protocol, .. } => protocol.clone(),
        }
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        if let Port::Tcp { from, to } | Port::Udp { from, to } = self
            && from > to
        {
            problems.report("ports", format_args!("the range {from} to {to} has its lowest port last"));
        }
    }
}

/// Which way traffic goes, seen from the group or the subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To it.
    Ingress,
    /// From it.
    Egress,
}

/// The other side of a security group's rule: the source of ingress, the destination of egress.
#[derive(Debug, Clone, Inputs)]
#[non_exhaustive]
pub enum Peer<R: Region = Anywhere> {
    /// A range of IPv4 addresses.
    Cidr(Cidr),
    /// Whatever has this security group, by its private addresses.
    Group(Input<SecurityGroupId<R>>),
    /// An IPv6 range or a prefix list, found in a rule that somebody else changed.
    Other(String),
}

impl<R: Region> Peer<R> {
    /// A range of IPv4 addresses.
    #[must_use]
    pub fn cidr(cidr: Cidr) -> Self {
        Peer::Cidr(cidr)
    }

    /// Everybody: `0.0.0.0/0`.
    #[must_use]
    pub fn anywhere() -> Self {
        Peer::Cidr(dr_core::cidr!("0.0.0.0/0"))
    }

    /// Whatever has this security group.
    pub fn group(group: impl IntoInput<SecurityGroupId<R>>) -> Self {
        Peer::Group(group.into_input())
    }
}

impl<R: Region> From<Cidr> for Peer<R> {
    fn from(cidr: Cidr) -> Self {
        Peer::Cidr(cidr)
    }
}

impl<R: Region> From<dr_core::Output<SecurityGroupId<R>>> for Peer<R> {
    fn from(group: dr_core::Output<SecurityGroupId<R>>) -> Self {
        Peer::group(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_come_back_from_the_wire() {
        for port in [Port::tcp(80), Port::tcp_range(1024, 65535), Port::udp(53), Port::all()] {
            let (protocol, from, to) = port.wire();
            assert_eq!(Port::from_wire(&protocol, from, to), port);
            assert_eq!(Port::from_wire(&port.number(), from, to), port);
        }
        // AWS gives 0 and 65535, or -1 and -1, with all protocols.
        assert_eq!(Port::from_wire("-1", Some(0), Some(65535)), Port::All);
        assert_eq!(Port::from_wire("-1", Some(-1), Some(-1)), Port::All);
        assert!(matches!(Port::from_wire("icmp", Some(-1), Some(-1)), Port::Other { .. }));
    }
}
