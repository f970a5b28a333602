//! What can go wrong in a command, and how it is printed: what failed, why, where, what holds now, what to do.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

use dr_core::driver::SessionError;
use dr_core::store::StoreError;
use dr_core::{BuildErrors, CloudError, OutputsError, PlanError, SavedPlanError, StepError};
use serde_json::{Value, json};

use crate::exit;
use crate::out::{Out, Paint};
use crate::text::{hanging, plural};

/// Why a command ended before its time. Nothing was changed, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command line or its environment.
    #[error("{message}")]
    Usage { message: String, hint: Option<String> },
    /// A destructive plan, and nobody to ask.
    #[error("the plan takes {} away, and there is no terminal to ask at", plural(*destructive, "resource"))]
    NotApproved { destructive: usize },
    /// The user said no.
    #[error("not approved: nothing was changed")]
    Declined,
    /// The user pressed Ctrl-C before anything was begun.
    #[error("cancelled before anything was changed")]
    Interrupted,
    /// The user pressed Ctrl-C in a drill, whose fault is lifted.
    #[cfg(feature = "sim")]
    #[error("cancelled: the fault is lifted, no verdict")]
    Lifted,
    /// A plan file.
    #[error("the saved plan {} cannot be used", path.display())]
    SavedPlan { path: PathBuf, source: SavedPlanError },
    /// There is no resource, and the command is about them.
    #[error("nothing is deployed: no resources in {}", dir.display())]
    NothingDeployed { dir: PathBuf },
    /// An address that is not there.
    #[error("`{address}` is not in {place}")]
    Unknown { address: String, place: &'static str },
    /// The program.
    #[error(transparent)]
    Build(#[from] BuildErrors),
    /// State, plan or account.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// State or journal.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The outputs of the program.
    #[error(transparent)]
    Outputs(#[from] OutputsError),
    /// The cloud refused or did not answer.
    #[error("cannot {doing}")]
    Cloud { doing: String, source: CloudError },
    /// Some bulk reads failed, so the answer is not complete.
    #[error("{} could not be read, so this is not the whole answer", plural(*groups, "type of resources"))]
    Unread { groups: usize, source: CloudError },
    /// A file of the user's.
    #[error("cannot {what} {}", path.display())]
    File { what: &'static str, path: PathBuf, source: io::Error },
    /// The saved world of the simulator.
    #[cfg(feature = "sim")]
    #[error("the simulated world in {} cannot be read", path.display())]
    World { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
}

impl From<dr_core::PlanErrors> for Error {
    fn from(errors: dr_core::PlanErrors) -> Self {
        Error::Session(SessionError::Plan(errors))
    }
}

impl Error {
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Error::Usage { message: message.into(), hint: Some(hint.into()) }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Usage { hint, .. } => hint.clone(),
            Error::NotApproved { .. } => Some("this is the plan: give `--yes`".to_owned()),
            Error::NothingDeployed { .. } => Some("`deploy` first".to_owned()),
            Error::Unknown { .. } => Some("`state list` prints the addresses".to_owned()),
            // The others say it themselves.
            Error::SavedPlan { source: SavedPlanError::Form(_), .. } => {
                Some("make it again with `plan --out`".to_owned())
            }
            Error::Cloud { source, .. } | Error::Unread { source, .. } => source.hint.clone(),
            Error::Store(error) | Error::Session(SessionError::Store(error)) => of_store(error),
            Error::Session(SessionError::Account { .. }) => {
                Some("`--cloud aws`, or other credentials? Or another `--state DIR`: one for each account".to_owned())
            }
            Error::Session(SessionError::NoProvider(_)) => {
                Some("add the types: `Program::new(…).registry(|base| base.with::<Own>(&cloud))`".to_owned())
            }
            Error::Session(SessionError::Plan(errors)) => errors.0.iter().find_map(of_plan),
            #[cfg(feature = "sim")]
            Error::World { path, .. } => Some(format!(
                "move {} away: the simulator starts with an empty account, and the next deploy makes everything again",
                path.display()
            )),
            _ => None,
        }
    }
}

fn of_store(error: &StoreError) -> Option<String> {
    match error {
        StoreError::OtherStack { .. } => Some("each stack has its own directory: `--state DIR`".to_owned()),
        error => error.hint(),
    }
}

fn of_plan(error: &PlanError) -> Option<String> {
    Some(match error {
        PlanError::Protected { .. } => "take `.protect()` out of the program and deploy that first".to_owned(),
        PlanError::NotFound { .. } => "create it, or correct what it is looked up by".to_owned(),
        _ => return None,
    })
}

/// One error as it is printed.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) title: String,
    pub(crate) causes: Vec<String>,
    pub(crate) at: Option<String>,
    pub(crate) request: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) hint: Option<String>,
}

impl Block {
    /// An error that ended the command.
    pub(crate) fn of(error: &Error) -> Self {
        let (mut causes, mut source) = (Vec::new(), error.source());
        let mut cloud = None;
        while let Some(cause) = source {
            causes.push(cause.to_string());
            cloud = cloud.or_else(|| cause.downcast_ref::<CloudError>());
            source = cause.source();
        }
        Block {
            title: error.to_string(),
            causes,
            request: cloud.and_then(|cloud| cloud.request_id.clone()),
            code: cloud.map(|cloud| cloud.code.clone()),
            hint: error.hint(),
            ..Block::default()
        }
    }

    /// A step of a plan that failed.
    pub(crate) fn of_step(error: &StepError) -> Self {
        Block {
            title: error.to_string(),
            causes: vec![error.source.to_string()],
            at: error.declared_at.clone(),
            request: error.source.request_id.clone(),
            code: Some(error.source.code.clone()),
            hint: error.source.hint.clone(),
            ..Block::default()
        }
    }

    /// The same with what holds now.
    pub(crate) fn state(mut self, state: impl Into<String>) -> Self {
        self.state = Some(state.into());
        self
    }

    /// Tells people and machines of it.
    pub(crate) fn tell(&self, out: &mut Out<'_>) {
        out.event(&self.event());
        let text = self.text(out.paint_err, out.terminal.err);
        out.err(text);
    }

    /// As text, without the last line's end; on a terminal of so many columns broken between words.
    fn text(&self, paint: Paint, columns: Option<usize>) -> String {
        // What has several lines of its own goes on below; it is no row.
        let mut text = format!("{} {}", paint.red("error:"), hanging(&self.title, 7, 0, columns));
        let mut row = |label: &str, value: &str| {
            let value = hanging(value, 9, 9, columns);
            text.push_str(&format!("\n{} {value}", paint.dim(&format!("{label:>7}:"))));
        };
        for cause in &self.causes {
            row("cause", cause);
        }
        match (&self.at, &self.request) {
            (Some(at), Some(request)) => row("at", &format!("{at}      request: {request}")),
            (Some(at), None) => row("at", at),
            (None, Some(request)) => row("request", request),
            (None, None) => {}
        }
        if let Some(state) = &self.state {
            row("state", state);
        }
        if let Some(hint) = &self.hint {
            row("hint", hint);
        }
        text
    }

    /// As an event.
    pub(crate) fn event(&self) -> Value {
        let mut event = json!({"event": "error", "message": self.title, "causes": self.causes});
        let optional = [
            ("at", &self.at),
            ("request_id", &self.request),
            ("code", &self.code),
            ("state", &self.state),
            ("hint", &self.hint),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                event[key] = value.clone().into();
            }
        }
        event
    }
}

impl Error {
    /// Its exit code.
    pub(crate) fn exit(&self) -> exit::Exit {
        exit::of(self)
    }
}
