//! What does not compile, and what the compiler says about it: the text and the place of every diagnostic.
//!
//! A changed `.stderr` file is a change of the user interface. `TRYBUILD=overwrite` writes them.

use trybuild::TestCases;

#[test]
fn wrong_programs_do_not_compile() {
    let cases = TestCases::new();
    cases.compile_fail("tests/ui/wiring/*.rs");
    cases.compile_fail("tests/ui/stack/*.rs");
    cases.compile_fail("tests/ui/derive/*.rs");
}

/// Goal: what is asserted in `const { }` stops a build.
/// Method: constants that depend on types are evaluated when code is generated, which `cargo check` does not do; a program
/// that has to compile makes these cases be built.
#[test]
fn wrong_constants_do_not_compile() {
    let cases = TestCases::new();
    cases.pass("tests/ui/const/pass/*.rs");
    cases.compile_fail("tests/ui/const/*.rs");
}
