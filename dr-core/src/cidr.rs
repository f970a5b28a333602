//! IPv4 address ranges, checked when the program is compiled.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An IPv4 range in canonical form: `10.0.0.0/16`, with no bit set behind the prefix.
///
/// Write it as [`cidr!("10.0.0.0/16")`](crate::cidr): a malformed literal does not compile.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    base: u32,
    prefix: u8,
}

/// Why a text is no IPv4 range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CidrError {
    /// Not four numbers up to 255, a slash and a number up to 32.
    #[error("expected an IPv4 range such as `10.0.0.0/16`")]
    Form,
    /// Bits behind the prefix are set: AWS would silently turn it into another range.
    #[error("bits behind the prefix are set: not the first address of the range")]
    HostBits,
}

impl Cidr {
    /// Parses; `const`, so that literals are checked by the compiler.
    ///
    /// # Errors
    /// [`CidrError`]: the form is wrong, or bits behind the prefix are set.
    pub const fn parse(text: &str) -> Result<Cidr, CidrError> {
        let bytes = text.as_bytes();
        // Four octets and the prefix, each a number of one to three digits.
        let mut parts = [0_u32; 5];
        let (mut part, mut digits, mut at) = (0, 0, 0);
        while at < bytes.len() {
            let byte = bytes[at];
            let separator = if part == 3 { b'/' } else { b'.' };
            if byte == separator && digits > 0 && part < 4 {
                part += 1;
                digits = 0;
            } else if byte.is_ascii_digit() && digits < 3 {
                parts[part] = parts[part] * 10 + (byte - b'0') as u32;
                digits += 1;
            } else {
                return Err(CidrError::Form);
            }
            at += 1;
        }
        if part != 4 || digits == 0 || parts[4] > 32 {
            return Err(CidrError::Form);
        }
        if parts[0] > 255 || parts[1] > 255 || parts[2] > 255 || parts[3] > 255 {
            return Err(CidrError::Form);
        }
        let base = (parts[0] << 24) | (parts[1] << 16) | (parts[2] << 8) | parts[3];
        let prefix = parts[4] as u8;
        if base & !mask(prefix) != 0 {
            return Err(CidrError::HostBits);
        }
        Ok(Cidr { base, prefix })
    }

    /// Parses or stops the compiler; what [`cidr!`](crate::cidr) calls.
    #[doc(hidden)]
    #[must_use]
    pub const fn literal(text: &str) -> Cidr {
        match Cidr::parse(text) {
            Ok(cidr) => cidr,
            Err(CidrError::Form) => panic!("expected an IPv4 range such as `10.0.0.0/16`"),
            Err(CidrError::HostBits) => panic!("bits behind the prefix are set: not the first address of the range"),
        }
    }

    /// The number of leading bits that are fixed, 0 to 32.
    #[must_use]
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// The first address.
    #[must_use]
    pub const fn base(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base)
    }

    /// How many addresses it has.
    #[must_use]
    pub const fn size(self) -> u64 {
        1 << (32 - self.prefix)
    }

    /// Whether `other` lies inside.
    #[must_use]
    pub const fn contains(self, other: Cidr) -> bool {
        self.prefix <= other.prefix && other.base & mask(self.prefix) == self.base
    }

    /// Whether the two share an address.
    #[must_use]
    pub const fn overlaps(self, other: Cidr) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// The first `n` equal parts, cut to the next power of two: `10.0.0.0/16` in 3 gives three of four `/18`.
    ///
    /// Empty when the parts would have no whole address.
    #[must_use]
    pub fn split(self, n: u32) -> Vec<Cidr> {
        let bits = n.next_power_of_two().trailing_zeros() as u8;
        match self.prefix.checked_add(bits) {
            Some(prefix @ 0..=32) if n > 0 => {
                (0..n).map(|i| Cidr { base: self.base | (u64::from(i) << (32 - prefix)) as u32, prefix }).collect()
            }
            _ => Vec::new(),
        }
    }
}

const fn mask(prefix: u8) -> u32 {
    if prefix == 0 { 0 } else { u32::MAX << (32 - prefix) }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        Cidr::parse(text)
    }
}

impl TryFrom<String> for Cidr {
    type Error = CidrError;

    fn try_from(text: String) -> Result<Self, CidrError> {
        Cidr::parse(&text)
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> String {
        cidr.to_string()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base(), self.prefix)
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// An IPv4 range, checked by the compiler.
///
/// ```
/// assert_eq!(dr_core::cidr!("10.0.0.0/16").size(), 65_536);
/// ```
/// ```compile_fail
/// dr_core::cidr!("10.0.0.0/33");
/// ```
#[macro_export]
macro_rules! cidr {
    ($text:literal) => {
        const { $crate::Cidr::literal($text) }
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_parse_in_canonical_form_only() {
        for text in ["10.0.0.0/16", "0.0.0.0/0", "255.255.255.255/32", "192.168.4.0/22"] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "10.0.0.0",
            "10.0.0/16",
            "10.0.0.0/33",
            "256.0.0.0/8",
            "10.0.0.0/",
            "10..0.0/8",
            "10.0.0.0/8 ",
            "1.2.3.4.5/8",
        ] {
            assert_eq!(text.parse::<Cidr>(), Err(CidrError::Form), "{text}");
        }
        assert_eq!("100.68.0.18/18".parse::<Cidr>(), Err(CidrError::HostBits));
    }

    #[test]
    fn a_range_splits_into_the_next_power_of_two() {
        let parts: Vec<_> = cidr!("10.0.0.0/16").split(3).iter().map(ToString::to_string).collect();
        assert_eq!(parts, ["10.0.0.0/18", "10.0.64.0/18", "10.0.128.0/18"]);
        assert_eq!(cidr!("10.0.0.0/32").split(2), []);
        assert_eq!(cidr!("10.0.0.0/31").split(2).len(), 2);
        assert_eq!(cidr!("0.0.0.0/0").split(1), [cidr!("0.0.0.0/0")]);
    }

    proptest! {
        #[test]
        fn parts_lie_inside_and_apart(base in any::<u32>(), prefix in 0_u8..=30, n in 1_u32..=4) {
            let cidr = Cidr { base: base & mask(prefix), prefix };
            let parts = cidr.split(n);
            prop_assert_eq!(parts.len(), n as usize);
            for (i, part) in parts.iter().enumerate() {
                prop_assert!(cidr.contains(*part));
                prop_assert!(parts[..i].iter().all(|other| !other.overlaps(*part)));
            }
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,24}") {
            if let Ok(cidr) = text.parse::<Cidr>() {
                prop_assert_eq!(cidr.to_string().parse::<Cidr>(), Ok(cidr));
            }
        }
    }
}
