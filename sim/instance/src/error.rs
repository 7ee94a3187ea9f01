use std::path::PathBuf;

/// An input file that cannot be used. Prints as `file:line: what`.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {what}", file.display(), line.map(|n| format!(":{n}")).unwrap_or_default())]
pub struct InstanceError {
    /// The file as it was opened.
    pub file: PathBuf,
    /// Line number from 1; `None` when the error concerns the whole file.
    pub line: Option<usize>,
    /// The error, in words.
    pub what: String,
}
