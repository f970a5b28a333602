//! Values of a program before they are known: inputs, outputs, assembled texts, secrets.
//!
//! A deferred value is data, not a closure: a plan can print `${us-east-1/site.domain}`, be saved and be compared.

mod secret;
mod text;

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::address::Address;

use secret::DIGEST;
pub(crate) use secret::{SECRET, Secrets};
pub use secret::{Secret, mask};
pub use text::{IntoText, Text, assert_holes};

/// Erased values: what a typed input or output is once it is data.
///
/// Objects with one of the reserved keys stand for what is not known yet: `{"$ref": "us-east-1/net.vpc#id"}`,
/// `{"$text": ["https://", {"$ref": …}]}`, `{"$secret": "label", "sha256": "…"}`.
pub type Value = serde_json::Value;

/// Marks an [`Output`] inside an encoded value until the builder replaces it by a `$ref`.
const OUT: &str = "$out";
/// A reference to an output: address, `#`, field, and an index when one element of a list is meant.
pub(crate) const REF: &str = "$ref";
/// A text assembled from known pieces and references.
pub(crate) const TEXT: &str = "$text";

/// The node and the build that an output belongs to; an output of another program is noticed when it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    pub(crate) build: u32,
    pub(crate) node: u32,
}

/// A value that a resource will have once it exists; `Copy`, so it can be wired to any number of inputs.
pub struct Output<T> {
    origin: Origin,
    field: &'static str,
    index: Option<u32>,
    // Only names a type: an output of a `!Send` type can still be sent.
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Output<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Output<T> {}

impl<T> fmt::Debug for Output<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "output `{}` of node {}", self.field, self.origin.node)
    }
}

impl<T> Output<T> {
    /// The output `field` of the node; called by the derive, with the field's name in the outputs type.
    #[must_use]
    pub fn of(origin: Origin, field: &'static str) -> Self {
        Output { origin, field, index: None, of: PhantomData }
    }

    /// The same value as a text, for an id that another type of input takes; the value must serialise as a text.
    #[must_use]
    pub fn text(self) -> Output<String> {
        Output { origin: self.origin, field: self.field, index: self.index, of: PhantomData }
    }

    /// The node that this is an output of.
    #[must_use]
    pub fn origin(self) -> Origin {
        self.origin
    }
}

impl<T> Output<Vec<T>> {
    /// One element of the list, counted from 0. A list that turns out shorter fails the step that needs the element.
    #[must_use]
    pub fn at(self, index: u32) -> Output<T> {
        Output { origin: self.origin, field: self.field, index: Some(index), of: PhantomData }
    }
}

impl<T> Serialize for Output<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(OUT, (self.origin.build, self.origin.node, self.field, self.index))])
    }
}

/// What a resource is given: a value known when the program runs, or an output of another resource.
#[derive(Debug, Clone)]
pub struct Input<T>(Source<T>);

#[derive(Debug, Clone)]
enum Source<T> {
    Known(T),
    Deferred(Output<T>),
    Assembled(Text),
}

impl<T> Input<T> {
    /// A value that is known now.
    pub fn known(value: T) -> Self {
        Input(Source::Known(value))
    }

    /// The value, when it is known while the program runs; `None` for outputs and assembled texts.
    #[must_use]
    pub fn as_known(&self) -> Option<&T> {
        match &self.0 {
            Source::Known(value) => Some(value),
            Source::Deferred(_) | Source::Assembled(_) => None,
        }
    }
}

impl<T: Serialize> Serialize for Input<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Source::Known(value) => value.serialize(serializer),
            Source::Deferred(output) => output.serialize(serializer),
            Source::Assembled(text) => text.serialize(serializer),
        }
    }
}

/// What can be given as an input of type `T`: a `T`, an [`Output`] of `T`, or an [`Input`] handed on.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be wired to an input of type `{T}`",
    label = "expected a `{T}` or an output of that type",
    note = "the region is part of the type: a value of one region cannot be wired into another"
)]
pub trait IntoInput<T> {
    /// The input.
    fn into_input(self) -> Input<T>;
}

impl<T> IntoInput<T> for T {
    fn into_input(self) -> Input<T> {
        Input(Source::Known(self))
    }
}

impl<T> IntoInput<T> for Output<T> {
    fn into_input(self) -> Input<T> {
        Input(Source::Deferred(self))
    }
}

impl<T> IntoInput<T> for Input<T> {
    fn into_input(self) -> Input<T> {
        self
    }
}

impl IntoInput<String> for &str {
    fn into_input(self) -> Input<String> {
        Input(Source::Known(self.to_owned()))
    }
}

impl IntoInput<String> for Text {
    fn into_input(self) -> Input<String> {
        Input(Source::Assembled(self))
    }
}

/// Collects the fields of a resource while it is erased, and keeps secrets apart.
#[derive(Debug, Default)]
pub struct Encoder {
    fields: serde_json::Map<String, Value>,
    secrets: Secrets,
}

/// Why a resource cannot be turned into data.
#[derive(Debug, thiserror::Error)]
#[error("`{field}` cannot be encoded")]
pub struct EncodeError {
    field: &'static str,
    source: serde_json::Error,
}

impl Encoder {
    /// Adds a field; the derive calls this once for each.
    ///
    /// # Errors
    /// The value's `Serialize` failed, or uses a key that starts with `$`.
    pub fn field<T: Encode + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), EncodeError> {
        let value = value.encode(self).map_err(|source| EncodeError { field: name, source })?;
        self.fields.insert(name.to_owned(), value);
        Ok(())
    }

    pub(crate) fn finish(self) -> (Value, Secrets) {
        (Value::Object(self.fields), self.secrets)
    }
}

/// What can be a field of a resource: everything that serialises, and [`Secret`], which does not.
pub trait Encode {
    /// The value as data.
    ///
    /// # Errors
    /// The value's `Serialize` failed.
    fn encode(&self, encoder: &mut Encoder) -> Result<Value, serde_json::Error>;
}

impl<T: Serialize + ?Sized> Encode for T {
    fn encode(&self, _: &mut Encoder) -> Result<Value, serde_json::Error> {
        serde_json::to_value(self)
    }
}

/// A reference to an output, once the program is data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference<'v> {
    /// The address of the resource.
    pub address: &'v str,
    /// The name of the output.
    pub field: &'v str,
    /// One element of a list, from 0.
    pub index: Option<u32>,
}

impl<'v> Reference<'v> {
    fn parse(text: &'v str) -> Option<Self> {
        let (address, field) = text.rsplit_once('#')?;
        let (field, index) = match field.strip_suffix(']').and_then(|f| f.split_once('[')) {
            Some((field, index)) => (field, Some(index.parse().ok()?)),
            None => (field, None),
        };
        Some(Reference { address, field, index })
    }

    /// The referenced value in the outputs of the resource.
    #[must_use]
    pub fn select<'o>(&self, outputs: &'o Value) -> Option<&'o Value> {
        let value = outputs.get(self.field)?;
        match self.index {
            Some(index) => value.get(index as usize),
            None => Some(value),
        }
    }
}

/// How an encoded value is walked: what stands at a place that is not plain data.
enum Shape<'v> {
    Out(u32, u32, &'v str, Option<u32>),
    Ref(Reference<'v>),
    Text(&'v [Value]),
    Secret(&'v str, &'v str),
    Plain,
}

fn shape(object: &serde_json::Map<String, Value>) -> Shape<'_> {
    let Some((key, value)) = object.iter().next() else { return Shape::Plain };
    match (key.as_str(), value) {
        (OUT, Value::Array(parts)) => match parts.as_slice() {
            [build, node, Value::String(field), index] => Shape::Out(
                build.as_u64().unwrap_or_default() as u32,
                node.as_u64().unwrap_or_default() as u32,
                field,
                index.as_u64().map(|index| index as u32),
            ),
            _ => Shape::Plain,
        },
        (REF, Value::String(text)) => Reference::parse(text).map_or(Shape::Plain, Shape::Ref),
        (TEXT, Value::Array(pieces)) => Shape::Text(pieces),
        (SECRET, Value::String(label)) => {
            Shape::Secret(label, object.get(DIGEST).and_then(Value::as_str).unwrap_or_default())
        }
        _ => Shape::Plain,
    }
}

/// Replaces each encoded output by a reference, telling `link` the node behind it and getting its address back.
pub(crate) fn link(value: &mut Value, link: &mut dyn FnMut(Origin) -> Option<Address>) -> Result<(), String> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| self::link(item, link)),
        Value::Object(object) => match shape(object) {
            Shape::Out(build, node, field, index) => {
                let address = link(Origin { build, node })
                    .ok_or_else(|| format!("the output `{field}` belongs to another program"))?;
                let text = match index {
                    Some(index) => format!("{address}#{field}[{index}]"),
                    None => format!("{address}#{field}"),
                };
                object.clear();
                object.insert(REF.to_owned(), text.into());
                Ok(())
            }
            Shape::Text(_) => match object.get_mut(TEXT) {
                Some(pieces) => self::link(pieces, link),
                None => Ok(()),
            },
            Shape::Secret(..) => Ok(()),
            // Made by this function only: there is none before it.
            Shape::Ref(_) => Err(format!("the key `{REF}` starts with `$`, which is reserved")),
            Shape::Plain => {
                if let Some(key) = object.keys().find(|key| key.starts_with('$')) {
                    return Err(format!("the key `{key}` starts with `$`, which is reserved"));
                }
                object.values_mut().try_for_each(|item| self::link(item, link))
            }
        },
        _ => Ok(()),
    }
}

/// Calls `visit` for each reference inside the value.
pub fn references<'v>(value: &'v Value, visit: &mut dyn FnMut(Reference<'v>)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| references(item, visit)),
        Value::Object(object) => match shape(object) {
            Shape::Ref(reference) => visit(reference),
            Shape::Text(pieces) => pieces.iter().for_each(|piece| references(piece, visit)),
            Shape::Secret(..) | Shape::Out(..) => {}
            Shape::Plain => object.values().for_each(|item| references(item, visit)),
        },
        _ => {}
    }
}

/// Calls `visit` for each text inside the value that is not empty.
pub(crate) fn texts<'v>(value: &'v Value, visit: &mut dyn FnMut(&'v str)) {
    match value {
        Value::String(text) if !text.is_empty() => visit(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, visit)),
        Value::Object(entries) => entries.values().for_each(|item| texts(item, visit)),
        _ => {}
    }
}

/// The value as JSON without spaces and with sorted keys: the same text for equal values, whatever order their maps keep.
#[must_use]
pub fn canonical(value: &Value) -> String {
    fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        match value {
            Value::Array(items) => {
                out.push(b'[');
                for (number, item) in items.iter().enumerate() {
                    if number > 0 {
                        out.push(b',');
                    }
                    write(item, out)?;
                }
                out.push(b']');
            }
            Value::Object(entries) => {
                let mut entries: Vec<_> = entries.iter().collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                out.push(b'{');
                for (number, (key, item)) in entries.into_iter().enumerate() {
                    if number > 0 {
                        out.push(b',');
                    }
                    serde_json::to_writer(&mut *out, key)?;
                    out.push(b':');
                    write(item, out)?;
                }
                out.push(b'}');
            }
            scalar => serde_json::to_writer(out, scalar)?,
        }
        Ok(())
    }
    let mut out = Vec::new();
    write(value, &mut out).expect("a value is JSON, and memory takes every byte");
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// Replaces references by what `known` answers for them; those it does not know stay, and the result tells whether any did.
#[must_use]
pub fn resolve<'k>(value: &Value, known: &dyn Fn(&Reference<'_>) -> Option<&'k Value>) -> (Value, bool) {
    match value {
        Value::Array(items) => {
            let mut complete = true;
            let items = items.iter().map(|item| {
                let (item, known) = resolve(item, known);
                complete &= known;
                item
            });
            (Value::Array(items.collect()), complete)
        }
        Value::Object(object) => match shape(object) {
            Shape::Ref(reference) => known(&reference).map_or_else(|| (value.clone(), false), |v| (v.clone(), true)),
            Shape::Text(pieces) => resolve_text(value, pieces, known),
            Shape::Secret(..) | Shape::Out(..) => (value.clone(), true),
            Shape::Plain => {
                let mut complete = true;
                let entries = object.iter().map(|(key, item)| {
                    let (item, known) = resolve(item, known);
                    complete &= known;
                    (key.clone(), item)
                });
                (Value::Object(entries.collect()), complete)
            }
        },
        plain => (plain.clone(), true),
    }
}

fn resolve_text<'k>(
    whole: &Value,
    pieces: &[Value],
    known: &dyn Fn(&Reference<'_>) -> Option<&'k Value>,
) -> (Value, bool) {
    let mut text = String::new();
    for piece in pieces {
        match resolve(piece, known) {
            (Value::String(piece), true) => text.push_str(&piece),
            (piece, true) => text.push_str(&piece.to_string()),
            (_, false) => return (whole.clone(), false),
        }
    }
    (Value::String(text), true)
}

/// Puts the secrets of the running program in the place of their digests; a digest without its secret is an error.
pub(crate) fn reveal(value: &mut Value, secret: &dyn Fn(&str) -> Option<Value>) -> Result<(), String> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| reveal(item, secret)),
        Value::Object(object) => {
            if let Shape::Secret(label, digest) = shape(object) {
                let revealed = secret(digest)
                    .ok_or_else(|| format!("the secret `{label}` is not the one that the plan was made with"))?;
                object.insert("value".to_owned(), revealed);
                return Ok(());
            }
            object.values_mut().try_for_each(|item| reveal(item, secret))
        }
        _ => Ok(()),
    }
}

/// A value as people read it: references as `${address.field}`, secrets masked.
pub(crate) fn display(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(display).collect::<Vec<_>>().join(", ")),
        Value::Object(object) => match shape(object) {
            Shape::Ref(Reference { address, field, index }) => match index {
                Some(index) => format!("${{{address}.{field}[{index}]}}"),
                None => format!("${{{address}.{field}}}"),
            },
            Shape::Text(pieces) => pieces.iter().map(display).collect(),
            Shape::Secret(label, _) => format!("(secret {label})"),
            Shape::Out(..) | Shape::Plain => {
                let entries = object.iter().map(|(key, item)| format!("{key}: {}", display(item)));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
        },
        plain => plain.to_string(),
    }
}

/// Reads a value that is there, be it null: a resource without outputs has the outputs null, which is not "none yet".
pub(crate) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Decodes the arguments or outputs of a resource, with the place of the error in the message.
pub(crate) fn decode<T: DeserializeOwned>(value: Value, what: &str) -> Result<T, serde_json::Error> {
    serde_json::from_value(value).map_err(|error| serde_json::Error::custom(format!("{what}: {error}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn linked(value: impl Serialize) -> Value {
        let mut value = serde_json::to_value(value).unwrap();
        link(&mut value, &mut |origin| {
            (origin.build == 1).then(|| format!("global/n{}", origin.node).parse().unwrap())
        })
        .unwrap();
        value
    }

    fn output(node: u32) -> Output<String> {
        Output::of(Origin { build: 1, node }, "id")
    }

    #[test]
    fn data_that_looks_like_a_reference_is_refused_and_not_followed() {
        let mut schema = serde_json::json!({"body": {"$ref": "components/schemas#Pet"}});
        let error = link(&mut schema, &mut |_| None).unwrap_err();
        assert_eq!(error, "the key `$ref` starts with `$`, which is reserved");
    }

    #[test]
    fn the_canonical_text_does_not_depend_on_the_order_of_keys() {
        let one: Value = serde_json::from_str(r#"{"a": {"x": 1, "y": [true, null]}, "b": "t\"ext"}"#).unwrap();
        let other: Value = serde_json::from_str(r#"{"b": "t\"ext", "a": {"y": [true, null], "x": 1}}"#).unwrap();
        assert_eq!(canonical(&one), r#"{"a":{"x":1,"y":[true,null]},"b":"t\"ext"}"#);
        assert_eq!(canonical(&one), canonical(&other));
        assert_ne!(canonical(&json!([1, 2])), canonical(&json!([2, 1])));
    }

    #[test]
    fn an_output_becomes_a_reference_and_then_its_value() {
        let value = linked(json!({"vpc": output(3), "list": [output(4)], "plain": 1}));
        assert_eq!(value, json!({"vpc": {"$ref": "global/n3#id"}, "list": [{"$ref": "global/n4#id"}], "plain": 1}));
        let outputs = json!({"id": "vpc-1"});
        let known = |r: &Reference<'_>| (r.address == "global/n3").then(|| r.select(&outputs)).flatten();
        let (resolved, complete) = resolve(&value, &known);
        assert_eq!(resolved, json!({"vpc": "vpc-1", "list": [{"$ref": "global/n4#id"}], "plain": 1}));
        assert!(!complete);
    }

    #[test]
    fn a_text_resolves_when_all_its_pieces_do() {
        let value = linked(IntoInput::<String>::into_input(crate::text!("https://{}:{}/", output(3), 443_u16)));
        assert_eq!(display(&value), "https://${global/n3.id}:443/");
        let outputs = json!({"id": "api"});
        assert_eq!(resolve(&value, &|r| r.select(&outputs)), (json!("https://api:443/"), true));
        assert_eq!(resolve(&value, &|_| None), (value.clone(), false));
    }

    #[test]
    fn an_output_of_another_build_is_refused() {
        let mut value = serde_json::to_value(output(1)).unwrap();
        assert!(link(&mut value, &mut |_| None).unwrap_err().contains("another program"));
    }

    #[test]
    fn reserved_keys_in_data_are_refused() {
        assert!(link(&mut json!({"a": {"$x": 1}}), &mut |_| None).unwrap_err().contains("`$x`"));
    }

    #[test]
    fn a_secret_is_masked_everywhere_and_revealed_only_on_purpose() {
        let mut encoder = Encoder::default();
        encoder.field("password", &Secret::new("db", "hunter2")).unwrap();
        let (mut value, secrets) = encoder.finish();
        assert!(!value.to_string().contains("hunter2"));
        assert_eq!(display(&value), "{password: (secret db)}");
        reveal(&mut value, &|digest| secrets.0.get(digest).cloned()).unwrap();
        let secret: Secret<String> = serde_json::from_value(value["password"].clone()).unwrap();
        assert_eq!((secret.expose().unwrap().as_str(), format!("{secret:?}").as_str()), ("hunter2", "(secret db)"));
        let again = mask(&secret, serde_json::value::Serializer).unwrap();
        assert_eq!(display(&again), "(secret db)");
    }

    #[test]
    fn one_element_of_a_list_can_be_wired() {
        let zones: Output<Vec<String>> = Output::of(Origin { build: 1, node: 0 }, "names");
        let value = linked(zones.at(1));
        let outputs = json!({"names": ["a", "b"]});
        assert_eq!(resolve(&value, &|r| r.select(&outputs)), (json!("b"), true));
    }
}
