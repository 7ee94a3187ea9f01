//! Conversion between minutes of the city and real time.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// The clock of a city that runs faster than real time. Copies share their start.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    first_minute: f64,
    speed: f64,
    instant: Instant,
    time: DateTime<Utc>,
}

impl Clock {
    /// A clock that is at `first_minute` now and runs `speed` times as fast as real time.
    #[must_use]
    pub fn start(first_minute: f64, speed: f64) -> Self {
        Self { first_minute, speed, instant: Instant::now(), time: Utc::now() }
    }

    /// City time per real time.
    #[must_use]
    pub const fn speed(&self) -> f64 {
        self.speed
    }

    /// The real duration of a number of city minutes; zero for negative ones.
    #[must_use]
    pub fn real(&self, minutes: f64) -> Duration {
        Duration::from_secs_f64((minutes * 60.0 / self.speed).max(0.0))
    }

    /// The instant of a city minute; the clock's start for minutes before its first.
    #[must_use]
    pub fn instant(&self, minute: f64) -> Instant {
        self.instant + self.real(minute - self.first_minute)
    }

    /// The wall-clock time of a city minute, for times that the platform is given.
    #[must_use]
    pub fn time(&self, minute: f64) -> DateTime<Utc> {
        self.time + TimeDelta::milliseconds(((minute - self.first_minute) * 60_000.0 / self.speed) as i64)
    }

    /// The current city minute.
    #[must_use]
    pub fn now(&self) -> f64 {
        self.first_minute + self.instant.elapsed().as_secs_f64() * self.speed / 60.0
    }

    /// City minutes between two wall-clock times.
    #[must_use]
    pub fn minutes_between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
        (to - from).as_seconds_f64() * self.speed / 60.0
    }
}

/// The instant of a wall-clock time; now for times in the past.
#[must_use]
pub fn instant_of(time: DateTime<Utc>) -> Instant {
    Instant::now() + (time - Utc::now()).to_std().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn minutes_and_real_time_agree() {
        let clock = Clock::start(700.0, 60.0);
        assert_eq!(clock.real(5.0), Duration::from_secs(5));
        assert_eq!(clock.time(710.0) - clock.time(700.0), TimeDelta::seconds(10));
        assert_eq!(clock.instant(710.0) - clock.instant(700.0), Duration::from_secs(10));
        let off = instant_of(clock.time(730.0)).duration_since(clock.instant(730.0));
        assert!(off < Duration::from_millis(100), "{off:?}");
        assert!((clock.minutes_between(clock.time(705.0), clock.time(712.0)) - 7.0).abs() < 1e-6);
        assert_eq!(clock.instant(1.0), clock.instant(700.0), "the past is now");
    }
}
