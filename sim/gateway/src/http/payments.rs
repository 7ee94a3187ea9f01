//! The payment API.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use super::{Shared, reply};
use crate::book::unknown_reference;
use crate::gateway::Reply;
use crate::misbehaviour::On;
use crate::operation::{Answer, Kind, Request};

/// Entries of one page of the ledger, unless fewer are asked for.
const PAGE: usize = 1_000;

#[derive(Deserialize)]
pub struct Authorise {
    reference: String,
    amount: i64,
    currency: String,
    method: String,
}

#[derive(Deserialize, Default)]
pub struct Refund {
    amount: Option<i64>,
}

#[derive(Deserialize)]
pub struct Page {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

pub async fn authorise(gateway: Shared, http: HttpRequest, body: web::Json<Authorise>) -> HttpResponse {
    let Authorise { reference, amount, currency, method } = body.into_inner();
    let request = Request {
        kind: Kind::Authorise,
        reference,
        amount: Some(amount),
        currency: Some(currency),
        method: Some(method),
    };
    perform(gateway, http, request).await
}

pub async fn capture(gateway: Shared, http: HttpRequest, reference: web::Path<String>) -> HttpResponse {
    perform(gateway, http, change(Kind::Capture, reference, None)).await
}

pub async fn void(gateway: Shared, http: HttpRequest, reference: web::Path<String>) -> HttpResponse {
    perform(gateway, http, change(Kind::Void, reference, None)).await
}

pub async fn refund(
    gateway: Shared,
    http: HttpRequest,
    reference: web::Path<String>,
    body: Option<web::Json<Refund>>,
) -> HttpResponse {
    let amount = body.map(web::Json::into_inner).unwrap_or_default().amount;
    perform(gateway, http, change(Kind::Refund, reference, amount)).await
}

pub async fn authorisation(gateway: Shared, http: HttpRequest, reference: web::Path<String>) -> HttpResponse {
    let asked = gateway.ask(On::Query, |book| {
        let found = book.authorisation(&reference).map(|body| Answer { status: 200, body });
        (found.unwrap_or_else(unknown_reference), Some(reference.into_inner()))
    });
    reply::send(asked.await, &gateway, &http).await
}

pub async fn operation(gateway: Shared, http: HttpRequest, key: web::Path<String>) -> HttpResponse {
    let asked = gateway.ask(On::Query, |book| match book.operation(&key) {
        Some(o) => {
            let body = json!({
                "key": o.key, "kind": o.request.kind, "reference": o.request.reference,
                "status": o.status, "body": o.body, "at": o.at,
            });
            (Answer { status: 200, body }, Some(o.request.reference.clone()))
        }
        None => (Answer::problem(404, "unknown_operation", "no operation has this key"), None),
    });
    reply::send(asked.await, &gateway, &http).await
}

pub async fn ledger(gateway: Shared, http: HttpRequest, page: web::Query<Page>) -> HttpResponse {
    let Page { after, limit } = page.into_inner();
    let limit = limit.unwrap_or(PAGE);
    if !(1..=PAGE).contains(&limit) {
        return reply::response(Answer::problem(400, "invalid_query", "limit is 1 to 1000"));
    }
    let asked = gateway.ask(On::Ledger, |book| {
        let entries = book.entries(after, limit);
        let next_after = entries.last().map_or(after, |entry| entry.seq);
        (Answer { status: 200, body: json!({ "data": entries, "next_after": next_after }) }, None)
    });
    reply::send(asked.await, &gateway, &http).await
}

fn change(kind: Kind, reference: web::Path<String>, amount: Option<i64>) -> Request {
    Request { kind, reference: reference.into_inner(), amount, currency: None, method: None }
}

async fn perform(gateway: Shared, http: HttpRequest, request: Request) -> HttpResponse {
    let key = http.headers().get("idempotency-key").and_then(|k| k.to_str().ok()).filter(|k| !k.is_empty());
    let Some(key) = key.map(str::to_owned) else {
        return reply::response(Answer::problem(400, "idempotency_key_missing", "an Idempotency-Key is needed"));
    };
    // In a task of its own, which goes on when the caller hangs up: that undoes nothing.
    let performed = tokio::spawn(gateway.clone().into_inner().perform(key, request));
    let reply = performed.await.unwrap_or(Reply::Broken);
    reply::send(reply, &gateway, &http).await
}
