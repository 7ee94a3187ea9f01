//! Errors of a call.

use serde::Deserialize;

/// A refusal by the platform: a problem document (RFC 9457).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// Stable code for programs: `illegal_transition`.
    pub code: String,
    /// Explanation for people.
    pub detail: String,
    /// The record's current state, when that is the reason.
    pub state: Option<String>,
    /// The record's current version, when that is the reason.
    pub version: Option<i64>,
    /// Identifies the call in the services' logs.
    pub trace_id: Option<String>,
}

impl Problem {
    /// Parses a problem document. Another body, for example a proxy's, becomes a problem with the code `not_a_problem`.
    #[must_use]
    pub fn read(status: u16, body: &[u8]) -> Self {
        let problem = serde_json::from_slice(body).unwrap_or_else(|_| Self {
            code: "not_a_problem".into(),
            detail: String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned(),
            ..Self::default()
        });
        Self { status, ..problem }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status, self.code)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        self.trace_id.as_ref().map_or(Ok(()), |id| write!(f, " (trace {id})"))
    }
}

/// Why a call did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The platform refused the call; repeating it does not help.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// No answer until the patience ended. The call may have taken effect.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The call succeeded, but its answer does not match the API or could not be recorded in the journal.
    #[error("invalid answer: {0}")]
    InvalidAnswer(String),
    /// The stop token was cancelled. The call may have taken effect.
    #[error("stopped")]
    Stopped,
}

impl CallError {
    /// The HTTP status of a refusal; none for the other errors.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(problem) => Some(problem.status),
            _ => None,
        }
    }

    /// Whether the stop token was cancelled.
    #[must_use]
    pub const fn is_stop(&self) -> bool {
        matches!(self, Self::Stopped)
    }
}
