//! What a run found: JSON with fixed keys, and a table for people with each figure beside its baseline.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cpu::{ByGroup, Group};
use super::growth::{Details, Growth};
use super::ladder::Lives;
use super::lives::Rung;
use super::placing::Placing;
use super::positions::Positions;
use super::streams::Streams;

/// Ring searches beside searches in one GEO set, by riders in the city: what the program `bench_fleet` prints.
#[derive(Debug, Clone, Serialize, serde::Deserialize)]
pub struct Searches {
    /// Riders in the city.
    pub riders: u64,
    /// Whole searches a second, ring by ring.
    pub ring_per_s: f64,
    /// GEOSEARCH a second in one set of all riders.
    pub one_key_per_s: f64,
}

/// Everything that was measured. What was not asked for, or could not be measured, is none.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Orders becoming rows.
    pub placing: Option<Placing>,
    /// Whole lives.
    pub lives: Option<Lives>,
    /// Open streams.
    pub streams: Option<Streams>,
    /// Positions on their way in.
    pub positions: Option<Positions>,
    /// Who is near.
    pub searches: Vec<Searches>,
    /// Load and history.
    pub growth: Option<Growth>,
}

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
    details: Everything<'r>,
}

/// How the figures came about.
#[derive(Debug, Clone, Serialize)]
struct Everything<'r> {
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
    /// Whether nothing was measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows().is_empty()
    }

    /// As JSON, its keys in the order of the table.
    ///
    /// # Errors
    /// Never in practice: all of it is numbers and text.
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
            cpu_ms_per_order: by_name(compared.map(|rung| &rung.costs.cpu_ms)),
            cpu_ms_per_order_at_peak: by_name(peak.map(|rung| &rung.costs.cpu_ms)),
            transactions_per_order: compared.map(|rung| rung.costs.transactions),
            statements_per_order: compared.and_then(|rung| rung.costs.statements),
            wal_bytes_per_order: compared.map(|rung| rung.costs.wal_bytes),
            applied_p50_ms: applied.map(|rung| rung.applied.all.p50_ms),
            applied_p99_ms: applied.map(|rung| rung.applied.all.p99_ms),
            fixes_per_s: self.positions.as_ref().map(|p| p.fixes_per_s),
            searches_100k_per_s: self.searches.iter().find(|s| s.riders == 100_000).map(|s| s.ring_per_s),
            growth: self.growth_by_name(),
            rss_mb: by_name(peak.map(|rung| &rung.rss_mb)),
            details: Everything {
                messages_per_order: compared.and_then(|rung| rung.messages),
                redis_commands_per_order: compared.map(|rung| rung.costs.redis_commands),
                cpu_measured_at: compared.map(|rung| rung.rate),
                applied_measured_at: applied.map(|rung| rung.rate),
                placing: &self.placing,
                lives: &self.lives,
                streams: &self.streams,
                positions: &self.positions,
                searches: &self.searches,
                growth: self.growth.as_ref().map(|growth| &growth.details),
            },
        }
    }

    fn compared(&self) -> Option<&Rung> {
        self.lives.as_ref()?.compared.as_ref()
    }

    fn peak(&self) -> Option<&Rung> {
        self.lives.as_ref()?.peak.as_ref()
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

    /// The rows of the table: figure, value, what it is beside. Only what was measured.
    #[must_use]
    pub fn rows(&self) -> Vec<Vec<String>> {
        let mut rows = Rows::default();
        self.placing_rows(&mut rows);
        self.lives_rows(&mut rows);
        if let Some(s) = &self.streams {
            let base = s.plain_cpu_ms.map_or_else(String::new, |ms| format!("{ms:.1} CPU-ms at {}/s without", s.rate));
            rows.add("1,000 idle streams, CPU per order", s.idle_ratio, "×", &base);
            rows.add("every order watched, Prefer: wait", s.watched_ratio, "×", &base);
        }
        if let Some(p) = &self.positions {
            rows.add(
                "positions in tens",
                Some(p.fixes_per_s),
                "/s",
                &format!("{:.0}/s GEOADD, Redis alone", p.raw_geoadd_per_s),
            );
            rows.add("requests with one position", Some(p.single_requests_per_s), "/s", "");
        }
        for s in &self.searches {
            let name = format!("ring searches, {} riders", s.riders);
            rows.add(&name, Some(s.ring_per_s), "/s", &format!("{:.0}/s in one GEO set", s.one_key_per_s));
        }
        if let Some(g) = &self.growth {
            let base = |n: usize| {
                let ms = g.details.cpu_ms[n].map_or_else(|| "not held".to_owned(), |ms| format!("{ms:.1} CPU-ms"));
                format!("{ms}; {:.1} at {}/s", g.details.cpu_ms[0].unwrap_or_default(), g.details.base_rate)
            };
            rows.add("CPU per order at twice the load", g.load_x2, "×", &base(1));
            rows.add("CPU per order at four times the load", g.load_x4, "×", &base(2));
            rows.add(&format!("CPU per order over {} finished orders", g.details.history), g.history_1m, "×", &base(3));
        }
        rows.0
    }

    fn placing_rows(&self, rows: &mut Rows) {
        let Some(p) = &self.placing else { return };
        for (clients, c) in &p.closed {
            let beside = format!(
                "{:.0}/s bare loop; p50 {:.1} p99 {:.1} ms; caught up {:.0} s later",
                c.bare_per_s, c.latency.p50_ms, c.latency.p99_ms, c.caught_up_in_s
            );
            rows.add(&format!("placed by {clients} clients"), Some(c.placed_per_s), "/s", &beside);
        }
        rows.add("best placed, of the best bare loop", Some(p.placed_ratio), "×", "");
        for o in &p.open {
            let beside = format!("p50 {:.1} ms, {} of {} failed", o.latency.p50_ms, o.failed, o.latency.count);
            rows.add(&format!("placing p99 at {}/s offered", o.rate), Some(o.latency.p99_ms), "ms", &beside);
        }
        rows.add("pgbench, the same inserts", p.pgbench_per_s, "/s", "8 connections");
    }

    fn lives_rows(&self, rows: &mut Rows) {
        let Some(lives) = &self.lives else { return };
        rows.add("whole lives", lives.lives_per_s, "/s", "sustained");
        let same = self.compared().map(|rung| rung.rate) == self.peak().map(|rung| rung.rate);
        let peak = self.peak().filter(|_| !same);
        for rung in [self.compared(), peak].into_iter().flatten() {
            let cpu = &rung.costs.cpu_ms;
            let parts: Vec<String> = Group::ALL
                .iter()
                .filter_map(|group| Some(format!("{} {:.1}", group.name(), cpu.get(group)?)))
                .collect();
            let at = format!("CPU-ms per order at {}/s, servers", rung.rate);
            rows.add(&at, Some(rung.costs.servers_cpu_ms()), "ms", &parts.join(", "));
        }
        if let Some(rung) = &lives.compared {
            let at = format!("at {}/s", rung.rate);
            rows.add("transactions per order", Some(rung.costs.transactions), "", &at);
            rows.add("statements per order", rung.costs.statements, "", &at);
            rows.add(
                "WAL per order",
                Some(rung.costs.wal_bytes / 1_024.0),
                "kB",
                &format!("{:.0} syncs", rung.costs.wal_syncs),
            );
            rows.add("messages to consumers per order", rung.messages, "", &at);
            rows.add("Redis commands per order", Some(rung.costs.redis_commands), "", "riders' positions included");
            rows.add("tap to door, p50", Some(rung.door.p50_ms), "ms", &format!("p99 {:.0} ms", rung.door.p99_ms));
        }
        if let Some(rung) = &lives.applied {
            let a = &rung.applied;
            let hops = format!(
                "at {}/s; p50 of ticket {:.1}, delivery {:.1}, delivering {:.1}",
                rung.rate, a.paid_to_ticket.p50_ms, a.accepted_to_delivery.p50_ms, a.picked_up_to_delivering.p50_ms
            );
            rows.add("commit → applied, p50", Some(a.all.p50_ms), "ms", &hops);
            rows.add("commit → applied, p99", Some(a.all.p99_ms), "ms", &format!("worst {:.0} ms", a.all.max_ms));
        }
        if let Some(rung) = &lives.peak {
            let of = |group: Group| rung.rss_mb.get(&group).copied();
            for group in [Group::OrderSvc, Group::MerchantSvc, Group::DispatchSvc] {
                rows.add(&format!("memory of {}", group.name()), of(group), "MB", &format!("at {}/s", rung.rate));
            }
        }
    }
}

#[derive(Default)]
struct Rows(Vec<Vec<String>>);

impl Rows {
    fn add(&mut self, name: &str, value: Option<f64>, unit: &str, beside: &str) {
        let value =
            value.map_or_else(|| "-".to_owned(), |value| format!("{} {unit}", figure(value)).trim_end().to_owned());
        self.0.push(vec![name.to_owned(), value, beside.to_owned()]);
    }
}

/// Three significant digits are all that such a measurement has.
fn figure(value: f64) -> String {
    match value.abs() {
        a if a >= 100.0 => format!("{value:.0}"),
        a if a >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
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
    fn the_keys_are_those_that_others_read() {
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

    #[test]
    fn figures_have_three_digits() {
        assert_eq!([1234.5, 45.67, 3.4567].map(figure), ["1234", "45.7", "3.46"]);
    }
}
