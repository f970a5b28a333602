//! A program with what its command needs beside it: a description, types and clouds of its own.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use dr_core::driver::Cancel;
use dr_core::{
    BuildError, BuildErrors, CloudError, Finding, Graph, Inputs, OutputsError, Registry, Severity, Stack, State, Value,
};
use serde::Serialize;

use crate::cloud::{Cloud, Open};
use crate::out::{Out, Terminal};
use crate::{args, cmd};

/// A program as a command, with options.
///
/// ```no_run
/// # use dr_core::{BuildErrors, Global, Stack};
/// # fn shop() -> Result<Stack, BuildErrors> {
/// #     Stack::build("shop", |stack| { let _global = stack.region(Global); })
/// # }
/// fn main() -> std::process::ExitCode {
///     dr_cli::Program::new(shop).about("The shop, in two regions").run()
/// }
/// ```
pub struct Program {
    build: Box<dyn Fn() -> Result<Box<dyn Built>, BuildErrors>>,
    pub(crate) about: Option<String>,
    pub(crate) types: Vec<Box<dyn Fn(Registry) -> Registry>>,
    /// Clouds of the program's own.
    pub(crate) clouds: Vec<(String, Open)>,
    pub(crate) cancel: Cancel,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clouds: Vec<_> = self.clouds.iter().map(|(name, _)| name).collect();
        f.debug_struct("Program").field("about", &self.about).field("clouds", &clouds).finish_non_exhaustive()
    }
}

/// A stack that was built, whatever its outputs are.
pub(crate) trait Built {
    fn graph(&self) -> &Graph;
    /// The program's outputs as far as the state knows them; null when it promises none.
    fn outputs(&self, state: &State) -> Result<Value, OutputsError>;
    /// What rules find in it, the worst first, accepted findings included.
    fn findings(&self) -> &[Finding] {
        self.graph().findings()
    }

    /// Refuses errors that nobody accepted.
    fn sound(&self) -> Result<(), BuildErrors> {
        let errors = self.findings().iter().filter(|it| it.severity == Severity::Error && it.waived.is_none());
        let errors: Vec<_> = errors.cloned().map(BuildError::Finding).collect();
        match errors.is_empty() {
            true => Ok(()),
            false => Err(BuildErrors { stack: self.graph().name().to_owned(), errors }),
        }
    }
}

/// A stack with what the catalogue finds in it, beside what its own rules have found.
#[cfg(feature = "aws")]
struct Checked {
    built: Box<dyn Built>,
    findings: Vec<Finding>,
}

#[cfg(feature = "aws")]
impl Checked {
    fn of(built: Box<dyn Built>) -> Self {
        let mut findings = built.findings().to_vec();
        // A program may have the catalogue among its own rules.
        let known =
            |finding: &Finding| findings.iter().any(|it| (&it.id, &it.address) == (&finding.id, &finding.address));
        let further: Vec<_> = dr_aws::checks::catalogue(built.graph()).into_iter().filter(|it| !known(it)).collect();
        findings.extend(further);
        findings.sort_by(|a, b| (b.severity, &a.address, &a.id).cmp(&(a.severity, &b.address, &b.id)));
        Checked { built, findings }
    }
}

#[cfg(feature = "aws")]
impl Built for Checked {
    fn graph(&self) -> &Graph {
        self.built.graph()
    }

    fn outputs(&self, state: &State) -> Result<Value, OutputsError> {
        self.built.outputs(state)
    }

    fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

impl<O> Built for Stack<O>
where
    O: Inputs,
    O::Args: Serialize,
{
    fn graph(&self) -> &Graph {
        self
    }

    fn outputs(&self, state: &State) -> Result<Value, OutputsError> {
        let typed = Stack::outputs(self, |address| state.outputs(address))?;
        serde_json::to_value(typed).map_err(OutputsError::Decode)
    }
}

impl Program {
    /// The command of a program. It runs for each command that needs it, so it has to be cheap and the same every time.
    #[must_use]
    pub fn new<O>(program: impl Fn() -> Result<Stack<O>, BuildErrors> + 'static) -> Self
    where
        O: Inputs + 'static,
        O::Args: Serialize,
    {
        let build = move || program().map(|stack| Box::new(stack) as Box<dyn Built>);
        let (types, clouds, cancel) = Default::default();
        Program { build: Box::new(build), about: None, types, clouds, cancel }
    }

    /// What the program is, in one line, for `--help`.
    #[must_use]
    pub fn about(mut self, about: impl Into<String>) -> Self {
        self.about = Some(about.into());
        self
    }

    /// Adds types to those of the cloud: `.registry(move |base| base.with::<Own>(&cloud))`.
    #[must_use]
    pub fn registry(mut self, types: impl Fn(Registry) -> Registry + 'static) -> Self {
        self.types.push(Box::new(types));
        self
    }

    /// Adds a cloud for `--cloud NAME`; the first one that is added is the default. It is opened with the state directory,
    /// which may not exist yet, once the lock is held.
    #[must_use]
    pub fn cloud(
        mut self,
        name: impl Into<String>,
        open: impl Fn(&Path) -> Result<Arc<dyn Cloud>, CloudError> + 'static,
    ) -> Self {
        self.clouds.push((name.into(), Box::new(open)));
        self
    }

    /// Uses this switch, which somebody else may press as well, instead of one of its own.
    #[must_use]
    pub fn cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// Runs the command that the process was started with, and returns its exit code.
    ///
    /// Ctrl-C and SIGTERM cancel: the first waits for the calls in flight, the second does not.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let mut args = std::env::args_os();
        let bin = args.next();
        let bin = bin.as_deref().map(Path::new).and_then(Path::file_stem).and_then(|stem| stem.to_str());
        ExitCode::from(self.on_process(bin.unwrap_or("program"), args.collect()))
    }

    /// The same with these arguments instead of those of the process: for a command inside another one.
    pub fn run_args<A: Into<OsString>>(&self, args: impl IntoIterator<Item = A>) -> u8 {
        self.on_process("program", args.into_iter().map(Into::into).collect())
    }

    /// Runs a command on the outputs and signals of the process.
    fn on_process(&self, bin: &str, args: Vec<OsString>) -> u8 {
        let (mut out, mut err) = (io::BufWriter::new(io::stdout()), io::stderr());
        let mut out = Out::new(&mut out, &mut err, Terminal::of_process());
        cmd::run(self, bin, args, &mut out, true)
    }

    /// Runs one command with outputs of the caller's; see [`run`](crate::run). Signals are left to the caller.
    pub fn run_with<A: Into<OsString>>(
        &self,
        args: impl IntoIterator<Item = A>,
        out: &mut (dyn Write + Send),
        err: &mut (dyn Write + Send),
    ) -> u8 {
        let mut out = Out::new(out, err, Terminal::default());
        let args = args.into_iter().map(Into::into).collect();
        cmd::run(self, "program", args, &mut out, false)
    }

    /// Runs the program, and asks the catalogue about it: the one place where that is done.
    pub(crate) fn build(&self) -> Result<Box<dyn Built>, BuildErrors> {
        let built = (self.build)()?;
        #[cfg(feature = "aws")]
        let built = Box::new(Checked::of(built)) as Box<dyn Built>;
        Ok(built)
    }

    /// The names of the clouds, the default first.
    pub(crate) fn cloud_names(&self) -> Vec<String> {
        let own = self.clouds.iter().map(|(name, _)| name.clone());
        let built_in = [(cfg!(feature = "sim"), "sim"), (cfg!(feature = "aws"), "aws")];
        let built_in = built_in.into_iter().filter(|(on, _)| *on).map(|(_, name)| name.to_owned());
        own.chain(built_in).collect()
    }

    pub(crate) fn words(&self, bin: &str, width: Option<usize>) -> args::Words {
        args::Words { bin: bin.to_owned(), about: self.about.clone(), clouds: self.cloud_names(), width }
    }
}
