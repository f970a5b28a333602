//! `status`: every resource with its health, the copies of a construct in two regions side by side.

use std::collections::{BTreeMap, BTreeSet};

use dr_core::{Address, Drift, DriftKind, Health, Kind, Observed, State, Status};
use serde_json::json;

use crate::args;
use crate::cloud::Detail;
use crate::context::{Context, Opened};
use crate::error::Error;
use crate::exit::Exit;
use crate::out::Paint;
use crate::sides::{self, Group};
use crate::text::{fit, plural};

/// What is said of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    Ready,
    Pending,
    Leaving,
    Drifted,
    Failed,
    Gone,
    /// In the program, not deployed.
    Absent,
    /// Deployed, no longer in the program.
    Extra,
    /// It could not be asked about.
    Unread,
}

impl Word {
    fn text(self) -> &'static str {
        match self {
            Word::Ready => "ready",
            Word::Pending => "pending",
            Word::Leaving => "leaving",
            Word::Drifted => "drifted",
            Word::Failed => "failed",
            Word::Gone => "gone",
            Word::Absent => "absent",
            Word::Extra => "extra",
            Word::Unread => "unread",
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Word::Ready => "✓",
            Word::Pending | Word::Leaving => "…",
            Word::Drifted | Word::Extra => "!",
            Word::Failed | Word::Gone => "✗",
            Word::Absent => "·",
            Word::Unread => "?",
        }
    }

    fn painted(self, text: &str, paint: Paint) -> String {
        match self {
            Word::Ready => paint.green(text),
            Word::Pending | Word::Leaving => paint.cyan(text),
            Word::Drifted | Word::Extra | Word::Unread => paint.yellow(text),
            Word::Failed | Word::Gone => paint.red(text),
            Word::Absent => paint.dim(text),
        }
    }
}

pub(crate) async fn run(cx: &mut Context<'_, '_>, args: &args::Status) -> Result<Exit, Error> {
    let opened = cx.open().await?;
    let session = cx.session(&opened);
    let state = session.load(&cx.store()).await?;
    let observed = match args.no_refresh {
        true => None,
        false => Some(cx.observe(&opened, &session, &state, Detail::Full).await?),
    };
    let words = words(cx, &state, observed.as_ref());
    heading(cx, &opened, &state);
    // What a lost state does not know may be there all the same.
    let nothing = state.is_empty() && words.values().all(|word| *word == Word::Absent);
    if nothing {
        let words = cx.nothing_words();
        cx.out.para("", &words, Paint::plain);
    } else {
        for group in sides::pair(ordered(cx, &words).iter().map(|address| address.as_str())) {
            table(cx, &group, &words);
        }
    }
    for (address, word) in &words {
        let record = state.resources.get(address);
        cx.out.event(&json!({
            "event": "resource",
            "address": address,
            "type": record.map(|r| r.type_name.as_str())
                .or_else(|| cx.graph().get(address.as_str()).map(|node| node.schema.type_name)),
            "region": record.map(|r| r.region.as_str())
                .or_else(|| cx.graph().get(address.as_str()).map(|node| &*node.region)),
            "health": word.text(),
            "copies": record.map_or(0, |r| usize::from(r.current.is_some()) + r.deposed.len()),
        }));
    }
    totals(cx, &state, &words, nothing);
    cx.tell_cloud(&opened);
    if let Some(source) = observed.as_ref().and_then(|observed| observed.failed.values().next()) {
        let groups = observed.as_ref().map_or(0, |observed| observed.failed.len());
        return Err(Error::Unread { groups, source: source.clone() });
    }
    Ok(Exit::Done)
}

/// What is said of each resource of the program and of the state.
fn words(cx: &Context<'_, '_>, state: &State, observed: Option<&Observed>) -> BTreeMap<Address, Word> {
    let graph = cx.graph();
    let (corrected, drift) = match observed {
        Some(observed) => observed.reconcile(graph, state),
        None => (state.clone(), Vec::new()),
    };
    let managed = graph.nodes().filter(|node| node.schema.kind == Kind::Managed).map(|node| &node.address);
    let recorded = corrected.resources.iter().chain(&state.resources);
    // Looked-up things are pinned in the state, and are nobody's to show.
    let looked_up =
        |address: &Address| graph.get(address.as_str()).is_some_and(|node| node.schema.kind == Kind::Lookup);
    let recorded = recorded.map(|(address, _)| address).filter(|address| !looked_up(address));
    let all: BTreeSet<Address> = managed.chain(recorded).cloned().collect();
    all.into_iter().map(|address| (address.clone(), word(cx, &corrected, observed, &drift, &address))).collect()
}

fn word(cx: &Context<'_, '_>, state: &State, observed: Option<&Observed>, drift: &[Drift], address: &Address) -> Word {
    let node = cx.graph().get(address.as_str());
    let record = state.resources.get(address);
    let group = record
        .map(|record| (record.type_name.clone(), record.region.clone()))
        .or_else(|| node.map(|node| (node.schema.type_name.to_owned(), node.region.to_string())));
    if group.is_some_and(|group| observed.is_some_and(|observed| observed.failed.contains_key(&group))) {
        return Word::Unread;
    }
    let drifted = drift.iter().find(|drift| drift.address == *address).map(|drift| &drift.kind);
    let Some(instance) = record.and_then(|record| record.current.as_ref()) else {
        return match (drifted, record.is_some()) {
            (Some(DriftKind::Gone), _) => Word::Gone,
            (_, true) => Word::Leaving,
            (_, false) => Word::Absent,
        };
    };
    let health = observed.and_then(|observed| {
        let copy = |data: &dr_core::FoundData| data.address == *address && data.generation == instance.generation;
        observed.found.iter().find(|(_, _, data)| copy(data)).map(|(_, _, data)| data.health)
    });
    match (health, instance.status) {
        (Some(Health::Failed), _) | (None, Status::Failed) => Word::Failed,
        (Some(Health::Leaving), _) | (None, Status::Deleting) => Word::Leaving,
        (Some(Health::Pending), _) | (None, Status::Creating | Status::Accepted | Status::Updating) => Word::Pending,
        _ if node.is_none() => Word::Extra,
        _ if matches!(drifted, Some(DriftKind::Changed(_))) => Word::Drifted,
        (Some(Health::Ready), _) | (None, Status::Ready) => Word::Ready,
    }
}

/// In the order of the program, what is only in the state after it, what is global last.
fn ordered(cx: &Context<'_, '_>, words: &BTreeMap<Address, Word>) -> Vec<Address> {
    let in_program = cx.graph().nodes().map(|node| &node.address).filter(|address| words.contains_key(*address));
    let rest = words.keys().filter(|address| cx.graph().get(address.as_str()).is_none());
    let mut all: Vec<Address> = in_program.chain(rest).cloned().collect();
    all.sort_by_key(|address| address.region() == "global");
    all
}

fn heading(cx: &mut Context<'_, '_>, opened: &Opened, state: &State) {
    let name = cx.out.paint.bold(cx.graph().name());
    let mut text = format!("{name} on {}", opened.name);
    if let Some(account) = opened.account.as_ref().or(state.account.as_ref()) {
        text.push_str(&format!(", account {account}"));
    }
    cx.out.para("", &text, Paint::plain);
}

/// The columns of the narrowest word with its sign.
const CELL: usize = 9;

fn table(cx: &mut Context<'_, '_>, group: &Group, words: &BTreeMap<Address, Word>) {
    let paint = cx.out.paint;
    let columns = group.columns.len();
    let rows = collapsed(group, words);
    let longest = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or_default();
    let scopes = group.columns.iter().map(|(_, scope)| scope.chars().count()).max().unwrap_or_default();
    let regions = group.columns.iter().map(|(region, _)| region.chars().count()).max().unwrap_or_default();
    let wide = regions.max(scopes).max(CELL);
    let room = cx.out.terminal.out.unwrap_or(usize::MAX);
    // The words shrink before the names do, and the names before the signs.
    let (cell, name) = match room {
        room if longest + columns * (wide + 2) <= room => (wide, longest),
        room if 12 + columns * (CELL + 2) <= room => (CELL, longest.min(room - columns * (CELL + 2))),
        room => (1, longest.min(room.saturating_sub(columns * 3).max(4))),
    };
    cx.out.line("");
    let head = |texts: Vec<&str>| {
        let cells: Vec<String> = texts.iter().map(|text| format!("{:<cell$}", fit(text, cell))).collect();
        format!("{:<name$}  {}", "", cells.join("  ")).trim_end().to_owned()
    };
    if cell == 1 {
        // No room for the regions above one sign: they stand in front.
        for (number, (region, scope)) in group.columns.iter().enumerate() {
            let place = if scope.is_empty() { region.clone() } else { format!("{region}/{scope}") };
            cx.out.line(paint.bold(&fit(&format!("{}: {place}", number + 1), room)));
        }
    } else {
        cx.out.line(paint.bold(&head(group.columns.iter().map(|(region, _)| region.as_str()).collect())));
        if group.columns.iter().any(|(_, scope)| !scope.is_empty()) {
            cx.out.line(paint.dim(&head(group.columns.iter().map(|(_, scope)| scope.as_str()).collect())));
        }
    }
    for (label, cells) in &rows {
        let mut line = format!("{:<name$}", fit(label, name));
        for word in cells {
            let text = match (word, cell) {
                (None, _) => String::new(),
                (Some(word), 1) => word.sign().to_owned(),
                (Some(word), _) => format!("{} {}", word.sign(), word.text()),
            };
            let pad = " ".repeat(cell.saturating_sub(text.chars().count()));
            let text = word.map_or(text.clone(), |word| word.painted(&text, paint));
            line.push_str(&format!("  {text}{pad}"));
        }
        cx.out.line(line.trim_end());
    }
}

/// The rows with what is said in each column; siblings (`public[0]`, `public[1]`) of which the same is said share one.
fn collapsed(group: &Group, words: &BTreeMap<Address, Word>) -> Vec<(String, Vec<Option<Word>>)> {
    let mut rows: Vec<(String, Vec<String>, Vec<Option<Word>>)> = Vec::new();
    for row in &group.rows {
        let word = |cell: &Option<String>| cell.as_ref().and_then(|address| words.get(address.as_str())).copied();
        let cells: Vec<Option<Word>> = row.cells.iter().map(word).collect();
        // Around the one key that it has.
        let (pattern, key) = match (row.label.split_once('['), row.label.matches('[').count()) {
            (Some((before, rest)), 1) => match rest.split_once(']') {
                Some((key, after)) => (format!("{before}[\0]{after}"), Some(key.to_owned())),
                None => (row.label.clone(), None),
            },
            _ => (row.label.clone(), None),
        };
        match rows.iter_mut().find(|(known, _, same)| *known == pattern && *same == cells && key.is_some()) {
            Some((_, keys, _)) => keys.extend(key),
            None => rows.push((pattern, key.into_iter().collect(), cells)),
        }
    }
    rows.into_iter().map(|(pattern, keys, cells)| (pattern.replace('\0', &keys.join(",")), cells)).collect()
}

fn totals(cx: &mut Context<'_, '_>, state: &State, words: &BTreeMap<Address, Word>, nothing: bool) {
    let mut counts: BTreeMap<Word, usize> = BTreeMap::new();
    words.values().for_each(|word| *counts.entry(*word).or_default() += 1);
    let parts: Vec<_> = counts.iter().map(|(word, n)| format!("{n} {}", word.text())).collect();
    if !nothing {
        cx.out.line("");
        let total = format!("{}: {}", plural(words.len(), "resource"), parts.join(", "));
        cx.out.para("", &total, Paint::plain);
    }
    let old: usize = state.resources.values().map(|record| record.deposed.len()).sum();
    if old > 0 {
        let words = match old {
            1 => "1 copy that was replaced still exists; the next deploy deletes it".to_owned(),
            n => format!("{n} copies that were replaced still exist; the next deploy deletes them"),
        };
        cx.out.para("", &words, Paint::plain);
    }
    let health: serde_json::Map<_, _> = counts.iter().map(|(word, n)| (word.text().to_owned(), (*n).into())).collect();
    cx.tell("health", health);
    cx.tell("replaced_copies", old);
}
