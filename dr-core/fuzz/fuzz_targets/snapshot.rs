//! Any bytes are a state or an error, never a panic.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(state) = dr_core::store::parse_snapshot(Path::new("fuzz"), data) {
        let _ = state.check();
    }
});
