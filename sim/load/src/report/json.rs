//! The report as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Report, Searches};
use crate::cpu::{ByGroup, Group};
use crate::growth::Details;
use crate::ladder::Lives;
use crate::placing::Placing;
use crate::positions::Positions;
use crate::streams::Streams;

/// The figures that are compared over time.
#[derive(Debug, Clone, Serialize)]
struct Summary<'r> {
    placed_per_s: Option<f64>,
    placed_ratio: Option<f64>,
    place_p99_ms_at_200: Option<f64>,
    lives_per_s: Option<f64>,
    cpu_ms_per_order: BTreeMap<&'static str, Option<f64>>,
    cpu_ms_per_order_at_peak: BTreeMap<&'static str, Option<f64>>,
    transactions_per_order: Option<f64>,
    statements_per_order: Option<f64>,
    wal_bytes_per_order: Option<f64>,
    applied_p50_ms: Option<f64>,
    applied_p99_ms: Option<f64>,
    fixes_per_s: Option<f64>,
    searches_100k_per_s: Option<f64>,
    growth: BTreeMap<&'static str, Option<f64>>,
    rss_mb: BTreeMap<&'static str, Option<f64>>,
    details: AllDetails<'r>,
}

/// The measurements behind the figures.
#[derive(Debug, Clone, Serialize)]
struct AllDetails<'r> {
    messages_per_order: Option<f64>,
    redis_commands_per_order: Option<f64>,
    cpu_measured_at: Option<f64>,
    applied_measured_at: Option<f64>,
    placing: &'r Option<Placing>,
    lives: &'r Option<Lives>,
    streams: &'r Option<Streams>,
    positions: &'r Option<Positions>,
    searches: &'r [Searches],
    growth: Option<&'r Details>,
}

impl Report {
    /// The figures and all details as JSON.
    ///
    /// # Errors
    /// Never in practice: all values are numbers and text.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&self.summary())
    }

    fn summary(&self) -> Summary<'_> {
        let (placing, compared, peak) = (self.placing.as_ref(), self.compared(), self.peak());
        let applied = self.lives.as_ref().and_then(|lives| lives.applied.as_ref());
        Summary {
            placed_per_s: placing.map(|p| p.placed_per_s),
            placed_ratio: placing.map(|p| p.placed_ratio),
            place_p99_ms_at_200: self.place_p99_ms_at(200.0),
            lives_per_s: self.lives.as_ref().and_then(|lives| lives.lives_per_s),
            cpu_ms_per_order: by_name(compared.map(|step| &step.costs.cpu_ms)),
            cpu_ms_per_order_at_peak: by_name(peak.map(|step| &step.costs.cpu_ms)),
            transactions_per_order: compared.map(|step| step.costs.transactions),
            statements_per_order: compared.and_then(|step| step.costs.statements),
            wal_bytes_per_order: compared.map(|step| step.costs.wal_bytes),
            applied_p50_ms: applied.map(|step| step.applied.all.p50_ms),
            applied_p99_ms: applied.map(|step| step.applied.all.p99_ms),
            fixes_per_s: self.positions.as_ref().map(|p| p.fixes_per_s),
            searches_100k_per_s: self.searches.iter().find(|s| s.riders == 100_000).map(|s| s.ring_per_s),
            growth: self.growth_by_name(),
            rss_mb: by_name(peak.map(|step| &step.rss_mb)),
            details: AllDetails {
                messages_per_order: compared.and_then(|step| step.messages),
                redis_commands_per_order: compared.map(|step| step.costs.redis_commands),
                cpu_measured_at: compared.map(|step| step.rate),
                applied_measured_at: applied.map(|step| step.rate),
                placing: &self.placing,
                lives: &self.lives,
                streams: &self.streams,
                positions: &self.positions,
                searches: &self.searches,
                growth: self.growth.as_ref().map(|growth| &growth.details),
            },
        }
    }

    fn place_p99_ms_at(&self, rate: f64) -> Option<f64> {
        let open = self.placing.as_ref()?.open.iter().find(|open| open.rate == rate)?;
        Some(open.latency.p99_ms)
    }

    fn growth_by_name(&self) -> BTreeMap<&'static str, Option<f64>> {
        let growth = self.growth.as_ref();
        [
            ("load_x2", growth.and_then(|g| g.load_x2)),
            ("load_x4", growth.and_then(|g| g.load_x4)),
            ("history_1m", growth.and_then(|g| g.history_1m)),
        ]
        .into()
    }
}

fn by_name(figures: Option<&ByGroup>) -> BTreeMap<&'static str, Option<f64>> {
    let figure = |group: &Group| Some((figures?.get(group)? * 100.0).round() / 100.0);
    Group::ALL.iter().map(|group| (group.name(), figure(group))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_keys_are_fixed() {
        let text = Report::default().json().expect("serializable");
        let report: Value = serde_json::from_str(&text).expect("JSON");
        for key in [
            "placed_per_s",
            "placed_ratio",
            "place_p99_ms_at_200",
            "lives_per_s",
            "cpu_ms_per_order",
            "cpu_ms_per_order_at_peak",
            "transactions_per_order",
            "statements_per_order",
            "wal_bytes_per_order",
            "applied_p50_ms",
            "applied_p99_ms",
            "fixes_per_s",
            "searches_100k_per_s",
            "growth",
            "rss_mb",
        ] {
            assert!(report.get(key).is_some(), "{key}");
        }
        for group in
            ["order_svc", "merchant_svc", "dispatch_svc", "gateway", "postgres", "rabbitmq", "redis", "clients"]
        {
            assert!(report["cpu_ms_per_order"].get(group).is_some(), "{group}");
        }
        for key in ["load_x2", "load_x4", "history_1m"] {
            assert!(report["growth"].get(key).is_some(), "{key}");
        }
    }
}
