//! Writes what one tick of the dispatcher decided, in one transaction: rounds, the deliveries' transitions, and the offers.

use std::collections::HashMap;

use pannier_contracts::rider::RiderStatus;
use pannier_contracts::{DeliveryId, RiderId, RoundId, Version};
use pannier_engine::{Decision, Outcome};
use pannier_platform::{Cause, Conn, Refusal, timers};

use crate::domain::deadlines;
use crate::store::offers::NewOffer;
use crate::store::rounds::{self, LatestRound, NewRound, PlanMetadata};
use crate::store::{self, Delivery, Offer};

/// One decision of a plan.
#[derive(Debug, Clone)]
pub struct Decided {
    /// What the engine decided.
    pub decision: Decision,
    /// How the plan was made.
    pub plan: PlanMetadata,
    /// The rider who is to carry the delivery by the plan.
    pub planned_rider: Option<RiderId>,
    /// The version of the delivery that was planned for.
    pub version: Version,
}

impl Decided {
    fn riders(&self) -> Vec<RiderId> {
        match &self.decision.outcome {
            Outcome::Offer { riders } => riders.iter().map(|chosen| chosen.rider).collect(),
            Outcome::Hold { .. } | Outcome::Nobody { .. } => Vec::new(),
        }
    }
}

/// What was written.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// The deliveries that were offered, after it.
    pub deliveries: Vec<Delivery>,
    /// Their offers.
    pub offers: Vec<Offer>,
    /// The rounds.
    pub rounds: Vec<LatestRound>,
}

/// Sends offers of deliveries that have not changed since the plan was made, to riders who still have room for them, and
/// writes the rounds. What is left out is decided again by the next plan.
///
/// # Errors
/// [`Refusal::Conflict`] when a concurrent update won: nothing is written.
pub async fn send_offers(conn: &mut Conn, cause: &Cause, decided: &[Decided]) -> Result<Written, Refusal> {
    let offering: HashMap<DeliveryId, &Decided> =
        decided.iter().filter(|d| !d.riders().is_empty()).map(|d| (d.decision.delivery, d)).collect();
    let (deliveries, now) = if offering.is_empty() {
        (Vec::new(), timers::now(conn).await?)
    } else {
        let ids: Vec<DeliveryId> = offering.keys().copied().collect();
        let locked = store::deliveries::lock_all(conn, &ids).await?;
        let Some(now) = locked.iter().map(|(_, now)| *now).max() else { return Ok(Written::default()) };
        let is_unchanged = |d: &Delivery| offering.get(&d.id).is_some_and(|decided| decided.version == d.version);
        (locked.into_iter().map(|(delivery, _)| delivery).filter(is_unchanged).collect::<Vec<_>>(), now)
    };
    let chosen = choose_riders(conn, &deliveries, &offering).await?;
    let offered: Vec<Delivery> = deliveries.into_iter().filter(|d| chosen.contains_key(&d.id)).collect();
    let deliveries = store::deliveries::offer_all(conn, cause, &offered, now).await?;

    let rounds: Vec<NewRound<'_>> = decided
        .iter()
        .filter(|d| d.riders().is_empty() || chosen.contains_key(&d.decision.delivery))
        .map(|d| NewRound {
            id: RoundId::generate(),
            decision: &d.decision,
            plan: &d.plan,
            planned_rider: d.planned_rider,
        })
        .collect();
    if rounds.is_empty() {
        return Ok(Written::default());
    }
    rounds::insert_all(conn, &rounds, now).await?;

    let round_of: HashMap<DeliveryId, &NewRound<'_>> = rounds.iter().map(|r| (r.decision.delivery, r)).collect();
    let mut new = Vec::new();
    for delivery in &deliveries {
        let (Some(round), Some(riders)) = (round_of.get(&delivery.id), chosen.get(&delivery.id)) else { continue };
        for rider in riders.iter().copied() {
            let why = rounds::why_asked(round.decision, now, rider);
            new.push(NewOffer { delivery, rider, round: round.id, why });
            tracing::info!(delivery.id = %delivery.id, rider.id = %rider, "Delivery {} offered to {rider}", delivery.id);
        }
    }
    let offers = if new.is_empty() {
        Vec::new()
    } else {
        let riders: Vec<RiderId> = new.iter().map(|n| n.rider).collect();
        store::riders::add_open_offers(conn, &riders).await?;
        store::offers::insert_all(conn, cause, &new, now, now + deadlines::answer_time()).await?
    };
    let rounds = rounds.iter().map(|round| LatestRound::new(round, now)).collect();
    Ok(Written { deliveries, offers, rounds })
}

/// The riders of each delivery who can be asked now. They are locked, so that they neither go offline nor get other offers
/// meanwhile.
async fn choose_riders(
    conn: &mut Conn,
    deliveries: &[Delivery],
    offering: &HashMap<DeliveryId, &Decided>,
) -> Result<HashMap<DeliveryId, Vec<RiderId>>, Refusal> {
    let wanted: Vec<(DeliveryId, Vec<RiderId>)> =
        deliveries.iter().filter_map(|d| offering.get(&d.id).map(|decided| (d.id, decided.riders()))).collect();
    let mut ids: Vec<RiderId> = wanted.iter().flat_map(|(_, riders)| riders.iter().copied()).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    ids.sort_unstable();
    ids.dedup();
    let locked = store::riders::lock(conn, &ids).await?;
    let mut room: HashMap<RiderId, i32> = locked
        .iter()
        .filter(|r| r.status == RiderStatus::Available && !r.stale)
        .map(|r| (r.id, r.capacity - r.active - r.open_offers))
        .collect();
    let mut has_room = |rider: &RiderId| {
        let room = room.entry(*rider).or_insert(0);
        *room -= 1;
        *room >= 0
    };
    let mut chosen = HashMap::new();
    for (delivery, riders) in wanted {
        let riders: Vec<RiderId> = riders.into_iter().filter(&mut has_room).collect();
        if !riders.is_empty() {
            chosen.insert(delivery, riders);
        }
    }
    Ok(chosen)
}
