//! The gateway's HTTP API.

mod auth;
pub mod connection;
mod control;
mod payments;
mod reply;

use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, web};

use crate::gateway::Gateway;

type Shared = web::Data<Gateway>;

/// Adds the gateway's routes. The app needs a `web::Data<Gateway>`.
pub fn routes(app: &mut web::ServiceConfig) {
    let json = web::JsonConfig::default()
        .limit(16 * 1024)
        .content_type_required(false)
        .error_handler(|e, _| reply::refused(400, "invalid_body", &e.to_string()));
    let query = web::QueryConfig::default().error_handler(|e, _| reply::refused(400, "invalid_query", &e.to_string()));
    let control = web::scope("/v1/control")
        .wrap(from_fn(auth::control))
        .service(
            web::resource("/misbehaviours")
                .route(web::get().to(control::list))
                .route(web::post().to(control::add))
                .route(web::delete().to(control::clear)),
        )
        .route("/freeze", web::post().to(control::freeze))
        .default_service(web::to(reply::not_found));
    let payments = web::scope("/v1")
        .wrap(from_fn(auth::payments))
        .route("/authorizations", web::post().to(payments::authorise))
        .route("/authorizations/{reference}", web::get().to(payments::authorisation))
        .route("/authorizations/{reference}/capture", web::post().to(payments::capture))
        .route("/authorizations/{reference}/void", web::post().to(payments::void))
        .route("/authorizations/{reference}/refund", web::post().to(payments::refund))
        .route("/operations/{key}", web::get().to(payments::operation))
        .route("/ledger", web::get().to(payments::ledger))
        .default_service(web::to(reply::not_found));
    app.app_data(json)
        .app_data(query)
        .route("/livez", web::get().to(HttpResponse::Ok))
        .service(control)
        .service(payments)
        .default_service(web::to(reply::not_found));
}
