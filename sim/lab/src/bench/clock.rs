//! Times of the virtual day.

/// Milliseconds of a minute: the benchmark counts minutes, the engine milliseconds.
pub(super) const MINUTE_MS: i64 = 60_000;

/// A minute of the day as `hh:mm`. Hours continue past 24 after midnight.
pub(super) fn clock(minute: i64) -> String {
    format!("{:02}:{:02}", minute.div_euclid(60), minute.rem_euclid(60))
}
