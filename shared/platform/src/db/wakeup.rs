//! Tasks that are woken by commits of the same process.

use std::sync::Arc;

use tokio::sync::Notify;

/// A task that a commit wakes. A wake-up carries no data: the task reads the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wakeup {
    /// The event log: events were written.
    EventLog,
    /// The task that fires timers: one is due soon.
    Timers,
    /// The payment reconciler: a payment has work.
    Payments,
}

/// One listener each. A wake-up while it is busy is kept, so it runs once more.
#[derive(Debug, Default)]
pub(super) struct Wakeups([Arc<Notify>; 3]);

impl Wakeups {
    pub(super) fn of(&self, wakeup: Wakeup) -> &Arc<Notify> {
        &self.0[wakeup as usize]
    }
}
