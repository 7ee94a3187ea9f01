//! Changing offers: every new version is announced by one event. The caller holds the lock of the delivery.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use pannier_contracts::offer::OfferState;
use pannier_contracts::{DeliveryId, Lifecycle as _, OfferId, RiderId, RoundId, Version};
use pannier_platform::db::functions::{clock_timestamp, statement_timestamp};
use pannier_platform::{Cause, Conn, Prepare as _, Refusal, events, timers};

use super::row::Offer;
use crate::domain::actions;
use crate::domain::deadlines::kind;
use crate::domain::lifecycle::{OfferLifecycle, OfferTrigger};
use crate::store::deliveries::Delivery;
use crate::store::riders::{audience, remove_open_offers};
use crate::store::schema::offers;

/// An offer to be sent.
#[derive(Debug, Clone)]
pub struct NewOffer<'a> {
    /// The delivery that is offered.
    pub delivery: &'a Delivery,
    /// The rider who is asked.
    pub rider: RiderId,
    /// The dispatcher's round that decided it.
    pub round: RoundId,
    /// Why this rider is asked, in a sentence for them.
    pub why: Option<String>,
}

/// Sends offers that expire at `expires_at`. The caller holds the locks of the riders, too.
///
/// # Errors
/// [`Refusal::Conflict`] when a rider has an open offer of the same delivery already.
pub async fn insert_all(
    conn: &mut Conn,
    cause: &Cause,
    new: &[NewOffer<'_>],
    sent_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<Vec<Offer>, Refusal> {
    let offers: Vec<Offer> = new
        .iter()
        .map(|n| Offer {
            id: OfferId::generate(),
            delivery_id: n.delivery.id,
            order_id: n.delivery.order_id,
            rider_id: n.rider,
            attempt: n.delivery.attempt,
            state: OfferState::Sent,
            version: Version::FIRST,
            round_id: n.round,
            ready_at: n.delivery.ready_at,
            sent_at,
            expires_at,
            accepted_at: None,
            ended_at: None,
            reason: None,
            why: n.why.clone(),
        })
        .collect();
    // Raw: as many rows as there are, in one text that is prepared once.
    let inserted = diesel::sql_query(
        "INSERT INTO offers (id, delivery_id, order_id, rider_id, attempt, state, version, round_id, ready_at, sent_at, expires_at, why)
         SELECT id, delivery_id, order_id, rider_id, attempt, $11, $12, round_id, ready_at, $7, $8, why
         FROM unnest($1, $2, $3, $4, $5, $6, $9, $10)
             AS new (id, delivery_id, order_id, rider_id, attempt, round_id, ready_at, why)
         ON CONFLICT DO NOTHING",
    )
    .bind::<Array<SqlUuid>, _>(offers.iter().map(|o| o.id).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(offers.iter().map(|o| o.delivery_id).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(offers.iter().map(|o| o.order_id).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(offers.iter().map(|o| o.rider_id).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(offers.iter().map(|o| o.attempt).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(offers.iter().map(|o| o.round_id).collect::<Vec<_>>())
    .bind::<Timestamptz, _>(sent_at)
    .bind::<Timestamptz, _>(expires_at)
    .bind::<Array<Timestamptz>, _>(offers.iter().map(|o| o.ready_at).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(offers.iter().map(|o| o.why.as_deref()).collect::<Vec<_>>())
    .bind::<Text, _>(OfferState::Sent)
    .bind::<BigInt, _>(Version::FIRST)
    .prepared()
    .execute(conn)
    .await?;
    if inserted < offers.len() {
        return Err(Refusal::Conflict);
    }
    for (offer, new) in offers.iter().zip(new) {
        timers::set(conn, "offer", offer.id.0, kind::EXPIRY, expires_at).await?;
        let cause = cause.about(new.delivery.id.0);
        events::append(conn, &cause, "sent", Some(audience(offer.rider_id)), &offer.logged(new.delivery)).await?;
    }
    Ok(offers)
}

/// Which open offers of a delivery are closed.
#[derive(Debug, Clone, Copy)]
pub enum OfferFilter {
    /// This one.
    One(OfferId),
    /// This one, unless it has expired by the database's clock.
    NotExpired(OfferId),
    /// All of them.
    All,
    /// Those that have expired by the database's clock.
    Expired,
    /// This rider's.
    ToRider(RiderId),
    /// All but this rider's.
    ToOthers(RiderId),
}

/// Closes open offers of a delivery, and tells their riders. Returns those that were closed, perhaps none.
///
/// Does not change the load of the riders. When an offer is accepted, [`crate::store::riders::add_delivery`] does; for all
/// others [`close_and_count`] does, or the caller with [`remove_open_offers`], in the order of the riders' ids.
pub async fn close(
    conn: &mut Conn,
    cause: &Cause,
    delivery: &Delivery,
    filter: OfferFilter,
    trigger: OfferTrigger,
    reason: Option<&str>,
) -> Result<Vec<Offer>, Refusal> {
    let to = OfferLifecycle::next(OfferState::Sent, trigger)
        .map_err(|e| Refusal::illegal(&e, actions::owned(actions::of_offer(OfferState::Sent))))?;
    let is_accepted = to == OfferState::Accepted;
    let changes = (
        offers::state.eq(to),
        offers::version.eq(offers::version + 1),
        is_accepted.then(|| offers::accepted_at.eq(clock_timestamp().nullable())),
        (!is_accepted).then(|| offers::ended_at.eq(clock_timestamp().nullable())),
        offers::reason.eq(reason),
    );
    let open = offers::table.filter(offers::delivery_id.eq(delivery.id)).filter(offers::state.eq(OfferState::Sent));
    // Whether an offer has expired is decided in the statement, by the clock that all instances share.
    macro_rules! close {
        ($($filter:expr)?) => {
            diesel::update(open$(.filter($filter))?)
                .set(changes)
                .returning(Offer::as_returning())
                .prepared()
                .get_results(conn)
                .await?
        };
    }
    let closed: Vec<Offer> = match filter {
        OfferFilter::One(id) => close!(offers::id.eq(id)),
        OfferFilter::NotExpired(id) => close!(offers::id.eq(id).and(offers::expires_at.gt(statement_timestamp()))),
        OfferFilter::All => close!(),
        OfferFilter::Expired => close!(offers::expires_at.le(statement_timestamp())),
        OfferFilter::ToRider(rider) => close!(offers::rider_id.eq(rider)),
        OfferFilter::ToOthers(rider) => close!(offers::rider_id.ne(rider)),
    };
    for offer in &closed {
        let told = Some(audience(offer.rider_id));
        events::append(conn, cause, to.as_str(), told, &offer.logged(delivery)).await?;
        timers::clear(conn, offer.id.0, &[kind::EXPIRY]).await?;
    }
    Ok(closed)
}

/// [`close`], and removes the closed offers from the load of their riders.
pub async fn close_and_count(
    conn: &mut Conn,
    cause: &Cause,
    delivery: &Delivery,
    filter: OfferFilter,
    trigger: OfferTrigger,
    reason: Option<&str>,
) -> Result<Vec<Offer>, Refusal> {
    let closed = close(conn, cause, delivery, filter, trigger, reason).await?;
    let riders: Vec<RiderId> = closed.iter().map(|offer| offer.rider_id).collect();
    remove_open_offers(conn, &riders).await?;
    Ok(closed)
}

/// Ends the assignment of a delivery, if it has one: its accepted offer gets an end. No new version: the delivery's event
/// tells.
pub async fn end_assignment(conn: &mut Conn, delivery: DeliveryId, reason: &str) -> Result<usize, Refusal> {
    Ok(diesel::update(
        offers::table
            .filter(offers::delivery_id.eq(delivery))
            .filter(offers::state.eq(OfferState::Accepted))
            .filter(offers::ended_at.is_null()),
    )
    .set((offers::ended_at.eq(clock_timestamp().nullable()), offers::reason.eq(reason)))
    .prepared()
    .execute(conn)
    .await?)
}
