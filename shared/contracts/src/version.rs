//! How often something has changed.

use serde::{Deserialize, Serialize};

/// The version of an aggregate: 1 when it is made, one more with every committed change.
///
/// Every version has exactly one event, `If-Match` names the version that a person saw,
/// and a consumer drops what is not newer than what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Version(pub i64);

impl Version {
    /// The version of something just made.
    pub const FIRST: Self = Self(1);

    /// The version after one more change.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl From<i64> for Version {
    fn from(n: i64) -> Self {
        Self(n)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
