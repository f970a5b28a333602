//! Virtual time: a clock that stands still while anything can run, and jumps when everything waits.
//!
//! [`SimClock::drive`] polls a future; whenever the future is pending, nothing has woken it and somebody sleeps, the clock
//! jumps to the earliest deadline. So a deploy of ten minutes takes milliseconds, and, since nothing depends on the
//! speed of the machine, it is the same every time. It needs no particular executor: the waker is its own.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_async::time::TimeSource;

/// 2026-01-01T00:00:00Z in milliseconds since the Unix epoch: where a new clock starts.
pub const EPOCH_MS: u64 = 1_767_225_600_000;

/// A clock of virtual milliseconds; clones are the same clock.
///
/// Everything that should be reproducible must run inside one [`drive`](SimClock::drive): the clock cannot see whether a task
/// that another executor holds is still able to run. Several drivers, or tasks spawned beside one, make progress too, but the
/// order between them is the executor's.
#[derive(Clone)]
pub struct SimClock {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    now_ms: u64,
    /// Sleepers by deadline, then by order of registration. A sleeper that is no longer in the map has been woken.
    sleepers: BTreeMap<(u64, u64), Waker>,
    registered: u64,
    /// Drivers that gave the thread back to their executor: a new sleeper may be a reason to go on.
    parked: BTreeMap<u64, Waker>,
    /// Live [`Hold`]s.
    holds: usize,
}

impl SimClock {
    /// A clock that shows `now_ms`, milliseconds since the Unix epoch.
    #[must_use]
    pub fn starting_at(now_ms: u64) -> Self {
        let inner = Inner { now_ms, sleepers: BTreeMap::new(), registered: 0, parked: BTreeMap::new(), holds: 0 };
        SimClock { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Virtual milliseconds since the Unix epoch.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.lock().now_ms
    }

    /// A future that is ready `duration` from now, in virtual time, rounded up to whole milliseconds. Dropping it
    /// deregisters it.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + Sync + 'static {
        let deadline_ms = self.now_ms().saturating_add(whole_ms(duration));
        Sleeper { clock: self.clone(), deadline_ms, key: None }
    }

    /// Moves the clock forward by hand and wakes, in order of their deadlines, everybody who slept until then.
    pub fn advance(&self, duration: Duration) {
        let mut inner = self.lock();
        let target = inner.now_ms.saturating_add(whole_ms(duration));
        let later = inner.sleepers.split_off(&(target.saturating_add(1), 0));
        let due = std::mem::replace(&mut inner.sleepers, later);
        inner.now_ms = target;
        drop(inner);
        due.into_values().for_each(Waker::wake);
    }

    /// Keeps the clock from jumping while real work runs outside the driven future, a file write on another thread for
    /// example: without it, virtual hours may pass during a millisecond of real waiting.
    #[must_use]
    pub fn hold(&self) -> Hold {
        self.lock().holds += 1;
        Hold { clock: self.clone() }
    }

    /// Runs `future` to its end, letting virtual time pass whenever all of it waits for the clock.
    ///
    /// When the future is pending and nobody sleeps, it waits for something real, and the outer executor is left to wake it.
    pub async fn drive<F: Future>(&self, future: F) -> F::Output {
        match self.drive_until(future, || false).await {
            Some(output) => output,
            None => unreachable!("a driver that is never told to stop ends with its future"),
        }
    }

    /// As [`drive`](SimClock::drive), but gives up, dropping the future, as soon as `stop` says so; it is asked after
    /// each poll.
    pub(crate) async fn drive_until<F: Future>(&self, future: F, stop: impl Fn() -> bool) -> Option<F::Output> {
        // Tokio's cooperative budget would make its primitives pend after a while and wake them only when this task goes back to
        // the runtime; the clock would take that for waiting and jump.
        let mut future = pin!(tokio::task::unconstrained(future));
        let signal = Arc::new(Signal { woken: AtomicBool::new(false), outer: Mutex::new(None) });
        let waker = Waker::from(signal.clone());
        let parking = Parking { clock: self, place: self.lock().next_place() };
        std::future::poll_fn(|outer| {
            // Before the first poll, so that no wake-up from another thread can fall between.
            *lock(&signal.outer) = Some(outer.waker().clone());
            parking.leave();
            loop {
                signal.woken.store(false, Ordering::SeqCst);
                if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return Poll::Ready(Some(output));
                }
                if stop() {
                    return Poll::Ready(None);
                }
                if signal.woken.load(Ordering::SeqCst) {
                    continue;
                }
                let jumped = self.jump();
                if !jumped || !signal.woken.load(Ordering::SeqCst) {
                    // Nobody sleeps, or the sleeper belongs to a task of somebody else, who goes on from here.
                    parking.enter(outer.waker());
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// Moves to the earliest deadline and wakes its sleeper; false when nobody sleeps or the clock is held.
    fn jump(&self) -> bool {
        let mut inner = self.lock();
        if inner.holds > 0 {
            return false;
        }
        let Some(((deadline_ms, _), waker)) = inner.sleepers.pop_first() else { return false };
        inner.now_ms = inner.now_ms.max(deadline_ms);
        drop(inner);
        waker.wake();
        true
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

impl Inner {
    fn next_place(&mut self) -> u64 {
        self.registered += 1;
        self.registered
    }
}

impl Default for SimClock {
    fn default() -> Self {
        SimClock::starting_at(EPOCH_MS)
    }
}

impl std::fmt::Debug for SimClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let inner = self.lock();
        f.debug_struct("SimClock").field("now_ms", &inner.now_ms).field("sleepers", &inner.sleepers.len()).finish()
    }
}

impl AsyncSleep for SimClock {
    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(SimClock::sleep(self, duration))
    }
}

impl TimeSource for SimClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.now_ms())
    }
}

/// While it lives, virtual time stands still; see [`SimClock::hold`].
#[derive(Debug)]
pub struct Hold {
    clock: SimClock,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut inner = self.clock.lock();
        inner.holds -= 1;
        let parked = if inner.holds == 0 { std::mem::take(&mut inner.parked) } else { BTreeMap::new() };
        drop(inner);
        parked.into_values().for_each(Waker::wake);
    }
}

struct Sleeper {
    clock: SimClock,
    deadline_ms: u64,
    /// Its place in the map, from the first poll on.
    key: Option<(u64, u64)>,
}

impl Future for Sleeper {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut inner = clock.lock();
        if let Some(key) = self.key {
            return match inner.sleepers.get_mut(&key) {
                // Not its turn: with equal deadlines the earlier registration comes first.
                Some(waker) => {
                    waker.clone_from(context.waker());
                    Poll::Pending
                }
                None => Poll::Ready(()),
            };
        }
        if self.deadline_ms <= inner.now_ms {
            return Poll::Ready(());
        }
        let key = (self.deadline_ms, inner.next_place());
        inner.sleepers.insert(key, context.waker().clone());
        self.key = Some(key);
        let parked = std::mem::take(&mut inner.parked);
        drop(inner);
        parked.into_values().for_each(Waker::wake);
        Poll::Pending
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            // Bound first: a waker must not be dropped under the lock, it may own the task that drops sleepers.
            let waker = self.clock.lock().sleepers.remove(&key);
            drop(waker);
        }
    }
}

/// The waker of a driver: remembers that it was called, and calls the executor's.
struct Signal {
    woken: AtomicBool,
    outer: Mutex<Option<Waker>>,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        let outer = lock(&self.outer).clone();
        if let Some(outer) = outer {
            outer.wake();
        }
    }
}

/// A driver's entry in the list of those who wait for their executor; gone with the driver.
struct Parking<'a> {
    clock: &'a SimClock,
    place: u64,
}

impl Parking<'_> {
    fn enter(&self, waker: &Waker) {
        self.clock.lock().parked.insert(self.place, waker.clone());
    }

    fn leave(&self) {
        let waker = self.clock.lock().parked.remove(&self.place);
        drop(waker);
    }
}

impl Drop for Parking<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// None of the critical sections can panic half-way, so a poisoned lock still guards consistent data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Instant;

    use futures_util::future::join3;

    use super::*;

    /// Runs on a runtime without a timer: whoever used tokio's time would panic.
    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn an_hour_passes_at_once_and_the_clock_shows_it() {
        let clock = SimClock::default();
        let started = Instant::now();
        block_on(clock.drive(clock.sleep(secs(3600))));
        assert_eq!(clock.now_ms(), EPOCH_MS + 3_600_000);
        assert!(started.elapsed() < secs(60));
    }

    #[test]
    fn sleeps_overlap_and_wake_by_deadline_then_by_registration() {
        let clock = SimClock::default();
        let woken = RefCell::new(Vec::new());
        let sleeper = |name: &'static str, s: u64| {
            let (clock, woken) = (&clock, &woken);
            async move {
                clock.sleep(secs(s)).await;
                woken.borrow_mut().push((name, (clock.now_ms() - EPOCH_MS) / 1000));
            }
        };
        block_on(clock.drive(join3(sleeper("a", 5), sleeper("b", 3), sleeper("c", 5))));
        assert_eq!(*woken.borrow(), [("b", 3), ("a", 5), ("c", 5)]);
    }

    #[test]
    fn a_dropped_sleep_does_not_move_the_clock() {
        let clock = SimClock::default();
        block_on(clock.drive(async {
            let long = clock.sleep(secs(100));
            let short = clock.sleep(secs(1));
            futures_util::future::select(Box::pin(long), Box::pin(short)).await;
            clock.sleep(secs(1)).await;
        }));
        assert_eq!(clock.now_ms(), EPOCH_MS + 2_000);
        assert!(clock.lock().sleepers.is_empty());
    }

    #[test]
    fn durations_round_up_to_whole_milliseconds() {
        let clock = SimClock::default();
        block_on(clock.drive(clock.sleep(Duration::from_micros(1))));
        assert_eq!(clock.now_ms(), EPOCH_MS + 1);
        block_on(clock.drive(clock.sleep(Duration::ZERO)));
        assert_eq!(clock.now_ms(), EPOCH_MS + 1);
    }

    #[test]
    fn a_real_wait_is_left_to_the_executor_and_does_not_move_the_clock() {
        let clock = SimClock::default();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            sender.send(7).unwrap();
        });
        assert_eq!(block_on(clock.drive(receiver)), Ok(7));
        assert_eq!(clock.now_ms(), EPOCH_MS);
        thread.join().unwrap();
    }

    #[test]
    fn a_hold_stops_the_clock_until_it_is_dropped() {
        let clock = SimClock::default();
        let hold = clock.hold();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let thread = {
            let clock = clock.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                sender.send(clock.now_ms()).unwrap();
                drop(hold);
            })
        };
        let (during, ()) = block_on(clock.drive(async { tokio::join!(receiver, clock.sleep(secs(9))) }));
        assert_eq!(during, Ok(EPOCH_MS), "the other thread saw time stand still");
        assert_eq!(clock.now_ms(), EPOCH_MS + 9_000);
        thread.join().unwrap();
    }

    #[test]
    fn a_task_spawned_beside_the_driver_makes_progress() {
        let clock = SimClock::default();
        block_on(async {
            let task = {
                let clock = clock.clone();
                tokio::spawn(async move {
                    for _ in 0..10 {
                        clock.sleep(secs(60)).await;
                    }
                })
            };
            clock.drive(task).await.unwrap();
        });
        assert_eq!(clock.now_ms(), EPOCH_MS + 600_000);
    }

    #[test]
    fn two_drivers_of_one_clock_can_wait_for_each_other() {
        let clock = SimClock::default();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        block_on(async {
            let other = clock.clone();
            let waits = tokio::spawn(async move {
                let then = async {
                    receiver.await.unwrap();
                    other.sleep(secs(1)).await;
                };
                other.drive(then).await;
            });
            tokio::task::yield_now().await;
            let first = async {
                clock.sleep(secs(2)).await;
                sender.send(()).unwrap();
            };
            clock.drive(first).await;
            waits.await.unwrap();
        });
        assert_eq!(clock.now_ms(), EPOCH_MS + 3_000);
    }

    #[test]
    fn advancing_by_hand_wakes_those_who_are_due() {
        let clock = SimClock::default();
        let flag = Arc::new(Signal { woken: AtomicBool::new(false), outer: Mutex::new(None) });
        let waker = Waker::from(flag.clone());
        let mut sleep = Box::pin(clock.sleep(secs(5)));
        assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        clock.advance(secs(4));
        assert!(!flag.woken.load(Ordering::SeqCst));
        clock.advance(secs(1));
        assert!(flag.woken.load(Ordering::SeqCst));
        assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
    }
}
