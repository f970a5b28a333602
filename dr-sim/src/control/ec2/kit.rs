//! What every EC2 operation does alike: dry runs, required parameters, tags on creation, client tokens, filters and pages.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, Tag, TagSpecification};
use aws_smithy_types::DateTime;

use super::not_found;
use super::state::{Region, Token};
use crate::control::{Answer, Call, Refusal};
use crate::world::World;

/// EC2 in the region of the call.
pub(super) fn here<'a>(world: &'a mut World, call: &Call) -> &'a mut Region {
    world.ec2.regions.entry(call.region.clone()).or_default()
}

/// `DryRun` answers with an error either way; here the caller always has the permission.
pub(super) fn unless_dry_run(dry_run: Option<bool>) -> Answer<()> {
    if dry_run == Some(true) {
        let message = "Request would have succeeded, but DryRun flag is set.";
        return Err(Refusal::new("DryRunOperation", message).status(412));
    }
    Ok(())
}

pub(super) fn required<'a>(value: &'a Option<String>, name: &str) -> Answer<&'a str> {
    value.as_deref().filter(|text| !text.is_empty()).ok_or_else(|| missing(name))
}

pub(super) fn missing(name: &str) -> Refusal {
    Refusal::new("MissingParameter", format!("The request must contain the parameter {name}"))
}

pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new("InvalidParameterValue", message)
}

pub(super) fn invalid_value(name: &str, value: &str, why: &str) -> Refusal {
    invalid(format!("Value ({value}) for parameter {name} is invalid. {why}"))
}

pub(super) fn combination(message: &str) -> Refusal {
    Refusal::new("InvalidParameterCombination", message)
}

pub(super) fn dependency(message: impl Into<String>) -> Refusal {
    Refusal::new("DependencyViolation", message)
}

/// Parameters that AWS takes and this simulation has no behaviour for: better refused than ignored.
pub(super) fn only_modelled(parameters: &[(&str, bool)]) -> Answer<()> {
    match parameters.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(not_simulated(name)),
        None => Ok(()),
    }
}

pub(super) fn not_simulated(parameter: &str) -> Refusal {
    Refusal::new("NotSimulated", format!("not simulated: the parameter {parameter}"))
}

pub(super) fn instant(ms: u64) -> DateTime {
    DateTime::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// The id list of a describe call.
pub(super) fn ids(list: &Option<Vec<String>>) -> &[String] {
    list.as_deref().unwrap_or_default()
}

pub(super) type Tags = BTreeMap<String, String>;

/// The tags for one resource type out of `TagSpecifications`; other types than `kinds` are refused.
pub(super) fn tags_for(specifications: &Option<Vec<TagSpecification>>, kinds: &[&str], kind: &str) -> Answer<Tags> {
    let mut tags = Tags::new();
    for specification in specifications.as_deref().unwrap_or_default() {
        let of = specification.resource_type().ok_or_else(|| missing("ResourceType"))?.as_str();
        if !kinds.contains(&of) {
            return Err(invalid(format!("'{of}' is not a valid taggable resource type for this operation.")));
        }
        if of == kind {
            checked_tags(specification.tags(), &mut tags)?;
        }
    }
    Ok(tags)
}

/// Adds tags after checking what EC2 checks: 50 tags, keys of 1 to 128 and values of up to 256 characters.
pub(super) fn checked_tags(given: &[Tag], into: &mut Tags) -> Answer<()> {
    for tag in given {
        let (key, value) = (tag.key().unwrap_or_default(), tag.value().unwrap_or_default());
        if key.starts_with("aws:") {
            return Err(invalid("Tag keys starting with 'aws:' are reserved for internal use"));
        }
        if key.is_empty() || key.chars().count() > 128 {
            return Err(invalid("Tag key cannot be null or empty, and cannot exceed 128 characters"));
        }
        if value.chars().count() > 256 {
            return Err(invalid("Tag value exceeds the maximum length of 256 characters"));
        }
        into.insert(key.to_owned(), value.to_owned());
    }
    if into.len() > 50 {
        return Err(Refusal::new("TagLimitExceeded", "The maximum number of tags for a resource is 50."));
    }
    Ok(())
}

impl Region {
    /// The tags of a resource as the API shows them.
    pub(super) fn tag_list(&self, id: &str) -> Vec<Tag> {
        let tags = self.tags.get(id).into_iter().flatten();
        tags.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
    }

    /// Takes note of a new object: its tags, and, under the fault of stale reads, when reads see it.
    pub(super) fn born(&mut self, id: &str, tags: Tags, now_ms: u64, stale_ms: u64) {
        if !tags.is_empty() {
            self.tags.insert(id.to_owned(), tags);
        }
        if stale_ms > 0 {
            self.visible_at_ms.insert(id.to_owned(), now_ms + stale_ms);
        }
    }

    /// Whether reads see a new object yet.
    pub(super) fn is_visible(&self, id: &str, now_ms: u64) -> bool {
        self.visible_at_ms.get(id).is_none_or(|at| *at <= now_ms)
    }

    /// What an earlier call with this token made, if there was one; with other parameters it is a mismatch.
    pub(super) fn made_before(&self, operation: &str, token: Option<&str>, parameters: &str) -> Answer<Option<String>> {
        let Some(token) = token.and_then(|token| self.tokens.get(&format!("{operation}/{token}"))) else {
            return Ok(None);
        };
        if token.parameters != fingerprint(parameters) {
            let message = "The client token has already been used for a request with other parameters";
            return Err(Refusal::new("IdempotentParameterMismatch", message));
        }
        Ok(Some(token.id.clone()))
    }

    pub(super) fn remember(&mut self, operation: &str, token: Option<&str>, parameters: &str, id: &str) {
        if let Some(token) = token {
            let made = Token { id: id.to_owned(), parameters: fingerprint(parameters) };
            self.tokens.insert(format!("{operation}/{token}"), made);
        }
    }
}

pub(super) fn checked_token(token: Option<&str>) -> Answer<Option<&str>> {
    match token {
        Some(token) if token.len() > 64 || !token.is_ascii() => {
            Err(invalid("The client token may have up to 64 ASCII characters"))
        }
        token => Ok(token.filter(|token| !token.is_empty())),
    }
}

/// FNV-1a, 64 bits: parameters can be long and a saved world is read by people.
fn fingerprint(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

/// A describe call over one kind of object: which ids, which filters, which names filters may have besides `tag:KEY` and
/// `tag-key`.
pub(super) struct Query<'a> {
    pub(super) kind: &'static str,
    pub(super) ids: &'a [String],
    pub(super) filters: &'a [Filter],
    pub(super) names: &'static [&'static str],
    pub(super) now_ms: u64,
}

impl Query<'_> {
    /// The objects that the query asks for, by id. `value` gives what an object has under a filter name.
    ///
    /// Reads by an id that is not there are refused, reads by filters just find nothing.
    pub(super) fn run<'r, T>(
        &self,
        region: &'r Region,
        objects: &'r BTreeMap<String, T>,
        value: impl Fn(&T, &str) -> Vec<String>,
    ) -> Answer<Vec<(&'r str, &'r T)>> {
        check_filter_names(self.filters, self.names)?;
        let unknown = self.ids.iter().find(|id| !objects.contains_key(*id) || !region.is_visible(id, self.now_ms));
        if let Some(id) = unknown {
            return Err(not_found(self.kind, id));
        }
        let wanted = objects.iter().filter(|(id, object)| {
            (self.ids.is_empty() || self.ids.contains(id))
                && region.is_visible(id, self.now_ms)
                && self.filters.iter().all(|filter| passes(filter, region.tags.get(*id), |name| value(object, name)))
        });
        Ok(wanted.map(|(id, object)| (id.as_str(), object)).collect())
    }
}

pub(super) fn check_filter_names(filters: &[Filter], names: &[&str]) -> Answer<()> {
    for filter in filters {
        let name = filter.name().unwrap_or_default();
        if !(name == "tag-key" || name.starts_with("tag:") || names.contains(&name)) {
            return Err(invalid(format!("The filter '{name}' is invalid")));
        }
        if filter.values().len() > 200 {
            let message = "The maximum number of filter values specified on a single call is 200";
            return Err(Refusal::new("FilterLimitExceeded", message));
        }
    }
    Ok(())
}

/// Whether an object passes a filter: one of its values matches one of the filter's patterns.
pub(super) fn passes(filter: &Filter, tags: Option<&Tags>, value: impl Fn(&str) -> Vec<String>) -> bool {
    let name = filter.name().unwrap_or_default();
    let has = match name.strip_prefix("tag:") {
        Some(key) => tags.and_then(|tags| tags.get(key)).cloned().into_iter().collect(),
        None if name == "tag-key" => tags.into_iter().flatten().map(|(key, _)| key.clone()).collect(),
        None => value(name),
    };
    filter.values().iter().any(|pattern| has.iter().any(|text| is_like(text, pattern)))
}

/// `*` stands for any characters, `?` for one, a backslash takes the next one as it is.
pub(super) fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    // The last `*` seen, and how much of the text it has swallowed.
    let (mut t, mut p, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some('?') => {
                (t, p) = (t + 1, p + 1);
                continue;
            }
            Some('\\') if pattern.get(p + 1) == Some(&text[t]) => {
                (t, p) = (t + 1, p + 2);
                continue;
            }
            Some(c) if *c == text[t] && *c != '\\' => {
                (t, p) = (t + 1, p + 1);
                continue;
            }
            _ => {}
        }
        let Some((at, swallowed)) = star else { return false };
        star = Some((at, swallowed + 1));
        (t, p) = (swallowed + 1, at + 1);
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// `MaxResults` and `NextToken` of a call, with the sizes that the action takes.
pub(super) struct Paging<'a> {
    pub(super) max_results: Option<i32>,
    pub(super) next_token: Option<&'a str>,
    pub(super) sizes: std::ops::RangeInclusive<i32>,
}

/// Objects by id, and the token for what comes after them.
type Page<'r, T> = (Vec<(&'r str, T)>, Option<String>);

impl<'a> Paging<'a> {
    /// The usual 5 to 1000.
    pub(super) fn of(max_results: Option<i32>, next_token: Option<&'a str>) -> Self {
        Paging { max_results, next_token, sizes: 5..=1000 }
    }

    /// One page, and the token for the next. Tokens name the last id, so that a page is right after changes, too.
    pub(super) fn cut<'r, T>(&self, found: Vec<(&'r str, T)>) -> Answer<Page<'r, T>> {
        let after = match self.next_token {
            None => "",
            Some(token) => token
                .strip_prefix("after:")
                .ok_or_else(|| Refusal::new("InvalidNextToken", format!("The token '{token}' is invalid")))?,
        };
        let size = match self.max_results {
            None => usize::MAX,
            Some(n) if self.sizes.contains(&n) => usize::try_from(n).expect("the sizes start above 0"),
            Some(n) => {
                let (least, most) = (self.sizes.start(), self.sizes.end());
                return Err(invalid(format!(
                    "Value ( {n} ) for parameter maxResults is invalid. Expecting a value between {least} and {most}."
                )));
            }
        };
        let mut rest = found;
        rest.retain(|(id, _)| *id > after);
        let more = rest.len() > size;
        rest.truncate(size);
        let next = if more { rest.last().map(|(id, _)| format!("after:{id}")) } else { None };
        Ok((rest, next))
    }
}

/// `MaxResults` together with ids is refused where the API reference says so.
pub(super) fn not_both(ids: &[String], max_results: Option<i32>, name: &str) -> Answer<()> {
    if !ids.is_empty() && max_results.is_some() {
        return Err(combination(&format!("The parameter {name} cannot be used with the parameter maxResults")));
    }
    Ok(())
}

pub(super) fn one(text: impl Into<String>) -> Vec<String> {
    vec![text.into()]
}

pub(super) fn maybe(text: Option<impl Into<String>>) -> Vec<String> {
    text.into_iter().map(Into::into).collect()
}

pub(super) fn yes_no(value: bool) -> Vec<String> {
    one(if value { "true" } else { "false" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_the_filter_documentation_says() {
        for (text, pattern, expected) in [
            ("web", "web", true),
            ("web", "w*", true),
            ("web", "*e*", true),
            ("web", "w?b", true),
            ("web", "w?", false),
            ("web", "Web", false),
            ("", "*", true),
            ("a*b", "a\\*b", true),
            ("axb", "a\\*b", false),
            ("aXbXc", "a*X*c", true),
            ("aXbXd", "a*X*c", false),
            ("prod-web-1", "prod-*-?", true),
        ] {
            assert_eq!(is_like(text, pattern), expected, "{text} like {pattern}");
        }
    }

    #[test]
    fn pages_go_on_after_the_last_id() {
        let all = || vec![("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5), ("f", 6), ("g", 7)];
        let (first, token) = Paging::of(Some(5), None).cut(all()).unwrap();
        assert_eq!((first.len(), token.as_deref()), (5, Some("after:e")));
        let (rest, token) = Paging::of(Some(5), Some("after:e")).cut(all()).unwrap();
        assert_eq!((rest, token), (vec![("f", 6), ("g", 7)], None));
        assert_eq!(Paging::of(Some(4), None).cut(all()).unwrap_err().code, "InvalidParameterValue");
        assert_eq!(Paging::of(None, Some("?")).cut(all()).unwrap_err().code, "InvalidNextToken");
    }
}
