//! The state of a simulated day, and what a courier's movements change in it.

use std::borrow::Cow;

use pannier_engine::{self as engine, Policy, Ready};

use super::disruptions::{DisruptionState, Disruptions};
use super::forecast::Forecaster;
use super::tour::Tour;
use crate::bench::solution::{Assignment, DayOptions, DecisionTimes, Move, Site, Solution};
use pannier_instance::Instance;

/// A simulation under way.
pub(super) struct Simulation<'i> {
    pub instance: &'i Instance,
    pub options: DayOptions,
    pub policy: Policy,
    /// By the couriers' indexes.
    pub couriers: Vec<CourierState>,
    /// Orders that are placed and not picked up.
    pub open: Vec<usize>,
    /// All orders, sorted by placement.
    pub by_placement: Vec<usize>,
    /// How many of `by_placement` are placed.
    pub placed: usize,
    pub forecaster: Forecaster,
    /// The routes of the previous minute's plan.
    pub previous: Vec<engine::Route>,
    pub solution: Solution,
    pub decisions: DecisionTimes,
    /// The instance with the ready times that kitchens have announced so far.
    pub announced: Cow<'i, Instance>,
    pub disruptions: DisruptionState<'i>,
}

/// The state of one courier.
#[derive(Debug, Clone, Default)]
pub(super) struct CourierState {
    /// Destination of the last move; `None` at the start of the shift.
    pub site: Option<Site>,
    /// When that move ends, and with it everything that can no longer change.
    pub free_at: i64,
    /// Since when the courier has had no order.
    pub idle_since: i64,
    /// Orders fixed at departure: the courier is at their restaurant or on the way to it.
    pub fixed: Vec<usize>,
    /// When those were fixed.
    pub fixed_at: i64,
    /// Accepted orders whose trip has not begun; used by [`PolicyName::Greedy`](crate::bench::solution::PolicyName)
    /// only.
    pub queue: Vec<usize>,
    /// Number of orders on board until `free_at`.
    pub carried: u32,
    /// Minutes of `free_at` that an unresponsive period has added.
    pub silence_delay: i64,
}

impl<'i> Simulation<'i> {
    pub fn new(instance: &'i Instance, options: DayOptions, policy: Policy, disruptions: &'i Disruptions) -> Self {
        let mut by_placement: Vec<usize> = (0..instance.orders.len()).collect();
        by_placement.sort_by_key(|o| (instance.orders[*o].placement, *o));
        let couriers =
            instance.couriers.iter().map(|c| CourierState { free_at: c.on, idle_since: c.on, ..Default::default() });
        Self {
            instance,
            options,
            policy,
            couriers: couriers.collect(),
            open: Vec::new(),
            by_placement,
            placed: 0,
            forecaster: Forecaster::new(instance, options.kitchen, &disruptions.stated_ms),
            previous: Vec::new(),
            solution: Solution::default(),
            decisions: DecisionTimes::default(),
            announced: disruptions.announced(instance, options.kitchen),
            disruptions: DisruptionState::new(disruptions),
        }
    }

    /// When an open order will be ready, as far as is known.
    pub fn ready(&self, order: usize) -> Ready {
        self.forecaster.ready(&self.announced, order)
    }

    /// Moves a courier to a restaurant. No move is recorded when the courier is already there.
    pub fn move_to(&mut self, courier: usize, restaurant: usize, now: i64) {
        let c = &mut self.couriers[courier];
        let from = c.site.unwrap_or(Site::Start);
        let to = Site::Restaurant(restaurant);
        if from == to {
            return;
        }
        let step = Move { courier, departure: now, from, to };
        (c.site, c.free_at, c.silence_delay) = (Some(to), step.arrival(self.instance), 0);
        self.solution.moves.push(step);
    }

    /// Fixes the orders of a courier and moves the courier to their restaurant.
    pub fn fix(&mut self, courier: usize, orders: Vec<usize>, now: i64) {
        let restaurant = self.instance.orders[orders[0]].restaurant;
        self.move_to(courier, restaurant, now);
        let c = &mut self.couriers[courier];
        (c.fixed, c.fixed_at) = (orders, now);
        self.pick_up_fixed(courier, now);
    }

    /// Picks up the fixed orders of a courier if all are ready and the courier has arrived.
    pub fn pick_up_fixed(&mut self, courier: usize, now: i64) {
        let c = &self.couriers[courier];
        let half_pickup = self.instance.parameters.half_pickup();
        if c.fixed.is_empty() || c.free_at + half_pickup > now || self.disruptions.is_silent(courier, now) {
            return;
        }
        if c.fixed.iter().all(|o| self.instance.orders[*o].ready <= now) {
            let c = &mut self.couriers[courier];
            let (orders, assigned) = (std::mem::take(&mut c.fixed), c.fixed_at);
            self.pick_up(courier, &orders, assigned, now);
        }
    }

    /// Picks up orders and records the whole tour to their customers.
    pub fn pick_up(&mut self, courier: usize, orders: &[usize], assigned: i64, now: i64) {
        let mut tour = Tour::new(self.instance, orders, now);
        let silence_delay = self.disruptions.delay_tour(courier, now, &mut tour);
        let parameters = &self.instance.parameters;
        let mut from = Site::Restaurant(self.instance.orders[orders[0]].restaurant);
        let mut departure = now + parameters.half_pickup();
        for dropoff in &tour.dropoffs {
            let to = Site::Order(dropoff.order);
            self.solution.moves.push(Move { courier, departure, from, to });
            departure = dropoff.at + parameters.half_dropoff();
            from = to;
        }
        let Tour { dropoffs, end } = tour;
        self.solution.assignments.push(Assignment { assigned, pickup: now, courier, dropoffs });
        self.open.retain(|o| !orders.contains(o));
        let c = &mut self.couriers[courier];
        (c.site, c.free_at, c.idle_since) = (Some(from), end, end);
        (c.carried, c.silence_delay) = (orders.len() as u32, silence_delay);
    }
}
