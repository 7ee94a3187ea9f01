//! Why a command did not happen. Inside a service this is all that can go wrong; `http::problem` says it to the caller.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
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
    /// Somebody else committed between our load and our update. Callers reload and decide again.
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

impl From<DieselError> for Refusal {
    fn from(e: DieselError) -> Self {
        if is_away(&e) {
            return Self::Away { what: "the database", code: "database_away", source: e.into() };
        }
        Self::Bug(e.into())
    }
}

/// Is the database busy or gone, rather than the statement wrong?
#[must_use]
pub fn is_away(e: &DieselError) -> bool {
    match e {
        DieselError::DatabaseError(kind, info) => match kind {
            DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::UnableToSendCommand
            | DatabaseErrorKind::SerializationFailure => true,
            DatabaseErrorKind::Unknown => {
                // diesel has no kind for these SQLSTATEs (55P03, 57014, 40P01, 57P01..57P03, 53300); their texts are stable.
                let text = info.message();
                [
                    "lock timeout",
                    "statement timeout",
                    "deadlock detected",
                    "terminating connection",
                    "starting up",
                    "shutting down",
                    "recovery mode",
                    "not yet accepting connections",
                    "too many clients",
                    "remaining connection slots",
                    "connection closed",
                    "idle-in-transaction",
                ]
                .iter()
                .any(|t| text.contains(t))
            }
            _ => false,
        },
        DieselError::BrokenTransactionManager => true,
        DieselError::RollbackErrorOnCommit { commit_error, .. } => is_away(commit_error),
        _ => false,
    }
}

/// Did waiting for somebody's lock run out?
#[must_use]
pub fn is_lock_timeout(e: &DieselError) -> bool {
    matches!(e, DieselError::DatabaseError(_, info) if info.message().contains("lock timeout"))
}
