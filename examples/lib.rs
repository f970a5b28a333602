//! Complete programs written with dr. Each is an example to run: `cargo run --example two_region`.
//!
//! The snippets of the README files and of the guide are tests of this crate: `cargo test -p dr-examples --doc`.

macro_rules! snippets {
    ($($name:ident = $path:literal;)*) => {$(
        #[cfg(doctest)]
        #[doc = include_str!($path)]
        struct $name;
    )*};
}

snippets! {
    Readme = "../README.md";
    Concepts = "../docs/concepts.md";
    WritingConstructs = "../docs/writing-constructs.md";
    RecoveryAndState = "../docs/recovery-and-state.md";
    ChecksParityDrills = "../docs/checks-parity-drills.md";
    Testing = "../docs/testing.md";
    Troubleshooting = "../docs/troubleshooting.md";
    DrCore = "../dr-core/README.md";
    DrAws = "../dr-aws/README.md";
    DrSim = "../dr-sim/README.md";
    DrCli = "../dr-cli/README.md";
    DrMacros = "../dr-macros/README.md";
}
