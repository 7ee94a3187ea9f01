//! The dispatch engine: [`plan`] assigns deliveries to riders. It takes one [`Snapshot`] and one [`Policy`] and returns one
//! [`Plan`].
//!
//! The engine is **pure**. It reads no clock (`now_ms` is part of the snapshot), does no IO and returns no `Result`: a
//! delivery that cannot be assigned comes back with a reason. Its only random numbers start from the policy's `seed`. The
//! same snapshot and policy give the same bytes on every machine, so a bug report is a file. The order of the snapshot's
//! lists does not matter, except for the sequence of a rider's `committed` trips and of the deliveries in a trip.
//!
//! This page says what is decided, what it costs, what is forbidden and how the search works. Its last part,
//! [Add a cost term](#add-a-cost-term), is a recipe.
//!
//! # Terms
//!
//! * A **delivery** is an order that is not picked up. A **shop** has one counter. A **trip** goes to one counter and then
//!   to the doors of one or more deliveries; with more than one it is a **bundle**. A **route** is the sequence of a rider's
//!   trips.
//! * Times are milliseconds since 1970, durations and costs milliseconds, distances metres, speeds metres per second,
//!   weights and shares thousandths (`permille`). A *minute of the city* takes [`Policy::minute_ms`]: 60,000 ms, less in
//!   a simulated city that runs faster.
//! * A **candidate** is a rider seen as the one who might take a given delivery. A **gate** ([`Gate`]) says why a
//!   candidate may not be chosen. The **terms** ([`Terms`]) are what choosing them costs. The **policy** holds the limits and
//!   weights.
//!   [`candidates`] lists them all for one delivery, for a person who chooses.
//! * A decision is an **offer** to some riders now, a **hold** until a given time, or **nobody**, when no rider can be
//!   asked and no time is known at which that changes by itself ([`Outcome`]).
//!
//! There are two algorithms ([`DispatchAlgorithm`]). **`horizon`** plans routes
//! for all riders over all known deliveries; this page is about it. **`greedy`** (`greedy/`) is a load-aware priority queue:
//! the cheapest pair of delivery and rider is assigned first. It looks at the present moment only and is fast. The
//! dispatcher falls back on it when `horizon` takes too long.
//!
//! # The problem
//!
//! The dynamic *meal delivery routing problem*, solved by rolling-horizon re-optimisation (Reyes, Erera, Savelsbergh,
//! Sahasrabudhe and O'Neil 2018). Orders become known during the day. Each call plans anew over all that is known, but only
//! what cannot wait is carried out; the next call may change the rest. The routes of the plan before
//! ([`Snapshot::previous`]) are only the start of the search.
//!
//! **Decision variables.** One route per rider: which trips in which sequence, which deliveries in each, which door first.
//! A trip has one shop and at most `horizon.bundle_most` deliveries (and at most the rider's `capacity`). From the routes
//! follows when each rider has to leave (`horizon/timetable.rs`), and from that which offers are made now
//! (`horizon/decide.rs`).
//!
//! **Late commitment.** The offer is made at the latest departure that delays nothing, less `horizon.offer_lead_ms` for the
//! answer, and never earlier than `search_lead_ms` before the food is ready. Until then everything may change.
//!
//! **Fixed points** are what riders have been told: accepted trips ([`Rider::committed`]), and deliveries whose offer is
//! open while no more are wanted. They stay with their rider, at the front of the route, in their sequence
//! (`horizon/fixed_points.rs`). Open deliveries of the same shop may still join an accepted trip.
//!
//! # The objective
//!
//! A sum of delays in milliseconds is minimised:
//!
//! ```text
//! Z = Σ over routes r   Σ over deliveries i of r   (D_i − R_i)  +  λ · max(0, D_i − P_i)           delays
//!                     + γ(ρ) · travel(last place of r → shops)  +  κ(ρ) · (F_r − now)              end of the route
//!                     + β · (time of r in motion and at stops)                                     work
//!                     + n_r · asking(rider)  +  [n_r > 0] · (absence(rider) − fairness(rider))     rider
//!   + U · (deliveries in no route)
//! ```
//!
//! D is the drop-off, R the mean ready time, P the promise, F when the rider is free again, n_r the number of deliveries of
//! the route that are not fixed. D − R differs from click-to-door, and from its gap to the zero-wait bound, only by what no
//! plan can change, so minimising one minimises the others.
//!
//! | in the formula | in [`Policy`] | unit | default | in [`Terms`] |
//! |---|---|---|---|---|
//! | ready to door, D − R | weight 1,000 | ‰ | | `food_wait_ms` + `ride_ms`; of the other deliveries `others_ms` |
//! | λ, time after the promise | `horizon.late_permille` | ‰ | 300 | `lateness_ms`; of the other deliveries `others_ms` |
//! | γ, where the route ends | `horizon.end.place_permille`, at most | ‰ | 200 | `end_ms` |
//! | κ, when it ends | `horizon.end.time_permille`, per unit of ρ − 0.6 | ‰ | 500 | `end_ms` |
//! | ρ, the load | `horizon.end.order_takes_min` | minutes of the city | 25 | |
//! | β, work | `horizon.busy_permille` | ‰ | 20 | `busy_ms` |
//! | asking: the rider may decline | `weights.decline_ms` × (1 − acceptance) | ms | 60,000 | `acceptance_ms` |
//! | asking: rating | `weights.rating_ms` × (1 − rating) | ms | 30,000 | `rating_ms` |
//! | absence | `horizon.absence_permille` × loss | ‰ | 100 | `absence_ms` |
//! | fairness, a bonus | `weights.fairness_permille` × idle time, at most `weights.fairness_cap_ms` of it | ‰, ms | 100, 300,000 | `fairness_ms` |
//! | U, unserved | `UNSERVED_MS` in `horizon/search.rs` | ms | 24 h | |
//!
//! `tests/it/snapshots/it__shape__the_default_policy.snap` has all defaults; a test compares it with `Policy::default()`.
//!
//! * **End of the route** (`horizon/end_cost.rs`). Without this cost a plan leaves riders wherever the last known order sends
//!   them. ρ = orders per minute × `order_takes_min` / riders on shift: the orders that arrive per rider in the time that
//!   one order takes. γ = `place_permille` × clip((ρ − 0.4) / 0.3, 0, 1), κ = `time_permille` × clip(ρ − 0.6, 0, 1.5), so
//!   both are 0 on a calm day. The travel time to the shops is the mean over [`Forecast::shops`], weighted with their shares
//!   of the orders; a shop counts as at most an hour away. A rider without a route pays it from where they stand. Time
//!   after the end of the shift costs nothing, nor does the place where a shift ends. (In the terms of Powell 2011, a cost
//!   function approximation: two weights instead of a value function.)
//! * **Absence** (`losses` in `reposition.rs`) is what the next orders are expected to lose if this rider were not there. It
//!   is computed once per plan, before the search, so that it depends on the rider alone.
//! * **Unserved** costs more than any delay, so that no delivery is left out to save time.
//!
//! # Constraints
//!
//! | constraint | where |
//! |---|---|
//! | the rider is available, was heard of recently, is not excluded, has no open offer of the delivery, is within `radius_m`, has a capacity above 0 | `standing_gate` in `gates.rs` |
//! | one shop per trip, at most `bundle_most` and `capacity` deliveries | `bundle_most` and `best_insertion` in `horizon/insertion.rs` |
//! | no pickup after the end of the shift, except of fixed deliveries; drop-offs may be later | `schedule` in `horizon/route.rs` |
//! | no pickup before the food is ready; half of the service time before a handover, half after it | `schedule` in `horizon/route.rs` |
//! | fixed points stay where they are | `fix` in `horizon/fixed_points.rs`; `best_insertion` adds new trips only behind them |
//! | orders and offers of a rider never exceed `capacity` | `has_room` in `horizon/decide.rs` |
//! | only the `horizon.candidates` riders who could be at the counter first are priced | `find` in `horizon/candidates.rs` |
//!
//! # The search
//!
//! 1. **Warm start**: the routes of the plan before, as far as they are still possible (`warm_start` in
//!    `horizon/search.rs`).
//! 2. **Construction**: deliveries in no route are inserted by *regret-2 insertion* (Potvin and Rousseau 1993; Ropke and
//!    Pisinger 2006). The delivery that loses most with its second best rider instead of its best one is inserted first; one
//!    that fits into one route only goes before all others (`insert_by_regret` in `horizon/search.rs`).
//! 3. **Improvement**: *destroy and repair* (Shaw 1998, large neighbourhood search; Schrimpf et al. 2000, ruin and
//!    recreate). Each step takes at most nine deliveries out and inserts them by regret (`step` in `horizon/search.rs`). Of
//!    100 steps, 25 take out the routes of a random delivery's rider and of its nearest relative's rider, 60 take out
//!    relatives of a random delivery, and the rest random deliveries; every step also takes up to three that are in no route
//!    (`horizon/removal.rs`). Relatives are near by counter, door and ready time. A result that costs more is undone.
//!
//! **Incremental pricing.** A route keeps its state before every trip, and has a version number that identifies its content.
//! The cheapest insertion of a delivery into a route is cached under that version (`horizon/insertion_cache.rs`), so a step
//! prices only the routes that it changed. An insertion is given up as soon as it costs more than the best so far. Travel
//! times to counters are computed once per plan (`horizon/travel_cache.rs`).
//!
//! **The budget is in steps**: `horizon.steps_per_delivery` (15) for each open delivery, at most `horizon.steps_most`
//! (1,000). With any budget the plan is feasible. A result that costs more is never accepted and the random numbers are
//! the same for every budget, so a larger one never gives a worse plan.
//!
//! # Uncertain ready times
//!
//! [`Ready`] is one time, or several that are equally likely; the search looks at up to eight. The expected pickup is the
//! mean of max(ready, served) over them, for a bundle with the latest of its deliveries (`pickup_ms` in `horizon/route.rs`),
//! and the clock of the route goes on from there. This is a sample average approximation (Kleywegt, Shapiro and
//! Homem-de-Mello 2002) with quantiles as the sample; it makes a rider with slack worth more than one without. A rider who
//! leaves just in time is to be there at the *first* of the times, less `horizon.be_there_early_min`: waiting food delays a
//! customer and a waiting rider costs little, so the newsvendor rule (Arrow, Harris and Marschak 1951) asks for a low quantile
//! (`be_there_ms` in `horizon/job.rs`).
//!
//! [`Kitchens`] estimates such times while orders become ready. An order takes its stated time × the bias of the shop and of
//! its hour × the load of the kitchen × chance. Biases are averages that count n orders with the weight n / (n + k); k is
//! learned from how well one deviation predicts another (hierarchical shrinkage, empirical Bayes; Bühlmann 1967,
//! credibility). Chance starts as a log-logistic distribution, becomes a decaying histogram, and is conditioned on the time
//! that has gone by. [`Demand`] estimates rates of orders by exponential decay.
//!
//! # Repositioning
//!
//! `reposition.rs` proposes where idle riders should wait: a *p-median* problem (Hakimi 1964) on the shops, weighted with the
//! orders expected in `reposition.ahead_min` (30) minutes. For a shop the three nearest free riders count, with the weights
//! 0.7, 0.21 and 0.09, because the nearest may be taken by then. The price is the time to the counter or, mixed in by a
//! `reposition.near_permille` below 1,000, the expected delay E max(0, time to the counter − preparation time). It is solved
//! greedily: the move that saves most is made first, if it saves more than `reposition.least_gain_ms`. A long ride is split
//! into hops of `reposition.hop_most_min` (5) minutes from counter to counter, because a rider who is under way gets no
//! offers. `reposition.on` is off by default.
//!
//! # Determinism
//!
//! Costs are integers and ties break by id. Points lie on a plane in metres ([`Plane`]), and distances use addition,
//! multiplication, division and square roots only, which IEEE 754 rounds exactly. No elementary function of a library is
//! called, because they differ in the last bit between machines: the one cosine is a polynomial, decay a product of
//! constants. All maps are ordered. The random numbers are those of a PCG (O'Neill 2014), started by `policy.seed` and the
//! snapshot's `now_ms`.
//!
//! # Add a cost term
//!
//! The example adds *time in the bag*: from the pickup to the door, because food cools. Files are relative to
//! `dispatch-svc/engine`. `cargo test -p pannier-engine` needs no server.
//!
//! 1. **The weight**, in `src/policy.rs`. Add a field with its unit to `Horizon`, and its default:
//!    `pub bag_permille: i64` and `bag_permille: 50`. A weight multiplies a time; a fixed price is a field `…_ms` that
//!    `Policy::of_zone` derives from `minute_ms`. Count [`POLICY_VERSION`] up, because stored rounds keep it.
//! 2. **The term**, in `src/terms.rs`. Add `pub bag_ms: i64` to [`Terms`]. The compiler then asks for it in `Terms::list`,
//!    where it gets its name and its words for people; the length of the list becomes 17.
//! 3. **The cost**. Where it goes depends on what it depends on:
//!    * *on one delivery and its time in the route* (the example): a field of `Delay` in `src/horizon/route.rs`, added in
//!      `Delay::total_ms` and computed in `Problem::schedule`:
//!      `bag_ms: (drop_ms - pickup_ms) * self.policy.horizon.bag_permille / 1_000`;
//!    * *on the end or the length of the route*: a field of `Tail` in `src/horizon/route.rs`, added in `Tail::total_ms` and
//!      computed in `Problem::tail` from the `RouteState`;
//!    * *on the rider, or on the number of open deliveries*: in `Problem::rider_price_ms` (`src/horizon/route.rs`), from a
//!      field of `Worker` that is computed once in `src/horizon/worker.rs`.
//! 4. **The breakdown**, in `src/horizon/breakdown.rs`. Set the term in `terms`, as the route with the delivery less the
//!    route without it: `bag_ms: after.own.bag_ms`. What the other deliveries of the route lose is in `others_ms` already.
//!    If this step is missing or wrong, `the_terms_are_what_the_search_minimises` in `tests/it/properties.rs` fails.
//! 5. **An example**, in `tests/it/horizon.rs`: a small snapshot whose plan differs with the weight 0 and with a large one.
//!    `routes` shows a plan in a line. Take a weight that is far too large: two doors of these examples are seconds apart.
//! 6. **The snapshots**. Run `INSTA_UPDATE=always cargo test -p pannier-engine` and read the difference:
//!    `the_default_policy` shows the weight, `a_small_plan` the term, `tests/it/explain.rs` the words.
//! 7. **The words**: a row in the table on this page, a row in `docs/glossary.md` if the term has a new name, a line in
//!    `CHANGELOG.md`.
//! 8. **Measure it**: `./pannier bench mdrp DIR --out before` without the change, `--out after` with it, then
//!    `./pannier sim compare before after`: paired differences over the same days with their standard errors. Then
//!    synthetic days with declines, silent riders and late kitchens: `./pannier sim dispatch --seeds 20 --out …`, before and
//!    after. `docs/dispatch.md` is the manual.
//!
//! What the search relies on:
//!
//! * The cost of a route depends on that route alone. Insertions are cached by the route's version, so a term that looks
//!   at other routes would be out of date. Compute such a term once, before the search, as `price_absence` does.
//! * The parts of `Delay` and `Tail` are not negative, because `cost_from` gives up as soon as the sum is too high. A
//!   bonus belongs in `rider_price_ms`.
//! * Taking a delivery out never makes a route infeasible, and `UNSERVED_MS` is above every other cost.
//! * Arithmetic is on integers, or rounded exactly. No map without an order is iterated.
//!
//! The tests that hold them are in `tests/it/properties.rs`: `more_steps_never_make_a_plan_worse`,
//! `the_order_of_lists_does_not_matter`, `the_cheapest_rider_is_planned_for_a_lone_delivery`.
//!
//! # Sources
//!
//! * Arrow, Harris, Marschak 1951, *Optimal inventory policy*, Econometrica 19.
//! * Bühlmann 1967, *Experience rating and credibility*, ASTIN Bulletin 4.
//! * Hakimi 1964, *Optimum locations of switching centers and the absolute centers and medians of a graph*, Operations
//!   Research 12.
//! * Kleywegt, Shapiro, Homem-de-Mello 2002, *The sample average approximation method for stochastic discrete
//!   optimization*, SIAM Journal on Optimization 12.
//! * O'Neill 2014, *PCG: a family of simple fast space-efficient statistically good algorithms for random number
//!   generation*, Harvey Mudd College.
//! * Potvin, Rousseau 1993, *A parallel route building algorithm for the vehicle routing and scheduling problem with time
//!   windows*, European Journal of Operational Research 66.
//! * Powell 2011, *Approximate dynamic programming*, Wiley.
//! * Reyes, Erera, Savelsbergh, Sahasrabudhe, O'Neil 2018, *The meal delivery routing problem*, Optimization Online.
//! * Ropke, Pisinger 2006, *An adaptive large neighborhood search heuristic for the pickup and delivery problem with time
//!   windows*, Transportation Science 40.
//! * Schrimpf, Schneider, Stamm-Wilbrandt, Dueck 2000, *Record breaking optimization results using the ruin and recreate
//!   principle*, Journal of Computational Physics 159.
//! * Shaw 1998, *Using constraint programming and local search methods to solve vehicle routing problems*, CP98, LNCS 1520.

mod candidates;
mod demand;
pub mod explain;
mod gates;
mod greedy;
mod horizon;
mod kitchen;
mod plan;
mod policy;
mod reposition;
mod snapshot;
mod terms;
mod travel;

use pannier_contracts::zone::DispatchAlgorithm;

pub use candidates::candidates;
pub use demand::Demand;
pub use gates::Gate;
pub use kitchen::{Cooking, Kitchen, Kitchens, QUANTILES};
pub use plan::{
    Candidate, Chosen, Decision, HoldReason, Move, NobodyReason, Outcome, Plan, PlanReport, PlannedRoute, PlannedTrip,
};
pub use policy::{EndWeights, Horizon, MAX_FIX_AGE_MS, POLICY_VERSION, Policy, Reposition, Weights};
pub use snapshot::{Delivery, Forecast, Ready, Rider, Route, ShopForecast, Snapshot, Trip};
pub use terms::{Term, Terms};
pub use travel::{CIRCUITY_PERMILLE, Plane, Point, TravelModel, travel_ms};

/// Decides about every delivery of the snapshot that no rider has accepted, by the policy's algorithm.
///
/// A pure function: the same snapshot and policy give the same plan, whatever the order of the lists.
#[must_use]
pub fn plan(snapshot: &Snapshot, policy: &Policy) -> Plan {
    match policy.algorithm {
        DispatchAlgorithm::Greedy => greedy::plan(snapshot, policy),
        DispatchAlgorithm::Horizon => horizon::plan(snapshot, policy),
    }
}
