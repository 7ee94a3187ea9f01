//! How a command ends: 0 success, 1 failure, 2 wrong usage, 3 the platform or a part of it is not reachable.

use std::fmt;
use std::process::ExitCode;

/// Failures that have an exit code of their own; any other error is a 1.
#[derive(Debug)]
pub enum Failure {
    /// Already reported to the user: only the exit status is left.
    Silent(u8),
    /// Arguments that cannot be used; the sentence says why.
    Usage(String),
    /// The platform or a part of it does not answer.
    Unreachable(String),
    /// A service answered 404.
    NotFound(String),
}

impl Failure {
    /// Not reachable, as an error.
    pub fn unreachable(sentence: String) -> anyhow::Error {
        Self::Unreachable(sentence).into()
    }

    /// Wrong usage, as an error.
    pub fn usage(sentence: impl Into<String>) -> anyhow::Error {
        Self::Usage(sentence.into()).into()
    }

    /// Prints the error and gives the exit status.
    pub fn report(error: &anyhow::Error) -> ExitCode {
        let code = match error.downcast_ref::<Self>() {
            Some(Self::Silent(code)) => return ExitCode::from(*code),
            Some(Self::Usage(_)) => 2,
            Some(Self::Unreachable(_)) => 3,
            Some(Self::NotFound(_)) | None => 1,
        };
        pannier_devenv::ui::error(&format!("pannier: {error:#}"));
        ExitCode::from(code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(code) => write!(f, "ended with {code}"),
            Self::Usage(text) | Self::Unreachable(text) | Self::NotFound(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Failure {}
