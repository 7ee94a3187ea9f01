//! Means, quantiles, and confidence intervals of paired differences.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// The arithmetic mean; NaN for no values.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The quantile at `share` (0 to 1), interpolated linearly between the two nearest ranks as numpy does by default; NaN
/// for no values.
#[must_use]
pub fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = share * values.len().saturating_sub(1) as f64;
    let at = |rank: f64| values.get(rank as usize).copied().unwrap_or(f64::NAN);
    at(rank.floor()) + (at(rank.ceil()) - at(rank.floor())) * rank.fract()
}

/// The mean of paired differences with its 95 % confidence interval (Student's t).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedDifference {
    /// Number of pairs.
    pub pairs: usize,
    /// Mean difference.
    pub mean: f64,
    /// Standard error of the mean; NaN for one pair.
    pub standard_error: f64,
    /// Lower end of the interval; NaN for one pair.
    pub low: f64,
    /// Upper end of the interval; NaN for one pair.
    pub high: f64,
}

impl PairedDifference {
    /// From one difference per pair; `None` without pairs.
    #[must_use]
    pub fn of(differences: &[f64]) -> Option<Self> {
        let pairs = differences.len();
        if pairs == 0 {
            return None;
        }
        let n = pairs as f64;
        let mean = mean(differences);
        let squares: f64 = differences.iter().map(|d| (d - mean) * (d - mean)).sum();
        // With one pair this is 0 / 0.
        let standard_error = (squares / (n - 1.0) / n).sqrt();
        let half = standard_error * t_975(n - 1.0);
        Some(Self { pairs, mean, standard_error, low: mean - half, high: mean + half })
    }

    /// Whether the interval excludes zero.
    #[must_use]
    pub fn is_significant(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// The 97.5 % quantile of Student's t; NaN for 0 degrees of freedom.
fn t_975(degrees_of_freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, degrees_of_freedom).map_or(f64::NAN, |t| t.inverse_cdf(0.975))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_equal_numpys() {
        let rows: [(&[f64], f64, f64); 4] =
            [(&[5.0], 0.9, 5.0), (&[1.0, 2.0], 0.9, 1.9), (&[3.0, 1.0, 2.0], 0.5, 2.0), (&[4.0, 0.0], 1.0, 4.0)];
        for (values, share, expected) in rows {
            assert!((quantile(values.to_vec(), share) - expected).abs() < 1e-12, "{values:?}");
        }
        assert!(quantile(Vec::new(), 0.9).is_nan());
    }

    #[test]
    fn the_interval_of_known_numbers() {
        // Mean 3, variance 2.5, standard error sqrt(0.5); t with four degrees of freedom is 2.776.
        let paired = PairedDifference::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert!((paired.mean - 3.0).abs() < 1e-12 && (paired.standard_error - 0.5_f64.sqrt()).abs() < 1e-12);
        let half = 2.776_445 * 0.5_f64.sqrt();
        assert!((paired.low - (3.0 - half)).abs() < 1e-6 && (paired.high - (3.0 + half)).abs() < 1e-6);
        assert!(paired.is_significant());
        assert!(!PairedDifference::of(&[-1.0, 2.0, -3.0, 4.0]).unwrap().is_significant());
        assert!(!PairedDifference::of(&[0.0, 0.0]).unwrap().is_significant());
        assert!(PairedDifference::of(&[1.0, 1.0]).unwrap().is_significant());
        assert!(!PairedDifference::of(&[5.0]).unwrap().is_significant());
        assert_eq!(PairedDifference::of(&[]), None);
    }

    #[test]
    fn t_equals_the_published_table() {
        let table = [(1, 12.706), (2, 4.303), (4, 2.776), (30, 2.042), (60, 2.000), (120, 1.980), (10_000, 1.960)];
        for (degrees, expected) in table {
            let t = t_975(f64::from(degrees));
            assert!((t - expected).abs() < 0.001, "{degrees}: {t}");
        }
        assert!(t_975(0.0).is_nan());
    }
}
