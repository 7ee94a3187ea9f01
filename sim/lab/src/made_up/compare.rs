//! Is one policy better than another? Paired differences over the same days.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::run::rows;
use super::{City, Paired};
use crate::bench::solution::DayOptions;

/// A policy and how its days are worked, as one word: `horizon`, or `horizon:reposition=off,commit=departure`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec(pub DayOptions);

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (policy, rest) = text.split_once(':').unwrap_or((text, ""));
        let mut options =
            DayOptions { policy: policy.parse().map_err(|e| format!("policy {e}"))?, ..DayOptions::default() };
        for part in rest.split(',').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let say = |e: String| format!("{key} {e}");
            match key {
                "reposition" => {
                    options.reposition = match value {
                        "on" => true,
                        "off" => false,
                        _ => return Err(say("must be on or off".into())),
                    }
                }
                "commit" => options.commit = value.parse().map_err(say)?,
                "kitchen" => options.kitchen = value.parse().map_err(say)?,
                _ => return Err(format!("there is no {key:?}: only reposition, commit and kitchen")),
            }
        }
        Ok(Self(options))
    }
}

/// The figures of a policy's days.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What it is called in the comparison.
    pub label: String,
    days: BTreeMap<String, Map<String, Value>>,
    city: Value,
}

impl Series {
    /// Out of what `bench` and `sim dispatch` write.
    ///
    /// # Errors
    /// It has no list of instances with names, or one of them twice.
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
    /// It cannot be read or is not such a file.
    pub fn load(label: &str, path: &Path) -> Result<Self> {
        let file = if path.is_dir() { path.join("summary.json") } else { path.to_owned() };
        let text = fs::read(&file).with_context(|| format!("{}: cannot be read", file.display()))?;
        let what = || format!("{}: is not what bench and sim dispatch write as summary.json", file.display());
        let summary: Value = serde_json::from_slice(&text).with_context(what)?;
        Self::new(label, &summary).with_context(what)
    }

    /// Are they days of this city?
    #[must_use]
    pub fn is_of(&self, city: &City) -> bool {
        self.city == json!(city)
    }
}

/// What is compared: of all of them, less is better.
const MEASURES: [(&str, &str); 6] = [
    ("ctd", "click-to-door, min"),
    ("gap", "gap to the bound, min"),
    ("ctd_p90", "click-to-door p90, min"),
    ("undelivered_pct", "undelivered, %"),
    ("overage", "overage, min"),
    ("cost_per_order", "cost per order, $"),
];

/// One measure of two series.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Its key in `summary.json`.
    pub key: &'static str,
    /// Its name and unit.
    pub name: &'static str,
    /// Means of A and of B over the days that both have.
    pub means: (f64, f64),
    /// B − A.
    pub paired: Paired,
}

impl Difference {
    /// Can one tell A from B by it?
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        if self.paired.pairs < 2 {
            "one day says nothing"
        } else if !self.paired.is_distinguishable() {
            "not distinguishable from zero"
        } else if self.paired.mean < 0.0 {
            "B is better"
        } else {
            "B is worse"
        }
    }
}

/// B − A in every measure, over the days that both have.
///
/// # Errors
/// They have no day in common, or are of different cities.
pub fn compare(a: &Series, b: &Series) -> Result<Vec<Difference>> {
    if a.city != b.city {
        bail!("{} and {} are not of the same city", a.label, b.label);
    }
    let pairs: Vec<_> = a.days.iter().filter_map(|(name, day)| Some((day, b.days.get(name)?))).collect();
    if pairs.is_empty() {
        bail!("{} and {} have no day in common", a.label, b.label);
    }
    let of = |(key, name): (&'static str, &'static str)| {
        let both =
            |(a, b): &(&Map<String, Value>, &Map<String, Value>)| Some((a.get(key)?.as_f64()?, b.get(key)?.as_f64()?));
        let values: Vec<(f64, f64)> = pairs.iter().filter_map(both).collect();
        let n = values.len() as f64;
        let means = values.iter().fold((0.0, 0.0), |sum, (a, b)| (sum.0 + a / n, sum.1 + b / n));
        let paired = Paired::of(&values.iter().map(|(a, b)| b - a).collect::<Vec<_>>())?;
        Some(Difference { key, name, means, paired })
    };
    Ok(MEASURES.into_iter().filter_map(of).collect())
}

/// As a table: head and rows.
#[must_use]
pub fn table(differences: &[Difference]) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let head = vec!["MEASURE", "DAYS", "      A", "      B", "  B - A", "STD ERR", "95 % INTERVAL", "IN WORDS"];
    let row = |d: &Difference| {
        let (p, (a, b)) = (&d.paired, d.means);
        let number = |n: f64| if n.is_nan() { "-".to_owned() } else { format!("{n:7.3}") };
        let signed = |n: f64| if n.is_nan() { "-".to_owned() } else { format!("{n:+.3}") };
        let interval = format!("{} to {}", signed(p.interval.0), signed(p.interval.1));
        let cells =
            [d.name.to_owned(), format!("{:>4}", p.pairs), number(a), number(b), format!("{:>7}", signed(p.mean))];
        cells.into_iter().chain([number(p.error), interval, d.verdict().to_owned()]).collect()
    };
    (head, differences.iter().map(row).collect())
}

/// Decimals that are worth keeping.
fn rounded(n: f64) -> f64 {
    (n * 1e6).round() / 1e6
}

/// For programs; what is no number is null.
#[must_use]
pub fn json(a: &Series, b: &Series, differences: &[Difference]) -> Value {
    let row = |d: &Difference| {
        let p = &d.paired;
        let (a, b) = (rounded(d.means.0), rounded(d.means.1));
        let (low, high) = (rounded(p.interval.0), rounded(p.interval.1));
        json!({
            "measure": d.key, "days": p.pairs, "a": a, "b": b, "difference": rounded(p.mean),
            "standard_error": rounded(p.error), "low": low, "high": high,
            "is_distinguishable": p.is_distinguishable(), "verdict": d.verdict(),
        })
    };
    json!({ "a": a.label, "b": b.label, "measures": differences.iter().map(row).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::solution::{Commit, Kitchen, PolicyName};

    #[test]
    fn a_policy_in_one_word() {
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
            assert_eq!(text.parse(), expected.map(Spec).map_err(str::to_owned), "{text}");
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
        assert!((gap.paired.mean + 0.6).abs() < 1e-12 && (gap.means.0 - 2.5).abs() < 1e-12);
        assert_eq!(gap.verdict(), "not distinguishable from zero");
        assert_eq!(found.iter().find(|d| d.key == "ctd").unwrap().paired.pairs, 3);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let a = series("x", &[("1", json!(2.0))]);
        let error = |b: &Series| compare(&a, b).unwrap_err().to_string();
        assert_eq!(error(&series("y", &[("1", json!(2.0))])), "x and y are not of the same city");
        assert_eq!(error(&series("x", &[("2", json!(2.0))])), "x and x have no day in common");
        assert!(Series::new("x", &json!({})).is_err());
        assert_eq!(compare(&a, &a).unwrap()[0].verdict(), "one day says nothing");
    }
}
