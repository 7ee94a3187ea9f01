//! The caller as a rider: profile, shift, positions.

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

use super::requests::EmptyBody;
use super::views::RiderView;
use crate::commands;
use crate::commands::put_profile::Profile;
use crate::fleet::PositionQueue;
use crate::store;

/// The capacity of a rider whose profile has none.
const CAPACITY: i32 = 2;
/// Positions that are less exact than this are ignored, metres.
const WORST_ACCURACY_M: f64 = 50.0;

/// The body of `PUT /v1/rider/profile`.
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

/// Creates or changes the caller's profile.
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

/// The caller's profile, shift and load.
pub async fn profile(who: Rider, db: Data<Db>) -> Result<Json<RiderView>, Problem> {
    let rider = db.read(move |conn| store::riders::load(conn, who.id).boxed()).await?;
    Ok(Json(RiderView::from(&rider)))
}

/// The body of `POST /v1/rider/online`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Online {
    place: Place,
}

/// Begins a shift, or ends a pause.
pub async fn online(
    who: Rider,
    db: Data<Db>,
    positions: Data<PositionQueue>,
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
        positions.begin_session(who.id, place);
    }
    Ok(respond(&answer))
}

/// Stops new offers.
pub async fn pause(who: Rider, db: Data<Db>, cmd: Command<EmptyBody>) -> Result<HttpResponse, Problem> {
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
pub async fn offline(
    who: Rider,
    db: Data<Db>,
    positions: Data<PositionQueue>,
    cmd: Command<EmptyBody>,
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
        positions.remove(who.id);
    }
    Ok(respond(&answer))
}

/// The body of `POST /v1/rider/locations`.
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

/// The answer to `POST /v1/rider/locations`.
#[derive(Debug, Clone, Serialize)]
pub struct LocationsAnswer {
    accepted: usize,
    ignored: usize,
}

/// Takes positions of the caller. Only the newest is written; it stands for the others. Inexact ones are ignored, and all
/// of them while the queue is full.
///
/// # Errors
/// 400 `locations_invalid` for none, or more than fifty.
pub async fn locations(
    who: Rider,
    positions: Data<PositionQueue>,
    body: Json<PostLocations>,
) -> Result<HttpResponse, Problem> {
    let mut given = body.into_inner().locations;
    if !(1..=50).contains(&given.len()) {
        return Err(Problem::bad_request("locations_invalid", "send 1 to 50 positions"));
    }
    let count = given.len();
    given.retain(|l| l.seq >= 0 && l.accuracy_m.is_none_or(|m| m <= WORST_ACCURACY_M));
    let newest = given.iter().max_by_key(|l| l.seq);
    let accepted = if newest.is_some_and(|l| positions.push(who.id, l.seq, l.place)) { given.len() } else { 0 };
    Ok(HttpResponse::Accepted().json(LocationsAnswer { accepted, ignored: count - accepted }))
}
