//! Physical ids as types of their own, so that a subnet's id is not taken for a VPC's, nor one region's for another's.

/// Declares types of physical ids: `id!(VpcId, SubnetId)` with a region parameter, `id!(plain ZoneId)` without.
///
/// ```
/// dr_core::region!(East = "us-east-1");
/// dr_core::id!(
///     /// The id of a VPC.
///     VpcId
/// );
/// let id: VpcId<East> = VpcId::literal("vpc-0a1b");
/// assert_eq!(id.as_str(), "vpc-0a1b");
/// ```
#[macro_export]
macro_rules! id {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        pub struct $name<R: $crate::Region = $crate::Anywhere>(
            ::std::string::String,
            ::core::marker::PhantomData<fn() -> R>,
        );

        impl<R: $crate::Region> $name<R> {
            /// An id given by hand: here the program, and not the compiler, vouches for the region.
            pub fn literal(id: impl ::core::convert::Into<::std::string::String>) -> Self {
                $name(id.into(), ::core::marker::PhantomData)
            }

            /// The text of the id.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<R: $crate::Region> ::core::clone::Clone for $name<R> {
            fn clone(&self) -> Self {
                $name(self.0.clone(), ::core::marker::PhantomData)
            }
        }

        impl<R: $crate::Region> ::core::cmp::PartialEq for $name<R> {
            fn eq(&self, other: &Self) -> bool {
                self.0 == other.0
            }
        }

        impl<R: $crate::Region> ::core::cmp::Eq for $name<R> {}

        impl<R: $crate::Region> ::core::cmp::PartialOrd for $name<R> {
            fn partial_cmp(&self, other: &Self) -> ::core::option::Option<::core::cmp::Ordering> {
                ::core::option::Option::Some(self.cmp(other))
            }
        }

        impl<R: $crate::Region> ::core::cmp::Ord for $name<R> {
            fn cmp(&self, other: &Self) -> ::core::cmp::Ordering {
                self.0.cmp(&other.0)
            }
        }

        impl<R: $crate::Region> ::core::fmt::Debug for $name<R> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<R: $crate::Region> ::core::fmt::Display for $name<R> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl<R: $crate::Region> $crate::serde::Serialize for $name<R> {
            fn serialize<S: $crate::serde::Serializer>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de, R: $crate::Region> $crate::serde::Deserialize<'de> for $name<R> {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                <::std::string::String as $crate::serde::Deserialize>::deserialize(deserializer).map(Self::literal)
            }
        }
    )+};
    (plain $($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(::std::string::String);

        impl $name {
            /// An id given by hand.
            pub fn literal(id: impl ::core::convert::Into<::std::string::String>) -> Self {
                $name(id.into())
            }

            /// The text of the id.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl $crate::serde::Serialize for $name {
            fn serialize<S: $crate::serde::Serializer>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> $crate::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                <::std::string::String as $crate::serde::Deserialize>::deserialize(deserializer).map(Self::literal)
            }
        }
    )+};
}
