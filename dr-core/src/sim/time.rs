//! Simulated time and the executor that makes it pass: when nothing can go on, it is later.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::Shared;
use crate::driver::Clock;
use crate::engine::Time;
use crate::provider::BoxFuture;

/// How a simulated process ended.
pub(super) enum End<T> {
    /// On its own.
    Done(T),
    /// It died at the crash point.
    Crashed,
    /// It waits for something that will never happen.
    Stalled(String),
}

/// A run that takes longer than this in simulated time does not end.
const LONGEST_MS: u64 = 48 * 60 * 60 * 1000;

/// Runs a future to its end, to the crash point, or until nothing can happen any more.
pub(super) fn execute<F: Future>(shared: &Shared, future: F) -> End<F::Output> {
    let woken = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    let began = shared.lock().now;
    loop {
        while woken.0.swap(false, Ordering::SeqCst) {
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return if shared.lock().crashed { End::Crashed } else { End::Done(output) };
            }
            if shared.lock().crashed {
                return End::Crashed;
            }
        }
        let mut inner = shared.lock();
        let Some(((time, _), timer)) = inner.timers.pop_first() else {
            return End::Stalled("it waits, and nothing will ever wake it".to_owned());
        };
        inner.now = inner.now.max(time);
        inner.arrive();
        if inner.now - began > LONGEST_MS {
            return End::Stalled(format!("it has not ended after {} hours", LONGEST_MS / 3_600_000));
        }
        drop(inner);
        timer.wake();
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The clock of a simulated world.
#[derive(Debug, Clone)]
pub(super) struct SimClock(pub(super) Shared);

impl Clock for SimClock {
    fn now(&self) -> Time {
        Time(self.0.lock().now)
    }

    fn sleep_until(&self, time: Time) -> BoxFuture<'static, ()> {
        Box::pin(Sleep { shared: self.0.clone(), until: time.0, timer: None })
    }
}

/// Sleeps until a simulated time; a dropped sleep does not make time pass.
pub(super) struct Sleep {
    shared: Shared,
    until: u64,
    timer: Option<(u64, u64)>,
}

impl Sleep {
    pub(super) fn for_ms(shared: &Shared, ms: u64) -> Self {
        let until = shared.lock().now + ms;
        Sleep { shared: shared.clone(), until, timer: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let shared = self.shared.clone();
        let mut inner = shared.lock();
        if inner.now >= self.until {
            if let Some(timer) = self.timer.take() {
                inner.timers.remove(&timer);
            }
            return Poll::Ready(());
        }
        let key = match self.timer {
            Some(timer) => timer,
            None => {
                inner.timers_made += 1;
                (self.until, inner.timers_made)
            }
        };
        self.timer = Some(key);
        inner.timers.insert(key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.shared.lock().timers.remove(&timer);
        }
    }
}
