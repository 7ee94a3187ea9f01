//! Distances and travel times: straight lines on a plane, times a circuity factor, at the rider's usual speed.
//!
//! The engine knows only points on a plane, in metres. dispatch-svc projects the globe onto a [`Plane`] once per snapshot,
//! so that the inner loops need a square root and no trigonometry. Recorded days have plane coordinates already.

use pannier_contracts::Place;
use serde::{Deserialize, Serialize};

/// The default circuity: the length of a way on streets relative to the straight line, thousandths.
pub const CIRCUITY_PERMILLE: u32 = 1_300;

/// A lower speed, and one that is not a number, is replaced by this, metres per second.
const MIN_SPEED_MPS: f64 = 0.5;

const EARTH_RADIUS_M: f64 = 6_371_008.8;
const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;

/// A point on the plane of a city.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Metres east of the origin.
    pub x_m: f64,
    /// Metres north of the origin.
    pub y_m: f64,
}

impl Point {
    /// The straight-line distance, metres. Uses only operations that IEEE 754 rounds exactly, so every machine computes
    /// the same number.
    #[must_use]
    pub fn metres_to(self, other: Self) -> f64 {
        let (x, y) = (self.x_m - other.x_m, self.y_m - other.y_m);
        (x * x + y * y).sqrt()
    }
}

/// An equirectangular projection around one place. Within 20 km of it, distances are right to a few thousandths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plane {
    origin: (f64, f64),
    /// Metres per degree of longitude at the origin's latitude.
    east_m: f64,
}

const NORTH_M: f64 = EARTH_RADIUS_M * RADIANS_PER_DEGREE;

impl Plane {
    /// The projection around this place.
    #[must_use]
    pub fn around(middle: &Place) -> Self {
        let east_m = NORTH_M * cos(middle.lat() * RADIANS_PER_DEGREE);
        Self { origin: (middle.lat(), middle.lng()), east_m }
    }

    /// The place's point on the plane.
    #[must_use]
    pub fn point(&self, place: &Place) -> Point {
        let east = place.lng() - self.origin.1;
        // Across the date line the difference of longitudes wraps.
        let east = if east > 180.0 {
            east - 360.0
        } else if east < -180.0 {
            east + 360.0
        } else {
            east
        };
        Point { x_m: east * self.east_m, y_m: (place.lat() - self.origin.0) * NORTH_M }
    }
}

/// How distances become travel times in a city, and how long a rider stops at counters and doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TravelModel {
    /// The length of a way on streets relative to the straight line, thousandths.
    pub circuity_permille: u32,
    /// Travel times are rounded up to a multiple of this, milliseconds. Recorded days count in whole minutes; else 1.
    pub round_up_ms: i64,
    /// Service time at the counter, milliseconds: half before and half after the pickup.
    pub counter_ms: i64,
    /// Service time at the door, milliseconds: half before and half after the drop-off.
    pub door_ms: i64,
}

impl Default for TravelModel {
    fn default() -> Self {
        Self { circuity_permille: CIRCUITY_PERMILLE, round_up_ms: 1, counter_ms: 0, door_ms: 0 }
    }
}

/// A rider's time per metre of straight line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pace {
    ms_per_metre: f64,
    round_up_ms: i64,
}

impl Pace {
    /// The pace of a rider of this speed, metres per second.
    pub fn new(model: &TravelModel, speed_mps: f64) -> Self {
        // `max` also replaces a speed that is not a number.
        let ms_per_metre = f64::from(model.circuity_permille) / speed_mps.max(MIN_SPEED_MPS);
        Self { ms_per_metre, round_up_ms: model.round_up_ms.max(1) }
    }

    /// The travel time from one point to another, milliseconds, rounded up.
    pub fn travel_ms(self, from: Point, to: Point) -> i64 {
        self.duration_ms(from.metres_to(to))
    }

    /// The travel time over a straight-line distance, milliseconds, rounded up. A millionth of a millisecond is
    /// tolerated, so that 640 m at 320 m a minute take two minutes whatever the last bit of the speed is.
    pub fn duration_ms(self, straight_m: f64) -> i64 {
        let exact = straight_m * self.ms_per_metre - 1e-6;
        // The cast saturates and cuts towards zero.
        let whole = exact as i64;
        let ms = whole + i64::from((whole as f64) < exact);
        if self.round_up_ms == 1 { ms } else { (ms + self.round_up_ms - 1) / self.round_up_ms * self.round_up_ms }
    }
}

/// The travel time of a rider of this speed (metres per second) from one place to another with the default circuity,
/// milliseconds, rounded up.
#[must_use]
pub fn travel_ms(from: &Place, to: &Place, speed_mps: f64) -> i64 {
    let plane = Plane::around(from);
    Pace::new(&TravelModel::default(), speed_mps).travel_ms(plane.point(from), plane.point(to))
}

/// Cosine for −π/2 … π/2, exact to 1e-11: its Taylor series in Horner form. Library cosines differ between machines.
fn cos(x: f64) -> f64 {
    const STEPS: [f64; 8] =
        [1.0 / 240.0, 1.0 / 182.0, 1.0 / 132.0, 1.0 / 90.0, 1.0 / 56.0, 1.0 / 30.0, 1.0 / 12.0, 1.0 / 2.0];
    let square = x * x;
    STEPS.iter().fold(1.0, |inner, step| 1.0 - square * step * inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(lat: f64, lng: f64) -> Place {
        Place::new(lat, lng).unwrap()
    }

    #[test]
    fn the_plane_agrees_with_the_globe_within_a_city() {
        for lat in [-60.0, -33.9, 0.0, 1.3, 40.7, 52.5, 60.0] {
            for (north, east) in [(0.0, 0.0), (0.001, 0.0), (0.0, 0.001), (0.1, 0.1), (-0.1, 0.15), (0.05, -0.1)] {
                for lng in [13.4, 179.95, -179.95] {
                    let wrapped = if lng + east > 180.0 { lng + east - 360.0 } else { lng + east };
                    let wrapped = if wrapped < -180.0 { wrapped + 360.0 } else { wrapped };
                    let (a, b) = (place(lat, lng), place(lat + north, wrapped));
                    let (plane, exact) = (Plane::around(&a), a.distance_m(&b));
                    let flat = plane.point(&a).metres_to(plane.point(&b));
                    assert!((flat - exact).abs() <= exact * 0.003 + 1e-6, "{a:?} {b:?}: {flat} {exact}");
                }
            }
        }
    }

    #[test]
    fn cosine_agrees_with_the_library() {
        for degrees in -90..=90 {
            let x = f64::from(degrees) * RADIANS_PER_DEGREE;
            assert!((cos(x) - x.cos()).abs() < 1e-11, "{degrees}");
        }
    }

    #[test]
    fn travel_times_are_rounded_up_and_finite() {
        for (metres, speed, expected) in [
            (0.0, 5.0, 0),
            (1_000.0, 5.0, 260_000),
            (1_000.0, 13.0, 100_000),
            (0.001, 5.0, 1),
            (1_000.0, 0.0, 2_600_000),
            (1_000.0, -3.0, 2_600_000),
            (1_000.0, f64::NAN, 2_600_000),
            (1_000.0, f64::INFINITY, 0),
        ] {
            assert_eq!(
                Pace::new(&TravelModel::default(), speed).duration_ms(metres),
                expected,
                "{metres} m at {speed} m/s"
            );
        }
    }

    #[test]
    fn with_whole_minutes_anything_more_than_a_minute_takes_two() {
        let model = TravelModel { circuity_permille: 1_000, round_up_ms: 60_000, ..TravelModel::default() };
        for per_minute in [314.0, 320.0, 419.0, 427.0] {
            let pace = Pace::new(&model, per_minute / 60.0);
            for minutes in 0..100 {
                let metres = f64::from(minutes) * per_minute;
                assert_eq!(pace.duration_ms(metres), i64::from(minutes) * 60_000, "{metres} m");
                assert_eq!(
                    pace.duration_ms(metres + 1e-5),
                    i64::from(minutes + 1) * 60_000,
                    "a little over {metres} m"
                );
            }
        }
    }
}
