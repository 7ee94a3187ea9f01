//! What the engine answers: one decision per delivery, with everything that is needed to explain it.

use pannier_contracts::{DeliveryId, RiderId, text_enum};
use serde::{Deserialize, Serialize};

use crate::{Gate, Terms};

/// How many candidates a decision lists. A city has thousands of riders, and nobody reads past the nearest few.
pub const CANDIDATES_LISTED: usize = 50;

/// The engine's answer to one snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// One per delivery, ordered by delivery id.
    pub decisions: Vec<Decision>,
}

/// What is to happen with one delivery, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Which delivery.
    pub delivery: DeliveryId,
    /// What is to happen.
    pub outcome: Outcome,
    /// The riders as they stood when this was decided: those without a gate first, then by cost, then by id; at most
    /// [`CANDIDATES_LISTED`]. Empty when no rider was looked at.
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
        /// Milliseconds since 1970; after now, never after `ready_at_ms`.
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
