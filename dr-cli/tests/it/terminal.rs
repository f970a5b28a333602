//! What people see on a narrow terminal. The program is this test binary itself, started again on a terminal of 40 columns.
#![cfg(all(unix, feature = "sim"))]

use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tempfile::tempdir;

use crate::common::started_again;
use crate::pair::pair;

const COLUMNS: u16 = 40;

/// What the other tests start.
#[test]
#[ignore = "started by the other tests"]
fn program() {
    let args = std::env::var("DR_ARGS").expect("the arguments, one a line");
    let code = dr_cli::Program::new(pair).run_args(args.lines().map(str::to_owned));
    std::process::exit(code.into());
}

/// Runs a command on a terminal: exit code, and what is on it, without colours.
fn on_terminal(dir: &Path, args: &[&str]) -> (i32, String) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let user = std::fs::OpenOptions::new().read(true).write(true).open(name).unwrap();
    tcsetwinsize(&user, Winsize { ws_row: 50, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let mut command = started_again("terminal::program");
    command.env("DR_ARGS", [args, &["--state", dir.to_str().unwrap()]].concat().join("\n"));
    command.env_remove("DR_STATE").env("TERM", "xterm").env_remove("NO_COLOR");
    // Progress goes to a pipe: it draws over itself, and its place is not the page.
    command.stdin(Stdio::null()).stdout(Stdio::from(user)).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The last handle of the terminal's other side has to go, or reading would never end.
    drop(command);
    let mut text = Vec::new();
    // A terminal whose other side is closed answers with an error instead of an end.
    let _ = std::fs::File::from(terminal).read_to_end(&mut text);
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert!(!err.contains("panicked"), "{args:?}: {err}");
    let text = String::from_utf8(text).unwrap().replace('\r', "");
    let text = text.split_once("test terminal::program ... ").map_or(text.clone(), |(_, after)| after.to_owned());
    (child.wait().unwrap().code().unwrap(), plain(&text))
}

/// Text without the sequences for colours.
fn plain(text: &str) -> String {
    let mut parts = text.split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.split_once('m').map_or(part, |(_, after)| after))
}

/// The lines that do not fit, but for those of one word that somebody may want to copy.
fn too_long(text: &str) -> Vec<&str> {
    let mark = |word: &str| word.chars().all(|c| !c.is_alphanumeric()) || word.parse::<f64>().is_ok();
    let words = |line: &str| line.split_whitespace().filter(|word| !mark(word)).count();
    text.lines().filter(|line| line.chars().count() > usize::from(COLUMNS) && words(line) > 1).collect()
}

#[test]
fn the_story_fits_on_forty_columns() {
    let dir = tempdir().unwrap();
    let (code, text) = on_terminal(dir.path(), &[]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(too_long(&text), [""; 0], "{text}");
    assert!(!text.contains('…'), "nothing is cut off: {text}");
    assert!(text.contains("The whole story, and nothing is left."), "{text}");
}

#[test]
fn every_command_fits_on_forty_columns() {
    let dir = tempdir().unwrap();
    assert_eq!(on_terminal(dir.path(), &["deploy"]).0, 0);
    let mut long = Vec::new();
    for args in [
        &["drill", "--hold", "10"][..],
        &["rto"],
        &["check"],
        &["parity"],
        &["plan"],
        &["status"],
        &["verify"],
        &["outputs"],
        &["drift"],
        &["state", "list"],
        &["--help"],
        &["drill", "--help"],
    ] {
        let (code, text) = on_terminal(dir.path(), args);
        assert_eq!(code, 0, "{args:?}: {text}");
        long.extend(too_long(&text).into_iter().map(|line| format!("{args:?}: {line}")));
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}
