//! How far a reader of the event log is.

use std::sync::Arc;

use super::tx_snapshot::TxSnapshot;

/// How far the log has been read: every event whose transaction `seen` sees.
#[derive(Debug, Clone)]
pub struct Position {
    /// The transactions that were visible.
    pub seen: Arc<TxSnapshot>,
    /// The database cluster and its timeline. Transaction ids of another one (after a restore or a failover) mean nothing.
    pub epoch: Arc<str>,
}
