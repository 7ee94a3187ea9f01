//! What came of the day: the table for people, `summary.json` and `report.json` for programs.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use pannier_contracts::order::OrderState;
use pannier_contracts::zone::DispatchPolicy;
use serde::Serialize;
use serde_json::{Value, json};

use super::checks::Finding;
use pannier_city::clock::Clock;
use pannier_client::{OrderView, RoundView};
use pannier_instance::{Instance, Order};

/// The day in numbers. The seven from `stuck` to `invariant_violations` are 0 on a good platform.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Orders in the instance.
    pub orders_in_file: usize,
    /// Orders that were acknowledged.
    pub placed: usize,
    /// Orders that arrived.
    pub delivered: usize,
    /// Orders that are ready after the last courier has gone home.
    pub undeliverable_by_data: usize,
    /// Orders that ended so.
    pub cancelled: usize,
    /// Orders that ended so.
    pub expired: usize,
    /// Orders that ended so.
    pub rejected: usize,
    /// Orders that ended so.
    pub failed: usize,
    /// Whatever is not over, not published, overdue or dead.
    pub stuck: i64,
    /// Effects that happened twice.
    pub duplicates: i64,
    /// Acknowledged orders without a row or a gapless log.
    pub lost: i64,
    /// Deliveries with two riders at once.
    pub double_assignments: i64,
    /// Riders with more than they can carry.
    pub capacity_breaches: i64,
    /// Minor units between our ledger and the gateway's.
    pub ledger_difference: i64,
    /// Illegal edges, gaps, end states that do not fit together, stale copies.
    pub invariant_violations: i64,
    /// City minutes from tap to hand-over, mean of the delivered.
    pub click_to_door_mean_min: f64,
    /// City minutes from ready to pickup, mean of the delivered.
    pub ready_to_pickup_mean_min: f64,
    /// Real seconds from start to report.
    pub wall_seconds: f64,
    /// How it was decided who carries what.
    pub policy: DispatchPolicy,
}

impl Summary {
    /// The seven that must be 0 are 0, and they are about the whole day: an order that was never placed proves nothing.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.orders_in_file > 0 && self.placed == self.orders_in_file && self.seven().iter().all(|(_, n)| *n == 0)
    }

    const fn seven(&self) -> [(&'static str, i64); 7] {
        [
            ("stuck", self.stuck),
            ("duplicates", self.duplicates),
            ("lost", self.lost),
            ("double assignments", self.double_assignments),
            ("capacity breaches", self.capacity_breaches),
            ("ledger difference", self.ledger_difference),
            ("invariant violations", self.invariant_violations),
        ]
    }
}

/// How one order ended.
pub struct Ending {
    /// As the instance has it.
    pub file: Order,
    /// As the platform has it.
    pub order: Option<OrderView>,
    /// Why there is none.
    pub not_placed: Option<String>,
    /// What the dispatcher said last about an order that did not arrive.
    pub last_round: Option<RoundView>,
}

impl Ending {
    /// It never became an order.
    pub fn not_placed(file: &Order, why: String) -> Self {
        Self { file: file.clone(), order: None, not_placed: Some(why), last_round: None }
    }

    fn is(&self, state: OrderState) -> bool {
        self.order.as_ref().is_some_and(|o| o.state == state)
    }

    /// Why it did not arrive, in words.
    fn why(&self, is_undeliverable: bool) -> String {
        let mut words = Vec::new();
        match (&self.order, &self.not_placed) {
            (Some(order), _) => {
                words.push(order.state.to_string());
                words.extend(order.reason.clone());
            }
            (None, why) => words.push(format!("not placed: {}", why.as_deref().unwrap_or("unknown"))),
        }
        if is_undeliverable {
            words.push("ready after the last courier's shift".into());
        }
        if let Some(round) = &self.last_round {
            let reason = round.reason.as_deref().unwrap_or("no reason");
            words.push(format!("last dispatch round: {} ({reason})", round.outcome));
        }
        words.join("; ")
    }
}

/// Everything that is known afterwards.
pub struct Report {
    /// The numbers.
    pub summary: Summary,
    name: String,
    speed: f64,
    orders: Vec<Value>,
    undelivered: Vec<(String, String)>,
    findings: Vec<Finding>,
    troubles: Vec<String>,
}

impl Report {
    /// Adds up.
    pub fn new(
        instance: &Instance,
        clock: Clock,
        policy: DispatchPolicy,
        endings: Vec<Ending>,
        findings: Vec<Finding>,
        troubles: Vec<String>,
        took: Duration,
    ) -> Self {
        let count = |state| endings.iter().filter(|e| e.is(state)).count();
        let found = |name: &str| findings.iter().find(|f| f.name == name).map_or(-1, |f| f.count);
        let times: Vec<_> = endings.iter().filter_map(|e| Times::of(e, clock)).collect();
        let summary = Summary {
            orders_in_file: instance.orders.len(),
            placed: endings.iter().filter(|e| e.order.is_some()).count(),
            delivered: count(OrderState::Delivered),
            undeliverable_by_data: instance.orders.iter().filter(|o| instance.is_undeliverable(o)).count(),
            cancelled: count(OrderState::Cancelled),
            expired: count(OrderState::Expired),
            rejected: count(OrderState::Rejected),
            failed: count(OrderState::Failed),
            stuck: found("stuck"),
            duplicates: found("duplicates"),
            lost: found("lost"),
            double_assignments: found("double_assignments"),
            capacity_breaches: found("capacity_breaches"),
            ledger_difference: found("ledger_difference"),
            invariant_violations: found("invariant_violations"),
            click_to_door_mean_min: mean(times.iter().map(|t| t.click_to_door)),
            ready_to_pickup_mean_min: mean(times.iter().map(|t| t.ready_to_pickup)),
            wall_seconds: round(took.as_secs_f64()),
            policy,
        };
        let late = endings.iter().filter(|e| !e.is(OrderState::Delivered));
        let undelivered = late.map(|e| (e.file.id.clone(), e.why(instance.is_undeliverable(&e.file)))).collect();
        let orders = endings.iter().map(|e| order_line(e, clock, instance.is_undeliverable(&e.file))).collect();
        let (name, speed) = (instance.name.clone(), clock.speed());
        Self { summary, name, speed, orders, undelivered, findings, troubles }
    }

    /// The table.
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
        for trouble in self.troubles.iter().rev().take(5).rev() {
            println!("  trouble: {trouble}");
        }
        println!("{}", if s.is_clean() { "Nothing lost, doubled or stuck." } else { "NOT CLEAN: see above." });
    }

    /// The files.
    pub fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let undelivered: Vec<_> =
            self.undelivered.iter().map(|(order, why)| json!({ "order": order, "reason": why })).collect();
        let report = json!({
            "instance": self.name, "speed": self.speed, "summary": self.summary, "undelivered": undelivered,
            "checks": self.findings, "troubles": self.troubles, "orders": self.orders,
        });
        for (name, value) in [("summary.json", json!(self.summary)), ("report.json", report)] {
            let path = dir.join(name);
            let text = serde_json::to_string_pretty(&value)? + "\n";
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

struct Times {
    click_to_door: f64,
    ready_to_pickup: f64,
}

impl Times {
    /// City minutes of an order that arrived.
    fn of(ending: &Ending, clock: Clock) -> Option<Self> {
        let order = ending.order.as_ref().filter(|o| o.state == OrderState::Delivered)?;
        let delivery = order.delivery.as_ref()?;
        Some(Self {
            click_to_door: clock.minutes_between(order.placed_at, delivery.delivered_at?),
            ready_to_pickup: clock.minutes_between(order.ready_at?, delivery.picked_up_at?),
        })
    }
}

fn order_line(ending: &Ending, clock: Clock, is_undeliverable: bool) -> Value {
    let times = Times::of(ending, clock);
    json!({
        "order": ending.file.id,
        "id": ending.order.as_ref().map(|o| o.id),
        "state": ending.order.as_ref().map(|o| o.state),
        "reason": ending.order.as_ref().and_then(|o| o.reason.clone()),
        "rider_id": ending.order.as_ref().and_then(|o| o.delivery.as_ref()).and_then(|d| d.rider_id),
        "placement_min": ending.file.placement,
        "ready_min": ending.file.ready,
        "click_to_door_min": times.as_ref().map(|t| round(t.click_to_door)),
        "ready_to_pickup_min": times.as_ref().map(|t| round(t.ready_to_pickup)),
        "undeliverable_by_data": is_undeliverable,
    })
}

fn mean(numbers: impl Iterator<Item = f64>) -> f64 {
    let (n, sum) = numbers.fold((0_u32, 0.0), |(n, sum), x| (n + 1, sum + x));
    if n == 0 { 0.0 } else { round(sum / f64::from(n)) }
}

/// Two digits are what the minutes are worth.
fn round(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_has_the_promised_keys_and_says_when_it_is_not_clean() {
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
        let endings = || instance.orders.iter().map(|o| Ending::not_placed(o, "asleep".into())).collect();
        let report = |findings| {
            let (clock, took) = (Clock::start(0.0, 60.0), Duration::from_secs(3));
            Report::new(&instance, clock, DispatchPolicy::Greedy, endings(), findings, vec![], took)
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
        assert!(!all_placed(report(vec![]).summary).is_clean(), "checks that did not run prove nothing");
        let why = &report(findings("")).undelivered[19].1;
        assert_eq!(why, "not placed: asleep; ready after the last courier's shift");
    }
}
