//! Texts of which some pieces are not known yet.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{Input, Output, Source, TEXT};

/// A text assembled from pieces, some of which are outputs; written with [`text!`](crate::text).
#[derive(Debug, Clone, Default)]
pub struct Text(Vec<Piece>);

#[derive(Debug, Clone)]
enum Piece {
    Known(String),
    Deferred(Output<String>),
}

impl Text {
    /// The empty text.
    #[must_use]
    pub fn new() -> Self {
        Text::default()
    }

    /// Appends a known piece.
    #[must_use]
    pub fn known(mut self, piece: impl fmt::Display) -> Self {
        self.0.push(Piece::Known(piece.to_string()));
        self
    }

    /// Appends an argument: an output, an input, or anything that prints.
    #[must_use]
    pub fn arg(mut self, argument: impl IntoText) -> Self {
        self.0.extend(argument.into_text().0);
        self
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(TEXT, &self.0)])
    }
}

impl Serialize for Piece {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Piece::Known(text) => text.serialize(serializer),
            Piece::Deferred(output) => output.serialize(serializer),
        }
    }
}

/// What can stand for a `{}` in [`text!`](crate::text).
pub trait IntoText {
    /// The pieces.
    fn into_text(self) -> Text;
}

impl<T> IntoText for Output<T> {
    fn into_text(self) -> Text {
        Text(vec![Piece::Deferred(self.text())])
    }
}

impl IntoText for Input<String> {
    fn into_text(self) -> Text {
        match self.0 {
            Source::Known(text) => Text::new().known(text),
            Source::Deferred(output) => output.into_text(),
            Source::Assembled(text) => text,
        }
    }
}

impl IntoText for Text {
    fn into_text(self) -> Text {
        self
    }
}

macro_rules! prints {
    ($($t:ty),*) => {$(
        impl IntoText for $t {
            fn into_text(self) -> Text {
                Text::new().known(self)
            }
        }
    )*};
}
prints!(&str, String, &String, u8, u16, u32, u64, usize, i32, i64);

/// Assembles a text from known pieces and outputs: `text!("https://{}/health", site.domain)`.
///
/// The number of `{}` and of arguments is compared when the program is compiled; `{{` and `}}` are not special. Names inside
/// the braces, as `format!` has them, are refused: an output is not known yet when the text is made.
///
/// ```compile_fail
/// # use dr_core::text;
/// text!("https://{}/{}", "a");
/// ```
///
/// ```compile_fail
/// # use dr_core::text;
/// let domain = "example.com";
/// text!("https://{domain}/");
/// ```
#[macro_export]
macro_rules! text {
    ($format:literal $(, $argument:expr)* $(,)?) => {{
        const { $crate::value::assert_holes($format, <[&str]>::len(&[$($crate::text!(@unit $argument)),*])) };
        #[allow(unused_mut)]
        let mut pieces = $format.split("{}");
        let text = $crate::Text::new().known(pieces.next().unwrap_or(""));
        $(let text = text.arg($argument).known(pieces.next().unwrap_or(""));)*
        text
    }};
    (@unit $argument:expr) => { stringify!($argument) };
}

/// Stops the compiler when a format does not have as many `{}` as there are arguments, or has a name in one.
#[doc(hidden)]
pub const fn assert_holes(format: &str, arguments: usize) {
    let (bytes, mut at, mut holes) = (format.as_bytes(), 0, 0);
    while at + 1 < bytes.len() {
        if bytes[at] == b'{' {
            // JSON and scripts have a quote, a blank or a line's end after the brace.
            let mut end = at + 1;
            while end < bytes.len() && (bytes[end].is_ascii_alphanumeric() || matches!(bytes[end], b'_' | b':')) {
                end += 1;
            }
            if end < bytes.len() && bytes[end] == b'}' {
                assert!(
                    end == at + 1,
                    "`text!` has empty braces, and takes the values for them as arguments after the text"
                );
                holes += 1;
                at = end;
            }
        }
        at += 1;
    }
    assert!(holes == arguments, "`text!` needs one argument for each pair of braces");
}
