//! Findings: what a rule over a stack or a plan has to say, and the waivers that accept it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::address::Address;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Works, and will hurt.
    Warning,
    /// Does not work: the stack is not built.
    Error,
}

/// What a rule found about one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// The rule, `r53-secondary-no-signal`; what a waiver names.
    pub id: String,
    /// How much it matters.
    pub severity: Severity,
    /// The resource.
    pub address: Address,
    /// What is wrong, a sentence without a full stop.
    pub problem: String,
    /// What to do about it.
    pub fix: Option<String>,
    /// The reason of the waiver that accepts it.
    pub waived: Option<String>,
}

impl Finding {
    /// A finding of the rule `id` about the resource at `address`.
    #[must_use]
    pub fn new(severity: Severity, id: &str, address: &Address, problem: impl Into<String>) -> Self {
        let (id, address, problem) = (id.to_owned(), address.clone(), problem.into());
        Finding { id, severity, address, problem, fix: None, waived: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{severity}[{}] {}: {}", self.id, self.address, self.problem)?;
        if let Some(fix) = &self.fix {
            write!(f, " ({fix})")?;
        }
        match &self.waived {
            Some(reason) => write!(f, " [waived: {reason}]"),
            None => Ok(()),
        }
    }
}
