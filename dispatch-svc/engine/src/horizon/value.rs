//! What the end of a plan is worth: a plan that leaves riders far from where the next orders will be is a bad plan, and
//! one that keeps them busy for long is worse the more orders there are.
//!
//! The value is a cost: γ × the time from a rider's last stop to the shops, each weighted with its share of the orders,
//! plus κ × the time until the rider is free. Both weights grow with the load ρ, the orders that arrive in the time that
//! one takes, per rider; on calm days they vanish. A rider without a plan pays the same from where they stand, so badly
//! placed riders are used first.

use crate::travel::{Pace, Point};
use crate::{Policy, Snapshot};

/// The price of where and when a plan ends.
pub(super) struct EndValue {
    /// Counters and their shares of the orders, thousandths.
    shops: Vec<(Point, i64)>,
    pace: Pace,
    /// γ, thousandths.
    place_permille: i64,
    /// κ, thousandths.
    pub time_permille: i64,
    /// No shop counts as further than this, milliseconds.
    cap_ms: i64,
}

impl EndValue {
    pub fn new(snapshot: &Snapshot, policy: &Policy) -> Self {
        let outlook = &snapshot.outlook;
        let (minute_ms, weights) = (policy.minute_ms as f64, &policy.horizon.end);
        let rho =
            outlook.orders_per_minute * weights.order_takes_min as f64 / f64::from(outlook.riders_on_shift.max(1));
        let place = weights.place_permille as f64 * ((rho - 0.4) / 0.3).clamp(0.0, 1.0);
        let time = weights.time_permille as f64 * (rho - 0.6).clamp(0.0, 1.5);
        let total: f64 = outlook.shops.iter().map(|s| s.orders_per_minute).sum();
        let mut shops: Vec<(Point, i64)> = Vec::new();
        let place_permille = if total > 0.0 { place as i64 } else { 0 };
        if place_permille > 0 {
            let mut listed: Vec<_> = outlook.shops.iter().collect();
            listed.sort_by_key(|s| s.shop);
            let share = |rate: f64| (rate / total * 1e6) as i64;
            shops = listed.iter().map(|s| (s.place, share(s.orders_per_minute))).filter(|(_, w)| *w > 0).collect();
        }
        // A typical rider: the value is about places, not about who goes there.
        let mut speeds: Vec<f64> = snapshot.riders.iter().map(|r| r.speed_mps).collect();
        speeds.sort_by(f64::total_cmp);
        let speed = speeds.get(speeds.len() / 2).copied().unwrap_or(5.0);
        Self {
            shops,
            pace: Pace::new(&snapshot.city, speed),
            place_permille,
            time_permille: time as i64,
            cap_ms: (60.0 * minute_ms) as i64,
        }
    }

    /// The price of ending here, milliseconds.
    pub fn of_ms(&self, place: Point) -> i64 {
        if self.place_permille == 0 {
            return 0;
        }
        let far = |(shop, share): &(Point, i64)| self.pace.travel_ms(place, *shop).min(self.cap_ms) * share;
        let mean_ms = self.shops.iter().map(far).sum::<i64>() / 1_000_000;
        mean_ms * self.place_permille / 1_000
    }
}
