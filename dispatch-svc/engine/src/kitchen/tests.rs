use pannier_contracts::MerchantId;
use proptest::prelude::*;

use super::*;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

fn shop(n: u32) -> MerchantId {
    MerchantId(format!("00000000-0000-7000-8000-{n:012x}").parse().unwrap())
}

fn median(quantiles: [i64; QUANTILES]) -> i64 {
    (quantiles[QUANTILES / 2 - 1] + quantiles[QUANTILES / 2]) / 2
}

fn mean(quantiles: [i64; QUANTILES]) -> i64 {
    quantiles.iter().sum::<i64>() / QUANTILES as i64
}

/// `orders` orders every ten minutes from hour `from_h` on, each said to take 20 minutes.
fn cook(kitchens: &mut Kitchens, n: u32, from_h: i64, orders: i64, took_min: impl Fn(i64) -> i64) {
    for order in 0..orders {
        let at_ms = from_h * HOUR_MS + order * 10 * MINUTE_MS;
        let done = Cooking { stated_ms: 20 * MINUTE_MS, elapsed_ms: took_min(order) * MINUTE_MS };
        kitchens.observe(shop(n), at_ms, (at_ms / HOUR_MS % 24) as u8, done, []);
    }
}

#[test]
fn the_first_estimates_are_centred_on_the_statement() {
    for stated_min in [5, 10, 15, 20, 30, 45, 90] {
        let expected = stated_min * MINUTE_MS;
        let ready = Kitchens::default().ready_after(shop(1), 0, 12, expected, 0);
        assert!((median(ready) - expected).abs() < expected / 20, "{stated_min} min: {ready:?}");
        assert!((mean(ready) - expected).abs() < expected / 20, "{stated_min} min: {ready:?}");
        assert!(ready[0] < expected * 9 / 10 && ready[QUANTILES - 1] > expected * 11 / 10, "{ready:?}");
    }
}

#[test]
fn a_shop_that_always_takes_a_fifth_longer_is_expected_to() {
    let mut kitchens = Kitchens::default();
    // Others take about as long as they state.
    for n in 2..12 {
        cook(&mut kitchens, n, 10, 20, |order| 20 + [-5, 3, -2, 4, 0][order as usize % 5]);
    }
    for day in 0..4 {
        cook(&mut kitchens, 1, day * 24 + 10, 20, |_| 24);
    }
    // Next morning, without recent orders.
    let late = median(kitchens.ready_after(shop(1), 106 * HOUR_MS, 10, 20 * MINUTE_MS, 0));
    let punctual = median(kitchens.ready_after(shop(5), 106 * HOUR_MS, 10, 20 * MINUTE_MS, 0));
    assert!((late - 24 * MINUTE_MS).abs() < MINUTE_MS, "{late}");
    assert!((punctual - 20 * MINUTE_MS).abs() < MINUTE_MS, "{punctual}");
}

#[test]
fn an_hour_of_the_day_has_a_bias_of_its_own() {
    let mut kitchens = Kitchens::default();
    for day in 0..40 {
        cook(&mut kitchens, 1, day * 24 + 12, 6, |_| 28);
        cook(&mut kitchens, 1, day * 24 + 16, 6, |_| 20);
    }
    let at = |hour| median(kitchens.ready_after(shop(1), 1_000 * HOUR_MS, hour, 20 * MINUTE_MS, 0));
    assert!(at(12) > at(16) + 5 * MINUTE_MS, "{} {}", at(12), at(16));
}

#[test]
fn noise_does_not_become_a_bias() {
    let mut kitchens = Kitchens::default();
    for n in 0..40 {
        // Two late orders, then two early ones: right on average.
        cook(&mut kitchens, n, 10, 12, |order| if (order + i64::from(n)) % 4 < 2 { 26 } else { 14 });
    }
    let ready = median(kitchens.ready_after(shop(7), 40 * HOUR_MS, 10, 20 * MINUTE_MS, 0));
    assert!((ready - 20 * MINUTE_MS).abs() < 2 * MINUTE_MS, "{ready}");
}

#[test]
fn recent_orders_count_less_and_less() {
    let mut kitchens = Kitchens::default();
    cook(&mut kitchens, 1, 10, 6, |_| 30);
    let after = |min| mean(kitchens.ready_after(shop(1), 10 * HOUR_MS + min * MINUTE_MS, 10, 20 * MINUTE_MS, 0));
    assert!(after(50) > after(70) && after(70) > after(120), "{} {} {}", after(50), after(70), after(120));
    assert_eq!(after(120), after(400));
}

#[test]
fn an_order_that_is_not_ready_is_expected_later() {
    let kitchens = Kitchens::default();
    let total = |elapsed_min| median(kitchens.ready_after(shop(1), 0, 12, 20 * MINUTE_MS, elapsed_min * MINUTE_MS));
    assert!(total(10) > total(0));
    assert!(total(20) > total(10) + MINUTE_MS);
    // In the tail, the remaining time grows with the time gone by.
    let remaining = |elapsed_min| total(elapsed_min) - elapsed_min * MINUTE_MS;
    assert!(remaining(60) > 3 * MINUTE_MS && remaining(600) > remaining(60), "{} {}", remaining(60), remaining(600));
}

#[test]
fn a_kitchen_that_is_late_with_some_orders_is_expected_late_with_all() {
    let kitchens = Kitchens::default();
    let me = Cooking { stated_ms: 20 * MINUTE_MS, elapsed_ms: 5 * MINUTE_MS };
    let with = |others: &[i64]| {
        let others = others.iter().map(|min| Cooking { stated_ms: 20 * MINUTE_MS, elapsed_ms: min * MINUTE_MS });
        let kitchen = kitchens.kitchen(shop(1), 0, 12, others.chain([me]));
        median(kitchen.ready_after(me.stated_ms, me.elapsed_ms))
    };
    assert_eq!(with(&[]), median(kitchens.ready_after(shop(1), 0, 12, me.stated_ms, me.elapsed_ms)));
    assert!(with(&[0]) > with(&[]) && with(&[30]) > with(&[0]) && with(&[30, 30, 30]) > with(&[30]) + MINUTE_MS);
    assert_eq!(with(&[3, 40, 11]), with(&[40, 11, 3]));
}

#[test]
fn the_state_of_a_shop_is_bounded() {
    let mut kitchens = Kitchens::default();
    for day in 0..60 {
        for hour in 0..24 {
            cook(&mut kitchens, 1, day * 24 + hour, 6, |order| 10 + 7 * order);
        }
    }
    let known = &kitchens.shops[&shop(1)];
    assert_eq!((known.recent.len(), known.hours.len()), (RECENT, 24));
    assert!(known.bias.orders <= SHOP_ORDERS && known.hours.values().all(|h| h.orders <= HOUR_ORDERS));
    assert!(serde_json::to_string(&kitchens).unwrap().len() < 4_000);
}

/// Orders as (shop, minutes since the last one, minutes said, minutes taken).
fn history() -> impl Strategy<Value = Vec<(u32, i64, i64, i64)>> {
    prop::collection::vec((0..5_u32, 0..90_i64, 0..120_i64, 0..400_i64), 0..80)
}

fn after(history: &[(u32, i64, i64, i64)]) -> (Kitchens, i64) {
    let (mut kitchens, mut now_ms) = (Kitchens::default(), 0);
    for &(n, gap, stated, took) in history {
        now_ms += gap * MINUTE_MS;
        let done = Cooking { stated_ms: stated * MINUTE_MS, elapsed_ms: took * MINUTE_MS };
        let other = Cooking { stated_ms: took * MINUTE_MS, elapsed_ms: stated * MINUTE_MS };
        kitchens.observe(shop(n), now_ms, (now_ms / HOUR_MS % 24) as u8, done, [other]);
    }
    (kitchens, now_ms)
}

proptest! {
    #[test]
    fn estimates_are_sorted_and_in_the_future(
        history in history(), n in 0..6_u32, hour in 0..24_u8, stated_ms in -1..10_000_000_i64,
        elapsed_ms in prop_oneof![0..10_000_000_i64, Just(i64::MAX), Just(i64::MIN), any::<i64>()],
    ) {
        let (kitchens, now_ms) = after(&history);
        let ready = kitchens.ready_after(shop(n), now_ms, hour, stated_ms, elapsed_ms);
        prop_assert!(ready.is_sorted(), "{:?}", ready);
        prop_assert!(ready[0] > elapsed_ms || elapsed_ms == i64::MAX, "{:?}", ready);
    }

    #[test]
    fn the_same_history_gives_the_same_bytes_also_after_a_restart(history in history()) {
        let (one, now_ms) = after(&history);
        let bytes = serde_json::to_string(&one).unwrap();
        prop_assert_eq!(&bytes, &serde_json::to_string(&after(&history).0).unwrap());
        let read: Kitchens = serde_json::from_str(&bytes).unwrap();
        for n in 0..5 {
            let ask = |k: &Kitchens| k.ready_after(shop(n), now_ms, 12, 900_000, 300_000);
            prop_assert_eq!(ask(&read), ask(&one));
        }
    }

    #[test]
    fn a_longer_wait_never_makes_the_estimate_earlier(
        history in history(), stated_ms in 0..7_200_000_i64, elapsed_ms in 0..7_200_000_i64, more_ms in 0..7_200_000_i64,
    ) {
        let (kitchens, now_ms) = after(&history);
        let kitchen = kitchens.kitchen(shop(0), now_ms, 12, []);
        let (sooner, later) =
            (kitchen.ready_after(stated_ms, elapsed_ms), kitchen.ready_after(stated_ms, elapsed_ms + more_ms));
        // A millisecond for rounding.
        prop_assert!(sooner.iter().zip(&later).all(|(s, l)| *l >= *s - 1), "{:?} {:?}", sooner, later);
    }
}
