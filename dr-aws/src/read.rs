//! What bulk reads have in common: from tags or natural keys to [`Found`].

use dr_core::{CloudError, Found, Health, Resource, Wanted};

use crate::Aws;
use crate::clients::incomplete;
use crate::tags::Owned;

/// The wanted resource at the address that the tags name: of the same generation, else any, for the spelling of its values.
///
/// After the state was lost the program asks for a generation of its own.
pub(crate) fn wanted_as<'w, T: Resource>(wanted: &'w [Wanted<T>], owned: &Owned) -> Option<&'w Wanted<T>> {
    let here = || wanted.iter().filter(|want| want.address == owned.address);
    here().find(|want| want.generation == owned.generation).or_else(|| here().next())
}

/// What stands for values that are not read.
pub(crate) enum Unread<'w, T: Resource> {
    /// Its create was not answered, and `ready` is to set what the create call cannot: the wanted values are on their way.
    OnTheWay(&'w T::Args),
    /// The values on record: it was read before, or made.
    OnRecord(&'w T::Args),
    /// Nobody knows them.
    Unknown,
}

/// What is known of a found resource without reading it.
pub(crate) fn unread<'w, T: Resource>(want: Option<&'w Wanted<T>>, owned: &Owned) -> Unread<'w, T> {
    match want {
        Some(want) if want.generation != owned.generation => Unread::Unknown,
        Some(want) if want.outputs.is_some() => Unread::OnRecord(&want.args),
        Some(want) => Unread::OnTheWay(&want.args),
        None => Unread::Unknown,
    }
}

/// A resource found by its tags.
pub(crate) fn found<T: Resource>(owned: Owned, args: T::Args, outputs: T::Outputs, health: Health) -> Found<T> {
    let Owned { address, generation, tags } = owned;
    Found { address, generation, args: Some(args), outputs, health, tags: Some(tags) }
}

/// A resource without tags, found by its natural key.
pub(crate) fn found_by_key<T: Resource>(
    want: &Wanted<T>,
    args: T::Args,
    outputs: T::Outputs,
    health: Health,
) -> Found<T> {
    let (address, generation) = (want.address.clone(), want.generation);
    Found { address, generation, args: Some(args), outputs, health, tags: None }
}

/// What is taken as it is on record, in a lean refresh: a look would cost a call for each parent. `None`: it has to be looked at.
///
/// Without its arguments, since none were read: an update that was interrupted stays in question.
pub(crate) fn on_record<T: Resource>(cloud: &Aws, want: &Wanted<T>) -> Option<Found<T>> {
    let outputs = want.outputs.clone().filter(|_| !cloud.reads_all())?;
    let (address, generation) = (want.address.clone(), want.generation);
    Some(Found { address, generation, args: None, outputs, health: Health::Ready, tags: None })
}

/// A part of an answer that the API promises.
pub(crate) trait Promised<T> {
    /// The part, or the error that the answer lacks it.
    fn promised(self, operation: &str, what: &str) -> Result<T, CloudError>;
}

impl<T> Promised<T> for Option<T> {
    fn promised(self, operation: &str, what: &str) -> Result<T, CloudError> {
        self.ok_or_else(|| incomplete(operation, what))
    }
}

/// The observed list in the wanted order when both hold the same values: AWS returns sets in any order.
pub(crate) fn as_wanted<T: Clone + Ord>(observed: Vec<T>, wanted: Option<&Vec<T>>) -> Vec<T> {
    let sorted = |list: &[T]| {
        let mut list = list.to_vec();
        list.sort();
        list
    };
    match wanted {
        Some(wanted) if sorted(wanted) == sorted(&observed) => wanted.clone(),
        _ => sorted(&observed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_in_another_order_is_the_wanted_one() {
        assert_eq!(as_wanted(vec![2, 1], Some(&vec![1, 2])), [1, 2]);
        assert_eq!(as_wanted(vec![2, 1], Some(&vec![2, 1])), [2, 1]);
        assert_eq!(as_wanted(vec![3, 1], Some(&vec![2, 1])), [1, 3]);
        assert_eq!(as_wanted(vec![3, 1], None), [1, 3]);
    }
}
