//! What the bots did, for progress displays and reports.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The number of warnings that are kept: the latest ones.
const WARNINGS_MAX: usize = 200;

/// Counts of all bots of a city together.
#[derive(Debug, Default)]
pub struct Counters {
    /// Orders that were acknowledged.
    pub placed: AtomicU64,
    /// Orders that could not be placed.
    pub unplaced: AtomicU64,
    /// Orders that their customer saw delivered.
    pub delivered: AtomicU64,
    /// Orders that their customer saw end in another state.
    pub ended: AtomicU64,
    /// Riders on shift now.
    pub on_shift: AtomicU64,
    warnings: Mutex<VecDeque<String>>,
}

impl Counters {
    /// Records something that should not happen while the platform works.
    pub fn warn(&self, message: String) {
        tracing::debug!("{message}");
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.len() == WARNINGS_MAX {
            warnings.pop_front();
        }
        warnings.push_back(message);
    }

    /// The latest warnings, oldest first.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Orders that are placed and have not ended.
    #[must_use]
    pub fn open(&self) -> u64 {
        let over = self.delivered.load(Ordering::Relaxed) + self.ended.load(Ordering::Relaxed);
        self.placed.load(Ordering::Relaxed).saturating_sub(over)
    }
}
