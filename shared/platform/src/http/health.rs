//! `/livez`: the process runs. `/startupz`: it has come up. `/readyz`: it can answer requests; with `?verbose` it shows each check.

use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::broker::Broker;
use crate::{Db, Stop};

/// What readiness depends on.
#[derive(Clone)]
pub struct Health {
    /// Required.
    pub db: Db,
    /// Shown, but not required: orders are accepted without it, and their events wait in the log.
    pub broker: Broker,
    /// Not ready once it is cancelled.
    pub stop: Stop,
}

/// Adds `/livez` and `/readyz`.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/livez").route(web::get().to(|| async { HttpResponse::Ok().json(json!({"status": "live"})) })),
    );
    config.service(web::resource("/readyz").route(web::get().to(ready)));
}

/// Whether the process has come up: from then on only liveness counts.
pub(crate) async fn started(health: web::Data<Health>) -> HttpResponse {
    if health.db.ping().await.is_ok() {
        HttpResponse::Ok().json(json!({"status": "started"}))
    } else {
        HttpResponse::ServiceUnavailable().json(json!({"status": "starting", "waits_for": "database"}))
    }
}

async fn ready(
    health: web::Data<Health>,
    query: web::Query<std::collections::HashMap<String, String>>,
) -> HttpResponse {
    let database = health.db.ping().await.is_ok();
    let stopping = health.stop.is_cancelled();
    let is_ready = database && !stopping;
    let mut body = json!({"status": if is_ready { "ready" } else { "not_ready" }});
    if query.contains_key("verbose") {
        let broker = match health.broker.connect("readyz").await {
            Ok(connection) => {
                let _ = connection.close(200, "checked".into()).await;
                true
            }
            Err(_) => false,
        };
        body["checks"] = json!({"database": database, "broker": broker, "stopping": stopping});
    }
    if is_ready { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}
