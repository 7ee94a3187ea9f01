//! Offers: who was asked, what they said, and, once accepted, from when to when they carried it.

use chrono::{DateTime, Utc};
use diesel::dsl::{IntervalDsl as _, exists, not};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::event::Snapshot;
use pannier_contracts::offer::{OfferSnapshot, OfferState};
use pannier_contracts::{DeliveryId, Lifecycle as _, OfferId, OrderId, RiderId, RoundId, Version};
use pannier_platform::db::functions::{clock_timestamp, statement_timestamp, subtract_interval};
use pannier_platform::{Cause, Conn, Prepare as _, Refusal, events, timers};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::deliveries::Delivery;
use super::literal::sent;
use super::schema::{deliveries, offers};
use crate::domain::actions;
use crate::domain::deadlines::kind;
use crate::domain::lifecycle::{OfferLifecycle, OfferTrigger};

/// An offer.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = offers)]
pub struct Offer {
    /// Which offer.
    pub id: OfferId,
    /// Of what.
    pub delivery_id: DeliveryId,
    /// The order.
    pub order_id: OrderId,
    /// To whom.
    pub rider_id: RiderId,
    /// In which attempt.
    pub attempt: i32,
    /// Where it is.
    pub state: OfferState,
    /// How often it has changed.
    pub version: Version,
    /// Which look of the dispatcher it comes from.
    pub round_id: RoundId,
    /// What the rider was told.
    pub ready_at: DateTime<Utc>,
    /// When it was sent.
    pub sent_at: DateTime<Utc>,
    /// Until when it may be answered.
    pub expires_at: DateTime<Utc>,
    /// When it was accepted.
    pub accepted_at: Option<DateTime<Utc>>,
    /// When it stopped being open, or, accepted, when the assignment ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why.
    pub reason: Option<String>,
    /// Why this rider was asked, in a sentence for them.
    pub why: Option<String>,
}

/// An offer as the log keeps it: with the sentence for its rider, so that their stream reads nothing more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoggedOffer {
    /// As the world sees it.
    #[serde(flatten)]
    pub offer: OfferSnapshot,
    /// Why this rider is asked; nothing about anybody else.
    pub why: Option<String>,
}

impl Snapshot for LoggedOffer {
    const AGGREGATE: &'static str = OfferSnapshot::AGGREGATE;
    fn aggregate_id(&self) -> Uuid {
        self.offer.aggregate_id()
    }
    fn version(&self) -> Version {
        self.offer.version()
    }
}

/// Whose stream shows it.
#[must_use]
pub fn audience(rider: RiderId) -> String {
    format!("rider:{}", rider.0)
}

impl Offer {
    /// As the log keeps it.
    #[must_use]
    pub fn logged(&self, delivery: &Delivery) -> LoggedOffer {
        LoggedOffer { offer: self.snapshot(delivery), why: self.why.clone() }
    }

    /// As the world sees it.
    #[must_use]
    pub fn snapshot(&self, delivery: &Delivery) -> OfferSnapshot {
        OfferSnapshot {
            id: self.id,
            version: self.version,
            state: self.state,
            delivery_id: self.delivery_id,
            order_id: self.order_id,
            rider_id: self.rider_id,
            attempt: self.attempt,
            merchant_name: delivery.merchant_name.clone(),
            pickup: delivery.pickup,
            dropoff: delivery.dropoff,
            ready_at: self.ready_at,
            expires_at: self.expires_at,
        }
    }
}

/// One offer, only if it is this rider's.
///
/// # Errors
/// `NotFound`.
pub async fn of_rider(conn: &mut Conn, id: OfferId, rider: RiderId) -> Result<Offer, Refusal> {
    offers::table
        .find(id)
        .filter(offers::rider_id.eq(rider))
        .select(Offer::as_select())
        .first(conn)
        .await
        .optional()?
        .ok_or(Refusal::NotFound("offer"))
}

/// One offer, if there is one.
///
/// # Errors
/// What the database says.
pub async fn find(conn: &mut Conn, id: OfferId) -> Result<Option<Offer>, Refusal> {
    Ok(offers::table.find(id).select(Offer::as_select()).first(conn).await.optional()?)
}

/// All offers of a delivery, oldest first.
///
/// # Errors
/// What the database says.
pub async fn of_delivery(conn: &mut Conn, delivery: DeliveryId) -> Result<Vec<Offer>, Refusal> {
    Ok(offers::table
        .filter(offers::delivery_id.eq(delivery))
        .order(offers::id)
        .select(Offer::as_select())
        .load(conn)
        .await?)
}

/// The offers that these deliveries have had, oldest first.
///
/// # Errors
/// What the database says.
pub async fn of_deliveries(conn: &mut Conn, deliveries: &[DeliveryId]) -> Result<Vec<Offer>, Refusal> {
    Ok(offers::table
        .filter(offers::delivery_id.eq_any(deliveries))
        .order(offers::id)
        .select(Offer::as_select())
        .load(conn)
        .await?)
}

/// The open offers of a rider that may still be answered, oldest first.
///
/// # Errors
/// What the database says.
pub async fn open_of_rider(conn: &mut Conn, rider: RiderId) -> Result<Vec<Offer>, Refusal> {
    Ok(offers::table
        .filter(offers::rider_id.eq(rider))
        .filter(offers::state.eq(sent()))
        .filter(offers::expires_at.gt(statement_timestamp()))
        .order(offers::id)
        .select(Offer::as_select())
        .prepared()
        .load(conn)
        .await?)
}

/// The deliveries of which a rider has an open offer, by id: the order in which they are locked.
///
/// # Errors
/// What the database says.
pub async fn deliveries_asked_of(conn: &mut Conn, rider: RiderId) -> Result<Vec<DeliveryId>, Refusal> {
    Ok(offers::table
        .filter(offers::rider_id.eq(rider))
        .filter(offers::state.eq(sent()))
        .order(offers::delivery_id)
        .select(offers::delivery_id)
        .prepared()
        .load(conn)
        .await?)
}

/// Deliveries with an offer that should have expired `late_s` seconds ago, or that are offered to nobody.
///
/// # Errors
/// What the database says.
pub async fn deliveries_to_settle(conn: &mut Conn, late_s: i64) -> Result<Vec<DeliveryId>, Refusal> {
    let overdue = offers::table
        .filter(offers::state.eq(sent()))
        .filter(offers::expires_at.lt(subtract_interval(statement_timestamp(), late_s.seconds())))
        .select(offers::delivery_id);
    let open = offers::table.filter(offers::delivery_id.eq(deliveries::id)).filter(offers::state.eq(sent()));
    let unasked = deliveries::table
        .filter(deliveries::is_open)
        .filter(deliveries::state.eq(DeliveryState::Offered))
        .filter(not(exists(open)))
        .select(deliveries::id);
    Ok(overdue.union(unasked).prepared().load(conn).await?)
}

/// How many offers of a delivery are open.
///
/// # Errors
/// What the database says.
pub async fn count_open(conn: &mut Conn, delivery: DeliveryId) -> Result<i64, Refusal> {
    Ok(offers::table
        .filter(offers::delivery_id.eq(delivery))
        .filter(offers::state.eq(OfferState::Sent))
        .count()
        .get_result(conn)
        .await?)
}

/// The offer that a rider accepted of a delivery last, if any.
///
/// # Errors
/// What the database says.
pub async fn last_accepted(conn: &mut Conn, delivery: DeliveryId, rider: RiderId) -> Result<Option<Offer>, Refusal> {
    Ok(offers::table
        .filter(offers::delivery_id.eq(delivery))
        .filter(offers::rider_id.eq(rider))
        .filter(offers::state.eq(OfferState::Accepted))
        .order(offers::id.desc())
        .select(Offer::as_select())
        .first(conn)
        .await
        .optional()?)
}

/// An offer to be made.
#[derive(Debug, Clone)]
pub struct NewOffer<'a> {
    /// Of what.
    pub delivery: &'a Delivery,
    /// To whom.
    pub rider: RiderId,
    /// Which look of the dispatcher it comes from.
    pub round: RoundId,
    /// Why this rider is asked, in a sentence for them.
    pub why: Option<String>,
}

/// Asks riders, for as long as an offer is good, and tells them. The caller holds the locks of the deliveries and riders.
///
/// # Errors
/// `Conflict` when one of them has an open offer of the same delivery already.
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
        events::append(conn, cause, "sent", Some(audience(offer.rider_id)), &offer.logged(new.delivery)).await?;
    }
    Ok(offers)
}

/// Which open offers a change is about.
#[derive(Debug, Clone, Copy)]
pub enum Which {
    /// This one.
    One(OfferId),
    /// This one, if it can still be answered by the database's clock.
    InTime(OfferId),
    /// All of the delivery.
    All,
    /// All of the delivery whose time has run out.
    Overdue,
    /// This rider's.
    Rider(RiderId),
    /// All but this rider's.
    Others(RiderId),
}

/// Moves open offers of a delivery, and tells their riders. The caller holds the delivery's lock, under which alone its
/// offers change. Returns those that moved; none is no failure.
///
/// An accepted one still counts among its rider's open offers: taking the order counts it over. For the others the caller
/// counts, in the order of the riders' ids: see [`super::riders::count_closed`].
///
/// # Errors
/// What the database refuses.
pub async fn close(
    conn: &mut Conn,
    cause: &Cause,
    delivery: &Delivery,
    which: Which,
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
    // In time or not is decided here, by the one clock that all sides share.
    macro_rules! moved {
        ($($filter:expr)?) => {
            diesel::update(open$(.filter($filter))?)
                .set(changes)
                .returning(Offer::as_returning())
                .prepared()
                .get_results(conn)
                .await?
        };
    }
    let moved: Vec<Offer> = match which {
        Which::One(id) => moved!(offers::id.eq(id)),
        Which::InTime(id) => moved!(offers::id.eq(id).and(offers::expires_at.gt(statement_timestamp()))),
        Which::All => moved!(),
        Which::Overdue => moved!(offers::expires_at.le(statement_timestamp())),
        Which::Rider(rider) => moved!(offers::rider_id.eq(rider)),
        Which::Others(rider) => moved!(offers::rider_id.ne(rider)),
    };
    for offer in &moved {
        let told = Some(audience(offer.rider_id));
        events::append(conn, cause, to.as_str(), told, &offer.logged(delivery)).await?;
        timers::clear(conn, offer.id.0, &[kind::EXPIRY]).await?;
    }
    Ok(moved)
}

/// [`close`], with the riders counted.
///
/// # Errors
/// As [`close`].
pub async fn close_counted(
    conn: &mut Conn,
    cause: &Cause,
    delivery: &Delivery,
    which: Which,
    trigger: OfferTrigger,
    reason: Option<&str>,
) -> Result<Vec<Offer>, Refusal> {
    let moved = close(conn, cause, delivery, which, trigger, reason).await?;
    let riders: Vec<RiderId> = moved.iter().map(|offer| offer.rider_id).collect();
    super::riders::count_closed(conn, &riders).await?;
    Ok(moved)
}

/// Ends the assignment of a delivery: the accepted offer keeps its state and its interval is closed.
/// No version: the snapshot does not show it; the delivery's event tells.
///
/// # Errors
/// What the database says.
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
