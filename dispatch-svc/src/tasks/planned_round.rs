//! The spans of a plan that sent offers: the round in a trace of its own, and each offer in its delivery's trace, linked.

use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use pannier_contracts::zone::DispatchAlgorithm;
use pannier_contracts::{DeliveryId, ZoneId};
use pannier_platform::telemetry::traces::{self, Past};

/// A plan, and when it was made.
pub(super) struct PlannedRound<'a> {
    pub zone: &'a ZoneId,
    /// When the engine was asked.
    pub began: SystemTime,
    /// When it answered.
    pub planned: SystemTime,
    /// Who answered.
    pub algorithm: DispatchAlgorithm,
}

impl PlannedRound<'_> {
    /// Records the spans, once the offers of these deliveries are written. Most plans send none, and have no span.
    pub(super) fn trace(&self, offered: &[DeliveryId]) {
        if offered.is_empty() || !traces::is_on() {
            return;
        }
        let written = SystemTime::now();
        let deliveries: Vec<_> = offered.iter().filter_map(|id| Some((id, traces::newest_of(id.0)?))).collect();
        let attributes = vec![
            KeyValue::new("pannier.zone", self.zone.to_string()),
            KeyValue::new("pannier.algorithm", self.algorithm.as_str()),
            KeyValue::new("pannier.offers", i64::try_from(offered.len()).unwrap_or(i64::MAX)),
        ];
        let past = |name: &'static str, began, ended, attributes, links| Past {
            name: name.into(),
            kind: SpanKind::Internal,
            began,
            ended,
            attributes,
            links,
        };
        let links = deliveries.iter().map(|(_, trace)| trace.clone()).collect();
        let Some(round) = traces::record(None, past("round", self.began, written, attributes, links)) else { return };
        traces::record(Some(&round), past("plan", self.began, self.planned, Vec::new(), Vec::new()));
        for (id, delivery) in deliveries {
            let attributes = vec![KeyValue::new("pannier.delivery", id.to_string())];
            let offer = past("offer", self.planned, written, attributes, vec![round.clone()]);
            traces::record(Some(&delivery), offer);
        }
    }
}
