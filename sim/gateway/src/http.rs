//! The gateway's HTTP API.

use std::sync::{Mutex, PoisonError};

use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::book::{Answer, Kind, Request, problem};
use crate::journal::{Journal, Reply};

type Shared = web::Data<Mutex<Journal>>;

/// Adds the gateway's routes. The app needs a `web::Data<Mutex<Journal>>`.
pub fn routes(app: &mut web::ServiceConfig) {
    let json = web::JsonConfig::default()
        .limit(16 * 1024)
        .content_type_required(false)
        .error_handler(|e, _| invalid_body(&e.to_string()));
    app.app_data(json)
        .route("/livez", web::get().to(HttpResponse::Ok))
        .route("/v1/authorizations", web::post().to(authorise))
        .route("/v1/authorizations/{reference}", web::get().to(authorisation))
        .route("/v1/authorizations/{reference}/capture", web::post().to(capture))
        .route("/v1/authorizations/{reference}/void", web::post().to(void))
        .route("/v1/authorizations/{reference}/refund", web::post().to(refund))
        .route("/v1/operations/{key}", web::get().to(operation))
        .route("/v1/ledger", web::get().to(ledger))
        .default_service(web::to(|| async { reply_problem(404, "not_found", "this path does not exist") }));
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
    answer(&journal, &http, change(Kind::Capture, reference, None))
}

async fn void(journal: Shared, http: HttpRequest, reference: web::Path<String>) -> HttpResponse {
    answer(&journal, &http, change(Kind::Void, reference, None))
}

async fn refund(
    journal: Shared,
    http: HttpRequest,
    reference: web::Path<String>,
    body: Option<web::Json<Refund>>,
) -> HttpResponse {
    let amount = body.map(web::Json::into_inner).unwrap_or_default().amount;
    answer(&journal, &http, change(Kind::Refund, reference, amount))
}

async fn authorisation(journal: Shared, reference: web::Path<String>) -> HttpResponse {
    let journal = lock(&journal);
    match journal.book().authorisation(&reference) {
        Some(body) => reply(200, body),
        None => reply_problem(404, "unknown_reference", "no authorisation has this reference"),
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
            reply(200, body)
        }
        None => reply_problem(404, "unknown_operation", "no operation has this key"),
    }
}

async fn ledger(journal: Shared) -> HttpResponse {
    let body = json!({ "data": lock(&journal).book().entries() });
    reply(200, body)
}

fn change(kind: Kind, reference: web::Path<String>, amount: Option<i64>) -> Request {
    Request { kind, reference: reference.into_inner(), amount, currency: None, method: None }
}

fn answer(journal: &Shared, http: &HttpRequest, request: Request) -> HttpResponse {
    let Some(key) = http.headers().get("idempotency-key").and_then(|k| k.to_str().ok()).filter(|k| !k.is_empty())
    else {
        return reply_problem(400, "idempotency_key_missing", "an Idempotency-Key is needed");
    };
    match lock(journal).answer(key, request) {
        Ok(Reply { answer: Answer { status, body }, is_replay }) => {
            let mut response = reply(status, body);
            if is_replay {
                let header = HeaderName::from_static("idempotency-replayed");
                response.headers_mut().insert(header, HeaderValue::from_static("true"));
            }
            response
        }
        Err(e) => {
            tracing::error!("Operation {key} could not be written: {e:#}");
            reply_problem(503, "journal_away", "the ledger cannot be written now")
        }
    }
}

fn reply(status: u16, body: Value) -> HttpResponse {
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    if status < 400 {
        response.insert_header(ContentType::json());
    } else {
        response.content_type("application/problem+json");
    }
    response.body(body.to_string())
}

fn reply_problem(status: u16, code: &str, detail: &str) -> HttpResponse {
    reply(status, problem(code, detail))
}

fn invalid_body(detail: &str) -> actix_web::Error {
    let response = reply_problem(400, "invalid_body", detail);
    actix_web::error::InternalError::from_response(detail.to_owned(), response).into()
}

// A poisoned lock is usable: `apply` is the last step of a handler, so the book is unchanged or complete.
fn lock(journal: &Shared) -> std::sync::MutexGuard<'_, Journal> {
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}
