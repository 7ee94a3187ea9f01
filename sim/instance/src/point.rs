use pannier_contracts::Place;
use pannier_contracts::place::InvalidPlace;

/// Mean radius of the earth, metres; the one that [`Place::distance_m`] uses.
const EARTH_M: f64 = 6_371_008.8;
/// Latitude and longitude of the plane's origin: Quito. Near the equator a degree has the same length in both
/// directions over a whole city, so metres of the plane equal metres on the earth to within a thousandth of a percent.
const ORIGIN: (f64, f64) = (-0.22, -78.51);

/// A point on the plane of an instance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Metres east of the origin.
    pub x: f64,
    /// Metres north of the origin.
    pub y: f64,
}

impl Point {
    /// Projects the point onto the earth, with the plane's origin in Quito.
    ///
    /// # Errors
    /// [`InvalidPlace`] when the result is outside the range of latitudes or longitudes.
    pub fn place(self) -> Result<Place, InvalidPlace> {
        self.place_east(0.0)
    }

    /// As [`Point::place`], with the origin moved east by `degrees`.
    pub(crate) fn place_east(self, degrees: f64) -> Result<Place, InvalidPlace> {
        let lat = ORIGIN.0 + (self.y / EARTH_M).to_degrees();
        let lng = ORIGIN.1 + degrees + (self.x / (EARTH_M * ORIGIN.0.to_radians().cos())).to_degrees();
        Place::new(lat, lng)
    }

    /// Straight-line distance, metres.
    #[must_use]
    pub fn distance_m(self, other: Self) -> f64 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}
