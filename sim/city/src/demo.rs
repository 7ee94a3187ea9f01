//! The demo city: a made-up town with continuous demand, for `pannier up`.
//!
//! Its plan and its ids follow from its seed, so a city that is started again over the same data finds its shops, riders
//! and open orders.

mod city;
mod demand;
mod external_orders;
mod plan;

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::city::City;
pub use self::plan::CityOptions;
use self::plan::Town;
use crate::bots::ShopBot;
use crate::clock::Clock;
use pannier_client::{Api, Shop, Target};

/// Runs the city until `shutdown`. Waits for services that do not answer.
///
/// # Errors
/// When no HTTP client can be created or the plan has an invalid place.
pub async fn run(target: Target, options: CityOptions, shutdown: CancellationToken) -> anyhow::Result<()> {
    let api = Api::new(target, None, shutdown)?;
    let town = Town::plan(&options)?;
    let clock = Clock::start(0.0, options.speed);
    let city = Arc::new(City { api, town, clock, channel: Arc::default(), counters: Arc::default() });
    if city.set_up().await.is_err() {
        return Ok(());
    }
    tracing::info!(
        "The city runs: {} shops, {} riders, {}x",
        city.town.shops.len(),
        city.town.riders.len(),
        options.speed
    );
    let mut bots = JoinSet::new();
    for shop in &city.town.shops {
        let tablet = Shop::new(&city.api, &shop.id.to_string());
        bots.spawn(ShopBot::new(tablet, city.channel.clone(), city.counters.clone(), city.usual_prep()).run());
    }
    for n in 0..city.town.riders.len() {
        bots.spawn(city.clone().run_rider(n));
    }
    bots.spawn(demand::run(city.clone()));
    bots.spawn(external_orders::run(city.clone()));
    while let Some(ended) = bots.join_next().await {
        if let Err(e) = ended {
            // The demo goes on without a bot that panicked.
            tracing::error!("A bot panicked: {e}");
        }
    }
    Ok(())
}
