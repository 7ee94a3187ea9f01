//! How far and how long: straight lines on a plane, made longer by a factor, at the rider's usual speed.
//!
//! The engine lives on a plane of metres. A city's [`Plane`] lays the globe flat around its middle once per snapshot, so
//! that the inner loops need a square root and no trigonometry; recorded days come as a plane already.

use pannier_contracts::Place;
use serde::{Deserialize, Serialize};

/// How much longer streets are than the straight line, thousandths, where nothing better is known.
pub const WAY_PERMILLE: u32 = 1_300;

/// A rider slower than this is taken to be this fast, metres per second: a speed of 0 would never arrive.
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
    /// The straight line, metres. Uses only operations that IEEE 754 rounds exactly, so every machine gets the same
    /// number: a plan must not depend on who made it.
    #[must_use]
    pub fn metres_to(self, other: Self) -> f64 {
        let (x, y) = (self.x_m - other.x_m, self.y_m - other.y_m);
        (x * x + y * y).sqrt()
    }
}

/// The globe laid flat around one place. Within 20 km of it, distances are right to a few thousandths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plane {
    origin: (f64, f64),
    /// Metres per degree of longitude at the origin's latitude.
    east_m: f64,
}

const NORTH_M: f64 = EARTH_RADIUS_M * RADIANS_PER_DEGREE;

impl Plane {
    /// The plane that touches the globe here.
    #[must_use]
    pub fn around(middle: &Place) -> Self {
        let east_m = NORTH_M * cos(middle.lat() * RADIANS_PER_DEGREE);
        Self { origin: (middle.lat(), middle.lng()), east_m }
    }

    /// Where a place lies on this plane.
    #[must_use]
    pub fn point(&self, place: &Place) -> Point {
        let east = place.lng() - self.origin.1;
        // The short way round the globe.
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

/// How ways take time in a city, and how long people stand at counters and doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct City {
    /// How much longer streets are than the straight line, thousandths.
    pub way_permille: u32,
    /// Travel times are rounded up to a multiple of this, milliseconds; 1 where clocks are fine.
    pub round_up_ms: i64,
    /// At the counter, half before and half after the pickup, milliseconds.
    pub counter_ms: i64,
    /// At the door, half before and half after the drop-off, milliseconds.
    pub door_ms: i64,
}

impl Default for City {
    fn default() -> Self {
        Self { way_permille: WAY_PERMILLE, round_up_ms: 1, counter_ms: 0, door_ms: 0 }
    }
}

/// How one rider gets around a city: what an inner loop needs to know.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pace {
    ms_per_metre: f64,
    round_up_ms: i64,
}

impl Pace {
    pub fn new(city: &City, speed_mps: f64) -> Self {
        // `max` also turns a speed that is not a number into the slowest.
        let ms_per_metre = f64::from(city.way_permille) / speed_mps.max(MIN_SPEED_MPS);
        Self { ms_per_metre, round_up_ms: city.round_up_ms.max(1) }
    }

    /// From one point to another, milliseconds, rounded up.
    pub fn travel_ms(self, from: Point, to: Point) -> i64 {
        self.way_ms(from.metres_to(to))
    }

    /// Along a straight line of so many metres, milliseconds, rounded up. A millionth of a millisecond is forgiven:
    /// 640 m at 320 m a minute take two minutes, whatever the last bit of the speed is.
    pub fn way_ms(self, straight_m: f64) -> i64 {
        let exact = straight_m * self.ms_per_metre - 1e-6;
        // The cast saturates and cuts towards zero.
        let whole = exact as i64;
        let ms = whole + i64::from((whole as f64) < exact);
        if self.round_up_ms == 1 { ms } else { (ms + self.round_up_ms - 1) / self.round_up_ms * self.round_up_ms }
    }
}

/// How long a rider of this speed (metres per second) takes from one place to another on a city's streets,
/// milliseconds, rounded up.
#[must_use]
pub fn travel_ms(from: &Place, to: &Place, speed_mps: f64) -> i64 {
    let plane = Plane::around(from);
    Pace::new(&City::default(), speed_mps).travel_ms(plane.point(from), plane.point(to))
}

/// Cosine for −π/2 … π/2, to 1e-11: its Taylor series, by Horner. Library cosines differ between machines.
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
    fn cosine_is_the_cosine() {
        for degrees in -90..=90 {
            let x = f64::from(degrees) * RADIANS_PER_DEGREE;
            assert!((cos(x) - x.cos()).abs() < 1e-11, "{degrees}");
        }
    }

    #[test]
    fn time_is_whole_and_never_for_ever() {
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
            assert_eq!(Pace::new(&City::default(), speed).way_ms(metres), expected, "{metres} m at {speed} m/s");
        }
    }

    #[test]
    fn whole_minutes_are_kept_and_anything_more_is_the_next() {
        let city = City { way_permille: 1_000, round_up_ms: 60_000, ..City::default() };
        for per_minute in [314.0, 320.0, 419.0, 427.0] {
            let pace = Pace::new(&city, per_minute / 60.0);
            for minutes in 0..100 {
                let metres = f64::from(minutes) * per_minute;
                assert_eq!(pace.way_ms(metres), i64::from(minutes) * 60_000, "{metres} m");
                assert_eq!(pace.way_ms(metres + 1e-5), i64::from(minutes + 1) * 60_000, "a little over {metres} m");
            }
        }
    }
}
