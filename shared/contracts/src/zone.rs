//! A zone: the area of one polygon, and the dispatch policy in it. Owner: dispatch-svc, exchange `dispatch`.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Snapshot;
use crate::{Place, Version};

/// A zone's id in URLs and events: 1 to 40 of `a-z`, `0-9` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ZoneId(String);

/// Text that cannot name a zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a zone id: 1 to 40 of a-z, 0-9 and -")]
pub struct InvalidZoneId(pub String);

impl ZoneId {
    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The aggregate id of the zone's events: a UUID v5 of its id.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("pannier:zone:{}", self.0).as_bytes())
    }
}

impl std::fmt::Display for ZoneId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl std::str::FromStr for ZoneId {
    type Err = InvalidZoneId;
    fn from_str(text: &str) -> Result<Self, InvalidZoneId> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for ZoneId {
    type Error = InvalidZoneId;
    fn try_from(text: String) -> Result<Self, InvalidZoneId> {
        let fits = (1..=40).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits { Ok(Self(text)) } else { Err(InvalidZoneId(text)) }
    }
}

impl From<ZoneId> for String {
    fn from(id: ZoneId) -> Self {
        id.0
    }
}

text_enum! {
    /// The algorithm that assigns a zone's deliveries to riders.
    pub enum DispatchAlgorithm {
        /// Plans routes for all riders over all known deliveries and improves them by search.
        Horizon => "horizon",
        /// Assigns one delivery after the other, for the present moment only. Fast, and the fallback of `horizon`.
        Greedy => "greedy",
    }
}

/// The settings of dispatch in a zone. Durations are milliseconds, because a simulated city divides them by its speed.
/// A setting that is missing has its default, so a stored policy from before a setting existed can still be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// How long a minute of the city takes, milliseconds: 1 to 600,000, default 60,000. A simulated city that runs 60 times
    /// faster sets 1,000. Whatever dispatch counts in minutes of the city follows it: service times, half-lives, prices.
    pub minute_ms: i64,
    /// How long before `ready_at` the search for a rider begins. Default 15 min.
    pub search_lead_ms: i64,
    /// Under `greedy`, a rider who would wait longer than this at the counter gets no offer yet. Under both algorithms, idle
    /// time counts in a rider's favour up to this. Default 5 min.
    pub hold_ms: i64,
    /// How long after `ready_at` an unassigned delivery becomes `unassignable`. Default 45 min.
    pub give_up_ms: i64,
    /// How long after `ready_at` an unassigned delivery raises an alarm. Default 10 min.
    pub at_risk_ms: i64,
    /// How long a rider has to wait at the door before they may report the customer absent. Default 5 min.
    pub customer_wait_ms: i64,
    /// Added to preparation and travel when the customer is promised a time. Default 10 min.
    pub promise_margin_ms: i64,
    /// The highest total of an order, minor units of its shop's currency. Default 100,000.
    pub max_total: i64,
    /// How many riders may have an offer of the same delivery at once. Default 1, at most 5.
    pub offers_per_delivery: u32,
    /// Riders further from the shop than this are not considered, metres. Default 5,000.
    pub radius_m: u32,
    /// The riders' speed that is assumed when a time is promised, metres per second. Default 5.
    pub courier_mps: u32,
    /// The algorithm that assigns deliveries to riders. Default `horizon`.
    pub dispatch: DispatchAlgorithm,
}

impl Policy {
    /// The same policy in a city that lives `speed` times faster than real time: durations are divided by it, and couriers
    /// are faster.
    #[must_use]
    pub fn at_speed(self, speed: f64) -> Self {
        let real = |ms: i64| (ms as f64 / speed).round() as i64;
        Self {
            minute_ms: real(self.minute_ms),
            search_lead_ms: real(self.search_lead_ms),
            hold_ms: real(self.hold_ms),
            give_up_ms: real(self.give_up_ms),
            at_risk_ms: real(self.at_risk_ms),
            customer_wait_ms: real(self.customer_wait_ms),
            promise_margin_ms: real(self.promise_margin_ms),
            courier_mps: (f64::from(self.courier_mps) * speed).round() as u32,
            ..self
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        const MINUTE: i64 = 60_000;
        Self {
            minute_ms: MINUTE,
            search_lead_ms: 15 * MINUTE,
            hold_ms: 5 * MINUTE,
            give_up_ms: 45 * MINUTE,
            at_risk_ms: 10 * MINUTE,
            customer_wait_ms: 5 * MINUTE,
            promise_margin_ms: 10 * MINUTE,
            max_total: 100_000,
            offers_per_delivery: 1,
            radius_m: 5_000,
            courier_mps: 5,
            dispatch: DispatchAlgorithm::Horizon,
        }
    }
}

/// The whole zone after a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ZoneSnapshot {
    /// The zone's id.
    pub id: ZoneId,
    /// Its version after the change.
    pub version: Version,
    /// The name that people see.
    pub name: String,
    /// The corners of the outline, at least three; the last is joined to the first.
    pub polygon: Vec<Place>,
    /// The dispatch policy.
    pub policy: Policy,
}

impl Snapshot for ZoneSnapshot {
    const AGGREGATE: &'static str = "zone";
    fn aggregate_id(&self) -> Uuid {
        self.id.uuid()
    }
    fn version(&self) -> Version {
        self.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_faster_city_has_a_shorter_policy() {
        let policy = Policy::default().at_speed(60.0);
        assert_eq!((policy.minute_ms, policy.search_lead_ms, policy.hold_ms), (1_000, 15_000, 5_000));
        assert_eq!((policy.radius_m, policy.courier_mps, policy.offers_per_delivery), (5_000, 300, 1));
        assert_eq!(Policy::default().at_speed(1.0), Policy::default());
    }

    #[test]
    fn a_policy_stored_without_a_minute_has_the_minute_of_clocks() {
        let stored: Policy = serde_json::from_str(r#"{"search_lead_ms": 1800000, "dispatch": "greedy"}"#).unwrap();
        assert_eq!((stored.minute_ms, stored.search_lead_ms), (60_000, 1_800_000));
    }
}
