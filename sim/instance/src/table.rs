//! A tab-separated file that knows its lines.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{InstanceError, Point};

pub(super) struct Table {
    file: PathBuf,
    text: String,
    columns: usize,
}

#[derive(Clone, Copy)]
pub(super) struct Row<'t> {
    table: &'t Table,
    /// From 1; the header is line 1.
    line: usize,
    text: &'t str,
}

impl Table {
    pub(super) fn read(dir: &Path, name: &str, header: &[&str]) -> Result<Self, InstanceError> {
        let file = dir.join(name);
        let error = |line, what| InstanceError { file: file.clone(), line, what };
        let bytes = std::fs::read(&file).map_err(|e| error(None, format!("cannot be read: {e}")))?;
        let text = String::from_utf8(bytes).map_err(|e| {
            let before = &e.as_bytes()[..e.utf8_error().valid_up_to()];
            let line = before.iter().filter(|b| **b == b'\n').count() + 1;
            error(Some(line), "is not UTF-8 text".into())
        })?;
        let first = text.lines().next().unwrap_or_default();
        if !first.split('\t').map(str::trim).eq(header.iter().copied()) {
            return Err(error(Some(1), format!("the header must be, tab separated: {}", header.join(", "))));
        }
        Ok(Self { columns: header.len(), text, file })
    }

    /// Every line that is not empty, without the header.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let numbered = self.text.lines().enumerate().skip(1);
        numbered.filter(|(_, text)| !text.trim().is_empty()).map(|(n, text)| Row { table: self, line: n + 1, text })
    }

    /// The one row of a file that has only one.
    pub(super) fn only(&self) -> Result<Row<'_>, InstanceError> {
        let mut rows = self.rows();
        let row = rows.next().ok_or_else(|| self.error(Some(2), "a line is missing".into()))?;
        rows.next().map_or(Ok(row), |extra| Err(extra.error("one line too many".into())))
    }

    /// Checks that no first column is there twice.
    pub(super) fn unique(&self) -> Result<(), InstanceError> {
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
    pub(super) fn error(&self, what: String) -> InstanceError {
        self.table.error(Some(self.line), what)
    }

    pub(super) fn text(&self, column: usize) -> Result<&'t str, InstanceError> {
        let cells = self.text.split('\t').count();
        if cells != self.table.columns {
            return Err(self.error(format!("{} columns are needed, here are {cells}", self.table.columns)));
        }
        let cell = self.text.split('\t').nth(column).unwrap_or_default().trim();
        if cell.is_empty() { Err(self.error(format!("column {} is empty", column + 1))) } else { Ok(cell) }
    }

    pub(super) fn number(&self, column: usize) -> Result<f64, InstanceError> {
        let text = self.text(column)?;
        let number = text.parse::<f64>().ok().filter(|n| n.is_finite());
        number.ok_or_else(|| self.error(format!("{text:?} in column {} is not a number", column + 1)))
    }

    pub(super) fn minute(&self, column: usize) -> Result<i64, InstanceError> {
        let text = self.text(column)?;
        // A week: more is a typing error, and would be a replay that never ends.
        let minute = text.parse::<i64>().ok().filter(|n| (0..=7 * 24 * 60).contains(n));
        minute.ok_or_else(|| self.error(format!("{text:?} in column {} is not a minute of the day", column + 1)))
    }

    pub(super) fn point(&self) -> Result<Point, InstanceError> {
        let point = Point { x: self.number(1)?, y: self.number(2)? };
        // 200 km: what a city is not, and where the plane stops fitting the earth.
        if point.x.abs() > 200_000.0 || point.y.abs() > 200_000.0 {
            return Err(self.error(format!("{}, {} is more than 200 km away from the origin", point.x, point.y)));
        }
        Ok(point)
    }
}
