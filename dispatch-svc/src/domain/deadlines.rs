//! Which timers belong to which state, and how long the fixed ones are. The others follow the zone's policy.

use std::time::Duration;

use pannier_contracts::delivery::DeliveryState;

use super::lifecycle::is_unassigned;

/// The kinds of timers.
pub mod kind {
    /// An offer runs out.
    pub const EXPIRY: &str = "offer_expiry";
    /// A delivery begins to be searched for.
    pub const SEARCH: &str = "search";
    /// A delivery without a rider becomes an alarm.
    pub const AT_RISK: &str = "at_risk";
    /// Dispatch gives a delivery up.
    pub const GIVE_UP: &str = "give_up";
    /// Has the assigned rider moved?
    pub const NO_MOVEMENT: &str = "no_movement";
    /// The food has been on the road for long.
    pub const RIDE: &str = "slow_ride";
    /// The food has been on its way back for long.
    pub const RETURN: &str = "slow_return";
}

/// How long a rider has to answer.
pub const OFFER: Duration = Duration::from_secs(20);
/// How long a rider may stand still with an order assigned.
pub const NO_MOVEMENT: Duration = Duration::from_secs(5 * 60);
/// How long a ride may take.
pub const RIDE: Duration = Duration::from_secs(45 * 60);
/// How long bringing food back may take.
pub const RETURN: Duration = Duration::from_secs(60 * 60);

/// The timers that a delivery keeps when it enters a state; all others are cleared.
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

/// Does entering this state settle what was alarming? While a rider is wanted, going to and fro settles nothing.
#[must_use]
pub const fn settles_alarms(from: DeliveryState, to: DeliveryState) -> bool {
    !(is_unassigned(from) && is_unassigned(to))
}
