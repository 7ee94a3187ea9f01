//! `/livez`: the process runs. `/readyz?verbose`: it can do its work.

use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::broker::Broker;
use crate::{Db, Stop};

/// What readiness looks at. Redis and other soft dependencies are shown by their service, and do not make it unready.
#[derive(Clone)]
pub struct Health {
    /// The database: without it nothing can be promised.
    pub db: Db,
    /// The broker: shown, but not required. Orders are taken while it is away; the outbox grows.
    pub broker: Broker,
    /// Stopping: no longer ready.
    pub stop: Stop,
}

/// Adds both routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/livez").route(web::get().to(|| async { HttpResponse::Ok().json(json!({"status": "live"})) })),
    );
    config.service(web::resource("/readyz").route(web::get().to(ready)));
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
