//! Grants: what a role may do with a resource, said by the resource.
//!
//! Each gives an inline policy of the role, a resource like any other: it is added to the global scope, and goes before the
//! role does. Nothing is granted by default, and a grant names the one resource. The name of a policy is unique in its role: two
//! grants to one role have two names.

use dr_core::{Handle, IntoInput, Text, text};

#[cfg(feature = "apigatewayv2")]
use crate::apigatewayv2::HttpApi;
#[cfg(feature = "cloudfront")]
use crate::cloudfront::Distribution;
use crate::iam::RolePolicy;
use crate::ids::RoleName;
#[cfg(feature = "sns")]
use crate::sns::Topic;

/// `topic.grant_publish(…)`.
#[cfg(feature = "sns")]
pub trait GrantPublish {
    /// Lets the role publish to the topic (`sns:Publish`), by an inline policy of this name.
    ///
    /// ```
    /// use dr_aws::constructs::{GrantPublish as _, ServerRole};
    /// use dr_aws::{regions::UsEast1, sns::Topic};
    /// use dr_core::{Global, Stack};
    ///
    /// let stack = Stack::build("shop", |stack| {
    ///     let (east, global) = (stack.region(UsEast1), stack.region(Global));
    ///     let topic = east.add("topic", Topic::new());
    ///     let server = global.add("server_role", ServerRole::new());
    ///     global.add("publish", topic.grant_publish(server.role, "publish_orders"));
    /// })?;
    /// # Ok::<(), dr_core::BuildErrors>(())
    /// ```
    fn grant_publish(&self, role: impl IntoInput<RoleName>, name: &str) -> RolePolicy;
}

/// `api.grant_invoke(…)`.
#[cfg(feature = "apigatewayv2")]
pub trait GrantInvoke {
    /// Lets the role call every route of the API that asks for IAM credentials (`execute-api:Invoke`), by an inline policy of this
    /// name.
    fn grant_invoke(&self, role: impl IntoInput<RoleName>, name: &str) -> RolePolicy;
}

/// `distribution.grant_create_invalidation(…)`.
#[cfg(feature = "cloudfront")]
pub trait GrantCreateInvalidation {
    /// Lets the role throw away what the distribution has cached (`cloudfront:CreateInvalidation`), by an inline policy of this
    /// name.
    fn grant_create_invalidation(&self, role: impl IntoInput<RoleName>, name: &str) -> RolePolicy;
}

#[cfg(feature = "sns")]
impl<R: dr_core::Region> GrantPublish for Handle<Topic<R>> {
    fn grant_publish(&self, role: impl IntoInput<RoleName>, name: &str) -> RolePolicy {
        RolePolicy::new(role, name, document("sns:Publish", text!("{}", self.arn)))
    }
}

#[cfg(feature = "apigatewayv2")]
impl<R: dr_core::Region> GrantInvoke for Handle<HttpApi<R>> {
    fn grant_invoke(&self, role: impl IntoInput<RoleName>, name: &str) -> RolePolicy {
        // The id of an API is unique; region and account are those of whoever has it.
        let routes = text!("arn:aws:execute-api:*:*:{}/*", self.id);
        RolePolicy::new(role, name, document("execute-api:Invoke", routes))
    }
}

#[cfg(feature = "cloudfront")]
impl GrantCreateInvalidation for Handle<Distribution> {
    fn grant_create_invalidation(&self, role: impl IntoInput<RoleName>, name: &str) -> RolePolicy {
        let document = document("cloudfront:CreateInvalidation", text!("{}", self.arn));
        RolePolicy::new(role, name, document)
    }
}

#[cfg(any(feature = "apigatewayv2", feature = "cloudfront", feature = "sns"))]
fn document(action: &'static str, resource: Text) -> Text {
    text!(
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"{}","Resource":"{}"}]}"#,
        action,
        resource
    )
}

#[cfg(all(test, feature = "apigatewayv2", feature = "cloudfront", feature = "ec2", feature = "sns"))]
mod tests {
    use dr_core::{Global, Stack};
    use serde_json::{Value, json};

    use super::*;
    use crate::constructs::ServerRole;
    use crate::regions::UsEast1;

    #[test]
    fn a_grant_is_a_policy_that_names_the_one_resource() {
        let stack = Stack::build("shop", |stack| {
            let (east, global) = (stack.region(UsEast1), stack.region(Global));
            let role = global.add("role", ServerRole::new()).role;
            let topic = east.add("topic", Topic::new());
            let api = east.add("api", HttpApi::new());
            let distribution = global.add("distribution", Distribution::new("origin.example.com"));
            global.add("publish", topic.grant_publish(role, "publish"));
            global.add("invoke", api.grant_invoke(role, "invoke"));
            global.add("invalidate", distribution.grant_create_invalidation(role, "invalidate"));
        })
        .unwrap();
        let known = |reference: &dr_core::value::Reference<'_>| {
            let outputs: &'static Value = Box::leak(Box::new(json!({
                "arn": format!("arn:of:{}", reference.address), "id": "a1b2c3", "name": "role",
            })));
            outputs.get(reference.field)
        };
        for (address, action, resource) in [
            ("global/publish", "sns:Publish", "arn:of:us-east-1/topic"),
            ("global/invoke", "execute-api:Invoke", "arn:aws:execute-api:*:*:a1b2c3/*"),
            ("global/invalidate", "cloudfront:CreateInvalidation", "arn:of:global/distribution"),
        ] {
            let (inputs, complete) = dr_core::value::resolve(&stack.get(address).unwrap().inputs, &known);
            assert!(complete, "{inputs}");
            let document: Value = serde_json::from_str(inputs["document"].as_str().unwrap()).unwrap();
            let statement = &document["Statement"][0];
            assert_eq!((&statement["Action"], &statement["Resource"]), (&json!(action), &json!(resource)), "{address}");
        }
    }
}
