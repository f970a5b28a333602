//! An IPv4 range in canonical form.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// A network address and a prefix length; bits behind the prefix are always zero, as EC2 canonicalises them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Cidr {
    base: u32,
    prefix: u8,
}

impl Cidr {
    /// `0.0.0.0/0`.
    pub(crate) const ANYWHERE: Cidr = Cidr { base: 0, prefix: 0 };

    /// Parses `a.b.c.d/n` and clears the host bits; `None` when it is not an IPv4 range.
    pub(crate) fn parse(text: &str) -> Option<Cidr> {
        let (address, prefix) = text.split_once('/')?;
        let address: Ipv4Addr = address.parse().ok()?;
        let prefix: u8 = prefix.parse().ok().filter(|bits| *bits <= 32)?;
        Some(Cidr { base: u32::from(address) & mask(prefix), prefix })
    }

    pub(crate) fn prefix(self) -> u8 {
        self.prefix
    }

    /// The `n`th address of the range.
    pub(crate) fn address(self, n: u32) -> Ipv4Addr {
        Ipv4Addr::from(self.base.wrapping_add(n))
    }

    /// How many addresses the range has; a whole IPv4 space does not fit 32 bits.
    pub(crate) fn size(self) -> u64 {
        1 << (32 - u32::from(self.prefix))
    }

    pub(crate) fn has(self, address: Ipv4Addr) -> bool {
        u32::from(address) & mask(self.prefix) == self.base
    }

    /// Whether `inner` lies within this range.
    pub(crate) fn covers(self, inner: Cidr) -> bool {
        self.prefix <= inner.prefix && inner.base & mask(self.prefix) == self.base
    }

    pub(crate) fn overlaps(self, other: Cidr) -> bool {
        self.covers(other) || other.covers(self)
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.prefix)
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> String {
        cidr.to_string()
    }
}

impl TryFrom<String> for Cidr {
    type Error = String;

    fn try_from(text: String) -> Result<Cidr, String> {
        Cidr::parse(&text).ok_or_else(|| format!("`{text}` is not an IPv4 range"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_bits_are_cleared_as_ec2_does() {
        assert_eq!(Cidr::parse("100.68.0.18/18").unwrap().to_string(), "100.68.0.0/18");
        assert_eq!(Cidr::parse("1.2.3.4/0").unwrap(), Cidr::ANYWHERE);
        assert_eq!(Cidr::parse("10.0.0.0/33"), None);
        assert_eq!(Cidr::parse("10.0.0/8"), None);
        assert_eq!(Cidr::parse("::/0"), None);
    }

    #[test]
    fn ranges_cover_and_overlap() {
        let cidr = |text| Cidr::parse(text).unwrap();
        assert!(cidr("10.0.0.0/16").covers(cidr("10.0.3.0/24")));
        assert!(!cidr("10.0.3.0/24").covers(cidr("10.0.0.0/16")));
        assert!(cidr("10.0.3.0/24").overlaps(cidr("10.0.0.0/16")));
        assert!(!cidr("10.0.3.0/24").overlaps(cidr("10.0.4.0/24")));
        assert!(Cidr::ANYWHERE.has("8.8.8.8".parse().unwrap()));
        assert_eq!(Cidr::ANYWHERE.size(), 1 << 32);
        assert_eq!(cidr("10.0.3.0/24").address(5).to_string(), "10.0.3.5");
    }
}
