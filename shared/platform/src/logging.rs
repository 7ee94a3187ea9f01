//! JSON log lines on stdout: time, level, message, service, the span's `trace_id` and ids.

use tracing_subscriber::EnvFilter;

/// Starts logging for this process. `RUST_LOG` overrides the level (default `info`).
pub fn start() {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,lapin=warn,actix_server=warn,amq_protocol=warn"));
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .try_init();
}
