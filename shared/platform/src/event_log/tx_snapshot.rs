//! PostgreSQL's `pg_snapshot`: which transactions a reader has seen.

use std::fmt;
use std::str::FromStr;

/// What was visible to one statement: every transaction below `xmax` that was not in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxSnapshot {
    /// The lowest transaction in progress.
    xmin: u64,
    /// The first transaction that had not begun.
    xmax: u64,
    /// The transactions below `xmax` in progress, ascending.
    in_progress: Vec<u64>,
}

/// The text is not a `pg_snapshot`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no transaction snapshot")]
pub struct InvalidSnapshot(String);

impl TxSnapshot {
    /// Whether this transaction's writes were visible, if it committed.
    #[must_use]
    pub fn sees(&self, tx: u64) -> bool {
        tx < self.xmax && self.in_progress.binary_search(&tx).is_err()
    }

    /// The first transaction that had not begun.
    #[must_use]
    pub fn xmax(&self) -> u64 {
        self.xmax
    }

    /// Transactions that had begun and were not visible, as text for `xid8[]`.
    #[must_use]
    pub fn in_progress(&self) -> Vec<String> {
        self.in_progress.iter().map(u64::to_string).collect()
    }

    /// Whether this snapshot is later than `other`. Both have to be of one cluster, where visibility only grows.
    #[must_use]
    pub fn is_after(&self, other: &Self) -> bool {
        (self.xmax, std::cmp::Reverse(self.in_progress.len()))
            > (other.xmax, std::cmp::Reverse(other.in_progress.len()))
    }
}

impl fmt::Display for TxSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.xmin, self.xmax, self.in_progress().join(","))
    }
}

impl FromStr for TxSnapshot {
    type Err = InvalidSnapshot;

    fn from_str(text: &str) -> Result<Self, InvalidSnapshot> {
        let read = || -> Option<Self> {
            let mut parts = text.split(':');
            let (xmin, xmax, list) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?);
            let in_progress: Vec<u64> =
                list.split(',').filter(|tx| !tx.is_empty()).map(str::parse).collect::<Result<_, _>>().ok()?;
            let is_valid = parts.next().is_none()
                && xmin <= xmax
                && in_progress.is_sorted()
                && in_progress.iter().all(|tx| (xmin..xmax).contains(tx));
            is_valid.then_some(Self { xmin, xmax, in_progress })
        };
        read().ok_or_else(|| InvalidSnapshot(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_and_sees_what_had_committed() {
        let snapshot: TxSnapshot = "10:20:10,14,15".parse().unwrap();
        assert_eq!(snapshot.to_string(), "10:20:10,14,15");
        let seen: Vec<u64> = (8..22).filter(|tx| snapshot.sees(*tx)).collect();
        assert_eq!(seen, [8, 9, 11, 12, 13, 16, 17, 18, 19]);
        assert_eq!("7:7:".parse::<TxSnapshot>().unwrap().to_string(), "7:7:");
        for bad in ["", "1:2", "2:1:", "1:5:9", "1:5:3,2", "a:b:", "1:2::", "-1:2:"] {
            assert!(bad.parse::<TxSnapshot>().is_err(), "{bad}");
        }
    }

    #[test]
    fn later_is_told_from_earlier() {
        let [a, b, c]: [TxSnapshot; 3] = ["10:20:10,14", "14:20:14", "14:21:14,20"].map(|text| text.parse().unwrap());
        assert!(b.is_after(&a) && c.is_after(&b) && c.is_after(&a));
        assert!(!a.is_after(&a) && !a.is_after(&c));
    }
}
