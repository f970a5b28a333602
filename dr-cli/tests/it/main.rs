//! All integration tests of the commands in one program: each program of its own would link the SDK once more.

mod commands;
pub mod common;
mod drill;
mod killed;
#[cfg(feature = "sim")]
mod pair;
mod parity;
mod processes;
mod sim;
mod state;
mod terminal;
