//! DNS names and record values as Route 53 compares them.
//!
//! Route 53 answers names in lower case, with a trailing dot, and with characters other than letters, digits, `-`, `_` and
//! `.` as octal escapes (`\052` for `*`). Source: "DNS domain name format", Route 53 Developer Guide.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::record::RecordType;

/// A name in the form in which two equal names are equal texts: lower case, no trailing dot, escapes as characters.
pub(crate) fn canonical(name: &str) -> String {
    let bytes = name.strip_suffix('.').unwrap_or(name).as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match escape(&bytes[at..]) {
            Some(byte) => {
                plain.push(byte.to_ascii_lowercase());
                at += 4;
            }
            None => {
                plain.push(bytes[at].to_ascii_lowercase());
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// The byte of an escape `\ooo` at the beginning of `bytes`.
fn escape(bytes: &[u8]) -> Option<u8> {
    let [b'\\', digits @ ..] = bytes else { return None };
    let digits = digits.get(..3).filter(|digits| digits.iter().all(|digit| (b'0'..=b'7').contains(digit)))?;
    let value = digits.iter().fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
    u8::try_from(value).ok()
}

/// Whether two names are the same name.
pub(crate) fn same(a: &str, b: &str) -> bool {
    canonical(a) == canonical(b)
}

/// Whether two values of a record of this type mean the same.
fn same_value(record_type: RecordType, a: &str, b: &str) -> bool {
    match record_type {
        RecordType::A => matches!((a.parse::<Ipv4Addr>(), b.parse::<Ipv4Addr>()), (Ok(a), Ok(b)) if a == b),
        RecordType::Aaaa => matches!((a.parse::<Ipv6Addr>(), b.parse::<Ipv6Addr>()), (Ok(a), Ok(b)) if a == b),
        RecordType::Cname | RecordType::Ns | RecordType::Ptr => same(a, b),
        // Numbers, then a name.
        RecordType::Mx | RecordType::Srv => {
            let (a, b): (Vec<_>, Vec<_>) = (a.split_whitespace().collect(), b.split_whitespace().collect());
            match (a.split_last(), b.split_last()) {
                (Some((a, first)), Some((b, second))) => first == second && same(a, b),
                _ => false,
            }
        }
        RecordType::Caa | RecordType::Ds | RecordType::Naptr | RecordType::Spf | RecordType::Txt => a == b,
    }
}

/// Whether two sets of values mean the same; their order does not matter.
pub(crate) fn same_values(record_type: RecordType, a: &[String], b: &[String]) -> bool {
    let within = |a: &[String], b: &[String]| a.iter().all(|a| b.iter().any(|b| same_value(record_type, a, b)));
    a.len() == b.len() && within(a, b) && within(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case_trailing_dot_and_escapes() {
        for (a, b) in [
            ("Api.Example.COM", "api.example.com."),
            ("*.example.com", "\\052.example.com."),
            ("a\\040b.example.com", "a b.example.com"),
            ("_d930b.example.com.", "_D930B.example.com"),
        ] {
            assert!(same(a, b), "{a} {b}");
        }
        assert!(!same("a.example.com", "b.example.com"));
        // Not escapes: too short, not octal, beyond a byte.
        for name in ["a\\05", "a\\089.b", "a\\777.b"] {
            assert_eq!(canonical(name), name);
        }
    }

    #[test]
    fn values_are_compared_by_what_they_mean() {
        let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        let check = |record_type, a: &[&str], b: &[&str]| same_values(record_type, &values(a), &values(b));
        assert!(check(RecordType::A, &["192.0.2.1", "192.0.2.2"], &["192.0.2.2", "192.0.2.1"]));
        assert!(!check(RecordType::A, &["192.0.2.1", "192.0.2.1"], &["192.0.2.2", "192.0.2.1"]));
        assert!(check(RecordType::Aaaa, &["2001:db8:0::1"], &["2001:DB8::1"]));
        assert!(check(RecordType::Cname, &["D-1.example.net"], &["d-1.example.net."]));
        assert!(check(RecordType::Mx, &["10 mail.example.com"], &["10  MAIL.example.com."]));
        assert!(!check(RecordType::Mx, &["10 mail.example.com"], &["20 mail.example.com"]));
        assert!(!check(RecordType::Txt, &["\"A\""], &["\"a\""]));
    }
}
