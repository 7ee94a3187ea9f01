//! What can go wrong with a call.

use serde::Deserialize;

/// The platform's no, RFC 9457.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What a program reads: `illegal_transition`.
    pub code: String,
    /// What a person reads.
    pub detail: String,
    /// The state that the thing is in, when that is why.
    pub state: Option<String>,
    /// The version that the thing has, when that is why.
    pub version: Option<i64>,
    /// Finds the call in the logs.
    pub trace_id: Option<String>,
}

impl Problem {
    /// Reads a problem; an answer that is none, for example a proxy's, becomes one.
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

/// Why a call has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The platform said no.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// Nobody answered in time. What was asked for may have happened.
    #[error("away: {0}")]
    Away(String),
    /// It was acknowledged, but not in the form that the API promises.
    #[error("garbled: {0}")]
    Garbled(String),
    /// The run ends.
    #[error("stopped")]
    Stopped,
}

impl CallError {
    /// The status of a refusal.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(problem) => Some(problem.status),
            _ => None,
        }
    }

    /// The run ends.
    #[must_use]
    pub const fn is_stop(&self) -> bool {
        matches!(self, Self::Stopped)
    }
}
