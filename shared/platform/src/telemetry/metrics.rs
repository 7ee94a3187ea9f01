//! The metrics of one process. `docs/telemetry.md` says what each means.
//!
//! Names are those of the OpenTelemetry semantic conventions where there is one, in the form that Prometheus gives them. No
//! label has an order, a person or a path with ids: every combination of labels is kept for ever.

use std::sync::Arc;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::process::Process;

/// Bounds of requests, transactions and batches, seconds: those that the conventions give for HTTP.
const BRIEF: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The meters of one process, by what is measured. Clones are the same meters.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Meters>);

#[derive(Debug)]
struct Meters {
    registry: Registry,
    requests: HistogramVec,
    active_requests: IntGauge,
    calls: HistogramVec,
    database: HistogramVec,
    sent: IntCounterVec,
    batches: HistogramVec,
    messages: IntCounterVec,
    consumers: IntGaugeVec,
    streams: IntGaugeVec,
    leases: IntGauge,
}

impl Default for Metrics {
    /// Meters that nobody reads: for tools and tests.
    fn default() -> Self {
        Self::new("unnamed", env!("CARGO_PKG_VERSION"))
    }
}

impl Metrics {
    /// The meters of the process `service` of this version.
    #[must_use]
    pub fn new(service: &str, version: &str) -> Self {
        let registry = Registry::new();
        let keeper = Keeper(&registry);
        let meters = Meters {
            requests: keeper.histograms(
                "http_server_request_duration_seconds",
                "Until the response begins",
                &["http_request_method", "http_route", "http_response_status_code"],
                &BRIEF,
            ),
            active_requests: keeper
                .keep(IntGauge::new("http_server_active_requests", "Requests being answered").expect(VALID)),
            calls: keeper.histograms(
                "http_client_request_duration_seconds",
                "Calls of another service or the gateway",
                &["server_address", "http_response_status_code"],
                &BRIEF,
            ),
            database: keeper.histograms(
                "db_client_operation_duration_seconds",
                "Transactions and reads, with waiting for a connection",
                &["db_operation_name"],
                &BRIEF,
            ),
            sent: keeper.counters(
                "messaging_client_sent_messages_total",
                "Events that the relay published",
                &["messaging_destination_name", "outcome"],
            ),
            batches: keeper.histograms(
                "messaging_process_duration_seconds",
                "One batch of a queue",
                &["messaging_destination_name"],
                &BRIEF,
            ),
            messages: keeper.counters(
                "pannier_messages_total",
                "Messages by what became of them",
                &["queue", "outcome"],
            ),
            consumers: keeper.gauges("pannier_consumer_connected", "1 while the queue is consumed", &["queue"]),
            streams: keeper.gauges("pannier_streams", "Open event streams", &["route"]),
            leases: keeper.keep(IntGauge::new("pannier_leases_held", "Leases that this instance holds").expect(VALID)),
            registry: registry.clone(),
        };
        keeper
            .gauges("pannier_build_info", "Always 1", &["service", "version"])
            .with_label_values(&[service, version])
            .set(1);
        keeper.keep(Process::new());
        Self(Arc::new(meters))
    }

    /// Adds a service's own meters to the process's.
    ///
    /// # Panics
    /// When another meter has the name already: a mistake that the first test shows.
    pub fn add<C: Collector + Clone + 'static>(&self, meter: C) -> C {
        Keeper(&self.0.registry).keep(meter)
    }

    /// Adds counters by label.
    ///
    /// # Panics
    /// As [`Self::add`].
    #[must_use]
    pub fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        Keeper(&self.0.registry).counters(name, help, labels)
    }

    /// Adds one counter.
    ///
    /// # Panics
    /// As [`Self::add`].
    #[must_use]
    pub fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.add(IntCounter::new(name, help).expect(VALID))
    }

    /// Adds histograms by label, with bounds in seconds.
    ///
    /// # Panics
    /// As [`Self::add`].
    #[must_use]
    pub fn histograms(&self, name: &str, help: &str, labels: &[&str], bounds: &[f64]) -> HistogramVec {
        Keeper(&self.0.registry).histograms(name, help, labels, bounds)
    }

    /// All of them, to be written out.
    #[must_use]
    pub fn gather(&self) -> Vec<prometheus::proto::MetricFamily> {
        self.0.registry.gather()
    }

    pub(crate) fn request_begins(&self) {
        self.0.active_requests.inc();
    }

    pub(crate) fn request_ends(&self) {
        self.0.active_requests.dec();
    }

    pub(crate) fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        self.0.requests.with_label_values(&[method, route, &status.to_string()]).observe(took.as_secs_f64());
    }

    /// A call of another service has ended; `status` is `None` when there was no answer.
    pub fn called(&self, server: &str, status: Option<u16>, took: Duration) {
        let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        self.0.calls.with_label_values(&[server, &status]).observe(took.as_secs_f64());
    }

    pub(crate) fn used_database(&self, operation: &str, took: Duration) {
        self.0.database.with_label_values(&[operation]).observe(took.as_secs_f64());
    }

    pub(crate) fn sent(&self, exchange: &str, outcome: &str, events: usize) {
        self.0.sent.with_label_values(&[exchange, outcome]).inc_by(events as u64);
    }

    pub(crate) fn processed(&self, queue: &str, took: Duration) {
        self.0.batches.with_label_values(&[queue]).observe(took.as_secs_f64());
    }

    pub(crate) fn messages(&self, queue: &str, outcome: &str, messages: usize) {
        self.0.messages.with_label_values(&[queue, outcome]).inc_by(messages as u64);
    }

    /// Counts the queue as consumed until the guard is dropped.
    pub(crate) fn consuming(&self, queue: &str) -> Counted {
        Counted::up(self.0.consumers.with_label_values(&[queue]))
    }

    /// Shows a queue before its first connection, so that one that is never consumed can be seen.
    pub(crate) fn expect_consumer(&self, queue: &str) {
        self.0.consumers.with_label_values(&[queue]).set(0);
    }

    pub(crate) fn holding_lease(&self) -> Counted {
        Counted::up(self.0.leases.clone())
    }

    pub(crate) fn streaming(&self, route: &str) -> Counted {
        Counted::up(self.0.streams.with_label_values(&[route]))
    }
}

/// One more in a gauge, until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted(IntGauge);

impl Counted {
    fn up(gauge: IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

const VALID: &str = "metric names in the source are valid, and used once";

/// Creates meters and registers them.
struct Keeper<'a>(&'a Registry);

impl Keeper<'_> {
    fn keep<C: Collector + Clone + 'static>(&self, meter: C) -> C {
        self.0.register(Box::new(meter.clone())).expect(VALID);
        meter
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.keep(IntCounterVec::new(Opts::new(name, help), labels).expect(VALID))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.keep(IntGaugeVec::new(Opts::new(name, help), labels).expect(VALID))
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str], bounds: &[f64]) -> HistogramVec {
        let options = HistogramOpts::new(name, help).buckets(bounds.to_vec());
        self.keep(HistogramVec::new(options, labels).expect(VALID))
    }
}
