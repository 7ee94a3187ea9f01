//! What an error of the database means for the command that met it.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::scope::last_sqlstate;
use crate::Refusal;

/// The database does not answer, or not in time.
pub(crate) fn away(source: anyhow::Error) -> Refusal {
    Refusal::Away { what: "the database", code: "database_away", source }
}

impl From<DieselError> for Refusal {
    /// An outage of the server becomes `Away`, a deadlock or serialization failure `Conflict`, everything else `Bug`.
    fn from(e: DieselError) -> Self {
        match classify(&e) {
            Class::Outage => away(with_code(e)),
            Class::Rollback => Self::Conflict,
            Class::Bug => Self::Bug(with_code(e)),
        }
    }
}

enum Class {
    /// The server is busy or gone.
    Outage,
    /// Two transactions collided; running one of them again helps.
    Rollback,
    /// The statement is wrong.
    Bug,
}

/// Decides by SQLSTATE and never by the message, which is in the server's language.
fn classify(e: &DieselError) -> Class {
    match e {
        DieselError::DatabaseError(kind, _) => match kind {
            DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::UnableToSendCommand
            | DatabaseErrorKind::ReadOnlyTransaction => Class::Outage,
            DatabaseErrorKind::SerializationFailure => Class::Rollback,
            _ => match last_sqlstate() {
                Some(state) if state.is_outage() => Class::Outage,
                Some(state) if state.is_rollback() => Class::Rollback,
                _ => Class::Bug,
            },
        },
        DieselError::BrokenTransactionManager => Class::Outage,
        DieselError::RollbackErrorOnCommit { commit_error, .. } => classify(commit_error),
        _ => Class::Bug,
    }
}

/// The error with its SQLSTATE, which diesel does not keep.
fn with_code(e: DieselError) -> anyhow::Error {
    match (&e, last_sqlstate()) {
        (DieselError::DatabaseError(..), Some(state)) => anyhow::Error::new(e).context(state),
        _ => e.into(),
    }
}
