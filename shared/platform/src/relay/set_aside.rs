//! Events that the broker refused: published again later, without holding up the others.

use std::collections::HashSet;
use std::sync::Arc;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;

use crate::db::Prepare as _;
use crate::event_log::{self, LoggedEvent};
use crate::schema::set_aside;
use crate::{Db, Refusal};

/// The most that are tried at once.
const BATCH: i64 = 256;

/// An event that the broker refused.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) seq: i64,
    pub(super) reason: String,
}

/// The table of refused events.
#[derive(Debug)]
pub(super) struct SetAside {
    db: Db,
    /// False when the table is known to be empty, so that it need not be read.
    may_have_rows: bool,
}

impl SetAside {
    pub(super) fn new(db: Db) -> Self {
        Self { db, may_have_rows: true }
    }

    /// Writes down refused events, to be tried again after 1 s, 2 s, 4 s … 64 s.
    pub(super) async fn add(&mut self, refused: Vec<Refused>) -> Result<(), Refusal> {
        if refused.is_empty() {
            return Ok(());
        }
        self.may_have_rows = true;
        let (seqs, reasons): (Vec<i64>, Vec<String>) = refused.into_iter().map(|r| (r.seq, r.reason)).unzip();
        self.db
            .read(move |conn| {
                async move {
                    // Raw: with `unnest` the text is the same for any number of rows, so it stays prepared.
                    diesel::sql_query(
                        "INSERT INTO set_aside (seq, attempts, last_error, next_attempt_at)
                         SELECT seq, 1, why, clock_timestamp() + interval '1 s' FROM unnest($1, $2) AS refused (seq, why)
                         ON CONFLICT (seq) DO UPDATE SET attempts = set_aside.attempts + 1, last_error = excluded.last_error,
                             next_attempt_at = clock_timestamp() + least(64, power(2, least(set_aside.attempts, 6))) * interval '1 s'",
                    )
                    .bind::<Array<BigInt>, _>(seqs)
                    .bind::<Array<Text>, _>(reasons)
                    .prepared()
                    .execute(conn)
                    .await?;
                    Ok(())
                }
                .boxed()
            })
            .await
    }

    /// The events whose next attempt is due, at most [`BATCH`].
    pub(super) async fn due(&mut self) -> Result<Vec<LoggedEvent>, Refusal> {
        if !self.may_have_rows {
            return Ok(Vec::new());
        }
        let (due, any) = self
            .db
            .read(|conn| {
                async move {
                    let due: Vec<i64> = set_aside::table
                        .filter(set_aside::next_attempt_at.le(diesel::dsl::now))
                        .order(set_aside::seq)
                        .limit(BATCH)
                        .select(set_aside::seq)
                        .load(conn)
                        .await?;
                    let any = diesel::select(diesel::dsl::exists(set_aside::table.select(set_aside::seq)));
                    let any = !due.is_empty() || any.get_result(conn).await?;
                    Ok((event_log::by_seq(conn, &due).await?, any))
                }
                .boxed()
            })
            .await?;
        self.may_have_rows = any;
        Ok(due)
    }

    /// Removes the events of `tried` that were published, and writes down the next attempt of those that were refused.
    pub(super) async fn record_retry(
        &mut self,
        tried: &[Arc<LoggedEvent>],
        refused: Vec<Refused>,
    ) -> Result<(), Refusal> {
        let refused_seqs: HashSet<i64> = refused.iter().map(|r| r.seq).collect();
        let published: Vec<i64> =
            tried.iter().map(|event| event.seq).filter(|seq| !refused_seqs.contains(seq)).collect();
        self.db
            .read(move |conn| {
                async move {
                    diesel::delete(set_aside::table.filter(set_aside::seq.eq_any(published))).execute(conn).await?;
                    Ok(())
                }
                .boxed()
            })
            .await?;
        self.add(refused).await
    }
}
