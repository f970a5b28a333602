//! Where a command writes: results to its output, progress and errors to its error output, both as text or as events.

use std::io::{self, Write};

use serde_json::Value;

use crate::text::wrapped;

/// Whether and how text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint(pub(crate) bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(crate) fn plain(self, text: &str) -> String {
        text.to_owned()
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.with("1;31", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    pub(crate) fn cyan(self, text: &str) -> String {
        self.with("36", text)
    }
}

/// What is known about the two outputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Terminal {
    /// Whether the output is a terminal, and its columns.
    pub(crate) out: Option<usize>,
    /// Whether the error output is a terminal, and its columns.
    pub(crate) err: Option<usize>,
    /// Whether somebody can be asked.
    pub(crate) input: bool,
}

impl Terminal {
    /// What this process is connected to.
    pub(crate) fn of_process() -> Self {
        use std::io::IsTerminal as _;
        // A terminal that does not tell its size is taken for an ordinary one.
        let columns = |term: console::Term| term.size_checked().map_or(80, |(_, columns)| usize::from(columns)).max(20);
        let out = io::stdout().is_terminal().then(|| columns(console::Term::stdout()));
        let err = io::stderr().is_terminal().then(|| columns(console::Term::stderr()));
        Terminal { out, err, input: io::stdin().is_terminal() && err.is_some() }
    }
}

/// When to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The two outputs of a command.
pub(crate) struct Out<'w> {
    out: &'w mut (dyn Write + Send),
    err: &'w mut (dyn Write + Send),
    pub(crate) terminal: Terminal,
    /// Events instead of text.
    pub(crate) json: bool,
    /// For the output.
    pub(crate) paint: Paint,
    /// For the error output.
    pub(crate) paint_err: Paint,
    /// Whoever read the output has gone.
    closed: bool,
    /// The output could not be written for another reason: the result is not complete.
    pub(crate) broken: bool,
}

impl<'w> Out<'w> {
    pub(crate) fn new(out: &'w mut (dyn Write + Send), err: &'w mut (dyn Write + Send), terminal: Terminal) -> Self {
        let (paint, paint_err) = (Paint(false), Paint(false));
        Out { out, err, terminal, json: false, paint, paint_err, closed: false, broken: false }
    }

    /// Decides on colours.
    pub(crate) fn color(&mut self, color: Color) {
        // https://no-color.org: present and not empty.
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let on = |terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !refused && !dumb,
        };
        self.paint = Paint(on(self.terminal.out.is_some()));
        self.paint_err = Paint(on(self.terminal.err.is_some()));
    }

    /// A line of the result, for people.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) {
        if !self.json {
            self.write(text.as_ref());
        }
    }

    /// A paragraph after `lead`, for people: on a terminal it is broken between words, and goes on under its beginning.
    pub(crate) fn para(&mut self, lead: &str, text: &str, style: fn(Paint, &str) -> String) {
        let width = console::measure_text_width(lead);
        let room = self.terminal.out.map_or(usize::MAX, |columns| columns.saturating_sub(width).max(12));
        for (number, line) in wrapped(text, room).iter().enumerate() {
            let line = style(self.paint, line);
            match number {
                0 => self.line(format!("{lead}{line}")),
                _ => self.line(format!("{:width$}{line}", "")),
            }
        }
    }

    /// An event, for machines.
    pub(crate) fn event(&mut self, event: &Value) {
        if self.json {
            self.write(&event.to_string());
        }
    }

    /// The result itself, whatever the form: a graph, a completion script.
    pub(crate) fn raw(&mut self, text: &str) {
        self.write(text.strip_suffix('\n').unwrap_or(text));
    }

    /// A line on the error output, for people: progress, what goes on.
    pub(crate) fn note(&mut self, text: impl AsRef<str>) {
        if !self.json {
            self.err(text);
        }
    }

    /// A line on the error output, after what was written to the output before it.
    pub(crate) fn err(&mut self, text: impl AsRef<str>) {
        self.flush_out();
        // Nothing is left to say it to when the error output is gone.
        let _ = writeln!(self.err, "{}", text.as_ref());
    }

    /// A question on the error output, without the end of the line.
    pub(crate) fn ask(&mut self, text: &str) {
        self.flush_out();
        let _ = write!(self.err, "{text}").and_then(|()| self.err.flush());
    }

    /// Brings everything out.
    pub(crate) fn flush(&mut self) {
        self.flush_out();
        let _ = self.err.flush();
    }

    fn flush_out(&mut self) {
        if !self.closed {
            let result = self.out.flush();
            self.check(&result);
        }
    }

    /// A reader that has seen enough (`| head`) ends the output and not the command.
    fn write(&mut self, text: &str) {
        if !self.closed {
            let result = writeln!(self.out, "{text}");
            self.check(&result);
            // Whoever looks on sees each line when it is there; a file gets them in larger pieces.
            if self.json || self.terminal.out.is_some() {
                self.flush_out();
            }
        }
    }

    fn check(&mut self, result: &io::Result<()>) {
        if let Err(error) = result {
            if !self.closed && error.kind() != io::ErrorKind::BrokenPipe {
                let _ = writeln!(self.err, "error: the output cannot be written: {error}");
                self.broken = true;
            }
            self.closed = true;
        }
    }
}
