//! ListCertificates and the tags of certificates.

use std::collections::BTreeMap;

use aws_sdk_acm::operation::add_tags_to_certificate::{
    AddTagsToCertificateError, AddTagsToCertificateInput, AddTagsToCertificateOutput,
};
use aws_sdk_acm::operation::list_certificates::{ListCertificatesError, ListCertificatesInput, ListCertificatesOutput};
use aws_sdk_acm::operation::list_tags_for_certificate::{
    ListTagsForCertificateError, ListTagsForCertificateInput, ListTagsForCertificateOutput,
};
use aws_sdk_acm::operation::remove_tags_from_certificate::{
    RemoveTagsFromCertificateError, RemoveTagsFromCertificateInput, RemoveTagsFromCertificateOutput,
};
use aws_sdk_acm::types::{CertificateStatus, CertificateSummary, CertificateType, KeyAlgorithm, SortOrder, Tag};

use super::requests::{date, eligibility, extended_key_usages, key_usages, not_before, shown_algorithm};
use super::{Certificate, SERVICE, arn, certificate, not_found, status, valid_until};
use crate::control::{Answer, Call, Refusal, Table};
use crate::world::World;

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "ListCertificates", ListCertificatesError::generic, list_certificates);
    table.on(SERVICE, "ListTagsForCertificate", ListTagsForCertificateError::generic, list_tags);
    table.on(SERVICE, "AddTagsToCertificate", AddTagsToCertificateError::generic, add_tags);
    table.on(SERVICE, "RemoveTagsFromCertificate", RemoveTagsFromCertificateError::generic, remove_tags);
}

/// The tags of a request, checked: at most 50, keys of 1 to 128 characters and not AWS's own.
pub(super) fn checked_tags(tags: Option<&[Tag]>) -> Answer<BTreeMap<String, String>> {
    let mut checked = BTreeMap::new();
    for tag in tags.unwrap_or_default() {
        let value = tag.value.clone().unwrap_or_default();
        if tag.key.is_empty() || tag.key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(Refusal::new("ValidationException", "A tag key has 1 to 128 characters, a value up to 256."));
        }
        if tag.key.to_lowercase().starts_with("aws:") {
            return Err(Refusal::new("InvalidTagException", "Tag keys that begin with aws: are reserved."));
        }
        checked.insert(tag.key.clone(), value);
    }
    if checked.len() > 50 {
        return Err(Refusal::new("TooManyTagsException", "A certificate can have up to 50 tags."));
    }
    Ok(checked)
}

/// Without a key filter, ACM lists certificates with RSA keys of 1024 and 2048 bits only.
fn list_certificates(world: &mut World, call: &Call, input: &ListCertificatesInput) -> Answer<ListCertificatesOutput> {
    let most = match input.max_items.unwrap_or(1000) {
        n @ 1..=1000 => usize::try_from(n).expect("checked to be positive"),
        n => {
            let message = format!(
                "1 validation error detected: Value '{n}' at 'maxItems' failed to satisfy constraint: Member \
                 must have value between 1 and 1000"
            );
            return Err(Refusal::new("ValidationException", message));
        }
    };
    if input.sort_by.is_some() != input.sort_order.is_some() {
        return Err(Refusal::new("ValidationException", "SortBy and SortOrder are given together."));
    }
    let key_types = match input.includes.as_ref().map(|includes| includes.key_types()) {
        None | Some([]) => vec![KeyAlgorithm::Rsa1024, KeyAlgorithm::Rsa2048],
        Some(asked) => asked.to_vec(),
    };
    let statuses = input.certificate_statuses();
    let mut matching: Vec<&Certificate> = world
        .acm
        .certificates
        .values()
        .filter(|c| c.region == call.region)
        .filter(|c| key_types.iter().any(|asked| asked.as_str() == c.key_algorithm))
        .filter(|c| {
            statuses.is_empty() || statuses.iter().any(|s| s.as_str() == status(world, c, call.now_ms).as_str())
        })
        .collect();
    if let Some(order) = &input.sort_order {
        matching.sort_by_key(|c| c.requested_ms);
        if *order == SortOrder::Descending {
            matching.reverse();
        }
    }
    let start = match &input.next_token {
        None => 0,
        Some(last) => matching.iter().position(|c| c.arn == *last).map(|n| n + 1).ok_or_else(|| {
            Refusal::new("ValidationException", "The next token is not one that this list has given.")
        })?,
    };
    let page: Vec<&Certificate> = matching[start..].iter().take(most).copied().collect();
    let more = (start + page.len() < matching.len()).then(|| page.last().map(|c| c.arn.clone())).flatten();
    let shown = page.into_iter().map(|c| summary(world, c, call.now_ms)).collect();
    Ok(ListCertificatesOutput::builder().set_certificate_summary_list(Some(shown)).set_next_token(more).build())
}

fn summary(world: &World, certificate: &Certificate, now_ms: u64) -> CertificateSummary {
    let issued = certificate.issued(now_ms);
    CertificateSummary::builder()
        .certificate_arn(&certificate.arn)
        .domain_name(&certificate.domain_name)
        .set_subject_alternative_name_summaries(Some(certificate.names.clone()))
        .has_additional_subject_alternative_names(false)
        .status(CertificateStatus::from(status(world, certificate, now_ms).as_str()))
        .r#type(CertificateType::AmazonIssued)
        .key_algorithm(shown_algorithm(certificate))
        .set_key_usages(Some(key_usages(issued.is_some())))
        .set_extended_key_usages(Some(extended_key_usages(issued.is_some())))
        .in_use(!certificate.users(now_ms).is_empty())
        .renewal_eligibility(eligibility(certificate, now_ms))
        .set_not_before(issued.map(not_before))
        .set_not_after(issued.map(|_| date(valid_until(world, certificate, now_ms))))
        .created_at(date(certificate.requested_ms))
        .set_issued_at(issued.map(date))
        .build()
}

fn list_tags(
    world: &mut World,
    call: &Call,
    input: &ListTagsForCertificateInput,
) -> Answer<ListTagsForCertificateOutput> {
    let certificate = certificate(world, &call.region, arn(&input.certificate_arn)?)?;
    let tags = certificate
        .tags
        .iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build().expect("the key is set"));
    Ok(ListTagsForCertificateOutput::builder().set_tags(Some(tags.collect())).build())
}

fn tags_mut<'w>(world: &'w mut World, call: &Call, arn: &str) -> Answer<&'w mut BTreeMap<String, String>> {
    let certificate = world.acm.certificates.get_mut(arn).filter(|certificate| certificate.region == call.region);
    certificate.map(|certificate| &mut certificate.tags).ok_or_else(|| not_found(arn))
}

fn add_tags(world: &mut World, call: &Call, input: &AddTagsToCertificateInput) -> Answer<AddTagsToCertificateOutput> {
    let new = checked_tags(input.tags.as_deref())?;
    let tags = tags_mut(world, call, arn(&input.certificate_arn)?)?;
    let all: BTreeMap<String, String> = tags.clone().into_iter().chain(new).collect();
    if all.len() > 50 {
        return Err(Refusal::new("TooManyTagsException", "A certificate can have up to 50 tags."));
    }
    *tags = all;
    Ok(AddTagsToCertificateOutput::builder().build())
}

/// A tag with a value goes only when the value is the present one; without a value it goes in any case.
fn remove_tags(
    world: &mut World,
    call: &Call,
    input: &RemoveTagsFromCertificateInput,
) -> Answer<RemoveTagsFromCertificateOutput> {
    let tags = tags_mut(world, call, arn(&input.certificate_arn)?)?;
    for tag in input.tags.as_deref().unwrap_or_default() {
        if tag.value.is_none() || tags.get(&tag.key) == tag.value.as_ref() {
            tags.remove(&tag.key);
        }
    }
    Ok(RemoveTagsFromCertificateOutput::builder().build())
}

#[cfg(test)]
mod tests {
    use aws_sdk_acm::types::{Filters, SortBy};

    use super::super::requests::tests::{at, request};
    use super::*;

    #[test]
    fn a_list_is_of_one_region_paged_and_shows_rsa_only_unless_asked() {
        let mut world = World::new(1);
        for n in 0..3 {
            request(&mut world, n, &format!("n{n}.example.com"), &[]).expect("fine");
        }
        let some = world.acm.certificates.keys().next().cloned().expect("one");
        world.acm.certificates.get_mut(&some).expect("there").key_algorithm = "EC_prime256v1".to_owned();
        let names = |world: &mut World, input: ListCertificatesInput, region: &str| {
            let call = Call { region: region.to_owned(), now_ms: 10_000 };
            let output = list_certificates(world, &call, &input).expect("a page");
            (output.certificate_summary_list().len(), output.next_token)
        };
        let all = |token: Option<String>| {
            let types = [KeyAlgorithm::Rsa2048, KeyAlgorithm::EcPrime256v1];
            let filter = Filters::builder().set_key_types(Some(types.to_vec())).build();
            let input = ListCertificatesInput::builder().includes(filter).max_items(2).set_next_token(token);
            input.sort_by(SortBy::CreatedAt).sort_order(SortOrder::Descending).build().expect("built")
        };
        assert_eq!(names(&mut world, ListCertificatesInput::builder().build().expect("built"), "us-east-1"), (2, None));
        let (n, token) = names(&mut world, all(None), "us-east-1");
        assert_eq!((n, token.is_some()), (2, true));
        assert_eq!(names(&mut world, all(token), "us-east-1"), (1, None));
        assert_eq!(names(&mut world, all(None), "eu-west-1"), (0, None));
        let issued =
            ListCertificatesInput::builder().certificate_statuses(CertificateStatus::Issued).build().expect("built");
        assert_eq!(names(&mut world, issued, "us-east-1"), (0, None));
    }

    #[test]
    fn tags_are_added_over_old_ones_and_removed_by_key_or_by_key_and_value() {
        let mut world = World::new(1);
        let arn = request(&mut world, 0, "example.com", &[]).expect("fine");
        let tag = |key: &str, value: Option<&str>| {
            Tag::builder().key(key).set_value(value.map(str::to_owned)).build().expect("the key is set")
        };
        let add = |world: &mut World, tags: Vec<Tag>| {
            let input =
                AddTagsToCertificateInput::builder().certificate_arn(&arn).set_tags(Some(tags)).build().expect("built");
            add_tags(world, &at(0), &input).map_err(|refusal| refusal.code)
        };
        add(&mut world, vec![tag("a", Some("1")), tag("b", Some("1"))]).expect("fine");
        add(&mut world, vec![tag("a", Some("2"))]).expect("fine");
        let remove = |tag: Tag| {
            RemoveTagsFromCertificateInput::builder().certificate_arn(&arn).tags(tag).build().expect("built")
        };
        remove_tags(&mut world, &at(0), &remove(tag("a", Some("1")))).expect("another value stays");
        remove_tags(&mut world, &at(0), &remove(tag("b", None))).expect("fine");
        let list = ListTagsForCertificateInput::builder().certificate_arn(&arn).build().expect("built");
        let left = list_tags(&mut world, &at(0), &list).expect("there");
        assert_eq!(left.tags(), [tag("a", Some("2"))]);
        assert_eq!(add(&mut world, vec![tag("aws:a", None)]), Err("InvalidTagException".to_owned()));
        let many = (0..50).map(|n| tag(&n.to_string(), None)).collect();
        assert_eq!(add(&mut world, many), Err("TooManyTagsException".to_owned()));
    }
}
