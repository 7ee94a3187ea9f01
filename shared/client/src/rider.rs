//! The rider API.

use std::time::Duration;

use chrono::Utc;
use pannier_contracts::delivery::FailureReason;
use pannier_contracts::offer::OfferSnapshot;
use pannier_contracts::rider::RiderSnapshot;
use pannier_contracts::{DeliveryId, OfferId, Place, Role};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{Api, Call, CallError, Caller, DeliveryView, Service, sse};

/// A step of a delivery that the rider confirms in the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tap<'p> {
    /// Arrived at the shop.
    AtPickup,
    /// Collected the food.
    PickedUp,
    /// Arrived at the customer.
    AtDropoff,
    /// Handed over, with the customer's PIN.
    Delivered(&'p str),
    /// Could not hand it over, and brings it back.
    Failed(FailureReason),
    /// Brought the food back to the shop.
    Returned,
}

/// A rider's app, with calls of the rider API.
#[derive(Clone)]
pub struct Rider(Caller);

impl Rider {
    /// The app of the rider with this `rdr_…` id.
    #[must_use]
    pub fn new(api: &std::sync::Arc<Api>, subject: &str) -> Self {
        Self(api.caller(Role::Rider, subject))
    }

    /// The shared client.
    #[must_use]
    pub fn api(&self) -> &Api {
        self.0.api()
    }

    /// Creates or changes the rider's profile. `capacity` is the number of orders carried at a time.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn put_profile(&self, name: &str, speed_mps: f64, capacity: u32) -> Result<RiderSnapshot, CallError> {
        let body = json!({ "name": name, "vehicle": "scooter", "speed_mps": speed_mps, "capacity": capacity });
        self.0.send(Call::put(Service::Dispatch, "/v1/rider/profile").body(body)).await
    }

    /// Starts the shift at `place`.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn online(&self, place: Place) -> Result<RiderSnapshot, CallError> {
        self.0.send(Call::post(Service::Dispatch, "/v1/rider/online").body(json!({ "place": place }))).await
    }

    /// Receives no more offers; open deliveries go on.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn pause(&self) -> Result<RiderSnapshot, CallError> {
        self.0.send(Call::post(Service::Dispatch, "/v1/rider/pause").body(json!({}))).await
    }

    /// Ends the shift.
    ///
    /// # Errors
    /// As [`Caller::send`]; 409 `carrying` while deliveries are open.
    pub async fn offline(&self) -> Result<RiderSnapshot, CallError> {
        self.0.send(Call::post(Service::Dispatch, "/v1/rider/offline").body(json!({}))).await
    }

    /// Reports the position. Sent once without retries: a late position is worth less than the next one.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn locate(&self, seq: i64, place: Place) -> Result<(), CallError> {
        let at = Utc::now();
        let body = json!({ "locations": [{ "seq": seq, "place": place, "accuracy_m": 5, "recorded_at": at }] });
        let call = Call::post(Service::Dispatch, "/v1/rider/locations").keyless().body(body);
        self.0.send::<Value>(call.patience(Duration::ZERO).timeout(Duration::from_secs(2))).await.map(drop)
    }

    /// Offers that are not answered yet.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn offers(&self) -> Result<Vec<OfferSnapshot>, CallError> {
        self.0.list(Service::Dispatch, "/v1/rider/offers?limit=100").await
    }

    /// Accepts an offer. Retried for at most 25 s, the lifetime of an offer.
    ///
    /// # Errors
    /// As [`Caller::send`]; 409 when the offer has expired or was revoked.
    pub async fn accept(&self, offer: OfferId) -> Result<DeliveryView, CallError> {
        let call = Call::post(Service::Dispatch, format!("/v1/rider/offers/{offer}/accept"));
        self.0.send(call.body(json!({})).patience(Duration::from_secs(25))).await
    }

    /// The rider's deliveries that are not in a final state.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn deliveries(&self) -> Result<Vec<DeliveryView>, CallError> {
        self.0.list(Service::Dispatch, "/v1/rider/deliveries?open=true&limit=100").await
    }

    /// The delivery; none when it is not, or no longer, assigned to this rider.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryView>, CallError> {
        match self.0.send(Call::get(Service::Dispatch, format!("/v1/rider/deliveries/{id}"))).await {
            Ok(delivery) => Ok(Some(delivery)),
            Err(CallError::Refused(problem)) if problem.status == 404 => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Confirms a step of a delivery.
    ///
    /// # Errors
    /// As [`Caller::send`]; 409 when the delivery's state does not allow the step, or `customer_wait_not_over`.
    pub async fn tap(&self, id: DeliveryId, tap: Tap<'_>) -> Result<DeliveryView, CallError> {
        let at = Utc::now();
        let (action, body) = match tap {
            Tap::AtPickup => ("at_pickup", json!({ "occurred_at": at })),
            Tap::PickedUp => ("picked_up", json!({ "occurred_at": at })),
            Tap::AtDropoff => ("at_dropoff", json!({ "occurred_at": at })),
            Tap::Delivered(pin) => ("delivered", json!({ "occurred_at": at, "pin": pin })),
            Tap::Failed(reason) => ("failed", json!({ "occurred_at": at, "reason": reason })),
            Tap::Returned => ("returned", json!({ "occurred_at": at })),
        };
        let call = Call::post(Service::Dispatch, format!("/v1/rider/deliveries/{id}/{action}"));
        self.0.send(call.body(body)).await
    }

    /// Follows the stream of offers and deliveries until the receiver is dropped.
    #[must_use]
    pub fn watch(&self) -> mpsc::Receiver<sse::Event> {
        sse::follow(self.0.clone(), Service::Dispatch, "/v1/rider/offers/stream".into())
    }
}
