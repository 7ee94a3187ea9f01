//! How each order ended, and how long it took.

use pannier_contracts::order::OrderState;
use serde_json::{Value, json};

use pannier_city::clock::Clock;
use pannier_client::{OrderView, RoundView};
use pannier_instance::Order;

/// How one order ended.
pub struct Outcome {
    /// The order of the instance.
    pub file: Order,
    /// The order as the platform has it; none when it was not placed.
    pub order: Option<OrderView>,
    /// Why it was not placed.
    pub not_placed: Option<String>,
    /// The newest dispatch round of an order that was not delivered.
    pub last_round: Option<RoundView>,
}

impl Outcome {
    /// An order that was not placed.
    pub fn not_placed(file: &Order, reason: String) -> Self {
        Self { file: file.clone(), order: None, not_placed: Some(reason), last_round: None }
    }

    /// Whether it ended in this state.
    pub fn is(&self, state: OrderState) -> bool {
        self.order.as_ref().is_some_and(|o| o.state == state)
    }

    /// Why it was not delivered, in words.
    pub fn reason(&self, is_undeliverable: bool) -> String {
        let mut words = Vec::new();
        match (&self.order, &self.not_placed) {
            (Some(order), _) => {
                words.push(order.state.to_string());
                words.extend(order.reason.clone());
            }
            (None, reason) => words.push(format!("not placed: {}", reason.as_deref().unwrap_or("unknown"))),
        }
        if is_undeliverable {
            words.push("ready after the last courier's shift".into());
        }
        if let Some(round) = &self.last_round {
            let reason = round.reason.as_deref().unwrap_or("no reason");
            words.push(format!("last dispatch round: {} ({reason})", round.outcome));
        }
        words.join("; ")
    }
}

/// Durations of a delivered order, city minutes.
pub struct Times {
    /// From placing to the handover.
    pub click_to_door: f64,
    /// From the ready time to the pickup.
    pub ready_to_pickup: f64,
}

impl Times {
    /// None for an order that was not delivered.
    pub fn of(outcome: &Outcome, clock: Clock) -> Option<Self> {
        let order = outcome.order.as_ref().filter(|o| o.state == OrderState::Delivered)?;
        let delivery = order.delivery.as_ref()?;
        Some(Self {
            click_to_door: clock.minutes_between(order.placed_at, delivery.delivered_at?),
            ready_to_pickup: clock.minutes_between(order.ready_at?, delivery.picked_up_at?),
        })
    }
}

/// The order's entry in `report.json`.
pub fn order_line(outcome: &Outcome, clock: Clock, is_undeliverable: bool) -> Value {
    let times = Times::of(outcome, clock);
    json!({
        "order": outcome.file.id,
        "id": outcome.order.as_ref().map(|o| o.id),
        "state": outcome.order.as_ref().map(|o| o.state),
        "reason": outcome.order.as_ref().and_then(|o| o.reason.clone()),
        "rider_id": outcome.order.as_ref().and_then(|o| o.delivery.as_ref()).and_then(|d| d.rider_id),
        "placement_min": outcome.file.placement,
        "ready_min": outcome.file.ready,
        "click_to_door_min": times.as_ref().map(|t| round(t.click_to_door)),
        "ready_to_pickup_min": times.as_ref().map(|t| round(t.ready_to_pickup)),
        "undeliverable_by_data": is_undeliverable,
    })
}

/// The mean, in two digits; 0 of nothing.
pub fn mean(numbers: impl Iterator<Item = f64>) -> f64 {
    let (n, sum) = numbers.fold((0_u32, 0.0), |(n, sum), x| (n + 1, sum + x));
    if n == 0 { 0.0 } else { round(sum / f64::from(n)) }
}

/// Rounded to two digits.
pub fn round(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}
