# What CI runs, by name. `just` lists it.

_default:
    @just --list

# The whole story on the simulator.
story:
    cargo run --example two_region

# Everything but what needs Python.
test:
    cargo nextest run --workspace --exclude dr-aws --features dr-core/sim
    cargo nextest run -p dr-aws
    cargo test --workspace --doc

# The SDK's real HTTP stack against the wire-level emulator (needs Python 3.11).
wire:
    wire/setup
    cargo nextest run -p dr-aws --run-ignored only

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --features dr-core/sim -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# One run of each measurement in a whole process.
scale n="10000":
    for what in plan noop apply destroy replay; do cargo run --release -q --bin scale -- $what --n {{n}}; done

ci:
    .ci/run
