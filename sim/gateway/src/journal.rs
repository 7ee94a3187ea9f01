//! The book on disk: one JSON line per operation, written before the operation is answered.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, bail};
use chrono::Utc;
use serde_json::Value;
use uuid::Uuid;

use crate::book::{Book, Decision, Operation, Request};

/// The journal's name in the data folder.
pub const FILE: &str = "gateway.jsonl";

/// The book and the file that it is read back from.
///
/// Each line goes to the kernel in one write before the caller hears of it, so `kill -9` of this process loses nothing
/// acknowledged. It is not synced to the disk: this is a test gateway, and a power cut ends the test anyway.
pub struct Journal {
    book: Book,
    file: File,
}

impl Journal {
    /// Opens the journal in `dir`, or starts one.
    ///
    /// # Errors
    /// When the folder or file cannot be used, or a line in it is not an operation.
    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let path = dir.join(FILE);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).with_context(|| format!("cannot read {}", path.display()))?;
        // A last line without its end was never acknowledged: the process died while writing it.
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).with_context(|| format!("cannot trim {}", path.display()))?;
        file.seek(SeekFrom::End(0))?;
        let mut book = Book::default();
        for (n, line) in text[..whole].split_inclusive(|b| *b == b'\n').enumerate() {
            match serde_json::from_slice::<Operation>(line) {
                Ok(operation) => book.apply(operation),
                Err(e) => bail!("{}:{}: not an operation: {e}", path.display(), n + 1),
            }
        }
        Ok(Self { book, file })
    }

    /// Answers a request: status, body, and whether it is a replay.
    ///
    /// # Errors
    /// When the journal cannot be written; then nothing happened.
    pub fn answer(&mut self, key: &str, request: Request) -> anyhow::Result<(u16, Value, bool)> {
        let id = || format!("auth_{}", Uuid::now_v7().simple());
        match self.book.decide(key, request, id, Utc::now()) {
            Decision::Replay(status, body) => Ok((status, body, true)),
            Decision::Refuse(status, body) => Ok((status, body, false)),
            Decision::Do(operation) => {
                let mut line = serde_json::to_vec(&operation)?;
                line.push(b'\n');
                let before = self.file.stream_position()?;
                if let Err(e) = self.file.write_all(&line) {
                    // Half a line must not stay in front of the next one.
                    self.file.set_len(before)?;
                    self.file.seek(SeekFrom::Start(before))?;
                    return Err(e).context("the journal cannot be written");
                }
                let answer = (operation.status, operation.body.clone(), false);
                self.book.apply(*operation);
                Ok(answer)
            }
        }
    }

    /// What is known.
    #[must_use]
    pub fn book(&self) -> &Book {
        &self.book
    }
}
