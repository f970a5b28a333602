//! What a world looks like when its ids, addresses and times are taken out: two worlds with equal pictures have the same objects,
//! wired in the same way.
//!
//! Ids are told from words by a vocabulary: a word occurs in every world of a program, an id in one. Objects get colours from
//! what they say and to whom they refer, refined in rounds (as in the Weisfeiler-Leman test of graph isomorphism), so that an
//! object too many, or one wired to another neighbour, shows.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use dr_sim::Cloud;
use serde_json::Value;

/// How often colours are refined: from an address over its NAT gateway and subnet to the VPC.
const ROUNDS: usize = 4;

/// The words that occur in every world.
#[derive(Debug, Clone)]
pub struct Vocabulary(BTreeSet<String>);

/// A world without ids.
#[derive(Debug, Clone)]
pub struct Picture {
    /// A colour for each object, sorted: it stands for the object and for its neighbourhood.
    colours: Vec<u64>,
    /// For people: each object, with the colour of its own text alone and the one above.
    objects: Vec<(u64, u64, String)>,
}

/// A text in parts.
enum Node {
    Leaf(u64),
    /// Words by hash, ids by number.
    Text(Vec<Part>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

enum Part {
    Word(u64),
    Id(usize),
}

/// Fields that say when something was, how often it was touched, or under which token it was asked for.
fn is_noise(key: &str) -> bool {
    const NOISE: [&str; 22] = [
        "rng",
        "jitter",
        "seed",
        "now_ms",
        "buckets",
        "tokens",
        "references",
        "zone_references",
        "check_references",
        "changes",
        "caller_reference",
        "version",
        "etag",
        "dr:generation",
        "public_addresses",
        "backends",
        "deleted",
        "serial",
        "leaving",
        "earlier",
        // What a stage served before, and what a health check was when it was asked for.
        "deployments",
        "requested",
    ];
    NOISE.contains(&key) || key.ends_with("_ms") || key.ends_with("_token") || key.ends_with("_at")
}

/// A text in parts, with whether each is a word; a UUID is one.
fn words(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let word = first.is_ascii_alphanumeric();
        let end = match rest.get(..36).filter(|head| is_uuid(head)) {
            Some(uuid) => uuid.len(),
            None => rest.find(|c: char| c.is_ascii_alphanumeric() != word).unwrap_or(rest.len()),
        };
        let (part, after) = rest.split_at(end);
        rest = after;
        Some((part, word))
    })
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn hash(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

fn is_ip(text: &str) -> bool {
    text.parse::<std::net::Ipv4Addr>().is_ok() || text.parse::<std::net::Ipv6Addr>().is_ok()
}

/// The world of a cloud as JSON.
fn world(cloud: &Cloud) -> Value {
    let mut saved: Value = serde_json::from_str(&cloud.save().unwrap()).unwrap();
    saved["world"].take()
}

impl Vocabulary {
    /// The words that all of these worlds have; worlds of different seeds have no id in common.
    pub fn of(worlds: &[&Cloud]) -> Self {
        let mut common: Option<BTreeSet<String>> = None;
        for cloud in worlds {
            let mut found = BTreeSet::new();
            collect(&world(cloud), &mut found);
            common = Some(match common {
                Some(common) => common.intersection(&found).cloned().collect(),
                None => found,
            });
        }
        Vocabulary(common.unwrap_or_default())
    }

    /// These words and those.
    pub fn and(mut self, other: Vocabulary) -> Self {
        self.0.extend(other.0);
        self
    }
}

fn collect(value: &Value, into: &mut BTreeSet<String>) {
    let mut text = |text: &str| into.extend(words(text).filter(|(_, word)| *word).map(|(part, _)| part.to_owned()));
    match value {
        Value::String(string) => text(string),
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Value::Object(map) => {
            map.keys().for_each(|key| text(key));
            map.values().for_each(|item| collect(item, into));
        }
        _ => {}
    }
}

struct Reader<'v> {
    words: &'v Vocabulary,
    ids: BTreeMap<String, usize>,
}

impl Reader<'_> {
    fn text(&mut self, text: &str) -> Node {
        if is_ip(text) {
            return Node::Leaf(hash("address"));
        }
        // The numbers in the names of name servers are short and drawn for each zone.
        if text.contains(".awsdns-") {
            return Node::Leaf(hash("name server"));
        }
        // Where there are no tags the generation stands at the end of a name or a description.
        let text = match text.rsplit_once('#') {
            Some((owner, generation)) if generation.bytes().all(|byte| byte.is_ascii_digit()) => owner,
            _ => text,
        };
        let mut parts = Vec::new();
        for (part, word) in words(text) {
            if !word || self.words.0.contains(part) {
                parts.push(Part::Word(hash(part)));
            } else {
                let next = self.ids.len();
                parts.push(Part::Id(*self.ids.entry(part.to_owned()).or_insert(next)));
            }
        }
        Node::Text(parts)
    }

    fn node(&mut self, value: &Value) -> Node {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => Node::List(items.iter().map(|item| self.node(item)).collect()),
            // A tag in a list of pairs.
            Value::Object(map) if map.get("key").and_then(Value::as_str).is_some_and(is_noise) => Node::Leaf(41),
            Value::Object(map) => {
                let kept = map.iter().filter(|(key, _)| !is_noise(key));
                Node::Map(kept.map(|(key, item)| (self.text(key), self.node(item))).collect())
            }
            // Milliseconds since the epoch.
            Value::Number(number) if number.as_u64().is_some_and(|number| number > 1_000_000_000_000) => Node::Leaf(43),
            other => Node::Leaf(hash(other.to_string())),
        }
    }

    /// Whether a map is one from ids to objects.
    fn is_collection(&self, map: &serde_json::Map<String, Value>) -> bool {
        map.iter().any(|(key, _)| !is_noise(key) && words(key).any(|(part, word)| word && !self.words.0.contains(part)))
    }
}

/// The objects of a world with the path to each: entries of maps that have ids as keys, elements of lists outside of those,
/// and single values.
fn objects<'w>(
    reader: &Reader<'_>,
    path: &str,
    value: &'w Value,
    into: &mut Vec<(String, Option<&'w str>, &'w Value)>,
) {
    match value {
        Value::Object(map) if reader.is_collection(map) => {
            map.iter()
                .filter(|(key, _)| !is_noise(key))
                .for_each(|(key, item)| into.push((path.to_owned(), Some(key), item)));
        }
        Value::Object(map) => {
            for (key, item) in map.iter().filter(|(key, _)| !is_noise(key)) {
                objects(reader, &format!("{path}/{key}"), item, into);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| into.push((path.to_owned(), None, item))),
        _ => into.push((path.to_owned(), None, value)),
    }
}

/// The hash of a node under the colours of the ids. The order of lists and maps does not matter.
fn colour(node: &Node, colours: &[u64]) -> u64 {
    match node {
        Node::Leaf(leaf) => *leaf,
        Node::Text(parts) => parts.iter().fold(3, |all, part| {
            let part = match part {
                Part::Word(word) => *word,
                Part::Id(id) => colours[*id],
            };
            mix(all, part)
        }),
        Node::List(items) => mix(5, items.iter().fold(0, |all, item| all.wrapping_add(mix(1, colour(item, colours))))),
        Node::Map(entries) => mix(
            7,
            entries
                .iter()
                .fold(0, |all, (key, item)| all.wrapping_add(mix(colour(key, colours), colour(item, colours)))),
        ),
    }
}

fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.rotate_left(23).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 31)
}

/// Calls `seen` for each id in a node with a hash of where in the node it is.
fn ids(node: &Node, place: u64, seen: &mut impl FnMut(usize, u64)) {
    match node {
        Node::Leaf(_) => {}
        Node::Text(parts) => {
            for (at, part) in parts.iter().enumerate() {
                if let Part::Id(id) = part {
                    seen(*id, mix(place, at as u64));
                }
            }
        }
        Node::List(items) => items.iter().for_each(|item| ids(item, mix(place, 11), seen)),
        Node::Map(entries) => {
            for (key, item) in entries {
                ids(key, mix(place, 13), seen);
                // An id as a key has no colour of its own yet; a word says where we are.
                let step = match key {
                    Node::Text(parts) => parts.iter().fold(17, |all, part| match part {
                        Part::Word(word) => mix(all, *word),
                        Part::Id(_) => mix(all, 19),
                    }),
                    _ => 23,
                };
                ids(item, mix(place, step), seen);
            }
        }
    }
}

impl Picture {
    pub fn of(cloud: &Cloud, words: &Vocabulary) -> Self {
        let world = world(cloud);
        let mut reader = Reader { words, ids: BTreeMap::new() };
        let mut found = Vec::new();
        objects(&reader, "", &world, &mut found);
        let nodes: Vec<Node> = found
            .iter()
            .map(|(path, key, item)| {
                let key = key.map_or(Node::Leaf(0), |key| reader.text(key));
                Node::Map(vec![(Node::Leaf(hash(path)), Node::List(vec![key, reader.node(item)]))])
            })
            .collect();
        let mut of_ids = vec![29_u64; reader.ids.len()];
        let first: Vec<u64> = nodes.iter().map(|node| colour(node, &of_ids)).collect();
        let mut last = first.clone();
        for _ in 0..ROUNDS {
            let mut next: Vec<u64> = of_ids.iter().map(|id| mix(*id, 31)).collect();
            for (node, of_node) in nodes.iter().zip(&last) {
                ids(node, 37, &mut |id, place| next[id] = next[id].wrapping_add(mix(place, *of_node)));
            }
            of_ids = next;
            last = nodes.iter().map(|node| colour(node, &of_ids)).collect();
        }
        let text =
            |(path, key, item): &(String, Option<&str>, &Value)| format!("{path} {} {item}", key.unwrap_or_default());
        let objects = first.into_iter().zip(last.iter().copied()).zip(&found);
        let objects = objects.map(|((first, last), object)| (first, last, text(object))).collect();
        last.sort_unstable();
        Picture { colours: last, objects }
    }

    pub fn len(&self) -> usize {
        self.colours.len()
    }

    /// The objects that this world has and the other has not: by their own texts if those differ, or else by their
    /// neighbourhoods.
    fn beyond(&self, other: &Picture) -> Vec<&str> {
        let by = |colour: fn(&(u64, u64, String)) -> u64| {
            let mut theirs: BTreeMap<u64, usize> = BTreeMap::new();
            other.objects.iter().for_each(|object| *theirs.entry(colour(object)).or_default() += 1);
            let extra =
                self.objects.iter().filter(|object| match theirs.get_mut(&colour(object)).filter(|n| **n > 0) {
                    Some(n) => {
                        *n -= 1;
                        false
                    }
                    None => true,
                });
            extra.map(|object| object.2.as_str()).collect::<Vec<_>>()
        };
        let differing = by(|object| object.0);
        if differing.is_empty() && self.len() <= other.len() { by(|object| object.1) } else { differing }
    }

    /// Whether the worlds are equal, or where they differ.
    pub fn compare(&self, expected: &Picture) -> Result<(), String> {
        if self.colours == expected.colours {
            return Ok(());
        }
        let (more, less) = (self.beyond(expected), expected.beyond(self));
        // Of an object on both sides, from a little before the place where they part.
        let from = |text: &str, others: &[&str]| {
            let common = |other: &&str| text.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
            others.iter().map(common).max().filter(|common| *common > 200).map_or(0, |common| common - 100)
        };
        let show = |texts: &[&str], others: &[&str]| {
            let line = |text: &&str| format!("\n      {}", clip(text, from(text, others)));
            texts.iter().take(8).map(line).collect::<String>()
        };
        let (n, m) = (self.len(), expected.len());
        Err(format!("{n} objects instead of {m}\n    here:{}\n    expected:{}", show(&more, &less), show(&less, &more)))
    }
}

/// At most 600 characters of a text, and what it begins with when they do not.
fn clip(text: &str, from: usize) -> String {
    let head: String = if from == 0 { String::new() } else { text.chars().take(80).chain(" … ".chars()).collect() };
    let start = (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    head.chars().chain(text[start..].chars().take(600)).collect()
}
