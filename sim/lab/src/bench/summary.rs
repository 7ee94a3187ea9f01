//! The measures of a run as JSON (`summary.json`) and as a table.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::statistics::mean;

use super::metrics::Metrics;
use super::solution::DayOptions;

/// The measures of all instances of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The options that all instances were run with.
    pub options: DayOptions,
    /// Name and measures of each instance, in input order.
    pub instances: Vec<(String, Metrics)>,
}

/// Values are rounded to four decimals.
const PRECISION: f64 = 10_000.0;

impl Summary {
    /// The unweighted mean of each measure over the instances, without NaNs.
    #[must_use]
    pub fn mean(&self) -> Map<String, Value> {
        let rows: Vec<_> = self.instances.iter().map(|(_, metrics)| figures(metrics)).collect();
        let Some(first) = rows.first() else { return Map::new() };
        let of = |key: &str| {
            let values: Vec<f64> = rows.iter().filter_map(|row| row[key].as_f64()).collect();
            (key.to_owned(), rounded(mean(&values)))
        };
        first.keys().map(|key| of(key)).collect()
    }

    /// The content of `summary.json`: `instances`, `mean`, `worst_decision_ms` over all instances, and the options.
    #[must_use]
    pub fn json(&self) -> Value {
        let row = |(name, metrics): &(String, Metrics)| {
            let mut row = Map::from_iter([("name".to_owned(), json!(name))]);
            row.extend(figures(metrics).into_iter().map(|(key, n)| (key, rounded(n.as_f64().unwrap_or(f64::NAN)))));
            Value::Object(row)
        };
        let worst = self.instances.iter().map(|(_, metrics)| metrics.worst_decision_ms).fold(0.0, f64::max);
        let mut all = Map::from_iter([
            ("instances".to_owned(), self.instances.iter().map(row).collect()),
            ("mean".to_owned(), Value::Object(self.mean())),
            ("worst_decision_ms".to_owned(), rounded(worst)),
        ]);
        if let Value::Object(options) = json!(self.options) {
            all.extend(options);
        }
        Value::Object(all)
    }

    /// Head and cells of the table: one row per instance, then the mean.
    #[must_use]
    pub fn table(&self) -> (Vec<&'static str>, Vec<Vec<String>>) {
        let head = ["INSTANCE"].into_iter().chain(COLUMNS.iter().map(|c| c.head)).collect();
        let row = |name: &str, row: &Map<String, Value>| {
            let cell = |c: &Column| match row.get(c.key).and_then(Value::as_f64) {
                Some(n) => format!("{n:>width$.decimals$}", width = c.head.len(), decimals = c.decimals),
                None => "-".into(),
            };
            [name.to_owned()].into_iter().chain(COLUMNS.iter().map(cell)).collect()
        };
        let mut rows: Vec<_> = self.instances.iter().map(|(name, metrics)| row(name, &figures(metrics))).collect();
        rows.push(row("mean", &self.mean()));
        (head, rows)
    }
}

struct Column {
    key: &'static str,
    head: &'static str,
    decimals: usize,
}

const fn column(key: &'static str, head: &'static str, decimals: usize) -> Column {
    Column { key, head, decimals }
}

/// A selection that fits into the width of a terminal; the JSON has all measures.
const COLUMNS: [Column; 16] = [
    column("orders", "ORDERS", 0),
    column("couriers", "RIDERS", 0),
    column("undelivered_pct", "LOST%", 2),
    column("bound", "BOUND", 2),
    column("ctd", "  CTD", 2),
    column("gap", "  GAP", 2),
    column("ctd_p90", "CTD90", 1),
    column("rtp", " RTP", 2),
    column("rtp_p90", "RTP90", 1),
    column("overage", "OVER", 2),
    column("cost_per_order", "$/ORDER", 2),
    column("utilisation", "UTIL", 2),
    column("orders_per_bundle", "BUNDLE", 3),
    column("moves_per_order", "MOVES", 2),
    column("worst_decision_ms", "WORST MS", 1),
    column("wall_s", "WALL S", 2),
];

/// The measures by name; NaN becomes null.
fn figures(metrics: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(metrics) {
        Ok(Value::Object(figures)) => figures,
        _ => Map::new(),
    }
}

fn rounded(n: f64) -> Value {
    let n = (n * PRECISION).round() / PRECISION;
    // Whole numbers are written without ".0".
    if n.fract() == 0.0 && n.abs() < 1e15 { json!(n as i64) } else { json!(n) }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{instance, solution};
    use super::super::metrics::measure;
    use super::super::solution::DayResult;
    use super::*;

    fn summary() -> Summary {
        let day = DayResult { solution: solution(), ..DayResult::default() };
        let some = measure(&instance(), &day, 0.25);
        let none = measure(&instance(), &DayResult::default(), 0.75);
        Summary { options: DayOptions::default(), instances: vec![("a".into(), some), ("b".into(), none)] }
    }

    #[test]
    fn the_json_has_all_documented_measures() {
        let json = summary().json();
        for key in [
            "name",
            "orders",
            "delivered",
            "undelivered_pct",
            "bound",
            "ctd",
            "gap",
            "ctd_p90",
            "rtp",
            "rtp_p90",
            "overage",
            "cost_per_order",
            "utilisation",
            "orders_per_bundle",
            "worst_decision_ms",
            "wall_s",
            "moves_per_order",
            "couriers",
        ] {
            assert!(json["instances"][0].get(key).is_some(), "{key}");
            assert!(key == "name" || json["mean"].get(key).is_some(), "{key}");
        }
        assert_eq!(json["instances"][0]["gap"], 2.6667);
        assert_eq!((&json["instances"][0]["orders"], &json["instances"][1]["gap"]), (&json!(4), &Value::Null));
        assert_eq!(
            (&json["policy"], &json["reposition"], &json["commit"]),
            (&json!("horizon"), &json!("on"), &json!("pickup"))
        );
        assert_eq!((&json["kitchen"], &json["seed"]), (&json!("known"), &json!(1)));
    }

    #[test]
    fn the_mean_leaves_out_nans() {
        let mean = summary().mean();
        assert_eq!((&mean["ctd"], &mean["wall_s"], &mean["undelivered_pct"]), (&json!(24), &json!(0.5), &json!(62.5)));
    }

    #[test]
    fn the_table_ends_with_the_mean() {
        let (head, rows) = summary().table();
        assert!(rows.iter().all(|row| row.len() == head.len()));
        assert_eq!(rows.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["a", "b", "mean"]);
        assert_eq!(rows[0][5].trim(), "24.00");
        assert_eq!(rows[1][5], "-");
    }
}
