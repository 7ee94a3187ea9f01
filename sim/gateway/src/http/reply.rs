//! Replies as HTTP responses.

use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};

use super::{Shared, connection};
use crate::gateway::Reply;
use crate::operation::Answer;

/// Sends a reply, or does not.
pub async fn send(reply: Reply, gateway: &Shared, request: &HttpRequest) -> HttpResponse {
    match reply {
        Reply::Answer { answer, is_replay } => {
            let mut response = response(answer);
            if is_replay {
                let header = HeaderName::from_static("idempotency-replayed");
                response.headers_mut().insert(header, HeaderValue::from_static("true"));
            }
            return response;
        }
        // This ends earlier when the caller hangs up.
        Reply::Nothing => gateway.stopping.cancelled().await,
        Reply::Broken => {}
    }
    connection::break_off(request);
    HttpResponse::InternalServerError().finish()
}

/// An answer as a response.
pub fn response(answer: Answer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    if status.is_success() {
        response.insert_header(ContentType::json());
    } else {
        response.content_type("application/problem+json");
    }
    response.body(answer.body.to_string())
}

/// The refusal of a request that cannot be read.
pub fn refused(status: u16, code: &str, detail: &str) -> actix_web::Error {
    let response = response(Answer::problem(status, code, detail));
    actix_web::error::InternalError::from_response(detail.to_owned(), response).into()
}

/// The answer of every path that does not exist.
pub async fn not_found() -> HttpResponse {
    response(Answer::problem(404, "not_found", "this path does not exist"))
}
