//! IAM: roles, their policies, instance profiles.
//!
//! API: Identity and Access Management 2010-05-08. One namespace for the whole account: names are unique without regard to
//! case, lists show neither tags nor permission boundaries, documents come back percent-encoded. What IAM has accepted is
//! visible in IAM at once; EC2 accepts a new instance profile, or a role that was just added to one, only after
//! [`Slow::IamPropagation`].

mod documents;
mod policies;
mod profiles;
mod roles;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::Tag as SdkTag;
use aws_smithy_types::DateTime;
use serde::{Deserialize, Serialize};

use super::{Answer, Refusal, Table};
use crate::latency::Slow;
use crate::world::World;

/// The service name in the SDK's metadata.
const SERVICE: &str = "IAM";

/// The account's roles and instance profiles, by name in lower case: two names that differ in case only are one name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) roles: BTreeMap<String, Role>,
    pub(crate) instance_profiles: BTreeMap<String, InstanceProfile>,
}

/// A role.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Role {
    /// As it was given at creation.
    pub(crate) name: String,
    /// `/`, or a path that begins and ends with one.
    pub(crate) path: String,
    /// `AROA…`: another one after the role was deleted and made again.
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) created_ms: u64,
    /// The trust policy, JSON as it was sent.
    pub(crate) trust_policy: String,
    pub(crate) description: Option<String>,
    /// Seconds, 3600 to 43200.
    pub(crate) max_session_s: i32,
    /// ARN of a managed policy.
    pub(crate) permissions_boundary: Option<String>,
    pub(crate) tags: Vec<Tag>,
    /// ARNs of the attached managed policies.
    pub(crate) managed_policies: BTreeSet<String>,
    /// Inline policies: JSON by policy name.
    pub(crate) inline_policies: BTreeMap<String, String>,
}

/// An instance profile.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct InstanceProfile {
    pub(crate) name: String,
    pub(crate) path: String,
    /// `AIPA…`
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) created_ms: u64,
    /// From when on EC2 knows the profile.
    pub(crate) usable_at_ms: u64,
    pub(crate) role: Option<ProfileRole>,
    pub(crate) tags: Vec<Tag>,
}

/// The one role of an instance profile.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ProfileRole {
    /// Key of [`State::roles`].
    pub(crate) role: String,
    /// From when on EC2 sees the role in the profile.
    pub(crate) usable_at_ms: u64,
}

/// A tag; keys are unique without regard to case and keep the case they were given in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

pub(crate) fn register(table: &mut Table) {
    roles::register(table);
    policies::register(table);
    profiles::register(table);
}

/// The instance profile of that name or ARN.
pub(crate) fn instance_profile<'w>(world: &'w World, name_or_arn: &str) -> Option<&'w InstanceProfile> {
    if name_or_arn.starts_with("arn:") {
        world.iam.instance_profiles.values().find(|profile| profile.arn == name_or_arn)
    } else {
        world.iam.instance_profiles.get(&name_or_arn.to_lowercase())
    }
}

/// Whether EC2 accepts the instance profile (a name or an ARN) at that moment. `Err` is the end of EC2's message:
/// `Invalid IAM Instance Profile name`, `Invalid IAM Instance Profile ARN` or `has no associated IAM Roles`.
pub(crate) fn instance_profile_usable(world: &World, name_or_arn: &str, now_ms: u64) -> Result<(), &'static str> {
    let unknown = if name_or_arn.starts_with("arn:") {
        "Invalid IAM Instance Profile ARN"
    } else {
        "Invalid IAM Instance Profile name"
    };
    let profile =
        instance_profile(world, name_or_arn).filter(|profile| profile.usable_at_ms <= now_ms).ok_or(unknown)?;
    match &profile.role {
        Some(role) if role.usable_at_ms <= now_ms => Ok(()),
        _ => Err("has no associated IAM Roles"),
    }
}

/// When EC2 will have heard of what IAM has just accepted.
fn usable_at(world: &mut World, now_ms: u64) -> u64 {
    now_ms + world.latency(Slow::IamPropagation)
}

/// A unique id: the prefix tells what it is the id of.
fn unique_id(world: &mut World, prefix: &str) -> String {
    format!("{prefix}{}", world.token(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 17))
}

/// IAM tells times to the second.
fn date(ms: u64) -> DateTime {
    DateTime::from_secs(i64::try_from(ms / 1000).expect("a time of this age fits 63 bits"))
}

fn role<'w>(world: &'w World, name: &str) -> Answer<&'w Role> {
    world.iam.roles.get(&name.to_lowercase()).ok_or_else(|| no_role(name))
}

fn role_mut<'w>(world: &'w mut World, name: &str) -> Answer<&'w mut Role> {
    world.iam.roles.get_mut(&name.to_lowercase()).ok_or_else(|| no_role(name))
}

fn no_role(name: &str) -> Refusal {
    no_such_entity(format!("The role with name {name} cannot be found."))
}

fn no_such_entity(message: String) -> Refusal {
    Refusal::new("NoSuchEntity", message).status(404)
}

fn conflict(message: &str) -> Refusal {
    Refusal::new("DeleteConflict", message).status(409)
}

fn limit(message: String) -> Refusal {
    Refusal::new("LimitExceeded", message).status(409)
}

/// What IAM answers to a parameter outside its model.
fn invalid(value: &str, field: &str, constraint: &str) -> Refusal {
    let message =
        format!("1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {constraint}");
    Refusal::new("ValidationError", message)
}

/// The value of a parameter that the API requires.
fn required<'i>(value: &'i Option<String>, field: &str) -> Answer<&'i str> {
    value.as_deref().ok_or_else(|| {
        let message = format!(
            "1 validation error detected: Value null at '{field}' failed to satisfy constraint: Member must not be null"
        );
        Refusal::new("ValidationError", message)
    })
}

/// A name of a role, profile or policy: 1 to `longest` characters of `[\w+=,.@-]`.
fn checked_name<'i>(value: &'i Option<String>, field: &str, longest: usize) -> Answer<&'i str> {
    let name = required(value, field)?;
    if name.is_empty() {
        return Err(invalid(name, field, "Member must have length greater than or equal to 1"));
    }
    if name.len() > longest {
        return Err(invalid(name, field, &format!("Member must have length less than or equal to {longest}")));
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)) {
        return Err(Refusal::new(
            "ValidationError",
            format!(
                "The specified value for {field} is invalid. It must contain only alphanumeric characters and/or \
                 the following: +=,.@_-"
            ),
        ));
    }
    Ok(name)
}

/// A path: `/`, or printable ASCII between two slashes, at most 512 characters.
fn checked_path(path: Option<&str>) -> Answer<&str> {
    let path = path.unwrap_or("/");
    let printable = path.bytes().all(|b| (0x21..=0x7e).contains(&b));
    if path.len() > 512 || !printable || !path.starts_with('/') || !path.ends_with('/') {
        return Err(Refusal::new(
            "ValidationError",
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric \
             characters and/or / characters.",
        ));
    }
    Ok(path)
}

/// The tags of a request, checked. `field` is the place in the request.
fn checked_tags(tags: Option<&[SdkTag]>) -> Answer<Vec<Tag>> {
    let tags = tags.unwrap_or_default();
    if tags.len() > 50 {
        return Err(Refusal::new(
            "ValidationError",
            "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length \
             less than or equal to 50",
        ));
    }
    let mut checked: Vec<Tag> = Vec::new();
    for (n, tag) in tags.iter().enumerate() {
        let refuse = |part: &str, constraint: &str| {
            let place = format!("tags.{}.member.{part}", n + 1);
            Refusal::new(
                "ValidationError",
                format!("1 validation error detected: Value at '{place}' failed to satisfy constraint: {constraint}"),
            )
        };
        let allowed =
            |text: &str| text.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c));
        let pattern = |star: &str| {
            format!("Member must satisfy regular expression pattern: [\\p{{L}}\\p{{Z}}\\p{{N}}_.:/=+\\-@]{star}")
        };
        match (tag.key.chars().count(), tag.value.chars().count()) {
            (0, _) => return Err(refuse("key", "Member must have length greater than or equal to 1")),
            (129.., _) => return Err(refuse("key", "Member must have length less than or equal to 128")),
            (_, 257..) => return Err(refuse("value", "Member must have length less than or equal to 256")),
            _ if !allowed(&tag.key) => return Err(refuse("key", &pattern("+"))),
            _ if !allowed(&tag.value) => return Err(refuse("value", &pattern("*"))),
            _ => {}
        }
        if tag.key.to_lowercase().starts_with("aws:") {
            return Err(Refusal::new(
                "InvalidInput",
                "System tags cannot be added or modified by users: keys that begin with aws: are reserved.",
            ));
        }
        if checked.iter().any(|other| same_key(&other.key, &tag.key)) {
            return Err(Refusal::new(
                "InvalidInput",
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        checked.push(Tag { key: tag.key.clone(), value: tag.value.clone() });
    }
    Ok(checked)
}

fn same_key(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// TagRole and TagInstanceProfile: the tags that an object has afterwards.
fn tagged(present: &[Tag], new: Vec<Tag>) -> Answer<Vec<Tag>> {
    let mut all = present.to_vec();
    for tag in new {
        match all.iter_mut().find(|old| same_key(&old.key, &tag.key)) {
            Some(old) => *old = tag,
            None => all.push(tag),
        }
    }
    if all.len() > 50 {
        return Err(limit("The number of tags has reached the maximum limit.".to_owned()));
    }
    Ok(all)
}

fn sdk_tags(tags: &[Tag]) -> Vec<SdkTag> {
    tags.iter()
        .map(|tag| SdkTag::builder().key(&tag.key).value(&tag.value).build().expect("key and value are set"))
        .collect()
}

/// One page of a list that is ordered by its first column: what follows `marker`, at most `max_items` (100 unless told,
/// at most 1000), and the marker of the next page when there is one.
fn page<'a, T>(
    all: impl Iterator<Item = (&'a str, T)>,
    marker: Option<&str>,
    max_items: Option<i32>,
) -> Answer<(Vec<T>, Option<String>)> {
    let most = match max_items.unwrap_or(100) {
        n @ 1..=1000 => usize::try_from(n).expect("checked to be positive"),
        n if n < 1 => {
            return Err(invalid(&n.to_string(), "maxItems", "Member must have value greater than or equal to 1"));
        }
        n => return Err(invalid(&n.to_string(), "maxItems", "Member must have value less than or equal to 1000")),
    };
    let mut rest = all.skip_while(|(key, _)| marker.is_some_and(|marker| *key <= marker));
    let mut items = Vec::new();
    let mut last = "";
    for (key, item) in rest.by_ref().take(most) {
        items.push(item);
        last = key;
    }
    let more = rest.next().is_some().then(|| last.to_owned());
    Ok((items, more))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Call;

    /// A call in us-east-1, `s` seconds after the start.
    pub(super) fn at(s: u64) -> Call {
        Call { region: "us-east-1".to_owned(), now_ms: s * 1000 }
    }

    pub(super) fn code<T>(answer: Answer<T>) -> String {
        match answer {
            Ok(_) => "accepted".to_owned(),
            Err(refusal) => refusal.code,
        }
    }

    pub(super) fn message<T>(answer: Answer<T>) -> String {
        answer.err().map_or_else(|| "accepted".to_owned(), |refusal| refusal.message)
    }

    #[test]
    fn a_page_starts_after_its_marker_even_when_that_item_is_gone() {
        let list = ["a", "b", "c", "d"];
        let of = |marker, max| page(list.iter().map(|k| (*k, *k)), marker, max).expect("a fine page");
        assert_eq!(of(None, Some(2)), (vec!["a", "b"], Some("b".to_owned())));
        assert_eq!(of(Some("b"), Some(2)), (vec!["c", "d"], None));
        assert_eq!(of(Some("bb"), None), (vec!["c", "d"], None));
        let zero = page(list.iter().map(|k| (*k, *k)), None, Some(0));
        assert_eq!(code(zero), "ValidationError");
    }

    #[test]
    fn tags_are_checked_as_iam_checks_them() {
        let tag = |key: &str, value: &str| SdkTag::builder().key(key).value(value).build().expect("both set");
        assert_eq!(code(checked_tags(Some(&[tag("a", "1"), tag("A", "2")]))), "InvalidInput");
        assert_eq!(code(checked_tags(Some(&[tag("aws:x", "1")]))), "InvalidInput");
        assert_eq!(code(checked_tags(Some(&[tag("a*", "1")]))), "ValidationError");
        assert_eq!(code(checked_tags(Some(&[tag(&"k".repeat(129), "1")]))), "ValidationError");
        assert_eq!(code(checked_tags(Some(&vec![tag("a", "1"); 51]))), "ValidationError");
        let both = tagged(
            &[Tag { key: "Stack".into(), value: "1".into() }],
            vec![Tag { key: "stack".into(), value: "2".into() }],
        );
        assert_eq!(both, Ok(vec![Tag { key: "stack".into(), value: "2".into() }]));
    }
}
