//! The driver: performs the engine's effects. The only place of this crate that waits.
//!
//! It runs in one task and spawns nothing, so it works on any executor, and under a simulated clock it is deterministic.

mod refresh;
mod session;

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use crate::engine::{Answer, Call, CallKind, Effect, Event, Notice, Report, Run, Time};
use crate::error::{Class, CloudError};
use crate::journal;
use crate::plan::StepId;
use crate::provider::{BoxFuture, Registry};
use crate::store::WriteStore;

pub use refresh::{Deepness, refresh};
pub use session::{Applied, Session, SessionError};

/// Time as the driver sees it; a simulated cloud brings its own.
pub trait Clock: Send + Sync {
    /// The time since some beginning, in milliseconds.
    fn now(&self) -> Time;
    /// Returns at this time.
    fn sleep_until(&self, time: Time) -> BoxFuture<'static, ()>;
}

/// The real clock, on tokio's timers.
#[derive(Debug, Clone)]
pub struct SystemClock {
    start: tokio::time::Instant,
}

impl SystemClock {
    /// A clock that starts at zero. Sleeping on it needs a tokio runtime with timers.
    #[must_use]
    pub fn new() -> Self {
        SystemClock { start: tokio::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        Time::default().after(self.start.elapsed())
    }

    fn sleep_until(&self, time: Time) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep_until(self.start + Duration::from_millis(time.0)))
    }
}

/// A way to stop a run: the first call lets the calls in flight be answered, the second does not. Clones are the same switch.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<Switch>);

#[derive(Debug, Default)]
struct Switch {
    calls: AtomicU32,
    waker: std::sync::Mutex<Option<Waker>>,
}

impl Cancel {
    /// A switch that nobody has pressed.
    #[must_use]
    pub fn new() -> Self {
        Cancel::default()
    }

    /// Stops the run; called again, does not wait for answers either.
    pub fn cancel(&self) {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        let waker = self.0.waker.lock().map(|mut waker| waker.take());
        if let Ok(Some(waker)) = waker {
            waker.wake();
        }
    }

    /// How often it was pressed.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// Remembers whom to wake. Only one run waits for a switch at a time.
    fn register(&self, waker: &Waker) {
        if let Ok(mut slot) = self.0.waker.lock() {
            *slot = Some(waker.clone());
        }
    }
}

/// What a watcher of a run gets: the run (for its plan and state) and what just happened.
pub type Watch<'w> = dyn FnMut(&Run, Time, &Notice) + Send + 'w;

/// Runs a plan to its end.
///
/// The start of the plan has to be the store's snapshot already (`compact`). Entries that are ready together are made
/// durable together.
pub async fn run(
    mut run: Run,
    registry: &Registry,
    store: &dyn WriteStore,
    clock: &dyn Clock,
    cancel: &Cancel,
    watch: &mut Watch<'_>,
) -> (Report, Run) {
    let mut calls: FuturesUnordered<BoxFuture<'_, (StepId, Result<Answer, CloudError>)>> = FuturesUnordered::new();
    let mut sleep: Option<BoxFuture<'static, ()>> = None;
    let mut append: Option<(u64, Appending<'_>)> = None;
    let (mut pending, mut last): (Vec<u8>, u64) = (Vec::new(), 0);
    // What the store is writing, kept until it says that it has: an entry is written again or nothing after it is.
    let (mut writing, mut refused): (Vec<u8>, usize) = (Vec::new(), 0);
    let mut seen_cancels = 0;
    loop {
        while let Some(effect) = run.poll() {
            match effect {
                Effect::Persist(entry) => {
                    journal::encode(&entry, &mut pending);
                    last = entry.seq;
                }
                Effect::Call(id, call) => calls.push(Box::pin(async move { (id, perform(registry, call).await) })),
                Effect::WaitUntil(time) => sleep = Some(clock.sleep_until(time)),
                Effect::Done(report) => {
                    tell(&mut run, clock.now(), watch);
                    return (*report, run);
                }
            }
        }
        tell(&mut run, clock.now(), watch);
        // Answers that are there already may add entries to the same commit.
        let ready = poll_fn(|cx| Poll::Ready(calls.poll_next_unpin(cx))).await;
        if let Poll::Ready(Some((id, answer))) = ready {
            run.handle(clock.now(), Event::Returned(id, answer));
            continue;
        }
        if append.is_none() && pending.len() > refused {
            writing.clone_from(&pending);
            append = Some((last, store.append(std::mem::take(&mut pending))));
        }
        let event = poll_fn(|cx| {
            // In this order, or a press between the two would wake nobody.
            cancel.register(cx.waker());
            if cancel.count() > seen_cancels {
                return Poll::Ready(Event::Cancel);
            }
            if let Some((seq, appending)) = &mut append
                && let Poll::Ready(result) = appending.as_mut().poll(cx)
            {
                let event = match result {
                    Ok(()) => {
                        refused = 0;
                        Event::Persisted(*seq)
                    }
                    Err(error) => {
                        // Tried once more with the answers that are still to come, as one commit.
                        journal::continue_commit(&mut pending);
                        writing.append(&mut pending);
                        pending = std::mem::take(&mut writing);
                        refused = pending.len();
                        Event::StoreFailed(chain(&error))
                    }
                };
                append = None;
                return Poll::Ready(event);
            }
            if let Poll::Ready(Some((id, answer))) = calls.poll_next_unpin(cx) {
                return Poll::Ready(Event::Returned(id, answer));
            }
            match sleep.as_mut().map(|sleep| Pin::new(sleep).poll(cx)) {
                Some(Poll::Ready(())) => {
                    sleep = None;
                    Poll::Ready(Event::Clock)
                }
                _ => Poll::Pending,
            }
        })
        .await;
        seen_cancels += u32::from(matches!(event, Event::Cancel));
        run.handle(clock.now(), event);
    }
}

/// A commit under way.
type Appending<'s> = BoxFuture<'s, Result<(), crate::store::StoreError>>;

fn tell(run: &mut Run, now: Time, watch: &mut Watch<'_>) {
    while let Some(notice) = run.notice() {
        watch(run, now, &notice);
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Makes one call to the provider of its type.
async fn perform(registry: &Registry, call: Call) -> Result<Answer, CloudError> {
    let Some(provider) = registry.get(&call.type_name) else {
        return Err(no_provider(&call.type_name));
    };
    Ok(match call.kind {
        CallKind::Find(wanted) => {
            let (address, generation) = (wanted.address.clone(), wanted.generation);
            let found = provider.read(&wanted.stack.clone(), &call.region, vec![wanted]).await?;
            let ours = found.into_iter().find(|f| f.address == address && f.generation == generation);
            Answer::Found(ours.map(Box::new))
        }
        CallKind::Create { owner, args } => Answer::Outputs(provider.create(owner, args).await?),
        CallKind::Update { owner, prior, args } => Answer::Outputs(provider.update(owner, prior, args).await?),
        CallKind::Delete { owner, prior } => provider.delete(owner, prior).await.map(|()| Answer::Done)?,
        CallKind::Ready { owner, current } => Answer::Ready(provider.ready(owner, current).await?),
        CallKind::Gone { owner, prior } => Answer::Gone(provider.gone(owner, prior).await?),
        CallKind::Adopt { owner, current } => provider.adopt(owner, current).await.map(|()| Answer::Done)?,
    })
}

pub(crate) fn no_provider(type_name: &str) -> CloudError {
    let message = format!("no provider of `{type_name}` is registered");
    CloudError::new("dr", "NoProvider", message, Class::Permanent)
        .hint(format!("add it to the registry: `.with::<…>(&cloud)` for `{type_name}`"))
}
