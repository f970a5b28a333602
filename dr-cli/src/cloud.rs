//! Where a program is deployed: the clients of its types, a clock, and who answers requests.

#[cfg(feature = "aws")]
pub(crate) mod aws;
#[cfg(feature = "aws")]
mod http;
#[cfg(feature = "sim")]
pub(crate) mod sim;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use dr_core::driver::Clock;
use dr_core::{BoxFuture, CloudError, Graph, Registry};

/// A future that stays on its thread.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Where a program is deployed. `sim` and `aws` are built in; a program brings its own with
/// [`Program::cloud`](crate::Program::cloud).
pub trait Cloud: Send + Sync {
    /// The types that can be deployed, with their clients.
    fn registry(&self) -> Registry;

    /// The clock that the engine waits on.
    fn clock(&self) -> Arc<dyn Clock>;

    /// Runs work that waits on the clock. Default: just runs it; a simulated clock has to be driven.
    fn drive<'a>(&'a self, work: LocalFuture<'a, ()>) -> LocalFuture<'a, ()> {
        work
    }

    /// Whether its time is simulated, so that the wall clock says little.
    fn is_simulated(&self) -> bool {
        false
    }

    /// The account that the credentials belong to; asked first, so that what is wrong with them is said before anything else.
    ///
    /// # Errors
    /// What is wrong with the credentials or the endpoint, with a hint. Default: no account, never fails.
    fn identify(&self) -> BoxFuture<'_, Result<Option<String>, CloudError>> {
        Box::pin(async { Ok(None) })
    }

    /// Which rights the credentials lack for a program, as far as that can be told beforehand; `None` when it cannot. Asked before
    /// something is changed, and only warned of. Default: it cannot be told.
    ///
    /// # Errors
    /// The question was not answered.
    fn missing_rights<'a>(&'a self, _graph: &'a Graph) -> BoxFuture<'a, Result<Option<Vec<String>>, CloudError>> {
        Box::pin(async { Ok(None) })
    }

    /// A refresh begins that reads this much.
    fn refresh_begins(&self, _detail: Detail) {}

    /// How often each operation was called, `ec2:CreateVpc`. Default: it does not count.
    fn calls(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }

    /// Makes a GET request for a URL, as somebody on the internet would.
    ///
    /// # Errors
    /// A cloud that cannot make requests says so. That a request fails is an [`Answer`].
    fn request<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Answer, CloudError>> {
        let error =
            CloudError::new("dr:Request", "NotSupported", format!("{url}: this cloud has no requests"), class());
        Box::pin(async { Err(error) })
    }

    /// Keeps what has to outlive the process. Called at the end of every command that may have changed something, however it
    /// ended, and in a run each time before answers of the cloud are recorded, so that the record never knows more than what is
    /// kept. The process may be killed in the middle of it: write beside and rename. Default: nothing.
    ///
    /// # Errors
    /// What could not be written.
    fn save(&self) -> Result<(), CloudError> {
        Ok(())
    }
}

fn class() -> dr_core::Class {
    dr_core::Class::Permanent
}

/// How much a refresh has to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Everything that a resource is configured with.
    Full,
    /// Without what costs a call for each resource: for a plan, where each call is time.
    Lean,
}

/// What a request came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The HTTP status; `None` when no HTTP answer arrived.
    pub status: Option<u16>,
    /// The stations that the request reached, in order, as far as they are known.
    pub hops: Vec<String>,
    /// The station that it did not get past, and why.
    pub failed: Option<String>,
    /// The region that answered, when that is known.
    pub region: Option<String>,
    /// From the DNS query to the answer.
    pub took: Duration,
}

impl Answer {
    /// An answer with this status.
    #[must_use]
    pub fn status(status: u16, took: Duration) -> Self {
        Answer { status: Some(status), took, ..Answer::default() }
    }

    /// No answer, and why.
    #[must_use]
    pub fn failure(why: impl Into<String>, took: Duration) -> Self {
        Answer { failed: Some(why.into()), took, ..Answer::default() }
    }

    /// The same with the stations of the way.
    #[must_use]
    pub fn hops(mut self, hops: impl IntoIterator<Item = String>) -> Self {
        self.hops = hops.into_iter().collect();
        self
    }

    /// The same from this region.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Whether the status is 2xx or 3xx.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.status.is_some_and(|status| (200..400).contains(&status))
    }
}

/// Opens a cloud of the program's own; it gets the state directory.
pub(crate) type Open = Box<dyn Fn(&Path) -> Result<Arc<dyn Cloud>, CloudError>>;

/// Runs a future on the clock of a cloud.
pub(crate) async fn drive<T>(cloud: &dyn Cloud, work: impl Future<Output = T>) -> T {
    let mut result = None;
    cloud.drive(Box::pin(async { result = Some(work.await) })).await;
    result.expect("a cloud drives its work to the end")
}
