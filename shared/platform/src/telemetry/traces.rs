//! Traces, with OpenTelemetry.
//!
//! A trace begins with a request and goes on wherever its changes lead: events keep the context of the change in their row,
//! messages in their headers, consumers continue it. The next request about the same order begins a trace of its own, and
//! *links* to the change before it, so that the whole life of an order can be walked.
//!
//! Without a collector every function here does nothing; contexts are then made by [`Trace`] alone.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use lru::LruCache;
use opentelemetry::trace::{
    Link, Span as _, SpanContext, SpanId, SpanKind, TraceContextExt as _, TraceFlags, TraceId, TraceState, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::WithHttpConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tracing::level_filters::LevelFilter;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;
use uuid::Uuid;

use crate::Tls;
use crate::cause::Trace;

/// The share of traces that are sent when neither `OTEL_TRACES_SAMPLER` nor `OTEL_TRACES_SAMPLER_ARG` says anything.
const SHARE: f64 = 0.1;
/// Aggregates whose newest change is remembered, so that the next one can link to it.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(20_000).expect("not zero");
/// How long sending may take when no variable says otherwise.
const EXPORT_WITHIN: Duration = Duration::from_secs(10);
/// Our crates: spans of libraries would say the same again.
const OURS: [&str; 4] = ["pannier_platform", "order_svc", "merchant_svc", "dispatch_svc"];

static EXPORT: OnceLock<Export> = OnceLock::new();

/// What exists when a collector is named.
struct Export {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    /// The context of each aggregate's newest change.
    newest: Mutex<LruCache<Uuid, String>>,
}

/// The layer that turns spans into OpenTelemetry's; `None` without a collector.
pub(super) fn layer<S: Subscriber + for<'s> LookupSpan<'s>>(
    service: &'static str,
) -> anyhow::Result<Option<impl Layer<S>>> {
    let names = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    if !names("OTEL_EXPORTER_OTLP_ENDPOINT") && !names("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
        return Ok(None);
    }
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(http_client()?)
        .build()
        .context("OTEL_EXPORTER_OTLP_ENDPOINT cannot be used")?;
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let mut provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource);
    if !names("OTEL_TRACES_SAMPLER") {
        let given = std::env::var("OTEL_TRACES_SAMPLER_ARG").ok().and_then(|share| share.parse().ok());
        let share = Sampler::TraceIdRatioBased(given.unwrap_or(SHARE));
        provider = provider.with_sampler(Sampler::ParentBased(Box::new(share)));
    }
    let provider = provider.build();
    let tracer = provider.tracer("pannier");
    let export = Export { provider, tracer: tracer.clone(), newest: Mutex::new(LruCache::new(REMEMBERED)) };
    anyhow::ensure!(EXPORT.set(export).is_ok(), "telemetry is started twice");
    let ours = Targets::new().with_targets(OURS.map(|target| (target, LevelFilter::DEBUG)));
    let layer = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        // Log lines have the ids of their trace; sending them as span events, too, would double them.
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false);
    Ok(Some(layer.with_filter(ours)))
}

/// The exporter's own client would read the machine's trust store at once, and fail where there is none, also when the
/// collector speaks no TLS.
fn http_client() -> anyhow::Result<reqwest::blocking::Client> {
    let names = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
    let set = names.iter().find_map(|name| std::env::var(name).ok()?.parse().ok());
    let timeout = set.map_or(EXPORT_WITHIN, Duration::from_millis);
    // On a thread of its own: a blocking client starts a runtime, which must not happen inside another one.
    let client = std::thread::spawn(move || {
        let tls = Tls::default().config();
        reqwest::blocking::Client::builder().tls_backend_preconfigured(tls).timeout(timeout).build()
    });
    client.join().map_err(|_| anyhow::anyhow!("the thread of the exporter's client panicked"))?.map_err(Into::into)
}

/// Sends what has not been sent.
pub(super) fn flush() {
    if let Some(export) = EXPORT.get() {
        // It fails when the collector is away; then its spans are lost, which is what telemetry may do.
        let _ = export.provider.shutdown();
    }
}

/// Continues `traceparent` with this new span, or begins a trace with it. Returns the context that the span's effects carry.
pub fn enter(span: &Span, traceparent: Option<&str>) -> Trace {
    let given = traceparent.and_then(Trace::parse);
    if EXPORT.get().is_some() {
        if let Some(given) = &given {
            let _ = span.set_parent(Context::new().with_remote_span_context(context_of(given)));
        }
        let context = span.context().span().span_context().clone();
        if context.is_valid() {
            return trace_of(&context);
        }
    }
    given.map_or_else(Trace::begin, |given| given.with_new_span())
}

/// Makes the span a child of `trace`.
pub fn child_of(span: &Span, trace: &Trace) -> Trace {
    enter(span, Some(&trace.traceparent()))
}

/// Links the span to another one.
pub fn link(span: &Span, to: &Trace) {
    if EXPORT.get().is_some() {
        span.add_link(context_of(to));
    }
}

/// Links the current span to the change of this aggregate before, if that belongs to another trace.
pub(crate) fn link_to_newest(aggregate_id: Uuid, trace: &str) {
    if let Some(newest) = newest_of(aggregate_id)
        && newest.trace_id() != trace.get(3..35).unwrap_or_default()
    {
        Span::current().add_link(context_of(&newest));
    }
}

/// Remembers the context of an aggregate's newest change.
pub(crate) fn remember(aggregate_id: Uuid, traceparent: &str) {
    if let Some(export) = EXPORT.get() {
        let mut newest = export.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.put(aggregate_id, traceparent.to_owned());
    }
}

/// The context of an aggregate's newest change, if this process has seen it: for work that no request or message causes.
#[must_use]
pub fn newest_of(aggregate_id: Uuid) -> Option<Trace> {
    let mut newest = EXPORT.get()?.newest.lock().unwrap_or_else(PoisonError::into_inner);
    newest.get(&aggregate_id).and_then(|traceparent| Trace::parse(traceparent))
}

/// Something that has happened already, as a span.
#[derive(Debug)]
pub struct Past {
    /// What it was: `publish order.paid.v1`.
    pub name: Cow<'static, str>,
    /// Which side of a call or message.
    pub kind: SpanKind,
    /// When it began.
    pub began: SystemTime,
    /// When it ended.
    pub ended: SystemTime,
    /// What else is known.
    pub attributes: Vec<KeyValue>,
    /// Spans of other traces that belong to it.
    pub links: Vec<Trace>,
}

/// Whether a collector is named, so that a [`Past`] is worth making.
#[must_use]
pub fn is_on() -> bool {
    EXPORT.get().is_some()
}

/// Records a span that has ended, as a child of `parent` or in a trace of its own. Returns its context; without a collector
/// `None`.
pub fn record(parent: Option<&Trace>, past: Past) -> Option<Trace> {
    let export = EXPORT.get()?;
    let parent = parent.map_or_else(Context::new, |of| Context::new().with_remote_span_context(context_of(of)));
    let links = past.links.iter().map(|to| Link::with_context(context_of(to))).collect();
    let builder = export
        .tracer
        .span_builder(past.name)
        .with_kind(past.kind)
        .with_start_time(past.began)
        .with_attributes(past.attributes)
        .with_links(links);
    let mut span = export.tracer.build_with_context(builder, &parent);
    let trace = trace_of(span.span_context());
    span.end_with_timestamp(past.ended);
    Some(trace)
}

fn context_of(trace: &Trace) -> SpanContext {
    let trace_id = TraceId::from_hex(trace.trace_id()).unwrap_or(TraceId::INVALID);
    let span_id = SpanId::from_hex(trace.span_id()).unwrap_or(SpanId::INVALID);
    let flags = if trace.is_sampled() { TraceFlags::SAMPLED } else { TraceFlags::default() };
    SpanContext::new(trace_id, span_id, flags, true, TraceState::default())
}

fn trace_of(context: &SpanContext) -> Trace {
    Trace::of(context.trace_id().to_string(), context.span_id().to_string(), context.is_sampled())
}
