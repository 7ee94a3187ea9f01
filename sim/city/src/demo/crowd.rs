//! Those who order: as many as the riders on shift can carry.

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

use super::{AT_ONCE, City, ORDERS_PER_RIDER_HOUR, Town, is_ours};
use crate::bots::{Told, Wish, follow, place};
use pannier_client::{Customer, OrderView};

/// The first orders are quick and near: somebody is waiting to see one arrive.
const QUICK: u32 = 6;
/// City minutes that a kitchen takes.
const PREP_MINUTES: std::ops::Range<f64> = 5.0..14.0;
/// With more open orders than this per rider on shift, nobody orders: a platform that was away catches up first.
const OPEN_PER_RIDER: u64 = 4;
/// How many orders of a customer are looked through for ones that an earlier life of the city left open.
const LOOK_BACK: u32 = 10;
/// How long a rider may take to come on shift before the rate is looked at again.
const NOBODY_THERE: Duration = Duration::from_millis(300);

/// Orders until the city ends.
pub async fn run(city: Arc<City>) {
    let mut open = JoinSet::new();
    remember(&city, &mut open).await;
    // The past is not played again: what is ordered depends on the seed and on when the city was started.
    let run = Uuid::now_v7();
    let mut rng = StdRng::seed_from_u64(city.town.seed ^ run.as_u128() as u64);
    let mut next = Instant::now();
    for n in 0_u32.. {
        let (on_shift, waiting) = loop {
            let on_shift = city.counters.on_shift.load(Ordering::Relaxed);
            while open.try_join_next().is_some() {}
            let waiting = open.len() as u64;
            if on_shift > 0 && waiting < on_shift * OPEN_PER_RIDER {
                break (on_shift, waiting);
            }
            if city.pause(Instant::now() + NOBODY_THERE).await.is_err() {
                return;
            }
        };
        tracing::debug!("{waiting} orders open, {on_shift} riders on shift");
        let Some(wish) = wish(&city, &mut rng, run, n) else { return };
        open.spawn(one(city.clone(), rng.random_range(0..city.town.customers.len()), wish));
        let rate = on_shift as f64 * ORDERS_PER_RIDER_HOUR * city.clock.speed() / 3600.0;
        // Exponential gaps: people do not wait for each other.
        let gap = -rng.random_range(f64::EPSILON..1.0).ln() / rate;
        next = (next + Duration::from_secs_f64(gap.min(60.0))).max(Instant::now() - Duration::from_secs(1));
        if city.pause(next).await.is_err() {
            return;
        }
    }
}

fn wish(city: &City, rng: &mut StdRng, run: Uuid, n: u32) -> Option<Wish> {
    let is_quick = n < QUICK;
    let shop = &city.town.shops[rng.random_range(0..city.town.shops.len())];
    let to = Town::door(rng, shop, if is_quick { 0.2 } else { 1.0 }).ok()?;
    let minutes = if is_quick { 1.0 } else { rng.random_range(PREP_MINUTES) };
    let prep = TimeDelta::from_std(city.clock.real(minutes)).ok()?;
    Some(Wish {
        merchant: shop.id,
        sku: shop.menu[rng.random_range(0..shop.menu.len())].sku.clone(),
        quantity: rng.random_range(1..4),
        to,
        // Customers live longer than a run of the city: their names for orders must not come back.
        external_id: format!("{}-{n}", run.simple()),
        key: format!("city-{}-{n}", run.simple()),
        ready_at: Utc::now() + prep,
    })
}

async fn one(city: Arc<City>, customer: usize, wish: Wish) {
    let customer = city.customer(customer);
    if let Ok(order) = place(&customer, &wish, &city.directory, &city.counters).await {
        follow(&customer, order.id, &city.counters).await;
        city.directory.forget(order.id);
    }
}

/// Finds the orders that an earlier life of the city left open: their riders will ask for the PIN.
async fn remember(city: &Arc<City>, open: &mut JoinSet<()>) {
    let customers = futures::stream::iter(0..city.town.customers.len()).map(|n| left_open(city, n));
    let found: Vec<_> = customers.buffer_unordered(AT_ONCE).collect().await;
    let found: Vec<_> = found.into_iter().flatten().collect();
    if !found.is_empty() {
        tracing::info!("The city goes on with {} open orders", found.len());
    }
    for (customer, order) in found {
        let ready_at = order.ready_at.unwrap_or_else(Utc::now);
        city.directory.tell(order.id, Told { pin: order.pin.unwrap_or_default(), ready_at });
        city.counters.placed.fetch_add(1, Ordering::Relaxed);
        let city = city.clone();
        open.spawn(async move {
            follow(&customer, order.id, &city.counters).await;
            city.directory.forget(order.id);
        });
    }
}

async fn left_open(city: &Arc<City>, n: usize) -> Vec<(Customer, OrderView)> {
    let customer = city.customer(n);
    let newest = customer.newest(LOOK_BACK).await.unwrap_or_default();
    let mut found = Vec::new();
    for order in newest.into_iter().filter(|o| !o.is_over() && is_ours(city, o.merchant_id)) {
        match customer.read(order.id).await {
            Ok(order) => found.push((customer.clone(), order)),
            Err(e) => city.counters.trouble(format!("Order {} cannot be read: {e}", order.id)),
        }
    }
    found
}
