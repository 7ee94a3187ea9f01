//! Points on the earth, WGS84.

use geo::{Distance, Haversine, Point};
use serde::{Deserialize, Serialize};

/// A point on the earth: latitude −90 to 90, longitude −180 to 180. JSON with any other field is refused.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Place {
    lat: f64,
    lng: f64,
}

/// A latitude or longitude that is out of range or not a number.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("lat {lat}, lng {lng} is not on the earth: lat is -90 to 90, lng -180 to 180")]
pub struct InvalidPlace {
    /// Latitude, degrees.
    pub lat: f64,
    /// Longitude, degrees.
    pub lng: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    lat: f64,
    lng: f64,
}

impl TryFrom<Unchecked> for Place {
    type Error = InvalidPlace;
    fn try_from(p: Unchecked) -> Result<Self, InvalidPlace> {
        Self::new(p.lat, p.lng)
    }
}

impl Place {
    /// A place from degrees north and east.
    ///
    /// # Errors
    /// When a coordinate is out of range or not a number.
    pub fn new(lat: f64, lng: f64) -> Result<Self, InvalidPlace> {
        if (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lng) {
            Ok(Self { lat, lng })
        } else {
            Err(InvalidPlace { lat, lng })
        }
    }

    /// Latitude, degrees north.
    #[must_use]
    pub const fn lat(&self) -> f64 {
        self.lat
    }

    /// Longitude, degrees east.
    #[must_use]
    pub const fn lng(&self) -> f64 {
        self.lng
    }

    /// Great-circle distance, metres.
    #[must_use]
    pub fn distance_m(&self, other: &Self) -> f64 {
        Haversine.distance(Point::new(self.lng, self.lat), Point::new(other.lng, other.lat))
    }
}
