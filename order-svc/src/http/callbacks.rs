//! Callbacks of the payment gateway.

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use chrono::Utc;
use futures::FutureExt as _;
use pannier_platform::Db;
use pannier_platform::http::Problem;

use crate::payments::callback::{Callback, CallbackVerifier, SIGNATURE};
use crate::store;

/// Wakes the reconciler for the payment that the gateway tells about. What it tells is not believed: the gateway is asked.
pub(super) async fn wake(
    request: HttpRequest,
    db: Data<Db>,
    verifier: Data<CallbackVerifier>,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let signature = request.headers().get(SIGNATURE).and_then(|value| value.to_str().ok());
    verifier
        .verify(signature, &body, Utc::now())
        .map_err(|e| Problem::new(StatusCode::UNAUTHORIZED, "unauthorised", e.to_string()))?;
    let callback: Callback =
        serde_json::from_slice(&body).map_err(|e| Problem::bad_request("body_invalid", e.to_string()))?;
    // A payment that is not known here is no error of the gateway's: it would only call again.
    db.transaction(move |conn| store::payments::wake(conn, callback.reference).boxed()).await?;
    Ok(HttpResponse::NoContent().finish())
}
