//! Pages of a list, with an opaque cursor to the next one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Problem;

/// The query parameters `limit` and `cursor`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PageQuery {
    limit: Option<i64>,
    cursor: Option<String>,
}

impl PageQuery {
    /// 1 to 100; 50 by default.
    ///
    /// # Errors
    /// 400 `limit_invalid`.
    pub fn limit(&self) -> Result<i64, Problem> {
        match self.limit.unwrap_or(50) {
            n @ 1..=100 => Ok(n),
            n => Err(Problem::bad_request("limit_invalid", format!("limit is 1 to 100, not {n}"))),
        }
    }

    /// The id of the last record on the page before.
    ///
    /// # Errors
    /// 400 `cursor_invalid`.
    pub fn after(&self) -> Result<Option<Uuid>, Problem> {
        let Some(text) = &self.cursor else { return Ok(None) };
        URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| Uuid::from_slice(&bytes).ok()).map(Some).ok_or_else(|| {
            Problem::bad_request("cursor_invalid", "the cursor is not from this list; begin without one")
        })
    }
}

/// One page of a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Page<T> {
    /// The records, in the order of the list.
    pub data: Vec<T>,
    /// The cursor of the next page; `null` on the last one.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// The page of `rows`, which have to be read with a limit of `limit + 1`: the last one shows that there is a next page.
    pub fn of(mut rows: Vec<T>, limit: i64, id: impl Fn(&T) -> Uuid) -> Self {
        let limit = usize::try_from(limit).unwrap_or(100);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(id(last).as_bytes()));
        Self { data: rows, next_cursor }
    }

    /// Converts each record.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { data: self.data.into_iter().map(f).collect(), next_cursor: self.next_cursor }
    }
}
