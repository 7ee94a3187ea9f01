//! The cost of where and when a route ends. A plan that leaves riders far from the next orders is a bad plan, and one that
//! keeps them busy for long is worse the more orders there are.
//!
//! The cost of a place is γ × the mean travel time from it to the shops, each weighted with its share of the orders. The
//! cost of a time is κ × the time until the rider is free. γ and κ grow with the load ρ, the orders that arrive per rider
//! in the time that one order takes, and are 0 at a low load. A rider without a plan pays the cost of the place where they
//! stand, so a delivery costs least with a rider who stands badly and ends well.

use crate::policy::Policy;
use crate::snapshot::{ShopForecast, Snapshot};
use crate::travel::{Pace, Point};

/// Shares of orders are counted in parts of this.
const SHARES: i64 = 1_000_000;

/// Prices places and times at the end of routes.
pub(super) struct EndCost {
    shops: Vec<Shop>,
    pace: Pace,
    /// γ, thousandths.
    place_permille: i64,
    /// κ, thousandths.
    pub time_permille: i64,
    /// A shop that is further counts as this far, milliseconds.
    furthest_ms: i64,
}

/// A counter and its share of the orders, millionths.
struct Shop {
    place: Point,
    share: i64,
}

impl EndCost {
    pub fn new(snapshot: &Snapshot, policy: &Policy) -> Self {
        let forecast = &snapshot.forecast;
        let weights = &policy.horizon.end;
        let rho =
            forecast.orders_per_minute * weights.order_takes_min as f64 / f64::from(forecast.riders_on_shift.max(1));
        let place = weights.place_permille as f64 * ((rho - 0.4) / 0.3).clamp(0.0, 1.0);
        let time = weights.time_permille as f64 * (rho - 0.6).clamp(0.0, 1.5);
        let total: f64 = forecast.shops.iter().map(|s| s.orders_per_minute).sum();
        let place_permille = if total > 0.0 { place as i64 } else { 0 };
        let mut shops: Vec<Shop> = Vec::new();
        if place_permille > 0 {
            let mut listed: Vec<&ShopForecast> = forecast.shops.iter().collect();
            listed.sort_by_key(|s| s.shop);
            let share = |rate: f64| (rate / total * SHARES as f64) as i64;
            let weighted = listed.iter().map(|s| Shop { place: s.place, share: share(s.orders_per_minute) });
            shops = weighted.filter(|s| s.share > 0).collect();
        }
        Self {
            shops,
            // The cost is about places, not about who goes there.
            pace: Pace::new(&snapshot.travel, snapshot.median_speed_mps()),
            place_permille,
            time_permille: time as i64,
            furthest_ms: (60.0 * policy.minute_ms as f64) as i64,
        }
    }

    /// The cost of a route that ends here, milliseconds.
    pub fn of_place_ms(&self, place: Point) -> i64 {
        if self.place_permille == 0 {
            return 0;
        }
        let weighted_ms = |s: &Shop| self.pace.travel_ms(place, s.place).min(self.furthest_ms) * s.share;
        let mean_ms = self.shops.iter().map(weighted_ms).sum::<i64>() / SHARES;
        mean_ms * self.place_permille / 1_000
    }
}
