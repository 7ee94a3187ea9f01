//! Generates a day of a city from a seed: orders, couriers, disruptions.
//!
//! Each subject has its own random number stream, so that a city with more riders has the same orders. Coordinates are
//! whole metres and times whole minutes, because the last digit of a logarithm differs between machines.

use rand::RngExt;
use rand_pcg::Pcg64;

use super::sampling::{inside, interarrival_min, log_normal, normal, uniform, within_disc};
use super::settings::City;
use crate::bench::simulation::disruptions::{Disruptions, Offer};
use pannier_instance::{Courier, Instance, Order, Parameters, Point, Restaurant};

/// One rider in this many starts at opening time, and one in as many stays past closing time.
const EDGE_SHIFTS: usize = 10;
/// Shifts begin on the quarter hour.
const QUARTER_MIN: i64 = 15;
/// Shortest preparation time, minutes.
const MIN_PREPARATION_MIN: i64 = 2;
/// Longest preparation time as a multiple of the restaurant's mean.
const MAX_PREPARATION_FACTOR: f64 = 6.0;
const MINUTE_MS: f64 = 60_000.0;

/// The random number streams. Their numbers are part of the generator: reordering changes all days.
#[derive(Clone, Copy)]
enum Stream {
    Restaurants,
    Orders,
    Kitchens,
    Riders,
    Declines,
    Silences,
    Slips,
}

fn random(seed: u64, stream: Stream) -> Pcg64 {
    Pcg64::new(u128::from(seed), stream as u128)
}

/// Generates a day and its disruptions.
#[must_use]
pub fn generate(city: &City, seed: u64) -> (Instance, Disruptions) {
    let (restaurants, mean_min) = restaurants(city, seed);
    let mut orders = orders(city, seed, &restaurants);
    set_ready_times(city, seed, &mean_min, &mut orders);
    let couriers = couriers(city, seed, &restaurants);
    let mut disruptions = Disruptions {
        stated_ms: mean_min.iter().map(|min| (min * MINUTE_MS) as i64).collect(),
        ..rider_disruptions(city, seed, orders.len(), &couriers)
    };
    delay_kitchens(city, seed, &restaurants, &mut orders, &mut disruptions);
    let parameters = Parameters {
        metres_per_minute: city.metres_per_minute,
        pickup_service: f64::from(city.pickup_service_min),
        dropoff_service: f64::from(city.dropoff_service_min),
        target_click_to_door: f64::from(city.target_min),
        maximum_click_to_door: f64::from(city.maximum_min),
        pay_per_order: city.pay_per_order,
        guaranteed_pay_per_hour: city.guaranteed_pay_per_hour,
    };
    (Instance { name: format!("{}-{seed}", city.name), orders, couriers, restaurants, parameters }, disruptions)
}

/// The restaurants and their mean preparation times, minutes.
fn restaurants(city: &City, seed: u64) -> (Vec<Restaurant>, Vec<f64>) {
    let mut rng = random(seed, Stream::Restaurants);
    let side_m = city.size_km * 1_000.0;
    let of = &city.restaurants;
    let centres: Vec<Point> = (0..of.clusters).map(|_| uniform(side_m, &mut rng, 0.2)).collect();
    let mut all = Vec::with_capacity(of.count);
    let mut means = Vec::with_capacity(of.count);
    for n in 0..of.count {
        let at = match centres.get(n % centres.len().max(1)) {
            Some(centre) => inside(side_m, &mut rng, |rng| {
                let (x, y) = (normal(rng), normal(rng));
                Point { x: centre.x + x * of.cluster_km * 1_000.0, y: centre.y + y * of.cluster_km * 1_000.0 }
            }),
            None => uniform(side_m, &mut rng, 0.0),
        };
        all.push(Restaurant { id: format!("r{}", n + 1), at });
        means.push(log_normal(&mut rng, city.kitchen.mean_min, city.kitchen.between));
    }
    (all, means)
}

/// The orders by placement, with the placement as ready time. A restaurant's share of the orders falls with its index.
fn orders(city: &City, seed: u64, restaurants: &[Restaurant]) -> Vec<Order> {
    let mut rng = random(seed, Stream::Orders);
    let side_m = city.size_km * 1_000.0;
    let mut cumulative: Vec<f64> = Vec::with_capacity(restaurants.len());
    for n in 0..restaurants.len() {
        let share = ((n + 1) as f64).powf(-city.restaurants.skew);
        cumulative.push(cumulative.last().unwrap_or(&0.0) + share);
    }
    let total = *cumulative.last().unwrap_or(&0.0);
    let mut orders = Vec::new();
    for (hour, rate) in city.orders.per_hour.iter().enumerate() {
        let mut minute = interarrival_min(&mut rng, *rate);
        while minute < 60.0 {
            let placement = hour as i64 * 60 + minute as i64;
            let pick = rng.random_range(0.0..total);
            let restaurant = cumulative.partition_point(|s| *s <= pick).min(restaurants.len() - 1);
            let shop = restaurants[restaurant].at;
            let at = inside(side_m, &mut rng, |rng| within_disc(rng, shop, city.orders.reach_km));
            orders.push(Order { id: format!("o{}", orders.len() + 1), at, placement, restaurant, ready: placement });
            minute += interarrival_min(&mut rng, *rate);
        }
    }
    orders
}

fn set_ready_times(city: &City, seed: u64, means: &[f64], orders: &mut [Order]) {
    let mut rng = random(seed, Stream::Kitchens);
    for order in orders {
        let mean = means[order.restaurant];
        let preparation = log_normal(&mut rng, mean, city.kitchen.within).min(mean * MAX_PREPARATION_FACTOR);
        order.ready = order.placement + (preparation.round() as i64).max(MIN_PREPARATION_MIN);
    }
}

fn couriers(city: &City, seed: u64, restaurants: &[Restaurant]) -> Vec<Courier> {
    let mut rng = random(seed, Stream::Riders);
    let side_m = city.size_km * 1_000.0;
    let (of, per_hour) = (&city.riders, &city.orders.per_hour);
    let opening = per_hour.iter().position(|n| *n > 0.0).unwrap_or(0) as i64 * 60;
    let closing = per_hour.iter().rposition(|n| *n > 0.0).unwrap_or(0) as i64 * 60 + 60;
    let mut couriers = Vec::with_capacity(of.count);
    for n in 0..of.count {
        let middle = minute_of_share(per_hour, (n as f64 + 0.5) / of.count as f64);
        let jitter = i64::from(of.jitter_min);
        let middle = middle as i64 + rng.random_range(-jitter..=jitter);
        let length = rng.random_range(i64::from(of.shift_min[0])..=i64::from(of.shift_min[1]));
        let on = match n {
            n if n * EDGE_SHIFTS < of.count => opening,
            n if (n + 1) * EDGE_SHIFTS > of.count * (EDGE_SHIFTS - 1) => closing + i64::from(of.stay_min) - length,
            _ => (middle - length / 2).max(opening).min(closing - length / 2),
        };
        let on = on.max(0) / QUARTER_MIN * QUARTER_MIN;
        let shop = restaurants[rng.random_range(0..restaurants.len())].at;
        let at = inside(side_m, &mut rng, |rng| within_disc(rng, shop, city.riders.home_km));
        couriers.push(Courier { id: format!("c{}", n + 1), at, on, off: on + length });
    }
    couriers
}

/// The minute of the day by which this share of the orders is expected.
fn minute_of_share(per_hour: &[f64], share: f64) -> f64 {
    let mut left = share * per_hour.iter().sum::<f64>();
    for (hour, rate) in per_hour.iter().enumerate() {
        if left < *rate {
            return hour as f64 * 60.0 + left / rate * 60.0;
        }
        left -= rate;
    }
    per_hour.len() as f64 * 60.0
}

/// Declined offers and silences.
fn rider_disruptions(city: &City, seed: u64, orders: usize, couriers: &[Courier]) -> Disruptions {
    let mut disruptions = Disruptions::default();
    let mut rng = random(seed, Stream::Declines);
    for order in 0..orders {
        for courier in 0..couriers.len() {
            if rng.random_range(0.0..1.0) < city.riders.declines {
                disruptions.declined.insert(Offer { courier, order });
            }
        }
    }
    let mut rng = random(seed, Stream::Silences);
    for (n, courier) in couriers.iter().enumerate() {
        let [least, most] = city.riders.silent_min.map(i64::from);
        let (from, length) = (rng.random_range(courier.on..courier.off), rng.random_range(least..=most));
        if rng.random_range(0.0..1.0) < city.riders.silent {
            disruptions.silent.insert(n, from..from + length);
        }
    }
    disruptions
}

/// Delays all orders of some restaurants during one period of the day.
fn delay_kitchens(
    city: &City,
    seed: u64,
    restaurants: &[Restaurant],
    orders: &mut [Order],
    disruptions: &mut Disruptions,
) {
    let mut rng = random(seed, Stream::Slips);
    for restaurant in 0..restaurants.len() {
        // The period begins with an order of the restaurant, so that it affects at least one.
        let (is_delayed, start) = (rng.random_range(0.0..1.0) < city.kitchen.slipping, rng.random_range(0.0..1.0));
        let own: Vec<usize> = (0..orders.len()).filter(|o| orders[*o].restaurant == restaurant).collect();
        let Some(first) = own.get((start * own.len() as f64) as usize).filter(|_| is_delayed) else { continue };
        let from = orders[*first].placement;
        let [least, most] = city.kitchen.slip_min.map(i64::from);
        for order in own.iter().skip_while(|o| **o < *first) {
            let o = &mut orders[*order];
            if o.placement < from + i64::from(city.kitchen.spell_min) {
                disruptions.announced_ready.insert(*order, o.ready);
                o.ready += rng.random_range(least..=most);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn city() -> City {
        City::load(None).unwrap()
    }

    #[test]
    fn the_same_seed_gives_the_same_day() {
        assert_eq!(generate(&city(), 7), generate(&city(), 7));
        assert_ne!(generate(&city(), 7).0.orders, generate(&city(), 8).0.orders);
    }

    #[test]
    fn a_setting_changes_only_its_own_subject() {
        let mut other = city();
        (other.riders.count, other.riders.declines, other.kitchen.slipping) = (9, 0.5, 0.0);
        let ((day, disruptions), (other, others)) = (generate(&city(), 7), generate(&other, 7));
        let bare = |day: &Instance| day.orders.iter().map(|o| (o.at, o.placement, o.restaurant)).collect::<Vec<_>>();
        assert_eq!((bare(&day), &day.restaurants), (bare(&other), &other.restaurants));
        assert!(!disruptions.announced_ready.is_empty() && others.announced_ready.is_empty());
        for (n, (order, calm)) in day.orders.iter().zip(&other.orders).enumerate() {
            assert_eq!(disruptions.announced_ready.get(&n).copied().unwrap_or(order.ready), calm.ready, "order {n}");
        }
    }

    #[test]
    fn days_have_the_configured_statistics() {
        let (mut orders, mut takes, mut declined, mut silent) = (0.0, 0.0, 0.0, 0.0);
        for seed in 0..20 {
            let (day, disruptions) = generate(&City { name: "x".into(), ..city() }, seed);
            assert_eq!((day.couriers.len(), day.restaurants.len()), (70, 60));
            assert!(day.orders.is_sorted_by_key(|o| o.placement));
            orders += day.orders.len() as f64 / 20.0;
            let announced =
                |(n, o): (usize, &Order)| disruptions.announced_ready.get(&n).copied().unwrap_or(o.ready) - o.placement;
            takes += day.orders.iter().enumerate().map(announced).sum::<i64>() as f64 / day.orders.len() as f64 / 20.0;
            declined += disruptions.declined.len() as f64 / (day.orders.len() * day.couriers.len()) as f64 / 20.0;
            silent += disruptions.silent.len() as f64 / day.couriers.len() as f64 / 20.0;
            for (n, order) in day.orders.iter().enumerate() {
                let slip = disruptions.announced_ready.get(&n).map_or(0, |announced| order.ready - announced);
                assert!(slip == 0 || (8..=20).contains(&slip), "{slip}");
            }
            let last = day.orders.iter().map(|o| o.ready).max().unwrap();
            assert!(day.last_off() >= last, "the last order is ready within a shift");
        }
        let expected = city().orders.per_hour.iter().sum::<f64>();
        assert!((orders - expected).abs() < 20.0, "{orders} orders, not about {expected}");
        assert!((takes - 17.0).abs() < 1.0, "{takes} minutes");
        assert!((declined - 0.08).abs() < 0.01 && (silent - 0.06).abs() < 0.03, "{declined}, {silent}");
    }
}
