//! The error type of commands and stores. `http::problem` turns it into an answer.

use pannier_contracts::{IllegalTransition, Version};

/// Why a command did not happen. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It does not exist, or is not the caller's. Both are one answer, so that ids cannot be probed.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// Not possible in the present state.
    #[error("{detail}")]
    Illegal {
        /// For programs: `illegal_transition`, `order_cancelled`, `offer_expired`.
        code: &'static str,
        /// For people.
        detail: String,
        /// The present state.
        state: String,
        /// The actions that are possible.
        allowed: Vec<String>,
    },
    /// Not possible yet. The same request may be sent again, with its key, after the wait.
    #[error("{detail}")]
    TooEarly {
        /// For programs: `customer_wait_not_over`.
        code: &'static str,
        /// For people.
        detail: String,
        /// The present state.
        state: String,
        /// The actions that are possible.
        allowed: Vec<String>,
        /// How long to wait, milliseconds.
        wait_ms: i64,
    },
    /// The caller's `If-Match` is not the current version.
    #[error("it has changed since: it is at version {current} now")]
    Stale {
        /// The current version.
        current: Version,
    },
    /// A concurrent update committed between load and update. Load and decide again.
    #[error("it changed in this moment")]
    Conflict,
    /// The request is well-formed and cannot be fulfilled.
    #[error("{detail}")]
    Invalid {
        /// For programs: `outside_zone`.
        code: &'static str,
        /// For people.
        detail: String,
        /// JSON pointer to the field of the body, if it is one field.
        pointer: Option<String>,
    },
    /// A dependency does not answer. The same call may work later.
    #[error("{what} is away")]
    Away {
        /// The dependency: `the database`.
        what: &'static str,
        /// For programs: `database_away`.
        code: &'static str,
        /// Its error.
        #[source]
        source: anyhow::Error,
    },
    /// An error in our code or data.
    #[error("internal error")]
    Bug(#[source] anyhow::Error),
}

impl Refusal {
    /// [`Refusal::Invalid`] that concerns no single field.
    pub fn invalid(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid { code, detail: detail.into(), pointer: None }
    }

    /// [`Refusal::Illegal`] with the actions that are possible.
    pub fn illegal(e: &IllegalTransition, allowed: Vec<String>) -> Self {
        Self::Illegal { code: "illegal_transition", detail: e.to_string(), state: e.from.clone(), allowed }
    }

    /// Whether the answer is stored with the idempotency key, so that a repeated request gets the same.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        matches!(self, Self::Illegal { .. } | Self::Invalid { .. })
    }
}
