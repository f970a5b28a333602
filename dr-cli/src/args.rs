//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::out::Color;

/// What stands before the command or after it.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Where it is deployed
    #[arg(long, global = true, value_name = "CLOUD", help_heading = "Options of every command")]
    pub(crate) cloud: Option<String>,
    /// The directory of state, journal and lock [default: .dr/<stack>]
    #[arg(long, global = true, value_name = "DIR", env = "DR_STATE", value_parser = OsStringValueParser::new().map(PathBuf::from),
        help_heading = "Options of every command")]
    pub(crate) state: Option<PathBuf>,
    /// One JSON object a line instead of text; the last is {"event":"done", …}
    #[arg(long, global = true, help_heading = "Options of every command")]
    pub(crate) json: bool,
    /// When to colour
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help_heading = "Options of every command"
    )]
    pub(crate) color: Color,
    /// Multiplies every wait between calls: below 1 in front of an emulator that is faster than AWS
    #[arg(long, global = true, value_name = "FACTOR", env = "DR_WAIT_SCALE", default_value_t = 1.0, value_parser = factor,
        hide = true, help_heading = "Options of every command")]
    pub(crate) wait_scale: f64,
    // Every command takes these, so that a script can set them once; those that use them show them.
    /// Approve a plan that takes something away
    #[arg(long, short, global = true, hide = true)]
    pub(crate) yes: bool,
    /// Calls in flight at once [default: 64]
    #[arg(long, global = true, hide = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) concurrency: Option<u32>,
    /// What happens to what a failed deploy has created
    #[arg(long, global = true, hide = true, value_enum, default_value_t, value_name = "WHAT")]
    pub(crate) on_failure: OnFailure,
}

/// The commands that use an option that is hidden in the others.
const USED_BY: [(&str, &[&str]); 2] =
    [("deploy", &["yes", "concurrency", "on_failure"]), ("destroy", &["yes", "concurrency"])];

fn factor(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor > 0.0 && factor <= 100.0 => Ok(factor),
        _ => Err("a number above 0 and up to 100".to_owned()),
    }
}

/// The path of a request.
fn path(text: &str) -> Result<String, String> {
    let good = !text.contains(|c: char| c == ' ' || c.is_control());
    good.then(|| format!("/{}", text.trim_start_matches('/'))).ok_or_else(|| "a path has no spaces".to_owned())
}

/// Seconds that are worth a prediction.
#[cfg(feature = "aws")]
fn target(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(s) if s > 0.0 && s.is_finite() => Ok(s),
        _ => Err("a number of seconds above 0".to_owned()),
    }
}

/// What happens after a failed deploy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnFailure {
    /// What is done stays; the next deploy continues from there.
    #[default]
    Keep,
    /// What this run has created is taken away again.
    Teardown,
}

/// Typed infrastructure, deployed and torn down.
///
/// Without a command the program tells its whole story on the simulator.
#[derive(Debug, Parser)]
#[command(disable_help_subcommand = true, subcommand_required = false, max_term_width = 100, version = concat!("(dr ", env!("CARGO_PKG_VERSION"), ")"),
    after_help = "Examples:\n  {bin} plan\n  {bin} deploy --cloud aws\n  {bin} graph --out site.html")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// Show what a deploy would do
    #[command(after_help = "Example:\n  {bin} plan --out tonight.plan")]
    Plan(Plan),
    /// Make the cloud what the program says
    ///
    /// What an earlier deploy left unfinished is continued. A plan that takes something away needs a yes.
    #[command(
        after_help = "Examples:\n  {bin} deploy\n  {bin} deploy tonight.plan --yes\n  {bin} deploy --cloud aws --json"
    )]
    Deploy(Deploy),
    /// Take everything away that the stack owns, and prove that nothing is left
    #[command(after_help = "Example:\n  {bin} destroy --yes")]
    Destroy,
    /// Show every resource with its health, the regions side by side
    #[command(after_help = "Example:\n  {bin} status --cloud aws")]
    Status(Status),
    /// Print what the program promises: addresses, names, ids
    #[command(after_help = "Example:\n  {bin} outputs --json")]
    Outputs,
    /// Show what somebody else has changed
    #[command(after_help = "Example:\n  {bin} drift --detailed-exitcode || alert \"somebody was here\"")]
    Drift(Drift),
    /// Draw the program
    #[command(
        after_help = "Examples:\n  {bin} graph --out site.html\n  {bin} graph --format dot | dot -Tpdf > site.pdf"
    )]
    Graph(Graph),
    /// Request the endpoints and say which hop fails
    #[command(after_help = "Example:\n  {bin} verify --url https://api.example.com/health")]
    Verify(Verify),
    /// Show what the check catalogue and the program's own rules find
    ///
    /// Errors that nobody accepted refuse `plan` and `deploy`. A finding is accepted in the program: `.waive("its id", "the reason")`.
    #[command(after_help = "Example:\n  {bin} check --json")]
    Check,
    /// Compare the two regions with each other: in the program, and as deployed
    ///
    /// Exits with 3 when a difference breaks the failover.
    #[cfg(feature = "aws")]
    #[command(after_help = "Examples:\n  {bin} parity\n  {bin} parity --cloud aws --json")]
    Parity,
    /// Predict how long a failover takes, from the configuration alone
    #[cfg(feature = "aws")]
    #[command(after_help = "Example:\n  {bin} rto --target 200")]
    Rto(Rto),
    /// Lose the primary region on purpose: predict, measure, bring it back
    ///
    /// Works on what is deployed on the simulator. Fails when the failover is not as predicted; nothing stays broken.
    #[cfg(feature = "sim")]
    #[command(after_help = "Examples:\n  {bin} drill\n  {bin} drill --fault service --hold 600 --evidence drill.json")]
    Drill(Drill),
    /// Print the IAM actions that the program needs, as a policy
    #[cfg(feature = "aws")]
    #[command(after_help = "Example:\n  {bin} permissions > policy.json")]
    Permissions,
    /// Look at what is recorded, and mend it
    #[command(subcommand, arg_required_else_help = true, after_help = "Example:\n  {bin} state list")]
    State(State),
    /// Print the completions of a shell
    #[command(after_help = "Example:\n  {bin} completions bash > /etc/bash_completion.d/{bin}")]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Its name, as it is shown to whoever meets the lock.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Command::Plan(_) => "plan",
            Command::Deploy(_) => "deploy",
            Command::Destroy => "destroy",
            Command::Status(_) => "status",
            Command::Outputs => "outputs",
            Command::Drift(_) => "drift",
            Command::Graph(_) => "graph",
            Command::Verify(_) => "verify",
            Command::Check => "check",
            #[cfg(feature = "aws")]
            Command::Parity => "parity",
            #[cfg(feature = "aws")]
            Command::Rto(_) => "rto",
            #[cfg(feature = "sim")]
            Command::Drill(_) => "drill",
            #[cfg(feature = "aws")]
            Command::Permissions => "permissions",
            Command::State(_) => "state",
            Command::Completions { .. } => "completions",
        }
    }
}

/// `plan`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Plan {
    /// Save the plan, for `deploy FILE`
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Exit with 6 when there is something to do
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    /// Trust the state and read nothing
    #[arg(long)]
    pub(crate) no_refresh: bool,
    /// Read every setting, one call more for each of some resources
    #[arg(long, conflicts_with = "no_refresh")]
    pub(crate) full: bool,
}

/// `deploy`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Deploy {
    /// A plan that `plan --out` saved
    #[arg(value_name = "PLANFILE")]
    pub(crate) plan: Option<PathBuf>,
    /// Read every setting, one call more for each of some resources: drift that is not seen otherwise is brought back
    #[arg(long, conflicts_with = "plan")]
    pub(crate) full: bool,
}

/// `status`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Status {
    /// Trust the state and read nothing
    #[arg(long)]
    pub(crate) no_refresh: bool,
}

/// `drift`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Drift {
    /// Exit with 6 when there is drift
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
}

/// `graph`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Graph {
    /// How to draw it [default: what the file's name says, else dot]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// Where to write it [default: the output]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// What a graph is drawn as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For Graphviz.
    Dot,
    /// For Markdown pages.
    Mermaid,
    /// A picture.
    Svg,
    /// A page with the picture and the list of resources.
    Html,
}

/// `verify`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Verify {
    /// Request this instead of what the program and its resources say; may be repeated
    #[arg(long, value_name = "URL")]
    pub(crate) url: Vec<String>,
    /// Which path to request where the URL has none [default: /, or, where the API asks for credentials, the path that its health
    /// check probes]
    #[arg(long, value_name = "PATH", value_parser = path)]
    pub(crate) path: Option<String>,
}

/// `rto`.
#[cfg(feature = "aws")]
#[derive(Debug, Clone, Args)]
pub(crate) struct Rto {
    /// Say which TTL keeps the worst case within this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = target)]
    pub(crate) target: Option<f64>,
}

/// `drill`.
#[cfg(feature = "sim")]
#[derive(Debug, Clone, Args)]
pub(crate) struct Drill {
    /// What fails in the primary region
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub(crate) fault: Fault,
    /// How long the standby serves alone
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=86_400))]
    pub(crate) hold: u32,
    /// Which path to request [default: /, or, where the API asks for credentials, the path that its health check probes]
    #[arg(long, value_name = "PATH", value_parser = path)]
    pub(crate) path: Option<String>,
    /// Write prediction, observations and verdict to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) evidence: Option<PathBuf>,
    /// Who runs it, for the evidence [default: the user]
    #[arg(long, value_name = "NAME", env = "DR_ACTOR")]
    pub(crate) actor: Option<OsString>,
}

/// What fails in a drill.
#[cfg(feature = "sim")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// Nothing in the region can be reached.
    #[default]
    Region,
    /// API Gateway answers 500.
    Service,
    /// All servers are off.
    Instance,
}

/// `state`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum State {
    /// Print the addresses with type and status
    #[command(after_help = "Example:\n  {bin} state list --json")]
    List,
    /// Print what is recorded of one resource
    #[command(after_help = "Example:\n  {bin} state show us-east-1/primary.net.vpc")]
    Show {
        /// The resource
        address: String,
    },
    /// Forget a resource; it stays where it is
    #[command(after_help = "Example:\n  {bin} state rm us-east-1/primary.net.vpc")]
    Rm {
        /// The resource
        address: String,
    },
    /// Give a resource another address, in the state and in its ownership tags
    #[command(after_help = "Example:\n  {bin} state mv us-east-1/web us-east-1/primary.web")]
    Mv {
        /// The address that it has
        old: String,
        /// The address that it gets
        new: String,
    },
    /// Say who holds the lock; one whose process is gone is free already
    #[command(after_help = "Example:\n  {bin} state unlock")]
    Unlock,
    /// Keep what can be read of a damaged state or journal; the damaged files stay beside it
    #[command(after_help = "Example:\n  {bin} state repair")]
    Repair,
}

impl State {
    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            State::List => "list",
            State::Show { .. } => "show",
            State::Rm { .. } => "rm",
            State::Mv { .. } => "mv",
            State::Unlock => "unlock",
            State::Repair => "repair",
        }
    }
}

/// The words around the command line that depend on the program.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    /// The name of the executable.
    pub(crate) bin: String,
    /// What the program is.
    pub(crate) about: Option<String>,
    /// The clouds, the default first.
    pub(crate) clouds: Vec<String>,
    /// Columns, when somebody looks.
    pub(crate) width: Option<usize>,
}

/// The definition of the command line.
pub(crate) fn command(words: &Words) -> clap::Command {
    let mut command = Cli::command().name(words.bin.clone()).bin_name(words.bin.clone());
    if let Some(about) = &words.about {
        command = command
            .about(about.clone())
            .long_about(format!("{about}\n\nWithout a command the program tells its whole story on the simulator."));
    }
    if let Some(width) = words.width {
        command = command.term_width(width.min(100));
    }
    let clouds: Vec<String> = words.clouds.clone();
    if let Some(default) = clouds.first() {
        let help = format!("Where it is deployed: {} [default: {default}]", clouds.join(", "));
        command = command.mut_arg("cloud", |arg| arg.help(help));
    }
    for (name, used) in USED_BY {
        let shown: Vec<_> =
            command.get_arguments().filter(|arg| used.contains(&arg.get_id().as_str())).cloned().collect();
        let shown = shown.into_iter().map(|arg| arg.global(false).hide(false));
        command = command.mut_subcommand(name, |sub| sub.args(shown));
    }
    name_examples(command, &words.bin)
}

/// Puts the executable's name into the examples.
fn name_examples(mut command: clap::Command, bin: &str) -> clap::Command {
    if let Some(text) = command.get_after_help().map(|text| text.to_string().replace("{bin}", bin)) {
        command = command.after_help(text);
    }
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(name, |sub| name_examples(sub, bin));
    }
    command
}

/// The command among arguments that may be wrong otherwise.
pub(crate) fn named(words: &Words, args: &[OsString]) -> Option<String> {
    let command = command(words);
    let known = |arg: &&OsString| command.get_subcommands().any(|sub| *arg == sub.get_name());
    args.iter().find(known).map(|arg| arg.to_string_lossy().into_owned())
}

/// Reads the arguments after the executable's name.
pub(crate) fn parse(words: &Words, args: Vec<OsString>) -> Result<Cli, clap::Error> {
    let args = std::iter::once(OsString::from(&words.bin)).chain(args);
    let matches = command(words).try_get_matches_from(args)?;
    Cli::from_arg_matches(&matches)
}
