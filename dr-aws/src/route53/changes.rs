//! Changes of record sets, gathered: all changes of a zone that are due at the same time go out in one request.
//!
//! Route 53 takes five requests a second for the whole account and one change at a time for a zone, but a thousand records in
//! one request. So whoever changes a record waits a moment for others, one of them sends for all, and all of them ask together
//! when the batch has spread to the name servers.
//!
//! API: ChangeResourceRecordSets, GetChange (Route 53 2013-04-01).
//! Limits: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html>.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_sdk_route53::Client;
use aws_sdk_route53::error::SdkError;
use aws_sdk_route53::operation::change_resource_record_sets::ChangeResourceRecordSetsError;
use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ChangeStatus};
use aws_smithy_async::rt::sleep::{AsyncSleep as _, SharedAsyncSleep};
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use dr_core::{Class, CloudError};
use tokio::sync::oneshot;

use super::bare;
use super::name::canonical;
use crate::call::{Call as _, GoneOk as _, as_class};
use crate::ids::HostedZoneId;

const CHANGE: &str = "route53:ChangeResourceRecordSets";
/// How long the first change of a batch waits for others. A request takes its turn for as long anyway: five a second.
const GATHER: Duration = Duration::from_millis(200);
/// How long a change that no other record of its name allows waits for theirs. Whoever is told so asks again.
const MEET: Duration = Duration::from_secs(10);
/// How often the propagation of one batch is asked about.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// What a batch may hold; an UPSERT counts twice in both.
const ELEMENTS_MAX: usize = 1000;
const CHARACTERS_MAX: usize = 32_000;

/// Gathers changes by zone and remembers how far they have spread.
pub(crate) struct ChangeBatcher {
    sleep: SharedAsyncSleep,
    time: SharedTimeSource,
    zones: Mutex<BTreeMap<String, Arc<Zone>>>,
    /// Held while a change is asked about: those who want to know the same wait for that answer.
    spread: tokio::sync::Mutex<BTreeMap<String, Spread>>,
}

impl fmt::Debug for ChangeBatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChangeBatcher")
    }
}

/// The changes of one zone.
#[derive(Default)]
struct Zone {
    waiting: Mutex<VecDeque<Waiting>>,
    /// Exchanges that the other records of the name do not allow yet, with what Route 53 said.
    apart: Mutex<Vec<(Waiting, CloudError)>>,
    /// Held by the one who sends: Route 53 takes one change of a zone at a time.
    sending: tokio::sync::Mutex<()>,
}

/// Changes that are made together or not at all, and the one who waits for the answer: the id of the batch.
struct Waiting {
    changes: Vec<Change>,
    since: SystemTime,
    reply: oneshot::Sender<Result<String, CloudError>>,
}

impl Waiting {
    /// The name of the record, in one spelling.
    fn name(&self) -> Option<String> {
        self.changes.iter().find_map(|change| change.resource_record_set()).map(|set| canonical(set.name()))
    }

    /// Whether a record goes and another of its name comes.
    fn is_exchange(&self) -> bool {
        self.changes.len() > 1
    }
}

#[derive(Debug, Clone, Copy)]
struct Spread {
    asked: SystemTime,
    everywhere: bool,
}

impl Zone {
    /// What goes out next: what waits, and with an exchange those of the same name that waited for it.
    fn take(&self) -> Vec<Waiting> {
        let (mut waiting, mut apart) = (lock(&self.waiting), lock(&self.apart));
        let met = |one: &Waiting| waiting.iter().any(|other| other.is_exchange() && other.name() == one.name());
        let together: Vec<_> = apart.extract_if(.., |(one, _)| met(one)).collect();
        waiting.extend(together.into_iter().map(|(one, _)| one));
        take(&mut waiting)
    }

    /// Lets exchanges wait for others of their name, and tells those that have waited long enough.
    fn keep(&self, refused: Vec<(Waiting, CloudError)>, now: SystemTime) {
        let mut apart = lock(&self.apart);
        apart.extend(refused);
        for (one, error) in apart.extract_if(.., |(one, _)| now.duration_since(one.since).is_ok_and(|age| age >= MEET))
        {
            // Whoever no longer waits does not want to know.
            let _ = one.reply.send(Err(error));
        }
        apart.retain(|(one, _)| !one.reply.is_closed());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing between lock and unlock can leave the value half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ChangeBatcher {
    pub(crate) fn new(sleep: SharedAsyncSleep, time: SharedTimeSource) -> Self {
        ChangeBatcher { sleep, time, zones: Mutex::default(), spread: tokio::sync::Mutex::default() }
    }

    /// Makes changes together with the others of the zone; the answer is the id of the batch they were in.
    ///
    /// A change that is refused does not stop the others: a refused batch is repeated name by name, and then one by one. Several
    /// changes are an exchange of a record for another of its name, made in one request or not at all. Route 53 may refuse it
    /// because of the other records of the name, which may be about to be exchanged too: so it waits for them for a while.
    pub(super) async fn submit(
        &self,
        client: &Client,
        zone: &HostedZoneId,
        changes: Vec<Change>,
    ) -> Result<String, CloudError> {
        let zone_id = zone.as_str();
        let zone = Arc::clone(lock(&self.zones).entry(zone_id.to_owned()).or_default());
        let (reply, mut answer) = oneshot::channel();
        lock(&zone.waiting).push_back(Waiting { changes, since: self.time.now(), reply });
        loop {
            let _sending = tokio::select! {
                biased;
                answer = &mut answer => return answer.unwrap_or_else(|_| Err(abandoned())),
                sending = zone.sending.lock() => sending,
            };
            // The one before may have sent it while this one waited for its turn.
            match answer.try_recv() {
                Ok(answer) => return answer,
                Err(oneshot::error::TryRecvError::Closed) => return Err(abandoned()),
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            self.sleep.sleep(GATHER).await;
            let batch = zone.take();
            let apart = send(client, zone_id, batch).await;
            zone.keep(apart, self.time.now());
        }
    }

    /// Whether a change has spread to all name servers. Asked once a second at most, however many want to know.
    pub(super) async fn is_everywhere(&self, client: &Client, change: &str) -> Result<bool, CloudError> {
        let mut spread = self.spread.lock().await;
        let now = self.time.now();
        if let Some(known) = spread.get(change) {
            let fresh = now.duration_since(known.asked).is_ok_and(|age| age < ASK_EVERY);
            if known.everywhere || fresh {
                return Ok(known.everywhere);
            }
        }
        let answer = client.get_change().id(change).send().await.call("route53:GetChange").gone_ok()?;
        // Route 53 forgets changes that were made long ago.
        let status = answer.and_then(|answer| answer.change_info).map(|info| info.status);
        let everywhere = status.is_none_or(|status| status == ChangeStatus::Insync);
        spread.insert(change.to_owned(), Spread { asked: self.time.now(), everywhere });
        Ok(everywhere)
    }
}

/// The one who was sending for this change went away in the middle: it may have been made.
fn abandoned() -> CloudError {
    CloudError::new(CHANGE, "Abandoned", "the request that this change was a part of was given up", Class::Transient)
}

/// What changes count in a batch: elements and characters.
fn cost(changes: &[Change]) -> (usize, usize) {
    changes.iter().fold((0, 0), |(elements, characters), change| {
        let records = change.resource_record_set().map(|set| set.resource_records()).unwrap_or_default();
        let twice = if *change.action() == ChangeAction::Upsert { 2 } else { 1 };
        let length: usize = records.iter().map(|record| record.value().chars().count()).sum();
        (elements + records.len().max(1) * twice, characters + length * twice)
    })
}

/// As many of the waiting changes as fit into one batch; at least one when there is any.
fn take(waiting: &mut VecDeque<Waiting>) -> Vec<Waiting> {
    // Nobody waits for these any more, so they were given up before they were sent.
    waiting.retain(|one| !one.reply.is_closed());
    let (mut batch, mut elements, mut characters) = (Vec::new(), 0, 0);
    while let Some(next) = waiting.front() {
        let (more_elements, more_characters) = cost(&next.changes);
        elements += more_elements;
        characters += more_characters;
        if !batch.is_empty() && (elements > ELEMENTS_MAX || characters > CHARACTERS_MAX) {
            break;
        }
        batch.extend(waiting.pop_front());
    }
    batch
}

/// Sends a batch and answers everybody in it but for the exchanges that other records of their name do not allow.
async fn send(client: &Client, zone: &str, batch: Vec<Waiting>) -> Vec<(Waiting, CloudError)> {
    let mut apart = Vec::new();
    // Each part of a refused batch is sent alone: the names, and then the changes of a name.
    let mut parts = vec![batch];
    while let Some(part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        match request(client, zone, &part).await {
            Err(error) if part.len() > 1 && is_about_content(&error) => parts.extend(split(part).into_iter().rev()),
            // Another one of the name has the place, and may be about to leave it.
            Err(error)
                if part.iter().all(Waiting::is_exchange)
                    && matches!(error.class, Class::Dependency | Class::Exists) =>
            {
                let error = as_class(error, Class::Dependency);
                apart.extend(part.into_iter().map(|one| (one, error.clone())));
            }
            answer => {
                for one in part {
                    // Whoever no longer waits does not want to know.
                    let _ = one.reply.send(answer.clone());
                }
            }
        }
    }
    apart
}

/// The changes by name, and those of one name one by one.
fn split(part: Vec<Waiting>) -> Vec<Vec<Waiting>> {
    let several = part.iter().any(|one| one.name() != part[0].name());
    let mut parts: Vec<(Option<String>, Vec<Waiting>)> = Vec::new();
    for one in part {
        let name = one.name();
        match parts.iter_mut().find(|(of, _)| several && *of == name) {
            Some((_, part)) => part.push(one),
            None => parts.push((name, vec![one])),
        }
    }
    parts.into_iter().map(|(_, part)| part).collect()
}

/// Whether a batch was refused because of one of its changes.
fn is_about_content(error: &CloudError) -> bool {
    ["InvalidChangeBatch", "InvalidInput", "NoSuchHealthCheck"].iter().any(|code| error.code.eq_ignore_ascii_case(code))
}

/// One request, deletions first.
async fn request(client: &Client, zone: &str, batch: &[Waiting]) -> Result<String, CloudError> {
    let mut changes: Vec<Change> = batch.iter().flat_map(|one| &one.changes).cloned().collect();
    changes.sort_by_key(|change| *change.action() != ChangeAction::Delete);
    let batch = ChangeBatch::builder().set_changes(Some(changes)).build().expect("the changes are set");
    let answer = client.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch).send().await;
    let messages = answer.as_ref().err().and_then(refusals);
    match (answer.call(CHANGE), messages) {
        (Ok(answer), _) => Ok(answer.change_info.map(|info| bare(&info.id).to_owned()).unwrap_or_default()),
        (Err(error), None) => Err(error),
        (Err(error), Some(text)) => {
            let class = crate::call::classify(CHANGE, "InvalidChangeBatch", &text, 400);
            Err(CloudError::new(CHANGE, "InvalidChangeBatch", text, class).request_id(error.request_id))
        }
    }
    .map_err(explained)
}

/// The sentences about a refused batch, which Route 53 gives in a list, and in an older form without an error code.
fn refusals(error: &SdkError<ChangeResourceRecordSetsError, HttpResponse>) -> Option<String> {
    if let Some(ChangeResourceRecordSetsError::InvalidChangeBatch(refused)) = error.as_service_error() {
        return Some(refused.messages().join("; ")).filter(|text| !text.is_empty());
    }
    let body = std::str::from_utf8(error.raw_response()?.body().bytes()?).ok()?;
    let list = body.split_once("<InvalidChangeBatch")?.1;
    let messages = list.split("<Message>").skip(1).filter_map(|rest| rest.split_once("</Message>"));
    Some(messages.map(|(text, _)| text).collect::<Vec<_>>().join("; "))
}

/// The refusals that one can do something about.
fn explained(error: CloudError) -> CloudError {
    let text = error.message.to_ascii_lowercase();
    if error.hint.is_some() {
        error
    } else if text.contains("conflicting rrset") || text.contains("conflicts with other records") {
        // The other one may be leaving: replacing a simple record by a pair deletes it in the same deploy.
        as_class(error, Class::Dependency).hint("another record of this name and type is in the zone: one with another routing policy, or a CNAME, which stands alone")
    } else if ["cannot be created as", "cannot be created because a non"].iter().any(|part| text.contains(part)) {
        // They may be leaving, or about to be exchanged too.
        as_class(error, Class::Dependency).hint("another record of this name and type has another routing policy, and all of them have the same one: change them together, or delete it")
    } else if error.code == "NoSuchHostedZone" {
        error.hint("the zone does not exist in this account, or was deleted: check its id")
    } else {
        error
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use aws_sdk_route53::error::ErrorMetadata;
    use aws_sdk_route53::operation::change_resource_record_sets::{
        ChangeResourceRecordSetsInput, ChangeResourceRecordSetsOutput,
    };
    use aws_sdk_route53::operation::get_change::GetChangeOutput;
    use aws_sdk_route53::types::error::InvalidChangeBatch;
    use aws_sdk_route53::types::{ChangeInfo, ResourceRecord, ResourceRecordSet, RrType};
    use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
    use aws_smithy_async::time::TimeSource;
    use aws_smithy_mocks::{MockResponse, mock};
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::*;
    use crate::Aws;

    /// Waits until everybody else had a turn, and no time.
    #[derive(Debug)]
    struct AMoment;

    impl AsyncSleep for AMoment {
        fn sleep(&self, _: Duration) -> Sleep {
            Sleep::new(tokio::task::yield_now())
        }
    }

    fn batcher() -> ChangeBatcher {
        ChangeBatcher::new(SharedAsyncSleep::new(AMoment), SharedTimeSource::default())
    }

    /// A second passes with every look at it.
    #[derive(Debug, Default)]
    struct Hurried(AtomicU64);

    impl TimeSource for Hurried {
        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH + Duration::from_secs(self.0.fetch_add(1, Ordering::Relaxed))
        }
    }

    /// A record that goes, and another one of its name that comes.
    fn exchange(name: &str) -> Vec<Change> {
        [ChangeAction::Delete, ChangeAction::Create].map(|action| change(name, action, 1)).to_vec()
    }

    fn change(name: &str, action: ChangeAction, values: usize) -> Change {
        let value = |at: usize| ResourceRecord::builder().value(format!("192.0.2.{at}")).build().unwrap();
        let values = (0..values).map(value).collect();
        let set = ResourceRecordSet::builder().name(name).r#type(RrType::A).ttl(60).set_resource_records(Some(values));
        Change::builder().action(action).resource_record_set(set.build().unwrap()).build().unwrap()
    }

    fn made(id: &str) -> ChangeResourceRecordSetsOutput {
        let info = ChangeInfo::builder().id(format!("/change/{id}")).status(ChangeStatus::Pending);
        let info = info.submitted_at(aws_smithy_types::DateTime::from_secs(0)).build().unwrap();
        ChangeResourceRecordSetsOutput::builder().change_info(info).build()
    }

    fn refused(messages: &[&str]) -> ChangeResourceRecordSetsError {
        let meta = ErrorMetadata::builder().code("InvalidChangeBatch").build();
        let messages = Some(messages.iter().map(|text| (*text).to_owned()).collect());
        ChangeResourceRecordSetsError::InvalidChangeBatch(
            InvalidChangeBatch::builder().set_messages(messages).meta(meta).build(),
        )
    }

    /// Names and actions of a request, in order.
    fn sent(input: &ChangeResourceRecordSetsInput) -> Vec<String> {
        let changes = input.change_batch().unwrap().changes().iter();
        changes.map(|one| format!("{} {}", one.action().as_str(), one.resource_record_set().unwrap().name())).collect()
    }

    /// Submits changes at the same time to a zone that answers with `answer`: what was sent, and what everybody was told.
    async fn submit(
        changes: Vec<Change>,
        answer: impl Fn(&[String]) -> Result<&'static str, ChangeResourceRecordSetsError> + Send + Sync + 'static,
    ) -> (Vec<Vec<String>>, Vec<Result<String, CloudError>>) {
        let log = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&log);
        let rule = mock!(Client::change_resource_record_sets).then_compute_response(move |input| {
            let sent = sent(input);
            seen.lock().unwrap().push(sent.clone());
            match answer(&sent) {
                Ok(id) => MockResponse::Output(made(id)),
                Err(error) => MockResponse::Error(error),
            }
        });
        let (batcher, client, zone) = (batcher(), Aws::mocked(&[&rule]).route53(), HostedZoneId::literal("Z1"));
        let all = changes.into_iter().map(|change| batcher.submit(&client, &zone, vec![change]));
        let answers = join_all(all).await;
        let log = log.lock().unwrap().clone();
        (log, answers)
    }

    #[tokio::test]
    async fn changes_that_are_due_together_are_one_request_with_deletions_first() {
        let changes = vec![
            change("a.example.com", ChangeAction::Create, 1),
            change("b.example.com", ChangeAction::Upsert, 1),
            change("old.example.com", ChangeAction::Delete, 1),
        ];
        let (log, answers) = submit(changes, |_| Ok("C1")).await;
        assert_eq!(log, [["DELETE old.example.com", "CREATE a.example.com", "UPSERT b.example.com"]]);
        assert_eq!(answers, vec![Ok("C1".to_owned()); 3]);
    }

    #[tokio::test]
    async fn a_refused_batch_is_repeated_one_by_one_so_that_each_gets_its_own_answer() {
        let changes = ["a", "taken", "c"].map(|name| change(name, ChangeAction::Create, 1)).to_vec();
        let (log, answers) = submit(changes, |sent| {
            let taken = sent.iter().any(|one| one.contains("taken"));
            if taken {
                Err(refused(&["Tried to create resource record set [name='taken', type='A'] but it already exists"]))
            } else {
                Ok("C2")
            }
        })
        .await;
        assert_eq!(log.len(), 4, "{log:?}");
        assert_eq!((&answers[0], &answers[2]), (&Ok("C2".to_owned()), &Ok("C2".to_owned())));
        let error = answers[1].as_ref().unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (Class::Exists, "InvalidChangeBatch"));
        assert!(error.message.contains("it already exists"), "{error}");
    }

    const APART: &str = "RRSet with DNS name a., type A, SetIdentifier one cannot be created as a non-weighted set exists with the same name and type.";

    #[tokio::test]
    async fn records_that_allow_each_other_only_together_are_exchanged_in_one_request() {
        let rule =
            mock!(Client::change_resource_record_sets).then_compute_response(|input| match sent(input).as_slice() {
                [one, other, ..] if one == "DELETE a" && other == "DELETE a" => MockResponse::Output(made("C5")),
                _ => MockResponse::Error(refused(&[APART])),
            });
        let (batcher, client, zone) = (batcher(), Aws::mocked(&[&rule]).route53(), HostedZoneId::literal("Z1"));
        let one = batcher.submit(&client, &zone, exchange("a"));
        let other = async {
            // By then the first one was refused alone.
            while rule.num_calls() == 0 {
                tokio::task::yield_now().await;
            }
            batcher.submit(&client, &zone, exchange("a")).await
        };
        let made = || Ok("C5".to_owned());
        assert_eq!(futures_util::join!(one, other), (made(), made()));
        assert_eq!(rule.num_calls(), 2, "what waits is not sent again and again");
    }

    #[tokio::test]
    async fn an_exchange_that_nobody_joins_is_asked_for_again_later() {
        let taken = "RRSet with DNS name a., type A, SetIdentifier one, and Region Name=us-east-1 cannot be created because a latency RRSet with the same name, type, and region already exists.";
        for sentence in [APART, taken] {
            let rule = mock!(Client::change_resource_record_sets).then_error(move || refused(&[sentence]));
            let time = SharedTimeSource::new(Hurried::default());
            let batcher = ChangeBatcher::new(SharedAsyncSleep::new(AMoment), time);
            let (client, zone) = (Aws::mocked(&[&rule]).route53(), HostedZoneId::literal("Z1"));
            let error = batcher.submit(&client, &zone, exchange("a")).await.unwrap_err();
            assert_eq!((error.class, rule.num_calls()), (Class::Dependency, 1), "{error}");
        }
    }

    #[tokio::test]
    async fn a_refused_batch_is_repeated_name_by_name_first() {
        let (log, answers) =
            submit(["a", "a", "taken", "taken"].map(|name| change(name, ChangeAction::Upsert, 1)).to_vec(), |sent| {
                if sent.iter().any(|one| one.contains("taken")) { Err(refused(&["no"])) } else { Ok("C6") }
            })
            .await;
        assert_eq!(log.iter().map(Vec::len).collect::<Vec<_>>(), [4, 2, 2, 1, 1], "{log:?}");
        assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false, false]);
    }

    /// Its sentence ends like that of a record which is there already.
    #[tokio::test]
    async fn a_record_that_another_one_excludes_waits_for_that_one_to_leave() {
        let (_, answers) = submit(vec![change("a", ChangeAction::Create, 1)], |_| {
            Err(refused(&["RRSet of type A with DNS name a. is not permitted because a conflicting RRSet of another type with the same DNS name already exists"]))
        })
        .await;
        let error = answers[0].as_ref().unwrap_err();
        assert_eq!(error.class, Class::Dependency);
        assert!(error.hint.as_ref().unwrap().contains("CNAME"));
    }

    #[tokio::test]
    async fn a_batch_that_came_too_early_is_everybodys_to_repeat() {
        let changes = ["a", "b"].map(|name| change(name, ChangeAction::Create, 1)).to_vec();
        let (log, answers) = submit(changes, |_| {
            Err(ChangeResourceRecordSetsError::generic(
                ErrorMetadata::builder().code("PriorRequestNotComplete").build(),
            ))
        })
        .await;
        assert_eq!(log.len(), 1);
        assert!(answers.iter().all(|answer| answer.as_ref().is_err_and(|error| error.class == Class::Throttled)));
    }

    #[tokio::test]
    async fn a_batch_has_at_most_a_thousand_elements_and_upserts_count_twice() {
        let changes = (0..6).map(|at| change(&format!("r{at}"), ChangeAction::Upsert, 100)).collect();
        let (log, answers) = submit(changes, |_| Ok("C3")).await;
        assert_eq!(log.iter().map(Vec::len).collect::<Vec<_>>(), [5, 1]);
        assert!(answers.iter().all(Result::is_ok));
    }

    #[tokio::test]
    async fn a_change_that_was_given_up_is_not_made() {
        let rule = mock!(Client::change_resource_record_sets)
            .match_requests(|input| sent(input) == ["CREATE b"])
            .then_output(|| made("C4"));
        let (batcher, client, zone) = (batcher(), Aws::mocked(&[&rule]).route53(), HostedZoneId::literal("Z1"));
        // It waits for others, and is dropped.
        assert!(batcher.submit(&client, &zone, vec![change("a", ChangeAction::Create, 1)]).now_or_never().is_none());
        let answer = batcher.submit(&client, &zone, vec![change("b", ChangeAction::Create, 1)]).await;
        assert_eq!(answer, Ok("C4".to_owned()));
    }

    #[tokio::test]
    async fn all_records_of_a_batch_ask_once_about_it() {
        let rule = mock!(Client::get_change).then_output(|| {
            let info = ChangeInfo::builder().id("/change/C1").status(ChangeStatus::Insync);
            let info = info.submitted_at(aws_smithy_types::DateTime::from_secs(0)).build().unwrap();
            GetChangeOutput::builder().change_info(info).build()
        });
        let (batcher, client) = (batcher(), Aws::mocked(&[&rule]).route53());
        let answers = join_all((0..5).map(|_| batcher.is_everywhere(&client, "C1"))).await;
        assert_eq!((answers, rule.num_calls()), (vec![Ok(true); 5], 1));
    }
}
