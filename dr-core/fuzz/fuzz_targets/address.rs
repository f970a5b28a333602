//! Any text is an address that prints back as itself, or an error.
#![no_main]

use dr_core::Address;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.as_str(), text);
        let _ = (address.region(), address.scope(), address.name());
    }
});
