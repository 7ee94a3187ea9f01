//! Who should carry what: [`plan`] looks at one [`Snapshot`] under one [`Policy`] and answers with one [`Plan`].
//!
//! **Pure.** No clock (`now_ms` is part of the snapshot), no randomness, no IO, and no `Result`: whatever cannot be
//! given to a rider comes back with a reason. Costs are integers, ties break by id, and distances use only arithmetic
//! that every machine rounds alike, so the same snapshot gives the same bytes everywhere and a bug report is a file.
//! The order of the snapshot's lists does not matter, except for a rider's `stops`.
//!
//! What the words mean here:
//!
//! * A **delivery** is an order that wants a rider; a **rider** is somebody who might take it. Times are milliseconds
//!   since 1970, durations milliseconds, distances metres, speeds metres per second, shares thousandths (`permille`).
//! * A **candidate** is a rider as seen from one delivery. A **gate** says why a candidate may not be chosen (`gates.rs`:
//!   may this rider?). **Terms** are what choosing them costs, taken apart, in milliseconds of somebody's time
//!   (`cost.rs`: how much delay?). The **policy** holds the limits and weights (`policy.rs`: how do we weigh?).
//! * **Offer**: these riders are to be asked now. **Hold**: look again at a given moment, because asking now would be too
//!   early. **Nobody**: nobody can be asked and no moment is known at which that changes by itself.
//! * **Just in time**: nobody is asked before `ready_at - search_lead`, nobody is asked who would wait longer than `hold`
//!   at the counter, and a delivery waits for a cheaper rider who fits a little later. It never waits past `ready_at`.
//!
//! The first policy is the **load-aware priority queue** of `queue.rs`: pop the cheapest pair of delivery and rider; if
//! that rider got busier since it was priced, price it again and put it back; otherwise choose it. What a plan offers
//! a rider counts as taken for the rest of the plan, so no rider gets more offers at once than they could accept.

mod cost;
mod demand;
pub mod explain;
mod gates;
mod greedy;
mod horizon;
mod kitchen;
mod outcome;
mod policy;
mod reposition;
mod snapshot;
mod travel;
mod workload;

pub use cost::Terms;
pub use demand::Demand;
pub use gates::Gate;
pub use kitchen::{Cooking, Kitchen, Kitchens, QUANTILES};
pub use outcome::{
    Candidate, Chosen, Decision, HoldReason, Made, Move, NobodyReason, Outcome, Plan, PlannedRoute, PlannedTrip,
};
pub use policy::{EndWeights, Horizon, Kind, MAX_FIX_AGE_MS, POLICY_VERSION, Policy, Reposition, Weights};
pub use snapshot::{Delivery, Outlook, Ready, Rider, Route, ShopOutlook, Snapshot, Trip};
pub use travel::{City, Plane, Point, WAY_PERMILLE, travel_ms};

/// Decides about every delivery of the snapshot.
///
/// A pure function: the same snapshot and policy give the same plan, whatever the order of the lists.
#[must_use]
pub fn plan(snapshot: &Snapshot, policy: &Policy) -> Plan {
    let (decisions, routes, moves, made) = match policy.kind {
        Kind::Greedy => {
            let made = Made { by: Kind::Greedy, seed: policy.seed, steps: 0, better: 0, objective_ms: (0, 0) };
            (greedy::plan(snapshot, policy), Vec::new(), Vec::new(), made)
        }
        Kind::Horizon => horizon::plan(snapshot, policy),
    };
    Plan { decisions, routes, moves, made }
}
