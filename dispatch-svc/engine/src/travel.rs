//! How far and how long: straight lines, made longer by a factor, at the rider's usual speed.

use pannier_contracts::Place;

/// How much longer streets are than the straight line, thousandths.
pub const WAY_PERMILLE: u32 = 1_300;

/// A rider slower than this is taken to be this fast, metres per second: a speed of 0 would never arrive.
const MIN_SPEED_MPS: f64 = 0.5;

const EARTH_RADIUS_M: f64 = 6_371_008.8;
const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;

/// The straight line, metres.
///
/// Within a city it agrees with the great circle to a thousandth. It uses only operations that IEEE 754 rounds exactly
/// (no library sine), so every machine gets the same number: a plan must not depend on who made it.
#[must_use]
pub fn distance_m(from: &Place, to: &Place) -> f64 {
    let north = (to.lat() - from.lat()) * RADIANS_PER_DEGREE;
    let across = (to.lng() - from.lng()).abs();
    let across = if across > 180.0 { 360.0 - across } else { across };
    let east = across * RADIANS_PER_DEGREE * cos((from.lat() + to.lat()) / 2.0 * RADIANS_PER_DEGREE);
    EARTH_RADIUS_M * (north * north + east * east).sqrt()
}

/// How long a rider of this speed (metres per second) takes from one place to another, milliseconds, rounded up.
#[must_use]
pub fn travel_ms(from: &Place, to: &Place, speed_mps: f64) -> i64 {
    way_ms(distance_m(from, to), speed_mps)
}

/// How long a straight line of so many metres takes, milliseconds, rounded up.
pub(crate) fn way_ms(straight_m: f64, speed_mps: f64) -> i64 {
    // `max` also turns a speed that is not a number into the slowest; the cast saturates.
    (straight_m * f64::from(WAY_PERMILLE) / speed_mps.max(MIN_SPEED_MPS)).ceil() as i64
}

/// Cosine for −π/2 … π/2, to 1e-11: its Taylor series, by Horner. Multiplications, because this is the inner loop.
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
    fn it_agrees_with_the_great_circle_within_a_city() {
        for lat in [-65.0, -33.9, 0.0, 1.3, 40.7, 52.5, 65.0] {
            for (north, east) in [(0.0, 0.0), (0.001, 0.0), (0.0, 0.001), (0.1, 0.1), (-0.2, 0.15), (0.05, -0.3)] {
                for lng in [13.4, 179.9, -179.95] {
                    let wrapped = if lng + east > 180.0 { lng + east - 360.0 } else { lng + east };
                    let wrapped = if wrapped < -180.0 { wrapped + 360.0 } else { wrapped };
                    let (a, b) = (place(lat, lng), place(lat + north, wrapped));
                    let exact = a.distance_m(&b);
                    assert!((distance_m(&a, &b) - exact).abs() <= exact * 0.001 + 1e-6, "{a:?} {b:?}");
                    assert_eq!(distance_m(&a, &b), distance_m(&b, &a));
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
    fn time_is_whole_milliseconds_and_never_for_ever() {
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
            assert_eq!(way_ms(metres, speed), expected, "{metres} m at {speed} m/s");
        }
    }
}
