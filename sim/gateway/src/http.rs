//! The gateway's HTTP face.

use std::sync::{Mutex, PoisonError};

use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::book::{Kind, Request, problem};
use crate::journal::Journal;

type Shared = web::Data<Mutex<Journal>>;

/// Adds the gateway's routes to an app that has its [`Journal`].
pub fn routes(app: &mut web::ServiceConfig) {
    let json = web::JsonConfig::default()
        .limit(16 * 1024)
        .content_type_required(false)
        .error_handler(|e, _| wrong(400, "invalid_body", &e.to_string()));
    app.app_data(json)
        .route("/livez", web::get().to(HttpResponse::Ok))
        .route("/v1/authorizations", web::post().to(authorise))
        .route("/v1/authorizations/{reference}", web::get().to(authorisation))
        .route("/v1/authorizations/{reference}/capture", web::post().to(capture))
        .route("/v1/authorizations/{reference}/void", web::post().to(void))
        .route("/v1/authorizations/{reference}/refund", web::post().to(refund))
        .route("/v1/operations/{key}", web::get().to(operation))
        .route("/v1/ledger", web::get().to(ledger))
        .default_service(web::to(|| async { reply(404, problem("not_found", "there is nothing here"), false) }));
}

#[derive(Deserialize)]
struct Authorise {
    reference: String,
    amount: i64,
    currency: String,
    method: String,
}

#[derive(Deserialize, Default)]
struct Refund {
    amount: Option<i64>,
}

async fn authorise(journal: Shared, http: HttpRequest, body: web::Json<Authorise>) -> HttpResponse {
    let Authorise { reference, amount, currency, method } = body.into_inner();
    let request = Request {
        kind: Kind::Authorise,
        reference,
        amount: Some(amount),
        currency: Some(currency),
        method: Some(method),
    };
    answer(&journal, &http, request)
}

async fn capture(journal: Shared, http: HttpRequest, reference: web::Path<String>) -> HttpResponse {
    answer(&journal, &http, plain(Kind::Capture, reference, None))
}

async fn void(journal: Shared, http: HttpRequest, reference: web::Path<String>) -> HttpResponse {
    answer(&journal, &http, plain(Kind::Void, reference, None))
}

async fn refund(
    journal: Shared,
    http: HttpRequest,
    reference: web::Path<String>,
    body: Option<web::Json<Refund>>,
) -> HttpResponse {
    let amount = body.map(web::Json::into_inner).unwrap_or_default().amount;
    answer(&journal, &http, plain(Kind::Refund, reference, amount))
}

async fn authorisation(journal: Shared, reference: web::Path<String>) -> HttpResponse {
    let journal = lock(&journal);
    match journal.book().authorisation(&reference) {
        Some(body) => reply(200, body, false),
        None => reply(404, problem("unknown_reference", "no authorisation has this reference"), false),
    }
}

async fn operation(journal: Shared, key: web::Path<String>) -> HttpResponse {
    let journal = lock(&journal);
    match journal.book().operation(&key) {
        Some(o) => {
            let body = json!({
                "key": o.key, "kind": o.request.kind, "reference": o.request.reference,
                "status": o.status, "body": o.body, "at": o.at,
            });
            reply(200, body, false)
        }
        None => reply(404, problem("unknown_operation", "no operation has this key"), false),
    }
}

async fn ledger(journal: Shared) -> HttpResponse {
    let body = json!({ "data": lock(&journal).book().entries() });
    reply(200, body, false)
}

fn plain(kind: Kind, reference: web::Path<String>, amount: Option<i64>) -> Request {
    Request { kind, reference: reference.into_inner(), amount, currency: None, method: None }
}

fn answer(journal: &Shared, http: &HttpRequest, request: Request) -> HttpResponse {
    let Some(key) = http.headers().get("idempotency-key").and_then(|k| k.to_str().ok()).filter(|k| !k.is_empty())
    else {
        return reply(400, problem("idempotency_key_missing", "an Idempotency-Key is needed"), false);
    };
    match lock(journal).answer(key, request) {
        Ok((status, body, replayed)) => reply(status, body, replayed),
        Err(e) => {
            tracing::error!("Operation {key} could not be written: {e:#}");
            reply(503, problem("journal_away", "the ledger cannot be written now"), false)
        }
    }
}

fn reply(status: u16, body: Value, replayed: bool) -> HttpResponse {
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    if status < 400 {
        response.insert_header(ContentType::json());
    } else {
        response.content_type("application/problem+json");
    }
    if replayed {
        response.insert_header(("idempotency-replayed", HeaderValue::from_static("true")));
    }
    response.body(body.to_string())
}

fn wrong(status: u16, code: &str, detail: &str) -> actix_web::Error {
    let response = reply(status, problem(code, detail), false);
    actix_web::error::InternalError::from_response(code.to_owned(), response).into()
}

// A handler that panicked while holding the lock left the book unchanged or complete: `apply` is the last step.
fn lock(journal: &Shared) -> std::sync::MutexGuard<'_, Journal> {
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}
