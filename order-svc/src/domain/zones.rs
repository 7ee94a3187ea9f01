//! Which zone a place is in.

use geo::{Area as _, Contains as _, Coord, LineString, Point, Polygon};
use pannier_contracts::Place;

/// Is `place` inside the outline?
#[must_use]
pub fn contains(outline: &[Place], place: Place) -> bool {
    polygon(outline).contains(&Point::new(place.lng(), place.lat()))
}

/// How large an outline is, in square degrees: only compared, so that the smallest zone wins where several overlap.
#[must_use]
pub fn size(outline: &[Place]) -> f64 {
    polygon(outline).unsigned_area()
}

fn polygon(outline: &[Place]) -> Polygon {
    let ring: Vec<Coord> = outline.iter().map(|p| Coord { x: p.lng(), y: p.lat() }).collect();
    Polygon::new(LineString::new(ring), Vec::new())
}
