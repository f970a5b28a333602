//! What is in the way of a deletion: network interfaces, most of which belong to something else.
//!
//! AWS says `DependencyViolation` and not of what. API: DescribeNetworkInterfaces (EC2 2016-11-15).

use aws_sdk_ec2::types::{Filter, NetworkInterface};
use dr_core::{Class, CloudError, Cx};

use super::filter;
use crate::Aws;
use crate::call::Call as _;

/// How many of them a hint names.
const NAMED_MAX: usize = 5;

/// The error of a deletion with the interfaces of a VPC, subnet or group (`vpc-id`, `subnet-id`, `group-id`) that keep it from
/// being deleted; `else_hint` for when there are none. Other errors stay as they are.
pub(super) async fn named(cx: &Cx<Aws>, error: CloudError, filter_name: &str, id: &str, else_hint: &str) -> CloudError {
    if error.class != Class::Dependency {
        return error;
    }
    match interfaces(cx, filter(filter_name, id)).await {
        Ok(holders) if holders.is_empty() => error.hint(else_hint),
        Ok(holders) => {
            let more = holders.len().saturating_sub(NAMED_MAX);
            let mut names = holders.iter().take(NAMED_MAX).map(name).collect::<Vec<_>>().join(", ");
            if more > 0 {
                names.push_str(&format!(" and {more} more"));
            }
            error.hint(format!("in use by {names}"))
        }
        // Whoever cannot be asked is not named; it is the deletion that failed.
        Err(_) => error.hint(else_hint),
    }
}

async fn interfaces(cx: &Cx<Aws>, filter: Filter) -> Result<Vec<NetworkInterface>, CloudError> {
    let pages = cx.cloud.ec2(&cx.owner.region).describe_network_interfaces().filters(filter).into_paginator();
    pages.items().send().collect::<Result<Vec<_>, _>>().await.call("ec2:DescribeNetworkInterfaces")
}

/// `eni-1 (ELB app/web/0123)`: the id, and whose it is.
fn name(interface: &NetworkInterface) -> String {
    let instance = interface.attachment().and_then(|attachment| attachment.instance_id());
    let description = interface.description().filter(|text| !text.is_empty());
    let kind = interface.interface_type().map(|kind| kind.as_str());
    let id = interface.network_interface_id().unwrap_or_default();
    match instance.or(description).or(kind) {
        Some(whose) => format!("{id} ({whose})"),
        None => id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::Client;
    use aws_sdk_ec2::operation::describe_network_interfaces::DescribeNetworkInterfacesOutput;
    use aws_sdk_ec2::types::NetworkInterfaceAttachment;
    use aws_smithy_mocks::mock;

    use super::*;
    use crate::testing::{cx, refused};

    fn error(class: Class) -> CloudError {
        CloudError::new("ec2:DeleteSubnet", "DependencyViolation", "The subnet has dependencies", class)
    }

    #[tokio::test]
    async fn a_deletion_that_something_is_in_the_way_of_says_what() {
        let listed = mock!(Client::describe_network_interfaces)
            .match_requests(|input| {
                let filter = &input.filters()[0];
                (filter.name(), filter.values()) == (Some("subnet-id"), &["subnet-1".to_owned()][..])
            })
            .then_output(|| {
                let eni = |id: &str| NetworkInterface::builder().network_interface_id(id);
                DescribeNetworkInterfacesOutput::builder()
                    .network_interfaces(eni("eni-1").description("ELB app/web/0123").build())
                    .network_interfaces(eni("eni-2").build())
                    .build()
            });
        let error = named(&cx(&[&listed]), error(Class::Dependency), "subnet-id", "subnet-1", "nothing").await;
        assert_eq!(error.hint.as_deref(), Some("in use by eni-1 (ELB app/web/0123), eni-2"));
        assert_eq!((error.class, error.code.as_str()), (Class::Dependency, "DependencyViolation"));
    }

    #[tokio::test]
    async fn who_cannot_be_asked_is_not_named_and_other_errors_are_not_about_holders() {
        let denied = refused(mock!(Client::describe_network_interfaces), "UnauthorizedOperation", "no");
        let blind =
            named(&cx(&[&denied]), error(Class::Dependency), "subnet-id", "subnet-1", "look for yourself").await;
        assert_eq!((blind.class, blind.hint.as_deref()), (Class::Dependency, Some("look for yourself")));
        let other = named(&cx(&[]), error(Class::Denied), "subnet-id", "subnet-1", "look for yourself").await;
        assert_eq!(other.hint, None);
    }

    #[test]
    fn an_interface_is_named_by_whoever_has_it() {
        let eni = || NetworkInterface::builder().network_interface_id("eni-1");
        let instance = NetworkInterfaceAttachment::builder().instance_id("i-1").build();
        assert_eq!(name(&eni().description("Primary network interface").attachment(instance).build()), "eni-1 (i-1)");
        assert_eq!(name(&eni().interface_type("vpc_endpoint".into()).build()), "eni-1 (vpc_endpoint)");
        assert_eq!(name(&eni().build()), "eni-1");
    }
}
