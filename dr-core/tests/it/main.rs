//! All integration tests of the core in one program.

mod common;
mod damage;
mod plan;
mod session;
mod sim;
mod store;
