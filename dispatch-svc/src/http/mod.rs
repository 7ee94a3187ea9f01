//! The rider API and dispatch's part of the ops API: one file per resource, request and response types beside their handlers.

pub mod offers;
pub mod ops_deliveries;
pub mod ops_riders;
pub mod ops_zones;
pub mod rider;
pub mod rider_deliveries;
pub mod stream;
pub mod views;

use actix_web::web::{self, get, post, put};
use serde::Deserialize;

/// Adds all routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/v1/rider/profile").route(put().to(rider::put_profile)).route(get().to(rider::profile)))
        .route("/v1/rider/online", post().to(rider::online))
        .route("/v1/rider/pause", post().to(rider::pause))
        .route("/v1/rider/offline", post().to(rider::offline))
        .route("/v1/rider/locations", post().to(rider::locations))
        .route("/v1/rider/offers", get().to(offers::list))
        .route("/v1/rider/offers/stream", get().to(stream::stream))
        .route("/v1/rider/offers/{id}/accept", post().to(offers::accept))
        .route("/v1/rider/offers/{id}/decline", post().to(offers::decline))
        .route("/v1/rider/deliveries", get().to(rider_deliveries::list))
        .route("/v1/rider/deliveries/{id}", get().to(rider_deliveries::get))
        .route("/v1/rider/deliveries/{id}/at_pickup", post().to(rider_deliveries::at_pickup))
        .route("/v1/rider/deliveries/{id}/picked_up", post().to(rider_deliveries::picked_up))
        .route("/v1/rider/deliveries/{id}/at_dropoff", post().to(rider_deliveries::at_dropoff))
        .route("/v1/rider/deliveries/{id}/delivered", post().to(rider_deliveries::delivered))
        .route("/v1/rider/deliveries/{id}/returned", post().to(rider_deliveries::returned))
        .route("/v1/ops/zones", get().to(ops_zones::list))
        .service(web::resource("/v1/ops/zones/{id}").route(put().to(ops_zones::put)).route(get().to(ops_zones::get)))
        .route("/v1/ops/riders", get().to(ops_riders::list))
        .route("/v1/ops/deliveries", get().to(ops_deliveries::list))
        .route("/v1/ops/deliveries/{id}", get().to(ops_deliveries::get))
        .route("/v1/ops/deliveries/{id}/rounds", get().to(ops_deliveries::rounds))
        .route("/v1/ops/deliveries/{id}/reassign", post().to(ops_deliveries::reassign));
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
