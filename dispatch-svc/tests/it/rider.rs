//! Requests of a rider's app.

use std::ops::Deref;

use pannier_contracts::RiderId;
use pannier_contracts::order::OrderSnapshot;
use pannier_testkit::{Answer, Caller, Stream};
use serde_json::{Value, json};

/// A rider who calls the API.
pub struct Rider(pub Caller);

impl Deref for Rider {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl Rider {
    pub fn rider_id(&self) -> RiderId {
        self.id.parse().expect("a rider id")
    }

    pub async fn profile(&self) -> Value {
        self.get("/v1/rider/profile").await.ok()
    }

    pub async fn stream(&self) -> Stream {
        self.0.stream("/v1/rider/offers/stream", None).await
    }

    /// The offers that the rider may answer.
    pub async fn offers(&self) -> Vec<Value> {
        let offers = self.get("/v1/rider/offers").await.ok();
        offers["data"].as_array().expect("a list").clone()
    }

    /// The open offer of an order, if there is one.
    pub async fn offer_of(&self, order: &OrderSnapshot) -> Option<Value> {
        self.offers().await.into_iter().find(|o| o["order_id"] == order.id.to_string())
    }

    pub async fn accept(&self, offer: &Value) -> Answer {
        self.post(&format!("/v1/rider/offers/{}/accept", offer["id"].as_str().expect("an id")), json!({})).await
    }

    pub async fn decline(&self, offer: &Value, body: Value) -> Answer {
        self.post(&format!("/v1/rider/offers/{}/decline", offer["id"].as_str().expect("an id")), body).await
    }

    /// Reports progress without a body: `at_pickup`, `picked_up`, `at_dropoff` or `returned`.
    pub async fn report(&self, delivery: &str, progress: &str) -> Answer {
        self.post(&format!("/v1/rider/deliveries/{delivery}/{progress}"), json!({})).await
    }

    /// Reports that the food cannot be handed over.
    pub async fn fail(&self, delivery: &str, reason: &str) -> Answer {
        self.post(&format!("/v1/rider/deliveries/{delivery}/failed"), json!({"reason": reason})).await
    }

    pub async fn deliver(&self, delivery: &str, pin: &str) -> Answer {
        self.post(&format!("/v1/rider/deliveries/{delivery}/delivered"), json!({"pin": pin})).await
    }
}
