//! Versions of aggregates.

use serde::{Deserialize, Serialize};

/// The version of an aggregate: 1 when it is created, one more with every committed change.
///
/// Every version has exactly one event. `If-Match` has the version that the caller saw. A consumer drops an event whose
/// version is not newer than the one it has applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Version(pub i64);

impl Version {
    /// The version of a new aggregate.
    pub const FIRST: Self = Self(1);

    /// The version after the next change.
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
