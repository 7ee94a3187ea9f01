//! Commands: how the gateway is to misbehave.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use super::{Shared, reply};
use crate::misbehaviour::Rule;
use crate::operation::Answer;

/// Longest freeze, so that a mistyped one ends: ten minutes.
const MAX_FREEZE_MS: u64 = 600_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    ms: u64,
}

pub async fn list(gateway: Shared) -> HttpResponse {
    reply::response(Answer { status: 200, body: json!({ "data": gateway.rules() }) })
}

pub async fn add(gateway: Shared, rule: web::Json<Rule>) -> HttpResponse {
    let rule = rule.into_inner();
    if let Err(why) = rule.check() {
        return reply::response(Answer::problem(422, "invalid_misbehaviour", why));
    }
    tracing::info!("Misbehaves on command: {rule:?}");
    let body = json!(rule);
    gateway.add_rule(rule);
    reply::response(Answer { status: 201, body })
}

pub async fn clear(gateway: Shared) -> HttpResponse {
    gateway.clear_rules();
    HttpResponse::NoContent().finish()
}

pub async fn freeze(gateway: Shared, body: web::Json<Freeze>) -> HttpResponse {
    let Freeze { ms } = body.into_inner();
    if ms > MAX_FREEZE_MS {
        return reply::response(Answer::problem(422, "invalid_freeze", "ms is at most 600000"));
    }
    tracing::info!("The payment API stands still for {ms} ms");
    gateway.freeze(Duration::from_millis(ms));
    HttpResponse::NoContent().finish()
}
