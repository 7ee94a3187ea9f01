//! Repositioning: where idle riders should wait.
//!
//! The next order of a shop wants a free rider nearby. The expected loss of a shop is its rate of orders times a price of
//! the time τ until a free rider is at the counter: by default τ itself, which did best on recorded days; with a smaller
//! `near_permille` also the expected delay E[max(0, τ + half the counter time − T)], with T the preparation time. Because
//! the nearest rider may be taken by then, the three nearest count, with the weights 0.7, 0.21 and 0.09. This is a p-median
//! problem (Hakimi 1964). It is solved greedily: the move that saves most is made first, as long as it saves enough.
//!
//! A rider with a planned route counts from its end on, at the place where it ends, and is not moved.

use pannier_contracts::RiderId;

use crate::plan::Move;
use crate::policy::Policy;
use crate::snapshot::{ShopForecast, Snapshot};
use crate::travel::{Pace, Point};

/// The weights of the nearest free riders of a shop: of a thousand orders, so many get the n-th nearest.
const WEIGHTS: [i64; 3] = [700, 210, 90];
/// Destinations that are considered for each move.
const DESTINATIONS: usize = 12;
/// Pairs of rider and destination that are priced exactly for each move.
const PAIRS: usize = 24;
/// Steps per minute of the city: times between riders and shops are counted in steps.
const STEPS: i64 = 4;
/// The longest time that is counted, minutes of the city; a rider who is further counts as that far.
const FURTHEST_MIN: i64 = 60;

/// A rider who waits for the next order, now or at the end of a route.
pub(crate) struct WaitingRider {
    pub id: RiderId,
    /// Where the rider waits.
    pub place: Point,
    /// How long until the rider waits, milliseconds; `None` for a rider who does not count, because they are away or their
    /// shift is about to end.
    pub free_in_ms: Option<i64>,
    /// The rider may be sent elsewhere now.
    pub is_movable: bool,
    pub pace: Pace,
}

struct Shop {
    place: Point,
    /// Orders expected in `ahead_min`, millionths.
    weight: i64,
}

/// A rider near a shop. Of two at the same distance the one with the lower number is nearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Near {
    /// The time to the counter, steps.
    steps: u8,
    rider: u32,
}

/// The nearest riders of a shop, the nearest first. One more than count, so that one can be taken away.
type Nearest = [Near; 4];

const FURTHEST: u8 = (FURTHEST_MIN * STEPS) as u8;
/// Stands for a rider who is not there.
const NOBODY: Near = Near { steps: FURTHEST, rider: u32::MAX };
/// The number of a rider who is added for a comparison.
const ADDED: u32 = u32::MAX - 1;

/// Which riders cover which shops.
struct Coverage<'w> {
    shops: Vec<Shop>,
    riders: &'w [WaitingRider],
    /// Steps from each rider to each shop: `rider_steps[rider][shop]`.
    rider_steps: Vec<Vec<u8>>,
    /// Steps between shops at the median pace.
    shop_steps: Vec<Vec<u8>>,
    /// By shop.
    nearest: Vec<Nearest>,
    /// The price of a time in steps, milliseconds.
    price_ms: Vec<i64>,
}

/// A move that is considered, with what it saves the next orders, milliseconds.
struct Saving {
    gain_ms: i64,
    rider: usize,
    shop: usize,
}

/// The moves that are worth making now, sorted by rider id.
pub(crate) fn moves(snapshot: &Snapshot, policy: &Policy, riders: &[WaitingRider]) -> Vec<Move> {
    let settings = &policy.reposition;
    let mut moves = Vec::new();
    if !settings.on || snapshot.forecast.shops.is_empty() || !riders.iter().any(|r| r.is_movable) {
        return moves;
    }
    let listed = shops_by_id(snapshot);
    let mut coverage = Coverage::new(snapshot, policy, riders);
    let mut is_movable: Vec<bool> = riders.iter().map(|r| r.is_movable).collect();
    for _ in 0..settings.moves_most {
        let Some(Saving { gain_ms, rider, shop }) = coverage.best_move(policy, &is_movable) else { break };
        is_movable[rider] = false;
        let hop = coverage.hop(policy, rider, shop);
        coverage.put(rider, shop);
        if let Some(hop) = hop {
            moves.push(Move { rider: riders[rider].id, shop: listed[hop].shop, place: listed[hop].place, gain_ms });
        }
    }
    moves.sort_by_key(|m| m.rider);
    moves
}

/// What the next orders would lose if each of these riders were not there, milliseconds.
pub(crate) fn losses(snapshot: &Snapshot, policy: &Policy, riders: &[WaitingRider]) -> Vec<i64> {
    if snapshot.forecast.shops.is_empty() {
        return vec![0; riders.len()];
    }
    Coverage::new(snapshot, policy, riders).losses()
}

fn shops_by_id(snapshot: &Snapshot) -> Vec<&ShopForecast> {
    let mut listed: Vec<&ShopForecast> = snapshot.forecast.shops.iter().collect();
    listed.sort_by_key(|s| s.shop);
    listed
}

impl<'w> Coverage<'w> {
    fn new(snapshot: &Snapshot, policy: &Policy, riders: &'w [WaitingRider]) -> Self {
        let minute_ms = policy.minute_ms.max(1);
        let expected = |rate: f64| (rate * policy.reposition.ahead_min as f64 * 1e6) as i64;
        let shops: Vec<Shop> = shops_by_id(snapshot)
            .iter()
            .map(|s| Shop { place: s.place, weight: expected(s.orders_per_minute) })
            .collect();
        let steps = |ms: i64| (ms * STEPS / minute_ms).clamp(0, FURTHEST_MIN * STEPS) as u8;
        let rider_steps = riders
            .iter()
            .map(|r| {
                let to_shop = |s: &Shop, free_in_ms: i64| steps(free_in_ms + r.pace.travel_ms(r.place, s.place));
                shops.iter().map(|s| r.free_in_ms.map_or(FURTHEST, |ms| to_shop(s, ms))).collect()
            })
            .collect();
        let pace = Pace::new(&snapshot.travel, snapshot.median_speed_mps());
        let shop_steps =
            shops.iter().map(|a| shops.iter().map(|b| steps(pace.travel_ms(a.place, b.place))).collect()).collect();
        let price_ms = (0..=FURTHEST_MIN * STEPS)
            .map(|n| price_of_time_ms(n * minute_ms / STEPS + snapshot.travel.counter_ms / 2, snapshot, policy))
            .collect();
        let nearest = vec![[NOBODY; 4]; shops.len()];
        let mut this = Self { shops, riders, rider_steps, shop_steps, nearest, price_ms };
        for rider in 0..this.riders.len() {
            for (nearest, steps) in this.nearest.iter_mut().zip(&this.rider_steps[rider]) {
                insert(nearest, Near { steps: *steps, rider: rider as u32 });
            }
        }
        this
    }

    /// What each rider's absence would cost, milliseconds.
    fn losses(&self) -> Vec<i64> {
        let mut losses: Vec<i64> = vec![0; self.riders.len()];
        for shop in 0..self.shops.len() {
            let now = self.price(&self.nearest[shop]);
            for Near { rider, .. } in self.nearest[shop].iter().take(WEIGHTS.len()) {
                if let Some(loss) = losses.get_mut(*rider as usize) {
                    *loss += self.shops[shop].weight * (self.changed(shop, *rider, None) - now) / 1_000_000;
                }
            }
        }
        losses
    }

    fn find_nearest(&mut self, shop: usize) {
        let mut nearest = [NOBODY; 4];
        for rider in 0..self.riders.len() {
            insert(&mut nearest, Near { steps: self.rider_steps[rider][shop], rider: rider as u32 });
        }
        self.nearest[shop] = nearest;
    }

    /// The counter to go to now on the way to a shop; `None` if there is none within a hop.
    fn hop(&self, policy: &Policy, rider: usize, shop: usize) -> Option<usize> {
        let most = i64::from(policy.reposition.hop_most_min) * STEPS;
        let direct = i64::from(self.rider_steps[rider][shop]);
        if direct <= most {
            return Some(shop);
        }
        let first = |via: usize| i64::from(self.rider_steps[rider][via]);
        let rest = |via: usize| i64::from(self.shop_steps[via][shop]);
        (0..self.shops.len())
            .filter(|via| (1..=most).contains(&first(*via)) && rest(*via) + STEPS <= direct)
            .min_by_key(|via| (first(*via) + rest(*via) - direct) * 2 + rest(*via))
    }

    /// Moves a rider to a shop.
    fn put(&mut self, rider: usize, shop: usize) {
        self.rider_steps[rider].clone_from(&self.shop_steps[shop]);
        for shop in 0..self.shops.len() {
            // A rider who was not among the nearest can only have come nearer.
            if self.nearest[shop].iter().any(|n| n.rider as usize == rider) {
                self.find_nearest(shop);
            } else {
                insert(&mut self.nearest[shop], Near { steps: self.rider_steps[rider][shop], rider: rider as u32 });
            }
        }
    }

    /// The expected price of one order, milliseconds.
    fn price(&self, nearest: &Nearest) -> i64 {
        WEIGHTS.iter().zip(nearest).map(|(w, n)| w * self.price_ms[usize::from(n.steps)]).sum::<i64>() / 1_000
    }

    /// The price of a shop with one rider taken away from the nearest, and one added who is so many steps away.
    fn changed(&self, shop: usize, without: u32, with: Option<u8>) -> i64 {
        let mut nearest = [NOBODY; 4];
        let mut n = 0;
        for near in self.nearest[shop] {
            if near.rider != without || without == NOBODY.rider {
                nearest[n] = near;
                n += 1;
            }
        }
        if let Some(steps) = with {
            insert(&mut nearest, Near { steps, rider: ADDED });
        }
        self.price(&nearest)
    }

    /// The move that saves most, if it saves enough.
    fn best_move(&self, policy: &Policy, is_movable: &[bool]) -> Option<Saving> {
        let now: Vec<i64> = self.nearest.iter().map(|n| self.price(n)).collect();
        let weighted = |shop: usize, ms: i64| self.shops[shop].weight * ms / 1_000_000;
        let all = 0..self.shops.len();
        // What one rider more at each shop would save.
        let mut gains: Vec<(i64, usize)> = all
            .clone()
            .map(|at| {
                let saved = |s: usize| {
                    let steps = self.shop_steps[at][s];
                    if steps >= self.nearest[s][2].steps {
                        0
                    } else {
                        weighted(s, now[s] - self.changed(s, NOBODY.rider, Some(steps)))
                    }
                };
                (all.clone().map(saved).sum(), at)
            })
            .collect();
        gains.sort_unstable_by_key(|(gain, at)| (-gain, *at));
        gains.truncate(DESTINATIONS);
        // The gain of a pair is nearly that of the destination less the loss where the rider is now.
        let losses = self.losses();
        let mut pairs: Vec<Saving> = Vec::new();
        for (gain, at) in &gains {
            for (rider, loss) in losses.iter().enumerate().filter(|(r, _)| is_movable[*r]) {
                let ride = i64::from(self.rider_steps[rider][*at]);
                if ride <= i64::from(policy.reposition.empty_ride_most_min) * STEPS {
                    let gain_ms = gain - loss - self.ride_price_ms(policy, rider, *at);
                    pairs.push(Saving { gain_ms, rider, shop: *at });
                }
            }
        }
        pairs.sort_unstable_by_key(|p| (-p.gain_ms, p.rider, p.shop));
        pairs.truncate(PAIRS);
        let exact = pairs.into_iter().map(|Saving { rider, shop: at, .. }| {
            let saved = |s: usize| weighted(s, now[s] - self.changed(s, rider as u32, Some(self.shop_steps[at][s])));
            let gain_ms = all.clone().map(saved).sum::<i64>() - self.ride_price_ms(policy, rider, at);
            Saving { gain_ms, rider, shop: at }
        });
        let best = exact.max_by_key(|s| (s.gain_ms, std::cmp::Reverse((s.rider, s.shop))))?;
        (best.gain_ms > policy.reposition.least_gain_ms).then_some(best)
    }

    /// The price of an empty ride, milliseconds.
    fn ride_price_ms(&self, policy: &Policy, rider: usize, shop: usize) -> i64 {
        let steps = i64::from(self.rider_steps[rider][shop]);
        steps * policy.minute_ms.max(1) / STEPS * policy.reposition.empty_ride_permille / 1_000
    }
}

/// The price of a time until a rider has been served at the counter, milliseconds.
fn price_of_time_ms(there_ms: i64, snapshot: &Snapshot, policy: &Policy) -> i64 {
    let prep_times_ms = &snapshot.forecast.prep_times_ms;
    let near = policy.reposition.near_permille;
    if prep_times_ms.is_empty() || near == 1_000 {
        return there_ms;
    }
    let delays_ms = prep_times_ms.iter().map(|prep_ms| (there_ms - prep_ms).max(0));
    let mean_delay_ms = delays_ms.sum::<i64>() / prep_times_ms.len() as i64;
    (near * there_ms + (1_000 - near) * mean_delay_ms) / 1_000
}

/// Puts a rider among the nearest, if they are.
fn insert(nearest: &mut Nearest, rider: Near) {
    if rider >= nearest[3] {
        return;
    }
    nearest[3] = rider;
    for n in (1..4).rev() {
        if nearest[n] < nearest[n - 1] {
            nearest.swap(n, n - 1);
        }
    }
}
