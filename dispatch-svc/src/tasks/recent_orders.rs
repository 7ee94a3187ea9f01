//! The newest orders: how many are to be expected where, and how kitchens keep their ready times.

use std::collections::HashMap;
use std::sync::OnceLock;

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use pannier_contracts::ZoneId;
use pannier_engine::{Demand, Forecast, Plane, ShopForecast};
use pannier_platform::{Db, Refusal};

use super::kitchen_model::{KitchenModel, ready_at};
use crate::store::deliveries::{OrderHistory, recent};

/// The number of orders that are read.
const NEWEST: i64 = 3_000;
/// The half-life of an order in the rate of its shop, minutes of the city: long, because few orders make a rate.
const SHOP_HALF_LIFE_MIN: i64 = 60;
/// The half-life of an order in the rate of its zone, minutes of the city: short, because the rate tells how busy riders
/// are now.
const ZONE_HALF_LIFE_MIN: i64 = 20;
/// The number of equally likely durations that describe how long kitchens take.
const DURATIONS: usize = 9;

/// The newest orders, by zone.
#[derive(Debug, Clone, Default)]
pub struct RecentOrders {
    zones: HashMap<ZoneId, Zone>,
}

#[derive(Debug, Clone, Default)]
struct Zone {
    /// The newest first.
    orders: Vec<OrderHistory>,
    /// Made when it is asked for: not every zone has something to decide.
    kitchens: OnceLock<KitchenModel>,
}

impl RecentOrders {
    /// Reads them.
    ///
    /// # Errors
    /// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
    pub async fn read(db: &Db) -> Result<Self, Refusal> {
        Ok(Self::new(db.read(|conn| recent(conn, NEWEST).boxed()).await?))
    }

    /// Groups orders, the newest first, by zone.
    #[must_use]
    pub fn new(orders: Vec<OrderHistory>) -> Self {
        let mut zones: HashMap<ZoneId, Zone> = HashMap::new();
        for order in orders {
            zones.entry(order.zone_id.clone()).or_default().orders.push(order);
        }
        Self { zones }
    }

    /// The model of the kitchens of a zone, whose minute takes `minute_ms`; none without orders.
    #[must_use]
    pub fn kitchens(&self, zone: &ZoneId, minute_ms: i64) -> Option<&KitchenModel> {
        let zone = self.zones.get(zone)?;
        Some(zone.kitchens.get_or_init(|| KitchenModel::new(&zone.orders, minute_ms)))
    }

    /// The orders to be expected in a zone, whose minute takes `minute_ms`.
    #[must_use]
    pub fn forecast(
        &self,
        zone: &ZoneId,
        plane: &Plane,
        now: DateTime<Utc>,
        minute_ms: i64,
        riders_on_shift: usize,
    ) -> Forecast {
        let orders = self.zones.get(zone).map_or(&[][..], |zone| zone.orders.as_slice());
        let (now_ms, minute_ms) = (now.timestamp_millis(), minute_ms.max(1));
        // Made for each plan, because the places of shops are on the plan's plane.
        let mut demand = Demand::new(SHOP_HALF_LIFE_MIN * minute_ms, ZONE_HALF_LIFE_MIN * minute_ms);
        for order in orders.iter().rev() {
            demand.record_order(order.merchant_id, plane.point(&order.pickup), order.opened_at.timestamp_millis());
        }
        // Demand has rates per minute of people's clocks.
        let per_city_minute = |rate: f64| rate * minute_ms as f64 / 60_000.0;
        let per_shop =
            |shop: ShopForecast| ShopForecast { orders_per_minute: per_city_minute(shop.orders_per_minute), ..shop };
        let shops = demand.shops(now_ms).into_iter().map(per_shop);
        Forecast {
            shops: shops.collect(),
            orders_per_minute: per_city_minute(demand.orders_per_minute(now_ms)),
            prep_times_ms: durations(orders, minute_ms),
            riders_on_shift: u32::try_from(riders_on_shift).unwrap_or(u32::MAX),
        }
    }
}

/// How long kitchens took from the opening of the delivery on: as observed, and otherwise as they stated.
fn durations(orders: &[OrderHistory], minute_ms: i64) -> Vec<i64> {
    let took =
        |o: &OrderHistory| (ready_at(o, minute_ms).unwrap_or(o.ready_at) - o.opened_at).num_milliseconds().max(0);
    let mut took: Vec<i64> = orders.iter().map(took).collect();
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

    fn order(now: DateTime<Utc>, shop: u128, ago_s: i64) -> OrderHistory {
        let at = now - TimeDelta::seconds(ago_s);
        OrderHistory {
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
    fn a_steady_stream_has_its_rate_in_minutes_of_the_city() {
        let now = Utc::now();
        let plane = Plane::around(&Place::new(50.0, 10.0).unwrap());
        for (minute_ms, gap_s) in [(60_000, 30), (2_000, 1)] {
            // Two orders a minute; two thirds of them from shop 2.
            let all = (0..900).map(|n| order(now, if n % 3 == 0 { 1 } else { 2 }, gap_s * n)).collect();
            let forecast = RecentOrders::new(all).forecast(&zone(), &plane, now, minute_ms, 7);
            assert!((forecast.orders_per_minute - 2.0).abs() < 0.1, "{forecast:?}");
            let rates: Vec<_> = forecast.shops.iter().map(|s| (s.orders_per_minute * 10.0).round()).collect();
            assert_eq!(rates, [7.0, 13.0]);
            assert_eq!((forecast.prep_times_ms.len(), forecast.riders_on_shift), (9, 7));
            assert_eq!((forecast.prep_times_ms[0], forecast.prep_times_ms[8]), (60_000, 120_000));
        }
        let nothing = RecentOrders::default().forecast(&zone(), &plane, now, 60_000, 0);
        assert_eq!(nothing, Forecast::default());
    }
}
