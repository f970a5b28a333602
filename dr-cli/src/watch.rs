//! A failover as it is watched on the simulator: a user asks again and again, DNS is asked once a second, and what health checkers
//! and alarms notice is noted. The story and the drill are made of it.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use dr_aws::model::timing::{Band, FailureMode, Prediction, Refusal, Stage, Term};
use dr_core::driver::Cancel;
use dr_core::{Graph, State, Value};
use dr_sim::{Aws, DataFault, HealthEvent, Response, Service};
use serde::Serialize;
use serde_json::json;

use crate::args::Fault;
use crate::cloud::LocalFuture;
use crate::context::rounded;
use crate::error::Error;
use crate::pair::Pair;

/// How often DNS is asked.
const SECOND: Duration = Duration::from_secs(1);
/// How long a failover is waited for before it is said that there was none.
pub(crate) const PATIENCE_S: f64 = 900.0;

/// What is watched: a failover pair as it is deployed.
pub(crate) struct Scene<'g> {
    pub(crate) pair: Pair<'g>,
    /// The region that serves while all is well.
    pub(crate) primary: String,
    pub(crate) standby: String,
    /// What users request.
    pub(crate) url: String,
    /// The id of the primary's health check.
    pub(crate) check: Option<String>,
    /// The instances of the primary region.
    instances: Vec<String>,
}

impl<'g> Scene<'g> {
    /// The first failover pair of a program.
    ///
    /// `path` overrules the one that users request; see [`Pair::path`].
    pub(crate) fn find(graph: &'g Graph, state: &State, path: Option<&str>) -> Option<Self> {
        let output = |address: &str, field: &str| Some(state.outputs(address)?.get(field)?.as_str()?.to_owned());
        let pair = Pair::all(graph).into_iter().find(|pair| pair.policy == "failover" && pair.standby.is_some())?;
        let [primary, standby] = pair.regions(graph)?;
        let seen_as = pair.edge.and_then(|edge| {
            let alias = edge.inputs["aliases"][0].as_str().map(str::to_owned);
            alias.or_else(|| output(edge.address.as_str(), "domain_name"))
        });
        let path = path.unwrap_or_else(|| pair.path(graph));
        let url = format!("https://{}{path}", seen_as.as_ref().unwrap_or(&pair.name));
        let check = pair.check.and_then(|check| output(check.address.as_str(), "id"));
        let instances = graph.nodes_of("aws.ec2.instance").filter(|node| *node.region == *primary);
        let instances = instances.filter_map(|node| output(node.address.as_str(), "id")).collect();
        Some(Scene { pair, primary, standby, url, check, instances })
    }

    /// Asks DNS for the name of the pair, near the primary and with nothing cached; the region of the answer.
    pub(crate) fn in_dns(&self, aws: &Aws) -> Option<String> {
        aws.resolve(&self.pair.name, &self.primary).ok().and_then(|(_, region)| region)
    }

    /// How often a user has to pause, in seconds: CloudFront keeps a connection to a region that works for as long as it is used,
    /// so that a user who asks more often never sees the name's answer move.
    pub(crate) fn pause_s(&self) -> f64 {
        self.pair.keepalive_s().map_or(1.0, |keepalive_s| keepalive_s.ceil() + 2.0)
    }
}

impl Fault {
    /// What health checkers and users see of it.
    pub(crate) fn mode(self) -> FailureMode {
        match self {
            Fault::Region => FailureMode::ConnectBlackHole,
            Fault::Service => FailureMode::ErrorStatus,
            // The load balancer waits for its targets longer than a checker waits for it, and with none left it tries them all.
            Fault::Instance => FailureMode::NoStatusLine,
        }
    }

    /// What is done to a region.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Fault::Region => "is lost: nothing in it can be reached",
            Fault::Service => "has no API Gateway: it answers 500",
            Fault::Instance => "has lost all its servers: they are off",
        }
    }

    /// How often a user may ask while it lasts, in seconds; see [`Scene::pause_s`].
    pub(crate) fn pause_s(self, scene: &Scene<'_>) -> f64 {
        // No connection outlives the loss of its region.
        if self == Fault::Region { 1.0 } else { scene.pause_s() }
    }

    /// What the simulator has to break for it; nothing if the program has no such thing.
    pub(crate) fn breaks(self, scene: &Scene<'_>) -> Vec<DataFault> {
        let region = scene.primary.clone();
        match self {
            Fault::Region => vec![DataFault::RegionAway { region }],
            Fault::Service => vec![DataFault::ServiceAway { region, service: Service::ApiGateway }],
            Fault::Instance => {
                scene.instances.iter().map(|id| DataFault::InstanceDown { instance: id.clone() }).collect()
            }
        }
    }
}

/// What is predicted of one way, there or back, in seconds after the region broke or came back.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Forecast {
    /// Until the name servers answer differently.
    pub(crate) dns: Band,
    /// Until users are served by the other region.
    pub(crate) users: Band,
    /// The parts of the way.
    pub(crate) stages: Vec<Stage>,
}

impl Forecast {
    /// There and back.
    ///
    /// # Errors
    /// The model says why nothing will move.
    pub(crate) fn both(pair: &Pair<'_>, fault: Fault) -> Result<[Forecast; 2], Refusal> {
        let (failover, incident) = pair.model(Some(fault.mode()));
        let incident = incident?;
        let mut away = Forecast::of(failover.predict(incident)?);
        if fault == Fault::Service && pair.target_is_evaluated() {
            away.perhaps_at_once();
        }
        Ok([away, Forecast::of(failover.recover(incident)?)])
    }

    /// An alias to API Gateway whose target is evaluated is unhealthy as soon as Route 53 knows that the service of the region is;
    /// AWS does not say how soon, so it may be before any probe has failed. (Back needs the health check in any case: both count.)
    fn perhaps_at_once(&mut self) {
        self.users.best_s -= self.dns.best_s;
        self.dns.best_s = 0.0;
        let noticed = self.stages.iter_mut().filter(|s| matches!(s.term, Term::Detection | Term::Publication));
        noticed.for_each(|stage| stage.span.best_s = 0.0);
    }

    fn of(prediction: Prediction) -> Self {
        let users = prediction.user();
        let known = prediction.stages.iter().filter(|s| matches!(s.term, Term::Detection | Term::Publication));
        let zero = Band { best_s: 0.0, typical_s: 0.0, nominal_s: None, worst_s: 0.0 };
        let dns = known.fold(zero, |sum, stage| Band {
            best_s: sum.best_s + stage.span.best_s,
            typical_s: sum.typical_s + stage.span.typical_s,
            nominal_s: None,
            worst_s: sum.worst_s + stage.span.worst_s,
        });
        Forecast { dns, users, stages: prediction.stages }
    }

    /// As data, to the millisecond.
    pub(crate) fn json(&self) -> Value {
        let span = |best_s: f64, typical_s: f64, worst_s: f64| json!({"best_s": rounded(best_s), "typical_s": rounded(typical_s), "worst_s": rounded(worst_s)});
        let band = |band: &Band| span(band.best_s, band.typical_s, band.worst_s);
        let stage = |Stage { term, span: of }: &Stage| {
            let mut stage = span(of.best_s, of.typical_s, of.worst_s);
            stage["part"] = term.label().into();
            stage
        };
        let stages: Vec<Value> = self.stages.iter().map(stage).collect();
        json!({"dns": band(&self.dns), "users": band(&self.users), "stages": stages})
    }

    /// The part with the longest worst case.
    pub(crate) fn longest(&self) -> Option<&Stage> {
        self.stages.iter().max_by(|a, b| a.span.worst_s.total_cmp(&b.span.worst_s))
    }
}

/// Something that was seen, and when: seconds after the watch began.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Observation {
    pub(crate) at_s: f64,
    #[serde(flatten)]
    pub(crate) sight: Sight,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "saw", rename_all = "snake_case")]
pub(crate) enum Sight {
    /// A user asked, and got this.
    Request { status: u16, region: Option<String>, took_s: f64, failed: Option<String> },
    /// DNS answers with this region; noted when it is another one than a second ago.
    Dns { region: Option<String> },
    /// The first probe of a health check fails.
    Probe { check: String, status: String },
    /// Route 53 has another opinion of what a health check watches.
    Health { check: String, healthy: bool, good: usize, of: usize },
    /// An alarm has another state.
    Alarm { region: String, name: String, state: String },
    /// Somebody was told.
    Message { protocol: String, to: String, subject: String },
}

/// Looks at a pair, second by second.
pub(crate) struct Watch<'a> {
    aws: &'a Aws,
    scene: &'a Scene<'a>,
    cancel: &'a Cancel,
    began_s: f64,
    /// How many events of the simulator are noted already.
    events: usize,
    dns: Option<Option<String>>,
    /// The request that has no answer yet, and when it was made.
    asking: Option<(f64, LocalFuture<'static, Response>)>,
    next_s: f64,
    pause_s: f64,
    pub(crate) seen: Vec<Observation>,
}

/// One way, there or back.
pub(crate) struct Leg {
    /// The region that is to serve.
    pub(crate) region: String,
    pub(crate) from_s: f64,
    /// Whether it served a user in time.
    pub(crate) arrived: bool,
    pause_s: f64,
}

impl<'a> Watch<'a> {
    pub(crate) fn begin(aws: &'a Aws, scene: &'a Scene<'a>, cancel: &'a Cancel) -> Self {
        let (began_s, events) = (aws.now_s(), aws.events().len());
        let (dns, asking, seen) = (None, None, Vec::new());
        Watch { aws, scene, cancel, began_s, events, dns, asking, next_s: 0.0, pause_s: 1.0, seen }
    }

    /// Seconds since the watch began.
    pub(crate) fn now_s(&self) -> f64 {
        self.aws.now_s() - self.began_s
    }

    /// Watches until DNS answers with a region and it has served a user, or until patience is at its end.
    ///
    /// # Errors
    /// [`Error::Interrupted`]: the user has had enough. What is broken stays broken.
    pub(crate) async fn until(&mut self, region: &str, pause_s: f64) -> Result<Leg, Error> {
        let mut leg = Leg { region: region.to_owned(), from_s: self.now_s(), arrived: false, pause_s };
        (self.pause_s, self.next_s) = (pause_s, self.now_s());
        while self.now_s() < leg.from_s + PATIENCE_S && !leg.arrived {
            self.second().await?;
            leg.arrived = self.arrived(&leg);
        }
        Ok(leg)
    }

    /// Goes on watching.
    ///
    /// # Errors
    /// As [`until`](Watch::until).
    pub(crate) async fn during(&mut self, s: f64) -> Result<(), Error> {
        let (until_s, pause_s) = (self.now_s() + s, self.scene.pause_s());
        self.pause_s = pause_s;
        while self.now_s() < until_s {
            self.second().await?;
        }
        Ok(())
    }

    fn arrived(&mut self, leg: &Leg) -> bool {
        let in_dns = self.dns.as_ref().is_some_and(|region| region.as_ref() == Some(&leg.region));
        in_dns && self.seen.iter().any(|seen| leg.served_s(seen).is_some()) && self.is_noticed(leg)
    }

    /// Whether the primary's health check agrees that nobody is to go there. The target of an alias may be known to be unhealthy
    /// long before; and a check that has not turned red yet cannot turn green afterwards.
    fn is_noticed(&mut self, leg: &Leg) -> bool {
        let Some(watched) = self.scene.check.as_ref().filter(|_| leg.region != self.scene.primary) else { return true };
        self.collect();
        let red =
            |seen: &Observation| matches!(&seen.sight, Sight::Health { check, healthy: false, .. } if check == watched);
        self.seen.iter().any(|seen| seen.at_s >= leg.from_s && red(seen))
    }

    async fn second(&mut self) -> Result<(), Error> {
        if self.cancel.count() > 0 {
            return Err(Error::Interrupted);
        }
        let now_s = self.now_s();
        let region = self.scene.in_dns(self.aws);
        if self.dns.as_ref() != Some(&region) {
            self.note(now_s, Sight::Dns { region: region.clone() });
            self.dns = Some(region);
        }
        self.listen().await;
        if self.asking.is_none() && now_s >= self.next_s {
            let (aws, url) = (self.aws.clone(), self.scene.url.clone());
            self.asking = Some((now_s, Box::pin(async move { aws.get(&url).await })));
            self.listen().await;
        }
        self.aws.advance(SECOND).await;
        Ok(())
    }

    /// Looks whether the request is answered. A request lets time pass until it is; while the clock is held it cannot, so DNS is
    /// asked while a request hangs.
    async fn listen(&mut self) {
        let Some((at_s, request)) = &mut self.asking else { return };
        let at_s = *at_s;
        let hold = self.aws.cloud().clock().hold();
        let answer = poll_fn(|context| match request.as_mut().poll(context) {
            Poll::Ready(response) => Poll::Ready(Some(response)),
            Poll::Pending => Poll::Ready(None),
        });
        let answer = answer.await;
        drop(hold);
        if let Some(Response { status, region, took_ms, failed, .. }) = answer {
            self.asking = None;
            let (took_s, failed) = (took_ms as f64 / 1000.0, failed.map(|failed| failed.to_string()));
            // A user pauses after the answer: until then the connection is in use.
            self.next_s = at_s + took_s + self.pause_s;
            self.note(at_s, Sight::Request { status, region, took_s, failed });
        }
    }

    fn note(&mut self, at_s: f64, sight: Sight) {
        self.seen.push(Observation { at_s: rounded(at_s), sight });
    }

    /// Takes over what the checkers and alarms have noticed, and puts everything in the order of time.
    fn collect(&mut self) {
        let events = self.aws.events();
        for event in &events[self.events..] {
            let at_s = event.at_ms() as f64 / 1000.0 - self.began_s;
            let sight = match event.clone() {
                HealthEvent::ProbeFailed { check, status, .. } => Sight::Probe { check, status },
                HealthEvent::StatusChanged { check, healthy, good, of, .. } => {
                    Sight::Health { check, healthy, good, of }
                }
                HealthEvent::AlarmChanged { region, name, state, .. } => Sight::Alarm { region, name, state },
                HealthEvent::Notified { protocol, endpoint: to, subject, .. } => {
                    Sight::Message { protocol, to, subject }
                }
                _ => continue,
            };
            self.note(at_s, sight);
        }
        self.events = events.len();
        self.seen.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    }

    /// What was seen since a way began, in the order of time.
    pub(crate) fn since(&mut self, leg: &Leg) -> &[Observation] {
        self.collect();
        &self.seen[self.seen.partition_point(|seen| seen.at_s < leg.from_s)..]
    }

    /// How many requests were made between two instants, and how many of them a region served.
    pub(crate) fn served_by(&self, region: &str, from_s: f64, to_s: f64) -> (usize, usize) {
        let asked = self.seen.iter().filter(|seen| seen.at_s >= from_s && seen.at_s < to_s);
        let by: Vec<Option<&str>> = asked.filter_map(Observation::answered_by).collect();
        // Whoever has no answer yet was not served.
        let hanging = self.asking.as_ref().is_some_and(|(at_s, _)| (from_s..to_s).contains(at_s));
        (by.len() + usize::from(hanging), by.iter().filter(|by| **by == Some(region)).count())
    }
}

impl Observation {
    /// Of a request: the region that served it, if one did.
    fn answered_by(&self) -> Option<Option<&str>> {
        match &self.sight {
            Sight::Request { status, region, .. } => Some(region.as_deref().filter(|_| is_good(*status))),
            _ => None,
        }
    }
}

impl Leg {
    /// Whether this is a request that the region has served, and then when the answer came: seconds after the way began.
    pub(crate) fn served_s(&self, seen: &Observation) -> Option<f64> {
        match &seen.sight {
            Sight::Request { took_s, .. } if seen.at_s >= self.from_s => {
                let ours = seen.answered_by() == Some(Some(self.region.as_str()));
                ours.then(|| rounded(seen.at_s + took_s - self.from_s))
            }
            _ => None,
        }
    }

    /// How much later than it happens a user may notice it, in seconds.
    pub(crate) fn slack_s(&self) -> f64 {
        self.pause_s + SECOND.as_secs_f64()
    }
}

/// As [`Response::is_ok`], of a status.
pub(crate) fn is_good(status: u16) -> bool {
    (200..400).contains(&status)
}
