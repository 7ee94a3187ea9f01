//! What may be known during a day: which shops are ordered from, and how long their kitchens take.

use pannier_engine::{Outlook, Ready, ShopOutlook};

use super::day::{MINUTE_MS, point, shop_id};
use super::solution::Kitchen;
use crate::instance::Instance;

/// What has been seen of the day so far.
pub(super) struct Knowledge {
    kitchen: Kitchen,
    rates: Vec<(f64, i64)>,
    city: (f64, i64),
    takes: Vec<i64>,
}

fn decay(minutes: i64, half_life: f64) -> f64 {
    (-(minutes as f64) / half_life).exp2()
}

impl Knowledge {
    pub fn new(instance: &Instance, kitchen: Kitchen) -> Self {
        Self { kitchen, rates: vec![(0.0, 0); instance.restaurants.len()], city: (0.0, 0), takes: Vec::new() }
    }

    pub fn placed(&mut self, instance: &Instance, order: usize, now: i64) {
        let o = &instance.orders[order];
        let rate = &mut self.rates[o.restaurant];
        *rate = (rate.0 * decay(now - rate.1, 60.0) + 1.0, now);
        self.city = (self.city.0 * decay(now - self.city.1, 20.0) + 1.0, now);
        let takes = o.ready - o.placement;
        let at = self.takes.partition_point(|t| *t < takes);
        self.takes.insert(at, takes);
    }

    pub fn minute(&mut self, _instance: &Instance, _open: &[usize], _now: i64) {}

    pub fn ready(&self, instance: &Instance, order: usize, now: i64) -> Ready {
        let o = &instance.orders[order];
        if self.kitchen == Kitchen::Known || o.ready <= now {
            return Ready::at(o.ready * MINUTE_MS);
        }
        Ready::at((now + 5) * MINUTE_MS)
    }

    pub fn outlook(&self, instance: &Instance, now: i64, riders: usize) -> Outlook {
        // A weight with a half-life of h minutes sums to h / ln 2 minutes of orders.
        let per_minute = std::f64::consts::LN_2;
        let shops = self.rates.iter().enumerate().filter(|(_, r)| r.0 > 0.0).map(|(n, rate)| ShopOutlook {
            shop: shop_id(n),
            place: point(instance.restaurants[n].at),
            orders_per_minute: rate.0 * decay(now - rate.1, 60.0) * per_minute / 60.0,
            takes_ms: Vec::new(),
        });
        Outlook {
            shops: shops.collect(),
            orders_per_minute: self.city.0 * decay(now - self.city.1, 20.0) * per_minute / 20.0,
            riders_on_shift: riders as u32,
        }
    }
}
