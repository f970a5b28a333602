//! `aws.route53.hosted_zone`: a public zone that the stack owns.
//!
//! API: CreateHostedZone, ListHostedZones, GetHostedZone, UpdateHostedZoneComment, ChangeTagsForResource, GetChange,
//! DeleteHostedZone (Route 53 2013-04-01). Find: caller reference and tags. Change: the name replaces, the comment in place.
//! Delete: when nothing but its own NS and SOA records is left (`HostedZoneNotEmpty`).

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_route53::types::{HostedZone as SeenZone, HostedZoneConfig, ResourceRecordSet, RrType, TagResourceType};
use dr_core::{
    CloudError, Cx, Found, Global, Health, Lifecycle, Outputs, Prior, Problems, Resource, Scan, Settled, Wanted,
};

use super::name::{canonical, same};
use super::record::list;
use super::{bare, read_tags, reference, reference_prefix, sync_tags, write_tags, zones};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::HostedZoneId;
use crate::read::{Promised as _, wanted_as};
use crate::tags;

/// A public hosted zone: the domain's records, answered by four name servers of Route 53.
///
/// The domain works only while its registrar, or the parent zone, names these very name servers. A new zone has others, so
/// protect it: `HostedZone::new("example.com").protect()`. Records that others put into it keep it from being deleted, and are
/// never touched.
///
/// - Inputs: the name (replaces, the new one first) and a comment (up to 256 characters; none by default; in place).
/// - Ready: when the change is `INSYNC`, in about 35 seconds, and it has its tags.
/// - Calls: CreateHostedZone, ListHostedZones, GetHostedZone, UpdateHostedZoneComment, ChangeTagsForResource,
///   ListTagsForResources, GetChange, DeleteHostedZone.
/// - AWS: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/AboutHZWorkingWith.html>
#[derive(Debug, Clone, Resource)]
#[resource(
    type = "aws.route53.hosted_zone",
    outputs = HostedZoneOutputs,
    region = Global,
    create_s = 35,
    delete_s = 1,
    check = HostedZone::check_inputs
)]
pub struct HostedZone {
    /// The domain.
    #[input(replace)]
    name: String,
    /// What it is for, at most 256 characters.
    comment: Option<String>,
}

/// What is known of a zone.
#[derive(Debug, Clone, PartialEq, Outputs)]
#[non_exhaustive]
pub struct HostedZoneOutputs {
    /// Its id, `Z…`.
    pub id: HostedZoneId,
    /// The domain.
    pub name: String,
    /// The name servers that the registrar or the parent zone has to name.
    pub name_servers: Vec<String>,
    /// The change that made it, until that has spread to all name servers and the zone has its tags.
    pub pending_change: Option<String>,
}

impl HostedZone {
    /// A public zone for a domain.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        HostedZone { name: name.into(), comment: None }
    }

    /// What it is for, at most 256 characters.
    #[must_use]
    pub fn comment(mut self, text: impl Into<String>) -> Self {
        self.comment = Some(text.into());
        self
    }

    fn check_inputs(&self, problems: &mut Problems) {
        let labels: Vec<_> = self.name.strip_suffix('.').unwrap_or(&self.name).split('.').collect();
        if labels.len() < 2 || self.name.len() > 254 || labels.iter().any(|label| !(1..=63).contains(&label.len())) {
            let problem = "a zone is a domain of two labels or more, of 1 to 63 characters each";
            problems.report("name", format_args!("`{}`: {problem}", self.name));
        }
        if self.comment.as_ref().is_some_and(|text| text.chars().count() > 256) {
            problems.report("comment", "has more than 256 characters");
        }
    }
}

const KIND: TagResourceType = TagResourceType::Hostedzone;

fn observed(wanted: Option<&HostedZoneArgs>, seen: &SeenZone) -> HostedZoneArgs {
    let name = match wanted {
        Some(wanted) if same(&wanted.name, seen.name()) => wanted.name.clone(),
        _ => canonical(seen.name()),
    };
    let comment = seen.config().and_then(HostedZoneConfig::comment).filter(|text| !text.is_empty());
    HostedZoneArgs { name, comment: comment.map(str::to_owned) }
}

async fn name_servers(aws: &Aws, id: &str) -> Result<Vec<String>, CloudError> {
    let zone = aws.route53().get_hosted_zone().id(id).send().await.call("route53:GetHostedZone")?;
    Ok(zone.delegation_set.map(|set| set.name_servers).unwrap_or_default())
}

/// The first records that keep a zone from being deleted, ` (www CNAME, …)`; nothing when they cannot be listed, since it is the
/// deletion that failed.
async fn left_in(aws: &Aws, id: &str, zone: &str) -> String {
    const NAMED_MAX: usize = 5;
    let Ok(records) = list(aws, id).await else { return String::new() };
    let own = |set: &&ResourceRecordSet| matches!(set.r#type(), RrType::Ns | RrType::Soa) && same(set.name(), zone);
    let mut names = records.iter().filter(|set| !own(set)).map(|set| format!("{} {}", set.name(), set.r#type()));
    let named: Vec<_> = names.by_ref().take(NAMED_MAX).collect();
    match names.count() {
        _ if named.is_empty() => String::new(),
        0 => format!(" ({})", named.join(", ")),
        more => format!(" ({} and {more} more)", named.join(", ")),
    }
}

impl Lifecycle for HostedZone {
    type Cloud = Aws;

    /// One call for all zones; for zones of this stack that the state does not know their tags and name servers as well.
    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let zones = zones(scan).await?;
        let prefix = reference_prefix(&scan.stack);
        let known = |zone: &SeenZone| {
            wanted.iter().find(|w| w.outputs.as_ref().is_some_and(|o| o.id.as_str() == bare(zone.id())))
        };
        let ours = |zone: &&SeenZone| known(zone).is_some() || zone.caller_reference().starts_with(&prefix);
        let ours: Vec<&SeenZone> = zones.iter().filter(ours).collect();
        let ask = |zone: &&&SeenZone| scan.cloud.reads_all() || known(zone).is_none();
        let ids: Vec<&str> = ours.iter().filter(ask).map(|zone| bare(zone.id())).collect();
        let all_tags = read_tags(&scan.cloud, &KIND, &ids).await?;
        let mut found: Vec<Found<Self>> = Vec::new();
        for zone in ours {
            let (id, known) = (bare(zone.id()), known(zone));
            let owned = all_tags.get(id).and_then(|tags| tags::owned(&scan.stack, tags));
            let by_token = || wanted.iter().find(|want| zone.caller_reference() == reference(&scan.stack, &want.token));
            // When the state is lost as well, the token is: then it is the zone of this stack and this name.
            let by_name = || {
                let free = |want: &&Wanted<Self>| found.iter().all(|found| found.address != want.address);
                let mut same_name =
                    wanted.iter().filter(|want| want.outputs.is_none() && same(&want.args.name, zone.name()));
                same_name.find(free).filter(|_| owned.is_none())
            };
            // Without tags it is one whose creation was interrupted, known by its caller reference.
            let want = known.or_else(by_token).or_else(by_name);
            let (address, generation) = match (want, &owned) {
                (Some(want), _) => (want.address.clone(), want.generation),
                (None, Some(owned)) => (owned.address.clone(), owned.generation),
                (None, None) => continue,
            };
            let want = want.or_else(|| owned.as_ref().and_then(|owned| wanted_as(wanted, owned)));
            let outputs = match known.and_then(|known| known.outputs.clone()) {
                Some(outputs) => outputs,
                None => HostedZoneOutputs {
                    id: HostedZoneId::literal(id),
                    name: want.map_or_else(|| canonical(zone.name()), |want| want.args.name.clone()),
                    name_servers: name_servers(&scan.cloud, id).await?,
                    // Until it has tags it is not finished; the change itself is long forgotten.
                    pending_change: owned.is_none().then(String::new),
                },
            };
            found.push(Found {
                address,
                generation,
                args: Some(observed(want.map(|want| &want.args), zone)),
                health: if outputs.pending_change.is_some() { Health::Pending } else { Health::Ready },
                outputs,
                tags: owned.map(|owned| owned.tags),
            });
        }
        Ok(found)
    }

    async fn create(cx: &Cx<Aws>, args: &HostedZoneArgs) -> Result<HostedZoneOutputs, CloudError> {
        const CALL: &str = "route53:CreateHostedZone";
        let config = args.comment.as_ref().map(|text| HostedZoneConfig::builder().comment(text).build());
        let call = cx
            .cloud
            .route53()
            .create_hosted_zone()
            .name(&args.name)
            .caller_reference(reference(&cx.owner.stack, &cx.owner.token))
            .set_hosted_zone_config(config);
        let answer = call.send().await.call(CALL)?;
        let zone = answer.hosted_zone.promised(CALL, "the zone")?;
        Ok(HostedZoneOutputs {
            id: HostedZoneId::literal(bare(zone.id())),
            name: args.name.clone(),
            name_servers: answer.delegation_set.map(|set| set.name_servers).unwrap_or_default(),
            pending_change: Some(answer.change_info.map(|info| bare(&info.id).to_owned()).unwrap_or_default()),
        })
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, args: &HostedZoneArgs) -> Result<HostedZoneOutputs, CloudError> {
        let id = prior.outputs.id.as_str();
        if prior.args.comment != args.comment {
            let call = cx.cloud.route53().update_hosted_zone_comment().id(id).set_comment(args.comment.clone());
            call.send().await.call("route53:UpdateHostedZoneComment")?;
        }
        sync_tags(cx, KIND, id).await?;
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let id = prior.outputs.id.as_str();
        match cx.cloud.route53().delete_hosted_zone().id(id).send().await.call("route53:DeleteHostedZone").gone_ok() {
            Err(error) if error.code == "HostedZoneNotEmpty" => {
                let left = left_in(&cx.cloud, id, &prior.outputs.name).await;
                Err(error.hint(format!(
                    "records that are not of this stack are left in the zone{left}: move or delete them, or `retain` the zone"
                )))
            }
            answer => answer.map(drop),
        }
    }

    /// The tags take a call of their own. It is here and not in `create`, so that a zone without them is seen as unfinished.
    async fn ready(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<Settled<HostedZoneOutputs>, CloudError> {
        let mut outputs = current.outputs.clone();
        if let Some(change) = &outputs.pending_change {
            let spread =
                change.is_empty() || cx.cloud.route53_changes.is_everywhere(&cx.cloud.route53(), change).await?;
            if !spread {
                return Ok(Settled::AskAgainIn(Duration::from_secs(2)));
            }
            write_tags(cx, KIND, outputs.id.as_str(), &BTreeMap::new()).await?;
            outputs.pending_change = None;
        }
        Ok(Settled::Yes(outputs))
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        write_tags(cx, KIND, current.outputs.id.as_str(), &BTreeMap::new()).await
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_route53::Client;
    use aws_sdk_route53::operation::list_resource_record_sets::ListResourceRecordSetsOutput;
    use aws_smithy_mocks::mock;
    use dr_core::Class;

    use super::super::tests::cx;
    use super::*;
    use crate::testing::{outcome, refused};

    fn prior() -> Prior<HostedZone> {
        let outputs = HostedZoneOutputs {
            id: HostedZoneId::literal("Z1"),
            name: "example.com".into(),
            name_servers: Vec::new(),
            pending_change: Some(String::new()),
        };
        Prior { args: HostedZoneArgs { name: "example.com".into(), comment: None }, outputs }
    }

    #[tokio::test]
    async fn a_reference_that_was_used_is_looked_at_and_a_quota_is_final() {
        for (code, class) in [
            ("HostedZoneAlreadyExists", Class::Exists),
            ("TooManyHostedZones", Class::Permanent),
            ("DelegationSetNotAvailable", Class::Permanent),
            ("Throttling", Class::Throttled),
        ] {
            let refused = refused(mock!(Client::create_hosted_zone), code, "");
            assert_eq!(outcome(HostedZone::create(&cx(&[&refused]), &prior().args).await), Err(class), "{code}");
        }
    }

    #[tokio::test]
    async fn a_zone_that_is_gone_is_deleted_and_one_with_records_of_others_names_them() {
        for (code, expected) in [("NoSuchHostedZone", Ok(())), ("PriorRequestNotComplete", Err(Class::Throttled))] {
            let refused = refused(mock!(Client::delete_hosted_zone), code, "");
            assert_eq!(outcome(HostedZone::delete(&cx(&[&refused]), &prior()).await), expected, "{code}");
        }
        let full = refused(mock!(Client::delete_hosted_zone), "HostedZoneNotEmpty", "");
        let records = mock!(Client::list_resource_record_sets).then_output(|| {
            let set = |name: &str, kind: RrType| ResourceRecordSet::builder().name(name).r#type(kind).build().unwrap();
            let sets = vec![
                set("example.com.", RrType::Ns),
                set("example.com.", RrType::Soa),
                set("www.example.com.", RrType::Cname),
                set("sub.example.com.", RrType::Ns),
            ];
            let list = ListResourceRecordSetsOutput::builder().set_resource_record_sets(Some(sets));
            list.is_truncated(false).max_items(300).build().unwrap()
        });
        let error = HostedZone::delete(&cx(&[&full, &records]), &prior()).await.unwrap_err();
        assert_eq!(error.class, Class::Dependency);
        let hint = error.hint.unwrap();
        assert!(hint.contains("(www.example.com. CNAME, sub.example.com. NS)"), "{hint}");
    }

    #[tokio::test]
    async fn a_new_zone_that_is_not_known_everywhere_yet_is_a_matter_of_time() {
        let unknown = refused(mock!(Client::change_tags_for_resource), "NoSuchHostedZone", "");
        assert_eq!(outcome(HostedZone::ready(&cx(&[&unknown]), &prior()).await), Err(Class::Eventual));
    }
}
