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
use crate::permissions;

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

/// The same answer, of another kind than its code says: what a caller knows that the code does not.
pub(crate) fn as_class(mut error: CloudError, class: Class) -> CloudError {
    error.class = class;
    error
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
            let hint = hint(operation, &code, &message, class);
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
    "authorizationerror",
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
    "subscriptionrequiredexception",
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
    "healthcheckinuse",
    "hostedzonenotempty",
    "invalidgroup.inuse",
    "invalidipaddress.inuse",
    "resourceinuse",
    "resourceinuseexception",
];

const STALE: &[&str] = &[
    "concurrentaccess",
    "concurrentmodification",
    "concurrentmodificationexception",
    "healthcheckversionmismatch",
    "invalidifmatchversion",
    "preconditionfailed",
    "staletag",
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

    // An address that was released and is somebody else's by now.
    if (operation, code) == ("ec2:ReleaseAddress", "authfailure") && says("does not belong") {
        return Class::Gone;
    }
    // AWS has not looked at the account yet, which no right changes.
    if is(DENIED) && says(UNVERIFIED) {
        return Class::Permanent;
    }
    if is(DENIED) {
        return Class::Denied;
    }
    if service == "apigateway" && is_quota(&text) {
        return Class::Permanent;
    }
    if is(THROTTLED) || status == 429 {
        return Class::Throttled;
    }
    match (service, code) {
        ("acm", "conflictexception") => return Class::Eventual,
        // The texts of API Gateway: its codes say too little.
        ("apigateway", "badrequestexception") if says(DISCOVERY) => return Class::Permanent,
        (_, "conflictexception") if says("try again later") => return Class::Eventual,
        (_, "conflictexception" | "badrequestexception")
            if says("cannot delete") || says("referenced") || says("base path mapping") || says("in use") =>
        {
            return Class::Dependency;
        }
        (_, "conflictexception") => return Class::Exists,
        ("apigateway", "badrequestexception") if says("already exists") => return Class::Exists,
        // What it refers to was made a moment ago: a stage, an integration, a certificate.
        ("apigateway", "badrequestexception")
            if !is_removal(name) && (says("not found") || says("does not exist") || says("identifier specified")) =>
        {
            return Class::Eventual;
        }
        // A new role or profile is not known everywhere yet.
        ("ec2" | "iam", "invalidparametervalue")
            if says("invalid iam instance profile") || says("no associated iam roles") =>
        {
            return Class::Eventual;
        }
        ("ec2", "incorrectinstancestate" | "incorrectstate") => return Class::Eventual,
        ("ec2", "invalidparameterexception") if name.ends_with("Route") => return Class::Eventual,
        // Capacity comes back in hours or elsewhere, not while a deploy waits; AWS answers it as a server error.
        ("ec2", code) if code.starts_with("insufficient") && code.ends_with("capacity") => return Class::Permanent,
        ("ec2", "invalidamiid.notfound") => return Class::Permanent,
        // The first launch of an account in a region, mostly for some minutes.
        ("ec2", "pendingverification") => return Class::Eventual,
        // The VPC has an endpoint for the service's own name, which may be the one of a lost answer.
        ("ec2", "invalidparameter") if says("conflicting dns domain") => return Class::Exists,
        // Taken by another subnet, which may be the one of a lost answer.
        ("ec2", "invalidsubnet.conflict") => return Class::Exists,
        ("iam", "malformedpolicydocument") if says("invalid principal in policy") => return Class::Eventual,
        ("iam", "entitytemporarilyunmodifiable") => return Class::Eventual,
        // It is the policy that there is not, and not a new role that is not known everywhere yet.
        ("iam", "nosuchentity") if says("not attachable") => return Class::Permanent,
        ("elasticloadbalancing", "invalidtarget") if is_removal(name) => return Class::Gone,
        (
            "elasticloadbalancing",
            "certificatenotfound" | "invalidtarget" | "subnetnotfound" | "invalidsecuritygroup",
        ) => {
            return Class::Eventual;
        }
        // The same about a VPC, in a code for everything.
        ("elasticloadbalancing", "validationerror") if says("is not found") => return Class::Eventual,
        // Policies are AWS's: a name that is not known will not be.
        ("elasticloadbalancing", "sslpolicynotfound") => return Class::Permanent,
        // A rule that has the priority keeps a new one out, and an old one waiting for it to move.
        ("elasticloadbalancing", "priorityinuse") if name == "CreateRule" => return Class::Exists,
        ("elasticloadbalancing", "priorityinuse") => return Class::Dependency,
        // It is there, and for other names.
        ("cloudfront", "invalidviewercertificate") if says("cover") || says("must attach") => return Class::Permanent,
        ("cloudfront", "invalidviewercertificate") => return Class::Eventual,
        // Policies and origins that the settings name: what is not there will not be.
        ("cloudfront", code) if is_missing_setting(code) && !is_read(name) && !is_removal(name) => {
            return Class::Permanent;
        }
        ("sns", "invalidparameter") if says("already exists") => return Class::Exists,
        ("route53", "invalidchangebatch") if says("already exists") => return Class::Exists,
        // What an alias points to, made a moment ago.
        ("route53", "invalidchangebatch") if says("target was not found") => return Class::Eventual,
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

/// What API Gateway says about a quota, in the code for whatever is wrong.
fn is_quota(text: &str) -> bool {
    text.contains("there are too many") && text.contains("limit is") || text.contains("maximum number of")
}

/// Codes of CloudFront about a part of the settings and not about a distribution.
fn is_missing_setting(code: &str) -> bool {
    code.starts_with("nosuch") && !matches!(code, "nosuchdistribution" | "nosuchresource")
}

/// A part of what CloudFront says about a new account.
const UNVERIFIED: &str = "account must be verified";

/// A part of what API Gateway says about a subnet in a zone without VPC links.
const NO_LINKS: &str = "where service is not available";

/// A part of what API Gateway says when it does not reach the issuer of tokens.
const DISCOVERY: &str = "openid-configuration";

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
fn hint(operation: &str, code: &str, message: &str, class: Class) -> Option<String> {
    let service = operation.split(':').next().unwrap_or_default();
    let (code, text) = (code.to_ascii_lowercase(), message.to_ascii_lowercase());
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
        "optinrequired" | "subscriptionrequiredexception" => {
            "the account is not subscribed to this service, or the region is not enabled".into()
        }
        _ if class == Class::Denied => missing_right(operation, message),
        "accessdenied" if text.contains(UNVERIFIED) => {
            "AWS has not verified the account for this service yet: ask AWS Support, then deploy again, it goes on from here".into()
        }
        "pendingverification" => {
            "AWS is looking at the account's first use of this region, for minutes mostly and 4 hours at most: deploy again then, it goes on from here"
                .into()
        }
        _ if service == "cloudfront" && class == Class::Permanent && is_missing_setting(&code) => {
            "CloudFront knows no policy or origin of this id: is it one of this account, or a managed one?".into()
        }
        "badrequestexception" if text.contains(NO_LINKS) => {
            "this zone has no VPC links: give the link subnets in others (`aws.ec2.zones` puts such zones last)".into()
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
        "targetgroupassociationlimit" => "a target group serves one load balancer: make another group".into(),
        _ if class == Class::Permanent
            && (code.contains("limitexceeded") || code.starts_with("toomany") || is_quota(&text)) =>
        {
            "a quota of the account is used up: request more in Service Quotas, or delete what is not needed".into()
        }
        "invalidsubnet.conflict" => "another subnet of this VPC uses the range: choose a free one".into(),
        "invalidsubnet.range" => "the range is not inside of the VPC's: choose a part of it".into(),
        "invalidparameter" if class == Class::Exists && service == "ec2" => {
            "another endpoint of the VPC answers to the service's own name: remove it, or add `.without_private_dns()`".into()
        }
        "sslpolicynotfound" => "Elastic Load Balancing has no TLS policy of this name".into(),
        "priorityinuse" => "another rule of the listener has this priority: give one of them a free number".into(),
        "invalidviewercertificate" if class == Class::Permanent => {
            "the certificate has to cover every name of the distribution: request one for all of them".into()
        }
        "nosuchentity" if class == Class::Permanent => "there is no managed policy of this name or ARN".into(),
        "badrequestexception" if text.contains(DISCOVERY) => {
            "API Gateway reads `<issuer>/.well-known/openid-configuration` now, within 1.5 seconds: can it be reached from the Internet?"
                .into()
        }
        "operationnotpermitted" if is_removal(operation.split(':').next_back().unwrap_or_default()) => {
            "it is protected against deletion at AWS: switch the protection off first".into()
        }
        _ => return None,
    })
}

/// Which right is missing: what the message names, or else what allows the operation.
fn missing_right(operation: &str, message: &str) -> String {
    // "User: arn:… is not authorized to perform: iam:PassRole on resource: …": the right is not always the operation's own.
    let named = message.split_once("to perform: ").and_then(|(_, rest)| rest.split([' ', ',']).next());
    // API Gateway names it in words: the first link or domain of an account needs a role of the service.
    let in_words = message.to_ascii_lowercase().contains("create a service linked role");
    let named = named.or(in_words.then_some("iam:CreateServiceLinkedRole"));
    let named = named.map(|action| action.trim_end_matches('.')).filter(|action| action.contains(':'));
    let mut actions = named.map_or_else(|| permissions::actions_of(operation), |action| vec![action.to_owned()]);
    if actions.is_empty() {
        actions.push(operation.to_owned());
    }
    let actions = actions.iter().map(|action| format!("`{action}`")).collect::<Vec<_>>().join(" and ");
    if message.contains("explicit deny") {
        format!("a policy denies {actions} explicitly: the message says which kind of policy")
    } else if message.contains("Encoded authorization failure message") {
        format!(
            "the credentials lack a right: allow {actions} in the policy of the role or user (`aws sts decode-authorization-message` tells more)"
        )
    } else {
        format!("the credentials lack a right: allow {actions} in the policy of the role or user")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFY: &str = "Your account must be verified before you can add new CloudFront resources. To verify your account, please contact AWS Support (https://console.aws.amazon.com/support/home#/) and include this error message.";
    const ZONE: &str = "Subnet 'subnet-1' is in Availability Zone 'euw3-az2' where service is not available";

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
            ("ec2:RunInstances", "InsufficientHostCapacity", same, 500, Class::Permanent),
            ("ec2:ReleaseAddress", "AuthFailure", "The address 'a' does not belong to you.", 400, Class::Gone),
            ("ec2:ReleaseAddress", "AuthFailure", "AWS was not able to validate the provided …", 401, Class::Denied),
            ("ec2:DescribeVpcs", "Unavailable", same, 503, Class::Transient),
            ("ssm:GetParameter", "ParameterNotFound", same, 400, Class::Gone),
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
            ("cloudfront:CreateDistributionWithTags", "NoSuchCachePolicy", same, 404, Class::Permanent),
            ("cloudfront:UpdateDistribution", "NoSuchOriginRequestPolicy", same, 404, Class::Permanent),
            ("cloudfront:UpdateDistribution", "NoSuchOrigin", same, 404, Class::Permanent),
            ("cloudfront:UpdateDistribution", "NoSuchDistribution", same, 404, Class::Eventual),
            ("cloudfront:TagResource", "NoSuchResource", same, 404, Class::Eventual),
            ("cloudfront:DeleteDistribution", "NoSuchDistribution", same, 404, Class::Gone),
            ("cloudfront:CreateDistributionWithTags", "AccessDenied", VERIFY, 403, Class::Permanent),
            ("cloudfront:CreateDistributionWithTags", "AccessDenied", "Access denied", 403, Class::Denied),
            ("ec2:RunInstances", "PendingVerification", same, 400, Class::Eventual),
            ("apigateway:CreateVpcLink", "BadRequestException", ZONE, 400, Class::Permanent),
            ("cloudwatch:PutMetricAlarm", "InternalServiceError", same, 500, Class::Transient),
            ("apigateway:GetApis", "Http500", same, 500, Class::Transient),
        ] {
            assert_eq!(classify(operation, code, message, status), class, "{operation} {code} {message}");
        }
    }

    #[test]
    fn a_missing_right_is_named_by_its_action() {
        for (operation, message, right) in [
            ("ec2:CreateVpc", "You are not authorized to perform this operation.", "allow `ec2:CreateVpc` in"),
            // What is missing is not the right to the operation.
            (
                "ec2:RunInstances",
                "User: arn:u is not authorized to perform: iam:PassRole on resource: arn:r because no …",
                "allow `iam:PassRole` in",
            ),
            ("apigateway:CreateVpcLink", "User is not authorized", "allow `apigateway:POST` and `apigateway:PUT` in"),
            ("ec2:CreateVpc", "… Encoded authorization failure message: x", "decode-authorization-message"),
            (
                "apigateway:CreateVpcLink",
                "Caller does not have permissions to create a Service Linked Role.",
                "allow `iam:CreateServiceLinkedRole` in",
            ),
            (
                "sns:CreateTopic",
                "User: u is not authorized to perform: sns:CreateTopic on resource: t with an explicit deny in a service control policy",
                "denies `sns:CreateTopic` explicitly",
            ),
        ] {
            let hint = hint(operation, "AccessDenied", message, Class::Denied).unwrap();
            assert!(hint.contains(right), "{hint}");
        }
    }

    #[test]
    fn what_a_new_account_or_a_zone_has_to_do_with_it_is_said() {
        for (operation, code, message, sentence) in [
            ("cloudfront:CreateDistributionWithTags", "AccessDenied", VERIFY, "has not verified the account"),
            ("ec2:RunInstances", "PendingVerification", "Your request … is being validated", "deploy again then"),
            ("cloudfront:UpdateDistribution", "NoSuchCachePolicy", "", "no policy or origin of this id"),
            ("apigateway:CreateVpcLink", "BadRequestException", ZONE, "subnets in others"),
        ] {
            let class = classify(operation, code, message, 400);
            let hint = hint(operation, code, message, class).unwrap();
            assert!(hint.contains(sentence), "{code}: {hint}");
        }
    }

    #[test]
    fn what_keeps_credentials_from_working_is_said_in_one_sentence_each() {
        for (code, sentence) in [
            ("ExpiredToken", "expired: log in again"),
            ("ExpiredTokenException", "expired: log in again"),
            ("RequestExpired", "expired: log in again"),
            ("InvalidClientTokenId", "check AWS_PROFILE, and whether the region is enabled"),
            ("UnrecognizedClientException", "check AWS_PROFILE, and whether the region is enabled"),
            ("AuthFailure", "check AWS_PROFILE, and whether the region is enabled"),
            ("SignatureDoesNotMatch", "the clock of this machine is wrong"),
            ("OptInRequired", "not subscribed to this service"),
        ] {
            assert_eq!(classify("ec2:DescribeVpcs", code, "", 403), Class::Denied, "{code}");
            let hint = hint("ec2:DescribeVpcs", code, "", Class::Denied).unwrap();
            assert!(hint.contains(sentence), "{code}: {hint}");
        }
    }
}
