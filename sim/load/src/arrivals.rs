//! Open-loop arrivals: orders arrive at their rate even when the platform falls behind, and latency counts from the time at
//! which an order was due, not from when it was sent.

use std::time::Duration;

use rand::RngExt as _;
use rand_pcg::Pcg64;
use tokio::time::Instant;

/// A Poisson process. A seed gives the same sequence at any rate, scaled in time.
#[derive(Debug)]
pub struct Arrivals {
    rng: Pcg64,
    per_second: f64,
    next: Instant,
    end: Instant,
}

impl Arrivals {
    /// Arrivals at a mean rate, from now for `lasting`.
    #[must_use]
    pub fn new(per_second: f64, lasting: Duration, seed: u64) -> Self {
        let now = Instant::now();
        let mut arrivals = Self { rng: Pcg64::new(u128::from(seed), 0), per_second, next: now, end: now + lasting };
        arrivals.schedule_next();
        arrivals
    }

    /// Waits for the next arrival and returns its due time, which may be in the past; none at the end. Cancel safe: after a
    /// cancelled call, the next call waits for the same arrival.
    pub async fn next(&mut self) -> Option<Instant> {
        let at = self.next;
        if at >= self.end {
            tokio::time::sleep_until(self.end).await;
            return None;
        }
        tokio::time::sleep_until(at).await;
        self.schedule_next();
        Some(at)
    }

    fn schedule_next(&mut self) {
        // 1 − u is in (0, 1], so the logarithm is finite.
        let u: f64 = self.rng.random();
        self.next += Duration::from_secs_f64(-(1.0 - u).ln() / self.per_second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(seed: u64) -> Vec<Duration> {
        let mut arrivals = Arrivals::new(50.0, Duration::from_secs(20), seed);
        let began = arrivals.end - Duration::from_secs(20);
        let mut times = Vec::new();
        while arrivals.next < arrivals.end {
            times.push(arrivals.next - began);
            arrivals.schedule_next();
        }
        times
    }

    #[test]
    fn the_rate_is_met_and_a_seed_repeats() {
        let seven = times(7);
        // Three standard deviations of a Poisson variable around 1,000.
        assert!((905..=1_095).contains(&seven.len()), "{}", seven.len());
        assert!(seven.is_sorted());
        assert_eq!(seven, times(7));
        assert_ne!(seven, times(8));
    }
}
