//! Open-loop arrivals: customers do not wait for each other. A platform that falls behind is not spared the next one,
//! and latency counts from the moment at which somebody wanted to tap, not from when it was their turn.

use std::time::Duration;

use rand::RngExt as _;
use rand_pcg::Pcg64;
use tokio::time::Instant;

/// Moments of a Poisson process: as people come, with crowds and gaps. The same seed, the same crowds, at any rate.
#[derive(Debug)]
pub struct Arrivals {
    rng: Pcg64,
    per_second: f64,
    next: Instant,
    until: Instant,
}

impl Arrivals {
    /// So many a second on average, from now on for so long.
    #[must_use]
    pub fn new(per_second: f64, lasting: Duration, seed: u64) -> Self {
        let now = Instant::now();
        let mut arrivals = Self { rng: Pcg64::new(u128::from(seed), 0), per_second, next: now, until: now + lasting };
        arrivals.advance();
        arrivals
    }

    /// Waits for the next arrival and gives its moment, which may have passed already; none when the time is over.
    /// Whoever stops waiting loses nothing: the next call waits for the same arrival.
    pub async fn next(&mut self) -> Option<Instant> {
        let at = self.next;
        if at >= self.until {
            tokio::time::sleep_until(self.until).await;
            return None;
        }
        tokio::time::sleep_until(at).await;
        self.advance();
        Some(at)
    }

    fn advance(&mut self) {
        // 1 − u is in (0, 1], so the logarithm is finite.
        let u: f64 = self.rng.random();
        self.next += Duration::from_secs_f64(-(1.0 - u).ln() / self.per_second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(seed: u64) -> Vec<Duration> {
        let mut arrivals = Arrivals::new(50.0, Duration::from_secs(20), seed);
        let began = arrivals.until - Duration::from_secs(20);
        let mut moments = Vec::new();
        while arrivals.next < arrivals.until {
            moments.push(arrivals.next - began);
            arrivals.advance();
        }
        moments
    }

    #[test]
    fn as_many_come_as_were_offered_and_always_the_same() {
        let seven = moments(7);
        // Three standard deviations of a Poisson variable around 1,000.
        assert!((905..=1_095).contains(&seven.len()), "{}", seven.len());
        assert!(seven.is_sorted());
        assert_eq!(seven, moments(7));
        assert_ne!(seven, moments(8));
    }
}
