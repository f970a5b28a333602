//! Listeners: create, describe, modify, delete.

use aws_sdk_elasticloadbalancingv2::operation::create_listener::{
    CreateListenerError, CreateListenerInput, CreateListenerOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::delete_listener::{
    DeleteListenerError, DeleteListenerInput, DeleteListenerOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::describe_listeners::{
    DescribeListenersError, DescribeListenersInput, DescribeListenersOutput,
};
use aws_sdk_elasticloadbalancingv2::operation::modify_listener::{
    ModifyListenerError, ModifyListenerInput, ModifyListenerOutput,
};
use aws_sdk_elasticloadbalancingv2::types::{Certificate, Listener as SdkListener, ProtocolEnum};

use super::{
    Action, Listener, SERVICE, actions, arn, balancers, checked_port, invalid, page, resource_of, suffix, tags,
};
use crate::control::{Answer, Call, Refusal, Table, acm};
use crate::world::World;

/// Listeners per load balancer (AWS default quota).
const LISTENERS_MAX: usize = 50;

/// The policy of an HTTPS listener that names none.
const DEFAULT_POLICY: &str = "ELBSecurityPolicy-2016-08";

/// AWS page: "Security policies for your Application Load Balancer".
const POLICIES: &[&str] = &[
    DEFAULT_POLICY,
    "ELBSecurityPolicy-FS-1-1-2019-08",
    "ELBSecurityPolicy-FS-1-2-2019-08",
    "ELBSecurityPolicy-FS-1-2-Res-2019-08",
    "ELBSecurityPolicy-FS-1-2-Res-2020-10",
    "ELBSecurityPolicy-FS-2018-06",
    "ELBSecurityPolicy-TLS-1-0-2015-04",
    "ELBSecurityPolicy-TLS-1-1-2017-01",
    "ELBSecurityPolicy-TLS-1-2-2017-01",
    "ELBSecurityPolicy-TLS-1-2-Ext-2018-06",
    "ELBSecurityPolicy-TLS13-1-0-2021-06",
    "ELBSecurityPolicy-TLS13-1-1-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
    "ELBSecurityPolicy-TLS13-1-3-2021-06",
];

pub(super) fn register(table: &mut Table) {
    table.on(SERVICE, "CreateListener", CreateListenerError::generic, create);
    table.on(SERVICE, "DescribeListeners", DescribeListenersError::generic, describe);
    table.on(SERVICE, "ModifyListener", ModifyListenerError::generic, modify);
    table.on(SERVICE, "DeleteListener", DeleteListenerError::generic, delete);
}

/// The listener with this ARN in the region of the call.
pub(super) fn existing<'a>(world: &'a mut World, call: &Call, arn: Option<&str>) -> Answer<&'a mut Listener> {
    let arn = arn.unwrap_or_default();
    let balancers = &world.elbv2.balancers;
    let here = |listener: &Listener| balancers.get(&listener.balancer).is_some_and(|b| b.region == call.region);
    let found = world.elbv2.listeners.get_mut(arn).filter(|listener| here(listener));
    found.ok_or_else(|| Refusal::new("ListenerNotFound", format!("One or more listeners not found: '{arn}'")))
}

/// Protocol, certificate and policy, which belong together.
struct Tls {
    protocol: String,
    certificate: Option<String>,
    policy: Option<String>,
}

fn checked_tls(
    world: &World,
    call: &Call,
    protocol: &str,
    certificates: &[Certificate],
    policy: Option<&str>,
) -> Answer<Tls> {
    match protocol {
        "HTTP" => {
            if !certificates.is_empty() || policy.is_some() {
                return Err(invalid("A certificate or a security policy cannot be specified for HTTP listeners"));
            }
            Ok(Tls { protocol: protocol.to_owned(), certificate: None, policy: None })
        }
        "HTTPS" => {
            let certificate = match certificates {
                [] => return Err(invalid("A certificate must be specified for HTTPS listeners")),
                [only] => only.certificate_arn().unwrap_or_default(),
                _ => {
                    return Err(Refusal::new(
                        "TooManyCertificates",
                        "Exactly one default certificate can be specified",
                    ));
                }
            };
            if world.acm.certificates.get(certificate).is_none_or(|found| found.region != call.region) {
                return Err(Refusal::new("CertificateNotFound", format!("Certificate '{certificate}' not found")));
            }
            if !acm::is_issued(world, &call.region, certificate, call.now_ms) {
                let message = format!(
                    "The certificate '{certificate}' must have a fully-qualified domain name, a supported signature, \
                     and a supported key size"
                );
                return Err(Refusal::new("UnsupportedCertificate", message));
            }
            let policy = policy.unwrap_or(DEFAULT_POLICY);
            if !POLICIES.contains(&policy) {
                return Err(Refusal::new("SSLPolicyNotFound", format!("SSL policy '{policy}' not found")));
            }
            Ok(Tls {
                protocol: protocol.to_owned(),
                certificate: Some(certificate.to_owned()),
                policy: Some(policy.to_owned()),
            })
        }
        other => Err(Refusal::new(
            "UnsupportedProtocol",
            format!("The protocol '{other}' is not supported: use HTTP or HTTPS"),
        )),
    }
}

fn create(world: &mut World, call: &Call, input: &CreateListenerInput) -> Answer<CreateListenerOutput> {
    let balancer = balancers::existing(world, call, input.load_balancer_arn())?.clone();
    let port = checked_port("Listener", input.port())?;
    let protocol = input.protocol().ok_or_else(|| invalid("A protocol must be specified"))?.as_str();
    let tls = checked_tls(world, call, protocol, input.certificates(), input.ssl_policy())?;
    let actions = actions::checked(&world.elbv2, &balancer, input.default_actions.as_deref())?;
    let tags = tags::checked(input.tags())?;

    if let Some(same) = world.elbv2.listeners.values().find(|l| l.balancer == balancer.arn && l.port == port) {
        let equal = same.protocol == tls.protocol
            && same.certificate == tls.certificate
            && same.ssl_policy == tls.policy
            && same.actions == actions;
        if !equal {
            let message = format!("A listener already exists on this port for this load balancer '{}'", balancer.arn);
            return Err(Refusal::new("DuplicateListener", message));
        }
        return Ok(CreateListenerOutput::builder().listeners(to_sdk(same)).build());
    }
    if world.elbv2.listeners.values().filter(|listener| listener.balancer == balancer.arn).count() >= LISTENERS_MAX {
        return Err(Refusal::new(
            "TooManyListeners",
            "You have reached the maximum number of listeners of this load balancer",
        ));
    }

    let path = resource_of(&balancer.arn).trim_start_matches("loadbalancer/");
    let id = suffix(world);
    let rule = suffix(world);
    let listener = Listener {
        arn: arn(world, &call.region, &format!("listener/{path}/{id}")),
        default_rule: arn(world, &call.region, &format!("listener-rule/{path}/{id}/{rule}")),
        balancer: balancer.arn.clone(),
        port,
        protocol: tls.protocol,
        certificate: tls.certificate,
        ssl_policy: tls.policy,
        actions,
        tags,
    };
    if let Some(certificate) = &listener.certificate {
        acm::use_certificate(world, certificate, &listener.balancer);
    }
    let output = CreateListenerOutput::builder().listeners(to_sdk(&listener)).build();
    world.elbv2.listeners.insert(listener.arn.clone(), listener);
    Ok(output)
}

fn describe(world: &mut World, call: &Call, input: &DescribeListenersInput) -> Answer<DescribeListenersOutput> {
    let arns = input.listener_arns();
    match (input.load_balancer_arn(), arns) {
        (None, []) => return Err(invalid("You must specify either listener ARNs or a load balancer ARN")),
        (Some(_), [_, ..]) => {
            return Err(invalid("Listener ARNs and a load balancer ARN cannot be specified at the same time"));
        }
        (Some(balancer), []) => {
            balancers::existing(world, call, Some(balancer))?;
        }
        (None, arns) => {
            for arn in arns {
                existing(world, call, Some(arn))?;
            }
        }
    }
    let wanted = |l: &Listener| arns.contains(&l.arn) || input.load_balancer_arn().is_some_and(|arn| l.balancer == arn);
    let items = world.elbv2.listeners.values().filter(|l| wanted(l)).map(|l| (l.arn.clone(), to_sdk(l))).collect();
    let (items, next) = page(items, input.marker(), input.page_size())?;
    Ok(DescribeListenersOutput::builder().set_listeners(Some(items)).set_next_marker(next).build())
}

fn modify(world: &mut World, call: &Call, input: &ModifyListenerInput) -> Answer<ModifyListenerOutput> {
    let old = existing(world, call, input.listener_arn())?.clone();
    let port = match input.port() {
        None => old.port,
        given => checked_port("Listener", given)?,
    };
    if port != old.port && world.elbv2.listeners.values().any(|l| l.balancer == old.balancer && l.port == port) {
        let message = format!("A listener already exists on this port for this load balancer '{}'", old.balancer);
        return Err(Refusal::new("DuplicateListener", message));
    }
    let protocol = input.protocol().map_or(old.protocol.as_str(), ProtocolEnum::as_str);
    let stays_https = protocol == "HTTPS" && old.protocol == "HTTPS";
    // What is not given stays, except that leaving HTTPS drops the certificate and the policy.
    let kept: Vec<Certificate> = match &old.certificate {
        Some(arn) if stays_https && input.certificates().is_empty() => {
            vec![Certificate::builder().certificate_arn(arn).build()]
        }
        _ => input.certificates().to_vec(),
    };
    let policy = input.ssl_policy().or(if stays_https { old.ssl_policy.as_deref() } else { None });
    let tls = checked_tls(world, call, protocol, &kept, policy)?;
    let actions: Vec<Action> = match &input.default_actions {
        None => old.actions.clone(),
        Some(actions) => {
            let balancer = world.elbv2.balancers.get(&old.balancer).expect("a listener goes with its load balancer");
            actions::checked(&world.elbv2, balancer, Some(actions))?
        }
    };
    if tls.certificate != old.certificate {
        if let Some(new) = &tls.certificate {
            acm::use_certificate(world, new, &old.balancer);
        }
        release_certificate(world, call, &old);
    }
    let listener = existing(world, call, input.listener_arn())?;
    *listener =
        Listener { port, protocol: tls.protocol, certificate: tls.certificate, ssl_policy: tls.policy, actions, ..old };
    Ok(ModifyListenerOutput::builder().listeners(to_sdk(listener)).build())
}

fn delete(world: &mut World, call: &Call, input: &DeleteListenerInput) -> Answer<DeleteListenerOutput> {
    let arn = existing(world, call, input.listener_arn())?.arn.clone();
    remove(world, call, &arn);
    Ok(DeleteListenerOutput::builder().build())
}

/// Removes a listener with its rules.
pub(super) fn remove(world: &mut World, call: &Call, arn: &str) {
    let Some(listener) = world.elbv2.listeners.remove(arn) else { return };
    world.elbv2.rules.retain(|_, rule| rule.listener != arn);
    release_certificate(world, call, &listener);
}

/// ACM lists the load balancer as the user of a certificate, so it stays in use while another listener has it.
fn release_certificate(world: &mut World, call: &Call, listener: &Listener) {
    let Some(certificate) = &listener.certificate else { return };
    let others = |l: &&Listener| l.arn != listener.arn && l.balancer == listener.balancer;
    if !world.elbv2.listeners.values().filter(others).any(|l| l.certificate.as_ref() == Some(certificate)) {
        acm::release_certificate(world, certificate, &listener.balancer, call.now_ms);
    }
}

fn to_sdk(listener: &Listener) -> SdkListener {
    let certificates = listener.certificate.iter().map(|arn| Certificate::builder().certificate_arn(arn).build());
    SdkListener::builder()
        .listener_arn(&listener.arn)
        .load_balancer_arn(&listener.balancer)
        .port(i32::from(listener.port))
        .protocol(ProtocolEnum::from(listener.protocol.as_str()))
        .set_certificates(listener.certificate.is_some().then(|| certificates.collect()))
        .set_ssl_policy(listener.ssl_policy.clone())
        .set_default_actions(Some(listener.actions.iter().map(Action::to_sdk).collect()))
        .build()
}
