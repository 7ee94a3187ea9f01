//! The output of the engine: one decision per delivery, the routes behind the decisions, and how they came about.

use pannier_contracts::zone::DispatchAlgorithm;
use pannier_contracts::{DeliveryId, MerchantId, RiderId, text_enum};
use serde::{Deserialize, Serialize};

use crate::gates::Gate;
use crate::snapshot::{Route, Trip};
use crate::terms::Terms;
use crate::travel::Point;

/// The engine's answer to one snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// One per delivery that no rider has accepted, sorted by delivery id.
    pub decisions: Vec<Decision>,
    /// The route of every rider who has one, sorted by rider id. Riders hear only of what is offered now; the next plan
    /// may change the rest.
    pub routes: Vec<PlannedRoute>,
    /// Idle riders who should wait at another place, sorted by rider id. Always empty from `greedy`.
    pub moves: Vec<Move>,
    /// How the plan came about.
    pub report: PlanReport,
}

/// How a plan came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReport {
    /// The algorithm that made it.
    pub algorithm: DispatchAlgorithm,
    /// The seed of the search's random numbers.
    pub seed: u64,
    /// Steps of the search; 0 from `greedy`.
    pub steps: u32,
    /// Steps that lowered the objective.
    pub improvements: u32,
    /// The objective before the first step, milliseconds; 0 from `greedy`.
    pub objective_before_ms: i64,
    /// The objective after the last step, milliseconds; 0 from `greedy`.
    pub objective_after_ms: i64,
}

impl PlanReport {
    /// The report of a plan by `greedy`, which does not search.
    #[must_use]
    pub const fn greedy(seed: u64) -> Self {
        let algorithm = DispatchAlgorithm::Greedy;
        Self { algorithm, seed, steps: 0, improvements: 0, objective_before_ms: 0, objective_after_ms: 0 }
    }
}

/// The planned trips of one rider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedRoute {
    /// The rider.
    pub rider: RiderId,
    /// The trips, in sequence.
    pub trips: Vec<PlannedTrip>,
}

/// One trip with its times, milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedTrip {
    /// The shop and the deliveries.
    #[serde(flatten)]
    pub trip: Trip,
    /// The latest departure to the counter that delays nothing. For a rider who is at that counter: the time of arrival.
    pub leave_at_ms: i64,
    /// When the rider takes the food.
    pub pickup_at_ms: i64,
    /// When each delivery is handed over, in the sequence of the trip.
    pub dropoffs_at_ms: Vec<i64>,
}

impl PlannedRoute {
    /// The route without its times: an entry of the next snapshot's `previous`.
    #[must_use]
    pub fn route(&self) -> Route {
        Route { rider: self.rider, trips: self.trips.iter().map(|t| t.trip.clone()).collect() }
    }
}

/// A proposal that an idle rider waits at another counter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Move {
    /// The rider.
    pub rider: RiderId,
    /// The shop to wait at.
    pub shop: MerchantId,
    /// Its counter.
    pub place: Point,
    /// The delay that the move is expected to save the next orders, milliseconds.
    pub gain_ms: i64,
}

/// The decision about one delivery, with the candidates that explain it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The delivery.
    pub delivery: DeliveryId,
    /// What is decided.
    pub outcome: Outcome,
    /// The riders as candidates at the moment of the decision: those without a gate first, then by cost, then by id; at
    /// most [`Policy::candidates_listed`](crate::Policy::candidates_listed). Empty when no rider was priced.
    pub candidates: Vec<Candidate>,
    /// Further riders who are not listed.
    pub left_out: u32,
}

/// What is decided about one delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// Make offers to these riders now.
    Offer {
        /// At least one, the planned or cheapest first; at most as many as the delivery wants.
        riders: Vec<Chosen>,
    },
    /// Make no offer now; decide again at `until_ms`, or earlier when something changes.
    Hold {
        /// Milliseconds since 1970, later than the snapshot's `now_ms`.
        until_ms: i64,
        /// Why no offer is made.
        reason: HoldReason,
    },
    /// No rider can be asked, and no time is known at which that changes by itself.
    Nobody {
        /// Why no rider can be asked.
        reason: NobodyReason,
    },
}

impl Outcome {
    /// `offer`, `hold` or `nobody`: the value of `kind` in JSON.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Offer { .. } => "offer",
            Self::Hold { .. } => "hold",
            Self::Nobody { .. } => "nobody",
        }
    }

    /// The word of the reason; `None` for an offer.
    #[must_use]
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Offer { .. } => None,
            Self::Hold { reason, .. } => Some(reason.as_str()),
            Self::Nobody { reason } => Some(reason.as_str()),
        }
    }
}

/// A rider who gets an offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// The rider.
    pub rider: RiderId,
    /// The cost of the assignment, milliseconds: the sum of `terms`.
    pub cost: i64,
    /// The terms of the cost.
    pub terms: Terms,
}

/// A rider seen as the one who might take a given delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The rider.
    pub rider: RiderId,
    /// Why the rider may not be chosen; `None` if the rider may.
    pub gate: Option<Gate>,
    /// The sum of `terms`, milliseconds. `None` behind every gate but [`Gate::WouldWaitTooLong`], where it is the cost
    /// of an offer at the moment from which the rider fits.
    pub cost: Option<i64>,
    /// The terms of the cost.
    pub terms: Option<Terms>,
}

text_enum! {
    /// Why a delivery is held.
    pub enum HoldReason {
        /// The search for a rider begins `search_lead_ms` before the food is ready.
        TooEarly => "too_early",
        /// Every rider who fits would wait too long at the counter; the first of them fits at `until_ms`.
        WouldWait => "would_wait",
        /// A rider fits now, but the cheapest rider fits at `until_ms`.
        CheaperLater => "cheaper_later",
        /// A rider is planned and gets the offer just in time.
        Planned => "planned",
        /// The planned rider has no free capacity until `until_ms`.
        RiderFull => "rider_full",
    }
}

text_enum! {
    /// Why no rider can be asked.
    pub enum NobodyReason {
        /// Enough offers are open.
        NoneWanted => "none_wanted",
        /// The food has been ready for longer than `give_up_ms`.
        GivenUp => "given_up",
        /// The snapshot has no riders.
        NoRiders => "no_riders",
        /// Every rider is behind a gate; the candidates say which.
        NobodyFits => "nobody_fits",
    }
}
