//! Deadlines of deliveries and offers: which timers run in which state, and how long they are.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::zone::Policy;

use super::lifecycle::is_unassigned;
use super::zone::DAY_MS;

/// The kinds of timers.
pub mod kind {
    /// An offer expires.
    pub const EXPIRY: &str = "offer_expiry";
    /// The search for a rider begins.
    pub const SEARCH: &str = "search";
    /// A delivery without a rider becomes an alarm.
    pub const AT_RISK: &str = "at_risk";
    /// Dispatch gives a delivery up.
    pub const GIVE_UP: &str = "give_up";
    /// The assigned rider is checked for movement.
    pub const NO_MOVEMENT: &str = "no_movement";
    /// The ride to the customer is too long: an alarm.
    pub const RIDE: &str = "slow_ride";
    /// The ride back to the shop is too long: an alarm.
    pub const RETURN: &str = "slow_return";
}

/// How long a rider has to answer an offer.
pub const OFFER: Duration = Duration::from_secs(20);
/// How long an assigned rider may stand still; also the interval of the checks.
pub const NO_MOVEMENT: Duration = Duration::from_secs(5 * 60);

/// The timers that may run in a state; all others are cleared when it is entered.
#[must_use]
pub fn kept(state: DeliveryState) -> &'static [&'static str] {
    use DeliveryState as D;
    match state {
        D::Scheduled => &[kind::SEARCH, kind::AT_RISK, kind::GIVE_UP],
        D::Searching | D::Offered => &[kind::AT_RISK, kind::GIVE_UP],
        D::Assigned => &[kind::NO_MOVEMENT],
        D::PickedUp | D::AtDropoff => &[kind::RIDE],
        D::Returning => &[kind::RETURN],
        D::AtPickup | D::Delivered | D::Returned | D::Failed | D::Cancelled | D::Unassignable => &[],
    }
}

/// A deadline of a fixed length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// The kind of its timer.
    pub kind: &'static str,
    /// Its length, from the moment at which the state was entered.
    pub after: Duration,
}

/// The fixed deadline of a state. It continues where the state before has the same one.
#[must_use]
pub fn fixed(state: DeliveryState) -> Option<Deadline> {
    use DeliveryState as D;
    let minutes = |n: u64| Duration::from_secs(n * 60);
    let (kind, after) = match state {
        D::Assigned => (kind::NO_MOVEMENT, NO_MOVEMENT),
        D::PickedUp | D::AtDropoff => (kind::RIDE, minutes(45)),
        D::Returning => (kind::RETURN, minutes(60)),
        _ => return None,
    };
    Some(Deadline { kind, after })
}

/// Does a timer of this kind end with an alarm of the same kind, which then takes its place?
#[must_use]
pub fn raises_alarm(kind: &str) -> bool {
    [kind::AT_RISK, kind::RIDE, kind::RETURN].contains(&kind)
}

/// Does this transition resolve the delivery's alarms? Not while it stays without a rider.
#[must_use]
pub const fn settles_alarms(from: DeliveryState, to: DeliveryState) -> bool {
    !(is_unassigned(from) && is_unassigned(to))
}

/// The deadlines of a delivery without a rider: its ready time and the zone's policy make them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchDeadlines {
    /// The search for a rider begins.
    pub search_at: DateTime<Utc>,
    /// Without a rider it is an alarm.
    pub at_risk_at: DateTime<Utc>,
    /// Without a rider it is given up.
    pub give_up_at: DateTime<Utc>,
}

impl SearchDeadlines {
    /// Those of a delivery that is ready at `ready_at`. Durations of the policy are cut to a day.
    #[must_use]
    pub fn new(ready_at: DateTime<Utc>, policy: &Policy) -> Self {
        let after = |ms: i64| ready_at + TimeDelta::milliseconds(ms.clamp(-DAY_MS, DAY_MS));
        Self {
            search_at: after(-policy.search_lead_ms),
            at_risk_at: after(policy.at_risk_ms),
            give_up_at: after(policy.give_up_ms),
        }
    }
}
