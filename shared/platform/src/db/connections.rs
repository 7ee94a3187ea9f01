//! The pool of connections in numbers.

use crate::telemetry::gauges::Gauge;

/// How the pool is used at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// At most so many.
    pub max: usize,
    /// In use.
    pub used: usize,
    /// Open and not in use.
    pub idle: usize,
    /// Callers that wait for one.
    pub pending: usize,
}

impl Connections {
    /// As metrics, with the names of the semantic conventions.
    #[must_use]
    pub fn gauges(&self) -> [Gauge; 3] {
        let in_state = |state: &str, number: usize| (vec![state.to_owned()], number as f64);
        [
            Gauge {
                name: "db_client_connection_count",
                help: "Connections to the database",
                labels: &["db_client_connection_state"],
                series: vec![in_state("used", self.used), in_state("idle", self.idle)],
            },
            Gauge {
                name: "db_client_connection_max",
                help: "The most connections",
                labels: &[],
                series: vec![(Vec::new(), self.max as f64)],
            },
            Gauge {
                name: "db_client_connection_pending_requests",
                help: "Callers that wait for a connection",
                labels: &[],
                series: vec![(Vec::new(), self.pending as f64)],
            },
        ]
    }
}
