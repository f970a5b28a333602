//! The plan as people read it.

use std::collections::BTreeMap;
use std::fmt;

use super::{Plan, Step};
use crate::error::Action;
use crate::observed::DriftKind;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for drift in &self.drift {
            match &drift.kind {
                DriftKind::Gone => writeln!(f, "! {} was deleted by somebody else", drift.address)?,
                DriftKind::Unknown => writeln!(f, "! {} is there, and the state did not know it", drift.address)?,
                DriftKind::Misnamed(old) => writeln!(f, "! {} still carries the name {old}", drift.address)?,
                DriftKind::Broken => writeln!(f, "! {} exists and will never work", drift.address)?,
                DriftKind::Changed(changes) => {
                    writeln!(f, "! {} was changed by somebody else", drift.address)?;
                    for change in changes {
                        writeln!(f, "    {}  {} → {}", change.field, change.shown_old(), change.shown_new())?;
                    }
                }
            }
        }
        let shown: Vec<&Step> =
            self.steps.iter().filter(|step| !(step.replacement && step.action == Action::Delete)).collect();
        let mut regions: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
        shown.iter().for_each(|step| regions.entry(step.address.region()).or_default().push(step));
        for steps in regions.values() {
            let width = steps.iter().map(|step| step.address.as_str().chars().count()).max().unwrap_or_default();
            for step in steps {
                self.line(f, step, width)?;
            }
        }
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let counts = self.counts();
        if self.is_empty() {
            return write!(f, "nothing to do, {} unchanged", self.kept);
        }
        let words = [
            ("create", "to create"),
            ("update", "to update"),
            ("replace", "to replace"),
            ("delete", "to delete"),
            ("adopt", "to move"),
            ("forget", "to forget"),
            ("settle", "to wait for"),
            ("keep", "unchanged"),
        ];
        let parts = words.iter().filter_map(|(kind, word)| counts.get(kind).map(|n| format!("{n} {word}")));
        write!(f, "{}", parts.collect::<Vec<_>>().join(", "))
    }
}

impl Plan {
    fn line(&self, f: &mut fmt::Formatter<'_>, step: &Step, width: usize) -> fmt::Result {
        let sign = match (step.action, step.replacement) {
            (Action::Create, true) => "±",
            (Action::Create, false) => "+",
            (Action::Update, _) => "~",
            (Action::Delete, _) => "-",
            (Action::Adopt, _) => "→",
            (Action::Forget, _) => "×",
            (Action::Settle, _) => "…",
        };
        write!(f, "{sign} {:<width$}  {}", step.address, step.type_name)?;
        match (&step.reason, step.replacement) {
            (Some(reason), true) => write!(f, "  replaced: {reason}")?,
            (Some(reason), false) => write!(f, "  {reason}")?,
            (None, _) => {}
        }
        writeln!(f)?;
        for change in &step.changes {
            writeln!(f, "    {}  {} → {}", change.field, change.shown_old(), change.shown_new())?;
        }
        if let Some(blocked) = &step.blocked {
            writeln!(f, "    cannot be done now: {blocked}")?;
        }
        Ok(())
    }
}
