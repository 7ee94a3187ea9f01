//! What operations call.

use pannier_contracts::zone::{Policy, ZoneSnapshot};
use pannier_contracts::{DeliveryId, OrderId, Place, Version, ZoneId};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Api, Call, CallError, Caller, OrderView, Page, Role, RoundView, Service};

impl Caller {
    /// A whole list, page by page.
    pub(super) async fn list<T: DeserializeOwned>(&self, service: Service, path: &str) -> Result<Vec<T>, CallError> {
        let mut all = Vec::new();
        let mut at = path.to_owned();
        loop {
            let page: Page<T> = self.send(Call::get(service, at)).await?;
            all.extend(page.data);
            let Some(cursor) = page.next_cursor else { return Ok(all) };
            let joint = if path.contains('?') { '&' } else { '?' };
            at = format!("{path}{joint}cursor={cursor}");
        }
    }
}

/// Operations.
#[derive(Clone)]
pub struct Ops(Caller);

impl Ops {
    /// Somebody of operations.
    #[must_use]
    pub fn new(api: &std::sync::Arc<Api>, subject: &str) -> Self {
        Self(api.caller(Role::Ops, subject))
    }

    /// Makes or changes a zone.
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

    /// Every order that is not over.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn open_orders(&self) -> Result<Vec<OrderView>, CallError> {
        self.0.list(Service::Order, "/v1/ops/orders?open=true&limit=100").await
    }

    /// Cancels an order.
    ///
    /// # Errors
    /// As [`Caller::send`]; 409 when a rider has it, 412 when it has moved meanwhile.
    pub async fn cancel(&self, id: OrderId, seen: Version, reason: &str) -> Result<OrderView, CallError> {
        let call = Call::post(Service::Order, format!("/v1/ops/orders/{id}/cancel"));
        self.0.send(call.body(json!({ "reason": reason })).if_match(seen.0)).await
    }

    /// How many tickets and deliveries are not over, and how many events are not published.
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

    /// The dispatcher's looks at a delivery.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn rounds(&self, id: DeliveryId) -> Result<Vec<RoundView>, CallError> {
        self.0.list(Service::Dispatch, &format!("/v1/ops/deliveries/{id}/rounds?limit=100")).await
    }
}
