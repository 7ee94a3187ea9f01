//! Where orders are to be expected, and how kitchens keep their word: what customers ordered lately.

use std::collections::HashMap;
use std::sync::OnceLock;

use chrono::{DateTime, Utc};
use pannier_contracts::ZoneId;
use pannier_engine::{Demand, Forecast, Plane, ShopForecast};

use super::kitchens::{Word, ready_at};
use crate::store::deliveries::Opened;

/// An order counts half as much after so long, minutes of the city: for the rates of shops, which differ all day …
const SHOP_HALF_LIFE_MIN: i64 = 60;
/// … and for the rate of the zone, which tells how busy riders are now.
const ZONE_HALF_LIFE_MIN: i64 = 20;
/// So many equally likely durations tell how long kitchens take.
const DURATIONS: usize = 9;

/// The newest deliveries, by zone; the newest first.
#[derive(Debug, Clone, Default)]
pub struct Lately {
    zones: HashMap<ZoneId, Zone>,
}

#[derive(Debug, Clone, Default)]
struct Zone {
    opened: Vec<Opened>,
    /// Made when first asked for: not every zone has something to decide.
    word: OnceLock<Word>,
}

impl Lately {
    /// Sorts them by zone.
    #[must_use]
    pub fn new(opened: Vec<Opened>) -> Self {
        let mut zones: HashMap<ZoneId, Zone> = HashMap::new();
        for one in opened {
            zones.entry(one.zone_id.clone()).or_default().opened.push(one);
        }
        Self { zones }
    }

    /// How the kitchens of a zone keep their word, whose minute takes `minute_ms`; `None` where nobody ordered.
    #[must_use]
    pub fn word(&self, zone: &ZoneId, minute_ms: i64) -> Option<&Word> {
        let zone = self.zones.get(zone)?;
        Some(zone.word.get_or_init(|| Word::of(&zone.opened, minute_ms)))
    }

    /// What is to be expected in a zone whose minute takes `minute_ms`.
    #[must_use]
    pub fn outlook(
        &self,
        zone: &ZoneId,
        plane: &Plane,
        now: DateTime<Utc>,
        minute_ms: i64,
        riders_on_shift: usize,
    ) -> Forecast {
        let opened = self.zones.get(zone).map_or(&[][..], |zone| zone.opened.as_slice());
        let (now_ms, minute_ms) = (now.timestamp_millis(), minute_ms.max(1));
        // Made anew each time: the places of shops lie on this moment's plane.
        let mut demand = Demand::new(SHOP_HALF_LIFE_MIN * minute_ms, ZONE_HALF_LIFE_MIN * minute_ms);
        for one in opened.iter().rev() {
            demand.record_order(one.merchant_id, plane.point(&one.pickup), one.opened_at.timestamp_millis());
        }
        // It counts by the minutes of clocks.
        let of_city = |rate: f64| rate * minute_ms as f64 / 60_000.0;
        let shops = demand
            .shops(now_ms)
            .into_iter()
            .map(|shop| ShopForecast { orders_per_minute: of_city(shop.orders_per_minute), ..shop });
        Forecast {
            shops: shops.collect(),
            orders_per_minute: of_city(demand.orders_per_minute(now_ms)),
            prep_times_ms: durations(opened, minute_ms),
            riders_on_shift: u32::try_from(riders_on_shift).unwrap_or(u32::MAX),
        }
    }
}

/// How long kitchens took, from the order on: as they say where nobody saw it.
fn durations(opened: &[Opened], minute_ms: i64) -> Vec<i64> {
    let took = |o: &Opened| (ready_at(o, minute_ms).unwrap_or(o.ready_at) - o.opened_at).num_milliseconds().max(0);
    let mut took: Vec<i64> = opened.iter().map(took).collect();
    took.sort_unstable();
    let wanted = took.len().min(DURATIONS);
    (0..wanted).filter_map(|n| took.get((2 * n + 1) * took.len() / (2 * wanted)).copied()).collect()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use pannier_contracts::delivery::DeliveryState;
    use pannier_contracts::{MerchantId, Place};

    use super::*;

    fn zone() -> ZoneId {
        "test".parse().unwrap()
    }

    fn opened(now: DateTime<Utc>, shop: u128, ago_s: i64) -> Opened {
        let at = now - TimeDelta::seconds(ago_s);
        Opened {
            zone_id: zone(),
            merchant_id: MerchantId(uuid::Uuid::from_u128(shop)),
            pickup: Place::new(50.0, 10.0).unwrap(),
            opened_at: at,
            ready_at: at + TimeDelta::minutes(i64::try_from(shop).unwrap()),
            stated_ready_at: None,
            ready_seen_at: None,
            at_pickup_at: None,
            picked_up_at: None,
            state: DeliveryState::Scheduled,
            state_since: at,
        }
    }

    #[test]
    fn a_steady_stream_has_its_rate_and_a_fast_citys_minutes_are_short() {
        let now = Utc::now();
        let plane = Plane::around(&Place::new(50.0, 10.0).unwrap());
        for (minute_ms, gap_s) in [(60_000, 30), (2_000, 1)] {
            // Two a minute, two of three from shop 2.
            let all = (0..900).map(|n| opened(now, if n % 3 == 0 { 1 } else { 2 }, gap_s * n)).collect();
            let outlook = Lately::new(all).outlook(&zone(), &plane, now, minute_ms, 7);
            assert!((outlook.orders_per_minute - 2.0).abs() < 0.1, "{outlook:?}");
            let rates: Vec<_> = outlook.shops.iter().map(|s| (s.orders_per_minute * 10.0).round()).collect();
            assert_eq!(rates, [7.0, 13.0]);
            assert_eq!((outlook.prep_times_ms.len(), outlook.riders_on_shift), (9, 7));
            assert_eq!((outlook.prep_times_ms[0], outlook.prep_times_ms[8]), (60_000, 120_000));
        }
        let nothing = Lately::default().outlook(&zone(), &plane, now, 60_000, 0);
        assert_eq!(nothing, Forecast::default());
    }
}
