//! The shape of preparation times: how far the real time lies from the expected one, whoever cooks.
//!
//! Everything is measured in **stretch**: (time taken + [`BASE_MS`]) / (time stated + [`BASE_MS`]). It lies between a
//! ratio and a difference, because both are wrong alone: a kitchen that says 5 minutes is often late by a half, one that
//! says 40 hardly ever. Shop by shop the spread of the stretch is nearly the same, so shops can share one histogram.

use serde::{Deserialize, Serialize};

/// How many equally likely moments describe when food will be ready: the mid-points 1/16, 3/16, … 15/16.
pub const QUANTILES: usize = 8;

/// What every order takes besides the cooking, milliseconds: reading the ticket, finding a bag.
const BASE_MS: i64 = 480_000;
/// Longer times are taken to be this long, milliseconds: a forgotten ticket, not a preparation time.
const LONGEST_MS: i64 = 86_400_000;
/// A stretch of 1 is so many bins of the histogram.
const BINS_PER_UNIT: usize = 20;
/// The histogram ends at a stretch of 4.8.
const BINS: usize = 96;
/// The histogram's end.
const END: f64 = BINS as f64 / BINS_PER_UNIT as f64;

/// As long as nothing has been seen: the median stretch. The mean is 1, so a cold start is centred on the statement.
const MEDIAN: f64 = 0.98;
/// As long as nothing has been seen: the share of orders that go seriously wrong.
const WRONG: f64 = 0.02;
/// The cold start counts like so many orders.
const PRIOR_WEIGHT: f64 = 200.0;
/// After so many orders all counts are halved, so that old ones fade.
const FADES_AT: u32 = 4_000;

/// Time against statement, thousandths.
pub(super) fn stretch_permille(stated_ms: i64, took_ms: i64) -> i64 {
    (took_ms.clamp(0, LONGEST_MS) + BASE_MS) * 1_000 / (stated_ms.clamp(0, LONGEST_MS) + BASE_MS)
}

/// The cold start: the log-logistic distribution, F(x) = xᵏ / (mᵏ + xᵏ), with k = 8 for all orders and k = 3 for those
/// that go wrong.
///
/// Preparation times are skewed to the right, and what is late already tends to become later still. The log-logistic
/// distribution of survival analysis has both properties, in its tail the remaining time is a share of the time gone,
/// and it needs no library function. k = 8 spreads 15 minutes stated by about 5 minutes, which is what restaurants of
/// public order data (Grubhub's meal delivery routing library) show around their own means.
const fn prior() -> [f64; BINS + 1] {
    let mut below = [0.0; BINS + 1];
    let mut edge = 0;
    while edge <= BINS {
        let x = edge as f64 / BINS_PER_UNIT as f64 / MEDIAN;
        let cube = x * x * x;
        let fourth = cube * x;
        let eighth = fourth * fourth;
        below[edge] = (1.0 - WRONG) * eighth / (1.0 + eighth) + WRONG * cube / (1.0 + cube);
        edge += 1;
    }
    below
}

static PRIOR: [f64; BINS + 1] = prior();

/// The mean stretch of the cold start, thousandths; see [`MEDIAN`].
const PRIOR_MEAN_PERMILLE: i64 = 1_000;

/// What all shops have in common: a fading histogram of stretches, each taken relative to its shop's own habit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pool {
    /// Orders per bin; empty until the first one.
    counts: Vec<u32>,
    orders: u32,
    sum_permille: i64,
}

impl Pool {
    /// One more order.
    pub fn add(&mut self, stretch_permille: i64) {
        self.counts.resize(BINS, 0);
        self.counts[bin(stretch_permille)] += 1;
        self.orders += 1;
        self.sum_permille += stretch_permille;
        if self.orders >= FADES_AT {
            self.counts.iter_mut().for_each(|n| *n /= 2);
            let kept = self.counts.iter().sum();
            self.sum_permille = self.sum_permille * i64::from(kept) / i64::from(self.orders);
            self.orders = kept;
        }
    }

    /// The mean stretch, thousandths.
    pub fn mean_permille(&self) -> i64 {
        let prior = PRIOR_WEIGHT as i64;
        (self.sum_permille + prior * PRIOR_MEAN_PERMILLE) / (i64::from(self.orders) + prior)
    }

    /// The distribution of stretches, with single observations mixed in: (stretch in thousandths, weight), where all
    /// that is in the pool weighs 1.
    pub fn mixed_with(&self, recent: impl Iterator<Item = (i64, f64)>) -> Shape {
        let mut own = [0.0; BINS];
        let mut own_weight = 0.0;
        for (stretch_permille, weight) in recent {
            own[bin(stretch_permille)] += weight;
            own_weight += weight;
        }
        let total = f64::from(self.orders) + PRIOR_WEIGHT;
        let mut below = [0.0; BINS + 1];
        let (mut counted, mut owned) = (0.0, 0.0);
        for edge in 1..=BINS {
            counted += f64::from(self.counts.get(edge - 1).copied().unwrap_or(0));
            owned += own[edge - 1];
            below[edge] = ((counted + PRIOR_WEIGHT * PRIOR[edge]) / total + owned) / (1.0 + own_weight);
        }
        Shape { below }
    }
}

fn bin(stretch_permille: i64) -> usize {
    let n = stretch_permille.max(0) * BINS_PER_UNIT as i64 / 1_000;
    usize::try_from(n).map_or(BINS - 1, |n| n.min(BINS - 1))
}

/// A distribution of stretches.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    /// The share of orders below each edge of the bins. Grows strictly, and ends below 1: the tail goes on.
    below: [f64; BINS + 1],
}

impl Shape {
    /// When an order is ready that is not ready after `elapsed_ms`, as total preparation times, milliseconds: the
    /// mid-points of [`QUANTILES`] equally likely parts of what is left of the distribution. `pace` stretches it all.
    pub fn ready_after(&self, stated_ms: i64, pace: f64, elapsed_ms: i64) -> [i64; QUANTILES] {
        let elapsed_ms = elapsed_ms.max(0);
        let unit_ms = (stated_ms.clamp(0, LONGEST_MS) + BASE_MS) as f64 * pace;
        let gone = (elapsed_ms.saturating_add(BASE_MS)) as f64 / unit_ms;
        let gone_share = self.share_below(gone);
        let left = 1.0 - gone_share;
        let mut edge = bin_of(gone) + 1;
        let mut low = (gone, gone_share);
        let mut answer = [0; QUANTILES];
        for (n, ready_ms) in answer.iter_mut().enumerate() {
            let wanted = gone_share + left * ((2 * n + 1) as f64 / (2 * QUANTILES) as f64);
            while edge <= BINS && self.below[edge] < wanted {
                low = (edge as f64 / BINS_PER_UNIT as f64, self.below[edge]);
                edge += 1;
            }
            let stretch = if edge <= BINS {
                let high = (edge as f64 / BINS_PER_UNIT as f64, self.below[edge]);
                low.0 + (high.0 - low.0) * ((wanted - low.1) / (high.1 - low.1))
            } else {
                // Beyond the histogram: a Pareto tail, in which the time left is a share of the time gone.
                let (from, above) = if gone < END { (END, 1.0 - self.below[BINS]) } else { (gone, left) };
                from * (above / (1.0 - wanted)).sqrt()
            };
            // The cast saturates.
            *ready_ms = ((stretch * unit_ms) as i64 - BASE_MS).max(elapsed_ms.saturating_add(1));
        }
        answer
    }

    fn share_below(&self, stretch: f64) -> f64 {
        let n = bin_of(stretch);
        if n >= BINS {
            // Only shares of what is left count there, so the tail may start anew.
            return self.below[BINS];
        }
        let into = stretch * BINS_PER_UNIT as f64 - n as f64;
        self.below[n] + (self.below[n + 1] - self.below[n]) * into
    }
}

fn bin_of(stretch: f64) -> usize {
    // The cast saturates.
    (stretch * BINS_PER_UNIT as f64) as usize
}
