//! Tab-separated files whose errors name file and line.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::error::InstanceError;
use crate::format::FileFormat;

pub(crate) struct Table {
    file: PathBuf,
    text: String,
    columns: usize,
}

#[derive(Clone, Copy)]
pub(crate) struct Row<'t> {
    table: &'t Table,
    /// From 1; the header is line 1.
    line: usize,
    text: &'t str,
}

impl Table {
    pub fn read(dir: &Path, format: &FileFormat) -> Result<Self, InstanceError> {
        let file = dir.join(format.name);
        let error = |line, what| InstanceError { file: file.clone(), line, what };
        let bytes = std::fs::read(&file).map_err(|e| error(None, format!("cannot be read: {e}")))?;
        let text = String::from_utf8(bytes).map_err(|e| {
            let before = &e.as_bytes()[..e.utf8_error().valid_up_to()];
            let line = before.iter().filter(|b| **b == b'\n').count() + 1;
            error(Some(line), "is not UTF-8 text".into())
        })?;
        let header = text.lines().next().unwrap_or_default();
        if !header.split('\t').map(str::trim).eq(format.columns.iter().copied()) {
            return Err(error(Some(1), format!("the header must be, tab separated: {}", format.columns.join(", "))));
        }
        Ok(Self { columns: format.columns.len(), text, file })
    }

    /// The rows after the header, without empty lines.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let numbered = self.text.lines().enumerate().skip(1);
        numbered.filter(|(_, text)| !text.trim().is_empty()).map(|(n, text)| Row { table: self, line: n + 1, text })
    }

    /// The row of a file that must have exactly one.
    pub fn only_row(&self) -> Result<Row<'_>, InstanceError> {
        let mut rows = self.rows();
        let row = rows.next().ok_or_else(|| self.error(Some(2), "a line is missing".into()))?;
        rows.next().map_or(Ok(row), |extra| Err(extra.error("one line too many".into())))
    }

    /// Fails when two rows have the same first column.
    pub fn require_unique_ids(&self) -> Result<(), InstanceError> {
        let mut seen = HashSet::new();
        for row in self.rows() {
            if !seen.insert(row.text(0)?) {
                return Err(row.error(format!("{} is listed twice", row.text(0)?)));
            }
        }
        Ok(())
    }

    fn error(&self, line: Option<usize>, what: String) -> InstanceError {
        InstanceError { file: self.file.clone(), line, what }
    }
}

impl<'t> Row<'t> {
    pub fn error(&self, what: String) -> InstanceError {
        self.table.error(Some(self.line), what)
    }

    /// A cell, trimmed. An empty cell is an error, and so is a row with too many or too few columns.
    pub fn text(&self, column: usize) -> Result<&'t str, InstanceError> {
        let cells = self.text.split('\t').count();
        if cells != self.table.columns {
            return Err(self.error(format!("{} columns are needed, here are {cells}", self.table.columns)));
        }
        let cell = self.text.split('\t').nth(column).unwrap_or_default().trim();
        if cell.is_empty() { Err(self.error(format!("column {} is empty", column + 1))) } else { Ok(cell) }
    }

    pub fn number(&self, column: usize) -> Result<f64, InstanceError> {
        let text = self.text(column)?;
        let number = text.parse::<f64>().ok().filter(|n| n.is_finite());
        number.ok_or_else(|| self.error(format!("{text:?} in column {} is not a number", column + 1)))
    }
}
