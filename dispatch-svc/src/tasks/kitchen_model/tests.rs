use pannier_contracts::{OrderId, Place, Version, ZoneId};

use super::*;

const SHOP: MerchantId = MerchantId(uuid::Uuid::from_u128(1));

/// A city with the length of its minute and its present time.
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

    /// An order that was opened `ago` minutes ago, stated to take 15 minutes, and took 25.
    fn late(self, ago: i64) -> OrderHistory {
        let ready = self.at(25 - ago);
        OrderHistory {
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

    fn history(self, orders: i64) -> Vec<OrderHistory> {
        (1..=orders).map(|n| self.late(30 * n)).collect()
    }

    /// The same history, observed by riders who waited and not reported by the shop.
    fn waited_for(self, orders: i64) -> Vec<OrderHistory> {
        let came = |o: OrderHistory| {
            let at_pickup_at = o.at_pickup_at.map(|at| at - delta(2 * self.minute_ms));
            OrderHistory { ready_seen_at: None, at_pickup_at, ..o }
        };
        self.history(orders).into_iter().map(came).collect()
    }

    /// A delivery that was opened `ago` minutes ago and is stated to take 15.
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

    /// The possible ready times of a delivery, tenths of a minute from now.
    fn expected(self, history: &[OrderHistory], d: &Delivery) -> Option<Vec<i64>> {
        let ready = KitchenModel::new(history, self.minute_ms).ready(std::iter::once(d), self.now);
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
fn a_shop_that_is_always_late_is_expected_late_at_any_city_speed() {
    for city in cities() {
        for history in [city.history(30), city.waited_for(30)] {
            let expected = city.expected(&history, &city.order(0)).expect("enough was seen");
            assert!((220..280).contains(&mean(&expected)), "{}: {expected:?}", city.minute_ms);
        }
        assert_eq!(city.expected(&city.history(19), &city.order(0)), None, "too few orders");
        // Neither reported nor waited for.
        let silent = |o| OrderHistory { ready_seen_at: None, ..o };
        let silent: Vec<_> = city.history(40).into_iter().map(silent).collect();
        assert_eq!(city.expected(&silent, &city.order(0)), None);
    }
}

#[test]
fn only_reports_and_waiting_riders_show_that_food_is_not_ready_and_only_for_a_time() {
    for city in cities() {
        let (reporting, silent) = (city.history(30), city.waited_for(30));
        let due = city.order(28);
        let still = city.expected(&reporting, &due).expect("seen");
        assert!(still[0] >= 0 && mean(&still) > 5, "{still:?}");
        assert_eq!(mean(&city.expected(&silent, &city.order(60)).expect("seen")), 0, "it may have been ready for long");
        let here = Delivery { state: DeliveryState::AtPickup, at_pickup_at: Some(city.at(-3)), ..due.clone() };
        assert!(
            mean(&city.expected(&silent, &here).expect("seen")) > mean(&city.expected(&silent, &due).expect("seen"))
        );
        assert_eq!(mean(&city.expected(&reporting, &city.order(90)).expect("seen")), 0, "it was probably handed over");
    }
}

#[test]
fn a_later_statement_is_a_lower_bound() {
    for city in cities() {
        let expected = |ready_at| {
            let d = Delivery { ready_at, ..city.order(5) };
            city.expected(&city.history(30), &d).expect("seen")
        };
        assert!(expected(city.at(40)).iter().all(|at| (399..=401).contains(at)));
        assert!(mean(&expected(city.at(11))) >= mean(&expected(city.at(10))));
        assert!(mean(&expected(city.at(2))) < mean(&expected(city.at(10))), "an earlier statement replaces the first");
    }
}
