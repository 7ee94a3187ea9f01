//! The city's customers: orders arrive at a rate that the riders on shift can carry.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use futures::StreamExt;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::city::{CONCURRENCY, City};
use super::plan::Town;
use crate::bots::{OrderFacts, OrderRequest, follow, place};
use pannier_client::{Customer, OrderView};

/// Orders per hour of the city and rider on shift: a courier's usual load.
const ORDERS_PER_RIDER_HOUR: f64 = 2.5;
/// The first orders are prepared quickly and delivered nearby, so that a demo soon shows a delivery.
const QUICK_ORDERS: u32 = 6;
/// Preparation times, city minutes.
const PREP_MINUTES: std::ops::Range<f64> = 5.0..14.0;
/// At this many open orders per rider on shift no order is placed, so that a platform that was down catches up first.
const OPEN_ORDERS_PER_RIDER: u64 = 4;
/// A customer's newest orders that are searched for open ones of an earlier run.
const ORDERS_TO_RESUME: u32 = 10;
/// Interval of looking for riders on shift, and for fewer open orders.
const CAPACITY_POLL_EVERY: Duration = Duration::from_millis(300);

/// Places orders until the city ends.
pub async fn run(city: Arc<City>) {
    let mut open = JoinSet::new();
    resume_open_orders(&city, &mut open).await;
    // Each run has its own orders: they depend on the seed and on the time of the start.
    let run = Uuid::now_v7();
    let mut rng = StdRng::seed_from_u64(city.town.seed ^ run.as_u128() as u64);
    let mut next = Instant::now();
    for n in 0_u32.. {
        let (on_shift, waiting) = loop {
            let on_shift = city.counters.on_shift.load(Ordering::Relaxed);
            while open.try_join_next().is_some() {}
            let waiting = open.len() as u64;
            if on_shift > 0 && waiting < on_shift * OPEN_ORDERS_PER_RIDER {
                break (on_shift, waiting);
            }
            if city.sleep_until(Instant::now() + CAPACITY_POLL_EVERY).await.is_err() {
                return;
            }
        };
        tracing::debug!("{waiting} orders open, {on_shift} riders on shift");
        let Some(request) = draw_request(&city, &mut rng, run, n) else { return };
        let customer = city.customer(rng.random_range(0..city.town.customers.len()));
        open.spawn(place_and_follow(city.clone(), customer, request));
        let rate = on_shift as f64 * ORDERS_PER_RIDER_HOUR * city.clock.speed() / 3600.0;
        // Exponential gaps: a Poisson process.
        let gap = -rng.random_range(f64::EPSILON..1.0).ln() / rate;
        next = (next + Duration::from_secs_f64(gap.min(60.0))).max(Instant::now() - Duration::from_secs(1));
        if city.sleep_until(next).await.is_err() {
            return;
        }
    }
}

fn draw_request(city: &City, rng: &mut StdRng, run: Uuid, n: u32) -> Option<OrderRequest> {
    let is_quick = n < QUICK_ORDERS;
    let shop = &city.town.shops[rng.random_range(0..city.town.shops.len())];
    let to = Town::door(rng, shop, if is_quick { 0.2 } else { 1.0 }).ok()?;
    let minutes = if is_quick { 1.0 } else { rng.random_range(PREP_MINUTES) };
    let prep = TimeDelta::from_std(city.clock.real(minutes)).ok()?;
    Some(OrderRequest {
        merchant: shop.id,
        sku: shop.menu[rng.random_range(0..shop.menu.len())].sku.clone(),
        quantity: rng.random_range(1..4),
        to,
        // Customers are the same in every run of the city, so their references for orders include the run.
        external_id: format!("{}-{n}", run.simple()),
        key: format!("city-{}-{n}", run.simple()),
        ready_at: Utc::now() + prep,
    })
}

async fn place_and_follow(city: Arc<City>, customer: Customer, request: OrderRequest) {
    if let Ok(order) = place(&customer, &request, &city.channel, &city.counters).await {
        follow(&customer, order.id, &city.counters).await;
        city.channel.remove(order.id);
    }
}

/// Finds open orders of an earlier run and publishes their PINs, which the riders need.
async fn resume_open_orders(city: &Arc<City>, open: &mut JoinSet<()>) {
    let customers = futures::stream::iter(0..city.town.customers.len()).map(|n| open_orders_of(city, n));
    let found: Vec<_> = customers.buffer_unordered(CONCURRENCY).collect().await;
    let found: Vec<_> = found.into_iter().flatten().collect();
    if !found.is_empty() {
        tracing::info!("The city resumes {} open orders", found.len());
    }
    for (customer, order) in found {
        let ready_at = order.ready_at.unwrap_or_else(Utc::now);
        city.channel.publish(order.id, OrderFacts { pin: order.pin.unwrap_or_default(), ready_at });
        city.counters.placed.fetch_add(1, Ordering::Relaxed);
        let city = city.clone();
        open.spawn(async move {
            follow(&customer, order.id, &city.counters).await;
            city.channel.remove(order.id);
        });
    }
}

async fn open_orders_of(city: &Arc<City>, n: usize) -> Vec<(Customer, OrderView)> {
    let customer = city.customer(n);
    let newest = customer.newest(ORDERS_TO_RESUME).await.unwrap_or_default();
    let mut found = Vec::new();
    for order in newest.into_iter().filter(|o| !o.is_over() && city.has_shop(o.merchant_id)) {
        match customer.read(order.id).await {
            Ok(order) => found.push((customer.clone(), order)),
            Err(e) => city.counters.warn(format!("Order {} cannot be read: {e}", order.id)),
        }
    }
    found
}
