//! Counts offers and measures how long deliveries wait for a rider, from the event log.

use pannier_contracts::delivery::DeliveryState;
use pannier_contracts::offer::OfferSnapshot;
use pannier_platform::Metrics;
use pannier_platform::event_log::LoggedEvent;
use pannier_platform::telemetry::stages::{Count, Moments};
use prometheus::{Histogram, HistogramOpts, IntCounterVec};

/// Bounds, seconds. The objective is a minute.
const SECONDS: [f64; 12] = [1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 300.0, 600.0];

const OFFERED: &str = DeliveryState::Offered.as_str();

/// The meters of offers.
pub struct OfferMeter {
    offers: IntCounterVec,
    assign: Histogram,
    moments: Moments,
}

impl OfferMeter {
    /// Adds the meters to the process's.
    ///
    /// # Panics
    /// When another meter has one of the names.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let assign =
            HistogramOpts::new("pannier_assign_seconds", "From the first offer of a delivery to its assignment")
                .buckets(SECONDS.to_vec());
        Self {
            offers: metrics.counters("pannier_offers_total", "Offers by what became of them", &["outcome"]),
            assign: metrics.add(Histogram::with_opts(assign).expect("its name is valid")),
            moments: Moments::default(),
        }
    }
}

impl Count for OfferMeter {
    fn count(&mut self, event: &LoggedEvent) {
        let (id, word, at) = (event.aggregate_id, event.word(), event.occurred_at);
        match event.aggregate.as_str() {
            "offer" => {
                if let Ok(offer) = event.snapshot::<OfferSnapshot>() {
                    self.offers.with_label_values(&[offer.state.as_str()]).inc();
                }
            }
            "delivery" if word == OFFERED => self.moments.reached(id, OFFERED, at),
            "delivery" if word == DeliveryState::Assigned.as_str() => {
                if let Some(seconds) = self.moments.seconds_since(id, OFFERED, at) {
                    self.assign.observe(seconds);
                }
                // A reassigned delivery is searched for again, from its next offer on.
                self.moments.ended(id);
            }
            // Any other change before the pickup: it is still searched for, or has ended. Memory has a limit.
            _ => {}
        }
    }
}
