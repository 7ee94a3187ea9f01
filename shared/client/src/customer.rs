//! The customer API.

use pannier_contracts::{MerchantId, OrderId, Place, QuoteId, Role};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{Api, Call, CallError, Caller, MerchantView, OrderView, Page, QuoteView, Service, sse};

/// A customer, with calls of the customer API.
#[derive(Clone)]
pub struct Customer(Caller);

impl Customer {
    /// The customer with this `cus_…` id.
    #[must_use]
    pub fn new(api: &std::sync::Arc<Api>, subject: &str) -> Self {
        Self(api.caller(Role::Customer, subject))
    }

    /// All shops that deliver to the place.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn merchants(&self, near: Place) -> Result<Vec<MerchantView>, CallError> {
        let path = format!("/v1/merchants?lat={}&lng={}&limit=100", near.lat(), near.lng());
        self.0.list(Service::Order, &path).await
    }

    /// Prices `quantity` pieces of one item, delivered to `to`.
    ///
    /// # Errors
    /// As [`Caller::send`]; 422 when the shop is closed, the item is unavailable or the place is outside its zone.
    pub async fn quote(&self, shop: MerchantId, sku: &str, quantity: u16, to: Place) -> Result<QuoteView, CallError> {
        let body = json!({ "merchant_id": shop, "lines": [{ "sku": sku, "quantity": quantity }], "dropoff": to });
        self.0.send(Call::post(Service::Order, "/v1/quotes").body(body)).await
    }

    /// Places the order of a quote. Repeating the call with the same `key` returns the first order.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn order(&self, quote: QuoteId, external_id: &str, key: &str) -> Result<OrderView, CallError> {
        let body = json!({ "quote_id": quote, "payment_method": "tok_ok", "external_id": external_id });
        self.0.send(Call::post(Service::Order, "/v1/orders").key(key).body(body)).await
    }

    /// The order with its ticket, delivery and PIN.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn read(&self, order: OrderId) -> Result<OrderView, CallError> {
        self.0.send(Call::get(Service::Order, format!("/v1/orders/{order}"))).await
    }

    /// The customer's `limit` newest orders, at most one page.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn newest(&self, limit: u32) -> Result<Vec<OrderView>, CallError> {
        let page: Page<_> = self.0.send(Call::get(Service::Order, format!("/v1/orders?limit={limit}"))).await?;
        Ok(page.data)
    }

    /// Follows the order's event stream until the receiver is dropped.
    #[must_use]
    pub fn watch(&self, order: OrderId) -> mpsc::Receiver<sse::Event> {
        sse::follow(self.0.clone(), Service::Order, format!("/v1/orders/{order}/stream"))
    }

    /// Drops the cached token of a customer who makes no more calls.
    pub fn sign_out(&self) {
        self.0.forget_token();
    }
}
