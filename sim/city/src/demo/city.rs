//! The running demo city: its set-up through the public APIs, and its riders' shifts.

use std::sync::Arc;
use std::time::Duration;

use backon::{ConstantBuilder, Retryable as _};
use futures::StreamExt;
use pannier_contracts::MerchantId;
use pannier_contracts::merchant::MerchantStatus;
use pannier_contracts::zone::Policy;
use tokio::time::{Instant, sleep_until};

use super::plan::{RiderPlan, ShopPlan, Town};
use crate::bots::{Counters, RiderBot, ServiceTimes, SideChannel};
use crate::clock::Clock;
use pannier_client::{Api, CallError, Customer, Ops, Rider, Shop};

/// City minutes at the shop and at the customer, each: half before and half after the handover.
const SERVICE_MINUTES: f64 = 3.0;
/// City minutes that a rider with collected orders waits for another order.
const PATIENCE_MINUTES: f64 = 3.0;
/// City minutes of preparation of orders without a known ready time.
const USUAL_PREP_MINUTES: f64 = 10.0;
/// Set-up calls in flight at a time.
pub const CONCURRENCY: usize = 8;
/// A failed set-up call is repeated, without limit, after this delay: the services may still be starting.
const RETRY: ConstantBuilder = ConstantBuilder::new().with_delay(Duration::from_secs(1)).without_max_times();

pub struct City {
    pub api: Arc<Api>,
    pub town: Town,
    pub clock: Clock,
    pub channel: Arc<SideChannel>,
    pub counters: Arc<Counters>,
}

impl City {
    /// Creates zone, shops and riders, or finds those of an earlier run.
    pub async fn set_up(self: &Arc<Self>) -> Result<(), CallError> {
        let ops = Ops::new(&self.api, "city");
        let policy = self.policy();
        self.retry(|| ops.put_zone(&self.town.zone, "Demo city", &self.town.polygon, &policy)).await?;
        let shops = self.town.shops.iter().map(|plan| self.retry(move || self.put_shop(plan)));
        let riders = self.town.riders.iter().map(|plan| self.retry(move || self.put_rider(plan)));
        let shops = futures::stream::iter(shops).buffer_unordered(CONCURRENCY).collect::<Vec<_>>();
        let riders = futures::stream::iter(riders).buffer_unordered(CONCURRENCY).collect::<Vec<_>>();
        let (shops, riders) = tokio::join!(shops, riders);
        shops.into_iter().chain(riders).collect()
    }

    /// The default policy, its durations divided by the city's speed.
    fn policy(&self) -> Policy {
        let speed = self.clock.speed();
        let policy = Policy::default().at_speed(speed);
        Policy {
            // Offers last 20 s of real time at any speed: there has to be time for several.
            give_up_ms: policy.give_up_ms.max(60_000),
            courier_mps: (self.town.speed_mps * speed).round() as u32,
            ..policy
        }
    }

    async fn put_shop(&self, plan: &ShopPlan) -> Result<(), CallError> {
        let shop = Shop::new(&self.api, &plan.id.to_string());
        let seen = shop.profile().await?;
        let prep_ms = self.usual_prep().as_millis() as i64;
        let seen = match seen {
            Some(seen) => seen,
            None => shop.put_profile(&plan.name, plan.place, prep_ms, None).await?,
        };
        let seen = shop.put_menu(&plan.menu, seen.version).await?;
        if seen.status != MerchantStatus::Open {
            shop.open(seen.version).await?;
        }
        Ok(())
    }

    async fn put_rider(&self, plan: &RiderPlan) -> Result<(), CallError> {
        let app = Rider::new(&self.api, &plan.id.to_string());
        app.put_profile(&plan.name, self.town.speed_mps * self.clock.speed(), 2).await.map(drop)
    }

    /// Repeats a call until it succeeds or the city ends.
    async fn retry<T, F: Future<Output = Result<T, CallError>>>(
        &self,
        call: impl FnMut() -> F,
    ) -> Result<(), CallError> {
        let done = call
            .retry(RETRY)
            .when(|e| !e.is_stop())
            .notify(|e, _| tracing::warn!("The city cannot be set up yet: {e}"));
        tokio::select! {
            () = self.api.stop().cancelled() => Err(CallError::Stopped),
            done = done => done.map(drop),
        }
    }

    /// Sleeps. Fails when the city ends first.
    pub async fn sleep_until(&self, until: Instant) -> Result<(), CallError> {
        tokio::select! {
            () = self.api.stop().cancelled() => Err(CallError::Stopped),
            () = sleep_until(until) => Ok(()),
        }
    }

    /// Runs the shifts and breaks of the `n`-th rider until the city ends.
    pub async fn run_rider(self: Arc<Self>, n: usize) {
        let plan = &self.town.riders[n];
        let half = self.clock.real(SERVICE_MINUTES / 2.0);
        let patience = self.clock.real(PATIENCE_MINUTES);
        let bot = RiderBot {
            app: Rider::new(&self.api, &plan.id.to_string()),
            rider: plan.id,
            speed_mps: self.town.speed_mps * self.clock.speed(),
            service_times: ServiceTimes { half_pickup: half, half_dropoff: half, patience },
            channel: self.channel.clone(),
            counters: self.counters.clone(),
        };
        let mut here = plan.home;
        for shift in 0_u32.. {
            let minutes = self.town.shift_minutes(n, shift);
            here = bot.shift(here, Instant::now() + self.clock.real(minutes.work)).await;
            if self.sleep_until(Instant::now() + self.clock.real(minutes.rest)).await.is_err() {
                return;
            }
        }
    }

    pub fn customer(&self, n: usize) -> Customer {
        Customer::new(&self.api, &self.town.customers[n].to_string())
    }

    /// Preparation time of orders without a known ready time, in real time.
    pub fn usual_prep(&self) -> Duration {
        self.clock.real(USUAL_PREP_MINUTES)
    }

    pub fn has_shop(&self, shop: MerchantId) -> bool {
        self.town.shops.iter().any(|s| s.id == shop)
    }
}
