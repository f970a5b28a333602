//! Logical addresses: `us-east-1/net.public[a]` names a resource for as long as the program keeps the name.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest address, in bytes: it is written into an ownership tag, and AWS allows 256 characters there.
pub const ADDRESS_LEN_MAX: usize = 255;
/// The longest single name, in bytes.
pub const NAME_LEN_MAX: usize = 64;

/// Where a resource stands in the program: `<region>/<scope>.<scope>.<name>[<key>]`.
///
/// Cheap to clone, ordered as text. Two resources never share one; renaming one in the program is a new resource unless the
/// program says `moved`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(Arc<str>);

/// Why a text is no address, or no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// A region, a name or a key is the empty text.
    #[error("a name is empty")]
    Empty,
    /// A name is longer than [`NAME_LEN_MAX`], or an address longer than [`ADDRESS_LEN_MAX`].
    #[error("`{text}` has {len} bytes, at most {max} are allowed")]
    TooLong {
        /// The beginning of the text.
        text: String,
        /// Its length in bytes.
        len: usize,
        /// The limit that it exceeds.
        max: usize,
    },
    /// A character that names cannot have.
    #[error("`{text}` has the character {found:?}: names are made of letters, digits, `-` and `_`")]
    Character {
        /// The name.
        text: String,
        /// The first character that is not allowed.
        found: char,
    },
    /// The text does not have the form of an address.
    #[error("`{0}` is no address: expected `region/scope.name` or `region/scope.name[key]`")]
    Form(String),
}

impl Address {
    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The region or role, the part before the slash.
    #[must_use]
    pub fn region(&self) -> &str {
        self.0.split_once('/').map_or("", |(region, _)| region)
    }

    /// The part after the slash.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, path)| path)
    }

    /// The enclosing construct's path, empty for a resource at the top of its region.
    #[must_use]
    pub fn scope(&self) -> &str {
        let path = self.path();
        &path[..separators(path).last().unwrap_or(0)]
    }

    /// The outermost construct of a path, and what is below it: `primary.net.vpc` is `net.vpc` in `primary`. What stands at the
    /// top of its region is below an empty one.
    #[must_use]
    pub fn split_path(path: &str) -> (&str, &str) {
        separators(path).next().map_or(("", path), |at| (&path[..at], &path[at + 1..]))
    }

    /// The resource's own name with its key, the last segment.
    #[must_use]
    pub fn name(&self) -> &str {
        let scope = self.scope();
        let path = self.path();
        if scope.is_empty() { path } else { &path[scope.len() + 1..] }
    }
}

/// Where the dots of a path are that separate scopes: keys may hold dots as well.
fn separators(path: &str) -> impl Iterator<Item = usize> {
    let mut depth = 0_u32;
    path.bytes().enumerate().filter_map(move |(at, byte)| {
        match byte {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (byte == b'.' && depth == 0).then_some(at)
    })
}

impl FromStr for Address {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.len() > ADDRESS_LEN_MAX {
            return Err(too_long(text, ADDRESS_LEN_MAX));
        }
        let (region, path) = text.split_once('/').ok_or_else(|| NameError::Form(text.to_owned()))?;
        check_name(region)?;
        // Any segment may carry a key: constructs can be made in a loop as well as resources.
        let mut rest = path;
        loop {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            check_name(&rest[..end])?;
            rest = &rest[end..];
            if let Some(keyed) = rest.strip_prefix('[') {
                let close = keyed.find(']').ok_or_else(|| NameError::Form(text.to_owned()))?;
                check_key(&keyed[..close])?;
                rest = &keyed[close + 1..];
            }
            match rest.strip_prefix('.') {
                Some(next) => rest = next,
                None if rest.is_empty() => return Ok(Address(text.into())),
                None => return Err(NameError::Form(text.to_owned())),
            }
        }
    }
}

impl TryFrom<String> for Address {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.0.as_ref().to_owned()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Address {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Address {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// A name given in the program: `"vpc"`, or `("subnet", key)` inside a loop, which prints as `subnet[key]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogicalName {
    name: String,
    key: Option<String>,
}

impl LogicalName {
    fn write(&self, text: &mut String) -> Result<(), NameError> {
        check_name(&self.name)?;
        text.push_str(&self.name);
        if let Some(key) = &self.key {
            check_key(key)?;
            text.push('[');
            text.push_str(key);
            text.push(']');
        }
        Ok(())
    }

    /// The scope path of a construct of this name inside `path`.
    pub(crate) fn extend(&self, path: &str) -> Result<String, NameError> {
        let mut text = path.to_owned();
        if !path.is_empty() {
            text.push('.');
        }
        self.write(&mut text)?;
        Ok(text)
    }
}

impl fmt::Display for LogicalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{}[{key}]", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl From<&str> for LogicalName {
    fn from(name: &str) -> Self {
        LogicalName { name: name.to_owned(), key: None }
    }
}

impl From<String> for LogicalName {
    fn from(name: String) -> Self {
        LogicalName { name, key: None }
    }
}

impl<K: fmt::Display> From<(&str, K)> for LogicalName {
    fn from((name, key): (&str, K)) -> Self {
        LogicalName { name: name.to_owned(), key: Some(key.to_string()) }
    }
}

pub(crate) fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > NAME_LEN_MAX {
        return Err(too_long(name, NAME_LEN_MAX));
    }
    check_characters(name, |c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn check_key(key: &str) -> Result<(), NameError> {
    if key.is_empty() {
        return Err(NameError::Empty);
    }
    if key.len() > NAME_LEN_MAX {
        return Err(too_long(key, NAME_LEN_MAX));
    }
    // Keys come from data (host names, paths), so they may have more than names; brackets and slashes would not parse back.
    check_characters(key, |c| c.is_ascii_graphic() && !matches!(c, '[' | ']' | '/' | '"' | '\\' | '#'))
}

fn check_characters(text: &str, allowed: impl Fn(char) -> bool) -> Result<(), NameError> {
    match text.chars().find(|&c| !allowed(c)) {
        Some(found) => Err(NameError::Character { text: text.to_owned(), found }),
        None => Ok(()),
    }
}

fn too_long(text: &str, max: usize) -> NameError {
    NameError::TooLong { text: text.chars().take(24).collect::<String>() + "…", len: text.len(), max }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_has_a_region_a_scope_and_a_name() {
        let address: Address = "us-east-1/shop.net.public[a.b]".parse().unwrap();
        assert_eq!(address.region(), "us-east-1");
        assert_eq!(address.scope(), "shop.net");
        assert_eq!(address.name(), "public[a.b]");
        let keyed: Address = "us-east-1/zone[a.b].subnet".parse().unwrap();
        assert_eq!((keyed.scope(), keyed.name()), ("zone[a.b]", "subnet"));
        let top: Address = "global/zone".parse().unwrap();
        assert_eq!((top.scope(), top.name()), ("", "zone"));
    }

    #[test]
    fn what_is_no_address_says_why() {
        for (text, expect) in [
            ("", "expected `region/scope.name`"),
            ("zone", "expected `region/scope.name`"),
            ("/zone", "empty"),
            ("global/", "empty"),
            ("global/a..b", "empty"),
            ("global/a b", "' '"),
            ("global/a[", "expected"),
            ("global/a[]", "empty"),
            ("global/a[b]c", "expected"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(expect), "{text}: {error}");
        }
        let long = format!("global/{}", "a".repeat(300));
        assert!(matches!(long.parse::<Address>(), Err(NameError::TooLong { .. })));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_prints_back(text in "\\PC{0,40}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string(), text);
            }
        }

        #[test]
        fn extended_names_parse_back(scope in "[a-z]{1,8}", name in "[a-z_]{1,8}", key in "[a-z0-9.]{1,6}") {
            let path = LogicalName::from((name.as_str(), &key)).extend(&scope).unwrap();
            let parsed: Address = format!("us-east-1/{path}").parse().unwrap();
            prop_assert_eq!(parsed.scope(), &scope);
            prop_assert_eq!(parsed.name(), format!("{name}[{key}]"));
        }
    }
}
