//! Travel times to counters, computed once: from every door and from where every rider starts. The search asks for the
//! same ones again and again.

use std::cell::Cell;

use crate::travel::{Pace, Point};

/// Where a ride to a counter begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Where a worker is free, by the worker's number.
    Start(u32),
    /// A customer's door, by the job's number.
    Door(u32),
}

/// Travel times from origins to counters, filled when first asked for.
pub(super) struct TravelCache {
    /// Rides from doors are cached for this pace only. Workers with another one are rare.
    common_pace: Pace,
    counters: usize,
    doors: usize,
    /// Milliseconds plus 1; 0 where none has been computed.
    cells: Vec<Cell<u32>>,
}

impl TravelCache {
    pub fn new(jobs: usize, workers: usize, counters: usize, common_pace: Pace) -> Self {
        Self { common_pace, counters, doors: jobs, cells: vec![Cell::new(0); (jobs + workers) * counters] }
    }

    /// The travel time of a worker of this pace from `origin`, which is at `place`, to the counter of a shop, which is at
    /// `counter`; milliseconds.
    #[inline]
    pub fn to_counter_ms(&self, pace: Pace, origin: Origin, place: Point, shop: u32, counter: Point) -> i64 {
        let row = match origin {
            Origin::Door(job) if pace == self.common_pace => job as usize,
            Origin::Door(_) => return pace.travel_ms(place, counter),
            Origin::Start(worker) => self.doors + worker as usize,
        };
        let cell = &self.cells[row * self.counters + shop as usize];
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
