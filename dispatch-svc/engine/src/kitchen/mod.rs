//! The kitchen estimator: when food will be ready, learned while orders become ready. It starts from the shops' statements
//! alone.
//!
//! An order takes (stated + base) × **stretch** − base. The stretch of an order is a product of three factors:
//!
//! * **Bias**: what this shop does on average, and what it does at this hour of the day. The average over n orders is shrunk
//!   towards 1 with the weight n / (n + k). k is learned, too, from how well a deviation predicts another one of the same
//!   shop hours later, or on another day: where statements are right on average, k grows, and noise does not become a bias.
//! * **Load**: every other order in the kitchen makes it a little slower, the more so the longer that order has been
//!   cooking against its statement. So a kitchen that is late with some orders is expected to be late with all.
//! * **Chance**: what remains, with one distribution for all shops (`distribution.rs`), into which the shop's orders of the
//!   last three quarters of an hour are mixed.
//!
//! For an order that is not ready yet, the distribution is conditioned on the time that has gone by.
//!
//! All state is integers, and estimates use only operations that IEEE 754 rounds exactly: the same history gives the same
//! bytes and the same estimates on every machine. The constants were chosen on days of Grubhub's public meal delivery
//! routing library by the continuous ranked probability score: mainly on three calm days, and confirmed on three busy ones.
//! [`LOAD`] and [`RECENT`] are a compromise between the two, because they matter on busy days only. The score is flat around
//! all of them.

mod distribution;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use pannier_contracts::MerchantId;
use serde::{Deserialize, Serialize};

pub use distribution::QUANTILES;
use distribution::{Distribution, Pool, stretch_permille};

/// So many last orders of each shop are kept one by one.
const RECENT: usize = 6;
/// How long they count, with a weight that falls to 0, milliseconds.
const RECENT_MS: i64 = 2_700_000;
/// So many orders of this moment weigh as much as the pool of all shops.
const POOL_ORDERS: f64 = 8.0;
/// How much slower a kitchen is with one other order that should be done by now.
const LOAD: f64 = 0.04;
/// The most that one overdue order counts, thousandths of one that should be done by now.
const OVERDUE_PERMILLE: i64 = 2_000;
/// The highest load factor.
const MAX_LOAD: f64 = 2.0;
/// The bias of a shop is an average over at most so many orders; older ones decay.
const SHOP_ORDERS: i64 = 200;
/// The same for the bias of one hour of the day.
const HOUR_ORDERS: i64 = 60;
/// The largest deviation of one order that counts, thousandths.
const MAX_DEVIATION_PERMILLE: i64 = 1_000;
/// Two orders of a shop this far apart tell about its bias and not about its present load, milliseconds.
const SHOP_APART_MS: i64 = 3_600_000;
/// Two orders of the same hour of the day this far apart are of different days, milliseconds.
const HOUR_APART_MS: i64 = 43_200_000;

/// An order in the kitchen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cooking {
    /// The preparation time that the shop stated, milliseconds.
    pub stated_ms: i64,
    /// How long it has been in the kitchen, milliseconds.
    pub elapsed_ms: i64,
}

impl Cooking {
    /// The time gone by against the statement, thousandths: 1,000 when it should be done by now. An integer, so that a sum
    /// does not depend on the sequence.
    fn progress_permille(self) -> i64 {
        stretch_permille(self.stated_ms, self.elapsed_ms).min(OVERDUE_PERMILLE)
    }
}

/// The load factor of a kitchen with other orders, given the sum of their [`Cooking::progress_permille`].
fn load(others_permille: i64) -> f64 {
    (1.0 + LOAD * others_permille as f64 / 1_000.0).min(MAX_LOAD)
}

/// The estimator for all kitchens of a city.
///
/// Its size is bounded: six orders and 25 averages per shop.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kitchens {
    pool: Pool,
    /// Of the biases of shops, and of those of single hours.
    credibility: [Credibility; 2],
    shops: BTreeMap<MerchantId, Shop>,
}

/// What was learned about one shop.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Shop {
    bias: Bias,
    /// By hour of the day.
    hours: BTreeMap<u8, Bias>,
    /// The last orders, the oldest first.
    recent: VecDeque<Recent>,
}

impl Shop {
    /// The stretch that is expected from the biases alone.
    fn stretch(&self, hour_of_day: u8, [of_shops, of_hours]: &[Credibility; 2]) -> f64 {
        let hour = self.hours.get(&(hour_of_day % 24)).map_or(0.0, |h| h.deviation(of_hours.k()));
        (1.0 + (self.bias.deviation(of_shops.k()) + hour) / 1_000.0).clamp(0.5, 3.0)
    }
}

/// A recent order of a shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Recent {
    /// When it was ready, milliseconds since 1970.
    at_ms: i64,
    /// Its stretch relative to bias and load, thousandths.
    stretch_permille: i64,
}

/// A systematic deviation from the statements: an average over orders, thousandths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Bias {
    orders: i64,
    sum_permille: i64,
    /// The last order that was paired with an earlier one to learn the credibility.
    anchor: Option<Deviation>,
}

/// The deviation of one order from its statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Deviation {
    /// When the order was ready, milliseconds since 1970.
    at_ms: i64,
    permille: i64,
}

/// How a kind of bias is learned.
struct Learning {
    /// The average is over at most so many orders.
    orders_most: i64,
    /// Orders so far apart are paired to learn the credibility, milliseconds.
    apart_ms: i64,
}

const OF_SHOP: Learning = Learning { orders_most: SHOP_ORDERS, apart_ms: SHOP_APART_MS };
const OF_HOUR: Learning = Learning { orders_most: HOUR_ORDERS, apart_ms: HOUR_APART_MS };

impl Bias {
    /// Adds one order.
    fn add(&mut self, new: Deviation, learning: &Learning, credibility: &mut Credibility) {
        match self.anchor {
            Some(anchor) if new.at_ms.saturating_sub(anchor.at_ms) < learning.apart_ms => {}
            before => {
                if let Some(anchor) = before {
                    credibility.add(new.permille, anchor.permille);
                }
                self.anchor = Some(new);
            }
        }
        if self.orders >= learning.orders_most {
            self.sum_permille -= self.sum_permille / self.orders;
            self.orders -= 1;
        }
        self.sum_permille += new.permille;
        self.orders += 1;
    }

    /// The average, shrunk towards 0: n / (n + k) of it, thousandths.
    fn deviation(&self, k: f64) -> f64 {
        self.sum_permille as f64 / (self.orders as f64 + k)
    }
}

/// How far an average of deviations can be trusted (Bühlmann 1967): sums over pairs of deviations of the same shop, or of
/// the same hour of a shop, at different times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Credibility {
    pairs: i64,
    /// The product of both deviations, millionths: estimates the variance between biases.
    products: i64,
    /// The mean square of both, millionths: estimates the whole variance.
    squares: i64,
}

impl Credibility {
    /// The prior counts like so many pairs, …
    const PRIOR_PAIRS: f64 = 40.0;
    /// … with this variance, millionths, …
    const PRIOR_SQUARE: f64 = 50_000.0;
    /// … and with this k.
    const PRIOR_K: f64 = 60.0;

    fn add(&mut self, one: i64, other: i64) {
        if self.pairs >= 4_000 {
            *self = Self { pairs: self.pairs / 2, products: self.products / 2, squares: self.squares / 2 };
        }
        self.pairs += 1;
        self.products += one * other;
        self.squares += (one * one + other * other) / 2;
    }

    /// k of n / (n + k): the whole variance against the variance between biases (empirical Bayes), 5 to 1,000.
    fn k(&self) -> f64 {
        let squares = self.squares as f64 + Self::PRIOR_PAIRS * Self::PRIOR_SQUARE;
        let products = self.products as f64 + Self::PRIOR_PAIRS * Self::PRIOR_SQUARE / Self::PRIOR_K;
        if products * 1_000.0 <= squares { 1_000.0 } else { (squares / products).max(5.0) }
    }
}

impl Kitchens {
    /// Learns from an order that is ready at `at_ms` (milliseconds since 1970), in this hour of the day (0 to 23). `done` took
    /// its `elapsed_ms`; `others` are still in the kitchen. To be called in the sequence of `at_ms`.
    pub fn observe(
        &mut self,
        shop: MerchantId,
        at_ms: i64,
        hour_of_day: u8,
        done: Cooking,
        others: impl IntoIterator<Item = Cooking>,
    ) {
        let known = self.shops.entry(shop).or_default();
        let stretch = stretch_permille(done.stated_ms, done.elapsed_ms);
        let load = load(others.into_iter().map(Cooking::progress_permille).sum());
        let relative = (stretch as f64 / (known.stretch(hour_of_day, &self.credibility) * load)) as i64;
        let deviation = (stretch * 1_000 / self.pool.mean_permille() - 1_000)
            .clamp(-MAX_DEVIATION_PERMILLE, MAX_DEVIATION_PERMILLE);
        let [of_shops, of_hours] = &mut self.credibility;
        let beyond_shop = deviation - known.bias.deviation(of_shops.k()) as i64;
        let hour = known.hours.entry(hour_of_day % 24).or_default();
        hour.add(Deviation { at_ms, permille: beyond_shop }, &OF_HOUR, of_hours);
        known.bias.add(Deviation { at_ms, permille: deviation }, &OF_SHOP, of_shops);
        if known.recent.len() >= RECENT {
            known.recent.pop_front();
        }
        known.recent.push_back(Recent { at_ms, stretch_permille: relative });
        self.pool.add(relative);
    }

    /// The kitchen of a shop at `now_ms` (milliseconds since 1970), in this hour of the day (0 to 23), with all orders in it
    /// that are not ready. Takes half a microsecond: call it once per shop, then [`Kitchen::ready_after`] per order.
    #[must_use]
    pub fn kitchen(
        &self,
        shop: MerchantId,
        now_ms: i64,
        hour_of_day: u8,
        cooking: impl IntoIterator<Item = Cooking>,
    ) -> Kitchen {
        let load_permille = cooking.into_iter().map(Cooking::progress_permille).sum();
        let Some(known) = self.shops.get(&shop) else {
            return Kitchen { bias: 1.0, load_permille, chance: self.pool.mixed_with(std::iter::empty()) };
        };
        let recent = known.recent.iter().map(|&Recent { at_ms, stretch_permille }| {
            let age_ms = now_ms.saturating_sub(at_ms).clamp(0, RECENT_MS);
            (stretch_permille, (RECENT_MS - age_ms) as f64 / RECENT_MS as f64 / POOL_ORDERS)
        });
        let bias = known.stretch(hour_of_day, &self.credibility);
        Kitchen { bias, load_permille, chance: self.pool.mixed_with(recent) }
    }

    /// [`Kitchen::ready_after`] for an order that is alone in the kitchen.
    #[must_use]
    pub fn ready_after(
        &self,
        shop: MerchantId,
        now_ms: i64,
        hour_of_day: u8,
        stated_ms: i64,
        elapsed_ms: i64,
    ) -> [i64; QUANTILES] {
        self.kitchen(shop, now_ms, hour_of_day, []).ready_after(stated_ms, elapsed_ms)
    }
}

/// The kitchen of one shop at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Kitchen {
    /// The stretch that is expected from the biases alone.
    bias: f64,
    /// The sum of the progress of all orders.
    load_permille: i64,
    chance: Distribution,
}

impl Kitchen {
    /// The whole preparation time of an order that is not ready after `elapsed_ms`: the mid-points of [`QUANTILES`] equally
    /// likely parts of the distribution, milliseconds, sorted, each later than `elapsed_ms`. The order is one of those given
    /// to [`Kitchens::kitchen`], and does not slow itself.
    #[must_use]
    pub fn ready_after(&self, stated_ms: i64, elapsed_ms: i64) -> [i64; QUANTILES] {
        let others = (self.load_permille - Cooking { stated_ms, elapsed_ms }.progress_permille()).max(0);
        self.chance.ready_after(stated_ms, self.bias * load(others), elapsed_ms)
    }
}
