//! What the event log says has changed since the city was read last.

use std::collections::{BTreeSet, HashMap};

use pannier_contracts::{DeliveryId, RiderId, Version, ZoneId};
use pannier_platform::event_log::LoggedEvent;
use serde::Deserialize;
use uuid::Uuid;

/// More rows than this are cheaper to read with everything else.
const MOST_ROWS: usize = 1_000;

/// What is to be read again.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Everything.
    pub all: bool,
    /// All zones.
    pub zones: bool,
    /// Riders' positions in PostgreSQL, because Redis has none.
    pub positions: bool,
    pub deliveries: BTreeSet<DeliveryId>,
    pub riders: BTreeSet<RiderId>,
    /// Versions of deliveries and offers that this process wrote and has taken over: their events change nothing.
    pub known: HashMap<Uuid, Version>,
}

/// The zones whose plans an event may change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Affected {
    None,
    Zone(ZoneId),
    All,
    /// All, and one of them may be new.
    AllAndNew,
}

/// The parts of an event's snapshot that name other rows.
#[derive(Debug, Deserialize)]
struct References {
    zone_id: Option<ZoneId>,
    delivery_id: Option<DeliveryId>,
    rider_id: Option<RiderId>,
}

impl Changes {
    /// Is no delivery and no rider to be read?
    pub fn has_no_rows(&self) -> bool {
        self.deliveries.is_empty() && self.riders.is_empty()
    }

    /// Takes everything that is to be read, and leaves what this process wrote itself.
    pub fn take(&mut self) -> Self {
        let known = std::mem::take(&mut self.known);
        std::mem::replace(self, Self { known, ..Self::default() })
    }

    /// Notes what an event changes.
    pub fn note(&mut self, event: &LoggedEvent) -> Affected {
        let Ok(references) = event.snapshot::<References>() else {
            self.all = true;
            return Affected::All;
        };
        if let Some(known) = self.known.get(&event.aggregate_id).filter(|known| known.0 >= event.version) {
            if known.0 == event.version {
                self.known.remove(&event.aggregate_id);
            }
            return Affected::None;
        }
        let id = event.aggregate_id;
        let affected = match event.aggregate.as_str() {
            "delivery" => {
                self.deliveries.insert(DeliveryId(id));
                self.riders.extend(references.rider_id);
                references.zone_id.map_or(Affected::None, Affected::Zone)
            }
            // A rider's load may change the plan of any zone.
            "offer" => {
                self.deliveries.extend(references.delivery_id);
                self.riders.extend(references.rider_id);
                Affected::All
            }
            "rider" => {
                self.riders.insert(RiderId(id));
                Affected::All
            }
            "zone" => {
                self.zones = true;
                Affected::AllAndNew
            }
            _ => return Affected::None,
        };
        self.all |= self.deliveries.len() + self.riders.len() > MOST_ROWS;
        if self.all {
            self.deliveries.clear();
            self.riders.clear();
        }
        affected
    }
}
