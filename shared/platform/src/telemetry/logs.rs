//! Logs: one JSON object a line on stdout, with time, level, message, fields, and the fields of the current span such as
//! `trace_id`. Panics, too.

use tracing::Subscriber;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer};

/// `RUST_LOG` overrides the level (default `info`).
pub(super) fn layer<S: Subscriber + for<'s> LookupSpan<'s>>() -> impl Layer<S> {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,lapin=warn,actix_server=warn,amq_protocol=warn,opentelemetry=warn"));
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_filter(filter)
}

/// Panics are logged like everything else: a second format on stderr would be lost to whoever collects the logs.
pub(super) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let text =
            payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let message = text.unwrap_or("a panic without a message");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let backtrace = std::backtrace::Backtrace::capture();
        let backtrace = match backtrace.status() {
            std::backtrace::BacktraceStatus::Captured => backtrace.to_string(),
            _ => String::new(),
        };
        tracing::error!(place, backtrace, "panicked: {message}");
    }));
}
