//! Is a difference more than chance? Paired differences and Student's t.

/// The 97.5 % quantile of Student's t by degrees of freedom, from 1 on.
const T_975: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];
/// And of the normal distribution, which t approaches.
const Z_975: f64 = 1.959_964;

/// The mean of paired differences and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paired {
    /// How many pairs.
    pub pairs: usize,
    /// Mean difference.
    pub mean: f64,
    /// Standard error of the mean; not a number for one pair.
    pub error: f64,
    /// Lower and upper end of the 95 % confidence interval; not numbers for one pair.
    pub interval: (f64, f64),
}

impl Paired {
    /// From the differences, one per pair; none at all gives nothing.
    #[must_use]
    pub fn of(differences: &[f64]) -> Option<Self> {
        let pairs = differences.len();
        if pairs == 0 {
            return None;
        }
        let n = pairs as f64;
        let mean = differences.iter().sum::<f64>() / n;
        let squares: f64 = differences.iter().map(|d| (d - mean) * (d - mean)).sum();
        let error = if pairs == 1 { f64::NAN } else { (squares / (n - 1.0) / n).sqrt() };
        let half = error * t_975(pairs - 1);
        Some(Self { pairs, mean, error, interval: (mean - half, mean + half) })
    }

    /// Is zero outside the interval?
    #[must_use]
    pub fn is_distinguishable(&self) -> bool {
        let (low, high) = self.interval;
        low > 0.0 || high < 0.0
    }
}

/// The 97.5 % quantile of Student's t. Beyond the table by an expansion (Cornish and Fisher 1938), good to 0.001.
fn t_975(freedom: usize) -> f64 {
    match freedom {
        0 => f64::NAN,
        n if n <= T_975.len() => T_975[n - 1],
        n => {
            let (z, n) = (Z_975, n as f64);
            z + (z.powi(3) + z) / (4.0 * n) + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * n * n)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_on_known_numbers() {
        // Mean 3, variance 2.5, so the error is sqrt(0.5); t with four degrees of freedom is 2.776.
        let paired = Paired::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert!((paired.mean - 3.0).abs() < 1e-12 && (paired.error - 0.5_f64.sqrt()).abs() < 1e-12);
        let half = 2.776 * 0.5_f64.sqrt();
        assert!((paired.interval.0 - (3.0 - half)).abs() < 1e-9 && (paired.interval.1 - (3.0 + half)).abs() < 1e-9);
        assert!(paired.is_distinguishable());
        assert!(!Paired::of(&[-1.0, 2.0, -3.0, 4.0]).unwrap().is_distinguishable());
        assert!(!Paired::of(&[0.0, 0.0]).unwrap().is_distinguishable());
        assert!(Paired::of(&[1.0, 1.0]).unwrap().is_distinguishable());
        assert!(!Paired::of(&[5.0]).unwrap().is_distinguishable());
        assert_eq!(Paired::of(&[]), None);
    }

    #[test]
    fn t_beyond_the_table() {
        for (freedom, expected) in [(31, 2.040), (40, 2.021), (60, 2.000), (120, 1.980), (1_000_000, 1.960)] {
            assert!((t_975(freedom) - expected).abs() < 0.001, "{freedom}: {}", t_975(freedom));
        }
    }
}
