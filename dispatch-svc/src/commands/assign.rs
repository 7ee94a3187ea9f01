//! Operations give a delivery to a rider. The rider is not asked, and everything else is as if they had accepted an offer: a
//! round, an offer and its acceptance are written, by the same code.

use chrono::{DateTime, Utc};
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::offer::OfferState;
use pannier_contracts::rider::RiderStatus;
use pannier_contracts::{DeliveryId, LifecycleTable as _, RiderId, Role, RoundId, Version};
use pannier_engine::{Candidate, Chosen, Decision, Gate, Outcome};
use pannier_platform::{Cause, Conn, Refusal};

use super::accept_offer::accept;
use super::refusals::not_in_this_state;
use crate::domain::lifecycle::{DeliveryLifecycle, Trigger};
use crate::domain::{actions, deadlines};
use crate::store::offers::NewOffer;
use crate::store::rounds::{self, NewRound, PlanMetadata};
use crate::store::{self, Delivery, Rider};

/// What the rider is told.
const WHY: &str = "You have it because operations gave it to you.";

/// The most candidates that its round keeps: as many as a round of the dispatcher.
const ROUND_MOST: usize = 50;

/// What the engine says about the riders for a delivery.
#[derive(Debug, Clone)]
pub struct Priced {
    /// The riders, the best first; those behind a gate last.
    pub candidates: Vec<Candidate>,
    /// How they were priced.
    pub plan: PlanMetadata,
}

impl Priced {
    /// One rider. Who is not listed is not on shift.
    #[must_use]
    pub fn of(&self, rider: RiderId) -> Candidate {
        let nowhere = Candidate { rider, gate: Some(Gate::NotAvailable), cost: None, terms: None };
        self.candidates.iter().find(|c| c.rider == rider).cloned().unwrap_or(nowhere)
    }
}

/// Gives the delivery to the rider. Open offers of it are revoked.
///
/// # Errors
/// [`Refusal::NotFound`]; [`Refusal::Stale`] when the delivery is not at the version `seen`; [`Refusal::Illegal`] when it has
/// a rider already, or `rider_not_eligible` with the gate that keeps this rider from it.
pub async fn assign(
    conn: &mut Conn,
    cause: &Cause,
    id: DeliveryId,
    seen: Version,
    rider: RiderId,
    priced: Option<&Priced>,
) -> Result<Delivery, Refusal> {
    let (delivery, now) = store::deliveries::lock_seen(conn, id, seen).await?;
    let priced = check_state(&delivery, priced)?;
    let row = lock_riders(conn, id, rider).await?;
    if let Some(gate) = candidate_now(&row, priced).gate {
        return Err(not_eligible(&delivery, gate));
    }

    let offered = store::deliveries::offer_all(conn, cause, &[delivery], now).await?;
    let Some(delivery) = offered.first() else { return Err(Refusal::Conflict) };
    let round = write_round(conn, id, rider, priced, now).await?;
    store::riders::add_open_offers(conn, &[rider]).await?;
    let new = [NewOffer { delivery, rider, round, why: Some(WHY.to_owned()) }];
    let offers = store::offers::insert_all(conn, cause, &new, now, now + deadlines::answer_time()).await?;
    let Some(offer) = offers.first() else { return Err(Refusal::Conflict) };
    accept(conn, cause, delivery, now, offer).await
}

/// What [`assign`] would cost, or the gate that it would be refused with. Nothing is written.
///
/// # Errors
/// As [`assign`], except that a gate is no error.
pub async fn preview(
    conn: &mut Conn,
    id: DeliveryId,
    seen: Version,
    rider: RiderId,
    priced: Option<&Priced>,
) -> Result<Candidate, Refusal> {
    let delivery = store::deliveries::load(conn, id).await?;
    if delivery.version != seen {
        return Err(Refusal::Stale { current: delivery.version });
    }
    let priced = check_state(&delivery, priced)?;
    Ok(candidate_now(&store::riders::load(conn, rider).await?, priced))
}

/// Checks that the delivery can be given to a rider.
///
/// # Errors
/// [`Refusal::Illegal`] when it has one, or has ended; [`Refusal::Conflict`] when it had one when it was priced.
pub fn check_state<'a>(delivery: &Delivery, priced: Option<&'a Priced>) -> Result<&'a Priced, Refusal> {
    if DeliveryLifecycle::path(delivery.state, Role::Ops, "assign", DeliveryState::Assigned).is_none() {
        return Err(not_in_this_state(delivery, Trigger::Accept));
    }
    priced.ok_or(Refusal::Conflict)
}

/// Locks the rider together with those who have an offer of the delivery, in the order of their ids.
async fn lock_riders(conn: &mut Conn, delivery: DeliveryId, rider: RiderId) -> Result<Rider, Refusal> {
    let offers = store::offers::of_delivery(conn, delivery).await?;
    let asked = offers.iter().filter(|offer| offer.state == OfferState::Sent).map(|offer| offer.rider_id);
    let riders: Vec<RiderId> = asked.chain([rider]).collect();
    let locked = store::riders::lock(conn, &riders).await?;
    locked.into_iter().find(|row| row.id == rider).ok_or(Refusal::NotFound("rider"))
}

/// A rider as they were priced, with what has changed in their row since.
fn candidate_now(rider: &Rider, priced: &Priced) -> Candidate {
    let candidate = priced.of(rider.id);
    let gate = if rider.status != RiderStatus::Available {
        Some(Gate::NotAvailable)
    } else if rider.stale {
        Some(Gate::Stale)
    } else if rider.active + rider.open_offers >= rider.capacity {
        candidate.gate.or(Some(Gate::NoCapacity))
    } else {
        candidate.gate
    };
    Candidate { gate, ..candidate }
}

/// The code is the same for all gates, and `detail` names the gate: there may be more of them.
fn not_eligible(delivery: &Delivery, gate: Gate) -> Refusal {
    Refusal::Illegal {
        code: "rider_not_eligible",
        detail: format!("this rider may not have it: {gate}"),
        state: delivery.state.to_string(),
        allowed: actions::owned(actions::of_ops(delivery.state)),
    }
}

/// Writes the round that explains the offer.
async fn write_round(
    conn: &mut Conn,
    delivery: DeliveryId,
    rider: RiderId,
    priced: &Priced,
    now: DateTime<Utc>,
) -> Result<RoundId, Refusal> {
    let Candidate { cost, terms, .. } = priced.of(rider);
    let (cost, terms) = (cost.unwrap_or_default(), terms.unwrap_or_default());
    let outcome = Outcome::Offer { riders: vec![Chosen { rider, cost, terms }] };
    let most = priced.candidates.len().min(ROUND_MOST);
    let left_out = u32::try_from(priced.candidates.len() - most).unwrap_or(u32::MAX);
    let decision = Decision { delivery, outcome, candidates: priced.candidates[..most].to_vec(), left_out };
    let round =
        NewRound { id: RoundId::generate(), decision: &decision, plan: &priced.plan, planned_rider: Some(rider) };
    rounds::insert_all(conn, &[round], now).await?;
    Ok(round.id)
}
