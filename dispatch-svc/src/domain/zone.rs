//! What a zone may be: limits of its name, outline and policy.

use pannier_contracts::Place;
use pannier_contracts::zone::Policy;
use pannier_platform::Refusal;

/// The longest duration in a policy, milliseconds.
pub(super) const DAY_MS: i64 = 86_400_000;

/// Checks a zone that operations wrote.
///
/// # Errors
/// [`Refusal::Invalid`] `zone_invalid` with a pointer to the field.
pub fn check(name: &str, polygon: &[Place], policy: &Policy) -> Result<(), Refusal> {
    let wrong = |pointer: &str, detail: &str| {
        Err(Refusal::Invalid { code: "zone_invalid", detail: detail.to_owned(), pointer: Some(pointer.to_owned()) })
    };
    if name.trim().is_empty() || name.chars().count() > 100 {
        return wrong("/name", "a zone's name has 1 to 100 characters");
    }
    if !(3..=500).contains(&polygon.len()) {
        return wrong("/polygon", "a polygon has 3 to 500 corners");
    }
    let durations = [
        ("/policy/search_lead_ms", policy.search_lead_ms),
        ("/policy/hold_ms", policy.hold_ms),
        ("/policy/give_up_ms", policy.give_up_ms),
        ("/policy/at_risk_ms", policy.at_risk_ms),
        ("/policy/customer_wait_ms", policy.customer_wait_ms),
        ("/policy/promise_margin_ms", policy.promise_margin_ms),
    ];
    for (pointer, ms) in durations {
        if !(0..=DAY_MS).contains(&ms) {
            return wrong(pointer, "a duration is 0 to 86400000 milliseconds: at most a day");
        }
    }
    if !(1..=600_000).contains(&policy.minute_ms) {
        return wrong("/policy/minute_ms", "a minute of the city takes 1 to 600000 milliseconds");
    }
    if policy.max_total < 1 {
        return wrong("/policy/max_total", "an order may cost something: at least 1 minor unit");
    }
    if !(1..=5).contains(&policy.offers_per_delivery) {
        return wrong("/policy/offers_per_delivery", "1 to 5 riders are asked at once");
    }
    if !(100..=50_000).contains(&policy.radius_m) {
        return wrong("/policy/radius_m", "a radius is 100 to 50000 metres");
    }
    Ok(())
}
