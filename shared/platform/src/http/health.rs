//! `/livez`: the process runs. `/startupz`: it has come up. `/readyz`: it can answer requests; with `?verbose` it shows each
//! check.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::broker::Broker;
use crate::{Db, Stop};

/// Who asks for details waits no longer than this for the broker.
const BROKER_PATIENCE: Duration = Duration::from_millis(1_500);

/// What a process that is coming up waits for. Clones are the same.
#[derive(Debug, Clone)]
pub struct Startup(Arc<Mutex<Option<String>>>);

impl Default for Startup {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Some("the database has not been asked yet".to_owned()))))
    }
}

impl Startup {
    pub(crate) fn waits_for(&self, what: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
    }

    pub(crate) fn is_done(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn waiting(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What readiness depends on.
#[derive(Debug, Clone)]
pub struct Health {
    /// Required.
    pub db: Db,
    /// Shown, but not required: orders are accepted without it, and their events wait in the log.
    pub broker: Broker,
    /// Not ready once it is cancelled.
    pub draining: Stop,
    /// Not ready before it is done.
    pub startup: Startup,
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
    match health.startup.waiting() {
        None => HttpResponse::Ok().json(json!({"status": "started"})),
        Some(what) => HttpResponse::ServiceUnavailable().json(json!({"status": "starting", "waits_for": what})),
    }
}

async fn ready(
    health: web::Data<Health>,
    query: web::Query<std::collections::HashMap<String, String>>,
) -> HttpResponse {
    let waits_for = health.startup.waiting();
    let database = health.db.ping().await.is_ok();
    let stopping = health.draining.is_cancelled();
    let is_ready = database && !stopping && waits_for.is_none();
    let mut body = json!({"status": if is_ready { "ready" } else { "not_ready" }});
    if query.contains_key("verbose") {
        let broker = tokio::time::timeout(BROKER_PATIENCE, broker_answers(&health.broker)).await.unwrap_or(false);
        body["checks"] = json!({"database": database, "broker": broker, "stopping": stopping, "waits_for": waits_for});
    }
    if is_ready { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

async fn broker_answers(broker: &Broker) -> bool {
    match broker.connect("readyz").await {
        Ok(connection) => {
            let _ = connection.close(200, "checked".into()).await;
            true
        }
        Err(_) => false,
    }
}
