//! What a run looks like while it goes on: bars on a terminal, plain lines elsewhere, events for machines.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dr_core::engine::{Notice, Time};
use dr_core::plan::{Plan, StepId};
use dr_core::{Action, Address};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::context::rounded;
use crate::error::Block;
use crate::out::{Out, Paint};
use crate::text::{fit, plural, seconds};

/// Lines of running steps on a terminal; the others are counted.
const LINES: usize = 10;
/// Without a terminal, a sign of life after this much silence: some CI systems stop a job that says nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// Between two pictures of the bars.
const FRAME: Duration = Duration::from_millis(60);

/// Shows a run.
pub(crate) struct Progress<'o, 'w> {
    out: &'o mut Out<'w>,
    steps: Vec<Label>,
    running: BTreeMap<StepId, Running>,
    bars: Option<Bars>,
    began: Time,
    critical_s: f64,
    finished: usize,
    failed: usize,
    cancels: u32,
    spoke: Instant,
    drew: Option<Instant>,
}

/// What a step is called.
struct Label {
    action: Action,
    address: Address,
    replacement: bool,
    expected_s: f64,
}

struct Running {
    since: Time,
    /// Why it is tried again, and when.
    retry: Option<(String, Time)>,
    line: Option<ProgressBar>,
}

struct Bars {
    all: MultiProgress,
    whole: ProgressBar,
    line: ProgressStyle,
    columns: usize,
}

impl Bars {
    fn new(columns: usize, steps: usize, paint: Paint) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let whole = all.add(ProgressBar::new(steps as u64));
        let style = |template: &str| ProgressStyle::with_template(template).expect("the template is written here");
        let [template, line] = templates(columns, paint);
        whole.set_style(style(&template).progress_chars("━╸─"));
        Bars { all, whole, line: style(&line), columns }
    }
}

/// What the bar of the whole run looks like, and the line of a step: coloured like everything else.
fn templates(columns: usize, paint: Paint) -> [String; 2] {
    let (bar, spinner) = if paint.0 { (".cyan/blue", ":.cyan") } else { ("", "") };
    let width = if columns < 60 { 12 } else { 30 };
    [format!("{{bar:{width}{bar}}} {{pos}}/{{len}} {{msg}}"), format!("{{spinner{spinner}}} {{msg}}")]
}

impl<'o, 'w> Progress<'o, 'w> {
    pub(crate) fn new(out: &'o mut Out<'w>, plan: &Plan, now: Time) -> Self {
        out.flush();
        let label = |step: &dr_core::Step| Label {
            action: step.action,
            address: step.address.clone(),
            replacement: step.replacement,
            expected_s: step.expected_s,
        };
        let paint = out.paint_err;
        let bars = out.terminal.err.filter(|_| !out.json).map(|columns| Bars::new(columns, plan.steps.len(), paint));
        Progress {
            out,
            steps: plan.steps.iter().map(label).collect(),
            running: BTreeMap::new(),
            bars,
            began: now,
            critical_s: plan.critical_path().0,
            finished: 0,
            failed: 0,
            cancels: 0,
            spoke: Instant::now(),
            drew: None,
        }
    }

    /// Something happened to a step.
    pub(crate) fn notice(&mut self, now: Time, notice: &Notice) {
        let id = match notice {
            Notice::Began(id)
            | Notice::Accepted(id)
            | Notice::Retrying(id, ..)
            | Notice::Done(id)
            | Notice::Failed(id, _)
            | Notice::Skipped(id) => *id,
            _ => return,
        };
        self.event(now, id, notice);
        match notice {
            Notice::Began(_) => {
                self.running.entry(id).or_insert(Running { since: now, retry: None, line: None });
            }
            Notice::Accepted(_) => {
                if let Some(running) = self.running.get_mut(&id) {
                    running.retry = None;
                }
            }
            Notice::Retrying(_, at, error) => {
                if let Some(running) = self.running.get_mut(&id) {
                    running.retry = Some((error.code.clone(), *at));
                }
            }
            Notice::Done(_) => {
                let took = self.end(now, id);
                self.finished += 1;
                let text =
                    format!("{} {}", self.done_words(id), self.out.paint_err.dim(&format!("({})", seconds(took))));
                self.say(&text);
            }
            Notice::Failed(_, error) => {
                self.end(now, id);
                self.failed += 1;
                // The whole block follows at the end; here is only that it happened, where it happened.
                let text = format!("{} {error}: {}", self.out.paint_err.red("✗"), error.source);
                self.say(&text);
            }
            _ => {}
        }
        self.draw(now);
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Time, cancels: u32) {
        if cancels > self.cancels {
            let text = match cancels {
                1 => "stopping: calls in flight are waited for, nothing new is begun (again: stop at once)",
                _ => "stopping at once: what is recorded stays, the next run asks about the rest",
            };
            self.cancels = cancels;
            let text = self.out.paint_err.yellow(text);
            self.say(&text);
        }
        if self.bars.is_none() && self.spoke.elapsed() >= SILENCE {
            let oldest = self.running.iter().min_by_key(|(id, running)| (running.since, **id));
            if let Some((&id, running)) = oldest {
                let text =
                    format!("… {}/{} done, {}", self.finished, self.steps.len(), self.waiting_words(now, id, running));
                self.say(&text);
            }
        }
        self.draw(now);
    }

    /// Takes the bars away.
    pub(crate) fn finish(mut self) {
        for running in self.running.values_mut() {
            if let Some(line) = running.line.take() {
                line.finish_and_clear();
            }
        }
        if let Some(bars) = &self.bars {
            bars.whole.finish_and_clear();
        }
    }

    fn event(&mut self, now: Time, id: StepId, notice: &Notice) {
        if !self.out.json {
            return;
        }
        let label = &self.steps[id as usize];
        let phase = match notice {
            Notice::Began(_) => "began",
            Notice::Accepted(_) => "accepted",
            Notice::Retrying(..) => "retrying",
            Notice::Done(_) => "done",
            Notice::Failed(..) => "failed",
            _ => "skipped",
        };
        let at_s = rounded(now.since(self.began).as_secs_f64());
        let mut event = json!({
            "event": "step",
            "phase": phase,
            "step": id,
            "action": label.action,
            "address": label.address,
            "at_s": at_s,
        });
        match notice {
            Notice::Retrying(_, again, error) => {
                event["error"] = json!(error);
                event["again_at_s"] = rounded(again.since(self.began).as_secs_f64()).into();
            }
            Notice::Failed(_, error) => event["error"] = Block::of_step(error).event(),
            _ => {}
        }
        self.out.event(&event);
    }

    /// Seconds that a step took, which is over.
    fn end(&mut self, now: Time, id: StepId) -> f64 {
        let Some(running) = self.running.remove(&id) else { return 0.0 };
        if let (Some(line), Some(bars)) = (running.line, &self.bars) {
            line.finish_and_clear();
            bars.all.remove(&line);
        }
        now.since(running.since).as_secs_f64()
    }

    /// A line that stays.
    fn say(&mut self, text: &str) {
        self.spoke = Instant::now();
        match &self.bars {
            Some(bars) => {
                // Only fails when the terminal is gone, and then nobody reads it.
                let _ = bars.all.println(text);
            }
            None => self.out.note(text),
        }
    }

    fn done_words(&self, id: StepId) -> String {
        let Label { action, address, replacement, .. } = &self.steps[id as usize];
        let paint = self.out.paint_err;
        // Beside it are the longest words, the sign and the time.
        let room = self.bars.as_ref().map_or(usize::MAX, |bars| bars.columns.saturating_sub(27).max(12));
        let address = fit(address.as_str(), room);
        match (action, replacement) {
            (Action::Create, true) => format!("{} {address} created as a replacement", paint.green("±")),
            (Action::Create, false) => format!("{} {address} created", paint.green("+")),
            (Action::Update, _) => format!("{} {address} updated", paint.yellow("~")),
            (Action::Delete, true) => format!("{} {address} (the old one) deleted", paint.red("-")),
            (Action::Delete, false) => format!("{} {address} deleted", paint.red("-")),
            (Action::Adopt, _) => format!("{} {address} taken over", paint.cyan("→")),
            (Action::Forget, _) => format!("{} {address} forgotten", paint.yellow("×")),
            (Action::Settle, _) => format!("{} {address} works", paint.green("✓")),
        }
    }

    fn waiting_words(&self, now: Time, id: StepId, running: &Running) -> String {
        let Label { action, address, expected_s, .. } = &self.steps[id as usize];
        let elapsed = seconds(now.since(running.since).as_secs_f64().floor());
        let mut text = format!("{action} {address} {elapsed}");
        if *expected_s > 2.0 {
            text.push_str(&format!(" of about {}", seconds(*expected_s)));
        }
        if let Some((code, at)) = &running.retry {
            text.push_str(&format!(", {code}: again in {}", seconds(at.since(now).as_secs_f64().ceil())));
        }
        text
    }

    fn draw(&mut self, now: Time) {
        let Some(bars) = &self.bars else { return };
        // A simulated run has thousands of moments a second, and nobody sees more than some.
        if self.drew.is_some_and(|last| last.elapsed() < FRAME) {
            return;
        }
        self.drew = Some(Instant::now());
        let shown = self.running.values().filter(|running| running.line.is_some()).count();
        let free = LINES.saturating_sub(shown);
        let waiting: Vec<StepId> =
            self.running.iter().filter(|(_, r)| r.line.is_none()).map(|(&id, _)| id).take(free).collect();
        for id in waiting {
            let line = bars.all.insert_before(&bars.whole, ProgressBar::new_spinner().with_style(bars.line.clone()));
            if let Some(running) = self.running.get_mut(&id) {
                running.line = Some(line);
            }
        }
        let hidden = self.running.len() - self.running.values().filter(|running| running.line.is_some()).count();
        for (&id, running) in &self.running {
            if let Some(line) = &running.line {
                // The spinner and the space before the text take two columns.
                line.set_message(fit(&self.waiting_words(now, id, running), bars.columns.saturating_sub(3)));
                line.tick();
            }
        }
        let elapsed = seconds(now.since(self.began).as_secs_f64().floor());
        let mut text = format!("{elapsed} of about {}", seconds(self.critical_s));
        if hidden > 0 {
            text.push_str(&format!(", {} more", plural(hidden, "step")));
        }
        if self.failed > 0 {
            text.push_str(&format!(", {} failed", self.failed));
        }
        bars.whole.set_message(fit(&text, bars.columns.saturating_sub(if bars.columns < 60 { 24 } else { 42 })));
        bars.whole.set_position(self.finished as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_colours_only_where_the_text_has() {
        assert_eq!(templates(80, Paint(true)), ["{bar:30.cyan/blue} {pos}/{len} {msg}", "{spinner:.cyan} {msg}"]);
        assert_eq!(templates(40, Paint(false)), ["{bar:12} {pos}/{len} {msg}", "{spinner} {msg}"]);
    }
}
