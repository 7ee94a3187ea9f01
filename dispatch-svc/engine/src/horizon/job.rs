//! A delivery as the search works on it.

use pannier_contracts::DeliveryId;

use super::end_cost::EndCost;
use crate::policy::Policy;
use crate::snapshot::Delivery;
use crate::travel::Point;

/// The most possible ready times of a delivery that the search looks at.
pub(super) const MAX_READY_TIMES: usize = 8;

/// A delivery. Times are milliseconds since 1970.
pub(super) struct Job<'a> {
    pub delivery: &'a Delivery,
    pub shop: u32,
    pub pickup: Point,
    pub dropoff: Point,
    /// The possible ready times, sorted. Only the first `ready_times` are set.
    pub ready: [i64; MAX_READY_TIMES],
    pub ready_times: usize,
    /// The mean ready time.
    pub ready_ms: i64,
    /// When a rider who leaves just in time is to be at the counter.
    pub be_there_ms: i64,
    pub promise_at_ms: i64,
    /// From the counter to the door in a straight line, metres.
    pub ride_m: f64,
    /// The travel time over `ride_m` at the common pace, milliseconds.
    pub ride_ms: i64,
    /// The search may not move it: it belongs to a rider already, or no rider is wanted.
    pub is_fixed: bool,
    /// A rider has accepted it.
    pub is_accepted: bool,
    /// The food has been ready for longer than `give_up_ms`.
    pub is_given_up: bool,
    /// The numbers of the riders whose routes it may be inserted into, sorted. Empty for a fixed job.
    pub candidates: Vec<u32>,
    /// The cost of a route that ends at its door, milliseconds.
    pub end_place_ms: i64,
}

impl<'a> Job<'a> {
    pub fn new(delivery: &'a Delivery, shop: u32, now_ms: i64, policy: &Policy, end_cost: &EndCost) -> Self {
        let all = delivery.ready.times_ms();
        let ready_times = all.len().clamp(1, MAX_READY_TIMES);
        let mut ready = [0; MAX_READY_TIMES];
        for (n, time) in ready.iter_mut().enumerate().take(ready_times) {
            // Of more times than fit, the mid-points of as many equal parts.
            *time = all.get((2 * n + 1) * all.len() / (2 * ready_times)).copied().unwrap_or(now_ms);
        }
        let early_ms = if ready_times > 1 { policy.horizon.be_there_early_min * policy.minute_ms } else { 0 };
        Self {
            delivery,
            shop,
            pickup: delivery.pickup,
            dropoff: delivery.dropoff,
            ready,
            ready_times,
            ready_ms: delivery.ready.mean_ms(),
            be_there_ms: ready[0] - early_ms,
            promise_at_ms: delivery.promise_at_ms,
            ride_m: delivery.pickup.metres_to(delivery.dropoff),
            ride_ms: 0,
            is_fixed: false,
            is_accepted: false,
            is_given_up: now_ms >= delivery.ready.mean_ms().saturating_add(policy.give_up_ms.max(0)),
            candidates: Vec::new(),
            end_place_ms: end_cost.of_place_ms(delivery.dropoff),
        }
    }
}

/// The number of a delivery: jobs are sorted by id.
pub(super) fn number_of(jobs: &[Job], id: DeliveryId) -> Option<usize> {
    jobs.binary_search_by_key(&id, |j| j.delivery.id).ok()
}
