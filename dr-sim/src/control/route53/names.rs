//! Domain names as Route 53 writes them: lower case, with a trailing dot, odd characters as octal escapes (`\052` for `*`).
//!
//! Source: Route 53 Developer Guide, "DNS domain name format".

use std::cmp::Ordering;

/// The canonical form of a name, or what is wrong with it.
pub(crate) fn canonical(name: &str) -> Result<String, String> {
    let mut out = String::with_capacity(name.len() + 1);
    let mut rest = name.strip_suffix('.').unwrap_or(name).chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            'a'..='z' | '0'..='9' | '-' | '_' | '.' => out.push(c),
            'A'..='Z' => out.push(c.to_ascii_lowercase()),
            '\\' => {
                let digits: String = std::iter::from_fn(|| rest.next_if(|c| ('0'..='7').contains(c))).take(3).collect();
                if digits.len() != 3 {
                    return Err(format!("the escape in {name} does not have three octal digits"));
                }
                out.push('\\');
                out.push_str(&digits);
            }
            _ => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    out.push_str(&format!("\\{byte:03o}"));
                }
            }
        }
    }
    for label in out.split('.') {
        // An escape is one octet.
        let octets = label.len() - 3 * label.matches('\\').count();
        if octets == 0 {
            return Err(format!("a label of {name} is empty"));
        }
        if octets > 63 {
            return Err(format!("a label of {name} is longer than 63 octets"));
        }
    }
    if out.len() - 3 * out.matches('\\').count() > 253 {
        return Err(format!("{name} is longer than 255 octets"));
    }
    out.push('.');
    Ok(out)
}

/// A name without its trailing dot and with `*` for `\052`: as people write it.
pub(crate) fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).replace("\\052", "*")
}

/// Whether a canonical name is the zone's name or below it.
pub(crate) fn within(name: &str, zone: &str) -> bool {
    name == zone || name.strip_suffix(zone).is_some_and(|front| front.ends_with('.'))
}

/// The order of lists: by labels from the right.
pub(crate) fn by_labels(a: &str, b: &str) -> Ordering {
    let reversed = |name: &str| name.trim_end_matches('.').rsplit('.').map(str::to_owned).collect::<Vec<_>>();
    reversed(a).cmp(&reversed(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_lower_case_a_dot_and_escapes_once() {
        let c = |name: &str| canonical(name).expect("a fine name");
        assert_eq!(c("WWW.Example.com"), "www.example.com.");
        assert_eq!(c("*.example.com."), "\\052.example.com.");
        assert_eq!(c("\\052.example.com."), "\\052.example.com.");
        assert_eq!(c("a@b.example.com"), "a\\100b.example.com.");
        assert_eq!(c("_x.example.com"), "_x.example.com.");
        assert_eq!(plain("\\052.example.com."), "*.example.com");
        for bad in ["", "a..b", ".a", "a\\9.b", &format!("{}.com", "a".repeat(64)), &vec!["a".repeat(60); 5].join(".")]
        {
            assert!(canonical(bad).is_err(), "{bad}");
        }
        canonical(&format!("{}.com", "*".repeat(63))).expect("an escape is one octet");
    }

    #[test]
    fn a_name_is_within_its_zone_and_not_within_one_that_only_ends_alike() {
        assert!(within("example.com.", "example.com.") && within("a.example.com.", "example.com."));
        assert!(!within("badexample.com.", "example.com.") && !within("com.", "example.com."));
    }

    #[test]
    fn lists_are_ordered_by_labels_from_the_right() {
        let mut names = ["b.a.com.", "a.com.", "z.com.", "a.b.com.", "b.com."];
        names.sort_by(|a, b| by_labels(a, b));
        assert_eq!(names, ["a.com.", "b.a.com.", "b.com.", "a.b.com.", "z.com."]);
    }
}
