//! Who is at work: the shops' tablets, and as many riders as a rung wants.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio_util::sync::CancellationToken;

use super::city::{City, Person};
use super::people::{keep_shop, ride};
use pannier_client::Rider;

/// Riders for each order a second that is offered: each is busy for a fraction of a second per order, and a platform
/// that is slow must not look as if riders were missing.
const RIDERS_PER_RATE: f64 = 8.0;
/// A zone has at least so many.
const RIDERS_LEAST: usize = 24;
/// Calls under way at once.
const AT_ONCE: usize = 8;

/// The people at work in a city.
pub struct Crew {
    city: Arc<City>,
    /// Everybody who was hired; the first `on_shift.len()` of them are on shift.
    riders: Vec<Person>,
    on_shift: Vec<CancellationToken>,
}

/// How many riders suit a rate.
#[must_use]
pub fn riders_for(rate: f64) -> usize {
    ((rate * RIDERS_PER_RATE).ceil() as usize).max(RIDERS_LEAST)
}

impl Crew {
    /// Opens the shops; nobody rides yet.
    #[must_use]
    pub fn open_shops(city: &Arc<City>) -> Self {
        for shop in &city.shops {
            tokio::spawn(keep_shop(city.clone(), shop.clone()));
        }
        Self { city: city.clone(), riders: Vec::new(), on_shift: Vec::new() }
    }

    /// How many are on shift.
    #[must_use]
    pub fn riders(&self) -> usize {
        self.on_shift.len()
    }

    /// Brings the number of riders on shift to `wanted`.
    ///
    /// # Errors
    /// The platform refuses or does not answer.
    pub async fn resize(&mut self, wanted: usize) -> Result<()> {
        let missing = self.riders.len()..wanted;
        let hired: Vec<Person> = futures::stream::iter(missing.map(|n| self.city.hire(n)))
            .buffered(AT_ONCE)
            .try_collect()
            .await
            .context("a rider cannot be made")?;
        self.riders.extend(hired);
        let (before, api) = (self.on_shift.len(), &self.city.api);
        let coming = self.riders.iter().take(wanted).skip(before);
        futures::stream::iter(coming.map(|rider| async move { Rider::new(api, &rider.id).online(rider.place).await }))
            .buffer_unordered(AT_ONCE)
            .try_for_each(|_| std::future::ready(Ok(())))
            .await
            .context("a rider cannot come on shift")?;
        for rider in self.riders.iter().take(wanted).skip(before) {
            let token = self.city.stop.child_token();
            tokio::spawn(ride(self.city.clone(), rider.clone(), token.clone()));
            self.on_shift.push(token);
        }
        let going = self.on_shift.split_off(wanted.min(self.on_shift.len()));
        for token in &going {
            token.cancel();
        }
        let gone = self.riders.iter().skip(self.on_shift.len()).take(going.len());
        // Whoever still carries something after an overload is refused and stays; they get no stream, so no offers that count.
        futures::stream::iter(gone.map(|rider| async move { Rider::new(api, &rider.id).offline().await }))
            .buffer_unordered(AT_ONCE)
            .for_each(|_| std::future::ready(()))
            .await;
        if before != wanted {
            // Streams are opened by now, or a moment later.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }
}
