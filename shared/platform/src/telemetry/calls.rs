//! Calls of another service: each is measured, is a span, and carries the trace on.

use std::time::Instant;

use reqwest::{RequestBuilder, Response};
use tracing::Instrument as _;

use super::{Metrics, traces};
use crate::cause::Trace;

/// Sends a request of a [`Trace`] to `server`, the word for it in metrics and spans: `order-svc`.
///
/// # Errors
/// When there is no answer.
pub async fn send(
    metrics: &Metrics,
    server: &'static str,
    what: &str,
    trace: &Trace,
    request: RequestBuilder,
) -> reqwest::Result<Response> {
    let span = tracing::debug_span!(
        "call",
        otel.name = format!("{what} {server}"),
        otel.kind = "client",
        server.address = server,
        http.response.status_code = tracing::field::Empty
    );
    let trace = traces::child_of(&span, trace);
    let began = Instant::now();
    let answer = request.header("traceparent", trace.traceparent()).send().instrument(span.clone()).await;
    let status = answer.as_ref().ok().map(|response| response.status().as_u16());
    span.record("http.response.status_code", status);
    metrics.called(server, status, began.elapsed());
    answer
}
