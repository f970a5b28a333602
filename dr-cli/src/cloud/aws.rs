//! `--cloud aws`: the account of the standard credential chain.

use std::collections::BTreeMap;
use std::sync::Arc;

use dr_core::driver::{Clock, SystemClock};
use dr_core::{BoxFuture, CloudError, Registry};

use super::{Answer, Cloud, Detail, http};

/// An account of AWS, or an emulator behind `AWS_ENDPOINT_URL`.
pub(crate) struct Real {
    aws: Arc<dr_aws::Aws>,
    clock: Arc<SystemClock>,
}

impl Real {
    pub(crate) async fn from_env() -> Self {
        Real { aws: Arc::new(dr_aws::Aws::from_env().await), clock: Arc::new(SystemClock::new()) }
    }
}

/// Tells the clients that a refresh begins.
pub(crate) fn begin(aws: &dr_aws::Aws, detail: Detail) {
    aws.begin_refresh();
    aws.set_depth(match detail {
        Detail::Full => dr_aws::Depth::Full,
        Detail::Lean => dr_aws::Depth::Lean,
    });
}

impl Cloud for Real {
    fn registry(&self) -> Registry {
        dr_aws::registry(&self.aws)
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    fn identify(&self) -> BoxFuture<'_, Result<Option<String>, CloudError>> {
        Box::pin(async { self.aws.identity().await.map(|identity| Some(identity.account)) })
    }

    fn refresh_begins(&self, detail: Detail) {
        begin(&self.aws, detail);
    }

    fn calls(&self) -> BTreeMap<String, u64> {
        self.aws.calls()
    }

    fn request<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Answer, CloudError>> {
        Box::pin(http::get(url))
    }
}
