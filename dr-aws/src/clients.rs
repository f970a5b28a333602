//! The SDK clients of all regions and services, made from one configuration when they are first needed.
//!
//! They share the credentials, the HTTP connections and the governor. The SDK's retries are off: the engine retries, because it
//! has to look before it repeats what may have happened.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::SharedInterceptor;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::origin::Origin;
use aws_types::region::Region;
use dr_core::{Class, CloudError, Cx, Scan};

use crate::call::Call as _;
use crate::governor::{ATTEMPT_TIMEOUT, CallTime, Governed, Governor, Labels};
use crate::rates::Rates;
use crate::shared::{Reads, SHARED_FOR};

/// Where IAM, Route 53 and CloudFront take their changes.
const GLOBAL: &str = "us-east-1";
/// The SDK's own default.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3100);

/// The clients of one account, for all regions; shared behind an [`Arc`].
///
/// ```no_run
/// # async fn example() -> Result<(), dr_core::CloudError> {
/// use std::sync::Arc;
///
/// let aws = Arc::new(dr_aws::Aws::from_env().await);
/// println!("account {}", aws.identity().await?.account);
/// let registry = dr_aws::registry(&aws);
/// # Ok(())
/// # }
/// ```
pub struct Aws {
    config: SdkConfig,
    interceptors: Vec<SharedInterceptor>,
    governor: Arc<Governor>,
    reads: Arc<Reads>,
    lean: AtomicBool,
    clients: Clients,
    /// Gathers the changes of record sets.
    #[cfg(feature = "route53")]
    pub(crate) route53_changes: crate::route53::ChangeBatcher,
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("endpoint_url", &self.config.endpoint_url()).finish_non_exhaustive()
    }
}

/// The clients of one service by region.
struct ByRegion<C>(Mutex<BTreeMap<String, C>>);

impl<C> Default for ByRegion<C> {
    fn default() -> Self {
        ByRegion(Mutex::default())
    }
}

impl<C: Clone> ByRegion<C> {
    fn get(&self, region: &str, make: impl FnOnce() -> C) -> C {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match clients.get(region) {
            Some(client) => client.clone(),
            None => clients.entry(region.to_owned()).or_insert(make()).clone(),
        }
    }
}

macro_rules! clients {
    ($($(#[$meta:meta])* $kind:ident $name:ident: $sdk:ident;)*) => {
        #[derive(Default)]
        struct Clients {
            $($(#[$meta])* $name: ByRegion<$sdk::Client>,)*
        }
        impl Aws {
            $(clients!(@get $(#[$meta])* $kind $name $sdk);)*
        }
    };
    (@get $(#[$meta:meta])* regional $name:ident $sdk:ident) => {
        #[doc = concat!("The `", stringify!($sdk), "` client of a region.")]
        $(#[$meta])*
        #[must_use]
        pub fn $name(&self, region: &str) -> $sdk::Client {
            self.clients.$name.get(region, || clients!(@make self, region, $sdk))
        }
    };
    (@get $(#[$meta:meta])* global $name:ident $sdk:ident) => {
        #[doc = concat!("The `", stringify!($sdk), "` client; the service has no regions.")]
        $(#[$meta])*
        #[must_use]
        pub fn $name(&self) -> $sdk::Client {
            self.clients.$name.get(GLOBAL, || clients!(@make self, GLOBAL, $sdk))
        }
    };
    (@make $self:ident, $region:expr, $sdk:ident) => {{
        let labels = Labels { region: $region.into() };
        let mut config = $sdk::config::Builder::from(&$self.config)
            .region(Region::new($region.to_owned()))
            .interceptor(SharedInterceptor::new(labels));
        for interceptor in &$self.interceptors {
            config.push_interceptor(interceptor.clone());
        }
        $sdk::Client::from_conf(config.build())
    }};
}

clients! {
    #[cfg(feature = "acm")] regional acm: aws_sdk_acm;
    #[cfg(feature = "apigatewayv2")] regional apigatewayv2: aws_sdk_apigatewayv2;
    #[cfg(feature = "cloudfront")] global cloudfront: aws_sdk_cloudfront;
    #[cfg(feature = "cloudwatch")] regional cloudwatch: aws_sdk_cloudwatch;
    #[cfg(feature = "ec2")] regional ec2: aws_sdk_ec2;
    #[cfg(feature = "elbv2")] regional elbv2: aws_sdk_elasticloadbalancingv2;
    #[cfg(feature = "iam")] global iam: aws_sdk_iam;
    #[cfg(feature = "route53")] global route53: aws_sdk_route53;
    #[cfg(feature = "sns")] regional sns: aws_sdk_sns;
    #[cfg(feature = "ec2")] regional ssm: aws_sdk_ssm;
    regional sts: aws_sdk_sts;
}

/// How much a refresh reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Everything that a resource is configured with: for drift and verification.
    Full,
    /// Without what costs a call for each object or only tells what is on record already: DNS attributes of a VPC, user data, tags
    /// of load balancers and roles, ids of rules, and parts that somebody would have to take away by hand (stages and mappings of
    /// an API, policy attachments, subscriptions). The values on record stand for them, so drift there is not seen. For a plan,
    /// where each call is time; after an interrupted run ([`State::is_settled`](dr_core::State::is_settled)) read in full.
    Lean,
}

/// Whose credentials they are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// The account, 12 digits.
    pub account: String,
    /// The user or role that calls.
    pub arn: String,
}

impl Aws {
    /// Clients with the standard credential chain, profiles and endpoints: AWS_PROFILE, AWS_ENDPOINT_URL,
    /// AWS_ENDPOINT_URL_EC2, …. AWS_REGION is not needed, since each resource knows its region.
    pub async fn from_env() -> Self {
        let http = https_client();
        let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http.clone()).load().await;
        Aws::builder().sdk_config(config).build()
    }

    /// Clients from given parts.
    #[must_use]
    pub fn builder() -> AwsBuilder {
        AwsBuilder::default()
    }

    /// The account and the caller, by STS GetCallerIdentity: the call that tells first whether anything can work at all.
    ///
    /// # Errors
    /// One that says what is wrong and what to do: no credentials (`NoCredentials`), expired ones (`ExpiredToken`), a region
    /// that does not know them (`InvalidClientTokenId`), an endpoint that cannot be reached (`Unreachable`).
    pub async fn identity(&self) -> Result<Identity, CloudError> {
        let region = self.config.region().map_or(GLOBAL, |region| region.as_ref());
        let answer = self.sts(region).get_caller_identity().send().await.call("sts:GetCallerIdentity")?;
        match (answer.account, answer.arn) {
            (Some(account), Some(arn)) => Ok(Identity { account, arn }),
            _ => Err(incomplete("sts:GetCallerIdentity", "an account and an ARN")),
        }
    }

    /// How often each operation was called, `ec2:CreateVpc`, and the time it took.
    #[must_use]
    pub fn call_times(&self) -> BTreeMap<String, CallTime> {
        self.governor.calls()
    }

    /// How often each operation was called, `ec2:CreateVpc`.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.governor.calls().into_iter().map(|(operation, time)| (operation, time.calls)).collect()
    }

    /// A refresh begins: what was read before is not shared with it.
    pub fn begin_refresh(&self) {
        self.reads.outdate();
    }

    /// How much reads return from now on; [`Depth::Full`] until it is set.
    pub fn set_depth(&self, depth: Depth) {
        self.lean.store(depth == Depth::Lean, Ordering::Relaxed);
    }

    /// Whether to make the calls that [`Depth::Lean`] leaves out.
    pub(crate) fn reads_all(&self) -> bool {
        !self.lean.load(Ordering::Relaxed)
    }

    /// What `read` answers, shared with all other types that ask for the same operation about the same parent (`""`: about
    /// the whole region) during a refresh.
    pub(crate) async fn shared<T, F, Fut>(
        &self,
        scan: &Scan<Aws>,
        operation: &'static str,
        parent: &str,
        read: F,
    ) -> Result<Arc<T>, CloudError>
    where
        T: Send + Sync + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, CloudError>>,
    {
        self.reads.get(format!("{operation} {} {} {parent}", scan.region, scan.stack), SHARED_FOR, read).await
    }

    /// What `read` answers about all that `cx` and others of its stack and region wait for under a parent, shared by those who
    /// ask while it is under way.
    pub(crate) async fn together<T, F, Fut>(
        &self,
        cx: &Cx<Aws>,
        operation: &'static str,
        parent: &str,
        read: F,
    ) -> Result<Arc<T>, CloudError>
    where
        T: Send + Sync + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, CloudError>>,
    {
        let key = format!("waiting {operation} {} {} {parent}", cx.owner.region, cx.owner.stack);
        self.reads.get(key, Duration::ZERO, read).await
    }
}

/// An answer without what the API promises: a bug of AWS or an emulator, and nothing is certain.
pub(crate) fn incomplete(operation: &str, missing: &str) -> CloudError {
    CloudError::new(operation, "IncompleteAnswer", format!("the answer lacks {missing}"), Class::Transient)
}

/// The HTTP client of [`Aws`] unless it is given another one, to be wrapped: rustls, and `http://` endpoints of emulators as well.
#[must_use]
pub fn https_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https()
}

/// Stands for credentials that nobody gave, so that their lack is one error and not a different one in each place.
#[derive(Debug)]
struct NoCredentials;

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("no credentials provider is configured")))
    }
}

/// Puts [`Aws`] together; everything has a default.
#[derive(Debug, Default)]
pub struct AwsBuilder {
    config: Option<SdkConfig>,
    credentials: Option<SharedCredentialsProvider>,
    endpoint_url: Option<String>,
    http: Option<SharedHttpClient>,
    interceptors: Vec<SharedInterceptor>,
    sleep: Option<SharedAsyncSleep>,
    time: Option<SharedTimeSource>,
    rates: Rates,
    timeout: Option<Duration>,
}

impl AwsBuilder {
    /// Credentials, endpoints and application name from `aws-config`; region, retries and time-outs of it are not used.
    #[must_use]
    pub fn sdk_config(mut self, config: SdkConfig) -> Self {
        self.config = Some(config);
        self
    }

    /// The credentials, instead of those of the configuration.
    #[must_use]
    pub fn credentials(mut self, provider: SharedCredentialsProvider) -> Self {
        self.credentials = Some(provider);
        self
    }

    /// One endpoint for all services, `http://127.0.0.1:5000`: an emulator.
    #[must_use]
    pub fn endpoint_url(mut self, url: impl Into<String>) -> Self {
        self.endpoint_url = Some(url.into());
        self
    }

    /// What sends the requests, behind the governor; rustls by default.
    #[must_use]
    pub fn http_client(mut self, client: SharedHttpClient) -> Self {
        self.http = Some(client);
        self
    }

    /// An interceptor of every client.
    #[must_use]
    pub fn interceptor(mut self, interceptor: SharedInterceptor) -> Self {
        self.interceptors.push(interceptor);
        self
    }

    /// How to wait; Tokio's timer by default.
    #[must_use]
    pub fn sleep(mut self, sleep: SharedAsyncSleep) -> Self {
        self.sleep = Some(sleep);
        self
    }

    /// What time it is; the system's clock by default.
    #[must_use]
    pub fn time_source(mut self, time: SharedTimeSource) -> Self {
        self.time = Some(time);
        self
    }

    /// The call rates; AWS's by default.
    #[must_use]
    pub fn rates(mut self, rates: Rates) -> Self {
        self.rates = rates;
        self
    }

    /// How long a call may take after it was sent, 30 seconds by default; the wait for its turn is not part of it.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The clients.
    #[must_use]
    pub fn build(self) -> Aws {
        let config = self.config.unwrap_or_else(|| SdkConfig::builder().build());
        let sleep = self.sleep.or_else(|| config.sleep_impl());
        let sleep = sleep.unwrap_or_else(|| SharedAsyncSleep::new(TokioSleep::new()));
        let time = self.time.or_else(|| config.time_source()).unwrap_or_default();
        let http = self.http.or_else(|| config.http_client()).unwrap_or_else(https_client);
        let timeout = self.timeout.unwrap_or(ATTEMPT_TIMEOUT);
        let reads = Arc::new(Reads::new(time.clone()));
        let governor = Governor::new(self.rates, sleep.clone(), time.clone(), timeout, Arc::clone(&reads));
        let governor = Arc::new(governor);
        #[cfg(feature = "route53")]
        let route53_changes = crate::route53::ChangeBatcher::new(sleep.clone(), time.clone());
        let governed = Governed { inner: http, governor: Arc::clone(&governor) };

        let mut builder = config.to_builder();
        builder.set_behavior_version(config.behavior_version().or_else(|| Some(BehaviorVersion::latest())));
        builder.set_http_client(Some(SharedHttpClient::new(governed)));
        builder.set_sleep_impl(Some(sleep));
        builder.set_time_source(Some(time));
        builder.set_retry_config(Some(RetryConfig::disabled()));
        builder.set_timeout_config(Some(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build()));
        builder.set_stalled_stream_protection(Some(StalledStreamProtectionConfig::disabled()));
        let credentials = self.credentials.or_else(|| config.credentials_provider());
        builder.set_credentials_provider(credentials.or_else(|| Some(SharedCredentialsProvider::new(NoCredentials))));
        // One cache for all clients: eighteen of them would ask a single sign-on portal eighteen times.
        builder.set_identity_cache(config.identity_cache().or_else(|| Some(IdentityCache::lazy().build())));
        if let Some(url) = self.endpoint_url {
            builder.set_endpoint_url(Some(url));
            builder.insert_origin("endpoint_url", Origin::shared_config());
        }
        let (lean, clients) = Default::default();
        Aws {
            config: builder.build(),
            interceptors: self.interceptors,
            governor,
            reads,
            lean,
            clients,
            #[cfg(feature = "route53")]
            route53_changes,
        }
    }
}

#[cfg(test)]
impl Aws {
    /// Clients that answer by the rules, in any order, and fail on a call without one.
    pub(crate) fn mocked(rules: &[&aws_smithy_mocks::Rule]) -> Arc<Self> {
        let mut mocks =
            aws_smithy_mocks::MockResponseInterceptor::new().rule_mode(aws_smithy_mocks::RuleMode::MatchAny);
        for rule in rules {
            mocks = mocks.with_rule(rule);
        }
        let credentials = aws_credential_types::Credentials::new("test", "test", None, None, "test");
        let aws = Aws::builder()
            .credentials(SharedCredentialsProvider::new(credentials))
            .http_client(aws_smithy_mocks::create_mock_http_client())
            .interceptor(SharedInterceptor::new(mocks))
            .rates(Rates::unlimited());
        Arc::new(aws.build())
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use aws_credential_types::Credentials;
    use aws_sdk_sts::operation::get_caller_identity::{GetCallerIdentityError, GetCallerIdentityOutput};
    use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
    use aws_smithy_async::time::TimeSource;
    use aws_smithy_mocks::mock;
    use aws_smithy_types::error::ErrorMetadata;
    use dr_core::Certainty;

    use super::*;

    fn keys() -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "test"))
    }

    #[tokio::test]
    async fn missing_credentials_say_how_to_get_some() {
        let error = Aws::builder().endpoint_url("http://127.0.0.1:1").build().identity().await.unwrap_err();
        assert_eq!((error.code.as_str(), error.class), ("NoCredentials", Class::Denied), "{error}");
        assert!(error.hint.unwrap().contains("AWS_PROFILE"));
    }

    /// What a provider fails with: a profile that is not there, a single sign-on that has run out.
    #[derive(Debug)]
    struct Failing(fn() -> CredentialsError);

    impl ProvideCredentials for Failing {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(Err((self.0)()))
        }
    }

    #[tokio::test]
    async fn credentials_that_cannot_be_loaded_say_why_and_nothing_was_sent() {
        let identity = async |error| {
            let provider = SharedCredentialsProvider::new(Failing(error));
            let aws = Aws::builder().endpoint_url("http://127.0.0.1:1").credentials(provider).build();
            let error = aws.identity().await.unwrap_err();
            assert_eq!((error.code.as_str(), error.certainty), ("NoCredentials", Certainty::NotApplied), "{error}");
            assert!(aws.calls().is_empty());
            error
        };
        let expired = identity(|| CredentialsError::provider_error("the SSO session has expired")).await;
        assert!(expired.message.contains("the SSO session has expired"), "{expired}");
        assert_eq!(expired.class, Class::Denied);
        assert!(expired.hint.unwrap().contains("aws sso login"));
        let missing = identity(|| CredentialsError::not_loaded("no profile")).await;
        assert_eq!(missing.class, Class::Denied);
        // Asking again may help: the metadata service of an instance was slow.
        let slow = identity(|| CredentialsError::provider_timed_out(Duration::from_secs(1))).await;
        assert_eq!(slow.class, Class::Transient);
    }

    #[tokio::test]
    async fn credentials_that_do_not_serve_are_said_by_the_first_call() {
        for (code, hint) in [
            ("ExpiredToken", "expired: log in again"),
            ("InvalidClientTokenId", "check AWS_PROFILE, and whether the region is enabled"),
            ("SignatureDoesNotMatch", "the clock of this machine"),
            ("AccessDenied", "allow `sts:GetCallerIdentity`"),
        ] {
            let refused = crate::testing::refused(mock!(aws_sdk_sts::Client::get_caller_identity), code, "no");
            let error = Aws::mocked(&[&refused]).identity().await.unwrap_err();
            assert_eq!((error.code.as_str(), error.class), (code, Class::Denied));
            assert_eq!(error.request_id.as_deref(), Some("r-1"));
            assert!(error.hint.as_ref().is_some_and(|text| text.contains(hint)), "{code}: {:?}", error.hint);
        }
    }

    #[tokio::test]
    async fn an_endpoint_that_refuses_connections_was_not_asked() {
        // A port that was free a moment ago: nobody listens there.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let aws = Aws::builder().credentials(keys()).endpoint_url(format!("http://127.0.0.1:{port}")).build();
        let error = aws.identity().await.unwrap_err();
        assert_eq!((error.code.as_str(), error.class), ("Unreachable", Class::Transient), "{error}");
        assert_eq!(error.certainty, Certainty::NotApplied);
        assert_eq!(aws.calls(), [("sts:GetCallerIdentity".to_owned(), 1)].into());
    }

    #[tokio::test]
    async fn an_endpoint_that_does_not_answer_leaves_the_outcome_open() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let aws =
            Aws::builder().credentials(keys()).endpoint_url(url).attempt_timeout(Duration::from_millis(50)).build();
        let error = aws.identity().await.unwrap_err();
        assert_eq!((error.code.as_str(), error.class), ("Timeout", Class::Transient), "{error}");
        assert_eq!(error.certainty, Certainty::Unknown);
    }

    /// A clock that whoever sleeps moves forward.
    #[derive(Debug, Clone, Default)]
    struct Leap(Arc<Mutex<Duration>>);

    impl AsyncSleep for Leap {
        fn sleep(&self, duration: Duration) -> Sleep {
            let clock = self.clone();
            Sleep::new(async move {
                // The time-out of an attempt sleeps too, and is dropped before it is over.
                if duration < ATTEMPT_TIMEOUT {
                    *clock.0.lock().unwrap() += duration;
                } else {
                    std::future::pending::<()>().await;
                }
            })
        }
    }

    impl TimeSource for Leap {
        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH + *self.0.lock().unwrap()
        }
    }

    #[tokio::test]
    async fn calls_wait_for_their_turn_and_slow_down_when_aws_throttles() {
        let refused = ErrorMetadata::builder().code("Throttling").build();
        let rule = mock!(aws_sdk_sts::Client::get_caller_identity)
            .sequence()
            .output(|| GetCallerIdentityOutput::builder().account("1").arn("a").build())
            .times(3)
            .error(move || GetCallerIdentityError::generic(refused.clone()))
            .output(|| GetCallerIdentityOutput::builder().account("1").arn("a").build())
            .times(2)
            .build();
        let clock = Leap::default();
        let mocks = aws_smithy_mocks::MockResponseInterceptor::new().with_rule(&rule);
        let aws = Aws::builder()
            .credentials(keys())
            .http_client(aws_smithy_mocks::create_mock_http_client())
            .interceptor(SharedInterceptor::new(mocks))
            .sleep(SharedAsyncSleep::new(clock.clone()))
            .time_source(SharedTimeSource::new(clock.clone()))
            .rates(Rates::aws().set("sts", "*", crate::Rate { burst: 3.0, per_s: 2.0 }))
            .build();
        let mut times = Vec::new();
        for _ in 0..6 {
            let refused = aws.identity().await.is_err_and(|error| error.class == Class::Throttled);
            times.push((clock.0.lock().unwrap().as_millis(), refused));
        }
        // Two at once and two a second; then none at once and one a second.
        assert_eq!(times[..4], [(0, false), (0, false), (500, false), (1000, true)]);
        assert!(times[4].0 >= 2000 && times[5].0 >= times[4].0 + 800, "{times:?}");
        assert_eq!(aws.call_times()["sts:GetCallerIdentity"].waiting.as_millis(), times[5].0);
    }

    #[tokio::test]
    async fn a_client_is_made_once_per_region() {
        let aws = Aws::mocked(&[]);
        let region = |client: &aws_sdk_sts::Client| client.config().region().unwrap().to_string();
        assert_eq!(region(&aws.sts("eu-west-1")), "eu-west-1");
        assert_eq!(region(&aws.sts("us-west-2")), "us-west-2");
        assert_eq!(aws.clients.sts.0.lock().unwrap().len(), 2);
    }
}
