//! One file for each command, and what surrounds them all: parsing, the runtime, signals, the last event.

mod apply;
mod check;
mod deploy;
mod drift;
#[cfg(feature = "sim")]
mod drill;
mod graph;
mod outputs;
#[cfg(feature = "aws")]
mod parity;
#[cfg(feature = "aws")]
mod permissions;
mod plan;
#[cfg(feature = "aws")]
pub(crate) mod rto;
mod state;
mod status;
mod teardown;
mod verify;

use std::ffi::OsString;
use std::time::Instant;

use clap::error::ErrorKind;
use dr_core::driver::Cancel;
use serde_json::{Value, json};

use crate::args::{self, Cli, Command};
use crate::context::{Context, rounded};
use crate::error::{Block, Error};
use crate::exit::Exit;
use crate::out::{Color, Out};
use crate::program::Program;

/// Runs a command line and returns the exit code.
pub(crate) fn run(program: &Program, bin: &str, args: Vec<OsString>, out: &mut Out<'_>, signals: bool) -> u8 {
    let started = Instant::now();
    // Before anything is parsed, so that a wrong command line is answered in the form that was asked for.
    out.json = args.iter().any(|arg| arg == "--json");
    out.color(Color::Auto);
    let words = program.words(bin, out.terminal.out);
    let named = args::named(&words, &args);
    let mut exit = match args::parse(&words, args) {
        Ok(cli) => {
            out.json = cli.options.json;
            out.color(cli.options.color);
            command(program, &words, &cli, out, started, signals)
        }
        Err(error) => usage(&error, named.as_deref(), out),
    };
    out.flush();
    if out.broken && exit == Exit::Done {
        exit = Exit::Failed;
    }
    exit.code()
}

/// What clap has to say: help, the version, or what is wrong.
fn usage(error: &clap::Error, command: Option<&str>, out: &mut Out<'_>) -> Exit {
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let styled = error.render();
    if asked {
        let text = if out.paint.0 { styled.ansi().to_string() } else { styled.to_string() };
        out.raw(text.trim_end());
        return Exit::Done;
    }
    let text = if out.paint_err.0 { styled.ansi().to_string() } else { styled.to_string() };
    out.err(text.trim_end());
    let message = error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    out.event(&json!({"event": "error", "message": message}));
    out.event(&json!({"event": "done", "command": command, "exit": Exit::Usage.code()}));
    Exit::Usage
}

fn command(
    program: &Program,
    words: &args::Words,
    cli: &Cli,
    out: &mut Out<'_>,
    started: Instant,
    signals: bool,
) -> Exit {
    if let Some(Command::Completions { shell }) = cli.command {
        let (mut command, mut script) = (args::command(words), Vec::new());
        clap_complete::generate(shell, &mut command, &words.bin, &mut script);
        out.raw(&String::from_utf8_lossy(&script));
        return Exit::Done;
    }
    if cli.command.is_none() && !cfg!(feature = "sim") {
        out.err(args::command(words).render_help().to_string().trim_end());
        return Exit::Usage;
    }
    let name = cli.command.as_ref().map_or("story", Command::name);
    let mut done = serde_json::Map::new();
    let result = match program.build() {
        Ok(built) => {
            let options = &cli.options;
            let (built, done) = (built.as_ref(), std::mem::take(&mut done));
            let mut cx = Context { program, built, options, command: name, out: &mut *out, started, done };
            let result = cx.check_state_dir().and_then(|()| dispatch(&mut cx, cli.command.as_ref(), signals));
            let mut fields = std::mem::take(&mut cx.done);
            fields.insert("stack".to_owned(), cx.graph().name().into());
            (result, fields)
        }
        Err(errors) => (Err(Error::Build(errors)), done),
    };
    let (result, fields) = result;
    let exit = result.unwrap_or_else(|error| {
        report(&error, out);
        error.exit()
    });
    let mut event = json!({"event": "done", "command": name, "exit": exit.code()});
    if let Value::Object(event) = &mut event {
        event.extend(fields);
        event.insert("wall_s".to_owned(), rounded(started.elapsed().as_secs_f64()).into());
    }
    out.event(&event);
    exit
}

/// Prints an error that ended the command.
fn report(error: &Error, out: &mut Out<'_>) {
    let block = Block::of(error);
    if error.exit() != Exit::Cancelled {
        return block.tell(out);
    }
    out.event(&block.event());
    out.err(error.to_string());
}

fn dispatch(cx: &mut Context<'_, '_>, command: Option<&Command>, signals: bool) -> Result<Exit, Error> {
    // With an error in the program nothing new is made; what is there can still be looked at and taken away.
    if matches!(command, None | Some(Command::Plan(_) | Command::Deploy(_))) {
        cx.built.sound()?;
        check::warn(cx);
    }
    // What asks nobody needs no runtime.
    match command {
        Some(Command::Graph(args)) => return graph::run(cx, args),
        Some(Command::Check) => return check::run(cx),
        #[cfg(feature = "aws")]
        Some(Command::Rto(args)) => return rto::run(cx, args),
        #[cfg(feature = "aws")]
        Some(Command::Permissions) => return Ok(permissions::run(cx)),
        _ => {}
    }
    // The command stays on this thread; signals, timers and sockets have one of their own, so that Ctrl-C is noticed while a
    // simulated cloud keeps this one busy.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime =
        runtime.map_err(|source| Error::File { what: "start", path: "the asynchronous runtime".into(), source })?;
    if signals {
        listen(&runtime, cx.cancel().clone());
    }
    let result = runtime.block_on(asynchronous(cx, command));
    // A thread that still reads the terminal does not hold up the end.
    runtime.shutdown_background();
    result
}

async fn asynchronous(cx: &mut Context<'_, '_>, command: Option<&Command>) -> Result<Exit, Error> {
    match command {
        #[cfg(feature = "sim")]
        None => match cx.options.cloud.as_deref() {
            None | Some("sim") => crate::story::tell(cx).await,
            Some(other) => {
                let message = format!("the story is told on the simulator, and not on `{other}`");
                Err(Error::usage(message, "give a command: `--help` lists them"))
            }
        },
        Some(Command::Plan(args)) => plan::run(cx, args).await,
        Some(Command::Deploy(args)) => deploy::run(cx, args).await,
        Some(Command::Destroy) => teardown::run(cx).await,
        Some(Command::Status(args)) => status::run(cx, args).await,
        Some(Command::Outputs) => outputs::run(cx).await,
        Some(Command::Drift(args)) => drift::run(cx, args).await,
        Some(Command::Verify(args)) => verify::run(cx, args).await,
        #[cfg(feature = "aws")]
        Some(Command::Parity) => parity::run(cx).await,
        #[cfg(feature = "sim")]
        Some(Command::Drill(args)) => drill::run(cx, args).await,
        Some(Command::State(args)) => state::run(cx, args).await,
        _ => unreachable!("the other commands are done without a runtime"),
    }
}

/// Presses the switch for each Ctrl-C and SIGTERM from now on; until then they end the process.
fn listen(runtime: &tokio::runtime::Runtime, cancel: Cancel) {
    // Registered here and not by the task, which may be late.
    let _entered = runtime.enter();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let streams = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
        let (Ok(mut interrupt), Ok(mut terminate)) = streams else { return };
        runtime.spawn(async move {
            loop {
                let pressed = tokio::select! {
                    pressed = interrupt.recv() => pressed,
                    pressed = terminate.recv() => pressed,
                };
                if pressed.is_none() {
                    return;
                }
                cancel.cancel();
            }
        });
    }
    #[cfg(not(unix))]
    runtime.spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            cancel.cancel();
        }
    });
}
