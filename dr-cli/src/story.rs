//! The story that a program tells without arguments: on a fresh simulator it is deployed, requested, loses a region, fails over,
//! fails back and is taken away, with the predicted times beside the measured ones.

use std::collections::BTreeSet;

use dr_core::State;
use dr_core::driver::{Applied, Cancel, Session};
use dr_core::store::{MemoryStore, ReadStore as _};
use dr_sim::Aws;
use serde_json::json;

use crate::args::Fault;
use crate::context::{Context, rounded};
use crate::error::Error;
use crate::exit::Exit;
use crate::out::Paint;
use crate::passage::Passage;
use crate::telling::{self, Chapters};
use crate::text::{plural, seconds, type_words};
use crate::watch::{Forecast, Scene, Watch};

/// The seed of the simulator: the story is the same every time.
const SEED: u64 = 1;
/// How long each way is watched after the first good answer, in seconds: alarms and messages come late.
const LINGER_S: f64 = 240.0;

/// Deploys the program on a fresh simulator, lets the primary region fail and come back, and takes everything away.
pub(crate) async fn tell(cx: &mut Context<'_, '_>) -> Result<Exit, Error> {
    let aws = Aws::new(SEED);
    let store = MemoryStore::new(cx.graph().name(), &format!("{:032x}", SEED));
    let mut session = aws.session(cx.graph());
    session.registry = cx.program.types.iter().fold(session.registry, |registry, types| types(registry));
    let mut story = Story { aws, store, session, chapters: Chapters::default() };

    let began_s = story.aws.now_s();
    let Some(state) = story.deploy(cx).await? else { return Ok(Exit::Failed) };
    let scene = Scene::find(cx.graph(), &state, None);
    let mut good = story.request_all(cx, &state, scene.as_ref()).await;
    match &scene {
        Some(scene) => good &= story.fail_over_and_back(cx, scene).await?,
        None => cx.out.line("\nThe program has no failover pair, so no region is failed."),
    }
    good &= story.destroy(cx).await?;
    cx.tell("simulated_s", rounded(story.aws.now_s() - began_s));
    cx.out.line("");
    match good {
        true => cx.out.para("", "The whole story, and nothing is left.", Paint::green),
        false => cx.out.para("", "Something in the story did not go as it should: see above.", Paint::red),
    }
    let real = seconds(cx.started.elapsed().as_secs_f64());
    cx.out.para("", &format!("No AWS account was used, and {real} of your time."), Paint::plain);
    Ok(if good { Exit::Done } else { Exit::Failed })
}

struct Story<'g> {
    aws: Aws,
    store: MemoryStore,
    session: Session<'g>,
    chapters: Chapters,
}

impl Story<'_> {
    async fn run(&self, destroy: bool, cancel: &Cancel) -> Result<Applied, Error> {
        let watch = &mut |_: &_, _, _: &_| {};
        let applied = match destroy {
            false => self.aws.drive(self.session.deploy(&self.store, |_| true, cancel, watch)).await,
            true => self.aws.drive(self.session.destroy(&self.store, |_| true, cancel, watch)).await,
        };
        Ok(applied?)
    }

    async fn deploy(&mut self, cx: &mut Context<'_, '_>) -> Result<Option<State>, Error> {
        let title = format!("`{}` is deployed, on a simulated AWS account", cx.graph().name());
        self.chapters.begin(cx, &title);
        let began_s = self.aws.now_s();
        let applied = self.run(false, cx.cancel()).await?;
        let took_s = self.aws.now_s() - began_s;
        let plan = applied.plan();
        let (critical_s, path) = plan.critical_path();
        cx.out.event(&json!({
            "event": "deployed", "steps": plan.steps.len(), "simulated_s": rounded(took_s), "critical_path_s": critical_s,
        }));
        if !report(cx, &applied) {
            return Ok(None);
        }
        let calls: u64 = self.aws.clients().calls().values().sum();
        let (steps, calls) = (plural(plan.steps.len(), "resource"), plural(calls as usize, "call"));
        let words = format!("{steps} in {} of simulated time, with {calls} to AWS's API", seconds(took_s));
        cx.out.para("   ", &words, Paint::plain);
        let slow = path.iter().map(|&id| &plan.steps[id as usize]).filter(|step| step.expected_s >= 10.0);
        let slow = slow.map(|step| format!("{} {}", type_words(&step.type_name), seconds(step.expected_s)));
        let slow = slow.collect::<Vec<_>>().join(", ");
        let words = format!("expected {}: all at once, but for what has to wait for each other:", seconds(critical_s));
        cx.out.para("   ", &words, Paint::dim);
        cx.out.para("   ", &slow, Paint::dim);
        self.confirm(cx);
        Ok(Some(self.store.load().await?.state))
    }

    /// Plays the people who confirm their subscriptions: until they do, AWS sends them nothing.
    fn confirm(&self, cx: &mut Context<'_, '_>) {
        let subscriptions = cx.graph().nodes_of("aws.sns.subscription");
        let people: BTreeSet<&str> = subscriptions.filter_map(|node| node.inputs["endpoint"].as_str()).collect();
        for endpoint in people {
            self.aws.confirm_subscriptions(endpoint);
            cx.out.para("   ", &format!("{endpoint} agrees to get the alarms"), Paint::plain);
        }
    }

    /// The addresses of the regions, and what users see.
    async fn request_all(&mut self, cx: &mut Context<'_, '_>, state: &State, scene: Option<&Scene<'_>>) -> bool {
        let title = match scene.and_then(|scene| scene.pair.edge) {
            Some(_) => "It answers in each region, and through CloudFront",
            None => "It answers",
        };
        self.chapters.begin(cx, title);
        let addresses = telling::addresses(cx.graph(), state, scene, None);
        !addresses.is_empty() && telling::request(cx, &self.aws, &addresses).await.is_empty()
    }

    /// Without a prediction the region is failed all the same, and the reason is told.
    async fn fail_over_and_back(&mut self, cx: &mut Context<'_, '_>, scene: &Scene<'_>) -> Result<bool, Error> {
        let (fault, aws) = (Fault::Region, self.aws.clone());
        let forecasts = Forecast::both(&scene.pair, fault);
        let [away, back] = match &forecasts {
            Ok([away, back]) => [Some(away), Some(back)],
            Err(_) => [None, None],
        };
        let mut watch = Watch::begin(&aws, scene, cx.cancel());
        self.chapters.begin(cx, &format!("{} {}", scene.primary, fault.words()));
        fault.breaks(scene).into_iter().for_each(|fault| aws.fail(fault));
        let leg = watch.until(&scene.standby, fault.pause_s(scene)).await?;
        watch.during(LINGER_S).await?;
        let there = Passage::of(&mut watch, &leg, scene, fault, away);
        there.show(cx);
        there.verdict(cx, away);

        self.chapters.begin(cx, &format!("{} comes back", scene.primary));
        aws.heal();
        let leg = watch.until(&scene.primary, scene.pause_s()).await?;
        watch.during(LINGER_S).await?;
        let here = Passage::of(&mut watch, &leg, scene, fault, back);
        here.show(cx);
        here.verdict(cx, back);
        if let Err(refusal) = &forecasts {
            cx.out.para("   ", &format!("nothing was predicted: {refusal}"), Paint::yellow);
        }
        Ok(there.deviations.is_empty() && here.deviations.is_empty())
    }

    async fn destroy(&mut self, cx: &mut Context<'_, '_>) -> Result<bool, Error> {
        self.chapters.begin(cx, "Everything is taken away");
        let began_s = self.aws.now_s();
        let applied = self.run(true, cx.cancel()).await?;
        let took_s = self.aws.now_s() - began_s;
        let complete = report(cx, &applied);
        let state = self.store.load().await?.state;
        self.aws.clients().begin_refresh();
        let left = self.aws.drive(self.session.residue(&state)).await;
        let left = self.session.unknown(&left, &state).len();
        let steps = applied.plan().steps.len();
        cx.out.event(&json!({"event": "destroyed", "steps": steps, "simulated_s": rounded(took_s), "residue": left}));
        cx.tell("residue", left);
        let words = format!("{} gone in {} of simulated time", plural(steps, "resource"), seconds(took_s));
        cx.out.para("   ", &words, Paint::plain);
        let style = if left == 0 { Paint::green } else { Paint::red };
        cx.out.para("   ", &format!("left in the regions and the global services: {left}"), style);
        Ok(complete && left == 0)
    }
}

/// Says which steps failed; whether none did.
fn report(cx: &mut Context<'_, '_>, applied: &Applied) -> bool {
    if let Applied::Ran { report, .. } = applied {
        for failed in &report.failed {
            cx.out.para("   ", &format!("{failed}: {}", failed.source), Paint::red);
        }
    }
    applied.is_complete()
}
