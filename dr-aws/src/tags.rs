//! Ownership tags: how a resource says which stack it belongs to, where in the program it stands, and which one it is of all
//! that stood there.
//!
//! | tag | value |
//! |---|---|
//! | `dr:stack` | the name of the stack; what bulk reads filter by |
//! | `dr:address` | the address, with the characters that not every service takes in a tag written differently |
//! | `dr:generation` | counts the resources that the address has had |
//! | `Name` | `<stack>/<address>`, which consoles show, unless the program gives another |

use std::collections::BTreeMap;

use dr_core::{Address, Owner};

/// The name of the stack.
pub const STACK: &str = "dr:stack";
/// The address in the program.
pub const ADDRESS: &str = "dr:address";
/// Counts the resources that the address has had.
pub const GENERATION: &str = "dr:generation";
/// What consoles show.
const NAME: &str = "Name";
/// The longest value of a tag, in characters.
const VALUE_LEN_MAX: usize = 256;

/// All tags of a resource: ownership, name, and those of the program.
pub(crate) fn ownership(owner: &Owner) -> BTreeMap<String, String> {
    let address = encode(&owner.address);
    let mut tags = BTreeMap::from([(NAME.to_owned(), name(&owner.stack, &address))]);
    tags.extend(owner.tags.clone());
    tags.insert(STACK.to_owned(), owner.stack.clone());
    tags.insert(ADDRESS.to_owned(), address);
    tags.insert(GENERATION.to_owned(), owner.generation.to_string());
    tags
}

/// The name that a resource gets when the program gives none: as much of it as fits.
fn name(stack: &str, address: &str) -> String {
    format!("{stack}/{address}").chars().take(VALUE_LEN_MAX).collect()
}

/// Who owns a resource, as its tags tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) address: Address,
    pub(crate) generation: u32,
    /// The tags of the program.
    pub(crate) tags: BTreeMap<String, String>,
}

/// The owner that the tags name, when it is this stack. Tags that do not parse belong to nobody.
pub(crate) fn owned<K, V>(stack: &str, tags: impl IntoIterator<Item = (K, V)>) -> Option<Owned>
where
    K: Into<String>,
    V: Into<String>,
{
    let mut tags: BTreeMap<String, String> = tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    if tags.remove(STACK)? != stack {
        return None;
    }
    let encoded = tags.remove(ADDRESS)?;
    let generation = tags.remove(GENERATION)?.parse().ok()?;
    if tags.get(NAME).is_some_and(|given| *given == name(stack, &encoded)) {
        tags.remove(NAME);
    }
    // CloudFormation, Auto Scaling and others of AWS add their own, which nobody can take away.
    tags.retain(|key, _| !key.starts_with("aws:"));
    Some(Owned { address: decode(&encoded)?, generation, tags })
}

/// The tags of the owner that an object has not or has otherwise, and the keys that it has and should not.
pub(crate) fn changes(owner: &Owner, present: &BTreeMap<String, String>) -> (BTreeMap<String, String>, Vec<String>) {
    let mut wanted = ownership(owner);
    let surplus = present.keys().filter(|key| !wanted.contains_key(*key) && !key.starts_with("aws:"));
    let surplus = surplus.cloned().collect();
    wanted.retain(|key, value| present.get(key) != Some(value));
    (wanted, surplus)
}

/// An address as the value of a tag. Elastic Load Balancing, IAM and others take letters, digits, spaces and `_.:/=+-@`:
/// `net.public[a.b]` becomes `net.public@a=2Eb`.
#[must_use]
pub fn encode(address: &Address) -> String {
    let (mut text, mut in_key) = (String::with_capacity(address.as_str().len()), false);
    for byte in address.as_str().bytes() {
        match byte {
            b'[' => {
                in_key = true;
                text.push('@');
            }
            b']' => in_key = false,
            // Outside of a key only what names are made of, dots and one slash.
            _ if !in_key || byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' => text.push(char::from(byte)),
            _ => text.push_str(&format!("={byte:02X}")),
        }
    }
    text
}

/// The address behind the value of a tag, or `None` when [`encode`] never writes such a value.
#[must_use]
pub fn decode(value: &str) -> Option<Address> {
    let (mut text, mut in_key) = (String::with_capacity(value.len()), false);
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'@' if !in_key => {
                in_key = true;
                text.push('[');
            }
            b'.' if in_key => {
                in_key = false;
                text.push_str("].");
            }
            b'=' if in_key => {
                let digits = [bytes.next()?, bytes.next()?];
                let code = u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?;
                text.push(char::from(code));
            }
            _ => text.push(char::from(byte)),
        }
    }
    if in_key {
        text.push(']');
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owner(address: &str) -> Owner {
        Owner {
            stack: "shop".into(),
            region: "us-east-1".into(),
            address: address.parse().unwrap(),
            generation: 2,
            token: "0123456789abcdef0123456789abcdef".into(),
            tags: [("team".to_owned(), "web".to_owned())].into(),
        }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let owner = owner("us-east-1/net.public[a.b].subnet[1]");
        let tags = ownership(&owner);
        assert_eq!(tags[ADDRESS], "us-east-1/net.public@a=2Eb.subnet@1");
        assert_eq!(tags["Name"], "shop/us-east-1/net.public@a=2Eb.subnet@1");
        let read = owned("shop", tags.clone()).unwrap();
        assert_eq!((read.address, read.generation, read.tags), (owner.address, 2, owner.tags));
        assert_eq!(owned("other", tags), None);
    }

    #[test]
    fn a_long_address_is_cut_in_the_name_only_and_is_no_tag_of_the_program() {
        let mut owner = owner(&format!("us-east-1/{0}.{0}.{0}.x", "a".repeat(64)));
        owner.stack = "s".repeat(64);
        let tags = ownership(&owner);
        assert_eq!(tags["Name"].len(), VALUE_LEN_MAX);
        let read = owned(&owner.stack, tags).unwrap();
        assert_eq!((read.address, read.tags), (owner.address, owner.tags));
    }

    #[test]
    fn only_what_differs_is_written_and_what_is_too_much_is_taken_away() {
        let owner = owner("us-east-1/vpc");
        let mut present = ownership(&owner);
        assert_eq!(changes(&owner, &present), (BTreeMap::new(), Vec::new()));
        present.insert("team".into(), "data".into());
        present.insert("extra".into(), "1".into());
        present.insert("aws:made-by".into(), "AWS".into());
        let team = BTreeMap::from([("team".to_owned(), "web".to_owned())]);
        assert_eq!(changes(&owner, &present), (team, vec!["extra".to_owned()]));
    }

    #[test]
    fn tags_of_others_own_nothing() {
        assert_eq!(owned("shop", [("Name", "shop/us-east-1/vpc")]), None);
        assert_eq!(owned("shop", [(STACK, "shop"), (ADDRESS, "?"), (GENERATION, "0")]), None);
        assert_eq!(owned("shop", [(STACK, "shop"), (ADDRESS, "us-east-1/vpc"), (GENERATION, "x")]), None);
    }

    #[test]
    fn a_name_that_the_program_gives_wins_and_is_its_own_tag() {
        let mut owner = owner("us-east-1/vpc");
        owner.tags.insert("Name".into(), "front".into());
        let tags = ownership(&owner);
        assert_eq!(tags["Name"], "front");
        assert_eq!(owned("shop", tags).unwrap().tags, owner.tags);
    }

    proptest! {
        #[test]
        fn every_address_fits_into_a_tag_and_comes_back(
            name in "[a-zA-Z0-9_-]{1,12}",
            key in "[!-~&&[^\\[\\]/\"\\\\#]]{1,12}",
            last in "[a-z]{1,4}",
        ) {
            for text in [format!("global/{name}[{key}].{last}"), format!("global/{name}[{key}]"), format!("global/{name}.{last}")] {
                let address: Address = text.parse().unwrap();
                let value = encode(&address);
                prop_assert!(value.chars().all(|c| c.is_ascii_alphanumeric() || "_.:/=+-@".contains(c)), "{}", value);
                prop_assert_eq!(decode(&value), Some(address));
            }
        }

        #[test]
        fn decoding_never_panics(value in "\\PC{0,32}") {
            if let Some(address) = decode(&value) {
                prop_assert_eq!(decode(&encode(&address)), Some(address));
            }
        }
    }
}
