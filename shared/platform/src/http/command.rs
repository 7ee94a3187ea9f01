//! Requests that change something: a typed body, an idempotency key, and maybe the version that the caller saw.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, HttpResponse, web};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use pannier_contracts::{Role, Version};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::{Problem, Token};
use crate::audit::{self, Action};
use crate::cause::Trace;
use crate::idempotency::{self, Answer, Claim};
use crate::{Cause, Conn, Db, Refusal};

/// A command as it is received. `T` is its body; an empty body is read as `{}`.
#[derive(Debug, Clone)]
pub struct Command<T> {
    /// The parsed body.
    pub body: T,
    /// The caller, in the request's trace.
    pub cause: Cause,
    /// The idempotency key. A PUT without one gets a random one, as it is idempotent by itself.
    pub claim: Claim,
    /// The version in `If-Match`.
    pub if_match: Option<Version>,
    /// For the audit trail, if the caller has the role `ops`.
    action: Option<Action>,
}

impl<T: DeserializeOwned + 'static> FromRequest for Command<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let bytes = web::Bytes::from_request(&request, payload);
        async move {
            let token = Token::of(&request)?;
            let is_put = request.method() == actix_web::http::Method::PUT;
            let key = match header_text(&request, "idempotency-key") {
                Some(key) if (8..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) => key,
                Some(_) => {
                    return Err(Problem::bad_request(
                        "idempotency_key_invalid",
                        "an Idempotency-Key has 8 to 255 visible characters",
                    ));
                }
                None if is_put => uuid::Uuid::now_v7().to_string(),
                None => {
                    return Err(Problem::bad_request(
                        "idempotency_key_missing",
                        "send an Idempotency-Key header: a fresh one per action, the same one for a retry",
                    ));
                }
            };
            let bytes = bytes.await.map_err(|e| unreadable_body(&e))?;
            let body = parse(&bytes)?;
            let cause = cause_of(&request, token.principal());
            let action = (token.claims.role == Role::Ops).then(|| Action {
                actor: token.principal(),
                action: format!("{} {}", request.method(), request.path()),
                reason: reason_in(&bytes),
                address: request.peer_addr().map(|peer| peer.ip().to_string()),
                trace: cause.trace.clone(),
            });
            let claim = Claim {
                principal: token.principal(),
                route: format!("{} {}", request.method(), request.path()),
                key,
                fingerprint: Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect(),
            };
            Ok(Self { body, cause, claim, if_match: if_match(&request)?, action })
        }
        .boxed_local()
    }
}

impl<T: Clone + Send + Sync + 'static> Command<T> {
    /// Runs the command once per key and answers 200 with what `body` returns. When a concurrent update won it is run again,
    /// or with `If-Match` answered with 412.
    ///
    /// # Errors
    /// The refusal of `body`, 409 `in_flight`, or 422 `idempotency_key_reused`.
    pub async fn once<R, F>(self, db: &Db, body: F) -> Result<HttpResponse, Problem>
    where
        R: Serialize,
        F: for<'c> Fn(&'c mut Conn, Self) -> BoxFuture<'c, Result<R, Refusal>> + Send + Sync + 'static,
    {
        self.once_with(StatusCode::OK, db, body).await
    }

    /// [`Self::once`] with another status than 200.
    ///
    /// # Errors
    /// As [`Self::once`].
    pub async fn once_with<R, F>(self, status: StatusCode, db: &Db, body: F) -> Result<HttpResponse, Problem>
    where
        R: Serialize,
        F: for<'c> Fn(&'c mut Conn, Self) -> BoxFuture<'c, Result<R, Refusal>> + Send + Sync + 'static,
    {
        let answer = self.answer(status, db, body).await?;
        Ok(respond(&answer))
    }

    /// [`Self::once_with`] for callers that do something between the commit and the answer.
    ///
    /// # Errors
    /// As [`Self::once`].
    pub async fn answer<R, F>(self, status: StatusCode, db: &Db, body: F) -> Result<Answer, Problem>
    where
        R: Serialize,
        F: for<'c> Fn(&'c mut Conn, Self) -> BoxFuture<'c, Result<R, Refusal>> + Send + Sync + 'static,
    {
        let (claim, reload) = (self.claim.clone(), self.if_match.is_none());
        let trace = self.cause.trace.clone();
        let body = Arc::new(body);
        let run: idempotency::Body = Arc::new(move |conn| {
            let (this, body) = (self.clone(), Arc::clone(&body));
            async move {
                let action = this.action.clone();
                let answer = Answer::new(status.as_u16(), &body(conn, this).await?)?;
                if let Some(action) = action {
                    audit::write(conn, &action, &answer.body).await?;
                }
                Ok(answer)
            }
            .boxed()
        });
        let mut answer = idempotency::once(db, claim, run, Problem::stored, reload).await?;
        if answer.status >= 400 {
            // The trace of this request, not of the one that stored the answer.
            answer.body["trace_id"] = trace.trace_id().into();
        }
        Ok(answer)
    }

    /// Writes the audit row of a command that is not run by [`Self::once`].
    ///
    /// # Errors
    /// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
    pub async fn audit(&self, conn: &mut Conn, answer: &serde_json::Value) -> Result<(), Refusal> {
        match &self.action {
            Some(action) => audit::write(conn, action, answer).await,
            None => Ok(()),
        }
    }

    /// The version in `If-Match`, for commands that require it.
    ///
    /// # Errors
    /// 428 `if_match_missing`.
    pub fn version_seen(&self) -> Result<Version, Problem> {
        self.if_match.ok_or_else(|| {
            Problem::new(
                StatusCode::PRECONDITION_REQUIRED,
                "if_match_missing",
                "send If-Match with the version that you saw",
            )
        })
    }
}

/// The response of an answer: with `Idempotency-Replayed` if it was stored, and an `ETag` if its body has a version.
#[must_use]
pub fn respond(answer: &Answer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    if answer.replayed {
        response.insert_header(("Idempotency-Replayed", "true"));
    }
    if status.is_success() {
        if let Some(version) = answer.body.get("version").and_then(serde_json::Value::as_i64) {
            response.insert_header((header::ETAG, format!("\"{version}\"")));
        }
        response.json(&answer.body)
    } else {
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        response.body(answer.body.to_string())
    }
}

/// `actor` in the trace of this request.
#[must_use]
pub fn cause_of(request: &HttpRequest, actor: String) -> Cause {
    let trace = request.extensions().get::<Trace>().cloned().unwrap_or_else(Trace::begin);
    Cause { actor, trace }
}

/// What a body gives as its reason, or as its note.
fn reason_in(bytes: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    ["reason", "note"].iter().find_map(|field| body[*field].as_str()).map(str::to_owned)
}

fn header_text(request: &HttpRequest, name: &str) -> Option<String> {
    request.headers().get(name).and_then(|h| h.to_str().ok()).map(str::to_owned)
}

fn if_match(request: &HttpRequest) -> Result<Option<Version>, Problem> {
    let Some(text) = header_text(request, "if-match") else { return Ok(None) };
    let number = text.trim().trim_start_matches("W/").trim_matches('"');
    number
        .parse()
        .map(|n| Some(Version(n)))
        .map_err(|_| Problem::bad_request("if_match_invalid", "If-Match is the version that you saw: a number"))
}

/// Parses a JSON body; an empty one is `{}`. Unknown fields are refused here and not by the types, which events share: readers
/// of events ignore unknown fields.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let mut unknown = None;
    let body = serde_ignored::deserialize(&mut json, |path| {
        unknown.get_or_insert_with(|| path.to_string());
    });
    let body = body.and_then(|body| json.end().map(|()| body)).map_err(|e| invalid_body(&e))?;
    match unknown {
        None => Ok(body),
        Some(path) => Err(Problem::bad_request("body_invalid", format!("the body: unknown field `{path}`"))),
    }
}

/// The problem of a body that is not the expected JSON.
pub(super) fn invalid_body(e: &serde_json::Error) -> Problem {
    let code = if e.is_data() { "body_invalid" } else { "body_not_json" };
    Problem::bad_request(code, format!("the body: {e}"))
}

/// The problem of a body that could not be received.
pub(super) fn unreadable_body(e: &actix_web::Error) -> Problem {
    let status = e.as_response_error().status_code();
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::new(status, "body_too_large", "a body has at most 64 KB");
    }
    Problem::bad_request("body_unreadable", e.to_string())
}
