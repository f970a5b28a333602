//! Complete programs written with dr. Each is an example to run: `cargo run --example two_region`.
