//! A rider as the search works on them.

use super::end_cost::EndCost;
use crate::policy::Policy;
use crate::reposition::WaitingRider;
use crate::snapshot::{Rider, Snapshot};
use crate::travel::{Pace, Point};

/// A rider. Times are milliseconds since 1970, prices milliseconds.
pub(super) struct Worker<'a> {
    pub rider: &'a Rider,
    pub pace: Pace,
    /// When the rider is free; at a counter, the time of arrival there.
    pub free_at_ms: i64,
    pub free_place: Point,
    /// The number of the shop at whose counter `free_place` is.
    pub at_counter: u32,
    pub shift_end_ms: i64,
    /// The price of asking this rider, per delivery.
    pub asking_ms: i64,
    /// The bonus for having been idle, for the first open delivery of the route.
    pub idle_gain_ms: i64,
    /// What the next orders lose while the rider is busy, for the first open delivery of the route.
    pub absence_ms: i64,
    /// The cost of a route that ends at `free_place`.
    pub end_place_ms: i64,
    /// So many trips at the beginning of the route are fixed.
    pub fixed_trips: usize,
}

impl<'a> Worker<'a> {
    pub fn new(rider: &'a Rider, at_counter: u32, snapshot: &Snapshot, policy: &Policy, end_cost: &EndCost) -> Self {
        let idle_ms = snapshot.now_ms.saturating_sub(rider.idle_since_ms).max(0);
        Self {
            rider,
            pace: Pace::new(&snapshot.travel, rider.speed_mps),
            free_at_ms: rider.free_at_ms,
            free_place: rider.free_place,
            at_counter,
            shift_end_ms: rider.shift_end_ms,
            asking_ms: policy.weights.asking_ms(rider),
            idle_gain_ms: if rider.load == 0 { policy.weights.fairness_gain_ms(idle_ms) } else { 0 },
            absence_ms: 0,
            end_place_ms: end_cost.of_place_ms(rider.free_place),
            fixed_trips: 0,
        }
    }

    /// The rider as one who waits for the next order at `place` from `at_ms` on. `has_no_trips`: the route is empty, so
    /// the rider may be sent elsewhere.
    pub fn waiting(&self, now_ms: i64, policy: &Policy, at_ms: i64, place: Point, has_no_trips: bool) -> WaitingRider {
        let is_here = self.rider.available && !self.rider.stale;
        let leaves_soon = self.shift_end_ms < at_ms.max(now_ms) + policy.reposition.shift_left_min * policy.minute_ms;
        WaitingRider {
            id: self.rider.id,
            place,
            free_in_ms: (is_here && !leaves_soon).then(|| (at_ms - now_ms).max(0)),
            is_movable: is_here && has_no_trips && self.free_at_ms <= now_ms && !leaves_soon,
            pace: self.pace,
        }
    }
}
