//! Ownership in a free text, for objects that have no tags or whose tags cost a call each: `dr:shop/us-east-1/api.proxy#2` in
//! the description of an integration or the comment of a distribution.

use dr_core::Address;

/// An owner as a mark tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    place: Place,
    pub(crate) generation: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Address(Address),
    /// Of an address that did not fit.
    Digest(String),
}

/// The mark of a resource, at most `limit` bytes; one that does not fit has a digest in the place of the address.
pub(crate) fn write(stack: &str, address: &Address, generation: u32, limit: usize) -> String {
    let whole = format!("dr:{stack}/{address}#{generation}");
    if whole.len() <= limit { whole } else { format!("dr:{stack}/~{}#{generation}", digest(address.as_str())) }
}

/// The owner that a text names, when it is the mark of a resource of this stack.
pub(crate) fn read(stack: &str, text: &str) -> Option<Mark> {
    let rest = text.strip_prefix("dr:")?.strip_prefix(stack)?.strip_prefix('/')?;
    // `#` is no part of addresses, so the last one is the separator.
    let (place, generation) = rest.rsplit_once('#')?;
    let place = match place.strip_prefix('~') {
        Some(digest) => Place::Digest(digest.to_owned()),
        None => Place::Address(place.parse().ok()?),
    };
    Some(Mark { place, generation: generation.parse().ok()? })
}

impl Mark {
    /// The address: as written, or the one of `candidates` that has the digest.
    pub(crate) fn address<'a>(&self, mut candidates: impl Iterator<Item = &'a Address>) -> Option<Address> {
        match &self.place {
            Place::Address(address) => Some(address.clone()),
            Place::Digest(written) => candidates.find(|address| digest(address.as_str()) == *written).cloned(),
        }
    }
}

/// Sixteen hex digits that stand for a text which does not fit, FNV-1a: the same in every build, and nobody is kept out by it.
pub(crate) fn digest(text: &str) -> String {
    let fold = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, fold))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_names_its_owner() {
        let address: Address = "us-east-1/site.api[a.b].proxy".parse().unwrap();
        let text = write("shop", &address, 2, 128);
        assert_eq!(text, "dr:shop/us-east-1/site.api[a.b].proxy#2");
        let mark = read("shop", &text).unwrap();
        assert_eq!((mark.address([].into_iter()), mark.generation), (Some(address), 2));
        assert_eq!(read("sho", &text), None);
        assert_eq!(read("shop", "a comment that somebody wrote"), None);
    }

    #[test]
    fn an_address_that_does_not_fit_is_known_among_the_wanted_ones() {
        let address: Address = format!("us-east-1/{0}.{0}", "a".repeat(64)).parse().unwrap();
        let other: Address = "us-east-1/other".parse().unwrap();
        let text = write(&"s".repeat(64), &address, 1, 128);
        assert!(text.len() <= 128, "{text}");
        let mark = read(&"s".repeat(64), &text).unwrap();
        assert_eq!(mark.address([&other, &address].into_iter()), Some(address));
        assert_eq!(mark.address([&other].into_iter()), None);
    }
}
