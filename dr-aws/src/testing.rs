//! What the unit tests of resources have in common: the context of a call, and services that refuse.
//!
//! A refusal is an HTTP response in the protocol of its service, so that a test goes through the SDK's own parser: most codes
//! are in no model, and some arrive under another name than the model's.

use std::collections::BTreeMap;
use std::fmt;

use aws_smithy_mocks::{Rule, RuleBuilder};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use dr_core::{Class, CloudError, Cx, Owner, Scan};

use crate::Aws;

/// The context of a call about the resource at an address, with mocked answers.
pub(crate) fn cx_at(address: &str, rules: &[&Rule]) -> Cx<Aws> {
    let (region, _) = address.split_once('/').expect("an address begins with its scope");
    let owner = Owner {
        stack: "shop".into(),
        region: region.into(),
        address: address.parse().expect("an address"),
        generation: 1,
        token: "0123456789abcdef0123456789abcdef".into(),
        tags: BTreeMap::new(),
    };
    Cx { cloud: Aws::mocked(rules), owner }
}

/// [`cx_at`] for a resource of a region.
pub(crate) fn cx(rules: &[&Rule]) -> Cx<Aws> {
    cx_at("us-east-1/net.thing", rules)
}

/// The context of a bulk read of the same stack and region.
pub(crate) fn scan_of(Cx { cloud, owner }: Cx<Aws>) -> Scan<Aws> {
    Scan { cloud, stack: owner.stack, region: owner.region }
}

/// The rule by which an operation is refused: `refused(mock!(Client::delete_vpc), "DependencyViolation", "…")`.
pub(crate) fn refused<I, O, E>(operation: RuleBuilder<I, O, E>, code: &'static str, message: &'static str) -> Rule
where
    I: fmt::Debug + Send + Sync + 'static,
    O: fmt::Debug + Send + Sync + 'static,
    E: fmt::Debug + Send + Sync + std::error::Error + 'static,
{
    let service = std::any::type_name::<I>().split("::").next().expect("a path has a first segment");
    operation.then_http_response(move || response(service, 400, code, message))
}

/// What came of it, in the form that tables compare.
pub(crate) fn outcome<T>(result: Result<T, CloudError>) -> Result<(), Class> {
    result.map(drop).map_err(|error| error.class)
}

/// A refusal as the service with this SDK crate writes it.
pub(crate) fn response(service: &str, status: u16, code: &str, message: &str) -> HttpResponse {
    let (header, body): (_, Vec<u8>) = match service {
        "aws_sdk_ec2" => {
            let error = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
            let errors = format!("<Response><Errors>{error}</Errors><RequestID>r-1</RequestID></Response>");
            (("content-type", "text/xml".to_owned()), errors.into())
        }
        "aws_sdk_apigatewayv2" => {
            (("x-amzn-errortype", code.to_owned()), serde_json::json!({ "message": message }).to_string().into())
        }
        "aws_sdk_acm" | "aws_sdk_ssm" => {
            let body = serde_json::json!({ "__type": code, "message": message });
            (("content-type", "application/x-amz-json-1.1".to_owned()), body.to_string().into())
        }
        "aws_sdk_cloudwatch" => (("smithy-protocol", "rpc-v2-cbor".to_owned()), cbor(code, message)),
        // IAM, SNS, STS and Elastic Load Balancing (query), Route 53 and CloudFront (REST with XML).
        _ => {
            let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
            let whole = format!("<ErrorResponse>{error}<RequestId>r-1</RequestId></ErrorResponse>");
            (("content-type", "text/xml".to_owned()), whole.into())
        }
    };
    let status = status.try_into().expect("a status code");
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    response.headers_mut().insert(header.0, header.1);
    response.headers_mut().insert("x-amzn-requestid", "r-1");
    response
}

/// A map of two texts in CBOR (RFC 8949), which CloudWatch speaks.
fn cbor(code: &str, message: &str) -> Vec<u8> {
    let mut bytes = vec![0xa2];
    for text in ["__type", code, "message", message] {
        let len = u16::try_from(text.len()).expect("a short text");
        bytes.push(0x79);
        bytes.extend(len.to_be_bytes());
        bytes.extend(text.bytes());
    }
    bytes
}
