//! Set-up of a replay: zone, shops and riders, created through the public APIs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::{StreamExt, TryStreamExt};
use pannier_contracts::merchant::{MenuItem, MerchantStatus};
use pannier_contracts::zone::{DispatchAlgorithm, Policy};
use pannier_contracts::{CustomerId, MerchantId, Money, RiderId, ZoneId};
use tokio::time::Instant;
use uuid::Uuid;

use pannier_client::{Api, Customer, Ops, Rider, Shop};
use pannier_instance::{Instance, Point};

/// The only item of every menu.
pub const SKU: &str = "meal";
/// Orders that a courier carries at a time.
const CAPACITY: u32 = 2;
/// The largest search radius that a zone may have, metres.
const RADIUS_MAX_M: u32 = 50_000;
/// How long order-svc may take to receive the events of all shops.
const COPIES_WITHIN: Duration = Duration::from_secs(90);
/// Set-up calls in flight at a time.
const CONCURRENCY: usize = 16;
/// The zone extends this far beyond the outermost points of the instance, metres.
const MARGIN_M: f64 = 500.0;

/// Shops, riders and customers of a replay. Their ids are new in every run, so that a platform can see many runs.
pub struct Participants {
    run: String,
    /// In the order of the instance's restaurants.
    pub shops: Vec<MerchantId>,
    /// In the order of the instance's couriers.
    pub riders: Vec<RiderId>,
}

impl Participants {
    fn of(instance: &Instance) -> Self {
        let run = Uuid::now_v7().simple().to_string();
        let id = |kind: &str, name: &str| {
            Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("pannier:replay:{run}:{kind}:{name}").as_bytes())
        };
        let shops = instance.restaurants.iter().map(|r| MerchantId(id("shop", &r.id))).collect();
        let riders = instance.couriers.iter().map(|c| RiderId(id("rider", &c.id))).collect();
        Self { run, shops, riders }
    }

    /// The customer of an order; each order has its own.
    pub fn customer(&self, api: &Arc<Api>, order: &str) -> Customer {
        let name = format!("pannier:replay:{}:customer:{order}", self.run);
        Customer::new(api, &CustomerId(Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())).to_string())
    }

    /// The Idempotency-Key of placing an order.
    pub fn key(&self, order: &str) -> String {
        format!("place-{}-{order}", self.run)
    }
}

/// A courier's speed, metres per second of real time, in a city that is `speed` times as fast.
pub fn real_speed_mps(instance: &Instance, speed: f64) -> f64 {
    instance.parameters.metres_per_minute / 60.0 * speed
}

/// Creates zone, shops and riders, and waits until customers can order at all shops.
pub async fn set_up(
    api: &Arc<Api>,
    instance: &Instance,
    speed: f64,
    dispatch: DispatchAlgorithm,
) -> anyhow::Result<Participants> {
    let participants = Participants::of(instance);
    put_zone(api, instance, speed, dispatch).await.context("the zone cannot be made")?;
    let shops = instance.restaurants.iter().zip(&participants.shops).map(|(restaurant, id)| async move {
        let place = instance.place(restaurant.at)?;
        let shop = Shop::new(api, &id.to_string());
        let made = shop.put_profile(&restaurant.id, place, (600_000.0 / speed) as i64, None).await?;
        let price = Money::new(1_250, "EUR".parse()?);
        let meal = MenuItem { sku: SKU.into(), name: "Meal".into(), price, available: true };
        let made = shop.put_menu(&[meal], made.version).await?;
        if made.status != MerchantStatus::Open {
            shop.open(made.version).await?;
        }
        anyhow::Ok(())
    });
    futures::stream::iter(shops)
        .buffer_unordered(CONCURRENCY)
        .try_collect::<()>()
        .await
        .context("a shop cannot be made")?;
    let mps = real_speed_mps(instance, speed);
    let riders = instance.couriers.iter().zip(&participants.riders).map(|(courier, id)| async move {
        Rider::new(api, &id.to_string()).put_profile(&courier.id, mps, CAPACITY).await.map(drop)
    });
    futures::stream::iter(riders)
        .buffer_unordered(CONCURRENCY)
        .try_collect::<()>()
        .await
        .context("a rider cannot be made")?;
    wait_for_copies(api, instance, &participants).await?;
    Ok(participants)
}

async fn put_zone(api: &Arc<Api>, instance: &Instance, speed: f64, dispatch: DispatchAlgorithm) -> anyhow::Result<()> {
    let (low, high) = instance.bounds();
    let (low, high) =
        (Point { x: low.x - MARGIN_M, y: low.y - MARGIN_M }, Point { x: high.x + MARGIN_M, y: high.y + MARGIN_M });
    let corners = [low, Point { x: high.x, y: low.y }, high, Point { x: low.x, y: high.y }];
    let polygon = corners.into_iter().map(|c| instance.place(c)).collect::<Result<Vec<_>, _>>()?;
    // Runs of one instance share their zone: the next run changes its policy.
    let id: ZoneId = format!("replay-{}", instance.id().simple()).parse()?;
    let radius_m = low.distance_m(high).max(5_000.0);
    let usual = Policy {
        dispatch,
        // Longer than any day waits: only the data makes an order undeliverable.
        give_up_ms: 4 * 3_600_000,
        radius_m: (radius_m.ceil() as u32).min(RADIUS_MAX_M),
        ..Policy::default()
    };
    let policy = usual.at_speed(speed);
    Ops::new(api, "replay").put_zone(&id, &instance.name, &polygon, &policy).await?;
    Ok(())
}

/// order-svc receives shops and zones as events: waits until a customer sees all shops open.
async fn wait_for_copies(api: &Arc<Api>, instance: &Instance, participants: &Participants) -> anyhow::Result<()> {
    let (low, high) = instance.bounds();
    let middle = instance.place(Point { x: low.x.midpoint(high.x), y: low.y.midpoint(high.y) })?;
    let customer = participants.customer(api, "set-up");
    let deadline = Instant::now() + COPIES_WITHIN;
    loop {
        let seen = customer.merchants(middle).await?;
        let is_open = |id: &MerchantId| seen.iter().any(|m| m.id == *id && m.status == MerchantStatus::Open);
        let missing = participants.shops.iter().filter(|id| !is_open(id)).count();
        if missing == 0 {
            return Ok(());
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "customers still do not see {missing} of {} shops after {} s: do events reach order-svc?",
            participants.shops.len(),
            COPIES_WITHIN.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
