//! A record of the writing calls that the platform acknowledged. The checks after a replay compare the platform with it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One writing call that was answered with 2xx: one line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// When the answer was read.
    pub at: DateTime<Utc>,
    /// Role and subject: `customer:cus_…`.
    pub caller: String,
    /// Method and path: `POST /v1/orders`.
    pub call: String,
    /// The Idempotency-Key, if one was sent.
    pub key: Option<String>,
    /// The HTTP status.
    pub status: u16,
    /// Whether the answer was a stored one: an earlier attempt had succeeded.
    pub replayed: bool,
    /// `id` in the response body, if present.
    pub id: Option<String>,
}

/// A file of JSON lines, shared by all callers. Each line is written to the kernel before `send` returns the answer.
pub struct Journal {
    file: Mutex<File>,
}

impl Journal {
    /// Creates the file, or empties it.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = OpenOptions::new().create(true).write(true).truncate(true).open(path);
        let file = file.with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { file: Mutex::new(file) })
    }

    /// Writes one line.
    ///
    /// # Errors
    /// When it cannot be written. The caller should end the run: an incomplete journal proves nothing.
    pub fn append(&self, line: &Acknowledged) -> anyhow::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write_all(&text)
            .context("the journal cannot be written")
    }

    /// Reads all lines of a journal.
    ///
    /// # Errors
    /// When the file cannot be read or a line is not an [`Acknowledged`].
    pub fn read(path: &Path) -> anyhow::Result<Vec<Acknowledged>> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let parse = |(n, line): (usize, &str)| {
            serde_json::from_str(line).with_context(|| format!("{}:{}: not a journal line", path.display(), n + 1))
        };
        text.lines().enumerate().map(parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        let path = std::env::temp_dir().join(format!("pannier-journal-{}", uuid::Uuid::now_v7()));
        let journal = Journal::create(&path).unwrap();
        let line = Acknowledged {
            at: Utc::now(),
            caller: "customer:cus_1".into(),
            call: "POST /v1/orders".into(),
            key: Some("key-1".into()),
            status: 201,
            replayed: false,
            id: Some("ord_1".into()),
        };
        journal.append(&line).unwrap();
        journal.append(&line).unwrap();
        assert_eq!(Journal::read(&path).unwrap(), [line.clone(), line]);
        std::fs::write(&path, "{}\n").unwrap();
        assert!(Journal::read(&path).unwrap_err().to_string().ends_with(":1: not a journal line"));
        std::fs::remove_file(path).unwrap();
    }
}
