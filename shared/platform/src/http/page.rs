//! Lists: a page and an opaque cursor to the next.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Problem;

/// `?limit=&cursor=`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PageQuery {
    limit: Option<i64>,
    cursor: Option<String>,
}

impl PageQuery {
    /// 1 to 100, 50 if not said.
    ///
    /// # Errors
    /// 400 outside of that.
    pub fn limit(&self) -> Result<i64, Problem> {
        match self.limit.unwrap_or(50) {
            n @ 1..=100 => Ok(n),
            n => Err(Problem::bad_request("limit_invalid", format!("limit is 1 to 100, not {n}"))),
        }
    }

    /// The id that the last page ended with.
    ///
    /// # Errors
    /// 400 when it is none of ours.
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
    /// The records.
    pub data: Vec<T>,
    /// Where the next page begins; `null` on the last.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page of `rows`, which were read with one more than `limit`, so that we know whether there are more.
    pub fn of(mut rows: Vec<T>, limit: i64, id: impl Fn(&T) -> Uuid) -> Self {
        let limit = usize::try_from(limit).unwrap_or(100);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(id(last).as_bytes()));
        Self { data: rows, next_cursor }
    }

    /// The same page of other records.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { data: self.data.into_iter().map(f).collect(), next_cursor: self.next_cursor }
    }
}
