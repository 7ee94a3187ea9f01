//! A rider: accepts every offer, drives, collects at the shop, hands over at the customer, and goes offline when the shift
//! ends.

mod session;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use pannier_contracts::{DeliveryId, MerchantId, Place, RiderId};
use tokio::time::Instant;

use self::session::{RETRY_DELAY, Session, Stopped, Wait};
use super::counters::Counters;
use super::jobs::{Jobs, Stage};
use super::motion::Motion;
use super::route::{Stop, next_stop};
use super::side_channel::SideChannel;
use crate::clock::instant_of;
use pannier_client::{CallError, Rider, Tap};

/// Durations at stops, in real time.
#[derive(Debug, Clone, Copy)]
pub struct ServiceTimes {
    /// At the shop, spent once before the pickup and once after it.
    pub half_pickup: Duration,
    /// At the customer, spent once before the drop-off and once after it.
    pub half_dropoff: Duration,
    /// How long a rider with collected orders waits for another order of the same shop.
    pub patience: Duration,
}

/// A rider and their app.
pub struct RiderBot {
    /// Calls of the rider API.
    pub app: Rider,
    /// The rider's id.
    pub rider: RiderId,
    /// Metres per second of real time.
    pub speed_mps: f64,
    /// Durations at stops.
    pub service_times: ServiceTimes,
    /// Where customers publish PINs.
    pub channel: Arc<SideChannel>,
    /// Shared by all bots.
    pub counters: Arc<Counters>,
}

impl RiderBot {
    /// Works from `home` until `shift_end`, then until no delivery is open. Returns where the shift ended.
    pub async fn shift(&self, home: Place, shift_end: Instant) -> Place {
        loop {
            match self.app.online(home).await {
                Ok(_) => break,
                Err(CallError::Stopped) => return home,
                // On shift already: an earlier run of this bot ended without going offline.
                Err(e) if e.status() == Some(409) => break,
                Err(e) => self.counters.warn(format!("Rider {} cannot go online: {e}", self.rider)),
            }
            if Instant::now() > shift_end {
                return home;
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
        self.counters.on_shift.fetch_add(1, Ordering::Relaxed);
        let session = Session::start(&self.app, self.rider, &self.counters, Motion::still(home), shift_end);
        let mut shift = Shift { bot: self, session, at_counter: None };
        let _ = shift.work().await;
        self.counters.on_shift.fetch_sub(1, Ordering::Relaxed);
        shift.session.here()
    }
}

struct Shift<'b> {
    bot: &'b RiderBot,
    session: Session<'b>,
    /// The shop where the rider stands and has spent the first half of the pickup time.
    at_counter: Option<MerchantId>,
}

impl Shift<'_> {
    async fn work(&mut self) -> Result<(), Stopped> {
        self.session.poll().await?;
        let patience = TimeDelta::from_std(self.bot.service_times.patience).unwrap_or_default();
        loop {
            match next_stop(&self.session.jobs, self.session.here(), Utc::now(), patience) {
                Some(stop) => self.serve(stop).await?,
                None if self.session.is_paused => match self.bot.app.offline().await {
                    Ok(_) => return Ok(()),
                    Err(CallError::Stopped) => return Err(Stopped),
                    // A delivery is open that no event has announced, or dispatch-svc does not answer.
                    Err(e) => {
                        tracing::debug!("Rider {} cannot go offline: {e}", self.bot.rider);
                        self.session.poll().await?;
                        self.session.wait(RETRY_DELAY).await?;
                    }
                },
                None => self.session.wait_for_a_job().await?,
            }
        }
    }

    async fn serve(&mut self, stop: Stop) -> Result<(), Stopped> {
        match stop {
            Stop::Pickup(shop, place) => self.pick_up(shop, place).await,
            Stop::Dropoff(id, place) => self.drop_off(id, place).await,
            Stop::Return(id, place) => {
                let is_wanted = move |jobs: &Jobs| jobs.get(id).is_some_and(|j| j.stage == Stage::Returning);
                if self.drive(place, is_wanted).await? == Wait::Elapsed {
                    self.session.confirm(id, Tap::Returned).await?;
                }
                Ok(())
            }
        }
    }

    async fn pick_up(&mut self, shop: MerchantId, place: Place) -> Result<(), Stopped> {
        let is_wanted = move |jobs: &Jobs| !jobs.at_shop(shop).is_empty();
        if self.drive(place, is_wanted).await? == Wait::Obsolete {
            return Ok(());
        }
        let half_pickup = self.bot.service_times.half_pickup;
        let session = &mut self.session;
        let arrived: Vec<_> =
            session.jobs.at_shop(shop).iter().filter(|j| j.stage == Stage::ToPickup).map(|j| j.id).collect();
        for id in arrived {
            session.confirm(id, Tap::AtPickup).await?;
        }
        if self.at_counter != Some(shop) {
            session.wait_while(Instant::now() + half_pickup, is_wanted).await?;
            self.at_counter = Some(shop);
        }
        // The shop may change the ready time during the wait.
        while let Some(ready_at) = session.jobs.at_shop(shop).first().map(|j| j.ready_at).filter(|t| *t > Utc::now()) {
            let is_unchanged = move |jobs: &Jobs| jobs.at_shop(shop).first().is_some_and(|j| j.ready_at == ready_at);
            session.wait_while(instant_of(ready_at), is_unchanged).await?;
        }
        let ready: Vec<_> =
            session.jobs.at_shop(shop).iter().filter(|j| j.ready_at <= Utc::now()).map(|j| j.id).collect();
        let mut is_loaded = false;
        for id in ready {
            is_loaded |= session.confirm(id, Tap::PickedUp).await?;
        }
        if is_loaded {
            session.wait(half_pickup).await?;
        }
        Ok(())
    }

    async fn drop_off(&mut self, id: DeliveryId, place: Place) -> Result<(), Stopped> {
        let is_wanted =
            move |jobs: &Jobs| jobs.get(id).is_some_and(|j| matches!(j.stage, Stage::Carried | Stage::AtDropoff));
        if self.drive(place, is_wanted).await? == Wait::Obsolete {
            return Ok(());
        }
        let half_dropoff = self.bot.service_times.half_dropoff;
        let session = &mut self.session;
        let Some(job) = session.jobs.get(id).cloned() else { return Ok(()) };
        if job.stage == Stage::Carried {
            if !session.confirm(id, Tap::AtDropoff).await? {
                return Ok(());
            }
            session.wait_while(Instant::now() + half_dropoff, is_wanted).await?;
        }
        let Some(facts) = self.bot.channel.get(job.order) else {
            // The customer's call has not been answered yet, or is being retried.
            session.wait_while(Instant::now() + RETRY_DELAY, is_wanted).await?;
            return Ok(());
        };
        if session.confirm(id, Tap::Delivered(&facts.pin)).await? {
            session.wait(half_dropoff).await?;
        }
        Ok(())
    }

    /// Drives to a place, or stops on the way when the trip is no longer wanted.
    async fn drive(&mut self, to: Place, is_wanted: impl Fn(&Jobs) -> bool) -> Result<Wait, Stopped> {
        let session = &mut self.session;
        let here = session.here();
        if here.distance_m(&to) < 1.0 {
            return Ok(if is_wanted(&session.jobs) { Wait::Elapsed } else { Wait::Obsolete });
        }
        self.at_counter = None;
        session.motion = Motion::drive(here, to, self.bot.speed_mps);
        let waited = session.wait_while(session.motion.arrival(), is_wanted).await?;
        session.motion = Motion::still(session.here());
        session.send_position().await?;
        Ok(waited)
    }
}
