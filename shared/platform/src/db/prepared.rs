//! Statements whose text is fixed, parsed by the server once per connection.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};

/// A statement that is prepared once per connection and found again by its text.
///
/// diesel prepares `sql_query`, every UPDATE and some INSERTs anew for each use, which costs a round trip, because it cannot
/// know that their texts are few. `.prepared()` says so. Never use it on a text that is put together from values: each
/// would stay on the server.
#[derive(Debug, Clone, Copy)]
pub struct Prepared<Q>(Q);

/// Adds [`Prepare::prepared`] to every statement.
pub trait Prepare: Sized {
    /// Keeps the server's parse of this statement. See [`Prepared`].
    fn prepared(self) -> Prepared<Self> {
        Prepared(self)
    }
}

impl<Q: QueryFragment<Pg>> Prepare for Q {}

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for Prepared<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &Pg) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<Q> QueryId for Prepared<Q> {
    type QueryId = ();
    /// The cache finds it by its text.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q: Query> Query for Prepared<Q> {
    type SqlType = Q::SqlType;
}
