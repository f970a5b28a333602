//! All integration tests of the simulator in one program: each program of its own would link the SDK once more.

mod account;
mod closed_site;
mod common;
mod connector;
mod crash;
mod determinism;
mod differential;
mod failover;
mod faults;
mod global;
mod names;
mod others;
mod renumber;
mod seam;
mod second_alb;
mod two_region;
mod variety;
#[path = "../../../dr-aws/tests/it/wire/mod.rs"]
mod wire;
