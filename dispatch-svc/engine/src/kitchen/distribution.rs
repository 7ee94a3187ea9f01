//! The distribution of preparation times around the expected one, the same for all shops.
//!
//! Everything is measured in **stretch**: (time taken + [`BASE_MS`]) / (time stated + [`BASE_MS`]). It lies between a
//! ratio and a difference, because neither fits: a kitchen that states 5 minutes is often late by a half, one that states
//! 40 minutes hardly ever. The spread of the stretch is nearly the same in all shops, so they can share one histogram.

use serde::{Deserialize, Serialize};

/// How many equally likely times describe when food will be ready: the quantiles 1/16, 3/16, … 15/16.
pub const QUANTILES: usize = 8;

/// What every order takes besides the cooking, milliseconds: reading the ticket, packing.
const BASE_MS: i64 = 480_000;
/// Longer times count as this long, milliseconds: a forgotten ticket is not a preparation time.
const LONGEST_MS: i64 = 86_400_000;
/// Bins of the histogram per unit of stretch.
const BINS_PER_UNIT: usize = 20;
/// The histogram ends at a stretch of 4.8.
const BINS: usize = 96;
/// The stretch at which the histogram ends.
const END: f64 = BINS as f64 / BINS_PER_UNIT as f64;

/// The median stretch of the prior. Its mean is 1, so that the first estimates are centred on the statements.
const MEDIAN: f64 = 0.98;
/// The share of orders in the prior that go seriously wrong.
const WRONG: f64 = 0.02;
/// The prior counts like so many orders.
const PRIOR_WEIGHT: f64 = 200.0;
/// After so many orders all counts are halved, so that older ones decay.
const FADES_AT: u32 = 4_000;

/// The stretch of an order, thousandths.
pub(super) fn stretch_permille(stated_ms: i64, took_ms: i64) -> i64 {
    (took_ms.clamp(0, LONGEST_MS) + BASE_MS) * 1_000 / (stated_ms.clamp(0, LONGEST_MS) + BASE_MS)
}

/// The prior, as the share of orders below each edge of the bins: a mixture of two log-logistic distributions,
/// F(x) = xᵏ / (mᵏ + xᵏ), with k = 8 for most orders and k = 3 for those that go wrong.
///
/// Preparation times are skewed to the right, and an order that is late tends to become later still. The log-logistic
/// distribution of survival analysis has both properties: in its tail the remaining time is a share of the time gone by.
/// It needs no library function. k = 8 spreads 15 minutes stated by about 5 minutes, as restaurants in Grubhub's public meal
/// delivery routing library do around their own means.
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

/// The mean stretch of the prior, thousandths; see [`MEDIAN`].
const PRIOR_MEAN_PERMILLE: i64 = 1_000;

/// The histogram of all shops: stretches relative to the shop's bias and load. Older orders decay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pool {
    /// Orders per bin; empty until the first one.
    counts: Vec<u32>,
    orders: u32,
    sum_permille: i64,
}

impl Pool {
    /// Adds an order.
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

    /// The distribution of stretches with single observations mixed in: pairs of a stretch in thousandths and a weight,
    /// where the whole pool weighs 1.
    pub fn mixed_with(&self, recent: impl Iterator<Item = (i64, f64)>) -> Distribution {
        let mut own = [0.0; BINS];
        let mut own_weight = 0.0;
        for (stretch_permille, weight) in recent {
            own[bin(stretch_permille)] += weight;
            own_weight += weight;
        }
        let total = f64::from(self.orders) + PRIOR_WEIGHT;
        let mut below = [0.0; BINS + 1];
        let (mut below_pool, mut below_own) = (0.0, 0.0);
        for edge in 1..=BINS {
            below_pool += f64::from(self.counts.get(edge - 1).copied().unwrap_or(0));
            below_own += own[edge - 1];
            below[edge] = ((below_pool + PRIOR_WEIGHT * PRIOR[edge]) / total + below_own) / (1.0 + own_weight);
        }
        Distribution { below }
    }
}

fn bin(stretch_permille: i64) -> usize {
    let n = stretch_permille.max(0) * BINS_PER_UNIT as i64 / 1_000;
    usize::try_from(n).map_or(BINS - 1, |n| n.min(BINS - 1))
}

/// A distribution of stretches.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Distribution {
    /// The share of orders below each edge of the bins. It grows strictly and ends below 1, because of the tail.
    below: [f64; BINS + 1],
}

impl Distribution {
    /// The whole preparation time of an order that is not ready after `elapsed_ms`, milliseconds: the mid-points of
    /// [`QUANTILES`] equally likely parts of the rest of the distribution. `factor` multiplies every stretch.
    pub fn ready_after(&self, stated_ms: i64, factor: f64, elapsed_ms: i64) -> [i64; QUANTILES] {
        let elapsed_ms = elapsed_ms.max(0);
        let unit_ms = (stated_ms.clamp(0, LONGEST_MS) + BASE_MS) as f64 * factor;
        let elapsed = (elapsed_ms.saturating_add(BASE_MS)) as f64 / unit_ms;
        let elapsed_share = self.share_below(elapsed);
        let left = 1.0 - elapsed_share;
        let mut edge = bin_of(elapsed) + 1;
        let mut low = (elapsed, elapsed_share);
        let mut answer = [0; QUANTILES];
        for (n, ready_ms) in answer.iter_mut().enumerate() {
            let wanted = elapsed_share + left * ((2 * n + 1) as f64 / (2 * QUANTILES) as f64);
            while edge <= BINS && self.below[edge] < wanted {
                low = (edge as f64 / BINS_PER_UNIT as f64, self.below[edge]);
                edge += 1;
            }
            let stretch = if edge <= BINS {
                let high = (edge as f64 / BINS_PER_UNIT as f64, self.below[edge]);
                low.0 + (high.0 - low.0) * ((wanted - low.1) / (high.1 - low.1))
            } else {
                // Beyond the histogram: a Pareto tail, in which the remaining time is a share of the time gone by.
                let (from, above) = if elapsed < END { (END, 1.0 - self.below[BINS]) } else { (elapsed, left) };
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
            // In the tail only shares of the rest count, so it may begin at any point.
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
