//! `aws.route53.health_check`: whether an endpoint works, as sixteen or so probes around the world see it.
//!
//! API: CreateHealthCheck, ListHealthChecks, UpdateHealthCheck, ChangeTagsForResource, ListTagsForResources, DeleteHealthCheck
//! (Route 53 2013-04-01). Find: caller reference and tags. Change: kind, interval and latency measurement replace, the new one
//! first; the rest in place. Delete: after the records and alarms that use it, which Route 53 does not enforce.

use std::collections::BTreeMap;

use aws_sdk_route53::types::{
    AlarmIdentifier, CloudWatchAlarmConfiguration, CloudWatchRegion, HealthCheck as SeenCheck, HealthCheckConfig,
    HealthCheckRegion, HealthCheckType, InsufficientDataHealthStatus, ResettableElementName, TagResourceType,
};
use dr_core::{
    Class, CloudError, Cx, Found, Global, Health, Input, Inputs, IntoInput, Lifecycle, Outputs, Prior, Problems,
    Resource, Scan, Settled, Wanted,
};
use serde::{Deserialize, Serialize};

use super::name::same;
use super::{read_tags, reference, reference_prefix, sync_tags, write_tags};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::HealthCheckId;
use crate::read::{Promised as _, as_wanted, wanted_as};
use crate::tags;

/// The places that probe when none are chosen.
const REGIONS: [&str; 8] = [
    "us-east-1",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "sa-east-1",
];

/// A health check: it decides whether a record is part of the answer.
///
/// Probe what serves, and not the name that the records share: the `execute-api` host of the region's API, on a path that needs
/// no credentials. Probes do not look at certificates, follow no redirects, and want 2xx or 3xx within 4 + 2 seconds. A new check
/// counts as healthy until the first probes came back.
///
/// - Inputs: the kind with its parameters: host, port (443 or 80 by default), path (`/` by default), interval (10 or 30
///   seconds, 30 by default), threshold (1 to 10 probes, 3 by default), the places that probe (all eight by default). Kind,
///   interval and latency measurement replace, the new check first, so that the records are pointed to it before the old one
///   goes; the rest changes in place.
/// - Ready: when it has its tags.
/// - Calls: CreateHealthCheck, ListHealthChecks, UpdateHealthCheck, ChangeTagsForResource, ListTagsForResources,
///   DeleteHealthCheck.
/// - AWS: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-creating-values.html>
#[derive(Debug, Clone, Resource)]
#[resource(
    type = "aws.route53.health_check",
    outputs = HealthCheckOutputs,
    region = Global,
    create_s = 1,
    delete_s = 1,
    check = HealthCheck::check_inputs
)]
pub struct HealthCheck {
    /// What decides.
    #[input(replace)]
    kind: HealthCheckKind,
    /// The host that is probed, also the `Host` header and the TLS server name. Endpoint kinds.
    host: Option<Input<String>>,
    /// The port. Endpoint kinds.
    port: Option<u16>,
    /// The path and query, which begins with `/`. Endpoint kinds but TCP.
    path: Option<String>,
    /// What the first 5,120 bytes of the body have to contain. The kinds that match it.
    search: Option<String>,
    /// Seconds between two probes of one place, 10 or 30. Endpoint kinds.
    #[input(replace)]
    interval_s: Option<u32>,
    /// How many probes in a row change a place's mind, 1 to 10. Endpoint kinds.
    threshold: Option<u32>,
    /// Whether latency graphs are kept. Endpoint kinds.
    #[input(replace)]
    measure_latency: bool,
    /// Whether the TLS handshake names the host. The kinds with TLS.
    sni: bool,
    /// The places that probe, three or more; none: all eight. Endpoint kinds.
    regions: Vec<String>,
    /// The checks that are counted.
    children: Vec<Input<HealthCheckId>>,
    /// How many of the counted checks have to be healthy.
    healthy_children: Option<u32>,
    /// The ARN of the alarm that decides.
    alarm: Option<Input<String>>,
    /// What Route 53 has of that alarm: it copies it with each creation and update of the check, and a change of the alarm alone
    /// does not reach it.
    #[input(nested, accepted)]
    alarm_settings: Option<AlarmSettings>,
    /// What to think while that alarm has too little data.
    insufficient_data: Option<InsufficientData>,
    /// Healthy counts as unhealthy and the other way round.
    inverted: bool,
    /// No probes are sent, and it counts as healthy.
    disabled: bool,
}

/// What decides about a health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthCheckKind {
    /// Probes over HTTPS.
    Https,
    /// Probes over HTTPS that look for a text.
    HttpsStrMatch,
    /// Probes over HTTP.
    Http,
    /// Probes over HTTP that look for a text.
    HttpStrMatch,
    /// Probes that only connect.
    Tcp,
    /// Other health checks, counted.
    Calculated,
    /// The data of a CloudWatch alarm.
    CloudwatchMetric,
    /// A routing control of Application Recovery Controller: only ever read.
    RecoveryControl,
}

/// What a health check copies of an alarm, in the words of CloudWatch.
#[derive(Debug, Clone, Inputs)]
#[non_exhaustive]
pub struct AlarmSettings {
    /// `AWS/ApiGateway`
    pub(crate) namespace: String,
    /// `5xx`
    pub(crate) metric: String,
    /// What the metric is of, by name.
    pub(crate) dimensions: BTreeMap<String, Input<String>>,
    /// `Sum`
    pub(crate) statistic: String,
    /// The length of a period, in seconds.
    pub(crate) period_s: u32,
    /// How many periods are looked at.
    pub(crate) periods: u32,
    /// `GreaterThanThreshold`
    pub(crate) comparison: String,
    /// With what the number is compared.
    pub(crate) threshold: f64,
}

/// What to think while an alarm has too little data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InsufficientData {
    /// Healthy.
    Healthy,
    /// Unhealthy.
    Unhealthy,
    /// What it was last; healthy at first.
    LastKnown,
}

/// What is known of a health check.
#[derive(Debug, Clone, PartialEq, Outputs)]
#[non_exhaustive]
pub struct HealthCheckOutputs {
    /// Its id.
    pub id: HealthCheckId,
    /// Whether it has its ownership tags, which take a call of their own.
    pub tagged: bool,
}

impl HealthCheck {
    /// Probes `https://{host}/` on port 443 every 30 seconds; three probes in a row change a place's mind.
    pub fn https(host: impl IntoInput<String>) -> Self {
        let endpoint = Self::endpoint(HealthCheckKind::Https, host.into_input(), 443);
        HealthCheck { sni: true, path: Some("/".to_owned()), ..endpoint }
    }

    /// Probes `http://{host}/` on port 80 every 30 seconds; three probes in a row change a place's mind.
    pub fn http(host: impl IntoInput<String>) -> Self {
        let endpoint = Self::endpoint(HealthCheckKind::Http, host.into_input(), 80);
        HealthCheck { path: Some("/".to_owned()), ..endpoint }
    }

    /// Connects to a port every 30 seconds; three probes in a row change a place's mind.
    pub fn tcp(host: impl IntoInput<String>, port: u16) -> Self {
        Self::endpoint(HealthCheckKind::Tcp, host.into_input(), port)
    }

    /// Healthy while at least `healthy` of the other checks are.
    pub fn calculated<C: IntoInput<HealthCheckId>>(children: impl IntoIterator<Item = C>, healthy: u32) -> Self {
        HealthCheck {
            children: children.into_iter().map(IntoInput::into_input).collect(),
            healthy_children: Some(healthy),
            ..Self::of(HealthCheckKind::Calculated)
        }
    }

    /// Healthy while the data of an alarm is; put the alarm into the standby's region, so that it survives the primary's.
    ///
    /// Give it the alarm and its ARN: `HealthCheck::on_alarm(&alarm, west.add("slow", alarm.clone()).arn, …)`. Route 53 follows the
    /// metric and not the alarm's state (one metric, standard resolution, no expressions), by a copy of the alarm's settings that it
    /// makes when the check is made or updated: a change of the alarm is a change of the check as well.
    #[cfg(feature = "cloudwatch")]
    #[must_use]
    pub fn on_alarm<Q: dr_core::Region>(
        alarm: &crate::cloudwatch::Alarm<Q>,
        arn: dr_core::Output<crate::ids::AlarmArn<Q>>,
        insufficient_data: InsufficientData,
    ) -> Self {
        HealthCheck {
            alarm: Some(arn.text().into_input()),
            alarm_settings: Some(alarm.settings()),
            insufficient_data: Some(insufficient_data),
            ..Self::of(HealthCheckKind::CloudwatchMetric)
        }
    }

    fn of(kind: HealthCheckKind) -> Self {
        HealthCheck {
            kind,
            host: None,
            port: None,
            path: None,
            search: None,
            interval_s: None,
            threshold: None,
            measure_latency: false,
            sni: false,
            regions: Vec::new(),
            children: Vec::new(),
            healthy_children: None,
            alarm: None,
            alarm_settings: None,
            insufficient_data: None,
            inverted: false,
            disabled: false,
        }
    }

    fn endpoint(kind: HealthCheckKind, host: Input<String>, port: u16) -> Self {
        let (host, port, interval_s, threshold) = (Some(host), Some(port), Some(30), Some(3));
        HealthCheck { host, port, interval_s, threshold, ..Self::of(kind) }
    }

    /// The port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The path and query, `/health`; it needs a route without authorization that goes through to the instances.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Healthy only when the first 5,120 bytes of the body contain this text, at most 255 characters.
    #[must_use]
    pub fn containing(mut self, text: impl Into<String>) -> Self {
        self.kind = match self.kind {
            HealthCheckKind::Https => HealthCheckKind::HttpsStrMatch,
            HealthCheckKind::Http => HealthCheckKind::HttpStrMatch,
            other => other,
        };
        self.search = Some(text.into());
        self
    }

    /// Seconds between two probes of one place: 10, which costs more, or 30.
    #[must_use]
    pub fn interval_s(mut self, seconds: u32) -> Self {
        self.interval_s = Some(seconds);
        self
    }

    /// How many probes in a row change a place's mind, 1 to 10.
    #[must_use]
    pub fn threshold(mut self, probes: u32) -> Self {
        self.threshold = Some(probes);
        self
    }

    /// Keeps latency graphs.
    #[must_use]
    pub fn measure_latency(mut self) -> Self {
        self.measure_latency = true;
        self
    }

    /// The TLS handshake does not name the host; API Gateway, CloudFront and load balancers refuse that.
    #[must_use]
    pub fn without_sni(mut self) -> Self {
        self.sni = false;
        self
    }

    /// The places that probe, three or more of the eight; all of them by default.
    #[must_use]
    pub fn regions<S: Into<String>>(mut self, regions: impl IntoIterator<Item = S>) -> Self {
        self.regions = regions.into_iter().map(Into::into).collect();
        self
    }

    /// Healthy counts as unhealthy and the other way round.
    #[must_use]
    pub fn inverted(mut self) -> Self {
        self.inverted = true;
        self
    }

    /// No probes are sent, and it counts as healthy (inverted: as unhealthy).
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.disabled = true;
        self
    }

    fn check_inputs(&self, problems: &mut Problems) {
        if self.interval_s.is_some_and(|seconds| seconds != 10 && seconds != 30) {
            problems.report("interval_s", "probes come every 10 or every 30 seconds");
        }
        if self.threshold.is_some_and(|probes| !(1..=10).contains(&probes)) {
            problems.report("threshold", "1 to 10 probes in a row change a place's mind");
        }
        if let Some(path) = self.path.as_ref().filter(|path| !path.starts_with('/') || path.len() > 255) {
            problems.report("path", format_args!("`{path}`: a path begins with `/` and has at most 255 characters"));
        }
        if self.port == Some(0) {
            problems.report("port", "a port is 1 to 65,535");
        }
        if let Some(search) = &self.search {
            let matches = matches!(self.kind, HealthCheckKind::HttpsStrMatch | HealthCheckKind::HttpStrMatch);
            if !matches {
                problems.report("search", "only probes over HTTP or HTTPS look at the body");
            }
            if !(1..=255).contains(&search.chars().count()) {
                problems.report("search", "the text has 1 to 255 characters");
            }
        }
        if !self.regions.is_empty() && self.regions.len() < 3 {
            problems.report("regions", "at least three places probe");
        }
        for region in self.regions.iter().filter(|region| !REGIONS.contains(&region.as_str())) {
            problems.report("regions", format_args!("`{region}` does not probe: there are {}", REGIONS.join(", ")));
        }
        if self.kind == HealthCheckKind::Calculated {
            let (children, healthy) = (self.children.len(), self.healthy_children.unwrap_or_default());
            if children == 0 || children > 255 {
                problems.report("children", "1 to 255 checks are counted");
            } else if !(1..=children as u64).contains(&healthy.into()) {
                let problem = "0 is always healthy and more than there are is never";
                problems.report("healthy_children", format_args!("{healthy} of {children}: {problem}"));
            }
        }
    }
}

impl HealthCheckKind {
    const ALL: [HealthCheckKind; 8] = [
        HealthCheckKind::Https,
        HealthCheckKind::HttpsStrMatch,
        HealthCheckKind::Http,
        HealthCheckKind::HttpStrMatch,
        HealthCheckKind::Tcp,
        HealthCheckKind::Calculated,
        HealthCheckKind::CloudwatchMetric,
        HealthCheckKind::RecoveryControl,
    ];

    fn model(self) -> HealthCheckType {
        match self {
            HealthCheckKind::Https => HealthCheckType::Https,
            HealthCheckKind::HttpsStrMatch => HealthCheckType::HttpsStrMatch,
            HealthCheckKind::Http => HealthCheckType::Http,
            HealthCheckKind::HttpStrMatch => HealthCheckType::HttpStrMatch,
            HealthCheckKind::Tcp => HealthCheckType::Tcp,
            HealthCheckKind::Calculated => HealthCheckType::Calculated,
            HealthCheckKind::CloudwatchMetric => HealthCheckType::CloudwatchMetric,
            HealthCheckKind::RecoveryControl => HealthCheckType::RecoveryControl,
        }
    }

    fn is_tls(self) -> bool {
        matches!(self, HealthCheckKind::Https | HealthCheckKind::HttpsStrMatch)
    }

    fn is_endpoint(self) -> bool {
        use HealthCheckKind::{Http, HttpStrMatch, Https, HttpsStrMatch, Tcp};
        matches!(self, Https | HttpsStrMatch | Http | HttpStrMatch | Tcp)
    }
}

impl InsufficientData {
    const ALL: [InsufficientData; 3] =
        [InsufficientData::Healthy, InsufficientData::Unhealthy, InsufficientData::LastKnown];

    fn model(self) -> InsufficientDataHealthStatus {
        match self {
            InsufficientData::Healthy => InsufficientDataHealthStatus::Healthy,
            InsufficientData::Unhealthy => InsufficientDataHealthStatus::Unhealthy,
            InsufficientData::LastKnown => InsufficientDataHealthStatus::LastKnownStatus,
        }
    }
}

const KIND: TagResourceType = TagResourceType::Healthcheck;
const CREATE: &str = "route53:CreateHealthCheck";

/// The alarm behind an ARN, `arn:aws:cloudwatch:{region}:{account}:alarm:{name}`.
fn alarm(arn: &str) -> Result<AlarmIdentifier, CloudError> {
    let parts: Vec<&str> = arn.splitn(7, ':').collect();
    match parts.as_slice() {
        ["arn", _, "cloudwatch", region, _, "alarm", name] => {
            let alarm = AlarmIdentifier::builder().region(CloudWatchRegion::from(*region)).name(*name);
            Ok(alarm.build().expect("region and name are set"))
        }
        _ => Err(CloudError::new(CREATE, "InvalidAlarm", format!("`{arn}` is no ARN of an alarm"), Class::Permanent)),
    }
}

fn alarm_of(args: &HealthCheckArgs) -> Result<Option<AlarmIdentifier>, CloudError> {
    args.alarm.as_deref().map(alarm).transpose()
}

fn number(value: Option<u32>) -> Option<i32> {
    value.map(|value| i32::try_from(value).unwrap_or(i32::MAX))
}

fn regions(args: &HealthCheckArgs) -> Option<Vec<HealthCheckRegion>> {
    let regions: Vec<_> = args.regions.iter().map(|region| HealthCheckRegion::from(region.as_str())).collect();
    Some(regions).filter(|regions| !regions.is_empty())
}

fn children(args: &HealthCheckArgs) -> Option<Vec<String>> {
    let children: Vec<_> = args.children.iter().map(|id| id.as_str().to_owned()).collect();
    Some(children).filter(|children| !children.is_empty())
}

fn config(args: &HealthCheckArgs) -> Result<HealthCheckConfig, CloudError> {
    let config = HealthCheckConfig::builder()
        .r#type(args.kind.model())
        .set_fully_qualified_domain_name(args.host.clone())
        .set_port(args.port.map(Into::into))
        .set_resource_path(args.path.clone())
        .set_search_string(args.search.clone())
        .set_request_interval(number(args.interval_s))
        .set_failure_threshold(number(args.threshold))
        .set_measure_latency(args.kind.is_endpoint().then_some(args.measure_latency))
        .set_enable_sni(args.kind.is_tls().then_some(args.sni))
        .set_regions(regions(args))
        .set_child_health_checks(children(args))
        .set_health_threshold(number(args.healthy_children))
        .set_alarm_identifier(alarm_of(args)?)
        .set_insufficient_data_health_status(args.insufficient_data.map(InsufficientData::model))
        .inverted(args.inverted)
        .disabled(args.disabled);
    Ok(config.build().expect("the type is set"))
}

/// The copy of an alarm.
fn settings(seen: &CloudWatchAlarmConfiguration) -> AlarmSettingsArgs {
    let dimension = |one: &aws_sdk_route53::types::Dimension| (one.name().to_owned(), one.value().to_owned());
    AlarmSettingsArgs {
        namespace: seen.namespace().to_owned(),
        metric: seen.metric_name().to_owned(),
        dimensions: seen.dimensions().iter().map(dimension).collect(),
        statistic: seen.statistic().as_str().to_owned(),
        period_s: u32::try_from(seen.period()).unwrap_or_default(),
        periods: u32::try_from(seen.evaluation_periods()).unwrap_or_default(),
        comparison: seen.comparison_operator().as_str().to_owned(),
        threshold: seen.threshold(),
    }
}

/// The arguments as Route 53 has them, in the wanted spelling where they mean the same; and its copy of the alarm, the wanted one
/// when it does not show any.
fn observed(
    wanted: Option<&HealthCheckArgs>,
    seen: &HealthCheckConfig,
    copy: Option<&CloudWatchAlarmConfiguration>,
) -> HealthCheckArgs {
    let kind = HealthCheckKind::ALL.into_iter().find(|kind| kind.model() == *seen.r#type());
    let kind = kind.unwrap_or(HealthCheckKind::RecoveryControl);
    let positive = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
    let host = seen.fully_qualified_domain_name().map(|host| match wanted.and_then(|args| args.host.as_ref()) {
        Some(wanted) if same(wanted, host) => wanted.clone(),
        _ => host.to_owned(),
    });
    let mut regions: Vec<String> = seen.regions().iter().map(|region| region.as_str().to_owned()).collect();
    // All of them is what AWS writes for none.
    if REGIONS.iter().all(|region| regions.iter().any(|seen| seen == region))
        && wanted.is_none_or(|w| w.regions.is_empty())
    {
        regions.clear();
    }
    let alarm = seen.alarm_identifier().map(|seen| {
        let wanted =
            wanted.and_then(|args| args.alarm.as_ref()).filter(|arn| alarm(arn).is_ok_and(|alarm| alarm == *seen));
        let arn = || format!("arn:aws:cloudwatch:{}::alarm:{}", seen.region().as_str(), seen.name());
        wanted.cloned().unwrap_or_else(arn)
    });
    let unsure = seen.insufficient_data_health_status();
    HealthCheckArgs {
        kind,
        host,
        port: seen.port().and_then(|port| u16::try_from(port).ok()),
        path: seen.resource_path().filter(|path| !path.is_empty()).map(str::to_owned),
        search: seen.search_string().map(str::to_owned),
        interval_s: positive(seen.request_interval()).filter(|_| kind.is_endpoint()),
        threshold: positive(seen.failure_threshold()).filter(|_| kind.is_endpoint()),
        measure_latency: seen.measure_latency() == Some(true),
        sni: kind.is_tls() && seen.enable_sni() == Some(true),
        regions: as_wanted(regions, wanted.map(|args| &args.regions)),
        children: as_wanted(
            seen.child_health_checks().iter().map(HealthCheckId::literal).collect(),
            wanted.map(|args| &args.children),
        ),
        healthy_children: positive(seen.health_threshold()).filter(|_| kind == HealthCheckKind::Calculated),
        alarm,
        alarm_settings: match copy {
            Some(copy) => Some(settings(copy)),
            None => wanted.and_then(|args| args.alarm_settings.clone()),
        },
        insufficient_data: InsufficientData::ALL.into_iter().find(|one| Some(&one.model()) == unsure),
        inverted: seen.inverted() == Some(true),
        disabled: seen.disabled() == Some(true),
    }
}

impl Lifecycle for HealthCheck {
    type Cloud = Aws;

    /// One call for all health checks, and one for the tags of each ten of this stack's.
    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let pages = scan.cloud.route53().list_health_checks().into_paginator().page_size(1000).items().send();
        let checks = pages.collect::<Result<Vec<_>, _>>().await.call("route53:ListHealthChecks")?;
        let prefix = reference_prefix(&scan.stack);
        let known =
            |check: &SeenCheck| wanted.iter().find(|w| w.outputs.as_ref().is_some_and(|o| o.id.as_str() == check.id()));
        let ours = |check: &&SeenCheck| known(check).is_some() || check.caller_reference().starts_with(&prefix);
        let ours: Vec<&SeenCheck> = checks.iter().filter(ours).collect();
        let ask = |check: &&&SeenCheck| scan.cloud.reads_all() || known(check).is_none();
        let ids: Vec<&str> = ours.iter().filter(ask).map(|check| check.id()).collect();
        let all_tags = read_tags(&scan.cloud, &KIND, &ids).await?;
        let mut found: Vec<Found<Self>> = Vec::new();
        for check in ours {
            let (known, config) = (known(check), check.health_check_config());
            let Some(config) = config else { continue };
            let copy = check.cloud_watch_alarm_configuration();
            let owned = all_tags.get(check.id()).and_then(|tags| tags::owned(&scan.stack, tags));
            let by_token =
                || wanted.iter().find(|want| check.caller_reference() == reference(&scan.stack, &want.token));
            // When the state is lost as well, the token is: then it is the check of this stack with these settings.
            let by_settings = || {
                let free = |want: &&Wanted<Self>| found.iter().all(|found| found.address != want.address);
                let is = |want: &&Wanted<Self>| {
                    want.outputs.is_none() && observed(Some(&want.args), config, copy) == want.args
                };
                wanted.iter().filter(is).find(free).filter(|_| owned.is_none())
            };
            // Without tags it is one whose creation was interrupted, known by its caller reference.
            let want = known.or_else(by_token).or_else(by_settings);
            let (address, generation) = match (want, &owned) {
                (Some(want), _) => (want.address.clone(), want.generation),
                (None, Some(owned)) => (owned.address.clone(), owned.generation),
                (None, None) => continue,
            };
            let want = want.or_else(|| owned.as_ref().and_then(|owned| wanted_as(wanted, owned)));
            let tagged = owned.is_some() || known.and_then(|known| known.outputs.as_ref()).is_some_and(|o| o.tagged);
            found.push(Found {
                address,
                generation,
                args: Some(observed(want.map(|want| &want.args), config, copy)),
                outputs: HealthCheckOutputs { id: HealthCheckId::literal(check.id()), tagged },
                health: if tagged { Health::Ready } else { Health::Pending },
                tags: owned.map(|owned| owned.tags),
            });
        }
        Ok(found)
    }

    async fn create(cx: &Cx<Aws>, args: &HealthCheckArgs) -> Result<HealthCheckOutputs, CloudError> {
        let reference = reference(&cx.owner.stack, &cx.owner.token);
        let call =
            cx.cloud.route53().create_health_check().caller_reference(reference).health_check_config(config(args)?);
        let answer = call.send().await.call(CREATE)?;
        let check = answer.health_check.promised(CREATE, "the health check")?;
        Ok(HealthCheckOutputs { id: HealthCheckId::literal(check.id()), tagged: false })
    }

    async fn update(
        cx: &Cx<Aws>,
        prior: &Prior<Self>,
        args: &HealthCheckArgs,
    ) -> Result<HealthCheckOutputs, CloudError> {
        let id = prior.outputs.id.as_str();
        if prior.args != *args {
            // What is absent would stay as it is.
            let mut reset = Vec::new();
            if prior.args.path.is_some() && args.path.is_none() {
                reset.push(ResettableElementName::ResourcePath);
            }
            if !prior.args.regions.is_empty() && args.regions.is_empty() {
                reset.push(ResettableElementName::Regions);
            }
            let call = cx
                .cloud
                .route53()
                .update_health_check()
                .health_check_id(id)
                .set_fully_qualified_domain_name(args.host.clone())
                .set_port(args.port.map(Into::into))
                .set_resource_path(args.path.clone())
                .set_search_string(args.search.clone())
                .set_failure_threshold(number(args.threshold))
                .set_enable_sni(args.kind.is_tls().then_some(args.sni))
                .set_regions(regions(args))
                .set_child_health_checks(children(args))
                .set_health_threshold(number(args.healthy_children))
                .set_alarm_identifier(alarm_of(args)?)
                .set_insufficient_data_health_status(args.insufficient_data.map(InsufficientData::model))
                .inverted(args.inverted)
                .disabled(args.disabled)
                .set_reset_elements(Some(reset).filter(|reset| !reset.is_empty()));
            call.send().await.call("route53:UpdateHealthCheck")?;
        }
        sync_tags(cx, KIND, id).await?;
        Ok(HealthCheckOutputs { tagged: true, ..prior.outputs.clone() })
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let call = cx.cloud.route53().delete_health_check().health_check_id(prior.outputs.id.as_str());
        call.send().await.call("route53:DeleteHealthCheck").gone_ok().map(drop)
    }

    /// The tags take a call of their own. It is here and not in `create`, so that a check without them is seen as unfinished.
    async fn ready(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<Settled<HealthCheckOutputs>, CloudError> {
        if !current.outputs.tagged {
            write_tags(cx, KIND, current.outputs.id.as_str(), &BTreeMap::new()).await?;
        }
        Ok(Settled::Yes(HealthCheckOutputs { tagged: true, ..current.outputs.clone() }))
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        write_tags(cx, KIND, current.outputs.id.as_str(), &BTreeMap::new()).await
    }
}

#[cfg(test)]
mod tests;
