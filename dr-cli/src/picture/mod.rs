//! Pictures of a program: the request path through its regions, and around it what carries it.
//!
//! [`scene`] says what is in the picture, [`layout`] where it stands, [`svg`] how it looks.

mod html;
mod layout;
mod mermaid;
mod scene;
mod svg;

pub(crate) use html::html;
pub(crate) use mermaid::mermaid;

use dr_core::Graph;

/// The picture as a file of its own.
pub(crate) fn svg(graph: &Graph) -> String {
    svg::draw(&layout::place(&scene::of(graph)), svg::Use::File)
}

/// Text inside markup.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Not allowed in XML, whatever the program calls its things.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
