//! The rider's own record: profile, shift, where they are.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use pannier_contracts::Place;
use pannier_platform::Db;
use pannier_platform::http::command::respond;
use pannier_platform::http::{Command, Problem, Rider};
use serde::{Deserialize, Serialize};

use super::Nothing;
use super::views::RiderView;
use crate::commands;
use crate::commands::put_profile::Profile;
use crate::fleet::Locations;
use crate::store;

/// Orders that a rider takes at once, if they do not say.
const CAPACITY: i32 = 2;
/// A position less exact than this says too little, metres.
const ACCURACY_M: f64 = 50.0;

/// `PUT /v1/rider/profile`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutProfile {
    name: String,
    vehicle: String,
    speed_mps: f64,
    #[serde(default)]
    capacity: Option<i32>,
}

impl From<PutProfile> for Profile {
    fn from(p: PutProfile) -> Self {
        Self { name: p.name, vehicle: p.vehicle, speed_mps: p.speed_mps, capacity: p.capacity.unwrap_or(CAPACITY) }
    }
}

/// Makes or changes the caller's rider.
///
/// # Errors
/// As a problem.
pub async fn put_profile(who: Rider, db: Data<Db>, cmd: Command<PutProfile>) -> Result<HttpResponse, Problem> {
    cmd.once(&db, move |conn, cmd| {
        async move {
            let rider = commands::put_profile::put_profile(conn, &cmd.cause, who.id, &cmd.body.into()).await?;
            Ok(RiderView::from(&rider))
        }
        .boxed()
    })
    .await
}

/// The caller's rider.
///
/// # Errors
/// As a problem.
pub async fn profile(who: Rider, db: Data<Db>) -> Result<Json<RiderView>, Problem> {
    let rider = db.read(move |conn| store::riders::load(conn, who.id).boxed()).await?;
    Ok(Json(RiderView::from(&rider)))
}

/// `POST /v1/rider/online`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Online {
    place: Place,
}

/// Begins a shift, or takes offers again.
///
/// # Errors
/// As a problem.
pub async fn online(
    who: Rider,
    db: Data<Db>,
    map: Data<Locations>,
    cmd: Command<Online>,
) -> Result<HttpResponse, Problem> {
    let place = cmd.body.place;
    let answer = cmd
        .answer(StatusCode::OK, &db, move |conn, cmd| {
            async move {
                let rider = commands::shift::go_online(conn, &cmd.cause, who.id, cmd.body.place).await?;
                Ok(RiderView::from(&rider))
            }
            .boxed()
        })
        .await?;
    if answer.status == 200 && !answer.replayed {
        map.begin(who.id, place);
    }
    Ok(respond(&answer))
}

/// Takes no new offers.
///
/// # Errors
/// As a problem.
pub async fn pause(who: Rider, db: Data<Db>, cmd: Command<Nothing>) -> Result<HttpResponse, Problem> {
    cmd.once(&db, move |conn, cmd| {
        async move {
            let rider = commands::shift::pause(conn, &cmd.cause, who.id).await?;
            Ok(RiderView::from(&rider))
        }
        .boxed()
    })
    .await
}

/// Ends the shift.
///
/// # Errors
/// As a problem.
pub async fn offline(
    who: Rider,
    db: Data<Db>,
    map: Data<Locations>,
    cmd: Command<Nothing>,
) -> Result<HttpResponse, Problem> {
    let answer = cmd
        .answer(StatusCode::OK, &db, move |conn, cmd| {
            async move {
                let rider = commands::shift::go_offline(conn, &cmd.cause, who.id).await?;
                Ok(RiderView::from(&rider))
            }
            .boxed()
        })
        .await?;
    if answer.status == 200 && !answer.replayed {
        map.end(who.id);
    }
    Ok(respond(&answer))
}

/// `POST /v1/rider/locations`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostLocations {
    locations: Vec<Location>,
}

/// One position.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    seq: i64,
    place: Place,
    #[serde(default)]
    accuracy_m: Option<f64>,
    #[serde(default, rename = "recorded_at")]
    _recorded_at: Option<DateTime<Utc>>,
}

/// What became of the positions.
#[derive(Debug, Clone, Serialize)]
pub struct Taken {
    accepted: usize,
    ignored: usize,
}

/// Here I am. Only the newest position counts; old, inexact and supernumerary ones are ignored.
///
/// # Errors
/// 400 for none, or more than fifty.
pub async fn locations(who: Rider, map: Data<Locations>, body: Json<PostLocations>) -> Result<HttpResponse, Problem> {
    let mut given = body.into_inner().locations;
    if !(1..=50).contains(&given.len()) {
        return Err(Problem::bad_request("locations_invalid", "send 1 to 50 positions"));
    }
    let count = given.len();
    given.retain(|l| l.seq >= 0 && l.accuracy_m.is_none_or(|m| m <= ACCURACY_M));
    // Only the newest goes on its way: it stands for all of them.
    let newest = given.iter().max_by_key(|l| l.seq);
    let accepted = if newest.is_some_and(|l| map.take(who.id, l.seq, l.place)) { given.len() } else { 0 };
    Ok(HttpResponse::Accepted().json(Taken { accepted, ignored: count - accepted }))
}
