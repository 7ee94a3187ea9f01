//! Somebody who orders and watches until it is over.

use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};
use pannier_contracts::order::OrderState;
use pannier_contracts::{MerchantId, OrderId, Place};
use tokio::time::Instant;

use super::{Counters, Directory, Told};
use pannier_client::{CallError, Customer, OrderView};

/// How long somebody tries to order before they go to bed hungry.
const HUNGRY_FOR: Duration = Duration::from_secs(600);
/// How often a refused quote is asked again: the shop may be opening just now.
const REFUSALS: u32 = 10;
/// A stream that says nothing for so long is checked by reading.
const CHECK_EVERY: Duration = Duration::from_secs(30);

/// What somebody wants.
#[derive(Debug, Clone)]
pub struct Wish {
    /// At which shop.
    pub merchant: MerchantId,
    /// Which article.
    pub sku: String,
    /// How many.
    pub quantity: u16,
    /// Where to.
    pub to: Place,
    /// The customer's own name of the order.
    pub external_id: String,
    /// The tap: all tries of it are one order.
    pub key: String,
    /// When the kitchen will be done.
    pub ready_at: DateTime<Utc>,
}

/// Orders, however often it takes.
///
/// # Errors
/// Says why it could not be placed.
pub async fn place(
    customer: &Customer,
    wish: &Wish,
    directory: &Directory,
    counters: &Counters,
) -> Result<OrderView, String> {
    match try_to_place(customer, wish).await {
        Ok(order) => {
            let pin = order.pin.clone().unwrap_or_default();
            directory.tell(order.id, Told { pin, ready_at: wish.ready_at });
            counters.placed.fetch_add(1, Ordering::Relaxed);
            Ok(order)
        }
        Err(why) => {
            counters.unplaced.fetch_add(1, Ordering::Relaxed);
            counters.trouble(format!("Order {} was not placed: {why}", wish.external_id));
            Err(why)
        }
    }
}

async fn try_to_place(customer: &Customer, wish: &Wish) -> Result<OrderView, String> {
    let until = Instant::now() + HUNGRY_FOR;
    let mut refusals = 0;
    let mut why = "no time".to_owned();
    while Instant::now() < until && refusals < REFUSALS {
        let quote = match customer.quote(wish.merchant, &wish.sku, wish.quantity, wish.to).await {
            Ok(quote) => quote,
            Err(CallError::Stopped) => return Err("the run ended".into()),
            Err(e) => {
                refusals += u32::from(!matches!(e, CallError::Unavailable(_)));
                why = format!("quote: {e}");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        // A new quote is a new tap; until one is refused for good, every try is the same tap.
        let key = if refusals == 0 { wish.key.clone() } else { format!("{}-{refusals}", wish.key) };
        while Instant::now() < until {
            match customer.order(quote.id, &wish.external_id, &key).await {
                Ok(order) => return Ok(order),
                Err(CallError::Stopped) => return Err("the run ended".into()),
                Err(e @ CallError::Unavailable(_)) => why = format!("order: {e}"),
                Err(e) => {
                    why = format!("order: {e}");
                    refusals += 1;
                    break;
                }
            }
        }
    }
    Err(why)
}

/// Watches an order until it is over; none when the run ended first.
pub async fn follow(customer: &Customer, order: OrderId, counters: &Counters) -> Option<OrderView> {
    let mut events = customer.watch(order);
    let over = loop {
        let seen = match tokio::time::timeout(CHECK_EVERY, events.recv()).await {
            Ok(Some(event)) => match serde_json::from_str::<OrderView>(&event.data) {
                Ok(seen) => Ok(seen),
                Err(e) => {
                    counters.trouble(format!("Order {order}: its stream told no order: {e}"));
                    continue;
                }
            },
            Ok(None) => return None,
            Err(_) => customer.read(order).await,
        };
        match seen {
            Ok(seen) if seen.is_over() => break seen,
            Ok(_) => {}
            Err(CallError::Stopped) => return None,
            Err(e) => counters.trouble(format!("Order {order} cannot be read: {e}")),
        }
    };
    let counter = if over.state == OrderState::Delivered { &counters.delivered } else { &counters.ended };
    counter.fetch_add(1, Ordering::Relaxed);
    Some(over)
}
