//! Where idle riders should wait.
//!
//! A shop's next order wants a free rider nearby. What a shop is expected to lose is its rate of orders times a price of
//! the time τ to a free rider: by default τ itself, which did best on recorded days; with a smaller `near_permille` also
//! the expected delay E[max(0, τ + half the counter time − T)], with T the time that kitchens take. Because the nearest
//! rider may be taken by then, the three nearest count, with weights 0.7, 0.21 and 0.09. This is a p-median problem on the
//! plane (Hakimi 1964); it is solved greedily: the move that saves most goes first, as long as it saves enough.
//!
//! Riders who will soon be done with what is planned for them count from there and then, and are not moved.

use pannier_contracts::RiderId;

use crate::outcome::Move;
use crate::travel::Pace;
use crate::{Point, Policy, Snapshot};

/// The nearest free riders that count, and how much: of a thousand orders so many meet the n-th nearest.
const WEIGHTS: [i64; 3] = [700, 210, 90];
/// Destinations that are looked at for each move.
const DESTINATIONS: usize = 12;
/// Pairs of rider and destination that are priced exactly for each move.
const PAIRS: usize = 24;
/// Steps of the table of expected delays per minute of the city.
const STEPS: i64 = 4;
/// The table goes so far, minutes; a rider further away counts as that far.
const FURTHEST_MIN: i64 = 60;

/// A rider as far as waiting is concerned.
pub(crate) struct Waiting {
    pub id: RiderId,
    /// Where they are or will be free.
    pub place: Point,
    /// In how long, milliseconds; `None` when they do not count: away, or at the end of their shift.
    pub free_in_ms: Option<i64>,
    /// May they be sent elsewhere now?
    pub is_movable: bool,
    pub pace: Pace,
}

struct Shop {
    place: Point,
    /// Orders expected while a waiting rider waits, millionths.
    weight: i64,
}

struct Cover<'w> {
    shops: Vec<Shop>,
    riders: &'w [Waiting],
    /// Time from each rider to each shop, in steps: `far[rider][shop]`.
    far: Vec<Vec<u8>>,
    /// Time between shops, in steps.
    between: Vec<Vec<u8>>,
    /// Per shop the nearest riders: (steps, rider).
    nearest: Vec<[(u8, u32); 4]>,
    /// Expected delay by steps, milliseconds.
    delay_ms: Vec<i64>,
}

const NOBODY: (u8, u32) = ((FURTHEST_MIN * STEPS) as u8, u32::MAX);

/// The moves that are worth making now, ordered by rider id.
pub(crate) fn moves(snapshot: &Snapshot, policy: &Policy, riders: &[Waiting]) -> Vec<Move> {
    let dial = &policy.reposition;
    let mut moves = Vec::new();
    if !dial.on || snapshot.outlook.shops.is_empty() || !riders.iter().any(|r| r.is_movable) {
        return moves;
    }
    let mut listed: Vec<_> = snapshot.outlook.shops.iter().collect();
    listed.sort_by_key(|s| s.shop);
    let mut cover = Cover::new(snapshot, policy, riders);
    let mut is_movable: Vec<bool> = riders.iter().map(|r| r.is_movable).collect();
    for _ in 0..dial.moves_most {
        let Some((rider, shop, gain_ms)) = cover.best_move(policy, &is_movable) else { break };
        is_movable[rider] = false;
        let next = cover.hop(policy, rider, shop);
        cover.put(rider, shop);
        if let Some(next) = next {
            moves.push(Move { rider: riders[rider].id, shop: listed[next].shop, place: listed[next].place, gain_ms });
        }
    }
    moves.sort_by_key(|m| m.rider);
    moves
}

/// What the next orders would lose if each of these riders were not there, milliseconds.
pub(crate) fn losses(snapshot: &Snapshot, policy: &Policy, riders: &[Waiting]) -> Vec<i64> {
    if snapshot.outlook.shops.is_empty() {
        return vec![0; riders.len()];
    }
    Cover::new(snapshot, policy, riders).losses()
}

impl<'w> Cover<'w> {
    fn losses(&self) -> Vec<i64> {
        let mut losses: Vec<i64> = vec![0; self.riders.len()];
        for shop in 0..self.shops.len() {
            let now = self.price(&self.nearest[shop]);
            for (_, rider) in self.nearest[shop].iter().take(3) {
                if let Some(loss) = losses.get_mut(*rider as usize) {
                    *loss += self.shops[shop].weight * (self.changed(shop, *rider, None) - now) / 1_000_000;
                }
            }
        }
        losses
    }

    fn new(snapshot: &Snapshot, policy: &Policy, riders: &'w [Waiting]) -> Self {
        let minute_ms = policy.minute_ms.max(1);
        let mut listed: Vec<_> = snapshot.outlook.shops.iter().collect();
        listed.sort_by_key(|s| s.shop);
        let expected = |rate: f64| (rate * policy.reposition.ahead_min as f64 * 1e6) as i64;
        let shops: Vec<Shop> =
            listed.iter().map(|s| Shop { place: s.place, weight: expected(s.orders_per_minute) }).collect();
        let steps = |ms: i64| (ms * STEPS / minute_ms).clamp(0, FURTHEST_MIN * STEPS) as u8;
        let far = riders
            .iter()
            .map(|r| {
                let far = |s: &Shop, ms: i64| steps(ms + r.pace.travel_ms(r.place, s.place));
                shops.iter().map(|s| r.free_in_ms.map_or(NOBODY.0, |ms| far(s, ms))).collect()
            })
            .collect();
        let mut speeds: Vec<f64> = snapshot.riders.iter().map(|r| r.speed_mps).collect();
        speeds.sort_by(f64::total_cmp);
        let pace = Pace::new(&snapshot.city, speeds.get(speeds.len() / 2).copied().unwrap_or(5.0));
        let between =
            shops.iter().map(|a| shops.iter().map(|b| steps(pace.travel_ms(a.place, b.place))).collect()).collect();
        let takes = &snapshot.outlook.takes_ms;
        let delay_ms = (0..=FURTHEST_MIN * STEPS)
            .map(|n| {
                let there_ms = n * minute_ms / STEPS + snapshot.city.counter_ms / 2;
                if takes.is_empty() || policy.reposition.near_permille == 1_000 {
                    return there_ms;
                }
                let near = policy.reposition.near_permille;
                let late_ms: i64 = takes.iter().map(|t| (there_ms - t).max(0)).sum::<i64>() / takes.len() as i64;
                (near * there_ms + (1_000 - near) * late_ms) / 1_000
            })
            .collect();
        let mut this = Self { nearest: vec![[NOBODY; 4]; shops.len()], shops, riders, far, between, delay_ms };
        for rider in 0..this.riders.len() {
            this.see(rider);
        }
        this
    }

    /// One rider more.
    fn see(&mut self, rider: usize) {
        for (nearest, far) in self.nearest.iter_mut().zip(&self.far[rider]) {
            insert(nearest, (*far, rider as u32));
        }
    }

    fn find_nearest(&mut self, shop: usize) {
        let mut nearest = [NOBODY; 4];
        for rider in 0..self.riders.len() {
            insert(&mut nearest, (self.far[rider][shop], rider as u32));
        }
        self.nearest[shop] = nearest;
    }

    /// Who is under way cannot be asked, so a long way is gone in hops, from counter to counter, or not at all.
    fn hop(&self, policy: &Policy, rider: usize, shop: usize) -> Option<usize> {
        let most = i64::from(policy.reposition.hop_most_min) * STEPS;
        let direct = i64::from(self.far[rider][shop]);
        if direct <= most {
            return Some(shop);
        }
        let way = |via: usize| i64::from(self.far[rider][via]) + i64::from(self.between[via][shop]);
        let is_hop = |via: &usize| {
            let first = i64::from(self.far[rider][*via]);
            (1..=most).contains(&first) && i64::from(self.between[*via][shop]) + STEPS <= direct
        };
        (0..self.shops.len())
            .filter(is_hop)
            .min_by_key(|via| (way(*via) - direct) * 2 + i64::from(self.between[*via][shop]))
    }

    fn put(&mut self, rider: usize, shop: usize) {
        self.far[rider].clone_from(&self.between[shop]);
        for shop in 0..self.shops.len() {
            // Whoever was not among the nearest can only have come nearer.
            if self.nearest[shop].iter().any(|(_, r)| *r as usize == rider) {
                self.find_nearest(shop);
            } else {
                insert(&mut self.nearest[shop], (self.far[rider][shop], rider as u32));
            }
        }
    }

    fn price(&self, nearest: &[(u8, u32)]) -> i64 {
        WEIGHTS.iter().zip(nearest).map(|(w, (steps, _))| w * self.delay_ms[usize::from(*steps)]).sum::<i64>() / 1_000
    }

    /// One shop's loss with one rider taken away from among the nearest, and one added.
    fn changed(&self, shop: usize, without: u32, with: Option<u8>) -> i64 {
        let mut nearest = [NOBODY; 4];
        let mut n = 0;
        for rider in self.nearest[shop] {
            if rider.1 != without || without == u32::MAX {
                nearest[n] = rider;
                n += 1;
            }
        }
        if let Some(steps) = with {
            insert(&mut nearest, (steps, u32::MAX - 1));
        }
        self.price(&nearest)
    }

    /// The rider, the shop, and what the move saves.
    fn best_move(&self, policy: &Policy, is_movable: &[bool]) -> Option<(usize, usize, i64)> {
        let now: Vec<i64> = self.nearest.iter().map(|n| self.price(n)).collect();
        let weighted = |shop: usize, ms: i64| self.shops[shop].weight * ms / 1_000_000;
        let all = 0..self.shops.len();
        // What one rider more would save at each shop.
        let mut gains: Vec<(i64, usize)> = all
            .clone()
            .map(|at| {
                let saved = |s: usize| {
                    let steps = self.between[at][s];
                    if steps >= self.nearest[s][2].0 {
                        0
                    } else {
                        weighted(s, now[s] - self.changed(s, u32::MAX, Some(steps)))
                    }
                };
                (all.clone().map(saved).sum(), at)
            })
            .collect();
        gains.sort_unstable_by_key(|(gain, at)| (-gain, *at));
        gains.truncate(DESTINATIONS);
        // What taking each rider away would lose.
        let losses = self.losses();
        let minute_ms = policy.minute_ms.max(1);
        let mut pairs: Vec<(i64, usize, usize)> = Vec::new();
        for (gain, at) in &gains {
            for (rider, loss) in losses.iter().enumerate().filter(|(r, _)| is_movable[*r]) {
                if i64::from(self.far[rider][*at]) > i64::from(policy.reposition.way_most_min) * STEPS {
                    continue;
                }
                let price = self.price_of_way(policy, rider, *at, minute_ms);
                pairs.push((gain - loss - price, rider, *at));
            }
        }
        pairs.sort_unstable_by_key(|(gain, rider, at)| (-gain, *rider, *at));
        pairs.truncate(PAIRS);
        let exact = pairs.into_iter().map(|(_, rider, at)| {
            let saved = |s: usize| weighted(s, now[s] - self.changed(s, rider as u32, Some(self.between[at][s])));
            let gain_ms = all.clone().map(saved).sum::<i64>() - self.price_of_way(policy, rider, at, minute_ms);
            (gain_ms, rider, at)
        });
        let best = exact.max_by_key(|(gain, rider, at)| (*gain, std::cmp::Reverse((*rider, *at))))?;
        (best.0 > policy.reposition.least_gain_ms).then_some((best.1, best.2, best.0))
    }

    fn price_of_way(&self, policy: &Policy, rider: usize, shop: usize, minute_ms: i64) -> i64 {
        i64::from(self.far[rider][shop]) * minute_ms / STEPS * policy.reposition.way_permille / 1_000
    }
}

fn insert(nearest: &mut [(u8, u32); 4], rider: (u8, u32)) {
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
