//! What may be known during a day: which shops are ordered from, and how long their kitchens take.

use std::collections::BTreeMap;

use pannier_engine::{Cooking, Demand, Kitchens, Outlook, QUANTILES, Ready, ShopOutlook};

use super::day::{MINUTE_MS, point, shop_id};
use super::solution::Kitchen;
use pannier_instance::Instance;

/// Of the preparation times seen so far, so many represent all.
const TAKES: usize = 16;

/// What has been seen of the day so far.
pub(super) struct Knowledge {
    kitchen: Kitchen,
    demand: Demand,
    kitchens: Kitchens,
    /// What each restaurant usually needs, milliseconds: the mean of its day, as its history would tell.
    stated_ms: Vec<i64>,
    /// Preparation times seen so far, minutes, sorted.
    takes: Vec<i64>,
    /// When open orders may be ready, milliseconds since the day began, as of this minute.
    guesses: BTreeMap<usize, [i64; QUANTILES]>,
}

impl Knowledge {
    /// Of a day's beginning. What restaurants state that they usually need, milliseconds; empty: the means of the day.
    pub fn new(instance: &Instance, kitchen: Kitchen, stated_ms: &[i64]) -> Self {
        let mut sums = vec![(0, 0); instance.restaurants.len()];
        for order in &instance.orders {
            let sum = &mut sums[order.restaurant];
            *sum = (sum.0 + (order.ready - order.placement) * MINUTE_MS, sum.1 + 1);
        }
        Self {
            kitchen,
            demand: Demand::default(),
            kitchens: Kitchens::default(),
            stated_ms: if stated_ms.is_empty() {
                sums.into_iter().map(|(sum, n)| sum / i64::max(n, 1)).collect()
            } else {
                stated_ms.to_vec()
            },
            takes: Vec::new(),
            guesses: BTreeMap::new(),
        }
    }

    /// An order was placed.
    pub fn placed(&mut self, instance: &Instance, order: usize, now: i64) {
        let o = &instance.orders[order];
        let place = point(instance.restaurants[o.restaurant].at);
        self.demand.seen(shop_id(o.restaurant), place, now * MINUTE_MS);
        if self.kitchen == Kitchen::Known {
            self.took(o.ready - o.placement);
        }
    }

    fn took(&mut self, minutes: i64) {
        let at = self.takes.partition_point(|t| *t < minutes);
        self.takes.insert(at, minutes);
    }

    /// A minute has begun: some food is ready, the rest is still cooking.
    pub fn minute(&mut self, instance: &Instance, open: &[usize], now: i64) {
        if self.kitchen == Kitchen::Known {
            return;
        }
        let hour = u8::try_from(now / 60 % 24).unwrap_or(0);
        let cooking = |order: &usize| {
            let o = &instance.orders[*order];
            Cooking { stated_ms: self.stated_ms[o.restaurant], elapsed_ms: (now - o.placement) * MINUTE_MS }
        };
        let mut shops: BTreeMap<usize, Vec<(usize, Cooking)>> = BTreeMap::new();
        for order in open.iter().filter(|o| instance.orders[**o].ready > now) {
            shops.entry(instance.orders[*order].restaurant).or_default().push((*order, cooking(order)));
        }
        let done: Vec<(usize, Cooking)> =
            open.iter().filter(|o| instance.orders[**o].ready == now).map(|o| (*o, cooking(o))).collect();
        for (order, cooking) in done {
            let o = &instance.orders[order];
            let others = shops.get(&o.restaurant).into_iter().flatten().map(|(_, c)| *c);
            self.kitchens.observe(shop_id(o.restaurant), now * MINUTE_MS, hour, cooking, others);
            self.took(o.ready - o.placement);
        }
        self.guesses.clear();
        for (restaurant, orders) in shops {
            let all = orders.iter().map(|(_, c)| *c);
            let kitchen = self.kitchens.kitchen(shop_id(restaurant), now * MINUTE_MS, hour, all);
            for (order, cooking) in orders {
                let placed_ms = instance.orders[order].placement * MINUTE_MS;
                let takes = kitchen.ready_after(cooking.stated_ms, cooking.elapsed_ms);
                // Whole minutes are the library's clock, and not before the next.
                let ready = takes.map(|ms| (placed_ms + ms + MINUTE_MS / 2) / MINUTE_MS * MINUTE_MS);
                self.guesses.insert(order, ready.map(|ms| ms.max((now + 1) * MINUTE_MS)));
            }
        }
    }

    /// When an open order will be ready, as far as one knows.
    pub fn ready(&self, instance: &Instance, order: usize) -> Ready {
        match self.guesses.get(&order) {
            Some(moments) => Ready::one_of(moments),
            None => Ready::at(instance.orders[order].ready * MINUTE_MS),
        }
    }

    /// Where orders are to be expected.
    pub fn outlook(&self, now: i64, riders_on_shift: usize) -> Outlook {
        let now_ms = now * MINUTE_MS;
        let shops = self.demand.rates(now_ms).into_iter();
        let spread = |n: usize| self.takes[(2 * n + 1) * self.takes.len() / (2 * TAKES)] * MINUTE_MS;
        Outlook {
            shops: shops
                .map(|(shop, place, orders_per_minute)| ShopOutlook { shop, place, orders_per_minute })
                .collect(),
            orders_per_minute: self.demand.city_rate(now_ms),
            takes_ms: if self.takes.is_empty() { Vec::new() } else { (0..TAKES).map(spread).collect() },
            riders_on_shift: u32::try_from(riders_on_shift).unwrap_or(u32::MAX),
        }
    }
}
