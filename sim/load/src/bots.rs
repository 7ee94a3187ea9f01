//! Bots that answer at once. Each follows one stream, as a tablet or app does.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use serde::Deserialize;
use tokio::time::Instant;

use super::city::{Account, City, Handover, SKU, Tally, nth_place};
use super::http::{Answer, Client, Request};
use super::stats::ms;

/// Delay before a broken stream is opened again.
const RECONNECT_DELAY: Duration = Duration::from_millis(500);
/// Interval of a rider's positions.
pub const POSITION_EVERY: Duration = Duration::from_secs(5);

/// How a customer places an order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OrderOptions {
    /// Follows the order's stream until it is delivered.
    pub follows: bool,
    /// Asks for the answer after the payment: `Prefer: wait=4`.
    pub waits_for_payment: bool,
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
struct AcceptedDelivery {
    id: String,
    order_id: String,
}

fn post<'a>(account: &'a Account, path: &'a str, key: &'a str, body: &'a str) -> Request<'a> {
    Request { method: "POST", path, token: &account.token, key: Some(key), body: Some(body), ..Request::default() }
}

/// Sends with retries. Records anything but a success as an error, and then returns none.
async fn call(city: &City, client: &Client, what: &str, request: &Request<'_>) -> Option<Answer> {
    match client.send_with_retries(request).await {
        Ok(answer) if answer.is_success() => Some(answer),
        Ok(answer) => {
            city.tally.record_error(format!("{what}: {}", answer.problem()));
            None
        }
        Err(e) => {
            city.tally.record_error(format!("{what}: no answer: {e}"));
            None
        }
    }
}

/// Prices one meal of a shop. Returns the quote's id; none when it was refused.
pub async fn quote(city: &City, customer: &Account, shop: &Account) -> Option<String> {
    let to = nth_place(city.next_number() as usize);
    let body = format!(
        r#"{{"merchant_id":"{}","lines":[{{"sku":"{SKU}","quantity":1}}],"dropoff":{{"lat":{},"lng":{}}}}}"#,
        shop.id,
        to.lat(),
        to.lng()
    );
    let key = city.next_key();
    let answer = call(city, &city.orders, "quote", &post(customer, "/v1/quotes", &key, &body)).await?;
    Some(answer.read::<Id>().ok()?.id)
}

/// Places the order of a quote in a single attempt: its duration is measured.
///
/// # Errors
/// No answer within 10 s.
pub async fn send_order(
    city: &City,
    customer: &Account,
    quote: &str,
    options: OrderOptions,
) -> std::io::Result<Answer> {
    let body = format!(r#"{{"quote_id":"{quote}","payment_method":"tok_ok"}}"#);
    let key = city.next_key();
    let prefer_wait = options.waits_for_payment.then_some(4);
    city.orders.send(&Request { prefer_wait, ..post(customer, "/v1/orders", &key, &body) }).await
}

/// Plays the customer of an order that was due at `due`: quote, order and, if asked for, its stream until delivery.
pub async fn place_order(city: Arc<City>, due: Instant, options: OrderOptions) {
    let n = city.next_number() as usize;
    let (customer, shop) = (&city.customers[n % city.customers.len()], &city.shops[n % city.shops.len()]);
    let Some(quote) = quote(&city, customer, shop).await else { return };
    let placed = match send_order(&city, customer, &quote, options).await {
        Ok(answer) if answer.is_success() => answer.read::<Placed>(),
        Ok(answer) => return city.tally.record_error(format!("order: {}", answer.problem())),
        Err(e) => return city.tally.record_error(format!("order: no answer: {e}")),
    };
    let Ok(placed) = placed else { return city.tally.record_error("order: an answer without id and PIN".into()) };
    Tally::record(&city.tally.place_ms, ms(due.elapsed()));
    city.publish_pin(placed.id.clone(), Handover { pin: placed.pin, due });
    city.tally.placed.fetch_add(1, Ordering::Relaxed);
    if options.follows {
        follow(&city, customer, &placed.id).await;
    }
}

/// Follows an order's stream until it shows the order as delivered.
async fn follow(city: &City, customer: &Account, order: &str) {
    let path = format!("/v1/orders/{order}/stream");
    let Ok(mut stream) = city.orders.stream(&path, &customer.token).await else {
        return city.tally.record_error("an order's stream was refused".into());
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
            Ok(None) | Err(_) => return city.tally.record_error("an order's stream broke".into()),
        }
    }
}

/// A stream that is held open.
#[derive(Debug, Clone)]
pub struct IdleStream {
    /// Whose token is used.
    pub account: Account,
    /// The stream's path.
    pub path: String,
    /// Whether it is dispatch-svc's instead of order-svc's.
    pub is_rider: bool,
}

/// Holds a stream open and ignores its events, until the city ends or the service closes it.
pub async fn hold_stream(city: Arc<City>, idle: IdleStream) {
    let client = if idle.is_rider { &city.dispatch } else { &city.orders };
    let Ok(mut stream) = client.stream(&idle.path, &idle.account.token).await else {
        return city.tally.record_error("an idle stream was refused".into());
    };
    loop {
        tokio::select! {
            () = city.stop.cancelled() => return,
            next = stream.next() => match next {
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return city.tally.record_error("an idle stream broke".into()),
            }
        }
    }
}

/// Runs a shop that accepts each ticket and marks it ready at once, until the city ends.
pub async fn run_shop(city: Arc<City>, shop: Account) {
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
                    tokio::spawn(prepare(city.clone(), shop.clone(), ticket));
                }
            }
        }
        tokio::time::sleep(RECONNECT_DELAY).await;
    }
}

async fn prepare(city: Arc<City>, shop: Account, ticket: Record) {
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    let (path, key) = (format!("/v1/merchant/tickets/{}/accept", ticket.id), city.next_key());
    let body = format!(r#"{{"ready_at":"{now}"}}"#);
    let accept = Request { if_match: Some(ticket.version), ..post(&shop, &path, &key, &body) };
    let Some(answer) = call(&city, &city.merchants, "accept a ticket", &accept).await else { return };
    let Ok(accepted) = answer.read::<Record>() else { return };
    let (path, key) = (format!("/v1/merchant/tickets/{}/ready", ticket.id), city.next_key());
    let ready = Request { if_match: Some(accepted.version), ..post(&shop, &path, &key, "{}") };
    // Refused when the rider has already collected the food.
    match city.merchants.send_with_retries(&ready).await {
        Ok(answer) if answer.is_success() || answer.status == 409 || answer.status == 412 => {}
        Ok(answer) => city.tally.record_error(format!("ready: {}", answer.problem())),
        Err(e) => city.tally.record_error(format!("ready: no answer: {e}")),
    }
}

/// Runs a rider on shift who accepts every offer and confirms all its steps at once, until `stop` is cancelled.
pub async fn run_rider(city: Arc<City>, rider: Account, stop: tokio_util::sync::CancellationToken) {
    let mut seen = HashSet::new();
    let mut seq = 0_i64;
    // Riders start at random times, so that their positions do not arrive together.
    let first = Instant::now() + POSITION_EVERY.mul_f64(rand::random());
    let mut position_timer = tokio::time::interval_at(first, POSITION_EVERY);
    while !stop.is_cancelled() {
        if let Ok(mut stream) = city.dispatch.stream("/v1/rider/offers/stream", &rider.token).await {
            loop {
                let next = tokio::select! {
                    () = stop.cancelled() => return,
                    _ = position_timer.tick() => {
                        seq += 1;
                        tokio::spawn(send_position(city.clone(), rider.clone(), seq));
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
                    tokio::spawn(deliver(city.clone(), rider.clone(), offer.id));
                }
            }
        }
        tokio::time::sleep(RECONNECT_DELAY).await;
    }
}

async fn send_position(city: Arc<City>, rider: Account, seq: i64) {
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
        Ok(answer) => city.tally.record_error(format!("position: {}", answer.problem())),
        Err(e) => city.tally.record_error(format!("position: no answer: {e}")),
    }
}

async fn deliver(city: Arc<City>, rider: Account, offer: String) {
    let (path, key) = (format!("/v1/rider/offers/{offer}/accept"), city.next_key());
    let accept = post(&rider, &path, &key, "{}");
    let Some(answer) = call(&city, &city.dispatch, "accept an offer", &accept).await else { return };
    let Ok(delivery) = answer.read::<AcceptedDelivery>() else {
        return city.tally.record_error("accept an offer: an answer without its order".into());
    };
    for tap in ["at_pickup", "picked_up", "at_dropoff"] {
        let (path, key) = (format!("/v1/rider/deliveries/{}/{tap}", delivery.id), city.next_key());
        if call(&city, &city.dispatch, tap, &post(&rider, &path, &key, "{}")).await.is_none() {
            return;
        }
    }
    let Some(Handover { pin, due }) = city.wait_for_pin(&delivery.order_id).await else {
        return city.tally.record_error("the customer did not get a PIN".into());
    };
    let (path, key) = (format!("/v1/rider/deliveries/{}/delivered", delivery.id), city.next_key());
    let body = format!(r#"{{"pin":"{pin}"}}"#);
    if call(&city, &city.dispatch, "delivered", &post(&rider, &path, &key, &body)).await.is_some() {
        city.tally.delivered.fetch_add(1, Ordering::Relaxed);
        Tally::record(&city.tally.door_ms, ms(due.elapsed()));
    }
}
