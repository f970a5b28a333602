//! Regions in types: where a resource lives is part of its type, so wiring across regions does not compile.

use std::fmt::Debug;

/// A region marker: a fixed region such as `us-east-1`, or a role such as `primary` that the program binds at run time
/// with [`Builder::region_as`](crate::Builder::region_as).
///
/// The trait is open: declare your own with [`region!`](crate::region).
pub trait Region: Copy + Default + Debug + Send + Sync + 'static {
    /// The first segment of every address in this region: the region's name, or the role's.
    const NAME: &'static str;
    /// The region's name at the provider, or `None` for a role.
    const FIXED: Option<&'static str>;
}

/// A region that binds itself: its marker names a place at the provider.
///
/// Implemented by [`region!`](crate::region) for fixed regions; a role has to be bound with
/// [`Builder::region_as`](crate::Builder::region_as) instead.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is a role: it has no region of its own",
    label = "bind it with `stack.region_as({Self}, \"eu-west-1\")`, or `|name: {Self} = \"eu-west-1\"|` in `stack!`"
)]
pub trait FixedRegion: Region {}

/// No particular region: the type parameter of a resource once its region is data (what a lifecycle function sees).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Anywhere;

impl Region for Anywhere {
    const NAME: &'static str = "anywhere";
    const FIXED: Option<&'static str> = None;
}

/// The place of resources that belong to no region: DNS, identities, content delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Global;

impl Region for Global {
    const NAME: &'static str = "global";
    const FIXED: Option<&'static str> = Some("global");
}

impl FixedRegion for Global {}

/// Says that a scope of this region may hold resources of region `R`, which is so exactly when they are the same.
///
/// Sealed: the only implementation is `R: Hosts<R>`. The scope's region is the `Self` type so that inference flows from
/// the scope to the resource.
#[diagnostic::on_unimplemented(
    message = "a resource of region `{R}` cannot be added to the scope of region `{Self}`",
    label = "built from values of `{R}`, added to `{Self}`",
    note = "a resource lives where its inputs live: add it to the scope of `{R}`, or build it from values of `{Self}`"
)]
pub trait Hosts<R>: Region + sealed::Hosts<R> {}

impl<R: Region> Hosts<R> for R {}

mod sealed {
    pub trait Hosts<R> {}
    impl<R: super::Region> Hosts<R> for R {}
}

/// Whether two markers name the same region, for assertions in `const { }`: a failover pair needs two different ones.
///
/// Two roles with different names count as different here; that they are *bound* to different regions is checked when the
/// stack is built.
#[must_use]
pub const fn same_region<A: Region, B: Region>() -> bool {
    let (a, b) = match (A::FIXED, B::FIXED) {
        (Some(a), Some(b)) => (a.as_bytes(), b.as_bytes()),
        _ => (A::NAME.as_bytes(), B::NAME.as_bytes()),
    };
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Declares region markers: `region!(UsEast1 = "us-east-1")` fixed, `region!(role Primary = "primary")` bound at run time.
///
/// ```
/// dr_core::region!(
///     /// Northern Virginia.
///     UsEast1 = "us-east-1"
/// );
/// dr_core::region!(
///     /// Where the traffic goes while all is well.
///     role Primary = "primary"
/// );
/// # use dr_core::Region;
/// assert_eq!(UsEast1::FIXED, Some("us-east-1"));
/// assert_eq!(Primary::FIXED, None);
/// ```
#[macro_export]
macro_rules! region {
    ($(#[$meta:meta])* role $name:ident = $role:literal) => {
        $crate::region!(@struct [$(#[$meta])*] $name, $role, ::core::option::Option::None);
    };
    ($(#[$meta:meta])* $name:ident = $region:literal) => {
        $crate::region!(@struct [$(#[$meta])*] $name, $region, ::core::option::Option::Some($region));
        impl $crate::FixedRegion for $name {}
    };
    (@struct [$(#[$meta:meta])*] $name:ident, $text:literal, $fixed:expr) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        // Where it is declared decides how far it is seen.
        #[allow(unreachable_pub)]
        pub struct $name;
        impl $crate::Region for $name {
            const NAME: &'static str = $text;
            const FIXED: ::core::option::Option<&'static str> = $fixed;
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    region!(East = "us-east-1");
    region!(West = "us-west-2");
    region!(role Primary = "primary");

    #[test]
    fn markers_are_the_same_when_they_name_the_same_place() {
        assert!(same_region::<East, East>());
        assert!(!same_region::<East, West>());
        assert!(!same_region::<East, Primary>());
        assert!(same_region::<Primary, Primary>());
    }
}
