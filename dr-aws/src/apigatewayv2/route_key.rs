//! Route keys of HTTP APIs, checked when the program is compiled.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a route answers: `$default`, or a method and a path such as `ANY /{proxy+}`.
///
/// Write it as [`route_key!("GET /pets/{id}")`](crate::route_key): a malformed literal does not compile.
/// Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html>
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RouteKey(String);

/// Why a text is no route key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteKeyError {
    /// Neither `$default` nor a method, one space and a path that begins with `/`.
    #[error("a route key is `$default`, or a method and a path with one space between: `ANY /{{proxy+}}`")]
    Form,
    /// The method is unknown.
    #[error("the method is one of ANY, GET, POST, PUT, PATCH, DELETE, HEAD and OPTIONS, in upper case")]
    Method,
    /// A variable is not a whole segment `{name}`, or has no name.
    #[error("a variable is a whole segment of the path: `/{{name}}`")]
    Variable,
    /// A greedy variable is not the last segment.
    #[error("a greedy variable `{{name+}}` is the last segment of the path")]
    Greedy,
    /// More than 128 characters.
    #[error("a route key has at most 128 characters")]
    Length,
}

impl RouteKey {
    /// Parses.
    ///
    /// # Errors
    /// [`RouteKeyError`]: what is wrong.
    pub fn parse(text: impl Into<String>) -> Result<Self, RouteKeyError> {
        let text = text.into();
        match Self::check(&text) {
            Ok(()) => Ok(RouteKey(text)),
            Err(error) => Err(error),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says what is wrong with a text; `const`, so that literals are checked by the compiler.
    ///
    /// # Errors
    /// [`RouteKeyError`]: what is wrong.
    pub const fn check(text: &str) -> Result<(), RouteKeyError> {
        const METHODS: [&[u8]; 8] = [b"ANY", b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS"];
        let bytes = text.as_bytes();
        if bytes.len() > 128 {
            return Err(RouteKeyError::Length);
        }
        if equal(bytes, 0, bytes.len(), b"$default") {
            return Ok(());
        }
        let mut space = 0;
        while space < bytes.len() && bytes[space] != b' ' {
            space += 1;
        }
        if space + 1 >= bytes.len() || bytes[space + 1] != b'/' {
            return Err(RouteKeyError::Form);
        }
        let (mut method, mut known) = (0, false);
        while method < METHODS.len() {
            known |= equal(bytes, 0, space, METHODS[method]);
            method += 1;
        }
        if !known {
            return Err(RouteKeyError::Method);
        }
        // One segment after another, each behind its slash.
        let mut at = space + 1;
        while at < bytes.len() {
            let start = at + 1;
            let mut end = start;
            let mut braces = 0;
            while end < bytes.len() && bytes[end] != b'/' {
                if bytes[end].is_ascii_whitespace() {
                    return Err(RouteKeyError::Form);
                }
                if bytes[end] == b'{' || bytes[end] == b'}' {
                    braces += 1;
                }
                end += 1;
            }
            if braces > 0 {
                let whole = braces == 2 && bytes[start] == b'{' && bytes[end - 1] == b'}';
                let greedy = whole && bytes[end - 2] == b'+';
                let name_len = if !whole { 0 } else { end - start - 2 - if greedy { 1 } else { 0 } };
                if name_len == 0 {
                    return Err(RouteKeyError::Variable);
                }
                if greedy && end != bytes.len() {
                    return Err(RouteKeyError::Greedy);
                }
            }
            at = end;
        }
        Ok(())
    }

    /// Checks or stops the compiler; what [`route_key!`](crate::route_key) calls.
    #[doc(hidden)]
    pub const fn assert(text: &str) {
        match Self::check(text) {
            Ok(()) => {}
            Err(RouteKeyError::Form) => panic!("a route key is `$default`, or a method and a path: `ANY /{{proxy+}}`"),
            Err(RouteKeyError::Method) => {
                panic!("the method is one of ANY, GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS")
            }
            Err(RouteKeyError::Variable) => panic!("a variable is a whole segment of the path: `/{{name}}`"),
            Err(RouteKeyError::Greedy) => panic!("a greedy variable is the last segment of the path"),
            Err(RouteKeyError::Length) => panic!("a route key has at most 128 characters"),
        }
    }

    #[doc(hidden)]
    #[must_use]
    pub fn checked(text: &'static str) -> Self {
        RouteKey(text.to_owned())
    }
}

/// Whether `bytes[from..to]` are `other`.
const fn equal(bytes: &[u8], from: usize, to: usize, other: &[u8]) -> bool {
    if to - from != other.len() {
        return false;
    }
    let mut at = 0;
    while at < other.len() {
        if bytes[from + at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

impl FromStr for RouteKey {
    type Err = RouteKeyError;

    fn from_str(text: &str) -> Result<Self, RouteKeyError> {
        RouteKey::parse(text)
    }
}

impl TryFrom<String> for RouteKey {
    type Error = RouteKeyError;

    fn try_from(text: String) -> Result<Self, RouteKeyError> {
        RouteKey::parse(text)
    }
}

impl From<RouteKey> for String {
    fn from(key: RouteKey) -> String {
        key.0
    }
}

impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A [`RouteKey`](crate::apigatewayv2::RouteKey), checked by the compiler.
///
/// ```
/// assert_eq!(dr_aws::route_key!("ANY /{proxy+}").as_str(), "ANY /{proxy+}");
/// ```
/// ```compile_fail
/// dr_aws::route_key!("FETCH /");
/// ```
#[macro_export]
macro_rules! route_key {
    ($text:literal) => {{
        const { $crate::apigatewayv2::RouteKey::assert($text) };
        $crate::apigatewayv2::RouteKey::checked($text)
    }};
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn route_keys_are_a_method_and_a_path() {
        for text in ["$default", "ANY /", "GET /pets/dog/1", "GET /pets/{id}", "ANY /{proxy+}", "POST /a/{b}/c/{rest+}"]
        {
            assert_eq!(RouteKey::parse(text).unwrap().as_str(), text);
        }
        for (text, error) in [
            ("", RouteKeyError::Form),
            ("ANY", RouteKeyError::Form),
            ("ANY  /", RouteKeyError::Form),
            ("ANY pets", RouteKeyError::Form),
            ("ANY /a b", RouteKeyError::Form),
            ("$other", RouteKeyError::Form),
            ("any /", RouteKeyError::Method),
            ("TRACE /", RouteKeyError::Method),
            ("GET /{}", RouteKeyError::Variable),
            ("GET /{+}", RouteKeyError::Variable),
            ("GET /a{id}", RouteKeyError::Variable),
            ("GET /{a}{b}", RouteKeyError::Variable),
            ("GET /}", RouteKeyError::Variable),
            ("GET /{proxy+}/more", RouteKeyError::Greedy),
        ] {
            assert_eq!(RouteKey::parse(text), Err(error), "{text}");
        }
        assert_eq!(RouteKey::parse(format!("GET /{}", "a".repeat(128))), Err(RouteKeyError::Length));
    }

    proptest! {
        #[test]
        fn checking_never_panics(text in "(ANY|GET|\\PC{0,3}) ?/?[/{}+a-z ]{0,12}") {
            if let Ok(key) = RouteKey::parse(text.clone()) {
                prop_assert_eq!(key.as_str(), text);
            }
        }
    }
}
