//! The customer API, what merchant-svc asks in a shop's name, and operations.

pub mod ops;
pub mod orders;
pub mod quotes;
pub mod shop;
pub mod shops;
pub mod stream;
pub mod view;

use actix_web::web::{self, get, post};

/// Every route of this service.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/merchants", get().to(shops::near))
        .route("/v1/merchants/{id}/menu", get().to(shops::menu))
        .route("/v1/quotes", post().to(quotes::create))
        .service(web::resource("/v1/orders").route(post().to(orders::place)).route(get().to(orders::list)))
        .route("/v1/orders/{id}", get().to(orders::show))
        .route("/v1/orders/{id}/cancel", post().to(orders::cancel))
        .route("/v1/orders/{id}/pay", post().to(orders::pay))
        .route("/v1/orders/{id}/stream", get().to(stream::watch))
        .route("/v1/orders/{id}/accept", post().to(shop::accept))
        .route("/v1/orders/{id}/reject", post().to(shop::reject))
        .route("/v1/orders/{id}/shop-cancel", post().to(shop::cancel))
        .route("/v1/ops/orders", get().to(ops::list))
        .route("/v1/ops/orders/{id}", get().to(ops::show))
        .route("/v1/ops/orders/{id}/cancel", post().to(ops::cancel))
        .route("/v1/ops/payments/{id}", get().to(ops::payment));
}
