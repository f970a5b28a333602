//! The story that a program tells without arguments: on a fresh simulator it is deployed, requested, loses a region, fails over,
//! fails back and is taken away, with the predicted times beside the measured ones.

use std::time::Duration;

use dr_aws::model::timing::{Band, Prediction, Term};
use dr_core::State;
use dr_core::driver::{Applied, Cancel, Session};
use dr_core::store::{MemoryStore, ReadStore as _};
use dr_sim::{Aws, HealthEvent, Response};
use serde_json::json;

use crate::context::{Context, rounded};
use crate::error::Error;
use crate::exit::Exit;
use crate::pair::Pair;
use crate::text::{fit, plural, seconds};

/// The seed of the simulator: the story is the same every time.
const SEED: u64 = 1;
/// How often users request the page while the region is away.
const OFTEN: Duration = Duration::from_secs(1);
/// How often they do when it has come back: CloudFront keeps a connection to the standby for as long as it is in use, and
/// nothing is wrong with that.
const SELDOM: Duration = Duration::from_secs(10);
/// How long the story goes on after the first good answer: alarms and messages come late.
const LINGER: Duration = Duration::from_secs(240);
/// How long the story waits for a failover before it says that there was none.
const PATIENCE_S: f64 = 900.0;

/// Deploys the program on a fresh simulator, lets the primary region fail and come back, and takes everything away.
pub(crate) async fn tell(cx: &mut Context<'_, '_>) -> Result<Exit, Error> {
    let aws = Aws::new(SEED);
    let store = MemoryStore::new(cx.graph().name(), &format!("{:032x}", SEED));
    let mut session = aws.session(cx.graph());
    session.registry = cx.program.types.iter().fold(session.registry, |registry, types| types(registry));
    let mut story = Story { aws, store, session, chapter: 0 };

    let state = match story.deploy(cx).await? {
        Some(state) => state,
        None => return Ok(Exit::Failed),
    };
    let pair = Pair::find(cx.graph());
    let mut good = story.request_all(cx, &state, pair.as_ref()).await;
    match &pair {
        Some(pair) if pair.url.is_some() => good &= story.fail_over_and_back(cx, pair).await,
        _ => cx.out.line("\nThe program has no failover pair behind a distribution, so no region is failed."),
    }
    good &= story.destroy(cx).await?;
    cx.tell("simulated_s", rounded(story.aws.now_s() - START_S));
    cx.out.line("");
    let verdict = match good {
        true => cx.out.paint.green("The whole story, and nothing is left."),
        false => cx.out.paint.red("Something in the story did not go as it should: see above."),
    };
    cx.out.line(verdict);
    cx.out.line(format!("No AWS account was used: {} real time.", seconds(cx.started.elapsed().as_secs_f64())));
    Ok(if good { Exit::Done } else { Exit::Failed })
}

/// Where the simulator's clock begins.
const START_S: f64 = dr_sim::EPOCH_MS as f64 / 1000.0;

struct Story<'g> {
    aws: Aws,
    store: MemoryStore,
    session: Session<'g>,
    chapter: u32,
}

impl Story<'_> {
    fn chapter(&mut self, cx: &mut Context<'_, '_>, title: &str) {
        self.chapter += 1;
        let title = cx.out.paint.bold(&format!("{}. {title}", self.chapter));
        cx.out.line("");
        cx.out.line(title);
    }

    async fn run(&self, destroy: bool, cancel: &Cancel) -> Result<Applied, Error> {
        let watch = &mut |_: &_, _, _: &_| {};
        let applied = match destroy {
            false => self.aws.drive(self.session.deploy(&self.store, |_| true, cancel, watch)).await,
            true => self.aws.drive(self.session.destroy(&self.store, |_| true, cancel, watch)).await,
        };
        Ok(applied?)
    }

    async fn deploy(&mut self, cx: &mut Context<'_, '_>) -> Result<Option<State>, Error> {
        let name = cx.graph().name().to_owned();
        self.chapter(cx, &format!("`{name}` is deployed, on a simulated AWS account"));
        let began = self.aws.now_s();
        let applied = self.run(false, cx.cancel()).await?;
        let took = self.aws.now_s() - began;
        let plan = applied.plan();
        let (critical_s, path) = plan.critical_path();
        cx.out.event(&json!({
            "event": "deployed", "steps": plan.steps.len(), "simulated_s": rounded(took), "critical_path_s": critical_s,
        }));
        if !report(cx, &applied) {
            return Ok(None);
        }
        let calls: u64 = self.aws.clients().calls().values().sum();
        let steps = plural(plan.steps.len(), "resource");
        cx.out.line(format!("   {steps} in {} of AWS's time, {}", seconds(took), plural(calls as usize, "API call")));
        cx.out.line(format!("   expected {}; what it waits for, one after the other:", seconds(critical_s)));
        for &id in &path {
            let step = &plan.steps[id as usize];
            if step.expected_s >= 10.0 {
                let line = format!("   {:>8}  {}", seconds(step.expected_s), step.address);
                let line = cx.out.paint.dim(&line);
                cx.out.line(line);
            }
        }
        self.confirm(cx);
        Ok(Some(self.store.load().await?.state))
    }

    /// Plays the people who confirm their subscriptions: until they do, AWS sends them nothing.
    fn confirm(&self, cx: &mut Context<'_, '_>) {
        let subscriptions = cx.graph().nodes_of("aws.sns.subscription");
        let people: std::collections::BTreeSet<&str> =
            subscriptions.filter_map(|node| node.inputs["endpoint"].as_str()).collect();
        for endpoint in people {
            self.aws.cloud().with_world(|world| world.confirm_subscriptions(endpoint));
            cx.out.line(format!("   {endpoint} confirms the subscriptions to the alarms"));
        }
    }

    /// The endpoints of the regions, and what viewers see.
    async fn request_all(&mut self, cx: &mut Context<'_, '_>, state: &State, pair: Option<&Pair>) -> bool {
        self.chapter(cx, "It answers in each region, and through CloudFront");
        let apis = cx.graph().nodes_of("aws.apigatewayv2.http_api");
        let endpoint = |address: &str| Some(state.outputs(address)?.get("endpoint")?.as_str()?.to_owned());
        let mut urls: Vec<String> = apis.filter_map(|node| endpoint(node.address.as_str())).collect();
        urls.extend(pair.and_then(|pair| pair.url.clone()));
        let mut good = !urls.is_empty();
        for url in urls {
            let response = self.aws.get(&url).await;
            good &= response.is_ok();
            show(cx, &url, &response);
        }
        good
    }

    async fn fail_over_and_back(&mut self, cx: &mut Context<'_, '_>, pair: &Pair) -> bool {
        let (away, back) = match pair.region_lost() {
            Ok((failover, incident)) => (failover.predict(incident), failover.recover(incident)),
            Err(refusal) => (Err(refusal.clone()), Err(refusal)),
        };
        self.chapter(cx, &format!("{} is lost: nothing in it can be reached", pair.primary));
        self.aws.fail_region(&pair.primary);
        let good = self.watch(cx, pair, &pair.standby, away, OFTEN).await;
        self.chapter(cx, &format!("{} comes back", pair.primary));
        self.aws.heal();
        good & self.watch(cx, pair, &pair.primary, back, SELDOM).await
    }

    /// Requests the page every second until `region` answers, and tells what happened meanwhile.
    async fn watch(
        &mut self,
        cx: &mut Context<'_, '_>,
        pair: &Pair,
        region: &str,
        prediction: Result<Prediction, dr_aws::model::timing::Refusal>,
        every: Duration,
    ) -> bool {
        let url = pair.url.clone().unwrap_or_default();
        let (zero, seen) = (self.aws.now_s(), self.aws.events().len());
        let mut moments: Vec<(f64, String, Option<Band>)> = Vec::new();
        let (mut flipped, mut failing, mut answered) = (None, None, None);
        while answered.is_none() && self.aws.now_s() - zero < PATIENCE_S {
            if flipped.is_none() && self.points_to(pair, region) {
                flipped = Some(self.aws.now_s() - zero);
            }
            let asked = self.aws.now_s() - zero;
            let response = self.aws.get(&url).await;
            if !response.is_ok() && failing.is_none() {
                failing = Some((asked, response.status));
            }
            if response.is_ok() && response.region.as_deref() == Some(region) {
                answered = Some(self.aws.now_s() - zero);
            }
            // DNS is looked at every second, whoever requests what.
            let next = self.aws.now_s() + every.as_secs_f64();
            while self.aws.now_s() < next && answered.is_none() {
                self.aws.advance(OFTEN).await;
                if flipped.is_none() && self.points_to(pair, region) {
                    flipped = Some(self.aws.now_s() - zero);
                }
            }
        }
        self.aws.advance(LINGER).await;
        let bands = prediction.as_ref().ok().map(|prediction| (noticed(prediction), prediction.user()));
        if let Some((at, status)) = failing {
            let status = if status == 0 { "no answer".to_owned() } else { status.to_string() };
            moments.push((at, format!("a user's request fails ({status})"), None));
        }
        for event in self.aws.events().iter().skip(seen) {
            let at = event.at_ms() as f64 / 1000.0 - zero;
            match event {
                HealthEvent::ProbeFailed { status, .. } => {
                    let status = status.split_once(": ").map_or(status.as_str(), |(_, why)| why);
                    let status = fit(status, 28);
                    moments.push((at, format!("a first probe fails: {status}"), None));
                }
                HealthEvent::StatusChanged { healthy, good, of, .. } => {
                    let word = if *healthy { "green" } else { "red" };
                    let band = bands.map(|(noticed, _)| noticed);
                    moments.push((at, format!("the health check is {word}: {good} of {of} checkers good"), band));
                }
                HealthEvent::AlarmChanged { state, region, .. } if state == "ALARM" || state == "OK" => {
                    let what = if state == "ALARM" { "goes off" } else { "is quiet again" };
                    moments.push((at, format!("the alarm in {region} {what}"), None));
                }
                HealthEvent::Notified { protocol, endpoint, .. } => {
                    moments.push((at, format!("{protocol} to {endpoint}"), None));
                }
                _ => {}
            }
        }
        if let Some(at) = flipped {
            moments.push((at, format!("DNS answers with {region}"), bands.map(|(noticed, _)| noticed)));
        }
        if let Some(at) = answered {
            moments.push((at, format!("the first good answer from {region}"), bands.map(|(_, user)| user)));
        }
        moments.sort_by(|a, b| a.0.total_cmp(&b.0));
        let header = cx.out.paint.dim("     after                                                      predicted");
        cx.out.line(header);
        for (at, what, band) in &moments {
            let band =
                band.map(|b| format!("{:.0} … {:.0} … {:.0} s", b.best_s, b.typical_s, b.worst_s)).unwrap_or_default();
            cx.out.event(&json!({"event": "moment", "after_s": rounded(*at), "what": what, "predicted": band}));
            cx.out.line(format!("{at:>8.1} s  {what:<48} {band}").trim_end());
        }
        self.verdict(cx, region, answered, &prediction, every)
    }

    fn points_to(&self, pair: &Pair, region: &str) -> bool {
        self.aws.resolve(&pair.name, region).is_ok_and(|(_, of)| of.as_deref() == Some(region))
    }

    fn verdict(
        &self,
        cx: &mut Context<'_, '_>,
        region: &str,
        answered: Option<f64>,
        prediction: &Result<Prediction, dr_aws::model::timing::Refusal>,
        every: Duration,
    ) -> bool {
        let (line, good) = match (answered, prediction) {
            (Some(at), Ok(prediction)) => {
                let (user, dominant) = (prediction.user(), prediction.dominant());
                // Whoever requests only now and then sees the change up to that much later.
                let inside = at >= user.best_s && at <= user.worst_s + every.as_secs_f64();
                let word = if inside { "inside the predicted" } else { "outside the predicted" };
                let what = format!("measured {}, {word} {:.0} to {:.0} s", seconds(at), user.best_s, user.worst_s);
                (format!("{what}; the longest part: {}", label(&dominant.term)), inside)
            }
            (Some(at), Err(refusal)) => (format!("measured {}; no prediction: {refusal}", seconds(at)), true),
            (None, _) => (format!("{region} did not answer within {}", seconds(PATIENCE_S)), false),
        };
        let line =
            if good { cx.out.paint.green(&format!("   {line}")) } else { cx.out.paint.red(&format!("   {line}")) };
        cx.out.line(line);
        good
    }

    async fn destroy(&mut self, cx: &mut Context<'_, '_>) -> Result<bool, Error> {
        self.chapter(cx, "Everything is taken away");
        let began = self.aws.now_s();
        let applied = self.run(true, cx.cancel()).await?;
        let took = self.aws.now_s() - began;
        let complete = report(cx, &applied);
        let state = self.store.load().await?.state;
        self.aws.clients().begin_refresh();
        let left = self.aws.drive(self.session.residue(&state)).await;
        let left = self.session.unknown(&left, &state).len();
        let steps = applied.plan().steps.len();
        cx.out.event(&json!({"event": "destroyed", "steps": steps, "simulated_s": rounded(took), "residue": left}));
        cx.tell("residue", left);
        cx.out.line(format!("   {} gone in {} of AWS's time", plural(steps, "resource"), seconds(took)));
        let line = format!("   left in both regions and the global services: {left}");
        let line = if left == 0 { cx.out.paint.green(&line) } else { cx.out.paint.red(&line) };
        cx.out.line(line);
        Ok(complete && left == 0)
    }
}

/// Until DNS answers differently for those who have nothing cached.
fn noticed(prediction: &Prediction) -> Band {
    let stages = prediction.stages.iter().filter(|s| matches!(s.term, Term::Detection | Term::Publication));
    stages.fold(Band { best_s: 0.0, typical_s: 0.0, nominal_s: None, worst_s: 0.0 }, |sum, stage| Band {
        best_s: sum.best_s + stage.span.best_s,
        typical_s: sum.typical_s + stage.span.typical_s,
        nominal_s: None,
        worst_s: sum.worst_s + stage.span.worst_s,
    })
}

fn label(term: &Term) -> &str {
    term.label()
}

/// Says which steps failed; whether none did.
fn report(cx: &mut Context<'_, '_>, applied: &Applied) -> bool {
    if let Applied::Ran { report, .. } = applied {
        for failed in &report.failed {
            let line = cx.out.paint.red(&format!("   {failed}: {}", failed.source));
            cx.out.line(line);
        }
    }
    applied.is_complete()
}

fn show(cx: &mut Context<'_, '_>, url: &str, response: &Response) {
    cx.out.event(&json!({
        "event": "answer", "url": url, "status": response.status, "region": response.region, "took_ms": response.took_ms,
    }));
    let status = response.status.to_string();
    let status = if response.is_ok() { cx.out.paint.green(&status) } else { cx.out.paint.red(&status) };
    cx.out.line(format!("   {status}  {}", fit(url, 66)));
    let body = response.body.lines().next().unwrap_or_default();
    let line = match &response.failed {
        Some(failure) => format!("        {failure}"),
        None => format!("        \"{}\" after {} ms", fit(body, 40), response.took_ms),
    };
    let line = cx.out.paint.dim(&line);
    cx.out.line(line);
}
