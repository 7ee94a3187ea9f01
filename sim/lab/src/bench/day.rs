//! The virtual clock: a recorded day, minute by minute, with the engine deciding.
//!
//! The driver knows the whole day and tells the engine only what is known at each minute. It obeys plans and keeps to
//! the rules of the library: couriers finish every movement, take food when it is ready, and rest where they ended.

pub mod mishap;

use std::borrow::Cow;
use std::time::Instant;

use pannier_contracts::{DeliveryId, MerchantId, RiderId};
use pannier_engine::{self as engine, Kind, Plan, PlannedTrip, Policy, Ready, Snapshot, plan};
use uuid::Uuid;

use self::mishap::{Mishaps, Trouble, Troubles};
use super::knowledge::Knowledge;
use super::solution::{Assignment, Commit, Day, DayOptions, Decisions, Drop, Move, PolicyName, Site, Solution};
use pannier_instance::Instance;

/// Milliseconds of a minute.
pub(super) const MINUTE_MS: i64 = 60_000;
/// Couriers whose shift begins within so many minutes are planned for: shifts are known.
const SOON_MIN: i64 = 90;
/// How many orders a courier has at most, counting what is offered and carried.
const GREEDY_CAPACITY: u32 = 2;

/// Plays a day.
#[must_use]
pub fn run(instance: &Instance, options: &DayOptions) -> Day {
    run_with(instance, options, &Mishaps::default()).0
}

/// One minute of a day, for who looks on.
pub(super) struct Seen<'p> {
    /// When.
    pub now: i64,
    /// Orders placed so far.
    pub placed: usize,
    /// What was decided.
    pub plan: &'p Plan,
}

/// Plays a day while somebody looks on. `listed`: how many candidates each decision names; it changes no decision.
pub(super) fn run_seen(instance: &Instance, options: &DayOptions, listed: u32, see: &mut dyn FnMut(&Seen<'_>)) -> Day {
    let mishaps = Mishaps::default();
    let mut shift = Shift::new(instance, *options, &mishaps);
    shift.policy.candidates_listed = listed;
    shift.play(see).0
}

/// Plays a day on which things go wrong.
#[must_use]
pub fn run_with(instance: &Instance, options: &DayOptions, mishaps: &Mishaps) -> (Day, Troubles) {
    Shift::new(instance, *options, mishaps).play(&mut |_| ())
}

/// The policy of a benchmark: the zone's defaults, without the limits that a library day does not have.
#[must_use]
pub fn policy(options: &DayOptions) -> Policy {
    let mut policy = Policy {
        kind: match options.policy {
            PolicyName::Greedy => Kind::Greedy,
            PolicyName::Horizon => Kind::Horizon,
        },
        seed: options.seed,
        radius_m: u32::MAX,
        give_up_ms: 7 * 24 * 60 * MINUTE_MS,
        candidates_listed: 0,
        ..Policy::default()
    };
    policy.reposition.on = options.reposition;
    policy
}

/// What a courier is doing.
#[derive(Debug, Clone, Default)]
struct Courier {
    /// Where their last movement ends.
    site: Option<Site>,
    /// When it ends, and with it everything that cannot be changed any more.
    free_at: i64,
    /// Since when they have had nothing to do.
    idle_since: i64,
    /// At the restaurant, or under way to it, with these orders and no others: fixed at departure.
    fixed: Vec<usize>,
    /// When those were fixed.
    fixed_at: i64,
    /// Accepted and not begun; only the policy that decides for good uses it.
    queue: Vec<usize>,
    /// Orders in the bag until `free_at`.
    carried: u32,
    /// Minutes by which a silence puts off `free_at`.
    late: i64,
}

struct Shift<'i> {
    instance: &'i Instance,
    options: DayOptions,
    policy: Policy,
    couriers: Vec<Courier>,
    /// Orders that are known and not picked up, by number.
    open: Vec<usize>,
    next_order: usize,
    by_placement: Vec<usize>,
    knowledge: Knowledge,
    previous: Vec<engine::Route>,
    solution: Solution,
    decisions: Decisions,
    /// The instance as far as kitchens have told: another ready time than the true one until it has slipped.
    told: Cow<'i, Instance>,
    trouble: Trouble<'i>,
}

fn rider_id(courier: usize) -> RiderId {
    RiderId(Uuid::from_u128(courier as u128 + 1))
}

pub(super) fn delivery_id(order: usize) -> DeliveryId {
    DeliveryId(Uuid::from_u128(order as u128 + 1))
}

pub(super) fn shop_id(restaurant: usize) -> MerchantId {
    MerchantId(Uuid::from_u128(restaurant as u128 + 1))
}

pub(super) fn number(id: Uuid) -> usize {
    id.as_u128() as usize - 1
}

pub(super) fn point(at: pannier_instance::Point) -> engine::Point {
    engine::Point { x_m: at.x, y_m: at.y }
}

impl<'i> Shift<'i> {
    fn new(instance: &'i Instance, options: DayOptions, mishaps: &'i Mishaps) -> Self {
        let mut by_placement: Vec<usize> = (0..instance.orders.len()).collect();
        by_placement.sort_by_key(|o| (instance.orders[*o].placement, *o));
        let couriers =
            instance.couriers.iter().map(|c| Courier { free_at: c.on, idle_since: c.on, ..Courier::default() });
        Self {
            instance,
            options,
            policy: policy(&options),
            couriers: couriers.collect(),
            open: Vec::new(),
            next_order: 0,
            by_placement,
            knowledge: Knowledge::new(instance, options.kitchen, &mishaps.stated_ms),
            previous: Vec::new(),
            solution: Solution::default(),
            decisions: Decisions::default(),
            told: mishaps.told(instance, options.kitchen),
            trouble: Trouble::new(mishaps),
        }
    }

    fn play(mut self, see: &mut dyn FnMut(&Seen<'_>)) -> (Day, Troubles) {
        let last = self.instance.orders.iter().map(|o| o.ready).max().unwrap_or(0).max(self.instance.last_off());
        for now in self.instance.first_minute()..=last {
            let plan = self.minute(now);
            see(&Seen { now, placed: self.next_order, plan: &plan });
        }
        (Day { solution: self.solution, decisions: self.decisions, stories: Vec::new() }, self.trouble.end())
    }

    fn minute(&mut self, now: i64) -> Plan {
        while let Some(order) = self.by_placement.get(self.next_order).copied() {
            if self.instance.orders[order].placement > now {
                break;
            }
            self.next_order += 1;
            self.open.push(order);
            self.knowledge.placed(&self.told, order, now);
        }
        self.hear(now);
        self.knowledge.minute(self.instance, &self.open, now);
        for courier in 0..self.couriers.len() {
            self.mishap(courier, now);
            self.take_fixed(courier, now);
        }
        let snapshot = self.snapshot(now);
        let began = Instant::now();
        let plan = plan(&snapshot, &self.policy);
        let took = began.elapsed().as_secs_f64();
        self.decisions.count += 1;
        self.decisions.total_s += took;
        self.decisions.worst_ms = self.decisions.worst_ms.max(took * 1_000.0);
        self.trouble.planned(&plan);
        self.obey(&plan, now);
        self.previous = plan.routes.iter().map(engine::PlannedRoute::route).collect();
        plan
    }

    fn snapshot(&mut self, now: i64) -> Snapshot {
        let instance = self.instance;
        let parameters = &instance.parameters;
        let deliveries = self
            .open
            .iter()
            .filter(|o| !self.couriers.iter().any(|c| c.fixed.contains(o)))
            .map(|order| {
                let o = &instance.orders[*order];
                let due = o.placement as f64 + parameters.target_click_to_door;
                engine::Delivery {
                    id: delivery_id(*order),
                    shop: shop_id(o.restaurant),
                    pickup: point(instance.restaurants[o.restaurant].at),
                    dropoff: point(o.at),
                    ready: self.ready(*order),
                    promise_at_ms: due as i64 * MINUTE_MS,
                    opened_at_ms: o.placement * MINUTE_MS,
                    excluded: self.trouble.excluded(*order),
                    offers_wanted: 1,
                    offered_to: Vec::new(),
                }
            })
            .collect();
        let riders: Vec<engine::Rider> = (0..self.couriers.len())
            .filter(|c| instance.couriers[*c].on <= now + SOON_MIN && now <= instance.couriers[*c].off)
            .map(|c| self.rider(c, now))
            .collect();
        let on_shift = instance.couriers.iter().filter(|c| c.on <= now && now <= c.off).count();
        let outlook = self.knowledge.outlook(now, on_shift);
        Snapshot {
            now_ms: now * MINUTE_MS,
            city: engine::City {
                way_permille: 1_000,
                round_up_ms: MINUTE_MS,
                counter_ms: (parameters.pickup_service * MINUTE_MS as f64) as i64,
                door_ms: (parameters.dropoff_service * MINUTE_MS as f64) as i64,
            },
            deliveries,
            riders,
            outlook,
            previous: std::mem::take(&mut self.previous),
        }
    }

    fn ready(&self, order: usize) -> Ready {
        self.knowledge.ready(&self.told, order)
    }

    fn place(&self, courier: usize) -> engine::Point {
        let site = self.couriers[courier].site.unwrap_or(Site::Start);
        point(site.point(self.instance, courier))
    }

    fn rider(&self, courier: usize, now: i64) -> engine::Rider {
        let (shift, c) = (&self.instance.couriers[courier], &self.couriers[courier]);
        let (free_at, free_place, at_counter) = if c.fixed.is_empty() {
            let counter = match c.site {
                Some(Site::Restaurant(r)) => Some(shop_id(r)),
                _ => None,
            };
            (self.free_at(courier, now), self.place(courier), counter)
        } else {
            // Nobody else's business any more: free when those are delivered, as far as one knows.
            let (end, last) = self.expected_end(courier, now);
            (end, point(self.instance.orders[last].at), None)
        };
        let load = (c.fixed.len() + c.queue.len()) as u32 + if c.free_at > now { c.carried } else { 0 };
        engine::Rider {
            id: rider_id(courier),
            place: self.place(courier),
            fix_age_ms: 0,
            speed_mps: self.instance.parameters.metres_per_minute / 60.0,
            available: true,
            stale: self.trouble.is_silent(courier, now),
            load,
            capacity: if self.policy.kind == Kind::Greedy { GREEDY_CAPACITY } else { u32::MAX },
            free_at_ms: free_at * MINUTE_MS,
            free_place,
            at_counter,
            committed: c.queue.iter().map(|o| self.trip_of(*o)).collect(),
            shift_end_ms: shift.off * MINUTE_MS,
            idle_since_ms: c.idle_since * MINUTE_MS,
            acceptance_permille: 1_000,
            rating_permille: 1_000,
        }
    }

    fn trip_of(&self, order: usize) -> engine::Trip {
        engine::Trip { shop: shop_id(self.instance.orders[order].restaurant), deliveries: vec![delivery_id(order)] }
    }

    fn half_pickup(&self) -> i64 {
        self.instance.parameters.pickup_service as i64 / 2
    }

    fn half_dropoff(&self) -> i64 {
        self.instance.parameters.dropoff_service as i64 / 2
    }

    /// Drop-offs after a pickup, and when the courier leaves the last door.
    fn drops(&self, orders: &[usize], pickup: i64) -> (Vec<Drop>, i64) {
        let mut at = pickup + self.half_pickup();
        let mut from = self.instance.restaurants[self.instance.orders[orders[0]].restaurant].at;
        let mut drops = Vec::with_capacity(orders.len());
        for order in orders {
            let to = self.instance.orders[*order].at;
            at += self.instance.travel_minutes(from, to) + self.half_dropoff();
            drops.push(Drop { order: *order, at });
            at += self.half_dropoff();
            from = to;
        }
        (drops, at)
    }

    /// When a courier with fixed orders will be free, as far as one knows now.
    fn expected_end(&self, courier: usize, now: i64) -> (i64, usize) {
        let c = &self.couriers[courier];
        let ready = c.fixed.iter().map(|o| self.ready(*o).mean_ms() / MINUTE_MS).max().unwrap_or(now);
        let pickup = (c.free_at + self.half_pickup()).max(now).max(ready);
        (self.drops(&c.fixed, pickup).1, *c.fixed.last().unwrap_or(&0))
    }

    /// Food that was fixed at departure is taken as soon as it is ready.
    fn take_fixed(&mut self, courier: usize, now: i64) {
        let c = &self.couriers[courier];
        if c.fixed.is_empty() || c.free_at + self.half_pickup() > now || self.trouble.is_silent(courier, now) {
            return;
        }
        if c.fixed.iter().all(|o| self.instance.orders[*o].ready <= now) {
            let orders = std::mem::take(&mut self.couriers[courier].fixed);
            let assigned = self.couriers[courier].fixed_at;
            self.take(courier, &orders, assigned, now);
        }
    }

    /// The food is in the bag, and the courier brings it.
    fn take(&mut self, courier: usize, orders: &[usize], assigned: i64, now: i64) {
        let (mut drops, mut end) = self.drops(orders, now);
        let late = self.trouble.pause(courier, now, &mut drops, &mut end);
        let mut from = Site::Restaurant(self.instance.orders[orders[0]].restaurant);
        let mut departure = now + self.half_pickup();
        for drop in &drops {
            let to = Site::Order(drop.order);
            self.solution.moves.push(Move { courier, departure, from, to });
            departure = drop.at + self.half_dropoff();
            from = to;
        }
        self.solution.assignments.push(Assignment { assigned, pickup: now, courier, drops });
        self.open.retain(|o| !orders.contains(o));
        let c = &mut self.couriers[courier];
        (c.site, c.free_at, c.idle_since, c.carried, c.late) = (Some(from), end, end, orders.len() as u32, late);
    }

    /// Leaves for a restaurant.
    fn leave(&mut self, courier: usize, restaurant: usize, now: i64) {
        let from = self.couriers[courier].site.unwrap_or(Site::Start);
        let to = Site::Restaurant(restaurant);
        if from == to {
            return;
        }
        let step = Move { courier, departure: now, from, to };
        (self.couriers[courier].free_at, self.couriers[courier].late) = (step.arrival(self.instance), 0);
        self.couriers[courier].site = Some(to);
        self.solution.moves.push(step);
    }

    fn obey(&mut self, plan: &Plan, now: i64) {
        if self.policy.kind == Kind::Greedy {
            for route in &plan.routes {
                let courier = number(route.rider.0);
                for order in route.trips.iter().flat_map(|t| &t.trip.deliveries).map(|d| number(d.0)) {
                    if self.trouble.accepts(courier, &[order]) {
                        self.couriers[courier].queue.push(order);
                    }
                }
            }
        }
        for courier in 0..self.couriers.len() {
            let c = &self.couriers[courier];
            let is_silent = self.trouble.is_silent(courier, now);
            if c.fixed.is_empty() && c.free_at <= now && !c.queue.is_empty() && !is_silent {
                let order = self.couriers[courier].queue.remove(0);
                self.fix(courier, vec![order], now);
            }
        }
        if self.policy.kind == Kind::Horizon {
            for route in &plan.routes {
                if let Some(first) = route.trips.first() {
                    self.begin(number(route.rider.0), first, now);
                }
            }
        }
        for step in &plan.moves {
            self.leave(number(step.rider.0), number(step.shop.0), now);
        }
    }

    fn fix(&mut self, courier: usize, orders: Vec<usize>, now: i64) {
        let restaurant = self.instance.orders[orders[0]].restaurant;
        self.leave(courier, restaurant, now);
        let c = &mut self.couriers[courier];
        (c.fixed, c.fixed_at) = (orders, now);
        self.take_fixed(courier, now);
    }

    /// The first trip of a plan: leave for it, or take the food.
    fn begin(&mut self, courier: usize, trip: &PlannedTrip, now: i64) {
        let c = &self.couriers[courier];
        if !c.fixed.is_empty() || c.free_at > now {
            return;
        }
        let restaurant = number(trip.trip.shop.0);
        let orders: Vec<usize> = trip.trip.deliveries.iter().map(|d| number(d.0)).collect();
        if c.site == Some(Site::Restaurant(restaurant)) {
            if trip.pickup_at_ms <= now * MINUTE_MS && self.trouble.accepts(courier, &orders) {
                self.take(courier, &orders, now, now);
            }
        } else if trip.leave_at_ms <= now * MINUTE_MS && self.trouble.accepts(courier, &orders) {
            if self.options.commit == Commit::Departure {
                self.fix(courier, orders, now);
            } else {
                self.leave(courier, restaurant, now);
                if self.half_pickup() == 0 && self.couriers[courier].free_at <= now {
                    self.begin(courier, trip, now);
                }
            }
        }
    }
}
