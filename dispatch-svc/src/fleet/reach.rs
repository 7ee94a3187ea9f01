//! How far searches for riders usually have to reach.

use std::sync::atomic::{AtomicU64, Ordering};

/// The reach of the first search, metres.
const FIRST_M: f64 = 500.0;
/// The shortest reach, metres.
const SHORTEST_M: f64 = 100.0;

/// The reach that usually suffices, metres; shared by all searches. It only saves queries: a wrong one costs another query,
/// or riders that were not needed.
#[derive(Debug)]
pub(super) struct UsualReach(AtomicU64);

impl Default for UsualReach {
    fn default() -> Self {
        Self(AtomicU64::new(FIRST_M.to_bits()))
    }
}

impl UsualReach {
    pub fn metres(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    /// Moves to the geometric mean with the reach that a search needed, so that one remote shop has little influence.
    pub fn learn(&self, needed_m: f64) {
        let usual_m = (self.metres() * needed_m.max(SHORTEST_M)).sqrt();
        self.0.store(usual_m.to_bits(), Ordering::Relaxed);
    }
}
