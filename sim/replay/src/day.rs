//! The day itself: bots play the recorded orders and shifts; then orders without a rider are cancelled.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pannier_contracts::OrderId;
use pannier_contracts::delivery::DeliveryState;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::checks::{self, Finding, ProofSource};
use super::participants::{Participants, SKU, real_speed_mps};
use super::progress::Progress;
use pannier_city::bots::{Counters, OrderRequest, RiderBot, ServiceTimes, ShopBot, SideChannel, follow, place};
use pannier_city::clock::Clock;
use pannier_client::{Api, CallError, Ops, OrderView, Rider, Shop};
use pannier_instance::Instance;

/// City minutes from the end of the last shift until open orders are cancelled.
const GRACE_MINUTES: f64 = 10.0;
/// How long all orders may take to end after that, in real time.
const SETTLE_WITHIN: Duration = Duration::from_secs(60);
/// How long couriers may take to go offline when no order is open any more.
const OFFLINE_WITHIN: Duration = Duration::from_secs(10);
/// City minutes that a courier with collected orders waits for another order of the same shop.
const PATIENCE_MINUTES: f64 = 3.0;
/// City minutes of preparation of an order without a known ready time.
const USUAL_PREP_MINUTES: f64 = 10.0;

/// What the day left behind.
pub struct DayResult {
    /// In the order of the instance's orders: the order's id, or why it was not placed.
    pub orders: Vec<Result<OrderId, String>>,
    /// What was stuck at the end, before anything was cancelled.
    pub stuck_before: Finding,
    /// What the bots saw and did not expect.
    pub warnings: Vec<String>,
    /// Until then the platform may still be finishing something.
    pub settle_until: Instant,
}

/// A day that is being played.
pub struct Day<'a> {
    api: &'a Arc<Api>,
    instance: &'a Instance,
    participants: &'a Participants,
    clock: Clock,
    channel: Arc<SideChannel>,
    counters: Arc<Counters>,
}

impl<'a> Day<'a> {
    /// A day that begins when `clock` was started.
    pub fn new(api: &'a Arc<Api>, instance: &'a Instance, participants: &'a Participants, clock: Clock) -> Self {
        Self { api, instance, participants, clock, channel: Arc::default(), counters: Arc::default() }
    }

    /// Plays the whole day and stops the bots by cancelling the API's stop token.
    ///
    /// # Errors
    /// When `shutdown` came first, the proof cannot be read, or a bot panicked.
    pub async fn play(self, proof: &ProofSource, shutdown: &CancellationToken) -> anyhow::Result<DayResult> {
        let mut staff = JoinSet::new();
        self.open_shops(&mut staff);
        self.start_couriers(&mut staff)?;
        let mut customers = JoinSet::new();
        self.start_customers(&mut customers)?;

        let (instance, counters) = (self.instance, &self.counters);
        let last_placement = instance.orders.iter().map(|o| o.placement).max().unwrap_or(0) as f64;
        let end = (instance.last_off() as f64 + GRACE_MINUTES).max(last_placement + 1.0);
        let progress = Progress::new(instance.orders.len() as u64, self.clock, end, counters.clone());
        let mut reached = tokio::spawn(sleep_until(self.clock.instant(end)));
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
            done = timeout_at(settle_until, close(self.api, self.participants)) => {
                if done.is_err() {
                    counters.warn(format!("Something was still open {} s after the end", SETTLE_WITHIN.as_secs()));
                }
            }
        }
        progress.finish();
        // Couriers go offline a moment after their last handover; the bots are stopped after that.
        let offline_by = settle_until.min(Instant::now() + OFFLINE_WITHIN);
        while counters.on_shift.load(Ordering::Relaxed) > 0 && Instant::now() < offline_by && !shutdown.is_cancelled() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.api.stop().cancel();
        let mut orders = vec![Err("its customer was lost".to_owned()); instance.orders.len()];
        while let Some(ended) = customers.join_next().await {
            let (n, outcome) = ended?;
            orders[n] = outcome;
        }
        while let Some(ended) = staff.join_next().await {
            ended?;
        }
        Ok(DayResult { orders, stuck_before, warnings: counters.warnings(), settle_until })
    }

    fn open_shops(&self, staff: &mut JoinSet<()>) {
        let usual_prep = self.clock.real(USUAL_PREP_MINUTES);
        for id in &self.participants.shops {
            let shop = Shop::new(self.api, &id.to_string());
            staff.spawn(ShopBot::new(shop, self.channel.clone(), self.counters.clone(), usual_prep).run());
        }
    }

    fn start_couriers(&self, staff: &mut JoinSet<()>) -> anyhow::Result<()> {
        let parameters = &self.instance.parameters;
        let service_times = ServiceTimes {
            half_pickup: self.clock.real(parameters.pickup_service / 2.0),
            half_dropoff: self.clock.real(parameters.dropoff_service / 2.0),
            patience: self.clock.real(PATIENCE_MINUTES),
        };
        for (courier, rider) in self.instance.couriers.iter().zip(&self.participants.riders) {
            let bot = RiderBot {
                app: Rider::new(self.api, &rider.to_string()),
                rider: *rider,
                speed_mps: real_speed_mps(self.instance, self.clock.speed()),
                service_times,
                channel: self.channel.clone(),
                counters: self.counters.clone(),
            };
            let (home, stop) = (self.instance.place(courier.at)?, self.api.stop().clone());
            let (on, off) = (self.clock.instant(courier.on as f64), self.clock.instant(courier.off as f64));
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

    fn start_customers(&self, customers: &mut JoinSet<(usize, Result<OrderId, String>)>) -> anyhow::Result<()> {
        for (n, order) in self.instance.orders.iter().enumerate() {
            let customer = self.participants.customer(self.api, &order.id);
            let request = OrderRequest {
                merchant: self.participants.shops[order.restaurant],
                sku: SKU.into(),
                quantity: 1,
                to: self.instance.place(order.at)?,
                external_id: order.id.clone(),
                key: self.participants.key(&order.id),
                ready_at: self.clock.time(order.ready as f64),
            };
            let placement = self.clock.instant(order.placement as f64);
            let (stop, channel, counters) = (self.api.stop().clone(), self.channel.clone(), self.counters.clone());
            customers.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => return (n, Err("the day ended first".into())),
                    () = sleep_until(placement) => {}
                }
                let placed = place(&customer, &request, &channel, &counters).await;
                if let Ok(order) = &placed {
                    follow(&customer, order.id, &counters).await;
                }
                customer.sign_out();
                (n, placed.map(|order| order.id))
            });
        }
        Ok(())
    }
}

/// Cancels orders without a rider, then waits until nothing is open. Assigned orders end by themselves; any other order that
/// stays open counts as stuck.
async fn close(api: &Arc<Api>, participants: &Participants) {
    let ops = Ops::new(api, "replay");
    loop {
        match close_once(&ops, participants).await {
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

/// The number of records that are still open.
async fn close_once(ops: &Ops, participants: &Participants) -> Result<usize, CallError> {
    let open = ops.open_orders().await?;
    let open: Vec<_> = open.into_iter().filter(|o| participants.shops.contains(&o.merchant_id)).collect();
    let is_unassigned = |order: &&OrderView| order.delivery.as_ref().is_some_and(|d| is_unassigned(d.state));
    for order in open.iter().filter(is_unassigned) {
        match ops.cancel(order.id, order.version, "no_rider").await {
            // A concurrent update won: the next pass reads its result.
            Ok(_) | Err(CallError::Refused(_)) => {}
            Err(e) => return Err(e),
        }
    }
    if open.is_empty() { ops.unfinished().await } else { Ok(open.len()) }
}
