//! When will the food be ready? The engine's [`Kitchens`], fed with what was seen lately.
//!
//! A kitchen's **word** is its statement, measured from when dispatch heard of the order. The first statement is what a
//! kitchen is learned by: how long it takes against what it says at first. A later one that is further off is believed
//! as a bound: not before then. One that is nearer replaces the first.
//!
//! That food is not ready yet is known only of shops that usually say when it is, or by a rider who waits for it. And
//! not for ever: what is longer due than almost any order ever was counts as forgotten, not as unfinished, or it would
//! be waited for until it is given up.
//!
//! What people see, timers and alarms stay with the shop's statement.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use pannier_contracts::Lifecycle as _;
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::{DeliveryId, MerchantId};
use pannier_engine::{Cooking, Kitchens, QUANTILES, Ready};

use crate::domain::lifecycle::DeliveryLifecycle;
use crate::store::Delivery;
use crate::store::deliveries::Opened;

/// With fewer orders seen, statements are taken as they are.
const FEWEST_SEEN: usize = 20;
/// [`Kitchens`] count in minutes of clocks, milliseconds.
const MINUTE_MS: i64 = 60_000;

/// How the kitchens of one zone keep their word.
#[derive(Debug, Clone, Default)]
pub struct Word {
    kitchens: Kitchens,
    /// Orders of which it is known when they were ready.
    seen: usize,
    /// Shops that usually say when it is.
    telling: HashSet<MerchantId>,
    clock: Clock,
}

/// The city's clock: a minute may be shorter than on people's.
#[derive(Debug, Clone, Copy)]
struct Clock {
    minute_ms: i64,
}

impl Default for Clock {
    fn default() -> Self {
        Self { minute_ms: MINUTE_MS }
    }
}

impl Clock {
    const fn of_city(self, ms: i64) -> i64 {
        ms.saturating_mul(MINUTE_MS) / self.minute_ms
    }

    const fn of_people(self, ms: i64) -> i64 {
        ms.saturating_mul(self.minute_ms) / MINUTE_MS
    }

    /// The same hour every day, whatever people there call it.
    fn hour(self, at: DateTime<Utc>) -> u8 {
        u8::try_from(self.of_city(at.timestamp_millis()) / (60 * MINUTE_MS) % 24).unwrap_or(0)
    }

    fn cooking(self, opened_at: DateTime<Utc>, stated_at: DateTime<Utc>, until: DateTime<Utc>) -> Cooking {
        let since = |at: DateTime<Utc>| self.of_city((at - opened_at).num_milliseconds().max(0));
        Cooking { stated_ms: since(stated_at), elapsed_ms: since(until) }
    }
}

/// When it was ready, if anybody knows: the shop said so, or a rider waited for it for more than a minute of the city.
#[must_use]
pub fn ready_at(o: &Opened, minute_ms: i64) -> Option<DateTime<Utc>> {
    let waited_for = o.at_pickup_at.zip(o.picked_up_at).filter(|(came, left)| *left - *came > delta(minute_ms));
    o.ready_seen_at.or(waited_for.map(|(_, left)| left))
}

/// What the shop says; what is ready is ready.
#[must_use]
pub fn said(d: &Delivery) -> Ready {
    Ready::at(d.ready_seen_at.unwrap_or(d.ready_at).timestamp_millis())
}

impl Word {
    /// What these orders show, where a minute takes `minute_ms`.
    #[must_use]
    pub fn of(opened: &[Opened], minute_ms: i64) -> Self {
        let mut this = Self { clock: Clock { minute_ms: minute_ms.max(1) }, ..Self::default() };
        let mut shops: BTreeMap<MerchantId, Vec<&Opened>> = BTreeMap::new();
        for one in opened {
            shops.entry(one.merchant_id).or_default().push(one);
        }
        let mut done: Vec<(DateTime<Utc>, &Opened)> = Vec::new();
        for (shop, orders) in &shops {
            let taken = orders.iter().filter(|o| o.picked_up_at.is_some());
            let (told, silent): (Vec<&&Opened>, Vec<_>) = taken.partition(|o| o.ready_seen_at.is_some());
            if told.len() > silent.len() {
                this.telling.insert(*shop);
            }
            for o in orders {
                // Ready before we heard of it says nothing of how long it took.
                done.extend(ready_at(o, minute_ms).filter(|at| *at > o.opened_at).map(|at| (at, *o)));
            }
        }
        done.sort_by_key(|(at, o)| (*at, o.merchant_id, o.opened_at));
        for (at, o) in &done {
            let others = shops.get(&o.merchant_id).into_iter().flatten().filter(|other| {
                let left_at = ready_at(other, minute_ms).or_else(|| out_at(other));
                !std::ptr::eq(**other, *o) && other.opened_at < *at && left_at.is_none_or(|left| left > *at)
            });
            let cooking = |o: &Opened| this.clock.cooking(o.opened_at, o.stated_ready_at.unwrap_or(o.ready_at), *at);
            let (at_ms, hour) = (this.clock.of_city(at.timestamp_millis()), this.clock.hour(*at));
            let others: Vec<Cooking> = others.map(|other| cooking(other)).collect();
            this.kitchens.observe(o.merchant_id, at_ms, hour, cooking(o), others);
        }
        this.seen = done.len();
        this
    }

    /// When these will be ready: all that the zone's kitchens have not handed over.
    pub fn ready<'a>(
        &self,
        in_kitchens: impl Iterator<Item = &'a Delivery>,
        now: DateTime<Utc>,
    ) -> HashMap<DeliveryId, Ready> {
        let mut shops: BTreeMap<MerchantId, Vec<(&Delivery, Cooking)>> = BTreeMap::new();
        if self.seen < FEWEST_SEEN {
            return HashMap::new();
        }
        for d in in_kitchens.filter(|d| d.ready_seen_at.is_none()) {
            let first = d.stated_ready_at.unwrap_or(d.ready_at);
            let stated_at = first.min(d.ready_at);
            shops.entry(d.merchant_id).or_default().push((d, self.clock.cooking(d.opened_at, stated_at, now)));
        }
        let (now_ms, hour) = (self.clock.of_city(now.timestamp_millis()), self.clock.hour(now));
        let mut ready = HashMap::new();
        for (shop, orders) in shops {
            let kitchen = self.kitchens.kitchen(shop, now_ms, hour, orders.iter().map(|(_, cooking)| *cooking));
            for (d, Cooking { stated_ms, elapsed_ms }) in orders {
                let mut takes = kitchen.ready_after(stated_ms, 0);
                if self.telling.contains(&shop) || self.is_waited_for(d, now) {
                    let longest_ms = takes[QUANTILES - 1];
                    takes = kitchen.ready_after(stated_ms, elapsed_ms.min(longest_ms));
                }
                // Said again, and for later: not before.
                let word =
                    if d.stated_ready_at.is_some_and(|first| d.ready_at > first) { d.ready_at.max(now) } else { now };
                let moments = takes.map(|ms| d.opened_at.timestamp_millis().saturating_add(self.clock.of_people(ms)));
                let moments = moments.map(|at_ms| at_ms.max(word.timestamp_millis()));
                ready.insert(d.id, Ready::any_of(&moments));
            }
        }
        ready
    }

    fn is_waited_for(&self, d: &Delivery, now: DateTime<Utc>) -> bool {
        let since = d.at_pickup_at.filter(|_| d.state == DeliveryState::AtPickup);
        since.is_some_and(|at| now - at > delta(self.clock.minute_ms))
    }
}

/// When it left the kitchen at the latest; `None` while it may be there.
fn out_at(o: &Opened) -> Option<DateTime<Utc>> {
    o.picked_up_at.or_else(|| DeliveryLifecycle::is_terminal(o.state).then_some(o.state_since))
}

const fn delta(ms: i64) -> TimeDelta {
    TimeDelta::milliseconds(ms)
}

#[cfg(test)]
mod tests {
    use pannier_contracts::{OrderId, Place, Version, ZoneId};

    use super::*;

    const SHOP: MerchantId = MerchantId(uuid::Uuid::from_u128(1));

    /// A city whose minute takes so long, and its now.
    #[derive(Clone, Copy)]
    struct City {
        minute_ms: i64,
        now: DateTime<Utc>,
    }

    impl City {
        fn at(self, minutes: i64) -> DateTime<Utc> {
            self.now + delta(minutes * self.minute_ms)
        }

        fn zone() -> ZoneId {
            "test".parse().unwrap()
        }

        /// Opened so many minutes ago, ten minutes late against a statement of 15.
        fn late(self, ago: i64) -> Opened {
            let ready = self.at(25 - ago);
            Opened {
                zone_id: Self::zone(),
                merchant_id: SHOP,
                pickup: Place::new(50.0, 10.0).unwrap(),
                opened_at: self.at(-ago),
                ready_at: self.at(15 - ago),
                stated_ready_at: Some(self.at(15 - ago)),
                ready_seen_at: Some(ready),
                at_pickup_at: Some(ready),
                picked_up_at: Some(ready),
                state: DeliveryState::Delivered,
                state_since: ready,
            }
        }

        fn history(self, orders: i64) -> Vec<Opened> {
            (1..=orders).map(|n| self.late(30 * n)).collect()
        }

        /// The same history, told by riders who waited and not by the shop.
        fn waited_for(self, orders: i64) -> Vec<Opened> {
            let came = |o: Opened| {
                let at_pickup_at = o.at_pickup_at.map(|at| at - delta(2 * self.minute_ms));
                Opened { ready_seen_at: None, at_pickup_at, ..o }
            };
            self.history(orders).into_iter().map(came).collect()
        }

        /// Opened so many minutes ago, said to take 15.
        fn order(self, ago: i64) -> Delivery {
            let of = self.late(ago);
            Delivery {
                id: DeliveryId(uuid::Uuid::from_u128(7)),
                order_id: OrderId(uuid::Uuid::from_u128(7)),
                merchant_id: SHOP,
                merchant_name: "Shop".to_owned(),
                zone_id: of.zone_id,
                pickup: of.pickup,
                dropoff: of.pickup,
                ready_at: of.ready_at,
                promise_at: of.ready_at,
                pin_hash: String::new(),
                state: DeliveryState::Searching,
                version: Version::FIRST,
                attempt: 1,
                rider_id: None,
                reason: None,
                opened_at: of.opened_at,
                state_since: of.opened_at,
                assigned_at: None,
                at_pickup_at: None,
                picked_up_at: None,
                at_dropoff_at: None,
                delivered_at: None,
                watched_place: None,
                stated_ready_at: of.stated_ready_at,
                ready_seen_at: None,
            }
        }

        /// The moments of an order, tenths of a minute from now.
        fn told(self, history: &[Opened], d: &Delivery) -> Option<Vec<i64>> {
            let ready = Word::of(history, self.minute_ms).ready(std::iter::once(d), self.now);
            let from_now = |ms: &i64| (ms - self.now.timestamp_millis()) * 10 / self.minute_ms;
            ready.get(&d.id).map(|ready| ready.times_ms().iter().map(from_now).collect())
        }
    }

    fn mean(moments: &[i64]) -> i64 {
        moments.iter().sum::<i64>() / i64::try_from(moments.len()).unwrap()
    }

    fn cities() -> [City; 2] {
        [60_000, 2_000].map(|minute_ms| City { minute_ms, now: Utc::now() })
    }

    #[test]
    fn a_shop_that_is_always_late_is_expected_late_whatever_a_minute_takes() {
        for city in cities() {
            for history in [city.history(30), city.waited_for(30)] {
                let told = city.told(&history, &city.order(0)).expect("enough was seen");
                assert!((220..280).contains(&mean(&told)), "{}: {told:?}", city.minute_ms);
            }
            assert_eq!(city.told(&city.history(19), &city.order(0)), None, "nothing to go by");
            // Nobody waited, nobody told.
            let silent = |o| Opened { ready_seen_at: None, ..o };
            let silent: Vec<_> = city.history(40).into_iter().map(silent).collect();
            assert_eq!(city.told(&silent, &city.order(0)), None);
        }
    }

    #[test]
    fn not_ready_is_believed_of_those_who_tell_and_of_riders_who_wait_but_not_for_ever() {
        for city in cities() {
            let (telling, silent) = (city.history(30), city.waited_for(30));
            let due = city.order(28);
            let still = city.told(&telling, &due).expect("seen");
            assert!(still[0] >= 0 && mean(&still) > 5, "{still:?}");
            assert_eq!(mean(&city.told(&silent, &city.order(60)).expect("seen")), 0, "it may be ready for long");
            let here = Delivery { state: DeliveryState::AtPickup, at_pickup_at: Some(city.at(-3)), ..due.clone() };
            assert!(mean(&city.told(&silent, &here).expect("seen")) > mean(&city.told(&silent, &due).expect("seen")));
            assert_eq!(mean(&city.told(&telling, &city.order(90)).expect("seen")), 0, "it was forgotten");
        }
    }

    #[test]
    fn said_again_for_later_it_is_not_expected_before() {
        for city in cities() {
            let told = |ready_at| {
                let d = Delivery { ready_at, ..city.order(5) };
                city.told(&city.history(30), &d).expect("seen")
            };
            assert!(told(city.at(40)).iter().all(|at| (399..=401).contains(at)));
            assert!(mean(&told(city.at(11))) >= mean(&told(city.at(10))));
            assert!(mean(&told(city.at(2))) < mean(&told(city.at(10))), "sooner is a new word");
        }
    }
}
