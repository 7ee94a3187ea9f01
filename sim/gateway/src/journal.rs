//! The journal on disk: one JSON line per operation, written before the operation is answered.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, bail};
use chrono::Utc;
use uuid::Uuid;

use crate::book::{Answer, Book, Decision, Operation, Request};

/// File name of the journal in the data folder.
pub const FILE: &str = "gateway.jsonl";

/// An answer to a request.
pub struct Reply {
    /// Status and body.
    pub answer: Answer,
    /// Whether the operation was answered before.
    pub is_replay: bool,
}

/// The book with its file.
///
/// Each line is written to the kernel before the operation is answered, so `kill -9` of this process loses no acknowledged
/// operation. It is not synced to disk: a power cut ends a test anyway.
pub struct Journal {
    book: Book,
    file: File,
}

impl Journal {
    /// Opens the journal in `dir`, or creates it.
    ///
    /// # Errors
    /// When the folder or file cannot be used, or a line is not an operation.
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
        // A last line without a line end was not acknowledged: the process ended while writing it.
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

    /// Answers a request.
    ///
    /// # Errors
    /// When the journal cannot be written; then the operation has no effect and may be repeated.
    pub fn answer(&mut self, key: &str, request: Request) -> anyhow::Result<Reply> {
        let id = || format!("auth_{}", Uuid::now_v7().simple());
        match self.book.decide(key, request, id, Utc::now()) {
            Decision::Replay(answer) => Ok(Reply { answer, is_replay: true }),
            Decision::Refuse(answer) => Ok(Reply { answer, is_replay: false }),
            Decision::Do(operation) => {
                let mut line = serde_json::to_vec(&operation)?;
                line.push(b'\n');
                let before = self.file.stream_position()?;
                if let Err(e) = self.file.write_all(&line) {
                    // The next line must not be appended to a partial one.
                    self.file.set_len(before)?;
                    self.file.seek(SeekFrom::Start(before))?;
                    return Err(e).context("the journal cannot be written");
                }
                let answer = Answer { status: operation.status, body: operation.body.clone() };
                self.book.apply(*operation);
                Ok(Reply { answer, is_replay: false })
            }
        }
    }

    /// The current state.
    #[must_use]
    pub fn book(&self) -> &Book {
        &self.book
    }
}
