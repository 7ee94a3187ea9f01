//! How long an order may stay in a state, and what happens then.

use std::time::Duration;

use pannier_contracts::order::OrderState;

use super::lifecycle::Trigger;

/// The end of an order that waited too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// The kind of the timer.
    pub timer: &'static str,
    /// How long the order may wait in its state.
    pub after: Duration,
    /// What happens to the order then.
    pub trigger: Trigger,
    /// The reason that the order ends with.
    pub reason: &'static str,
}

/// How an order in this state expires; `None` where it does not.
#[must_use]
pub const fn expiry(state: OrderState) -> Option<Expiry> {
    match state {
        OrderState::PendingPayment => Some(Expiry {
            timer: "payment",
            after: Duration::from_secs(15 * 60),
            trigger: Trigger::ExpirePayment,
            reason: "not_paid_in_time",
        }),
        OrderState::Paid => Some(Expiry {
            timer: "acceptance",
            after: Duration::from_secs(8 * 60),
            trigger: Trigger::ExpireAcceptance,
            reason: "not_answered_in_time",
        }),
        OrderState::Accepted
        | OrderState::Ready
        | OrderState::Delivering
        | OrderState::Delivered
        | OrderState::Rejected
        | OrderState::Expired
        | OrderState::Cancelled
        | OrderState::Failed => None,
    }
}

/// The timer, and the alarm, of an accepted order whose kitchen is late.
pub const KITCHEN_LATE: &str = "kitchen_late";
/// How long after its ready time an accepted order raises the alarm.
pub const KITCHEN_LATE_AFTER: Duration = Duration::from_secs(15 * 60);

/// The kind of the one timer that an order has in this state.
#[must_use]
pub fn timer(state: OrderState) -> Option<&'static str> {
    match state {
        OrderState::Accepted => Some(KITCHEN_LATE),
        state => expiry(state).map(|expiry| expiry.timer),
    }
}

#[cfg(test)]
mod tests {
    use pannier_contracts::Lifecycle as _;

    use super::super::lifecycle::OrderLifecycle;
    use super::*;

    #[test]
    fn whatever_expires_may_expire() {
        for state in OrderState::ALL {
            let Some(expiry) = expiry(*state) else { continue };
            assert_eq!(OrderLifecycle::table(*state, expiry.trigger), Some(OrderState::Expired), "{state}");
        }
    }
}
