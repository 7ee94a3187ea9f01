//! Who makes a change, and in which trace.

use rand::RngExt as _;
use tracing::Span;
use uuid::Uuid;

use crate::telemetry::traces;

/// W3C trace context: the ids that log lines, events and messages of one request share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    trace_id: String,
    span_id: String,
    /// Whether its spans are sent to a collector.
    is_sampled: bool,
}

impl Trace {
    /// A new trace.
    #[must_use]
    pub fn begin() -> Self {
        let mut rng = rand::rng();
        Self {
            trace_id: format!("{:032x}", rng.random::<u128>() | 1),
            span_id: format!("{:016x}", rng.random::<u64>() | 1),
            is_sampled: true,
        }
    }

    /// The context of a span.
    pub(crate) fn of(trace_id: String, span_id: String, is_sampled: bool) -> Self {
        Self { trace_id, span_id, is_sampled }
    }

    /// The trace of a `traceparent` header, with a new span. A missing or invalid header begins a new trace, as W3C requires.
    #[must_use]
    pub fn continue_from(traceparent: Option<&str>) -> Self {
        traceparent.and_then(Self::parse).map_or_else(Self::begin, Self::with_new_span)
    }

    pub(crate) fn with_new_span(self) -> Self {
        Self { span_id: Self::begin().span_id, ..self }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |s: &str, n: usize| s.len() == n && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let is_id = |s: &str, n: usize| is_hex(s, n) && s.bytes().any(|b| b != b'0');
        (is_hex(version, 2) && version != "ff" && is_hex(flags, 2) && is_id(trace_id, 32) && is_id(span_id, 16)).then(
            || Self {
                trace_id: trace_id.to_owned(),
                span_id: span_id.to_owned(),
                is_sampled: u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1),
            },
        )
    }

    /// 32 hex digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// 16 hex digits.
    #[must_use]
    pub fn span_id(&self) -> &str {
        &self.span_id
    }

    /// Whether its spans are sent to a collector.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.is_sampled
    }

    /// The `traceparent` header for requests and messages that this trace causes.
    #[must_use]
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace_id, self.span_id, u8::from(self.is_sampled))
    }
}

/// Stored with every event.
#[derive(Debug, Clone)]
pub struct Cause {
    /// `customer:cus_…`, `timer:acceptance`, `consumer:merchant.order`.
    pub actor: String,
    /// The trace it belongs to.
    pub trace: Trace,
}

impl Cause {
    /// A cause in a new trace, for timers and sweepers.
    #[must_use]
    pub fn of(actor: impl Into<String>) -> Self {
        Self { actor: actor.into(), trace: Trace::begin() }
    }

    /// The same actor, in the trace of this aggregate's newest change if the process knows it: for work that no request or
    /// message causes, which would begin a trace of its own.
    #[must_use]
    pub fn about(&self, aggregate_id: Uuid) -> Self {
        let trace = traces::newest_of(aggregate_id).unwrap_or_else(|| self.trace.clone());
        Self { actor: self.actor.clone(), trace }
    }

    /// A cause whose work is this new span, in the trace of a message or a row. The span gets the field `trace_id`.
    #[must_use]
    pub fn within(actor: impl Into<String>, span: &Span, traceparent: Option<&str>) -> Self {
        let trace = traces::enter(span, traceparent);
        span.record("trace_id", trace.trace_id());
        Self { actor: actor.into(), trace }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_header_is_continued_and_others_begin_a_trace() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(Trace::continue_from(Some(given)).trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        for bad in [
            "",
            "00-0-0-0",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            let t = Trace::continue_from(Some(bad));
            assert_eq!(t.trace_id().len(), 32);
            assert_ne!(t.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        }
    }
}
