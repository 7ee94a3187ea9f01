//! The costs of a policy scale with the length of a simulated minute, and with no other setting of the zone.

use pannier_contracts::zone;
use pannier_engine::Policy;

use crate::world::MINUTE;

#[test]
fn a_zone_that_searches_earlier_keeps_its_minute_and_its_prices() {
    for search_lead_ms in [0, 30 * MINUTE] {
        let zone = zone::Policy { search_lead_ms, ..zone::Policy::default() };
        assert_eq!(Policy::of_zone(&zone), Policy { search_lead_ms, ..Policy::default() });
    }
}

#[test]
fn a_minute_of_a_second_makes_prices_sixty_times_smaller() {
    let policy = Policy::of_zone(&zone::Policy { minute_ms: 1_000, ..zone::Policy::default() });
    assert_eq!(policy.minute_ms, 1_000);
    let (weights, reposition) = (&policy.weights, &policy.reposition);
    assert_eq!((weights.load_ms, weights.later_ms, weights.decline_ms), (3_000, 1_000, 1_000));
    assert_eq!((weights.rating_ms, reposition.least_gain_ms), (500, 1_000));
}
