//! `--cloud aws`: the account of the standard credential chain.

use std::collections::BTreeMap;
use std::env;
use std::sync::Arc;

use dr_core::driver::{Clock, SystemClock};
use dr_core::{BoxFuture, CloudError, Graph, Registry};

use super::{Answer, Cloud, Detail, http};
use crate::error::Error;

/// What an endpoint of the user's own is given in; one service's is `AWS_ENDPOINT_URL_STS`.
const ENDPOINT: &str = "AWS_ENDPOINT_URL";

/// An account of AWS, or an emulator behind `AWS_ENDPOINT_URL`.
pub(crate) struct Real {
    aws: Arc<dr_aws::Aws>,
    clock: Arc<SystemClock>,
}

impl Real {
    /// The account that the environment leads to.
    ///
    /// # Errors
    /// [`Error::Usage`] when an endpoint is no URL, which the SDK would say in its own words, and only after a call.
    pub(crate) async fn from_env() -> Result<Self, Error> {
        for (name, url) in endpoints() {
            if !url.starts_with("http://") && !url.starts_with("https://") {
                let message = format!("{name} is `{url}`, and that is no URL");
                return Err(Error::usage(message, "write `http://HOST:PORT`, or unset it to use AWS"));
            }
        }
        Ok(Real { aws: Arc::new(dr_aws::Aws::from_env().await), clock: Arc::new(SystemClock::new()) })
    }
}

/// The endpoints that the environment sets, by variable.
fn endpoints() -> BTreeMap<String, String> {
    let variables = env::vars_os().map(|(name, url)| (name.to_string_lossy().into_owned(), url));
    let set = variables.filter(|(name, url)| name.starts_with(ENDPOINT) && !url.is_empty());
    set.map(|(name, url)| (name, url.to_string_lossy().into_owned())).collect()
}

/// Says what of the environment led to the error.
fn explained(mut error: CloudError) -> CloudError {
    let mut hint = error.hint.take().unwrap_or_default();
    let mut add = |more: String| {
        hint.push_str(if hint.is_empty() { "" } else { "; " });
        hint.push_str(&more);
    };
    match error.code.as_str() {
        "NoCredentials" => {
            error.message = attempts(&error.message);
            if let Some(profile) = env::var_os("AWS_PROFILE") {
                add(format!("AWS_PROFILE is `{}`: see whether `~/.aws/config` has it", profile.to_string_lossy()));
            }
        }
        "Unreachable" | "ConnectionLost" => endpoints().iter().for_each(|(name, url)| add(format!("{name} is {url}"))),
        _ => {}
    }
    error.hint = Some(hint).filter(|hint| !hint.is_empty());
    error
}

/// The sources of credentials that the SDK has tried, a line each, without what it says of all of them.
fn attempts(message: &str) -> String {
    let Some((_, tried)) = message.split_once("Attempted:") else { return message.to_owned() };
    let noise = "the credential provider was not enabled";
    let line = |line: &str| {
        let (source, why) = line.trim().split_once(": ").unwrap_or((line.trim(), ""));
        let why = why.trim_start_matches(noise).trim_start_matches(": ");
        format!("{source}: {}", if why.is_empty() { "not set up" } else { why })
    };
    let tried = tried.lines().filter(|text| !text.trim().is_empty()).map(line);
    std::iter::once("nobody has any".to_owned()).chain(tried).collect::<Vec<_>>().join("\n")
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
        Box::pin(async { self.aws.identity().await.map(|identity| Some(identity.account)).map_err(explained) })
    }

    fn missing_rights<'a>(&'a self, graph: &'a Graph) -> BoxFuture<'a, Result<Option<Vec<String>>, CloudError>> {
        Box::pin(async { self.aws.missing_rights(&dr_aws::permissions::actions(graph)).await })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sources_of_credentials_are_listed_without_noise() {
        let said = "other: the credential provider was not enabled: no credentials found in chain. Attempted:\n  \
                    Environment: the credential provider was not enabled: environment variable not set\n  \
                    Profile: the credential provider was not enabled";
        assert_eq!(attempts(said), "nobody has any\nEnvironment: environment variable not set\nProfile: not set up");
        assert_eq!(attempts("expired"), "expired");
    }
}
