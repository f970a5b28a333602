//! Who may use a route: nobody is asked, a signature (IAM), or a JSON web token.
//!
//! Signatures are not verified: a request that carries one is taken to be signed by somebody who may. Of a token the
//! issuer, the audience, the expiry and the scopes count, as AWS page "Control access to HTTP APIs with JWT
//! authorizers" lists them.

use serde_json::Value;

use super::http::Request;
use crate::control::apigatewayv2::{Authorizer, Model, Route};

/// Status, message and reason of a refusal.
type Refused = (u16, &'static str, String);

pub(super) fn admit(model: &Model, route: &Route, request: &Request, now_ms: u64) -> Result<(), Refused> {
    match route.authorization.as_str() {
        "NONE" => Ok(()),
        "AWS_IAM" => {
            let header =
                request.headers.get("authorization").is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 "));
            if header || request.query.contains("X-Amz-Signature=") {
                return Ok(());
            }
            Err((403, "Forbidden", "the route wants a request signed with IAM credentials".to_owned()))
        }
        "JWT" => {
            let authorizer = route.authorizer.as_ref().and_then(|id| model.authorizers.get(id));
            let authorizer =
                authorizer.ok_or_else(|| (500, "Internal Server Error", "its authorizer does not exist".to_owned()))?;
            token(authorizer, route, request, now_ms)
        }
        other => Err((500, "Internal Server Error", format!("authorization {other} is not simulated"))),
    }
}

fn token(authorizer: &Authorizer, route: &Route, request: &Request, now_ms: u64) -> Result<(), Refused> {
    let refuse = |why: &str| Err((401, "Unauthorized", format!("authorizer {}: {why}", authorizer.name)));
    let Some(text) = authorizer.identity_source.first().and_then(|source| identity(source, request)) else {
        return refuse("the request carries no token");
    };
    let text = text.strip_prefix("Bearer ").unwrap_or(text);
    let Some(claims) = claims(text) else { return refuse("what the request carries is not a JSON web token") };
    if claims["iss"].as_str() != Some(&authorizer.issuer) {
        return refuse("the token is of another issuer");
    }
    let texts = |value: &Value| -> Vec<String> {
        match value {
            Value::String(text) => vec![text.clone()],
            Value::Array(all) => all.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
            _ => Vec::new(),
        }
    };
    let audience = if claims["aud"].is_null() { texts(&claims["client_id"]) } else { texts(&claims["aud"]) };
    if !audience.iter().any(|one| authorizer.audience.contains(one)) {
        return refuse("the token is for another audience");
    }
    if claims["exp"].as_u64().is_none_or(|exp_s| exp_s * 1000 <= now_ms) {
        return refuse("the token has expired");
    }
    if claims["nbf"].as_u64().is_some_and(|nbf_s| nbf_s * 1000 > now_ms) {
        return refuse("the token is not valid yet");
    }
    let scopes: Vec<String> = match (&claims["scope"], &claims["scp"]) {
        (Value::String(text), _) | (Value::Null, Value::String(text)) => text.split(' ').map(str::to_owned).collect(),
        (_, scp) => texts(scp),
    };
    if !route.scopes.is_empty() && !route.scopes.iter().any(|scope| scopes.contains(scope)) {
        return Err((
            403,
            "Forbidden",
            format!("authorizer {}: the token lacks the scope of the route", authorizer.name),
        ));
    }
    Ok(())
}

/// `$request.header.NAME` or `$request.querystring.NAME`.
fn identity<'a>(source: &str, request: &'a Request) -> Option<&'a str> {
    if let Some(name) = source.strip_prefix("$request.header.") {
        return request.headers.get(&name.to_lowercase()).map(String::as_str);
    }
    let name = source.strip_prefix("$request.querystring.")?;
    request.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// The payload of `header.payload.signature`, which is base64url without padding.
fn claims(token: &str) -> Option<Value> {
    let [_, payload, _] = token.split('.').collect::<Vec<_>>()[..] else { return None };
    let mut standard = payload.replace('-', "+").replace('_', "/");
    while standard.len() % 4 != 0 {
        standard.push('=');
    }
    serde_json::from_slice(&aws_smithy_types::base64::decode(standard).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn model() -> (Model, Route) {
        let authorizer = Authorizer {
            id: "a1".into(),
            name: "users".into(),
            identity_source: vec!["$request.header.Authorization".into()],
            issuer: "https://id.example.com".into(),
            audience: vec!["shop".into()],
        };
        let route = Route {
            id: "r1".into(),
            key: "GET /".into(),
            integration: None,
            authorization: "JWT".into(),
            authorizer: Some("a1".into()),
            scopes: vec!["read".into()],
            operation_name: None,
        };
        (Model { authorizers: BTreeMap::from([("a1".to_owned(), authorizer)]), ..Model::default() }, route)
    }

    fn with_token(claims: &str) -> Request {
        let payload = aws_smithy_types::base64::encode(claims).replace('+', "-").replace('/', "_");
        Request::get("https://api.example.com/")
            .header("Authorization", &format!("Bearer e30.{}.x", payload.trim_end_matches('=')))
    }

    #[test]
    fn a_token_must_be_of_the_issuer_for_the_audience_fresh_and_of_the_scope() {
        let (model, route) = model();
        let status =
            |claims: &str| admit(&model, &route, &with_token(claims), 5_000).map_or_else(|refused| refused.0, |()| 200);
        assert_eq!(status(r#"{"iss":"https://id.example.com","aud":"shop","exp":6,"scope":"read write"}"#), 200);
        assert_eq!(status(r#"{"iss":"https://id.example.com","client_id":"shop","exp":6,"scp":["read"]}"#), 200);
        assert_eq!(status(r#"{"iss":"https://id.example.com","aud":"shop","exp":6,"scope":"write"}"#), 403);
        assert_eq!(status(r#"{"iss":"https://id.example.com","aud":["other"],"exp":6,"scope":"read"}"#), 401);
        assert_eq!(status(r#"{"iss":"https://id.example.com","aud":"shop","exp":5,"scope":"read"}"#), 401);
        assert_eq!(status(r#"{"iss":"https://other","aud":"shop","exp":6,"scope":"read"}"#), 401);
        assert_eq!(status("no json"), 401);
        assert_eq!(admit(&model, &route, &Request::get("https://a/"), 0).unwrap_err().0, 401);
    }

    #[test]
    fn iam_wants_a_signature() {
        let (model, mut route) = model();
        (route.authorization, route.authorizer, route.scopes) = ("AWS_IAM".into(), None, Vec::new());
        assert_eq!(admit(&model, &route, &Request::get("https://a/"), 0).unwrap_err().0, 403);
        let signed = Request::get("https://a/").header("authorization", "AWS4-HMAC-SHA256 Credential=AKIA/x");
        assert_eq!(admit(&model, &route, &signed, 0), Ok(()));
    }
}
