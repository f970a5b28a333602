//! Reads that several resource types share: one `DescribeRouteTables` answers for tables, routes and associations.
//!
//! A value is shared by everybody who asks for the same thing until something changes or a moment has passed, so that a
//! refresh makes each call once, and a question after a lost answer makes it anew. Resources that wait side by side, three NAT
//! gateways of a region, share a question while it is under way.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::SharedTimeSource;
use dr_core::CloudError;
use tokio::sync::OnceCell;

/// How long a read is shared after it was asked for. The reads of a refresh start together and share what is under way; this
/// is for those that start a moment later, and much less than anybody waits before asking again.
pub(crate) const SHARED_FOR: Duration = Duration::from_millis(500);

/// The shared reads of one refresh.
pub(crate) struct Reads {
    time: SharedTimeSource,
    entries: Mutex<BTreeMap<String, Arc<Entry>>>,
}

struct Entry {
    asked: SystemTime,
    value: OnceCell<Arc<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reads")
    }
}

impl Reads {
    pub(crate) fn new(time: SharedTimeSource) -> Self {
        Reads { time, entries: Mutex::default() }
    }

    /// From now on everything is read anew.
    pub(crate) fn outdate(&self) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What `read` answers, or what it answers to somebody else who asked under the same key at most so long ago; one that is
    /// still under way is as fresh as can be. An error is not shared.
    pub(crate) async fn get<T, F, Fut>(&self, key: String, shared_for: Duration, read: F) -> Result<Arc<T>, CloudError>
    where
        T: Send + Sync + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, CloudError>>,
    {
        let entry = {
            let now = self.time.now();
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            let is_within = |entry: &Entry, limit| {
                let age = now.duration_since(entry.asked).unwrap_or_default();
                age <= limit || !entry.value.initialized()
            };
            entries.retain(|_, entry| is_within(entry, SHARED_FOR));
            match entries.get(&key).filter(|entry| is_within(entry, shared_for)) {
                Some(entry) => Arc::clone(entry),
                None => {
                    let fresh = Arc::new(Entry { asked: now, value: OnceCell::new() });
                    entries.insert(key, Arc::clone(&fresh));
                    fresh
                }
            }
        };
        let value =
            entry.value.get_or_try_init(|| async { read().await.map(|value| Arc::new(value) as Arc<_>) }).await?;
        Ok(Arc::clone(value).downcast::<T>().expect("a key names the operation, and with it the type"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

    use aws_smithy_async::time::TimeSource;
    use dr_core::Class;
    use futures_util::future::join_all;

    use super::*;

    /// Milliseconds since the epoch, moved by hand.
    #[derive(Debug, Clone, Default)]
    struct Manual(Arc<AtomicU64>);

    impl TimeSource for Manual {
        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH + Duration::from_millis(self.0.load(Ordering::Relaxed))
        }
    }

    impl Manual {
        fn advance(&self, by: Duration) {
            self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn concurrent_readers_share_one_call_until_a_change_or_a_while_later() {
        let time = Manual::default();
        let reads = Reads::new(SharedTimeSource::new(time.clone()));
        let calls = AtomicU32::new(0);
        let read = |key: &str| {
            reads.get(key.to_owned(), SHARED_FOR, || async {
                tokio::task::yield_now().await;
                Ok(calls.fetch_add(1, Ordering::Relaxed))
            })
        };
        join_all([read("a"), read("a"), read("a"), read("b")]).await;
        assert_eq!(calls.load(Ordering::Relaxed), 2);
        reads.outdate();
        assert_eq!(*read("a").await.unwrap(), 2);
        time.advance(SHARED_FOR);
        assert_eq!(*read("a").await.unwrap(), 2);
        time.advance(Duration::from_millis(1));
        assert_eq!(*read("a").await.unwrap(), 3);
    }

    #[tokio::test]
    async fn who_waits_shares_what_is_under_way_and_nothing_older() {
        let time = Manual::default();
        let reads = Reads::new(SharedTimeSource::new(time.clone()));
        let calls = AtomicU32::new(0);
        let ask = || {
            reads.get("a".to_owned(), Duration::ZERO, || async {
                tokio::task::yield_now().await;
                time.advance(Duration::from_millis(80));
                Ok(calls.fetch_add(1, Ordering::Relaxed))
            })
        };
        let answers: Vec<u32> =
            join_all([ask(), ask(), ask()]).await.into_iter().map(|answer| *answer.unwrap()).collect();
        assert_eq!(answers, [0, 0, 0]);
        assert_eq!(*ask().await.unwrap(), 1);
    }

    #[tokio::test]
    async fn an_error_is_not_kept() {
        let reads = Reads::new(SharedTimeSource::default());
        let error = CloudError::new("ec2:DescribeVpcs", "InternalError", "", Class::Transient);
        reads.get("a".to_owned(), SHARED_FOR, || async { Err::<u8, _>(error) }).await.unwrap_err();
        assert_eq!(*reads.get("a".to_owned(), SHARED_FOR, || async { Ok(1_u8) }).await.unwrap(), 1);
    }
}
