//! Customers, shops and riders. They know what the APIs tell them, what time it is in the city, and what a person
//! would tell another at the counter or the door; nothing else.

mod customer;
mod directory;
mod jobs;
mod motion;
mod rider;
mod route;
mod shop;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

pub use self::customer::{Wish, follow, place};
pub use self::directory::{Directory, Told};
pub use self::rider::{RiderBot, Services};
pub use self::shop::ShopBot;

/// How many troubles are remembered: the last ones.
const TROUBLES: usize = 200;

/// What the bots did, for the one who watches.
#[derive(Debug, Default)]
pub struct Counters {
    /// Orders that were acknowledged.
    pub placed: AtomicU64,
    /// Orders that could not be placed.
    pub unplaced: AtomicU64,
    /// Orders that their customer saw delivered.
    pub delivered: AtomicU64,
    /// Orders that their customer saw end otherwise.
    pub ended: AtomicU64,
    /// Riders on shift.
    pub on_shift: AtomicU64,
    troubles: Mutex<VecDeque<String>>,
}

impl Counters {
    /// Something happened that should not happen on a good day.
    pub fn trouble(&self, what: String) {
        tracing::debug!("{what}");
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if troubles.len() == TROUBLES {
            troubles.pop_front();
        }
        troubles.push_back(what);
    }

    /// The last troubles.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Orders that are on their way.
    #[must_use]
    pub fn open(&self) -> u64 {
        let over = self.delivered.load(Ordering::Relaxed) + self.ended.load(Ordering::Relaxed);
        self.placed.load(Ordering::Relaxed).saturating_sub(over)
    }
}
