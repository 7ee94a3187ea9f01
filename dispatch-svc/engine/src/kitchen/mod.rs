//! When will the food be ready? Learned while orders become ready, from nothing but the shop's own statement at first.
//!
//! An order takes (stated + base) × **stretch** − base. The stretch of an order has three parts:
//!
//! * **Habit**: what this shop, and this shop at this hour of the day, always does: an average that starts at 1 and
//!   believes n orders by n / (n + k). How large k is, is itself learned, from whether deviations of a shop come again
//!   hours later, or on another day: where statements are right on average, k grows, and noise does not become a habit.
//! * **Load**: what the kitchen has to do now. Every other order that it has not finished makes it a little slower, and
//!   the more so the further that order should have been done: a kitchen that is late is late for everybody.
//! * **Shape**: what remains is chance, with one distribution for all shops (`shape.rs`), into which the shop's orders
//!   of the last three quarters of an hour are mixed.
//!
//! What is not ready yet is not early any more: the distribution is cut off at the time gone by, and the rest counts.
//!
//! All that is remembered is integers, and questions use only operations that IEEE 754 rounds exactly: the same history
//! gives the same bytes and the same answers on every machine. The constants were chosen on days of Grubhub's public meal
//! delivery routing library by the continuous ranked probability score: mainly on three calm days and confirmed on three
//! busy ones, except [`LOAD`] and [`RECENT`], which are a compromise between the two, because only busy days show them.
//! The score is flat around all of them.

mod shape;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use pannier_contracts::MerchantId;
use serde::{Deserialize, Serialize};

pub use shape::QUANTILES;
use shape::{Pool, Shape, stretch_permille};

/// Of each shop so many last orders are remembered one by one.
const RECENT: usize = 6;
/// How long they count, less and less, milliseconds.
const RECENT_MS: i64 = 2_700_000;
/// So many orders of this moment weigh as much as the pool of all shops.
const POOL_ORDERS: f64 = 8.0;
/// How much another order slows the kitchen when it should be done by now.
const LOAD: f64 = 0.04;
/// An order that should have been done long ago counts no more than this, thousandths of one that should be done now.
const OVERDUE_PERMILLE: i64 = 2_000;
/// No kitchen is taken to be slowed further.
const MAX_LOAD: f64 = 2.0;
/// The habit of a shop is an average of so many orders; then it forgets as fast as it learns.
const SHOP_ORDERS: i64 = 200;
/// The same for a single hour of the day.
const HOUR_ORDERS: i64 = 60;
/// One order may not say more about a habit than this, thousandths.
const MAX_DEVIATION_PERMILLE: i64 = 1_000;
/// Two orders of a shop this far apart tell about its habit, not about its moment, milliseconds.
const SHOP_APART_MS: i64 = 3_600_000;
/// Two orders of the same hour this far apart are of different days, milliseconds.
const HOUR_APART_MS: i64 = 43_200_000;

/// An order which the kitchen has not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cooking {
    /// How long the shop said that it would take, milliseconds.
    pub stated_ms: i64,
    /// How long ago it began, milliseconds.
    pub elapsed_ms: i64,
}

impl Cooking {
    /// How far it should be, thousandths: 1,000 when it should be done by now. An integer, because a sum of them must not
    /// depend on their order.
    fn progress_permille(self) -> i64 {
        stretch_permille(self.stated_ms, self.elapsed_ms).min(OVERDUE_PERMILLE)
    }
}

/// How much slower a kitchen is with other orders, given the sum of their [`Cooking::progress_permille`].
fn load(others_permille: i64) -> f64 {
    (1.0 + LOAD * others_permille as f64 / 1_000.0).min(MAX_LOAD)
}

/// What is known about the kitchens of a city.
///
/// The memory of a shop is bounded: six orders and 25 averages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kitchens {
    pool: Pool,
    /// Of shops, and of single hours of theirs.
    loyalty: [Loyalty; 2],
    shops: BTreeMap<MerchantId, Shop>,
}

/// One shop.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Shop {
    habit: Habit,
    hours: BTreeMap<u8, Habit>,
    /// The last orders, oldest first: when ready, and the stretch relative to the habit, thousandths.
    recent: VecDeque<(i64, i64)>,
}

impl Shop {
    fn stretch(&self, hour_of_day: u8, loyalty: &[Loyalty; 2]) -> f64 {
        let hour = self.hours.get(&(hour_of_day % 24)).map_or(0.0, |h| h.deviation(loyalty[1].doubt()));
        (1.0 + (self.habit.deviation(loyalty[0].doubt()) + hour) / 1_000.0).clamp(0.5, 3.0)
    }
}

/// An average of deviations, thousandths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Habit {
    orders: i64,
    sum_permille: i64,
    /// When an order at least so long ago was ready that it tells about the habit and not about the moment, and its
    /// deviation.
    anchor: Option<(i64, i64)>,
}

impl Habit {
    /// One more. Counts at most `most` orders. Deviations `apart_ms` apart say whether there is such a thing as a habit.
    fn add(&mut self, at_ms: i64, deviation_permille: i64, most: i64, apart_ms: i64, loyalty: &mut Loyalty) {
        match self.anchor {
            Some((before_ms, _)) if at_ms.saturating_sub(before_ms) < apart_ms => {}
            before => {
                if let Some((_, other)) = before {
                    loyalty.add(deviation_permille, other);
                }
                self.anchor = Some((at_ms, deviation_permille));
            }
        }
        if self.orders >= most {
            self.sum_permille -= self.sum_permille / self.orders;
            self.orders -= 1;
        }
        self.sum_permille += deviation_permille;
        self.orders += 1;
    }

    fn deviation(&self, doubt: f64) -> f64 {
        self.sum_permille as f64 / (self.orders as f64 + doubt)
    }
}

/// Do deviations come again? Sums over pairs of deviations from the same habit at different moments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Loyalty {
    pairs: i64,
    /// Of both deviations, millionths.
    products: i64,
    /// Of one deviation with itself, millionths.
    squares: i64,
}

impl Loyalty {
    /// Before anything was seen: like this many pairs …
    const PRIOR_PAIRS: f64 = 40.0;
    /// … with this variance (millionths) …
    const PRIOR_SQUARE: f64 = 50_000.0;
    /// … of which one in so many comes again.
    const PRIOR_DOUBT: f64 = 60.0;

    fn add(&mut self, one: i64, other: i64) {
        if self.pairs >= 4_000 {
            *self = Self { pairs: self.pairs / 2, products: self.products / 2, squares: self.squares / 2 };
        }
        self.pairs += 1;
        self.products += one * other;
        self.squares += (one * one + other * other) / 2;
    }

    /// k of n / (n + k): the variance of chance against the variance of habits (empirical Bayes).
    fn doubt(&self) -> f64 {
        let squares = self.squares as f64 + Self::PRIOR_PAIRS * Self::PRIOR_SQUARE;
        let products = self.products as f64 + Self::PRIOR_PAIRS * Self::PRIOR_SQUARE / Self::PRIOR_DOUBT;
        if products * 1_000.0 <= squares { 1_000.0 } else { (squares / products).max(5.0) }
    }
}

impl Kitchens {
    /// A preparation has finished: at `at_ms` (milliseconds since 1970), in this hour (0 to 23, local). `done` took its
    /// `elapsed_ms`; `others` are still in the kitchen. Call it in the order of `at_ms`.
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
        let relative = (stretch as f64 / (known.stretch(hour_of_day, &self.loyalty) * load)) as i64;
        let deviation = (stretch * 1_000 / self.pool.mean_permille() - 1_000)
            .clamp(-MAX_DEVIATION_PERMILLE, MAX_DEVIATION_PERMILLE);
        let [of_shops, of_hours] = &mut self.loyalty;
        let beyond_shop = deviation - known.habit.deviation(of_shops.doubt()) as i64;
        let hour = known.hours.entry(hour_of_day % 24).or_default();
        hour.add(at_ms, beyond_shop, HOUR_ORDERS, HOUR_APART_MS, of_hours);
        known.habit.add(at_ms, deviation, SHOP_ORDERS, SHOP_APART_MS, of_shops);
        if known.recent.len() >= RECENT {
            known.recent.pop_front();
        }
        known.recent.push_back((at_ms, relative));
        self.pool.add(relative);
    }

    /// The kitchen of a shop now (milliseconds since 1970), in this hour (0 to 23, local), with everything in it that
    /// is not ready. Takes half a microsecond: ask once per shop and moment, then [`Kitchen::ready_after`] per order.
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
            return Kitchen { habit: 1.0, load_permille, shape: self.pool.mixed_with(std::iter::empty()) };
        };
        let recent = known.recent.iter().map(|&(at_ms, stretch)| {
            let age_ms = now_ms.saturating_sub(at_ms).clamp(0, RECENT_MS);
            (stretch, (RECENT_MS - age_ms) as f64 / RECENT_MS as f64 / POOL_ORDERS)
        });
        Kitchen { habit: known.stretch(hour_of_day, &self.loyalty), load_permille, shape: self.pool.mixed_with(recent) }
    }

    /// [`Kitchen::ready_after`] of an order that is alone in the kitchen.
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
    habit: f64,
    load_permille: i64,
    shape: Shape,
}

impl Kitchen {
    /// How long an order takes that is not ready after `elapsed_ms`, counted from its beginning: the mid-points of
    /// [`QUANTILES`] equally likely parts of the distribution, milliseconds, sorted, each later than `elapsed_ms`. The
    /// order itself is among those given to [`Kitchens::kitchen`], and does not slow itself.
    #[must_use]
    pub fn ready_after(&self, stated_ms: i64, elapsed_ms: i64) -> [i64; QUANTILES] {
        let others = (self.load_permille - Cooking { stated_ms, elapsed_ms }.progress_permille()).max(0);
        self.shape.ready_after(stated_ms, self.habit * load(others), elapsed_ms)
    }
}
