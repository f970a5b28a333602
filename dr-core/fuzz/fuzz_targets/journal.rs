//! Any lines with right checksums behind a valid header replay to a consistent state or give an error, and what was whole
//! replays the same again; any bytes at all never panic.
#![no_main]

use dr_core::journal::{Header, encode_header, replay};
use dr_core::{FORMAT, State};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let state = State::new("fuzz", "0");
    let _ = replay(state.clone(), data);
    let header = Header { format: FORMAT, stack: "fuzz".to_owned(), lineage: "0".to_owned(), base: 0 };
    let mut journal = encode_header(&header);
    // Without right checksums nothing behind the first check would ever be reached.
    for line in data.split(|&byte| byte == b'\n') {
        journal.extend_from_slice(format!("{:08x} ", crc32fast::hash(line)).as_bytes());
        journal.extend_from_slice(line);
        journal.push(b'\n');
    }
    if let Ok(replayed) = replay(state.clone(), &journal) {
        let again = replay(state, &journal[..replayed.whole]).expect("what was whole is whole");
        assert_eq!(again.state, replayed.state);
    }
});
