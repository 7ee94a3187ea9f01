//! Random variates.
//!
//! They are computed here and not by a crate such as `rand_distr`, whose next version may change its algorithms: a city
//! and a seed must give the same day for as long as results are compared.

use std::f64::consts::TAU;

use pannier_instance::Point;
use rand::RngExt;
use rand_pcg::Pcg64;

/// Exponential time until the next order, minutes; infinite at a rate of 0.
pub(super) fn interarrival_min(rng: &mut Pcg64, per_hour: f64) -> f64 {
    -rng.random_range(f64::EPSILON..1.0).ln() * 60.0 / per_hour
}

/// A uniformly distributed point of a square town, at least `border` (a share of the side) away from its border.
pub(super) fn uniform(side_m: f64, rng: &mut Pcg64, border: f64) -> Point {
    let mut coordinate = || (side_m * rng.random_range(border..1.0 - border)).round();
    Point { x: coordinate(), y: coordinate() }
}

/// Samples until the point is inside the square town, then rounds to whole metres. After a hundred attempts the last
/// point is moved to the border.
pub(super) fn inside(side_m: f64, rng: &mut Pcg64, mut sample: impl FnMut(&mut Pcg64) -> Point) -> Point {
    let mut point = sample(rng);
    for _ in 0..100 {
        if (0.0..=side_m).contains(&point.x) && (0.0..=side_m).contains(&point.y) {
            break;
        }
        point = sample(rng);
    }
    Point { x: point.x.clamp(0.0, side_m).round(), y: point.y.clamp(0.0, side_m).round() }
}

/// A uniformly distributed point of a disc.
pub(super) fn within_disc(rng: &mut Pcg64, centre: Point, radius_km: f64) -> Point {
    let (angle, distance) = (rng.random_range(0.0..TAU), rng.random_range(0.0..1.0_f64).sqrt() * radius_km * 1_000.0);
    Point { x: centre.x + distance * angle.cos(), y: centre.y + distance * angle.sin() }
}

/// A standard normal sample (Box and Muller 1958).
pub(super) fn normal(rng: &mut Pcg64) -> f64 {
    let (u, v) = (rng.random_range(f64::EPSILON..1.0), rng.random_range(0.0..TAU));
    (-2.0 * u.ln()).sqrt() * v.cos()
}

/// A log-normal sample with this mean and coefficient of variation.
pub(super) fn log_normal(rng: &mut Pcg64, mean: f64, variation: f64) -> f64 {
    let variance = (1.0 + variation * variation).ln();
    mean * (variance.sqrt() * normal(rng) - variance / 2.0).exp()
}
