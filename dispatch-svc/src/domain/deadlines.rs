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

/// A deadline of a fixed length. Those of the zone's policy are [`super::zone::Moments`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// The kind of its timer.
    pub kind: &'static str,
    /// Counted from when the state that starts it was entered.
    pub after: Duration,
}

/// The fixed deadline that runs in a state. Where the state before has the same one, it runs on.
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

/// Does a timer of this kind end as an alarm of the same kind?
#[must_use]
pub fn raises_alarm(kind: &str) -> bool {
    [kind::AT_RISK, kind::RIDE, kind::RETURN].contains(&kind)
}

/// Does entering this state settle what was alarming? While a rider is wanted, going to and fro settles nothing.
#[must_use]
pub const fn settles_alarms(from: DeliveryState, to: DeliveryState) -> bool {
    !(is_unassigned(from) && is_unassigned(to))
}
