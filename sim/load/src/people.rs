//! People who tap at once. Each watches one stream, like a real tablet or app, and answers what it shows.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use serde::Deserialize;
use tokio::time::Instant;

use super::city::{City, Person, SKU, Tally, around};
use super::client::{Answer, Client, Request};
use super::stats::ms;

/// A stream that broke is opened again after so long.
const AGAIN: Duration = Duration::from_millis(500);
/// Riders say so often where they are.
pub const TELL_EVERY: Duration = Duration::from_secs(5);

/// How a customer orders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Habit {
    /// Watches the order's stream from the order to the door.
    pub watches: bool,
    /// Asks for the answer when it is paid: `Prefer: wait=4`.
    pub waits: bool,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

#[derive(Deserialize)]
struct Placed {
    id: String,
    pin: String,
}

#[derive(Deserialize)]
struct Record {
    id: String,
    state: String,
    #[serde(default)]
    version: i64,
}

#[derive(Deserialize)]
struct Carried {
    id: String,
    order_id: String,
}

fn post<'a>(who: &'a Person, path: &'a str, key: &'a str, body: &'a str) -> Request<'a> {
    Request { method: "POST", path, token: &who.token, key: Some(key), body: Some(body), ..Request::default() }
}

/// Sends until it is answered, notes whatever is not a success, and gives the success.
async fn insist(city: &City, client: &Client, what: &str, request: &Request<'_>) -> Option<Answer> {
    match client.insist(request).await {
        Ok(answer) if answer.is_success() => Some(answer),
        Ok(answer) => {
            city.tally.trouble(format!("{what}: {}", answer.problem()));
            None
        }
        Err(e) => {
            city.tally.trouble(format!("{what}: no answer: {e}"));
            None
        }
    }
}

/// Asks for a price at a shop; gives the quote.
pub async fn quote(city: &City, customer: &Person, shop: &Person) -> Option<String> {
    let to = around(city.number() as usize);
    let body = format!(
        r#"{{"merchant_id":"{}","lines":[{{"sku":"{SKU}","quantity":1}}],"dropoff":{{"lat":{},"lng":{}}}}}"#,
        shop.id,
        to.lat(),
        to.lng()
    );
    let key = city.key();
    let answer = insist(city, &city.orders, "quote", &post(customer, "/v1/quotes", &key, &body)).await?;
    Some(answer.read::<Id>().ok()?.id)
}

/// Sends the order of a quote once, without a second try: how long that takes is what is measured.
pub async fn send_order(city: &City, customer: &Person, quote: &str, waits: bool) -> std::io::Result<Answer> {
    let body = format!(r#"{{"quote_id":"{quote}","payment_method":"tok_ok"}}"#);
    let key = city.key();
    let prefer_wait = waits.then_some(4);
    city.orders.send(&Request { prefer_wait, ..post(customer, "/v1/orders", &key, &body) }).await
}

/// Somebody wanted to order at `since`: a price, the order, and perhaps its stream until it is at the door.
pub async fn order(city: Arc<City>, since: Instant, habit: Habit) {
    let n = city.number() as usize;
    let (customer, shop) = (&city.customers[n % city.customers.len()], &city.shops[n % city.shops.len()]);
    let Some(quote) = quote(&city, customer, shop).await else { return };
    let placed = match send_order(&city, customer, &quote, habit.waits).await {
        Ok(answer) if answer.is_success() => answer.read::<Placed>(),
        Ok(answer) => return city.tally.trouble(format!("order: {}", answer.problem())),
        Err(e) => return city.tally.trouble(format!("order: no answer: {e}")),
    };
    let Ok(placed) = placed else { return city.tally.trouble("order: an answer without id and PIN".into()) };
    Tally::note(&city.tally.place_ms, ms(since.elapsed()));
    city.remember_pin(placed.id.clone(), placed.pin, since);
    city.tally.placed.fetch_add(1, Ordering::Relaxed);
    if habit.watches {
        watch(&city, customer, &placed.id).await;
    }
}

/// Reads an order's stream until it shows the order delivered.
async fn watch(city: &City, customer: &Person, order: &str) {
    let path = format!("/v1/orders/{order}/stream");
    let Ok(mut stream) = city.orders.stream(&path, &customer.token).await else {
        return city.tally.trouble("an order's stream was refused".into());
    };
    loop {
        let next = tokio::select! {
            () = city.stop.cancelled() => return,
            next = stream.next() => next,
        };
        match next {
            Ok(Some(event)) if event.kind == "order" => {
                if serde_json::from_str::<Record>(&event.data).is_ok_and(|order| order.state == "delivered") {
                    return;
                }
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return city.tally.trouble("an order's stream broke".into()),
        }
    }
}

/// A stream that is only held open. Ends with the city, or when the service ends it.
pub async fn idle_stream(city: Arc<City>, who: Person, path: String, is_rider: bool) {
    let client = if is_rider { &city.dispatch } else { &city.orders };
    let Ok(mut stream) = client.stream(&path, &who.token).await else {
        return city.tally.trouble("an idle stream was refused".into());
    };
    loop {
        tokio::select! {
            () = city.stop.cancelled() => return,
            next = stream.next() => match next {
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return city.tally.trouble("an idle stream broke".into()),
            }
        }
    }
}

/// A shop accepts what rings and has it ready at once.
pub async fn keep_shop(city: Arc<City>, shop: Person) {
    let mut seen = HashSet::new();
    while !city.stop.is_cancelled() {
        if let Ok(mut stream) = city.merchants.stream("/v1/merchant/tickets/stream", &shop.token).await {
            loop {
                let next = tokio::select! {
                    () = city.stop.cancelled() => return,
                    next = stream.next() => next,
                };
                let Ok(Some(event)) = next else { break };
                let Ok(ticket) = serde_json::from_str::<Record>(&event.data) else { continue };
                if ticket.state == "awaiting_acceptance" && seen.insert(ticket.id.clone()) {
                    tokio::spawn(cook(city.clone(), shop.clone(), ticket));
                }
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn cook(city: Arc<City>, shop: Person, ticket: Record) {
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    let (path, key) = (format!("/v1/merchant/tickets/{}/accept", ticket.id), city.key());
    let body = format!(r#"{{"ready_at":"{now}"}}"#);
    let accept = Request { if_match: Some(ticket.version), ..post(&shop, &path, &key, &body) };
    let Some(answer) = insist(&city, &city.merchants, "accept a ticket", &accept).await else { return };
    let Ok(accepted) = answer.read::<Record>() else { return };
    let (path, key) = (format!("/v1/merchant/tickets/{}/ready", ticket.id), city.key());
    let ready = Request { if_match: Some(accepted.version), ..post(&shop, &path, &key, "{}") };
    // A rider may have been there already: then it was ready without a word.
    match city.merchants.insist(&ready).await {
        Ok(answer) if answer.is_success() || answer.status == 409 || answer.status == 412 => {}
        Ok(answer) => city.tally.trouble(format!("ready: {}", answer.problem())),
        Err(e) => city.tally.trouble(format!("ready: no answer: {e}")),
    }
}

/// A rider who is on shift: takes every offer and taps it through to the door. Ends with the city or with `crew`.
pub async fn ride(city: Arc<City>, rider: Person, crew: tokio_util::sync::CancellationToken) {
    let mut seen = HashSet::new();
    let mut seq = 0_i64;
    // Not all of them in the same moment.
    let phase = TELL_EVERY.mul_f64(rand::random());
    let mut tell = tokio::time::interval_at(Instant::now() + phase, TELL_EVERY);
    while !crew.is_cancelled() {
        if let Ok(mut stream) = city.dispatch.stream("/v1/rider/offers/stream", &rider.token).await {
            loop {
                let next = tokio::select! {
                    () = crew.cancelled() => return,
                    _ = tell.tick() => {
                        seq += 1;
                        tokio::spawn(tell_place(city.clone(), rider.clone(), seq));
                        continue;
                    }
                    next = stream.next() => next,
                };
                let Ok(Some(event)) = next else { break };
                if event.kind != "offer" {
                    continue;
                }
                let Ok(offer) = serde_json::from_str::<Record>(&event.data) else { continue };
                if offer.state == "sent" && seen.insert(offer.id.clone()) {
                    tokio::spawn(carry(city.clone(), rider.clone(), offer.id));
                }
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn tell_place(city: Arc<City>, rider: Person, seq: i64) {
    let body = format!(
        r#"{{"locations":[{{"seq":{seq},"place":{{"lat":{},"lng":{}}},"accuracy_m":5}}]}}"#,
        rider.place.lat(),
        rider.place.lng()
    );
    let request = Request {
        method: "POST",
        path: "/v1/rider/locations",
        token: &rider.token,
        body: Some(&body),
        ..Request::default()
    };
    match city.dispatch.send(&request).await {
        Ok(answer) if answer.is_success() => {}
        Ok(answer) => city.tally.trouble(format!("position: {}", answer.problem())),
        Err(e) => city.tally.trouble(format!("position: no answer: {e}")),
    }
}

async fn carry(city: Arc<City>, rider: Person, offer: String) {
    let (path, key) = (format!("/v1/rider/offers/{offer}/accept"), city.key());
    let accept = post(&rider, &path, &key, "{}");
    let Some(answer) = insist(&city, &city.dispatch, "accept an offer", &accept).await else { return };
    let Ok(delivery) = answer.read::<Carried>() else {
        return city.tally.trouble("accept an offer: an answer without its order".into());
    };
    for tap in ["at_pickup", "picked_up", "at_dropoff"] {
        let (path, key) = (format!("/v1/rider/deliveries/{}/{tap}", delivery.id), city.key());
        if insist(&city, &city.dispatch, tap, &post(&rider, &path, &key, "{}")).await.is_none() {
            return;
        }
    }
    let Some((pin, since)) = city.ask_pin(&delivery.order_id).await else {
        return city.tally.trouble("nobody told the PIN".into());
    };
    let (path, key) = (format!("/v1/rider/deliveries/{}/delivered", delivery.id), city.key());
    let body = format!(r#"{{"pin":"{pin}"}}"#);
    if insist(&city, &city.dispatch, "delivered", &post(&rider, &path, &key, &body)).await.is_some() {
        city.tally.delivered.fetch_add(1, Ordering::Relaxed);
        Tally::note(&city.tally.door_ms, ms(since.elapsed()));
    }
}
