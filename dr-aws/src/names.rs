//! Physical names, for the types that need one at AWS: unique in the account, telling, and the same in every retry.

use dr_core::Owner;

/// `<stack>-<end of the address>-<8 hex digits of the token>`, cut to `limit` bytes, made of letters, digits and single
/// hyphens: the alphabet that all services take.
///
/// A new generation has a new token and so a new name: a replacement can exist beside the old one.
pub(crate) fn physical(owner: &Owner, limit: usize) -> String {
    let token = &owner.token[..owner.token.len().min(8)];
    let room = limit - token.len() - 1;
    let stack = stack_part(&owner.stack, limit);
    // The end of an address tells more than its beginning: the region is known anyway.
    let path = clean(owner.address.path());
    let room = room.saturating_sub(stack.len() + 1);
    let path = last_words(&path, room);
    let parts = [stack.as_str(), path, token];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// Whether a name can be one of the stack's. Reads that list a whole account look at the tags of such names only.
pub(crate) fn may_be_of(stack: &str, name: &str, limit: usize) -> bool {
    name.strip_prefix(&stack_part(stack, limit)).is_some_and(|rest| rest.starts_with('-'))
}

/// What all names of the stack begin with, for reads that can ask by a prefix.
#[cfg_attr(not(feature = "cloudwatch"), expect(dead_code, reason = "only alarms are asked for by a prefix"))]
pub(crate) fn prefix(stack: &str, limit: usize) -> String {
    let part = stack_part(stack, limit);
    if part.is_empty() { part } else { format!("{part}-") }
}

/// The path of the stack's roles and instance profiles in IAM.
pub(crate) fn path(stack: &str) -> String {
    format!("/{stack}/")
}

fn stack_part(stack: &str, limit: usize) -> String {
    let stack = clean(stack);
    let stack = stack[..stack.len().min(limit * 2 / 5)].trim_end_matches('-');
    // Elastic Load Balancing keeps the names `internal-…` for itself, EC2 those of groups that begin with `sg-`; and a stack may
    // be called `_`.
    let is_kept = |word: &str| stack.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    if stack.is_empty() {
        "s".to_owned()
    } else if is_kept("internal") || is_kept("sg") {
        format!("s-{stack}")
    } else {
        stack.to_owned()
    }
}

/// The end of a cleaned text that fits, beginning with a whole word if one fits.
fn last_words(text: &str, room: usize) -> &str {
    let at = text.len().saturating_sub(room);
    if at == 0 || text[..at].ends_with('-') {
        return &text[at..];
    }
    text[at..].split_once('-').map_or(&text[at..], |(_, words)| words)
}

/// Letters, digits and single hyphens, none at the ends; ASCII, so that it can be cut anywhere.
fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            clean.push(c);
        } else if !clean.is_empty() && !clean.ends_with('-') {
            clean.push('-');
        }
    }
    clean.truncate(clean.trim_end_matches('-').len());
    clean
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owner(stack: &str, address: &str) -> Owner {
        Owner {
            stack: stack.into(),
            region: "us-east-1".into(),
            address: address.parse().unwrap(),
            generation: 1,
            token: "0123456789abcdef0123456789abcdef".into(),
            tags: Default::default(),
        }
    }

    #[test]
    fn a_name_tells_the_stack_and_the_end_of_the_address() {
        assert_eq!(physical(&owner("shop", "us-east-1/site.alb"), 32), "shop-site-alb-01234567");
        let long = owner("the-shop-of-everything", "us-east-1/primary.service.backend.group[a.b]");
        assert_eq!(physical(&long, 32), "the-shop-of-group-a-b-01234567");
        assert!(physical(&owner("internal", "us-east-1/alb"), 32).starts_with("s-internal-alb"));
        assert!(physical(&owner("sg", "us-east-1/web"), 255).starts_with("s-sg-web-"));
        assert!(physical(&owner("sgx", "us-east-1/web"), 255).starts_with("sgx-web-"));
    }

    proptest! {
        #[test]
        fn every_name_is_valid_and_known_as_the_stacks(
            stack in "((internal|sg)[-_]?)?[a-zA-Z0-9_-]{0,48}".prop_filter("a name", |stack| !stack.is_empty()),
            name in "[a-zA-Z0-9_-]{1,64}",
        ) {
            for limit in [32, 64, 128, 255] {
                let name = physical(&owner(&stack, &format!("global/{name}")), limit);
                prop_assert!(name.len() <= limit, "{}", name);
                prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{}", name);
                prop_assert!(!name.starts_with('-') && !name.ends_with('-') && !name.contains("--"), "{}", name);
                prop_assert!(!name.starts_with("internal-") && !name.starts_with("sg-"), "{}", name);
                prop_assert!(may_be_of(&stack, &name, limit), "{}", name);
            }
        }
    }
}
