//! The operations API.

use pannier_contracts::zone::{Policy, ZoneSnapshot};
use pannier_contracts::{DeliveryId, OrderId, Place, Role, Version, ZoneId};
use serde_json::{Value, json};

use crate::{Api, Call, CallError, Caller, OrderView, RoundView, Service};

/// An operator, with calls of the operations APIs of all three services.
#[derive(Clone)]
pub struct Ops(Caller);

impl Ops {
    /// An operator; `subject` is the name in audit records.
    #[must_use]
    pub fn new(api: &std::sync::Arc<Api>, subject: &str) -> Self {
        Self(api.caller(Role::Ops, subject))
    }

    /// Creates a zone, or replaces its settings.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn put_zone(
        &self,
        id: &ZoneId,
        name: &str,
        polygon: &[Place],
        policy: &Policy,
    ) -> Result<ZoneSnapshot, CallError> {
        let path = format!("/v1/ops/zones/{id}");
        let existing = match self.0.send::<ZoneSnapshot>(Call::get(Service::Dispatch, &path)).await {
            Ok(zone) => Some(zone.version.0),
            Err(CallError::Refused(problem)) if problem.status == 404 => None,
            Err(e) => return Err(e),
        };
        let call = Call::put(Service::Dispatch, path);
        let call = call.body(json!({ "name": name, "polygon": polygon, "policy": policy }));
        self.0.send(if let Some(v) = existing { call.if_match(v) } else { call }).await
    }

    /// All orders that are not in a final state.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn open_orders(&self) -> Result<Vec<OrderView>, CallError> {
        self.0.list(Service::Order, "/v1/ops/orders?open=true&limit=100").await
    }

    /// Cancels an order, with `reason` as its code.
    ///
    /// # Errors
    /// As [`Caller::send`]; 409 after pickup, 412 when its version is no longer `seen`.
    pub async fn cancel(&self, id: OrderId, seen: Version, reason: &str) -> Result<OrderView, CallError> {
        let call = Call::post(Service::Order, format!("/v1/ops/orders/{id}/cancel"));
        self.0.send(call.body(json!({ "reason": reason })).if_match(seen.0)).await
    }

    /// The number of open tickets, open deliveries and unpublished events, added up: zero when the platform is at rest.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn unfinished(&self) -> Result<usize, CallError> {
        let tickets: Vec<Value> = self.0.list(Service::Merchant, "/v1/ops/tickets?open=true&limit=100").await?;
        let deliveries: Vec<Value> = self.0.list(Service::Dispatch, "/v1/ops/deliveries?open=true&limit=100").await?;
        let mut unfinished = tickets.len() + deliveries.len();
        for service in Service::ALL {
            let outbox: Value = self.0.send(Call::get(service, "/v1/ops/outbox")).await?;
            unfinished += outbox["unpublished"].as_u64().unwrap_or_default() as usize;
        }
        Ok(unfinished)
    }

    /// The recorded dispatch rounds of a delivery.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn rounds(&self, id: DeliveryId) -> Result<Vec<RoundView>, CallError> {
        self.0.list(Service::Dispatch, &format!("/v1/ops/deliveries/{id}/rounds?limit=100")).await
    }
}
