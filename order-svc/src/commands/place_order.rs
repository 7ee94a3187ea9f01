//! A quote becomes an order: order, payment, timer and events in one transaction. The reconciler asks for the
//! authorisation right after the commit.

use pannier_contracts::order::OrderState;
use pannier_contracts::{CustomerId, Money, OrderId, QuoteId, Version};
use pannier_platform::{Cause, Conn, Refusal};

use super::apply_trigger::schedule_deadline;
use super::quote::{invalid, serving_zone};
use crate::domain::pricing::{PricingError, check_orderable};
use crate::domain::{pin, text};
use crate::store::zones::ZoneCache;
use crate::store::{self, Order, Payment};

/// The body of the request.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceOrder {
    /// The quote that the customer accepts.
    pub quote_id: QuoteId,
    /// A token of the payment gateway.
    pub payment_method: String,
    /// The caller's own number of the order, unique among this customer's.
    #[serde(default)]
    pub external_id: Option<String>,
}

/// The body has no lines that a pointer could name: those of the quote are meant.
fn without_pointer(e: &PricingError) -> Refusal {
    match invalid(e) {
        Refusal::Invalid { code, detail, .. } => Refusal::Invalid { code, detail, pointer: None },
        refusal => refusal,
    }
}

/// Places an order under an id that the caller generated.
///
/// # Errors
/// [`Refusal::NotFound`] when this customer has no such quote, [`Refusal::Invalid`] when it has expired, its shop does not
/// take it any more, or a text is bad,
/// [`Refusal::Illegal`] when the quote or the external id has an order already.
pub async fn place_order(
    conn: &mut Conn,
    cause: &Cause,
    zones: &ZoneCache,
    customer: CustomerId,
    id: OrderId,
    request: &PlaceOrder,
) -> Result<Order, Refusal> {
    text::check_length("/payment_method", &request.payment_method)?;
    if let Some(external_id) = &request.external_id {
        text::check_length("/external_id", external_id)?;
    }
    let (quote, now) = store::quotes::load(conn, request.quote_id, customer).await?;
    if quote.expires_at <= now {
        return Err(Refusal::invalid("quote_expired", "a quote is good for ten minutes; ask for a new one"));
    }
    // The quote promises its price and time. Whether there is food is asked again.
    let shop = store::merchants::find(conn, quote.merchant_id).await?.ok_or(Refusal::NotFound("merchant"))?;
    let zone = serving_zone(conn, zones, &quote.pickup, &quote.dropoff).await?;
    let (skus, total) = (quote.lines.0.iter().map(|line| line.sku.as_str()), Money::new(quote.total, quote.currency));
    check_orderable(&shop, skus, total, &zone.policy).map_err(|e| without_pointer(&e))?;
    let pin = pin::generate();
    let order = Order {
        id,
        version: Version::FIRST,
        state: OrderState::PendingPayment,
        external_id: request.external_id.clone(),
        quote_id: quote.id,
        customer_id: customer,
        merchant_id: quote.merchant_id,
        merchant_name: quote.merchant_name,
        zone_id: quote.zone_id,
        lines: quote.lines,
        fees: quote.fees,
        currency: quote.currency,
        total: quote.total,
        pickup: quote.pickup,
        dropoff: quote.dropoff,
        promise_at: quote.promise_at,
        ready_at: None,
        pin_hash: pin::hash(id, &pin),
        pin,
        reason: None,
        placed_at: now,
        refund_share: 100,
        who_pays: None,
        payment: Payment::new(id, &request.payment_method, Money::new(quote.total, quote.currency), now),
        progress: None,
    };
    store::orders::insert(conn, cause, &order).await?;
    store::payments::insert(conn, cause, &order.payment).await?;
    schedule_deadline(conn, &order).await?;
    tracing::info!(order.id = %id, merchant.id = %order.merchant_id, "Order {id} placed");
    Ok(order)
}
