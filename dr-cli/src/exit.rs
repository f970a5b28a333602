//! Exit codes: what a script can tell from them. The one place where an outcome becomes a number.
//!
//! | code | meaning | what holds |
//! |---|---|---|
//! | 0 | done | the cloud is as the program says, or the question is answered |
//! | 1 | a step, a request or a file failed | what is done is recorded; the same command continues from there |
//! | 2 | usage: unknown command or option, a saved plan that no longer fits, a destructive plan that nobody approved, nothing is deployed, the state of another account | nothing was changed |
//! | 3 | the program, its plan or a check has errors | nothing was changed |
//! | 4 | somebody else holds the lock | nothing was changed |
//! | 5 | state, journal or saved world are damaged or of a newer version | nothing was changed |
//! | 6 | there are pending changes, or drift (only with `--detailed-exitcode`) | nothing was changed |
//! | 130 | cancelled, or declined at the prompt | what is done is recorded |

use dr_core::driver::SessionError;
use dr_core::store::StoreError;

use crate::error::Error;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything that was asked for is done.
    Done = 0,
    /// A step or a request failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The program is wrong.
    Program = 3,
    /// Somebody else is at work.
    Locked = 4,
    /// What is recorded cannot be read.
    Damaged = 5,
    /// There is something to do.
    Pending = 6,
    /// The user stopped it.
    Cancelled = 130,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

/// The exit code of an error.
pub(crate) fn of(error: &Error) -> Exit {
    match error {
        Error::Usage { .. }
        | Error::NotApproved { .. }
        | Error::SavedPlan { .. }
        | Error::NothingDeployed { .. }
        | Error::Unknown { .. } => Exit::Usage,
        Error::Build(_) => Exit::Program,
        Error::Session(error) => of_session(error),
        Error::Store(error) => of_store(error),
        #[cfg(feature = "sim")]
        Error::World { .. } => Exit::Damaged,
        Error::Declined | Error::Interrupted => Exit::Cancelled,
        #[cfg(feature = "sim")]
        Error::Lifted => Exit::Cancelled,
        Error::Outputs(_) | Error::Cloud { .. } | Error::Unread { .. } | Error::File { .. } => Exit::Failed,
    }
}

fn of_session(error: &SessionError) -> Exit {
    match error {
        SessionError::Store(error) => of_store(error),
        SessionError::Plan(_) | SessionError::NoProvider(_) => Exit::Program,
        SessionError::Account { .. } => Exit::Usage,
        // The enum grows with the core; what is not known here is a failure like any other.
        _ => Exit::Failed,
    }
}

fn of_store(error: &StoreError) -> Exit {
    match error {
        StoreError::Locked { .. } => Exit::Locked,
        StoreError::Damaged { .. } | StoreError::Newer { .. } | StoreError::Journal { .. } => Exit::Damaged,
        StoreError::OtherStack { .. } => Exit::Usage,
        _ => Exit::Failed,
    }
}
