//! Everything that has to be there before the day starts: zone, shops, riders.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::{StreamExt, TryStreamExt};
use pannier_contracts::merchant::{MenuItem, MerchantStatus};
use pannier_contracts::zone::{DispatchPolicy, Policy};
use pannier_contracts::{CustomerId, MerchantId, Money, RiderId, ZoneId};
use tokio::time::Instant;
use uuid::Uuid;

use pannier_client::{Api, Customer, Ops, Rider, Shop};
use pannier_instance::{Instance, Point};

/// The one article that every shop sells.
pub const SKU: &str = "meal";
/// Orders that one courier carries at a time.
const CAPACITY: u32 = 2;
/// The largest radius that a zone may have.
const FARTHEST_M: u32 = 50_000;
/// How long order-svc may take to learn about all shops.
const LEARN_WITHIN: Duration = Duration::from_secs(90);
/// How many set-up calls are under way at once.
const AT_ONCE: usize = 16;
/// Metres around the outermost point that still belong to the zone.
const MARGIN_M: f64 = 500.0;

/// Who plays in a replay. Ids are new with every run, so that one platform can see many.
pub struct Cast {
    run: String,
    /// By the restaurants' order in the instance.
    pub shops: Vec<MerchantId>,
    /// By the couriers' order in the instance.
    pub riders: Vec<RiderId>,
}

impl Cast {
    fn of(instance: &Instance) -> Self {
        let run = Uuid::now_v7().simple().to_string();
        let id = |kind: &str, name: &str| {
            Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("pannier:replay:{run}:{kind}:{name}").as_bytes())
        };
        let shops = instance.restaurants.iter().map(|r| MerchantId(id("shop", &r.id))).collect();
        let riders = instance.couriers.iter().map(|c| RiderId(id("rider", &c.id))).collect();
        Self { run, shops, riders }
    }

    /// Every order has a customer of its own.
    pub fn customer(&self, api: &Arc<Api>, order: &str) -> Customer {
        let name = format!("pannier:replay:{}:customer:{order}", self.run);
        Customer::new(api, &CustomerId(Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())).to_string())
    }

    /// The tap that places an order.
    pub fn key(&self, order: &str) -> String {
        format!("place-{}-{order}", self.run)
    }
}

/// Metres per real second of a courier in a city so many times faster.
pub fn real_speed_mps(instance: &Instance, speed: f64) -> f64 {
    instance.parameters.metres_per_minute / 60.0 * speed
}

/// Makes everything through public calls and waits until customers can order everywhere.
pub async fn set_up(api: &Arc<Api>, instance: &Instance, speed: f64, dispatch: DispatchPolicy) -> anyhow::Result<Cast> {
    let cast = Cast::of(instance);
    put_zone(api, instance, speed, dispatch).await.context("the zone cannot be made")?;
    let shops = instance.restaurants.iter().zip(&cast.shops).map(|(restaurant, id)| async move {
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
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
        .context("a shop cannot be made")?;
    let mps = real_speed_mps(instance, speed);
    let riders = instance.couriers.iter().zip(&cast.riders).map(|(courier, id)| async move {
        Rider::new(api, &id.to_string()).put_profile(&courier.id, mps, CAPACITY).await.map(drop)
    });
    futures::stream::iter(riders)
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
        .context("a rider cannot be made")?;
    wait_for_copies(api, instance, &cast).await?;
    Ok(cast)
}

async fn put_zone(api: &Arc<Api>, instance: &Instance, speed: f64, dispatch: DispatchPolicy) -> anyhow::Result<()> {
    let (low, high) = instance.bounds();
    let (low, high) =
        (Point { x: low.x - MARGIN_M, y: low.y - MARGIN_M }, Point { x: high.x + MARGIN_M, y: high.y + MARGIN_M });
    let corners = [low, Point { x: high.x, y: low.y }, high, Point { x: low.x, y: high.y }];
    let polygon = corners.into_iter().map(|c| instance.place(c)).collect::<Result<Vec<_>, _>>()?;
    // The zone is the instance's, not the run's: the next run finds it and changes its policy.
    let id: ZoneId = format!("replay-{}", instance.id().simple()).parse()?;
    let policy = Policy { dispatch, ..compressed(speed, low.distance_m(high).max(5_000.0)) };
    Ops::new(api, "replay").put_zone(&id, &instance.name, &polygon, &policy).await?;
    Ok(())
}

/// The usual policy in a city so many times faster: its durations are the city's, so they shrink with it.
fn compressed(speed: f64, radius_m: f64) -> Policy {
    let usual = Policy::default();
    let real = |ms: i64| (ms as f64 / speed).round() as i64;
    Policy {
        search_lead_ms: real(usual.search_lead_ms),
        hold_ms: real(usual.hold_ms),
        // The day decides what is undeliverable, not dispatch's patience.
        give_up_ms: real(4 * 3_600_000),
        at_risk_ms: real(usual.at_risk_ms),
        promise_margin_ms: real(usual.promise_margin_ms),
        radius_m: (radius_m.ceil() as u32).min(FARTHEST_M),
        courier_mps: (f64::from(usual.courier_mps) * speed).round() as u32,
        ..usual
    }
}

/// order-svc knows shops and zones from news: ready is when a customer sees them all open.
async fn wait_for_copies(api: &Arc<Api>, instance: &Instance, cast: &Cast) -> anyhow::Result<()> {
    let (low, high) = instance.bounds();
    let middle = instance.place(Point { x: low.x.midpoint(high.x), y: low.y.midpoint(high.y) })?;
    let customer = cast.customer(api, "somebody who looks around");
    let until = Instant::now() + LEARN_WITHIN;
    loop {
        let seen = customer.merchants(middle).await?;
        let is_open = |id: &MerchantId| seen.iter().any(|m| m.id == *id && m.status == MerchantStatus::Open);
        let missing = cast.shops.iter().filter(|id| !is_open(id)).count();
        if missing == 0 {
            return Ok(());
        }
        anyhow::ensure!(
            Instant::now() < until,
            "customers still do not see {missing} of {} shops after {} s: does the news reach order-svc?",
            cast.shops.len(),
            LEARN_WITHIN.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_faster_city_has_shorter_policies() {
        let policy = compressed(60.0, 12_345.6);
        assert_eq!((policy.search_lead_ms, policy.hold_ms, policy.give_up_ms), (15_000, 5_000, 240_000));
        assert_eq!((policy.radius_m, policy.courier_mps, policy.offers_per_delivery), (12_346, 300, 1));
    }
}
