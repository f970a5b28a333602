//! The evidence of a drill: one JSON document with the prediction that was made before, everything that was seen, and the verdict.
//!
//! The same drill of the same world gives the same bytes: all times are those of the simulated clock. Its parts are chained. Each
//! digest is the SHA-256, in hexadecimal, of the digest before it, a line feed, and a part as JSON without spaces and with sorted
//! keys:
//!
//! | part | its digest | the one before |
//! |---|---|---|
//! | everything before `prediction_sha256`, as one object | – | none: an empty text |
//! | `prediction` | `prediction_sha256` | that of the part before |
//! | each observation, without `sha256` | its `sha256` | that of the one before it, `prediction_sha256` for the first |
//! | `review` | `sha256` | that of the last observation |
//!
//! So nothing in it can be changed afterwards without changing `sha256`. Whoever can write the file can compute that anew: keep the
//! digests that the drill prints somewhere else.

use std::fs;
use std::io;
use std::path::Path;

use dr_core::value::{self, Value};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::watch::Observation;

/// The version of the document.
const FORMAT: u32 = 1;

/// The digest of a part that follows another one.
pub(crate) fn link(before: &str, part: &Value) -> String {
    let digest = Sha256::new().chain_update(before).chain_update("\n").chain_update(value::canonical(part)).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The document as it is before anything is broken: without observations and verdict.
pub(crate) fn announced(header: &Value, prediction: &Value) -> Value {
    let mut document = json!({"format": FORMAT, "kind": "dr drill"});
    if let (Value::Object(document), Value::Object(header)) = (&mut document, header) {
        document.extend(header.clone());
    }
    let digest = link(&link("", &document), prediction);
    document["prediction_sha256"] = digest.into();
    document["prediction"] = prediction.clone();
    document
}

/// The document with what was seen and what came of it.
pub(crate) fn complete(mut document: Value, seen: &[Observation], review: &Value) -> Value {
    let mut last = document["prediction_sha256"].as_str().unwrap_or_default().to_owned();
    let mut observations = Vec::new();
    for observation in seen {
        let mut observation = json!(observation);
        last = link(&last, &observation);
        observation["sha256"] = last.as_str().into();
        observations.push(observation);
    }
    document["observations"] = observations.into();
    document["review"] = review.clone();
    document["sha256"] = link(&last, review).into();
    document
}

/// Writes a document, whole or not at all.
pub(crate) fn write(path: &Path, document: &Value) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".next");
    let next = path.with_file_name(name);
    fs::write(&next, format!("{document:#}\n"))?;
    fs::rename(&next, path)
}

/// An instant as RFC 3339, in UTC: `2026-01-01T00:06:21Z`.
pub(crate) fn date(unix_s: f64) -> String {
    jiff::Timestamp::from_second(unix_s as i64).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Sight;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let cases = [
            (0.0, "1970-01-01T00:00:00Z"),
            (951_782_400.0, "2000-02-29T00:00:00Z"),
            (1_767_225_599.9, "2025-12-31T23:59:59Z"),
            (1_767_225_981.4, "2026-01-01T00:06:21Z"),
        ];
        for (s, text) in cases {
            assert_eq!(date(s), text);
        }
    }

    #[test]
    fn a_part_that_is_changed_changes_the_last_digest() {
        let seen = |at_s: f64| vec![Observation { at_s, sight: Sight::Dns { region: None } }; 2];
        let digest_of = |actor: &str, prediction: Value, seen: &[Observation], review: Value| {
            let document = announced(&json!({"actor": actor}), &prediction);
            complete(document, seen, &review)["sha256"].as_str().unwrap().to_owned()
        };
        let digest = |prediction: Value, seen: &[Observation], review: Value| digest_of("ci", prediction, seen, review);
        let first = digest(json!({"a": 1, "b": [2]}), &seen(1.0), json!("passed"));
        assert_eq!(first, digest(json!({"b": [2], "a": 1}), &seen(1.0), json!("passed")), "the order of keys is none");
        assert_ne!(first, digest_of("me", json!({"a": 1, "b": [2]}), &seen(1.0), json!("passed")));
        assert_ne!(first, digest(json!({"a": 1, "b": [3]}), &seen(1.0), json!("passed")));
        assert_ne!(first, digest(json!({"a": 1, "b": [2]}), &seen(1.1), json!("passed")));
        assert_ne!(first, digest(json!({"a": 1, "b": [2]}), &seen(1.0), json!("failed")));
        assert_ne!(first, digest(json!({"a": 1, "b": [2]}), &seen(1.0)[1..], json!("passed")));
    }
}
