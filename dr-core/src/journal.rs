//! The write-ahead journal: what is about to be done is durable before it is done.
//!
//! One entry a line: a CRC-32 in eight hexadecimal digits, a space, JSON, a newline. Readable with any pager, and damage
//! shows. Lines that are made durable together have a `+` in the place of the space, all but the first: a disk may write
//! the blocks of one commit in any order, so any of its lines may be torn. A commit is begun only when the one before is
//! durable. So a damaged line in the last commit was never acknowledged, and the journal is cut off there; damage before
//! that is an error.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::error::{Action, CloudError};
use crate::resource::OnRemove;
use crate::state::{FORMAT, IllegalEntry, State, Users};
use crate::value::{self, Value};

/// One line of a journal: something about one copy of one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The position in the life of the state: the state's serial before this entry.
    pub seq: u64,
    /// The resource.
    pub address: Address,
    /// Which copy.
    pub generation: u32,
    /// What happened, or is about to.
    #[serde(flatten)]
    pub event: What,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// A call is about to be made: the intent, with everything needed to ask about it after a crash.
    Began {
        /// The kind of step.
        action: Action,
        /// The resolved arguments, secrets as digests.
        args: Value,
        /// The tags without the ownership tags.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        tags: BTreeMap<String, String>,
        /// What it needs, for the order of deletion.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        needs: Vec<Address>,
        /// What is to be created.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        create: Option<New>,
    },
    /// The call was answered; the resource exists (with these outputs) or is leaving.
    Accepted {
        /// The outputs, for a create or update.
        #[serde(default, deserialize_with = "value::present", skip_serializing_if = "Option::is_none")]
        outputs: Option<Value>,
        /// What it needs from now on, for an update.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        needs: Option<Vec<Address>>,
    },
    /// The step is done: it works, or it is gone.
    Succeeded {
        /// The kind of step.
        action: Action,
        /// The outputs, unless it is gone.
        #[serde(default, deserialize_with = "value::present", skip_serializing_if = "Option::is_none")]
        outputs: Option<Value>,
    },
    /// The step was given up.
    Failed {
        /// The kind of step.
        action: Action,
        /// The last answer.
        error: CloudError,
    },
    /// The resource exists and never will work: it is replaced by the next plan.
    Broken,
    /// The resource has this address now.
    Moved {
        /// The address it had.
        from: Address,
    },
}

/// What a create makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct New {
    /// Its type.
    pub type_name: String,
    /// Its region at the provider.
    pub region: String,
    /// The token under which it is created.
    pub token: String,
    /// What happens when it is no longer in the program.
    #[serde(default)]
    pub on_remove: OnRemove,
    /// What it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Address>,
}

impl What {
    /// `began`, `accepted`, …
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            What::Began { .. } => "began",
            What::Accepted { .. } => "accepted",
            What::Succeeded { .. } => "succeeded",
            What::Failed { .. } => "failed",
            What::Broken => "broken",
            What::Moved { .. } => "moved",
        }
    }
}

/// The first line of a journal: whose it is, and which state it continues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`].
    pub format: u32,
    /// The stack's name.
    pub stack: String,
    /// The lineage of the state.
    pub lineage: String,
    /// The serial of the state that the first entry follows.
    pub base: u64,
}

/// Why a journal cannot be replayed. Nothing is lost: the file is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// A line before the last commit is damaged.
    #[error("the line at byte {offset} is damaged ({why}), and later ones are whole")]
    Damaged {
        /// Where the line begins, in bytes from the start of the file.
        offset: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The first line is not a header.
    #[error("it does not begin with a header ({0})")]
    NoHeader(String),
    /// A newer version of dr wrote it.
    #[error("its format is {found}, this version reads up to {FORMAT}")]
    Newer {
        /// The format.
        found: u32,
    },
    /// It is the journal of another state.
    #[error("it belongs to stack `{found}` with lineage {lineage}, not to this state")]
    Foreign {
        /// The stack in the header.
        found: String,
        /// The lineage in the header.
        lineage: String,
    },
    /// The state is behind the journal's beginning: lines are missing.
    #[error("it begins at serial {base}, but the state is at {serial}: entries between them are missing")]
    Gap {
        /// Where the journal begins.
        base: u64,
        /// Where the state is.
        serial: u64,
    },
    /// An entry does not follow from what is before it.
    #[error("the entry at byte {offset} does not follow from those before it")]
    Illegal {
        /// Where the line begins.
        offset: usize,
        /// What does not fit.
        #[source]
        source: IllegalEntry,
    },
}

/// Stands behind the checksum of the first line of a commit, and of the others.
const FIRST: u8 = b' ';
const FURTHER: u8 = b'+';

/// A line with its checksum, appended to `out`.
fn write_line(out: &mut Vec<u8>, value: &impl Serialize) {
    let start = out.len();
    out.extend_from_slice(b"00000000");
    out.push(if start == 0 { FIRST } else { FURTHER });
    // Writing to a Vec cannot fail, and the entries have text keys only.
    serde_json::to_writer(&mut *out, value).expect("an entry serialises");
    let crc = crc32fast::hash(&out[start + 9..]);
    for (at, digit) in format!("{crc:08x}").bytes().enumerate() {
        out[start + at] = digit;
    }
    out.push(b'\n');
}

/// The bytes of an entry; `out` collects what is made durable together.
pub fn encode(entry: &Entry, out: &mut Vec<u8>) {
    write_line(out, entry);
}

/// What [`encode`] wrote.
///
/// # Errors
/// [`JournalError::Damaged`]: a line is none.
pub fn decode(entries: &[u8]) -> Result<Vec<Entry>, JournalError> {
    let mut lines = Lines { bytes: entries, at: 0, whole: true };
    let entry = |line: Result<(usize, Entry), (usize, String)>| match line {
        Ok((_, entry)) => Ok(entry),
        Err((offset, why)) => Err(JournalError::Damaged { offset, why }),
    };
    std::iter::from_fn(|| lines.next_line()).map(entry).collect()
}

/// Makes the first of some encoded entries one that continues a commit: they are made durable with others before them.
#[doc(hidden)]
pub fn continue_commit(entries: &mut [u8]) {
    // The checksum covers what comes after the mark.
    if let Some(mark) = entries.get_mut(8) {
        *mark = FURTHER;
    }
}

/// The bytes of a header, the first line of a journal.
#[must_use]
pub fn encode_header(header: &Header) -> Vec<u8> {
    let mut out = Vec::new();
    write_line(&mut out, header);
    out
}

/// The header of a journal that has one.
#[must_use]
pub fn header(journal: &[u8]) -> Option<Header> {
    Lines { bytes: trim_zeros(journal), at: 0, whole: true }.next_line::<Header>()?.ok().map(|(_, header)| header)
}

/// What a replay gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// What is certain.
    pub state: State,
    /// The bytes that are whole; what follows was torn off by a crash and is to be cut.
    pub whole: usize,
    /// The resources of steps that began and have no end: the cloud has to be asked about them.
    pub unknown: Vec<Address>,
    /// How many entries it had.
    pub entries: usize,
}

/// Reads a journal on top of the state that it continues: what is certain after a stop anywhere.
///
/// Entries that the state has already (a crash between writing a snapshot and starting a new journal) are passed over.
///
/// # Errors
/// [`JournalError`]; a torn last line is none.
pub fn replay(mut state: State, journal: &[u8]) -> Result<Replayed, JournalError> {
    let journal = trim_zeros(journal);
    let mut lines = Lines { bytes: journal, at: 0, whole: true };
    let (mut entries, mut users) = (0, Users::default());
    let (offset, header) = match lines.next_line::<Header>() {
        // An empty journal, or one torn in its first line: nothing was ever begun.
        None => return Ok(Replayed { state, whole: 0, unknown: Vec::new(), entries: 0 }),
        Some(Ok(line)) => line,
        Some(Err(_)) if lines.is_torn() => {
            return Ok(Replayed { state, whole: 0, unknown: Vec::new(), entries: 0 });
        }
        Some(Err((_, why))) => return Err(JournalError::NoHeader(why)),
    };
    debug_assert_eq!(offset, 0);
    if header.format > FORMAT {
        return Err(JournalError::Newer { found: header.format });
    }
    if header.stack != state.stack || header.lineage != state.lineage {
        return Err(JournalError::Foreign { found: header.stack, lineage: header.lineage });
    }
    if header.base > state.serial {
        return Err(JournalError::Gap { base: header.base, serial: state.serial });
    }
    let mut whole = lines.at;
    while let Some(line) = lines.next_line::<Entry>() {
        let (offset, entry) = match line {
            Ok(line) => line,
            Err(_) if lines.is_torn() => break,
            Err((offset, why)) => return Err(JournalError::Damaged { offset, why }),
        };
        whole = lines.at;
        entries += 1;
        if entry.seq < state.serial {
            continue;
        }
        if entry.seq > state.serial {
            return Err(JournalError::Gap { base: entry.seq, serial: state.serial });
        }
        state.apply_with(&entry, &mut users).map_err(|source| JournalError::Illegal { offset, source })?;
    }
    let unknown = unknown(&state);
    Ok(Replayed { state, whole, unknown, entries })
}

/// The resources of which a state does not know what became of the last call.
#[must_use]
pub fn unknown(state: &State) -> Vec<Address> {
    use crate::state::Status::{Creating, Deleting, Updating};
    let open = |record: &crate::state::Record| {
        record.current.iter().chain(&record.deposed).any(|i| matches!(i.status, Creating | Deleting | Updating))
    };
    state.resources.iter().filter(|(_, record)| open(record)).map(|(address, _)| address.clone()).collect()
}

/// A file that is extended ahead of its content ends in zeros.
fn trim_zeros(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
    &bytes[..end]
}

struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whether the line just read has its end and the right checksum: what it says was acknowledged, or will be.
    whole: bool,
}

impl Lines<'_> {
    /// The next line and where it begins, or why it is none.
    fn next_line<T: serde::de::DeserializeOwned>(&mut self) -> Option<Result<(usize, T), (usize, String)>> {
        self.whole = true;
        if self.at >= self.bytes.len() {
            return None;
        }
        let start = self.at;
        let rest = &self.bytes[start..];
        let (line, complete) = match rest.iter().position(|&byte| byte == b'\n') {
            Some(end) => (&rest[..end], true),
            None => (rest, false),
        };
        self.at = start + line.len() + usize::from(complete);
        if !complete {
            self.whole = false;
            return Some(Err((start, "it has no end".to_owned())));
        }
        let json = match checked(line) {
            Ok((_, json)) => json,
            Err(why) => {
                self.whole = false;
                return Some(Err((start, why)));
            }
        };
        Some(serde_json::from_slice(json).map(|value| (start, value)).map_err(|error| (start, error.to_string())))
    }

    /// Whether the line just read was being written when the machine died: it is not whole, and no later commit follows it.
    fn is_torn(&self) -> bool {
        if self.whole {
            return false;
        }
        let begins_commit = |line: &[u8]| checked(line).is_ok_and(|(mark, _)| mark == FIRST);
        !self.bytes[self.at..].split(|&byte| byte == b'\n').any(begins_commit)
    }
}

/// The mark and the JSON part of a line whose checksum is right.
fn checked(line: &[u8]) -> Result<(u8, &[u8]), String> {
    let (crc, json) = match line {
        line if line.len() > 9 && matches!(line[8], FIRST | FURTHER) => (&line[..8], &line[9..]),
        _ => return Err("it has no checksum".to_owned()),
    };
    let written = std::str::from_utf8(crc).ok().and_then(|text| u32::from_str_radix(text, 16).ok());
    match written {
        Some(written) if written == crc32fast::hash(json) => Ok((line[8], json)),
        Some(_) => Err("its checksum does not match".to_owned()),
        None => Err("it has no checksum".to_owned()),
    }
}
