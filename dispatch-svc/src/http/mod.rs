//! The rider API and dispatch's part of the ops API: one file per resource, request and response types beside their handlers.

pub mod offers;
pub mod ops_deliveries;
pub mod ops_dispatcher;
pub mod ops_riders;
pub mod ops_zones;
pub mod rider;
pub mod rider_deliveries;
pub mod stream;
pub mod views;

use actix_web::web::{self, get, post, put};
use serde::Deserialize;

/// Adds all routes.
/// Resources, not bare routes: those answer 405 to another method, where bare routes say 404.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/v1/rider/profile").route(put().to(rider::put_profile)).route(get().to(rider::profile)))
        .service(web::resource("/v1/rider/online").route(post().to(rider::online)))
        .service(web::resource("/v1/rider/pause").route(post().to(rider::pause)))
        .service(web::resource("/v1/rider/offline").route(post().to(rider::offline)))
        .service(web::resource("/v1/rider/locations").route(post().to(rider::locations)))
        .service(web::resource("/v1/rider/offers").route(get().to(offers::list)))
        .service(web::resource("/v1/rider/offers/stream").route(get().to(stream::stream)))
        .service(web::resource("/v1/rider/offers/{id}/accept").route(post().to(offers::accept)))
        .service(web::resource("/v1/rider/offers/{id}/decline").route(post().to(offers::decline)))
        .service(web::resource("/v1/rider/deliveries").route(get().to(rider_deliveries::list)))
        .service(web::resource("/v1/rider/deliveries/{id}").route(get().to(rider_deliveries::get)))
        .service(web::resource("/v1/rider/deliveries/{id}/at_pickup").route(post().to(rider_deliveries::at_pickup)))
        .service(web::resource("/v1/rider/deliveries/{id}/picked_up").route(post().to(rider_deliveries::picked_up)))
        .service(web::resource("/v1/rider/deliveries/{id}/at_dropoff").route(post().to(rider_deliveries::at_dropoff)))
        .service(web::resource("/v1/rider/deliveries/{id}/delivered").route(post().to(rider_deliveries::delivered)))
        .service(web::resource("/v1/rider/deliveries/{id}/returned").route(post().to(rider_deliveries::returned)))
        .service(web::resource("/v1/ops/zones").route(get().to(ops_zones::list)))
        .service(web::resource("/v1/ops/zones/{id}").route(put().to(ops_zones::put)).route(get().to(ops_zones::get)))
        .service(web::resource("/v1/ops/riders").route(get().to(ops_riders::list)))
        .service(web::resource("/v1/ops/dispatcher").route(get().to(ops_dispatcher::list)))
        .service(web::resource("/v1/ops/deliveries").route(get().to(ops_deliveries::list)))
        .service(web::resource("/v1/ops/deliveries/{id}").route(get().to(ops_deliveries::get)))
        .service(web::resource("/v1/ops/deliveries/{id}/rounds").route(get().to(ops_deliveries::rounds)))
        .service(web::resource("/v1/ops/deliveries/{id}/reassign").route(post().to(ops_deliveries::reassign)));
}

/// `{}`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// `?open=true`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct OpenQuery {
    /// Only what is not over.
    #[serde(default)]
    pub open: bool,
}
