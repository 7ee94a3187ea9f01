//! Why a command did not happen. Inside a service this is all that can go wrong; `http::problem` says it to the caller.

use pannier_contracts::{IllegalTransition, Version};

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such thing, or it is not the caller's: the same answer, so that ids cannot be probed.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// Not in this state.
    #[error("{detail}")]
    Illegal {
        /// A word for programs: `illegal_transition`, `order_cancelled`, `offer_expired`.
        code: &'static str,
        /// A sentence for people.
        detail: String,
        /// The state it is in.
        state: String,
        /// What could be done instead.
        allowed: Vec<String>,
    },
    /// The caller decided on an old version.
    #[error("it has changed since: it is at version {current} now")]
    Stale {
        /// The version it is at.
        current: Version,
    },
    /// A concurrent update committed between our load and our update. Callers reload and decide again.
    #[error("it changed in this moment")]
    Conflict,
    /// The request is well-formed, and cannot be done.
    #[error("{detail}")]
    Invalid {
        /// A word for programs: `outside_zone`.
        code: &'static str,
        /// A sentence for people.
        detail: String,
        /// Which field of the body, as a JSON pointer, if one.
        pointer: Option<String>,
    },
    /// A dependency is away; the same call may work in a moment.
    #[error("{what} is away")]
    Away {
        /// Which dependency.
        what: &'static str,
        /// A word for programs.
        code: &'static str,
        /// What it said.
        #[source]
        source: anyhow::Error,
    },
    /// Our fault.
    #[error("internal error")]
    Bug(#[source] anyhow::Error),
}

impl Refusal {
    /// A 422 with a word and a sentence.
    pub fn invalid(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid { code, detail: detail.into(), pointer: None }
    }

    /// A 409 with what would have been possible.
    pub fn illegal(e: &IllegalTransition, allowed: Vec<String>) -> Self {
        Self::Illegal { code: "illegal_transition", detail: e.to_string(), state: e.from.clone(), allowed }
    }

    /// Decided by the caller's request alone: the same request gets the same answer for ever, so it is stored.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        matches!(self, Self::Illegal { .. } | Self::Invalid { .. })
    }
}
