//! Offers: who was asked, what they said, and, once accepted, from when to when they carried it.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Timestamptz};
use diesel_async::RunQueryDsl;
use pannier_contracts::offer::{OfferSnapshot, OfferState};
use pannier_contracts::{DeliveryId, Lifecycle as _, OfferId, OrderId, RiderId, RoundId, Version};
use pannier_platform::{Cause, Conn, Refusal, events, timers};
use uuid::Uuid;

use super::deliveries::Delivery;
use super::schema::offers;
use crate::domain::actions;
use crate::domain::deadlines::kind;
use crate::domain::lifecycle::{OfferLifecycle, OfferTrigger};

/// An offer.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = offers)]
pub struct Offer {
    /// Which offer.
    #[diesel(deserialize_as = Uuid)]
    pub id: OfferId,
    /// Of what.
    #[diesel(deserialize_as = Uuid)]
    pub delivery_id: DeliveryId,
    /// The order.
    #[diesel(deserialize_as = Uuid)]
    pub order_id: OrderId,
    /// To whom.
    #[diesel(deserialize_as = Uuid)]
    pub rider_id: RiderId,
    /// In which attempt.
    pub attempt: i32,
    /// Where it is.
    #[diesel(deserialize_as = String)]
    pub state: OfferState,
    /// How often it has changed.
    #[diesel(deserialize_as = i64)]
    pub version: Version,
    /// Which look of the dispatcher it comes from.
    #[diesel(deserialize_as = Uuid)]
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
}

/// Whose stream shows it.
#[must_use]
pub fn audience(rider: RiderId) -> String {
    format!("rider:{}", rider.0)
}

impl Offer {
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
            pickup: delivery.pickup.0,
            dropoff: delivery.dropoff.0,
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
        .find(id.0)
        .filter(offers::rider_id.eq(rider.0))
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
    Ok(offers::table.find(id.0).select(Offer::as_select()).first(conn).await.optional()?)
}

/// All offers of a delivery, oldest first.
///
/// # Errors
/// What the database says.
pub async fn of_delivery(conn: &mut Conn, delivery: DeliveryId) -> Result<Vec<Offer>, Refusal> {
    Ok(offers::table
        .filter(offers::delivery_id.eq(delivery.0))
        .order(offers::id)
        .select(Offer::as_select())
        .load(conn)
        .await?)
}

/// The offers that these deliveries have had, oldest first.
///
/// # Errors
/// What the database says.
pub async fn of_deliveries(conn: &mut Conn, deliveries: &[Uuid]) -> Result<Vec<Offer>, Refusal> {
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
        .filter(offers::rider_id.eq(rider.0))
        .filter(offers::state.eq(OfferState::Sent.as_str()))
        .filter(sql::<Bool>("expires_at > clock_timestamp()"))
        .order(offers::id)
        .select(Offer::as_select())
        .load(conn)
        .await?)
}

/// The deliveries of which a rider has an open offer, by id: the order in which they are locked.
///
/// # Errors
/// What the database says.
pub async fn deliveries_asked_of(conn: &mut Conn, rider: RiderId) -> Result<Vec<DeliveryId>, Refusal> {
    let ids: Vec<Uuid> = offers::table
        .filter(offers::rider_id.eq(rider.0))
        .filter(offers::state.eq(OfferState::Sent.as_str()))
        .order(offers::delivery_id)
        .select(offers::delivery_id)
        .load(conn)
        .await?;
    Ok(ids.into_iter().map(DeliveryId).collect())
}

/// How many open offers each of these riders has.
///
/// # Errors
/// What the database says.
pub async fn open_counts(conn: &mut Conn, riders: &[Uuid]) -> Result<Vec<(Uuid, i64)>, Refusal> {
    Ok(offers::table
        .filter(offers::rider_id.eq_any(riders))
        .filter(offers::state.eq(OfferState::Sent.as_str()))
        .group_by(offers::rider_id)
        .select((offers::rider_id, diesel::dsl::count_star()))
        .load(conn)
        .await?)
}

/// How many open offers every rider has who has any.
///
/// # Errors
/// What the database says.
pub async fn all_open_counts(conn: &mut Conn) -> Result<Vec<(Uuid, i64)>, Refusal> {
    Ok(offers::table
        .filter(offers::state.eq(OfferState::Sent.as_str()))
        .group_by(offers::rider_id)
        .select((offers::rider_id, diesel::dsl::count_star()))
        .load(conn)
        .await?)
}

/// How many offers of a delivery are open.
///
/// # Errors
/// What the database says.
pub async fn count_open(conn: &mut Conn, delivery: DeliveryId) -> Result<i64, Refusal> {
    Ok(offers::table
        .filter(offers::delivery_id.eq(delivery.0))
        .filter(offers::state.eq(OfferState::Sent.as_str()))
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
        .filter(offers::delivery_id.eq(delivery.0))
        .filter(offers::rider_id.eq(rider.0))
        .filter(offers::state.eq(OfferState::Accepted.as_str()))
        .order(offers::id.desc())
        .select(Offer::as_select())
        .first(conn)
        .await
        .optional()?)
}

/// Asks a rider, until `expires_at`, and tells them.
///
/// # Errors
/// `Conflict` when they have an open offer of it already.
pub async fn insert(
    conn: &mut Conn,
    cause: &Cause,
    delivery: &Delivery,
    rider: RiderId,
    round: Uuid,
    until: (DateTime<Utc>, DateTime<Utc>),
) -> Result<Offer, Refusal> {
    let (sent_at, expires_at) = until;
    let offer: Option<Offer> = diesel::insert_into(offers::table)
        .values((
            offers::id.eq(OfferId::generate().0),
            offers::delivery_id.eq(delivery.id.0),
            offers::order_id.eq(delivery.order_id.0),
            offers::rider_id.eq(rider.0),
            offers::attempt.eq(delivery.attempt),
            offers::state.eq(OfferState::Sent.as_str()),
            offers::version.eq(Version::FIRST.0),
            offers::round_id.eq(round),
            offers::ready_at.eq(delivery.ready_at),
            offers::sent_at.eq(sent_at),
            offers::expires_at.eq(expires_at),
        ))
        .on_conflict_do_nothing()
        .returning(Offer::as_returning())
        .get_result(conn)
        .await
        .optional()?;
    let offer = offer.ok_or(Refusal::Conflict)?;
    events::append(conn, cause, "sent", Some(audience(rider)), &offer.snapshot(delivery)).await?;
    Ok(offer)
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

impl Which {
    fn names(self, offer: &Offer) -> bool {
        match self {
            Self::One(id) | Self::InTime(id) => offer.id == id,
            Self::All | Self::Overdue => true,
            Self::Rider(rider) => offer.rider_id == rider,
            Self::Others(rider) => offer.rider_id != rider,
        }
    }

    const fn clock(self) -> &'static str {
        match self {
            Self::InTime(_) => "expires_at > clock_timestamp()",
            Self::Overdue => "expires_at <= clock_timestamp()",
            Self::One(_) | Self::All | Self::Rider(_) | Self::Others(_) => "true",
        }
    }
}

/// Moves open offers of a delivery, and tells their riders. The caller holds the delivery's lock.
/// Returns those that moved; none is no failure.
///
/// # Errors
/// What the database says.
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
    let open: Vec<Offer> = offers::table
        .filter(offers::delivery_id.eq(delivery.id.0))
        .filter(offers::state.eq(OfferState::Sent.as_str()))
        .select(Offer::as_select())
        .load(conn)
        .await?;
    let ids: Vec<Uuid> = open.iter().filter(|o| which.names(o)).map(|o| o.id.0).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let is_accepted = to == OfferState::Accepted;
    let now_if = |yes: bool| sql::<Nullable<Timestamptz>>(if yes { "clock_timestamp()" } else { "NULL" });
    let moved: Vec<Offer> = diesel::update(
        offers::table
            .filter(offers::id.eq_any(ids))
            .filter(offers::state.eq(OfferState::Sent.as_str()))
            // In time or not is decided here, by the one clock that all sides share.
            .filter(sql::<Bool>(which.clock())),
    )
    .set((
        offers::state.eq(to.as_str()),
        offers::version.eq(offers::version + 1),
        offers::accepted_at.eq(now_if(is_accepted)),
        offers::ended_at.eq(now_if(!is_accepted)),
        offers::reason.eq(reason),
    ))
    .returning(Offer::as_returning())
    .get_results(conn)
    .await?;
    for offer in &moved {
        let told = Some(audience(offer.rider_id));
        events::append(conn, cause, to.as_str(), told, &offer.snapshot(delivery)).await?;
        timers::clear(conn, offer.id.0, &[kind::EXPIRY]).await?;
    }
    Ok(moved)
}

/// Begins the assignment: called once the rider's load counts it, so that it never overlaps with one that just ended.
/// No version: the snapshot does not show it.
///
/// # Errors
/// What the database says.
pub async fn begin_assignment(conn: &mut Conn, id: OfferId) -> Result<(), Refusal> {
    diesel::update(offers::table.find(id.0))
        .set(offers::accepted_at.eq(sql::<Nullable<Timestamptz>>("clock_timestamp()")))
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends the assignment of a delivery: the accepted offer keeps its state and its interval is closed.
/// No version: the snapshot does not show it; the delivery's event tells.
///
/// # Errors
/// What the database says.
pub async fn end_assignment(conn: &mut Conn, delivery: DeliveryId, reason: &str) -> Result<usize, Refusal> {
    Ok(diesel::update(
        offers::table
            .filter(offers::delivery_id.eq(delivery.0))
            .filter(offers::state.eq(OfferState::Accepted.as_str()))
            .filter(offers::ended_at.is_null()),
    )
    .set((offers::ended_at.eq(sql::<Nullable<Timestamptz>>("clock_timestamp()")), offers::reason.eq(reason)))
    .execute(conn)
    .await?)
}
