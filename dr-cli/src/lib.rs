//! Turns a program written with [`dr_core`] into a command.
//!
//! ```no_run
//! use dr_core::{BuildErrors, Global, Stack};
//!
//! fn shop() -> Result<Stack, BuildErrors> {
//!     Stack::build("shop", |stack| {
//!         let _global = stack.region(Global);
//!     })
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     dr_cli::main(shop)
//! }
//! ```
//!
//! | command | what it does |
//! |---|---|
//! | (none) | tells the whole story on the simulator: deploy, request, fail over, fail back, destroy |
//! | `plan` | shows what a deploy would do, what is slow in it and what is destructive |
//! | `deploy` | makes the cloud what the program says; continues what was left unfinished |
//! | `destroy` | takes everything away and proves that nothing is left |
//! | `status`, `outputs`, `drift` | what exists and whether it works; what the program promises; what somebody else changed |
//! | `graph` | draws the program: DOT, Mermaid, SVG, HTML |
//! | `verify` | requests the endpoints and says which hop fails |
//! | `check` | what is known to go wrong in such a site ([`dr_aws::checks`]), and what the program's own rules find |
//! | `parity` | whether the two regions are the same service, in the program and as deployed |
//! | `rto` | how long a failover takes, predicted from the configuration |
//! | `drill` | loses the primary region on purpose, on the simulator: prediction, measurement, evidence |
//! | `permissions` | the IAM actions that the program needs, as a policy |
//! | `state list`, `show`, `rm`, `mv`, `unlock`, `repair` | looks at what is recorded, and mends it |
//! | `completions` | for a shell |
//!
//! # Exit codes
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | a step, a request or a file failed; what is done is recorded |
//! | 2 | usage: unknown command, a saved plan that no longer fits, a destructive plan that nobody approved, nothing is deployed, the state of another account |
//! | 3 | the program, its plan or a check has errors |
//! | 4 | somebody else holds the lock; says who, where and since when |
//! | 5 | state, journal or saved world are damaged; says what to do |
//! | 6 | pending changes or drift, with `--detailed-exitcode` |
//! | 130 | cancelled or declined; what is done is recorded |
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `sim` | yes | `--cloud sim`, an AWS account in the state directory, `drill` and the story |
//! | `aws` | yes | `--cloud aws` and `rto` |
//!
//! Without both, a program brings its own cloud: [`Program::cloud`].

mod args;
mod asking;
mod cloud;
mod cmd;
mod context;
mod error;
#[cfg(feature = "sim")]
mod evidence;
mod exit;
mod out;
#[cfg(feature = "aws")]
mod pair;
#[cfg(feature = "sim")]
mod passage;
mod picture;
mod program;
mod progress;
mod render;
mod sides;
#[cfg(feature = "sim")]
mod story;
#[cfg(feature = "sim")]
mod telling;
mod text;
mod url;
#[cfg(feature = "sim")]
mod watch;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use dr_core::{BuildErrors, Inputs, Stack};
use serde::Serialize;

pub use cloud::{Answer, Cloud, Detail, LocalFuture};
pub use program::Program;

/// The main function of a program: reads the command line, does what it says, returns the exit code.
///
/// For types and clouds of one's own see [`Program`].
pub fn main<O>(program: impl Fn() -> Result<Stack<O>, BuildErrors> + 'static) -> ExitCode
where
    O: Inputs + 'static,
    O::Args: Serialize,
{
    Program::new(program).run()
}

/// Runs one command of a program with outputs of the caller's: for tests, and for tools that embed the commands.
///
/// `args` are those after the executable's name. Neither output is taken for a terminal, so nothing is coloured or asked.
/// Returns the exit code.
pub fn run<O, A>(
    program: impl Fn() -> Result<Stack<O>, BuildErrors> + 'static,
    args: impl IntoIterator<Item = A>,
    out: &mut (dyn Write + Send),
    err: &mut (dyn Write + Send),
) -> u8
where
    O: Inputs + 'static,
    O::Args: Serialize,
    A: Into<OsString>,
{
    Program::new(program).run_with(args, out, err)
}
