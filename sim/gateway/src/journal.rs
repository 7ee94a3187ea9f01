//! The journal on disk: one JSON line per operation, on the disk before the operation is answered.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, bail};
use chrono::Utc;
use uuid::Uuid;

use crate::book::{Book, Decision};
use crate::operation::{Answer, Ending, Operation, Request};

/// File name of the journal in the data folder.
pub const FILE: &str = "gateway.jsonl";

/// What became of a request.
#[derive(Debug)]
pub enum Handled {
    /// It is a new operation, and on the disk.
    Stored(Operation),
    /// The answer of an earlier request with the same key.
    Replayed(Answer),
    /// It changed nothing and is not stored, so its key is free.
    Refused(Answer),
}

/// The book with its file.
///
/// Each line is synced by itself, which an SSD does some thousand times a second: more than tests and demos ask for.
pub struct Journal {
    book: Book,
    file: File,
    /// Bytes of complete lines.
    length: u64,
    /// Whether a line could not be written, so that the file may end in a part of it.
    is_torn: bool,
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
        // A new file's name has to survive a power cut, too.
        File::open(dir)?.sync_all().with_context(|| format!("cannot sync {}", dir.display()))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).with_context(|| format!("cannot read {}", path.display()))?;
        // A last line without a line end was not acknowledged: the process ended while writing it.
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        let mut book = Book::default();
        for (n, line) in text[..whole].split_inclusive(|b| *b == b'\n').enumerate() {
            match serde_json::from_slice::<Operation>(line) {
                Ok(operation) => book.apply(operation),
                Err(e) => bail!("{}:{}: not an operation: {e}", path.display(), n + 1),
            }
        }
        let mut journal = Self { book, file, length: whole as u64, is_torn: true };
        journal.cut().with_context(|| format!("cannot trim {}", path.display()))?;
        Ok(journal)
    }

    /// Answers a request. `ending` is how the operation ends if its payment allows it. Blocks while the disk writes.
    ///
    /// # Errors
    /// When the journal cannot be written; then the operation has no effect and may be repeated.
    pub fn answer(&mut self, key: &str, request: Request, ending: Ending) -> anyhow::Result<Handled> {
        let id = || format!("auth_{}", Uuid::now_v7().simple());
        match self.book.decide(key, request, ending, id, Utc::now()) {
            Decision::Replay(answer) => Ok(Handled::Replayed(answer)),
            Decision::Refuse(answer) => Ok(Handled::Refused(answer)),
            Decision::Do(operation) => {
                let mut line = serde_json::to_vec(&operation)?;
                line.push(b'\n');
                self.append(&line).context("the journal cannot be written")?;
                self.book.apply(Operation::clone(&operation));
                Ok(Handled::Stored(*operation))
            }
        }
    }

    /// The current state.
    #[must_use]
    pub fn book(&self) -> &Book {
        &self.book
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        // A line must not be appended to a part of another.
        if self.is_torn {
            self.cut()?;
        }
        self.is_torn = true;
        self.file.write_all(line)?;
        self.file.sync_data()?;
        self.length += line.len() as u64;
        self.is_torn = false;
        Ok(())
    }

    /// Cuts off what follows the last complete line.
    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        self.is_torn = false;
        Ok(())
    }
}
