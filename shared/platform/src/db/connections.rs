//! The pool of connections in numbers.

use prometheus::core::Collector as _;
use prometheus::proto::MetricFamily;
use prometheus::{IntGaugeVec, Opts};

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
    pub fn families(&self) -> Vec<MetricFamily> {
        let all: [(&str, &str, &[&str], &[(&[&str], usize)]); 3] = [
            (
                "db_client_connection_count",
                "Connections to the database",
                &["db_client_connection_state"],
                &[(&["used"], self.used), (&["idle"], self.idle)],
            ),
            ("db_client_connection_max", "The most connections", &[], &[(&[], self.max)]),
            (
                "db_client_connection_pending_requests",
                "Callers that wait for a connection",
                &[],
                &[(&[], self.pending)],
            ),
        ];
        let families = all.into_iter().filter_map(|(name, help, labels, series)| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), labels).ok()?;
            for (values, number) in series {
                gauge.with_label_values(values).set(i64::try_from(*number).unwrap_or(i64::MAX));
            }
            Some(gauge.collect())
        });
        families.flatten().collect()
    }
}
