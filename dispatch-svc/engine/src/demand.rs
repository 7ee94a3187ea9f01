//! The demand estimator: the rate of orders of every shop and of the city, by exponential decay.
//!
//! An order counts 1 when it is placed, a half after one **half-life**, a quarter after two. With steady demand the counts
//! add up to rate × half-life / ln 2, which gives the rate. The half-life of shops is long, because one shop has few
//! orders; that of the city is short, because a rush comes and goes within the hour. In the first half-life the rate is
//! too low, because earlier orders are not known.
//!
//! Counts are integers and the decay is a product of constants, so every machine computes the same rates.

use std::collections::BTreeMap;

use pannier_contracts::MerchantId;
use serde::{Deserialize, Serialize};

use crate::snapshot::ShopForecast;
use crate::travel::Point;

/// The default half-life of a shop's orders, milliseconds.
pub const SHOP_HALF_LIFE_MS: i64 = 3_600_000;
/// The default half-life of the city's orders, milliseconds.
pub const CITY_HALF_LIFE_MS: i64 = 1_200_000;

/// One order, in the unit of the counts.
const ORDER: i64 = 1_000_000;
/// A shop whose count has decayed to this is forgotten.
const FORGOTTEN: i64 = ORDER / 200;
const MINUTE_MS: f64 = 60_000.0;

/// 2 to the power of −1/2, −1/4, −1/8, … −1/65536.
const ROOTS: [f64; 16] = [
    std::f64::consts::FRAC_1_SQRT_2,
    0.840_896_415_253_714_5,
    0.917_004_043_204_671_2,
    0.957_603_280_698_573_7,
    0.978_572_062_087_700_1,
    0.989_228_013_193_975_5,
    0.994_599_423_483_633_2,
    0.997_296_056_085_470_1,
    0.998_647_112_890_970_2,
    0.999_323_327_502_650_7,
    0.999_661_606_496_243_7,
    0.999_830_788_931_929_1,
    0.999_915_390_886_613_5,
    0.999_957_694_548_431_1,
    0.999_978_847_050_491_9,
    0.999_989_423_469_314_4,
];

/// 2 to the power of −`elapsed_ms` / `half_life_ms`, to five digits. A negative time counts as 0.
fn decay(elapsed_ms: i64, half_life_ms: i64) -> f64 {
    let fixed = i128::from(elapsed_ms.max(0)) * 65_536 / i128::from(half_life_ms.max(1));
    let halvings = fixed >> 16;
    if halvings >= 62 {
        return 0.0;
    }
    let whole = 1.0 / (1_u64 << halvings) as f64;
    ROOTS.iter().enumerate().filter(|(n, _)| (fixed >> (15 - n)) & 1 == 1).fold(whole, |all, (_, root)| all * root)
}

/// A count that decays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct DecayingCount {
    /// Millionths of an order, as of `at_ms`.
    count: i64,
    at_ms: i64,
}

impl DecayingCount {
    fn at(self, now_ms: i64, half_life_ms: i64) -> i64 {
        // A count is far below 2⁵³, so nothing is lost.
        (self.count as f64 * decay(now_ms.saturating_sub(self.at_ms), half_life_ms)) as i64
    }

    fn add(&mut self, at_ms: i64, half_life_ms: i64) {
        // Orders may be reported out of sequence: the older of the two decays.
        let newest_ms = self.at_ms.max(at_ms);
        let one = Self { count: ORDER, at_ms }.at(newest_ms, half_life_ms);
        *self = Self { count: self.at(newest_ms, half_life_ms).saturating_add(one), at_ms: newest_ms };
    }

    fn per_minute(self, now_ms: i64, half_life_ms: i64) -> f64 {
        let orders = self.at(now_ms, half_life_ms) as f64 / ORDER as f64;
        orders * std::f64::consts::LN_2 * MINUTE_MS / half_life_ms.max(1) as f64
    }
}

/// Decaying counts of the orders that were placed. Its size is bounded by the number of shops with recent orders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Demand {
    shop_half_life_ms: i64,
    city_half_life_ms: i64,
    shops: BTreeMap<MerchantId, (Point, DecayingCount)>,
    city: DecayingCount,
    /// When forgotten shops were last removed.
    swept_ms: i64,
}

impl Default for Demand {
    fn default() -> Self {
        Self::new(SHOP_HALF_LIFE_MS, CITY_HALF_LIFE_MS)
    }
}

impl Demand {
    /// An estimator without orders. Half-lives are milliseconds, at least 1.
    #[must_use]
    pub fn new(shop_half_life_ms: i64, city_half_life_ms: i64) -> Self {
        Self {
            shop_half_life_ms,
            city_half_life_ms,
            shops: BTreeMap::new(),
            city: DecayingCount::default(),
            swept_ms: i64::MIN,
        }
    }

    /// Records that an order was placed at a shop, whose counter is `place`, at `at_ms` (milliseconds since 1970). A few
    /// orders out of sequence change nothing.
    pub fn record_order(&mut self, shop: MerchantId, place: Point, at_ms: i64) {
        let half_life_ms = self.shop_half_life_ms;
        let (known_place, orders) = self.shops.entry(shop).or_insert((place, DecayingCount { count: 0, at_ms }));
        *known_place = place;
        orders.add(at_ms, half_life_ms);
        self.city.add(at_ms, self.city_half_life_ms);
        // Once per half-life is enough to bound the size.
        if at_ms.saturating_sub(self.swept_ms) >= half_life_ms {
            self.swept_ms = at_ms;
            self.shops.retain(|_, (_, orders)| orders.at(at_ms, half_life_ms) > FORGOTTEN);
        }
    }

    /// The rate of every shop that is not forgotten at `now_ms` (milliseconds since 1970), in orders per 60,000 ms,
    /// sorted by id.
    #[must_use]
    pub fn shops(&self, now_ms: i64) -> Vec<ShopForecast> {
        let half_life_ms = self.shop_half_life_ms;
        let known = self.shops.iter().filter(|(_, (_, orders))| orders.at(now_ms, half_life_ms) > FORGOTTEN);
        known
            .map(|(shop, (place, orders))| ShopForecast {
                shop: *shop,
                place: *place,
                orders_per_minute: orders.per_minute(now_ms, half_life_ms),
            })
            .collect()
    }

    /// The rate of the whole city at `now_ms` (milliseconds since 1970), in orders per 60,000 ms.
    #[must_use]
    pub fn orders_per_minute(&self, now_ms: i64) -> f64 {
        self.city.per_minute(now_ms, self.city_half_life_ms)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60_000;
    const HERE: Point = Point { x_m: 100.0, y_m: -50.0 };

    fn shop(n: u32) -> MerchantId {
        MerchantId(format!("00000000-0000-7000-8000-{n:012x}").parse().unwrap())
    }

    #[test]
    fn decay_is_the_power_of_two() {
        for elapsed in (0..40 * MINUTE).step_by(977) {
            let exact = (-(elapsed as f64) / 300_000.0).exp2();
            let ours = decay(elapsed, 300_000);
            assert!((ours / exact - 1.0).abs() < 2e-5, "{elapsed}: {ours} {exact}");
        }
        assert_eq!((decay(0, 1), decay(-5, 10), decay(10, 10), decay(30, 10)), (1.0, 1.0, 0.5, 0.125));
        assert_eq!((decay(i64::MAX, 1), decay(i64::MAX, i64::MAX), decay(5, 0)), (0.0, 0.5, 1.0 / 32.0));
    }

    #[test]
    fn steady_demand_gives_its_rate() {
        let mut demand = Demand::default();
        let start = 1_700_000_000_000;
        for minute in 0..600 {
            demand.record_order(shop(1), HERE, start + minute * MINUTE);
            if minute % 4 == 0 {
                demand.record_order(shop(2), HERE, start + minute * MINUTE);
            }
        }
        let shops = demand.shops(start + 600 * MINUTE);
        assert_eq!(shops.iter().map(|s| s.shop).collect::<Vec<_>>(), [shop(1), shop(2)]);
        let rates = [shops[0].orders_per_minute, shops[1].orders_per_minute];
        assert!((rates[0] - 1.0).abs() < 0.02 && (rates[1] - 0.25).abs() < 0.02, "{rates:?}");
        assert!((demand.orders_per_minute(start + 600 * MINUTE) - 1.25).abs() < 0.05);
        assert_eq!(shops[0].place, HERE);
    }

    #[test]
    fn the_rate_of_the_city_decays_faster_than_that_of_a_shop() {
        let mut demand = Demand::default();
        demand.record_order(shop(1), HERE, 0);
        let shop_rate = |minute| demand.shops(minute * MINUTE)[0].orders_per_minute;
        let city_rate = |minute| demand.orders_per_minute(minute * MINUTE);
        assert!((shop_rate(60) / shop_rate(0) - 0.5).abs() < 1e-5);
        assert!((city_rate(60) / city_rate(0) - 0.125).abs() < 1e-5);
    }

    #[test]
    fn a_shop_without_orders_is_forgotten() {
        let mut demand = Demand::default();
        demand.record_order(shop(1), HERE, 0);
        assert_eq!(demand.shops(7 * 60 * MINUTE).len(), 1);
        assert_eq!(demand.shops(8 * 60 * MINUTE).len(), 0);
        demand.record_order(shop(2), HERE, 8 * 60 * MINUTE);
        assert_eq!(demand.shops.len(), 1);
    }

    proptest! {
        #[test]
        fn orders_out_of_sequence_give_the_same_rates(mut times in prop::collection::vec((0..3_u32, 0..300_i64), 1..40)) {
            let of = |times: &[(u32, i64)]| {
                let mut demand = Demand::default();
                times.iter().for_each(|&(n, minute)| demand.record_order(shop(n), HERE, minute * MINUTE));
                demand
            };
            let mixed = of(&times);
            times.sort_by_key(|t| t.1);
            let sorted = of(&times);
            let is_close = |a: f64, b: f64| (a - b).abs() < 1e-5;
            let (one, other) = (mixed.shops(300 * MINUTE), sorted.shops(300 * MINUTE));
            prop_assert_eq!(one.len(), other.len());
            let is_same = |(a, b): (&ShopForecast, &ShopForecast)| {
                a.shop == b.shop && is_close(a.orders_per_minute, b.orders_per_minute)
            };
            prop_assert!(one.iter().zip(&other).all(is_same));
            prop_assert!(is_close(mixed.orders_per_minute(300 * MINUTE), sorted.orders_per_minute(300 * MINUTE)));
            let json = serde_json::to_string(&mixed).unwrap();
            prop_assert_eq!(&json, &serde_json::to_string(&serde_json::from_str::<Demand>(&json).unwrap()).unwrap());
        }
    }
}
