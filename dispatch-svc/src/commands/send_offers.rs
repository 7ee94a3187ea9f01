//! The dispatcher writes what one look decided: rounds, the deliveries' steps and the offers, in one transaction.

use std::collections::HashMap;

use pannier_contracts::rider::RiderStatus;
use pannier_contracts::{DeliveryId, RiderId, RoundId, Version};
use pannier_engine::{Decision, Outcome};
use pannier_platform::{Cause, Conn, Refusal, timers};

use crate::domain::deadlines;
use crate::store::offers::NewOffer;
use crate::store::rounds::{self, Made, NewRound};
use crate::store::{self, Delivery, Offer};

/// One decision of a plan.
#[derive(Debug, Clone)]
pub struct Decided {
    /// What the engine says.
    pub decision: Decision,
    /// How the plan came about.
    pub made: Made,
    /// The version of the delivery that was planned for.
    pub seen: Version,
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
pub struct Sent {
    /// Deliveries that were offered, as they are now.
    pub deliveries: Vec<Delivery>,
    /// Their offers.
    pub offers: Vec<Offer>,
    /// Rounds, by their deliveries.
    pub rounds: Vec<rounds::Last>,
}

/// Asks riders where the delivery is still as it was when the plan was made, and writes down what was decided otherwise.
/// Whoever cannot take it any more is left out; the next look plans anew.
///
/// # Errors
/// `Conflict` when something changed in this moment: then nothing is written.
pub async fn send_offers(conn: &mut Conn, cause: &Cause, decided: &[Decided]) -> Result<Sent, Refusal> {
    let asking: HashMap<DeliveryId, &Decided> =
        decided.iter().filter(|d| !d.riders().is_empty()).map(|d| (d.decision.delivery, d)).collect();
    let (deliveries, now) = if asking.is_empty() {
        (Vec::new(), timers::now(conn).await?)
    } else {
        let ids: Vec<DeliveryId> = asking.keys().copied().collect();
        let locked = store::deliveries::lock_all(conn, &ids).await?;
        let Some(now) = locked.iter().map(|(_, now)| *now).max() else { return Ok(Sent::default()) };
        let same = |d: &Delivery| asking.get(&d.id).is_some_and(|decided| decided.seen == d.version);
        (locked.into_iter().map(|(delivery, _)| delivery).filter(same).collect::<Vec<_>>(), now)
    };
    let chosen = choose(conn, &deliveries, &asking).await?;
    let offered: Vec<Delivery> = deliveries.into_iter().filter(|d| chosen.contains_key(&d.id)).collect();
    let deliveries = store::deliveries::offer_all(conn, cause, &offered, now).await?;

    let written: Vec<NewRound<'_>> = decided
        .iter()
        .filter(|d| d.riders().is_empty() || chosen.contains_key(&d.decision.delivery))
        .map(|d| (RoundId::generate(), &d.decision, &d.made))
        .collect();
    if written.is_empty() {
        return Ok(Sent::default());
    }
    rounds::insert_all(conn, &written, now).await?;

    let round_of: HashMap<DeliveryId, &NewRound<'_>> = written.iter().map(|new| (new.1.delivery, new)).collect();
    let mut new = Vec::new();
    for delivery in &deliveries {
        let (Some((round, decision, _)), Some(riders)) = (round_of.get(&delivery.id), chosen.get(&delivery.id)) else {
            continue;
        };
        for rider in riders {
            let why = rounds::why(decision, now, *rider);
            new.push(NewOffer { delivery, rider: *rider, round: *round, why });
            tracing::info!(delivery.id = %delivery.id, rider.id = %rider, "Delivery {} offered to {rider}", delivery.id);
        }
    }
    let offers = if new.is_empty() {
        Vec::new()
    } else {
        let asked: Vec<RiderId> = new.iter().map(|n| n.rider).collect();
        store::riders::count_asked(conn, &asked).await?;
        store::offers::insert_all(conn, cause, &new, now, now + deadlines::OFFER).await?
    };
    let rounds = written.iter().map(|(_, decision, made)| rounds::last(decision, made, now)).collect();
    Ok(Sent { deliveries, offers, rounds })
}

/// Who can be asked right now: locked, so that nobody goes offline or fills up meanwhile.
async fn choose(
    conn: &mut Conn,
    deliveries: &[Delivery],
    asking: &HashMap<DeliveryId, &Decided>,
) -> Result<HashMap<DeliveryId, Vec<RiderId>>, Refusal> {
    let wanted: Vec<(DeliveryId, Vec<RiderId>)> =
        deliveries.iter().filter_map(|d| asking.get(&d.id).map(|decided| (d.id, decided.riders()))).collect();
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
        let asked: Vec<RiderId> = riders.into_iter().filter(&mut has_room).collect();
        if !asked.is_empty() {
            chosen.insert(delivery, asked);
        }
    }
    Ok(chosen)
}
