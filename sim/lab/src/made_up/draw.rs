//! A day of a city, drawn from a seed: the orders, the riders, and what goes wrong.
//!
//! Each subject has dice of its own, so that a city with more riders still has the same orders. Places are whole metres and
//! times whole minutes: the last digit of a logarithm is not the same on every machine.

use std::f64::consts::TAU;

use rand::RngExt;
use rand_pcg::Pcg64;

use super::settings::City;
use crate::bench::day::mishap::Mishaps;
use pannier_instance::{Courier, Instance, Order, Parameters, Point, Restaurant};

/// The first restaurants of the list are the popular ones, and every tenth rider is a late one.
const LATE: usize = 10;
/// Shifts begin at whole quarters of an hour.
const QUARTER_MIN: i64 = 15;
/// A kitchen needs at least so many minutes, and at most so many times its mean.
const PREP_MIN: i64 = 2;
const PREP_TIMES: f64 = 6.0;
const MINUTE_MS: f64 = 60_000.0;

/// What has dice of its own.
#[derive(Clone, Copy)]
enum Dice {
    Restaurants,
    Orders,
    Kitchens,
    Riders,
    Declines,
    Silences,
    Slips,
}

fn dice(seed: u64, what: Dice) -> Pcg64 {
    Pcg64::new(u128::from(seed), what as u128)
}

/// Draws a day and what goes wrong in it.
#[must_use]
pub fn draw(city: &City, seed: u64) -> (Instance, Mishaps) {
    let (restaurants, stated_min) = restaurants(city, seed);
    let mut orders = orders(city, seed, &restaurants);
    cook(city, seed, &stated_min, &mut orders);
    let couriers = couriers(city, seed, &restaurants);
    let mut mishaps = Mishaps {
        stated_ms: stated_min.iter().map(|min| (min * MINUTE_MS) as i64).collect(),
        ..mishaps(city, seed, orders.len(), &couriers)
    };
    slip(city, seed, &restaurants, &mut orders, &mut mishaps);
    let parameters = Parameters {
        metres_per_minute: city.metres_per_minute,
        pickup_service: f64::from(city.pickup_service_min),
        dropoff_service: f64::from(city.dropoff_service_min),
        target_click_to_door: f64::from(city.target_min),
        maximum_click_to_door: f64::from(city.maximum_min),
        pay_per_order: city.pay_per_order,
        guaranteed_pay_per_hour: city.guaranteed_pay_per_hour,
    };
    (Instance { name: format!("{}-{seed}", city.name), orders, couriers, restaurants, parameters }, mishaps)
}

/// The restaurants, and the mean minutes of their kitchens.
fn restaurants(city: &City, seed: u64) -> (Vec<Restaurant>, Vec<f64>) {
    let mut rng = dice(seed, Dice::Restaurants);
    let of = &city.restaurants;
    let middles: Vec<Point> = (0..of.clusters).map(|_| anywhere(city, &mut rng, 0.2)).collect();
    let mut all = Vec::with_capacity(of.count);
    let mut means = Vec::with_capacity(of.count);
    for n in 0..of.count {
        let at = match middles.get(n % middles.len().max(1)) {
            Some(middle) => inside(city, &mut rng, |rng| {
                let (x, y) = (normal(rng), normal(rng));
                Point { x: middle.x + x * of.cluster_km * 1_000.0, y: middle.y + y * of.cluster_km * 1_000.0 }
            }),
            None => anywhere(city, &mut rng, 0.0),
        };
        all.push(Restaurant { id: format!("r{}", n + 1), at });
        means.push(log_normal(&mut rng, city.kitchen.mean_min, city.kitchen.between));
    }
    (all, means)
}

/// The orders by placement, not yet cooked.
fn orders(city: &City, seed: u64, restaurants: &[Restaurant]) -> Vec<Order> {
    let mut rng = dice(seed, Dice::Orders);
    let mut upto: Vec<f64> = Vec::with_capacity(restaurants.len());
    for n in 0..restaurants.len() {
        let share = ((n + 1) as f64).powf(-city.restaurants.skew);
        upto.push(upto.last().unwrap_or(&0.0) + share);
    }
    let all = *upto.last().unwrap_or(&0.0);
    let mut orders = Vec::new();
    for (hour, rate) in city.orders.per_hour.iter().enumerate() {
        let mut minute = gap(&mut rng, *rate);
        while minute < 60.0 {
            let placement = hour as i64 * 60 + minute as i64;
            let pick = rng.random_range(0.0..all);
            let restaurant = upto.partition_point(|s| *s <= pick).min(restaurants.len() - 1);
            let shop = restaurants[restaurant].at;
            let at = inside(city, &mut rng, |rng| near(rng, shop, city.orders.reach_km));
            orders.push(Order { id: format!("o{}", orders.len() + 1), at, placement, restaurant, ready: placement });
            minute += gap(&mut rng, *rate);
        }
    }
    orders
}

/// Minutes until the next order; never, at a rate of 0.
fn gap(rng: &mut Pcg64, per_hour: f64) -> f64 {
    -rng.random_range(f64::EPSILON..1.0).ln() * 60.0 / per_hour
}

fn cook(city: &City, seed: u64, means: &[f64], orders: &mut [Order]) {
    let mut rng = dice(seed, Dice::Kitchens);
    for order in orders {
        let mean = means[order.restaurant];
        let takes = log_normal(&mut rng, mean, city.kitchen.within).min(mean * PREP_TIMES);
        order.ready = order.placement + (takes.round() as i64).max(PREP_MIN);
    }
}

fn couriers(city: &City, seed: u64, restaurants: &[Restaurant]) -> Vec<Courier> {
    let mut rng = dice(seed, Dice::Riders);
    let (of, per_hour) = (&city.riders, &city.orders.per_hour);
    let opening = per_hour.iter().position(|n| *n > 0.0).unwrap_or(0) as i64 * 60;
    let closing = per_hour.iter().rposition(|n| *n > 0.0).unwrap_or(0) as i64 * 60 + 60;
    let mut couriers = Vec::with_capacity(of.count);
    for n in 0..of.count {
        let middle = moment(per_hour, (n as f64 + 0.5) / of.count as f64);
        let jitter = i64::from(of.jitter_min);
        let middle = middle as i64 + rng.random_range(-jitter..=jitter);
        let length = rng.random_range(i64::from(of.shift_min[0])..=i64::from(of.shift_min[1]));
        let on = match n {
            n if n * LATE < of.count => opening,
            n if (n + 1) * LATE > of.count * (LATE - 1) => closing + i64::from(of.stay_min) - length,
            _ => (middle - length / 2).max(opening).min(closing - length / 2),
        };
        let on = on.max(0) / QUARTER_MIN * QUARTER_MIN;
        let shop = restaurants[rng.random_range(0..restaurants.len())].at;
        let at = inside(city, &mut rng, |rng| near(rng, shop, city.riders.home_km));
        couriers.push(Courier { id: format!("c{}", n + 1), at, on, off: on + length });
    }
    couriers
}

/// The minute of the day by which this share of the orders is expected to have come.
fn moment(per_hour: &[f64], share: f64) -> f64 {
    let mut left = share * per_hour.iter().sum::<f64>();
    for (hour, rate) in per_hour.iter().enumerate() {
        if left < *rate {
            return hour as f64 * 60.0 + left / rate * 60.0;
        }
        left -= rate;
    }
    per_hour.len() as f64 * 60.0
}

/// Who declines what, and who falls silent.
fn mishaps(city: &City, seed: u64, orders: usize, couriers: &[Courier]) -> Mishaps {
    let mut mishaps = Mishaps::default();
    let mut rng = dice(seed, Dice::Declines);
    for order in 0..orders {
        for courier in 0..couriers.len() {
            if rng.random_range(0.0..1.0) < city.riders.declines {
                mishaps.declined.insert((courier, order));
            }
        }
    }
    let mut rng = dice(seed, Dice::Silences);
    for (n, courier) in couriers.iter().enumerate() {
        let [least, most] = city.riders.silent_min.map(i64::from);
        let (from, length) = (rng.random_range(courier.on..courier.off), rng.random_range(least..=most));
        if rng.random_range(0.0..1.0) < city.riders.silent {
            mishaps.silent.insert(n, from..from + length);
        }
    }
    mishaps
}

/// Some kitchens have a bad spell.
fn slip(city: &City, seed: u64, restaurants: &[Restaurant], orders: &mut [Order], mishaps: &mut Mishaps) {
    let mut rng = dice(seed, Dice::Slips);
    for restaurant in 0..restaurants.len() {
        // It begins with one of its orders: a kitchen that has nothing to cook is not late.
        let (slips, begins) = (rng.random_range(0.0..1.0) < city.kitchen.slipping, rng.random_range(0.0..1.0));
        let own: Vec<usize> = (0..orders.len()).filter(|o| orders[*o].restaurant == restaurant).collect();
        let Some(first) = own.get((begins * own.len() as f64) as usize).filter(|_| slips) else { continue };
        let from = orders[*first].placement;
        let [least, most] = city.kitchen.slip_min.map(i64::from);
        for order in own.iter().skip_while(|o| **o < *first) {
            let order_of = &mut orders[*order];
            if order_of.placement < from + i64::from(city.kitchen.spell_min) {
                mishaps.announced.insert(*order, order_of.ready);
                order_of.ready += rng.random_range(least..=most);
            }
        }
    }
}

/// A point of the town, away from its border by this share of its side.
fn anywhere(city: &City, rng: &mut Pcg64, border: f64) -> Point {
    let mut one = || (city.size_km * 1_000.0 * rng.random_range(border..1.0 - border)).round();
    Point { x: one(), y: one() }
}

/// A draw that is inside the town, in whole metres; at its border when none is in a hundred.
fn inside(city: &City, rng: &mut Pcg64, mut draw: impl FnMut(&mut Pcg64) -> Point) -> Point {
    let side = city.size_km * 1_000.0;
    let mut point = draw(rng);
    for _ in 0..100 {
        if (0.0..=side).contains(&point.x) && (0.0..=side).contains(&point.y) {
            break;
        }
        point = draw(rng);
    }
    Point { x: point.x.clamp(0.0, side).round(), y: point.y.clamp(0.0, side).round() }
}

/// Evenly over a disc.
fn near(rng: &mut Pcg64, around: Point, reach_km: f64) -> Point {
    let (turn, out) = (rng.random_range(0.0..TAU), rng.random_range(0.0..1.0_f64).sqrt() * reach_km * 1_000.0);
    Point { x: around.x + out * turn.cos(), y: around.y + out * turn.sin() }
}

/// Standard normal (Box and Muller 1958).
fn normal(rng: &mut Pcg64) -> f64 {
    let (u, v) = (rng.random_range(f64::EPSILON..1.0), rng.random_range(0.0..TAU));
    (-2.0 * u.ln()).sqrt() * v.cos()
}

/// Log-normal with this mean and this ratio of standard deviation to mean.
fn log_normal(rng: &mut Pcg64, mean: f64, spread: f64) -> f64 {
    let variance = (1.0 + spread * spread).ln();
    mean * (variance.sqrt() * normal(rng) - variance / 2.0).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn city() -> City {
        City::load(None).unwrap()
    }

    #[test]
    fn a_day_is_its_seed() {
        assert_eq!(draw(&city(), 7), draw(&city(), 7));
        assert_ne!(draw(&city(), 7).0.orders, draw(&city(), 8).0.orders);
    }

    #[test]
    fn another_setting_leaves_the_rest_as_it_is() {
        let mut other = city();
        (other.riders.count, other.riders.declines, other.kitchen.slipping) = (9, 0.5, 0.0);
        let ((day, mishaps), (other, others)) = (draw(&city(), 7), draw(&other, 7));
        let bare = |day: &Instance| day.orders.iter().map(|o| (o.at, o.placement, o.restaurant)).collect::<Vec<_>>();
        assert_eq!((bare(&day), &day.restaurants), (bare(&other), &other.restaurants));
        assert!(!mishaps.announced.is_empty() && others.announced.is_empty());
        for (n, (order, calm)) in day.orders.iter().zip(&other.orders).enumerate() {
            assert_eq!(mishaps.announced.get(&n).copied().unwrap_or(order.ready), calm.ready, "order {n}");
        }
    }

    #[test]
    fn what_is_drawn_is_what_was_asked_for() {
        let (mut orders, mut takes, mut declined, mut silent) = (0.0, 0.0, 0.0, 0.0);
        for seed in 0..20 {
            let (day, mishaps) = draw(&City { name: "x".into(), ..city() }, seed);
            assert_eq!((day.couriers.len(), day.restaurants.len()), (70, 60));
            assert!(day.orders.is_sorted_by_key(|o| o.placement));
            orders += day.orders.len() as f64 / 20.0;
            let announced =
                |(n, o): (usize, &Order)| mishaps.announced.get(&n).copied().unwrap_or(o.ready) - o.placement;
            takes += day.orders.iter().enumerate().map(announced).sum::<i64>() as f64 / day.orders.len() as f64 / 20.0;
            declined += mishaps.declined.len() as f64 / (day.orders.len() * day.couriers.len()) as f64 / 20.0;
            silent += mishaps.silent.len() as f64 / day.couriers.len() as f64 / 20.0;
            for (n, order) in day.orders.iter().enumerate() {
                let slip = mishaps.announced.get(&n).map_or(0, |announced| order.ready - announced);
                assert!(slip == 0 || (8..=20).contains(&slip), "{slip}");
            }
            let last = day.orders.iter().map(|o| o.ready).max().unwrap();
            assert!(day.last_off() >= last, "somebody is there for the last order");
        }
        let expected = city().orders.per_hour.iter().sum::<f64>();
        assert!((orders - expected).abs() < 20.0, "{orders} orders, not about {expected}");
        assert!((takes - 17.0).abs() < 1.0, "{takes} minutes");
        assert!((declined - 0.08).abs() < 0.01 && (silent - 0.06).abs() < 0.03, "{declined}, {silent}");
    }
}
