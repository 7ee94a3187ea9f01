//! Long-lived work that is started again when it fails.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::Instant;

use crate::Stop;

const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// 200 ms, 400 ms … 2 s, for ever.
const DELAYS: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(200))
    .with_max_delay(LONGEST_DELAY)
    .without_max_times();

/// Runs `session` until one ends with `Ok`, or `stop` is cancelled. A session that fails is followed by another one after
/// 200 ms, doubling to 2 s; one that lasted longer than 2 s resets the delay. `what` names it in the log.
pub(crate) async fn until_ok<Fut>(stop: &Stop, what: &str, session: impl Fn() -> Fut)
where
    Fut: Future<Output = anyhow::Result<()>>,
{
    let mut delays = Delays::default();
    while !stop.is_cancelled() {
        let started_at = Instant::now();
        let Err(e) = session().await else { return };
        let delay = delays.after(started_at.elapsed());
        tracing::warn!(error = format!("{e:#}"), "{what} failed; it is started again in {delay:?}");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(delay) => {}
        }
    }
}

struct Delays(<ExponentialBuilder as BackoffBuilder>::Backoff);

impl Default for Delays {
    fn default() -> Self {
        Self(DELAYS.build())
    }
}

impl Delays {
    /// The delay after a session that failed and had lasted for so long.
    fn after(&mut self, lasted: Duration) -> Duration {
        if lasted > LONGEST_DELAY {
            *self = Self::default();
        }
        self.0.next().unwrap_or(LONGEST_DELAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_and_are_reset_by_a_session_that_lasted() {
        let mut delays = Delays::default();
        let after_ms = |lasted_ms| delays.after(Duration::from_millis(lasted_ms)).as_millis();
        assert_eq!([0, 9, 0, 0, 0, 0, 3_000, 0].map(after_ms), [200, 400, 800, 1_600, 2_000, 2_000, 200, 400]);
    }
}
