//! The merchant API, and the operations API of this service.

mod ask_order;
pub mod ops;
pub mod profile;
pub mod stream;
pub mod tickets;
pub mod view;

use actix_web::web::{self, get, post};
use serde::Deserialize;

/// The body of a command without parameters: `{}`, or nothing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct EmptyBody {}

/// Registers the routes of this service. As resources, because a resource answers 405 to another method where a bare route
/// answers 404.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/v1/merchant/profile").route(get().to(profile::show)).route(web::put().to(profile::put)),
        )
        .service(
            web::resource("/v1/merchant/menu").route(get().to(profile::menu)).route(web::put().to(profile::put_menu)),
        )
        .service(web::resource("/v1/merchant/open").route(post().to(profile::open)))
        .service(web::resource("/v1/merchant/pause").route(post().to(profile::pause)))
        .service(web::resource("/v1/merchant/tickets").route(get().to(tickets::list)))
        // Before `{id}`, which would match it.
        .service(web::resource("/v1/merchant/tickets/stream").route(get().to(stream::watch)))
        .service(web::resource("/v1/merchant/tickets/{id}").route(get().to(tickets::show)))
        .service(web::resource("/v1/merchant/tickets/{id}/accept").route(post().to(tickets::accept)))
        .service(web::resource("/v1/merchant/tickets/{id}/reject").route(post().to(tickets::reject)))
        .service(web::resource("/v1/merchant/tickets/{id}/cancel").route(post().to(tickets::cancel)))
        .service(web::resource("/v1/merchant/tickets/{id}/ready").route(post().to(tickets::ready)))
        .service(web::resource("/v1/ops/orders/{id}/events").route(get().to(ops::events)))
        .service(web::resource("/v1/ops/tickets").route(get().to(ops::tickets)))
        .service(web::resource("/v1/ops/merchants").route(get().to(ops::merchants)));
}
