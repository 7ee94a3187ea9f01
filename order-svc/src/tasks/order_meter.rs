//! Counts orders and measures their stages from the event log.

use pannier_contracts::catch_up::Lifecycle as _;
use pannier_contracts::order::OrderSnapshot;
use pannier_platform::Metrics;
use pannier_platform::event_log::LoggedEvent;
use pannier_platform::telemetry::stages::{Count, Moments};
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounterVec};

use crate::domain::lifecycle::OrderLifecycle;

/// A stage of an order's life, with the events at its beginning and end.
const STAGES: [(&str, &str, &str); 6] = [
    ("pay", "placed", "paid"),
    ("accept", "paid", "accepted"),
    ("prepare", "accepted", "ready"),
    ("pickup", "ready", "delivering"),
    ("ride", "delivering", "delivered"),
    ("door", "placed", "delivered"),
];
/// Bounds of stages, seconds: from an instant payment to an order that takes two hours.
const SECONDS: [f64; 14] =
    [0.5, 1.0, 2.5, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0, 7_200.0];

/// The meters of orders.
pub struct OrderMeter {
    reached: IntCounterVec,
    stages: HistogramVec,
    lateness: Histogram,
    moments: Moments,
}

impl OrderMeter {
    /// Adds the meters to the process's.
    ///
    /// # Panics
    /// When another meter has one of the names.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let lateness = HistogramOpts::new("pannier_order_lateness_seconds", "Delivered after its promise")
            .buckets([vec![0.0], SECONDS[4..].to_vec()].concat());
        Self {
            reached: metrics.counters("pannier_orders_total", "Orders that reached a state", &["state"]),
            stages: metrics.histograms("pannier_order_stage_seconds", "How long stages last", &["stage"], &SECONDS),
            lateness: metrics.add(Histogram::with_opts(lateness).expect("its name is valid")),
            moments: Moments::default(),
        }
    }
}

impl Count for OrderMeter {
    fn count(&mut self, event: &LoggedEvent) {
        if event.aggregate != "order" {
            return;
        }
        let (id, word, at) = (event.aggregate_id, event.word(), event.occurred_at);
        let Ok(order) = event.snapshot::<OrderSnapshot>() else { return };
        if word == order.state.as_str() || word == "placed" {
            self.reached.with_label_values(&[order.state.as_str()]).inc();
        }
        self.moments.reached(id, word, at);
        for (stage, from, _) in STAGES.iter().filter(|(_, _, to)| *to == word) {
            if let Some(seconds) = self.moments.seconds_since(id, from, at) {
                self.stages.with_label_values(&[stage]).observe(seconds);
            }
        }
        if word == "delivered" {
            self.lateness.observe((at - order.promise_at).as_seconds_f64().max(0.0));
        }
        if OrderLifecycle::is_terminal(order.state) {
            self.moments.ended(id);
        }
    }
}
