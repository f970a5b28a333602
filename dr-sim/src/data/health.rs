//! Route 53 health checkers in virtual time: who probes when, what they conclude, and when DNS hears of it.
//!
//! Sixteen checkers, two in each of the eight regions, probe without coordination; a checker changes its verdict after
//! as many equal probes in a row as the threshold says, and the interval runs from one answer to the next request
//! (Route 53 Developer Guide, "How Amazon Route 53 determines whether a health check is healthy"). AWS publishes
//! neither the number of checkers nor the delay until DNS answers differently: both are assumptions.
//!
//! Simulating every probe would be wasteful: a checker whose verdict agrees with what it sees is moved forward to the
//! instant until which the same is known to be seen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::alarms::{Alarms, Message};
use super::faults::DataFaults;
use super::probe::{self, Outcome};
use super::{Internet, Response, remember};
use crate::control::apigatewayv2;
use crate::control::route53::{self, CheckConfig, Observation};
use crate::world::{Rng, World};

/// Where the checkers are when a check names no regions (API Reference, `HealthCheckConfig`).
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
/// Checkers per region **(assumption)**.
const PER_REGION: usize = 2;
/// From a checker's verdict until DNS answers accordingly **(assumption)**.
const PUBLISH_MS: u64 = 5_000;

/// The health checkers of a world, its alarms and the messages that they have sent. It is data: save it beside the
/// world.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Health {
    seed: u64,
    now_ms: u64,
    publish_ms: u64,
    /// By id of the health check.
    checks: BTreeMap<String, Check>,
    /// Verdicts on their way to DNS, in the order in which they arrive.
    pending: Vec<Verdict>,
    /// The status of every health check as it was noted last.
    statuses: BTreeMap<String, bool>,
    alarms: Alarms,
    events: Vec<HealthEvent>,
}

/// Something that happened during a simulation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum HealthEvent {
    /// The first probe of a checker fails while all checkers had found the endpoint good.
    ProbeFailed {
        /// Virtual milliseconds since the Unix epoch, as in the other events: the end of the probe.
        at_ms: u64,
        /// Id of the health check.
        check: String,
        /// What the checker saw.
        status: String,
    },
    /// DNS answers by another status from now on.
    StatusChanged {
        /// When.
        at_ms: u64,
        /// Id of the health check.
        check: String,
        /// The new status, with inversion.
        healthy: bool,
        /// Checkers that find the endpoint good; 0 for checks that do not probe.
        good: usize,
        /// Checkers that have reported.
        of: usize,
    },
    /// An alarm has another state.
    AlarmChanged {
        /// When.
        at_ms: u64,
        /// Region of the alarm.
        region: String,
        /// Name of the alarm.
        name: String,
        /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
        state: String,
    },
    /// A message has gone to a subscriber.
    Notified {
        /// When.
        at_ms: u64,
        /// ARN of the topic.
        topic: String,
        /// `email`, `https`, …
        protocol: String,
        /// Who got it.
        endpoint: String,
        /// Its first line.
        subject: String,
    },
}

impl HealthEvent {
    /// When it happened, in virtual milliseconds since the Unix epoch.
    #[must_use]
    pub fn at_ms(&self) -> u64 {
        match self {
            HealthEvent::ProbeFailed { at_ms, .. }
            | HealthEvent::StatusChanged { at_ms, .. }
            | HealthEvent::AlarmChanged { at_ms, .. }
            | HealthEvent::Notified { at_ms, .. } => *at_ms,
        }
    }
}

/// The checkers of one health check.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Check {
    /// The regions for which the checkers were made.
    regions: Vec<String>,
    interval_s: u32,
    checkers: Vec<CheckerState>,
}

/// What one checker knows.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct CheckerState {
    region: String,
    address: String,
    /// When the next probe begins.
    next_ms: u64,
    /// From the beginning of one probe to the next, as long as the probes end the same way.
    step_ms: u64,
    /// The verdict.
    good: bool,
    /// Probes in a row that contradict it.
    against: u32,
    /// The verdict that is told last; none before the first probe.
    told: Option<bool>,
    /// The verdict that DNS knows, some seconds later.
    shown: Option<bool>,
    checked_ms: u64,
    status: String,
    /// What its probes get from an API, none when they reach none.
    #[serde(default)]
    api: Option<Probed>,
}

/// The requests that the probes of a checker are for an API.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Probed {
    region: String,
    stage: String,
    /// How each of them is answered.
    status: u16,
    /// The last one that is in the metrics of the API; the others follow it by the step of the checker.
    counted_ms: u64,
}

/// A verdict that DNS will know of.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Verdict {
    at_ms: u64,
    check: String,
    checker: usize,
    good: bool,
}

/// What probes are known to see, by check, and by checker where it makes a difference.
type Seen = BTreeMap<(String, Option<usize>), Outcome>;

impl Health {
    /// Checkers that begin at an instant (virtual milliseconds since the Unix epoch). The seed decides their phases.
    #[must_use]
    pub fn new(seed: u64, now_ms: u64) -> Self {
        Health {
            seed,
            now_ms,
            publish_ms: PUBLISH_MS,
            checks: BTreeMap::new(),
            pending: Vec::new(),
            statuses: BTreeMap::new(),
            alarms: Alarms::default(),
            events: Vec::new(),
        }
    }

    /// The same with another delay between a checker's verdict and the answers of DNS, in milliseconds; AWS publishes
    /// none.
    #[must_use]
    pub fn with_publish_delay_ms(mut self, publish_ms: u64) -> Self {
        self.publish_ms = publish_ms;
        self
    }

    /// Changes the delay between a checker's verdict and the answers of DNS, in milliseconds, for the verdicts from now on.
    pub fn set_publish_delay_ms(&mut self, publish_ms: u64) {
        self.publish_ms = publish_ms;
    }

    /// The instant up to which everything has happened.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// What has happened so far, in order of time.
    #[must_use]
    pub fn events(&self) -> &[HealthEvent] {
        &self.events
    }

    /// The messages that subscribers have got, in order of time.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        self.alarms.messages()
    }

    /// Whether Route 53 takes a health check for healthy, with inversion; one that does not exist is.
    #[must_use]
    pub fn is_healthy(world: &World, check: &str) -> bool {
        route53::is_healthy(world, check)
    }

    /// Gives CloudWatch a value of a custom metric, as PutMetricData does: alarms on it follow, and health checks on
    /// those.
    pub fn put_metric(
        &mut self,
        region: &str,
        namespace: &str,
        name: &str,
        dimensions: &[(&str, &str)],
        value: f64,
        at_ms: u64,
    ) {
        self.alarms.put(region, namespace, name, dimensions, value, at_ms);
    }

    /// Tells CloudWatch of a request of somebody else: the metrics of the APIs that it reached count it.
    pub fn note_traffic(&mut self, response: &Response, now_ms: u64) {
        for hop in &response.path {
            if let (Some(region), Some(status)) = (&hop.region, hop.status) {
                self.alarms.count_request(region, &hop.name, status, now_ms);
            }
        }
    }

    /// Lets time pass: probes, verdicts, alarms, messages. What the checkers conclude is written into the world, where
    /// DNS reads it. Going backwards does nothing.
    pub fn advance(&mut self, world: &mut World, faults: &DataFaults, to_ms: u64) {
        world.elbv2.backends.faults = faults.clone();
        self.meet(world);
        self.alarms.look_again(self.now_ms);
        // The world may have changed since the last time: what was seen then is not known to be true any more.
        let mut seen = Seen::new();
        let called_ms = world.now_ms.clamp(self.now_ms, to_ms.max(self.now_ms));
        self.compare(world, &mut seen, called_ms);
        while let Some((at_ms, due)) = self.next(world).filter(|(at_ms, _)| *at_ms <= to_ms) {
            self.now_ms = self.now_ms.max(at_ms);
            match due {
                Due::Probe(check, checker) => self.probe(world, faults, &mut seen, (&check, checker), to_ms),
                Due::Publish => self.publish(world, &mut seen),
                Due::Alarms => self.evaluate(world, faults, &mut seen),
            }
        }
        self.now_ms = self.now_ms.max(to_ms);
        for id in self.checks.keys().cloned().collect::<Vec<_>>() {
            self.tell(world, &id);
        }
        remember(world, self.now_ms);
    }

    /// Makes checkers for new checks, and forgets those of checks that are gone or have other regions.
    fn meet(&mut self, world: &World) {
        let probed = |config: &CheckConfig| {
            matches!(config.kind.as_str(), "HTTP" | "HTTPS" | "HTTP_STR_MATCH" | "HTTPS_STR_MATCH" | "TCP")
        };
        let wanted = |id: &str, check: &Check| {
            world
                .route53
                .health_checks
                .get(id)
                .is_some_and(|known| probed(&known.config) && regions(&known.config) == check.regions)
        };
        self.checks.retain(|id, check| wanted(id, check));
        self.pending.retain(|verdict| self.checks.contains_key(&verdict.check));
        for (id, check) in &mut self.checks {
            if world.route53.health_checks.get(id).is_some_and(|known| known.config.disabled) {
                // It does not probe.
                check.checkers.iter_mut().for_each(|checker| checker.api = None);
            }
        }
        for (id, known) in world.route53.health_checks.iter().filter(|(_, known)| probed(&known.config)) {
            let interval_s = known.config.request_interval_s.unwrap_or(30);
            if self.checks.contains_key(id) {
                continue;
            }
            let regions = regions(&known.config);
            let mut rng = Rng::named(self.seed, id);
            let begin_ms = self.now_ms.max(known.created_ms);
            let mut checkers = Vec::new();
            for n in 0..regions.len() * PER_REGION {
                let region = &regions[n % regions.len()];
                let place = REGIONS.iter().position(|known| known == region).unwrap_or(REGIONS.len());
                checkers.push(CheckerState {
                    region: region.clone(),
                    // 203.0.113.0/24 is kept for documentation (RFC 5737), so none is anybody's.
                    address: format!("203.0.113.{}", 16 * (n / regions.len()) + place + 1),
                    next_ms: begin_ms + rng.next() % (u64::from(interval_s) * 1000),
                    step_ms: u64::from(interval_s) * 1000,
                    good: true,
                    against: 0,
                    told: None,
                    shown: None,
                    checked_ms: begin_ms,
                    status: String::new(),
                    api: None,
                });
            }
            self.checks.insert(id.clone(), Check { regions, interval_s, checkers });
        }
    }

    /// What happens next. Verdicts go before probes of the same instant, and both before alarms.
    fn next(&self, world: &World) -> Option<(u64, Due)> {
        let mut first: Option<(u64, Due)> = self.pending.first().map(|verdict| (verdict.at_ms, Due::Publish));
        for (id, check) in &self.checks {
            if world.route53.health_checks.get(id).is_none_or(|known| known.config.disabled) {
                continue;
            }
            for (n, checker) in check.checkers.iter().enumerate() {
                // A check that was disabled for a while goes on from now.
                let next_ms = checker.next_ms.max(self.now_ms);
                if first.as_ref().is_none_or(|(at_ms, _)| next_ms < *at_ms) {
                    first = Some((next_ms, Due::Probe(id.clone(), n)));
                }
            }
        }
        if let Some(tick_ms) = self.alarms.next_ms()
            && first.as_ref().is_none_or(|(at_ms, _)| tick_ms < *at_ms)
        {
            first = Some((tick_ms, Due::Alarms));
        }
        first
    }

    fn probe(&mut self, world: &mut World, faults: &DataFaults, seen: &mut Seen, (id, n): (&str, usize), to_ms: u64) {
        let now_ms = self.now_ms;
        let Some(known) = world.route53.health_checks.get(id) else { return };
        let threshold = known.config.failure_threshold.unwrap_or(3);
        let kept_ms = Alarms::requests_kept_ms(world);
        let Some(check) = self.checks.get_mut(id) else { return };
        let interval_ms = u64::from(check.interval_s) * 1000;
        let known_of =
            |whom: Option<usize>| seen.get(&(id.to_owned(), whom)).filter(|outcome| now_ms < outcome.holds_until_ms);
        let outcome = match known_of(None).or_else(|| known_of(Some(n))) {
            Some(outcome) => outcome.clone(),
            None => {
                let checker = probe::Checker { number: n, region: &check.checkers[n].region };
                let outcome = probe::probe(&Internet::new(world, faults), &known.config, checker, now_ms);
                seen.insert((id.to_owned(), outcome.personal.then_some(n)), outcome.clone());
                outcome
            }
        };
        let all_good = check.checkers.iter().all(|checker| checker.good && checker.against == 0);
        let checker = &mut check.checkers[n];
        checker.count_probes(&mut self.alarms, now_ms, kept_ms);
        let before = checker.api.take().map(|probed| (probed.region, probed.stage, probed.status));
        if outcome.api != before {
            self.alarms.look_again(now_ms);
        }
        checker.api = outcome.api.clone().map(|(region, stage, status)| {
            self.alarms.count_request(&region, &stage, status, now_ms);
            Probed { region, stage, status, counted_ms: now_ms }
        });
        let end_ms = now_ms + outcome.takes_ms;
        (checker.checked_ms, checker.status) = (end_ms, outcome.status.clone());
        checker.step_ms = outcome.takes_ms + interval_ms;
        checker.next_ms = now_ms + checker.step_ms;
        if outcome.good == checker.good {
            checker.against = 0;
        } else {
            checker.against += 1;
        }
        if checker.against >= threshold {
            (checker.good, checker.against) = (outcome.good, 0);
        }
        let settled = outcome.good == checker.good;
        let (good, news) = (checker.good, checker.told != Some(checker.good));
        if news {
            checker.told = Some(good);
        }
        if settled {
            // Nothing changes until something else does: on to the first probe that may end differently.
            let limit_ms = outcome.holds_until_ms.min(to_ms + 1);
            if checker.next_ms < limit_ms {
                checker.next_ms += (limit_ms - checker.next_ms).div_ceil(checker.step_ms) * checker.step_ms;
                checker.checked_ms = checker.next_ms - interval_ms;
            }
        }
        let last_ms = checker.checked_ms;
        if all_good && !outcome.good {
            let event =
                HealthEvent::ProbeFailed { at_ms: end_ms, check: id.to_owned(), status: outcome.status.clone() };
            self.note(event);
        }
        if news {
            let verdict =
                Verdict { at_ms: end_ms.saturating_add(self.publish_ms), check: id.to_owned(), checker: n, good };
            let place = self.pending.partition_point(|other| other.at_ms <= verdict.at_ms);
            self.pending.insert(place, verdict);
        }
        if let Some(link) = &outcome.link {
            let before = world.apigatewayv2.links.get(link).map(|link| link.ready_ms);
            apigatewayv2::note_traffic(world, link, last_ms);
            if world.apigatewayv2.links.get(link).map(|link| link.ready_ms) != before {
                // The probe has woken it up.
                self.forget(seen);
            }
        }
    }

    /// Lets DNS know of the verdicts that are due.
    fn publish(&mut self, world: &mut World, seen: &mut Seen) {
        let due = self.pending.partition_point(|verdict| verdict.at_ms <= self.now_ms);
        let verdicts: Vec<Verdict> = self.pending.drain(..due).collect();
        for verdict in verdicts {
            if let Some(checker) =
                self.checks.get_mut(&verdict.check).and_then(|check| check.checkers.get_mut(verdict.checker))
            {
                checker.shown = Some(verdict.good);
            }
            self.tell(world, &verdict.check);
        }
        self.compare(world, seen, self.now_ms);
    }

    /// Notes every check whose status is another one than before, and forgets what was seen through DNS.
    fn compare(&mut self, world: &World, seen: &mut Seen, at_ms: u64) {
        let after = statuses(world);
        if after == self.statuses {
            return;
        }
        let before = std::mem::replace(&mut self.statuses, after.clone());
        for (id, healthy) in after.iter().filter(|(id, healthy)| before.get(*id).is_some_and(|was| was != *healthy)) {
            let observations =
                world.route53.health_checks.get(id).map(|check| check.observations.as_slice()).unwrap_or_default();
            self.note(HealthEvent::StatusChanged {
                at_ms,
                check: id.clone(),
                healthy: *healthy,
                good: observations.iter().filter(|observation| observation.healthy).count(),
                of: observations.len(),
            });
            self.alarms.status_changed(id, *healthy, at_ms);
        }
        self.forget(seen);
    }

    /// Writes what is known of a check into the world: the verdicts that have arrived, with the last probes.
    fn tell(&self, world: &mut World, id: &str) {
        let (Some(check), Some(known)) = (self.checks.get(id), world.route53.health_checks.get_mut(id)) else { return };
        let observation = |checker: &CheckerState| {
            Some(Observation {
                region: checker.region.clone(),
                ip_address: checker.address.clone(),
                healthy: checker.shown?,
                status: checker.status.clone(),
                checked_ms: checker.checked_ms.min(self.now_ms),
            })
        };
        known.observations = check.checkers.iter().filter_map(observation).collect();
    }

    fn evaluate(&mut self, world: &mut World, faults: &DataFaults, seen: &mut Seen) {
        let kept_ms = Alarms::requests_kept_ms(world);
        for checker in self.checks.values_mut().flat_map(|check| &mut check.checkers) {
            checker.count_probes(&mut self.alarms, self.now_ms, kept_ms);
        }
        let events = self.alarms.evaluate(world, faults, self.now_ms);
        events.into_iter().for_each(|event| self.note(event));
        // A health check on an alarm follows it.
        self.compare(world, seen, self.now_ms);
    }

    /// Something outside of the checkers has changed: what was skipped beyond now is not certain any more.
    fn forget(&mut self, seen: &mut Seen) {
        seen.clear();
        for checker in self.checks.values_mut().flat_map(|check| &mut check.checkers) {
            if checker.next_ms > self.now_ms + checker.step_ms {
                checker.next_ms -= (checker.next_ms - self.now_ms - 1) / checker.step_ms * checker.step_ms;
            }
        }
    }

    /// Events are noted when they are decided; a probe that takes long ends after others that began later.
    fn note(&mut self, event: HealthEvent) {
        let place = self.events.partition_point(|other| other.at_ms() <= event.at_ms());
        self.events.insert(place, event);
    }

    /// The health checks for which AWS documents no behaviour, with the reason: those that probe a name whose answer
    /// depends on themselves. What a simulation says about them is not a prediction.
    #[must_use]
    pub fn undefined(world: &World) -> Vec<(String, String)> {
        let probes_itself = |(id, check): (&String, &route53::HealthCheck)| {
            let name = check.config.fully_qualified_domain_name.as_deref()?;
            let guarded = guarded_by(world, &route53::canonical(name).ok()?, id, 0)?;
            Some((id.clone(), format!("it probes {name}, and the record {guarded} is answered by what it says")))
        };
        world.route53.health_checks.iter().filter_map(probes_itself).collect()
    }
}

impl CheckerState {
    /// Counts the probes before `now_ms` that were skipped because they end as the last one, as far back as anybody looks.
    fn count_probes(&mut self, alarms: &mut Alarms, now_ms: u64, kept_ms: u64) {
        let end_ms = now_ms.min(self.next_ms);
        let Some(probed) = &mut self.api else { return };
        let oldest_ms = now_ms.saturating_sub(kept_ms);
        if probed.counted_ms < oldest_ms {
            probed.counted_ms += (oldest_ms - probed.counted_ms) / self.step_ms * self.step_ms;
        }
        while probed.counted_ms + self.step_ms < end_ms {
            probed.counted_ms += self.step_ms;
            alarms.count_request(&probed.region, &probed.stage, probed.status, probed.counted_ms);
        }
    }
}

/// What is due next.
enum Due {
    Probe(String, usize),
    Publish,
    Alarms,
}

fn regions(config: &CheckConfig) -> Vec<String> {
    if config.regions.is_empty() { REGIONS.map(str::to_owned).to_vec() } else { config.regions.clone() }
}

fn statuses(world: &World) -> BTreeMap<String, bool> {
    world.route53.health_checks.keys().map(|id| (id.clone(), route53::is_healthy(world, id))).collect()
}

/// The record that a name leads to and that carries the health check.
fn guarded_by(world: &World, name: &str, check: &str, depth: usize) -> Option<String> {
    if depth > 8 {
        return None;
    }
    let zones = world.route53.zones.values().filter(|zone| !zone.private);
    zones.flat_map(|zone| &zone.records).filter(|record| record.name == name).find_map(|record| {
        if record.health_check.as_deref() == Some(check) {
            return Some(route53::plain(&record.name));
        }
        let next = match &record.alias {
            Some(alias) => Some(alias.dns_name.clone()),
            None if record.record_type == "CNAME" => {
                record.values.first().and_then(|value| route53::canonical(value).ok())
            }
            None => None,
        };
        guarded_by(world, &next?, check, depth + 1)
    })
}
