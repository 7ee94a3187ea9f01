//! Which zone a place is in.

use geo::{Contains as _, Coord, LineString, Point, Polygon};
use pannier_contracts::Place;

/// Is `place` inside the outline?
#[must_use]
pub fn contains(outline: &[Place], place: Place) -> bool {
    let ring: Vec<Coord> = outline.iter().map(|p| Coord { x: p.lng(), y: p.lat() }).collect();
    Polygon::new(LineString::new(ring), Vec::new()).contains(&Point::new(place.lng(), place.lat()))
}
