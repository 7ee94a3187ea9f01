//! Who should carry what: [`plan`] looks at one [`Snapshot`] under one [`Policy`] and answers with one [`Plan`].
//!
//! **Pure.** No clock (`now_ms` is part of the snapshot), no IO, no `Result`, and no chance but the dice that the policy's
//! `seed` starts: whatever cannot be given to a rider comes back with a reason. The same snapshot and policy give the same
//! bytes on every machine, so a bug report is a file. The order of the snapshot's lists does not matter, except for a
//! rider's `committed` trips and the sequence inside a trip.
//!
//! This page is for whoever wants to change what a good plan is. It says what is decided, what it costs, what is
//! forbidden, how the search works, and then, in "To change the objective", where to put your hands.
//!
//! # What the words mean here
//!
//! * A **delivery** is an order that is not picked up; a **rider** is somebody who might carry it; a **shop** has one
//!   counter. A **trip** goes to one counter and then to doors; a **route** is a rider's trips in sequence.
//! * Times are milliseconds since 1970, durations milliseconds, distances metres, speeds metres per second, weights and
//!   shares thousandths (`permille`). A *minute of the city* is [`Policy::minute_ms`]: 60,000 but in a compressed city.
//! * A **candidate** is a rider as seen from one delivery. A **gate** says why a candidate may not be chosen (`gates.rs`:
//!   may this rider?). **Terms** are what choosing them costs, taken apart (`cost.rs`, `horizon/route.rs`: how much
//!   delay?). The **policy** holds limits and weights (`policy.rs`: how do we weigh?).
//! * **Offer**: these riders are to be asked now. **Hold**: look again at a given moment. **Nobody**: nobody can be asked,
//!   and no moment is known at which that changes by itself. `outcome.rs` has the reasons.
//!
//! There are two policies ([`Kind`]). **`horizon`** plans routes for everybody over everything that is known, and is what
//! this page is about. **`greedy`** (`greedy.rs`) is the load-aware priority queue: pop the cheapest pair of delivery and
//! rider, price it again if the rider got busier since, otherwise ask. It looks at now only, is cheap, and is what the
//! dispatcher falls back on when `horizon` is late.
//!
//! # The problem
//!
//! The dynamic *meal delivery routing problem*, solved by rolling re-optimisation (Reyes, Erera, Savelsbergh, Sahasrabudhe
//! and O'Neil 2018): orders become known during the day; each call plans anew over all that is known now; only what
//! cannot wait is carried out; the next call may change the rest. The plan before comes along as [`Snapshot::previous`]
//! and is only a start.
//!
//! **Decided** is one route per rider: which trips, in which sequence, which deliveries in each, which door first. A trip
//! has one shop and at most `horizon.bundle_most` deliveries (and at most the rider's `capacity`). From the routes follow
//! when each rider has to leave (`horizon/timetable.rs`), and from that who is asked now (`horizon/decide.rs`).
//!
//! **Committed late.** A rider is asked at the last moment that delays nothing, less `horizon.offer_lead_ms` in which they
//! answer; nobody is looked for earlier than `search_lead_ms` before the food is ready. Until then everything may change.
//!
//! **Fixed points** are what somebody has been told: a rider's accepted trips ([`Rider::committed`]), and deliveries whose
//! offer is out while no more are wanted. They stay with their rider, at the front of the route, in their sequence. Open
//! deliveries of the same shop may still join an accepted trip (`Problem::fix` in `horizon/problem.rs`).
//!
//! # The objective
//!
//! Minimised is a sum of milliseconds of somebody's time:
//!
//! ```text
//! Z = Σ over routes r   Σ over deliveries i of r   (D_i − R_i)  +  λ · max(0, D_i − P_i)           delays
//!                     + γ(ρ) · travel(last place of r → shops)  +  κ(ρ) · (F_r − now)              end of the plan
//!                     + β · (time of r in motion and in service)                                   work
//!                     + n_r · asking(rider)  +  [n_r > 0] · (absence(rider) − fairness(rider))     rider
//!   + U · (deliveries in nobody's route)
//! ```
//!
//! D is at the door, R the mean ready time, P the promise, F when the rider is free again, n_r the deliveries of the route
//! that are not fixed. D − R differs from click-to-door, and from its gap to the zero-wait bound, only by what no plan can
//! change, so minimising one minimises the others.
//!
//! | in the formula | in [`Policy`] | unit | default | term of a decision |
//! |---|---|---|---|---|
//! | ready to door, D − R | weight 1 | ms | | `food_wait_ms` + `ride_ms`, of others `others_ms` |
//! | λ, after the promise | `horizon.late_permille` | ‰ of a minute | 300 | `lateness_ms` |
//! | γ, where the plan ends | `horizon.end.place_permille`, at most | ‰ | 200 | `end_ms` |
//! | κ, when it ends | `horizon.end.time_permille`, per unit of ρ − 0.6 | ‰ | 500 | `end_ms` |
//! | ρ, how busy it is | `horizon.end.order_takes_min` | minutes of the city | 25 | |
//! | β, work | `horizon.busy_permille` | ‰ | 20 | `busy_ms` |
//! | asking: may say no | `weights.decline_ms` × (1 − acceptance) | ms | 60,000 | `acceptance_ms` |
//! | asking: rating | `weights.rating_ms` × (1 − rating) | ms | 30,000 | `rating_ms` |
//! | absence | `horizon.absence_permille` × loss | ‰ | 100 | `absence_ms` |
//! | fairness, a gain | `weights.fairness_permille` × idle time, idle at most `weights.fairness_cap_ms` | ‰, ms | 100, 300,000 | `fairness_ms` |
//! | U, unserved | `UNSERVED_MS` in `horizon/search.rs` | ms | 24 h | |
//!
//! `Policy::default()` is the last word on defaults; a snapshot test (`tests/it/shape.rs`) prints it.
//!
//! * **End of the plan** (`horizon/value.rs`). Without a price at the end, a plan leaves riders wherever today's last order
//!   sent them. ρ = orders per minute × `order_takes_min` / riders on shift: the orders that arrive in the time that one
//!   takes, per rider. γ = `place_permille` × clip((ρ − 0.4) / 0.3, 0, 1), κ = `time_permille` × clip(ρ − 0.6, 0, 1.5):
//!   nothing on a calm day. The way to the shops is the mean over [`Outlook::shops`], each with its share of the orders,
//!   none further than an hour. A rider without a plan pays the same from where they stand, so badly placed riders are
//!   used first. Time after the shift costs nothing, nor does where a shift ends. (In the terms of Powell 2011, a cost
//!   function approximation: two weights instead of a value function.)
//! * **Absence** (`reposition.rs`, `losses`) is what the next orders are expected to lose if this rider were not there. It
//!   is computed once per plan, before the search, so that it depends on the rider alone.
//! * **Unserved** is dearer than any delay, so nothing is left out to save time.
//!
//! # What is forbidden, and where
//!
//! | constraint | where |
//! |---|---|
//! | available, heard of lately, not excluded, not asked already, within `radius_m`, capacity above 0 | `gates.rs`, `standing_gate` |
//! | one shop per trip, at most `bundle_most` and `capacity` deliveries | `horizon/insertion.rs`, `most` and `best_spot` |
//! | nothing is picked up after the end of the shift but what was accepted; drop-offs may be later | `horizon/route.rs`, `drive` answers `None` |
//! | nothing is taken before it is ready; half the service before, half after handing over | `horizon/route.rs`, `drive` |
//! | fixed points stay | `horizon/problem.rs`, `fix`; new trips only behind them in `best_spot` |
//! | never more orders and offers than `capacity` at the same time | `horizon/decide.rs`, `when` and `choose` |
//! | only the `horizon.candidates` riders who could be there first are priced (40) | `horizon/problem.rs`, `find_candidates` |
//!
//! # The search
//!
//! 1. **Warm start**: what still holds of the plan before (`horizon/search.rs`, `warm_start`).
//! 2. **Construction**: what is in no route is put in by *regret-2 insertion* (Potvin and Rousseau 1993; Ropke and Pisinger
//!    2006): the delivery that loses most if it gets its second best rider instead of its best goes first; who fits with
//!    one rider only goes before all others (`insert_all`).
//! 3. **Improvement**: *destroy and repair* (Shaw 1998, large neighbourhood search; Schrimpf et al. 2000, ruin and
//!    recreate). Each step takes a few deliveries out, nine at most, and puts them back by regret. Which (`choose`): in
//!    25 of 100 steps the route of a random delivery's rider and that of its nearest relative's, in 60 relatives of a random
//!    one, else random ones; and always up to three that nobody has. Relatives are near by counter, door and ready time.
//!    A result that is worse is taken back; one that is no worse is kept.
//!
//! **Incremental.** A route keeps its state before every trip, and has a version number that no other content has had. The
//! cheapest place of a delivery in a route is remembered under that version, the newest two, because most steps are taken
//! back. So a step prices only the routes that it changed, and a place is given up as soon as it is too dear. Travel times
//! to counters are computed once per plan (`horizon/ways.rs`).
//!
//! **The budget is in steps**: `horizon.steps_per_delivery` (15) for each open delivery, `horizon.steps_most` (1,000) at
//! most. Whatever the budget, the answer is feasible. Nothing worse is ever accepted and the dice are thrown in the same
//! sequence, so a larger budget never gives a worse plan.
//!
//! # When it is uncertain when food is ready
//!
//! [`Ready`] is one moment, or several that are equally likely; up to eight are looked at. The expected pickup is the mean
//! over them of max(ready, served), for a bundle of the latest of its orders (`pickup_ms` in `horizon/route.rs`); the clock
//! goes on from there. This is a sample average (Kleywegt, Shapiro and Homem-de-Mello 2002) with the quantiles as sample,
//! and it is what makes a rider with slack worth more than one without. Who leaves just in time means to be there at the
//! *first* of the moments, less `horizon.be_there_early_min`: food that waits delays a customer and a rider who waits costs
//! little, so the newsvendor's rule (Arrow, Harris and Marschak 1951) asks for a low quantile (`be_there_ms` in
//! `horizon/problem.rs`).
//!
//! [`Kitchens`] learns such moments while orders become ready. An order takes its stated time × habit of the shop and of
//! its hour × load of the kitchen × chance. Habits are averages that believe n orders by n / (n + k), with k learned from
//! whether deviations come again: hierarchical shrinkage, empirical Bayes (Bühlmann 1967, credibility). Chance starts as a
//! log-logistic distribution, becomes a fading histogram, and is cut off at the time that has gone by. [`Demand`] learns
//! rates of orders by exponential fading.
//!
//! # Where idle riders wait
//!
//! `reposition.rs`: a *p-median* (Hakimi 1964) on the shops, weighted with the orders expected in `reposition.ahead_min`
//! (30) minutes. A shop pays for the three nearest free riders, with weights 0.7, 0.21 and 0.09, because the nearest may be
//! taken by then. The price is the time to the counter, or, mixed in by `reposition.near_permille` below 1,000, the expected
//! delay E max(0, time to the counter − time that the kitchen takes). Solved greedily: the move that saves most goes first,
//! if it saves more than `reposition.least_gain_ms`; that is the dial. `reposition.on` is off by default. A long way is gone
//! in hops of `reposition.hop_most_min` (5) from counter to counter, because somebody who is under way cannot be asked.
//!
//! # Why the bytes are the same everywhere
//!
//! Costs are integers and ties break by id. Distances live on a plane of metres ([`Plane`]) and use addition,
//! multiplication, division and square roots only, which IEEE 754 rounds exactly. Nothing calls a library of elementary
//! functions, which differ in the last bit between machines: the one cosine is a polynomial, decay a product of constants.
//! Maps are ordered. The dice are a PCG (O'Neill 2014), started by `policy.seed` and the snapshot's `now_ms`.
//!
//! # To change the objective
//!
//! 1. **Say it in milliseconds** of somebody's time, with a weight in thousandths or a price in `policy.rs` (field, doc line
//!    with unit, default), and count [`POLICY_VERSION`] up: rounds remember it.
//! 2. **Compute it** in one of three places, by what it depends on:
//!    * on a delivery at its moment in a route: in `drive` (`horizon/route.rs`), as part of `Delay`;
//!    * on the end of a route or its whole length: in `tail_parts_ms` (`horizon/route.rs`), out of what `State` carries; if
//!      the state lacks something, carry it there and update it in `drive`;
//!    * on the rider, or on how many deliveries are asked for: in `extras_ms` (`horizon/insertion.rs`), computed once per
//!      rider in `Worker::new` (`horizon/problem.rs`).
//! 3. **Tell it.** In `terms` (`horizon/decide.rs`) take the difference of your part with and without the delivery, as its
//!    neighbours do: their sum is what the route costs more with it, `Spot::delta_ms`. A new name is a field of
//!    [`Terms`], a line in `Terms::named` (`cost.rs`), and a few words in `words` (`explain.rs`).
//! 4. **Keep what the search relies on:**
//!    * a route's cost depends on that route alone. Prices are remembered by the route's version, so a term that looks at
//!      other routes would be stale; do as absence does and compute it once, before the search;
//!    * the parts in `drive` and `tail_parts_ms` are not negative. `cost_from` gives up a place as soon as the sum so far is
//!      too dear. A gain belongs into `extras_ms`;
//!    * taking a delivery out never makes a route impossible, and `UNSERVED_MS` is dearer than everything else;
//!    * integers, or arithmetic that is rounded exactly; no map without an order.
//! 5. **Let the tests speak.** In `tests/it/properties.rs`: `terms_sum_to_the_cost_and_candidates_are_in_order`,
//!    `the_cheapest_rider_is_planned_for_a_lone_delivery` (notices when the search weighs something that the terms do
//!    not have), `more_steps_never_make_a_plan_worse`, `the_order_of_lists_does_not_matter`. `tests/it/shape.rs` shows the new
//!    weight, `tests/it/explain.rs` the new words, `tests/it/horizon.rs` says what changed for small examples.
//! 6. **Measure it.** `pannier bench mdrp DIR --out before`, change, `--out after`, `pannier sim compare before after`: paired
//!    differences over the same days with their standard error. Then on made-up cities with declines, silences and late
//!    kitchens: `pannier sim dispatch --seeds 20 --out …`, before and after. `docs/dispatch.md` has the manual.
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
            let (decisions, routes) = greedy::plan(snapshot, policy);
            (decisions, routes, Vec::new(), made)
        }
        Kind::Horizon => horizon::plan(snapshot, policy),
    };
    Plan { decisions, routes, moves, made }
}
