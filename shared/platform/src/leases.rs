//! Leases: which instance does a job that one should do at a time. They save double work; no job may rely on being alone.

use std::future::Future;
use std::time::Duration;

use diesel::dsl::IntervalDsl as _;
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;
use tokio::time::{Instant, sleep};

use crate::db::Prepare as _;
use crate::db::functions::{add_interval, clock_timestamp};
use crate::schema::leases;
use crate::{Db, Instance, Refusal, Stop};

/// How long a lease lasts without being renewed, by the database's clock.
const DURATION_S: i32 = 10;
/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(3);
/// A holder that could not renew for so long stops: shorter than the lease, so that it has stopped before another starts.
const MAX_UNRENEWED: Duration = Duration::from_secs(8);
/// How often a lease that another instance holds is asked for.
const RETRY: Duration = Duration::from_secs(1);
/// An instance asks later by this for each lease it holds, so that those with fewer come first.
const DELAY_PER_HELD: Duration = Duration::from_millis(150);
/// The pause after giving a lease back. In that time every other instance has asked for it.
const PAUSE_AFTER_GIVING_BACK: Duration = Duration::from_secs(6);
/// How long a lease is kept that came back because no other instance took it.
const GIVE_BACK_AGAIN_AFTER: Duration = Duration::from_secs(600);

/// A named job, and the instance that asks for it.
///
/// The holder is the instance's name and not its run: restarted after a crash, it takes its own lease over at once, with a
/// new epoch. An instance that holds more than its share of the leases gives one back.
#[derive(Debug, Clone)]
pub struct Lease {
    db: Db,
    name: String,
    holder: Instance,
}

impl Lease {
    /// The lease on the job `name`, to be held by `holder`.
    #[must_use]
    pub fn new(db: Db, name: impl Into<String>, holder: Instance) -> Self {
        Self { db, name: name.into(), holder }
    }

    /// Runs `job` whenever this process holds the lease, until `stop`. The signal that `job` gets is cancelled when the lease
    /// is lost or given back, or at `stop`.
    pub async fn run<F, Fut>(self, stop: Stop, job: F)
    where
        F: Fn(Stop) -> Fut,
        Fut: Future<Output = ()>,
    {
        let _wanted = self.holder.want_lease();
        stop.run_until_cancelled(self.holder.wait_for_name()).await;
        let mut given_back_at: Option<Instant> = None;
        while !stop.is_cancelled() {
            let held = u32::try_from(self.holder.leases_held()).unwrap_or(u32::MAX).min(20);
            if stop.run_until_cancelled(sleep(DELAY_PER_HELD * held)).await.is_none() {
                return;
            }
            let mut pause = RETRY;
            match self.acquire().await {
                Ok(Some(epoch)) => {
                    tracing::info!(lease = %self.name, epoch, "holding the {} lease", self.name);
                    let held = stop.child_token();
                    let may_give_back = given_back_at.is_none_or(|at| at.elapsed() > GIVE_BACK_AGAIN_AFTER);
                    let (_, is_given_back) = tokio::join!(
                        async {
                            job(held.clone()).await;
                            held.cancel();
                        },
                        self.renew(epoch, held.clone(), may_give_back),
                    );
                    // A failure costs others the rest of the lease's duration.
                    let _ = self.set_until(epoch, 0).await;
                    if is_given_back {
                        tracing::info!(lease = %self.name, epoch, "gave the {} lease back", self.name);
                        given_back_at = Some(Instant::now());
                        pause = PAUSE_AFTER_GIVING_BACK;
                    }
                }
                Ok(None) => {}
                Err(e) => tracing::warn!(lease = %self.name, error = ?e, "cannot ask for the {} lease", self.name),
            }
            stop.run_until_cancelled(sleep(pause)).await;
        }
    }

    /// Renews until `held` is cancelled, and cancels it when the lease is lost or given back. True when it was given back.
    async fn renew(&self, epoch: i64, held: Stop, may_give_back: bool) -> bool {
        let counted = self.holder.hold_lease();
        let _shown = self.db.metrics().holding_lease();
        let mut trusted_until = Instant::now() + MAX_UNRENEWED;
        // Twice in a row: an instance that is just stopping is still counted, and would get it for a moment only.
        let mut was_too_many = false;
        while held.run_until_cancelled(sleep(RENEW)).await.is_some() {
            let is_too_many = counted.is_too_many();
            if may_give_back && is_too_many && was_too_many && counted.give_back_if_too_many() {
                held.cancel();
                return true;
            }
            was_too_many = is_too_many;
            match self.set_until(epoch, DURATION_S).await {
                Ok(true) => trusted_until = Instant::now() + MAX_UNRENEWED,
                Ok(false) => {
                    tracing::warn!(lease = %self.name, epoch, "lost the {} lease", self.name);
                    held.cancel();
                }
                Err(_) if Instant::now() < trusted_until => {}
                Err(_) => held.cancel(),
            }
        }
        false
    }

    /// Takes the lease if it is free. Returns its new epoch.
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

    /// Sets the end of the lease to `seconds` from now. False when it has been taken over.
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
}
