//! A rider's position while driving in a straight line at a constant speed.

use std::time::Duration;

use pannier_contracts::Place;
use tokio::time::Instant;

/// A drive between two places, or a stop at one.
#[derive(Debug, Clone, Copy)]
pub struct Motion {
    from: Place,
    to: Place,
    start: Instant,
    takes: Duration,
}

impl Motion {
    /// Stays at a place.
    #[must_use]
    pub fn still(place: Place) -> Self {
        Self { from: place, to: place, start: Instant::now(), takes: Duration::ZERO }
    }

    /// Drives at `speed_mps`, in metres per second of real time, starting now.
    #[must_use]
    pub fn drive(from: Place, to: Place, speed_mps: f64) -> Self {
        let seconds = (from.distance_m(&to) / speed_mps.max(0.001)).min(86_400.0);
        Self { from, to, start: Instant::now(), takes: Duration::from_secs_f64(seconds) }
    }

    /// The position at an instant; `to` after the arrival.
    #[must_use]
    pub fn place(&self, at: Instant) -> Place {
        let driven = at.saturating_duration_since(self.start);
        if driven >= self.takes {
            return self.to;
        }
        let part = driven.as_secs_f64() / self.takes.as_secs_f64();
        let between = |a: f64, b: f64| a + (b - a) * part;
        let lat = between(self.from.lat(), self.to.lat());
        // A point between two valid places is valid.
        Place::new(lat, between(self.from.lng(), self.to.lng())).unwrap_or(self.to)
    }

    /// When the drive ends.
    #[must_use]
    pub fn arrival(&self) -> Instant {
        self.start + self.takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_drive_has_a_constant_speed() {
        let (a, b) = (Place::new(0.0, 0.0).unwrap(), Place::new(0.0, 0.01).unwrap());
        let metres = a.distance_m(&b);
        let drive = Motion::drive(a, b, metres / 10.0);
        assert_eq!((drive.arrival() - drive.start).as_secs(), 10);
        let driven = |s| a.distance_m(&drive.place(drive.start + Duration::from_secs(s)));
        assert!((driven(3) - metres * 0.3).abs() < 0.01);
        assert!((driven(60) - metres).abs() < 0.01);
        assert_eq!(Motion::still(b).place(Instant::now()), b);
    }
}
