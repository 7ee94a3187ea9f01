//! Where riders are. Redis says it exactly; where it says nothing, PostgreSQL says it coarsely: an empty answer never
//! means that nobody is there.

use std::collections::{HashMap, HashSet};

use futures::StreamExt as _;
use pannier_contracts::rider::RiderStatus;
use pannier_contracts::{Place, RiderId};

use super::Gathered;
use crate::fleet::Fleet;

/// As many riders who could be asked now are looked for per shop: enough for a choice. Those who are near and full are
/// seen with them, and may be planned for later.
const WANTED: usize = 20;
/// Shops that Redis is asked about at once.
const AT_ONCE: usize = 8;

/// Where a rider is, and since when we know, milliseconds since 1970.
pub(super) type Fixes = HashMap<RiderId, (Place, i64)>;

impl Gathered {
    /// Where the riders around these shops are, and, near or not, these riders; and whether Redis said so.
    pub(super) async fn fixes(
        &self,
        fleet: &Fleet,
        pickups: impl Iterator<Item = Place>,
        radius_m: f64,
        also: impl Iterator<Item = RiderId>,
    ) -> (Fixes, bool) {
        let mut looked: HashSet<(u64, u64)> = HashSet::new();
        let shops: Vec<Place> =
            pickups.filter(|pickup| looked.insert((pickup.lat().to_bits(), pickup.lng().to_bits()))).collect();
        let look = |pickup: Place| async move {
            let found = fleet.near(&pickup, radius_m, WANTED, |id| self.could_be_asked(id)).await;
            (pickup, found)
        };
        let (mut fixes, mut is_exact) = (Fixes::new(), true);
        let mut answers = futures::stream::iter(shops.into_iter().map(look)).buffered(AT_ONCE);
        while let Some((pickup, found)) = answers.next().await {
            is_exact &= found.is_ok();
            let found = found.unwrap_or_default();
            let known = found.iter().filter(|f| self.could_be_asked(f.rider)).count();
            for f in found {
                newest(&mut fixes, f.rider, (f.place, f.seen_ms));
            }
            if known < WANTED {
                for (id, fix) in self.coarse(&pickup, radius_m) {
                    newest(&mut fixes, id, fix);
                }
            }
        }
        for id in also {
            if !fixes.contains_key(&id)
                && let Some(fix) = self.last_known(id)
            {
                fixes.insert(id, fix);
            }
        }
        (fixes, is_exact)
    }

    fn could_be_asked(&self, id: RiderId) -> bool {
        self.riders.get(&id).is_some_and(|r| {
            r.status == RiderStatus::Available && !r.stale && self.load(r) < u32::try_from(r.capacity).unwrap_or(0)
        })
    }

    fn last_known(&self, id: RiderId) -> Option<(Place, i64)> {
        let rider = self.riders.get(&id)?;
        Some((rider.last_place?, rider.last_seen_at?.timestamp_millis()))
    }

    fn coarse<'a>(&'a self, pickup: &'a Place, radius_m: f64) -> impl Iterator<Item = (RiderId, (Place, i64))> + 'a {
        self.riders.keys().filter_map(move |id| {
            let (place, seen_ms) = self.last_known(*id)?;
            (place.distance_m(pickup) <= radius_m).then_some((*id, (place, seen_ms)))
        })
    }
}

fn newest(fixes: &mut Fixes, rider: RiderId, fix: (Place, i64)) {
    let known = fixes.entry(rider).or_insert(fix);
    if known.1 < fix.1 {
        *known = fix;
    }
}
