//! The whole two-region site against the wire-level emulator, with the SDK's real HTTP stack and no mock of it: deployed, read
//! back, changed, damaged, killed, and taken away to nothing.
//!
//! These tests need Python (`wire/setup`), so a stock toolchain passes `cargo test` without them:
//!
//! ```text
//! cargo test -p dr-aws --test it wire_site -- --ignored
//! ```
#![expect(clippy::print_stdout, reason = "measurements and progress are for whoever runs the test")]

mod account;
mod changes;
mod crash;
mod drift;
mod faults;
mod measure;
mod observed;
mod program;
mod story;
