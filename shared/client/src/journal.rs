//! What the platform acknowledged, written down by those who heard it: the checks hold the platform to it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One writing call that was answered with 2xx.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// When the answer was read.
    pub at: DateTime<Utc>,
    /// Who called: `customer:cus_…`.
    pub caller: String,
    /// Method and path: `POST /v1/orders`.
    pub call: String,
    /// The call's Idempotency-Key, if it had one.
    pub key: Option<String>,
    /// The answer's status.
    pub status: u16,
    /// The answer was a replay: an earlier try had got through.
    pub replayed: bool,
    /// The `id` in the answer, if there was one.
    pub id: Option<String>,
}

/// A file of JSON lines. Every line goes to the kernel before the bot that heard the answer goes on.
pub struct Journal {
    file: Mutex<File>,
}

impl Journal {
    /// Starts an empty journal.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = OpenOptions::new().create(true).write(true).truncate(true).open(path);
        let file = file.with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { file: Mutex::new(file) })
    }

    /// Adds one line.
    ///
    /// # Errors
    /// When it cannot be written: then the run proves nothing and should end.
    pub fn append(&self, line: &Acknowledged) -> anyhow::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write_all(&text)
            .context("the journal cannot be written")
    }

    /// Reads a journal back.
    ///
    /// # Errors
    /// When the file cannot be read or a line is not one of its own.
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
