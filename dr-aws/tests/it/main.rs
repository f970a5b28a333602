//! All integration tests of the resources in one program: each program of its own would link the SDK once more.

// All services together.
#![cfg(all(
    feature = "acm",
    feature = "apigatewayv2",
    feature = "cloudfront",
    feature = "cloudwatch",
    feature = "ec2",
    feature = "elbv2",
    feature = "iam",
    feature = "route53",
    feature = "sns"
))]

mod docs;
mod edge;
mod emulator;
mod network;
mod wire;
mod wire_site;
