//! The riders for one delivery, for a person who chooses among them.

use pannier_contracts::DeliveryId;
use pannier_contracts::zone::DispatchAlgorithm;

use crate::plan::Candidate;
use crate::policy::Policy;
use crate::snapshot::Snapshot;
use crate::{greedy, horizon};

/// Longer than any delivery waits, milliseconds. Times plus or minus it do not overflow.
const ALWAYS_MS: i64 = i64::MAX / 4;

/// Every rider of the snapshot as a candidate for one delivery: those without a gate first, then by cost, then by id. Gates
/// and costs are those of [`plan`](crate::plan()), before its search has improved the routes. They are also told when the
/// plan would hold the delivery, give it up, or want no more offers of it.
///
/// Empty when a rider has accepted the delivery, or the snapshot does not have it.
#[must_use]
pub fn candidates(snapshot: &Snapshot, policy: &Policy, delivery: DeliveryId) -> Vec<Candidate> {
    let mut snapshot = snapshot.clone();
    for asked in snapshot.deliveries.iter_mut().filter(|d| d.id == delivery) {
        asked.offers_wanted = asked.offers_wanted.max(1);
    }
    let policy =
        Policy { candidates_listed: u32::MAX, search_lead_ms: ALWAYS_MS, give_up_ms: ALWAYS_MS, ..policy.clone() };
    match policy.algorithm {
        DispatchAlgorithm::Greedy => greedy::candidates(&snapshot, &policy, delivery),
        DispatchAlgorithm::Horizon => horizon::candidates(&snapshot, &policy, delivery),
    }
}
