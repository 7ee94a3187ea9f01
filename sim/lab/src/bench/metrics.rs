//! What a day was worth, in the measures of the literature (Reyes, Erera, Savelsbergh, Sahasrabudhe, O'Neil 2018).
//!
//! All times are minutes. Means are over delivered orders; figures of a day in which nothing was delivered are not
//! numbers.

use serde::Serialize;

use super::solution::{Assignment, Day, Drop, Site, Work};
use pannier_instance::{Instance, Order};

/// The measures of one day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Metrics {
    /// How many orders there were.
    pub orders: f64,
    /// How many couriers had a shift.
    pub couriers: f64,
    /// How many orders reached their customer.
    pub delivered: f64,
    /// Orders of a hundred that did not.
    pub undelivered_pct: f64,
    /// Mean zero-wait bound ([`bound`]) of the delivered orders: what no policy can beat.
    pub bound: f64,
    /// Mean click-to-door: drop-off − placement.
    pub ctd: f64,
    /// `ctd` − `bound`: what is left to gain.
    pub gap: f64,
    /// Nine of ten orders had at most this click-to-door.
    pub ctd_p90: f64,
    /// Mean ready-to-pickup: pickup − ready.
    pub rtp: f64,
    /// Nine of ten orders waited at most this long at the counter.
    pub rtp_p90: f64,
    /// Mean minutes of click-to-door above the instance's target.
    pub overage: f64,
    /// Σ over couriers of max(pay per order × delivered, guaranteed pay × hours of shift), per delivered order.
    pub cost_per_order: f64,
    /// Minutes of moving (with, to or without an order) and of service at counters and doors, of all couriers
    /// together, as a share of their shifts. Waiting is not busy. Drop-offs after the shift count.
    pub utilisation: f64,
    /// Delivered orders per assignment.
    pub orders_per_bundle: f64,
    /// Moves without an order ([`is_empty_move`]) per delivered order.
    pub moves_per_order: f64,
    /// Milliseconds of wall time of the longest decision.
    pub worst_decision_ms: f64,
    /// Seconds of wall time of the whole day.
    pub wall_s: f64,
}

/// Zero-wait bound of an order: a courier is always at the kitchen door and brings it at once, alone.
#[must_use]
pub fn bound(instance: &Instance, order: &Order) -> i64 {
    let way = instance.travel_minutes(instance.restaurants[order.restaurant].at, order.at);
    let parameters = &instance.parameters;
    order.ready - order.placement + parameters.half_pickup() + way + parameters.half_dropoff()
}

/// Whether a courier's move, by its number, went to a restaurant without an order: the next thing there is no pickup,
/// or the move began before any of the orders picked up there had been placed.
#[must_use]
pub fn is_empty_move(
    instance: &Instance,
    work: &Work<'_>,
    number: usize,
    served: &[Option<(&Assignment, Drop)>],
) -> bool {
    let step = work.moves[number];
    let Site::Restaurant(_) = step.to else { return false };
    let Some(Site::Order(next)) = work.moves.get(number + 1).map(|m| m.to) else { return true };
    let Some((assignment, _)) = served[next] else { return true };
    assignment.drops.iter().all(|drop| instance.orders[drop.order].placement > step.departure)
}

/// Measures a day. The solution must have passed the check.
#[must_use]
pub fn measure(instance: &Instance, day: &Day, wall_s: f64) -> Metrics {
    let parameters = &instance.parameters;
    let served = day.solution.by_order(instance);
    let works = day.solution.by_courier(instance);
    let (mut ctd, mut rtp, mut over, mut bounds) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (order, served) in instance.orders.iter().zip(&served) {
        let Some((assignment, drop)) = served else { continue };
        let minutes = (drop.at - order.placement) as f64;
        ctd.push(minutes);
        rtp.push((assignment.pickup - order.ready) as f64);
        over.push((minutes - parameters.target_click_to_door).max(0.0));
        bounds.push(bound(instance, order) as f64);
    }
    let (mut pay, mut busy, mut shifts, mut empty) = (0.0, 0.0, 0.0, 0.0);
    for (courier, work) in instance.couriers.iter().zip(&works) {
        let shift = (courier.off - courier.on) as f64;
        let drops = work.assignments.iter().map(|a| a.drops.len()).sum::<usize>() as f64;
        pay += (parameters.pay_per_order * drops).max(parameters.guaranteed_pay_per_hour * shift / 60.0);
        shifts += shift;
        busy += work.moves.iter().map(|m| (m.arrival(instance) - m.departure) as f64).sum::<f64>();
        busy += work.assignments.len() as f64 * parameters.pickup_service + drops * parameters.dropoff_service;
        empty += (0..work.moves.len()).filter(|&n| is_empty_move(instance, work, n, &served)).count() as f64;
    }
    let (orders, delivered) = (instance.orders.len() as f64, ctd.len() as f64);
    Metrics {
        orders,
        couriers: instance.couriers.len() as f64,
        delivered,
        undelivered_pct: 100.0 * (orders - delivered) / orders,
        bound: mean(&bounds),
        ctd: mean(&ctd),
        gap: mean(&ctd) - mean(&bounds),
        ctd_p90: quantile(ctd, 0.9),
        rtp: mean(&rtp),
        rtp_p90: quantile(rtp, 0.9),
        overage: mean(&over),
        cost_per_order: pay / delivered,
        utilisation: busy / shifts,
        orders_per_bundle: delivered / day.solution.assignments.len() as f64,
        moves_per_order: empty / delivered,
        worst_decision_ms: day.decisions.worst_ms,
        wall_s,
    }
}

/// The mean; not a number when there are none.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// A quantile, interpolated linearly between the two nearest ranks, as numpy does by default.
#[must_use]
pub fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = share * values.len().saturating_sub(1) as f64;
    let at = |rank: f64| values.get(rank as usize).copied().unwrap_or(f64::NAN);
    at(rank.floor()) + (at(rank.ceil()) - at(rank.floor())) * rank.fract()
}

#[cfg(test)]
mod tests {
    use super::super::example::{instance, solution};
    use super::super::solution::Decisions;
    use super::*;

    #[test]
    fn a_day_worked_by_hand() {
        let decisions = Decisions { count: 60, worst_ms: 1.5, total_s: 0.02 };
        let day = Day { solution: solution(), decisions, stories: Vec::new() };
        let expected = Metrics {
            orders: 4.0,
            couriers: 2.0,
            delivered: 3.0,
            undelivered_pct: 25.0,
            bound: (22.0 + 23.0 + 19.0) / 3.0,
            ctd: 24.0,
            gap: 24.0 - (22.0 + 23.0 + 19.0) / 3.0,
            ctd_p90: 28.0,
            rtp: 2.0 / 3.0,
            rtp_p90: 1.6,
            overage: 4.0 / 3.0,
            cost_per_order: (20.0 + 15.0) / 3.0,
            utilisation: (30.0 + 18.0) / 120.0,
            orders_per_bundle: 1.5,
            moves_per_order: 1.0 / 3.0,
            worst_decision_ms: 1.5,
            wall_s: 0.5,
        };
        let got = measure(&instance(), &day, 0.5);
        assert_eq!(Metrics { rtp_p90: 1.6, ..got }, expected);
        assert!((got.rtp_p90 - 1.6).abs() < 1e-12);
    }

    #[test]
    fn a_move_before_the_first_order_was_placed_is_empty_though_a_pickup_follows() {
        let (instance, mut solution) = (instance(), solution());
        let count = |solution: &super::super::solution::Solution| {
            let (works, served) = (solution.by_courier(&instance), solution.by_order(&instance));
            (0..works[0].moves.len()).filter(|&n| is_empty_move(&instance, &works[0], n, &served)).count()
        };
        assert_eq!(count(&solution), 0);
        solution.moves[0].departure = 2;
        assert_eq!(count(&solution), 0);
        solution.moves[0].departure = 1;
        assert_eq!(count(&solution), 1);
    }

    #[test]
    fn quantiles_are_numpys() {
        let rows: [(&[f64], f64, f64); 4] =
            [(&[5.0], 0.9, 5.0), (&[1.0, 2.0], 0.9, 1.9), (&[3.0, 1.0, 2.0], 0.5, 2.0), (&[4.0, 0.0], 1.0, 4.0)];
        for (values, share, expected) in rows {
            assert!((quantile(values.to_vec(), share) - expected).abs() < 1e-12, "{values:?}");
        }
        assert!(quantile(Vec::new(), 0.9).is_nan());
    }
}
