//! Travel times that the search asks for again and again, computed once.
//!
//! From every door and from where every rider starts, to every counter. Most riders of a city are equally fast; whoever
//! is not is computed anew each time.

use std::cell::Cell;

use super::problem::{Job, Worker};
use crate::Point;
use crate::travel::Pace;

/// Where somebody comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// Where a rider is free, by number.
    Start(u32),
    /// A customer's door, by the number of the delivery.
    Door(u32),
}

/// Lazily filled tables.
pub(super) struct Ways {
    common: Pace,
    counters: usize,
    doors: usize,
    /// Milliseconds plus 1; 0 where nobody has asked.
    known: Vec<Cell<u32>>,
}

impl Ways {
    pub fn new(jobs: &[Job], workers: &[Worker], counters: usize, common: Pace) -> Self {
        let known = vec![Cell::new(0); (jobs.len() + workers.len()) * counters];
        Self { common, counters, doors: jobs.len(), known }
    }

    /// From there to a counter.
    #[inline]
    pub fn to_counter_ms(&self, pace: Pace, from: From, place: Point, shop: u32, counter: Point) -> i64 {
        let site = match from {
            From::Door(job) if pace == self.common => job as usize,
            From::Door(_) => return pace.travel_ms(place, counter),
            From::Start(worker) => self.doors + worker as usize,
        };
        let cell = &self.known[site * self.counters + shop as usize];
        let known = cell.get();
        if known > 0 {
            return i64::from(known - 1);
        }
        let ms = pace.travel_ms(place, counter);
        if let Ok(small) = u32::try_from(ms)
            && small < u32::MAX
        {
            cell.set(small + 1);
        }
        ms
    }
}
