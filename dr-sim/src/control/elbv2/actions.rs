//! What a listener or a rule does with a request: forward, redirect, or answer by itself.

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancingv2::types::{
    Action as SdkAction, ActionTypeEnum, FixedResponseActionConfig, ForwardActionConfig, RedirectActionConfig,
    RedirectActionStatusCodeEnum, TargetGroupStickinessConfig, TargetGroupTuple,
};
use serde::{Deserialize, Serialize};

use super::{Balancer, State, invalid, not_simulated};
use crate::control::{Answer, Refusal};

/// A routing action. Authentication actions are not simulated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Action {
    Forward { groups: Vec<WeightedGroup>, sticky_s: Option<i32> },
    Redirect(Redirect),
    Fixed { status: u16, content_type: Option<String>, body: Option<String> },
}

/// A target group and its share of the requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WeightedGroup {
    pub(crate) arn: String,
    /// 0–999; a group of weight 0 gets nothing.
    pub(crate) weight: i32,
}

/// Where a redirect points; `#{host}`, `#{path}`, `#{port}`, `#{protocol}` and `#{query}` stand for those of the
/// request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Redirect {
    pub(crate) protocol: String,
    pub(crate) port: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) status: u16,
}

impl Action {
    /// ARNs of the target groups, weight 0 included.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &str> {
        let groups: &[WeightedGroup] = match self {
            Action::Forward { groups, .. } => groups,
            Action::Redirect(_) | Action::Fixed { .. } => &[],
        };
        groups.iter().map(|group| group.arn.as_str())
    }

    pub(super) fn to_sdk(&self) -> SdkAction {
        match self {
            Action::Forward { groups, sticky_s } => {
                let tuples = groups
                    .iter()
                    .map(|g| TargetGroupTuple::builder().target_group_arn(&g.arn).weight(g.weight).build())
                    .collect();
                let sticky = TargetGroupStickinessConfig::builder()
                    .enabled(sticky_s.is_some())
                    .set_duration_seconds(*sticky_s)
                    .build();
                SdkAction::builder()
                    .r#type(ActionTypeEnum::Forward)
                    .order(1)
                    .set_target_group_arn(if let [only] = &groups[..] { Some(only.arn.clone()) } else { None })
                    .forward_config(
                        ForwardActionConfig::builder()
                            .set_target_groups(Some(tuples))
                            .target_group_stickiness_config(sticky)
                            .build(),
                    )
                    .build()
            }
            Action::Redirect(to) => SdkAction::builder()
                .r#type(ActionTypeEnum::Redirect)
                .order(1)
                .redirect_config(
                    RedirectActionConfig::builder()
                        .protocol(&to.protocol)
                        .port(&to.port)
                        .host(&to.host)
                        .path(&to.path)
                        .query(&to.query)
                        .status_code(if to.status == 301 {
                            RedirectActionStatusCodeEnum::Http301
                        } else {
                            RedirectActionStatusCodeEnum::Http302
                        })
                        .build(),
                )
                .build(),
            Action::Fixed { status, content_type, body } => SdkAction::builder()
                .r#type(ActionTypeEnum::FixedResponse)
                .order(1)
                .fixed_response_config(
                    FixedResponseActionConfig::builder()
                        .status_code(status.to_string())
                        .set_content_type(content_type.clone())
                        .set_message_body(body.clone())
                        .build(),
                )
                .build(),
        }
    }
}

/// The actions of a request to the API, checked against the target groups of the balancer's region.
pub(super) fn checked(state: &State, balancer: &Balancer, actions: Option<&[SdkAction]>) -> Answer<Vec<Action>> {
    let actions = actions.unwrap_or_default();
    if actions.is_empty() {
        return Err(invalid("A listener or a rule needs at least one action"));
    }
    // Only authentication actions may stand before the routing action, and `one` refuses those.
    let routes = |action: &&SdkAction| {
        matches!(
            action.r#type(),
            Some(ActionTypeEnum::Forward | ActionTypeEnum::Redirect | ActionTypeEnum::FixedResponse)
        )
    };
    if actions.iter().filter(routes).count() > 1 {
        return Err(Refusal::new(
            "InvalidLoadBalancerAction",
            "You must specify exactly one routing action, as the last one",
        ));
    }
    actions.iter().map(|action| one(state, balancer, action)).collect()
}

fn one(state: &State, balancer: &Balancer, action: &SdkAction) -> Answer<Action> {
    match action.r#type() {
        Some(ActionTypeEnum::Forward) => forward(state, balancer, action),
        Some(ActionTypeEnum::Redirect) => {
            let to = action.redirect_config().ok_or_else(|| invalid("A redirect action needs a RedirectConfig"))?;
            let redirect = Redirect {
                protocol: to.protocol().unwrap_or("#{protocol}").to_owned(),
                port: to.port().unwrap_or("#{port}").to_owned(),
                host: to.host().unwrap_or("#{host}").to_owned(),
                path: to.path().unwrap_or("/#{path}").to_owned(),
                query: to.query().unwrap_or("#{query}").to_owned(),
                status: match to.status_code() {
                    Some(RedirectActionStatusCodeEnum::Http301) => 301,
                    Some(RedirectActionStatusCodeEnum::Http302) => 302,
                    _ => return Err(invalid("A redirect action needs the status code HTTP_301 or HTTP_302")),
                },
            };
            let unchanged = redirect.protocol == "#{protocol}"
                && redirect.port == "#{port}"
                && redirect.host == "#{host}"
                && redirect.path == "/#{path}";
            if unchanged {
                return Err(Refusal::new(
                    "InvalidLoadBalancerAction",
                    "The redirect configuration is not valid because it creates a loop",
                ));
            }
            Ok(Action::Redirect(redirect))
        }
        Some(ActionTypeEnum::FixedResponse) => {
            let fixed = action
                .fixed_response_config()
                .ok_or_else(|| invalid("A fixed response needs a FixedResponseConfig"))?;
            let status =
                fixed.status_code().and_then(|code| code.parse().ok()).filter(|code| (200..600).contains(code));
            let status = status.ok_or_else(|| invalid("A fixed response needs a status code 2XX, 4XX or 5XX"))?;
            if (300..400).contains(&status) {
                return Err(invalid("A fixed response needs a status code 2XX, 4XX or 5XX"));
            }
            Ok(Action::Fixed {
                status,
                content_type: fixed.content_type().map(str::to_owned),
                body: fixed.message_body().map(str::to_owned),
            })
        }
        Some(other) => Err(not_simulated(format!("actions of type {}", other.as_str()))),
        None => Err(invalid("An action needs a type")),
    }
}

fn forward(state: &State, balancer: &Balancer, action: &SdkAction) -> Answer<Action> {
    let config = action.forward_config();
    let mut groups: Vec<WeightedGroup> = config
        .map(|config| config.target_groups())
        .unwrap_or_default()
        .iter()
        .map(|tuple| WeightedGroup {
            arn: tuple.target_group_arn().unwrap_or_default().to_owned(),
            weight: tuple.weight().unwrap_or(1),
        })
        .collect();
    match (action.target_group_arn(), &groups[..]) {
        (Some(arn), []) => groups.push(WeightedGroup { arn: arn.to_owned(), weight: 1 }),
        (Some(arn), [only]) if only.arn == arn => {}
        (Some(_), _) => return Err(invalid("TargetGroupArn must equal the one target group of ForwardConfig")),
        (None, []) => return Err(invalid("A forward action needs a target group")),
        (None, _) => {}
    }
    if groups.len() > 5 {
        return Err(Refusal::new("TooManyTargetGroups", "A forward action can have at most 5 target groups"));
    }
    if groups.iter().map(|group| &group.arn).collect::<BTreeSet<_>>().len() < groups.len() {
        return Err(invalid("A target group may be named once in a forward action"));
    }
    for WeightedGroup { arn, weight } in &groups {
        if !(0..=999).contains(weight) {
            return Err(invalid("The weight of a target group must be between 0 and 999"));
        }
        let group = state.groups.get(arn).filter(|group| group.region == balancer.region);
        let group =
            group.ok_or_else(|| Refusal::new("TargetGroupNotFound", format!("Target group '{arn}' not found")))?;
        if group.vpc_id != balancer.vpc_id {
            let message = format!(
                "The following target groups '{arn}' are not in the VPC '{}' of the load balancer '{}'",
                balancer.vpc_id, balancer.arn
            );
            return Err(Refusal::new("InvalidConfigurationRequest", message));
        }
        if state.balancer_of_group(arn).is_some_and(|user| user.arn != balancer.arn) {
            let message =
                format!("The following target groups cannot be associated with more than one load balancer: {arn}");
            return Err(Refusal::new("TargetGroupAssociationLimit", message));
        }
    }
    let sticky = config.and_then(|config| config.target_group_stickiness_config());
    let sticky_s = sticky.filter(|sticky| sticky.enabled() == Some(true)).and_then(|sticky| sticky.duration_seconds());
    Ok(Action::Forward { groups, sticky_s })
}
