//! Which rights the credentials lack for a program, asked before anything is changed.
//!
//! API: GetCallerIdentity (STS 2011-06-15), GetRole, SimulatePrincipalPolicy (IAM 2010-05-08).

use std::collections::BTreeSet;

use aws_sdk_iam::types::PolicyEvaluationDecisionType::Allowed;
use dr_core::{Class, CloudError};

use crate::call::Call as _;
use crate::read::Promised as _;
use crate::{Aws, Identity};

/// How many actions are asked about in one call.
const ACTIONS_MAX: usize = 50;

impl Aws {
    /// The actions that the policies of the caller do not allow, of those that a program needs
    /// ([`permissions::actions`](crate::permissions::actions)). `None` when nobody can tell: the caller has no policies of its own
    /// (the account itself, a federated user), or may not ask.
    ///
    /// IAM is asked about all resources at once, so an action that is allowed for some only counts as not allowed: it is something
    /// to warn of, not to stop for. What is really missing is named by the call that lacks it.
    ///
    /// Needs `iam:SimulatePrincipalPolicy`, and `iam:GetRole` for a role; see
    /// [SimulatePrincipalPolicy](https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html).
    ///
    /// # Errors
    /// When the question was not answered, or the credentials do not serve; that it may not be asked is no error.
    pub async fn missing_rights(&self, actions: &BTreeSet<String>) -> Result<Option<Vec<String>>, CloudError> {
        let identity = self.identity().await?;
        match self.simulated(&identity, actions).await {
            Err(error) if error.class == Class::Denied => Ok(None),
            answer => answer,
        }
    }

    async fn simulated(
        &self,
        identity: &Identity,
        actions: &BTreeSet<String>,
    ) -> Result<Option<Vec<String>>, CloudError> {
        const CALL: &str = "iam:SimulatePrincipalPolicy";
        let Some(principal) = self.principal(identity).await? else { return Ok(None) };
        let actions: Vec<_> = actions.iter().cloned().collect();
        let mut missing = Vec::new();
        for actions in actions.chunks(ACTIONS_MAX) {
            let request = self.iam().simulate_principal_policy().policy_source_arn(&principal);
            let items = request.set_action_names(Some(actions.to_vec())).into_paginator().items().send();
            let decisions = items.collect::<Result<Vec<_>, _>>().await.call(CALL)?;
            let refused = decisions.into_iter().filter(|decision| decision.eval_decision != Allowed);
            missing.extend(refused.map(|decision| decision.eval_action_name));
        }
        Ok(Some(missing))
    }

    /// The user or role whose policies count. A session of a role does not tell the path of the role.
    async fn principal(&self, Identity { arn, .. }: &Identity) -> Result<Option<String>, CloudError> {
        const CALL: &str = "iam:GetRole";
        let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
        let mut parts = resource.split('/');
        match (parts.next(), parts.next()) {
            (Some("user"), Some(_)) => Ok(Some(arn.clone())),
            (Some("assumed-role"), Some(role)) => {
                let role = self.iam().get_role().role_name(role).send().await.call(CALL)?.role;
                Ok(Some(role.promised(CALL, "the role")?.arn))
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::Client;
    use aws_sdk_iam::operation::get_role::GetRoleOutput;
    use aws_sdk_iam::operation::simulate_principal_policy::SimulatePrincipalPolicyOutput;
    use aws_sdk_iam::types::{EvaluationResult, PolicyEvaluationDecisionType, Role};
    use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityOutput;
    use aws_smithy_mocks::{Rule, mock};

    use super::*;
    use crate::testing::refused;

    fn caller(arn: &'static str) -> Rule {
        mock!(aws_sdk_sts::Client::get_caller_identity)
            .then_output(move || GetCallerIdentityOutput::builder().account("1").arn(arn).build())
    }

    fn actions() -> BTreeSet<String> {
        ["ec2:CreateVpc", "ec2:DeleteVpc", "iam:PassRole"].map(str::to_owned).into()
    }

    /// IAM, which allows everything but passing roles, if it is asked about this principal.
    fn simulation(principal: &'static str) -> Rule {
        mock!(Client::simulate_principal_policy)
            .match_requests(move |input| input.policy_source_arn() == Some(principal))
            .then_compute_output(|input| {
                let decide = |action: &String| {
                    let decision = match action.as_str() {
                        "iam:PassRole" => PolicyEvaluationDecisionType::ImplicitDeny,
                        _ => PolicyEvaluationDecisionType::Allowed,
                    };
                    EvaluationResult::builder().eval_action_name(action).eval_decision(decision).build().unwrap()
                };
                let results = input.action_names().iter().map(decide).collect();
                SimulatePrincipalPolicyOutput::builder().set_evaluation_results(Some(results)).build()
            })
    }

    #[tokio::test]
    async fn what_the_policies_of_a_user_or_of_the_role_of_a_session_do_not_allow_is_named() {
        let missing = Ok(Some(vec!["iam:PassRole".to_owned()]));
        let user = "arn:aws:iam::1:user/team/ops";
        assert_eq!(Aws::mocked(&[&caller(user), &simulation(user)]).missing_rights(&actions()).await, missing);

        let session = caller("arn:aws:sts::1:assumed-role/deploy/session");
        let role =
            mock!(Client::get_role).match_requests(|input| input.role_name() == Some("deploy")).then_output(|| {
                let role =
                    Role::builder().role_name("deploy").role_id("A").path("/ci/").arn("arn:aws:iam::1:role/ci/deploy");
                let role = role.create_date(aws_smithy_types::DateTime::from_secs(0)).build().unwrap();
                GetRoleOutput::builder().role(role).build()
            });
        let rules = [&session, &role, &simulation("arn:aws:iam::1:role/ci/deploy")];
        assert_eq!(Aws::mocked(&rules).missing_rights(&actions()).await, missing);
    }

    #[tokio::test]
    async fn who_has_no_policies_or_may_not_ask_is_not_accused() {
        for arn in ["arn:aws:iam::1:root", "arn:aws:sts::1:federated-user/bob"] {
            assert_eq!(Aws::mocked(&[&caller(arn)]).missing_rights(&actions()).await, Ok(None), "{arn}");
        }
        let user = caller("arn:aws:iam::1:user/ops");
        let denied = refused(mock!(Client::simulate_principal_policy), "AccessDenied", "no");
        assert_eq!(Aws::mocked(&[&user, &denied]).missing_rights(&actions()).await, Ok(None));
        let session = caller("arn:aws:sts::1:assumed-role/AWSReservedSSO_ops/bob");
        let denied = refused(mock!(Client::get_role), "AccessDenied", "no");
        assert_eq!(Aws::mocked(&[&session, &denied]).missing_rights(&actions()).await, Ok(None));
    }

    #[tokio::test]
    async fn a_question_that_was_not_answered_is_an_error() {
        let user = caller("arn:aws:iam::1:user/ops");
        let slow = refused(mock!(Client::simulate_principal_policy), "Throttling", "Rate exceeded");
        let error = Aws::mocked(&[&user, &slow]).missing_rights(&actions()).await.unwrap_err();
        assert_eq!(error.class, Class::Throttled);
        let expired = refused(mock!(aws_sdk_sts::Client::get_caller_identity), "ExpiredToken", "");
        let error = Aws::mocked(&[&expired]).missing_rights(&actions()).await.unwrap_err();
        assert_eq!(error.code, "ExpiredToken");
    }
}
