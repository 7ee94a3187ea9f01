//! The demo city: a made-up town that never sleeps, for `pannier up`.
//!
//! Everything in it follows from its seed, also the ids: a city that is started again over the same data finds its
//! shops, its riders and the orders that were on their way.

mod crowd;
mod guests;
mod plan;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use pannier_contracts::MerchantId;
use pannier_contracts::merchant::MerchantStatus;
use pannier_contracts::zone::Policy;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

pub use self::plan::CityOptions;
use self::plan::{RiderPlan, ShopPlan, Town};
use crate::bots::{Counters, Directory, RiderBot, Services, ShopBot};
use crate::clock::Clock;
use pannier_client::Target;
use pannier_client::{Api, CallError, Customer, Ops, Rider, Shop};

/// Orders per rider-hour of the city: what a courier carries on an ordinary day.
const ORDERS_PER_RIDER_HOUR: f64 = 2.5;
/// City minutes at the counter and at the door, each split before and after.
const SERVICE_MINUTES: f64 = 3.0;
/// How many set-up calls are under way at once.
const AT_ONCE: usize = 8;
/// After a failed set-up call, this long until the next try: the services may still be starting.
const AGAIN: Duration = Duration::from_secs(1);

struct City {
    api: Arc<Api>,
    town: Town,
    clock: Clock,
    directory: Arc<Directory>,
    counters: Arc<Counters>,
}

/// Lives until `shutdown`.
///
/// # Errors
/// When no client can be made or a place of the plan is not on the earth; a platform that is away is waited for.
pub async fn run(target: Target, options: CityOptions, shutdown: CancellationToken) -> anyhow::Result<()> {
    let api = Api::new(target, None, shutdown)?;
    let town = Town::plan(&options)?;
    let clock = Clock::start(0.0, options.speed);
    let city = Arc::new(City { api, town, clock, directory: Arc::default(), counters: Arc::default() });
    if city.settle().await.is_err() {
        return Ok(());
    }
    tracing::info!(
        "The city lives: {} shops, {} riders, {}x",
        city.town.shops.len(),
        city.town.riders.len(),
        options.speed
    );
    let mut bots = JoinSet::new();
    for shop in &city.town.shops {
        let tablet = Shop::new(&city.api, &shop.id.to_string());
        bots.spawn(ShopBot::new(tablet, city.directory.clone(), city.counters.clone(), clock.real(10.0)).run());
    }
    for n in 0..city.town.riders.len() {
        bots.spawn(city.clone().ride(n));
    }
    bots.spawn(crowd::run(city.clone()));
    bots.spawn(guests::run(city.clone()));
    while let Some(ended) = bots.join_next().await {
        if let Err(e) = ended {
            // One bot's bug is not the end of the demo.
            tracing::error!("A bot died: {e}");
        }
    }
    Ok(())
}

impl City {
    /// Makes zone, shops and riders, or finds them.
    async fn settle(self: &Arc<Self>) -> Result<(), CallError> {
        let ops = Ops::new(&self.api, "city");
        let policy = self.policy();
        self.insist(|| ops.put_zone(&self.town.zone, "Demo city", &self.town.polygon, &policy)).await?;
        let shops = self.town.shops.iter().map(|plan| self.insist(move || self.open(plan)));
        let riders = self.town.riders.iter().map(|plan| self.insist(move || self.hire(plan)));
        let shops = futures::stream::iter(shops).buffer_unordered(AT_ONCE).collect::<Vec<_>>();
        let riders = futures::stream::iter(riders).buffer_unordered(AT_ONCE).collect::<Vec<_>>();
        let (shops, riders) = tokio::join!(shops, riders);
        shops.into_iter().chain(riders).collect()
    }

    /// The usual policy, its durations compressed like everything in the city.
    fn policy(&self) -> Policy {
        let usual = Policy::default();
        let real = |ms: i64| (ms as f64 / self.clock.speed()).round() as i64;
        Policy {
            search_lead_ms: real(usual.search_lead_ms),
            hold_ms: real(usual.hold_ms),
            give_up_ms: real(usual.give_up_ms).max(60_000),
            at_risk_ms: real(usual.at_risk_ms),
            promise_margin_ms: real(usual.promise_margin_ms),
            courier_mps: (self.town.speed_mps * self.clock.speed()).round() as u32,
            ..usual
        }
    }

    async fn open(&self, plan: &ShopPlan) -> Result<(), CallError> {
        let shop = Shop::new(&self.api, &plan.id.to_string());
        let seen = shop.profile().await?;
        let prep_ms = self.clock.real(10.0).as_millis() as i64;
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

    async fn hire(&self, plan: &RiderPlan) -> Result<(), CallError> {
        let app = Rider::new(&self.api, &plan.id.to_string());
        app.put_profile(&plan.name, self.town.speed_mps * self.clock.speed(), 2).await.map(drop)
    }

    /// Tries until it works: services start, stop and come back while the city is there.
    async fn insist<T, F: Future<Output = Result<T, CallError>>>(&self, act: impl Fn() -> F) -> Result<(), CallError> {
        loop {
            match act().await {
                Ok(_) => return Ok(()),
                Err(CallError::Stopped) => return Err(CallError::Stopped),
                Err(e) => tracing::warn!("The city cannot be made yet: {e}"),
            }
            self.pause(Instant::now() + AGAIN).await?;
        }
    }

    /// Waits, unless the city ends.
    async fn pause(&self, until: Instant) -> Result<(), CallError> {
        tokio::select! {
            () = self.api.stop().cancelled() => Err(CallError::Stopped),
            () = sleep_until(until) => Ok(()),
        }
    }

    /// A rider's life: shifts and breaks.
    async fn ride(self: Arc<Self>, n: usize) {
        let plan = &self.town.riders[n];
        let half = self.clock.real(SERVICE_MINUTES / 2.0);
        let bot = RiderBot {
            app: Rider::new(&self.api, &plan.id.to_string()),
            me: plan.id,
            speed_mps: self.town.speed_mps * self.clock.speed(),
            services: Services { half_pickup: half, half_dropoff: half, patience: self.clock.real(3.0) },
            directory: self.directory.clone(),
            counters: self.counters.clone(),
        };
        let mut here = plan.home;
        for shift in 0_u32.. {
            let (work, rest) = self.town.shift_minutes(n, shift);
            here = bot.shift(here, Instant::now() + self.clock.real(work)).await;
            if self.pause(Instant::now() + self.clock.real(rest)).await.is_err() {
                return;
            }
        }
    }

    fn customer(&self, n: usize) -> Customer {
        Customer::new(&self.api, &self.town.customers[n].to_string())
    }
}

fn is_ours(city: &City, shop: MerchantId) -> bool {
    city.town.shops.iter().any(|s| s.id == shop)
}
