//! The bots at work: all shops, and as many riders as a load step needs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio_util::sync::CancellationToken;

use super::bots::{run_rider, run_shop};
use super::city::{Account, City};
use pannier_client::Rider;

/// Riders per offered order a second. Many: each is busy for a fraction of a second per order, and a slow platform must not
/// look like a lack of riders.
const RIDERS_PER_RATE: f64 = 8.0;
/// Riders at the lowest rates.
const RIDERS_MIN: usize = 24;
/// Calls in flight at a time.
const CONCURRENCY: usize = 8;

/// The shops and riders at work in a city.
pub struct Staff {
    city: Arc<City>,
    /// All riders; the first `on_shift.len()` of them are on shift.
    riders: Vec<Account>,
    on_shift: Vec<CancellationToken>,
}

/// The number of riders for a rate, orders a second.
#[must_use]
pub fn riders_for(rate: f64) -> usize {
    ((rate * RIDERS_PER_RATE).ceil() as usize).max(RIDERS_MIN)
}

impl Staff {
    /// Starts all shops; no rider is on shift.
    #[must_use]
    pub fn open_shops(city: &Arc<City>) -> Self {
        for shop in &city.shops {
            tokio::spawn(run_shop(city.clone(), shop.clone()));
        }
        Self { city: city.clone(), riders: Vec::new(), on_shift: Vec::new() }
    }

    /// The number of riders on shift.
    #[must_use]
    pub fn riders(&self) -> usize {
        self.on_shift.len()
    }

    /// Starts or ends shifts until `wanted` riders are on shift.
    ///
    /// # Errors
    /// The platform refuses or does not answer.
    pub async fn resize(&mut self, wanted: usize) -> Result<()> {
        let missing = self.riders.len()..wanted;
        let created: Vec<Account> = futures::stream::iter(missing.map(|n| self.city.create_rider(n)))
            .buffered(CONCURRENCY)
            .try_collect()
            .await
            .context("a rider cannot be made")?;
        self.riders.extend(created);
        let (before, api) = (self.on_shift.len(), &self.city.api);
        let coming = self.riders.iter().take(wanted).skip(before);
        futures::stream::iter(coming.map(|rider| async move { Rider::new(api, &rider.id).online(rider.place).await }))
            .buffer_unordered(CONCURRENCY)
            .try_for_each(|_| std::future::ready(Ok(())))
            .await
            .context("a rider cannot come on shift")?;
        for rider in self.riders.iter().take(wanted).skip(before) {
            let token = self.city.stop.child_token();
            tokio::spawn(run_rider(self.city.clone(), rider.clone(), token.clone()));
            self.on_shift.push(token);
        }
        let going = self.on_shift.split_off(wanted.min(self.on_shift.len()));
        for token in &going {
            token.cancel();
        }
        let gone = self.riders.iter().skip(self.on_shift.len()).take(going.len());
        // Refused for riders with open deliveries after an overload; without a stream they answer no offers.
        futures::stream::iter(gone.map(|rider| async move { Rider::new(api, &rider.id).offline().await }))
            .buffer_unordered(CONCURRENCY)
            .for_each(|_| std::future::ready(()))
            .await;
        if before != wanted {
            // The riders' streams need a moment to open.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }
}
