//! The API of customers, of shops (through merchant-svc), and of operations.

pub mod callbacks;
pub mod ops;
pub mod ops_payments;
pub mod orders;
pub mod quotes;
pub mod shop;
pub mod shops;
pub mod stream;
pub mod view;

use actix_web::web::{self, get, post};

/// Every route of this service. They are resources, which answer 405 to another method; bare routes would answer 404.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/v1/merchants").route(get().to(shops::near)))
        .service(web::resource("/v1/merchants/{id}/menu").route(get().to(shops::menu)))
        .service(web::resource("/v1/quotes").route(post().to(quotes::create)))
        .service(web::resource("/v1/orders").route(post().to(orders::place)).route(get().to(orders::list)))
        .service(web::resource("/v1/orders/{id}").route(get().to(orders::show)))
        .service(web::resource("/v1/orders/{id}/cancel").route(post().to(orders::cancel)))
        .service(web::resource("/v1/orders/{id}/pay").route(post().to(orders::pay)))
        .service(web::resource("/v1/orders/{id}/stream").route(get().to(stream::watch)))
        .service(web::resource("/v1/orders/{id}/accept").route(post().to(shop::accept)))
        .service(web::resource("/v1/orders/{id}/reject").route(post().to(shop::reject)))
        .service(web::resource("/v1/orders/{id}/shop-cancel").route(post().to(shop::cancel)))
        .service(web::resource("/v1/ops/orders").route(get().to(ops::list)))
        .service(web::resource("/v1/ops/orders/{id}").route(get().to(ops::show)))
        .service(web::resource("/v1/ops/orders/{id}/events").route(get().to(ops::events)))
        .service(web::resource("/v1/ops/orders/{id}/cancel").route(post().to(ops::cancel)))
        .service(web::resource("/v1/gateway/callbacks").route(post().to(callbacks::wake)))
        .service(web::resource("/v1/ops/payments/{id}").route(get().to(ops_payments::show)))
        .service(web::resource("/v1/ops/payments/{id}/retry").route(post().to(ops_payments::retry)))
        .service(web::resource("/v1/ops/payments/{id}/refund").route(post().to(ops_payments::refund)))
        .service(web::resource("/v1/ops/payments/{id}/write-off").route(post().to(ops_payments::write_off)));
}
