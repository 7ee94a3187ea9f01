//! The operations API.

use pannier_contracts::delivery::{FailureReason, LossReason};
use pannier_contracts::rider::RiderSnapshot;
use pannier_contracts::zone::{Policy, ZoneSnapshot};
use pannier_contracts::{DeliveryId, OrderId, Place, RiderId, Role, Version, ZoneId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Api, Call, CallError, Caller, DeliveryView, OrderView, RoundView, Service};

/// A rider as the one who might take a delivery.
#[derive(Debug, Clone, Deserialize)]
pub struct CandidateView {
    /// The rider.
    pub rider_id: RiderId,
    /// Why they may not have it, a word; none if they may.
    #[serde(default)]
    pub gate: Option<String>,
    /// What giving it to them costs, milliseconds of delay; none behind most gates.
    #[serde(default)]
    pub cost: Option<i64>,
}

/// What became of food whose rider does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// Nobody has it.
    Lost,
    /// The customer has it.
    Delivered,
    /// The shop has it.
    Returned,
}

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

    /// The riders for a delivery that has none, the best first, those behind a gate last.
    ///
    /// # Errors
    /// As [`Caller::send`]; 409 when it has a rider.
    pub async fn candidates(&self, id: DeliveryId) -> Result<Vec<CandidateView>, CallError> {
        self.0.list(Service::Dispatch, &format!("/v1/ops/deliveries/{id}/candidates")).await
    }

    /// What giving a delivery to a rider would cost, or the gate that forbids it. Nothing is done.
    ///
    /// # Errors
    /// As [`Self::assign`], except that a gate is no error.
    pub async fn try_assign(&self, id: DeliveryId, seen: Version, rider: RiderId) -> Result<CandidateView, CallError> {
        let body = json!({ "rider_id": rider });
        self.0.send(action("deliveries", &id, "assign?dry_run=true", seen).body(body)).await
    }

    /// Gives a delivery to a rider.
    ///
    /// # Errors
    /// As [`Caller::send`]; 409 `rider_not_eligible`, or when it has a rider; 412 when its version is no longer `seen`, as of
    /// all further calls.
    pub async fn assign(&self, id: DeliveryId, seen: Version, rider: RiderId) -> Result<DeliveryView, CallError> {
        self.0.send(action("deliveries", &id, "assign", seen).body(json!({ "rider_id": rider }))).await
    }

    /// Withdraws a delivery from its rider, before pickup.
    ///
    /// # Errors
    /// As [`Caller::send`]; 409 when the rider has the food.
    pub async fn reassign(&self, id: DeliveryId, seen: Version, reason: &str) -> Result<DeliveryView, CallError> {
        self.0.send(action("deliveries", &id, "reassign", seen).body(json!({ "reason": reason }))).await
    }

    /// Sends food on the road back to its shop. `cause` is the code that the delivery keeps.
    ///
    /// # Errors
    /// As [`Caller::send`]; 409 when no rider has the food.
    pub async fn call_back(
        &self,
        id: DeliveryId,
        seen: Version,
        reason: &str,
        cause: Option<FailureReason>,
    ) -> Result<DeliveryView, CallError> {
        self.0.send(action("deliveries", &id, "return", seen).body(json!({ "reason": reason, "cause": cause }))).await
    }

    /// The shop says that the food is back.
    ///
    /// # Errors
    /// As [`Caller::send`]; 409 when it was not on its way back.
    pub async fn returned(&self, id: DeliveryId, seen: Version) -> Result<DeliveryView, CallError> {
        self.0.send(action("deliveries", &id, "returned", seen).body(json!({}))).await
    }

    /// Ends a delivery whose rider or food is lost. `note` is for people.
    ///
    /// # Errors
    /// As [`Caller::send`]; 409 when no rider has the food.
    pub async fn settle(
        &self,
        id: DeliveryId,
        seen: Version,
        outcome: Settlement,
        reason: LossReason,
        note: &str,
    ) -> Result<DeliveryView, CallError> {
        let body = json!({ "outcome": outcome, "reason": reason, "note": note });
        self.0.send(action("deliveries", &id, "settle", seen).body(body)).await
    }

    /// Ends a rider's shift. What they have not picked up is given to others.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn off_duty(&self, id: RiderId, seen: Version, reason: &str) -> Result<RiderSnapshot, CallError> {
        self.0.send(action("riders", &id, "off-duty", seen).body(json!({ "reason": reason }))).await
    }
}

/// An action of dispatch-svc on what was seen at a version.
fn action(of: &str, id: &impl std::fmt::Display, action: &str, seen: Version) -> Call {
    Call::post(Service::Dispatch, format!("/v1/ops/{of}/{id}/{action}")).if_match(seen.0)
}
