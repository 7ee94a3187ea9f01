//! The zones that pricing knows.

use pannier_contracts::zone::Policy;
use pannier_contracts::{Area, Place, ZoneId};

/// A zone: where it is and what is promised there.
#[derive(Debug, Clone)]
pub struct Zone {
    /// The zone's id.
    pub id: ZoneId,
    /// The polygon as it was drawn; not closed.
    pub corners: Vec<Place>,
    /// What the corners enclose.
    pub area: Area,
    /// What customers are promised there.
    pub policy: Policy,
}

impl Zone {
    /// A zone inside these corners.
    #[must_use]
    pub fn new(id: ZoneId, corners: Vec<Place>, policy: Policy) -> Self {
        Self { id, area: Area::inside(&corners), corners, policy }
    }
}

/// The zone that contains a place; the smallest where several do.
pub fn zone_at<'z>(zones: impl IntoIterator<Item = &'z Zone>, place: &Place) -> Option<&'z Zone> {
    let containing = zones.into_iter().filter(|zone| zone.area.contains(place));
    containing.min_by(|a, b| a.area.square_degrees().total_cmp(&b.area.square_degrees()))
}
