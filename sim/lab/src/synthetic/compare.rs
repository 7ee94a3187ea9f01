//! Comparison of two policies by paired differences over the same days.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::run::rows;
use super::settings::City;
use crate::bench::solution::DayOptions;
use crate::statistics::PairedDifference;

/// A policy with options, parsed from `horizon` or `horizon:reposition=off,commit=departure`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicySpec(pub DayOptions);

impl FromStr for PolicySpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (policy, rest) = text.split_once(':').unwrap_or((text, ""));
        let mut options =
            DayOptions { policy: policy.parse().map_err(|e| format!("policy {e}"))?, ..DayOptions::default() };
        for part in rest.split(',').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let error = |e: String| format!("{key} {e}");
            match key {
                "reposition" => {
                    options.reposition = match value {
                        "on" => true,
                        "off" => false,
                        _ => return Err(error("must be on or off".into())),
                    }
                }
                "commit" => options.commit = value.parse().map_err(error)?,
                "kitchen" => options.kitchen = value.parse().map_err(error)?,
                _ => return Err(format!("there is no {key:?}: only reposition, commit and kitchen")),
            }
        }
        Ok(Self(options))
    }
}

/// The measures of a policy's days.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Name in the comparison.
    pub label: String,
    days: BTreeMap<String, Map<String, Value>>,
    city: Value,
}

impl Series {
    /// From a `summary.json` of `bench` or `sim dispatch`.
    ///
    /// # Errors
    /// The list `instances` is missing or has an instance without a name, or a name occurs twice.
    pub fn new(label: &str, summary: &Value) -> Result<Self> {
        let rows = rows(summary).context("it has no list `instances` of objects with a name")?;
        let (listed, days) = (rows.len(), BTreeMap::from_iter(rows));
        if days.len() < listed {
            bail!("it has two instances of one name");
        }
        Ok(Self { label: label.to_owned(), days, city: summary["city"].clone() })
    }

    /// Reads a file, or the `summary.json` of a folder.
    ///
    /// # Errors
    /// The file cannot be read, or as in [`Series::new`].
    pub fn load(label: &str, path: &Path) -> Result<Self> {
        let file = if path.is_dir() { path.join("summary.json") } else { path.to_owned() };
        let text = fs::read(&file).with_context(|| format!("{}: cannot be read", file.display()))?;
        let what = || format!("{}: is not what bench and sim dispatch write as summary.json", file.display());
        let summary: Value = serde_json::from_slice(&text).with_context(what)?;
        Self::new(label, &summary).with_context(what)
    }

    /// Whether the days are of this city, with equal settings.
    #[must_use]
    pub fn is_of(&self, city: &City) -> bool {
        self.city == json!(city)
    }
}

/// A measure of `summary.json`.
struct Measure {
    key: &'static str,
    /// Name and unit for people.
    name: &'static str,
}

/// The compared measures. Of all of them, less is better.
const MEASURES: [Measure; 6] = [
    Measure { key: "ctd", name: "click-to-door, min" },
    Measure { key: "gap", name: "gap to the bound, min" },
    Measure { key: "ctd_p90", name: "click-to-door p90, min" },
    Measure { key: "undelivered_pct", name: "undelivered, %" },
    Measure { key: "overage", name: "overage, min" },
    Measure { key: "cost_per_order", name: "cost per order, $" },
];

/// The comparison of two series in one measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Key of the measure in `summary.json`.
    pub key: &'static str,
    /// Name and unit of the measure.
    pub name: &'static str,
    /// Mean of A over the days that both have.
    pub mean_a: f64,
    /// Mean of B over the same days.
    pub mean_b: f64,
    /// B − A, paired by day.
    pub paired: PairedDifference,
}

impl Difference {
    /// The result of the test at the 5 % level, in words.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        if self.paired.pairs < 2 {
            "one day says nothing"
        } else if !self.paired.is_significant() {
            "not distinguishable from zero"
        } else if self.paired.mean < 0.0 {
            "B is better"
        } else {
            "B is worse"
        }
    }
}

/// Compares two series in each measure, over the days that both have.
///
/// # Errors
/// The series have no day in common or are of different cities.
pub fn compare(a: &Series, b: &Series) -> Result<Vec<Difference>> {
    if a.city != b.city {
        bail!("{} and {} are not of the same city", a.label, b.label);
    }
    let pairs: Vec<_> = a.days.iter().filter_map(|(name, day)| Some((day, b.days.get(name)?))).collect();
    if pairs.is_empty() {
        bail!("{} and {} have no day in common", a.label, b.label);
    }
    let of = |Measure { key, name }| {
        let both =
            |(a, b): &(&Map<String, Value>, &Map<String, Value>)| Some((a.get(key)?.as_f64()?, b.get(key)?.as_f64()?));
        let values: Vec<(f64, f64)> = pairs.iter().filter_map(both).collect();
        let n = values.len() as f64;
        let (mean_a, mean_b) = values.iter().fold((0.0, 0.0), |sum, (a, b)| (sum.0 + a / n, sum.1 + b / n));
        let paired = PairedDifference::of(&values.iter().map(|(a, b)| b - a).collect::<Vec<_>>())?;
        Some(Difference { key, name, mean_a, mean_b, paired })
    };
    Ok(MEASURES.into_iter().filter_map(of).collect())
}

/// Head and cells of a table for people.
#[must_use]
pub fn table(differences: &[Difference]) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let head = vec!["MEASURE", "DAYS", "      A", "      B", "  B - A", "STD ERR", "95 % INTERVAL", "IN WORDS"];
    let row = |d: &Difference| {
        let p = &d.paired;
        let number = |n: f64| if n.is_nan() { "-".to_owned() } else { format!("{n:7.3}") };
        let signed = |n: f64| if n.is_nan() { "-".to_owned() } else { format!("{n:+.3}") };
        let interval = format!("{} to {}", signed(p.low), signed(p.high));
        let cells = [
            d.name.to_owned(),
            format!("{:>4}", p.pairs),
            number(d.mean_a),
            number(d.mean_b),
            format!("{:>7}", signed(p.mean)),
        ];
        cells.into_iter().chain([number(p.standard_error), interval, d.verdict().to_owned()]).collect()
    };
    (head, differences.iter().map(row).collect())
}

/// Rounds to six decimals.
fn rounded(n: f64) -> f64 {
    (n * 1e6).round() / 1e6
}

/// The comparison as JSON; NaN becomes null.
#[must_use]
pub fn json(a: &Series, b: &Series, differences: &[Difference]) -> Value {
    let row = |d: &Difference| {
        let p = &d.paired;
        json!({
            "measure": d.key, "days": p.pairs, "a": rounded(d.mean_a), "b": rounded(d.mean_b),
            "difference": rounded(p.mean), "standard_error": rounded(p.standard_error),
            "low": rounded(p.low), "high": rounded(p.high), "is_distinguishable": p.is_significant(),
            "verdict": d.verdict(),
        })
    };
    json!({ "a": a.label, "b": b.label, "measures": differences.iter().map(row).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::solution::{Commit, Kitchen, PolicyName};

    #[test]
    fn a_policy_is_parsed_with_its_options() {
        let usual = DayOptions::default();
        let greedy = DayOptions { policy: PolicyName::Greedy, ..usual };
        let strict = DayOptions { reposition: false, commit: Commit::Departure, kitchen: Kitchen::Unknown, ..usual };
        let rows = [
            ("horizon", Ok(usual)),
            ("greedy", Ok(greedy)),
            ("horizon:reposition=off,commit=departure,kitchen=unknown", Ok(strict)),
            ("lazy", Err("policy must be one of greedy, horizon")),
            ("horizon:reposition=maybe", Err("reposition must be on or off")),
            ("horizon:commit", Err("commit must be one of pickup, departure")),
            ("horizon:speed=3", Err("there is no \"speed\": only reposition, commit and kitchen")),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse(), expected.map(PolicySpec).map_err(str::to_owned), "{text}");
        }
    }

    fn series(city: &str, gaps: &[(&str, Value)]) -> Series {
        let rows: Vec<_> = gaps.iter().map(|(name, gap)| json!({ "name": name, "gap": gap, "ctd": 30 })).collect();
        Series::new(city, &json!({ "instances": rows, "city": city })).unwrap()
    }

    #[test]
    fn days_are_paired_by_name() {
        let a = series("x", &[("1", json!(2.0)), ("2", json!(3.0)), ("3", json!(9.0)), ("4", json!(null))]);
        let b = series("x", &[("4", json!(1.0)), ("2", json!(2.5)), ("1", json!(1.3)), ("5", json!(0.0))]);
        let found = compare(&a, &b).unwrap();
        let gap = found.iter().find(|d| d.key == "gap").unwrap();
        assert_eq!(gap.paired.pairs, 2);
        assert!((gap.paired.mean + 0.6).abs() < 1e-12 && (gap.mean_a - 2.5).abs() < 1e-12);
        assert_eq!(gap.verdict(), "not distinguishable from zero");
        assert_eq!(found.iter().find(|d| d.key == "ctd").unwrap().paired.pairs, 3);
    }

    #[test]
    fn series_that_cannot_be_compared_are_refused() {
        let a = series("x", &[("1", json!(2.0))]);
        let error = |b: &Series| compare(&a, b).unwrap_err().to_string();
        assert_eq!(error(&series("y", &[("1", json!(2.0))])), "x and y are not of the same city");
        assert_eq!(error(&series("x", &[("2", json!(2.0))])), "x and x have no day in common");
        assert!(Series::new("x", &json!({})).is_err());
        assert_eq!(compare(&a, &a).unwrap()[0].verdict(), "one day says nothing");
    }
}
