//! The command line itself: what it refuses, what it explains, what it bears.

use serde_json::json;
use tempfile::tempdir;

use crate::common::{Closing, Shape};

#[test]
fn the_command_line_is_checked() {
    let dir = tempdir().unwrap();
    for args in [
        &["deplyo"][..],
        &["plan", "--wat"],
        &["plan", "--concurrency", "0"],
        &["state"],
        &["status", "--cloud", "moon"],
    ] {
        let ran = Shape::new().run(dir.path(), args);
        assert_eq!(ran.code, 2, "{args:?}: {ran:?}");
    }
    insta::assert_snapshot!(Shape::new().run(dir.path(), &["status", "--cloud", "moon"]).err.lines().next().unwrap(), @"error: there is no cloud `moon`");
    let ran = Shape::new().run(dir.path(), &["deplyo", "--json"]);
    assert_eq!(ran.events().len(), 2);
    assert_eq!(ran.events()[1], json!({"event": "done", "command": null, "exit": 2}));
    let ran = Shape::new().run(dir.path(), &["plan", "--wat", "--json"]);
    assert_eq!(ran.events()[1], json!({"event": "done", "command": "plan", "exit": 2}));
    let ran = Shape::new().run(dir.path(), &["state", "--json"]);
    assert_eq!(
        (ran.code, ran.events()[1].clone()),
        (2, json!({"event": "done", "command": "state", "exit": 2})),
        "{ran:?}"
    );
}

/// Goal: `program plan | head -1` ends with the code of the plan.
#[test]
fn a_closed_pipe_ends_the_output_and_not_the_command() {
    let dir = tempdir().unwrap();
    let (mut out, mut err) = (Closing::default(), Vec::new());
    let state = dir.path().to_str().unwrap();
    let code = Shape::new().program().run_with(["plan", "--detailed-exitcode", "--state", state], &mut out, &mut err);
    assert_eq!((code, String::from_utf8(err).unwrap().as_str()), (6, ""));
    assert!(out.0 >= 2, "it went on writing until the pipe was closed");
    let code = Shape::new().program().run_with(["deploy", "--state", state], &mut Closing::default(), &mut Vec::new());
    assert_eq!(code, 0);
    assert_eq!(Shape::new().run(dir.path(), &["plan", "--detailed-exitcode"]).code, 0, "everything was deployed");
}

#[cfg(unix)]
#[test]
fn arguments_that_are_no_utf8_do_not_panic() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;
    let odd = || OsString::from_vec(vec![b'a', 0xff]);
    let mut err = Vec::new();
    let code = Shape::new().program().run_with([odd()], &mut Vec::new(), &mut err);
    assert_eq!(code, 2);
    let dir = tempdir().unwrap();
    let args = ["plan".into(), "--state".into(), dir.path().join(odd()).into_os_string()];
    assert_eq!(Shape::new().program().run_with(args, &mut Vec::new(), &mut Vec::new()), 0);
}

#[test]
fn every_command_has_an_example_in_its_help() {
    let dir = tempdir().unwrap();
    let help = Shape::new().run(dir.path(), &["--help"]);
    assert_eq!(help.code, 0);
    assert!(help.out.starts_with("A shop in two regions\n"), "{}", help.out);
    let commands: Vec<&str> = help
        .out
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty())
        .collect();
    assert!(commands.len() >= 11, "{commands:?}");
    let nested = ["list", "show", "rm", "mv", "unlock", "repair"].map(|name| vec!["state", name]);
    for mut args in commands.into_iter().map(|name| vec![name]).chain(nested) {
        args.push("--help");
        let ran = Shape::new().run(dir.path(), &args);
        assert!(ran.code == 0 && ran.out.contains("Example") && ran.out.contains("\n  program "), "{args:?}: {ran:?}");
    }
}

#[test]
fn completions_know_the_commands() {
    let dir = tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = Shape::new().run(dir.path(), &["completions", shell]);
        assert!(ran.code == 0 && ran.out.contains("destroy") && ran.out.contains("program"), "{shell}");
    }
}

#[test]
fn the_keys_of_a_line_are_in_order() {
    let dir = tempdir().unwrap();
    let shape = Shape { shelves: 12, ..Shape::new() };
    assert_eq!(shape.run(dir.path(), &["deploy"]).code, 0);
    let ran = shape.run(dir.path(), &["destroy"]);
    assert!(ran.out.contains("- shelf[0,1,2,3,4,5,6,7,8,9,10,11]"), "{ran:?}");
}

#[test]
fn options_stand_where_they_mean_something() {
    let dir = tempdir().unwrap();
    let help = |command: &str| Shape::new().run(dir.path(), &[command, "--help"]).out;
    assert!(help("deploy").contains("--yes") && help("destroy").contains("--concurrency"));
    assert!(help("deploy").contains("--on-failure") && !help("destroy").contains("--on-failure"));
    for option in ["--yes", "--concurrency", "--on-failure"] {
        assert!(!help("status").contains(option) && !help("graph").contains(option), "{option}");
    }
    // A script may set them for all its commands, before or after the command.
    for args in [&["status", "--yes"][..], &["--concurrency", "3", "plan"], &["plan", "--on-failure", "teardown"]] {
        assert_eq!(Shape::new().run(dir.path(), args).code, 0, "{args:?}");
    }
    assert_eq!(Shape::new().run(dir.path(), &["deploy"]).code, 0);
    assert_eq!(Shape::new().run(dir.path(), &["--yes", "destroy"]).code, 0);
}

#[test]
fn what_nobody_knows_leaves_no_directory_behind() {
    let dir = tempdir().unwrap();
    let none = dir.path().join("typo");
    for (args, code) in [
        (&["state", "rm", "east-1/main.base"][..], 2),
        (&["state", "mv", "east-1/main.base", "east-1/main.other"], 2),
        (&["state", "repair"], 0),
        (&["destroy", "--yes"], 0),
        (&["drift"], 0),
    ] {
        let ran = Shape::new().run(&none, args);
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
        assert!(!none.exists(), "{args:?}");
    }
    let ran = Shape { locked_out: true, ..Shape::new() }.run(&none, &["deploy"]);
    assert!(ran.code == 1 && !none.exists(), "{ran:?}");
}

#[test]
fn a_cloud_that_does_not_let_us_in_says_why() {
    let dir = tempdir().unwrap();
    let ran = Shape { locked_out: true, ..Shape::new() }.run(dir.path(), &["plan"]);
    insta::assert_snapshot!(ran.text(), @r"
    --- err
    error: cannot open the cloud `toy`
      cause: toy:Open answered NoCredentials: nobody said who we are
    request: r-1
       hint: set TOY_KEY
    --- exit 1
    ");
}
