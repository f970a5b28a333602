//! Policy documents: compared as JSON, since IAM gives them back in its own spelling.

use dr_core::Problems;
use serde_json::Value;

/// The document as IAM answers it: URL-encoded (RFC 3986).
pub(super) fn decode(document: &str) -> String {
    let mut bytes = Vec::with_capacity(document.len());
    let mut rest = document.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [a, b, ..]) => std::str::from_utf8(&[*a, *b]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok()),
            _ => None,
        };
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The wanted text when it says the same as the observed one, else the observed one.
pub(super) fn as_wanted(observed: String, wanted: Option<&String>) -> String {
    match wanted {
        Some(wanted) if same(wanted, &observed) => wanted.clone(),
        _ => observed,
    }
}

fn same(a: &str, b: &str) -> bool {
    let parse = |text| serde_json::from_str(text).ok().map(canonical);
    match (parse(a), parse(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// A list of one is the same as its element, and lists of texts are sets.
fn canonical(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<_> = items.into_iter().map(canonical).collect();
            if items.iter().all(Value::is_string) {
                items.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            }
            if items.len() == 1 { items.remove(0) } else { Value::Array(items) }
        }
        Value::Object(entries) => entries.into_iter().map(|(key, value)| (key, canonical(value))).collect(),
        value => value,
    }
}

pub(super) fn check(field: &str, document: Option<&String>, problems: &mut Problems) {
    if let Some(Err(error)) = document.map(|text| serde_json::from_str::<Value>(text)) {
        problems.report(field, format_args!("it is no JSON: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_comes_back_url_encoded() {
        assert_eq!(decode("%7B%22a%22%3A%20%22%C3%A9%22%7D"), r#"{"a": "é"}"#);
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz"), "%zz");
    }

    #[test]
    fn another_spelling_is_the_same_document() {
        let wanted = r#"{"Statement":[{"Action":"sts:AssumeRole","Principal":{"Service":["ec2.amazonaws.com"]}}]}"#;
        let observed =
            r#"{ "Statement": {"Principal": {"Service": "ec2.amazonaws.com"}, "Action": ["sts:AssumeRole"]} }"#;
        assert_eq!(as_wanted(observed.to_owned(), Some(&wanted.to_owned())), wanted);
        let other = r#"{"Statement":[{"Action":"sts:AssumeRole","Principal":{"Service":["ecs.amazonaws.com"]}}]}"#;
        assert_eq!(as_wanted(other.to_owned(), Some(&wanted.to_owned())), other);
        assert!(same(r#"{"Action":["b","a"]}"#, r#"{"Action":["a","b"]}"#));
        assert!(!same(r#"{"Action":["b","a"]}"#, r#"{"Action":["a"]}"#));
    }
}
