//! Leases: who does a job that one process at a time should do. Correctness never hangs on them; they only save double work.

use std::future::Future;
use std::time::Duration;

use diesel::dsl::IntervalDsl as _;
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;
use tokio::time::Instant;

use crate::db::Prepare as _;
use crate::db::functions::{add_interval, clock_timestamp};
use crate::schema::leases;
use crate::{Db, Instance, Refusal, Stop};

/// How long a lease lasts without being renewed, by the database's clock.
const DURATION_S: i32 = 10;
/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(3);
/// Shorter than the lease itself: a holder that cannot renew stops before another may start.
const TRUST: Duration = Duration::from_secs(8);
/// After giving a lease back: longer than anybody who wants it takes to ask.
const OTHERS_FIRST: Duration = Duration::from_secs(5);
/// A lease that nobody took when it was given back is kept for so long before it is offered again.
const OFFERED_AGAIN: Duration = Duration::from_secs(600);

/// A named job, and the instance that would do it.
///
/// The holder is the instance's name, not its run: restarted after a crash it takes its own lease up again at once, with
/// a new epoch. Instances share: whoever holds more than its part gives one back.
#[derive(Debug, Clone)]
pub struct Lease {
    db: Db,
    name: String,
    holder: Instance,
}

impl Lease {
    /// The lease on job `name`, to be held by `holder`.
    #[must_use]
    pub fn new(db: Db, name: impl Into<String>, holder: Instance) -> Self {
        Self { db, name: name.into(), holder }
    }

    async fn acquire(&self) -> Result<Option<i64>, Refusal> {
        let (name, holder) = (self.name.clone(), self.holder.name().to_owned());
        self.db
            .read(move |conn| {
                async move {
                    use diesel::query_dsl::methods::FilterDsl as _;
                    // Expired, or this instance's own from before a restart.
                    let is_free = leases::until.lt(clock_timestamp()).or(leases::holder.eq(excluded(leases::holder)));
                    Ok(diesel::insert_into(leases::table)
                        .values((
                            leases::name.eq(name),
                            leases::holder.eq(holder),
                            leases::epoch.eq(1),
                            leases::until.eq(add_interval(clock_timestamp(), DURATION_S.seconds())),
                        ))
                        .on_conflict(leases::name)
                        .do_update()
                        .set((
                            leases::holder.eq(excluded(leases::holder)),
                            leases::epoch.eq(leases::epoch + 1),
                            leases::until.eq(excluded(leases::until)),
                        ))
                        .filter(is_free)
                        .returning(leases::epoch)
                        .prepared()
                        .get_result(conn)
                        .await
                        .optional()?)
                }
                .boxed()
            })
            .await
    }

    /// Sets the end of the lease to `seconds` from now. False when another holder has it.
    async fn set_until(&self, epoch: i64, seconds: i32) -> Result<bool, Refusal> {
        let (name, holder) = (self.name.clone(), self.holder.name().to_owned());
        self.db
            .read(move |conn| {
                async move {
                    let held =
                        leases::table.find(name).filter(leases::holder.eq(holder)).filter(leases::epoch.eq(epoch));
                    let updated = diesel::update(held)
                        .set(leases::until.eq(add_interval(clock_timestamp(), seconds.seconds())))
                        .prepared()
                        .execute(conn)
                        .await?;
                    Ok(updated == 1)
                }
                .boxed()
            })
            .await
    }

    /// Does `job` whenever this process holds the lease, until `stop`. The job gets a signal of its own: lost, given back
    /// or stopped.
    pub async fn run<F, Fut>(self, stop: Stop, job: F)
    where
        F: Fn(Stop) -> Fut,
        Fut: Future<Output = ()>,
    {
        let _asking = self.holder.asks();
        tokio::select! {
            () = stop.cancelled() => return,
            () = self.holder.has_name() => {}
        }
        let mut given_back = None;
        while !stop.is_cancelled() {
            // Whoever holds more asks later.
            let held = u32::try_from(self.holder.held()).unwrap_or(u32::MAX).min(20);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(150) * held) => {}
            }
            match self.acquire().await {
                Ok(Some(epoch)) => {
                    tracing::info!(lease = %self.name, epoch, "holding the {} lease", self.name);
                    let held = stop.child_token();
                    let may_give_back = given_back.is_none_or(|at: Instant| at.elapsed() > OFFERED_AGAIN);
                    let (_, is_given_back) = tokio::join!(
                        async {
                            job(held.clone()).await;
                            held.cancel();
                        },
                        self.keep(epoch, held.clone(), may_give_back),
                    );
                    let _ = self.set_until(epoch, 0).await;
                    if is_given_back {
                        tracing::info!(lease = %self.name, epoch, "gave the {} lease back", self.name);
                        given_back = Some(Instant::now());
                        tokio::select! {
                            () = stop.cancelled() => return,
                            () = tokio::time::sleep(OTHERS_FIRST) => {}
                        }
                    }
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

    /// Renews until `held` ends, or ends it: when the lease is lost, or given back (then true).
    async fn keep(&self, epoch: i64, held: Stop, may_give_back: bool) -> bool {
        let counted = self.holder.holds();
        let mut trusted_until = Instant::now() + TRUST;
        loop {
            tokio::select! {
                () = held.cancelled() => return false,
                () = tokio::time::sleep(RENEW) => {}
            }
            if may_give_back && counted.is_too_many() {
                held.cancel();
                return true;
            }
            match self.set_until(epoch, DURATION_S).await {
                Ok(true) => trusted_until = Instant::now() + TRUST,
                Ok(false) => {
                    tracing::warn!(lease = %self.name, epoch, "lost the {} lease", self.name);
                    held.cancel();
                }
                Err(_) if Instant::now() < trusted_until => {}
                Err(_) => held.cancel(),
            }
        }
    }
}
