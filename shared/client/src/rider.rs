//! What a rider's app calls.

use std::time::Duration;

use chrono::Utc;
use pannier_contracts::offer::OfferSnapshot;
use pannier_contracts::rider::RiderSnapshot;
use pannier_contracts::{DeliveryId, OfferId, Place};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{Api, Call, CallError, Caller, DeliveryView, Role, Service, sse};

/// What a rider does with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tap<'p> {
    /// At the counter.
    AtPickup,
    /// The food is in the bag.
    PickedUp,
    /// At the door.
    AtDropoff,
    /// Handed over; the customer told this PIN.
    Delivered(&'p str),
    /// Back at the shop.
    Returned,
}

/// A rider's app.
#[derive(Clone)]
pub struct Rider(Caller);

impl Rider {
    /// The app of the rider with this `rdr_…` id.
    #[must_use]
    pub fn new(api: &std::sync::Arc<Api>, subject: &str) -> Self {
        Self(api.caller(Role::Rider, subject))
    }

    /// The platform that is called.
    #[must_use]
    pub fn api(&self) -> &Api {
        self.0.api()
    }

    /// Makes or changes the rider.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn put_profile(&self, name: &str, speed_mps: f64, capacity: u32) -> Result<RiderSnapshot, CallError> {
        let body = json!({ "name": name, "vehicle": "scooter", "speed_mps": speed_mps, "capacity": capacity });
        self.0.send(Call::put(Service::Dispatch, "/v1/rider/profile").body(body)).await
    }

    /// On shift, here.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn online(&self, place: Place) -> Result<RiderSnapshot, CallError> {
        self.0.send(Call::post(Service::Dispatch, "/v1/rider/online").body(json!({ "place": place }))).await
    }

    /// No new offers.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn pause(&self) -> Result<RiderSnapshot, CallError> {
        self.0.send(Call::post(Service::Dispatch, "/v1/rider/pause").body(json!({}))).await
    }

    /// Off shift.
    ///
    /// # Errors
    /// As [`Caller::send`]; 409 `carrying` with orders on board.
    pub async fn offline(&self) -> Result<RiderSnapshot, CallError> {
        self.0.send(Call::post(Service::Dispatch, "/v1/rider/offline").body(json!({}))).await
    }

    /// Here I am. Tried once: the next position is better news than this one late.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn locate(&self, seq: i64, place: Place) -> Result<(), CallError> {
        let at = Utc::now();
        let body = json!({ "locations": [{ "seq": seq, "place": place, "accuracy_m": 5, "recorded_at": at }] });
        let call = Call::post(Service::Dispatch, "/v1/rider/locations").keyless().body(body);
        self.0.send::<Value>(call.patience(Duration::ZERO).timeout(Duration::from_secs(2))).await.map(drop)
    }

    /// Open offers.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn offers(&self) -> Result<Vec<OfferSnapshot>, CallError> {
        self.0.list(Service::Dispatch, "/v1/rider/offers?limit=100").await
    }

    /// Takes an offer. Not tried for longer than an offer lives.
    ///
    /// # Errors
    /// As [`Caller::send`]; 409 when it came too late.
    pub async fn accept(&self, offer: OfferId) -> Result<DeliveryView, CallError> {
        let call = Call::post(Service::Dispatch, format!("/v1/rider/offers/{offer}/accept"));
        self.0.send(call.body(json!({})).patience(Duration::from_secs(25))).await
    }

    /// The rider's deliveries that are not over.
    ///
    /// # Errors
    /// As [`Caller::send`].
    pub async fn deliveries(&self) -> Result<Vec<DeliveryView>, CallError> {
        self.0.list(Service::Dispatch, "/v1/rider/deliveries?open=true&limit=100").await
    }

    /// Reads a delivery; none when it is not this rider's (any more).
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

    /// Tells what the rider did.
    ///
    /// # Errors
    /// As [`Caller::send`]; 409 when the delivery is no longer where the rider thinks.
    pub async fn tap(&self, id: DeliveryId, tap: Tap<'_>) -> Result<DeliveryView, CallError> {
        let at = Utc::now();
        let (action, body) = match tap {
            Tap::AtPickup => ("at_pickup", json!({ "occurred_at": at })),
            Tap::PickedUp => ("picked_up", json!({ "occurred_at": at })),
            Tap::AtDropoff => ("at_dropoff", json!({ "occurred_at": at })),
            Tap::Delivered(pin) => ("delivered", json!({ "occurred_at": at, "pin": pin })),
            Tap::Returned => ("returned", json!({ "occurred_at": at })),
        };
        let call = Call::post(Service::Dispatch, format!("/v1/rider/deliveries/{id}/{action}"));
        self.0.send(call.body(body)).await
    }

    /// Watches offers and deliveries until the receiver is dropped.
    #[must_use]
    pub fn watch(&self) -> mpsc::Receiver<sse::Event> {
        sse::follow(self.0.clone(), Service::Dispatch, "/v1/rider/offers/stream".into())
    }
}
