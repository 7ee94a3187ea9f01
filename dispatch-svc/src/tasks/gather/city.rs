//! The city in memory: read once, then only what changed. The event log says what that is.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use futures::FutureExt as _;
use pannier_contracts::{DeliveryId, RiderId, Version, ZoneId};
use pannier_platform::event_log::{EventLog, LoggedEvent};
use pannier_platform::{Db, Refusal, Stop};
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast};
use uuid::Uuid;

use super::{Gathered, Seen, zones};
use crate::commands::send_offers::Sent;
use crate::store;

/// All of it is read again after so long, and differences are counted: there should be none.
const READ_AGAIN: Duration = Duration::from_secs(60);
/// Without Redis, riders are where PostgreSQL says: read again after so long.
const READ_PLACES: Duration = Duration::from_secs(10);
/// More changes than this are cheaper read as a whole.
const MOST_CHANGES: usize = 1_000;

/// The city as this process knows it, for the dispatchers of its zones.
#[derive(Debug)]
pub struct City {
    db: Db,
    memory: tokio::sync::Mutex<Option<Memory>>,
    changed: Mutex<Changed>,
    /// Who is to look, by zone.
    wakes: Mutex<HashMap<ZoneId, Arc<Notify>>>,
    /// A zone or delivery was heard of.
    news: Notify,
    differences: AtomicU64,
}

#[derive(Debug)]
struct Memory {
    gathered: Arc<Gathered>,
    read_at: Instant,
    /// The database's clock minus ours.
    ahead: TimeDelta,
}

/// What is to be read again.
#[derive(Debug, Default)]
struct Changed {
    all: bool,
    zones: bool,
    /// Riders' coarse places are needed.
    places: bool,
    deliveries: BTreeSet<DeliveryId>,
    riders: BTreeSet<RiderId>,
    /// What this process wrote itself and has taken over: the event of it says nothing new.
    known: HashMap<Uuid, Version>,
}

/// What an event's snapshot names.
#[derive(Debug, Deserialize)]
struct Named {
    zone_id: Option<ZoneId>,
    delivery_id: Option<DeliveryId>,
    rider_id: Option<RiderId>,
}

impl City {
    /// A city that nothing is known of.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self {
            db,
            memory: tokio::sync::Mutex::default(),
            changed: Mutex::default(),
            wakes: Mutex::default(),
            news: Notify::new(),
            differences: AtomicU64::new(0),
        }
    }

    fn changed(&self) -> MutexGuard<'_, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rings when something happened that may concern a zone.
    #[must_use]
    pub fn wake(&self, zone: &ZoneId) -> Arc<Notify> {
        let mut wakes = self.wakes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(wakes.entry(zone.clone()).or_default())
    }

    /// Resolves when there may be a zone that nobody here knew.
    pub async fn new_zone(&self) {
        self.news.notified().await;
    }

    /// Differences that full readings have found since the start: an event that was not understood.
    #[must_use]
    pub fn differences(&self) -> u64 {
        self.differences.load(Ordering::Relaxed)
    }

    fn wake_all(&self) {
        let wakes = self.wakes.lock().unwrap_or_else(PoisonError::into_inner);
        wakes.values().for_each(|wake| wake.notify_one());
    }

    /// Listens to the event log until `stop`.
    pub async fn listen(&self, log: EventLog, stop: Stop) {
        let mut heard: broadcast::Receiver<Arc<LoggedEvent>> = log.listen();
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return,
                event = heard.recv() => event,
            };
            match event {
                Ok(event) => self.note(&event),
                Err(RecvError::Lagged(_)) => {
                    self.changed().all = true;
                    self.wake_all();
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Notes what an event makes worth reading again, and wakes whom it concerns.
    fn note(&self, event: &LoggedEvent) {
        let Ok(named) = event.snapshot::<Named>() else {
            self.changed().all = true;
            return self.wake_all();
        };
        {
            let mut changed = self.changed();
            if changed.known.get(&event.aggregate_id).is_some_and(|version| version.0 >= event.version) {
                if changed.known.get(&event.aggregate_id) == Some(&Version(event.version)) {
                    changed.known.remove(&event.aggregate_id);
                }
                return;
            }
            match event.aggregate.as_str() {
                // All of it is read anyway.
                "delivery" | "offer" | "rider" if changed.all => {}
                "delivery" => {
                    changed.deliveries.insert(DeliveryId(event.aggregate_id));
                    changed.riders.extend(named.rider_id);
                }
                "offer" => {
                    changed.deliveries.extend(named.delivery_id);
                    changed.riders.extend(named.rider_id);
                }
                "rider" => drop(changed.riders.insert(RiderId(event.aggregate_id))),
                "zone" => changed.zones = true,
                _ => return,
            }
            if changed.deliveries.len() + changed.riders.len() > MOST_CHANGES {
                changed.all = true;
                changed.deliveries.clear();
                changed.riders.clear();
            }
        }
        match (event.aggregate.as_str(), named.zone_id) {
            ("delivery", Some(zone)) => {
                let wakes = self.wakes.lock().unwrap_or_else(PoisonError::into_inner);
                match wakes.get(&zone) {
                    Some(wake) => wake.notify_one(),
                    None => self.news.notify_one(),
                }
            }
            ("zone", _) => {
                self.news.notify_one();
                self.wake_all();
            }
            // Whoever is free now, or not any more, may change any zone's plan.
            ("offer" | "rider", _) => self.wake_all(),
            _ => {}
        }
    }

    /// Riders' places are needed from PostgreSQL, because Redis does not say them.
    pub fn needs_places(&self) {
        self.changed().places = true;
    }

    /// Something did not go as the memory said: all of it is read again.
    pub fn doubt(&self) {
        self.changed().all = true;
    }

    /// The city as it is now: what changed since the last look is read, and nothing else.
    ///
    /// # Errors
    /// What the database refuses: then all is read next time.
    pub async fn look(&self) -> Result<Seen, Refusal> {
        let mut memory = self.memory.lock().await;
        let changed = {
            let mut changed = self.changed();
            let known = std::mem::take(&mut changed.known);
            std::mem::replace(&mut *changed, Changed { known, ..Changed::default() })
        };
        let is_old =
            |m: &Memory| m.read_at.elapsed() >= READ_AGAIN || (changed.places && m.read_at.elapsed() >= READ_PLACES);
        let is_whole = changed.all || memory.as_ref().is_none_or(is_old);
        let done = if is_whole {
            self.read_all(&mut memory, &changed).await
        } else {
            self.read_changed(&mut memory, changed).await
        };
        if let Err(refusal) = done {
            self.changed().all = true;
            return Err(refusal);
        }
        let memory = memory.as_ref().expect("it was read");
        Ok(Seen { now: Utc::now() + memory.ahead, city: Arc::clone(&memory.gathered) })
    }

    /// How many rows the tables have otherwise at this moment; what has just been committed may not have been heard of yet.
    ///
    /// # Errors
    /// What the database refuses.
    pub async fn differences_now(&self) -> Result<u64, Refusal> {
        let seen = self.look().await?;
        let tables = self.db.read(|conn| Gathered::read_all(conn).boxed()).await?;
        Ok(seen.city.differences(&tables))
    }

    async fn read_all(&self, memory: &mut Option<Memory>, changed: &Changed) -> Result<(), Refusal> {
        let gathered = self.db.read(|conn| Gathered::read_all(conn).boxed()).await?;
        let is_settled = !changed.all && changed.deliveries.is_empty() && changed.riders.is_empty();
        if let Some(before) = memory.as_ref().filter(|_| is_settled) {
            let found = before.gathered.differences(&gathered);
            // What committed while we read is only ahead of its event.
            let is_quiet = |changed: &Changed| changed.deliveries.is_empty() && changed.riders.is_empty();
            if found > 0 && is_quiet(&self.changed()) {
                self.differences.fetch_add(found, Ordering::Relaxed);
                tracing::warn!(found, "the city in memory differed from its tables");
            }
        }
        self.changed().known.clear();
        let ahead = gathered.read_at - Utc::now();
        *memory = Some(Memory { gathered: Arc::new(gathered), read_at: Instant::now(), ahead });
        Ok(())
    }

    async fn read_changed(&self, memory: &mut Option<Memory>, changed: Changed) -> Result<(), Refusal> {
        let Some(memory) = memory else { return Ok(()) };
        if changed.deliveries.is_empty() && changed.riders.is_empty() && !changed.zones {
            return Ok(());
        }
        let deliveries: Vec<DeliveryId> = changed.deliveries.into_iter().collect();
        let riders: Vec<RiderId> = changed.riders.into_iter().collect();
        let asked = riders.clone();
        let (deliveries, offers, riders_now, zones_now) = self
            .db
            .read(move |conn| {
                async move {
                    let rows = match deliveries.is_empty() {
                        true => Vec::new(),
                        false => store::deliveries::these(conn, &deliveries).await?,
                    };
                    let unassigned = |d: &&store::Delivery| crate::domain::lifecycle::is_unassigned(d.state);
                    let wanting: Vec<DeliveryId> = rows.iter().filter(unassigned).map(|d| d.id).collect();
                    let offers = match wanting.is_empty() {
                        true => Vec::new(),
                        false => store::offers::of_deliveries(conn, &wanting).await?,
                    };
                    let riders = match riders.is_empty() {
                        true => Vec::new(),
                        false => store::riders::these(conn, &riders).await?,
                    };
                    let zones = if changed.zones { Some(zones(conn).await?) } else { None };
                    Ok((rows, offers, riders, zones))
                }
                .boxed()
            })
            .await?;
        let gathered = Arc::make_mut(&mut memory.gathered);
        gathered.update(deliveries, offers, (&asked, riders_now));
        if let Some(zones) = zones_now {
            gathered.zones = zones;
        }
        Ok(())
    }

    /// Takes over what this process has just written, so that the next look has it, whatever the log says by then.
    pub async fn wrote(&self, sent: Sent) {
        {
            let mut changed = self.changed();
            changed.known.extend(sent.deliveries.iter().map(|d| (d.id.0, d.version)));
            changed.known.extend(sent.offers.iter().map(|o| (o.id.0, o.version)));
        }
        let mut memory = self.memory.lock().await;
        let Some(memory) = memory.as_mut() else { return };
        let gathered = Arc::make_mut(&mut memory.gathered);
        for delivery in sent.deliveries {
            // Somebody may have read something newer already.
            if gathered.deliveries.get(&delivery.id).is_some_and(|known| known.version < delivery.version) {
                gathered.deliveries.insert(delivery.id, delivery);
            }
        }
        for offer in sent.offers {
            if gathered.deliveries.contains_key(&offer.delivery_id) {
                let offers = gathered.offers.entry(offer.delivery_id).or_default();
                if offers.iter().all(|known| known.id != offer.id) {
                    offers.push(offer);
                }
            }
        }
        gathered.count_open();
        for round in sent.rounds {
            gathered.newest.insert(round.delivery_id, round);
        }
    }
}
