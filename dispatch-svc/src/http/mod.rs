//! The rider API, and dispatch's part of the operations API: one file per resource, with its request and response types.
//!
//! Handlers answer every refusal as a problem (`docs/problems/`). Their `# Errors` sections name what a command's own
//! documentation does not.

pub mod offers;
pub mod ops_actions;
pub mod ops_deliveries;
pub mod ops_dispatcher;
pub mod ops_riders;
pub mod ops_zones;
pub mod requests;
pub mod rider;
pub mod rider_deliveries;
pub mod stream;
pub mod views;

use actix_web::web::{self, get, post, put};

/// Adds all routes. They are resources, which answer 405 to another method, where bare routes answer 404.
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
        .service(web::resource("/v1/rider/deliveries/{id}/failed").route(post().to(rider_deliveries::failed)))
        .service(web::resource("/v1/rider/deliveries/{id}/returned").route(post().to(rider_deliveries::returned)))
        .service(web::resource("/v1/ops/zones").route(get().to(ops_zones::list)))
        .service(web::resource("/v1/ops/zones/{id}").route(put().to(ops_zones::put)).route(get().to(ops_zones::get)))
        .service(web::resource("/v1/ops/riders").route(get().to(ops_riders::list)))
        .service(web::resource("/v1/ops/dispatcher").route(get().to(ops_dispatcher::list)))
        .service(web::resource("/v1/ops/orders/{id}/events").route(get().to(ops_deliveries::events)))
        .service(web::resource("/v1/ops/deliveries").route(get().to(ops_deliveries::list)))
        .service(web::resource("/v1/ops/deliveries/{id}").route(get().to(ops_deliveries::get)))
        .service(web::resource("/v1/ops/deliveries/{id}/rounds").route(get().to(ops_deliveries::rounds)))
        .service(web::resource("/v1/ops/riders/{id}/off-duty").route(post().to(ops_riders::off_duty)))
        .service(web::resource("/v1/ops/deliveries/{id}/candidates").route(get().to(ops_actions::candidates)))
        .service(web::resource("/v1/ops/deliveries/{id}/assign").route(post().to(ops_actions::assign)))
        .service(web::resource("/v1/ops/deliveries/{id}/reassign").route(post().to(ops_actions::reassign)))
        .service(web::resource("/v1/ops/deliveries/{id}/return").route(post().to(ops_actions::call_back)))
        .service(web::resource("/v1/ops/deliveries/{id}/returned").route(post().to(ops_actions::returned)))
        .service(web::resource("/v1/ops/deliveries/{id}/settle").route(post().to(ops_actions::settle)));
}
