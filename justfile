# What CI runs, by name. `just` lists it.

_default:
    @just --list

# The whole story on the simulator.
story:
    cargo run --example two_region

# Everything but what needs Python.
test:
    cargo test --workspace

# The SDK's real HTTP stack against the wire-level emulator (needs Python 3.10 or later).
wire:
    wire/setup
    cargo test -p dr-aws -p dr-sim -p dr-examples --tests -- --ignored

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --features dr-core/sim -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Licences, sources, advisories, duplicates (needs cargo-deny).
deny:
    cargo deny check

# Every crate as it would be published, each built from its archive.
package:
    cargo package --workspace --exclude dr-examples --exclude dr-benches

# Whether a change needs a new version, against a released revision (needs cargo-semver-checks).
semver since="main":
    cargo semver-checks --workspace --exclude dr-examples --exclude dr-benches --baseline-rev {{since}}

# One run of each measurement in a whole process.
scale n="10000":
    for what in plan noop apply destroy replay; do cargo run --release -q --bin scale -- $what --n {{n}}; done

ci:
    .ci/run
