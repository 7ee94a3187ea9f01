//! The day itself: customers tap, kitchens cook, couriers drive; then what nobody fetched is cancelled.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pannier_contracts::OrderId;
use pannier_contracts::delivery::DeliveryState;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::cast::{Cast, SKU, real_speed_mps};
use super::checks::{self, Finding, ProofSource};
use super::progress::Progress;
use pannier_city::bots::{Counters, OrderRequest, RiderBot, ServiceTimes, ShopBot, SideChannel, follow, place};
use pannier_city::clock::Clock;
use pannier_client::{Api, CallError, Ops, OrderView, Rider, Shop};
use pannier_instance::Instance;

/// After the last shift, so many minutes of the city until operations give up what is open.
const GRACE_MINUTES: f64 = 10.0;
/// How long everything may take to end after that, in real time.
const SETTLE_WITHIN: Duration = Duration::from_secs(60);
/// How long the last courier may take to go home when nothing is open any more.
const GO_HOME_WITHIN: Duration = Duration::from_secs(10);
/// City minutes that a courier with food waits at a counter for more of it.
const PATIENCE_MINUTES: f64 = 3.0;

/// What the day left behind.
pub struct Played {
    /// By the orders' order in the instance: its id, or why it was not placed.
    pub orders: Vec<Result<OrderId, String>>,
    /// What did not move when the day was over, before anything was cancelled.
    pub stuck_before: Finding,
    /// What should not happen on a good day.
    pub troubles: Vec<String>,
    /// Until then the platform may still be finishing something.
    pub settle_until: Instant,
}

/// Plays from the first minute to the end, and ends the bots.
pub async fn play(
    api: &Arc<Api>,
    instance: &Arc<Instance>,
    cast: &Cast,
    clock: Clock,
    proof: &ProofSource,
    shutdown: &CancellationToken,
) -> anyhow::Result<Played> {
    let (directory, counters) = (Arc::new(SideChannel::default()), Arc::new(Counters::default()));
    let mut staff = JoinSet::new();
    open_shops(&mut staff, api, cast, clock, &directory, &counters);
    send_couriers(&mut staff, api, instance, cast, clock, &directory, &counters)?;
    let mut customers = JoinSet::new();
    send_customers(&mut customers, api, instance, cast, clock, &directory, &counters)?;

    let last_tap = instance.orders.iter().map(|o| o.placement).max().unwrap_or(0) as f64;
    let end = (instance.last_off() as f64 + GRACE_MINUTES).max(last_tap + 1.0);
    let progress = Progress::new(instance.orders.len() as u64, clock, end, counters.clone());
    let mut reached = tokio::spawn(sleep_until(clock.instant(end)));
    loop {
        tokio::select! {
            () = shutdown.cancelled() => {
                reached.abort();
                anyhow::bail!("stopped");
            }
            _ = &mut reached => break,
            () = progress.tick() => {}
        }
    }
    let stuck_before = tokio::select! {
        () = shutdown.cancelled() => anyhow::bail!("stopped"),
        found = checks::before_tidying(proof) => found?,
    };
    let settle_until = Instant::now() + SETTLE_WITHIN;
    tokio::select! {
        () = shutdown.cancelled() => anyhow::bail!("stopped"),
        done = timeout_at(settle_until, close(api, cast)) => {
            if done.is_err() {
                counters.warn(format!("Something was still open {} s after the end", SETTLE_WITHIN.as_secs()));
            }
        }
    }
    progress.finish();
    // Couriers hand in their last order a moment before they go home: nobody is left on shift when the bots stop.
    let home_by = settle_until.min(Instant::now() + GO_HOME_WITHIN);
    while counters.on_shift.load(Ordering::Relaxed) > 0 && Instant::now() < home_by && !shutdown.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Who is still placing at this point gets a moment to hear the answer; the rest is told to stop.
    api.stop().cancel();
    let mut orders = vec![Err("its customer was lost".to_owned()); instance.orders.len()];
    while let Some(ended) = customers.join_next().await {
        let (n, outcome) = ended?;
        orders[n] = outcome;
    }
    while let Some(ended) = staff.join_next().await {
        ended?;
    }
    Ok(Played { orders, stuck_before, troubles: counters.warnings(), settle_until })
}

fn open_shops(
    staff: &mut JoinSet<()>,
    api: &Arc<Api>,
    cast: &Cast,
    clock: Clock,
    directory: &Arc<SideChannel>,
    counters: &Arc<Counters>,
) {
    for id in &cast.shops {
        let shop = Shop::new(api, &id.to_string());
        staff.spawn(ShopBot::new(shop, directory.clone(), counters.clone(), clock.real(10.0)).run());
    }
}

fn send_couriers(
    staff: &mut JoinSet<()>,
    api: &Arc<Api>,
    instance: &Instance,
    cast: &Cast,
    clock: Clock,
    directory: &Arc<SideChannel>,
    counters: &Arc<Counters>,
) -> anyhow::Result<()> {
    let services = ServiceTimes {
        half_pickup: clock.real(instance.parameters.pickup_service / 2.0),
        half_dropoff: clock.real(instance.parameters.dropoff_service / 2.0),
        patience: clock.real(PATIENCE_MINUTES),
    };
    for (courier, me) in instance.couriers.iter().zip(&cast.riders) {
        let bot = RiderBot {
            app: Rider::new(api, &me.to_string()),
            rider: *me,
            speed_mps: real_speed_mps(instance, clock.speed()),
            service_times: services,
            channel: directory.clone(),
            counters: counters.clone(),
        };
        let (home, stop) = (instance.place(courier.at)?, api.stop().clone());
        let (on, off) = (clock.instant(courier.on as f64), clock.instant(courier.off as f64));
        staff.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep_until(on) => {}
            }
            bot.shift(home, off).await;
        });
    }
    Ok(())
}

fn send_customers(
    customers: &mut JoinSet<(usize, Result<OrderId, String>)>,
    api: &Arc<Api>,
    instance: &Instance,
    cast: &Cast,
    clock: Clock,
    directory: &Arc<SideChannel>,
    counters: &Arc<Counters>,
) -> anyhow::Result<()> {
    for (n, order) in instance.orders.iter().enumerate() {
        let customer = cast.customer(api, &order.id);
        let wish = OrderRequest {
            merchant: cast.shops[order.restaurant],
            sku: SKU.into(),
            quantity: 1,
            to: instance.place(order.at)?,
            external_id: order.id.clone(),
            key: cast.key(&order.id),
            ready_at: clock.time(order.ready as f64),
        };
        let tap = clock.instant(order.placement as f64);
        let (stop, directory, counters) = (api.stop().clone(), directory.clone(), counters.clone());
        customers.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => return (n, Err("the day ended first".into())),
                () = sleep_until(tap) => {}
            }
            let placed = place(&customer, &wish, &directory, &counters).await;
            if let Ok(order) = &placed {
                follow(&customer, order.id, &counters).await;
            }
            customer.sign_out();
            (n, placed.map(|order| order.id))
        });
    }
    Ok(())
}

/// Cancels what no rider came for, then waits until nothing is open. What a rider has said yes to comes to its end by
/// itself; whatever else is open, and should not be, stays open and counts as stuck.
async fn close(api: &Arc<Api>, cast: &Cast) {
    let ops = Ops::new(api, "replay");
    loop {
        match close_once(&ops, cast).await {
            Ok(0) | Err(CallError::Stopped) => return,
            Ok(_) => {}
            Err(e) => tracing::debug!("Closing the day: {e}"),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn is_unassigned(state: DeliveryState) -> bool {
    matches!(state, DeliveryState::Scheduled | DeliveryState::Searching | DeliveryState::Offered)
}

async fn close_once(ops: &Ops, cast: &Cast) -> Result<usize, CallError> {
    let open: Vec<_> = ops.open_orders().await?.into_iter().filter(|o| cast.shops.contains(&o.merchant_id)).collect();
    let is_unassigned = |order: &&OrderView| order.delivery.as_ref().is_some_and(|d| is_unassigned(d.state));
    for order in open.iter().filter(is_unassigned) {
        match ops.cancel(order.id, order.version, "no_rider").await {
            // It moved meanwhile: the next look shows where to.
            Ok(_) | Err(CallError::Refused(_)) => {}
            Err(e) => return Err(e),
        }
    }
    if open.is_empty() { ops.unfinished().await } else { Ok(open.len()) }
}
