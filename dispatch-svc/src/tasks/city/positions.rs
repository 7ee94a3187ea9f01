//! Where riders are. Redis has exact positions; where it has none, PostgreSQL has coarse ones. An empty answer of Redis never
//! means that there are no riders.

use std::collections::{HashMap, HashSet};

use futures::StreamExt as _;
use pannier_contracts::rider::RiderStatus;
use pannier_contracts::{Place, RiderId};

use super::state::CityState;
use crate::fleet::Fleet;

/// Riders with free capacity that are looked for per shop: enough for a choice. Nearer riders at capacity are found with
/// them, and may be planned for later.
const RIDERS_PER_SHOP: usize = 20;
/// Shops that Redis is asked about at the same time.
const CONCURRENT_SEARCHES: usize = 8;

/// Where a rider is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Position {
    pub place: Place,
    /// When they were seen there, milliseconds since 1970.
    pub seen_ms: i64,
}

/// Where riders are.
#[derive(Debug, Default)]
pub(super) struct Positions {
    pub of: HashMap<RiderId, Position>,
    /// Did Redis answer every search?
    pub are_exact: bool,
}

impl CityState {
    /// The positions of riders within `radius_m` of these shops, and those of `others`, wherever they are.
    pub(super) async fn positions(
        &self,
        fleet: &Fleet,
        shops: impl Iterator<Item = Place>,
        radius_m: f64,
        others: impl Iterator<Item = RiderId>,
    ) -> Positions {
        let mut seen: HashSet<(u64, u64)> = HashSet::new();
        let shops: Vec<Place> =
            shops.filter(|shop| seen.insert((shop.lat().to_bits(), shop.lng().to_bits()))).collect();
        let search = |shop: Place| async move {
            let found = fleet.near(&shop, radius_m, RIDERS_PER_SHOP, |id| self.has_room(id)).await;
            (shop, found)
        };
        let mut positions = Positions { are_exact: true, ..Positions::default() };
        let mut answers = futures::stream::iter(shops.into_iter().map(search)).buffered(CONCURRENT_SEARCHES);
        while let Some((shop, found)) = answers.next().await {
            positions.are_exact &= found.is_ok();
            let found = found.unwrap_or_default();
            let with_room = found.iter().filter(|f| self.has_room(f.rider)).count();
            for f in found {
                positions.keep_newer(f.rider, Position { place: f.place, seen_ms: f.seen_ms });
            }
            if with_room < RIDERS_PER_SHOP {
                for (id, position) in self.coarse_positions(&shop, radius_m) {
                    positions.keep_newer(id, position);
                }
            }
        }
        for id in others {
            if !positions.of.contains_key(&id)
                && let Some(position) = self.coarse_position(id)
            {
                positions.of.insert(id, position);
            }
        }
        positions
    }

    /// Could this rider be sent an offer now?
    fn has_room(&self, id: RiderId) -> bool {
        self.riders.get(&id).is_some_and(|r| {
            r.status == RiderStatus::Available && !r.stale && self.load(r) < u32::try_from(r.capacity).unwrap_or(0)
        })
    }

    fn coarse_position(&self, id: RiderId) -> Option<Position> {
        let rider = self.riders.get(&id)?;
        Some(Position { place: rider.last_place?, seen_ms: rider.last_seen_at?.timestamp_millis() })
    }

    fn coarse_positions<'a>(
        &'a self,
        shop: &'a Place,
        radius_m: f64,
    ) -> impl Iterator<Item = (RiderId, Position)> + 'a {
        self.riders.keys().filter_map(move |id| {
            let position = self.coarse_position(*id)?;
            (position.place.distance_m(shop) <= radius_m).then_some((*id, position))
        })
    }
}

impl Positions {
    fn keep_newer(&mut self, rider: RiderId, position: Position) {
        let known = self.of.entry(rider).or_insert(position);
        if known.seen_ms < position.seen_ms {
            *known = position;
        }
    }
}
