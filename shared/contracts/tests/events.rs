//! The JSON of events, pinned: services of other versions read it, and messages wait in queues and tables.
//!
//! A changed snapshot is a changed contract. A new field must be optional for readers (`Option` or `#[serde(default)]`).
//! To remove a field or to change its meaning takes a new version of the event (`.v2`).

use std::fmt::Debug;

use chrono::{DateTime, Utc};
use pannier_contracts::delivery::{DeliverySnapshot, DeliveryState};
use pannier_contracts::event::Snapshot;
use pannier_contracts::merchant::{MenuItem, MerchantSnapshot, MerchantStatus};
use pannier_contracts::offer::{OfferSnapshot, OfferState};
use pannier_contracts::order::{OrderLine, OrderSnapshot, OrderState};
use pannier_contracts::payment::{PaymentSnapshot, PaymentState};
use pannier_contracts::rider::{RiderSnapshot, RiderStatus};
use pannier_contracts::ticket::{TicketSnapshot, TicketState};
use pannier_contracts::zone::{DispatchAlgorithm, Policy, ZoneSnapshot};
use pannier_contracts::{Envelope, Money, Place, Version, ZoneId};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// The same aggregate with every optional field, and with none.
#[derive(Serialize)]
struct Examples<S> {
    maximal: S,
    minimal: S,
}

impl<S: Snapshot + PartialEq + Debug> Examples<S> {
    /// Pins the JSON and checks that a reader ignores fields it does not know and misses no optional one.
    fn pin(self) {
        for snapshot in [&self.maximal, &self.minimal] {
            let written = serde_json::to_value(snapshot).unwrap();
            for json in [written.clone(), with_unknown_fields(written.clone()), without_nulls(written)] {
                let read: S = serde_json::from_value(json).unwrap();
                assert_eq!(&read, snapshot);
            }
        }
        insta::assert_json_snapshot!(S::AGGREGATE, self);
    }
}

/// A field more in every object, as a newer service may write it. Places and money have no other fields than theirs.
fn with_unknown_fields(json: Value) -> Value {
    match json {
        Value::Object(fields) if fields.contains_key("lat") || fields.contains_key("amount") => Value::Object(fields),
        Value::Object(fields) => {
            let known = fields.into_iter().map(|(name, value)| (name, with_unknown_fields(value)));
            known.chain([("unknown".to_owned(), json!({"a": [1]}))]).collect()
        }
        Value::Array(values) => values.into_iter().map(with_unknown_fields).collect(),
        other => other,
    }
}

/// No field for what is absent, as an older service may write it.
fn without_nulls(json: Value) -> Value {
    let Value::Object(fields) = json else { return json };
    fields.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

fn id<I: From<Uuid>>(n: u128) -> I {
    Uuid::from_u128(0x0192_f3c2_7b2e_7d1a_8f4e_0000_0000_0000 + n).into()
}

fn at(minute: u32) -> DateTime<Utc> {
    format!("2026-11-20T12:{minute:02}:00.123Z").parse().unwrap()
}

fn place(lat: f64) -> Place {
    Place::new(lat, 13.404954).unwrap()
}

fn eur(amount: i64) -> Money {
    Money::new(amount, "EUR".parse().unwrap())
}

fn zone_id() -> ZoneId {
    "harbour".parse().unwrap()
}

fn line() -> OrderLine {
    OrderLine { sku: "soup".to_owned(), name: "Soup of the day".to_owned(), quantity: 2, unit_price: eur(650) }
}

fn order() -> OrderSnapshot {
    OrderSnapshot {
        id: id(1),
        version: Version(4),
        state: OrderState::Cancelled,
        customer_id: id(2),
        merchant_id: id(3),
        merchant_name: "Noodles".to_owned(),
        zone_id: zone_id(),
        lines: vec![line()],
        total: eur(1_590),
        pickup: place(52.52),
        dropoff: place(52.53),
        ready_at: Some(at(20)),
        promise_at: at(45),
        pin_hash: "5f2c".to_owned(),
        reason: Some("customer_request".to_owned()),
        placed_at: at(0),
    }
}

#[test]
fn order_events() {
    let first = OrderSnapshot {
        version: Version::FIRST,
        state: OrderState::PendingPayment,
        ready_at: None,
        reason: None,
        ..order()
    };
    Examples { maximal: order(), minimal: first }.pin();
}

#[test]
fn ticket_events() {
    let rejected = TicketSnapshot {
        id: id(1),
        version: Version(3),
        state: TicketState::Cancelled,
        order_id: id(2),
        merchant_id: id(3),
        lines: vec![line()],
        ready_at: Some(at(20)),
        reason: Some("no gas".to_owned()),
        opened_at: at(1),
    };
    let opened = TicketSnapshot {
        version: Version::FIRST,
        state: TicketState::AwaitingAcceptance,
        ready_at: None,
        reason: None,
        ..rejected.clone()
    };
    Examples { maximal: rejected, minimal: opened }.pin();
}

#[test]
fn delivery_events() {
    let returned = DeliverySnapshot {
        id: id(1),
        version: Version(8),
        state: DeliveryState::Returned,
        order_id: id(2),
        merchant_id: id(3),
        zone_id: zone_id(),
        rider_id: Some(id(4)),
        attempt: 2,
        ready_at: at(20),
        picked_up_at: Some(at(22)),
        delivered_at: Some(at(35)),
        reason: Some("customer_absent".to_owned()),
    };
    let scheduled = DeliverySnapshot {
        version: Version::FIRST,
        state: DeliveryState::Scheduled,
        rider_id: None,
        attempt: 1,
        picked_up_at: None,
        delivered_at: None,
        reason: None,
        ..returned.clone()
    };
    Examples { maximal: returned, minimal: scheduled }.pin();
}

#[test]
fn payment_events() {
    let captured = PaymentSnapshot {
        id: id(1),
        version: Version(3),
        state: PaymentState::Captured,
        order_id: id(2),
        amount: eur(1_590),
    };
    let initiated =
        PaymentSnapshot { version: Version::FIRST, state: PaymentState::Initiated, amount: eur(0), ..captured.clone() };
    Examples { maximal: captured, minimal: initiated }.pin();
}

#[test]
fn merchant_events() {
    let open = MerchantSnapshot {
        id: id(1),
        version: Version(3),
        name: "Noodles".to_owned(),
        place: place(52.52),
        currency: "EUR".parse().unwrap(),
        prep_ms: 600_000,
        status: MerchantStatus::Open,
        menu: vec![MenuItem { sku: "soup".to_owned(), name: "Soup".to_owned(), price: eur(650), available: true }],
    };
    let paused =
        MerchantSnapshot { version: Version::FIRST, status: MerchantStatus::Paused, menu: Vec::new(), ..open.clone() };
    Examples { maximal: open, minimal: paused }.pin();
}

#[test]
fn offer_events() {
    let accepted = OfferSnapshot {
        id: id(1),
        version: Version(2),
        state: OfferState::Accepted,
        delivery_id: id(2),
        order_id: id(3),
        rider_id: id(4),
        attempt: 2,
        merchant_name: "Noodles".to_owned(),
        pickup: place(52.52),
        dropoff: place(52.53),
        ready_at: at(20),
        expires_at: at(15),
    };
    let sent = OfferSnapshot { version: Version::FIRST, state: OfferState::Sent, attempt: 1, ..accepted.clone() };
    Examples { maximal: accepted, minimal: sent }.pin();
}

#[test]
fn rider_events() {
    let paused = RiderSnapshot {
        id: id(1),
        version: Version(5),
        status: RiderStatus::Paused,
        stale: true,
        name: "Ada".to_owned(),
        vehicle: "bicycle".to_owned(),
        speed_mps: 4.5,
        active: 2,
        capacity: 2,
    };
    let offline = RiderSnapshot {
        version: Version::FIRST,
        status: RiderStatus::Offline,
        stale: false,
        active: 0,
        ..paused.clone()
    };
    Examples { maximal: paused, minimal: offline }.pin();
}

#[test]
fn zone_events() {
    let named = ZoneSnapshot {
        id: zone_id(),
        version: Version(2),
        name: "Harbour".to_owned(),
        polygon: vec![place(52.5), place(52.6), place(52.55)],
        policy: Policy { offers_per_delivery: 3, dispatch: DispatchAlgorithm::Greedy, ..Policy::default() },
    };
    let default = ZoneSnapshot { version: Version::FIRST, policy: Policy::default(), ..named.clone() };
    Examples { maximal: named, minimal: default }.pin();
}

/// A zone published before a setting existed has the setting's default.
#[test]
fn an_absent_setting_of_a_policy_has_its_default() {
    assert_eq!(serde_json::from_value::<Policy>(json!({})).unwrap(), Policy::default());
}

#[test]
fn envelope() {
    let maximal = Envelope {
        event_id: id(9),
        kind: "order.cancelled.v1".to_owned(),
        aggregate: "order".to_owned(),
        aggregate_id: id(1),
        version: Version(4),
        occurred_at: at(5),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        actor: "customer:cus_0192f3c27b2e7d1a8f4e000000000002".to_owned(),
        data: "the aggregate's snapshot".to_owned(),
    };
    let minimal = Envelope { traceparent: None, ..maximal.clone() };
    for event in [&maximal, &minimal] {
        let written = serde_json::to_value(event).unwrap();
        for json in [written.clone(), with_unknown_fields(written.clone()), without_nulls(written)] {
            assert_eq!(&serde_json::from_value::<Envelope<String>>(json).unwrap(), event);
        }
    }
    insta::assert_json_snapshot!("envelope", Examples { maximal, minimal });
}
