//! Where orders are to be expected: what customers ordered lately, the newest counting most.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use pannier_contracts::{MerchantId, Place, ZoneId};
use pannier_engine::{Outlook, Plane, ShopOutlook};

use crate::store::deliveries::Opened;

/// An order counts half as much after so long, minutes of the city: for the rates of shops, which differ all day …
const SHOP_HALF_LIFE_MIN: f64 = 60.0;
/// … and for the rate of the zone, which tells how busy riders are now.
const ZONE_HALF_LIFE_MIN: f64 = 20.0;
/// What was seen for less than so long says little, minutes: the rates of the first orders are not taken for a rush.
const LEAST_MIN: f64 = 15.0;
/// So many equally likely durations tell how long kitchens take.
const DURATIONS: usize = 9;

/// The newest deliveries, by zone.
#[derive(Debug, Clone, Default)]
pub struct Lately {
    zones: HashMap<ZoneId, Vec<Opened>>,
}

impl Lately {
    /// Sorts them by zone.
    #[must_use]
    pub fn new(opened: Vec<Opened>) -> Self {
        let mut zones: HashMap<ZoneId, Vec<Opened>> = HashMap::new();
        for one in opened {
            zones.entry(one.zone_id.0.clone()).or_default().push(one);
        }
        Self { zones }
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
    ) -> Outlook {
        let opened = self.zones.get(zone).map_or(&[][..], Vec::as_slice);
        let minutes = |ms: i64| ms.max(0) as f64 / minute_ms.max(1) as f64;
        let age_min = |o: &Opened| minutes((now - o.opened_at).num_milliseconds());
        let seen_min = opened.iter().map(age_min).fold(LEAST_MIN, f64::max);
        let mut shops: BTreeMap<MerchantId, (Place, f64)> = BTreeMap::new();
        let mut here = 0.0;
        for one in opened {
            let age_min = age_min(one);
            here += per_minute(age_min, seen_min, ZONE_HALF_LIFE_MIN);
            shops.entry(one.merchant_id).or_insert((one.pickup.0, 0.0)).1 +=
                per_minute(age_min, seen_min, SHOP_HALF_LIFE_MIN);
        }
        Outlook {
            shops: shops
                .into_iter()
                .map(|(shop, (place, rate))| ShopOutlook { shop, place: plane.point(&place), orders_per_minute: rate })
                .collect(),
            orders_per_minute: here,
            takes_ms: durations(opened),
            riders_on_shift: u32::try_from(riders_on_shift).unwrap_or(u32::MAX),
        }
    }
}

/// What one order of this age adds to a rate, if the rate was watched for `seen_min`. All ages together make 1 per order
/// and minute.
fn per_minute(age_min: f64, seen_min: f64, half_life_min: f64) -> f64 {
    let left = |min: f64| (-min / half_life_min).exp2();
    let all_min = half_life_min / std::f64::consts::LN_2 * (1.0 - left(seen_min));
    left(age_min) / all_min
}

/// How long kitchens took, from the order on.
fn durations(opened: &[Opened]) -> Vec<i64> {
    let mut took: Vec<i64> = opened.iter().map(|o| (o.ready_at - o.opened_at).num_milliseconds().max(0)).collect();
    took.sort_unstable();
    let wanted = took.len().min(DURATIONS);
    (0..wanted).filter_map(|n| took.get((2 * n + 1) * took.len() / (2 * wanted)).copied()).collect()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::store::json::Json;
    use crate::store::zones::ZoneName;

    fn zone() -> ZoneId {
        "test".parse().unwrap()
    }

    fn opened(now: DateTime<Utc>, shop: u128, ago_s: i64) -> Opened {
        let at = now - TimeDelta::seconds(ago_s);
        Opened {
            zone_id: ZoneName(zone()),
            merchant_id: MerchantId(uuid::Uuid::from_u128(shop)),
            pickup: Json(Place::new(50.0, 10.0).unwrap()),
            opened_at: at,
            ready_at: at + TimeDelta::minutes(i64::try_from(shop).unwrap()),
        }
    }

    #[test]
    fn a_steady_stream_has_its_rate_however_long_it_was_watched() {
        let now = Utc::now();
        let plane = Plane::around(&Place::new(50.0, 10.0).unwrap());
        for orders in [60, 600] {
            // One every half a minute, two of three from shop 2.
            let all = (0..orders).map(|n| opened(now, if n % 3 == 0 { 1 } else { 2 }, 30 * n + 15)).collect();
            let outlook = Lately::new(all).outlook(&zone(), &plane, now, 60_000, 7);
            assert!((outlook.orders_per_minute - 2.0).abs() < 0.05, "{outlook:?}");
            let rates: Vec<_> = outlook.shops.iter().map(|s| (s.orders_per_minute * 10.0).round()).collect();
            assert_eq!(rates, [7.0, 13.0], "{orders}");
            assert_eq!((outlook.takes_ms.len(), outlook.riders_on_shift), (9, 7));
            assert_eq!((outlook.takes_ms[0], outlook.takes_ms[8]), (60_000, 120_000));
        }
    }

    #[test]
    fn a_fast_citys_minutes_are_short_and_nothing_is_expected_of_nothing() {
        let now = Utc::now();
        let plane = Plane::around(&Place::new(50.0, 10.0).unwrap());
        let all: Vec<_> = (0..600).map(|n| opened(now, 1, n)).collect();
        let outlook = Lately::new(all).outlook(&zone(), &plane, now, 1_000, 1);
        assert!((outlook.orders_per_minute - 1.0).abs() < 0.1, "{outlook:?}");
        let nothing = Lately::default().outlook(&zone(), &plane, now, 60_000, 0);
        assert_eq!(nothing, Outlook::default());
        let one = Lately::new(vec![opened(now, 1, 0)]).outlook(&zone(), &plane, now, 60_000, 1);
        assert!(one.orders_per_minute < 0.1, "{one:?}");
    }
}
