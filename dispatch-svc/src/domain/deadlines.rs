//! Deadlines of deliveries, offers and shifts, as the tables of the [lifecycles](super::lifecycle) have them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pannier_contracts::LifecycleTable as _;
use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::lifecycle::{Clock, Wait};
use pannier_contracts::offer::OfferState;
use pannier_contracts::rider::RiderStatus;
use pannier_contracts::zone::Policy;

use super::lifecycle::{DeliveryLifecycle, OfferLifecycle, ShiftLifecycle, Trigger, is_unassigned};
use super::zone::DAY_MS;

/// The kinds of deadlines: of timers, and of the alarms that some of them end as.
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
    /// The rider has waited at the shop for too long: an alarm.
    pub const AT_PICKUP: &str = "long_wait_at_pickup";
    /// The ride to the customer is too long: an alarm.
    pub const RIDE: &str = "slow_ride";
    /// The rider has been at the door for too long: an alarm.
    pub const AT_DROPOFF: &str = "long_wait_at_door";
    /// The ride back to the shop is too long: an alarm.
    pub const RETURN: &str = "slow_return";
    /// A rider on shift is silent: an alarm, and what they have not picked up is given to others.
    pub const SILENT: &str = "rider_silent";
    /// A silent rider's shift ends.
    pub const OFF_DUTY: &str = "silent_off_duty";
}

/// The timers that may run in a state; all others are cleared when it is entered.
#[must_use]
pub fn kept(state: DeliveryState) -> Vec<&'static str> {
    DeliveryLifecycle::timers(state)
}

/// A deadline of a fixed length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// The kind of its timer.
    pub kind: &'static str,
    /// Its length, from the moment at which the state was entered.
    pub after: Duration,
}

/// The fixed deadline of a state.
#[must_use]
pub fn fixed(state: DeliveryState) -> Option<Deadline> {
    let of = |wait: &Wait<Trigger>| match wait.clock {
        Clock::Entered(after) => Some(Deadline { kind: wait.kind, after }),
        _ => None,
    };
    DeliveryLifecycle::waits(state).iter().find_map(of)
}

/// Does a timer of this kind end with an alarm of the same kind, which then takes its place?
#[must_use]
pub fn raises_alarm(kind: &str) -> bool {
    DeliveryLifecycle::ends_as_alarm(kind)
}

/// Does this transition resolve the delivery's alarms? Not while it stays without a rider.
#[must_use]
pub const fn settles_alarms(from: DeliveryState, to: DeliveryState) -> bool {
    !(is_unassigned(from) && is_unassigned(to))
}

/// How long a rider has to answer an offer.
#[must_use]
pub fn answer_time() -> Duration {
    OfferLifecycle::wait(OfferState::Sent, kind::EXPIRY).and_then(|wait| wait.clock.length()).unwrap_or_default()
}

/// After how many seconds of silence the deadline of this kind is due for a rider on shift.
#[must_use]
pub fn silence_s(kind: &str) -> i64 {
    let length = ShiftLifecycle::wait(RiderStatus::Available, kind).and_then(|wait| wait.clock.length());
    // Without one it is never due: 68 years.
    length.and_then(|length| i32::try_from(length.as_secs()).ok()).unwrap_or(i32::MAX).into()
}

/// How much longer a rider who arrived at the door at `at_dropoff_at` has to wait before they may report the customer
/// absent: not at all after the zone's `customer_wait_ms`, and for all of it before they have arrived.
#[must_use]
pub fn customer_wait_left(at_dropoff_at: Option<DateTime<Utc>>, policy: &Policy, now: DateTime<Utc>) -> TimeDelta {
    let wait = TimeDelta::milliseconds(policy.customer_wait_ms.clamp(0, DAY_MS));
    at_dropoff_at.map_or(wait, |arrived| (arrived + wait - now).max(TimeDelta::zero()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rider_waits_at_the_door_for_as_long_as_the_policy_says() {
        let (now, policy) = (DateTime::UNIX_EPOCH, Policy { customer_wait_ms: 300_000, ..Policy::default() });
        let left = |arrived: Option<i64>| {
            let arrived = arrived.map(|s| now - TimeDelta::seconds(s));
            customer_wait_left(arrived, &policy, now).num_seconds()
        };
        assert_eq!([None, Some(0), Some(299), Some(300), Some(900)].map(left), [300, 300, 1, 0, 0]);
    }

    #[test]
    fn the_tables_have_the_lengths_that_are_looked_up() {
        assert_eq!(answer_time(), Duration::from_secs(20));
        assert_eq!(
            (silence_s(kind::SILENT), silence_s(kind::OFF_DUTY), silence_s("none")),
            (300, 1_800, 2_147_483_647)
        );
        let wait = Deadline { kind: kind::AT_PICKUP, after: Duration::from_secs(20 * 60) };
        assert_eq!((fixed(DeliveryState::AtPickup), fixed(DeliveryState::Searching)), (Some(wait), None));
    }
}
