//! One way of a failover, there or back, as it is told: what happened when, beside what was predicted.

use dr_aws::model::timing::Band;
use serde::Serialize;
use serde_json::json;

use crate::args::Fault;
use crate::context::Context;
use crate::out::Paint;
use crate::pair::until;
use crate::text::{fit, moment};
use crate::watch::{Forecast, Leg, Observation, PATIENCE_S, Scene, Sight, Watch, is_good};

/// Where Route 53 keeps the metrics of health checks, and where the alarms on them have to be.
const HEALTH_METRICS: &str = "us-east-1";

/// What has come of one way: seconds after the region broke or came back.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Passage {
    /// Until DNS answered with the other region.
    pub(crate) dns_s: Option<f64>,
    /// Until a user was served by the other region.
    pub(crate) users_s: Option<f64>,
    /// Requests that users made.
    asked: usize,
    /// How many of them failed.
    failed: usize,
    /// How often the health check changed.
    changes: usize,
    /// Messages of alarms that somebody got.
    pub(crate) messages: usize,
    #[serde(skip)]
    moments: Vec<Moment>,
    /// An alarm was heard of only after its region came back.
    #[serde(skip)]
    late_alarm: bool,
    /// What was not as predicted.
    #[serde(skip)]
    pub(crate) deviations: Vec<String>,
}

/// A line of the story.
#[derive(Debug)]
struct Moment {
    after_s: f64,
    what: String,
    predicted: Option<Band>,
}

impl Passage {
    /// What has come of a way since it began.
    pub(crate) fn of(
        watch: &mut Watch<'_>,
        leg: &Leg,
        scene: &Scene<'_>,
        fault: Fault,
        forecast: Option<&Forecast>,
    ) -> Self {
        let mut passage = Passage::default();
        let seen = watch.since(leg);
        for observation in seen {
            passage.take(observation, leg, scene, forecast);
        }
        // Of a region that is there, with one service or its servers away, alarms are heard at once.
        let back = leg.region == scene.primary && fault == Fault::Region;
        let of_alarm = |seen: &Observation| matches!(&seen.sight, Sight::Alarm { region, state, .. } if region == HEALTH_METRICS && state == "ALARM");
        passage.late_alarm = back && leg.region == HEALTH_METRICS && seen.iter().any(of_alarm);
        passage.moments.sort_by(|a, b| a.after_s.total_cmp(&b.after_s));
        passage.deviations = passage.compare(leg, forecast);
        passage
    }

    fn take(&mut self, seen: &Observation, leg: &Leg, scene: &Scene<'_>, forecast: Option<&Forecast>) {
        let after_s = (seen.at_s - leg.from_s).max(0.0);
        let (dns, users) = (forecast.map(|forecast| forecast.dns), forecast.map(|forecast| forecast.users));
        let watched = |check: &String| scene.check.as_ref().is_none_or(|ours| ours == check);
        let (what, predicted) = match &seen.sight {
            Sight::Request { status, took_s, .. } => {
                self.asked += 1;
                self.failed += usize::from(!is_good(*status));
                if let Some(served_s) = leg.served_s(seen).filter(|_| self.users_s.is_none()) {
                    self.users_s = Some(served_s);
                    self.say(served_s, format!("{} serves users", leg.region), users);
                }
                if is_good(*status) || self.failed > 1 {
                    return;
                }
                let got = if *status == 0 { "no answer".to_owned() } else { status.to_string() };
                (format!("a request fails: {got} after {}", moment(*took_s)), None)
            }
            Sight::Dns { region: Some(region) } if *region == leg.region && self.dns_s.is_none() => {
                self.dns_s = Some(after_s);
                (format!("DNS answers with {region}"), dns)
            }
            Sight::Probe { check, status } if watched(check) => {
                (format!("the first probe fails: {}", brief(status)), None)
            }
            Sight::Health { check, healthy, good, of } => {
                let (ours, color) = (watched(check), if *healthy { "green" } else { "red" });
                self.changes += usize::from(ours);
                let which = if ours { "health check" } else { "another health check" };
                let predicted = dns.filter(|_| ours && *healthy == (leg.region == scene.primary));
                (format!("{which} turns {color}: {good} of {of} probes good"), predicted)
            }
            Sight::Alarm { region, state, .. } if state == "ALARM" => (format!("an alarm in {region} goes off"), None),
            Sight::Alarm { region, state, .. } if state == "OK" => (format!("the alarm in {region} is quiet"), None),
            Sight::Message { protocol, to, .. } => {
                self.messages += 1;
                (format!("{protocol} to {to}"), None)
            }
            _ => return,
        };
        self.say(after_s, what, predicted);
    }

    fn say(&mut self, after_s: f64, what: String, predicted: Option<Band>) {
        self.moments.push(Moment { after_s, what, predicted });
    }

    fn compare(&self, leg: &Leg, forecast: Option<&Forecast>) -> Vec<String> {
        let region = &leg.region;
        let mut deviations = Vec::new();
        if self.users_s.is_none() {
            deviations.push(format!("{region} served nobody within {PATIENCE_S:.0} s"));
        }
        let mut check = |what: String, measured: Option<f64>, band: &Band, slack_s: f64| {
            if let Some(s) = measured.filter(|s| *s < band.best_s || *s > band.worst_s + slack_s) {
                deviations.push(format!("{what} after {s:.1} s, predicted {}", range(band)));
            }
        };
        if let Some(forecast) = forecast {
            check(format!("DNS answered with {region}"), self.dns_s, &forecast.dns, 1.0);
            check(format!("{region} served users"), self.users_s, &forecast.users, leg.slack_s());
        }
        if self.changes > 1 {
            deviations.push(format!("the health check changed {} times instead of once", self.changes));
        }
        deviations
    }

    /// Prints what happened, each time beside what was predicted.
    pub(crate) fn show(&self, cx: &mut Context<'_, '_>) {
        let wide = cx.out.terminal.out.is_none_or(|columns| columns >= WIDE);
        if wide {
            let head = format!("{:>10}  {:>44}{:>7}{:>9}{:>7}", "after", "predicted:", "best", "typical", "worst");
            let head = cx.out.paint.dim(&head);
            cx.out.line(head);
        }
        for Moment { after_s, what, predicted } in &self.moments {
            let bounds = predicted.map(|b| json!({"best_s": b.best_s, "typical_s": b.typical_s, "worst_s": b.worst_s}));
            cx.out.event(&json!({"event": "moment", "after_s": after_s, "what": what, "predicted": bounds}));
            match predicted {
                _ if !wide => {
                    cx.out.para(&format!("{after_s:>8.1} s  "), what, Paint::plain);
                    if let Some(band) = predicted {
                        cx.out.para(&" ".repeat(12), &format!("predicted {}", range(band)), Paint::dim);
                    }
                }
                Some(Band { best_s, typical_s, worst_s, .. }) => {
                    let what = fit(what, 46);
                    cx.out.line(format!("{after_s:>8.1} s  {what:<46}{best_s:>5.0}{typical_s:>9.0}{worst_s:>7.0}"));
                }
                None => cx.out.line(format!("{after_s:>8.1} s  {}", fit(what, 67))),
            }
        }
        if self.late_alarm {
            let why = format!("alarms on health checks live in {HEALTH_METRICS}: while it is away nobody hears them");
            cx.out.para("   ", &why, Paint::dim);
        }
    }

    /// `measured 62 s, predicted 32 to 128 s`, and what of it may take longest.
    pub(crate) fn verdict(&self, cx: &mut Context<'_, '_>, forecast: Option<&Forecast>) {
        if let Some(s) = self.users_s {
            let predicted = forecast.map_or_else(String::new, |f| format!(", predicted {}", range(&f.users)));
            let style = if self.deviations.is_empty() { Paint::green } else { Paint::red };
            cx.out.para("   ", &format!("measured {s:.0} s{predicted}"), style);
        }
        if let Some(longest) = forecast.and_then(Forecast::longest) {
            let words = format!("longest part, up to {:.0} s: until {}", longest.span.worst_s, until(&longest.term));
            cx.out.para("   ", &words, Paint::dim);
        }
        for deviation in &self.deviations {
            cx.out.para("   ", deviation, Paint::red);
        }
    }
}

/// From this many columns on, times and predictions stand in one line.
const WIDE: usize = 80;

/// `32 to 57 s`.
pub(crate) fn range(band: &Band) -> String {
    format!("{:.0} to {:.0} s", band.best_s, band.worst_s)
}

/// What a health checker saw, in a few words.
fn brief(status: &str) -> String {
    let status = status.strip_prefix("Failure: ").unwrap_or(status);
    // In parentheses stands which hop it was, and that is the region that was broken.
    let status = status.split_once(" (").map_or(status, |(what, _)| what);
    let known = [
        ("The connection timed out", "no connection"),
        ("The connection was refused", "connection refused"),
        ("The endpoint did not answer within 2 seconds", "no answer in 2 s"),
    ];
    let known = known.iter().find(|(long, _)| *long == status).map(|(_, short)| (*short).to_owned());
    known.unwrap_or_else(|| match status.strip_prefix("HTTP Status Code ") {
        Some(code) => format!("status {code}"),
        None => status.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_checker_saw_is_said_briefly() {
        let cases = [
            ("Failure: The connection timed out (endpoint x of us-east-1: it cannot be reached)", "no connection"),
            ("Failure: HTTP Status Code 500 (API Gateway x: away)", "status 500"),
            ("Failure: DNS resolution failed: no such name", "DNS resolution failed: no such name"),
        ];
        for (long, short) in cases {
            assert_eq!(brief(long), short);
        }
    }
}
