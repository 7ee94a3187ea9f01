//! A quote becomes an order: order, payment, timer and event in one transaction. The payment worker authorises right after.

use pannier_contracts::order::OrderState;
use pannier_contracts::payment::PaymentState;
use pannier_contracts::{CustomerId, OrderId, PaymentId, QuoteId, Version};
use pannier_platform::{Cause, Conn, Refusal};

use crate::commands::advance::entered;
use crate::domain::pin;
use crate::store;
use crate::store::orders::{Order, PaymentNow};
use crate::store::progress::Progress;

/// What is asked.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceOrder {
    /// The price that the customer saw.
    pub quote_id: QuoteId,
    /// A token of the payment gateway.
    pub payment_method: String,
    /// The caller's own number for it, unique among theirs.
    #[serde(default)]
    pub external_id: Option<String>,
}

/// Places an order under an id that the caller has made.
///
/// # Errors
/// `NotFound` without such a quote, `Invalid` when it is too old, `Illegal` when it was used.
pub async fn place_order(
    conn: &mut Conn,
    cause: &Cause,
    customer: CustomerId,
    id: OrderId,
    wanted: &PlaceOrder,
) -> Result<Order, Refusal> {
    check_text("/payment_method", &wanted.payment_method)?;
    if let Some(external_id) = &wanted.external_id {
        check_text("/external_id", external_id)?;
    }
    let (quote, now) = store::quotes::load(conn, wanted.quote_id, customer).await?;
    if quote.expires_at <= now {
        return Err(Refusal::invalid("quote_expired", "a quote is good for ten minutes; ask for a new one"));
    }
    let pin = pin::generate();
    let order = Order {
        id,
        version: Version::FIRST,
        state: OrderState::PendingPayment,
        external_id: wanted.external_id.clone(),
        quote_id: quote.id,
        customer_id: customer,
        merchant_id: quote.merchant_id,
        merchant_name: quote.merchant_name,
        zone_id: quote
            .zone_id
            .try_into()
            .map_err(|e: pannier_contracts::zone::InvalidZoneId| Refusal::Bug(e.into()))?,
        lines: quote.lines,
        fees: quote.fees,
        currency: quote
            .currency
            .parse()
            .map_err(|e: pannier_contracts::money::InvalidCurrency| Refusal::Bug(e.into()))?,
        total: quote.total,
        pickup_lat: quote.pickup_lat,
        pickup_lng: quote.pickup_lng,
        dropoff_lat: quote.dropoff_lat,
        dropoff_lng: quote.dropoff_lng,
        promise_at: quote.promise_at,
        ready_at: None,
        pin_hash: pin::hash(id, &pin),
        pin,
        reason: None,
        placed_at: now,
        payment: PaymentNow {
            id: PaymentId::generate(),
            version: Version::FIRST,
            state: PaymentState::Initiated,
            attempt: 1,
            operation_key: None,
            next_attempt_at: None,
        },
        progress: Progress::NONE,
    };
    store::orders::insert(conn, cause, &order).await?;
    store::payments::open(conn, cause, order.payment.id, id, &wanted.payment_method, order.total()).await?;
    entered(conn, &order, OrderState::PendingPayment).await?;
    tracing::info!(order.id = %id, merchant.id = %order.merchant_id, "Order {id} placed");
    Ok(order)
}

/// Texts that callers choose: something, and not a novel.
pub(crate) fn check_text(pointer: &str, text: &str) -> Result<(), Refusal> {
    if (1..=128).contains(&text.len()) {
        return Ok(());
    }
    Err(Refusal::Invalid {
        code: "text_invalid",
        detail: "this is 1 to 128 bytes long".to_owned(),
        pointer: Some(pointer.to_owned()),
    })
}
