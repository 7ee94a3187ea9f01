//! Which zone a place is in.

use geo::{Area as _, Contains as _, Coord, LineString, Point, Polygon};
use pannier_contracts::Place;
use pannier_contracts::ZoneId;
use pannier_contracts::zone::Policy;

/// What a zone's corners enclose.
#[derive(Debug, Clone)]
pub struct Outline(Polygon);

impl Outline {
    /// The outline through these corners.
    #[must_use]
    pub fn new(corners: &[Place]) -> Self {
        let ring: Vec<Coord> = corners.iter().map(|p| Coord { x: p.lng(), y: p.lat() }).collect();
        Self(Polygon::new(LineString::new(ring), Vec::new()))
    }

    /// Is `place` inside?
    #[must_use]
    pub fn contains(&self, place: Place) -> bool {
        self.0.contains(&Point::new(place.lng(), place.lat()))
    }

    /// How large it is, in square degrees: only compared.
    #[must_use]
    pub fn size(&self) -> f64 {
        self.0.unsigned_area()
    }
}

/// A zone as we know it: what pricing needs of it.
#[derive(Debug, Clone)]
pub struct Zone {
    /// Which zone.
    pub id: ZoneId,
    /// Its corners.
    pub corners: Vec<Place>,
    /// What they enclose.
    pub outline: Outline,
    /// What is promised there.
    pub policy: Policy,
}

/// The zone that holds a place; of several, the smallest.
pub fn zone_at<'z>(zones: impl IntoIterator<Item = &'z Zone>, place: Place) -> Option<&'z Zone> {
    let holding = zones.into_iter().filter(|zone| zone.outline.contains(place));
    holding.min_by(|a, b| a.outline.size().total_cmp(&b.outline.size()))
}
