//! What a process tells about itself: traces, metrics and logs. `docs/telemetry.md` is the reference.
//!
//! Traces are sent only when `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector; without one they cost nothing. Metrics are
//! always counted, and read from the admin port. Logs go to stdout.

pub mod admin;
pub mod calls;
pub mod gauges;
mod logs;
pub mod metrics;
mod process;
pub mod stages;
pub mod traces;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use self::metrics::Metrics;

/// Keeps the telemetry of a process running; dropping it sends what has not been sent.
#[derive(Debug)]
#[must_use = "the last spans are sent when it is dropped"]
pub struct Telemetry;

impl Telemetry {
    /// Starts logs and, if a collector is named, traces. Call it once, at the beginning of the program; a second call changes
    /// nothing.
    ///
    /// # Errors
    /// When the settings of the collector cannot be used.
    pub fn start(service: &'static str) -> anyhow::Result<Self> {
        let started = tracing_subscriber::registry().with(traces::layer(service)?).with(logs::layer()).try_init();
        if started.is_ok() {
            logs::log_panics();
        }
        Ok(Self)
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        traces::flush();
    }
}
