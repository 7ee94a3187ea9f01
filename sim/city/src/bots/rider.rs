//! A rider: takes every offer, drives, waits at the counter, hands over at the door, goes home when the shift ends.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use pannier_contracts::offer::{OfferSnapshot, OfferState};
use pannier_contracts::{DeliveryId, MerchantId, OfferId, Place, RiderId};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, interval_at, sleep_until};

use super::jobs::{Jobs, Stage};
use super::motion::Motion;
use super::route::{Stop, next_stop};
use super::{Counters, Directory};
use crate::clock::instant_of;
use pannier_client::{CallError, DeliveryView, Rider, Tap, sse};

/// A moving rider says where they are this often; the platform's time is real, so is this.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// One who stands still less often, but often enough not to count as silent (60 s).
const TELL_IDLE_EVERY: Duration = Duration::from_secs(10);
/// The stream is the quick way, this is the sure one.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// After a refusal or a failure, this long until the next try.
const AGAIN: Duration = Duration::from_secs(1);

/// How long things take, in real time.
#[derive(Debug, Clone, Copy)]
pub struct Services {
    /// At the counter, before the pickup and again after it.
    pub half_pickup: Duration,
    /// At the door, before the drop-off and again after it.
    pub half_dropoff: Duration,
    /// With food in the bag, how long to wait at a counter for more.
    pub patience: Duration,
}

/// A rider and their app.
pub struct RiderBot {
    /// The app.
    pub app: Rider,
    /// Which rider.
    pub me: RiderId,
    /// Metres per real second.
    pub speed_mps: f64,
    /// How long things take.
    pub services: Services,
    /// Where PINs are told.
    pub directory: Arc<Directory>,
    /// What the one who watches sees.
    pub counters: Arc<Counters>,
}

impl RiderBot {
    /// Works from `home` until `off` and until nothing is on board; answers where the shift ended.
    pub async fn shift(&self, home: Place, off: Instant) -> Place {
        loop {
            match self.app.online(home).await {
                Ok(_) => break,
                Err(CallError::Stopped) => return home,
                // On shift already: an earlier life of this bot did not go home.
                Err(e) if e.status() == Some(409) => break,
                Err(e) => self.counters.trouble(format!("Rider {} cannot go online: {e}", self.me)),
            }
            if Instant::now() > off {
                return home;
            }
            tokio::time::sleep(AGAIN).await;
        }
        self.counters.on_shift.fetch_add(1, Ordering::Relaxed);
        let mut shift = Shift::start(self, home, off);
        let _ = shift.work().await;
        self.counters.on_shift.fetch_sub(1, Ordering::Relaxed);
        shift.motion.place(Instant::now())
    }
}

/// The run ended in the middle of something.
struct Stopped;

/// Why the rider stopped waiting.
#[derive(PartialEq)]
enum Woke {
    /// The time was up.
    InTime,
    /// What it was for is gone.
    Moot,
}

struct Shift<'b> {
    bot: &'b RiderBot,
    off: Instant,
    events: mpsc::Receiver<sse::Event>,
    tell: Interval,
    look: Interval,
    jobs: Jobs,
    motion: Motion,
    told: Instant,
    is_paused: bool,
    /// The counter where the rider stands and has done the first half of the service.
    at_counter: Option<MerchantId>,
}

impl<'b> Shift<'b> {
    fn start(bot: &'b RiderBot, home: Place, off: Instant) -> Self {
        let phase = LOOK_EVERY.mul_f64(rand::random());
        let (mut tell, mut look) = (interval(TELL_EVERY), interval_at(Instant::now() + phase, LOOK_EVERY));
        tell.set_missed_tick_behavior(MissedTickBehavior::Delay);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            bot,
            off,
            events: bot.app.watch(),
            tell,
            look,
            jobs: Jobs::of(bot.me),
            motion: Motion::still(home),
            told: Instant::now(),
            is_paused: false,
            at_counter: None,
        }
    }

    async fn work(&mut self) -> Result<(), Stopped> {
        self.look().await?;
        loop {
            let patience = TimeDelta::from_std(self.bot.services.patience).unwrap_or_default();
            match next_stop(&self.jobs, self.here(), Utc::now(), patience) {
                Some(stop) => self.serve(stop).await?,
                None if self.is_paused => match self.bot.app.offline().await {
                    Ok(_) => return Ok(()),
                    Err(CallError::Stopped) => return Err(Stopped),
                    // Carrying something that we have not heard of, or nobody there.
                    Err(e) => {
                        tracing::debug!("Rider {} cannot go offline: {e}", self.bot.me);
                        self.look().await?;
                        self.live(Instant::now() + AGAIN, |_| true).await?;
                    }
                },
                None => {
                    self.live(self.off, Jobs::is_empty).await?;
                }
            }
        }
    }

    async fn serve(&mut self, stop: Stop) -> Result<(), Stopped> {
        match stop {
            Stop::Pickup(shop, place) => self.pick_up(shop, place).await,
            Stop::Dropoff(id, place) => self.drop_off(id, place).await,
            Stop::Return(id, place) => {
                let is_wanted = move |jobs: &Jobs| jobs.get(id).is_some_and(|j| j.stage == Stage::Returning);
                if self.drive(place, is_wanted).await? == Woke::InTime {
                    self.tap(id, Tap::Returned).await?;
                }
                Ok(())
            }
        }
    }

    async fn pick_up(&mut self, shop: MerchantId, place: Place) -> Result<(), Stopped> {
        let is_wanted = move |jobs: &Jobs| !jobs.at_shop(shop).is_empty();
        if self.drive(place, is_wanted).await? == Woke::Moot {
            return Ok(());
        }
        let arrived: Vec<_> =
            self.jobs.at_shop(shop).iter().filter(|j| j.stage == Stage::ToPickup).map(|j| j.id).collect();
        for id in arrived {
            self.tap(id, Tap::AtPickup).await?;
        }
        if self.at_counter != Some(shop) {
            self.live(Instant::now() + self.bot.services.half_pickup, is_wanted).await?;
            self.at_counter = Some(shop);
        }
        // The kitchen may change its mind while we wait.
        while let Some(ready_at) = self.jobs.at_shop(shop).first().map(|j| j.ready_at).filter(|t| *t > Utc::now()) {
            let same = move |jobs: &Jobs| jobs.at_shop(shop).first().is_some_and(|j| j.ready_at == ready_at);
            self.live(instant_of(ready_at), same).await?;
        }
        let ready: Vec<_> = self.jobs.at_shop(shop).iter().filter(|j| j.ready_at <= Utc::now()).map(|j| j.id).collect();
        let mut is_loaded = false;
        for id in ready {
            is_loaded |= self.tap(id, Tap::PickedUp).await?;
        }
        if is_loaded {
            self.live(Instant::now() + self.bot.services.half_pickup, |_| true).await?;
        }
        Ok(())
    }

    async fn drop_off(&mut self, id: DeliveryId, place: Place) -> Result<(), Stopped> {
        let is_wanted =
            move |jobs: &Jobs| jobs.get(id).is_some_and(|j| matches!(j.stage, Stage::Carried | Stage::AtDropoff));
        if self.drive(place, is_wanted).await? == Woke::Moot {
            return Ok(());
        }
        let Some(job) = self.jobs.get(id).cloned() else { return Ok(()) };
        if job.stage == Stage::Carried {
            if !self.tap(id, Tap::AtDropoff).await? {
                return Ok(());
            }
            self.live(Instant::now() + self.bot.services.half_dropoff, is_wanted).await?;
        }
        let Some(told) = self.bot.directory.get(job.order) else {
            // The customer's own answer is still on its way, or was lost with a service and is asked for again.
            self.live(Instant::now() + AGAIN, is_wanted).await?;
            return Ok(());
        };
        if self.tap(id, Tap::Delivered(&told.pin)).await? {
            self.live(Instant::now() + self.bot.services.half_dropoff, |_| true).await?;
        }
        Ok(())
    }

    /// Drives there, unless what it is for goes away.
    async fn drive(&mut self, to: Place, is_wanted: impl Fn(&Jobs) -> bool) -> Result<Woke, Stopped> {
        let here = self.here();
        if here.distance_m(&to) < 1.0 {
            return Ok(if is_wanted(&self.jobs) { Woke::InTime } else { Woke::Moot });
        }
        self.at_counter = None;
        self.motion = Motion::drive(here, to, self.bot.speed_mps);
        let woke = self.live(self.motion.arrival(), is_wanted).await?;
        self.motion = Motion::still(self.here());
        self.tell().await?;
        Ok(woke)
    }

    /// Lets time pass until `until`, taking news, telling positions, minding the end of the shift.
    async fn live(&mut self, until: Instant, keep: impl Fn(&Jobs) -> bool) -> Result<Woke, Stopped> {
        let stop = self.bot.app.api().stop().clone();
        loop {
            if !keep(&self.jobs) {
                return Ok(Woke::Moot);
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return Err(Stopped),
                () = sleep_until(self.off), if !self.is_paused => self.pause().await?,
                () = sleep_until(until) => return Ok(Woke::InTime),
                event = self.events.recv() => match event {
                    Some(event) => self.hear(&event).await?,
                    None => return Err(Stopped),
                },
                _ = self.look.tick() => self.look().await?,
                _ = self.tell.tick() => {
                    let is_moving = Instant::now() < self.motion.arrival();
                    if is_moving || self.told.elapsed() >= TELL_IDLE_EVERY {
                        self.tell().await?;
                    }
                }
            }
        }
    }

    fn here(&self) -> Place {
        self.motion.place(Instant::now())
    }

    /// Takes no more offers; what is on board is still delivered.
    async fn pause(&mut self) -> Result<(), Stopped> {
        self.is_paused = true;
        self.mind(self.bot.app.pause().await, "pause").map(drop)
    }

    async fn tell(&mut self) -> Result<(), Stopped> {
        self.told = Instant::now();
        match self.bot.app.locate(Utc::now().timestamp_millis(), self.here()).await {
            Err(CallError::Stopped) => Err(Stopped),
            Err(CallError::Refused(problem)) => {
                self.bot.counters.trouble(format!("Rider {}'s position: {problem}", self.bot.me));
                Ok(())
            }
            // A position that was not heard is overtaken by the next.
            _ => Ok(()),
        }
    }

    /// An offer or a delivery, by its id's prefix.
    async fn hear(&mut self, event: &sse::Event) -> Result<(), Stopped> {
        if let Ok(view) = serde_json::from_str::<DeliveryView>(&event.data) {
            self.jobs.learn(&view);
            return Ok(());
        }
        match serde_json::from_str::<OfferSnapshot>(&event.data) {
            Ok(offer) if offer.state == OfferState::Sent => self.take(offer.id).await,
            Ok(_) => Ok(()),
            Err(e) => {
                self.bot
                    .counters
                    .trouble(format!("A rider's stream told neither offer nor delivery: {e}: {}", event.data));
                Ok(())
            }
        }
    }

    async fn take(&mut self, offer: OfferId) -> Result<(), Stopped> {
        if self.is_paused {
            return Ok(());
        }
        match self.bot.app.accept(offer).await {
            Ok(view) => self.jobs.learn(&view),
            Err(CallError::Stopped) => return Err(Stopped),
            // Too late, taken back, or no room: all of that may happen.
            Err(CallError::Refused(problem)) => tracing::debug!("Offer {offer}: {problem}"),
            Err(e) => self.bot.counters.trouble(format!("Offer {offer}: {e}")),
        }
        Ok(())
    }

    /// Reads everything again: what the stream did not tell, this does.
    async fn look(&mut self) -> Result<(), Stopped> {
        let deliveries = self.bot.app.deliveries().await;
        if let Some(open) = self.mind(deliveries, "deliveries")? {
            open.iter().for_each(|view| self.jobs.learn(view));
            let missing: Vec<_> =
                self.jobs.iter().map(|j| j.id).filter(|id| !open.iter().any(|v| v.delivery.id == *id)).collect();
            for id in missing {
                self.read(id).await?;
            }
        }
        if !self.is_paused {
            let offers = self.bot.app.offers().await;
            for offer in self.mind(offers, "offers")?.unwrap_or_default() {
                if offer.state == OfferState::Sent {
                    self.take(offer.id).await?;
                }
            }
        }
        Ok(())
    }

    async fn read(&mut self, id: DeliveryId) -> Result<(), Stopped> {
        let answer = self.bot.app.delivery(id).await;
        match self.mind(answer, "delivery")? {
            Some(Some(view)) => self.jobs.learn(&view),
            Some(None) => self.jobs.lose(id),
            None => {}
        }
        Ok(())
    }

    /// Tells what was done; false when it did not count and one has to look again.
    async fn tap(&mut self, id: DeliveryId, tap: Tap<'_>) -> Result<bool, Stopped> {
        match self.bot.app.tap(id, tap).await {
            Ok(view) => {
                self.jobs.learn(&view);
                return Ok(true);
            }
            Err(CallError::Stopped) => return Err(Stopped),
            Err(e) => {
                // Cancelled, given to somebody else, or an earlier tap that we took for lost: all of that may happen.
                let may_happen = matches!(e.status(), Some(404 | 409 | 412));
                let what = format!("Delivery {id}, {tap:?}: {e}");
                if may_happen { tracing::debug!("{what}") } else { self.bot.counters.trouble(what) }
            }
        }
        self.read(id).await?;
        self.live(Instant::now() + AGAIN, |_| true).await?;
        Ok(false)
    }

    fn mind<T>(&self, answer: Result<T, CallError>, what: &str) -> Result<Option<T>, Stopped> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(CallError::Stopped) => Err(Stopped),
            Err(e) => {
                self.bot.counters.trouble(format!("Rider {}, {what}: {e}", self.bot.me));
                Ok(None)
            }
        }
    }
}
