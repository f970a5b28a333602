//! Policy documents: what IAM refuses in a trust policy and in an inline policy, and how it writes a document back.
//!
//! Only the rules that catch a mistake in a deploy are here: the JSON, the shape of a statement, the fields that are
//! required or forbidden, principals that do not exist, sizes. IAM's full policy grammar is not.

use serde_json::Value;

use super::{Answer, Refusal, limit};
use crate::world::World;

/// The size of a trust policy in characters without white space (IAM quota `ACLSizePerRole`).
const TRUST_POLICY_MOST: usize = 2048;

fn malformed(message: impl Into<String>) -> Refusal {
    Refusal::new("MalformedPolicyDocument", message)
}

/// Characters of a document as IAM counts them: without white space.
pub(super) fn size(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}

/// The statements of a document: a list, or one that is not in a list.
fn statements(document: &str) -> Answer<Vec<Value>> {
    let Ok(Value::Object(policy)) = serde_json::from_str(document) else {
        return Err(malformed("This policy contains invalid Json"));
    };
    if let Some(version) = policy.get("Version")
        && !matches!(version.as_str(), Some("2012-10-17" | "2008-10-17"))
    {
        return Err(malformed("The policy must contain a valid version string"));
    }
    let list = match policy.get("Statement") {
        Some(Value::Array(list)) => list.clone(),
        Some(one @ Value::Object(_)) => vec![one.clone()],
        _ => return Err(malformed("Syntax errors in policy.")),
    };
    for statement in &list {
        if !matches!(statement.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny")) {
            return Err(malformed("Syntax errors in policy."));
        }
    }
    Ok(list)
}

/// The strings of a field that may hold one or several.
fn strings(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Checks the trust policy of a role. A principal that is a role of this account must exist.
pub(super) fn check_trust(world: &World, document: &str) -> Answer<()> {
    if size(document) > TRUST_POLICY_MOST {
        return Err(limit(format!("Cannot exceed quota for ACLSizePerRole: {TRUST_POLICY_MOST}")));
    }
    for statement in statements(document)? {
        if statement.get("Resource").is_some() || statement.get("NotResource").is_some() {
            return Err(malformed("Has prohibited field Resource"));
        }
        let Some(principal) = statement.get("Principal").or_else(|| statement.get("NotPrincipal")) else {
            return Err(malformed("Missing required field Principal"));
        };
        let actions = strings(statement.get("Action"));
        let trust = |action: &&str| {
            let action = action.to_lowercase();
            action.starts_with("sts:assumerole")
                || matches!(action.as_str(), "sts:tagsession" | "sts:setsourceidentity" | "sts:*")
        };
        if actions.is_empty() {
            return Err(malformed("Missing required field Action"));
        }
        if !actions.iter().all(trust) {
            return Err(malformed("AssumeRole policy may only specify STS AssumeRole actions."));
        }
        for service in strings(principal.get("Service")) {
            if !service.ends_with(".amazonaws.com") && !service.ends_with(".amazonaws.com.cn") {
                return Err(malformed(format!("Invalid principal in policy: \"SERVICE\":\"{service}\"")));
            }
        }
        for arn in strings(principal.get("AWS")) {
            let ours = format!("arn:aws:iam::{}:role/", world.account);
            if arn.starts_with(&ours) && !world.iam.roles.values().any(|role| role.arn == arn) {
                return Err(malformed(format!("Invalid principal in policy: \"AWS\":\"{arn}\"")));
            }
        }
    }
    Ok(())
}

/// Checks an inline policy.
pub(super) fn check_inline(document: &str) -> Answer<()> {
    for statement in statements(document)? {
        let has = |field: &str| statement.get(field).is_some_and(|value| !strings(Some(value)).is_empty());
        if statement.get("Principal").is_some() || statement.get("NotPrincipal").is_some() {
            return Err(malformed("Policy document should not specify a principal."));
        }
        if !has("Action") && !has("NotAction") {
            return Err(malformed("Policy statement must contain actions."));
        }
        if !has("Resource") && !has("NotResource") {
            return Err(malformed("Policy statement must contain resources."));
        }
    }
    Ok(())
}

/// A document as IAM answers it: percent-encoded as RFC 3986 says.
pub(super) fn encoded(document: &str) -> String {
    let mut out = String::with_capacity(document.len() * 2);
    for byte in document.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const EC2: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

    fn trust(document: &str) -> String {
        check_trust(&World::new(1), document).err().map_or_else(String::new, |r| format!("{}: {}", r.code, r.message))
    }

    #[test]
    fn a_trust_policy_names_who_may_assume_the_role_and_nothing_else() {
        assert_eq!(trust(EC2), "");
        assert_eq!(trust("{"), "MalformedPolicyDocument: This policy contains invalid Json");
        assert_eq!(trust("{}"), "MalformedPolicyDocument: Syntax errors in policy.");
        let with = |from: &str, to: &str| trust(&EC2.replace(from, to));
        assert_eq!(
            with("sts:AssumeRole", "s3:GetObject"),
            "MalformedPolicyDocument: AssumeRole policy may only specify STS AssumeRole actions."
        );
        assert_eq!(
            with(r#""Effect""#, r#""Resource":"*","Effect""#),
            "MalformedPolicyDocument: Has prohibited field Resource"
        );
        assert_eq!(
            with(r#""Principal":{"Service":"ec2.amazonaws.com"},"#, ""),
            "MalformedPolicyDocument: Missing required field Principal"
        );
        assert_eq!(
            with("2012-10-17", "2012-10-18"),
            "MalformedPolicyDocument: The policy must contain a valid version string"
        );
        assert_eq!(
            with(r#""Service":"ec2.amazonaws.com""#, r#""AWS":"arn:aws:iam::123456789012:role/none""#),
            r#"MalformedPolicyDocument: Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:role/none""#
        );
        assert_eq!(
            with("2012-10-17\"", &format!("2012-10-17\",\"Id\":\"{}\"", "x".repeat(2048))),
            "LimitExceeded: Cannot exceed quota for ACLSizePerRole: 2048"
        );
    }

    #[test]
    fn an_inline_policy_needs_actions_and_resources_and_no_principal() {
        let check = |statement: &str| {
            check_inline(&format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#))
                .err()
                .map_or_else(String::new, |r| r.message)
        };
        assert_eq!(check(r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}"#), "");
        assert_eq!(check(r#"[{"Effect":"Allow","Resource":"*"}]"#), "Policy statement must contain actions.");
        assert_eq!(
            check(r#"[{"Effect":"Allow","Action":["s3:GetObject"]}]"#),
            "Policy statement must contain resources."
        );
        assert_eq!(
            check(r#"[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Principal":"*"}]"#),
            "Policy document should not specify a principal."
        );
    }

    #[test]
    fn a_document_comes_back_percent_encoded() {
        assert_eq!(encoded(r#"{"a": "b-c_é"}"#), "%7B%22a%22%3A%20%22b-c_%C3%A9%22%7D");
    }
}
