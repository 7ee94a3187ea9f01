//! Who may call: one key for the payment API, another one for commands.

use actix_web::Error;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use actix_web::middleware::Next;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use super::{Shared, reply};
use crate::operation::Answer;

type Answered<B> = Result<ServiceResponse<EitherBody<B>>, Error>;

/// Lets callers with the API key pass.
pub async fn payments<B: MessageBody + 'static>(
    gateway: Shared,
    request: ServiceRequest,
    next: Next<B>,
) -> Answered<B> {
    if has(&request, &gateway.api_key) { pass(request, next).await } else { Ok(stop(request, unauthorised())) }
}

/// Lets callers with the control key pass. The API key is known, and not enough.
pub async fn control<B: MessageBody + 'static>(gateway: Shared, request: ServiceRequest, next: Next<B>) -> Answered<B> {
    if has(&request, &gateway.control_key) {
        pass(request, next).await
    } else if has(&request, &gateway.api_key) {
        let detail = "/v1/control needs a key of its own, not the API key";
        Ok(stop(request, Answer::problem(403, "forbidden", detail)))
    } else {
        Ok(stop(request, unauthorised()))
    }
}

/// Whether the bearer token is this key. The time that this takes says nothing about the key but its length.
fn has(request: &ServiceRequest, key: &SecretString) -> bool {
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.as_bytes().split_at_checked(7));
    let token = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer ")).map(|(_, token)| token);
    token.is_some_and(|token| token.ct_eq(key.expose_secret().as_bytes()).into())
}

fn unauthorised() -> Answer {
    Answer::problem(401, "unauthorised", "Authorization: Bearer KEY is needed, with a key of this gateway")
}

async fn pass<B: MessageBody + 'static>(request: ServiceRequest, next: Next<B>) -> Answered<B> {
    Ok(next.call(request).await?.map_into_left_body())
}

fn stop<B>(request: ServiceRequest, answer: Answer) -> ServiceResponse<EitherBody<B>> {
    let is_unauthorised = answer.status == 401;
    let mut response = reply::response(answer);
    if is_unauthorised {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    request.into_response(response).map_into_right_body()
}
