//! The one place where an answer of an SDK client becomes a [`CloudError`].
//!
//! `.send().await.call("ec2:CreateSubnet")?` names the call by its IAM action and classifies the answer by its code: EC2 models no
//! errors, so the code is all there is. Codes are compared without regard to case, since AWS spells them both ways
//! (`InvalidSubnetID.NotFound`, `InvalidSubnetId.NotFound`).

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId as _;
use dr_core::{Certainty, Class, CloudError};

use crate::governor::{Ticket, is_read};

/// Turns the result of an SDK call into ours.
pub(crate) trait Call<O> {
    /// The output, or the error as data; `operation` is service and operation, `ec2:CreateSubnet`.
    fn call(self, operation: &'static str) -> Result<O, CloudError>;
}

impl<O, E> Call<O> for Result<O, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    fn call(self, operation: &'static str) -> Result<O, CloudError> {
        self.map_err(|error| cloud_error(operation, &error))
    }
}

/// What to do with an error that is none.
pub(crate) trait GoneOk<T> {
    /// `None` when what the call was about is not there: success for a delete, an answer for a read.
    fn gone_ok(self) -> Result<Option<T>, CloudError>;
}

impl<T> GoneOk<T> for Result<T, CloudError> {
    fn gone_ok(self) -> Result<Option<T>, CloudError> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.class == Class::Gone => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn cloud_error<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> CloudError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            let (raw, err) = (answer.raw(), answer.err());
            let ticket = raw.extension::<Ticket>();
            debug_assert!(
                ticket.is_none_or(|ticket| ticket.operation() == operation),
                "{operation} is named {ticket:?}"
            );
            let status = raw.status().as_u16();
            let code = err.code().map_or_else(|| format!("Http{status}"), str::to_owned);
            let message = err.message().map_or_else(|| chain(err), str::to_owned);
            let class = classify(operation, &code, &message, status);
            if class == Class::Throttled
                && let Some(ticket) = ticket
            {
                ticket.throttled();
            }
            let id = raw.request_id().or_else(|| err.meta().extra("aws_request_id")).map(str::to_owned);
            let hint = hint(operation, &code, class);
            let error = CloudError::new(operation, code, message, class).request_id(id);
            if let Some(hint) = hint { error.hint(hint) } else { error }
        }
        // The answer came and could not be read: what it says about the change is lost.
        SdkError::ResponseError(answer) => {
            let status = answer.raw().status().as_u16();
            let id = answer.raw().request_id().map(str::to_owned);
            let (code, class) = match status {
                429 => (format!("Http{status}"), Class::Throttled),
                400..=499 => (format!("Http{status}"), Class::Permanent),
                _ => ("BadResponse".to_owned(), Class::Transient),
            };
            CloudError::new(operation, code, chain(error), class).request_id(id)
        }
        SdkError::TimeoutError(_) => CloudError::new(operation, "Timeout", chain(error), Class::Transient),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(connector) => unsent(operation, connector),
            None => CloudError::new(operation, "ConnectionLost", chain(error), Class::Transient),
        },
        other => not_dispatched(operation, other),
    }
}

/// A request that was not answered.
fn unsent(operation: &str, error: &ConnectorError) -> CloudError {
    // Credentials are resolved inside the orchestrator, which wraps their errors as it does those of the connector.
    if credentials_error(error).is_some() {
        return not_dispatched(operation, error);
    }
    let text = chain(error);
    if never_connected(error) {
        CloudError::new(operation, "Unreachable", text, Class::Transient)
            .certainty(Certainty::NotApplied)
            .hint("the endpoint does not accept connections: check the network, the region's name and AWS_ENDPOINT_URL")
    } else if error.is_timeout() {
        CloudError::new(operation, "Timeout", text, Class::Transient)
    } else if error.is_user() {
        CloudError::new(operation, "BadRequest", text, Class::Permanent)
    } else {
        CloudError::new(operation, "ConnectionLost", text, Class::Transient)
    }
}

/// A request that never left: no credentials, no endpoint, an input that does not serialise.
fn not_dispatched(operation: &str, error: &(dyn Error + 'static)) -> CloudError {
    let text = chain(error);
    match credentials_error(error) {
        Some(CredentialsError::CredentialsNotLoaded(_)) => {
            CloudError::new(operation, "NoCredentials", text, Class::Denied)
                .hint("set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with `aws sso login`")
        }
        Some(CredentialsError::ProviderTimedOut(_)) => {
            CloudError::new(operation, "NoCredentials", text, Class::Transient)
                .certainty(Certainty::NotApplied)
                .hint("the credentials provider did not answer in time")
        }
        Some(_) => CloudError::new(operation, "NoCredentials", text, Class::Denied).hint(
            "the configured credentials cannot be loaded: log in again with `aws sso login`, or check the profile",
        ),
        None => CloudError::new(operation, "NotSent", text, Class::Permanent),
    }
}

fn credentials_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e CredentialsError> {
    causes(error).find_map(|cause| cause.downcast_ref::<CredentialsError>())
}

/// Whether the connection was never made, so that the request cannot have arrived.
fn never_connected(error: &ConnectorError) -> bool {
    causes(error).any(|cause| {
        let refused = cause.downcast_ref::<std::io::Error>().is_some_and(|io| {
            use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
            matches!(io.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
        });
        // The HTTP client's own errors have no public type: this is how it prints one of connecting, DNS and TLS included.
        let text = cause.to_string();
        refused || text == "client error (Connect)" || text.starts_with("HTTP connect timeout")
    })
}

fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// The error and what caused it, in one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for cause in causes(error) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    text
}

/// Codes of wrong, missing or expired credentials, and of rights that are missing.
const DENIED: &[&str] = &[
    "accessdenied",
    "accessdeniedexception",
    "authfailure",
    "expiredtoken",
    "expiredtokenexception",
    "incompletesignature",
    "invalidaccesskeyid",
    "invalidclienttokenid",
    "invalidsignatureexception",
    "missingauthenticationtoken",
    "missingauthenticationtokenexception",
    "notauthorized",
    "optinrequired",
    "requestexpired",
    "signaturedoesnotmatch",
    "unauthorizedoperation",
    "unrecognizedclientexception",
];

/// The SDK's list without `LimitExceededException`, which ACM answers when the year's certificates are used up.
const THROTTLED: &[&str] = &[
    "bandwidthlimitexceeded",
    "ec2throttledexception",
    "priorrequestnotcomplete",
    "provisionedthroughputexceededexception",
    "requestlimitexceeded",
    "requestthrottled",
    "requestthrottledexception",
    "slowdown",
    "throttledexception",
    "throttling",
    "throttlingexception",
    "toomanyrequestsexception",
    "transactioninprogressexception",
];

const DEPENDENCY: &[&str] = &[
    "deleteconflict",
    "dependencyviolation",
    "distributionnotdisabled",
    "hostedzonenotempty",
    "invalidgroup.inuse",
    "invalidipaddress.inuse",
    "resourceinuse",
    "resourceinuseexception",
];

const STALE: &[&str] = &[
    "concurrentmodification",
    "concurrentmodificationexception",
    "healthcheckversionmismatch",
    "invalidifmatchversion",
    "preconditionfailed",
];

const TRANSIENT: &[&str] = &[
    "healthunavailable",
    "internalerror",
    "internalerrorexception",
    "internalfailure",
    "internalserviceerror",
    "requesttimeout",
    "requesttimeoutexception",
    "resourcecontention",
    "servicelinkedrolefailure",
    "serviceunavailable",
    "serviceunavailableexception",
    "unavailable",
];

/// Not there, in the codes that neither begin nor end like the others.
const GONE: &[&str] =
    &["gateway.notattached", "natgatewaynotfound", "nosuchentity", "resourcenotfound", "resourcenotfoundexception"];

/// What kind of answer it is.
pub(crate) fn classify(operation: &str, code: &str, message: &str, status: u16) -> Class {
    let (service, name) = operation.split_once(':').unwrap_or(("", operation));
    let code = code.to_ascii_lowercase();
    let code = code.as_str();
    let text = message.to_ascii_lowercase();
    let says = |part: &str| text.contains(part);
    let is = |codes: &[&str]| codes.contains(&code);

    if is(DENIED) {
        return Class::Denied;
    }
    if is(THROTTLED) || status == 429 {
        return Class::Throttled;
    }
    match (service, code) {
        // The texts of API Gateway: its codes say too little.
        (_, "conflictexception") if says("try again later") => return Class::Eventual,
        (_, "conflictexception" | "badrequestexception")
            if says("cannot delete") || says("referenced") || says("base path mapping") || says("in use") =>
        {
            return Class::Dependency;
        }
        (_, "conflictexception") => return Class::Exists,
        // A new role or profile is not known to EC2 yet.
        ("ec2", "invalidparametervalue") if says("invalid iam instance profile") || says("no associated iam roles") => {
            return Class::Eventual;
        }
        ("ec2", "incorrectinstancestate" | "incorrectstate") => return Class::Eventual,
        ("ec2", "invalidparameterexception") if name.ends_with("Route") => return Class::Eventual,
        // Capacity comes back in hours or elsewhere, not while a deploy waits; AWS answers it as a server error.
        ("ec2", "insufficientinstancecapacity" | "invalidamiid.notfound") => return Class::Permanent,
        // Taken by another subnet, which may be the one of a lost answer.
        ("ec2", "invalidsubnet.conflict") => return Class::Exists,
        ("iam", "malformedpolicydocument") if says("invalid principal in policy") => return Class::Eventual,
        ("iam", "entitytemporarilyunmodifiable") => return Class::Eventual,
        ("elasticloadbalancing", "invalidtarget") if is_removal(name) => return Class::Gone,
        (
            "elasticloadbalancing",
            "certificatenotfound" | "invalidtarget" | "subnetnotfound" | "invalidsecuritygroup",
        ) => {
            return Class::Eventual;
        }
        ("cloudfront", "invalidviewercertificate") => return Class::Eventual,
        ("route53", "invalidchangebatch") if says("already exists") => return Class::Exists,
        ("route53", "invalidchangebatch") if says("not found") => return Class::Gone,
        _ => {}
    }
    if is(DEPENDENCY) {
        return Class::Dependency;
    }
    if is(STALE) {
        return Class::Stale;
    }
    if code.ends_with("alreadyexists")
        || code.contains("alreadyexistsexception")
        || code.ends_with(".duplicate")
        || code.starts_with("duplicate") && !code.starts_with("duplicatesubnets")
        || code == "resource.alreadyassociated"
    {
        return Class::Exists;
    }
    let absent = is(GONE)
        || code.ends_with("notfound")
        || code.ends_with("notfoundexception")
        || code.starts_with("nosuch")
        || code == "http404";
    if absent {
        // What a delete or a read does not find is not there. What a create or an update does not find is what it refers to,
        // or itself, made a moment ago and not visible everywhere.
        return if is_read(name) || is_removal(name) { Class::Gone } else { Class::Eventual };
    }
    if is(TRANSIENT) || status >= 500 {
        return Class::Transient;
    }
    Class::Permanent
}

fn is_removal(operation: &str) -> bool {
    const VERBS: [&str; 10] = [
        "Delete",
        "Deregister",
        "Detach",
        "Disassociate",
        "Release",
        "Remove",
        "Revoke",
        "Terminate",
        "Unsubscribe",
        "Untag",
    ];
    VERBS.iter().any(|verb| operation.starts_with(verb))
}

/// What the user can do about the well-known ones.
fn hint(operation: &str, code: &str, class: Class) -> Option<String> {
    let service = operation.split(':').next().unwrap_or_default();
    let code = code.to_ascii_lowercase();
    Some(match code.as_str() {
        "expiredtoken" | "expiredtokenexception" | "requestexpired" => {
            "the credentials have expired: log in again (`aws sso login`) and run the same command, it goes on from here".into()
        }
        "invalidclienttokenid" | "unrecognizedclientexception" | "authfailure" | "invalidaccesskeyid" => {
            "this region does not know the access key: check AWS_PROFILE, and whether the region is enabled in the account"
                .into()
        }
        "signaturedoesnotmatch" | "incompletesignature" | "invalidsignatureexception" => {
            "the secret key does not fit the access key, or the clock of this machine is wrong".into()
        }
        "optinrequired" => "the account is not subscribed to this service, or the region is not enabled".into(),
        _ if class == Class::Denied && service == "apigateway" => {
            "the credentials lack a right: allow `apigateway:*` on the region's `/apis`, `/vpclinks` and `/domainnames`".into()
        }
        _ if class == Class::Denied => {
            format!("the credentials lack a right: allow `{operation}` in the policy of the role or user")
        }
        "limitexceededexception" if service == "acm" => {
            "the number of certificates of a year is used up: wait, or ask AWS Support for more".into()
        }
        "insufficientinstancecapacity" => {
            "AWS has no capacity for this instance type in this zone now: choose another type or zone, or deploy again later"
                .into()
        }
        "vcpulimitexceeded" | "instancelimitexceeded" => {
            "the vCPU quota of this instance family is used up: request more in Service Quotas".into()
        }
        _ if class == Class::Permanent && (code.contains("limitexceeded") || code.starts_with("toomany")) => {
            "a quota of the account is used up: request more in Service Quotas, or delete what is not needed".into()
        }
        "invalidsubnet.conflict" => "another subnet of this VPC uses the range: choose a free one".into(),
        "operationnotpermitted" => "it is protected against deletion at AWS: switch the protection off first".into(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_the_class_that_its_service_and_operation_give_it() {
        let same = "";
        for (operation, code, message, status, class) in [
            ("ec2:CreateSubnet", "InvalidVpcID.NotFound", same, 400, Class::Eventual),
            ("ec2:CreateRoute", "InvalidNatGatewayID.NotFound", same, 400, Class::Eventual),
            ("ec2:DescribeVpcs", "InvalidVpcID.NotFound", same, 400, Class::Gone),
            ("ec2:DeleteNatGateway", "NatGatewayNotFound", same, 400, Class::Gone),
            ("ec2:DetachInternetGateway", "Gateway.NotAttached", same, 400, Class::Gone),
            ("ec2:RevokeSecurityGroupIngress", "InvalidPermission.NotFound", same, 400, Class::Gone),
            ("ec2:DeleteSubnet", "DependencyViolation", same, 400, Class::Dependency),
            ("ec2:RunInstances", "RequestLimitExceeded", same, 503, Class::Throttled),
            ("ec2:RunInstances", "InsufficientInstanceCapacity", same, 500, Class::Permanent),
            ("ec2:RunInstances", "InvalidAMIID.NotFound", same, 400, Class::Permanent),
            (
                "ec2:RunInstances",
                "InvalidParameterValue",
                "Value (p) … Invalid IAM Instance Profile name",
                400,
                Class::Eventual,
            ),
            ("ec2:RunInstances", "InvalidParameterValue", "Invalid instance type", 400, Class::Permanent),
            ("ec2:AttachInternetGateway", "Resource.AlreadyAssociated", same, 400, Class::Exists),
            ("ec2:AuthorizeSecurityGroupIngress", "InvalidPermission.Duplicate", same, 400, Class::Exists),
            ("ec2:CreateVpc", "VpcLimitExceeded", same, 400, Class::Permanent),
            ("ec2:CreateVpc", "UnauthorizedOperation", same, 403, Class::Denied),
            ("ec2:CreateVpcEndpoint", "DuplicateSubnetsInSameZone", same, 400, Class::Permanent),
            ("elasticloadbalancing:CreateListener", "CertificateNotFound", same, 400, Class::Eventual),
            ("elasticloadbalancing:RegisterTargets", "InvalidTarget", same, 400, Class::Eventual),
            ("elasticloadbalancing:DeregisterTargets", "InvalidTarget", same, 400, Class::Gone),
            ("elasticloadbalancing:DeleteTargetGroup", "ResourceInUse", same, 400, Class::Dependency),
            ("elasticloadbalancing:DescribeLoadBalancers", "LoadBalancerNotFound", same, 400, Class::Gone),
            ("elasticloadbalancing:CreateLoadBalancer", "DuplicateLoadBalancerName", same, 400, Class::Exists),
            ("iam:DeleteRole", "DeleteConflict", same, 409, Class::Dependency),
            ("iam:CreateRole", "EntityAlreadyExists", same, 409, Class::Exists),
            ("iam:CreateRole", "LimitExceeded", same, 409, Class::Permanent),
            ("apigateway:CreateRoute", "ConflictException", "… Please try again later.", 409, Class::Eventual),
            ("apigateway:DeleteIntegration", "ConflictException", "Cannot delete Integration", 409, Class::Dependency),
            ("apigateway:CreateStage", "ConflictException", "Stage already exists", 409, Class::Exists),
            ("apigateway:DeleteApi", "BadRequestException", "remove all base path mappings", 400, Class::Dependency),
            ("apigateway:GetApis", "TooManyRequestsException", same, 429, Class::Throttled),
            ("acm:RequestCertificate", "LimitExceededException", same, 400, Class::Permanent),
            ("acm:DeleteCertificate", "ResourceInUseException", same, 400, Class::Dependency),
            ("route53:GetHostedZone", "Throttling", same, 400, Class::Throttled),
            ("route53:GetHostedZone", "NoSuchHostedZone", same, 404, Class::Gone),
            ("route53:ChangeResourceRecordSets", "NoSuchHealthCheck", same, 404, Class::Eventual),
            ("route53:ChangeResourceRecordSets", "InvalidChangeBatch", "… but it already exists", 400, Class::Exists),
            ("route53:UpdateHealthCheck", "HealthCheckVersionMismatch", same, 409, Class::Stale),
            ("cloudfront:DeleteDistribution", "DistributionNotDisabled", same, 409, Class::Dependency),
            ("cloudfront:UpdateDistribution", "PreconditionFailed", same, 412, Class::Stale),
            ("cloudwatch:PutMetricAlarm", "InternalServiceError", same, 500, Class::Transient),
            ("apigateway:GetApis", "Http500", same, 500, Class::Transient),
        ] {
            assert_eq!(classify(operation, code, message, status), class, "{operation} {code} {message}");
        }
    }

    #[test]
    fn a_missing_right_is_named_by_its_action() {
        let hint = hint("ec2:CreateVpc", "UnauthorizedOperation", Class::Denied).unwrap();
        assert!(hint.contains("`ec2:CreateVpc`"), "{hint}");
    }
}
