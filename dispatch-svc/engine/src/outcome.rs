//! What the engine answers: one decision per delivery, with everything that is needed to explain it.

use pannier_contracts::{DeliveryId, MerchantId, RiderId, text_enum};
use serde::{Deserialize, Serialize};

use crate::{Gate, Kind, Point, Route, Terms, Trip};

/// The engine's answer to one snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// One per delivery that has no rider, ordered by delivery id.
    pub decisions: Vec<Decision>,
    /// What every rider is to do as things stand, ordered by rider id; riders with nothing to do are not listed.
    /// Only what is offered now is said to anybody; the rest may be different in the next plan.
    pub routes: Vec<PlannedRoute>,
    /// Idle riders who would do well to wait elsewhere, ordered by rider id.
    pub moves: Vec<Move>,
    /// How it was made.
    pub made: Made,
}

/// How a plan was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// By which policy.
    pub by: Kind,
    /// The seed of the search.
    pub seed: u64,
    /// Steps of the search.
    pub steps: u32,
    /// Steps that made it better.
    pub better: u32,
    /// The objective before the search and after it, milliseconds; 0 where there is none.
    pub objective_ms: (i64, i64),
}

/// What one rider is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedRoute {
    /// Who.
    pub rider: RiderId,
    /// In sequence.
    pub trips: Vec<PlannedTrip>,
}

/// One trip with its times, milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedTrip {
    /// To which counter, with what.
    #[serde(flatten)]
    pub trip: Trip,
    /// The latest departure that delays nothing; for a rider at that counter the moment they came.
    pub leave_at_ms: i64,
    /// When the food is taken.
    pub pickup_at_ms: i64,
    /// When each delivery is handed over, in the sequence of the trip.
    pub dropoffs_at_ms: Vec<i64>,
}

impl PlannedRoute {
    /// Without the times: what the next plan may start from.
    #[must_use]
    pub fn route(&self) -> Route {
        Route { rider: self.rider, trips: self.trips.iter().map(|t| t.trip.clone()).collect() }
    }
}

/// An idle rider would do well to wait at this counter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Move {
    /// Who.
    pub rider: RiderId,
    /// To whose counter.
    pub shop: MerchantId,
    /// Where that is.
    pub place: Point,
    /// What the next orders are expected to gain from it, milliseconds of somebody's time.
    pub gain_ms: i64,
}

/// What is to happen with one delivery, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// What is to happen.
    pub outcome: Outcome,
    /// The riders as they stood when this was decided: those without a gate first, then by cost, then by id; at most
    /// [`Policy::candidates_listed`](crate::Policy::candidates_listed). Empty when no rider was looked at.
    pub candidates: Vec<Candidate>,
    /// How many more riders were looked at and are not listed.
    pub left_out: u32,
}

/// What is to happen with one delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// Ask these riders now.
    Offer {
        /// At least one, the cheapest first; never more than the delivery wants.
        riders: Vec<Chosen>,
    },
    /// Ask nobody now; look again at `until_ms`, or earlier when something changed.
    Hold {
        /// Milliseconds since 1970; after now.
        until_ms: i64,
        /// Why.
        reason: HoldReason,
    },
    /// Nobody can be asked, until something changes.
    Nobody {
        /// Why.
        reason: NobodyReason,
    },
}

impl Outcome {
    /// `offer`, `hold` or `nobody`: the word that JSON has as `kind`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Offer { .. } => "offer",
            Self::Hold { .. } => "hold",
            Self::Nobody { .. } => "nobody",
        }
    }

    /// Why it is not an offer.
    #[must_use]
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Offer { .. } => None,
            Self::Hold { reason, .. } => Some(reason.as_str()),
            Self::Nobody { reason } => Some(reason.as_str()),
        }
    }
}

/// A rider to be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// Who.
    pub rider: RiderId,
    /// What it costs, milliseconds of somebody's time: the sum of `terms`.
    pub cost: i64,
    /// The cost taken apart.
    pub terms: Terms,
}

/// A rider as seen from one delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Who.
    pub rider: RiderId,
    /// Why they may not be chosen; `None` when they may.
    pub gate: Option<Gate>,
    /// The sum of `terms`. A rider who would wait too long is priced as if asked at the moment they fit;
    /// behind any other gate there is no price.
    pub cost: Option<i64>,
    /// The cost taken apart.
    pub terms: Option<Terms>,
}

text_enum! {
    /// Why a delivery is held.
    pub enum HoldReason {
        /// Riders are looked for from `ready_at - search_lead` on.
        TooEarly => "too_early",
        /// Everyone who could come would wait too long at the counter; the first of them fits at `until`.
        WouldWait => "would_wait",
        /// Somebody fits already, but the cheapest rider fits only at `until`.
        CheaperLater => "cheaper_later",
        /// A rider is planned and is asked just in time.
        Planned => "planned",
        /// The planned rider has as many orders as they can take, until `until`.
        RiderFull => "rider_full",
    }
}

text_enum! {
    /// Why nobody can be asked.
    pub enum NobodyReason {
        /// As many offers are out as may be.
        NoneWanted => "none_wanted",
        /// It is too long after `ready_at`.
        GivenUp => "given_up",
        /// The snapshot has no riders. That says nothing about the street.
        NoRiders => "no_riders",
        /// Every rider is behind a gate; the candidates tell which.
        NobodyFits => "nobody_fits",
    }
}
