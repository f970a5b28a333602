//! `aws.elbv2.listener`: a port of a load balancer, and where its requests go.
//!
//! API: CreateListener, ModifyListener, DescribeListeners, DeleteListener (Elastic Load Balancing 2015-12-01).
//! Find: by load balancer and tags, else by port. Change: the load balancer replaces, the rest in place.
//! Delete: before its target group and certificate; after the integrations that name its ARN.

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancingv2::types::{Action, ActionTypeEnum, Certificate, Listener as Described, ProtocolEnum};
use dr_core::{
    Anywhere, CloudError, Cx, Found, Health, Input, Inputs, IntoInput, Lifecycle, Outputs, Prior, Problems, Region,
    Resource, Scan, Wanted,
};
use futures_util::future::try_join_all;

use super::{adopt, found, load_balancers, owners, ownership, sync_tags};
use crate::Aws;
use crate::call::{Call as _, GoneOk as _};
use crate::ids::{CertificateArn, ListenerArn, LoadBalancerArn, TargetGroupArn};
use crate::read::{Promised as _, found_by_key};

/// A port of a load balancer: requests go to one target group unless a [`ListenerRule`](super::ListenerRule) says otherwise.
///
/// The load balancer need not be active yet. An integration of API Gateway stores the ARN of the listener, so what can change
/// in place does.
///
/// - Inputs: the load balancer (replaces, the old one first); the port, the protocol with certificate and TLS policy
///   (`ELBSecurityPolicy-TLS13-1-2-2021-06` by default), and the group that requests go to, in place.
/// - Ready: at once.
/// - Calls: CreateListener, ModifyListener, DescribeListeners, DeleteListener.
/// - AWS: <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateListener.html>
#[derive(Debug, Clone, Resource)]
#[resource(
    type = "aws.elbv2.listener", outputs = ListenerOutputs, create_s = 1, delete_s = 1, replacement = "delete-first",
    check = check
)]
pub struct Listener<R: Region = Anywhere> {
    /// Whose port it is.
    #[input(replace, accepted)]
    load_balancer: Input<LoadBalancerArn<R>>,
    /// The port.
    port: u16,
    /// What it speaks.
    #[input(nested)]
    protocol: ListenerProtocol<R>,
    /// Where requests go that no rule takes.
    forward: Input<TargetGroupArn<R>>,
}

/// What a listener speaks.
#[derive(Debug, Clone, Inputs)]
#[non_exhaustive]
pub enum ListenerProtocol<R: Region = Anywhere> {
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https {
        /// An issued certificate of the same region.
        certificate: Input<CertificateArn<R>>,
        /// The versions and ciphers, by the name of a policy of Elastic Load Balancing.
        policy: String,
    },
}

/// What is known of a listener once it exists.
#[derive(Debug, Clone, PartialEq, Outputs)]
pub struct ListenerOutputs<R: Region = Anywhere> {
    /// `arn:aws:elasticloadbalancing:…:listener/app/…`
    pub arn: ListenerArn<R>,
}

/// TLS 1.2 and 1.3 with ciphers that keep old traffic secret: what AWS gives new listeners in its console.
const POLICY: &str = "ELBSecurityPolicy-TLS13-1-2-2021-06";

impl<R: Region> Listener<R> {
    /// HTTP on this port; everything goes to the target group.
    pub fn http(
        load_balancer: impl IntoInput<LoadBalancerArn<R>>,
        port: u16,
        forward: impl IntoInput<TargetGroupArn<R>>,
    ) -> Self {
        Listener {
            load_balancer: load_balancer.into_input(),
            port,
            protocol: ListenerProtocol::Http,
            forward: forward.into_input(),
        }
    }

    /// HTTPS on this port with a certificate of the same region, TLS 1.2 and 1.3.
    pub fn https(
        load_balancer: impl IntoInput<LoadBalancerArn<R>>,
        port: u16,
        certificate: impl IntoInput<CertificateArn<R>>,
        forward: impl IntoInput<TargetGroupArn<R>>,
    ) -> Self {
        let protocol = ListenerProtocol::Https { certificate: certificate.into_input(), policy: POLICY.to_owned() };
        Listener { protocol, ..Listener::http(load_balancer, port, forward) }
    }

    /// Other versions and ciphers, `ELBSecurityPolicy-TLS13-1-3-2021-06`; nothing for HTTP.
    #[must_use]
    pub fn tls_policy(mut self, name: impl Into<String>) -> Self {
        if let ListenerProtocol::Https { policy, .. } = &mut self.protocol {
            *policy = name.into();
        }
        self
    }
}

fn check<R: Region>(listener: &Listener<R>, problems: &mut Problems) {
    if listener.port == 0 {
        problems.report("port", "a port is 1 to 65535");
    }
}

impl Lifecycle for Listener {
    type Cloud = Aws;

    async fn read(scan: &Scan<Aws>, wanted: &[Wanted<Self>]) -> Result<Vec<Found<Self>>, CloudError> {
        let mut parents: BTreeSet<String> = wanted.iter().map(|want| want.args.load_balancer.to_string()).collect();
        if scan.cloud.reads_all() {
            let balancers = load_balancers(scan).await?;
            parents.extend(balancers.iter().filter_map(|balancer| balancer.load_balancer_arn().map(str::to_owned)));
        }
        let listeners = try_join_all(parents.iter().map(|parent| of_load_balancer(scan, parent))).await?.concat();
        let arns = listeners.iter().filter_map(|listener| listener.listener_arn().map(str::to_owned)).collect();
        let owners = owners(scan, wanted, |outputs: &ListenerOutputs| outputs.arn.as_str(), arns).await?;
        let describe = |listener: &Described| {
            let (arn, args) = (listener.listener_arn()?, args(listener)?);
            let outputs = ListenerOutputs { arn: ListenerArn::literal(arn) };
            match owners.get(arn) {
                Some(whose) => Some(found(whose, args, outputs, Health::Ready)),
                // One without our tags on the port that is wanted.
                None => {
                    let key = |args: &ListenerArgs| (args.load_balancer.clone(), args.port);
                    let want = wanted.iter().find(|want| key(&want.args) == key(&args))?;
                    Some(found_by_key(want, args, outputs, Health::Ready))
                }
            }
        };
        Ok(listeners.iter().filter_map(describe).collect())
    }

    async fn create(cx: &Cx<Aws>, args: &ListenerArgs) -> Result<ListenerOutputs, CloudError> {
        const CALL: &str = "elasticloadbalancing:CreateListener";
        let (protocol, certificates, policy) = wire(&args.protocol);
        let request = cx.cloud.elbv2(&cx.owner.region).create_listener();
        let request = request
            .load_balancer_arn(args.load_balancer.as_str())
            .port(args.port.into())
            .protocol(protocol)
            .set_certificates(certificates)
            .set_ssl_policy(policy)
            .default_actions(forward_to(args.forward.as_str()))
            .set_tags(Some(ownership(cx)));
        let answer = request.send().await.call(CALL)?;
        let arn =
            answer.listeners().first().and_then(|listener| listener.listener_arn()).promised(CALL, "the listener")?;
        Ok(ListenerOutputs { arn: ListenerArn::literal(arn) })
    }

    async fn update(cx: &Cx<Aws>, prior: &Prior<Self>, args: &ListenerArgs) -> Result<ListenerOutputs, CloudError> {
        let arn = prior.outputs.arn.as_str();
        sync_tags(cx, arn).await?;
        if *args != prior.args {
            let (protocol, certificates, policy) = wire(&args.protocol);
            let request = cx.cloud.elbv2(&cx.owner.region).modify_listener().listener_arn(arn);
            let request = request
                .port(args.port.into())
                .protocol(protocol)
                .set_certificates(certificates)
                .set_ssl_policy(policy)
                .default_actions(forward_to(args.forward.as_str()));
            request.send().await.call("elasticloadbalancing:ModifyListener")?;
        }
        Ok(prior.outputs.clone())
    }

    async fn delete(cx: &Cx<Aws>, prior: &Prior<Self>) -> Result<(), CloudError> {
        let request = cx.cloud.elbv2(&cx.owner.region).delete_listener().listener_arn(prior.outputs.arn.as_str());
        request.send().await.call("elasticloadbalancing:DeleteListener").gone_ok().map(drop)
    }

    async fn adopt(cx: &Cx<Aws>, current: &Prior<Self>) -> Result<(), CloudError> {
        adopt(cx, current.outputs.arn.as_str()).await
    }
}

async fn of_load_balancer(scan: &Scan<Aws>, arn: &str) -> Result<Vec<Described>, CloudError> {
    let request = scan.cloud.elbv2(&scan.region).describe_listeners().load_balancer_arn(arn);
    let items = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
    Ok(items.call("elasticloadbalancing:DescribeListeners").gone_ok()?.unwrap_or_default())
}

/// Protocol, certificate and policy in the form of the calls.
fn wire(protocol: &ListenerProtocolArgs) -> (ProtocolEnum, Option<Vec<Certificate>>, Option<String>) {
    match protocol {
        ListenerProtocolArgs::Http => (ProtocolEnum::Http, None, None),
        ListenerProtocolArgs::Https { certificate, policy } => {
            let certificate = Certificate::builder().certificate_arn(certificate.as_str()).build();
            (ProtocolEnum::Https, Some(vec![certificate]), Some(policy.clone()))
        }
    }
}

/// The action that sends everything to one group.
pub(super) fn forward_to(group: &str) -> Action {
    Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(group).build()
}

/// The group that actions forward to; none when somebody made them do something else.
pub(super) fn forwards_to(actions: &[Action]) -> TargetGroupArn {
    let group = actions.iter().find_map(|action| {
        let groups = action.forward_config().map(|config| config.target_groups()).unwrap_or_default();
        action.target_group_arn().or_else(|| groups.first().and_then(|group| group.target_group_arn()))
    });
    TargetGroupArn::literal(group.unwrap_or_default())
}

fn args(listener: &Described) -> Option<ListenerArgs> {
    let certificate = listener.certificates().first().and_then(|certificate| certificate.certificate_arn());
    Some(ListenerArgs {
        load_balancer: LoadBalancerArn::literal(listener.load_balancer_arn()?),
        port: u16::try_from(listener.port()?).ok()?,
        protocol: match listener.protocol() {
            Some(ProtocolEnum::Https) => ListenerProtocolArgs::Https {
                certificate: CertificateArn::literal(certificate.unwrap_or_default()),
                policy: listener.ssl_policy().unwrap_or_default().to_owned(),
            },
            _ => ListenerProtocolArgs::Http,
        },
        forward: forwards_to(listener.default_actions()),
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticloadbalancingv2::Client;
    use aws_smithy_mocks::mock;
    use dr_core::Class;

    use super::*;
    use crate::testing::{cx, outcome, refused};

    fn prior() -> Prior<Listener> {
        let protocol =
            ListenerProtocolArgs::Https { certificate: CertificateArn::literal("arn:c"), policy: POLICY.into() };
        let args = ListenerArgs {
            load_balancer: LoadBalancerArn::literal("arn:b"),
            port: 443,
            protocol,
            forward: TargetGroupArn::literal("arn:g"),
        };
        Prior { args, outputs: ListenerOutputs { arn: ListenerArn::literal("arn:l") } }
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_looked_at_and_a_new_certificate_waited_for() {
        for (code, class) in [
            ("DuplicateListener", Class::Exists),
            ("CertificateNotFound", Class::Eventual),
            ("TargetGroupNotFound", Class::Eventual),
            ("LoadBalancerNotFound", Class::Eventual),
            ("TooManyListeners", Class::Permanent),
            ("UnsupportedProtocol", Class::Permanent),
        ] {
            let refused = refused(mock!(Client::create_listener), code, "");
            assert_eq!(outcome(Listener::create(&cx(&[&refused]), &prior().args).await), Err(class), "{code}");
        }
    }

    /// It ends like what is not known everywhere yet, and nobody will ever make it.
    #[tokio::test]
    async fn a_policy_that_there_is_not_is_not_waited_for() {
        for (code, hint) in
            [("SSLPolicyNotFound", "no TLS policy"), ("TargetGroupAssociationLimit", "make another group")]
        {
            let refused = refused(mock!(Client::create_listener), code, "");
            let error = Listener::create(&cx(&[&refused]), &prior().args).await.unwrap_err();
            assert_eq!(error.class, Class::Permanent, "{code}");
            assert!(error.hint.as_ref().is_some_and(|text| text.contains(hint)), "{code}: {:?}", error.hint);
        }
    }

    #[tokio::test]
    async fn a_listener_that_is_gone_is_deleted_and_one_in_use_waits() {
        for (code, expected) in [("ListenerNotFound", Ok(())), ("ResourceInUse", Err(Class::Dependency))] {
            let refused = refused(mock!(Client::delete_listener), code, "");
            assert_eq!(outcome(Listener::delete(&cx(&[&refused]), &prior()).await), expected, "{code}");
        }
    }
}
