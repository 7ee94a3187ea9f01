//! Performance measures of a day, as defined by Reyes, Erera, Savelsbergh, Sahasrabudhe and O'Neil (2018).
//!
//! All times are minutes. Means are over delivered orders and NaN when nothing was delivered.

use serde::Serialize;

use crate::statistics::{mean, quantile};

use super::solution::{Assignment, CourierSchedule, DayResult, Dropoff, Site};
use pannier_instance::{Instance, Order};

/// The measures of one day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Metrics {
    /// Number of orders.
    pub orders: f64,
    /// Number of couriers.
    pub couriers: f64,
    /// Number of delivered orders.
    pub delivered: f64,
    /// Share of orders that were not delivered, percent.
    pub undelivered_pct: f64,
    /// Mean zero-wait bound ([`bound`]) of the delivered orders; a lower bound of `ctd`.
    pub bound: f64,
    /// Mean click-to-door: drop-off − placement.
    pub ctd: f64,
    /// `ctd` − `bound`.
    pub gap: f64,
    /// 90 % quantile of click-to-door.
    pub ctd_p90: f64,
    /// Mean ready-to-pickup: pickup − ready.
    pub rtp: f64,
    /// 90 % quantile of ready-to-pickup.
    pub rtp_p90: f64,
    /// Mean minutes of click-to-door above the instance's target.
    pub overage: f64,
    /// Σ over couriers of max(pay per order × delivered, guaranteed pay × hours of shift), dollars per delivered order.
    pub cost_per_order: f64,
    /// Share of all couriers' shift time spent travelling (with or without an order) or in service. Waiting does not
    /// count; drop-offs after the shift do.
    pub utilisation: f64,
    /// Delivered orders per assignment.
    pub orders_per_bundle: f64,
    /// Moves without an order ([`is_empty_move`]) per delivered order.
    pub moves_per_order: f64,
    /// Wall time of the longest decision, milliseconds.
    pub worst_decision_ms: f64,
    /// Wall time of the whole simulation, seconds.
    pub wall_s: f64,
}

/// Zero-wait bound of an order's click-to-door: a courier waits at the restaurant and delivers the order directly.
#[must_use]
pub fn bound(instance: &Instance, order: &Order) -> i64 {
    let travel = instance.travel_minutes(instance.restaurants[order.restaurant].at, order.at);
    let parameters = &instance.parameters;
    order.ready - order.placement + parameters.half_pickup() + travel + parameters.half_dropoff()
}

/// Whether the move at index `number` of a schedule went to a restaurant without an order: no pickup follows, or all
/// orders picked up there were placed after the departure.
#[must_use]
pub fn is_empty_move(
    instance: &Instance,
    schedule: &CourierSchedule<'_>,
    number: usize,
    served: &[Option<(&Assignment, Dropoff)>],
) -> bool {
    let step = schedule.moves[number];
    let Site::Restaurant(_) = step.to else { return false };
    let Some(Site::Order(next)) = schedule.moves.get(number + 1).map(|m| m.to) else { return true };
    let Some((assignment, _)) = served[next] else { return true };
    assignment.dropoffs.iter().all(|d| instance.orders[d.order].placement > step.departure)
}

/// Measures a day. The solution must have passed [`check`](super::check::check).
#[must_use]
pub fn measure(instance: &Instance, day: &DayResult, wall_s: f64) -> Metrics {
    let parameters = &instance.parameters;
    let served = day.solution.by_order(instance);
    let schedules = day.solution.by_courier(instance);
    let (mut ctd, mut rtp, mut over, mut bounds) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (order, served) in instance.orders.iter().zip(&served) {
        let Some((assignment, dropoff)) = served else { continue };
        let minutes = (dropoff.at - order.placement) as f64;
        ctd.push(minutes);
        rtp.push((assignment.pickup - order.ready) as f64);
        over.push((minutes - parameters.target_click_to_door).max(0.0));
        bounds.push(bound(instance, order) as f64);
    }
    let (mut pay, mut busy, mut shifts, mut empty) = (0.0, 0.0, 0.0, 0.0);
    for (courier, schedule) in instance.couriers.iter().zip(&schedules) {
        let shift = (courier.off - courier.on) as f64;
        let dropoffs = schedule.assignments.iter().map(|a| a.dropoffs.len()).sum::<usize>() as f64;
        pay += (parameters.pay_per_order * dropoffs).max(parameters.guaranteed_pay_per_hour * shift / 60.0);
        shifts += shift;
        busy += schedule.moves.iter().map(|m| (m.arrival(instance) - m.departure) as f64).sum::<f64>();
        busy += schedule.assignments.len() as f64 * parameters.pickup_service + dropoffs * parameters.dropoff_service;
        empty += (0..schedule.moves.len()).filter(|&n| is_empty_move(instance, schedule, n, &served)).count() as f64;
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

#[cfg(test)]
mod tests {
    use super::super::fixture::{instance, solution};
    use super::super::solution::{DecisionTimes, Solution};
    use super::*;

    #[test]
    fn the_measures_of_a_day_computed_by_hand() {
        let decisions = DecisionTimes { count: 60, worst_ms: 1.5, total_s: 0.02 };
        let day = DayResult { solution: solution(), decisions, explanations: Vec::new() };
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
        let count = |solution: &Solution| {
            let (schedules, served) = (solution.by_courier(&instance), solution.by_order(&instance));
            (0..schedules[0].moves.len()).filter(|&n| is_empty_move(&instance, &schedules[0], n, &served)).count()
        };
        assert_eq!(count(&solution), 0);
        solution.moves[0].departure = 2;
        assert_eq!(count(&solution), 0);
        solution.moves[0].departure = 1;
        assert_eq!(count(&solution), 1);
    }
}
