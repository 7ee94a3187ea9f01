//! The inside of a polygon on the map.

use geo::{Area as _, Contains as _, Coord, LineString, Point, Polygon};

use crate::Place;

/// What a polygon's corners enclose. Degrees are taken for a plane: areas are small, and far from the poles and the date
/// line.
#[derive(Debug, Clone, PartialEq)]
pub struct Area(Polygon);

impl Area {
    /// The area inside these corners; an edge leads from the last to the first. Fewer than three corners enclose nothing.
    #[must_use]
    pub fn inside(corners: &[Place]) -> Self {
        let ring: Vec<Coord> = corners.iter().map(|place| Coord { x: place.lng(), y: place.lat() }).collect();
        Self(Polygon::new(LineString::new(ring), Vec::new()))
    }

    /// Whether `place` is inside. A place on an edge or a corner is outside.
    #[must_use]
    pub fn contains(&self, place: &Place) -> bool {
        self.0.contains(&Point::new(place.lng(), place.lat()))
    }

    /// The size in square degrees. Only good for comparing areas in one region.
    #[must_use]
    pub fn square_degrees(&self) -> f64 {
        self.0.unsigned_area()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(lat: f64, lng: f64) -> Place {
        Place::new(lat, lng).unwrap()
    }

    #[test]
    fn a_place_is_inside_or_not() {
        // The north-eastern quarter of a square is cut out.
        let corners = [(0.0, 0.0), (0.0, 2.0), (1.0, 2.0), (1.0, 1.0), (2.0, 1.0), (2.0, 0.0)];
        let mut corners = corners.map(|(lat, lng)| place(lat, lng));
        let places = [
            (0.5, 0.5, true),
            (0.5, 1.5, true),
            (1.5, 0.5, true),
            (1.5, 1.5, false),
            (-0.1, 1.0, false),
            (1.0, 3.0, false),
            // On the boundary: a corner, an edge, the corner that is cut in, an edge of the cut.
            (0.0, 0.0, false),
            (0.0, 1.0, false),
            (1.0, 1.0, false),
            (1.0, 1.5, false),
        ];
        for direction in ["counter-clockwise", "clockwise"] {
            let area = Area::inside(&corners);
            for (lat, lng, expected) in places {
                assert_eq!(area.contains(&place(lat, lng)), expected, "{lat} {lng}, {direction}");
            }
            assert!((area.square_degrees() - 3.0).abs() < 1e-9, "{direction}");
            corners.reverse();
        }
    }

    #[test]
    fn fewer_than_three_corners_enclose_nothing() {
        for corners in [&[][..], &[place(0.0, 0.0)], &[place(0.0, 0.0), place(1.0, 1.0)]] {
            let area = Area::inside(corners);
            assert!(!area.contains(&place(0.0, 0.0)) && !area.contains(&place(0.5, 0.5)));
            assert_eq!(area.square_degrees(), 0.0);
        }
    }
}
