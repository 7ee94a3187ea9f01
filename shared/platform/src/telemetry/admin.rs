//! The admin port: metrics, and what an orchestrator asks. It is never exposed to customers.

use std::net::TcpListener;

use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer};
use prometheus::{Encoder as _, TextEncoder};

use super::gauges::{Gauge, Gauges};
use super::metrics::Metrics;
use crate::http::health::{self, Health};
use crate::{Db, Stop};

/// What the admin port shows.
#[derive(Clone)]
pub struct Admin {
    /// Counted in this process.
    pub metrics: Metrics,
    /// Read from the database.
    pub gauges: Gauges,
    /// Whose pool is measured.
    pub db: Db,
    /// Readiness.
    pub health: Health,
}

/// Serves until `stop`.
///
/// # Errors
/// When the server cannot start.
pub async fn serve(listener: TcpListener, admin: Admin, stop: Stop) -> anyhow::Result<()> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::new(admin.health.clone()))
            .app_data(Data::new(admin.clone()))
            .configure(health::routes)
            .service(web::resource("/startupz").route(web::get().to(health::started)))
            .service(web::resource("/metrics").route(web::get().to(metrics)))
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(1)
    .listen(listener)?
    .run();
    let handle = server.handle();
    let stopping = tokio::spawn(async move {
        stop.cancelled().await;
        handle.stop(true).await;
    });
    server.await?;
    stopping.abort();
    Ok(())
}

async fn metrics(admin: Data<Admin>) -> HttpResponse {
    let mut families = admin.metrics.gather();
    families.extend(admin.db.connections().gauges().iter().flat_map(Gauge::families));
    let read = admin.gauges.read().await;
    let are_read = Gauge {
        name: "pannier_gauges_read",
        help: "1 if the database's gauges could be read",
        labels: &[],
        series: vec![(Vec::new(), f64::from(u8::from(read.is_ok())))],
    };
    families.extend(are_read.families());
    match read {
        Ok(read) => families.extend(read),
        // What was counted is shown all the same: this is when it is needed most.
        Err(refusal) => tracing::warn!(error = ?refusal, "gauges cannot be read from the database"),
    }
    families.retain(|family| !family.get_metric().is_empty());
    let mut text = Vec::new();
    match TextEncoder::new().encode(&families, &mut text) {
        Ok(()) => HttpResponse::Ok().content_type(prometheus::TEXT_FORMAT).body(text),
        Err(e) => HttpResponse::InternalServerError().body(format!("metrics cannot be written: {e}")),
    }
}
