//! A trip by indexes: to the counter of one shop, then to the doors of its jobs. The search copies trips very often, so
//! a trip is `Copy` and allocates nothing.

/// In the place of a shop: the rider is at no counter.
pub(super) const NO_SHOP: u32 = u32::MAX;

/// A trip whose jobs are indexes into [`Problem::jobs`](super::problem::Problem::jobs). The shop has the number that it
/// has in these jobs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct IndexedTrip {
    pub shop: u32,
    len: u8,
    jobs: [u32; Self::MOST],
}

impl IndexedTrip {
    /// The most deliveries of one trip. A policy cannot allow more.
    pub const MOST: usize = 6;

    pub fn new(shop: u32, job: u32) -> Self {
        let mut jobs = [0; Self::MOST];
        jobs[0] = job;
        Self { shop, len: 1, jobs }
    }

    /// The jobs, in the sequence of the drop-offs; at least one.
    pub fn jobs(&self) -> &[u32] {
        &self.jobs[..usize::from(self.len)]
    }

    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    pub fn position(&self, job: u32) -> Option<usize> {
        self.jobs().iter().position(|j| *j == job)
    }

    /// Adds a job at a position of the sequence. There must be room.
    pub fn insert(&mut self, position: usize, job: u32) {
        let len = self.len();
        debug_assert!(len < Self::MOST && position <= len);
        self.jobs.copy_within(position..len, position + 1);
        self.jobs[position] = job;
        self.len += 1;
    }

    /// Removes the job at a position. A trip with one job must be removed as a whole instead.
    pub fn remove(&mut self, position: usize) {
        self.jobs.copy_within(position + 1..usize::from(self.len), position);
        self.len -= 1;
    }
}

/// Removes a job from a list of trips, and its trip if that had no other job.
pub(super) fn remove_job(trips: &mut Vec<IndexedTrip>, job: u32) {
    let found = trips.iter().enumerate().find_map(|(n, trip)| Some((n, trip.position(job)?)));
    let Some((n, position)) = found else { return };
    if trips[n].len() == 1 {
        trips.remove(n);
    } else {
        trips[n].remove(position);
    }
}
