//! Values that are never written.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::{Encode, Encoder, Value};

/// A secret: its label; beside it the digest by which a change is noticed.
pub(crate) const SECRET: &str = "$secret";
pub(super) const DIGEST: &str = "sha256";

/// A value that is never written: it has no `Serialize`, prints its label, and in state and plan only its digest appears.
///
/// The digest (salted with the label) is how a changed secret is noticed. Give it as the type of an input field.
///
/// ```compile_fail
/// fn written<T: serde::Serialize>(_: T) {}
/// written(dr_core::Secret::new("db password", "hunter2".to_owned()));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T> {
    label: String,
    digest: String,
    value: Option<T>,
}

impl<T: Serialize> Secret<T> {
    /// A secret with the label that stands for it wherever it would be printed.
    pub fn new(label: impl Into<String>, value: T) -> Self {
        let label = label.into();
        // A value that does not serialise is refused by `Encode`; until then its digest is that of nothing.
        let text = serde_json::to_string(&value).unwrap_or_default();
        let digest = Sha256::new().chain_update(&label).chain_update([0]).chain_update(text).finalize();
        let digest = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        Secret { label, digest, value: Some(value) }
    }
}

impl<T> Secret<T> {
    /// The value itself, for the call that needs it; `None` in the *prior* arguments of a resource, where only the digest
    /// was kept.
    pub fn expose(&self) -> Option<&T> {
        self.value.as_ref()
    }

    fn masked(&self) -> Value {
        let entries = [(SECRET.to_owned(), self.label.clone().into()), (DIGEST.to_owned(), self.digest.clone().into())];
        Value::Object(entries.into_iter().collect())
    }
}

/// Serialises a secret as its label and digest; what `#[derive(Resource)]` puts on the secret fields of the arguments.
///
/// # Errors
/// The serialiser's.
#[doc(hidden)]
pub fn mask<T, S: Serializer>(secret: &Secret<T>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.masked().serialize(serializer)
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(secret {})", self.label)
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(secret {})", self.label)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// A secret as it is written (masked), with the value beside it when the running program revealed it.
        #[derive(Deserialize)]
        struct Written<T> {
            #[serde(rename = "$secret")]
            label: String,
            sha256: String,
            value: Option<T>,
        }
        let Written { label, sha256, value } = Written::deserialize(deserializer)?;
        Ok(Secret { label, digest: sha256, value })
    }
}

/// Digest → value of each secret of a program. Never serialised, and never printed.
#[derive(Clone, Default)]
pub(crate) struct Secrets(pub(crate) BTreeMap<String, Value>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} masked", self.0.len())
    }
}

impl<T: Serialize> Encode for Secret<T> {
    fn encode(&self, encoder: &mut Encoder) -> Result<Value, serde_json::Error> {
        if let Some(value) = &self.value {
            encoder.secrets.0.insert(self.digest.clone(), serde_json::to_value(value)?);
        }
        Ok(self.masked())
    }
}
