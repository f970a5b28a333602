//! All integration tests of the resources in one program: each program of its own would link the SDK once more.

mod docs;
mod edge;
mod emulator;
mod network;
mod wire;
mod wire_site;
