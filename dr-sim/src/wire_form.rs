//! Errors as the services write them, for the SDK's own deserialisers: what is refused without a typed error to put in place.

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

use crate::control::Refusal;

/// How a service writes an error: the protocol of its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WireForm {
    /// `rpcv2Cbor`.
    Cbor,
    /// `awsJson1_1` and `restJson1`.
    Json,
    /// `ec2Query`.
    Ec2,
    /// `awsQuery` and `restXml`.
    Xml,
}

impl WireForm {
    /// The form that a request asks for. A service may speak several protocols, and only the request says which one.
    pub(crate) fn of(service: &str, request: &HttpRequest) -> Self {
        let header = |name| request.headers().get(name).unwrap_or_default();
        let content_type = header("content-type");
        if header("smithy-protocol").contains("cbor") || content_type.contains("cbor") {
            WireForm::Cbor
        } else if content_type.contains("json") || matches!(service, "ApiGatewayV2" | "ACM" | "SSM") {
            // A GET of API Gateway has no body, hence no content type.
            WireForm::Json
        } else if service == "EC2" {
            WireForm::Ec2
        } else {
            WireForm::Xml
        }
    }

    /// The answer that refuses a request.
    pub(crate) fn response(self, refusal: &Refusal, id: &str) -> HttpResponse {
        let Refusal { code, message, status, .. } = refusal;
        let (body, content_type) = match self {
            WireForm::Cbor => (cbor_map(&[("__type", code), ("message", message)]), "application/cbor"),
            WireForm::Json => {
                let body = serde_json::json!({ "__type": code, "message": message });
                (body.to_string().into_bytes(), "application/json")
            }
            WireForm::Ec2 => {
                let error = format!("<Error><Code>{}</Code><Message>{}</Message></Error>", xml(code), xml(message));
                let body = format!("<Response><Errors>{error}</Errors><RequestID>{id}</RequestID></Response>");
                (body.into_bytes(), "text/xml")
            }
            WireForm::Xml => {
                let (code, message) = (xml(code), xml(message));
                let error =
                    format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
                let body = format!("<ErrorResponse>{error}<RequestId>{id}</RequestId></ErrorResponse>");
                (body.into_bytes(), "text/xml")
            }
        };
        let mut response = response(*status, id, SdkBody::from(body));
        response.headers_mut().insert("content-type", content_type);
        match self {
            WireForm::Cbor => drop(response.headers_mut().insert("smithy-protocol", "rpc-v2-cbor")),
            // Where `restJson1` has the code.
            WireForm::Json => drop(response.headers_mut().insert("x-amzn-errortype", code.clone())),
            WireForm::Ec2 | WireForm::Xml => {}
        }
        response
    }
}

/// An answer with a request id and nothing to read.
pub(crate) fn response(status: u16, request_id: &str, body: SdkBody) -> HttpResponse {
    // Out of range only when a fault was given a status that HTTP does not have.
    let status = StatusCode::try_from(status).unwrap_or_else(|_| StatusCode::try_from(500).expect("500 is a status"));
    let mut response = HttpResponse::new(status, body);
    response.headers_mut().insert("x-amzn-requestid", request_id.to_owned());
    response
}

/// A request id that is the same in every run with the same calls.
pub(crate) fn request_id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

/// Text inside an XML element.
fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A CBOR map of short texts (RFC 8949: major types 5 and 3).
fn cbor_map(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut out = vec![0xa0 | pairs.len() as u8];
    for text in pairs.iter().flat_map(|(key, value)| [key, value]) {
        // Two bytes of length: every text here is shorter than 64 KiB.
        out.push(0x79);
        out.extend((text.len() as u16).to_be_bytes());
        out.extend(text.as_bytes());
    }
    out
}
