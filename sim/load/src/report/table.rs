//! The report as a table.

use super::Report;
use crate::cpu::Group;

impl Report {
    /// Whether nothing was measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows().is_empty()
    }

    /// The rows of the table: figure, value, what to compare it with. Only figures that were measured.
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
        let same = self.compared().map(|step| step.rate) == self.peak().map(|step| step.rate);
        let peak = self.peak().filter(|_| !same);
        for step in [self.compared(), peak].into_iter().flatten() {
            let cpu = &step.costs.cpu_ms;
            let parts: Vec<String> = Group::ALL
                .iter()
                .filter_map(|group| Some(format!("{} {:.1}", group.name(), cpu.get(group)?)))
                .collect();
            let at = format!("CPU-ms per order at {}/s, servers", step.rate);
            rows.add(&at, Some(step.costs.servers_cpu_ms()), "ms", &parts.join(", "));
        }
        if let Some(step) = &lives.compared {
            let at = format!("at {}/s", step.rate);
            rows.add("transactions per order", Some(step.costs.transactions), "", &at);
            rows.add("statements per order", step.costs.statements, "", &at);
            rows.add(
                "WAL per order",
                Some(step.costs.wal_bytes / 1_024.0),
                "kB",
                &format!("{:.0} syncs", step.costs.wal_syncs),
            );
            rows.add("messages to consumers per order", step.messages, "", &at);
            rows.add("Redis commands per order", Some(step.costs.redis_commands), "", "riders' positions included");
            rows.add("tap to door, p50", Some(step.door.p50_ms), "ms", &format!("p99 {:.0} ms", step.door.p99_ms));
        }
        if let Some(step) = &lives.applied {
            let a = &step.applied;
            let hops = format!(
                "at {}/s; p50 of ticket {:.1}, delivery {:.1}, delivering {:.1}",
                step.rate, a.paid_to_ticket.p50_ms, a.accepted_to_delivery.p50_ms, a.picked_up_to_delivering.p50_ms
            );
            rows.add("commit → applied, p50", Some(a.all.p50_ms), "ms", &hops);
            rows.add("commit → applied, p99", Some(a.all.p99_ms), "ms", &format!("worst {:.0} ms", a.all.max_ms));
        }
        if let Some(step) = &lives.peak {
            let of = |group: Group| step.rss_mb.get(&group).copied();
            for group in [Group::OrderSvc, Group::MerchantSvc, Group::DispatchSvc] {
                rows.add(&format!("memory of {}", group.name()), of(group), "MB", &format!("at {}/s", step.rate));
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

/// Three significant digits: the measurements are not more precise.
fn figure(value: f64) -> String {
    match value.abs() {
        a if a >= 100.0 => format!("{value:.0}"),
        a if a >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits() {
        assert_eq!([1234.5, 45.67, 3.4567].map(figure), ["1234", "45.7", "3.46"]);
    }
}
