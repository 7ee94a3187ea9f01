//! A customer who places an order and follows it until it has ended.

use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};
use pannier_contracts::order::OrderState;
use pannier_contracts::{MerchantId, OrderId, Place};
use tokio::time::Instant;

use super::counters::Counters;
use super::side_channel::{OrderFacts, SideChannel};
use pannier_client::{CallError, Customer, OrderView};

/// How long a customer tries to place an order.
const PLACE_WITHIN: Duration = Duration::from_secs(600);
/// Refusals after which a customer gives up. One is no reason to: the shop may be opening.
const REFUSALS_MAX: u32 = 10;
/// Delay after a failed quote.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// The order is read when its stream has been silent for this time.
const POLL_EVERY: Duration = Duration::from_secs(30);

/// An order to place.
#[derive(Debug, Clone)]
pub struct OrderRequest {
    /// The shop.
    pub merchant: MerchantId,
    /// The menu item.
    pub sku: String,
    /// How many of it.
    pub quantity: u16,
    /// Where to deliver.
    pub to: Place,
    /// The customer's own reference for the order.
    pub external_id: String,
    /// The Idempotency-Key of the first quote; later quotes get a suffix.
    pub key: String,
    /// When the kitchen will have finished.
    pub ready_at: DateTime<Utc>,
}

/// Places an order, with retries, and publishes its facts.
///
/// # Errors
/// The reason why it could not be placed, in words.
pub async fn place(
    customer: &Customer,
    request: &OrderRequest,
    channel: &SideChannel,
    counters: &Counters,
) -> Result<OrderView, String> {
    match try_to_place(customer, request).await {
        Ok(order) => {
            let pin = order.pin.clone().unwrap_or_default();
            channel.publish(order.id, OrderFacts { pin, ready_at: request.ready_at });
            counters.placed.fetch_add(1, Ordering::Relaxed);
            Ok(order)
        }
        Err(reason) => {
            counters.unplaced.fetch_add(1, Ordering::Relaxed);
            counters.warn(format!("Order {} was not placed: {reason}", request.external_id));
            Err(reason)
        }
    }
}

async fn try_to_place(customer: &Customer, request: &OrderRequest) -> Result<OrderView, String> {
    let deadline = Instant::now() + PLACE_WITHIN;
    let mut refusals = 0;
    let mut reason = "no time".to_owned();
    while Instant::now() < deadline && refusals < REFUSALS_MAX {
        let quote = match customer.quote(request.merchant, &request.sku, request.quantity, request.to).await {
            Ok(quote) => quote,
            Err(CallError::Stopped) => return Err("the run ended".into()),
            Err(e) => {
                refusals += u32::from(!matches!(e, CallError::Unavailable(_)));
                reason = format!("quote: {e}");
                tokio::time::sleep(RETRY_DELAY).await;
                continue;
            }
        };
        // A quote after a refusal needs a key of its own; retries without an answer keep the key.
        let key = if refusals == 0 { request.key.clone() } else { format!("{}-{refusals}", request.key) };
        while Instant::now() < deadline {
            match customer.order(quote.id, &request.external_id, &key).await {
                Ok(order) => return Ok(order),
                Err(CallError::Stopped) => return Err("the run ended".into()),
                Err(e @ CallError::Unavailable(_)) => reason = format!("order: {e}"),
                Err(e) => {
                    reason = format!("order: {e}");
                    refusals += 1;
                    break;
                }
            }
        }
    }
    Err(reason)
}

/// Follows an order until it has ended; none when the run ended first.
pub async fn follow(customer: &Customer, order: OrderId, counters: &Counters) -> Option<OrderView> {
    let mut events = customer.watch(order);
    let over = loop {
        let read = match tokio::time::timeout(POLL_EVERY, events.recv()).await {
            Ok(Some(event)) => match serde_json::from_str::<OrderView>(&event.data) {
                Ok(order) => Ok(order),
                Err(e) => {
                    counters.warn(format!("Order {order}: an event of its stream is not an order: {e}"));
                    continue;
                }
            },
            Ok(None) => return None,
            Err(_) => customer.read(order).await,
        };
        match read {
            Ok(read) if read.is_over() => break read,
            Ok(_) => {}
            Err(CallError::Stopped) => return None,
            Err(e) => counters.warn(format!("Order {order} cannot be read: {e}")),
        }
    };
    let counter = if over.state == OrderState::Delivered { &counters.delivered } else { &counters.ended };
    counter.fetch_add(1, Ordering::Relaxed);
    Some(over)
}
