//! The city in memory: read once, and afterwards only what the event log says has changed (ADR 0024).

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt as _;
use pannier_contracts::{DeliveryId, RiderId, ZoneId};
use pannier_platform::event_log::{EventLog, LoggedEvent};
use pannier_platform::{Db, Refusal, Stop};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast};

use super::changes::{Affected, Changes};
use super::state::{CityState, Update};
use crate::commands::send_offers::Written;
use crate::domain::lifecycle::is_unassigned;
use crate::store;

/// Everything is read again after so long, and differences are counted: there should be none.
const FULL_READ_EVERY: Duration = Duration::from_secs(60);
/// The same while positions have to come from PostgreSQL, because Redis has none.
const POSITIONS_READ_EVERY: Duration = Duration::from_secs(10);

/// The city as this process knows it, for the dispatchers of its zones.
#[derive(Debug)]
pub struct CityCache {
    db: Db,
    memory: tokio::sync::Mutex<Option<Memory>>,
    changes: Mutex<Changes>,
    /// Wakes the dispatcher of each zone.
    wakes: Mutex<HashMap<ZoneId, Arc<Notify>>>,
    /// Rings when there may be a zone without a dispatcher here.
    zone_added: Notify,
    differences: AtomicU64,
}

#[derive(Debug)]
struct Memory {
    state: Arc<CityState>,
    read_at: Instant,
    /// The database's clock minus this process's.
    clock_offset: TimeDelta,
}

/// The city at one moment. It shares the rows with other views of the same moment.
#[derive(Debug, Clone)]
pub struct CityView {
    /// By the database's clock.
    pub now: DateTime<Utc>,
    state: Arc<CityState>,
}

impl Deref for CityView {
    type Target = CityState;
    fn deref(&self) -> &CityState {
        &self.state
    }
}

impl CityCache {
    /// An empty cache: the first [`CityCache::view`] reads everything.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self {
            db,
            memory: tokio::sync::Mutex::default(),
            changes: Mutex::default(),
            wakes: Mutex::default(),
            zone_added: Notify::new(),
            differences: AtomicU64::new(0),
        }
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wakes(&self) -> MutexGuard<'_, HashMap<ZoneId, Arc<Notify>>> {
        self.wakes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rings when something may have changed the plan of a zone. A zone that was asked for once is known from then on.
    #[must_use]
    pub fn wake(&self, zone: &ZoneId) -> Arc<Notify> {
        Arc::clone(self.wakes().entry(zone.clone()).or_default())
    }

    /// Resolves when there may be a zone that [`CityCache::wake`] was never asked for.
    pub async fn zone_added(&self) {
        self.zone_added.notified().await;
    }

    /// Differences between memory and tables that full reads have found since the start. Each is an event that was not
    /// understood.
    #[must_use]
    pub fn differences(&self) -> u64 {
        self.differences.load(Ordering::Relaxed)
    }

    /// Listens to the event log until `stop`.
    pub async fn listen(&self, log: EventLog, stop: Stop) {
        let mut events: broadcast::Receiver<Arc<LoggedEvent>> = log.listen();
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return,
                event = events.recv() => event,
            };
            let affected = match event {
                Ok(event) => self.changes().note(&event),
                Err(RecvError::Lagged(_)) => {
                    self.require_full_read();
                    Affected::All
                }
                Err(RecvError::Closed) => return,
            };
            self.wake_affected(&affected);
        }
    }

    fn wake_affected(&self, affected: &Affected) {
        let wakes = self.wakes();
        match affected {
            Affected::None => {}
            Affected::Zone(zone) => wakes.get(zone).map_or(&self.zone_added, |wake| wake).notify_one(),
            Affected::All | Affected::AllAndNew => wakes.values().for_each(|wake| wake.notify_one()),
        }
        if *affected == Affected::AllAndNew {
            self.zone_added.notify_one();
        }
    }

    /// The next view reads riders' positions from PostgreSQL, because Redis has none.
    pub fn require_positions(&self) {
        self.changes().positions = true;
    }

    /// The next view reads everything, because memory may be wrong.
    pub fn require_full_read(&self) {
        self.changes().all = true;
    }

    /// The city as it is now. Reads what has changed since the last view.
    ///
    /// # Errors
    /// [`Refusal::Away`] or [`Refusal::Bug`] from the database: then the next view reads everything.
    pub async fn view(&self) -> Result<CityView, Refusal> {
        let mut memory = self.memory.lock().await;
        let changes = self.changes().take();
        let is_old = |age: Duration| age >= FULL_READ_EVERY || (changes.positions && age >= POSITIONS_READ_EVERY);
        let read = match memory.take() {
            Some(known) if !changes.all && !is_old(known.read_at.elapsed()) => self.read_changes(known, changes).await,
            known => self.read_all(known, &changes).await,
        };
        let read = read.inspect_err(|_| self.require_full_read())?;
        let view = CityView { now: Utc::now() + read.clock_offset, state: Arc::clone(&read.state) };
        *memory = Some(read);
        Ok(view)
    }

    /// The number of rows that the tables have otherwise than memory at this moment. A row that has just been committed may
    /// be one of them: its event may not have been read yet.
    ///
    /// # Errors
    /// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
    pub async fn differences_now(&self) -> Result<u64, Refusal> {
        let view = self.view().await?;
        let tables = self.db.read(|conn| CityState::read(conn).boxed()).await?;
        Ok(view.differences(&tables))
    }

    async fn read_all(&self, known: Option<Memory>, changes: &Changes) -> Result<Memory, Refusal> {
        let state = self.db.read(|conn| CityState::read(conn).boxed()).await?;
        // Only comparable when no change was waiting to be read, and none has committed meanwhile.
        if let Some(known) = known.filter(|_| !changes.all && changes.has_no_rows()) {
            let found = known.state.differences(&state);
            if found > 0 && self.changes().has_no_rows() {
                self.differences.fetch_add(found, Ordering::Relaxed);
                tracing::warn!(found, "the city in memory differed from its tables");
            }
        }
        self.changes().known.clear();
        let clock_offset = state.read_at - Utc::now();
        Ok(Memory { state: Arc::new(state), read_at: Instant::now(), clock_offset })
    }

    async fn read_changes(&self, mut known: Memory, changes: Changes) -> Result<Memory, Refusal> {
        if changes.has_no_rows() && !changes.zones {
            return Ok(known);
        }
        let deliveries: Vec<DeliveryId> = changes.deliveries.into_iter().collect();
        let riders_read: Vec<RiderId> = changes.riders.into_iter().collect();
        let read = self.db.read(move |conn| {
            async move {
                let deliveries = match deliveries.is_empty() {
                    true => Vec::new(),
                    false => store::deliveries::by_ids(conn, &deliveries).await?,
                };
                let unassigned: Vec<DeliveryId> =
                    deliveries.iter().filter(|d| is_unassigned(d.state)).map(|d| d.id).collect();
                let offers = match unassigned.is_empty() {
                    true => Vec::new(),
                    false => store::offers::of_deliveries(conn, &unassigned).await?,
                };
                let riders = match riders_read.is_empty() {
                    true => Vec::new(),
                    false => store::riders::by_ids(conn, &riders_read).await?,
                };
                let zones = if changes.zones { Some(store::zones::all(conn).await?) } else { None };
                Ok(Update { deliveries, offers, riders_read, riders, zones })
            }
            .boxed()
        });
        Arc::make_mut(&mut known.state).update(read.await?);
        Ok(known)
    }

    /// Takes over what this process has just written, so that the next view has it even before its events are read.
    pub async fn take_over(&self, written: Written) {
        {
            let known = &mut self.changes().known;
            known.extend(written.deliveries.iter().map(|d| (d.id.0, d.version)));
            known.extend(written.offers.iter().map(|o| (o.id.0, o.version)));
        }
        if let Some(memory) = self.memory.lock().await.as_mut() {
            Arc::make_mut(&mut memory.state).take_over(written.deliveries, written.offers, written.rounds);
        }
    }
}
