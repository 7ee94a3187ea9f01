//! Leases: who does a job that one process at a time should do. Correctness never hangs on them; they only save double work.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;

use crate::db::Prepare as _;
use crate::{Db, Refusal, Stop};

const RENEW: Duration = Duration::from_secs(3);
/// Shorter than the lease itself (10 s, by the database's clock): a holder that cannot renew stops before another may start.
const TRUST: Duration = Duration::from_secs(8);

#[derive(QueryableByName)]
struct Epoch {
    #[diesel(sql_type = BigInt)]
    epoch: i64,
}

/// A named job, and this process's name as its holder.
///
/// The holder's name is the process's place (its address), not its run: restarted after a crash it takes its own
/// lease up again at once, with a new epoch.
#[derive(Debug, Clone)]
pub struct Lease {
    db: Db,
    name: String,
    holder: String,
    shared: Share,
}

/// How many leases of one kind this process holds: whoever has more asks later, so that they spread.
#[derive(Debug, Clone, Default)]
pub struct Share(Arc<AtomicUsize>);

impl Share {
    /// So many.
    #[must_use]
    pub fn held(&self) -> usize {
        AtomicUsize::load(&self.0, Ordering::Relaxed)
    }

    /// A moment for others to ask first.
    fn wait(&self) -> Duration {
        Duration::from_millis(150) * u32::try_from(self.held()).unwrap_or(u32::MAX).min(20)
    }
}

impl Lease {
    /// The lease on job `name`, to be held as `holder`.
    #[must_use]
    pub fn new(db: Db, name: impl Into<String>, holder: impl Into<String>) -> Self {
        Self { db, name: name.into(), holder: holder.into(), shared: Share::default() }
    }

    /// Counts among leases of one kind that are to spread over the processes.
    #[must_use]
    pub fn sharing(self, shared: Share) -> Self {
        Self { shared, ..self }
    }

    async fn acquire(&self) -> Result<Option<i64>, Refusal> {
        let (name, holder) = (self.name.clone(), self.holder.clone());
        self.db
            .read(move |conn| {
                async move {
                    let row: Option<Epoch> = diesel::sql_query(
                        "INSERT INTO leases (name, holder, epoch, until)
                         VALUES ($1, $2, 1, clock_timestamp() + interval '10 s')
                         ON CONFLICT (name) DO UPDATE
                             SET holder = excluded.holder, epoch = leases.epoch + 1, until = excluded.until
                             WHERE leases.until < clock_timestamp() OR leases.holder = excluded.holder
                         RETURNING epoch",
                    )
                    .bind::<Text, _>(name)
                    .bind::<Text, _>(holder)
                    .prepared()
                    .get_result(conn)
                    .await
                    .optional()?;
                    Ok(row.map(|r| r.epoch))
                }
                .boxed()
            })
            .await
    }

    async fn set_until(&self, epoch: i64, sql: &'static str) -> Result<bool, Refusal> {
        let (name, holder) = (self.name.clone(), self.holder.clone());
        self.db
            .read(move |conn| {
                async move {
                    let rows = diesel::sql_query(sql)
                        .bind::<Text, _>(name)
                        .bind::<Text, _>(holder)
                        .bind::<BigInt, _>(epoch)
                        .prepared()
                        .execute(conn)
                        .await?;
                    Ok(rows == 1)
                }
                .boxed()
            })
            .await
    }

    async fn renew(&self, epoch: i64) -> Result<bool, Refusal> {
        self.set_until(
            epoch,
            "UPDATE leases SET until = clock_timestamp() + interval '10 s' WHERE name = $1 AND holder = $2 AND epoch = $3",
        )
        .await
    }

    /// Does `job` whenever this process holds the lease, until `stop`. The job gets a signal of its own: lost or stopped.
    pub async fn run<F, Fut>(self, stop: Stop, job: F)
    where
        F: Fn(Stop) -> Fut,
        Fut: Future<Output = ()>,
    {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.shared.wait()) => {}
            }
            match self.acquire().await {
                Ok(Some(epoch)) => {
                    tracing::info!(lease = %self.name, epoch, "holding the {} lease", self.name);
                    self.shared.0.fetch_add(1, Ordering::Relaxed);
                    let held = stop.child_token();
                    tokio::join!(
                        async {
                            job(held.clone()).await;
                            held.cancel();
                        },
                        self.keep(epoch, held.clone()),
                    );
                    self.shared.0.fetch_sub(1, Ordering::Relaxed);
                    let _ = self
                        .set_until(
                            epoch,
                            "UPDATE leases SET until = clock_timestamp() WHERE name = $1 AND holder = $2 AND epoch = $3",
                        )
                        .await;
                }
                Ok(None) => {}
                Err(e) => tracing::warn!(lease = %self.name, error = ?e, "cannot ask for the {} lease", self.name),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
    }

    async fn keep(&self, epoch: i64, held: Stop) {
        let mut trusted_until = tokio::time::Instant::now() + TRUST;
        loop {
            tokio::select! {
                () = held.cancelled() => return,
                () = tokio::time::sleep(RENEW) => {}
            }
            match self.renew(epoch).await {
                Ok(true) => trusted_until = tokio::time::Instant::now() + TRUST,
                Ok(false) => {
                    tracing::warn!(lease = %self.name, epoch, "lost the {} lease", self.name);
                    return held.cancel();
                }
                Err(_) if tokio::time::Instant::now() < trusted_until => {}
                Err(_) => return held.cancel(),
            }
        }
    }
}
