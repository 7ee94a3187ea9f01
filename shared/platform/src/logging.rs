//! JSON log lines on stdout: time, level, message, fields, and the fields of the current span such as `trace_id`.

use tracing_subscriber::EnvFilter;

/// Starts logging. `RUST_LOG` overrides the level (default `info`). A second call does nothing.
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
