//! Request types that several handlers share.

use serde::Deserialize;

/// A body that has to be `{}`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmptyBody {}

/// The query of lists: `?open=true`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct OpenQuery {
    /// Only what has not ended.
    #[serde(default)]
    pub open: bool,
}
