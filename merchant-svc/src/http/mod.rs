//! The merchant API, and what operations see of it.

mod ask_order;
pub mod ops;
pub mod profile;
pub mod stream;
pub mod tickets;
pub mod view;

use actix_web::web::{self, get, post};

/// Every route of this service.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/v1/merchant/profile").route(get().to(profile::show)).route(web::put().to(profile::put)),
        )
        .service(
            web::resource("/v1/merchant/menu").route(get().to(profile::menu)).route(web::put().to(profile::put_menu)),
        )
        .route("/v1/merchant/open", post().to(profile::open))
        .route("/v1/merchant/pause", post().to(profile::pause))
        .route("/v1/merchant/tickets", get().to(tickets::list))
        // Before the ticket's own path: `stream` is no id.
        .route("/v1/merchant/tickets/stream", get().to(stream::watch))
        .route("/v1/merchant/tickets/{id}", get().to(tickets::show))
        .route("/v1/merchant/tickets/{id}/accept", post().to(tickets::accept))
        .route("/v1/merchant/tickets/{id}/reject", post().to(tickets::reject))
        .route("/v1/merchant/tickets/{id}/cancel", post().to(tickets::cancel))
        .route("/v1/merchant/tickets/{id}/ready", post().to(tickets::ready))
        .route("/v1/ops/tickets", get().to(ops::tickets))
        .route("/v1/ops/merchants", get().to(ops::merchants));
}
