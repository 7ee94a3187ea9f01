//! Results of other policies on the same instances, for comparison.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use crate::statistics::{PairedDifference, mean};
use pannier_instance::InstanceError;

/// Gaps to the zero-wait bound, minutes, by policy and instance name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reference(BTreeMap<String, HashMap<String, f64>>);

/// Our gaps against those of another policy, over the instances that both have.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The other policy.
    pub policy: String,
    /// The other policy's mean gap, minutes.
    pub gap: f64,
    /// Our gap − theirs, minutes, paired by instance.
    pub difference: PairedDifference,
    /// Number of instances on which our gap is smaller.
    pub better: usize,
}

impl Reference {
    /// Reads a CSV with the columns `instance`, `policy` and `gap_to_bound`, in any order and among others.
    ///
    /// # Errors
    /// [`InstanceError`] with the line: a missing column, an empty cell, a gap that is not a number.
    pub fn load(file: &Path) -> Result<Self, InstanceError> {
        let error = |line, what| InstanceError { file: file.to_owned(), line, what };
        let text = fs::read_to_string(file).map_err(|e| error(None, format!("cannot be read: {e}")))?;
        let mut lines = text.lines().enumerate().map(|(n, line)| (n + 1, line.split(',').map(str::trim)));
        let head: Vec<&str> = lines.next().map(|(_, head)| head.collect()).unwrap_or_default();
        let column = |name: &str| {
            let found = head.iter().position(|cell| *cell == name);
            found.ok_or_else(|| error(Some(1), format!("the column {name} is missing")))
        };
        let (instance, policy, gap) = (column("instance")?, column("policy")?, column("gap_to_bound")?);
        let mut all = Self::default();
        for (n, line) in lines {
            let cells: Vec<&str> = line.collect();
            if cells == [""] {
                continue;
            }
            let cell = |column: usize| {
                let cell = cells.get(column).copied().filter(|cell| !cell.is_empty());
                cell.ok_or_else(|| error(Some(n), format!("column {} is empty", column + 1)))
            };
            let minutes = cell(gap)?.parse::<f64>().ok().filter(|minutes| minutes.is_finite());
            let minutes = minutes.ok_or_else(|| error(Some(n), "gap_to_bound is not a number".into()))?;
            all.0.entry(cell(policy)?.to_owned()).or_default().insert(cell(instance)?.to_owned(), minutes);
        }
        Ok(all)
    }

    /// The names of the policies, sorted.
    pub fn policies(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The gap of a policy on an instance, minutes.
    #[must_use]
    pub fn gap(&self, policy: &str, instance: &str) -> Option<f64> {
        self.0.get(policy)?.get(instance).copied()
    }

    /// Compares our gaps, given with the instances' names, with each policy that has at least one of the instances.
    /// Gaps that are not finite are left out.
    #[must_use]
    pub fn compare(&self, ours: &[(&str, f64)]) -> Vec<Comparison> {
        let against = |policy: &str| {
            let both = ours.iter().filter_map(|&(name, gap)| Some((gap, self.gap(policy, name)?)));
            let both: Vec<_> = both.filter(|(gap, _)| gap.is_finite()).collect();
            let differences: Vec<f64> = both.iter().map(|(ours, theirs)| ours - theirs).collect();
            Some(Comparison {
                policy: policy.to_owned(),
                gap: mean(&both.iter().map(|(_, theirs)| *theirs).collect::<Vec<_>>()),
                difference: PairedDifference::of(&differences)?,
                better: differences.iter().filter(|d| **d < 0.0).count(),
            })
        };
        self.policies().filter_map(against).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Reference, String> {
        let file = std::env::temp_dir().join(format!("pannier-reference-{}.csv", uuid::Uuid::now_v7()));
        fs::write(&file, text).unwrap();
        let read = Reference::load(&file).map_err(|e| e.to_string().replace(&file.display().to_string(), "file"));
        fs::remove_file(&file).unwrap();
        read
    }

    #[test]
    fn differences_are_paired() {
        let all = load("policy,instance,orders,gap_to_bound\nrh,a,5,2.0\nrh,b,5,4.0\nrh,c,5,9\ncr,a,5,1.5\n").unwrap();
        let against = all.compare(&[("a", 1.0), ("b", 1.0), ("d", 7.0)]);
        assert_eq!(
            against.iter().map(|c| (c.policy.as_str(), c.difference.pairs)).collect::<Vec<_>>(),
            [("cr", 1), ("rh", 2)]
        );
        assert_eq!(
            (against[1].gap, against[1].difference.mean, against[1].difference.standard_error, against[1].better),
            (3.0, -2.0, 1.0, 2)
        );
    }

    #[test]
    fn an_invalid_file_is_reported_with_its_line() {
        for (text, expected) in [
            ("instance,policy\n", "file:1: the column gap_to_bound is missing"),
            ("instance,policy,gap_to_bound\na,rh,x\n", "file:2: gap_to_bound is not a number"),
            ("instance,policy,gap_to_bound\na,rh,1\n,rh,1\n", "file:3: column 1 is empty"),
        ] {
            assert_eq!(load(text).unwrap_err(), expected);
        }
    }
}
