//! The merchant API.

use chrono::{DateTime, Utc};
use pannier_contracts::merchant::MenuItem;
use pannier_contracts::ticket::TicketSnapshot;
use pannier_contracts::{Place, Role, TicketId, Version};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{Api, Call, CallError, Caller, Service, ShopView, sse};

/// A shop's tablet, with calls of the merchant API.
#[derive(Clone)]
pub struct Shop(Caller);

impl Shop {
    /// The tablet of the shop with this `mer_…` id.
    #[must_use]
    pub fn new(api: &std::sync::Arc<Api>, subject: &str) -> Self {
        Self(api.caller(Role::Merchant, subject))
    }

    /// The shop's profile; none before the first `put_profile`.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn profile(&self) -> Result<Option<ShopView>, CallError> {
        match self.0.send(Call::get(Service::Merchant, "/v1/merchant/profile")).await {
            Ok(shop) => Ok(Some(shop)),
            Err(CallError::Refused(problem)) if problem.status == 404 => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Creates the shop, or changes it when `seen` is its version. `prep_ms` is its usual preparation time.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn put_profile(
        &self,
        name: &str,
        place: Place,
        prep_ms: i64,
        seen: Option<Version>,
    ) -> Result<ShopView, CallError> {
        let body = json!({ "name": name, "place": place, "currency": "EUR", "prep_ms": prep_ms });
        let call = Call::put(Service::Merchant, "/v1/merchant/profile").body(body);
        self.0.send(if let Some(v) = seen { call.if_match(v.0) } else { call }).await
    }

    /// Replaces the whole menu.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn put_menu(&self, items: &[MenuItem], seen: Version) -> Result<ShopView, CallError> {
        let call = Call::put(Service::Merchant, "/v1/merchant/menu").body(json!({ "items": items }));
        self.0.send(call.if_match(seen.0)).await
    }

    /// Opens the shop for orders.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn open(&self, seen: Version) -> Result<ShopView, CallError> {
        let call = Call::post(Service::Merchant, "/v1/merchant/open").body(json!({}));
        self.0.send(call.if_match(seen.0)).await
    }

    /// All tickets that are not in a final state.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn open_tickets(&self) -> Result<Vec<TicketSnapshot>, CallError> {
        self.0.list(Service::Merchant, "/v1/merchant/tickets?open=true&limit=100").await
    }

    /// The ticket with this id.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn ticket(&self, id: TicketId) -> Result<TicketSnapshot, CallError> {
        self.0.send(Call::get(Service::Merchant, format!("/v1/merchant/tickets/{id}"))).await
    }

    /// Accepts the order, with `at` as the expected ready time.
    ///
    /// # Errors
    /// As [`Caller::send`]; 409 when the order has ended, 412 when a concurrent update won.
    pub async fn accept(&self, id: TicketId, seen: Version, at: DateTime<Utc>) -> Result<TicketSnapshot, CallError> {
        let call = Call::post(Service::Merchant, format!("/v1/merchant/tickets/{id}/accept"));
        self.0.send(call.body(json!({ "ready_at": at })).if_match(seen.0)).await
    }

    /// Marks the food as ready for pickup.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn ready(&self, id: TicketId, seen: Version) -> Result<TicketSnapshot, CallError> {
        let call = Call::post(Service::Merchant, format!("/v1/merchant/tickets/{id}/ready"));
        self.0.send(call.body(json!({})).if_match(seen.0)).await
    }

    /// Follows the stream of the shop's tickets until the receiver is dropped.
    #[must_use]
    pub fn watch(&self) -> mpsc::Receiver<sse::Event> {
        sse::follow(self.0.clone(), Service::Merchant, "/v1/merchant/tickets/stream".into())
    }
}
