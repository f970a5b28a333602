//! Security Token Service: GetCallerIdentity, which tools ask to be sure of the account.

use aws_sdk_sts::operation::get_caller_identity::{
    GetCallerIdentityError, GetCallerIdentityInput, GetCallerIdentityOutput,
};

use super::{Answer, Call, Table};
use crate::world::World;

pub(crate) fn register(table: &mut Table) {
    table.on("STS", "GetCallerIdentity", GetCallerIdentityError::generic, get_caller_identity);
}

fn get_caller_identity(
    world: &mut World,
    _call: &Call,
    _input: &GetCallerIdentityInput,
) -> Answer<GetCallerIdentityOutput> {
    Ok(GetCallerIdentityOutput::builder()
        .account(&world.account)
        .arn(format!("arn:aws:iam::{}:user/simulated", world.account))
        .user_id("AIDASIMULATED0000000")
        .build())
}
