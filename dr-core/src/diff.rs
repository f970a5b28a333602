//! What changed between the arguments that a resource has and those that the program gives it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::resource::Schema;
use crate::value::{self, Value};

/// One changed argument.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The input's name; `tags.<key>` for a tag.
    pub field: String,
    /// What it is; absent when it was not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What it will be, with references where that is known only after another step; absent when it is no longer set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
    /// Whether it cannot change in place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replace: bool,
}

/// The changed arguments in the order of the type's declaration.
///
/// An argument that is absent and one that is null are equal. A value with an open reference counts as changed: the
/// resource it refers to is new, so its outputs are too.
pub(crate) fn inputs(schema: &Schema, old: &Value, new: &Value) -> Vec<Change> {
    let get = |value: &Value, field: &str| value.get(field).filter(|value| !value.is_null()).cloned();
    let mut changes = Vec::new();
    for field in schema.fields {
        let (old, new) = (get(old, field.name), get(new, field.name));
        if !equal(old.as_ref(), new.as_ref()) {
            changes.push(Change { field: field.name.to_owned(), old, new, replace: field.replace });
        }
    }
    changes
}

/// Equality of arguments: nested absent and null are equal as well, and so are an empty list and none.
fn equal(a: Option<&Value>, b: Option<&Value>) -> bool {
    let void = |value: Option<&Value>| match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(entries)) => entries.is_empty(),
        Some(_) => false,
    };
    match (a, b) {
        (a, b) if void(a) && void(b) => true,
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(Some(a), Some(b)))
        }
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            a.keys().chain(b.keys()).all(|key| equal(a.get(key), b.get(key)))
        }
        (a, b) => a == b,
    }
}

/// The changed tags.
pub(crate) fn tags(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<Change> {
    let mut changes = Vec::new();
    for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
        let (old, new) = (old.get(key), new.get(key));
        if old != new {
            let value = |text: Option<&String>| text.map(|text| Value::from(text.clone()));
            changes.push(Change { field: format!("tags.{key}"), old: value(old), new: value(new), replace: false });
        }
    }
    changes
}

impl Change {
    /// The old value as people read it.
    pub(crate) fn shown_old(&self) -> String {
        self.old.as_ref().map_or_else(|| "(unset)".to_owned(), value::display)
    }

    /// The new value as people read it; one that is known only after another step says so.
    pub(crate) fn shown_new(&self) -> String {
        match &self.new {
            None => "(unset)".to_owned(),
            Some(new) => {
                let mut open = false;
                value::references(new, &mut |_| open = true);
                if open { "(known after create)".to_owned() } else { value::display(new) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::{Field, Kind, Need, Replacement};

    const SCHEMA: Schema = Schema {
        type_name: "test.thing",
        kind: Kind::Managed,
        fields: &[
            Field { name: "size", replace: false, holds: false, need: Need::Ready },
            Field { name: "cidr", replace: true, holds: false, need: Need::Ready },
        ],
        outputs: &["id"],
        global: false,
        replacement: Replacement::CreateFirst,
        create_s: 1.0,
        delete_s: 1.0,
        settle_s: 0.0,
    };

    #[test]
    fn absent_null_and_empty_are_equal() {
        assert_eq!(inputs(&SCHEMA, &json!({"size": null}), &json!({"cidr": []})), []);
        let nested = json!({"size": {"a": 1, "b": null}});
        assert_eq!(inputs(&SCHEMA, &nested, &json!({"size": {"a": 1}})), []);
    }

    #[test]
    fn an_open_reference_is_a_change_and_says_when_it_is_known() {
        let changes = inputs(&SCHEMA, &json!({"cidr": "a"}), &json!({"cidr": {"$ref": "global/x#id"}}));
        assert_eq!(changes.len(), 1);
        assert!(changes[0].replace);
        assert_eq!(changes[0].shown_new(), "(known after create)");
    }

    #[test]
    fn tags_are_compared_by_key() {
        let old = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
        let new = BTreeMap::from([("b".to_owned(), "3".to_owned()), ("c".to_owned(), "4".to_owned())]);
        let fields: Vec<_> = tags(&old, &new).into_iter().map(|change| change.field).collect();
        assert_eq!(fields, ["tags.a", "tags.b", "tags.c"]);
    }
}
