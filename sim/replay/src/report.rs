//! The result of a replay: a table for people, `summary.json` and `report.json` for programs.

use std::path::Path;

use anyhow::Context;
use pannier_contracts::order::OrderState;
use serde_json::{Value, json};

use super::checks::Finding;
use super::outcome::order_line;
use super::summary::{Played, Summary};
use pannier_instance::Instance;

/// The complete result of a replay.
pub struct Report {
    /// The figures.
    pub summary: Summary,
    name: String,
    speed: f64,
    orders: Vec<Value>,
    undelivered: Vec<(String, String)>,
    findings: Vec<Finding>,
    warnings: Vec<String>,
}

impl Report {
    /// Collects the figures of a replay.
    pub fn new(instance: &Instance, played: Played) -> Self {
        let summary = Summary::new(instance, &played);
        let Played { clock, outcomes, findings, warnings, .. } = played;
        let not_delivered = outcomes.iter().filter(|o| !o.is(OrderState::Delivered));
        let undelivered =
            not_delivered.map(|o| (o.file.id.clone(), o.reason(instance.is_undeliverable(&o.file)))).collect();
        let orders = outcomes.iter().map(|o| order_line(o, clock, instance.is_undeliverable(&o.file))).collect();
        let (name, speed) = (instance.name.clone(), clock.speed());
        Self { summary, name, speed, orders, undelivered, findings, warnings }
    }

    /// Prints the table.
    pub fn print(&self) {
        let s = &self.summary;
        println!("\n{} at {}x, dispatched by {}, {:.0} s", self.name, self.speed, s.policy, s.wall_seconds);
        let mut rows = vec![
            ("orders in file", s.orders_in_file.to_string()),
            ("placed", s.placed.to_string()),
            ("delivered", s.delivered.to_string()),
            ("undeliverable by data", s.undeliverable_by_data.to_string()),
            ("cancelled", s.cancelled.to_string()),
            ("expired", s.expired.to_string()),
            ("rejected", s.rejected.to_string()),
            ("failed", s.failed.to_string()),
        ];
        rows.extend(s.seven().map(|(name, n)| (name, n.to_string())));
        rows.push(("click to door, mean min", format!("{:.2}", s.click_to_door_mean_min)));
        rows.push(("ready to pickup, mean min", format!("{:.2}", s.ready_to_pickup_mean_min)));
        for (name, value) in rows {
            println!("  {name:<28}{value:>10}");
        }
        for (order, why) in &self.undelivered {
            println!("  not delivered: {order}: {why}");
        }
        for finding in self.findings.iter().filter(|f| f.count != 0) {
            for detail in finding.details.iter().take(10) {
                println!("  {}: {detail}", finding.name);
            }
        }
        for warning in self.warnings.iter().rev().take(5).rev() {
            println!("  trouble: {warning}");
        }
        println!("{}", if s.is_clean() { "Nothing lost, doubled or stuck." } else { "NOT CLEAN: see above." });
    }

    /// Writes `summary.json` and `report.json`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let undelivered: Vec<_> =
            self.undelivered.iter().map(|(order, why)| json!({ "order": order, "reason": why })).collect();
        let report = json!({
            "instance": self.name, "speed": self.speed, "summary": self.summary, "undelivered": undelivered,
            "checks": self.findings, "troubles": self.warnings, "orders": self.orders,
        });
        for (name, value) in [("summary.json", json!(self.summary)), ("report.json", report)] {
            let path = dir.join(name);
            let text = serde_json::to_string_pretty(&value)? + "\n";
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pannier_city::clock::Clock;
    use pannier_contracts::zone::DispatchAlgorithm;

    use super::*;
    use crate::outcome::Outcome;

    #[test]
    fn the_summary_has_the_documented_keys_and_shows_when_it_is_not_clean() {
        let instance =
            Instance::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/instances/harbour")).unwrap();
        let names = [
            "stuck",
            "duplicates",
            "lost",
            "double_assignments",
            "capacity_breaches",
            "ledger_difference",
            "invariant_violations",
        ];
        let findings = |bad: &str| {
            let finding = |name| Finding { name, count: i64::from(name == bad), details: vec!["x".into()] };
            names.map(finding).to_vec()
        };
        let outcomes = || instance.orders.iter().map(|o| Outcome::not_placed(o, "asleep".into())).collect();
        let report = |findings| {
            let played = Played {
                clock: Clock::start(0.0, 60.0),
                policy: DispatchAlgorithm::Greedy,
                outcomes: outcomes(),
                findings,
                warnings: vec![],
                took: Duration::from_secs(3),
            };
            Report::new(&instance, played)
        };
        let all_placed = |summary: Summary| Summary { placed: summary.orders_in_file, ..summary };
        let clean = report(findings("")).summary;
        assert!(!clean.is_clean(), "an order was not placed");
        let nothing = report(findings("")).summary;
        assert!(!Summary { orders_in_file: 0, placed: 0, ..nothing }.is_clean(), "nothing was placed");
        assert!(all_placed(report(findings("")).summary).is_clean());
        let keys = serde_json::to_string(&clean).unwrap();
        let keys: Vec<_> = keys.split('"').skip(1).step_by(2).collect();
        assert_eq!(
            keys.join(" "),
            "orders_in_file placed delivered undeliverable_by_data cancelled expired rejected failed stuck duplicates \
             lost double_assignments capacity_breaches ledger_difference invariant_violations \
             click_to_door_mean_min ready_to_pickup_mean_min wall_seconds policy greedy"
        );
        for name in names {
            assert!(!all_placed(report(findings(name)).summary).is_clean(), "{name}");
        }
        assert!(!all_placed(report(vec![]).summary).is_clean(), "a check that did not run is not clean");
        let reason = &report(findings("")).undelivered[19].1;
        assert_eq!(reason, "not placed: asleep; ready after the last courier's shift");
    }
}
